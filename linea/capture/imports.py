"""Loaded modules → which are the user's own, which a statement loaded, which it reaches."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from typing import Any

from linea.capture.source import Uses
from linea.capture.walk import is_a

DEPTH = 4
"""How many packages deep submodules are followed."""

_MAIN = ("__main__", "__mp_main__")


class UserModules:
    """Tells modules of the user's own project from libraries."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._libraries = _library_folders()

    def own(self, name: str) -> bool:
        """Whether `name` is a module of the user's own project."""
        known = self._known.get(name)
        if known is not None:
            return known
        module = sys.modules.get(name)
        if module is None:
            return False
        if getattr(module, "__file__", None) is None and getattr(module, "__spec__", 1) is None:
            return name not in _MAIN  # made by hand
        self._known[name] = own = self._is_own(name, getattr(module, "__file__", None))
        return own

    def runs_own(self, name: str) -> bool:
        """Whether loading `name` ran code of the user's: modules made by hand have no code."""
        return getattr(sys.modules.get(name), "__file__", None) is not None and self.own(name)

    def _is_own(self, name: str, file: object) -> bool:
        return (
            isinstance(file, str)
            and name.partition(".")[0] not in ("linea", *_MAIN)
            and not os.path.abspath(file).startswith(self._libraries)
            and "site-packages" not in file
            and "dist-packages" not in file
        )

    def loaded_since(self, count: int) -> set[str]:
        """Submodules and modules of the user's own that were loaded after the first `count`."""
        if len(sys.modules) == count:
            return set()
        return {n for n in list(sys.modules)[count:] if "." in n or self.own(n)}


def source_file(name: str) -> str | None:
    """The absolute path of the file that the loaded module `name` was read from."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return os.path.abspath(file) if isinstance(file, str) else None


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(os.path.abspath(p) + os.sep for p in found)


def is_library(file: str) -> bool:
    """Whether a file of code belongs to Python, to an installed package or to linea."""
    path = os.path.abspath(file)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    scripts = os.path.dirname(sys.executable)
    if path.startswith((*_library_folders(), own + os.sep, scripts + os.sep)):
        return True
    return "site-packages" in path or "dist-packages" in path


def submodules_read(
    namespace: dict[str, Any], names: Iterable[str], mentions: set[str], written: set[str]
) -> set[str]:
    """Dotted names of modules that are reached as attributes of packages among `names`.

    Without those that a package loads itself when asked for them, unless they were `written` to.
    """
    found: set[str] = set()
    served: set[str] = set()
    for name in names:
        value = namespace.get(name)
        if is_a(value, types.ModuleType):
            _descend(value, mentions, found, served, 0)
    return found - (served - written)


def _descend(
    module: types.ModuleType, mentions: set[str], found: set[str], served: set[str], depth: int
) -> None:
    inner = vars(module)
    for attribute in mentions:
        part = inner.get(attribute)
        if not is_a(part, types.ModuleType) or part.__name__ in found:
            continue
        if depth < DEPTH and part.__name__.startswith(module.__name__ + "."):
            found.add(part.__name__)
            if serves(module, attribute):
                served.add(part.__name__)
            _descend(part, mentions, found, served, depth + 1)


def serves(package: types.ModuleType, name: str) -> bool:
    """Whether a package says that it has `name`, and makes what it has when it is asked for it."""
    inner = vars(package)
    public = inner.get("__all__")
    return "__getattr__" in inner and is_a(public, (list, tuple)) and name in list(public)


IMPORTING = frozenset({"import_module", "__import__", "reload"})


def writes_loaded(uses: Uses, namespace: dict[str, Any]) -> bool:
    """Whether a statement puts something into `sys.modules`, or takes it out."""
    direct = any(c[1:2] == ("modules",) and namespace.get(c[0]) is sys for c in uses.chains) or (
        "modules" in uses.loads and namespace.get("modules") is sys.modules
    )
    return direct and bool(uses.writes_items or uses.calls & _REPLACING)


def may_name(text: object) -> bool:
    """Whether `text` can be the dotted name of a module."""
    return isinstance(text, str) and all(part.isidentifier() for part in text.split("."))


_REPLACING = frozenset({"pop", "update", "setdefault", "clear", "popitem", "patch", "dict"})


def packages_extended(node: ast.stmt) -> set[str]:
    """Names that `import a.b` binds to a package it adds a module to."""
    if not isinstance(node, ast.Import):
        return set()
    return {a.name.split(".")[0] for a in node.names if "." in a.name and not a.asname}
