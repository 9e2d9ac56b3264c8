"""The nouns of capture and slicing: what was executed, and a part of it that runs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

Location = NewType("Location", str)
"""Something that a step reads or writes.

A bare identifier is a global name; other kinds carry a prefix that no identifier can have:
`file:<path>`, `hidden:<state>`, `module:<dotted name>`, `package:<name>`.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands in what the user wrote.

    `file` is relative to the project folder where it lies in it; a notebook's cell has its
    execution count in `cell` and `line` counts from the cell's first line (1-based).
    """

    file: str
    line: int
    end_line: int
    cell: int | None = None

    def __str__(self) -> str:
        return f"{self.file} [{self.cell}]:{self.line}" if self.cell else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the user wrote it, comments that belong to it included."""

    source: str
    place: Place


@dataclass(frozen=True, slots=True)
class Effects:
    """What one step read and wrote, as observed.

    `binds` are names (re)bound or unbound by the step: an earlier binding is dead after it.
    `mutates` are locations whose content changed in place: what made them before still counts.
    """

    reads: frozenset[Location] = frozenset()
    binds: frozenset[Location] = frozenset()
    mutates: frozenset[Location] = frozenset()
    unbinds: frozenset[Location] = frozenset()


class Within(NamedTuple):
    """A statement that ran while a function was stepped through, or a block of the top level."""

    call: int
    """Position of the step in which the function was called."""
    function: str
    """Empty for a block, which is the calling statement itself."""
    number: int | None
    """Which statement of the function's body it is (0-based); None once they have run."""
    whole: bool
    """What follows in the calling statement rests on the function's having run to its end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One executed statement: of the top level, or of a function that was stepped through.

    A step that calls such a function stands for what it does before the first statement of the
    function's body; what it does after the last is a step of its own, with `number` None.
    """

    index: int
    statement: Statement
    effects: Effects
    seconds: float = 0.0
    error: str | None = None
    assumed: tuple[str, ...] = ()
    """Why effects were assumed rather than observed; empty when all was observed."""
    within: tuple[Within, ...] = ()
    """The functions that it ran in, the outermost first; empty at the top level."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The place that a line of the slice came from."""

    file: str
    line: int
    cell: int | None = None

    def __str__(self) -> str:
        return f"{self.file} [{self.cell}]:{self.line}" if self.cell else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a trace that rebuilds a value, in the order it ran.

    `statements` may be cut inside: `source` then holds the kept lines only. `lines` gives each
    line of `code` the place it came from, or None for a line that linea added.
    """

    code: str
    result: str | None
    """The variable that holds the value after `code` has run; None when the value is what the
    code itself passes to `linea.save`."""
    lines: tuple[Origin | None, ...] = ()
    steps: tuple[int, ...] = ()
    """Which of the statements of the top level it holds (0-based, in the order they ran)."""
    conservative: tuple[str, ...] = ()
    """Reasons why the slice may hold more than it needs; empty when all was observed."""
    unreproducible: tuple[str, ...] = ()
    """What a re-run can't give again: an unseeded generator, the clock, the network."""
