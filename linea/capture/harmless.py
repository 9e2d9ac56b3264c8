"""A statement's text and the types of what it reads → proof that it changes nothing.

The proofs are shallow: where none is found, the objects are looked at.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterable

from linea.capture.objects import NOTHING
from linea.capture.rules import CONSUMING, CONTAINERS, LOOKS, PURE_BUILTINS
from linea.capture.running import Running
from linea.capture.scope import Scope, is_quiet_type
from linea.capture.source import Uses
from linea.capture.walk import ATOMS, IMMUTABLE, is_a

_READING = frozenset({"call", "attribute", "operator", "subscript", "iterate"})
_COMPUTING = frozenset({"operator", "subscript", "subscript store"})
_BODIES = (ast.ClassDef, ast.FunctionDef, ast.For, ast.While)
_NUMBERS = frozenset({int, float, complex, bool, type(None)})


def is_harmless(running: Running, scope: Scope) -> bool:
    """Whether rules alone show that the statement changes no object."""
    uses = running.uses
    if uses.attribute_stores or uses.writes_items or uses.deferred or uses.code_in_text:
        return False
    if not uses.effects <= _READING or uses.raises or isinstance(running.node, _BODIES):
        return False
    if running.indirect or _prints_to_file(uses):
        return False
    return _calls_pure_builtins(uses, scope) and all(_is_safe_to_read(n, scope) for n in uses.loads)


def _calls_pure_builtins(uses: Uses, scope: Scope) -> bool:
    """Whether everything called is a builtin that changes nothing, under its own name."""
    methods = any(len(chain) > 1 and chain[-1] in uses.calls for chain in uses.chains)
    shadowed = any(name in scope.namespace or _is_patched(name) for name in uses.calls)
    return uses.calls <= PURE_BUILTINS and not methods and not shadowed


def _is_patched(name: str) -> bool:
    """Whether the builtin `name` isn't Python's own."""
    value = vars(builtins).get(name)
    return not is_a(value, (types.BuiltinFunctionType, type)) or value.__module__ != "builtins"


def _prints_to_file(uses: Uses) -> bool:
    return "print" in uses.calls and "file" in uses.keywords


def _is_safe_to_read(name: str, scope: Scope) -> bool:
    """Whether nothing that a builtin or an operator does to `name` can change what is below it."""
    if name not in scope.namespace and name in PURE_BUILTINS:
        return True
    kind = type(scope.namespace.get(name))
    if kind in CONTAINERS:
        return scope.is_plain(name)
    if kind in ATOMS or kind in IMMUTABLE:
        return not scope.graph.reach.get(name, NOTHING).opaque
    return is_quiet_type(kind)


def only_computes(uses: Uses, scope: Scope) -> bool:
    """Whether it only computes with atoms and built-in containers: no state outside is near."""
    if not uses.effects <= _COMPUTING or uses.raises or uses.modules:
        return False
    for name in uses.loads:
        kind = type(scope.namespace.get(name))
        if kind not in ATOMS and not (kind in CONTAINERS and scope.is_plain(name)):
            return False
    return True


def only_looks(running: Running) -> bool:
    """Whether it leaves alone even what can't be seen: iterators, handles, C objects."""
    uses = running.uses
    if (
        running.indirect
        or _prints_to_file(uses)
        or any(map(_is_patched, uses.calls & PURE_BUILTINS))
    ):
        return False
    if uses.calls and uses.calls <= PURE_BUILTINS and not _iterates(uses):
        return True
    if uses.calls and uses.calls <= LOOKS and not uses.writes_items:
        return True
    return uses.effects <= {"attribute"}


def _iterates(uses: Uses) -> bool:
    return bool(uses.calls & CONSUMING or uses.effects & {"iterate", "with", "operator"})


def is_text_free(names: Iterable[str], scope: Scope, constants: tuple[str, ...]) -> bool:
    """Whether none of `names` holds text other than `constants`."""
    return all(_holds_no_text(scope.namespace.get(name), constants) for name in names)


def _holds_no_text(value: object, constants: tuple[str, ...]) -> bool:
    kind = type(value)
    if kind in _NUMBERS or (kind is str and value in constants):
        return True
    dtype = getattr(value, "dtype", None) if kind.__name__ == "ndarray" else None
    return dtype is not None and dtype.kind in "iufcb"
