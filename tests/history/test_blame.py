from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pytest

from linea.errors import LineaError
from linea.history.blame import blame, blame_columns, blame_row, blame_rows
from linea.history.columns import last_writes
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
    assert {name: write.line for name, write in last_writes(code).items()} == {
        "a": 6,
        "b": 2,
        "c": 3,
        "d": 4,
        "e": 4,
        "f": 5,
    }
    assert last_writes("not python") == {}


WRITES = [
    ('df["x"] = df["a"] + df.b', ("x", ("a", "b"))),
    ('df["x"] += df["y"]', ("x", ("x", "y"))),
    ('df = df.rename(columns={"a": "x"})', ("x", ("a",))),
    ('df = pd.DataFrame({"x": raw["a"] * 2})', ("x", ("a",))),
    ('df = df.with_columns((pl.col("a") * 2).alias("x"))', ("x", ("a",))),
    ('df = df.groupby("g").agg(x=("a", "sum"))', ("x", ())),
]


@pytest.mark.parametrize(("code", "expect"), WRITES)
def test_what_a_written_column_is_made_from(code: str, expect: tuple[str, tuple[str, ...]]) -> None:
    """The columns that the writing statement names are found with it."""
    name, reads = expect
    write = last_writes(code)[name]
    assert set(reads) <= set(write.reads)


def test_a_column_that_a_parent_has(history: History) -> None:
    """A column that no statement writes is told the parent whose column has the same content."""
    one = pd.DataFrame({"id": [1, 2], "a": [3, 4]})
    parent = history.save(one, "raw")
    table = one.rename(columns={"a": "b"}).assign(c=[5, 6])
    history.save(table, code='result = load()\nresult["c"] = 5', parents=[parent])
    found = {
        each.column.name: each
        for each in blame_columns(history.repository, history.repository.tip("result"))
    }
    assert {name: (each.parent and each.parent.name, each.parent_column) for name, each in found.items()} == {
        "id": ("raw", "id"), "b": ("raw", "a"), "c": (None, None),
    }  # fmt: skip
    assert found["c"].text == 'result["c"] = 5'


def test_a_column_that_nothing_tells_of(history: History) -> None:
    """Where neither text nor parents tell, it is the statement that made the table what it is."""
    tip = history.save(
        pd.DataFrame({"a": [1]}), code="result = read()\nresult = result[result.a > 0]\nx = 1"
    )
    (found,) = blame_columns(history.repository, tip)
    assert (found.line, found.text) == (2, "result = result[result.a > 0]")


PRICES = pd.DataFrame({"id": [1, 2, 3], "price": [10, 20, 30], "plan": ["a", "b", "c"]})


def test_cells_of_a_row(history: History) -> None:
    """Each cell of a row has the version in which it took its value, and what it was before."""
    history.save(PRICES)
    history.save(PRICES.assign(price=[10, 22, 30]))
    history.save(PRICES.assign(price=[10, 22, 30])[::-1])  # only reordered
    tip = history.save(PRICES.assign(price=[10.0, 22.0, 30.0], new=0)[::-1])
    found = blame_row(history.repository, tip, {"id": "2"})
    assert [(each.column, each.value, each.version.number, each.before) for each in found] == [
        ("id", 2, 1, None), ("price", 22.0, 2, 20), ("plan", "b", 1, None), ("new", 0, 4, None),
    ]  # fmt: skip
    with pytest.raises(LineaError, match="no row with id=9"):
        blame_row(history.repository, tip, {"id": 9})
    with pytest.raises(LineaError, match="new=0 names 3 rows"):
        blame_row(history.repository, tip, {"new": 0})
    with pytest.raises(LineaError, match="no column 'nope'"):
        blame_row(history.repository, tip, {"nope": 0})


def test_a_relabelled_row_is_followed_by_its_key(history: History) -> None:
    """Columns of equal content hold another row's cells where the keys moved."""
    history.save(PRICES)
    tip = history.save(PRICES.assign(id=[2, 1, 3]))
    found = {each.column: each for each in blame_row(history.repository, tip, {"id": 1})}
    assert (found["price"].value, found["price"].before, found["price"].version.number) == (
        20,
        10,
        2,
    )


def test_rows(history: History) -> None:
    """Each row has the version that last changed or brought it, wherever it stands."""
    history.save(PRICES)
    history.save(PRICES.assign(price=[10, 22, 30]))
    more = pd.concat(
        [PRICES.assign(price=[10, 22, 30]), pd.DataFrame({"id": [4], "price": [1], "plan": ["d"]})]
    )
    history.save(more)
    tip = history.save(more[::-1].assign(new=0))
    found = blame_rows(history.repository, tip, ("id",))
    assert [(each.row["id"], each.version.number, each.came) for each in found] == [
        (4, 3, True), (3, 1, True), (2, 2, False), (1, 1, True),
    ]  # fmt: skip


def test_a_row_is_named_as_people_write_it(history: History) -> None:
    """A day of an index, a whole number that is stored as a float, and a missing cell."""
    table = pd.DataFrame(
        {"n": [1.0, 2.5, None], "v": [1, 2, 3]},
        index=pd.date_range("2026-01-01", periods=3, name="day"),
    )
    tip = history.save(table)

    def value(key: dict[str, str]) -> Any:
        return {cell.column: cell.value for cell in blame_row(history.repository, tip, key)}["v"]

    assert value({"day": "2026-01-02"}) == 2
    assert value({"n": "1"}) == 1
    assert value({"n": "nan"}) == 3
