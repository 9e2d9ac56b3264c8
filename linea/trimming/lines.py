"""The lines of a statement, and parts of it to leave out → the lines that are left."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line of code and its number in the statement it came from (0-based), None if made here."""

    text: str
    number: int | None


def whole(source: str) -> list[Line]:
    """All lines of a statement."""
    return [Line(text, n) for n, text in enumerate(source.split("\n"))]


def cut(
    lines: list[Line], removed: list[tuple[ast.stmt, list[ast.stmt]]], tree: ast.stmt
) -> list[Line]:
    """`lines`, which are those of `tree`, without the statements of `removed`.

    An `else` or `finally` left empty goes too, any other block gets `pass`.
    """
    clauses = _clauses(lines, tree)
    gone: set[int] = set()
    passes: dict[int, str] = {}
    out = {id(n) for n, _ in removed}
    shared: list[ast.stmt] = []
    for node, _ in removed:
        first, last = _extent(node)
        if not _alone(node, lines[first - 1].text, lines[last - 1].text):
            shared.append(node)
            continue
        gone |= set(range(first - 1 - _comments(lines, first - 1, node.col_offset), last))
    emptied: set[int] = set()
    for _, body in removed:
        if body and all(id(n) in out for n in body):
            if (clause := clauses.get(id(body))) is not None:
                gone |= clause
                continue
            head = body[0]
            if any(head is n for n in shared):
                emptied.add(id(head))
                continue
            at = _extent(head)[0] - 1
            indent = lines[at].text[: len(lines[at].text) - len(lines[at].text.lstrip())]
            passes[at] = indent + "pass"
    texts = [line.text.encode() for line in lines]
    gone |= _cut_shared(texts, shared, emptied)
    kept: list[Line] = []
    for i, line in enumerate(lines):
        if i in passes:
            kept.append(Line(passes[i], None))
        elif i not in gone:
            kept.append(Line(texts[i].decode(), line.number))
    try:
        ast.parse("\n".join(x.text for x in kept))
    except SyntaxError:
        return lines
    return kept


def _cut_shared(texts: list[bytes], nodes: list[ast.stmt], emptied: set[int]) -> set[int]:
    """Cut statements out of lines that they share with others; give the lines that are gone.

    Those of `emptied` are the first of blocks that nothing else is left of.
    """
    gone: set[int] = set()
    inner = {id(part) for node in nodes for part in ast.walk(node) if part is not node}
    # From the end, so that the places of those before stay right.
    for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        if id(node) in inner:
            continue
        first, last = (n - 1 for n in _extent(node))
        head = texts[first][: node.col_offset]
        tail = texts[last][node.end_col_offset or 0 :]
        if id(node) in emptied:
            text = head + b"pass" + tail
        elif follows := re.match(rb"\s*;\s*", tail):
            text = head + tail[follows.end() :]
        else:
            text = re.sub(rb";\s*$", b"", head).rstrip() + tail
        if not text.strip() or (text.lstrip().startswith(b"#") and head.strip()):
            gone.add(first)
        texts[first] = text
        gone |= set(range(first + 1, last + 1))
    return gone


def _extent(node: ast.stmt) -> tuple[int, int]:
    """The first and the last line of a statement (1-based), decorators included."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return first, node.end_lineno or node.lineno


def stands_alone(node: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether a statement of a text of these lines shares them with no other."""
    first, last = _extent(node)
    return _alone(node, lines[first - 1], lines[last - 1])


def _alone(node: ast.stmt, first: str, last: str) -> bool:
    tail = last.encode()[node.end_col_offset or 0 :].decode().strip()
    head = first.encode()[: node.col_offset].strip()
    return not head and (not tail or tail.startswith("#"))


def _comments(lines: list[Line], at: int, column: int) -> int:
    """How many lines above line `at` are comments on what begins there."""
    found = 0
    while found < at:
        text = lines[at - found - 1].text
        if len(text) - len(text.lstrip()) != column or not text.lstrip().startswith("#"):
            break
        found += 1
    return found


_COMMENT = re.compile(r"^\s*(#.*)?$")


def _clauses(lines: list[Line], tree: ast.stmt) -> dict[int, set[int]]:
    """By block that its statement can do without: the lines down to it, from its `else` or `finally`."""
    found: dict[int, set[int]] = {}
    for node in ast.walk(tree):
        blocks: list[tuple[str, list[ast.stmt]]] = []
        match node:
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
                blocks = [("else", node.orelse)]
            case ast.Try() | ast.TryStar() if node.handlers:
                blocks = [("else", node.orelse), ("finally", node.finalbody)]
        for word, block in blocks:
            if not block:
                continue
            first = block[0]
            at = _extent(first)[0] - 1
            column = getattr(node, "col_offset", 0)
            head = re.compile(rf"^\s{{{column}}}{word}\s*:\s*(#.*)?$")
            n = at - 1
            while n >= 0 and _COMMENT.match(lines[n].text):
                n -= 1
            if n >= 0 and head.match(lines[n].text):
                found[id(block)] = set(range(n, at))
    return found


def narrowed(
    lines: list[Line], tree: ast.Import | ast.ImportFrom, unused: list[ast.alias]
) -> list[Line]:
    """An import without some of its names; those left stand as they were written."""
    left = [a for a in tree.names if a not in unused]
    if not unused or not left:
        return lines
    own_lines = len({a.lineno for a in tree.names}) == len(tree.names) and all(
        lines[a.lineno - 1].text.encode()[: a.col_offset].strip() == b"" for a in tree.names
    )
    if own_lines:
        gone = {a.lineno - 1 for a in unused}
        kept = [line for n, line in enumerate(lines) if n not in gone]
    elif tree.lineno == tree.end_lineno:
        n = tree.lineno - 1
        raw = lines[n].text.encode()
        names = b", ".join(raw[a.col_offset : a.end_col_offset] for a in left)
        head, tail = raw[: tree.names[0].col_offset], raw[tree.names[-1].end_col_offset :]
        kept = [*lines[:n], Line((head + names + tail).decode(), lines[n].number), *lines[n + 1 :]]
    else:
        return lines
    try:
        body = ast.parse("\n".join(x.text for x in kept)).body
    except SyntaxError:
        return lines
    same = len(body) == 1 and isinstance(body[0], type(tree))
    wanted = [(a.name, a.asname) for a in left]
    ok = same and [(a.name, a.asname) for a in body[0].names] == wanted  # type: ignore[attr-defined]
    return kept if ok else lines
