"""What a caller wants of a value ⇄ positions of columns and a range of rows."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from linea.errors import NotInValueError
from linea.model import ValueRecord
from linea.values.parts import Parts


@dataclass(frozen=True, slots=True)
class Choice:
    """Some columns and rows of a table, or rows of an array."""

    columns: tuple[int, ...] | None = None
    """Positions, in the order that was asked for; None: all."""
    rows: tuple[int, int] | None = None
    """The first row and the one after the last; None: all."""

    def of(self, total: int) -> Sequence[int]:
        """Return the positions of columns, of which there are so many."""
        return range(total) if self.columns is None else self.columns


ALL = Choice()


def chosen(
    record: ValueRecord,
    codec: Any,
    columns: Sequence[object] | None,
    rows: slice | None,
    read: Parts,
) -> Choice:
    """Return what a caller wants of a value; raise NotInValueError where it has no such thing."""
    parts: tuple[str, ...] = getattr(codec, "parts", ())
    if columns is not None and "columns" not in parts:
        raise NotInValueError(
            f"a {record.type} has no columns to choose from", hint="get the whole value"
        )
    if rows is not None and ("rows" not in parts or _length(record) is None):
        raise NotInValueError(
            f"a {record.type} has no rows to choose from", hint="get the whole value"
        )
    return Choice(
        None if columns is None else _positions(record, columns, codec, read),
        None if rows is None else _range(rows, _length(record) or 0),
    )


def _length(record: ValueRecord) -> int | None:
    """Return how many rows a table or an array has."""
    shape = record.summary.get("shape", [record.summary.get("rows")])
    return shape[0] if shape and isinstance(shape[0], int) else None


def _range(rows: slice, length: int) -> tuple[int, int]:
    if rows.step not in (None, 1):
        raise NotInValueError("rows can be chosen without a step only", hint="use slice(a, b)")
    start, stop, _ = rows.indices(length)
    return start, max(start, stop)


def _positions(
    record: ValueRecord, columns: Sequence[object], codec: Any, read: Parts
) -> tuple[int, ...]:
    if isinstance(columns, str):
        columns = [columns]
    names = [column.name for column in record.columns]
    found: list[int] = []
    for label in columns:
        name = "" if label is None else str(label)
        places = [at for at, known in enumerate(names) if known == name]
        if not places:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            few = ", ".join(map(repr, names[:8])) + (" …" if len(names) > 8 else "")
            raise NotInValueError(
                f"there is no column {name!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"it has {few}",
            )
        if len(places) > 1:  # 1 and "1", or None and "", are one text
            labels = getattr(codec, "labels", lambda *_: names)(record, read)
            places = [at for at in places if _same(labels[at], label)] or places
        found += places
    return tuple(found)


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))
