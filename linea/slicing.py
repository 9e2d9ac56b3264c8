"""Backward slices over a trace of executed statements.

A dynamic slice in the sense of Agrawal and Horgan (PLDI 1990): of the statements that were
executed, those that the criterion's value rests on, found by walking back from it.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from linea import inner, trimming
from linea.names import bound_by
from linea.trace import Location, Origin, Slice, Step

OUTPUT = re.compile(r"^_(\d+|_{0,2})$")
"""IPython's names for displayed values."""

ARGUMENTS = re.compile(
    r"\b(argv|parse_args|parse_known_args|parse_intermixed_args|OptionParser|getopt|click|typer|fire"
    r"|docopt|absl|tyro|hydra|simple_parsing)\b"
)
"""Code that may read the arguments of the script."""

SPAWNS = re.compile(
    r"\b(create_task|ensure_future|get_running_loop|get_event_loop|current_task|all_tasks|TaskGroup"
    r"|call_soon|call_later|run_in_executor|to_thread|start_soon)\b"
)
"""Code that may need a running event loop, as every cell of a notebook has."""

LAST_SHOWN = frozenset({"_", "__", "___"})
"""IPython's names for the last values that it displayed."""

CLOSING = "__import__('matplotlib.pyplot').pyplot.close('all')  # as the notebook does after a cell"
"""What a notebook does with figures between cells."""

CLOSES = re.compile(r"""[\w.()']+\.close\(['"]all['"]\)\s*(;?|#.*)$""")
"""Statements that close all figures, if it is pyplot that they ask, and do as well where there are none."""

FIGURES = ("figure:", "hidden:current figure", "hidden:figures")
"""What the locations of figures begin with."""

INTERRUPT = "KeyboardInterrupt"
"""What a statement raised that somebody stopped by hand."""

INPUT = re.compile(r"\b(?:In|_ih|_i{1,3}|_i\d+)\b")
"""IPython's names for the sources of cells."""


class Typed(NamedTuple):
    """A cell of a notebook as it was typed, and as plain Python."""

    raw: str
    code: str


_UNTYPED = Typed("", "")


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What was known of names as a block began to run, see `trimming.Piece`."""

    kinds: Mapping[str, str]
    shares: Mapping[str, frozenset[str]]


class Kept(list[int]):
    """Positions of the steps of a slice."""

    def __init__(
        self,
        positions: Iterable[int],
        skeletons: Mapping[int, trimming.Skeleton],
        left_in: Mapping[int, frozenset[int]],
    ) -> None:
        super().__init__(positions)
        self.skeletons = skeletons
        """Loops among them of which only what they go over is needed."""
        self.left_in = left_in
        """Functions among them that were stepped through, each with the statements that it keeps."""

    def then(self, position: int) -> Kept:
        """With one more."""
        return Kept([*self, position], self.skeletons, self.left_in)


def backward(
    steps: Sequence[Step],
    criterion: Iterable[Location],
    *,
    forced: Iterable[int] = (),
    facts: Mapping[int, BlockFacts] | None = None,
) -> Kept:
    """Positions in `steps` of those that `criterion`, as it stands after the last, rests on.

    The steps at `forced` are kept too, with what they rest on. With `facts`, what was known of
    names as blocks began to run, loops rest on no more than what is left of them needs.
    """
    wanted = frozenset(criterion)
    bare = _Skeletons(steps, facts or {})
    # `from __future__` decides how all that follows is compiled.
    always = {i for i, s in enumerate(steps) if s.statement.source.startswith("from __future__")}
    always.update(forced)
    entered = inner.calls(steps)
    while True:
        kept = _reach_back(steps, wanted, always, bare)
        missing = _deletions(steps, kept, wanted) | _ways_of_children(steps, kept)
        missing |= inner.missing(steps, entered, kept, wanted)
        missing -= always
        if not missing:
            left = _without_idle_closings(steps, sorted(kept))
            left_in = inner.left_in(steps, entered, kept, wanted)
            return Kept(left, {i: s for i, s in bare.found.items() if i in kept}, left_in)
        always |= missing


def _without_idle_closings(steps: Sequence[Step], kept: list[int]) -> list[int]:
    """`kept` without what closes figures where there are none."""
    left: list[int] = []
    drawn = False
    for i in kept:
        effects = steps[i].effects
        closes = Location("hidden:current figure") in effects.binds
        if not (closes and CLOSES.match(steps[i].statement.source)):
            changed = effects.binds | effects.mutates
            drawn = drawn or any(location.startswith(FIGURES) for location in changed)
        elif not drawn:
            continue
        left.append(i)
    return left


def shown_before(steps: Sequence[Step], end: int) -> dict[str, str]:
    """What `__` and `___` stand for before the step at `end`, by the names of outputs: `_3`.

    Empty where the user has bound them: IPython lets go of them then.
    """
    shown: list[str] = []
    theirs = False
    for step in steps[:end]:
        effects = step.effects
        name = f"_{step.statement.place.cell}"
        if name in effects.binds:
            shown.append(name)
        elif not LAST_SHOWN.isdisjoint(effects.binds):
            theirs = LAST_SHOWN.isdisjoint(effects.unbinds)
    pairs = zip(("__", "___"), reversed(shown[-3:-1]), strict=False)
    return {} if theirs else dict(pairs)


class _Skeletons:
    """Loops of a slice of which only what they go over is needed."""

    def __init__(self, steps: Sequence[Step], facts: Mapping[int, BlockFacts]) -> None:
        self.steps = steps
        self.facts = facts
        self.found: dict[int, trimming.Skeleton] = {}
        self._elsewhere: bool | None = None

    def reads(self, i: int, need: set[Location]) -> frozenset[Location]:
        """What step `i` rests on when no more than `need` is needed of it."""
        step = self.steps[i]
        effects = step.effects
        self.found.pop(i, None)
        known = self.facts.get(step.index)
        seen = known is not None and step.error is None and not step.assumed and not step.within
        if known is None or not seen or not need.isdisjoint(effects.mutates | effects.unbinds):
            return effects.reads
        wanted = frozenset(need & effects.binds)
        names = frozenset(b for b in effects.binds if b.isidentifier() and not INPUT.match(b))
        if not all(n.isidentifier() for n in wanted) or self._bound_elsewhere():
            return effects.reads
        kinds = known.kinds
        if effects.reads & _MAKES_ITEMS:
            kinds = {n: k for n, k in kinds.items() if k != "library"}
        left = trimming.skeleton(step.statement.source, wanted, names, kinds)
        if left is None or not left.reads.isdisjoint(effects.mutates):
            return effects.reads
        self.found[i] = left
        words = trimming.mentions_in(step.statement.source)
        below = {r for r in effects.reads if r.isidentifier() and r not in words}
        return frozenset(map(Location, left.reads)) | below

    def _bound_elsewhere(self) -> bool:
        """Whether functions may bind names of the session."""
        if self._elsewhere is None:
            self._elsewhere = any(_BINDS_GLOBALS.search(s.statement.source) for s in self.steps)
        return self._elsewhere


_MAKES_ITEMS = frozenset({Location("package:polars"), Location("package:pyarrow")})
"""Packages whose columns make new objects of what they hold when they are gone over."""

_BINDS_GLOBALS = re.compile(r"\b(global|globals|exec|setattr|__main__|vars|locals|get_ipython)\b")


def _reach_back(
    steps: Sequence[Step], criterion: frozenset[Location], forced: set[int], bare: _Skeletons
) -> set[int]:
    need = set(criterion)
    kept: set[int] = set()
    for i in range(len(steps) - 1, -1, -1):
        effects = steps[i].effects
        if (
            i in forced
            or not need.isdisjoint(effects.binds)
            or not need.isdisjoint(effects.mutates)
        ):
            kept.add(i)
            reads = effects.reads if i in forced else bare.reads(i, need)
            need -= effects.binds
            need -= effects.unbinds
            need |= reads
        elif effects.unbinds:
            need -= effects.unbinds
    return kept


FORKS = re.compile(r"\bfork(pty)?\(")


def _ways_of_children(steps: Sequence[Step], kept: set[int]) -> set[int]:
    """What the other process of a kept fork does: it must not go on with the rest of the slice."""
    pids: set[Location] = set()
    found: set[int] = set()
    for i, step in enumerate(steps):
        if not pids.isdisjoint(step.effects.reads):
            found.add(i)
        if i in kept and FORKS.search(step.statement.source):
            pids |= step.effects.binds
    return found


def _deletions(steps: Sequence[Step], kept: set[int], criterion: frozenset[Location]) -> set[int]:
    """Left-out `del` statements without which a kept binding would be seen too late."""
    found: set[int] = set()
    bound: dict[Location, list[int]] = {}
    """Left-out deletions of what a kept step has bound, since the last kept step that read it."""
    seen: set[Location] = set()
    for i, step in enumerate(steps):
        effects = step.effects
        if i in kept:
            for name in effects.reads & bound.keys():
                found.update(bound.pop(name))
            for name in effects.binds & bound.keys():
                del bound[name]
            seen |= effects.binds | effects.unbinds
        else:
            for name in effects.unbinds & seen:
                bound.setdefault(name, []).append(i)
    return found.union(*(after for name, after in bound.items() if name in criterion))


def emit(
    steps: Sequence[Step],
    kept: Sequence[int],
    *,
    result: str | None,
    last: str | None = None,
    inputs: Mapping[int, Typed] | None = None,
    arguments: Sequence[str] = (),
    facts: Mapping[int, BlockFacts] | None = None,
    user_classes: bool = True,
    saved: trimming.Saved | None = None,
    conservative: Iterable[str] = (),
    unreproducible: Iterable[str] = (),
) -> Slice:
    """Source of the kept steps, in the order they ran, that runs alone.

    `inputs` are the sources of IPython's cells, for code that reads `In`; `arguments` are what
    the script was given, for code that reads them. With `facts`, what was
    known of names as blocks began to run, statements are cut inside (see `trimming`).
    `saved` is what the last of the steps, which is running, saves.
    `last` is a line to end with, such as the assignment of the saved expression to `result`.
    """
    needed = {n for i in kept for n in steps[i].effects.reads if OUTPUT.match(n)}
    if result is not None and OUTPUT.match(result):
        needed.add(Location(result))
    older_ends = _older_outputs(steps, len(steps), last or result or "")
    needed.update(map(Location, older_ends.values()))
    lines: list[str] = []
    origins: list[Origin | None] = []
    spawning = any(_spawns(steps[i]) for i in kept)
    looping = spawning or any(awaits(steps[i].statement.source) for i in kept)
    if looping:
        lines += ["import asyncio", "_linea_loop = asyncio.new_event_loop()"]
        origins += [None, None]
    if arguments and any(ARGUMENTS.search(steps[i].statement.source) for i in kept):
        lines += ["import sys", f"sys.argv[1:] = {list(arguments)!r}"]
        origins += [None, None]
    numbered = any(re.search(r"\b(Out|_oh)\[", steps[i].statement.source) for i in kept)
    if numbered:
        lines.append("Out = _oh = {}")
        origins.append(None)
    if any(steps[i].error == INTERRUPT for i in kept):
        lines.append("import signal as _linea_signal")
        origins.append(None)
    top = {i: n for n, i in enumerate(i for i, s in enumerate(steps) if not s.within)}
    own = [i for i in kept if i in top]
    future = [i for i in own if steps[i].statement.source.startswith("from __future__")]
    order = [*future, *(k for k in own if k not in future)]
    skeletons = kept.skeletons if isinstance(kept, Kept) else {}
    left_in = kept.left_in if isinstance(kept, Kept) else {}
    ends = {c.position: steps[c.members[-1]].effects.binds for c in inner.calls(steps)}

    bodies = _bodies(
        steps, order, needed, result, last, facts, user_classes, skeletons, saved, left_in, ends
    )
    left: list[int] = []
    for i, body in zip(order, bodies, strict=True):
        if body is None:
            continue
        left.append(i)
        step = steps[i]
        place = step.statement.place
        text = "\n".join(line.text for line in body)
        shown = sorted(needed & _given(step, ends))
        head = 0
        if shown:
            text = _assigned(text, shown)
        if looping and (awaits(text) or (spawning and _calls(text))):
            text, head = _awaited(text)
        older = _older_outputs(steps, i, step.statement.source)
        assigned = [f"{name} = {output}" for name, output in older.items()]
        for line in [*assigned, *_cells_read(step, inputs or {})]:
            lines.append(line)
            origins.append(None)
        if step.error == INTERRUPT:
            text, head = _interrupted(text, step.seconds), head + 3
        elif step.error is not None:
            text, head = _tolerant(text, step.error), head + 1
        for n, line in enumerate(text.split("\n")):
            lines.append(line)
            number = body[n - head].number if head <= n < head + len(body) else None
            origins.append(
                Origin(place.file, place.line + number, place.cell) if number is not None else None
            )
        for name in shown if numbered else ():
            if name[1:].isdigit():
                lines.append(f"Out[{name[1:]}] = {name}")
                origins.append(None)
    if future and lines:
        lines, origins = _future_first(lines, origins)
    lines += [
        *(f"{name} = {output}" for name, output in older_ends.items()),
        *([last] if last else []),
    ]
    origins += [None] * (len(lines) - len(origins))
    code = "\n".join(lines) + ("\n" if lines else "")
    return Slice(
        code=code,
        result=result,
        lines=tuple(origins),
        steps=tuple(top[i] for i in sorted(left)),
        conservative=tuple(dict.fromkeys(conservative)),
        unreproducible=tuple(dict.fromkeys(unreproducible)),
    )


def _bodies(
    steps: Sequence[Step],
    order: Sequence[int],
    needed: set[Location],
    result: str | None,
    last: str | None,
    facts: Mapping[int, BlockFacts] | None,
    user_classes: bool,
    skeletons: Mapping[int, trimming.Skeleton],
    saved: trimming.Saved | None,
    left_in: Mapping[int, frozenset[int]],
    ends: Mapping[int, frozenset[Location]],
) -> list[list[trimming.Line] | None]:
    """The lines to emit of each step; None for a step that trimming others made needless."""
    unknown = BlockFacts({}, {})
    pieces = []
    for i in order:
        step = steps[i]
        known = (facts or {}).get(step.index)
        fixed = (
            facts is None
            or step.error is not None
            or bool(needed & _given(step, ends))
            or bool(step.assumed)
            or (known is None and isinstance(_first(step.statement.source), _BLOCKS))
        )
        known = known or unknown
        # An import of the user's own module reads its file and may do anything.
        bare = all(w.startswith("module:") for w in step.effects.mutates) and not any(
            r.startswith("file:") for r in step.effects.reads
        )
        source = step.statement.source
        if i in skeletons and facts is not None:
            source = "\n".join(line.text for line in skeletons[i].lines)
        pieces.append(
            trimming.Piece(
                source,
                known.kinds,
                known.shares,
                bare and i not in ends,
                _bound_only(step) if i not in ends else None,
                frozenset(b[7:] for b in step.effects.binds if b.startswith("module:")),
                frozenset(r for r in step.effects.reads if r.isidentifier())
                - (skeletons[i].gone if i in skeletons else frozenset()),
                step.error is not None,
                fixed,
                left_in.get(i),
            )
        )
    results = set(re.findall(r"[^\W\d]\w*", f"{result or ''} {last or ''}"))
    if facts is None:
        return [trimming.whole(p.source) for p in pieces]
    bodies = trimming.trim(pieces, results, user_classes=user_classes, saved=saved)
    for n, i in enumerate(order):
        body = bodies[n]
        if i in skeletons and body is not None:
            bodies[n] = [_numbered(line, skeletons[i]) for line in body]
    return bodies


def _given(step: Step, ends: Mapping[int, frozenset[Location]]) -> frozenset[Location]:
    """What a statement binds, once functions in it have been stepped through."""
    return step.effects.binds | ends.get(step.index, frozenset())


def _numbered(line: trimming.Line, left: trimming.Skeleton) -> trimming.Line:
    """A line of what is left of a loop, with its number in all of it."""
    number = left.lines[line.number].number if line.number is not None else None
    return trimming.Line(line.text, number)


def _bound_only(step: Step) -> frozenset[str] | None:
    """The names that a step bound; None if it did, or may have done, anything else."""
    effects = step.effects
    if effects.mutates or effects.unbinds or step.assumed:
        return None
    if any(r.startswith(("file:", "hidden:")) for r in effects.reads):
        return None
    names = frozenset(effects.binds)
    return names if all(n.isidentifier() for n in names) else None


_DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)
_BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.TryStar, ast.Match)


def _first(source: str) -> ast.stmt | None:
    try:
        return ast.parse(source).body[0]
    except (SyntaxError, IndexError):
        return None


def _older_outputs(steps: Sequence[Step], at: int, source: str) -> dict[str, str]:
    """The outputs that `__` and `___` stand for, where `source`, run before the step `at`, has them."""
    if not re.search(r"\b_{2,3}\b", source):
        return {}
    names = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)]
    read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    return {name: output for name, output in shown_before(steps, at).items() if name in read}


def _cells_read(step: Step, inputs: Mapping[int, Typed]) -> list[str]:
    """Lines that bind what a step reads of the sources of cells, as IPython had them then."""
    cell = step.statement.place.cell
    if cell is None or not INPUT.search(step.statement.source):
        return []
    try:
        tree = ast.parse(step.statement.source)
    except SyntaxError:
        return []
    asked = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and INPUT.fullmatch(n.id)}
    cells = [inputs.get(number, _UNTYPED) for number in range(cell + 1)]
    ran = [each.raw for each in cells]
    found = []
    for name in sorted(asked):
        if name in ("In", "_ih"):
            found.append(f"{name} = {[each.code for each in cells]!r}")
        else:
            number = int(name[2:]) if name[2:].isdigit() else cell - name.count("i")
            found.append(f"{name} = {ran[number] if 0 <= number <= cell else ''!r}")
    return found


def _future_first(
    lines: list[str], origins: list[Origin | None]
) -> tuple[list[str], list[Origin | None]]:
    order = sorted(range(len(lines)), key=lambda i: not lines[i].startswith("from __future__"))
    return [lines[i] for i in order], [origins[i] for i in order]


def _assigned(text: str, names: Sequence[str]) -> str:
    """A displayed expression that also binds IPython's names for it.

    Of several statements, as below `%%time`, the last is what is displayed.
    """
    try:
        body = ast.parse(text).body
    except SyntaxError:
        body = []
    if body and not isinstance(body[-1], ast.Expr):
        return text
    if len(body) > 1:
        rows = text.split("\n")
        start = body[-1].lineno - 1
        before, alone = rows[:start], rows[start].encode()
        if rest := alone[: body[-1].col_offset].decode().strip().rstrip(";"):
            before.append(rest)
        last = "\n".join([alone[body[-1].col_offset :].decode(), *rows[start + 1 :]])
        return "\n".join([*before, _assigned(last, names)])
    return (
        " = ".join(names) + " = (\n" + text + "\n)"
        if "\n" in text
        else " = ".join(names) + " = " + text
    )


def awaits(text: str) -> bool:
    """Whether `text` uses await outside any function."""
    if "await" not in text and "async" not in text:
        return False
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        todo += ast.iter_child_nodes(node)
    return False


def _spawns(step: Step) -> bool:
    return step.statement.place.cell is not None and bool(SPAWNS.search(step.statement.source))


def _calls(text: str) -> bool:
    """Whether `text` is a statement that calls something, neither an import nor a definition."""
    node = _first(text)
    if node is None or isinstance(node, _DEFINITIONS):
        return False
    return any(isinstance(n, ast.Call) for n in ast.walk(node))


def _awaited(text: str) -> tuple[str, int]:
    names = sorted({name for node in ast.walk(ast.parse(text)) for name in bound_by(node)})
    head = ["async def _linea_step():"]
    if names:
        head.append(f"    global {', '.join(names)}")
    body = _indent(text)
    return "\n".join([*head, body, "_linea_loop.run_until_complete(_linea_step())"]), len(head)


def _tolerant(text: str, error: str) -> str:
    kind = error.partition(":")[0].strip() or "Exception"
    return f"try:\n{_indent(text)}\nexcept BaseException:  # it raised {kind} when it ran\n    pass"


def _interrupted(text: str, seconds: float) -> str:
    """`text`, stopped after the time after which it was stopped: it might run for ever."""
    return (
        "_linea_signal.signal(_linea_signal.SIGALRM, _linea_signal.default_int_handler)\n"
        f"_linea_signal.setitimer(_linea_signal.ITIMER_REAL, {max(seconds, 0.01):.2f})\n"
        f"try:\n{_indent(text)}\n"
        f"except BaseException:  # it was interrupted after {seconds:.2g} s when it ran\n    pass\n"
        "finally:\n    _linea_signal.setitimer(_linea_signal.ITIMER_REAL, 0)"
    )


def _indent(text: str) -> str:
    """Indent by four, but not inside texts that go over several lines."""
    inside: set[int] = set()
    try:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno != node.lineno:
                inside |= set(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    except SyntaxError:
        return textwrap.indent(text, "    ")
    return "\n".join(
        line if i in inside or not line.strip() else "    " + line
        for i, line in enumerate(text.split("\n"), 1)
    )
