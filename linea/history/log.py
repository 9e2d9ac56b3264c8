"""What happened to an artifact: each version and why it differs from the one before."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, pairwise

from linea.history.align import align
from linea.history.changes import Change, changes
from linea.history.reading import Reader
from linea.model import ArtifactName, CommitId, Verdict, Version


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A version and what happened to it."""

    version: Version
    changes: tuple[Change, ...]
    tags: tuple[str, ...] = ()
    verdict: Verdict | None = None
    added: int = 0
    """Lines of the slice that are new."""
    removed: int = 0
    """Lines of the previous slice that are gone."""


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
) -> Iterator[LogEntry]:
    """Yield the versions of an artifact, or of all of them, newest first, as they are asked for.

    Which can be said by time, author, the version to start from, or one by one in `only`.
    """
    names = [name] if name is not None else list(repository.names())
    histories = [_with_previous(repository, each, start) for each in names]
    merged = heapq.merge(
        *histories, key=lambda pair: (pair[0].created, pair[0].number), reverse=True
    )
    wanted = (
        pair
        for pair in merged
        if _wanted(pair[0], since, until, author) and (only is None or pair[0].commit in only)
    )
    tags: dict[ArtifactName, dict[int, list[str]]] = {}
    for version, previous in islice(wanted, limit):
        if version.name not in tags:
            tags[version.name] = _by_number(repository, version.name)
        yield entry(repository, version, previous, tags[version.name].get(version.number, []))


def entry(
    repository: Reader, version: Version, previous: Version | None, tags: list[str]
) -> LogEntry:
    """Return what happened at one version."""
    added = removed = 0
    if previous is not None:
        alignment = align(repository.code(previous), repository.code(version))
        added, removed = alignment.origin.count(None), len(alignment.removed)
    return LogEntry(
        version=version,
        changes=changes(repository, previous, version),
        tags=tuple(sorted(tags)),
        verdict=repository.verdict(version),
        added=added,
        removed=removed,
    )


def previous_of(repository: Reader, version: Version) -> Version | None:
    """Return the version before this one that is still there."""
    older = (each for each in repository.versions(version.name) if each.number < version.number)
    return next(older, None)


def _with_previous(
    repository: Reader, name: ArtifactName, start: Version | None
) -> Iterator[tuple[Version, Version | None]]:
    versions: Iterator[Version] = repository.versions(name)
    if start is not None:
        versions = (each for each in versions if each.number <= start.number)
    yield from pairwise(chain(versions, [None]))


def _wanted(
    version: Version, since: datetime | None, until: datetime | None, author: str | None
) -> bool:
    return (
        (since is None or version.created >= since)
        and (until is None or version.created <= until)
        and (author is None or author.casefold() in version.author.casefold())
    )


def _by_number(repository: Reader, name: ArtifactName) -> dict[int, list[str]]:
    tags: dict[int, list[str]] = {}
    for tag, number in repository.tags(name).items():
        tags.setdefault(number, []).append(tag)
    return tags
