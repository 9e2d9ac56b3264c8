"""git objects as bytes: ids, trees, commits, loose files and packs."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, NewType

ObjectId = NewType("ObjectId", str)
"""The id of a git object: 40 hex digits."""

NO_OBJECT = ObjectId("0" * 40)

PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_STORED_FROM = 16 * 1024
STORED = b"\x78\x01"
"""What a zlib stream that isn't deflated begins with."""
BLOCK = 0xFFFF
"""As large as a stored block can be."""
_BLOCKS = 16
_TREE_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\x00]+)\x00(.{20})", re.DOTALL)
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)"
    rb"author (.*) (\d{1,19}) ([+-])(\d\d)(\d\d)\n(?:.+\n)*\n"
)


@dataclass(frozen=True, slots=True)
class GitObject:
    """The kind and the bytes of an object of git."""

    kind: str
    """`blob`, `tree` or `commit`."""
    data: bytes
    compressed: bool = False
    """Whether deflating it would only burn time; it is no part of what the object is."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says."""

    tree: ObjectId
    parents: tuple[ObjectId, ...]
    author: str
    """`Name <email>`."""
    time: int
    """Seconds since 1970, UTC."""
    offset: int
    """Minutes east of UTC."""
    message: str


class TreeEntry(NamedTuple):
    """A file or a folder in a tree."""

    name: str
    id: ObjectId
    is_tree: bool


def object_id(item: GitObject) -> ObjectId:
    """The id that git gives an object."""
    sha = hashlib.sha1(b"%s %d\x00" % (item.kind.encode(), len(item.data)), usedforsecurity=False)
    sha.update(item.data)
    return ObjectId(sha.hexdigest())


class Batch:
    """Objects that are to be written together."""

    def __init__(self) -> None:
        self.objects: dict[ObjectId, GitObject] = {}

    @property
    def size(self) -> int:
        """The bytes of all objects."""
        return sum(len(item.data) for item in self.objects.values())

    def add(self, kind: str, data: bytes, *, compressed: bool = False) -> ObjectId:
        """Put an object into the batch."""
        item = GitObject(kind, data, compressed)
        id = object_id(item)
        self.objects.setdefault(id, item)
        return id

    def add_tree(
        self, files: Mapping[str, ObjectId], trees: Mapping[str, ObjectId] | None = None
    ) -> ObjectId:
        """Put the trees that hold blobs at the paths of `files` into the batch.

        `trees` are trees that are there already, by the paths where they belong.
        """
        entries: dict[str, TreeEntry] = {}
        folders: dict[str, tuple[dict[str, ObjectId], dict[str, ObjectId]]] = {}
        for is_tree, given in enumerate((files, trees or {})):
            for path, id in given.items():
                first, slash, rest = path.partition("/")
                if slash:
                    folders.setdefault(first, ({}, {}))[is_tree][rest] = id
                else:
                    entries[first] = TreeEntry(first, id, is_tree=bool(is_tree))
        for name, inside in folders.items():
            if name in entries:
                raise ValueError(f"{name!r} can't be both a file and a folder")
            entries[name] = TreeEntry(name, self.add_tree(*inside), is_tree=True)
        return self.add("tree", tree_bytes(entries.values()))


# --------------------------------------------------------------------------- trees and commits


def tree_bytes(entries: Iterable[TreeEntry]) -> bytes:
    """A tree as git writes it."""

    def key(entry: TreeEntry) -> bytes:
        return entry.name.encode() + (b"/" if entry.is_tree else b"")

    return b"".join(
        b"%s %s\x00%s"
        % (
            b"40000" if entry.is_tree else b"100644",
            entry.name.encode(),
            bytes.fromhex(entry.id),
        )
        for entry in sorted(entries, key=key)
    )


def parse_tree(data: bytes) -> dict[str, TreeEntry]:
    """The entries of a tree by name; ValueError where the bytes are no tree."""
    found = _TREE_ENTRY.findall(data)
    if sum(len(mode) + len(name) + 22 for mode, name, _ in found) != len(data):
        raise ValueError("it is no tree")
    return {
        (name := raw.decode()): TreeEntry(name, ObjectId(id.hex()), mode == b"40000")
        for mode, raw, id in found
    }


def tree_ids(data: bytes) -> list[ObjectId]:
    """The ids of a tree's entries."""
    return [ObjectId(id.hex()) for _, _, id in _TREE_ENTRY.findall(data)]


def commit_bytes(commit: Commit) -> bytes:
    """A commit as git writes it."""
    sign = "-" if commit.offset < 0 else "+"
    hours, minutes = divmod(abs(commit.offset), 60)
    who = f"{_identity(commit.author)} {max(commit.time, 0)} {sign}{hours:02}{minutes:02}"
    parents = "".join(f"parent {id}\n" for id in commit.parents)
    message = commit.message.replace("\x00", "�")
    head = f"tree {commit.tree}\n{parents}author {who}\ncommitter {who}\n\n"
    return (head + message).encode("utf-8", "replace")


def parse_commit(data: bytes) -> Commit:
    """What a commit says; ValueError where the bytes are no commit."""
    found = _COMMIT.match(data)
    if not found:
        raise ValueError("it is no commit")
    tree, parents, author, time, sign, hours, minutes = found.groups()
    offset = int(hours) * 60 + int(minutes)
    return Commit(
        tree=ObjectId(tree.decode()),
        parents=tuple(map(ObjectId, parents.decode().replace("parent ", "").splitlines())),
        author=author.decode("utf-8", "replace"),
        time=int(time),
        offset=-offset if sign == b"-" else offset,
        message=data[data.index(b"\n\n") + 2 :].decode("utf-8", "replace"),
    )


def _identity(author: str) -> str:
    """`author` as git allows it: a name, and an address in angle brackets."""
    name, _, address = author.partition("<")
    cut = str.maketrans("", "", "<>\n\r\x00")
    name = name.translate(cut).strip(" .,:;\"'\t") or "unknown"
    return f"{name} <{address.translate(cut).strip()}>"


# -------------------------------------------------------------------------- loose files, packs


def loose_bytes(item: GitObject) -> bytes:
    """What git keeps of an object in a file of its own."""
    return zlib.compress(b"%s %d\x00" % (item.kind.encode(), len(item.data)) + item.data, 1)


def parse_loose(raw: bytes) -> GitObject:
    """The object that `loose_bytes` made `raw` from; ValueError where it is none."""
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(raw)
    except zlib.error as error:
        raise ValueError(f"its file is damaged ({error})") from error
    head, end, data = found.partition(b"\x00")
    kind, _, size = head.partition(b" ")
    if not inflate.eof or not end or size != b"%d" % len(data):
        raise ValueError("its file is cut off")
    return GitObject(kind.decode("ascii", "replace"), data)


@dataclass(frozen=True, slots=True)
class PackEntry:
    """Where an object lies in a pack."""

    id: ObjectId
    crc: int
    offset: int


class PackWriter:
    """A pack on its way to a file, entry by entry."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self.entries: list[PackEntry] = []
        self._file = file
        self._sha = hashlib.sha1(usedforsecurity=False)
        self._offset = 0
        self._put(struct.pack(">4sII", b"PACK", 2, count))

    def add(self, id: ObjectId, pieces: Iterable[bytes]) -> None:
        """Write the entry of an object, which is no delta."""
        start, crc = self._offset, 0
        for piece in pieces:
            self._put(piece)
            crc = zlib.crc32(piece, crc)
        self.entries.append(PackEntry(id, crc, start))

    def end(self) -> str:
        """Write the checksum and give it."""
        self._file.write(self._sha.digest())
        return self._sha.hexdigest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha.update(data)
        self._offset += len(data)


def write_pack(
    file: BinaryIO, objects: Mapping[ObjectId, GitObject]
) -> tuple[str, list[PackEntry]]:
    """Write a pack and give its checksum and entries.

    Large objects are stored without deflating them: they are parts of values, whose codec has
    compressed them already where that was worth it.
    """
    writer = PackWriter(file, len(objects))
    for id, item in objects.items():
        writer.add(id, entry_bytes(item))
    return writer.end(), writer.entries


def pack_index(entries: Iterable[PackEntry], checksum: str) -> bytes:
    """The index (version 2) of a pack."""
    found = sorted(entries, key=lambda entry: entry.id)
    firsts = [int(entry.id[:2], 16) for entry in found]
    fanout, at = [], 0
    for first in range(256):
        while at < len(firsts) and firsts[at] == first:
            at += 1
        fanout.append(at)
    small: list[int] = []
    large: list[int] = []
    for entry in found:
        if entry.offset < 1 << 31:
            small.append(entry.offset)
        else:
            small.append(1 << 31 | len(large))
            large.append(entry.offset)
    data = b"".join(
        [
            struct.pack(">4sI256I", b"\xfftOc", 2, *fanout),
            *(bytes.fromhex(entry.id) for entry in found),
            struct.pack(f">{len(found)}I", *(entry.crc for entry in found)),
            struct.pack(f">{len(small)}I", *small),
            struct.pack(f">{len(large)}Q", *large),
            bytes.fromhex(checksum),
        ]
    )
    return data + hashlib.sha1(data, usedforsecurity=False).digest()


def entry_head(kind: str, size: int) -> bytes:
    """What an entry of a pack begins with."""
    head = bytearray([PACK_TYPES[kind] << 4 | size & 15])
    size >>= 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head)


def entry_bytes(item: GitObject) -> Iterator[bytes]:
    """An object as an entry of a pack."""
    yield entry_head(item.kind, len(item.data))
    if len(item.data) < _STORED_FROM and not item.compressed:
        yield zlib.compress(item.data, 1)
    else:
        yield from _stored(item.data)


def block_head(size: int, *, last: bool) -> bytes:
    """What a stored block of a zlib stream begins with."""
    return struct.pack("<BHH", last, size, size ^ 0xFFFF)


def _stored(data: bytes) -> Iterator[bytes]:
    """`data` as a zlib stream of stored blocks: twice as fast to make as by zlib at level 0."""
    view = memoryview(data)
    yield STORED
    for start in range(0, len(data), BLOCK * _BLOCKS):
        pieces: list[bytes | memoryview] = []
        for at in range(start, min(start + BLOCK * _BLOCKS, len(data)), BLOCK):
            block = view[at : at + BLOCK]
            pieces += [block_head(len(block), last=at + BLOCK >= len(data)), block]
        yield b"".join(pieces)
    yield struct.pack(">I", zlib.adler32(data))
