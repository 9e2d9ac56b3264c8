"""The text of a slice to where each column of its table came from."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from linea.history.align import parse

_ASSIGNING = ("assign", "with_columns", "agg", "aggregate", "eval")


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that gives a column its content."""

    column: str
    line: int
    """Of the slice, from 1."""
    reads: tuple[str, ...]
    """The columns that the statement names to make it."""


def writes(code: str) -> list[Write]:
    """Return what the text of a slice says it writes, in its order.

    Only what is spelled out is found: a column whose name is computed, or that a library brings,
    has no entry.
    """
    try:
        tree = parse(code)
    except (SyntaxError, ValueError):
        return []
    found = [write for node in ast.walk(tree) for write in _writes(node)]
    return sorted(found, key=lambda write: write.line)


def last_writes(code: str) -> dict[str, Write]:
    """Return, for each column that the text writes, the last statement that does."""
    return {write.column: write for write in writes(code)}


def last_binding(code: str, name: str) -> int | None:
    """Return the last line on which a statement gives `name` another value."""
    try:
        tree = parse(code)
    except (SyntaxError, ValueError):
        return None
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
    ]
    return max(lines, default=None)


def sources(column: str, written: Sequence[Write], known: frozenset[str]) -> frozenset[str]:
    """Return the columns of `known` that a column is made from, as far as the text tells."""
    return frozenset(_sources(column, written, known, None))


def _sources(
    column: str, written: Sequence[Write], known: frozenset[str], before: int | None
) -> Iterator[str]:
    makers = [w for w in written if w.column == column and (before is None or w.line < before)]
    if not makers:
        if column in known:
            yield column
        return
    last = makers[-1]
    for read in last.reads:
        yield from _sources(read, written, known, last.line)


def _writes(node: ast.AST) -> Iterator[Write]:
    """Yield what one node writes.

    `df["x"] = …`, `df.loc[rows, "x"] = …`, `df[["x", "y"]] = …`, `df.assign(x=…)`,
    `df.insert(0, "x", …)`, `df.rename(columns={"a": "x"})`, `DataFrame({"x": …})`,
    `….alias("x")`.
    """
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            for name in _stored(target):
                reads = list(_columns_read(node.value)) if node.value else []
                if isinstance(node, ast.AugAssign):
                    reads.insert(0, name)
                yield Write(name, node.lineno, tuple(dict.fromkeys(reads)))
    elif isinstance(node, ast.Call):
        yield from _called(node)


def _stored(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _stored(each)
    elif isinstance(target, ast.Subscript):
        key = target.slice
        keys = key.elts if isinstance(key, ast.Tuple | ast.List) else [key]
        for each in keys:
            yield from _texts(each)


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the text that a node is, or the texts of the list that it is."""
    for each in node.elts if isinstance(node, ast.Tuple | ast.List) else [node]:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _called(node: ast.Call) -> Iterator[Write]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in _ASSIGNING:
        for keyword in node.keywords:
            if keyword.arg:
                reads = tuple(dict.fromkeys(_columns_read(keyword.value)))
                yield Write(keyword.arg, keyword.value.lineno, reads)
    elif name == "insert" and len(node.args) > 1:
        for text in _texts(node.args[1]):
            reads = tuple(dict.fromkeys(r for arg in node.args[2:] for r in _columns_read(arg)))
            yield Write(text, node.lineno, reads)
    elif name == "alias" and len(node.args) == 1 and isinstance(function, ast.Attribute):
        for text in _texts(node.args[0]):
            yield Write(text, node.lineno, tuple(dict.fromkeys(_columns_read(function.value))))
    elif name == "rename":
        for old, new in _renamed(node):
            yield Write(new, node.lineno, (old,))
    elif name == "DataFrame" and node.args and isinstance(node.args[0], ast.Dict):
        for key, value in zip(node.args[0].keys, node.args[0].values, strict=True):
            for text in _texts(key) if key is not None else ():
                yield Write(text, value.lineno, tuple(dict.fromkeys(_columns_read(value))))


def _renamed(node: ast.Call) -> Iterator[tuple[str, str]]:
    mappings = [k.value for k in node.keywords if k.arg in ("columns", "mapping")] or node.args[:1]
    for mapping in mappings:
        if isinstance(mapping, ast.Dict):
            for key, value in zip(mapping.keys, mapping.values, strict=True):
                for old in _texts(key) if key is not None else ():
                    for new in _texts(value):
                        yield old, new


def _columns_read(node: ast.AST) -> Iterator[str]:
    """Yield what may be names of columns in an expression: subscripts, attributes, `col("x")`."""
    for each in ast.walk(node):
        if isinstance(each, ast.Subscript):
            key = each.slice
            for part in key.elts if isinstance(key, ast.Tuple) else [key]:
                yield from _texts(part)
        elif isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.Call) and getattr(each.func, "attr", None) == "col":
            for argument in each.args:
                yield from _texts(argument)


def from_parent(
    name: str, digest: str, parents: Mapping[str, Mapping[str, str]]
) -> tuple[str, str] | None:
    """Return the parent and its column that has the same content, the same name first."""
    for parent, columns in parents.items():
        if columns.get(name) == digest:
            return parent, name
    for parent, columns in parents.items():
        same = [column for column, each in columns.items() if each == digest]
        if len(same) == 1:
            return parent, same[0]
    return None
