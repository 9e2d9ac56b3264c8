"""A plan → a crontab line and the program that it starts."""

from __future__ import annotations

import shlex

from linea.errors import PipelineError
from linea.pipeline.plan import Plan
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import cron, package

SCRIPT = """\
#!/bin/sh
# Run {name} once; each run has a folder of its own below {folder}/runs.
set -eu
cd {folder}
run="runs/$(date +%Y-%m-%dT%H%M%S)-$$"
echo "$(date +%FT%T) begins in $run"
{command}
echo "$(date +%FT%T) is done"
"""


def render(plan: Plan, options: Options) -> dict[str, str]:
    if not options.schedule:
        raise PipelineError("cron needs a schedule", hint="--schedule '0 6 * * 1'")
    cron(options.schedule)
    if "%" in options.folder or "\n" in options.folder:
        raise PipelineError(f"a crontab can't hold the path {options.folder!r}")
    folder = shlex.quote(options.folder)
    limit = f"timeout {options.timeout} " if options.timeout else ""
    command = (
        f'{limit}{shlex.quote(options.python)} {plan.identifier}_tasks.py all --run-dir "$run"'
    )
    if options.retries:
        tries = " ".join(str(n) for n in range(options.retries + 1))
        command = f'for try in {tries}; do\n    {command} && break\n    [ "$try" -lt {options.retries} ]\ndone'
    script = f"{options.folder}/{plan.identifier}.sh"
    log = f"{options.folder}/{plan.identifier}.log"
    lock = f"{options.folder}/.{plan.identifier}.lock"
    line = (
        f"{options.schedule} flock -n {shlex.quote(lock)} /bin/sh {shlex.quote(script)}"
        f" >> {shlex.quote(log)} 2>&1"
    )
    return {
        **package(plan, options),
        f"{plan.identifier}.sh": SCRIPT.format(name=plan.name, folder=folder, command=command),
        f"{plan.identifier}.cron": (
            f"# Add to the others with: (crontab -l; cat {plan.identifier}.cron) | crontab -\n"
            f"# A run that is still going isn't joined by another (flock).\n{line}\n"
        ),
    }
