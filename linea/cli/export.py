"""Commands that turn artifacts into code that runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from linea.cli import render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import complete_names, project, revision
from linea.errors import WouldOverwriteError

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def export(
    names: Annotated[
        list[str],
        Argument(metavar="NAME", help="Artifacts.", autocompletion=complete_names),
    ],
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write here.")
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite the file.")] = False,
    json: Json = False,
) -> None:
    """Print a Python module with a function for each artifact.

    \b
    Example:
      linea pipeline export feature_table model > pipeline.py
      linea pipeline export model -o model.py
    """
    from linea import api

    with project() as here:
        checked = [revision(here.repository, name).revision for name in names]
    source = api.get_module_definition(list(names))
    if output is not None:
        if output.exists() and not force:
            raise WouldOverwriteError(f"{output} exists", hint="another name, or --force")
        output.write_text(source, encoding="utf-8")
        render.say(f"Wrote {output}.")
    if json:
        render.print_json({"revisions": checked, "module": source, "file": output})
    elif output is None:
        render.screen().stream.write(source if source.endswith("\n") else source + "\n")


def pipeline() -> None:
    """Turn artifacts into code that runs elsewhere.

    \b
    Example:
      linea pipeline export model > model.py
    """


pipeline.subcommands = [export]  # type: ignore[attr-defined]
