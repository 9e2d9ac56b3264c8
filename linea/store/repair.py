"""What a check found damaged → whole again, from other stores and from what is left here."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from linea.errors import NoStoreError
from linea.store import packing
from linea.store.backend import Backend, CorruptObjectError, MissingObjectError
from linea.store.files import durable, sync_folder, write_all
from linea.store.fsck import Report
from linea.store.objects import GitObject, ObjectId, object_id, parse_commit, parse_tree
from linea.store.packs import (
    KINDS,
    OFFSET_DELTA,
    REF_DELTA,
    ObjectFolder,
    Pack,
    base_distance,
    size_and_kind,
)
from linea.store.ref_files import PACKED, RefFolder


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair could do."""

    objects: int
    """Objects that are whole again."""
    missing: tuple[ObjectId, ...]
    """Those that no source has."""


def repair(backend: Backend, report: Report, sources: Iterable[Path]) -> Repaired:
    """Fetch damaged and missing objects from other stores, and put damaged packs aside.

    Nothing that can still be read is lost: it is written anew before a file is put aside, into
    `damaged/` of the store. Refs that are damaged or gone get back what their logs, or the other
    stores, tell of them.
    """
    assert backend.path is not None
    folder = backend.path / "objects"
    sources = list(sources)
    wanted = {id for problem in report.problems for id in problem.objects}
    packs = {Path(problem.pack) for problem in report.problems if problem.pack}
    if report.problems:
        _index_again(folder)
    places = [ObjectFolder(each) for each in (folder, *map(_objects_of, sources))]
    whole: dict[ObjectId, GitObject] = {}
    hidden = {problem.commit for problem in report.problems if problem.commit is not None}
    for id, found in _with_all_below(places, wanted | hidden):
        if id in wanted or _whole(places[:1], id) is None:
            wanted.add(id)
            whole[id] = found
    for index in packs:
        whole.update(_salvaged(places, index))
    made = packing.write_new(folder, whole) if whole else None
    if made is not None and any(packing.is_promised(each) for each in packs):
        packing.promise(made)
    aside = backend.path / "damaged"
    for id in wanted & whole.keys():
        _put_aside(folder / id[:2] / id[2:], aside)
    for index in packs - {made}:
        for path in (index, index.with_suffix(".pack")):
            _put_aside(path, aside)
    backend.forget()
    _mend_refs(backend, report, sources, aside)
    return Repaired(len(wanted & whole.keys()), tuple(sorted(wanted - whole.keys())))


def _index_again(folder: Path) -> None:
    """Make objects of packs readable whose index is gone."""
    for pack in (folder / "pack").glob("pack-*.pack"):
        if not pack.with_suffix(".idx").exists() and (found := dict(scanned(pack))):
            packing.write_new(folder, found)


def _mend_refs(backend: Backend, report: Report, sources: Iterable[Path], aside: Path) -> None:
    """Put refs back that are damaged or gone, as far as it is known what they pointed to."""
    assert backend.path is not None
    here = RefFolder(backend.path)
    elsewhere = [RefFolder(_objects_of(each).parent) for each in sources]
    for problem in report.problems:
        if problem.ref is None:
            continue
        if problem.ref == PACKED:
            lines = (f"{id} {name}\n" for name, id in sorted(here.packed().items()))
            _written(backend.path / PACKED, "".join(lines), aside)
            continue
        there = _told(here, problem.ref)
        if there is not None and _is_commit(backend, there):
            continue  # it is whole again
        known = [here.last(problem.ref), *(_told(each, problem.ref) for each in elsewhere)]
        id = next((each for each in known if each and _is_commit(backend, each)), None)
        if id is not None:
            _written(backend.path / problem.ref, f"{id}\n", aside)


def _written(path: Path, text: str, aside: Path) -> None:
    """Put a file of refs in the place of a damaged one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _put_aside(path, aside)
    with durable(path, prefix=".tmp-") as file:
        write_all(file, text.encode("utf-8", "surrogateescape"))
    path.chmod(0o644)
    sync_folder(path.parent)


def _told(refs: RefFolder, name: str) -> ObjectId | None:
    with contextlib.suppress(OSError, ValueError):
        return refs.read(name)
    return None


def _is_commit(backend: Backend, id: ObjectId) -> bool:
    with contextlib.suppress(MissingObjectError, CorruptObjectError):
        return backend.read(id).kind == "commit"
    return False


def _objects_of(store: Path) -> Path:
    """The folder of objects of a store, or of a project or repository that has one."""
    for folder in (store / "objects", store / ".linea/objects", store / ".git/objects"):
        if folder.is_dir():
            return folder
    raise NoStoreError(f"there is no store at {store}", hint="name a folder that holds one")


def _whole(places: Iterable[ObjectFolder], id: ObjectId) -> GitObject | None:
    for place in places:
        with contextlib.suppress(MissingObjectError, CorruptObjectError):
            return place.read(id)
    return None


def _with_all_below(
    places: Sequence[ObjectFolder], ids: Iterable[ObjectId]
) -> Iterator[tuple[ObjectId, GitObject]]:
    """These objects and all that they rest on, as far as a place has them.

    What lies below a damaged tree or commit couldn't be looked at by the check.
    """
    todo, seen = list(ids), set[ObjectId]()
    while todo:
        id = todo.pop()
        if id in seen:
            continue
        seen.add(id)
        found = _whole(places, id)
        if found is None:
            continue
        yield id, found
        with contextlib.suppress(ValueError):
            if found.kind == "tree":
                todo += [entry.id for entry in parse_tree(found.data).values()]
            elif found.kind == "commit":
                said = parse_commit(found.data)
                todo += [said.tree, *said.parents]


def _salvaged(places: Iterable[ObjectFolder], index: Path) -> Mapping[ObjectId, GitObject]:
    """What can be read of a damaged pack, here or elsewhere."""
    path = index.with_suffix(".pack")
    found = dict(scanned(path)) if path.exists() else {}
    try:
        pack = Pack(index)
    except (OSError, ValueError, ArithmeticError):
        return found
    try:
        for id in pack.ids():
            if id not in found and (whole := _whole(places, id)) is not None:
                found[id] = whole
    finally:
        pack.close()
    return found


def scanned(pack: Path) -> Iterator[tuple[ObjectId, GitObject]]:
    """The objects of a pack up to the first that is damaged, found without its index.

    Those that are stored as a difference to another one are left out; the store's settings keep
    git from making any.
    """
    with pack.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"PACK" or len(head) < 12:
            return
        at = 12
        for _ in range(int.from_bytes(head[8:])):
            file.seek(at)
            start = file.read(64)
            try:
                kind, size, length = size_and_kind(start)
                if kind not in KINDS:
                    length = _after_base(kind, start, length)
                file.seek(at + length)
                data, used = _inflated(file)
            except (ValueError, IndexError, zlib.error):
                return
            if len(data) != size:
                return
            if kind in KINDS:
                item = GitObject(KINDS[kind], data)
                yield object_id(item), item
            at += length + used


def _after_base(kind: int, start: bytes, at: int) -> int:
    """Where the data of a difference begin, after what tells its base."""
    if kind == REF_DELTA:
        return at + 20
    if kind != OFFSET_DELTA:
        raise ValueError("no object")
    return base_distance(start, at)[1]


def _inflated(file: BinaryIO) -> tuple[bytes, int]:
    """What is deflated at the place of a file, and how many bytes it takes there."""
    inflate = zlib.decompressobj()
    found, used = [], 0
    while not inflate.eof:
        piece = file.read(1 << 16)
        if not piece:
            raise ValueError("it is cut off")
        found.append(inflate.decompress(piece))
        used += len(piece)
    return b"".join(found), used - len(inflate.unused_data)


def _put_aside(path: Path, aside: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(OSError):
            path.rmdir()  # an empty one, in the place of a ref
        return
    aside.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        path.rename(aside / path.name)
