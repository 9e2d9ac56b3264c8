"""Columns ⇄ segments: Arrow's buffers of some rows each, cut where the content says."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linea.errors import DamagedStoreError
from linea.model import Buffer, Segment, Stream
from linea.values import cuts
from linea.values.columns import bits, hidden, text_offsets, zeroed
from linea.values.digest import join

FORM = {b"linea.form": b"segments"}
"""Metadata of the schema that a column in segments begins with."""

HEAD = struct.Struct("<II")
ALIGNED = 8
LONGEST = (1 << 32) - 1
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
    type = physical(type)
    if isinstance(type, pa.BaseExtensionType):
        return False
    if kinds.is_struct(type):
        return type.num_fields > 0 and all(
            has_segments(type.field(i).type) for i in range(type.num_fields)
        )
    if kinds.is_list(type) or kinds.is_large_list(type):
        return has_segments(type.value_type)
    if kinds.is_fixed_size_list(type):
        return type.list_size > 0 and has_segments(type.value_type)
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

    def segments() -> Iterator[Segment]:
        yield head
        chunks = column.chunks()
        if plain != column.type:
            chunks = (chunk.cast(plain) for chunk in chunks)
        texts = is_text(plain)
        for rows in cut(chunks):
            data = raw(rows)
            yield Segment(len(rows), data, _text_width(data) if texts else 0)

    return Stream(segments, size=column.size, width=column.width, label=label, print=column.print)


def _text_width(segment: bytes) -> int:
    """Return the bytes of each text of a segment, where all have as many; else 1."""
    rows, (_, lengths, data) = _opened(memoryview(segment), 3)
    size = len(data) // max(1, rows)
    return size if size and (np.frombuffer(lengths, "<u4") == size).all() else 1


def cut(chunks: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """Yield the rows of each segment, however the column came in chunks."""
    rest: Any = None
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if rest is None:
                for end in _ends(chunk, at):
                    yield chunk.slice(at, end - at)
                    at = end
                rest = chunk.slice(at) if at < len(chunk) else None
                break
            # Only the head of a chunk is copied, to join it with what was left over.
            head = chunk.slice(at, max(1, _most(chunk)))
            joined = pa.concat_arrays([rest, head])
            end = next(_ends(joined, 0), 0)
            if not end:
                rest, at = joined, at + len(head)
            elif end < len(rest):
                yield joined.slice(0, end)
                rest = rest.slice(end)
            else:
                yield joined.slice(0, end)
                rest, at = None, at + end - len(rest)
    if rest is not None:
        yield rest


def _most(chunk: pa.Array) -> int:
    """Rows that surely have a cut among them."""
    width = item_width(chunk.type)
    return cuts.MOST // width + 1 if width else cuts.MOST // 4


def _ends(chunk: pa.Array, at: int) -> Iterator[int]:
    """Yield where the segments of a chunk end, as far as the chunk alone can tell."""
    find = _finder(chunk)
    while at < len(chunk):
        end = find(at)
        if end is None:
            return
        yield end
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


# --------------------------------------------------------------------------------- reading


def column_type(head: bytes) -> pa.DataType:
    """Return the type of the column that begins with these bytes."""
    schema = pa.ipc.read_schema(pa.py_buffer(head))
    if len(schema) != 1:
        raise DamagedStoreError("a column's part has no single column")
    return schema.field(0).type


def split(piece: Buffer) -> Iterator[memoryview]:
    """Yield the head and the segments that a piece of a part is made of, be it one or all."""
    view = memoryview(piece)
    at = 0
    if piece[:4] == b"\xff\xff\xff\xff":
        at = 8 + int.from_bytes(view[4:8], "little")
        yield view[:at]
    while at < len(view):
        try:
            _, count = HEAD.unpack_from(view, at)
            sizes = struct.unpack_from(f"<{count}Q", view, at + HEAD.size)
        except struct.error as error:
            raise DamagedStoreError(f"a segment of a column is cut off: {error}") from error
        end = at + HEAD.size + 8 * count + sum(size + -size % ALIGNED for size in sizes)
        if end > len(view):
            raise DamagedStoreError("a segment of a column is cut off")
        yield view[at:end]
        at = end


def read(pieces: Iterable[Buffer], size: int) -> pa.ChunkedArray:
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


def _column(pieces: Iterable[Buffer], size: int) -> pa.ChunkedArray:
    found = (each for piece in pieces for each in split(piece))
    type = column_type(bytes(next(found)))
    plain = physical(type)
    chunks: list[pa.Array]
    if item_width(plain):
        chunks = [_read_fixed(found, plain, size)]
    elif is_text(plain) and (size < JOINED or is_wide(plain)):
        chunks = [_read_texts(found, plain, size)]
    else:
        chunks = list(_joined([segment_array(each, plain) for each in found]))
    column = pa.chunked_array(chunks, type=plain)
    return column if plain == type else column.cast(type)


def rows_of(pieces: Iterable[tuple[int, Buffer]], start: int, stop: int) -> pa.ChunkedArray:
    """Return the rows of a column from one to another, given the pieces that hold them."""
    found = list(pieces)
    # The head comes first, unless the part is in one piece.
    first = found[1][0] if len(found) > 1 else 0
    column = read((piece for _, piece in found), sum(len(piece) for _, piece in found))
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


def _read_fixed(segments: Iterable[memoryview], type: pa.DataType, size: int) -> pa.Array:
    """Return a column of numbers, in memory that may be written to."""
    width = item_width(type)
    # Memory that stays untouched costs nothing: `size` is a little more than is needed.
    values = np.empty(size, np.uint8)
    validity = _Validity()
    at = 0
    for each in segments:
        count, (mask, data) = _opened(each, 2)
        if len(data) != count * width:
            raise DamagedStoreError("a segment of a column has too few values")
        values[at * width : (at + count) * width] = np.frombuffer(data, np.uint8)
        validity.add(count, mask)
        at += count
    buffers = [validity.buffer(), pa.py_buffer(values[: at * width])]
    return pa.Array.from_buffers(type, at, buffers)


def _read_texts(segments: Iterable[memoryview], type: pa.DataType, size: int) -> pa.Array:
    """Return a column of texts."""
    values = np.empty(size, np.uint8)
    offsets = np.empty(size // 4 + 1, np.int64 if is_wide(type) else np.int32)
    offsets[0] = 0
    validity = _Validity()
    at = end = 0
    for each in segments:
        count, (mask, lengths, data) = _opened(each, 3)
        sizes = np.frombuffer(lengths, "<u4")
        if len(sizes) != count or int(sizes.sum(dtype=np.int64)) != len(data):
            raise DamagedStoreError("texts of another length than was said")
        part = offsets[at + 1 : at + count + 1]
        np.cumsum(sizes, out=part)
        np.add(part, end, out=part)
        values[end : end + len(data)] = np.frombuffer(data, np.uint8)
        validity.add(count, mask)
        at, end = at + count, end + len(data)
    buffers = [
        validity.buffer(), pa.py_buffer(offsets[: at + 1]), pa.py_buffer(values[:end])
    ]  # fmt: skip
    return pa.Array.from_buffers(type, at, buffers)


class _Validity:
    """A column's validity, from that of its segments."""

    def __init__(self) -> None:
        self._found: list[Array] = []
        self._any = False

    def add(self, count: int, mask: memoryview) -> None:
        """Take a segment's validity; an empty mask says that all is valid."""
        if len(mask) not in (0, (count + 7) // 8):
            raise DamagedStoreError("a segment of a column has a validity of another size")
        self._any = self._any or len(mask) > 0
        self._found.append(
            bits(pa.py_buffer(mask), 0, count) if len(mask) else np.ones(count, np.uint8)
        )

    def buffer(self) -> pa.Buffer | None:
        """Return the bitmap, or None where all is valid."""
        if not self._any:
            return None
        return pa.py_buffer(np.packbits(np.concatenate(self._found), bitorder="little"))


def _opened(segment: memoryview, wanted: int | None = None) -> tuple[int, list[memoryview]]:
    """Return a segment's rows and buffers."""
    rows, count = HEAD.unpack_from(segment)
    sizes = struct.unpack_from(f"<{count}Q", segment, HEAD.size)
    if wanted is not None and count != wanted:
        raise DamagedStoreError(f"a segment of a column has {count} buffers, not {wanted}")
    at = HEAD.size + 8 * count
    buffers = []
    for size in sizes:
        buffers.append(segment[at : at + size])
        at += size + -size % ALIGNED
    return rows, buffers


def segment_array(segment: memoryview, type: pa.DataType) -> pa.Array:
    """Return the rows of a segment."""
    rows, buffers = _opened(segment)
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
