"""Three projects as people have them become pipelines that give what their notebooks gave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Project

pytestmark = pytest.mark.slow

CUSTOMERS = "id,plan,months,spend,churned\n" + "".join(
    f"{i},{['basic', 'plus', 'pro'][i * 7 % 3]},{i * 13 % 61},{(i * 29 % 400) / 4 if i % 17 else ''},"
    f"{int(i * 13 % 61 < 25 + i % 9)}\n"
    for i in range(150)
)

CHURN_CLEAN = [
    "%load_ext linea\nimport linea\nimport pandas as pd",
    'path = "data/customers.csv"\nmin_months = 2',
    "raw = pd.read_csv(path)\nraw.head()",
    "# People who have just come tell nothing yet.\n"
    'clean = raw[raw["months"] >= min_months].dropna().copy()',
    'clean["per_month"] = clean["spend"] / clean["months"]\nclean.describe()',
    'linea.save(clean, "clean")',
    'linea.save(clean.groupby("plan")["churned"].mean(), "churn_by_plan")',
]

CHURN_MODEL = [
    "%load_ext linea\nimport linea\nfrom sklearn.linear_model import LogisticRegression\n"
    "from sklearn.model_selection import train_test_split",
    'customers = linea.get("clean").get_value()\nseed = 7\nstrength = 1.0',
    'X = customers[["months", "per_month"]]\ny = customers["churned"]\n'
    "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)",
    "model = LogisticRegression(C=strength, max_iter=1000)\nmodel.fit(X_train, y_train)",
    'linea.save(model, "churn_model")',
    'accuracy = float(model.score(X_test, y_test))\nlinea.save(accuracy, "accuracy")',
]

DIABETES = """\
import linea
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

np.random.seed(42)
n_estimators = 5
test_size = 0.25
data = load_diabetes(as_frame=True).frame
features = data.drop(columns="target")
features["bmi_s5"] = features["bmi"] * features["s5"]
linea.save(features, "features")
X_train, X_test, y_train, y_test = train_test_split(
    features, data["target"], test_size=test_size
)
model = RandomForestRegressor(n_estimators=n_estimators, max_depth=4)
model.fit(X_train, y_train)
linea.save(model, "model")
predictions = pd.Series(model.predict(X_test), index=y_test.index, name="predicted")
linea.save(predictions, "predictions")
error = float(mean_absolute_error(y_test, predictions))
linea.save(error, "error")
"""

SHARED = """\
import linea
import pandas as pd

limit = -1
log = {"steps": []}
df = pd.DataFrame({"a": range(10), "b": [x * 1.5 for x in range(10)]})
view = df
df["c"] = df["a"] + limit
log["steps"].append("c")
linea.save(df, "first")
view["d"] = df["c"] * 2
df.loc[0, "a"] = 100
log["steps"].append("d")
linea.save(view, "second")
summary = {"rows": len(df), "total": float(df["a"].sum()), "steps": list(log["steps"])}
linea.save(summary, "summary")
"""


def notebook(cells: list[str]) -> str:
    import nbformat

    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    made.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    return str(nbformat.writes(made))


def check(
    project: Project, files: list[str], names: list[str], change: dict[str, tuple[str, str]]
) -> None:
    """Run in both ways: make's files and linea itself, as recorded and with parameters changed."""
    for file in files:
        project.linea("run", file)
    stored = project.digests(*names)
    place = project.export("make", *names, name="whole", param=list(change), test=True)
    project.run("make", "-C", place, f"PYTHON={sys.executable}")
    assert project.made(place, "run", *names) == stored
    project.linea("pipeline", "run", "whole")
    assert project.digests(*names) == stored
    tests = project.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", place)
    assert "failed" not in tests
    given = [part for n, (_, value) in change.items() for part in ("--param", f"{n}={value}")]
    project.linea("pipeline", "run", "whole", *given)
    made = project.digests(*names)
    assert made != stored
    for file in files:
        text = (project.folder / file).read_text()
        for name, (old, value) in change.items():
            text = text.replace(f"{name} = {old}", f"{name} = {value}")
        (project.folder / file).write_text(text)
        project.linea("run", file)
    assert project.digests(*names) == made


def test_churn_in_two_notebooks(project: Project) -> None:
    """Cleaning in one notebook, a model of what it gives in another: one pipeline, one cleaning."""
    (project.folder / "data").mkdir()
    (project.folder / "data/customers.csv").write_text(CUSTOMERS)
    (project.folder / "clean.ipynb").write_text(notebook(CHURN_CLEAN))
    (project.folder / "model.ipynb").write_text(notebook(CHURN_MODEL))
    names = ["accuracy", "churn_model", "churn_by_plan", "clean"]
    change = {"min_months": ("2", "12"), "strength": ("1.0", "0.25"), "seed": ("7", "8")}
    check(project, ["clean.ipynb", "model.ipynb"], names, change)
    text = (project.folder / "out/make/whole.py").read_text()
    assert text.count("read_csv") == 1 and "import linea" not in text
    assert "# People who have just come tell nothing yet." in text


def test_regression(project: Project) -> None:
    """Four artifacts of one script that draws from a seeded generator, two parameters."""
    project.write(diabetes_py=DIABETES)
    names = ["features", "model", "predictions", "error"]
    change = {"n_estimators": ("5", "8"), "test_size": ("0.25", "0.5")}
    check(project, ["diabetes.py"], names, change)
    assert Path(project.folder / "out/make/whole.py").read_text().count("model.fit") == 1


def test_a_frame_that_is_changed_between_two_artifacts(project: Project) -> None:
    """A frame under two names, changed after it was saved: each artifact is as it was when saved."""
    project.write(frames_py=SHARED)
    check(project, ["frames.py"], ["first", "second", "summary"], {"limit": ("-1", "-50")})


def test_generated_tests_fail_on_broken_code(project: Project) -> None:
    """A change of the generated code makes its tests fail, with what differs."""
    project.write(frames_py=SHARED)
    project.linea("run", "frames.py")
    place = project.export("script", "first", "summary", name="two", test=True)
    file = project.folder / place / "two.py"
    file.write_text(file.read_text().replace('df["a"] + limit', 'df["a"] - limit'))
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", place],
        cwd=project.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'column name="c"' in done.stdout and "1 failed, 4 passed" in done.stdout, done.stdout


def test_generated_code_is_formatted(project: Project) -> None:
    """What is written for each engine passes a formatter and a linter."""
    import shutil

    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff isn't installed")
    project.write(frames_py=SHARED.replace('"steps": list(log["steps"])', '"n": len(log["steps"])'))
    project.linea("run", "frames.py")
    for engine in ("script", "airflow", "prefect", "dagster", "ray", "dask", "kubeflow"):
        options = {} if engine in ("script", "ray", "dask", "kubeflow") else {"schedule": "@daily"}
        place = project.export(
            engine, "first", "second", "summary", name="f", param="limit", **options
        )
        project.run(ruff, "check", "--isolated", "--select", "E,F,W", "--ignore", "E501", place)
        project.run(ruff, "format", "--isolated", "--diff", place)
