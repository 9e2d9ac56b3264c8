"""A loop of which only what it goes over is needed → the statements in its body to leave out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from linea.trimming.lines import Line, cut, whole
from linea.trimming.words import names_in

_GOING_OVER = frozenset({"enumerate", "zip", "range", "reversed", "sorted", "list", "tuple", "len"})
"""Builtins that make nothing new but containers and numbers of what they are given."""

_OF_DICTS = frozenset({"items", "keys", "values"})
_OF_TABLES = frozenset({"columns", "index", "T", "flat", "values"})

_LEAVING = (
    ast.Break, ast.Continue, ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.Global,
    ast.Nonlocal, ast.Delete, ast.Import, ast.ImportFrom, ast.NamedExpr, ast.AsyncFor, ast.AsyncWith,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What is left of a loop, and the names that it reads."""

    lines: tuple[Line, ...]
    reads: frozenset[str]
    gone: frozenset[str]
    """Names that the loop mentioned and what is left of it doesn't."""


def skeleton(
    source: str, wanted: frozenset[str], bound: frozenset[str], kinds: Mapping[str, str]
) -> Skeleton | None:
    """The loop without the body, if `wanted` are targets over things that were there before it.

    It must have been seen to bind `bound`, and to change nothing that `wanted` or what it goes
    over leads to: objects that it made itself aren't among the targets.
    """
    tree = _loop(source)
    if tree is None or any(isinstance(n, _LEAVING) for n in ast.walk(tree)):
        return None
    stored = set(_stored(tree))
    if not bound <= stored:
        return None  # a function that it called binds names
    heads = [n for n in _heads(tree) if wanted & set(_stored(n.target))]
    targets = [x for n in heads for x in _stored(n.target)]
    if not wanted <= set(targets) or len(stored_once(tree) & wanted) < len(wanted):
        return None
    spared = _without_bodies(tree, heads)
    if spared is None or not all(_is_old(n.iter, kinds, stored) for n in spared):
        return None
    lines = cut(
        whole(source), [(s, n.body) for n in spared for s in n.body if s not in spared], tree
    )
    reads = {x for n in spared for x in names_in(n.iter)}
    if tree.orelse or any(n.orelse for n in spared) or lines == whole(source):
        return None
    gone = set(names_in(tree)) - reads - {x for n in spared for x in _stored(n.target)}
    return Skeleton(tuple(lines), frozenset(reads), frozenset(gone))


def _stored(node: ast.AST) -> list[str]:
    return [
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


@lru_cache(maxsize=64)
def _loop(source: str) -> ast.For | None:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 and isinstance(body[0], ast.For) else None


def stored_once(tree: ast.For) -> set[str]:
    """Names that are bound in one place of a statement."""
    places = _stored(tree)
    return {name for name in places if places.count(name) == 1}


def _heads(loop: ast.For) -> Iterator[ast.For]:
    """The loop, and those that stand straight in its body or in theirs."""
    yield loop
    for node in loop.body:
        if isinstance(node, ast.For):
            yield from _heads(node)


def _without_bodies(loop: ast.For, needed: list[ast.For]) -> list[ast.For] | None:
    """The loops to keep: those in `needed`, and those around them."""
    inner = [n for n in loop.body if isinstance(n, ast.For)]
    below = [x for n in inner for x in _without_bodies(n, needed) or []]
    return [loop, *below] if below or loop in needed else None


def _is_old(node: ast.expr, kinds: Mapping[str, str], stored: set[str]) -> bool:
    """Whether going over `node` gives only what was there before the loop, or can't be changed."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            # Of a table or an array that a loop goes over, rows are views: they are old too.
            return name not in stored and kinds.get(name) in (
                "atom",
                "atoms",
                "container",
                "library",
            )
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(_is_old(p, kinds, stored) for p in parts)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return kinds.get(name) == "library" and name not in stored and attribute in _OF_TABLES
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            builtin = name in _GOING_OVER and name not in kinds and name not in stored
            return builtin and all(_is_old(a, kinds, stored) for a in arguments)
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[], keywords=[]
        ):
            return (
                kinds.get(name) in ("atoms", "container")
                and method in _OF_DICTS
                and name not in stored
            )
    return False
