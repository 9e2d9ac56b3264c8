"""`linea diff`: what differs between two versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.render import Screen
from linea.cli.surroundings import complete_revisions, project, revision
from linea.cli.value_diff import code_lines, section, value_lines
from linea.errors import NoSuchVersionError
from linea.history import diff_value
from linea.history.changes import Change
from linea.history.diff import Diff
from linea.history.diff import diff as compare
from linea.history.diff_code import CodeDiff
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
        yield from section(screen, "code", _code_summary(found.code))
        if not stat:
            yield from code_lines(screen, found.code)
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
