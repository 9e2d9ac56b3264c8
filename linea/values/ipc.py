"""Columns ⇄ Arrow IPC streams, and tables → the files that other programs read."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import ReadPart

BATCH = 1 << 20
"""Rows of an IPC batch."""
PARTS = 512
"""Parts of a table at most: a wider one has several columns in a part."""


def to_ipc(columns: list[pa.ChunkedArray]) -> bytes:
    """Return the zstd-compressed IPC stream of columns of one length, batched by row count."""
    columns = [c.unify_dictionaries() if _has_dictionary(c.type) else c for c in columns]
    table = pa.table(
        columns, schema=pa.schema([pa.field(str(i), c.type) for i, c in enumerate(columns)])
    )
    out = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(
        compression=pa.Codec("zstd", compression_level=1),
        use_threads=False,
        unify_dictionaries=True,
    )
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        for start in range(0, max(1, len(table)), BATCH):
            piece = table.slice(start, BATCH).combine_chunks()
            for batch in piece.to_batches():
                writer.write_batch(batch)
    data: bytes = out.getvalue().to_pybytes()
    return data


def from_ipc(data: bytes) -> pa.Table:
    """Return the columns of an IPC stream."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


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


def one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
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

    pyarrow.csv.write_csv(table, out)


def _json(table: pa.Table, out: io.BytesIO) -> None:
    rows = (json.dumps(_finite(row), default=str, ensure_ascii=False) for row in table.to_pylist())
    out.write(("[" + ",\n".join(rows) + "]\n").encode())


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
