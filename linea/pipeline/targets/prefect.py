"""A plan → a flow for Prefect 3."""

from __future__ import annotations

from linea.codegen.parts import quote
from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import (
    argument,
    call,
    cron,
    indented,
    keywords,
    literal,
    package,
)  # fmt: skip

HEAD = '''\
"""{title}

Values go between tasks in files below $PIPELINE_RUNS/{name}/<flow run id>, which all workers
must see. {how}
"""

import os
from pathlib import Path

from prefect import flow, runtime, task
from {name}_tasks import start

HERE = Path(__file__).resolve().parent
RUNS = Path(os.environ.get("PIPELINE_RUNS", HERE / "runs"))


'''


def render(plan: Plan, options: Options) -> dict[str, str]:
    name = plan.identifier
    how = "Without arguments it runs once; `--serve` waits for its schedule."
    head = HEAD.format(
        title=f"{plan.name}: {len(plan.tasks)} tasks.", name=name,
        how=how if options.schedule else "It runs once when started as a program.",
    )  # fmt: skip
    if options.schedule:
        head = head.replace("import os\n", "import os\nimport sys\n")
    settings = [f"name={quote(plan.name)}", *keywords(options.settings)]
    text = head + "\n\n\n".join(task_text(task, options) for task in plan.tasks)
    signature = call(f"def {name}(", [argument(p) for p in plan.parameters], "):")
    body = [
        '"""Run all tasks; return the folder of their values."""',
        f"run_dir = RUNS / {quote(name)} / str(runtime.flow_run.id)",
        call("parameters = {", [f"{quote(p.name)}: {p.name}" for p in plan.parameters], "}"),
    ]
    for task in plan.tasks:
        given = ["run_dir", "parameters"]
        if task.upstream:
            given.append(f"wait_for=[{', '.join(f'{each}_run' for each in task.upstream)}]")
        body.append(call(f"{task.name}_run = {task.name}.submit(", given))
    runs = [f"{task.name}_run" for task in plan.tasks]
    body += [call("for run in [", runs, "]:"), "    run.result()", "return str(run_dir)"]
    text += f"\n\n\n{call('@flow(', settings)}\n{signature}\n{indented(body)}\n\n\n"
    text += 'if __name__ == "__main__":\n'
    if options.schedule:
        tags = f", tags={literal(list(options.tags))}" if options.tags else ""
        text += (
            '    if "--serve" in sys.argv[1:]:\n'
            f"        {name}.serve(name={quote(plan.name)}, cron={quote(cron(options.schedule))}{tags})\n"
            f"    else:\n        {name}()\n"
        )
    else:
        text += f"    print({name}())\n"
    return {**package(plan, options), f"{name}_flow.py": text}


def task_text(task: Task, options: Options) -> str:
    given = []
    if options.retries is not None:
        given.append(f"retries={options.retries}")
    if options.timeout is not None:
        given.append(f"timeout_seconds={options.timeout}")
    if options.tags:
        given.append(f"tags={literal(list(options.tags))}")
    head = call("@task(", given) if given else "@task"
    made = ", ".join(task.artifacts.values()) or ", ".join(task.outputs)
    made = made.replace("\\", "\\\\").replace('"', "'")
    return (
        f"{head}\ndef {task.name}(run_dir, parameters):\n"
        f'    """Make {made}."""\n    return start({quote(task.name)}, run_dir, parameters)'
    )
