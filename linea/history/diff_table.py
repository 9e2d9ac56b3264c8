"""Two tables to the rows, columns and cells that differ; equal columns are never read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from linea.errors import LineaError
from linea.history.rows import Load, Rows, Tables, cells_differ, match_rows, plain
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


def diff_tables(
    before: ValueRecord,
    after: ValueRecord,
    load_before: Load,
    load_after: Load,
    *,
    key: Sequence[str] = (),
    limit: int = 10,
) -> TableDiff:
    """Compare two stored tables, reading only columns that differ and what matches their rows."""
    schema = diff_schema(before, after)
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    both = [name for name in new if name in old]
    unknown = [name for name in key if name not in both]
    if unknown:
        raise LineaError(
            f"there is no column {unknown[0]!r} in both versions",
            hint="the columns are " + ", ".join(both[:20]),
        )
    differing = [
        name
        for name in both
        if old[name].digest != new[name].digest or old[name].type != new[name].type
    ]
    schema = replace(
        schema, unchanged=tuple(name for name in both if name not in differing), key=tuple(key)
    )
    if not both or (not differing and schema.rows[0] == schema.rows[1]):
        return schema
    tables = Tables(load_before, load_after, [*old, *new])
    rows = match_rows(tables, schema.rows, key, old, differing, both)
    return _with_cells(schema, tables, rows, differing, both, limit)


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


def _with_cells(
    schema: TableDiff,
    tables: Tables,
    rows: Rows,
    differing: list[str],
    both: list[str],
    limit: int,
) -> TableDiff:
    """Fill in which rows and cells differ."""
    import numpy as np

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
    shown = list(dict.fromkeys([*rows.key, *both]))
    added = _first_rows(tables, shown, rows.added[:limit], 1) if len(rows.added) else ()
    removed = _first_rows(tables, shown, rows.removed[:limit], 0) if len(rows.removed) else ()
    return replace(
        schema,
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
