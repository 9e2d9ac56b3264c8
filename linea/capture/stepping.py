"""A function that a statement calls once, such as `main()` → its statements as steps of their own.

While the call is under way the function has code that is the user's own with a call of ours before
each statement of its body: same lines, same columns. There the session looks at the names, those
of the function among them, as it does between two statements of the top level. Whatever is unclear
ends this, and the calling statement is one step again.
"""

from __future__ import annotations
import __future__

import ast
import copy
import re
import sys
import textwrap
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from linea.capture import tracing
from linea.capture.evidence import begin
from linea.capture.running import Running
from linea.capture.source import Uses, span
from linea.names import bound_in
from linea.trace import Place, Statement, Within
from linea.trimming import stands_alone

if TYPE_CHECKING:
    from linea.capture.session import Session

DEEPEST = 4
"""How many functions are stepped through at a time."""

_MARK = "linea: a statement of a function comes"

_SEES_FRAMES = frozenset({
    "locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "stack", "breakpoint", "set_trace", "super",
})  # fmt: skip
"""What a function may see its own variables with, other than by their names."""

_DEBUGS = re.compile(
    r"\b(breakpoint|set_trace|settrace|setprofile|sys\.monitoring|f_locals|i?pdb|bdb|cProfile"
    r"|line_profiler|pyinstrument)\b"
)
"""Programs with these words look at how code runs, and are left alone."""

_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)

_LAZY = 0x20 | 0x80 | 0x200
"""Flags of generators and coroutines."""


@dataclass(slots=True)
class Entered:
    """A function that is being stepped through, or about to be."""

    function: types.FunctionType
    plain: types.CodeType
    probed: types.CodeType
    nodes: list[ast.stmt]
    statements: list[Statement]
    first: int
    """The statement of the body that the first call of ours stands before; a text stands above."""
    whole: bool
    node: ast.stmt
    """The calling statement."""
    statement: Statement
    uses: Uses
    caller: Running
    probe: Probe
    decorated: bool
    call: int = -1
    """Position of the calling step; -1 before the function has been entered."""
    number: int | None = 0
    """Which of its statements is running; None once all have."""
    copied: dict[str, Any] | None = None
    """The copy of its variables that its frame keeps, emptied."""

    @property
    def names(self) -> frozenset[str]:
        """Its variables."""
        return frozenset(self.plain.co_varnames) | frozenset(self.plain.co_cellvars)


class Probe:
    """What stands in the constants of a function that is being stepped through."""

    __slots__ = ("_reached",)

    def __init__(self) -> None:
        self._reached: Callable[[int, types.FrameType], None] | None = None

    def let_go(self) -> None:
        """Whatever comes concerns nobody any more; without this it would hold all there is in a cycle."""
        self._reached = None

    def step(self, number: int) -> None:
        """Statement `number` of the body comes."""
        if self._reached is not None:
            try:
                self._reached(number, sys._getframe(1))
            except Exception:
                self._reached = None  # the calling statement is one step, then


class Stepping:
    """The functions that a session is stepping through."""

    def __init__(self, session: Session) -> None:
        # A cycle would be collected too late: what the program holds is to die as Python ends.
        self.session: Session = weakref.proxy(session)
        self.stack: list[Entered] = []
        self.armed: Entered | None = None
        self.view: dict[str, Any] = {}
        """Globals and local variables together, while linea looks at them."""
        self.block: tuple[int, Statement] | None = None
        """A block of the top level that is under way: position of the step that it began with, and its text."""
        self._number: int | None = None
        self._known: set[types.CodeType] = set()
        """Code of functions that have been called: what is called again isn't stepped through."""
        self._read = 0
        """How many steps were searched for words of those who look at how code runs."""
        self._looked_at = False
        self._thread = threading.get_ident()

    # -------------------------------------------------------------------------------- before

    def within(self) -> tuple[Within, ...]:
        """Where a statement runs that begins now."""
        around = (Within(self.block[0], "", self._number, False),) if self.block else ()
        return around + tuple(
            Within(e.call, e.function.__name__, e.number, e.whole) for e in self.stack
        )

    def enter_block(self, statement: Statement) -> None:
        """The statements of a block come, one by one; the last step asked whether they should."""
        self.block = (len(self.session.steps) - 1, statement)

    def at(self, number: int) -> None:
        """Statement `number` of the block comes."""
        self._number = number

    def leave_block(self) -> None:
        """The statements of the block have run."""
        self.block = self._number = None

    def arm(self, running: Running) -> None:
        """Have a function that `running` calls be stepped through, if that can be done."""
        if len(self.stack) >= DEEPEST or self.session.traced or _is_traced():
            return
        found = called_once(running.node)
        if found is None or self.session.paused:
            return
        name, whole = found
        value = self.session.tools.scope.namespace.get(name)
        function = _function_behind(value)
        if function is None or function.__code__ in self._known:
            return
        self._known.add(function.__code__)
        if not self._can_be_entered(function, name):
            return
        entered = self._entered(function, name, whole, running)
        if entered is None or (entered.decorated and value is function):
            return  # a decorator may have given the function to others
        function.__code__ = entered.probed
        self.armed = entered

    def _can_be_entered(self, function: types.FunctionType, name: str) -> bool:
        code = function.__code__
        return (
            function.__globals__ is self.session.namespace
            and function.__name__ == name
            and not function.__closure__
            and not code.co_flags & _LAZY
            and _SEES_FRAMES.isdisjoint(code.co_names)
            and all(e.function is not function for e in self.stack)
            and not self._is_looked_at()
        )

    def _is_looked_at(self) -> bool:
        """Whether the program looks at how code runs."""
        texts = [s.statement.source for s in self.session.steps[self._read :]]
        if not self._read:
            texts.append(self.session.text)
        self._read = len(self.session.steps)
        self._looked_at = self._looked_at or any(map(_DEBUGS.search, texts))
        return self._looked_at

    def _entered(
        self, function: types.FunctionType, name: str, whole: bool, running: Running
    ) -> Entered | None:
        defined = self._definition(name)
        if defined is None:
            return None
        node = _parsed(defined.source, name)
        code = function.__code__
        if node is None:
            return None
        lines = defined.source.split("\n")
        if not all(stands_alone(n, lines) for n in node.body):
            return None  # it couldn't be cut there
        statements = [_statement(n, defined.source, defined.place) for n in node.body]
        _, first_line, _ = span(node, defined.source)
        ast.increment_lineno(node, code.co_firstlineno - first_line)
        flags = code.co_flags & _FUTURES
        if _compiled(node, code.co_filename, flags) != code:
            return None  # it isn't what the text says
        body = node.body
        bound, outside = bound_in(body)
        if self.stack and not (bound - outside).isdisjoint(self._around()):
            return None  # its variables have the names of others
        text = ast.get_docstring(node, clean=False) is not None
        first = 1 if text else 0
        if len(body) - first < 2:
            return None
        probe = Probe()
        probed = _probed(node, first, code.co_filename, flags, probe)
        if probed is None:
            return None
        own = running.uses
        uses = replace(own, loads=own.loads - {name}, calls=own.calls - {name})
        entered = Entered(
            function, code, probed, body, statements, first, whole, running.node,
            running.statement, uses, running, probe, bool(node.decorator_list),
        )  # fmt: skip
        probe._reached = lambda number, frame: self._reached(entered, number, frame)
        return entered

    def _around(self) -> set[str]:
        """Names of the functions under way."""
        return {name for e in self.stack for name in e.names}

    def _definition(self, name: str) -> Statement | None:
        for step in reversed(self.session.steps):
            if name in step.effects.binds:
                plain = not step.within and step.error is None
                return step.statement if plain else None
        return None

    # -------------------------------------------------------------------------------- inside

    def _reached(self, entered: Entered, number: int, frame: types.FrameType) -> None:
        """Statement `number` of a function comes, or its end."""
        session = self.session
        try:
            if entered is self.armed and number == entered.first:
                self._enter(entered, frame)
            if entered in self.stack:
                while self.stack[-1] is not entered:
                    self._leave_top()
                if session.paused:
                    self.give_up()
                    return
                self._advance(entered, number)
        except Exception as error:
            session.fault("stepping through a function", error)
            self._abandon()

    def _enter(self, entered: Entered, frame: types.FrameType) -> None:
        session = self.session
        self.armed = None
        entered.function.__code__ = entered.plain
        alone = threading.get_ident() == self._thread and not _is_traced()
        if frame.f_code is not entered.probed or session.open is not entered.caller or not alone:
            entered.probe.let_go()
            return
        entered.call = len(session.steps)
        entered.number = entered.first
        self.stack.append(entered)
        if not self._looks(entered):
            return
        caller = entered.caller
        # What it binds, it binds once the function has returned.
        early = replace(entered.uses, stores=frozenset(), deletes=frozenset())
        session.open = replace(caller, uses=early, reads=self._own_reads(entered, caller))

    def _advance(self, entered: Entered, number: int) -> None:
        session = self.session
        if not self._looks(entered):
            return
        try:
            session.after(None, inside=True)
            if number == entered.first:
                session.note_call(entered.call, entered.function.__name__)
            if number < len(entered.nodes):
                entered.number = number
                session.before(entered.nodes[number], entered.statements[number])
            else:
                entered.number = None
                session.go_on(self._rest_of(entered))
        finally:
            self.view.clear()

    def _rest_of(self, entered: Entered) -> Running:
        """What the calling statement does once the function has run."""
        rest = begin(self.session.tools, entered.node, entered.statement)
        reads = self._own_reads(entered, rest)
        return replace(rest, uses=entered.uses, reads=reads, within=self.within())

    def _own_reads(self, entered: Entered, whole: Running) -> set[str]:
        """What the calling statement reads but for its function, whose statements are seen to read."""
        reads = self.session.tools.scope.read(entered.node, entered.uses)
        if whole.indirect:
            reads |= whole.reads - {entered.function.__name__}
        return reads

    def _looks(self, entered: Entered) -> bool:
        """Have the session look at all names; False if stepping through `entered` had to end for it."""
        self._look_as_far_as_can_be()
        return entered in self.stack

    def _look_as_far_as_can_be(self) -> None:
        """Have the session look at all names, giving up what stands in the way."""
        while (level := self._look()) is not None:
            self.give_up(level)

    def _look(self) -> int | None:
        """Lay the variables of the functions under way over the globals.

        Where they can't be had, or told apart, give the level of the stack that is to be given up.
        """
        view = self.view
        view.clear()
        if not self.stack:
            return None
        view.update(self.session.namespace)
        left = {e.probed: n for n, e in enumerate(self.stack) if e.number is not None}
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None and left:
            level = left.pop(frame.f_code, None)
            if level is not None:
                mine = self._variables(frame, self.stack[level])
                if mine is None:
                    return level
                if self._clashes(mine, self.stack[level]):
                    return len(self.stack) - 1
                view.update(mine)
            frame = frame.f_back
        if left:
            return min(left.values())
        cells = frozenset(c for e in self.stack for c in e.plain.co_cellvars)
        self.session.tools.use(view, cells)
        return None

    def _variables(self, frame: types.FrameType, entered: Entered) -> dict[str, Any] | None:
        """The variables of a function; None where somebody else would see that they were asked for."""
        # The frame, `copied`, the argument: more, and somebody else sees this copy as well.
        if entered.copied is not None and sys.getrefcount(entered.copied) > 3:
            return None
        found = frame.f_locals
        mine = dict(found)
        if type(found) is dict:
            # Before Python 3.13 this is a copy that the frame keeps: nothing may live longer for it.
            entered.copied = found
            found.clear()
        return mine

    def _clashes(self, mine: dict[str, Any], entered: Entered) -> bool:
        """Whether a name stands for one thing in a function and another outside."""
        view, own = self.view, self.session.namespace
        if any(name in view and view[name] is not value for name, value in mine.items()):
            return True
        return any(name in own and name not in mine for name in entered.names)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """The session is asked about names: those of the functions under way are among them."""
        if not self.stack or self.view:
            yield
            return
        self._look_as_far_as_can_be()
        try:
            yield
        finally:
            self.view.clear()

    def is_at(self, frame: types.FrameType) -> bool:
        """Whether `frame` runs the statement that is the session's open one."""
        if self.stack:
            return frame.f_code is self.stack[-1].probed
        return frame.f_code.co_name == "<module>"

    @property
    def outermost(self) -> Statement | None:
        """The statement of the top level that is under way, when it is being stepped through."""
        if self.block is not None:
            return self.block[1]
        return self.stack[0].statement if self.stack else None

    # --------------------------------------------------------------------------------- after

    def leave(self, error: BaseException | None) -> None:
        """The calling statement of the top level has ended."""
        self.disarm()
        if not self.stack:
            return
        running = self.session.open
        bottom = self.stack[0]
        returned = bottom.number is None or (
            running is not None and len(self.stack) == 1 and isinstance(running.node, ast.Return)
        )
        if error is not None and not (isinstance(error, SystemExit) and returned):
            self.give_up()
            return
        try:
            while self.stack:
                self._leave_top()
            self.session.tools.use(self.session.namespace)
        except Exception as fault:
            self.session.fault("leaving a function", fault)
            self._abandon()

    def _leave_top(self) -> None:
        """The innermost function has been left; what returned is one with what follows."""
        top = self.stack.pop()
        top.probe.let_go()
        running = self.session.open
        if top.number is not None and running is not None:
            self.session.open = replace(
                running,
                uses=_together(running.uses, top.uses),
                statement=Statement(running.statement.source, top.statement.place),
            )

    def disarm(self) -> None:
        """Give a function its own code back."""
        if self.armed is not None:
            self.armed.function.__code__ = self.armed.plain
            self.armed.probe.let_go()
            self.armed = None

    def give_up(self, level: int = 0) -> None:
        """Take the statement that called the function at `level` of the stack as one step again."""
        self.disarm()
        self.view.clear()
        if level == 0:
            self.session.tools.use(self.session.namespace)
        if level >= len(self.stack):
            return
        entered = self.stack[level]
        while len(self.stack) > level:
            self.stack.pop().probe.let_go()
        self.session.take_back(entered.call)
        self.session.open = entered.caller

    def _abandon(self) -> None:
        """Give up, whatever state things are in."""
        try:
            self.give_up()
        except Exception as fault:
            self.session.fault("stepping through a function", fault)
            self.stack.clear()
            if self.session.open is not None:
                self.session.open.blind = True


def called_once(node: ast.stmt) -> tuple[str, bool] | None:
    """The function that a statement calls for what it does, if it has one and names it once.

    And whether more of the statement comes after it than binding, or exiting with, what it gives.
    """
    found = _called(node)
    if found is None:
        return None
    named = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == found[0]]
    return found if len(named) == 1 else None


def _called(node: ast.stmt) -> tuple[str, bool] | None:
    if isinstance(node, ast.If) and not node.orelse and _asks_main(node.test):
        for n, inner in enumerate(node.body):
            found = _called(inner)
            if found is not None:
                return found[0], found[1] or n + 1 < len(node.body)
        return None
    match node:
        case ast.Expr(value=value) | ast.Raise(exc=ast.expr() as value):
            pass
        case ast.Assign(targets=[ast.Name()], value=value):
            pass
        case _:
            return None
    match value:
        case ast.Call(
            func=ast.Name(id="exit" | "quit" | "SystemExit") | ast.Attribute(attr="exit"),
            args=[ast.Call(func=ast.Name(id=name))],
        ):
            return name, False
        case ast.Call(func=ast.Name(id=name)):
            return name, False
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=runner), attr=attr), args=[ast.Name(id=name)]
        ):
            return (name, False) if (runner, attr) in _RUNNERS else None
    return None


_RUNNERS = frozenset({
    ("typer", "run"), ("fire", "Fire"), ("app", "run"), ("tyro", "cli"), ("jsonargparse", "CLI"), ("defopt", "run"),
})  # fmt: skip
"""Functions of libraries that read a command line and call the function they are given."""


def _function_behind(value: object) -> types.FunctionType | None:
    """The user's function that calling `value` calls, once."""
    kind = type(value)
    if isinstance(value, types.FunctionType):
        inner = value.__dict__.get("__wrapped__")
        if inner is None:
            return value
        # Of decorators only those are known to call it once.
        known = str(value.__globals__.get("__name__", "")).partition(".")[0] == "hydra"
        return inner if known and type(inner) is types.FunctionType else None
    if str(kind.__module__).partition(".")[0] in ("click", "rich_click"):
        inner = getattr(value, "__dict__", {}).get("callback")
        return inner if type(inner) is types.FunctionType else None
    return None


def _asks_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()]):
            return True
    return False


def _is_traced() -> bool:
    """Whether somebody watches how code runs."""
    if tracing.trace_function() is not None or tracing.profiler() is not None:
        return True
    monitoring: Any = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(n) for n in range(6))


def _parsed(source: str, name: str) -> ast.FunctionDef | None:
    """The function `name`, if the text defines it and nothing else."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    node = body[0] if len(body) == 1 else None
    return node if isinstance(node, ast.FunctionDef) and node.name == name else None


def _compiled(node: ast.FunctionDef, filename: str, flags: int) -> types.CodeType | None:
    # The interpreter has warned. `catch_warnings` would have every warning be shown again.
    show = warnings._showwarnmsg  # type: ignore[attr-defined]
    warnings._showwarnmsg = _nothing  # type: ignore[attr-defined]
    try:
        module = compile(ast.Module([node], []), filename, "exec", flags, dont_inherit=True)
    finally:
        warnings._showwarnmsg = show  # type: ignore[attr-defined]
    codes = [
        c for c in module.co_consts if isinstance(c, types.CodeType) and c.co_name == node.name
    ]
    return codes[0] if len(codes) == 1 else None


def _nothing(*_: object) -> None:
    """Shows no warning."""


def _probed(
    node: ast.FunctionDef, first: int, filename: str, flags: int, probe: Probe
) -> types.CodeType | None:
    """The code of a function that calls `probe` before each statement from `first` on."""
    body: list[ast.stmt] = node.body[:first]
    for number, statement in enumerate(node.body[first:], first):
        body += [_probing(number, statement), statement]
    last = node.body[-1]
    if not isinstance(last, (ast.Return, ast.Raise)):
        body.append(_probing(len(node.body), last))
    telling = copy.copy(node)
    telling.body = body
    code = _compiled(telling, filename, flags)
    if code is None:
        return None
    constants = tuple(probe if c == _MARK else c for c in code.co_consts)
    return code.replace(co_consts=constants)


def _probing(number: int, statement: ast.stmt) -> ast.stmt:
    """A call of ours, at the place of a statement."""
    call = ast.Expr(
        ast.Call(ast.Attribute(ast.Constant(_MARK), "step", ast.Load()), [ast.Constant(number)], [])
    )
    for part in ast.walk(call):
        if isinstance(part, (ast.expr, ast.stmt)):
            part.lineno = part.end_lineno = statement.lineno
            part.col_offset = part.end_col_offset = statement.col_offset
    return call


def _statement(node: ast.stmt, source: str, place: Place) -> Statement:
    """A statement of the body of a function whose text is `source`."""
    text, first, last = span(node, source)
    indent = " " * node.col_offset
    text = textwrap.dedent(indent + text)
    start = place.line - 1
    return Statement(text, Place(place.file, start + first, start + last, place.cell))


def _together(one: Uses, other: Uses) -> Uses:
    """What two statements use that run as one."""
    sets = {
        f.name: getattr(one, f.name) | getattr(other, f.name)
        for f in fields(Uses)
        if isinstance(getattr(one, f.name), frozenset)
    }
    return replace(
        one,
        strings=(*one.strings, *other.strings),
        inert=one.inert and other.inert,
        code_in_text=one.code_in_text or other.code_in_text,
        raises=one.raises or other.raises,
        **sets,
    )
