"""What happened to an artifact: each version and why it differs from the one before."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from linea.history.align import align
from linea.history.changes import Change, changes
from linea.history.reading import Reader
from linea.model import ArtifactName, CommitId, Verdict, Version, is_inner

if TYPE_CHECKING:
    from linea.store.layout import Entry
    from linea.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A version and what happened to it."""

    name: ArtifactName
    number: int
    commit: CommitId
    author: str
    created: datetime
    message: str | None
    changes: tuple[Change, ...]
    tags: tuple[str, ...] = ()
    verdict: Verdict | None = None
    added: int = 0
    """Lines of the slice that are new."""
    removed: int = 0
    """Lines of the previous slice that are gone."""
    load: Callable[[], Version] = field(repr=False, compare=False, kw_only=True)

    @property
    def revision(self) -> str:
        """How a person names this version, `feature_table@v3`."""
        return f"{self.name}@v{self.number}"

    @property
    def version(self) -> Version:
        """The version itself, read from the store when it is asked for."""
        return self.load()


class _Row(NamedTuple):
    """What a log keeps of a version, so that it needn't be worked out again."""

    before: str | None
    """The commit that it is compared with; another one if a version was deleted since."""
    created: datetime
    message: str | None
    changes: tuple[Change, ...]
    added: int
    removed: int


_ROWS = "log-2"
"""Name of the cache; its number changes with the words that a log says."""


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
    rows = repository.ledger(_ROWS)
    everything = (each for each in repository.names() if inner or not is_inner(each))
    names = [name] if name is not None else list(everything)
    histories = [_with_previous(repository, each, start) for each in names]
    if len(histories) == 1:
        merged = ((*pair, rows.get(pair[0].commit)) for pair in histories[0])
    else:
        moments = [_with_moments(repository, rows, each) for each in histories]
        both = heapq.merge(*moments, key=lambda found: found[0], reverse=True)
        merged = (found for _, found in both)
    tags = _by_number(repository.all_tags() if name is None else {name: repository.tags(name)})
    verdict = repository.verdicts()
    left = limit
    for entry, before, kept in merged:
        if left == 0:
            return
        if only is not None and entry.commit not in only:
            continue
        if author is not None and author.casefold() not in entry.author.casefold():
            continue
        row = _row(repository, rows, entry, before, kept)
        if (since is None or row.created >= since) and (until is None or row.created <= until):
            left = None if left is None else left - 1
            yield _log_entry(
                repository, entry, row, tags.get((entry.name, entry.number), ()), verdict
            )


def keep(repository: Reader, versions: Sequence[Version]) -> None:
    """Work out what the log says of versions that were saved just now, so that it is known."""
    rows = repository.ledger(_ROWS)
    found: dict[str, list[Any]] = {}
    for version in versions:
        row = _worked_out(repository, version, previous_of(repository, version))
        found[version.commit] = _written(row)
    rows.keep(found)


def _written(row: _Row) -> list[Any]:
    told = [[c.kind, c.text, c.what, c.before, c.after] for c in row.changes]
    return [row.before, row.created.isoformat(), row.message, told, row.added, row.removed]


def _log_entry(
    repository: Reader,
    entry: Entry,
    row: _Row,
    tags: tuple[str, ...],
    verdict: Callable[[CommitId], Verdict | None],
) -> LogEntry:
    return LogEntry(
        entry.name,
        entry.number,
        entry.commit,
        entry.author,
        row.created,
        row.message,
        row.changes,
        tags,
        verdict(entry.commit),
        row.added,
        row.removed,
        load=lambda: repository.loaded(entry),
    )


def _row(repository: Reader, rows: Ledger, entry: Entry, before: Entry | None, kept: Any) -> _Row:
    """What happened at one version, from the cache or worked out."""
    compared = before.commit if before is not None else None
    if kept is not None and kept[0] == compared:
        said, created, message, changed, added, removed = kept
        told = tuple(Change(*each) for each in changed)
        return _Row(said, datetime.fromisoformat(created), message, told, added, removed)
    version = repository.loaded(entry)
    previous = repository.loaded(before) if before is not None else None
    row = _worked_out(repository, version, previous)
    rows.put(entry.commit, _written(row))
    return row


def _worked_out(repository: Reader, version: Version, previous: Version | None) -> _Row:
    added = removed = 0
    if previous is not None:
        old, new = repository.code(previous), repository.code(version)
        if old != new:
            alignment = align(old, new)
            added, removed = alignment.origin.count(None), len(alignment.removed)
    return _Row(
        previous.commit if previous else None,
        version.created,
        version.message,
        changes(repository, previous, version),
        added,
        removed,
    )


def previous_of(repository: Reader, version: Version) -> Version | None:
    """Return the version before this one that is still there."""
    entries = repository.entries(version.name)
    older = next((each for each in entries if each.number < version.number), None)
    return None if older is None else repository.loaded(older)


def _with_previous(
    repository: Reader, name: ArtifactName, start: Version | None
) -> Iterator[tuple[Entry, Entry | None]]:
    entries = repository.entries(name)
    if start is not None:
        entries = (each for each in entries if each.number <= start.number)
    yield from pairwise(chain(entries, [None]))


def _with_moments(
    repository: Reader, rows: Ledger, pairs: Iterator[tuple[Entry, Entry | None]]
) -> Iterator[tuple[tuple[datetime, int], tuple[Entry, Entry | None, Any]]]:
    """Put before each version what orders it among others; a commit's time has whole seconds."""
    for entry, before in pairs:
        kept = rows.get(entry.commit)
        created = datetime.fromisoformat(kept[1]) if kept else repository.loaded(entry).created
        yield (created, entry.number), (entry, before, kept)


def _by_number(
    tags: Mapping[str, Mapping[str, int]],
) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for name, numbers in tags.items():
        for tag, number in sorted(numbers.items()):
            found[name, number] = (*found.get((name, number), ()), tag)
    return found
