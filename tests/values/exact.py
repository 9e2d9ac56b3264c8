"""Two values → where they differ in anything that a program could notice, or nothing."""

from __future__ import annotations

import struct
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa


def difference(a: Any, b: Any) -> str | None:
    """Return the first place in which two values differ, sharing of members included."""
    return next(_differences(a, b, "it", {}), None)


def _differences(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    if a is b:
        return
    if type(a).__qualname__ != type(b).__qualname__:
        yield f"{at}: {type(a)} is {type(b)}"
        return
    if not isinstance(a, _ATOMS):
        if id(a) in seen:
            if seen[id(a)] != id(b):
                yield f"{at}: no longer shared"
            return
        seen[id(a)] = id(b)
    for kind, compare in _WAYS.items():
        if isinstance(a, kind):
            yield from compare(a, b, at, seen)
            return
    if hasattr(a, "__dict__"):
        yield from _differences(vars(a), vars(b), f"{at}'s attributes", seen)
    elif repr(a).partition(" at 0x")[0] != repr(b).partition(" at 0x")[0]:
        yield f"{at}: {a!r} is {b!r}"


def _told(at: str, **pairs: tuple[object, object]) -> Iterator[str]:
    for what, (one, other) in pairs.items():
        if one != other and not (one != one and other != other):
            yield f"{at}: {what} {one!r} is {other!r}"


def _bits(a: Any, b: Any, at: str, seen: Any) -> Iterator[str]:
    if struct.pack("d", a) != struct.pack("d", b) and not (a != a and b != b):
        yield f"{at}: {a!r} is {b!r}"


def _texts(a: Any, b: Any, at: str, seen: Any) -> Iterator[str]:
    yield from _told(at, text=(repr(a), repr(b)))


def _items(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _told(at, length=(len(a), len(b)))
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        yield from _differences(one, other, f"{at}[{place}]", seen)


def _pairs(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _items(list(a.keys()), list(b.keys()), f"{at}'s keys", seen)
    yield from _items(list(a.values()), list(b.values()), f"{at}'s values", seen)


def _array(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _told(at, dtype=(repr(a.dtype), repr(b.dtype)), shape=(a.shape, b.shape))
    if a.shape and (a.flags.c_contiguous or a.flags.f_contiguous):
        yield from _told(at, fortran=(a.flags.fnc, b.flags.fnc))
    if isinstance(a, np.ma.MaskedArray):
        yield from _told(at, bare=(a.mask is np.ma.nomask, b.mask is np.ma.nomask))
        yield from _texts(np.ma.getmaskarray(a).tolist(), np.ma.getmaskarray(b).tolist(), at, seen)
        yield from _differences(a.fill_value, b.fill_value, f"{at}'s fill", {})
    if type(a) is not np.ndarray and hasattr(a, "__dict__"):
        own = [{k: v for k, v in vars(x).items() if not k.startswith("_")} for x in (a, b)]
        yield from _differences(*own, f"{at}'s attributes", seen)
    yield from _items(np.asarray(a).ravel().tolist(), np.asarray(b).ravel().tolist(), at, seen)


def _series(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _told(at, dtype=(repr(a.dtype), repr(b.dtype)), length=(len(a), len(b)))
    if isinstance(a.dtype, pd.CategoricalDtype):
        yield from _differences(a.dtype.categories, b.dtype.categories, f"{at}'s categories", {})
    if isinstance(a, pd.MultiIndex):
        yield from _items(a.levels, b.levels, f"{at}'s levels", {})
        yield from _items(a.codes, b.codes, f"{at}'s codes", {})
    if isinstance(a, pd.Index):
        yield from _told(at, freq=(getattr(a, "freq", None), getattr(b, "freq", None)))
        yield from _items(a.names, b.names, f"{at}'s names", {})
    elif isinstance(a, pd.Series | pd.DataFrame):
        yield from _differences(a.index, b.index, f"{at}'s index", {})
        yield from _differences(a.attrs, b.attrs, f"{at}'s attrs", {})
        yield from _texts(a.flags, b.flags, f"{at}'s flags", {})
    elif hasattr(a, "freq"):
        yield from _told(at, freq=(a.freq, b.freq))
    yield from _items(list(a), list(b), at, seen if a.dtype == object else {})


def _frame(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _differences(a.columns, b.columns, f"{at}'s columns", {})
    for place in range(a.shape[1]):
        yield from _series(a.iloc[:, place], b.iloc[:, place], f"{at} in column {place}", seen)
    yield from _texts(a.flags, b.flags, f"{at}'s flags", {})


def _polars(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    if isinstance(a, pl.DataFrame):
        yield from _told(at, schema=(repr(a.schema), repr(b.schema)), shape=(a.shape, b.shape))
        yield from _items(a.get_columns(), b.get_columns(), at, seen)
        return
    yield from _told(at, dtype=(repr(a.dtype), repr(b.dtype)), name=(a.name, b.name))
    yield from _items(a.to_list(), b.to_list(), at, {})


def _arrow(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    if isinstance(a, pa.Table | pa.RecordBatch):
        if not a.schema.equals(b.schema, check_metadata=True):
            yield f"{at}: {a.schema} is {b.schema}"
    elif a.type != b.type:
        yield f"{at}: {a.type} is {b.type}"
    if not isinstance(a, pa.Scalar):
        b.validate(full=True)
    if not a.equals(b):
        yield f"{at}: {a} is {b}"


def _sparse(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _told(at, format=(a.format, b.format), shape=(a.shape, b.shape))
    if a.format == "dok":
        yield from _texts(
            *([(*map(int, np.atleast_1d(k)), v) for k, v in x.items()] for x in (a, b)), at, seen
        )
    else:
        yield from _texts(a.tocoo(), b.tocoo(), at, seen)
        canonical = [getattr(x, "has_canonical_format", None) for x in (a, b)]
        yield from _told(at, canonical=(canonical[0], canonical[1]))


def _functions(a: Any, b: Any, at: str, seen: dict[int, int]) -> Iterator[str]:
    yield from _told(at, code=(a.__code__.co_code, b.__code__.co_code))


class _SparseMeta(type):
    def __instancecheck__(cls, value: object) -> bool:
        return hasattr(value, "tocoo") and hasattr(value, "format")


class _Sparse(metaclass=_SparseMeta):
    """Any sparse matrix of scipy's."""


_ATOMS = (int, float, complex, str, bytes, type(None), type, tuple, frozenset, np.generic)
_WAYS: dict[Any, Any] = {
    np.generic: _array,
    bool: _texts,
    float: _bits,
    dict: _pairs,
    (list, tuple): _items,
    np.ndarray: _array,
    pd.DataFrame: _frame,
    (pd.Series, pd.Index, pd.api.extensions.ExtensionArray): _series,
    (pl.Series, pl.DataFrame): _polars,
    (pa.Table, pa.RecordBatch, pa.Array, pa.ChunkedArray, pa.Scalar): _arrow,
    _Sparse: _sparse,
    types.FunctionType: _functions,
    (type, pd.Timestamp, set, frozenset): _texts,
}
