"""History's answers as notebooks and data frames show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from linea.history.blame import ColumnOrigin, LineOrigin
from linea.history.diff import Diff
from linea.history.diff_code import CodeDiff
from linea.history.diff_table import TableDiff
from linea.history.diff_value import ArrayDiff, DataDiff, ModelDiff, Same, TextDiff
from linea.history.log import LogEntry
from linea.history.status import Status

_SHOWN = 60
"""Rows that a notebook shows; `to_pandas` has them all."""


class Log(list[LogEntry]):
    """What happened to one or more artifacts, newest version first."""

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "artifact": entry.name,
                "version": entry.number,
                "commit": entry.commit[:7],
                "created": entry.created,
                "author": _name(entry.author),
                "why": entry.why,
                "tags": ", ".join(entry.tags),
                "verified": entry.verdict.outcome if entry.verdict else "",
                "message": entry.message or "",
            }
            for entry in self
        ]

    def to_pandas(self) -> Any:
        """One row a version."""
        return _frame(self.rows(), ["artifact", "version", "commit", "created", "author", "why"])

    def _repr_html_(self) -> str:
        return _table(self.rows(), len(self))

    def __repr__(self) -> str:
        return _lines(
            f"{row['artifact']}@v{row['version']}  {row['created']:%Y-%m-%d %H:%M}  "
            f"{row['author']}  {row['why']}"
            for row in self.rows()
        )


class Blame(list[LineOrigin]):
    """The lines of a slice, each with the version that last changed it."""

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "version": line.version.number,
                "author": _name(line.author),
                "created": line.created,
                "place": str(line.place or ""),
                "line": line.number,
                "text": line.text,
            }
            for line in self
        ]

    def to_pandas(self) -> Any:
        """One row a line."""
        return _frame(self.rows(), ["version", "author", "created", "place", "line", "text"])

    def _repr_html_(self) -> str:
        return _table(self.rows(), len(self), code=("text",))

    def __repr__(self) -> str:
        return _lines(
            f"v{row['version']}  {row['author']}  {row['created']:%Y-%m-%d}  {row['line']:>4}  "
            f"{row['text']}"
            for row in self.rows()
        )


class ColumnBlame(list[ColumnOrigin]):
    """The columns of a table, each with the version that last changed its content."""

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "column": origin.column.name,
                "type": origin.column.type,
                "version": origin.version.number,
                "author": _name(origin.version.author),
                "created": origin.version.created,
                "from": f"{origin.parent.name}@v{origin.parent.number}" if origin.parent else "",
                "place": str(origin.place or ""),
                "text": origin.text,
            }
            for origin in self
        ]

    def to_pandas(self) -> Any:
        """One row a column."""
        return _frame(self.rows(), ["column", "type", "version", "author", "created"])

    def _repr_html_(self) -> str:
        return _table(self.rows(), len(self), code=("text",))

    def __repr__(self) -> str:
        return _lines(
            f"v{row['version']}  {row['author']}  {row['column']}  {row['from'] or row['text']}"
            for row in self.rows()
        )


@dataclass(frozen=True, slots=True, repr=False)
class Difference(Diff):
    """What differs between two versions."""

    all_rows: Callable[[], Any] | None = field(default=None, compare=False)
    """Reads every row of a table that differs."""

    def to_pandas(self) -> Any:
        """Every row that differs of a table; else a row for each place that does."""
        if isinstance(self.value, TableDiff) and self.all_rows is not None:
            return self.all_rows().to_pandas()
        return _frame(_places(self.value), ["place", "before", "after"])

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.before.revision)} → {escape(self.after.revision)}</b>"
        if not self:
            return f"<div>{head}<p>nothing differs</p></div>"
        reasons_ = [*self.inputs, *self.parents, *self.environment]
        said = "".join(f"<li>{escape(each.kind)}: {escape(each.text)}</li>" for each in reasons_)
        codes = [("", self.code), *self.modules]
        code = "".join(_code(path, each) for path, each in codes if each)
        return f"<div>{head}<ul>{said}</ul>{code}{self._value_html()}</div>"

    def _value_html(self) -> str:
        value = self.value
        if isinstance(value, Same):
            return "<p>same value</p>"
        if isinstance(value, TextDiff):
            return _code("", value.lines)
        if isinstance(value, TableDiff):
            rows = [
                {**cell.row, "column": cell.column, "before": cell.before, "after": cell.after}
                for cell in value.cells
            ]
            shown = _table(rows, sum(column.cells or 0 for column in value.changed))
            return f"<p>{escape(_told(value))}</p>{shown if rows else ''}"
        return _table(_places(value), len(_places(value))) or f"<p>{escape(str(value))}</p>"

    def __repr__(self) -> str:
        value = self.value
        told = _told(value) if isinstance(value, TableDiff) else f"value: {value.kind}"
        changed = [each.text for each in (*self.inputs, *self.parents, *self.environment)]
        code = f"code +{self.code.added} −{self.code.removed} lines" if self.code else "same code"
        names = f"{self.before.revision} → {self.after.revision}"
        return f"<{names}: {'; '.join([*changed, code, told])}>"


def _places(value: Any) -> list[dict[str, Any]]:
    found: Sequence[Any] = ()
    if isinstance(value, DataDiff):
        found = value.changes
    elif isinstance(value, ModelDiff):
        found = (*value.params, *(value.fitted or ()))
    elif isinstance(value, ArrayDiff):
        found = value.where
    elif hasattr(value, "drawn"):
        found = value.drawn
    return [{"place": each.path, "before": each.before, "after": each.after} for each in found]


def _told(table: TableDiff) -> str:
    """Say in one line how two tables differ."""
    before, after = table.rows
    parts = [f"{before:,} → {after:,} rows" if before != after else f"{after:,} rows"]
    for word, count in (
        ("added", table.rows_added),
        ("removed", table.rows_removed),
        ("changed", table.rows_changed),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    parts += [f"+{column.name}" for column in table.added_columns]
    parts += [f"−{column.name}" for column in table.removed_columns]
    parts += [f"{old} → {new}" for old, new in table.renamed]
    parts += [f"{each.name}: {each.before} → {each.after}" for each in table.retyped]
    return ", ".join(parts)


@dataclass(frozen=True, slots=True, repr=False)
class Standing(Status):
    """How the artifacts of a project stand."""

    def rows(self) -> list[dict[str, Any]]:
        stale = {each.version.commit: each.reasons for each in self.stale}
        unverified = {version.commit for version in self.unverified}
        return [
            {
                "artifact": version.name,
                "version": version.number,
                "stale": version.commit in stale,
                "why": "; ".join(each.text for each in stale.get(version.commit, ())),
                "verified": version.commit not in unverified,
            }
            for version in self.versions
        ]

    def to_pandas(self) -> Any:
        """One row an artifact."""
        return _frame(self.rows(), ["artifact", "version", "stale", "why", "verified"])

    def _repr_html_(self) -> str:
        files = "".join(
            f"<p>{escape(each.path)} isn't any more what {escape(each.version.revision)} wrote</p>"
            for each in self.altered
        )
        return f"<div>{_table(self.rows(), len(self.versions))}{files}</div>"

    def __repr__(self) -> str:
        lines = [
            f"{row['artifact']}@v{row['version']}  {row['why'] or 'fine'}" for row in self.rows()
        ]
        lines += [f"{each.path} isn't any more what it was written as" for each in self.altered]
        return _lines(lines)


# ------------------------------------------------------------------------------------- forms


def _name(author: str) -> str:
    return author.partition("<")[0].strip() or author


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(texts) or "nothing"


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _table(rows: list[dict[str, Any]], total: int, code: Sequence[str] = ()) -> str:
    """Return rows as an HTML table; columns that are empty throughout are left out."""
    shown = rows[:_SHOWN]
    names = [name for name in (shown[0] if shown else {}) if any(row[name] != "" for row in shown)]
    if not names:
        return ""
    head = "".join(f"<th style='text-align:left'>{escape(str(name))}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(_cell(row[name], name in code) for name in names) + "</tr>"
        for row in shown
    )
    more = f"<p>… {total - len(shown):,} more</p>" if total > len(shown) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any, code: bool) -> str:
    text = escape(f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value))
    inner = f"<code style='white-space:pre'>{text}</code>" if code else text
    return f"<td style='text-align:left'>{inner}</td>"


def _code(path: str, code: CodeDiff) -> str:
    """Return the hunks of a diff, what went in red and what came in green."""
    colors = {"+": "#e6ffec", "-": "#ffebe9"}
    lines = [
        f"<span style='background:{colors.get(line.mark, 'none')};color:#1f2328'>"
        f"{escape(line.mark + line.text)}</span>"
        if line.mark in colors
        else escape(" " + line.text)
        for hunk in code.hunks()
        for line in hunk
    ]
    title = f"<p><code>{escape(path)}</code></p>" if path else ""
    return f"{title}<pre>{chr(10).join(lines)}</pre>"
