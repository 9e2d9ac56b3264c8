"""Hashes of pandas' tables, columns and indexes: those of the Arrow data with the same values."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linea.values.arrays import ndarray_hash
from linea.values.columns import (
    ROWS,
    Column,
    column_of,
    masked_column_hash,
    numpy_column,
    text_offsets,
)
from linea.values.digest import Of, finish, join, number, text_bytes
from linea.values.ipc import chunked, one
from linea.values.packing import Source, source, whole
from linea.values.tables import label_bytes, series_hash, table_hash
from linea.values.takeable import logical

Hashed = tuple[bytes, int | None]
"""The hash of a column, and how many of its rows are null, where that came to light."""


def columns_of(value: Any) -> tuple[list[Any], list[Any]]:
    """Return the labels and the columns of a pandas value."""
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        return [getattr(value, "name", None)], [value]
    return list(value.columns), [column for _, column in value.items()]


def pandas_hash(value: Any, of: Of, columns: list[Any] | None = None) -> tuple[bytes, list[Hashed]]:
    """Return the hash of a pandas value, and those of its columns, which may be at hand."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        columns = columns_of(value)[1] if columns is None else columns
        found = [hashed(bare(column.array), of) for column in columns]
        extras = _extras(value.index, value.attrs, of, value.columns.names)
        named = [
            (label, hash) for label, (hash, _) in zip(_labels(value.columns), found, strict=True)
        ]
        return table_hash(len(value), named, extras, of), found
    if isinstance(value, pd.Series):
        one = hashed(bare(value.array), of)
        return series_hash(value.name, one[0], _extras(value.index, value.attrs, of), of), [one]
    if isinstance(value, pd.Index):
        raw = _index_hash(value, of)
        return raw, [(raw, None)]
    one = hashed(bare(value), of)
    return join("series", b"n", one[0], b""), [one]


def _labels(columns: Any) -> list[object]:
    return list(columns.tolist())


def _extras(index: Any, attrs: Any, of: Of, names: Any = ()) -> bytes:
    """Return what a pandas table has beyond columns, or nothing."""
    named = any(n is not None for n in names)
    if is_default(index) and not attrs and not named:
        return b""
    return join(
        "extras",
        b"" if is_default(index) else _index_hash(index, of),
        finish(of(dict(attrs))) if attrs else b"",
        b"".join(number(len(b)) + b for b in (label_bytes(n, of) for n in names)) if named else b"",
    )


def is_default(index: Any) -> bool:
    """Say whether an index only numbers the rows, in whatever form."""
    import pandas as pd

    if index.name is not None or index.nlevels != 1:
        return False
    if isinstance(index, pd.RangeIndex):
        return bool(index.start == 0 and index.step == 1) or not len(index)
    if type(index) is not pd.Index or str(index.dtype) != "int64":
        return False
    values = index.to_numpy()
    return all(
        np.array_equal(block := values[at : at + CONVERTED], np.arange(at, at + len(block)))
        for at in range(0, len(values), CONVERTED)
    )


def _index_hash(index: Any, of: Of) -> bytes:
    import pandas as pd

    parts: list[bytes] = []
    for level in range(index.nlevels):
        raw = _level_hash(index, level, of) if isinstance(index, pd.MultiIndex) else None
        if raw is None:
            raw = hashed(bare(index.get_level_values(level).array), of)[0]
        parts += [label_bytes(index.names[level], of), raw]
    return join("index", *parts)


def _level_hash(index: Any, level: int, of: Of) -> bytes | None:
    """Return the hash of a level's values, which aren't made all at once, where none is missing."""
    codes = np.asarray(index.codes[level])
    if len(codes) <= ROWS or codes.min() < 0:
        return None  # missing ones make floats of integers
    categories = array_source(bare(index.levels[level].array))
    return None if categories is None else _coded_hash(categories, codes, of)[0]


def bare(array: Any) -> Any:
    """Return the numpy array inside pandas' wrapper of one, anything else as it is."""
    wrapped = type(array).__name__ in ("NumpyExtensionArray", "PandasArray")
    return array.to_numpy() if wrapped else array


def hashed(array: Any, of: Of) -> Hashed:
    """Return the hash of a pandas array: that of the Arrow column with the same values."""
    import pandas as pd

    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_hash(np.asarray(array), of)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical_hash(array, of)
    if isinstance(dtype, pd.SparseDtype):
        return _sparse_hash(array, of), None
    mask = getattr(array, "_mask", None)
    if isinstance(mask, np.ndarray):
        return masked_column_hash(array._data, ~mask), int(np.count_nonzero(mask))
    found = array_source(array)
    if found is None:
        return join("objects", number(len(array)), text_bytes(str(dtype)), of(list(array))), None
    return _arrow_hash(found, of)


def _arrow_hash(found: Source, of: Of) -> Hashed:
    column = column_of(found.type, found.chunks(), of)
    floats = pa.types.is_floating(found.type) or pa.types.is_nested(found.type)
    return column.finish(), None if floats else column.nulls


def _numpy_hash(values: np.ndarray[Any, Any], of: Of) -> Hashed:
    if values.dtype.kind in "iufb" and values.dtype.itemsize <= 8:
        column = numpy_column(values)
        return column.finish(), None if column.nans else 0
    found = _objects_source(values)[0] if values.dtype.hasobject else array_source(values)
    if found is not None:
        with contextlib.suppress(UnicodeEncodeError, pa.ArrowException):  # lone surrogates
            return _arrow_hash(found, of)
    if values.dtype.hasobject:
        return join("objects", number(len(values)), of(values.tolist())), None
    return join("numpy-column", ndarray_hash(values, of)), None


def _sparse_hash(array: Any, of: Of) -> bytes:
    """Return the hash of a sparse array: that of the dense one, made some rows at a time."""
    subtype = array.dtype.subtype
    if subtype.kind not in "iufb" or subtype.itemsize > 8:
        return _numpy_hash(array.to_dense(), of)[0]
    points = array.sp_index.to_int_index().indices
    column = Column(pa.from_numpy_dtype(subtype), of)
    first = 0
    for start in range(0, len(array), ROWS):
        stop = min(start + ROWS, len(array))
        last = first + int(np.searchsorted(points[first : first + ROWS], points.dtype.type(stop)))
        block = np.full(stop - start, array.fill_value, subtype)
        block[points[first:last] - start] = array.sp_values[first:last]
        first = last
        column.numbers(block, 0, None)
    return column.finish()


def _categorical_hash(array: Any, of: Of) -> Hashed:
    categories = array_source(bare(array.categories.array))
    if categories is None:
        return _numpy_hash(np.asarray(array, dtype=object), of)[0], None
    return _coded_hash(categories, np.asarray(array.codes), of)


def _coded_hash(categories: Source, codes: np.ndarray[Any, Any], of: Of) -> Hashed:
    dictionary = one(whole(categories))
    column = Column(dictionary.type, of)
    several = Several.of(dictionary) if len(codes) > ROWS else None
    for start in range(0, len(codes), ROWS):
        block = codes[start : start + ROWS]
        if several is not None:
            several.add(column, block)
        else:
            column.update(dictionary.take(pa.array(block, mask=block < 0)))
    return column.finish(), column.nulls


class Several:
    """The texts of a few categories, as many in a row as make a table of at most `MOST`.

    Texts are looked up several at a time: what it takes is a matter of how many there are.
    """

    MOST = 4096
    LONGEST = 1 << 20

    def __init__(self, texts: pa.Array, at_once: int) -> None:
        self._base, self._at_once = len(texts), at_once
        rows = np.arange(self._base**at_once)
        digits = [rows // self._base**place % self._base for place in range(at_once)]
        columns = [texts.take(pa.array(each)) for each in reversed(digits)]
        self._texts = pc.binary_join_element_wise(*columns, pa.scalar(b"", pa.large_binary()))
        offsets, _ = text_offsets(texts)
        self._lengths = np.diff(offsets).astype(np.uint32)[np.stack(digits[::-1], axis=1)]

    @classmethod
    def of(cls, dictionary: pa.Array) -> Several | None:
        """Return the texts of a dictionary, before them an empty one; None where that is no use."""
        if not pa.types.is_large_string(logical(dictionary.type)) or dictionary.null_count:
            return None
        base = len(dictionary) + 1
        at_once = max((n for n in range(2, 9) if base**n <= cls.MOST), default=0)
        if not at_once or dictionary.nbytes * at_once * base ** (at_once - 1) > cls.LONGEST:
            return None
        texts = dictionary.cast(pa.large_string()).view(pa.large_binary())
        return cls(pa.concat_arrays([pa.array([b""], pa.large_binary()), texts]), at_once)

    def add(self, column: Column, codes: np.ndarray[Any, Any]) -> None:
        """Add the texts of some codes to a column; -1 stands for null."""
        valid = codes >= 0
        nulls = len(codes) - int(np.count_nonzero(valid))
        padded = np.zeros(len(codes) + -len(codes) % self._at_once, np.uint16)
        np.add(codes, 1, out=padded[: len(codes)], casting="unsafe")
        digits = padded.reshape(-1, self._at_once)
        which = digits[:, 0].copy()
        for place in range(1, self._at_once):
            which *= np.uint16(self._base)
            which += digits[:, place]
        lengths = self._lengths.take(which, axis=0).reshape(-1)[: len(codes)]
        offsets, data = text_offsets(self._texts.take(pa.array(which)))
        texts = memoryview(data)[: int(offsets[-1])] if data is not None else memoryview(b"")
        column.pieces(lengths, texts, nulls, valid if nulls else None)


CONVERTED = 1 << 18
"""Rows made into Arrow at a time, where that takes a copy."""


def array_source(array: Any) -> Source | None:
    """Return a pandas or numpy array as an Arrow column with the same values, or None."""
    if isinstance(array, np.ndarray):
        return _numpy_source(array)
    try:
        stored = getattr(array, "_pa_array", None)
        if isinstance(stored, pa.ChunkedArray | pa.Array):
            return source(stored)
        type = pa.array(array[:0]).type
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        return None
    ticks = getattr(array, "asi8", None)
    if pa.types.is_timestamp(type) and isinstance(ticks, np.ndarray):
        return converted(ticks, type, lambda rows: times(rows, type), int(array.nbytes))
    return converted(array, type, lambda rows: pa.array(rows, type=type), int(array.nbytes))


def _numpy_source(values: np.ndarray[Any, Any]) -> Source | None:
    dtype = values.dtype
    if dtype.hasobject:
        return plain_objects(values)[0]
    if dtype.kind not in "iufbmM" or dtype.itemsize > 8:
        return None
    try:
        type = pa.array(values[:0], from_pandas=False).type
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        return None
    native = values.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind in "iuf" and native.flags.c_contiguous:
        return source(pa.array(native, from_pandas=False))
    if dtype.kind in "mM" and pa.types.is_temporal(type) and type.bit_width == 64:
        return converted(
            native.view(np.int64), type, lambda rows: times(rows, type), int(values.nbytes)
        )
    return converted(
        native, type, lambda rows: pa.array(rows, from_pandas=False), int(values.nbytes)
    )


def times(ticks: np.ndarray[Any, Any], type: pa.DataType) -> pa.Array:
    """Return times, given as integers of which the least stands for none; not copied if it can be."""
    least = np.iinfo(np.int64).min
    if len(ticks) and ticks.flags.c_contiguous and ticks.min() != least:
        return pa.Array.from_buffers(type, len(ticks), [None, pa.py_buffer(ticks)])
    return pa.array(ticks, mask=ticks == least).cast(pa.int64()).view(type)


def converted(
    array: Any, type: pa.DataType, convert: Callable[[Any], Any], size: int
) -> Source | None:
    """Return an array whose Arrow form is made some rows at a time."""

    def chunks() -> Iterator[pa.Array]:
        for start in range(0, len(array), CONVERTED):
            found = convert(array[start : start + CONVERTED])
            for chunk in chunked(found).chunks:
                yield chunk if chunk.type == type else chunk.cast(type)

    try:
        first = next(chunks(), None)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        return None
    return Source(type, len(array), size if first is not None else 0, chunks)


ARROW_OF = {
    str: pa.large_string(),
    bytes: pa.large_binary(),
    bool: pa.bool_(),
    datetime.date: pa.date32(),
}
"""Python types of which a column of objects is an Arrow column in disguise."""


def plain_objects(
    values: np.ndarray[Any, Any], *, known: bool = False
) -> tuple[Source | None, str | None]:
    """Return objects of one plain type as Arrow, and what stood for nulls.

    Unless it is `known` that Arrow takes all of them, that is tried.

    The nulls are "" (none), "None", "nan" or "NA", or None where they are mixed.
    """
    found, mark = _objects_source(values)
    if found is None:
        return None, None
    try:
        for _ in () if known else found.chunks():
            pass  # made again when it is read: all at once, it would take as much memory again
    except (UnicodeEncodeError, pa.ArrowException):
        return None, None  # lone surrogates
    return found, mark


def _objects_source(values: np.ndarray[Any, Any]) -> tuple[Source | None, str | None]:
    kinds = set(map(type, values))
    nulls = {kind for kind in kinds if kind is type(None) or kind.__name__ == "NAType"}
    if float in kinds and all(v != v for v in values if type(v) is float):
        nulls.add(float)
    rest = kinds - nulls
    if (
        len(rest) > 1
        or not (rest <= ARROW_OF.keys())
        or (not rest and nulls != {type(None)} and kinds)
    ):
        return None, None
    marks = ["None" if kind is type(None) else "nan" if kind is float else "NA" for kind in nulls]
    mark = marks[0] if len(marks) == 1 else "" if not marks else None
    type_ = ARROW_OF[rest.pop()] if rest else pa.null()

    def chunks() -> Iterator[pa.Array]:
        for at in range(0, len(values), CONVERTED):
            found = pa.array(values[at : at + CONVERTED], type=type_, from_pandas=True)
            yield from chunked(found).chunks

    return Source(type_, len(values), 16 * len(values), chunks), mark
