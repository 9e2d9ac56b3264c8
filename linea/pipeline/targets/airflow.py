"""A plan → a DAG for Airflow 3 that Airflow 2 reads as well."""

from __future__ import annotations

from typing import Any

from linea.codegen.parameters import Parameter
from linea.codegen.parts import quote
from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import (
    call,
    indented,
    json_default,
    keywords,
    literal,
    package,
)  # fmt: skip

HEAD = '''\
"""{title}

Values go between tasks in files below $PIPELINE_RUNS/{name}/<run id>, which all workers must
see; $PIPELINE_PYTHON is the interpreter that the tasks run in, where it isn't Airflow's own.
"""

{imports}import os
import re
import sys
from pathlib import Path

try:
    from airflow.sdk import {sdk}
except ImportError:  # Airflow 2
{old}

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from {name}_tasks import start  # noqa: E402


def run_dir(run_id):
    """The folder of one run of the DAG."""
    runs = Path(os.environ.get("PIPELINE_RUNS", HERE / "runs"))
    return runs / {quoted} / re.sub(r"[^\\w.+-]", "_", run_id)


'''

TYPES: dict[str, Any] = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "none": ["null", "string", "number", "boolean"],
}


def render(plan: Plan, options: Options) -> dict[str, str]:
    defaults = []
    if options.retries is not None:
        defaults.append(f'"retries": {options.retries}')
    if options.timeout is not None:
        defaults.append(f'"execution_timeout": datetime.timedelta(seconds={options.timeout})')
    imports = "import datetime\n" if options.timeout is not None or options.schedule else ""
    sdk = "Param, dag, task" if plan.parameters else "dag, task"
    old = ["    from airflow.decorators import dag, task"]
    old += ["    from airflow.models.param import Param"] if plan.parameters else []
    head = HEAD.format(
        title=f"{plan.name}: {len(plan.tasks)} tasks.", name=plan.identifier,
        quoted=quote(plan.identifier), imports=imports, sdk=sdk, old="\n".join(old),
    )  # fmt: skip
    given = [f"dag_id={quote(plan.identifier)}"]
    given.append(f"schedule={quote(options.schedule) if options.schedule else None}")
    if options.schedule:
        given.append("start_date=datetime.datetime(2024, 1, 1)")
    given.append("catchup=False")
    if defaults:
        given.append("default_args={" + ", ".join(defaults) + "}")
    if options.tags:
        given.append(f"tags={literal(list(options.tags))}")
    if plan.parameters:
        rows = [f"    {quote(p.name)}: {param(p)}," for p in plan.parameters]
        given.append("params={\n" + "\n".join(rows) + "\n}")
    own = {name.partition("=")[0]: name for name in given}
    own.update({k.partition("=")[0]: k for k in keywords(options.settings)})
    text = head + "@dag(\n" + indented(f"{each}," for each in own.values()) + "\n)\n"
    text += f"def {plan.identifier}():\n"
    text += "\n\n".join(indented([task_text(task)]) for task in plan.tasks)
    text += "\n\n" + indented(wiring(plan)) + f"\n\n\n{plan.identifier}()\n"
    return {**package(plan, options), f"{plan.identifier}_dag.py": text}


def param(parameter: Parameter) -> str:
    value = json_default(parameter)
    kind = TYPES.get(parameter.kind)
    if kind is None:
        kind = "array" if isinstance(value, list) else "string"
        kind = "object" if isinstance(value, dict) else kind
    form = {"date": ', format="date"'}.get(parameter.kind, "")
    return f"Param({literal(value)}, type={literal(kind)}{form})"


def task_text(task: Task) -> str:
    made = ", ".join(task.artifacts.values()) or ", ".join(task.outputs)
    body = f"start({quote(task.name)}, run_dir(run_id), params)"
    return (
        f"@task\ndef {task.name}(params=None, run_id=None):\n"
        f'    """Make {safe(made)}."""\n    {body}\n'
    ).rstrip()


def safe(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")


def wiring(plan: Plan) -> list[str]:
    variables = {task.name: f"{task.name}_task" for task in plan.tasks}
    used = {name for task in plan.tasks for name in task.upstream}
    used |= {task.name for task in plan.tasks if task.upstream}
    lines = [
        f"{variables[task.name]} = {task.name}()" if task.name in used else f"{task.name}()"
        for task in plan.tasks
    ]
    for task in plan.tasks:
        if task.upstream:
            before = [variables[name] for name in task.upstream]
            start = before[0] if len(before) == 1 else call("[", before, "]")
            lines.append(f"{start} >> {variables[task.name]}")
    return lines
