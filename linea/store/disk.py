"""A bare git repository on disk: durable objects, refs moved by compare-and-swap."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from linea import jsons
from linea.errors import DamagedStoreError, StoreError
from linea.store import lock, packing
from linea.store.backend import CorruptObjectError, MissingObjectError, RefChange
from linea.store.files import durable, sync_folder, write_all
from linea.store.folder import check, initialise, looks_like_store, mend, read_settings
from linea.store.objects import GitObject, ObjectId, loose_bytes
from linea.store.operations import FILE as OPERATIONS
from linea.store.packs import ObjectFolder
from linea.store.ref_files import Listed, RefFolder

if TYPE_CHECKING:
    import pygit2

PACK_FROM = 64 * 1024
"""Objects of a save that take more than this together go into a pack."""

_LOOKED_AT = 16 * 1024
_LOOKS = 64
"""So many objects of that size, which are there already, are read before a save rests on them."""

TRASH = "trash"
_LOCKS = ("packed-refs.lock", "config.lock")
_STALE = 10.0
_LONG_LIST = 4 << 20
_ABANDONED = 3600.0
_FSCK = "look at what is left with `linea fsck`; --repair gets back what another store has"
_NOT_SAVED = (
    "nothing was saved, earlier versions are as they were; make room or get write permission,"
    " then save again"
)


class DiskBackend:
    """The repository at `path`."""

    def __init__(self, path: Path, *, patience: float = 60.0) -> None:
        self._path = path
        self._objects = ObjectFolder(path / "objects")
        self._patience = patience
        self._journal = path / "linea.journal"
        check(path)
        self._ref_files = RefFolder(path)
        self._opened_git: pygit2.Repository | None = None
        self._alone = False
        self._tidying = False
        self._writes = 0
        self._held: list[Path] = []
        """Packs that no ref reaches yet."""

    @classmethod
    def create(cls, path: Path, *, patience: float = 60.0) -> DiskBackend:
        """Make a store at `path`, or open the one that is there."""
        # Asked in this order: another may make the store at any moment.
        if path.is_dir():
            mend(path)
        occupied = path.is_dir() and any(path.iterdir())
        if looks_like_store(path):
            return cls(path, patience=patience)
        if occupied:
            raise StoreError(
                f"{path} is there already and isn't a linea store",
                hint="choose another folder, or move it away",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{path.name.lstrip('.')}-", dir=path.parent))
        except OSError as error:
            raise StoreError(
                f"can't make a store at {path}: {error.strerror}",
                hint="choose a folder that you may write to, or set LINEA_DIR",
            ) from error
        try:
            initialise(made)
            try:
                # In one step: nobody ever opens half a store, and of two makers one wins.
                made.rename(path)
            except OSError:
                if not looks_like_store(path):
                    raise
            sync_folder(path.parent)
        except OSError as error:
            raise StoreError(
                f"can't make a store at {path}: {error.strerror}",
                hint="look at what is in its place, or set LINEA_DIR to another folder",
            ) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return cls(path, patience=patience)

    @property
    def path(self) -> Path:
        return self._path

    def setting(self, key: str) -> str | None:
        return read_settings(self.path).get(key.lower())

    def set(self, key: str, value: str) -> None:
        # Under the lock, so that what is left of a writer that is killed here is found.
        with self.lock():
            deadline = time.monotonic() + self._patience
            while not self._set(key, value):
                if not self._removed_stale(self.path / "config.lock"):
                    if time.monotonic() > deadline:
                        raise StoreError(
                            f"another process is changing the settings of the store at {self.path}",
                            hint=f"if none runs, delete {self.path / 'config.lock'}",
                        )
                    time.sleep(random.uniform(0.002, 0.02))

    def _set(self, key: str, value: str) -> bool:
        """Write a setting, safe on disk, which libgit2 by itself doesn't see to; False: it is locked."""
        config, made = self.path / "config", self.path / "config.lock"
        try:
            with made.open("xb") as file:
                file.write(_with_setting(config.read_bytes(), key, value))
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(config, made)
            made.replace(config)
            sync_folder(self.path)
        except FileExistsError:
            return False
        except OSError as error:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
            raise StoreError(
                f"can't write the settings of the store at {self.path}: {error.strerror}",
                hint="make room or get write permission, then try again",
            ) from error
        return True

    @property
    def _git(self) -> pygit2.Repository:
        """The repository as libgit2 has it: needed only to change refs and settings."""
        if self._opened_git is None:
            from linea.store import libgit2

            self._opened_git = libgit2.opened(self.path)
        return self._opened_git

    # ------------------------------------------------------------------------------- objects

    def read(self, id: ObjectId, *, checked: bool = True) -> GitObject:
        return self._objects.read(id, checked=checked)

    def read_into(self, id: ObjectId, room: memoryview) -> bool:
        return self._objects.read_into(id, room)

    def has(self, id: ObjectId) -> bool:
        return self._objects.has(id)

    def expand(self, prefix: str) -> list[ObjectId]:
        return self._objects.expand(prefix)

    def write(self, objects: Mapping[ObjectId, GitObject]) -> None:
        kept = {id for id in objects if self._kept(id)}
        new = {id: item for id, item in objects.items() if id not in kept}
        # Nothing new shall rest on bytes that are damaged, where it takes no time to see that.
        small = (id for id in sorted(kept) if len(objects[id].data) <= _LOOKED_AT)
        new |= {id: objects[id] for id in islice(small, _LOOKS) if not self._is_whole(id)}
        try:
            if sum(len(item.data) for item in new.values()) > PACK_FROM:
                self._write_pack(new)
            else:
                self._write_loose(new)
        except OSError as error:
            raise StoreError(
                f"can't write to the store at {self.path}: {error.strerror}", hint=_NOT_SAVED
            ) from error

    def _kept(self, id: ObjectId) -> bool:
        """Whether an object is there; if so it is marked as used, as git does for its gc."""
        if not self.has(id):
            return False
        with contextlib.suppress(OSError):  # it is in a pack, or not ours
            os.utime(self._loose_path(id))
        return True

    def _is_whole(self, id: ObjectId) -> bool:
        try:
            self.read(id)
        except (MissingObjectError, CorruptObjectError):
            return False
        return True

    def _loose_path(self, id: ObjectId) -> Path:
        return self.path / "objects" / id[:2] / id[2:]

    def _write_loose(self, objects: Mapping[ObjectId, GitObject]) -> None:
        root = self.path / "objects"
        folders = set()
        for id, item in objects.items():
            folder = root / id[:2]
            for last in (False, True):
                if not folder.exists():
                    folder.mkdir(exist_ok=True)
                    folders.add(root)
                try:
                    with durable(folder / id[2:], prefix="tmp_obj_") as file:
                        write_all(file, loose_bytes(item))
                    break
                except FileNotFoundError:  # git tidies empty folders away
                    if last:
                        raise
            folders.add(folder)
        for folder in folders:
            sync_folder(folder)

    def _write_pack(self, objects: Mapping[ObjectId, GitObject]) -> None:
        folder = self.path / "objects" / "pack"
        folder.mkdir(exist_ok=True)
        _sweep(folder)
        index, held = packing.write_held(self.path / "objects", objects)
        if held and self._writes:
            self._held.append(index)
        elif held:
            packing.release(index)

    # ---------------------------------------------------------------------------------- refs

    def ref(self, name: str) -> ObjectId | None:
        pending = self._pending()
        if name in pending:
            return pending[name]
        return self._settled(name)

    def refs(self, prefix: str) -> dict[str, ObjectId]:
        found = dict(self._listed(prefix).whole)
        for name, id in self._pending().items():
            if name.startswith(prefix):
                found.pop(name, None)
                if id is not None:
                    found[name] = id
        return found

    def ref_names(self, prefix: str) -> list[str]:
        listed, pending = self._listed(prefix), self._pending()
        there = {*listed.whole, *listed.damaged, *pending}
        there = {name for name in there if name.startswith(prefix)}
        return sorted(name for name in there if pending.get(name, name) is not None)

    def damaged_refs(self) -> dict[str, str]:
        listed = self._listed("refs/")
        # What is under way is known from the journal.
        known = {*listed.whole, *listed.damaged, *self._pending()}
        lost = self._ref_files.lost(known, self.recorded())
        return {**listed.damaged, **{name: f"it pointed to {id}" for name, id in lost.items()}}

    def is_lost(self, ref: str) -> bool:
        return self._ref_files.last(ref) is not None and ref in self.damaged_refs()

    def _listed(self, prefix: str) -> Listed:
        try:
            return self._ref_files.under(prefix)
        except (ValueError, OSError) as error:
            raise DamagedStoreError(
                f"the refs of the store can't be read: {error}", hint=_FSCK
            ) from error

    def _settled(self, name: str) -> ObjectId | None:
        """What a ref points to on disk, regardless of changes in the journal."""
        try:
            return self._ref_files.read(name)
        except (ValueError, OSError) as error:
            raise DamagedStoreError(
                f"the ref {name} of the store can't be read: {error}", hint=_FSCK
            ) from error

    def update_refs(self, changes: Sequence[RefChange], reason: str) -> bool:
        changes = sorted(changes, key=lambda change: change.ref)
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._moved(changes, reason)
            except _RefLockedError as locked:
                if self._removed_stale(locked.path):
                    continue
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"another process is moving {locked.path.stem} in the store",
                        hint=f"wait for it and save again; if none runs, delete {locked.path}",
                    ) from locked
                time.sleep(random.uniform(0.002, 0.02))

    def _moved(self, changes: Sequence[RefChange], reason: str) -> bool:
        added = [change for change in changes if change.new is not None]
        removed = [change for change in changes if change.new is None]
        if self._alone or not added or not removed:
            return self._transact(changes, reason)
        # No journal tells of the rest if this process dies in between: nothing goes from one place
        # before it is in the other.
        if any(self._settled(change.ref) != change.old for change in changes):
            return False
        return self._transact(added, reason) and self._transact(removed, reason)

    def _transact(self, changes: Sequence[RefChange], reason: str) -> bool:
        import pygit2

        several = len(changes) > 1 and self._alone
        taken: dict[Path, int] = {}
        try:
            with self._git.transaction() as transaction:
                for change in changes:
                    self._lock_ref(transaction, change.ref)
                    path = self.path / f"{change.ref}.lock"
                    taken[path] = path.stat().st_ino
                if any(self._settled(change.ref) != change.old for change in changes):
                    return False
                if several:
                    # From here on all of them have moved, whatever happens to this process.
                    self._write_journal(changes, reason)
                for change in changes:
                    if change.new is None:
                        transaction.remove(change.ref)
                    else:
                        target = pygit2.Oid(hex=change.new)
                        transaction.set_target(change.ref, target, message=reason)
        except (OSError, ValueError, pygit2.GitError) as error:
            _let_go(taken)
            if self._decided(changes, journaled=several):
                return True
            raise StoreError(
                f"can't write to the store at {self.path}: {error}", hint=_NOT_SAVED
            ) from error
        if several:
            self._forget_journal()
        return True

    def _decided(self, changes: Sequence[RefChange], *, journaled: bool) -> bool:
        """Whether changes count though making them failed: all are made, or the journal has them."""
        if all(self._settled(change.ref) == change.old for change in changes):
            if not journaled:
                return False  # a journal that is there is of others
            self._forget_journal()
        elif all(self._settled(change.ref) == change.new for change in changes):
            return True
        moves = [(change.ref, change.old, change.new) for change in changes]
        return moves == [(each.ref, each.old, each.new) for each in self._read_journal()[1]]

    def _forget_journal(self) -> None:
        # One that can't be removed lists moves that are done: the next writer sees that.
        with contextlib.suppress(OSError):
            self._journal.unlink(missing_ok=True)

    def _lock_ref(self, transaction: pygit2.transaction.ReferenceTransaction, ref: str) -> None:
        import pygit2

        try:
            transaction.lock_ref(ref)
        except (pygit2.GitError, OSError) as error:
            path = self.path / f"{ref}.lock"
            # It may be gone by now. Where it may not be made, libgit2 says so in other words.
            taken = ("failed to lock file", os.strerror(errno.EEXIST))
            if path.exists() or any(words in str(error) for words in taken):
                raise _RefLockedError(path) from error
            raise

    def _removed_stale(self, path: Path) -> bool:
        """Remove the lock file of a writer that died.

        Writers of linea move refs under the kernel's lock. While we hold that one, such a file
        is either of stock git, which takes milliseconds, or of nobody.
        """
        try:
            made = path.stat().st_mtime
        except OSError:
            return False
        if made > time.time() - (_STALE if self._alone else _ABANDONED):
            return False
        path.unlink(missing_ok=True)
        return True

    def _remove_locks(self, *, older_than: float) -> None:
        """Remove the lock files of refs that the last holder of the lock left when it died."""
        beside = (self.path / each for each in _LOCKS)
        for path in (*(self.path / "refs").rglob("*.lock"), *beside):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime <= older_than:
                    path.unlink()

    # ------------------------------------------------------------------------ lock, journal

    @contextmanager
    def lock(self) -> Iterator[None]:
        path = self.path / "linea.lock"
        with lock.held(path, patience=self._patience) as guard:
            self._alone = guard is not lock.Guard.NONE
            try:
                if guard is lock.Guard.AFTER_DEATH:
                    self._remove_locks(older_than=path.stat().st_mtime)
                for each in _LOCKS:
                    self._removed_stale(self.path / each)
                if self._alone and self._journal.exists():
                    self._complete_journal()
                yield
            finally:
                self._alone = False

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[bool]:
        if self._tidying:
            yield True
            return
        path = self.path / "linea.writers"
        with lock.present(path, alone=alone, patience=self._patience) as guarded:
            self._tidying = alone
            self._writes += 1
            # From here on no gc takes anything away; before, one may have.
            self._objects.refresh()
            try:
                yield guarded
            finally:
                self._tidying = False
                self._writes -= 1
                while self._held and not self._writes:
                    packing.release(self._held.pop())

    def forget(self) -> None:
        self._objects.close()

    def tidy(self) -> None:
        # What was saved is saved: failing to tidy up must not say otherwise.
        with contextlib.suppress(OSError, StoreError), self.lock():
            packing.tidy(self.path / "objects", self._objects)

    def _write_journal(self, changes: Sequence[RefChange], reason: str) -> None:
        moves = [[change.ref, change.old, change.new] for change in changes]
        with durable(self._journal, prefix=".journal-") as file:
            write_all(file, jsons.dumps({"reason": reason, "changes": moves}).encode())
        sync_folder(self.path)

    def _read_journal(self) -> tuple[str, list[RefChange]]:
        """The ref changes that were decided on and may not all be done."""
        try:
            text = self._journal.read_bytes()
        except FileNotFoundError:
            return "", []
        try:
            found = jsons.loads(text)
            changes = [RefChange(*move) for move in found["changes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedStoreError(
                f"{self._journal} can't be read: {error}",
                hint="it lists ref changes that were under way; delete it, then try `linea log`",
            ) from error
        return str(found.get("reason", "")), changes

    def _pending(self) -> dict[str, ObjectId | None]:
        return {change.ref: change.new for change in self._read_journal()[1]}

    def _complete_journal(self) -> None:
        """Make the ref changes that a writer had decided on when it died."""
        reason, changes = self._read_journal()
        todo = [change for change in changes if self._settled(change.ref) == change.old]
        for change in todo:
            self.update_refs([change], reason)
        try:
            self._journal.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"can't write to the store at {self.path}: {error.strerror}", hint=_NOT_SAVED
            ) from error

    # --------------------------------------------------------------------------------- cache

    def cached(self, name: str) -> bytes | None:
        try:
            return (self.path / "cache" / name).read_bytes()
        except OSError:
            return None

    def cache(self, name: str, data: bytes, *, append: bool) -> None:
        path = self.path / "cache" / name
        try:
            path.parent.mkdir(exist_ok=True)
            if append:
                with path.open("ab") as file:
                    file.write(data)
            else:
                with durable(path, prefix=".tmp-") as written:
                    write_all(written, data)
        except OSError:
            pass  # a store that can't be written to is read without a cache

    # ---------------------------------------------------------------------------- operations

    def bring_back(self, trash: str) -> bool:
        folder = self.path / TRASH / trash
        if not folder.is_dir():
            return False
        with self.lock():
            # Last the indexes: git takes a pack into account when it sees its index.
            for path in sorted(folder.rglob("*"), key=lambda each: each.suffix == ".idx"):
                if path.is_file():
                    target = self.path / path.relative_to(folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target)
                    sync_folder(target.parent)
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def record(self, line: bytes) -> None:
        path = self.path / OPERATIONS
        # A list that can't be written to takes back fewer operations; what was done is done.
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > _LONG_LIST:
                kept = path.read_bytes()[-_LONG_LIST // 2 :]
                with durable(path, prefix=".tmp-") as whole:
                    write_all(whole, kept[kept.find(b"\n") :])
                path.chmod(0o644)
            with path.open("ab") as file:
                file.write(line)

    def recorded(self) -> bytes:
        try:
            return (self.path / OPERATIONS).read_bytes()
        except OSError:
            return b""

    def close(self) -> None:
        self._objects.close()
        if self._opened_git is not None:
            self._opened_git.free()
            self._opened_git = None


def _with_setting(config: bytes, key: str, value: str) -> bytes:
    """The text of a repository's settings with one of them changed."""
    import pygit2

    with tempfile.TemporaryDirectory(prefix="linea-") as folder:
        copy = Path(folder, "config")
        copy.write_bytes(config)
        pygit2.Config(str(copy))[key] = value
        return copy.read_bytes()


def _let_go(taken: Mapping[Path, int]) -> None:
    """Remove the lock files of a transaction that failed: libgit2 leaves some behind."""
    for path, made in taken.items():
        with contextlib.suppress(OSError):
            if path.stat().st_ino == made:
                path.unlink()


class _RefLockedError(Exception):
    """Another process holds the lock file of a ref."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def _sweep(folder: Path) -> None:
    """Remove what killed writers left beside the packs: nothing there is named by an index."""
    old = time.time() - _ABANDONED
    for path in folder.iterdir():
        orphan = path.suffix == ".pack" and not path.with_suffix(".idx").exists()
        with contextlib.suppress(FileNotFoundError):  # its writer has come to an end meanwhile
            if (orphan or path.name.startswith("tmp_")) and path.stat().st_mtime < old:
                path.unlink()
            elif path.suffix == ".keep" and path.stat().st_mtime < old:
                packing.release(path.with_suffix(".idx"))
