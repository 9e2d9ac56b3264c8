"""The log of a long history ⇄ a row for each version, all in one piece of the store's cache.

Rows are of commits and of the commit that each is compared with, neither of which ever changes. What
may change is which versions there are: newer ones come before the rows, an `undo` begins further
down in them, and where other versions are hidden than were then, the piece doesn't count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from linea.history.reading import Reader
from linea.model import CommitId

FEW = 64
"""So many versions are told one by one before the piece is read."""
MANY = 256
"""So many that weren't in the piece are worth a new one."""
_KIND = "lines-1"
"""Name of the cache; its number changes with the words that a log says."""


class Line(NamedTuple):
    """What a log says of a version."""

    commit: CommitId
    number: int
    author: str
    created: str
    """ISO 8601."""
    message: str | None
    why: str
    """The changes in one line."""
    before: CommitId | None
    """The commit that it was compared with; another one if a version was deleted since."""
    added: int
    removed: int


class Lines:
    """The lines of an artifact, or of all of them, that are known from earlier."""

    def __init__(self, repository: Reader, about: str, hidden: frozenset[str]) -> None:
        """`about` is an artifact's name, or empty; `hidden` the commits that the log leaves out."""
        self._repository = repository
        self._about = about
        self._hidden = hidden
        self._rows: dict[str, list[Any]] | None = None
        self._places: dict[str, dict[CommitId, int]] = {}
        self._fresh = 0
        self._whole: dict[str, list[Any]] = {}

    def since(self, name: str, commit: CommitId) -> list[Any] | None:
        """Return the rows of a commit and of all before it; None where it isn't known."""
        if self._rows is None:
            found = self._repository.piece(_KIND, self._about)
            self._rows = found["rows"] if _fits(found, self._hidden) else {}
        rows = self._rows.get(name, [])
        if name not in self._places:
            self._places[name] = {row[0]: at for at, row in enumerate(rows)}
        at = self._places[name].get(commit)
        return None if at is None else rows[at:]

    def add(self, name: str, fresh: Sequence[Line], older: Sequence[Any]) -> None:
        """Take the lines of all versions of an artifact, those that weren't known first."""
        self._fresh += len(fresh)
        self._whole[name] = [*fresh, *older]

    def keep(self) -> None:
        """Write down what was added, where much of it wasn't known."""
        if self._fresh >= MANY:
            piece = {"hidden": sorted(self._hidden), "rows": (self._rows or {}) | self._whole}
            self._repository.keep_piece(_KIND, self._about, piece)


def _fits(found: Any, hidden: frozenset[str]) -> bool:
    """Say whether what was kept is of the versions that there are now."""
    return (
        isinstance(found, dict)
        and hidden.issuperset(found["hidden"])
        and hidden.isdisjoint(row[0] for rows in found["rows"].values() for row in rows)
    )
