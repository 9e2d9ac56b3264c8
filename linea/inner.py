"""Steps inside of functions that were stepped through → what a slice must keep of the functions.

A function is cut like the top level: of the statements of its body those stay that the slice rests
on. That holds for the one call that was seen; where something else in the slice may call the
function too, all of it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from linea.trace import Location, Step


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose function was stepped through."""

    position: int
    """Of the step that called it."""
    function: str
    members: tuple[int, ...]
    """Positions of the steps inside, those of functions called from there included."""
    numbers: Mapping[int, int | None]
    """By member, the statement of the function's body that it belongs to; None for what comes after."""
    whole: bool
    """See `trace.Within`."""


def calls(steps: Sequence[Step]) -> list[Call]:
    """All calls whose functions were stepped through."""
    found: dict[int, dict[int, int | None]] = {}
    about: dict[int, tuple[str, bool]] = {}
    for i, step in enumerate(steps):
        for each in step.within:
            found.setdefault(each.call, {})[i] = each.number
            about[each.call] = (each.function, each.whole)
    return [
        Call(position, about[position][0], tuple(numbers), numbers, about[position][1])
        for position, numbers in found.items()
    ]


def missing(
    steps: Sequence[Step],
    found: Sequence[Call],
    kept: Collection[int],
    wanted: Collection[Location],
) -> set[int]:
    """What must be kept of the calls because something of them is; `wanted` is the criterion."""
    lost: set[int] = set()
    used = _in_use(found, kept)
    for call in used:
        lost.add(call.position)
        if not _cut_alone(steps, call, used, kept, wanted):
            lost.update(call.members)
        elif call.whole:
            lost.add(call.members[-1])
    return lost


def left_in(
    steps: Sequence[Step],
    found: Sequence[Call],
    kept: Collection[int],
    wanted: Collection[Location],
) -> dict[int, frozenset[int]]:
    """By position of a definition, which statements of its body stay."""
    left: dict[int, frozenset[int]] = {}
    used = _in_use(found, kept)
    for call in used:
        defined = _definition(steps, call)
        if defined is not None and _cut_alone(steps, call, used, kept, wanted):
            numbers = (call.numbers[i] for i in call.members if i in kept)
            left[defined] = frozenset(n for n in numbers if n is not None)
    return left


def _in_use(found: Sequence[Call], kept: Collection[int]) -> list[Call]:
    return [c for c in found if c.position in kept or any(i in kept for i in c.members)]


def _cut_alone(
    steps: Sequence[Step],
    call: Call,
    used: Sequence[Call],
    kept: Collection[int],
    wanted: Collection[Location],
) -> bool:
    """Whether nothing in the slice but this call of those `used` needs its function, and it ended."""
    if steps[call.position].error is not None or call.function in wanted:
        return False
    if not call.function:
        return True
    if any(other.function == call.function for other in used if other is not call):
        return False
    defined = _definition(steps, call)
    if defined is None:
        return False
    name = Location(call.function)
    return not any(
        name in steps[i].effects.reads for i in kept if i not in (defined, call.position)
    )


def _definition(steps: Sequence[Step], call: Call) -> int | None:
    """Where the text stands that is cut: that of the function, or of the block itself."""
    if not call.function:
        return call.position
    for i in range(call.position - 1, -1, -1):
        if call.function in steps[i].effects.binds:
            return i
    return None
