"""The program of the fresh process: a request in a file → the value's record in a file.

Started by `linea.replay.run` as `python -P -m linea.replay.child REQUEST`. It is the rim of a
process of its own, so the environment, the clock and the working folder are its to set.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import builtins
import contextlib
import dataclasses
import inspect
import os
import re
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import linea
from linea import jsons, values
from linea.errors import LineaError, ReplayError
from linea.model import Encoded
from linea.replay import sandbox
from linea.replay.handle import Artifact

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
LIBRARY = str(Path(__file__).resolve().parents[1])
FREE = ("/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run")
"""Where programs leave what is no one's work."""

CHANGING: Mapping[str, tuple[int, ...]] = {
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.truncate": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
}
"""Audit events that change a file, with the positions of the paths among their arguments."""


# The code that runs here may replace functions of the standard library. What comes after it uses
# these, which are bound before.
_dumps, _perf_counter, _format_exception = (
    jsons.dumps,
    time.perf_counter,
    traceback.format_exception,
)
_walk_tb, _asdict, _walk = traceback.walk_tb, dataclasses.asdict, ast.walk
_open, _write, _close, _rename = os.open, os.write, os.close, os.replace
_enumerate_threads, _current_thread = threading.enumerate, threading.current_thread


class Saved:
    """What `linea.save` gives back in a re-run."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self._value = value

    def get_value(
        self, *, columns: Sequence[object] | None = None, rows: slice | None = None
    ) -> object:
        from linea import values

        if columns is None and rows is None:
            return self._value
        made = values.settled(values.encode(self._value))
        return values.decode(made.record, made.parts.__getitem__, columns=columns, rows=rows)


@dataclasses.dataclass
class Shelf:
    """The values that the code saves, encoded at the moment they are saved."""

    name: str | None
    kind: str | None
    keep_parts: bool
    handles: dict[str, Saved] = dataclasses.field(default_factory=dict)
    encoded: list[Encoded] = dataclasses.field(default_factory=list)

    def save(
        self, obj: object, name: str, *, message: str | None = None, tags: tuple[str, ...] = ()
    ) -> Saved:
        if self.name is None or name == self.name:
            self.add(obj)
        self.handles[name] = Saved(name, obj)
        return self.handles[name]

    def add(self, value: object) -> None:
        if self.kind in ("file", "folder") and isinstance(value, (str, os.PathLike)):
            encoded = values.encode_path(Path(value))
        else:
            encoded = values.encode(value)
        # Parts are made when they are asked for, and the code may change the value until then.
        self.encoded.append(values.settled(encoded) if self.keep_parts else encoded)


class Together(contextlib.AbstractContextManager["Together"]):
    """What `linea.saving` gives in a re-run, which stores nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._before = len(shelf.handles)

    @property
    def artifacts(self) -> list[Saved]:
        return list(self._shelf.handles.values())[self._before :]

    def __exit__(self, *error: object) -> None:
        pass


def main(argv: list[str]) -> None:
    request = jsons.loads(Path(argv[1]).read_text(encoding="utf-8"))
    out = Path(request["base"], "out")
    shelf = Shelf(request["name"], request["kind"], request["keep_parts"])
    request["loaded"] = []
    get = pinned_get(request["store"], request["parents"], shelf, request["loaded"])
    stand_ins = {"save": shelf.save, "saving": lambda: Together(shelf), "get": get}
    vars(linea).update(stand_ins, checkout=pinned_checkout(get))
    file, module = set_stage(request)
    started = _perf_counter()
    failure: BaseException | None = None
    trace: list[tuple[int, dict[str, str]]] = []
    try:
        if request["trace"]:
            execute_traced(request["code"], file, module, trace)
        else:
            execute(request["code"], file, module)
    except SystemExit:
        pass  # the end of a program: what matters is whether the value is there
    except BaseException as error:  # KeyboardInterrupt too: it is the user's to see
        failure = error
    join_threads()
    seconds = _perf_counter() - started
    if failure is None or shelf.encoded:
        failure = take_result(request, shelf, module)
    write_answer(out, shelf.encoded, seconds, failure, file, request, trace)


def join_threads() -> None:
    """Wait for the program's threads, as the interpreter does before it ends."""
    # Pools of workers wait for this: they end their threads when the interpreter is about to.
    for end in reversed(list(getattr(threading, "_threading_atexits", ()))):
        with contextlib.suppress(Exception):
            end()
    for thread in _enumerate_threads():
        if thread is not _current_thread() and not thread.daemon:
            thread.join()


def set_stage(request: dict[str, Any]) -> tuple[Path, types.ModuleType]:
    """Set up folder, environment and `__main__` as the code found them when it was recorded."""
    project = Path(request["project"])
    store = Path(request["store"]) if request["store"] else None
    root, base = Path(request["root"]), Path(request["base"])
    if request["isolate"] and sandbox.enter(root, project, base, store, request["outside"]):
        project = root
    request["project"] = str(project)
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["TMPDIR"] = str(Path(request["base"], "tmp"))
    os.environ["IPYTHONDIR"] = str(Path(request["base"], "tmp", "ipython"))
    sys.dont_write_bytecode = True
    source = request["source"]
    notebook = source.endswith(".ipynb")
    inside = source and not Path(source).is_absolute()
    if inside and source.endswith(".py"):
        file = project / source
    else:
        # The code of a notebook is in no file of its folder.
        file = base / "code" / f"{Path(source).stem or 'slice'}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(request["code"], encoding="utf-8")
    if inside and not (project / source).exists():
        (project / source).parent.mkdir(parents=True, exist_ok=True)
        (project / source).touch()
    os.chdir(working_folder(project, request))
    sys.argv = [source or file.name]
    sys.path.insert(0, str(Path.cwd() if notebook or not source else file.parent))
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    if not notebook:
        module.__file__ = str(file)
    sys.modules["__main__"] = module
    if notebook or "get_ipython" in request["code"]:
        set_ipython_stage(module, required="get_ipython" in request["code"])
    protect([*request["protected"], *([request["store"]] if request["store"] else [])], request)
    return file, module


def working_folder(project: Path, request: Mapping[str, Any]) -> Path:
    """The folder to run in; one from outside of the project is a scratch copy of it."""
    folder = Path(request["folder"])
    place = project / folder
    if folder.is_absolute():
        place = Path(request["base"], "root", folder.relative_to(folder.anchor))
    place.mkdir(parents=True, exist_ok=True)
    return place


def set_ipython_stage(module: types.ModuleType, *, required: bool) -> None:
    """Give the code `get_ipython` and `display`, as a notebook has them."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import display
        from traitlets.config import Config
    except ImportError:
        if required:
            raise ReplayError(
                "the slice uses IPython's own syntax and IPython isn't installed",
                hint="pip install ipython",
            ) from None
        return
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config, user_module=module, user_ns=module.__dict__)
    module.__dict__["get_ipython"] = lambda: shell
    module.__dict__["display"] = display


def protect(protected: list[str], request: Mapping[str, Any]) -> None:
    """Refuse every change to the user's files from Python code; the scratch copy stays free."""
    base = os.path.realpath(request["base"])
    swapped = request["project"] == request["root"]
    protected = [each for each in protected if not (swapped and each == request["root"])]
    places = [os.path.realpath(place) for place in protected]

    def below(path: str, place: str) -> bool:
        return path == place or path.startswith(place.rstrip(os.sep) + os.sep)

    def hidden(path: str, place: str) -> bool:
        # A home folder may be a project: caches such as ~/.cache are no one's work.
        steps = Path(os.path.relpath(path, place)).parts
        return any(step.startswith(".") and step not in (".linea", ".git", "..") for step in steps)

    free = [base, *map(os.path.realpath, (*FREE, sys.prefix))]

    def kept_out(path: str) -> bool:
        if below(path, base):
            return False
        if any(below(path, place) and not hidden(path, place) for place in places):
            return True
        return not any(below(path, place) for place in free) and not hidden(path, os.sep)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & WRITING:
                return
            paths = [arguments[0]]
        elif event in CHANGING:
            paths = [arguments[at] for at in CHANGING[event]]
        else:
            return
        for given in paths:
            if not isinstance(given, (str, bytes)):
                continue
            path = os.path.realpath(os.fsdecode(given))
            if kept_out(path):
                raise PermissionError(f"a re-run changes nothing of yours: {path} is left alone")

    sys.addaudithook(refuse)


def pinned_get(
    store: str | None, parents: Mapping[str, str], shelf: Shelf, loaded: list[str]
) -> Callable[..., Saved | Artifact]:
    """`linea.get` that gives what the recorded run got."""

    def get(revision: str, version: int | None = None) -> Saved | Artifact:
        if revision in shelf.handles and version is None:
            return shelf.handles[revision]
        if store is None:
            raise ReplayError(f"the slice reads the artifact {revision!r} and no store was given")
        from linea.history import revision as revisions
        from linea.store.repository import Repository

        with Repository.open(Path(store)) as repository:
            name = re.split(r"[@~^]", revision, maxsplit=1)[0]
            moving = version is None and not re.search(r"@v?\d+$", revision)
            if moving and name in parents:
                found = repository.by_commit(parents[name])
            else:
                found = revisions.resolve(repository, revision, version)
            loaded.append(found.commit)
            return Artifact(found, Path(store))

    return get


def pinned_checkout(get: Callable[..., Saved | Artifact]) -> Callable[..., object]:
    """`linea.checkout` that gives what the recorded run got."""

    def checkout(revision: str, to: str | None = None, *, force: bool = False) -> object:
        if to is not None:
            raise ReplayError(
                "a slice that writes a version's files by linea.checkout can't be run again"
            )
        return get(revision).get_value()

    return checkout


def execute(code: str, file: Path, module: types.ModuleType) -> None:
    """Run `code` as the module `__main__`, with top-level await where it has some."""
    compiled = compile(
        code, str(file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, module.__dict__))
    else:
        exec(compiled, module.__dict__)


def execute_traced(
    code: str, file: Path, module: types.ModuleType, trace: list[tuple[int, dict[str, str]]]
) -> None:
    """Run `code` statement by statement; after each, take the digests of the names in it."""
    tree = ast.parse(code, str(file))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            flags |= sum(getattr(__future__, alias.name).compiler_flag for alias in node.names)
    for node in tree.body:
        compiled = compile(
            ast.Module([node], []), str(file), "exec", flags=flags, dont_inherit=True
        )
        if compiled.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(compiled, module.__dict__))
        else:
            exec(compiled, module.__dict__)
        names = {each.id for each in _walk(node) if isinstance(each, ast.Name)}
        trace.append((node.lineno, digests(module.__dict__, names)))


def digests(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in sorted(names):
        value = namespace.get(name)
        if name not in namespace or isinstance(value, (types.ModuleType, types.FunctionType, type)):
            continue
        try:
            found[name] = str(values.digest(value))
        except Exception:  # not every value has one
            continue
    return found


def take_result(
    request: Mapping[str, Any], shelf: Shelf, module: types.ModuleType
) -> BaseException | None:
    """Put the result variable on the shelf; return what stood in the way."""
    result = request["result"]
    try:
        if result is not None:
            if result not in module.__dict__:
                raise ReplayError(f"the slice ran to its end and left no variable {result!r}")
            shelf.encoded.clear()
            shelf.add(module.__dict__[result])
        elif not shelf.encoded:
            wanted = f"linea.save(…, {request['name']!r})" if request["name"] else "linea.save"
            raise ReplayError(f"the slice ran to its end and never called {wanted}")
    except Exception as error:  # a value of the user's may do anything when it is looked at
        return error
    return None


def write_answer(
    out: Path,
    encoded: list[Encoded],
    seconds: float,
    failure: BaseException | None,
    file: Path,
    request: Mapping[str, Any],
    trace: list[tuple[int, dict[str, str]]],
) -> None:
    parts: list[dict[str, str]] = []
    if request["keep_parts"]:
        for number, value in enumerate(encoded):
            parts.append({})
            for at, (path, data) in enumerate(value.parts.items()):
                parts[-1][path] = f"{number}-{at}"
                write_file(f"{out}/{number}-{at}", bytes(data))
    preview = encoded[-1].preview if encoded and request["keep_parts"] else None
    if preview is not None:
        write_file(f"{out}/preview", preview.data)
    answer = {
        "preview": preview and preview.mime,
        "loaded": request["loaded"],
        "modules": own_modules(request["project"], file),
        "saved": [_asdict(value.record) for value in encoded],
        "parts": parts,
        "trace": trace,
        "seconds": seconds,
        "traceback": describe(failure, file, request) if failure else "",
        "line": failed_line(failure, file) if failure else None,
    }
    write_file(f"{out}/answer.part", _dumps(answer, default=str).encode())
    _rename(f"{out}/answer.part", f"{out}/answer.json")


def own_modules(project: str, main: Path) -> list[str]:
    """The files of the project's modules that are loaded, relative to it."""
    found = set()
    inside = project + os.sep
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.startswith(inside) and path.endswith(".py"):
            steps = path.removeprefix(inside).split("/")
            hidden = any(step.startswith(".") or step == "site-packages" for step in steps)
            if path != str(main) and not hidden and not path.startswith((sys.prefix, LIBRARY)):
                found.add(path.removeprefix(inside))
    return sorted(found)


def write_file(path: str, data: bytes) -> None:
    file = _open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    view = memoryview(data)
    while view:
        view = view[_write(file, view) :]
    _close(file)


def describe(failure: BaseException, file: Path, request: Mapping[str, Any]) -> str:
    """The traceback as the user would have seen it, from the first frame that is theirs."""
    if isinstance(failure, LineaError):
        return str(failure)
    trace = failure.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(file):
        trace = trace.tb_next
    text = "".join(_format_exception(type(failure), failure, trace))
    return text.replace(request["project"] + os.sep, "").rstrip()


def failed_line(failure: BaseException, file: Path) -> int | None:
    lines = [
        line
        for frame, line in _walk_tb(failure.__traceback__)
        if frame.f_code.co_filename == str(file)
    ]
    return lines[-1] if lines else None


if __name__ == "__main__":
    main(sys.argv)
