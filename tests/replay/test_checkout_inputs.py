"""Inputs, environments and re-runs that go with a checkout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from linea.model import Environment, Package
from linea.replay import environment

from .conftest import tree
from .projects import Folder

CODE = "import linea\nfrom helper import K\nx = [float(l) * K for l in open('data_in.csv')]\nlinea.save(x, 'x')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "project")
    made.path.mkdir()
    made.put(a_py=CODE, helper_py="K = 2\n")
    (made.path / "data_in.csv").write_text("1\n3\n")
    made.ok("init")
    made.ok("run", "a.py")
    return made


def test_inputs_as_they_were(folder: Folder) -> None:
    """Inputs and modules come back as they were recorded, whatever they are now."""
    (folder.path / "data_in.csv").write_text("9\n")
    folder.put(helper_py="K = 7\n")
    before = tree(folder.path)
    folder.ok("checkout", "x", "--to", "old", "--inputs")
    found = tree(folder.path / "old")
    assert (found["data_in.csv"], found["helper.py"]) == (b"1\n3\n", b"K = 2\n")
    assert {
        name: data for name, data in tree(folder.path).items() if not name.startswith("old/")
    } == before


def test_inputs_are_never_overwritten(folder: Folder) -> None:
    """An input that changed since is work: it isn't overwritten."""
    (folder.path / "data_in.csv").write_text("9\n")
    assert "is in no version" in folder.call("checkout", "x", "--inputs").stderr
    assert (folder.path / "data_in.csv").read_text() == "9\n"


def test_a_large_input_is_asked_for(folder: Folder) -> None:
    """An input that wasn't kept has to be as it was, else it is asked for."""
    folder.ok("run", "a.py", LINEA_KEEP_INPUTS="1")
    folder.ok("checkout", "x", "--to", "one", "--inputs")
    (folder.path / "data_in.csv").write_text("9\n")
    said = folder.call("checkout", "x", "--to", "two", "--inputs").stderr
    assert "data_in.csv isn't to be had any more as it was" in said
    assert not (folder.path / "two").exists()


def test_run(folder: Folder) -> None:
    """The code runs on its inputs as they were, and what comes out is compared."""
    (folder.path / "data_in.csv").write_text("9\n")
    found = folder.json("checkout", "x", "--to", "old", "--run")
    assert found["outcome"] == "identical"


def test_the_value_in_a_session(folder: Folder) -> None:
    """`linea.checkout` gives the value, and what is made from it has it as a parent."""
    folder.put(b_py="import linea\nv = linea.checkout('x@v1')\ny = sum(v)\nlinea.save(y, 'y')\n")
    folder.ok("run", "b.py")
    shown = folder.json("show", "y")
    assert [(parent["name"], parent["number"]) for parent in shown["parents"]] == [("x", 1)]
    assert [e["outcome"] for e in folder.json("verify", "y")] == ["identical"]


def test_files_from_python(folder: Folder) -> None:
    """With a folder, `linea.checkout` writes files and gives their paths."""
    folder.put(c_py="import linea\nprint([p.name for p in linea.checkout('x', 'out')])\n")
    assert folder.ok("run", "c.py").strip() == "['x.json', 'x.py']"


@pytest.mark.slow
def test_environment_without_packages(tmp_path: Path) -> None:
    """An environment has the Python that was recorded; a package that can't be had is named."""
    wanted = Environment(python=".".join(map(str, sys.version_info[:3])), packages=(Package("no-such-package-of-linea", "1.2.3"),))  # fmt: skip
    built = environment.build(wanted, tmp_path / "env")
    assert built.python.exists()
    (problem,) = built.problems
    assert problem.startswith("no-such-package-of-linea 1.2.3 can't be had")


@pytest.mark.slow
def test_environment_and_run(folder: Folder) -> None:
    """The code runs in the environment that was recorded, with the exact versions."""
    folder.put(
        s_py="import linea, click\nfrom importlib import metadata\nz = [click.style('a', 'red'), metadata.version('click')]\nlinea.save(z, 'z')\n"
    )
    folder.ok("run", "s.py")
    done = folder.call("checkout", "z", "--to", "old", "--env", "--run", "--json")
    found = json.loads(done.stdout)
    if found["problems"]:
        pytest.skip(f"no packages to be had here: {found['problems'][0]}")
    assert found["outcome"] == "identical", found["detail"]
    assert any(
        path.name.startswith("click-") for path in (folder.path / "old/env").rglob("click-*")
    )
