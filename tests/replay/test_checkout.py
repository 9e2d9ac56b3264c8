"""Versions as files on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from linea import values
from linea.errors import ReplayError, StoreError, WouldOverwriteError
from linea.replay import checkout as module
from linea.replay.checkout import checkout, file_stem, target_path
from linea.store.repository import Repository

from .conftest import Store


def test_value_and_code(project: Path, repository: Repository, store: Store) -> None:
    """A version comes back as its natural file and its code."""
    version = store("notes", "hello", "x = 'hello'")
    paths = checkout(repository, version, project / "out")
    assert [path.name for path in paths] == ["notes.txt", "notes.py"]
    assert [path.read_text() for path in paths] == ["hello", "x = 'hello'\n"]


def test_a_table_comes_back_as_parquet(project: Path, repository: Repository, store: Store) -> None:
    """A table is written as Parquet that pandas reads back."""
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [1, 2]})
    version = store("t", table, "x = 1")
    (path,) = checkout(repository, version, project, code=False)
    assert path.name == "t.parquet"
    assert pd.read_parquet(path).equals(table)


def test_work_is_never_overwritten(project: Path, repository: Repository, store: Store) -> None:
    """A file that is in no version stops the checkout before anything is written."""
    version = store("notes", "hello", "x = 'hello'")
    (project / "notes.py").write_text("my own work\n")
    with pytest.raises(WouldOverwriteError, match=r"notes\.py.*--force"):
        checkout(repository, version, project)
    assert (project / "notes.py").read_text() == "my own work\n"
    assert not (project / "notes.txt").exists()


def test_known_versions_are_replaced(project: Path, repository: Repository, store: Store) -> None:
    """A file that holds another version gives way; checking out twice changes nothing."""
    first, second = store("notes", "one", "x = 'one'"), store("notes", "two", "x = 'two'")
    for version in (first, second, second, first):
        checkout(repository, version, project)
    assert (project / "notes.txt").read_text() == "one"


def test_force(project: Path, repository: Repository, store: Store) -> None:
    """With force, unknown files are overwritten."""
    version = store("notes", "hello", "x = 'hello'")
    (project / "notes.txt").write_text("mine")
    checkout(repository, version, project, force=True)
    assert (project / "notes.txt").read_text() == "hello"


def test_a_file_keeps_its_name(project: Path, repository: Repository, store: Store) -> None:
    """A file given by path comes back under its own name."""
    (project / "report.html").write_text("<p>hi")
    encoded = values.settled(values.encode_path(project / "report.html"))
    version = store("report", None, "x = 1", encoded=encoded)
    paths = checkout(repository, version, project / "out", code=False)
    assert [(path.name, path.read_text()) for path in paths] == [("report.html", "<p>hi")]


STEMS = {
    "model": "model",
    "fancy iris": "fancy iris",
    "データ": "データ",
    "a/b": "a%2Fb",
    "a%2Fb": "a%252Fb",
    "../../etc/passwd": "%2E.%2F..%2Fetc%2Fpasswd",
    ".hidden": "%2Ehidden",
    "con": "%63on",
    "NUL.txt": "%4EUL.txt",
    "ends.": "ends%2E",
    "c:\\x": "c%3A%5Cx",
    "100% sure": "100% sure",
}


@pytest.mark.parametrize("name", STEMS)
def test_names_are_made_safe(name: str) -> None:
    """An artifact's name becomes a file name that stays in its folder on every system."""
    assert file_stem(name) == STEMS[name]


def test_long_names_stay_apart() -> None:
    """Long names are cut to what a file system takes and still differ."""
    names = ["デ" * 300 + "a", "デ" * 300 + "b"]
    stems = [file_stem(name) for name in names]
    assert len(set(stems)) == 2
    assert all(len(stem.encode()) < 200 for stem in stems)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".git/hooks/x", "c:x"])
def test_stored_names_cannot_lead_out(tmp_path: Path, name: str) -> None:
    """A file name from a store that would leave the folder is refused."""
    with pytest.raises(ReplayError, match="would lead out"):
        target_path(tmp_path, name)


def test_links_cannot_lead_out(tmp_path: Path) -> None:
    """A stored folder isn't written through a link that leads elsewhere."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "sub").symlink_to(tmp_path)
    with pytest.raises(ReplayError, match="would lead out"):
        target_path(tmp_path / "to", "sub/x")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    """A write that fails half-way leaves what was there, and no litter."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        module.write(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_store_that_may_only_be_read(
    project: Path, repository: Repository, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives its values; that files hold them now can't be noted."""

    def denied(*_: object) -> None:
        raise StoreError("can't write to the store")

    version = store("notes", "hello", "x = 'hello'")
    monkeypatch.setattr(repository, "remember_exports", denied)
    assert len(checkout(repository, version, project / "out")) == 2
