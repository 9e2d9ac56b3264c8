"""Rows cached by commit: found again, and never wrong."""

from __future__ import annotations

from pathlib import Path

from linea.history.log import keep, log
from linea.store.backend import MemoryBackend
from linea.store.ledger import Ledger
from linea.store.repository import Repository

from .drafts import draft

COMMITS = [f"{number:040x}" for number in range(100)]


def filled(backend: MemoryBackend) -> Ledger:
    """A ledger of a hundred rows that was written down."""
    ledger = Ledger(backend, "rows-1")
    for number, commit in enumerate(COMMITS):
        ledger.put(commit, [number, "é\n", None])
    ledger.flush()
    return ledger


def test_rows_are_found_again() -> None:
    """What was put in is there for the next process, and no row is there that wasn't."""
    backend = MemoryBackend()
    filled(backend)
    fresh = Ledger(backend, "rows-1")
    assert [fresh.get(commit) for commit in COMMITS] == [[n, "é\n", None] for n in range(100)]
    assert fresh.get("f" * 40) is None


def test_a_few_rows_are_not_written() -> None:
    """A small store gets no cache at all."""
    backend = MemoryBackend()
    ledger = Ledger(backend, "rows-1")
    ledger.put(COMMITS[0], [1])
    ledger.flush()
    assert backend.cached("rows-1") is None
    assert ledger.get(COMMITS[0]) == [1]


def test_damage_is_absence() -> None:
    """With any byte of the cache changed, or its end cut off, each row is right or missing."""
    backend = MemoryBackend()
    filled(backend)
    whole = backend.cached("rows-1")
    assert whole is not None
    for at in range(0, len(whole), 23):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            backend.cache("rows-1", data, append=False)
            ledger = Ledger(backend, "rows-1")
            found = [ledger.get(commit) for commit in COMMITS]
            assert all(row in (None, [n, "é\n", None]) for n, row in enumerate(found))


def test_a_line_cut_off_spoils_no_other() -> None:
    """After a writer died in the middle of a line, the next one's rows are found."""
    backend = MemoryBackend()
    filled(backend)
    whole = backend.cached("rows-1")
    assert whole is not None
    backend.cache("rows-1", whole[:-20], append=False)
    filled(backend)
    assert Ledger(backend, "rows-1").get(COMMITS[0]) == [0, "é\n", None]
    assert Ledger(backend, "rows-1").get(COMMITS[-1]) == [99, "é\n", None]


def test_log_with_and_without_the_cache(tmp_path: Path) -> None:
    """A log says the same from the cache, without it, with another one's, and after a deletion."""

    def told() -> list[tuple[object, ...]]:
        with Repository.open(tmp_path / ".linea") as repository:
            return [
                (e.revision, e.commit, e.created, e.changes, e.added, e.version)
                for e in log(repository)
            ]

    with Repository.create(tmp_path / ".linea") as repository:
        for number in range(60):
            repository.commit([draft("a", b"%d" % number, code=f"x = {number // 3}\n")])
    first = told()
    assert list((tmp_path / ".linea" / "cache").glob("log-*"))
    assert told() == first
    with Repository.open(tmp_path / ".linea") as repository:
        repository.delete("a", 30)
    hidden = told()
    assert len(hidden) == 59
    for path in (tmp_path / ".linea" / "cache").iterdir():
        path.unlink()
    assert told() == hidden
    for path in (tmp_path / ".linea" / "cache").iterdir():
        path.write_bytes(b"\xff\x00 garbage\n" * 50)
    assert told() == hidden


def test_what_is_saved_is_listed_already(tmp_path: Path) -> None:
    """Rows of a version are written down as it is saved; a log from them is the one without."""
    with Repository.create(tmp_path / ".linea") as repository:
        for number in range(40):
            made = repository.commit([draft("a", b"%d" % number, code=f"x = {number // 3}\n")])
            keep(repository, made)
    cache = tmp_path / ".linea" / "cache"
    sizes = {path.name: path.stat().st_size for path in cache.iterdir()}
    assert sizes.keys() == {"entries-1", "log-3"}
    with Repository.open(tmp_path / ".linea") as repository:
        told = list(log(repository, "a"))
    assert {path.name: path.stat().st_size for path in cache.iterdir()} == sizes
    for path in cache.iterdir():
        path.unlink()
    with Repository.open(tmp_path / ".linea") as repository:
        assert list(log(repository, "a")) == told
