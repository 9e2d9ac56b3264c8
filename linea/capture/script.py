"""Runs a script statement by statement, as `python FILE` would, beside a Session."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from linea.capture import source as text
from linea.capture.session import Session
from linea.model import Place, Statement


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
    for number, node in enumerate(tree.body):
        code, first, last = text.span(node, source)
        head = text.leading_comments(source, first, floor)
        floor = last
        if head < first:
            code = "".join(text._lines(source)[head - 1 : first - 1]) + code
        statement = Statement(code, Place(shown, head, last))
        if number < start:
            session.assume(node, statement)
            continue
        compiled, mode = compile_statement(node, filename, flags, docstring=number == 0)
        session.before(node, statement)
        try:
            gave_value = run_code(compiled, mode, namespace)
        except BaseException as error:
            session.after(error)
            raise
        session.after(gave_value=gave_value)


def compile_statement(
    node: ast.stmt, filename: str, flags: int, *, docstring: bool
) -> tuple[types.CodeType, str]:
    """Code of one statement, with its own lines; an expression gives its value."""
    if isinstance(node, ast.Expr) and not docstring:
        expression = ast.Expression(node.value)
        return compile(expression, filename, "eval", flags, dont_inherit=True), "eval"
    module = ast.Module([node], [])
    return compile(module, filename, "exec", flags, dont_inherit=True), "exec"


def run_code(code: types.CodeType, mode: str, namespace: dict[str, Any]) -> bool:
    """Run; tell of an expression whether it gave something other than None."""
    if mode == "eval":
        return eval(code, namespace) is not None
    exec(code, namespace)
    return False


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
