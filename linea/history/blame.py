"""A version's slice and table to the versions that brought each line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from linea.errors import LineaError, NoSuchVersionError
from linea.history.align import align
from linea.history.columns import Write, from_parent, last_binding, last_writes
from linea.history.diff import read_columns, row_changes
from linea.history.diff_plain import equal
from linea.history.reading import Reader
from linea.model import Column, Origin, Parent, Version

if TYPE_CHECKING:
    from linea.store.layout import Entry


@dataclass(frozen=True, slots=True)
class LineOrigin:
    """A line of a slice and the version that last changed it."""

    number: int
    """Of the line, from 1."""
    text: str
    version: Version
    place: Origin | None
    """Where the user wrote it when it came; None for a line that linea added."""

    @property
    def author(self) -> str:
        return self.version.author

    @property
    def created(self) -> datetime:
        return self.version.created


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """A column of a table and the version that last changed its content."""

    column: Column
    version: Version
    since: Version
    """The version that brought a column of this name."""
    line: int | None
    """The line of the slice that last wrote the column, or else the whole table; None where the
    column came from a parent, or the text doesn't tell."""
    place: Origin | None = None
    text: str = ""
    """That line."""
    parent: Parent | None = None
    """The version of another artifact that has the same content in a column."""
    parent_column: str | None = None
    reads: tuple[str, ...] = ()
    """The columns that the statement names to make this one."""


def blame(repository: Reader, version: Version) -> list[LineOrigin]:
    """Return each line of a slice with the version that last changed it.

    A line that only moved, or was only formatted anew, keeps its origin. History is read back
    no further than the oldest line.
    """
    code = repository.code(version)
    texts = code.splitlines()
    settled: list[LineOrigin | None] = [None] * len(texts)
    standing = {line: line for line in range(len(texts))}  # line of ours -> line of `newer`
    newer: Version | Entry = version
    older_ones = (each for each in repository.entries(version.name) if each.number < version.number)
    for older in older_ones:
        if not standing:
            break
        before = repository.code(older)
        if before != code:
            origin = align(before, code, standing.values()).origin
            for line, at in list(standing.items()):
                came_from = origin[at]
                if came_from is not None:
                    standing[line] = came_from
                else:
                    settled[line] = _line(line, texts, _whole(repository, newer), at)
                    del standing[line]
        newer, code = older, before
    for line, at in standing.items():
        settled[line] = _line(line, texts, _whole(repository, newer), at)
    return [line for line in settled if line is not None]


def blame_columns(repository: Reader, version: Version) -> list[ColumnOrigin]:
    """Return each column of a table with the version that last changed its content."""
    changed: dict[str, Version] = {}
    since = {column.name: version for column in version.value.columns}
    digests = {column.name: column.digest for column in version.value.columns}
    alive = set(since)
    newer = version
    for older in _older(repository, version):
        if not alive:
            break
        before = {column.name: column.digest for column in older.value.columns}
        for name in list(alive):
            if before.get(name) != digests[name]:
                changed.setdefault(name, newer)
            if name in before:
                since[name] = older
            else:
                alive.discard(name)
        newer = older
    code = repository.code(version)
    written = last_writes(code)
    whole = last_binding(code, version.result) if version.result else None
    lines = code.splitlines()
    above = parent_tables(repository, version)
    return [
        _column_origin(
            version, column, changed.get(column.name, since[column.name]), since[column.name],
            written.get(column.name), whole, lines, above,
        )
        for column in version.value.columns
    ]  # fmt: skip


def parent_tables(repository: Reader, version: Version) -> dict[str, Version]:
    """Return the tables that a version was made from, by their artifacts' names."""
    found: dict[str, Version] = {}
    for parent in version.parents:
        with suppress(NoSuchVersionError):
            above = repository.by_commit(parent.commit)
            if above.value.columns:
                found[parent.name] = above
    return found


def _column_origin(
    version: Version,
    column: Column,
    changed: Version,
    since: Version,
    write: Write | None,
    whole: int | None,
    lines: Sequence[str],
    above: Mapping[str, Version],
) -> ColumnOrigin:
    columns = {
        name: {each.name: str(each.digest) for each in parent.value.columns}
        for name, parent in above.items()
    }
    same = from_parent(column.name, column.digest, columns) if write is None else None
    parent = next((each for each in version.parents if same and each.name == same[0]), None)
    line = write.line if write else (whole if same is None else None)
    return ColumnOrigin(
        column=column,
        version=changed,
        since=since,
        line=line,
        place=_place(version, line - 1) if line else None,
        text=lines[line - 1].strip() if line else "",
        parent=parent,
        parent_column=same[1] if same else None,
        reads=write.reads if write else (),
    )


@dataclass(frozen=True, slots=True)
class CellOrigin:
    """A cell of a row and the version in which it took its present value."""

    column: str
    value: Any
    version: Version
    before: Any = None
    """What it held until then; None where the row or the column wasn't there."""
    came: bool = False
    """The row or the column came with this version."""


def blame_row(
    repository: Reader, version: Version, key: Mapping[str, Any], *, trusted: bool = False
) -> list[CellOrigin]:
    """Return each cell of the row that has these keys, and when it took its value.

    History is read back no further than the oldest cell, and of older versions the columns that
    changed since. Raises LineaError where the keys name no row, or several.
    """
    read = _Rows(repository, key, trusted)
    present = read.row(version, [column.name for column in version.value.columns], strict=True)
    if present is None:
        said = ", ".join(f"{name}={value}" for name, value in key.items())
        raise LineaError(f"{version.revision} has no row with {said}")
    settled: dict[str, CellOrigin] = {}
    standing = dict(present)
    newer = version
    for older in _older(repository, version):
        if not standing:
            break
        there = {column.name for column in older.value.columns}
        same = _same_columns(older, newer)
        # Equal columns hold the row's cells at the same place only where the keys are equal too.
        sure = same if set(key) <= same else set()
        asked = [name for name in standing if name in there and name not in sure]
        row = read.row(older, asked) if asked or not sure else {}
        for name, value in list(standing.items()):
            if row is None or name not in there:
                settled[name] = CellOrigin(name, value, newer, came=True)
            elif name in row and not _same_cell(row[name], value):
                settled[name] = CellOrigin(name, value, newer, row[name])
            else:
                continue
            del standing[name]
        newer = older
    for name, value in standing.items():
        settled[name] = CellOrigin(name, value, newer, came=True)
    return [settled[name] for name in present]


def _same_cell(one: Any, other: Any) -> bool:
    """Say whether two cells are equal; a whole number that became a float is."""
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return one == other if numbers else equal(one, other)


def _is_meant(cell: Any, wanted: Any) -> bool:
    """Say whether a person who writes `wanted` means this cell: a day is a day's first moment."""
    text = str(wanted)
    if isinstance(cell, datetime):
        return text in (str(cell), cell.isoformat(), str(cell).removesuffix(" 00:00:00"))
    if isinstance(cell, float) and cell.is_integer():
        return text in (str(cell), str(int(cell)))
    if cell is None:
        return text.casefold() in ("none", "null", "nan", "nat")
    return text == str(cell)


def _same_columns(older: Version, newer: Version) -> set[str]:
    """Return the columns that are the same in both; none where one can't be told by its digest."""
    before = {column.name: column.digest for column in older.value.columns}
    return {each.name for each in newer.value.columns if before.get(each.name) == each.digest}


class _Rows:
    """Single rows of versions of a table, by their key."""

    def __init__(self, repository: Reader, key: Mapping[str, Any], trusted: bool) -> None:
        self._repository, self._key, self._trusted = repository, key, trusted

    def row(
        self, version: Version, names: Sequence[str], *, strict: bool = False
    ) -> dict[str, Any] | None:
        """Return some cells of the row, None where there is no such row, or more than one."""
        table = read_columns(
            self._repository, version, [*dict.fromkeys([*self._key, *names])], self._trusted
        )
        missing = [name for name in self._key if name not in table.column_names]
        if missing and strict:
            raise LineaError(f"{version.revision} has no column {missing[0]!r}")
        if missing:
            return None
        places = self._places(table)
        if len(places) > 1 and strict:
            said = ", ".join(f"{name}={value}" for name, value in self._key.items())
            raise LineaError(
                f"{said} names {len(places)} rows of {version.revision}",
                hint="give more columns: --key a=1,b=2",
            )
        if len(places) != 1:
            return None
        return {name: table.column(name)[places[0]].as_py() for name in names}

    def _places(self, table: Any) -> list[int]:
        import numpy as np

        holds = np.ones(table.num_rows, dtype=bool)
        for name, wanted in self._key.items():
            cells = table.column(name).to_pylist()
            holds &= np.asarray([_is_meant(cell, wanted) for cell in cells], dtype=bool)
        found: list[int] = np.flatnonzero(holds).tolist()
        return found


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """A row of a table and the version that last changed it."""

    row: dict[str, Any]
    """The key of the row, or `{"row": position}`."""
    version: Version
    came: bool
    """It came with this version, rather than being changed by it."""


def blame_rows(
    repository: Reader, version: Version, key: Sequence[str] = (), *, trusted: bool = False
) -> list[RowOrigin]:
    """Return each row of a table with the version that last changed a cell of it.

    Rows of consecutive versions are matched as `diff` does; a column that came or went changes no
    row. History is read back no further than the oldest row.
    """
    import numpy as np

    count = int(version.value.summary.get("rows", 0))
    at = np.arange(count)  # our row -> its place in `newer`
    changed_by: list[Version] = [version] * count
    came = np.ones(count, dtype=bool)
    standing = np.ones(count, dtype=bool)
    newer, named = version, tuple(key)
    for older in _older(repository, version):
        if not standing.any() or not older.value.columns:
            break
        step = row_changes(repository, older, newer, named, trusted)
        named = named or step.key
        for ours in np.flatnonzero(standing).tolist():
            before = int(step.origin[at[ours]])
            if before < 0 or step.changed[at[ours]]:
                standing[ours], came[ours] = False, before < 0
            else:
                changed_by[ours] = older
                at[ours] = before
        newer = older
    rows = _keys_of(repository, version, named, count, trusted)
    return [RowOrigin(rows[n], changed_by[n], bool(came[n])) for n in range(count)]


def _keys_of(
    repository: Reader, version: Version, key: Sequence[str], count: int, trusted: bool
) -> list[dict[str, Any]]:
    there = {column.name for column in version.value.columns}
    if not key or not there.issuperset(key):
        return [{"row": number} for number in range(count)]
    rows: list[dict[str, Any]] = (
        read_columns(repository, version, key, trusted).select(list(key)).to_pylist()
    )
    return rows


def _older(repository: Reader, version: Version) -> Iterator[Version]:
    return (each for each in repository.versions(version.name) if each.number < version.number)


def _whole(repository: Reader, found: Version | Entry) -> Version:
    return found if isinstance(found, Version) else repository.loaded(found)


def _line(line: int, texts: list[str], version: Version, at: int) -> LineOrigin:
    return LineOrigin(line + 1, texts[line], version, _place(version, at))


def _place(version: Version, line: int) -> Origin | None:
    return version.lines[line] if 0 <= line < len(version.lines) else None
