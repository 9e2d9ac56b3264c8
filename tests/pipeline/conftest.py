"""Projects that scripts were run in, and what runs in them: the command, engines."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ME = {"GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@example.org", "MPLBACKEND": "Agg"}


@dataclass(frozen=True)
class Project:
    """A folder with a store."""

    folder: Path

    def write(self, **files: str) -> None:
        """Write files; `a__b_py` is `a/b.py`."""
        for name, text in files.items():
            stem, _, suffix = name.replace("__", "/").rpartition("_")
            path = self.folder / f"{stem}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def linea(self, *arguments: str, status: int = 0) -> str:
        """Run the command; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "linea", *arguments],
            cwd=self.folder, capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode == status, f"linea {arguments}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def run(self, program: str | Path, *arguments: str, folder: str = ".", **env: str) -> str:
        """Run a program that must succeed; return what it prints."""
        done = subprocess.run(
            [str(program), *arguments],
            cwd=self.folder / folder, capture_output=True, text=True, encoding="utf-8", check=False,
            env={**os.environ, **env},
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {arguments}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def export(self, target: str, *names: str, to: str | None = None, **options: Any) -> str:
        """Export to a folder of the project; return its name."""
        given: list[str] = []
        for name, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                given += [f"--{name}"] if one is True else [f"--{name}", str(one)]
        place = to or f"out/{target}"
        self.linea("pipeline", "export", *names, "--to", target, "-o", place, "--force", *given)
        return place

    def digest(self, revision: str) -> str:
        """The digest of a stored version."""
        from linea.history.revision import resolve
        from linea.store.repository import Repository

        with Repository.open(self.folder / ".linea") as repository:
            return str(resolve(repository, revision).digest)

    def digests(self, *names: str) -> dict[str, str]:
        return {name: self.digest(name) for name in names}

    def made(self, place: str, run_dir: str | Path, *names: str) -> dict[str, str]:
        """The digests of what a generated pipeline left in the folder of a run."""
        folder = self.folder / place
        (tasks,) = folder.glob("*_tasks.py")
        code = (
            "import runpy, sys; from linea import values\n"
            f"tasks = runpy.run_path({str(tasks)!r})\n"
            f"sys.path.insert(0, {str(folder)!r})\n"
            f"for name in {names!r}:\n"
            f"    print(values.digest(tasks['load']({str(self.folder / place / run_dir)!r}, name)))"
        )
        said = self.run(sys.executable, "-c", code, LINEA_WATCH="0")
        return dict(zip(names, said.split(), strict=True))


@pytest.fixture(scope="session", autouse=True)
def _author() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("LINEA_") and "_ENGINE" not in n]:
            patch.delenv(name)
        for name, value in {**ME, "COLUMNS": "120", "PYTHONUTF8": "1"}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project(tmp_path)


SALES = "region,day,amount\n" + "".join(
    f"{['north', 'south', 'east'][i % 3]},2024-0{i % 6 + 1}-15,{(i * 37) % 91 + i % 4 / 4}\n"
    for i in range(60)
)

CLEAN = """\
import datetime
import linea
import pandas as pd

path = "data/sales.csv"
since = datetime.date(2024, 2, 1)
low = -1
skip = None
sales = pd.read_csv(path)
sales.head()
# Late bookings don't count.
clean = sales[(sales["day"] >= since.isoformat()) & (sales["amount"] > low)].copy()
clean["share"] = clean["amount"] / clean["amount"].sum()
if skip is not None:
    clean = clean[clean["region"] != skip]
clean = clean.reset_index(drop=True)
linea.save(clean, "clean")
"""

REPORT = """\
import linea
import numpy as np

table = linea.get("clean").get_value()
np.random.seed(5)
rounded = False
regions = ["north", "east"]
chosen = table[table["region"].isin(regions)]
drawn = chosen.sample(6)
linea.save(drawn, "drawn")
noise = np.random.normal()
score = float(drawn["amount"].sum() + noise)
if rounded:
    score = float(round(score))
linea.save(score, "score")
by_region = chosen.groupby("region")["amount"].sum()
linea.save(by_region, "by_region")
"""

NAMES = ("clean", "drawn", "score", "by_region")
PARAMETERS = ["path", "since", "low", "skip", "rounded", "regions", "seed"]


@pytest.fixture(scope="session")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two sessions: a table is cleaned, a report is made of it; parameters of all kinds."""
    made = Project(tmp_path_factory.mktemp("sales"))
    made.write(data__sales_csv=SALES, clean_py=CLEAN, report_py=REPORT)
    made.linea("run", "clean.py")
    made.linea("run", "report.py")
    made.linea(
        "pipeline", "export", "score", "drawn", "by_region", "--name", "sales", "--to", "make",
        "-o", "out/make", *(part for name in PARAMETERS for part in ("--param", name)),
    )  # fmt: skip
    return made
