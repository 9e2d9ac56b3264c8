"""Prints of live objects: whatever changes in place shows, whatever only looks doesn't."""

from __future__ import annotations

import time
from typing import Any

import pytest

from linea.capture.objects import Graph


def changed_names(setup: str, statement: str) -> set[str]:
    """Names whose objects `statement` changed in place, as the prints show it."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(setup, namespace)
    graph = Graph(namespace, lambda _: False)
    names = [n for n in namespace if not n.startswith("__")]
    end = time.perf_counter() + 10
    for name in names:
        graph.look(name, end)
    exec(statement, namespace)
    keys: set[int] = set()
    for name in names:
        keys |= graph.look(name, end).changed
    return {n for n in graph.holders(keys) if n in names}


CHANGES = [
    ("x = [1]; y = x; z = [1]", "x.append(2)", {"x", "y"}),
    ("x = [1]; y = [x]; z = {'k': y}", "x.append(2)", {"x", "y", "z"}),
    ("x = [[0]] * 3; y = x[1]", "x[0].append(1)", {"x", "y"}),
    ("x = {1: 2}", "x[1] = 3", {"x"}),
    ("x = {1}", "x.add(2)", {"x"}),
    ("x = [True]", "x[0] = 1", {"x"}),
    ("x = [0.0]", "x[0] = -0.0", {"x"}),
    ("x = bytearray(3); m = memoryview(x)", "m[1] = 7", {"x", "m"}),
    ("import collections; x = collections.deque([1], 3)", "x.rotate(1); x.append(2)", {"x"}),
    ("import collections; x = collections.defaultdict(int)", "x['a']", {"x"}),
    ("import io; x = io.StringIO('ab')", "x.read(1)", {"x"}),
    ("x = iter([1, 2]); y = x", "next(y)", {"x", "y"}),
    ("x = (i for i in [1, 2])", "next(x)", {"x"}),
    ("x = enumerate('ab'); y = zip([1], [2])", "next(x); next(y)", {"x", "y"}),
    ("class A: pass\na = A(); b = a", "b.v = 1", {"a", "b"}),
    ("class A: n = 0\na = A()", "A.n = 1", {"A", "a"}),
    ("class A: __slots__ = ('v',)\na = A(); a.v = 1", "a.v = 2", {"a"}),
    ("def f(x=[]): x.append(1)\ng = f", "f()", {"f", "g"}),
    ("def make():\n    n = [0]\n    def f(): n[0] += 1\n    return f\nf = make(); g = make()", "f()", {"f"}),
    ("import functools\n@functools.lru_cache\ndef f(x): return x", "f(3)", {"f"}),
    ("xs = []; push = xs.append", "push(1)", {"xs", "push"}),
    ("import numpy as np; a = np.arange(6); b = a[2:]; c = a.copy()", "b[0] = 9", {"a", "b"}),
    ("import numpy as np; a = np.zeros((2, 3)); t = a.T", "t[0, 1] = 1", {"a", "t"}),
    ("import numpy as np; a = np.array([[1], None], dtype=object); e = a[0]", "a[0].append(2)", {"a", "e"}),
    ("import numpy as np; r = np.random.default_rng(1); s = np.random.default_rng(1)", "r.random()", {"r"}),
    ("import pandas as pd; d = pd.DataFrame({'a': [1]}); e = d; f = d.copy()", "d['b'] = 2", {"d", "e"}),
    ("import pandas as pd; d = pd.DataFrame({'a': [1, 2]})", "d.loc[0, 'a'] = 5", {"d"}),
    ("import pandas as pd; d = pd.DataFrame({'a': [1, 2]})", "d.index.name = 'i'", {"d"}),
    ("import pandas as pd; d = pd.DataFrame({'a': [1, 2]})", "d.attrs['k'] = 1", {"d"}),
    ("import pandas as pd; d = pd.DataFrame({'a': ['x', 'y']})", "d.loc[0, 'a'] = 'z'", {"d"}),
    ("import pandas as pd; s = pd.Series(['a'], dtype='category')", "s.cat", set()),
    ("import polars as pl; d = pl.DataFrame({'a': [1]})", "d[0, 'a'] = 3", {"d"}),
    ("from sklearn.linear_model import LinearRegression as L; m = L(); n = L()", "m.fit([[0], [1]], [0, 1])", {"m"}),
    ("import threading; t = threading.Lock()", "t.acquire()", {"t"}),
]  # fmt: skip

LOOKS = [
    ("x = [3, 1]", "sorted(x); len(x); x[0]; x.index(1); list(x)"),
    ("import pandas as pd; d = pd.DataFrame({'k': ['a', 'b'], 'v': [1, 2]})",
     "d.head(); d.groupby('k').v.sum(); d.describe(); d.merge(d, on='k'); d['v'].mean(); d.k.str.upper(); d.copy(); d.T; d.values; d.to_numpy(); d.sort_values('v'); d.query('v > 1'); len(d); d.dtypes"),
    ("import numpy as np; a = np.arange(5)", "a.sum(); a + 1; a[1:3]; a.copy(); a.T; np.sort(a)"),
    ("import pandas as pd; s = pd.Series(['a', 'b'], dtype='category')", "s.cat.add_categories('c'); s.value_counts()"),
    ("from sklearn.linear_model import LogisticRegression as L; m = L().fit([[0.], [1.]], [0, 1])", "m.predict([[1.]]); m.score([[0.]], [0]); m.get_params()"),
    ("from sklearn.tree import DecisionTreeClassifier as L; m = L(random_state=0).fit([[0.], [1.]], [0, 1])", "m.predict([[1.]]); m.feature_importances_"),
    ("import datetime, decimal, uuid, re, pathlib; x = [datetime.date(2020, 1, 1), decimal.Decimal(1), uuid.uuid4(), re.compile('a'), pathlib.Path('a')]", "str(x); x[0] < x[0]"),
    ("class A:\n    def __init__(self): self.v = [1]\n    def get(self): return self.v\na = A()", "a.get(); a.v; repr(a)"),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "statement", "names"), CHANGES)
def test_a_change_shows_under_every_name_that_shares_the_object(
    setup: str, statement: str, names: set[str]
) -> None:
    """Aliases, containers, views and closures change together; equal objects apart don't."""
    assert changed_names(setup, statement) == names


@pytest.mark.parametrize(("setup", "statement"), LOOKS)
def test_looking_changes_nothing(setup: str, statement: str) -> None:
    """Caches that libraries keep for themselves are not changes."""
    assert changed_names(setup, statement) == set()


def test_no_object_lives_longer_for_being_watched() -> None:
    """A graph keeps addresses, not references."""
    import gc
    import weakref

    class Thing:
        pass

    namespace: dict[str, Any] = {"x": [Thing()]}
    seen = weakref.ref(namespace["x"][0])
    graph = Graph(namespace, lambda _: False)
    graph.look("x", time.perf_counter() + 1)
    namespace["x"].clear()
    gc.collect()
    assert seen() is None


CACHING = """
import functools
class Graph:
    __module__ = {module!r}
    def __init__(self): self.rows = {{1: 2}}
    @functools.cached_property
    def view(self): return self.rows
g = Graph(); r = g.rows
"""


@pytest.mark.parametrize(
    ("module", "statement", "expected"),
    [
        ("networkx.classes.graph", "g.view", set()),
        ("networkx.classes.graph", "g.view[1] = 3", {"g", "r"}),
        ("networkx.classes.graph", "g.view = 4; g.rows[5] = 6", {"g", "r"}),
        ("networkx.classes.graph", "g.name = 4", {"g"}),
        ("mine", "g.view", {"g"}),
    ],
)
def test_a_cache_kept_in_step_is_no_change(module: str, statement: str, expected: set[str]) -> None:
    """Of libraries known to drop what a `cached_property` holds in time, filling it changes nothing."""
    assert changed_names(CACHING.format(module=module), statement) == expected
