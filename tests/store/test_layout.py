"""Versions as manifests and commits."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linea.errors import DamagedStoreError, NewerStoreError
from linea.model import (
    Column,
    Digest,
    Draft,
    Environment,
    InputFile,
    Origin,
    Package,
    Verdict,
    Version,
)
from linea.store import layout
from linea.store.objects import ObjectId
from linea.store.repository import MemoryRepository

from .drafts import draft, encoded

texts = st.text(max_size=20)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
digests = st.integers(0, 2**128 - 1).map(lambda n: Digest(f"xxh3:1:{n:032x}"))
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=zones)
input_files = st.lists(st.builds(InputFile, texts, digests, st.integers(0, 2**60)), max_size=3)
origins = st.none() | st.builds(
    Origin,
    st.sampled_from(["a.py", "b.ipynb", "ü.py"]),
    st.integers(1, 9),
    st.none() | st.integers(1, 3),
)
columns = st.builds(Column, texts, texts, digests, st.integers(0, 10**12))
values = st.builds(
    lambda columns, summary, details, pickled, stable: encoded(
        ("x", b"x"),
        columns=tuple(columns),
        summary=summary,
        details=details,
        pickled=pickled,
        stable=stable,
    ),
    st.lists(columns, max_size=3),
    st.dictionaries(texts, plain_json, max_size=3),
    st.dictionaries(texts, plain_json, max_size=3),
    st.booleans(),
    st.booleans(),
)
drafts = st.builds(
    draft,
    code=texts,
    session=texts,
    value=values,
    author=texts,
    created=moments,
    message=st.none() | st.text(max_size=60),
    inputs=input_files.map(tuple),
    environment=st.builds(
        Environment,
        texts,
        texts,
        st.lists(st.builds(Package, texts, texts), max_size=3).map(tuple),
    ),
    result=st.none() | texts,
    lines=st.lists(origins, max_size=12).map(tuple),
    source=texts,
    seconds=st.floats(0, 1e9),
    conservative=st.lists(texts, max_size=2).map(tuple),
    unreproducible=st.lists(texts, max_size=2).map(tuple),
    written=input_files.map(tuple),
)

FIELDS = [
    *("name", "author", "created", "message", "parents", "inputs", "environment", "result"),
    *("lines", "source", "seconds", "conservative", "unreproducible", "written"),
]


def same(version: Version, given: Draft) -> None:
    for field in FIELDS:
        assert getattr(version, field) == getattr(given, field), field
    assert version.value == given.value.record


@given(drafts)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_draft_comes_back_whole(given: Draft) -> None:
    """Every field of a draft is read back from its commit as it was given."""
    repository = MemoryRepository()
    [version] = repository.commit([given])
    same(version, given)
    assert repository.version(given.name, 1) == version
    assert repository.code(version) == given.code
    assert repository.session(version) == given.session
    assert repository.read_part(version)("x") == given.value.parts["x"]
    assert repository.preview(version) == given.value.preview
    [entry] = repository.entries(given.name)
    assert (entry.number, entry.digest, entry.commit) == (1, version.digest, version.commit)


def test_numbers_that_json_lacks_come_back() -> None:
    """NaN and infinity in a summary don't make a value unstorable."""
    value = encoded(("x", b""), summary={"params": {"missing": float("inf")}})
    [version] = MemoryRepository().commit([draft(value=value)])
    assert version.value.summary == {"params": {"missing": float("inf")}}


def test_a_surrogate_in_a_manifest_comes_back_from_valid_utf8() -> None:
    """A file name that is no UTF-8 is kept, and the manifest is UTF-8 all the same."""
    name = b"\xff.csv".decode("utf-8", "surrogateescape")
    inputs = (InputFile(name, Digest("xxh3:1:0"), 1),)
    assert b"\\udcff" in layout.manifest(draft(inputs=inputs), 1, None)
    [version] = MemoryRepository().commit([draft(inputs=inputs)])
    assert version.inputs == inputs


def test_a_message_cannot_pose_as_a_trailer() -> None:
    """What a user writes in a message isn't taken for the version's number."""
    said = "fix\n\nLinea-Version: 99\nLinea-Digest: fake"
    repository = MemoryRepository()
    repository.commit([draft(message=said)])
    [entry] = repository.entries("features")
    assert (entry.number, entry.subject) == (1, "fix")


def test_the_commit_of_an_old_date_is_valid() -> None:
    """A time before 1970, which git can't hold, is kept in the manifest alone."""
    [version] = MemoryRepository().commit([draft(created=datetime(1931, 1, 1, tzinfo=UTC))])
    assert version.created.year == 1931


def test_unknown_keys_are_ignored() -> None:
    """A manifest with keys of a later linea of the same format is read."""
    found = json.loads(layout.manifest(draft(), 1, None))
    found["mood"] = "sunny"
    found["value"]["taste"] = 3
    version = layout.version(layout.loads(layout.dumps(found), "m"), Environment(), "0" * 40)
    assert version.number == 1


def test_a_newer_format_is_named_as_such() -> None:
    """A manifest of a newer format asks for a newer linea."""
    found = json.loads(layout.manifest(draft(), 1, None))
    with pytest.raises(NewerStoreError) as caught:
        layout.loads(layout.dumps({**found, "format": layout.FORMAT + 1}), "the manifest")
    assert "upgrade" in str(caught.value.hint)


@given(st.data())
def test_a_manifest_that_lies_is_damage_and_nothing_else(data: st.DataObject) -> None:
    """A manifest in which one value was replaced by any JSON gives a version or is refused."""
    found: dict[str, Any] = json.loads(layout.manifest(draft(), 1, None))
    target: Any = found
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(target[key], (dict, list)) and target[key] and data.draw(st.booleans()):
            target = target[key]
        else:
            break
    target[key] = data.draw(plain_json)
    with contextlib.suppress(DamagedStoreError, NewerStoreError):
        layout.version(layout.loads(layout.dumps(found), "m"), Environment(), "0" * 40)


@given(st.binary(max_size=60) | st.just(b"[" * 100_000))
def test_bytes_that_are_no_manifest_are_damage(data: bytes) -> None:
    """Garbage in place of a manifest is refused."""
    with contextlib.suppress(DamagedStoreError, NewerStoreError):
        layout.version(layout.loads(data, "m"), Environment(), "0" * 40)


def test_a_commit_that_is_no_version_is_damage() -> None:
    """A commit without linea's trailers is no version."""
    said = layout.commit(draft(), 1, None, ObjectId("0" * 40))
    with pytest.raises(DamagedStoreError):
        layout.entry("1" * 40, type(said)(said.tree, (), said.author, 0, 0, "fix typo\n"))


@given(
    st.builds(
        layout.Notes,
        st.none()
        | st.builds(Verdict, texts, moments, st.none() | digests, st.floats(0, 1e9), texts),
        input_files.map(tuple),
        input_files.map(tuple),
    )
)
def test_notes_come_back_whole(known: layout.Notes) -> None:
    """What was noted of a version is read back as it was given."""
    assert layout.parse_notes(layout.notes_bytes(known), "a note") == known
