"""What was done to a store, one line each: enough to list it and to take it back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from linea.store.backend import RefChange
from linea.store.objects import ObjectId

FILE = "operations"


@dataclass(frozen=True, slots=True)
class NoteChange:
    """The move of one note from a blob to another; None: no note."""

    ref: str
    commit: ObjectId
    old: ObjectId | None
    new: ObjectId | None


@dataclass(frozen=True, slots=True)
class NotesChange(RefChange):
    """The move of a ref of notes, and of the notes that this is about."""

    notes: tuple[NoteChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was done to a store, and what of the store it moved."""

    id: str
    when: datetime
    kind: str
    """`save`, `tag`, `untag`, `delete`, `restore`, `verify`, `checkout`, `gc` or `undo`."""
    what: str
    """For people: `save features@v3`."""
    refs: tuple[RefChange, ...] = ()
    notes: tuple[NoteChange, ...] = ()
    versions: tuple[tuple[str, int, str], ...] = ()
    """Name, number and commit of what was saved."""
    undoes: str | None = None
    trash: str | None = None
    """The folder that holds what a gc took away."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a write is about to do, for the list of operations."""

    kind: str
    undoes: str | None = None
    trash: str | None = None
    versions: list[tuple[str, int, str]] = field(default_factory=list)


def operation(doing: Doing, what: str, changes: Iterable[RefChange], now: datetime) -> Operation:
    """The operation that moved these refs."""
    moved = [each for each in changes if each.old != each.new]
    refs = tuple(
        RefChange(each.ref, each.old, each.new)
        for each in moved
        if not isinstance(each, NotesChange)
    )
    notes = tuple(note for each in moved if isinstance(each, NotesChange) for note in each.notes)
    said = repr((doing, what, refs, notes, now.isoformat()))
    id = hashlib.sha1(said.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:8]
    return Operation(
        id, now, doing.kind, what, refs, notes, tuple(doing.versions), doing.undoes, doing.trash
    )


def line(done: Operation) -> bytes:
    """An operation as it is written down."""
    found: dict[str, Any] = {
        "id": done.id,
        "when": done.when.isoformat(),
        "kind": done.kind,
        "what": done.what,
        "refs": [[each.ref, each.old, each.new] for each in done.refs],
        "notes": [[each.ref, each.commit, each.old, each.new] for each in done.notes],
        "versions": [list(each) for each in done.versions],
        "undoes": done.undoes,
        "trash": done.trash,
    }
    kept = {key: value for key, value in found.items() if value}
    # The first line end parts it from a line that was cut off when its writer died.
    return b"\n" + json.dumps(kept).encode() + b"\n"


def parse(data: bytes) -> list[Operation]:
    """The operations that were written down, the first one first; what is no line is left out."""
    found = []
    for text in data.split(b"\n"):
        if not text:
            continue
        try:
            said = json.loads(text)
            when = datetime.fromisoformat(said["when"])
            if when.tzinfo is None:
                raise ValueError("a moment without a time zone")
            found.append(
                Operation(
                    id=str(said["id"]),
                    when=when,
                    kind=str(said["kind"]),
                    what=str(said["what"]),
                    refs=tuple(RefChange(*_texts(each)) for each in said.get("refs", ())),
                    notes=tuple(NoteChange(*_texts(each)) for each in said.get("notes", ())),
                    versions=tuple(
                        (str(n), int(k), str(c)) for n, k, c in said.get("versions", ())
                    ),
                    undoes=said.get("undoes"),
                    trash=said.get("trash"),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _texts(move: Any) -> Any:
    """What a line says of one move, all of it text or null."""
    if not all(each is None or isinstance(each, str) for each in move):
        raise TypeError("no move")
    return move


def standing(done: Sequence[Operation]) -> list[Operation]:
    """The operations that weren't taken back, the last one first; undoing isn't one of them."""
    undone: set[str] = set()
    found = []
    for each in reversed(done):
        if each.id in undone:
            continue
        if each.undoes is not None:
            # What takes back an undoing lets the first operation stand again.
            undone.add(each.undoes)
        else:
            found.append(each)
    return found
