"""A plan → the files that an engine runs; one module an engine, each found by its name here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from linea.errors import PipelineError
from linea.pipeline.plan import Plan

TARGETS = {
    "script": "linea.pipeline.targets.script",
    "make": "linea.pipeline.targets.make",
    "cron": "linea.pipeline.targets.cron",
    "dvc": "linea.pipeline.targets.dvc",
    "airflow": "linea.pipeline.targets.airflow",
    "prefect": "linea.pipeline.targets.prefect",
    "dagster": "linea.pipeline.targets.dagster",
    "ray": "linea.pipeline.targets.ray",
    "dask": "linea.pipeline.targets.dask",
    "kubeflow": "linea.pipeline.targets.kubeflow",
    "argo": "linea.pipeline.targets.argo",
    "github": "linea.pipeline.targets.github",
}
"""Engine → the module whose `render(plan, options)` gives its files."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says of how it is to run; nothing is added that wasn't said."""

    schedule: str | None = None
    """Five fields of cron, or `@daily` and its like."""
    retries: int | None = None
    timeout: int | None = None
    """Seconds that a task may take."""
    tags: tuple[str, ...] = ()
    image: str | None = None
    """The container image that holds the code."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own settings, passed on by name."""
    place: str = "."
    """The folder of the generated files, relative to the project."""
    project: str = "."
    """The project, relative to the generated files."""
    folder: str = ""
    """The folder of the generated files, absolute."""
    python: str = "python3"
    """The interpreter, absolute."""
    modules: tuple[str, ...] = ()
    """The project's own modules that lie beside the generated ones."""


Render = Callable[[Plan, Options], dict[str, str]]


def find(name: str) -> Render:
    """The function that writes the files for an engine."""
    module = TARGETS.get(name.lower().replace("githubactions", "github"))
    if module is None:
        near = get_close_matches(name.lower(), TARGETS, n=1)
        raise PipelineError(
            f"there is no target {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(TARGETS)}",
        )
    render: Render = importlib.import_module(module).render
    return render
