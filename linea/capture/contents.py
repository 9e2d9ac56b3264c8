"""Large buffers → whether their content differs, hashed only where something may have written to it.

What holds a buffer (an array, a chunk of Arrow's, a frame of polars) is known by a weak reference:
as long as that gives the very object, nothing but a write can have changed what it holds. So a
new one isn't hashed at once, but before the first statement that may write to it; and not at all
after a statement that is known to write to none.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from linea.capture.walk import Walk, address

LARGE = 65_536
"""Bytes from which on hashing at every look would cost more than this book-keeping."""
RATE = 5e9
"""Bytes that are hashed in a second, at least."""

_versions = count(1)


@dataclass(slots=True)
class Content:
    """What is known of one buffer."""

    holder: weakref.ref[Any]
    size: int
    read: Callable[[Any], int]
    """Hashes what the holder holds."""
    version: int
    """Another number whenever the content may be another one."""
    seen: int
    """The statement after which it was last looked at."""
    digest: int | None = None
    """None: not hashed since it is what it is."""


class Contents:
    """The large buffers below the names of a session, by the address of what holds them."""

    def __init__(self) -> None:
        self.known: dict[int, Content] = {}
        self.statement = 0
        """Counts the statements: between two looks after the same one nothing can change."""
        self.pending: set[int] = set()
        """Those not hashed yet."""

    def version(self, holder: Any, size: int, read: Callable[[Any], int], walk: Walk) -> int:
        """A number that differs from the last time's where the content may differ.

        `holder` has a print of its own, so that the names which lead to it are known.
        """
        key = address(holder)
        found = self.known.get(key)
        if found is None or found.holder() is not holder:
            found = Content(weakref.ref(holder), size, read, next(_versions), self.statement)
            self.known[key] = found
            self.pending.add(key)
        elif found.seen != self.statement and not walk.spared:
            found.seen = self.statement
            self._compare(key, found, walk)
        return found.version

    def _compare(self, key: int, content: Content, walk: Walk) -> None:
        holder = content.holder()
        if content.digest is not None and affordable(content.size, walk.deadline):
            now = content.read(holder)
            if now != content.digest:
                content.version, content.digest = next(_versions), now
            return
        walk.blurred = True
        content.version, content.digest = next(_versions), None
        self.pending.add(key)

    def hash(self, keys: Iterable[int], deadline: float) -> None:
        """Take the digests of `keys`, as far as `deadline` allows: something may write to them."""
        for key in keys:
            content = self.known[key]
            holder = content.holder()
            if holder is not None and affordable(content.size, deadline):
                content.digest = content.read(holder)
                self.pending.discard(key)

    def drop(self, key: int) -> None:
        """No name leads to `key` any more."""
        if self.known.pop(key, None) is not None:
            self.pending.discard(key)


def affordable(size: int, deadline: float) -> bool:
    """Whether `size` bytes can be hashed before `deadline`."""
    return time.thread_time() + size / RATE <= deadline
