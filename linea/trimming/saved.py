"""A program that is in the midst of saving a value → its statements without those that come after.

Whatever runs once the value is saved can't have made it. Where the program is, is told by the calls
that it is in; what is in a loop, or in a function that is called more than once, may have run
before.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Removed = list[tuple[ast.stmt, list[ast.stmt]]]

_AGAIN = (
    ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
"""What stands in them may run more than once, or not where it stands."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is under way."""

    function: str | None
    """The function that it stands in; None in the running statement itself."""
    line: int
    """From the first line of the running statement's text, or the `def` of its function (0-based)."""
    end_line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A value that is being saved."""

    name: str
    calls: tuple[Call, ...] = ()
    """The calls that lead to it, the outermost first."""


def over(saved: Saved, trees: Sequence[ast.stmt | None], sources: Sequence[str]) -> list[Removed]:
    """By statement of a program, the last of which is running: what comes after the save."""
    found: list[Removed] = [[] for _ in trees]
    functions = {t.name: i for i, t in enumerate(trees) if isinstance(t, ast.FunctionDef)}
    for call, inner in zip(saved.calls, [*saved.calls[1:], None], strict=True):
        at = len(trees) - 1 if call.function is None else functions.get(call.function)
        tree = trees[at] if at is not None else None
        if at is None or tree is None or (call.function is not None and tree.decorator_list):  # type: ignore[attr-defined]
            break
        start = 1 if call.function is None else tree.lineno
        path = _path_to(tree, call, start)
        if not path:
            break
        if inner is None and _saves_another(path[-1], saved.name):
            return [[] for _ in trees]  # the places don't fit the text
        removed, once = _after(path)
        found[at] += removed
        target = path[-1]
        goes_on = isinstance(target, ast.Call) and isinstance(target.func, ast.Name)
        if inner is None or not once or not goes_on or target.func.id != inner.function:  # type: ignore[attr-defined]
            break
        word = re.compile(rf"\b{inner.function}\b")
        if sum(len(word.findall(source)) for source in sources) != 2:
            break  # it may have been called before
    return found


CUT = (ast.FunctionDef, ast.If)
"""What is cut to the statements that were seen to be needed: functions, and `if __name__ == "__main__":`."""


def without(tree: ast.FunctionDef | ast.If, left_in: frozenset[int], more: Removed) -> Removed:
    """What goes from a function of whose body the statements `left_in` stay, and `more` of it goes."""
    gone = [
        node
        for n, node in enumerate(tree.body)
        if n not in left_in
        and not isinstance(node, (ast.Global, ast.Nonlocal))
        and not (n == 0 and isinstance(tree, ast.FunctionDef) and _is_text(node))
    ]
    inside = {id(part) for node in gone for part in ast.walk(node)}
    found: Removed = [(node, tree.body) for node in gone]
    return found + [(node, body) for node, body in more if id(node) not in inside]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _saves_another(node: ast.AST, name: str) -> bool:
    """Whether a call saves, and a value of another name."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "save":
        return False
    names = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "name")]
    return any(isinstance(n, ast.Constant) and n.value != name for n in names)


def _path_to(tree: ast.AST, call: Call, start: int) -> list[ast.AST]:
    """The nodes from `tree` down to a call, both included; empty if it isn't there."""
    place = (start + call.line, start + call.end_line, call.column, call.end_column)
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Call) and place == (
            child.lineno, child.end_lineno, child.col_offset, child.end_col_offset
        ):  # fmt: skip
            return [tree, child]
        if path := _path_to(child, call, start):
            return [tree, *path]
    return []


def _after(path: list[ast.AST]) -> tuple[Removed, bool]:
    """The statements that run after the end of `path`, and whether that is reached only once."""
    removed: Removed = []
    for n, (parent, child) in enumerate(pairwise(path)):
        blocks = _blocks(parent)
        mine = next((b for b in blocks if any(s is child for s in b)), None)
        own = n == 0 and isinstance(parent, ast.FunctionDef)
        if not own and isinstance(parent, _AGAIN):
            if isinstance(parent, (ast.For, ast.AsyncFor)) and child is parent.iter:
                removed += [(s, b) for b in blocks for s in b]
                continue
            if isinstance(parent, (ast.For, ast.AsyncFor, ast.While)) and mine is parent.body:
                removed += [(s, parent.orelse) for s in parent.orelse]
            return removed, False
        if mine is not None:
            at = next(i for i, s in enumerate(mine) if s is child)
            removed += [(s, mine) for s in mine[at + 1 :]]
        # Of several blocks, those that ran before this one stay.
        earlier: list[list[ast.stmt]] = [child.body] if isinstance(child, ast.match_case) else []
        if isinstance(parent, (ast.Try, ast.TryStar)) and mine is not parent.body:
            earlier = [parent.body, *([parent.orelse] if mine is parent.finalbody else [])]
            if mine is parent.finalbody:
                earlier += [h.body for h in parent.handlers]
            if isinstance(child, ast.ExceptHandler):
                earlier = [parent.body, child.body]
        if own or isinstance(parent, (ast.ExceptHandler, ast.match_case)):
            continue
        if isinstance(parent, (ast.With, ast.AsyncWith)) and mine is None:
            removed += [(s, parent.body) for s in parent.body]
            continue
        for block in blocks:
            if block is not mine and not any(block is e for e in earlier):
                removed += [(s, block) for s in block]
    return removed, True


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of statements of a statement; of a `try` with those of its handlers."""
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    blocks = [b for b in found if isinstance(b, list) and b and isinstance(b[0], ast.stmt)]
    for handler in getattr(node, "handlers", []):
        blocks.append(handler.body)
    for case in getattr(node, "cases", []):
        blocks.append(case.body)
    return blocks
