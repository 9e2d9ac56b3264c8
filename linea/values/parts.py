"""The parts of a stored value, each held against what the record says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import xxhash

from linea.errors import DamagedStoreError
from linea.model import (
    ALONE,
    Buffer,
    Encoded,
    Guide,
    Part,
    Payload,
    ReadPart,
    Room,
    Segment,
    Stream,
    ValueRecord,
)
from linea.values.digest import digest_bytes, name

Pieces = Callable[[Room], Iterator[Buffer]]
"""Gives a part's pieces in order, those that are made for it in the memory that there is for them."""


class Parts:
    """Gives parts to codecs: whole, in pieces, or some of their pieces."""

    def __init__(self, record: ValueRecord, read: ReadPart) -> None:
        self._expected = {part.path: part for part in record.parts}
        self._read = read
        self.opened: dict[str, Any] = {}
        """What a codec keeps of a part that holds more than one thing."""

    def __contains__(self, path: str) -> bool:
        return path in self._expected

    def __call__(self, path: str) -> bytes:
        """Return the bytes of a part."""
        part, payload = self._part(path)
        data = bytes(payload)
        if len(data) != part.size or digest_bytes(data) != part.digest:
            raise _damaged(path)
        return data

    def size(self, path: str) -> int:
        """Return how many bytes a part has."""
        part = self._expected.get(path)
        if part is None:
            raise _missing(path)
        return part.size

    def under(self, folder: str, record: ValueRecord) -> Parts:
        """Return the parts of a value that lies in a folder of this one."""
        return Parts(record, lambda path: self._part(folder + path)[1])

    def pieces(self, path: str) -> Iterator[Buffer]:
        """Yield a part's bytes piece by piece; raise at the end where the whole isn't right."""
        return self.filling(path)(_nowhere)

    def filling(self, path: str) -> Pieces:
        """Return what gives a part's pieces as `pieces` does, in the memory that there is for them."""
        part, payload = self._part(path)
        return partial(_checked, part, payload)

    def between(self, path: str, start: int, stop: int) -> Iterator[tuple[int, Buffer]]:
        """Yield the pieces that hold what lies between two counts, and where each begins.

        The store has held each piece against its own hash. A part of one piece is given whole.
        """
        _, payload = self._part(path)
        if isinstance(payload, bytes):
            yield 0, self(path)
            return
        for first, segment in payload.between(start, stop):
            yield first, segment.data

    def _part(self, path: str) -> tuple[Part, Payload]:
        part = self._expected.get(path)
        if part is None:
            raise _missing(path)
        return part, self._read(path)


def _missing(path: str) -> DamagedStoreError:
    return DamagedStoreError(f"the value has no part {path!r}")


def _damaged(path: str) -> DamagedStoreError:
    return DamagedStoreError(
        f"part {path!r} of the value isn't what was stored", hint="run `linea fsck`"
    )


def _pieces(payload: Payload) -> Iterator[Buffer]:
    if isinstance(payload, bytes):
        yield payload
    else:
        for segment in payload:
            yield segment.data


def _checked(part: Part, payload: Payload, room: Room) -> Iterator[Buffer]:
    """Yield a part's pieces; raise at the end where the whole isn't right."""
    segments = iter([Segment(0, payload)]) if isinstance(payload, bytes) else payload.filling(room)
    state, size = xxhash.xxh3_128(), 0
    for segment in segments:
        state.update(segment.data)
        size += len(segment.data)
        yield segment.data
    if size != part.size or name(state.digest()) != part.digest:
        raise _damaged(part.path)


def _nowhere(count: int, size: int) -> None:
    return None


WHOLE = 16 << 10
"""Bytes that aren't cut."""


def byte_stream(
    blocks: Callable[[], Iterable[Any]],
    size: int,
    *,
    width: int = 1,
    label: str = "",
    print: str = "",
    head: bytes = b"",
) -> Stream:
    """Return bytes that come in blocks as a part; numbers of `width` bytes aren't cut."""

    def segments(guide: Guide = ALONE) -> Iterator[Segment]:
        from linea.values import cuts

        if head:
            yield Segment(0, head)
        for data in cuts.of_bytes(blocks(), width, guide):
            yield Segment(len(data), data)

    return Stream(segments, size=size, width=width, label=label, print=print, guided=segments)


def payload(data: Payload) -> Payload:
    """Return bytes as a part: cut where there are many."""
    if not isinstance(data, bytes) or len(data) <= WHOLE:
        return data
    return byte_stream(lambda: [data], len(data))


def complete(encoded: Encoded) -> ValueRecord:
    """Return the record of a value with its parts, which are made for it."""
    return replace(
        encoded.record, parts=tuple(_described(path, each) for path, each in encoded.parts.items())
    )


def _described(path: str, payload: Payload) -> Part:
    state: Any = xxhash.xxh3_128()
    size = 0
    for piece in _pieces(payload):
        state.update(piece)
        size += len(piece)
    return Part(path, size, name(state.digest()))


def settled(encoded: Encoded) -> Encoded:
    """Return a value with all its parts made: what becomes of the object doesn't matter then."""
    parts = {path: bytes(each) for path, each in encoded.parts.items()}
    return replace(encoded, record=complete(encoded), parts=parts)
