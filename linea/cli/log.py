"""`linea log`: what happened to a result, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import (
    Project,
    complete_revisions,
    now,
    project,
    revision,
    shown_path,
    store_here,
    without_collecting,
)
from linea.history.changes import changes
from linea.history.log import LogEntry, previous_of
from linea.history.log import log as read_log
from linea.history.revision import parse_time, shortlist
from linea.history.wording import reasons
from linea.model import CommitId, Version, is_inner

if TYPE_CHECKING:
    from linea.history.files import Made

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
    everything: Annotated[
        bool, Option("--all", help="Also pipelines and values that only their tasks use.")
    ] = False,
    debug: Annotated[
        bool, Option("--debug", help="Show what failed inside linea instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what happened to a result, and why.

    One line a version, newest first: what changed in the code, the data, the artifacts it is made
    from or the packages, and after the arrow how the value moved. For a file that results were
    made from, all that was made from it.

    \b
    Example:
      linea log feature_table
      linea log -p -n 3 model
      linea log --graph
      linea log --since "2 weeks ago"
      linea log data/raw.csv
    """
    if debug:
        _log_faults()
        return
    screen, moment = render.screen(), now()
    with project() as here, without_collecting():
        made = _made(here, name) if name is not None else []
        start = revision(here.repository, name) if name is not None and not made else None
        if start is not None and name is not None and not name.startswith(start.name):
            render.say(f"{name} is {start.revision}")
        limit = _limit(number, screen, patch or stat or json)
        if graph:
            _log_graph(here, screen, start, limit, json, everything)
            return
        found = read_log(
            here.repository,
            start.name if start else None,
            limit=None if limit is None else limit + 1,
            since=_moment(since, moment),
            until=_moment(until, moment),
            author=author,
            start=start,
            only={each.commit for each in made} if made else None,
            inner=everything or bool(made),
        )
        entries = list(found)
        more = limit is not None and len(entries) > limit
        entries = entries[:limit]
        by_commit = {each.commit: each for each in made}
        if json:
            render.print_json(
                [
                    records.of_entry(entry)
                    | (records.of_made(by_commit[entry.commit]) if made else {})
                    for entry in entries
                ]
            )
            return
        if not entries:
            render.say("No version fits." if start or here.repository.names() else "No versions.")
            return
        if made and name is not None:
            screen.lines(_made_lines(here, screen, name, made))
        lines = _log_lines(
            here, screen, entries, moment, start is None, oneline, patch, stat, by_commit
        )
        screen.lines(lines)
    if more and number is None:
        render.say("… older ones: -n 0")
    render.suggest(f"linea show {words.quoted(entries[0].revision)}")


def _made(here: Project, name: str) -> list[Made]:
    """Return what was made from the file of this name; nothing for an artifact or another file."""
    repository, path = here.repository, Path(name)
    if name in repository.names():
        return []
    from linea import values
    from linea.history.files import made_from

    digest = values.digest_file(path) if path.is_file() else None
    return made_from(repository, shown_path(path, here.root), digest)


def _made_lines(here: Project, screen: Screen, name: str, made: Sequence[Made]) -> Iterator[str]:
    """Say how often a file was read, and which versions read it as it is now."""
    from linea import values
    from linea.history.files import contents

    path = Path(name)
    count = sum(each.file is not None for each in made)
    text = f"{render.plural(count, 'version')} read it"
    if count < len(made):
        text += f", {len(made) - count} more rest on these"
    versions = len(contents(made))
    text += f"; {versions} contents" if versions > 1 else ""
    yield f"{screen.style(render.clean(name), 'bold')}  {text}"
    if not path.exists():
        yield screen.style("it is gone", "dim")
        return
    now = values.digest_file(path)
    fresh = [each.revision for each in made if each.file and each.file.digest == now]
    by = shortlist(fresh, 3)
    yield screen.style(f"as it is now, read by {by}" if fresh else "as it is now, not read", "dim")


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
    made: Mapping[CommitId, Made],
) -> Iterator[str]:
    several = len({entry.author for entry in entries}) > 1
    rows = [_log_row(entry, moment, named, several and not oneline, oneline) for entry in entries]
    for row, entry in zip(rows, entries, strict=True):
        if made:
            via = made[entry.commit].via
            row.insert(1, Cell(f"via {via}" if via else "read it", ("dim",)))
    for text, entry in zip(render.table(screen, rows, flexible=-1), entries, strict=True):
        yield text
        if entry.message and not oneline:
            yield "    " + screen.style(render.clean(entry.message), "cyan")
        if stat:
            yield "    " + _stat(entry)
        if patch:
            before = previous_of(here.repository, entry.version)
            yield from _patch(here, screen, before, entry.version)


def _log_row(
    entry: LogEntry, moment: datetime, named: bool, author: bool, oneline: bool
) -> list[Cell]:
    mark, color = words.VERDICT_MARKS.get(
        entry.verdict.outcome if entry.verdict else "", ("", "dim")
    )
    label = f"{entry.name}@v{entry.number}" if named else f"v{entry.number}"
    row = [Cell(render.clean(label), ("yellow",)), Cell(entry.commit[:7], ("dim",))]
    if not oneline:
        row.append(Cell(render.age(entry.created, moment), ("dim",)))
    if author:
        row.append(Cell(render.person(entry.author, words.AUTHOR), ("blue",)))
    why = render.clean(entry.why)
    row.append(Cell(mark, (color,)))
    text = f"{words.tag_text(entry.tags)} {why}" if entry.tags else why
    row.append(Cell(text, tail=words.effect(why)))
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
    from linea.history.diff_code import diff_code

    old = here.repository.code(before) if before else ""
    difference = diff_code(old, here.repository.code(after))
    if difference:
        yield from (f"    {line}" for line in code_lines(screen, difference))
        yield ""


def _log_faults() -> None:
    """Print what the store keeps of faults of linea's own."""
    from linea.watching import FAULTS

    path = store_here() / FAULTS
    if path.exists():
        sys.stdout.write(path.read_text(encoding="utf-8"))
    else:
        render.say("Nothing failed inside linea.")


def _log_graph(
    here: Project,
    screen: Screen,
    start: Version | None,
    limit: int | None,
    json: bool,
    everything: bool,
) -> None:
    from linea.history import drawing
    from linea.history import graph as graphs

    all_tips = graphs.tips(here.repository)
    tips = [start] if start else [t for t in all_tips if everything or not is_inner(t.name)]
    found = graphs.lineage(here.repository, tips, files=False, previous=True)
    if json:
        render.print_json(records.of_graph(found))
        return
    moment = now()
    pen = drawing.UNICODE if screen.unicode else drawing.ASCII
    shown = 0
    for row in drawing.draw(found, pen):
        version = row.node.version if row.node else None
        if version is None:
            screen.line(screen.style(row.lanes, "cyan"))
            continue
        if limit is not None and shown == limit:
            render.say("… older ones: -n 0")
            break
        shown += 1
        head = f"{row.lanes}  "
        why = reasons(changes(here.repository, previous_of(here.repository, version), version))
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
