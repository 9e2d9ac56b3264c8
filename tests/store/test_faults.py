"""A disk that is full or broken, permission taken away, signals: what was there stays, and goes on."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pygit2
import pytest

from linea.errors import LineaError, StoreError
from linea.store.repository import Repository

from .drafts import draft
from .test_deaths import CHANGES, Change, _comparable, state
from .test_deaths import original as original
from .test_deaths import store as store
from .test_upkeep import large, md5

WRITES = (
    "write", "pwrite", "fsync", "rename", "replace", "mkdir", "unlink", "ftruncate", "fchmod", "link",
)  # fmt: skip
"""Calls that fail on a full or broken disk; opening a file to write is one more."""

BY_NAME = {change.name: change for change in CHANGES}


def in_child(act: Callable[[], object]) -> tuple[bool, str]:
    """Run in a process of its own; give whether it succeeded, and the error where it didn't."""
    reads, writes = os.pipe()
    child = os.fork()
    if child:
        os.close(writes)
        with os.fdopen(reads, "rb") as answer:
            said = answer.read().decode()
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended in (0, 3), said
        return ended == 0, said
    status = 9
    send = os.write
    try:
        act()
        status = 0
    except LineaError as error:
        send(writes, f"{type(error).__name__}: {error} ({error.hint})".encode())
        status = 3
    except BaseException:
        send(writes, b"not ours: " + traceback.format_exc().encode())
    finally:
        os._exit(status)


def failing(path: Path, change: Change, step: int, number: int) -> tuple[bool, str, bool]:
    """Make a change in a process whose disk fails from its step of this number on."""
    reached = path.parent / "reached"
    reached.unlink(missing_ok=True)

    def act() -> None:
        count = 0

        def counting(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count == step:
                    real_close(real_open(reached, os.O_CREAT | os.O_WRONLY))
                if count >= step:
                    raise OSError(number, os.strerror(number))
                return call(*args, **options)

            return counted

        real_open, real_close = os.open, os.close
        with Repository.open(path, patience=2) as repository:
            for name in WRITES:
                setattr(os, name, counting(getattr(os, name)))
            change.make(repository)

    done, said = in_child(act)
    return done, said, reached.exists()


def assert_goes_on(path: Path, what: str) -> None:
    """Nothing is damaged, and the next save and gc work."""
    with Repository.open(path, patience=5) as repository:
        assert repository.fsck(md5).problems == (), what
        number = repository.tip("small").number
        [version] = repository.commit([draft("small", b"the next one"), draft("new", large(3))])[:1]
        assert version.number == number + 1
        repository.gc()
        assert repository.fsck(md5).problems == (), what
        if (path / "config.lock").exists():
            # Not even that could be removed. Once it is no running process's, the next save does it.
            os.utime(path / "config.lock", (time.time() - 60,) * 2)
            repository.commit([draft("small", b"one more")])
    assert [p for p in path.rglob("*.lock") if p.name != "linea.lock"] == [], what


def swept(original: Path, store: Path, change: Change, number: int, every: int, first: int) -> int:
    before = _comparable(state(original))
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(original, store)
    with Repository.open(store) as repository:
        change.make(repository)
    after = _comparable(state(store))
    faults = 0
    for step in range(first, 2_000, every):
        shutil.rmtree(store)
        shutil.copytree(original, store)
        done, said, reached = failing(store, change, step, number)
        if not reached:
            break
        faults += 1
        what = f"{change.name}, step {step}: {said}"
        if change.name != "merge":
            assert _comparable(state(store)) in ((after,) if done else (before, after)), what
        assert_goes_on(store, what)
    return faults


SWEPT = ("small save", "large save", "block", "delete one", "undo", "gc")


@pytest.mark.parametrize("name", SWEPT)
def test_a_disk_that_fills_up(original: Path, store: Path, name: str) -> None:
    """From any step on nothing can be written: an error of ours, and a store as before or after."""
    assert swept(original, store, BY_NAME[name], errno.ENOSPC, every=11, first=2) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_a_disk_that_breaks_at_any_step(original: Path, store: Path, name: str) -> None:
    """As above, at each step, with the error of a broken disk."""
    if not os.environ.get("LINEA_FULL_SWEEP"):
        pytest.skip("takes minutes: set LINEA_FULL_SWEEP")
    print(name, swept(original, store, BY_NAME[name], errno.EIO, every=1, first=1))


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file may grow past this: as on a full disk, for libgit2's writes too."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    yield


@pytest.mark.parametrize("size", [0, 1, 30, 60, 130, 300, 1_000, 5_000, 40_000])
def test_files_that_cannot_grow(original: Path, store: Path, size: int) -> None:
    """A save that can't write its files, of ours or of libgit2's, leaves nothing half done."""
    shutil.copytree(original, store)
    before = _comparable(state(store))

    def act() -> None:
        with limited(size), Repository.open(store, patience=2) as repository:
            repository.commit([draft("small", b"2"), draft("big", large(9)), draft("x", b"y")])

    done, said = in_child(act)
    assert done is False and "write" in said
    assert _comparable(state(store)) == before
    assert_goes_on(store, f"{size}: {said}")


def as_nobody(act: Callable[[], object]) -> tuple[bool, str]:
    """Run as a user who may do nothing special."""

    def acting() -> None:
        if os.getuid() == 0:
            # libgit2 knows another home already, which this user can't look into.
            for level in (pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG):
                pygit2.settings.search_path[level] = "/nonexistent"
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        act()

    return in_child(acting)


@pytest.fixture
def shared(original: Path) -> Iterator[Path]:
    """A copy of the store where another user reaches it."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="linea-faults-"))
    folder.chmod(0o755)
    shutil.copytree(original, folder / ".linea")
    yield folder / ".linea"
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def opened_up(path: Path, *, writable: bool) -> None:
    for each in [path, *path.rglob("*")]:
        each.chmod(
            (0o777 if writable else 0o555) if each.is_dir() else (0o666 if writable else 0o444)
        )


def test_a_store_that_may_only_be_read(shared: Path) -> None:
    """Everything is read; a save says what is wrong and that nothing was saved."""
    opened_up(shared, writable=False)
    expected = state(shared)

    def read() -> None:
        assert state(shared) == expected
        with Repository.open(shared) as repository:
            assert repository.fsck(md5).problems == ()
            assert repository.operations()

    def write() -> None:
        with Repository.open(shared) as repository:
            repository.commit([draft("small", b"2")])

    assert as_nobody(read) == (True, "")
    done, said = as_nobody(write)
    assert not done and said.startswith("StoreError: can't write to the store"), said
    assert state(shared) == expected


@pytest.mark.parametrize(
    "taken", ["objects", "objects/pack", "refs", "refs/linea/artifacts", "linea.lock", "."]
)
def test_permission_is_taken_away(shared: Path, taken: str) -> None:
    """Where one folder can't be written any more, a save fails whole; given back, it works."""
    opened_up(shared, writable=True)
    place = shared / taken
    mode = 0o555 if place.is_dir() else 0o444
    inside = [each for each in place.rglob("*") if each.is_dir()] if place != shared else []
    for each in [place, *inside]:
        each.chmod(mode)
    before = state(shared)

    def write() -> None:
        with Repository.open(shared, patience=2) as repository:
            repository.commit([draft("fresh", b"2"), draft("big", large(9))])

    done, said = as_nobody(write)
    if not done:
        assert said.startswith("StoreError: can't"), said
        assert state(shared) == before
    opened_up(shared, writable=True)
    assert as_nobody(write) == (True, "")
    assert_goes_on(shared, taken)


def test_a_store_whose_place_is_gone_or_hidden(shared: Path) -> None:
    """A store that may not be looked into is said to be that, not to be none."""
    shared.chmod(0o000)

    def read() -> None:
        with Repository.open(shared) as repository:
            repository.names()

    done, said = as_nobody(read)
    assert not done and "StoreError" in said, said
    shared.chmod(0o755)


def test_ended_by_signals(original: Path, store: Path) -> None:
    """SIGTERM and Ctrl-C at many moments of saves, blocks and gcs: nothing stands in the way."""
    shutil.copytree(original, store)
    program = """
import sys, itertools
from datetime import timedelta
sys.path.insert(0, sys.argv[2])
from linea.store.repository import Repository
from tests.store.drafts import draft
from tests.store.test_upkeep import large
print("ready", flush=True)
for seed in itertools.count():
    with Repository.open(sys.argv[1]) as repository:
        repository.commit([draft("small", b"%d" % seed), draft("big", large(seed % 7))])
        staging = repository.staging()
        for number in range(3):
            staging.save(draft("block", b"%d" % number))
        staging.commit()
        staging.close()
        if seed % 3 == 0:
            repository.gc(grace=timedelta(0))
"""
    import subprocess

    root = str(Path(__file__).parents[2])
    for turn in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(store), root],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.02 + turn * 0.023)
        child.send_signal(signal.SIGTERM if turn % 2 else signal.SIGINT)
        child.wait(20)
        child.stdout.close()
        with Repository.open(store, patience=5) as repository:
            number = repository.tip("small").number
            [version] = repository.commit([draft("small", b"next")])
            assert version.number == number + 1
            if "block" in repository.names():
                assert repository.tip("block").number % 3 == 0
    with Repository.open(store) as repository:
        assert repository.fsck(md5).problems == ()
    assert [p for p in store.rglob("*.lock") if p.name != "linea.lock"] == []


def test_the_error_says_that_nothing_was_saved(store: Path, original: Path) -> None:
    """What to do stands in the hint."""
    shutil.copytree(original, store)

    def act() -> None:
        with limited(0), Repository.open(store, patience=2) as repository:
            repository.commit([draft("small", b"2")])

    _, said = in_child(act)
    assert "nothing was saved" in said and "make room" in said
    assert issubclass(StoreError, LineaError)


@pytest.mark.parametrize("tags", [(), ("t",), ("t", "u", "v", "w")])
def test_a_failure_of_git(store: Path, tags: tuple[str, ...]) -> None:
    """Where libgit2 fails to move refs, what is said of the save is so, and no lock file stays."""
    path = store.parent / "broken"
    with Repository.create(path, patience=2) as repository:
        repository.commit([draft("a", b"1")])
        log = path / "logs/refs/linea/artifacts/a"
        log.rename(log.with_name("aside"))
        log.mkdir()
        (log / "in the way").touch()
        try:
            repository.commit([draft("a", b"2", tags=tags)])
            saved = 2
        except StoreError as error:
            assert "can't write" in error.message
            saved = 1
        assert [each for each in path.rglob("*.lock") if each.name != "linea.lock"] == []
        assert repository.tip("a").number == saved
        shutil.rmtree(log)
        [made] = repository.commit([draft("a", b"3", tags=tags)])
        assert made.number == saved + 1
        assert repository.tags("a") == dict.fromkeys(tags, made.number)
