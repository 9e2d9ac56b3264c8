"""`linea pipeline run`: what runs, what is taken from the store, what is saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import NAMES, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def own(sales: Project, tmp_path: Path) -> Project:
    shutil.copytree(sales.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def run(project: Project, *arguments: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """The tasks of a run by name."""
    done = subprocess.run(
        [sys.executable, "-m", "linea", "pipeline", "run", *arguments, "--json"],
        cwd=project.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return {task["task"]: task for task in json.loads(done.stdout)["tasks"]}


def states(tasks: dict[str, dict[str, Any]]) -> set[str]:
    return {task["state"] for task in tasks.values()}


def test_run(own: Project) -> None:
    """The first run gives the stored values and saves no second version of them; the next runs nothing."""
    before = own.digests(*NAMES)
    assert states(run(own, "sales", "--dry-run")) == {"due"}
    assert states(run(own, "sales", "--jobs", "2")) == {"ran"}
    assert own.digests(*NAMES) == before
    assert own.digest("clean@v1") == own.digest("clean")
    assert states(run(own, "sales")) == {"unchanged"}
    assert states(run(own, "sales", "--dry-run")) == {"unchanged"}


def test_parameters_give_what_the_scripts_give(own: Project) -> None:
    """A run with parameters saves what the scripts save with these values in them, and it verifies."""
    run(own, "sales")
    given = ["low=40", "regions=['south']", "rounded=true", "since=2024-03-01", "seed=8"]
    run(own, "sales", *(part for each in given for part in ("--param", each)))
    made = own.digests(*NAMES)
    assert "identical" in own.linea("verify", "score", "clean")
    log = own.linea("log", "score")
    assert "low=40" in log and "low = 40" in own.linea("show", "clean")
    for name in ("clean.py", "report.py"):
        text = (own.folder / name).read_text()
        text = text.replace("low = -1", "low = 40").replace('["north", "east"]', '["south"]')
        text = text.replace("rounded = False", "rounded = True").replace("seed(5)", "seed(8)")
        (own.folder / name).write_text(text.replace("date(2024, 2, 1)", "date(2024, 3, 1)"))
        own.linea("run", name)
    assert own.digests(*NAMES) == made
    assert states(run(own, "sales")) == {"unchanged"}


def test_the_newest_versions_are_those_of_the_last_run(own: Project) -> None:
    """A run whose results are known makes them the newest again, once, made of each other."""
    before = own.digests(*NAMES)
    run(own, "sales")
    run(own, "sales", "--param", "low=40")
    assert own.digest("clean@v2") == before["clean"] != own.digest("clean@v3")
    tasks = run(own, "sales")
    assert states(tasks) == {"unchanged"} and tasks["make_clean"]["versions"] == ["clean@v4"]
    assert own.digests(*NAMES) == before
    assert "as in v2" in own.linea("log", "clean")
    parents = json.loads(own.linea("show", "--json", "score"))["parents"]
    assert {each["name"]: each["number"] for each in parents} == {"clean": 4, "drawn": 3}
    assert run(own, "sales")["make_clean"]["versions"] == ["clean@v4"]
    assert "identical" in own.linea("verify", "score", "clean")
    own.linea("fsck")
    assert "nothing is stale" in own.linea("status")


def test_pipelines_stand_aside(own: Project) -> None:
    """`ls`, `log` and `status` tell of pipelines and of what only their tasks use when asked."""
    run(own, "sales", "--from", "clean")
    assert "pipelines/" not in own.linea("ls") + own.linea("log") + own.linea("log", "--graph")
    assert "pipelines/sales" in own.linea("ls", "--all")
    assert "pipelines/sales@v1" in own.linea("log", "--all")
    run(own, "sales", "--param", "low=40")
    assert "pipelines/" not in own.linea("status", status=1)
    assert "nothing is stale" in own.linea("status", "pipelines/sales")


def test_only_what_changed_runs(own: Project) -> None:
    """New data runs what reads it, and stops where the values come out the same."""
    run(own, "sales")
    lines = (own.folder / "data/sales.csv").read_text().splitlines()
    own.write(data__sales_csv="\n".join([*lines, "north,2020-01-01,5"]) + "\n")
    tasks = run(own, "sales")
    assert tasks.pop("make_clean")["state"] == "ran"
    assert states(tasks) == {"unchanged"}
    own.write(data__sales_csv="\n".join([*lines, "north,2024-03-01,5"]) + "\n")
    assert states(run(own, "sales")) == {"ran"}
    assert "data/sales.csv" in own.linea("log", "clean")


def test_from_a_task(own: Project) -> None:
    """`--from` runs a task and what rests on it, whatever is known."""
    run(own, "sales")
    tasks = run(own, "sales", "--from", "drawn")
    assert tasks["make_clean"]["state"] == "unchanged"
    assert tasks["make_drawn"]["state"] == tasks["make_score"]["state"] == "ran"
    assert "no task 'x'" in own.linea("pipeline", "run", "sales", "--from", "x", status=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [("low=x", "'x' is no int"), ("lov=1", "no parameter 'lov'"), ("low", "is not NAME=VALUE"),
     ("rounded=maybe", "is no bool"), ("since=2024-13-01", "is no date")],
)  # fmt: skip
def test_wrong_parameters_are_refused(own: Project, given: str, said: str) -> None:
    """A parameter that there isn't, or a text that isn't of its kind, ends with an error before all."""
    assert said in own.linea("pipeline", "run", "sales", "--param", given, status=2)


BRANCHES = """\
import os
import linea

base = [1, 2]
linea.save(base, "base")
bad = [10 // int(os.environ.get("DIVISOR", "1"))]
linea.save(bad, "bad")
good = [len(base)]
linea.save(good, "good")
both = bad + good
linea.save(both, "both")
"""


def test_a_failure_loses_nothing_else(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What doesn't rest on a failed task runs and is saved; the next run goes on from there."""
    project.write(a_py=BRANCHES)
    project.linea("run", "a.py")
    monkeypatch.setenv("DIVISOR", "0")
    tasks = run(project, "base", "bad", "good", "both", status=1)
    assert tasks["make_bad"]["state"] == "failed"
    assert tasks["make_both"]["state"] == "skipped"
    assert tasks["make_good"]["state"] == "ran"
    assert "ZeroDivisionError" in tasks["make_bad"]["detail"]
    log = Path(tasks["make_bad"]["log"]).read_text()
    assert "bad = [10 //" in log and "linea/pipeline/worker.py" not in log
    monkeypatch.setenv("DIVISOR", "1")
    tasks = run(project, "both")
    assert tasks["make_bad"]["state"] == "ran"
    assert tasks["make_good"]["state"] == "unchanged"


SLOW = """\
import time
import linea

first = [1]
linea.save(first, "first")
second = [first, "x"]
if len(second) == 2:
    time.sleep(float(open("seconds.txt").read()))
    second.append(2)
linea.save(second, "second")
"""


def test_an_interrupted_run_goes_on(project: Project) -> None:
    """A run that is killed leaves what was done; the next one begins with what wasn't."""
    project.write(a_py=SLOW, seconds_txt="0")
    project.linea("run", "a.py")
    project.write(seconds_txt="60")
    process = subprocess.Popen(
        [sys.executable, "-m", "linea", "pipeline", "run", "first", "second", "-j", "1"],
        cwd=project.folder, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("make_second starts"):
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project.write(seconds_txt="0")
    tasks = run(project, "second")
    assert tasks["make_first"]["state"] == "unchanged"
    assert tasks["make_second"]["state"] == "ran"


def test_two_runs_at_once(own: Project) -> None:
    """Two runs with other parameters at the same time each save their own values."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "linea", "pipeline", "run", "sales", "--param", f"low={low}"],
            cwd=own.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for low in (20, 60)
    ]  # fmt: skip
    assert [process.wait() for process in started] == [0, 0]
    assert states(run(own, "sales", "--param", "low=20")) == {"unchanged"}
    assert states(run(own, "sales", "--param", "low=60")) == {"unchanged"}


def test_pipelines_are_versioned(own: Project) -> None:
    """A changed definition is a new version of the pipeline; the old one still runs."""
    assert "sales  score@v1, drawn@v1, by_region@v1, clean@v1" in own.linea("pipeline", "ls")
    own.export("make", "score", to="out/two", name="sales", param="low")
    assert own.linea("pipeline", "ls").count("@v1") == 2
    assert "sales@v2" in own.linea("pipeline", "show", "sales")
    assert "parameter seed = 5" in own.linea("pipeline", "show", "sales@v1")
    assert states(run(own, "sales@v1")) == {"ran"}


FILES = """\
import os
import linea
import pandas as pd

os.makedirs("out", exist_ok=True)
raw = pd.read_csv("raw.csv")
raw.dropna().to_csv("out/clean.csv", index=False)
linea.save("out/clean.csv", "clean_csv")
"""

READER = """\
import linea
import pandas as pd

table = pd.read_csv("out/clean.csv")
linea.save(int(table.a.sum()), "total")
"""


def test_files_go_from_task_to_task(project: Project) -> None:
    """A file that one session saved and another read is handed on as it was just made."""
    project.write(raw_csv="a,b\n1,2\n3,\n4,5\n", files_py=FILES, reader_py=READER)
    project.linea("run", "files.py")
    project.linea("run", "reader.py")
    assert states(run(project, "clean_csv", "total")) == {"ran"}
    assert states(run(project, "total")) == {"unchanged"}
    project.write(raw_csv="a,b\n1,2\n3,\n40,5\n")
    run(project, "total")
    from linea.store.repository import Repository

    with Repository.open(project.folder / ".linea") as repository:
        assert repository.tip("total").value.summary["text"] == "41"
    assert (project.folder / "out/clean.csv").read_text() == "a,b\n1,2.0\n4,5.0\n"
    place = project.export("make", "total", to="out/make")
    project.run("make", "-C", place, f"PYTHON={sys.executable}")
    assert project.made(place, "run", "total") == project.digests("total")
