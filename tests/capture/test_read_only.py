"""Operations taken to write to no array leave every operand as it is, byte by byte."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from linea.capture import read_only


def frame() -> pd.DataFrame:
    return pd.DataFrame({
        "a": [3, 1, 2, 1, 5, 4], "b": [3.0, 1.0, 2.0, np.nan, 5.0, -4.0], "k": list("xyxyxz"),
        "t": pd.date_range("2024-01-31", periods=6), "c": pd.Categorical(list("uvuvuv")),
        "n": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
    })  # fmt: skip


# Each call makes a new one.
# ruff: noqa: PLW0108
RECEIVERS: dict[str, Callable[[], Any]] = {
    "array": lambda: np.array([3.0, 1.0, 2.0, 7.0, 5.0, -4.0]),
    "integers": lambda: np.array([3, 1, 2, 1, 5, 4]),
    "table": lambda: np.array([[3.0, 1.0], [2.0, 9.0]]),
    "texts": lambda: np.array(["b", "a", "c"], dtype=object),
    "frame": frame,
    "numeric": lambda: frame()[["a", "b"]].copy(),
    "series": lambda: frame()["b"].copy(),
    "words": lambda: frame()["k"].copy(),
    "text": lambda: frame()["k"].copy().str,
    "days": lambda: frame()["t"].copy(),
    "day": lambda: frame()["t"].copy().dt,
    "category": lambda: frame()["c"].copy(),
    "nullable": lambda: frame()["n"].copy(),
    "index": lambda: pd.Index([3, 1, 2]),
    "multi": lambda: frame().set_index(["k", "a"])["b"],
    "groups": lambda: frame().groupby("k"),
    "numeric groups": lambda: frame()[["a", "b"]].groupby("a"),
    "series groups": lambda: frame()[["a", "b"]].groupby("a")["b"],
    "window": lambda: frame()[["a", "b"]].rolling(2),
    "resampled": lambda: frame().set_index("t")[["a", "b"]].resample("2D"),
    "polars": lambda: pl.DataFrame({"a": [3, 1], "b": [1.0, None], "k": ["x", "y"]}),
    "polars series": lambda: pl.Series("a", [3.0, 1.0, 2.0]),
    "polars words": lambda: pl.Series("k", ["x", "y", "x"]),
}


ARGUMENTS: dict[str, Callable[[], Any]] = {
    "1": lambda: 1,
    "a fraction": lambda: 0.5,
    "a column": lambda: "a",
    "columns": lambda: ["a", "b"],
    "an operation": lambda: "mean",
    "a frame": lambda: pd.DataFrame({"a": [9, 8, 7, 6, 5, 4], "b": np.arange(6.0)}),
    "a series": lambda: pd.Series(np.arange(6.0), name="b"),
    "an array": lambda: np.arange(6.0),
    "a mask": lambda: np.array([True, False, True, False, True, False]),
    "a table": lambda: np.arange(4.0).reshape(2, 2),
    "a mapping": lambda: {"a": "b"},
    "a function": lambda: np.mean,
    "a polars column": lambda: pl.col("a"),
    "a polars frame": lambda: pl.DataFrame({"a": [3, 1], "z": [1.0, 2.0]}),
}


def content(value: Any) -> object:
    """All that the memory of `value` holds."""
    match value:
        case np.ma.MaskedArray():
            return (content(np.asarray(value)), content(np.ma.getmaskarray(value)))
        case np.ndarray():
            return (value.tolist() if value.dtype.hasobject else value.tobytes(), value.shape)
        case pd.DataFrame() | pd.Series():
            axes = [list(axis) for axis in value.axes]
            return (axes, [_inside(each) for each in value._mgr.arrays])
        case pd.Index():
            return (value.names, _inside(value.array))
        case pl.DataFrame() | pl.Series():
            return value.to_arrow().to_pylist()
        case list() | tuple():
            return [content(each) for each in value]
    for name in ("_parent", "_orig", "obj"):
        if isinstance(inner := getattr(value, name, None), pd.DataFrame | pd.Series):
            return content(inner)
    return None


def _inside(array: Any) -> object:
    inner = getattr(array, "_ndarray", array)
    if isinstance(inner, np.ndarray):
        return content(inner)
    # What lies under missing values is nothing that shows.
    return [None if each is pd.NA else each for each in array]


class Operands:
    """What calls are made with, compared after each."""

    def __init__(self, **makers: Callable[[], Any]) -> None:
        self.makers = makers
        self.made = {name: make() for name, make in makers.items()}
        self.before = {name: content(value) for name, value in self.made.items()}

    def left_alone(self, call: Callable[..., Any], *names: str) -> bool:
        """Whether `call` leaves the operands of these names as they are."""
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(*(self.made[name] for name in names))
        for name in names:
            if repr(content(self.made[name])) != repr(self.before[name]):
                self.made[name] = self.makers[name]()
                return False
        return True


def given(most: int) -> list[tuple[str, ...]]:
    """Which arguments to call with: every one alone, and some more together."""
    few = ("1", "an array", "a series")
    found: list[tuple[str, ...]] = [()]
    for count in range(1, min(most, 4) + 1):
        names = ARGUMENTS if count == 1 else few
        found += (
            itertools.product(names, repeat=count) if count < 3 else [(n,) * count for n in few]
        )
    return found


def _method(name: str) -> Callable[..., Any]:
    return lambda receiver, *arguments: getattr(receiver, name)(*arguments)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the operations write files."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", RECEIVERS)
def test_methods_leave_what_they_work_with_as_it_is(kind: str) -> None:
    """No method of the table writes to its object or to its arguments, by whatever it is given."""
    operands = Operands(**{"itself": RECEIVERS[kind], **ARGUMENTS})
    table = {**read_only.METHODS, **(read_only.POLARS if kind.startswith("polars") else {})}
    writing = {
        (name, names)
        for name, most in table.items()
        if hasattr(operands.made["itself"], name) and name not in ("glimpse", "info", "to_html")
        for names in given(most)
        if not operands.left_alone(_method(name), "itself", *names)
    }
    assert not writing


@pytest.mark.parametrize("module", ["numpy", "numpy.linalg", "numpy.random", "numpy.fft", "pandas"])
def test_functions_leave_what_they_are_given_as_it_is(module: str) -> None:
    """No function of the table writes to its arguments; nor does any ufunc to its inputs."""
    library = importlib.import_module(module)
    operands = Operands(**ARGUMENTS)
    table = {n: read_only.most_arguments(n, f) for n, f in vars(library).items()}
    writing = {
        (name, names)
        for name, most in table.items()
        if most > 0 and not name.startswith("read_")
        for names in given(most)
        if not operands.left_alone(getattr(library, name), *names)
    }
    assert not writing
    assert sum(most >= 0 for most in table.values()) > 5


@pytest.mark.parametrize("function", [np.random.shuffle, np.copyto, np.put, np.place, pd.eval])
def test_functions_that_write_are_not_in_the_table(function: Any) -> None:
    """What writes in place, or runs a text, is no operation of the table."""
    assert read_only.most_arguments(function.__name__, function) == -1


def test_a_function_put_in_the_place_of_another_is_not_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's function that somebody has replaced can be anything."""

    def mean(array: Any) -> None:
        array[:] = 0

    monkeypatch.setattr(np, "mean", mean)
    assert read_only.most_arguments("mean", np.mean) == -1
    monkeypatch.setattr(np, "sum", np.random.shuffle)
    assert read_only.most_arguments("sum", np.sum) == -1
