"""Digests and the versions that have them: a cache, rebuilt from the manifests when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from linea.store import notes, refs
from linea.store.backend import Backend
from linea.store.objects import ObjectId

NAME = "digests-1"
"""File of the cache; the number changes with what is written into it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The digests of one version."""

    commit: str
    value: str
    """Logical digest of the value; empty in a row that a note adds."""
    files: tuple[str, ...]
    """Digests of files' bytes."""

    def line(self) -> str:
        """The row as it is cached; the full stop shows that it was written to its end."""
        return " ".join([self.commit, self.value or "-", *self.files, "."]) + "\n"


@dataclass(slots=True)
class DigestIndex:
    """Which commits a digest stands in, by what it is the digest of there."""

    values: dict[str, list[str]] = field(default_factory=dict)
    """Logical digest of a value → commits."""
    files: dict[str, list[str]] = field(default_factory=dict)
    """Digest of a file's bytes → commits."""
    commits: set[str] = field(default_factory=set)
    """The commits that are in the index."""
    notes: ObjectId | None = None
    """The notes commit whose notes are in the index."""

    def add(self, row: Row) -> None:
        """Take a version into the index."""
        if row.value:
            self.commits.add(row.commit)
            self.values.setdefault(row.value, []).append(row.commit)
        for digest in row.files:
            self.files.setdefault(digest, []).append(row.commit)

    def update(
        self, backend: Backend, rows: Iterable[Row], files: Callable[[ObjectId], tuple[str, ...]]
    ) -> None:
        """Take in versions and notes that aren't in the index, and cache them.

        `files` gives the digests that a note's blob holds.
        """
        new = list(rows)
        tip = backend.ref(refs.NOTES)
        if tip != self.notes:
            there = self.notes if self.notes and backend.has(self.notes) else None
            seen = set(notes.noted(backend, there))
            for commit, blob in notes.noted(backend, tip):
                if (commit, blob) not in seen:
                    new.append(Row(commit, "", files(blob)))
        for row in new:
            self.add(row)
        text = "".join(row.line() for row in new)
        if tip != self.notes and tip is not None:
            text += f"notes {tip} .\n"
            self.notes = tip
        if text:
            backend.cache(NAME, text.encode(), append=True)


def load(backend: Backend) -> DigestIndex:
    """The index as it was cached; empty where there is none."""
    index = DigestIndex()
    for line in (backend.cached(NAME) or b"").decode("utf-8", "replace").splitlines():
        first, *digests = line.split(" ")
        if len(digests) < 2 or digests.pop() != ".":
            continue
        if first == "notes":
            index.notes = ObjectId(digests[0])
        else:
            value, *files = digests
            index.add(Row(first, "" if value == "-" else value, tuple(files)))
    return index
