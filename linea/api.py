"""The public functions: where recording and reading meet.

`save` runs top to bottom: encode the value, find the slice that made it, commit both.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea.errors import LineaError, NameNotAllowedError, NoStoreError, SliceError, StoreError, Told
from linea.model import CommitId, Version
from linea.places import STORE, find_store, now, working_folder
from linea.replay import handle

if TYPE_CHECKING:
    from linea.answers import Blame, ColumnBlame, Difference, Log, Standing
    from linea.model import Draft, Verdict
    from linea.replay.why import Why
    from linea.store.repository import Repository
    from linea.together import Block


# --------------------------------------------------------------------------------- recording


def save(
    obj: object, name: str, *, message: str | None = None, tags: Sequence[str] = ()
) -> Artifact:
    """Commit the value of `obj` as the next version of the artifact `name`.

    With the value go the slice of code that made it, its parents and input files, and the
    environment. `obj` may be a path: then the file or folder is what's saved.

    Raises NameNotAllowedError for a text that can't be a name, UnstorableError for a value that
    can't be stored (nothing is written then), StoreError when the store can't be written.
    """
    __tracebackhide__ = True
    with Told():
        return _save(obj, name, message, tags, sys._getframe(1))


def _save(
    obj: object, name: str, message: str | None, tags: Sequence[str], frame: types.FrameType
) -> Artifact:
    from linea import recording, values, watching
    from linea.store.refs import artifact_name

    checked = artifact_name(name)
    if message is not None and not isinstance(message, str):
        raise NameNotAllowedError(
            f"a message is a text, not a {type(message).__name__}", hint=f"pass {str(message)!r}"
        )
    watch_cell(frame)
    session = watching.current()
    with _aside(session):
        encoded = recording.encode(obj)
        if values.is_collected(type(obj)):
            _say(f"{checked} is a lazy query: what it gives now was computed and is saved")
        draft = recording.draft(
            obj, checked, encoded, frame, message=message,
            tags=(tags,) if isinstance(tags, str) else tags, now=now(),
        )  # fmt: skip
        path = _store_to_write(frame)
        made = _commit(draft, path)
        recording.remember(made._version, path, draft, frame)
        if session is not None and (argument := recording.saved_alone(session, frame)):
            session.only_saves(argument)
    return made


def saving() -> Block:
    """A block whose saves become visible together: `with linea.saving():`.

    At its end all that was saved in it is in the store, as one operation that one `linea undo`
    takes back. If it ends by an exception nothing of it is. Inside, `get` gives what the block
    has saved so far, and nobody else sees it.

    The block holds for the code that it runs, functions and awaited tasks included. Threads that
    it starts save as ever, unless they run in its context (`contextvars.copy_context().run`).
    """
    from linea import recording
    from linea.together import Block

    return Block(recording.settle, _keep_log)


def _commit(draft: Draft, path: Path) -> Artifact:
    """Save a draft, or have the block save it that is being run."""
    from linea import together

    block = together.current()
    if block is not None:
        return block.save(
            draft, path.resolve(), lambda: _open(path, create=True), lambda v: Artifact(v, path)
        )
    with _opened(path, create=True) as repository:
        (version,) = repository.commit([draft])
        _keep_log(repository, [version])
    return Artifact(version, path)


def _keep_log(repository: Repository, versions: Sequence[Version]) -> None:
    """Have what the log says of versions that were saved at hand; it is no part of saving."""
    from linea.history import log

    with suppress(Exception):
        log.keep(repository, versions)


def _say(text: str) -> None:
    """Tell the user something that isn't a result."""
    # There may be no standard error, or a closed one.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"linea: {text}\n")


@contextmanager
def _aside(session: Any) -> Iterator[None]:
    if session is None:
        yield
        return
    with session.aside():
        yield


class Code(str):
    """Source text that shows as it is written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def slice(obj: object) -> Code:
    """The code that made a value of the running session, without saving anything.

    `obj` is a variable or an expression, or the name of a variable as a text.

    Raises SliceError where nothing is watched, or no variable holds the value.
    """
    from linea import recording, watching
    from linea.capture.criterion import slice_of_expression

    session = watching.current()
    if session is None:
        raise SliceError(
            "nothing is being watched here",
            hint="%load_ext linea in a notebook, linea run FILE.py for a script",
        )
    expression = recording.given(session, sys._getframe(1))
    if expression is None:
        if isinstance(obj, str) and obj in session.namespace:
            expression = obj
        else:
            holding = [n for n, value in session.namespace.items() if value is obj]
            if not holding:
                raise SliceError("no variable of the session holds this value")
            expression = holding[0]
    result = expression if expression.isidentifier() else "value"
    return Code(slice_of_expression(session, expression, result=result).code)


def pause() -> None:
    """Stop watching this session until `resume`; what runs in between isn't recorded."""
    from linea import watching

    watching.pause()


def resume() -> None:
    """Go on watching after `pause`; later slices say that something may be missing in them."""
    from linea import watching

    watching.resume()


# ----------------------------------------------------------------------------------- reading


class Artifact(handle.Artifact):
    """A stored version of an artifact, as `save` and `get` give it."""

    def __repr__(self) -> str:
        try:
            return super().__repr__()
        except StoreError as error:
            return f"<Artifact: {error}>"

    def _beside(self) -> AbstractContextManager[None]:
        from linea import watching

        return _aside(watching.current())


def get(revision: str, version: int | None = None) -> Artifact:
    """The artifact that `revision` names: `name`, `name@v2`, `name@tag`, `name~1`, a commit …

    `version` picks a number. A later save that uses the value has this version as a parent.
    Raises NoSuchArtifactError or NoSuchVersionError with the nearest names.
    """
    __tracebackhide__ = True
    with Told():
        return _get(revision, version, sys._getframe(1))


def _get(revision: str, version: int | None, frame: types.FrameType) -> Artifact:
    from linea import together, watching
    from linea.history.revision import resolve

    session = watching.current()
    with _aside(session):
        path = _store(frame)
        with _reading(path) as repository:
            found = resolve(repository, str(revision), version, now=now())
        if session is not None:
            session.note_artifact(found)
    loaded = Artifact(found, path)
    if (block := together.current()) is not None:
        block.note(loaded)
    return loaded


class ArtifactStore:
    """All artifacts of a store, newest versions first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def artifacts(self) -> list[Artifact]:
        """The latest version of each artifact."""
        return list(self)

    def __iter__(self) -> Iterator[Artifact]:
        with _reading(self._path) as repository:
            found = [Artifact(v, self._path) for v in repository.tips()]
        return iter(found)

    def __len__(self) -> int:
        with _reading(self._path) as repository:
            return len(repository.names())

    def __contains__(self, name: object) -> bool:
        with _reading(self._path) as repository:
            return name in repository.names()

    def __getitem__(self, revision: str) -> Artifact:
        with _reading(self._path) as repository:
            from linea.history.revision import resolve

            return Artifact(resolve(repository, revision, now=now()), self._path)

    def __repr__(self) -> str:
        lines = [f"{a.name}:v{a.version} created on {a.created:%Y-%m-%d %H:%M}" for a in self]
        return "\n".join(lines) or "no artifacts yet"


def artifact_store() -> ArtifactStore:
    """What is stored here."""
    return ArtifactStore(_store(sys._getframe(1)))


def delete(name: str, version: int | str | None = None) -> None:
    """Hide an artifact, or one version of it; `linea undo` brings it back.

    `version` is a number, `"latest"`, or None or `"all"` for the whole artifact.
    """
    from linea.history.revision import resolve
    from linea.store.refs import artifact_name

    __tracebackhide__ = True
    with Told(), _opened(_store(sys._getframe(1))) as repository:
        if version in (None, "all"):
            repository.delete(artifact_name(name))
            return
        found = resolve(repository, name, None if version == "latest" else int(version), now=now())
        repository.delete(found.name, found.number)


def log(
    name: str | None = None,
    *,
    limit: int | None = None,
    since: str | None = None,
    until: str | None = None,
    author: str | None = None,
) -> Log:
    """What happened to an artifact, newest version first; to all of them without a name.

    What belongs to pipelines is told by its name only.

    `name` may be a revision to start from. `since` and `until` are dates, or texts such as
    `2 weeks ago`. The answer is a list, shows itself in a notebook, and has `to_pandas()`.
    """
    from linea import watching
    from linea.answers import Log
    from linea.history import log as history
    from linea.history.revision import resolve

    path = _store(sys._getframe(1))
    with _aside(watching.current()), _reading(path) as repository:
        start = resolve(repository, name, now=now()) if name else None
        found = history.log(
            repository, start.name if start else None, limit=limit, since=_moment(since),
            until=_moment(until), author=author, start=start,
        )  # fmt: skip
        load = _loader(path)
        return Log(entry._replace(load=load) for entry in found)


def _moment(text: str | None) -> datetime | None:
    from linea.history.revision import parse_time

    if text is None:
        return None
    found = parse_time(text, now())
    return found if found.tzinfo else found.replace(tzinfo=now().tzinfo)


def _loader(path: Path) -> Callable[[CommitId], Version]:
    """A function that reads a version when it is asked for: the store is closed by then."""

    def load(commit: CommitId) -> Version:
        with _opened(path) as repository:
            return repository.by_commit(commit)

    return load


def blame(revision: str, *, columns: bool = False) -> Blame | ColumnBlame:
    """For each line of a version's slice, the version that last changed it.

    With `columns`, for each column of a table the version that last changed its content. The
    answer is a list, shows itself in a notebook, and has `to_pandas()`.
    """
    from linea import watching
    from linea.answers import Blame, ColumnBlame
    from linea.history import blame as history
    from linea.history.revision import resolve

    with _aside(watching.current()), _reading(_store(sys._getframe(1))) as repository:
        found = resolve(repository, revision, now=now())
        if columns:
            return ColumnBlame(history.blame_columns(repository, found))
        return Blame(history.blame(repository, found))


def diff(
    a: str,
    b: str | None = None,
    *,
    key: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    where: str = "",
    limit: int = 10,
    trust: bool = False,
) -> Difference:
    """How two versions differ: code, value, inputs, parents, environment.

    `b` defaults to the latest version of `a`'s artifact; a bare name stands for its last two.
    Rows of tables are matched by `key`; only `columns`, and rows for which `where` holds, are
    compared. Pickled values are read with `trust` alone, as reading them runs their code. The
    answer shows itself in a notebook; its `to_pandas()` has every row that differs.
    """
    from linea import watching
    from linea.answers import Difference
    from linea.history import diff as history
    from linea.history.diff_table import Choice

    path = _store(sys._getframe(1))
    keys, choice = _names(key), Choice(_names(columns), where)
    with _aside(watching.current()), _reading(path) as repository:
        old, new = _two(repository, a, b)
        found = history.diff(
            repository, old, new, key=keys, choice=choice, limit=limit, trusted=trust
        )

    def all_rows() -> Any:
        with _reading(path) as repository:
            return history.rows_of(repository, old, new, key=keys, choice=choice, trusted=trust)

    told = {field.name: getattr(found, field.name) for field in fields(found)}
    return Difference(**told, all_rows=all_rows)


def _names(text: str | Sequence[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def status(*names: str) -> Standing:
    """What is stale and why, which written files were changed since, what was never verified.

    It is true where something is stale. It shows itself in a notebook, and has `to_pandas()`.
    """
    import os
    import platform
    from importlib import metadata

    from linea import values, watching
    from linea.answers import Standing
    from linea.history.status import Surroundings, survey
    from linea.store.refs import artifact_name

    def package(name: str) -> str | None:
        try:
            return metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            return None

    path = _store(sys._getframe(1))
    here = Surroundings(platform.python_version(), package, os.environ)
    wanted = [artifact_name(name) for name in names] or None
    with _aside(watching.current()), _reading(path) as repository:
        found = survey(repository, path.parent, values.digest_file, wanted, here)
    return Standing(found.versions, found.stale, found.altered, found.unverified)


def checkout(revision: str, to: str | Path | None = None, *, force: bool = False) -> Any:
    """The value of a version, as `get(revision).get_value()`.

    With `to`, its value and code are written as files into that folder instead, and their paths
    given; a file that is in no version is never overwritten without `force`.
    """
    from linea import values, watching
    from linea.history.revision import resolve
    from linea.replay import checkout as replay

    session = watching.current()
    with _aside(session), _reading(_store(sys._getframe(1))) as repository:
        found = resolve(repository, revision, now=now())
        if to is not None:
            return replay.checkout(repository, found, Path(to), force=force)
        if session is not None:
            session.note_artifact(found)
        return values.decode(found.value, repository.read_part(found))


def verify(
    revision: str, *, timeout: float | None = None, tolerance: float | None = None
) -> Verdict:
    """Re-run a version's slice in a fresh process and compare what comes out.

    Numbers may differ by `tolerance`, relative or absolute; past `timeout` seconds it has failed.
    """
    from linea.history.revision import resolve
    from linea.replay import verify as replay

    path = _store(sys._getframe(1))
    with _opened(path) as repository:
        found = resolve(repository, revision, now=now())
        return replay.verify(
            repository, found, path.parent, timeout=timeout, tolerance=tolerance, clock=now
        )


def why(a: str, b: str | None = None, *, expr: str | None = None) -> Why:
    """Which of code, files, parents and environment variables moved a value, by running it again.

    `b` defaults to the latest version of `a`'s artifact, against the one before. With `expr` the
    change of a number is attributed, which is made of `value`: `"value.price.mean()"`.
    """
    from linea.replay import why as replay

    path = _store(sys._getframe(1))
    with _opened(path) as repository:
        old, new = _two(repository, a, b)
        planned = replay.plan(repository, old, new)
        return replay.why(repository, planned, path.parent, expression=expr)


# ------------------------------------------------------------------------------------ stores


def _folder_of(frame: Any) -> Path:
    """The folder of the code that calls: the notebook's or the script's."""
    from linea import watching

    session = watching.current()
    if session is not None:
        return Path(session.root)
    file = (
        frame.f_globals.get("__file__") if frame.f_globals.get("__name__") == "__main__" else None
    )
    return (
        Path(file).resolve().parent
        if isinstance(file, str) and Path(file).is_file()
        else working_folder()
    )


def _store(frame: Any) -> Path:

    found = find_store(working_folder()) or find_store(_folder_of(frame))
    if found is None:
        raise NoStoreError(
            f"there is no .linea store in {working_folder()} or above",
            hint="linea.save makes one on the first save",
        )
    return found


def _store_to_write(frame: Any) -> Path:
    """The store to save to; where there is none, one is made beside the code."""

    found = find_store(_folder_of(frame)) or find_store(working_folder())
    return found if found is not None else _folder_of(frame) / STORE


def _open(path: Path, *, create: bool = False) -> Repository:
    from linea.store.repository import Repository

    if create and _is_free(path):
        repository = Repository.create(path)
        _say(f"made the store {path}")
        return repository
    return Repository.open(path)


def _is_free(path: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    try:
        return not path.exists() or (path.is_dir() and not any(path.iterdir()))
    except PermissionError:
        return False


@contextmanager
def _opened(path: Path, *, create: bool = False) -> Iterator[Repository]:
    with _open(path, create=create) as repository:
        yield repository


def _two(repository: Repository, a: str, b: str | None) -> tuple[Version, Version]:
    """The versions to compare; without `b`, `a` and the newest, or that and the one before it."""
    from linea.history.log import previous_of
    from linea.history.revision import completed, resolve

    old = resolve(repository, a, now=now())
    if b:
        return old, resolve(repository, completed(b, old.name), now=now())
    new = repository.tip(old.name)
    if new.commit == old.commit:
        old = previous_of(repository, old) or old
    return old, new


@contextmanager
def _reading(path: Path) -> Iterator[Repository]:
    """The store to read, with what the block has saved so far that is being run."""
    from linea import together

    block = together.current()
    view = block.view(path.resolve()) if block is not None else None
    if view is not None:
        yield view
        return
    with _opened(path) as repository:
        yield repository


# ----------------------------------------------------------------------------------- watching


def watch_ipython(shell: Any) -> None:
    """`%load_ext linea`."""
    from linea import watching

    # Before watching begins: what linea registers is no doing of the user's.
    shell.register_magic_function(_magic, magic_kind="line", magic_name="linea")
    shell.set_hook("complete_command", _complete, str_key="%linea")
    watching.watch_ipython(shell)


_COMMANDS = ("log", "pause", "resume", "save", "slice", "status")


def _complete(shell: Any, event: Any) -> list[str]:
    """What may come next after `%linea`: its commands, or the variables of the session."""
    from linea.capture.rules import NOISE

    before, _, _ = str(event.text_until_cursor).rpartition(" ")
    words = before.split()
    if len(words) == 1:
        return list(_COMMANDS)
    if len(words) == 2 and words[1] in ("slice", "save"):
        hidden = NOISE | shell.user_ns_hidden.keys()
        return [name for name in shell.user_ns if not name.startswith("_") and name not in hidden]
    return []


def watch_cell(frame: types.FrameType) -> None:
    """Start watching IPython from the cell on that `frame` belongs to, if it does to one."""
    from linea import watching

    if (shell := watching.shell_of_cell(frame)) is not None:
        watch_ipython(shell)


def _magic(line: str) -> None:
    """%linea: what is watched here.

    %linea status        what is recorded, time spent on it, whether slices are conservative
    %linea slice x       the code that made x
    %linea save x NAME   save x as an artifact, x by default
    %linea log           what happened to the artifacts here; %linea log NAME to one
    %linea pause         stop recording; %linea resume goes on
    """
    from linea import watching
    from linea.capture.criterion import slice_of_expression

    command, _, rest = line.strip().partition(" ")
    match command:
        case "" | "status":
            print(watching.describe())  # noqa: T201 - asked for
        case "slice" if rest and (session := watching.current()) is not None:
            text = rest.strip()
            result = text if text.isidentifier() else "value"
            made = slice_of_expression(session, text, result=result)
            print(made.code, end="")  # noqa: T201 - asked for
            for reason in made.conservative:
                print(f"# may be larger than needed: {reason}")  # noqa: T201
        case "save" if rest and (session := watching.current()) is not None:
            variable, _, name = rest.strip().partition(" ")
            with session.aside():
                print(repr(save_variable(session, variable, name.strip())))  # noqa: T201
        case "log":
            print(_log_lines(rest.strip()))  # noqa: T201 - asked for
        case "pause":
            pause()
        case "resume":
            resume()
        case _:
            print(_magic.__doc__)  # noqa: T201 - asked for


def _log_lines(name: str) -> str:
    """What happened to an artifact, or to all of them without a name, a line a version."""
    found = log(name or None, limit=20)
    rows = [
        f"{each.created:%Y-%m-%d %H:%M}  {each.name}@v{each.number}  {each.message or ''}".rstrip()
        for each in found
    ]
    return "\n".join(rows) or "no artifacts yet"


def unwatch_ipython(shell: Any) -> None:
    """`%unload_ext linea`."""
    from linea import watching

    watching.unwatch_ipython(shell)


def run_script(path: str | Path, argv: Sequence[str] = (), *, save: Sequence[str] = ()) -> int:
    """Run a script as `python PATH ARGV…` does, watched; give its exit status."""
    from linea import watching

    return watching.run_script(Path(path), argv, after=_saving(save))


def run_module(name: str, argv: Sequence[str] = (), *, save: Sequence[str] = ()) -> int:
    """Run a module as `python -m NAME ARGV…` does, watched; give its exit status."""
    from linea import watching

    return watching.run_module(name, argv, after=_saving(save))


def run_notebook(path: str | Path, *, output: Path | None = None, save: Sequence[str] = ()) -> int:
    """Run a notebook's cells in a real kernel, watched; 1 when a cell raised."""
    from linea import watching

    return watching.run_notebook(Path(path), output=output, save=save)


def _saving(names: Sequence[str]) -> Callable[[Any], int] | None:
    """What saves variables by name when a script has ended."""
    if not names:
        return None

    def after(session: Any) -> int:
        status = 0
        for name in names:
            try:
                save_variable(session, name)
            except LineaError as error:
                hint = f"; {error.hint}" if error.hint else ""
                _say(f"{name} isn't saved: {error}{hint}")
                status = 2
        return status

    return after


def save_variable(session: Any, variable: str, name: str = "") -> Artifact:
    """Save a variable as it is after the last step, as `linea.save(variable, "name")` would."""
    from linea import recording
    from linea.store.refs import artifact_name

    checked = artifact_name(name or variable)
    if variable not in session.namespace:
        raise SliceError(f"there is no variable {variable!r}")
    encoded = recording.encode_value(session.namespace[variable])
    draft = recording.draft_of_variable(session, variable, checked, encoded, now=now())

    return _commit(draft, find_store(session.root) or session.root / STORE)
