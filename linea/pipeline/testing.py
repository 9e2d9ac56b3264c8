"""A plan and stored values → tests that fail when the generated code makes something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linea.codegen.parts import quote
from linea.pipeline import runtime
from linea.pipeline.plan import Plan
from linea.pipeline.targets.common import laid_out, literal

PROGRAM: Any = runtime
"""It is copied into generated code, and has no types."""

SMALL = 1 << 20
"""Inputs up to this size are kept with the tests."""

TEXT = '''\
"""{name} makes what it made when it was stored: expected/ has the values, and small inputs."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected"
PROJECT = Path(os.environ.get("PIPELINE_PROJECT", HERE / {project}))
sys.path.insert(0, str(HERE))

import {identifier}_tasks as tasks  # noqa: E402

# Artifact: (task, output, why two runs may differ).
ARTIFACTS = {{
{artifacts}
}}
# Inputs that are too large to be kept here: they must be what they were.
LARGE = {large}
TOLERANCE = float(os.environ.get("PIPELINE_TOLERANCE", 0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run all tasks once on the inputs that the stored values were made from."""
    project = tmp_path_factory.mktemp("project") / "project"
    tasks.overlay(PROJECT, project, [Path(path) for path in {small}])
    if (EXPECTED / "inputs").exists():
        shutil.copytree(EXPECTED / "inputs", project, dirs_exist_ok=True)
    for path, size in LARGE.items():
        assert (project / path).stat().st_size == size, f"{{path}} isn't what it was"
    folder = tmp_path_factory.mktemp("run")
    environment = {{**os.environ, "PIPELINE_PROJECT": str(project)}}
    failed = {{}}
    for name in tasks.TASKS:
        command = [sys.executable, str(HERE / "{identifier}_tasks.py"), name]
        done = subprocess.run(
            [*command, "--run-dir", str(folder)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            failed[name] = done.stderr
    return folder, failed


@pytest.mark.parametrize("name", tasks.TASKS)
def test_task_runs(run, name):
    """The task ends without an error."""
    _, failed = run
    assert name not in failed, failed[name]


@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_value(run, artifact):
    """The artifact's value is the stored one."""
    folder, failed = run
    task, output, reason = ARTIFACTS[artifact]
    assert task not in failed, failed[task]
    if reason:
        pytest.skip(reason)
    if output in tasks.TASKS[task]["files"]:
        same(contents(EXPECTED / task, output), contents(folder / task, output))
    else:
        wanted = tasks.read_value(EXPECTED / task, output)
        same(wanted, tasks.read_value(folder / task, output))


def contents(folder, output):
    """What is in a file, or in the files of a folder."""
    top = tasks.file_of(folder, output)
    files = sorted(top.rglob("*")) if top.is_dir() else [top]
    inside = [path for path in files if path.is_file()]
    return {{str(path.relative_to(top.parent)): path.read_bytes() for path in inside}}


def same(wanted, found, where="value"):
    """Fail with what differs between two values."""
    assert type(found) is type(wanted), f"{{where}}: {{type(found)}}, not {{type(wanted)}}"
    kind = f"{{type(wanted).__module__.partition('.')[0]}}.{{type(wanted).__name__}}"
    if kind in ("pandas.DataFrame", "pandas.Series"):
        import pandas.testing

        check = pandas.testing.assert_series_equal
        if kind == "pandas.DataFrame":
            check = pandas.testing.assert_frame_equal
        check(found, wanted, check_exact=TOLERANCE == 0, **close())
    elif kind.endswith("Index") and kind.startswith("pandas."):
        import pandas.testing

        pandas.testing.assert_index_equal(found, wanted)
    elif kind == "numpy.ndarray":
        import numpy

        different = f"{{where}}: {{found.dtype}}, not {{wanted.dtype}}"
        assert found.dtype == wanted.dtype, different
        if wanted.dtype.kind == "O":
            same(wanted.tolist(), found.tolist(), where)
        elif TOLERANCE and wanted.dtype.kind in "fc":
            numpy.testing.assert_allclose(found, wanted, rtol=TOLERANCE, err_msg=where)
        else:
            numpy.testing.assert_array_equal(found, wanted, err_msg=where)
    elif isinstance(wanted, float):
        equal = math.isclose(found, wanted, rel_tol=TOLERANCE) or found == wanted
        equal = equal or (found != found and wanted != wanted)
        assert equal, f"{{where}}: {{found!r}}, not {{wanted!r}}"
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for key in wanted:
            same(wanted[key], found[key], f"{{where}}[{{key!r}}]")
    elif isinstance(wanted, (list, tuple)):
        sizes = f"{{len(found)}} entries, not {{len(wanted)}}"
        assert len(found) == len(wanted), f"{{where}}: {{sizes}}"
        for at, (one, other) in enumerate(zip(wanted, found)):
            same(one, other, f"{{where}}[{{at}}]")
    elif isinstance(wanted, (str, bytes, int, bool, set, frozenset, type(None))):
        assert found == wanted, where
    else:
        compare_states(wanted, found, where)


def compare_states(wanted, found, where):
    """Compare what two objects would be pickled as."""
    one, other = wanted.__reduce_ex__(4), found.__reduce_ex__(4)
    if isinstance(one, str):
        assert one == other, where
        return
    for at, (a, b) in enumerate(zip(one[1:3], other[1:3])):
        if a is not None or b is not None:
            same(plain(a), plain(b), f"{{where}}.{{'arguments' if at == 0 else 'state'}}")


def plain(value):
    """Classes and functions by name, so that comparing goes on below them."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, type) or callable(value) and hasattr(value, "__qualname__"):
        return f"{{value.__module__}}.{{value.__qualname__}}"
    return value


def close():
    return {{"rtol": TOLERANCE}} if TOLERANCE else {{}}
'''


def test_file(plan: Plan, project: str, root: Path) -> str:
    """The tests of a pipeline."""
    rows = []
    for task in plan.tasks:
        for output, artifact in task.artifacts.items():
            version = plan.source(artifact).version
            reason = "; ".join(version.unreproducible)
            rows.append(laid_out(f"{quote(artifact)}: ", (task.name, output, reason), 4) + ",")
    sizes = {p: size(root / p) for task in plan.tasks for p in task.reads}
    large = {path: each for path, each in sizes.items() if each > SMALL}
    return TEXT.format(
        name=plan.name,
        identifier=plan.identifier,
        project=quote(project),
        artifacts="\n".join(rows),
        large=literal(large),
        small=literal([path for path in sizes if path not in large and not path.startswith("/")]),
    )


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else SMALL + 1


def expected(plan: Plan, values: Mapping[str, Any], folder: Path, root: Path) -> None:
    """Write the stored values, and the inputs that are small, below `folder`."""
    for task in plan.tasks:
        for output, artifact in task.artifacts.items():
            place = folder / task.name
            place.mkdir(parents=True, exist_ok=True)
            PROGRAM.write_value(place, output, values[artifact], output in task.files)
        for path in task.reads:
            if not path.startswith(("/", "..")) and size(root / path) <= SMALL:
                PROGRAM.copy(root / path, folder / "inputs" / path)
