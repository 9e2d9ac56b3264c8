"""What the instruments show of one executed statement → its Effects."""

from __future__ import annotations

import ast
import sys
import time
import types
from collections.abc import Iterable
from dataclasses import dataclass, replace

from linea import slicing
from linea.capture import harmless, imports, invisible, magics, randomness
from linea.capture.builtin_types import global_generators
from linea.capture.drawing import CURRENT, draws, open_figures
from linea.capture.files import Touched
from linea.capture.filing import FileRead, lists_folders
from linea.capture.hidden import BUILTINS, Facts
from linea.capture.instruments import Instruments
from linea.capture.looking import LEAST, Look, unseen
from linea.capture.objects import NOTHING, Reach
from linea.capture.randomness import RANDOM
from linea.capture.rules import ASKING, EVERYWHERE, NOISE, SEEDS, SETTER, SHARING
from linea.capture.running import Running
from linea.capture.source import uses
from linea.capture.sparing import spares_arrays
from linea.capture.walk import address, is_a
from linea.trace import Effects, Location, Statement

LOADED_MODULES = "hidden:sys.modules"

CACHE_HITS = "hidden:cache hits"

DESCRIPTORS = "hidden:file descriptors"

TOO_LARGE = "objects too large to compare within the time budget"

_SHOWN = frozenset({"_", "__", "___"})
"""IPython's names for the last values shown."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that was seen of one statement."""

    effects: Effects
    assumed: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()
    inputs: tuple[FileRead, ...] = ()
    written: tuple[str, ...] = ()
    network: bool = False


def begin(tools: Instruments, node: ast.stmt, statement: Statement) -> Running:
    """Note what is known as a statement is about to run."""
    found = uses(node)
    running = Running(node, statement, found, modules=len(sys.modules))
    if not found.inert:
        running.figures = open_figures()
        running.named = tools.filing.files.named([*found.strings, *tools.scope.texts(found.loads)])
        running.named |= tools.filing.behind(found.loads)
    running.reads = tools.scope.read(node, found)
    if "run_line_magic" in found.calls and (path := magics.script_run_here(node)) is not None:
        running.reads |= tools.scope.read_by_script(path)
    if tools.planted and not found.inert:
        at = tools.scope.packages(running.reads) | EVERYWHERE
        planted = set().union(*(names for package, names in tools.planted.items() if package in at))
        running.reads |= tools.scope.closure(planted & tools.scope.namespace.keys())
        running.indirect = bool(planted)
    if tools.spawned and slicing.awaits(statement.source):
        running.indirect = True
        running.reads |= tools.scope.closure(tools.spawned & tools.scope.namespace.keys())
    if not found.inert and (streams := tools.redirected()):
        running.indirect = True
        running.reads |= tools.graph.holders(streams)
    return running


def prepare(tools: Instruments, running: Running, steps: int) -> None:
    """Hash what `running`, which comes next after `steps` statements, may write to."""
    graph, scope = tools.graph, tools.scope
    running.spared = running.uses.inert
    if running.spared or not graph.contents.known:
        return
    augments = any(isinstance(n, ast.AugAssign) for n in ast.walk(running.node))
    running.spared = spares_arrays(running, scope) or (
        not augments and harmless.is_harmless(running, scope)
    )
    if running.spared or not graph.contents.pending:
        return
    below = [graph.reach.get(n, NOTHING).keys for n in running.reads]
    near: dict[str, bool] = {}
    """Whether a name shares anything with what the statement reads."""
    wanted = []
    for key in graph.contents.pending:
        for name in graph.holders([key]):
            if name not in near:
                keys = graph.reach.get(name, NOTHING).keys
                near[name] = name in running.reads or not all(map(keys.isdisjoint, below))
            if near[name]:
                wanted.append(key)
                break
    deadline = time.thread_time() + max(tools.budget.allowance(steps), LEAST)
    graph.contents.hash(wanted, deadline)


def of_expression(tools: Instruments, node: ast.expr, running: Running) -> Running:
    """`running` as if the expression in it were all of it."""
    statement = ast.Expr(node)
    found = uses(statement)
    alone = replace(running, node=statement, uses=found)
    alone.reads = tools.scope.read(statement, found)
    return alone


def read_so_far(tools: Instruments, running: Running, touched: Touched) -> set[str]:
    """All that a statement which hasn't ended yet may have read."""
    scope = tools.scope
    reads = scope.closure(running.reads | running.uses.loads | running.uses.deferred)
    if running.uses.inert:
        return reads
    packages = scope.packages(reads)
    mentions = running.mentions | scope.mentions(reads)
    drawing = draws(running, (tools.graph.reach.get(n, NOTHING) for n in reads))
    files = bool(touched or running.named)
    facts = Facts(
        runs=True, mentions=frozenset(mentions), packages=frozenset(packages), text=True, files=files,
        imports=bool(touched.modules), pyplot=drawing,
    )  # fmt: skip
    found = set(reads)
    found |= _prefixed(
        "module", imports.submodules_read(scope.namespace, reads, mentions, tools.modules_written)
    )
    found |= _prefixed("hidden", tools.hidden.reads(facts) | tools.hidden.differing())
    found |= _prefixed("package", packages | tools.everywhere)
    if drawing:
        found |= tools.figures.drawn(running).reads
    asks = bool(mentions & ASKING)
    if files or asks:
        lists = lists_folders(mentions, touched)
        found |= tools.filing.effects(running, touched, (), lists=lists, asks=asks).reads
    return found


class Evidence:
    """The evidence on one statement, from the text outward: objects, modules, state, files."""

    def __init__(
        self, tools: Instruments, running: Running, touched: Touched, *, completed: bool, step: int
    ) -> None:
        self.tools = tools
        self.running = running
        self.uses = running.uses
        self.touched = touched
        self.step = step
        self.runs = not running.uses.inert
        self.importing = isinstance(running.node, (ast.Import, ast.ImportFrom))
        self.bound, self.unbound = tools.bindings.changes(running.uses, completed=completed)
        self.rebound = {n for n in self.uses.maybe if n in tools.scope.namespace} - self.bound
        """Names that may be bound anew, to an object at the address of the one before."""
        self.reads = set(running.reads)
        self.binds = set(self.bound)
        self.mutates: set[str] = set()
        self.mutated: set[str] = set()
        """The names among `mutates`."""
        self.packages: set[str] = set()
        self.mentions: set[str] = set()
        self.fresh: set[str] = set()
        self.draws = False
        self.assumed: list[str] = []

    def observe(self) -> Observation:
        """Take all evidence, and join it."""
        known = self._known()
        self.tools.graph.moved.clear()
        self.tools.graph.hit = False
        self._compare_objects(known)
        self._follow_modules(known)
        if self.importing or (self.runs and not self._only_computes()):
            self._sense_state()
        asks = self.runs and bool(self.mentions & ASKING)
        named = self.running.named or self.tools.filing.behind(self.mutated)
        if self.touched or named or asks:
            self._follow_files(asks=asks)
        filing = self.tools.filing
        return Observation(
            self._effects(),
            tuple(self.assumed),
            frozenset(self.packages),
            tuple(filing.inputs(self.running, self.touched)),
            tuple(filing.outputs(self.touched)),
            self.touched.network,
        )

    # ------------------------------------------------------------------------------- objects

    def _known(self) -> dict[str, Reach]:
        """What the names in question led to before the statement."""
        reach = self.tools.graph.reach
        names = self.reads | self.bound | self.unbound | self.rebound
        return {n: reach.get(n, NOTHING) for n in names}

    def _compare_objects(self, known: dict[str, Reach]) -> None:
        """Find the names whose objects the statement changed."""
        tools = self.tools
        observed = self.runs and not harmless.is_harmless(self.running, tools.scope)
        self._forget_unbound()
        spared = self.running.spared
        look = Look(tools.scope, tools.budget, self.bound, self.step, spared=spared)
        look.at(self.bound | self.rebound)
        look.changed |= unseen(tools.graph, known, names=self.rebound)
        if observed:
            self._look_below(look, known)
        if self.runs:
            self.reads |= tools.scope.closure(self.reads)
            look.changed |= invisible.patched(self.uses, tools.scope)
            self._draw(look)
        if self.runs:
            self._follow_finalizers()
        if tools.graph.watched or tools.graph.lingering:
            self._follow_lives(look, known)
        self.mutated = self._sharing(look, known)
        self.mutates |= self.mutated
        if look.blurred:
            self.assumed.append(TOO_LARGE)
            tools.graph.mix(self.reads | self.bound)
        if self.runs:
            stores = observed and not harmless.only_looks(self.running)
            tools.graph.tie(self.bound, self.reads, stores=stores)
            if self.uses.calls & SHARING:
                tools.graph.tie_memory(self.bound, self.reads)
            tools.filing.tie(self.bound, self.running, self.touched)
            self._follow_hidden_code()
        elif any(tools.graph.reach.get(n, NOTHING).cut for n in self.bound):
            # What it put together wasn't walked whole: anything that it read may be in it.
            tools.graph.tie(self.bound, self.reads, stores=True)

    def _follow_hidden_code(self) -> None:
        """Find who may run code of the user's from now on, though nothing shows that it is there."""
        tools = self.tools
        below = (tools.graph.reach.get(name, NOTHING).hides for name in self.bound | self.mutated)
        hiding = frozenset[str]().union(*below)
        if hiding and (code := invisible.code_given(self.uses, tools.scope)):
            for package in hiding:
                tools.planted.setdefault(package, set()).update(code)
        zones = invisible.time_zones(self.bound, tools.scope)
        if zones:
            tools.planted.setdefault("builtins", set()).update(zones)

    def _forget_unbound(self) -> None:
        for name in self.unbound:
            self.tools.graph.forget(name)
            self.tools.filing.forget(name)

    def _look_below(self, look: Look, known: dict[str, Reach]) -> None:
        """Compare whatever the statement could reach."""
        graph = self.tools.graph
        look.below(self.reads)
        if self.touched.processes:
            # What a process was given is let go of as it starts, and shared with it still.
            for name in self.reads:
                lost = known.get(name, NOTHING).opaque - graph.reach.get(name, NOTHING).opaque
                graph.link(name, lost)
        # Objects that were below these names and no longer are may live on under others.
        below = {key for name in self.reads for key in known[name].keys}
        gone = below - look.visited
        # So may arrays whose memory is still below them, in another array.
        gone |= (below & graph.prints.keys()) - look.printed
        look.at(graph.holders(gone))
        if not harmless.only_looks(self.running):
            look.changed |= unseen(graph, known, names=self.reads)

    def _follow_finalizers(self) -> None:
        """Find whom finalizers that no name holds will change."""
        graph = self.tools.graph
        for key, names in self.tools.finalizers().items():
            graph.watched.setdefault(key, set()).update(names)
            self.mutates |= (names | graph.holders({key})) - self.bound

    def _follow_lives(self, look: Look, known: dict[str, Reach]) -> None:
        """Find whom it concerns that objects were let go, or are held by one more name."""
        graph = self.tools.graph
        concerned = {n for key in graph.moved for n in graph.watched[key]}
        if "collect" in self.uses.calls:
            concerned.update(graph.lingering, *graph.watched.values())
            graph.lingering.clear()
        concerned = self.tools.scope.closure(concerned & self.tools.scope.namespace.keys())
        look.at(
            concerned
            | graph.holders(k for n in concerned for k in graph.reach.get(n, NOTHING).keys)
        )
        if concerned - self.bound or graph.moved:
            self.mutates |= concerned - self.bound
            held = {n for n, r in known.items() if r.keys & graph.moved}
            self.reads |= concerned | held
            self.running.reads |= held  # what they were bound to before counts
            paths = {p for n in held & (self.bound | self.unbound) for p in known[n].files}
            closed = _prefixed("file", map(self.tools.filing.files.absolute, paths))
            self.mutates |= closed
            self.reads |= closed
        for name in self.bound | concerned:
            self.reads |= graph.holders(graph.reach.get(name, NOTHING).weak) - self.bound
        for key in [k for k in graph.moved if k not in graph.owners]:
            graph.lingering |= graph.watched.pop(key)

    def _draw(self, look: Look) -> None:
        reach = self.tools.graph.reach
        self.draws = draws(self.running, (reach.get(n, NOTHING) for n in self.reads))
        if self.uses.calls and self.tools.figures.changed() - look.changed:
            self.draws = True
        if self.draws:
            drawn = self.tools.figures.drawn(self.running)
            self.reads |= drawn.reads
            self.running.reads |= drawn.reads & {CURRENT}
            self.binds |= drawn.binds
            self.mutates |= drawn.mutates
            look.changed |= drawn.keys
        self.mutates |= self.tools.figures.held(look.changed)

    def _sharing(self, look: Look, known: dict[str, Reach]) -> set[str]:
        """Names that lead, or led, to a changed object."""
        graph = self.tools.graph
        sharing: set[str] = set()
        while more := graph.holders(look.changed) - sharing:
            sharing |= more
            # They may reach other things now, and share things that can't be compared.
            look.at(more - self.bound)
            look.across(more)
        led = {n for n, reach in known.items() if not reach.keys.isdisjoint(look.changed)}
        return (sharing | (led - self.unbound)) - self.bound

    # ------------------------------------------------------------------------------- modules

    def _follow_modules(self, known: dict[str, Reach]) -> None:
        """Find the modules that the statement loaded and reached."""
        tools = self.tools
        if self.runs or self.uses.modules:
            self.packages = tools.scope.packages(self.reads | self.bound)
            self.packages |= {m.partition(".")[0] for m in self.uses.modules} - {"__future__", ""}
        self.mentions = self.running.mentions | tools.scope.mentions(self.reads)
        read = imports.submodules_read(
            tools.scope.namespace, self.reads, self.mentions, tools.modules_written
        )
        self.fresh = tools.modules.loaded_since(self.running.modules)
        self.reads |= _prefixed("module", read)
        self.binds |= _prefixed("module", (m for m in self.uses.modules if m in sys.modules))
        self.mutates |= _prefixed("module", self.fresh)
        self._follow_written_modules()
        for package in imports.packages_extended(self.running.node):
            self.reads.add(package)
            self.mutates.add(package)
            if known.get(package, NOTHING) is not NOTHING:
                self.binds.discard(package)

    def _follow_written_modules(self) -> None:
        """An import gives a module as earlier statements left it."""
        tools = self.tools
        values = (tools.scope.namespace.get(n) for n in self.mutated)
        written = {v.__name__ for v in values if is_a(v, types.ModuleType)}
        # Of a file that the session writes, a later import may not find what this one found.
        made = {n for n in self.fresh if imports.source_file(n) in tools.filing.written}
        tools.modules_written |= written | made
        self.mutates |= _prefixed("module", written)
        tools.modules_written |= self._made_here()
        older = _prefixed("module", self.uses.modules & tools.modules_written)
        self.reads |= older
        self.running.reads |= older  # an import doesn't make anew what is loaded
        if imports.writes_loaded(self.uses, tools.scope.namespace):
            named = {
                t
                for t in (*self.uses.strings, *tools.scope.texts(self.uses.loads))
                if imports.may_name(t)
            }
            tools.modules_written |= named
            self.reads |= _prefixed("module", named)
            self.mutates |= _prefixed("module", named)
            if named:
                return
            tools.modules_replaced = True
            self.mutates.add(LOADED_MODULES)
            self.reads.add(LOADED_MODULES)
        elif tools.modules_replaced and (self.importing or self.mentions & imports.IMPORTING):
            self.reads.add(LOADED_MODULES)

    def _made_here(self) -> set[str]:
        """Modules that it imports whose files the session wrote: a later import needs this one."""
        files = self.tools.filing.written
        if not files:
            return set()
        loaded = {m: getattr(sys.modules.get(m), "__file__", None) for m in self.uses.modules}
        return {m for m, file in loaded.items() if isinstance(file, str) and file in files}

    # --------------------------------------------------------------------------------- state

    def _only_computes(self) -> bool:
        return harmless.only_computes(self.uses, self.tools.scope)

    def _sense_state(self) -> None:
        """Find the hidden state that the statement read and wrote."""
        tools = self.tools
        more = not self.importing or any(map(tools.modules.runs_own, self.fresh))
        # Of a library loaded by the way, the state is its own, unless something in sight sets it.
        setting = more and any(SETTER.match(word) for word in self.mentions)
        changed = tools.hidden.observe(
            new_random=more,
            new_options=setting,
            importing=not more,
            since=self.running.modules,
        )
        changed |= randomness.unseen(self.packages, self.mentions)
        self.reads |= _prefixed("hidden", tools.hidden.reads(self._facts()))
        if BUILTINS in changed:
            self.mutates |= tools.hidden.builtins - tools.scope.namespace.keys()
        seeds = randomness.seeded(self.running, tools.scope) & changed
        for key in changed:
            self._write_state(key, replaced=key in seeds)
        for key, generator in global_generators():
            holders = tools.graph.holders({address(generator)})
            if key in changed:
                self._write_object(generator)
            if not holders.isdisjoint(self.reads):
                self.reads.add(f"hidden:{key}")
        if not changed.isdisjoint(("decimal", "decimal.flags")):
            self._write_object(sys.modules["decimal"].getcontext())
        self._write_packages(changed)
        if invisible.uses_descriptors(self.uses, tools.scope):
            self.mutates.add(DESCRIPTORS)
            self.reads.add(DESCRIPTORS)

    def _facts(self) -> Facts:
        scope, constants = self.tools.scope, self.uses.strings
        return Facts(
            runs=self.runs,
            mentions=frozenset(self.mentions),
            packages=frozenset(self.packages),
            text=bool(self.mutated) or not harmless.is_text_free(self.bound, scope, constants),
            files=bool(self.touched or self.running.named),
            imports=self.importing or bool(self.touched.modules),
            pyplot=self.draws,
        )

    def _write_state(self, key: str, *, replaced: bool) -> None:
        """The hidden state `key` differs; `replaced`: whatever it was before."""
        location = f"hidden:{key}"
        if key in RANDOM and key not in self.tools.seeded:
            # Until it is seeded, what was drawn before makes no difference that a re-run could
            # show.
            if self.mentions & SEEDS:
                self.tools.seeded.add(key)
                self.binds.add(location)
            elif not self.importing and (not self.fresh or key != "random"):
                self.mutates.add(location)
        elif replaced:
            self.binds.add(location)
            self.reads.discard(location)
        else:
            self.mutates.add(location)
            self.reads.add(location)

    def _write_object(self, value: object) -> None:
        """An object that is hidden state differs: names may hold it too."""
        graph = self.tools.graph
        look = Look(self.tools.scope, self.tools.budget, self.bound, self.step)
        holders = graph.holders({address(value)}) - self.bound
        look.at(holders)
        self.mutates |= holders

    def _write_packages(self, changed: set[str]) -> None:
        """Packages hold state too: whoever uses one reads it."""
        tools = self.tools
        bound = self.bound - _SHOWN
        written = invisible.packages_written(
            self.running,
            tools.scope,
            visible=bool(
                changed or self.mutated or self.touched or bound or self.unbound or self.draws
            ),
            state=bool(changed),
            mutated=bool(self.mutated),
        )
        if BUILTINS in changed:
            written.add("builtins")
        tools.everywhere |= written & EVERYWHERE
        code = invisible.code_given(self.uses, tools.scope) if self.runs else set()
        if code:
            written |= invisible.packages_given_code(self.mutated, tools.scope)
            for package in written:
                tools.planted.setdefault(package, set()).update(code)
        if tools.graph.hit:
            self.mutates.add(CACHE_HITS)
        if tools.graph.hit or "cache_info" in self.mentions:
            self.reads.add(CACHE_HITS)
        self.mutates |= _prefixed("package", written)
        self.reads |= _prefixed("package", self.packages - EVERYWHERE)
        if self.runs:
            self.reads |= _prefixed("package", tools.everywhere)

    # --------------------------------------------------------------------------------- files

    def _follow_files(self, *, asks: bool) -> None:
        """Find the files that the statement read and wrote."""
        lists = not self.importing and lists_folders(self.mentions, self.touched)
        found = self.tools.filing.effects(
            self.running, self.touched, self.mutated, lists=lists, asks=asks
        )
        self.reads |= found.reads
        self.binds |= found.binds
        self.mutates |= found.mutates

    # -------------------------------------------------------------------------------- joined

    def _effects(self) -> Effects:
        cell = self.running.statement.place.cell
        if cell is not None and not self.running.within:
            self.binds.add(f"_i{cell}")
        files = {r for r in self.reads if r.startswith("file:")}
        reads = self.reads - (self.binds - self.running.reads - files)
        reads |= self.uses.loads
        return Effects(
            reads=locations(reads - (NOISE - {"__name__", "__file__"})),
            binds=locations(self.binds | self.unbound),
            mutates=locations(self.mutates - self.binds - self.unbound),
            unbinds=locations(self.unbound),
        )


def locations(texts: Iterable[str]) -> frozenset[Location]:
    """`texts` as locations."""
    return frozenset(map(Location, texts))


def _prefixed(kind: str, names: Iterable[str]) -> set[str]:
    return {f"{kind}:{name}" for name in names}
