"""Parts of values in segments ⇄ trees of compressed blobs that share what a version before has."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import xxhash
import zstandard

from linea.errors import DamagedStoreError
from linea.model import Buffer, Digest, Guide, Part, Payload, Room, Segment, Stream
from linea.store import forms
from linea.store.objects import ObjectId, TreeEntry, parse_tree, tree_ids

INDEX = "index"
HEADER = "linea-segments 1"
WHOLE = 16 * 1024
"""A part of no more bytes is one blob, as it is."""

PATCH_LIMIT = 8 << 20
"""Larger segments aren't stored as a difference."""
PATCH_WORTH = 0.7
PROBED = 32
"""The form is chosen anew with every so many segments."""
GIVEN_UP = 4
"""After so many useless differences, only every so many segments one more is tried."""
KEPT_BASES = 4
PATCHES = ("patch", "delta")
"""Forms that are a difference: to the base's bytes, or in the base's form to its content."""

DAMAGE = (zstandard.ZstdError, ValueError, KeyError, MemoryError)
"""What reading raises where a segment is damaged."""

AddBlob = Callable[[bytes, bool], ObjectId]
"""Puts a blob among the objects to be written; True: it is compressed already."""
ReadBlob = Callable[[ObjectId], bytes]
FillRoom = Callable[[ObjectId, memoryview], bool]
"""Puts a blob where it belongs, or gives False."""


def _never(id: ObjectId, room: memoryview) -> bool:
    return False


class Line(NamedTuple):
    """What the index says of a segment, and the blob that holds it."""

    hash: str
    """xxh3_128 of its bytes."""
    items: int
    """What it holds, see `Segment.count`."""
    size: int
    form: str
    """One of `forms`, or one of `PATCHES`."""
    tail: str
    """Print of its last bytes: where it ends, a segment of the version before ended as well."""
    base: str
    """For a patch, the hash of the segment that it is a difference to; else `-`."""
    id: ObjectId

    def text(self) -> str:
        """The line as it is written."""
        return f"{self.hash} {self.items} {self.size} {self.form} {self.tail} {self.base}\n"


@dataclass(frozen=True, slots=True)
class Stored:
    """A part in segments, as it lies in a tree."""

    label: str
    print: str
    lines: tuple[Line, ...]
    bases: Mapping[str, Line]
    """By hash, the segments that patches are a difference to and that aren't in `lines`."""


# ------------------------------------------------------------------------------------ index


def index_bytes(stored: Stored) -> bytes:
    """The index of a part: a line for each segment, an empty line, a line for each base."""
    label = stored.label.encode("unicode_escape").decode("ascii")
    text = [f"{HEADER} {stored.print or '-'} {label}\n"]
    text += [line.text() for line in stored.lines]
    text.append("\n")
    text += [line.text() for line in stored.bases.values()]
    return "".join(text).encode()


def parse(data: bytes, entries: Mapping[str, TreeEntry]) -> Stored:
    """The part that a tree with this index holds; ValueError where it is none."""
    head, *rows = data.decode("ascii").split("\n")
    if not head.startswith(HEADER + " "):
        raise ValueError("the index of a part is no index")
    middle = rows.index("")
    lines = tuple(_line(row, entries, f"{n:06d}") for n, row in enumerate(rows[:middle]))
    bases = (_line(row, entries, f"b{n:05d}") for n, row in enumerate(rows[middle + 1 : -1]))
    mark, label = _head(head)
    return Stored(label, mark, lines, {line.hash: line for line in bases})


def _head(head: str) -> tuple[str, str]:
    """The print and the label in the first line of an index."""
    mark, _, label = head[len(HEADER) + 1 :].partition(" ")
    return "" if mark == "-" else mark, label.encode("ascii").decode("unicode_escape")


def _line(row: str, entries: Mapping[str, TreeEntry], name: str) -> Line:
    hash, items, length, form, tail, base = row.split(" ")
    count, size = int(items), int(length)
    if name not in entries or count < 0 or size < 0 or len(hash) != 32:
        raise ValueError(f"the index of a part names {name}, which isn't there")
    return Line(hash, count, size, form, tail, base, entries[name].id)


def tree_of(stored: Stored, index: ObjectId) -> dict[str, ObjectId]:
    """The blobs of a part's tree by their names in it."""
    named = {f"{n:06d}": line.id for n, line in enumerate(stored.lines)}
    named |= {f"b{n:05d}": line.id for n, line in enumerate(stored.bases.values())}
    return {INDEX: index, **named}


# ---------------------------------------------------------------------------------- reading


def stream(stored: Stored, read: ReadBlob, what: str, fill: FillRoom = _never) -> Stream:
    """The part that lies in a tree; a blob is read when its segment is asked for."""
    reader = Reader(read, what, fill)

    def segments() -> Iterator[Segment]:
        return (Segment(line.items, reader.raw(line, stored)) for line in stored.lines)

    def filled(room: Room) -> Iterator[Segment]:
        return (Segment(line.items, reader.made(line, stored, room)) for line in stored.lines)

    def pick(start: int, stop: int) -> Iterator[tuple[int, Segment]]:
        at = 0
        for line in stored.lines:
            if not line.items or (at < stop and at + line.items > start):
                yield at, Segment(line.items, reader.raw(line, stored))
            at += line.items

    size = sum(line.size for line in stored.lines)
    return Stream(segments, size=size, label=stored.label, pick=pick, filled=filled)


class Reader:
    """Segments from their blobs, each checked."""

    def __init__(self, read: ReadBlob, what: str = "a value", fill: FillRoom = _never) -> None:
        self._read = read
        self._fill = fill
        self._what = what
        self._bases: OrderedDict[str, bytes] = OrderedDict()

    def raw(self, line: Line, stored: Stored) -> Buffer:
        """The bytes of a segment; DamagedStoreError where they aren't those that were stored."""
        try:
            return _checked(self._restored(line, stored, self._content_of(line), None), line)
        except DAMAGE as error:
            raise self._damaged(error) from error

    def made(self, line: Line, stored: Stored, room: Room) -> Buffer:
        """The bytes of a segment, not held against its hash, in the room that there is for them."""
        place = room(line.items, line.size)
        if line.form == "raw" and place is not None and self._fill(line.id, place):
            return place
        try:
            return self._restored(line, stored, self._content_of(line), place)
        except DAMAGE as error:
            raise self._damaged(error) from error

    def _content_of(self, line: Line) -> Buffer:
        """What the blob of a segment holds; of a difference that is its frame."""
        blob = self._read(line.id)
        return blob if line.form in PATCHES else forms.opened(blob, line.form, line.size)

    def opened(self, base: Line) -> tuple[int, Buffer, Buffer]:
        """Of a segment that is no difference: the size of its blob, its content, its bytes."""
        try:
            blob = self._read(base.id)
            content = forms.opened(blob, base.form, base.size)
            raw = _checked(forms.restored(content, base.form, base.size), base)
        except DAMAGE as error:
            raise self._damaged(error) from error
        return len(blob), content, raw

    def _damaged(self, error: Exception) -> DamagedStoreError:
        return DamagedStoreError(
            f"a segment of {self._what} is damaged: {error}",
            hint="see what is hit with `linea fsck`",
        )

    def _restored(
        self, line: Line, stored: Stored, content: Buffer, room: memoryview | None
    ) -> Buffer:
        """The bytes of a segment out of its content; a difference's content is its frame."""
        if line.form not in PATCHES:
            return forms.restored(content, line.form, line.size, room)
        base = full(line, stored)
        form = base.form if line.form == "delta" else "zstd"
        forms.check_size(content, form, line.size)
        known = self._content(base) if line.form == "delta" else self._whole(base, stored)
        prefix = zstandard.ZstdCompressionDict(known, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        made = zstandard.ZstdDecompressor(dict_data=prefix).decompress(content)
        return forms.restored(made, form, line.size, room)

    def _whole(self, base: Line, stored: Stored) -> bytes:
        return self._kept(base.hash, lambda: bytes(self.raw(base, stored)))

    def _content(self, base: Line) -> bytes:
        """What the form of a segment, which is no difference, compresses."""
        return self._kept(
            base.hash + base.form,
            lambda: bytes(forms.opened(self._read(base.id), base.form, base.size)),
        )

    def _kept(self, key: str, make: Callable[[], bytes]) -> bytes:
        known = self._bases.get(key)
        if known is None:
            known = self._bases[key] = make()
            if len(self._bases) > KEPT_BASES:
                self._bases.popitem(last=False)
        return known


def _checked(data: Buffer, line: Line) -> Buffer:
    """The bytes of a segment; ValueError where they aren't those that were stored."""
    if len(data) != line.size or xxhash.xxh3_128_hexdigest(data) != line.hash:
        raise ValueError("its bytes aren't those that were stored")
    return data


# ---------------------------------------------------------------------------------- writing


@dataclass(slots=True)
class Before:
    """A part in segments of the version before; what its index says is read when it is needed."""

    part: Part
    """What the manifest says of it."""
    tree: ObjectId
    entries: bytes
    """The tree itself."""
    index: bytes
    print: str = ""
    label: str = ""
    _stored: Stored | None = None

    def __post_init__(self) -> None:
        self.print, self.label = _head(self.index.partition(b"\n")[0].decode("ascii"))

    @property
    def blobs(self) -> list[ObjectId]:
        """All that is in the tree."""
        return tree_ids(self.entries)

    def stored(self) -> Stored | None:
        """The part; None where its index is damaged."""
        if self._stored is None:
            with contextlib.suppress(ValueError, IndexError):
                self._stored = parse(self.index, parse_tree(self.entries))
        return self._stored


@dataclass(slots=True)
class Known:
    """What the version before has, to be shared and built on."""

    read: ReadBlob
    has: Callable[[ObjectId], bool]
    parts: Mapping[str, Before] = field(default_factory=dict)
    """Its parts in segments, by path."""

    def same(self, mark: str) -> Before | None:
        """A part with the same content, where all its blobs are there."""
        for each in self.parts.values():
            if each.print == mark and all(map(self.has, each.blobs)):
                return each
        return None

    def like(self, path: str, label: str) -> Stored | None:
        """The part that the one at `path` goes on from."""
        found = [each for each in self.parts.values() if each.label == label] if label else []
        before = found[0] if len(found) == 1 else self.parts.get(path)
        return None if before is None else before.stored()

    def segment(self, hash: str) -> tuple[Line, Stored] | None:
        """A segment that any part has, and its part."""
        text = hash.encode()
        for each in self.parts.values():
            stored = each.stored() if text in each.index else None
            if stored is not None:
                for line in stored.lines:
                    if line.hash == hash:
                        return line, stored
        return None


def write(
    path: str, payload: Payload, known: Known, add: AddBlob
) -> tuple[Part, Stored | bytes | ObjectId]:
    """Put a part's segments among the objects to be written; give its tree, or its bytes.

    The tree is one that is there, or one to be made.
    """
    if isinstance(payload, bytes):
        return Part(path, len(payload), digest(xxhash.xxh3_128(payload))), payload
    there = known.same(payload.print) if payload.print else None
    if there is not None:
        part = Part(path, there.part.size, there.part.digest)
        if there.label == payload.label and known.has(there.tree):
            return part, there.tree
        stored = there.stored()
        if stored is not None:
            return part, replace(stored, label=payload.label)
    writer = Writer(payload, known.like(path, payload.label), known, add)
    state = xxhash.xxh3_128()
    small: list[Buffer] | None = []
    size = 0
    for segment in payload.along(writer):
        state.update(segment.data)
        size += len(segment.data)
        if small is not None:
            # Nothing is put anywhere while the whole may be small enough for a blob.
            small.append(segment.data)
            if size <= WHOLE:
                writer.waiting.append(segment)
                continue
            small = None
            for each in writer.waiting:
                writer.put(each)
        writer.put(segment)
    part = Part(path, size, digest(state))
    return (part, b"".join(small)) if small is not None else (part, writer.stored())


def digest(state: Any) -> Digest:
    """The digest of the bytes that were fed to `state`."""
    return Digest("xxh3:1:" + state.hexdigest())


class Writer(Guide):
    """A part's segments on their way into blobs."""

    def __init__(self, part: Stream, before: Stored | None, known: Known, add: AddBlob) -> None:
        self.waiting: list[Segment] = []
        self._part = part
        self._known = known
        self._add = add
        self._reader = Reader(known.read)
        self._lines: list[Line] = []
        self._bases: dict[str, Line] = {}
        self._mine: dict[str, Line] = {}
        self._before = before
        self._at = 0
        self._places: dict[str, int] = {}
        self._tails: dict[str, int] = {}
        if before is not None:
            self._places = {line.hash: n for n, line in enumerate(before.lines)}
            self._tails = {line.tail: n for n, line in enumerate(before.lines)}
        self._form, self._fast, self._width = "", False, 0
        self._since = self._useless = self._missed = 0
        self._met: tuple[Buffer | None, str] = None, ""
        """What was held against the segment ahead, and its hash."""

    def ahead(self) -> int:
        """What the segment that may come next holds: see `Guide`."""
        before = self._before
        # The last one ended because the part did.
        if before is None or self._at >= len(before.lines) - 1 or self._missed > GIVEN_UP:
            return 0
        return before.lines[self._at].items

    def meets(self, data: Buffer) -> bool:
        """Whether these are the bytes of the segment ahead."""
        assert self._before is not None
        self._met = data, xxhash.xxh3_128_hexdigest(data)
        same = self._met[1] == self._before.lines[self._at].hash
        self._missed = 0 if same else self._missed + 1
        return same

    def put(self, segment: Segment) -> None:
        """Take the next segment."""
        raw = segment.data
        met, hash = self._met
        if raw is not met:
            hash = xxhash.xxh3_128_hexdigest(raw)
        line = self._mine.get(hash)
        if line is None:
            there = self._there(hash)
            if there is not None and self._whole(*there):
                line = self._shared(*there)
            else:
                line = self._new(hash, segment)
            self._mine[hash] = line
        self._lines.append(line)

    def stored(self) -> Stored:
        """The part, once all segments were taken."""
        held = {line.hash for line in self._lines if line.form not in PATCHES}
        bases = {hash: line for hash, line in self._bases.items() if hash not in held}
        return Stored(self._part.label, self._part.print, tuple(self._lines), bases)

    def _there(self, hash: str) -> tuple[Line, Stored] | None:
        """A segment that the version before has."""
        place = self._places.get(hash)
        if place is not None and self._before is not None:
            return self._before.lines[place], self._before
        return self._known.segment(hash)

    def _whole(self, line: Line, stored: Stored) -> bool:
        """Whether the blobs of a segment are there."""
        has = self._known.has
        return has(line.id) and (line.form not in PATCHES or has(full(line, stored).id))

    def _shared(self, line: Line, stored: Stored) -> Line:
        """A segment that the version before has."""
        place = self._places.get(line.hash)
        if place is not None:
            self._at = place + 1
            self._missed = 0
        if line.form in PATCHES:
            self._bases[line.base] = full(line, stored)
        return line

    def _new(self, hash: str, segment: Segment) -> Line:
        count, raw = segment.count, segment.data
        tail = tail_print(raw)
        if not count:
            # A head stands where it stood.
            self._at += 1
        patch = self._patch(segment, tail) if count else None
        if patch is not None:
            form, difference, base = patch
            self._bases[base.hash] = base
            id = self._add(difference, True)
            return Line(hash, count, len(raw), form, tail, base.hash, id)
        form, data = self._compressed(segment) if count else forms.shorter(raw, "zstd")
        id = self._add(bytes(data), form != "raw")
        return Line(hash, count, len(raw), form, tail, "-", id)

    def _patch(self, segment: Segment, tail: str) -> tuple[str, bytes, Line] | None:
        """The difference to a segment of the version before, where that pays, and its form."""
        raw = segment.data
        before = self._before
        if before is None or len(raw) > PATCH_LIMIT:
            return None
        place = self._tails.get(tail, self._at)
        if place >= len(before.lines):
            return None
        self._at = place + 1
        if self._useless >= GIVEN_UP and self._useless % PROBED:
            self._useless += 1
            return None
        base = full(before.lines[place], before)
        if base.size > PATCH_LIMIT or base.size < 64:
            return None
        try:
            whole, form, data = self._difference(segment, base)
        except DamagedStoreError:
            return None
        if len(data) > PATCH_WORTH * whole:
            self._useless += 1
            return None
        self._useless = 0
        return form, data, base

    def _difference(self, segment: Segment, base: Line) -> tuple[int, str, bytes]:
        """What makes a segment of its base, its form, and how large the base is in full.

        It is of the bytes of both, or of what the base's form makes of them.
        """
        size, content, raw = self._reader.opened(base)
        # Numbers that are alike hide where others were taken out; in a narrow form they stand out.
        # Texts lie in planes by where they begin, which changes with their number.
        if base.form not in ("raw", "zstd") and not segment.width:
            made = forms.content(segment.data, base.form, content)
            if made is not None:
                return size, "delta", difference(made, bytes(content))
        return size, "patch", difference(segment.data, bytes(raw))

    def _compressed(self, segment: Segment) -> tuple[str, Buffer]:
        """A segment in the form that suits its part."""
        self._since += 1
        width = segment.width or self._part.width
        if not self._form or self._since >= PROBED or width != self._width:
            self._since, self._width = 0, width
            self._form, self._fast, data = forms.best(segment.data, width)
            return self._form, data
        return forms.shorter(segment.data, self._form, fast=self._fast)


def full(line: Line, stored: Stored) -> Line:
    """The segment itself, or the one that it is a difference to; ValueError where there is none."""
    if line.form not in PATCHES:
        return line
    base = stored.bases.get(line.base) or next(
        (x for x in stored.lines if x.hash == line.base), None
    )
    if base is None or base.form in PATCHES:
        raise ValueError("it is a difference to nothing, or to a difference")
    return base


def tail_print(raw: Buffer) -> str:
    """A print of a segment's last bytes."""
    return f"{xxhash.xxh3_64_intdigest(raw[-16:]) >> 32:08x}"


def difference(raw: Buffer, base: bytes) -> bytes:
    """What makes `raw` of `base`: a zstd frame that has `base` as its dictionary."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        forms.LEVEL,
        source_size=len(raw),
        dict_size=len(base),
        # The default for such small inputs forgets most of the base.
        hash_log=17,
        window_log=max(10, (len(raw) + len(base)).bit_length()),
    )
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(dict_data=prefix, compression_params=parameters)
    return memoryview(compressor.compress(raw)).tobytes()
