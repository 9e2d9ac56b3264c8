"""Files and folders on disk ⇄ their bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from linea.errors import UnstorableError
from linea.model import Digest, Encoded, Payload, Preview, ValueRecord
from linea.values import codec
from linea.values.digest import Of, finish, folder_digest, join, name, of_value
from linea.values.parts import Parts, byte_stream
from linea.values.preview import count, text_preview

PICTURE_LIMIT = 1_000_000
BLOCK = 1 << 20
"""Bytes of a file that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a folder: its name relative to it, and where it lies."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Tree:
    """What a folder holds."""

    files: tuple[Entry, ...]
    empty: tuple[str, ...]
    """Folders with nothing in them."""


def walk(folder: Path) -> Tree:
    """Return a folder's files by name, links followed; refuse what has no bytes."""
    files: list[Entry] = []
    empty: list[str] = []

    def visit(place: Path, prefix: str, above: frozenset[str]) -> None:
        real = os.path.realpath(place)
        if real in above:
            raise UnstorableError(f"the folder {place} contains itself through a link")
        found = sorted(place.iterdir())
        if not found and prefix:
            empty.append(prefix.rstrip("/"))
        for path in found:
            inner = f"{prefix}{path.name}"
            if path.is_dir():
                visit(path, inner + "/", above | {real})
            elif path.is_file():
                files.append(Entry(inner, path))
            else:
                raise UnstorableError(
                    f"{path} is neither a file nor a folder",
                    hint="remove it, or save the files one by one",
                )

    visit(folder, "", frozenset())
    return Tree(tuple(files), tuple(empty))


def encode_path(path: Path) -> Encoded:
    """Return the bytes and record of a file or folder on disk."""
    if path.is_dir():
        return _encode_folder(path)
    if not path.exists():
        raise UnstorableError(f"there is no file {str(path)!r}")
    if not path.is_file():
        raise UnstorableError(f"{str(path)!r} is neither a file nor a folder")
    found = _content(path)
    return codec.build(
        path,
        kind="file",
        codec="file",
        parts={"content": found.payload},
        text=f"file {path.name}, {count(found.size, 'byte')}",
        summary={"path": str(path)},
        digest=found.hash,
        details={"name": path.name, "executable": _executable(path)},
        preview=_file_preview(path, found.size),
    )


def _encode_folder(path: Path) -> Encoded:
    tree = walk(path)
    found = [_content(entry.path) for entry in tree.files]
    hashed = ((entry.name, each.hash) for entry, each in zip(tree.files, found, strict=True))
    label = path.resolve().name
    total = sum(each.size for each in found)
    return codec.build(
        path,
        kind="folder",
        codec="folder",
        parts={f"files/{index}": each.payload for index, each in enumerate(found)},
        text=f"folder {label}, {count(len(tree.files), 'file')}, {count(total, 'byte')}",
        summary={"path": str(path), "files": len(tree.files)},
        digest=bytes.fromhex(folder_digest(hashed).rpartition(":")[2]),
        details={
            "name": label,
            "files": [
                {
                    "name": entry.name,
                    "part": f"files/{index}",
                    "executable": _executable(entry.path),
                }
                for index, entry in enumerate(tree.files)
            ],
            "empty": list(tree.empty),
        },
        preview=text_preview(
            "\n".join(
                f"{each.size:>12,}  {entry.name}"
                for entry, each in zip(tree.files, found, strict=True)
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file holds."""

    hash: bytes
    size: int
    payload: Payload


def _content(path: Path) -> _Content:
    """Read a file once for its hash; its bytes are read again when they are stored."""
    first, state, size = b"", xxhash.xxh3_128(), 0
    for block in _blocks(path):
        first = first or block
        state.update(block)
        size += len(block)
    raw = state.digest()
    if size == len(first):
        return _Content(raw, size, first)
    mark = join("file", raw).hex()
    return _Content(raw, size, byte_stream(lambda: _same(path, raw), size, print=mark))


def _same(path: Path, expected: bytes) -> Iterator[bytes]:
    """Yield a file's bytes; raise at the end where they aren't those that were hashed."""
    state = xxhash.xxh3_128()
    for block in _blocks(path):
        state.update(block)
        yield block
    if state.digest() != expected:
        raise UnstorableError(
            f"{str(path)!r} changed while it was being saved",
            hint="save it when nothing writes to it",
        )


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise UnstorableError(f"{str(path)!r} can't be read: {error.strerror}") from error


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _file_preview(path: Path, size: int) -> Preview | None:
    data = next(_blocks(path), b"")
    if data.startswith(b"\x89PNG") and size <= min(PICTURE_LIMIT, len(data)):
        return Preview("image/png", data)
    try:
        head = data[:8000].decode("utf-8", "strict" if size <= 8000 else "ignore")
    except UnicodeDecodeError:
        return None
    return text_preview(head) if "\0" not in head else None


def safe(label: str) -> str:
    """Return a stored relative name if it stays inside the folder it is put into."""
    path = PurePosixPath(label)
    if not label or path.is_absolute() or ".." in path.parts or "\0" in label or "\\" in label:
        raise UnstorableError(f"the stored name {label!r} leads out of its folder")
    return label


class FileCodec:
    """A file as it is; decoding gives its bytes."""

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: Any) -> Encoded:
        return encode_path(Path(value))

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return read("content")

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {safe(record.details["name"]): read("content")}


class FolderCodec:
    """A folder's files as they are; decoding gives a dict from name to bytes."""

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: Any) -> Encoded:
        return encode_path(Path(value))

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return {entry["name"]: read(entry["part"]) for entry in record.details["files"]}

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        label = safe(record.details["name"])
        return {
            f"{label}/{safe(entry['name'])}": read(entry["part"])
            for entry in record.details["files"]
        }


FILE, FOLDER = FileCodec(), FolderCodec()


# --------------------------------------------------------------------------------- known by content


def logical(path: Path) -> Iterator[Digest]:
    """Yield the logical digests of what a file holds, where its form is open and known."""
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        return
    try:
        values = reader(path)
    except Exception:
        return  # not what its name says: it is known by its bytes only
    for value in values:
        yield name(of_value(value))


def columns_of(path: Path) -> dict[str, Digest]:
    """Return the columns of the table that a file holds with their digests; none for others."""
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        return {}
    from linea.values.codec import encode

    try:
        found = reader(path)[-1]
        return {column.name: column.digest for column in encode(found).record.columns}
    except Exception:
        return {}  # not what its name says


def _tables(table: Any) -> list[object]:
    found: list[object] = [table]
    if (table.schema.metadata or {}).get(b"pandas"):
        found.append(table.to_pandas())
    return found


def _parquet(path: Path) -> list[object]:
    import pyarrow.parquet as pq

    return _tables(pq.read_table(path))


def _feather(path: Path) -> list[object]:
    import pyarrow.feather as feather

    return _tables(feather.read_table(path))


def _csv(path: Path) -> list[object]:
    import pyarrow.csv

    return [pyarrow.csv.read_csv(path)]


def _npy(path: Path) -> list[object]:
    from linea.values.arrays import from_npy

    return [from_npy(path.read_bytes())]


def _json(path: Path) -> list[object]:

    from linea import jsons
    from linea.values.plain import from_json

    data = jsons.loads(path.read_bytes())
    return [from_json(data), data]


READERS: Mapping[str, Callable[[Path], list[object]]] = {
    ".parquet": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".csv": _csv,
    ".npy": _npy,
    ".json": _json,
    ".txt": lambda path: [path.read_bytes().decode()],
}
