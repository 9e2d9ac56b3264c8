"""Drafts to versions: their objects written, then the refs that name them moved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from linea.errors import (
    DamagedStoreError,
    DroppedValueError,
    NameNotAllowedError,
    NewerStoreError,
    NoSuchVersionError,
    StoreError,
)
from linea.model import ArtifactName, CommitId, Draft, Encoded, Parent, Version
from linea.store import layout, notes, operations, refs
from linea.store.archive import ENTRIES, Archive, damaged
from linea.store.backend import CorruptObjectError, MissingObjectError, RefChange
from linea.store.layout import Entry
from linea.store.objects import (
    Batch,
    Commit,
    GitObject,
    ObjectId,
    TreeEntry,
    commit_bytes,
    object_id,
    parse_tree,
    tree_ids,
)
from linea.store.operations import Doing, NoteChange, NotesChange

if TYPE_CHECKING:
    from linea.store import chunks

T = TypeVar("T")

_EARLY_FROM = 64 * 1024
_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft whose value is written or about to be."""

    draft: Draft
    files: Mapping[str, ObjectId]
    trees: Mapping[str, ObjectId]
    waiting: Mapping[ObjectId, GitObject]
    """Objects that go in with the commit."""
    stands_for: CommitId | None = None
    """The commit by which those that are saved along with it call it, see `staging`."""


def _expected(value: Encoded) -> int:
    """About how many bytes a value takes."""
    return sum(len(p) if isinstance(p, bytes) else p.size for p in value.parts.values())


def _settled(parents: Iterable[Parent], known_as: Mapping[CommitId, Entry]) -> Iterator[Parent]:
    """Parents by the commits and numbers that they were given in the end."""
    for parent in parents:
        entry = known_as.get(parent.commit)
        yield (
            parent if entry is None else replace(parent, commit=entry.commit, number=entry.number)
        )


class Saving(Archive):
    """A store that takes new versions."""

    # -------------------------------------------------------------------------------------- saving
    def commit(self, drafts: Sequence[Draft]) -> list[Version]:
        """Save `drafts` as the next versions of their artifacts; all become visible together."""
        for draft in drafts:
            self._check(draft)
        # From the first byte on: a gc waits until what is written now is part of a version.
        with self._backend.writing():
            return self.commit_prepared([self._prepared(draft) for draft in drafts])

    def stage(self, draft: Draft) -> tuple[Prepared, Version]:
        """Save one draft; give what `commit_prepared` saves in another view of the same objects."""
        self._check(draft)
        with self._backend.writing():
            made = self._prepared(draft)
            (id,) = self._committed([made])
        return made, self._version(id)

    def commit_prepared(self, made: Sequence[Prepared]) -> list[Version]:
        """Save what was prepared; all become visible together."""
        with self._backend.writing():
            ids = self._committed(made)
        self._backend.tidy()
        return [self._version(id) for id in ids]

    def _committed(self, made: Sequence[Prepared]) -> list[CommitId]:
        waiting = {id: item for each in made for id, item in each.waiting.items()}
        doing = Doing("save")

        def save(batch: Batch) -> tuple[list[RefChange], list[Entry]]:
            batch.objects.update(waiting)
            changes, entries = self._saved(batch, made)
            doing.versions[:] = [(e.name, e.number, e.commit) for e in entries]
            return changes, entries

        reason = "save " + ", ".join(each.draft.name for each in made)
        saved = self._write(save, reason, doing)
        # A listing needn't work out later what is known now.
        self.ledger(ENTRIES).keep({e.commit: layout.entry_row(e) for e in saved})
        return [e.commit for e in saved]

    def put_back(self, version: Version, made: Encoded) -> None:
        """Store a dropped or damaged value that was made again; StoreError for another value."""
        from linea.store import parts

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

    # ------------------------------------------------------------------------------------- objects
    def _check(self, draft: Draft) -> None:
        if refs.artifact_name(draft.name) != draft.name:
            raise NameNotAllowedError(f"{draft.name!r} was not checked by artifact_name")
        for tag in draft.tags:
            refs.check_tag(draft.name, tag)
        if draft.created.tzinfo is None:
            raise ValueError("a draft's `created` must know its time zone")
        for parent in draft.parents:
            if not self._backend.has(ObjectId(parent.commit)):
                raise NoSuchVersionError(
                    f"{parent.name}@v{parent.number}, which {draft.name} was made from, is not"
                    " in this store",
                    hint=f"fetch it first, or load {parent.name} from this store",
                )

    def _prepared(self, draft: Draft) -> Prepared:
        """Write the files of a version that don't depend on its number.

        Large ones are written before the lock is taken: others needn't wait for them. An
        unchanged value isn't even encoded: the version gets the tree that the one before has.
        """
        from linea.store import parts

        before = self._before(draft.name)
        record = draft.value.record
        unchanged = before is not None and layout.form(before.value) == layout.form(record)
        if before is not None and unchanged and self._is_shareable(before):
            sink, known = parts.Sink(self._backend, 0), before.value.parts
            there = self._tree(before.commit, before.revision)
            value = there.get(layout.VALUE.rstrip("/"))
            trees = {} if value is None else {value.name: value.id}
            pictures = {path: there[path].id for path in layout.PREVIEWS.values() if path in there}
            written = parts.Written(known, pictures, trees)
        else:
            sink = parts.Sink(self._backend, _expected(draft.value))
            written = parts.write(sink, draft.value.parts, self._shareable(before))
        # What shows the value there shows it here.
        drawn = not any(path in written.files for path in layout.PREVIEWS.values())
        contents = layout.contents(draft, drawn=drawn)
        files = {path: sink.add(data) for path, data in contents.items()}
        if sink.batch.size > _EARLY_FROM:
            sink.flush()
        draft = replace(
            draft, value=replace(draft.value, record=replace(record, parts=written.parts))
        )
        return Prepared(draft, {**files, **written.files}, written.trees, sink.batch.objects)

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
        from linea.store import chunks

        if before is not None:
            with contextlib.suppress(DamagedStoreError, DroppedValueError):
                return self._value_tree(before).known(before.value, self._backend.has)
        return chunks.Known(lambda id: b"", lambda id: False)

    def _is_shareable(self, version: Version) -> bool:
        """Whether the value is where the version's own tree has it, as far as that is seen at once.

        What was lost, or small and damaged, is written anew. The bytes of segments are held against
        their hashes by readers and fsck alone.
        """
        if self._backend.ref(refs.REBUILT + version.commit) is not None or self.is_dropped(version):
            return False
        entries = self._tree(version.commit, version.revision)
        shared = [*layout.PREVIEWS.values(), layout.VALUE.rstrip("/")]
        try:
            return all(self._is_there(entries[name]) for name in shared if name in entries)
        except (MissingObjectError, CorruptObjectError, ValueError):
            return False

    def _is_there(self, entry: TreeEntry) -> bool:
        from linea.store import chunks

        data = self._backend.read(entry.id).data
        if not entry.is_tree:
            return True
        if f" {chunks.INDEX}\0".encode() in data:
            return all(map(self._backend.has, tree_ids(data)))
        return all(map(self._is_there, parse_tree(data).values()))

    def _saved(self, batch: Batch, made: Sequence[Prepared]) -> tuple[list[RefChange], list[Entry]]:
        """Put the commits of drafts into `batch`."""
        tips: dict[str, Entry] = {}
        changes: dict[str, RefChange] = {}
        known_as: dict[CommitId, Entry] = {}
        hide: list[CommitId] = []
        entries = []
        for each in made:
            draft = replace(each.draft, parents=tuple(_settled(each.draft.parents, known_as)))
            ref = refs.artifact_ref(draft.name)
            if ref not in changes:
                changes.update(self._begun(draft.name, tips, hide))
            tip = tips.get(draft.name)
            number, previous = (tip.number + 1, tip.commit) if tip else (1, None)
            manifest = batch.add("blob", layout.manifest(draft, number, previous))
            tree = batch.add_tree({**each.files, layout.MANIFEST: manifest}, each.trees)
            said = layout.commit(draft, number, previous, tree)
            id = batch.add("commit", commit_bytes(said))
            tips[draft.name] = layout.entry(id, said)
            if each.stands_for is not None:
                known_as[each.stands_for] = tips[draft.name]
            changes[ref] = replace(changes[ref], new=id)
            for tag in draft.tags:
                tag_ref = refs.tag_ref(draft.name, refs.tag_name(tag))
                old = changes[tag_ref].old if tag_ref in changes else self._backend.ref(tag_ref)
                changes[tag_ref] = RefChange(tag_ref, old, id)
            entries.append(tips[draft.name])
        # All at once: it is one ref that moves.
        hidden = self._hide(batch, hide, ", ".join(tips))
        return [*changes.values(), *hidden], entries

    def _begun(
        self, name: ArtifactName, tips: dict[str, Entry], hide: list[CommitId]
    ) -> dict[str, RefChange]:
        """What moves when `name` gets its next version; its newest entry goes into `tips`.

        A deleted artifact goes on where it ended, so that no number is given twice, with the
        versions up to there hidden: they go into `hide`.
        """
        ref, deleted = refs.artifact_ref(name), refs.deleted_ref(name)
        tip, gone = self._backend.ref(ref), self._backend.ref(deleted)
        if tip is None and gone is None and any(map(self._backend.is_lost, (ref, deleted))):
            raise DamagedStoreError(
                f"the ref of {name} is gone, so its next version has no number",
                hint="`linea fsck --repair` puts it back as far as its log tells",
            )
        changes = [RefChange(ref, tip, tip)]
        if tip is None and gone is not None:
            tip = gone
            hide += [entry.commit for entry in self._chain(gone, name)]
            changes.append(RefChange(deleted, gone, None))
        if tip is not None:
            tips[name] = self._entry(tip, name)
        return {change.ref: change for change in changes}

    def _hide(
        self,
        batch: Batch,
        commits: Iterable[CommitId],
        name: str,
        shown: Iterable[ObjectId] = (),
        *,
        undo: bool = False,
    ) -> list[RefChange]:
        """Mark versions as deleted, or as not deleted any more, as those that are `shown`."""
        now = self._clock()
        mark = None if undo else layout.dumps({"format": 1, "deleted": now.isoformat()})
        hidden = self.hidden()
        changes = {ObjectId(each): mark for each in commits if (each in hidden) is undo}
        changes |= {each: None for each in shown if each in hidden}
        if not changes:
            return []
        message = f"{'Restore' if undo else 'Delete'} versions of {name}"
        return [self._noted(batch, refs.HIDDEN, changes, message)]

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

    # ---------------------------------------------------------------------------------------- refs
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
                try:
                    changes, result = make(batch)
                except (MissingObjectError, CorruptObjectError) as error:
                    raise damaged("what is changed", error) from error
                self._backend.write(batch.objects)
                if self._backend.update_refs(changes, reason):
                    if doing is not None and changes:
                        self._record(doing, reason, changes)
                    return result
        raise StoreError("others keep writing to the store", hint="save again when they are done")

    def _record(self, doing: Doing, reason: str, changes: Sequence[RefChange]) -> None:
        if doing.versions:
            reason = "save " + ", ".join(f"{name}@v{number}" for name, number, _ in doing.versions)
        done = operations.operation(doing, reason, changes, self._clock())
        self._backend.record(operations.line(done))
