"""What a person asks of a pipeline ⇄ a stored version; and from it and the store to a plan."""

from __future__ import annotations

import pprint
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from linea.errors import NoSuchArtifactError, PipelineError
from linea.history.revision import resolve
from linea.model import PIPELINES, ArtifactName, CommitId, Draft, Encoded, Parent, Version
from linea.pipeline import plan
from linea.pipeline.plan import Plan, Source
from linea.replay.scratch import working_folder

if TYPE_CHECKING:
    from datetime import datetime

    from linea.store.repository import Repository

PREFIX = PIPELINES


@dataclass(frozen=True, slots=True)
class Member:
    """An artifact of a pipeline at the version whose code is used."""

    name: str
    commit: str
    number: int
    reused: bool = False
    included: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """What makes a pipeline: everything but the store that it is read from."""

    name: str
    members: tuple[Member, ...]
    input_parameters: tuple[str, ...] = ()
    dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pins: Mapping[str, int] = field(default_factory=dict)


def define(
    repository: Repository,
    name: str,
    artifacts: Sequence[Version],
    *,
    input_parameters: Sequence[str] = (),
    dependencies: Mapping[str, Iterable[str]] | None = None,
    reuse: Sequence[Version] = (),
    pins: Sequence[Version] = (),
) -> Definition:
    """Define a pipeline; artifacts that those named load with `linea.get` are made too.

    Of an artifact that is loaded, the version that was recorded gives the code. What is pinned
    or reused isn't made, nor what only it rests on.
    """
    if not artifacts:
        raise PipelineError("no artifact was named", hint="name at least one")
    reused = {version.name: version for version in reuse}
    pinned: dict[str, int] = {version.name: version.number for version in pins}
    members: dict[str, Member] = {}
    for version in artifacts:
        if version.name in members:
            raise PipelineError(f"{version.name} is named twice")
        given = reused.get(version.name, version)
        members[version.name] = Member(
            given.name, given.commit, given.number, version.name in reused
        )
    waiting = [repository.by_commit(CommitId(m.commit)) for m in members.values() if not m.reused]
    named = set(members)
    while waiting:
        version = waiting.pop(0)
        for parent in version.parents:
            if parent.name in members or parent.name in pinned or parent.name == version.name:
                continue
            if not gets(repository.code(version), parent.name):
                continue
            given = reused.get(parent.name) or repository.by_commit(parent.commit)
            member = Member(
                given.name, given.commit, given.number, parent.name in reused, parent.name not in named
            )  # fmt: skip
            members[parent.name] = member
            if not member.reused:
                waiting.append(given)
    for known in reused:
        if known not in members:
            # In one session it is no `linea.get` but a variable of the same slice.
            given = reused[known]
            members[known] = Member(given.name, given.commit, given.number, True, True)
    return Definition(
        name,
        tuple(members.values()),
        tuple(input_parameters),
        {k: (v,) if isinstance(v, str) else tuple(sorted(v)) for k, v in (dependencies or {}).items()},
        pinned,
    )  # fmt: skip


def gets(code: str, name: str) -> bool:
    """Whether a slice loads an artifact without saying which version."""
    import ast

    from linea.codegen import chunks

    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and chunks.called(node) == "get" and len(node.args) == 1:
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value == name and not node.keywords:
                return True
    return False


def planned(repository: Repository, definition: Definition) -> Plan:
    """Plan a pipeline from what the store holds."""
    return plan.make(
        list(sources(repository, definition)),
        name=definition.name,
        input_parameters=definition.input_parameters,
        dependencies=definition.dependencies,
        pins=definition.pins,
    )


def sources(repository: Repository, definition: Definition) -> Iterator[Source]:
    for member in definition.members:
        version = repository.by_commit(CommitId(member.commit))
        code = repository.code(version)
        yield Source(
            version,
            code,
            repository.written(version),
            member.reused,
            member.included,
            working_folder(code, version.inputs, version.source) if version.source else ".",
            repository.session(version),
        )


# --------------------------------------------------------------------------------- in the store


def as_data(definition: Definition) -> dict[str, Any]:
    """The definition as plain data; what it is stored as."""
    data = asdict(definition)
    data["members"] = [asdict(member) for member in definition.members]
    data["input_parameters"] = list(definition.input_parameters)
    data["dependencies"] = {k: list(v) for k, v in definition.dependencies.items()}
    data["pins"] = dict(definition.pins)
    return data


def from_data(data: Mapping[str, Any]) -> Definition:
    try:
        return Definition(
            str(data["name"]),
            tuple(Member(**member) for member in data["members"]),
            tuple(data["input_parameters"]),
            {k: tuple(v) for k, v in data["dependencies"].items()},
            dict(data["pins"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise PipelineError(f"this is no pipeline that linea has stored: {error}") from None


def draft(
    repository: Repository,
    definition: Definition,
    encoded: Encoded,
    *,
    name: ArtifactName,
    author: str,
    now: datetime,
) -> Draft:
    """The definition as the next version of its pipeline."""
    shown = pprint.pformat(as_data(definition), sort_dicts=False, width=88)
    code = f"pipeline = {shown}\n"
    members = [repository.by_commit(CommitId(m.commit)) for m in definition.members]
    return Draft(
        name=name,
        code=code,
        session=code,
        value=encoded,
        author=author,
        created=now,
        result="pipeline",
        parents=tuple(Parent(v.name, v.number, v.commit, v.digest) for v in members),
    )


def find(repository: Repository, name: str, now: datetime) -> Version | None:
    """The stored version of a pipeline; None where there is none of that name."""
    try:
        return resolve(repository, PREFIX + name, now=now)
    except NoSuchArtifactError:
        return None
