"""Code → the names that it binds: by one node, in one scope, or anywhere within."""

from __future__ import annotations

import ast
from collections.abc import Iterable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound_by(node: ast.AST) -> list[str]:
    """Names that `node` itself binds or deletes; what is inside it aside."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [a.asname or a.name.partition(".")[0] for a in aliases if a.name != "*"]
    return []


def bound_in(nodes: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Names that `nodes` bind in the scope they stand in, and names they declare global or nonlocal.

    Functions, classes and comprehensions in them have scopes of their own: only their names count,
    what their heads bind, and a walrus in a comprehension.
    """
    bound: set[str] = set()
    declared: set[str] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        bound.update(bound_by(node))
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                todo += heads(node)
            case ast.ClassDef():
                todo += [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                bound |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
            case ast.Global() | ast.Nonlocal():
                declared |= set(node.names)
            case _:
                todo += ast.iter_child_nodes(node)
    return bound, declared


def bound_within(nodes: Iterable[ast.AST]) -> set[str]:
    """Names bound anywhere in `nodes`, in scopes inside and as parameters too."""
    found: set[str] = set()
    for top in nodes:
        for node in ast.walk(top):
            found.update(bound_by(node))
            if isinstance(node, ast.arg):
                found.add(node.arg)
    return found


def heads(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    """The parts of a function that run where it is defined: decorators, defaults, annotations."""
    arguments = node.args
    found: list[ast.AST] = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
    if not isinstance(node, ast.Lambda):
        found += node.decorator_list
        everything = [
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
            *filter(None, [arguments.vararg, arguments.kwarg]),
        ]  # fmt: skip
        found += filter(None, [*(a.annotation for a in everything), node.returns])
    return found
