"""What is asked of a session's trace: the slice of a name, or of the expression that is being saved."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping, Sequence
from typing import Protocol

from linea import slicing
from linea.capture.randomness import clocks, unseeded
from linea.capture.session import Session
from linea.capture.source import uses
from linea.errors import SliceError
from linea.trace import Location, Slice, Step
from linea.trimming import Call, Saved


class Recorded(Protocol):
    """What is known of a session, running or ended, to take slices from."""

    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def inputs(self) -> Mapping[int, slicing.Typed]: ...
    @property
    def arguments(self) -> Sequence[str]: ...
    @property
    def blocks(self) -> Mapping[int, slicing.BlockFacts]: ...
    @property
    def user_classes(self) -> bool: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def network(self) -> set[int]: ...


def slice_of_name(session: Session, name: str) -> Slice:
    """The slice of what `name` is bound to after the last step. SliceError if it isn't bound."""
    return slice_of_expression(session, name, result=name)


def slice_of_expression(session: Session, expression: str, *, result: str) -> Slice:
    """The slice of an expression over the session's names, as they stand after the last step."""
    tree = ast.parse(expression, mode="eval")
    read = uses(ast.Expr(tree.body)).loads
    unbound = [n for n in read if n not in session.namespace]
    if isinstance(tree.body, ast.Name) and unbound:
        raise SliceError(f"no variable named {unbound[0]!r} in this session")
    last = None if expression == result else f"{result} = {expression}"
    kept = slicing.backward(session.steps, session.wanted_by(tree.body), facts=session.blocks)
    return render(session, kept, result=result, last=last)


def render(
    session: Recorded,
    kept: slicing.Kept,
    *,
    result: str | None,
    last: str | None = None,
    running: Step | None = None,
    saved: Saved | None = None,
) -> Slice:
    """The kept steps as code that runs alone, the running one at their end where it is given."""
    steps = session.steps if running is None else [*session.steps, running]
    ends = clocks(last or "") + (clocks(running.statement.source) if running is not None else [])
    return slicing.emit(
        steps,
        kept.then(running.index) if running is not None else kept,
        result=result,
        last=last,
        inputs=session.inputs,
        arguments=session.arguments,
        facts=session.blocks,
        user_classes=session.user_classes,
        saved=saved,
        conservative=reasons(session, kept),
        unreproducible=[*unreproducible(session, kept), *ends],
    )


def reasons(session: Recorded, kept: list[int]) -> list[str]:
    """Why a slice may be larger than it needs to be."""
    found = [a for i in kept for a in session.steps[i].assumed]
    return [*found, *session.notes]


def unreproducible(session: Recorded, kept: list[int]) -> list[str]:
    """What the kept steps used that a re-run can't give again."""
    found: list[str] = []
    written: set[Location] = set()
    for i in kept:
        step = session.steps[i]
        place = step.statement.place
        if step.error == slicing.INTERRUPT:
            found.append(f"the moment of an interrupt at {place}")
        for key in unseeded(step, written):
            found.append(f"{key} at {place}")
        written |= step.effects.binds
        if i in session.network:
            found.append(f"the network at {place}")
        for clock in clocks(step.statement.source):
            found.append(f"{clock} at {place}")
    return found


def calls_under_way(session: Session, frame: types.FrameType) -> tuple[Call, ...]:
    """The calls that lead from the running statement to where `frame` stands."""
    frames = [frame]
    while frames[-1].f_back is not None and not _is_top(session, frames[-1]):
        frames.append(frames[-1].f_back)
    if session.open is None or not _is_top(session, frames[-1]):
        return ()
    found: list[Call] = []
    for one in reversed(frames):
        code = one.f_code
        if one.f_globals is not session.namespace:
            break  # a library's: what it calls, it may call again
        at = list(code.co_positions())[one.f_lasti // 2]
        line, end_line, column, end_column = at
        if line is None or end_line is None or column is None or end_column is None:
            break
        inside = one is not frames[-1]
        running = session.stepping.outermost or session.open.statement
        first = code.co_firstlineno if inside else running.place.line
        name = code.co_name if inside else None
        found.append(Call(name, line - first, end_line - first, column, end_column))
    return tuple(found)


def _is_top(session: Session, frame: types.FrameType) -> bool:
    return frame.f_globals is session.namespace and frame.f_code.co_name == "<module>"
