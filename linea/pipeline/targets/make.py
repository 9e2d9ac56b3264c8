"""A plan → a Makefile: a rule a task, run again when code, inputs or parameters change."""

from __future__ import annotations

import posixpath

from linea.errors import PipelineError
from linea.pipeline.plan import Plan, Task
from linea.pipeline.targets import Options
from linea.pipeline.targets.common import code_files, default_text, no_schedule, package

HEAD = """\
# make -C {place}            runs what isn't up to date; -j 4 runs tasks side by side
# make -C {place} NAME=VALUE sets a parameter
PYTHON ?= python3
RUN_DIR ?= run
"""


def render(plan: Plan, options: Options) -> dict[str, str]:
    no_schedule(options, "make")
    place = options.place
    lines = [HEAD.format(place=place)]
    if plan.parameters:
        lines.append("# Parameters and their defaults:")
        for parameter in plan.parameters:
            lines.append(f"#   {parameter.name} = {default_text(parameter)!r}")
            lines.append(f"export PARAM_{parameter.name} = $({parameter.name})")
        lines.append("given = $(filter command file,$(origin $(1)))")
        lines.append("")
    finals = [done(task) for task in plan.tasks]
    lines += [f"all: {' '.join(finals)}", ""]
    for task in plan.tasks:
        lines += rule(plan, task, options)
    lines += [
        "clean:", "\trm -rf $(RUN_DIR)", "", "FORCE:", "", ".PHONY: all clean FORCE",
        ".DELETE_ON_ERROR:",
    ]  # fmt: skip
    return {**package(plan, options), "Makefile": "\n".join(lines) + "\n"}


def done(task: Task) -> str:
    return f"$(RUN_DIR)/{task.name}/done"


def rule(plan: Plan, task: Task, options: Options) -> list[str]:
    needs = [f"$(RUN_DIR)/{name}/done" for name in task.upstream]
    needs += map(escaped, code_files(plan, options))
    for path in task.reads:
        needs.append(
            escaped(path if path.startswith("/") else posixpath.join(options.project, path))
        )
    passed = "".join(
        f'$(if $(call given,{name}), --param "{name}=$$PARAM_{name}")' for name in task.parameters
    )
    command = f"$(PYTHON) {plan.identifier}_tasks.py {task.name} --run-dir $(RUN_DIR){passed}"
    lines = []
    if task.parameters:
        stamp = f"$(RUN_DIR)/{task.name}.parameters"
        needs.append(stamp)
        values = " ".join(f'"{n}=$(call given,{n})=$$PARAM_{n}"' for n in task.parameters)
        lines += [
            f"{stamp}: FORCE",
            "\t@mkdir -p $(@D)",
            f"\t@printf '%s\\n' {values} | cmp -s - $@ || printf '%s\\n' {values} > $@",
            "",
        ]
    return [*lines, f"{done(task)}: {' '.join(needs)}", f"\t{command}", ""]


def escaped(path: str) -> str:
    if any(letter in path for letter in ":%\n\t"):
        raise PipelineError(f"make can't depend on a file named {path!r}")
    return path.replace("$", "$$").replace("#", "\\#").replace(" ", "\\ ")
