"""Magics and shell commands as plain Python."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linea.capture.magics import portable


def magic(name: str, line: str) -> str:
    return f"get_ipython().run_line_magic({name!r}, {line!r})"


@pytest.mark.parametrize(
    ("line", "folder"),
    [("sub", "sub"), ("-q sub", "sub"), ("'sub'", "sub"), ("", "~"), ("~", "~"), ("-q ~", "~")],
)
def test_cd_goes_where_ipython_goes(
    line: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`%cd` and its forms end in the folder that IPython would have gone to."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    exec(portable(magic("cd", line)), {})
    assert Path.cwd() == Path(os.path.expanduser(folder) if folder == "~" else tmp_path / folder)


@pytest.mark.parametrize("line", ["-", "-b mark"])
def test_cd_to_what_only_ipython_knows_is_left_alone(line: str) -> None:
    """The folder before, and bookmarks, have no plain form."""
    assert portable(magic("cd", line)) == magic("cd", line)


def test_output_of_the_shell_is_ipythons_own_list() -> None:
    """`x = !command` gives the list with `.s` and `.grep` that later cells may use, errors included."""
    names: dict[str, object] = {}
    exec(portable("x = get_ipython().getoutput('echo one; echo two >&2')"), names)
    assert type(names["x"]).__name__ == "SList"
    assert list(names["x"]) == ["one", "two"]  # type: ignore[call-overload]
