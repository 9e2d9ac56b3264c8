from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from linea.history.align import align, statements
from linea.history.diff_code import diff_code, diff_text


class Case(NamedTuple):
    name: str
    old: str
    new: str
    expect: str
    """Marks of the new lines: `=` is an old one, `+` is new."""
    removed: tuple[int, ...] = ()


CASES = [
    Case("equal", "a = 1\nb = 2", "a = 1\nb = 2", "=="),
    Case("a line was added", "a = 1", "a = 1\nb = 2", "=+"),
    Case("a line was removed", "a = 1\nb = 2", "a = 1", "=", (1,)),
    Case("a line was changed", "a = 1\nb = 2", "a = 1\nb = 3", "=+", (1,)),
    Case("statements swapped places", "a = 1\nb = 2", "b = 2\na = 1", "=="),
    Case("only the spacing changed", "a=f( 1,2 )", "a = f(1, 2)", "="),
    Case("only the quotes changed", "a = 'x'", 'a = "x"', "="),
    Case("a call was broken into lines", "a = f(1, 2)", "a = f(\n    1,\n    2,\n)", "===="),
    Case("a call was joined", "a = f(\n    1,\n    2,\n)", "a = f(1, 2)", "="),
    Case("one item of a long literal", "a = [\n    1,\n    2,\n]", "a = [\n    1,\n    3,\n]",
         "==+=", (2,)),
    Case("moved and reformatted", "a = f(1,2)\nb = 2", "b = 2\na = f(1, 2)", "=="),
    Case("a loop's head changed", "for i in x:\n    f(i)", "for i in y:\n    f(i)", "+=", (0,)),
    Case("a loop's body changed", "for i in x:\n    f(i)", "for i in x:\n    g(i)", "=+", (1,)),
    Case("a statement went into an if", "f(1)\ng(2)", "if x:\n    f(1)\ng(2)", "++=", (0,)),
    Case("a comment moved along", "# why\na = 1\nb = 2", "b = 2\n# why\na = 1", "==="),
    Case("a comment changed", "# why\na = 1", "# because\na = 1", "+=", (0,)),
    Case("a function moved", "def f():\n    return 1\nx = 2\ny = 3",
         "x = 2\ny = 3\ndef f():\n    return 1", "===="),
    Case("a statement went to another function", "def f():\n    a = 1\n    b = 2",
         "def f():\n    b = 2\ndef g():\n    a = 1", "==+="),
    Case("a string's spaces count", "a = 'x  y'", "a = 'x y'", "+", (0,)),
    Case("several on a line", "a = 1; b = 2", "a = 1; b = 3", "+", (0,)),
    Case("semicolons and spaces", "a = 1; b = 2", "a=1;b=2", "="),
    Case("a decorator was added", "def f():\n    pass", "@d\ndef f():\n    pass", "+=="),
    Case("await at the top", "x = await f( 1 )", "x = await f(1)", "="),
    Case("not Python: by line", "%magic x\ny = = 1", "y = = 1\n%magic x", "=="),
    Case("from nothing", "", "a = 1", "+"),
    Case("to nothing", "a = 1", "", "", (0,)),
    Case("a match", "match x:\n    case 1:\n        a = 1\n    case 2:\n        b = 2",
         "match x:\n    case 1:\n        a = 1\n    case 3:\n        b = 2", "===+=", (3,)),
    Case("an else was added", "if x:\n    f()", "if x:\n    f()\nelse:\n    g()", "==++"),
    Case("a try grew a finally", "try:\n    f()\nexcept E:\n    pass",
         "try:\n    f()\nexcept E:\n    pass\nfinally:\n    g()", "====++"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_align(case: Case) -> None:
    """Lines are told apart by the statements that they belong to."""
    alignment = align(case.old, case.new)
    assert "".join("+" if line is None else "=" for line in alignment.origin) == case.expect
    assert alignment.removed == case.removed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_diff_keeps_every_line(case: Case) -> None:
    """A diff shows all new lines in their order and every removed line once."""
    lines = diff_code(case.old, case.new).lines
    assert [line.text for line in lines if line.mark != "-"] == case.new.splitlines()
    assert sorted(line.old - 1 for line in lines if line.mark == "-" and line.old) == sorted(
        case.removed
    )


def test_statements_cover_compound_heads() -> None:
    """A compound statement is its head and the statements in it."""
    found = statements("@d\ndef f(\n    a,\n):\n    # says\n    return a\nwith x as y: z = 1")
    assert [(unit.start, unit.stop) for unit in found] == [(0, 4), (5, 6), (6, 7)]


def test_hunks() -> None:
    """A hunk has three lines around what differs; what is far apart is two hunks."""
    old = "\n".join(f"a{n} = {n}" for n in range(40))
    new = old.replace("a3 = 3", "a3 = 0").replace("a30 = 30", "a30 = 0")
    hunks = diff_code(old, new).hunks()
    assert [[line.mark for line in hunk] for hunk in hunks] == [[*"   -+   "]] * 2


def test_moved_is_no_difference() -> None:
    """A diff of code that only moved is empty, and says how many statements did."""
    difference = diff_code("a = 1\nb = 2\nc = 3", "c = 3\na = 1\nb = 2")
    assert not difference
    assert difference.moved == 1


def test_text_has_no_statements() -> None:
    """Texts are compared by line, order included."""
    difference = diff_text("one\ntwo", "two\none")
    assert (difference.added, difference.removed) == (1, 1)


def test_wanted_lines_are_aligned_as_ever() -> None:
    """Asked for some lines alone, an alignment says of them what it says of them among all."""
    drawn = random.Random(0)
    lines = ["a = 1", "b = f(1,2)", "b = f(1, 2)", "# why", "c = 3", "d = [", "  1,", "]"]
    for _ in range(400):
        old, new = ("\n".join(drawn.choices(lines, k=drawn.randrange(1, 8))) for _ in range(2))
        whole = align(old, new).origin
        wanted = [line for line in range(len(whole)) if drawn.random() < 0.4]
        some = align(old, new, wanted).origin
        assert [some[line] for line in wanted] == [whole[line] for line in wanted]
