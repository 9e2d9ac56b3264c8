"""Readers of what lies on disk, given bytes that nobody wrote: an answer or a named error."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linea.errors import LineaError
from linea.store import layout, operations
from linea.store.backend import CorruptObjectError, MissingObjectError
from linea.store.folder import read_settings
from linea.store.objects import (
    GitObject,
    ObjectId,
    commit_bytes,
    loose_bytes,
    object_id,
    pack_index,
    parse_commit,
    parse_loose,
    parse_tree,
    write_pack,
)
from linea.store.packs import ObjectFolder, Pack
from linea.store.ref_files import RefFolder

from .drafts import draft

FAST = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
COMMIT = "a" * 40
MANIFEST: dict[str, Any] = json.loads(layout.manifest(draft(), 3, None))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def edits(data: bytes) -> st.SearchStrategy[bytes]:
    """Bytes near `data`: some changed, cut out, put in, or cut off."""

    def edited(where: list[tuple[int, int, bytes]]) -> bytes:
        found = data
        for at, length, new in where:
            at %= len(found) + 1
            found = found[:at] + new + found[at + length :]
        return found

    edit = st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=8))
    return st.lists(edit, min_size=1, max_size=4).map(edited)


@FAST
@given(edits(layout.manifest(draft(), 3, None)) | st.binary(max_size=200))
def test_manifests_of_any_bytes(data: bytes) -> None:
    """A manifest is read, or is said to be damaged."""
    with contextlib.suppress(LineaError):
        layout.version(layout.loads(data, "it"), layout.Environment(), COMMIT)


@FAST
@given(st.sampled_from(sorted(MANIFEST)), JSON, st.sampled_from([None, *sorted(MANIFEST["value"])]))
def test_manifests_with_any_value(key: str, value: Any, inner: str | None) -> None:
    """A manifest in which one key holds anything is read, or is said to be damaged."""
    found = json.loads(json.dumps(MANIFEST))
    if inner is None:
        found[key] = value
    else:
        found["value"][inner] = value
    with contextlib.suppress(LineaError):
        layout.version(layout.loads(json.dumps(found).encode(), "it"), layout.Environment(), COMMIT)


@FAST
@given(JSON | st.fixed_dictionaries({"verdict": JSON, "written": JSON, "dropped": JSON}))
def test_notes_of_any_json(value: Any) -> None:
    """A note is read, or is said to be damaged."""
    with contextlib.suppress(LineaError):
        layout.parse_notes(json.dumps(value).encode(), "it")


@FAST
@given(st.binary(max_size=120))
def test_git_objects_of_any_bytes(data: bytes) -> None:
    """Trees, commits and loose files are parsed, or refused by ValueError."""
    for parse in (parse_tree, parse_commit, parse_loose):
        with contextlib.suppress(ValueError):
            parse(data)
    assert parse_loose(loose_bytes(GitObject("blob", data))) == GitObject("blob", data)


OBJECTS = {
    object_id(item): item
    for item in (
        *(GitObject("blob", os.urandom(n)) for n in (0, 1, 15, 16, 2000, 70_000)),
        GitObject("blob", b"text " * 4000),
        GitObject("tree", b""),
    )
}


def packed(folder: Path) -> tuple[Path, Path]:
    """A pack of OBJECTS and its index."""
    (folder / "pack").mkdir(parents=True, exist_ok=True)
    pack, index = folder / "pack" / "pack-1.pack", folder / "pack" / "pack-1.idx"
    with pack.open("wb") as file:
        checksum, entries = write_pack(file, OBJECTS)
    index.write_bytes(pack_index(entries, checksum))
    return pack, index


@pytest.mark.parametrize("which", [0, 1])
@FAST
@given(edit=st.data())
def test_packs_of_any_bytes(which: int, edit: st.DataObject) -> None:
    """From a pack or index that was changed come the true objects, or errors; never other bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = packed(folder)
        data = paths[which].read_bytes()
        paths[which].write_bytes(edit.draw(edits(data)))
        objects = ObjectFolder(folder)
        for id, item in OBJECTS.items():
            for read in (objects.read, objects.raw):
                try:
                    found = read(id)
                except (MissingObjectError, CorruptObjectError):
                    continue
                assert found == item or isinstance(found, bytes)
            objects.has(id)
        try:
            pack = Pack(paths[1])
            pack.ids()
            pack.sizes()
            pack.close()
        except (ValueError, OSError):
            pass
        objects.close()


@FAST
@given(st.binary(max_size=300))
def test_refs_and_settings_of_any_bytes(data: bytes) -> None:
    """Loose refs, packed refs and settings are read, or refused by ValueError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "refs").mkdir()
        for path in ("refs/a", "packed-refs", "config"):
            (folder / path).write_bytes(data)
            for read in (
                lambda: RefFolder(folder).read("refs/a"),
                lambda: RefFolder(folder).under("refs/"),
                lambda: read_settings(folder) if (folder / "config").exists() else None,
            ):
                with contextlib.suppress(ValueError):
                    read()
            (folder / path).unlink()


@FAST
@given(st.binary(max_size=300) | JSON.map(lambda found: json.dumps(found).encode()))
def test_operations_of_any_bytes(data: bytes) -> None:
    """A list of operations gives those that can be read."""
    done = operations.Operation("1", draft().created, "tag", "tag x", versions=(("a", 1, "b"),))
    assert operations.parse(data + operations.line(done))[-1] == done


@FAST
@given(st.text(max_size=30), st.text(max_size=80), st.integers(-(2**40), 2**40))
def test_commits_of_any_text(author: str, message: str, time: int) -> None:
    """Whatever the author and the message, a commit is one that git takes, and reads the same."""
    said = layout.Commit(ObjectId("1" * 40), (), author, time, 0, message)
    found = parse_commit(commit_bytes(said))
    assert found.tree == said.tree
    assert "\n" not in found.author
