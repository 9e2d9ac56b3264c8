"""`linea demo`: the first thing that a newcomer runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from linea.cli import demo
from linea.errors import LineaError


@pytest.mark.slow
def test_demo_tells_its_story(tmp_path: Path, monkeypatch, capfd) -> None:
    """The demonstration runs to its end in its own store, whatever store the user works in."""
    for library in ("pandas", "sklearn", "ipykernel", "nbclient"):
        pytest.importorskip(library)
    monkeypatch.setenv("LINEA_DIR", str(tmp_path / "not-here"))
    assert demo.run(tmp_path / "wines") == 0
    shown = capfd.readouterr().out
    for text in (
        "$ linea run prepare.py",
        "$ linea run train.ipynb",
        "feature_table@v3",
        "model@v3  identical",
        "data/wine.csv changed",
        f"All of it is in {tmp_path / 'wines'}",
    ):
        assert text in shown
    assert not (tmp_path / "not-here").exists()


def test_demo_without_a_folder_makes_one(tmp_path: Path, monkeypatch, capfd) -> None:
    """`linea demo` alone takes a new temporary folder and says where it is."""
    monkeypatch.setattr(demo.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(demo.Stage, "run", lambda *arguments, **options: None)
    assert demo.run(None) == 0
    (folder,) = tmp_path.iterdir()
    assert f"All of it is in {folder}" in capfd.readouterr().out


def test_demo_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    """The demonstration never writes into a folder that holds something."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LineaError, match="is there already"):
        demo.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_edit_of_the_demo_fits_its_script() -> None:
    """The next day's edit finds its place exactly once, and the script stays valid Python."""
    assert demo.PREPARE.count(demo.EDIT[0]) == 1
    compile(demo.PREPARE.replace(*demo.EDIT), "prepare.py", "exec")
