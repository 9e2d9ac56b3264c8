"""What isn't computed yet is computed and told of, or refused with what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from linea import values
from linea.errors import UnstorableError
from tests.test_api import run, script


def _duckdb() -> Any:
    return pytest.importorskip("duckdb").sql("select 1 as a")


def _ibis() -> Any:
    return pytest.importorskip("ibis").memtable({"a": [1]}).filter(True)


def _dask_frame() -> Any:
    dask, pandas = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    return dask.from_pandas(pandas.DataFrame({"a": [1]}), npartitions=1)


def _dask_array() -> Any:
    return pytest.importorskip("dask.array").zeros(3)


def _delayed() -> Any:
    return pytest.importorskip("dask").delayed(sum)([1])


def _spark() -> Any:
    # As pyspark names it: that needs a Java to run.
    kind = type("DataFrame", (), {"__module__": "pyspark.sql.classic.dataframe"})
    return kind()


LAZY: dict[str, tuple[Callable[[], Any], str, str]] = {
    "polars in a dict": (lambda: {"q": pl.LazyFrame({"a": [1]})}, r"\['q'\].*polars", "collect"),
    "polars in a list": (lambda: [pl.LazyFrame({"a": [1]})], r"\[0\].*polars", "collect"),
    "expression": (lambda: pl.col("a") + 1, "expression", "select"),
    "duckdb": (_duckdb, "duckdb", "fetch_arrow_table"),
    "ibis": (_ibis, "ibis", "execute"),
    "dask frame": (_dask_frame, "dask", "compute"),
    "dask array": (_dask_array, "dask", "compute"),
    "delayed": (_delayed, "dask", "compute"),
    "spark": (_spark, "Spark", "toPandas"),
    "spark in a list": (lambda: [_spark()], "Spark", "toPandas"),
}


@pytest.mark.parametrize("name", LAZY)
def test_it_is_refused(name: str) -> None:
    """The error says what it is, and the hint how its result is saved."""
    make, what, hint = LAZY[name]
    for ask in (values.encode, values.digest):
        with pytest.raises(UnstorableError, match=what) as caught:
            ask(make())
        assert hint in (caught.value.hint or "")


def test_a_query_of_polars_is_computed_and_told_of(tmp_path: Path) -> None:
    """Its result is saved; one line on standard error says so, and standard output is the user's."""
    script(
        tmp_path,
        """
        import contextlib, io
        import linea
        import polars as pl
        query = pl.LazyFrame({"a": [1, 2]}).with_columns(b=pl.col("a") * 2)
        linea.save(0, "first")
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            saved = linea.save(query, "doubled")
            linea.save(query.collect(), "eager")
        print(told.getvalue(), end="")
        print(type(query).__name__, saved.get_value().rows(), saved.digest == linea.get("eager").digest)
        """,
    )
    assert run(tmp_path, "work.py").splitlines() == [
        "linea: doubled is a lazy query: what it gives now was computed and is saved",
        "LazyFrame [(1, 2), (2, 4)] True",
    ]
    assert run(tmp_path, "-m", "linea", "verify", "doubled").count("identical") == 1
