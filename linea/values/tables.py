"""Tables of pyarrow and polars ⇄ Arrow IPC streams, a part per column."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from linea.model import Column, Encoded, ValueRecord
from linea.values import codec, plain
from linea.values.choice import ALL, Choice
from linea.values.columns import column_hash
from linea.values.digest import Of, Walk, digest_bytes, join, name, number, text_bytes
from linea.values.ipc import chunked, one, pack, unpack, write
from linea.values.objects import pickle, unpickle
from linea.values.packing import Source, printed, source
from linea.values.parts import Parts
from linea.values.preview import count, grid, text_preview

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
    """Return the hash of one column on its own; polars says "" where pandas says None."""
    return join("series", label_bytes(None if label == "" else label, of), raw, extras)


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


# ----------------------------------------------------------------------------------------- arrow


class ArrowCodec:
    """pyarrow's tables, batches and arrays."""

    parts = ("columns", "rows")

    def digest(self, value: Any, of: Of) -> bytes:
        return self._hashes(value, of)[0]

    def _hashes(self, value: Any, of: Of) -> tuple[bytes, list[bytes]]:
        names, columns = _arrow_columns(value)
        hashes = [column_hash(c.type, c.chunks, of) for c in columns]
        if _is_array(value):
            return series_hash(None, hashes[0], b"", of), hashes
        return table_hash(len(value), list(zip(names, hashes, strict=True)), b"", of), hashes

    def encode(self, value: Any) -> Encoded:
        raw, hashes = self._hashes(value, Walk().of)
        names, columns = _arrow_columns(value)
        single = _is_array(value)
        schema = pa.schema([pa.field("", value.type)]) if single else value.schema
        described_by = schema.serialize().to_pybytes()
        rows = len(value)
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
                "form": "Array" if isinstance(value, pa.Array) else type(value).__name__,
                "schema": digest_bytes(described_by),
            },
            preview=text_preview(picture(names, columns, rows)),
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
            value = pa.table({"values": value})
        if isinstance(value, pa.RecordBatch):
            value = pa.Table.from_batches([value])
        return write(value, stem, format)


def _printed(columns: list[pa.ChunkedArray], hashes: list[bytes]) -> list[Source]:
    return [printed(source(c), raw) for c, raw in zip(columns, hashes, strict=True)]


def _is_array(value: Any) -> bool:
    return isinstance(value, pa.Array | pa.ChunkedArray)


def _arrow_columns(value: Any) -> tuple[list[str], list[pa.ChunkedArray]]:
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
            return series_hash(value.name, hashes[0], b"", of), hashes
        named = [(c.name, raw) for c, raw in zip(columns, hashes, strict=True)]
        return table_hash(len(value), named, b"", of), hashes

    def _column(self, series: Any, of: Of) -> bytes:
        if _is_object(series):
            return join("objects", number(len(series)), of(series.to_list()))
        array = series.to_arrow()
        return column_hash(array.type, [array], of)

    def encode(self, value: Any) -> Encoded:
        columns = _polars_columns(value)
        raw, hashes = self._hashes(value, Walk().of)
        rows = len(value)
        names = [column.name for column in columns]
        arrays = [_polars_arrow(column) for column in columns]
        single = _is_series(value)
        described = zip(columns, hashes, strict=True)
        return codec.build(
            value,
            kind="table",
            codec="polars",
            parts=pack(_printed(arrays, hashes), "columns", names),
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
            preview=text_preview(picture(names, arrays, rows)),
        )

    def decode(self, record: ValueRecord, read: Parts, choice: Choice = ALL) -> object:
        import polars as pl

        labels = [plain.from_json(label) for label in record.details["names"]]
        forms = record.details["dtypes"]
        which = choice.of(len(labels))
        stored = unpack(read, "columns", len(labels), which, choice.rows)
        columns = [
            _read_series(labels[at], column, forms[at], record)
            for at, column in zip(which, stored, strict=True)
        ]
        if record.details["form"] == "Series":
            return columns[0]
        start, stop = choice.rows or (0, record.summary["rows"])
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=stop - start)

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
        return write(frame.to_arrow(), stem, format)


def _is_series(value: Any) -> bool:
    return type(value).__name__ == "Series"


def _polars_columns(value: Any) -> list[Any]:
    return [value] if _is_series(value) else value.get_columns()


def _is_object(series: Any) -> bool:
    return str(series.dtype) == "Object"


def _polars_arrow(series: Any) -> pa.ChunkedArray:
    """Return a series as Arrow; Python objects as a pickle each."""
    if not _is_object(series):
        return chunked(series.to_arrow())
    items = [None if item is None else pickle(item) for item in series.to_list()]
    return chunked(pa.array(items, pa.large_binary()))


def _dtype_form(dtype: Any) -> Any:
    """Return what Arrow alone doesn't say of a polars type."""
    own = str(dtype) if isinstance(dtype, type) else type(dtype).__name__
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
    return series.cast(pl.Categorical() if form == "Categorical" else pl.Enum(form["enum"]))


ARROW, POLARS = ArrowCodec(), PolarsCodec()
