"""Syntax trees → the names in them."""

from __future__ import annotations

import ast
import re


def names_in(node: ast.AST) -> list[str]:
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def stored_names(node: ast.AST) -> list[str]:
    return [
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


def mentions_in(source: str) -> set[str]:
    """Every word of a source, texts included: whoever might mean a name."""
    return set(re.findall(r"[^\W\d]\w*", re.sub(r"(?m)^\s*#.*$", "", source)))


def parameters_of(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    a = tree.args
    return [
        x.arg
        for x in [
            *a.posonlyargs,
            *a.args,
            *filter(None, [a.vararg]),
            *a.kwonlyargs,
            *filter(None, [a.kwarg]),
        ]
    ]


def is_stateful(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Generators, coroutines and functions with functions inside keep state that text doesn't show."""
    return isinstance(tree, ast.AsyncFunctionDef) or any(
        isinstance(n, _STATEFUL) for s in tree.body for n in ast.walk(s)
    )


_STATEFUL = (
    ast.Yield, ast.YieldFrom, ast.Await, ast.Nonlocal, ast.FunctionDef, ast.ClassDef, ast.Lambda,
    ast.Try, ast.TryStar,
)  # fmt: skip
