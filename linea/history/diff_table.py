"""Two tables to the rows, columns and cells that differ; equal columns are never read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from linea.errors import LineaError
from linea.history.rows import (
    Load,
    Rows,
    Tables,
    cells_differ,
    match_rows,
    plain,
    rows_where,
)
from linea.model import Column, ValueRecord


@dataclass(frozen=True, slots=True)
class Retyped:
    """A column that has another type."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ColumnDiff:
    """A column whose content changed."""

    name: str
    cells: int | None
    """How many cells changed in the rows that both have; None where rows couldn't be matched."""
    before: dict[str, Any]
    """`mean`, `min`, `max`, `nulls`, `distinct`, as the type allows."""
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell, before and after."""

    row: dict[str, Any]
    """The key of the row, or `{"row": position}`."""
    column: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What differs between two tables."""

    rows: tuple[int, int]
    added_columns: tuple[Column, ...] = ()
    removed_columns: tuple[Column, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    retyped: tuple[Retyped, ...] = ()
    reordered: bool = False
    changed: tuple[ColumnDiff, ...] = ()
    unchanged: tuple[str, ...] = ()
    matched_by: str = "position"
    """`key`, `position`, `content` or `nothing`."""
    key: tuple[str, ...] = ()
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0
    added_rows: tuple[dict[str, Any], ...] = ()
    """The first few."""
    removed_rows: tuple[dict[str, Any], ...] = ()
    cells: tuple[CellChange, ...] = ()
    """The first few."""
    loaded: tuple[str, ...] = ()
    """The columns that had to be read."""
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of two tables is compared."""

    columns: tuple[str, ...] = ()
    """These only; all where there are none."""
    where: str = ""
    """A condition on a row in pandas' words, `price > 100 and plan == 'pro'`: rows count for
    which it holds before or after."""


EVERYTHING = Choice()


def diff_tables(
    before: ValueRecord,
    after: ValueRecord,
    load_before: Load,
    load_after: Load,
    *,
    key: Sequence[str] = (),
    limit: int = 10,
    choice: Choice = EVERYTHING,
) -> TableDiff:
    """Compare two stored tables, reading only columns that differ and what matches their rows."""
    found = _compared(before, after, (load_before, load_after), key, choice)
    return found.schema if found.rows is None else _with_cells(found, found.rows, limit)


@dataclass(frozen=True, slots=True)
class _Compared:
    """Two tables whose rows are matched; without rows where their columns tell enough."""

    schema: TableDiff
    tables: Tables | None = None
    rows: Rows | None = None
    differing: tuple[str, ...] = ()
    both: tuple[str, ...] = ()


def _compared(
    before: ValueRecord,
    after: ValueRecord,
    loads: tuple[Load, Load],
    key: Sequence[str],
    choice: Choice,
) -> _Compared:
    schema = _chosen(diff_schema(before, after), choice.columns)
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    both = [name for name in new if name in old]
    tables = Tables(*loads, [*old, *new])
    if set(key) - set(both) and both:
        tables.columns(both[:1])  # the index comes along, which may be meant
    _check(key, [*both, *tables.index], "in both versions")
    _check(choice.columns, [*both, *old, *new], "in either version")
    differing = [
        name
        for name in both
        if old[name].digest != new[name].digest or old[name].type != new[name].type
        if not choice.columns or name in choice.columns
    ]
    equal = [name for name in both if old[name].digest == new[name].digest]
    schema = replace(
        schema,
        unchanged=tuple(n for n in equal if n not in differing and n in (choice.columns or both)),
        key=tuple(key),
    )
    if not both or (not differing and schema.rows[0] == schema.rows[1]):
        return _Compared(schema)
    rows = match_rows(tables, schema.rows, key, old, differing, both)
    if choice.where:
        rows = rows_where(tables, rows, choice.where, both)
    return _Compared(schema, tables, rows, tuple(differing), tuple(choice.columns or both))


def _check(names: Sequence[str], known: Sequence[str], where: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LineaError(
            f"there is no column {unknown[0]!r} {where}",
            hint="the columns are " + ", ".join(dict.fromkeys(known[:20])),
        )


def _chosen(schema: TableDiff, columns: Sequence[str]) -> TableDiff:
    """Leave out of the differences of two schemas what wasn't asked for."""
    if not columns:
        return schema
    return replace(
        schema,
        added_columns=tuple(each for each in schema.added_columns if each.name in columns),
        removed_columns=tuple(each for each in schema.removed_columns if each.name in columns),
        renamed=tuple(pair for pair in schema.renamed if set(pair) & set(columns)),
        retyped=tuple(each for each in schema.retyped if each.name in columns),
        reordered=False,
    )


def diff_schema(before: ValueRecord, after: ValueRecord) -> TableDiff:
    """Compare two tables by what was recorded of them, without reading either."""
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    gone = [column for column in before.columns if column.name not in new]
    come = [column for column in after.columns if column.name not in old]
    renamed = []
    for column in list(gone):
        same = next((each for each in come if each.digest == column.digest), None)
        if same is not None:
            renamed.append((column.name, same.name))
            gone.remove(column)
            come.remove(same)
    both = [name for name in old if name in new]
    return TableDiff(
        rows=(_row_count(before), _row_count(after)),
        added_columns=tuple(come),
        removed_columns=tuple(gone),
        renamed=tuple(renamed),
        retyped=tuple(
            Retyped(name, old[name].type, new[name].type)
            for name in both
            if old[name].type != new[name].type
        ),
        reordered=both != [name for name in new if name in old],
    )


def _row_count(record: ValueRecord) -> int:
    rows = record.summary.get("rows", 0)
    return rows if isinstance(rows, int) else 0


def _with_cells(found: _Compared, rows: Rows, limit: int) -> TableDiff:
    """Fill in which rows and cells differ."""
    import numpy as np

    tables, differing = found.tables, found.differing
    assert tables is not None
    tables.columns(differing)
    any_change = np.zeros(len(rows.both[0]), dtype=bool)
    changed, cells = [], []
    for name in differing:
        before, after = tables.column(name)
        count = None
        if rows.by != "content":
            differ = cells_differ(before, after, rows.both)
            any_change |= differ
            count = int(differ.sum())
            cells += _first_cells(tables, rows, name, np.flatnonzero(differ)[:limit])
        if count != 0:
            changed.append(ColumnDiff(name, count, statistics(before), statistics(after)))
    shown = list(dict.fromkeys([*rows.key, *found.both]))
    shown = [name for name in shown if tables.has(name)]
    added = _first_rows(tables, shown, rows.added[:limit], 1) if len(rows.added) else ()
    removed = _first_rows(tables, shown, rows.removed[:limit], 0) if len(rows.removed) else ()
    return replace(
        found.schema,
        changed=tuple(changed),
        matched_by=rows.by,
        key=rows.key,
        rows_added=len(rows.added),
        rows_removed=len(rows.removed),
        rows_changed=int(any_change.sum()),
        added_rows=added,
        removed_rows=removed,
        cells=tuple(cells),
        loaded=tables.loaded,
    )


def _first_cells(tables: Tables, rows: Rows, name: str, at: Any) -> list[CellChange]:
    before, after = tables.column(name)
    found = []
    for pair in at.tolist():
        left, right = int(rows.both[0][pair]), int(rows.both[1][pair])
        row = {key: tables.column(key)[1][right].as_py() for key in rows.key}
        found.append(
            CellChange(row or {"row": right}, name, before[left].as_py(), after[right].as_py())
        )
    return found


def _first_rows(tables: Tables, names: list[str], at: Any, side: int) -> tuple[dict[str, Any], ...]:
    tables.columns(names)
    return tuple(
        {name: tables.column(name)[side][int(row)].as_py() for name in names} for row in at
    )


def statistics(column: Any) -> dict[str, Any]:
    """Return the facts that show a column's content move."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = plain(column)
    kind = column.type
    facts: dict[str, Any] = {"nulls": column.null_count}
    if pa.types.is_floating(kind):
        finite = column.filter(pc.invert(pc.is_nan(column)))
        facts["nulls"] += len(column) - column.null_count - len(finite)
        column = finite
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        facts["mean"] = _number(pc.mean(column))
        facts["std"] = _number(pc.stddev(column)) if not pa.types.is_decimal(kind) else None
    if pa.types.is_boolean(kind):
        facts["true"] = pc.sum(column).as_py() or 0
    elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        with suppress(pa.ArrowNotImplementedError):  # durations have no order there
            ends = pc.min_max(column).as_py()
            facts |= {"min": ends["min"], "max": ends["max"]}
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        facts["distinct"] = pc.count_distinct(column).as_py()
    return {name: fact for name, fact in facts.items() if fact is not None}


def _number(scalar: Any) -> float | None:
    value = scalar.as_py()
    return None if value is None else float(value)


def rows_that_differ(
    before: ValueRecord,
    after: ValueRecord,
    load_before: Load,
    load_after: Load,
    *,
    key: Sequence[str] = (),
    choice: Choice = EVERYTHING,
) -> Any:
    """Return every row that was added, removed or changed as a `pyarrow.Table`.

    `change` says which; a changed row has `NAME before` and `NAME after` of each column that
    differs somewhere, an added one only the latter, and so on. `row before` and `row after` are
    positions.
    """
    import numpy as np
    import pyarrow as pa

    found = _compared(before, after, (load_before, load_after), key, choice)
    if found.rows is None or found.tables is None:
        return pa.table({"change": pa.array([], pa.string())})
    tables, rows = found.tables, found.rows
    tables.columns([*rows.key, *found.differing])
    differ = np.zeros(len(rows.both[0]), dtype=bool)
    if rows.by != "content":
        for name in found.differing:
            differ |= cells_differ(*tables.column(name), rows.both)
    changed = rows.both[0][differ], rows.both[1][differ]
    counts = len(rows.removed), len(changed[0]), len(rows.added)
    kinds = np.repeat(["removed", "changed", "added"], counts)
    at = (
        pa.array([*rows.removed, *changed[0], *[None] * counts[2]], pa.int64()),
        pa.array([*[None] * counts[0], *changed[1], *rows.added], pa.int64()),
    )
    columns = {"change": pa.array(kinds, pa.string())}
    for name in rows.key:
        sides = [side.take(place) for side, place in zip(tables.column(name), at, strict=True)]
        columns[name] = _either(*sides)
    columns |= {"row before": at[0], "row after": at[1]}
    for name in found.differing:
        if name not in rows.key:
            was, now = tables.column(name)
            columns |= {f"{name} before": was.take(at[0]), f"{name} after": now.take(at[1])}
    return pa.table(columns)


@dataclass(frozen=True, slots=True)
class RowChanges:
    """For each row of the later of two tables, its place in the earlier one and its fate."""

    origin: Any
    """Positions in the earlier table; -1 for a row that came."""
    changed: Any
    """Whether a cell of a column that both have differs."""
    key: tuple[str, ...]


def changes_of_rows(
    before: ValueRecord,
    after: ValueRecord,
    load_before: Load,
    load_after: Load,
    *,
    key: Sequence[str] = (),
) -> RowChanges:
    """Say of each row of the later table where it was before, and whether it changed."""
    import numpy as np

    count = _row_count(after)
    there = {column.name for column in before.columns} & {column.name for column in after.columns}
    usable = tuple(key) if there.issuperset(key) else ()  # an index is found again by itself
    found = _compared(before, after, (load_before, load_after), usable, EVERYTHING)
    if found.rows is None or found.tables is None:
        same = found.schema.rows[0] == found.schema.rows[1] and bool(there)
        origin = np.arange(count) if same else np.full(count, -1)
        return RowChanges(origin, np.zeros(count, dtype=bool), ())
    rows = found.rows
    origin = np.full(count, -1)
    origin[rows.both[1]] = rows.both[0]
    changed = np.zeros(count, dtype=bool)
    if rows.by != "content":
        for name in found.differing:
            changed[rows.both[1]] |= cells_differ(*found.tables.column(name), rows.both)
    return RowChanges(origin, changed, rows.key)


def _either(before: Any, after: Any) -> Any:
    """Return the cells of two columns, the later one's where both have some."""
    import pyarrow as pa
    import pyarrow.compute as pc

    before, after = plain(before), plain(after)
    if before.type != after.type:
        try:
            before = before.cast(after.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return after
    return pc.coalesce(after, before)
