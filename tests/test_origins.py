"""What a version records of what it was made from: files, modules, variables, git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linea import origins
from linea.model import Variable, Version
from linea.store.repository import Repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def save(project: Path, code: str, name: str = "x", **variables: str) -> Version:
    """Run a script that saves `name`; give the version."""
    import os

    (project / "a.py").write_text(code)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LINEA")} | variables
    ran = subprocess.run(
        [sys.executable, "a.py"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    with Repository.open(project / ".linea") as repository:
        return repository.tip(name)


def kept(project: Path, version: Version) -> dict[str, bytes | None]:
    with Repository.open(project / ".linea") as repository:
        return {file.path: repository.input(version, file) for file in version.inputs}


READ = "import linea\nx = open('in.txt').read()\nlinea.save(x, 'x')\n"


def test_small_inputs_are_kept(project: Path) -> None:
    """The bytes of a small input go into the store with the version."""
    (project / "in.txt").write_text("hello")
    assert kept(project, save(project, READ)) == {"in.txt": b"hello"}


def test_the_limit_can_be_set(project: Path) -> None:
    """Inputs above the limit of the store, or of the environment, are kept by digest alone."""
    (project / "in.txt").write_text("hello")
    assert kept(project, save(project, READ, LINEA_KEEP_INPUTS="4")) == {"in.txt": None}
    with Repository.open(project / ".linea") as repository:
        repository.set("keepinputs", "4 B")
    assert kept(project, save(project, READ)) == {"in.txt": None}
    assert kept(project, save(project, READ, LINEA_KEEP_INPUTS="1k")) == {"in.txt": b"hello"}


def test_modules_are_inputs_through_each_other(project: Path) -> None:
    """The user's modules belong to the inputs, also one that an earlier statement had loaded."""
    (project / "lib").mkdir()
    (project / "lib" / "__init__.py").write_text("")
    (project / "lib" / "f.py").write_text(
        "from . import g\nfrom consts import K\ndef f(): return K + g.N\n"
    )
    (project / "lib" / "g.py").write_text("N = 1\n")
    (project / "consts.py").write_text("K = 1\n")
    (project / "other.py").write_text("K = 1\n")
    code = "import linea, consts, other, lib.g\nfrom lib.f import f\nx = f()\nlinea.save(x, 'x')\n"
    found = kept(project, save(project, code))
    wanted = {"consts.py", "lib/__init__.py", "lib/f.py", "lib/g.py"}
    assert wanted <= set(found)
    assert found["consts.py"] == b"K = 1\n"


def test_variables_that_are_read(project: Path) -> None:
    """Environment variables that the slice and its modules read are recorded, secrets without value."""
    (project / "lib.py").write_text("import os\nMODE = os.environ.get('MODE')\n")
    code = "import os\nimport linea, lib\nx = [lib.MODE, os.environ['API_KEY'][:0], os.getenv('UNSET')]\ny = os.getenv('HOME')\nlinea.save(x, 'x')\n"
    found = save(project, code, MODE="fast", API_KEY="s3cret").environment.variables
    assert found == (
        Variable("API_KEY", None, kept=False), Variable("MODE", "fast"), Variable("UNSET", None)
    )  # fmt: skip


CASES = {
    "os.environ['A'] = '1'": [],
    "os.environ.setdefault('A', '1')": ["A"],
    "'A' in os.environ": ["A"],
    "environ.get('A', 'x') + getenv('B')": ["A", "B"],
    "os.environ['A'] = os.environ['B']": ["B"],
    "print('os.environ')": [],
    "def (broken os.environ['A']": [],
}


@pytest.mark.parametrize("code", CASES)
def test_reads_are_told_from_writes(code: str) -> None:
    """A variable that the code sets itself is none that it was given."""
    assert [each.name for each in origins.variables([code], {})] == CASES[code]


def test_git_state(project: Path) -> None:
    """The surrounding repository's commit is recorded, and whether it was dirty."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(
            command, cwd=project, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert save(project, "import linea\nx = 1\nlinea.save(x, 'x')\n").git is None
    git("init", "-q")
    assert save(project, "import linea\nx = 1\nlinea.save(x, 'x')\n").git is None
    git("add", "a.py")
    git("commit", "-qm", "one")
    state = save(project, "import linea\nx = 1\nlinea.save(x, 'x')\n").git
    assert (state.commit, state.dirty) == (git("rev-parse", "HEAD"), False)
    assert save(project, "import linea\nx = 2\nlinea.save(x, 'x')\n").git.dirty


def test_packages_come_with_what_they_need(project: Path) -> None:
    """The versions of what an imported package runs on are recorded too."""
    version = save(project, "import linea, pandas\nx = pandas.Series([1])\nlinea.save(x, 'x')\n")
    assert {"pandas", "numpy"} <= {package.name for package in version.environment.packages}


SIZES = {"0": 0, "10": 10, "10 MB": 10_000_000, "1.5k": 1500, "2GiB": 2_000_000_000}


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str) -> None:
    """Sizes are written as people write them."""
    assert origins.bytes_of(text) == SIZES[text]


def test_a_size_that_is_none_is_said(project: Path) -> None:
    """A limit that is no size is an error of `init`, and no limit elsewhere."""
    with pytest.raises(ValueError, match="no size"):
        origins.bytes_of("many")
    assert origins.keeping_limit("many") == origins.KEEP
