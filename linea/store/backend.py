"""What a repository needs beneath it: objects, refs and a lock, here kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from linea.store.objects import GitObject, ObjectId


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref's move from what it was read as to what it shall be; None: no such ref."""

    ref: str
    old: ObjectId | None
    new: ObjectId | None


class MissingObjectError(Exception):
    """An object isn't there."""


class CorruptObjectError(Exception):
    """An object's bytes aren't those that its id stands for."""


class Backend(Protocol):
    """Objects by id, refs by name, and a lock over both."""

    @property
    def path(self) -> Path | None:
        """The folder on disk; None where there is none."""

    def read(self, id: ObjectId, *, checked: bool = True) -> GitObject:
        """Give an object; MissingObjectError or CorruptObjectError where that can't be.

        Not `checked`, its bytes may be others: the caller holds them against a hash of its own.
        """

    def read_into(self, id: ObjectId, room: memoryview) -> bool:
        """Put a blob that fills `room` there, unchecked, if that saves copies; else give False.

        What is in `room` then may be anything.
        """

    def has(self, id: ObjectId) -> bool:
        """Whether an object is there."""

    def expand(self, prefix: str) -> list[ObjectId]:
        """The objects whose ids begin with `prefix` (at least four hex digits)."""

    def write(self, objects: Mapping[ObjectId, GitObject]) -> None:
        """Write what isn't there yet; all is durable on return."""

    def ref(self, name: str) -> ObjectId | None:
        """What a ref points to."""

    def refs(self, prefix: str) -> dict[str, ObjectId]:
        """The refs that begin with `prefix`, which ends in `/`; those that are damaged left out."""

    def ref_names(self, prefix: str) -> list[str]:
        """The names of the refs that begin with `prefix`, whole or damaged."""

    def damaged_refs(self) -> dict[str, str]:
        """Why refs can't be read, by name; those that are gone among them."""

    def is_lost(self, ref: str) -> bool:
        """Whether a ref that isn't there is gone by mistake."""

    def update_refs(self, changes: Sequence[RefChange], reason: str) -> bool:
        """Make all changes, or none and give False where a ref isn't at its `old` any more."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers out, or wait for them."""

    def writing(self, *, alone: bool = False) -> AbstractContextManager[bool]:
        """Be among those that write objects; `alone`, without any other. False: unguarded."""

    def forget(self) -> None:
        """Look at the files of objects anew: they were moved."""

    def tidy(self) -> None:
        """Bring many small files of objects together, if there are too many."""

    def cached(self, name: str) -> bytes | None:
        """A file of the cache, which can be rebuilt and may be gone at any time."""

    def cache(self, name: str, data: bytes, *, append: bool) -> None:
        """Write a file of the cache; a cache that can't be written is none."""

    def setting(self, key: str) -> str | None:
        """What the configuration says under `key`."""

    def set(self, key: str, value: str) -> None:
        """Write `key` into the store's configuration."""

    def bring_back(self, trash: str) -> bool:
        """Put back what a gc took away into this folder; give whether it was there."""

    def record(self, line: bytes) -> None:
        """Add to the list of operations, if that can be written."""

    def recorded(self) -> bytes:
        """The list of operations."""

    def close(self) -> None:
        """Let go of what is held open."""


class MemoryBackend:
    """Objects and refs in dictionaries."""

    path: Path | None = None

    def __init__(self) -> None:
        self._objects: dict[ObjectId, GitObject] = {}
        self._refs: dict[str, ObjectId] = {}
        self._cache: dict[str, bytes] = {}
        self._operations = b""
        self._settings: dict[str, str] = {}
        self._lock = threading.Lock()

    def read(self, id: ObjectId, *, checked: bool = True) -> GitObject:
        try:
            return self._objects[id]
        except KeyError:
            raise MissingObjectError(id) from None

    def read_into(self, id: ObjectId, room: memoryview) -> bool:
        return False

    def has(self, id: ObjectId) -> bool:
        return id in self._objects

    def expand(self, prefix: str) -> list[ObjectId]:
        return sorted(id for id in self._objects if id.startswith(prefix))

    def write(self, objects: Mapping[ObjectId, GitObject]) -> None:
        self._objects.update(objects)

    def ref(self, name: str) -> ObjectId | None:
        return self._refs.get(name)

    def refs(self, prefix: str) -> dict[str, ObjectId]:
        return {name: id for name, id in self._refs.items() if name.startswith(prefix)}

    def ref_names(self, prefix: str) -> list[str]:
        return sorted(self.refs(prefix))

    def damaged_refs(self) -> dict[str, str]:
        return {}

    def is_lost(self, ref: str) -> bool:
        return False

    def update_refs(self, changes: Sequence[RefChange], reason: str) -> bool:
        if any(self._refs.get(change.ref) != change.old for change in changes):
            return False
        for change in changes:
            if change.new is None:
                self._refs.pop(change.ref, None)
            else:
                self._refs[change.ref] = change.new
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[bool]:
        yield True

    def forget(self) -> None:
        pass

    def tidy(self) -> None:
        pass

    def cached(self, name: str) -> bytes | None:
        return self._cache.get(name)

    def cache(self, name: str, data: bytes, *, append: bool) -> None:
        self._cache[name] = self._cache.get(name, b"") + data if append else data

    def setting(self, key: str) -> str | None:
        return self._settings.get(key)

    def set(self, key: str, value: str) -> None:
        self._settings[key] = value

    def bring_back(self, trash: str) -> bool:
        return False

    def record(self, line: bytes) -> None:
        self._operations += line

    def recorded(self) -> bytes:
        return self._operations

    def close(self) -> None:
        pass
