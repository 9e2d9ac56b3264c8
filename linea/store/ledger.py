"""Rows that were worked out from commits, kept in the store's cache by commit, or in one piece.

A commit never changes, so neither does what follows from it alone: rows are only ever added. Each
line has a checksum; one that a killed writer left half, or a disk changed, is as good as missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import xxhash

from linea import jsons
from linea.store.backend import Backend

_KEY = 40
_FEW = 32
"""So many rows are found again faster than they are written down."""
_FEW_ASKED = 4
"""So many rows are worked out faster than those of ten thousand commits are read."""
_MANY_READ = 64
"""After so many rows, all are read in one go: that takes a fifth of one after another."""


class Ledger:
    """The rows in one file of the cache; the number in its name changes with what rows hold."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name
        self._lines: dict[bytes, bytes] | None = None
        self._rows: dict[str, Any] = {}
        """What has been read of the lines."""
        self._new: dict[str, Any] = {}
        self._asked = self._read = 0

    def get(self, commit: str) -> Any:
        """The row of a commit; None where there is none."""
        row = self._new.get(commit) or self._rows.get(commit)
        if row is not None:
            return row
        if self._lines is None:
            data = self._backend.cached(self._name) or b""
            self._lines = {line[:_KEY]: line for line in data.split(b"\n")}
        line = self._lines.get(commit.encode())
        if line is None:
            return None
        self._read += 1
        if self._read == _MANY_READ:
            self._rows = _all_rows(self._lines)
            return self._rows.get(commit)
        text = _text(line)
        if text is None:
            del self._lines[commit.encode()]
            return None
        return jsons.loads(text)

    def one(self, commit: str) -> Any:
        """As `get`, and None for the first few that are asked for: they are soon worked out."""
        if self._lines is None and commit not in self._new:
            self._asked += 1
            if self._asked <= _FEW_ASKED:
                return None
        return self.get(commit)

    def put(self, commit: str, row: Any) -> None:
        """Add a row, a JSON array."""
        self._new[commit] = row

    def keep(self, rows: Mapping[str, Any]) -> None:
        """Write down rows of commits that were made just now."""
        lines = [_line(commit, row) for commit, row in rows.items()]
        # A line that was cut off before must not swallow the first of ours.
        self._backend.cache(self._name, b"\n" + b"\n".join(lines) + b"\n", append=True)
        if self._lines is not None:
            self._lines |= {line[:_KEY]: line for line in lines}
        for commit in rows:
            self._new.pop(commit, None)

    def flush(self) -> None:
        """Write down what was added, if it is worth it."""
        if len(self._new) >= _FEW:
            known = self._lines or {}
            self.keep({id: row for id, row in self._new.items() if id.encode() not in known})


def read_piece(backend: Backend, kind: str, about: str) -> Any:
    """What was kept in one piece about an artifact or the like; None where that isn't whole."""
    data = backend.cached(_file(kind, about))
    if data is None or data[:8] != b"%08x" % zlib.crc32(data[9:]):
        return None
    found = jsons.loads(data[9:])
    return found["is"] if found["of"] == about else None


def write_piece(backend: Backend, kind: str, about: str, value: Any) -> None:
    """Keep JSON data in one piece, instead of what was there."""
    text = jsons.dumps({"of": about, "is": value}, ensure_ascii=True, separators=(",", ":"))
    data = text.encode()
    backend.cache(_file(kind, about), b"%08x %s" % (zlib.crc32(data), data), append=False)


def _file(kind: str, about: str) -> str:
    return f"{kind}-{xxhash.xxh3_64_hexdigest(about.encode())}"


def _text(line: bytes) -> bytes | None:
    """The row in a line, as it was written; None where its checksum is another."""
    text = line[_KEY + 10 :]
    return text if line[_KEY + 1 : _KEY + 9] == b"%08x" % _sum(line[:_KEY], text) else None


def _all_rows(lines: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The rows of all lines that are whole."""
    found = {key.decode(): text for key, line in lines.items() if (text := _text(line))}
    rows = jsons.loads(b"[" + b",".join(found.values()) + b"]")
    return dict(zip(found, rows, strict=True))


def _line(commit: str, row: Any) -> bytes:
    text = jsons.dumps(row, ensure_ascii=True, separators=(",", ":")).encode()
    key = commit.encode()
    return b"%s %08x %s" % (key, _sum(key, text), text)


def _sum(key: bytes, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(key))
