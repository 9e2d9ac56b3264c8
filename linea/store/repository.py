"""Versions of artifacts in a git repository: saved, found, read, tagged, hidden."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from linea.errors import (
    DamagedStoreError,
    DroppedValueError,
    NameNotAllowedError,
    NewerStoreError,
    NoSuchArtifactError,
    NoSuchVersionError,
    StoreError,
)
from linea.model import (
    ArtifactName,
    CommitId,
    Digest,
    Draft,
    Encoded,
    Environment,
    InputFile,
    Minimal,
    Preview,
    ReadPart,
    Verdict,
    Version,
)
from linea.store import chunks, index, layout, notes, operations, parts, refs, upkeep
from linea.store import fsck as checking
from linea.store.backend import (
    Backend,
    CorruptObjectError,
    MemoryBackend,
    MissingObjectError,
    RefChange,
)
from linea.store.layout import Entry, Notes
from linea.store.ledger import Ledger
from linea.store.objects import (
    Batch,
    Commit,
    GitObject,
    ObjectId,
    TreeEntry,
    commit_bytes,
    object_id,
    parse_commit,
    parse_tree,
)
from linea.store.operations import Doing, NoteChange, NotesChange, Operation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Made:
    """A draft whose value is written or about to be."""

    draft: Draft
    files: Mapping[str, ObjectId]
    trees: Mapping[str, ObjectId]
    waiting: Mapping[ObjectId, GitObject]
    """Objects that go in with the commit."""


_EARLY_FROM = 64 * 1024
_ENTRIES = "entries-1"
_RECENT = 256
_ATTEMPTS = 10_000
_FSCK = "see what is hit with `linea fsck`; `linea pull` from a remote may bring it back"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def _damage_named(what: str) -> Iterator[None]:
    """Say what is hit where an object can't be read."""
    try:
        yield
    except (MissingObjectError, CorruptObjectError, ValueError) as error:
        raise _damaged(what, error) from error


def _damaged(what: str, error: Exception) -> DamagedStoreError:
    if isinstance(error, MissingObjectError):
        return DamagedStoreError(f"{what}: object {error} is missing", hint=_FSCK)
    return DamagedStoreError(f"{what} is damaged: {error}", hint=_FSCK)


def _dropped(what: str) -> DroppedValueError:
    return DroppedValueError(
        f"the value of {what} was dropped by linea gc",
        hint=f"its code makes it again: linea rebuild {what}; or, within the grace period, linea undo",
    )


def _changed_since(done: Operation) -> StoreError:
    return StoreError(
        f"can't undo {done.what!r}: what it changed was changed again since",
        hint="undo the later operation first: `linea undo --list` shows them",
    )


def _parsed_tree(data: bytes, what: str) -> dict[str, TreeEntry]:
    try:
        return parse_tree(data)
    except ValueError as error:
        raise _damaged(f"a folder of {what}", error) from error


def _joined(known: Sequence[InputFile], more: Sequence[InputFile]) -> tuple[InputFile, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _expected(value: Encoded) -> int:
    """About how many bytes a value takes."""
    return sum(len(p) if isinstance(p, bytes) else p.size for p in value.parts.values())


def _row(version: Version) -> index.Row:
    """The digests by which a version can be found."""
    files = [each.digest for each in version.written]
    if len(version.value.parts) == 1:
        files.append(version.value.parts[0].digest)
    if version.value.kind in ("file", "folder"):
        files.append(version.digest)
    return index.Row(version.commit, version.digest, tuple(dict.fromkeys(files)))


def _meant(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "`linea ls` lists what there is"


class Repository:
    """A store of versions, each a commit of a bare git repository.

    Reading needs no lock and no write permission. A version that was deleted is in no listing
    and has no number any more; its commit can still be read by `by_commit`, as others may rest
    on it, and `restore` brings it back.
    """

    def __init__(self, backend: Backend, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._backend = backend
        self._clock = clock
        self._environments: dict[ObjectId, Environment] = {}
        self._hidden_at: tuple[ObjectId | None, frozenset[str]] = (None, frozenset())
        self._digests: index.DigestIndex | None = None
        self._alive_at: dict[str, tuple[tuple[ObjectId | None, ...], frozenset[str]]] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._recent: dict[str, Any] = {}

    @classmethod
    def create(
        cls, path: Path | str, *, clock: Callable[[], datetime] = _utc_now, patience: float = 60.0
    ) -> Repository:
        """Make a store at `path`, or open the one that is there."""
        from linea.store.disk import DiskBackend

        return Repository(DiskBackend.create(Path(path), patience=patience), clock=clock)

    @classmethod
    def open(
        cls, path: Path | str, *, clock: Callable[[], datetime] = _utc_now, patience: float = 60.0
    ) -> Repository:
        """Open the store at `path`.

        `patience` is how many seconds a save waits for another one to finish.
        """
        from linea.store.disk import DiskBackend

        return Repository(DiskBackend(Path(path), patience=patience), clock=clock)

    @property
    def path(self) -> Path | None:
        """The folder of the store; None where it is in memory."""
        return self._backend.path

    def close(self) -> None:
        """Let go of the files that the store holds open; what is read later opens them again."""
        for ledger in self._ledgers.values():
            ledger.flush()
        self._backend.close()

    def ledger(self, name: str) -> Ledger:
        """Rows worked out from commits, cached in the store under `name`."""
        if name not in self._ledgers:
            self._ledgers[name] = Ledger(self._backend, name)
        return self._ledgers[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -------------------------------------------------------------------------------- saving

    def commit(self, drafts: Sequence[Draft]) -> list[Version]:
        """Save `drafts` as the next versions of their artifacts; all become visible together."""
        for draft in drafts:
            self._check(draft)
        # From the first byte on: a gc waits until what is written now is part of a version.
        with self._backend.writing():
            made = [self._made(draft) for draft in drafts]
            waiting = {id: item for each in made for id, item in each.waiting.items()}

            def save(batch: Batch) -> tuple[list[RefChange], list[CommitId]]:
                batch.objects.update(waiting)
                return self._saved(batch, made)

            reason = "save " + ", ".join(draft.name for draft in drafts)
            ids = self._write(save, reason, Doing("save"))
        self._backend.tidy()
        return [self._version(id) for id in ids]

    def _check(self, draft: Draft) -> None:
        if refs.artifact_name(draft.name) != draft.name:
            raise NameNotAllowedError(f"{draft.name!r} was not checked by artifact_name")
        for tag in draft.tags:
            refs.tag_name(tag)
        if draft.created.tzinfo is None:
            raise ValueError("a draft's `created` must know its time zone")
        for parent in draft.parents:
            if not self._backend.has(ObjectId(parent.commit)):
                raise NoSuchVersionError(
                    f"{parent.name}@v{parent.number}, which {draft.name} was made from, is not"
                    " in this store",
                    hint=f"fetch it first, or load {parent.name} from this store",
                )

    def _made(self, draft: Draft) -> _Made:
        """Write the files of a version that don't depend on its number.

        Large ones are written before the lock is taken: others needn't wait for them. An
        unchanged value isn't even encoded: the version gets the tree that the one before has.
        """
        before = self._before(draft.name)
        record = draft.value.record
        unchanged = before is not None and layout.form(before.value) == layout.form(record)
        if before is not None and unchanged and not self._is_elsewhere(before):
            sink, known = parts.Sink(self._backend, 0), before.value.parts
            trees = {}
            value = self._tree(before.commit, before.revision).get(layout.VALUE.rstrip("/"))
            if value is not None:
                trees = {value.name: value.id}
            written = parts.Written(known, {}, trees)
        else:
            sink = parts.Sink(self._backend, _expected(draft.value))
            written = parts.write(sink, draft.value.parts, self._shareable(before))
        files = {path: sink.add(data) for path, data in layout.contents(draft).items()}
        if sink.batch.size > _EARLY_FROM:
            sink.flush()
        draft = replace(
            draft, value=replace(draft.value, record=replace(record, parts=written.parts))
        )
        return _Made(draft, {**files, **written.files}, written.trees, sink.batch.objects)

    def _before(self, name: ArtifactName) -> Version | None:
        """The newest version of an artifact, where it is whole: one to share with."""
        id = self._backend.ref(refs.artifact_ref(name))
        if id is None:
            return None
        try:
            return self._version(CommitId(id))
        except (DamagedStoreError, NewerStoreError):
            return None

    def _shareable(self, before: Version | None) -> chunks.Known:
        if before is not None:
            with contextlib.suppress(DamagedStoreError):
                return self._value_tree(before).known(before.value, self._backend.has)
        return chunks.Known(lambda id: b"", lambda id: False)

    def _saved(self, batch: Batch, made: Sequence[_Made]) -> tuple[list[RefChange], list[CommitId]]:
        """Put the commits of drafts into `batch`."""
        tips: dict[str, Entry] = {}
        changes: dict[str, RefChange] = {}
        ids = []
        for each in made:
            draft = each.draft
            ref = refs.artifact_ref(draft.name)
            if ref not in changes:
                changes.update(self._begun(batch, draft.name, tips))
            tip = tips.get(draft.name)
            number, previous = (tip.number + 1, tip.commit) if tip else (1, None)
            manifest = batch.add("blob", layout.manifest(draft, number, previous))
            tree = batch.add_tree({**each.files, layout.MANIFEST: manifest}, each.trees)
            said = layout.commit(draft, number, previous, tree)
            id = batch.add("commit", commit_bytes(said))
            tips[draft.name] = layout.entry(id, said)
            changes[ref] = replace(changes[ref], new=id)
            for tag in draft.tags:
                tag_ref = refs.tag_ref(draft.name, refs.tag_name(tag))
                old = changes[tag_ref].old if tag_ref in changes else self._backend.ref(tag_ref)
                changes[tag_ref] = RefChange(tag_ref, old, id)
            ids.append(CommitId(id))
        return list(changes.values()), ids

    def _begun(
        self, batch: Batch, name: ArtifactName, tips: dict[str, Entry]
    ) -> dict[str, RefChange]:
        """What moves when `name` gets its next version; its newest entry goes into `tips`.

        A deleted artifact goes on where it ended, so that no number is given twice, with the
        versions up to there hidden.
        """
        ref, deleted = refs.artifact_ref(name), refs.deleted_ref(name)
        tip, gone = self._backend.ref(ref), self._backend.ref(deleted)
        changes = [RefChange(ref, tip, tip)]
        if tip is None and gone is not None:
            tip = gone
            hide = [entry.commit for entry in self._chain(gone, name)]
            changes += [RefChange(deleted, gone, None), *self._hide(batch, hide, name)]
        if tip is not None:
            tips[name] = self._entry(tip, name)
        return {change.ref: change for change in changes}

    def _write(
        self,
        make: Callable[[Batch], tuple[list[RefChange], T]],
        reason: str,
        doing: Doing | None = None,
    ) -> T:
        """Write what `make` puts into a batch, then move its refs, until nobody came between.

        What is said to be done by it can be undone.
        """
        with self._backend.writing(), self._backend.lock():
            for _ in range(_ATTEMPTS):
                batch = Batch()
                changes, result = make(batch)
                self._backend.write(batch.objects)
                if self._backend.update_refs(changes, reason):
                    if doing is not None and changes:
                        self._record(doing, reason, changes)
                    return result
        raise StoreError("others keep writing to the store", hint="save again when they are done")

    def _record(self, doing: Doing, reason: str, changes: Sequence[RefChange]) -> None:
        if doing.kind == "save":
            for change in changes:
                if change.ref.startswith(refs.ARTIFACTS) and change.new is not None:
                    new = self._until(change.new, change.old)
                    doing.versions.extend((e.name, e.number, e.commit) for e in new)
            reason = "save " + ", ".join(f"{name}@v{number}" for name, number, _ in doing.versions)
        done = operations.operation(doing, reason, changes, self._clock())
        self._backend.record(operations.line(done))

    def _until(self, tip: ObjectId, old: ObjectId | None) -> list[Entry]:
        """The versions from `tip` back to the one after `old`, the oldest first."""
        entry = self._entry(tip, "a version")
        found = [entry]
        while entry.previous is not None and old is not None and entry.previous != CommitId(old):
            entry = self._entry(ObjectId(entry.previous), entry.name)
            found.append(entry)
        return found[::-1]

    # ------------------------------------------------------------------------------- undoing

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
            self._backend.bring_back(done.trash)

        def reverse(batch: Batch) -> tuple[list[RefChange], None]:
            if done.kind == "save":
                return self._unsaved(batch, done), None
            changes = [RefChange(each.ref, each.new, each.old) for each in done.refs]
            for change in changes:
                if self._backend.ref(change.ref) != change.old:
                    raise _changed_since(done)
            return [*changes, *self._notes_back(batch, done)], None

        self._write(reverse, f"undo: {done.what}", Doing("undo", undoes=done.id))
        return done

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
            else:
                hide += [commit for commit in living if commit in saved]
        for change in done.refs:
            if change.ref.startswith(refs.TAGS) and self._backend.ref(change.ref) == change.new:
                changes.append(RefChange(change.ref, change.new, change.old))
        return [*changes, *self._hide(batch, hide, ", ".join(names))]

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

    def _noted(
        self, batch: Batch, ref: str, new: Mapping[ObjectId, bytes | None], message: str
    ) -> NotesChange:
        """The move of a ref of notes by which these commits get their notes."""
        tip = self._backend.ref(ref)
        changed = tuple(
            NoteChange(
                ref,
                commit,
                notes.note(self._backend, tip, commit),
                None if data is None else object_id(GitObject("blob", data)),
            )
            for commit, data in new.items()
        )
        moment = int(self._clock().timestamp())
        id = notes.with_notes(self._backend, batch, tip, new, message=message, time=moment)
        return NotesChange(ref, tip, id, changed)

    # -------------------------------------------------------------------------------- upkeep

    def gc(
        self,
        *,
        grace: timedelta = upkeep.GRACE,
        policy: upkeep.Policy | None = None,
        dry_run: bool = False,
    ) -> upkeep.Report:
        """Take away what nothing needs, and bring the rest together in few files.

        That are objects that nothing rests on and the values of versions that were deleted, both
        for longer than `grace`; with a policy, values that it lets go, which `undo` brings back
        within `grace`. Versions, their code and what is known of their values stay.
        """
        if self.path is None:
            return upkeep.Report(0, 0, None, (), 0, (0, 0))
        with self._backend.writing(alone=True) as guarded:
            if not guarded:
                raise StoreError(
                    "this file system can't tell whether others write to the store",
                    hint="copy the store to a local disk, tidy it up there, and copy it back",
                )
            return upkeep.gc(
                self,
                self._backend,
                self.path,
                now=self._clock(),
                grace=grace,
                policy=policy,
                dry_run=dry_run,
            )

    def fsck(self, digest: Callable[[bytes], str]) -> checking.Report:
        """Read every byte and say what isn't what was stored; `digest` is that of parts."""
        return checking.check(self, self._backend, digest)

    def repair(self, report: checking.Report, sources: Sequence[Path]) -> checking.Repaired:
        """Get what is damaged from other stores of the same artifacts, and put damage aside."""
        with self._backend.writing(alone=True), self._backend.lock():
            return checking.repair(self._backend, report, sources)

    def fresh(self, commit: str) -> Version:
        """The version of a commit, read from its objects and from no cache."""
        entry = layout.entry(commit, self._commit(commit, f"commit {commit[:10]}"))
        tree = _parsed_tree(self._read(entry.tree, entry.revision).data, entry.revision)
        return self._of_tree(entry, tree)

    def deleted_before(self, moment: datetime | None) -> list[Version]:
        """The versions that were deleted before then, as far as that is known."""
        found = []
        with _damage_named("the list of deleted versions"):
            hidden = list(notes.noted(self._backend, self._backend.ref(refs.HIDDEN)))
        for commit, blob in hidden:
            said = layout.loads(self._blob(blob, "a note"), "a note").get("deleted", "")
            if moment is None or (said and datetime.fromisoformat(said) < moment):
                found.append(self._version(CommitId(commit)))
        times = upkeep.deletion_times(self.path) if self.path is not None else {}
        for ref, id in self._backend.refs(refs.DELETED).items():
            when = times.get(ref)
            if moment is None or (when is not None and when < moment):
                name = refs.decode(ref.removeprefix(refs.DELETED))
                found += [self.loaded(entry) for entry in self._chain(id, name)]
        return found

    def note_dropped(self, versions: Sequence[Version], when: datetime, trash: str | None) -> None:
        """Keep that these versions' values went on purpose; `trash` is where they are held."""

        def write(batch: Batch) -> tuple[list[RefChange], None]:
            new: dict[ObjectId, bytes | None] = {}
            for version in versions:
                known = replace(self._notes(version), dropped=when)
                new[ObjectId(version.commit)] = layout.notes_bytes(known)
            return [
                *(
                    RefChange(refs.REBUILT + version.commit, id, None)
                    for version in versions
                    if (id := self._backend.ref(refs.REBUILT + version.commit)) is not None
                ),
                self._noted(batch, refs.NOTES, new, "Drop values"),
            ], None

        names = ", ".join(version.revision for version in versions[:3])
        more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
        doing = Doing("gc", trash=trash) if trash else None
        self._write(write, f"drop the values of {names}{more}", doing)

    def is_dropped(self, version: Version) -> bool:
        """Whether the version's value was dropped by a gc."""
        return self._notes(version).dropped is not None

    def rebuilt(self) -> frozenset[str]:
        """The commits of the versions whose values were made again."""
        found = self._backend.refs(refs.REBUILT)
        return frozenset(ref.removeprefix(refs.REBUILT) for ref in found)

    def _is_elsewhere(self, version: Version) -> bool:
        """Whether the value isn't, or not surely, where the version's own tree has it."""
        again = self._backend.ref(refs.REBUILT + version.commit)
        return again is not None or self.is_dropped(version)

    def put_back(self, version: Version, made: Encoded) -> None:
        """Store a dropped or damaged value that was made again; StoreError for another value."""
        if made.record.digest != version.digest:
            raise StoreError(f"what was made again isn't the value of {version.revision}")
        with self._backend.writing():
            sink = parts.Sink(self._backend, _expected(made))
            written = parts.write(sink, made.parts, self._shareable(None))
            if written.parts != version.value.parts:
                raise StoreError(
                    f"the value of {version.revision} was made again, but in other bytes than were"
                    " stored",
                    hint="save it as a new version instead: run its code",
                )
            sink.flush()

            def store(batch: Batch) -> tuple[list[RefChange], None]:
                tree = batch.add_tree(written.files, written.trees)
                message = f"The value of {version.revision}, made again\n"
                moment = int(self._clock().timestamp())
                said = Commit(tree, (), "linea <linea@localhost>", moment, 0, message)
                ref = refs.REBUILT + version.commit
                id = batch.add("commit", commit_bytes(said))
                changes = [RefChange(ref, self._backend.ref(ref), id)]
                known = self._notes(version)
                if known.dropped is not None:
                    note = layout.notes_bytes(replace(known, dropped=None))
                    new = {ObjectId(version.commit): note}
                    message = f"Put back the value of {version.revision}"
                    changes.append(self._noted(batch, refs.NOTES, new, message))
                return changes, None

            self._write(store, f"put back the value of {version.revision}", Doing("rebuild"))

    def dropped(self) -> frozenset[str]:
        """The commits of the versions whose values were dropped by a gc."""
        with _damage_named("the notes"):
            noted = list(notes.noted(self._backend, self._backend.ref(refs.NOTES)))
        return frozenset(
            commit
            for commit, blob in noted
            if layout.parse_notes(self._blob(blob, "a note"), "a note").dropped is not None
        )

    # ------------------------------------------------------------------------------- finding

    def names(self) -> list[ArtifactName]:
        """The artifacts' names, sorted."""
        return self._names(refs.ARTIFACTS)

    def deleted(self) -> list[ArtifactName]:
        """The names of deleted artifacts that `restore` can bring back."""
        return self._names(refs.DELETED)

    def _names(self, prefix: str) -> list[ArtifactName]:
        found = []
        for ref in self._backend.refs(prefix):
            try:
                found.append(refs.decode(ref.removeprefix(prefix)))
            except NameNotAllowedError:
                continue  # made by another program; not ours to show
        return sorted(found)

    def tip(self, name: str) -> Version:
        """The newest version of `name`."""
        return self._version(next(self.entries(name)).commit)

    def tips(self) -> list[Version]:
        """The newest version of every artifact, by name."""
        return [self.loaded(entry) for entry in self.heads()]

    def heads(self) -> list[Entry]:
        """What the newest commit of every artifact says, by name: cheaper than `tips`."""
        return [next(self.entries(name)) for name in self.names()]

    def versions(self, name: str) -> Iterator[Version]:
        """The versions of `name`, newest first."""
        tip = self._tip_id(name)
        hidden = self._hidden()
        return (self.loaded(each) for each in self._chain(tip, name) if each.commit not in hidden)

    def entries(self, name: str) -> Iterator[Entry]:
        """What the commits of `name` say, newest first: cheaper than `versions`."""
        tip = self._tip_id(name)
        hidden = self._hidden()
        return (entry for entry in self._chain(tip, name) if entry.commit not in hidden)

    def version(self, name: str, number: int) -> Version:
        """Version `number` of `name`."""
        return self._version(self._numbered(name, number).commit)

    def _numbered(self, name: str, number: int) -> Entry:
        entries = self.entries(name)
        latest = None
        for entry in entries:
            latest = latest or entry.number
            if entry.number == number:
                return entry
            if entry.number < number:
                break
        hint = f"versions count from 1; the newest is {name}@v{latest}"
        if any(e.number == number for e in self._chain(self._tip_id(name), name)):
            hint = "it was deleted; `restore` brings it back"
        raise NoSuchVersionError(f"{name} has no version {number}", hint=hint)

    def by_commit(self, prefix: str) -> Version:
        """The version whose commit begins with `prefix`, deleted ones included."""
        text = prefix.lower()
        found = []
        if layout.is_commit_prefix(text):
            for id in self._backend.expand(text):
                item = self._read(id, f"commit {text}")
                if item.kind == "commit" and "\nLinea-Version: " in item.data.decode(
                    "utf-8", "replace"
                ):
                    found.append(id)
        if not found:
            raise NoSuchVersionError(
                f"no version has a commit that begins with {prefix!r}",
                hint="`linea log` lists commits; four digits are needed at least",
            )
        if len(found) > 1:
            which = ", ".join(self._entry(id, "").commit[:10] for id in found[:5])
            raise NoSuchVersionError(
                f"{len(found)} commits begin with {prefix!r}", hint=f"which of {which}?"
            )
        return self._version(CommitId(found[0]))

    def by_digest(self, prefix: str) -> list[Version]:
        """The versions whose value's digest, or the hex in it, begins with `prefix`."""
        known = self._index().values
        digests = [d for d in known if d.startswith(prefix) or d.split(":")[-1].startswith(prefix)]
        return self._living(commit for digest in digests for commit in known[digest])

    def known_file(self, digest: Digest) -> Version | None:
        """The newest version that a file with these bytes was saved, exported or written from."""
        found = self._living(self._index().files.get(digest, ()))
        return found[0] if found else None

    # ------------------------------------------------------------------------------- reading

    def code(self, version: Version | Entry) -> str:
        """The slice that makes the value."""
        tree = self._tree(version.commit, version.revision)
        if layout.CODE not in tree:
            raise DamagedStoreError(
                f"{version.revision} has no {layout.CODE} in the store", hint=_FSCK
            )
        id = tree[layout.CODE].id
        what = f"{layout.CODE} of {version.revision}"
        return self._recalled(id, lambda: layout.text(self._blob(id, what)))

    def session(self, version: Version) -> str:
        """The whole session up to the save."""
        return layout.text(self._file(version, layout.SESSION))

    def preview(self, version: Version) -> Preview | None:
        """The small picture of the value, if one was saved."""
        entries = self._tree(version.commit, version.revision)
        for path in layout.PREVIEWS.values():
            if path in entries:
                return layout.preview(path, self._blob(entries[path].id, version.revision))
        return None

    def read_part(self, version: Version) -> ReadPart:
        """A function that gives one part of the value."""
        return self._value_tree(version).part

    def _value_tree(self, version: Version) -> parts.ValueTree:
        what = version.revision
        again = self._backend.ref(refs.REBUILT + version.commit)
        root = self._commit(again or version.commit, what).tree

        def read(id: ObjectId, *, checked: bool = True) -> bytes:
            try:
                return self._backend.read(id, checked=checked).data
            except CorruptObjectError as error:
                raise _damaged(f"the value of {what}", error) from error
            except MissingObjectError as error:
                if self.is_dropped(version):
                    raise _dropped(what) from error
                raise _damaged(f"the value of {what}", error) from error

        return parts.ValueTree(root, read, what)

    def input(self, version: Version, file: InputFile) -> bytes | None:
        """The bytes of an input of the version; None where only its digest was kept."""
        folder = self._tree(version.commit, version.revision).get(layout.INPUTS.rstrip("/"))
        if folder is None or not folder.is_tree:
            return None
        what = f"the inputs of {version.revision}"
        name = layout.input_path(file.digest).removeprefix(layout.INPUTS)
        entry = _parsed_tree(self._read(folder.id, what).data, what).get(name)
        return None if entry is None else self._blob(entry.id, f"{file.path} of {version.revision}")

    def cached(self, name: str) -> bytes | None:
        """What `cache` was given under a name; it may be gone at any time."""
        return self._backend.cached(name)

    def cache(self, name: str, data: bytes) -> None:
        """Keep what can be found out again."""
        self._backend.cache(name, data, append=False)

    def setting(self, key: str) -> str | None:
        """What the key `linea.<key>` of the store's `config`, or of git's own, says."""
        return self._backend.setting(f"linea.{key}")

    def set(self, key: str, value: str) -> None:
        """Write `linea.<key>` into the store's `config`."""
        self._backend.set(f"linea.{key}", value)

    def manifest(self, version: Version) -> dict[str, Any]:
        """The manifest as it was written, with the environment."""
        found = self._json(version, layout.MANIFEST)
        return {**found, "environment": self._json(version, layout.ENVIRONMENT)}

    # ---------------------------------------------------------------------------------- tags

    def tag(self, version: Version, tag: str) -> None:
        """Name `version` by `tag`; a tag of the artifact that is there already moves."""
        ref = refs.tag_ref(version.name, refs.tag_name(tag))
        self._numbered(version.name, version.number)

        def move(batch: Batch) -> tuple[list[RefChange], None]:
            return [RefChange(ref, self._backend.ref(ref), ObjectId(version.commit))], None

        self._write(move, f"tag {version.revision} as {tag}", Doing("tag"))

    def untag(self, name: str, tag: str) -> None:
        """Take `tag` away from `name`."""
        if tag not in self.tags(name):
            raise NoSuchVersionError(
                f"{name} has no tag {tag!r}", hint=_meant(tag, self.tags(name))
            )
        ref = refs.tag_ref(name, tag)

        def remove(batch: Batch) -> tuple[list[RefChange], None]:
            return [RefChange(ref, self._backend.ref(ref), None)], None

        self._write(remove, f"untag {name} {tag}", Doing("untag"))

    def tags(self, name: str) -> dict[str, int]:
        """The tags of `name` and the numbers of the versions that they name."""
        self._tip_id(name)
        return self._tags(refs.tags_prefix(name)).get(name, {})

    def all_tags(self) -> dict[str, dict[str, int]]:
        """The tags of every artifact that has some, as `tags` gives them."""
        there = set(self.names())
        return {name: tags for name, tags in self._tags(refs.TAGS).items() if name in there}

    def _tags(self, prefix: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        hidden = self._hidden()
        for ref, id in sorted(self._backend.refs(prefix).items()):
            try:
                name, tag = refs.parse_tag(ref)
            except NameNotAllowedError:
                continue
            if id not in hidden:
                found.setdefault(name, {})[tag] = self._entry(id, name).number
        return found

    # ------------------------------------------------------------------------------ deleting

    def delete(self, name: str, number: int | None = None) -> None:
        """Take an artifact, or one version of it, out of all listings.

        Its commits stay, and so do the numbers: the next version doesn't reuse one.
        """

        def remove(batch: Batch) -> tuple[list[RefChange], None]:
            tip = self._tip_id(name)
            entries = list(self.entries(name))
            doomed = [self._numbered(name, number)] if number is not None else entries
            if len(doomed) < len(entries):
                return self._hide(batch, [doomed[0].commit], name), None
            kept = refs.deleted_ref(name)
            return [
                RefChange(refs.artifact_ref(name), tip, None),
                RefChange(kept, self._backend.ref(kept), tip),
            ], None

        what = name if number is None else f"{name}@v{number}"
        self._write(remove, f"delete {what}", Doing("delete"))

    def restore(self, name: str, number: int | None = None) -> None:
        """Bring a deleted artifact back, or deleted versions of one that is there."""
        ref, kept = refs.artifact_ref(name), refs.deleted_ref(name)

        def bring_back(batch: Batch) -> tuple[list[RefChange], None]:
            gone = self._backend.ref(kept)
            if gone is not None and number is None and self._backend.ref(ref) is None:
                return [RefChange(kept, gone, None), RefChange(ref, None, gone)], None
            hidden = self._hidden()
            back = [
                entry.commit
                for entry in self._chain(self._tip_id(name), name)
                if entry.commit in hidden and number in (None, entry.number)
            ]
            if not back:
                what = f"version {number} of {name}" if number is not None else name
                raise NoSuchVersionError(f"{what} isn't deleted")
            return self._hide(batch, back, name, undo=True), None

        what = name if number is None else f"{name}@v{number}"
        self._write(bring_back, f"restore {what}", Doing("restore"))

    def _hide(
        self, batch: Batch, commits: Iterable[CommitId], name: str, *, undo: bool = False
    ) -> list[RefChange]:
        """Mark versions as deleted, or as not deleted any more."""
        now = self._clock()
        mark = None if undo else layout.dumps({"format": 1, "deleted": now.isoformat()})
        hidden = self._hidden()
        changes = {ObjectId(each): mark for each in commits if (each in hidden) is undo}
        if not changes:
            return []
        message = f"{'Restore' if undo else 'Delete'} versions of {name}"
        return [self._noted(batch, refs.HIDDEN, changes, message)]

    def _hidden(self) -> frozenset[str]:
        """The commits of deleted versions of artifacts that are there."""
        tip = self._backend.ref(refs.HIDDEN)
        if self._hidden_at[0] != tip:
            with _damage_named("the list of deleted versions"):
                found = frozenset(commit for commit, _ in notes.noted(self._backend, tip))
            self._hidden_at = (tip, found)
        return self._hidden_at[1]

    # -------------------------------------------------------------------- learned afterwards

    def set_verdict(self, version: Version, verdict: Verdict) -> None:
        """Keep what a re-run of the version gave; earlier verdicts stay in the notes' history."""
        self._note(version, lambda known: replace(known, verdict=verdict), "Verify", "verify")

    def verdict(self, version: Version) -> Verdict | None:
        """What the last re-run of the version gave."""
        return self._notes(version).verdict

    def verdicts(self) -> Callable[[CommitId], Verdict | None]:
        """A function that gives the verdict on a version, for asking about many."""
        with _damage_named("the notes"):
            noted = dict(notes.noted(self._backend, self._backend.ref(refs.NOTES)))

        def verdict(commit: CommitId) -> Verdict | None:
            id = noted.get(ObjectId(commit))
            if id is None:
                return None
            what = f"the note on {commit[:10]}"
            return layout.parse_notes(self._blob(id, what), what).verdict

        return verdict

    def note_written(self, version: Version, files: Sequence[InputFile]) -> None:
        """Keep which files the session wrote after the save."""
        self._note(version, lambda k: replace(k, written=_joined(k.written, files)), "Written by")

    def written(self, version: Version) -> tuple[InputFile, ...]:
        """The files that the session wrote, before the save and after it."""
        return _joined(version.written, self._notes(version).written)

    def remember_exports(self, version: Version, files: Sequence[InputFile]) -> None:
        """Keep which files hold this version's value."""
        self._note(
            version,
            lambda known: replace(known, exports=_joined(known.exports, files)),
            "Exports of",
            "checkout",
        )

    def exports(self, version: Version) -> tuple[InputFile, ...]:
        """The files that `remember_exports` was told of."""
        return self._notes(version).exports

    def set_minimal(self, version: Version, minimal: Minimal) -> None:
        """Keep a smaller slice that gives the version's value."""
        self._note(version, lambda known: replace(known, minimal=minimal), "Minimise")

    def minimal(self, version: Version) -> Minimal | None:
        """The smaller slice that `set_minimal` was told of."""
        return self._notes(version).minimal

    def note_commit(self, version: Version, commit: str) -> None:
        """Keep that the code at a commit of the surrounding git repository makes the version."""

        def add(known: Notes) -> Notes:
            return replace(known, commits=tuple(dict.fromkeys((*known.commits, commit))))

        self._note(version, add, "Code of")

    def commits(self, version: Version) -> tuple[str, ...]:
        """The commits that `note_commit` was told of."""
        return self._notes(version).commits

    def note_task(self, version: Version, key: str) -> None:
        """Keep that the pipeline task of this key gave the version's value."""

        def add(known: Notes) -> Notes:
            return replace(known, tasks=tuple(dict.fromkeys((*known.tasks, key))))

        self._note(version, add, "Task of")

    def tasks(self, version: Version) -> tuple[str, ...]:
        """The keys that `note_task` was told of."""
        return self._notes(version).tasks

    def _notes(self, version: Version) -> Notes:
        what = f"the note on {version.revision}"
        with _damage_named(what):
            tip = self._backend.ref(refs.NOTES)
            id = notes.note(self._backend, tip, ObjectId(version.commit))
        if id is None:
            return Notes()
        return layout.parse_notes(self._blob(id, what), what)

    def _note(
        self,
        version: Version,
        change: Callable[[Notes], Notes],
        what: str,
        doing: str | None = None,
    ) -> None:
        def write(batch: Batch) -> tuple[list[RefChange], None]:
            known = self._notes(version)
            changed = change(known)
            if changed == known:
                return [], None
            new = {ObjectId(version.commit): layout.notes_bytes(changed)}
            return [self._noted(batch, refs.NOTES, new, f"{what} {version.revision}")], None

        reason = f"{doing} {version.revision}" if doing else f"note on {version.revision}"
        self._write(write, reason, Doing(doing) if doing else None)

    # --------------------------------------------------------------------------------- index

    def _index(self) -> index.DigestIndex:
        """The index of digests, brought up to date with the refs."""
        if self._digests is None:
            self._digests = index.load(self._backend)
        self._digests.update(self._backend, self._unindexed(self._digests), self._noted_files)
        return self._digests

    def _unindexed(self, known: index.DigestIndex) -> Iterator[index.Row]:
        for name in self.names():
            rows = []
            # An artifact that is damaged is left out, and looked at again the next time.
            with contextlib.suppress(DamagedStoreError):
                for entry in self._chain(self._tip_id(name), name):
                    if entry.commit in known.commits:
                        break
                    rows.append(_row(self._version(entry.commit)))
                yield from rows

    def _noted_files(self, blob: ObjectId) -> tuple[str, ...]:
        known = layout.parse_notes(self._blob(blob, "a note"), "a note")
        return tuple(each.digest for each in (*known.exports, *known.written))

    def _living(self, commits: Iterable[str]) -> list[Version]:
        """The versions of `commits` that aren't deleted, newest first."""
        found = []
        for commit in set(commits):
            if self._backend.has(ObjectId(commit)):
                entry = self._entry(ObjectId(commit), "a version")
                if commit in self._alive(entry.name):
                    found.append(self._version(CommitId(commit)))
        return sorted(found, key=lambda v: (v.created, v.name, v.number), reverse=True)

    def _alive(self, name: ArtifactName) -> frozenset[str]:
        """The commits of the versions of `name` that aren't deleted."""
        state = (self._backend.ref(refs.artifact_ref(name)), self._backend.ref(refs.HIDDEN))
        if name not in self._alive_at or self._alive_at[name][0] != state:
            commits = (entry.commit for entry in self.entries(name)) if state[0] else ()
            self._alive_at[name] = (state, frozenset(commits))
        return self._alive_at[name][1]

    # ------------------------------------------------------------------------------- objects

    def _tip_id(self, name: str) -> ObjectId:
        id = self._backend.ref(refs.artifact_ref(name)) if name else None
        if id is None:
            hint = _meant(name, self.names())
            if name and self._backend.ref(refs.deleted_ref(name)):
                hint = "it was deleted; `restore` brings it back"
            raise NoSuchArtifactError(f"no artifact named {name!r}", hint=hint)
        return id

    def _chain(self, tip: ObjectId, name: str) -> Iterator[Entry]:
        """What the commits from `tip` back to the first version say, hidden ones included."""
        id: str | None = tip
        while id is not None:
            entry = self._entry(ObjectId(id), name)
            if entry.name != name or entry.previous == id:
                raise DamagedStoreError(
                    f"the history of {name} is damaged at commit {id[:10]}", hint=_FSCK
                )
            yield entry
            id = entry.previous

    def _entry(self, id: ObjectId, what: str) -> Entry:
        ledger = self.ledger(_ENTRIES)
        row = ledger.get(id)
        if row is None:
            entry = layout.entry(id, self._commit(id, what))
            ledger.put(id, layout.entry_row(entry))
            return entry
        return layout.entry_of_row(id, row)

    def _commit(self, id: str, what: str) -> Commit:
        item = self._read(ObjectId(id), what)
        try:
            if item.kind != "commit":
                raise ValueError(f"it is a {item.kind}")
            return parse_commit(item.data)
        except ValueError as error:
            raise DamagedStoreError(
                f"{what}: {id[:10]} is no commit ({error})", hint=_FSCK
            ) from error

    def _version(self, id: CommitId) -> Version:
        return self.loaded(self._entry(ObjectId(id), f"commit {id[:10]}"))

    def loaded(self, listed: Entry) -> Version:
        """The version of an entry."""
        return self._of_tree(listed, self._tree(listed.commit, listed.revision))

    def _of_tree(self, listed: Entry, tree: Mapping[str, TreeEntry]) -> Version:
        what = listed.revision
        found = layout.loads(
            self._listed_file(tree, layout.MANIFEST, what), f"the manifest of {what}"
        )
        version = layout.version(found, self._environment(tree, what), listed.commit)
        if (version.name, version.number, version.digest, version.previous) != (
            listed.name,
            listed.number,
            listed.digest,
            listed.previous,
        ):
            raise DamagedStoreError(
                f"the manifest of {what} contradicts its commit {listed.commit[:10]}", hint=_FSCK
            )
        return version

    def _environment(self, tree: Mapping[str, TreeEntry], what: str) -> Environment:
        if layout.ENVIRONMENT not in tree:
            return Environment()
        id = tree[layout.ENVIRONMENT].id
        if id not in self._environments:
            found = layout.loads(self._blob(id, what), f"the environment of {what}")
            self._environments[id] = layout.environment(found)
        return self._environments[id]

    def _tree(self, commit: str, what: str) -> dict[str, TreeEntry]:
        entry = self._entry(ObjectId(commit), what)
        return self._recalled(
            entry.tree, lambda: _parsed_tree(self._read(entry.tree, what).data, what)
        )

    def _recalled(self, key: str, make: Callable[[], T]) -> T:
        """What was made of an object a moment ago, or `make` of it now."""
        if key not in self._recent:
            if len(self._recent) > _RECENT:
                self._recent.clear()
            self._recent[key] = make()
        found: T = self._recent[key]
        return found

    def _file(self, version: Version, path: str) -> bytes:
        tree = self._tree(version.commit, version.revision)
        return self._listed_file(tree, path, version.revision)

    def _listed_file(self, tree: Mapping[str, TreeEntry], path: str, what: str) -> bytes:
        if path not in tree:
            raise DamagedStoreError(f"{what} has no {path} in the store", hint=_FSCK)
        return self._blob(tree[path].id, f"{path} of {what}")

    def _json(self, version: Version, path: str) -> dict[str, Any]:
        return layout.loads(self._file(version, path), f"{path} of {version.revision}")

    def _blob(self, id: ObjectId, what: str, *, checked: bool = True) -> bytes:
        return self._read(id, what, checked=checked).data

    def _read(self, id: ObjectId, what: str, *, checked: bool = True) -> GitObject:
        # As in `_damage_named`, which takes longer than reading a small object.
        try:
            return self._backend.read(id, checked=checked)
        except (MissingObjectError, CorruptObjectError) as error:
            raise _damaged(what, error) from error


class MemoryRepository(Repository):
    """A store without a disk."""

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        super().__init__(MemoryBackend(), clock=clock)
