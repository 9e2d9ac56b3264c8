"""A store put in order: what nothing needs is found, told of, and taken away."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from linea.errors import DamagedStoreError
from linea.model import Version
from linea.store import packing, refs
from linea.store.backend import Backend, CorruptObjectError, MissingObjectError
from linea.store.layout import VALUE
from linea.store.objects import ObjectId, parse_commit, parse_tree
from linea.store.packs import ObjectFolder

if TYPE_CHECKING:
    from linea.store.repository import Repository

GRACE = timedelta(days=14)
TRASH = "trash"
_PROMISED = {
    "remote.dropped.promisor": "true",
    "remote.dropped.url": "/values-dropped-by-linea-gc",
    "remote.dropped.skipFetchAll": "true",
}
"""By this stock git knows that blobs may be missing on purpose."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which versions' values may go, their manifests and code being kept."""

    keep_last: int = 1
    """So many of an artifact's newest versions keep their values."""
    keep_tagged: bool = True
    proven: bool = True
    """Only the values that a re-run gave again, bit by bit."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a gc did, or would do."""

    freed: int
    """Bytes."""
    held: int
    """Bytes that were put into the trash and can be brought back until `until`."""
    until: datetime | None
    dropped: tuple[tuple[str, int], ...]
    """Revisions whose values went, each with the bytes that nothing else needed."""
    unreachable: int
    """Objects that nothing rested on."""
    packs: tuple[int, int]
    """How many packs there were, and are."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the refs need, and what only values need that shall go."""

    needed: frozenset[ObjectId]
    droppable: Mapping[str, frozenset[ObjectId]]
    """Blobs by commit."""


def reach(backend: Backend, drop: frozenset[str]) -> Reach:
    """Follow commits and trees from all refs; values of the commits in `drop` apart."""
    needed: set[ObjectId] = set()
    whole: set[ObjectId] = set()
    droppable: dict[str, set[ObjectId]] = {}
    commits, again = [], {}
    for ref, id in backend.refs("refs/").items():
        commit = ref.removeprefix(refs.REBUILT)
        if commit != ref and commit in drop:
            again[commit] = id
        else:
            commits.append(id)
    while commits:
        id = commits.pop()
        if id in needed:
            continue
        needed.add(id)
        item = backend.read(id)
        if item.kind == "tag":  # made by stock git
            commits.append(ObjectId(item.data[len("object ") :][:40].decode()))
            continue
        if item.kind == "tree":
            _below(backend, id, needed, whole)
        if item.kind != "commit":
            continue
        said = parse_commit(item.data)
        commits += said.parents
        if id not in drop:
            _below(backend, said.tree, needed, whole)
            continue
        needed.add(said.tree)
        for name, entry in parse_tree(backend.read(said.tree).data).items():
            if not entry.is_tree:
                needed.add(entry.id)
            elif name == VALUE.rstrip("/"):
                droppable[id] = _blobs(backend, entry.id, needed)
            else:
                _below(backend, entry.id, needed, whole)
    for commit, id in again.items():
        tree = parse_commit(backend.read(id).data).tree
        droppable[commit] = droppable.get(commit, set()) | _blobs(backend, tree, set())
    return Reach(
        frozenset(needed), {id: frozenset(blobs - needed) for id, blobs in droppable.items()}
    )


def _below(backend: Backend, tree: ObjectId, needed: set[ObjectId], whole: set[ObjectId]) -> None:
    """Put all that a tree holds among what is needed; `whole` are the trees done before."""
    trees = [tree]
    while trees:
        id = trees.pop()
        if id in whole:
            continue
        needed.add(id)
        whole.add(id)
        for entry in parse_tree(backend.read(id).data).values():
            if entry.is_tree:
                trees.append(entry.id)
            else:
                needed.add(entry.id)


def _blobs(backend: Backend, tree: ObjectId, needed: set[ObjectId]) -> set[ObjectId]:
    """The blobs of a value; its trees are kept, so that it stays known what it was made of."""
    found: set[ObjectId] = set()
    trees = [tree]
    while trees:
        id = trees.pop()
        needed.add(id)
        for entry in parse_tree(backend.read(id).data).values():
            if entry.is_tree:
                trees.append(entry.id)
            else:
                found.add(entry.id)
    return found


def gc(
    repository: Repository,
    backend: Backend,
    path: Path,
    *,
    now: datetime,
    grace: timedelta,
    policy: Policy | None,
    dry_run: bool,
) -> Report:
    """Take away what nothing needs; see `Repository.gc`."""
    folder = path / "objects"
    objects = ObjectFolder(folder)
    old = (now - grace).timestamp()
    try:
        for ref, why in backend.damaged_refs().items():
            # What it points to would be taken for something that nothing needs.
            raise DamagedStoreError(
                f"the ref {ref} is damaged or gone, so nothing is taken away: {why}",
                hint="`linea fsck --repair` puts it back as far as its log tells",
            )
        expired = {str(v.commit): v for v in repository.deleted_before(now - grace)}
        chosen = {str(v.commit): v for v in _chosen(repository, policy)} if policy else {}
        drop = {**expired, **chosen}
        try:
            found = reach(backend, frozenset(drop))
        except (MissingObjectError, CorruptObjectError, ValueError) as error:
            raise _damaged(error) from error
        if not dry_run:
            for keep in (folder / "pack").glob("*.keep"):  # of saves that were killed
                packing.release(keep.with_suffix(".idx"))
        stored = list(packing.stored_sizes(folder))
        sizes = {id: size for id, _, size in stored}
        droppable = {id for blobs in found.droppable.values() for id in blobs}
        gone = frozenset(
            id
            for commit, blobs in found.droppable.items()
            if commit in expired and commit not in chosen
            for id in blobs
        )
        hold = frozenset(droppable) - gone
        if grace <= timedelta(0):
            gone, hold = gone | hold, frozenset()
        garbage = _garbage(stored, found.needed | droppable, old)
        dropped = [
            (drop[commit], sum(sizes.get(id, 0) for id in blobs))
            for commit, blobs in found.droppable.items()
            if any(id in sizes for id in blobs)
        ]
        packs = len(list((folder / "pack").glob("pack-*.idx")))
        trash = _expired_trash(path, old)
        report = Report(
            freed=sum(size for id, _, size in stored if id in garbage or id in gone)
            + sum(_size(each) for each in trash),
            held=sum(size for id, _, size in stored if id in hold),
            until=now + grace if hold & sizes.keys() else None,
            dropped=tuple((version.revision, size) for version, size in dropped),
            unreachable=len(garbage),
            packs=(packs, packs),
        )
        if dry_run:
            return report
        for each in trash:
            shutil.rmtree(each, ignore_errors=True)
        name = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
        if dropped:
            # First: from here on it is known that they are gone on purpose.
            held = name if hold & sizes.keys() else None
            repository.note_dropped([version for version, _ in dropped], now, held)
        if dropped:
            for key, value in _PROMISED.items():
                backend.set(key, value)
        trash_to = path / TRASH / name / "objects"
        try:
            _sweep(folder, objects, stored, garbage | gone, hold, trash_to, dropped=bool(dropped))
        except (MissingObjectError, CorruptObjectError) as error:
            raise _damaged(error) from error
        backend.forget()
        after = len(list((folder / "pack").glob("pack-*.idx")))
        return Report(
            report.freed, report.held, report.until, report.dropped, report.unreachable,
            (packs, after),
        )  # fmt: skip
    finally:
        objects.close()


def _damaged(error: Exception) -> DamagedStoreError:
    return DamagedStoreError(
        f"the store is damaged, so nothing is taken away: {error}",
        hint="see what is hit with `linea fsck`",
    )


def _chosen(repository: Repository, policy: Policy) -> Iterator[Version]:
    """The versions whose values a policy lets go."""
    tags = repository.all_tags()
    verdict = repository.verdicts()
    for name in repository.names():
        tagged = set(tags.get(name, {}).values()) if policy.keep_tagged else set()
        for place, entry in enumerate(repository.entries(name)):
            if place < policy.keep_last or entry.number in tagged:
                continue
            said = verdict(entry.commit)
            if policy.proven and (said is None or said.outcome != "identical"):
                continue
            yield repository.loaded(entry)


def _garbage(
    stored: list[tuple[ObjectId, Path, int]], kept: frozenset[ObjectId] | set[ObjectId], old: float
) -> frozenset[ObjectId]:
    """What nothing rests on, and nobody has written since `old`."""
    times: dict[Path, float] = {}
    found: set[ObjectId] = set()
    young: set[ObjectId] = set()
    for id, path, _ in stored:
        if id in kept:
            continue
        if path not in times:
            with contextlib.suppress(OSError):
                times[path] = path.stat().st_mtime
        (found if times.get(path, old + 1) < old else young).add(id)
    return frozenset(found - young)


def _expired_trash(path: Path, old: float) -> list[Path]:
    folder = path / TRASH
    if not folder.is_dir():
        return []
    return [each for each in folder.iterdir() if each.stat().st_mtime <= old]


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _sweep(
    folder: Path,
    objects: ObjectFolder,
    stored: list[tuple[ObjectId, Path, int]],
    gone: frozenset[ObjectId],
    hold: frozenset[ObjectId],
    trash: Path,
    *,
    dropped: bool,
) -> None:
    """Put `hold` into the trash, then write anew without `gone` and `hold` what had them.

    With values `dropped`, all that is left goes into one pack that git takes for a part of a
    larger repository, so that it doesn't miss their blobs.
    """
    there = {id for id, _, _ in stored}
    if hold & there:
        packing.write_merged(folder, objects, sorted(hold & there), into=trash / "pack")
    leave = gone | hold
    touched = {path for id, path, _ in stored if id in leave and path.suffix == ".idx"}
    packs = {path for _, path, _ in stored if path.suffix == ".idx"}
    if len(packs) > packing.MANY_PACKS or dropped:
        touched = packs
    loose = [(id, path) for id, path, _ in stored if path.suffix != ".idx"]
    keep_loose = [id for id, _ in loose if id not in leave]
    keep = {id for id, path, _ in stored if path in touched and id not in leave}
    if len(keep_loose) > packing.MANY_PACKS or dropped:
        keep |= set(keep_loose)
    if keep:
        promised = dropped or any(packing.is_promised(each) for each in touched)
        made = packing.write_merged(folder, objects, sorted(keep), promised=promised)
        touched -= {made}
    for id, path in loose:
        if id in keep:
            path.unlink(missing_ok=True)
    if dropped:
        # Until the last is gone, each may hold trees whose blobs went with another.
        for path in touched:
            packing.promise(path)
    for path in touched:
        packing.remove_pack(path)
    for id, path in loose:
        if id in leave:
            path.unlink(missing_ok=True)
    if gone:
        # It may name commits that are gone; git makes it anew.
        (folder / "info" / "commit-graph").unlink(missing_ok=True)


def deletion_times(path: Path) -> Mapping[str, datetime]:
    """When artifacts were deleted as a whole, by ref, as far as their reflogs tell."""
    found = {}
    folder = path / "logs" / refs.DELETED
    for file in folder.rglob("*") if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            last = file.read_text("utf-8", "replace").splitlines()[-1]
            seconds = int(last.partition("\t")[0].split(" ")[-2])
            ref = refs.DELETED + str(file.relative_to(folder))
            found[ref] = datetime.fromtimestamp(seconds, UTC)
    return found
