"""A session → JSON that slices can be taken from once it has ended, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from linea import slicing
from linea.capture.criterion import render
from linea.capture.rules import NOISE
from linea.capture.session import Session
from linea.errors import SliceError
from linea.slicing import BlockFacts, Typed
from linea.trace import Effects, Location, Place, Slice, Statement, Step, Within

FORMAT = 2

MOST_NAMES = 3000
"""Of sessions with more names, what each rests on isn't written down."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a session has left: enough to slice any of its variables."""

    source: str
    text: str
    """Digest of the file that ran."""
    ended: str
    steps: list[Step]
    inputs: dict[int, Typed]
    arguments: tuple[str, ...]
    blocks: dict[int, BlockFacts]
    user_classes: bool
    notes: list[str]
    network: set[int]
    criteria: dict[str, frozenset[Location]]
    """By variable, all that its value at the end rests on."""

    def slice_of(self, name: str) -> Slice:
        """The slice of what `name` was bound to at the end."""
        wanted = self.criteria.get(name)
        if wanted is None:
            raise SliceError(f"no variable {name!r} was left by {self.source}")
        return render(self, slicing.backward(self.steps, wanted, facts=self.blocks), result=name)


def dump(session: Session, *, text: str, ended: str) -> str:
    """The record of a session that has ended; `text` is the digest of the file that ran."""
    places: dict[Location, int] = {}

    def numbers(locations: Iterable[Location]) -> list[int]:
        return [places.setdefault(location, len(places)) for location in locations]

    names = [n for n in session.namespace if n not in NOISE and isinstance(n, str)]
    criteria = {n: numbers(session.criterion([n])) for n in names[:MOST_NAMES]}
    steps = [
        [
            s.statement.source,
            s.statement.place.file,
            s.statement.place.line,
            s.statement.place.end_line,
            s.statement.place.cell,
            numbers(s.effects.reads),
            numbers(s.effects.binds),
            numbers(s.effects.mutates),
            numbers(s.effects.unbinds),
            s.seconds,
            s.error,
            list(s.assumed),
            [list(w) for w in s.within],
        ]
        for s in session.steps
    ]
    blocks = {
        i: [dict(b.kinds), {n: list(s) for n, s in b.shares.items()}]
        for i, b in session.blocks.items()
    }
    return json.dumps(
        {
            "format": FORMAT,
            "source": session.source,
            "text": text,
            "ended": ended,
            "locations": list(places),
            "criteria": criteria,
            "steps": steps,
            "inputs": session.inputs,
            "arguments": list(session.arguments),
            "blocks": blocks,
            "user_classes": session.user_classes,
            "notes": session.notes,
            "network": list(session.network),
        },
        separators=(",", ":"),
    )


def load(text: str) -> Record | None:
    """What `dump` wrote; None when it isn't of this format."""
    try:
        data = json.loads(text)
        return _record(data) if data["format"] == FORMAT else None
    except (ValueError, LookupError, TypeError):
        return None


def _record(data: Mapping[str, Any]) -> Record:
    locations = [Location(text) for text in data["locations"]]

    def these(numbers: Iterable[int]) -> frozenset[Location]:
        return frozenset(locations[n] for n in numbers)

    return Record(
        source=data["source"],
        text=data["text"],
        ended=data["ended"],
        steps=[
            Step(
                index,
                Statement(source, Place(file, line, end, cell)),
                Effects(these(reads), these(binds), these(mutates), these(unbinds)),
                seconds,
                error,
                tuple(assumed),
                tuple(Within(*w) for w in within),
            )
            for index, (
                source, file, line, end, cell, reads, binds, mutates, unbinds, seconds, error, assumed,
                within,
            ) in enumerate(data["steps"])
        ],
        inputs={int(n): Typed(*cell) for n, cell in data["inputs"].items()},
        arguments=tuple(data["arguments"]),
        blocks={
            int(i): BlockFacts(kinds, {n: frozenset(s) for n, s in shares.items()})
            for i, (kinds, shares) in data["blocks"].items()
        },
        user_classes=data["user_classes"],
        notes=data["notes"],
        network=set(data["network"]),
        criteria={name: these(numbers) for name, numbers in data["criteria"].items()},
    )  # fmt: skip
