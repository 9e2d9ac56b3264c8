"""Clean a messy notebook: keep the few cells that a result rests on, and prove that they suffice."""

from __future__ import annotations

import pytest

from tests.stories.conftest import Project

WINE = "grower,alcohol,hue\nAbbey,14.2,1.04\nAbbey,13.2,1.05\nBrook,12.4,1.1\nCliff,13.7,0.71\n"

CELLS = {
    "load": 'wine = pd.read_csv("wine.csv")',
    "look": "wine.describe()",
    "dead end": 'groups = wine.groupby("grower").mean()\ngroups.plot',
    "typo": 'wine["strong"] = wine["alcool"] > 13',
    "fixed": 'wine["strong"] = wine["alcohol"] > limit',
    "limit": "limit = 13",
    "helper": "def centred(frame, column):\n    frame[column] = frame[column] - frame[column].mean()",
    "centre": 'centred(wine, "hue")',
    "unused": 'other = wine.copy()\nother["hue"] = 0',
    "other limit": "limit = 12.5",
    "pick": 'table = wine.loc[wine["strong"], ["grower", "hue"]]',
}

ORDER = [
    "load", "look", "typo", "fixed", "limit", "fixed", "dead end", "helper", "centre", "load", "unused",
    "other limit", "fixed", "centre", "look", "pick",
]  # fmt: skip
"""The order of the clicks: `fixed` first fails for want of a limit; `load` starts over."""

SLICE = """\
import pandas as pd
def centred(frame, column):
    frame[column] = frame[column] - frame[column].mean()
wine = pd.read_csv("wine.csv")
limit = 12.5
wine["strong"] = wine["alcohol"] > limit
centred(wine, "hue")
table = wine.loc[wine["strong"], ["grower", "hue"]]
"""


@pytest.fixture(scope="module")
def shown(project: Project) -> str:
    """The table as the notebook shows it, once all cells have run and it is saved."""
    project.write("wine.csv", WINE)
    kernel = project.kernel()
    kernel.run("%load_ext linea")  # In[1]
    kernel.run("import linea\nimport pandas as pd")  # In[2]
    said = [kernel.run(CELLS[name]) for name in ORDER]  # In[3] …
    assert "KeyError" in said[2]
    assert "NameError" in said[3]
    kernel.run('linea.save(table, "strong_wines")')
    return kernel.run("print(table.to_csv())")


@pytest.mark.slow
def test_the_slice_of_a_messy_notebook_is_short_and_gives_the_same_table(
    project: Project, shown: str
) -> None:
    """Cells that failed, were superseded or led nowhere are left out; the rest runs alone."""
    assert project.ok("linea show strong_wines --code") == SLICE
    assert "identical" in project.ok("linea verify strong_wines")


@pytest.mark.slow
def test_the_slice_runs_as_a_script_of_its_own(project: Project, shown: str) -> None:
    """What checkout writes as code runs with plain python and rebuilds the table."""
    project.ok("linea checkout strong_wines --code --to clean")
    [script] = (project.folder / "clean").glob("*.py")
    project.write("alone.py", script.read_text() + "print(table.to_csv())\n")
    assert project.ok("python alone.py") == shown


@pytest.mark.slow
def test_every_line_of_the_slice_tells_its_cell(project: Project, shown: str) -> None:
    """Blame names the cell's execution count and the line in it, the last run of a re-run cell."""
    lines = project.ok("linea blame strong_wines").splitlines()
    by_code = {line.split("  ")[-1]: line for line in lines}
    assert "[2]:2 " in by_code["import pandas as pd"]
    assert "[12]:1 " in by_code['wine = pd.read_csv("wine.csv")']
    assert "[18]:1 " in by_code['table = wine.loc[wine["strong"], ["grower", "hue"]]']
