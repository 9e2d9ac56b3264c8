"""Revisit past work: which version is this file, what happened since, give me that one back."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.stories.conftest import Project

WINE = "grower,alcohol,hue\nAbbey,14.2,1.04\nAbbey,13.2,1.05\nBrook,12.4,1.1\nCliff,13.7,0.71\n"

FIRST = """\
import linea
import pandas as pd

wine = pd.read_csv("wine.csv")
unused = wine["hue"].max()
table = wine.groupby("grower", as_index=False)["alcohol"].mean()
linea.save(table, "strength")
table.to_csv("strength.csv", index=False)
"""

SECOND = FIRST.replace("linea.save", 'table["rank"] = table["alcohol"].rank()\nlinea.save')


@pytest.fixture(scope="module")
def history(project: Project) -> Project:
    """Three versions: a first, one of changed code, one of changed data; and a file sent of the first."""
    project.write("wine.csv", WINE)
    project.write("strength.py", FIRST)
    project.ok("linea run strength.py")
    shutil.copy(project.folder / "strength.csv", project.folder / "sent.csv")
    project.write("strength.py", SECOND)
    project.ok("linea run strength.py")
    project.write("wine.csv", WINE.replace("13.7", "13.1"))
    project.ok("linea run strength.py")
    return project


@pytest.mark.slow
def test_a_file_that_was_sent_off_is_found_by_its_content(history: Project) -> None:
    """Blame of a copied and renamed export names the version it came from."""
    done = history.run("linea blame sent.csv")
    assert done.status == 0, done.err
    assert "strength@v1" in done.out + done.err
    assert 'wine = pd.read_csv("wine.csv")' in done.out
    assert "unused" not in done.out


@pytest.mark.slow
def test_the_log_tells_code_from_data(history: Project) -> None:
    """Each version's line says why it differs: the code that changed, or the input that did."""
    newest, middle, oldest = history.ok("linea log strength").splitlines()
    assert newest.startswith("v3") and "data wine.csv changed" in newest
    assert middle.startswith("v2") and "code strength.py:7" in middle and "+rank" in middle
    assert oldest.startswith("v1") and "from wine.csv" in oldest


@pytest.mark.slow
def test_diff_shows_the_line_and_the_cell(history: Project) -> None:
    """Code changes show as lines, data changes as cells; the status is 1 as the versions differ."""
    code = history.run("linea diff strength@v1 strength@v2")
    assert (code.status, '+table["rank"] = table["alcohol"].rank()' in code.out) == (1, True), code
    data = history.run("linea diff strength@v2 strength@v3")
    assert data.status == 1
    assert "code   same" in data.out
    assert "13.7  →  13.1" in data.out


@pytest.mark.slow
def test_an_old_version_comes_back_as_it_was(history: Project) -> None:
    """Checkout writes the value and the code of the first version; its value equals the file sent."""
    history.ok("linea checkout strength@v1 --to back")
    history.write(
        "same.py",
        "import linea, pandas as pd\n"
        "old = linea.get('strength@v1').get_value()\n"
        "pd.testing.assert_frame_equal(old, pd.read_csv('sent.csv'))\n"
        "pd.testing.assert_frame_equal(old, pd.read_parquet('back/strength.parquet'))\n",
    )
    history.ok("python same.py")
    code = (history.folder / "back" / "strength.py").read_text()
    assert "rank" not in code and "groupby" in code
    assert [v["version"] for v in json.loads(history.ok("linea log strength --json"))] == [3, 2, 1]
