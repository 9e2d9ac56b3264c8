"""A version's recorded inputs → where their bytes are to be had: on disk as they were, or in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from linea import values
from linea.errors import DamagedStoreError, LineaError
from linea.model import InputFile, Version

if TYPE_CHECKING:
    from linea.store.repository import Repository


@dataclass(frozen=True, slots=True)
class Found:
    """What a re-run on the recorded inputs can have."""

    given: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of those that aren't on disk as they were, by path."""
    problems: tuple[str, ...] = ()
    """What isn't to be had any more, a sentence each."""


def find(repository: Repository, version: Version, root: Path) -> Found:
    """Look for every input and parent of `version` as it was recorded."""
    given: dict[str, bytes] = {}
    problems: list[str] = []
    for file in version.inputs:
        path = root / file.path
        there = path.exists()
        if there and same(path, file):
            continue
        data = kept(repository, version, file)
        if data is not None:
            given[file.path] = data
        elif there:
            problems.append(f"the input {file.path} has changed since ({file.digest} was read)")
        else:
            problems.append(f"the input {file.path} isn't there any more")
    for parent in version.parents:
        try:
            repository.by_commit(parent.commit)
        except LineaError:
            problems.append(f"its parent {parent.name}@v{parent.number} isn't in the store")
    return Found(given, tuple(problems))


def same(path: Path, file: InputFile) -> bool:
    """Whether a file on disk is what was read."""
    try:
        if path.is_file() and path.stat().st_size != file.size:
            return False
        return values.digest_file(path) == file.digest
    except OSError:
        return False


def kept(repository: Repository, version: Version, file: InputFile) -> bytes | None:
    """The bytes that the store keeps of an input; DamagedStoreError where they aren't the recorded."""
    data = repository.input(version, file)
    if data is not None and values.digest_bytes(data) != file.digest:
        raise DamagedStoreError(
            f"the input {file.path} kept with {version.revision} isn't what was read",
            hint="see what is hit with `linea fsck`",
        )
    return data


def current(repository: Repository, version: Version, file: InputFile, root: Path) -> bytes | None:
    """The recorded bytes of an input, from the store or from disk; None where they are gone."""
    data = kept(repository, version, file)
    if data is None and same(root / file.path, file) and (root / file.path).is_file():
        data = (root / file.path).read_bytes()
    return data
