"""`linea blame`: the version that brought each line or column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import complete_revisions, now, project, revision
from linea.cli.value_diff import brief
from linea.errors import LineaError
from linea.history.blame import (
    CellOrigin,
    ColumnOrigin,
    LineOrigin,
    RowOrigin,
    blame_columns,
    blame_row,
    blame_rows,
)
from linea.history.blame import blame as read_blame
from linea.model import Version

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def blame(
    rev: Annotated[
        str,
        Argument(
            metavar="REV", help="A revision, or a file on disk.", autocompletion=complete_revisions
        ),
    ],
    columns: Annotated[
        bool, Option("--columns", help="For each column of a table instead of each line.")
    ] = False,
    rows: Annotated[
        bool, Option("--rows", help="For each row of a table: who changed it last.")
    ] = False,
    key: Annotated[
        str,
        Option(
            "--key",
            metavar="KEY",
            help="A row, id=7: when its cells took their values. With --rows, columns: id,day.",
        ),
    ] = "",
    limit: Annotated[
        int, Option("--limit", metavar="N", min=0, help="How many rows to show.")
    ] = 20,
    trust: Annotated[
        bool, Option("--trust", help="Read pickled values too, which runs their code.")
    ] = False,
    json: Json = False,
) -> None:
    """Show which version brought each line, column or row.

    A line that only moved, or was only formatted anew, keeps its origin. A column is told the
    version that last changed its content, and where that came from: the statement that wrote it, or
    the artifact that has it too. A file on disk is found by its content, renamed or not.

    \b
    Example:
      linea blame model
      linea blame --columns feature_table@v3
      linea blame --key customer_id=1005 feature_table
      linea blame --rows feature_table
      linea blame results/model.pkl
    """
    if columns + (rows or bool(key)) > 1:
        raise LineaError("--columns and --rows or --key exclude each other")
    screen = render.screen()
    with project() as here:
        version = revision(here.repository, rev)
        if rev != version.name and "@" not in rev and not json:
            render.say(f"{rev} is {version.revision}")
        if (columns or rows or key) and not version.value.columns:
            raise LineaError(f"{version.revision} is a {version.value.kind}, without columns")
        if columns:
            _of_columns(screen, blame_columns(here.repository, version), json)
        elif rows:
            names = tuple(name.strip() for name in key.split(",") if name.strip())
            found = blame_rows(here.repository, version, names, trusted=trust)
            _of_rows(screen, found, limit, json)
        elif key:
            cells = blame_row(here.repository, version, _keys(key), trusted=trust)
            _of_cells(screen, cells, json)
        else:
            _of_lines(screen, read_blame(here.repository, version), json)
    if version.value.columns and not (columns or rows or key):
        render.suggest(f"linea blame --columns {words.quoted(rev)}")


def _keys(text: str) -> dict[str, str]:
    """Read `id=7,day=2026-03-01`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(sign for _, sign, _ in pairs):
        raise LineaError(f"{text!r} names no row", hint="--key id=7, or --rows for all of them")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _of_columns(screen: Screen, origins: Sequence[ColumnOrigin], json: bool) -> None:
    if json:
        render.print_json([records.of_column(origin) for origin in origins])
        return
    table = [
        [
            *_who(origin.version),
            Cell(render.clean(origin.column.name), ("bold",)),
            Cell(origin.column.type, ("dim",)),
            Cell(render.clean(_source(origin))),
        ]
        for origin in origins
    ]
    screen.lines(render.table(screen, table))


def _source(origin: ColumnOrigin) -> str:
    """Say what a column has its content from."""
    if origin.text:
        return f"{origin.place}  {origin.text}" if origin.place else origin.text
    if origin.parent is None:
        return ""
    column = origin.parent_column
    as_other = f", its {column}" if column != origin.column.name else ""
    return f"from {origin.parent.name}@v{origin.parent.number}{as_other}"


def _of_rows(screen: Screen, origins: Sequence[RowOrigin], limit: int, json: bool) -> None:
    """Say how many rows each version brought, then which, the newest first."""
    newest = sorted(origins, key=lambda origin: -origin.version.number)
    if json:
        render.print_json([records.of_row(origin) for origin in origins])
        return
    counts = Counter((origin.version.number, origin.came) for origin in origins)
    said = [
        f"v{number} {'brought' if came else 'changed'} {count:,}"
        for (number, came), count in sorted(counts.items(), reverse=True)
    ]
    screen.line(f"{render.plural(len(origins), 'row')}: {', '.join(said)}")
    table = [
        [
            *_who(origin.version),
            Cell("came" if origin.came else "changed", ("dim",)),
            Cell(render.clean(", ".join(f"{name}={each}" for name, each in origin.row.items()))),
        ]
        for origin in newest[:limit]
    ]
    screen.lines(render.table(screen, table))
    if len(newest) > limit:
        screen.line(f"… {len(newest) - limit:,} more: --limit {len(newest)}")


def _of_cells(screen: Screen, cells: Sequence[CellOrigin], json: bool) -> None:
    if json:
        render.print_json([records.of_cell(cell) for cell in cells])
        return
    table = [
        [
            *_who(cell.version),
            Cell(render.clean(cell.column), ("bold",)),
            Cell(render.clean(brief(cell.value)), ("green",)),
            Cell("" if cell.came else f"was {render.clean(brief(cell.before))}", ("red",)),
        ]
        for cell in cells
    ]
    screen.lines(render.table(screen, table))


def _of_lines(screen: Screen, lines: Sequence[LineOrigin], json: bool) -> None:
    if json:
        render.print_json([records.of_line(line) for line in lines])
        return
    table = [
        [
            *_who(line.version),
            Cell(render.clean(str(line.place or "")), ("dim",)),
            Cell(str(line.number), ("dim",), right=True),
            Cell(render.clean(line.text)),
        ]
        for line in lines
    ]
    screen.lines(render.table(screen, table))


def _who(version: Version) -> list[Cell]:
    """Return the cells that say which version, whose and how old."""
    return [
        Cell(f"v{version.number}", ("yellow",)),
        Cell(render.person(version.author, words.AUTHOR), ("blue",)),
        Cell(render.age(version.created, now()), ("dim",)),
    ]
