"""Saves that become visible together."""

from __future__ import annotations

import pytest

from linea.errors import NoSuchArtifactError
from linea.model import Parent, Version
from linea.store.repository import Repository

from .drafts import draft
from .test_upkeep import md5


def parent(version: Version) -> Parent:
    return Parent(version.name, version.number, version.commit, version.digest)


def test_nothing_is_seen_before_the_end(repository: Repository) -> None:
    """A staged version is in the view, with the value that it had, and in no other one."""
    repository.commit([draft("a", b"1")])
    staging = repository.staging()
    second = staging.save(draft("a", b"2", tags=("new",)))
    other = staging.save(draft("b", b"x" * 100_000))
    assert (second.number, staging.view.tip("a"), staging.view.tip("b")) == (2, second, other)
    assert staging.view.tags("a") == {"new": 2}
    assert bytes(staging.view.read_part(other)("data.parquet")) == b"x" * 100_000
    assert (repository.tip("a").number, repository.names()) == (1, ["a"])
    final = staging.commit()
    assert final == {second.commit: second, other.commit: other}
    assert [v.commit for v in repository.tips()] == [second.commit, other.commit]
    assert repository.tags("a") == {"new": 2}
    assert repository.operations()[0].what == "save a@v2, b@v1"
    repository.undo()
    assert (repository.tip("a").number, repository.names()) == (1, ["a"])


def test_who_comes_between_has_the_number(repository: Repository) -> None:
    """What was staged gets the numbers after, and its parents are those that there are then."""
    staging = repository.staging()
    first = staging.save(draft("a", b"1"))
    second = staging.save(draft("a", b"2", parents=(parent(first),)))
    made = staging.save(draft("b", b"3", parents=(parent(second),)))
    [between] = repository.commit([draft("a", b"0")])
    final = staging.commit()
    assert [final[v.commit].revision for v in (first, second, made)] == ["a@v2", "a@v3", "b@v1"]
    assert final[first.commit].previous == between.commit
    assert final[second.commit].parents == (parent(final[first.commit]),)
    assert final[made.commit].parents == (parent(final[second.commit]),)
    assert [v.number for v in repository.versions("a")] == [3, 2, 1]
    if repository.path is not None:
        assert repository.fsck(md5).problems == ()


def test_going_back(repository: Repository) -> None:
    """What was staged after a mark is forgotten; what was before stays."""
    staging = repository.staging()
    first = staging.save(draft("a", b"1"))
    mark = staging.mark()
    lost = {staging.save(draft("a", b"2")).commit, staging.save(draft("b", b"3")).commit}
    assert staging.back_to(mark) == lost
    assert staging.view.tip("a") == first
    with pytest.raises(NoSuchArtifactError):
        staging.view.tip("b")
    assert list(staging.commit()) == [first.commit]
    assert repository.names() == ["a"]
    assert staging.commit() == {}


def test_a_deleted_artifact_goes_on(repository: Repository) -> None:
    """Numbers of a deleted artifact aren't given again by what is staged."""
    repository.commit([draft("a", b"1")])
    repository.delete("a")
    staging = repository.staging()
    again = staging.save(draft("a", b"2"))
    assert (again.number, repository.deleted()) == (2, ["a"])
    staging.commit()
    assert ([v.number for v in repository.versions("a")], repository.deleted()) == ([2], [])
    repository.undo()
    assert repository.names() == []
