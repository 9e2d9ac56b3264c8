from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linea.store.repository import MemoryRepository, Repository

from .drafts import clock


@pytest.fixture(params=["disk", "memory"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """A new, empty store; what holds of one on disk holds of one in memory."""
    if request.param == "memory":
        yield MemoryRepository(clock=clock)
    else:
        with Repository.create(tmp_path / ".linea", clock=clock) as made:
            yield made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Repository]:
    """A new, empty store on disk."""
    with Repository.create(tmp_path / ".linea", clock=clock) as made:
        yield made
