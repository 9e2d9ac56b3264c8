"""Values that are hard to keep, by name; as a program: them into a store, or what came back."""

from __future__ import annotations

import datetime as dt
import functools
import json
import sys
import typing
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

from linea import values
from tests.values.exact import difference


class Keys(typing.TypedDict, total=False):
    a: typing.Required[int]
    b: str


class Annotated(np.ndarray[Any, Any]):
    """An array with an attribute, as numpy's own pages show how to write one."""

    def __array_finalize__(self, other: Any) -> None:
        self.info = getattr(other, "info", None)


class Cached:
    @functools.cached_property
    def rows(self) -> list[int]:
        return [1]


Item = typing.TypeVar("Item")


def takes_keys(keys: Keys) -> Keys:
    return Keys(a=keys["a"])


def annotated() -> Any:
    array = np.arange(3).view(Annotated)
    array.info = {"unit": "m"}  # type: ignore[assignment]
    return array


def cached() -> Cached:
    value = Cached()
    assert value.rows
    return value


def twice(value: Any) -> Any:
    return {"first": value, "second": [value]}


def unique(value: Any) -> Any:
    return value.set_flags(allows_duplicate_labels=False)


def masked(dtype: Any, **more: Any) -> Any:
    return np.ma.array(np.zeros(3, dtype), mask=[0, 1, 0], **more)


def masked_fields() -> Any:
    value = np.ma.zeros(3, dtype=[("a", "i4"), ("b", [("c", "f8"), ("d", "S2")])])
    value["a"].mask = [1, 0, 0]
    value["b"]["d"] = np.ma.array([b"x", b"y", b"z"], mask=[0, 1, 1])
    return value


def dok(kind: Any) -> Any:
    value = kind((2, 3))
    value[1, 2], value[0, 1], value[0, 0] = 1.5, 2.0, 3.0
    return value


def dated(freq: Any) -> Any:
    return pd.Series(range(3), index=pd.date_range("2020", periods=3, freq=freq))


def polars(items: list[Any], kind: Any) -> Any:
    return pl.DataFrame({"x": pl.Series(items, dtype=kind, strict=False), "y": range(len(items))})


MINE = pl.Categories("mine")
BYTE = pl.Categories("byte", physical=pl.UInt8)
TWINS = pa.StructArray.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])

HARD: dict[str, Callable[[], Any]] = {
    "halves of a character": lambda: ["\ud800\udc00", "\udc00", "x\ud83d\ude00", {"\ud800": 1}],
    "one list twice": lambda: twice([1]),
    "one empty list twice": lambda: twice([]),
    "one empty dict twice": lambda: twice({}),
    "one bytearray twice": lambda: twice(bytearray(b"a")),
    "one array twice": lambda: twice(np.arange(3)),
    "one frame twice": lambda: twice(pd.DataFrame({"a": [1]})),
    "one sparse matrix twice": lambda: twice(sp.csr_matrix(np.eye(2))),
    "one array of Arrow twice": lambda: twice(pa.array([1])),
    "one series of polars twice": lambda: twice(pl.Series([1])),
    "zone named like UTC": lambda: dt.timezone(dt.timedelta(0), "UTC"),
    "safe uuid": lambda: uuid.UUID(int=1, is_safe=uuid.SafeUUID.safe),
    "defaultdict of defaultdicts": lambda: defaultdict(functools.partial(defaultdict, int)),
    "keys of a typed dict": lambda: takes_keys,
    "array with an attribute": annotated,
    "cached property": cached,
    "type variable": lambda: [Item],
    **{f"masked {d}": functools.partial(masked, d) for d in ("i1", "f4", ">i2", "M8[25s]", "m8")},
    "masked with a fill": lambda: masked("f4", fill_value=-9),
    "masked text with a long fill": lambda: masked("U2", fill_value="zzz"),
    "masked fields": masked_fields,
    "nothing masked": lambda: np.ma.masked,
    "fields that overlap": lambda: np.zeros(
        2, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 0]}
    ),
    "dok matrix in its order": lambda: dok(sp.dok_matrix),
    "dok array in its order": lambda: dok(sp.dok_array),
    "dok array of one dimension": lambda: sp.dok_array([0, 1, 2]),
    "coo in order": lambda: sp.coo_array(np.eye(3)),
    "coo out of order": lambda: sp.coo_array(([1.0, 2.0], ([1, 0], [0, 0])), shape=(2, 2)),
    "one level": lambda: pd.Series([1], index=pd.MultiIndex.from_arrays([["a"]], names=["x"])),
    "holidays": lambda: dated(pd.offsets.CustomBusinessDay(holidays=["2020-01-02"])),
    "months and days": lambda: dated(pd.DateOffset(months=1, days=1)),
    "unique labels": lambda: unique(pd.DataFrame({"a": [1]})),
    "unique labels of a series": lambda: unique(pd.Series([1])),
    "array of integers": lambda: pd.array([1, None]),
    "array of numpy": lambda: pd.arrays.NumpyExtensionArray(np.array([1, 2])),
    "array of times": lambda: pd.date_range("2020", periods=2, tz="UTC", freq="D").array,
    "array of periods": lambda: pd.period_range("2020", periods=2, freq="M").array,
    "array of intervals": lambda: pd.interval_range(0, 2).array,
    "sparse array": lambda: pd.arrays.SparseArray([0, 0, 1]),
    "views in lists": lambda: pa.array([["a" * 20, None], None], pa.list_(pa.string_view())),
    "views in structs": lambda: pa.array([{"a": b"x" * 20}], pa.struct([("a", pa.binary_view())])),
    "fields of one name": lambda: pa.table({"s": TWINS}),
    "scalar of Arrow": lambda: pa.scalar(5, pa.int8()),
    "scalar with days": lambda: pa.scalar(pa.MonthDayNano([1, 2, 3])),
    "scalar of a dictionary": lambda: pa.array(["a"]).dictionary_encode()[0],
    "names of polars": lambda: pl.DataFrame({"": [1], " ": [2], "\0": [3], "é💥": [4]}),
    "wide integers": lambda: polars([2**100, None, -1], pl.Int128),
    "wide integers in lists": lambda: polars([[2**100], None], pl.List(pl.UInt128)),
    "categories of a name": lambda: polars(["b", None, "a"], pl.Categorical(MINE)),
    "categories of a byte": lambda: polars(["b", None, "a"], pl.Categorical(BYTE)),
    "categories in lists": lambda: polars([["b"], None], pl.List(pl.Categorical(MINE))),
}


def main(mode: str) -> None:
    """Save all to the store of the folder, or print what of it comes back as anything else."""
    import linea

    for name, make in HARD.items():
        value = make()
        if mode == "save":
            linea.save(value, name)
            continue
        artifact = linea.get(name)
        back = artifact.get_value()
        print(json.dumps([name, difference(value, back), _told(artifact.digest, value, back)]))


def _told(digest: str, value: Any, back: Any) -> str | None:
    found = {"of its like": values.digest(value), "of what was read": values.digest(back)}
    return next((f"the digest {what} differs" for what in found if found[what] != digest), None)


if __name__ == "__main__":
    # Under the name that classes are pickled with.
    from tests.values.hard import main as run

    run(*sys.argv[1:])
