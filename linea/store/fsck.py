"""Every byte of a store held against what it stands for, and what is damaged told by artifact."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from linea.errors import LineaError
from linea.model import ReadPart, Unchecked, ValueRecord, Version
from linea.store import layout, packing, refs
from linea.store.backend import Backend, CorruptObjectError, MissingObjectError
from linea.store.objects import (
    ObjectId,
    object_id,
    parse_commit,
    parse_loose,
    parse_tree,
)
from linea.store.packs import Pack

if TYPE_CHECKING:
    from linea.store.repository import Repository

Digest = Callable[[bytes], str]

Recheck = Callable[[ValueRecord, ReadPart], Iterable[str]]
"""Loads a value and says what its manifest tells of it that isn't so, or that it is Unchecked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a store that isn't what it should be."""

    what: str
    """For people: what is damaged, and how."""
    hits: tuple[str, ...] = ()
    """The revisions, or else the names, that it keeps from being read whole."""
    objects: tuple[ObjectId, ...] = ()
    """The objects that are missing or have other bytes."""
    pack: str | None = None
    """The index of the pack that is damaged."""
    commit: ObjectId | None = None
    """A commit below which something can't be read, and more may be hidden."""
    ref: str | None = None
    """A ref that can't be read, leads nowhere or is gone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    versions: int
    problems: tuple[Problem, ...]
    unchecked: tuple[tuple[str, str], ...] = ()
    """Revisions whose values couldn't be loaded for the check, each with the reason."""


def check(
    repository: Repository, backend: Backend, digest: Digest, recheck: Recheck | None = None
) -> Report:
    """Read everything, and hold it against ids, manifests and digests (`digest` of bytes).

    With `recheck`, values are loaded too.
    """
    files = list(_file_problems(backend.path)) if backend.path is not None else []
    versions, problems, unchecked = 0, list[Problem](), list[tuple[str, str]]()
    dropped, rebuilt = _dropped(repository), repository.rebuilt()
    hit: dict[ObjectId, list[str]] = {}
    looked: dict[ObjectId, tuple[ObjectId, ...]] = {}
    for ref, name, tip in _histories(backend):
        id: str | None = tip
        while id is not None:
            found = _version(repository, id, name)
            if isinstance(found, str):
                leads = ref if id == tip else None
                problems.append(Problem(found, (name,), commit=ObjectId(id), ref=leads))
                id = _before(repository, id, name)
                continue
            versions += 1
            broken = _broken(backend, ObjectId(id), looked, id in dropped or id in rebuilt)
            for each in broken:
                hit.setdefault(each, []).append(found.revision)
            if not broken:
                try:
                    problems += _manifest_problems(repository, backend, found, digest)
                except LineaError as error:
                    problems.append(Problem(error.message, (found.revision,)))
            if not broken and id not in dropped:
                for problem in _value_problems(repository, found, digest, recheck):
                    if isinstance(problem, Unchecked):
                        unchecked.append((found.revision, str(problem)))
                    else:
                        problems.append(problem)
            id = found.previous
    problems += [
        Problem(f"object {id[:10]} is {_state(backend, id)}", tuple(hits), (id,))
        for id, hits in hit.items()
    ]
    problems += _ref_problems(repository, backend, looked)
    return Report(versions, (*files, *problems), tuple(unchecked))


def _histories(backend: Backend) -> Iterator[tuple[str, str, ObjectId]]:
    """Every artifact's ref, name and newest commit, deleted ones included."""
    for prefix in (refs.ARTIFACTS, refs.DELETED):
        for ref, id in sorted(backend.refs(prefix).items()):
            with contextlib.suppress(LineaError):
                yield ref, refs.decode(ref.removeprefix(prefix)), id


def _version(repository: Repository, commit: str, name: str) -> Version | str:
    """The version of a commit, or what is wrong with it."""
    try:
        version = repository.fresh(commit)
    except LineaError as error:
        return error.message
    if version.name != name:
        return f"commit {commit[:10]} in the history of {name} is a version of {version.name}"
    return version


def _before(repository: Repository, commit: str, name: str) -> str | None:
    """The version before one that can't be read, where its commit tells it."""
    try:
        entry = repository.entry_of(commit)
    except LineaError:
        return None
    return entry.previous if entry.name == name and entry.previous != commit else None


def _broken(
    backend: Backend, commit: ObjectId, looked: dict[ObjectId, tuple[ObjectId, ...]], dropped: bool
) -> tuple[ObjectId, ...]:
    """The objects of a version that can't be read; of a dropped value they may be missing."""
    found: list[ObjectId] = []
    said = parse_commit(backend.read(commit).data)
    for name, entry in parse_tree(backend.read(said.tree).data).items():
        broken = _broken_below(backend, entry.id, entry.is_tree, looked)
        if dropped and name == layout.VALUE.rstrip("/"):
            broken = ()  # what is damaged here nobody reads
        found += broken
    return tuple(dict.fromkeys(found))


def _broken_below(
    backend: Backend, id: ObjectId, is_tree: bool, looked: dict[ObjectId, tuple[ObjectId, ...]]
) -> tuple[ObjectId, ...]:
    if id in looked:
        return looked[id]
    found: tuple[ObjectId, ...] = ()
    try:
        item = backend.read(id)
        if is_tree:
            entries = parse_tree(item.data).values()
            found = tuple(
                broken
                for each in entries
                for broken in _broken_below(backend, each.id, each.is_tree, looked)
            )
    except (MissingObjectError, CorruptObjectError, ValueError):
        found = (id,)
    looked[id] = found
    return found


def _state(backend: Backend, id: ObjectId) -> str:
    try:
        backend.read(id)
    except MissingObjectError:
        return "missing"
    except CorruptObjectError as error:
        return f"damaged ({error})"
    return "no tree"


def _manifest_problems(
    repository: Repository, backend: Backend, version: Version, digest: Digest
) -> Iterator[Problem]:
    """What a manifest says that its commit, code, inputs or parents don't."""

    def lie(what: str) -> Problem:
        return Problem(f"the manifest is wrong: {what}", (version.revision,))

    said = parse_commit(backend.read(ObjectId(version.commit)).data)
    if said.author != version.author:
        yield lie(f"{said.author} saved it, not {version.author}")
    if said.time != int(version.created.timestamp() // 1):
        yield lie(f"it wasn't made at {version.created.isoformat()}")
    known = [version.previous, *(parent.commit for parent in version.parents)]
    if list(said.parents) != [ObjectId(id) for id in dict.fromkeys(known) if id is not None]:
        yield lie("its commit rests on other versions")
    for parent in version.parents:
        with contextlib.suppress(LineaError):  # a parent that can't be read is told of by itself
            there = repository.by_commit(parent.commit)
            if (there.name, there.number, there.digest) != (
                parent.name,
                parent.number,
                parent.digest,
            ):
                yield lie(f"{parent.commit[:10]} is {there.revision}, with another value or name")
    lines = repository.code(version).count("\n")
    if version.lines and len(version.lines) != lines:
        yield lie(f"it tells where {len(version.lines)} lines come from, and there are {lines}")
    for file in version.inputs:
        data = repository.input(version, file)
        if data is not None and digest(data) != file.digest:
            yield lie(f"the bytes that are kept of {file.path} aren't its")
        elif data is not None and len(data) != file.size:
            yield lie(f"{file.path} had {len(data)} bytes, not {file.size}")


def _value_problems(
    repository: Repository, version: Version, digest: Digest, recheck: Recheck | None
) -> Iterator[Problem | Unchecked]:
    """Parts of a value that aren't what the manifest says of them, or a value that isn't."""
    read = repository.read_part(version)
    whole = True
    for part in version.value.parts:
        try:
            data = bytes(read(part.path))
        except LineaError as error:
            yield Problem(error.message, (version.revision,))
            whole = False
            continue
        if digest(data) != part.digest:
            yield Problem(f"{part.path} is not what was stored", (version.revision,))
            whole = False
        elif len(data) != part.size:
            what = f"{part.path} has {len(data)} bytes, not {part.size} as the manifest says"
            yield Problem(what, (version.revision,))
    if whole and recheck is not None:
        for what in recheck(version.value, read):
            yield what if isinstance(what, Unchecked) else Problem(what, (version.revision,))


def _dropped(repository: Repository) -> frozenset[str]:
    try:
        return repository.dropped()
    except LineaError:
        return frozenset()  # the notes are damaged, of which `_ref_problems` tells


def _ref_problems(
    repository: Repository, backend: Backend, looked: dict[ObjectId, tuple[ObjectId, ...]]
) -> Iterator[Problem]:
    """What is wrong with refs, and with what those rest on that are no artifacts'."""
    for ref, id in sorted(backend.refs("refs/").items()):
        if ref.startswith((refs.ARTIFACTS, refs.DELETED)):
            continue
        broken = _broken_history(backend, id, looked)
        hits = _tagged(ref)
        if broken:
            which = ", ".join(each[:10] for each in broken[:3])
            what = f"the ref {ref} rests on {which}, which can't be read"
            yield Problem(what, hits, broken, ref=ref if id in broken else None)
        elif hits:
            yield from _tag_problems(repository, ref, id, hits[0])
    for ref, why in sorted(backend.damaged_refs().items()):
        what = f"the ref {ref} is damaged or gone: {why}"
        yield Problem(what, _named(ref) or _tagged(ref), ref=ref)
    try:
        repository.all_tags()
        repository.deleted_before(None)
        repository.dropped()
    except LineaError as error:
        yield Problem(error.message)


def _named(ref: str) -> tuple[str, ...]:
    """The artifact that a ref stands for."""
    for prefix in (refs.ARTIFACTS, refs.DELETED):
        if ref.startswith(prefix):
            with contextlib.suppress(LineaError):
                return (refs.decode(ref.removeprefix(prefix)),)
    return ()


def _tagged(ref: str) -> tuple[str, ...]:
    """The artifact that a ref is a tag of."""
    if ref.startswith(refs.TAGS):
        with contextlib.suppress(LineaError):
            return (refs.parse_tag(ref)[0],)
    return ()


def _tag_problems(repository: Repository, ref: str, id: ObjectId, name: str) -> Iterator[Problem]:
    """What is wrong with where a tag stands."""
    try:
        entry = repository.entry_of(id)
    except LineaError as error:
        yield Problem(f"the tag's ref {ref} leads to no version: {error.message}", (name,))
        return
    if entry.name != name:
        yield Problem(f"the tag's ref {ref} leads to {entry.revision}", (name,))


def _broken_history(
    backend: Backend, tip: ObjectId, looked: dict[ObjectId, tuple[ObjectId, ...]]
) -> tuple[ObjectId, ...]:
    """The objects that can't be read of a commit and those before it, versions left out."""
    found: dict[ObjectId, None] = {}
    commits, seen = [tip], set[ObjectId]()
    while commits:
        id = commits.pop()
        if id in seen:
            continue
        seen.add(id)
        try:
            said = parse_commit(backend.read(id).data)
        except (MissingObjectError, CorruptObjectError, ValueError):
            found[id] = None
            continue
        if "\nLinea-Version: " in said.message:
            continue
        commits += said.parents
        found.update(dict.fromkeys(_broken_below(backend, said.tree, True, looked)))
    return tuple(found)


def _file_problems(path: Path) -> Iterator[Problem]:
    """Packs and loose files whose bytes aren't what they were written as."""
    folder = path / "objects"
    for id in packing.loose_ids(folder):
        try:
            raw = (folder / id[:2] / id[2:]).read_bytes()
            if object_id(parse_loose(raw)) == id:
                continue
            how = "its bytes have another id"
        except (OSError, ValueError) as error:
            how = str(error)
        yield Problem(f"the file of object {id[:10]} is damaged: {how}", (), (id,))
    for data in sorted((folder / "pack").glob("pack-*.pack")):
        index = data.with_suffix(".idx")
        if index.exists():
            yield from _pack_problems(index)
    for index in sorted((folder / "pack").glob("pack-*.idx")):
        if not index.with_suffix(".pack").exists():
            yield Problem(f"{index.name} has no pack beside it", pack=str(index))


def _pack_problems(index: Path) -> Iterator[Problem]:
    name = index.with_suffix(".pack").name
    try:
        pack = Pack(index)
    except (OSError, ValueError, ArithmeticError) as error:
        yield Problem(f"{index.name} is damaged: {error}", pack=str(index))
        return
    try:
        broken = []
        for id in pack.ids():
            try:
                whole = object_id(pack.read(bytes.fromhex(id))) == id
            except (ValueError, OSError):
                whole = False
            if not whole:
                broken.append(id)
        if broken:
            what = f"{name} is damaged in {len(broken)} of {pack.count} objects"
            yield Problem(what, (), tuple(broken), pack=str(index))
        elif not _sums_fit(index):
            yield Problem(f"{name} or its index has another checksum than it says", pack=str(index))
    finally:
        pack.close()


def _sums_fit(index: Path) -> bool:
    """Whether the checksums at the ends of a pack and of its index are theirs."""
    data = index.read_bytes()
    if hashlib.sha1(data[:-20], usedforsecurity=False).digest() != data[-20:]:
        return False
    sha = hashlib.sha1(usedforsecurity=False)
    path = index.with_suffix(".pack")
    left = path.stat().st_size - 20
    with path.open("rb") as file:
        while left > 0:
            piece = file.read(min(left, 1 << 20))
            if not piece:
                return False
            sha.update(piece)
            left -= len(piece)
        end = file.read()
    return sha.digest() == end == data[-40:-20]
