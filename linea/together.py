"""`with linea.saving():` → what is saved inside it, committed at its end as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from linea.errors import StoreError, Told
from linea.model import CommitId, Draft, Version
from linea.replay import handle

if TYPE_CHECKING:
    from linea.store.repository import Repository
    from linea.store.staging import Mark, Staging

A = TypeVar("A", bound=handle.Artifact)

Settle = Callable[[dict[CommitId, Version | None]], None]
"""Told what became of the versions of a block: their final selves, or None where it failed."""

After = Callable[["Repository", Sequence[Version]], None]
"""Told what was committed, and where."""

_CURRENT: ContextVar[Block | None] = ContextVar("linea_saving", default=None)


class _Unsaved:
    """Stands in a handle for a version whose block didn't come to its end."""

    def __init__(self, name: str) -> None:
        self.revision = name

    def __getattr__(self, asked: str) -> Any:
        if asked.startswith("__"):
            raise AttributeError(asked)
        raise StoreError(
            f"{self.revision} wasn't saved: its `with linea.saving()` block ended by an exception",
            hint="save it again",
        )


class Block:
    """Saves that become visible together when the `with` block ends, or not at all.

    It holds for the code that runs in the block: functions that are called, tasks and threads
    that were given its context. Other threads and child processes save as ever. A block inside
    another one is part of it; ended by an exception, it takes back what was saved in itself.
    """

    def __init__(self, settle: Settle, after: After) -> None:
        self._settle = settle
        self._after = after
        self._outer: Block | None = None
        self._root: Block = self
        self._process = os.getpid()
        self._lock = RLock()
        self._stagings: dict[Path, Staging] = {}
        self._saved: list[handle.Artifact] = []
        self._loaded: list[handle.Artifact] = []
        self._marks: dict[Path, Mark] = {}
        self._open = False

    @property
    def artifacts(self) -> list[handle.Artifact]:
        """What was saved in the block, in order."""
        return list(self._saved)

    @property
    def is_open(self) -> bool:
        """Whether what is saved now can be part of it."""
        return self._open and self._root._open

    def __enter__(self) -> Self:
        self._outer = current()
        if self._outer is not None:
            self._root = self._outer._root
            self._marks = {path: each.mark() for path, each in self._root._stagings.items()}
        self._open = True
        _CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        _CURRENT.set(self._outer)
        if os.getpid() != self._process:
            return  # a child that was forked inside leaves alone what is its parent's
        with self._root._lock:
            self._open = False
            if self._root is not self:
                if kind is None and self._outer is not None:
                    self._outer._saved += self._saved
                else:
                    self._take_back()
                return
            try:
                if kind is None:
                    with Told():
                        self._commit()
            finally:
                self._take_back()
                for staging in self._stagings.values():
                    staging.close()

    def save(
        self,
        draft: Draft,
        path: Path,
        opened: Callable[[], Repository],
        shown: Callable[[Version], A],
    ) -> A:
        """Stage a draft for the store at `path`; give its handle."""
        root = self._root
        with root._lock:
            if path not in root._stagings:
                root._stagings[path] = opened().staging()
            made = shown(root._stagings[path].save(draft))
            self._saved.append(made)
            return made

    def view(self, path: Path) -> Repository | None:
        """The store at `path` as the block sees it; None where it saved nothing there."""
        staging = self._root._stagings.get(path)
        return staging.view if staging is not None else None

    def note(self, loaded: handle.Artifact) -> None:
        """A handle was loaded in the block: its version may be one that the block saved."""
        self._root._loaded.append(loaded)

    # -------------------------------------------------------------------------------- the end

    def _commit(self) -> None:
        for staging in self._stagings.values():
            final = staging.commit()
            for known in (*self._saved, *self._loaded):
                known._version = final.get(known._version.commit, known._version)
            self._settle(dict(final))
            self._after(staging.store, list(final.values()))

    def _take_back(self) -> None:
        """Forget what was staged since the block began and isn't committed."""
        lost: set[CommitId] = set()
        for path, staging in self._root._stagings.items():
            lost |= staging.back_to(self._marks.get(path))
        self._settle(dict.fromkeys(lost))
        for known in (*self._saved, *self._root._loaded):
            if known._version.commit in lost:
                known._version = cast(Version, _Unsaved(known._version.revision))
        if lost:
            self._saved.clear()
            self._root._loaded = [h for h in self._root._loaded if isinstance(h._version, Version)]


def current() -> Block | None:
    """The block that the running code is in."""
    found = _CURRENT.get()
    while found is not None and not found.is_open:
        found = found._outer
    return found if found is not None and found._process == os.getpid() else None
