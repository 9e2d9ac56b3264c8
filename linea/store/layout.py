"""A version of an artifact as the files and the commit that keep it, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast

from linea import jsons
from linea.errors import DamagedStoreError, LineaError, NewerStoreError
from linea.model import (
    ArtifactName,
    Column,
    CommitId,
    Digest,
    Draft,
    Environment,
    GitState,
    InputFile,
    Minimal,
    Origin,
    Package,
    Parent,
    Part,
    Preview,
    ValueRecord,
    Variable,
    Verdict,
    Version,
)
from linea.store.objects import Commit, ObjectId
from linea.store.refs import artifact_name, part_path

FORMAT = 3
"""Of manifests; since 2 a part may be a tree of segments, since 3 they have forms for numbers."""
NOTES_FORMAT = 1

CODE = "code.py"
SESSION = "session.py"
MANIFEST = "artifact.json"
ENVIRONMENT = "environment.json"
VALUE = "value/"
INPUTS = "inputs/"
PREVIEWS = {
    "text/plain": "preview.txt",
    "text/html": "preview.html",
    "image/png": "preview.png",
    "image/svg+xml": "preview.svg",
}

T = TypeVar("T")
_name = lru_cache(maxsize=256)(artifact_name)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a version's commit alone says: enough to list it."""

    name: ArtifactName
    number: int
    commit: CommitId
    digest: Digest
    author: str
    created: datetime
    """To the second."""
    subject: str
    previous: CommitId | None
    tree: ObjectId

    @property
    def revision(self) -> str:
        """How a person names this version, `feature_table@v3`."""
        return f"{self.name}@v{self.number}"


# ------------------------------------------------------------------------------ draft → files


def contents(draft: Draft, *, drawn: bool = True) -> dict[str, bytes]:
    """The files of a version that don't depend on its number; `drawn`: with the value's picture."""
    files = {
        CODE: text_bytes(draft.code),
        SESSION: text_bytes(draft.session),
        ENVIRONMENT: dumps(_environment_json(draft.environment)),
    }
    preview = draft.value.preview if drawn else None
    if preview is not None and preview.mime in PREVIEWS:
        files[PREVIEWS[preview.mime]] = preview.data
    files.update({input_path(digest): data for digest, data in draft.kept.items()})
    return files


def input_path(digest: Digest) -> str:
    """Where a kept input file lies: named by its content, whatever its path was."""
    return INPUTS + digest.replace(":", "-")


def value_path(path: str) -> str:
    """Where a part of the value lies in the tree."""
    return VALUE + part_path(path)


def form(record: ValueRecord) -> bytes:
    """What a manifest says of a value apart from how it is stored: equal for equal values."""
    summary = {key: value for key, value in record.summary.items() if key != "size"}
    return dumps(_record_json(replace(record, parts=(), summary=summary)))


def text_bytes(text: str) -> bytes:
    """Source text as the store keeps it."""
    return text.encode("utf-8", "surrogatepass")


def text(data: bytes) -> str:
    """The text that `text_bytes` made `data` from."""
    return data.decode("utf-8", "surrogatepass")


def manifest(draft: Draft, number: int, previous: CommitId | None) -> bytes:
    """The manifest of the version that `draft` becomes."""
    return dumps(
        {
            "format": FORMAT,
            "name": draft.name,
            "number": number,
            "author": draft.author,
            "created": draft.created.isoformat(),
            "message": draft.message,
            "previous": previous,
            "parents": [
                {
                    "name": each.name,
                    "number": each.number,
                    "commit": each.commit,
                    "digest": each.digest,
                }
                for each in draft.parents
            ],
            "value": _record_json(draft.value.record),
            "inputs": files_json(draft.inputs),
            "written": files_json(draft.written),
            "result": draft.result,
            "lines": _runs(draft.lines),
            "source": draft.source,
            "seconds": draft.seconds,
            "conservative": list(draft.conservative),
            "unreproducible": list(draft.unreproducible),
            **({"git": _git_json(draft.git)} if draft.git else {}),
            **({"folder": draft.folder} if draft.folder is not None else {}),
        }
    )


def _record_json(record: ValueRecord) -> Json:
    return {
        "kind": record.kind,
        "type": record.type,
        "digest": record.digest,
        "codec": record.codec,
        "parts": [
            {"path": each.path, "size": each.size, "digest": each.digest} for each in record.parts
        ],
        "columns": [
            {"name": each.name, "type": each.type, "digest": each.digest, "nulls": each.nulls}
            for each in record.columns
        ],
        "summary": dict(record.summary),
        "details": dict(record.details),
        "pickled": record.pickled,
        "stable": record.stable,
    }


def commit(draft: Draft, number: int, previous: CommitId | None, tree: ObjectId) -> Commit:
    """The commit of the version that `draft` becomes."""
    parents = [previous] if previous else []
    parents += [parent.commit for parent in draft.parents]
    trailers = [
        f"Linea-Artifact: {draft.name}",
        f"Linea-Version: {number}",
        f"Linea-Digest: {draft.value.record.digest}",
        *([f"Linea-Previous: {previous}"] if previous else []),
    ]
    offset = draft.created.utcoffset() or timedelta()
    return Commit(
        tree=tree,
        parents=tuple(ObjectId(each) for each in dict.fromkeys(parents)),
        author=draft.author,
        time=int(draft.created.timestamp() // 1),
        offset=int(offset.total_seconds() // 60),
        message="\n".join([_subject(draft, number), *_body(draft), "", *trailers, ""]),
    )


def _subject(draft: Draft, number: int) -> str:
    if draft.message and draft.message.strip():
        return draft.message.strip().splitlines()[0]
    summary = str(draft.value.record.summary.get("text", "")).strip()
    return f"{draft.name} v{number}" + (f": {summary.splitlines()[0]}" if summary else "")


def _body(draft: Draft) -> list[str]:
    rest = draft.message.strip().splitlines()[1:] if draft.message else []
    return ["", *rest] if any(line.strip() for line in rest) else []


def _git_json(state: GitState) -> Json:
    return {"commit": state.commit, "dirty": state.dirty}


def _git(found: Json | None) -> GitState | None:
    return GitState(_get(found, "commit", str), _get(found, "dirty", bool)) if found else None


def _environment_json(environment: Environment) -> Json:
    variables = [
        {"name": each.name, "value": each.value, **({} if each.kept else {"kept": False})}
        for each in environment.variables
    ]
    return {
        **({"variables": variables} if variables else {}),
        "python": environment.python,
        "platform": environment.platform,
        "packages": [{"name": each.name, "version": each.version} for each in environment.packages],
    }


def _runs(lines: Sequence[Origin | None]) -> list[list[Any]]:
    """Where each line came from, as runs of lines that follow each other: file, cell, line, count.

    The file of lines that linea added is null.
    """
    runs: list[list[Any]] = []
    for line in lines:
        file, cell, number = (line.file, line.cell, line.line) if line else (None, None, 0)
        if runs:
            last = runs[-1]
            follows = number == (last[2] + last[3] if file is not None else 0)
            if last[0] == file and last[1] == cell and follows:
                last[3] += 1
                continue
        runs.append([file, cell, number, 1])
    return runs


def dumps(value: Json) -> bytes:
    """JSON as the store keeps it: sorted keys, one key a line, UTF-8.

    A surrogate, which UTF-8 can't hold, becomes the escape that JSON has for it.
    """
    lines = (
        f" {jsons.dumps(key)}: {jsons.dumps(each, ensure_ascii=False, sort_keys=True)}"
        for key, each in sorted(value.items())
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


# ---------------------------------------------------------------------------- files → version


def entry(id: str, said: Commit) -> Entry:
    """What a commit says of the version that it is; DamagedStoreError where it is none."""
    trailers = {}
    lines = said.message.rstrip("\n").split("\n")
    for line in reversed(lines):
        key, colon, value = line.partition(": ")
        if not colon or not key.startswith("Linea-"):
            break
        trailers[key] = value
    try:
        return Entry(
            name=ArtifactName(trailers["Linea-Artifact"]),
            number=int(trailers["Linea-Version"]),
            commit=CommitId(id),
            digest=Digest(trailers["Linea-Digest"]),
            author=said.author,
            created=datetime.fromtimestamp(said.time, UTC),
            subject=lines[0],
            previous=cast("CommitId | None", trailers.get("Linea-Previous")),
            tree=said.tree,
        )
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise DamagedStoreError(f"commit {id[:10]} is no version of an artifact") from error


def entry_row(found: Entry) -> list[Any]:
    """An entry as the cache keeps it."""
    return [
        found.name,
        found.number,
        found.digest,
        found.author,
        int(found.created.timestamp()),
        found.subject,
        found.previous,
        found.tree,
    ]


def entry_of_row(id: str, row: list[Any]) -> Entry:
    """The entry that `entry_row` made `row` of."""
    name, number, digest, author, created, subject, previous, tree = row
    moment = datetime.fromtimestamp(created, UTC)
    return Entry(name, number, CommitId(id), digest, author, moment, subject, previous, tree)


def loads(data: bytes, what: str) -> Json:
    """Parse a JSON object of the store; `what` names it where it is damaged."""
    try:
        found = jsons.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedStoreError(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DamagedStoreError(f"{what} is no JSON object")
    number = found.get("format", FORMAT)
    if type(number) is not int or number < 1:
        raise DamagedStoreError(f"{what} has the format {number!r}, which is no number")
    if number > FORMAT:
        raise NewerStoreError(
            f"{what} has format {number}; this linea knows formats up to {FORMAT}",
            hint="install a newer linea: pip install --upgrade linea-store",
        )
    return found


def version(found: Json, environment: Environment, id: str) -> Version:
    """The version that a manifest describes; keys that aren't known here don't matter."""
    try:
        return Version(
            name=_name(_get(found, "name", str)),
            number=_get(found, "number", int),
            commit=CommitId(id),
            value=_record(_get(found, "value", dict)),
            author=_get(found, "author", str),
            created=_moment(_get(found, "created", str)),
            message=_maybe(found, "message", str),
            previous=cast("CommitId | None", _maybe(found, "previous", str)),
            parents=tuple(
                Parent(_name(name), number, commit, digest)
                for name, number, commit, digest in _rows(
                    found, "parents", name=str, number=int, commit=str, digest=str
                )
            ),
            inputs=_files(found, "inputs"),
            environment=environment,
            result=_maybe(found, "result", str),
            lines=_lines(tuple(tuple(run) for run in _list(found, "lines", list))),
            source=_get(found, "source", str, ""),
            seconds=float(_get(found, "seconds", (int, float), 0.0)),
            conservative=tuple(_list(found, "conservative", str)),
            unreproducible=tuple(_list(found, "unreproducible", str)),
            written=_files(found, "written"),
            git=_git(_maybe(found, "git", dict)),
            folder=_maybe(found, "folder", str),
        )
    except NewerStoreError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, LineaError) as error:
        raise DamagedStoreError(f"the manifest of commit {id[:10]} is damaged: {error}") from error


def environment(found: Json) -> Environment:
    """The environment that `environment.json` describes."""
    try:
        return Environment(
            python=_get(found, "python", str, ""),
            platform=_get(found, "platform", str, ""),
            packages=tuple(
                Package(name, number)
                for name, number in _rows(found, "packages", name=str, version=str)
            ),
            variables=tuple(
                Variable(
                    _get(each, "name", str),
                    _maybe(each, "value", str),
                    _get(each, "kept", bool, True),
                )
                for each in _list(found, "variables", dict)
            ),
        )
    except (ValueError, TypeError) as error:
        raise DamagedStoreError(f"an {ENVIRONMENT} is damaged: {error}") from error


def _record(found: Json) -> ValueRecord:
    return ValueRecord(
        kind=_get(found, "kind", str),
        type=_get(found, "type", str),
        digest=Digest(_get(found, "digest", str)),
        codec=_get(found, "codec", str),
        parts=tuple(
            Part(path, size, digest)
            for path, size, digest in _rows(found, "parts", path=str, size=int, digest=str)
        ),
        columns=tuple(
            Column(name, type, digest, nulls)
            for name, type, digest, nulls in _rows(
                found, "columns", name=str, type=str, digest=str, nulls=int
            )
        ),
        summary=_get(found, "summary", dict, {}),
        details=_get(found, "details", dict, {}),
        pickled=_get(found, "pickled", bool, False),
        stable=_get(found, "stable", bool, True),
    )


@lru_cache(maxsize=256)
def _lines(runs: tuple[tuple[Any, ...], ...]) -> tuple[Origin | None, ...]:
    """The place of each line; cached, as most versions of an artifact have the same code."""
    lines: list[Origin | None] = []
    for file, cell, line, count in runs:
        if not isinstance(count, int) or not 0 < count <= 1_000_000:
            raise ValueError(f"'lines' has a run of {count!r} lines")
        if file is None:
            lines += [None] * count
        elif isinstance(file, str) and isinstance(line, int):
            lines += [Origin(file, line + at, cell) for at in range(count)]
        else:
            raise ValueError("'lines' holds something that is no place")
    return tuple(lines)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("'created' has no time zone")
    return found


# --------------------------------------------------------------------- what is noted afterwards


@dataclass(frozen=True, slots=True)
class Notes:
    """What is known of a version since it was saved."""

    verdict: Verdict | None = None
    written: tuple[InputFile, ...] = ()
    exports: tuple[InputFile, ...] = ()
    minimal: Minimal | None = None
    commits: tuple[str, ...] = ()
    """Commits of the surrounding git repository whose code makes the value."""
    tasks: tuple[str, ...] = ()
    """Keys of pipeline tasks that gave the value."""
    dropped: datetime | None = None
    """When a gc let the value go; it can be made again by its slice."""


def notes_bytes(notes: Notes) -> bytes:
    """The git note that keeps `notes`."""
    verdict = notes.verdict
    return dumps(
        {
            "format": NOTES_FORMAT,
            "verdict": verdict
            and {
                "outcome": verdict.outcome,
                "when": verdict.when.isoformat(),
                "digest": verdict.digest,
                "seconds": verdict.seconds,
                "detail": verdict.detail,
            },
            "written": files_json(notes.written),
            "exports": files_json(notes.exports),
            **({"minimal": _minimal_json(notes.minimal)} if notes.minimal else {}),
            **({"commits": list(notes.commits)} if notes.commits else {}),
            **({"tasks": list(notes.tasks)} if notes.tasks else {}),
            **({"dropped": notes.dropped.isoformat()} if notes.dropped else {}),
        }
    )


def parse_notes(data: bytes, what: str) -> Notes:
    """The notes that a git note keeps."""
    found = loads(data, what)
    try:
        said = _maybe(found, "verdict", dict)
        return Notes(
            verdict=said
            and Verdict(
                outcome=_get(said, "outcome", str),
                when=_moment(_get(said, "when", str)),
                digest=cast("Digest | None", _maybe(said, "digest", str)),
                seconds=float(_get(said, "seconds", (int, float), 0.0)),
                detail=_get(said, "detail", str, ""),
            ),
            written=_files(found, "written"),
            exports=_files(found, "exports"),
            minimal=_minimal(_maybe(found, "minimal", dict)),
            commits=tuple(_list(found, "commits", str)),
            tasks=tuple(_list(found, "tasks", str)),
            dropped=_moment(found["dropped"]) if found.get("dropped") else None,
        )
    except (ValueError, TypeError) as error:
        raise DamagedStoreError(f"{what} is damaged: {error}") from error


def _minimal_json(minimal: Minimal) -> Json:
    return {
        "code": minimal.code,
        "lines": _runs(minimal.lines),
        "when": minimal.when.isoformat(),
    }


def _minimal(found: Json | None) -> Minimal | None:
    return (
        None
        if found is None
        else Minimal(
            _get(found, "code", str),
            _lines(tuple(tuple(run) for run in _list(found, "lines", list))),
            _moment(_get(found, "when", str)),
        )
    )


def files_json(found: Sequence[InputFile]) -> list[Json]:
    """Files and their digests as JSON."""
    return [{"path": each.path, "digest": each.digest, "size": each.size} for each in found]


def _files(found: Json, key: str) -> tuple[InputFile, ...]:
    """The files that `files_json` wrote down."""
    return tuple(
        InputFile(path, digest, size)
        for path, digest, size in _rows(found, key, path=str, digest=str, size=int)
    )


def preview(path: str, data: bytes) -> Preview:
    """The preview that a file of the tree is."""
    return Preview({file: mime for mime, file in PREVIEWS.items()}[path], data)


# ------------------------------------------------------------------------------ checked access


def _get(found: Json, key: str, kind: Any, default: T | None = None) -> Any:
    """The value of `key`, of the kind that it must be of; `default` where there is none."""
    value = found.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{key!r} is {'missing' if value is None else 'not as it should be'}")
    return value


def _maybe(found: Json, key: str, kind: Any) -> Any:
    return None if found.get(key) is None else _get(found, key, kind)


def _list(found: Json, key: str, kind: type) -> list[Any]:
    values = found.get(key)
    if not values:
        return []
    if type(values) is not list or not set(map(type, values)) <= {kind}:
        raise ValueError(f"{key!r} holds something that doesn't belong there")
    return values


def _rows(found: Json, key: str, **kinds: type) -> Iterator[tuple[Any, ...]]:
    """The values, in the order of `kinds`, of each object in the list under `key`."""
    wanted = tuple(kinds.values())
    for each in _list(found, key, dict):
        row = tuple(map(each.get, kinds))
        if tuple(map(type, row)) != wanted:
            raise ValueError(f"{key!r} holds something that doesn't belong there")
        yield row


_HEX = re.compile(r"[0-9a-f]{4,40}")


def is_commit_prefix(text: str) -> bool:
    """Whether `text` may be the beginning of a commit's id."""
    return _HEX.fullmatch(text) is not None
