from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
from inline_snapshot import snapshot

from linea.history.drawing import ASCII, dot, draw, mermaid, svg
from linea.history.graph import Graph, children, lineage, tips
from linea.history.openlineage import event

from .histories import History


def diamond(history: History) -> Graph:
    raw = history.save(1, "raw", inputs={"raw.csv": b"1"})
    left = history.save(2, "left", parents=[raw])
    right = history.save(3, "right", parents=[raw], inputs={"map.csv": b"2"})
    history.save(4, 'mo"del', parents=[left, right])
    return lineage(history.repository, [history.repository.tip('mo"del')])


def drawn(graph: Graph, ascii: bool = False) -> str:
    rows = draw(graph, ASCII) if ascii else draw(graph)
    return "\n".join(f"{row.lanes}  {row.node.label}" if row.node else row.lanes for row in rows)


def test_nodes_come_before_what_they_are_made_from(history: History) -> None:
    """The order is such that every edge points down."""
    graph = diamond(history)
    order = [node.id for node in graph.nodes]
    assert all(order.index(edge.child) < order.index(edge.parent) for edge in graph.edges)
    assert len(graph.nodes) == 6


def test_draw(history: History) -> None:
    """Lanes part and join again."""
    assert drawn(diamond(history)) == snapshot("""\
●  mo"del@v1
├─╮
│ ●  right@v1
│ ├─╮
│ │ ○  map.csv
● │  left@v1
╰─┤
  ●  raw@v1
  ○  raw.csv\
""")


def test_draw_in_ascii(history: History) -> None:
    """The same picture for a terminal that knows no more."""
    assert drawn(diamond(history), ascii=True) == snapshot("""\
*  mo"del@v1
+-.
| *  right@v1
| +-.
| | o  map.csv
* |  left@v1
`-+
  *  raw@v1
  o  raw.csv\
""")


def test_draw_history(history: History) -> None:
    """Versions of two artifacts, one made from the other."""
    for number in range(3):
        raw = history.save(number, "raw")
        history.save(number * 10, "model", parents=[raw])
    graph = lineage(history.repository, tips(history.repository), previous=True)
    assert drawn(graph) == snapshot("""\
●  model@v3
├─╮
│ ●  raw@v3
● │  model@v2
├─┤
│ ●  raw@v2
● │  model@v1
╰─┤
  ●  raw@v1\
""")


def test_draw_apart(history: History) -> None:
    """Artifacts that have nothing to do with each other don't seem to hang together."""
    history.save(1, "a")
    history.save(1, "b")
    history.save(1, "c", inputs={"c.csv": b""})
    graph = lineage(history.repository, tips(history.repository))
    assert drawn(graph) == snapshot("""\
●  c@v1
○  c.csv

●  b@v1

●  a@v1\
""")


def test_mermaid(history: History) -> None:
    """Mermaid, with what would end a label escaped."""
    assert mermaid(diamond(history)) == snapshot("""\
flowchart LR
    n0["mo#34;del@v1"]
    n1["right@v1"]
    n2[/"map.csv"/]
    n3["left@v1"]
    n4["raw@v1"]
    n5[/"raw.csv"/]
    n3 --> n0
    n1 --> n0
    n4 --> n1
    n2 --> n1
    n5 --> n4
    n4 --> n3
""")


def test_dot(history: History) -> None:
    """Graphviz, with what would end a label escaped."""
    assert dot(diamond(history)) == snapshot("""\
digraph lineage {
    rankdir=LR;
    node [fontname="sans-serif"];
    n0 [label="mo\\"del@v1", shape=box];
    n1 [label="right@v1", shape=box];
    n2 [label="map.csv", shape=note];
    n3 [label="left@v1", shape=box];
    n4 [label="raw@v1", shape=box];
    n5 [label="raw.csv", shape=note];
    n3 -> n0;
    n1 -> n0;
    n4 -> n1;
    n2 -> n1;
    n5 -> n4;
    n4 -> n3;
}
""")


def test_removed_parent_is_still_drawn(history: History) -> None:
    """What a result rests on stays, removed or not."""
    raw = history.save(1, "raw")
    history.save(2, "model", parents=[raw])
    history.repository.delete("raw")
    graph = lineage(history.repository, tips(history.repository), previous=True)
    assert [node.label for node in graph.nodes] == ["model@v1", "raw@v1"]


def test_children(history: History) -> None:
    """Children are the latest versions made straight from a version."""
    raw = history.save(1, "raw")
    history.save(2, "old", parents=[raw])
    history.save(3, "old")
    child = history.save(4, "new", parents=[raw])
    assert children(history.repository, raw) == [child]


def test_svg(history: History) -> None:
    """A box a node, right of what it was made from; a curve an edge; labels escaped."""
    root = ElementTree.fromstring(svg(diamond(history)))
    space = {"s": "http://www.w3.org/2000/svg"}
    left = {
        text.text: float(box.attrib["x"])
        for box, text in zip(
            root.findall(".//s:rect", space), root.findall(".//s:text", space), strict=True
        )
    }
    assert (
        left["raw.csv"] < left["raw@v1"] < left["left@v1"] == left["right@v1"] < left['mo"del@v1']
    )
    assert len(root.findall("s:path", space)) == 6
    boxes = {(box.attrib["x"], box.attrib["y"]) for box in root.findall(".//s:rect", space)}
    assert len(boxes) == 6


def test_svg_of_nothing() -> None:
    """An empty lineage is an empty picture."""
    assert ElementTree.fromstring(svg(Graph((), ()))).attrib["width"] == "10"


def test_openlineage(history: History) -> None:
    """An event has what a version was made from and gave, and each column's origin as far as known."""
    raw = history.save(
        pd.DataFrame({"id": [1, 2], "a": [3, 4], "b": [5, 6]}), "raw", inputs={"r.csv": b"1"}
    )
    table = pd.DataFrame({"id": [1, 2], "sum": [8, 10], "twice": [16, 20], "noise": [0, 1]})
    code = 'result["sum"] = result["a"] + result.b\nresult["twice"] = result["sum"] * 2\nresult["noise"] = rnd()'
    made = event(history.repository, history.save(table, code=code, parents=[raw]), "project")
    assert [(each["namespace"], each["name"]) for each in made["inputs"]] == [("project", "raw")]
    assert [each["name"] for each in event(history.repository, raw, "p")["inputs"]] == ["r.csv"]
    (out,) = made["outputs"]
    fields = out["facets"]["columnLineage"]["fields"]
    assert {name: [(f["name"], f["field"], f["transformations"][0]["subtype"]) for f in each["inputFields"]]
            for name, each in fields.items()} == {
        "id": [("raw", "id", "IDENTITY")],
        "sum": [("raw", "a", "TRANSFORMATION"), ("raw", "b", "TRANSFORMATION")],
        "twice": [("raw", "a", "TRANSFORMATION"), ("raw", "b", "TRANSFORMATION")],
    }  # fmt: skip
    assert out["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert [each["name"] for each in out["facets"]["schema"]["fields"]] == [
        "id",
        "sum",
        "twice",
        "noise",
    ]
    assert (
        made["run"]["runId"]
        == event(history.repository, history.repository.tip("result"), "p")["run"]["runId"]
    )
