"""Tags on versions, what becomes known of them later, and their deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from linea.errors import NoSuchVersionError
from linea.model import InputFile, Minimal, Verdict, Version
from linea.store import layout, refs
from linea.store.archive import joined, meant
from linea.store.backend import RefChange
from linea.store.layout import Notes
from linea.store.objects import Batch, ObjectId
from linea.store.operations import Doing
from linea.store.saving import Saving


class Noting(Saving):
    """A store whose versions can be marked."""

    # ---------------------------------------------------------------------------------------- tags
    def tag(self, version: Version, tag: str) -> None:
        """Name `version` by `tag`; a tag of the artifact that is there already moves."""
        refs.check_tag(version.name, tag)
        ref = refs.tag_ref(version.name, refs.tag_name(tag))
        self._numbered(version.name, version.number)

        def move(batch: Batch) -> tuple[list[RefChange], None]:
            return [RefChange(ref, self._backend.ref(ref), ObjectId(version.commit))], None

        self._write(move, f"tag {version.revision} as {tag}", Doing("tag"))

    def untag(self, name: str, tag: str) -> None:
        """Take `tag` away from `name`."""
        if tag not in self.tags(name):
            raise NoSuchVersionError(f"{name} has no tag {tag!r}", hint=meant(tag, self.tags(name)))
        ref = refs.tag_ref(name, tag)

        def remove(batch: Batch) -> tuple[list[RefChange], None]:
            return [RefChange(ref, self._backend.ref(ref), None)], None

        self._write(remove, f"untag {name} {tag}", Doing("untag"))

    # ------------------------------------------------------------------------------------ deleting
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
            hidden = self.hidden()
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

    # -------------------------------------------------------------------------- learned afterwards
    def set_verdict(self, version: Version, verdict: Verdict) -> None:
        """Keep what a re-run of the version gave; earlier verdicts stay in the notes' history."""
        self._note(version, lambda known: replace(known, verdict=verdict), "Verify", "verify")

    def note_written(self, version: Version, files: Sequence[InputFile]) -> None:
        """Keep which files the session wrote after the save."""
        self._note(version, lambda k: replace(k, written=joined(k.written, files)), "Written by")

    def remember_exports(self, version: Version, files: Sequence[InputFile]) -> None:
        """Keep which files hold this version's value."""
        self._note(
            version,
            lambda known: replace(known, exports=joined(known.exports, files)),
            "Exports of",
            "checkout",
        )

    def set_minimal(self, version: Version, minimal: Minimal) -> None:
        """Keep a smaller slice that gives the version's value."""
        self._note(version, lambda known: replace(known, minimal=minimal), "Minimise")

    def note_commit(self, version: Version, commit: str) -> None:
        """Keep that the code at a commit of the surrounding git repository makes the version."""

        def add(known: Notes) -> Notes:
            return replace(known, commits=tuple(dict.fromkeys((*known.commits, commit))))

        self._note(version, add, "Code of")

    def note_task(self, version: Version, key: str) -> None:
        """Keep that the pipeline task of this key gave the version's value."""

        def add(known: Notes) -> Notes:
            return replace(known, tasks=tuple(dict.fromkeys((*known.tasks, key))))

        self._note(version, add, "Task of")

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
