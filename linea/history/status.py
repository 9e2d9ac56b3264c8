"""Artifacts whose inputs, parents or code moved on since they were made, and what moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from linea.errors import NoSuchArtifactError
from linea.history.align import Unit, statements
from linea.history.reading import Reader
from linea.model import ArtifactName, Digest, InputFile, Version


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that moved on."""

    kind: str
    """`input` (changed), `gone` (an input file), `parent` (has a newer version), `code`, or
    `upstream` (a parent is stale itself)."""
    text: str
    what: str
    """The path or the parent's name."""
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """An artifact's latest version that would come out differently today."""

    version: Version
    reasons: tuple[Reason, ...]


def status(
    repository: Reader,
    root: Path,
    digest_file: Callable[[Path], Digest],
    names: Sequence[ArtifactName] | None = None,
) -> list[Stale]:
    """Return what is stale, an artifact after the ones it is made from.

    Paths are taken from `root`, the project's folder. With `names`, only these are reported; what
    they rest on is looked at all the same.
    """
    folder = _Folder(root, digest_file)
    tips = _tips(repository, names)
    found: dict[ArtifactName, Stale] = {}
    for name in _parents_first(tips):
        version = tips[name]
        reasons = [
            *_moved_inputs(version, folder),
            *_moved_parents(version, tips, found),
            *_moved_code(repository, version, folder),
        ]
        if reasons:
            found[name] = Stale(version, tuple(reasons))
    return [stale for name, stale in found.items() if names is None or name in names]


class _Folder:
    """The files of the project as they are now, each read once."""

    def __init__(self, root: Path, digest_file: Callable[[Path], Digest]) -> None:
        self.root = root
        self._digest_file = digest_file
        self._digests: dict[Path, Digest | None] = {}
        self._meanings: dict[str, frozenset[str] | None] = {}

    def digest(self, file: InputFile) -> Digest | None:
        """Return the digest of an input as it is now, None where it is gone."""
        path = self.root / file.path
        if path not in self._digests:
            try:
                self._digests[path] = self._digest_file(path) if path.exists() else None
            except OSError:
                self._digests[path] = None
        return self._digests[path]

    def meanings(self, file: str) -> frozenset[str] | None:
        """Return what the statements of a source file mean, None where there is no such file."""
        if file not in self._meanings:
            self._meanings[file] = self._read(self.root / file)
        return self._meanings[file]

    def _read(self, path: Path) -> frozenset[str] | None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError):
            return None
        sources = notebook_sources(text) if path.suffix == ".ipynb" else [text]
        return frozenset(meaning(unit) for source in sources for unit in statements(source))


def notebook_sources(text: str) -> list[str]:
    """Return the sources of a notebook's code cells, magics commented out."""
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, KeyError, TypeError):
        return []
    sources = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    return ["\n".join(map(_without_magic, source.splitlines())) for source in sources]


def _without_magic(line: str) -> str:
    return "#" + line if line.lstrip().startswith(("%", "!")) else line


def meaning(unit: Unit) -> str:
    """Return what a statement means wherever it stands: a slice may have cut around it."""
    return unit.meaning().removeprefix("/".join(unit.scope)).lstrip("/")


def _tips(repository: Reader, names: Sequence[ArtifactName] | None) -> dict[ArtifactName, Version]:
    """Return the latest versions of the artifacts and of all that they are made from."""
    open_names = list(repository.names() if names is None else names)
    tips: dict[ArtifactName, Version] = {}
    while open_names:
        name = open_names.pop()
        if name in tips:
            continue
        try:
            tips[name] = repository.tip(name)
        except NoSuchArtifactError:
            if names is not None and name in names:
                raise
            continue  # a parent that was removed since
        open_names += [parent.name for parent in tips[name].parents]
    return tips


def _parents_first(tips: dict[ArtifactName, Version]) -> list[ArtifactName]:
    """Order artifacts by what they are made from."""
    graph = {
        name: sorted({parent.name for parent in tips[name].parents if parent.name in tips} - {name})
        for name in sorted(tips)
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:  # the latest of each, made from older ones of the other
        return sorted(tips)


def _moved_inputs(version: Version, folder: _Folder) -> list[Reason]:
    reasons = []
    for file in version.inputs:
        now = folder.digest(file)
        if now is None:
            reasons.append(Reason("gone", f"{file.path} is gone", file.path, file.digest))
        elif now != file.digest:
            text = f"{file.path} changed"
            reasons.append(Reason("input", text, file.path, file.digest, now))
    return reasons


def _moved_parents(
    version: Version, tips: dict[ArtifactName, Version], stale: dict[ArtifactName, Stale]
) -> list[Reason]:
    reasons = []
    for parent in version.parents:
        tip = tips.get(parent.name)
        if tip is None or parent.name == version.name:
            continue
        # A newer version of the same value changes nothing.
        if tip.number > parent.number and tip.digest != parent.digest:
            text = f"{parent.name} is at v{tip.number}, made from v{parent.number}"
            before, after = f"v{parent.number}", f"v{tip.number}"
            reasons.append(Reason("parent", text, parent.name, before, after))
        elif parent.name in stale:
            reasons.append(Reason("upstream", f"{parent.name} is stale", parent.name))
    return reasons


def _moved_code(repository: Reader, version: Version, folder: _Folder) -> list[Reason]:
    """Say which source files no longer hold the statements of the slice."""
    files = {origin.file for origin in version.lines if origin is not None}
    present = {file: folder.meanings(file) for file in sorted(files)}
    if not any(meanings is not None for meanings in present.values()):
        return []
    reasons: dict[str, Reason] = {}
    lines = repository.code(version).splitlines()
    for unit in statements("\n".join(lines)):
        origins = [version.lines[n] for n in range(unit.start, min(unit.stop, len(version.lines)))]
        origin = next((each for each in origins if each is not None), None)
        if origin is None or origin.file in reasons:
            continue
        meanings = present.get(origin.file)
        if meanings is not None and meaning(unit) not in meanings:
            line = lines[unit.start].strip()
            text = f"{origin.file} no longer has: {line}"
            reasons[origin.file] = Reason("code", text, origin.file, before=unit.text)
    return list(reasons.values())
