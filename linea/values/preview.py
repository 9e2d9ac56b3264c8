"""Small pictures of values for people: a few lines of text."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Callable, Sequence

from linea.model import Preview

LINES = 20
WIDTH = 120


def text_preview(text: str) -> Preview:
    """Return a text preview, cut to what fits on a screen."""
    lines = text[: LINES * WIDTH * 4].splitlines()
    cut = [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines[:LINES]]
    if len(lines) > LINES:
        cut[-1] = "…"
    return Preview("text/plain", "\n".join(cut).encode("utf-8", "replace"))


def drawn(draw: Callable[[], str], what: str) -> Callable[[], Preview]:
    """Return what draws a text preview when it is called, without a word to the user.

    `what` is drawn, as the preview calls it where that can't be done.
    """

    def preview() -> Preview:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return text_preview(draw())
            except Exception as error:
                return text_preview(_unshown(what, error))

    return preview


def show(value: object) -> str:
    """Return a value's repr, bounded for plain containers; never raises."""
    try:
        return _REPR.repr(value)
    except Exception as error:
        return _unshown(type(value).__qualname__, error)


def _unshown(what: str, error: Exception) -> str:
    return f"<{what} (its repr raises {type(error).__name__})>"


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 30
        self.maxdeque = self.maxarray = 30
        self.maxlevel = 6
        self.maxstring = self.maxlong = 300
        self.maxother = LINES * WIDTH

    def repr_instance(self, x: object, level: int) -> str:
        """Show an object by its own repr, lines kept."""
        text = repr(x)
        return text if len(text) <= self.maxother else text[: self.maxother] + "…"


_REPR = _Repr()


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, more: int = 0) -> str:
    """Return rows of text set in columns, the last columns left out where the width ends."""
    columns = [[cell[:30] for cell in column] for column in zip(header, *rows, strict=True)]
    lines = [""] * (len(rows) + 1)
    for column in columns:
        width = max(map(len, column))
        if len(lines[0]) + width + 2 > WIDTH - 2:
            lines = [f"{line} …" for line in lines]
            break
        lines = [
            f"{line}{'  ' if line else ''}{cell:>{width}}"
            for line, cell in zip(lines, column, strict=True)
        ]
    if more:
        lines.append(f"… {more:,} more rows")
    return "\n".join(lines)


def count(number: int, noun: str) -> str:
    """Return `1 row`, `1,234 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
