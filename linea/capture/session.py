"""Runs beside a session: joins the evidence on each executed statement and appends it to the trace."""

from __future__ import annotations

import ast
import builtins
import logging
import os
import sys
import time
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linea.capture import hidden, rules
from linea.capture.files import Files, Touched
from linea.capture.hidden import Facts, Hidden
from linea.capture.objects import ATOMS, IMMUTABLE, NOTHING, PATHS, Graph, Reach, address, is_a
from linea.capture.source import TEXT_IS_CODE, Uses, identifiers, uses
from linea.slicing import BlockFacts
from linea.model import Effects, Location, Statement, Step

logger = logging.getLogger("linea.capture")
logger.addHandler(logging.NullHandler())
logger.propagate = False

SHARE = 0.03
"""The part of the user's own run time that capture may take …"""
FLOOR = 0.25
"""… on top of this many seconds in all …"""
STEP = 0.004
"""… and this many seconds a statement."""

NOISE = frozenset({
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__", "__builtin__",
    "__file__", "__cached__", "__annotations__", "In", "Out", "_ih", "_oh", "_dh", "_i", "_ii",
    "_iii", "exit", "quit", "get_ipython", "open",
})  # fmt: skip

_UNBOUND = object()

RANDOM = frozenset({"random", "numpy.random", "torch.random"})

BEFORE = "hidden:before linea was loaded"
"""Everything that statements did which ran unwatched: each later value may rest on it."""


def node_decorated(node: ast.stmt) -> bool:
    return bool(getattr(node, "decorator_list", None))


@dataclass(slots=True)
class _Open:
    """A statement that is running."""

    node: ast.stmt
    statement: Statement
    uses: Uses
    texts: tuple[str, ...]
    reads_all: bool
    started: float = 0.0
    overhead: float = 0.0
    modules: int = 0
    figure: object = None
    figures: tuple[int, ...] = ()
    named: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    artifacts: list[Any] = field(default_factory=list)
    saves: bool = False


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file as it was when a step read it."""

    path: str
    mtime_ns: int
    size: int


class Session:
    """The record of one session: what ran, in order, and what each statement did.

    `namespace` is the user's own dictionary of globals; it is only read.
    """

    def __init__(self, namespace: dict[str, Any], *, root: Path, source: str = "") -> None:
        self.namespace = namespace
        self.root = root
        self.source = source
        self.text = ""
        self.inputs: dict[int, str] = {}
        """Sources of a notebook's cells by execution count."""
        """Source of the script; a notebook's Watcher knows its own."""
        self.steps: list[Step] = []
        self.open: _Open | None = None
        self.notes: list[str] = []
        self.artifacts: dict[int, list[Any]] = {}
        """Versions loaded by `linea.get`, by step."""
        self.file_reads: dict[int, list[FileRead]] = {}
        self.file_writes: dict[int, list[str]] = {}
        self.packages: dict[int, frozenset[str]] = {}
        self.network: set[int] = set()
        self.user_seconds = 0.0
        self.own_seconds = 0.0
        self.paused = False
        self._user_modules: dict[str, bool] = {}
        self._folders = _library_folders()
        self.graph = Graph(namespace, self.is_user_module)
        self.files = Files(root, own={str(root / source)} if source else set())
        self.hidden = Hidden()
        self._bound: dict[str, Any] = {}
        self._costs: dict[str, float] = {}
        self._handles: dict[str, set[str]] = {}
        self._written_files: set[str] = set()
        self._made_folders: set[str] = set()
        self._stat: dict[str, FileRead] = {}
        self._everywhere: set[str] = set()
        self._figure_numbers: dict[int, int] = {}
        self._seeded: set[str] = set()
        self.blocks: dict[int, BlockFacts] = {}
        """What was known of names as compound statements began, by step."""
        self.user_classes = False
        self._snapshot()

    # ------------------------------------------------------------------------ one statement

    def before(self, node: ast.stmt, statement: Statement) -> None:
        """`statement` is about to run."""
        began = time.perf_counter()
        self.last_value = _UNBOUND
        try:
            self.open = self._open(node, statement)
        except Exception as error:
            self.fault("before a statement", error)
            self.open = _Open(node, statement, Uses(*(frozenset(),) * 5), (), True)
        self.open.overhead = time.perf_counter() - began
        self.files.start()
        self.open.started = time.perf_counter()

    def after(self, error: BaseException | None = None) -> None:
        """The statement has run, or raised `error`."""
        ended = time.perf_counter()
        events = self.files.pause()
        running, self.open = self.open, None
        if running is None:
            return
        seconds = ended - running.started
        self.user_seconds += seconds
        try:
            if self.idle:
                self.idle = False
                effects, assumed = Effects(), []
            elif running.saves and error is None:
                effects, assumed = self._saved(running), []
            else:
                effects, assumed = self._close(running, events, error, seconds)
        except Exception as fault:
            self.fault("after a statement", fault)
            effects, assumed = (
                self._everything(running),
                ("linea could not observe this statement",),
            )
        name = type(error).__name__ if error is not None else None
        step = Step(len(self.steps), running.statement, effects, seconds, name, tuple(assumed))
        if running.artifacts:
            self.artifacts[step.index] = running.artifacts
        self.steps.append(step)
        self.own_seconds += time.perf_counter() - ended + running.overhead

    def assume(self, node: ast.stmt, statement: Statement) -> None:
        """`statement` ran before the session was watched: take it to have done all it could."""
        found = uses(node)
        plain = found.inert or isinstance(
            node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        )
        reads = _locations(found.loads | ({BEFORE} if not plain else set()))
        binds = found.stores | {f"module:{m}" for m in found.modules}
        mutates = (
            set()
            if plain and not node_decorated(node)
            else found.loads | found.deferred | found.maybe | {BEFORE}
        )
        if "star" in found.effects:
            mutates |= {n for n in self.namespace if n not in NOISE}
        effects = Effects(reads, _locations(binds), _locations(mutates - binds))
        why = () if plain or found.inert else ("some statements ran before linea was loaded",)
        self.steps.append(Step(len(self.steps), statement, effects, 0.0, None, why))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is linea's own doing, not the running statement's."""
        mark = self.files.mark()
        try:
            yield
        finally:
            self.files.forget_since(mark)

    def only_saves(self) -> None:
        """The running statement does nothing but hand a value to linea."""
        if self.open is not None:
            self.open.saves = True

    def rejoin(self) -> None:
        """Statements ran unwatched: take every name to have been changed by what can't be repeated."""
        names = {n for n in self.namespace if n not in NOISE}
        _, unbound = self._bindings(Uses(*(frozenset(),) * 5), completed=False)
        for name in unbound:
            self.graph.forget(name)
        for name in names:
            self.graph.look(name, time.perf_counter() + 0.05)
        self.hidden.observe()
        note = "some statements ran while linea was paused"
        if note not in self.notes:
            self.notes.append(note)

    def close(self) -> None:
        """Stop watching."""
        self.paused = True
        self.files.close()

    def note_artifact(self, version: Any) -> None:
        """The running statement loaded `version` from the store."""
        if self.open is not None:
            self.open.artifacts.append(version)

    # ----------------------------------------------------------------------------- questions

    def criterion(self, names: Iterable[str]) -> set[Location]:
        """Everything that the values of `names`, as they are now, rest on."""
        found: set[str] = {BEFORE, *self._closure(names)}
        packages = self._packages(found) | {p for p in self._everywhere}
        found |= {f"package:{p}" for p in packages}
        if any(self.graph.reach.get(n, NOTHING).pyplot for n in found):
            held = {address(f) for f in hidden.figures()}
            for name in list(found):
                for key in self.graph.reach.get(name, NOTHING).opaque & held:
                    found.add(self._figure(key))
        return {Location(n) for n in found}

    def unseeded(self, step: Step, before: set[Location]) -> list[str]:
        """Random states that `step` draws from and that no step in `before` has seeded."""
        found = []
        for key in sorted(RANDOM):
            location = Location(f"hidden:{key}")
            if location in step.effects.mutates and location not in before:
                calls = (
                    uses(ast.parse(step.statement.source).body[0]).calls
                    if not step.error
                    else frozenset()
                )
                if not calls & rules.SEEDS:
                    found.append(f"the unseeded generator of {key.removesuffix('.random')}")
        return found

    def clocks(self, step: Step) -> list[str]:
        """Calls of `step` that give something else at every run."""
        try:
            tree = ast.parse(step.statement.source)
        except SyntaxError:
            return []
        found = []
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            if name == "time" and owner is not None and getattr(owner, "id", "") != "time":
                continue
            if name in rules.CLOCKS:
                found.append(f"the clock or the system ({name})")
            elif name in rules.GENERATORS and not node.args and not node.keywords:
                found.append(f"an unseeded generator ({name})")
        return found

    # --------------------------------------------------------------------------- beforehand

    def _open(self, node: ast.stmt, statement: Statement) -> _Open:
        found = uses(node)
        texts: list[str] = []
        reads_all = False
        if found.code_in_text:
            texts, reads_all = self._texts(node, found)
        running = _Open(node, statement, found, tuple(texts), reads_all)
        running.modules = len(sys.modules)
        if not found.inert:
            running.figures = tuple(map(address, hidden.figures()))
            running.figure = running.figures[-1] if running.figures else None
            running.named = self.files.named([*found.strings, *self._text_values(found.loads)])
            running.named |= self._handle_files(found.loads)
        running.reads = self._names_read(running)
        if isinstance(node, (ast.For, ast.While, ast.If, ast.With)):
            self.blocks[len(self.steps)] = self._block_facts(found)
        elif isinstance(node, ast.ClassDef):
            self.user_classes = True
        return running

    def _block_facts(self, found: Uses) -> BlockFacts:
        """What is known of the names of a block that is about to run."""
        kinds: dict[str, str] = {}
        shares: dict[str, frozenset[str]] = {}
        for name in found.loads | found.stores | found.maybe:
            if name not in self.namespace:
                continue
            value = self.namespace[name]
            kinds[name] = self._kind(value)
            reach = self.graph.reach.get(name)
            if reach is not None and reach.keys:
                shares[name] = frozenset(self.graph.holders(reach.keys) - {name})
        return BlockFacts(kinds, shares)

    def _kind(self, value: object) -> str:
        kind = type(value)
        if kind in ATOMS:
            return "atom"
        if is_a(value, types.ModuleType):
            return f"module:{value.__name__}"
        if kind in (list, tuple, set, dict):
            items: list[Any] = [*value, *value.values()] if is_a(value, dict) else list(value)  # type: ignore[call-overload]
            if len(items) > 100_000:
                return "container"
            return "atoms" if set(map(type, items)) <= ATOMS else "container"
        return "library" if f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in _QUIET_TYPES else "?"

    def _texts(self, node: ast.stmt, found: Uses) -> tuple[list[str], bool]:
        """Texts of a statement that may name variables, and whether some can't be known."""
        texts = [*found.strings, *self._text_values(found.loads)]
        unknown = False
        for call in ast.walk(node):
            if not isinstance(call, ast.Call):
                continue
            name = (
                call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            )
            if name in TEXT_IS_CODE and call.args:
                text = call.args[0]
                known = isinstance(text, ast.Constant) or (
                    isinstance(text, ast.Name) and isinstance(self.namespace.get(text.id), str)
                )
                unknown = unknown or not known
        return texts, unknown

    def _text_values(self, names: Iterable[str]) -> list[str]:
        return [
            v for v in (self.namespace.get(n) for n in names) if type(v) is str or type(v) in PATHS
        ]  # type: ignore[misc]

    def _handle_files(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            found |= self._handles.get(name, set())
            found |= {self.files.absolute(p) for p in self.graph.reach.get(name, NOTHING).files}
        return found

    def _names_read(self, running: _Open) -> set[str]:
        """Names that the statement reads, those read by functions it can call included."""
        found = set(running.uses.loads)
        found |= {n for n in identifiers(running.texts) if n in self.namespace}
        if running.reads_all:
            found |= set(self.namespace) - NOISE
        found |= {Location(o) for o in running.uses.outputs}
        return self._closure(found)

    def _closure(self, names: Iterable[str]) -> set[str]:
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

    # --------------------------------------------------------------------------- afterwards

    def _close(
        self,
        running: _Open,
        events: list[tuple[str, tuple[Any, ...]]],
        error: BaseException | None,
        seconds: float,
    ) -> tuple[Effects, list[str]]:
        found = running.uses
        index = len(self.steps)
        graph = self.graph
        assumed: list[str] = []
        bound, unbound = self._bindings(found, completed=error is None)
        touched = self.files.finish(events) if events or self.files.sees_c else Touched()

        reads = set(running.reads)
        # Functions bound to names by this very statement, or before it to names that changed.
        runs = not found.inert
        harmless = runs and self._harmless(running)
        old = {n: graph.reach.get(n, NOTHING) for n in reads | bound | unbound}
        for name in unbound:
            graph.forget(name)
            self._handles.pop(name, None)
        changed: set[int] = set()
        visited: set[int] = set()
        looked: set[str] = set()
        blurred = False

        def look(names: Iterable[str], *, must: bool = False) -> None:
            nonlocal blurred
            for name in sorted(n for n in names if n not in looked and n in self.namespace):
                looked.add(name)
                known = graph.reach.get(name, NOTHING)
                if name in bound:
                    graph.links.pop(name, None)
                started = time.perf_counter()
                allowance = self._allowance(seconds)
                if self._costs.get(name, 0.0) > allowance and name not in bound and not must:
                    blurred = True
                    changed.update(known.keys)
                    visited.update(known.keys)
                    continue
                differing, walk = graph.look(name, started + max(allowance, 0.02))
                changed.update(differing)
                spent = time.perf_counter() - started
                if spent > 0.002:
                    self._costs[name] = spent
                else:
                    self._costs.pop(name, None)
                visited.update(graph.reach.get(name, NOTHING).keys)

        look(bound)
        if runs and not harmless:
            self._closure_look(reads, look)
            # Objects that were below these names and no longer are may live on under others.
            gone = {k for n in reads for k in old[n].keys if n in old} - visited
            if gone:
                look(graph.holders(gone))
            changed |= self._unseen(running, reads, old)
        reads |= self._closure(reads) if runs else set()
        if runs:
            changed |= self._patched(running, reads)
        pyplot = runs and self._draws(running, reads)
        figure_binds: set[str] = set()
        figure_mutates: set[str] = set()
        if pyplot:
            figure_binds, figure_mutates, figure_reads, keys = self._figures(running)
            reads |= figure_reads
            changed |= keys
        # Whoever shares a changed object has changed, and may reach other things now.
        sharing = graph.holders(changed)
        look(sharing - bound)
        sharing |= graph.holders(changed)
        mutated = {n for n in sharing if n not in bound} | {
            n
            for n, r in old.items()
            if n not in bound and n not in unbound and not r.keys.isdisjoint(changed)
        }
        if blurred:
            assumed.append("objects too large to compare within the time budget")
            self._mix(reads | bound)
        self._link(running, reads, bound, touched)

        binds: set[str] = set(bound) | figure_binds
        mutates: set[str] = set(mutated) | figure_mutates
        # ---- modules, packages, hidden state, files
        packages = self._packages(reads | bound) if runs or found.modules else set()
        mentions = found.calls | {p for c in found.chains for p in c} | self._mentions(reads)
        importing = isinstance(running.node, (ast.Import, ast.ImportFrom))
        reads |= self._modules_read(running, reads, mentions)
        fresh = self._fresh_modules(running)
        binds |= {f"module:{m}" for m in found.modules if m in sys.modules}
        mutates |= {f"module:{m}" for m in fresh}
        if importing:
            for alias in running.node.names:  # type: ignore[attr-defined]
                first = alias.name.split(".")[0]
                if isinstance(running.node, ast.Import) and "." in alias.name and not alias.asname:
                    reads.add(first)
                    mutates.add(first)
                    binds.discard(first) if first in self._was_bound(old) else None
        if importing or (runs and not self._quiet(running)):
            hidden_changed = self.hidden.observe(
                new_counts=not importing or any(self.is_user_module(m) for m in fresh)
            )
            facts = Facts(
                runs=runs,
                mentions=frozenset(mentions),
                packages=frozenset(packages),
                text=not self._text_free(bound, mutated, found.strings),
                files=bool(touched) or bool(running.named),
                imports=importing or bool(touched.modules),
                pyplot=pyplot,
            )
            reads |= {f"hidden:{k}" for k in self.hidden.reads(facts)}
            seeds = self._seeds(running, hidden_changed)
            for key in hidden_changed:
                location = f"hidden:{key}"
                if key in RANDOM and key not in self._seeded:
                    # Until it is seeded, what was drawn before makes no difference that a re-run
                    # could show.
                    if mentions & rules.SEEDS:
                        self._seeded.add(key)
                        binds.add(location)
                    elif not importing and not fresh:
                        mutates.add(location)
                elif key in seeds:
                    binds.add(location)
                    reads.discard(location)
                else:
                    mutates.add(location)
                    reads.add(location)
            visible = bool(
                hidden_changed
                or mutated
                or touched
                or bound - {"_", "__", "___"}
                or unbound
                or pyplot
            )
            written = self._invisible(running, visible, bool(hidden_changed), bool(mutated))
            mutates |= {f"package:{p}" for p in written}
            self._everywhere |= written & rules.EVERYWHERE
            reads |= {f"package:{p}" for p in packages if p not in rules.EVERYWHERE}
            if runs:
                reads |= {f"package:{p}" for p in self._everywhere}
        if touched or running.named:
            file_reads, file_binds, file_mutates = self._file_effects(
                running, touched, mutated, mentions, importing
            )
            reads |= file_reads
            binds |= file_binds
            mutates |= file_mutates
        if touched.network:
            self.network.add(index)
        self._remember(index, touched, running, packages)
        if running.statement.place.cell is not None:
            binds.add(f"_i{running.statement.place.cell}")
        reads -= binds - set(running.reads) - file_keys(reads)
        reads |= {Location(n) for n in found.loads}
        return (
            Effects(
                reads=_locations(reads - NOISE | (reads & {"__name__", "__file__"})),
                binds=_locations(binds | unbound),
                mutates=_locations(mutates - binds - unbound),
                unbinds=_locations(unbound),
            ),
            assumed,
        )

    def _saved(self, running: _Open) -> Effects:
        """A statement that saves changes nothing of the user's; it may bind the handle."""
        bound, unbound = self._bindings(running.uses, completed=True)
        for name in bound:
            self.graph.look(name, time.perf_counter() + 0.01)
        self.files.finish([])
        self.hidden.observe()
        return Effects(reads=_locations(running.reads), binds=_locations(bound | unbound))

    def _was_bound(self, old: dict[str, Reach]) -> set[str]:
        return {n for n, r in old.items() if r is not NOTHING}

    def _closure_look(self, reads: set[str], look: Any) -> None:
        done: set[str] = set()
        while True:
            todo = self._closure(reads) - done
            if not todo:
                return
            look(todo)
            done |= todo

    def _allowance(self, seconds: float) -> float:
        budget = FLOOR + STEP * (len(self.steps) + 1) + SHARE * self.user_seconds
        return max(budget - self.own_seconds, STEP)

    def _bindings(self, found: Uses, *, completed: bool) -> tuple[set[str], set[str]]:
        """Names that the statement bound, and names that it unbound."""
        namespace = self.namespace
        known = self._bound
        bound: set[str] = set()
        for name, value in list(namespace.items()):
            before = known.get(name, _UNBOUND)
            if before is value:
                continue  # an atom that is kept alive: the very same one
            now = _identity(value)
            if before is _UNBOUND or type(before) is not type(now) or before != now:
                if name in NOISE or (name.startswith("_i") and name[2:].isdigit()):
                    continue
                bound.add(name)
                known[name] = now
        unbound = {n for n in known if n not in namespace}
        for name in unbound:
            del known[name]
        if completed:
            bound |= {n for n in found.stores if n in namespace}
            unbound |= {n for n in found.deletes if n not in namespace}
        return bound, unbound

    def _snapshot(self) -> None:
        """Take what is in the namespace as having been there before the session."""
        for name, value in list(self.namespace.items()):
            if name not in NOISE:
                self._bound[name] = _identity(value)
                try:
                    self.graph.look(name, time.perf_counter() + 0.05)
                except Exception as error:
                    self.fault("first look", error)

    def _harmless(self, running: _Open) -> bool:
        """Whether rules alone show that the statement changes no object."""
        found = running.uses
        if found.attribute_stores or found.writes_items or found.deferred or found.code_in_text:
            return False
        if not found.effects <= {"call", "attribute", "operator", "subscript", "iterate"}:
            return False
        if found.raises or isinstance(
            running.node, (ast.ClassDef, ast.FunctionDef, ast.For, ast.While)
        ):
            return False
        if not found.calls <= rules.PURE_BUILTINS:
            return False
        namespace = self.namespace
        if any(c in namespace for c in found.calls):
            return False
        for chain in found.chains:
            if chain[-1] in found.calls and len(chain) > 1:
                return False
        for name in found.loads:
            value = namespace.get(name, None)
            kind = type(value)
            if kind in ATOMS or kind in IMMUTABLE or kind in (list, dict, tuple, set):
                if name in self.graph.reach and self.graph.reach[name].opaque:
                    return False
                if kind in (list, dict, tuple, set) and not self._plain(name):
                    return False
                continue
            if name not in namespace and name in rules.PURE_BUILTINS:
                continue
            if f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in _QUIET_TYPES:
                continue
            return False
        return True

    def _quiet(self, running: _Open) -> bool:
        """Whether it only computes with atoms and built-in containers: no state outside is near."""
        found = running.uses
        if not found.effects <= {"operator", "subscript", "subscript store"} or found.raises:
            return False
        for name in found.loads:
            kind = type(self.namespace.get(name))
            if kind not in ATOMS and not (kind in (list, dict, tuple, set) and self._plain(name)):
                return False
        return not found.modules

    def _plain(self, name: str) -> bool:
        """Whether everything below `name` is of a built-in container type."""
        reach = self.graph.reach.get(name, NOTHING)
        return not (reach.packages or reach.opaque or reach.names or reach.cut or reach.modules)

    def _unseen(self, running: _Open, reads: set[str], old: dict[str, Reach]) -> set[int]:
        """Keys of things that can't be seen, taken to be changed by a statement that can reach them."""
        if (
            running.uses.calls
            and running.uses.calls <= rules.PURE_BUILTINS
            and not self._iterates(running)
        ):
            return set()
        if running.uses.calls <= _LOOKS and running.uses.calls and not running.uses.writes_items:
            return set()
        if running.uses.effects <= {"attribute"}:
            return set()
        found: set[int] = set()
        for name in reads:
            for reach in (old.get(name, NOTHING), self.graph.reach.get(name, NOTHING)):
                found |= reach.opaque
                if reach.cut:
                    found |= reach.keys
        return found

    def _iterates(self, running: _Open) -> bool:
        consuming = {
            "all",
            "any",
            "bytes",
            "dict",
            "frozenset",
            "list",
            "max",
            "min",
            "set",
            "sorted",
            "sum",
            "tuple",
        }
        return bool(running.uses.calls & consuming) or bool(
            running.uses.effects & {"iterate", "with", "operator"}
        )

    def _patched(self, running: _Open, reads: set[str]) -> set[int]:
        """Keys of modules and classes of libraries that the statement assigns attributes of."""
        found: set[int] = set()
        for chain in running.uses.attribute_stores:
            owner = self._resolve(chain[:-1])
            if is_a(owner, (types.ModuleType, type)):
                found.add(address(owner))
        if running.uses.calls & {"setattr", "delattr", "reload", "patch", "object"}:
            for name in running.uses.loads:
                value = self.namespace.get(name)
                if is_a(value, type):
                    found.add(address(value))
                elif is_a(value, types.ModuleType) and running.uses.calls & {
                    "setattr",
                    "delattr",
                    "reload",
                }:
                    if value.__name__ not in ("importlib", "builtins"):
                        found.add(address(value))
        return found

    def _resolve(self, chain: Sequence[str]) -> object:
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

    # ------------------------------------------------------------------------------ figures

    def _draws(self, running: _Open, reads: set[str]) -> bool:
        if "matplotlib" not in sys.modules:
            return False
        if "matplotlib.pyplot" not in sys.modules:
            return False
        now = tuple(map(address, hidden.figures()))
        if now != running.figures:
            return True
        reach = self.graph.reach
        names = [reach.get(n, NOTHING) for n in reads]
        if any("matplotlib.pyplot" in r.modules or "matplotlib.pylab" in r.modules for r in names):
            return True
        packages = {p for r in names for p in r.packages}
        if "seaborn" in packages:
            return True
        mentions = running.uses.calls | {p for c in running.uses.chains for p in c}
        return bool(mentions & rules.PLOTTERS) and bool(packages - rules.STANDARD)

    def _figures(self, running: _Open) -> tuple[set[str], set[str], set[str], set[int]]:
        """Which figures a drawing statement made, and drew in."""
        now = tuple(map(address, hidden.figures()))
        made = [f for f in now if f not in running.figures]
        current = now[-1] if now else None
        binds = {self._figure(f, new=True) for f in made}
        reads: set[str] = set()
        mutates: set[str] = set()
        keys: set[int] = set()
        looks = running.uses.calls and running.uses.calls <= _LOOKS
        creates = running.uses.calls & {"figure", "subplots", "subplot_mosaic"} and made
        touched = {f for f in (current, None if creates else running.figure) if f is not None}
        for figure in touched:
            reads.add(self._figure(figure))
            if not looks and figure not in made:
                mutates.add(self._figure(figure))
                keys.add(figure)
        if current != running.figure:
            binds.add("hidden:current figure")
        if not (creates and current in made):
            reads.add("hidden:current figure")
        return binds, mutates, reads - binds, keys

    def _figure(self, key: Any, *, new: bool = False) -> str:
        if new or key not in self._figure_numbers:
            self._figure_numbers[key] = len(self._figure_numbers) + len(self.steps) * 1000
        return f"figure:{self._figure_numbers[key]}"

    # ---------------------------------------------------------------- modules and packages

    def is_user_module(self, name: str) -> bool:
        """Whether `name` is a module of the user's own project."""
        known = self._user_modules.get(name)
        if known is not None:
            return known
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) if module is not None else None
        own = (
            isinstance(file, str)
            and name.partition(".")[0] not in ("linea", "__main__", "__mp_main__")
            and not os.path.abspath(file).startswith(self._folders)
            and "site-packages" not in file
            and "dist-packages" not in file
        )
        if name in ("__main__", "__mp_main__"):
            own = False
        if module is not None:
            self._user_modules[name] = own
        return own

    def _packages(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            found |= self.graph.reach.get(name, NOTHING).packages
            kind = type(self.namespace.get(name))
            if kind not in ATOMS:
                module = kind.__module__
                if isinstance(module, str):
                    found.add(module.partition(".")[0])
        return found - {"builtins", "__main__", "linea", "types"}

    def _mentions(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            found |= self.graph.reach.get(name, NOTHING).mentions
        return found

    def _modules_read(self, running: _Open, reads: set[str], mentions: set[str]) -> set[str]:
        """Submodules that are reached as attributes of a package."""
        found: set[str] = set()
        for name in reads:
            value = self.namespace.get(name)
            if not is_a(value, types.ModuleType):
                continue
            todo = [(value, 0)]
            while todo:
                module, depth = todo.pop()
                inner = vars(module)
                for attribute in mentions:
                    part = inner.get(attribute)
                    if is_a(part, types.ModuleType) and depth < 4:
                        location = f"module:{part.__name__}"
                        if location not in found and part.__name__.startswith(
                            module.__name__ + "."
                        ):
                            found.add(location)
                            todo.append((part, depth + 1))
        return found

    def _fresh_modules(self, running: _Open) -> set[str]:
        count = len(sys.modules)
        if count == running.modules:
            return set()
        return {
            n for n in list(sys.modules)[running.modules :] if "." in n or self.is_user_module(n)
        }

    def _invisible(self, running: _Open, visible: bool, state: bool, mutated: bool) -> set[str]:
        """Packages whose inner state a call may have changed though nothing shows."""
        found: set[str] = set()
        node = running.node
        for chain in running.uses.attribute_stores:
            owner = self._resolve(chain[:-1])
            if is_a(owner, types.ModuleType):
                found.add(owner.__name__.partition(".")[0])
            elif is_a(owner, type):
                found.add(owner.__module__.partition(".")[0])
        discarded = isinstance(node, ast.Expr) and not visible
        # A setting whose change was seen needs no guess.
        setters = {c for c in running.uses.calls if rules.SETTER.match(c)} if not state else set()
        if not setters and not (
            discarded and running.uses.calls - rules.SILENT_CALLS - rules.PURE_BUILTINS
        ):
            return found - {"__main__", "builtins"} | ({"builtins"} & found)
        for chain in running.uses.chains:
            if chain[-1] not in running.uses.calls and not setters:
                continue
            value = self.namespace.get(chain[0])
            if is_a(value, types.ModuleType):
                if chain[-1] in setters or (discarded and self._returns_nothing(chain)):
                    found.add(value.__name__.partition(".")[0])
            elif chain[-1] in setters and value is not None and discarded and not mutated:
                kind = value if is_a(value, type) else type(value)
                if not is_a(value, (types.FunctionType,)):
                    found.add(kind.__module__.partition(".")[0])
        for name in running.uses.calls & running.uses.loads:
            value = self.namespace.get(name)
            module = getattr(value, "__module__", None) if callable(value) else None
            if isinstance(module, str) and name in setters:
                found.add(module.partition(".")[0])
        if discarded:
            for name in running.uses.loads & running.uses.calls:
                value = self.namespace.get(name)
                if is_a(value, types.FunctionType) and value.__globals__ is self.namespace:
                    reach = self.graph.reach.get(name, NOTHING)
                    if any(rules.SETTER.match(m) for m in reach.mentions):
                        found |= {
                            m.partition(".")[0] for n in reach.names for m in self._module_name(n)
                        }
        return found - {"__main__", "builtins"}

    def _module_name(self, name: str) -> list[str]:
        value = self.namespace.get(name)
        return [value.__name__] if is_a(value, types.ModuleType) else []

    def _returns_nothing(self, chain: Sequence[str]) -> bool:
        """Whether a discarded call of a library may have been made for its invisible effect."""
        if chain[-1] in rules.SILENT_CALLS or chain[-1].startswith(
            ("get", "is", "has", "assert", "check")
        ):
            return False
        return self.last_value is None or self.last_value is _UNBOUND

    idle = False
    """The statement that comes is a magic that changes no value."""

    last_value: Any = _UNBOUND
    """What the last expression statement gave, where the runner can tell: None or not."""

    def _text_free(self, bound: set[str], mutated: set[str], constants: tuple[str, ...]) -> bool:
        """Whether no result holds text that the statement doesn't spell out itself."""
        if mutated:
            return False
        for name in bound:
            value = self.namespace.get(name)
            kind = type(value)
            if kind in (int, float, complex, bool, type(None)):
                continue
            if kind is str and value in constants:
                continue
            if (
                kind.__name__ == "ndarray"
                and getattr(value, "dtype", None) is not None
                and value.dtype.kind in "iufcb"
            ):
                continue
            return False
        return True

    def _seeds(self, running: _Open, changed: set[str]) -> set[str]:
        """Random states that the statement replaced whatever they were before."""
        node = running.node
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            return set()
        call = node.value
        if running.uses.calls & rules.SEEDS == set() or any(
            isinstance(a, ast.Call) for a in call.args
        ):
            return set()
        chain: list[str] = []
        target: ast.expr = call.func
        while isinstance(target, ast.Attribute):
            chain.append(target.attr)
            target = target.value
        if not isinstance(target, ast.Name):
            return set()
        function = self._resolve([target.id, *reversed(chain)])
        owner = getattr(function, "__self__", None)
        found: set[str] = set()
        if owner is getattr(sys.modules.get("random"), "_inst", _UNBOUND):
            found.add("random")
        if owner is getattr(sys.modules.get("numpy.random.mtrand"), "_rand", _UNBOUND):
            found.add("numpy.random")
        if (
            getattr(function, "__module__", "") in ("torch.random", "torch")
            and "torch" in sys.modules
        ):
            found.add("torch.random")
        name = getattr(function, "__name__", "")
        if getattr(function, "__module__", None) == "numpy.random" and name == "seed":
            found.add("numpy.random")
        return found & changed

    # -------------------------------------------------------------------------------- files

    def _file_effects(
        self,
        running: _Open,
        touched: Touched,
        mutated: set[str],
        mentions: set[str],
        importing: bool,
    ) -> tuple[set[str], set[str], set[str]]:
        reads = {f"file:{p}" for p in touched.read | running.named}
        binds = {f"file:{p}" for p in touched.created | touched.removed}
        mutates = {f"file:{p}" for p in touched.changed}
        for path in touched.created - touched.read:
            reads.discard(f"file:{path}")
        if touched.processes:
            reads |= (
                {f"file:{p}" for p in self._written_files if os.path.lexists(p)}
                if not self.files.sees_c
                else set()
            )
        # What can be done to a handle can change the file behind it.
        for name in mutated:
            for path in self._handle_files([name]):
                if path in self._written_files or path in touched.created:
                    mutates.add(f"file:{path}")
                    reads.add(f"file:{path}")
        listing = mentions & _LISTING or touched.processes
        if touched.processes:
            # What a child process lists can't be seen.
            reads |= {f"folder:{p}" for p in {os.getcwd(), *map(os.path.dirname, self._written_files)}}
        if touched.listed and listing and not importing:
            reads |= {f"folder:{p}" for p in touched.listed}
        for path in touched.created | touched.removed:
            mutates.add(f"folder:{os.path.dirname(path)}")
        for path in touched.created:
            if os.path.isdir(path):
                self._made_folders.add(path)
        for path in (
            touched.read | touched.created | touched.changed | touched.removed | touched.listed
        ):
            for folder in self._made_folders:
                if path.startswith(folder + os.sep):
                    reads.add(f"file:{folder}")
        return reads, binds, mutates - binds

    def _remember(self, index: int, touched: Touched, running: _Open, packages: set[str]) -> None:
        inputs = []
        for path in sorted(touched.read | {p for p in running.named if os.path.isfile(p)}):
            if path in self._written_files or path in touched.created:
                continue
            try:
                stat = os.stat(path)
            except OSError:
                continue
            if not os.path.isfile(path):
                continue
            inputs.append(FileRead(path, stat.st_mtime_ns, stat.st_size))
        if inputs:
            self.file_reads[index] = inputs
        written = touched.created | touched.changed
        if written:
            self.file_writes[index] = sorted(p for p in written if os.path.isfile(p))
        self._written_files |= written | touched.removed
        if packages:
            self.packages[index] = frozenset(packages)

    def _link(self, running: _Open, reads: set[str], bound: set[str], touched: Touched) -> None:
        """Tie new names to what can't be seen and may be shared with them."""
        if running.uses.inert:
            return
        graph = self.graph
        hazy: set[int] = set()
        for name in reads:
            reach = graph.reach.get(name)
            if reach is None:
                continue
            if reach.cut:
                hazy |= set(reach.keys)
            elif reach.opaque:
                hazy |= set(reach.opaque)
        paths = touched.read | touched.created | touched.changed | running.named
        for name in bound:
            reach = graph.reach.get(name)
            if reach is None:
                self._handles.pop(name, None)
                continue
            if (reach.opaque or reach.cut) and hazy:
                graph.link(name, hazy)
            if reach.opaque and paths:
                self._handles[name] = set(paths)
            elif not reach.opaque:
                self._handles.pop(name, None)

    def _mix(self, names: set[str]) -> None:
        """Nothing is known of what these names share now: take them to share all."""
        keys: set[int] = set()
        for name in names:
            keys |= set(self.graph.reach.get(name, NOTHING).keys)
        if keys:
            token = min(keys | {0}) - 1 - len(self.steps)
            for name in names:
                if name in self.graph.reach:
                    self.graph.link(name, {token})

    def _everything(self, running: _Open) -> Effects:
        names = {Location(n) for n in self.namespace if n not in NOISE}
        return Effects(
            reads=frozenset(names | {Location(n) for n in running.uses.loads}),
            mutates=frozenset(names),
        )

    def fault(self, where: str, error: Exception) -> None:
        logger.warning("capture failed %s: %s", where, error, exc_info=error)
        note = f"capture failed {where}: {type(error).__name__}: {error}"
        if note not in self.notes:
            self.notes.append(note)


_QUIET_TYPES = frozenset({
    "pandas.DataFrame", "pandas.Series", "pandas.Index", "pandas.RangeIndex", "pandas.DatetimeIndex",
    "numpy.ndarray", "polars.DataFrame", "polars.Series", "pyarrow.Table",
})  # fmt: skip

_LOOKS = frozenset({
    "show", "savefig", "print", "display", "get_title", "get_xlabel", "get_ylabel", "get_lines",
    "get_legend_handles_labels", "len", "closed", "fileno", "isatty", "get_params",
})  # fmt: skip

_LISTING = frozenset({
    "listdir", "scandir", "glob", "iglob", "rglob", "walk", "iterdir", "system", "getoutput", "run",
    "ls", "check_output", "Popen", "exists", "rmtree", "copytree", "read_csv", "dataset", "scan_csv",
    "scan_parquet", "read_parquet", "run_line_magic", "run_cell_magic", "call", "check_call",
})  # fmt: skip


def _identity(value: object) -> Any:
    """What tells a binding from another: small atoms by themselves, other objects by address.

    Atoms are kept alive, so the same address is the same atom; of anything else no reference is
    kept, and a `_Ref` can't be mistaken for an atom.
    """
    kind = type(value)
    if kind in ATOMS:
        if kind in (str, bytes) and len(value) > 4096:  # type: ignore[arg-type]
            return _Ref((address(value), hash(value)))
        return _Atom((value,)) if kind is float or kind is complex else value
    if kind in IMMUTABLE and kind not in _UNREPEATED:
        return _Ref((address(value), repr(value)))
    return _Ref((address(value), None))


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

    __hash__ = None  # type: ignore[assignment]


_UNREPEATED = frozenset({types.CodeType, types.FrameType, types.TracebackType})


def _locations(texts: Iterable[str]) -> frozenset[Location]:
    return frozenset(map(Location, texts))


def file_keys(locations: Iterable[str]) -> set[str]:
    return {k for k in locations if k.startswith("file:")}


def _library_folders() -> tuple[str, ...]:
    import sysconfig

    paths = sysconfig.get_paths()
    found = {paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(os.path.abspath(p) + os.sep for p in found)
