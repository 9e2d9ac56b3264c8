"""Runs beside a program: each executed statement → a step of the trace."""

from __future__ import annotations

import ast
import gc
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from linea import slicing
from linea.capture.builtin_types import global_generators
from linea.capture.drawing import CURRENT, HELD, open_figures
from linea.capture.evidence import (
    Evidence,
    Observation,
    begin,
    locations,
    of_expression,
    prepare,
    read_so_far,
)
from linea.capture.files import Touched
from linea.capture.filing import FileRead
from linea.capture.instruments import Instruments
from linea.capture.objects import NOTHING
from linea.capture.rules import NOISE
from linea.capture.running import Running
from linea.capture.source import NO_USES, Uses, uses
from linea.capture.stepping import Stepping
from linea.capture.walk import address, is_a
from linea.slicing import LAST_SHOWN, BlockFacts, Typed
from linea.trace import Effects, Location, Place, Statement, Step

Report = Callable[[str, Exception], None]
"""Told where in capture something failed, and how."""

BEFORE = "hidden:before linea was loaded"
"""Everything that statements did which ran unwatched: each later value may rest on it."""

UNOBSERVED = "linea could not observe this statement"
UNWATCHED = "some statements ran before linea was loaded"
UNTOLD = "{} was made before linea was loaded, by code that isn't in IPython's history"
PAUSED = "some statements ran while linea was paused"

FIRST_LOOK = 0.05
"""Seconds that looking at a name may take while no statement runs."""

_BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.TryStar, ast.Match)
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)


@contextmanager
def uncollected() -> Iterator[None]:
    """What is done inside makes no garbage: the collector needn't go through the user's objects."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Beside(NamedTuple):
    """What is kept beside a step."""

    artifacts: list[Any]
    inputs: tuple[FileRead, ...]
    written: tuple[str, ...]
    packages: frozenset[str]
    network: bool


class Session:
    """The record of one session: what ran, in order, and what each statement did.

    `namespace` is the user's own dictionary of globals; it is only read.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        *,
        root: Path,
        source: str = "",
        report: Report | None = None,
    ) -> None:
        self.namespace = namespace
        self.report = report
        """Keeps what failed in capture, for `linea log --debug`."""
        self.root = root
        self.source = source
        self.text = ""
        """Source of the script; a notebook's Watcher knows its own."""
        self.arguments: tuple[str, ...] = ()
        """What the script was given on its command line."""
        self.folder: str | None = None
        """The working folder as the session began."""
        self.inputs: dict[int, Typed] = {}
        """A notebook's cells by execution count."""
        self.steps: list[Step] = []
        self.open: Running | None = None
        self.idle = False
        """The statement that comes is a magic that changes no value."""
        self.paused = False
        self.notes: list[str] = []
        self.artifacts: dict[int, list[Any]] = {}
        """Versions loaded by `linea.get`, by step."""
        self.file_reads: dict[int, tuple[FileRead, ...]] = {}
        self.file_writes: dict[int, tuple[str, ...]] = {}
        self.packages: dict[int, frozenset[str]] = {}
        self.network: set[int] = set()
        self.blocks: dict[int, BlockFacts] = {}
        """What was known of names as compound statements began, by step."""
        self.tools = Instruments(namespace, root, {str(root / source)} if source else ())
        self.files = self.tools.filing.files
        self.budget = self.tools.budget
        self.stepping = Stepping(self)
        self.traced = False
        """Somebody watches how the program runs: a debugger, a profiler."""
        self._before_giving_up: list[tuple[Step, Beside]] = []
        """What was seen of the running statement while it was stepped through."""
        self._take_namespace()

    @property
    def user_classes(self) -> bool:
        """Whether a class of the user's own was met."""
        return self.tools.graph.user_classes

    def _take_namespace(self) -> None:
        """Take what is in the namespace as having been there before the session."""
        for name, value in list(self.namespace.items()):
            if name not in NOISE:
                self.tools.bindings.take(name, value)
                try:
                    self._look(name)
                except Exception as error:
                    self.fault("first look", error)

    def _look(self, name: str) -> None:
        self.tools.graph.look(name, time.thread_time() + FIRST_LOOK)

    # ------------------------------------------------------------------------ one statement

    def before(
        self,
        node: ast.stmt,
        statement: Statement,
        *,
        inside: int | None = None,
        head: ast.stmt | None = None,
    ) -> None:
        """`statement` is about to run.

        `inside` is its number in a block whose statements run one by one; of such a block only `head`
        runs now.
        """
        # CPU time: what others do on the machine is nobody's cost here.
        began = time.thread_time()
        self.tools.graph.contents.statement += 1
        with uncollected():
            try:
                if self.tools.figures.closed_since():
                    self._close_figures(statement.place)
                if inside is not None:
                    self.stepping.at(inside)
                self.open = begin(self.tools, head or node, statement)
                self._note_kind(node, self.open.uses if head is None else uses(node))
                prepare(self.tools, self.open, len(self.steps))
                self.open.within = self.stepping.within()
                self.stepping.arm(self.open)
                self.files.start()
            except Exception as error:
                self.fault("before a statement", error)
                within = self.stepping.within()
                self.open = Running(node, statement, NO_USES, blind=True, within=within)
        self.open.overhead = time.thread_time() - began
        self.open.started = time.perf_counter()

    def _close_figures(self, place: Place) -> None:
        """A notebook has closed its figures between two cells."""
        self.tools.figures.leave()
        effects = Effects(binds=locations([CURRENT]), mutates=locations([HELD]))
        self.steps.append(Step(len(self.steps), Statement(slicing.CLOSING, place), effects))

    def _note_kind(self, node: ast.stmt, found: Uses) -> None:
        if isinstance(node, _BLOCKS):
            self.blocks[len(self.steps)] = self.tools.scope.block_facts(found)

    def after(
        self,
        error: BaseException | None = None,
        *,
        gave_value: bool = False,
        statement: Statement | None = None,
        inside: bool = False,
    ) -> None:
        """The statement has run, or raised `error`; an expression may have given a value.

        `statement` is recorded when `before` failed to: nothing that ran may be missing. `inside`:
        it is a function that goes on, not the program.
        """
        ended = time.perf_counter()
        began = time.thread_time()
        if not inside:
            try:
                self.stepping.leave(error)
            except Exception as fault:
                self.fault("leaving a function", fault)
        running, self.open = self.open, None
        if running is None:
            if statement is None:
                return
            running = Running(ast.Pass(), statement, NO_USES, started=ended, blind=True)
        running.gave_value = gave_value
        seconds = ended - running.started
        self.budget.user_seconds += seconds
        with uncollected():
            try:
                events = self.files.pause()
                if running.blind:
                    raise RuntimeError("the statement wasn't seen beginning")
                observation = self._observe(running, events, error)
            except Exception as fault:
                self.fault("after a statement", fault)
                observation = Observation(self._everything(running), (UNOBSERVED,))
            self.tools.figures.leave()
        self._append(running, observation, seconds, error)
        self.budget.own_seconds += time.thread_time() - began + running.overhead

    def go_on(self, running: Running) -> None:
        """What is left of a statement is about to run."""
        self.open = running
        self.files.start()
        self.open.started = time.perf_counter()

    def note_call(self, position: int, function: str) -> None:
        """The step at `position` has called a function that is being stepped through."""
        step = self.steps[position]
        reads = step.effects.reads | {Location(function)}
        self.steps[position] = replace(step, effects=replace(step.effects, reads=reads))

    def take_back(self, first: int) -> None:
        """The steps from `first` on were one statement, which is still running."""
        for step in self.steps[first:]:
            beside = Beside(
                self.artifacts.pop(step.index, []),
                self.file_reads.pop(step.index, ()),
                self.file_writes.pop(step.index, ()),
                self.packages.pop(step.index, frozenset()),
                step.index in self.network,
            )
            self.network.discard(step.index)
            if step.index != first:
                self.blocks.pop(step.index, None)
            self._before_giving_up.append((step, beside))
        if len(self.steps) > first:
            self.blocks.pop(len(self.steps), None)  # of the one that was running
        del self.steps[first:]

    def _observe(
        self, running: Running, events: list[Any], error: BaseException | None
    ) -> Observation:
        if self.idle:
            self.idle = False
            self.tools.hidden.observe()
            bound, unbound = self.tools.bindings.changes(NO_USES, completed=False)
            return Observation(Effects(binds=locations(bound | unbound)))
        if running.saves and error is None:
            return Observation(self._saved(running))
        touched = self.files.finish(events)
        step = len(self.steps)
        return Evidence(self.tools, running, touched, completed=error is None, step=step).observe()

    def _saved(self, running: Running) -> Effects:
        """A statement that saves changes nothing of the user's; it may bind the handle."""
        bound, unbound = self.tools.bindings.changes(running.uses, completed=True)
        for name in bound:
            self._look(name)
        self.files.finish([])
        self.tools.hidden.observe()
        return Effects(reads=locations(running.reads), binds=locations(bound | unbound))

    def _everything(self, running: Running) -> Effects:
        """All that a statement can have done."""
        # Rests on nothing that may just have failed.
        names = frozenset(
            Location(n) for n in [*self.namespace, *self.stepping.view] if n not in NOISE
        )
        names |= {Location(BEFORE)}
        return Effects(reads=names | {Location(n) for n in running.uses.loads}, mutates=names)

    def _append(
        self, running: Running, seen: Observation, seconds: float, error: BaseException | None
    ) -> None:
        """Put the step into the record, with what goes beside it."""
        index = len(self.steps)
        if self._before_giving_up:
            before, self._before_giving_up = self._before_giving_up, []
            seen = _with_earlier(seen, [step for step, _ in before], [b for _, b in before])
            running.artifacts += [a for _, b in before for a in b.artifacts]
            seconds += sum(step.seconds for step, _ in before)
        effects = self._outputs(seen.effects, running.statement.place.cell)
        name = type(error).__name__ if error is not None else None
        if running.statement.place.cell is not None and slicing.SPAWNS.search(
            running.statement.source
        ):
            self.tools.spawned |= effects.reads | effects.binds
        self.steps.append(
            Step(index, running.statement, effects, seconds, name, seen.assumed, running.within)
        )
        if name is not None and running.within:
            for each in running.within:
                self.steps[each.call] = replace(self.steps[each.call], error=name)
        if running.artifacts:
            self.artifacts[index] = running.artifacts
        if seen.inputs:
            self.file_reads[index] = seen.inputs
        if seen.written:
            self.file_writes[index] = seen.written
        if seen.packages:
            self.packages[index] = seen.packages
        if seen.network:
            self.network.add(index)

    def _outputs(self, effects: Effects, cell: int | None) -> Effects:
        """`effects` in terms of IPython's numbered outputs, where `__` and `___` stand for some."""
        older = LAST_SHOWN - {"_"}
        if Location(f"_{cell}") in effects.binds:
            effects = replace(effects, binds=effects.binds - older, mutates=effects.mutates - older)
        if not older.isdisjoint(effects.reads):
            effects = replace(effects, reads=self._outputs_of(effects.reads))
        return effects

    def _outputs_of(self, names: Iterable[Location]) -> frozenset[Location]:
        stands = slicing.shown_before(self.steps, len(self.steps))
        return frozenset(Location(stands.get(n, n)) for n in names)

    def only_saves(self, argument: ast.expr) -> None:
        """The running statement does nothing but hand the value of `argument` to linea."""
        if self.open is None:
            return
        with self.stepping.looking():
            alone = of_expression(self.tools, argument, self.open)
        if alone.uses.inert:
            self.open.saves = True
        elif isinstance(self.open.node, ast.Expr):
            # What it did, it did by working out the value.
            source = ast.unparse(argument)
            alone.statement = replace(alone.statement, source=source)
            self.open = alone

    def note_artifact(self, version: Any) -> None:
        """The running statement loaded `version` from the store."""
        if self.open is not None:
            self.open.artifacts.append(version)

    def aside(self) -> AbstractContextManager[None]:
        """What happens inside is linea's own doing, not the running statement's."""
        return self.files.aside()

    # --------------------------------------------------------------------- ran unwatched

    def assume(
        self,
        node: ast.stmt,
        statement: Statement,
        *,
        shows: Sequence[str] = (),
        error: str | None = None,
    ) -> None:
        """`statement` ran before the session was watched: take it to have done all it could.

        `shows` are IPython's names for what it displayed, `error` is what it raised.
        """
        found = uses(node)
        plain = found.inert or isinstance(node, _DEFINITIONS)
        changes_nothing = plain and not getattr(node, "decorator_list", None)
        reads = found.loads if plain else found.loads | {BEFORE}
        binds = {*found.stores, *(f"module:{m}" for m in found.modules)}
        mutates: set[str] = set()
        if not changes_nothing:
            mutates |= found.loads | found.deferred | found.maybe | {BEFORE}
        if "star" in found.effects:
            mutates |= {n for n in self.namespace if n not in NOISE}
        if error is not None:
            mutates, binds = mutates | binds, set()
        binds |= set(shows)
        effects = Effects(locations(reads), locations(binds), locations(mutates - binds))
        why = () if plain else (UNWATCHED,)
        self.steps.append(Step(len(self.steps), statement, effects, 0.0, error, why))

    def came_with(self, name: str, statement: Statement) -> None:
        """`name` was there before the session was watched, and nothing tells what bound it."""
        effects = Effects(binds=locations([name]))
        self.steps.append(Step(len(self.steps), statement, effects, assumed=(UNTOLD.format(name),)))

    def reloaded(self, module: str, statement: Statement) -> None:
        """A module of the user's was loaded anew between two statements, as `statement` would."""
        loaded = sys.modules[module]
        graph = self.tools.graph
        names = {n for n, below in graph.reach.items() if module in below.modules}
        for name, value in self.namespace.items():
            code = value if is_a(value, (type, types.FunctionType)) else type(value)
            if value is loaded or code.__module__ == module:
                names.add(name)
                names |= graph.holders([address(value), address(code)])
        for name in names:
            self._look(name)
        file = f"file:{loaded.__file__}"
        changed = locations({*names, f"module:{module}"})
        effects = Effects(reads=changed | {Location(file)}, mutates=changed)
        self.steps.append(Step(len(self.steps), statement, effects))

    def rejoin(self) -> None:
        """Statements ran unwatched: take the namespace as they left it."""
        self.tools.graph.contents.statement += 1
        _, unbound = self.tools.bindings.changes(NO_USES, completed=False)
        for name in unbound:
            self.tools.graph.forget(name)
        for name in [n for n in self.namespace if n not in NOISE]:
            self._look(name)
        self.tools.hidden.observe()
        self.note(PAUSED)

    def close(self) -> None:
        """Stop watching."""
        self.paused = True
        self.files.close()

    # ----------------------------------------------------------------------------- questions

    def criterion(self, names: Iterable[str]) -> set[Location]:
        """Everything that the values of `names`, as they are now, rest on."""
        with self.stepping.looking():
            return self._criterion(names)

    def _criterion(self, names: Iterable[str]) -> set[Location]:
        scope, reach = self.tools.scope, self.tools.graph.reach
        found = {BEFORE, *scope.closure(names)}
        packages = scope.packages(found) | self.tools.everywhere
        below = [reach.get(n, NOTHING) for n in found]
        found |= {f"package:{p}" for p in packages}
        found |= {f"file:{path}" for path in self.tools.filing.behind(found)}
        for key, generator in global_generators():
            if any(address(generator) in r.keys for r in below):
                found.add(f"hidden:{key}")
        if any(r.pyplot for r in below):
            found.add("hidden:matplotlib.rc")  # it is drawn with the settings there are then
            held = set(open_figures())
            keys = {key for r in below for key in r.opaque & held}
            found |= {self.tools.figures.location(key) for key in keys}
        wanted = locations(found)
        return set(wanted if LAST_SHOWN.isdisjoint(wanted) else self._outputs_of(wanted))

    def wanted_by(self, expression: ast.expr) -> set[Location]:
        """Everything that the value of an expression rests on, were it evaluated now.

        Or has been, by the running statement.
        """
        nothing = Statement(ast.unparse(expression), Place(self.source, 1, 1))
        with self.stepping.looking():
            running = self.open or begin(self.tools, ast.Expr(expression), nothing)
            return self._wanted(of_expression(self.tools, expression, running))

    def wanted_so_far(self) -> set[Location]:
        """Everything that what the running statement has done so far rests on."""
        with self.stepping.looking():
            return self._wanted(self.open) if self.open is not None else set()

    def _wanted(self, running: Running) -> set[Location]:
        touched = self.files.so_far() if self.open is not None else Touched()
        reads = read_so_far(self.tools, running, touched)
        return self.criterion(n for n in reads if ":" not in n) | set(locations(reads))

    def inputs_so_far(self) -> list[FileRead]:
        """Files that the running statement has read and that none has written."""
        if self.open is None:
            return []
        with self.stepping.looking():
            return self.tools.filing.inputs(self.open, self.files.so_far())

    # -------------------------------------------------------------------------------- faults

    def fault(self, where: str, error: Exception) -> None:
        """Something in linea failed: every slice says so, the user's program goes on."""
        if self.report is not None:
            with suppress(Exception):
                self.report(where, error)
        self.note(f"capture failed {where}: {type(error).__name__}: {error}")

    def note(self, text: str) -> None:
        """Have every later slice say `text`."""
        if text not in self.notes:
            self.notes.append(text)


def _with_earlier(seen: Observation, steps: list[Step], beside: list[Beside]) -> Observation:
    """What was seen of a statement, with that of parts of it that were steps of their own."""
    effects = seen.effects
    changed = frozenset(n for s in steps for n in (s.effects.binds | s.effects.mutates))
    reads = frozenset(n for s in steps for n in s.effects.reads)
    return Observation(
        replace(
            effects,
            reads=effects.reads | reads,
            mutates=effects.mutates | (changed - effects.binds),
        ),
        tuple(dict.fromkeys([*seen.assumed, *(a for s in steps for a in s.assumed)])),
        seen.packages.union(*(b.packages for b in beside)),
        (*(i for b in beside for i in b.inputs), *seen.inputs),
        (*(w for b in beside for w in b.written), *seen.written),
        seen.network or any(b.network for b in beside),
    )
