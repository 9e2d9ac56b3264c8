"""Where and when the command runs: the only place that looks at cwd, environment and clock."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from linea import places
from linea.errors import LineaError, NoStoreError, NoSuchArtifactError, NoSuchVersionError
from linea.model import Version
from linea.places import STORE as STORE
from linea.places import now as now

if TYPE_CHECKING:
    from linea.history.status import Surroundings
    from linea.store.repository import Repository


class Progress:
    """A line on a terminal that says what is running."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.total, self.begun = total, 0
        self.shown = sys.stderr.isatty() and not quiet

    def starting(self, what: str) -> None:
        self.begun += 1
        self.say(f"running {what} ({self.begun} of {max(self.begun, self.total)}) …")

    def say(self, text: str) -> None:
        if self.shown:
            from linea.cli.render import clean

            sys.stderr.write(f"\r\x1b[2K{clean(text)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Project:
    """An open store and the folder that its paths are relative to."""

    repository: Repository
    root: Path
    store: Path


def today() -> Surroundings:
    """Return what code would run on if it ran now."""
    import platform
    from functools import cache
    from importlib import metadata

    from linea.history.status import Surroundings

    @cache
    def package(name: str) -> str | None:
        try:
            return metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            return None

    return Surroundings(platform.python_version(), package, os.environ)


def store_here() -> Path:
    """Return the store of the folder that the command runs in."""
    found = places.find_store(Path.cwd())
    if found is None:
        raise NoStoreError(
            f"there is no {STORE} store in {Path.cwd()} or above",
            hint="linea init makes one here; linea run FILE.py makes one on the first save",
        )
    return found


@contextmanager
def project() -> Iterator[Project]:
    """Open the store of the folder that the command runs in."""
    with open_project(store_here()) as found:
        yield found


@contextmanager
def open_project(path: Path) -> Iterator[Project]:
    """Open the store at `path`."""
    from linea.store.repository import Repository

    with Repository.open(path) as repository:
        yield Project(repository, path.parent, path)


def revision(repository: Repository, text: str) -> Version:
    """Return the version that a revision names, or that a file on disk holds."""
    from linea.history.revision import resolve

    try:
        return resolve(repository, text, now=now())
    except (NoSuchArtifactError, NoSuchVersionError):
        if not Path(text).exists():
            raise
    root = repository.path.parent if repository.path else None
    return of_file(repository, Path(text), root)


def of_file(repository: Repository, path: Path, root: Path | None = None) -> Version:
    """Return the newest version whose value the file holds; an error names what it is nearest to."""
    from linea import values
    from linea.history.files import nearest, resolve_file

    try:
        digests = values.identify(path)
    except IsADirectoryError:
        digests = []
    found = resolve_file(repository, digests)
    if found:
        return found[0]
    where = shown_path(path, root or Path.cwd())
    near = nearest(repository, where, values.columns_of(path))
    if near:
        hint = "nearest: " + "; ".join(f"{each.version.revision} ({each.why})" for each in near)
    else:
        hint = "files are found by their content; made from a file: linea log FILE"
    raise NoSuchVersionError(f"{path} is in no version", hint=hint)


def shown_path(path: Path, root: Path) -> str:
    """Return a path as versions hold it: relative to the project where it lies in it."""
    resolved = path.resolve()
    try:
        return resolved.relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(resolved)


def complete_names(incomplete: str) -> list[str]:
    """Return the artifacts whose names begin so, for the shell."""
    try:
        with project() as here:
            return [name for name in here.repository.names() if name.startswith(incomplete)]
    except (LineaError, OSError):
        return []


def complete_deleted(incomplete: str) -> list[str]:
    """Return the removed artifacts whose names begin so, for the shell."""
    try:
        with project() as here:
            return [name for name in here.repository.deleted() if name.startswith(incomplete)]
    except (LineaError, OSError):
        return []


def complete_revisions(incomplete: str) -> list[str]:
    """Return the revisions that begin so, for the shell: names, then versions and tags of one."""
    name, at, _ = incomplete.partition("@")
    if not at:
        return complete_names(incomplete)
    try:
        with project() as here:
            versions = [each.number for each in here.repository.versions(name)]
            tags = sorted(here.repository.tags(name))
    except (LineaError, OSError):
        return []
    known = [*tags, *[f"v{number}" for number in versions]]
    return [f"{name}@{each}" for each in known if f"{name}@{each}".startswith(incomplete)]


@contextmanager
def without_collecting() -> Iterator[None]:
    """Don't look for cycles meanwhile: among very many records it takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
