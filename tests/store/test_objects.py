"""git objects as bytes."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import load_pack_index_file
from hypothesis import given
from hypothesis import strategies as st

from linea.store.objects import (
    Batch,
    Commit,
    GitObject,
    ObjectId,
    PackEntry,
    commit_bytes,
    object_id,
    pack_index,
    parse_commit,
    parse_tree,
    write_pack,
)


@given(
    st.builds(
        Commit,
        tree=st.just(ObjectId("a" * 40)),
        parents=st.lists(st.just(ObjectId("b" * 40)), max_size=3).map(tuple),
        author=st.sampled_from(["Ada <ada@x>", "Ünï çödé <>", "unknown <>"]),
        time=st.integers(0, 2**40),
        offset=st.integers(-14 * 60, 14 * 60),
        message=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    )
)
def test_a_commit_is_read_as_it_was_written(commit: Commit) -> None:
    """Parsing the bytes of a commit gives the commit."""
    assert parse_commit(commit_bytes(commit)) == commit


@pytest.mark.parametrize("author", ["", "<", "a <b", "a\nb <c>", "<<>>", "  .; <x\x00y>"])
def test_an_odd_author_makes_no_broken_commit(author: str) -> None:
    """Whatever an author is called, the commit has one line with a name and an address."""
    data = commit_bytes(Commit(ObjectId("a" * 40), (), author, 0, 0, "m"))
    assert parse_commit(data).author.count("<") == 1


@given(st.binary(max_size=200))
def test_bytes_that_are_no_tree_or_commit_are_refused(data: bytes) -> None:
    """Garbage raises ValueError and nothing else."""
    for parse in (parse_tree, parse_commit):
        with contextlib.suppress(ValueError):
            parse(data)


def test_trees_are_sorted_as_git_sorts_them() -> None:
    """A folder sorts as if its name ended in a slash."""
    batch = Batch()
    blob = batch.add("blob", b"")
    tree = batch.add_tree({"a.b": blob, "a/x": blob, "a0": blob})
    assert list(parse_tree(batch.objects[tree].data)) == ["a.b", "a", "a0"]


def test_git_verifies_a_pack(tmp_path: Path) -> None:
    """Stock git reads every object of a pack: tiny, stored and larger than a deflate block."""
    batch = Batch()
    for data in (b"", b"x", b"y" * 20_000, bytes(range(256)) * 4096):
        batch.add("blob", data)
    with (tmp_path / "pack-1.pack").open("wb") as file:
        checksum, entries = write_pack(file, batch.objects)
    (tmp_path / "pack-1.idx").write_bytes(pack_index(entries, checksum))
    run = subprocess.run(
        ["git", "verify-pack", "-v", str(tmp_path / "pack-1.idx")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for id, item in batch.objects.items():
        assert f"{id} blob   {len(item.data)}" in run.stdout
        assert object_id(item) == id


def test_a_pack_index_holds_offsets_beyond_two_gigabytes() -> None:
    """Large offsets go into the index's second table, where dulwich finds them."""
    entries = [
        PackEntry(object_id(GitObject("blob", b"%d" % at)), at, offset)
        for at, offset in enumerate([12, 2**31 - 1, 2**31, 5 * 2**32])
    ]
    data = io.BytesIO(pack_index(entries, "0" * 40))
    index = load_pack_index_file("x.idx", data, DEFAULT_OBJECT_FORMAT)
    found = {sha.hex(): (offset, crc) for sha, offset, crc in index.iterentries()}
    assert found == {entry.id: (entry.offset, entry.crc) for entry in entries}
