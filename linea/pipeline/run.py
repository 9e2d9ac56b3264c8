"""A plan → a run of it: fresh processes, results taken from the store where nothing changed.

The driver is the only one that writes to the store. Values go between tasks by their commits, so
what one run leaves behind, whole or interrupted, is what the next one goes on from.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea import values
from linea.codegen.parameters import Parameter
from linea.errors import LineaError, PipelineError
from linea.model import (
    ArtifactName,
    Digest,
    Draft,
    Encoded,
    Environment,
    InputFile,
    Parent,
    Preview,
    Version,
)
from linea.pipeline import clusters, runtime
from linea.pipeline.definition import PREFIX
from linea.pipeline.plan import Plan, Task
from linea.replay.run import record_from_json

if TYPE_CHECKING:
    from linea.store.repository import Repository

PROGRAM: Any = runtime
RANDOM = ""
"""The output that stands for the state of random generators."""
LOOKED_AT = 200
"""How many of the newest versions are looked at for a result that is there already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task."""

    task: str
    state: str
    """`ran`, `unchanged`, `failed`, `skipped` (something before it failed), `due` (in a dry run)."""
    seconds: float = 0.0
    versions: tuple[str, ...] = ()
    """The revisions that hold its values."""
    detail: str = ""
    """Why it ran, failed or didn't run."""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave."""

    outcomes: tuple[Outcome, ...]
    folder: str
    """Where the logs lie."""

    @property
    def ok(self) -> bool:
        return all(outcome.state not in ("failed", "skipped") for outcome in self.outcomes)

    def __getitem__(self, task: str) -> Outcome:
        return next(outcome for outcome in self.outcomes if outcome.task == task)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs to know of the world."""

    root: Path
    author: str
    clock: Callable[[], datetime]
    environment: Environment
    """Of this interpreter, with the packages that the slices use."""


@dataclass(slots=True)
class State:
    """A run in progress."""

    repository: Repository
    plan: Plan
    surroundings: Surroundings
    parameters: Mapping[str, str]
    """Name → source text of the value."""
    folder: Path
    values: dict[tuple[str, str], Version] = field(default_factory=dict)
    """(task, output) → the version that holds it."""
    keys: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)


def run(
    repository: Repository,
    plan: Plan,
    surroundings: Surroundings,
    *,
    parameters: Mapping[str, Any] | None = None,
    start: str | None = None,
    jobs: int = 1,
    on: str = "local",
    dry: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> Result:
    """Run the tasks that have no stored result, `start` and what rests on it in any case."""
    texts = parameter_texts(plan, parameters or {})
    forced = downstream(plan, start) if start else set()
    if repository.path is None:
        raise PipelineError("a pipeline runs on a store on disk")
    base = repository.path.resolve() / "runs" / plan.identifier
    base.mkdir(parents=True, exist_ok=True)
    stamp = surroundings.clock().strftime("%Y-%m-%dT%H%M%S-")
    folder = Path(tempfile.mkdtemp(prefix=stamp, dir=base))
    (folder / "module.py").write_text(plan.module, encoding="utf-8")
    state = State(repository, plan, surroundings, texts, folder)
    if dry:
        forecast(state, forced)
        shutil.rmtree(folder)
    else:
        with clusters.executor(on, jobs) as pool:
            drive(state, pool, forced, report)
    return Result(tuple(state.outcomes[task.name] for task in plan.tasks), str(folder))


def downstream(plan: Plan, start: str) -> set[str]:
    """A task, named by itself or by its artifact, with all that rest on it."""
    by_name = {task.name: task.name for task in plan.tasks}
    by_name |= {artifact: task.name for task in plan.tasks for artifact in task.artifacts.values()}
    if start not in by_name:
        raise PipelineError(
            f"there is no task {start!r}", hint=f"tasks: {', '.join(t.name for t in plan.tasks)}"
        )
    found = {by_name[start]}
    for task in plan.tasks:
        if found & set(task.upstream):
            found.add(task.name)
    return found


# --------------------------------------------------------------------------------- parameters


def parameter_texts(plan: Plan, given: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that are set, as source texts; PipelineError for one that doesn't fit."""
    known = {parameter.name: parameter for parameter in plan.parameters}
    for name in given:
        if name not in known:
            raise PipelineError(
                f"{plan.name} has no parameter {name!r}",
                hint=f"it has {', '.join(known)}" if known else "it has none",
            )
    return {name: source_text(known[name], value) for name, value in given.items()}


def source_text(parameter: Parameter, value: Any) -> str:
    """A value, or the text of one, as the source of an expression that gives it."""
    try:
        found = PROGRAM.parse(parameter.name, value, parameter.kind)
    except SystemExit as error:
        raise PipelineError(str(error)) from None
    if parameter.constructor:
        method = ".fromisoformat" if parameter.kind in ("date", "datetime") else ""
        shown = found.isoformat() if hasattr(found, "isoformat") else str(found)
        return f"{parameter.constructor}{method}({shown!r})"
    text = repr(found)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise PipelineError(f"parameter {parameter.name}: {value!r} can't be passed on") from None
    return text


# --------------------------------------------------------------------------------------- keys


def key_of(state: State, task: Task) -> str:
    """A digest of all that a task's values follow from; what it rests on must be there."""
    plan = state.plan
    parameters = {p.name: p for p in plan.parameters}
    facts = {
        "format": 1,
        "code": task.code,
        "prelude": prelude(plan),
        "parameters": {
            name: state.parameters.get(name) or canonical(parameters[name])
            for name in task.parameters
        },
        "inputs": {i.argument: state.values[i.task, i.output].digest for i in task.inputs},
        "placed": {p.path: state.values[p.task, p.output].digest for p in task.placed},
        "random": state.values[task.random, RANDOM].digest if task.random else None,
        "files": files_read(state, task),
        "folder": task.folder,
        "python": state.surroundings.environment.python.rpartition(".")[0],
        "packages": {p.name.lower(): p.version for p in state.surroundings.environment.packages},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def canonical(parameter: Parameter) -> str:
    """The default as `source_text` would give it."""
    given = parameter.value if parameter.kind != "literal" else parameter.text
    return source_text(parameter, given) if parameter.kind != "literal" else repr(parameter.value)


def prelude(plan: Plan) -> str:
    """What all functions of the module share: imports, constants, helpers."""
    functions = {task.name for task in plan.tasks} | {"run_all", "main"}
    kept = [
        ast.unparse(node)
        for node in ast.parse(plan.module).body[1:]
        if not (isinstance(node, ast.FunctionDef) and node.name in functions)
        and not isinstance(node, ast.If)
    ]
    return "\n".join(kept)


def files_read(state: State, task: Task) -> dict[str, str]:
    """The digests of the files that a task may read, those that parameters name included."""
    found = {}
    named = [
        ast.literal_eval(text)
        for name, text in state.parameters.items()
        if name in task.parameters and text.startswith(("'", '"'))
    ]
    for path in (*task.reads, *state.plan.modules, *map(str, named)):
        whole = state.surroundings.root / path
        within = state.surroundings.root / task.folder / path
        here = whole if whole.exists() else within
        try:
            found[path] = str(values.digest_file(here) if here.is_file() else folder_digest(here))
        except OSError:
            if path in (*task.reads, *state.plan.modules):
                found[path] = "missing"
    return found


def folder_digest(folder: Path) -> str:
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    rows = [
        (path.relative_to(folder).as_posix(), str(values.digest_file(path)))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def known_result(state: State, task: Task, key: str) -> dict[str, Version] | None:
    """The stored versions of all that a task gives, where one run has computed them before."""
    found = {}
    if task.reused:
        return {o: state.plan.source(a).version for o, a in task.artifacts.items()}
    for output in outputs(task):
        version = version_with(state.repository, name_of(state.plan, task, output), key)
        if version is None:
            return None
        found[output] = version
    return found


def version_with(repository: Repository, name: str, key: str) -> Version | None:
    with contextlib.suppress(LineaError):
        for count, version in enumerate(repository.versions(name)):
            if key in repository.tasks(version):
                return version
            if count == LOOKED_AT:
                break
    return None


def outputs(task: Task) -> tuple[str, ...]:
    return (*task.outputs, RANDOM) if task.keeps_random else task.outputs


def name_of(plan: Plan, task: Task, output: str) -> ArtifactName:
    """The artifact that holds a value: its own, or one below the pipeline's name."""
    inner = f"{PREFIX}{plan.name}/{task.name}.{output or 'random state'}"
    return ArtifactName(task.artifacts.get(output, inner))


# ------------------------------------------------------------------------------------- driving


def forecast(state: State, forced: set[str]) -> None:
    """Say what would run, without running anything."""
    for task in state.plan.tasks:
        before = [name for name in task.upstream if state.outcomes[name].state != "unchanged"]
        if before:
            detail = f"unless {before[0]} gives what it gave"
            detail = detail if task.name not in forced else "asked for"
            state.outcomes[task.name] = Outcome(task.name, "due", detail=detail)
            continue
        key = key_of(state, task)
        found = None if task.name in forced else known_result(state, task, key)
        if found is None:
            why = (
                "asked for" if task.name in forced else "no result of this code, input and setting"
            )
            state.outcomes[task.name] = Outcome(task.name, "due", detail=why)
        else:
            take(state, task, key, found)


def take(state: State, task: Task, key: str, found: Mapping[str, Version]) -> None:
    state.keys[task.name] = key
    for output, version in found.items():
        state.values[task.name, output] = version
    shown = tuple(version.revision for output, version in found.items() if output in task.artifacts)
    state.outcomes[task.name] = Outcome(task.name, "unchanged", versions=shown)


def drive(
    state: State,
    pool: clusters.Pool,
    forced: set[str],
    report: Callable[[str], None],
) -> None:
    """Start each task when those before it are done; commit what comes out."""
    running: dict[Future[int], Task] = {}
    waiting = list(state.plan.tasks)
    while waiting or running:
        for task in list(waiting):
            states = [
                state.outcomes[name].state if name in state.outcomes else ""
                for name in task.upstream
            ]
            if any(each in ("failed", "skipped") for each in states):
                waiting.remove(task)
                lost = task.upstream[
                    next(at for at, each in enumerate(states) if each in ("failed", "skipped"))
                ]
                tell(state, report, Outcome(task.name, "skipped", detail=f"{lost} gave nothing"))
            elif all(states) and len(running) < pool.width:
                waiting.remove(task)
                begun = begin(state, task, pool, forced, report)
                if begun is not None:
                    running[begun] = task
        if running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                finish(state, running.pop(future), future, report)


def begin(
    state: State,
    task: Task,
    pool: clusters.Pool,
    forced: set[str],
    report: Callable[[str], None],
) -> Future[int] | None:
    """Start a task; or take its values from the store."""
    key = state.keys[task.name] = key_of(state, task)
    again = task.name in forced and not task.reused
    found = None if again else known_result(state, task, key)
    if found is not None:
        take(state, task, key, found if task.reused else newest_again(state, task, key, found))
        tell(state, report, state.outcomes[task.name])
        return None
    report(f"{task.name} starts")
    return pool.submit(str(request(state, task)))


def request(state: State, task: Task) -> Path:
    """Write what the task's process needs to know."""
    folders = {}
    for placed in task.placed:
        folders[placed.task] = str(state.folder / "files" / placed.task)
        put_file(state, placed.task, placed.output)
    facts = {
        "module": str(state.folder / "module.py"),
        "function": task.name,
        "store": str(state.repository.path.resolve()) if state.repository.path else "",
        "project": str(state.surroundings.root.resolve()),
        "out": str(state.folder / task.name),
        "inputs": {i.argument: state.values[i.task, i.output].commit for i in task.inputs},
        "random": state.values[task.random, RANDOM].commit if task.random else None,
        "parameters": {n: t for n, t in state.parameters.items() if n in task.parameters},
        "folders": folders,
        "task": {
            "outputs": list(task.outputs),
            "files": list(task.files),
            "placed": [(p.path, p.task, p.output) for p in task.placed],
            "keeps_random": task.keeps_random,
            "folder": task.folder,
            "writes": list(task.writes),
        },
    }
    path = state.folder / f"{task.name}.json"
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def put_file(state: State, task: str, output: str) -> None:
    """Write a file that is an artifact where the tasks that read it find it."""
    version = state.values[task, output]
    place = state.folder / "files" / task / f"{output}.file"
    made = values.export(version.value, state.repository.read_part(version), version.name)
    for name, data in made.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(bytes(data))


def finish(state: State, task: Task, future: Future[int], report: Callable[[str], None]) -> None:
    """Commit what a task gave, or say why it gave nothing."""
    log = state.folder / f"{task.name}.log"
    out = state.folder / task.name
    try:
        status = future.result()
        if status or not (out / "answer.json").exists():
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            last = text.strip().splitlines()[-1:] or [f"it ended with status {status}"]
            outcome = Outcome(task.name, "failed", detail=last[0], log=str(log))
        else:
            outcome = commit(state, task, json.loads((out / "answer.json").read_text()))
    except (LineaError, OSError, clusters.ClusterError) as error:
        outcome = Outcome(task.name, "failed", detail=str(error), log=str(log))
    finally:
        shutil.rmtree(out, ignore_errors=True)
    tell(state, report, outcome)


def tell(state: State, report: Callable[[str], None], outcome: Outcome) -> None:
    state.outcomes[outcome.task] = outcome
    took = f" in {outcome.seconds:.1f} s" if outcome.state == "ran" else ""
    what = ", ".join(outcome.versions) or outcome.detail
    report(f"{outcome.task} {outcome.state}{took}{': ' if what else ''}{what}")


# ---------------------------------------------------------------------------------- committing


def commit(state: State, task: Task, answer: Mapping[str, Any]) -> Outcome:
    """Store the values of a task, all together, and under which key they were computed."""
    drafts = {
        output: draft(state, task, output, read_encoded(state.folder / task.name, entry), answer)
        for output, entry in answer["outputs"].items()
    }
    new = {output: made for output, made in drafts.items() if not unchanged(state, made)}
    made = dict(zip(new, state.repository.commit(list(new.values())), strict=True)) if new else {}
    for output, one in drafts.items():
        version = made.get(output) or state.repository.tip(one.name)
        state.repository.note_task(version, state.keys[task.name])
        state.values[task.name, output] = version
    shown = tuple(state.values[task.name, o].revision for o in task.outputs if o in task.artifacts)
    return Outcome(
        task.name,
        "ran",
        answer["seconds"],
        shown,
        log=str(state.folder / f"{task.name}.log"),
    )


def newest_again(
    state: State, task: Task, key: str, found: Mapping[str, Version]
) -> dict[str, Version]:
    """Make known results the newest versions again where others came since, as of other parameters."""
    drafts = {
        output: as_known(state, version)
        for output, version in found.items()
        if output in task.artifacts and state.repository.tip(version.name).commit != version.commit
    }
    new = {output: made for output, made in drafts.items() if not unchanged(state, made)}
    made = dict(zip(new, state.repository.commit(list(new.values())), strict=True)) if new else {}
    for version in made.values():
        state.repository.note_task(version, key)
    tips = {output: state.repository.tip(drafts[output].name) for output in drafts}
    return {**found, **tips, **made}


def as_known(state: State, version: Version) -> Draft:
    """The next version of an artifact, with what an earlier one holds, made of what this run took."""
    repository = state.repository
    read = repository.read_part(version)
    parts = {part.path: read(part.path) for part in version.value.parts}
    return Draft(
        name=version.name,
        code=repository.code(version),
        session=repository.session(version),
        value=Encoded(replace(version.value, parts=()), parts, repository.preview(version)),
        author=state.surroundings.author,
        created=state.surroundings.clock(),
        message=f"{message(state)}, as in v{version.number}",
        parents=tuple(parents(state, version)),
        inputs=version.inputs,
        environment=version.environment,
        result=version.result,
        lines=version.lines,
        source=version.source,
        seconds=version.seconds,
        conservative=version.conservative,
        unreproducible=version.unreproducible,
        written=version.written,
        git=version.git,
        folder=version.folder,
    )


def unchanged(state: State, made: Draft) -> bool:
    """Whether the newest version holds the same value, made by the same code of the same things."""
    with contextlib.suppress(LineaError):
        tip = state.repository.tip(made.name)
        return (
            tip.digest == made.value.record.digest
            and state.repository.code(tip) == made.code
            and {f.path: f.digest for f in tip.inputs} == {f.path: f.digest for f in made.inputs}
            and {p.digest for p in tip.parents} == {p.digest for p in made.parents}
        )
    return False


def read_encoded(folder: Path, entry: Mapping[str, Any]) -> Encoded:
    preview = entry["preview"]
    return Encoded(
        record_from_json(entry["record"]),
        {part: (folder / file).read_bytes() for part, file in entry["parts"].items()},
        Preview(preview[0], (folder / preview[1]).read_bytes()) if preview else None,
    )


def draft(
    state: State, task: Task, output: str, value: Encoded, answer: Mapping[str, Any]
) -> Draft:
    """The next version of an artifact, with code that makes it alone; or of a shared value."""
    name = name_of(state.plan, task, output)
    common: dict[str, Any] = {
        "name": name,
        "value": value,
        "author": state.surroundings.author,
        "created": state.surroundings.clock(),
        "message": message(state),
        "environment": state.surroundings.environment,
        "seconds": answer["seconds"],
    }
    if output not in task.artifacts:
        code = substituted_text(state, state.plan.slices[task.name])
        inputs = tuple(input_files(state, task.reads))
        return Draft(
            code=code, session=state.plan.module, result=output or None, inputs=inputs, **common
        )
    source = state.plan.source(task.artifacts[output])
    if source.reused:
        code, lines = source.code, source.version.lines
    else:
        code, lines = substituted(state, source.code, source.version.lines)
    reads = [file.path for file in source.version.inputs]
    return Draft(
        code=code,
        session=state.repository.session(source.version),
        result=source.version.result,
        lines=lines,
        source=source.version.source,
        parents=tuple(parents(state, source.version)),
        inputs=tuple(input_files(state, [*reads, *named_files(state, reads)])),
        conservative=source.version.conservative,
        unreproducible=source.version.unreproducible,
        **common,
    )


def message(state: State) -> str:
    given = ", ".join(f"{name}={text}" for name, text in state.parameters.items())
    return f"pipeline {state.plan.name}" + (f" with {given}" if given else "")


def parents(state: State, version: Version) -> Iterator[Parent]:
    """What the version was made from, at the versions of this run."""
    made = {
        artifact: state.values[task.name, output]
        for task in state.plan.tasks
        for output, artifact in task.artifacts.items()
        if (task.name, output) in state.values
    }
    for parent in version.parents:
        new = made.get(parent.name)
        if new is None and parent.name in state.plan.pins:
            new = state.repository.version(parent.name, state.plan.pins[parent.name])
        if new is None or parent.name == version.name:
            yield parent
        else:
            yield Parent(new.name, new.number, new.commit, new.digest)


def input_files(state: State, paths: Sequence[str]) -> Iterator[InputFile]:
    """The files that were read, as they are now."""
    for path in dict.fromkeys(paths):
        whole = state.surroundings.root / path
        with contextlib.suppress(OSError):
            size = whole.stat().st_size
            if whole.is_file():
                yield InputFile(path, Digest(values.digest_file(whole)), size)


def named_files(state: State, reads: Sequence[str]) -> Iterator[str]:
    """The files that a set parameter names in place of one that was read."""
    for parameter in state.plan.parameters:
        text = state.parameters.get(parameter.name)
        if text and parameter.file:
            path = ast.literal_eval(text) if text[0] in "'\"" else ""
            if path and (state.surroundings.root / path).is_file():
                yield str(path)


def substituted_text(state: State, code: str) -> str:
    return substituted(state, code, ())[0]


def substituted(state: State, code: str, lines: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """A slice with the values of the set parameters in place of its constants."""
    if not state.parameters:
        return code, lines
    from linea.pipeline.substitute import substitute

    return substitute(code, lines, state.parameters, state.plan.parameters)
