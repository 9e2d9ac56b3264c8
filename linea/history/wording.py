"""Reasons to one line of text."""

from __future__ import annotations

from collections.abc import Sequence

from linea.history.changes import Change

ARROW = " ⇒ "

KIND_WORDS = {
    "code": "code",
    "data": "data",
    "upstream": "from",
    "environment": "env",
    "chance": "chance",
    "first": "new",
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


def _first_and_more(group: Sequence[Change]) -> str:
    first = group[0]
    place = f"{first.what} " if first.kind == "code" and first.what else ""
    more = f" (+{len(group) - 1} more)" if len(group) > 1 else ""
    return f"{place}{first.text}{more}"
