"""A plan → assets for Dagster, each with the version of its code."""

from __future__ import annotations

from linea.codegen.parts import quote
from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import (
    argument,
    call,
    code_version,
    cron,
    indented,
    keywords,
    literal,
    package,
)  # fmt: skip

HEAD = '''\
"""{title}

Values lie in files below $PIPELINE_RUNS/{name}/<run id>. An asset that is materialized alone
reads the newest values of those that it rests on.
"""

import os
from pathlib import Path

import dagster as dg
from {name}_tasks import start

HERE = Path(__file__).resolve().parent
RUNS = Path(os.environ.get("PIPELINE_RUNS", HERE / "runs")) / {quoted}


class Parameters(dg.ConfigurableResource):
    """What can be set for a run."""

{fields}


def materialize(context, name, upstream, parameters):
    """Run one task in the folder of this run."""
    run_dir = RUNS / (context.run.root_run_id or context.run.run_id)
    newest = RUNS / "newest"
    inputs = {{}}
    for task in upstream:
        made_here = (run_dir / task).exists()
        inputs[task] = run_dir / task if made_here else (newest / task).read_text()
    start(name, run_dir, parameters.model_dump(), inputs=inputs)
    newest.mkdir(parents=True, exist_ok=True)
    unfinished = newest / f".{{name}}.{{context.run.run_id}}"
    unfinished.write_text(str(run_dir / name))
    unfinished.replace(newest / name)
    folder = dg.MetadataValue.path(str(run_dir / name))
    return dg.MaterializeResult(metadata={{"folder": folder}})


'''


def render(plan: Plan, options: Options) -> dict[str, str]:
    name = plan.identifier
    fields = [argument(p) for p in plan.parameters] or ["pass"]
    head = HEAD.format(
        title=f"{plan.name}: {len(plan.tasks)} assets.", name=name, quoted=quote(name),
        fields=indented(fields),
    )  # fmt: skip
    text = head + "\n\n\n".join(asset(plan, task, options) for task in plan.tasks)
    assets = [task.name for task in plan.tasks]
    given = [
        f"assets={call('[', assets, ']')}",
        'resources={"parameters": Parameters()}',
        f"jobs=[{name}_job]",
    ]
    job = [quote(name)]
    if options.tags:
        job.append(f"tags={literal(dict.fromkeys(options.tags, ''))}")
    text += (
        f"\n\n\n{call(f'{name}_job = dg.define_asset_job(', [*job, *keywords(options.settings)])}\n"
    )
    if options.schedule:
        given.append(
            f"schedules=[dg.ScheduleDefinition(job={name}_job, cron_schedule={quote(cron(options.schedule))})]"
        )
    text += "defs = dg.Definitions(\n" + indented(f"{each}," for each in given) + "\n)\n"
    return {**package(plan, options), f"{name}_assets.py": text}


def asset(plan: Plan, task: Task, options: Options) -> str:
    given = []
    if task.upstream:
        given.append(f"deps=[{', '.join(task.upstream)}]")
    given.append(f"code_version={quote(code_version(plan, task))}")
    if options.retries is not None:
        given.append(f"retry_policy=dg.RetryPolicy(max_retries={options.retries})")
    if options.timeout is not None:
        given.append(f'op_tags={{"dagster/max_runtime": {options.timeout}}}')
    made = ", ".join(task.artifacts.values()) or ", ".join(task.outputs)
    made = made.replace("\\", "\\\\").replace('"', "'")
    arguments = ["context", quote(task.name), literal(list(task.suppliers)), "parameters"]
    body = [f'"""Make {made}."""', call("return materialize(", arguments)]
    return (
        f"{call('@dg.asset(', given)}\ndef {task.name}("
        f"context: dg.AssetExecutionContext, parameters: Parameters):\n{indented(body)}"
    )
