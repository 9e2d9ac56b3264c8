"""Two sources to the lines that one kept from the other, told apart by statement."""

from __future__ import annotations

import ast
import copy
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")


@dataclass(frozen=True, slots=True)
class Unit:
    """A simple statement, or the head of a compound one, and the lines it takes.

    Lines count from 0 and `stop` is past the last one. `scope` says what it stands in, weakly: a
    changed loop head must not change every statement of the loop.
    """

    start: int
    stop: int
    scope: tuple[str, ...]
    text: str
    nodes: tuple[ast.AST, ...] = field(compare=False, repr=False)

    def meaning(self) -> str:
        """What stays the same when only the formatting changes."""
        inner = ";".join(ast.dump(_head(node)) for node in self.nodes) or self.text
        return "/".join((*self.scope, inner))

    def parts(self) -> frozenset[str]:
        """What its statements mean wherever they stand, each name that is imported on its own."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                apart = copy.copy(node)
                for alias in node.names:
                    apart.names = [alias]
                    found.add(ast.dump(apart))
            else:
                found.add(ast.dump(_head(node)))
        return frozenset(found or {self.text})


def statements(source: str) -> list[Unit]:
    """Cut a source into units; one a line where it isn't Python."""
    lines = source.splitlines()
    try:
        body = parse(source).body
    except (SyntaxError, ValueError):
        return [
            Unit(number, number + 1, (), line.strip(), ())
            for number, line in enumerate(lines)
            if line.strip() and not line.lstrip().startswith("#")
        ]
    return _merged(list(_units(body, (), lines)), lines)


def parse(source: str) -> ast.Module:
    """Parse a slice: a module that may await at its top level, as cells may."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(source, "<slice>", "exec", flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _units(body: Sequence[ast.AST], scope: tuple[str, ...], lines: list[str]) -> Iterator[Unit]:
    for node in body:
        start, end = _extent(node)
        inner = getattr(node, "body", None)
        first = _extent(inner[0])[0] if isinstance(inner, list) and inner else end
        if not isinstance(inner, list) or not inner or first <= _line(node):
            yield Unit(start, end, scope, _text(lines, start, end), (node,))
            continue
        stop = _head_end(lines, start, first)
        yield Unit(start, stop, scope, _text(lines, start, stop), (node,))
        label = type(node).__name__ + ":" + str(getattr(node, "name", "") or "")
        for branch in _BODIES:
            children = getattr(node, branch, None)
            if isinstance(children, list):
                yield from _units(children, (*scope, f"{label}.{branch}"), lines)


def _head_end(lines: list[str], start: int, first: int) -> int:
    """Return the line past a compound statement's head, comments of its body left out."""
    while first > start + 1 and not lines[first - 1].split("#")[0].strip():
        first -= 1
    return first


def _merged(units: list[Unit], lines: list[str]) -> list[Unit]:
    """Join the units that share a line: `a = 1; b = 2`."""
    merged: list[Unit] = []
    for unit in units:
        if merged and unit.start < merged[-1].stop:
            last = merged.pop()
            stop = max(last.stop, unit.stop)
            text = _text(lines, last.start, stop)
            unit = Unit(last.start, stop, last.scope, text, last.nodes + unit.nodes)
        merged.append(unit)
    return merged


def _line(node: ast.AST) -> int:
    return _extent(node, decorated=False)[0]


def _extent(node: ast.AST, *, decorated: bool = True) -> tuple[int, int]:
    anchor = node.pattern if isinstance(node, ast.match_case) else node
    start: int = getattr(anchor, "lineno", 1) - 1
    # A match case carries no place of its own.
    last = node.body[-1] if isinstance(node, ast.match_case) else node
    end: int = getattr(last, "end_lineno", None) or start + 1
    decorators = getattr(node, "decorator_list", None) if decorated else None
    if decorators:
        start = min(start, decorators[0].lineno - 1)
    return start, end


def _text(lines: list[str], start: int, stop: int) -> str:
    return "\n".join(line.strip() for line in lines[start:stop])


def _head(node: ast.AST) -> ast.AST:
    """Return a compound statement without what stands in it."""
    if not isinstance(getattr(node, "body", None), list):
        return node
    fields = {name: [] if name in _BODIES else value for name, value in ast.iter_fields(node)}
    return type(node)(**fields)


@dataclass(frozen=True, slots=True)
class Alignment:
    """For each line of the new source the line of the old one that it is, None where it is new."""

    origin: tuple[int | None, ...]
    removed: tuple[int, ...]
    """Lines of the old source that are gone."""
    moved: int = 0
    """How many statements stand elsewhere now, or are only written differently."""


def align(old: str, new: str, wanted: Collection[int] | None = None) -> Alignment:
    """Align two sources; a statement that moved or was only reformatted is the same statement.

    Where only some lines of `new` are `wanted`, what becomes of the others may be left open.
    """
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        return Alignment(tuple(range(len(after))), ())
    work = _Work(before, after)
    work.match_lines()
    if work.is_open(wanted):
        work.match_statements(old, new)
        work.match_comments()
    removed = tuple(
        line for line in range(len(before)) if line not in work.kept and before[line].strip()
    )
    return Alignment(tuple(work.origin), removed, work.moved)


class _Work:
    """An alignment in the making."""

    def __init__(self, before: list[str], after: list[str]) -> None:
        self.before, self.after = before, after
        self.origin: list[int | None] = [None] * len(after)
        self.kept: set[int] = set()
        self.moved = 0

    def keep(self, old: int, new: int) -> None:
        self.origin[new] = old
        self.kept.add(old)

    def is_open(self, wanted: Collection[int] | None) -> bool:
        """Say whether a wanted line could still be matched."""
        left = self.origin if wanted is None else [self.origin[line] for line in wanted]
        return len(self.kept) < len(self.before) and None in left

    def match_lines(self) -> None:
        """Match what a plain line diff matches."""
        before = [line.rstrip() for line in self.before]
        after = [line.rstrip() for line in self.after]
        head = _common(before, after)
        tail = _common(before[head:][::-1], after[head:][::-1])
        for line in range(head):
            self.keep(line, line)
        for back in range(1, tail + 1):
            self.keep(len(before) - back, len(after) - back)
        middle = before[head : len(before) - tail], after[head : len(after) - tail]
        for block in SequenceMatcher(None, *middle, autojunk=False).get_matching_blocks():
            for step in range(block.size):
                self.keep(head + block.a + step, head + block.b + step)

    def match_statements(self, old: str, new: str) -> None:
        """Match statements that moved, then those that were only reformatted."""
        gone = [unit for unit in statements(old) if self._loose_old(unit)]
        come = [unit for unit in statements(new) if self._loose_new(unit)]
        if not gone or not come:
            return
        by_text = defaultdict(list)
        for unit in gone:
            by_text[unit.scope, unit.text].append(unit)
        rest = []
        for unit in come:
            same = by_text[unit.scope, unit.text]
            if same:
                self._keep_unit(same.pop(0), unit)
            else:
                rest.append(unit)
        by_meaning = defaultdict(list)
        for units in by_text.values():
            for unit in units:
                by_meaning[unit.meaning()].append(unit)
        for unit in rest:
            if by_meaning[unit.meaning()]:
                self._keep_unit(by_meaning[unit.meaning()].pop(0), unit)

    def match_comments(self) -> None:
        """Match comments that moved along with their statement."""
        loose = defaultdict(list)
        for line, text in enumerate(self.before):
            if line not in self.kept and text.lstrip().startswith("#"):
                loose[text.strip()].append(line)
        for line, text in enumerate(self.after):
            if self.origin[line] is None and loose.get(text.strip()):
                self.keep(loose[text.strip()].pop(0), line)

    def _loose_old(self, unit: Unit) -> bool:
        return any(line not in self.kept for line in range(unit.start, unit.stop))

    def _loose_new(self, unit: Unit) -> bool:
        return any(self.origin[line] is None for line in range(unit.start, unit.stop))

    def _keep_unit(self, old: Unit, new: Unit) -> None:
        self.moved += 1
        for line in range(new.start, new.stop):
            if self.origin[line] is None:
                self.origin[line] = min(old.start + line - new.start, old.stop - 1)
        self.kept.update(range(old.start, old.stop))


def _common(one: list[str], other: list[str]) -> int:
    """Count the lines that two sources begin with."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
