"""Where to cut data into segments: at places that its content marks, so that they outlive edits.

A cut depends on the last values before it alone. Rows that are put in, taken out or changed move
the cuts near them, and all others stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from linea.model import ALONE, Buffer, Guide

LEAST = 144 << 10
"""Bytes of a segment at least."""
MEAN = 192 << 10
"""Bytes after these until a cut, on average."""
MOST = 768 << 10
"""Bytes of a segment at most, unless a single row has more."""
STEP = 32 << 10
"""Bytes looked at in one go."""

WIDE, NARROW = np.uint64(0x9E3779B97F4A7C15), np.uint32(0x9E3779B1)
WIDE_BEFORE, NARROW_BEFORE = np.uint64(0xC2B2AE3D27D4EB4F), np.uint32(0x85EBCA77)
NIBBLE = 5
"""Bytes that end in these four bits may be the last before a cut."""

Array = np.ndarray[Any, Any]


def after_number(words: Array, width: int, start: int, *, last: bool) -> int | None:
    """Return where the segment of numbers that begins at `start` ends.

    `words` are 4 or 8 bytes of each number, `width` is the size of a number. None: more data is
    needed to tell; with `last` there is none.
    """
    least, most = start + LEAST // width, start + MOST // width
    wide = words.dtype.itemsize == 8
    here, before = (WIDE, WIDE_BEFORE) if wide else (NARROW, NARROW_BEFORE)
    limit = words.dtype.type((1 << 8 * words.dtype.itemsize) // (MEAN // width))
    end = min(most, len(words))
    step = STEP // width
    for at in range(least, end, step):
        window = words[at - 1 : min(at + step, end)]
        prints: Array = window[1:] * here
        prints = np.add(prints, window[:-1] * before, out=prints)
        found = prints < limit
        place = int(found.argmax())
        if found[place]:
            return at + place + 1
    return most if len(words) >= most else len(words) if last else None


def after_byte(data: Array, align: int, start: int, *, last: bool) -> int | None:
    """Return where the segment of bytes that begins at `start` ends, a multiple of `align` on."""
    least, most = start + LEAST, start + MOST
    end = min(most, len(data))
    limit = np.uint64((1 << 64) * 16 * align // MEAN)
    for at in range(least, end, STEP):
        places = at + np.flatnonzero((data[at : min(at + STEP, end)] & 15) == NIBBLE)
        if align > 1:
            places = places[(places + 1 - start) % align == 0]
        found = places[windows(data)[places - 7] * WIDE < limit]
        if len(found):
            return int(found[0]) + 1
    return most if len(data) >= most else len(data) if last else None


def windows(data: Array) -> Array:
    """Return the 8 bytes from each byte on, as numbers; nothing is copied."""
    return np.ndarray(max(len(data) - 7, 0), dtype="<u8", buffer=data.data, strides=(1,))


def after_row(
    size: int,
    ends: Callable[[int], tuple[int, int]],
    prints: Callable[[int, int], tuple[Array, Array]],
    start: int,
    *,
    last: bool,
) -> int | None:
    """Return where the segment of rows of any size that begins at row `start` ends.

    `ends` gives the rows between which it may end, `prints` numbers that rows with the same
    content share, and the rows' sizes.
    """
    least, most = ends(start)
    end = min(most, size)
    for at in range(least, end, ROWS):
        stop = min(at + ROWS, end)
        found, sizes = prints(at - 1, stop)
        mixed = found[1:] * WIDE + found[:-1] * WIDE_BEFORE
        # The longer a row, the likelier a cut: so segments have one size whatever rows have.
        limits = np.minimum(sizes[1:], MEAN - 1).astype(np.uint64) * np.uint64((1 << 64) // MEAN)
        hits = mixed < limits
        place = int(hits.argmax())
        if hits[place]:
            return at + place + 1
    return most if most < size else size if last else None


ROWS = 2048


def of_bytes(blocks: Iterable[Any], align: int = 1, guide: Guide = ALONE) -> Iterator[Buffer]:
    """Yield the segments of bytes that come in blocks, however the blocks are cut.

    Numbers of 4 or 8 bytes are cut between numbers. Where a segment begins that the version before
    has, it ends where that one does: so a guide saves the search.
    """
    rest = b""
    for block in blocks:
        view = memoryview(block).cast("B")
        at = 0
        while at < len(view):
            if rest:
                # Only the head of a block is copied, to join it with what was left over.
                head = view[at : at + MOST]
                joined = rest + head
                end = after(np.frombuffer(joined, np.uint8), align, 0, last=False)
                if end is None:
                    rest, at = joined, at + len(head)
                    continue
                if end < len(rest):
                    yield joined[:end]
                    rest = joined[end : len(rest)]
                    continue
                yield joined[:end]
                at, rest = at + end - len(rest), b""
                continue
            known = guide.ahead()
            if 0 < known <= len(view) - at:
                same = view[at : at + known]
                if guide.meets(same):
                    yield same
                    at += known
                    continue
            data = np.frombuffer(view, np.uint8)
            end = after(data, align, at, last=False)
            if end is None:
                rest, at = bytes(view[at:]), len(view)
            else:
                yield bytes(view[at:end])
                at = end
    data = np.frombuffer(rest, np.uint8)
    at = 0
    while at < len(rest):
        end = after(data, align, at, last=True) or len(rest)
        yield rest[at:end]
        at = end


def after(data: Array, align: int, start: int, *, last: bool) -> int | None:
    """Return where the segment of bytes that begins at `start` ends."""
    if align not in (4, 8):
        return after_byte(data, align, start, last=last)
    left = (len(data) - start) % align
    words = data[start : len(data) - left].view(f"<u{align}")
    if left and last and after_number(words, align, 0, last=False) is None:
        return len(data)
    end = after_number(words, align, 0, last=last)
    return None if end is None else start + end * align
