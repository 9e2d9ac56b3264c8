"""`linea diff`: what differs between two versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.render import Screen
from linea.cli.surroundings import complete_revisions, project, revision
from linea.cli.value_diff import code_lines, section, value_lines
from linea.errors import LineaError, NoSuchVersionError
from linea.history import diff_value
from linea.history.changes import Change
from linea.history.diff import Diff, rows_of
from linea.history.diff import diff as compare
from linea.history.diff_code import CodeDiff
from linea.history.diff_picture import PictureDiff
from linea.history.diff_table import Choice
from linea.history.log import previous_of
from linea.history.revision import completed
from linea.model import Version

if TYPE_CHECKING:
    from linea.store.repository import Repository

Json = Annotated[bool, Option("--json", help="Print JSON.")]


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
    columns: Annotated[
        str, Option("--columns", metavar="COLUMNS", help="Only these columns of a table: a,b.")
    ] = "",
    where: Annotated[
        str,
        Option(
            "--where", metavar="EXPR", help="Only rows for which this holds, as in pandas' query."
        ),
    ] = "",
    output: Annotated[
        Path | None,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write all that differs: .parquet, .csv, .png or .json.",
        ),
    ] = None,
    trust: Annotated[
        bool, Option("--trust", help="Read pickled values too, which runs their code.")
    ] = False,
    json: Json = False,
) -> int:
    """Show what differs between two versions.

    Code is compared by statement: what only moved or was formatted anew is no difference. Tables
    are compared by rows and cells, and only columns that differ are read. `-o` writes every row that
    differs of a table, a third picture of two pictures, or the whole answer as JSON. Exits with 1
    where something differs.

    \b
    Example:
      linea diff feature_table@v1 feature_table@v2
      linea diff model
      linea diff --value --key id feature_table@v1 feature_table
      linea diff --columns price --where "price > 100" feature_table
      linea diff feature_table -o diff.parquet
    """
    screen = render.screen()
    with project() as here:
        before, after = _pair(here.repository, a, b)
        keys, choice = _listed(key), Choice(_listed(columns), where)
        found = compare(
            here.repository,
            before,
            after,
            key=keys,
            limit=limit,
            load=not stat and not code,
            trusted=trust,
            choice=choice,
        )
        if output is not None:
            _write(
                output,
                found,
                lambda: rows_of(
                    here.repository, before, after, key=keys, choice=choice, trusted=trust
                ),
            )
            render.say(f"wrote {output}")
    if json:
        render.print_json(records.of_diff(found))
    else:
        screen.lines(_diff_lines(screen, found, code=code, value=value, stat=stat, limit=limit))
    differs = bool(found)
    if code or value:
        valued = not isinstance(found.value, diff_value.Same)
        differs = (code and bool(found.code)) or (value and valued)
    return int(differs)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _write(path: Path, found: Diff, rows: Callable[[], Any]) -> None:
    """Write all that differs in the form that the file's name asks for."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        path.write_text(render.as_json(records.of_diff(found)) + "\n", encoding="utf-8")
    elif suffix == ".png":
        third = found.value.third if isinstance(found.value, PictureDiff) else b""
        if not third:
            raise LineaError("there is no picture of this difference", hint="-o diff.json")
        path.write_bytes(third)
    elif suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(rows(), path)
    elif suffix == ".csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(rows(), path)
    else:
        raise LineaError(
            f"can't write {path.name!r}", hint="its name ends in .parquet, .csv, .png or .json"
        )


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
        yield from section(screen, "code", _code_summary(found.code))
        if not stat:
            yield from code_lines(screen, found.code)
        for path, module in found.modules:
            yield from section(screen, "code", f"{path} {_code_summary(module)}")
            if not stat:
                yield from code_lines(screen, module)
    if everything or value:
        yield from value_lines(screen, found.value, stat=stat, limit=limit)


def _change_lines(screen: Screen, title: str, group: Sequence[Change]) -> Iterator[str]:
    for change in group[:6]:
        yield from section(screen, title, change.text)
    if len(group) > 6:
        yield f"       … {len(group) - 6} more"


def _code_summary(code: CodeDiff) -> str:
    moved = f", {render.plural(code.moved, 'statement')} moved or reformatted" if code.moved else ""
    if not code:
        return "same" + moved
    return f"+{code.added} −{code.removed} lines" + moved
