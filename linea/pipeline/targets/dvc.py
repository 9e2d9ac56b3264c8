"""A plan → `dvc.yaml` and a file of parameters: one stage a task."""

from __future__ import annotations

import json
from typing import Any

from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import code_files, json_default, no_schedule, package
from linea.pipeline.targets.yaml import dump


def render(plan: Plan, options: Options) -> dict[str, str]:
    no_schedule(options, "DVC")
    stages = {task.name: stage(plan, task, options) for task in plan.tasks}
    files = {**package(plan, options), "dvc.yaml": dump({"stages": stages}) + "\n"}
    if plan.parameters:
        values = {p.name: json_default(p) for p in plan.parameters}
        files["params.json"] = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return files


def stage(plan: Plan, task: Task, options: Options) -> dict[str, Any]:
    place = "" if options.place == "." else f"{options.place}/"
    params = f"--params {place}params.json" if plan.parameters else ""
    command = (
        f"python {place}{plan.identifier}_tasks.py {task.name} --run-dir {place}values {params}"
    )
    found: dict[str, Any] = {"cmd": command.rstrip()}
    if options.project != ".":
        found["wdir"] = options.project
    deps = [f"{place}values/{name}" for name in task.upstream]
    deps += [*(f"{place}{path}" for path in code_files(plan, options)), *task.reads]
    found["deps"] = deps
    if task.parameters:
        found["params"] = [{f"{place}params.json": list(task.parameters)}]
    found["outs"] = [f"{place}values/{task.name}"]
    found.update(options.settings)
    return found
