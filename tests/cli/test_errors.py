from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from linea.errors import StoreError, Told
from linea.store.repository import Repository
from tests.history.histories import History

from .conftest import Shell

CASES = [
    ("lgo", "there is no command 'lgo'", "did you mean log?"),
    ("frobnicate", "there is no command 'frobnicate'", "all commands: linea --help"),
    ("log claen", "no artifact named 'claen'", "did you mean 'clean'?"),
    ("show clean@v9", "'clean' has no version 9", "the latest is v3"),
    ("show clean@v0", "versions count from 1; there is no version 0", "the first is clean@v1"),
    ("show clean@goood", "'clean' has no tag 'goood'", "did you mean 'good'?"),
    ("show", "missing argument 'REV'", "see: linea show --help"),
    ("log --nope", "no such option", "see: linea log --help"),
    ("log -n many", "invalid value", "see: linea log --help"),
    ("show clean --code --value", "--code, --session and --value exclude each other", None),
    ("diff model@v1 nope", "no artifact named 'nope'", "there are clean, model"),
    ("diff clean --key nope", "there is no column 'nope' in both versions", "the columns are id"),
    ("blame model --columns", "model@v2 is a data, without columns", None),
    ("graph -f png", "there is no format 'png'", "text, svg, mermaid, dot, openlineage"),
    ("verify", "nothing to verify", "name revisions, or give --all"),
    ("run", "nothing to run", "linea run FILE.py, FILE.ipynb or -m MODULE"),
    ("run claen.py", "there is no file claen.py", "did you mean 'clean.py'?"),
    ("tag clean -d goood", "'clean' has no tag 'goood'", "did you mean 'good'?"),
    ("tag clean x -d good", "put a tag or take one away, not both", None),
    ("tag -d good", "whose tag?", "linea tag NAME -d good"),
    ("undo nope", "no artifact named 'nope' was removed", "none"),
    ("blame raw.csv", "raw.csv is in no version", "files are found by their content"),
    ("-C nowhere log", "can't go to nowhere: No such file or directory", None),
    ("log --since never", "'never' isn't a date", "write 2026-03-01"),
]


@pytest.mark.parametrize(("line", "message", "hint"), CASES, ids=[case[0] for case in CASES])
def test_wrong_use(
    shell: Shell, houses: History, line: str, message: str, hint: str | None
) -> None:
    """What goes wrong is said in a sentence, with what to do; status 2, no traceback."""
    found = shell(*line.split())
    assert (found.status, found.out) == (2, "")
    first, *rest = found.err.splitlines()
    assert first.startswith(f"Error: {message}")
    if hint is None:
        assert rest == []
    else:
        assert rest[0].startswith("Hint: ")
        assert hint in rest[0]


@pytest.mark.parametrize(
    "line", ["ls", "log", "show x", "status", "diff x", "graph", "tag", "fsck", "rm x", "undo"]
)
def test_no_store(shell: Shell, line: str) -> None:
    """Outside of any project every command says how to begin."""
    found = shell(*line.split())
    assert found.status == 2
    assert "Error: there is no .linea store in PROJECT or above\nHint: linea init" in found.err


def test_store_is_found_upward_or_named(
    shell: Shell, houses: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store is the nearest one upward, or the one that LINEA_DIR names."""
    (shell.folder / "deep" / "er").mkdir(parents=True)
    assert "clean" in shell("-C", "deep/er", "ls").out
    monkeypatch.chdir(tmp_path)
    assert shell("ls").status == 2
    monkeypatch.setenv("LINEA_DIR", str(shell.folder / ".linea"))
    assert "clean" in shell("ls").out


def test_damaged_store(shell: Shell, houses: History) -> None:
    """A store with missing objects says what is hit, without a traceback."""
    for pack in (shell.folder / ".linea" / "objects").rglob("*"):
        if pack.is_file() and pack.suffix != ".idx" and "info" not in pack.parts:
            pack.chmod(0o644)
            pack.write_bytes(b"")
    found = shell("log")
    assert found.status == 2
    assert found.err.startswith("Error: ")
    assert "Traceback" not in found.err


def test_not_a_store(shell: Shell) -> None:
    """A folder that is only called .linea isn't taken for a store."""
    (shell.folder / ".linea").mkdir()
    (shell.folder / ".linea" / "HEAD").write_text("rubbish")
    found = shell("log")
    assert found.status == 2
    assert found.err.startswith("Error: ")


def test_unreadable_file(shell: Shell, houses: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be read is named, with the system's reason."""

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("linea.values.identify", refuse)
    found = shell("blame", "raw.csv")
    assert found.status == 2
    assert found.err == (
        "Error: raw.csv: Permission denied\nHint: get permission for it, or work in another folder\n"
    )


def test_broken_pipe(shell: Shell, houses: History) -> None:
    """`linea log | head` ends in silence."""
    for command in ("log -p -n 0", "--help", "show clean --json"):
        linea = f"{sys.executable} -m linea.cli.app {command}"
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{linea} | true"],
            cwd=shell.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.stderr == ""


def test_names_cant_steer_the_terminal(shell: Shell, store: Repository) -> None:
    """What a store says is shown without control characters."""
    History(store).save("x", "note", message="red \x1b[31m alert\r gone")
    found = shell("log", "note")
    assert "\x1b" not in found.out
    assert "\r" not in found.out


FAILING = """\
import linea
def keep(x):
    linea.save(x, "a@b")
print("before")
try:
    open("nowhere")
except OSError:
    keep(1)
"""


@pytest.mark.parametrize("how", ["linea run", "python", "unwatched"])
def test_a_save_that_fails_in_a_program(tmp_path: Path, how: str) -> None:
    """The traceback ends at the program's own line; what the program had caught is still told."""
    (tmp_path / "a.py").write_text(FAILING)
    command = ["-m", "linea", "run", "a.py"] if how == "linea run" else ["a.py"]
    watch = {"LINEA_WATCH": "0"} if how == "unwatched" else {}
    found = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env={**os.environ, **watch},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (1, "before\n")
    files = [line.strip() for line in found.stderr.splitlines() if line.startswith("  File")]
    assert [line.partition(", ")[2] for line in files] == [
        "line 6, in <module>",
        "line 8, in <module>",
        "line 3, in keep",
    ]
    assert found.stderr.splitlines()[-1] == (
        "linea.errors.NameNotAllowedError: 'a@b' can't name an artifact: '@' has a meaning in"
        " revisions such as name@v2 and name~1 (use 'a-b')"
    )


def test_a_store_that_fails_in_a_program(tmp_path: Path) -> None:
    """What the disk said is in the message: its own traceback isn't shown."""
    (tmp_path / ".linea").symlink_to("nowhere/at/all")
    (tmp_path / "a.py").write_text("import linea\nlinea.save(1, 'a')\n")
    found = subprocess.run(
        [sys.executable, "a.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.stderr.count("Traceback") == 1
    assert found.stderr.count('  File "') == 1
    assert "StoreError: can't make a store at" in found.stderr


def test_the_users_part_in_a_failure_is_shown() -> None:
    """An error that came up in code that isn't linea's stays the cause of what linea says."""

    with pytest.raises(StoreError) as found, Told():
        try:
            raise OSError("theirs")
        except OSError as error:
            raise StoreError("no") from error
    assert isinstance(found.value.__cause__, OSError)
