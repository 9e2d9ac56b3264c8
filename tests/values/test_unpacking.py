"""Columns are made where they belong, segment by segment, and what isn't right is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linea import values
from linea.errors import DamagedStoreError
from linea.model import ArtifactName, Buffer, Draft, Payload, Room, Segment, Stream
from linea.store.repository import Repository
from linea.values import packing, unpacking
from linea.values.arrays import from_pieces, npy
from linea.values.parts import Pieces, complete

ROWS = 120_000


def gaps(count: int) -> np.ndarray:
    """Which rows are null: none at first, some in the middle, none at the end."""
    mask = np.zeros(count, bool)
    mask[count // 3 : count // 2 : 7] = True
    return mask


def columns() -> dict[str, pa.Array]:
    rng = np.random.default_rng(0)
    mask = gaps(ROWS)
    words = np.array([f"{'ü' * (n % 9)}{n}" for n in rng.integers(0, 10**6, ROWS)], object)
    codes = np.array([f"code-{n:06d}" for n in rng.integers(0, 10**6, ROWS)], object)
    found = {
        str(dtype): pa.array(rng.integers(0, 100, ROWS).astype(dtype), mask=gap)
        for dtype in ("i1", "u2", "i4", "f4", "i8", "f8")
        for gap in [mask]
    }
    found |= {
        "whole": pa.array(rng.normal(size=ROWS)),
        "wide": pa.array(
            [Decimal(int(n)) for n in rng.integers(0, 99, ROWS)], pa.decimal128(20, 0)
        ),
        "twelve": pa.array([b"%012d" % n for n in range(ROWS)], pa.binary(12)),
        "words": pa.array(words, pa.string()),
        "words with gaps": pa.array(words, pa.large_string(), mask=mask),
        "codes": pa.array(codes, pa.string()),
        "codes with gaps": pa.array(codes, pa.string(), mask=mask),
        "no text at all": pa.array([""] * ROWS),
        "one": pa.array([7]),
    }
    return found


COLUMNS = columns()


def in_place(segments: list[Segment], lie: int = 0) -> Pieces:
    """Pieces that are put where there is room for them, their counts off by `lie`."""

    def pieces(room: Room) -> Iterator[Buffer]:
        for segment in segments:
            place = room(segment.count + lie if segment.count else 0, len(segment.data))
            if place is None:
                yield segment.data
            else:
                place[:] = segment.data
                yield place

    return pieces


@pytest.mark.parametrize("name", COLUMNS)
def test_segments_are_made_in_place(name: str) -> None:
    """A column whose segments are put where they belong is the one that was cut."""
    column = COLUMNS[name]
    segments = list(packing.stream(packing.source(column), ""))
    back = unpacking.read(in_place(segments), sum(len(each.data) for each in segments))
    back.validate(full=True)
    assert back.equals(pa.chunked_array([column]))


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("lie", [-9, -1, 1, 4096])
def test_rows_that_an_index_lies_about(name: str, lie: int) -> None:
    """Where an index names other numbers of rows than there are, no wrong column comes of it."""
    column = COLUMNS[name]
    segments = list(packing.stream(packing.source(column), ""))
    try:
        back = unpacking.read(in_place(segments, lie), sum(len(s.data) for s in segments))
    except DamagedStoreError:
        return
    assert back.equals(pa.chunked_array([column]))


def test_arrays_are_made_in_place() -> None:
    """An array whose segments are put where they belong is the one that was cut."""
    for array in (np.random.default_rng(0).normal(size=(500, 300)), np.zeros((0, 3)), np.array(1)):
        part = npy(array)
        found = [Segment(1, part)] if isinstance(part, bytes) else list(part)
        np.testing.assert_array_equal(from_pieces(in_place(found)), array)


def test_no_flipped_bit_is_read(tmp_path: Path) -> None:
    """Whatever bit of a stored table flips, loading it gives the table or an error."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": np.arange(40_000),
            "noise": rng.normal(size=40_000),
            "price": np.round(rng.gamma(2, 50, 40_000), 2),
            "gaps": pd.array(np.where(rng.random(40_000) < 0.1, np.nan, 7.0), dtype="Float64"),
            "note": [f"note {n}" for n in rng.integers(0, 10**6, 40_000)],
        }
    )
    when = datetime(2026, 1, 1, tzinfo=UTC)
    with Repository.create(tmp_path / "store") as store:
        draft = Draft(ArtifactName("t"), "", "", values.encode(table), "A <a@b>", when)
        (version,) = store.commit([draft])
    (pack,) = (tmp_path / "store" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o600)
    whole = pack.read_bytes()
    raised = 0
    for at in rng.integers(12, len(whole) - 20, 150):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(rng.integers(8))
        pack.write_bytes(broken)
        with Repository.open(tmp_path / "store") as store:
            try:
                found = values.decode(version.value, store.read_part(version))
            except DamagedStoreError:
                raised += 1
            else:
                pd.testing.assert_frame_equal(found, table)
    assert raised > 100


def table(rows: int = 30_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "price": np.round(rng.gamma(2, 50, rows), 2),
            "noise": rng.normal(size=rows),
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), unit="s"),
            "gaps": pd.array(np.where(rng.random(rows) < 0.1, np.nan, 7.0), dtype="Float64"),
            "word": np.array(["one", "three"])[rng.integers(0, 2, rows)],
            "kind": pd.Categorical.from_codes(rng.integers(-1, 3, rows), ["a", "b", "c"]),
        }
    )


def test_a_table_is_read_by_many_at_once(tmp_path: Path) -> None:
    """A table read by several threads at once is the one that was saved, and each owns its own."""
    first = table()
    draft = Draft(
        ArtifactName("t"), "", "", values.encode(first), "A <a@b>", datetime(2026, 1, 1, tzinfo=UTC)
    )
    with Repository.create(tmp_path / "store") as store:
        (version,) = store.commit([draft])

        def load() -> object:
            return values.decode(version.value, store.read_part(version))

        with ThreadPoolExecutor(3) as pool:
            for found in [task.result() for task in [pool.submit(load) for _ in range(4)]]:
                pd.testing.assert_frame_equal(found, first)
        found = load()
        assert isinstance(found, pd.DataFrame)
        found.iloc[0, 0] = 1.0  # what was read belongs to who read it


def test_a_damaged_column_is_told(tmp_path: Path) -> None:
    """A column with a flipped bit raises the store's error, which names it."""
    encoded = values.encode(table())
    parts: dict[str, Payload] = {path: bytes(part) for path, part in encoded.parts.items()}
    record = complete(encoded)
    broken = bytearray(bytes(parts["columns/1"]))
    broken[len(broken) // 2] ^= 1

    def read(path: str) -> Payload:
        payload = bytes(broken) if path == "columns/1" else parts[path]
        assert isinstance(payload, bytes)
        return Stream(lambda: iter([Segment(len(payload), payload)]), size=len(payload))

    with pytest.raises(DamagedStoreError, match="columns/1"):
        values.decode(record, read)
