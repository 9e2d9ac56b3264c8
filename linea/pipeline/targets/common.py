"""What the files of all engines have in common: module, task runner, requirements, image."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from linea.codegen.parameters import Parameter
from linea.codegen.parts import quote
from linea.codegen.text import annotation, exploded, literal_text
from linea.errors import PipelineError
from linea.pipeline import lock
from linea.pipeline.plan import Plan, Task, imported
from linea.pipeline.targets import Options

RUNTIME = Path(__file__).parents[1] / "runtime.py"


def package(plan: Plan, options: Options) -> dict[str, str]:
    """The module, what runs its tasks, and what they need; every engine's files rest on them."""
    return {
        f"{plan.identifier}.py": plan.module,
        f"{plan.identifier}_tasks.py": tasks_file(plan, options),
        "requirements.txt": requirements(plan),
        "Dockerfile": dockerfile(plan, options),
    }


def code_files(plan: Plan, options: Options) -> list[str]:
    """The files of code that every task rests on, relative to the output folder."""
    return [f"{plan.identifier}.py", f"{plan.identifier}_tasks.py", *options.modules]


def tasks_file(plan: Plan, options: Options) -> str:
    """The task runner with this plan's tables."""
    text = RUNTIME.read_text(encoding="utf-8")
    head, rest = text.split("MODULE = ", 1)
    body = rest.split("# <<< tables", 1)[1]
    head = head.replace("NAME_tasks.py", f"{plan.identifier}_tasks.py")
    head = re.sub(r"# (>>>|<<<) imports\n", "", head)
    return head + tables(plan, options) + body


def tables(plan: Plan, options: Options) -> str:
    tasks = [f"    {quote(task.name)}: {{\n{entry(task)}    }}," for task in plan.tasks]
    parameters = [
        f"    {quote(p.name)}: ({quote(p.kind)}, {quote(default_text(p))}),"
        for p in plan.parameters
    ]
    return "\n".join(
        [
            f"MODULE = {quote(plan.identifier)}",
            f"PROJECT = {quote(options.project)}",
            "TASKS = {",
            *tasks,
            "}",
            "# Name: (kind, default as text).",
            "PARAMETERS = {" if parameters else "PARAMETERS = {}",
            *parameters,
            *(["}"] if parameters else []),
        ]
    )


def entry(task: Task) -> str:
    rows: dict[str, Any] = {
        "inputs": [(v.argument, v.task, v.output) for v in task.inputs],
        "outputs": list(task.outputs),
        "parameters": list(task.parameters),
        "artifacts": dict(task.artifacts),
        "files": list(task.files),
        "placed": [(p.path, p.task, p.output) for p in task.placed],
        "random": task.random,
        "keeps_random": task.keeps_random,
        "folder": task.folder,
        "reads": list(task.reads),
        "writes": list(task.writes),
    }
    return "".join(f"{laid_out(f'{quote(key)}: ', value, 8)},\n" for key, value in rows.items())


BRACKETS = {dict: ("{", "}"), list: ("[", "]")}


def laid_out(head: str, value: object, columns: int) -> str:
    """`head` and a literal: on one line where it fits, else one entry a line, as black does."""
    line = " " * columns + head + literal(value)
    if len(line) < 88 or not isinstance(value, (list, dict, tuple)) or not value:
        return line
    if isinstance(value, dict):
        rows = [laid_out(f"{literal(k)}: ", v, columns + 4) for k, v in value.items()]
    else:
        rows = [laid_out("", each, columns + 4) for each in value]
    first, last = BRACKETS.get(type(value), ("(", ")"))
    body = "".join(f"{row},\n" for row in rows)
    return f"{' ' * columns}{head}{first}\n{body}{' ' * columns}{last}"


def literal(value: object) -> str:
    """A literal in the style of black, on one line."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)


def default_text(parameter: Parameter) -> str:
    """The default as `--param NAME=…` would give it."""
    if parameter.kind in ("literal", "none"):
        return ast.unparse(ast.parse(parameter.text, mode="eval").body)
    return str(parameter.value)


def json_default(parameter: Parameter) -> Any:
    """The default as a value that JSON can hold: a text where it has no form of its own."""
    if parameter.kind == "literal":
        try:
            if json.loads(json.dumps(parameter.value)) == parameter.value and not isinstance(
                parameter.value, tuple
            ):
                return parameter.value
        except (TypeError, ValueError):
            pass
        return default_text(parameter)
    return parameter.value


def typed(parameter: Parameter) -> str:
    """The annotation of a parameter, of what Python itself has."""
    if parameter.kind in ("int", "float", "bool", "str"):
        return parameter.kind
    if parameter.kind == "literal" and isinstance(parameter.value, (list, dict)):
        return annotation(parameter.value)
    return "str | None" if parameter.kind == "none" else "str"


def argument(parameter: Parameter) -> str:
    """`n: int = 3`, as the argument of an engine's function."""
    value = json_default(parameter)
    text = (
        literal_text(parameter)
        if parameter.kind in ("int", "float", "bool", "str")
        else literal(value)
    )
    return f"{parameter.name}: {typed(parameter)} = {text}"


def requirements(plan: Plan) -> str:
    """The packages that the slices import, at the versions that they ran with."""
    return lock.direct(plan.environment.packages, imported(plan.module))


def dockerfile(plan: Plan, options: Options, extra: str = "") -> str:
    """An image with the interpreter, the packages, the code and the files that it reads."""
    place = "" if options.place == "." else f"{options.place}/"
    python = plan.environment.python or "3.11"
    data = dict.fromkeys(path for task in plan.tasks for path in task.reads)
    inside = [path for path in data if not path.startswith(("/", ".."))]
    copies = [f"COPY {json.dumps([path, f'/app/{path}'])}" for path in inside]
    lines = [
        f"# docker build -f {place}Dockerfile -t {plan.identifier} .",
        f"FROM python:{python}-slim",
        "RUN useradd --create-home pipeline",
        "WORKDIR /app",
        f"COPY {place}requirements*.* ./",
        "RUN pip install --no-cache-dir -r requirements.lock",
        *([extra] if extra else []),
        *copies,
        f"COPY {place or '.'} /app/{place}",
        "RUN chown -R pipeline /app",
        "USER pipeline",
        "ENV PIPELINE_PROJECT=/app",
        f'ENTRYPOINT ["python", "/app/{place}{plan.identifier}_tasks.py"]',
        'CMD ["all", "--run-dir", "/app/run"]',
    ]
    return "\n".join(lines) + "\n"


def code_version(plan: Plan, task: Task) -> str:
    """A short mark of the code that a task runs."""
    parts = [task.code, *(line for line in plan.module.splitlines() if "import" in line)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def call(start: str, arguments: Sequence[str], end: str = ")") -> str:
    line = start + ", ".join(arguments) + end
    # Most calls stand in a function, four columns in.
    return line if len(line) <= 84 else exploded(start, arguments, end)


def keywords(settings: Mapping[str, Any]) -> list[str]:
    """Settings as keyword arguments."""
    for name in settings:
        if not name.isidentifier():
            raise PipelineError(f"{name!r} can't be the name of a setting")
    return [f"{name}={literal(value)}" for name, value in settings.items()]


def no_schedule(options: Options, engine: str) -> None:
    if options.schedule:
        raise PipelineError(
            f"{engine} has no schedules of its own",
            hint="the target cron or github starts it on a schedule",
        )


def cron(schedule: str) -> str:
    """Five fields for engines that know no `@daily`."""
    known = {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
    found = known.get(schedule, schedule)
    field = r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/\d+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/\d+)?)*"
    if not re.fullmatch(rf"{field}( +{field}){{4}}", found):
        raise PipelineError(
            f"{schedule!r} is no schedule",
            hint="five fields as cron has them, '0 6 * * 1', or @daily, @weekly and their like",
        )
    return found


def indented(lines: Iterable[str], columns: int = 4) -> str:
    pad = " " * columns
    return "\n".join(pad + line if line else "" for text in lines for line in text.split("\n"))
