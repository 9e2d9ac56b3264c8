"""Many packs and loose files into one pack, beside those who read and write.

What is in a pack stays readable all the time: the new pack is in place before an old one goes, and
who had an old one open can read on.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from linea.store.backend import CorruptObjectError, MissingObjectError
from linea.store.files import durable, sync_folder, write_all
from linea.store.objects import (
    GitObject,
    ObjectId,
    PackEntry,
    PackWriter,
    pack_index,
    write_pack,
)
from linea.store.packs import ObjectFolder, Pack

MANY_PACKS = 50
MANY_LOOSE = 6_000
MERGED_AT_ONCE = 256 << 20
"""A save that tidies up copies at most so many bytes."""

_HELD = b"a save of linea is under way\n"
_BESIDE = (".idx", ".pack", ".rev", ".bitmap", ".promisor", ".keep", ".mtimes")


def tidy(folder: Path, objects: ObjectFolder) -> bool:
    """Merge small packs or loose files where there are too many; give whether there were.

    To be called under the store's lock.
    """
    packs = list((folder / "pack").glob("pack-*.idx"))
    if len(packs) > MANY_PACKS:
        merge_packs(folder, objects, list(_smallest(packs)))
        return True
    # As git does: ids are spread evenly, so one folder tells of all.
    sample = folder / "17"
    if sample.is_dir() and len(list(sample.iterdir())) * 256 > MANY_LOOSE:
        pack_loose(folder, objects, list(loose_ids(folder)))
        return True
    return False


def _smallest(packs: Sequence[Path]) -> Iterator[Path]:
    sized = []
    for path in packs:
        with contextlib.suppress(OSError):
            sized.append((path.with_suffix(".pack").stat().st_size, path))
    total = 0
    for size, path in sorted(sized):
        total += size
        if total > MERGED_AT_ONCE:
            return
        if not path.with_suffix(".keep").exists():
            yield path


def merge_packs(folder: Path, objects: ObjectFolder, indexes: Sequence[Path]) -> Path | None:
    """Put all that these packs hold into one, in their place; None where one is damaged."""
    ids: dict[ObjectId, None] = {}
    for path in indexes:
        try:
            pack = Pack(path)
        except (OSError, ValueError):
            return None
        ids.update(dict.fromkeys(pack.ids()))
        pack.close()
    try:
        promised = any(map(is_promised, indexes))
        made = write_merged(folder, objects, list(ids), promised=promised)
    except (MissingObjectError, CorruptObjectError):
        return None  # a copy must not make damage look whole: `fsck` has to see it
    for path in indexes:
        if path != made:
            remove_pack(path)
    return made


def pack_loose(folder: Path, objects: ObjectFolder, ids: Sequence[ObjectId]) -> None:
    """Put loose files into a pack; those that are damaged stay."""
    whole = []
    for id in ids:
        with contextlib.suppress(MissingObjectError, CorruptObjectError):
            objects.raw(id)
            whole.append(id)
    if whole:
        write_merged(folder, objects, whole)
        for id in whole:
            (folder / id[:2] / id[2:]).unlink(missing_ok=True)


def loose_ids(folder: Path) -> Iterator[ObjectId]:
    """The objects in files of their own."""
    for each in folder.iterdir():
        if len(each.name) == 2 and each.is_dir():
            for path in each.iterdir():
                if len(path.name) == 38:
                    yield ObjectId(each.name + path.name)


def write_merged(
    folder: Path,
    objects: ObjectFolder,
    ids: Sequence[ObjectId],
    *,
    into: Path | None = None,
    promised: bool = False,
) -> Path:
    """Write a pack of these objects, as they are in the store, each checked; give its index.

    What a pack that is `promised` refers to may be missing, for git.
    """
    target = into or folder / "pack"
    target.mkdir(parents=True, exist_ok=True)

    def write(file: BinaryIO) -> tuple[str, list[PackEntry]]:
        writer = PackWriter(file, len(ids))
        for id in ids:
            writer.add(id, [objects.raw(id)])
        return writer.end(), writer.entries

    with _placed(target, write) as index:
        if promised:
            promise(index)
    return index


@contextmanager
def _placed(
    target: Path, write: Callable[[BinaryIO], tuple[str, list[PackEntry]]]
) -> Iterator[Path]:
    """Put what `write` writes into a folder as a pack, and after the block its index.

    Last, as git takes a pack into account when it sees its index. A pack is named by its bytes: two
    writers of the same objects in another order must not take each other's pack for theirs.
    """
    made, name = tempfile.mkstemp(prefix="tmp_pack_", dir=target)
    temporary = Path(name)
    try:
        with os.fdopen(made, "wb") as file:
            checksum, entries = write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o444)
        final = target / f"pack-{checksum}.pack"
        temporary.rename(final)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    index = final.with_suffix(".idx")
    yield index
    with durable(index, prefix="tmp_idx_") as out:
        write_all(out, pack_index(entries, checksum))
    sync_folder(target)


def write_new(folder: Path, objects: Mapping[ObjectId, GitObject]) -> Path:
    """Write a pack of these objects; give its index."""
    index, held = write_held(folder, objects)
    if held:
        release(index)
    return index


def write_held(folder: Path, objects: Mapping[ObjectId, GitObject]) -> tuple[Path, bool]:
    """Write a pack of these objects that stock git leaves alone until it is released.

    As `git receive-pack` does: `git repack -a -d` would drop what no ref reaches yet. Gives its
    index, and False where it was held already.
    """
    with _placed(folder / "pack", lambda file: write_pack(file, objects)) as index:
        try:
            with index.with_suffix(".keep").open("xb") as keep:
                keep.write(_HELD)
            held = True
        except FileExistsError:
            held = False
    return index, held


def release(index: Path) -> None:
    """Let stock git have a pack that a save held; those that others keep stay so."""
    keep = index.with_suffix(".keep")
    with contextlib.suppress(OSError):
        if keep.read_bytes() == _HELD:
            keep.unlink()


def is_promised(index: Path) -> bool:
    """Whether what a pack refers to may be missing."""
    return index.with_suffix(".promisor").exists()


def promise(index: Path) -> None:
    """Have git take it that what a pack refers to may be missing."""
    index.with_suffix(".promisor").touch()


def remove_pack(index: Path) -> None:
    """Remove a pack, its index first: git takes a pack into account by its index."""
    with contextlib.suppress(OSError):
        # It names packs; git makes it anew.
        (index.parent / "multi-pack-index").unlink(missing_ok=True)
    for suffix in _BESIDE:
        index.with_suffix(suffix).unlink(missing_ok=True)


def stored_sizes(folder: Path) -> Iterable[tuple[ObjectId, Path, int]]:
    """Each object with the index of its pack, or its loose file, and the bytes it takes there."""
    for id in loose_ids(folder):
        path = folder / id[:2] / id[2:]
        with contextlib.suppress(OSError):
            yield id, path, path.stat().st_size
    for index in (folder / "pack").glob("pack-*.idx"):
        try:
            pack = Pack(index)
        except (OSError, ValueError):
            continue
        try:
            sizes = pack.sizes()
        except ValueError:
            continue  # it stays as it is, for fsck to see
        finally:
            pack.close()
        for id, size in sizes:
            yield id, index, size
