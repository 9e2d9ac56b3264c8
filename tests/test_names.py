"""The names that code binds: by one node, in its scope, anywhere within."""

from __future__ import annotations

import ast

import pytest

from linea.names import bound_by, bound_in, bound_within

SCOPES = [
    ("a = b", {"a"}, set(), {"a"}),
    ("a, (b, *c) = d; e += 1; f: int = 2", {"a", "b", "c", "e", "f"}, set(), {"a", "b", "c", "e", "f"}),
    ("x[0] = y.z = 1", set(), set(), set()),
    ("print(n := 1)", {"n"}, set(), {"n"}),
    ("[m := i for i in xs]", {"m"}, set(), {"m", "i"}),
    ("f = lambda p: (q := p)", {"f"}, set(), {"f", "p", "q"}),
    ("def f(p, k=(w := 1)):\n    x = p", {"f", "w"}, set(), {"f", "p", "k", "w", "x"}),
    ("class A(B):\n    x = 1\n    def m(self): pass", {"A"}, set(), {"A", "x", "m", "self"}),
    ("global g\ng = 1", {"g"}, {"g"}, {"g"}),
    ("import a.b, c.d as e\nfrom f import g as h, i", {"a", "e", "h", "i"}, set(), {"a", "e", "h", "i"}),
    ("from m import *", set(), set(), set()),
    ("try:\n    pass\nexcept E as e:\n    x = 1", {"e", "x"}, set(), {"e", "x"}),
    ("with o() as (a, b):\n    c = 1", {"a", "b", "c"}, set(), {"a", "b", "c"}),
    ("for i in x:\n    pass\nelse:\n    j = 1", {"i", "j"}, set(), {"i", "j"}),
    ("match v:\n    case [a, *r]: pass\n    case {'k': b, **o}: pass\n    case C() as c: pass",
     {"a", "r", "b", "o", "c"}, set(), {"a", "r", "b", "o", "c"}),
    ("del x", {"x"}, set(), {"x"}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "bound", "declared", "within"), SCOPES)
def test_names_that_code_binds(
    source: str, bound: set[str], declared: set[str], within: set[str]
) -> None:
    """Scopes inside keep their names to themselves; what their heads bind is outside."""
    body = ast.parse(source).body
    assert bound_in(body) == (bound, declared)
    assert bound_within(body) == within


def test_names_that_one_node_binds() -> None:
    """What is inside a statement isn't its own doing."""
    tree = ast.parse("def f(a):\n    b = 1\n").body[0]
    assert bound_by(tree) == ["f"]
    assert bound_by(ast.parse("x = 1").body[0]) == []
