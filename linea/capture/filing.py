"""Files that a statement touched → what it read and wrote of them, and the session's inputs.

Paths stay texts, as audit events give them: this runs after every statement.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from linea.capture.files import Files, Touched
from linea.capture.objects import NOTHING, Graph
from linea.capture.rules import LISTING
from linea.capture.running import Running


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file as it was when a step read it."""

    path: str
    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class FileEffects:
    """What one statement did to the locations of files and folders."""

    reads: set[str]
    binds: set[str]
    mutates: set[str]


class Filing:
    """Which files the session has written so far, and which open handles stand for which."""

    def __init__(self, root: Path, own: Iterable[str], graph: Graph) -> None:
        self.files = Files(root, own)
        self._graph = graph
        self._handles: dict[str, set[str]] = {}
        self._written: set[str] = set()
        self._made_folders: set[str] = set()

    @property
    def written(self) -> frozenset[str]:
        """Every file that the session has written or removed so far."""
        return frozenset(self._written)

    # ------------------------------------------------------------------------------- handles

    def behind(self, names: Iterable[str]) -> set[str]:
        """Files that handles below `names` stand for."""
        found: set[str] = set()
        for name in names:
            found |= self._handles.get(name, set())
            below = self._graph.reach.get(name, NOTHING).files
            found |= {self.files.absolute(path) for path in below}
        return found

    def forget(self, name: str) -> None:
        """`name` is unbound."""
        self._handles.pop(name, None)

    def tie(self, bound: Iterable[str], running: Running, touched: Touched) -> None:
        """Take new names that hold something unseen for handles of the files just touched."""
        paths = touched.read | touched.created | touched.changed | running.named
        for name in bound:
            reach = self._graph.reach.get(name, NOTHING)
            if not (reach.opaque or reach.lazy):
                self._handles.pop(name, None)
            elif paths:
                self._handles[name] = set(paths)

    # ------------------------------------------------------------------------------- effects

    def effects(
        self, running: Running, touched: Touched, mutated: Iterable[str], *, lists: bool, asks: bool
    ) -> FileEffects:
        """What a statement did that changed the objects of `mutated`.

        `lists`: it lists folders; `asks`: it asks about files that it needn't open.
        """
        written = self._written_through(mutated, touched)
        made = touched.created | touched.removed
        return FileEffects(
            reads=(_files(self._written) if asks else set())
            | _files((touched.read | touched.removed | running.named) - (touched.created - touched.read))
            | self._read_by_processes(touched)
            | _files(written)
            | (_folders(touched.listed) if lists else set())
            | self._folders_used(touched),
            binds=_files(made),
            mutates=(
                _files(touched.changed | written) | _folders(map(os.path.dirname, made))
            ) - _files(made),
        )  # fmt: skip

    def _written_through(self, mutated: Iterable[str], touched: Touched) -> set[str]:
        # What can be done to a handle can change the file behind it.
        return self.behind(mutated) & (self._written | touched.created)

    def _read_by_processes(self, touched: Touched) -> set[str]:
        """What child processes may have read or listed that can't be seen."""
        if not touched.processes:
            return set()
        unseen = set() if self.files.sees_c else {p for p in self._written if os.path.lexists(p)}
        return _files(unseen) | _folders({os.getcwd(), *map(os.path.dirname, self._written)})

    def _folders_used(self, touched: Touched) -> set[str]:
        """Folders made by the session that a touched file lies in."""
        self._made_folders |= {path for path in touched.created if os.path.isdir(path)}
        if not self._made_folders:
            return set()
        paths = touched.read | touched.created | touched.changed | touched.removed | touched.listed
        return _files(
            folder
            for folder in self._made_folders
            if any(path.startswith(folder + os.sep) for path in paths)
        )

    # ------------------------------------------------------------------------------- records

    def inputs(self, running: Running, touched: Touched) -> list[FileRead]:
        """Files that the statement read and that no statement has written."""
        read = touched.read | running.named
        states = map(_state, sorted(read - self._written - touched.created))
        return [state for state in states if state is not None]

    def outputs(self, touched: Touched) -> list[str]:
        """Files that the statement wrote; from now on they are no inputs."""
        written = touched.created | touched.changed
        self._written |= written | touched.removed
        return sorted(path for path in written if os.path.isfile(path))


def lists_folders(mentions: set[str], touched: Touched) -> bool:
    """Whether a statement asked which files there are, and not only opened one."""
    return bool(touched.listed) and bool(mentions & LISTING or touched.processes)


def _state(path: str) -> FileRead | None:
    """A file as it is now; None for a folder and for what isn't there."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return FileRead(path, stat.st_mtime_ns, stat.st_size) if os.path.isfile(path) else None


def _files(paths: Iterable[str]) -> set[str]:
    return {f"file:{path}" for path in paths}


def _folders(paths: Iterable[str]) -> set[str]:
    return {f"folder:{path}" for path in paths}
