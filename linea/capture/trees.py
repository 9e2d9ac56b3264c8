"""Plain data, built-in containers of atoms all the way down → one print for all of it.

Level by level, so that nearly all of the work is done by the interpreter's own C code: some ten
times quicker than to print each container by itself.
"""

from __future__ import annotations

import array
import gc
import itertools
import marshal
import time
from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_64, xxh3_64_intdigest

from linea.capture.walk import ATOMS, MAX_KEYS, Walk, address

CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
PLAIN = ATOMS | CONTAINERS
CHANGEABLE = frozenset({list, dict, set})

MAX_ITEMS = 1_000_000
"""With more items in one level, the containers are printed one by one, in pieces."""
MAX_DEPTH = 64
PIECE = 1024
"""Items of a container that are written out at once."""


def tree_print(obj: object, walk: Walk) -> int | None:
    """The print of all that is below `obj`; None where it isn't plain data without sharing.

    Below zero, as no other print is: whoever shares a part of a tree that differs has to be
    compared by itself.
    """
    inner = _containers(obj, walk)
    if inner is None:
        return None
    found = list(map(address, inner))
    distinct = set(found)
    if len(distinct) != len(found):
        return None  # which container it is that occurs twice is for single prints to tell
    if walk.cut:
        walk.keys |= distinct
        return -1
    # Parts that have prints of their own, as names lead to them: these stay up to date.
    if not walk.known.keys().isdisjoint(distinct):
        walk.stack += [part for part in inner if address(part) in walk.known]
    content = _content(obj, walk.deadline)
    walk.keys |= distinct  # also where it is cut: whoever holds a part has to be known
    if content is None:
        walk.cut = True
        return -1
    walk.trees[address(obj)] = found
    # The same content in other containers is a change: whoever held the old ones is parted.
    return -2 - xxh3_64_intdigest(array.array("q", found).tobytes(), content)


def is_tree(shape: object) -> bool:
    """Whether a print is one of a whole tree."""
    return type(shape) is int and shape < 0


def _content(obj: object, deadline: float) -> int | None:
    """A print of the plain data below `obj`, piece by piece; None when it takes too long."""
    if not isinstance(obj, (list, tuple, dict)) or len(obj) <= PIECE:
        return xxh3_64_intdigest(marshal.dumps(obj, 2))  # type: ignore[arg-type]  # plain data
    digest = xxh3_64()
    items: Iterator[Any] = iter(obj.items() if isinstance(obj, dict) else obj)
    while piece := list(itertools.islice(items, PIECE)):
        if time.thread_time() > deadline:
            return None
        digest.update(marshal.dumps(piece, 2))
    return digest.intdigest()


def _containers(obj: object, walk: Walk) -> list[object] | None:
    """The lists, dicts and sets below `obj`, in order; None where not all is plain data."""
    found: list[object] = []
    level = [obj]
    room = MAX_KEYS - len(walk.keys)
    for _ in range(MAX_DEPTH):
        if sum(map(len, level)) > MAX_ITEMS:  # type: ignore[arg-type]  # containers have one
            return None
        items = gc.get_referents(*level)
        kinds = set(map(type, items))
        if not kinds <= PLAIN:
            return None
        if kinds <= ATOMS:
            return found
        level = [o for o in items if type(o) not in ATOMS]
        found += [o for o in level if type(o) in CHANGEABLE]
        if len(found) > room or len(level) > MAX_ITEMS or time.thread_time() > walk.deadline:
            walk.cut = True
            return []
    return None
