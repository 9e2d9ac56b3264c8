"""Rows that were worked out from commits, kept in the store's cache by commit.

A commit never changes, so neither does what follows from it alone: rows are only ever added. Each
line has a checksum; one that a killed writer left half, or a disk changed, is as good as missing.
"""

from __future__ import annotations

import zlib
from typing import Any

from linea import jsons
from linea.store.backend import Backend

_KEY = 40
_FEW = 32
"""So many rows are found again faster than they are written down."""


class Ledger:
    """The rows in one file of the cache; the number in its name changes with what rows hold."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name
        self._lines: dict[bytes, bytes] | None = None
        self._new: dict[str, Any] = {}

    def get(self, commit: str) -> Any:
        """The row of a commit; None where there is none."""
        if commit in self._new:
            return self._new[commit]
        if self._lines is None:
            data = self._backend.cached(self._name) or b""
            self._lines = {line[:_KEY]: line for line in data.split(b"\n")}
        line = self._lines.get(commit.encode())
        if line is None:
            return None
        text = line[_KEY + 10 :]
        if line[_KEY + 1 : _KEY + 9] != b"%08x" % _sum(line[:_KEY], text):
            return None
        return jsons.loads(text)

    def put(self, commit: str, row: Any) -> None:
        """Add a row, a JSON array."""
        self._new[commit] = row

    def flush(self) -> None:
        """Write down what was added, if it is worth it."""
        if len(self._new) < _FEW:
            return
        lines = []
        for commit, row in self._new.items():
            text = jsons.dumps(row, ensure_ascii=True, separators=(",", ":")).encode()
            key = commit.encode()
            lines.append(b"%s %08x %s" % (key, _sum(key, text), text))
        # A line that was cut off before must not swallow the first of ours.
        self._backend.cache(self._name, b"\n" + b"\n".join(lines) + b"\n", append=True)
        if self._lines is not None:
            self._lines |= {line[:_KEY]: line for line in lines}
        self._new = {}


def _sum(key: bytes, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(key))
