"""Files that are whole on disk or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def durable(path: Path, *, prefix: str) -> Iterator[int]:
    """Give a file to write to that takes its place at `path` once it is safe on disk."""
    file, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    temporary = Path(name)
    try:
        try:
            yield file
            os.fchmod(file, 0o444)
            os.fsync(file)
        finally:
            os.close(file)
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what failed first is what is told
            temporary.unlink(missing_ok=True)
        raise


def write_all(file: int, data: bytes) -> None:
    """Write all of `data` to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(path: Path) -> None:
    """Make the names in a folder safe on disk."""
    try:
        folder = os.open(path, os.O_RDONLY)
    except OSError:
        return  # Windows can't open a folder
    try:
        with contextlib.suppress(OSError):  # some file systems can't sync one
            os.fsync(folder)
    finally:
        os.close(folder)
