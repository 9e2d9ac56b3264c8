"""Saving, finding, reading, tagging and hiding versions, on disk and in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from linea.errors import (
    DamagedStoreError,
    NameNotAllowedError,
    NoSuchArtifactError,
    NoSuchVersionError,
)
from linea.model import ArtifactName, CommitId, Digest, InputFile, Parent, Verdict, Version
from linea.store import layout, refs
from linea.store.repository import Repository

from .drafts import NOON, clock, digest, draft, encoded


def save(repository: Repository, name: str = "features", *data: bytes) -> list[Version]:
    return [repository.commit([draft(name, each)])[0] for each in data or (b"1",)]


def numbers(repository: Repository, name: str = "features") -> list[int]:
    return [version.number for version in repository.versions(name)]


def as_parent(version: Version) -> Parent:
    return Parent(version.name, version.number, version.commit, version.digest)


# ------------------------------------------------------------------------------------- saving


def test_versions_count_from_one(repository: Repository) -> None:
    """Each save of a name gets the next number and knows the one before."""
    first, second = save(repository, "features", b"1", b"2")
    assert (first.number, second.number) == (1, 2)
    assert (first.previous, second.previous) == (None, first.commit)
    assert first.revision == "features@v1"


def test_several_drafts_are_saved_together(repository: Repository) -> None:
    """Drafts of several artifacts, and of one artifact twice, are numbered in their order."""
    saved = repository.commit([draft("a"), draft("b"), draft("a", b"2")])
    assert [version.revision for version in saved] == ["a@v1", "b@v1", "a@v2"]
    assert repository.tip("a") == saved[2]
    assert repository.names() == ["a", "b"]


def test_what_commit_gives_is_what_is_read(repository: Repository) -> None:
    """The version that a save gives equals the one that is read back."""
    [saved] = save(repository)
    assert saved == repository.tip("features") == repository.version("features", 1)
    assert saved.value == draft(data=b"1").value.record


def test_nothing_is_saved_of_an_empty_list(repository: Repository) -> None:
    """Saving no drafts is fine and saves nothing."""
    assert repository.commit([]) == []
    assert repository.names() == []


def test_parents_are_parents_of_the_commit(repository: Repository) -> None:
    """A version knows what it was made from, and the history of its own isn't mixed with it."""
    [table] = save(repository, "table")
    [model] = repository.commit([draft("model", parents=(as_parent(table),))])
    [again] = repository.commit([draft("model", b"2", parents=(as_parent(table),))])
    assert again.parents == (as_parent(table),)
    assert model.previous is None
    assert numbers(repository, "model") == [2, 1]


def test_an_artifact_may_be_made_from_itself(repository: Repository) -> None:
    """A version made from the one before has it as one parent only."""
    [first] = save(repository)
    [second] = repository.commit([draft(data=b"2", parents=(as_parent(first),))])
    assert second.parents == (as_parent(first),)
    assert numbers(repository) == [2, 1]


def test_a_parent_that_is_not_here_is_refused(repository: Repository) -> None:
    """A version can't rest on one that the store doesn't have."""
    stranger = Parent(ArtifactName("x"), 1, CommitId("1" * 40), Digest("xxh3:1:0"))
    with pytest.raises(NoSuchVersionError, match="x@v1"):
        repository.commit([draft(parents=(stranger,))])
    assert repository.names() == []


@pytest.mark.parametrize("name", ["a\x00b", "a@v1", "e\u0301"])
def test_an_unchecked_name_is_refused(repository: Repository, name: str) -> None:
    """A draft whose name wasn't checked isn't saved."""
    with pytest.raises(NameNotAllowedError):
        repository.commit([draft(name)])


def test_a_draft_without_time_zone_is_refused(repository: Repository) -> None:
    """A naive time could mean any moment of a day."""
    with pytest.raises(ValueError, match="time zone"):
        repository.commit([draft(created=NOON.replace(tzinfo=None))])


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b",
        "A",
        "../../x",
        ".lock",
        "x.lock",
        "-rf",
        "fancy iris",
        "データ",
        "👩‍🔬",
        "z" * 300,
    ],
)
def test_nasty_names_live_side_by_side(repository: Repository, name: str) -> None:
    """Any allowed name can be saved, tagged, deleted and restored, beside its near-twins."""
    repository.commit([draft("a"), draft("a/b"), draft("A")])
    [version] = repository.commit([draft(name, b"mine", tags=("prod/eu", "z" * 300))])
    assert repository.tip(name) == version
    assert repository.tags(name) == {"prod/eu": version.number, "z" * 300: version.number}
    assert name in repository.names()
    repository.delete(name)
    assert name not in repository.names()
    repository.restore(name)
    assert repository.tip(name) == version


@pytest.mark.parametrize(
    ("name", "tag", "fits"),
    [
        ("é" * 160, "t", True),
        ("é" * 170, "t", False),
        ("é" * 80, "ø" * 70, True),
        ("é" * 80, "ø" * 120, False),
        ("X" * 300, "t", True),
        ("X" * 300, "T" * 100, False),
        ("a", "{today}", False),
    ],
)
def test_names_as_long_as_git_can_keep(tmp_path: Path, name: str, tag: str, fits: bool) -> None:
    """What is too long is refused before anything is written, and what isn't works."""
    with Repository.create(tmp_path / ".linea") as store:
        if not fits:
            with pytest.raises(NameNotAllowedError):
                store.commit([draft(refs.artifact_name(name), tags=(tag,))])
            assert store.names() == [] and not (tmp_path / ".linea/linea.journal").exists()
            return
        [made] = store.commit([draft(refs.artifact_name(name), tags=(tag,))])
        store.delete(name)
        store.undo()
        store.untag(name, tag)
        store.tag(made, tag)
        assert store.tags(name) == {tag: 1}
        store.gc(grace=timedelta(0))
        assert store.tip(name) == made


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_parts_come_back_byte_for_byte(repository: Repository, size: int) -> None:
    """Parts of any size, in folders and with odd names, are read as they were written."""
    data = bytes(range(256)) * (size // 256 + 1)
    parts = {"x/y/0001.z": data[:size], ".git/config": b"[core]", "../up": b"1", "X/y": b"2"}
    [version] = repository.commit([draft(value=encoded(*parts.items()))])
    read = repository.read_part(version)
    assert {path: read(path) for path in parts} == parts


def test_a_part_that_was_never_there_is_damage(repository: Repository) -> None:
    """Asking for a part that isn't in the tree names the artifact."""
    [version] = save(repository)
    with pytest.raises(DamagedStoreError, match="features@v1"):
        repository.read_part(version)("nope/x")


# ------------------------------------------------------------------------------------ finding


def test_no_artifact_of_the_name(repository: Repository) -> None:
    """A wrong name raises, with the nearest right one."""
    save(repository)
    with pytest.raises(NoSuchArtifactError, match="featuers") as caught:
        repository.tip("featuers")
    assert caught.value.hint == "did you mean 'features'?"


@pytest.mark.parametrize("read", ["tip", "tags", "versions", "entries"])
def test_an_empty_store_has_no_artifacts(repository: Repository, read: str) -> None:
    """Every way to ask for an artifact that isn't there raises the same error at once."""
    with pytest.raises(NoSuchArtifactError):
        getattr(repository, read)("x")


@pytest.mark.parametrize("number", [0, -1, 3, 10**12])
def test_no_version_of_the_number(repository: Repository, number: int) -> None:
    """A number that isn't there raises, with the newest one that is."""
    save(repository, "features", b"1", b"2")
    with pytest.raises(NoSuchVersionError) as caught:
        repository.version("features", number)
    assert "features@v2" in str(caught.value.hint)


def test_a_version_by_its_commit(repository: Repository) -> None:
    """A commit's prefix finds its version; too short or unknown ones don't."""
    saved = save(repository, "features", *(b"%d" % i for i in range(20)))
    for version in saved:
        assert repository.by_commit(version.commit) == version
        assert repository.by_commit(version.commit[:12].upper()) == version
    for wrong in ("", saved[0].commit[:3], "0" * 10, "features", "-x", "g" * 10):
        with pytest.raises(NoSuchVersionError):
            repository.by_commit(wrong)


def test_versions_by_their_digest(repository: Repository) -> None:
    """A digest, its prefix or the prefix of its hex digits finds all versions, newest first."""
    saved = save(repository, "features", b"1", b"2", b"1")
    wanted = [saved[2], saved[0]]
    full = saved[0].digest
    assert repository.by_digest(full) == wanted
    assert repository.by_digest(full[:16]) == wanted
    assert repository.by_digest(full.split(":")[-1][:8]) == wanted
    assert repository.by_digest("xxh3:1:zz") == []
    [later] = save(repository, "other", b"1")
    assert later in repository.by_digest(full)


def test_the_listing_agrees_with_the_manifests(repository: Repository) -> None:
    """What commits alone say is what the manifests say."""
    save(repository, "features", b"1", b"2")
    for entry, version in zip(
        repository.entries("features"), repository.versions("features"), strict=True
    ):
        assert (entry.name, entry.number, entry.commit, entry.digest, entry.previous) == (
            version.name,
            version.number,
            version.commit,
            version.digest,
            version.previous,
        )
        assert abs(entry.created - version.created) < timedelta(seconds=1)


def test_the_newest_of_every_artifact(repository: Repository) -> None:
    """`heads` and `tips` give one version an artifact, by name."""
    repository.commit([draft("b"), draft("a"), draft("b", b"2")])
    assert [version.revision for version in repository.tips()] == ["a@v1", "b@v2"]
    assert [(entry.name, entry.number) for entry in repository.heads()] == [("a", 1), ("b", 2)]


# --------------------------------------------------------------------------------------- tags


def test_tags_name_versions(repository: Repository) -> None:
    """A tag names a version, moves to another, and is taken away."""
    first, second = save(repository, "features", b"1", b"2")
    repository.tag(first, "prod")
    repository.tag(second, "try")
    assert repository.tags("features") == {"prod": 1, "try": 2}
    repository.tag(second, "prod")
    assert repository.tags("features") == {"prod": 2, "try": 2}
    repository.untag("features", "try")
    assert repository.tags("features") == {"prod": 2}
    with pytest.raises(NoSuchVersionError, match="no tag") as caught:
        repository.untag("features", "prd")
    assert caught.value.hint == "did you mean 'prod'?"


def test_a_bad_tag_saves_nothing(repository: Repository) -> None:
    """A draft with a tag that isn't allowed isn't saved."""
    with pytest.raises(NameNotAllowedError):
        repository.commit([draft(tags=("v3",))])
    assert repository.names() == []


# ----------------------------------------------------------------------------------- deleting


def test_a_deleted_version_keeps_its_number(repository: Repository) -> None:
    """A deleted version is in no listing, the others keep their numbers, and it comes back."""
    saved = save(repository, "features", b"1", b"2", b"3")
    repository.tag(saved[2], "prod")
    repository.delete("features", 3)
    assert numbers(repository) == [2, 1]
    assert repository.tip("features").number == 2
    assert repository.tags("features") == {}
    assert repository.by_digest(saved[2].digest) == []
    with pytest.raises(NoSuchVersionError) as caught:
        repository.version("features", 3)
    assert "deleted" in str(caught.value.hint)
    assert save(repository, "features", b"4")[0].number == 4
    assert numbers(repository) == [4, 2, 1]
    repository.restore("features", 3)
    assert numbers(repository) == [4, 3, 2, 1]
    assert repository.tags("features") == {"prod": 3}


def test_the_commit_of_a_deleted_version_can_be_read(repository: Repository) -> None:
    """What others rest on can be looked at by its commit."""
    first, _ = save(repository, "features", b"1", b"2")
    repository.delete("features", 1)
    assert repository.by_commit(first.commit) == first
    assert repository.code(first)


def test_a_deleted_artifact_comes_back(repository: Repository) -> None:
    """A deleted artifact is in no listing and comes back whole."""
    saved = save(repository, "features", b"1", b"2")
    repository.tag(saved[0], "prod")
    repository.delete("features")
    assert (repository.names(), repository.deleted()) == ([], ["features"])
    assert repository.by_digest(saved[0].digest) == []
    with pytest.raises(NoSuchArtifactError) as caught:
        repository.tip("features")
    assert "deleted" in str(caught.value.hint)
    repository.restore("features")
    assert (repository.names(), repository.deleted()) == (["features"], [])
    assert list(repository.versions("features")) == saved[::-1]
    assert repository.tags("features") == {"prod": 1}


def test_numbers_go_on_after_an_artifact_was_deleted(repository: Repository) -> None:
    """Saving under a deleted name goes on counting; the old versions stay hidden until restored."""
    save(repository, "features", b"1", b"2")
    repository.delete("features")
    assert [v.number for v in repository.commit([draft(), draft(data=b"9")])] == [3, 4]
    assert numbers(repository) == [4, 3]
    repository.delete("features")
    assert save(repository)[0].number == 5
    assert numbers(repository) == [5]
    repository.restore("features", 2)
    assert numbers(repository) == [5, 2]
    repository.restore("features")
    assert numbers(repository) == [5, 4, 3, 2, 1]


def test_deleting_the_last_version_deletes_the_artifact(repository: Repository) -> None:
    """An artifact without versions isn't listed."""
    save(repository, "features", b"1", b"2")
    repository.delete("features", 1)
    repository.delete("features", 2)
    assert repository.names() == []
    repository.restore("features")
    assert numbers(repository) == [2]


def test_what_is_not_there_cannot_be_deleted_or_restored(repository: Repository) -> None:
    """Deleting twice, and restoring what wasn't deleted, raise."""
    save(repository, "features", b"1", b"2")
    repository.delete("features", 1)
    with pytest.raises(NoSuchVersionError):
        repository.delete("features", 1)
    with pytest.raises(NoSuchVersionError):
        repository.restore("features", 2)
    with pytest.raises(NoSuchArtifactError):
        repository.delete("other")
    with pytest.raises(NoSuchArtifactError):
        repository.restore("other")


def test_a_version_rests_on_a_deleted_one(repository: Repository) -> None:
    """A version made from one that was deleted can still be saved and read."""
    [table] = save(repository, "table")
    repository.delete("table")
    [model] = repository.commit([draft("model", parents=(as_parent(table),))])
    assert repository.by_commit(model.parents[0].commit) == table


# -------------------------------------------------------------------------------------- notes


def test_a_verdict_is_kept(repository: Repository) -> None:
    """The last verdict on a version is given; other versions have none."""
    first, second = save(repository, "features", b"1", b"2")
    assert repository.verdict(first) is None
    repository.set_verdict(first, Verdict("failed", NOON, detail="no such file"))
    last = Verdict("identical", clock(), first.digest, 1.5)
    repository.set_verdict(first, last)
    assert repository.verdict(first) == last
    assert repository.verdict(second) is None


def test_files_written_later_are_added(repository: Repository) -> None:
    """Files written after a save join those written before it, each once."""
    before = InputFile("a.csv", digest(b"a"), 1)
    after = InputFile("b.csv", digest(b"b"), 1)
    [version] = repository.commit([draft(written=(before,))])
    repository.note_written(version, [after])
    repository.note_written(version, [after, before])
    assert repository.written(version) == (before, after)
    assert repository.tip("features").written == (before,)


def test_notes_on_many_versions_do_not_mix(repository: Repository) -> None:
    """Each version has its own notes, in whatever order they are written."""
    saved = save(repository, "features", *(b"%d" % i for i in range(30)))
    for version in saved:
        repository.remember_exports(version, [InputFile(f"{version.number}", digest(b"x"), 1)])
    for version in reversed(saved):
        repository.set_verdict(version, Verdict("identical", NOON, detail=str(version.number)))
    for version in saved:
        verdict = repository.verdict(version)
        assert verdict and verdict.detail == str(version.number)
        assert [file.path for file in repository.exports(version)] == [str(version.number)]


def test_a_file_is_known_by_its_bytes(repository: Repository) -> None:
    """A file that was exported, written or saved as it is leads to its version."""
    written = InputFile("w.csv", digest(b"w"), 1)
    first, second = repository.commit([draft("a", b"A", written=(written,)), draft("b", b"B")])
    assert repository.known_file(digest(b"w")) == first
    assert repository.known_file(digest(b"B")) == second
    assert repository.known_file(digest(b"e")) is None
    repository.remember_exports(second, [InputFile("e.parquet", digest(b"e"), 1)])
    repository.note_written(first, [InputFile("l.csv", digest(b"l"), 1)])
    assert repository.known_file(digest(b"e")) == second
    assert repository.known_file(digest(b"l")) == first
    repository.delete("b")
    assert repository.known_file(digest(b"e")) is None


def test_the_manifest_is_plain_json(repository: Repository) -> None:
    """The raw manifest has the format, the name and the environment."""
    [version] = save(repository)
    manifest = repository.manifest(version)
    assert (manifest["format"], manifest["name"], manifest["number"]) == (
        layout.FORMAT,
        "features",
        1,
    )
    assert manifest["environment"]["packages"] == [{"name": "pandas", "version": "3.1.1"}]
    assert manifest["lines"] == [["a.py", None, 1, 1], ["a.py", None, 3, 1]]
