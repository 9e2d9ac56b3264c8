"""`linea log`: what happened to a result, and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import (
    Project,
    complete_revisions,
    find_store,
    now,
    project,
    revision,
)
from linea.history import graph as graphs
from linea.history.changes import changes
from linea.history.diff_code import diff_code
from linea.history.log import LogEntry, previous_of
from linea.history.log import log as read_log
from linea.history.revision import parse_time
from linea.model import Version

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def log(
    name: Annotated[
        str | None,
        Argument(
            metavar="REV",
            help="An artifact, a version to start from, or a file; all artifacts by default.",
            autocompletion=complete_revisions,
        ),
    ] = None,
    number: Annotated[
        int | None,
        Option(
            "-n", metavar="N", min=0, help="At most N versions; 0 for all. A screenful by default."
        ),
    ] = None,
    oneline: Annotated[bool, Option("--oneline", help="Only commit, version and reason.")] = False,
    graph: Annotated[bool, Option("--graph", help="Draw the lineage across artifacts.")] = False,
    patch: Annotated[bool, Option("-p", "--patch", help="Show how the code changed.")] = False,
    stat: Annotated[bool, Option("--stat", help="Show lines, size and time.")] = False,
    since: Annotated[str | None, Option("--since", metavar="DATE", help="Only later ones.")] = None,
    until: Annotated[
        str | None, Option("--until", metavar="DATE", help="Only earlier ones.")
    ] = None,
    author: Annotated[
        str | None, Option("--author", metavar="NAME", help="Only by this person.")
    ] = None,
    debug: Annotated[
        bool, Option("--debug", help="Show what failed inside linea instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what happened to a result, and why.

    One line a version, newest first: what changed in the code, the data, the artifacts it is made
    from or the packages, and after the arrow how the value moved.

    \b
    Example:
      linea log feature_table
      linea log -p -n 3 model
      linea log --graph
      linea log --since "2 weeks ago"
    """
    if debug:
        _log_faults()
        return
    screen, moment = render.screen(), now()
    with project() as here:
        start = revision(here.repository, name) if name is not None else None
        limit = _limit(number, screen, patch or stat or json)
        if graph:
            _log_graph(here, screen, start, limit, json)
            return
        found = read_log(
            here.repository,
            start.name if start else None,
            limit=None if limit is None else limit + 1,
            since=_moment(since, moment),
            until=_moment(until, moment),
            author=author,
            start=start,
        )
        entries = list(found)
        more = limit is not None and len(entries) > limit
        entries = entries[:limit]
        if json:
            render.print_json([records.of_entry(entry) for entry in entries])
            return
        if not entries:
            render.say("No version fits." if start or here.repository.names() else "No versions.")
            return
        lines = _log_lines(here, screen, entries, moment, start is None, oneline, patch, stat)
        screen.lines(lines)
    if more and number is None:
        render.say("… older ones: -n 0")
    render.suggest(f"linea show {words.quoted(entries[0].version.revision)}")


def _limit(number: int | None, screen: Screen, all_by_default: bool) -> int | None:
    """Return how many versions to show: a screenful where a person reads."""
    if number is not None:
        return number or None
    return max(screen.height - 4, 5) if screen.terminal and not all_by_default else None


def _moment(text: str | None, moment: datetime) -> datetime | None:
    if text is None:
        return None
    found = parse_time(text, moment)
    return found if found.tzinfo else found.replace(tzinfo=moment.tzinfo)


def _log_lines(
    here: Project,
    screen: Screen,
    entries: Sequence[LogEntry],
    moment: datetime,
    named: bool,
    oneline: bool,
    patch: bool,
    stat: bool,
) -> Iterator[str]:
    several = len({entry.version.author for entry in entries}) > 1
    rows = [_log_row(entry, moment, named, several and not oneline, oneline) for entry in entries]
    for text, entry in zip(render.table(screen, rows, flexible=-2), entries, strict=True):
        yield text
        if entry.version.message and not oneline:
            yield "    " + screen.style(render.clean(entry.version.message), "cyan")
        if stat:
            yield "    " + _stat(entry)
        if patch:
            before = previous_of(here.repository, entry.version)
            yield from _patch(here, screen, before, entry.version)


def _log_row(
    entry: LogEntry, moment: datetime, named: bool, author: bool, oneline: bool
) -> list[Cell]:
    version = entry.version
    mark, color = words.VERDICT_MARKS.get(
        entry.verdict.outcome if entry.verdict else "", ("", "dim")
    )
    label = version.revision if named else f"v{version.number}"
    row = [Cell(render.clean(label), ("yellow",)), Cell(version.commit[:7], ("dim",))]
    if not oneline:
        row.append(Cell(render.age(version.created, moment), ("dim",)))
    if author:
        row.append(Cell(render.person(version.author, words.AUTHOR), ("blue",)))
    tags = words.tag_text(entry.tags)
    why = render.clean(words.reasons(entry.changes))
    row.append(Cell(why, tail=words.effect(why)))
    row.append(Cell(" ".join(filter(None, (tags, mark))), (color if mark else "magenta",)))
    return row


def _stat(entry: LogEntry) -> str:
    version = entry.version
    stored = sum(part.size for part in version.value.parts)
    facts = [
        f"+{entry.added} −{entry.removed} lines" if entry.added or entry.removed else "",
        words.summary(version),
        render.size(stored),
        f"took {render.duration(version.seconds)}" if version.seconds else "",
        render.person(version.author),
    ]
    return " · ".join(filter(None, facts))


def _patch(here: Project, screen: Screen, before: Version | None, after: Version) -> Iterator[str]:
    from linea.cli.value_diff import code_lines

    old = here.repository.code(before) if before else ""
    difference = diff_code(old, here.repository.code(after))
    if difference:
        yield from (f"    {line}" for line in code_lines(screen, difference))
        yield ""


def _log_faults() -> None:
    """Print what the store keeps of faults of linea's own."""
    from linea.watching import FAULTS

    path = find_store(Path.cwd(), os.environ.get("LINEA_DIR")) / FAULTS
    if path.exists():
        sys.stdout.write(path.read_text(encoding="utf-8"))
    else:
        render.say("Nothing failed inside linea.")


def _log_graph(
    here: Project, screen: Screen, start: Version | None, limit: int | None, json: bool
) -> None:
    tips = [start] if start else graphs.tips(here.repository)
    found = graphs.lineage(here.repository, tips, files=False, previous=True)
    if json:
        render.print_json(records.of_graph(found))
        return
    moment = now()
    pen = graphs.UNICODE if screen.unicode else graphs.ASCII
    shown = 0
    for row in graphs.draw(found, pen):
        version = row.node.version if row.node else None
        if version is None:
            screen.line(screen.style(row.lanes, "cyan"))
            continue
        if limit is not None and shown == limit:
            render.say("… older ones: -n 0")
            break
        shown += 1
        head = f"{row.lanes}  "
        why = words.reasons(
            changes(here.repository, previous_of(here.repository, version), version)
        )
        label = render.clean(version.revision)
        old = render.age(version.created, moment)
        room = screen.width - render.width_of(head + label + old) - 4
        screen.line(
            screen.style(head, "cyan")
            + screen.style(label, "yellow")
            + "  "
            + screen.style(old, "dim")
            + "  "
            + render.fit_around(render.clean(why), max(room, 10), words.effect(why))
        )
