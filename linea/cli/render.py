"""Values and records to the text that people and programs read."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TextIO

_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_WIDE_OPEN = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Screen:
    """What a stream can show."""

    stream: TextIO
    width: int
    """Columns; very many where nobody's terminal is at the other end."""
    color: bool
    unicode: bool
    terminal: bool
    height: int = 24

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """Ask a stream what it can show; `COLUMNS` and `NO_COLOR` are honoured."""
        terminal = stream.isatty()
        columns = os.environ.get("COLUMNS", "")
        size = shutil.get_terminal_size()
        width = size.columns if terminal or columns.isdigit() else _WIDE_OPEN
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return cls(
            stream=stream,
            width=width,
            color=terminal and not plain,
            unicode=encoding.startswith("utf"),
            terminal=terminal,
            height=size.lines,
        )

    def style(self, text: str, *styles: str) -> str:
        """Colour a text, on a terminal."""
        if not (self.color and text and styles):
            return text
        codes = ";".join(_STYLES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """Write a line of the result."""
        if not self.unicode:
            text = _in_ascii(text)
        self.stream.write(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        write = self.stream.write if self.unicode else self.line
        end = "\n" if self.unicode else ""
        for text in texts:
            write(text + end)


def screen() -> Screen:
    """Return what stdout can show."""
    return Screen.of(sys.stdout)


def say(message: str) -> None:
    """Tell what was done, on stderr."""
    _to_stderr(message)


def suggest(command: str, why: str = "") -> None:
    """Name the next useful command, where a person reads."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        stderr = Screen.of(sys.stderr)
        sys.stdout.flush()
        _to_stderr(stderr.style(f"{why or 'next'}: {command}", "dim"))


def _to_stderr(text: str) -> None:
    stderr = Screen.of(sys.stderr)
    sys.stderr.write((text if stderr.unicode else _in_ascii(text)) + "\n")


_ASCII = str.maketrans(
    {"→": "->", "−": "-", "×": "x", "·": ";", "…": "...", "⇒": "=>", "✓": "ok", "✗": "x",
     "≈": "~", "“": '"', "”": '"', "’": "'"}
)  # fmt: skip


def _in_ascii(text: str) -> str:
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def clean(text: str) -> str:
    """Return a text that came from a store without what could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char == "\t" or unicodedata.category(char)[0] != "C" else "�" for char in text
    )


def width_of(text: str) -> int:
    """Return the columns that a text takes: wide characters take two, combining ones none."""
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text)
    return len(text) + sum(_beyond_one(char) for char in text if char > "\x7f")


_NARROW = re.compile("[\0-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u22ff]*")
"""Texts of letters and signs all of which take one column, for speed."""


@lru_cache(maxsize=4096)
def _beyond_one(char: str) -> int:
    """Return how many columns more than one a character takes."""
    if unicodedata.combining(char):
        return -1
    return int(unicodedata.east_asian_width(char) in "WF")


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text up to a width."""
    fill = " " * max(0, width - width_of(text))
    return fill + text if right else text + fill


def fit(text: str, width: int) -> str:
    """Cut a text to a width, saying so with an ellipsis."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += width_of(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def fit_around(text: str, width: int, tail: str) -> str:
    """Cut a text to a width, its tail to no less than half of that."""
    if not tail or width_of(text) <= width:
        return fit(text, width)
    head = text.removesuffix(tail)
    kept = fit(tail, max(width // 2, width - width_of(head)))
    return fit(head, width - width_of(kept)) + kept


class Cell(NamedTuple):
    """A piece of text in a table and its colours."""

    text: str
    styles: tuple[str, ...] = ()
    right: bool = False
    tail: str = ""
    """The end of the text that stays when the text is cut."""


def table(screen: Screen, rows: Sequence[Sequence[Cell]], *, flexible: int = -1) -> list[str]:
    """Align rows of cells; the flexible column gives way where the screen is too narrow."""
    if not rows:
        return []
    count = max(map(len, rows))
    flexible %= count
    sizes = [[width_of(cell.text) for cell in row] for row in rows]
    widths = [max(column) for column in zip_longest(*sizes, fillvalue=0)]
    others = sum(width + 2 for n, width in enumerate(widths) if n != flexible and width)
    widths[flexible] = max(min(widths[flexible], screen.width - others), 12)
    lines = []
    for row, taken in zip(rows, sizes, strict=True):
        pieces = []
        for cell, width, size in zip(row, widths, taken, strict=False):
            if not width:
                continue
            text = cell.text
            if size > width:
                text = fit_around(text, width, cell.tail)
                size = width_of(text)
            fill = " " * (width - size)
            if screen.color:
                text = screen.style(text, *cell.styles)
            pieces.append(fill + text if cell.right else text + fill)
        lines.append("  ".join(pieces).rstrip())
    return lines


def inline_picture(screen: Screen, png: bytes) -> str:
    """Return the sequence that draws a PNG on this terminal; nothing for one that can't."""
    if not screen.terminal or not screen.color:
        return ""
    from base64 import standard_b64encode

    data = standard_b64encode(png).decode()
    program = os.environ.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in os.environ or os.environ.get("TERM") == "xterm-kitty":
        pieces = [data[start : start + 4096] for start in range(0, len(data), 4096)]
        last = len(pieces) - 1
        return "".join(
            f"\x1b_G{'a=T,f=100,' if number == 0 else ''}m={int(number < last)};{piece}\x1b\\"
            for number, piece in enumerate(pieces)
        )
    if program in ("iTerm.app", "WezTerm"):
        return f"\x1b]1337;File=inline=1;size={len(png)}:{data}\a"
    return ""


_UNITS = (
    ("year", 365.25 * 86400),
    ("month", 30.4375 * 86400),
    ("week", 7 * 86400),
    ("day", 86400),
    ("hour", 3600),
    ("minute", 60),
)


def age(when: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    seconds = (now - when).total_seconds()
    if seconds < 0:
        return f"{when:%Y-%m-%d}"
    for unit, size in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def person(author: str, width: int = _WIDE_OPEN) -> str:
    """Return the name of `Name <email>`, cut to a width."""
    name, _, email = author.partition("<")
    return fit(clean(name.strip() or email.rstrip(">") or "unknown"), width)


def size(count: int) -> str:
    """Say a number of bytes."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return (
                f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
            )
        amount /= 1000
    return f"{count} B"


def duration(seconds: float) -> str:
    """Say how long something took."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def plural(count: int, noun: str) -> str:
    """Count things: `1 line`, `1,203 lines`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def as_json(value: Any) -> str:
    """Return any of our records as JSON."""
    return json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=True)


def plain(value: Any) -> Any:
    """Turn records into what JSON can say."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path | timedelta | Decimal):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)


def print_json(value: Any) -> None:
    """Write the machine form of a result."""
    sys.stdout.write(as_json(value) + "\n")
