from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from linea import values
from linea.history.log import log
from linea.history.wording import reasons
from linea.model import ArtifactName, Origin, Variable, Verdict

from .histories import START, History


def why(history: History, name: str = "result") -> str:
    """What the log says of the latest version."""
    return reasons(next(log(history.repository, ArtifactName(name))).changes)


class Case(NamedTuple):
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    expect: str


CASES = [
    Case("a line changed", {"code": "a = 1\nresult = a"}, {"code": "a = 2\nresult = a"},
         "code a.py:1 a = 2 ⇒ same value"),
    Case("a line came", {"code": "result = 0"}, {"code": "result = 0\nresult += 1", "value": 1},
         "code a.py:2 result += 1 ⇒ 0 → 1"),
    Case("a line went", {"code": "a = 1\nresult = 0"}, {"code": "result = 0"},
         "code without a = 1 ⇒ same value"),
    Case("several lines", {"code": "a = 1\nb = 1"}, {"code": "a = 2\nb = 2"},
         "code a.py:1 a = 2 (+1 more) ⇒ same value"),
    Case("moved only", {"code": "a = 1\nb = 2"}, {"code": "b = 2\na = 1"}, "nothing changed"),
    Case("reformatted only", {"code": "a = f(1,2)"}, {"code": "a = f(1, 2)"}, "nothing changed"),
    Case("in a cell", {"code": "a = 1"},
         {"code": "a = 2", "lines": [Origin("n.ipynb", 2, 7)]},
         "code n.ipynb [7]:2 a = 2 ⇒ same value"),
    Case("data changed", {"inputs": {"x.csv": b"1"}}, {"inputs": {"x.csv": b"2"}, "value": 5},
         "data x.csv changed ⇒ 0 → 5"),
    Case("data came and went", {"inputs": {"x.csv": b"1"}}, {"inputs": {"y.csv": b"1"}},
         "data no longer reads x.csv (+1 more) ⇒ same value"),
    Case("a package", {"packages": {"pandas": "2.1"}}, {"packages": {"pandas": "2.2"}},
         "env pandas 2.1 → 2.2 ⇒ same value"),
    Case("a new package", {}, {"packages": {"polars": "1.0"}},
         "env now with polars 1.0 ⇒ same value"),
    Case("by chance", {}, {"value": 1, "unreproducible": ("unseeded numpy.random",)},
         "chance re-run: unseeded numpy.random ⇒ 0 → 1"),
    Case("nobody knows why", {}, {"value": 1}, "chance re-run gave another value ⇒ 0 → 1"),
    Case("nothing", {}, {}, "nothing changed"),
    Case("another kind", {"value": 1, "code": "a"}, {"value": "text", "code": "b"},
         "code a.py:1 b ⇒ data → text"),
    Case("rows and columns",
         {"value": pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "code": "a"},
         {"value": pd.DataFrame({"a": [1], "c": [2]}), "code": "b"},
         "code a.py:1 b ⇒ −1 rows, +c, −b"),
    Case("a column's content",
         {"value": pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "code": "a"},
         {"value": pd.DataFrame({"a": [1, 2], "b": [1, 3]}), "code": "b"},
         "code a.py:1 b ⇒ b"),
    Case("a column's type",
         {"value": pd.DataFrame({"a": [1, 2]}), "code": "a"},
         {"value": pd.DataFrame({"a": [1.0, 2.0]}), "code": "b"},
         "code a.py:1 b ⇒ a: int64 → float64"),
    Case("inside plain data", {"value": {"auc": 0.8, "n": 3}, "code": "a"}, {"value": {"auc": 0.9, "m": 1}, "code": "b"},
         "code a.py:1 b ⇒ auc 0.8 → 0.9, −n, +m 1"),
    Case("a model's parameter", {"value": Ridge(alpha=1.0), "code": "a"}, {"value": Ridge(alpha=2.0), "code": "b"},
         "code a.py:1 b ⇒ alpha 1.0 → 2.0"),
    Case("a model fitted on other data", {"value": Ridge().fit([[1]], [2]), "code": "a"},
         {"value": Ridge().fit([[1], [2]], [2, 5]), "code": "b"}, "code a.py:1 b ⇒ fitted anew"),
    Case("a variable of the environment", {"variables": [Variable("MODE", "a")]},
         {"variables": [Variable("MODE", "b")]}, "env $MODE 'a' → 'b' ⇒ same value"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reasons(history: History, case: Case) -> None:
    """The log says why a version differs from the one before, and how."""
    history.save(**{"value": 0, **case.before})
    history.save(**{"value": 0, **case.after})
    assert why(history) == case.expect


def test_first_version(history: History) -> None:
    """A first version says what it was made from."""
    history.save(inputs={"x.csv": b"1"})
    assert why(history) == "from x.csv"
    history.save(name="other")
    assert why(history, "other") == "first version"


def test_upstream(history: History) -> None:
    """A parent that was taken in a newer version is named with both."""
    one = history.save(1, "clean")
    history.save(10, parents=[one])
    two = history.save(2, "clean")
    history.save(20, parents=[two])
    assert why(history) == "from clean v1 → v2 ⇒ 10 → 20"
    history.save(20)
    assert why(history) == "from clean no longer ⇒ same value"


def test_a_helper_module(history: History) -> None:
    """A module of the user's that was imported is code: the statement that changed is told."""

    def helper(source: str) -> dict[str, Any]:
        data = source.encode()
        return {"inputs": {"helpers.py": data}, "kept": {values.digest_bytes(data): data}}

    history.save(1, **helper("def double(x):\n    return x + x\n"))
    history.save(2, **helper("def double(x):\n    return 2 * x\n"))
    assert why(history) == "code helpers.py:2 return 2 * x ⇒ 1 → 2"


def test_entries(history: History) -> None:
    """An entry carries its tags, its verdict and how many lines came and went."""
    first = history.save(code="a = 1\nb = 2", tags=["old"])
    history.save(code="a = 1\nb = 3\nc = 4")
    history.repository.set_verdict(first, Verdict("identical", START))
    newest, oldest = log(history.repository, ArtifactName("result"))
    assert (newest.added, newest.removed, newest.tags, newest.verdict) == (2, 1, (), None)
    assert oldest.tags == ("old",)
    assert oldest.verdict is not None
    assert oldest.verdict.outcome == "identical"


def test_all_artifacts(history: History) -> None:
    """Without a name, all artifacts' versions come newest first."""
    for name in "abab":
        history.save(name=name)
    assert [entry.version.revision for entry in log(history.repository)] == [
        "b@v2", "a@v2", "b@v1", "a@v1",
    ]  # fmt: skip


def test_filters(history: History) -> None:
    """Versions are chosen by number, date, author and where to start."""
    for author in ("Ada <a@x>", "Bo <b@x>", "Ada <a@x>"):
        last = history.save(author=author)
    repository, name = history.repository, ArtifactName("result")

    def numbers(**options: Any) -> list[int]:
        return [entry.version.number for entry in log(repository, name, **options)]

    assert numbers(limit=2) == [3, 2]
    assert numbers(since=START + timedelta(days=1)) == [3, 2]
    assert numbers(until=START + timedelta(days=1)) == [2, 1]
    assert numbers(author="ada") == [3, 1]
    assert numbers(start=repository.version(name, 2)) == [2, 1]
    assert last.number == 3


def test_reads_no_further_than_asked(history: History) -> None:
    """A log of one entry reads two versions."""
    for number in range(5):
        history.save(number)
    read: list[int] = []
    original = history.repository.loaded

    def counted(entry: Any) -> Any:
        read.append(entry.number)
        return original(entry)

    history.repository.loaded = counted  # type: ignore[method-assign]
    next(log(history.repository, ArtifactName("result"), limit=1))
    assert read == [5, 4]
