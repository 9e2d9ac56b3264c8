"""`linea demo`: the first thing that a newcomer runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linea.cli import demo
from linea.errors import LineaError


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["full", "plain"])
def test_demo_tells_its_story(variant: str, tmp_path: Path, monkeypatch, capfd) -> None:
    """The demonstration runs to its end, with and without pandas, and verifies what it made."""
    if variant == "plain":
        monkeypatch.setattr(demo, "installed", lambda module: False)
    elif not all(map(demo.installed, (*demo.FULL, *demo.NOTEBOOK))):
        pytest.skip("the demo's libraries aren't installed")
    monkeypatch.setenv("LINEA_DIR", str(tmp_path / "not-here"))
    assert demo.run(tmp_path / "wines") == 0
    shown = capfd.readouterr().out
    for text in (
        "$ linea run train.py",
        "feature_table  v3",
        "code train.py:",
        "model@v1  identical",
        "data/wine.csv changed",
        f"All of it is in {tmp_path / 'wines'}",
    ):
        assert text in shown
    assert ("$ linea run analysis.ipynb" in shown) == (variant == "full")
    assert not (tmp_path / "not-here").exists()


def test_demo_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    """The demonstration never writes into a folder that holds something."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LineaError, match="isn't empty"):
        demo.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("variant", ["full", "plain"])
def test_demo_edits_fit_its_files(variant: str, tmp_path: Path) -> None:
    """Each edit of the story finds its text exactly once, and the script stays valid Python."""
    demo.put_files(variant, tmp_path)
    for scene in demo.story(demo.EDITS[variant]):
        if isinstance(scene, demo.Edit):
            demo.edit(tmp_path, scene)
    code = (tmp_path / "train.py").read_text()
    compile(code, "train.py", "exec")


def test_demo_is_a_command(tmp_path: Path) -> None:
    """`linea demo --help` is there with an example."""
    done = subprocess.run(
        [sys.executable, "-m", "linea", "demo", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "linea demo houses" in done.stdout) == (0, True)
