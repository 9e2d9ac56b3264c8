"""Statements that write to no array: which are seen to be, and what is right when they aren't."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linea.capture import library_types
from linea.capture.criterion import slice_of_name
from linea.capture.instruments import Instruments
from linea.capture.running import Running
from linea.capture.source import uses
from linea.capture.sparing import spares_arrays
from linea.trace import Place, Statement
from tests.capture.test_budget import shown, watched


class Odd:
    """A class of somebody's own, whose operators may do anything."""

    def __radd__(self, other: Any) -> Any:
        other[:] = 0
        return other


def writes_zero(array: Any) -> Any:
    array[:] = 0
    return array


NAMESPACE: dict[str, Any] = {
    "np": np,
    "pd": pd,
    "a": np.arange(20.0),
    "b": np.arange(20.0),
    "df": pd.DataFrame({"x": np.arange(20.0), "k": list("ab") * 10}),
    "rng": np.random.default_rng(0),
    "odd": Odd(),
    "odds": np.array([Odd()] * 3, dtype=object),
    "holder": {"odd": Odd()},
    "writes_zero": writes_zero,
    "library_functions": [np.random.shuffle],
    "cols": ["x"],
    "table": {"x": 1},
    "total": 0,
    "mean": np.mean,
}

SPARES = [
    "c = a + b",
    "df['y'] = df['x'] * 2",
    "df['y'] = df.x.rolling(3).mean()",
    "g = df.groupby('k')['x'].agg(['mean', 'sum'])",
    "m = df.merge(df, on='k').sort_values('x_x').head()",
    "c = np.sqrt(a) + np.where(a > 1, a, b)",
    "c = rng.normal(size=10)",
    "d = pd.DataFrame({f'c{i}': rng.normal(size=5) for i in range(3)})",
    "print(df.describe(), f'{a.mean():.2f}')",
    "for q in [1, 2, 3]:\n    total += a.sum() * q",
    "for q in cols:\n    table[q] = df[q].mean()",
    "if len(df) > 3:\n    df = df.dropna()\nelse:\n    c = 1",
    "df.columns = ['u', 'v']",
    "c = df[cols].agg(np.mean)",
    "c = [row * 2 for row in a]",
]

MAY_WRITE = [
    "a[0] = 1",
    "a += 1",
    "a.sort()",
    "np.add(a, b, a)",
    "np.add(a, b, out=a)",
    "np.random.shuffle(a)",
    "rng.shuffle(a)",
    "df.loc[0, 'x'] = 3",
    "df.fillna(0, inplace=True)",
    "df['x'].apply(writes_zero)",
    "df.apply(lambda row: row)",
    "df[['x']].apply(library_functions[0])",
    "c = writes_zero(a)",
    "c = a + odd",
    "c = odds.sum()",
    "c = a + holder['odd']",
    "df[df['x'] > 3] = 0",
    "for q in cols:\n    a[q] = 1",
    "for total in [a]:\n    total += 1",
    "c = a\nc += 1",
    "df.update(df)",
    "df.eval('x = 1', inplace=True)",
    "c = a.clip(0, 1, a)",
    "c = np.cumsum(a, 0, None, a)",
    "c = memoryview(a)",
    "df.x[0] = 1",
]


def proof(source: str) -> bool:
    """Whether the statement is seen to spare arrays, in a namespace of its own."""
    tools = Instruments(dict(NAMESPACE), Path(), ())
    try:
        for name in NAMESPACE:
            tools.graph.look(name, float("inf"))
        *first, last = ast.parse(source).body
        exec(ast.unparse(first), tools.graph.namespace)
        tools.graph.look("c", float("inf"))
        running = Running(last, Statement(source, Place("x.py", 1, 1)), uses(last))
        running.reads = tools.scope.read(last, running.uses)
        return spares_arrays(running, tools.scope)
    finally:
        tools.filing.files.close()


@pytest.mark.parametrize("source", SPARES)
def test_statements_of_known_operations_spare_arrays(source: str) -> None:
    assert proof(source)


@pytest.mark.parametrize("source", MAY_WRITE)
def test_what_writes_or_runs_other_code_does_not(source: str) -> None:
    assert not proof(source)


def test_a_method_that_somebody_replaced_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library's class has been given may write."""
    assert proof("c = df['x'].mean()")
    monkeypatch.setattr(pd.Series, "mean", writes_zero)
    assert not proof("c = df['x'].mean()")


PROGRAMS = {
    "a write after reads": (
        "import numpy as np\na = np.arange(9.0)\nb = a[2:]\ns = a.sum()\nb[0] = -1\nt = a.sum()\n",
        ["a", "b", "s", "t"],
    ),
    "the same content again in an array at the same address": (
        "import numpy as np\na = np.zeros(9)\na = a + 1\na[:] = 0\nb = a.sum()\n", ["a", "b"],
    ),
    "a toggle": (
        "import numpy as np\na = np.zeros(9)\ndef put(x, v): x[:] = v\nput(a, 1)\nput(a, 0)\nput(a, 2)\n"
        "b = a.mean()\n", ["a", "b"],
    ),
    "a column written through an array that the frame was made of": (
        "import numpy as np, pandas as pd\na = np.arange(9.0)\ns = pd.Series(a, copy=False)\nm = s.mean()\n"
        "a[0] = 90\nn = s.mean()\n", ["s", "m", "n"],
    ),
    "texts in an array of objects": (
        "import numpy as np\na = np.array(list('abcdef'), dtype=object)\nb = a[1:]\nc = a + 'x'\nb[0] = 'z'\n"
        "d = a + 'y'\n", ["a", "c", "d"],
    ),
    "a frame of polars": (
        "import polars as pl\nd = pl.DataFrame({'x': [1, 2, 3], 's': ['a', 'b', 'c']})\ne = d.filter(pl.col('x') > 1)\n"
        "d[0, 'x'] = 9\nf = d['x'].sum()\n", ["d", "e", "f"],
    ),
    "columns in a loop": (
        "import pandas as pd\nd = pd.DataFrame({'x': [1.0, 2.0, None], 'y': [3.0, None, 1.0]})\nold = d\n"
        "for c in ['x', 'y']:\n    d[c] = d[c].fillna(0)\nd.loc[0, 'x'] = 7\nt = old['x'].sum()\n",
        ["d", "old", "t"],
    ),
    "a masked array": (
        "import numpy as np\nm = np.ma.masked_less(np.arange(9.0), 2)\nn = m.mean()\nm[4] = np.ma.masked\no = m.mean()\n",
        ["m", "n", "o"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", PROGRAMS)
def test_slices_are_right_where_hashing_waits(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every array taken for a large one, each slice gives the value of the whole program."""
    monkeypatch.setattr(library_types, "LARGE", 1)
    monkeypatch.setattr(library_types, "MANY", 1)
    source, names = PROGRAMS[title]
    session = watched(source, tmp_path)
    assert not any(step.assumed for step in session.steps)
    for name in names:
        alone: dict[str, Any] = {}
        exec(slice_of_name(session, name).code, alone)
        assert shown(alone[name]) == shown(session.namespace[name]), name
