"""`linea status`: what is stale, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import complete_names, project, revision, today
from linea.history.status import Reason, Stale, Status, survey

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
    was made from has a newer version or is stale itself, when its code is no longer in the file
    that it was saved from, or when a package or variable that it used is another one now. Also
    tells which files, written from results, were changed since, and what was never verified.
    Exits with 1 when something is stale.

    \b
    Example:
      linea status
      linea status model
    """
    from linea import values

    screen = render.screen()
    with project() as here:
        wanted = [revision(here.repository, name).name for name in names or ()] or None
        found = survey(here.repository, here.root, values.digest_file, wanted, today())
    if json:
        render.print_json(records.of_status(found))
        return int(bool(found))
    screen.lines(_lines(screen, found))
    sources = [each.version.source for each in found.stale if each.version.source]
    if sources:
        render.suggest(f"linea run {sources[0]}", "make it again")
    elif found.unverified and not found.altered:
        render.suggest("linea verify --all")
    return int(bool(found))


def _lines(screen: render.Screen, found: Status) -> Iterator[str]:
    count = render.plural(len(found.versions), "artifact")
    yield f"{len(found.stale)} of {count} stale" if found.stale else f"{count}, nothing is stale"
    for each in found.stale:
        yield screen.style(render.clean(each.version.revision), "bold", "yellow")
        yield from (f"  {render.clean(text)}" for text in reason_texts(each))
    for file in found.altered:
        yield f"{render.clean(file.path)} isn't any more what {file.version.revision} wrote"
    if found.unverified:
        yield screen.style(f"{len(found.unverified)} not verified", "dim")


ENVIRONMENT_SHOWN = 3
"""Reasons of the environment that are named; an upgrade moves many packages at once."""


def reason_texts(stale: Stale) -> list[str]:
    """Return the reasons why something is stale, the environment's in one line."""
    environment = [reason for reason in stale.reasons if reason.kind == "environment"]
    texts = [reason.text for reason in stale.reasons if reason.kind != "environment"]
    return [*texts, *([_joined(environment)] if environment else [])]


def _joined(reasons: Sequence[Reason]) -> str:
    more = len(reasons) - ENVIRONMENT_SHOWN
    shown = ", ".join(reason.text for reason in reasons[:ENVIRONMENT_SHOWN])
    return shown + (f" and {more} more" if more > 0 else "")
