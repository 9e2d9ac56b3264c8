"""Prepared slices → segments: what each function of the generated module holds, takes and gives.

Statements that several slices of a session share form segments of their own and run once. A
slice holds all that its statements rest on, so what a shared statement rests on is shared as
well; where the order or a change in place could make sharing wrong, the statement is repeated.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from linea.codegen import apart, chunks, reuse
from linea.codegen.chunks import HIDDEN, Chunk
from linea.codegen.parameters import Parameter, find_parameter, literal_assignment
from linea.codegen.parts import ADDED, Item, Part, Prepared, identifier, prepare, spare
from linea.errors import PipelineError

Key = tuple[object, ...]
Class = frozenset[int]
"""The parts that share a segment, by position."""

STARTUP = ("sys.path", "os.environ", "chdir", "importlib", "matplotlib.use", "site.addsitedir")
"""What a later import may depend on: an import below it stays where it is."""


OWN = {
    "argparse": "import argparse",
    "ast": "import ast",
    "copy": "import copy",
    "main": "def main",
    "run_all": "def run_all",
}
"""What every generated module may define: the user's things of these names stay in functions."""

NAME_WIDTH = 40
"""How long a function name made of several artifacts' names may get."""


@dataclass(frozen=True, slots=True)
class Input:
    """A value that a segment takes."""

    name: str
    kind: str
    """`segment`, `edge` or `parameter`."""
    supplier: object = None
    """The supplying segment's key, the artifact's name, or the parameter's."""


@dataclass(slots=True)
class Segment:
    """Statements that become one function."""

    key: Key
    parts: Class
    chunks: list[Chunk] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    """Inputs that the statements change in place and that others need as they were."""
    results: list[str] = field(default_factory=list)
    """The artifacts whose values it gives."""
    name: str = ""
    random: Key | None = None
    """The segment that leaves the state of random generators that this one goes on with."""


@dataclass(slots=True)
class Plan:
    """All that a module is printed from."""

    parts: list[Part]
    imports: list[Chunk]
    constants: list[Chunk]
    definitions: list[Chunk]
    parameters: list[Parameter]
    segments: list[Segment]
    results: dict[str, tuple[Key, str]]
    """Artifact → the segment that gives its value, and under which name."""
    taken: set[str]


def plan(
    parts: Sequence[Part], input_parameters: Sequence[str] = (), *, separate: bool = False
) -> Plan:
    """Work out the functions that make `parts`, in the order they run.

    With `separate`, each of them can run in a process of its own: nothing but the values that
    it takes goes from one to the other.
    """
    requested = {part.name: part for part in parts}
    if not parts:
        raise PipelineError("no artifact was named", hint="name at least one")
    if len(requested) != len(parts):
        raise PipelineError("an artifact is named twice")
    prepared = [prepare(part, requested) for part in parts]
    check_cycles(prepared)
    reuse.cut(prepared)
    parameters = [find_parameter(name, prepared) for name in input_parameters]
    check_parameters(parameters)
    constants = hoist_constants(prepared)
    for one in prepared:
        one.imports = [item.chunk for item in one.items if item.chunk.is_import]
    imports = hoist_imports(prepared)
    definitions = hoist_definitions(prepared, {name for c in constants for name in c.binds})
    taken = {n for p in prepared for i in p.items for n in i.chunk.uses | i.chunk.may_bind}
    taken |= {n for c in (*imports, *constants, *definitions) for n in c.uses | c.binds}
    return wire(prepared, parameters, imports, constants, definitions, taken, separate)


def check_parameters(parameters: Sequence[Parameter]) -> None:
    names = Counter(parameter.name for parameter in parameters)
    twice = [name for name, times in names.items() if times > 1]
    if twice:
        raise PipelineError(f"the parameter {twice[0]!r} is named twice")


def check_cycles(prepared: Sequence[Prepared]) -> None:
    """Refuse artifacts that rest on each other."""
    rests = {
        p.part.name: [item.target for item in p.items if item.kind == "edge"] for p in prepared
    }

    def follow(name: str, path: list[str]) -> None:
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            raise PipelineError(f"these artifacts rest on each other: {circle}")
        for other in rests[name]:
            follow(other, [*path, name])

    for name in rests:
        follow(name, [])


# ---------------------------------------------------------- what stands outside of functions


def steps(prepared: Iterable[Prepared]) -> Iterator[tuple[Prepared, int, Item]]:
    for one in prepared:
        for at, item in enumerate(one.items):
            if item.kind == "step":
                yield one, at, item


def take(prepared: Sequence[Prepared], wanted: Iterable[Chunk]) -> list[Chunk]:
    """Remove chunks from the parts; return each once, in order."""
    out = {id(chunk) for chunk in wanted}
    taken: dict[str, Chunk] = {}
    for one in prepared:
        for item in one.items:
            if id(item.chunk) in out:
                taken.setdefault(item.chunk.text.strip(), item.chunk)
        one.items[:] = [item for item in one.items if id(item.chunk) not in out]
    return list(taken.values())


def bindings(prepared: Iterable[Prepared]) -> dict[str, set[str]]:
    """Name → the texts of all statements that bind it."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in prepared:
        for item in one.items:
            for name in item.chunk.may_bind:
                found[name].add(item.chunk.text.strip())
    return found


def hoist_imports(prepared: Sequence[Prepared]) -> list[Chunk]:
    """Take out the imports that can stand at the module's top."""
    bound: dict[str, set[str]] = defaultdict(set)
    for name, text in OWN.items():
        bound[name].add(text)
    for one in prepared:
        for item in one.items:
            for name in item.chunk.may_bind:
                bound[name].add(binding_text(item.chunk, name))
    wanted = []
    for one in prepared:
        started = False
        for item in one.items:
            chunk = item.chunk
            if item.kind == "step" and chunk.is_import:
                future = any(
                    isinstance(node, ast.ImportFrom) and node.module == "__future__"
                    for node in chunk.tree
                )
                alone = all(len(bound[name]) == 1 for name in chunk.may_bind)
                if future or is_star(chunk) or (alone and not started):
                    wanted.append(chunk)
            started = started or (
                not chunk.is_import and any(text in chunk.text for text in STARTUP)
            )
    return take(prepared, wanted)


def is_star(chunk: Chunk) -> bool:
    return any(alias.name == "*" for node in chunk.tree for alias in getattr(node, "names", ()))


def binding_text(chunk: Chunk, name: str) -> str:
    """What binds `name`: the import itself, however many names its line imports."""
    for node in chunk.tree:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", "")
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    plain = isinstance(node, ast.Import) and alias.asname is None
                    return f"import {name}" if plain else f"{module}:{alias.name}"
    return chunk.text


def hoist_constants(prepared: Sequence[Prepared]) -> list[Chunk]:
    """Take out literals with a constant's name (`MAX_AGE = 90`) that are bound only once."""
    bound = bindings(prepared)
    changed = {name for _, _, item in steps(prepared) for name in item.chunk.changes}
    results = {one.result for one in prepared}
    wanted = []
    for _, _, item in steps(prepared):
        literal = literal_assignment(item.chunk)
        if literal is None:
            continue
        name = literal[0]
        constant = name.isupper() and len(name) > 1 and name not in changed | results
        if constant and len(bound[name]) == 1:
            wanted.append(item.chunk)
    return take(prepared, wanted)


def hoist_definitions(prepared: Sequence[Prepared], constants: set[str]) -> list[Chunk]:
    """Take out functions and classes that use nothing but each other, imports and constants."""
    bound = bindings(prepared)
    wanted = {
        id(item.chunk): item.chunk
        for _, _, item in steps(prepared)
        if item.chunk.definition
        and item.chunk.definition not in OWN
        and len(bound[item.chunk.definition]) == 1
    }
    while True:
        free = {chunk.definition for chunk in wanted.values()} | constants
        kept = {
            at: chunk
            for at, chunk in wanted.items()
            if not ((chunk.uses | (chunk.may_bind - chunk.binds)) & bound.keys()) - free
        }
        if len(kept) == len(wanted):
            return take(prepared, kept.values())
        wanted = kept


# --------------------------------------------------------------------------------- segments


def wire(
    prepared: Sequence[Prepared],
    parameters: list[Parameter],
    imports: list[Chunk],
    constants: list[Chunk],
    definitions: list[Chunk],
    taken: set[str],
    separate: bool,
) -> Plan:
    flows = [Flow(one, separate) for one in prepared]
    classes = share(flows, separate)
    segments: dict[Key, Segment] = {}
    for number, flow in enumerate(flows):
        for at, item in enumerate(flow.items):
            if item.kind == "setting":
                put_setting(flow, at, number, classes[number], segments)
            if item.kind != "step":
                continue
            key = segment_key(flow, classes[number][at])
            segment = segments.setdefault(key, Segment(key, classes[number][at]))
            if number == min(segment.parts):
                segment.chunks.append(item.chunk)
    results: dict[str, tuple[Key, str]] = {}
    for number, flow in enumerate(flows):
        name = flow.prepared.result
        source = flow.supplier(name, len(flow.items), classes[number])
        if source and source.kind == "segment":
            key = as_key(source.supplier)
        else:
            key = segment_key(flow, frozenset({number}))
            segments.setdefault(key, Segment(key, frozenset({number})))
        results[flow.prepared.part.name] = key, name
        segments[key].results.append(flow.prepared.part.name)
        if name not in segments[key].outputs:
            segments[key].outputs.append(name)
    for segment in segments.values():
        flow = flows[min(segment.parts)]
        segment.inputs = flow.inputs(segment, classes[min(segment.parts)])
    for segment in segments.values():
        for taken_value in segment.inputs:
            if taken_value.kind == "segment":
                outputs = segments[as_key(taken_value.supplier)].outputs
                if taken_value.name not in outputs:
                    outputs.append(taken_value.name)
    if separate:
        hand_on_random(flows, classes, segments)
    ordered = order(segments, results, flows)
    for segment in ordered:
        segment.outputs.sort(key=bound_at(segment))
        segment.copied = copies(segment, segments, flows[min(segment.parts)], parameters)
    name_segments(ordered, taken)
    return Plan(
        [one.part for one in prepared],
        imports,
        constants,
        definitions,
        parameters,
        ordered,
        results,
        taken,
    )


def put_setting(
    flow: Flow, at: int, number: int, classes: Sequence[Class], segments: dict[Key, Segment]
) -> None:
    """Set an option in every segment that has a statement after it; what binds, where it is used."""
    chunk = flow.items[at].chunk
    wanted: dict[Class, None] = {}
    needed = not chunk.may_bind
    for later in range(at + 1, len(flow.items)):
        used = bool(chunk.may_bind & flow.items[later].chunk.uses)
        needed = needed or (used and flow.is_setting(later))
        if flow.items[later].kind == "step" and (needed or used):
            wanted[classes[later]] = None
    for parts in wanted:
        key = segment_key(flow, parts)
        segment = segments.setdefault(key, Segment(key, parts))
        if number == min(parts):
            segment.chunks.append(flow.items[at].chunk)


def hand_on_random(
    flows: Sequence[Flow], classes: Sequence[Sequence[Class]], segments: dict[Key, Segment]
) -> None:
    """Say for each segment below a seed whose state of the generators it goes on with.

    A statement that draws stands in the slices of all that draw after it, so the one before it
    among those that are shared as widely is the one that drew last.
    """
    for segment in segments.values():
        flow = flows[min(segment.parts)]
        mine = classes[min(segment.parts)]
        at = [i for i in apart.steps(flow) if mine[i] == segment.parts]
        seeds = [i for i in apart.steps(flow) if apart.is_seeding(flow.items[i].chunk)]
        if not at or not seeds:
            continue
        before = [i for i in range(seeds[0], at[0]) if i in apart.steps(flow)]
        wider = [i for i in before if mine[i] > segment.parts]
        if wider:
            segment.random = segment_key(flow, mine[wider[-1]])


def as_key(supplier: object) -> Key:
    assert isinstance(supplier, tuple)
    return supplier


def segment_key(flow: Flow, parts: Class) -> Key:
    return (flow.prepared.part.source, *sorted(parts))


class Flow:
    """The statements of one part with who needs what from whom."""

    def __init__(self, prepared: Prepared, separate: bool = False) -> None:
        self.prepared = prepared
        self.items = prepared.items
        variables = frozenset(n for item in self.items for n in item.chunk.may_bind)
        imported = {n for i in self.items if i.chunk.is_import for n in i.chunk.may_bind}
        self.methods = methods(self.items)
        self.items = prepared.items = [
            Item(item.chunk, "setting")
            if item.kind == "step"
            and (
                item.chunk.is_import
                or (separate and apart.is_setting(item.chunk, variables - imported))
                or (separate and is_constant(item.chunk, prepared))
            )
            else item
            for item in self.items
        ]
        self.groups = alias_groups(self.items)
        self.changes = [
            frozenset(n for name in item.chunk.changes for n in self.groups.get(name, {name}))
            for item in self.items
        ]
        seen: Counter[str] = Counter()
        self.keys: list[Key] = []
        for item in self.items:
            text = item.chunk.text.strip()
            seen[text] += 1
            if item.kind in ("edge", "parameter"):
                self.keys.append((item.kind, item.target, sorted(item.chunk.binds)[0]))
            elif item.chunk.line == ADDED:
                self.keys.append(("added", prepared.part.name, text))
            else:
                origins = prepared.part.lines
                at = item.chunk.line - 1
                origin = origins[at] if at < len(origins) else None
                cell = origin.cell if origin else None
                self.keys.append((prepared.part.source, cell, text, seen[text]))

    def is_setting(self, at: int) -> bool:
        return self.items[at].kind == "setting"

    def needs(self, at: int) -> frozenset[str]:
        """The names that must be there before a statement runs."""
        chunk = self.items[at].chunk
        if self.items[at].kind != "step":
            return frozenset()
        later = {
            name
            for name in self.changes[at]
            if any(name in self.items[i].chunk.uses for i in range(at + 1, len(self.items)))
            or name == self.prepared.result
        }
        return (chunk.uses | (chunk.may_bind - chunk.binds) | later) - {HIDDEN}

    def rests(self, at: int) -> set[int]:
        """The earlier statements that one statement rests on."""
        found = set()
        for name in self.needs(at):
            for before in range(at - 1, -1, -1):
                if name in self.items[before].chunk.may_bind or name in self.changes[before]:
                    found.add(before)
                if name in self.items[before].chunk.binds:
                    break
        return found

    def last(self, name: str, at: int) -> int | None:
        """The last statement before `at` that binds or changes `name`."""
        for before in range(at - 1, -1, -1):
            if name in self.items[before].chunk.may_bind or (
                name in self.changes[before] and self.is_bound(name, before)
            ):
                return before
        return None

    def is_bound(self, name: str, at: int) -> bool:
        return any(name in item.chunk.may_bind for item in self.items[:at])

    def supplier(self, name: str, at: int, classes: Sequence[Class]) -> Input | None:
        """Who gives `name` to the statement at `at`; None when it is no variable of the slice."""
        before = self.last(name, at)
        if before is None:
            return None
        item = self.items[before]
        if item.kind == "setting":
            return None  # an import or a constant, which stands in every segment that uses it
        if item.kind == "step":
            return Input(name, "segment", segment_key(self, classes[before]))
        return Input(name, item.kind, item.target)

    def inputs(self, segment: Segment, classes: Sequence[Class]) -> list[Input]:
        """What a segment takes, in the order of first need."""
        found: dict[str, Input] = {}
        inside: set[str] = set()
        for at, item in enumerate(self.items):
            if item.kind != "step" or segment_key(self, classes[at]) != segment.key:
                continue
            for name in sorted(self.needs(at) - inside, key=position_in(item.chunk)):
                source = self.supplier(name, at, classes)
                if source and source.supplier != segment.key:
                    found.setdefault(name, source)
            inside |= item.chunk.may_bind | found.keys()
        for name in segment.outputs:
            if name not in inside:
                source = self.supplier(name, len(self.items), classes)
                if source and source.supplier != segment.key:
                    found.setdefault(name, source)
        return list(found.values())


def position_in(chunk: Chunk) -> Callable[[str], tuple[int, str]]:
    return lambda name: (chunk.text.find(name), name)


def bound_at(segment: Segment) -> Callable[[str], tuple[int, str]]:
    def position(name: str) -> tuple[int, str]:
        for at, chunk in enumerate(segment.chunks):
            if name in chunk.may_bind:
                return at, name
        return len(segment.chunks), name

    return position


def alias_groups(items: Sequence[Item]) -> dict[str, set[str]]:
    """Name → the names whose objects may share memory with its object."""
    groups: dict[str, set[str]] = {}
    pairs = [
        pair
        for item in items
        if not item.chunk.definition and not item.chunk.is_import
        for pair in chunks.aliases(item.chunk.tree)
    ]
    bound = {name for item in items if not item.chunk.definition for name in item.chunk.may_bind}
    for a, b in pairs:
        if a in bound and b in bound:
            joined = groups.get(a, {a}) | groups.get(b, {b})
            for name in joined:
                groups[name] = joined
    return groups


def is_constant(chunk: Chunk, prepared: Prepared) -> bool:
    """Whether a statement gives a name its one value, a literal that nothing changes."""
    literal = literal_assignment(chunk)
    if literal is None or literal[0] == prepared.result:
        return False
    name = literal[0]
    bound = sum(name in item.chunk.may_bind for item in prepared.items)
    if bound == 1 and isinstance(literal[1], (ast.Constant, ast.UnaryOp)):
        return True
    aliased = alias_groups(prepared.items).get(name, {name})
    return bound == 1 and not any(aliased & item.chunk.changes for item in prepared.items)


def methods(items: Sequence[Item]) -> frozenset[str]:
    """The methods of the user's own classes: what they change isn't known by their name."""
    return frozenset(
        node.name
        for item in items
        for tree in item.chunk.tree
        for outer in ast.walk(tree)
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, ast.FunctionDef)
    )


def share(flows: Sequence[Flow], separate: bool = False) -> list[list[Class]]:
    """Give each statement of each part the set of parts it is shared with."""
    private: set[tuple[int, int]] = set()
    while True:
        classes = classify(flows, private)
        again = {
            place
            for number, flow in enumerate(flows)
            for place in unsound(number, flow, flows, classes, separate)
        }
        if not again - private:
            return classes
        private |= again


def classify(flows: Sequence[Flow], private: set[tuple[int, int]]) -> list[list[Class]]:
    holders: dict[Key, set[int]] = defaultdict(set)
    for number, flow in enumerate(flows):
        for at, key in enumerate(flow.keys):
            if (number, at) not in private and flow.items[at].kind == "step":
                holders[key].add(number)
    return [
        [
            frozenset({number}) if (number, at) in private else frozenset(holders[key] | {number})
            for at, key in enumerate(flow.keys)
        ]
        for number, flow in enumerate(flows)
    ]


def unsound(
    number: int,
    flow: Flow,
    flows: Sequence[Flow],
    classes: Sequence[Sequence[Class]],
    separate: bool,
) -> Iterator[tuple[int, int]]:
    """Yield the places (part, position) of statements that can't be shared as they are."""
    mine = classes[number]
    if separate:
        for at in apart.unsplittable(number, flow, mine):
            for other in mine[at]:
                yield other, flows[other].keys.index(flow.keys[at])
    for at, item in enumerate(flow.items):
        parts = mine[at]
        if item.kind != "step" or len(parts) == 1:
            continue
        rests_elsewhere = any(
            not mine[before] >= parts
            for before in flow.rests(at)
            if flow.items[before].kind == "step"
        )
        overtakes = any(
            not mine[before] >= parts and conflicts(flow, before, at)
            for before in range(at)
            if flow.items[before].kind == "step"
        )
        if rests_elsewhere or overtakes or out_of_order(at, flow, parts, flows):
            for other in parts:
                yield other, flows[other].keys.index(flow.keys[at])


def conflicts(flow: Flow, before: int, at: int) -> bool:
    """Say whether running the statement at `at` ahead of the one at `before` could matter."""
    later = flow.items[at].chunk
    touched = later.may_bind | flow.changes[at]
    return bool(touched & (flow.items[before].chunk.uses | flow.changes[before]))


def out_of_order(at: int, flow: Flow, parts: Class, flows: Sequence[Flow]) -> bool:
    """Say whether a statement stands elsewhere among the shared ones in another part."""
    for number in parts:
        other = flows[number]
        if other is flow:
            continue
        common = [key for key in flow.keys[:at] if key in other.keys]
        place = other.keys.index(flow.keys[at])
        if set(common) != {key for key in other.keys[:place] if key in flow.keys}:
            return True
    return False


def order(
    segments: dict[Key, Segment], results: dict[str, tuple[Key, str]], flows: Sequence[Flow]
) -> list[Segment]:
    """Put suppliers first; among those free to run, keep the order of the parts."""
    before: dict[Key, set[Key]] = {key: set() for key in segments}
    for key, segment in segments.items():
        for value in segment.inputs:
            if value.kind == "segment":
                before[key].add(as_key(value.supplier))
            elif value.kind == "edge":
                before[key].add(results[str(value.supplier)][0])
        before[key] |= {
            other
            for other, shared in segments.items()
            if other[0] == key[0] and shared.parts > segment.parts
        }
    done: list[Segment] = []
    waiting = list(segments.values())
    while waiting:
        ready = next((s for s in waiting if before[s.key] <= {other.key for other in done}), None)
        if ready is None:
            stuck = ", ".join(
                sorted({flows[n].prepared.part.name for s in waiting for n in s.parts})
            )
            raise PipelineError(f"these artifacts need values of each other: {stuck}")
        waiting.remove(ready)
        done.append(ready)
    return done


def copies(
    segment: Segment, segments: dict[Key, Segment], flow: Flow, parameters: Sequence[Parameter]
) -> list[str]:
    """The inputs that a segment may change in place though others need them as they were."""
    changed = {
        name
        for at, item in enumerate(flow.items)
        if any(item.chunk is chunk for chunk in segment.chunks)
        for name in flow.changes[at]
    }
    found = []
    for value in segment.inputs:
        if value.name not in changed:
            continue
        if value.kind == "segment":
            supplier = segments[as_key(value.supplier)]
            others = any(
                other is not segment and any(i.supplier == supplier.key for i in other.inputs)
                for other in segments.values()
            )
            if not others and not supplier.results:
                continue
        elif value.kind == "parameter" and not any(
            p.name == value.name and isinstance(p.value, (list, dict, set)) for p in parameters
        ):
            continue
        found.append(value.name)
    return found


def name_segments(segments: Sequence[Segment], taken: set[str]) -> None:
    for segment in segments:
        if segment.results:
            wanted = "_and_".join(f"{identifier(name)}" for name in segment.results)
            if len(wanted) > NAME_WIDTH and len(segment.results) > 1:
                wanted = f"{identifier(segment.results[0])}_and_others"
            wanted = f"make_{wanted}"
        elif 1 <= len(segment.outputs) <= 2:
            wanted = "prepare_" + "_and_".join(segment.outputs)
        else:
            wanted = "prepare_shared" if segment.outputs else "set_up"
        segment.name = spare(wanted, taken)
        taken.add(segment.name)
