"""A slice and its session → the slice with what matters only on other data or other parameters.

A slice holds what the value rested on when it was made. A branch that wasn't taken, a row filter
that dropped nothing, a check that found nothing wrong: these aren't in it, and with other data or
another parameter they would have counted. They ran, or their conditions did, in the same session,
so taking them in changes no value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from linea.codegen import chunks
from linea.codegen.checks import checked, is_check
from linea.codegen.chunks import HIDDEN, Chunk
from linea.codegen.parts import Api, Part, argument
from linea.errors import PipelineError
from linea.model import Origin

CELL = re.compile(r"^# In\[(\d+)\]$", re.M)
MAGIC = re.compile(r"^\s*[%!?]|^\s*[\w, ]+=\s*[%!]|\?\s*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A top-level statement of a session, and which of its lines the slice holds."""

    chunk: Chunk
    cell: int | None
    lines: range
    text: tuple[str, ...]
    held: bool
    whole: bool
    """Whether all of its lines are in the slice."""
    last: int = 0
    """The last of its lines that the slice holds."""


def widen(part: Part, session: str, names: Iterable[str] | None = None) -> Part:
    """Take into a slice what the parameters `names` could make count, or any other data."""
    origins = part.lines
    if part.reused or not origins or not any(origins):
        return part
    try:
        units = until_saved(list(units_of(session, origins)), part.name)
    except PipelineError:
        return part
    extra = wanted(units, part, None if names is None else set(names))
    if not extra:
        return part
    code, lines = written(units, part, extra)
    return replace(part, code=code, lines=lines)


def units_of(session: str, origins: Sequence[Origin | None]) -> Iterator[Unit]:
    """Cut a session into its statements; magics are no statements."""
    held = {(origin.cell, origin.line) for origin in origins if origin}
    pieces = []
    places: list[tuple[int | None, range, tuple[str, ...]]] = []
    for cell, text in cells(session):
        plain = "\n".join(
            "pass" if MAGIC.search(line) and not is_code(line) else line
            for line in text.split("\n")
        )
        for piece, line, tree in chunks.cut(plain):
            end = max(node.end_lineno or line for node in tree)
            rows = range(line, end + 1)
            pieces.append((piece, line, tree))
            places.append((cell, rows, tuple(text.split("\n")[line - 1 : end])))
    for chunk, (cell, rows, text_lines) in zip(chunks.build(pieces), places, strict=True):
        mine = [row for row in rows if (cell, row) in held]
        code = [
            row for row, text in zip(rows, text_lines, strict=True)
            if text.strip() and not text.strip().startswith("#")
        ]  # fmt: skip
        whole = set(code) <= set(mine)
        yield Unit(chunk, cell, rows, text_lines, bool(mine), whole, max(mine, default=0))


def until_saved(units: list[Unit], name: str) -> list[Unit]:
    """The statements up to the save: what follows it can't have made the value.

    The save is the first one below the slice that is of this artifact, or may be.
    """
    api = Api.of(unit.chunk.tree for unit in units)
    last = max((at for at, unit in enumerate(units) if unit.held), default=-1)
    saves = [
        at
        for at, unit in enumerate(units)
        for node in (inner for tree in unit.chunk.tree for inner in ast.walk(tree))
        if isinstance(node, ast.Call) and api.calls(node, "save") and may_be(node, name)
    ]
    if not saves:
        return units  # saved by name when the session had ended
    return units[: next((at for at in saves if at >= last), last) + 1]


def may_be(call: ast.Call, name: str) -> bool:
    given = argument(call, 1, "name")
    return not isinstance(given, ast.Constant) or given.value == name


def is_code(line: str) -> bool:
    try:
        ast.parse(line.strip())
    except SyntaxError:
        return not re.match(r"\s*[%!]", line)
    return True


def cells(session: str) -> Iterator[tuple[int | None, str]]:
    """The cells of a notebook by execution count; a script is one without a number."""
    found = list(CELL.finditer(session))
    if not found:
        yield None, session
        return
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(session)
        yield int(match[1]), session[match.end() + 1 : end]


def wanted(units: Sequence[Unit], part: Part, names: set[str] | None) -> set[int]:
    """The positions of the statements to take in whole, with all that they rest on.

    `names` are the parameters; without them anything that the session read may be another.
    """
    functions = {
        node.name: node
        for unit in units
        for node in unit.chunk.tree
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    effects = [known_effects(unit, functions) for unit in units]
    last = max((at for at, unit in enumerate(units) if unit.held), default=-1)
    tainted = {name for name in names or () if any(name in unit.chunk.may_bind for unit in units)}
    if names is not None and not tainted:
        return set()
    found: set[int] = set()
    # Of the slice's own text: the line that stands for the save comes from none of the session's.
    touched = set(chunks.names(part.code)[0]) | ({part.result} if part.result else set())
    data = touched & data_names(units)
    for unit in units:
        data |= checked(data, unit.chunk.tree)
    called: set[str] = set()
    for at, unit in enumerate(units):
        if unit.chunk.is_import or is_save(unit.chunk, units):
            continue
        depends = names is None or bool(unit.chunk.uses & tainted)
        if not depends:
            tainted -= {n for n in unit.chunk.binds if n not in (names or ())}
            continue
        if not unit.chunk.definition:
            tainted |= effects[at]
            called |= unit.chunk.uses if unit.held else set()
        if unit.whole or (not unit.held and unit.chunk.definition):
            continue
        counts = unit.held or any(
            is_read(name, at, units, part, last) for name in effects[at] & touched
        )
        checks = bool(unit.chunk.uses & data) and is_check(unit.chunk.tree, functions)
        if (counts or checks) and (names is not None or unit.held or passed(at, units)):
            found.add(at)
    found |= cut_functions(units, called)
    if names is not None:
        return found | closure(found, units, effects)
    return set().union(*(with_known(at, units, effects) for at in found))


def with_known(at: int, units: Sequence[Unit], effects: Sequence[set[str]]) -> set[int]:
    """A statement and what it rests on; nothing where that may not have run to its end."""
    rests = closure({at}, units, effects)
    unknown = {n for n in rests if not units[n].held and not passed(n, units)}
    if any(units[n].chunk.may_bind for n in unknown):
        return set()
    return {at} | (rests - unknown)


def data_names(units: Sequence[Unit]) -> set[str]:
    """Names that stand for values: not for modules, functions and classes."""
    plain = (u.chunk for u in units if not u.chunk.is_import and not u.chunk.definition)
    return {name for chunk in plain for name in chunk.may_bind}


def cut_functions(units: Sequence[Unit], called: set[str]) -> set[int]:
    """The positions of functions and classes that the slice holds a part of, and that are used."""
    found: set[int] = set()
    while True:
        more = {
            at
            for at, unit in enumerate(units)
            if unit.chunk.definition in called and unit.held and at not in found
        }
        if not more:
            return {at for at in found if not units[at].whole}
        found |= more
        called = called | {name for at in more for name in units[at].chunk.uses}


def passed(at: int, units: Sequence[Unit]) -> bool:
    """Whether a statement is known to have run to its end: a cell may have failed at it."""
    cell = units[at].cell
    if cell is None:
        return True
    return any(u.cell == cell and (u.held or is_save(u.chunk, units)) for u in units[at + 1 :])


def known_effects(
    unit: Unit, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> set[str]:
    """The names that a statement binds or is known to change."""
    changed = set(chunks.changes(unit.chunk.tree, functions, presumed=False))
    return (set(unit.chunk.may_bind) | (changed & unit.chunk.uses)) - {HIDDEN}


def is_save(chunk: Chunk, units: Sequence[Unit]) -> bool:
    api = Api.of(unit.chunk.tree for unit in units)
    return all(isinstance(node, ast.Expr) and api.calls(node.value, "save") for node in chunk.tree)


def is_read(name: str, at: int, units: Sequence[Unit], part: Part, last: int) -> bool:
    """Whether what a statement leaves in `name` is read by the slice before it is bound anew."""
    for unit in units[at + 1 :]:
        if unit.held and name in unit.chunk.uses:
            return True
        if unit.held and name in unit.chunk.binds:
            return False
    return name == part.result or last < at


def closure(found: set[int], units: Sequence[Unit], effects: Sequence[set[str]]) -> set[int]:
    """What the statements that are taken in rest on, and the slice doesn't hold."""
    more: set[int] = set()
    todo = list(found)
    while todo:
        at = todo.pop()
        for name in units[at].chunk.uses | (units[at].chunk.may_bind - units[at].chunk.binds):
            for before in range(at - 1, -1, -1):
                unit = units[before]
                if name in effects[before] or name in unit.chunk.changes:
                    if (
                        not unit.whole
                        and before not in found | more
                        and not is_save(unit.chunk, units)
                    ):
                        more.add(before)
                        todo.append(before)
                    if name in unit.chunk.binds:
                        break
    return more


def saves_inside(unit: Unit, api: Api) -> bool:
    """Whether it is a function that saves: what comes after the save is none of the slice's."""
    return bool(unit.chunk.definition) and any(
        isinstance(node, ast.Call) and api.calls(node, "save")
        for tree in unit.chunk.tree
        for node in ast.walk(tree)
    )


def written(
    units: Sequence[Unit], part: Part, extra: set[int]
) -> tuple[str, tuple[Origin | None, ...]]:
    """The slice's lines, with whole statements in place of those in `extra`."""
    rows: dict[int, list[tuple[str, Origin | None]]] = {}
    place = {(unit.cell, row): at for at, unit in enumerate(units) for row in unit.lines}
    current = -1
    lines = part.code.rstrip("\n").split("\n")
    origins = [*part.lines, *[None] * (len(lines) - len(part.lines))]
    known = next(origin for origin in part.lines if origin)
    tail: list[tuple[str, Origin | None]] = []
    last = max(at for at, origin in enumerate(origins) if origin)
    for number, (text, origin) in enumerate(zip(lines, origins, strict=False)):
        if number > last:
            tail.append((text, origin))
            continue
        if origin:
            current = place.get((origin.cell, origin.line), current)
        rows.setdefault(current, []).append((text, origin))
    api = Api.of(unit.chunk.tree for unit in units)
    for at in extra:
        unit = units[at]
        rows[at] = [
            (text, Origin(known.file, row, unit.cell))
            for row, text in zip(unit.lines, unit.text, strict=True)
            if not (row > unit.last and unit.held and saves_inside(unit, api))
        ]
    made = [entry for at in sorted(rows) for entry in rows[at]] + tail
    return "\n".join(text for text, _ in made) + "\n", tuple(origin for _, origin in made)
