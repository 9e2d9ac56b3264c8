"""`linea cat`: a version's value, or some of it, to standard output."""

from __future__ import annotations

import sys
from typing import Annotated

from linea.cli import render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import complete_revisions, project, revision
from linea.errors import LineaError

Revision = Annotated[
    str,
    Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions),
]


def cat(
    rev: Revision,
    format: Annotated[
        str | None,
        Option("--format", metavar="FORMAT", help="Of the value: csv, parquet, npy, json …"),
    ] = None,
    columns: Annotated[
        list[str] | None, Option("--columns", metavar="NAMES", help="Of a table: a,b,c.")
    ] = None,
    rows: Annotated[
        str | None, Option("--rows", metavar="A:B", help="From row A to before row B.")
    ] = None,
    trust: Annotated[
        bool, Option("--trust", help="Read pickled values too, which runs their code.")
    ] = False,
) -> None:
    """Print a version's value, or some columns and rows.

    A table is printed as CSV, an array too, anything else in its natural form: a text as it is, a
    file with its own bytes. Only what is printed is read from the store.

    \b
    Example:
      linea cat feature_table --columns id,price --rows 0:10
      linea cat model_input@v2 --format parquet > input.parquet
    """
    from linea import values

    with project() as here:
        version = revision(here.repository, rev)
        record = version.value
        plain = record.kind == "table" or (record.kind == "array" and record.codec == "array")
        files = values.export(
            record,
            here.repository.read_part(version),
            "value",
            (format or ("csv" if plain else None)),
            trusted=trust,
            columns=_names(columns),
            rows=_range(rows),
        )
    if len(files) != 1:
        raise LineaError(
            f"{version.revision} is {render.plural(len(files), 'file')}, not one",
            hint=f"linea checkout {version.revision}",
        )
    ((name, data),) = files.items()
    if sys.stdout.isatty() and not _is_text(data):
        raise LineaError(
            f"a terminal can't show {render.size(len(data))} of {name.rpartition('.')[2]}",
            hint=f"write it to a file: linea cat {version.revision} > FILE",
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _names(columns: list[str] | None) -> list[str] | None:
    """Return the names in `a,b` given once or several times."""
    if columns is None:
        return None
    return [name for given in columns for name in given.split(",") if name]


def _range(rows: str | None) -> slice | None:
    if rows is None:
        return None
    start, colon, stop = rows.partition(":")
    try:
        bounds = [int(bound) if bound.strip() else None for bound in (start, stop)]
    except ValueError:
        colon = ""
    if not colon:
        raise LineaError(f"{rows!r} is no range of rows", hint="--rows 0:10, --rows 100:")
    return slice(*bounds)


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data[:4000].decode("utf-8", "strict" if len(data) <= 4000 else "ignore")
    except UnicodeDecodeError:
        return False
