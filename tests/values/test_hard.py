"""Values that are hard to keep come back exactly, in another process too."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from linea import values
from linea.errors import UnstorableError
from tests.values.exact import difference
from tests.values.hard import HARD

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", HARD)
def test_hard_values_come_back(name: str) -> None:
    """What is decoded differs in nothing from what was encoded, and has its digest."""
    encoded = values.settled(values.encode(HARD[name]()))
    back = values.decode(encoded.record, encoded.parts.__getitem__)
    assert difference(HARD[name](), back) is None
    assert values.digest(HARD[name]()) == values.digest(back) == encoded.record.digest
    assert values.export(encoded.record, encoded.parts.__getitem__, "out")


def test_hard_values_come_back_in_another_process(tmp_path: Path) -> None:
    """A process with another hash seed reads what was saved, and gives its like the same digest."""
    lines: list[str] = []
    for mode, seed in (("save", "1"), ("read", "2")):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.values.hard", mode],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "LINEA_DIR": str(tmp_path / ".linea")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
    assert list(map(json.loads, lines)) == [[name, None, None] for name in HARD]


class Takes(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")


class Named(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(code)


@pytest.mark.parametrize("value", [Takes(1, "a"), {"failed": [Named(code=1)]}])
def test_what_a_pickle_could_not_be_read_of_is_refused(value: object) -> None:
    """An object whose pickle would raise when it is read is told of when it is saved."""
    with pytest.raises(UnstorableError, match="its class keeps other arguments than it takes"):
        values.encode(value)


class Shy(tuple):
    """Its pickle is that of a tuple."""

    def __reduce__(self) -> Any:
        return tuple, (tuple(self),)


class Shape:
    """Without arguments, a round one is made."""

    def __new__(cls, sides: int | None = None) -> Shape:
        return super().__new__(Round if sides is None else cls)

    def __init__(self, sides: int | None = None) -> None:
        self.sides = sides


class Round(Shape):
    pass


@pytest.mark.parametrize("value", [Shape(4), [Shape(4), Round()]])
def test_a_class_that_makes_another_one_of_no_arguments_is_kept(value: Any) -> None:
    """Unpickling calls `__new__` without arguments: what it makes then isn't what was saved."""
    encoded = values.settled(values.encode(value))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert values.digest(back) == encoded.record.digest
    assert type(back) is type(value)
    assert not isinstance(value, list) or [*map(type, back)] == [*map(type, value)]


def test_weeks_of_dates_come_back_as_such() -> None:
    """What `date.isocalendar` gives stays what it is, though Python pickles a tuple."""
    value = {"week": datetime.date(2024, 2, 29).isocalendar()}
    encoded = values.settled(values.encode(value))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert back == value and type(back["week"]) is type(value["week"])
    assert values.digest(back) == encoded.record.digest != values.digest({"week": (2024, 9, 4)})


def test_what_pickles_as_another_class_is_refused() -> None:
    """An object whose own pickling loses its class isn't saved as if it kept it."""
    with pytest.raises(UnstorableError, match=r"its own pickling makes a builtins\.tuple of it"):
        values.encode({"a": [Shy((1, 2))]})


def test_a_long_way_to_what_is_refused_is_told_short() -> None:
    """The error for a part that is deep inside stays on a line or two."""
    value: list[object] = [object]
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UnstorableError) as caught:
        values.encode(value)
    assert "more … [0]" in str(caught.value) and len(str(caught.value)) < 300


def test_looking_at_an_object_leaves_its_digest() -> None:
    """An empty `__dict__`, which an object gets when one asks for it, doesn't count."""
    error = KeyError("x")
    before = values.digest(error)
    assert vars(error) == {}
    assert values.digest(error) == before
