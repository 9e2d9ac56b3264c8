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
from linea.history import drawing
from linea.history import graph as graphs
from linea.history.openlineage import openlineage

Json = Annotated[bool, Option("--json", help="Print JSON.")]


PICTURES = {"svg": drawing.svg, "mermaid": drawing.mermaid, "dot": drawing.dot}
FORMATS = ("text", *PICTURES, "openlineage")


def graph(
    names: Annotated[
        list[str] | None,
        Argument(metavar="REV", help="What to start from.", autocompletion=complete_revisions),
    ] = None,
    format: Annotated[
        str,
        Option("--format", "-f", metavar="FORMAT", help="text, svg, mermaid, dot or openlineage."),
    ] = "text",
    files: Annotated[bool, Option("--files/--no-files", help="With input files.")] = True,
    json: Json = False,
) -> None:
    """Draw what was made from what.

    With `--format openlineage`, a run event a version for tools that read them, a line each; columns
    are told where they come from as far as content or code tells.

    \b
    Example:
      linea graph model
      linea graph --format svg > lineage.svg
      linea graph --format mermaid model
      linea graph --format openlineage > events.jsonl
    """
    screen = render.screen()
    if format not in FORMATS:
        raise LineaError(f"there is no format {format!r}", hint=", ".join(FORMATS))
    with project() as here:
        repository = here.repository
        starts = [revision(repository, name) for name in names or ()] or graphs.tips(repository)
        found = graphs.lineage(repository, starts, files=files)
        if format == "openlineage":
            screen.stream.write(openlineage(repository, found, here.root.name))
            return
    if json:
        render.print_json(records.of_graph(found))
    elif format == "text":
        screen.lines(_graph_lines(screen, found))
    else:
        screen.stream.write(PICTURES[format](found))


def _graph_lines(screen: Screen, found: graphs.Graph) -> Iterator[str]:
    moment = now()
    for row in drawing.draw(found, drawing.UNICODE if screen.unicode else drawing.ASCII):
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
