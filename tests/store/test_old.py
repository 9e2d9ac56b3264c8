"""Stores that older versions of linea wrote: read, checked, and written on."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from linea import values
from linea.model import ArtifactName, Draft, Version
from linea.store.repository import Repository
from tests.store.old.contents import VALUES

OLD = Path(__file__).parent / "old"


@pytest.fixture(params=["format1", "format2"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """A store as it was written when manifests had another format."""
    with tarfile.open(OLD / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with Repository.open(tmp_path / ".linea") as repository:
        yield repository


def loaded(store: Repository, version: Version, **some: Any) -> Any:
    return values.decode(version.value, store.read_part(version), **some)


def test_old_values_are_read(old: Repository) -> None:
    """Each value comes back, has the digest that it had, and the store is whole."""
    for name, make in VALUES.items():
        for version in old.versions(name):
            value = make(version.number)
            assert version.digest == values.digest(value) == values.digest(loaded(old, version))
    assert old.fsck(values.digest_bytes).problems == ()


def test_some_of_an_old_table_is_read(old: Repository) -> None:
    """Columns and rows of old tables can be chosen."""
    version = old.tip("frame")
    found = loaded(old, version, columns=["price", "kind"], rows=slice(100, 900))
    pd.testing.assert_frame_equal(found, VALUES["frame"](2)[["price", "kind"]].iloc[100:900])


def test_an_old_store_goes_on(old: Repository) -> None:
    """New versions follow old ones, changed or not, and all of them are read."""
    for name, make in VALUES.items():
        for number, value in ((3, make(2)), (4, make(1)), (5, make(1))):
            moment = datetime(2026, 2, number, tzinfo=UTC)
            encoded = values.encode(value)
            draft = Draft(ArtifactName(name), "x = 1\n", "x = 1\n", encoded, "A <a@b>", moment)
            (version,) = old.commit([draft])
            assert (version.number, version.digest) == (number, values.digest(value))
        found = [values.digest(loaded(old, version)) for version in old.versions(name)]
        wanted = [values.digest(make(number)) for number in (1, 2, 2, 1, 1)]
        assert sorted(found) == sorted(wanted)
    assert old.fsck(values.digest_bytes).problems == ()
