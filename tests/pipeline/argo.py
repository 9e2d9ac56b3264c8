"""The little of Argo that runs a generated workflow here: templates, parameters, artifacts as folders."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_workflow(
    document: Mapping[str, Any], app: Path, values: Path, given: Mapping[str, str]
) -> None:
    """Run the tasks of the entry point's DAG; each sees the artifacts that it declares, no others.

    `/app` stands for the folder `app`; what a task leaves as its artifact goes below `values`.
    """
    spec = document["spec"]
    templates = {each["name"]: each for each in spec["templates"]}
    parameters = {p["name"]: p["value"] for p in spec.get("arguments", {}).get("parameters", [])}
    scope = {f"workflow.parameters.{n}": v for n, v in {**parameters, **given}.items()}
    tasks = {task["name"]: task for task in templates[spec["entrypoint"]]["dag"]["tasks"]}
    done: dict[str, Path] = {}
    while len(done) < len(tasks):
        name, task = next(
            (n, t) for n, t in tasks.items()
            if n not in done and all(d in done for d in t.get("depends", "").split(" && ") if d)
        )  # fmt: skip
        done[name] = run_task(task, templates[task["template"]], scope, done, app, values)


def run_task(
    task: Mapping[str, Any],
    template: Mapping[str, Any],
    scope: Mapping[str, str],
    done: Mapping[str, Path],
    app: Path,
    values: Path,
) -> Path:
    box = values.parent / f"box-{task['name']}"
    arguments = task.get("arguments", {})
    known = {
        f"inputs.parameters.{p['name']}": filled(p["value"], scope)
        for p in arguments.get("parameters", [])
    }
    declared = {a["name"]: a["path"] for a in template.get("inputs", {}).get("artifacts", [])}
    for artifact in arguments.get("artifacts", []):
        match = re.fullmatch(
            r"\{\{tasks\.([\w-]+)\.outputs\.artifacts\.values\}\}", artifact["from"]
        )
        assert match, artifact
        shutil.copytree(done[match[1]], box / declared[artifact["name"]].lstrip("/"))
    box.mkdir(exist_ok=True)
    container = template["container"]
    command = [filled(text, known) for text in (*container["command"], *container["args"])]
    command = [
        text.replace("/app/", f"{app}/").replace("/values", f"{box}/values") for text in command
    ]
    subprocess.run([sys.executable, *command[1:]], check=True, cwd=box)
    (output,) = template["outputs"]["artifacts"]
    made = box / output["path"].lstrip("/")
    kept = values / made.name
    shutil.copytree(made, kept)
    return kept


def filled(text: str, scope: Mapping[str, str]) -> str:
    return re.sub(r"\{\{([^}]*)\}\}", lambda found: scope[found[1]], text)
