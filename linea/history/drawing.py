"""A lineage to a picture of it: for a terminal, Mermaid, Graphviz, SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linea.history.graph import Graph, Node


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


# --------------------------------------------------------------------------------------- SVG

_HIGH, _GAP, _ACROSS = 34, 16, 56
"""Height of a box, the room below it, and the room between columns of boxes."""
_WIDE = 7.2
"""Width of a letter at most."""


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float


def svg(graph: Graph) -> str:
    """Return the graph as SVG: what was made from something stands to the right of it."""
    boxes = _boxes(graph)
    width = max((box.x + box.width for box in boxes.values()), default=0) + 10
    height = max((box.y + _HIGH for box in boxes.values()), default=0) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="12">'
    ]
    for edge in graph.edges:
        if edge.child in boxes and edge.parent in boxes:
            lines.append(_curve(boxes[edge.parent], boxes[edge.child], edge.kind == "previous"))
    for node in graph.nodes:
        lines.append(_drawn(node, boxes[node.id]))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _curve(start: _Box, end: _Box, dashed: bool) -> str:
    x, y = start.x + start.width, start.y + _HIGH / 2
    to_x, to_y = end.x, end.y + _HIGH / 2
    half = max((to_x - x) / 2, 12)
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    path = f"M{x:.1f},{y:.1f} C{x + half:.1f},{y:.1f} {to_x - half:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
    return f'<path d="{path}" fill="none" stroke="#8c959f"{dash}/>'


def _drawn(node: Node, box: _Box) -> str:
    fill, edge = ("#ddf4ff", "#0969da") if node.version is not None else ("#f6f8fa", "#57606a")
    version = node.version
    title = version.commit if version is not None else node.id
    return (
        f'<g><title>{_escaped(title)}</title><rect x="{box.x:.1f}" y="{box.y:.1f}"'
        f' width="{box.width:.1f}" height="{_HIGH}" rx="4" fill="{fill}" stroke="{edge}"/>'
        f'<text x="{box.x + 8:.1f}" y="{box.y + _HIGH / 2 + 4:.1f}">{_escaped(node.label)}</text></g>'
    )


def _boxes(graph: Graph) -> dict[str, _Box]:
    """Place the nodes: each in the first column right of all that it was made from."""
    column: dict[str, int] = {}
    for node in reversed(graph.nodes):  # parents come last
        above = [column[parent] for parent in graph.parents(node.id) if parent in column]
        column[node.id] = max(above, default=-1) + 1
    columns: dict[int, list[Node]] = {}
    for node in reversed(graph.nodes):
        columns.setdefault(column[node.id], []).append(node)
    boxes: dict[str, _Box] = {}
    x = 10.0
    for number in sorted(columns):
        nodes = sorted(columns[number], key=lambda node: _height_of_parents(graph, node, boxes))
        width = max(len(node.label) for node in nodes) * _WIDE + 16
        for row, node in enumerate(nodes):
            boxes[node.id] = _Box(x, 10 + row * (_HIGH + _GAP), width)
        x += width + _ACROSS
    return boxes


def _height_of_parents(graph: Graph, node: Node, boxes: dict[str, _Box]) -> float:
    """Return where a node's parents stand on average, so that lines cross less."""
    above = [boxes[parent].y for parent in graph.parents(node.id) if parent in boxes]
    return sum(above) / len(above) if above else 0.0


def _escaped(text: str) -> str:
    from html import escape

    # Control characters are no XML at all.
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))
