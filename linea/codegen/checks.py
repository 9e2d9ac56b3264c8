"""Statements → those that do nothing but check, and stop the program where something is wrong.

They leave no trace in the values of a run that passed them, so slices don't hold them. On other
data they are what keeps a wrong value from being made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Set

from linea.codegen.chunks import FRESH, READING, called, loaded, stored

Functions = Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]

CHECKING = re.compile(r"(assert|check|validate|verify|ensure|require)(_|[A-Z]|$)")
"""Names of calls that raise where something is wrong."""

# fmt: off
COUNTING = FRESH | frozenset([
    "all", "any", "dict", "duplicated", "eq", "ge", "gt", "intersection", "isin", "isna", "isnull",
    "issubset", "le", "list", "lt", "ne", "notna", "notnull", "nunique", "set", "sorted", "tuple", "unique",
])
# fmt: on
"""Calls that cost little and change nothing: what checks are made of."""

STOPPING = frozenset({"exit", "_exit", "quit", "abort"})
"""Calls that end the program."""


def is_check(tree: Iterable[ast.stmt], functions: Functions) -> bool:
    """Whether statements do nothing but check, `functions` of the session being called."""
    nodes = list(tree)
    return all(_only_checks(node, functions, frozenset()) for node in nodes) and any(
        _may_stop(node, functions, frozenset()) for node in nodes
    )


def checked(data: Set[str], tree: Iterable[ast.stmt]) -> set[str]:
    """Names that statements bind to what they count or pick of `data`."""
    found: set[str] = set()
    for node in tree:
        if not isinstance(node, ast.Assign) or data.isdisjoint(loaded(node.value)):
            continue
        calls = (each for each in ast.walk(node.value) if isinstance(each, ast.Call))
        if all(called(call) in COUNTING for call in calls):
            found.update(name for target in node.targets for name in stored(target))
    return found


def _only_checks(node: ast.stmt, functions: Functions, inside: frozenset[str]) -> bool:
    match node:
        case ast.Assert() | ast.Raise() | ast.Pass():
            return True
        case ast.If(body=body, orelse=other) | ast.For(body=body, orelse=other):
            return all(_only_checks(n, functions, inside) for n in (*body, *other))
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call() as call):
            name = called(call)
            if name in READING or name in STOPPING:
                return True
            return _is_checking_call(call, functions, inside)
        case (
            ast.Assign()
            | ast.AnnAssign()
            | ast.Return(value=None | ast.Constant())
            | ast.Continue()
        ) if inside:
            # Of a function's own: nobody sees them outside.
            return all(isinstance(t, (ast.Name, ast.Tuple)) for t in getattr(node, "targets", ()))
    return False


def _may_stop(node: ast.stmt, functions: Functions, inside: frozenset[str]) -> bool:
    for each in ast.walk(node):
        if isinstance(each, (ast.Assert, ast.Raise)):
            return True
        if isinstance(each, ast.Call) and (
            called(each) in STOPPING
            or (isinstance(node, ast.Expr) and _is_checking_call(each, functions, inside))
        ):
            return True
    return False


def _is_checking_call(call: ast.Call, functions: Functions, inside: frozenset[str]) -> bool:
    """Whether a call is of a function that only checks: by its body, or by its name."""
    name = called(call)
    if not isinstance(call.func, ast.Name) or name not in functions:
        return bool(CHECKING.match(name))
    if name in inside:
        return False
    deeper = inside | {name}
    body = functions[name].body
    return all(_only_checks(n, functions, deeper) for n in body) and any(
        _may_stop(n, functions, deeper) for n in body
    )
