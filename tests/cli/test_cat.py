"""`linea cat`: a value, or some of it, on standard output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Shell

TABLE = pd.DataFrame({"id": [1, 2, 3], "name": ["a", None, "ü"], "x": [0.5, 1.5, 2.5]})


def save(folder: Path, **things: object) -> None:
    from datetime import UTC, datetime

    from linea import values
    from linea.model import ArtifactName, Draft
    from linea.store.repository import Repository

    with Repository.create(folder / ".linea") as store:
        for name, value in things.items():
            made = values.encode_path(value) if isinstance(value, Path) else values.encode(value)
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            store.commit([Draft(ArtifactName(name), "", "", made, "A <a@b.org>", moment)])


CASES = {
    "a table as CSV": (TABLE, [], "id,name,x\n1,a,0.5\n2,,1.5\n3,ü,2.5\n"),
    "some columns": (TABLE, ["--columns", "x,id"], "x,id\n0.5,1\n1.5,2\n2.5,3\n"),
    "columns given twice": (TABLE, ["--columns", "x", "--columns", "id"], "x,id\n0.5,1\n1.5,2\n2.5,3\n"),
    "some rows": (TABLE, ["--rows", "1:2"], "id,name,x\n2,,1.5\n"),
    "rows from the end": (TABLE, ["--rows", "-1:", "--columns", "name"], "name\nü\n"),
    "a table as JSON": (TABLE[["id"]], ["--format", "json"], '[{"id": 1},\n{"id": 2},\n{"id": 3}]\n'),
    "an array": (np.arange(4).reshape(2, 2), [], "0,1\n2,3\n"),
    "rows of an array": (np.arange(4).reshape(2, 2), ["--rows", "1:"], "2,3\n"),
    "an array as JSON": (np.arange(3), ["--format", "json"], "[0, 1, 2]"),
    "a text": ("some\ntext\n", [], "some\ntext\n"),
    "plain data": ({"a": [1]}, [], '{"a":[1]}'),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_printed(shell: Shell, name: str) -> None:
    """A value goes to standard output as it is, or as another format says."""
    value, options, expected = CASES[name]
    save(shell.folder, it=value)
    result = shell("cat", "it", *options)
    assert (result.status, result.out, result.err) == (0, expected, "")


def test_bytes_of_a_file_are_its_own(shell: Shell) -> None:
    """A file that was saved by its path comes out byte for byte."""
    file = shell.folder / "f.bin"
    file.write_bytes(bytes(range(256)))
    save(shell.folder, f=file)
    assert output(shell, "f") == file.read_bytes()


def output(shell: Shell, *arguments: str) -> bytes:
    """What the command writes in a process of its own."""
    command = [sys.executable, "-m", "linea", "cat", *arguments]
    return subprocess.run(command, cwd=shell.folder, capture_output=True, check=True).stdout


def test_parquet_can_be_read(shell: Shell) -> None:
    """With --format parquet the output is a Parquet file."""
    save(shell.folder, t=TABLE)
    (shell.folder / "t.parquet").write_bytes(output(shell, "t", "--format", "parquet"))
    pd.testing.assert_frame_equal(pq.read_table(shell.folder / "t.parquet").to_pandas(), TABLE)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--columns", "nam"], "Error: there is no column 'nam'\nHint: did you mean 'name'?\n"),
        (["--rows", "x"], "Error: 'x' is no range of rows\nHint: --rows 0:10, --rows 100:\n"),
        (["--format", "xyz"], "Error: a table can't be written as 'xyz'\nHint: use one of "),
    ],
)
def test_what_is_wrong_is_said(shell: Shell, options: list[str], error: str) -> None:
    """What isn't there is named, with what is."""
    save(shell.folder, t=TABLE)
    result = shell("cat", "t", *options)
    assert result.status == 2
    assert result.err.startswith(error)


def test_a_folder_is_not_one_file(shell: Shell) -> None:
    """A value of several files is for checkout."""
    folder = shell.folder / "d"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_text(name)
    save(shell.folder, d=folder)
    result = shell("cat", "d")
    assert result.status == 2
    assert "linea checkout d@v1" in result.err


def test_a_pickle_is_read_only_when_asked(shell: Shell) -> None:
    """Turning a pickled value into another form runs its code, so it needs --trust."""
    table = pd.DataFrame({"o": pd.Series([Path("x"), {1, 2}.__class__], dtype=object)})
    save(shell.folder, t=table)
    assert shell("cat", "t").status == 2
    assert shell("cat", "t", "--trust").status == 0
