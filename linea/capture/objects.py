"""Live objects → what each global name can reach, and fingerprints that show what changed.

Every mutable object gets a *print*: a fingerprint of its own, shallow content in which other
mutable objects stand by address. A name's *reach* is the set of mutable objects (and shared
buffers) below it. An object whose print differs after a statement was changed by it, and with it
every name whose reach holds the object (Kishu, VLDB 2025, calls such names co-variables).

Nothing here runs code of the user's classes: objects are taken apart by exact type, through the
base types' own methods. Addresses are kept, never references, so that nothing lives longer
because it is watched. An address that is used again by a new object is no danger: prints hold
the type and the content, so either they differ, or the two can't be told apart by the program.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from linea.capture.kinds import Kinds
from linea.capture.walk import ATOMS, IMMUTABLE, MAX_KEYS, Walk, address


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached from one name."""

    keys: frozenset[int] = frozenset()
    """Addresses of the mutable objects and buffers below it."""
    opaque: frozenset[int] = frozenset()
    """Those of `keys` whose content can't be seen."""
    names: frozenset[str] = frozenset()
    """Global names that functions below it read when they are called."""
    mentions: frozenset[str] = frozenset()
    """Attribute names in the code of those functions."""
    packages: frozenset[str] = frozenset()
    """Top-level packages that types of the objects below it come from."""
    modules: frozenset[str] = frozenset()
    """Dotted names of modules below it."""
    files: frozenset[str] = frozenset()
    """Paths that open handles below it stand for."""
    reads_all: bool = False
    """A function below it can read any global name (`eval`, `globals` …)."""
    pyplot: bool = False
    """A matplotlib artist is below it."""
    cut: bool = False
    """Too large to be walked whole: unknown objects may be below it."""


NOTHING = Reach()


class Graph:
    """Prints of the objects that global names reach."""

    def __init__(self, namespace: dict[str, Any], is_user_module: Callable[[str], bool]) -> None:
        self.namespace = namespace
        self.reach: dict[str, Reach] = {}
        self.prints: dict[int, object] = {}
        self.owners: dict[int, set[str]] = {}
        self.links: dict[str, set[int]] = {}
        self._kinds = Kinds(namespace, is_user_module)

    def walk(self, values: Iterable[object], deadline: float) -> Walk:
        """Walk everything below `values`."""
        walk = Walk(deadline)
        stack = walk.stack
        stack.extend(values)
        seen = walk.seen
        infos = self._kinds.known
        count = 0
        while stack:
            obj = stack.pop()
            kind = type(obj)
            if kind in ATOMS:
                continue
            key = address(obj)
            if key in seen:
                continue
            seen.add(key)
            info = infos.get(kind)
            if info is None:
                info = infos[kind] = self._kinds.classify(kind)
            if info.package:
                walk.packages.add(info.package)
            count += 1
            if info.handler is not None:
                try:
                    shape = info.handler(obj, walk)
                except Exception:
                    shape = None
                    walk.blind(obj)
                if shape is not None:
                    walk.keys.add(key)
                    walk.prints[key] = (info.name, shape)
            if info.user:
                stack.append(kind)
            if not count & 255 and (
                len(walk.keys) > MAX_KEYS or time.thread_time() > walk.deadline
            ):
                walk.cut = True
                break
        return walk

    # -------------------------------------------------------------------------------- names

    def look(self, name: str, deadline: float) -> tuple[set[int], Walk | None]:
        """Walk the value of `name` anew; give the keys whose prints differ from those known."""
        value = self.namespace.get(name, None)
        kind = type(value)
        if kind in ATOMS or kind in IMMUTABLE:
            self.forget(name)
            return set(), None
        walk = self.walk([value], deadline)
        return self.adopt(name, walk), walk

    def adopt(self, name: str, walk: Walk) -> set[int]:
        """Take the result of a walk over the value of `name`; give the keys that changed."""
        changed: set[int] = set()
        prints = self.prints
        for key, shape in walk.prints.items():
            known = prints.get(key)
            if known is None:
                prints[key] = shape
            elif known != shape:
                changed.add(key)
                # Whoever sees the same memory through another object may see the change.
                changed.update(walk.shares.get(key, ()))
                prints[key] = shape
        keys = frozenset(walk.keys) | frozenset(self.links.get(name, ()))
        before = self.reach.get(name, NOTHING).keys
        owners = self.owners
        for key in keys - before:
            holders = owners.get(key)
            if holders is None:
                owners[key] = {name}
            else:
                holders.add(name)
        self._drop(name, before - keys)
        self.reach[name] = Reach(
            keys,
            frozenset(walk.opaque),
            frozenset(walk.names),
            frozenset(walk.mentions),
            frozenset(walk.packages),
            frozenset(walk.modules),
            frozenset(walk.files),
            walk.reads_all,
            walk.pyplot,
            walk.cut,
        )
        return changed

    def forget(self, name: str) -> None:
        """`name` is unbound, or bound to something immutable."""
        reach = self.reach.pop(name, None)
        self.links.pop(name, None)
        if reach is not None:
            self._drop(name, reach.keys)

    def _drop(self, name: str, keys: Iterable[int]) -> None:
        owners = self.owners
        for key in keys:
            holders = owners.get(key)
            if holders is not None:
                holders.discard(name)
                if not holders:
                    del owners[key]
                    self.prints.pop(key, None)

    def link(self, name: str, keys: Iterable[int]) -> None:
        """Objects under `keys` may be below `name` though no walk showed it."""
        extra = set(keys)
        if not extra:
            return
        self.links.setdefault(name, set()).update(extra)
        reach = self.reach.get(name, NOTHING)
        for key in extra - reach.keys:
            self.owners.setdefault(key, set()).add(name)
        self.reach[name] = Reach(
            reach.keys | extra, reach.opaque, reach.names, reach.mentions, reach.packages,
            reach.modules, reach.files, reach.reads_all, reach.pyplot, reach.cut,
        )  # fmt: skip

    def tie(self, bound: Iterable[str], read: Iterable[str]) -> None:
        """Names bound to something unseen may share it with what can't be seen below `read`."""
        hazy: set[int] = set()
        for name in read:
            reach = self.reach.get(name, NOTHING)
            hazy |= reach.keys if reach.cut else reach.opaque
        if not hazy:
            return
        for name in bound:
            reach = self.reach.get(name, NOTHING)
            if reach.opaque or reach.cut:
                self.link(name, hazy)

    def mix(self, names: Iterable[str], step: int) -> None:
        """Nothing is known of what `names` share after `step`: take them to share something."""
        known = [n for n in names if n in self.reach]
        keys = {key for n in known for key in self.reach[n].keys}
        if keys:
            token = min(keys | {0}) - 1 - step  # no object's address
            for name in known:
                self.link(name, {token})

    def holders(self, keys: Iterable[int]) -> set[str]:
        """The names whose reach holds any of `keys`."""
        found: set[str] = set()
        for key in keys:
            found |= self.owners.get(key, set())
        return found
