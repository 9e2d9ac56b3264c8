"""`linea status`: what is stale, and why."""

from __future__ import annotations

from typing import Annotated

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import complete_names, project, revision
from linea.history.status import status as read_status

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def status(
    names: Annotated[
        list[str] | None,
        Argument(metavar="NAME", help="Only these.", autocompletion=complete_names),
    ] = None,
    json: Json = False,
) -> int:
    """Show what is stale, and why.

    A result is stale when a file that it was made from changed or is gone, when an artifact that it
    was made from has a newer version or is stale itself, or when its code is no longer in the
    file that it was saved from. Exits with 1 when something is stale.

    \b
    Example:
      linea status
      linea status model
    """
    from linea import values

    screen = render.screen()
    with project() as here:
        known = here.repository.names()
        wanted = [revision(here.repository, name).name for name in names or ()] or None
        stale = read_status(here.repository, here.root, values.digest_file, wanted)
        count = len(wanted or known)
    if json:
        render.print_json(records.of_stale(stale))
        return int(bool(stale))
    if not stale:
        screen.line(f"{render.plural(count, 'artifact')}, nothing is stale")
        return 0
    screen.line(f"{len(stale)} of {render.plural(count, 'artifact')} stale")
    for each in stale:
        screen.line(screen.style(render.clean(each.version.revision), "bold", "yellow"))
        screen.lines(f"  {render.clean(reason.text)}" for reason in each.reasons)
    sources = [each.version.source for each in stale if each.version.source]
    if sources:
        render.suggest(f"linea run {sources[0]}", "make it again")
    return 1
