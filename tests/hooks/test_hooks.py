"""Hooks in real git repositories."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from linea.cli import hook_files
from linea.cli.notebook_filter import clean

CODE = "import linea\nx = {n}\nlinea.save(x, 'x')\n"


@dataclass(frozen=True)
class Clone:
    """A git repository with a linea project in it."""

    path: Path
    home: Path

    def call(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("LINEA_", "GIT_"))}
        who = {
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        return subprocess.run(
            command, cwd=self.path, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
            env={**plain, **who, "HOME": str(self.home), "IPYTHONDIR": str(self.home / "ipython"), "GIT_CONFIG_NOSYSTEM": "1", **variables},
        )  # fmt: skip

    def git(self, *arguments: str) -> str:
        done = self.call("git", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def linea(self, *arguments: str, status: int = 0) -> str:
        done = self.call(sys.executable, "-m", "linea", *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def save(self, n: int) -> str:
        """Change the script, run it, commit it; give what the commit said."""
        (self.path / "a.py").write_text(CODE.format(n=n))
        self.linea("run", "a.py")
        self.git("add", "a.py")
        return self.git("commit", "-m", f"x is {n}")

    def hook(self, name: str, text: str | None = None) -> Path:
        path = self.path / ".git" / "hooks" / name
        if text is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        return path


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "project", tmp_path / "home")
    made.path.mkdir()
    made.home.mkdir()
    made.git("init", "-q", "-b", "main")
    return made


def test_commit_and_checkout(clone: Clone) -> None:
    """A commit notes what its code made; a checkout says what fits, and --match brings it."""
    clone.linea("init")
    clone.linea("hooks", "install")
    assert "has the code of x@v1" in clone.save(1)
    first = clone.git("rev-parse", "HEAD").strip()
    assert "has the code of x@v2" in clone.save(2)
    assert "x@v1, not the latest" in clone.git("checkout", "-q", first)
    found = json.loads(clone.linea("checkout", "--match", "HEAD", "--to", "back", "--json"))
    assert [each["revision"] for each in found] == ["x@v1"]
    assert (clone.path / "back" / "x.json").read_text().strip() == "1"
    assert "x@v2 fits this code" in clone.git("checkout", "-q", "main")


def test_uncommitted_code_fits_no_commit(clone: Clone) -> None:
    """What other code made isn't put down to a commit."""
    clone.linea("init")
    clone.linea("hooks", "install")
    clone.save(1)
    (clone.path / "a.py").write_text(CODE.format(n=5))
    clone.linea("run", "a.py")
    (clone.path / "README").write_text("text")
    clone.git("add", "README")
    assert "linea:" not in clone.git("commit", "-qm", "only text")
    assert "no artifact fits" not in clone.linea("checkout", "--match", "HEAD", "--to", "out")


def test_without_linea_nothing_happens(clone: Clone) -> None:
    """Where linea isn't installed any more the hooks are silent and git works."""
    clone.linea("init")
    clone.linea("hooks", "install", "--notebooks")
    clone.git("config", "linea.command", "/nowhere/linea")
    (clone.path / "n.ipynb").write_text('{"cells": []}')
    clone.git("add", ".")
    done = clone.call("git", "commit", "-qm", "one")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = clone.call("git", "checkout", "-q", "-b", "other")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_a_store_nothing_happens(clone: Clone) -> None:
    """In a repository without artifacts the hooks are silent."""
    clone.linea("hooks", "install")
    clone.call("git", "commit", "--allow-empty", "-qm", "one")
    done = clone.call("git", "commit", "--allow-empty", "-qm", "two")
    assert (done.returncode, done.stderr) == (0, "")


THERE = {
    "a shell script": "#!/bin/sh\necho theirs ran\nexit 0\n",
    "bash": "#!/usr/bin/env bash\nset -eu\necho theirs ran\n",
    "Python": f"#!{sys.executable}\nprint('theirs ran')\n",
}


@pytest.mark.parametrize("kind", THERE)
def test_hooks_that_are_there_go_on(clone: Clone, kind: str) -> None:
    """A hook that was there runs as before beside ours, and is as it was after uninstalling."""
    path = clone.hook("post-commit", THERE[kind])
    clone.linea("init")
    clone.linea("hooks", "install")
    clone.linea("hooks", "install")
    said = clone.save(1)
    assert "theirs ran" in said
    assert said.count("has the code of x@v1") == 1
    clone.linea("hooks", "uninstall")
    assert path.read_text() == THERE[kind]
    assert path.stat().st_mode & stat.S_IXUSR
    assert [p.name for p in path.parent.iterdir() if not p.name.endswith(".sample")] == [
        "post-commit"
    ]
    assert "linea" not in clone.git("config", "--local", "--list")


def test_a_hook_that_fails_goes_on_failing(clone: Clone) -> None:
    """A pre-push hook that refuses still refuses."""
    clone.hook("pre-push", '#!/bin/sh\nread line; echo "got $line"; exit 1\n')
    clone.linea("init")
    clone.linea("hooks", "install")
    clone.save(1)
    subprocess.run(["git", "init", "-q", "--bare", str(clone.home / "remote")], check=True)
    done = clone.call("git", "push", str(clone.home / "remote"), "main")
    assert done.returncode != 0
    assert "got refs/heads/main" in done.stdout + done.stderr


def test_a_project_in_a_subfolder(clone: Clone) -> None:
    """A project below the repository's top is found by its hooks."""
    below = Clone(clone.path / "sub", clone.home)
    below.path.mkdir()
    below.linea("init")
    below.linea("hooks", "install")
    assert "has the code of x@v1" in below.save(1)


def test_pre_commit(clone: Clone) -> None:
    """The pre-commit entry fails when an artifact is stale, and says which and what to do."""
    clone.linea("init")
    clone.save(1)
    clone.linea("hooks", "run", "pre-commit")
    (clone.path / "a.py").write_text(CODE.format(n=2))
    said = clone.linea("hooks", "run", "pre-commit", status=1)
    assert "x@v1 is stale" in said
    assert "linea update" in said
    entry = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text()
    assert "entry: linea hooks run pre-commit" in entry


def test_ipython(clone: Clone) -> None:
    """The start-up file goes where IPython looks, and only ours is taken away."""
    clone.linea("hooks", "install", "--ipython")
    path = clone.home / "ipython" / "profile_default" / "startup" / "50-linea.py"
    assert "load_ext" in path.read_text()
    clone.linea("hooks", "uninstall", "--ipython")
    assert not path.exists()
    path.write_text("mine")
    assert "isn't ours" in clone.linea("hooks", "install", "--ipython", status=2)
    clone.linea("hooks", "uninstall", "--ipython")
    assert path.read_text() == "mine"


def notebook(*outputs: dict) -> str:
    cell = {
        "cell_type": "code",
        "execution_count": 3,
        "id": "a",
        "metadata": {},
        "outputs": list(outputs),
        "source": ["linea.save(df, 'df')"],
    }
    return (
        json.dumps(
            {"cells": [cell], "metadata": {"é": 1}, "nbformat": 4, "nbformat_minor": 5},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


ARTIFACT = {
    "output_type": "execute_result",
    "metadata": {},
    "execution_count": 3,
    "data": {"text/plain": ["<Artifact df@v3: 3 rows>"]},
}


def test_notebooks_lose_outputs_and_keep_links(clone: Clone) -> None:
    """git has a notebook without outputs, with links; the file on disk stays, and isn't modified."""
    clone.linea("hooks", "install", "--notebooks")
    (clone.path / "n.ipynb").write_text(notebook(ARTIFACT))
    clone.git("add", "n.ipynb")
    clone.git("commit", "-qm", "one")
    stored = json.loads(clone.call("git", "show", "HEAD:n.ipynb").stdout)
    assert stored["cells"][0]["outputs"] == []
    assert stored["cells"][0]["metadata"]["linea"] == {"artifacts": ["df@v3"]}
    assert "df@v3" in (clone.path / "n.ipynb").read_text()
    assert clone.git("status", "--porcelain") == ""
    clone.linea("hooks", "uninstall")
    assert "filter" not in clone.git("config", "--local", "--list")


TEXTS = {
    "no JSON": "{",
    "another JSON": '{"a": 1}',
    "a list": "[1]",
    "empty": "",
    "odd cells": '{"cells": [1]}',
}


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_no_notebook_stays(kind: str) -> None:
    """A file that only has the name of a notebook goes into git as it is."""
    assert clean(TEXTS[kind]) == TEXTS[kind]


def test_cleaning_twice_changes_nothing() -> None:
    """A cleaned notebook is clean, its links included."""
    once = clean(notebook(ARTIFACT))
    assert clean(once) == once
    assert "é" in once


def test_the_files_are_found() -> None:
    """Every hook is in the folder that this installation has, few lines of POSIX shell each."""
    for name in hook_files.HOOKS:
        text = (hook_files.own_files() / name).read_text()
        assert text.startswith("#!/bin/sh\n")
        assert len(text.splitlines()) <= 6
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
