"""Calls and assignments that nothing shows → packages and objects they may have changed."""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections.abc import Sequence
from datetime import tzinfo

from linea.capture.objects import NOTHING
from linea.capture.rules import (
    DESCRIPTORS,
    OWN_DATABASE,
    PURE_BUILTINS,
    SETTER,
    SILENT_CALLS,
    STANDARD,
)
from linea.capture.running import Running
from linea.capture.scope import Scope, called_name, is_quiet_type
from linea.capture.source import Uses, chain_of
from linea.capture.walk import address, is_a

_PATCHING = frozenset({"setattr", "delattr", "reload"})
_PATCHING_CLASSES = _PATCHING | {"patch", "object"}
_ASKING = ("get", "is", "has", "assert", "check")


def patched(uses: Uses, scope: Scope) -> set[int]:
    """Addresses of modules and classes of libraries that a statement assigns attributes of."""
    owners = [scope.resolve(chain[:-1]) for chain in uses.attribute_stores]
    found = {address(o) for o in owners if is_a(o, types.ModuleType) or is_a(o, type)}
    if not uses.calls & _PATCHING_CLASSES:
        return found
    for value in map(scope.namespace.get, uses.loads):
        if is_a(value, type) or (uses.calls & _PATCHING and _is_patchable(value)):
            found.add(address(value))
    return found


def _is_patchable(value: object) -> bool:
    return is_a(value, types.ModuleType) and value.__name__ not in ("importlib", "builtins")


def packages_written(
    running: Running, scope: Scope, *, visible: bool, state: bool, mutated: bool
) -> set[str]:
    """Packages whose inner state a statement may have changed though nothing shows.

    `visible`: it did something that shows; `state`: it changed hidden state; `mutated`: it changed
    objects of names.
    """
    # Of a setting whose change was seen, its package needs no guess.
    assigned = set() if state else _packages_assigned(running.uses, scope)
    called = _Calls(running, scope, visible=visible, state=state).packages(mutated)
    called |= _databases_written(running.uses, scope)
    return (assigned | called) - {"__main__", "builtins"} | (assigned & {"builtins"})


def uses_descriptors(uses: Uses, scope: Scope) -> bool:
    """Whether a statement works on what the system keeps under a number."""
    return any(
        chain[-1] in DESCRIPTORS
        and chain[-1] in uses.calls
        and getattr(scope.resolve(chain), "__module__", None) in ("posix", "nt", "os")
        for chain in uses.chains
    ) or any(
        getattr(scope.namespace.get(name), "__module__", None) in ("posix", "nt", "os")
        for name in uses.loads & uses.calls & DESCRIPTORS
    )


def _databases_written(uses: Uses, scope: Scope) -> set[str]:
    """Packages with a database of their own that calls of the module's functions work on."""
    found = {
        name
        for chain in uses.chains
        if len(chain) == 2 and chain[1] in uses.calls
        for value in [scope.namespace.get(chain[0])]
        if is_a(value, types.ModuleType) and (name := value.__name__) in OWN_DATABASE
    }
    if found and uses.strings and all(map(_QUERY.match, uses.strings)):
        return set()
    return found


_QUERY = re.compile(
    r"\s*(select|from|with|describe|show|summarize|explain|values)\b", re.IGNORECASE
)


def code_given(uses: Uses, scope: Scope) -> set[str]:
    """Names of the user's own code that a statement passes on: whoever got it may run it later."""
    methods = {
        chain[0]
        for chain in uses.chains
        if len(chain) > 1
        and chain[-1] not in uses.calls
        and not is_quiet_type(type(scope.namespace.get(chain[0])))
    }
    given = {n for n in uses.loads if n in methods or _is_code(n, scope)}
    late = {n for n in uses.deferred if n in scope.namespace or not hasattr(builtins, n)}
    return {n for n in given | late if not is_a(scope.namespace.get(n), types.ModuleType)}


def _is_code(name: str, scope: Scope) -> bool:
    value = scope.namespace.get(name)
    if is_a(value, (types.FunctionType, types.MethodType, types.BuiltinMethodType)):
        return True
    kind = value if is_a(value, type) else type(value)
    return kind.__module__ == "__main__" or bool(scope.graph.reach.get(name, NOTHING).names)


def packages_given_code(mutated: set[str], scope: Scope) -> set[str]:
    """Packages of Python's own that keep code of the user's in objects that lead to other ones.

    Such objects can often be had by name anywhere: `logging.getLogger("app")`.
    """
    kinds = (type(scope.namespace.get(name)) for name in mutated)
    return ({_top(k.__module__) for k in kinds} & STANDARD) - {"builtins", "collections"}


def time_zones(names: set[str], scope: Scope) -> set[str]:
    """Those of `names` that are the user's own classes of time zones: times ask them, unseen."""
    values = ((name, scope.namespace.get(name)) for name in names)
    return {n for n, v in values if is_a(v, type) and issubclass(v, tzinfo) and _is_code(n, scope)}


def _packages_assigned(uses: Uses, scope: Scope) -> set[str]:
    """Packages whose modules or classes have attributes assigned."""
    roots = map(scope.namespace.get, uses.writes_items)
    found = {_top(v.__name__) for v in roots if is_a(v, types.ModuleType)}
    for chain in uses.attribute_stores:
        owner = scope.resolve(chain[:-1])
        if is_a(owner, types.ModuleType):
            found.add(_top(owner.__name__))
        elif is_a(owner, type):
            found.add(_top(owner.__module__))
    return found


class _Calls:
    """The calls of one statement, and what they may have done inside their packages."""

    def __init__(self, running: Running, scope: Scope, *, visible: bool, state: bool) -> None:
        self.node = running.node
        self.uses = running.uses
        self.scope = scope
        self.gave_value = running.gave_value
        self.discarded = isinstance(running.node, ast.Expr) and not visible
        self.let_go = _let_go(running.node) if self.discarded else frozenset()
        """Attribute chains of calls whose own value is thrown away: not those inside `print(..)`."""
        self.gives_code = bool(code_given(running.uses, scope)) if self.discarded else False
        # A setting whose change was seen needs no guess.
        self.setters = set() if state else {c for c in self.uses.calls if self._is_setter(c)}

    def _is_setter(self, name: str) -> bool:
        """Whether a call's name says that it sets something: `load_` and `add_` may give a value."""
        if name.startswith("load_") or (name.startswith("add_") and self._gives_table(name)):
            return not self.gave_value and any(c[-1:] in ((), (name,)) for c in self.let_go)
        return bool(SETTER.match(name))

    def _gives_table(self, name: str) -> bool:
        """Whether what `name` gives is used in an expression, or bound and a table or an array."""
        match self.node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call) if (
                called_name(call) == name
            ):
                return is_quiet_type(type(self.scope.namespace.get(target)))
            case ast.Assign(value=ast.Call()) | ast.Expr(value=ast.Call()):
                return True
        return False

    def packages(self, mutated: bool) -> set[str]:
        """Packages that the calls may have changed."""
        silent = SILENT_CALLS | PURE_BUILTINS
        if not self.setters and not (self.discarded and self.uses.calls - silent):
            return set()
        return self._by_chains(mutated) | self._by_setters() | self._by_functions()

    def _by_chains(self, mutated: bool) -> set[str]:
        """Packages of modules and objects that methods were called of."""
        found: set[str] = set()
        setting = _chains_to_calls(self.node, self.setters)  # `module.get("x").set(1)`
        for chain in self.uses.chains:
            if chain[-1] not in self.uses.calls and not self.setters:
                continue
            value = self.scope.namespace.get(chain[0])
            if is_a(value, types.ModuleType):
                keeps = self.gives_code and _top(value.__name__) in STANDARD
                if (
                    chain in setting
                    or chain[-1] in self.setters
                    or keeps
                    or (chain in self.let_go and self._may_set(chain))
                ):
                    found.add(_top(value.__name__))
            elif chain[-1] in self.setters and value is not None and not mutated:
                kind = value if is_a(value, type) else type(value)
                harmless = is_a(value, types.FunctionType) or is_quiet_type(kind)
                if chain in self.let_go and not harmless:
                    found.add(_top(kind.__module__))
        return found

    def _by_setters(self) -> set[str]:
        """Packages of imported functions whose names say that they set something."""
        found: set[str] = set()
        for name in self.uses.calls & self.uses.loads & self.setters:
            value = self.scope.namespace.get(name)
            module = getattr(value, "__module__", None) if callable(value) else None
            if isinstance(module, str):
                found.add(_top(module))
        return found

    def _by_functions(self) -> set[str]:
        """Packages that the user's own functions may set something of."""
        if not self.discarded:
            return set()
        found: set[str] = set()
        for name in self.uses.loads & self.uses.calls:
            value = self.scope.namespace.get(name)
            if is_a(value, types.FunctionType) and value.__globals__ is self.scope.globals:
                reach = self.scope.graph.reach.get(name, NOTHING)
                if any(SETTER.match(word) for word in reach.mentions):
                    modules = map(self.scope.namespace.get, reach.names)
                    found |= {_top(m.__name__) for m in modules if is_a(m, types.ModuleType)}
        return found

    def _may_set(self, chain: Sequence[str]) -> bool:
        """Whether a discarded call of a library may have been made for its invisible effect."""
        if chain[-1] in SILENT_CALLS or chain[-1].startswith(_ASKING):
            return False
        return not self.gave_value


def _let_go(node: ast.stmt) -> frozenset[tuple[str, ...]]:
    """Chains that lead to the calls of an expression statement whose values nobody gets."""
    found: set[tuple[str, ...]] = set()
    todo: list[ast.AST] = [node.value] if isinstance(node, ast.Expr) else []
    while todo:
        match todo.pop():
            case ast.Call(func=function):
                found |= _chains_to(function)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
                todo += parts
            case ast.ListComp(elt=part) | ast.SetComp(elt=part) | ast.GeneratorExp(elt=part):
                todo.append(part)
            case ast.IfExp(body=one, orelse=other):
                todo += [one, other]
            case ast.Await(value=part) | ast.Starred(value=part) | ast.NamedExpr(value=part):
                todo.append(part)
    return frozenset(found)


def _chains_to_calls(node: ast.stmt, names: set[str]) -> set[tuple[str, ...]]:
    """Chains on the way to the calls of `names` in a statement."""
    calls = (n for n in ast.walk(node) if isinstance(n, ast.Call)) if names else ()
    return set().union(*(_chains_to(c.func) for c in calls if called_name(c) in names))


def _chains_to(function: ast.expr) -> set[tuple[str, ...]]:
    """All attribute chains on the way to what is called: `a.b` and `a` of `a.b(1).c`."""
    found: set[tuple[str, ...]] = set()
    node = function
    while True:
        match node:
            case ast.Name() | ast.Attribute(value=ast.Name() | ast.Attribute()):
                found.add(chain_of(node))
                if isinstance(node, ast.Name):
                    return found
                node = node.value
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                node = inner
            case _:
                return found


def _top(module: str) -> str:
    return module.partition(".")[0]
