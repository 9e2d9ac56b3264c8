"""Code as it stands in some state of a project → the versions that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from linea import values
from linea.history.align import statements
from linea.history.status import is_of_magics, notebook_sources
from linea.model import Version

if TYPE_CHECKING:
    from linea.store.repository import Repository

LOOKED_AT = 100
"""How many versions of an artifact are compared, from the newest."""

ReadFile = Callable[[str], bytes | None]
"""Gives a file of the project by its path; None where there is none."""


class Code:
    """The source files of one state of a project, each read once."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self._data: dict[str, bytes | None] = {}
        self._meanings: dict[str, frozenset[str] | None] = {}

    def data(self, path: str) -> bytes | None:
        if path not in self._data:
            outside = PurePosixPath(path).is_absolute()
            self._data[path] = None if outside else self._read(path)
        return self._data[path]

    def meanings(self, path: str) -> frozenset[str] | None:
        """What the statements of a file mean; None where there is no such file."""
        if path not in self._meanings:
            data = self.data(path)
            self._meanings[path] = None if data is None else read_meanings(path, data)
        return self._meanings[path]


def read_meanings(path: str, data: bytes) -> frozenset[str]:
    text = data.decode("utf-8", "replace")
    sources = notebook_sources(text) if path.endswith(".ipynb") else [text]
    return frozenset(p for source in sources for unit in statements(source) for p in unit.parts())


def fits(repository: Repository, version: Version, code: Code) -> bool:
    """Whether every statement of the version's slice, and each of its modules, is in the code."""
    for file in version.inputs:
        if file.path.endswith(".py"):
            data = code.data(file.path)
            if data is None or values.digest_bytes(data) != file.digest:
                return False
    found = False
    for unit in statements(repository.code(version)):
        origins = version.lines[unit.start : unit.stop]
        origin = next((each for each in origins if each is not None), None)
        if origin is None or is_of_magics(unit):
            continue
        meanings = code.meanings(origin.file)
        if meanings is None or not unit.parts() <= meanings:
            return False
        found = True
    return found


def matching(repository: Repository, code: Code, commit: str | None) -> Iterator[Version]:
    """The newest version of each artifact that `commit`, or else its code, makes."""
    for name in repository.names():
        candidates = list(islice(repository.versions(name), LOOKED_AT))
        noted = (v for v in candidates if commit is not None and commit in repository.commits(v))
        fitting = (v for v in candidates if fits(repository, v, code))
        found = next(chain(noted, fitting), None)
        if found is not None:
            yield found
