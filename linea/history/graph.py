"""Lineage as a graph of versions and files."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from linea.errors import NoSuchArtifactError, NoSuchVersionError
from linea.history.reading import Reader
from linea.model import ArtifactName, InputFile, Version


@dataclass(frozen=True, slots=True)
class Node:
    """A version or an input file."""

    id: str
    """The commit of a version; path and digest of a file."""
    version: Version | None = None
    file: InputFile | None = None

    @property
    def label(self) -> str:
        if self.version is not None:
            return self.version.revision
        return self.file.path if self.file is not None else self.id


@dataclass(frozen=True, slots=True)
class Edge:
    """`child` was made from `parent`."""

    child: str
    parent: str
    kind: str
    """`made-from`, `read`, or `previous` for the version before."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A lineage; nodes are ordered, whatever was made from others before them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def parents(self, id: str) -> list[str]:
        return [edge.parent for edge in self.edges if edge.child == id]


def lineage(
    repository: Reader, versions: Sequence[Version], *, files: bool = True, previous: bool = False
) -> Graph:
    """Return what some versions were made from, and that from, to the files at the bottom.

    With `previous` the version before each is followed too.
    """
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    before = _Before(repository) if previous else None
    todo = list(versions)
    while todo:
        version = todo.pop()
        if version.commit in nodes:
            continue
        nodes[version.commit] = Node(version.commit, version=version)
        older = before.of(version) if before else None
        if older is not None:
            edges.append(Edge(version.commit, older.commit, "previous"))
            todo.append(older)
        for parent in _parents(repository, version):
            edges.append(Edge(version.commit, parent.commit, "made-from"))
            todo.append(parent)
        for file in version.inputs if files else ():
            id = f"{file.path}#{file.digest}"
            nodes.setdefault(id, Node(id, file=file))
            edges.append(Edge(version.commit, id, "read"))
    return Graph(tuple(_children_first(nodes, edges)), tuple(edges))


class _Before:
    """The version before each, an artifact's history read once."""

    def __init__(self, repository: Reader) -> None:
        self._repository = repository
        self._histories: dict[ArtifactName, dict[str, Version]] = {}

    def of(self, version: Version) -> Version | None:
        if version.name not in self._histories:
            self._histories[version.name] = {
                newer.commit: older for newer, older in pairwise(self._versions(version.name))
            }
        return self._histories[version.name].get(version.commit)

    def _versions(self, name: ArtifactName) -> Iterator[Version]:
        try:
            yield from self._repository.versions(name)
        except NoSuchArtifactError:
            return  # removed since; others still rest on it


def tips(repository: Reader, names: Sequence[ArtifactName] | None = None) -> list[Version]:
    """Return the latest version of each artifact."""
    return list(repository.tips()) if names is None else [repository.tip(name) for name in names]


def children(repository: Reader, version: Version) -> list[Version]:
    """Return the latest versions that were made straight from this one."""
    return [
        tip
        for tip in tips(repository)
        if any(parent.commit == version.commit for parent in tip.parents)
    ]


def _parents(repository: Reader, version: Version) -> Iterator[Version]:
    """Yield what a version was made from, removed ones included: their commits are still there."""
    for parent in version.parents:
        with suppress(NoSuchVersionError):
            yield repository.by_commit(parent.commit)


def _children_first(nodes: dict[str, Node], edges: Sequence[Edge]) -> Iterator[Node]:
    """Order nodes so that each comes before its parents, newest first among the ready ones."""
    waiting = dict.fromkeys(nodes, 0)
    parents: dict[str, list[str]] = {id: [] for id in nodes}
    for edge in edges:
        if edge.parent in nodes:
            waiting[edge.parent] += 1
            parents[edge.child].append(edge.parent)
    ready = [(_rank(nodes[id]), id) for id, count in waiting.items() if not count]
    heapq.heapify(ready)
    while ready:
        _, id = heapq.heappop(ready)
        yield nodes[id]
        for parent in parents[id]:
            waiting[parent] -= 1
            if not waiting[parent]:
                heapq.heappush(ready, (_rank(nodes[parent]), parent))


def _rank(node: Node) -> tuple[float, str]:
    # Files stand right below what read them: they are as new as can be.
    when = node.version.created.timestamp() if node.version else float("inf")
    return (-when, node.label)
