"""Watches an IPython shell through its own hooks: every executed top-level statement → Session."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from linea.capture import blocks, magics
from linea.capture import source as text
from linea.capture.rules import NOISE
from linea.capture.session import UNTOLD, Session
from linea.slicing import Typed
from linea.trace import Place, Statement

CALLBACKS = "functions that get_ipython().events runs around cells aren't watched"


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell as it was sent to the shell."""

    raw: str
    code: str
    """What it is as plain Python."""
    recorded: bool = True
    """It goes into the history, and has a number."""
    silent: bool = False
    """A front end asks something for itself: it isn't of the notebook."""


def _running_cell() -> _Cell:
    """The cell that IPython is about to run.

    Its own event for that says nothing of silent cells, so it is read where it is run.
    """
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async" and "raw_cell" in frame.f_locals:
            known = frame.f_locals
            silent = bool(known.get("silent", False))
            recorded = bool(known.get("store_history", True)) and not silent
            return _Cell(known["raw_cell"] or "", known["cell"], recorded, silent)
        frame = frame.f_back
    raise LookupError("no cell is running")


def in_cell(shell: Any) -> types.FrameType | None:
    """The frame of the statement of a cell that runs; None outside of cells."""
    found = None
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is shell.user_ns and frame.f_code.co_name == "<module>":
            found = frame
        elif frame.f_code.co_name == "run_cell_async" and "raw_cell" in frame.f_locals:
            return found
        frame = frame.f_back
    return None


class Watcher:
    """Sits beside one IPython shell.

    IPython compiles and runs a cell one top-level statement at a time through `shell.run_code`;
    the tree of the cell is seen by an entry in `shell.ast_transformers`, which returns it
    unchanged. Nothing of the user's code is rewritten.
    """

    def __init__(self, shell: Any, session: Session, name: Callable[[], str]) -> None:
        self.shell = shell
        self.session = session
        self.name = name
        self.cells: list[tuple[int | None, str]] = []
        """Every cell that ran: execution count and source, in order."""
        self._queue: list[tuple[ast.stmt, str, int, int]] = []
        self._count: int | None = None
        self._source = ""
        """The running cell as Python."""
        self._original: Any = None
        self._begun: Statement | None = None
        self._joined = False
        """The running statement is the one in which watching was switched on."""
        self._loaded: dict[str, float] = {}
        """When the files were written that `%autoreload` has loaded modules from."""
        self._sources: dict[str, str] = {}
        """Of modules that the session wrote, what `%autoreload` took their source to be."""

    def attach(self) -> None:
        self._original = self.shell.run_code
        watcher, original = self, self._original

        async def run_code(code_obj: Any, result: Any = None, *, async_: bool = False) -> Any:
            # As IPython does: frames from here up are the shell's, not the user's.
            __tracebackhide__ = "__ipython_bottom__"
            if (block := watcher.block()) is not None:
                return await watcher.run_block(block, code_obj.co_filename, result, run_one)
            return await run_one(code_obj, result, async_=async_)

        async def run_one(code_obj: Any, result: Any = None, *, async_: bool = False) -> Any:
            begun = watcher.begin()
            __tracebackhide__ = "__ipython_bottom__"
            failed = True
            try:
                failed = await original(code_obj, result, async_=async_)
            finally:
                if begun:
                    watcher.end(result if failed else None, failed)
            return failed

        self.shell.run_code = run_code
        self.shell.ast_transformers.append(self)

    def detach(self) -> None:
        if self.shell.__dict__.get("run_code") is not None:
            del self.shell.run_code
        if self in self.shell.ast_transformers:
            self.shell.ast_transformers.remove(self)
        self.session.close()

    # --------------------------------------------------------------------- IPython's hooks

    def visit(self, tree: ast.AST) -> ast.AST:
        """IPython hands over the tree of a cell that is about to run."""
        if self._joined and in_cell(self.shell) is None:
            self._leave_joined(failed=not self.shell.last_execution_succeeded)
        if self.session.open is None and isinstance(tree, ast.Module):
            try:
                self._take(tree, _running_cell())
            except Exception as error:
                self.session.fault("reading a cell", error)
                self._queue = [(n, ast.unparse(n), n.lineno, n.lineno) for n in tree.body]
        return tree

    def _take(self, tree: ast.Module, cell: _Cell) -> None:
        # IPython has put the cell into its history by now; when it counts up depends on its version.
        self._count = len(inputs(self.shell)) - 1 if cell.recorded else None
        if not cell.silent:
            self.cells.append((self._count, cell.raw))
        if self._count is not None:
            typed = Typed(cell.raw.rstrip("\n"), cell.code.rstrip("\n"))
            self.session.inputs[self._count] = typed
        self._follow_reloads()
        if magics.users_callbacks(self.shell):
            self.session.note(CALLBACKS)
        source = cell.code
        self._queue = []
        if self._is_rewritten(tree, source):
            self._queue = [
                (n, ast.unparse(n), n.lineno, n.end_lineno or n.lineno) for n in tree.body
            ]
            return
        floor = 0
        for node in tree.body:
            code, head, last = blocks.written(node, source, floor)
            floor = last
            self._queue.append((node, code, head, last))
        self._source = source

    def _follow_reloads(self) -> None:
        """Record what `%autoreload` has loaded anew just now: modules that the session wrote."""
        loader = self.shell.magics_manager.registry.get("AutoreloadMagics")
        reloader = getattr(loader, "_reloader", None)
        times = dict(getattr(reloader, "modules_mtimes", ()))
        before, self._loaded = self._loaded, times
        patcher = None if getattr(reloader, "autoload_obj", False) else reloader
        sources = getattr(getattr(patcher, "deduper_reloader", None), "source_by_modname", {})
        older, self._sources = self._sources, {m: sources.get(m, "") for m in self._own_modules()}
        for module in [m for m in times if m in before and times[m] != before[m]]:
            file = getattr(sys.modules.get(module), "__file__", None)
            if file in self.session.tools.filing.written:
                place = Place(self.name(), 1, 1, self._count)
                code = magics.reloading(module, older.get(module, ""))
                self.session.reloaded(module, Statement(code, place))

    def _own_modules(self) -> list[str]:
        """Modules whose files the session wrote."""
        files = self.session.tools.filing.written
        if not files:
            return []
        return [m for m, v in list(sys.modules.items()) if getattr(v, "__file__", None) in files]

    def _is_rewritten(self, tree: ast.Module, source: str) -> bool:
        """Whether a transformer of the user's has changed what the cell says."""
        return len(self.shell.ast_transformers) > 1 and ast.dump(tree) != ast.dump(
            ast.parse(source)
        )

    def join(self, frame: types.FrameType) -> None:
        """Take up the cell in which watching was switched on, at the statement that `frame` runs."""
        cell = _running_cell()
        tree = ast.parse(cell.code)
        self._take(tree, cell)
        at = next((n for n, node in enumerate(tree.body) if _covers(node, frame)), None)
        if at is None:
            self._queue = []
            return
        before, (node, code, first, last) = self._queue[:at], self._queue[at]
        self._queue = self._queue[at + 1 :]
        for earlier, written, head, end in before:
            if not magics.is_idle(written):
                place = Place(self.name(), head, end, self._count)
                self.session.assume(earlier, Statement(magics.portable(written), place))
        statement = Statement(code, Place(self.name(), first, last, self._count))
        if not magics.is_idle(code):
            self.session.before(node, statement)
            self._joined = True

    def _leave_joined(self, *, failed: bool = False) -> None:
        """The statement in which watching was switched on has ended."""
        if self._joined:
            self._joined = False
            self.end(None, failed)

    def block(self) -> ast.With | None:
        """The statement that comes, if it is a block whose statements are to run one by one."""
        if self.session.open is not None or self.session.paused or not self._queue:
            return None
        node = self._queue[0][0]
        plain = self.shell.ast_node_interactivity != "all"  # shows what stands in blocks too
        return node if plain and blocks.is_saving(node, self.shell.user_ns) else None

    async def run_block(self, node: ast.With, filename: str, result: Any, run: Any) -> Any:
        """Run the statements of a block; give whether one of them failed."""
        __tracebackhide__ = "__ipython_bottom__"
        self._queue.pop(0)
        space = self.shell.user_ns
        flags = self.shell.compile.flags
        if self.shell.autoawait:
            flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        entered = eval(blocks.entering(node, filename, flags), space)
        entered.__enter__()
        inner = [(each, *blocks.written(each, self._source, node.lineno)) for each in node.body]
        self._queue[:0] = inner
        error: BaseException | None = RuntimeError("the block didn't come to its end")
        try:
            for each in node.body:
                if (nested := self.block()) is not None:
                    failed = await self.run_block(nested, filename, result, run)
                else:
                    code = compile(ast.Module([each], []), filename, "exec", flags)
                    awaits = bool(code.co_flags & inspect.CO_COROUTINE)
                    failed = await run(code, result, async_=awaits)
                if failed:
                    error = getattr(result, "error_in_exec", None) or error
                    return failed
            error = None
        finally:
            if error is not None:
                entered.__exit__(type(error), error, error.__traceback__)
        space[blocks.LEAVE] = partial(entered.__exit__, None, None, None)
        try:
            return await self._original(blocks.leaving(node, filename, "exec"), result)
        finally:
            space.pop(blocks.LEAVE, None)

    def begin(self) -> bool:
        """A statement is about to run; say whether it is watched. Never raises."""
        self._leave_joined()
        if self.session.open is not None or self.session.paused or not self._queue:
            return False
        node, code, first, last = self._queue.pop(0)
        try:
            place = Place(self.name(), first, last, self._count)
            node, code = self._plain(node, code)
            self._begun = Statement(code, place)
            self.session.before(node, self._begun)
        except Exception as error:
            self.session.fault("as a statement began", error)
        return True

    def _plain(self, node: ast.stmt, code: str) -> tuple[ast.stmt, str]:
        """A statement without IPython's own syntax, where there is such a form."""
        try:
            self.session.idle = magics.is_idle(code)
            back = magics.going_back(code, self)
            if back is None:
                return node, magics.portable(code)
            # What it does is in other cells than this one.
            return ast.Try(ast.parse(back).body, [], [], []), back
        except Exception as error:
            self.session.fault("reading a magic", error)
            return node, code

    # What magics may ask, see `magics.Shell`.

    def code_of_cells(self, which: str) -> str:
        history = self.shell.history_manager
        # The running cell is the last of the history by now.
        ranges = which.strip() or str(len(inputs(self.shell)) - 2)
        found = history.get_range_by_str(ranges, raw=False)
        return "\n".join(source.rstrip("\n") for _, _, source in found)

    def folder_before(self) -> str | None:
        visited = self.shell.user_ns.get("_dh") or []
        return os.path.relpath(visited[-2]) if len(visited) > 1 else None

    def end(self, result: Any, failed: bool) -> None:
        """The statement has run. Never raises."""
        error = None
        if failed:
            error = getattr(result, "error_in_exec", None) or RuntimeError("the statement failed")
            self._queue = []
        try:
            begun, self._begun = self._begun, None
            self.session.after(error, statement=begun)
            if not self.shell.ast_transformers or self.shell.ast_transformers[-1] is not self:
                self._come_last()
        except Exception as fault:
            self.session.fault("as a statement ended", fault)

    def _come_last(self) -> None:
        """Have cells come here as other transformers left them."""
        if self in (others := self.shell.ast_transformers):
            others.remove(self)
            others.append(self)

    def source(self) -> str:
        """Everything that ran, cell by cell in the order of execution."""
        parts = []
        for count, raw in self.cells:
            parts.append(f"# In[{count if count is not None else ' '}]\n{raw.rstrip()}\n")
        return "\n".join(parts)


def _covers(node: ast.stmt, frame: types.FrameType) -> bool:
    """Whether a statement is the one that `frame` runs; several may stand in a line."""
    line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    at = (line or frame.f_lineno, column or 0)
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    start = (first, node.col_offset if first == node.lineno else 0)
    return start <= at < (node.end_lineno or node.lineno, node.end_col_offset or 0)


def inputs(shell: Any) -> list[str]:
    """Raw sources of the cells that IPython has in its history, by execution count."""
    return list(getattr(shell.history_manager, "input_hist_raw", [""]))


def earlier_cells(shell: Any) -> list[tuple[int, str]]:
    """Cells that ran before the running one."""
    ran = inputs(shell)
    try:
        running = _running_cell().recorded
    except LookupError:
        running = False
    return [(i, c) for i, c in enumerate(ran[:-1] if running else ran) if i and c.strip()]


def take_earlier(session: Session, shell: Any, name: str) -> int:
    """Put the statements of earlier cells into the record, effects assumed; give their number."""
    cells = []
    for count, raw in earlier_cells(shell):
        try:
            source = shell.transform_cell(raw)
            cells.append((count, raw, source, text.statements(source)))
        except SyntaxError:
            continue
    try:
        running = ast.parse(_running_cell().code).body
    except (LookupError, SyntaxError):
        running = []
    nodes = [node for *_, found in cells for node, *_ in found]
    _take_untold(session, shell, name, [*nodes, *running])
    for count, raw, source, found in cells:
        session.inputs[count] = Typed(raw.rstrip("\n"), source.rstrip("\n"))
        failed = _failure(shell, count, [node for node, *_ in found])
        shown = f"_{count}" in shell.user_ns
        for number, (node, code, first, last) in enumerate(found):
            if failed is not None and number > failed[0]:
                break
            if not magics.is_idle(code):
                session.assume(
                    node,
                    Statement(magics.portable(code), Place(name, first, last, count)),
                    shows=("_", f"_{count}") if shown and number == len(found) - 1 else (),
                    error=failed[1] if failed is not None and number == failed[0] else None,
                )
    return len(session.steps)


def _take_untold(session: Session, shell: Any, name: str, nodes: list[ast.stmt]) -> None:
    """Put variables into the record that no cell of the history may have made.

    A number or a text is written out; the name of anything else stands alone, so that a slice
    with it says at once what it misses.
    """
    told = {word for node in nodes for word in text.identifiers([ast.unparse(node)])}
    place = Place(name, 1, 1)
    for variable, value in list(shell.user_ns.items()):
        hidden = variable in NOISE or variable.startswith("_") or variable in shell.user_ns_hidden
        if hidden or variable in told or not variable.isidentifier():
            continue
        why = UNTOLD.format(variable)
        plain = type(value) in (int, float, bool, str, type(None)) and len(repr(value)) < 1000
        code = f"{variable} = {value!r}" if plain else variable
        session.came_with(variable, Statement(f"{code}  # {why}", place))


def _failure(shell: Any, count: int, nodes: list[ast.stmt]) -> tuple[int, str] | None:
    """The statement of an earlier cell at which it stopped, and what it raised; None if it ran on.

    IPython keeps errors from version 9 on; before, a variable that isn't there tells.
    """
    kept = getattr(shell.history_manager, "exceptions", {}).get(count)
    if kept is not None:
        trace = _COLOURS.sub("", "\n".join(kept.get("traceback") or ()))
        line = re.search(rf"In\s*\[{count}\],? line (\d+)", trace)
        at = int(line[1]) if line is not None else nodes[0].lineno
        before = [n for n, node in enumerate(nodes) if node.lineno <= at]
        return (before[-1] if before else 0), str(kept.get("ename"))
    if hasattr(shell.history_manager, "exceptions"):
        return None
    later = "\n".join(raw for number, raw in earlier_cells(shell) if number >= count)
    if re.search(r"\bdel\b|%reset|%xdel|\bdelattr\b", later):
        return None
    for number, node in enumerate(nodes):
        if any(name not in shell.user_ns for name in text.uses(node).stores):
            return number, "Exception"
    return None


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
