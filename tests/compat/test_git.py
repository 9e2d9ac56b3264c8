"""What stock git makes of a store."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from linea.model import Parent, Verdict, Version
from linea.store import refs
from linea.store.repository import Repository
from tests.store.drafts import clock, draft, encoded

BIG = bytes(range(256)) * 2000


def git(path: Path, *args: str) -> str:
    run = subprocess.run(
        ["git", "--git-dir", str(path), *args], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Repository]:
    """A store with a table of three versions, a model made from it, tags, notes and a deletion."""
    with Repository.create(tmp_path / ".linea", clock=clock) as repository:
        for data in (b"1", BIG, b"3"):
            [table] = repository.commit([draft("feature table", data, tags=("latest",))])
        parent = Parent(table.name, table.number, table.commit, table.digest)
        [model] = repository.commit([draft("Model", b"m", parents=(parent,), message="a model")])
        repository.set_verdict(model, Verdict("identical", clock()))
        repository.commit([draft("old", b"old")])
        repository.delete("old")
        repository.delete("feature table", 1)
        yield repository


def path_of(store: Repository) -> Path:
    assert store.path
    return store.path


def everything(store: Repository) -> list[tuple[Version, str, bytes]]:
    found = []
    for name in store.names():
        for version in store.versions(name):
            part = store.read_part(version)(version.value.parts[0].path)
            found.append((version, store.code(version), part))
    return found


def test_fsck_finds_nothing(store: Repository) -> None:
    """`git fsck --strict` is silent about a store, an empty one too."""
    assert git(path_of(store), "fsck", "--strict", "--full") == ""


def test_fsck_finds_nothing_in_an_empty_store(tmp_path: Path) -> None:
    """An empty store has all that git wants."""
    with Repository.create(tmp_path / ".linea") as repository:
        assert git(path_of(repository), "fsck", "--strict") == ""
        assert "A linea store" in git(path_of(repository), "log")


def test_the_log_shows_every_version(store: Repository) -> None:
    """`git log --graph --all` shows versions, lineage and messages."""
    shown = git(path_of(store), "log", "--graph", "--all", "--format=%s")
    for subject in ("a model", "feature table v1", "feature table v3", "old v1"):
        assert subject in shown


def test_first_parents_are_the_versions(store: Repository) -> None:
    """The first-parent history of a later version is that of its artifact."""
    ref = "refs/linea/artifacts/feature%20table"
    shown = git(
        path_of(store), "log", "--first-parent", "--format=%(trailers:key=Linea-Version)", ref
    )
    assert shown.split() == ["Linea-Version:", "3", "Linea-Version:", "2", "Linea-Version:", "1"]


def test_a_version_is_read_with_git_alone(store: Repository) -> None:
    """`git show` gives the code, the manifest and the bytes of a value."""
    path, tip = path_of(store), store.tip("Model")
    assert git(path, "show", f"{tip.commit}:code.py") == store.code(tip)
    assert '"digest"' in git(path, "show", f"{tip.commit}:artifact.json")
    assert git(path, "show", f"{tip.commit}:value/data.parquet") == "m"
    names = git(path, "ls-tree", "-r", "--name-only", tip.commit).split()
    assert names == [
        "artifact.json",
        "code.py",
        "environment.json",
        "preview.txt",
        "session.py",
        "value/data.parquet",
    ]


def test_git_shows_verdicts_as_notes(store: Repository) -> None:
    """`git log` shows the verdict under the version."""
    assert '"identical"' in git(path_of(store), "log", "refs/linea/artifacts/%4dodel")


def test_the_author_is_the_authors(store: Repository) -> None:
    """Author, date and zone of the commit are those of the save."""
    shown = git(path_of(store), "log", "-1", "--format=%an <%ae> %aI", store.tip("Model").commit)
    assert shown.strip() == "Ada Lovelace <ada@example.org> 2026-03-01T12:00:00+05:30"


@pytest.mark.parametrize(
    "command",
    [
        ["gc", "--quiet", "--prune=now"],
        ["gc", "--aggressive", "--quiet"],
        ["repack", "-adq", "--depth=50", "--window=50"],
        ["pack-refs", "--all"],
        ["multi-pack-index", "write"],
        ["prune", "--expire=now"],
    ],
    ids=" ".join,
)
def test_upkeep_by_git_loses_nothing(store: Repository, command: list[str]) -> None:
    """After gc, repack and the like all versions are read as before, and saving goes on."""
    path, before = path_of(store), everything(store)
    git(path, *command)
    assert everything(store) == before
    with Repository.open(path, clock=clock) as fresh:
        assert everything(fresh) == before
        fresh.restore("old")
        fresh.restore("feature table", 1)
        [version] = fresh.commit([draft("feature table", BIG)])
        assert version.number == 4
        assert [v.number for v in fresh.versions("feature table")] == [4, 3, 2, 1]
        fresh.delete("Model")
        assert fresh.names() == ["feature table", "old"]
    assert git(path, "fsck", "--strict") == ""


def test_a_mirror_is_a_store(store: Repository, tmp_path: Path) -> None:
    """`git clone --mirror` makes a store with all versions, tags, verdicts and deletions."""
    mirror = tmp_path / "mirror.git"
    git(path_of(store), "clone", "-q", "--mirror", path_of(store).as_uri(), str(mirror))
    with Repository.open(mirror) as other:
        assert everything(other) == everything(store)
        assert other.tags("feature table") == {"latest": 3}
        assert other.verdict(other.tip("Model")) == store.verdict(store.tip("Model"))
        assert other.deleted() == ["old"]
        assert [version.number for version in other.versions("feature table")] == [3, 2]
        assert other.commit([draft("Model")])[0].number == 2


def test_a_shared_clone_reads_the_objects_of_the_other(store: Repository, tmp_path: Path) -> None:
    """A clone with alternates reads what it borrows."""
    mirror = tmp_path / "shared.git"
    git(path_of(store), "clone", "-q", "--mirror", "--shared", str(path_of(store)), str(mirror))
    with Repository.open(mirror) as other:
        assert everything(other) == everything(store)


def test_a_plain_clone_says_what_it_is(store: Repository, tmp_path: Path) -> None:
    """Who clones a store without knowing it finds a text that explains it."""
    git(path_of(store), "clone", "-q", str(path_of(store)), str(tmp_path / "clone"))
    assert "linea store" in (tmp_path / "clone/README.md").read_text()


def test_notes_by_git_are_understood(store: Repository) -> None:
    """A note that git wrote in its own way is replaced by ours, and git reads ours."""
    path, tip = path_of(store), store.tip("Model")
    git(path, "notes", "--ref=linea", "add", "-f", "-m", "{}", store.tip("feature table").commit)
    git(path, "notes", "--ref=linea", "add", "-f", "-m", "{}", tip.commit)
    assert store.verdict(tip) is None
    store.set_verdict(tip, Verdict("failed", clock()))
    assert '"failed"' in git(path, "notes", "--ref=linea", "show", tip.commit)
    assert len(git(path, "notes", "--ref=linea", "list").splitlines()) == 2


def test_odd_parts_pass_gits_checks(tmp_path: Path) -> None:
    """Parts named like git's own files are no reason for alarm."""
    parts = [(path, b"x") for path in (".git/config", ".gitmodules", "../x", "git~1", "a\\b", "é")]
    with Repository.create(tmp_path / ".linea") as repository:
        repository.commit([draft(value=encoded(*parts))])
        assert git(path_of(repository), "fsck", "--strict") == ""


def test_the_format_page_names_every_key(store: Repository) -> None:
    """`docs/format.md` mentions each file of a version and each key of its manifest."""
    page = (Path(__file__).parents[2] / "docs/format.md").read_text("utf-8")
    tip = store.tip("Model")
    manifest = store.manifest(tip)
    keys = {*manifest, *manifest["value"], *manifest["environment"]} - {"environment"}
    assert [key for key in keys if f'"{key}"' not in page] == []
    files = git(path_of(store), "ls-tree", "--name-only", tip.commit).split()
    assert [name for name in files if name not in page] == []
    assert refs.artifact_ref("Fancy iris") in page


def test_git_repacks_in_the_middle_of_a_save(tmp_path: Path) -> None:
    """What no ref reaches yet stays: `git repack -a -d` drops all else that isn't reached."""
    data = random.Random(0).randbytes(200_000)
    store = tmp_path / ".linea"
    with Repository.create(store) as repository:
        repository.commit([draft("a", b"1")])
        staging = repository.staging()
        staging.save(draft("b", data))
        git(store, "repack", "-a", "-d", "-q")
        git(store, "gc", "--quiet")
        staging.commit()
        staging.close()
        version = repository.tip("b")
        assert bytes(repository.read_part(version)("data.parquet")) == data
    assert list(store.rglob("*.keep")) == []


def test_git_removes_empty_folders_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of objects that git finds empty may go between being made and being used."""
    real, taken = tempfile.mkstemp, set[str]()

    def mkstemp(*, prefix: str, dir: Path) -> tuple[int, str]:
        if "objects" in str(dir) and str(dir) not in taken and not any(dir.iterdir()):
            taken.add(str(dir))
            dir.rmdir()
        return real(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    with Repository.create(tmp_path / ".linea") as repository:
        repository.commit([draft("a", b"1")])
        assert taken and repository.tip("a").number == 1
