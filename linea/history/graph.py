"""Lineage as a graph of versions and files, and as a picture of it."""

from __future__ import annotations

import heapq
import re
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


# ---------------------------------------------------------------------------------- pictures


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a drawn graph: the lanes, and the node that stands on it, if any."""

    lanes: str
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class Pen:
    """The characters that lanes are drawn with, by the sides they connect."""

    dot: str
    file: str
    line: str
    joints: str
    """For `lrud` as bits 8, 4, 2, 1: 16 characters."""


UNICODE = Pen("●", "○", "│", " ╷╵│╶╭╰├╴╮╯┤─┬┴┼")
ASCII = Pen("*", "o", "|", " |||-,`+-.'+-+++")


def draw(graph: Graph, pen: Pen = UNICODE) -> Iterator[Row]:
    """Draw a graph as `git log --graph` does: a row for each node, rows between that join lanes."""
    lanes: list[str | None] = []
    ended: int | None = None
    for node in graph.nodes:
        follows = node.id in lanes
        at = lanes.index(node.id) if node.id in lanes else _free(lanes)
        lanes[at] = node.id
        if at == ended and not follows:  # or it would seem to hang on the node above it
            yield Row(_bars(lanes, at, " ", pen))
        dot = pen.dot if node.version is not None else pen.file
        yield Row(_bars(lanes, at, dot, pen), node)
        parents = list(dict.fromkeys(graph.parents(node.id)))
        fresh = [parent for parent in parents if parent not in lanes]
        known = [lanes.index(parent) for parent in parents if parent in lanes]
        lanes[at] = fresh[0] if fresh else None
        opened = list(known)
        for parent in fresh[1:]:
            place = _free(lanes)
            lanes[place] = parent
            opened.append(place)
        if opened:
            yield Row(_joints(lanes, at, opened, known, pen))
        ended = None if opened or lanes[at] else at
        _trim(lanes)


def _free(lanes: list[str | None]) -> int:
    """Return the first lane that is free, a new one if need be."""
    if None in lanes:
        return lanes.index(None)
    lanes.append(None)
    return len(lanes) - 1


def _trim(lanes: list[str | None]) -> None:
    while lanes and lanes[-1] is None:
        lanes.pop()


def _bars(lanes: Sequence[str | None], at: int, mark: str, pen: Pen) -> str:
    """Draw a row of lanes with a mark on one of them."""
    cells = [pen.line if id is not None else " " for id in lanes]
    cells[at] = mark
    return " ".join(cells).rstrip()


def _joints(
    lanes: Sequence[str | None], at: int, others: Sequence[int], known: Sequence[int], pen: Pen
) -> str:
    """Draw the row below a node that leads its lane into others, some of them known already."""
    low, high = min([at, *others]), max([at, *others])
    row = []
    for number in range(max(len(lanes), high + 1)):
        left = low < number <= high
        right = low <= number < high
        down = number < len(lanes) and lanes[number] is not None
        up = number == at or number in known or (down and number not in others)
        row.append(pen.joints[8 * left + 4 * right + 2 * up + down])
        row.append(pen.joints[12] if right else " ")
    return "".join(row).rstrip()


def mermaid(graph: Graph) -> str:
    """Return the graph in the language of Mermaid."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        left, right = ("[", "]") if node.version is not None else ("[/", "/]")
        label = re.sub(r'["#;<>&]', lambda match: f"#{ord(match[0])};", node.label)
        lines.append(f'    {names[node.id]}{left}"{label}"{right}')
    for edge in graph.edges:
        if edge.child in names and edge.parent in names:
            arrow = "-.->" if edge.kind == "previous" else "-->"
            lines.append(f"    {names[edge.parent]} {arrow} {names[edge.child]}")
    return "\n".join(lines) + "\n"


def dot(graph: Graph) -> str:
    """Return the graph in the language of Graphviz."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["digraph lineage {", "    rankdir=LR;", '    node [fontname="sans-serif"];']
    for node in graph.nodes:
        shape = "box" if node.version is not None else "note"
        label = node.label.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'    {names[node.id]} [label="{label}", shape={shape}];')
    for edge in graph.edges:
        if edge.child in names and edge.parent in names:
            style = " [style=dashed]" if edge.kind == "previous" else ""
            lines.append(f"    {names[edge.parent]} -> {names[edge.child]}{style};")
    return "\n".join([*lines, "}"]) + "\n"
