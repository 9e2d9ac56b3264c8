"""A project folder with a store, and a way to store versions without capturing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from linea import values
from linea.model import Draft, InputFile, Version
from linea.store import refs
from linea.store.repository import Repository

WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

Store = Callable[..., Version]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(project: Path) -> Iterator[Repository]:
    with Repository.create(project / ".linea") as repository:
        yield repository


@pytest.fixture
def store(project: Path, repository: Repository) -> Store:
    def store(name: str, value: object, code: str, **facts: Any) -> Version:
        inputs = tuple(
            InputFile(path, values.digest_file(project / path), (project / path).stat().st_size)
            for path in facts.pop("reads", ())
        )
        encoded = facts.pop("encoded", None) or values.encode(value)
        facts.setdefault("result", "x")
        draft = Draft(
            refs.artifact_name(name),
            code,
            code,
            encoded,
            "Ada <ada@example.org>",
            WHEN,
            inputs=inputs,
            **facts,
        )
        return repository.commit([draft])[0]

    return store


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes, the store left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".linea" not in path.parts
    }
