"""Opens, renames, removals and child processes → the files that a statement read and wrote.

Three sources: the interpreter's audit events (PEP 578); on Linux inotify on the working folder,
which also sees files that C libraries and child processes open; and text arguments that name a
file there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import source_from_cache
from pathlib import Path
from threading import get_ident
from typing import Any, ClassVar

_WANTED = frozenset({
    "open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir", "os.link",
    "os.symlink", "os.truncate", "os.chdir", "sqlite3.connect", "subprocess.Popen", "os.system",
    "os.fork", "os.posix_spawn", "os.exec", "os.forkpty", "socket.connect", "socket.bind", "socket.getaddrinfo",
    "urllib.Request", "shutil.rmtree", "shutil.move", "os.chmod", "glob.glob", "import",
})  # fmt: skip

_PROCESSES = frozenset({
    "subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec", "os.forkpty",
})  # fmt: skip

_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request"})


class _Tap:
    """The one audit hook of the process; hooks can't be removed, so it is switched."""

    installed = False
    events: list[tuple[str, tuple[Any, ...]]] | None = None
    aside: ClassVar[dict[int, int]] = {}
    """Threads in which linea is at work for itself, and how often over."""


def _hook(event: str, arguments: tuple[Any, ...], wanted: frozenset[str] = _WANTED) -> None:
    # `id` raises one for every call, and `copy.deepcopy` calls it some times for every object.
    if event == "builtins.id" or event not in wanted:
        return
    if (events := _Tap.events) is not None and get_ident() not in _Tap.aside:
        if event == "os.listdir" and sys._getframe(1).f_code.co_filename == _IMPORTER:
            return  # the import system looking for a module, not the user's program for files
        events.append((event, arguments))


_IMPORTER = "<frozen importlib._bootstrap_external>"


@dataclass(slots=True)
class Touched:
    """What one statement did with files; paths are absolute."""

    read: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    """Written from nothing: what they held before is gone."""
    changed: set[str] = field(default_factory=set)
    """Written in part, or appended to."""
    removed: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    """Folders whose entries were asked for."""
    modules: set[str] = field(default_factory=set)
    """Modules whose import was asked of the import system."""
    processes: bool = False
    network: bool = False

    def tell(self, path: str, what: str) -> None:
        """Take what the system has told of a file."""
        if what == "gone":
            self.removed.add(path)
        elif what == "made":
            self.created.add(path)
            self.removed.discard(path)
        elif what == "changed" and path not in self.created:
            self.changed.add(path)
        elif what == "read" and path not in self.created:
            self.read.add(path)

    def and_told(self, told: Touched) -> Touched:
        """This, and what the system has told, which comes after it."""
        return replace(
            self,
            read=self.read | told.read - self.created,
            created=self.created | told.created,
            changed=self.changed | told.changed,
            removed=self.removed - (told.created - told.removed) | told.removed,
            listed=set(self.listed),
            modules=set(self.modules),
        )

    def __bool__(self) -> bool:
        return bool(
            self.read
            or self.created
            or self.changed
            or self.removed
            or self.listed
            or self.processes
        )


class Files:
    """Listens for file events of the whole process."""

    def __init__(self, root: Path, own: Iterable[str] = ()) -> None:
        """`own` are files that show the program itself: reading one isn't reading data."""
        self._own = frozenset(own)
        if not _Tap.installed:
            sys.addaudithook(_hook)
            _Tap.installed = True
        self.root = str(root)
        self._ignored = tuple(_system_folders())
        self._watch = _Inotify.start(self.root)
        self.known: set[str] = set()
        """Every path touched so far."""
        self._heard, self._told = Touched(), Touched()
        """What the audit hook and inotify have said since the running statement began."""

    def close(self) -> None:
        _Tap.events = None
        if self._watch is not None:
            self._watch.close()

    @property
    def sees_c(self) -> bool:
        """Whether files opened by C libraries and child processes in the folder are seen."""
        return self._watch is not None

    def start(self) -> None:
        """Begin a statement: forget what happened since the last one ended."""
        if self._watch is not None:
            self._watch.drain()
        self._heard, self._told = Touched(), Touched()
        _Tap.events = []

    def pause(self) -> list[tuple[str, tuple[Any, ...]]]:
        """End a statement's events; linea's own work must leave none."""
        events, _Tap.events = _Tap.events or [], None
        return events

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What this thread does inside isn't the user's program's doing."""
        thread = get_ident()
        _Tap.aside[thread] = _Tap.aside.get(thread, 0) + 1
        try:
            yield
        finally:
            _Tap.aside[thread] -= 1
            if not _Tap.aside[thread]:
                del _Tap.aside[thread]

    def so_far(self) -> Touched:
        """What the running statement has done up to now."""
        events = _Tap.events
        taken = events[:] if events is not None else []
        if events is not None:
            del events[: len(taken)]  # others may have been added meanwhile
        return self.finish(taken)

    def finish(self, events: list[tuple[str, tuple[Any, ...]]]) -> Touched:
        """What happened since `start`; `events` are those that `so_far` hasn't taken."""
        for event, arguments in events:
            self._take(event, arguments, self._heard)
        if self._watch is not None:
            for path, what in self._watch.drain():
                if not self._ignore(path):
                    self._told.tell(path, what)
        touched = self._heard.and_told(self._told)
        for path in [p for p in touched.created if not os.path.lexists(p)]:
            touched.created.discard(path)
            touched.removed.add(path)
        touched.removed = {p for p in touched.removed if not os.path.lexists(p)}
        touched.changed -= touched.created
        for folder in [p for p in touched.removed if not os.path.lexists(p)]:
            touched.removed |= {p for p in self.known if p.startswith(folder + os.sep)}
        self.known |= touched.read | touched.created | touched.changed | touched.removed
        return touched

    def named(self, texts: Iterable[object]) -> set[str]:
        """Files that `texts` (str or path) name: known ones, and those that exist."""
        found = set()
        for text in texts:
            if not isinstance(text, (str, os.PathLike)):
                continue
            try:
                raw = os.fspath(text)
            except Exception:
                continue
            if not isinstance(raw, str) or not raw or len(raw) > 1024 or "\n" in raw or "\0" in raw:
                continue
            path = self.absolute(raw)
            exists = path in self.known or (("." in raw or "/" in raw) and os.path.isfile(path))
            if exists and not self._ignore(path):
                found.add(path)
        return found

    def absolute(self, path: object) -> str:
        """`path` as it stands now, made absolute."""
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        return os.path.normpath(os.path.join(os.getcwd(), str(path)))

    def _take(self, event: str, arguments: tuple[Any, ...], touched: Touched) -> None:
        if event == "import":
            touched.modules.add(str(arguments[0]))
            return
        if event in _PROCESSES:
            touched.processes = True
            return
        if event in _NETWORK:
            # Bound to port 0, the system chooses one.
            chosen = event != "socket.bind" or (
                isinstance(arguments[1], tuple) and arguments[1][1:2] == (0,)
            )
            touched.network |= chosen
            return
        if event == "os.chdir":
            return
        if not arguments or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        try:
            path = self.absolute(os.fspath(arguments[0]))
        except (ValueError, OSError):
            return
        if path.endswith(".pyc"):
            try:
                path = source_from_cache(path)
            except ValueError:
                return
        if self._ignore(path):
            return
        match event:
            case "open":
                mode, flags = arguments[1], arguments[2]
                self._open(path, mode, flags if isinstance(flags, int) else 0, touched)
            case "os.remove" | "os.rmdir" | "shutil.rmtree":
                touched.removed.add(path)
                touched.created.discard(path)
            case "os.rename" | "shutil.move":
                target = self.absolute(os.fspath(arguments[1]))
                touched.read.add(path)
                touched.removed.add(path)
                touched.created.discard(path)
                touched.created.add(target)
            case "os.link" | "os.symlink":
                touched.read.add(path)
                touched.created.add(self.absolute(os.fspath(arguments[1])))
            case "os.mkdir":
                touched.created.add(path)
            case "os.listdir" | "os.scandir":
                touched.listed.add(path)
            case "os.truncate" | "os.chmod" | "sqlite3.connect":
                if os.path.basename(path) != ":memory:":
                    touched.changed.add(path)
                    touched.read.add(path)

    def _open(self, path: str, mode: object, flags: int, touched: Touched) -> None:
        if os.path.islink(path):
            touched.read.add(path)  # which file it is rests on the link
            path = os.path.realpath(path)
        access = flags & os.O_ACCMODE
        text = mode if isinstance(mode, str) else ""
        if access == os.O_RDONLY and not set(text) & set("wax+"):
            if os.path.isdir(path):
                return
            if path not in touched.created:
                touched.read.add(path)
        elif "w" in text or "x" in text or flags & os.O_TRUNC:
            touched.created.add(path)
            touched.removed.discard(path)
        else:
            if "+" in text or access == os.O_RDWR:
                touched.read.add(path)
            touched.changed.add(path)

    def _ignore(self, path: str) -> bool:
        if path in self._own:
            return True
        if path.startswith(self._ignored) and not path.startswith(self.root + os.sep):
            return True
        parts = path.split(os.sep)
        return (
            ".linea" in parts
            or "__pycache__" in parts
            or ".git" in parts
            or ".ipynb_checkpoints" in parts
            or "site-packages" in parts
            or "dist-packages" in parts
        )


def _system_folders() -> list[str]:
    """Where programs, libraries and devices lie: files there are no data of the user's."""
    import sysconfig

    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    folders.add(str(Path(__file__).parent.parent))  # linea itself, where it is installed in place
    folders |= {"/usr", "/etc", "/proc", "/sys", "/dev", "/lib", "/lib64", "/bin", "/opt/conda"}
    home = os.path.expanduser("~")
    folders |= {
        os.path.join(home, n)
        for n in (
            ".cache",
            ".config",
            ".local",
            ".ipython",
            ".jupyter",
            ".matplotlib",
            ".pyenv",
            ".conda",
        )
    }
    return sorted({f.rstrip("/") + "/" for f in folders if len(f) > 1})


class _Inotify:
    """Linux's inotify over a folder tree, through libc."""

    MAX_FOLDERS = 256
    MAX_DEPTH = 4
    READ, MODIFY, MADE, GONE = 0x1 | 0x20, 0x2, 0x100 | 0x80, 0x200 | 0x40
    FOLDER, OVERFLOW = 0x40000000, 0x4000
    SKIP = frozenset({"__pycache__", "node_modules", "site-packages", ".linea", ".git"})

    def __init__(self, fd: int, libc: ctypes.CDLL) -> None:
        self.fd = fd
        self.libc = libc
        self.folders: dict[int, str] = {}

    @classmethod
    def start(cls, root: str) -> _Inotify | None:
        if sys.platform != "linux":
            return None
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return None
        if fd < 0:
            return None
        watch = cls(fd, libc)
        watch.add(root, 0)
        return watch

    def add(self, folder: str, depth: int) -> None:
        if len(self.folders) >= self.MAX_FOLDERS or depth > self.MAX_DEPTH:
            return
        mask = 0x20 | self.MODIFY | self.MADE | self.GONE | 0x01000000
        number = self.libc.inotify_add_watch(self.fd, os.fsencode(folder), mask)
        if number < 0:
            return
        self.folders[number] = folder
        try:
            with os.scandir(folder) as entries:
                inner = [
                    e.path
                    for e in entries
                    if e.name not in self.SKIP
                    and not e.name.startswith(".")
                    and e.is_dir(follow_symlinks=False)
                ]
        except OSError:
            return
        for path in inner:
            if not os.path.exists(os.path.join(path, "pyvenv.cfg")):
                self.add(path, depth + 1)

    def drain(self) -> list[tuple[str, str]]:
        """Pairs of a path and what happened to it, in order."""
        found: list[tuple[str, str]] = []
        while True:
            try:
                data = os.read(self.fd, 65_536)
            except OSError:
                return found
            offset = 0
            while offset < len(data):
                number, mask, _, length = struct.unpack_from("iIII", data, offset)
                offset += 16
                name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
                offset += length
                folder = self.folders.get(number)
                if folder is None or not name:
                    continue
                path = os.path.join(folder, name)
                if mask & self.FOLDER:
                    if mask & self.MADE and name not in self.SKIP:
                        self.add(
                            path,
                            path.count(os.sep) - self.folders[1].count(os.sep)
                            if 1 in self.folders
                            else 1,
                        )
                        found.append((path, "made"))
                    elif mask & self.GONE:
                        found.append((path, "gone"))
                elif mask & self.GONE:
                    found.append((path, "gone"))
                elif mask & self.MADE:
                    found.append((path, "made"))
                elif mask & self.MODIFY:
                    found.append((path, "changed"))
                elif mask & 0x20:
                    found.append((path, "read"))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.fd)
