"""Commands that compare: two versions, or a version's lines and columns with all before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell, Screen
from linea.cli.surroundings import complete_revisions, now, project, revision
from linea.errors import LineaError, NoSuchVersionError
from linea.history import diff_value
from linea.history.blame import blame as read_blame
from linea.history.blame import blame_columns
from linea.history.changes import Change
from linea.history.diff import Diff
from linea.history.diff import diff as compare
from linea.history.diff_code import CodeDiff
from linea.history.diff_plain import PathChange
from linea.history.diff_table import TableDiff
from linea.history.log import previous_of
from linea.history.revision import completed
from linea.model import Version

if TYPE_CHECKING:
    from linea.store.repository import Repository

AUTHOR = 16
"""Columns that a name gets in a table."""

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def blame(
    rev: Annotated[
        str,
        Argument(
            metavar="REV", help="A revision, or a file on disk.", autocompletion=complete_revisions
        ),
    ],
    columns: Annotated[
        bool, Option("--columns", help="For each column of a table instead of each line.")
    ] = False,
    json: Json = False,
) -> None:
    """Show which version brought each line or column.

    A line that only moved, or was only formatted anew, keeps its origin. A file on disk is found
    by its content, renamed or not.

    \b
    Example:
      linea blame model
      linea blame --columns feature_table@v3
      linea blame results/model.pkl
    """
    screen, moment = render.screen(), now()
    with project() as here:
        version = revision(here.repository, rev)
        if columns:
            if not version.value.columns:
                raise LineaError(f"{version.revision} is a {version.value.kind}, without columns")
            origins = blame_columns(here.repository, version)
            if json:
                render.print_json([records.of_column(origin) for origin in origins])
                return
            rows = [
                [
                    Cell(f"v{origin.version.number}", ("yellow",)),
                    Cell(render.person(origin.version.author, AUTHOR), ("blue",)),
                    Cell(render.age(origin.version.created, moment), ("dim",)),
                    Cell(render.clean(origin.column.name), ("bold",)),
                    Cell(origin.column.type, ("dim",)),
                    Cell(render.clean(str(origin.place or ""))),
                ]
                for origin in origins
            ]
            screen.lines(render.table(screen, rows, flexible=3))
            return
        lines = read_blame(here.repository, version)
    if json:
        render.print_json([records.of_line(line) for line in lines])
        return
    if rev != version.name and "@" not in rev:
        render.say(f"{rev} is {version.revision}")
    rows = [
        [
            Cell(f"v{line.version.number}", ("yellow",)),
            Cell(render.person(line.author, AUTHOR), ("blue",)),
            Cell(render.age(line.created, moment), ("dim",)),
            Cell(render.clean(str(line.place or "")), ("dim",)),
            Cell(str(line.number), ("dim",), right=True),
            Cell(render.clean(line.text)),
        ]
        for line in lines
    ]
    screen.lines(render.table(screen, rows))


def diff(
    a: Annotated[str, Argument(metavar="A", help="A revision.", autocompletion=complete_revisions)],
    b: Annotated[
        str | None,
        Argument(
            metavar="B",
            help="Another one; the latest by default, or where A is that, the one before.",
            autocompletion=complete_revisions,
        ),
    ] = None,
    code: Annotated[bool, Option("--code", help="Only the code.")] = False,
    value: Annotated[bool, Option("--value", help="Only the value.")] = False,
    stat: Annotated[bool, Option("--stat", help="Only a summary; no value is read.")] = False,
    key: Annotated[
        str, Option("--key", metavar="COLUMNS", help="Columns that tell rows apart: a,b.")
    ] = "",
    limit: Annotated[
        int, Option("--limit", metavar="N", min=0, help="How many cells and rows to show.")
    ] = 10,
    trust: Annotated[
        bool, Option("--trust", help="Read pickled values too, which runs their code.")
    ] = False,
    json: Json = False,
) -> int:
    """Show what differs between two versions.

    Code is compared by statement: what only moved or was formatted anew is no difference. Tables
    are compared by rows and cells, and only columns that differ are read. Exits with 1 where
    something differs.

    \b
    Example:
      linea diff feature_table@v1 feature_table@v2
      linea diff model
      linea diff --value --key id feature_table@v1 feature_table
    """
    screen = render.screen()
    with project() as here:
        before, after = _pair(here.repository, a, b)
        keys = tuple(name.strip() for name in key.split(",") if name.strip())
        found = compare(
            here.repository,
            before,
            after,
            key=keys,
            limit=limit,
            load=not stat and not code,
            trusted=trust,
        )
    if json:
        render.print_json(records.of_diff(found))
    else:
        screen.lines(_diff_lines(screen, found, code=code, value=value, stat=stat, limit=limit))
    differs = bool(found)
    if code or value:
        valued = not isinstance(found.value, diff_value.Same)
        differs = (code and bool(found.code)) or (value and valued)
    return int(differs)


def _pair(repository: Repository, a: str, b: str | None) -> tuple[Version, Version]:
    """Return the versions that are meant; a latest version alone is held against its previous."""
    first = revision(repository, a)
    if b is not None:
        return first, revision(repository, completed(b, first.name))
    latest = repository.tip(first.name)
    if first.commit != latest.commit:
        return first, latest
    previous = previous_of(repository, first)
    if previous is None:
        raise NoSuchVersionError(
            f"{first.revision} is the only version; there is nothing to compare it with",
            hint=f"linea show {first.name}",
        )
    return previous, first


def _diff_lines(
    screen: Screen, found: Diff, *, code: bool, value: bool, stat: bool, limit: int
) -> Iterator[str]:
    everything = not code and not value
    names = found.before.revision, found.after.revision
    yield screen.style(render.clean(f"{names[0]} → {names[1]}"), "bold")
    if not found:
        yield "nothing differs"
        return
    if everything:
        for title, group in (
            ("data", found.inputs),
            ("from", found.parents),
            ("env", found.environment),
        ):
            yield from _change_lines(screen, title, group)
    if everything or code:
        yield from _section(screen, "code", _code_summary(found.code))
        if not stat:
            yield from code_lines(screen, found.code)
    if everything or value:
        yield from value_lines(screen, found.value, stat=stat, limit=limit)


def _section(screen: Screen, title: str, text: str) -> Iterator[str]:
    yield f"{screen.style(f'{title:<6}', 'cyan')} {render.clean(text)}"


def _change_lines(screen: Screen, title: str, group: Sequence[Change]) -> Iterator[str]:
    for change in group[:6]:
        yield from _section(screen, title, change.text)
    if len(group) > 6:
        yield f"       … {len(group) - 6} more"


def _code_summary(code: CodeDiff) -> str:
    moved = f", {render.plural(code.moved, 'statement')} moved or reformatted" if code.moved else ""
    if not code:
        return "same" + moved
    return f"+{code.added} −{code.removed} lines" + moved


def code_lines(screen: Screen, code: CodeDiff) -> Iterator[str]:
    """Yield a unified diff, with the line numbers of both sides in its heads."""
    for hunk in code.hunks():
        old = next((line.old for line in hunk if line.old), 0)
        new = next((line.new for line in hunk if line.new), 0)
        yield screen.style(f"@@ −{old} +{new} @@", "cyan")
        for line in hunk:
            color = {"+": "green", "-": "red"}.get(line.mark)
            text = f"{line.mark}{render.clean(line.text)}".rstrip()
            yield screen.style(text, color) if color else text


def value_lines(
    screen: Screen, value: diff_value.ValueDiff, *, stat: bool = False, limit: int = 10
) -> Iterator[str]:
    """Yield what differs between two values, the summary first."""
    if isinstance(value, diff_value.Same):
        yield from _section(screen, "value", "same")
    elif isinstance(value, TableDiff):
        yield from _table_lines(screen, value, stat, limit)
    elif isinstance(value, diff_value.ArrayDiff):
        yield from _array_lines(screen, value)
    elif isinstance(value, diff_value.ModelDiff):
        yield from _model_lines(screen, value)
    elif isinstance(value, diff_value.DataDiff):
        count = len(value.changes) + value.more
        yield from _section(screen, "value", f"{render.plural(count, 'place')} changed")
        yield from _path_lines(screen, value.changes)
        if value.more:
            yield f"  … {value.more} more: --limit {count}"
    elif isinstance(value, diff_value.TextDiff):
        yield from _section(screen, "value", f"+{value.lines.added} −{value.lines.removed} lines")
        yield from code_lines(screen, value.lines)
    else:
        note = f" ({value.note})" if value.note else ""
        yield from _section(screen, "value", f"{value.before} → {value.after}{note}")


def _table_lines(screen: Screen, table: TableDiff, stat: bool, limit: int) -> Iterator[str]:
    yield from _section(screen, "value", _table_summary(table))
    for column in table.added_columns:
        yield screen.style(f"  + {render.clean(column.name)}  {column.type}", "green")
    for column in table.removed_columns:
        yield screen.style(f"  − {render.clean(column.name)}  {column.type}", "red")
    for old, new in table.renamed:
        yield f"  {render.clean(old)} → {render.clean(new)}  renamed"
    for retyped in table.retyped:
        yield f"  {render.clean(retyped.name)}  {retyped.before} → {retyped.after}"
    if table.reordered:
        yield "  the columns stand in another order"
    if stat:
        return
    rows = [
        [
            Cell(f"  {render.clean(column.name)}", ("bold",)),
            Cell("" if column.cells is None else render.plural(column.cells, "cell"), right=True),
            Cell(_shift(column.before, column.after)),
        ]
        for column in table.changed[:20]
    ]
    yield from render.table(screen, rows)
    if len(table.changed) > 20:
        yield f"  … {len(table.changed) - 20} more columns"
    yield from _cell_lines(screen, table, limit)
    for mark, color, some, count in (
        ("−", "red", table.removed_rows, table.rows_removed),
        ("+", "green", table.added_rows, table.rows_added),
    ):
        for row in some[:limit]:
            text = ", ".join(f"{name}={_brief(each)}" for name, each in row.items())
            yield screen.style(render.fit(f"  {mark} {render.clean(text)}", screen.width), color)
        if count > len(some) and some:
            yield f"  {mark} … {count - len(some):,} more rows"


def _table_summary(table: TableDiff) -> str:
    before, after = table.rows
    count = f"{before:,} → {after:,} rows" if before != after else render.plural(after, "row")
    parts = [count]
    moved = [
        f"+{table.rows_added:,}" if table.rows_added else "",
        f"−{table.rows_removed:,}" if table.rows_removed else "",
        f"{table.rows_changed:,} changed" if table.rows_changed else "",
    ]
    if any(moved):
        by = f" by {', '.join(table.key)}" if table.key else f" by {table.matched_by}"
        parts.append(", ".join(filter(None, moved)) + by)
    if table.unchanged:
        parts.append(f"{render.plural(len(table.unchanged), 'column')} equal")
    return "; ".join(parts)


def _shift(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Say which facts about a column moved, from what to what."""
    moved = []
    for fact in ("mean", "std", "min", "max", "true", "distinct", "nulls"):
        was, now_ = before.get(fact), after.get(fact)
        if was != now_:
            moved.append(f"{fact} {_brief(was)} → {_brief(now_)}")
    return ", ".join(moved)


def _cell_lines(screen: Screen, table: TableDiff, limit: int) -> Iterator[str]:
    rows = []
    for cell in table.cells[:limit]:
        row = ", ".join(f"{name}={_brief(each)}" for name, each in cell.row.items())
        rows.append(
            [
                Cell(f"    {render.clean(row)}", ("dim",)),
                Cell(render.clean(cell.column)),
                Cell(render.clean(_brief(cell.before)), ("red",), right=True),
                Cell("→"),
                Cell(render.clean(_brief(cell.after)), ("green",)),
            ]
        )
    yield from render.table(screen, rows)
    total = sum(column.cells or 0 for column in table.changed)
    if total > len(rows) and rows:
        yield f"    … {total - len(rows):,} more cells: --limit {total}"


def _array_lines(screen: Screen, array: diff_value.ArrayDiff) -> Iterator[str]:
    shapes = [" × ".join(map(str, shape)) or "scalar" for shape in array.shape]
    parts = [shapes[0] if shapes[0] == shapes[1] else f"{shapes[0]} → {shapes[1]}"]
    if array.dtype[0] != array.dtype[1]:
        parts.append(f"{array.dtype[0]} → {array.dtype[1]}")
    parts.append(f"{array.differing:,} of {array.compared:,} elements differ")
    if array.largest is not None:
        parts.append(f"by up to {array.largest:.4g}, {array.mean:.4g} on average")
    yield from _section(screen, "value", "; ".join(parts))
    yield from _path_lines(screen, array.where)


def _model_lines(screen: Screen, model: diff_value.ModelDiff) -> Iterator[str]:
    names = [type_.rpartition(".")[2] for type_ in model.type]
    kind = names[0] if names[0] == names[1] else f"{names[0]} → {names[1]}"
    count = len(model.params)
    changed = f"{render.plural(count, 'parameter')} changed" if count else "same parameters"
    yield from _section(screen, "value", f"{kind}; {changed}")
    yield from _path_lines(screen, model.params)
    if model.fitted is None:
        yield "  what it learnt is pickled: --trust reads it"
    elif model.fitted:
        yield "  learnt:"
        yield from _path_lines(screen, model.fitted)


def _path_lines(screen: Screen, found: Sequence[PathChange]) -> list[str]:
    rows = [
        [
            Cell(f"  {render.clean(change.path)}"),
            Cell(render.clean(change.before or "absent"), ("red",)),
            Cell("→"),
            Cell(render.clean(change.after or "absent"), ("green",)),
        ]
        for change in found
    ]
    return render.table(screen, rows)


def _brief(value: Any) -> str:
    """Say a cell in a few characters."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return render.fit(value, 30)
    return render.fit(str(value), 30)
