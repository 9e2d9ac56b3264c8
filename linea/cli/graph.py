"""`linea graph`: what was made from what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Screen
from linea.cli.surroundings import (
    complete_revisions,
    now,
    project,
    revision,
)
from linea.errors import LineaError
from linea.history import graph as graphs

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def graph(
    names: Annotated[
        list[str] | None,
        Argument(metavar="REV", help="What to start from.", autocompletion=complete_revisions),
    ] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="FORMAT", help="text, mermaid or dot.")
    ] = "text",
    files: Annotated[bool, Option("--files/--no-files", help="With input files.")] = True,
    json: Json = False,
) -> None:
    """Draw what was made from what.

    \b
    Example:
      linea graph model
      linea graph --format mermaid > lineage.mmd
      linea graph --format dot | dot -Tsvg > lineage.svg
    """
    screen = render.screen()
    if format not in ("text", "mermaid", "dot"):
        raise LineaError(f"there is no format {format!r}", hint="text, mermaid or dot")
    with project() as here:
        repository = here.repository
        starts = [revision(repository, name) for name in names or ()] or graphs.tips(repository)
        found = graphs.lineage(repository, starts, files=files)
    if json:
        render.print_json(records.of_graph(found))
    elif format == "mermaid":
        screen.stream.write(graphs.mermaid(found))
    elif format == "dot":
        screen.stream.write(graphs.dot(found))
    else:
        screen.lines(_graph_lines(screen, found))


def _graph_lines(screen: Screen, found: graphs.Graph) -> Iterator[str]:
    moment = now()
    for row in graphs.draw(found, graphs.UNICODE if screen.unicode else graphs.ASCII):
        if row.node is None:
            yield screen.style(row.lanes, "cyan")
            continue
        version = row.node.version
        label = render.clean(row.node.label)
        if version is None:
            file = row.node.file
            about = render.size(file.size) if file else ""
            label = screen.style(label, "green")
        else:
            about = f"{render.age(version.created, moment)}  {words.summary(version)}"
            label = screen.style(label, "yellow")
        yield f"{screen.style(row.lanes, 'cyan')}  {label}  {screen.style(about, 'dim')}".rstrip()
