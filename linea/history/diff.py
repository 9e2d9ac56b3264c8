"""Two versions to what differs between them: code, value, inputs, parents, environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from linea.errors import LineaError, NotInValueError
from linea.history.changes import (
    Change,
    changed_modules,
    data_changes,
    environment_changes,
    upstream_changes,
)
from linea.history.diff_code import CodeDiff, diff_code
from linea.history.diff_table import (
    EVERYTHING,
    Choice,
    RowChanges,
    changes_of_rows,
    rows_that_differ,
    statistics,
)
from linea.history.diff_value import Same, Side, ValueDiff, diff_values
from linea.history.reading import Reader
from linea.history.rows import UNNAMED
from linea.model import Version


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two versions, of one artifact or of two."""

    before: Version
    after: Version
    code: CodeDiff
    value: ValueDiff
    inputs: tuple[Change, ...]
    parents: tuple[Change, ...]
    environment: tuple[Change, ...]
    modules: tuple[tuple[str, CodeDiff], ...] = ()
    """The user's own modules that differ, by their path."""

    def __bool__(self) -> bool:
        parts = (self.code, self.modules, self.inputs, self.parents, self.environment)
        return not isinstance(self.value, Same) or any(parts)


def diff(
    repository: Reader,
    before: Version,
    after: Version,
    *,
    key: Sequence[str] = (),
    limit: int = 10,
    load: bool = True,
    trusted: bool = False,
    choice: Choice = EVERYTHING,
) -> Diff:
    """Compare two versions.

    Values that are equal are never read, nor are columns of a table that are; nothing is with
    `load=False`. A pickled value is only read when its author is `trusted`. Of tables only the
    columns and rows of `choice` are compared.
    """
    modules = [
        (path, diff_code(was, now)) for path, was, now in changed_modules(repository, before, after)
    ]
    return Diff(
        before=before,
        after=after,
        code=diff_code(repository.code(before), repository.code(after)),
        value=diff_values(
            _side(repository, before, trusted),
            _side(repository, after, trusted),
            key=key,
            limit=limit,
            load=load,
            choice=choice,
        ),
        modules=tuple(modules),
        inputs=tuple(data_changes(before, after, besides=[path for path, _ in modules])),
        parents=tuple(upstream_changes(before, after)),
        environment=tuple(environment_changes(before.environment, after.environment)),
    )


def rows_of(
    repository: Reader,
    before: Version,
    after: Version,
    *,
    key: Sequence[str] = (),
    choice: Choice = EVERYTHING,
    trusted: bool = False,
) -> Any:
    """Return every row in which two versions of a table differ as a `pyarrow.Table`."""
    for version in (before, after):
        if version.value.kind != "table" or not version.value.columns:
            raise LineaError(f"{version.revision} is a {version.value.kind}, without rows")
    sides = [_side(repository, version, trusted) for version in (before, after)]
    return rows_that_differ(
        before.value, after.value, sides[0].columns, sides[1].columns, key=key, choice=choice
    )


def row_changes(
    repository: Reader, older: Version, newer: Version, key: Sequence[str], trusted: bool
) -> RowChanges:
    """Return where each row of the newer version of a table was before, and whether it changed."""
    sides = [_side(repository, version, trusted) for version in (older, newer)]
    return changes_of_rows(older.value, newer.value, sides[0].columns, sides[1].columns, key=key)


def read_columns(
    repository: Reader, version: Version, names: Sequence[str], trusted: bool = False
) -> Any:
    """Return some columns of a stored table as a `pyarrow.Table`."""
    return _side(repository, version, trusted).columns(names)


def column_statistics(
    repository: Reader, version: Version, trusted: bool = False
) -> dict[str, dict[str, Any]]:
    """Return facts about the content of each column of a stored table, which is read for it."""
    names = [column.name for column in version.value.columns]
    table = read_columns(repository, version, names, trusted)
    return {name: statistics(table.column(name)) for name in names}


def _side(repository: Reader, version: Version, trusted: bool) -> Side:
    from linea import values
    from linea.values.parts import Parts

    read = repository.read_part(version)
    whole: list[Any] = []

    def load() -> Any:
        return values.decode(version.value, read, trusted=trusted)

    def columns(names: Sequence[str]) -> Any:
        known = {column.name for column in version.value.columns}
        wanted = [name for name in names if name in known]  # an index comes along anyhow
        if not whole:
            try:
                return as_arrow(values.decode(version.value, read, trusted=trusted, columns=wanted))
            except NotInValueError:
                whole.append(as_arrow(load()))
        return whole[0]

    return Side(version.value, load, columns, Parts(version.value, read))


def as_arrow(table: Any) -> Any:
    """Return any kind of table as a `pyarrow.Table`; an index of pandas becomes columns of it."""
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if isinstance(table, pa.Array | pa.ChunkedArray):
        return pa.table({"": table})
    if hasattr(table, "to_frame"):  # a series or an index
        table = table.to_frame(name="") if not table.name else table.to_frame()
    if hasattr(table, "to_arrow"):
        return table.to_arrow()
    return _pandas_to_arrow(table)


def _pandas_to_arrow(frame: Any) -> Any:
    """Turn a pandas frame into Arrow, a column that Arrow can't hold as its texts."""
    import pandas as pd
    import pyarrow as pa

    columns = {}
    if not isinstance(frame.index, pd.RangeIndex):
        names = [
            name or (level and f"index {level}") for level, name in enumerate(frame.index.names)
        ]
        columns = {
            str(name or UNNAMED): frame.index.get_level_values(level)
            for level, name in enumerate(names)
        }
    columns |= {str(label): frame.iloc[:, place] for place, label in enumerate(frame.columns)}
    return pa.table({name: _column_to_arrow(column) for name, column in columns.items()})


def _column_to_arrow(column: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.chunked_array([pa.Array.from_pandas(column)])
    except (pa.ArrowException, TypeError, ValueError):
        return pa.chunked_array([pa.array([repr(each) for each in column], pa.string())])
