"""Names of the user's namespace → what they lead to: other names, packages, objects, texts."""

from __future__ import annotations

import ast
import builtins
import io
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from linea.capture.objects import NOTHING, Graph
from linea.capture.rules import CONTAINERS, NOISE, QUIET_TYPES
from linea.capture.source import TEXT_IS_CODE, Uses, identifiers
from linea.capture.walk import ATOMS, PATHS, is_a
from linea.slicing import BlockFacts

_ANY_NAME = frozenset({"globals", "locals", "vars", "exec", "eval", "get_ipython", "dir"})

MANY = 100_000
"""Containers with more items than this aren't searched for what they hold."""


MANAGERS = frozenset(
    {io.StringIO, io.BytesIO, io.TextIOWrapper, io.BufferedReader, io.BufferedWriter}
)
"""Types that `with` may be given, which let exceptions pass and don't care what its body does."""


class Scope:
    """The names of a session, with what is known of the objects below them."""

    def __init__(self, namespace: dict[str, Any], graph: Graph) -> None:
        self.namespace = namespace
        self.globals = namespace
        """The user's own globals; the names may be more, see `Instruments.use`."""
        self.graph = graph

    def closure(self, names: Iterable[str]) -> set[str]:
        """`names`, and every name that functions below them read when they are called."""
        found: set[str] = set()
        todo = list(names)
        reach = self.graph.reach
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            below = reach.get(name)
            if below is not None:
                todo += below.names - found
                if below.reads_all:
                    todo += set(self.namespace) - NOISE - found
        return found

    def read(self, node: ast.stmt, uses: Uses) -> set[str]:
        """Names that a statement reads, those read by functions that it can call included."""
        found = set(uses.loads)
        if uses.code_in_text:
            texts = [*uses.strings, *self.texts(uses.loads)]
            found |= {n for n in identifiers(texts) if n in self.namespace}
            if self._runs_unknown_text(node):
                found |= set(self.namespace) - NOISE
        return self.closure(found | uses.outputs)

    def read_by_script(self, path: str) -> set[str]:
        """Names that the script at `path` may read when it runs on the names of the session."""
        try:
            words = identifiers([Path(path).read_text(encoding="utf-8")])
        except (OSError, ValueError):
            return set(self.namespace) - NOISE
        if words & _ANY_NAME:
            return set(self.namespace) - NOISE
        return self.closure(words & self.namespace.keys())

    def texts(self, names: Iterable[str]) -> list[Any]:
        """Texts and paths that `names` are bound to."""
        values = (self.namespace.get(n) for n in names)
        return [v for v in values if type(v) is str or type(v) in PATHS]

    def _runs_unknown_text(self, node: ast.stmt) -> bool:
        """Whether a statement runs code that is neither spelled out in it nor held by a name."""
        return any(
            called_name(call) in TEXT_IS_CODE and call.args and not self._is_text(call.args[0])
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
        )

    def _is_text(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return isinstance(self.namespace.get(node.id), str)
        return isinstance(node, ast.Constant)

    def packages(self, names: Iterable[str]) -> set[str]:
        """Top-level packages that the objects below `names` come from."""
        found: set[str] = set()
        for name in names:
            found |= self.graph.reach.get(name, NOTHING).packages
            kind = type(self.namespace.get(name))
            if kind not in ATOMS and isinstance(kind.__module__, str):
                found.add(kind.__module__.partition(".")[0])
        return found - {"builtins", "__main__", "linea", "types"}

    def mentions(self, names: Iterable[str]) -> set[str]:
        """Attribute names in the code of functions below `names`."""
        found: set[str] = set()
        for name in names:
            found |= self.graph.reach.get(name, NOTHING).mentions
        return found

    def is_plain(self, name: str) -> bool:
        """Whether everything below `name` is of a built-in container type."""
        reach = self.graph.reach.get(name, NOTHING)
        return not (reach.packages or reach.opaque or reach.names or reach.cut or reach.modules)

    def resolve(self, chain: Sequence[str]) -> object:
        """What an attribute chain stands for, through modules and class dictionaries only."""
        if not chain:
            return None
        value = self.namespace.get(chain[0], vars(builtins).get(chain[0]))
        for name in chain[1:]:
            if is_a(value, types.ModuleType):
                value = vars(value).get(name)
            elif is_a(value, type):
                value = type.__dict__["__dict__"].__get__(value).get(name)
            else:
                return None
        return value

    def block_facts(self, uses: Uses) -> BlockFacts:
        """What is known of the names of a block that is about to run."""
        kinds: dict[str, str] = {}
        shares: dict[str, frozenset[str]] = {}
        for name in uses.loads | uses.stores | uses.maybe:
            if name not in self.namespace:
                continue
            kinds[name] = kind_of(self.namespace[name])
            reach = self.graph.reach.get(name)
            if reach is not None and reach.keys:
                shares[name] = frozenset(self.graph.holders(reach.keys) - {name})
        return BlockFacts(kinds, shares)


def kind_of(value: Any) -> str:
    """What `trimming` may know of a value: `atom`, `atoms`, `container`, `library`, `manager`,
    `module:x`."""
    kind = type(value)
    if kind in ATOMS:
        return "atom"
    if is_a(value, types.ModuleType):
        return f"module:{value.__name__}"
    if kind in CONTAINERS:
        items = [*value, *value.values()] if kind is dict else list(value)
        small = len(items) <= MANY
        return "atoms" if small and set(map(type, items)) <= ATOMS else "container"
    if kind in MANAGERS:
        return "manager"
    return "library" if is_quiet_type(kind) else "?"


def is_quiet_type(kind: type) -> bool:
    """Whether reading from a value of this type changes nothing."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in QUIET_TYPES


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called; empty when it has none."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""
