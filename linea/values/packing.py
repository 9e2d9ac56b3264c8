"""Columns → segments: Arrow's buffers of some rows each, cut where the content says."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linea.errors import DamagedStoreError
from linea.model import ALONE, Guide, Segment, Stream
from linea.values import cuts
from linea.values.columns import bits, hidden, text_offsets, zeroed
from linea.values.digest import join

FORM = {b"linea.form": b"segments"}
"""Metadata of the schema that a column in segments begins with."""

HEAD = struct.Struct("<II")
ALIGNED = 8
LONGEST = (1 << 32) - 1
CAST = 1 << 16
"""Rows made plain at a time."""
JOINED = (1 << 31) - 1

Array = np.ndarray[Any, Any]
kinds = pa.types


@dataclass(frozen=True, slots=True)
class Source:
    """A column whose Arrow data is made piece by piece, as often as it is asked for."""

    type: pa.DataType
    rows: int
    size: int
    """About how many bytes it has."""
    chunks: Callable[[], Iterable[pa.Array]]
    print: str = ""
    """See `Stream.print`."""

    @property
    def width(self) -> int:
        """Bytes of one of its numbers."""
        return numbers_width(self.type)


def source(column: Any) -> Source:
    """Return an Arrow array as a source."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return Source(column.type, len(column), column.nbytes, lambda: chunks)


def printed(column: Source, hash: bytes, form: str = "") -> Source:
    """Return a source with a print made of the hash of its logical content, its type and its form."""
    schema = pa.schema([pa.field("", column.type)]).serialize().to_pybytes()
    return replace(column, print=join("part", hash, schema, form.encode()).hex())


def whole(column: Source) -> pa.ChunkedArray:
    """Return a source's data."""
    return pa.chunked_array(list(column.chunks()), type=column.type)


def has_segments(type: pa.DataType) -> bool:
    """Say whether columns of a type are kept as segments of buffers."""
    return _has_segments(physical(type))


def _has_segments(type: pa.DataType) -> bool:
    if isinstance(type, pa.BaseExtensionType) or physical(type) != type:
        return False  # a view inside of another type isn't written as what it shows
    if kinds.is_struct(type):
        return type.num_fields > 0 and all(
            _has_segments(type.field(i).type) for i in range(type.num_fields)
        )
    if kinds.is_list(type) or kinds.is_large_list(type):
        return _has_segments(type.value_type)
    if kinds.is_fixed_size_list(type):
        return type.list_size > 0 and _has_segments(type.value_type)
    return is_text(type) or kinds.is_boolean(type) or item_width(type) > 0


def physical(type: pa.DataType) -> pa.DataType:
    """Return the type that a column's buffers are of."""
    if kinds.is_string_view(type):
        return pa.large_string()
    return pa.large_binary() if kinds.is_binary_view(type) else type


def is_text(type: pa.DataType) -> bool:
    """Say whether a type is of texts or bytes of any length."""
    return bool(
        kinds.is_string(type)
        or kinds.is_large_string(type)
        or kinds.is_binary(type)
        or kinds.is_large_binary(type)
    )


def is_wide(type: pa.DataType) -> bool:
    """Say whether texts have offsets of 64 bits."""
    return bool(kinds.is_large_string(type) or kinds.is_large_binary(type))


def item_width(type: pa.DataType) -> int:
    """Return the bytes of a value of fixed width; 0 for any other type."""
    if kinds.is_boolean(type) or kinds.is_nested(type) or kinds.is_null(type):
        return 0
    if kinds.is_dictionary(type) or kinds.is_run_end_encoded(type):
        return 0
    try:
        return int(type.byte_width)
    except (ValueError, AttributeError):
        return 0


def numbers_width(type: pa.DataType) -> int:
    """Return the bytes of the numbers that most of a column's data is."""
    if kinds.is_list(type) or kinds.is_large_list(type) or kinds.is_fixed_size_list(type):
        return numbers_width(type.value_type)
    return item_width(physical(type)) or 1


# --------------------------------------------------------------------------------- writing


def stream(column: Source, label: str) -> Stream:
    """Return a column as segments: a schema that says its type, then its rows."""
    schema = pa.schema([pa.field("", column.type)], metadata=FORM)
    head = Segment(0, schema.serialize().to_pybytes())
    plain = physical(column.type)

    def segments(guide: Guide = ALONE) -> Iterator[Segment]:
        yield head
        chunks = column.chunks()
        if plain != column.type:
            chunks = (
                chunk.slice(at, CAST).cast(plain)
                for chunk in chunks
                for at in range(0, len(chunk), CAST)
            )
        texts = is_text(plain)
        if kinds.is_nested(plain):
            guide = ALONE  # their cuts depend on the mean size of all rows
        for rows, known in cut(chunks, guide):
            data = raw(rows) if known is None else known
            yield Segment(len(rows), data, _text_width(data) if texts else 0)

    return Stream(
        segments,
        size=column.size,
        width=column.width,
        label=label,
        print=column.print,
        guided=segments,
    )


def _text_width(segment: bytes) -> int:
    """Return the bytes of each text of a segment, where all have as many; else 1."""
    rows, (_, lengths, data), _ = buffers_of(memoryview(segment), 0)
    size = len(data) // max(1, rows)
    return size if size and (np.frombuffer(lengths, "<u4") == size).all() else 1


Rows = tuple[pa.Array, bytes | None]
"""The rows of a segment, and its bytes if they are known."""


def cut(chunks: Iterable[pa.Array], guide: Guide = ALONE) -> Iterator[Rows]:
    """Yield the rows of each segment, however the column came in chunks."""
    rest: Any = None
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if rest is None:
                for end, known in _ends(chunk, at, guide):
                    yield chunk.slice(at, end - at), known
                    at = end
                rest = chunk.slice(at) if at < len(chunk) else None
                break
            # Only the head of a chunk is copied, to join it with what was left over.
            head = chunk.slice(at, max(1, _most(chunk)))
            joined = pa.concat_arrays([rest, head])
            end, known = next(_ends(joined, 0, guide), (0, None))
            if not end:
                rest, at = joined, at + len(head)
            elif end < len(rest):
                yield joined.slice(0, end), known
                rest = rest.slice(end)
            else:
                yield joined.slice(0, end), known
                rest, at = None, at + end - len(rest)
    if rest is not None:
        yield rest, None


def _most(chunk: pa.Array) -> int:
    """Rows that surely have a cut among them."""
    width = item_width(chunk.type)
    return cuts.MOST // width + 1 if width else cuts.MOST // 4


def _ends(chunk: pa.Array, at: int, guide: Guide) -> Iterator[tuple[int, bytes | None]]:
    """Yield where the segments of a chunk end, as far as the chunk alone can tell.

    With them go the bytes of a segment that the guide knew.
    """
    find = _finder(chunk)
    while at < len(chunk):
        known = None
        count = guide.ahead()
        if 0 < count <= len(chunk) - at:
            data = raw(chunk.slice(at, count))
            known = data if guide.meets(data) else None
        end = find(at) if known is None else at + count
        if end is None:
            return
        yield end, known
        at = end


def _finder(chunk: pa.Array) -> Callable[[int], int | None]:
    width = item_width(chunk.type)
    size = len(chunk)
    if kinds.is_boolean(chunk.type):
        rows = cuts.MEAN * 4
        return lambda start: start + rows if start + rows <= size else None
    if width:
        data = _fixed(chunk, width)
        if width % 4 == 0:
            word = 8 if width % 8 == 0 else 4
            words = data.view(f"<u{word}")[:: width // word]
            return lambda start: cuts.after_number(words, width, start, last=False)

        def after(start: int) -> int | None:
            if width > cuts.LEAST:
                return start + 1
            end = cuts.after_byte(data, width, start * width, last=False)
            # A cut at the most isn't between two values.
            return None if end is None else max(start + 1, end // width)

        return after
    prints, sizes = _prints_of(chunk)

    def between(start: int) -> tuple[int, int]:
        if isinstance(sizes, int):
            return start + cuts.LEAST // sizes + 1, start + cuts.MOST // sizes + 2
        least = np.searchsorted(sizes, sizes[start] + cuts.LEAST)
        most = np.searchsorted(sizes, sizes[start] + cuts.MOST)
        low = max(start + 1, min(int(least), start + cuts.LEAST // 4))
        return low, max(low, min(int(most), start + cuts.MOST // 4))

    return lambda start: cuts.after_row(size, between, prints, start, last=False)


Prints = Callable[[int, int], tuple[Array, Array]]


def _prints_of(chunk: pa.Array) -> tuple[Prints, Any]:
    """Return what gives rows' prints and sizes, and where rows begin, or their mean size."""
    if is_text(chunk.type):
        offsets, data = text_offsets(chunk)
        buffer = np.frombuffer(data, np.uint8) if data is not None and data.size >= 8 else None

        def prints(start: int, stop: int) -> tuple[Array, Array]:
            lengths = (offsets[start + 1 : stop + 1] - offsets[start:stop]).astype(np.uint64)
            found = lengths
            if buffer is not None:
                ends = offsets[start + 1 : stop + 1]
                found = found + cuts.windows(buffer)[np.maximum(ends - 8, 0)]
            return found, lengths + np.uint64(4)

        return prints, offsets
    mean = 1 << max(0, round(np.log2(max(1, chunk.nbytes // max(1, len(chunk))))))

    def nested(start: int, stop: int) -> tuple[Array, Array]:
        found = row_prints(chunk.slice(start, stop - start))
        return found, np.full(len(found), mean, np.uint64)

    return nested, mean


def row_prints(array: pa.Array) -> Array:
    """Return a number for each row, that rows with the same content share."""
    count = len(array)
    if not count:
        return np.zeros(0, np.uint64)
    if kinds.is_struct(array.type):
        total = np.zeros(count, np.uint64)
        for kid in array.flatten():
            total = total * cuts.WIDE + row_prints(kid)
        return total
    if kinds.is_fixed_size_list(array.type):
        size = array.type.list_size
        inner = row_prints(array.values.slice(array.offset * size, count * size))
        return np.asarray(inner.reshape(count, size).sum(axis=1, dtype=np.uint64))
    if kinds.is_list(array.type) or kinds.is_large_list(array.type):
        lengths = _list_lengths(array)
        inner = row_prints(array.flatten())
        totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(inner, dtype=np.uint64)])
        ends = np.cumsum(lengths)
        return np.asarray(totals[ends] - totals[ends - lengths] + lengths.astype(np.uint64))
    if is_text(array.type):
        prints, _ = _prints_of(array)
        return prints(0, count)[0]
    if kinds.is_boolean(array.type):
        return bits(array.buffers()[1], array.offset, count).astype(np.uint64)
    width = item_width(array.type)
    data = _fixed(array, width).reshape(count, width)[:, : min(8, width)]
    padded = np.zeros((count, 8), np.uint8)
    padded[:, : data.shape[1]] = data
    return np.asarray(padded.reshape(-1).view("<u8") * cuts.WIDE)


def _fixed(array: pa.Array, width: int) -> Array:
    """Return the bytes of an array of fixed width."""
    if not len(array):
        return np.zeros(0, np.uint8)
    start = array.offset * width
    return np.frombuffer(array.buffers()[1], np.uint8)[start : start + len(array) * width]


def _list_lengths(array: pa.Array) -> Array:
    if array.null_count:
        found = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    else:
        offsets = array.offsets.to_numpy()
        found = offsets[1:] - offsets[:-1]
    return np.asarray(found, np.int64)


def raw(rows: pa.Array) -> bytes:
    """Return the bytes of a segment: how many rows and buffers, their sizes, the buffers."""
    found: list[Any] = []
    _buffers(rows, found)
    sizes = [memoryview(each).nbytes for each in found]
    pieces: list[Any] = [HEAD.pack(len(rows), len(found)), struct.pack(f"<{len(found)}Q", *sizes)]
    for buffer, size in zip(found, sizes, strict=True):
        pieces.append(buffer)
        if size % ALIGNED:
            pieces.append(bytes(-size % ALIGNED))
    return b"".join(pieces)


def buffers_of(view: memoryview, at: int) -> tuple[int, list[memoryview], int]:
    """Return the rows and the buffers of the segment that begins at a place, and where it ends."""
    try:
        rows, count = HEAD.unpack_from(view, at)
        sizes = struct.unpack_from(f"<{count}Q", view, at + HEAD.size)
    except struct.error as error:
        raise DamagedStoreError(f"a segment of a column is cut off: {error}") from error
    at += HEAD.size + 8 * count
    buffers = []
    for size in sizes:
        buffers.append(view[at : at + size])
        at += size + -size % ALIGNED
    if at > len(view):
        raise DamagedStoreError("a segment of a column is cut off")
    return rows, buffers, at


def _buffers(array: pa.Array, found: list[Any]) -> None:
    """Collect an array's buffers: validity, lengths, values, then those of its children."""
    type, nulls = array.type, array.null_count
    valid = bits(array.buffers()[0], array.offset, len(array)) if nulls else None
    found.append(b"" if valid is None else np.packbits(valid, bitorder="little").data)
    if kinds.is_struct(type):
        for kid in array.flatten():
            _buffers(kid, found)
    elif kinds.is_fixed_size_list(type):
        size = type.list_size
        _buffers(array.values.slice(array.offset * size, len(array) * size), found)
    elif kinds.is_list(type) or kinds.is_large_list(type):
        found.append(_list_lengths(array).astype("<u4").data)
        _buffers(array.flatten(), found)
    elif is_text(type):
        _text_buffers(array, valid, found)
    elif kinds.is_boolean(type):
        values = bits(array.buffers()[1], array.offset, len(array))
        if valid is not None:
            values = values & valid
        found.append(np.packbits(values, bitorder="little").data)
    else:
        width = item_width(type)
        values = _fixed(array, width)
        if valid is not None:
            word = f"u{width}" if width in (1, 2, 4, 8) else f"V{width}"
            values = zeroed(values.view(word), valid).view(np.uint8)
        found.append(values.data)


def _text_buffers(array: pa.Array, valid: Array | None, found: list[Any]) -> None:
    offsets, data = text_offsets(array)
    if valid is not None and hidden(offsets, valid):
        empty: Any = "" if kinds.is_string(array.type) or kinds.is_large_string(array.type) else b""
        offsets, data = text_offsets(pc.fill_null(array, pa.scalar(empty, array.type)))
    lengths = offsets[1:] - offsets[:-1]
    if len(lengths) and int(lengths.max()) > LONGEST:
        raise OverflowError("a text of more than 4 GiB")
    found.append(lengths.astype("<u4").data)
    first, end = int(offsets[0]), int(offsets[-1])
    found.append(b"" if data is None else memoryview(data)[first:end])
