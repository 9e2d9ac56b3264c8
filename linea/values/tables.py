"""Tables of pandas, polars and pyarrow ⇄ Arrow IPC streams, a part per column.

What a column's part can't say (an index, a categorical's categories, a time zone's class) stands in
the record's details, so that exactly the same table comes back.
"""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import Column, Encoded, ReadPart, ValueRecord
from linea.values import codec, plain
from linea.values.columns import column_hash, masked_column_hash, numpy_column_hash
from linea.values.digest import Of, class_name, finish, join, name, number, text_bytes
from linea.values.preview import count, grid, text_preview

SHOWN = 12
"""Rows of a preview."""
BATCH = 1 << 20
"""Rows of an IPC batch."""
PARTS = 512
"""Parts of a table at most: a wider one has several columns in a part."""


# ------------------------------------------------------------------------------ parts of columns


def to_ipc(columns: list[pa.ChunkedArray]) -> bytes:
    """Return the zstd-compressed IPC stream of columns of one length, batched by row count."""
    columns = [c.unify_dictionaries() if _has_dictionary(c.type) else c for c in columns]
    table = pa.table(columns, schema=pa.schema([pa.field(str(i), c.type) for i, c in enumerate(columns)]))
    out = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1), use_threads=False, unify_dictionaries=True)
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        for start in range(0, max(1, len(table)), BATCH):
            piece = table.slice(start, BATCH).combine_chunks()
            for batch in piece.to_batches():
                writer.write_batch(batch)
    return out.getvalue().to_pybytes()


def from_ipc(data: bytes) -> pa.Table:
    """Return the columns of an IPC stream."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def _has_dictionary(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        return True
    return any(_has_dictionary(type.field(i).type) for i in range(type.num_fields)) if pa.types.is_nested(type) else False


def chunked(array: Any) -> pa.ChunkedArray:
    """Return any Arrow array as a chunked one."""
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def pack(columns: list[pa.ChunkedArray], prefix: str) -> dict[str, bytes]:
    """Return parts for columns in order: one each, or several where there are very many."""
    group = max(1, math.ceil(len(columns) / PARTS))
    return {
        f"{prefix}/{start // group}.arrow": to_ipc(columns[start : start + group])
        for start in range(0, len(columns), group)
    }


def unpack(read: ReadPart, prefix: str, total: int) -> list[pa.ChunkedArray]:
    """Return the columns that `pack` was given."""
    group = max(1, math.ceil(total / PARTS))
    found: list[pa.ChunkedArray] = []
    for index in range(math.ceil(total / group)):
        found += from_ipc(read(f"{prefix}/{index}.arrow")).columns
    return found


# --------------------------------------------------------------------------------------- digests


def label_bytes(label: object, of: Of) -> bytes:
    """Return a column's label as bytes: a text, nothing, or any other hashable value."""
    if isinstance(label, str):
        return b"s" + text_bytes(str(label))
    return b"n" if label is None else b"o" + of(label)


def table_hash(rows: int, columns: list[tuple[object, bytes]], extras: bytes, of: Of) -> bytes:
    """Return a table's hash from its columns'."""
    parts: list[bytes] = []
    for label, raw in columns:
        parts += [label_bytes(label, of), raw]
    return join("table", number(rows), number(len(columns)), *parts, extras)


def series_hash(label: object, raw: bytes, extras: bytes, of: Of) -> bytes:
    """Return the hash of one column on its own."""
    return join("series", label_bytes(label or None if isinstance(label, str) else label, of), raw, extras)


# ----------------------------------------------------------------------------------------- arrow


class ArrowCodec:
    """pyarrow's tables, batches and arrays."""

    def digest(self, value: Any, of: Of) -> bytes:
        if isinstance(value, pa.Array | pa.ChunkedArray):
            return series_hash(None, self._column(value, of), b"", of)
        hashes = [self._column(c, of) for c in value.columns]
        return table_hash(value.num_rows, list(zip(value.schema.names, hashes, strict=True)), b"", of)

    def _column(self, column: Any, of: Of) -> bytes:
        return column_hash(column.type, column.chunks if isinstance(column, pa.ChunkedArray) else [column], of)

    def encode(self, value: Any) -> Encoded:
        single = isinstance(value, pa.Array | pa.ChunkedArray)
        columns = [chunked(c) for c in ([value] if single else value.columns)]
        names = [""] if single else list(value.schema.names)
        of = _of()
        hashes = [self._column(c, of) for c in columns]
        schema = pa.schema([pa.field("", value.type)]) if single else value.schema
        parts = {"schema.arrow": schema.serialize().to_pybytes(), **pack(columns, "columns")}
        raw = series_hash(None, hashes[0], b"", of) if single else table_hash(value.num_rows, list(zip(names, hashes, strict=True)), b"", of)
        rows = len(value)
        return codec.build(
            value,
            kind="table",
            codec="arrow",
            parts=parts,
            digest=raw,
            columns=tuple(Column(n, str(c.type), name(h), c.null_count) for n, c, h in zip(names, columns, hashes, strict=True)),
            text=f"{columns[0].type} column, {count(rows, 'row')}" if single else size_text(rows, len(columns)),
            summary={"rows": rows, "columns": len(columns)},
            details={"form": type(value).__name__ if not isinstance(value, pa.Array) else "Array"},
            preview=text_preview(picture(names, columns, rows)),
        )

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        schema = pa.ipc.read_schema(pa.py_buffer(read("schema.arrow")))
        columns = unpack(read, "columns", len(schema))
        form = record.details["form"]
        if form == "ChunkedArray":
            return columns[0].cast(schema.field(0).type) if columns[0].type != schema.field(0).type else columns[0]
        if form == "Array":
            return _one(columns[0])
        if form == "RecordBatch":
            arrays = [_one(c) for c in columns]
            if not arrays:
                return pa.RecordBatch.from_struct_array(pa.StructArray.from_arrays([], names=[], mask=None) if not record.summary["rows"] else pa.array([{}] * record.summary["rows"], pa.struct([])))
            return pa.RecordBatch.from_arrays(arrays, schema=schema)
        if not columns and record.summary["rows"]:
            return pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array([{}] * record.summary["rows"], pa.struct([])))]).replace_schema_metadata(schema.metadata)
        return pa.Table.from_arrays(columns, schema=schema)

    def export(self, record: ValueRecord, read: ReadPart, stem: str, format: str | None) -> dict[str, bytes]:
        value: Any = self.decode(record, read)
        if isinstance(value, pa.Array | pa.ChunkedArray):
            value = pa.table({"values": value})
        if isinstance(value, pa.RecordBatch):
            value = pa.Table.from_batches([value])
        return write(value, stem, format)


def _of() -> Of:
    from linea.values.digest import Walk

    return Walk().of


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def write(table: pa.Table, stem: str, format: str | None) -> dict[str, bytes]:
    """Return a table as one file in `format`."""
    format = (format or "parquet").lstrip(".").lower()
    out = io.BytesIO()
    if format == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, out, compression="zstd")
    elif format in ("feather", "arrow"):
        import pyarrow.feather as feather

        feather.write_feather(table, out, compression="zstd")
    elif format == "csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(table, out)
    elif format == "json":
        lines = (plain.dump_json(json.loads(json.dumps(row, default=str))) for row in table.to_pylist())
        out.write(b"[" + b",\n".join(lines) + b"]\n")
    else:
        raise UnstorableError(f"a table can't be written as {format!r}", hint="use parquet, feather, csv or json")
    return {f"{stem}.{format}": out.getvalue()}


def size_text(rows: int, columns: int) -> str:
    """Return `1,234 rows × 5 columns`."""
    return f"{count(rows, 'row')} × {count(columns, 'column')}"


def picture(names: list[str], columns: list[Any], rows: int) -> str:
    """Return the first rows as text."""
    if not columns:
        return f"empty table, {count(rows, 'row')}"
    shown = min(rows, SHOWN)
    cells = [[_cell(v) for v in c.slice(0, shown).to_pylist()] for c in columns[:30]]
    return grid([str(n) for n in names[:30]], list(zip(*cells, strict=True)), more=rows - shown)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        return " ".join(str(value)[:60].split())
    except Exception as error:
        return f"<{type(error).__name__}>"


# ---------------------------------------------------------------------------------------- polars


class PolarsCodec:
    """polars' data frames and series."""

    def digest(self, value: Any, of: Of) -> bytes:
        if class_name(type(value)).endswith("Series"):
            return series_hash(value.name, self._column(value, of), b"", of)
        return table_hash(value.height, [(c.name, self._column(c, of)) for c in value.get_columns()], b"", of)

    def _column(self, series: Any, of: Of) -> bytes:
        import polars as pl

        if series.dtype == pl.Object:
            return join("objects", number(len(series)), of(series.to_list()))
        array = _polars_arrow(series)
        return column_hash(array.type, [array], of)

    def encode(self, value: Any) -> Encoded:
        single = class_name(type(value)).endswith("Series")
        series = [value] if single else value.get_columns()
        of = _of()
        hashes = [self._column(s, of) for s in series]
        if any(s.dtype.is_(_pl().Object) for s in series):
            from dataclasses import replace

            from linea.values.objects import PICKLE

            encoded = PICKLE.encode(value)
            return replace(encoded, record=replace(encoded.record, kind="table"))
        rows = len(value)
        names = [s.name for s in series]
        arrays = [chunked(_polars_arrow(s)) for s in series]
        raw = series_hash(value.name, hashes[0], b"", of) if single else table_hash(rows, list(zip(names, hashes, strict=True)), b"", of)
        return codec.build(
            value,
            kind="table",
            codec="polars",
            parts=pack(arrays, "columns"),
            digest=raw,
            columns=tuple(Column(n, str(s.dtype), name(h), s.null_count()) for n, s, h in zip(names, series, hashes, strict=True)),
            text=f"{series[0].dtype} series, {count(rows, 'row')}" if single else size_text(rows, len(series)),
            summary={"rows": rows, "columns": len(series)},
            details={"form": "Series" if single else "DataFrame", "names": [plain.to_json(n) for n in names], "dtypes": [_polars_dtype(s.dtype) for s in series]},
            preview=text_preview(picture(names, arrays, rows)),
        )

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        import polars as pl

        names = [plain.from_json(n) for n in record.details["names"]]
        columns = []
        for label, array, dtype in zip(names, unpack(read, "columns", len(names)), record.details["dtypes"], strict=True):
            series = pl.Series(label, pl.from_arrow(array))
            wanted = _read_polars_dtype(dtype)
            columns.append(series if wanted is None or series.dtype == wanted else series.cast(wanted))
        if record.details["form"] == "Series":
            return columns[0]
        if not columns and record.summary["rows"]:
            return pl.DataFrame(height=record.summary["rows"])
        return pl.DataFrame(columns)

    def export(self, record: ValueRecord, read: ReadPart, stem: str, format: str | None) -> dict[str, bytes]:
        value: Any = self.decode(record, read)
        frame = value.to_frame() if record.details["form"] == "Series" else value
        return write(frame.to_arrow(), stem, format)


def _pl() -> Any:
    import polars

    return polars


def _polars_arrow(series: Any) -> pa.Array:
    return series.to_arrow()


def _polars_dtype(dtype: Any) -> Any:
    """Return what Arrow alone doesn't say of a polars type: an Enum's categories, Categorical."""
    shown = str(dtype)
    if type(dtype).__name__ == "Enum":
        return {"enum": dtype.categories.to_list()}
    return {"categorical": True} if shown.startswith("Categorical") else shown


def _read_polars_dtype(stored: Any) -> Any:
    pl = _pl()
    if isinstance(stored, dict):
        return pl.Enum(stored["enum"]) if "enum" in stored else pl.Categorical()
    return getattr(pl, stored, None) if isinstance(stored, str) and stored.isidentifier() else None


# ---------------------------------------------------------------------------------------- pandas


class PandasCodec:
    """pandas' data frames, series, indexes and categoricals."""

    def digest(self, value: Any, of: Of) -> bytes:
        return _pandas_hash(value, of)[0]

    def encode(self, value: Any) -> Encoded:
        import pandas as pd

        of = _of()
        raw, hashes = _pandas_hash(value, of)
        pack = Pack()
        if isinstance(value, pd.DataFrame):
            form = {
                "form": "DataFrame",
                "index": pack.index(value.index, "index"),
                "labels": pack.index(value.columns, "labels"),
                "columns": pack.columns([bare(value.iloc[:, i].array) for i in range(value.shape[1])]),
                "attrs": pack.value(value.attrs, "attrs"),
            }
            rows, width = value.shape
            text = size_text(rows, width)
            columns = [value.iloc[:, i] for i in range(width)]
            names: list[Any] = list(value.columns)
        elif isinstance(value, pd.Series):
            form = {
                "form": "Series",
                "index": pack.index(value.index, "index"),
                "name": pack.value(value.name, "name"),
                "columns": pack.columns([bare(value.array)]),
                "attrs": pack.value(value.attrs, "attrs"),
            }
            rows, columns, names = len(value), [value], [value.name]
            text = f"{value.dtype} series, {count(rows, 'row')}"
        else:
            array = not isinstance(value, pd.Index)
            form = {"form": "Categorical", "columns": pack.columns([value])} if array else {"form": "Index", "index": pack.index(value, "index")}
            rows, columns, names = len(value), [value], [None if array else value.name]
            text = f"{value.dtype} {'categorical' if array else 'index'}, {count(rows, 'row')}"
        types = [str(c.dtype) for c in columns]
        return codec.build(
            value,
            kind="table",
            codec="pandas",
            parts=pack.parts,
            digest=raw,
            columns=tuple(
                Column("" if n is None and len(names) == 1 else _label(n), t, name(h), _nulls(c))
                for n, t, h, c in zip(names, types, hashes, columns, strict=True)
            ),
            text=text,
            summary={"rows": rows, "columns": len(columns)},
            details=form,
            pickled=pack.pickled,
            preview=text_preview(_pandas_picture(value)),
        )

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        import pandas as pd

        form = record.details
        unpacked = Unpack(read, record.pickled)
        if form["form"] == "Index":
            return unpacked.index(form["index"], "index")
        arrays = unpacked.columns(form["columns"])
        if form["form"] == "Categorical":
            return arrays[0]
        index = unpacked.index(form["index"], "index")
        if form["form"] == "Series":
            series = pd.Series(arrays[0], index=index, name=unpacked.value(form["name"], "name"), dtype=arrays[0].dtype, copy=False)
            series.attrs.update(unpacked.value(form["attrs"], "attrs"))
            return series
        columns = {i: pd.Series(a, index=index, dtype=a.dtype, copy=False) for i, a in enumerate(arrays)}
        frame = pd.DataFrame(columns, index=index)
        frame.columns = unpacked.index(form["labels"], "labels")
        frame.attrs.update(unpacked.value(form["attrs"], "attrs"))
        return frame

    def export(self, record: ValueRecord, read: ReadPart, stem: str, format: str | None) -> dict[str, bytes]:
        import pandas as pd

        if record.pickled and format is None:
            return {f"{stem}.pkl": read("columns.pkl")} if any(p.path == "columns.pkl" for p in record.parts) else {p.path: read(p.path) for p in record.parts}
        value: Any = self.decode(record, read)
        if isinstance(value, pd.Series):
            value = value.to_frame(name="values" if value.name is None else value.name)
        elif isinstance(value, pd.Index):
            value = value.to_frame(index=False)
        elif not isinstance(value, pd.DataFrame):
            value = pd.DataFrame({"values": value})
        default = _is_default(value.index)
        if format == "csv":
            return {f"{stem}.csv": value.to_csv(index=not default).encode()}
        try:
            table = pa.Table.from_pandas(value, preserve_index=None if default else True)
        except (pa.ArrowException, ValueError, TypeError) as error:
            if format is not None:
                raise UnstorableError(f"this table can't be written as {format}: {error}", hint="use csv") from error
            return {f"{stem}.csv": value.to_csv(index=not default).encode()}
        return write(table, stem, format)


def _nulls(column: Any) -> int:
    return 0 if getattr(column, "nlevels", 1) > 1 and not hasattr(column, "index") else int(column.isna().sum())


def _label(label: object) -> str:
    try:
        return str(label)
    except Exception:
        return f"<{type(label).__name__}>"


def _pandas_picture(value: Any) -> str:
    import pandas as pd

    try:
        if isinstance(value, pd.DataFrame | pd.Series):
            shown = value.iloc[:SHOWN].to_string(**({"max_cols": 12, "line_width": 118} if isinstance(value, pd.DataFrame) else {}), max_rows=SHOWN)
            return shown + (f"\n… {len(value) - SHOWN:,} more rows" if len(value) > SHOWN else "")
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} (its repr raises {type(error).__name__})>"


# ------------------------------------------------------------------------- what pandas hashes to


def _pandas_hash(value: Any, of: Of) -> tuple[bytes, list[bytes]]:
    """Return the hash of a pandas value, and those of its columns."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        hashes = [array_hash(bare(value.iloc[:, i].array), of) for i in range(value.shape[1])]
        extras = _extras(value.index, value.attrs, of, value.columns.names)
        return table_hash(len(value), list(zip(_labels(value.columns), hashes, strict=True)), extras, of), hashes
    if isinstance(value, pd.Series):
        hashes = [array_hash(bare(value.array), of)]
        return series_hash(value.name, hashes[0], _extras(value.index, value.attrs, of), of), hashes
    if isinstance(value, pd.Index):
        raw = _index_hash(value, of)
        return raw, [raw]
    raw = array_hash(value, of)
    return join("series", b"n", raw, b""), [raw]


def _labels(columns: Any) -> list[object]:
    return list(columns.tolist())


def _extras(index: Any, attrs: Any, of: Of, names: Any = ()) -> bytes:
    """Return what a pandas table has beyond columns, or nothing."""
    named = any(n is not None for n in names)
    if _is_default(index) and not attrs and not named:
        return b""
    return join(
        "extras",
        b"" if _is_default(index) else _index_hash(index, of),
        finish(of(dict(attrs))) if attrs else b"",
        b"".join(number(len(b)) + b for b in (label_bytes(n, of) for n in names)) if named else b"",
    )


def _is_default(index: Any) -> bool:
    """Say whether an index only numbers the rows, in whatever form."""
    import pandas as pd

    if index.name is not None or index.nlevels != 1:
        return False
    if isinstance(index, pd.RangeIndex):
        return bool(index.start == 0 and index.step == 1) or not len(index)
    if type(index) is not pd.Index or str(index.dtype) != "int64":
        return False
    return bool(np.array_equal(index.to_numpy(), np.arange(len(index))))


def _index_hash(index: Any, of: Of) -> bytes:
    parts: list[bytes] = []
    for level in range(index.nlevels):
        values = index.get_level_values(level) if index.nlevels > 1 else index
        parts += [label_bytes(index.names[level], of), array_hash(bare(values.array), of)]
    return join("index", *parts)


def bare(array: Any) -> Any:
    """Return the numpy array inside pandas' wrapper of one, anything else as it is."""
    return array.to_numpy() if type(array).__name__ in ("NumpyExtensionArray", "PandasArray") else array


def array_hash(array: Any, of: Of) -> bytes:
    """Return the hash of a pandas array: that of the Arrow column with the same values."""
    import pandas as pd

    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        values = np.asarray(array)
        if dtype.kind in "iufb" and dtype.itemsize <= 8:
            return numpy_column_hash(values)
        if dtype.kind in "mM":
            array = pa.array(values)
            return column_hash(array.type, [array], of)
        if dtype == object:
            return objects_hash(values, of)
        from linea.values.arrays import ndarray_hash

        return join("numpy-column", ndarray_hash(values, of))
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical_hash(array, of)
    if isinstance(dtype, pd.SparseDtype):
        return array_hash(pd.Series(array.to_dense() if hasattr(array, "to_dense") else np.asarray(array)).to_numpy(), of)
    if hasattr(array, "_data") and hasattr(array, "_mask") and isinstance(getattr(array, "_mask"), np.ndarray):
        values, mask = array._data, array._mask
        return masked_column_hash(values, ~mask)
    arrow = _arrow(array)
    if arrow is None:
        return join("objects", number(len(array)), text_bytes(str(dtype)), of(list(array)))
    return column_hash(arrow.type, chunked(arrow).chunks, of)


def _arrow(array: Any) -> Any:
    """Return a pandas extension array as Arrow, or None where it has no such form."""
    try:
        return pa.array(array)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        return None


def _categorical_hash(array: Any, of: Of) -> bytes:
    from linea.values.columns import Column as Hash

    categories = bare(array.categories.array)
    codes = np.asarray(array.codes)
    indices = pa.array(codes, mask=codes < 0)
    arrow = _storable(categories)
    if arrow is None:
        return objects_hash(np.asarray(array, dtype=object), of)
    dictionary = _one(chunked(arrow))
    column = Hash(dictionary.type, of)
    for start in range(0, len(indices), 1 << 16):
        column.update(dictionary.take(indices.slice(start, 1 << 16)))
    return column.finish()


PLAIN_OBJECTS = {"str": pa.large_string(), "bytes": pa.large_binary(), "bool": pa.bool_(), "date": pa.date32()}


def objects_hash(values: np.ndarray[Any, Any], of: Of) -> bytes:
    """Return the hash of a column of Python objects: all texts (bytes, bools, dates) are that."""
    kind, _ = object_kind(values)
    if kind is not None:
        array = pa.array(values, type=PLAIN_OBJECTS.get(kind, pa.null()), from_pandas=True)
        return column_hash(array.type, chunked(array).chunks, of)
    return join("objects", number(len(values)), of(values.tolist()))


def object_kind(values: np.ndarray[Any, Any]) -> tuple[str | None, str]:
    """Return the one type of the objects, None where they are mixed, and what stands for a null."""
    import datetime

    kinds = set(map(type, values))
    nulls = {k for k in kinds if k is type(None) or k.__name__ == "NAType"}
    if float in kinds and all(v != v for v in values if type(v) is float):
        nulls.add(float)
    rest = kinds - nulls
    marker = ",".join(sorted("None" if k is type(None) else "nan" if k is float else "NA" for k in nulls))
    if not rest:
        return ("null" if nulls == {type(None)} else None), marker
    known = {str: "str", bytes: "bytes", bool: "bool", datetime.date: "date"}
    kind = known.get(next(iter(rest))) if len(rest) == 1 else None
    if kind == "str":
        try:
            pa.array(values, type=pa.large_string(), from_pandas=True)
        except (UnicodeEncodeError, pa.ArrowException):
            return None, marker
    return kind, marker


# ------------------------------------------------------------------------- what pandas is stored as


def _storable(array: Any) -> Any:
    """Return a pandas array as Arrow with the same values, or None."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        values = np.asarray(array)
        if dtype == object:
            kind, _ = object_kind(values)
            return None if kind is None else pa.array(values, type=PLAIN_OBJECTS.get(kind, pa.null()), from_pandas=True)
        if dtype.kind in "iufbmM" and dtype.itemsize <= 8:
            try:
                return pa.array(values, from_pandas=False)
            except (pa.ArrowException, NotImplementedError):
                return None
        return None
    return _arrow(array)


class Pack:
    """The parts and the form of a pandas value in the making."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.pickled = False

    def value(self, value: object, path: str) -> Any:
        """Return the form of a small value: itself where plain, else a pickled part."""
        try:
            return {"json": plain.to_json(value)}
        except plain.NotPlain:
            from linea.values.objects import pickle

            self.parts[f"{path}.pkl"] = pickle(value)
            self.pickled = True
            return {"pickle": f"{path}.pkl"}

    def index(self, index: Any, path: str) -> Any:
        """Return the form of an index of rows or columns."""
        import pandas as pd

        names = self.value(list(index.names), f"{path}-names")
        if isinstance(index, pd.RangeIndex):
            return {"range": [index.start, index.stop, index.step], "names": names}
        if isinstance(index, pd.MultiIndex):
            levels = [self.index(level.rename(None), f"{path}-level{i}") for i, level in enumerate(index.levels)]
            codes = [chunked(pa.array(np.asarray(code))) for code in index.codes]
            self.parts[f"{path}-codes.arrow"] = to_ipc(codes)
            return {"levels": levels, "names": names}
        form: dict[str, Any] = {"names": names, "column": self.columns([bare(index.array)], path)}
        if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) and index.freq is not None:
            form["freq"] = index.freqstr
        return form

    def columns(self, arrays: list[Any], path: str = "columns") -> Any:
        """Return the forms of columns, their Arrow data put into parts."""
        forms, stored = [], []
        for position, array in enumerate(arrays):
            form, arrow = self._column(array, f"{path}/{position}")
            forms.append(form)
            if arrow is not None:
                stored.append(chunked(arrow))
        lengths = {len(a) for a in arrays}
        assert len(lengths) <= 1
        self.parts |= pack(stored, path)
        return forms

    def _column(self, array: Any, path: str) -> tuple[Any, Any]:
        import pandas as pd

        dtype = array.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            codes = np.asarray(array.codes)
            categories = self.index(array.categories, f"{path}-categories")
            return {"categories": categories, "ordered": bool(dtype.ordered)}, pa.array(codes)
        if isinstance(dtype, np.dtype) and dtype == object:
            return self._objects(np.asarray(array), path)
        if isinstance(dtype, np.dtype):
            arrow = _storable(array)
            if arrow is None:
                from linea.values.arrays import to_npy

                self.parts[f"{path}.npy"] = to_npy(np.asarray(array))
                return {"npy": f"{path}.npy"}, None
            return {"numpy": dtype.str}, arrow
        form = _extension_form(dtype)
        if form is not None:
            arrow = self._extension(array, form)
            if arrow is not None:
                return form, arrow
        from linea.values.objects import pickle

        self.parts[f"{path}.pkl"] = pickle(array)
        self.pickled = True
        return {"pickle": f"{path}.pkl"}, None

    def _extension(self, array: Any, form: dict[str, Any]) -> Any:
        if form["extension"] == "period":
            return pa.array(array.asi8)
        if form["extension"] == "datetime":
            return pa.array(array.asi8, mask=array.isna()).cast(pa.timestamp(array.unit, "UTC"))
        return _arrow(array)

    def _objects(self, values: np.ndarray[Any, Any], path: str) -> tuple[Any, Any]:
        kind, null = object_kind(values)
        if kind is not None and null in ("", "None", "nan", "NA"):
            arrow = pa.array(values, type=PLAIN_OBJECTS.get(kind, pa.null()), from_pandas=True)
            return {"objects": kind, "null": null}, arrow
        items = values.tolist()
        try:
            self.parts[f"{path}.json"] = plain.dump(items)
            return {"json": f"{path}.json"}, None
        except plain.NotPlain:
            from linea.values.objects import pickle

            self.parts[f"{path}.pkl"] = pickle(items)
            self.pickled = True
            return {"objects": "pickle", "part": f"{path}.pkl"}, None


def _extension_form(dtype: Any) -> dict[str, Any] | None:
    """Return what says a pandas extension dtype, where linea knows it."""
    import pandas as pd

    own = type(dtype).__name__
    if isinstance(dtype, pd.DatetimeTZDtype):
        zone = _zone_form(dtype.tz)
        return None if zone is None else {"extension": "datetime", "unit": dtype.unit, "zone": zone}
    if isinstance(dtype, pd.StringDtype):
        return {"extension": "string", "storage": dtype.storage, "nan": dtype.na_value is not pd.NA}
    if isinstance(dtype, pd.PeriodDtype):
        return {"extension": "period", "dtype": str(dtype)}
    if isinstance(dtype, pd.ArrowDtype):
        return {"extension": "arrow"}
    if own in _MASKED:
        return {"extension": "masked", "dtype": str(dtype)}
    return None


_MASKED = {f"{kind}Dtype" for kind in ("Boolean", "Float32", "Float64", *(f"{u}Int{w}" for u in ("", "U") for w in (8, 16, 32, 64)))}


def _zone_form(zone: Any) -> Any:
    """Return what says a time zone, its library included, or None."""
    import datetime

    own = class_name(type(zone))
    if own == "zoneinfo.ZoneInfo" or type(zone) is datetime.timezone:
        try:
            return plain.to_json(zone)
        except plain.NotPlain:
            return None
    if own.startswith("pytz."):
        return {"pytz": str(zone)} if getattr(zone, "zone", None) else None
    return None


def _read_zone(form: Any) -> Any:
    if "pytz" in form:
        import pytz

        return pytz.timezone(form["pytz"])
    return plain.from_json(form)


class Unpack:
    """A pandas value from its parts and form."""

    def __init__(self, read: ReadPart, pickled: bool) -> None:
        self.read = read
        self.pickled = pickled

    def value(self, form: Any, path: str) -> Any:
        """Return a small value."""
        return self._unpickle(form["pickle"]) if "pickle" in form else plain.from_json(form["json"])

    def _unpickle(self, path: str) -> Any:
        from linea.values.objects import unpickle

        if not self.pickled:
            raise UnstorableError(f"part {path!r} is a pickle in a value that says it has none")
        return unpickle(self.read(path))

    def index(self, form: Any, path: str) -> Any:
        """Return an index."""
        import pandas as pd

        names = self.value(form["names"], f"{path}-names")
        if "range" in form:
            return pd.RangeIndex(*form["range"], name=names[0])
        if "levels" in form:
            levels = [self.index(level, f"{path}-level{i}") for i, level in enumerate(form["levels"])]
            codes = [c.to_numpy() for c in from_ipc(self.read(f"{path}-codes.arrow")).columns]
            return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
        array = self.columns(form["column"], path)[0]
        index = pd.Index(array, dtype=array.dtype, name=names[0], copy=False)
        if form.get("freq"):
            index.freq = form["freq"]
        return index

    def columns(self, forms: list[Any], path: str = "columns") -> list[Any]:
        """Return the columns' arrays."""
        stored = [form for form in forms if self._is_arrow(form)]
        arrow = iter(unpack(self.read, path, len(stored)))
        return [self._column(form, next(arrow) if self._is_arrow(form) else None, f"{path}/{i}") for i, form in enumerate(forms)]

    def _is_arrow(self, form: Any) -> bool:
        return not ({"npy", "json", "pickle", "part"} & form.keys())

    def _column(self, form: Any, arrow: Any, path: str) -> Any:
        import pandas as pd

        if "numpy" in form:
            dtype = np.dtype(form["numpy"])
            return pd.array(_numpy(arrow, dtype), dtype=dtype, copy=False) if dtype.kind in "mM" else _numpy(arrow, dtype)
        if "categories" in form:
            categories = self.index(form["categories"], f"{path}-categories")
            return pd.Categorical.from_codes(arrow.to_numpy(), dtype=pd.CategoricalDtype(categories, form["ordered"]), validate=False)
        if "npy" in form:
            from linea.values.arrays import from_npy

            return from_npy(self.read(form["npy"]))
        if "json" in form:
            return _object_array(plain.from_json(json.loads(self.read(form["json"]))))
        if "objects" in form:
            if form["objects"] == "pickle":
                return _object_array(self._unpickle(form["part"]))
            nulls = {"": None, "None": None, "nan": np.nan, "NA": pd.NA}
            return _object_array(arrow.to_pylist(), nulls[form["null"]])
        if "pickle" in form:
            return self._unpickle(form["pickle"])
        return _read_extension(form, arrow)


def _read_extension(form: Any, arrow: pa.ChunkedArray) -> Any:
    import pandas as pd

    kind = form["extension"]
    if kind == "arrow":
        return pd.arrays.ArrowExtensionArray(arrow)
    if kind == "string":
        dtype = pd.StringDtype(form["storage"], na_value=np.nan if form["nan"] else pd.NA)
        return dtype.__from_arrow__(arrow)
    if kind == "period":
        return pd.arrays.PeriodArray(_numpy(arrow, np.dtype("int64")), dtype=pd.api.types.pandas_dtype(form["dtype"]))
    if kind == "datetime":
        utc = _numpy(arrow.cast(pa.timestamp(form["unit"])), np.dtype(f"M8[{form['unit']}]"))
        return pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(_read_zone(form["zone"])).array
    return pd.api.types.pandas_dtype(form["dtype"]).__from_arrow__(arrow)


def _numpy(arrow: pa.ChunkedArray, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a column as a numpy array that may be written to."""
    if pa.types.is_timestamp(arrow.type) or pa.types.is_duration(arrow.type):
        nat = np.iinfo(np.int64).min
        whole = arrow.cast(pa.int64())
        return np.array((whole.fill_null(nat) if whole.null_count else whole).to_numpy(), dtype=np.int64).view(dtype.newbyteorder("=")).astype(dtype, copy=False)
    values = arrow.to_numpy()
    return values.astype(dtype, copy=True) if values.dtype != dtype or not values.flags.writeable else values


def _object_array(items: list[Any], null: Any = None) -> np.ndarray[Any, Any]:
    values = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        values[position] = null if item is None else item
    return values


ARROW, POLARS, PANDAS = ArrowCodec(), PolarsCodec(), PandasCodec()
