"""A segment's bytes ⇄ the form that makes them small: zstd, of what suits the numbers in them.

Numbers lie at multiples of their width from the segment's first byte on. What stands before and
between them (sizes, validity) is taken for numbers as well: whatever the bytes are, they come back.
"""

from __future__ import annotations

import struct
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import zstandard

from linea.model import Buffer

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEVEL = 1
FAST = -1
"""zstd's level without a code for single bytes."""
QUICK_WORTH = 1.2
"""At most so much longer, what was made by the fast level is taken: it is read in half the time."""
WORTH = 0.88
"""Compressed to more than this share, a segment is stored as it is."""
DEAR = {"zstd": 1.1, "decimal": 1.05, "scaled": 1.05, "steps": 1.05}
"""What a byte of a form counts for beside one of byte planes, which are made and read fastest."""
WIDEST = 64
"""Bytes of an item at most of which planes are made."""
DECIMALS = 9
SAMPLE = 64
"""Numbers in a row that are looked at, in three places, to see which form may suit."""
ODD = 4
"""At most one number in so many is none of a form's own."""
FRONT = 16
"""Numbers at the beginning that may be no numbers, but sizes."""
FEW = 8
"""Odd numbers that are told one by one, though they be the same."""

HEAD = struct.Struct("<II")
OTHER = struct.Struct("<Q")
BASE = struct.Struct("<q")
_BASE_AT = HEAD.size + OTHER.size
LEAST, MOST = -(1 << 31) + 1, (1 << 31) - 1
"""What a number of 32 bits may be; the one below stands for the segment's other number."""


def best(raw: Buffer, width: int) -> tuple[str, bool, Buffer]:
    """The form that makes a segment smallest by enough, whether fast will do, its bytes in it."""
    tried = {form: data for form in _candidates(raw, width) if (data := compress(raw, form))}
    form = min(tried, key=lambda each: len(tried[each]) * DEAR.get(parsed(each)[0], 1.0))
    data = tried[form]
    if len(data) >= WORTH * len(raw):
        return "raw", False, raw
    quick = None if form == "zstd" else compress(raw, form, fast=True)
    if quick is not None and len(quick) <= QUICK_WORTH * len(data):
        return form, True, quick
    return form, False, data


def shorter(raw: Buffer, form: str, *, fast: bool = False) -> tuple[str, Buffer]:
    """A segment in a form, or as it is where that is no longer."""
    data = compress(raw, form, fast=fast)
    if data is None:
        form, data = "zstd", compress(raw, "zstd")
    return (form, data) if data is not None and len(data) < len(raw) else ("raw", raw)


def compress(raw: Buffer, form: str, *, fast: bool = False) -> Buffer | None:
    """A segment's bytes in a form; None where that doesn't suit them."""
    if form == "raw":
        return raw
    made = content(raw, form)
    if made is None:
        return None
    # A copy: what zstd gives keeps the memory of the longest that it could have become.
    return memoryview((_OWN.fast if fast else _OWN.compressor).compress(made)).tobytes()


def decompress(data: Buffer, form: str, size: int) -> Buffer:
    """What `compress` made a form of; ValueError or ZstdError where that can't be."""
    return restored(opened(data, form, size), form, size)


def content(raw: Buffer, form: str, like: Buffer | None = None) -> Buffer | None:
    """What a form compresses of a segment; None where that doesn't suit it.

    With the content of another segment as `like`, what they share is the same in both.
    """
    kind, number = parsed(form)
    if kind == "shuffle":
        return shuffled(raw, number)
    if kind in _NARROW:
        base = None if like is None or kind == "decimal" else BASE.unpack_from(like, _BASE_AT)[0]
        return narrowed(raw, kind, number, base)
    return raw


def opened(data: Buffer, form: str, size: int) -> Buffer:
    """The content of a form of a segment of so many bytes, out of its blob."""
    if form == "raw":
        return data
    check_size(data, form, size)
    found: bytes = _OWN.decompressor.decompress(data)
    return found


def check_size(data: Buffer, form: str, size: int) -> None:
    """Raise ValueError where a zstd frame can't hold a form of a segment of so many bytes."""
    inside = zstandard.get_frame_parameters(data).content_size
    if inside > 2 * size + 64 if parsed(form)[0] in _NARROW else inside != size:
        raise ValueError("it has another size than its index says")


def restored(made: Buffer, form: str, size: int, room: memoryview | None = None) -> Buffer:
    """What `content` was given, in `room` where that is given: writable memory of `size` bytes."""
    kind, number = parsed(form)
    if kind == "shuffle":
        made = unshuffled(made, number, room)
    elif kind in _NARROW:
        made = widened(made, kind, number, size, room)
    elif len(made) != size:
        raise ValueError("it has another size than its index says")
    elif room is not None:
        room[:] = made
    return made if room is None else room


@lru_cache(maxsize=256)
def parsed(form: str) -> tuple[str, int]:
    """A form's kind and its number; ValueError where there is no such form."""
    kind = form.rstrip("0123456789")
    number = int(form[len(kind) :] or 0)
    if form in ("raw", "zstd") or (
        kind in _BOUNDS and _BOUNDS[kind][0] <= number <= _BOUNDS[kind][1]
    ):
        return kind, number
    raise ValueError(f"it has the form {form!r}")


_NARROW = ("decimal", "scaled", "steps")
_BOUNDS = {
    "shuffle": (2, WIDEST),
    "decimal": (0, DECIMALS),
    "scaled": (1, 1 << 62),
    "steps": (1, 1 << 62),
}


class _Own(threading.local):
    """What each thread has its own of: these let other threads run while they work."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.fast = zstandard.ZstdCompressor(level=FAST)
        self.decompressor = zstandard.ZstdDecompressor()


_OWN = _Own()


def _candidates(raw: Buffer, width: int) -> list[str]:
    """The forms that may suit a segment of numbers of so many bytes."""
    found = ["zstd"]
    if 2 <= width <= WIDEST:
        found.append(f"shuffle{width}")
    if width == 8 and len(raw) >= 64 * SAMPLE:
        found += _narrow_forms(raw)
    return found


# ----------------------------------------------------------------------------------- planes


def shuffled(data: Buffer, width: int) -> bytes:
    """The first byte of each number, then the second of each, and so on, then what is left."""
    import numpy as np

    whole = len(data) - len(data) % width
    planes = np.frombuffer(data, np.uint8, whole).reshape(-1, width).T
    return planes.tobytes() + bytes(data[whole:])


_ZEROS = bytes(8)


def unshuffled(data: Buffer, width: int, room: memoryview | None = None) -> Buffer:
    """What `shuffled` was given."""
    import numpy as np

    whole = len(data) - len(data) % width
    found = np.empty(len(data), np.uint8) if room is None else np.frombuffer(room, np.uint8)
    _interleave(np.frombuffer(data, np.uint8, whole).reshape(width, -1), found[:whole])
    found[whole:] = np.frombuffer(data, np.uint8)[whole:]
    return found.data


def _interleave(planes: Array, found: Array) -> None:
    """Put planes back into the numbers that they are of."""
    import numpy as np

    width, count = planes.shape
    # The upper bytes of small numbers are all zero: to look costs less than to write them.
    used = [
        place
        for place, plane in enumerate(planes)
        if plane[-8:].tobytes() != _ZEROS or np.count_nonzero(plane)
    ]
    if width in (4, 8) and used in ([0], [0, 1], [0, 1, 2]):
        # Numbers of two bytes are made several at a time.
        low = planes[0]
        if len(used) > 1:
            low = np.left_shift(planes[1], 8, dtype="<u2")
            low |= planes[0]
        found.view(f"<u{width}")[:] = low
        used = used[2:]
    elif len(used) < width:
        found[:] = 0
    numbers = found.reshape(count, width)
    # Plane by plane: a transposed copy takes five times as long.
    for place in used:
        numbers[:, place] = planes[place]


# ---------------------------------------------------------------------------- narrow numbers


def _narrow_forms(raw: Buffer) -> list[str]:
    """The forms by which most of a sample of 8-byte numbers become numbers of 4 bytes."""
    import numpy as np

    words = np.frombuffer(raw, "<u8", len(raw) // 8)
    # Not from the beginning, where sizes and validity stand.
    starts = (len(words) // 4, len(words) // 2, len(words) - SAMPLE)
    sample = np.concatenate([words[at : at + SAMPLE] for at in starts])
    sample = sample[sample != _common(sample)] if len(np.unique(sample)) > 1 else sample
    for places in range(DECIMALS + 1):
        _, fits = _decimals(sample, places)
        if 10 * int(np.count_nonzero(fits)) > 9 * len(sample):
            return [f"decimal{places}"]
    numbers = sample.view("<i8")
    steps = numbers - numbers[0]
    unit = int(np.gcd.reduce(np.abs(steps)))
    if not 0 < unit <= 1 << 62 or int(np.abs(steps // unit).max()) > MOST:
        return []
    return [f"scaled{unit}", f"steps{unit}"]


def _middle(words: Array) -> int:
    """The middle one of some: neither a size nor what stands for no value."""
    import numpy as np

    some = np.sort(words.view("<i8")[len(words) // 4 :: max(1, len(words) // 16)])
    return int(some[len(some) // 2]) if len(some) else 0


def _common(words: Array) -> np.uint64:
    """The number that is there most often, such as what stands for no value."""
    import numpy as np

    found, counts = np.unique(words, return_counts=True)
    common: np.uint64 = found[counts.argmax()]
    return common


def _decimals(words: Array, places: int) -> tuple[Array, Array]:
    """64-bit floats times a power of ten, and which of them come back exactly from that."""
    import numpy as np

    factor = 10.0**places
    with np.errstate(all="ignore"):
        numbers = np.rint(words.view("<f8") * factor)
        small = np.abs(numbers) <= MOST
        numbers[~small] = 0
        narrow = numbers.astype("<i4")
    # From the integer, as when it is read: -0.0 doesn't come back.
    return narrow, small & ((narrow / factor).view("<u8") == words)


def _multiples(words: Array, unit: int, base: int) -> tuple[Array, Array]:
    """Integers as multiples of a unit from a base on, and which of them are."""
    import numpy as np

    away = words.view("<i8") - np.int64(base)
    numbers = away // unit if unit > 1 else away
    fits = (numbers >= LEAST) & (numbers <= MOST)
    if unit > 1:
        fits &= numbers * unit == away
    return numbers, fits


def narrowed(raw: Buffer, kind: str, number: int, base: int | None = None) -> bytes | None:
    """Numbers of 8 bytes as ones of 4, with those that can't be told so; None: these are many."""
    import numpy as np

    words = np.frombuffer(raw, "<u8", len(raw) // 8)
    if kind == "decimal":
        numbers, fits = _decimals(words, number)
        scale = b""
    else:
        base = _middle(words) if base is None else base
        numbers, fits = _multiples(words, number, base)
        scale = BASE.pack(base)
    odd = np.flatnonzero(~fits)
    numbers[odd] = 0
    narrow = numbers.astype("<i4", copy=False)
    other, others = 0, 0
    if len(odd) > FEW:
        other = int(_common(words[odd[:: 1 + len(odd) // SAMPLE]]))
        same = words[odd] == other
        narrow[odd[same]] = LEAST - 1
        others, odd = int(np.count_nonzero(same)), odd[~same]
    if len(odd) * ODD > len(words):
        return None
    if kind == "steps":
        narrow[1:] -= narrow[:-1].copy()
    return b"".join(
        [
            HEAD.pack(len(odd), others),
            OTHER.pack(other),
            scale,
            odd.astype("<u4").tobytes(),
            words[odd].tobytes(),
            shuffled(narrow.view(np.uint8).data, 4),
            raw[8 * len(words) :],
        ]
    )


def widened(
    data: Buffer, kind: str, number: int, size: int, room: memoryview | None = None
) -> Buffer:
    """What `narrowed` was given."""
    import numpy as np

    count = size // 8
    try:
        odd, others = HEAD.unpack_from(data)
        (other,) = OTHER.unpack_from(data, HEAD.size)
        at = _BASE_AT
        base = 0
        if kind != "decimal":
            (base,) = BASE.unpack_from(data, at)
            at += BASE.size
    except struct.error as error:
        raise ValueError("its numbers are cut off") from error
    if at + 12 * odd + 4 * count + size % 8 != len(data):
        raise ValueError("its numbers are others than its index says")
    places = np.frombuffer(data, "<u4", odd, at)
    words = np.frombuffer(data, "<u8", odd, at + 4 * odd)
    planes = np.frombuffer(data, np.uint8, 4 * count, at + 12 * odd).reshape(4, count)
    found = np.empty(size, np.uint8) if room is None else np.frombuffer(room, np.uint8, size)
    wide = found[: 8 * count].view("<f8" if kind == "decimal" else "<i8")
    narrow = _summed(planes) if kind == "steps" else np.empty(count, "<i4")
    if kind != "steps":
        _interleave(planes, narrow.view(np.uint8))
    if kind == "decimal":
        np.divide(narrow, 10.0**number, out=wide)
    else:
        wide[:] = narrow
        if number != 1:
            wide *= np.int64(number)
        wide += np.int64(base)
    everything = found[: 8 * count].view("<u8")
    if others:
        everything[narrow < LEAST] = other
    if odd and int(places.max()) >= count:
        raise ValueError("its numbers are others than its index says")
    everything[places] = words
    found[8 * count :] = np.frombuffer(data, np.uint8)[len(data) - size % 8 :]
    return found.data


def _summed(planes: Array) -> Array:
    """The numbers, modulo 2^32, of which planes hold the steps from one to the next."""
    import numpy as np

    count = planes.shape[1]
    small = count > FRONT and not any(np.count_nonzero(plane[FRONT:]) for plane in planes[1:])
    whole = FRONT if small else count
    steps = np.empty(whole, "<i4")
    _interleave(planes[:, :whole], steps.view(np.uint8))
    if not small:
        return np.cumsum(steps, dtype="<i4")
    # Small steps up, as of most numbers that are in order.
    found = np.empty(count, "<u4")
    np.cumsum(steps.view("<u4"), dtype="<u4", out=found[:FRONT])
    low, rest = planes[0, FRONT:], found[FRONT:]
    if low[0] == low[-1] and bool((low == low[0]).all()):
        np.multiply(np.arange(1, len(low) + 1, dtype="<u4"), np.uint32(low[0]), out=rest)
    else:
        np.cumsum(low, dtype="<u4", out=rest)
    rest += found[FRONT - 1]
    return found.view("<i4")
