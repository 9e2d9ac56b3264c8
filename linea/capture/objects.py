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

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import Any

from linea.capture.contents import Contents
from linea.capture.kinds import Kinds
from linea.capture.trees import is_tree
from linea.capture.walk import ATOMS, IMMUTABLE, MAX_KEYS, Walk, address, is_a


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
    weak: frozenset[int] = frozenset()
    """Addresses of objects whose death shows below it."""
    reads_all: bool = False
    """A function below it can read any global name (`eval`, `globals` …)."""
    pyplot: bool = False
    """A matplotlib artist is below it."""
    hides: frozenset[str] = frozenset()
    """Packages of objects below it that may hold functions which no walk shows."""
    lazy: bool = False
    """Something below it reads files only when it is used."""
    code: bool = False
    """What can be called, or is of a class of the user's own, is below it."""
    cut: bool = False
    """Too large to be walked whole: unknown objects may be below it."""


NOTHING = Reach()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a name showed."""

    changed: Set[int] = frozenset()
    """Keys whose prints differ from those known."""
    suspects: Set[str] = frozenset()
    """Other names that hold a part of a tree that differs: which part did is for them to tell."""
    printed: Set[int] = frozenset()
    """Keys of what was compared."""
    blurred: bool = False
    """Some of `changed` weren't compared."""


MIXED = -(1 << 80)
"""Keys below this are no object's address: they stand for something that names may share."""


class Graph:
    """Prints of the objects that global names reach."""

    def __init__(self, namespace: dict[str, Any], is_user_module: Callable[[str], bool]) -> None:
        self.namespace = namespace
        self.reach: dict[str, Reach] = {}
        self.prints: dict[int, object] = {}
        self.owners: dict[int, str | set[str]] = {}
        """The one name, or the names, that lead to an object."""
        self.links: dict[str, set[int]] = {}
        self.shares: dict[int, list[int]] = {}
        self.buffers: dict[int, int] = {}
        """Start and size of the memory of arrays."""
        self.contents = Contents()
        self.watched: dict[int, set[str]] = {}
        """By address of an object, the names for which it matters whether it lives."""
        self.hits: dict[int, int] = {}
        """How often each cache was asked for what it had."""
        self.hit = False
        """One was, or was emptied, since this was last unset."""
        self.lingering: set[str] = set()
        """Names for which it matters whether something lives that no name reaches any more."""
        self.moved: set[int] = set()
        """Those of them that some name has begun or ceased to reach, since this was last emptied."""
        self._kinds = Kinds(namespace, is_user_module)
        self._mixed = 0

    def use(self, namespace: dict[str, Any], cells: frozenset[str]) -> None:
        """See `Instruments.use`."""
        self.namespace = namespace
        self._kinds.cells = cells

    @property
    def user_classes(self) -> bool:
        """Whether the user's own classes were seen."""
        return self._kinds.user_classes

    def walk(self, values: Iterable[object], deadline: float, *, spared: bool = False) -> Walk:
        """Walk everything below `values`; `spared`: no large buffer was written to."""
        walk = Walk(deadline, self.prints, self.buffers, self.contents, spared=spared)
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
                    if type(shape) is int:
                        walk.prints[key] = shape if shape < 0 else shape ^ info.salt
                    else:
                        walk.prints[key] = (info.name, shape)
                if walk.cut:
                    break
            if info.code:
                walk.code = True
            if info.user:
                stack.append(kind)
            if not count & 255 and (
                len(walk.keys) > MAX_KEYS or time.thread_time() > walk.deadline
            ):
                walk.cut = True
                break
        return walk

    # -------------------------------------------------------------------------------- names

    def look(self, name: str, deadline: float, *, spared: bool = False) -> Seen:
        """Walk the value of `name` anew; `spared`: no large buffer was written to since."""
        value = self.namespace.get(name, None)
        kind = type(value)
        if kind in ATOMS or kind in IMMUTABLE:
            self.forget(name)
            return Seen()
        walk = self.walk([value], deadline, spared=spared)
        before = self.reach.get(name, NOTHING).keys
        changed, parts = self._compare(walk, before)
        self._adopt(name, walk)
        suspects = {n for key in parts for n in self._sharing(key)}
        return Seen(changed, suspects - {name}, walk.prints.keys(), walk.blurred)

    def _compare(self, walk: Walk, before: frozenset[int]) -> tuple[set[int], set[int]]:
        """Take the prints of a walk; give keys that changed, and keys of parts that may have."""
        changed: set[int] = set()
        parts: set[int] = set()
        prints = self.prints
        shares = self.shares
        for key, shape in walk.prints.items():
            known = prints.get(key)
            if known is None:
                prints[key] = shape
            elif known != shape:
                changed.add(key)
                # Whoever sees the same memory through another object may see the change.
                changed.update(walk.shares.get(key, ()), shares.get(key, ()))
                parts.update(walk.trees.get(key, ()))
                if is_tree(known):
                    parts |= before
                prints[key] = shape
        shares.update(walk.shares)
        for key, hits in walk.hits.items():
            self.hit |= self.hits.get(key, 0) != hits
            self.hits[key] = hits
        return changed, parts

    def _adopt(self, name: str, walk: Walk) -> None:
        """What `walk` found is what `name` leads to."""
        before = self.reach.get(name, NOTHING).keys
        sharers: set[str] = set()
        found = walk.keys
        if walk.cut:
            # All of it counts as one from here on, shared with whoever holds a part now: so many
            # keys would cost more in every statement than looking did.
            sharers = self.holders(before | found)
            found = walk.opaque | {address(self.namespace.get(name))}
            for other in sharers:  # modules are never mixed with what uses them
                if is_a(self.namespace.get(other), types.ModuleType):
                    found |= walk.keys & self.reach.get(other, NOTHING).keys
        keys = frozenset(found | self.links[name] if name in self.links else found)
        if keys != before:
            if self.watched:
                self.moved |= self.watched.keys() & (keys ^ before)
            self._own(name, keys - before)
            self._drop(name, before - keys)
        for key in self.reach.get(name, NOTHING).weak - walk.weak:
            self.watched.get(key, set()).discard(name)
        for key in walk.weak:
            self.watched.setdefault(key, set()).update((name, *walk.names))
        self.reach[name] = Reach(
            keys,
            frozenset(walk.opaque),
            frozenset(walk.names),
            frozenset(walk.mentions),
            frozenset(walk.packages),
            frozenset(walk.modules),
            frozenset(walk.files),
            frozenset(walk.weak),
            walk.reads_all,
            walk.pyplot,
            frozenset(walk.hides),
            walk.lazy,
            walk.code,
            walk.cut,
        )
        if sharers:
            self.mix(sharers | {name})

    def forget(self, name: str) -> None:
        """`name` is unbound, or bound to something immutable."""
        reach = self.reach.pop(name, None)
        self.links.pop(name, None)
        if reach is not None:
            if self.watched:
                self.moved |= self.watched.keys() & reach.keys
            self._drop(name, reach.keys)

    def _own(self, name: str, keys: Iterable[int]) -> None:
        owners = self.owners
        for key in keys:
            holders = owners.get(key)
            if holders is None:
                owners[key] = name  # most objects have one: a set for each would be large
            elif type(holders) is set:
                holders.add(name)
            elif holders != name:
                owners[key] = {holders, name}  # type: ignore[arg-type]  # it is a text

    def _drop(self, name: str, keys: Iterable[int]) -> None:
        owners = self.owners
        for key in keys:
            holders = owners.get(key)
            if type(holders) is set:
                holders.discard(name)
            if holders == name or not holders:
                owners.pop(key, None)
                self.prints.pop(key, None)
                self.shares.pop(key, None)
                self.contents.drop(key)
                if key < 0:
                    self.buffers.pop(~key, None)

    def _sharing(self, key: int) -> set[str]:
        """The names that lead to `key`, where there are several."""
        holders = self.owners.get(key)
        return holders if isinstance(holders, set) else set()

    def link(self, name: str, keys: Iterable[int]) -> None:
        """Objects under `keys` may be below `name` though no walk showed it."""
        extra = set(keys)
        if not extra:
            return
        self.links.setdefault(name, set()).update(extra)
        reach = self.reach.get(name, NOTHING)
        self._own(name, extra - reach.keys)
        self.reach[name] = replace(reach, keys=reach.keys | extra)

    def tie(self, bound: Iterable[str], read: Iterable[str], *, stores: bool) -> None:
        """Names may share what no walk shows: something opaque, or the rest of what was cut.

        `stores`: the statement may have put something that it read into something else.
        """
        bound, read = set(bound), set(read)
        blind = [n for n in bound if self.reach.get(n, NOTHING).opaque]
        if len(blind) > 1:  # made together, as both ends of a pipe are
            together = {key for name in blind for key in self.reach[name].opaque}
            for name in blind:
                self.link(name, together)
        hazy = {key for name in read for key in self.reach.get(name, NOTHING).opaque}
        if hazy:
            for name in bound:
                if self.reach.get(name, NOTHING).opaque:
                    self.link(name, hazy)
        cut = {n for n in bound | read if self.reach.get(n, NOTHING).cut}
        if cut and (bound or stores):
            self.mix(bound | (read if stores else cut))

    def tie_memory(self, bound: Iterable[str], read: Iterable[str]) -> None:
        """What can't be seen below `bound` may lie in memory of what was read."""
        shared = {key for name in read for key in self.reach.get(name, NOTHING).keys}
        for name in bound:
            if self.reach.get(name, NOTHING).opaque:
                self.link(name, shared)

    def mix(self, names: Iterable[str]) -> None:
        """Nothing is known of what `names` share: take them to share something."""
        namespace = self.namespace
        known = [
            n for n in names if n in self.reach and not is_a(namespace.get(n), types.ModuleType)
        ]
        common = [self.links.get(n, set()) for n in known]
        if len(known) > 1 and all(k >= MIXED for k in set.intersection(*common)):
            self._mixed += 1
            for name in known:
                self.link(name, {MIXED - self._mixed})

    def holders(self, keys: Iterable[int]) -> set[str]:
        """The names whose reach holds any of `keys`."""
        found: set[str] = set()
        for key in keys:
            holders = self.owners.get(key)
            if type(holders) is set:
                found |= holders
            elif holders is not None:
                found.add(holders)  # type: ignore[arg-type]  # it is a text
        return found
