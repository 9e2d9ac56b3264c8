"""Some columns and rows of a value: what comes back, and how little of the store is read."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linea import values
from linea.errors import NotInValueError
from linea.model import ArtifactName, Draft
from linea.store.repository import MemoryRepository
from tests.values.cases import ARRAYS, ARROW, PANDAS, POLARS

BOUNDS = [(0, 2), (1, 3), (None, -1), (1, None), (5, 2), (0, 0), (-2, None)]


def part(value: Any, **wanted: Any) -> Any:
    made = values.settled(values.encode(value))
    return values.decode(made.record, made.parts.__getitem__, **wanted)


def same(a: Any, b: Any) -> bool:
    return values.digest(a) == values.digest(b) and type(a) is type(b)


ROWS = [n for n in {**PANDAS, **POLARS, **ARROW} if "sparse" not in n and n != "arrow no columns"]


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_those_of_the_whole(name: str) -> None:
    """Rows that are read alone are the rows that slicing the whole gives."""
    value = {**PANDAS, **POLARS, **ARROW}[name]()
    for start, stop in BOUNDS:
        whole = value.iloc[start:stop] if hasattr(value, "iloc") else value[start:stop]
        assert same(part(value, rows=slice(start, stop)), whole), (start, stop)


@pytest.mark.parametrize(
    "name", [n for n in ARRAYS if ARRAYS[n]().shape and n.startswith(("array", "masked"))]
)
def test_rows_of_arrays(name: str) -> None:
    """Rows of an array are those along its first axis."""
    value = ARRAYS[name]()
    for start, stop in BOUNDS:
        assert same(part(value, rows=slice(start, stop)), value[start:stop])


@pytest.mark.parametrize("labels", [[1, "1", 1.0], [None, "", "None"], [("a", 1), "('a', 1)", 0]])
def test_labels_that_read_alike_are_told_apart(labels: list[Any]) -> None:
    """A column is chosen by its label, not by the text of it, where there are several of that."""
    frame = pd.DataFrame(
        [[10, 20, 30]], columns=pd.Index(labels, dtype=object, tupleize_cols=False)
    )
    for at, label in enumerate(labels):
        assert same(part(frame, columns=[label]), frame.iloc[:, [at]])


def test_columns_come_in_the_order_asked_for() -> None:
    """Columns that are read alone are the table's, with its index."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], 3: [0.5, 1.5]}, index=["p", "q"])
    pd.testing.assert_frame_equal(part(frame, columns=["b", "a"]), frame[["b", "a"]])
    pd.testing.assert_frame_equal(part(frame, columns=[3]), frame[[3]])
    pd.testing.assert_frame_equal(part(frame, columns=[]), frame[[]])
    table = pa.table({"a": [1], "b": ["x"]})
    assert part(table, columns=["b"]).equals(table.select(["b"]))
    assert part(pl.from_arrow(table), columns=["b"]).equals(pl.DataFrame({"b": ["x"]}))
    twins = pd.DataFrame([[1, 2, 3]], columns=["x", "y", "x"])
    pd.testing.assert_frame_equal(part(twins, columns=["x"]), twins[["x"]])
    levels = pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    pd.testing.assert_frame_equal(part(levels, columns=[("b", 2)]), levels[[("b", 2)]])


def test_what_is_not_there_is_named() -> None:
    """A column that isn't there, or rows of something without, are an error with a hint."""
    frame = pd.DataFrame({"price": [1], "name": ["a"]})
    with pytest.raises(NotInValueError, match="no column 'prise'") as caught:
        part(frame, columns=["prise"])
    assert caught.value.hint == "did you mean 'price'?"
    with pytest.raises(NotInValueError, match="without a step"):
        part(frame, rows=slice(0, 5, 2))
    with pytest.raises(NotInValueError, match="no columns"):
        part([1, 2], columns=["a"])
    with pytest.raises(NotInValueError, match="no rows"):
        part({"a": 1}, rows=slice(1))
    with pytest.raises(NotInValueError, match="no rows"):
        part(np.array(1.5), rows=slice(1))


class Counting:
    """A store in memory that counts the bytes of the objects it reads."""

    def __init__(self, value: Any) -> None:
        self.store = MemoryRepository()
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        draft = Draft(ArtifactName("v"), "", "", values.encode(value), "A <a@b>", moment)
        (self.version,) = self.store.commit([draft])
        self.bytes = self.objects = 0
        read = self.store._backend.read

        def counted(id: Any, **how: Any) -> Any:
            found = read(id, **how)
            self.bytes += len(found.data)
            self.objects += 1
            return found

        self.store._backend.read = counted  # type: ignore[method-assign]

    def get(self, **wanted: Any) -> Any:
        self.bytes = self.objects = 0
        return values.decode(self.version.value, self.store.read_part(self.version), **wanted)


def test_few_rows_read_few_segments() -> None:
    """A thousand rows of a million are read from a segment or two a column."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({c: rng.normal(size=400_000) for c in "abcd"})
    store = Counting(frame)
    store.get()
    whole, objects = store.bytes, store.objects
    found = store.get(columns=["c"], rows=slice(200_000, 201_000))
    pd.testing.assert_frame_equal(found, frame[["c"]].iloc[200_000:201_000])
    assert store.bytes < whole / 30
    assert store.objects < objects / 5


def test_few_rows_of_an_array_read_few_segments() -> None:
    """Rows of a large array are read without the others."""
    array = np.random.default_rng(0).normal(size=(400_000, 10))
    store = Counting(array)
    drawn = random.Random(0)
    for _ in range(20):
        start = drawn.randrange(400_000)
        np.testing.assert_array_equal(
            store.get(rows=slice(start, start + 50)), array[start : start + 50]
        )
        assert store.bytes < array.nbytes / 30


def test_a_listing_reads_no_value(tmp_path: Path) -> None:
    """What the manifest says is answered without any part of the value."""
    from linea.history.diff import diff

    rng = np.random.default_rng(0)
    store = Counting(pd.DataFrame({c: rng.normal(size=100_000) for c in "ab"}))
    store.bytes = 0
    diff(store.store, store.version, store.version)
    assert store.bytes < 10_000
