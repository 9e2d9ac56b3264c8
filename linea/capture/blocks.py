"""Blocks of the top level whose statements are watched one by one, as the program's own.

`with linea.saving():` changes no value, so that a slice needs what stands in it and not the block. What stands
under `if __name__ == "__main__":` keeps its place there.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from typing import Any, TypeGuard

from linea.capture import source as text
from linea.trimming import stands_alone

LEAVE = "__linea_leave__"
"""The name by which the code of `leaving` finds what it calls."""


def is_saving(node: ast.AST, namespace: Mapping[str, Any]) -> TypeGuard[ast.With]:
    """Whether a statement that is about to run is a plain `with linea.saving():`."""
    if not isinstance(node, ast.With) or len(node.items) != 1:
        return False
    item = node.items[0]
    call = item.context_expr
    if item.optional_vars is not None or not isinstance(call, ast.Call):
        return False
    return not call.args and not call.keywords and _is_ours(call.func, namespace)


def _is_ours(called: ast.expr, namespace: Mapping[str, Any]) -> bool:
    found: Any = None
    if isinstance(called, ast.Name):
        found = namespace.get(called.id)
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        module = namespace.get(called.value.id)
        if isinstance(module, types.ModuleType) and module.__name__ == "linea":
            found = getattr(module, called.attr, None)
    if not isinstance(found, types.FunctionType):
        return False
    return (found.__module__, found.__name__) == ("linea.api", "saving")


def guards_in(tree: ast.Module, source: str) -> dict[ast.stmt, ast.If]:
    """The statements `if __name__ == "__main__":`, each with what it does before its body."""
    lines = source.split("\n")
    return {
        node: _head_of(node)
        for node in tree.body
        if _is_guard(node) and all(stands_alone(part, lines) for part in node.body)
    }


def _is_guard(node: ast.AST) -> TypeGuard[ast.If]:
    if not isinstance(node, ast.If) or node.orelse:
        return False
    match node.test:
        case ast.Compare(
            left=ast.Name(id="__name__"),
            ops=[ast.Eq()],
            comparators=[ast.Constant(value="__main__")],
        ):
            return node.body[0].lineno > node.test.lineno
    return False


def _head_of(node: ast.If) -> ast.If:
    """An `if` that does nothing but ask."""
    nothing = ast.copy_location(ast.Pass(), node.test)
    return ast.copy_location(ast.If(node.test, [nothing], []), node)


def entering(node: ast.With, filename: str, flags: int) -> types.CodeType:
    """Code that gives what the statement enters."""
    tree = ast.Expression(node.items[0].context_expr)
    return _code(tree, filename, "eval", flags)


def leaving(node: ast.With, filename: str, mode: str) -> types.CodeType:
    """Code that leaves the block: what fails then is shown at the `with` line."""
    call = ast.Call(ast.Name(LEAVE, ast.Load()), [], [])
    tree = ast.Expression(call) if mode == "eval" else ast.Module([ast.Expr(call)], [])
    for part in ast.walk(tree):
        if isinstance(part, (ast.expr, ast.stmt)):
            ast.copy_location(part, node.items[0].context_expr)
    return _code(tree, filename, mode, 0)


def _code(tree: Any, filename: str, mode: str, flags: int) -> types.CodeType:
    made: types.CodeType = compile(tree, filename, mode, flags, dont_inherit=True)
    return made


def written(node: ast.stmt, source: str, floor: int) -> tuple[str, int, int]:
    """A statement as it is written, with the comments above it down from line `floor`.

    With its first and last line. The indentation of a block that it stood in is taken off.
    """
    code, first, last = text.span(node, source)
    head = text.leading_comments(source, first, floor)
    return _dedented(text.lines(source, head, first) + code, node, head), head, last


def _dedented(code: str, node: ast.stmt, first: int) -> str:
    if not node.col_offset or "\n" not in code:
        return code
    inside: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, (ast.Constant, ast.JoinedStr)) and part.end_lineno is not None:
            inside.update(range(part.lineno + 1, part.end_lineno + 1))
    return "\n".join(
        line if number in inside else _less(line, node.col_offset)
        for number, line in enumerate(code.split("\n"), first)
    )


def _less(line: str, columns: int) -> str:
    lead = len(line) - len(line.lstrip(" \t"))
    return line[min(columns, lead) :]
