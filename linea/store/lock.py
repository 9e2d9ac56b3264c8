"""A lock between processes that the kernel lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from linea.errors import StoreError

try:
    import fcntl as _fcntl
except ImportError:  # Windows has none; the refs' compare-and-swap guards alone there.
    fcntl: Any = None
else:
    fcntl = _fcntl

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Guard(Enum):
    """What holding the lock is worth."""

    NONE = "the file system can't lock"
    ALONE = "nobody else holds it"
    AFTER_DEATH = "nobody else holds it, and who held it before died"


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(
            f"can't write to the store at {path.parent}: {error.strerror}",
            hint="it can still be read; to save, get write permission or set LINEA_DIR",
        ) from error


@contextmanager
def held(path: Path, *, patience: float) -> Iterator[Guard]:
    """Hold the lock at `path`.

    StoreError, with the holder named, when it isn't free within `patience` seconds.
    """
    file = _open(path)
    try:
        guard = _acquire(file, path, patience)
        try:
            yield guard
        finally:
            if guard is not Guard.NONE:
                _sign(file, "")
                # Explicitly: a child forked meanwhile shares the lock and would keep it.
                fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


@contextmanager
def present(path: Path, *, alone: bool, patience: float) -> Iterator[bool]:
    """Be among those that write, or be the only one; give whether the file system can tell.

    Many may be among those that write at the same time; who is to be alone waits for them to be
    done, and they wait for him. StoreError when that takes more than `patience` seconds.
    """
    file = _open(path)
    try:
        if fcntl is None:
            yield False
            return
        mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, mode | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    yield False
                    return
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the store at {path.parent} is being {'written to' if alone else 'tidied'}"
                        f" for more than {patience:.0f} s",
                        hint="try again when it is done",
                    ) from error
                time.sleep(random.uniform(0.005, 0.03))
            else:
                break
        try:
            yield True
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def _acquire(file: int, path: Path, patience: float) -> Guard:
    if fcntl is None:
        return Guard.NONE
    deadline = time.monotonic() + patience
    wait = 0.001
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return Guard.NONE
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise StoreError(f"can't lock the store: {error.strerror}") from error
        else:
            # Its holder takes its name out when it is done.
            died = os.fstat(file).st_size > 0
            _sign(file, f"{os.getpid()}\n")
            return Guard.AFTER_DEATH if died else Guard.ALONE
        if time.monotonic() > deadline:
            raise StoreError(
                f"another process is writing to the store at {path.parent}"
                f" (process {_holder(file)}, for more than {patience:.0f} s)",
                hint="wait for it and save again; if it hangs, stop it",
            )
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(wait * 1.5, 0.03)


def _sign(file: int, holder: str) -> None:
    """Write who holds the lock, for those who wait; a full disk must not matter here."""
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, holder.encode(), 0)


def _holder(file: int) -> str:
    return os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
