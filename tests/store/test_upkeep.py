"""gc, fsck, repair and the merging of packs."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from linea.errors import DamagedStoreError, DroppedValueError, StoreError
from linea.model import Digest, Verdict
from linea.store import packing
from linea.store.objects import object_id, parse_loose
from linea.store.repository import Repository
from linea.store.upkeep import Policy

from .drafts import NOON, digest, draft, encoded


def md5(data: bytes) -> Digest:
    return digest(data)


def large(seed: int, size: int = 200_000) -> bytes:
    return random.Random(seed).randbytes(size)


class Clock:
    """A time that tests move on."""

    def __init__(self) -> None:
        self.now = datetime.now().astimezone()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[tuple[Repository, Clock]]:
    """A store and its clock."""
    clock = Clock()
    with Repository.create(tmp_path / ".linea", clock=clock) as made:
        yield made, clock


def saved(repository: Repository, name: str, *seeds: int) -> None:
    for seed in seeds:
        repository.commit([draft(name, large(seed))])


def value(repository: Repository, name: str, number: int) -> bytes:
    version = repository.version(name, number)
    return bytes(repository.read_part(version)(version.value.parts[0].path))


def size(repository: Repository) -> int:
    assert repository.path is not None
    return sum(p.stat().st_size for p in (repository.path / "objects").rglob("*") if p.is_file())


def git_is_content(path: Path) -> None:
    run = subprocess.run(
        ["git", "--git-dir", str(path), "fsck", "--full", "--strict"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


# ---------------------------------------------------------------------------------------- gc


def test_gc_takes_nothing_that_is_needed(moved: tuple[Repository, Clock]) -> None:
    """With no grace at all, every version reads as before, and stock git is content."""
    repository, _ = moved
    saved(repository, "a", 1, 2, 3)
    repository.commit([draft("b", b"small")])
    repository.tag(repository.version("a", 1), "good")
    before = [value(repository, "a", n) for n in (1, 2, 3)]
    repository.gc(grace=timedelta(0))
    assert [value(repository, "a", n) for n in (1, 2, 3)] == before
    assert repository.fsck(md5).problems == ()
    assert repository.path is not None
    git_is_content(repository.path)


def test_garbage_goes_after_the_grace_period(moved: tuple[Repository, Clock]) -> None:
    """What a save that failed left behind goes, but not while it might be a save under way."""
    repository, clock = moved
    saved(repository, "a", 1)
    kept = size(repository)
    from linea.store.objects import Batch

    batch = Batch()
    batch.add("blob", large(9, 500_000))
    batch.add("blob", b"a little")
    repository._backend.write(batch.objects)
    assert repository.gc().freed == 0
    clock.now += timedelta(days=15)
    said = repository.gc(dry_run=True)
    assert said.unreachable == 2
    assert said.freed > 500_000
    assert size(repository) > kept + 500_000
    assert repository.gc().freed == said.freed
    assert size(repository) <= kept + 1000
    assert repository.gc().freed == 0


def test_deleted_values_go_after_the_grace_period(moved: tuple[Repository, Clock]) -> None:
    """rm can be undone for two weeks; after that the versions are known, their values gone."""
    repository, clock = moved
    saved(repository, "a", 1, 2)
    saved(repository, "b", 3)
    repository.delete("a", 1)
    repository.delete("b")
    assert repository.gc().dropped == ()
    clock.now += timedelta(days=15)
    assert {name for name, _ in repository.gc().dropped} == {"a@v1", "b@v1"}
    assert size(repository) < 300_000
    assert repository.fsck(md5).problems == ()
    repository.restore("a", 1)
    assert repository.code(repository.version("a", 1))
    with pytest.raises(DroppedValueError, match="a@v1 was dropped"):
        value(repository, "a", 1)
    assert value(repository, "a", 2) == large(2)


def test_policies(moved: tuple[Repository, Clock]) -> None:
    """The last ones, tagged ones, and those that no re-run made again keep their values."""
    repository, _ = moved
    saved(repository, "a", *range(1, 7))
    for number in (1, 2, 3, 6):
        repository.set_verdict(repository.version("a", number), Verdict("identical", NOON))
    repository.set_verdict(repository.version("a", 4), Verdict("different", NOON))
    repository.tag(repository.version("a", 2), "good")

    def dropped(policy: Policy) -> list[str]:
        return sorted(name for name, _ in repository.gc(policy=policy, dry_run=True).dropped)

    assert dropped(Policy()) == ["a@v1", "a@v3"]
    assert dropped(Policy(keep_last=4)) == ["a@v1"]
    assert dropped(Policy(keep_tagged=False)) == ["a@v1", "a@v2", "a@v3"]
    assert dropped(Policy(proven=False)) == ["a@v1", "a@v3", "a@v4", "a@v5"]


def test_a_value_that_another_version_has_stays(moved: tuple[Repository, Clock]) -> None:
    """Dropping a version's value takes nothing that a version kept has, too."""
    repository, _ = moved
    saved(repository, "a", 1, 2)
    saved(repository, "b", 1)
    said = repository.gc(policy=Policy(proven=False), grace=timedelta(0))
    assert said.dropped == ()
    assert value(repository, "a", 1) == value(repository, "b", 1) == large(1)


def test_gc_is_undone(moved: tuple[Repository, Clock]) -> None:
    """Dropped values come back by undo, until the trash is emptied."""
    repository, clock = moved
    saved(repository, "a", 1, 2, 3)
    said = repository.gc(policy=Policy(proven=False))
    assert said.held > 400_000
    assert repository.path is not None
    with pytest.raises(DroppedValueError):
        value(repository, "a", 1)
    git_is_content(repository.path)
    saved(repository, "a", 4)
    repository.undo()
    git_is_content(repository.path)
    assert repository.undo().kind == "gc"
    assert [value(repository, "a", n) for n in (1, 2, 3)] == [large(n) for n in (1, 2, 3)]
    assert repository.fsck(md5).problems == ()
    git_is_content(repository.path)
    repository.gc(policy=Policy(proven=False))
    clock.now += timedelta(days=15)
    assert repository.gc().freed > 400_000
    with pytest.raises(StoreError, match="gone for good"):
        repository.undo()
    assert size(repository) < 300_000


def test_a_dropped_value_saved_again(moved: tuple[Repository, Clock]) -> None:
    """The same value saved once more is stored once more, also as the next version."""
    repository, _ = moved
    saved(repository, "a", 1)
    saved(repository, "a", 2)
    repository.gc(policy=Policy(keep_last=0, proven=False), grace=timedelta(0))
    with pytest.raises(DroppedValueError):
        value(repository, "a", 2)
    saved(repository, "a", 2)
    assert value(repository, "a", 3) == large(2)
    assert repository.fsck(md5).problems == ()


def test_gc_beside_writers(tmp_path: Path) -> None:
    """Saves that go on while gc runs again and again lose nothing."""
    Repository.create(tmp_path / ".linea").close()
    failed: list[BaseException] = []

    def save(name: str) -> None:
        try:
            with Repository.open(tmp_path / ".linea") as repository:
                for seed in range(25):
                    repository.commit([draft(name, large(seed % 7, 90_000))])
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=save, args=(name,)) for name in ("a", "b", "c")]
    for each in writers:
        each.start()
    with Repository.open(tmp_path / ".linea") as repository:
        while any(each.is_alive() for each in writers):
            repository.gc(grace=timedelta(0))
    for each in writers:
        each.join()
    assert failed == []
    with Repository.open(tmp_path / ".linea") as repository:
        for name in ("a", "b", "c"):
            assert [v.number for v in repository.versions(name)] == list(range(25, 0, -1))
        assert repository.fsck(md5).problems == ()


def test_gc_refuses_a_damaged_store(moved: tuple[Repository, Clock]) -> None:
    """Where a tree can't be read, nothing is known to be needless."""
    repository, _ = moved
    repository.commit([draft("a", b"1")])
    assert repository.path is not None
    entry = next(repository.entries("a"))
    path = repository.path / "objects" / entry.tree[:2] / entry.tree[2:]
    path.unlink()
    with pytest.raises(DamagedStoreError, match="nothing is taken away"):
        repository.gc(grace=timedelta(0))


# -------------------------------------------------------------------------------- many packs


def test_many_saves_are_few_packs(disk: Repository) -> None:
    """Packs of saves are merged when there are many; a reader from before reads on."""
    assert disk.path is not None
    saved(disk, "a", 0)
    with Repository.open(disk.path) as reader:
        assert value(reader, "a", 1) == large(0)
        saved(disk, "a", *range(1, 70))
        packs = list((disk.path / "objects" / "pack").glob("*.idx"))
        assert len(packs) <= packing.MANY_PACKS + 1
        assert [value(reader, "a", n) for n in (1, 2, 35, 70)] == [large(n) for n in (0, 1, 34, 69)]
    git_is_content(disk.path)
    assert disk.fsck(md5).problems == ()


def test_a_damaged_pack_is_not_merged(disk: Repository) -> None:
    """Merging never makes damage look whole: the pack stays as it is, for fsck to see."""
    assert disk.path is not None
    saved(disk, "a", *range(3))
    folder = disk.path / "objects"
    packs = sorted((folder / "pack").glob("*.pack"))
    flip(packs[0], packs[0].stat().st_size // 2)
    disk._backend.forget()
    made = packing.merge_packs(
        folder,
        disk._backend._objects,
        sorted((folder / "pack").glob("*.idx")),  # type: ignore
    )
    assert made is None
    assert sorted((folder / "pack").glob("*.pack")) == packs


# -------------------------------------------------------------------------------------- fsck


def flip(path: Path, at: int) -> None:
    """Flip a bit of a file."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def is_harmless(path: Path) -> bool:
    """Whether a loose file holds its object all the same: the last bits of its stream are idle."""
    try:
        return object_id(parse_loose(path.read_bytes())) == path.parent.name + path.name
    except ValueError:
        return False


def whole_store(path: Path) -> None:
    """A store with loose objects, packs, notes, tags and deleted versions."""
    with Repository.create(path) as repository:
        repository.commit([draft("small", b"1,2\n")])
        saved(repository, "big", 1, 2)
        version = repository.version("big", 1)
        repository.tag(version, "good")
        repository.set_verdict(version, Verdict("identical", NOON))
        saved(repository, "gone", 3)
        repository.delete("gone")
        repository.delete("big", 2)
        repository.commit([draft("small", b"3,4\n")])


def test_fsck_of_a_whole_store(tmp_path: Path) -> None:
    """Nothing is damaged, and deleted versions are read, too."""
    whole_store(tmp_path / ".linea")
    with Repository.open(tmp_path / ".linea") as repository:
        report = repository.fsck(md5)
    assert report.problems == ()
    assert report.versions == 5


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """A bit flipped anywhere in any object, pack or index is told of, and nothing crashes."""
    whole_store(tmp_path / "whole")
    files = [
        path.relative_to(tmp_path / "whole")
        for path in sorted((tmp_path / "whole" / "objects").rglob("*"))
        if path.is_file()
    ]
    places = random.Random(0)
    tried = 0
    for file in files:
        length = (tmp_path / "whole" / file).stat().st_size
        count = 6 if file.suffix in (".idx", ".pack") else 1
        for at in {0, length - 1, *(places.randrange(length) for _ in range(count))}:
            damaged = tmp_path / "damaged"
            shutil.rmtree(damaged, ignore_errors=True)
            shutil.copytree(tmp_path / "whole", damaged)
            flip(damaged / file, at)
            if is_harmless(damaged / file):
                continue
            with Repository.open(damaged) as repository:
                assert repository.fsck(md5).problems, f"bit at {at} of {length} of {file}"
            tried += 1
    assert tried > 80


@pytest.mark.parametrize("what", ["loose", "pack", "index"])
def test_cut_off_and_gone(tmp_path: Path, what: str) -> None:
    """A file that was cut off or is gone is told of, with the versions that it hits."""
    whole_store(tmp_path / "whole")
    for cut in (True, False):
        damaged = tmp_path / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", damaged)
        objects = damaged / "objects"
        if what == "loose":
            with Repository.open(damaged) as repository:
                tree = next(repository.entries("small")).tree
            path = objects / tree[:2] / tree[2:]
        else:
            found = (objects / "pack").glob("*.pack" if what == "pack" else "*.idx")
            path = max(found, key=lambda each: each.stat().st_size)
        path.chmod(0o644)
        if cut:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        else:
            path.unlink()
        with Repository.open(damaged) as repository:
            problems = repository.fsck(md5).problems
        assert problems
        assert any(problem.hits for problem in problems)


def test_a_manifest_that_lies(tmp_path: Path) -> None:
    """A manifest whose digest of a part is another one is told of by its version."""
    with Repository.create(tmp_path / ".linea") as repository:
        lie = encoded(("data.bin", b"one"))
        repository.commit([draft("a", b"honest")])
        report = repository.fsck(lambda data: Digest("xxh3:1:" + "0" * 32))
        assert [problem.hits for problem in report.problems] == [("a@v1",)]
        assert lie.record.parts


def test_repair_from_another_store(tmp_path: Path) -> None:
    """What is damaged or missing is fetched from a copy; what isn't stays as it is."""
    whole_store(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "copy")
    objects = tmp_path / "whole" / "objects"
    for path in sorted((objects / "pack").glob("*.pack"))[:2]:
        flip(path, path.stat().st_size // 2)
    loose = [p for p in objects.rglob("*") if p.is_file() and len(p.name) == 38]
    loose[0].unlink()
    flip(loose[1], loose[1].stat().st_size - 3)
    loose[2].chmod(0o644)
    loose[2].write_bytes(b"")
    with Repository.open(tmp_path / "whole") as repository:
        report = repository.fsck(md5)
        assert report.problems
        repaired = repository.repair(report, [tmp_path / "copy"])
        assert repaired.objects >= 4
        assert repaired.missing == ()
        assert repository.fsck(md5).problems == ()
        assert value(repository, "big", 1) == large(1)
    git_is_content(tmp_path / "whole")


def test_repair_keeps_what_can_be_read(tmp_path: Path) -> None:
    """Without a source, the rest of a damaged pack is saved, and the damage put aside."""
    with Repository.create(tmp_path / ".linea") as repository:
        saved(repository, "a", 1)
        saved(repository, "b", 2)
        packing.merge_packs(
            tmp_path / ".linea/objects",
            repository._backend._objects,  # type: ignore
            sorted((tmp_path / ".linea/objects/pack").glob("*.idx")),
        )
    pack = max((tmp_path / ".linea/objects/pack").glob("*.pack"), key=lambda p: p.stat().st_size)
    flip(pack, pack.stat().st_size // 4)
    with Repository.open(tmp_path / ".linea") as repository:
        report = repository.fsck(md5)
        repaired = repository.repair(report, [])
        assert len(repaired.missing) >= 1
        after = repository.fsck(md5).problems
        assert after
        assert {hit for problem in after for hit in problem.hits} <= {"a@v1", "b@v1"}
        assert len({hit for problem in after for hit in problem.hits}) == 1
    assert list((tmp_path / ".linea/damaged").iterdir())
    assert hashlib.md5(large(1)).hexdigest()
