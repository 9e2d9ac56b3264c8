"""Digests computed a second time, from docs/values-format.md alone."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xxhash

Rows = list[Any]
"""Rows of a column: None, bytes of a fixed width or of a text, items of a list, fields of a struct."""
NAN = bytes.fromhex("000000000000f87f")
kinds = pa.types


def raw(data: bytes = b"") -> bytes:
    return xxhash.xxh3_128(data).digest()


def u64(n: int) -> bytes:
    return struct.pack("<Q", n)


def sized(b: bytes) -> bytes:
    return u64(len(b)) + b


def join(tag: str, *parts: bytes) -> bytes:
    lengths = b"".join(u64(len(p)) for p in parts)
    return raw(sized(b"linea:1:" + tag.encode()) + u64(len(parts)) + lengths + b"".join(parts))


def text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def double(x: float) -> bytes:
    return NAN if math.isnan(x) else struct.pack("<d", x)


# ------------------------------------------------------------------------------- plain data


def digest(value: Any) -> str:
    made = code(value)
    return "xxh3:1:" + (made[1:] if made[:1] == b"#" else join("atom", made)).hex()


def code(value: Any) -> bytes:
    kind = type(value)
    singles = {None: b"n", True: b"t", False: b"f", ...: b"e", NotImplemented: b"N"}
    if value is None or kind in (bool, type(...), type(NotImplemented)):
        return singles[value]
    if kind is float:
        return b"d" + double(value)
    if kind is complex:
        return b"c" + double(value.real) + double(value.imag)
    if kind is int:
        return _long(b"i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True), kind)
    if kind is str:
        return _long(b"s", text(value), kind)
    if kind is bytes:
        return _long(b"b", value, kind)
    return b"#" + hashed(value)


def _long(tag: bytes, data: bytes, kind: type) -> bytes:
    return b"#" + join(kind.__name__, data) if len(data) > 64 else tag + data


def items(found: Sequence[Any]) -> tuple[bytes, bytes, bytes]:
    held = {type(x) for x in found}
    if held == {float}:
        return b"float", u64(len(found)), b"".join(map(double, found))
    if held == {int} and all(-(2**63) <= x < 2**63 for x in found):
        return b"int", u64(len(found)), b"".join(struct.pack("<q", x) for x in found)
    if held == {str}:
        lengths = b"".join(u64(len(x)) for x in found)
        return b"str", u64(len(found)), lengths + b"".join(map(text, found))
    return b"any", u64(len(found)), b"".join(sized(code(x)) for x in found)


def hashed(value: Any) -> bytes:
    kind = type(value)
    if kind in (list, tuple):
        return join(kind.__name__, *items(value))
    if kind is dict:
        return join("dict", *items(list(value)), b"".join(sized(code(x)) for x in value.values()))
    if kind in (set, frozenset):
        return join(kind.__name__, *sorted(map(code, value)))
    if kind is range:
        return join("range", f"{value.start},{value.stop},{value.step}".encode())
    if kind is dt.date:
        return join("date", value.isoformat().encode())
    if kind is dt.timedelta:
        return join("timedelta", f"{value.days},{value.seconds},{value.microseconds}".encode())
    if kind in (dt.datetime, dt.time):
        bare = value.replace(tzinfo=None, fold=0).isoformat().encode()
        return join(kind.__name__, bare, u64(value.fold), code(value.tzinfo))
    if kind is dt.timezone:
        away = value.utcoffset(None) // dt.timedelta(microseconds=1)
        return join("offset", str(away).encode(), text(value.tzname(None)))
    if kind in (decimal.Decimal, uuid.UUID):
        return join(kind.__name__.lower(), str(value).encode())
    if isinstance(value, np.generic):
        return join("scalar", array(np.asarray(value)))
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        data = np.where(mask, np.zeros((), value.dtype), value.data)
        return join("masked", array(data), array(mask), array(np.asarray(value.fill_value)))
    if isinstance(value, np.ndarray):
        return array(value)
    return tabular(value)


# ----------------------------------------------------------------------------------- arrays


def array(value: np.ndarray[Any, Any]) -> bytes:
    shape = b"".join(map(u64, value.shape))
    if value.dtype.names is not None:
        fields = [part for name in value.dtype.names for part in (text(name), array(value[name]))]
        return join("record-array", shape, *fields)
    kind, width = value.dtype.kind, value.dtype.itemsize
    if kind == "O":
        return join("object-array", b"object", shape, code(value.ravel().tolist()))
    name = {"S": f"S{width}", "U": f"U{width // 4}", "V": f"V{width}"}.get(kind, value.dtype.name)
    data = value.astype(value.dtype.newbyteorder("<")).reshape(-1)
    if kind in "fc":
        numbers = data.view(data.real.dtype)
        numbers[np.isnan(numbers)] = np.nan
    return join("array", name.encode(), shape, raw(data.tobytes()))


# ---------------------------------------------------------------------------------- columns


def column(value: Any) -> bytes:
    chunks = value.chunks if isinstance(value, pa.ChunkedArray) else [value]
    return of_rows(value.type, [row for chunk in chunks for row in rows_of(chunk)])


def rows_of(value: pa.Array) -> Rows:
    type, valid = value.type, value.is_valid().to_pylist()
    if kinds.is_dictionary(type):
        known = rows_of(value.dictionary)
        return [None if at is None else known[at] for at in value.indices.to_pylist()]
    if kinds.is_run_end_encoded(type):
        known, ends = rows_of(value.values), value.run_ends.to_numpy()
        places = np.arange(value.offset, value.offset + len(value))
        return [known[at] for at in np.searchsorted(ends, places, side="right")]
    name = type_name(type)
    if name == "null":
        return [None] * len(value)
    if name in ("utf8", "binary"):
        return [text(x) if isinstance(x, str) else x for x in value.to_pylist()]
    if name == "bool":
        return [None if x is None else bytes([x]) for x in value.to_pylist()]
    if name == "struct":
        fields = [rows_of(value.field(at)) for at in range(type.num_fields)]
        return [tuple(f[at] for f in fields) if is_one else None for at, is_one in enumerate(valid)]
    if name == "map" or name.startswith("list"):
        return [rows_of(value[at].values) if one else None for at, one in enumerate(valid)]
    width, data = type.bit_width // 8, value.buffers()[1]
    found = bytes(data)[value.offset * width :] if data is not None else b""
    cells = [found[at * width : (at + 1) * width] for at in range(len(value))]
    return [_cell(type, x) if one else None for x, one in zip(cells, valid, strict=True)]


def _cell(type: pa.DataType, data: bytes) -> bytes:
    if kinds.is_decimal(type):
        number = int.from_bytes(data, "little", signed=True)
        return number.to_bytes(16 if type.precision <= 38 else 32, "little", signed=True)
    if kinds.is_floating(type):
        number = np.frombuffer(data, f"<f{len(data)}")
        return np.full(1, np.nan, number.dtype).tobytes() if np.isnan(number)[0] else data
    return data


def type_name(type: pa.DataType) -> str:
    if kinds.is_string(type) or kinds.is_large_string(type) or kinds.is_string_view(type):
        return "utf8"
    if kinds.is_binary(type) or kinds.is_large_binary(type) or kinds.is_binary_view(type):
        return "binary"
    if kinds.is_fixed_size_list(type):
        return f"list[{type.list_size}]"
    if kinds.is_map(type) or kinds.is_struct(type):
        return "map" if kinds.is_map(type) else "struct"
    if kinds.is_nested(type):
        return "list"
    if kinds.is_decimal(type):
        return f"decimal({type.precision},{type.scale})"
    shown = str(type)
    own = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return own.get(shown, shown.split("[")[0] if kinds.is_date(type) else shown)


def of_rows(type: pa.DataType, rows: Rows) -> bytes:
    if kinds.is_dictionary(type) or kinds.is_run_end_encoded(type):
        return of_rows(type.value_type, rows)
    name = type_name(type)
    nulls = 0 if name == "null" else sum(row is None for row in rows)
    valid = bytes(row is not None for row in rows) if nulls else b""
    full = [row for row in rows if row is not None]
    inner = [item for row in full for item in row] if kinds.is_nested(type) else []
    lengths = data = b""
    children: list[bytes] = []
    size = 0
    if name == "struct":
        for at, field in enumerate(type):
            cells = [row and row[at] for row in rows]
            children += [text(field.name), of_rows(field.type, cells)]
    elif name == "map":
        keys, values = ([pair[at] for pair in inner] for at in (0, 1))
        children = [b"", of_rows(type.key_type, keys), b"", of_rows(type.item_type, values)]
    elif kinds.is_nested(type):
        children = [b"", of_rows(type.value_type, inner)]
    elif name in ("utf8", "binary"):
        data = b"".join(full)
        size = len(data)
    elif name != "null":
        data = b"".join(bytes(_width(type)) if row is None else row for row in rows)
    if name in ("utf8", "binary", "list", "map"):
        lengths = b"".join(struct.pack("<I", len(row or ())) for row in rows)
    counts = u64(len(rows)), u64(nulls), u64(size)
    hashes = raw(valid), raw(lengths), raw(data)
    return join("column", name.encode(), *counts, *hashes, *children)


def _width(type: pa.DataType) -> int:
    if kinds.is_decimal(type):
        return 16 if type.precision <= 38 else 32
    return 1 if kinds.is_boolean(type) else int(type.bit_width // 8)


# ----------------------------------------------------------------------------------- tables


def label(value: Any) -> bytes:
    if isinstance(value, str):
        return b"s" + text(value)
    return b"n" if value is None else b"o" + code(value)


def tabular(value: Any) -> bytes:
    if isinstance(value, pd.DataFrame):
        columns = [(n, _held(value.iloc[:, at])) for at, n in enumerate(value.columns)]
        return _table(len(value), columns, _extras(value))
    if isinstance(value, pd.Series):
        return join("series", label(value.name), _held(value), _extras(value))
    if isinstance(value, pd.Index):
        return _index(value)
    if isinstance(value, pa.Table | pa.RecordBatch):
        named = zip(value.schema.names, map(column, value.columns), strict=True)
        return _table(len(value), named, b"")
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return join("series", b"n", column(value), b"")
    raise NotImplementedError(type(value))


def _table(rows: int, columns: Iterable[tuple[Any, bytes]], extras: bytes) -> bytes:
    parts = [part for name, made in columns for part in (label(name), made)]
    return join("table", u64(rows), u64(len(parts) // 2), *parts, extras)


def _extras(value: Any) -> bytes:
    numbers = pd.RangeIndex(len(value))
    default = isinstance(value.index, pd.RangeIndex) and value.index.equals(numbers)
    default = default and value.index.name is None
    if default and not value.attrs:
        return b""
    attrs = hashed(dict(value.attrs)) if value.attrs else b""
    return join("extras", b"" if default else _index(value.index), attrs, b"")


def _index(index: pd.Index[Any]) -> bytes:
    parts: list[bytes] = []
    for level in range(index.nlevels):
        values = index.get_level_values(level)
        parts += [label(index.names[level]), _held(values.to_series(index=range(len(index))))]
    return join("index", *parts)


def _held(series: pd.Series[Any]) -> bytes:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufbmM":
        return column(pa.array(series.to_numpy(), from_pandas=False))
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "c":
        return join("numpy-column", array(series.to_numpy()))
    if series.dtype != object:
        return column(pa.array(series))
    found = series.tolist()
    gaps = [x is None or (type(x) is float and x != x) for x in found]
    held = {type(x) for x, gap in zip(found, gaps, strict=True) if not gap}
    if held == {str}:
        rows = [None if gap else x for x, gap in zip(found, gaps, strict=True)]
        return column(pa.array(rows, pa.string()))
    if not held and all(x is None for x in found):
        return column(pa.nulls(len(found)))
    return join("objects", u64(len(found)), code(found))
