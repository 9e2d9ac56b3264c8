"""A value's parts ⇄ the `value/` tree of a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from linea.errors import DamagedStoreError
from linea.model import Part, Payload, ValueRecord
from linea.store import chunks, layout
from linea.store.backend import Backend
from linea.store.objects import Batch, ObjectId, TreeEntry, parse_tree, tree_ids

SHARE = 8
"""A large value is written in about so many packs, so that only one is in memory."""
LEAST_PACK = 4 << 20
MOST_PACK = 256 << 20


class ReadObject(Protocol):
    """Gives the bytes of an object; DamagedStoreError where that can't be."""

    def __call__(self, id: ObjectId, *, checked: bool = True) -> bytes:
        """Not `checked`, they may be other bytes than the id says."""


class Sink:
    """Objects on their way into the store, written whenever many have come together."""

    def __init__(self, backend: Backend, size: int) -> None:
        """`size` is about how many bytes are expected."""
        self.batch = Batch()
        self._backend = backend
        self._limit = min(max(size // SHARE, LEAST_PACK), MOST_PACK)
        self._waiting = 0

    def add(self, data: bytes, compressed: bool = False) -> ObjectId:
        """Take a blob."""
        id = self.batch.add("blob", data, compressed=compressed)
        self._waiting += len(data)
        if self._waiting >= self._limit:
            self.flush()
        return id

    def add_tree(self, entries: Mapping[str, ObjectId]) -> ObjectId:
        """Take a tree of blobs that were taken."""
        return self.batch.add_tree(entries)

    def flush(self) -> None:
        """Write what has been taken."""
        self._backend.write(self.batch.objects)
        self.batch = Batch()
        self._waiting = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A value that was put among the objects to be written."""

    parts: tuple[Part, ...]
    files: Mapping[str, ObjectId]
    """Blobs by their paths in the version's tree."""
    trees: Mapping[str, ObjectId]
    """Trees by their paths in the version's tree."""


def write(sink: Sink, parts: Mapping[str, Payload], known: chunks.Known) -> Written:
    """Put the parts of a value among the objects to be written."""
    records: list[Part] = []
    files: dict[str, ObjectId] = {}
    trees: dict[str, ObjectId] = {}
    for path, payload in parts.items():
        place = layout.value_path(path)
        part, found = chunks.write(path, payload, known, sink.add)
        records.append(part)
        if isinstance(found, bytes):
            files[place] = sink.add(found)
        elif isinstance(found, str):
            trees[place] = found
        else:
            index = sink.add(chunks.index_bytes(found))
            # Now, so that it goes into the pack of its blobs.
            trees[place] = sink.add_tree(chunks.tree_of(found, index))
    return Written(tuple(records), files, trees)


class ValueTree:
    """The `value/` tree of a version, read as it is needed."""

    def __init__(self, root: ObjectId, read: ReadObject, what: str, fill: chunks.FillRoom) -> None:
        self._root = root
        self._fill = fill
        self._read = read
        self._what = what
        self._trees: dict[tuple[str, ...], dict[str, TreeEntry]] = {}

    def part(self, path: str) -> Payload:
        """One part of the value."""
        found = self.found(path)
        if found is None:
            raise DamagedStoreError(
                f"{self._what} has no part {path!r} in the store",
                hint="see what is hit with `linea fsck`",
            )
        if isinstance(found, chunks.Stored):
            return chunks.stream(found, self._segment, f"part {path!r} of {self._what}", self._fill)
        return self._read(found.id)

    def found(self, path: str) -> chunks.Stored | TreeEntry | None:
        """Where a part is: a tree of segments, or a blob."""
        place = tuple(layout.value_path(path).split("/"))
        entry = self._entry(place)
        if entry is None or not entry.is_tree:
            return entry
        inside = self._folder(place)
        if chunks.INDEX not in inside:
            return None
        data = self._read(inside[chunks.INDEX].id)
        try:
            return chunks.parse(data, inside)
        except (ValueError, IndexError) as error:
            raise DamagedStoreError(f"part {path!r} of {self._what} is damaged: {error}") from error

    def known(self, record: ValueRecord, has: Callable[[ObjectId], bool]) -> chunks.Known:
        """What the next version may share."""
        found = {part.path: self._before(part) for part in record.parts}
        stored = {path: each for path, each in found.items() if each is not None}
        return chunks.Known(self._segment, has, stored)

    def _before(self, part: Part) -> chunks.Before | None:
        """A part in segments, for the next version."""
        entry = self._entry(tuple(layout.value_path(part.path).split("/")))
        if entry is None or not entry.is_tree:
            return None
        entries = self._read(entry.id)
        try:
            index = self._read(tree_ids(entries)[-1])  # named last
            return chunks.Before(part, entry.id, entries, index)
        except (ValueError, IndexError):
            return None

    def _entry(self, place: tuple[str, ...]) -> TreeEntry | None:
        return self._folder(place[:-1]).get(place[-1])

    def _segment(self, id: ObjectId) -> bytes:
        """A blob whose bytes are held against the hash in the index."""
        return self._read(id, checked=False)

    def _folder(self, path: tuple[str, ...]) -> dict[str, TreeEntry]:
        if path not in self._trees:
            id = self._root
            if path:
                entry = self._folder(path[:-1]).get(path[-1])
                if entry is None or not entry.is_tree:
                    return {}
                id = entry.id
            try:
                self._trees[path] = parse_tree(self._read(id))
            except ValueError as error:
                raise DamagedStoreError(
                    f"a folder of {self._what} is damaged: {error}",
                    hint="see what is hit with `linea fsck`",
                ) from error
        return self._trees[path]
