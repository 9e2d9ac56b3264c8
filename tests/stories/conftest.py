"""The installed command and a real kernel, in a folder of their own."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stories.churn import NOW, build

ME = {"GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@example.org"}


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    status: int
    out: str
    err: str


class Kernel:
    """A Jupyter kernel that cells are sent to in any order."""

    def __init__(self, folder: Path) -> None:
        import nbclient
        import nbformat
        from nbclient.util import run_sync

        self._cell = nbformat.v4.new_code_cell
        self._notebook = nbformat.v4.new_notebook()
        self._client = nbclient.NotebookClient(
            self._notebook,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        self._client.create_kernel_manager()
        run_sync(self._client.async_start_new_kernel)()
        run_sync(self._client.async_start_new_kernel_client)()

    def run(self, source: str) -> str:
        """Run `source` as a cell; return what it prints and displays, or its error's last line."""
        cell = self._cell(source)
        self._notebook.cells.append(cell)
        self._client.execute_cell(cell, len(self._notebook.cells) - 1)
        return "".join(map(_shown, cell.outputs))

    def close(self) -> None:
        self._client._cleanup_kernel()


def _shown(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text) if output.name == "stdout" else ""
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}\n"
    return str(output.data["text/plain"]) + "\n"


@dataclass
class Project:
    """A folder that commands and kernels run in."""

    folder: Path
    kernels: list[Kernel] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """Variables of the environment that its commands run with."""

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, line: str) -> Done:
        """Run a command line; `linea` and `python` are those that run the tests."""
        program, *arguments = shlex.split(line)
        installed = shutil.which("linea", path=str(Path(sys.executable).parent))
        own = {
            "linea": [installed] if installed else [sys.executable, "-m", "linea"],
            "python": [sys.executable],
        }
        done = subprocess.run(
            [*own.get(program, [program]), *arguments],
            cwd=self.folder, capture_output=True, text=True, encoding="utf-8", check=False,
            env={**os.environ, **self.settings},
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, line: str) -> str:
        """Run a command line that must succeed; return what it prints."""
        done = self.run(line)
        assert done.status == 0, f"{line}\n{done.out}{done.err}"
        return done.out

    def kernel(self) -> Kernel:
        pytest.importorskip("nbclient")
        self.kernels.append(Kernel(self.folder))
        return self.kernels[-1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An empty folder, an author, a wide terminal; one for all tests of a story."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("LINEA_")]:
            patch.delenv(name)
        for name, value in {**ME, "COLUMNS": "120", "PYTHONUTF8": "1"}.items():
            patch.setenv(name, value)
        made = Project(tmp_path_factory.mktemp("project"))
        yield made
        for kernel in made.kernels:
            kernel.close()


@pytest.fixture(scope="session")
def six_weeks(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder of `churn`'s project as it stands after six weeks; made once for all workers."""
    if not hasattr(request.config, "workerinput"):  # not one of pytest-xdist's workers
        folder = tmp_path_factory.mktemp("churn")
        build(folder)
        return folder
    folder = tmp_path_factory.getbasetemp().parent / "churn"
    with (folder.parent / "churn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.parent / "churn.done"
        if not done.exists():
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


@pytest.fixture(scope="module")
def churn(six_weeks: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the six weeks' project, asked on one and the same morning."""
    folder = tmp_path_factory.mktemp("copy") / "churn"
    shutil.copytree(six_weeks, folder)
    frozen = {"LINEA_NOW": NOW, "COLUMNS": "100", "PYTHONUTF8": "1", "MPLBACKEND": "Agg"}
    return Project(folder, settings=frozen)
