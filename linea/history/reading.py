"""What history asks of a store: the read-only side of a repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from linea.model import ArtifactName, Digest, InputFile, ReadPart, Verdict, Version


class Reader(Protocol):
    """A repository that is only read: on disk, or in memory for tests."""

    def names(self) -> Sequence[ArtifactName]:
        """Every artifact's name, sorted."""

    def tip(self, name: ArtifactName) -> Version:
        """The latest version; NoSuchArtifactError where there is none."""

    def versions(self, name: ArtifactName) -> Iterator[Version]:
        """Every version, newest first, read as it is asked for."""

    def version(self, name: ArtifactName, number: int) -> Version:
        """The version of this number; NoSuchVersionError where there is none."""

    def by_commit(self, prefix: str) -> Version:
        """The version whose commit id starts with `prefix`."""

    def by_digest(self, prefix: str) -> Sequence[Version]:
        """The versions whose value's digest starts with `prefix`."""

    def code(self, version: Version) -> str:
        """The slice."""

    def read_part(self, version: Version) -> ReadPart:
        """A function from the path of a part of the value to its bytes."""

    def tags(self, name: ArtifactName) -> Mapping[str, int]:
        """Tags of an artifact and the number of the version that each stands on."""

    def verdict(self, version: Version) -> Verdict | None:
        """What the last re-run of the version gave."""

    def known_file(self, digest: Digest) -> Version | None:
        """The version that a file of this content was written from."""

    def input(self, version: Version, file: InputFile) -> bytes | None:
        """The bytes of an input of the version, None where they weren't kept."""

    def written(self, version: Version) -> Sequence[InputFile]:
        """The files that the version's session wrote."""
