"""`linea show`: one version, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import (
    Project,
    complete_revisions,
    now,
    project,
    revision,
)
from linea.cli.value_diff import brief
from linea.errors import LineaError
from linea.history import graph as graphs
from linea.history.changes import changes
from linea.history.log import previous_of
from linea.history.wording import reasons
from linea.model import Version

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Revision = Annotated[
    str,
    Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions),
]


def show(
    rev: Revision,
    code: Annotated[bool, Option("--code", help="Print only the slice.")] = False,
    session: Annotated[bool, Option("--session", help="Print only the session's source.")] = False,
    value: Annotated[bool, Option("--value", help="Print only the value.")] = False,
    stats: Annotated[
        bool,
        Option("--stats", help="With mean, range and more of each column, which reads the table."),
    ] = False,
    json: Json = False,
) -> None:
    """Show one version: value, code, where it came from.

    Pictures are shown in terminals that can (kitty, iTerm2, WezTerm).

    \b
    Example:
      linea show feature_table
      linea show --code model@v2 > model.py
      linea show data/raw.csv
    """
    if code + session + value > 1:
        raise LineaError("--code, --session and --value exclude each other")
    screen = render.screen()
    with project() as here:
        version = revision(here.repository, rev)
        if json:
            facts = _statistics(here, version) if stats else {}
            render.print_json(_show_json(here, version) | ({"statistics": facts} if stats else {}))
        elif code:
            screen.stream.write(_ended(here.repository.code(version)))
        elif session:
            screen.stream.write(_ended(here.repository.session(version)))
        elif value:
            screen.lines(_value_lines(here, version))
        else:
            screen.lines(
                _show_lines(here, screen, version, _statistics(here, version) if stats else {})
            )
            other = f"{version.name}@v{version.number - 1}"
            command = f"linea diff {words.quoted(other)} {words.quoted(version.revision)}"
            render.suggest(
                command if version.previous else f"linea blame {words.quoted(version.name)}"
            )


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _show_json(here: Project, version: Version) -> dict[str, Any]:
    repository = here.repository
    before = previous_of(repository, version)
    return records.of_version_in_full(version) | {
        "code": repository.code(version),
        "changes": render.plain(changes(repository, before, version)),
        "children": [child.revision for child in graphs.children(repository, version)],
        "tags": [t for t, n in repository.tags(version.name).items() if n == version.number],
        "verdict": records.of_verdict(repository.verdict(version)),
    }


def _statistics(here: Project, version: Version) -> dict[str, dict[str, Any]]:
    from linea.history.diff import column_statistics

    if not version.value.columns:
        raise LineaError(f"{version.revision} is a {version.value.kind}, without columns")
    return column_statistics(here.repository, version)


def _show_lines(
    here: Project, screen: Screen, version: Version, facts: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    repository, moment = here.repository, now()
    tags = [tag for tag, n in repository.tags(version.name).items() if n == version.number]
    head = screen.style(render.clean(version.revision), "bold", "yellow")
    yield "  ".join(
        filter(None, (head, words.summary(version), screen.style(words.tag_text(tags), "magenta")))
    )
    if version.message:
        yield "  " + screen.style(render.clean(version.message), "cyan")
    for word, text in _facts(here, version, moment):
        yield f"  {screen.style(f'{word:<9}', 'dim')}{render.clean(text)}"
    if version.value.columns:
        yield ""
        yield from _column_lines(screen, version, facts)
    picture = _picture(here, screen, version)
    if picture:
        yield ""
        yield picture
    preview = _preview_lines(here, version)
    if preview:
        yield ""
        yield from (f"  {render.fit(line, screen.width - 2)}" for line in preview[:12])
    yield ""
    code = repository.code(version).splitlines()
    for number, line in enumerate(code[:15], start=1):
        text = render.fit(render.clean(line), screen.width - 6)
        yield f"{screen.style(f'{number:>4}', 'dim')}  {text}"
    if len(code) > 15:
        yield screen.style(
            f"      … {len(code) - 15} more: linea show --code {words.quoted(version.revision)}",
            "dim",
        )


def _facts(here: Project, version: Version, moment: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is worth knowing of a version, each with a word for it."""
    repository = here.repository
    when = f"{render.age(version.created, moment)} ({version.created:%Y-%m-%d %H:%M})"
    yield "saved", f"{when} by {render.person(version.author)}"
    before = previous_of(repository, version)
    if before is not None:
        yield "why", reasons(changes(repository, before, version))
    rests = [f"{parent.name}@v{parent.number}" for parent in version.parents]
    rests += [f"{file.path} ({render.size(file.size)})" for file in version.inputs]
    if rests:
        yield "from", ", ".join(rests)
    made = [child.revision for child in graphs.children(repository, version)]
    if made:
        yield "into", ", ".join(made)
    if version.source:
        took = f", took {render.duration(version.seconds)}" if version.seconds else ""
        yield "source", version.source + took
    if version.environment.python:
        packages = [f"{each.name} {each.version}" for each in version.environment.packages]
        more = f" and {len(packages) - 4} more" if len(packages) > 4 else ""
        yield "env", ", ".join([f"Python {version.environment.python}", *packages[:4]]) + more
    if version.conservative:
        yield "unsure", "; ".join(version.conservative)
    if version.unreproducible:
        yield "varies", "; ".join(version.unreproducible)
    verdict = repository.verdict(version)
    yield "verified", words.verdict_text(verdict, moment)
    stored = sum(part.size for part in version.value.parts)
    yield "digest", f"{version.digest}  {render.size(stored)}"
    yield "commit", version.commit


def _column_lines(
    screen: Screen, version: Version, facts: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    rows = [
        [
            Cell("  " + render.clean(column.name)),
            Cell(column.type, ("dim",)),
            Cell(render.plural(column.nulls, "null") if column.nulls else "", ("dim",)),
            Cell(
                ", ".join(
                    f"{name} {brief(fact)}"
                    for name, fact in facts.get(column.name, {}).items()
                    if name != "nulls"
                )
            ),
        ]
        for column in version.value.columns[:12]
    ]
    lines = render.table(screen, rows, flexible=0)
    more = len(version.value.columns) - 12
    return [*lines, f"  … {render.plural(more, 'more column')}"] if more > 0 else lines


def _picture(here: Project, screen: Screen, version: Version) -> str:
    """Return what draws the value's picture on this terminal; nothing where it can't."""
    preview = here.repository.preview(version)
    if preview is None or preview.mime != "image/png":
        return ""
    return render.inline_picture(screen, preview.data)


def _preview_lines(here: Project, version: Version) -> list[str]:
    preview = here.repository.preview(version)
    if preview is None or preview.mime != "text/plain":
        return []
    text = preview.data.decode("utf-8", "replace")
    return [render.clean(line) for line in text.splitlines()]


def _value_lines(here: Project, version: Version) -> list[str]:
    """Return the value as far as it can be shown without running anybody's code."""
    from linea import values

    if version.value.kind in ("data", "text"):
        found = values.decode(version.value, here.repository.read_part(version), trusted=False)
        if isinstance(found, str):
            return found.splitlines()
        return render.as_json(found).splitlines()
    return _preview_lines(here, version) or [words.summary(version)]
