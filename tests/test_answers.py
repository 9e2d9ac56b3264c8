from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import linea
from linea.store.repository import Repository
from tests.history.histories import History


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Two versions of a table of <b>bold</b> plans and of its row count, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINEA_NOW", "2026-03-20T12:00:00+00:00")
    monkeypatch.delenv("LINEA_DIR", raising=False)
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    made = History(Repository.create(tmp_path / ".linea"))
    table = pd.DataFrame({"id": [1, 2], "plan": ["<b>bold</b>", "pro"], "price": [1.0, 2.0]})
    first = made.save(table, "table", code="t = load()", inputs={"x.csv": b"1"})
    second = made.save(table.assign(price=[1.0, 9.0]), "table", code="t = load()\nt = fix(t)")
    made.save({"rows": 2}, "count", parents=[first])
    made.save({"rows": 3}, "count", parents=[second])
    made.repository.close()
    return made


def test_log(history: History) -> None:
    """A log is a list of entries; as a frame it has a row a version, as HTML a table."""
    found = linea.log("table")
    assert [entry.number for entry in found] == [2, 1]
    assert found[0].version.value.kind == "table"  # though the store was closed
    frame = found.to_pandas()
    assert list(frame["why"]) == [
        "code a.py:2 t = fix(t) · data no longer reads x.csv ⇒ price",
        "from x.csv",
    ]
    assert "<td style='text-align:left'>Ada</td>" in found._repr_html_()
    assert "table@v2  2026-03-02 12:00  Ada  code" in repr(found)
    assert [entry.revision for entry in linea.log(limit=1)] == ["count@v2"]
    assert [entry.number for entry in linea.log("table", until="2026-03-01")] == [1]
    assert linea.log("table", author="nobody").to_pandas().empty


def test_blame(history: History) -> None:
    """Lines and columns alike."""
    lines = linea.blame("table")
    assert list(lines.to_pandas()["version"]) == [1, 2]
    assert "<code style='white-space:pre'>t = fix(t)</code>" in lines._repr_html_()
    columns = linea.blame("table", columns=True)
    assert dict(zip(columns.to_pandas()["column"], columns.to_pandas()["version"], strict=True)) == {
        "id": 1, "plan": 1, "price": 2,
    }  # fmt: skip
    assert "v2  Ada  price" in repr(columns)


def test_diff_of_tables(history: History) -> None:
    """As a frame it has every row that differs; what came from values is escaped in HTML."""
    found = linea.diff("table", key="id")
    assert found.to_pandas()[["change", "id", "price before", "price after"]].values.tolist() == [
        ["changed", 2, 2.0, 9.0]
    ]
    html = found._repr_html_()
    assert "table@v1 → table@v2" in html
    assert "+t = fix(t)" in html
    other = linea.diff("table@v1", "@v2", where="plan == 'pro'")
    assert "2 rows, 1 changed" in repr(other)
    assert "<b>bold" not in linea.diff("table", key="plan")._repr_html_()


def test_diff_of_others(history: History) -> None:
    """Plain data gives a row for each place that differs; the same version nothing."""
    found = linea.diff("count")
    assert found.to_pandas().values.tolist() == [["rows", "2", "3"]]
    assert "<td style='text-align:left'>rows</td>" in found._repr_html_()
    same = linea.diff("count@v1", "count@v1")
    assert not same
    assert "nothing differs" in same._repr_html_()


def test_status(history: History, tmp_path: Path) -> None:
    """True where something is stale, with the reasons."""
    assert linea.status("table").to_pandas()["why"].tolist() == [""]
    with Repository.open(tmp_path / ".linea") as repository:
        History(repository).save(3, "table")
    found = linea.status()
    assert found
    frame = found.to_pandas().set_index("artifact")
    assert frame["why"].to_dict() == {"count": "table is at v3, made from v2", "table": ""}
    assert "count@v2  table is at v3" in repr(found)
    assert "<table>" in found._repr_html_()


def test_an_artifact_shows_its_value_its_code_and_what_to_know_of_it(history: History) -> None:
    """As HTML it has the value in small, the code, folded where it is long, and plain reasons."""
    from dataclasses import replace

    from linea.model import Preview
    from linea.replay.card import card

    found = linea.get("table@v2")
    html = found._repr_html_()
    assert "table@v2" in html and "<details open>" in html and "t = fix(t)" in html
    assert "<b>bold" not in html.removeprefix("<div><b>table@v2</b>")
    told = replace(found._version, conservative=("<it> ran before linea was loaded",))
    page = card(told, "x = 1\n" * 40, Preview("image/png", b"\x89PNG"))
    assert "code may hold more than it needs" in page and "&lt;it&gt; ran before" in page
    assert "<details><summary>the code that made it, 40 lines" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "<script>" not in card(told, "", Preview("text/html", b"<script>"))
