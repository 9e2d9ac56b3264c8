"""A repository's refs as they lie on disk, loose and packed: read without a git library.

Listing a thousand refs this way takes a few milliseconds, and a command that only reads needn't
load libgit2 at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from linea.store.objects import ObjectId

_ID = re.compile(rb"[0-9a-f]{40}\s*\Z")
_PACKED = re.compile(rb"^([0-9a-f]{40}) (refs/[^\n]+)$", re.MULTILINE)


class RefFolder:
    """The refs of the repository at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._packed: dict[str, ObjectId] = {}
        self._packed_at: tuple[int, int, int] | None = None

    def read(self, name: str) -> ObjectId | None:
        """What a ref points to; ValueError where its file is damaged, None where it is symbolic."""
        # A loose ref counts before a packed one, and git packs it before it removes the file.
        loose = self._loose(name)
        if loose is not None:
            return _parsed(loose, name)
        return self._read_packed().get(name)

    def under(self, prefix: str) -> dict[str, ObjectId]:
        """The refs that begin with `prefix`, which ends in `/`."""
        loose = dict(self._walk(prefix))
        found = {
            name: id
            for name, id in self._read_packed().items()
            if name.startswith(prefix) and name not in loose
        }
        for name, data in loose.items():
            id = _parsed(data, name)
            if id is not None:
                found[name] = id
        return found

    def _walk(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """The loose refs below a folder."""
        try:
            entries = list(os.scandir(f"{self._path}/{folder}"))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            name = folder + entry.name
            if entry.is_dir():
                yield from self._walk(name + "/")
            elif not name.endswith(".lock"):
                data = self._loose(name)
                if data is not None:
                    yield name, data

    def _loose(self, name: str) -> bytes | None:
        try:
            file = os.open(f"{self._path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        try:
            return os.read(file, 4096)
        except IsADirectoryError:
            return None
        finally:
            os.close(file)

    def _read_packed(self) -> dict[str, ObjectId]:
        """The packed refs, read anew when their file is another one."""
        path = f"{self._path}/packed-refs"
        try:
            state = os.stat(path)  # noqa: PTH116 - text, as it is faster
        except FileNotFoundError:
            return {}
        at = (state.st_mtime_ns, state.st_size, state.st_ino)
        if at != self._packed_at:
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read()
            self._packed = {
                name.decode("utf-8", "surrogateescape"): ObjectId(id.decode())
                for id, name in _PACKED.findall(data)
            }
            self._packed_at = at
        return self._packed


def _parsed(data: bytes, name: str) -> ObjectId | None:
    if _ID.match(data):
        return ObjectId(data[:40].decode())
    if data.startswith(b"ref: "):
        return None
    raise ValueError(f"its file holds {data[:60]!r}")
