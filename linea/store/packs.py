"""The objects in a repository's `objects` folders: loose files and packs, read and checked.

Not read by libgit2, which on a file that was cut off waits for ever (loose) or ends the process
with a bus error (packs), and which checks ids several times slower than hashlib.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from linea.model import Buffer
from linea.store.backend import CorruptObjectError, MissingObjectError
from linea.store.objects import (
    BLOCK,
    PACK_TYPES,
    STORED,
    GitObject,
    ObjectId,
    block_head,
    entry_bytes,
    entry_head,
    object_id,
    parse_loose,
)

KINDS = {number: kind for kind, number in PACK_TYPES.items()}
OFFSET_DELTA, REF_DELTA = 6, 7
_ENTRY_HEAD = 2048
_KEPT_BASES = 256
_KEPT_SIZE = 1 << 16
_AHEAD = 512 << 10
"""Bytes read at a time of a pack that is read in order."""
_NEAR = 4096
_MOST_BLOCKS = 500
"""The kernel fills 1,024 places at once."""


class ObjectFolder:
    """The objects in the folder at `path` and in those that it names as alternates."""

    def __init__(self, path: Path) -> None:
        self._roots = list(_with_alternates(path, 5))
        self._packs: dict[str, Pack] = {}
        self._unreadable: dict[str, str] = {}
        self._listed: dict[Path, int] = {}
        self._recent: Pack | None = None
        """The pack that something was found in: what is asked for next is likely there, too."""

    def read(self, id: ObjectId, *, checked: bool = True) -> GitObject:
        """Give an object, its bytes checked against its id, from wherever it is whole."""
        raw, damage = bytes.fromhex(id), None
        if not checked:
            data = self._stored_blob(raw)
            if data is not None:
                return GitObject("blob", data)
        for place in self._places(id, raw):
            try:
                found = place.read(raw) if isinstance(place, Pack) else _read_loose(place)
            except FileNotFoundError:
                continue  # it was packed meanwhile
            except (ValueError, OSError) as error:
                damage = str(error)
                continue
            if not checked or object_id(found) == id:
                return found
            damage = "its bytes have another id"
        if damage is None and self._unreadable:
            # It may well be in there.
            damage = next(iter(self._unreadable.values()))
        if damage is None:
            raise MissingObjectError(id[:10])
        raise CorruptObjectError(f"{id[:10]}: {damage}")

    def _stored_blob(self, id: bytes) -> bytes | None:
        """A blob that lies in a pack as it is; None where there is none."""
        for pack in self._likely():
            data = pack.stored_blob(id)
            if data is not None:
                self._recent = pack
                return data
        return None

    def read_into(self, id: ObjectId, room: memoryview) -> bool:
        """Put a blob that lies in a pack as it is, and fills `room`, there; False: it doesn't."""
        raw = bytes.fromhex(id)
        for pack in self._likely():
            if pack.read_into(raw, room):
                self._recent = pack
                return True
        return False

    def _likely(self) -> Iterator[Pack]:
        """The packs that are open; the blobs of a value come one after another in a few of them."""
        recent = self._recent
        if recent is not None:
            yield recent
        for pack in reversed(list(self._packs.values())):
            if pack is not recent:
                yield pack

    def raw(self, id: ObjectId) -> bytes:
        """Give an object, checked, as an entry of a pack: as it lies there if it is no delta."""
        raw, damage = bytes.fromhex(id), None
        for place in self._places(id, raw):
            try:
                found = place.read(raw) if isinstance(place, Pack) else _read_loose(place)
            except FileNotFoundError:
                continue
            except (ValueError, OSError) as error:
                damage = str(error)
                continue
            if object_id(found) == id:
                entry = place.entry(raw) if isinstance(place, Pack) else None
                return entry if entry is not None else b"".join(entry_bytes(found))
            damage = "its bytes have another id"
        if damage is None:
            raise MissingObjectError(id[:10])
        raise CorruptObjectError(f"{id[:10]}: {damage}")

    def has(self, id: ObjectId) -> bool:
        """Whether an object is there, without looking at its bytes."""
        raw = bytes.fromhex(id)
        for pack in self._likely():
            if _holds(pack, raw) is True:
                self._recent = pack
                return True
        return any(
            # A pack whose index is damaged doesn't count: the object is then written once more.
            _holds(place, raw) is True if isinstance(place, Pack) else os.path.exists(place)  # noqa: PTH110 - text, as it's faster
            for place in self._places(id, raw)
        )

    def expand(self, prefix: str) -> list[ObjectId]:
        """The objects whose ids begin with `prefix`, two hex digits at least."""
        self._list_packs()
        found = {id for pack in self._packs.values() for id in pack.expand(prefix)}
        for root in self._roots:
            folder = root / prefix[:2]
            names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
            found |= {prefix[:2] + name for name in names if len(name) == 38}
        return sorted(ObjectId(id) for id in found if id.startswith(prefix))

    def refresh(self) -> None:
        """Let go of packs whose files are gone: what they held may be gone, too."""
        self._list_packs()
        self._recent = None
        for name, pack in list(self._packs.items()):
            if not os.path.exists(name):  # noqa: PTH110 - text, as it's faster
                pack.close()
                del self._packs[name]

    def close(self) -> None:
        """Close the packs; what is read later opens them again."""
        self._recent = None
        for pack in self._packs.values():
            pack.close()
        self._packs.clear()
        self._listed.clear()

    def _places(self, id: ObjectId, raw: bytes) -> Iterator[Pack | str]:
        """Where an object may be: packs that name it, and paths of loose files."""
        tried = set()
        for name in reversed(list(self._packs)):
            if _holds(self._packs[name], raw) is not False:
                tried.add(name)
                # The objects of a save lie together: its pack is the first to look into.
                self._packs[name] = self._packs.pop(name)
                yield self._packs[name]
        for root in self._roots:
            yield f"{root}/{id[:2]}/{id[2:]}"
        # Packs are merged beside us: one that came since holds what another one held.
        while self._list_packs():
            for name, pack in list(self._packs.items()):
                if name not in tried and _holds(pack, raw) is not False:
                    tried.add(name)
                    yield pack

    def _list_packs(self) -> bool:
        """Take up packs that came since the last time; give whether there were any."""
        before = len(self._packs)
        for root in self._roots:
            folder = root / "pack"
            try:
                changed = folder.stat().st_mtime_ns
            except OSError:
                continue
            if self._listed.get(folder) == changed:
                continue
            for path in folder.glob("*.idx"):
                if str(path) in self._packs:
                    continue
                try:
                    self._packs[str(path)] = Pack(path)
                    self._unreadable.pop(str(path), None)
                except FileNotFoundError:
                    continue
                except (ValueError, OSError, struct.error) as error:
                    self._unreadable[str(path)] = f"{path.name}: {error}"
            self._listed[folder] = changed
        return len(self._packs) > before


class Pack:
    """A pack and its index.

    The index is held in memory and the pack read by offset, not mapped: a mapped file that is
    cut off, or whose disk fails, ends the process.
    """

    def __init__(self, index: Path) -> None:
        self._index = index.read_bytes()
        if len(self._index) < 8 + 1024 + 40:
            raise ValueError("it is cut off")
        magic, version = struct.unpack_from(">4sI", self._index)
        if (magic, version) != (b"\xfftOc", 2):
            raise ValueError("it is no index of a pack")
        self._fanout = (0, *struct.unpack_from(">256I", self._index, 8))
        count = self._fanout[-1]
        self._ids = 8 + 1024
        self._offsets = self._ids + 24 * count
        self._large = self._offsets + 4 * count
        if len(self._index) < self._large + 40 or list(self._fanout) != sorted(self._fanout):
            raise ValueError("it is cut off")
        self._bases: OrderedDict[int, GitObject] = OrderedDict()
        self._window: tuple[int, bytes] = (0, b"")
        self._next = -1
        self._file = os.open(index.with_suffix(".pack"), os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the pack's file."""
        os.close(self._file)

    def offset(self, id: bytes) -> int | None:
        """Where an object lies in the pack; None where it isn't there."""
        # Faster than bisection: a search by the C library among the few with the same first byte.
        start = self._ids + 20 * self._fanout[id[0]]
        end = self._ids + 20 * self._fanout[id[0] + 1]
        where = self._index.find(id, start, end)
        while where >= 0 and (where - self._ids) % 20:
            where = self._index.find(id, where + 1, end)
        if where < 0:
            return None
        at = (where - self._ids) // 20
        found: int = struct.unpack_from(">I", self._index, self._offsets + 4 * at)[0]
        if found >> 31:
            large = self._large + 8 * (found & 0x7FFFFFFF)
            if large + 48 > len(self._index):
                raise ValueError("its index is damaged")
            found = struct.unpack_from(">Q", self._index, large)[0]
        return found

    @property
    def count(self) -> int:
        """How many objects are in the pack."""
        return int(self._fanout[-1])

    def ids(self) -> list[ObjectId]:
        """The objects in the pack."""
        return [ObjectId(self._id(at).hex()) for at in range(self.count)]

    def sizes(self) -> list[tuple[ObjectId, int]]:
        """The objects in the pack, each with the bytes that it takes there."""
        places = sorted((self.offset(bytes.fromhex(id)) or 0, id) for id in self.ids())
        ends = [*(offset for offset, _ in places[1:]), os.fstat(self._file).st_size - 20]
        return [(id, end - at) for (at, id), end in zip(places, ends, strict=True)]

    def entry(self, id: bytes) -> bytes | None:
        """The entry of an object as it lies in the pack; None for a delta."""
        offset = self.offset(id)
        if offset is None:
            return None
        kind, size, at = size_and_kind(self._bytes(offset, 32))
        if kind not in KINDS:
            return None
        inflate = zlib.decompressobj()
        data = self._bytes(offset, at + size + (size >> 10) + 64)
        inflate.decompress(data[at:])
        if not inflate.eof:
            return None
        return data[: len(data) - len(inflate.unused_data)]

    def expand(self, prefix: str) -> list[str]:
        """The objects whose ids begin with `prefix`."""
        first = int(prefix[:2], 16)
        ids = (self._id(at).hex() for at in range(self._fanout[first], self._fanout[first + 1]))
        return [id for id in ids if id.startswith(prefix)]

    def read(self, id: bytes) -> GitObject:
        """Give an object; ValueError where the pack is damaged."""
        offset = self.offset(id)
        if offset is None:
            raise ValueError(f"{id.hex()[:10]} is not in its pack")
        return self._object(offset)

    def stored_blob(self, id: bytes) -> bytes | None:
        """Give a blob that lies in the pack without being deflated; None where it isn't so."""
        try:
            offset = self.offset(id)
            return None if offset is None else self._stored_at(offset)
        except (ValueError, OSError):
            return None  # who reads it otherwise says what is wrong

    def _stored_at(self, offset: int) -> bytes | None:
        start, data = self._window
        if start <= offset <= start + len(data) - _ENTRY_HEAD:
            raw = memoryview(data)[offset - start :]
        else:
            raw = self._view(offset, _ENTRY_HEAD)
        try:
            kind, size, at = size_and_kind(raw)
        except IndexError:
            return None
        if kind != PACK_TYPES["blob"] or bytes(raw[at : at + 2]) != STORED:
            return None
        bound = at + size + 5 * (size // BLOCK + 2) + 6
        if bound > len(raw):
            raw = self._view(offset, bound)
        self._next = offset + size
        return _stored(raw[at:], size)

    def read_into(self, id: bytes, room: memoryview) -> bool:
        """Put a blob that lies in the pack as it is, and fills `room`, there; False: it doesn't.

        It takes one call, by which the blocks of the zlib stream come together.
        """
        size = len(room)
        if size > _MOST_BLOCKS * BLOCK or not hasattr(os, "preadv"):
            return False
        try:
            offset = self.offset(id)
        except ValueError:
            return False
        if offset is None:
            return False
        blocks = [room[at : at + BLOCK] for at in range(0, size, BLOCK)]
        expected = [block_head(len(each), last=False) for each in blocks[:-1]]
        expected += [block_head(len(each), last=True) for each in blocks[-1:]]
        expected[:1] = [entry_head("blob", size) + STORED + each for each in expected[:1]]
        heads = [bytearray(len(each)) for each in expected]
        places = [place for pair in zip(heads, blocks, strict=True) for place in pair]
        try:
            found = os.preadv(self._file, places, offset)
        except OSError:
            return False  # who reads it otherwise says what is wrong
        self._next = offset + found
        return found == sum(map(len, places)) and heads == expected and bool(blocks)

    def _id(self, at: int) -> bytes:
        start = self._ids + 20 * at
        return self._index[start : start + 20]

    def _object(self, offset: int) -> GitObject:
        """The object at `offset`, built from its chain of deltas."""
        deltas: list[bytes] = []
        start = offset
        while True:
            known = self._bases.get(offset)
            if known is not None:
                self._bases.move_to_end(offset)
                break
            kind, data, base = self._entry(offset)
            if base is None:
                known = GitObject(kind, data)
                break
            deltas.append(data)
            if len(deltas) > 5000:
                raise ValueError("a chain of deltas without an end")
            offset = base
        whole = known.data
        for delta in reversed(deltas):
            whole = _patched(whole, delta)
        if deltas and len(whole) <= _KEPT_SIZE:
            self._bases[start] = GitObject(known.kind, whole)
            if len(self._bases) > _KEPT_BASES:
                self._bases.popitem(last=False)
        return GitObject(known.kind, whole)

    def _entry(self, offset: int) -> tuple[str, bytes, int | None]:
        """Kind, bytes and, for a delta, the offset of its base."""
        head = self._view(offset, _ENTRY_HEAD)
        if not len(head):
            raise ValueError("the pack is cut off")
        try:
            kind, size, at = size_and_kind(head)
            base = None
            if kind == OFFSET_DELTA:
                back, at = base_distance(head, at)
                base = offset - back
            elif kind == REF_DELTA:
                base = self.offset(bytes(head[at : at + 20]))
                at += 20
            elif kind not in KINDS:
                raise ValueError(f"an entry of the pack has the kind {kind}")
        except IndexError:
            raise ValueError("the pack is cut off") from None
        if kind not in KINDS and (base is None or not 0 < base < 1 << 62 or base == offset):
            raise ValueError("a delta of the pack has no base")
        data = self._inflated(offset + at, size, head[at:])
        return KINDS.get(kind, ""), data, base

    def _inflated(self, offset: int, size: int, head: memoryview) -> bytes:
        bound = size + (size >> 10) + 64
        raw = head if bound <= len(head) else self._view(offset, bound)
        self._next = offset + size
        stored = _stored(raw, size)
        if stored is not None:
            return stored
        try:
            # A size that lies must not allocate what the file can't hold.
            data = zlib.decompress(raw, bufsize=min(size, 1100 * len(raw)) + 1)
        except zlib.error as error:
            raise ValueError(f"the pack is damaged ({error})") from error
        if len(data) != size:
            raise ValueError("an entry of the pack has the wrong size")
        return data

    def _view(self, offset: int, size: int) -> memoryview:
        """So many bytes of the pack, or what there is of them; more are read where that goes on."""
        start, data = self._window
        if start <= offset and offset + size <= start + len(data):
            return memoryview(data)[offset - start : offset - start + size]
        if size >= _AHEAD or not 0 <= offset - self._next <= _NEAR:
            return memoryview(self._bytes(offset, size))
        data = self._bytes(offset, _AHEAD)
        self._window = (offset, data)
        return memoryview(data)[:size]

    def _bytes(self, offset: int, size: int) -> bytes:
        """So many bytes of the pack, or what there is of them."""
        left = min(size, os.fstat(self._file).st_size - offset)
        pieces = []
        while left > 0:
            # The kernel gives two gigabytes at a time at most.
            piece = os.pread(self._file, min(left, 1 << 30), offset)
            if not piece:
                break
            pieces.append(piece)
            offset, left = offset + len(piece), left - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _stored(raw: memoryview, size: int) -> bytes | None:
    """What a zlib stream of stored blocks holds; None where it is no such stream, or is damaged.

    Several times faster than zlib. Its checksum isn't looked at: the object's id is checked.
    """
    if bytes(raw[:2]) != STORED:
        return None
    at, left = 2, size
    pieces: list[memoryview] = []
    while at + 5 <= len(raw):
        last, length, inverse = struct.unpack_from("<BHH", raw, at)
        at += 5
        if last > 1 or length ^ inverse != 0xFFFF or length > left or at + length > len(raw):
            return None
        pieces.append(raw[at : at + length])
        at, left = at + length, left - length
        if last:
            return None if left else bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
    return None


def _holds(pack: Pack, id: bytes) -> bool | None:
    """Whether an object is in a pack; None where the damage of its index leaves that open."""
    try:
        return pack.offset(id) is not None
    except ValueError:
        return None


def _read_loose(path: str) -> GitObject:
    with open(path, "rb") as file:  # noqa: PTH123 - a Path would cost more than the read
        return parse_loose(file.read())


def _with_alternates(path: Path, depth: int) -> Iterator[Path]:
    yield path
    try:
        lines = (path / "info" / "alternates").read_text("utf-8").splitlines() if depth else []
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        if line and not line.startswith("#"):
            yield from _with_alternates(path / line, depth - 1)


def size_and_kind(head: Buffer) -> tuple[int, int, int]:
    """Kind, size of the inflated bytes, and where the head ends."""
    byte, at, shift = head[0], 1, 4
    kind, size = byte >> 4 & 7, byte & 15
    while byte & 128:
        byte = head[at]
        size |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
    return kind, size, at


def base_distance(head: Buffer, at: int) -> tuple[int, int]:
    byte = head[at]
    back = byte & 127
    while byte & 128:
        at += 1
        byte = head[at]
        back = (back + 1) << 7 | byte & 127
    return back, at + 1


def _patched(base: bytes, delta: bytes) -> bytes:
    """What `delta` makes of `base`."""
    try:
        source, at = _delta_size(delta, 0)
        target, at = _delta_size(delta, at)
        pieces = []
        while at < len(delta):
            op, at = delta[at], at + 1
            if not op:
                raise ValueError("a delta of the pack is damaged")
            if op & 128:
                offset, size, at = _copied(delta, op, at)
                pieces.append(base[offset : offset + size])
            else:
                pieces.append(delta[at : at + op])
                at += op
    except IndexError:
        raise ValueError("a delta of the pack is cut off") from None
    whole = b"".join(pieces)
    if source != len(base) or target != len(whole):
        raise ValueError("a delta of the pack doesn't fit its base")
    return whole


def _copied(delta: bytes, op: int, at: int) -> tuple[int, int, int]:
    """Offset and size of a piece of the base, and where the instruction ends."""
    offset = size = 0
    for bit in range(7):
        if op >> bit & 1:
            if bit < 4:
                offset |= delta[at] << 8 * bit
            else:
                size |= delta[at] << 8 * (bit - 4)
            at += 1
    return offset, size or 0x10000, at


def _delta_size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = delta[at]
        size |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if not byte & 128:
            return size, at
