"""Many writers, and writers that are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linea.store.repository import Repository

from .drafts import draft
from .test_disk import fsck, read_all

TESTS = str(Path(__file__).parents[1])

WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from store.drafts import draft
from linea.store.repository import Repository
with Repository.open(sys.argv[1]) as repository:
    for number in range(int(sys.argv[3])):
        repository.commit([draft(name, b"1" * 9) for name in sys.argv[4:]])
"""

RESTLESS = """
import itertools, sys
sys.path.insert(0, sys.argv[2])
from store.drafts import draft
from linea.store.repository import Repository
with Repository.open(sys.argv[1]) as repository:
    for number in itertools.count():
        [version, *_] = repository.commit([
            draft("features", b"1" * 9, session=f"{number}" * 40, tags=("prod",)),
            draft("big", str(number).encode() * 40_000),
        ])
        print(version.number, flush=True)
"""


def start(program: str, path: Path, *args: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path), TESTS, *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(Path(TESTS).parent)},
        text=True,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.slow
def test_eight_writers_number_every_version(tmp_path: Path) -> None:
    """Of 8 processes × 50 saves on one artifact all 400 are there, numbered without a gap."""
    path = tmp_path / ".linea"
    Repository.create(path).close()
    writers = [start(WRITER, path, 50, "features") for _ in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    with Repository.open(path) as repository:
        versions = list(repository.versions("features"))
    assert [version.number for version in versions] == list(range(400, 0, -1))
    assert [v.previous for v in versions] == [*(v.commit for v in versions[1:]), None]
    fsck(path)


@pytest.mark.slow
def test_readers_never_see_half_a_save(tmp_path: Path) -> None:
    """Two artifacts saved together by several processes never differ by more than a save."""
    path = tmp_path / ".linea"
    Repository.create(path).close()
    writers = [start(WRITER, path, 15, "a", "b") for _ in range(3)]
    with Repository.open(path) as repository:
        while any(writer.poll() is None for writer in writers):
            if repository.names():
                before = repository.tip("a").number
                between = repository.tip("b").number
                after = repository.tip("a").number
                assert before <= between <= after
        assert repository.names() == ["a", "b"]
        assert repository.tip("a").number == repository.tip("b").number == 45
        read_all(repository)


@pytest.mark.slow
def test_killed_writers_lose_nothing(tmp_path: Path) -> None:
    """After each of 40 kills at random moments all that was reported saved is there and whole."""
    path = tmp_path / ".linea"
    Repository.create(path).close()
    moments = random.Random(4)
    for _ in range(40):
        writer = start(RESTLESS, path, stdout=subprocess.PIPE)
        assert writer.stdout
        reported = int(writer.stdout.readline())
        time.sleep(moments.uniform(0, 0.08))
        writer.kill()
        reported = max([reported, *map(int, writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        with Repository.open(path, patience=5) as repository:
            tips = {tip.name: tip.number for tip in repository.tips()}
            assert tips["features"] == tips["big"] >= reported
            assert repository.tags("features") == {"prod": tips["features"]}
            [version] = repository.commit([draft("features", b"1" * 9)])
            assert version.number == tips["features"] + 1
            repository.commit([draft("big", b"1" * 9)])
    fsck(path)
    with Repository.open(path) as repository:
        numbers = [version.number for version in repository.versions("features")]
        assert numbers == list(range(len(numbers), 0, -1))
        for version in repository.versions("big"):
            repository.read_part(version)("data.parquet")


STEPS = """
import os, sys
sys.path.insert(0, sys.argv[2])
from store.drafts import draft
from linea.store import disk
from linea.store.repository import Repository
deadly, count = int(sys.argv[3]), 0

def deadline(call):
    def counted(*args, **kwargs):
        global count
        count += 1
        if count == deadly:
            os._exit(9)
        return call(*args, **kwargs)
    return counted

with Repository.open(sys.argv[1]) as repository:
    for name in ("fsync", "write", "rename", "open", "close", "fchmod", "unlink"):
        setattr(os, name, deadline(getattr(os, name)))
    repository.commit([draft("features", b"1" * 9, tags=("prod",)), draft("big", b"2" * 90_000)])
os._exit(0)
"""


@pytest.mark.slow
def test_death_at_any_step_of_a_save_loses_nothing(tmp_path: Path) -> None:
    """A process that ends at the nth system call of a save, for each n, harms nothing."""
    path = tmp_path / ".linea"
    with Repository.create(path) as repository:
        repository.commit([draft("features", b"1" * 9), draft("big", b"1" * 9)])
    for step in range(1, 1000, 3):
        if start(STEPS, path, step).wait() == 0:
            break
        with Repository.open(path, patience=5) as repository:
            before = {tip.name: tip.number for tip in repository.tips()}
            assert before["features"] == before["big"]
            for version in repository.versions("big"):
                repository.read_part(version)("data.parquet")
            repository.commit([draft("features", b"1" * 9), draft("big", b"1" * 9)])
            assert repository.tip("big").number == before["big"] + 1
    else:
        pytest.fail("a save takes more steps than that?")
    assert step > 10
    fsck(path)
