"""`linea blame`: the version that brought each line or column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell
from linea.cli.surroundings import complete_revisions, now, project, revision
from linea.errors import LineaError
from linea.history.blame import blame as read_blame
from linea.history.blame import blame_columns

if TYPE_CHECKING:
    pass

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
    json: Json = False,
) -> None:
    """Show which version brought each line or column.

    A line that only moved, or was only formatted anew, keeps its origin. A file on disk is found
    by its content, renamed or not.

    \b
    Example:
      linea blame model
      linea blame --columns feature_table@v3
      linea blame results/model.pkl
    """
    screen, moment = render.screen(), now()
    with project() as here:
        version = revision(here.repository, rev)
        if columns:
            if not version.value.columns:
                raise LineaError(f"{version.revision} is a {version.value.kind}, without columns")
            origins = blame_columns(here.repository, version)
            if json:
                render.print_json([records.of_column(origin) for origin in origins])
                return
            rows = [
                [
                    Cell(f"v{origin.version.number}", ("yellow",)),
                    Cell(render.person(origin.version.author, words.AUTHOR), ("blue",)),
                    Cell(render.age(origin.version.created, moment), ("dim",)),
                    Cell(render.clean(origin.column.name), ("bold",)),
                    Cell(origin.column.type, ("dim",)),
                    Cell(render.clean(str(origin.place or ""))),
                ]
                for origin in origins
            ]
            screen.lines(render.table(screen, rows, flexible=3))
            return
        lines = read_blame(here.repository, version)
    if json:
        render.print_json([records.of_line(line) for line in lines])
        return
    if rev != version.name and "@" not in rev:
        render.say(f"{rev} is {version.revision}")
    rows = [
        [
            Cell(f"v{line.version.number}", ("yellow",)),
            Cell(render.person(line.author, words.AUTHOR), ("blue",)),
            Cell(render.age(line.created, moment), ("dim",)),
            Cell(render.clean(str(line.place or "")), ("dim",)),
            Cell(str(line.number), ("dim",), right=True),
            Cell(render.clean(line.text)),
        ]
        for line in lines
    ]
    screen.lines(render.table(screen, rows))
