"""The text of one block or function → what its names can hold, and which may reach one object."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from linea.trimming.known import ATOMIC, CONSUMING, LIBRARY, LIBRARY_MODULES, PURE, READERS, WRITERS
from linea.trimming.words import names_in

if TYPE_CHECKING:
    from linea.trimming.program import Program


@dataclass(frozen=True, slots=True)
class Effect:
    """What a statement does besides reading."""

    binds: frozenset[str] = frozenset()
    touches: frozenset[str] = frozenset()
    """Names whose objects may be changed."""


class Scope:
    """The names of one scope: what they can hold, and which may reach one object."""

    def __init__(
        self,
        program: Program,
        body: list[ast.stmt],
        kinds: Mapping[str, str],
        *,
        parameters: Sequence[str] = (),
        shares: Mapping[str, frozenset[str]] | None = None,
        function: bool = False,
    ) -> None:
        self.program = program
        self.body = body
        self.parameters = parameters
        self.before = {**program.modules, **kinds}
        self.inside_function = function
        self.globals: set[str] = {
            n
            for s in body
            for g in ast.walk(s)
            if isinstance(g, (ast.Global, ast.Nonlocal))
            for n in g.names
        }
        self.kinds = self._infer()
        self.groups: dict[str, str] = {}
        for name, others in (shares or {}).items():
            self._merge([name, *others])
        self._merge_aliases()

    def _infer(self) -> dict[str, str]:
        """What each name can hold here; names whose sites disagree are unknown."""
        sites: dict[str, list[Callable[[dict[str, str]], str]]] = {}

        def site(name: str, kind: Callable[[dict[str, str]], str]) -> None:
            sites.setdefault(name, []).append(kind)

        def target(node: ast.expr, kind: Callable[[dict[str, str]], str]) -> None:
            if isinstance(node, ast.Name):
                site(node.id, kind)
            elif isinstance(node, (ast.Tuple, ast.List)):
                for part in node.elts:
                    target(
                        part.value if isinstance(part, ast.Starred) else part,
                        lambda e: _element(kind(e)),
                    )

        for top in self.body:
            for node in ast.walk(top):
                match node:
                    case ast.Assign():
                        for t in node.targets:
                            target(t, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                            if isinstance(t, ast.Subscript) and isinstance(t.value, ast.Name):
                                site(
                                    t.value.id,
                                    lambda e, v=node.value, n=t.value.id: _stored(  # type: ignore[misc]
                                        e.get(n, ""), self.kind(v, e)
                                    ),
                                )
                    case ast.AnnAssign() if node.value is not None:
                        target(node.target, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                    case ast.AugAssign():
                        if isinstance(node.target, ast.Name):
                            site(
                                node.target.id,
                                lambda e, n=node: self.kind(
                                    ast.BinOp(ast.Name(n.target.id, ast.Load()), n.op, n.value), e
                                ),  # type: ignore[misc]
                            )
                    case ast.NamedExpr():
                        target(node.target, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                    case ast.For() | ast.comprehension():
                        target(node.target, lambda e, v=node.iter: _element(self.kind(v, e)))  # type: ignore[misc]
                    case ast.With():
                        for item in node.items:
                            if item.optional_vars is not None:
                                target(item.optional_vars, lambda e: "?")
                    case ast.ExceptHandler() if node.name:
                        site(node.name, lambda e: "?")
                    case ast.FunctionDef() | ast.ClassDef():
                        site(node.name, lambda e: "?")
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if (
                        attr in WRITERS
                    ):
                        for argument in node.args:
                            site(
                                name,
                                lambda e, a=argument, n=name: _stored(  # type: ignore[misc]
                                    e.get(n, ""), self.kind(a, e)
                                ),
                            )
        known: dict[str, str] = {**self.before, **dict.fromkeys(self.parameters, "?")}
        env: dict[str, str] = dict(known)
        for _ in range(20):
            new = dict(known)
            for name, makers in sites.items():
                found = {k for k in (m(env) for m in makers) if k}
                if name in known:
                    found.add(known[name])
                if found == {"atoms", "container"}:
                    found = {"container"}
                new[name] = found.pop() if len(found) == 1 else ("?" if found else "")
            if new == env:
                break
            env = new
        return {n: k for n, k in env.items() if k}

    def kind(self, node: ast.expr, env: Mapping[str, str]) -> str:
        """`atom`, `atoms` (a container of atoms), `pairs`, `container`, `module:…`, `?`; empty: not known yet."""
        match node:
            case ast.Constant() | ast.JoinedStr():
                return "atom"
            case ast.Name():
                if node.id in env:
                    return env[node.id]
                return "" if self.inside(node.id) else self.before.get(node.id, "?")
            case ast.UnaryOp():
                return (
                    "atom"
                    if isinstance(node.op, ast.Not) or self.kind(node.operand, env) == "atom"
                    else "?"
                )
            case ast.BinOp():
                sides = {self.kind(node.left, env), self.kind(node.right, env)}
                if "" in sides:
                    return "" if sides <= {"", "atom"} else "?"
                if sides == {"atom"}:
                    return "atom"
                return "atoms" if sides <= {"atoms", "atom"} else "?"
            case ast.Compare():
                parts = {self.kind(p, env) for p in (node.left, *node.comparators)}
                return "atom" if parts <= {"atom", "atoms", "", "container"} else "?"
            case ast.BoolOp():
                parts = {self.kind(p, env) for p in node.values} - {""}
                return parts.pop() if len(parts) == 1 else ("?" if parts else "")
            case ast.IfExp():
                parts = {self.kind(node.body, env), self.kind(node.orelse, env)} - {""}
                return parts.pop() if len(parts) == 1 else ("?" if parts else "")
            case ast.List() | ast.Tuple() | ast.Set():
                return (
                    "atoms"
                    if all(self.kind(e, env) in ("atom", "") for e in node.elts)
                    else "container"
                )
            case ast.Dict():
                inner = [*(k for k in node.keys if k), *node.values]
                return (
                    "atoms"
                    if all(k is not None for k in node.keys)
                    and all(self.kind(e, env) in ("atom", "") for e in inner)
                    else "container"
                )
            case ast.ListComp() | ast.SetComp():
                return "atoms" if self.kind(node.elt, env) in ("atom", "") else "container"
            case ast.DictComp():
                return (
                    "atoms"
                    if {self.kind(node.key, env), self.kind(node.value, env)} <= {"atom", ""}
                    else "container"
                )
            case ast.Subscript():
                inside = self.kind(node.value, env)
                if inside == "atoms":
                    return "atoms" if isinstance(node.slice, ast.Slice) else "atom"
                return inside if inside in ("", "atom") else "?"
            case ast.Call(func=ast.Name(id=name)) if not self._rebound(name):
                arguments = [self.kind(a, env) for a in node.args]
                if name in ATOMIC:
                    return "atom"
                if name == "range":
                    return "atoms"
                if (
                    name in ("sum", "min", "max")
                    and arguments
                    and set(arguments) <= {"atom", "atoms", ""}
                ):
                    return "atom"
                if name in ("list", "tuple", "set", "sorted", "dict", "frozenset", "reversed"):
                    return "atoms" if set(arguments) <= {"atoms", "atom", ""} else "container"
                if name in ("enumerate", "zip"):
                    return "pairs" if set(arguments) <= {"atoms", "atom", ""} else "?"
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)):
                inside = self.kind(owner, env)
                if inside == "atom":
                    return (
                        "atoms"
                        if attr in ("split", "rsplit", "splitlines", "partition", "rpartition")
                        else "atom"
                    )
                if inside == "atoms":
                    if attr == "items":
                        return "pairs"
                    if attr in ("keys", "values", "copy"):
                        return "atoms"
                    if attr in ("count", "index"):
                        return "atom"
                    if attr in ("get", "pop"):
                        return (
                            "atom"
                            if all(self.kind(a, env) in ("atom", "") for a in node.args)
                            else "?"
                        )
                if inside == "":
                    return ""
        return "?"

    def inside(self, name: str) -> bool:
        """Whether the name is bound by this block."""
        if not hasattr(self, "_bound"):
            self._bound = {
                n.id
                for s in self.body
                for n in ast.walk(s)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
        return name in self._bound

    def _rebound(self, name: str) -> bool:
        return (
            name in self.program.stored
            or name in self.program.functions
            or name in self.parameters
            or name in self.before
        )

    def root(self, name: str) -> str:
        while name in self.groups:
            name = self.groups[name]
        return name

    def same(self, a: str, b: str) -> bool:
        """Whether two names may reach one object."""
        return self.root(a) == self.root(b)

    def _merge(self, names: Iterable[str]) -> None:
        names = [n for n in names if not self._valueless(n)]
        for a, b in pairwise(names):
            one, other = self.root(a), self.root(b)
            if one != other:
                self.groups[one] = other

    def _valueless(self, name: str) -> bool:
        kind = self.kinds.get(name, "")
        if kind == "atom" or kind.startswith("module:"):
            return True
        if self.program.functions.get(name) is not None:
            return True
        return name in PURE | CONSUMING and not self._rebound(name)

    def _merge_aliases(self) -> None:
        for top in self.body:
            for node in ast.walk(top):
                match node:
                    case ast.Assign():
                        for t in node.targets:
                            self._merge_into(t, node.value)
                    case ast.AnnAssign() if node.value is not None:
                        self._merge_into(node.target, node.value)
                    case ast.AugAssign():
                        self._merge_into(node.target, node.value)
                    case ast.NamedExpr():
                        self._merge_into(node.target, node.value)
                    case ast.For() | ast.comprehension():
                        self._merge([*names_in(node.target), *names_in(node.iter)])
                    case ast.With():
                        for item in node.items:
                            self._merge(
                                [
                                    *names_in(item.context_expr),
                                    *(names_in(item.optional_vars) if item.optional_vars else []),
                                ]
                            )
                    case ast.Call():
                        self._merge_call(node)
                    case ast.FunctionDef() | ast.Lambda():
                        self._merge(names_in(node))

    def _merge_into(self, target: ast.expr, value: ast.expr) -> None:
        kind = self.kind(value, self.kinds)
        if kind == "atom" or (kind in ("atoms", "pairs") and self._fresh(value)):
            return
        self._merge([*names_in(target), *names_in(value)])

    def _fresh(self, value: ast.expr) -> bool:
        """Whether an expression makes a new container."""
        if isinstance(
            value, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
        ):
            return True
        return (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id in CONSUMING | {"range"}
            and not self._rebound(value.func.id)
        )

    def _merge_call(self, node: ast.Call) -> None:
        """Arguments may end up inside one another, unless the call is known not to do that."""
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in PURE | ATOMIC
            and not self._rebound(node.func.id)
        ):
            return
        if self._library(node.func):
            return
        if (
            isinstance(node.func, ast.Name)
            and self.program.function_effect(node.func.id) == Effect()
        ):
            return
        arguments = [*node.args, *(k.value for k in node.keywords)]
        names = [n for a in arguments for n in names_in(a)]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in READERS:
                return
            if all(self.kind(a, self.kinds) == "atom" for a in arguments):
                return
            names += names_in(node.func.value)
        self._merge(names)

    def _library(self, function: ast.expr) -> bool:
        """Whether it is a function of a library that is known to change nothing."""
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
            return False
        kind = self.kinds.get(function.value.id, "")
        if not kind.startswith("module:"):
            return False
        module = kind.removeprefix("module:")
        return module in LIBRARY_MODULES or (module, function.attr) in LIBRARY


def _element(kind: str) -> str:
    return {"atoms": "atom", "pairs": "atoms", "": ""}.get(kind, "?")


def _stored(container: str, value: str) -> str:
    """What a container is after `value` was put in."""
    if not value or not container:
        return container
    if container == "atoms" and value != "atom":
        return "container"
    return container
