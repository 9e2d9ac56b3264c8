"""What is stale → new versions: slices run again on what is there now, in the order of dependency."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from linea import values
from linea.codegen.parts import Part
from linea.codegen.widen import widen
from linea.errors import LineaError, NoSuchArtifactError
from linea.history.status import Stale, Surroundings, status
from linea.model import (
    ArtifactName,
    CommitId,
    Digest,
    Draft,
    Encoded,
    Environment,
    GitState,
    InputFile,
    Package,
    Parent,
    Version,
)
from linea.replay.divergence import installed
from linea.replay.run import Run, run

if TYPE_CHECKING:
    from linea.store.repository import Repository

MODULE_SUFFIX = ".py"


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes the new versions, when and in which state of the surrounding git repository."""

    name: str
    clock: Callable[[], datetime]
    git: GitState | None = None
    keep: int = 0
    """Bytes up to which an input is kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stale artifact."""

    stale: Stale
    made: Version | None = None
    """The new version; None where there is none."""
    seconds: float = 0.0
    problem: str = ""
    """Why there is none."""

    @property
    def same(self) -> bool:
        """Whether the new version has the value that the one before had."""
        return self.made is not None and self.made.digest == self.stale.version.digest


def plan(
    repository: Repository, root: Path, names: Sequence[ArtifactName] | None = None
) -> list[Stale]:
    """What would be run again, in order; with `names`, these and what they are made from."""
    wanted = None if names is None else with_ancestors(repository, names)
    return status(repository, root, values.digest_file, wanted, here())


def here() -> Surroundings:
    return Surroundings(platform.python_version(), installed, os.environ)


def with_ancestors(repository: Repository, names: Sequence[ArtifactName]) -> list[ArtifactName]:
    found: list[ArtifactName] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            tip = repository.tip(name)
        except NoSuchArtifactError:
            if name in names:
                raise
            continue
        found.append(name)
        waiting += [parent.name for parent in tip.parents]
    return found


def update(
    repository: Repository,
    root: Path,
    author: Author,
    names: Sequence[ArtifactName] | None = None,
    *,
    run_source: Callable[[str], int],
    timeout: float | None = None,
    starting: Callable[[Stale], None] = lambda stale: None,
) -> Iterator[Outcome]:
    """Run again what is stale, parents first; yield what became of each.

    A slice whose inputs or parents moved on runs on what is there now, in a scratch copy. Where
    the code itself changed the slice is no longer it: `run_source` runs the file in its place,
    watched, and gives its exit status. What is only stale because of a parent that comes out the
    same as before isn't run.
    """
    tried: set[ArtifactName] = set()
    failed: set[str] = set()
    sources: set[str] = set()
    while True:
        waiting = [each for each in plan(repository, root, names) if each.version.name not in tried]
        if not waiting:
            return
        stale = waiting[0]
        name = stale.version.name
        tried.add(name)
        blocked = next((p.name for p in stale.version.parents if p.name in failed), None)
        if blocked:
            failed.add(name)
            yield Outcome(stale, problem=f"{blocked}, which it is made from, couldn't be updated")
            continue
        starting(stale)
        try:
            outcome = again(repository, stale, root, author, run_source, sources, timeout=timeout)
        except (LineaError, OSError) as error:
            outcome = Outcome(stale, problem=str(error))
        if outcome.made is None:
            failed.add(name)
        yield outcome


def again(
    repository: Repository,
    stale: Stale,
    root: Path,
    author: Author,
    run_source: Callable[[str], int],
    sources: set[str],
    *,
    timeout: float | None,
) -> Outcome:
    version = stale.version
    gone = [reason.text for reason in stale.reasons if reason.kind == "gone"]
    if gone:
        return Outcome(stale, problem="; ".join(gone))
    if any(reason.kind == "code" for reason in stale.reasons):
        return from_source(repository, stale, run_source, sources)
    part, ran = run_on_present(repository, version, root, timeout=timeout)
    if ran.record is None or ran.outcome != "done":
        return Outcome(stale, seconds=ran.seconds, problem=ran.traceback or ran.outcome)
    (made,) = repository.commit([draft(repository, stale, part, ran, root, author)])
    return Outcome(stale, made, ran.seconds)


def from_source(
    repository: Repository, stale: Stale, run_source: Callable[[str], int], sources: set[str]
) -> Outcome:
    """Run the file that the code is in now."""
    version = stale.version
    if not version.source or version.source in sources:
        return Outcome(stale, problem=f"{version.source or 'its code'} makes no new version of it")
    sources.add(version.source)
    began = author_time()
    if run_source(version.source) != 0:
        return Outcome(stale, problem=f"{version.source} failed")
    tip = repository.tip(version.name)
    seconds = author_time() - began
    if tip.commit == version.commit:
        return Outcome(stale, problem=f"{version.source} makes no new version of it")
    return Outcome(stale, tip, seconds)


def author_time() -> float:
    import time

    return time.perf_counter()


def run_on_present(
    repository: Repository, version: Version, root: Path, *, timeout: float | None
) -> tuple[Part, Run]:
    """Run a slice on the files and the parents as they are now, with all that these may make count.

    Gives the code that ran with what came of it.
    """
    code = repository.code(version)
    part = Part(version.name, code, version.result, lines=version.lines)
    wider = widen(part, repository.session(version))
    ran = _run(repository, version, wider.code, root, timeout)
    if wider.code != code and ran.traceback.rpartition("\n")[2].startswith(_UNBOUND):
        # Nothing of the user's: something that the statements taken in rest on wasn't.
        return part, _run(repository, version, code, root, timeout)
    return wider, ran


_UNBOUND = ("NameError:", "UnboundLocalError:")


def _run(
    repository: Repository, version: Version, code: str, root: Path, timeout: float | None
) -> Run:
    return run(
        code,
        version.result,
        root=root,
        inputs=version.inputs,
        source=version.source,
        folder=version.folder,
        name=version.name,
        kind=version.value.kind,
        store=repository.path,
        parents=[newest(repository, parent) for parent in version.parents],
        timeout=timeout,
        keep_parts=True,
    )


def newest(repository: Repository, parent: Parent) -> Parent:
    try:
        tip = repository.tip(parent.name)
    except NoSuchArtifactError:
        return parent
    return Parent(tip.name, tip.number, tip.commit, tip.digest)


def draft(
    repository: Repository, stale: Stale, part: Part, ran: Run, root: Path, author: Author
) -> Draft:
    """The next version: what the code of `part` gave on what is there now."""
    assert ran.record is not None
    version = stale.version
    inputs, kept = read_inputs(version.inputs, ran.modules, root, author.keep)
    return Draft(
        name=version.name,
        code=part.code,
        session=repository.session(version),
        value=Encoded(ran.record, ran.parts[-1], ran.preview),
        author=author.name,
        created=author.clock(),
        parents=tuple(parents(repository, version, ran)),
        inputs=inputs,
        kept=kept,
        environment=environment_now(version.environment, os.environ),
        result=version.result,
        lines=part.lines,
        source=version.source,
        seconds=ran.seconds,
        conservative=version.conservative,
        unreproducible=version.unreproducible,
        git=author.git,
        folder=version.folder,
    )


def parents(repository: Repository, version: Version, ran: Run) -> Iterator[Parent]:
    """What the run got from the store, and the newest of what its own code makes on the way."""
    got = [repository.by_commit(CommitId(commit)) for commit in dict.fromkeys(ran.loaded)]
    yield from (Parent(each.name, each.number, each.commit, each.digest) for each in got)
    names = {each.name for each in got}
    for parent in version.parents:
        if parent.name not in names and parent.name != version.name:
            yield newest(repository, parent)


def read_inputs(
    recorded: Sequence[InputFile], modules: Sequence[str], root: Path, keep: int
) -> tuple[tuple[InputFile, ...], dict[Digest, bytes]]:
    """Files as they are now, and the bytes of the small ones."""
    found: dict[str, InputFile] = {}
    kept: dict[Digest, bytes] = {}
    for name in (*(file.path for file in recorded), *modules):
        path = root / name
        if name in found or not path.exists():
            continue
        if path.is_file() and (path.stat().st_size <= keep or path.suffix == MODULE_SUFFIX):
            data = path.read_bytes()
            found[name] = InputFile(name, values.digest_bytes(data), len(data))
            kept[found[name].digest] = data
        else:
            found[name] = InputFile(name, values.digest_file(path), path.stat().st_size)
    return tuple(found.values()), kept


def environment_now(then: Environment, environ: Mapping[str, str]) -> Environment:
    """The same packages and variables as they are now."""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}",
        packages=tuple(
            Package(each.name, version)
            for each in then.packages
            if (version := installed(each.name) or each.version)
        ),
        variables=tuple(
            replace(each, value=environ.get(each.name)) if each.kept else each
            for each in then.variables
        ),
    )
