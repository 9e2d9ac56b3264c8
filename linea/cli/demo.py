"""`linea demo`: a small project of wines, run three times by its author, then questioned."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from linea.errors import LineaError

DATA = "data/wine.csv"
"""178 wines of three growers by 13 measurements: the `wine` data of the UCI Machine Learning
Repository (Aeberhard and Forina 1992, CC BY 4.0), as scikit-learn ships it."""

PREPARE = '''\
"""Make features from the wine data. Grown over an afternoon."""
import numpy as np
import pandas as pd
import linea

raw = pd.read_csv("data/wine.csv")
print(raw.shape)
raw.head()

# is alcohol normal? looks fine
counts = raw["alcohol"].round().value_counts()
print(counts.idxmax())

df = raw.copy()
columns = ["alcohol", "malic_acid", "flavanoids"]
wanted = columns
wanted.append("color_intensity")

def clean(frame):
    """Changes its argument, as helpers do."""
    frame["flavanoids"] = frame["flavanoids"].clip(upper=3.5)
    return len(frame)

n = clean(df)
old = df.drop(columns=["ash"])  # dead end
df.drop(columns=["ash", "proline"], inplace=True)
features = df[wanted + ["grower"]]
features.to_csv("features.csv", index=False)
features = pd.read_csv("features.csv")
linea.save(features, "feature_table")
print("saved", len(features), "rows")
'''

NOTEBOOK = (
    "import linea\nfrom sklearn.linear_model import LogisticRegression\n"
    "from sklearn.model_selection import train_test_split",
    'df = linea.get("feature_table").get_value()\ndf.describe()',
    "seed = 7\nscores = []",
    'X = df.drop(columns=["grower"])\ny = df["grower"]\n'
    "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)",
    "for c in [0.1, 1, 10]:\n"
    "    trial = LogisticRegression(C=c, max_iter=2000).fit(X_train, y_train)\n"
    "    scores.append(trial.score(X_test, y_test))\nscores",
    "model = LogisticRegression(C=1, max_iter=2000).fit(X_train, y_train)\n"
    "model.score(X_test, y_test)",
    'linea.save(model, "model")',
)

EDIT = (
    'features = df[wanted + ["grower"]]\n',
    'df["tint"] = df["hue"] * df["color_intensity"]\nwanted.append("tint")\n'
    'features = df[wanted + ["grower"]]\n',
)


class Stage:
    """Shows commands and runs them, one after the other, in the project's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.colour = sys.stdout.isatty()
        self.environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        self.environment.pop("LINEA_DIR", None)

    def say(self, text: str) -> None:
        self._write(f"\n\033[1m# {text}\033[0m\n" if self.colour else f"\n# {text}\n")

    def run(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
        """Print `linea ARGUMENTS…`, run it, and let its output through."""
        line = shlex.join(["linea", *arguments])
        self._write(f"\033[32m$ {line}\033[0m\n" if self.colour else f"$ {line}\n")
        done = subprocess.run(
            [sys.executable, "-m", "linea", *arguments],
            cwd=self.folder,
            env=self.environment,
            check=False,
        )
        if done.returncode not in allowed:
            raise LineaError(
                f"the demo stopped: `{line}` ended with status {done.returncode}",
                hint=f"what it made so far is in {self.folder}",
            )

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def run(folder: Path | None = None) -> int:
    """Make the project in `folder`, which must be new or empty, and show what linea knows of it."""
    began = time.perf_counter()
    _require()
    folder = (folder or Path(tempfile.mkdtemp(prefix="linea-demo-"))).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LineaError(f"{folder} is there already", hint="linea demo OTHER-FOLDER")
    stage = Stage(folder)
    stage.say(f"A project in {folder}: {DATA}, prepare.py, train.ipynb")
    (folder / "data").mkdir(parents=True)
    (folder / DATA).write_text(_wine(), encoding="utf-8")
    (folder / "prepare.py").write_text(PREPARE, encoding="utf-8")
    (folder / "train.ipynb").write_text(_notebook(), encoding="utf-8")

    stage.say("The script and the notebook run as they always did; linea watches")
    stage.run("run", "prepare.py")
    stage.run("run", "train.ipynb")
    stage.say("Next day: an idea, a new column in prepare.py")
    path = folder / "prepare.py"
    path.write_text(path.read_text(encoding="utf-8").replace(*EDIT), encoding="utf-8")
    stage.run("run", "prepare.py")
    stage.run("run", "train.ipynb")
    stage.say("A week later: a corrected data file")
    data = (folder / DATA).read_text(encoding="utf-8")
    (folder / DATA).write_text(data.replace("14.23,", "13.23,", 1), encoding="utf-8")
    stage.run("run", "prepare.py")
    stage.run("run", "train.ipynb")

    stage.say("What happened to each result, and why?")
    stage.run("log")
    stage.say("What is this model, and which code made it? Of the notebook, what it rests on")
    stage.run("show", "model")
    stage.say("Who wrote each line of it, and when?")
    stage.run("blame", "feature_table")
    stage.say("What changed between two versions, in code and in value?")
    stage.run("diff", "feature_table@v1", "feature_table@v3", allowed=(0, 1))
    stage.say("Get the second version back, as files")
    stage.run("checkout", "feature_table@v2", "--to", "back")
    stage.say("Is it still what its code gives? Run the code again, alone, and compare")
    stage.run("verify", "model")
    stage.say("The data changes once more: what is stale now?")
    (folder / DATA).write_text(data.replace("14.23,", "12.23,", 1), encoding="utf-8")
    stage.run("status", allowed=(0, 1))

    stage.say(f"Done in {time.perf_counter() - began:.0f} s")
    stage._write(
        f"All of it is in {folder}; .linea/ there is a git repository:\n"
        f"  git --git-dir {folder / '.linea'} log --graph --all --oneline\n"
        "Try next:\n"
        f"  cd {folder}\n"
        "  linea show feature_table@v1 --code\n"
        "  linea blame features.csv\n"
        "  linea graph\n"
        "  python prepare.py       # a plain run is watched too\n"
        'In your own code: linea.save(value, "name"), and %load_ext linea in a notebook.\n'
    )
    return 0


def _require() -> None:
    import importlib.util

    needed = ("pandas", "sklearn", "ipykernel", "nbclient")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        names = " ".join({"sklearn": "scikit-learn"}.get(n, n) for n in missing)
        raise LineaError(f"the demo needs {names}", hint=f"pip install {names}")


def _wine() -> str:
    """The wine data as CSV, with the names of its columns."""
    from importlib.resources import files

    raw = (files("sklearn.datasets") / "data" / "wine_data.csv").read_text(encoding="utf-8")
    names = (
        "alcohol,malic_acid,ash,alcalinity,magnesium,phenols,flavanoids,nonflavanoids,"
        "proanthocyanins,color_intensity,hue,dilution,proline,grower"
    )
    return "\n".join([names, *raw.splitlines()[1:]]) + "\n"


def _notebook() -> str:
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source.splitlines(keepends=True),
        }
        for n, source in enumerate(NOTEBOOK, 1)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5},
        indent=1,
    )
