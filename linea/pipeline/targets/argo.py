"""A plan → a Workflow for Argo, or a CronWorkflow where it has a schedule."""

from __future__ import annotations

import re
from typing import Any

from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import cron, default_text, package
from linea.pipeline.targets.yaml import dump


def render(plan: Plan, options: Options) -> dict[str, str]:
    name = dashed(plan.name)
    spec: dict[str, Any] = {"entrypoint": "all"}
    if plan.parameters:
        spec["arguments"] = {
            "parameters": [{"name": p.name, "value": default_text(p)} for p in plan.parameters]
        }
    if options.timeout is not None:
        spec["activeDeadlineSeconds"] = options.timeout * len(plan.tasks)
    spec["templates"] = [
        {"name": "all", "dag": {"tasks": [node(task) for task in plan.tasks]}},
        *(template(plan, task, options) for task in plan.tasks),
    ]
    spec.update(options.settings)
    head: dict[str, Any] = {"apiVersion": "argoproj.io/v1alpha1"}
    labels = {f"pipeline/{tag}": "true" for tag in options.tags}
    meta: dict[str, Any] = {"labels": labels} if labels else {}
    if options.schedule:
        document = {
            **head,
            "kind": "CronWorkflow",
            "metadata": {"name": name, **meta},
            "spec": {
                "schedules": [cron(options.schedule)],
                "concurrencyPolicy": "Forbid",
                "workflowSpec": spec,
            },
        }
    else:
        document = {
            **head,
            "kind": "Workflow",
            "metadata": {"generateName": f"{name}-", **meta},
            "spec": spec,
        }
    return {**package(plan, options), f"{plan.identifier}.yaml": dump(document) + "\n"}


def dashed(name: str) -> str:
    """A name as Kubernetes has them."""
    text = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return text[:50].strip("-") or "pipeline"


def node(task: Task) -> dict[str, Any]:
    """A task's place in the graph."""
    found: dict[str, Any] = {"name": dashed(task.name), "template": dashed(task.name)}
    if task.upstream:
        found["depends"] = " && ".join(dashed(name) for name in task.upstream)
    arguments: dict[str, Any] = {}
    if task.parameters:
        arguments["parameters"] = [
            {"name": name, "value": f"{{{{workflow.parameters.{name}}}}}"}
            for name in task.parameters
        ]
    if task.suppliers:
        arguments["artifacts"] = [
            {"name": dashed(name), "from": f"{{{{tasks.{dashed(name)}.outputs.artifacts.values}}}}"}
            for name in task.suppliers
        ]
    if arguments:
        found["arguments"] = arguments
    return found


def template(plan: Plan, task: Task, options: Options) -> dict[str, Any]:
    """What a task runs: values come in as folders and go out as one."""
    found: dict[str, Any] = {"name": dashed(task.name)}
    inputs: dict[str, Any] = {}
    if task.parameters:
        inputs["parameters"] = [{"name": name} for name in task.parameters]
    if task.suppliers:
        inputs["artifacts"] = [
            {"name": dashed(name), "path": f"/values/{name}"} for name in task.suppliers
        ]
    if inputs:
        found["inputs"] = inputs
    found["outputs"] = {"artifacts": [{"name": "values", "path": f"/values/{task.name}"}]}
    if options.retries is not None:
        found["retryStrategy"] = {"limit": str(options.retries)}
    place = "" if options.place == "." else f"{options.place}/"
    command = [
        "python",
        f"/app/{place}{plan.identifier}_tasks.py",
        task.name,
        "--run-dir",
        "/values",
    ]
    for name in task.parameters:
        command += ["--param", f"{name}={{{{inputs.parameters.{name}}}}}"]
    found["container"] = {
        "image": options.image or f"{dashed(plan.name)}:latest",
        "command": command[:2],
        "args": command[2:],
    }
    return found
