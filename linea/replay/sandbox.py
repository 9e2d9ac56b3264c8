"""A scratch copy → what the process sees at the project's own path, where the kernel allows it.

On Linux a process may give itself a view of the file system of its own. In it the scratch copy
lies where the project lies, so that absolute paths lead to the recorded inputs, `__file__` and
the working folder are as they were, and nothing that the code starts, in whatever language, can
write into the project. Elsewhere the audit hook of `linea.replay.child` has to do.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18


def enter(
    root: Path, scratch: Path, base: Path, store: Path | None, outside: Mapping[str, str]
) -> bool:
    """Put `scratch` in the place of `root` for this process; False where that can't be done.

    Interpreter, packages and `store` stay visible where they are. `outside` are files beyond the
    project, with the copies that take their places. Must be called before any thread is started.
    """
    if sys.platform != "linux" or base.is_relative_to(root) or len(root.parts) < 2:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if not _unshare(libc):
            return False
        _mount(libc, "none", "/", _REC | _PRIVATE)
        for path in _needed(root, store):
            target = scratch / path.relative_to(root)
            target.mkdir(parents=True, exist_ok=True)
            _mount(libc, str(path), str(target), _BIND | _REC)
        if store is not None:
            place = scratch / store.relative_to(root) if store.is_relative_to(root) else store
            if place == store:
                _mount(libc, str(store), str(store), _BIND)
            _mount(libc, "none", str(place), _REMOUNT | _BIND | _RDONLY | _flags(place))
        for there, copy in outside.items():
            if Path(there).is_file():
                _mount(libc, copy, there, _BIND)
        _mount(libc, str(scratch), str(root), _BIND | _REC)
    except OSError:
        return False  # what was mounted by then shows in this process alone
    return True


def _needed(root: Path, store: Path | None) -> Iterator[Path]:
    """Folders below the project that the interpreter or linea itself needs, outermost first."""
    own = str(Path(__file__).resolve().parents[2])
    wanted = {
        sys.prefix,
        sys.exec_prefix,
        sys.base_prefix,
        own,
        *sys.path,
        *([str(store)] if store else []),
    }
    paths = sorted({Path(text).resolve() for text in wanted if text})
    taken: list[Path] = []
    for path in paths:
        inside = path != root and path.is_relative_to(root) and path.is_dir()
        if inside and not any(path.is_relative_to(above) for above in taken):
            taken.append(path)
            yield path


def _unshare(libc: ctypes.CDLL) -> bool:
    user, group = os.getuid(), os.getgid()
    if user == 0 and libc.unshare(_NEWNS) == 0:
        return True
    if libc.unshare(_NEWUSER | _NEWNS) != 0:
        return False
    for name, text in _maps(user, group):
        Path("/proc/self", name).write_text(text, encoding="ascii")
    return True


def _maps(user: int, group: int) -> Iterable[tuple[str, str]]:
    return (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    )


def _flags(path: Path) -> int:
    """Flags of a mount that a remount has to keep: nosuid, nodev, noexec, noatime and such."""
    return os.statvfs(path).f_flag & (2 | 4 | 8 | 1024 | 2048)


def _mount(libc: ctypes.CDLL, source: str, target: str, flags: int) -> None:
    if libc.mount(os.fsencode(source), os.fsencode(target), b"none", flags, None) != 0:
        raise OSError(ctypes.get_errno(), "can't mount", target)
