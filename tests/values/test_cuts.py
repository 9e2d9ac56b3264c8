"""Cuts: where content is cut doesn't depend on what lies far away, nor on how it came."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linea.errors import DamagedStoreError
from linea.model import (
    ArtifactName,
    Buffer,
    Digest,
    Draft,
    Encoded,
    Part,
    Stream,
    ValueRecord,
)
from linea.store.repository import MemoryRepository
from linea.values import cuts, packing, unpacking
from linea.values.parts import Pieces, byte_stream

ROWS = 300_000
RNG = np.random.default_rng(5)
WORDS = np.array([f"word-{i}" for i in range(5000)])

COLUMNS: dict[str, pa.Array] = {
    "floats": pa.array(RNG.normal(size=ROWS)),
    "floats with nulls": pa.array(RNG.normal(size=ROWS), mask=RNG.random(ROWS) < 0.1),
    "small ints": pa.array(RNG.integers(0, 50, ROWS).astype("i4")),
    "shorts": pa.array(RNG.integers(0, 9000, 4 * ROWS).astype("i2")),
    "bytes": pa.array(RNG.integers(0, 256, 8 * ROWS).astype("u1")),
    "texts": pa.array(WORDS[RNG.integers(0, 5000, ROWS)]),
    "texts with nulls": pa.array(WORDS[RNG.integers(0, 5000, ROWS)], mask=RNG.random(ROWS) < 0.2),
    "binaries": pa.array(WORDS[RNG.integers(0, 5000, ROWS)]).cast(pa.large_binary()),
    "lists": pa.array([[i, i * 7 % 31] if i % 5 else None for i in range(ROWS)]),
    "fixed lists": pa.array([[i * i % 97, i] for i in range(ROWS)], pa.list_(pa.int32(), 2)),
    "structs": pa.array([{"a": i * i % 1013, "b": str(i % 71)} if i % 9 else None for i in range(ROWS)]),
    "decimals": pa.array(RNG.integers(0, 10**9, ROWS)).cast(pa.decimal128(20, 0)),
    "times": pa.array(np.cumsum(RNG.integers(0, 9, ROWS))).cast(pa.timestamp("s", "UTC")),
    "bools": pa.array(RNG.random(20 * ROWS) < 0.4, mask=RNG.random(20 * ROWS) < 0.1),
    "views": pa.array(WORDS[RNG.integers(0, 5000, ROWS)]).cast(pa.string_view()),
}  # fmt: skip


def pieces(*chunks: Any) -> list[bytes]:
    """The segments of a column that comes in chunks, its head left out."""
    column = packing.Source(chunks[0].type, 0, 0, lambda: list(chunks))
    return [bytes(segment.data) for segment in packing.stream(column, "")][1:]


def read(column: pa.Array) -> pa.ChunkedArray:
    stream = packing.stream(packing.source(column), "")
    return unpacking.read(as_pieces(*(s.data for s in stream)), len(bytes(stream)))


def as_pieces(*pieces: Buffer) -> Pieces:
    """Pieces that lie where they are, whatever room there is for them."""
    return lambda room: iter(pieces)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_from_its_segments(name: str) -> None:
    """Whatever its type, a column is the same after it was cut and joined, also as one piece."""
    column = COLUMNS[name].slice(3)
    back = read(column)
    assert back.type == column.type
    assert back.equals(pa.chunked_array([column]))
    back.validate(full=True)
    whole = bytes(packing.stream(packing.source(column), ""))
    assert unpacking.read(as_pieces(whole), len(whole)).equals(back)


@pytest.mark.parametrize("name", COLUMNS)
def test_chunks_do_not_show(name: str) -> None:
    """However a column came in chunks, its segments are the same."""
    column = COLUMNS[name]
    drawn = random.Random(1)
    places = sorted(drawn.randrange(len(column)) for _ in range(9))
    bounds = [0, *places, places[-1], len(column)]
    cut = [column.slice(a, b - a) for a, b in pairwise(bounds)]
    assert pieces(*cut) == pieces(column)


@pytest.mark.parametrize("name", [n for n in COLUMNS if n != "bools"])
def test_rows_put_in_move_few_cuts(name: str) -> None:
    """Where rows are put in, at most two segments or a tenth of them change, and no later one."""
    column = COLUMNS[name]
    middle = len(column) // 2 + 13
    more = pa.concat_arrays([column.slice(0, middle), column.slice(5, 37), column.slice(middle)])
    before, after = pieces(column), pieces(more)
    new = set(after) - set(before)
    assert len(before) > 2
    assert len(new) <= 3
    assert after[-1] == before[-1]


def test_segments_have_the_sizes_that_they_should() -> None:
    """No segment but the last is shorter than the least or much longer than the most."""
    for name in ("floats", "texts", "small ints"):
        sizes = [len(piece) for piece in pieces(COLUMNS[name])]
        assert min(sizes[:-1]) >= cuts.LEAST // 2
        assert max(sizes) <= cuts.MOST * 2
        assert 120_000 < np.mean(sizes) < 750_000


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_blocks_of_bytes_do_not_show(width: int) -> None:
    """Bytes are cut in the same places however they come in blocks."""
    data = RNG.integers(0, 256, 2_000_003, dtype=np.uint8).tobytes()
    whole = list(cuts.of_bytes([data], width))
    drawn = random.Random(2)
    places = sorted(drawn.randrange(len(data)) for _ in range(20))
    bounds = [0, *places, len(data)]
    blocks = [data[a:b] for a, b in pairwise(bounds)]
    assert b"".join(whole) == data
    assert list(cuts.of_bytes(blocks, width)) == whole
    assert list(cuts.of_bytes([data[i : i + 1] for i in range(3000)], width)) == [data[:3000]]


def test_bytes_put_in_move_few_cuts() -> None:
    """A pickle or a file of which a part changed keeps its other segments."""
    data = RNG.integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()
    changed = data[:1_500_000] + b"something new" + data[1_500_000:]
    before, after = set(cuts.of_bytes([data])), list(cuts.of_bytes([changed]))
    assert sum(piece not in before for piece in after) <= 2


@pytest.mark.parametrize("fill", [0, 1.0, "", "same text"])
def test_columns_of_one_value_are_cut_too(fill: Any) -> None:
    """A column whose content marks no place, or every place, has segments of a sound size."""
    column = pa.array([fill] * 400_000)
    sizes = [len(piece) for piece in pieces(column)]
    assert len(set(sizes[:-1])) <= 1
    assert max(sizes) <= cuts.MOST * 2
    assert read(column).equals(pa.chunked_array([column]))


def test_an_empty_column_has_a_head_alone() -> None:
    """No rows, no segments; the type is kept."""
    column = pa.array([], pa.timestamp("us", "UTC"))
    assert pieces(column) == []
    assert read(column).type == column.type


def test_a_row_larger_than_any_segment_is_one_segment() -> None:
    """Rows aren't cut."""
    column = pa.array(["a", "x" * 3_000_000, "b"])
    assert read(column).equals(pa.chunked_array([column]))
    nested = pa.array([[0] * 500_000, [1], None])
    assert read(nested).equals(pa.chunked_array([nested]))


@pytest.mark.parametrize("name", COLUMNS)
def test_damaged_columns_are_errors_and_nothing_else(name: str) -> None:
    """Whatever bytes stand for a column, they are read as one or refused, in bounds."""
    drawn = random.Random(name)
    for _ in range(60):
        column = COLUMNS[name].slice(0, drawn.randrange(200))
        data = bytearray(bytes(packing.stream(packing.source(column), "")))
        for _ in range(drawn.randrange(1, 5)):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        broken = bytes(data[: drawn.choice([len(data), drawn.randrange(len(data))])])
        try:
            found = unpacking.read(as_pieces(broken), len(broken))
        except DamagedStoreError:
            continue
        found.validate()


def edits(size: int) -> Iterator[list[slice]]:
    """What of a column comes after what, where it has been edited: as slices of the one before."""
    third = size // 3
    yield [slice(0, size)]
    yield [slice(0, size), slice(0, size // 50)]
    yield [slice(0, third), slice(5, 42), slice(third, size)]
    yield [slice(0, third), slice(third + 7, size)]
    yield [slice(third, size)]
    yield [slice(0, third)]
    yield [slice(third, size), slice(0, third)]
    yield [
        slice(0, third),
        slice(0, 9),
        slice(third + 9, 2 * third),
        slice(0, 1),
        slice(2 * third, size),
    ]


def parts(store: MemoryRepository, *made: Stream) -> tuple[Part, ...]:
    """The part that is stored of each version, the last one's."""
    for each in made:
        record = ValueRecord("table", "t", Digest(f"xxh3:1:{RNG.integers(1 << 60):032x}"), "x")
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        value = Encoded(record, {"p": each})
        (version,) = store.commit([Draft(ArtifactName("a"), "", "", value, "A <a@b>", moment)])
    return version.value.parts


@pytest.mark.parametrize("name", COLUMNS)
def test_a_version_before_moves_no_cut(name: str) -> None:
    """A column has the same segments whether a version like it was there before or not."""
    column = COLUMNS[name]
    first = packing.stream(packing.source(column), "")
    for edit in edits(len(column)):
        after = pa.chunked_array([column[each] for each in edit])
        second = packing.stream(packing.source(after), "")
        assert parts(MemoryRepository(), first, second) == parts(MemoryRepository(), second)


@pytest.mark.parametrize("width", [1, 4, 8])
def test_a_version_before_moves_no_cut_of_bytes(width: int) -> None:
    """Bytes have the same segments whether a version like them was there before or not."""
    data = np.cumsum(RNG.integers(0, 9, 300_000)).tobytes()
    first = byte_stream(lambda: [data], len(data), width=width)
    for edit in edits(len(data) // 8):
        blocks = [data[8 * each.start : 8 * each.stop] for each in edit]
        for made in (blocks, [b"".join(blocks)]):
            second = byte_stream(lambda made=made: made, len(data), width=width)
            assert parts(MemoryRepository(), first, second) == parts(MemoryRepository(), second)
