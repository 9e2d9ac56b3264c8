"""The text of one block or function → what its names can hold, and which may reach one object."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from linea.names import COMPREHENSIONS, bound_by, bound_in, bound_within
from linea.trimming.known import (
    ATOMIC,
    BUILTINS,
    CONSUMING,
    ELEMENTWISE,
    FRESH,
    LIBRARY,
    LIBRARY_MODULES,
    LOGGING,
    PURE,
    READ_MODES,
    READERS,
    SPLITTING,
    TABLE_METHODS,
    TABLE_PARTS,
    TABLES,
    WRITERS,
    WRITING,
)
from linea.trimming.words import names_in, names_inside, nodes_of

OUTSIDE = "<outside>"
"""Stands for objects that something outside the scope may hold, and no name of it tells."""

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
        name: str | None = None,
    ) -> None:
        self.program = program
        self.name = name
        """Of a function of the program: where it is called tells what its parameters can hold."""
        self.body = body
        self.parameters = parameters
        self.before = {**program.modules, **program.loggers, **kinds}
        self.there = frozenset(kinds)
        """Names that were bound before."""
        self.inside_function = function
        self.globals: set[str] = {
            n
            for s in body
            for g in nodes_of(s)
            if isinstance(g, (ast.Global, ast.Nonlocal))
            for n in g.names
        }
        self.bound = bound_in(body)[0] - self.globals
        """Names that are the scope's own."""
        self.shares = shares or {}
        self.groups: dict[str, str] = {}
        filled: set[str] = set()
        while True:
            self.kinds = self._infer(filled)
            self._group()
            # A container of atoms may be filled with others by another name, or by a call.
            more = self._filled() - filled
            if not more:
                break
            filled |= more

    def given(self) -> dict[str, str]:
        """What the parameters can hold."""
        known = self.program.given(self.name) if self.name else {}
        return {p: known.get(p, "?") for p in self.parameters}

    def _group(self) -> None:
        """Bring together the names that may reach one object."""
        self.groups = {}
        for name, others in self.shares.items():
            kinds = [self.kinds.get(o) or self.program.modules.get(o, "") for o in others]
            held = any(k.startswith("module:") for k in kinds)
            self._merge([name, *others, *([OUTSIDE] if held else [])])
        self._merge_aliases()

    def _filled(self) -> set[str]:
        """Names of containers of atoms in which something else may have been put."""
        givers: set[str] = names_inside(self.body)
        called = False
        pairs: list[tuple[ast.expr, ast.expr]]
        for top in self.body:
            for node in nodes_of(top):
                match node:
                    case ast.Assign(targets=targets):
                        pairs = [(t, node.value) for t in targets]
                    case ast.AugAssign(target=target, value=value):
                        pairs = [(target, value)]
                    case ast.Call():
                        pairs = []
                        given = [*node.args, *(k.value for k in node.keywords)]
                        if isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS:
                            pairs = [(node.func, a) for a in given]
                        elif not self.leaves_alone(node):
                            called = True
                            givers.update(n for a in given for n in names_in(a))
                            givers.update(names_in(node.func))
                    case _:
                        continue
                for place, put in pairs:
                    if isinstance(place, ast.Name) or self.kind(put, self.kinds) == "atom":
                        continue
                    givers.update(names_in(place))
        if called:
            givers |= self.before.keys() & self.program.read_in_functions
        roots = {self.root(n) for n in givers if not self._valueless(n)}
        return {n for n, k in self.kinds.items() if k == "atoms" and self.root(n) in roots}

    def leaves_alone(self, call: ast.Call) -> bool:
        """Whether a call is known to put nothing into what it is given."""
        match call.func:
            case ast.Name(id=name):
                if self.program.functions.get(name) is not None:
                    return self.program.function_effect(name) == Effect()
                return name in PURE | CONSUMING | ATOMIC and not self._rebound(name)
            case ast.Attribute(value=owner, attr=attr):
                if self._library(call.func):
                    return True
                kind = self.kind(owner, self.kinds)
                if kind in ("library", "logger") or self.kind(call, self.kinds) == "library":
                    return kind != "library" or self.reads_table(call, attr)
                return kind == "atom" or (kind in ("atoms", "container") and attr in READERS)
        return False

    def _infer(self, filled: Iterable[str]) -> dict[str, str]:
        """What each name can hold here; names whose sites disagree are unknown."""
        sites: dict[str, list[Callable[[dict[str, str]], str]]] = {}

        def site(name: str, kind: Callable[[dict[str, str]], str]) -> None:
            sites.setdefault(name, []).append(kind)

        def target(node: ast.expr, kind: Callable[[dict[str, str]], str]) -> None:
            match node:
                case ast.Name():
                    site(node.id, kind)
                case ast.Tuple() | ast.List():
                    for part in node.elts:
                        if isinstance(part, ast.Starred):
                            target(part.value, lambda e: _rest(kind(e)))
                        else:
                            target(part, lambda e: _element(kind(e)))
                case ast.Subscript(value=ast.Name(id=name)):
                    site(name, lambda e: _stored(e.get(name, ""), kind(e)))

        for name in filled:
            site(name, lambda e: "container")
        for top in self.body:
            for node in nodes_of(top):
                match node:
                    case ast.Assign():
                        for t in node.targets:
                            target(t, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
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
                        else:
                            target(node.target, lambda e: "?")
                    case ast.NamedExpr():
                        target(node.target, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                    case ast.For() | ast.comprehension():
                        target(node.target, lambda e, v=node.iter: _element(self.kind(v, e)))  # type: ignore[misc]
                    case ast.With():
                        for item in node.items:
                            if item.optional_vars is not None:
                                target(
                                    item.optional_vars,
                                    lambda e, c=item.context_expr: self.opened(c, e),  # type: ignore[misc]
                                )
                    case ast.AsyncFor() | ast.AsyncWith():
                        for n in bound_within([node]):
                            site(n, lambda e: "?")
                    case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                        # What it binds is another's, under the same name.
                        for n in bound_within([node]):
                            site(n, lambda e: "?")
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if (
                        attr in WRITERS
                    ):
                        for argument in [*node.args, *(k.value for k in node.keywords)]:
                            site(
                                name,
                                lambda e, a=argument, n=name: _stored(  # type: ignore[misc]
                                    e.get(n, ""), self.kind(a, e)
                                ),
                            )
                    case _ if not isinstance(node, ast.Name):
                        for n in bound_by(node):
                            site(n, lambda e: "?")

        known: dict[str, str] = {**self.before, **self.given()}
        # A comprehension's own name may be read outside of it, as another's.
        read = {n.id for n in _outside_comprehensions(self.body) if isinstance(n, ast.Name)}
        known.update(
            {n: "?" for n in sites if n in read and n not in self.bound and n not in known}
        )
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
                return "" if node.id in self.bound else self.before.get(node.id, "?")
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
                if "library" in sides and sides <= {"library", "atom", "atoms"}:
                    return "library"
                return "atoms" if sides <= {"atoms", "atom"} else "?"
            case ast.Compare():
                parts = {self.kind(p, env) for p in (node.left, *node.comparators)}
                if "library" in parts and parts <= {"library", "atom", "atoms"}:
                    return "library"
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
                return inside if inside in ("", "atom", "library") else "?"
            case ast.Call(func=ast.Name(id=name)) if self._is_function(name):
                return self.program.returns(name)
            case ast.Call(func=ast.Name(id=name)) if not self._rebound(name):
                arguments = [self.kind(a, env) for a in node.args]
                if name in ATOMIC:
                    return "atom"
                if name == "range":
                    return "atoms"
                if name in ("sum", "min", "max") and arguments:
                    arguments += [self.kind(k.value, env) for k in node.keywords if k.arg != "key"]
                    first, *others = arguments
                    most = {"atom", "atoms", ""} if len(node.args) == 1 else {"atom", ""}
                    return "atom" if first in most and set(others) <= {"atom", ""} else "?"
                if name in ("list", "tuple", "set", "sorted", "dict", "frozenset", "reversed"):
                    kept = {self.kind(k.value, env) for k in node.keywords if k.arg != "key"}
                    plain = set(arguments) <= {"atoms", "atom", ""} and kept <= {"atom", ""}
                    return "atoms" if plain else "container"
                if name in ("enumerate", "zip"):
                    return "pairs" if set(arguments) <= {"atoms", "atom", ""} else "?"
            case ast.Attribute(value=owner, attr=attr) if attr in TABLE_PARTS:
                return "library" if self.kind(owner, env) == "library" else "?"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if env.get(
                name, ""
            ).startswith("module:"):
                if (env[name], attr) == ("module:logging", "getLogger"):
                    return "logger"
                return "library" if self.makes_table(node, env[name], attr) else "?"
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)):
                inside = self.kind(owner, env)
                if inside == "library":
                    return "library" if self.reads_table(node, attr) else "?"
                if inside == "atom":
                    if attr == "maketrans":
                        return "?"
                    return "atoms" if attr in SPLITTING else "atom"
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

    def makes_table(self, call: ast.Call, module: str, attr: str) -> bool:
        """Whether a call gives a table or an array, and changes nothing but iterators."""
        name = module.removeprefix("module:")
        most = len(call.args) if name == "pandas" else 1 if attr in ELEMENTWISE else 3
        if name == "numpy" and attr not in ("where", "linspace", "arange", "full", "clip"):
            most = min(most, 2)
        return (name, attr) in TABLES and len(call.args) <= most and self._says_no_more(call)

    def reads_table(self, call: ast.Call, attr: str) -> bool:
        """Whether a method of a table only reads it."""
        return attr in TABLE_METHODS and len(call.args) <= 1 and self._says_no_more(call)

    def _says_no_more(self, call: ast.Call) -> bool:
        keywords = {k.arg for k in call.keywords}
        if keywords & WRITING or None in keywords or self.program.warned:
            return False
        functions = self.program.functions.keys()
        return not any(n in functions for a in call.args for n in names_in(a)) and not any(
            n in functions for k in call.keywords for n in names_in(k.value)
        )

    def _is_function(self, name: str) -> bool:
        """Whether it is the name of a function of the program."""
        known = self.program.functions.get(name) is not None
        return known and name not in self.bound and name not in self.parameters

    def opened(self, manager: ast.expr, env: Mapping[str, str]) -> str:
        """What `with manager as name` binds: `reader` is a file that is read alone."""
        if isinstance(manager, ast.Name):
            return env.get(manager.id, "?")
        return "reader" if self.reads_file(manager) else "?"

    def reads_file(self, node: ast.expr) -> bool:
        """Whether it opens a file to read it."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            return False
        if node.func.id != "open" or self._rebound("open") or "open" in self.bound:
            return False
        modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
        simple = all(isinstance(m, ast.Constant) and m.value in READ_MODES for m in modes)
        keywords = {k.arg for k in node.keywords} <= {"mode", "encoding", "newline", "errors"}
        return simple and keywords and len(node.args) <= 2

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
        if name == OUTSIDE:
            return False
        kind = self.kinds.get(name, "")
        if kind == "atom" or kind.startswith("module:"):
            return True
        if self.program.functions.get(name) is not None:
            return True
        return name in BUILTINS and name not in self.bound and not self._rebound(name)

    def _merge_aliases(self) -> None:
        for top in self.body:
            for node in nodes_of(top):
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
                    case ast.For() | ast.AsyncFor() | ast.comprehension():
                        names = [*names_in(node.target), *names_in(node.iter)]
                        self._merge([*names, *self._behind(node.iter)])
                    case ast.With() | ast.AsyncWith():
                        for item in node.items:
                            opened = [item.context_expr, *filter(None, [item.optional_vars])]
                            names = [n for part in opened for n in names_in(part)]
                            self._merge([*names, *self._behind(item.context_expr)])
                    case ast.Match():
                        captured = [n for c in node.cases for n in bound_within([c.pattern])]
                        names = [*names_in(node.subject), *captured]
                        self._merge([*names, *self._behind(node.subject)])
                    case ast.Try() | ast.TryStar():
                        raised = [h.name for h in node.handlers if h.name]
                        if raised:
                            self._merge([*raised, *(n for s in node.body for n in names_in(s))])
                    case ast.Call():
                        self._merge_call(node)
                    case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                        self._merge([node.name, *names_in(node)])
                    case ast.Lambda():
                        self._merge(names_in(node))

    def _behind(self, value: ast.expr) -> set[str]:
        """Names of what the value of an expression may be a part of, though it doesn't say so."""
        found: set[str] = set()
        for node in ast.walk(value):
            match node:
                case ast.Name(id=name, ctx=ast.Load()):
                    kind = self.kinds.get(name, "")
                    if self.program.functions.get(name) is not None:
                        found |= self.program.globals_of(name)
                        found |= {OUTSIDE} if self.inside_function else set()
                    elif kind.startswith("module:"):
                        top = kind.removeprefix("module:").partition(".")[0]
                        found |= set() if top in FRESH else {OUTSIDE}
                case ast.Call(func=ast.Name(id=name)) if name not in self.bound:
                    known = name in self.parameters or name in self.program.functions
                    if known or (name in BUILTINS and not self._rebound(name)):
                        continue
                    module = self.program.imported.get(name, ("",))[0].partition(".")[0]
                    found |= set() if module in FRESH else {OUTSIDE}
        return found

    def _merge_into(self, target: ast.expr, value: ast.expr) -> None:
        kind = self.kind(value, self.kinds)
        if kind == "atom" or (kind in ("atoms", "pairs") and self._fresh(value)):
            return
        self._merge([*names_in(target), *names_in(value), *self._behind(value)])

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
        behind = self._behind(node.func)
        arguments = [*node.args, *(k.value for k in node.keywords)]
        names = [n for a in arguments for n in names_in(a)]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in READERS:
                return
            if all(self.kind(a, self.kinds) == "atom" for a in arguments):
                return
            names += names_in(node.func.value)
        self._merge([*names, *behind])

    def _library(self, function: ast.expr) -> bool:
        """Whether it is a function of a library that is known to change nothing."""
        if isinstance(function, ast.Name):
            known = self.program.imported.get(function.id)
            if known is None or function.id in self.bound or function.id in self.parameters:
                return False
            return known[0] in LIBRARY_MODULES or known in LIBRARY
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
            return False
        kind = self.kinds.get(function.value.id, "")
        if not kind.startswith("module:"):
            return False
        module = kind.removeprefix("module:")
        if module == "logging" and function.attr in LOGGING:
            return self.program.logs_quietly
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


def _rest(kind: str) -> str:
    """What is bound to the starred target of an unpacking."""
    return {"atoms": "atoms", "": ""}.get(kind, "?")


def _outside_comprehensions(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    todo = list(body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, COMPREHENSIONS):
            todo.append(node.generators[0].iter)
        else:
            todo += ast.iter_child_nodes(node)
