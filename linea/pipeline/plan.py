"""Stored versions → a plan: the tasks that make them again, what goes between them, and why.

Pure: what has to be known of files and of the store is handed in.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from linea.codegen import plan as segments
from linea.codegen import text
from linea.codegen.parameters import Parameter
from linea.codegen.parts import Part, identifier, quote
from linea.codegen.plan import Key, Segment
from linea.codegen.widen import widen
from linea.errors import PipelineError
from linea.model import Environment, InputFile, Version

READING = re.compile(
    r"read|open|load|scan|glob|fetch|connect|Path|listdir|walk|import_module|from_"
)
"""What may read a file whose path isn't written in the same statement."""


@dataclass(frozen=True, slots=True)
class Source:
    """A version to make again, and how."""

    version: Version
    code: str
    written: tuple[InputFile, ...] = ()
    """The files that its session wrote from it."""
    reused: bool = False
    """Loaded from the store, at this version."""
    included: bool = False
    """Nobody named it: another one is made from it."""
    folder: str = "."
    """Where its session ran, relative to the project."""
    session: str = ""
    """The whole session's source."""
    widened: tuple[str, ...] = ()
    """The lines that were taken in because a parameter may make them count."""

    @property
    def name(self) -> str:
        return self.version.name


@dataclass(frozen=True, slots=True)
class Taken:
    """A value that a task takes from another."""

    argument: str
    task: str
    output: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that a task finds at a path because another task made it."""

    path: str
    task: str
    output: str


@dataclass(frozen=True, slots=True)
class Task:
    """One function of the module, run in a process of its own."""

    name: str
    inputs: tuple[Taken, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    artifacts: Mapping[str, str]
    """Output → the artifact that it is."""
    code: str
    """The function's text."""
    after: tuple[str, ...] = ()
    """Tasks that must have run, though nothing is taken from them."""
    placed: tuple[Placed, ...] = ()
    random: str | None = None
    """The task that leaves the state of random generators that this one goes on with."""
    files: tuple[str, ...] = ()
    """Outputs that are the paths of files or folders: what goes on is what is in them."""
    folder: str = "."
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    keeps_random: bool = False
    """Whether another task goes on with the state of its generators."""

    reused: bool = False
    """Its value is loaded from the store."""

    @property
    def upstream(self) -> tuple[str, ...]:
        """The tasks that must have run before this one."""
        found = [*(t.task for t in self.inputs), *(p.task for p in self.placed), *self.after]
        found += [self.random] if self.random else []
        return tuple(dict.fromkeys(found))

    @property
    def suppliers(self) -> tuple[str, ...]:
        """The tasks whose files this one opens."""
        found = [*(t.task for t in self.inputs), *(p.task for p in self.placed)]
        return tuple(dict.fromkeys([*found, *([self.random] if self.random else [])]))


@dataclass(frozen=True, slots=True)
class Plan:
    """All that code for an engine is written from."""

    name: str
    tasks: tuple[Task, ...]
    """In an order in which they can run."""
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    module: str
    """The text of the module with the functions."""
    environment: Environment
    notes: tuple[str, ...] = ()
    """What a person should know before relying on it."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Task → the code that makes its values, alone."""
    modules: tuple[str, ...] = ()
    """The user's own modules that the slices import."""
    pins: Mapping[str, int] = field(default_factory=dict)
    """Artifact → the version that is loaded, in place of the one that was recorded."""

    @property
    def identifier(self) -> str:
        """What the module is called: never as another that it imports, or that Python has."""
        name = identifier(self.name)
        taken = sys.stdlib_module_names | imported(self.module)
        return f"{name}_pipeline" if name in taken else name

    def task(self, name: str) -> Task:
        return next(task for task in self.tasks if task.name == name)

    def of_artifact(self, name: str) -> Task:
        """The task that makes an artifact."""
        return next(task for task in self.tasks if name in task.artifacts.values())

    def source(self, name: str) -> Source:
        return next(source for source in self.sources if source.name == name)

    @property
    def needs_linea(self) -> bool:
        """Whether something is loaded from the store while it runs."""
        return bool(re.search(r"^\s*(import linea|from linea)\b", self.module, re.M))


def imported(module: str) -> set[str]:
    """The packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def make(
    sources: Sequence[Source],
    *,
    name: str,
    input_parameters: Sequence[str] = (),
    dependencies: Mapping[str, Iterable[str]] | None = None,
    pins: Mapping[str, int] | None = None,
) -> Plan:
    """Plan how to make `sources`; PipelineError says what can't be made and why.

    `dependencies` name artifacts that must be there before one begins. `pins` are the versions
    that `linea.get` loads, instead of what is made here.
    """
    names = {source.name for source in sources}
    sources = [with_branches(source, input_parameters) for source in sources]
    parts = [part_of(source, pins or {}, names) for source in sources]
    planned = segments.plan(parts, input_parameters, separate=True)
    module = text.render(planned)
    check_defaults(planned.parameters, module)
    tasks = [task_of(segment, planned, sources) for segment in planned.segments]
    check_reused(tasks, sources)
    tasks = with_files(tasks, sources)
    tasks = with_order(tasks, dependencies or {})
    return Plan(
        name,
        tuple(ordered(tasks)),
        tuple(planned.parameters),
        tuple(sources),
        module,
        environment_of(sources),
        tuple(notes(tasks, sources)),
        slices_of(planned, tasks),
        tuple(modules_of(sources, module)),
        dict(pins or {}),
    )


def with_branches(source: Source, parameters: Sequence[str]) -> Source:
    """The source with a slice that holds for other data and other values of the parameters, too."""
    if source.reused or not source.session:
        return source
    version = source.version
    part = Part(version.name, source.code, version.result, lines=version.lines)
    wider = widen(part, source.session)
    if parameters:
        wider = widen(wider, source.session, parameters)
    if wider.code == source.code:
        return source
    held = source.code.splitlines()
    new = [line.strip() for line in wider.code.splitlines() if line not in held]
    return replace(
        source,
        code=wider.code,
        version=replace(version, lines=wider.lines),
        widened=tuple(new[:1]),
    )


def part_of(source: Source, pins: Mapping[str, int], names: set[str] | None) -> Part:
    """What code is generated from; with `names`, all else that it loads is loaded as recorded."""
    version = source.version
    inputs = tuple(file.path for file in version.inputs)
    common = (version.number, version.source, version.lines, version.parents, inputs)
    if not source.reused:
        known = {**(own_parents(version, names) if names is not None else {}), **pins}
        return Part(version.name, pinned(source.code, known), version.result, *common)
    variable = version.result or identifier(version.name)
    load = f"import linea\n\n{variable} = linea.get({quote(version.name)}, {version.number}).get_value()\n"
    return Part(
        version.name, load, variable, version.number, version.source, (), (), (), True,
        source.code, version.result,
    )  # fmt: skip


def own_parents(version: Version, names: set[str]) -> dict[str, int]:
    """The versions to load of artifacts that aren't made here, an earlier one of its own included."""
    return {p.name: p.number for p in version.parents if p.name not in names - {version.name}}


def pinned(code: str, pins: Mapping[str, int]) -> str:
    """Write into `linea.get("a")` the version that it is to load."""
    if not pins or "get" not in code:
        return code
    from linea.codegen import chunks

    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Call)
            and chunks.called(node) == "get"
            and len(node.args) == 1
            and not node.keywords
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value in pins
        ):
            number = pins[str(node.args[0].value)]
            edits.append(
                (node, f"{ast.unparse(node.func)}({quote(str(node.args[0].value))}, {number})")
            )
    return chunks.replaced(code, edits) if edits else code


def check_defaults(parameters: Sequence[Parameter], module: str) -> None:
    """The default of a date or a path needs the import that it was written with."""
    bound = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.parse(module).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    for parameter in parameters:
        root = parameter.constructor.partition(".")[0]
        if root and root not in bound:
            raise PipelineError(
                f"{parameter.name!r} can't be a parameter: {root} is no import at the top",
                hint="import it at the top of the notebook",
            )


# ------------------------------------------------------------------------------------ tasks


def task_of(segment: Segment, planned: segments.Plan, sources: Sequence[Source]) -> Task:
    names = {each.key: each.name for each in planned.segments}
    inputs = []
    for value in segment.inputs:
        if value.kind == "segment":
            inputs.append(Taken(value.name, names[segments.as_key(value.supplier)], value.name))
        elif value.kind == "edge":
            key, output = planned.results[str(value.supplier)]
            refuse_file(str(value.supplier), sources)
            inputs.append(Taken(value.name, names[key], output))
    artifacts = {
        output: artifact
        for artifact, (key, output) in planned.results.items()
        if key == segment.key
    }
    mine = [sources[number] for number in sorted(segment.parts)]
    folders = {source.folder for source in mine}
    kinds = {source.name: source.version.value.kind for source in sources}
    parameters = tuple(v.name for v in segment.inputs if v.kind == "parameter")
    return Task(
        name=segment.name,
        inputs=tuple(inputs),
        outputs=tuple(segment.outputs),
        parameters=parameters,
        artifacts=artifacts,
        code=text.function(segment, planned),
        random=names[segment.random] if segment.random else None,
        files=tuple(o for o, a in artifacts.items() if kinds[a] in ("file", "folder")),
        folder=sorted(folders)[0],
        reads=tuple(reads(segment, planned, mine)),
        writes=tuple(dict.fromkeys(f.path for s in mine for f in s.version.written)),
        reused=all(source.reused for source in mine),
        keeps_random=any(other.random == segment.key for other in planned.segments),
    )


def check_reused(tasks: Sequence[Task], sources: Sequence[Source]) -> None:
    """What is loaded for others must be something that they take."""
    for source in sources:
        if not (source.reused and source.included):
            continue
        task = next(task for task in tasks if source.name in task.artifacts.values())
        if not any(value.task == task.name for other in tasks for value in other.inputs):
            others = ", ".join(each.version.revision for each in sources if not each.reused)
            raise PipelineError(
                f"{source.version.revision} can't be loaded for {others}: their slices don't hold "
                "the code that made it",
                hint="is it the version that they were made from? linea show names the parents",
            )


def refuse_file(artifact: str, sources: Sequence[Source]) -> None:
    """What `linea.get` gives of a file is its bytes, and what a task gives is its path."""
    version = next(source.version for source in sources if source.name == artifact)
    if version.value.kind in ("file", "folder"):
        raise PipelineError(
            f"{version.revision} is a {version.value.kind}, and another artifact gets its bytes from linea",
            hint="read it from its path, which makes it an input",
        )


def reads(segment: Segment, planned: segments.Plan, mine: Sequence[Source]) -> Iterator[str]:
    """The recorded inputs that a segment may read: those it names, and all if it may read any."""
    body = "\n".join(chunk.text for chunk in segment.chunks)
    taken = {value.name for value in segment.inputs if value.kind == "parameter"}
    body += "".join(f"\n{p.text}" for p in planned.parameters if p.name in taken)
    reads_files = bool(READING.search(body))
    whole = "\n".join(c.text for s in planned.segments for c in s.chunks if s.parts & segment.parts)
    found = dict.fromkeys(f.path for s in mine if not s.reused for f in s.version.inputs)
    for path in found:
        stem = PurePosixPath(path).name
        if path.endswith(".py") and stem not in whole:
            continue  # a module that is imported: see `modules_of`
        if stem in body or reads_files or (stem not in whole and not any(
            stem in p.text for p in planned.parameters)):  # fmt: skip
            yield path


def modules_of(sources: Sequence[Source], module: str) -> dict[str, None]:
    """The inputs that are Python modules and not data."""
    return dict.fromkeys(
        file.path
        for source in sources
        if not source.reused
        for file in source.version.inputs
        if file.path.endswith(".py") and PurePosixPath(file.path).name not in module
    )


def with_files(tasks: Sequence[Task], sources: Sequence[Source]) -> list[Task]:
    """Hand on the files that are artifacts to the tasks that read them."""
    made: dict[str, tuple[str, str]] = {}
    for task in tasks:
        for output in task.files:
            version = next(s.version for s in sources if s.name == task.artifacts[output])
            for path in paths_of(version):
                made[path] = task.name, output
    changed = []
    for task in tasks:
        placed = [
            Placed(path, *made[path]) for path in task.reads if path in made and made[path][0] != task.name
        ]  # fmt: skip
        kept = tuple(path for path in task.reads if path not in {p.path for p in placed})
        changed.append(replace(task, placed=tuple(placed), reads=kept))
    return changed


def paths_of(version: Version) -> Iterator[str]:
    """Where a version that is a file lay."""
    path = version.value.summary.get("path")
    if isinstance(path, str):
        yield path
    for file in version.written:
        if file.digest == version.digest:
            yield file.path


def with_order(tasks: Sequence[Task], dependencies: Mapping[str, Iterable[str]]) -> list[Task]:
    """Add the order that a person asks for between artifacts."""
    by_artifact = {a: task for task in tasks for a in task.artifacts.values()}
    after: dict[str, list[str]] = {task.name: [] for task in tasks}
    for later, earlier in dependencies.items():
        for first in [earlier] if isinstance(earlier, str) else sorted(earlier):
            for name in (later, first):
                if name not in by_artifact:
                    raise PipelineError(
                        f"the dependency {later} → {first} names {name!r}, which isn't made here",
                        hint=f"made here: {', '.join(sorted(by_artifact))}",
                    )
            done = by_artifact[first].name
            needed = ancestors(done, tasks) | {done}
            target = by_artifact[later].name
            if target in needed:
                circle = [later, first, later]
                raise PipelineError(f"these artifacts rest on each other: {' → '.join(circle)}")
            for name in (ancestors(target, tasks) | {target}) - needed:
                after[name].append(done)
    return [
        replace(task, after=tuple(n for n in dict.fromkeys(after[task.name]) if n not in task.upstream))
        for task in tasks
    ]  # fmt: skip


def ancestors(name: str, tasks: Sequence[Task]) -> set[str]:
    known = {task.name: task for task in tasks}
    found: set[str] = set()
    todo = list(known[name].upstream)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += known[one].upstream
    return found


def ordered(tasks: Sequence[Task]) -> list[Task]:
    """Put suppliers first; PipelineError shows a cycle."""
    done: dict[str, Task] = {}
    waiting = list(tasks)
    while waiting:
        ready = next((task for task in waiting if set(task.upstream) <= done.keys()), None)
        if ready is None:
            raise PipelineError(f"these tasks wait for each other: {cycle(waiting)}")
        waiting.remove(ready)
        done[ready.name] = ready
    return list(done.values())


def cycle(waiting: Sequence[Task]) -> str:
    known = {task.name: task for task in waiting}
    path = [waiting[0].name]
    while True:
        following = next(name for name in known[path[-1]].upstream if name in known)
        if following in path:
            return " → ".join([*path[path.index(following) :], following])
        path.append(following)


# --------------------------------------------------------------------------- what it rests on


def environment_of(sources: Sequence[Source]) -> Environment:
    """The packages of all slices, at the versions of the newest slice that has each."""
    packages = {}
    newest = sorted(sources, key=lambda source: source.version.created)
    for source in newest:
        for package in source.version.environment.packages:
            packages[package.name.lower()] = package
    python = newest[-1].version.environment.python if newest else ""
    return Environment(
        python, newest[-1].version.environment.platform if newest else "",
        tuple(packages[name] for name in sorted(packages)),
    )  # fmt: skip


def notes(tasks: Sequence[Task], sources: Sequence[Source]) -> Iterator[str]:
    for source in sources:
        revision = source.version.revision
        if source.included and not source.reused:
            yield f"{revision} is made too: others are made from it"
        if source.version.unreproducible and not source.reused:
            yield f"{revision} isn't the same in every run: {'; '.join(source.version.unreproducible)}"
        if source.widened:
            yield f"{revision} also runs what other data or a parameter may make count: {source.widened[0]}"
        if source.version.conservative and not source.reused:
            yield f"{revision} may do more than it needs: {source.version.conservative[0]}"
        yield from differing(source, sources)
    read = {path: task for task in tasks for path in task.reads}
    for source in sources:
        for file in source.written:
            if file.path in read and source.version.value.kind not in ("file", "folder"):
                yield (
                    f"{read[file.path].name} reads {file.path} as it lies there: the session of "
                    f"{source.name} wrote it; save the file itself as an artifact to have it made"
                )


def differing(source: Source, sources: Sequence[Source]) -> Iterator[str]:
    mine = {p.name: p.version for p in source.version.environment.packages}
    for package in environment_of(sources).packages:
        if mine.get(package.name, package.version) != package.version:
            yield (
                f"{source.version.revision} was made with {package.name} {mine[package.name]}; "
                f"{package.version} will be used"
            )


def slices_of(planned: segments.Plan, tasks: Sequence[Task]) -> dict[str, str]:
    """The code that makes each shared value alone: what ran up to it, in its order."""
    found = {}
    by_key: dict[Key, Segment] = {segment.key: segment for segment in planned.segments}
    for segment in planned.segments:
        wanted = {segment.key}
        todo = [segment]
        while todo:
            one = todo.pop()
            keys = {segments.as_key(v.supplier) for v in one.inputs if v.kind == "segment"}
            keys |= {one.random} if one.random else set()
            for key in keys - wanted:
                wanted.add(key)
                todo.append(by_key[key])
        pieces = [c.text.strip("\n") for c in (*planned.imports, *planned.constants)]
        pieces += [c.text.strip("\n") for c in planned.definitions]
        used = {v.name for s in planned.segments if s.key in wanted for v in s.inputs}
        pieces += [f"{p.name} = {p.text}" for p in planned.parameters if p.name in used]
        edges = {
            v.name: v.supplier
            for s in planned.segments
            if s.key in wanted
            for v in s.inputs
            if v.kind == "edge"
        }
        pieces += ["import linea"] if edges else []
        pieces += [f"{name} = linea.get({made!r}).get_value()" for name, made in edges.items()]
        pieces += [
            c.text.strip("\n") for s in planned.segments if s.key in wanted for c in s.chunks
        ]
        found[segment.name] = "\n".join(pieces) + "\n"
    return found
