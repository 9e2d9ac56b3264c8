"""Which values share a digest, and which don't."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from linea import values
from tests.values.cases import CASES, Config, frame

ROOT = Path(__file__).parents[2]


class Pair(NamedTuple):
    """Two values and what is said of them."""

    name: str
    a: Callable[[], Any]
    b: Callable[[], Any]


def structured(align: bool) -> np.ndarray[Any, Any]:
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=align)
    made = np.frombuffer(os.urandom(dtype.itemsize * 3), dtype=dtype).copy()
    made["a"], made["b"] = 1, 2.5
    return made


def nan(payload: int) -> float:
    return float(np.uint64(0x7FF8000000000000 + payload).view(np.float64))


def garbage() -> pa.Array:
    """An int column whose null slot and whose bits past the end hold garbage."""
    return pa.Array.from_buffers(
        pa.int64(), 3, [pa.py_buffer(b"\xfd"), pa.py_buffer(np.array([1, 99, 3]).tobytes())]
    )


def hidden_text() -> pa.Array:
    """A text column whose null has bytes."""
    offsets = np.array([0, 1, 3, 4], dtype="i4").tobytes()
    return pa.Array.from_buffers(
        pa.string(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(offsets), pa.py_buffer(b"axxb")]
    )


def _wide_csr() -> Any:
    made = sp.csr_matrix(np.eye(3))
    made.indices, made.indptr = made.indices.astype("i8"), made.indptr.astype("i8")
    return made


EQUAL = [
    Pair("chunking", lambda: pa.table({"a": [1, 2, 3]}), lambda: pa.table({"a": pa.chunked_array([[1], [2, 3]])})),
    Pair("slice offset", lambda: pa.array([2, None, 3]), lambda: pa.array([1, 2, None, 3]).slice(1)),
    Pair("dictionary", lambda: pa.array(["a", None, "a"]), lambda: pa.array(["a", None, "a"]).dictionary_encode()),
    Pair("run ends", lambda: pa.array(["a", "a", "b"]), CASES["arrow run ends"]),
    Pair("string width", lambda: pa.array(["a", None]), lambda: pa.array(["a", None], pa.large_string())),
    Pair("string view", lambda: pa.array(["a" * 20, None]), lambda: pa.array(["a" * 20, None], pa.string_view())),
    Pair("binary width", lambda: pa.array([b"a"]), lambda: pa.array([b"a"], pa.large_binary())),
    Pair("list width", lambda: pa.array([[1], None]), lambda: pa.array([[1], None], pa.large_list(pa.int64()))),
    Pair("list view", lambda: pa.array([[1], None]), lambda: pa.array([[1], None], pa.list_view(pa.int64()))),
    Pair("map slice", lambda: CASES["arrow map"]().slice(1), lambda: pa.array([None, []], pa.map_(pa.string(), pa.int8()))),
    Pair("struct slice", lambda: CASES["arrow nested"]().slice(1, 1), lambda: pa.array([None], CASES["arrow nested"]().type)),
    Pair("decimal width", lambda: pa.array([decimal.Decimal("1.1")], pa.decimal128(5, 2)), lambda: pa.array([decimal.Decimal("1.1")], pa.decimal256(5, 2))),
    Pair("garbage in a null", garbage, lambda: pa.array([1, None, 3])),
    Pair("bytes in a null text", hidden_text, lambda: pa.array(["a", None, "b"])),
    Pair("metadata", lambda: pa.table({"a": [1]}), CASES["arrow metadata"]),
    Pair("nullability", lambda: pa.table({"a": [1]}), CASES["arrow not null"]),
    Pair("batch and table", lambda: pa.record_batch({"a": [1]}), lambda: pa.table({"a": [1]})),
    Pair("pandas and arrow", lambda: pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]}), lambda: pa.table({"a": [1.0, float("nan")], "b": ["x", None]})),
    Pair("polars and arrow", CASES["polars"], lambda: CASES["polars"]().to_arrow()),
    Pair("pandas and polars", lambda: pd.DataFrame({"a": [1, 2], "d": pd.date_range("2024", periods=2, unit="us")}), lambda: pl.DataFrame({"a": [1, 2], "d": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)]})),
    Pair("bools", lambda: pd.DataFrame({"a": [True, False]}), lambda: pl.DataFrame({"a": [True, False]})),
    Pair("nullable ints", lambda: pd.Series([1, None], dtype="Int64"), lambda: pa.array([1, None])),
    Pair("nullable bools", lambda: pd.Series([True, None], dtype="boolean"), lambda: pl.Series([True, None])),
    Pair("arrow-backed", lambda: pd.Series([1, None], dtype="int64[pyarrow]"), lambda: pa.chunked_array([[1], [None]])),
    Pair("objects of text", lambda: pd.Series(["a", None], dtype=object), lambda: pd.Series(["a", None], dtype="str")),
    Pair("python strings", lambda: pd.Series(["a", None], dtype="string[python]"), lambda: pd.Series(["a", None], dtype="string[pyarrow]")),
    Pair("categorical", lambda: pd.Series(["a", None, "b"], dtype="category"), lambda: pa.array(["a", None, "b"])),
    Pair("polars categorical", lambda: pl.Series(["a", None], dtype=pl.Categorical), lambda: pl.Series(["a", None])),
    Pair("categorical ints", lambda: pd.Series([3, 1, 3], dtype="category"), lambda: pd.Series([3, 1, 3])),
    Pair("sparse", lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])), lambda: pd.Series([0, 0, 1])),
    Pair("zones", lambda: pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC").as_unit("us")), lambda: pl.Series([dt.datetime(2024, 1, 1)], dtype=pl.Datetime("us", "UTC"))),
    Pair("default index", lambda: pd.DataFrame({"a": [1, 2]}), lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(np.array([0, 1])))),
    Pair("range as ints", lambda: pd.Series([1, 2], index=pd.RangeIndex(2, 6, 2)), lambda: pd.Series([1, 2], index=pd.Index(np.array([2, 4])))),
    Pair("row-major frame", lambda: pd.DataFrame(np.ones((4, 2)), columns=["a", "b"]), lambda: pd.DataFrame({"a": np.ones(4), "b": np.ones(4)})),
    Pair("nan payload", lambda: np.array([nan(1), 1.0]), lambda: np.array([nan(77), 1.0])),
    Pair("nan payload column", lambda: pd.Series([nan(1)]), lambda: pd.Series([nan(77)])),
    Pair("nan payload in a list", lambda: [nan(1), 1.0], lambda: [nan(9), 1.0]),
    Pair("nan payload scalar", lambda: nan(1), lambda: nan(9)),
    Pair("memory order", lambda: np.arange(12.0).reshape(3, 4), lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    Pair("strides", lambda: np.arange(0, 10, 2), lambda: np.arange(10)[::2]),
    Pair("large strides", lambda: np.ones((300, 2000)), lambda: np.asfortranarray(np.ones((300, 2000)))),
    Pair("endianness", lambda: np.arange(5, dtype="<i4"), lambda: np.arange(5, dtype=">i4")),
    Pair("endianness of text", lambda: np.array(["ab"], dtype="<U2"), lambda: np.array(["ab"], dtype=">U2")),
    Pair("struct padding", lambda: structured(True), lambda: structured(False)),
    Pair("under the mask", lambda: np.ma.MaskedArray([1, 2], mask=[0, 1], fill_value=0), lambda: np.ma.MaskedArray([1, 9], mask=[0, 1], fill_value=0)),
    Pair("index width of sparse", lambda: sp.csr_matrix(np.eye(3)), _wide_csr),
    Pair("set order", lambda: {"a", "b", "c"}, lambda: {"c", "b", "a"}),
    Pair("interning", lambda: ["ab", "ab"], lambda: ["ab", "".join(["a", "b"])]),
    Pair("sharing", lambda: _twice([1, {}]), lambda: [[1, {}], [1, {}]]),
    Pair("attribute order", lambda: _config("rate", "names"), lambda: _config("names", "rate")),
    Pair("a shared array in an object", lambda: Config(_twice(np.ones(3))), lambda: Config([np.ones(3), np.ones(3)])),
]  # fmt: skip

DIFFERENT = [
    Pair("empty name", lambda: pd.Series([1]), lambda: pd.Series([1], name="")),
    Pair("1 and 1.0", lambda: 1, lambda: 1.0),
    Pair("1 and True", lambda: 1, lambda: True),
    Pair("1 and '1'", lambda: 1, lambda: "1"),
    Pair("str and bytes", lambda: "a", lambda: b"a"),
    Pair("0.0 and -0.0", lambda: 0.0, lambda: -0.0),
    Pair("list and tuple", lambda: [1], lambda: (1,)),
    Pair("set and frozenset", lambda: {1}, lambda: frozenset({1})),
    Pair("dict order", lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}),
    Pair("nesting", lambda: [[1], 2], lambda: [[1, 2]]),
    Pair("text boundaries", lambda: ["ab", "c"], lambda: ["a", "bc"]),
    Pair("mixed in lists", lambda: [1, 2.0], lambda: [1.0, 2]),
    Pair("int widths", lambda: np.int32(1), lambda: np.int64(1)),
    Pair("numpy and python", lambda: np.float64(1), lambda: 1.0),
    Pair("empty list and tuple", list, tuple),
    Pair("date and datetime", lambda: dt.date(2024, 1, 1), lambda: dt.datetime(2024, 1, 1)),
    Pair("decimal digits", lambda: decimal.Decimal("1.0"), lambda: decimal.Decimal("1.00")),
    Pair("fold", lambda: dt.datetime(2024, 1, 1), lambda: dt.datetime(2024, 1, 1, fold=1)),
    Pair("dtype", lambda: np.zeros(2, "f4"), lambda: np.zeros(2, "f8")),
    Pair("shape", lambda: np.zeros((2, 3)), lambda: np.zeros((3, 2))),
    Pair("minus zero in an array", lambda: np.array([0.0]), lambda: np.array([-0.0])),
    Pair("transposed", lambda: np.arange(4).reshape(2, 2), lambda: np.arange(4).reshape(2, 2).T),
    Pair("0-d and 1-d", lambda: np.array(1.0), lambda: np.array([1.0])),
    Pair("field names", lambda: np.zeros(1, [("a", "i1")]), lambda: np.zeros(1, [("b", "i1")])),
    Pair("mask", lambda: np.ma.MaskedArray([1, 2], mask=[0, 1]), lambda: np.ma.MaskedArray([1, 2], mask=[0, 0])),
    Pair("datetime unit", lambda: np.zeros(1, "M8[s]"), lambda: np.zeros(1, "M8[ms]")),
    Pair("sparse format", lambda: sp.csr_matrix(np.eye(3)), lambda: sp.csc_matrix(np.eye(3))),
    Pair("null and nan", lambda: pa.array([None], pa.float64()), lambda: pa.array([float("nan")])),
    Pair("null and zero", lambda: pa.array([None, 1]), lambda: pa.array([0, 1])),
    Pair("null and empty", lambda: pa.array([None, "a"]), lambda: pa.array(["", "a"])),
    Pair("null list and empty list", lambda: pa.array([None, [1]]), lambda: pa.array([[], [1]])),
    Pair("null struct and struct of nulls", lambda: pa.array([None, {"a": 1}]), lambda: pa.array([{"a": None}, {"a": 1}])),
    Pair("minus zero in a column", lambda: pd.Series([0.0]), lambda: pd.Series([-0.0])),
    Pair("column dtype", lambda: pd.Series([1], dtype="i4"), lambda: pd.Series([1], dtype="i8")),
    Pair("int and float columns", lambda: pd.DataFrame({"a": [1]}), lambda: pd.DataFrame({"a": [1.0]})),
    Pair("text and bytes columns", lambda: pa.array(["a"]), lambda: pa.array([b"a"])),
    Pair("text boundaries in a column", lambda: pa.array(["ab", "c"]), lambda: pa.array(["a", "bc"])),
    Pair("list boundaries", lambda: pa.array([[1, 2], [3]]), lambda: pa.array([[1], [2, 3]])),
    Pair("column names", lambda: pd.DataFrame({"a": [1]}), lambda: pd.DataFrame({"b": [1]})),
    Pair("label types", lambda: pd.DataFrame([[1]], columns=[0]), lambda: pd.DataFrame([[1]], columns=["0"])),
    Pair("column order", lambda: pd.DataFrame({"a": [1], "b": [1]}), lambda: pd.DataFrame({"b": [1], "a": [1]})),
    Pair("row order", lambda: pd.Series([1, 2]), lambda: pd.Series([2, 1])),
    Pair("index", frame, lambda: frame().set_axis([1, 2, 3])),
    Pair("index name", frame, lambda: frame().rename_axis("i")),
    Pair("index or column", lambda: frame().set_index("int"), frame),
    Pair("names of labels", frame, lambda: frame().rename_axis(columns="c")),
    Pair("attrs", frame, CASES["frame with attrs"]),
    Pair("series name", lambda: pd.Series([1], name="a"), lambda: pd.Series([1])),
    Pair("series and frame", lambda: pd.Series([1], name="a"), lambda: pd.DataFrame({"a": [1]})),
    Pair("series and index", lambda: pd.Series([1]), lambda: pd.Index([1])),
    Pair("zone", lambda: pd.Series(pd.to_datetime(["2024"]).tz_localize("UTC")), lambda: pd.Series(pd.to_datetime(["2024"]).tz_localize("Asia/Tokyo"))),
    Pair("rows of no columns", lambda: pd.DataFrame(index=range(2)), lambda: pd.DataFrame(index=range(3))),
    Pair("empty dtype", lambda: pa.array([], pa.int8()), lambda: pa.array([], pa.int16())),
    Pair("child of an empty list", lambda: pa.array([[]], pa.list_(pa.int8())), lambda: pa.array([[]], pa.list_(pa.int16()))),
    Pair("lambdas", lambda: lambda x: x + 1, lambda: lambda x: x + 2),
    Pair("closures", lambda: _adder(1), lambda: _adder(2)),
    Pair("attribute", lambda: Config(0.1), lambda: Config(0.2)),
    Pair("cycles", CASES["cycle"], lambda: [1, {"back": [1]}]),
]  # fmt: skip


def _twice(value: Any) -> list[Any]:
    return [value, value]


def _config(*order: str) -> Config:
    made = Config.__new__(Config)
    for attribute in order:
        setattr(made, attribute, {"rate": 1.0, "names": ["a"]}[attribute])
    return made


def _adder(n: int) -> Callable[[int], int]:
    return lambda x: x + n


@pytest.mark.parametrize("pair", EQUAL, ids=lambda pair: pair.name)
def test_the_same_content_has_the_same_digest(pair: Pair) -> None:
    """How a value is held in memory doesn't show in its digest."""
    assert values.digest(pair.a()) == values.digest(pair.b())


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: pair.name)
def test_other_content_has_another_digest(pair: Pair) -> None:
    """Any difference that a program can see shows in the digest."""
    assert values.digest(pair.a()) != values.digest(pair.b())


# polars refuses to copy Python objects, pyarrow forgets the rows of a table without columns.
CANT_COPY = {"polars objects", "arrow no columns"}

TWINS = [
    {"frame empty", "polars empty"},
    {"categorical", "objects text", "objects text nan"},
    {"series arrow text", "series str", "series string", "series string python"},
    {"arrow metadata", "arrow not null"},
]


def test_the_cases_all_differ() -> None:
    """No two of the named values share a digest, but for equal ones in other clothes."""
    groups: dict[str, set[str]] = {}
    for name, make in CASES.items():
        groups.setdefault(values.digest(make()), set()).add(name)
    twins = [group for group in groups.values() if len(group) > 1]
    assert [group for group in twins if group not in TWINS] == []


@pytest.mark.parametrize("name", sorted(set(CASES) - CANT_COPY))
def test_copies_have_the_same_digest(name: str) -> None:
    """A deep copy and what comes back from pickling have the digest of the original."""
    value = CASES[name]()
    found = values.digest(value)
    assert values.digest(copy.deepcopy(value)) == found
    assert values.digest(pickle.loads(pickle.dumps(value))) == found


@pytest.mark.slow
def test_digests_are_the_same_in_every_process() -> None:
    """Two fresh processes with other hash seeds give the digests that this one gives."""
    runs = []
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.values.cases"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout))
    assert runs[0] == runs[1]
    # Classes of the program itself go by content there, by name here.
    own = {"named tuple", "enum", "flags", "dataclass", "slots", "str subclass", "class", "function",
           "partial", "objects pickled", "array objects pickled", "polars objects"}  # fmt: skip
    here = {name: values.digest(make()) for name, make in CASES.items()}
    assert {n: d for n, d in here.items() if n not in own} == {
        n: d for n, d in runs[0].items() if n not in own
    }


PROGRAM = """
import dataclasses, enum
from linea import values
LIMIT = {"a", "b", "c"}
class Kind(enum.Enum):
    ONE = 1
class Base:
    shared = [1, 2]
    def scale(self, x): return helper(x) * 2
@dataclasses.dataclass
class Row(Base):
    kind: Kind
    items: set
def helper(x): return x if x in LIMIT else recurse(x)
def recurse(n): return 0 if n < 1 else recurse(n - 1)
f = lambda x, y=3: [helper(x) for _ in range(y)]
for v in (Kind.ONE, Row, Row(Kind.ONE, {"x", "y"}), f, helper, recurse):
    print(values.digest(v))
import cloudpickle
back = cloudpickle.loads(cloudpickle.dumps(f))
print(values.digest(back) == values.digest(f))
"""


def _output(program: str, seed: str = "0", prefix: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", prefix + program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_code_of_the_users_own_goes_by_what_it_does() -> None:
    """Functions and classes of __main__ have one digest in every process, wherever they stand."""
    first = _output(PROGRAM, "1")
    assert first == _output(PROGRAM, "2", prefix="# moved down\n\n\n")
    assert first[-1] == "True"
    assert len(set(first[:-1])) == len(first) - 1
    other = _output(PROGRAM.replace('"a", "b", "c"', '"a", "b", "d"'), "1")
    assert [a == b for a, b in zip(first, other, strict=True)] == [
        True,
        False,
        False,
        False,
        False,
        True,
        True,
    ]


def test_storing_an_instance_leaves_its_class_the_same() -> None:
    """What Python notes on a class when it first takes an instance apart doesn't count."""

    class Base:
        def __init__(self) -> None:
            self.n = 1

    class Row(Base):
        pass

    before = values.digest(Base), values.digest(Row), values.digest(Row())
    copy.copy(Base())
    assert "__slotnames__" in vars(Base)
    assert (values.digest(Base), values.digest(Row), values.digest(Row())) == before


def test_a_thick_graph_takes_no_time() -> None:
    """Objects that all refer to each other are walked once, not once per path."""
    nodes: list[dict[str, Any]] = [{"id": i} for i in range(60)]
    for node in nodes:
        node["all"] = nodes
    assert values.digest(nodes) == values.digest(copy.deepcopy(nodes))
    nodes[7]["id"] = -1
    assert values.digest(nodes) != values.digest(nodes[:7] + nodes[8:])


def test_deep_sharing_takes_no_time() -> None:
    """A value that doubles itself fifty times is walked once per level."""
    value: Any = [1.5]
    for _ in range(50):
        value = [value, value]
    assert values.digest(value) == values.digest(copy.deepcopy(value))


def test_subclasses_of_tables_and_arrays_keep_their_class() -> None:
    """A subclass isn't its base: its class and its own attributes count."""

    class Frame(pd.DataFrame):
        _metadata: ClassVar[list[str]] = ["unit"]

        @property
        def _constructor(self) -> Any:
            return Frame

    a, b = Frame(frame()), Frame(frame())
    a.unit, b.unit = "kg", "g"
    assert len({values.digest(a), values.digest(b), values.digest(frame())}) == 3
    assert values.digest(a) == values.digest(pickle.loads(values.encode(a).parts["value.pkl"]))


def test_files_have_the_digest_of_their_bytes(tmp_path: Path) -> None:
    """A file's digest is that of its bytes, a folder's that of names and bytes."""
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert values.digest_file(tmp_path / "a.txt") == values.digest_bytes(b"abc")
    folder = tmp_path / "d"
    (folder / "x").mkdir(parents=True)
    (folder / "x" / "f").write_bytes(b"1")
    before = values.digest_file(folder)
    (folder / "x" / "f").rename(folder / "f")
    assert values.digest_file(folder) != before


@pytest.mark.parametrize("count", [1, 2, 7, 15, 63, 64, 300])
@pytest.mark.parametrize("gaps", [False, True])
def test_many_rows_of_a_few_categories(count: int, gaps: bool) -> None:
    """A long categorical column has the digest of its texts, however many categories it has."""
    rng = np.random.default_rng(count)
    texts = ["", *(f"{'ü' * (n % 5)}{n}" for n in range(1, count))][:count]
    low = -1 if gaps else 0
    codes = rng.integers(low, count, 100_001)
    column = pd.Series(pd.Categorical.from_codes(codes, texts))
    plain = pa.array([None if code < 0 else texts[code] for code in codes], pa.string())
    assert values.digest(column) == values.digest(pd.Series(plain.to_pandas().astype("string")))
    assert values.encode(column).record.columns[0].nulls == plain.null_count
