"""What the text of a statement says about names."""

from __future__ import annotations

import ast

import pytest

from linea.capture.source import leading_comments, span, statements, uses

READS = [
    ("a = b + c", {"b", "c"}, {"a"}),
    ("a += b", {"a", "b"}, {"a"}),
    ("a += (a := 3)", {"a"}, {"a"}),
    ("a[i] += (i := b)", {"a", "i", "b"}, set()),
    ("a, (b, *c) = d", {"d"}, {"a", "b", "c"}),
    ("a[i] = v", {"a", "i", "v"}, set()),
    ("a.b.c = v", {"a", "v"}, set()),
    ("x: int = y", {"int", "y"}, {"x"}),
    ("x: int", {"int"}, set()),
    ("def f(x=k) -> T: return g(x) + x", {"k", "T"}, {"f"}),
    ("f = lambda x: x + k", set(), {"f"}),
    ("r = sorted(v, key=lambda s: order[s])", {"sorted", "v", "order"}, {"r"}),
    ("q = [i * k for i in xs if i > m]", {"xs", "k", "m"}, {"q"}),
    ("g = (i * k for i in xs)", {"xs"}, {"g"}),
    ("t = sum(i * k for i in xs)", {"sum", "xs", "k"}, {"t"}),
    ("import a.b.c", set(), {"a"}),
    ("import a.b as c", set(), {"c"}),
    ("from m import x as y, z", set(), {"y", "z"}),
    ("class A(B, metaclass=M):\n    x = k\n    y = x\n    def f(self): return h", {"B", "M", "k"}, {"A"}),
    ("for i in range(3):\n    b = i", {"range"}, set()),
    ("with open(p) as f:\n    r = f.read()", {"open", "p"}, {"f"}),
    ("print(n := 10)", {"print"}, set()),
    ("del a, b", {"a", "b"}, set()),
    ("match p:\n    case C(x=1, y=v):\n        r = v", {"p", "C"}, set()),
    ("try:\n    a = f()\nexcept E as e:\n    b = e", {"f", "E"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "loads", "stores"), READS)
def test_names_that_a_statement_reads_and_surely_binds(
    text: str, loads: set[str], stores: set[str]
) -> None:
    """Reads are what an earlier statement may have bound; bodies of functions wait for a call."""
    found = uses(ast.parse(text).body[0])
    assert (set(found.loads), set(found.stores)) == (loads, stores)


def test_names_bound_in_a_loop_before_they_are_read_are_not_read_from_outside() -> None:
    """`for i in …: b += i` needs no earlier `i`."""
    assert "i" not in uses(ast.parse("for i in xs:\n    b += i").body[0]).loads


def test_names_bound_on_one_path_only_are_still_read_from_outside() -> None:
    """After an `if` without an `else` the old binding may be the live one."""
    found = uses(ast.parse("if c:\n    x = 1\n    y = x\nelse:\n    y = x").body[0])
    assert "x" in found.loads


INERT = [
    "a = b",
    "f = lambda: g()",
    "x = [a, {'k': b}]",
    "def f(): return g()",
    "y: int = 3",
    "'text'",
    "x = -1",
]
ACTIVE = [
    "f()",
    "a.b",
    "a + b",
    "a[0]",
    "for i in a: pass",
    "with a: pass",
    "f'{a}'",
    "a, b = c",
    "not_a = a < b",
    "del a",
]


@pytest.mark.parametrize("text", INERT)
def test_statements_that_can_run_no_code_of_objects_are_inert(text: str) -> None:
    """Names, constants and definitions alone can change nothing."""
    assert uses(ast.parse(text).body[0]).inert


@pytest.mark.parametrize("text", ACTIVE)
def test_statements_that_could_run_code_of_objects_are_not_inert(text: str) -> None:
    """Calls, operators, attributes and iteration can run anything."""
    assert not uses(ast.parse(text).body[0]).inert


def test_statements_are_cut_out_exactly() -> None:
    """Semicolons, decorators, trailing comments and text over several lines stay with their statement."""
    source = 'a = 1; b = 2  # two\n@dec\ndef f():\n    """x\n  y"""\nc = (1,\n     2)  # end\nd = "é"; e = 3\n'
    assert [s for _, s, _, _ in statements(source)] == [
        "a = 1", "b = 2  # two", '@dec\ndef f():\n    """x\n  y"""', "c = (1,\n     2)  # end", 'd = "é"', "e = 3",
    ]  # fmt: skip


def test_comments_above_a_statement_belong_to_it() -> None:
    """Comment lines directly above go along; those above a blank line don't."""
    source = "# far\n\n# near\n# nearer\nx = 1\n"
    _, first, _ = span(ast.parse(source).body[0], source)
    assert leading_comments(source, first, 0) == 3
