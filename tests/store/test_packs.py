"""Reading loose objects and packs, whole and damaged."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from pathlib import Path

import pytest

from linea.store.backend import CorruptObjectError, MissingObjectError
from linea.store.objects import Batch, ObjectId, loose_bytes, pack_index, write_pack
from linea.store.packs import ObjectFolder


def git(path: Path, *args: str, stdin: bytes = b"") -> str:
    run = subprocess.run(
        ["git", "--git-dir", str(path), *args], input=stdin, capture_output=True, check=True
    )
    return run.stdout.decode()


def batch_of(count: int) -> Batch:
    """Blobs that resemble each other, so that git finds deltas."""
    batch = Batch()
    lines = [f"line {number} of a long text\n" for number in range(400)]
    for number in range(count):
        lines[number * 7 % 400] = f"changed {number}\n"
        batch.add("blob", "".join(lines).encode())
    return batch


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, Batch]:
    """A repository of 60 blobs in one pack that git made, with deltas of both kinds of base."""
    path = tmp_path / "git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    batch = batch_of(60)
    for id, item in batch.objects.items():
        file = path / "objects" / id[:2] / id[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(loose_bytes(item))
    ids = "\n".join(batch.objects).encode() + b"\n"
    git(path, "pack-objects", "-q", "--depth=20", str(path / "objects/pack/pack"), stdin=ids)
    for id in batch.objects:
        (path / "objects" / id[:2] / id[2:]).unlink()
    return path, batch


@pytest.mark.parametrize("offsets", ["true", "false"])
def test_deltas_are_resolved(packed: tuple[Path, Batch], offsets: str) -> None:
    """Objects that git keeps as deltas, by offset or by id of their base, are read."""
    path, batch = packed
    git(path, "config", "repack.useDeltaBaseOffset", offsets)
    [index] = (path / "objects/pack").glob("*.idx")
    assert "chain length = 5" in git(path, "verify-pack", "-v", str(index))
    if offsets == "false":
        ids = "\n".join(batch.objects).encode() + b"\n"
        data = subprocess.run(
            ["git", "--git-dir", str(path), "pack-objects", "-q", "--stdout", "--no-reuse-delta"],
            input=ids,
            capture_output=True,
            check=True,
        ).stdout
        for old in (path / "objects/pack").iterdir():
            old.unlink()
        pack = path / "objects/pack/pack-1.pack"
        pack.write_bytes(data)
        git(path, "index-pack", str(pack))
    folder = ObjectFolder(path / "objects")
    for id, item in batch.objects.items():
        assert folder.read(id) == item
        assert folder.has(id)
        assert folder.expand(id[:6]) == [id]
    with pytest.raises(MissingObjectError):
        folder.read(ObjectId("0" * 40))
    assert not folder.has(ObjectId("0" * 40))


def test_an_object_that_is_whole_elsewhere_is_read(packed: tuple[Path, Batch]) -> None:
    """Where a pack is damaged a loose copy is taken."""
    path, batch = packed
    [pack] = (path / "objects/pack").glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(b"")
    folder = ObjectFolder(path / "objects")
    id, item = next(iter(batch.objects.items()))
    with pytest.raises(CorruptObjectError):
        folder.read(id)
    file = path / "objects" / id[:2] / id[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(loose_bytes(item))
    assert folder.read(id) == item


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
@pytest.mark.parametrize("by", ["git", "linea"])
def test_no_damage_to_a_pack_goes_unseen(
    packed: tuple[Path, Batch], suffix: str, by: str, tmp_path: Path
) -> None:
    """With a byte changed or the end cut off, objects are right, or reported, and nothing hangs."""
    path, batch = packed
    [pack] = (path / "objects/pack").glob("*.pack")
    if by == "linea":
        with pack.with_name("pack-2.pack").open("wb") as file:
            checksum, entries = write_pack(file, batch.objects)
        pack.with_name("pack-2.idx").write_bytes(pack_index(entries, checksum))
        pack.unlink()
        pack.with_suffix(".idx").unlink()
        pack = pack.with_name("pack-2.pack")
    target = pack.with_suffix(suffix)
    target.chmod(0o644)
    whole = target.read_bytes()
    dice = random.Random(7)
    reported = 0
    for _ in range(150):
        at = dice.randrange(len(whole))
        if dice.random() < 0.3:
            target.write_bytes(whole[:at])
        else:
            flipped = whole[at] ^ 1 << dice.randrange(8)
            target.write_bytes(whole[:at] + bytes([flipped]) + whole[at + 1 :])
        folder = ObjectFolder(path / "objects")
        for id, item in batch.objects.items():
            try:
                assert folder.read(id) == item
            except (MissingObjectError, CorruptObjectError):
                reported += 1
        folder.close()
    assert reported


SIZES = [16 << 10, 0xFFFE, 0xFFFF, 0x10000, 3 * 0xFFFF, 3 * 0xFFFF + 1, 700_000]


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, dict[ObjectId, bytes]]:
    """A pack of blobs that aren't deflated, and what they are."""
    dice = random.Random(3)
    batch = Batch()
    blobs = {batch.add("blob", data): data for data in map(dice.randbytes, SIZES)}
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    with (folder / "pack-1.pack").open("wb") as file:
        checksum, entries = write_pack(file, batch.objects)
    (folder / "pack-1.idx").write_bytes(pack_index(entries, checksum))
    return tmp_path / "objects", blobs


def test_a_blob_is_read_into_its_place(stored: tuple[Path, dict[ObjectId, bytes]]) -> None:
    """A blob that lies in a pack as it is comes into memory of its size, and into no other."""
    path, blobs = stored
    folder = ObjectFolder(path)
    folder.read(next(iter(blobs)))
    for id, data in blobs.items():
        room = bytearray(len(data))
        assert folder.read_into(id, memoryview(room))
        assert bytes(room) == data
        for size in (len(data) - 1, len(data) + 1, 0):
            assert not folder.read_into(id, memoryview(bytearray(size)))
    assert not folder.read_into(ObjectId("1" * 40), memoryview(bytearray(10)))
    folder.close()


def test_damage_to_its_blocks_is_not_read_over(stored: tuple[Path, dict[ObjectId, bytes]]) -> None:
    """With a byte of the pack changed, a blob is read into its place only with that byte in it."""
    path, blobs = stored
    pack = path / "pack" / "pack-1.pack"
    whole = pack.read_bytes()
    dice = random.Random(5)
    for _ in range(60):
        at = dice.randrange(len(whole))
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :])
        folder = ObjectFolder(path)
        folder.read_into(next(iter(blobs)), memoryview(bytearray(1)))
        for id, data in blobs.items():
            room = bytearray(len(data))
            if folder.read_into(id, memoryview(room)):
                assert sum(a != b for a, b in zip(room, data, strict=True)) <= 1
        folder.close()


def test_a_disk_that_fails_is_told_of(
    stored: tuple[Path, dict[ObjectId, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk gives no bytes, an object is reported as damaged, however it is read."""
    path, blobs = stored
    folder = ObjectFolder(path)
    id, data = list(blobs.items())[-1]
    folder.read(id)

    def fail(*given: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    assert not folder.read_into(id, memoryview(bytearray(len(data))))
    monkeypatch.setattr(os, "pread", fail)
    for checked in (True, False):
        with pytest.raises(CorruptObjectError, match="Input/output"):
            folder.read(id, checked=checked)
    folder.close()
