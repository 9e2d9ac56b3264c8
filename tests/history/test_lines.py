"""The log of a long history, kept in one piece: the same as worked out, whatever was done since."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from linea.errors import LineaError
from linea.history import lines, log
from linea.model import ArtifactName
from linea.store.repository import Repository
from tests.store.drafts import draft

NAMES = ("a", "b")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pieces are written and used for a handful of versions."""
    monkeypatch.setattr(lines, "MANY", 3)
    monkeypatch.setattr(log, "FEW", 2)
    yield


def told(path: Path) -> list[object]:
    """What every log says: of each artifact, of all, of a few, from a version on."""
    with Repository.open(path) as repository:
        found: list[object] = []
        for name in (None, *repository.names()):
            found += [list(log.log(repository, name)), list(log.log(repository, name, limit=4))]
            found += [[e.changes for e in log.log(repository, name)]]
        for name in repository.names():
            for number in (2, 5):
                with contextlib.suppress(LineaError):
                    start = repository.version(name, number)
                    found.append(list(log.log(repository, name, start=start)))
        return found


def change(path: Path, drawn: random.Random, number: int) -> None:
    """Do one of the things that change which versions there are."""
    name = ArtifactName(drawn.choice(NAMES))
    with Repository.open(path) as repository, contextlib.suppress(LineaError):
        match drawn.randrange(10):
            case 0:
                repository.delete(name, drawn.randrange(1, 12))
            case 1:
                repository.restore(name, drawn.randrange(1, 12))
            case 2:
                repository.delete(name)
            case 3:
                repository.restore(name)
            case 4 | 5:
                repository.undo()
            case _:
                for at in range(drawn.randrange(1, 5)):
                    code = f"x = {number // 2}\n"
                    repository.commit([draft(name, b"%d %d" % (number, at), code=code)])


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(3))
def test_the_log_is_never_out_of_date(tmp_path: Path, seed: int) -> None:
    """After saves, deletions, restores and undos a log says what it would without its cache."""
    drawn = random.Random(seed)
    path = tmp_path / ".linea"
    cache, aside = path / "cache", tmp_path / "aside"
    Repository.create(path).close()
    pieces = 0
    for number in range(16):
        change(path, drawn, number)
        cached = told(path)
        pieces += any(cache.glob("lines-*"))
        if cache.exists():
            cache.rename(aside)
        assert told(path) == cached
        if aside.exists():
            for each in cache.glob("*"):
                each.unlink()
            cache.exists() and cache.rmdir()
            aside.rename(cache)
    assert pieces > 6


@pytest.mark.usefixtures("eager")
def test_a_damaged_piece_is_none(tmp_path: Path) -> None:
    """With any byte of a piece changed, or its end cut off, a log says the same."""
    path = tmp_path / ".linea"
    with Repository.create(path) as repository:
        for number in range(8):
            repository.commit([draft("a", b"%d" % number, code=f"x = {number}\n")])
        first = list(log.log(repository, ArtifactName("a")))
    (piece,) = (path / "cache").glob("lines-*")
    piece.chmod(0o600)
    whole = piece.read_bytes()
    for at in range(0, len(whole), 97):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            piece.write_bytes(data)
            with Repository.open(path) as repository:
                assert list(log.log(repository, ArtifactName("a"))) == first


@pytest.mark.usefixtures("eager")
def test_a_long_log_is_not_worked_out_again(tmp_path: Path) -> None:
    """Once it was told, a long history is told from one piece: no commit but the newest is read."""
    path = tmp_path / ".linea"
    with Repository.create(path) as repository:
        for number in range(30):
            repository.commit([draft("a", b"%d" % number)])
        first = list(log.log(repository, ArtifactName("a")))
    for each in (path / "cache").iterdir():
        if not each.name.startswith("lines-"):
            each.unlink()
    with Repository.open(path) as repository:
        read: list[str] = []
        original = repository._backend.read
        repository._backend.read = (  # type: ignore[method-assign]
            lambda id, **options: read.append(id) or original(id, **options)
        )
        assert list(log.log(repository, ArtifactName("a"))) == first
    assert len(read) < 5
