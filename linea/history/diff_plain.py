"""Two pieces of plain data to the places where they differ."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any


@dataclass(frozen=True, slots=True)
class PathChange:
    """A place inside nested data, before and after; `…` stands for absent."""

    path: str
    before: str | None
    after: str | None


def diff_data(before: Any, after: Any, path: str = "") -> Iterator[PathChange]:
    """Yield the places where nested dicts, lists and the like differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *[key for key in after if key not in before]]:
            inner = f"{path}[{key!r}]" if not _is_name(key) else f"{path}.{key}".lstrip(".")
            if key not in after:
                yield PathChange(inner, short(before[key]), None)
            elif key not in before:
                yield PathChange(inner, None, short(after[key]))
            else:
                yield from diff_data(before[key], after[key], inner)
    elif isinstance(before, list | tuple) and type(before) is type(after):
        yield from _diff_sequences(before, after, path)
    elif isinstance(before, set | frozenset) and isinstance(after, set | frozenset):
        for gone in sorted(before - after, key=repr):
            yield PathChange(path + "{}", short(gone), None)
        for come in sorted(after - before, key=repr):
            yield PathChange(path + "{}", None, short(come))
    elif not equal(before, after):
        yield PathChange(path or "value", short(before), short(after))


_ALIGNED = 5_000
"""Items of a list beyond which it is only compared by place: finding what moved takes too long."""


def _diff_sequences(before: Sequence[Any], after: Sequence[Any], path: str) -> list[PathChange]:
    """Return what differs between two lists: by place, or as what was put in and taken out."""
    by_place = None
    if len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        by_place = [
            change
            for number, (one, other) in pairs
            for change in diff_data(one, other, f"{path}[{number}]")
        ]
        if len(by_place) <= 2 or len(after) > _ALIGNED:
            return by_place
    aligned = list(_diff_aligned(before, after, path))
    return aligned if by_place is None or len(aligned) < len(by_place) else by_place


def _diff_aligned(before: Sequence[Any], after: Sequence[Any], path: str) -> Iterator[PathChange]:
    texts = [repr(each) for each in before], [repr(each) for each in after]
    for a, a_end, b, b_end in _blocks(*texts):
        pairs = min(a_end - a, b_end - b)
        for step in range(pairs):
            yield from diff_data(before[a + step], after[b + step], f"{path}[{b + step}]")
        for place in range(a + pairs, a_end):
            yield PathChange(f"{path}[{place}]", short(before[place]), None)
        for place in range(b + pairs, b_end):
            yield PathChange(f"{path}[{place}]", None, short(after[place]))


def _blocks(before: list[str], after: list[str]) -> list[tuple[int, int, int, int]]:
    """Return the stretches of two lists that aren't equal."""
    if max(len(before), len(after)) > _ALIGNED:
        return [(0, len(before), 0, len(after))]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [(a, e, b, f) for tag, a, e, b, f in matcher.get_opcodes() if tag != "equal"]


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier()


def equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    try:
        # NaN is the value that differs from itself.
        return bool(one == other) or bool(one != one and other != other)
    except Exception:
        return repr(one) == repr(other)  # an object that can't be compared


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60
_REPR.maxlong = 40


def short(value: Any) -> str:
    return " ".join(_REPR.repr(value).split())
