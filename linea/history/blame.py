"""A version's slice and table to the versions that brought each line and column."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from linea.history.align import align, parse
from linea.history.reading import Reader
from linea.model import Column, Origin, Version

if TYPE_CHECKING:
    from linea.store.layout import Entry


@dataclass(frozen=True, slots=True)
class LineOrigin:
    """A line of a slice and the version that last changed it."""

    number: int
    """Of the line, from 1."""
    text: str
    version: Version
    place: Origin | None
    """Where the user wrote it when it came; None for a line that linea added."""

    @property
    def author(self) -> str:
        return self.version.author

    @property
    def created(self) -> datetime:
        return self.version.created


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """A column of a table and the version that last changed its content."""

    column: Column
    version: Version
    since: Version
    """The version that brought a column of this name."""
    line: int | None
    """The line of the slice that last wrote the column, where the text tells."""
    place: Origin | None = None


def blame(repository: Reader, version: Version) -> list[LineOrigin]:
    """Return each line of a slice with the version that last changed it.

    A line that only moved, or was only formatted anew, keeps its origin. History is read back
    no further than the oldest line.
    """
    code = repository.code(version)
    texts = code.splitlines()
    settled: list[LineOrigin | None] = [None] * len(texts)
    standing = {line: line for line in range(len(texts))}  # line of ours -> line of `newer`
    newer: Version | Entry = version
    older_ones = (each for each in repository.entries(version.name) if each.number < version.number)
    for older in older_ones:
        if not standing:
            break
        before = repository.code(older)
        if before != code:
            origin = align(before, code).origin
            for line, at in list(standing.items()):
                came_from = origin[at]
                if came_from is not None:
                    standing[line] = came_from
                else:
                    settled[line] = _line(line, texts, _whole(repository, newer), at)
                    del standing[line]
        newer, code = older, before
    for line, at in standing.items():
        settled[line] = _line(line, texts, _whole(repository, newer), at)
    return [line for line in settled if line is not None]


def blame_columns(repository: Reader, version: Version) -> list[ColumnOrigin]:
    """Return each column of a table with the version that last changed its content."""
    changed: dict[str, Version] = {}
    since = {column.name: version for column in version.value.columns}
    digests = {column.name: column.digest for column in version.value.columns}
    alive = set(since)
    newer = version
    for older in _older(repository, version):
        if not alive:
            break
        before = {column.name: column.digest for column in older.value.columns}
        for name in list(alive):
            if before.get(name) != digests[name]:
                changed.setdefault(name, newer)
            if name in before:
                since[name] = older
            else:
                alive.discard(name)
        newer = older
    written = last_writes(repository.code(version))
    return [
        ColumnOrigin(
            column=column,
            version=changed.get(column.name, since[column.name]),
            since=since[column.name],
            line=written.get(column.name),
            place=_place(version, written.get(column.name, 0) - 1),
        )
        for column in version.value.columns
    ]


def last_writes(code: str) -> dict[str, int]:
    """Return the columns that the text of a slice assigns, and the last line that does."""
    try:
        tree = parse(code)
    except (SyntaxError, ValueError):
        return {}
    writes: dict[str, int] = {}
    for node in ast.walk(tree):
        for name, line in _column_writes(node):
            writes[name] = max(line, writes.get(name, 0))
    return writes


def _column_writes(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what one node writes: `df["x"] = …`, `df.loc[rows, "x"] = …`, `df.assign(x=…)`."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        key = node.slice
        keys = key.elts if isinstance(key, ast.Tuple | ast.List) else [key]
        for each in keys:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield each.value, node.lineno
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("assign", "with_columns"):
            for keyword in node.keywords:
                if keyword.arg:
                    yield keyword.arg, keyword.value.lineno
        elif node.func.attr == "insert" and len(node.args) > 1:
            name = node.args[1]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value, node.lineno


def _older(repository: Reader, version: Version) -> Iterator[Version]:
    return (each for each in repository.versions(version.name) if each.number < version.number)


def _whole(repository: Reader, found: Version | Entry) -> Version:
    return found if isinstance(found, Version) else repository.loaded(found)


def _line(line: int, texts: list[str], version: Version, at: int) -> LineOrigin:
    return LineOrigin(line + 1, texts[line], version, _place(version, at))


def _place(version: Version, line: int) -> Origin | None:
    return version.lines[line] if 0 <= line < len(version.lines) else None
