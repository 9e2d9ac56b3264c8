"""Notebook to pipeline: two results of a notebook as a module that runs without it."""

from __future__ import annotations

import ast

import pytest

from tests.stories.conftest import Project

WINE = "alcohol,hue,kind\n" + "".join(
    f"{12 + (i * 7 % 30) / 10},{0.6 + (i * 11 % 50) / 100},{i * 7 % 30 > 14}\n" for i in range(40)
)

CELLS = [
    "%load_ext linea",
    "import linea\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression",
    'wine = pd.read_csv("wine.csv")',
    "wine.head()",
    'features = wine[["alcohol", "hue"]].copy()\nfeatures["ratio"] = features["alcohol"] / features["hue"]',
    'print("rows", len(features))',
    'linea.save(features, "features")',
    "model = LogisticRegression(max_iter=500)",
    'model.fit(features, wine["kind"])',
    'linea.save(model, "model")',
    'linea.save([float(c) for c in model.coef_[0]], "weights")',
]

CHECK = """\
import importlib.util
import linea
import pandas as pd

spec = importlib.util.spec_from_file_location("pipeline", "pipeline.py")
pipeline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pipeline)
made = pipeline.run_all()
assert list(made) == ["features", "weights"], list(made)
pd.testing.assert_frame_equal(made["features"], linea.get("features").get_value())
assert made["weights"] == linea.get("weights").get_value(), made["weights"]
"""


@pytest.fixture(scope="module")
def module(project: Project) -> str:
    """The module that the notebook's last cell writes to `pipeline.py`."""
    project.write("wine.csv", WINE)
    kernel = project.kernel()
    for cell in CELLS:
        said = kernel.run(cell)
        assert "Error" not in said, said
    kernel.run(
        'with open("pipeline.py", "w") as f:\n'
        '    f.write(linea.get_module_definition(["features", "weights"]))'
    )
    return (project.folder / "pipeline.py").read_text()


@pytest.mark.slow
def test_the_module_gives_equal_values_in_a_fresh_process(project: Project, module: str) -> None:
    """Imported elsewhere, the module's `run_all` gives the stored values again."""
    project.write("check.py", CHECK)
    project.ok("python check.py")


@pytest.mark.slow
def test_the_module_runs_as_a_script(project: Project, module: str) -> None:
    """`python pipeline.py` runs all of it and prints each result."""
    shown = project.ok("python pipeline.py")
    assert "features:" in shown
    assert "weights:" in shown


@pytest.mark.slow
def test_the_module_is_code_that_people_would_write(module: str) -> None:
    """A function each, the table as an argument of what uses it; nothing of linea, no dead ends."""
    functions = {n.name: n for n in ast.parse(module).body if isinstance(n, ast.FunctionDef)}
    assert {"make_features", "make_weights", "run_all"} <= set(functions)
    assert "import linea" not in module
    assert "head()" not in module and "rows" not in module
    assert module.count("read_csv") == 1
