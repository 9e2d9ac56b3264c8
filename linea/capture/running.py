"""A statement that is running: what was known as it began."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from linea.capture.source import Uses
from linea.trace import Statement, Within


@dataclass(slots=True)
class Running:
    """A statement that is running."""

    node: ast.stmt
    statement: Statement
    uses: Uses
    reads: set[str] = field(default_factory=set)
    """Names that it may read, those read by functions that it can call included."""
    named: set[str] = field(default_factory=set)
    """Files that its texts and the handles it reads stand for."""
    modules: int = 0
    """How many modules were loaded."""
    indirect: bool = False
    """It may run or write to something of the user's that its text doesn't show."""
    figures: tuple[int, ...] = ()
    """Addresses of pyplot's figures, the current one last."""
    gave_value: bool = False
    """It is an expression that gave something other than None."""
    artifacts: list[Any] = field(default_factory=list)
    """Versions that it loaded by `linea.get`."""
    saves: bool = False
    """It does nothing but hand a value to linea."""
    spared: bool = False
    """It writes to the memory of no array there is."""
    blind: bool = False
    """Its beginning wasn't seen: it is taken to have done anything."""
    within: tuple[Within, ...] = ()
    """The functions under way that are being stepped through, the outermost first."""
    started: float = 0.0
    overhead: float = 0.0

    @property
    def figure(self) -> int | None:
        """Address of the figure that pyplot would have drawn in."""
        return self.figures[-1] if self.figures else None

    @property
    def mentions(self) -> set[str]:
        """Every name and attribute that it calls or reads in a chain."""
        return {*self.uses.calls, *(part for chain in self.uses.chains for part in chain)}
