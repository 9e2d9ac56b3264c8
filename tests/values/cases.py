"""Values of every kind that linea stores, by name: the table that several tests walk.

Run as a program, it prints the digest of each, so that processes can be compared.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import operator
import re
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

from linea import values

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Flags(enum.IntFlag):
    A = 1
    B = 2


@dataclasses.dataclass
class Config:
    rate: float
    names: list[str] = dataclasses.field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, [2]

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and (self.a, self.b) == (other.a, other.b)


class Text(str):
    pass


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "int": [3, 1, 2],
            "float": [1.5, np.nan, -0.0],
            "text": ["x", None, "żółw"],
            "flag": [True, False, True],
            "day": pd.date_range("2024-01-01", periods=3),
            "kind": pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"], ordered=True),
        }
    )


PLAIN: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "one": lambda: 1,
    "one float": lambda: 1.0,
    "big int": lambda: -(10**5000),
    "int beyond 64 bits": lambda: 1 << 63,
    "nan": lambda: float("nan"),
    "inf": lambda: float("-inf"),
    "minus zero": lambda: -0.0,
    "complex": lambda: complex(1, -0.0),
    "complex nan": lambda: complex(float("nan"), 2),
    "text": lambda: "héllo\nwörld 🐢",
    "empty text": lambda: "",
    "lone surrogate": lambda: "a\ud800b",
    "two surrogates": lambda: "\ud83d\ude00",
    "bytes": lambda: b"\x00\xff",
    "bytearray": lambda: bytearray(b"abc"),
    "list": lambda: [1, "a", None, [2.5, True]],
    "nested": lambda: {"a": [{"b": (1, {2, 3})}], "c": {}},
    "floats": lambda: [0.1, float("nan"), -0.0, 1e300],
    "tuple": lambda: (1, (2,), []),
    "empty tuple": lambda: (),
    "set": lambda: {"x", "y", 3, None, (1, "z")},
    "frozenset": lambda: frozenset(["p", "q"]),
    "dict order": lambda: {"b": 1, "a": 2},
    "dict of other keys": lambda: {1: "a", None: "b", (1, 2): "c", "1": "d"},
    "dict with the tag as key": lambda: {"~": "set", "v": [1]},
    "date": lambda: dt.date(2024, 2, 29),
    "datetime": lambda: dt.datetime(2024, 2, 29, 1, 2, 3, 4),
    "datetime in a fold": lambda: dt.datetime(
        2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris")
    ),
    "datetime utc": lambda: dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "time": lambda: dt.time(1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2), "X")),
    "timedelta": lambda: dt.timedelta(days=-1, microseconds=5),
    "zone": lambda: ZoneInfo("Asia/Tokyo"),
    "decimal": lambda: decimal.Decimal("1.00"),
    "uuid": lambda: uuid.UUID(int=5),
    "range": lambda: range(3, 30, 7),
    "slice": lambda: slice(1, None, 2),
    "path": lambda: Path("/tmp/x y"),
    "pure paths": lambda: [PurePosixPath("a/b"), PureWindowsPath("c:\\d")],
    "ellipsis": lambda: ...,
    "numpy scalars": lambda: [np.float64(0.1), np.int8(-3), np.bool_(True), np.float32("nan")],
    "numpy datetime": lambda: [np.datetime64("2024-01-01", "D"), np.timedelta64(5, "ms")],
    "numpy text": lambda: [np.str_("abc"), np.bytes_(b"x")],
}

ARRAYS: dict[str, Callable[[], Any]] = {
    "array": lambda: np.arange(12.0).reshape(3, 4),
    "array fortran": lambda: np.asfortranarray(np.arange(12).reshape(3, 4)),
    "array big-endian": lambda: np.arange(5, dtype=">i4"),
    "array 0-d": lambda: np.array(3.5),
    "array empty": lambda: np.empty((0, 3), dtype="f4"),
    "array bool": lambda: np.array([[True, False]]),
    "array complex": lambda: np.array([1 + 2j, complex("nan")]),
    "array long double": lambda: np.array([1, 2, np.nan], dtype=np.longdouble),
    "array half": lambda: np.array([1.5, np.nan], dtype="f2"),
    "array datetime": lambda: np.array(["2024-01-01", "NaT"], dtype="M8[ns]"),
    "array timedelta": lambda: np.array([1, 2], dtype="m8[h]"),
    "array text": lambda: np.array(["ab", "cde"]),
    "array bytes": lambda: np.array([b"ab", b"c"]),
    "array void": lambda: np.array([b"ab", b"cd"], dtype="V2"),
    "array structured": lambda: np.array(
        [(1, 2.0, "x", [1, 2])], dtype=[("a", "i1"), ("b", "f8"), ("c", "U3"), ("d", "i2", 2)]
    ),
    "array aligned": lambda: np.zeros(3, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "array objects": lambda: np.array([1, "a", None, [1, 2]], dtype=object),
    "array objects 2-d": lambda: np.array([[1, "a"], [None, 2.5]], dtype=object),
    "array objects pickled": lambda: np.array([Point(1, 2), Colour.RED], dtype=object),
    "array strings": lambda: np.array(["a", "longer text"], dtype=np.dtypes.StringDType()),
    "masked": lambda: np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-1.0),
    "masked nothing": lambda: np.ma.MaskedArray([1, 2]),
    "csr": lambda: sp.random(5, 4, 0.5, "csr", random_state=0),
    "csc array": lambda: sp.csc_array(np.eye(3)),
    "coo": lambda: sp.coo_matrix(([1.0, 2.0], ([0, 2], [1, 1])), shape=(3, 3)),
    "lil": lambda: sp.lil_matrix(np.eye(3)),
    "dok": lambda: sp.dok_array(np.eye(3)),
    "dia": lambda: sp.dia_matrix(np.eye(3)),
    "bsr": lambda: sp.bsr_matrix(np.eye(4), blocksize=(2, 2)),
}


def _columns(*arrays: Any) -> pd.DataFrame:
    return pd.concat([pd.Series(a) for a in arrays], axis=1)


PANDAS: dict[str, Callable[[], Any]] = {
    "frame": frame,
    "frame empty": pd.DataFrame,
    "frame no rows": lambda: frame().iloc[:0],
    "frame no columns": lambda: pd.DataFrame(index=[1, 5]),
    "frame with index": lambda: frame().set_index("text"),
    "frame with two levels": lambda: frame().set_index(["kind", "int"]),
    "frame with range": lambda: frame().iloc[::2],
    "frame with named range": lambda: frame().rename_axis("row"),
    "frame with dates": lambda: frame().set_index("day").asfreq("D"),
    "frame with labels of its own": lambda: pd.DataFrame(
        [[1, 2.0, "x"]], columns=[0, ("a", 1), None]
    ),
    "frame with int labels": lambda: pd.DataFrame(np.eye(3)),
    "frame with two levels of labels": lambda: pd.DataFrame(
        np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["p", None])
    ),
    "frame with twin labels": lambda: pd.DataFrame([[1, "a"], [2, "b"]], columns=["x", "x"]),
    "frame pivoted": lambda: frame().pivot(index="int", columns="kind", values="float"),
    "frame with attrs": lambda: _with_attrs(frame()),
    "frame sliced": lambda: pd.concat([frame()] * 3).iloc[2:7],
    "frame of one block": lambda: pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc")),
    "objects mixed": lambda: pd.DataFrame(
        {"o": pd.Series([1, "a", None, 2.5, (1, 2)], dtype=object)}
    ),
    "objects text": lambda: pd.Series(["a", None, "b"], dtype=object),
    "objects text nan": lambda: pd.Series(["a", np.nan, "b"], dtype=object),
    "objects text both nulls": lambda: pd.Series(["a", np.nan, None], dtype=object),
    "objects null": lambda: pd.Series([None, None], dtype=object),
    "objects nan": lambda: pd.Series([np.nan, np.nan], dtype=object),
    "objects bool": lambda: pd.Series([True, None], dtype=object),
    "objects int": lambda: pd.Series([1, 2], dtype=object),
    "objects dates": lambda: pd.Series([dt.date(2024, 1, 1), None], dtype=object),
    "objects decimal": lambda: pd.Series([decimal.Decimal("1.10"), decimal.Decimal("2")]),
    "objects bytes": lambda: pd.Series([b"a", b"\xff"], dtype=object),
    "objects lists": lambda: pd.Series([[1, 2], [], None]),
    "objects dicts": lambda: pd.Series([{"a": 1}, {}]),
    "objects surrogate": lambda: pd.Series(["a\ud800"], dtype=object),
    "objects pickled": lambda: pd.Series([Point(1, 2), Colour.RED], dtype=object),
    "objects arrays": lambda: pd.Series([np.arange(3), np.arange(2)]),
    "objects none": lambda: pd.Series([], dtype=object),
    "series": lambda: pd.Series([1, 2, 3], name="n", index=list("abc")),
    "series unnamed": lambda: pd.Series([0.5, np.nan]),
    "series with tuple name": lambda: pd.Series([1], name=("a", 1)),
    "series complex": lambda: pd.Series([1 + 2j, np.nan]),
    "series half": lambda: pd.Series(np.array([1.5, np.nan], dtype="f2")),
    "series small ints": lambda: _columns(
        *(np.arange(3, dtype=t) for t in ("i1", "u2", "i4", "u8", "f4"))
    ),
    "series seconds": lambda: pd.Series(pd.to_datetime(["2024-01-01", None])).astype("M8[s]"),
    "series timedelta": lambda: pd.Series(pd.to_timedelta([1, None], unit="s")),
    "series zone": lambda: pd.Series(
        pd.date_range("2024-10-26", periods=3, freq="h", tz="Europe/Paris")
    ),
    "series utc": lambda: pd.Series(pd.to_datetime(["2024-01-01", None]).tz_localize("UTC")),
    "series offset": lambda: pd.Series(pd.to_datetime(["2024-01-01T00:00+02:00"])),
    "series nullable": lambda: _columns(
        pd.array([1, None], "Int64"),
        pd.array([True, None], "boolean"),
        pd.array([0.5, None], "Float32"),
    ),
    "series nullable nan": lambda: pd.Series(_float_nan()),
    "series string": lambda: pd.Series(["a", None], dtype="string"),
    "series string python": lambda: pd.Series(["a", None], dtype="string[python]"),
    "series str": lambda: pd.Series(["a", np.nan], dtype="str"),
    "series arrow": lambda: pd.Series(
        pd.array([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int8())))
    ),
    "series arrow text": lambda: pd.Series(["a", None], dtype="string[pyarrow]"),
    "series period": lambda: pd.Series(pd.PeriodIndex(["2024-01", "NaT"], freq="M")),
    "series interval": lambda: pd.Series(pd.interval_range(0.0, 3.0, closed="left")),
    "series cut": lambda: pd.Series(pd.cut([1, 2, 30], 2)),
    "series sparse": lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1, 2], fill_value=0)),
    "series sparse float": lambda: pd.Series(pd.arrays.SparseArray([np.nan, 1.5], kind="block")),
    "categorical": lambda: pd.Categorical(["a", None, "b"], ordered=True),
    "categorical ints": lambda: pd.Series([3, 1, None], dtype="category"),
    "categorical dates": lambda: pd.Series(pd.date_range("2024", periods=2)).astype("category"),
    "index": lambda: pd.Index(["a", "b"], name="n"),
    "index objects": lambda: pd.Index([1, "a", None], dtype=object),
    "index range": lambda: pd.RangeIndex(2, 9, 3, name="r"),
    "index dates": lambda: pd.date_range("2024-01-01", periods=3, freq="MS", tz="UTC"),
    "index deltas": lambda: pd.timedelta_range("1h", periods=3),
    "index periods": lambda: pd.period_range("2024", periods=2, freq="Q"),
    "index categories": lambda: pd.CategoricalIndex(["a", "b"], categories=["b", "a"]),
    "index intervals": lambda: pd.interval_range(0, 2),
    "index levels": lambda: pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "y"])[:3],
    "index levels with nulls": lambda: pd.MultiIndex.from_arrays([["a", None], [1.0, np.nan]]),
}


def _float_nan() -> Any:
    array = pd.array([0.0, 1.0, None], dtype="Float64")
    return array / pd.array([0.0, 1.0, 1.0], dtype="Float64")


def _with_attrs(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs = {"unit": "kg", "at": dt.date(2024, 1, 1)}
    return table


NESTED = pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))])

ARROW: dict[str, Callable[[], Any]] = {
    "arrow table": lambda: pa.table(
        {"a": [1, None, 3], "b": ["x", "y", None], "c": [1.5, float("nan"), None]}
    ),
    "arrow chunks": lambda: pa.chunked_array([["a"], [], ["b", None]]),
    "arrow array": lambda: pa.array([[1], None, [2, 3]], pa.list_(pa.int16())),
    "arrow slice": lambda: pa.array(["a", "bb", None, "dd"]).slice(1, 2),
    "arrow batch": lambda: pa.record_batch({"a": [1.5], "b": [b"x"]}),
    "arrow metadata": lambda: pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    "arrow dictionary": lambda: pa.array(["x", "y", None, "x"]).dictionary_encode(),
    "arrow nested": lambda: pa.array(
        [{"a": 1, "b": ["x", None]}, None, {"a": None, "b": None}], NESTED
    ),
    "arrow map": lambda: pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int8())),
    "arrow fixed list": lambda: pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
    "arrow decimal": lambda: pa.array([decimal.Decimal("1.10"), None], pa.decimal128(5, 2)),
    "arrow wide decimal": lambda: pa.array([decimal.Decimal("1.10"), None], pa.decimal256(50, 2)),
    "arrow temporal": lambda: pa.table(
        {
            "d32": pa.array([1, None], pa.date32()),
            "d64": pa.array([86400000, None], pa.date64()),
            "t32": pa.array([1, None], pa.time32("s")),
            "t64": pa.array([1, None], pa.time64("ns")),
            "ts": pa.array([1, None], pa.timestamp("us", "Asia/Tokyo")),
            "du": pa.array([1, None], pa.duration("ms")),
            "iv": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
        }
    ),
    "arrow fixed binary": lambda: pa.array([b"ab", None], pa.binary(2)),
    "arrow empty binary": lambda: pa.array([b"", None], pa.binary(0)),
    "arrow null": lambda: pa.nulls(3),
    "arrow bool": lambda: pa.array([True, None, False] * 5),
    "arrow string view": lambda: pa.array(
        ["a", None, "a long text beyond twelve"], pa.string_view()
    ),
    "arrow list view": lambda: pa.array([[1], None, [2, 3]], pa.list_view(pa.int8())),
    "arrow run ends": lambda: pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
    "arrow union": lambda: pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    ),
    "arrow no columns": lambda: pa.table({"a": [1, 2]}).select([]),
    "arrow no rows": lambda: pa.table({"a": pa.array([], pa.int8())}),
    "arrow twin labels": lambda: pa.Table.from_arrays([pa.array([1]), pa.array(["a"])], ["x", "x"]),
    "arrow not null": lambda: pa.table(
        [pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), False)])
    ),
}

POLARS: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.DataFrame(
        {"a": [1, None], "b": ["x", None], "c": [0.5, float("nan")], "d": [[1], []]}
    ),
    "polars empty": pl.DataFrame,
    "polars series": lambda: pl.Series("s", [True, None, False]),
    "polars types": lambda: pl.DataFrame(
        {
            "cat": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "enum": pl.Series(["u", None, "v"], dtype=pl.Enum(["v", "u", "w"])),
            "dec": pl.Series(["1.10", None, "2"]).cast(pl.Decimal(10, 2)),
            "when": pl.Series([dt.datetime(2024, 1, 1)] * 3, dtype=pl.Datetime("ms", "Asia/Tokyo")),
            "day": pl.Series([dt.date(2024, 1, 1), None, None]),
            "time": pl.Series([dt.time(1), None, None]),
            "span": pl.Series([dt.timedelta(1), None, None]),
            "bin": pl.Series([b"a", None, b""]),
            "arr": pl.Series([[1, 2], [3, 4], None], dtype=pl.Array(pl.Int8, 2)),
            "rec": pl.Series([{"x": 1, "y": ["a"]}, None, {"x": None, "y": []}]),
            "nul": pl.Series([None, None, None]),
            "u8": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "f4": pl.Series([1, 2, 3], dtype=pl.Float32),
        }
    ),
    "polars objects": lambda: pl.DataFrame({"o": pl.Series([Point(1, 2)], dtype=pl.Object)}),
}

OBJECTS: dict[str, Callable[[], Any]] = {
    "named tuple": lambda: Point(1, [2]),
    "enum": lambda: Colour.BLUE,
    "flags": lambda: Flags.A | Flags.B,
    "dataclass": lambda: Config(0.1, ["a"]),
    "slots": Slotted,
    "str subclass": lambda: Text("abc"),
    "ordered dict": lambda: OrderedDict(b=1, a=2),
    "default dict": lambda: defaultdict(list, {"a": [1]}),
    "counter": lambda: Counter("hello"),
    "deque": lambda: deque([1, 2], maxlen=5),
    "fraction": lambda: fractions.Fraction(1, 3),
    "namespace": lambda: SimpleNamespace(a=1, b={"x", "y"}),
    "pattern": lambda: re.compile("a+", re.I),
    "class": lambda: Config,
    "function": lambda: frame,
    "builtin": lambda: len,
    "partial": lambda: __import__("functools").partial(frame),
    "getter": lambda: operator.itemgetter(1),
    "timestamp": lambda: pd.Timestamp("2024-01-01", tz="UTC"),
    "period": lambda: pd.Period("2024-01"),
    "dict of tables": lambda: {"train": frame(), "rows": np.arange(3)},
    "numpy dtype": lambda: np.dtype("f4"),
    "random state": lambda: np.random.RandomState(3),
    "arrow type": lambda: pa.list_(pa.int8()),
    "cycle": lambda: _cycle(),  # noqa: PLW0108 - defined below
}


def _cycle() -> list[Any]:
    ring: list[Any] = [1]
    ring.append({"back": ring})
    return ring


CASES = {**PLAIN, **ARRAYS, **PANDAS, **ARROW, **POLARS, **OBJECTS}

if __name__ == "__main__":
    found = {name: values.digest(make()) for name, make in CASES.items()}
    json.dump(found, sys.stdout)
