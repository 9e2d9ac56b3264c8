"""Stores in memory that tests fill with a line a version, in a frozen world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from linea import values
from linea.model import (
    ArtifactName,
    Draft,
    Environment,
    InputFile,
    Origin,
    Package,
    Parent,
    Variable,
    Version,
)
from linea.store.repository import MemoryRepository, Repository

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def clock() -> datetime:
    """The time at which notes are written."""
    return START


class History:
    """A repository; each save is a day later than the one before."""

    def __init__(self, repository: Repository | None = None) -> None:
        self.repository = repository or MemoryRepository(clock=clock)
        self.saves = 0

    def save(
        self,
        value: object = 0,
        name: str = "result",
        *,
        code: str = "result = 0\n",
        source: str = "a.py",
        lines: Sequence[Origin | None] | None = None,
        inputs: Mapping[str, bytes] | None = None,
        parents: Sequence[Version] = (),
        packages: Mapping[str, str] | None = None,
        author: str = "Ada <ada@example.org>",
        tags: Sequence[str] = (),
        variables: Sequence[Variable] = (),
        **fields: Any,
    ) -> Version:
        """Save a version whose code stands in `source` as it is."""
        found = lines or [Origin(source, n) for n in range(1, len(code.splitlines()) + 1)]
        draft = Draft(
            name=ArtifactName(name),
            code=code,
            session=code,
            value=values.encode(value),
            author=author,
            created=START + timedelta(days=self.saves),
            tags=tuple(tags),
            parents=tuple(Parent(p.name, p.number, p.commit, p.digest) for p in parents),
            inputs=tuple(
                InputFile(path, values.digest_bytes(data), len(data))
                for path, data in (inputs or {}).items()
            ),
            environment=Environment(
                "3.11.7",
                "linux",
                tuple(Package(n, v) for n, v in (packages or {}).items()),
                tuple(variables),
            ),
            result="result",
            lines=tuple(found),
            source=source,
            **fields,
        )
        self.saves += 1
        return self.repository.commit([draft])[0]

    def value(self, revision: str) -> Any:
        """The value of the latest version of an artifact."""
        tip = self.repository.tip(revision)
        return values.decode(tip.value, self.repository.read_part(tip))
