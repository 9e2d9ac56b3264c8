"""Tables of pyarrow and polars ⇄ Arrow IPC streams, a part per column."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import Column, Encoded, ValueRecord
from linea.values import codec, plain
from linea.values.choice import ALL, Choice
from linea.values.columns import column_hash
from linea.values.digest import Of, Walk, digest_bytes, join, name, number, text_bytes
from linea.values.ipc import chunked, one, pack, unpack, write
from linea.values.objects import pickle, unpickle
from linea.values.packing import Source, printed, source
from linea.values.parts import Parts
from linea.values.preview import count, drawn, grid

SHOWN = 12
"""Rows of a preview."""


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
    return join("series", label_bytes(label, of), raw, extras)


def size_text(rows: int, columns: int) -> str:
    """Return `1,234 rows × 5 columns`."""
    return f"{count(rows, 'row')} × {count(columns, 'column')}"


def picture(names: list[str], columns: list[Any], rows: int) -> str:
    """Return the first rows as text."""
    if not columns:
        return f"empty table, {count(rows, 'row')}"
    shown = min(rows, SHOWN)
    cells = [list(map(_cell, _items(c.slice(0, shown)))) for c in columns[:30]]
    return grid([str(n) for n in names[:30]], list(zip(*cells, strict=True)), more=rows - shown)


def _items(column: Any) -> list[object]:
    try:
        return list(column.to_pylist())
    except Exception as error:  # there are values that Python has no form for
        return [f"<{type(error).__name__}>"] * len(column)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        return " ".join(str(value)[:60].split())
    except Exception as error:
        return f"<{type(error).__name__}>"


# ----------------------------------------------------------------------------------------- arrow


class ArrowCodec:
    """pyarrow's tables, batches and arrays."""

    parts = ("columns", "rows")

    def digest(self, value: Any, of: Of) -> bytes:
        return self._hashes(value, of)[0]

    def _hashes(self, value: Any, of: Of) -> tuple[bytes, list[bytes]]:
        names, columns = _arrow_columns(value)
        hashes = [column_hash(c.type, c.chunks, of) for c in columns]
        if isinstance(value, pa.Scalar):
            return join("arrow-scalar", hashes[0]), hashes
        if _is_array(value):
            return series_hash(None, hashes[0], b"", of), hashes
        return table_hash(len(value), list(zip(names, hashes, strict=True)), b"", of), hashes

    def encode(self, value: Any) -> Encoded:
        raw, hashes = self._hashes(value, Walk().of)
        names, columns = _arrow_columns(value)
        single, own = _is_array(value), type(value).__name__
        schema = pa.schema([pa.field("", value.type)]) if single else value.schema
        described_by = schema.serialize().to_pybytes()
        rows = len(columns[0]) if single else len(value)
        described = zip(names, columns, hashes, strict=True)
        return codec.build(
            value,
            kind="table",
            codec="arrow",
            parts={
                "schema.arrow": schema.serialize().to_pybytes(),
                **pack(_printed(columns, hashes), "columns", names),
            },
            digest=raw,
            columns=tuple(Column(n, str(c.type), name(h), c.null_count) for n, c, h in described),
            text=_text(rows, len(columns), f"{columns[0].type} column" if single else None),
            summary={"rows": rows, "columns": len(columns)},
            details={
                "form": next((f for f, kind in FORMS.items() if isinstance(value, kind)), own),
                "schema": digest_bytes(described_by),
            },
            preview=drawn(lambda: picture(names, columns, rows), "table"),
        )

    def decode(self, record: ValueRecord, read: Parts, choice: Choice = ALL) -> object:
        schema = pa.ipc.read_schema(pa.py_buffer(read("schema.arrow")))
        total = len(schema)
        which = choice.of(total)
        columns = list(unpack(read, "columns", total, which, choice.rows))
        if choice.columns is not None:
            schema = pa.schema([schema.field(at) for at in which], schema.metadata)
        form = record.details["form"]
        if form == "ChunkedArray":
            return columns[0]
        if form == "Array":
            return one(columns[0])
        if form == "Scalar":
            return columns[0][0]
        if not columns:
            start, stop = choice.rows or (0, record.summary["rows"])
            rows = pa.array([{}] * (stop - start), pa.struct([]))
            batch = pa.RecordBatch.from_struct_array(rows).replace_schema_metadata(schema.metadata)
            return batch if form == "RecordBatch" else pa.Table.from_batches([batch])
        if form == "RecordBatch":
            return pa.RecordBatch.from_arrays([one(c) for c in columns], schema=schema)
        return pa.Table.from_arrays(columns, schema=schema)

    def export(
        self,
        record: ValueRecord,
        read: Parts,
        stem: str,
        format: str | None,
        choice: Choice = ALL,
    ) -> dict[str, bytes]:
        value: Any = self.decode(record, read, choice)
        if _is_array(value):
            value = pa.table({"values": _arrow_columns(value)[1][0]})
        if isinstance(value, pa.RecordBatch):
            value = pa.Table.from_batches([value])
        return write(value, stem, format)


def _printed(columns: list[pa.ChunkedArray], hashes: list[bytes]) -> list[Source]:
    return [printed(source(c), raw) for c, raw in zip(columns, hashes, strict=True)]


FORMS = {"Array": pa.Array, "Scalar": pa.Scalar}


def _is_array(value: Any) -> bool:
    return isinstance(value, pa.Array | pa.ChunkedArray | pa.Scalar)


def _arrow_columns(value: Any) -> tuple[list[str], list[pa.ChunkedArray]]:
    if isinstance(value, pa.Scalar):
        value = pa.repeat(value, 1)
    if _is_array(value):
        return [""], [chunked(value)]
    return list(value.schema.names), [chunked(column) for column in value.columns]


def _text(rows: int, columns: int, single: str | None) -> str:
    return f"{single}, {count(rows, 'row')}" if single else size_text(rows, columns)


# ---------------------------------------------------------------------------------------- polars


class PolarsCodec:
    """polars' data frames and series."""

    parts = ("columns", "rows")

    def digest(self, value: Any, of: Of) -> bytes:
        return self._hashes(value, of)[0]

    def _hashes(self, value: Any, of: Of) -> tuple[bytes, list[bytes]]:
        columns = _polars_columns(value)
        hashes = [self._column(column, of) for column in columns]
        if _is_series(value):
            # polars says "" where pandas says None.
            return series_hash(value.name or None, hashes[0], b"", of), hashes
        named = [(c.name, raw) for c, raw in zip(columns, hashes, strict=True)]
        return table_hash(len(value), named, b"", of), hashes

    def _column(self, series: Any, of: Of) -> bytes:
        if _is_object(series):
            return join("objects", number(len(series)), of(series.to_list()))
        array = _series_arrow(series)
        if array is None:
            kind = text_bytes(str(series.dtype))
            return join("objects", number(len(series)), kind, of(series.to_list()))
        return column_hash(array.type, [array], of)

    def encode(self, value: Any) -> Encoded:
        columns = _polars_columns(value)
        raw, hashes = self._hashes(value, Walk().of)
        rows = len(value)
        names = [column.name for column in columns]
        arrays = [_polars_arrow(column) for column in columns]
        own = {
            f"columns/{at}.polars": _own_form(column)
            for at, column in enumerate(columns)
            if pa.types.is_null(arrays[at].type) and str(column.dtype) != "Null"
        }
        single = _is_series(value)
        described = zip(columns, hashes, strict=True)
        return codec.build(
            value,
            kind="table",
            codec="polars",
            parts={**pack(_printed(arrays, hashes), "columns", names), **own},
            digest=raw,
            columns=tuple(
                Column(c.name, str(c.dtype), name(h), c.null_count()) for c, h in described
            ),
            text=_text(rows, len(columns), f"{columns[0].dtype} series" if single else None),
            summary={"rows": rows, "columns": len(columns)},
            pickled=any(map(_is_object, columns)),
            details={
                "form": type(value).__name__,
                "names": [plain.to_json(label) for label in names],
                "dtypes": [_dtype_form(column.dtype) for column in columns],
            },
            preview=drawn(lambda: picture(names, arrays, rows), "table"),
        )

    def decode(self, record: ValueRecord, read: Parts, choice: Choice = ALL) -> object:
        import polars as pl

        labels = [plain.from_json(label) for label in record.details["names"]]
        forms = record.details["dtypes"]
        which = choice.of(len(labels))
        stored = unpack(read, "columns", len(labels), which, choice.rows)
        columns = []
        for at, column in zip(which, stored, strict=True):
            path = f"columns/{at}.polars"
            if path in read:
                series = pl.read_ipc_stream(read(path)).to_series().alias(labels[at])
                start, stop = choice.rows or (0, len(series))
                columns.append(series[start:stop])
            else:
                columns.append(_read_series(labels[at], column, forms[at], record))
        if record.details["form"] == "Series":
            return columns[0]
        start, stop = choice.rows or (0, record.summary["rows"])
        if not columns:
            return pl.DataFrame(height=stop - start)
        # A list would give a column without a name one.
        return pl.DataFrame({column.name: column for column in columns})

    def export(
        self,
        record: ValueRecord,
        read: Parts,
        stem: str,
        format: str | None,
        choice: Choice = ALL,
    ) -> dict[str, bytes]:
        value: Any = self.decode(record, read, choice)
        frame = value.to_frame() if _is_series(value) else value
        if format == "csv":
            return write(_told(frame), stem, format)
        own = [c.name for c in frame if "\0" in c.name or _series_arrow(c) is None]
        if not own:
            return write(frame.to_arrow(), stem, format)
        out = io.BytesIO()
        if format is None:
            frame.write_ipc(out)
        else:
            what = f"{own[0]!r}, a column of {frame[own[0]].dtype}, can't be written as {format}"
            raise UnstorableError(what, hint="use csv, or no format, which gives polars' own")
        return {f"{stem}.{format or 'arrow'}": out.getvalue()}


def _told(frame: Any) -> pa.Table:
    """Return a frame as Arrow, what that hasn't as text."""
    columns: list[Any] = []
    for column in frame:
        array = None if _is_object(column) else _series_arrow(column)
        if array is None:
            texts = [None if item is None else str(item) for item in column.to_list()]
            array = pa.array(texts, pa.large_string())
        columns.append(array)
    return pa.table(columns, names=frame.columns)


def _is_series(value: Any) -> bool:
    return type(value).__name__ == "Series"


def _polars_columns(value: Any) -> list[Any]:
    return [value] if _is_series(value) else value.get_columns()


def _is_object(series: Any) -> bool:
    return str(series.dtype) == "Object"


def _polars_arrow(series: Any) -> pa.ChunkedArray:
    """Return a series as Arrow; Python objects as a pickle each."""
    if not _is_object(series):
        array = _series_arrow(series)
        return chunked(pa.nulls(len(series)) if array is None else array)
    items = [None if item is None else pickle(item) for item in series.to_list()]
    return chunked(pa.array(items, pa.large_binary()))


def _series_arrow(series: Any) -> pa.Array | None:
    """Return a series as Arrow, or None where that can't say what it holds."""
    import polars as pl

    # A name with a NUL in it would end the process's patience: Arrow's C interface has none.
    bare = series.alias("")
    try:
        array = bare.to_arrow()
        if not (series.dtype.is_nested() or series.dtype in (pl.Int128, pl.UInt128)):
            return array
        told = pl.from_arrow(array[:0]).dtype == series.dtype
        pl.from_arrow(pa.nulls(1, array.type))
    except (pa.ArrowException, pl.exceptions.PolarsError):
        return None
    return array if told else None


def _own_form(series: Any) -> bytes:
    """Return a series as polars' own kind of an Arrow stream."""
    import polars as pl

    out = io.BytesIO()
    series.alias("").to_frame().write_ipc_stream(out, compat_level=pl.CompatLevel.newest())
    data = out.getvalue()
    try:
        pl.read_ipc_stream(data)
    except pl.exceptions.PolarsError as error:
        raise UnstorableError(
            f"a column of {series.dtype} can't be stored: polars doesn't read it back ({error})",
            hint="cast it to another type",
        ) from error
    return data


def _dtype_form(dtype: Any) -> Any:
    """Return what Arrow alone doesn't say of a polars type."""
    own = str(dtype) if isinstance(dtype, type) else type(dtype).__name__
    categories: Any = getattr(dtype, "categories", None)
    if own == "Categorical" and hasattr(categories, "namespace"):
        named = [categories.name(), categories.namespace(), str(categories.physical())]
        if any(named[:2]) or named[2] != "UInt32":
            return {"categories": named}
    if own == "Enum":
        return {"enum": dtype.categories.to_list()}
    return own if own in ("Categorical", "Object") else None


def _read_series(label: str, array: pa.ChunkedArray, form: Any, record: ValueRecord) -> Any:
    import polars as pl

    if form == "Object":
        raw = array.to_pylist()
        items = [None if item is None else unpickle(item, record) for item in raw]
        return pl.Series(label, items, dtype=pl.Object)
    series = pl.Series(label, pl.from_arrow(array))
    if form is None:
        return series
    if "categories" in form:
        label, space, width = form["categories"]
        known = pl.Categories(label, space, physical=getattr(pl, width))
        return series.cast(pl.Categorical(known))
    return series.cast(pl.Categorical() if form == "Categorical" else pl.Enum(form["enum"]))


ARROW, POLARS = ArrowCodec(), PolarsCodec()
