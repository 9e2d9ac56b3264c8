"""Two stored values to what differs between them, by kind."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from linea.errors import UntrustedError
from linea.history.diff_code import CodeDiff, diff_text
from linea.history.diff_table import TableDiff, diff_schema, diff_tables
from linea.model import ValueRecord


@dataclass(frozen=True, slots=True)
class Same:
    """The values are equal: their digests are."""

    kind: str = "same"


@dataclass(frozen=True, slots=True)
class PathChange:
    """A place inside nested data, before and after; `…` stands for absent."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ArrayDiff:
    """What differs between two arrays."""

    shape: tuple[tuple[int, ...], tuple[int, ...]]
    dtype: tuple[str, str]
    compared: int = 0
    """How many elements both have at the same place."""
    differing: int = 0
    largest: float | None = None
    """The largest absolute difference."""
    mean: float | None = None
    """The mean absolute difference of the elements that differ."""
    where: tuple[PathChange, ...] = ()
    """The first few."""
    kind: str = "array"


@dataclass(frozen=True, slots=True)
class ModelDiff:
    """What differs between two models."""

    type: tuple[str, str]
    params: tuple[PathChange, ...]
    fitted: tuple[PathChange, ...] | None = None
    """What was learnt; None where that can't be read without running its code."""
    kind: str = "model"


@dataclass(frozen=True, slots=True)
class DataDiff:
    """What differs between two pieces of plain data."""

    changes: tuple[PathChange, ...]
    more: int = 0
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class TextDiff:
    """What differs between two texts, by line."""

    lines: CodeDiff
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class OtherDiff:
    """Two values that are only known to differ."""

    before: str
    after: str
    note: str = ""
    kind: str = "other"


ValueDiff = Same | TableDiff | ArrayDiff | ModelDiff | DataDiff | TextDiff | OtherDiff


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two values: what was recorded, and how to read it."""

    record: ValueRecord
    load: Callable[[], Any]
    columns: Callable[[Sequence[str]], Any]


def diff_values(
    before: Side, after: Side, *, key: Sequence[str] = (), limit: int = 10, load: bool = True
) -> ValueDiff:
    """Compare two values, reading no more of them than it takes; nothing if not `load`."""
    was, now = before.record, after.record
    if was.digest == now.digest:
        return Same()
    if was.kind != now.kind:
        return OtherDiff(_facts(was), _facts(now), f"a {was.kind} became a {now.kind}")
    if was.kind == "table" and not load:
        return diff_schema(was, now)
    if was.kind == "table" and was.columns and now.columns:
        return diff_tables(was, now, before.columns, after.columns, key=key, limit=limit)
    compare = _BY_KIND.get(was.kind)
    if compare is None or not load:
        return _other(was, now)
    try:
        return compare(before, after, limit)
    except UntrustedError:
        return _other(was, now, "reading it would run its author's code")


def diff_arrays(before: Any, after: Any, *, limit: int = 10) -> ArrayDiff:
    """Compare two numpy arrays; where the shapes differ, the part that both have."""
    import numpy as np

    shapes = tuple(before.shape), tuple(after.shape)
    found = ArrayDiff(shapes, (str(before.dtype), str(after.dtype)))
    if before.ndim != after.ndim or before.dtype.names or after.dtype.names:
        return found
    common = tuple(slice(min(sizes)) for sizes in zip(*shapes, strict=True))
    one, other = before[common], after[common]
    differ = np.asarray(one != other)
    inexact = all(np.issubdtype(each.dtype, np.inexact) for each in (one, other))
    if inexact:
        differ &= ~(np.isnan(one) & np.isnan(other))
    numeric = all(np.issubdtype(each.dtype, np.number) for each in (one, other))
    largest = mean = None
    if numeric and differ.any():
        wide = np.complex128 if np.iscomplexobj(one) or np.iscomplexobj(other) else np.float64
        sizes = np.abs(one[differ].astype(wide) - other[differ].astype(wide))
        finite = sizes[np.isfinite(sizes)]
        if len(finite):
            largest, mean = float(finite.max()), float(finite.mean())
    places = np.argwhere(differ)[:limit].tolist()
    where = tuple(
        PathChange(
            f"[{', '.join(map(str, place))}]", str(one[tuple(place)]), str(other[tuple(place)])
        )
        for place in places
    )
    return ArrayDiff(
        found.shape, found.dtype, int(differ.size), int(differ.sum()), largest, mean, where
    )


def diff_data(before: Any, after: Any, path: str = "") -> Iterator[PathChange]:
    """Yield the places where nested dicts, lists and the like differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *[key for key in after if key not in before]]:
            inner = f"{path}[{key!r}]" if not _is_name(key) else f"{path}.{key}".lstrip(".")
            if key not in after:
                yield PathChange(inner, _short(before[key]), None)
            elif key not in before:
                yield PathChange(inner, None, _short(after[key]))
            else:
                yield from diff_data(before[key], after[key], inner)
    elif isinstance(before, list | tuple) and type(before) is type(after):
        yield from _diff_sequences(before, after, path)
    elif isinstance(before, set | frozenset) and isinstance(after, set | frozenset):
        for gone in sorted(before - after, key=repr):
            yield PathChange(path + "{}", _short(gone), None)
        for come in sorted(after - before, key=repr):
            yield PathChange(path + "{}", None, _short(come))
    elif not _equal(before, after):
        yield PathChange(path or "value", _short(before), _short(after))


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
            yield PathChange(f"{path}[{place}]", _short(before[place]), None)
        for place in range(b + pairs, b_end):
            yield PathChange(f"{path}[{place}]", None, _short(after[place]))


def _blocks(before: list[str], after: list[str]) -> list[tuple[int, int, int, int]]:
    """Return the stretches of two lists that aren't equal."""
    if max(len(before), len(after)) > _ALIGNED:
        return [(0, len(before), 0, len(after))]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [(a, e, b, f) for tag, a, e, b, f in matcher.get_opcodes() if tag != "equal"]


def _compare_arrays(before: Side, after: Side, limit: int) -> ValueDiff:
    one, other = before.load(), after.load()
    if not all(hasattr(each, "shape") and hasattr(each, "dtype") for each in (one, other)):
        return _other(before.record, after.record)
    if not all(type(each).__module__.startswith("numpy") for each in (one, other)):
        return _other(before.record, after.record)
    return diff_arrays(one, other, limit=limit)


def _compare_data(before: Side, after: Side, limit: int) -> ValueDiff:
    changes = list(diff_data(before.load(), after.load()))
    if not changes:
        return _other(before.record, after.record, "the types or the order differ")
    return DataDiff(tuple(changes[:limit]), max(0, len(changes) - limit))


def _compare_texts(before: Side, after: Side, limit: int) -> ValueDiff:
    one, other = before.load(), after.load()
    if isinstance(one, str) and isinstance(other, str):
        return TextDiff(diff_text(one, other))
    return _other(before.record, after.record)


def _compare_models(before: Side, after: Side, limit: int) -> ValueDiff:
    """Compare models by their recorded parameters, and by what they learnt where that's safe."""
    was, now = before.record, after.record
    params = diff_data(was.summary.get("params") or {}, now.summary.get("params") or {})
    fitted = None
    with suppress(UntrustedError):
        fitted = tuple(_diff_fitted(before.load(), after.load(), limit))
    return ModelDiff((was.type, now.type), tuple(params), fitted)


def _diff_fitted(before: Any, after: Any, limit: int) -> Iterator[PathChange]:
    """Yield the fitted attributes (`coef_` and the like) that differ."""
    one: dict[str, Any] = getattr(before, "__dict__", {})
    other: dict[str, Any] = getattr(after, "__dict__", {})
    for name in sorted(one.keys() | other.keys()):
        if not name.endswith("_") or name.startswith("_"):
            continue
        was: Any = one.get(name)
        now: Any = other.get(name)
        if hasattr(was, "shape") and hasattr(now, "shape"):
            array = diff_arrays(was, now, limit=1)
            if was.shape != now.shape:
                yield PathChange(name, f"shape {was.shape}", f"shape {now.shape}")
            elif array.differing and array.largest is not None:
                share = f"{array.differing} of {array.compared} differ"
                far = f"by up to {array.largest:.4g}"
                yield PathChange(name, _short(was), f"{_short(now)} ({share}, {far})")
        elif not _equal(was, now):
            yield PathChange(name, _short(was), _short(now))


def _other(was: ValueRecord, now: ValueRecord, note: str = "") -> OtherDiff:
    return OtherDiff(_facts(was), _facts(now), note)


def _facts(record: ValueRecord) -> str:
    text = str(record.summary.get("text") or record.type)
    return f"{text} ({record.digest.rsplit(':', 1)[-1][:8]})"


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier()


def _equal(one: Any, other: Any) -> bool:
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


def _short(value: Any) -> str:
    return " ".join(_REPR.repr(value).split())


_BY_KIND: Mapping[str, Callable[[Side, Side, int], ValueDiff]] = {
    "array": _compare_arrays,
    "data": _compare_data,
    "text": _compare_texts,
    "model": _compare_models,
}
