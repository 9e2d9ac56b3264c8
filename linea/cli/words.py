"""Records to the phrases that several commands show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from linea.cli import render
from linea.history.changes import Change
from linea.model import Verdict, Version

AUTHOR = 16
"""Columns that a name gets in a table."""

ARROW = " ⇒ "

KIND_WORDS = {
    "code": "code",
    "data": "data",
    "upstream": "from",
    "environment": "env",
    "chance": "chance",
    "first": "new",
}
VERDICT_MARKS = {
    "identical": ("✓", "green"),
    "equal": ("≈", "green"),
    "different": ("✗", "red"),
    "failed": ("✗", "red"),
    "impossible": ("?", "yellow"),
}


def reasons(found: Sequence[Change]) -> str:
    """Say why a version differs, and after the arrow how."""
    causes: dict[str, list[Change]] = {}
    for change in found:
        if change.kind not in ("value", "same"):
            causes.setdefault(change.kind, []).append(change)
    why = " · ".join(
        f"{KIND_WORDS.get(kind, kind)} {_first_and_more(group)}"
        if kind != "first"
        else group[0].text
        for kind, group in causes.items()
    )
    effects = [change.text for change in found if change.kind in ("value", "same")]
    how = ", ".join(effects[:3]) + (f" and {len(effects) - 3} more" if len(effects) > 3 else "")
    return ARROW.join(filter(None, (why, how)))


def effect(why: str) -> str:
    """Return the end of a reason that says how the value moved."""
    _, arrow, how = why.rpartition(ARROW)
    return arrow + how if arrow else ""


def _first_and_more(group: Sequence[Change]) -> str:
    first = group[0]
    place = f"{first.what} " if first.kind == "code" and first.what else ""
    more = f" (+{len(group) - 1} more)" if len(group) > 1 else ""
    return f"{place}{first.text}{more}"


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
