"""The rows of two tables to which of them are the same row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from linea.errors import LineaError
from linea.model import Column

Load = Callable[[Sequence[str]], Any]
"""Reads some columns of a stored table as a `pyarrow.Table`.

Columns that come along and that the record doesn't list are the table's index.
"""

UNNAMED = "index"
"""What an index without a name is called: it may be no more than a row's position."""

_KEY_TYPES = ("int", "uint", "string", "large_string", "str", "utf8", "date", "timestamp", "bool")


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of two tables are the same row."""

    by: str
    key: tuple[str, ...]
    both: tuple[Any, Any]
    """Positions in either table, pairwise."""
    removed: Any
    added: Any


class Tables:
    """The columns of two tables, read when first asked for."""

    def __init__(self, before: Load, after: Load, listed: Sequence[str]) -> None:
        self.listed = frozenset(listed)
        self._load = (before, after)
        self._read: dict[str, tuple[Any, Any]] = {}
        self.index: tuple[str, ...] = ()
        self.loaded: tuple[str, ...] = ()

    def columns(self, names: Sequence[str]) -> None:
        """Read several columns in one go."""
        missing = [name for name in names if name not in self._read]
        if missing:
            tables = [load(missing) for load in self._load]
            for name in missing:
                self._read[name] = (tables[0].column(name), tables[1].column(name))
            self.loaded += tuple(missing)
            self._take_index(tables)

    def _take_index(self, tables: list[Any]) -> None:
        """Keep the index that came along."""
        for name in tables[0].column_names:
            known = name in self.listed or name in self._read
            if not known and name in tables[1].column_names:
                self._read[name] = (tables[0].column(name), tables[1].column(name))
                self.index += (name,)

    def has(self, name: str) -> bool:
        """Say whether a column is in both tables, or was read as part of their index."""
        return name in self.listed or name in self._read

    def column(self, name: str) -> tuple[Any, Any]:
        self.columns([name])
        return self._read[name]


def match_rows(
    tables: Tables,
    counts: tuple[int, int],
    key: Sequence[str],
    old: dict[str, Column],
    differing: list[str],
    both: list[str],
) -> Rows:
    """Say which rows are the same: by the key given, one inferred, the position or the content."""
    import numpy as np

    if key:
        tables.columns(key)
        rows = _by_key(tables, tuple(key))
        if rows is None:
            raise LineaError(
                f"{', '.join(key)} doesn't tell the rows apart",
                hint="give more columns: --key a,b",
            )
        return rows
    tables.columns(differing)
    same_length = counts[0] == counts[1]
    rows = _by_best_key(tables, old, differing if same_length else both, same_length)
    if rows is not None:
        return rows
    if same_length:
        everything = np.arange(counts[0])
        nothing = everything[:0]
        return Rows("position", (), (everything, everything), nothing, nothing)
    return _by_content(tables, both)


def _by_best_key(
    tables: Tables, columns: dict[str, Column], names: list[str], same_length: bool
) -> Rows | None:
    """Match rows by what seems to be their key: an index with a name, a column named so, others.

    A column of which nobody says that it is a key must find a partner for every row where the
    tables have as many rows: its values may be unique by chance.
    """
    named = [tables.index] if tables.index and UNNAMED not in tables.index else []
    able = [
        name
        for name in names
        if columns[name].type.startswith(_KEY_TYPES) and not columns[name].nulls
    ]
    named += [(name,) for name in able if _is_named_as_key(name)]
    for key in named:
        rows = _by_key(tables, key, overlap=0.5)
        if rows is not None:
            return rows
    others: list[tuple[str, ...]] = [(name,) for name in able[:8] if (name,) not in named]
    others += [tables.index] if tables.index and tables.index not in named else []
    best = None
    for key in [*others, *combinations(able[:4], 2)]:
        rows = _by_key(tables, key, overlap=1.0 if same_length else 0.5)
        if rows is not None and (best is None or _partners(rows) > _partners(best)):
            best = rows
            if not len(rows.removed) or not len(rows.added):
                break
    return best


def _is_named_as_key(name: str) -> bool:
    folded = name.casefold()
    return folded in ("id", "key", "uuid", "guid") or folded.endswith(("_id", "_key", " id"))


def _partners(rows: Rows) -> int:
    return len(rows.both[0])


def _by_key(tables: Tables, key: tuple[str, ...], overlap: float = 0.0) -> Rows | None:
    """Match rows by a key; None where it isn't unique or too few rows have a partner."""
    import numpy as np

    before, after = codes_of(tables, key)
    left, left_at = np.unique(before, return_index=True)
    right, right_at = np.unique(after, return_index=True)
    if len(left) != len(before) or len(right) != len(after):
        return None
    common, in_left, in_right = np.intersect1d(left, right, return_indices=True)
    if len(common) < overlap * min(len(left), len(right)):
        return None
    order = np.argsort(right_at[in_right], kind="stable")
    pairs = left_at[in_left][order], right_at[in_right][order]
    removed = np.sort(left_at[~np.isin(left, common, assume_unique=True)])
    added = np.sort(right_at[~np.isin(right, common, assume_unique=True)])
    return Rows("key", key, pairs, removed, added)


def _by_content(tables: Tables, names: list[str]) -> Rows:
    """Match equal rows, as often as both tables have them."""
    import numpy as np

    before, after = codes_of(tables, tuple(names))
    left, right = _occurrences(before), _occurrences(after)
    width = int(max(left.max(initial=0), right.max(initial=0))) + 1
    one, other = before * width + left, after * width + right
    _, at_one, at_other = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    removed = np.setdiff1d(np.arange(len(one)), at_one)
    added = np.setdiff1d(np.arange(len(other)), at_other)
    return Rows("content", (), (at_one, at_other), removed, added)


def _occurrences(codes: Any) -> Any:
    """Number the repetitions of each code: 0 for its first, 1 for its second …"""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]] if len(codes) else np.array([], bool)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(codes)), 0))
    numbers = np.empty(len(codes), dtype=np.int64)
    numbers[order] = np.arange(len(codes)) - first
    return numbers


def codes_of(tables: Tables, names: tuple[str, ...]) -> tuple[Any, Any]:
    """Give equal rows of the named columns equal numbers, over both tables."""
    import numpy as np

    tables.columns(names)
    combined: Any = None
    length = 0
    for name in names:
        before, after = tables.column(name)
        length = len(before)
        codes = np.concatenate(_codes(before, after))
        if combined is None:
            combined = codes
        else:
            mixed = combined * (int(codes.max(initial=0)) + 1) + codes
            combined = np.unique(mixed, return_inverse=True)[1].astype(np.int64)
    return combined[:length], combined[length:]


def _codes(before: Any, after: Any) -> tuple[Any, Any]:
    """Give equal cells of two columns equal numbers; nulls equal nulls and NaN equals NaN."""
    import numpy as np
    import pyarrow as pa

    before, after = plain(before), plain(after)
    if before.type != after.type:
        try:
            after = after.cast(before.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            before, after = _as_text(before), _as_text(after)
    try:
        encoded = pa.chunked_array([*before.chunks, *after.chunks], before.type).dictionary_encode(
            null_encoding="encode"
        )
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, NotImplementedError):
        before, after = _as_text(before), _as_text(after)
        encoded = pa.chunked_array([*before.chunks, *after.chunks], before.type).dictionary_encode(
            null_encoding="encode"
        )
    if not len(encoded):
        return np.array([], np.int64), np.array([], np.int64)
    codes = encoded.combine_chunks()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.chunk(0)
    numbers = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers[: len(before)], numbers[len(before) :]


def plain(column: Any) -> Any:
    """Return a column as a chunked array without dictionaries."""
    import pyarrow as pa

    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column


def _as_text(column: Any) -> Any:
    import pyarrow as pa

    return pa.chunked_array([pa.array([repr(each) for each in column.to_pylist()], pa.string())])


def cells_differ(before: Any, after: Any, pairs: tuple[Any, Any]) -> Any:
    """Return, for each pair of rows, whether the cells of a column differ."""
    import numpy as np
    import pyarrow as pa

    before, after = plain(before), plain(after)
    kind = before.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if kind == after.type and numeric and not before.null_count and not after.null_count:
        one, other = before.to_numpy()[pairs[0]], after.to_numpy()[pairs[1]]
        differ = one != other
        if pa.types.is_floating(kind):
            differ &= ~(np.isnan(one) & np.isnan(other))
        return differ
    one, other = _codes(before, after)
    return one[pairs[0]] != other[pairs[1]]


def rows_where(tables: Tables, rows: Rows, condition: str, names: Sequence[str]) -> Rows:
    """Keep the rows for which a condition in pandas' words holds before or after."""
    import pyarrow as pa

    used = [name for name in names if name in condition]
    tables.columns(used)
    holds = []
    for side in (0, 1):
        frame = pa.table({name: tables.column(name)[side] for name in used}).to_pandas()
        try:
            found = frame.eval(condition)
        except Exception as error:
            raise LineaError(
                f"{condition!r} can't be asked of a row: {error}",
                hint="""write it as for pandas' query: "price > 100 and plan == 'pro'\"""",
            ) from error
        if str(getattr(found, "dtype", "")) not in ("bool", "boolean"):
            raise LineaError(f"{condition!r} gives no yes or no for each row")
        holds.append(found.to_numpy(dtype=bool, na_value=False))
    kept = holds[0][rows.both[0]] | holds[1][rows.both[1]]
    return Rows(
        rows.by,
        rows.key,
        (rows.both[0][kept], rows.both[1][kept]),
        rows.removed[holds[0][rows.removed]],
        rows.added[holds[1][rows.added]],
    )
