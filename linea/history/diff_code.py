"""Two sources to the lines that differ, moved and reformatted statements left out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher

from linea.history.align import align


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff."""

    mark: str
    """`+`, `-`, or a space for a line that both have."""
    text: str
    old: int | None
    """Line number in the old source, from 1."""
    new: int | None


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """What differs between two sources, with every line of both."""

    lines: tuple[Line, ...]
    moved: int = 0
    """Statements that only stand elsewhere or are only written differently."""

    @property
    def added(self) -> int:
        return sum(line.mark == "+" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.mark == "-" for line in self.lines)

    def __bool__(self) -> bool:
        return any(line.mark != " " for line in self.lines)

    def hunks(self, context: int = 3) -> list[tuple[Line, ...]]:
        """Return the stretches that differ, with some lines around each."""
        near: set[int] = set()
        for number, line in enumerate(self.lines):
            if line.mark != " ":
                near.update(range(number - context, number + context + 1))
        hunks: list[list[Line]] = []
        last = -2
        for number, line in enumerate(self.lines):
            if number in near:
                if number != last + 1 or not hunks:
                    hunks.append([])
                hunks[-1].append(line)
                last = number
        return [tuple(hunk) for hunk in hunks]


def diff_code(old: str, new: str) -> CodeDiff:
    """Compare two slices by statement."""
    alignment = align(old, new)
    before, after = old.splitlines(), new.splitlines()
    place: dict[int, int] = {}
    for number, origin in enumerate(alignment.origin):
        if origin is not None:
            place.setdefault(origin, number)
    # A removed line is shown after the line that its predecessor became.
    gone: dict[int, list[int]] = defaultdict(list)
    for line in alignment.removed:
        kept = next((n for n in range(line - 1, -1, -1) if n in place), None)
        gone[-1 if kept is None else place[kept]].append(line)
    lines = [Line("-", before[line], line + 1, None) for line in gone[-1]]
    for number, text in enumerate(after):
        origin = alignment.origin[number]
        mark = "+" if origin is None and text.strip() else " "
        lines.append(Line(mark, text, None if origin is None else origin + 1, number + 1))
        lines += [Line("-", before[line], line + 1, None) for line in gone[number]]
    return CodeDiff(tuple(_removed_first(lines)), alignment.moved)


def diff_text(old: str, new: str) -> CodeDiff:
    """Compare two texts by line."""
    before, after = old.splitlines(), new.splitlines()
    lines: list[Line] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        if before[a:a_end] == after[b:b_end]:
            lines += [Line(" ", after[b + n], a + n + 1, b + n + 1) for n in range(b_end - b)]
        else:
            lines += [Line("-", before[n], n + 1, None) for n in range(a, a_end)]
            lines += [Line("+", after[n], None, n + 1) for n in range(b, b_end)]
    return CodeDiff(tuple(lines))


def _removed_first(lines: list[Line]) -> list[Line]:
    """Put what is gone before what came in its place."""
    ordered: list[Line] = []
    run: list[Line] = []
    for line in lines:
        if line.mark == " ":
            ordered += [*sorted(run, key=lambda each: each.mark != "-"), line]
            run = []
        else:
            run.append(line)
    return ordered + sorted(run, key=lambda each: each.mark != "-")
