"""The user's namespace before and after a statement → the names it bound and unbound."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from linea.capture.library_types import is_immutable_of_library
from linea.capture.rules import NOISE
from linea.capture.source import Uses
from linea.capture.walk import ATOMS, IMMUTABLE, address

LONG = 4096
"""Texts longer than this aren't kept alive to be compared."""

_UNBOUND = object()

# Their `repr` says nothing of their content, or runs for long.
_UNREPEATED = frozenset({types.CodeType, types.FrameType, types.TracebackType})


class Bindings:
    """What each global name was bound to when last looked at."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._known: dict[str, Any] = {}

    def take(self, name: str, value: object) -> None:
        """`name` has been bound to `value` all along."""
        self._known[name] = _identity(value)

    def changes(self, uses: Uses, *, completed: bool) -> tuple[set[str], set[str]]:
        """Names that a statement bound, and names that it unbound."""
        bound, unbound = self._bound(), self._unbound()
        if completed:
            # Rebinding a name to what it was bound to before doesn't show.
            bound |= {n for n in uses.stores if n in self.namespace}
            unbound |= {n for n in uses.deletes if n not in self.namespace}
        return bound, unbound

    def _bound(self) -> set[str]:
        known = self._known
        bound: set[str] = set()
        for name, value in list(self.namespace.items()):
            before = known.get(name, _UNBOUND)
            if before is value:
                continue  # an atom that is kept alive: the very same one
            now = _identity(value)
            if before is _UNBOUND or type(before) is not type(now) or before != now:
                if name in NOISE or (name.startswith("_i") and name[2:].isdigit()):
                    continue
                bound.add(name)
                known[name] = now
        return bound

    def _unbound(self) -> set[str]:
        unbound = {n for n in self._known if n not in self.namespace}
        for name in unbound:
            del self._known[name]
        return unbound


def _identity(value: object) -> Any:
    """What tells a binding from another: small atoms by themselves, other objects by address.

    Atoms are kept alive, so the same address is the same atom; of anything else no reference is
    kept, and a `_Ref` can't be mistaken for an atom.
    """
    kind = type(value)
    if kind in ATOMS:
        if kind in (str, bytes) and len(value) > LONG:  # type: ignore[arg-type]  # it has a length
            return _Ref((address(value), hash(value)))
        return _Atom((value,)) if kind is float or kind is complex else value
    if kind in IMMUTABLE and kind not in _UNREPEATED:
        return _Ref((address(value), repr(value)))
    return _Ref((address(value), _content(value, kind)))


def _content(value: Any, kind: type) -> object:
    """What a scalar of a library holds: a new one is often made where the last one was."""
    shown = _shown_by(kind)
    return None if shown is None else (kind, shown(value))


@lru_cache(maxsize=1024)
def _shown_by(kind: type) -> Callable[[Any], object] | None:
    """What gives the content of a scalar of numpy or pandas; None for all other objects."""
    package = kind.__module__.partition(".")[0] if isinstance(kind.__module__, str) else ""
    if package not in ("numpy", "pandas") or not is_immutable_of_library(kind, package):
        return None
    if package == "pandas":
        return repr
    return kind.tobytes if hasattr(kind, "tobytes") else None


class _Ref(tuple[Any, ...]):
    """A binding to an object that isn't kept alive."""

    __slots__ = ()


class _Atom(tuple[Any, ...]):
    """A number compared by its text: -0.0 isn't 0.0, and nan is nan."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Atom) and repr(self[0]) == repr(other[0])

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # a tuple has one, what equals by text has none
