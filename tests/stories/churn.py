"""Six weeks of a project of three people: two notebooks, a script, five artifacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NOW = "2026-03-16T09:00:00+00:00"
"""When the questions are asked."""

PEOPLE = {
    "ada": ("Ada", "ada@example.org"),
    "bo": ("Bo", "bo@example.org"),
    "chris": ("Chris", "chris@example.org"),
}

CLEAN = [
    "%load_ext linea\nimport linea\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    'raw = pd.read_csv("data/customers.csv", parse_dates=["signup"])\nraw.head()',
    'raw["plan"].value_counts()',
    'customers = raw.drop_duplicates("customer_id").dropna(subset=["monthly"])',
    'customers["plan"] = customers["plan"].str.lower()',
    'linea.save(customers, "customers")',
    "fig, ax = plt.subplots(figsize=(3, 2))\n"
    'customers.groupby("plan")["churned"].mean().plot.bar(ax=ax)\n'
    'ax.set_title("Churn by plan")\n'
    'linea.save(fig, "churn_plot")',
]

NO_TRIALS = 'customers = customers[customers["plan"] != "trial"]'

FEATURES = '''\
"""Features of customers, made every Tuesday."""
import linea
import pandas as pd


def per_customer(usage):
    total = usage.groupby("customer_id", as_index=False)["minutes"].sum()
    return total.rename(columns={"minutes": "total_minutes"})


customers = linea.get("customers").get_value()
usage = pd.read_csv("data/usage.csv")
print(len(usage), "rows of usage")
features = customers.merge(per_customer(usage), on="customer_id", how="left")
features["total_minutes"] = features["total_minutes"].fillna(0)
features["expensive"] = features["monthly"] > 30
linea.save(features, "features")
features.to_csv("out/features.csv", index=False)
'''

RATIO = 'features["per_euro"] = features["total_minutes"] / features["monthly"]\n'

TRAIN = [
    "%load_ext linea\nimport linea\nfrom sklearn.linear_model import LogisticRegression",
    'features = linea.get("features").get_value()\nfeatures.describe()',
    'columns = ["monthly", "total_minutes"]\nC = 1.0',
    'model = LogisticRegression(C=C, max_iter=500)\nmodel.fit(features[columns], features["churned"])',
    'linea.save(model, "churn_model")',
    'accuracy = round(model.score(features[columns], features["churned"]), 3)\n'
    'metrics = {"accuracy": accuracy, "rows": len(features), "columns": columns}\n'
    'linea.save(metrics, "metrics")\nmetrics',
]


def customers(rows: int, *, wrong: bool) -> str:
    """The export of customers; `wrong` leaves in a price that is corrected later."""
    lines = ["customer_id,plan,signup,monthly,churned"]
    for n in range(1, rows + 1):
        plan = ("Basic", "Plus", "Pro", "Trial")[n % 4]
        monthly = 10 + (n * 7) % 40
        price = 1000 if wrong and n == 5 else monthly
        cell = "" if n == 11 else f"{price}.5"
        lines.append(
            f"{1000 + n},{plan},2025-{n % 12 + 1:02}-{n % 28 + 1:02},{cell},{int((n * 5) % 7 > 4)}"
        )
    return "\n".join(lines) + "\n"


def usage(rows: int) -> str:
    lines = ["customer_id,month,minutes"]
    for n in range(1, rows + 1):
        lines += [f"{1000 + n},{month},{(n * 13 + month * 29) % 120}" for month in (1, 2)]
    return "\n".join(lines) + "\n"


def notebook(cells: Sequence[str]) -> str:
    """A notebook of these cells, as Jupyter writes it."""
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"c{number}",
                    "metadata": {},
                    "outputs": [],
                    "source": cell.splitlines(keepends=True),
                }
                for number, cell in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
    )


class Team:
    """The project's folder, worked on by its people on given days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, who: str, when: str, *arguments: str) -> None:
        """Run a command of linea as somebody, at some time; it must succeed."""
        name, email = PEOPLE[who]
        own = {
            "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "MPLBACKEND": "Agg",
            "LINEA_NOW": f"2026-{when}:00+00:00", "PYTHONUTF8": "1",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "linea", *arguments],
            cwd=self.folder, env={**os.environ, **own}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"


def build(folder: Path) -> None:
    """Let the six weeks happen in an empty folder."""
    team = Team(folder)
    (folder / "out").mkdir()
    team.write("data/customers.csv", customers(40, wrong=True))
    team.write("data/usage.csv", usage(40))
    team.write("clean.ipynb", notebook(CLEAN))
    team.write("features.py", FEATURES)
    team.write("train.ipynb", notebook(TRAIN))
    # The first week: everybody's first.
    team.run("ada", "02-02T10:00", "run", "clean.ipynb")
    team.run("bo", "02-03T10:00", "run", "features.py")
    team.run("chris", "02-05T10:00", "run", "train.ipynb")
    team.write("sent/report.csv", (folder / "out" / "features.csv").read_text())
    # The second: a new export, with a wrong price put right.
    team.write("data/customers.csv", customers(44, wrong=False))
    team.run("ada", "02-10T10:00", "run", "clean.ipynb")
    team.run("bo", "02-11T10:00", "run", "features.py")
    # The third: a new column, made before the flag; the model is trained anew.
    team.write(
        "features.py", FEATURES.replace('features["expensive"]', RATIO + 'features["expensive"]')
    )
    team.run("bo", "02-17T10:00", "run", "features.py")
    team.run("bo", "02-17T11:00", "tag", "features@v3", "january")
    wider = [cell.replace('"total_minutes"]\n', '"total_minutes", "per_euro"]\n') for cell in TRAIN]
    team.write("train.ipynb", notebook(wider))
    team.run("chris", "02-19T10:00", "run", "train.ipynb")
    # The fourth: a weaker penalty.
    team.write("train.ipynb", notebook([cell.replace("C = 1.0", "C = 0.01") for cell in wider]))
    team.run("chris", "02-26T10:00", "run", "train.ipynb")
    # The fifth: trials don't count as customers any more.
    team.write("clean.ipynb", notebook([*CLEAN[:5], NO_TRIALS, *CLEAN[5:]]))
    team.run("ada", "03-03T10:00", "run", "clean.ipynb")
    # The sixth: verified, and an export edited by hand.
    team.run("bo", "03-10T10:00", "verify", "features@v3")
    edited = (folder / "out" / "features.csv").read_text().replace("1002", "9999", 1)
    team.write("out/features.csv", edited)
