"""Two stored values to what differs between them, by kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from linea.errors import UntrustedError
from linea.history.diff_code import CodeDiff, diff_text
from linea.history.diff_picture import PictureDiff, diff_pictures, opened
from linea.history.diff_plain import PathChange, diff_data, equal, short
from linea.history.diff_table import EVERYTHING, Choice, TableDiff, diff_schema, diff_tables
from linea.model import ValueRecord


@dataclass(frozen=True, slots=True)
class Same:
    """The values are equal: their digests are."""

    kind: str = "same"


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


ValueDiff = Same | TableDiff | ArrayDiff | ModelDiff | DataDiff | TextDiff | PictureDiff | OtherDiff


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two values: what was recorded, and how to read it."""

    record: ValueRecord
    load: Callable[[], Any]
    columns: Callable[[Sequence[str]], Any]
    part: Callable[[str], bytes] | None = None
    """Reads one part of the stored value, where a part tells enough."""


def diff_values(
    before: Side,
    after: Side,
    *,
    key: Sequence[str] = (),
    limit: int = 10,
    load: bool = True,
    choice: Choice = EVERYTHING,
) -> ValueDiff:
    """Compare two values, reading no more of them than it takes; nothing if not `load`.

    Of tables only the columns and rows of `choice` are compared.
    """
    was, now = before.record, after.record
    if was.digest == now.digest:
        return Same()
    if was.kind != now.kind:
        return OtherDiff(_facts(was), _facts(now), f"a {was.kind} became a {now.kind}")
    if was.kind == "table" and not load:
        return diff_schema(was, now)
    if was.kind == "table" and was.columns and now.columns:
        return diff_tables(
            was, now, before.columns, after.columns, key=key, limit=limit, choice=choice
        )
    compare = _BY_KIND.get(was.kind)
    if compare is None or not load:
        return _other(was, now)
    try:
        return compare(before, after, limit)
    except UntrustedError:
        return _other(was, now, "reading it would run its author's code")
    except ModuleNotFoundError as error:
        return _other(was, now, f"comparing it needs {error.name}")


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


def _compare_figures(before: Side, after: Side, limit: int) -> ValueDiff:
    """Compare figures by their pictures and the data that was plotted; their pickles stay shut."""
    records = before.record, after.record
    paths = [{part.path for part in record.parts} for record in records]
    if before.part is None or after.part is None or paths[0] != paths[1]:
        return _other(*records)
    if "chart.json" in paths[0]:
        specs = [json.loads(side.part("chart.json")) for side in (before, after) if side.part]
        changes = list(diff_data(*specs))
        return DataDiff(tuple(changes[:limit]), max(0, len(changes) - limit))
    drawn = [json.loads(side.part("data.json")) for side in (before, after) if side.part]
    one, other = (opened(side.part("figure.png")) for side in (before, after) if side.part)
    return diff_pictures(one, other, tuple(islice(diff_data(*drawn), limit)))


def _compare_images(before: Side, after: Side, limit: int) -> ValueDiff:
    return diff_pictures(before.load(), after.load())


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
                yield PathChange(name, short(was), f"{short(now)} ({share}, {far})")
        elif not equal(was, now):
            yield PathChange(name, short(was), short(now))


def _other(was: ValueRecord, now: ValueRecord, note: str = "") -> OtherDiff:
    return OtherDiff(_facts(was), _facts(now), note)


def _facts(record: ValueRecord) -> str:
    text = str(record.summary.get("text") or record.type)
    return f"{text} ({record.digest.rsplit(':', 1)[-1][:8]})"


_BY_KIND: Mapping[str, Callable[[Side, Side, int], ValueDiff]] = {
    "array": _compare_arrays,
    "data": _compare_data,
    "text": _compare_texts,
    "model": _compare_models,
    "figure": _compare_figures,
    "image": _compare_images,
}
