"""Processes that die at any step of any change of a store: nothing is lost, nothing blocks."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from linea.model import Parent, Verdict
from linea.store.repository import Repository
from linea.store.upkeep import Policy

from .drafts import NOON, draft
from .test_upkeep import flip, large, md5

STEPS = (
    "write", "pwrite", "fsync", "rename", "replace", "open", "close", "fchmod", "chmod", "unlink",
    "mkdir", "rmdir", "utime", "ftruncate",
)  # fmt: skip
"""The calls by which files change."""


class Change(NamedTuple):
    """A change of a store, as a person or a program makes it."""

    name: str
    make: Callable[[Repository], object]


def _repair(repository: Repository) -> None:
    assert repository.path is not None
    repository.repair(repository.fsck(md5), [repository.path.parent / "copy"])


def _block(repository: Repository) -> None:
    staging = repository.staging()
    made = staging.save(draft("block", large(60)))
    staging.save(draft("block", large(61)))
    parent = Parent(made.name, made.number, made.commit, made.digest)
    staging.save(draft("small", b"block", parents=(parent,)))
    staging.commit()
    staging.close()


CHANGES = [
    Change("small save", lambda r: r.commit([draft("small", b"new", tags=("t",))])),
    Change("large save", lambda r: r.commit([draft("big", large(50, 400_000))])),
    Change(
        "several", lambda r: r.commit([draft("a", b"1"), draft("big", large(51)), draft("c", b"3")])
    ),
    Change("block", _block),
    Change("tag", lambda r: r.tag(r.tip("big"), "prod")),
    Change("delete one", lambda r: r.delete("big", 2)),
    Change("delete all", lambda r: r.delete("big")),
    Change("save again", lambda r: r.commit([draft("gone", b"again")])),
    Change("verdict", lambda r: r.set_verdict(r.tip("big"), Verdict("identical", NOON))),
    Change("undo", lambda r: r.undo()),
    Change("gc", lambda r: r.gc(grace=timedelta(0))),
    Change("drop values", lambda r: r.gc(policy=Policy(proven=False))),
    Change("merge", lambda r: [r.commit([draft("many", large(n, 70_000))]) for n in range(4)]),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something of everything."""
    path = tmp_path_factory.mktemp("deaths") / ".linea"
    with Repository.create(path) as repository:
        repository.commit([draft("small", b"1,2\n")])
        for seed in range(3):
            repository.commit([draft("big", large(seed))])
        for seed in range(40, 43):
            repository.commit([draft("many", large(seed, 70_000))])
        repository.commit([draft("gone", b"gone")])
        repository.delete("gone")
        repository.tag(repository.version("big", 1), "good")
    return path


@pytest.fixture
def store(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for copies of the store; few packs are many there."""
    monkeypatch.setattr("linea.store.packing.MANY_PACKS", 8)
    yield tmp_path / ".linea"


def state(path: Path) -> dict[str, Any]:
    """All that can be read of a store, values included where they are there."""
    with Repository.open(path) as repository:
        found: dict[str, Any] = {"deleted": tuple(repository.deleted())}
        for name in repository.names():
            versions = tuple(
                (v.number, v.commit, repository.verdict(v), repository.code(v))
                for v in repository.versions(name)
            )
            found[name] = (versions, tuple(sorted(repository.tags(name).items())))
        return found


def dies(path: Path, change: Change, step: int) -> bool:
    """Make a change in a process that ends before its step of this number; False: it came through."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    status = 1
    try:
        with Repository.open(path) as repository:
            count = 0

            def counting(call: Callable[..., Any]) -> Callable[..., Any]:
                def counted(*args: Any, **options: Any) -> Any:
                    nonlocal count
                    count += 1
                    if count == step:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*args, **options)

                return counted

            for name in STEPS:
                setattr(os, name, counting(getattr(os, name)))
            change.make(repository)
            status = 0
    finally:
        os._exit(status)


def swept(original: Path, store: Path, change: Change, every: int, first: int) -> int:
    """Let a change die at every so manieth step; give how many deaths there were."""
    before = state(original)
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(original, store)
    with Repository.open(store) as repository:
        change.make(repository)
    after = _comparable(state(store))
    deaths = 0
    for step in range(first, 5_000, every):
        shutil.rmtree(store)
        shutil.copytree(original, store)
        if not dies(store, change, step):
            break
        deaths += 1
        now = _comparable(state(store))
        if change.name != "merge":
            assert now in (_comparable(before), after), f"{change.name}, step {step}"
        with Repository.open(store, patience=5) as repository:
            found = repository.fsck(md5).problems
            assert found == (), f"{change.name}, step {step}: {found}"
            repository.operations()
            number = repository.tip("small").number
            [version] = repository.commit([draft("small", b"the next one")])
            assert version.number == number + 1
            repository.gc()
            assert repository.fsck(md5).problems == ()
        leftover = [p for p in store.rglob("*.lock") if p.name != "linea.lock"]
        assert leftover == []
    return deaths


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    """A state without the commits, which hold the time, of what the change itself makes."""
    return {
        name: each
        if name == "deleted"
        else (tuple((number, said, code) for number, _, said, code in each[0]), each[1])
        for name, each in found.items()
    }


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.name)
def test_death_at_some_steps(original: Path, store: Path, change: Change) -> None:
    """Killed at every 23rd step of a change, a store is as before it or as after it."""
    assert swept(original, store, change, every=23, first=3) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.name)
def test_death_at_any_step(original: Path, store: Path, change: Change) -> None:
    """Killed at any step of a change, a store is as before it or as after it."""
    if not os.environ.get("LINEA_FULL_SWEEP"):
        pytest.skip("takes minutes: set LINEA_FULL_SWEEP")
    deaths = swept(original, store, change, every=1, first=1)
    print(change.name, deaths)
    assert deaths > 10


def test_death_at_any_step_of_a_repair(original: Path, store: Path) -> None:
    """A repair that dies leaves no more damage than there was, and the next one repairs."""
    copy = store.parent / "copy"
    shutil.copytree(original, copy)
    for step in range(2, 5_000, 17):
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(original, store)
        for path in sorted((store / "objects/pack").glob("*.pack"))[:2]:
            flip(path, path.stat().st_size // 2)
        died = dies(store, Change("repair", _repair), step)
        with Repository.open(store, patience=5) as repository:
            _repair(repository)
            assert repository.fsck(md5).problems == ()
        if not died:
            break


def test_interrupted(original: Path, store: Path) -> None:
    """Ctrl-C at a random moment of many saves leaves a store that goes on."""
    shutil.copytree(original, store)
    moments = random.Random(1)
    for _ in range(12):
        child = os.fork()
        if not child:
            # A shell's background processes begin with it ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                with Repository.open(store) as repository:
                    for seed in range(10_000):
                        repository.commit([draft("small", b"%d" % seed), draft("big", large(seed))])
            except KeyboardInterrupt:
                os._exit(130)
            finally:
                os._exit(1)
        time.sleep(moments.uniform(0.02, 0.2))
        os.kill(child, signal.SIGINT)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
        with Repository.open(store, patience=5) as repository:
            number = repository.tip("small").number
            assert repository.tip("big").number >= 3
            [version] = repository.commit([draft("small", b"next")])
            assert version.number == number + 1
    with Repository.open(store) as repository:
        assert repository.fsck(md5).problems == ()
        numbers = [entry.number for entry in repository.entries("big")]
        assert numbers == list(range(len(numbers), 0, -1))
