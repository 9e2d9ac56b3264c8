"""A file on disk to the versions that it holds, is nearest to, or that were made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from linea.history.reading import Reader
from linea.model import CommitId, Digest, InputFile, Version


@dataclass(frozen=True, slots=True)
class Near:
    """A version that a file resembles, though no version has its content."""

    version: Version
    why: str
    """`written from it to this path`, `6 of 7 columns are equal` …"""


@dataclass(frozen=True, slots=True)
class Made:
    """A version that rests on a file."""

    revision: str
    commit: CommitId
    file: InputFile | None
    """The file as it was read; None where only a parent had read it."""
    via: str | None = None
    """The parent through which it rests on the file, where it didn't read it itself."""


def resolve_file(
    repository: Reader, digests: Iterable[Digest], *, limit: int | None = None
) -> list[Version]:
    """Return the versions that a file of one of these digests holds, newest first."""
    found: dict[str, Version] = {}
    for digest in digests:
        known = repository.known_file(digest)
        matches = [*repository.by_digest(digest), *([known] if known else [])]
        found |= {version.commit: version for version in matches}
    ordered = sorted(found.values(), key=lambda version: version.created, reverse=True)
    return ordered[:limit]


def last_known_as(repository: Reader, path: str) -> list[Version]:
    """Return the versions last saved from or written to a file of this path, or else of this name."""
    tips = repository.tips()
    files = {tip.commit: _paths(repository, tip) for tip in tips}
    same = [tip for tip in tips if path in files[tip.commit]]
    if not same:
        name = Path(path).name
        same = [tip for tip in tips if name in {Path(each).name for each in files[tip.commit]}]
    return sorted(same, key=lambda tip: tip.created, reverse=True)


def _paths(repository: Reader, version: Version) -> set[str]:
    written = {file.path for file in repository.written(version)}
    own = version.value.summary.get("path")
    return written | ({str(own)} if own else set())


def nearest(
    repository: Reader, path: str, columns: Mapping[str, Digest] | None = None, *, limit: int = 3
) -> list[Near]:
    """Return what a file that is in no version comes nearest to.

    First the versions that were written to its path; then those whose tables share the most of
    its `columns`, by content and then by name.
    """
    found = [
        Near(version, f"{path} was last known as it") for version in last_known_as(repository, path)
    ]
    if columns:
        known = {each.version.name for each in found}
        ranked = sorted(
            (
                (_alike(columns, version), version)
                for version in repository.tips()
                if version.name not in known and version.value.columns
            ),
            key=lambda pair: (pair[0], pair[1].created),
            reverse=True,
        )
        found += [
            Near(version, _shared(columns, equal, named))
            for (equal, named), version in ranked
            if equal or named * 2 > len(columns)
        ]
    return found[:limit]


def _alike(columns: Mapping[str, Digest], version: Version) -> tuple[int, int]:
    """Count the columns that are equal, and those of the same name."""
    there = {column.name: column.digest for column in version.value.columns}
    return (
        sum(there.get(name) == digest for name, digest in columns.items()),
        len(columns.keys() & there.keys()),
    )


def _shared(columns: Mapping[str, Digest], equal: int, named: int) -> str:
    if equal:
        return f"{equal} of {len(columns)} columns are equal"
    return f"{named} of {len(columns)} columns have its names"


def made_from(repository: Reader, path: str, digest: Digest | None = None) -> list[Made]:
    """Return every version that read a file, or rests on one that did, newest first.

    The file is known by its path or, where it has moved, by its digest.
    """
    found: dict[str, Made] = {}
    for row in sorted(_reads(repository), key=lambda each: (each.created, each.number)):
        # What a version was made from is older, so that it has been seen.
        read = next((f for f in row.inputs if f.path == path or f.digest == digest), None)
        via = next((found[commit] for commit in row.parents if commit in found), None)
        if read is not None:
            found[row.commit] = Made(row.revision, row.commit, read)
        elif via is not None:
            found[row.commit] = Made(row.revision, row.commit, None, via.revision)
    return list(found.values())[::-1]


_READS = "reads-1"
"""Name of the cache of what versions read."""


class _Read(NamedTuple):
    """What a version was made from."""

    revision: str
    number: int
    commit: CommitId
    created: str
    """In UTC, so that texts order as moments do."""
    inputs: list[InputFile]
    parents: list[str]


def _reads(repository: Reader) -> Iterator[_Read]:
    """Yield what every version was made from; what was worked out once is in the cache."""
    rows = repository.ledger(_READS)
    for name in repository.names():
        for entry in repository.entries(name):
            row = rows.get(entry.commit)
            if row is None:
                version = repository.loaded(entry)
                row = [
                    version.created.astimezone(UTC).isoformat(),
                    [[file.path, file.digest, file.size] for file in version.inputs],
                    [parent.commit for parent in version.parents],
                ]
                rows.put(entry.commit, row)
            created, inputs, parents = row
            files = [InputFile(path, Digest(digest), size) for path, digest, size in inputs]
            yield _Read(
                f"{entry.name}@v{entry.number}", entry.number, entry.commit, created, files, parents
            )


def contents(found: Sequence[Made]) -> list[InputFile]:
    """Return the contents that a file had when it was read, newest first."""
    return list(dict.fromkeys(made.file for made in found if made.file is not None))
