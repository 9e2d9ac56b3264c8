"""A slice and values of parameters → the slice with these values written in."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from linea.codegen import chunks
from linea.codegen.parameters import (
    SEEDERS,
    NotConstantError,
    Parameter,
    constant,
    literal_assignment,
)
from linea.codegen.parts import identifier


def substitute(
    code: str,
    lines: tuple[Any, ...],
    given: Mapping[str, str],
    parameters: Sequence[Parameter],
) -> tuple[str, tuple[Any, ...]]:
    """Write the source texts of `given` where the parameters' constants stand.

    `lines` keeps saying where each line came from: a constant on several lines becomes one.
    """
    edits: list[tuple[ast.expr, str]] = []
    known = {parameter.name: parameter for parameter in parameters}
    for name, text in given.items():
        edits += [(node, text) for node in constants(code, known[name])]
    origins = list(lines)
    for node, _ in sorted(edits, key=lambda edit: -edit[0].lineno):
        first, last = node.lineno, node.end_lineno or node.lineno
        if last > first and len(origins) >= last:
            del origins[first:last]
    made = chunks.replaced(code, list(edits))
    return made, tuple(origins) if lines else lines


def constants(code: str, parameter: Parameter) -> list[ast.expr]:
    """The constants of a slice that a parameter stands for."""
    assigned = [
        literal[1]
        for chunk in chunks.split(code)
        if (literal := literal_assignment(chunk)) and literal[0] == parameter.name
    ]
    tree = ast.parse(code)
    if assigned:
        wanted = {ast.unparse(node) for node in assigned}
        return [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            and node.value is not None
            and ast.unparse(node.value) in wanted
            and parameter.name in {t.id for t in targets(node) if isinstance(t, ast.Name)}
        ]
    return [node for each in ast.walk(tree) for node in in_place(each, parameter)]


def targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def in_place(node: ast.AST, parameter: Parameter) -> list[ast.expr]:
    found: list[ast.expr] = []
    if isinstance(node, ast.Call):
        found += [k.value for k in node.keywords if k.arg == parameter.name]
        seeds = parameter.name == "seed" and chunks.called(node) in SEEDERS and len(node.args) == 1
        found += node.args if seeds else []
    if parameter.file and isinstance(node, ast.Constant) and node.value == parameter.value:
        path = PurePosixPath(str(node.value))
        if parameter.name in (identifier(path.name), identifier(path.stem)):
            found.append(node)
    return [each for each in found if is_constant(each)]


def is_constant(node: ast.expr) -> bool:
    try:
        constant(node)
    except NotConstantError:
        return False
    return True
