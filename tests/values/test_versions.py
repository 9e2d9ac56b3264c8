"""Values that follow each other in a store: each comes back as it was saved, not as one before it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from linea import values
from linea.model import ArtifactName, Draft
from linea.store.repository import MemoryRepository
from tests.values.cases import CASES
from tests.values.cases import OBJECTS as OBJECT_CASES
from tests.values.test_round_trip import same

ROWS = 9000
TEXTS = np.array(["b", "a"] * (ROWS // 2))
NUMBERS = np.arange(ROWS)
OBJECTS = np.array(["x", None, np.nan] * (ROWS // 3), dtype=object)


def saved(store: MemoryRepository, value: Any) -> Any:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    draft = Draft(ArtifactName("v"), "", "", values.encode(value), "A <a@b>", moment)
    (version,) = store.commit([draft])
    return values.decode(version.value, store.read_part(version))


def nulls(values: Any) -> list[str]:
    return [type(v).__name__ + repr(v) for v in values]


PAIRS: dict[str, tuple[Any, Any]] = {
    "other order of categories": (
        pd.Series(pd.Categorical(TEXTS, ["a", "b"])),
        pd.Series(pd.Categorical(TEXTS, ["b", "a"])),
    ),
    "categories that aren't used": (
        pd.Series(pd.Categorical(TEXTS, ["a", "b"])),
        pd.Series(pd.Categorical(TEXTS, ["a", "b", "c"])),
    ),
    "categories of their own index": (
        pd.Series(pd.Categorical(NUMBERS % 3, pd.Index([0, 1, 2], dtype="int8"))),
        pd.Series(pd.Categorical(NUMBERS % 3, pd.Index([0, 1, 2], dtype="int64"))),
    ),
    "text and categories": (pd.Series(TEXTS), pd.Series(TEXTS).astype("category")),
    "range and numbers as index": (
        pd.Series(NUMBERS * 2.5),
        pd.Series(NUMBERS * 2.5, index=pd.Index(NUMBERS.copy(), dtype="int64")),
    ),
    "numpy and nullable": (pd.Series(NUMBERS), pd.Series(NUMBERS, dtype="Int64")),
    "nullable and Arrow": (pd.Series(NUMBERS, dtype="Int64"), pd.Series(NUMBERS, dtype="int64[pyarrow]")),
    "pandas and polars": (pd.DataFrame({"a": NUMBERS}), pl.DataFrame({"a": NUMBERS})),
    "polars and Arrow": (pl.DataFrame({"a": NUMBERS}), pa.table({"a": NUMBERS})),
    "text and dictionary": (pa.table({"a": TEXTS}), pa.table({"a": pa.array(TEXTS).dictionary_encode()})),
    "string widths": (pa.table({"a": TEXTS}), pa.table({"a": pa.array(TEXTS).cast(pa.large_string())})),
    "metadata": (pa.table({"a": NUMBERS}), pa.table({"a": NUMBERS}).replace_schema_metadata({"k": "v"})),
    "C and F order": (np.ones((90, 100)), np.ones((90, 100), order="F")),
    "byte order": (NUMBERS.astype("<i8"), NUMBERS.astype(">i8")),
    "enum and categories": (
        pl.DataFrame({"a": pl.Series(TEXTS, dtype=pl.Enum(["a", "b"]))}),
        pl.DataFrame({"a": pl.Series(TEXTS, dtype=pl.Categorical)}),
    ),
    "enum's order": (
        pl.DataFrame({"a": pl.Series(TEXTS, dtype=pl.Enum(["a", "b"]))}),
        pl.DataFrame({"a": pl.Series(TEXTS, dtype=pl.Enum(["b", "a"]))}),
    ),
    "frequency": (
        pd.Series(1.5, index=pd.date_range("2020", periods=ROWS, freq="D")),
        pd.Series(1.5, index=pd.DatetimeIndex(pd.date_range("2020", periods=ROWS, freq="D").to_numpy())),
    ),
    "width of sparse indices": (
        sp.csr_array(np.eye(50)),
        (lambda m: sp.csr_array((m.data, m.indices.astype("i8"), m.indptr.astype("i8")), shape=m.shape))(sp.csr_array(np.eye(50))),
    ),
    "list and tuple": ([1, 2], (1, 2)),
    "bytes and bytearray": (b"a" * 30_000, bytearray(b"a" * 30_000)),
    "mask of nothing": (np.ma.MaskedArray(NUMBERS), np.ma.MaskedArray(NUMBERS, mask=np.zeros(ROWS, bool))),
    "names of columns": (pd.DataFrame({"a": NUMBERS, "b": NUMBERS}), pd.DataFrame({"b": NUMBERS, "a": NUMBERS})),
    "twins": (pd.DataFrame({"a": NUMBERS, "b": NUMBERS}), pd.DataFrame({"a": NUMBERS, "b": NUMBERS[::-1]})),
}  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_what_looks_alike_is_told_apart(name: str, turned: bool) -> None:
    """Values with one digest and different clothes come back in their own."""
    first, second = PAIRS[name][::-1] if turned else PAIRS[name]
    store = MemoryRepository()
    for value in (first, second, first):
        assert same(value, saved(store, value))


def test_nulls_of_objects_stay_what_they_were() -> None:
    """None and NaN among objects, equal to a digest, come back where they stood."""
    store = MemoryRepository()
    for turned in (OBJECTS, OBJECTS[::-1], np.where(OBJECTS == "x", "x", None)):
        back = saved(store, pd.Series(turned, dtype=object))
        assert nulls(back) == nulls(turned)


def test_any_value_may_follow_any_other() -> None:
    """Saved under one name in any order, every kind of value comes back as itself."""
    names = [name for name in CASES if name not in OBJECT_CASES]
    random.Random(4).shuffle(names)
    store = MemoryRepository()
    for name in names:
        value = CASES[name]()
        assert same(value, saved(store, value)), name


def test_a_table_comes_back_through_random_edits() -> None:
    """However a table is edited from version to version, each version is as it was."""
    rng = np.random.default_rng(7)
    now = pd.DataFrame(
        {
            "id": np.arange(30_000),
            "x": rng.normal(size=30_000),
            "n": pd.array(np.where(rng.random(30_000) < 0.2, np.nan, rng.integers(0, 9, 30_000)), "Float64"),
            "t": rng.integers(0, 500, 30_000).astype(str),
            "c": pd.Categorical(rng.integers(0, 5, 30_000).astype(str)),
        }
    )  # fmt: skip
    store = MemoryRepository()
    kept = []
    for step in range(12):
        at = int(rng.integers(0, len(now) - 100))
        match step % 6:
            case 0:
                now = pd.concat([now, now.iloc[at : at + 50]], ignore_index=True)
            case 1:
                now = now.copy()
                now.loc[rng.integers(0, len(now), 40), "x"] = 0.25
            case 2:
                now = now.drop(index=rng.choice(len(now), 30, replace=False)).reset_index(drop=True)
            case 3:
                now = now.iloc[::-1] if step > 6 else now[["c", "x", "id", "n", "t"]]
            case 4:
                now = now.assign(t=now["t"].where(now["id"] % 7 != 0, None))
            case _:
                now = now.rename(columns={"x": f"x{step}"}).rename(columns={f"x{step}": "x"})
        kept.append(now)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        store.commit([Draft(ArtifactName("v"), "", "", values.encode(now), "A <a@b>", moment)])
    for number, value in enumerate(kept, 1):
        version = store.version("v", number)
        back: Any = values.decode(version.value, store.read_part(version))
        pd.testing.assert_frame_equal(back, value)
