from __future__ import annotations

import time

import pandas as pd

from linea.history.blame import blame, blame_columns, last_writes
from linea.model import Origin, Version

from .histories import History


def versions_of(history: History, version: Version) -> list[int]:
    return [line.version.number for line in blame(history.repository, version)]


def test_each_line_has_the_version_that_brought_it(history: History) -> None:
    """A line belongs to the version that last changed it."""
    history.save(code="a = 1\nb = 2\nc = 3")
    history.save(code="a = 1\nb = 20\nc = 3", author="Bo <bo@x>")
    tip = history.save(code="a = 1\nb = 20\nc = 3\nd = 4")
    assert versions_of(history, tip) == [1, 2, 1, 3]
    second = blame(history.repository, tip)[1]
    assert (second.number, second.text, second.author) == (2, "b = 20", "Bo <bo@x>")
    assert second.created == history.repository.version("result", 2).created


def test_moves_and_formatting_keep_the_origin(history: History) -> None:
    """Neither another place nor another layout makes a line new."""
    history.save(code="a = f(1,2)\nb = 2\nc = 3")
    history.save(code="c = 3\na = f(1, 2)\nb = 2")
    tip = history.save(code="c = 3\na = f(\n    1, 2\n)\nb = 22")
    assert versions_of(history, tip) == [1, 1, 1, 1, 3]


def test_place_is_where_the_line_came(history: History) -> None:
    """The place is that of the version which brought the line."""
    history.save(code="a = 1", lines=[Origin("n.ipynb", 1, 3)])
    tip = history.save(code="b = 2\na = 1", lines=[None, Origin("n.ipynb", 1, 9)])
    places = [str(line.place) for line in blame(history.repository, tip)]
    assert places == ["None", "n.ipynb [3]:1"]


def test_blame_of_an_older_version(history: History) -> None:
    """What came later doesn't show."""
    first = history.save(code="a = 1")
    history.save(code="a = 2")
    assert versions_of(history, first) == [1]


def test_a_line_that_came_back_is_new(history: History) -> None:
    """A line that was gone in between belongs to the version that brought it back."""
    history.save(code="a = 1\nb = 2")
    history.save(code="a = 1")
    tip = history.save(code="a = 1\nb = 2")
    assert versions_of(history, tip) == [1, 3]


def test_empty_code(history: History) -> None:
    """A slice without a line has no origins."""
    assert blame(history.repository, history.save(code="")) == []


def test_three_hundred_versions(history: History) -> None:
    """Blame of 200 lines over 300 versions takes well under two seconds."""
    lines = [f"x{n} = compute({n}, 'some text', key=[1, 2, {n}])" for n in range(200)]
    for version in range(300):
        lines[version % 200] = f"x{version % 200} = other({version})"
        tip = history.save(code="\n".join(lines))
    start = time.process_time()
    found = blame(history.repository, tip)
    assert time.process_time() - start < 4
    assert [line.version.number for line in found] == [*range(201, 301), *range(101, 201)]


def test_columns(history: History) -> None:
    """A column belongs to the version that last changed its content."""
    one = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    history.save(one, code="df = 1")
    history.save(one.assign(b=[3, 5]), code='df = 1\ndf["b"] = 5')
    tip = history.save(
        one.assign(b=[3, 5], c=[0, 0]), code='df = 1\ndf["b"] = 5\ndf["c"] = 0\nprint(df["b"])'
    )
    found = {each.column.name: each for each in blame_columns(history.repository, tip)}
    assert {name: each.version.number for name, each in found.items()} == {"a": 1, "b": 2, "c": 3}
    assert {name: each.since.number for name, each in found.items()} == {"a": 1, "b": 1, "c": 3}
    assert {name: each.line for name, each in found.items()} == {"a": None, "b": 2, "c": 3}
    assert str(found["c"].place) == "a.py:3"


def test_last_writes() -> None:
    """Ways to write a column that the text shows."""
    code = (
        'df["a"] = 1\ndf.loc[df.x > 1, "b"] = 2\ndf = df.assign(c=3)\n'
        'df[["d", "e"]] = 4\ndf.insert(0, "f", 5)\ndf["a"] += 1\nprint(df["z"])'
    )
    assert last_writes(code) == {"a": 6, "b": 2, "c": 3, "d": 4, "e": 4, "f": 5}
    assert last_writes("not python") == {}
