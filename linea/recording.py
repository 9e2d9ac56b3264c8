"""From a value that is being saved to a draft: its slice, inputs, parents and environment."""

from __future__ import annotations

import ast
import getpass
import logging
import os
import platform
import re
import stat
import subprocess
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from linea import origins, outside, slicing, values, watching
from linea.capture import criterion
from linea.capture.filing import FileRead
from linea.capture.imports import is_library
from linea.capture.running import Running
from linea.capture.session import Session
from linea.capture.source import uses
from linea.errors import LineaError, UnstorableError
from linea.model import (
    ArtifactName,
    CommitId,
    Draft,
    Effects,
    Encoded,
    Environment,
    InputFile,
    Location,
    Origin,
    Parent,
    Slice,
    Step,
    Version,
)
from linea.outside import Outside
from linea.places import find_store, working_folder
from linea.trimming import Saved

T = TypeVar("T")

UNKNOWN = "the code wasn't watched, and its source isn't to be had"
UNWATCHED = "the code wasn't watched: this is its whole source"


@dataclass
class _Kept:
    """What was saved in this session, to find files that are written from it later."""

    version: Version
    store: Path
    names: frozenset[str]
    step: int


@dataclass
class _Sessions:
    saved: list[_Kept] = field(default_factory=list)


_STATE = _Sessions()


def encode(value: object) -> Encoded:
    """The value as bytes. A path to an existing file or folder stands for what is in it."""
    if isinstance(value, Outside):
        return values.encode(outside.value_of(value, watching.current()))
    path = as_path(value)
    return values.encode_path(path) if path is not None else values.encode(value)


def as_path(value: object) -> Path | None:
    """The file or folder that `value` names, if it is a path or the name of an existing file."""
    if isinstance(value, os.PathLike):
        path = Path(value)
        if not path.exists():
            raise UnstorableError(f"there is no file {path}", hint="save it after it is written")
        return path
    if type(value) is str and 0 < len(value) < 1024 and "\n" not in value and "\0" not in value:
        try:
            return (
                Path(value)
                if Path(value).is_file() or ("/" in value and Path(value).is_dir())
                else None
            )
        except OSError:
            return None
    return None


def draft(
    value: object,
    name: ArtifactName,
    encoded: Encoded,
    frame: types.FrameType | None,
    *,
    message: str | None,
    tags: Sequence[str],
    now: datetime,
) -> Draft:
    """Everything that is known of `value`, which `frame` saves as `name`."""
    session = watching.current()
    common = {
        "name": name, "value": encoded, "author": author(), "created": now, "message": message,
        "tags": tuple(tags),
    }  # fmt: skip
    if session is None or frame is None:
        code, source, result = whole_source(frame, name)
        return Draft(
            code=code,
            session=code,
            result=result,
            lines=tuple(Origin(source, n) for n in range(1, code.count("\n") + 1)),
            source=source,
            environment=origins.environment(origins.loaded_packages(), [code]),
            git=origins.git_state(watching.project_folder(working_folder())),
            conservative=(UNWATCHED if code else UNKNOWN,),
            **common,  # type: ignore[arg-type]
        )
    made, kept, running = slice_of_save(session, frame, value, name)
    made = replace(made, unreproducible=(*made.unreproducible, *timings(value)))
    argument = saved_alone(session, frame)
    last = _names_in(argument) if argument is not None else frozenset()
    return _assemble(session, made, kept, running, common, last)


def _names_in(argument: ast.expr) -> frozenset[str]:
    """The names that an expression makes something else of."""
    if isinstance(argument, ast.Name):
        return frozenset()
    return frozenset(n.id for n in ast.walk(argument) if isinstance(n, ast.Name))


def timings(value: object) -> list[str]:
    """Values that keep how long something took are never the same twice."""
    kinds = [t.__name__ for t in type(value).__mro__]
    if "BaseSearchCV" in kinds:
        return [f"the timings that a {kinds[0]} keeps in its results"]
    if "Styler" in kinds:
        return ["the random id that a Styler gives its table"]
    return []


def draft_of_variable(
    session: Session, variable: str, name: ArtifactName, encoded: Encoded, *, now: datetime
) -> Draft:
    """A draft of what `variable` holds at the end of a session."""
    kept = slicing.backward(session.steps, session.criterion([variable]), facts=session.blocks)
    made = criterion.render(session, kept, result=variable)
    common = {
        "name": name, "value": encoded, "author": author(), "created": now, "message": None, "tags": (),
    }  # fmt: skip
    return _assemble(session, made, kept, False, common)


def encode_value(value: object) -> Encoded:
    """The value itself as bytes, also where it is a path."""
    return values.encode(value)


def _assemble(
    session: Session,
    made: Slice,
    kept: Sequence[int],
    running: bool,
    common: dict[str, Any],
    last: frozenset[str] = frozenset(),
) -> Draft:
    """A slice, with what its steps read and ran on; `last` are names that its last line reads."""
    parents = find_parents(session, kept, last)
    steps = [session.steps[i] for i in kept]
    packages = {p for i in kept for p in session.packages.get(i, ())}
    packages |= {p for s in steps for p in imported(s)}
    read = [r for i in kept for r in session.file_reads.get(i, ())]
    if running or made.code.rstrip().rpartition("\n")[2].startswith(f"{made.result} = "):
        read += session.inputs_so_far()
    none: list[FileRead] = []
    modules = _tried(none, user_modules, session, steps, made.code)
    limit = origins.keeping_limit(setting("keepinputs", session.root))
    inputs, bytes_of_inputs, changed = origins.digest_inputs(session.root, [*read, *modules], limit)
    own = {watching.shown(Path(module.path), session.root) for module in modules}
    texts = [
        bytes_of_inputs[file.digest].decode("utf-8", "replace")
        for file in inputs
        if file.path in own and file.digest in bytes_of_inputs
    ]
    return Draft(
        code=made.code,
        session=session_source(session),
        parents=tuple(parents),
        inputs=tuple(inputs),
        environment=_tried(Environment(), origins.environment, packages, [made.code, *texts]),
        kept=bytes_of_inputs,
        git=_tried(None, origins.git_state, session.root),
        folder=watching.shown(Path(session.folder), session.root) if session.folder else None,
        result=made.result,
        lines=made.lines,
        source=session.source,
        seconds=sum(s.seconds for s in steps),
        conservative=(*made.conservative, *changed),
        unreproducible=made.unreproducible,
        written=tuple(written_files(session, kept)),
        **common,
    )


def _tried(otherwise: T, ask: Callable[..., T], *arguments: Any) -> T:
    """What `ask` says of the surroundings; a save never fails because they can't be described."""
    try:
        return ask(*arguments)
    except Exception:
        logging.getLogger("linea.recording").debug("can't describe the surroundings", exc_info=True)
        return otherwise


def imported(step: Step) -> set[str]:
    """The top-level packages that a step imports."""
    return {
        location.removeprefix("module:").partition(".")[0]
        for location in step.effects.binds
        if location.startswith("module:")
    }


def user_modules(session: Session, steps: Sequence[Step], code: str) -> list[FileRead]:
    """The files of the user's own modules that the steps import, as they are now."""
    bound = {location for step in steps for location in step.effects.binds}
    names = [each.removeprefix("module:") for each in bound if each.startswith("module:")]
    found = []
    for path in origins.module_files(names, code):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append(FileRead(str(path), stat.st_mtime_ns, stat.st_size))
    return found


def setting(key: str, root: Path) -> str | None:
    """A setting of the project's store; None where there is none yet."""
    path = find_store(root)
    if path is None or not path.exists():
        return None
    from linea.store.repository import Repository

    try:
        with Repository.open(path) as repository:
            return repository.setting(key)
    except LineaError:
        return None


def saved_alone(session: Session, frame: types.FrameType) -> ast.expr | None:
    """The expression that the running statement saves, if it does nothing else."""
    call = saving_call(session, frame)
    if call is None or session.open is None or not _is_alone(session.open.node, call):
        return None
    return _argument(call)


# -------------------------------------------------------------------------------- the slice


def slice_of_save(
    session: Session, frame: types.FrameType, value: object, name: str
) -> tuple[Slice, list[int], bool]:
    """The slice of what `frame` passes to `linea.save`, the steps in it, and whether the running one is."""
    call = saving_call(session, frame)
    argument = _argument(call) if call is not None else None
    running = session.open
    path = as_path(value)
    if isinstance(value, Outside):
        made, kept = outside.slice_of(value, session, identifier(name))
        return made, kept, False
    if argument is not None and running is not None and _is_alone(running.node, call):
        expression = ast.unparse(argument)
        wanted = session.wanted_by(argument)
        running = session.open or running
        if path is not None:
            wanted |= file_locations(session, path)
        if isinstance(argument, ast.Name):
            result, last = argument.id, None
        else:
            result = identifier(name)
            last = f"{result} = {expression}"
        if running.within:
            return *_slice_inside(session, running, wanted, frame, name), False
        if frame.f_code.co_name != "<module>":
            return _slice_with_running(session, path, frame, name)
        kept = slicing.backward(session.steps, wanted, facts=session.blocks)
        return criterion.render(session, kept, result=result, last=last), kept, False
    return _slice_with_running(session, path, frame, name)


def _slice_inside(
    session: Session, running: Running, wanted: set[Location], frame: types.FrameType, name: str
) -> tuple[Slice, list[int]]:
    """The slice of a save in a function that is being stepped through, and the steps in it."""
    at = len(session.steps)
    reads = frozenset(wanted | set(map(Location, uses(running.node).loads)))
    step = Step(at, running.statement, Effects(reads=reads), within=running.within)
    kept = slicing.backward([*session.steps, step], (), forced=[at])
    kept.remove(at)
    saved = Saved(name, criterion.calls_under_way(session, frame))
    return criterion.render(session, kept, result=None, running=step, saved=saved), kept


def _slice_with_running(
    session: Session, path: Path | None, frame: types.FrameType, name: str
) -> tuple[Slice, list[int], bool]:
    """The slice of a save inside a block or a function: the running statement belongs to it."""
    running = session.open
    if running is None:
        # A thread, a callback or a display: nothing says which statement this belongs to.
        kept = list(range(len(session.steps)))
        made = slicing.emit(
            session.steps,
            kept,
            result=None,
            conservative=["the save wasn't called by a statement of the session"],
        )
        return made, kept, False
    reads = session.wanted_so_far()
    if path is not None:
        reads |= file_locations(session, path)
    running = session.open or running
    if running.within:
        return *_slice_inside(session, running, reads, frame, name), True
    step = Step(len(session.steps), running.statement, Effects(reads=frozenset(reads)))
    kept = slicing.backward(session.steps, reads)
    saved = Saved(name, criterion.calls_under_way(session, frame))
    return criterion.render(session, kept, result=None, running=step, saved=saved), kept, True


def saving_call(session: Session, frame: types.FrameType) -> ast.Call | None:
    """The call of `linea.save` in the running statement, when `frame` is the session's top level."""
    running = session.open
    if running is None or frame.f_globals is not session.namespace:
        return None
    if not session.stepping.is_at(frame):
        return None
    positions = list(frame.f_code.co_positions())
    line, end_line, column, end_column = positions[frame.f_lasti // 2]
    for node in ast.walk(running.node):
        if isinstance(node, ast.Call) and (
            node.lineno,
            node.end_lineno,
            node.col_offset,
            node.end_col_offset,
        ) == (line, end_line, column, end_column):
            return node
    return None


def given(session: Session, frame: types.FrameType) -> str | None:
    """What the call that `frame` stands at was given, as source; a text stands for a variable."""
    call = saving_call(session, frame)
    argument = _argument(call) if call is not None else None
    if argument is None:
        return None
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return ast.unparse(argument)


def _argument(call: ast.Call) -> ast.expr | None:
    if call.args and not isinstance(call.args[0], ast.Starred):
        return call.args[0]
    return next((k.value for k in call.keywords if k.arg in ("obj", "reference", "value")), None)


def _is_alone(node: ast.stmt, call: ast.Call | None) -> bool:
    """Whether the statement does nothing but save, and show or bind what `save` gives.

    Then the value is what its expression gives once the steps before have run.
    """
    if call is None or not isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign)):
        return False
    inside = set(map(id, ast.walk(call)))
    for part in ast.walk(node):
        if isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda)):
            return False
        around = call in ast.walk(part)
        if isinstance(part, ast.Call) and id(part) not in inside and not around:
            return False
        if around and isinstance(
            part, (ast.comprehension, ast.ListComp, ast.SetComp, ast.DictComp)
        ):
            return False
        if around and isinstance(part, (ast.GeneratorExp, ast.IfExp, ast.BoolOp)):
            return False
    return True


def file_locations(session: Session, path: Path) -> set[Location]:
    """The locations of a file, or of all that was written in a folder."""
    whole = session.files.absolute(path)
    found = {Location(f"file:{whole}"), Location(f"folder:{whole}")}
    inside = whole + os.sep
    return found | {Location(f"file:{p}") for p in session.files.known if p.startswith(inside)}


def identifier(name: str) -> str:
    """A variable name for an artifact: `fancy iris` → `fancy_iris`."""
    text = re.sub(r"\W+", "_", name).strip("_") or "artifact"
    text = f"_{text}" if text[0].isdigit() else text
    import keyword

    return f"{text}_" if keyword.iskeyword(text) else text


def whole_source(frame: types.FrameType | None, name: str) -> tuple[str, str, str | None]:
    """Source, file name and result for a save that nobody watched."""
    file = _saving_file(frame)
    if file == "<string>" and "-c" in sys.orig_argv:
        return sys.orig_argv[sys.orig_argv.index("-c") + 1].rstrip("\n") + "\n", "-c", None
    if file == "<stdin>":
        return _redirected_input(), "", None
    if Path(file).is_file():
        root = watching.project_folder(Path(file).parent)
        return watching.read_source(Path(file)), watching.shown(Path(file), root), None
    return _typed(file), "", None


def _saving_file(frame: types.FrameType | None) -> str:
    """The file of the program that saves: the user's own code nearest to its start.

    In a test, what runs the tests isn't it.
    """
    found = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_library(file) and not file.startswith("<frozen"):
            own: Any = frame.f_globals.get("__file__")
            given = isinstance(own, str) and not is_library(own) and not Path(file).exists()
            found = own if given else file
            if frame.f_code.co_name == "<module>":
                return found
        frame = frame.f_back
    # A thread stands on no module.
    return found or getattr(sys.modules.get("__main__"), "__file__", None) or ""


def _redirected_input() -> str:
    """The program that Python reads from standard input, where that is a file."""
    try:
        if not stat.S_ISREG(os.fstat(0).st_mode):
            return ""
        return os.pread(0, os.fstat(0).st_size, 0).decode("utf-8", "replace")
    except OSError:
        return ""


def _typed(file: str) -> str:
    """The source of code that is in no file, where whoever runs it has left it with Python.

    The interactive interpreter leaves each statement, from Python 3.13 on.
    """
    import linecache

    if not file.startswith("<python-input-"):
        return "".join(linecache.getlines(file))
    names = [each for each in linecache.cache if each.startswith("<python-input-")]
    return "".join("".join(linecache.getlines(each)).rstrip("\n") + "\n" for each in names)


def session_source(session: Session) -> str:
    watcher = watching.watcher()
    if watcher is not None and watcher.session is session:
        return watcher.source()
    return session.text


# --------------------------------------------------------------------- what it was made from


def find_parents(
    session: Session, kept: Sequence[int], last: frozenset[str] = frozenset()
) -> list[Parent]:
    """The versions that kept steps loaded, and those saved in this session that they went on to use."""
    found: dict[str, Parent] = {}

    def add(version: Version) -> None:
        found[version.commit] = Parent(version.name, version.number, version.commit, version.digest)

    for i in kept:
        for version in session.artifacts.get(i, ()):
            add(version)
    if session.open is not None:
        # Of a statement that does nothing but save: by working out what is saved.
        for version in session.open.artifacts:
            add(version)
    for known in _STATE.saved:
        if known.names and _went_on(session, known, kept, last):
            add(known.version)
    return list(found.values())


def _went_on(session: Session, known: _Kept, kept: Sequence[int], last: frozenset[str]) -> bool:
    """Whether a kept step read the saved variable while it still held what was saved.

    Or the last line of the slice, which reads these names.
    """
    inside = set(kept)
    steps = session.steps
    for i in range(known.step, len(steps)):
        effects = steps[i].effects
        if i in inside and known.names & effects.reads:
            return True
        if known.names & (effects.binds | effects.mutates):
            return False
    return bool(known.names & last)


def written_files(session: Session, kept: Iterable[int]) -> list[InputFile]:
    """Files that the kept steps wrote, as they are now."""
    return [f for i in kept for f in _files(session, session.file_writes.get(i, ()))]


def _files(session: Session, paths: Iterable[str]) -> list[InputFile]:
    found = []
    for path in map(Path, paths):
        try:
            found.append(
                InputFile(
                    watching.shown(path, session.root),
                    values.digest_file(path),
                    path.stat().st_size,
                )
            )
        except OSError:
            continue
    return found


def remember(
    version: Version, store: Path, made: Draft, frame: types.FrameType | None = None
) -> None:
    """Note what `frame` saved, so that what is made of it later is known to be."""
    session = watching.current()
    if session is None:
        return
    names = (
        frozenset({made.result})
        if made.result and made.result in session.namespace
        else frozenset()
    )
    if not names and frame is not None:
        # In a function that is stepped through, the value is a variable of the function's.
        argument = saved_alone(session, frame)
        names = frozenset({argument.id}) if isinstance(argument, ast.Name) else names
    if not _STATE.saved:
        watching.at_end(note_written_files)
    _STATE.saved.append(_Kept(version, store, names, len(session.steps) + 1))


def settle(final: Mapping[CommitId, Version | None]) -> None:
    """What was saved in a block has its commit now; None for what wasn't saved after all."""
    if not final:
        return
    session = watching.current()
    running = session.open if session is not None else None
    for loaded in (
        *(session.artifacts.values() if session is not None else ()),
        *([running.artifacts] if running is not None else ()),
    ):
        loaded[:] = [v for each in loaded if (v := final.get(each.commit, each)) is not None]
    kept, _STATE.saved[:] = list(_STATE.saved), []
    for known in kept:
        version = final.get(known.version.commit, known.version)
        if version is not None:
            _STATE.saved.append(replace(known, version=version))


def note_written_files() -> None:
    """At the end of a session: files written from saved values are copies of them."""
    session = watching._Current.session
    saved, _STATE.saved = _STATE.saved, []
    if session is None or not session.file_writes:
        return
    from linea.store.repository import Repository

    for known in saved:
        files: list[InputFile] = []
        for i in range(known.step, len(session.steps)):
            effects = session.steps[i].effects
            if known.names & effects.binds:
                break
            if known.names & effects.reads and i in session.file_writes:
                files += _files(session, session.file_writes[i])
        if files:
            try:
                with Repository.open(known.store) as repository:
                    repository.note_written(known.version, files)
            except LineaError:
                continue


# ------------------------------------------------------------------------------------ author


def author() -> str:
    """`Name <email>` as git knows the user, else from the login and host names."""
    name = os.environ.get("GIT_AUTHOR_NAME") or _git("user.name")
    email = os.environ.get("GIT_AUTHOR_EMAIL") or _git("user.email")
    login = _login()
    host = platform.node() or "localhost"
    return f"{name or login} <{email or f'{login}@{host}'}>"


_GIT: dict[str, str] = {}


def _git(key: str) -> str:
    if key not in _GIT:
        try:
            done = subprocess.run(
                ["git", "config", "--get", key],
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
            _GIT[key] = done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            _GIT[key] = ""
    return _GIT[key]


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
