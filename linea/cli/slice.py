"""`linea slice`: the code behind a variable of a file that ran, without saving anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from linea.cli import render
from linea.cli.parameters import Argument, Option
from linea.errors import LineaError

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def complete_variables(incomplete: str) -> list[str]:
    """Variables of the file that stands before on the command line."""
    from linea import watching

    files = [Path(word) for word in sys.argv if word.endswith((".py", ".ipynb"))]
    record = watching.recorded(files[-1]) if files else None
    names = record.criteria if record is not None else ()
    return sorted(name for name in names if name.startswith(incomplete))


def slice(
    file: Annotated[Path, Argument(metavar="FILE", help="A .py or .ipynb file.")],
    name: Annotated[
        str | None,
        Argument(
            metavar="NAME",
            help="A variable that it left; lists them by default.",
            autocompletion=complete_variables,
        ),
    ] = None,
    again: Annotated[
        bool, Option("--run", help="Run the file for it, whatever is recorded.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the code that made a variable of a file.

    A run under linea leaves a record of it in the store, so nothing has to be run or changed to ask for
    any of its variables later. Where there is no record the file is run, and linea says so.

    \b
    Example:
      linea slice train.py
      linea slice train.py model
      linea slice --run analysis.ipynb scores
    """
    from linea import watching

    if not file.is_file():
        raise LineaError(f"there is no file {file}")
    record = None if again else watching.recorded(file)
    kept = record is not None
    if record is None:
        if not again:
            render.say(f"no run of {file} is recorded: running it")
        record = watching.record_anew(file, ())
    stale = kept and file.suffix == ".py" and _text(file) != record.text
    if stale:
        render.say(f"{file} has changed since it ran at {record.ended}: linea slice --run {file}")
    if name is None:
        names = sorted(record.criteria)
        if json:
            render.print_json({"file": file, "ran": record.ended, "stale": stale, "names": names})
        else:
            sys.stdout.write("".join(f"{each}\n" for each in names))
        return
    made = record.slice_of(name)
    if json:
        render.print_json(
            {
                "file": file,
                "name": name,
                "ran": record.ended,
                "stale": stale,
                "code": made.code,
                "lines": [None if line is None else str(line) for line in made.lines],
                "conservative": made.conservative,
                "unreproducible": made.unreproducible,
            }
        )
        return
    sys.stdout.write(made.code)
    for reason in made.conservative:
        render.say(f"the slice may be larger than needed: {reason}")
    for reason in made.unreproducible:
        render.say(f"a re-run can't give this again: {reason}")


def _text(file: Path) -> str:
    from linea import watching

    return watching.text_digest(watching.read_source(file))
