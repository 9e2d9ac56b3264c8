"""What differs between two values to lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from linea.cli import render
from linea.cli.render import Cell, Screen
from linea.history import diff_value
from linea.history.diff_code import CodeDiff
from linea.history.diff_picture import PictureDiff
from linea.history.diff_plain import PathChange
from linea.history.diff_table import TableDiff

if TYPE_CHECKING:
    pass


def value_lines(
    screen: Screen, value: diff_value.ValueDiff, *, stat: bool = False, limit: int = 10
) -> Iterator[str]:
    """Yield what differs between two values, the summary first."""
    if isinstance(value, diff_value.Same):
        yield from section(screen, "value", "same")
    elif isinstance(value, TableDiff):
        yield from _table_lines(screen, value, stat, limit)
    elif isinstance(value, diff_value.ArrayDiff):
        yield from _array_lines(screen, value)
    elif isinstance(value, diff_value.ModelDiff):
        yield from _model_lines(screen, value)
    elif isinstance(value, diff_value.DataDiff):
        count = len(value.changes) + value.more
        yield from section(screen, "value", f"{render.plural(count, 'place')} changed")
        yield from _path_lines(screen, value.changes)
        if value.more:
            yield f"  … {value.more} more: --limit {count}"
    elif isinstance(value, diff_value.TextDiff):
        yield from section(screen, "value", f"+{value.lines.added} −{value.lines.removed} lines")
        yield from code_lines(screen, value.lines)
    elif isinstance(value, PictureDiff):
        yield from _picture_lines(screen, value)
    else:
        note = f" ({value.note})" if value.note else ""
        was, now = value.before, value.after
        if was.rpartition(" (")[0] == now.rpartition(" (")[0]:
            was, now = "another", now.rpartition(" (")[0]
            yield from section(screen, "value", f"{was} {now}{note}")
        else:
            yield from section(screen, "value", f"{was} → {now}{note}")


def _table_lines(screen: Screen, table: TableDiff, stat: bool, limit: int) -> Iterator[str]:
    yield from section(screen, "value", _table_summary(table))
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
            text = ", ".join(f"{name}={brief(each)}" for name, each in row.items())
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
            moved.append(f"{fact} {brief(was)} → {brief(now_)}")
    return ", ".join(moved)


def _cell_lines(screen: Screen, table: TableDiff, limit: int) -> Iterator[str]:
    rows = []
    for cell in table.cells[:limit]:
        row = ", ".join(f"{name}={brief(each)}" for name, each in cell.row.items())
        rows.append(
            [
                Cell(f"    {render.clean(row)}", ("dim",)),
                Cell(render.clean(cell.column)),
                Cell(render.clean(brief(cell.before)), ("red",), right=True),
                Cell("→"),
                Cell(render.clean(brief(cell.after)), ("green",)),
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
    yield from section(screen, "value", "; ".join(parts))
    yield from _path_lines(screen, array.where)


def _picture_lines(screen: Screen, picture: PictureDiff) -> Iterator[str]:
    sizes = [f"{width} × {height}" for width, height in picture.size]
    parts = [sizes[0] if sizes[0] == sizes[1] else f"{sizes[0]} → {sizes[1]}"]
    share = 100 * picture.differing / picture.compared if picture.compared else 0.0
    parts.append(f"{share:.2g} % of the pixels differ" if picture.differing else "looks the same")
    if picture.box is not None:
        left, top, right, bottom = picture.box
        parts.append(f"from ({left}, {top}) to ({right}, {bottom})")
    yield from section(screen, "value", "; ".join(parts))
    if picture.drawn:
        yield "  drawn:"
        yield from _path_lines(screen, picture.drawn)
    if picture.third:
        yield screen.style("  a picture of the difference: -o diff.png", "dim")


def _model_lines(screen: Screen, model: diff_value.ModelDiff) -> Iterator[str]:
    names = [type_.rpartition(".")[2] for type_ in model.type]
    kind = names[0] if names[0] == names[1] else f"{names[0]} → {names[1]}"
    count = len(model.params)
    changed = f"{render.plural(count, 'parameter')} changed" if count else "same parameters"
    yield from section(screen, "value", f"{kind}; {changed}")
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


def brief(value: Any) -> str:
    """Say a cell in a few characters."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return render.fit(value, 30)
    return render.fit(str(value), 30)


def section(screen: Screen, title: str, text: str) -> Iterator[str]:
    yield f"{screen.style(f'{title:<6}', 'cyan')} {render.clean(text)}"


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
