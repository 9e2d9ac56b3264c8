"""One virtual environment an engine, made with uv and kept: `python -m tests.pipeline.engines`."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = {
    "dvc": ["dvc"],
    "kubeflow": ["kfp>=2,<3"],
    "argo": ["hera[yaml]"],
    "dagster": ["dagster"],
    "dask": ["dask[distributed]"],
    "ray": ["ray"],
    "prefect": ["prefect>=3,<4", "fastapi~=0.139.0"],
    "airflow": ["apache-airflow>=3,<4"],
}
CORE = {"dvc", "kubeflow", "argo", "dask"}
"""What runs without being asked for; `LINEA_ENGINES=all` runs the rest as well."""

BASE = ["pandas", "pyarrow"]


def environment(engine: str) -> Path:
    """The bin folder of an engine's environment, made where it isn't there yet."""
    if engine not in CORE and os.environ.get("LINEA_ENGINES") != "all":
        pytest.skip("LINEA_ENGINES=all runs it")
    place = cache() / f"{engine}-{sys.version_info.major}.{sys.version_info.minor}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            uv = Path(sys.executable).with_name("uv")
            if not uv.exists():
                pytest.skip("uv isn't installed")
            subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, place], check=True)
            python = place / "bin" / "python"
            subprocess.run(
                [uv, "pip", "install", "-q", "-p", python, *BASE, *ENGINES[engine]], check=True
            )
            (place / "ready").touch()
    return place / "bin"


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LINEA_ENGINE_ENVIRONMENTS") or Path(home, "linea-engines"))


if __name__ == "__main__":
    os.environ["LINEA_ENGINES"] = "all"
    for name in ENGINES:
        print(name, environment(name))
