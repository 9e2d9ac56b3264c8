"""What a session is watched with: one instrument for each kind of evidence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from linea.capture.bindings import Bindings
from linea.capture.budget import Budget
from linea.capture.drawing import Figures
from linea.capture.filing import Filing
from linea.capture.hidden import Hidden
from linea.capture.imports import UserModules
from linea.capture.objects import Graph
from linea.capture.scope import Scope


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
