"""The order and the versions that a person asks for are those of the plan."""

from __future__ import annotations

import sys

import pytest
import yaml

import linea
from linea.errors import PipelineError

from .conftest import Project

pytestmark = pytest.mark.slow

TWO = """\
import linea

a = [1]
linea.save(a, "a")
b = [2]
linea.save(b, "b")
"""

BASE = "import linea\n\nbase = {number}\nlinea.save(base, 'base')\n"
USE = "import linea\n\nbase = linea.get('base').get_value()\nlinea.save(base + 1, 'use')\n"


@pytest.fixture
def two(project: Project) -> Project:
    """Two artifacts of one script that have nothing to do with each other."""
    project.write(two_py=TWO)
    project.linea("run", "two.py")
    return project


def test_dependencies_order_tasks(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dependencies=` makes an artifact's task wait for another's, and nothing else does."""
    monkeypatch.chdir(two.folder)
    free = linea.create_pipeline(["a", "b"], "free", persist=False)
    bound = linea.create_pipeline(["a", "b"], "bound", dependencies={"a": ["b"]}, persist=False)
    assert {task.name: task.upstream for task in free.plan().tasks} == {"make_a": (), "make_b": ()}
    assert {task.name: task.upstream for task in bound.plan().tasks} == {
        "make_b": (),
        "make_a": ("make_b",),
    }
    for wrong, said in [
        ({"a": ["c"]}, "isn't made here"),
        ({"a": ["b"], "b": ["a"]}, "wait for each"),
    ]:
        with pytest.raises(PipelineError, match=said):
            linea.create_pipeline(["a", "b"], "wrong", dependencies=wrong, persist=False)


def test_after_orders_what_is_exported(two: Project) -> None:
    """`--after B:A` stands in the jobs of a generated workflow, and in the stored pipeline."""
    two.export("github", "a", "b", name="ordered", after="a:b")
    jobs = yaml.safe_load((two.folder / ".github/workflows/ordered.yml").read_text())["jobs"]
    assert jobs["make-a"]["needs"] == ["make-b"] and "needs" not in jobs["make-b"]
    assert "make_a  gives a  after make_b" in two.linea("pipeline", "show", "ordered")
    assert "B:A is wanted" in two.linea(
        "pipeline", "export", "a", "b", "--to", "make", "-o", "out/x", "--after", "a", status=2
    )


def test_pin_loads_the_version_that_is_named(project: Project) -> None:
    """`--pin base@v1` takes that version, whatever is newest, and its code isn't run."""
    for number in (10, 20):
        project.write(base_py=BASE.format(number=number))
        project.linea("run", "base.py")
    project.write(use_py=USE)
    project.linea("run", "use.py")
    project.linea("pipeline", "export", "use", "--to", "make", "-o", "out/make", "--name", "pinned",
                  "--pin", "base@v1")  # fmt: skip
    shown = project.linea("pipeline", "show", "pinned")
    assert "make_use" in shown and "make_base" not in shown
    project.linea("pipeline", "run", "pinned")
    assert project.linea("cat", "use").strip() == "11"
    assert "from base v2 → v1" in project.linea("log", "use")
    assert "identical" in project.linea("verify", "use")
    project.run("make", "-C", "out/make", f"PYTHON={sys.executable}")
    assert project.made("out/make", "run", "use") == project.digests("use")
