"""Commands that look: what there is, what happened to it, where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import (
    Project,
    complete_names,
    complete_revisions,
    now,
    project,
    revision,
)
from linea.errors import LineaError
from linea.history import graph as graphs
from linea.history.changes import Change, changes
from linea.history.diff_code import diff_code
from linea.history.log import LogEntry, previous_of
from linea.history.log import log as read_log
from linea.history.revision import parse_time
from linea.model import Verdict, Version

AUTHOR = 16
"""Columns that a name gets in a table."""

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Revision = Annotated[
    str,
    Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions),
]

ARROW = " ⇒ "

KIND_WORDS = {
    "code": "code",
    "data": "data",
    "upstream": "from",
    "environment": "env",
    "chance": "chance",
    "first": "new",
}
VERDICT_MARKS = {
    "identical": ("✓", "green"),
    "equal": ("≈", "green"),
    "different": ("✗", "red"),
    "failed": ("✗", "red"),
    "impossible": ("?", "yellow"),
}


def ls(
    names: Annotated[
        list[str] | None,
        Argument(metavar="NAME", help="Only these.", autocompletion=complete_names),
    ] = None,
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
        wanted = [revision(repository, name).name for name in names or ()] or repository.names()
        tips = [repository.tip(name) for name in wanted]
        tags = {tip.name: repository.tags(tip.name) for tip in tips}
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
            Cell(_summary(tip)),
            Cell(_tag_text(sorted(tags[tip.name])), ("magenta",)),
        ]
        for tip in tips
    ]
    screen.lines(render.table(screen, rows, flexible=4))
    render.suggest(f"linea log {_quoted(tips[0].name)}")


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
    render.suggest(f"linea show {_quoted(entries[0].version.revision)}")


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
    mark, color = VERDICT_MARKS.get(entry.verdict.outcome if entry.verdict else "", ("", "dim"))
    label = version.revision if named else f"v{version.number}"
    row = [Cell(render.clean(label), ("yellow",)), Cell(version.commit[:7], ("dim",))]
    if not oneline:
        row.append(Cell(render.age(version.created, moment), ("dim",)))
    if author:
        row.append(Cell(render.person(version.author, AUTHOR), ("blue",)))
    tags = _tag_text(entry.tags)
    why = render.clean(reasons(entry.changes))
    row.append(Cell(why, tail=_effect(why)))
    row.append(Cell(" ".join(filter(None, (tags, mark))), (color if mark else "magenta",)))
    return row


def reasons(found: Sequence[Change]) -> str:
    """Say why a version differs, and after the arrow how."""
    causes: dict[str, list[Change]] = {}
    for change in found:
        if change.kind not in ("value", "same"):
            causes.setdefault(change.kind, []).append(change)
    why = " · ".join(
        f"{KIND_WORDS.get(kind, kind)} {_first_and_more(group)}"
        if kind != "first"
        else group[0].text
        for kind, group in causes.items()
    )
    effects = [change.text for change in found if change.kind in ("value", "same")]
    how = ", ".join(effects[:3]) + (f" and {len(effects) - 3} more" if len(effects) > 3 else "")
    return ARROW.join(filter(None, (why, how)))


def _effect(why: str) -> str:
    """Return the end of a reason that says how the value moved."""
    _, arrow, how = why.rpartition(ARROW)
    return arrow + how if arrow else ""


def _first_and_more(group: Sequence[Change]) -> str:
    first = group[0]
    place = f"{first.what} " if first.kind == "code" and first.what else ""
    more = f" (+{len(group) - 1} more)" if len(group) > 1 else ""
    return f"{place}{first.text}{more}"


def _stat(entry: LogEntry) -> str:
    version = entry.version
    stored = sum(part.size for part in version.value.parts)
    facts = [
        f"+{entry.added} −{entry.removed} lines" if entry.added or entry.removed else "",
        _summary(version),
        render.size(stored),
        f"took {render.duration(version.seconds)}" if version.seconds else "",
        render.person(version.author),
    ]
    return " · ".join(filter(None, facts))


def _patch(here: Project, screen: Screen, before: Version | None, after: Version) -> Iterator[str]:
    from linea.cli.compare import code_lines

    old = here.repository.code(before) if before else ""
    difference = diff_code(old, here.repository.code(after))
    if difference:
        yield from (f"    {line}" for line in code_lines(screen, difference))
        yield ""


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
            + render.fit_around(render.clean(why), max(room, 10), _effect(why))
        )


def show(
    rev: Revision,
    code: Annotated[bool, Option("--code", help="Print only the slice.")] = False,
    session: Annotated[bool, Option("--session", help="Print only the session's source.")] = False,
    value: Annotated[bool, Option("--value", help="Print only the value.")] = False,
    json: Json = False,
) -> None:
    """Show one version: value, code, where it came from.

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
            render.print_json(_show_json(here, version))
        elif code:
            screen.stream.write(_ended(here.repository.code(version)))
        elif session:
            screen.stream.write(_ended(here.repository.session(version)))
        elif value:
            screen.lines(_value_lines(here, version))
        else:
            screen.lines(_show_lines(here, screen, version))
            other = f"{version.name}@v{version.number - 1}"
            command = f"linea diff {_quoted(other)} {_quoted(version.revision)}"
            render.suggest(command if version.previous else f"linea blame {_quoted(version.name)}")


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


def _show_lines(here: Project, screen: Screen, version: Version) -> Iterator[str]:
    repository, moment = here.repository, now()
    tags = [tag for tag, n in repository.tags(version.name).items() if n == version.number]
    head = screen.style(render.clean(version.revision), "bold", "yellow")
    yield "  ".join(
        filter(None, (head, _summary(version), screen.style(_tag_text(tags), "magenta")))
    )
    if version.message:
        yield "  " + screen.style(render.clean(version.message), "cyan")
    for word, text in _facts(here, version, moment):
        yield f"  {screen.style(f'{word:<9}', 'dim')}{render.clean(text)}"
    if version.value.columns:
        yield ""
        yield from _column_lines(screen, version)
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
            f"      … {len(code) - 15} more: linea show --code {_quoted(version.revision)}", "dim"
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
        yield "by chance", "; ".join(version.unreproducible)
    verdict = repository.verdict(version)
    yield "verified", _verdict_text(verdict, moment)
    stored = sum(part.size for part in version.value.parts)
    yield "digest", f"{version.digest}  {render.size(stored)}"
    yield "commit", version.commit


def _verdict_text(verdict: Verdict | None, moment: datetime) -> str:
    if verdict is None:
        return "not yet"
    detail = f": {verdict.detail.splitlines()[0]}" if verdict.detail else ""
    return f"{verdict.outcome} {render.age(verdict.when, moment)}{detail}"


def _column_lines(screen: Screen, version: Version) -> list[str]:
    rows = [
        [
            Cell("  " + render.clean(column.name)),
            Cell(column.type, ("dim",)),
            Cell(render.plural(column.nulls, "null") if column.nulls else "", ("dim",)),
        ]
        for column in version.value.columns[:12]
    ]
    lines = render.table(screen, rows, flexible=0)
    more = len(version.value.columns) - 12
    return [*lines, f"  … {render.plural(more, 'more column')}"] if more > 0 else lines


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
    return _preview_lines(here, version) or [_summary(version)]


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
            about = f"{render.age(version.created, moment)}  {_summary(version)}"
            label = screen.style(label, "yellow")
        yield f"{screen.style(row.lanes, 'cyan')}  {label}  {screen.style(about, 'dim')}".rstrip()


def _summary(version: Version) -> str:
    return render.clean(str(version.value.summary.get("text") or version.value.type))


def _tag_text(tags: Sequence[str]) -> str:
    return " ".join(f"[{render.clean(tag)}]" for tag in sorted(tags))


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
