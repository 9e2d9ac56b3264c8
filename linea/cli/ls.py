"""`linea ls`: the artifacts."""

from __future__ import annotations

from typing import Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell
from linea.cli.surroundings import (
    complete_names,
    now,
    project,
    revision,
)
from linea.model import is_inner

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def ls(
    names: Annotated[
        list[str] | None,
        Argument(metavar="NAME", help="Only these.", autocompletion=complete_names),
    ] = None,
    everything: Annotated[
        bool, Option("--all", help="Also pipelines and values that only their tasks use.")
    ] = False,
    json: Json = False,
) -> None:
    """List the artifacts.

    \b
    Example:
      linea ls
      linea ls feature_table model
    """
    with project() as here:
        repository = here.repository
        wanted = [revision(repository, name).name for name in names or ()]
        tips = [repository.tip(name) for name in wanted] or [
            tip for tip in repository.tips() if everything or not is_inner(tip.name)
        ]
        tagged = repository.all_tags()
        tags = {tip.name: tagged.get(tip.name, {}) for tip in tips}
    if json:
        render.print_json([records.of_version(tip) | {"tags": tags[tip.name]} for tip in tips])
        return
    if not tips:
        render.say("Nothing is saved yet.")
        render.say('Save a value with linea.save(value, "name"), or see: linea demo')
        return
    screen, moment = render.screen(), now()
    rows = [
        [
            Cell(render.clean(tip.name), ("bold",)),
            Cell(f"v{tip.number}", ("yellow",), right=True),
            Cell(render.age(tip.created, moment), ("dim",)),
            Cell(tip.value.kind),
            Cell(words.summary(tip)),
            Cell(words.tag_text(sorted(tags[tip.name])), ("magenta",)),
        ]
        for tip in tips
    ]
    screen.lines(render.table(screen, rows, flexible=4))
    render.suggest(f"linea log {words.quoted(tips[0].name)}")
