from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linea import values
from linea.errors import LineaError
from linea.history.diff import Diff, as_arrow, diff, rows_of
from linea.history.diff_picture import PictureDiff, diff_pictures, opened
from linea.history.diff_plain import diff_data
from linea.history.diff_table import Choice, TableDiff, diff_tables
from linea.history.diff_value import (
    ArrayDiff,
    DataDiff,
    ModelDiff,
    OtherDiff,
    Same,
    TextDiff,
    diff_arrays,
)

from .histories import History


def compare(history: History, before: Any, after: Any, **options: Any) -> Diff:
    """Save two values and compare the versions."""
    return diff(history.repository, history.save(before), history.save(after), **options)


def latest_two(history: History, **options: Any) -> Diff:
    """Compare the last two versions."""
    new, old, *_ = history.repository.versions("result")
    return diff(history.repository, old, new, **options)


class Tables:
    """Two tables that tell which of their columns were read."""

    def __init__(self, before: pd.DataFrame, after: pd.DataFrame) -> None:
        self.records = [values.encode(frame).record for frame in (before, after)]
        self.frames = [as_arrow(frame) for frame in (before, after)]
        self.read: list[str] = []

    def compare(self, **options: Any) -> TableDiff:
        return diff_tables(*self.records, self._load(0), self._load(1), **options)

    def _load(self, side: int) -> Any:
        def load(names: Sequence[str]) -> pa.Table:
            self.read += names
            index = [n for n in self.frames[side].column_names if n not in self._listed(side)]
            return self.frames[side].select([*names, *index])

        return load

    def _listed(self, side: int) -> list[str]:
        return [column.name for column in self.records[side].columns]


def tables(before: Any, after: Any, **options: Any) -> TableDiff:
    return Tables(pd.DataFrame(before), pd.DataFrame(after)).compare(**options)


def shown(found: TableDiff) -> list[tuple[Any, ...]]:
    """The changed cells, short."""
    return [(*cell.row.values(), cell.column, cell.before, cell.after) for cell in found.cells]


# ------------------------------------------------------------------------------------ tables


def test_equal_columns_are_never_read() -> None:
    """One changed column among many: that one is read, on each side."""
    before = pd.DataFrame({f"c{n}": range(n, n + 50) for n in range(200)})
    after = before.assign(c7=before.c7.where(before.c7 != 20, 0))
    pair = Tables(before, after)
    found = pair.compare()
    assert set(pair.read) == {"c7"}
    assert found.loaded == ("c7",)
    assert (found.rows_changed, found.matched_by, len(found.unchanged)) == (1, "position", 199)
    assert shown(found) == [(13, "c7", 20, 0)]


def test_rows_by_inferred_key() -> None:
    """Rows that came and went are matched by the column that tells them apart."""
    found = tables(
        {"id": [1, 2, 3, 4], "v": [10, 20, 30, 40]},
        {"id": [4, 2, 5, 3, 6], "v": [40, 21, 50, 30, 60]},
    )
    assert (found.matched_by, found.key) == ("key", ("id",))
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (2, 1, 1)
    assert shown(found) == [(2, "v", 20, 21)]
    assert found.added_rows == ({"id": 5, "v": 50}, {"id": 6, "v": 60})
    assert found.removed_rows == ({"id": 1, "v": 10},)


def test_rows_by_given_key() -> None:
    """The key may have several columns."""
    before = {"a": [1, 1, 2], "b": ["x", "y", "x"], "v": [1, 2, 3]}
    after = {"a": [2, 1, 1], "b": ["x", "y", "x"], "v": [3, 2, 9]}
    found = tables(before, after, key=("a", "b"))
    assert (found.rows_added, found.rows_removed) == (0, 0)
    assert shown(found) == [(1, "x", "v", 1, 9)]


def test_key_that_is_none() -> None:
    """A key that doesn't tell rows apart, or isn't there, is an error."""
    with pytest.raises(LineaError, match="doesn't tell the rows apart"):
        tables({"a": [1, 1], "b": [1, 2]}, {"a": [1, 1], "b": [1, 3]}, key=("a",))
    with pytest.raises(LineaError, match="no column 'z'"):
        tables({"a": [1]}, {"a": [2]}, key=("z",))


def test_sorted_anew() -> None:
    """A table that was only sorted has no changed cell."""
    frame = pd.DataFrame({"id": [3, 1, 2], "v": ["c", "a", "b"]})
    found = Tables(frame, frame.sort_values("id", ignore_index=True)).compare()
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (0, 0, 0)
    assert found.changed == ()


def test_named_index_is_a_key() -> None:
    """An index with a name is what tells rows apart."""
    before = pd.DataFrame({"v": [1, 2, 3]}, index=pd.Index(["a", "b", "c"], name="who"))
    after = pd.DataFrame({"v": [9, 1, 3]}, index=pd.Index(["d", "a", "c"], name="who"))
    found = Tables(before, after).compare()
    assert found.key == ("who",)
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (1, 1, 0)


def test_unique_by_chance_is_no_key() -> None:
    """With as many rows as before a number that changed isn't taken for a key."""
    found = tables({"price": [1, 2, 3, 4], "z": 0}, {"price": [1, 2, 3, 5], "z": 0})
    assert found.matched_by == "position"
    assert shown(found) == [(3, "price", 4, 5)]


def test_rows_by_content() -> None:
    """Without a key rows are matched as often as both tables have them."""
    found = tables({"a": [1.5, 1.5, 2.5], "b": [0.5, 0.5, 0.5]}, {"a": [1.5, 3.5], "b": [0.5, 0.5]})
    assert (found.matched_by, found.rows_added, found.rows_removed) == ("content", 1, 2)
    assert found.removed_rows == ({"a": 1.5, "b": 0.5}, {"a": 2.5, "b": 0.5})


def test_schema() -> None:
    """Columns that came, went, were renamed, retyped or put in another order."""
    found = tables(
        {"a": [1, 2], "b": [3, 4], "c": [5, 6], "d": [7, 8]},
        {"d": [7.0, 8.0], "a": [1, 2], "bee": [3, 4], "e": [0, 0]},
    )
    assert [column.name for column in found.added_columns] == ["e"]
    assert [column.name for column in found.removed_columns] == ["c"]
    assert found.renamed == (("b", "bee"),)
    assert [(each.name, each.before, each.after) for each in found.retyped] == [
        ("d", "int64", "float64")
    ]
    assert found.reordered
    assert found.rows_changed == 0


def test_nulls_and_nan() -> None:
    """A missing value equals a missing value, and nothing else."""
    nan = float("nan")
    found = tables(
        {"x": [1.0, nan, nan, 4.0], "s": ["a", None, "c", None]},
        {"x": [1.0, nan, 3.0, nan], "s": ["a", None, None, "d"]},
    )
    assert {(cell.row["row"], cell.column) for cell in found.cells} == {
        (2, "x"), (3, "x"), (2, "s"), (3, "s"),
    }  # fmt: skip


def test_distribution_shift() -> None:
    """A changed column shows its facts before and after."""
    found = tables(
        {"x": [1.0, 2.0, 3.0], "s": list("aab")}, {"x": [1.0, 2.0, 6.0], "s": list("abc")}
    )
    facts = {column.name: (column.before, column.after) for column in found.changed}
    assert (facts["x"][0]["mean"], facts["x"][1]["mean"]) == (2.0, 3.0)
    assert (facts["x"][0]["max"], facts["x"][1]["max"]) == (3.0, 6.0)
    assert (facts["s"][0]["distinct"], facts["s"][1]["distinct"]) == (2, 3)


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        [True, False],
        ["a", "b"],
        pd.Categorical(["a", "b"]),
        pd.to_datetime(["2026-01-01", "2026-01-02"]),
        pd.to_timedelta([1, 2], unit="D"),
        pd.array([1, None], dtype="Int64"),
        [[1, 2], [3]],
        [{"a": 1}, {"a": 2}],
        [b"x", b"y"],
        [1, "mixed"],
        pd.period_range("2026-01", periods=2, freq="M"),
    ],
    ids=lambda column: type(column).__name__,
)
def test_column_types(history: History, column: Any) -> None:
    """Columns of every type are compared cell by cell."""
    before = pd.DataFrame({"k": [0, 1], "x": column})
    after = before.assign(x=before.x.iloc[[0, 0]].to_numpy())
    after["x"] = after["x"].astype(before.x.dtype)
    found = compare(history, before, after, trusted=True).value
    assert isinstance(found, TableDiff)
    assert [(c.name, c.cells) for c in found.changed] == [("x", 1)]


def test_limit() -> None:
    """No more cells are shown than asked for; the count is of all."""
    found = tables({"x": range(100), "k": 0}, {"x": range(1000, 1100), "k": 0}, limit=3)
    assert len(found.cells) == 3
    assert found.changed[0].cells == 100


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_kinds_of_tables(history: History, make: Any) -> None:
    """pandas, polars and pyarrow tables are compared alike."""
    found = compare(
        history, make({"k": [1, 2], "v": [1, 2]}), make({"k": [1, 2], "v": [1, 3]})
    ).value
    assert isinstance(found, TableDiff)
    assert shown(found) == [(1, "v", 2, 3)]


def test_series(history: History) -> None:
    """A series is a table of one column."""
    found = compare(history, pd.Series([1, 2], name="s"), pd.Series([1, 3], name="s")).value
    assert isinstance(found, TableDiff)
    assert [cell.after for cell in found.cells] == [3]


def test_empty_tables() -> None:
    """A table without rows is a table."""
    found = tables({"a": []}, {"a": [1.0]})
    assert (found.rows, found.rows_added) == ((0, 1), 1)


# ------------------------------------------------------------------------------------- others


def test_same(history: History) -> None:
    """Equal versions don't differ, and nothing is read."""
    found = compare(history, [1, 2], [1, 2])
    assert found.value == Same()
    assert not found


def test_arrays() -> None:
    """Arrays: shape, count, size and place of differences; NaN equals NaN."""
    one = np.array([[1.0, np.nan], [3.0, 4.0]])
    found = diff_arrays(one, np.array([[1.0, np.nan], [3.5, 2.0]]))
    assert (found.compared, found.differing, found.largest, found.mean) == (4, 2, 2.0, 1.25)
    assert [(place.path, place.before, place.after) for place in found.where] == [
        ("[1, 0]", "3.0", "3.5"), ("[1, 1]", "4.0", "2.0"),
    ]  # fmt: skip


def test_arrays_of_other_shapes() -> None:
    """Where shapes differ, the common part is compared; other dimensions aren't."""
    found = diff_arrays(np.arange(3), np.arange(5))
    assert (found.shape, found.compared, found.differing) == (((3,), (5,)), 3, 0)
    assert diff_arrays(np.arange(3), np.ones((3, 1))).compared == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.array(1), np.array(2)),
        (np.array(["a", "b"]), np.array(["a", "c"])),
        (np.array([True, False]), np.array([True, True])),
        (np.array([1, 2], "uint8"), np.array([1, 0], "uint8")),
        (np.array([1 + 2j]), np.array([2j])),
        (np.array(["2026-01-01"], "M8[D]"), np.array(["2026-01-02"], "M8[D]")),
    ],
    ids=lambda array: str(array.dtype),
)
def test_array_types(history: History, before: Any, after: Any) -> None:
    """Arrays of every type are compared."""
    found = compare(history, before, after).value
    assert isinstance(found, ArrayDiff)
    assert found.differing == 1


@pytest.mark.parametrize(
    ("before", "after", "expect"),
    [
        ({"a": 1}, {"a": 2}, [("a", "1", "2")]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [("a.b[1]", "2", "3")]),
        ({"a": 1}, {"b": 1}, [("a", "1", None), ("b", None, "1")]),
        ({"x y": 1}, {"x y": 2}, [("['x y']", "1", "2")]),
        ([1, 2, 3], [1, 3], [("[1]", "2", None)]),
        ([1, 3], [1, 2, 3], [("[1]", None, "2")]),
        ([{"a": 1}], [{"a": 1}, {"a": 2}], [("[1]", None, "{'a': 2}")]),
        ({1, 2}, {2, 3}, [("{}", "1", None), ("{}", None, "3")]),
        (1, 1.0, [("value", "1", "1.0")]),
        ([1], (1,), [("value", "[1]", "(1,)")]),
        (float("nan"), float("nan"), []),
        (True, 1, [("value", "True", "1")]),
    ],
)
def test_plain_data(before: Any, after: Any, expect: list[Any]) -> None:
    """Nested data is compared by path."""
    found = [(each.path, each.before, each.after) for each in diff_data(before, after)]
    assert found == expect


def test_data_is_limited(history: History) -> None:
    """Not more changes are listed than asked for, and the rest is counted."""
    found = compare(history, list(range(50)), list(range(1, 51)), limit=5).value
    assert isinstance(found, DataDiff)
    assert (len(found.changes), found.more) == (2, 0)
    found = compare(history, [0] * 50, [1] * 50, limit=5).value
    assert isinstance(found, DataDiff)
    assert (len(found.changes), found.more) == (5, 45)


def test_text(history: History) -> None:
    """Texts are compared by line."""
    found = compare(history, "one\ntwo\nthree", "one\n2\nthree").value
    assert isinstance(found, TextDiff)
    assert [(line.mark, line.text) for line in found.lines.lines] == [
        (" ", "one"), ("-", "two"), ("+", "2"), (" ", "three"),
    ]  # fmt: skip


def test_models(history: History) -> None:
    """Models: parameters always, what they learnt only where unpickling is allowed."""
    from sklearn.linear_model import Ridge

    x, y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    before, after = Ridge(alpha=1).fit(x, y), Ridge(alpha=2).fit(x, y)
    found = compare(history, before, after).value
    assert isinstance(found, ModelDiff)
    assert [(p.path, p.before, p.after) for p in found.params] == [("alpha", "1", "2")]
    assert found.fitted is None
    found = compare(history, before, after, trusted=True).value
    assert isinstance(found, ModelDiff)
    assert found.fitted is not None
    assert "coef_" in [each.path for each in found.fitted]


def test_other_kinds(history: History) -> None:
    """Values of two kinds, or of one that can't be compared, are told apart by what they are."""
    found = compare(history, 1, "text").value
    assert isinstance(found, OtherDiff)
    assert "a data became a text" in found.note


def test_nothing_is_read_for_a_summary(history: History) -> None:
    """`load=False` compares what was recorded."""
    before, after = (
        history.save(pd.DataFrame({"a": [1]})),
        history.save(pd.DataFrame({"a": [1, 2]})),
    )
    history.repository.read_part = None  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        diff(history.repository, before, after)
    history.repository.read_part = lambda version: lambda path: b""  # type: ignore[method-assign]
    found = diff(history.repository, before, after, load=False).value
    assert isinstance(found, TableDiff)
    assert found.rows == (1, 2)


def test_causes(history: History) -> None:
    """A diff has the inputs, parents and packages that differ."""
    one, two = history.save(1, "clean"), history.save(2, "clean")
    a = history.save(0, parents=[one], inputs={"x.csv": b"1"}, packages={"pandas": "1"})
    b = history.save(0, parents=[two], inputs={"x.csv": b"2"}, packages={"pandas": "2"})
    found = diff(history.repository, a, b)
    assert [each.text for each in found.inputs] == ["x.csv changed"]
    assert [each.text for each in found.parents] == ["clean v1 → v2"]
    assert [each.text for each in found.environment] == ["pandas 1 → 2"]
    assert found


def picture(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (40, 20)) -> Any:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", size, "white")
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, fill="black")
    return image


def test_pictures(history: History) -> None:
    """Of pictures it is told how much differs and where; a third one shows what went and came."""
    history.save(picture((2, 2, 5, 5)))
    history.save(picture((2, 2, 5, 5), (10, 10, 19, 11)))
    found = latest_two(history).value
    assert isinstance(found, PictureDiff)
    assert (found.differing, found.compared, found.box) == (20, 800, (10, 10, 20, 12))
    third = opened(found.third)
    assert third.getpixel((10, 10)) == (31, 119, 180)  # came
    assert third.getpixel((3, 3)) == (191, 191, 191)  # both have it
    assert third.getpixel((30, 5)) == (255, 255, 255)
    back = diff_pictures(picture((10, 10, 19, 11)), picture())
    assert opened(back.third).getpixel((10, 10)) == (214, 39, 40)  # went


def test_pictures_of_other_sizes(history: History) -> None:
    """What only the larger one has differs."""
    found = diff_pictures(picture(size=(10, 10)), picture(size=(10, 12)))
    assert (found.size, found.differing, found.box) == (((10, 10), (10, 12)), 20, (0, 10, 10, 12))


def test_figures_are_compared_without_unpickling(history: History) -> None:
    """Figures differ by their pictures and by the data that was plotted."""
    from matplotlib.figure import Figure

    for last in (3, 9):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([1, 2, 3], [1, 2, last])
        history.save(figure)
    found = latest_two(history).value
    assert isinstance(found, PictureDiff)
    assert found.differing > 0
    assert [(each.path, each.before, each.after) for each in found.drawn] == [
        ("axes[0].lines[0].y[2]", "3.0", "9.0")
    ]


def test_helper_modules(history: History) -> None:
    """A module that differs is shown by its lines, not as an input."""
    for source in (b"A = 1\n", b"A = 2\n"):
        history.save(inputs={"h.py": source}, kept={values.digest_bytes(source): source})
    found = latest_two(history)
    ((path, code),) = found.modules
    assert (path, code.added, code.removed, found.inputs, bool(found)) == ("h.py", 1, 1, (), True)


TABLE = pd.DataFrame({"id": [1, 2, 3, 4], "price": [10, 20, 30, 40], "plan": ["a", "b", "a", "b"]})
OTHER = pd.DataFrame({"id": [2, 3, 4, 5], "price": [20, 33, 44, 50], "plan": ["b", "a", "a", "b"]})


def test_only_some_columns(history: History) -> None:
    """Of a table the columns asked for are compared, and no others are read but for the key."""
    history.save(TABLE)
    history.save(OTHER)
    found = latest_two(history, choice=Choice(("price",)), key=("id",)).value
    assert isinstance(found, TableDiff)
    assert ([c.name for c in found.changed], found.rows_changed) == (["price"], 2)
    assert sorted(found.loaded) == ["id", "price"]
    with pytest.raises(LineaError, match="no column 'cost'"):
        latest_two(history, choice=Choice(("cost",)))


@pytest.mark.parametrize(
    ("where", "counts"),
    [
        ("price > 30", (1, 0, 2)),  # 33 only came to be above
        ("plan == 'b'", (1, 0, 1)),  # 4 was of plan b before
        ("plan == 'a' and price < 20", (0, 1, 0)),
        ("id > 99", (0, 0, 0)),
    ],
)
def test_only_some_rows(history: History, where: str, counts: tuple[int, int, int]) -> None:
    """A row counts where the condition holds before or after."""
    history.save(TABLE)
    history.save(OTHER)
    found = latest_two(history, choice=Choice((), where)).value
    assert isinstance(found, TableDiff)
    assert (found.rows_added, found.rows_removed, found.rows_changed) == counts


def test_conditions_that_ask_nothing(history: History) -> None:
    """A condition that can't be asked of a row is refused with what pandas says."""
    history.save(TABLE)
    history.save(OTHER)
    for where in ("price +", "price + 1"):
        with pytest.raises(LineaError, match="price"):
            latest_two(history, choice=Choice((), where))


def test_all_rows_that_differ(history: History) -> None:
    """Every row that differs comes as a row, with its cells before and after."""
    history.save(TABLE)
    history.save(OTHER)
    new, old = history.repository.versions("result")
    found = rows_of(history.repository, old, new, key=("id",)).to_pylist()
    assert [(row["change"], row["id"], row["price before"], row["price after"]) for row in found] == [
        ("removed", 1, 10, None), ("changed", 3, 30, 33), ("changed", 4, 40, 44), ("added", 5, None, 50),
    ]  # fmt: skip
    assert [row["row before"] for row in found] == [0, 2, 3, None]
    history.save([1, 2])
    with pytest.raises(LineaError, match="without rows"):
        rows_of(history.repository, old, history.repository.tip("result"))


def test_a_changed_column_among_many_is_read_alone(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of stored tables the store is asked for the column that differs, not for the others."""
    table = pd.DataFrame({f"c{n}": np.arange(1000.0) + n for n in range(50)})
    history.save(table)
    history.save(table.assign(c7=0.0))
    asked: list[object] = []
    original = values.decode

    def decode(*arguments: Any, **options: Any) -> object:
        asked.append(options["columns"])
        return original(*arguments, **options)

    monkeypatch.setattr(values, "decode", decode)
    found = latest_two(history).value
    assert isinstance(found, TableDiff)
    assert [column.name for column in found.changed] == ["c7"]
    assert (found.loaded, asked) == (("c7",), [["c7"], ["c7"]])


def test_an_index_can_be_the_key(history: History) -> None:
    """A named index tells rows apart when it is asked to."""
    days = pd.date_range("2026-01-01", periods=3, name="day")
    history.save(pd.DataFrame({"v": [1, 2, 3]}, index=days))
    history.save(pd.DataFrame({"v": [1, 5, 3]}, index=days))
    found = latest_two(history, key=("day",)).value
    assert isinstance(found, TableDiff)
    assert [(str(cell.row["day"])[:10], cell.after) for cell in found.cells] == [("2026-01-02", 5)]
