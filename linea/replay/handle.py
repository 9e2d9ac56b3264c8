"""A version and its store → the handle by which code reads it, in a session or in a re-run."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea.errors import Told
from linea.model import CommitId, Digest, Environment, InputFile, Parent, Version

if TYPE_CHECKING:
    from linea.store.repository import Repository


class Artifact:
    """A stored version of an artifact, read-only."""

    def __init__(self, version: Version, store: Path) -> None:
        self._version = version
        self._store = store

    @property
    def name(self) -> str:
        return self._version.name

    @property
    def version(self) -> int:
        """The version's number; the first is 1."""
        return self._version.number

    @property
    def commit(self) -> CommitId:
        return self._version.commit

    @property
    def digest(self) -> Digest:
        return self._version.digest

    @property
    def created(self) -> datetime:
        return self._version.created

    @property
    def author(self) -> str:
        return self._version.author

    @property
    def message(self) -> str | None:
        return self._version.message

    @property
    def parents(self) -> tuple[Parent, ...]:
        """The versions of other artifacts that this one was made from."""
        return self._version.parents

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files that were read on the way to it."""
        return self._version.inputs

    @property
    def environment(self) -> Environment:
        return self._version.environment

    def get_code(self) -> str:
        """The slice: the part of the executed code that rebuilds the value, in the order it ran."""
        with self._opened() as repository:
            return repository.code(self._version)

    def get_session_code(self) -> str:
        """The whole session's source."""
        with self._opened() as repository:
            return repository.session(self._version)

    def get_value(
        self, *, columns: Sequence[Any] | None = None, rows: builtins.slice | None = None
    ) -> Any:
        """The value itself. DamagedStoreError when the bytes aren't those that were stored.

        `columns` are some of a table's, by their labels, and `rows` a `slice` of a table's or an
        array's: only what holds them is read from the store.
        """
        from linea import values

        __tracebackhide__ = True
        with Told(), self._beside(), self._opened() as repository:
            read = repository.read_part(self._version)
            return values.decode(self._version.value, read, columns=columns, rows=rows)

    def _opened(self) -> Repository:
        from linea.store.repository import Repository

        return Repository.open(self._store)

    def _beside(self) -> AbstractContextManager[None]:
        """What reading happens in, so that it isn't taken for the user's own."""
        return nullcontext()

    def execute(self) -> Any:
        """Run the slice in a fresh process and give the value that comes out."""
        from linea.replay.run import run_version

        with self._opened() as repository:
            return run_version(repository, self._version, self._store.parent)

    def visualize(self) -> str:
        """The lineage of this version as text."""
        from linea.history import drawing, graph

        with self._opened() as repository:
            return drawing.mermaid(graph.lineage(repository, [self._version]))

    def __repr__(self) -> str:
        what = self._version.value.summary.get("text", self._version.value.type)
        return f"<Artifact {self._version.revision}: {what}>"

    def _repr_html_(self) -> str:
        from linea.replay.card import card

        with self._beside(), self._opened() as repository:
            code, preview = repository.code(self._version), repository.preview(self._version)
        return card(self._version, code, preview)
