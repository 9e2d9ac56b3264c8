"""Stale artifacts made again, and slices made smaller."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import tree
from .projects import Folder

CLEAN = "import linea\nd = [float(l) for l in open('in.csv')]\nclean = [n for n in d if n > 0]\nlinea.save(clean, 'clean')\n"
MODEL = (
    "import linea\nc = linea.get('clean').get_value()\nmodel = sum(c)\nlinea.save(model, 'model')\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two scripts, the second on the first's artifact; a third on nothing."""
    made = Folder(tmp_path)
    made.put(
        clean_py=CLEAN,
        model_py=MODEL,
        in_csv="1\n3\n-2\n",
        other_py="import linea\nlinea.save(1, 'other')\n",
    )
    made.ok("init")
    for script in ("clean.py", "model.py", "other.py"):
        made.ok("run", script)
    return made


def values(folder: Folder) -> dict[str, tuple[int, str]]:
    return {each["name"]: (each["version"], each["summary"]["text"]) for each in folder.json("ls")}


def test_nothing_to_do(folder: Folder) -> None:
    """What isn't stale isn't run."""
    assert folder.json("update") == []
    assert "nothing is stale" in folder.ok("update")


def test_in_order_and_only_what_is_needed(folder: Folder) -> None:
    """A changed input makes its artifact again, then what rests on that; the rest stays."""
    folder.put(in_csv="1\n5\n-2\n")
    there = tree(folder.path)
    plan = folder.json("update", "--dry-run")
    assert [each["name"] for each in plan] == ["clean", "model"]
    assert [(each["before"], each["after"]) for each in folder.json("update")] == [
        ("clean@v1", "clean@v2"), ("model@v1", "model@v2")
    ]  # fmt: skip
    assert tree(folder.path) == there
    assert values(folder)["model"][1] == "6.0"
    assert folder.json("status")["stale"] == []
    shown = folder.json("show", "model")
    assert [parent["number"] for parent in shown["parents"]] == [2]
    assert all(each["outcome"] == "identical" for each in folder.json("verify", "--all"))


def test_a_parent_that_stays_the_same_stops_it(folder: Folder) -> None:
    """When a parent comes out as before, what rests on it isn't run."""
    folder.put(in_csv="1\n3\n-7\n")
    assert [(e["name"], e["same"]) for e in folder.json("update")] == [("clean", True)]
    assert folder.json("status")["stale"] == []


def test_by_name(folder: Folder) -> None:
    """A name brings what it is made from, and nothing that rests on it."""
    folder.put(in_csv="1\n5\n-2\n")
    assert [each["name"] for each in folder.json("update", "clean")] == ["clean"]
    assert [each["name"] for each in folder.json("update", "model")] == ["model"]


def test_changed_code_runs_the_file(folder: Folder) -> None:
    """Where the code changed its file is run."""
    folder.put(clean_py=CLEAN.replace("n > 0", "n > 1"))
    assert [each["name"] for each in folder.json("update")] == ["clean", "model"]
    assert values(folder)["model"][1] == "3.0"


def test_a_failure_stops_what_rests_on_it(folder: Folder) -> None:
    """A slice that fails makes no version, and nothing is made from it."""
    folder.put(in_csv="one\n")
    found = folder.json("update", status=1)
    assert [(each["name"], each["after"]) for each in found] == [("clean", None), ("model", None)]
    assert "could not convert string to float" in found[0]["problem"]
    assert "couldn't be updated" in found[1]["problem"]
    assert values(folder)["clean"][0] == 1


def test_a_helper_that_changed(folder: Folder) -> None:
    """A changed module of the user's makes its artifacts stale, and is taken as it is now."""
    folder.put(
        helper_py="K = 2\n",
        h_py="import linea\nfrom helper import K\nx = K * 3\nlinea.save(x, 'x')\n",
    )
    folder.ok("run", "h.py")
    folder.put(helper_py="K = 5\n")
    assert [each["name"] for each in folder.json("update", "x")] == ["x"]
    assert values(folder)["x"] == (2, "15")
    assert [e["outcome"] for e in folder.json("verify", "x@v1", "x@v2")] == ["identical"] * 2


def test_minimise(folder: Folder) -> None:
    """Statements that the value doesn't need are dropped, and what is left gives the value."""
    code = "import linea\nx = [3, 1, 2]\nx.sort()\nif x:\n    x.append(9)\n    x.reverse()\n    x.sort()\nx.sort()\nlinea.save(x, 'x')\n"
    folder.put(m_py=code)
    folder.ok("run", "m.py")
    found = folder.json("minimise", "x")
    assert (
        found["code"] == "x = [3, 1, 2]\nif x:\n    x.append(9)\nx.sort()\n" or found["after"] < 5
    )
    namespace: dict[str, object] = {}
    exec(found["code"], namespace)
    assert namespace["x"] == [1, 2, 3, 9]
    assert found["after"] < found["before"]


def test_minimise_needs_the_same_value(folder: Folder) -> None:
    """A slice that gives another value each time can't be made smaller."""
    folder.put(m_py="import linea, random\nx = random.random()\nlinea.save(x, 'x')\n")
    folder.ok("run", "m.py")
    assert "doesn't give its value again" in folder.call("minimise", "x").stderr


CHECKED = """\
import linea
def load(path):
    rows = [float(line) for line in open(path)]
    if not rows:
        raise ValueError("no rows")
    return rows
def check(rows):
    assert min(rows) >= 0, "negative"
rows = load("d.csv")
check(rows)
if len(rows) > 3:
    rows = rows[:3]
linea.save(sum(rows), "total")
"""


@pytest.mark.parametrize(
    ("data", "gives"),
    [("4\n5\n", "9.0"), ("1\n1\n1\n1\n", "3.0"), ("", "no rows"), ("-4\n", "negative")],
)
def test_other_data_meets_what_the_script_has_for_it(tmp_path: Path, data: str, gives: str) -> None:
    """Branches that weren't taken and checks that found nothing hold when the data changes."""
    folder = Folder(tmp_path)
    folder.put(s_py=CHECKED, d_csv="1\n2\n")
    folder.ok("init")
    folder.ok("run", "s.py")
    assert "if len" not in folder.ok("show", "total", "--code")
    folder.put(d_csv=data)
    done = folder.call("update", "--json")
    (made,) = json.loads(done.stdout)
    if gives[0].isdigit():
        assert folder.json("show", "total")["summary"]["text"] == gives
        folder.ok("verify", "total")  # what ran is what the new version has
    else:
        assert gives in made["problem"] and done.returncode != 0
        assert folder.json("show", "total")["version"] == 1
