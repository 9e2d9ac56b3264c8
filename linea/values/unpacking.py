"""Segments of columns → Arrow arrays, in memory of their own."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from linea.errors import DamagedStoreError
from linea.model import Buffer
from linea.values.columns import bits
from linea.values.packing import (
    ALIGNED,
    HEAD,
    JOINED,
    buffers_of,
    is_text,
    is_wide,
    item_width,
    physical,
)
from linea.values.parts import Pieces

FRONT = 64
"""Bytes before a column's values, in which what its first segment has before them may lie."""

Array = np.ndarray[Any, Any]
Rows = tuple[int, list[memoryview]]
"""How many rows a segment has, and its buffers."""
kinds = pa.types


def read(pieces: Pieces, size: int) -> pa.ChunkedArray:
    """Return the column that the pieces of a part of `size` bytes hold.

    It has one chunk, unless it has more text than the type's offsets can tell. Raise
    DamagedStoreError where the pieces are none of a column.
    """
    try:
        return _column(pieces, size)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise DamagedStoreError(f"a column's part is damaged: {error}") from error
    except (StopIteration, RuntimeError, struct.error) as error:
        raise DamagedStoreError("a column's part is cut off") from error


def _column(pieces: Pieces, size: int) -> pa.ChunkedArray:
    values = _Values(size)
    rest = pieces(values.room)
    first = memoryview(next(rest))
    end = _head_size(first)
    type = column_type(bytes(first[:end]))
    plain = physical(type)
    segments = (each for piece in chain([first[end:]], rest) for each in _segments(piece))
    chunks: list[pa.Array]
    if item_width(plain):
        chunks = [_numbers(segments, plain, values)]
    elif is_text(plain) and (size < JOINED or is_wide(plain)):
        chunks = [_texts(segments, plain, values)]
    else:
        chunks = list(_joined([_segment_array(*each, plain) for each in segments]))
    column = pa.chunked_array(chunks, type=plain)
    return column if plain == type else column.cast(type)


def _head_size(piece: memoryview) -> int:
    """Return the bytes of the schema that the first piece of a column begins with."""
    if bytes(piece[:4]) != b"\xff\xff\xff\xff":
        raise DamagedStoreError("a column's part begins with no schema")
    return 8 + int.from_bytes(piece[4:8], "little")


def column_type(head: bytes) -> pa.DataType:
    """Return the type of the column that begins with these bytes."""
    schema = pa.ipc.read_schema(pa.py_buffer(head))
    if len(schema) != 1:
        raise DamagedStoreError("a column's part has no single column")
    return schema.field(0).type


def _segments(piece: Buffer) -> Iterator[Rows]:
    """Yield the segments that a piece of a part is made of, be it one or all."""
    view = memoryview(piece)
    at = 0
    while at < len(view):
        rows, buffers, at = buffers_of(view, at)
        yield rows, buffers


def rows_of(pieces: Iterable[tuple[int, Buffer]], start: int, stop: int) -> pa.ChunkedArray:
    """Return the rows of a column from one to another, given the pieces that hold them."""
    found = list(pieces)
    # The head comes first, unless the part is in one piece.
    first = found[1][0] if len(found) > 1 else 0
    column = read(lambda _: (piece for _, piece in found), sum(len(piece) for _, piece in found))
    start, stop = min(start - first, len(column)), min(stop - first, len(column))
    if kinds.is_nested(column.type):
        # Readers that go by buffers, such as polars, trip over offsets of nested arrays.
        return column.take(pa.array(np.arange(start, stop)))
    return column.slice(start, stop - start)


def _joined(arrays: list[pa.Array]) -> Iterator[pa.Array]:
    """Yield arrays joined into as few as their type's offsets allow."""
    group: list[pa.Array] = []
    size = 0
    for array in arrays:
        if group and size + array.nbytes > JOINED:
            yield pa.concat_arrays(group)
            group, size = [], 0
        group.append(array)
        size += array.nbytes
    if group:
        yield pa.concat_arrays(group) if len(group) > 1 else group[0]


# ----------------------------------------------------------------------------------- values


class _Values:
    """The values of a column, one segment's after another's.

    A segment is made in place: what it has before its values lies over the end of those before it
    until it has been taken.
    """

    def __init__(self, size: int) -> None:
        """`size` is that of the column's part, which is a little more than its values."""
        self._size = size
        self._end = FRONT
        self._memory: Array | None = None
        self._given: tuple[memoryview, bytes] | None = None
        self._behind: Any = None

    def begin(self, behind: Any) -> None:
        """Make room for the values; `behind` tells how many bytes of a segment aren't any.

        It is given the segment's rows and size.
        """
        self._memory = room(FRONT + self._size)
        self._behind = behind

    def room(self, count: int, size: int) -> memoryview | None:
        """Return where a segment of so many rows and bytes belongs."""
        self._given = None
        if self._memory is None:
            return None
        before = self._behind(count, size)
        start = self._end - before
        if start < 0 or not 0 < before <= size or start + size > len(self._memory):
            return None
        place = self._memory[start : start + size].data
        self._given = place, bytes(place[:before])
        return place

    def take(self, buffers: list[memoryview]) -> None:
        """Take the values of a segment, its last buffer; the others don't count any more."""
        assert self._memory is not None
        data = buffers[-1]
        where, under = self._given or (None, b"")
        end = self._end + len(data)
        before = (
            HEAD.size
            + 8 * len(buffers)
            + sum(len(each) + -len(each) % ALIGNED for each in buffers[:-1])
        )
        if len(under) != before:
            self._memory[self._end : end] = np.frombuffer(data, np.uint8)
        if where is not None:
            where[: len(under)] = under
        self._end = end

    def buffer(self) -> pa.Buffer:
        """Return the values that were taken, in memory that may be written to."""
        assert self._memory is not None
        return pa.py_buffer(self._memory[FRONT : self._end])

    @property
    def size(self) -> int:
        """Bytes of the values that were taken."""
        return self._end - FRONT

    @property
    def most(self) -> int:
        """Bytes of the values at most."""
        return self._size


def room(size: int) -> Array:
    """Return memory for so many bytes at most: what stays untouched of it costs nothing.

    It is Arrow's, whose pool gives again what was freed: memory that is new to the process
    takes longer to get than to fill.
    """
    return np.frombuffer(pa.allocate_buffer(size), np.uint8)


def _numbers(segments: Iterable[Rows], type: pa.DataType, values: _Values) -> pa.Array:
    """Return a column of values of fixed width."""
    width = item_width(type)
    values.begin(lambda count, size: size - count * width - -count * width % ALIGNED)
    validity = _Validity()
    total = 0
    for count, buffers in segments:
        mask, data = _just(2, buffers)
        if len(data) != count * width:
            raise DamagedStoreError("a segment of a column has too few values")
        validity.add(count, mask)
        values.take(buffers)
        total += count
    return pa.Array.from_buffers(type, total, [validity.buffer(), values.buffer()])


def _texts(segments: Iterable[Rows], type: pa.DataType, values: _Values) -> pa.Array:
    """Return a column of texts."""
    item = np.dtype(np.int64 if is_wide(type) else np.int32)
    offsets = room(values.most // 4 * item.itemsize + item.itemsize).view(item)
    offsets[0] = 0
    validity = _Validity()
    at = masked = 0

    def behind(count: int, size: int) -> int:
        mask = (count + 7) // 8 if masked else 0
        return HEAD.size + 3 * 8 + mask + -mask % ALIGNED + 4 * count + 4 * count % ALIGNED

    values.begin(behind)
    for count, buffers in segments:
        mask, lengths, data = _just(3, buffers)
        if len(lengths) != 4 * count:
            raise DamagedStoreError("texts of another number than was said")
        _ends(np.frombuffer(lengths, "<u4"), len(data), values.size, offsets[at + 1 :][:count])
        validity.add(count, mask)
        masked = len(mask)
        values.take(buffers)
        at += count
    ends = pa.py_buffer(offsets[: at + 1])
    return pa.Array.from_buffers(type, at, [validity.buffer(), ends, values.buffer()])


def _ends(sizes: Array, total: int, start: int, found: Array) -> None:
    """Put where texts of some sizes end, the first of which begins at `start`."""
    first = int(sizes[0]) if len(sizes) else 0
    if first * len(sizes) == total and (sizes == first).all():
        found[:] = np.arange(1, len(sizes) + 1, dtype=found.dtype)
        found *= first
        found += start
        return
    ends = np.cumsum(sizes, dtype=np.int64)
    if ends[-1:].tolist() != [total]:
        raise DamagedStoreError("texts of another length than was said")
    np.add(ends, start, out=found, casting="unsafe")


def _just(wanted: int, buffers: list[memoryview]) -> list[memoryview]:
    if len(buffers) != wanted:
        raise DamagedStoreError(f"a segment of a column has {len(buffers)} buffers, not {wanted}")
    return buffers


class _Validity:
    """A column's validity, from that of its segments."""

    def __init__(self) -> None:
        self._found: list[tuple[int, Array | None]] = []

    def add(self, count: int, mask: memoryview) -> None:
        """Take a segment's validity; an empty mask says that all is valid."""
        if len(mask) not in (0, (count + 7) // 8):
            raise DamagedStoreError("a segment of a column has a validity of another size")
        self._found.append((count, bits(pa.py_buffer(mask), 0, count) if len(mask) else None))

    def buffer(self) -> pa.Buffer | None:
        """Return the bitmap, or None where all is valid."""
        if all(valid is None for _, valid in self._found):
            return None
        pieces = [np.ones(count, np.uint8) if v is None else v for count, v in self._found]
        return pa.py_buffer(np.packbits(np.concatenate(pieces), bitorder="little"))


def _segment_array(rows: int, buffers: list[memoryview], type: pa.DataType) -> pa.Array:
    """Return the rows of a segment."""
    left = iter(buffers)
    try:
        array = _array(type, rows, left)
    except (StopIteration, IndexError, ValueError) as error:
        raise DamagedStoreError(f"a segment of a column is damaged: {error}") from error
    if next(left, None) is not None:
        raise DamagedStoreError("a segment of a column has more buffers than its type")
    return array


def _array(type: pa.DataType, rows: int, left: Iterator[memoryview]) -> pa.Array:
    validity = next(left)
    if len(validity) not in (0, (rows + 7) // 8):
        raise ValueError("a validity buffer of the wrong size")
    valid = pa.py_buffer(validity) if len(validity) else None
    if kinds.is_struct(type):
        fields = [type.field(i) for i in range(type.num_fields)]
        kids = [_array(field.type, rows, left) for field in fields]
        return pa.Array.from_buffers(type, rows, [valid], children=kids)
    if kinds.is_fixed_size_list(type):
        inner = _array(type.value_type, rows * type.list_size, left)
        return pa.Array.from_buffers(type, rows, [valid], children=[inner])
    if kinds.is_list(type) or kinds.is_large_list(type):
        offsets = _offsets(next(left), rows, wide=kinds.is_large_list(type))
        inner = _array(type.value_type, int(offsets[-1]), left)
        return pa.Array.from_buffers(type, rows, [valid, pa.py_buffer(offsets)], children=[inner])
    if is_text(type):
        offsets = _offsets(next(left), rows, wide=is_wide(type))
        data = next(left)
        if len(data) != int(offsets[-1]):
            raise ValueError("texts of another length than was said")
        buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(type, rows, buffers)
    data = next(left)
    need = (rows + 7) // 8 if kinds.is_boolean(type) else rows * item_width(type)
    if len(data) != need:
        raise ValueError("a values buffer of the wrong size")
    return pa.Array.from_buffers(type, rows, [valid, pa.py_buffer(data)])


def _offsets(lengths: memoryview, rows: int, *, wide: bool) -> Array:
    if len(lengths) != 4 * rows:
        raise ValueError("a lengths buffer of the wrong size")
    found = np.frombuffer(lengths, "<u4")
    if not wide and int(found.sum(dtype=np.int64)) > JOINED:
        raise ValueError("lengths that the type's offsets can't hold")
    offsets = np.zeros(rows + 1, np.int64 if wide else np.int32)
    np.cumsum(found, out=offsets[1:])
    return offsets
