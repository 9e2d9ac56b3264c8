"""A plan → a program that runs its tasks on a Ray cluster."""

from __future__ import annotations

from linea.codegen.parts import quote
from linea.pipeline.plan import Plan
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import call, indented, keywords, no_schedule, package

HEAD = '''\
"""{title}

    python {name}_ray.py [--address auto] [--run-dir DIR] [--param NAME=VALUE]...

Values go between tasks in files below the run's folder, which all machines must see.
"""

import argparse
import sys
import uuid
from pathlib import Path

import ray

HERE = Path(__file__).resolve().parent


@ray.remote
def run(name, run_dir, parameters, *after):
    """Run one task when those in `after` have run."""
    sys.path.insert(0, str(HERE))
    from {name}_tasks import start

    return start(name, run_dir, parameters)


'''

MAIN = """

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of the cluster; without it, a local one")
    parser.add_argument("--run-dir", help="where the values go")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    parameters = dict(given.split("=", 1) for given in arguments.param)
    run_dir = Path(arguments.run_dir or HERE / "runs" / uuid.uuid4().hex).resolve()
    ray.init(address=arguments.address, include_dashboard=False)
    run_all(run_dir, parameters)
    print(run_dir)


if __name__ == "__main__":
    main()
"""


def render(plan: Plan, options: Options) -> dict[str, str]:
    no_schedule(options, "Ray")
    text = HEAD.format(title=f"{plan.name}: {len(plan.tasks)} tasks.", name=plan.identifier)
    body = ['"""Run all tasks, those side by side that can; wait for the last."""', "runs = {}"]
    shared = keywords(options.settings)
    if options.retries is not None:
        shared += [f"max_retries={options.retries}", "retry_exceptions=True"]
    for task in plan.tasks:
        after = [f"runs[{quote(name)}]" for name in task.upstream]
        given = [quote(task.name), "run_dir", "parameters", *after]
        how = ", ".join([f"name={quote(task.name)}", *shared])
        body.append(call(f"runs[{quote(task.name)}] = run.options({how}).remote(", given))
    wait = f", timeout={options.timeout * len(plan.tasks)}" if options.timeout else ""
    body.append(f"return ray.get(list(runs.values()){wait})")
    text += f"def run_all(run_dir, parameters):\n{indented(body)}\n" + MAIN
    return {**package(plan, options), f"{plan.identifier}_ray.py": text}
