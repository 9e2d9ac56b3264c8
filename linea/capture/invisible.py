"""Calls and assignments that nothing shows → packages and objects they may have changed."""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections.abc import Sequence

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
from linea.capture.scope import Scope
from linea.capture.source import Uses
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
    methods = {chain[0] for chain in uses.chains if len(chain) > 1 and chain[-1] not in uses.calls}
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
    return {_top(k.__module__) for k in kinds if k.__module__ != "builtins"} & STANDARD


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
        self.uses = running.uses
        self.scope = scope
        self.gave_value = running.gave_value
        self.discarded = isinstance(running.node, ast.Expr) and not visible
        self.gives_code = bool(code_given(running.uses, scope)) if self.discarded else False
        # A setting whose change was seen needs no guess.
        self.setters = set() if state else {c for c in self.uses.calls if SETTER.match(c)}

    def packages(self, mutated: bool) -> set[str]:
        """Packages that the calls may have changed."""
        silent = SILENT_CALLS | PURE_BUILTINS
        if not self.setters and not (self.discarded and self.uses.calls - silent):
            return set()
        return self._by_chains(mutated) | self._by_setters() | self._by_functions()

    def _by_chains(self, mutated: bool) -> set[str]:
        """Packages of modules and objects that methods were called of."""
        found: set[str] = set()
        ends = {chain[-1] for chain in self.uses.chains} | self.uses.loads
        floating = self.setters - ends  # `module.get("x").set(1)`
        for chain in self.uses.chains:
            if chain[-1] not in self.uses.calls and not self.setters:
                continue
            value = self.scope.namespace.get(chain[0])
            if is_a(value, types.ModuleType):
                keeps = self.gives_code and _top(value.__name__) in STANDARD
                if (
                    floating
                    or chain[-1] in self.setters
                    or keeps
                    or (self.discarded and self._may_set(chain))
                ):
                    found.add(_top(value.__name__))
            elif chain[-1] in self.setters and value is not None and not mutated:
                kind = value if is_a(value, type) else type(value)
                if self.discarded and not is_a(value, types.FunctionType):
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
            if is_a(value, types.FunctionType) and value.__globals__ is self.scope.namespace:
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


def _top(module: str) -> str:
    return module.partition(".")[0]
