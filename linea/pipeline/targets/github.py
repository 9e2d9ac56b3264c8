"""A plan → a workflow for GitHub Actions: a job a task."""

from __future__ import annotations

import re
from typing import Any

from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.argo import dashed
from linea.pipeline.targets.common import cron, default_text, package
from linea.pipeline.targets.yaml import dump


def render(plan: Plan, options: Options) -> dict[str, str]:
    on: dict[str, Any] = {"workflow_dispatch": {}}
    if plan.parameters:
        on["workflow_dispatch"] = {
            "inputs": {
                p.name: {"type": "boolean" if p.kind == "bool" else "string", "default": given(p)}
                for p in plan.parameters
            }
        }
    if options.schedule:
        on["schedule"] = [{"cron": cron(options.schedule)}]
    document = {
        "name": plan.name,
        "on": on,
        "permissions": {"contents": "read"},
        **options.settings,
        "jobs": {dashed(task.name): job(plan, task, options) for task in plan.tasks},
    }
    path = f".github/workflows/{dashed(plan.name)}.yml"
    if options.project != ".":
        path = f"{options.project}/{path}"
    return {**package(plan, options), path: dump(document) + "\n"}


def given(parameter: Any) -> Any:
    return parameter.value if parameter.kind == "bool" else default_text(parameter)


def job(plan: Plan, task: Task, options: Options) -> dict[str, Any]:
    place = "" if options.place == "." else f"{options.place}/"
    found: dict[str, Any] = {"runs-on": "ubuntu-latest"}
    if task.upstream:
        found["needs"] = [dashed(name) for name in task.upstream]
    if options.timeout is not None:
        found["timeout-minutes"] = max(1, round(options.timeout / 60))
    python = re.match(r"\d+\.\d+", plan.environment.python or "3.11")
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4"},
        {
            "uses": "actions/setup-python@v5",
            "with": {"python-version": python[0] if python else "3.11", "cache": "pip",
                     "cache-dependency-path": f"{place}requirements.lock"},
        },
        {"run": f"pip install -r {place}requirements.lock"},
    ]  # fmt: skip
    for name in task.suppliers:
        steps.append(
            {
                "uses": "actions/download-artifact@v4",
                "with": {"name": dashed(name), "path": f"values/{name}"},
            }
        )
    command = f"python {place}{plan.identifier}_tasks.py {task.name} --run-dir values"
    step: dict[str, Any] = {"run": command}
    if task.parameters:
        defaults = {p.name: p for p in plan.parameters}
        # Through the environment, so that no text of an input is ever read by the shell.
        step["env"] = {f"PARAM_{name}": f"${{{{ inputs.{name} }}}}" for name in task.parameters}
        lines = ["set --"]
        for name in task.parameters:
            kind = defaults[name].kind
            empty = kind in ("str", "path", "none", "literal")
            test = '[ "$GITHUB_EVENT_NAME" = schedule ]' if empty else f'[ -z "$PARAM_{name}" ]'
            lines.append(f'{test} || set -- "$@" --param "{name}=$PARAM_{name}"')
        step["run"] = "\n".join([*lines, f'{command} "$@"']) + "\n"
    steps.append(step)
    steps.append(
        {
            "uses": "actions/upload-artifact@v4",
            "with": {
                "name": dashed(task.name),
                "path": f"values/{task.name}",
                "include-hidden-files": True,
                "if-no-files-found": "error",
            },
        }
    )
    found["steps"] = steps
    return found
