"""Records to the phrases that several commands show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from linea.cli import render
from linea.history.wording import ARROW
from linea.model import Verdict, Version

AUTHOR = 16
"""Columns that a name gets in a table."""

VERDICT_MARKS = {
    "identical": ("✓", "green"),
    "equal": ("≈", "green"),
    "different": ("✗", "red"),
    "failed": ("✗", "red"),
    "impossible": ("?", "yellow"),
}


def effect(why: str) -> str:
    """Return the end of a reason that says how the value moved."""
    _, arrow, how = why.rpartition(ARROW)
    return arrow + how if arrow else ""


def summary(version: Version) -> str:
    return render.clean(str(version.value.summary.get("text") or version.value.type))


def tag_text(tags: Sequence[str]) -> str:
    return " ".join(f"[{render.clean(tag)}]" for tag in sorted(tags))


def quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def verdict_text(verdict: Verdict | None, moment: datetime) -> str:
    if verdict is None:
        return "not yet"
    detail = f": {verdict.detail.splitlines()[0]}" if verdict.detail else ""
    return f"{verdict.outcome} {render.age(verdict.when, moment)}{detail}"
