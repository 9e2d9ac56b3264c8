"""A good and a bad version, and a question, to the version where the answer turned."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any, NamedTuple

from linea.errors import LineaError
from linea.history.diff_plain import short
from linea.history.reading import Reader
from linea.model import Version


class Answer(NamedTuple):
    """Whether a version is good; None where that can't be said of it."""

    good: bool | None
    note: str = ""
    """What was seen: the number that was compared, the error."""


Test = Callable[[Version], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """A version that was asked about."""

    version: Version
    answer: Answer
    left: int
    """How many versions can still be the first bad one."""

    @property
    def steps(self) -> int:
        """About how many versions will still be asked about."""
        return ceil(log2(self.left)) if self.left > 1 else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """Where good became bad."""

    last_good: Version
    first_bad: Version
    tested: tuple[Asked, ...]
    unsure: tuple[Version, ...] = ()
    """Versions between the two of which nothing could be said: one of them may be the first."""


def bisect(
    repository: Reader,
    good: Version,
    bad: Version,
    test: Test,
    told: Callable[[Asked], None] = lambda tested: None,
) -> Turn:
    """Return where between a good and a bad version of an artifact the answer of `test` turned.

    The bad one may be the older of the two: then it is where things became good, told as seen
    from the newer side. No version is asked about twice, and `told` hears of each.
    """
    line = _between(repository, good, bad)
    low, high = 0, len(line) - 1
    asked: dict[int, Answer] = {}
    tested: list[Asked] = []

    def note(place: int) -> None:
        tested.append(Asked(line[place], asked[place], len(_open(low, high, asked)) + 1))
        told(tested[-1])

    for place, wanted in ((low, True), (high, False)):
        asked[place] = test(line[place])
        if asked[place].good is not wanted:
            raise _contradiction(line[place], asked[place], wanted)
        note(place)
    while candidates := _open(low, high, asked):
        place = candidates[(len(candidates) - 1) // 2]
        asked[place] = test(line[place])
        if asked[place].good is True:
            low = place
        elif asked[place].good is False:
            high = place
        note(place)
    unsure = tuple(line[place] for place in range(low + 1, high))
    return Turn(line[low], line[high], tuple(tested), unsure)


def _between(repository: Reader, good: Version, bad: Version) -> list[Version]:
    """Return the versions from the good one to the bad one."""
    if good.name != bad.name:
        raise LineaError(
            f"{good.revision} and {bad.revision} are of two artifacts",
            hint="give two versions of one artifact",
        )
    if good.commit == bad.commit:
        raise LineaError(f"{good.revision} can't be both good and bad")
    first, last = sorted((good.number, bad.number))
    found = [v for v in repository.versions(good.name) if first <= v.number <= last]
    return found if good.number > bad.number else found[::-1]


def _open(low: int, high: int, asked: Mapping[int, Answer]) -> list[int]:
    return [place for place in range(low + 1, high) if place not in asked]


def _contradiction(version: Version, answer: Answer, wanted: bool) -> LineaError:
    said = {True: "good", False: "bad", None: "neither good nor bad"}
    note = f" ({answer.note})" if answer.note else ""
    return LineaError(
        f"{version.revision} was to be {said[wanted]}, but is {said[answer.good]}{note}",
        hint="start from another version with --good and --bad, or ask for something else",
    )


# -------------------------------------------------------------------------------- expressions


class Unanswered(LineaError):
    """An expression that gave no answer for a version."""


def question(expression: str, load: Callable[[Version], Any]) -> Test:
    """Return the test whether a Python expression about `value` holds.

    `value` is the stored value, `version` its number; `pd`, `np`, `pl` and `math` are there.
    A version whose value makes the expression raise is neither good nor bad. Equal values are
    asked about once.
    """
    text = expression.strip()
    try:
        tree = ast.parse(text, "<expression>", "eval")
    except SyntaxError as error:
        raise LineaError(
            f"{expression!r} is no Python expression: {error.msg}", hint='such as "value > 0.85"'
        ) from None
    whole = compile(tree, "<expression>", "eval")
    compared = None
    if isinstance(tree.body, ast.Compare):
        compared = compile(ast.Expression(tree.body.left), "<expression>", "eval")
    known: dict[str, Answer] = {}

    def test(version: Version) -> Answer:
        if version.digest not in known or not version.value.stable:
            names = _Names(load(version), version.number)
            known[version.digest] = _answer(whole, compared, names)
        return known[version.digest]

    return test


def _answer(whole: Any, compared: Any, names: Mapping[str, Any]) -> Answer:
    """Evaluate the user's own words, on their own machine."""
    try:
        found = eval(whole, {}, names)
        note = _noted(eval(compared, {}, names)) if compared is not None else ""
    except Exception as error:
        return Answer(None, f"{type(error).__name__}: {error}")
    try:
        return Answer(bool(found), note)
    except (ValueError, TypeError) as error:
        raise Unanswered(
            f"the expression gives a {type(found).__name__}, which is neither true nor false",
            hint="close it with .all() or .any()",
        ) from error


def _noted(value: Any) -> str:
    """Return what was compared in a few characters; a number of numpy as the number it is."""
    plain = (
        value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    )
    return short(plain)


class _Names(dict[str, Any]):
    """What an expression may use; libraries are imported when they are named."""

    _MODULES: Mapping[str, str] = {
        "pd": "pandas", "np": "numpy", "pl": "polars", "math": "math", "statistics": "statistics",
    }  # fmt: skip

    def __init__(self, value: Any, version: int) -> None:
        super().__init__(value=value, version=version)

    def __missing__(self, name: str) -> Any:
        if name not in self._MODULES:
            raise KeyError(name)
        return importlib.import_module(self._MODULES[name])
