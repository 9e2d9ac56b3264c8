"""Runs a script statement by statement, as `python FILE` would, beside a Session."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from linea.capture import blocks, tracing
from linea.capture.session import Session
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
) -> None:
    """Execute the top-level statements of `source` from number `start` on.

    Exceptions of the user's code pass through unchanged. `shown` is the file's name in records.
    """
    tree = ast.parse(source, filename)
    flags = future_flags(tree)
    floor = 0
    session.text = source
    again: tracing.PutBack = []
    todo: list[tuple[int, ast.stmt | _End]] = []
    todo += reversed(list(enumerate(tree.body)))
    entered: list[Any] = []
    try:
        while todo:
            number, node = todo.pop()
            if isinstance(node, _End):
                leave = partial(entered.pop().__exit__, None, None, None)
                code = blocks.leaving(node.block, filename, "eval")
                eval(code, namespace, {blocks.LEAVE: leave})
                continue
            if number >= start and blocks.is_saving(node, namespace):
                entered.append(eval(blocks.entering(node, filename, flags), namespace))
                entered[-1].__enter__()
                todo.append((number, _End(node)))
                todo += [(number, inner) for inner in reversed(node.body)]
                continue
            statement = statement_of(session, node, source, shown, floor)
            floor = node.end_lineno or node.lineno
            if number < start:
                guarded(session, session.assume, node, statement)
                continue
            compiled = compile_statement(node, filename, flags, docstring=number == 0)
            guarded(session, session.before, node, statement)
            run = partial(eval, compiled, namespace)
            error = events = None
            gave_value = False
            for switch in again:
                switch()
            try:
                gave_value = run() is not None
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
    except BaseException as raised:
        while entered:
            entered.pop().__exit__(type(raised), raised, raised.__traceback__)
        raise
    for switch in again:
        switch()


@dataclass(frozen=True, slots=True)
class _End:
    """Where a block ends whose statements run one by one."""

    block: ast.With


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
    """`error` without the frames of linea at the top of its traceback."""
    trace = error.__traceback__
    if isinstance(error, SyntaxError) and error.filename and not _ran(trace, error.filename):
        return error.with_traceback(None)  # the script itself can't be compiled
    while trace is not None and own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _ran(trace: types.TracebackType | None, filename: str) -> bool:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            return True
        trace = trace.tb_next
    return False


def is_own(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen runpy>"))


_HERE = str(Path(__file__).parent.parent)
