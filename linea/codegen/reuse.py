"""Artifacts that are loaded and not computed → slices of others without the steps that made them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from linea.codegen import apart, chunks
from linea.codegen.chunks import HIDDEN
from linea.codegen.parts import Item, Prepared
from linea.errors import PipelineError

DRAWING = re.compile(
    r"rand|sampl|shuffl|split|fit|choice|normal|uniform|permut|noise|dropout|torch|generate|seed"
)
"""What may draw from a generator that has no name."""


def cut(prepared: Sequence[Prepared]) -> None:
    """In the slices of one session, put the value of each reused artifact for what made it."""
    for given in prepared:
        if given.part.reused:
            for other in prepared:
                if other is not given and not other.part.reused:
                    replace(given, other)


def replace(given: Prepared, other: Prepared) -> None:
    """Take the steps that only made `given` out of `other`, which shares its session."""
    made = [chunk.text.strip() for chunk in chunks.split(given.part.replaced)]
    made = [text for text in made if text in {i.chunk.text.strip() for i in other.items}]
    if given.part.source != other.part.source or not made:
        return
    whole = [chunk for chunk in chunks.split(given.part.replaced) if not chunk.is_import]
    texts = [item.chunk.text.strip() for item in other.items]
    if not all(chunk.text.strip() in texts or is_linea(chunk.text) for chunk in whole):
        return  # it rests on other steps, not on this value
    last = max(texts.index(text) for text in made)
    name = given.part.variable
    if name is None:
        return
    kept, needed = remaining(other, name, last, set(made))
    if kept is None:
        return
    refuse_shared(given, other, name, last, needed)
    (load,) = chunks.build(chunks.cut(f"{name} = None"))
    kept.insert(
        next((at for at, item in enumerate(kept) if item in other.items[last + 1 :]), len(kept)),
        Item(load, "edge", given.part.name),
    )
    other.items[:] = kept


def is_linea(text: str) -> bool:
    return "linea" in text


def remaining(
    other: Prepared, name: str, last: int, made: set[str]
) -> tuple[list[Item] | None, set[str]]:
    """The items that are left, and the names needed of what ran up to `last`."""
    kept: list[Item] = []
    dropped: list[str] = []
    needed = {other.result}
    for at in range(len(other.items) - 1, -1, -1):
        item = other.items[at]
        chunk = item.chunk
        if at == last and name not in needed:
            return None, needed
        if at == last:
            needed = needed - {name}
        touched = (chunk.may_bind | chunk.changes) - {HIDDEN}
        droppable = at <= last and chunk.text.strip() in made and not chunk.is_import
        if droppable and not touched & needed and not apart.sets_hidden(chunk):
            dropped.append(chunk.text)
            continue
        kept.append(item)
        needed = (needed - chunk.binds) | chunk.uses | (chunk.changes - {HIDDEN})
        needed -= {HIDDEN}
    refuse_random(other, name, dropped, [item.chunk.text for item in other.items[last + 1 :]])
    return kept[::-1], needed


def refuse_random(other: Prepared, name: str, dropped: Iterable[str], later: Iterable[str]) -> None:
    """Refuse where numbers are drawn after some that aren't drawn any more."""
    seeded = any(apart.is_seeding(item.chunk) for item in other.items)
    if seeded and any(map(DRAWING.search, dropped)) and any(map(DRAWING.search, later)):
        raise PipelineError(
            f"{other.part.revision} goes on drawing random numbers after {name} was made, so "
            f"{name} can't be loaded instead",
            hint="compute both, or reuse both",
        )


def refuse_shared(given: Prepared, other: Prepared, name: str, last: int, needed: set[str]) -> None:
    """Refuse where another name of the same object is used on: the loaded one is another object."""
    later = set().union(*(item.chunk.uses for item in other.items[last + 1 :]), {other.result})
    before = set().union(*(item.chunk.may_bind for item in other.items[: last + 1]))
    changed = set().union(*(item.chunk.changes for item in other.items[last + 1 :]))
    for item in other.items[: last + 1]:
        for one, two in chunks.aliases(item.chunk.tree):
            pair = {one, two}
            if name in pair and pair - {name} <= later & before and pair & changed and one != two:
                raise PipelineError(
                    f"{given.part.revision} can't be loaded for {other.part.revision}, which changes "
                    f"it in place under the names {one} and {two}",
                    hint="compute it, or copy it in the notebook",
                )
