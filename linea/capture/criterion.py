"""What is asked of a session's trace: the slice of a name, or of the expression that is being saved."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Protocol

from linea import slicing
from linea.capture.randomness import clocks, unseeded
from linea.capture.session import Session
from linea.capture.source import uses
from linea.errors import SliceError
from linea.trace import Location, Slice, Step


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
    kept: list[int],
    *,
    result: str | None,
    last: str | None = None,
    running: Step | None = None,
) -> Slice:
    """The kept steps as code that runs alone, the running one at their end where it is given."""
    steps = session.steps if running is None else [*session.steps, running]
    ends = clocks(last or "") + (clocks(running.statement.source) if running is not None else [])
    return slicing.emit(
        steps,
        [*kept, running.index] if running is not None else kept,
        result=result,
        last=last,
        inputs=session.inputs,
        arguments=session.arguments,
        facts=session.blocks,
        user_classes=session.user_classes,
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
