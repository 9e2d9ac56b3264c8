"""The nouns: frozen records of what was executed, what was stored and how they hang together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

from linea.trace import Effects as Effects
from linea.trace import Location as Location
from linea.trace import Origin as Origin
from linea.trace import Place as Place
from linea.trace import Slice as Slice
from linea.trace import Statement as Statement
from linea.trace import Step as Step

CommitId = NewType("CommitId", str)
"""A commit of the store: 40 hex digits."""

Digest = NewType("Digest", str)
"""A versioned content digest, `xxh3:1:<32 hex digits>`."""

ArtifactName = NewType("ArtifactName", str)
"""A checked artifact name (see `linea.store.refs.artifact_name`)."""

PIPELINES = "pipelines/"
"""Where definitions of pipelines stand among the artifacts, and values that only their tasks use."""


def is_inner(name: str) -> bool:
    """Whether an artifact belongs to a pipeline: nobody saved it, and a run keeps it up to date."""
    return name.startswith(PIPELINES)


Buffer = bytes | memoryview
"""Bytes that aren't changed any more."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a part: where its neighbours change, it stays the same and is kept once."""

    count: int
    """How much of the value it holds: rows of a column, bytes of anything else; 0: a head."""
    data: Buffer
    width: int = 0
    """Bytes of each of its items, where that isn't the width of the part's."""


Room = Callable[[int, int], memoryview | None]
"""Gives the memory where a segment of so much (`Segment.count`) and so many bytes is wanted, if any.

It is asked right before the segment is made, when what came before has been taken.
"""


class Guide:
    """Tells where a part may have the segments that the version before has; this one knows of none."""

    def ahead(self) -> int:
        """What the segment that may come next holds, see `Segment.count`; 0: that isn't known."""
        return 0

    def meets(self, data: Buffer) -> bool:
        """Whether these are the bytes of that segment. It then ends here as it did there."""
        return False


ALONE = Guide()


@dataclass(frozen=True, slots=True)
class Stream:
    """A part in segments, each made or read when it is asked for; every iteration begins anew."""

    segments: Callable[[], Iterator[Segment]]
    size: int = 0
    """About how many bytes it has."""
    width: int = 1
    """Bytes of one of its numbers, where it is made of numbers."""
    label: str = ""
    """Tells which part of the version before it goes on from, wherever that one stands."""
    print: str = ""
    """Parts with the same print have the same content, so that it needn't be made; or nothing."""
    guided: Callable[[Guide], Iterator[Segment]] | None = None
    """See `along`."""
    pick: Callable[[int, int], Iterator[tuple[int, Segment]]] | None = None
    """Gives the heads, and the segments between two counts with the count each begins at."""
    filled: Callable[[Room], Iterator[Segment]] | None = None
    """See `filling`."""

    def __iter__(self) -> Iterator[Segment]:
        return self.segments()

    def along(self, guide: Guide) -> Iterator[Segment]:
        """Give the same segments, with less to do where the guide knows some of them."""
        return self.segments() if self.guided is None else self.guided(guide)

    def filling(self, room: Room) -> Iterator[Segment]:
        """Give the segments, made in the memory that there is for them, if that is worth it.

        None of them was checked: the whole must be held against its digest.
        """
        return self.segments() if self.filled is None else self.filled(room)

    def __bytes__(self) -> bytes:
        return b"".join(segment.data for segment in self.segments())

    def between(self, start: int, stop: int) -> Iterator[tuple[int, Segment]]:
        """Give the heads, and the segments between two counts with the count each begins at."""
        if self.pick is not None:
            yield from self.pick(start, stop)
            return
        at = 0
        for segment in self.segments():
            if not segment.count or (at < stop and at + segment.count > start):
                yield at, segment
            at += segment.count


Payload = bytes | Stream
"""What a part consists of."""

ReadPart = Callable[[str], Payload]
"""Gives one part of a stored value by the part's path."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file or folder that was read and that no step had written."""

    path: str
    """Relative to the project folder where it lies in it, else absolute."""
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution that the slice's modules came from."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the code reads."""

    name: str
    value: str | None
    """None where it wasn't set, or isn't kept."""
    kept: bool = True
    """False for what may be a secret: only that it was set is known."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the code ran on."""

    python: str = ""
    platform: str = ""
    packages: tuple[Package, ...] = ()
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class GitState:
    """Where the surrounding git repository stood."""

    commit: str
    dirty: bool
    """Whether tracked files differed from that commit."""


# ------------------------------------------------------------------------------- what was stored


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    digest: Digest
    nulls: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a stored value."""

    path: str
    size: int
    digest: Digest
    """xxh3 of the part's bytes: checked whenever the part is read."""


class Unchecked(str):
    """Why a value couldn't be held against what its manifest says; nothing is wrong with it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """What the manifest says of a value: enough to answer most questions without loading it."""

    kind: str
    """`table`, `array`, `model`, `figure`, `data`, `text`, `bytes`, `file`, `folder`, `object` …"""
    type: str
    """Qualified name of the Python type, `pandas.DataFrame`."""
    digest: Digest
    codec: str
    """Name of the codec in the registry of `linea.values`."""
    parts: tuple[Part, ...] = ()
    columns: tuple[Column, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Facts by kind, JSON-able: `rows`, `columns`, `shape`, `dtype`, `length`, `params`,
    `size`, `path`; always `text`, one short line for a person."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the codec needs to decode, JSON-able."""
    pickled: bool = False
    """Reading it runs code (unpickles): only for values whose author is trusted."""
    stable: bool = True
    """False where equality of two such values can't be decided by digest."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of a value for people: `text/plain`, `image/png`, `text/html`."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value turned into bytes."""

    record: ValueRecord
    """Without `parts`: their sizes and digests are known once they are written."""
    parts: Mapping[str, Payload]
    picture: Preview | Callable[[], Preview] | None = None
    """Drawn when it is asked for: a value that is stored already isn't drawn again."""

    @property
    def preview(self) -> Preview | None:
        """The picture of the value, drawn now."""
        return self.picture() if callable(self.picture) else self.picture


@dataclass(frozen=True, slots=True)
class Parent:
    """Another artifact's version that this one was made from."""

    name: ArtifactName
    number: int
    commit: CommitId
    digest: Digest


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before the store has numbered it."""

    name: ArtifactName
    code: str
    session: str
    """Source of the whole session up to the save, as executed."""
    value: Encoded
    author: str
    """`Name <email>`."""
    created: datetime
    """Aware of its time zone."""
    message: str | None = None
    tags: tuple[str, ...] = ()
    parents: tuple[Parent, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    environment: Environment = field(default_factory=Environment)
    result: str | None = None
    """See `Slice.result`."""
    lines: tuple[Origin | None, ...] = ()
    """Per line of `code`, where it came from."""
    source: str = ""
    """The file or notebook of the session."""
    seconds: float = 0.0
    """How long the steps of the slice took."""
    conservative: tuple[str, ...] = ()
    unreproducible: tuple[str, ...] = ()
    written: tuple[InputFile, ...] = ()
    """Files that the session's steps had written from this value or on the way to it."""
    kept: Mapping[Digest, bytes] = field(default_factory=dict)
    """The bytes of the inputs that are small enough to be kept, by digest."""
    git: GitState | None = None
    folder: str | None = None
    """Where the session ran, relative to the project where it lies in it; None: not known."""


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version of an artifact: the manifest, and where it lies."""

    name: ArtifactName
    number: int
    commit: CommitId
    value: ValueRecord
    author: str
    created: datetime
    message: str | None = None
    previous: CommitId | None = None
    parents: tuple[Parent, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    environment: Environment = field(default_factory=Environment)
    result: str | None = None
    lines: tuple[Origin | None, ...] = ()
    source: str = ""
    seconds: float = 0.0
    conservative: tuple[str, ...] = ()
    unreproducible: tuple[str, ...] = ()
    written: tuple[InputFile, ...] = ()
    git: GitState | None = None
    folder: str | None = None

    @property
    def digest(self) -> Digest:
        return self.value.digest

    @property
    def revision(self) -> str:
        """How a person names this version, `feature_table@v3`."""
        return f"{self.name}@v{self.number}"


@dataclass(frozen=True, slots=True)
class Minimal:
    """A smaller slice that was run and gave the same value."""

    code: str
    lines: tuple[Origin | None, ...]
    when: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a re-run of a version's slice gave."""

    outcome: str
    """`identical`, `equal` (within a tolerance), `different`, `failed` or `impossible`."""
    when: datetime
    digest: Digest | None = None
    seconds: float = 0.0
    detail: str = ""
    """For people: which columns differ, the traceback, the missing input."""
