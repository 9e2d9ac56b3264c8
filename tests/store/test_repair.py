"""Refs and packs that are damaged: other artifacts go on, gc takes nothing, repair brings back."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from linea.errors import DamagedStoreError, NoSuchVersionError, StoreError
from linea.model import Digest
from linea.store import lock, packing, repair, upkeep
from linea.store.backend import RefChange
from linea.store.disk import DiskBackend
from linea.store.objects import GitObject, object_id
from linea.store.repository import Repository

from .drafts import draft

NOW = timedelta(0)


def digest(data: bytes) -> Digest:
    return Digest("xxh3:1:" + hashlib.md5(data, usedforsecurity=False).hexdigest())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Repository, Path]]:
    """A store with two artifacts of three versions, one of which has a tag, and one deleted."""
    with Repository.create(tmp_path / ".linea") as made:
        for number in range(3):
            for name in ("hit", "other"):
                data = f"{name} {number}".encode()
                made.commit([draft(name, data)])
        made.tag(made.version("hit", 2), "good")
        made.commit([draft("gone", b"gone")])
        made.delete("gone")
        yield made, tmp_path / ".linea"


def git(store: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--git-dir", str(store), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def value(repository: Repository, name: str, number: int) -> bytes:
    version = repository.version(name, number)
    return bytes(repository.read_part(version)("data.parquet"))


def mended(path: Path, *sources: Path) -> Repository:
    with Repository.open(path) as repository:
        repository.repair(repository.fsck(digest), sources)
    return Repository.open(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(41)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "text": lambda path: path.write_bytes(b"hello\n"),
    "symbolic": lambda path: path.write_bytes(b"ref: refs/linea/artifacts/other\n"),
    "leading nowhere": lambda path: path.write_bytes(b"1" * 40 + b"\n"),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_ref_that_is_damaged_or_gone(store: tuple[Repository, Path], how: str) -> None:
    """Others are read and saved meanwhile; gc takes nothing; the ref's log brings it back."""
    first, path = store
    first.close()
    DAMAGE[how](path / "refs/linea/artifacts/hit")
    with Repository.open(path) as repository:
        assert value(repository, "other", 3) == b"other 2"
        [made] = repository.commit([draft("other", b"more")])
        assert made.number == 4
        with pytest.raises(DamagedStoreError, match="nothing is taken away"):
            repository.gc(grace=NOW)
        with pytest.raises(DamagedStoreError):
            repository.commit([draft("hit", b"a first version again?")])
        problems = repository.fsck(digest).problems
        assert [each.hits for each in problems if each.ref] == [("hit",)]
    with mended(path) as repository:
        assert [value(repository, "hit", n) for n in (1, 2, 3)] == [b"hit 0", b"hit 1", b"hit 2"]
        assert repository.tags("hit") == {"good": 2}
        assert not [each for each in repository.fsck(digest).problems if each.ref]
        repository.gc(grace=NOW)
        assert value(repository, "hit", 3) == b"hit 2"
        [made] = repository.commit([draft("hit", b"more")])
        assert made.number == 4


@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_packed_refs_that_are_cut_off(store: tuple[Repository, Path], left: float) -> None:
    """What stood in the rest of the file is known to be missing, and comes back."""
    first, path = store
    first.close()
    git(path, "pack-refs", "--all")
    packed = path / "packed-refs"
    data = packed.read_bytes()
    packed.write_bytes(data[: int(len(data) * left)])
    with Repository.open(path) as repository, pytest.raises(DamagedStoreError):
        repository.gc(grace=NOW)
    with Repository.open(path) as repository, pytest.raises(DamagedStoreError):
        repository.commit([draft("hit", b"a first version again?")])
    with mended(path) as repository:
        assert repository.names() == ["hit", "other"] and repository.deleted() == ["gone"]
        repository.gc(grace=NOW)
        assert value(repository, "hit", 1) == b"hit 0"
    git(path, "fsck", "--strict")


def test_packed_refs_whose_end_is_gone(store: tuple[Repository, Path]) -> None:
    """Also where whole lines are missing, which the file itself doesn't tell."""
    first, path = store
    first.close()
    git(path, "pack-refs", "--all")
    packed = path / "packed-refs"
    lines = packed.read_bytes().splitlines(keepends=True)
    packed.write_bytes(b"".join(line for line in lines if b"artifacts/hit" not in line))
    with Repository.open(path) as repository, pytest.raises(DamagedStoreError, match="hit"):
        repository.gc(grace=NOW)
    with mended(path) as repository:
        assert value(repository, "hit", 3) == b"hit 2"


def test_a_first_save_that_never_came_to_its_ref(store: tuple[Repository, Path]) -> None:
    """A log is written before its ref: without one, nothing was saved and nothing is lost."""
    first, path = store
    log = path / "logs/refs/linea/artifacts/new"
    log.write_text(f"{'0' * 40} {'1' * 40} linea <linea@localhost> 1 +0000\tsave new\n")
    assert not [each for each in first.fsck(digest).problems if each.ref]
    first.gc(grace=NOW)


def test_what_was_taken_away_on_purpose_is_not_lost(store: tuple[Repository, Path]) -> None:
    """Deleting, restoring, undoing and tagging leave logs behind, and no problem."""
    repository, _ = store
    repository.restore("gone")
    repository.delete("gone")
    repository.undo()
    repository.untag("hit", "good")
    repository.commit([draft("once", b"1")])
    repository.undo()
    repository.delete("other")
    assert not [each for each in repository.fsck(digest).problems if each.ref]
    assert repository.gc(grace=timedelta(days=1)).freed == 0


def test_a_tag_on_another_artifacts_version(store: tuple[Repository, Path]) -> None:
    """It is no tag, and fsck tells of it."""
    repository, path = store
    (path / "refs/linea/tags/hit/good").write_text(
        git(path, "rev-parse", "refs/linea/artifacts/other")
    )
    assert repository.tags("hit") == {}
    told = [each for each in repository.fsck(digest).problems if "other@v3" in each.what]
    assert [each.hits for each in told] == [("hit",)]


def test_a_commit_that_is_no_version(store: tuple[Repository, Path]) -> None:
    """A ref that leads to something else hits its artifact alone, however often it is read."""
    first, path = store
    code = git(path, "rev-parse", "refs/linea/artifacts/other:code.py")
    first.close()
    (path / "refs/linea/artifacts/hit").write_text(f"{code}\n")
    with Repository.open(path) as repository:
        assert repository.code(repository.version("other", 3))
        for _ in range(2):
            with pytest.raises(DamagedStoreError):
                repository.tip("hit")


def test_values_of_a_lost_environment(store: tuple[Repository, Path]) -> None:
    """Versions share it: what doesn't need it is read, what does says that it is damaged."""
    first, path = store
    id = git(path, "rev-parse", "refs/linea/artifacts/hit:environment.json")
    first.close()
    (path / "objects" / id[:2] / id[2:]).unlink()
    with Repository.open(path) as repository:
        assert (
            value(repository, "hit", 1) == b"hit 0" and value(repository, "other", 3) == b"other 2"
        )
        version = repository.tip("hit")
        with pytest.raises(DamagedStoreError, match="missing"):
            repr(version.environment)
        told = [
            each for each in repository.fsck(digest).problems if id in each.objects or each.commit
        ]
        assert {hit.partition("@")[0] for each in told for hit in each.hits} >= {"hit", "other"}


@pytest.mark.parametrize("ref", ["refs/notes/linea-deleted", "refs/linea/tags/hit/good"])
def test_notes_and_tags_that_lead_nowhere(store: tuple[Repository, Path], ref: str) -> None:
    """They come back from their logs, as artifacts do."""
    first, path = store
    first.delete("other", 1)
    before = git(path, "rev-parse", ref)
    first.close()
    (path / ref).write_text("1" * 40 + "\n")
    with mended(path) as repository:
        assert [version.number for version in repository.versions("other")] == [3, 2]
        assert repository.tags("hit") == {"good": 2}
    assert git(path, "rev-parse", ref) == before


def test_undo_where_notes_are_damaged(store: tuple[Repository, Path]) -> None:
    """What can't be read is told of, by undo too."""
    first, path = store
    first.delete("other", 1)
    id = git(path, "rev-parse", "refs/notes/linea-deleted")
    first.close()
    (path / "objects" / id[:2] / id[2:]).unlink()
    with Repository.open(path) as repository, pytest.raises(DamagedStoreError, match="missing"):
        repository.undo()


# ------------------------------------------------------------------------------------------ packs


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A store whose values lie in packs."""
    with Repository.create(tmp_path / ".linea") as made:
        for number in range(3):
            made.commit([draft("a", os.urandom(90_000)), draft("b", b"%d" % number * 50_000)])
    return tmp_path / ".linea"


def values(path: Path) -> list[bytes]:
    with Repository.open(path) as repository:
        return [value(repository, name, number) for name in "ab" for number in (1, 2, 3)]


@pytest.mark.parametrize("how", ["gone", "empty", "flipped"])
def test_an_index_is_made_again_from_its_pack(packed: Path, how: str) -> None:
    """The pack alone is enough, without any other store."""
    before = values(packed)
    for index in (packed / "objects/pack").glob("*.idx"):
        data = bytearray(index.read_bytes())
        data[len(data) // 2] ^= 255
        index.unlink()
        if how != "gone":
            index.write_bytes(bytes(data) if how == "flipped" else b"")
    with mended(packed) as repository:
        assert not [each for each in repository.fsck(digest).problems if each.pack]
    assert values(packed) == before
    git(packed, "fsck", "--strict")


def test_a_repair_that_cannot_write_takes_nothing_away(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be read of a damaged pack is written anew before the pack is put aside."""
    before = values(packed)
    pack = max((packed / "objects/pack").glob("*.pack"), key=lambda each: each.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[-1] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    with Repository.open(packed) as repository, monkeypatch.context() as patch:
        patch.setattr(packing, "write_new", full)
        with pytest.raises(StoreError, match="No space"):
            repository.repair(repository.fsck(digest), ())
    assert values(packed) == before
    with mended(packed):
        pass
    assert values(packed) == before


def test_packs_are_named_by_their_bytes(tmp_path: Path) -> None:
    """Two writers of the same objects, in another order, don't write over each other's pack."""
    blobs = [GitObject("blob", os.urandom(40_000)) for _ in range(3)]
    objects = {object_id(each): each for each in blobs}
    folder = tmp_path / "objects"
    (folder / "pack").mkdir(parents=True)
    made = packing.write_new(folder, objects)
    other = packing.write_new(folder, dict(reversed(objects.items())))
    assert made != other
    assert packing.write_new(folder, objects) == made
    for index in (made, other):
        found = dict(repair.scanned(index.with_suffix(".pack")))
        assert found == objects
        subprocess.run(["git", "verify-pack", str(index)], check=True)


def test_a_gc_that_meets_damage(packed: Path) -> None:
    """It says so, and values are where they were."""
    before = values(packed)
    pack = max((packed / "objects/pack").glob("*.pack"), key=lambda each: each.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    with Repository.open(packed) as repository:
        repository.delete("b", 2)
        with pytest.raises(DamagedStoreError, match="nothing is taken away"):
            repository.gc(grace=NOW)
        repository.undo()
        assert [value(repository, "b", number) for number in (1, 2, 3)] == before[3:]


def test_what_a_gc_would_do_in_a_store_that_may_only_be_read(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking needs no lock."""

    def denied(*_: object) -> int:
        raise StoreError("can't write to the store")

    with Repository.open(packed) as repository:
        monkeypatch.setattr(lock, "_open", denied)
        policy = upkeep.Policy(keep_last=1, proven=False)
        assert len(repository.gc(policy=policy, dry_run=True).dropped) == 4
        with pytest.raises(StoreError):
            repository.gc(policy=policy)


# ------------------------------------------------------------------ saves into a damaged store


@pytest.mark.parametrize(("size", "how"), [(10, "gone"), (10, "flipped"), (90_000, "gone")])
def test_a_save_does_not_rest_on_what_is_damaged(tmp_path: Path, size: int, how: str) -> None:
    """A value that was lost, or is small and damaged, is stored when it is saved again."""
    data = [os.urandom(size) for _ in range(2)]
    path = tmp_path / ".linea"
    with Repository.create(path) as made:
        for each in data:
            made.commit([draft("a", each)])
    tree = git(path, "ls-tree", "-r", "refs/linea/artifacts/a", "value/")
    ids = [line.split()[2] for line in tree.splitlines()]
    for file in (path / "objects").rglob("*"):
        loose = file.parent.name + file.name in ids
        if how == "gone" and (loose or (size > 16_384 and file.suffix in (".idx", ".pack"))):
            file.unlink()
        elif loose:
            damaged = bytearray(file.read_bytes())
            damaged[len(damaged) // 2] ^= 255
            file.chmod(0o644)
            file.write_bytes(damaged)
    with Repository.open(path) as repository:
        with pytest.raises(DamagedStoreError):
            value(repository, "a", 2)
        for number, each in [(3, data[1]), (4, data[0]), (5, data[1])]:
            repository.commit([draft("a", each)])
            assert value(repository, "a", number) == each


# ---------------------------------------------------------------------------------- killed gcs


def test_settings_that_a_killed_gc_had_locked(store: tuple[Repository, Path]) -> None:
    """The lock file on `config` that it left is in nobody's way."""
    repository, path = store
    (path / "config.lock").write_text("")
    os.utime(path / "config.lock", (1, 1))
    (path / "linea.lock").write_text("99999\n")
    repository.set("keepInputs", "5")
    assert repository.setting("keepInputs") == "5"


@pytest.mark.parametrize("after", ["nothing", "a part of the trash"])
def test_undo_of_a_gc_that_was_killed(
    packed: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Noted, but with all values still in place: they are there as before."""
    before = values(packed)

    def killed(*arguments: object, **_: object) -> None:
        if after != "nothing":
            Path(str(arguments[5]), "pack").mkdir(parents=True)
            Path(str(arguments[5]), "pack", "tmp_pack_x").write_bytes(b"half")
        raise KeyboardInterrupt

    policy = upkeep.Policy(keep_last=1, proven=False)
    with Repository.open(packed) as repository, monkeypatch.context() as patch:
        patch.setattr(upkeep, "_sweep", killed)
        with pytest.raises(KeyboardInterrupt):
            repository.gc(policy=policy)
    with Repository.open(packed) as repository:
        assert repository.dropped()
        repository.undo()
        assert not repository.dropped()
        assert not repository.fsck(digest).problems or values(packed) == before
    assert values(packed) == before


def test_undo_of_a_gc_whose_trash_was_thrown_away(packed: Path) -> None:
    """Then values are gone for good, and undo says so."""
    with Repository.open(packed) as repository:
        repository.gc(policy=upkeep.Policy(keep_last=1, proven=False))
        shutil.rmtree(packed / "trash")
        with pytest.raises(StoreError, match="gone for good"):
            repository.undo()
        with pytest.raises(NoSuchVersionError):
            repository.undo("nonsense")


def test_git_is_content_halfway_through_a_gc(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock git takes no blob for missing that was dropped, however far the sweep had come."""
    whole = packing.remove_pack
    for stop in range(3):
        copy = packed.parent / f"{stop}.linea"
        shutil.copytree(packed, copy)
        left = list(range(stop))

        def remove(index: Path, left: list[int] = left) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop()
            whole(index)

        with Repository.open(copy) as repository, monkeypatch.context() as patch:
            patch.setattr(packing, "remove_pack", remove)
            with pytest.raises(KeyboardInterrupt):
                repository.gc(grace=NOW, policy=upkeep.Policy(keep_last=1, proven=False))
        git(copy, "fsck", "--full")


def test_a_deletion_that_dies_where_nothing_can_lock(
    store: tuple[Repository, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without flock there is no journal: an artifact is in its new place before it leaves the old."""
    first, path = store
    first.close()
    whole, left = DiskBackend._transact, [1]

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def transact(self: DiskBackend, changes: Sequence[RefChange], reason: str) -> bool:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return whole(self, changes, reason)

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Repository.open(path) as repository, monkeypatch.context() as patch:
        patch.setattr(DiskBackend, "_transact", transact)
        with pytest.raises(KeyboardInterrupt):
            repository.delete("hit")
    with Repository.open(path) as repository:
        assert not [each for each in repository.fsck(digest).problems if each.ref]
        assert value(repository, "hit", 3) == b"hit 2"
        repository.delete("hit")
        assert repository.names() == ["other"]
        repository.restore("hit")
        assert value(repository, "hit", 3) == b"hit 2"
