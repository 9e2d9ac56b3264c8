"""Names after a statement → which objects below them differ from what they were before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Set

from linea.capture.budget import Budget
from linea.capture.objects import MIXED, NOTHING, Graph, Reach
from linea.capture.scope import Scope

LEAST = 0.02
"""Seconds that a walk which was begun may take in any case."""


class Look:
    """One round of comparing: each name is looked at once, as far as the budget goes."""

    def __init__(
        self, scope: Scope, budget: Budget, bound: set[str], steps: int, *, spared: bool = False
    ) -> None:
        """`spared`: the statement wrote to no large buffer."""
        self.changed: set[int] = set()
        """Keys of objects that differ, or weren't compared."""
        self.visited: set[int] = set()
        """Keys of objects that are below the names looked at."""
        self.printed: set[int] = set()
        """Keys of objects that were compared."""
        self.blurred = False
        """Some were too large to compare, and count as changed."""
        self._scope = scope
        self._graph = scope.graph
        self._budget = budget
        self._bound = bound
        self._steps = steps
        self._spared = spared
        self._done: set[str] = set()
        self._crossed: set[str] = set()
        self._began = time.thread_time()
        self._unlinked: dict[str, set[int]] = {}
        """Links of names that were bound anew, or changed by an operator such as `+=`."""

    def at(self, names: Iterable[str]) -> None:
        """Compare what is below `names`."""
        namespace = self._scope.namespace
        for name in sorted(n for n in names if n not in self._done and n in namespace):
            self._done.add(name)
            self._at(name)

    def below(self, names: set[str]) -> None:
        """Compare what is below `names` and below the names that their functions read."""
        done: set[str] = set()
        while todo := self._scope.closure(names) - done:
            self.at(todo)
            done |= todo

    def _at(self, name: str) -> None:
        is_bound = name in self._bound
        if is_bound:
            self._unlinked[name] = self._graph.links.pop(name, set())
        # What this round has taken isn't booked yet; many names that each cost little cost much.
        allowance = self._budget.allowance(self._steps)
        spent = time.thread_time() - self._began
        if not is_bound and spent > max(allowance, LEAST):
            self._blur(name)
            return
        if not is_bound and not self._budget.affords(name, allowance):
            self._blur(name)
            return
        started = time.thread_time()
        seen = self._graph.look(name, started + max(allowance, LEAST), spared=self._spared)
        if not (self._spared or is_bound):  # neither tells what comparing would cost
            self._budget.spent(name, time.thread_time() - started)
        self.changed |= seen.changed
        self.printed |= seen.printed
        self.blurred |= seen.blurred
        self.visited |= self._graph.reach.get(name, NOTHING).keys
        self._share(seen.suspects)

    def across(self, names: Iterable[str]) -> None:
        """Follow the links of `names`, whose objects changed, to what may share these unseen."""
        for name in names:
            links = self._graph.links.get(name, set()) | self._unlinked.get(name, set())
            self._share(self._graph.holders(k for k in links if k < MIXED) - {name})

    def _share(self, names: Set[str]) -> None:
        """Compare `names`, which may hold what changed; take what can't be compared as changed."""
        graph = self._graph
        for name in names - self._crossed:
            self._crossed.add(name)
            reach = graph.reach.get(name, NOTHING)
            if reach.cut:
                self.blurred = True
                self.changed |= {key for key in reach.keys if key > MIXED}
            else:
                self.at([name])

    def _blur(self, name: str) -> None:
        """Take all that is known to be below `name` to have changed."""
        self.blurred = True
        keys = self._graph.reach.get(name, NOTHING).keys
        self.changed |= keys
        self.visited |= keys
        self.printed |= keys


def unseen(graph: Graph, before: Mapping[str, Reach], names: Iterable[str]) -> set[int]:
    """Keys of what is below `names` and can't be seen, now or `before`."""
    found: set[int] = set()
    for name in names:
        for reach in (before, graph.reach):
            below = reach.get(name, NOTHING)
            found |= below.keys if below.cut else below.opaque
        found |= {key for key in graph.links.get(name, ()) if key > MIXED}
    return found
