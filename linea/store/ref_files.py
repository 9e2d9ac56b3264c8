"""A repository's refs as they lie on disk, loose and packed: read without a git library.

Listing a thousand refs this way takes a few milliseconds, and a command that only reads needn't
load libgit2 at all.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from linea.store.objects import ObjectId

_ID = re.compile(rb"[0-9a-f]{40}\s*\Z")
_PACKED = re.compile(rb"([0-9a-f]{40}) (refs/.+)")
PACKED = "packed-refs"
"""The file of many refs, told of as if it were one of them where it is damaged."""
_MOVE = re.compile(rb"[0-9a-f]{40} [0-9a-f]{40} ")
_NONE = b"0" * 40
_OWN = ("refs/linea/", "refs/notes/linea")
_PLACES = ("refs/linea/artifacts/", "refs/linea/deleted/")
"""An artifact is in one of them for ever."""
_NOTES = "refs/notes/linea"
_OPTIONAL = "refs/linea/rebuilt/"
"""Without these, values are looked for where they were first."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Refs by name, and why others can't be read."""

    whole: Mapping[str, ObjectId]
    damaged: Mapping[str, str]


class RefFolder:
    """The refs of the repository at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._packed: dict[str, ObjectId] = {}
        self._packed_damage: str | None = None
        self._packed_at: tuple[int, int, int] | None = None

    def read(self, name: str) -> ObjectId | None:
        """What a ref points to; ValueError where its file is damaged, None where it is symbolic."""
        # A loose ref counts before a packed one, and git packs it before it removes the file.
        loose = self._loose(name)
        if loose is not None:
            return _parsed(loose, name)
        packed = self._read_packed().get(name)
        if packed is None and self._packed_damage and not name.startswith(_OPTIONAL):
            raise ValueError(self._packed_damage)  # it may well have stood there
        return packed

    def packed(self) -> Mapping[str, ObjectId]:
        """The refs that git has put into one file, as far as that can be read."""
        return self._read_packed()

    def under(self, prefix: str) -> Listed:
        """The refs that begin with `prefix`, which ends in `/`."""
        loose = dict(self._walk(prefix))
        found = {
            name: id
            for name, id in self._read_packed().items()
            if name.startswith(prefix) and name not in loose
        }
        damaged = {} if self._packed_damage is None else {PACKED: self._packed_damage}
        for name, data in loose.items():
            try:
                id = _parsed(data, name)
            except ValueError as error:
                damaged[name] = str(error)
            else:
                if id is not None:
                    found[name] = id
        return Listed(found, damaged)

    def lost(self, known: Collection[str], done: bytes) -> dict[str, ObjectId]:
        """The refs of artifacts and notes that have a log and aren't among the `known`.

        Each with what it last pointed to. A log is written before its ref: one whose last line
        makes the ref tells only of what is among the operations that were `done`. Logs that git has
        emptied, or a clone lacks, tell nothing.
        """
        found = {name for name in self._logs(_NOTES) if name not in known}
        names = [each for place in _PLACES for each in self._logs(place)]
        for bare in {name.removeprefix(_PLACES[0]).removeprefix(_PLACES[1]) for name in names}:
            both = [place + bare for place in _PLACES]
            if not any(each in known for each in both):
                found.add(max(both, key=self._logged_at))
        lines = {name: self._last(name) for name in sorted(found)}
        return {
            name: ObjectId(new.decode())
            for name, (old, new) in lines.items()
            if new != _NONE and (old != _NONE or new in done)
        }

    def last(self, name: str) -> ObjectId | None:
        """What a ref last pointed to, as its log tells."""
        new = self._last(name)[1]
        return None if new == _NONE else ObjectId(new.decode())

    def _last(self, name: str) -> tuple[bytes, bytes]:
        """The last move that the log of a ref tells of."""
        with contextlib.suppress(OSError):
            data = Path(self._path, "logs", name).read_bytes()
            for line in reversed(data.split(b"\n")):
                if _MOVE.match(line):
                    return line[:40], line[41:81]
        return _NONE, _NONE

    def _logs(self, prefix: str) -> Iterator[str]:
        root = Path(self._path, "logs")
        found = (root / prefix).rglob("*") if prefix.endswith("/") else root.glob(f"{prefix}*")
        for each in found:
            if each.is_file():
                yield each.relative_to(root).as_posix()

    def _logged_at(self, name: str) -> tuple[int, int]:
        """When a log got its last line."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            path = Path(self._path, "logs", name)
            line = path.read_bytes().splitlines()[-1]
            return int(line.partition(b"\t")[0].split(b" ")[-2]), path.stat().st_mtime_ns
        return 0, 0

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
        path = f"{self._path}/{PACKED}"
        try:
            state = os.stat(path)  # noqa: PTH116 - text, as it is faster
        except FileNotFoundError:
            self._packed_at = self._packed_damage = None
            return {}
        at = (state.st_mtime_ns, state.st_size, state.st_ino)
        if at != self._packed_at:
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read()
            self._packed, self._packed_damage = _parsed_packed(data)
            self._packed_at = at
        return self._packed


def _parsed(data: bytes, name: str) -> ObjectId | None:
    if _ID.match(data):
        return ObjectId(data[:40].decode())
    if data.startswith(b"ref: ") and not name.startswith(_OWN):
        return None
    raise ValueError(f"its file holds {data[:60]!r}")


def _parsed_packed(data: bytes) -> tuple[dict[str, ObjectId], str | None]:
    """The refs in a file of packed ones, and what is wrong with it."""
    found: dict[str, ObjectId] = {}
    damage = None
    *lines, rest = data.split(b"\n")
    for line in lines:
        match = _PACKED.fullmatch(line)
        if match:
            name = match[2].decode("utf-8", "surrogateescape")
            found[name] = ObjectId(match[1].decode())
        elif not line.startswith((b"#", b"^")):
            damage = f"it holds {line[:60]!r}"
    return found, "it is cut off" if rest else damage
