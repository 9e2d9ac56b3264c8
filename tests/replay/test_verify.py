"""Verdicts of re-runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from linea.model import Origin, Parent
from linea.replay.verify import verify
from linea.store.repository import Repository

from .conftest import WHEN, Store


def clock():
    return WHEN


def test_identical(project: Path, repository: Repository, store: Store) -> None:
    """A slice that gives the stored value again is identical, and the verdict is kept."""
    version = store("a", {"n": 1}, "x = {'n': 1}")
    verdict = verify(repository, version, project, clock=clock)
    assert (verdict.outcome, verdict.digest) == ("identical", version.digest), verdict.detail
    assert repository.verdict(version) == verdict


def test_different_columns_are_named(project: Path, repository: Repository, store: Store) -> None:
    """A table that comes out different says in which columns, and what made it so."""
    pd = pytest.importorskip("pandas")
    code = "import pandas as pd\nx = pd.DataFrame({'a': [1, 2], 'b': [3.0, 5.0]})"
    stored = pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})
    version = store("t", stored, code, unreproducible=("the clock",))
    verdict = verify(repository, version, project, clock=clock)
    assert verdict.outcome == "different"
    assert verdict.detail == (
        "columns that differ: b\n"
        "1 'b': 1 of 2 differ, by 1 at most\n"
        "two more re-runs agree with each other\n"
        "the slice reads what no re-run gives again: the clock"
    )


def test_equal_within_a_tolerance(project: Path, repository: Repository, store: Store) -> None:
    """A value that differs by less than the tolerance is equal, not identical."""
    pd = pytest.importorskip("pandas")
    code = "import pandas as pd\nx = pd.DataFrame({'b': [3.0, 4.0]})"
    version = store("t", pd.DataFrame({"b": [3.0, 4.0 + 1e-9]}), code)
    outcomes = [
        verify(repository, version, project, tolerance=tolerance, clock=clock).outcome
        for tolerance in (None, 1e-6, 1e-12)
    ]
    assert outcomes == ["different", "equal", "different"]


def test_failed_names_the_place(project: Path, repository: Repository, store: Store) -> None:
    """A failure shows the user's traceback and the place that the line came from."""
    version = store("a", 1, "x = 1\nx = 1 / 0", lines=(None, Origin("train.py", 31)))
    verdict = verify(repository, version, project, clock=clock)
    assert verdict.outcome == "failed"
    assert verdict.detail.endswith("ZeroDivisionError: division by zero\nat train.py:31")


def test_time_limit(project: Path, repository: Repository, store: Store) -> None:
    """A re-run past its time limit has failed and says why."""
    version = store("a", 1, "import time\ntime.sleep(60)\nx = 1")
    verdict = verify(repository, version, project, timeout=2, clock=clock)
    assert (verdict.outcome, verdict.detail) == ("failed", "stopped after 2 s")


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        (Path.unlink, "the input a.txt isn't there any more"),
        (lambda path: path.write_text("2"), "the input a.txt has changed since"),
    ],
)
def test_impossible_names_the_input(
    project: Path, repository: Repository, store: Store, spoil, detail: str
) -> None:
    """A re-run on other inputs would prove nothing: it is impossible, and says which is gone."""
    (project / "a.txt").write_text("1")
    version = store("a", 1, "x = int(open('a.txt').read())", reads=["a.txt"])
    assert verify(repository, version, project, clock=clock).outcome == "identical"
    spoil(project / "a.txt")
    verdict = verify(repository, version, project, clock=clock)
    assert (verdict.outcome, verdict.detail.startswith(detail)) == ("impossible", True)


def test_parents_are_pinned(project: Path, repository: Repository, store: Store) -> None:
    """A version verifies against the parents it was made from, whatever came after."""
    first = store("a", 1, "x = 1")
    parent = Parent(first.name, first.number, first.commit, first.digest)
    child = store("b", 11, "import linea\nx = linea.get('a').get_value() + 10", parents=(parent,))
    store("a", 2, "x = 2")
    assert verify(repository, child, project, clock=clock).outcome == "identical"


def test_unseeded_values_differ(project: Path, repository: Repository, store: Store) -> None:
    """Unseeded numbers come out different, and the verdict says that nothing could make them."""
    version = store(
        "a", 0.5, "import random\nx = random.random()", unreproducible=("unseeded random",)
    )
    verdict = verify(repository, version, project, clock=clock)
    assert verdict.outcome == "different"
    assert "unseeded random" in verdict.detail
