"""Artifacts whose inputs, parents or code moved on since they were made, and what moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from linea.errors import NoSuchArtifactError
from linea.history.align import Unit, statements
from linea.history.reading import Reader
from linea.model import ArtifactName, Digest, InputFile, Version, is_inner


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the code would run on today."""

    python: str
    package: Callable[[str], str | None]
    """The version of a package that is installed; None where it isn't."""
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that moved on."""

    kind: str
    """`input` (changed), `gone` (an input file), `parent` (has a newer version), `code`,
    `environment`, or `upstream` (a parent is stale itself)."""
    text: str
    what: str
    """The path, the parent's name, the package or `$VARIABLE`."""
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """An artifact's latest version that would come out differently today."""

    version: Version
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Altered:
    """A file that was written from a version and isn't any more what was written."""

    path: str
    version: Version
    """The newest version that wrote it."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a project stands."""

    versions: tuple[Version, ...]
    """The latest version of each artifact that was looked at."""
    stale: tuple[Stale, ...]
    altered: tuple[Altered, ...]
    unverified: tuple[Version, ...]
    """The versions of these that were never run again, or came out differently."""

    def __bool__(self) -> bool:
        """Whether something needs doing."""
        return bool(self.stale)


def survey(
    repository: Reader,
    root: Path,
    digest_file: Callable[[Path], Digest],
    names: Sequence[ArtifactName] | None = None,
    here: Surroundings | None = None,
) -> Status:
    """Return how the artifacts of a project stand; see `status` for what is stale."""
    tips = _tips(repository, names)
    versions = [tips[name] for name in sorted(tips) if names is None or name in names]
    verdicts = {version.commit: repository.verdict(version) for version in versions}
    return Status(
        versions=tuple(versions),
        stale=tuple(_stale(repository, _Folder(root, digest_file), tips, names, here)),
        altered=tuple(altered(repository, root, digest_file, versions)),
        unverified=tuple(
            version
            for version in versions
            if (verdict := verdicts[version.commit]) is None
            or verdict.outcome not in ("identical", "equal")
        ),
    )


def altered(
    repository: Reader,
    root: Path,
    digest_file: Callable[[Path], Digest],
    versions: Sequence[Version],
) -> list[Altered]:
    """Return the files that versions had written and that hold something else now."""
    last: dict[str, tuple[Version, InputFile]] = {}
    for version in sorted(versions, key=lambda each: (each.created, each.number)):
        last |= {file.path: (version, file) for file in repository.written(version)}
    found = []
    for path, (version, file) in sorted(last.items()):
        with suppress(OSError):
            there = root / path
            # A folder's size isn't its content's.
            other = there.is_file() and there.stat().st_size != file.size
            if other or (there.exists() and digest_file(there) != file.digest):
                found.append(Altered(path, version))
    return found


def status(
    repository: Reader,
    root: Path,
    digest_file: Callable[[Path], Digest],
    names: Sequence[ArtifactName] | None = None,
    here: Surroundings | None = None,
) -> list[Stale]:
    """Return what is stale, an artifact after the ones it is made from.

    Paths are taken from `root`, the project's folder. With `names`, only these are reported; what
    they rest on is looked at all the same. The environment is only compared where `here` tells it.
    """
    tips = _tips(repository, names)
    return _stale(repository, _Folder(root, digest_file), tips, names, here)


def _stale(
    repository: Reader,
    folder: _Folder,
    tips: dict[ArtifactName, Version],
    names: Sequence[ArtifactName] | None,
    here: Surroundings | None,
) -> list[Stale]:
    found: dict[ArtifactName, Stale] = {}
    for name in _parents_first(tips):
        version = tips[name]
        if is_inner(name) and version.result == "pipeline":
            continue  # it names the versions whose code it runs, whatever was made since
        reasons = [
            *_moved_inputs(version, folder),
            *_moved_parents(version, tips, found),
            *_moved_code(repository, version, folder),
            *_moved_environment(version, here),
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
        return frozenset(
            p for source in sources for unit in statements(source) for p in unit.parts()
        )


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


def _tips(repository: Reader, names: Sequence[ArtifactName] | None) -> dict[ArtifactName, Version]:
    """Return the latest versions of the artifacts and of all that they are made from.

    What belongs to a pipeline is only looked at by name.
    """
    if names is None:
        return {tip.name: tip for tip in repository.tips() if not is_inner(tip.name)}
    open_names = list(names)
    tips: dict[ArtifactName, Version] = {}
    while open_names:
        name = open_names.pop()
        if name in tips:
            continue
        try:
            tips[name] = repository.tip(name)
        except NoSuchArtifactError:
            if name in names:
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


def _moved_environment(version: Version, here: Surroundings | None) -> list[Reason]:
    """Say which packages and variables are others now; what isn't there isn't compared."""
    if here is None:
        return []
    moved = []
    then = version.environment
    if then.python and _minor(then.python) != _minor(here.python):
        moved.append(("Python", then.python, here.python))
    for package in then.packages:
        now = here.package(package.name)
        if now is not None and now != package.version:
            moved.append((package.name, package.version, now))
    for variable in then.variables:
        value = here.variables.get(variable.name)
        if variable.kept and value != variable.value:
            moved.append((f"${variable.name}", _told(variable.value), _told(value)))
    return [
        Reason("environment", f"{what} is {now}, was {was}", what, was, now)
        for what, was, now in moved
    ]


def _told(value: str | None) -> str:
    return "not set" if value is None else repr(value)


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def is_of_magics(unit: Unit) -> bool:
    """Whether a statement of a slice is there in place of a notebook's magics."""
    return "get_ipython()" in unit.text or "__import__(" in unit.text


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
        if origin is None or origin.file in reasons or is_of_magics(unit):
            continue
        meanings = present.get(origin.file)
        if meanings is not None and not unit.parts() <= meanings:
            line = lines[unit.start].strip()
            text = f"{origin.file} no longer has: {line}"
            reasons[origin.file] = Reason("code", text, origin.file, before=unit.text)
    return list(reasons.values())
