"""Runs a script statement by statement, as `python FILE` would, beside a Session."""

from __future__ import annotations

import ast
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard, cast, final

from linea.capture import blocks, tracing
from linea.capture.session import Session
from linea.errors import LineaError, drop_own_cause
from linea.trace import Place, Statement


def future_flags(tree: ast.Module) -> int:
    """Compiler flags of the `from __future__` imports at the top of `tree`."""
    import __future__

    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def run_statements(
    session: Session,
    source: str,
    filename: str,
    shown: str,
    namespace: dict[str, Any],
    *,
    start: int = 0,
    compiled_before: bool = False,
) -> None:
    """Execute the top-level statements of `source` from number `start` on.

    `compiled_before`: the interpreter has compiled all of it, and warned of what is doubtful.
    Exceptions of the user's code pass through unchanged. `shown` is the file's name in records.
    """
    sys._getframe().f_trace_lines = False  # a debugger switched on below isn't to stop here
    tree = ast.parse(source, filename)
    flags = future_flags(tree)
    if not compiled_before:
        compile(tree, filename, "exec", flags, dont_inherit=True)  # all of it, or nothing runs
        if _annotates(tree):
            namespace.setdefault("__annotations__", {})
    floor = 0
    session.text = source
    again: tracing.PutBack = []
    guards = _guards(session, tree, source)
    prepared = _prepared(session, tree, source, filename, shown, flags, guards)
    inside = {part: n for node in tree.body if node in guards for n, part in enumerate(_body(node))}
    todo: list[tuple[int, ast.stmt | _End]] = []
    todo += reversed(list(enumerate(tree.body)))
    entered: list[Any] = []
    try:
        while todo:
            number, node = todo.pop()
            if type(node) is _End and type(node.block) is ast.If:
                guarded(session, session.stepping.leave_block)
                continue
            if type(node) is _End:
                leave = partial(entered.pop().__exit__, None, None, None)
                code = blocks.leaving(cast(ast.With, node.block), filename, "eval")
                _eval(code, namespace, {blocks.LEAVE: leave})
                continue
            if number >= start and _is_saving(node, session, namespace):
                entered.append(_eval(blocks.entering(node, filename, flags), namespace))
                entered[-1].__enter__()
                floor = node.lineno
                todo.append((number, _End(node)))
                todo += [(number, inner) for inner in reversed(node.body)]
                continue
            if (known := prepared.pop(node, None)) is not None:
                statement, compiled = known
            else:
                statement = statement_of(session, node, source, shown, floor)
                compiled = compile_statement(node, filename, flags, docstring=False)
            floor = node.end_lineno or node.lineno
            if number < start:
                guarded(session, session.assume, node, statement)
                continue
            guard = guards.get(node)
            session.traced = bool(again)
            guarded(session, session.before, node, statement, inside=inside.get(node), head=guard)
            guarded(session, tracing.prepare, statement.source, _IN_STATEMENTS)
            run = partial(_eval, compiled, namespace)
            error = events = None
            gave_value = taken = False
            for switch in again:
                switch()
            try:
                value = run()
                gave_value = value is not None and guard is None
                taken = value is True and guard is not None
                if type(value) is types.CoroutineType:
                    lost, value = [value], None
                    _drop(lost, node.lineno, filename, namespace)
                value = None
            except BaseException as raised:
                error = raised
                raise
            finally:
                # Written out here: a function of ours would show in the user's profile.
                if (trace := tracing.trace_function()) is not None:
                    tracing.stop_tracing()
                if (profile := tracing.profiler()) is not None:
                    tracing.stop_profiling()
                if tracing.monitor() is not None:
                    events = tracing.monitored()
                    tracing.stop_monitoring()
                again = (
                    tracing.put_back(trace, profile, events) if trace or profile or events else []
                )
                guarded(session, session.after, error, gave_value=gave_value, statement=statement)
                if error is not None:
                    error = None
                    for switch in again:
                        switch()
            if taken and isinstance(node, ast.If):
                guarded(session, session.stepping.enter_block, statement)
                todo.append((number, _End(node)))
                todo += [(number, part) for part in reversed(node.body)]
    except BaseException as raised:
        while entered:
            entered.pop().__exit__(type(raised), raised, raised.__traceback__)
        raise
    for switch in again:
        switch()


def _guards(session: Session, tree: ast.Module, source: str) -> dict[ast.stmt, ast.If]:
    try:
        return blocks.guards_in(tree, source)
    except Exception as error:
        session.fault("reading a program", error)
        return {}


def _body(node: ast.stmt) -> list[ast.stmt]:
    return node.body if isinstance(node, ast.If) else []


_IN_STATEMENTS = run_statements.__code__

_eval = eval  # the program may put something of its own into `builtins`


def _prepared(
    session: Session,
    tree: ast.Module,
    source: str,
    filename: str,
    shown: str,
    flags: int,
    guards: Mapping[ast.stmt, ast.If],
) -> dict[ast.stmt, tuple[Statement, types.CodeType]]:
    """Each top-level statement with its code, before anything runs that could be in the way."""
    found: dict[ast.stmt, tuple[Statement, types.CodeType]] = {}
    floor = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # compiling all of it has warned
        for number, node in enumerate(tree.body):
            statement = statement_of(session, node, source, shown, floor)
            head = guards.get(node)
            runs = node if head is None else ast.copy_location(ast.Expr(head.test), node)
            code = compile_statement(runs, filename, flags, docstring=number == 0)
            found[node] = statement, code
            floor = node.lineno
            for part in _body(node) if head is not None else ():
                code = compile_statement(part, filename, flags, docstring=False)
                found[part] = statement_of(session, part, source, shown, floor), code
                floor = part.end_lineno or part.lineno
            floor = node.end_lineno or node.lineno
    return found


def _annotates(tree: ast.AST) -> bool:
    """Whether a variable outside of functions and classes is annotated."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)
    return any(
        isinstance(node, ast.AnnAssign) or (not isinstance(node, scopes) and _annotates(node))
        for node in ast.iter_child_nodes(tree)
    )


def _is_saving(node: ast.stmt, session: Session, namespace: dict[str, Any]) -> TypeGuard[ast.With]:
    try:
        return blocks.is_saving(node, namespace)
    except Exception as error:
        session.fault("reading a statement", error)
        return False


def _drop(values: list[Any], line: int, filename: str, namespace: dict[str, Any]) -> None:
    """Let go of a coroutine at the line that made it: Python warns of it where that happens."""
    call = ast.parse("values.pop()")
    for node in ast.walk(call):
        if isinstance(node, (ast.expr, ast.stmt)):
            node.lineno = node.end_lineno = line
    _eval(compile(call, filename, "exec"), namespace, {"values": values})


@final
@dataclass(frozen=True, slots=True)
class _End:
    """Where a block ends whose statements run one by one."""

    block: ast.With | ast.If


def statement_of(
    session: Session, node: ast.stmt, source: str, shown: str, floor: int
) -> Statement:
    """The statement as it is written, with the comments above it down from line `floor`."""
    try:
        code, first, last = blocks.written(node, source, floor)
        return Statement(code, Place(shown, first, last))
    except Exception as error:
        session.fault("reading a statement", error)
        place = Place(shown, node.lineno, node.end_lineno or node.lineno)
        return Statement(ast.unparse(node), place)


def guarded(session: Session, call: Callable[..., None], *given: Any, **options: Any) -> None:
    """Whatever goes wrong in watching is the session's to note, never the program's to see."""
    try:
        call(*given, **options)
    except Exception as error:
        session.fault("watching a statement", error)


def run_unwatched(source: str, filename: str, namespace: dict[str, Any]) -> None:
    """Execute all of `source` as the interpreter does."""
    exec(compile(source, filename, "exec", dont_inherit=True), namespace)


def compile_statement(
    node: ast.stmt, filename: str, flags: int, *, docstring: bool
) -> types.CodeType:
    """Code of one statement, with its own lines, for `eval`: an expression gives its value."""
    shown = isinstance(node, ast.Expr) and not docstring
    tree = (
        ast.Expression(node.value)
        if isinstance(node, ast.Expr) and shown
        else ast.Module([node], [])
    )
    mode = "eval" if shown else "exec"
    return cast(types.CodeType, compile(tree, filename, mode, flags, dont_inherit=True))


def main_module(path: Path) -> types.ModuleType:
    """A fresh `__main__` for the script at `path`, as the interpreter makes it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=str(path), __builtins__=sys.modules["builtins"], __cached__=None, __spec__=None
    )
    module.__loader__ = _loader(str(path))
    return module


def _loader(path: str) -> Any:
    from importlib.machinery import SourceFileLoader

    return SourceFileLoader("__main__", path)


def strip_traceback(error: BaseException, own: Callable[[str], bool]) -> BaseException:
    """`error` without the frames of linea at the top of its traceback.

    An error that linea raised on purpose is shown as far as the program's own line.
    """
    _end_at_the_program(error, own)
    trace = error.__traceback__
    if isinstance(error, SyntaxError) and error.filename and not _ran(trace, error.filename):
        return error.with_traceback(None)  # the script itself can't be compiled
    while trace is not None and own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _end_at_the_program(error: BaseException, own: Callable[[str], bool]) -> None:
    """Take linea's frames off the ends of what linea raised, be it the error or one before it."""
    chain, seen = [error], set[int]()
    while chain:
        each = chain.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, LineaError):
            drop_own_cause(each)
            frames = []
            trace = each.__traceback__
            while trace is not None:
                frames.append(trace)
                trace = trace.tb_next
            while frames and own(frames[-1].tb_frame.f_code.co_filename):
                frames.pop()
            if frames:
                frames[-1].tb_next = None
        chain += [other for other in (each.__cause__, each.__context__) if other is not None]


def _ran(trace: types.TracebackType | None, filename: str) -> bool:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            return True
        trace = trace.tb_next
    return False


def is_own(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen runpy>"))


_HERE = str(Path(__file__).parent.parent)
