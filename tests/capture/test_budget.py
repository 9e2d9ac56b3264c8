"""Past its budget capture looks at less, says so, and the slices stay right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from linea.capture import budget, looking
from linea.capture.criterion import slice_of_name
from linea.capture.script import main_module, run_statements
from linea.capture.session import Session

MANY_LISTS = """\
data = [[i] for i in range(60_000)]
row = data[10]
last = data[-1]
row.append(5)
twin = last
twin += [7]
extra = [1]
data.append(extra)
data[30_000] = extra
extra.append(99)
apart = [4]
apart.append(5)
total = sum(map(sum, data))
"""

NESTED = """\
book = {k: {"rows": [[k, i] for i in range(200)], "tag": {k}} for k in range(300)}
page = book[7]
line = page["rows"][3]
line.append("x")
page["tag"].add("y")
book[8]["rows"].pop()
other = dict(book[9])
other["rows"].append(0)
count = len(book[9]["rows"])
"""

OBJECTS = """\
class Node:
    def __init__(self, n, below): self.n, self.below, self.seen = n, below, []
    def mark(self, m):
        self.seen.append(m)
        return self
tip = None
for n in range(20_000):
    tip = Node(n, tip)
second = tip.below
second.mark("a")
deep = tip
for _ in range(5_000): deep = deep.below
deep.mark("b")
deep.seen[0] += "c"
alone = Node(1, None)
alone.mark(2)
marks = (tip.below.seen, deep.seen)
"""

FRAME = (
    """\
import numpy as np, pandas as pd
df = pd.DataFrame({f"c{i}": np.arange(1000.0) for i in range(5)})
a = df["c0"].to_numpy(copy=True)
b = a[10:]
"""
    + "".join(f"df['c{i % 5}'] += {i}\nb[{i}] = -1.0\n" for i in range(20))
    + """\
note = []
note.append(1)
m = float(a.sum())
"""
)

APPENDED = (
    """\
class Box:
    def __init__(self, v): self.v = v
boxes = [Box(i) for i in range(60_000)]
kept = boxes[3]
"""
    + "".join(f"boxes.append(Box({i}))\n" for i in range(20))
    + """\
kept.v = "new"
x = [1]
x.append(2)
s = (boxes[3].v, len(boxes))
"""
)

CHAIN = (
    "v0 = [1]\n"
    + "".join(
        f"y{i} = [v{i - 1}]\nz{i} = {{1: v{i - 1}}}\ny{i}.append({i})\nv{i} = y{i}\n"
        for i in range(1, 60)
    )
    + "v0.append('new')\nn = len(v7)\n"
)
"""Each statement reaches what all before it have made, under a hundred names."""

PROGRAMS = {
    "lists in one another": (CHAIN, ["v59", "z30", "v0", "n"]),
    "a list of many lists": (MANY_LISTS, ["data", "row", "last", "extra", "apart", "total"]),
    "nested tables": (NESTED, ["book", "page", "line", "other", "count"]),
    "a long chain of objects": (OBJECTS, ["marks"]),
    "a frame and views": (FRAME, ["df", "a", "b", "m", "note"]),
    "a list of many objects": (APPENDED, ["s", "x"]),
}  # fmt: skip


def watched(source: str, folder: Path) -> Session:
    """A session in which `source` has run."""
    module = main_module(folder / "program.py")
    before, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        session = Session(vars(module), root=folder, source="program.py")
        run_statements(session, source, str(folder / "program.py"), "program.py", vars(module))
    finally:
        sys.modules["__main__"] = before
    session.close()
    return session


def shown(value: Any) -> str:
    """A text that is equal for equal values."""
    return value.to_csv() if hasattr(value, "to_csv") else repr(value)


@pytest.mark.parametrize("spent", [False, True], ids=["budget left", "budget spent"])
@pytest.mark.parametrize("title", PROGRAMS)
def test_a_slice_taken_over_large_data_gives_the_same_value(
    title: str, spent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not what can be reached was compared, nothing that changed the value is left out."""
    if spent:
        for constant in ("FLOOR", "STEP", "SHARE", "CHEAP"):
            monkeypatch.setattr(budget, constant, 0.0)
        monkeypatch.setattr(looking, "LEAST", 0.0)
    source, names = PROGRAMS[title]
    session = watched(source, tmp_path)
    assert not session.notes
    for name in names:
        code = slice_of_name(session, name).code
        again: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(code, "<slice>", "exec"), again)
        assert shown(again[name]) == shown(session.namespace[name]), f"{name}:\n{code}"


def test_a_slice_over_what_was_not_compared_says_so(tmp_path: Path) -> None:
    """The reason is in the slice that rests on the assumption, and in no other."""
    session = watched(MANY_LISTS, tmp_path)
    assert slice_of_name(session, "data").conservative
    assert not slice_of_name(session, "apart").conservative
