"""A store on disk: made, opened, damaged, full, locked and left behind by the dead."""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from linea.errors import DamagedStoreError, NewerStoreError, NoStoreError, StoreError
from linea.model import Environment
from linea.store import lock
from linea.store.repository import Repository

from .drafts import draft, encoded

BIG = bytes(range(256)) * 2000


def fsck(path: Path) -> str:
    run = subprocess.run(
        ["git", "--git-dir", str(path), "fsck", "--strict"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def objects_of(path: Path) -> list[Path]:
    return sorted(p for p in (path / "objects").glob("??/*") if p.is_file())


def leftovers(path: Path) -> list[str]:
    return [p.name for p in path.rglob("*") if "tmp" in p.name or p.name.endswith(".lock")]


# --------------------------------------------------------------------------- making, opening


def test_a_store_is_made_once(tmp_path: Path) -> None:
    """Making a store where one is opens that one."""
    path = tmp_path / "deep" / ".linea"
    with Repository.create(path) as first:
        first.commit([draft()])
    with Repository.create(path) as second:
        assert second.names() == ["features"]
    assert [p.name for p in path.parent.iterdir()] == [".linea"]


def test_many_make_one_store(tmp_path: Path) -> None:
    """Of several that make a store at once one does, and all get it."""
    path = tmp_path / ".linea"
    failed: list[BaseException] = []

    def make(number: int) -> None:
        try:
            with Repository.create(path) as repository:
                repository.commit([draft(data=b"%d" % number)])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Repository.open(path) as repository:
        assert [v.number for v in repository.versions("features")] == [6, 5, 4, 3, 2, 1]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """A store isn't made over somebody's files."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="isn't a linea store"):
        Repository.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    """A folder made beforehand, as by `mktemp -d`, can become a store."""
    Repository.create(tmp_path).close()
    Repository.open(tmp_path).close()


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    """A missing path, a file, an empty folder and another git repository are no stores."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "git")], check=True)
    for name in ("missing", "file", "empty", "git"):
        with pytest.raises(NoStoreError) as caught:
            Repository.open(tmp_path / name)
        wanted = {"missing": "linea init", "empty": "linea init"}.get(name, "move it away")
        assert wanted in str(caught.value.hint)


def test_a_store_of_a_newer_format_is_not_touched(disk: Repository) -> None:
    """A store with a newer format asks for a newer linea."""
    assert disk.path
    config = disk.path / "config"
    config.chmod(0o644)
    config.write_text(config.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(NewerStoreError, match="format 2") as caught:
        Repository.open(disk.path)
    assert "upgrade" in str(caught.value.hint)


@pytest.mark.parametrize("broken", ["HEAD", "objects", "config"])
def test_a_store_without_its_frame_is_damaged(disk: Repository, broken: str) -> None:
    """A store that lacks what makes it a repository is named as damaged."""
    assert disk.path
    path = disk.path / broken
    if broken == "config":
        path.write_text("[core\nbare")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(DamagedStoreError):
        Repository.open(disk.path)


def test_a_store_reached_by_a_symlink(disk: Repository, tmp_path: Path) -> None:
    """A symbolic link to a store is a store."""
    assert disk.path
    link = tmp_path / "link"
    link.symlink_to(disk.path)
    with Repository.open(link) as linked:
        linked.commit([draft()])
    assert disk.names() == ["features"]


def test_a_project_repository_does_not_see_the_store(disk: Repository, tmp_path: Path) -> None:
    """`git add .` in the project leaves the store out."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    run = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_store_of_somebody_else_is_read(disk: Repository) -> None:
    """Who owns a store doesn't matter for reading it."""
    assert disk.path
    disk.commit([draft()])
    for path in [disk.path, *disk.path.rglob("*")]:
        os.chown(path, 12345, 12345)
    with Repository.open(disk.path) as other:
        assert other.tip("features").number == 1


# ------------------------------------------------------------------------------ what is written


def test_a_small_save_writes_no_pack(disk: Repository) -> None:
    """A small save writes loose objects, and nothing for what is there already."""
    assert disk.path
    disk.commit([draft()])
    before = len(objects_of(disk.path))
    disk.commit([draft()])
    assert len(objects_of(disk.path)) - before == 3  # manifest, tree, commit
    assert not list((disk.path / "objects/pack").iterdir())


def test_a_large_value_is_written_once(disk: Repository) -> None:
    """A large save writes one pack; the same value again writes none."""
    assert disk.path
    packs = disk.path / "objects/pack"
    [first] = disk.commit([draft(data=BIG)])
    assert sorted(p.suffix for p in packs.iterdir()) == [".idx", ".pack"]
    [second] = disk.commit([draft(data=BIG, code="x = 2\n")])
    assert len(list(packs.iterdir())) == 2
    assert disk.read_part(second)("data.parquet") == disk.read_part(first)("data.parquet") == BIG
    assert not leftovers(disk.path) or leftovers(disk.path) == ["linea.lock"]
    fsck(disk.path)


def test_an_open_store_sees_what_others_save(disk: Repository) -> None:
    """A store that was opened before a save reads it, be it loose or packed."""
    assert disk.path
    with Repository.open(disk.path) as reader:
        disk.commit([draft(), draft("big", BIG)])
        assert reader.names() == ["big", "features"]
        assert reader.read_part(reader.tip("big"))("data.parquet") == BIG


def test_the_reflog_keeps_what_refs_were(disk: Repository) -> None:
    """Each save is a line of the artifact's reflog."""
    assert disk.path
    disk.commit([draft()])
    disk.commit([draft()])
    log = (disk.path / "logs/refs/linea/artifacts/features").read_text().splitlines()
    assert [line.split("\t")[1] for line in log] == ["save features"] * 2


def test_a_cache_that_lies_or_is_gone_is_rebuilt(disk: Repository) -> None:
    """The digest index is only a cache: garbage, a cut line or nothing in it loses no version."""
    assert disk.path
    saved = disk.commit([draft(), draft("b", b"2")])
    cache = disk.path / "cache/digests-1"
    assert disk.by_digest(saved[1].digest) == [saved[1]]
    whole = cache.read_bytes()
    for text in (b"", b"\xff\x00 garbage\n" * 3, whole[:-20], b"0" * 40 + b" xxh3:1:0 .\n"):
        cache.write_bytes(text)
        with Repository.open(disk.path) as again:
            assert again.by_digest(saved[1].digest) == [saved[1]]
            assert again.by_digest(saved[0].digest) == [saved[0]]


# --------------------------------------------------------------------------------------- damage


def damaged(path: Path, how: str) -> None:
    path.chmod(0o644)
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])


def read_all(repository: Repository) -> None:
    for name in repository.names():
        for version in repository.versions(name):
            repository.code(version)
            repository.session(version)
            repository.manifest(version)
            repository.preview(version)
            for part in version.value.parts:
                data = repository.read_part(version)(part.path)
                assert data == b"1" * 9, "damaged bytes were given as if they were right"


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped"])
def test_damage_to_any_loose_object_is_named(disk: Repository, how: str) -> None:
    """Each object of a version, damaged in turn, raises an error that names the artifact."""
    assert disk.path
    before = set(objects_of(disk.path))
    disk.commit([draft(data=b"1" * 9)])
    for path in sorted(set(objects_of(disk.path)) - before):
        kept = path.read_bytes()
        damaged(path, how)
        with Repository.open(disk.path) as fresh, pytest.raises(DamagedStoreError) as caught:
            read_all(fresh)
        assert "features" in caught.value.message or "commit" in caught.value.message
        path.write_bytes(kept)
    with Repository.open(disk.path) as fresh:
        read_all(fresh)


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped"])
def test_a_damaged_pack_is_named(disk: Repository, how: str) -> None:
    """A large part whose pack is damaged raises, and other artifacts are read all the same."""
    assert disk.path
    disk.commit([draft(data=BIG)])
    disk.commit([draft("small", code="1", session="2", environment=Environment("3.12"))])
    [pack] = (disk.path / "objects/pack").glob("*.pack")
    damaged(pack, how)
    with Repository.open(disk.path) as fresh:
        assert fresh.code(fresh.tip("small"))
        with pytest.raises(DamagedStoreError, match="features"):
            fresh.read_part(fresh.tip("features"))("data.parquet")


def test_a_ref_that_points_nowhere_is_named(disk: Repository) -> None:
    """A ref to a commit that isn't there names the artifact; the others are listed."""
    assert disk.path
    disk.commit([draft("a"), draft("b")])
    (disk.path / "refs/linea/artifacts/a").write_text("1" * 40 + "\n")
    with pytest.raises(DamagedStoreError, match=r"^a: object 1111"):
        disk.tip("a")
    assert disk.tip("b").number == 1


def test_a_damaged_artifact_does_not_hide_the_others(disk: Repository) -> None:
    """Versions of other artifacts are found by their digest while one is damaged."""
    assert disk.path
    _, b = disk.commit([draft("a"), draft("b", b"2")])
    (disk.path / "refs/linea/artifacts/a").write_text("1" * 40 + "\n")
    assert disk.by_digest(b.digest) == [b]


@pytest.mark.parametrize("text", ["", "garbage", "\x00" * 41])
def test_a_ref_that_cannot_be_read_is_named(disk: Repository, text: str) -> None:
    """A ref file that a crash of the machine left empty is damage, not a missing artifact."""
    assert disk.path
    disk.commit([draft("a")])
    (disk.path / "refs/linea/artifacts/a").write_text(text)
    with pytest.raises(DamagedStoreError, match="refs/linea/artifacts/a"):
        disk.tip("a")


def test_a_manifest_that_contradicts_its_commit_is_damage(disk: Repository) -> None:
    """A version's commit and manifest must agree on its name, number and digest."""
    import pygit2

    assert disk.path
    [version] = disk.commit([draft()])
    git = pygit2.Repository(str(disk.path))
    commit = git.get(version.commit)
    said = commit.message.replace("Linea-Version: 1", "Linea-Version: 7")
    new = git.create_commit(None, commit.author, commit.committer, said, commit.tree_id, [])
    git.references.create("refs/linea/artifacts/features", new, force=True)
    with pytest.raises(DamagedStoreError, match="contradicts"):
        disk.tip("features")


# ------------------------------------------------------------------- no space, no permission


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [0, 1, 100, 1000, 100_000])
def test_a_full_disk_loses_nothing(disk: Repository, limit: int) -> None:
    """A save without space says so, leaves nothing behind, and works once there is room."""
    assert disk.path
    [first] = disk.commit([draft()])
    with no_file_larger_than(limit), pytest.raises(StoreError):
        disk.commit([draft(data=BIG, session="x" * 300_000), draft("other")])
    assert disk.names() == ["features"]
    assert list(disk.versions("features")) == [first]
    assert [name for name in leftovers(disk.path) if name != "linea.lock"] == []
    fsck(disk.path)
    assert [v.number for v in disk.commit([draft(data=BIG), draft("other")])] == [2, 1]


READ = """
import os, sys
from linea.errors import StoreError
from linea.store import disk, parts  # before the folder of this Python is out of reach
from linea.store.repository import Repository
sys.path.insert(0, sys.argv[2])
from store.drafts import draft
os.setgid(12345); os.setuid(12345)
with Repository.open(sys.argv[1]) as repository:
    version = repository.tip("features")
    assert repository.read_part(version)("data.parquet") == b"1,2\\n"
    assert repository.by_digest(version.digest) == [version]
    try:
        repository.commit([draft()])
    except StoreError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_without_write_permission_a_store_is_read(disk: Repository, tmp_path: Path) -> None:
    """Who may only read a store reads all of it, and is told so when saving."""
    assert disk.path
    disk.commit([draft()])
    disk.path.chmod(0o755)
    for above in tmp_path.parents[:3]:
        above.chmod(above.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    tmp_path.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", READ, str(disk.path), str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "HOME": "/", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.returncode == 0, run.stderr
    assert "can't write to the store" in run.stdout


# ------------------------------------------------------------------------------ locks, journal


def test_a_busy_store_is_waited_for_and_its_holder_named(tmp_path: Path) -> None:
    """A save waits for the lock, and after its patience names the process that holds it."""
    path = tmp_path / ".linea"
    with Repository.create(path, patience=0.05) as repository:
        with lock.held(path / "linea.lock", patience=1):
            with pytest.raises(StoreError, match=f"process {os.getpid()}") as caught:
                repository.commit([draft()])
            assert caught.value.hint
        assert repository.commit([draft()])[0].number == 1


def test_a_lock_file_of_the_dead_is_removed(disk: Repository) -> None:
    """A ref's lock file that is older than ten seconds blocks nothing."""
    assert disk.path
    disk.commit([draft()])
    left = disk.path / "refs/linea/artifacts/features.lock"
    left.write_text("")
    os.utime(left, (time.time() - 60,) * 2)
    assert disk.commit([draft()])[0].number == 2
    assert not left.exists()


def test_a_lock_file_of_the_living_is_waited_for(tmp_path: Path) -> None:
    """A fresh lock file of stock git is waited for, then named, and never removed."""
    path = tmp_path / ".linea"
    with Repository.create(path, patience=0.05) as repository:
        repository.commit([draft()])
        left = path / "refs/linea/artifacts/features.lock"
        left.write_text("")
        with pytest.raises(StoreError, match="another process") as caught:
            repository.commit([draft()])
        assert str(left) in str(caught.value.hint)
        assert left.exists()


def test_a_lock_file_of_a_killed_writer_blocks_nothing(tmp_path: Path) -> None:
    """When the holder of the kernel's lock died, the lock files it left are removed at once."""
    path = tmp_path / ".linea"
    with Repository.create(path, patience=0.05) as repository:
        repository.commit([draft()])
        (path / "refs/linea/artifacts/features.lock").write_text("")
        (path / "packed-refs.lock").write_text("")
        (path / "linea.lock").write_text("4711\n")
        assert repository.commit([draft()])[0].number == 2
        repository.delete("features")
        assert (path / "linea.lock").read_text() == ""


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(disk: Repository) -> None:
    """A process forked while the lock was held blocks nobody when it was let go of."""
    assert disk.path
    with lock.held(disk.path / "linea.lock", patience=1):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        assert disk.commit([draft()])
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_without_kernel_locks_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system without flock, compare-and-swap alone numbers versions without a gap."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / ".linea"
    Repository.create(path).close()

    def save() -> None:
        with Repository.open(path) as repository:
            for _ in range(10):
                repository.commit([draft(), draft("other")])

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Repository.open(path) as repository:
        for name in ("features", "other"):
            assert [v.number for v in repository.versions(name)] == list(range(40, 0, -1))
        with pytest.raises(StoreError, match="can't tell whether others write") as caught:
            repository.gc(grace=timedelta(0))
        assert "linea gc --alone" in str(caught.value.hint)
        repository.commit([draft("large", random.Random(0).randbytes(300_000))])
        repository.delete("large")
        assert repository.gc(grace=timedelta(0), dry_run=True).freed > 200_000
        assert repository.gc(grace=timedelta(0), alone=True).freed > 200_000
        assert len(list(repository.versions("features"))) == 40
        assert repository.undo().kind == "delete"
    fsck(path)


def test_refs_that_were_decided_on_are_seen_and_moved(disk: Repository) -> None:
    """What a process that died between two refs had decided on is heeded by all."""
    assert disk.path
    disk.commit([draft("a"), draft("b")])
    a, b = disk.commit([draft("a", b"2"), draft("b", b"2")])
    assert b.previous
    ref = disk.path / "refs/linea/artifacts/b"
    ref.write_text(b.previous + "\n")
    moves = [
        ["refs/linea/artifacts/a", a.previous, a.commit],
        ["refs/linea/artifacts/b", b.previous, b.commit],
    ]
    (disk.path / "linea.journal").write_text(json.dumps({"reason": "save", "changes": moves}))
    with Repository.open(disk.path) as reader:
        assert [v.number for v in reader.tips()] == [2, 2]
    assert disk.commit([draft("c")])
    assert ref.read_text().strip() == b.commit
    assert not (disk.path / "linea.journal").exists()


def test_orphans_of_killed_writers_are_swept(disk: Repository) -> None:
    """Packs without an index and temporary files go once they are an hour old."""
    assert disk.path
    packs = disk.path / "objects/pack"
    packs.mkdir(exist_ok=True)
    old, new = packs / "tmp_pack_old", packs / "tmp_pack_new"
    orphan = packs / f"pack-{'0' * 40}.pack"
    for path in (old, new, orphan):
        path.write_bytes(b"PACK")
    for path in (old, orphan):
        os.utime(path, (time.time() - 7200,) * 2)
    disk.commit([draft(data=BIG)])
    assert (old.exists(), orphan.exists(), new.exists()) == (False, False, True)


def test_reading_imports_no_dulwich() -> None:
    """Opening and reading a store needs pygit2 alone."""
    code = "import sys, linea.store.repository, linea.store.disk; print('dulwich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_part_written_as_it_is_in_many_parts(disk: Repository) -> None:
    """A value of a thousand parts in folders is one pack, and each part is found."""
    parts = [(f"c{i % 10}/{i:04}.z", bytes([i % 256]) * 200) for i in range(1000)]
    [version] = disk.commit([draft(value=encoded(*parts))])
    read = disk.read_part(version)
    assert all(read(path) == data for path, data in parts)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells of open files elsewhere")
def test_a_closed_store_leaves_no_file_open(tmp_path: Path) -> None:
    """A session may save as often as it likes: files of small and large saves are closed again."""

    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    path = tmp_path / ".linea"
    counts = []
    for number in range(4):
        with Repository.create(path) as repository:
            data = random.Random(number).randbytes(100_000)
            repository.commit([draft("large", data), draft("small", b"%d" % number)])
            repository.tag(repository.tip("large"), "new")
            bytes(repository.read_part(repository.tip("large"))("data.parquet"))
        counts.append(opened())
    assert counts[1:] == counts[:1] * 3


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no config": lambda store: (store / "config").unlink(),
    "config cut off": lambda store: (store / "config").write_bytes(b"[core\n\0junk"),
    "empty config": lambda store: (store / "config").write_bytes(b""),
    "no HEAD": lambda store: (store / "HEAD").unlink(),
    "no description": lambda store: (store / "description").unlink(),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_folder_that_is_no_store_any_more_is_mended(tmp_path: Path, what: str) -> None:
    """Settings and the like that are lost are written anew; every version is there."""
    store = tmp_path / ".linea"
    with Repository.create(store) as repository:
        repository.commit([draft("a", b"1")])
        repository.commit([draft("a", b"2")])
    DAMAGE[what](store)
    with Repository.create(store) as repository:
        assert [version.number for version in repository.versions("a")] == [2, 1]
        repository.commit([draft("a", b"3")])
    with Repository.open(store) as repository:
        assert next(iter(repository.versions("a"))).number == 3


@pytest.mark.parametrize("content", ["", "notes", "git"])
def test_what_is_no_store_stays_as_it_is(tmp_path: Path, content: str) -> None:
    """A folder of somebody's own in the place of a store isn't made one, unless it is empty."""
    store = tmp_path / ".linea"
    store.mkdir()
    if content == "notes":
        (store / "notes.txt").write_text("mine")
    elif content == "git":
        subprocess.run(["git", "init", "--quiet", "--bare", str(store)], check=True)
    before = sorted(path.name for path in store.rglob("*"))
    if not content:
        with Repository.create(store) as repository:
            repository.commit([draft("a", b"1")])
        return
    with pytest.raises(StoreError) as caught:
        Repository.create(store).commit([draft("a", b"1")])
    assert "move it away" in str(caught.value)
    assert sorted(path.name for path in store.rglob("*")) == before
