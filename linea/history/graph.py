"""Lineage as a graph of versions and files, and as a picture of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linea.errors import NoSuchVersionError
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
    todo = list(versions)
    while todo:
        version = todo.pop()
        if version.commit in nodes:
            continue
        nodes[version.commit] = Node(version.commit, version=version)
        for kind, parent in _made_from(repository, version, previous):
            edges.append(Edge(version.commit, parent.commit, kind))
            todo.append(parent)
        for file in version.inputs if files else ():
            id = f"{file.path}#{file.digest}"
            nodes.setdefault(id, Node(id, file=file))
            edges.append(Edge(version.commit, id, "read"))
    return Graph(tuple(_children_first(nodes, edges)), tuple(edges))


def tips(repository: Reader, names: Sequence[ArtifactName] | None = None) -> list[Version]:
    """Return the latest version of each artifact."""
    return [repository.tip(name) for name in (repository.names() if names is None else names)]


def children(repository: Reader, version: Version) -> list[Version]:
    """Return the latest versions that were made straight from this one."""
    return [
        tip
        for tip in tips(repository)
        if any(parent.commit == version.commit for parent in tip.parents)
    ]


def _made_from(
    repository: Reader, version: Version, previous: bool
) -> Iterator[tuple[str, Version]]:
    if previous:
        before = next(
            (each for each in repository.versions(version.name) if each.number < version.number),
            None,
        )
        if before is not None:
            yield "previous", before
    for parent in version.parents:
        try:
            yield "made-from", repository.version(parent.name, parent.number)
        except NoSuchVersionError:
            try:  # the artifact was removed; its commit is still there
                yield "made-from", repository.by_commit(parent.commit)
            except NoSuchVersionError:
                continue


def _children_first(nodes: dict[str, Node], edges: Sequence[Edge]) -> Iterator[Node]:
    """Order nodes so that each comes before its parents, newest first among the ready ones."""
    import heapq

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
    for node in graph.nodes:
        mine = [number for number, id in enumerate(lanes) if id == node.id]
        if not mine:
            mine = [_free(lanes)]
            lanes[mine[0]] = node.id
        if len(mine) > 1:
            yield Row(_joints(lanes, mine[0], mine[1:], pen, opening=False))
        for number in mine[1:]:
            lanes[number] = None
        _trim(lanes)
        at = mine[0]
        dot = pen.dot if node.version is not None else pen.file
        marks = [dot if number == at else _bar(id, pen) for number, id in enumerate(lanes)]
        yield Row(" ".join(marks).rstrip(), node)
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
            ends = lanes[at] is None
            yield Row(_joints(lanes, at, opened, pen, opening=True, ends=ends, known=known))
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


def _bar(id: str | None, pen: Pen) -> str:
    return " " if id is None else pen.line


def _joints(
    lanes: Sequence[str | None],
    at: int,
    others: Sequence[int],
    pen: Pen,
    *,
    opening: bool,
    ends: bool = False,
    known: Sequence[int] = (),
) -> str:
    """Draw the row that joins a lane with others: below a node (`opening`) or above it."""
    low, high = min([at, *others]), max([at, *others])
    row = []
    for number in range(max(len(lanes), high + 1)):
        across = low <= number <= high
        left = across and number > low
        right = across and number < high
        if number == at:
            up, down = True, not ends
        elif number in others:
            up = not opening or number in known
            down = opening
        else:
            up = down = number < len(lanes) and lanes[number] is not None
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
