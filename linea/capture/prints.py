"""Contents of containers → prints: atoms by value, everything else by type and address."""

from __future__ import annotations

import itertools
import marshal
import re
import time
import types
from collections.abc import Iterable
from typing import Any

from xxhash import xxh3_64_intdigest

from linea.capture.walk import ATOMS, CHUNK, IMMUTABLE, MAX_KEYS, Walk, address


def shallow(items: Iterable[object]) -> int:
    """A print of `items`: atoms by value, everything else by type and address."""
    values: list[object] = []
    refs: list[object] = []
    for item in items:
        kind = type(item)
        if kind in ATOMS:
            values.append(item)
            continue
        values.append(...)
        if kind is tuple:
            refs.append(shallow(item))  # type: ignore[arg-type]
        elif kind in IMMUTABLE:
            refs.append(_immutable_print(item))
        else:
            refs += (kind.__name__, address(item))
    return xxh3_64_intdigest(marshal.dumps((values, refs), 2))


def _immutable_print(item: object) -> object:
    if isinstance(item, (types.CodeType, types.FrameType, types.TracebackType, re.Match)):
        return address(item)
    return (type(item).__name__, repr(item))


def joined(*prints: int) -> int:
    """One print of several."""
    return xxh3_64_intdigest(marshal.dumps(prints, 2))


def sequence(items: Any, length: int, walk: Walk) -> int:
    """The print of a sequence of any length; pushes what is mutable below it."""
    if length <= CHUNK:
        return _piece(list(items), walk)
    prints = [length]
    iterator = iter(items)
    while piece := list(itertools.islice(iterator, CHUNK)):
        prints.append(_piece(piece, walk))
        if time.thread_time() > walk.deadline or len(walk.stack) > MAX_KEYS:
            walk.cut = True
            break
    return joined(*prints)


def _piece(items: list[object], walk: Walk) -> int:
    kinds = set(map(type, items))
    if kinds <= ATOMS:
        return xxh3_64_intdigest(marshal.dumps(items, 2))
    if kinds <= _FLAT and all(
        set(map(type, item)) <= ATOMS for item in items if type(item) is tuple
    ):
        return xxh3_64_intdigest(marshal.dumps(items, 2))
    walk.stack.extend(items)
    return shallow(items)


_FLAT = ATOMS | {tuple}
