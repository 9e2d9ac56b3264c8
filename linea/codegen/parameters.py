"""Names that a person gives → typed parameters, in place of the constants of slices."""

from __future__ import annotations

import ast
import datetime
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from linea.codegen import chunks
from linea.codegen.chunks import Chunk
from linea.codegen.parts import ADDED, Item, Prepared, identifier
from linea.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constant of a slice, made an argument."""

    name: str
    value: object
    """A date, a path and their like as the text that gives them again."""
    text: str
    """The default as the user wrote it."""
    annotation: str | None
    kind: str = "literal"
    """`int`, `float`, `bool`, `str`, `none`, `literal`, `date`, `datetime`, `timestamp`, `path`
    or `decimal`: how a text is read."""
    constructor: str = ""
    """What makes a value of it: `datetime.date`, `pd.Timestamp`, `Path`."""
    file: bool = False
    """Its default is a file that was read."""


@dataclass(frozen=True, slots=True)
class Constant:
    """What a constant expression stands for."""

    value: object
    kind: str
    constructor: str = ""


class NotConstantError(ValueError):
    """The expression is more than a constant."""


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def of_date(*given: Any, **named: Any) -> str:
    return datetime.date(*given, **named).isoformat()


def of_datetime(*given: Any, **named: Any) -> str:
    return datetime.datetime(*given, **named).isoformat()


def of_path(*given: str) -> str:
    return str(PurePosixPath(*given))


def of_text(given: Any) -> str:
    if isinstance(given, float):
        raise NotConstantError
    return str(given)


def of_decimal(given: Any) -> str:
    return str(Decimal(given))


CONSTRUCTORS: dict[str, tuple[str, Callable[..., str]]] = {
    "date": ("date", of_date),
    "datetime": ("datetime", of_datetime),
    "Timestamp": ("timestamp", of_text),
    "Path": ("path", of_path),
    "Decimal": ("decimal", of_decimal),
}
"""What makes a constant out of constants, and the text that stands for it."""

KINDS = {bool: "bool", int: "int", float: "float", str: "str", type(None): "none"}


def constant(node: ast.expr) -> Constant:
    """Evaluate a constant expression; NotConstantError for anything else."""
    try:
        value = ast.literal_eval(node)
        return Constant(value, KINDS.get(type(value), "literal"))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    try:
        if isinstance(node, ast.Call):
            return constructed(node)
        if isinstance(node, ast.BinOp):
            return combined(node)
    except NotConstantError:
        raise
    except (ValueError, TypeError, ArithmeticError) as error:
        raise NotConstantError from error
    raise NotConstantError


def constructed(node: ast.Call) -> Constant:
    parts = ast.unparse(node.func)
    kind, make = CONSTRUCTORS.get(parts.rpartition(".")[2], ("", None))
    if make is None or not all(part.isidentifier() for part in parts.split(".")):
        raise NotConstantError
    if any(keyword.arg is None for keyword in node.keywords):
        raise NotConstantError
    given = [constant(argument).value for argument in node.args]
    named = {str(keyword.arg): constant(keyword.value).value for keyword in node.keywords}
    return Constant(make(*given, **named), kind, parts)


def combined(node: ast.BinOp) -> Constant:
    left, right = constant(node.left), constant(node.right)
    if left.kind == "path" and isinstance(node.op, ast.Div) and right.kind == "str":
        return replace(left, value=of_path(str(left.value), str(right.value)))
    numbers = ("int", "float")
    if left.kind not in numbers or right.kind not in numbers or type(node.op) not in ARITHMETIC:
        raise NotConstantError
    value = ARITHMETIC[type(node.op)](left.value, right.value)
    return Constant(value, KINDS[type(value)])


# ------------------------------------------------------------------------------ assignments


def literal_assignment(chunk: Chunk) -> tuple[str, ast.expr, ast.expr | None] | None:
    """(name, value, annotation) of `n = -3`; None for anything else."""
    node = chunk.tree[0]
    if len(chunk.tree) != 1 or chunk.line == ADDED:
        return None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value, annotation = node.targets[0], node.value, None
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value, annotation = node.target, node.value, node.annotation
    else:
        return None
    if not isinstance(target, ast.Name):
        return None
    try:
        constant(value)
    except NotConstantError:
        return None
    return target.id, value, annotation


def find_parameter(name: str, prepared: Sequence[Prepared]) -> Parameter:
    """Make what `name` names a parameter, in every part that holds it.

    It names a variable that is assigned a constant once, or else a keyword that is given one
    (`random_state`, and `seed` for what seeds a generator), or a file that is read.
    """
    return (
        of_assignment(name, prepared)
        or of_keyword(name, prepared)
        or of_file(name, prepared)
        or not_found(name, prepared)
    )


def not_found(name: str, prepared: Sequence[Prepared]) -> Parameter:
    raise PipelineError(
        f"no literal assignment to {name!r} in {names_of(prepared)}",
        hint=f"those that can be parameters: {candidates(prepared)}",
    )


def of_assignment(name: str, prepared: Sequence[Prepared]) -> Parameter | None:
    found: dict[str, list[str]] = defaultdict(list)
    chosen: tuple[Chunk, ast.expr, ast.expr | None] | None = None
    for one in prepared:
        bound = [item for item in one.items if name in item.chunk.may_bind]
        mine = 0
        for item in bound:
            literal = literal_assignment(item.chunk)
            if literal is None or item.kind != "step":
                continue
            mine += 1
            _, value, annotation = literal
            shown = ast.unparse(value)
            where = f"{one.place(item.chunk)}: {item.chunk.text.strip().splitlines()[-1]}"
            if where not in found[shown] or mine > 1:
                found[shown].append(where)
            chosen = item.chunk, value, annotation
            if mine > 1 or item is not bound[0]:
                found[f"again {shown}"].append(where)
        for at, item in enumerate(one.items):
            if item in bound and literal_assignment(item.chunk) and item.kind == "step":
                one.items[at] = Item(item.chunk, "parameter", name)
    if chosen is None:
        return None
    refuse_ambiguous(name, found)
    chunk, value, annotation = chosen
    text = ast.get_source_segment(chunk.text, value) or ast.unparse(value)
    known = constant(value)
    return Parameter(
        name,
        known.value,
        text if "\n" not in text else ast.unparse(value),
        ast.unparse(annotation) if annotation else None,
        known.kind,
        known.constructor,
        any(is_input(known.value, one) for one in prepared),
    )


def refuse_ambiguous(name: str, found: dict[str, list[str]]) -> None:
    if len(found) > 1:
        places = "; ".join(dict.fromkeys(place for list_ in found.values() for place in list_))
        raise PipelineError(
            f"{name!r} is assigned more than once, so which one is the parameter? {places}",
            hint="give the one that is meant a name of its own",
        )


# ------------------------------------------------------------------- keywords, seeds, files


SEEDERS = frozenset(
    ["seed", "manual_seed", "default_rng", "RandomState", "set_seed", "seed_everything", "Random"]
)
"""Calls whose one constant argument is a seed."""


def of_keyword(name: str, prepared: Sequence[Prepared]) -> Parameter | None:
    """A parameter in place of a constant keyword: `random_state` of `split(X, random_state=3)`."""

    def wanted(node: ast.AST) -> Iterator[ast.expr]:
        if not isinstance(node, ast.Call):
            return
        for keyword in node.keywords:
            if keyword.arg == name:
                yield keyword.value
        if name == "seed" and chunks.called(node) in SEEDERS and len(node.args) == 1:
            yield node.args[0]

    return in_place(name, prepared, wanted)


def of_file(name: str, prepared: Sequence[Prepared]) -> Parameter | None:
    """A parameter in place of the path of a file that was read, named by its path or stem."""

    def wanted(node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = PurePosixPath(node.value)
            named = {node.value, path.name, path.stem, identifier(path.name), identifier(path.stem)}
            read = [one for one in prepared if is_input(node.value, one)]
            named |= {each for one in read for each in one.part.inputs if each.endswith(path.name)}
            if read and name in named:
                yield node

    stem = identifier(PurePosixPath(name).name)
    found = in_place(stem, prepared, wanted)
    return replace(found, file=True) if found else None


def is_input(value: object, one: Prepared) -> bool:
    """Whether a text is the path of a file that the slice read."""
    if not isinstance(value, str) or not value:
        return False
    wanted = PurePosixPath(value).parts
    wanted = wanted[sum(part in (".", "..") for part in wanted) :]
    return bool(wanted) and any(
        PurePosixPath(path).parts[-len(wanted) :] == wanted for path in one.part.inputs
    )


def in_place(
    name: str,
    prepared: Sequence[Prepared],
    wanted: Callable[[ast.AST], Iterator[ast.expr]],
) -> Parameter | None:
    """Put `name` in place of every constant that `wanted` yields; they must all be the same."""
    found: dict[str, list[str]] = defaultdict(list)
    places: list[tuple[Prepared, Item, list[ast.expr]]] = []
    known: Constant | None = None
    text = ""
    for one in prepared:
        for item in one.items:
            if item.kind != "step":
                continue
            nodes = []
            for node in ast.walk(ast.parse(item.chunk.text)):
                for value in wanted(node):
                    try:
                        known = constant(value)
                    except NotConstantError:
                        continue
                    text = ast.unparse(value)
                    nodes.append(value)
                    where = f"{one.place(item.chunk)}: {item.chunk.text.strip().splitlines()[-1]}"
                    found[text].append(where)
            if nodes:
                places.append((one, item, nodes))
    if known is None:
        return None
    refuse_ambiguous(name, found)
    clash = [one for one, _, _ in places if any(name in i.chunk.may_bind for i in one.items)]
    if clash:
        raise PipelineError(
            f"{name!r} is also a variable of {names_of(clash)}, assigned something else than a "
            "constant",
            hint="give the value that is meant a name of its own",
        )
    for one, item, nodes in places:
        edited = chunks.replaced(item.chunk.text, [(node, name) for node in nodes])
        one.items[next(at for at, each in enumerate(one.items) if each is item)] = replace(
            item, chunk=again(item.chunk, edited, name)
        )
    (assignment,) = chunks.build(chunks.cut(f"{name} = {text}"))
    for one in {id(one): one for one, _, _ in places}.values():
        one.items.insert(0, Item(assignment, "parameter", name))
    return Parameter(name, known.value, text, None, known.kind, known.constructor)


def again(chunk: Chunk, text: str, name: str) -> Chunk:
    """The same statement with another text that also uses `name`."""
    return replace(chunk, text=text, tree=tuple(ast.parse(text).body), uses=chunk.uses | {name})


# ------------------------------------------------------------------------------ for messages


def names_of(prepared: Iterable[Prepared]) -> str:
    return ", ".join(repr(one.part.name) for one in prepared)


def candidates(prepared: Iterable[Prepared]) -> str:
    lines = [
        f"{literal[0]} = {ast.unparse(literal[1])} ({one.place(item.chunk)})"
        for one in prepared
        for item in one.items
        if item.kind == "step" and (literal := literal_assignment(item.chunk))
    ]
    return "; ".join(dict.fromkeys(lines)) or "there are none"
