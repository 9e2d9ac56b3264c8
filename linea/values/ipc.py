"""Columns ⇄ Arrow IPC streams, and tables → the files that other programs read."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import Payload, Stream
from linea.values.packing import Source, has_segments, stream, whole
from linea.values.parts import Parts, byte_stream
from linea.values.takeable import empty
from linea.values.unpacking import read as column_of
from linea.values.unpacking import rows_of

BATCH = 1 << 16
"""Rows of an IPC batch."""
PARTS = 512
"""Parts of a table at most: a wider one has several columns in a part."""


def ipc(columns: list[Source], label: str) -> Stream:
    """Return columns of one length as an IPC stream, for what has no segments of its own."""

    def blocks() -> Iterator[bytes]:
        found = [whole(column) for column in columns]
        unified = [_unified(column) for column in found]
        ready = [old if new is None else new for old, new in zip(found, unified, strict=True)]
        fields = [pa.field(str(i), c.type) for i, c in enumerate(ready)]
        table = pa.table(ready, schema=pa.schema(fields))
        joined = None not in unified
        options = pa.ipc.IpcWriteOptions(use_threads=False, unify_dictionaries=joined)
        out = io.BytesIO()
        with pa.ipc.new_stream(out, table.schema, options=options) as writer:
            for start in range(0, max(1, len(table)), BATCH):
                rows = table.slice(start, BATCH)
                for batch in (rows.combine_chunks() if joined else rows).to_batches():
                    writer.write_batch(batch)
                    yield _drained(out)
        yield _drained(out)

    mark = columns[0].print if len(columns) == 1 else ""
    return byte_stream(blocks, sum(column.size for column in columns), label=label, print=mark)


def _drained(out: io.BytesIO) -> bytes:
    data = out.getvalue()
    out.seek(0)
    out.truncate()
    return data


def from_ipc(data: bytes) -> pa.Table:
    """Return the columns of an IPC stream."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def _unified(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column with one dictionary for all chunks, or None where Arrow can't: with nulls in it."""
    if not _has_dictionary(column.type):
        return column
    try:
        return column.unify_dictionaries()
    except pa.ArrowInvalid:
        return None


def _has_dictionary(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        return True
    return (
        any(_has_dictionary(type.field(i).type) for i in range(type.num_fields))
        if pa.types.is_nested(type)
        else False
    )


def chunked(array: Any) -> pa.ChunkedArray:
    """Return any Arrow array as a chunked one."""
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def pack(columns: list[Source], prefix: str, labels: list[str]) -> dict[str, Payload]:
    """Return parts for columns in order: one each, or several where there are very many."""
    group = _group(len(columns))
    if group > 1:
        return {
            f"{prefix}/{at // group}.arrow": ipc(columns[at : at + group], f"{prefix}:{at}")
            for at in range(0, len(columns), group)
        }
    parts: dict[str, Payload] = {}
    for at, (column, label) in enumerate(zip(columns, labels, strict=True)):
        if has_segments(column.type):
            parts[f"{prefix}/{at}"] = stream(column, label)
        else:
            parts[f"{prefix}/{at}.arrow"] = ipc([column], label)
    return parts


def _group(total: int) -> int:
    return max(1, math.ceil(total / PARTS))


def unpack(
    read: Parts,
    prefix: str,
    total: int,
    which: Sequence[int],
    rows: tuple[int, int] | None = None,
) -> Iterator[pa.ChunkedArray]:
    """Yield some of the columns that `pack` was given, or some rows of them, in this order."""
    return (unpack_one(read, prefix, total, at, rows) for at in which)


def unpack_one(
    read: Parts, prefix: str, total: int, at: int, rows: tuple[int, int] | None = None
) -> pa.ChunkedArray:
    """Return one of the columns that `pack` was given, or those of its rows from one to another."""
    group = _group(total)
    path = f"{prefix}/{at // group}"
    if group > 1 or path not in read:
        column = _group_of(read, f"{path}.arrow")[at % group]
        return column if rows is None else column.slice(rows[0], rows[1] - rows[0])
    if rows is None:
        return column_of(read.filling(path), read.size(path))
    return rows_of(read.between(path, *rows), *rows)


def _group_of(read: Parts, path: str) -> list[pa.ChunkedArray]:
    """Return the columns of one part, read once for all of them."""
    if path not in read.opened:
        read.opened.clear()
        read.opened[path] = from_ipc(read(path)).columns
    found: list[pa.ChunkedArray] = read.opened[path]
    return found


def one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if not column.num_chunks:
        return empty(column.type)
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def write(table: pa.Table, stem: str, format: str | None) -> dict[str, bytes]:
    """Return a table as one file: Parquet unless another format is asked for.

    What Parquet can't hold goes as an Arrow file where no format was named.
    """
    wanted = (format or "parquet").lstrip(".").lower()
    writer = WRITERS.get(wanted)
    if writer is None:
        raise UnstorableError(
            f"a table can't be written as {wanted!r}", hint=f"use one of {', '.join(WRITERS)}"
        )
    out = io.BytesIO()
    try:
        writer(table, out)
    except (pa.ArrowException, OSError) as error:
        if format is None:
            return write(table, stem, "arrow")
        raise UnstorableError(
            f"this table can't be written as {wanted}: {error}", hint="use arrow"
        ) from error
    return {f"{stem}.{wanted}": out.getvalue()}


def _parquet(table: pa.Table, out: io.BytesIO) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, out, compression="zstd")


def _feather(table: pa.Table, out: io.BytesIO) -> None:
    import pyarrow.feather

    pyarrow.feather.write_feather(table, out, compression="zstd")


def _csv(table: pa.Table, out: io.BytesIO) -> None:
    import pyarrow.csv

    columns = [_csv_column(column) for column in table.columns]
    pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), out)


def _csv_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that CSV has a form for: lists and the like become JSON."""
    import pyarrow.csv

    try:
        pyarrow.csv.write_csv(pa.table({"a": column[:0]}), io.BytesIO())
    except (pa.ArrowException, OSError):
        kinds = pa.types
        nested = kinds.is_nested(column.type) or kinds.is_dictionary(column.type)
        told = _dumped if nested else str
        items = column.to_pylist()
        texts = [v if v is None or type(v) is str else told(v) for v in items]
        return pa.chunked_array([pa.array(texts, pa.large_string())])
    return column


def _json(table: pa.Table, out: io.BytesIO) -> None:
    rows = map(_dumped, table.to_pylist())
    out.write(("[" + ",\n".join(rows) + "]\n").encode())


def _dumped(value: Any) -> str:
    return json.dumps(_finite(value), default=str, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """Return a value with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


WRITERS: Mapping[str, Callable[[pa.Table, io.BytesIO], None]] = {
    "parquet": _parquet,
    "arrow": _feather,
    "feather": _feather,
    "csv": _csv,
    "json": _json,
}
