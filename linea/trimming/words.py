"""Syntax trees → the names in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """All nodes of a tree, kept with it."""
    known: list[ast.AST] | None = getattr(tree, "_nodes", None)
    if known is None:
        known = list(ast.walk(tree))
        tree._nodes = known  # type: ignore[attr-defined]
    return known


def names_in(node: ast.AST) -> list[str]:
    """Every name in a tree; kept with it, as trees are asked again and again."""
    known: list[str] | None = getattr(node, "_names_in", None)
    if known is None:
        known = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        node._names_in = known  # type: ignore[attr-defined]
    return known


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


def is_lazy(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a call of it runs nothing of its body yet: generators and coroutines."""
    if isinstance(tree, ast.AsyncFunctionDef):
        return True
    return any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own_nodes(tree.body))


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the functions and classes in it."""
    todo = list(body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)


def names_inside(body: Iterable[ast.stmt]) -> set[str]:
    """Names read or bound by the functions, classes and generators of a scope, whenever these run."""
    found: set[str] = set()
    for top in body:
        for node in nodes_of(top):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                found.update(names_in(node))
                for inner in ast.walk(node):
                    if isinstance(inner, (ast.Global, ast.Nonlocal)):
                        found.update(inner.names)
            elif isinstance(node, ast.GeneratorExp):
                found.update(names_in(node))
    return found
