"""Several saves → one: versions that only their maker sees, until all become visible together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from linea.model import CommitId, Draft, Version
from linea.store.saving import Prepared

if TYPE_CHECKING:
    from linea.store.backend import Backend, RefChange
    from linea.store.objects import GitObject, ObjectId
    from linea.store.repository import Repository


class Overlay:
    """A backend whose refs move in memory only; objects go to the one beneath it."""

    def __init__(self, below: Backend) -> None:
        self._below = below
        self._lock = RLock()
        self.moved: dict[str, ObjectId | None] = {}

    @property
    def path(self) -> Path | None:
        return self._below.path

    def read(self, id: ObjectId, *, checked: bool = True) -> GitObject:
        return self._below.read(id, checked=checked)

    def read_into(self, id: ObjectId, room: memoryview) -> bool:
        return self._below.read_into(id, room)

    def has(self, id: ObjectId) -> bool:
        return self._below.has(id)

    def expand(self, prefix: str) -> list[ObjectId]:
        return self._below.expand(prefix)

    def write(self, objects: Mapping[ObjectId, GitObject]) -> None:
        self._below.write(objects)

    def ref(self, name: str) -> ObjectId | None:
        return self.moved[name] if name in self.moved else self._below.ref(name)

    def refs(self, prefix: str) -> dict[str, ObjectId]:
        found: dict[str, ObjectId | None] = dict(self._below.refs(prefix))
        found |= {name: id for name, id in self.moved.items() if name.startswith(prefix)}
        return {name: id for name, id in found.items() if id is not None}

    def ref_names(self, prefix: str) -> list[str]:
        moved = {name for name in self.moved if name.startswith(prefix)}
        return sorted({*self._below.ref_names(prefix), *moved} - self._removed())

    def _removed(self) -> set[str]:
        return {name for name, id in self.moved.items() if id is None}

    def damaged_refs(self) -> dict[str, str]:
        return self._below.damaged_refs()

    def is_lost(self, ref: str) -> bool:
        return self._below.is_lost(ref)

    def update_refs(self, changes: Sequence[RefChange], reason: str) -> bool:
        if any(self.ref(change.ref) != change.old for change in changes):
            return False
        self.moved |= {change.ref: change.new for change in changes}
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield

    def writing(self, *, alone: bool = False) -> AbstractContextManager[bool]:
        return self._below.writing(alone=alone)

    def forget(self) -> None:
        self._below.forget()

    def tidy(self) -> None:
        pass  # done once, when all is saved

    def cached(self, name: str) -> bytes | None:
        return self._below.cached(name)

    def cache(self, name: str, data: bytes, *, append: bool) -> None:
        pass  # what is staged may never be part of the store

    def setting(self, key: str) -> str | None:
        return self._below.setting(key)

    def set(self, key: str, value: str) -> None:
        self._below.set(key, value)

    def bring_back(self, trash: str) -> bool:
        return self._below.bring_back(trash)

    def record(self, line: bytes) -> None:
        pass  # one operation, when all is saved

    def recorded(self) -> bytes:
        return self._below.recorded()

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a staging was."""

    count: int
    moved: Mapping[str, ObjectId | None]


class Staging:
    """Saves to one store that are to become visible together.

    What is saved is on disk at once, and read by `view` as if it were in the store; no ref of the
    store names it before `commit`. From the first save on a gc waits.
    """

    def __init__(self, store: Repository, below: Backend, view: Repository, over: Overlay) -> None:
        self.store = store
        self._below = below
        self._overlay = over
        self._made: list[Prepared] = []
        self._guard = ExitStack()
        self.view = view

    def save(self, draft: Draft) -> Version:
        """Take a draft; its number is the one that it gets if nobody else saves until the end."""
        if not self._made:
            self._guard.enter_context(self._below.writing())
        made, version = self.view.stage(draft)
        self._made.append(replace(made, stands_for=version.commit))
        return version

    def mark(self) -> Mark:
        """What `back_to` goes back to."""
        return Mark(len(self._made), dict(self._overlay.moved))

    def back_to(self, mark: Mark | None) -> set[CommitId]:
        """Forget what was saved since, by default since the beginning; give its commits."""
        mark = mark or Mark(0, {})
        lost = {made.stands_for for made in self._made[mark.count :] if made.stands_for is not None}
        del self._made[mark.count :]
        self._overlay.moved = dict(mark.moved)
        return lost

    def commit(self) -> dict[CommitId, Version]:
        """Make all visible; give each version by the commit that `save` gave it."""
        if not self._made:
            return {}
        versions = self.store.commit_prepared(self._made)
        made, self._made = self._made, []
        return {
            each.stands_for: version
            for each, version in zip(made, versions, strict=True)
            if each.stands_for is not None
        }

    def close(self) -> None:
        """Let go of the store."""
        self._guard.close()
        self.store.close()
