"""Versions of artifacts in a git repository: found and read, without a lock."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from linea.errors import (
    DamagedStoreError,
    DroppedValueError,
    NameNotAllowedError,
    NoSuchArtifactError,
    NoSuchVersionError,
)
from linea.model import (
    ArtifactName,
    CommitId,
    Digest,
    Environment,
    InputFile,
    Minimal,
    Preview,
    ReadPart,
    Verdict,
    Version,
)
from linea.store import index, layout, notes, refs
from linea.store.backend import Backend, CorruptObjectError, MissingObjectError
from linea.store.layout import Entry, Notes
from linea.store.ledger import Ledger, read_piece, write_piece
from linea.store.objects import (
    Commit,
    GitObject,
    ObjectId,
    TreeEntry,
    parse_commit,
    parse_tree,
)

if TYPE_CHECKING:
    from linea.store import parts

T = TypeVar("T")

ENTRIES = "entries-1"
_RECENT = 256
_FSCK = "see what is hit with `linea fsck`; --repair gets back what another store has"


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Say what is hit where an object can't be read."""
    try:
        yield
    except (MissingObjectError, CorruptObjectError, ValueError) as error:
        raise damaged(what, error) from error


def damaged(what: str, error: Exception) -> DamagedStoreError:
    if isinstance(error, MissingObjectError):
        return DamagedStoreError(f"{what}: object {error} is missing", hint=_FSCK)
    return DamagedStoreError(f"{what} is damaged: {error}", hint=_FSCK)


def dropped_error(what: str) -> DroppedValueError:
    return DroppedValueError(
        f"the value of {what} was dropped by linea gc",
        hint=f"its code makes it again: linea rebuild {what}; or, within the grace period, linea undo",
    )


def _parsed_tree(data: bytes, what: str) -> dict[str, TreeEntry]:
    try:
        return parse_tree(data)
    except ValueError as error:
        raise damaged(f"a folder of {what}", error) from error


def joined(known: Sequence[InputFile], more: Sequence[InputFile]) -> tuple[InputFile, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _row(version: Version) -> index.Row:
    """The digests by which a version can be found."""
    files = [each.digest for each in version.written]
    if len(version.value.parts) == 1:
        files.append(version.value.parts[0].digest)
    if version.value.kind in ("file", "folder"):
        files.append(version.digest)
    return index.Row(version.commit, version.digest, tuple(dict.fromkeys(files)))


def meant(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "`linea ls` lists what there is"


class LostEnvironment(Environment):
    """An environment that is damaged: whoever looks into it gets the error."""

    __slots__ = ("_error",)

    def __init__(self, error: DamagedStoreError) -> None:
        object.__setattr__(self, "_error", error)

    @property
    def error(self) -> DamagedStoreError:
        """What is wrong with it."""
        found: DamagedStoreError = object.__getattribute__(self, "_error")
        return found

    def __getattribute__(self, name: str) -> Any:
        if name in Environment.__slots__:
            raise object.__getattribute__(self, "_error")
        return object.__getattribute__(self, name)


class Archive:
    """A store that is read: no lock and no write permission are needed for it.

    A version that was deleted is in no listing and has no number any more; its commit can still
    be read by `by_commit`, as others may rest on it.
    """

    def __init__(self, backend: Backend, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._backend = backend
        self._clock = clock
        self._environments: dict[ObjectId, Environment] = {}
        self._hidden_at: tuple[ObjectId | None, frozenset[str]] = (None, frozenset())
        self._digests: index.DigestIndex | None = None
        self._alive_at: dict[str, tuple[tuple[ObjectId | None, ...], frozenset[str]]] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._recent: dict[str, Any] = {}

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

    def piece(self, kind: str, about: str) -> Any:
        """What was worked out about an artifact and cached in one piece; None: nothing."""
        return read_piece(self._backend, kind, about)

    def keep_piece(self, kind: str, about: str, value: Any) -> None:
        """Cache JSON data about an artifact, instead of what was cached before."""
        write_piece(self._backend, kind, about, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------- finding
    def names(self) -> list[ArtifactName]:
        """The artifacts' names, sorted."""
        return self._names(refs.ARTIFACTS)

    def deleted(self) -> list[ArtifactName]:
        """The names of deleted artifacts that `restore` can bring back."""
        return self._names(refs.DELETED)

    def _names(self, prefix: str) -> list[ArtifactName]:
        found = []
        for ref in self._backend.ref_names(prefix):
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
        hidden = self.hidden()
        return (self.loaded(each) for each in self._chain(tip, name) if each.commit not in hidden)

    def entries(self, name: str) -> Iterator[Entry]:
        """What the commits of `name` say, newest first: cheaper than `versions`."""
        tip = self._tip_id(name)
        hidden = self.hidden()
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

    # ------------------------------------------------------------------------------------- reading
    def code(self, version: Version | Entry) -> str:
        """The slice that makes the value."""
        if isinstance(version, Entry):
            tree = self._tree_of(version, version.revision)
        else:
            tree = self._tree(version.commit, version.revision)
        if layout.CODE not in tree:
            raise DamagedStoreError(
                f"{version.revision} has no {layout.CODE} in the store", hint=_FSCK
            )
        id = tree[layout.CODE].id
        what = f"{layout.CODE} of {version.revision}"
        return self._recalled(f"text {id}", lambda: layout.text(self._blob(id, what)))

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
        from linea.store import parts

        what = version.revision
        again = self._backend.ref(refs.REBUILT + version.commit)
        root = self._commit(again or version.commit, what).tree

        def read(id: ObjectId, *, checked: bool = True) -> bytes:
            try:
                return self._backend.read(id, checked=checked).data
            except CorruptObjectError as error:
                raise damaged(f"the value of {what}", error) from error
            except MissingObjectError as error:
                if self.is_dropped(version):
                    raise dropped_error(what) from error
                raise damaged(f"the value of {what}", error) from error

        return parts.ValueTree(root, read, what, self._backend.read_into)

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

    def manifest(self, version: Version) -> dict[str, Any]:
        """The manifest as it was written, with the environment."""
        found = self._json(version, layout.MANIFEST)
        return {**found, "environment": self._json(version, layout.ENVIRONMENT)}

    # ------------------------------------------------------------------------------ tags and notes
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
        hidden = self.hidden()
        for ref, id in sorted(self._backend.refs(prefix).items()):
            try:
                name, tag = refs.parse_tag(ref)
            except NameNotAllowedError:
                continue
            if id not in hidden:
                entry = self._entry(id, name)
                if entry.name == name:  # else the tag was put there by another program
                    found.setdefault(name, {})[tag] = entry.number
        return found

    def hidden(self) -> frozenset[str]:
        """The commits of deleted versions of artifacts that are there."""
        tip = self._backend.ref(refs.HIDDEN)
        if self._hidden_at[0] != tip:
            with damage_named("the list of deleted versions"):
                found = frozenset(commit for commit, _ in notes.noted(self._backend, tip))
            self._hidden_at = (tip, found)
        return self._hidden_at[1]

    def verdict(self, version: Version) -> Verdict | None:
        """What the last re-run of the version gave."""
        return self._notes(version).verdict

    def verdicts(self) -> Callable[[CommitId], Verdict | None]:
        """A function that gives the verdict on a version, for asking about many."""
        with damage_named("the notes"):
            noted = dict(notes.noted(self._backend, self._backend.ref(refs.NOTES)))

        def verdict(commit: CommitId) -> Verdict | None:
            id = noted.get(ObjectId(commit))
            if id is None:
                return None
            what = f"the note on {commit[:10]}"
            return layout.parse_notes(self._blob(id, what), what).verdict

        return verdict

    def written(self, version: Version) -> tuple[InputFile, ...]:
        """The files that the session wrote, before the save and after it."""
        return joined(version.written, self._notes(version).written)

    def exports(self, version: Version) -> tuple[InputFile, ...]:
        """The files that `remember_exports` was told of."""
        return self._notes(version).exports

    def minimal(self, version: Version) -> Minimal | None:
        """The smaller slice that `set_minimal` was told of."""
        return self._notes(version).minimal

    def commits(self, version: Version) -> tuple[str, ...]:
        """The commits that `note_commit` was told of."""
        return self._notes(version).commits

    def tasks(self, version: Version) -> tuple[str, ...]:
        """The keys that `note_task` was told of."""
        return self._notes(version).tasks

    def is_dropped(self, version: Version) -> bool:
        """Whether the version's value was dropped by a gc."""
        return self._notes(version).dropped is not None

    def dropped(self) -> frozenset[str]:
        """The commits of the versions whose values were dropped by a gc."""
        with damage_named("the notes"):
            noted = list(notes.noted(self._backend, self._backend.ref(refs.NOTES)))
        return frozenset(
            commit
            for commit, blob in noted
            if layout.parse_notes(self._blob(blob, "a note"), "a note").dropped is not None
        )

    def rebuilt(self) -> frozenset[str]:
        """The commits of the versions whose values were made again."""
        found = self._backend.refs(refs.REBUILT)
        return frozenset(ref.removeprefix(refs.REBUILT) for ref in found)

    def deleted_before(self, moment: datetime | None) -> list[Version]:
        """The versions that were deleted before then, as far as that is known."""
        found = []
        with damage_named("the list of deleted versions"):
            hidden = list(notes.noted(self._backend, self._backend.ref(refs.HIDDEN)))
        for commit, blob in hidden:
            said = layout.loads(self._blob(blob, "a note"), "a note").get("deleted", "")
            if moment is None or (said and datetime.fromisoformat(said) < moment):
                found.append(self._version(CommitId(commit)))
        from linea.store import upkeep

        times = upkeep.deletion_times(self.path) if self.path is not None else {}
        for ref, id in self._backend.refs(refs.DELETED).items():
            when = times.get(ref)
            if moment is None or (when is not None and when < moment):
                name = refs.decode(ref.removeprefix(refs.DELETED))
                found += [self.loaded(entry) for entry in self._chain(id, name)]
        return found

    def _notes(self, version: Version) -> Notes:
        what = f"the note on {version.revision}"
        with damage_named(what):
            tip = self._backend.ref(refs.NOTES)
            id = notes.note(self._backend, tip, ObjectId(version.commit))
        if id is None:
            return Notes()
        return layout.parse_notes(self._blob(id, what), what)

    # --------------------------------------------------------------------------------------- index
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

    # ------------------------------------------------------------------------------------- objects
    def _tip_id(self, name: str) -> ObjectId:
        id = self._backend.ref(refs.artifact_ref(name)) if name else None
        if id is None:
            hint = meant(name, self.names())
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
        return self._recalled(f"entry {id}", lambda: self._entry_read(id, what))

    def _entry_read(self, id: ObjectId, what: str) -> Entry:
        ledger = self.ledger(ENTRIES)
        row = ledger.one(id)
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

    def entry_of(self, commit: str) -> Entry:
        """What the commit of a version says, read from it and from no cache."""
        return layout.entry(commit, self._commit(commit, f"commit {commit[:10]}"))

    def fresh(self, commit: str) -> Version:
        """The version of a commit, read from its objects and from no cache, all of it whole."""
        entry = self.entry_of(commit)
        tree = _parsed_tree(self._read(entry.tree, entry.revision).data, entry.revision)
        version = self._of_tree(entry, tree)
        if isinstance(version.environment, LostEnvironment):
            raise version.environment.error
        return version

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
            try:
                found = layout.loads(self._blob(id, what), f"the environment of {what}")
                self._environments[id] = layout.environment(found)
            except DamagedStoreError as error:
                # Many versions have the same one, whose values can be read all the same.
                return LostEnvironment(error)
        return self._environments[id]

    def _tree(self, commit: str, what: str) -> dict[str, TreeEntry]:
        return self._tree_of(self._entry(ObjectId(commit), what), what)

    def _tree_of(self, entry: Entry, what: str) -> dict[str, TreeEntry]:
        return self._recalled(
            f"tree {entry.tree}", lambda: _parsed_tree(self._read(entry.tree, what).data, what)
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
            raise damaged(what, error) from error
