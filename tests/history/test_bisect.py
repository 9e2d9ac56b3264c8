from __future__ import annotations

import pytest

from linea.errors import LineaError
from linea.history.bisect import Answer, Asked, bisect, question
from linea.model import Version
from tests.history.histories import History


def series(history: History, values: list[object]) -> list[Version]:
    return [history.save(value, "metric") for value in values]


def ask(
    history: History, expression: str, **options: Version
) -> tuple[int, int, list[int], list[int]]:
    """Numbers of the last good and the first bad version, of those asked, of those unsure."""
    versions = list(history.repository.versions("metric"))
    stored = {version.commit: version for version in versions}
    from linea import values

    def load(version: Version) -> object:
        assert version.commit in stored
        return values.decode(version.value, history.repository.read_part(version))

    good, bad = options.get("good", versions[-1]), options.get("bad", versions[0])
    found = bisect(history.repository, good, bad, question(expression, load))
    return (
        found.last_good.number,
        found.first_bad.number,
        [each.version.number for each in found.tested],
        [version.number for version in found.unsure],
    )


@pytest.mark.parametrize("turn", range(1, 12))
def test_the_turn_is_found_wherever_it_is(history: History, turn: int) -> None:
    """Among 12 versions, in at most six questions, the ends' included."""
    series(history, [0.9 if number < turn else 0.1 for number in range(12)])
    good, bad, asked, unsure = ask(history, "value > 0.85")
    assert (good, bad, unsure) == (turn, turn + 1, [])
    assert len(asked) == len(set(asked)) <= 6


def test_where_it_became_good(history: History) -> None:
    """With the bad version before the good one, the first good one is found."""
    versions = series(history, [1, 1, 5, 5, 5])
    assert ask(history, "value > 2", good=versions[-1], bad=versions[0])[:2] == (3, 2)


def test_versions_that_give_no_answer_are_passed_over(history: History) -> None:
    """Where a value makes the expression raise, the neighbours are asked, and it is told."""
    series(history, [1, 1, "x", "y", 5, 5])
    assert ask(history, "value < 3") == (2, 5, [1, 6, 3, 4, 2, 5], [3, 4])


def test_ends_are_checked(history: History) -> None:
    """A good version that isn't good is named, with what was seen."""
    series(history, [1, 2, 3])
    with pytest.raises(LineaError, match=r"metric@v1 was to be good, but is bad \(1\)"):
        ask(history, "value > 1")
    with pytest.raises(LineaError, match=r"neither good nor bad \(TypeError"):
        ask(history, "value + 'a' > 1")


def test_steps_left_are_told(history: History) -> None:
    """After each question it is said how many versions are left, and about how many steps."""
    versions = series(history, [0] * 4 + [1] * 5)
    told: list[Asked] = []
    bisect(
        history.repository, versions[0], versions[-1],
        lambda version: Answer(version.number < 5), told.append,
    )  # fmt: skip
    assert [(each.version.number, each.left, each.steps) for each in told] == [
        (1, 8, 3), (9, 8, 3), (5, 4, 2), (3, 2, 1), (4, 1, 0),
    ]  # fmt: skip


def test_equal_values_are_read_once(history: History) -> None:
    """A value that was asked about isn't loaded again."""
    versions = series(history, [1, 2, 1, 2, 1])
    loaded: list[int] = []

    def load(version: Version) -> int:
        loaded.append(version.number)
        return 1 if version.number % 2 else 2

    test = question("value == 1", load)
    assert [test(version).good for version in versions] == [True, False, True, False, True]
    assert loaded == [1, 2]


@pytest.mark.parametrize(
    ("expression", "error"),
    [("value >", "no Python expression"), ("__import__('pandas').Series([1, 2]) > 1", "Series")],
)
def test_wrong_expressions(history: History, expression: str, error: str) -> None:
    """An expression that can't be one, or whose result is no answer, is refused."""
    series(history, [1, 2])
    with pytest.raises(LineaError, match=error):
        ask(history, expression)


def test_libraries_are_there(history: History) -> None:
    """`np`, `pd` and `math` need no import."""
    series(history, [1, 4])
    assert ask(history, "np.sqrt(value) < 2 and math.floor(value) < 3 and pd is not None")[:2] == (
        1,
        2,
    )
