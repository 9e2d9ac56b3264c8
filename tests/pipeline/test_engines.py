"""What is generated runs on the engines themselves and gives the stored values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .argo import run_workflow
from .conftest import NAMES, Project
from .engines import environment

pytestmark = [pytest.mark.engines, pytest.mark.slow]

OTHER = {"low": "40", "regions": "['south']", "rounded": "true", "since": "2024-03-01", "seed": "8"}


def copied(project: Project, folder: Path) -> Project:
    """The project in a folder of the test's own, so that tests can run side by side."""
    shutil.copytree(project.folder, folder / "project", symlinks=True)
    return Project(folder / "project")


@pytest.fixture
def own(sales: Project, tmp_path: Path) -> Project:
    return copied(sales, tmp_path)


def latest(folder: Path) -> Path:
    """The one folder of a run."""
    (found,) = [path for path in folder.iterdir() if path.name not in ("newest",)]
    return found


def notebook_with(project: Project, tmp_path: Path) -> dict[str, str]:
    """The digests of what the scripts make when OTHER is written into them."""
    changed = Project(tmp_path / "changed")
    shutil.copytree(project.folder / "data", changed.folder / "data")
    for name in ("clean.py", "report.py"):
        text = (project.folder / name).read_text()
        text = text.replace("low = -1", "low = 40").replace('["north", "east"]', '["south"]')
        text = text.replace("rounded = False", "rounded = True").replace("seed(5)", "seed(8)")
        (changed.folder / name).write_text(text.replace("date(2024, 2, 1)", "date(2024, 3, 1)"))
        changed.linea("run", name)
    return changed.digests(*NAMES)


def test_make(own: Project, tmp_path: Path) -> None:
    """make gives the stored values, does nothing twice, and notices parameters, inputs and code."""
    make = ["make", "-C", "out/make", f"PYTHON={sys.executable}"]
    own.run(*make)
    assert own.made("out/make", "run", *NAMES) == own.digests(*NAMES)
    assert "_tasks.py" not in own.run(*make)
    given = [f"{name}={value}" for name, value in OTHER.items()]
    said = own.run(*make, *given)
    assert said.count("_tasks.py make") == 4
    assert own.made("out/make", "run", *NAMES) == notebook_with(own, tmp_path)
    assert "_tasks.py make" not in own.run(*make, *given)
    own.write(data__sales_csv="region,day,amount\n" + "north,2024-05-01,3\n" * 9)
    assert own.run(*make).count("_tasks.py make") == 4


def test_two_runs_side_by_side(own: Project) -> None:
    """Two runs with two folders at the same time don't meet, whatever they are given."""
    tasks = own.folder / "out/make/sales_tasks.py"
    runs = [("one", "-1"), ("two", "40")]
    started = [
        subprocess.Popen([sys.executable, tasks, "all", "--run-dir", own.folder / "out/make" / name,
                          "--param", f"low={low}"])
        for name, low in runs
    ]  # fmt: skip
    assert [process.wait() for process in started] == [0, 0]
    assert own.made("out/make", "one", *NAMES) == own.digests(*NAMES)
    assert own.made("out/make", "two", "clean") != own.digests("clean")


def test_a_failed_task_is_run_again_alone(own: Project) -> None:
    """A task that failed leaves nothing, and runs again alone when what it missed is there."""
    tasks = str(own.folder / "out/make/sales_tasks.py")
    run = [sys.executable, tasks]
    (own.folder / "data/sales.csv").rename(own.folder / "data/away.csv")
    done = subprocess.run([*run, "make_clean", "--run-dir", "r"], cwd=own.folder, check=False)
    assert done.returncode == 1
    assert list((own.folder / "r").iterdir()) == []
    (own.folder / "data/away.csv").rename(own.folder / "data/sales.csv")
    for name in ("make_clean", "make_by_region"):
        if name == "make_by_region":
            own.run(*run, "prepare_chosen", "--run-dir", "r") if "prepare_chosen" in Path(
                tasks
            ).read_text() else None
        own.run(*run, name, "--run-dir", "r")
    assert own.made("out/make", "../../r", "by_region") == own.digests("by_region")


def test_script(own: Project) -> None:
    """The program prints the values; options change them; a wrong one is refused."""
    place = own.export("script", "sales")
    said = own.run(sys.executable, f"{place}/sales.py")
    stored = own.linea("show", "score")
    assert "import linea" not in (own.folder / place / "sales.py").read_text()
    score = next(line for line in said.splitlines() if line.startswith("score: "))
    assert score.removeprefix("score: ") in stored
    options = [
        "--low", "-2", "--rounded", "--since", "2024-03-01", "--regions", "['south']", "--skip", "x",
    ]  # fmt: skip
    said = own.run(sys.executable, f"{place}/sales.py", *options)
    assert any(line.startswith("score: ") and line.endswith(".0") for line in said.splitlines())
    wrong = subprocess.run(
        [sys.executable, f"{place}/sales.py", "--low", "x"], cwd=own.folder, capture_output=True,
        check=False,
    )  # fmt: skip
    assert wrong.returncode == 2


def test_cron(own: Project, tmp_path: Path) -> None:
    """cron takes the line, and what it starts makes the stored values and logs."""
    place = own.export("cron", "sales", schedule="5 6 * * 1")
    line = (own.folder / place / "sales.cron").read_text().splitlines()[-1]
    crontab = shutil.which("crontab")
    if crontab:
        own.run(crontab, "-n", f"{place}/sales.cron")
    assert line.startswith("5 6 * * 1 ")
    own.run("/bin/sh", "-c", line.removeprefix("5 6 * * 1 "), folder="/")
    run = latest(own.folder / place / "runs")
    assert own.made(place, run, *NAMES) == own.digests(*NAMES)
    assert "is done" in (own.folder / place / "sales.log").read_text()


def test_dvc(own: Project, tmp_path: Path) -> None:
    """`dvc repro` gives the stored values; then nothing; and notices parameters and inputs."""
    bin = environment("dvc")
    place = own.export("dvc", "sales")
    path = {"PATH": f"{bin}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    own.run(bin / "dvc", "init", "--no-scm", "-q", **path)
    repro = [bin / "dvc", "repro", f"{place}/dvc.yaml"]
    own.run(*repro, **path)
    assert own.made(place, "values", *NAMES) == own.digests(*NAMES)
    assert "Running stage" not in own.run(*repro, **path)
    params = json.loads((own.folder / place / "params.json").read_text())
    assert params["low"] == -1 and params["rounded"] is False and params["skip"] is None
    params |= {"low": 40, "regions": ["south"], "rounded": True, "since": "2024-03-01", "seed": 8}
    (own.folder / place / "params.json").write_text(json.dumps(params))
    own.run(*repro, **path)
    assert own.made(place, "values", *NAMES) == notebook_with(own, tmp_path)
    own.write(data__sales_csv="region,day,amount\n" + "south,2024-05-01,43\n" * 9)
    assert "Running stage 'out/dvc/dvc.yaml:make_clean'" in own.run(*repro, **path)


KUBEFLOW = """\
from kfp import local
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root="./made")
import sales_kubeflow
sales_kubeflow.sales({arguments})
"""


def test_kubeflow(own: Project) -> None:
    """The pipeline compiles, and kfp's local runner gives the stored values."""
    bin = environment("kubeflow")
    place = own.export("kubeflow", "sales")
    code = str(own.folder / place / "sales_tasks.py")
    own.run(bin / "python", "sales_kubeflow.py", folder=place)
    compiled = list(yaml.safe_load_all((own.folder / place / "sales.yaml").read_text()))
    assert compiled[0]["root"]["inputDefinitions"]["parameters"]["low"]["defaultValue"] == -1
    own.write(**{f"{place.replace('/', '__')}__local_py": KUBEFLOW.format(arguments="")})
    own.run(bin / "python", "local.py", folder=place, PIPELINE_CODE=code)
    run = latest(own.folder / place / "made")
    values = own.folder / place / "gathered"
    for folder in run.iterdir():
        if (folder / "values").exists():
            shutil.copytree(folder / "values", values / folder.name.replace("-", "_"))
    assert own.made(place, "gathered", *NAMES) == own.digests(*NAMES)


ARGO = """\
import sys, yaml
from hera.workflows.models import CronWorkflow, Workflow

for path in sys.argv[1:]:
    given = yaml.safe_load(open(path))
    model = CronWorkflow if given["kind"] == "CronWorkflow" else Workflow
    read = model.model_validate(given) if hasattr(model, "model_validate") else model.parse_obj(given)
    kept = yaml.safe_load(read.json(by_alias=True, exclude_none=True))

    def lost(a, b, at=""):
        if isinstance(a, dict):
            for key in a:
                assert key in b, f"{at}/{key} is no field"
                lost(a[key], b[key], f"{at}/{key}")
        elif isinstance(a, list):
            assert len(a) == len(b), at
            for n, (one, other) in enumerate(zip(a, b)):
                lost(one, other, f"{at}/{n}")

    lost(given, kept)
    print("valid", path)
"""


def test_argo(own: Project, tmp_path: Path) -> None:
    """The workflow is valid, and run task by task, artifact by artifact, it gives the stored values."""
    bin = environment("argo")
    place = own.export("argo", "sales")
    cron = own.export("argo", "sales", to="out/argo-cron", schedule="@daily", retries=2, tag="a")
    (tmp_path / "validate.py").write_text(ARGO)
    own.run(
        bin / "python", str(tmp_path / "validate.py"), f"{place}/sales.yaml", f"{cron}/sales.yaml"
    )
    document = yaml.safe_load((own.folder / place / "sales.yaml").read_text())
    run_workflow(document, own.folder, tmp_path / "values", {})
    gathered = own.folder / place / "values"
    shutil.copytree(tmp_path / "values", gathered)
    assert own.made(place, "values", *NAMES) == own.digests(*NAMES)
    scheduled = yaml.safe_load((own.folder / cron / "sales.yaml").read_text())
    assert scheduled["spec"]["schedules"] == ["0 0 * * *"]


def test_github(own: Project, tmp_path: Path) -> None:
    """The jobs' own commands, run in the order of their needs, give the stored values."""
    place = own.export("github", "sales", schedule="0 6 * * 1")
    document = yaml.safe_load((own.folder / ".github/workflows/sales.yml").read_text())
    assert document["on"]["schedule"] == [{"cron": "0 6 * * 1"}]
    assert document["permissions"] == {"contents": "read"}
    waiting = dict(document["jobs"])
    inputs = document["on"]["workflow_dispatch"]["inputs"]
    done: set[str] = set()
    python = Path(sys.executable).parent
    while waiting:
        name = next(n for n, job in waiting.items() if set(job.get("needs", [])) <= done)
        job = waiting.pop(name)
        done.add(name)
        downloads = {s["with"]["name"] for s in job["steps"] if "download" in s.get("uses", "")}
        assert downloads <= done
        for step in job["steps"]:
            if "sales_tasks" in step.get("run", ""):
                env = {}
                for key, text in step.get("env", {}).items():
                    default = inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")][
                        "default"
                    ]
                    env[key] = str(default).lower() if isinstance(default, bool) else str(default)
                own.run("bash", "-ec", step["run"], PATH=f"{python}:{os.environ['PATH']}",
                        GITHUB_EVENT_NAME="workflow_dispatch", **env)  # fmt: skip
    shutil.move(own.folder / "values", own.folder / place / "values")
    assert own.made(place, "values", *NAMES) == own.digests(*NAMES)


def test_dask(own: Project) -> None:
    """A local Dask cluster gives the stored values."""
    bin = environment("dask")
    place = own.export("dask", "sales")
    own.run(bin / "python", f"{place}/sales_dask.py", "--run-dir", f"{place}/run")
    assert own.made(place, "run", *NAMES) == own.digests(*NAMES)


def test_ray(own: Project) -> None:
    """A local Ray gives the stored values."""
    bin = environment("ray")
    place = own.export("ray", "sales", retries=1)
    own.run(
        bin / "python",
        f"{place}/sales_ray.py",
        "--run-dir",
        f"{place}/run",
        RAY_USAGE_STATS_ENABLED="0",
    )
    assert own.made(place, "run", *NAMES) == own.digests(*NAMES)


def test_prefect(own: Project, tmp_path: Path) -> None:
    """A flow run with a server of its own gives the stored values."""
    bin = environment("prefect")
    place = own.export("prefect", "sales", retries=1)
    own.run(
        bin / "python", f"{place}/sales_flow.py", PREFECT_HOME=str(tmp_path / "home"),
        DO_NOT_TRACK="1", PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="300",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )  # fmt: skip
    run = latest(own.folder / place / "runs" / "sales")
    assert own.made(place, run, *NAMES) == own.digests(*NAMES)


DAGSTER = """\
import dagster as dg
import sales_assets as made

first = dg.materialize(made.defs.assets, resources={"parameters": made.Parameters()})
assert first.success
alone = dg.materialize(
    made.defs.assets, selection="make_score", resources={"parameters": made.Parameters()}
)
assert alone.success
versions = [spec.code_version for asset in made.defs.assets for spec in asset.specs]
assert len(set(versions)) == len(versions) and all(versions), versions
print("RUN", first.dagster_run.run_id, alone.dagster_run.run_id)
"""


def test_dagster(own: Project, tmp_path: Path) -> None:
    """Assets materialize, one of them alone as well, and give the stored values."""
    bin = environment("dagster")
    place = own.export("dagster", "sales", schedule="@daily")
    (own.folder / place / "go.py").write_text(DAGSTER)
    said = own.run(bin / "python", "go.py", folder=place, DAGSTER_HOME=str(tmp_path))
    first, alone = said.rpartition("RUN ")[2].split()[:2]
    assert own.made(place, f"runs/sales/{first}", *NAMES) == own.digests(*NAMES)
    assert own.made(place, f"runs/sales/{alone}", "score") == own.digests("score")


def test_airflow(own: Project, tmp_path: Path) -> None:
    """`airflow dags test` gives the stored values; a parameter in its configuration counts."""
    bin = environment("airflow")
    place = own.export("airflow", "sales", schedule="@daily", retries=1, timeout=300)
    env = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(own.folder / place),
        "PATH": f"{bin}:{os.environ['PATH']}",
    }
    own.run(bin / "airflow", "db", "migrate", **env)
    conf = json.dumps(
        {"low": 40, "regions": ["south"], "rounded": True, "since": "2024-03-01", "seed": 8}
    )
    own.run(bin / "airflow", "dags", "test", "sales", "--conf", conf, **env)
    run = latest(own.folder / place / "runs" / "sales")
    assert own.made(place, run, *NAMES) == notebook_with(own, tmp_path)
