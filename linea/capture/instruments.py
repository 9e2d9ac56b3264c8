"""What a session is watched with: one instrument for each kind of evidence."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from linea.capture.bindings import Bindings
from linea.capture.budget import Budget
from linea.capture.drawing import Figures
from linea.capture.filing import Filing
from linea.capture.hidden import Hidden
from linea.capture.imports import UserModules
from linea.capture.looking import LEAST
from linea.capture.objects import Graph
from linea.capture.scope import Scope
from linea.capture.walk import address


class Instruments:
    """What they know lasts from statement to statement."""

    def __init__(self, namespace: dict[str, Any], root: Path, own_files: Iterable[str]) -> None:
        self.budget = Budget()
        self.modules = UserModules()
        self.graph = Graph(namespace, self.modules.own)
        self.scope = Scope(namespace, self.graph)
        self.bindings = Bindings(namespace)
        self.filing = Filing(root, own_files, self.graph)
        self.hidden = Hidden()
        self.figures = Figures()
        self.seeded: set[str] = set()
        """Random states that the session has seeded."""
        self.everywhere: set[str] = set()
        """Packages written to whose inner state can matter to any call."""
        self.modules_written: set[str] = set()
        """Dotted names of modules that statements have set attributes of."""
        self.modules_replaced = False
        """A statement has put a module into `sys.modules`, or taken one out."""
        self._finalizers: set[int] = set()
        """Addresses of those that `weakref.finalize` keeps."""
        self.finalizers()
        self._streams = (sys.stdout, sys.stderr)
        self.spawned: set[str] = set()
        """Names that tasks may go on with, whenever a later statement awaits something."""
        self.planted: dict[str, set[str]] = {}
        """By package, names of the user's code that it was given and may run at any time."""

    def use(self, namespace: dict[str, Any], cells: frozenset[str] = frozenset()) -> None:
        """Names are those of `namespace` from here on; functions may share those in `cells`."""
        self.graph.use(namespace, cells)
        self.scope.namespace = namespace
        self.bindings.namespace = namespace

    def finalizers(self) -> dict[int, set[str]]:
        """New ones made by `weakref.finalize`: by address of the object, the names they lead to."""
        registry: dict[Any, Any] = weakref.finalize._registry  # type: ignore[attr-defined]
        if not registry and not self._finalizers:
            return {}
        now = set(map(address, registry))
        found: dict[int, set[str]] = {}
        for finalizer in [f for f in registry if address(f) not in self._finalizers]:
            info = registry[finalizer]
            target = info.weakref()
            if target is None:
                continue
            parts = [info.func, *info.args, *(info.kwargs or {}).values()]
            walk = self.graph.walk(parts, time.thread_time() + LEAST)
            names = self.graph.holders(walk.keys) | (walk.names & self.graph.namespace.keys())
            if names:
                found.setdefault(address(target), set()).update(names)
        self._finalizers = now
        return found

    def redirected(self) -> set[int]:
        """Addresses of the objects that stand for standard output now and didn't at first."""
        now = (sys.stdout, sys.stderr)
        return {address(s) for s, first in zip(now, self._streams, strict=True) if s is not first}
