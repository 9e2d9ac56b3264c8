"""What happened to an artifact: each version and why it differs from the one before."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from linea.history.align import align
from linea.history.changes import Change, changes
from linea.history.lines import FEW, Line, Lines
from linea.history.reading import Reader
from linea.history.wording import reasons
from linea.model import ArtifactName, CommitId, Verdict, Version, is_inner

if TYPE_CHECKING:
    from linea.store.layout import Entry


class LogEntry(NamedTuple):
    """A version and what happened to it."""

    name: ArtifactName
    number: int
    commit: CommitId
    author: str
    created: datetime
    message: str | None
    why: str
    """The changes in one line."""
    added: int
    """Lines of the slice that are new."""
    removed: int
    """Lines of the previous slice that are gone."""
    tags: tuple[str, ...]
    verdict: Verdict | None
    before: CommitId | None
    """The commit that it is compared with."""
    tell: Callable[[CommitId, CommitId | None], tuple[Change, ...]]
    """Gives the changes from the second commit to the first."""
    load: Callable[[CommitId], Version]
    """Reads the version from the store."""

    def __eq__(self, other: object) -> bool:
        # But for `tell` and `load`.
        return isinstance(other, LogEntry) and self[:-2] == other[:-2]

    def __hash__(self) -> int:
        return hash(self.commit)

    @property
    def revision(self) -> str:
        """How a person names this version, `feature_table@v3`."""
        return f"{self.name}@v{self.number}"

    @property
    def changes(self) -> tuple[Change, ...]:
        """Why it differs from the version before, then how."""
        return self.tell(self.commit, self.before)

    @property
    def version(self) -> Version:
        """The version itself, read from the store when it is asked for."""
        return self.load(self.commit)


_ROWS = "log-3"
"""Name of the cache; its number changes with the words that a log says.

A row holds the commit that a version is compared with (another one if a version was deleted since),
when it was saved, its message, the changes, how many lines are new and how many gone, and the
changes in one line.
"""


def log(
    repository: Reader,
    name: ArtifactName | None = None,
    *,
    limit: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    author: str | None = None,
    start: Version | None = None,
    only: Collection[CommitId] | None = None,
    inner: bool = False,
) -> Iterator[LogEntry]:
    """Yield the versions of an artifact, or of all of them, newest first, as they are asked for.

    Which can be said by time, author, the version to start from, or one by one in `only`. Without
    `inner`, all of them are those that don't belong to pipelines.
    """
    everything = (each for each in repository.names() if inner or not is_inner(each))
    names = [name] if name is not None else list(everything)
    if start is not None and next(repository.entries(start.name)).commit == start.commit:
        start = None  # which leaves out nothing
    known = Lines(repository, name or "", hidden := repository.hidden())
    histories = [
        _history(repository, each, start, known, 0 if limit is None else FEW) for each in names
    ]
    merged: Iterator[_Found] = (
        histories[0]
        if len(histories) == 1
        else heapq.merge(*histories, key=itemgetter(0, 1), reverse=True)
    )
    tags = _by_number(repository.all_tags() if name is None else {name: repository.tags(name)})
    verdict, tell = repository.verdicts(), partial(_told, repository)
    left = limit
    for created, number, whose, line, load in merged:
        if left == 0:
            return
        commit, _, by, _, message, why, before, added, removed = line
        if (
            (only is None or commit in only)
            and (author is None or author.casefold() in by.casefold())
            and (since is None or created >= since)
            and (until is None or created <= until)
        ):
            left = None if left is None else left - 1
            yield LogEntry(
                whose, number, commit, by, created, message, why, added, removed,
                tags.get((whose, number), ()), verdict(commit), before, tell, load,
            )  # fmt: skip
    if start is None and hidden == repository.hidden():
        known.keep()


_Found = tuple[datetime, int, ArtifactName, "Line", Callable[[CommitId], Version]]
"""When a version was saved, its number, whose it is, what the log says of it, and what loads it."""


def _history(
    repository: Reader, name: ArtifactName, start: Version | None, known: Lines, few: int
) -> Iterator[_Found]:
    """Yield what the log says of the versions of an artifact, newest first.

    So many are told one by one before it is looked at what is known of the others.
    """
    entries = repository.entries(name)
    if start is not None:
        entries = (each for each in entries if each.number <= start.number)
    fresh: list[Line] = []
    older: list[Any] | None = None
    loaded = _Loaded(repository)
    for entry, before in pairwise(chain(entries, [None])):
        assert entry is not None
        older = known.since(name, entry.commit) if len(fresh) >= few else None
        if older is not None:
            break
        line = _line(repository, loaded, entry, before)
        fresh.append(line)
        moment = datetime.fromisoformat(line.created)
        yield moment, line.number, name, line, partial(_given, repository, entry)
    for row in older or ():
        yield datetime.fromisoformat(row[3]), row[1], name, row, repository.by_commit
    known.add(name, fresh, older or ())


def _told(repository: Reader, commit: CommitId, before: CommitId | None) -> tuple[Change, ...]:
    """Say why a version differs from another, from the cache or worked out."""
    kept = repository.ledger(_ROWS).get(commit)
    if kept is not None and kept[0] == before:
        return tuple(Change(*each) for each in kept[3])
    previous = None if before is None else repository.by_commit(before)
    return changes(repository, previous, repository.by_commit(commit))


def _given(repository: Reader, entry: Entry, commit: CommitId) -> Version:
    return repository.loaded(entry)


class _Loaded:
    """Versions of one artifact, newest first, each read once: what one is compared with comes next."""

    def __init__(self, repository: Reader) -> None:
        self._repository = repository
        self._last: Version | None = None

    def __call__(self, entry: Entry) -> Version:
        if self._last is None or self._last.commit != entry.commit:
            self._last = self._repository.loaded(entry)
        return self._last


def _line(repository: Reader, loaded: _Loaded, entry: Entry, before: Entry | None) -> Line:
    """Say what happened at one version, from the cache or worked out."""
    rows = repository.ledger(_ROWS)
    row = rows.get(entry.commit)
    if row is None or row[0] != (before and before.commit):
        row = _row(repository, loaded(entry), None if before is None else loaded(before))
        rows.put(entry.commit, row)
    compared, created, message, _, added, removed, why = row
    return Line(
        entry.commit, entry.number, entry.author, created, message, why, compared, added, removed
    )


def keep(repository: Reader, versions: Sequence[Version]) -> None:
    """Work out what the log says of versions that were saved just now, so that it is known."""
    repository.ledger(_ROWS).keep(
        {each.commit: _row(repository, each, previous_of(repository, each)) for each in versions}
    )


def _row(repository: Reader, version: Version, previous: Version | None) -> list[Any]:
    """What the log says of a version beside another, as it is kept."""
    added = removed = 0
    if previous is not None:
        old, new = repository.code(previous), repository.code(version)
        if old != new:
            alignment = align(old, new)
            added, removed = alignment.origin.count(None), len(alignment.removed)
    found = changes(repository, previous, version)
    told = [[c.kind, c.text, c.what, c.before, c.after] for c in found]
    compared = previous.commit if previous else None
    created, message = version.created.isoformat(), version.message
    return [compared, created, message, told, added, removed, reasons(found)]


def previous_of(repository: Reader, version: Version) -> Version | None:
    """Return the version before this one that is still there."""
    entries = repository.entries(version.name)
    older = next((each for each in entries if each.number < version.number), None)
    return None if older is None else repository.loaded(older)


def _by_number(
    tags: Mapping[str, Mapping[str, int]],
) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for name, numbers in tags.items():
        for tag, number in sorted(numbers.items()):
            found[name, number] = (*found.get((name, number), ()), tag)
    return found
