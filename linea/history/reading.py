"""What history asks of a store: the read-only side of a repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from linea.model import ArtifactName, CommitId, Digest, InputFile, ReadPart, Verdict, Version

if TYPE_CHECKING:
    from linea.store.layout import Entry
    from linea.store.ledger import Ledger


class Reader(Protocol):
    """A repository that is only read: on disk, or in memory for tests."""

    def names(self) -> Sequence[ArtifactName]:
        """Every artifact's name, sorted."""

    def tip(self, name: ArtifactName) -> Version:
        """The latest version; NoSuchArtifactError where there is none."""

    def tips(self) -> Sequence[Version]:
        """The latest version of every artifact, by name."""

    def entries(self, name: ArtifactName) -> Iterator[Entry]:
        """What the commits of an artifact say, newest first: cheaper than `versions`."""

    def loaded(self, entry: Entry) -> Version:
        """The version of an entry."""

    def ledger(self, name: str) -> Ledger:
        """Rows worked out from commits, cached under `name`."""

    def piece(self, kind: str, about: str) -> Any:
        """What was worked out about an artifact and cached in one piece; None: nothing."""

    def keep_piece(self, kind: str, about: str, value: Any) -> None:
        """Cache JSON data about an artifact, instead of what was cached before."""

    def hidden(self) -> frozenset[str]:
        """The commits of versions that were deleted one by one."""

    def versions(self, name: ArtifactName) -> Iterator[Version]:
        """Every version, newest first, read as it is asked for."""

    def version(self, name: ArtifactName, number: int) -> Version:
        """The version of this number; NoSuchVersionError where there is none."""

    def by_commit(self, prefix: str) -> Version:
        """The version whose commit id starts with `prefix`."""

    def by_digest(self, prefix: str) -> Sequence[Version]:
        """The versions whose value's digest starts with `prefix`."""

    def code(self, version: Version | Entry) -> str:
        """The slice."""

    def read_part(self, version: Version) -> ReadPart:
        """A function from the path of a part of the value to its bytes."""

    def tags(self, name: ArtifactName) -> Mapping[str, int]:
        """Tags of an artifact and the number of the version that each stands on."""

    def all_tags(self) -> Mapping[str, Mapping[str, int]]:
        """The tags of every artifact that has some."""

    def verdicts(self) -> Callable[[CommitId], Verdict | None]:
        """A function that gives the verdict on a version, for asking about many."""

    def verdict(self, version: Version) -> Verdict | None:
        """What the last re-run of the version gave."""

    def known_file(self, digest: Digest) -> Version | None:
        """The version that a file of this content was written from."""

    def input(self, version: Version, file: InputFile) -> bytes | None:
        """The bytes of an input of the version, None where they weren't kept."""

    def written(self, version: Version) -> Sequence[InputFile]:
        """The files that the version's session wrote."""
