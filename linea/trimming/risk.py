"""The statements of a program → the functions in which an exception may be raised and go unseen.

A program that ran to its end raised nothing, but for what it caught itself. What is left out of
code whose exceptions nobody caught needn't be unable to raise: it didn't.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Container, Iterable, Mapping

from linea.names import bound_by, bound_in
from linea.trimming.words import is_lazy, names_in, own_nodes


def gentle_managers(trees: Iterable[ast.stmt]) -> set[str]:
    """Classes and generator functions of a program that let the exceptions of a `with` pass."""
    bound = Counter(n for t in trees for x in ast.walk(t) for n in bound_by(x))
    found: set[str] = set()
    for tree in trees:
        match tree:
            case ast.ClassDef(bases=[], keywords=[], decorator_list=[], name=name, body=body):
                ends = [s for s in body if "__exit__" in bound_in([s])[0]]
                match ends:
                    case [ast.FunctionDef(decorator_list=[]) as end]:
                        if all(map(_is_false, _returned(end))):
                            found.add(name)
            case ast.FunctionDef(decorator_list=[decorator], name=name):
                named = decorator.attr if isinstance(decorator, ast.Attribute) else decorator
                named = named.id if isinstance(named, ast.Name) else named
                if named == "contextmanager" and not _has(tree, (ast.Try, ast.TryStar, ast.With)):
                    found.add(name)
    return {name for name in found if bound[name] == 1}


def _returned(tree: ast.FunctionDef) -> list[ast.expr | None]:
    return [n.value for n in own_nodes(tree.body) if isinstance(n, ast.Return)]


def _is_false(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and not node.value)


def _has(tree: ast.AST, kinds: tuple[type[ast.AST], ...]) -> bool:
    return any(isinstance(n, kinds) for n in ast.walk(tree))


def catches(tree: ast.AST) -> bool:
    """Whether an exception may be caught in it."""
    return any(
        isinstance(n, (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)) for n in ast.walk(tree)
    )


def risky_functions(
    trees: Iterable[ast.stmt], functions: Mapping[str, ast.FunctionDef], gentle: Container[str]
) -> set[str]:
    """Functions that are called where exceptions may be caught, or handed to who may call them so."""
    found = {
        name
        for name, tree in functions.items()
        if is_lazy(tree) or tree.decorator_list or name.startswith("__")
    }
    for tree in trees:
        found |= _exposed(tree, gentle) & functions.keys()
    todo = list(found)
    while todo:
        for name in set(names_in(functions[todo.pop()])) & functions.keys() - found:
            found.add(name)
            todo.append(name)
    return found


def _exposed(tree: ast.AST, gentle: Container[str]) -> set[str]:
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
                files = all(_passes(i.context_expr, gentle) for i in node.items)
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


def _passes(node: ast.expr, gentle: Container[str]) -> bool:
    """Whether a manager lets every exception of its body pass: a file does."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    return node.func.id == "open" or node.func.id in gentle


_LEAVES = (ast.Return, ast.Break, ast.Continue)
