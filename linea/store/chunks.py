"""Parts of values in segments ⇄ trees of compressed blobs that share what a version before has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import xxhash
import zstandard

from linea.errors import DamagedStoreError
from linea.model import Buffer, Digest, Part, Payload, Segment, Stream
from linea.store.objects import ObjectId, TreeEntry

INDEX = "index"
HEADER = "linea-segments 1"
WHOLE = 16 * 1024
"""A part of no more bytes is one blob, as it is."""

LEVEL = 1
PATCH_LIMIT = 8 << 20
"""Larger segments aren't stored as a difference."""
WORTH = 0.88
"""Compressed to more than this share, a segment is stored as it is."""
PATCH_WORTH = 0.7
PROBED = 32
"""The form is chosen anew with every so many segments."""
GIVEN_UP = 4
"""After so many useless differences, only every so many segments one more is tried."""
KEPT_BASES = 4

AddBlob = Callable[[bytes, bool], ObjectId]
"""Puts a blob among the objects to be written; True: it is compressed already."""
ReadBlob = Callable[[ObjectId], bytes]


@dataclass(frozen=True, slots=True)
class Line:
    """What the index says of a segment, and the blob that holds it."""

    hash: str
    """xxh3_128 of its bytes."""
    count: int
    size: int
    form: str
    """`raw`, `zstd`, `shuffle<width>` (byte planes, then zstd) or `patch`."""
    tail: str
    """Print of its last bytes: where it ends, a segment of the version before ended as well."""
    base: str
    """For a patch, the hash of the segment that it is a difference to; else `-`."""
    id: ObjectId

    def text(self) -> str:
        """The line as it is written."""
        return f"{self.hash} {self.count} {self.size} {self.form} {self.tail} {self.base}\n"


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
    mark, _, label = head[len(HEADER) + 1 :].partition(" ")
    label = label.encode("ascii").decode("unicode_escape")
    mark = "" if mark == "-" else mark
    return Stored(label, mark, lines, {line.hash: line for line in bases})


def _line(row: str, entries: Mapping[str, TreeEntry], name: str) -> Line:
    hash, count, size, form, tail, base = row.split(" ")
    if name not in entries or min(int(count), int(size)) < 0 or len(hash) != 32:
        raise ValueError(f"the index of a part names {name}, which isn't there")
    return Line(hash, int(count), int(size), form, tail, base, entries[name].id)


def tree_of(stored: Stored, index: ObjectId) -> dict[str, ObjectId]:
    """The blobs of a part's tree by their names in it."""
    named = {f"{n:06d}": line.id for n, line in enumerate(stored.lines)}
    named |= {f"b{n:05d}": line.id for n, line in enumerate(stored.bases.values())}
    return {INDEX: index, **named}


# ---------------------------------------------------------------------------------- reading


def stream(stored: Stored, read: ReadBlob, what: str) -> Stream:
    """The part that lies in a tree; a blob is read when its segment is asked for."""
    reader = Reader(read, what)

    def segments() -> Iterator[Segment]:
        return (Segment(line.count, reader.raw(line, stored)) for line in stored.lines)

    def pick(start: int, stop: int) -> Iterator[tuple[int, Segment]]:
        at = 0
        for line in stored.lines:
            if not line.count or (at < stop and at + line.count > start):
                yield at, Segment(line.count, reader.raw(line, stored))
            at += line.count

    size = sum(line.size for line in stored.lines)
    return Stream(segments, size=size, label=stored.label, pick=pick)


class Reader:
    """Segments from their blobs, each checked."""

    def __init__(self, read: ReadBlob, what: str = "a value") -> None:
        self._read = read
        self._what = what
        self._bases: OrderedDict[str, bytes] = OrderedDict()

    def raw(self, line: Line, stored: Stored) -> Buffer:
        """The bytes of a segment; DamagedStoreError where they aren't those that were stored."""
        try:
            data = self._inflated(line, stored)
        except (zstandard.ZstdError, ValueError, KeyError, MemoryError) as error:
            raise self._damaged(str(error)) from error
        if len(data) != line.size or xxhash.xxh3_128_hexdigest(data) != line.hash:
            raise self._damaged("its bytes aren't those that were stored")
        return data

    def _inflated(self, line: Line, stored: Stored) -> Buffer:
        data = self._read(line.id)
        if line.form == "raw":
            return data
        if zstandard.get_frame_parameters(data).content_size != line.size:
            raise ValueError("it has another size than its index says")
        if line.form == "patch":
            base = self._base(line.base, stored)
            prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            return zstandard.ZstdDecompressor(dict_data=prefix).decompress(data)
        raw = _decompressor().decompress(data)
        return unshuffled(raw, int(line.form[7:])) if line.form.startswith("shuffle") else raw

    def _base(self, hash: str, stored: Stored) -> bytes:
        known = self._bases.get(hash)
        if known is None:
            line = stored.bases.get(hash) or next(x for x in stored.lines if x.hash == hash)
            if line.form == "patch":
                raise ValueError("it is a difference to a difference")
            known = self._bases[hash] = bytes(self.raw(line, stored))
            if len(self._bases) > KEPT_BASES:
                self._bases.popitem(last=False)
        return known

    def _damaged(self, why: str) -> DamagedStoreError:
        return DamagedStoreError(
            f"a segment of {self._what} is damaged: {why}", hint="see what is hit with `linea fsck`"
        )


@cache
def _decompressor() -> Any:
    return zstandard.ZstdDecompressor()


@cache
def _compressor() -> Any:
    return zstandard.ZstdCompressor(level=LEVEL)


def shuffled(data: Buffer, width: int) -> bytes:
    """The first byte of each number, then the second of each, and so on, then what is left."""
    import numpy as np

    whole = len(data) - len(data) % width
    planes = np.frombuffer(data, np.uint8, whole).reshape(-1, width).T
    return planes.tobytes() + bytes(data[whole:])


def unshuffled(data: bytes, width: int) -> Buffer:
    """What `shuffled` was given."""
    import numpy as np

    if width not in WIDTHS:
        raise ValueError(f"it is shuffled by {width}")
    whole = len(data) - len(data) % width
    found = np.empty(len(data), np.uint8)
    numbers = found[:whole].reshape(-1, width)
    for place, plane in enumerate(np.frombuffer(data, np.uint8, whole).reshape(width, -1)):
        numbers[:, place] = plane
    found[whole:] = np.frombuffer(data, np.uint8)[whole:]
    return found.data


WIDTHS = (2, 4, 8, 16)


# ---------------------------------------------------------------------------------- writing


@dataclass(slots=True)
class Known:
    """What the version before has, to be shared and built on."""

    read: ReadBlob
    has: Callable[[ObjectId], bool]
    parts: Mapping[str, Stored] = field(default_factory=dict)
    """Its parts in segments, by path."""
    records: Mapping[str, Part] = field(default_factory=dict)
    """What its manifest says of its parts."""
    lines: dict[str, tuple[Line, Stored]] = field(default_factory=dict)
    """All their segments, by hash."""

    def __post_init__(self) -> None:
        for stored in self.parts.values():
            for line in stored.lines:
                self.lines.setdefault(line.hash, (line, stored))

    def same(self, mark: str) -> tuple[Part, Stored] | None:
        """A part with the same content, where all its blobs are there."""
        for path, stored in self.parts.items():
            if stored.print == mark:
                lines = (*stored.lines, *stored.bases.values())
                if all(self.has(line.id) for line in lines):
                    return self.records[path], stored
        return None

    def like(self, path: str, label: str) -> Stored | None:
        """The part that the one at `path` goes on from."""
        if label:
            found = [each for each in self.parts.values() if each.label == label]
            if len(found) == 1:
                return found[0]
        return self.parts.get(path)


def write(path: str, payload: Payload, known: Known, add: AddBlob) -> tuple[Part, Stored | bytes]:
    """Put a part's segments among the objects to be written; give its tree, or its bytes."""
    if isinstance(payload, bytes):
        return Part(path, len(payload), digest(xxhash.xxh3_128(payload))), payload
    there = known.same(payload.print) if payload.print else None
    if there is not None:
        part, stored = there
        return Part(path, part.size, part.digest), replace(stored, label=payload.label)
    writer = Writer(payload, known.like(path, payload.label), known, add)
    state = xxhash.xxh3_128()
    small: list[Buffer] | None = []
    size = 0
    for segment in payload:
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


class Writer:
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
        self._form = ""
        self._since = self._useless = 0

    def put(self, segment: Segment) -> None:
        """Take the next segment."""
        raw = segment.data
        hash = xxhash.xxh3_128_hexdigest(raw)
        line = self._mine.get(hash)
        if line is None:
            there = self._known.lines.get(hash)
            if there is not None and self._whole(*there):
                line = self._shared(*there)
            else:
                line = self._new(hash, segment.count, raw)
            self._mine[hash] = line
        self._lines.append(line)

    def stored(self) -> Stored:
        """The part, once all segments were taken."""
        held = {line.hash for line in self._lines if line.form != "patch"}
        bases = {hash: line for hash, line in self._bases.items() if hash not in held}
        return Stored(self._part.label, self._part.print, tuple(self._lines), bases)

    def _whole(self, line: Line, stored: Stored) -> bool:
        """Whether the blobs of a segment are there."""
        has = self._known.has
        return has(line.id) and (line.form != "patch" or has(_full(line, stored).id))

    def _shared(self, line: Line, stored: Stored) -> Line:
        """A segment that the version before has."""
        place = self._places.get(line.hash)
        if place is not None:
            self._at = place + 1
        if line.form == "patch":
            self._bases[line.base] = _full(line, stored)
        return line

    def _new(self, hash: str, count: int, raw: Buffer) -> Line:
        tail = tail_print(raw)
        if not count:
            # A head stands where it stood.
            self._at += 1
        patch = self._patch(raw, tail) if count else None
        if patch is not None:
            difference, base = patch
            self._bases[base.hash] = base
            id = self._add(difference, True)
            return Line(hash, count, len(raw), "patch", tail, base.hash, id)
        form, data = self._compressed(raw) if count else shorter(raw, "zstd")
        id = self._add(bytes(data), form != "raw")
        return Line(hash, count, len(raw), form, tail, "-", id)

    def _patch(self, raw: Buffer, tail: str) -> tuple[bytes, Line] | None:
        """The difference to a segment of the version before, where that pays."""
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
        base = _full(before.lines[place], before)
        if base.size > PATCH_LIMIT or base.size < 64:
            return None
        try:
            data = difference(raw, bytes(self._reader.raw(base, before)))
            full = len(self._known.read(base.id))
        except DamagedStoreError:
            return None
        if len(data) > PATCH_WORTH * full:
            self._useless += 1
            return None
        self._useless = 0
        return data, base

    def _compressed(self, raw: Buffer) -> tuple[str, Buffer]:
        """A segment in the form that suits its part."""
        self._since += 1
        if not self._form or self._since >= PROBED:
            self._since = 0
            self._form, data = best(raw, self._part.width)
            return self._form, data
        return shorter(raw, self._form)


def _full(line: Line, stored: Stored) -> Line:
    """The segment itself, or the one that it is a difference to."""
    if line.form != "patch":
        return line
    return stored.bases.get(line.base) or next(x for x in stored.lines if x.hash == line.base)


def tail_print(raw: Buffer) -> str:
    """A print of a segment's last bytes."""
    return f"{xxhash.xxh3_64_intdigest(raw[-16:]) >> 32:08x}"


def best(raw: Buffer, width: int) -> tuple[str, Buffer]:
    """The form that makes a segment smallest by enough, and its bytes in it."""
    forms = ["zstd", *([f"shuffle{width}"] if width in WIDTHS else [])]
    tried = {form: compress(raw, form) for form in forms}
    # Byte planes are made and compressed in less time, so they may be a little larger.
    form = min(tried, key=lambda each: len(tried[each]) * (1.02 if each == "zstd" else 1.0))
    return (form, tried[form]) if len(tried[form]) < WORTH * len(raw) else ("raw", raw)


def shorter(raw: Buffer, form: str) -> tuple[str, Buffer]:
    """A segment in a form, or as it is where that is no longer."""
    data = compress(raw, form)
    return (form, data) if len(data) < len(raw) else ("raw", raw)


def compress(raw: Buffer, form: str) -> Buffer:
    """A segment's bytes in a form."""
    if form == "raw":
        return raw
    whole = shuffled(raw, int(form[7:])) if form.startswith("shuffle") else raw
    # A copy: what zstd gives keeps the memory of the longest that it could have become.
    return memoryview(_compressor().compress(whole)).tobytes()


def difference(raw: Buffer, base: bytes) -> bytes:
    """What makes `raw` of `base`: a zstd frame that has `base` as its dictionary."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        source_size=len(raw),
        dict_size=len(base),
        # The default for such small inputs forgets most of the base.
        hash_log=17,
        window_log=max(10, (len(raw) + len(base)).bit_length()),
    )
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(dict_data=prefix, compression_params=parameters)
    return memoryview(compressor.compress(raw)).tobytes()
