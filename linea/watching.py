"""Starts and ends sessions: scripts, modules and notebooks run beside a Session.

One session is current in a process. Here, in `recording`, in `api` and in `cli` is where the
environment, the working folder, the clock and the terminal are used.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import os
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from linea.capture.notebook import Watcher, earlier_cells, in_cell, take_earlier
from linea.capture.script import is_own, main_module, run_statements, run_unwatched, strip_traceback
from linea.capture.session import Session
from linea.errors import SliceError
from linea.places import STORE as STORE
from linea.places import find_store as find_store
from linea.places import is_made, working_folder

if TYPE_CHECKING:
    from linea.capture.record import Record

FAULTS = "debug.log"
"""In the store: what failed inside linea."""
RECORD = "LINEA_RECORD"
"""Environment variable: the file to which the record of a session goes, in place of the store."""
RUNS = "runs"
"""In the store: the folder of records of last runs, one for each file that ran."""
MOST_RUNS = 100
"""Records kept there, the newest …"""
MOST_RUN_BYTES = 50_000_000
"""… of no more than so many bytes in all, besides the very last."""
MOST_FAULTS = 1_000_000
"""Bytes of it after which it begins anew."""


After = Callable[[Session], int]
"""Called when a program has ended well; gives an exit status to end with, or 0."""


class _Current:
    """The session of this process."""

    session: Session | None = None
    watcher: Watcher | None = None
    finishers: ClassVar[list[Callable[[], None]]] = []
    faults: ClassVar[list[str]] = []
    """What failed inside linea and isn't written down yet."""


def current() -> Session | None:
    """The session that watches this process; None when nothing does."""
    session = _Current.session
    return None if session is None or session.paused else session


def watcher() -> Watcher | None:
    return _Current.watcher


def pause() -> None:
    """Record nothing until `resume`."""
    if _Current.session is not None:
        _Current.session.paused = True


def resume() -> None:
    """Record again; what ran meanwhile may have changed anything."""
    session = _Current.session
    if session is not None and session.paused:
        session.paused = False
        session.rejoin()


def describe() -> str:
    """What is being watched, in a few lines."""
    session = _Current.session
    if session is None:
        return "nothing is watched here"
    state = "paused" if session.paused else "watching"
    steps = sum(not s.within for s in session.steps)
    assumed = sum(bool(s.assumed) for s in session.steps)
    lines = [
        f"{state} {session.source or 'this session'}: {steps} statements recorded",
        f"their own time {session.budget.user_seconds:.1f} s, linea's {session.budget.own_seconds:.2f} s",
    ]
    if assumed:
        lines.append(
            f"effects of {assumed} were assumed, not observed: slices may be larger than needed"
        )
    lines += [f"note: {note}" for note in session.notes]
    return "\n".join(lines)


def at_end(call: Callable[[], None]) -> None:
    """Have `call` run when the current session ends."""
    _Current.finishers.append(call)


def finish() -> None:
    """End the current session."""
    _write_faults()
    finishers, _Current.finishers = _Current.finishers, []
    for call in finishers:
        call()
    if _Current.session is not None:
        with contextlib.suppress(Exception):
            _write_record(_Current.session)


def _write_record(session: Session) -> None:
    """Keep what a session did, for slices of its variables: where asked, or in the store."""
    from datetime import datetime

    from linea.capture.record import dump

    named = os.environ.get(RECORD)
    path = Path(named) if named else record_path(session.root, session.source)
    if path is None or not session.steps:
        return
    ended = datetime.now().astimezone().isoformat(timespec="seconds")
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(dump(session, text=text_digest(session.text), ended=ended), encoding="utf-8")
    part.replace(path)
    if named is None:
        _prune_records(path)


def _prune_records(newest: Path) -> None:
    """Remove the oldest records; `newest` stays, whatever its size."""
    records: list[tuple[float, int, Path]] = []
    parts: list[tuple[float, int, Path]] = []
    for path in newest.parent.iterdir():
        with contextlib.suppress(OSError):  # another session may remove it too
            state = path.stat()
            (parts if path.suffix == ".part" else records).append(
                (state.st_mtime, state.st_size, path)
            )
    records.sort(key=lambda record: (record[2] == newest, record[0]), reverse=True)
    size = 0
    late = [path for moment, _, path in parts if moment < time.time() - 3600]  # of killed sessions
    for number, (_, length, path) in enumerate(records[1:], 2):
        size += length
        if number > MOST_RUNS or size > MOST_RUN_BYTES:
            late.append(path)
    for path in late:
        with contextlib.suppress(OSError):
            path.unlink()


def record_path(root: Path, source: str) -> Path | None:
    """Where the record of the last run of `source` is kept; None where there is no store."""
    store = find_store(root)
    if store is None or not is_made(store):
        return None
    return store / RUNS / f"{text_digest(source)}.json"


def text_digest(text: str) -> str:
    """A digest that tells one text from another."""
    from xxhash import xxh3_64_hexdigest

    return xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))


def recorded(path: Path) -> Record | None:
    """The record of the last run of a file, if one is kept."""
    root = project_folder(path.resolve().parent)
    kept = record_path(root, shown(path, root))
    return _read_record(kept) if kept is not None and kept.exists() else None


def record_anew(path: Path, argv: Sequence[str]) -> Record:
    """Run a file for the record of it; what it prints goes to standard error."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "record.json"
        done = subprocess.run(
            [sys.executable, "-m", "linea", "run", "--", str(path), *argv],
            env={**os.environ, RECORD: str(kept)},
            stdout=sys.stderr,
            check=False,
        )
        record = _read_record(kept) if kept.exists() else None
    if record is None:
        raise SliceError(f"{path} left no record", hint=f"it ended with status {done.returncode}")
    return record


def _read_record(path: Path) -> Record | None:
    from linea.capture.record import load

    return load(path.read_text(encoding="utf-8"))


def report(where: str, error: Exception) -> None:
    """Keep what failed inside linea in the store's log of faults."""
    import traceback
    from datetime import datetime

    session = _Current.session
    of = f" ({session.source})" if session is not None else ""
    shown = "".join(traceback.format_exception(error))
    moment = datetime.now().astimezone().isoformat(timespec="seconds")
    _Current.faults.append(f"{moment} {where}{of}\n{shown}\n")
    _write_faults()


def _write_faults() -> None:
    """Append faults to the store's log of them, once there is a store."""
    store = find_store(working_folder()) if _Current.faults else None
    if store is None or not is_made(store):
        return
    faults, _Current.faults = _Current.faults, []
    path = store / FAULTS
    with contextlib.suppress(OSError):
        mode = "a" if path.exists() and path.stat().st_size < MOST_FAULTS else "w"
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(faults)


def project_folder(start: Path) -> Path:
    """The folder that paths in records are relative to: where the store is, or will be."""
    store = find_store(start)
    return store.parent if store is not None else start.resolve()


def shown(path: Path, root: Path) -> str:
    """`path` relative to `root` where it lies in it."""
    path = path.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


# ------------------------------------------------------------------------------------ scripts


def run_script(path: Path, argv: Sequence[str], *, after: After | None = None) -> int:
    """Run the script as `python PATH ARGV…` does, watched; give its exit status."""
    # As the interpreter has it: arguments as given, `__file__` absolute.
    sys.argv = [str(path), *argv]
    path = path if path.is_absolute() else Path.cwd() / path
    source = read_source(path)
    module = main_module(path)
    if not sys.flags.safe_path:
        sys.path[0:1] = [str(path.resolve().parent)]
    return _run(module, source, str(path), path.resolve().parent, after)


def run_module(name: str, argv: Sequence[str], *, after: After | None = None) -> int:
    """Run a module as `python -m NAME ARGV…` does, watched; give its exit status."""
    import runpy

    sys.argv = ["-m", *argv]
    if not sys.flags.safe_path:
        sys.path[0:1] = [str(Path.cwd())]
    try:
        # The interpreter's own way to find it, with its own words for what is wrong.
        found = runpy._get_module_details(name, _NotFound)  # type: ignore[attr-defined]
    except _NotFound as error:
        print(f"{sys.executable}: {error}", file=sys.stderr)  # noqa: T201 - as the interpreter does
        return 1
    except SystemExit as end:
        return _status(end)
    except BaseException as error:
        return _uncaught(error)
    name, spec = found[0], found[1]
    get_source = getattr(spec.loader, "get_source", None)
    source = get_source(name) if get_source is not None else None
    if source is None or spec.origin is None:
        from linea.errors import LineaError

        raise LineaError(f"no module named {name!r} that can be run")
    module = main_module(Path(spec.origin))
    module.__dict__.update(__package__=spec.parent, __spec__=spec, __loader__=spec.loader)
    sys.argv[0] = spec.origin
    return _run(module, source, spec.origin, Path.cwd(), after)


class _NotFound(Exception):
    """What the interpreter says of a module that it can't run."""


def read_source(path: Path) -> str:
    """The text of a Python file, in the encoding that it declares."""
    import tokenize

    with tokenize.open(path) as file:
        return file.read()


def _run(
    module: types.ModuleType,
    source: str,
    filename: str,
    folder: Path,
    after: After | None,
) -> int:
    root = project_folder(folder)
    name = shown(Path(filename), root)
    replaced = sys.modules.get("__main__")
    sys.modules["__main__"] = module
    status = 0
    session = begin(module.__dict__, root, name)
    try:
        if session is None:
            run_unwatched(source, filename, module.__dict__)
        else:
            run_statements(session, source, filename, name, module.__dict__)
    except SystemExit as end:
        status = _status(end)
    except BaseException as error:
        after = None
        status = _uncaught(error)
    finally:
        try:
            if after is not None and session is not None:
                status = after(session) or status
        finally:
            finish()
            _KEPT.append(replaced)
    return status


_KEPT: list[Any] = []


def begin(namespace: dict[str, Any], root: Path, source: str) -> Session | None:
    """Make the session of this process; None when watching can't begin, which stops nobody."""
    try:
        session = Session(namespace, root=root, source=source, report=report)
    except Exception as error:
        report("as watching began", error)
        return None
    session.arguments = tuple(sys.argv[1:])
    with contextlib.suppress(OSError):
        session.folder = str(working_folder())
    _Current.session = session
    # First in, last called: after what the program itself registers.
    atexit.register(_release)
    return session


def _release() -> None:
    """Let go of the program's globals: they die as `__main__` does, neither sooner nor later."""
    _Current.session = None


def _status(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def _uncaught(error: BaseException) -> int:
    """Report an exception of the user's program as the interpreter would."""
    strip_traceback(error, is_own)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        # The interpreter ends by the signal once it has cleaned up; all has been said.
        sys.excepthook = lambda *_: None
        raise KeyboardInterrupt
    return 1


# -------------------------------------------------------------- plain `python FILE.py`


def take_over(frame: types.FrameType) -> None:
    """Run the rest of a plain script, watched, from the `import linea` that `frame` stands at.

    `python FILE.py` runs a file as one piece of code that nothing can look into. So the import
    doesn't come back: the statements after it run here, one by one, in the script's own
    namespace; then the interpreter is asked to exit with what the script would have given.
    """
    namespace = frame.f_globals
    filename = frame.f_code.co_filename
    path = Path(filename)
    source = read_source(path)
    tree = ast.parse(source, filename)
    start = next(
        (
            i
            for i, node in enumerate(tree.body)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
        ),
        None,
    )
    if start is None:
        return
    # A module runs from the folder that it is named in, a script from its own.
    by_name = getattr(sys.modules["__main__"], "__spec__", None) is not None
    root = project_folder(Path.cwd() if by_name else path.resolve().parent)
    name = shown(path, root)
    spec = getattr(sys.modules.get("linea"), "__spec__", None)
    if spec is not None:
        # The import of linea is as good as done: threads of the script mustn't wait for it.
        spec._initializing = False
    session = begin(namespace, root, name)
    if session is None:
        return
    try:
        run_statements(
            session, source, filename, name, namespace, start=start, compiled_before=True
        )
    except SystemExit:
        raise
    except BaseException as error:
        strip_traceback(error, is_own)
        _show_only(error)
        raise
    finally:
        finish()
    raise SystemExit(0)


def _show_only(error: BaseException) -> None:
    """Have the interpreter show `error` from the script's own frames on."""
    trace = error.__traceback__
    hook = sys.excepthook

    def excepthook(kind: type[BaseException], value: BaseException, whole: Any) -> None:
        if value is error:
            whole = trace
            value = value.with_traceback(trace)
        hook(kind, value, whole)

    sys.excepthook = excepthook


# ---------------------------------------------------------------------------------- notebooks


def watch_ipython(shell: Any) -> Session:
    """Start watching an IPython shell, from the next statement on."""
    if _Current.watcher is not None and _Current.watcher.shell is shell:
        return _Current.watcher.session
    root = project_folder(Path.cwd())
    session = Session(shell.user_ns, root=root, source=notebook_name(shell, root), report=report)
    _Current.session = session
    begun = Watcher(shell, session, lambda: session.source)
    take_earlier(session, shell, session.source)
    begun.cells += earlier_cells(shell)
    begun.attach()
    _Current.watcher = begun
    frame = in_cell(shell)
    if frame is not None:
        try:
            begun.join(frame)
        except Exception as error:
            session.fault("as watching began", error)
    atexit.register(finish)
    return session


def shell_of_cell(frame: types.FrameType) -> Any:
    """The IPython shell of which `frame` runs a cell, if nothing is watched yet; else None."""
    shell = ipython_shell() if _Current.session is None else None
    inside = shell is not None and frame.f_globals is shell.user_ns and in_cell(shell) is not None
    return shell if inside else None


def unwatch_ipython(shell: Any) -> None:
    """Stop watching the shell."""
    if _Current.watcher is not None:
        _Current.watcher.detach()
        _Current.watcher = None
        _Current.session = None


def notebook_name(shell: Any, root: Path) -> str:
    """The notebook's file where the front end tells it, else `notebook` or `ipython`."""
    for found in (
        os.environ.get("LINEA_NOTEBOOK"),
        shell.user_ns.get("__vsc_ipynb_file__"),
        os.environ.get("JPY_SESSION_NAME"),
    ):
        if isinstance(found, str) and found.endswith(".ipynb"):
            return shown(Path(found), root)
    return "ipython" if type(shell).__name__ == "TerminalInteractiveShell" else "notebook.ipynb"


def ipython_shell() -> Any:
    """The IPython shell of this process, if it runs in one."""
    module = sys.modules.get("IPython")
    get = getattr(module, "get_ipython", None)
    return get() if get is not None else None


def run_notebook(path: Path, *, output: Path | None = None, save: Sequence[str] = ()) -> int:
    """Run the cells of a notebook in a real kernel, watched; give 0, or 1 when a cell raised."""
    try:
        import nbformat
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from nbclient.util import run_sync
    except ImportError as error:
        from linea.errors import LineaError

        raise LineaError(
            f"running a notebook needs {error.name}", hint="pip install ipykernel nbclient nbformat"
        ) from None
    notebook = nbformat.read(path, as_version=4)
    manager = AsyncKernelManager()
    manager._kernel_spec = KernelSpec(
        argv=[
            sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}",
            "--InteractiveShellApp.extensions=linea", "--log-level=40",
        ],
        display_name="Python 3", language="python",
        env={"LINEA_NOTEBOOK": str(path.resolve())},
    )  # fmt: skip
    client = _client(NotebookClient)(
        notebook,
        km=manager,
        timeout=None,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    status = 0
    try:
        if save:
            code = "import linea\n" + "\n".join(f"linea.save({n}, {n!r})" for n in save)
            notebook.cells.append(nbformat.v4.new_code_cell(code))
        client.execute()
    except CellExecutionError as error:
        print(str(error), file=sys.stderr)  # noqa: T201 - the user's own traceback
        status = 1
    finally:
        run_sync(manager.shutdown_kernel)()
    if save and notebook.cells:
        notebook.cells.pop()
    if output is not None:
        nbformat.write(notebook, output)
    return status


def _client(base: type) -> type:
    """A client that passes on what cells print."""

    class Printing(base):  # type: ignore[misc]
        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                stream = sys.stderr if content["name"] == "stderr" else sys.stdout
                stream.write(content["text"])
                stream.flush()
            elif kind in ("execute_result", "display_data"):
                text = content["data"].get("text/plain")
                if text:
                    print(text)  # noqa: T201 - what the cell shows
            return super().process_message(message, cell, cell_index)

    return Printing
