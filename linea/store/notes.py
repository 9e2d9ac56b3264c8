"""Git notes: facts about commits that become known after they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from linea.store.backend import Backend
from linea.store.objects import (
    Batch,
    Commit,
    ObjectId,
    TreeEntry,
    commit_bytes,
    parse_commit,
    parse_tree,
    tree_bytes,
)


def noted(backend: Backend, tip: ObjectId | None) -> Iterator[tuple[ObjectId, ObjectId]]:
    """Yield the commits that have a note, each with the note's blob."""
    if tip is None:
        return
    yield from _walk(backend, parse_commit(backend.read(tip).data).tree, "")


def note(backend: Backend, tip: ObjectId | None, commit: ObjectId) -> ObjectId | None:
    """The blob of the note on `commit`."""
    if tip is None:
        return None
    tree, rest = parse_commit(backend.read(tip).data).tree, str(commit)
    while True:
        entries = parse_tree(backend.read(tree).data)
        if rest in entries and not entries[rest].is_tree:
            return entries[rest].id
        folder = entries.get(rest[:2])
        if folder is None or not folder.is_tree:
            return None
        tree, rest = folder.id, rest[2:]


def with_notes(
    backend: Backend,
    batch: Batch,
    tip: ObjectId | None,
    changes: Mapping[ObjectId, bytes | None],
    *,
    message: str,
    time: int,
) -> ObjectId:
    """Put the notes commit that follows `tip` into `batch`; None takes a note away."""
    tree = parse_commit(backend.read(tip).data).tree if tip else None
    changed = _changed(backend, batch, tree, changes, depth=0) or batch.add("tree", b"")
    parents = (tip,) if tip else ()
    said = Commit(changed, parents, "linea <linea@localhost>", time, 0, message + "\n")
    return batch.add("commit", commit_bytes(said))


def _changed(
    backend: Backend,
    batch: Batch,
    tree: ObjectId | None,
    changes: Mapping[ObjectId, bytes | None] | Mapping[str, bytes | None],
    depth: int,
) -> ObjectId | None:
    """A tree of notes after `changes`; None when it is empty.

    Notes lie in folders named by the first two digits of the commit, so that a new one
    rewrites two small trees however many there are. Stock git may use more folders or none.
    """
    entries = parse_tree(backend.read(tree).data) if tree else {}
    deeper: dict[str, dict[str, bytes | None]] = {}
    for key, data in changes.items():
        if key not in entries and (depth == 0 or key[:2] in entries):
            deeper.setdefault(key[:2], {})[key[2:]] = data
        elif data is None:
            entries.pop(key, None)
        else:
            entries[key] = TreeEntry(key, batch.add("blob", data), is_tree=False)
    for first, inside in deeper.items():
        there = entries.pop(first, None)
        id = _changed(backend, batch, there.id if there else None, inside, depth + 1)
        if id is not None:
            entries[first] = TreeEntry(first, id, is_tree=True)
    return batch.add("tree", tree_bytes(entries.values())) if entries else None


def _walk(backend: Backend, tree: ObjectId, prefix: str) -> Iterator[tuple[ObjectId, ObjectId]]:
    for entry in parse_tree(backend.read(tree).data).values():
        if entry.is_tree:
            yield from _walk(backend, entry.id, prefix + entry.name)
        elif len(prefix + entry.name) == 40:
            yield ObjectId(prefix + entry.name), entry.id
