"""Hashes of columns: Arrow and numpy data into the same 16 bytes for the same logical values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from linea.values.arrays import feed, update
from linea.values.digest import Of, join, number, text_bytes
from linea.values.takeable import logical, made_takeable, run_rows, takeable, union_rows

ROWS = 1 << 15
"""Rows taken at a time: a block stays in the processor's cache."""

NAMES = {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}


def column_hash(type: pa.DataType, chunks: Iterable[pa.Array], of: Of) -> bytes:
    """Return the hash of a column given in chunks, however it is cut and laid out."""
    return column_of(type, chunks, of).finish()


def column_of(type: pa.DataType, chunks: Iterable[pa.Array], of: Of) -> Column:
    """Return the hash in the making of a column given in chunks."""
    column = Column(type, of)
    for chunk in chunks:
        column.update(chunk)
    return column


def numpy_column(values: np.ndarray[Any, Any]) -> Column:
    """Return the hash in the making of a column of numpy numbers, as of Arrow without nulls."""
    column = Column(pa.from_numpy_dtype(values.dtype), _no_objects)
    column.numbers(values, 0, None)
    return column


def masked_column_hash(values: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> bytes:
    """Return the hash of a column of numpy numbers some of which are null."""
    column = Column(pa.from_numpy_dtype(values.dtype), _no_objects)
    column.numbers(values, len(valid) - int(np.count_nonzero(valid)), valid.view(np.uint8))
    return column.finish()


def _no_objects(value: object) -> bytes:
    raise AssertionError("a column of numbers holds no objects")


class Column:
    """A column's hash in the making: validity, lengths and data in streams of their own."""

    def __init__(self, type: pa.DataType, of: Of) -> None:
        self.type = logical(type)
        self.of = of
        self.count = self.nulls = self.bytes = 0
        self.nans = False
        """Whether there may be a NaN among the numbers."""
        self.validity, self.lengths, self.data = (xxhash.xxh3_128() for _ in range(3))
        self.dtype = _fixed_dtype(self.type)
        self.takeable = not pa.types.is_nested(self.type) or takeable(self.type)
        kinds = pa.types
        self.kids: list[Column] = []
        self.names: list[str] = []
        if kinds.is_struct(self.type):
            fields = [self.type.field(i) for i in range(self.type.num_fields)]
            self.kids = [Column(field.type, of) for field in fields]
            self.names = [field.name for field in fields]
        elif _is_list(self.type) or kinds.is_fixed_size_list(self.type):
            self.kids = [Column(self.type.value_type, of)]
        elif kinds.is_union(self.type):
            fields = [self.type.field(i) for i in range(self.type.num_fields)]
            self.kids = [Column(field.type, of) for field in fields]
            self.names = [field.name for field in fields]
        elif kinds.is_map(self.type):
            self.kids = [Column(self.type.key_type, of), Column(self.type.item_type, of)]
        elif isinstance(self.type, pa.BaseExtensionType):
            self.kids = [Column(self.type.storage_type, of)]

    # ------------------------------------------------------------------------------- rows

    def update(self, array: pa.Array) -> None:
        """Add a chunk."""
        if not len(array):
            return  # its buffers needn't have any size that makes sense
        if self.dtype is not None and array.type == self.type:
            self._fixed(array, self.dtype)
            return
        if not self.takeable:
            array = made_takeable(array)
        if len(array) > ROWS and _is_copied(array.type):
            for start in range(0, len(array), ROWS):
                self.update(array.slice(start, ROWS))
            return
        array = self._plain(array)
        kinds = pa.types
        if isinstance(self.type, pa.BaseExtensionType):
            self.count += len(array)
            self.kids[0].update(getattr(array, "storage", array))
        elif kinds.is_null(self.type):
            self.count += len(array)
        elif kinds.is_large_string(self.type) or kinds.is_large_binary(self.type):
            self._texts(array)
        elif kinds.is_struct(self.type):
            self._structs(array)
        elif kinds.is_list_view(array.type) or kinds.is_large_list_view(array.type):
            self._list_views(array)
        elif _is_list(self.type):
            self._lists(array)
        elif kinds.is_map(self.type):
            self._maps(array)
        elif kinds.is_fixed_size_list(self.type):
            valid = self._validity(array)
            size = self.type.list_size
            items = array.values.slice(array.offset * size, len(array) * size)
            if valid is not None and self.kids[0].dtype is not None:
                items = items.filter(pa.array(np.repeat(valid.view(bool), size)))
            elif valid is not None:
                items = array.drop_null().flatten()
            self.kids[0].update(items)
        elif kinds.is_union(self.type):
            self._unions(array)
        else:
            self._fixed(array, self.dtype)

    def _plain(self, array: pa.Array) -> pa.Array:
        """Return a chunk with its encoding removed."""
        kinds = pa.types
        if kinds.is_run_end_encoded(array.type):
            array = run_rows(array)
        while kinds.is_dictionary(array.type):
            array = made_takeable(array.dictionary).take(array.indices)
        if kinds.is_string(array.type) or kinds.is_binary(array.type):
            return array
        if array.type != self.type and not kinds.is_nested(array.type):
            array = array.cast(self.type)
        return array

    def rows(self, count: int, nulls: int, valid: np.ndarray[Any, Any] | None) -> None:
        """Count rows; their validity is kept from the first null on, with what came before it."""
        if nulls and not self.nulls:
            for start in range(0, self.count, ROWS):
                self.validity.update(_ONES[: min(ROWS, self.count - start)].data)
        self.count += count
        self.nulls += nulls
        if self.nulls:
            if nulls and valid is not None:
                self.validity.update(np.ascontiguousarray(valid).view(np.uint8).data)
            else:
                for start in range(0, count, ROWS):
                    self.validity.update(_ONES[: min(ROWS, count - start)].data)

    def _validity(self, array: pa.Array) -> np.ndarray[Any, Any] | None:
        """Count an array's rows and return which are valid, or None where all are."""
        if not array.null_count:
            self.rows(len(array), 0, None)
            return None
        valid = bits(array.buffers()[0], array.offset, len(array))
        self.rows(len(array), array.null_count, valid)
        return valid

    def _fixed(self, array: pa.Array, dtype: np.dtype[Any] | None) -> None:
        nulls = array.null_count
        buffers, offset, count = array.buffers(), array.offset, len(array)
        valid = bits(buffers[0], offset, count) if nulls else None
        if not count:
            return
        if pa.types.is_boolean(array.type):
            values = bits(buffers[1], offset, count)
        elif dtype is None:
            self.rows(count, nulls, valid)  # binaries of no bytes
            return
        else:
            values = np.frombuffer(buffers[1], dtype, count, offset * dtype.itemsize)
        self.numbers(values, nulls, valid)

    def numbers(
        self, values: np.ndarray[Any, Any], nulls: int, valid: np.ndarray[Any, Any] | None
    ) -> None:
        """Add fixed-width values; those of null rows count as zeros."""
        self.rows(len(values), nulls, valid)
        if not nulls or valid is None:
            self.nans |= update(self.data, values)
            return
        for start in range(0, len(values), ROWS):
            block = np.ascontiguousarray(values[start : start + ROWS])
            self.nans |= feed(self.data, zeroed(block, valid[start : start + ROWS]))

    def pieces(
        self, lengths: np.ndarray[Any, Any], data: pa.Buffer | memoryview, nulls: int, valid: Any
    ) -> None:
        """Add texts as their lengths and the bytes of all; null rows have a length of 0."""
        self.rows(len(lengths), nulls, valid)
        self.lengths.update(np.ascontiguousarray(lengths, np.uint32).data)
        self.bytes += memoryview(data).nbytes
        self.data.update(data)

    def _texts(self, array: pa.Array) -> None:
        valid = self._validity(array)
        offsets, data = text_offsets(array)
        if valid is not None and hidden(offsets, valid):
            empty: str | bytes = "" if self.type == pa.large_string() else b""
            offsets, data = text_offsets(pc.fill_null(array, pa.scalar(empty, array.type)))
        lengths = np.empty(min(ROWS, len(array)), dtype=offsets.dtype)
        for start in range(0, len(array), ROWS):
            piece = offsets[start : start + ROWS + 1]
            block = np.subtract(piece[1:], piece[:-1], out=lengths[: len(piece) - 1])
            narrow = block.view(np.uint32) if block.itemsize == 4 else block.astype(np.uint32)
            self.lengths.update(narrow.data)
        self.bytes += int(offsets[-1] - offsets[0])
        if data is not None:
            self.data.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def _structs(self, array: pa.Array) -> None:
        valid = self._validity(array)
        for at, kid in enumerate(self.kids):
            field = array.field(at)
            if valid is not None and pa.types.is_union(kid.type):
                # Unions have no nulls: `flatten` ends the process.
                kid.update(field.take(pa.array(np.flatnonzero(valid))))
            elif valid is not None and not pa.types.is_null(kid.type):
                field = pa.StructArray.from_arrays([field], ["x"], mask=array.is_null())
                kid.update(field.flatten()[0])
            else:
                kid.update(field)

    def _lists(self, array: pa.Array) -> None:
        valid = self._validity(array)
        offsets, _ = text_offsets(array)
        lengths = np.subtract(offsets[1:], offsets[:-1])
        if valid is not None and hidden(offsets, valid):
            self._items(array, offsets[:-1], lengths * valid)
            return
        self.lengths.update(np.ascontiguousarray(lengths.astype(np.uint32)).data)
        self.kids[0].update(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))

    def _list_views(self, array: pa.Array) -> None:
        # By hand: pyarrow 26 reads past the end when it casts a list view with nulls.
        valid = self._validity(array)
        wide = pa.types.is_large_list_view(array.type)
        words = np.dtype(np.int64 if wide else np.int32)
        _, starts, sizes = array.buffers()[:3]
        window = slice(array.offset, array.offset + len(array))
        first, lengths = (np.frombuffer(b, dtype=words)[window] for b in (starts, sizes))
        self._items(array, first, lengths if valid is None else lengths * valid)

    def _items(
        self, array: pa.Array, first: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]
    ) -> None:
        """Add the lengths and items of lists that begin at `first`, in whatever order they lie."""
        self.lengths.update(np.ascontiguousarray(lengths.astype(np.uint32)).data)
        self.kids[0].update(array.values.take(pa.array(_places(first, lengths))))

    def _maps(self, array: pa.Array) -> None:
        valid = self._validity(array)
        offsets, _ = text_offsets(array)
        lengths = np.subtract(offsets[1:], offsets[:-1])
        first, size = int(offsets[0]), int(offsets[-1] - offsets[0])
        if valid is not None and hidden(offsets, valid):
            lengths = lengths * valid
            pairs = array.values.take(pa.array(_places(offsets[:-1], lengths)))
        else:
            pairs = array.values.slice(first, size)
        self.lengths.update(np.ascontiguousarray(lengths.astype(np.uint32)).data)
        for at, kid in enumerate(self.kids):
            kid.update(pairs.field(at))

    def _unions(self, array: pa.UnionArray) -> None:
        codes, places = union_rows(array)
        self.count += len(array)
        self.data.update(np.ascontiguousarray(codes).data)
        for at, (code, kid) in enumerate(zip(self.type.type_codes, self.kids, strict=True)):
            own = np.flatnonzero(codes == code)
            rows = pa.array(own if places is None else places[own])
            kid.update(made_takeable(array.field(at)).take(rows))

    # ------------------------------------------------------------------------------- result

    def name(self) -> bytes:
        """Return the canonical name of the column's type, without its children."""
        kinds = pa.types
        if kinds.is_large_string(self.type):
            return b"utf8"
        if kinds.is_large_binary(self.type):
            return b"binary"
        if kinds.is_struct(self.type):
            return b"struct"
        if _is_list(self.type):
            return b"list"
        if kinds.is_map(self.type):
            return b"map"
        if kinds.is_union(self.type):
            return f"union{self.type.type_codes}".encode()
        if kinds.is_fixed_size_list(self.type):
            return f"list[{self.type.list_size}]".encode()
        if kinds.is_decimal(self.type):
            return f"decimal({self.type.precision},{self.type.scale})".encode()
        if isinstance(self.type, pa.ExtensionType | pa.BaseExtensionType):
            return _extension_name(self.type)
        shown = str(self.type)
        return text_bytes(NAMES.get(shown, shown))

    def finish(self) -> bytes:
        """Return the hash of all rows added."""
        parts: list[bytes] = []
        for index, kid in enumerate(self.kids):
            parts += [text_bytes(self.names[index]) if self.names else b"", kid.finish()]
        return join(
            "column",
            self.name(),
            number(self.count),
            number(self.nulls),
            number(self.bytes),
            self.validity.digest(),
            self.lengths.digest(),
            self.data.digest(),
            *parts,
        )


_ONES = np.ones(ROWS, dtype=np.uint8)
_FLOATS = {"halffloat": "<f2", "float": "<f4", "double": "<f8"}
_INTEGERS = {
    f"{sign}int{width}": f"<{sign or 'i'}{width // 8}"
    for sign in ("", "u")
    for width in (8, 16, 32, 64)
}
_DTYPES = {arrow: np.dtype(spelled) for arrow, spelled in {**_FLOATS, **_INTEGERS}.items()}


def _fixed_dtype(type: pa.DataType) -> np.dtype[Any] | None:
    """Return the numpy dtype of the values of a fixed-width type of whole bytes."""
    kinds = pa.types
    if kinds.is_fixed_size_binary(type) or kinds.is_decimal(type):
        width = type.byte_width
    else:
        width = type.bit_width // 8 if kinds.is_primitive(type) else 0
    return _DTYPES.get(str(type)) or (np.dtype(f"V{width}") if width else None)


def _is_copied(type: pa.DataType) -> bool:
    """Say whether rows of a type, or their lengths, are copied: some at a time is enough."""
    kinds = pa.types
    return bool(
        kinds.is_dictionary(type)
        or kinds.is_string_view(type)
        or kinds.is_binary_view(type)
        or kinds.is_map(type)
        or _is_list(type)
    )


def _is_list(type: pa.DataType) -> bool:
    kinds = pa.types
    return bool(
        kinds.is_list(type)
        or kinds.is_large_list(type)
        or kinds.is_list_view(type)
        or kinds.is_large_list_view(type)
    )


def bits(buffer: pa.Buffer, offset: int, count: int) -> np.ndarray[Any, Any]:
    """Return a bitmap's bits from `offset` on as bytes 0 and 1."""
    first = offset // 8
    raw = np.frombuffer(buffer, dtype=np.uint8)[first : math.ceil((offset + count) / 8)]
    return np.unpackbits(raw, bitorder="little")[offset - first * 8 :][:count]


def zeroed(values: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a copy with zeros where `valid` is 0, whatever bits were there."""
    width = values.dtype.itemsize
    if width in (1, 2, 4, 8):
        words: np.ndarray[Any, Any] = values.view(f"u{width}") * valid.view(np.uint8)
        return words.view(values.dtype)
    copy = values.copy()
    copy[~valid.view(bool)] = np.zeros((), values.dtype)
    return copy


def _places(first: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the places of all items of lists, given where each begins."""
    ends = np.cumsum(lengths)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return np.asarray(np.arange(len(rows)) - (ends - lengths)[rows] + first[rows])


def text_offsets(array: pa.Array) -> tuple[np.ndarray[Any, Any], pa.Buffer | None]:
    """Return the offsets of rows of texts or lists, and the bytes that those of texts point into."""
    _, offsets, data = [*array.buffers()[:3], None][:3]
    kinds, type = pa.types, array.type
    wide = kinds.is_large_string(type) or kinds.is_large_binary(type) or kinds.is_large_list(type)
    if offsets is None or not len(array):
        return np.zeros(1, np.int64), None
    whole = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)
    return whole[array.offset : array.offset + len(array) + 1], data


def hidden(offsets: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> bool:
    """Say whether null rows have bytes, which don't count."""
    return bool(((offsets[1:] != offsets[:-1]) & (valid == 0)).any())


def _extension_name(type: Any) -> bytes:
    extra = (
        type.__arrow_ext_serialize__()
        if hasattr(type, "__arrow_ext_serialize__")
        else str(type).encode()
    )
    return b"extension:" + text_bytes(type.extension_name) + b":" + extra
