"""Tables that aren't in memory ⇄ segments: data sets on disk, readers of batches, lazy queries.

They come back as the tables that they stand for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import Column as Described
from linea.model import Encoded, ValueRecord
from linea.values import codec
from linea.values.columns import Column
from linea.values.digest import Of, Walk, digest_bytes, name
from linea.values.ipc import pack
from linea.values.packing import Source, printed
from linea.values.parts import Parts
from linea.values.preview import text_preview
from linea.values.tables import SHOWN, picture, size_text, table_hash

ROWS = 1 << 16
"""Rows taken at a time."""

BUFFER = 1 << 16
"""Bytes of a Parquet file read at a time."""

Batches = Callable[[int | None], Iterator[pa.RecordBatch]]
"""Gives the batches of a table, or of one of its columns, from the beginning."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """What one pass over a table says of it."""

    rows: int
    hashes: list[bytes]
    nulls: list[int]
    sizes: list[int]
    head: pa.Table


def hashed(schema: pa.Schema, batches: Iterator[pa.RecordBatch], of: Of) -> Hashed:
    """Return what a pass over a table's batches says of it."""
    columns = [Column(field.type, of) for field in schema]
    sizes = [0] * len(columns)
    rows, shown, first = 0, 0, []
    for batch in batches:
        for at, column in enumerate(columns):
            column.update(batch.column(at))
            sizes[at] += batch.column(at).nbytes
        rows += len(batch)
        if shown < SHOWN:
            first.append(pa.Table.from_batches([batch.slice(0, SHOWN - shown)]))
            shown += min(len(batch), SHOWN - shown)
    head = pa.concat_tables([schema.empty_table(), *first])
    return Hashed(rows, [c.finish() for c in columns], [c.nulls for c in columns], sizes, head)


def encode_batches(schema: pa.Schema, batches: Batches, of: Of) -> Encoded:
    """Return the bytes and the record of the table that batches make up."""
    found = hashed(schema, batches(None), of)
    described_by = schema.serialize().to_pybytes()
    sources = [
        printed(
            Source(
                field.type,
                found.rows,
                found.sizes[at],
                lambda at=at: _same(schema.field(at).type, batches, at, found.hashes[at], of),  # type: ignore[misc]
            ),
            found.hashes[at],
        )
        for at, field in enumerate(schema)
    ]
    described = zip(schema, found.hashes, found.nulls, strict=True)
    names = list(schema.names)
    columns = list(found.head.columns)
    return codec.build(
        found.head,
        kind="table",
        codec="arrow",
        parts={"schema.arrow": described_by, **pack(sources, "columns", names)},
        digest=table_hash(found.rows, list(zip(names, found.hashes, strict=True)), b"", of),
        columns=tuple(Described(f.name, str(f.type), name(h), n) for f, h, n in described),
        text=size_text(found.rows, len(names)),
        summary={"rows": found.rows, "columns": len(names)},
        details={"form": "Table", "schema": digest_bytes(described_by)},
        preview=text_preview(picture(names, columns, found.rows)),
    )


def _same(
    type: pa.DataType, batches: Batches, at: int, expected: bytes, of: Of
) -> Iterator[pa.Array]:
    """Yield a column's chunks; raise at the end where they aren't those that were hashed."""
    again = Column(type, of)
    for batch in batches(at):
        again.update(batch.column(0))
        yield batch.column(0)
    if again.finish() != expected:
        raise UnstorableError(
            "the data changed while it was being saved", hint="save it when nothing writes to it"
        )


class StreamCodec:
    """pyarrow's data sets and readers of batches; what is decoded is a table."""

    def digest(self, value: Any, of: Of) -> bytes:
        if not _is_dataset(value):
            raise UnstorableError("a stream that can be read once has no digest of its own")
        found = hashed(value.schema, _of_dataset(value)(None), of)
        names = list(value.schema.names)
        return table_hash(found.rows, list(zip(names, found.hashes, strict=True)), b"", of)

    def encode(self, value: Any) -> Encoded:
        of = Walk().of
        if _is_dataset(value):
            return encode_batches(value.schema, _of_dataset(value), of)
        return encode_batches(value.schema, _spooled(value), of)

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return codec.load("arrow").decode(record, read)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return codec.load("arrow").export(record, read, stem, format)


def _is_dataset(value: Any) -> bool:
    return not isinstance(value, pa.RecordBatchReader)


def _of_dataset(value: Any) -> Batches:
    """Return what reads a data set, a few batches at a time."""

    import pyarrow.dataset as ds

    options = None
    if isinstance(getattr(value, "format", None), ds.ParquetFileFormat):
        # Else whole row groups, or files, are read ahead.
        options = ds.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True)

    fragments = _plain_fragments(value) if options is not None else None

    def batches(at: int | None) -> Iterator[pa.RecordBatch]:
        columns = None if at is None else [value.schema.names[at]]
        if fragments is not None:
            for fragment in fragments:
                with _opened(fragment) as file:
                    groups = [group.id for group in fragment.row_groups]
                    yield from file.iter_batches(
                        ROWS, row_groups=groups, columns=columns, use_threads=False
                    )
            return
        scanner = value.scanner(
            columns=columns,
            batch_size=ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=options,
            use_threads=False,
        )
        yield from scanner.to_batches()

    return batches


def _plain_fragments(value: Any) -> list[Any] | None:
    """Return the pieces of Parquet files that a data set is nothing but the rows of, or None.

    They are then read page by page: a scanner decodes a row group at a time.
    """
    import pyarrow.dataset as ds

    names = value.schema.names
    # A dot in a name says what lies in a column.
    if not isinstance(value, ds.FileSystemDataset) or any("." in name for name in names):
        return None
    try:
        fragments = list(value.get_fragments())
    except ValueError:  # only some of its rows or columns
        return None
    rows = 0
    for fragment in fragments:
        with _opened(fragment) as file:
            if not file.schema_arrow.equals(value.schema):
                return None
        rows += sum(group.num_rows for group in fragment.row_groups)
    return fragments if value.count_rows() == rows and len(set(names)) == len(names) else None


def _opened(fragment: Any) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(fragment.open(), pre_buffer=False, buffer_size=BUFFER)


def _spooled(reader: pa.RecordBatchReader) -> Batches:
    """Return what reads the batches of a stream again: they go to a temporary file first."""
    file = tempfile.TemporaryFile(prefix="linea-")  # noqa: SIM115 - as long as it is read
    with pa.ipc.new_file(file, reader.schema) as writer:
        for batch in reader:
            for start in range(0, len(batch), ROWS):
                writer.write_batch(batch.slice(start, ROWS))

    def batches(at: int | None) -> Iterator[pa.RecordBatch]:
        file.seek(0)
        options = pa.ipc.IpcReadOptions(
            use_threads=False, included_fields=None if at is None else [at]
        )
        found = pa.ipc.open_file(file, options=options)
        for number in range(found.num_record_batches):
            yield found.get_batch(number)

    return batches


class LazyCodec:
    """polars' queries: run, and their result is what is saved."""

    def digest(self, value: Any, of: Of) -> bytes:
        return codec.load("polars").digest(value.collect(), of)

    def encode(self, value: Any) -> Encoded:
        return codec.load("polars").encode(value.collect())

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return codec.load("polars").decode(record, read)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return codec.load("polars").export(record, read, stem, format)


STREAM, LAZY = StreamCodec(), LazyCodec()
