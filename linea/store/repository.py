"""Versions of artifacts in a git repository: saved, found, read, tagged, hidden, taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from linea.errors import NoSuchVersionError, StoreError
from linea.model import CommitId
from linea.store import notes, operations, refs
from linea.store.archive import utc_now
from linea.store.backend import MemoryBackend, RefChange
from linea.store.noting import Noting
from linea.store.objects import Batch, ObjectId, parse_tree
from linea.store.operations import Doing, Operation

if TYPE_CHECKING:
    from linea.store import fsck as checking
    from linea.store import repair as repairing
    from linea.store import upkeep
    from linea.store.staging import Staging


def _changed_since(done: Operation) -> StoreError:
    return StoreError(
        f"can't undo {done.what!r}: what it changed was changed again since",
        hint="undo the later operation first: `linea undo --list` shows them",
    )


def _whole_name(done: Operation) -> str | None:
    """The artifact that an operation deleted or restored as a whole."""
    found = [each.ref for each in done.refs if each.ref.startswith(refs.DELETED)]
    if done.kind not in ("delete", "restore") or not found:
        return None
    return refs.decode(found[0].removeprefix(refs.DELETED))


class Repository(Noting):
    """A store of versions, each a commit of a bare git repository.

    `Archive` reads them, `Saving` adds to them, `Noting` marks and deletes them; here the whole is
    opened, taken back step by step, and kept in order.
    """

    @classmethod
    def create(
        cls, path: Path | str, *, clock: Callable[[], datetime] = utc_now, patience: float = 60.0
    ) -> Repository:
        """Make a store at `path`, or open the one that is there."""
        from linea.store.disk import DiskBackend

        return Repository(DiskBackend.create(Path(path), patience=patience), clock=clock)

    @classmethod
    def open(
        cls, path: Path | str, *, clock: Callable[[], datetime] = utc_now, patience: float = 60.0
    ) -> Repository:
        """Open the store at `path`.

        `patience` is how many seconds a save waits for another one to finish.
        """
        from linea.store.disk import DiskBackend

        return Repository(DiskBackend(Path(path), patience=patience), clock=clock)

    def staging(self) -> Staging:
        """Begin to save several versions that are to become visible together."""
        from linea.store.staging import Overlay, Staging

        overlay = Overlay(self._backend)
        return Staging(self, self._backend, Repository(overlay, clock=self._clock), overlay)

    def set(self, key: str, value: str) -> None:
        """Write `linea.<key>` into the store's `config`."""
        self._backend.set(f"linea.{key}", value)

    # ------------------------------------------------------------------------------------- undoing
    def operations(self) -> list[Operation]:
        """What was done to the store and not taken back, the last first."""
        return operations.standing(operations.parse(self._backend.recorded()))

    def knows_operation(self, id: str) -> bool:
        """Whether something that was done has this id."""
        return any(each.id == id for each in operations.parse(self._backend.recorded()))

    def last_undo(self) -> str | None:
        """The id of what was done last, if that took something back."""
        done = operations.parse(self._backend.recorded())
        return done[-1].id if done and done[-1].undoes else None

    def undo(self, id: str | None = None) -> Operation:
        """Take back an operation, the last one by default; give what was taken back.

        A version that was saved is deleted as `delete` does it: its commit and number stay. What
        took something back can be taken back itself, by its id.
        """
        done = self._operation(id)
        if done.trash is not None:
            with self._disk_named():
                there = self._backend.bring_back(done.trash)
            if not there and not all(self._has_value(note.commit) for note in done.notes):
                raise StoreError(
                    "what gc took away is gone for good",
                    hint="a value comes back by running its slice: linea rebuild",
                )

        def reverse(batch: Batch) -> tuple[list[RefChange], None]:
            if done.kind == "save":
                return self._unsaved(batch, done), None
            changes = [self._ref_back(each, done) for each in done.refs]
            for change in changes:
                if self._backend.ref(change.ref) != change.old:
                    raise _changed_since(done)
            return [*changes, *self._notes_back(batch, done)], None

        self._write(reverse, f"undo: {done.what}", Doing("undo", undoes=done.id))
        return done

    def _has_value(self, commit: ObjectId) -> bool:
        """Whether all of a version's value lies in its own tree: a gc that was killed took nothing."""
        trees = [self._commit(commit, f"commit {commit[:10]}").tree]
        while trees:
            for entry in parse_tree(self._blob(trees.pop(), "a value")).values():
                if entry.is_tree:
                    trees.append(entry.id)
                elif not self._backend.has(entry.id):
                    return False
        return True

    def _ref_back(self, moved: RefChange, done: Operation) -> RefChange:
        """The move that takes back that of one ref.

        When an artifact was deleted or restored as a whole, and saves after that were taken back, it
        has gone on with their versions, which are hidden: these go with it.
        """
        exactly = RefChange(moved.ref, moved.new, moved.old)
        place = next((each for each in done.refs if each.new is not None), None)
        name = _whole_name(done)
        if name is None or place is None:
            return exactly
        tip, hidden = self._backend.ref(place.ref), self.hidden()
        for entry in self._chain(tip, name) if tip is not None else ():
            if ObjectId(entry.commit) == place.new:
                back = (tip, moved.old) if moved.ref == place.ref else (None, tip)
                return RefChange(moved.ref, *back)
            if entry.commit not in hidden:
                break
        return exactly

    def _operation(self, id: str | None) -> Operation:
        known = operations.parse(self._backend.recorded())
        if id is None:
            last = next(iter(operations.standing(known)), None)
            if last is None:
                raise NoSuchVersionError(
                    "there is nothing to undo", hint="`linea undo --list` shows what was done"
                )
            return last
        found = [each for each in known if each.id == id]
        if not found:
            raise NoSuchVersionError(
                f"there is no operation {id!r}", hint="`linea undo --list` lists them"
            )
        taken = {each.undoes: each for each in known}
        if id in taken and taken[id].id not in taken:
            raise StoreError(
                f"{id} was undone already", hint=f"linea undo {taken[id].id} brings it back"
            )
        return found[-1]

    def _unsaved(self, batch: Batch, done: Operation) -> list[RefChange]:
        """Hide what was saved, and put its tags back to where they were."""
        changes: list[RefChange] = []
        hide: list[CommitId] = []
        shown: set[ObjectId] = set()
        names = list(dict.fromkeys(name for name, _, _ in done.versions))
        for name in names:
            saved = {commit for each, _, commit in done.versions if each == name}
            ref, kept = refs.artifact_ref(name), refs.deleted_ref(name)
            tip = self._backend.ref(ref)
            if tip is None:
                continue  # the artifact was deleted since
            living = [entry.commit for entry in self.entries(name)]
            if set(living) <= saved:
                changes += [
                    RefChange(ref, tip, None),
                    RefChange(kept, self._backend.ref(kept), tip),
                ]
                if any(each.ref == kept for each in done.refs):
                    # It had been deleted, and hid what was there before.
                    hide += living
                    shown |= {note.commit for note in done.notes if note.ref == refs.HIDDEN}
            else:
                hide += [commit for commit in living if commit in saved]
        for change in done.refs:
            if change.ref.startswith(refs.TAGS) and self._backend.ref(change.ref) == change.new:
                changes.append(RefChange(change.ref, change.new, change.old))
        return [*changes, *self._hide(batch, hide, ", ".join(names), shown)]

    def _notes_back(self, batch: Batch, done: Operation) -> list[RefChange]:
        changes: list[RefChange] = []
        for ref in dict.fromkeys(each.ref for each in done.notes):
            tip = self._backend.ref(ref)
            back: dict[ObjectId, bytes | None] = {}
            for each in done.notes:
                if each.ref == ref:
                    if notes.note(self._backend, tip, each.commit) != each.new:
                        raise _changed_since(done)
                    data = self._blob(each.old, "an earlier note") if each.old else None
                    back[each.commit] = data
            changes.append(self._noted(batch, ref, back, f"Undo: {done.what}"))
        return changes

    # -------------------------------------------------------------------------------------- upkeep
    def gc(
        self,
        *,
        grace: timedelta | None = None,
        policy: upkeep.Policy | None = None,
        dry_run: bool = False,
        alone: bool = False,
    ) -> upkeep.Report:
        """Take away what nothing needs, and bring the rest together in few files.

        That are objects that nothing rests on and the values of versions that were deleted, both
        for longer than `grace`, two weeks by default; with a policy, values that it lets go, which `undo` brings back
        within `grace`. Versions, their code and what is known of their values stay. Where the
        file system can't tell whether others write meanwhile, `alone` says that nobody does.
        """
        from linea.store import upkeep

        if self.path is None:
            return upkeep.Report(0, 0, None, (), 0, (0, 0))
        with self._undisturbed(dry_run=dry_run) as guarded:
            if not (guarded or alone or dry_run):
                raise StoreError(
                    "this file system can't tell whether others write to the store",
                    hint="when nobody else does: linea gc --alone",
                )
            with self._disk_named():
                return upkeep.gc(
                    self,
                    self._backend,
                    self.path,
                    now=self._clock(),
                    grace=upkeep.GRACE if grace is None else grace,
                    policy=policy,
                    dry_run=dry_run,
                )

    @contextmanager
    def _undisturbed(self, *, dry_run: bool) -> Iterator[bool]:
        """Be alone in the store; who only looks may do so in one that can't be written to."""
        with ExitStack() as stack:
            try:
                guarded = stack.enter_context(self._backend.writing(alone=True))
            except StoreError:
                if not dry_run:
                    raise
                guarded = False
            yield guarded

    def fsck(
        self, digest: checking.Digest, recheck: checking.Recheck | None = None
    ) -> checking.Report:
        """Read every byte and say what isn't what was stored; `digest` is that of parts.

        With `recheck` every value is loaded and held against what its manifest says.
        """
        from linea.store import fsck as checking

        return checking.check(self, self._backend, digest, recheck)

    def repair(self, report: checking.Report, sources: Sequence[Path]) -> repairing.Repaired:
        """Get what is damaged from other stores of the same artifacts, and put damage aside."""
        from linea.store import repair as repairing

        with self._backend.writing(alone=True), self._backend.lock(), self._disk_named():
            return repairing.repair(self._backend, report, sources)

    @contextmanager
    def _disk_named(self) -> Iterator[None]:
        """Say that it is the disk that fails; what is in the store is there all the same."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"can't write to the store at {self.path}: {error.strerror}",
                hint="nothing that is needed was taken away; make room or get write permission,"
                " then try again",
            ) from error


class MemoryRepository(Repository):
    """A store without a disk."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(MemoryBackend(), clock=clock)
