"""The statements of a program → the functions in which an exception may be raised and go unseen.

A program that ran to its end raised nothing, but for what it caught itself. What is left out of
code whose exceptions nobody caught needn't be unable to raise: it didn't.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from linea.trimming.words import is_lazy, names_in


def catches(tree: ast.AST) -> bool:
    """Whether an exception may be caught in it."""
    return any(
        isinstance(n, (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)) for n in ast.walk(tree)
    )


def risky_functions(
    trees: Iterable[ast.stmt], functions: Mapping[str, ast.FunctionDef]
) -> set[str]:
    """Functions that are called where exceptions may be caught, or handed to who may call them so."""
    found = {
        name
        for name, tree in functions.items()
        if is_lazy(tree) or tree.decorator_list or name.startswith("__")
    }
    for tree in trees:
        found |= _exposed(tree) & functions.keys()
    todo = list(found)
    while todo:
        for name in set(names_in(functions[todo.pop()])) & functions.keys() - found:
            found.add(name)
            todo.append(name)
    return found


def _exposed(tree: ast.AST) -> set[str]:
    """Names that are called where exceptions may be caught, or read without being called."""
    found: set[str] = set()
    todo = [(tree, False)]
    while todo:
        node, caught = todo.pop()
        match node:
            case ast.Call(func=ast.Name(id=name)):
                if caught:
                    found.add(name)
                todo += [(n, caught) for n in ast.iter_child_nodes(node) if n is not node.func]
                continue
            case ast.Name(id=name, ctx=ast.Load()):
                found.add(name)
            case ast.Try() | ast.TryStar():
                todo += [(n, True) for n in node.body]
                todo += [(n, caught) for n in [*node.handlers, *node.orelse, *node.finalbody]]
                if any(isinstance(n, _LEAVES) for s in node.finalbody for n in ast.walk(s)):
                    todo += [(n, True) for n in [*node.handlers, *node.orelse]]
                continue
            case ast.With() | ast.AsyncWith():
                files = all(_opens(i.context_expr) for i in node.items)
                todo += [(i, caught) for i in node.items]
                todo += [(n, caught or not files) for n in node.body]
                continue
            case ast.Lambda() | ast.ClassDef() | ast.AsyncFunctionDef() | ast.GeneratorExp():
                todo += [(n, True) for n in ast.iter_child_nodes(node)]
                continue
            case ast.FunctionDef() if node is not tree or node.decorator_list or is_lazy(node):
                todo += [(n, True) for n in ast.iter_child_nodes(node)]
                continue
        todo += [(n, caught) for n in ast.iter_child_nodes(node)]
    return found


def _opens(node: ast.expr) -> bool:
    """A file lets every exception of its body pass."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"


_LEAVES = (ast.Return, ast.Break, ast.Continue)
