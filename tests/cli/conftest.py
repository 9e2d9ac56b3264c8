from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from linea.cli.app import main
from linea.model import InputFile, Verdict
from linea.store.repository import Repository
from linea.values import digest_bytes
from tests.history.histories import START, History, clock

COMMIT = re.compile(r"\b[0-9a-f]{40}\b|(?<=  )[0-9a-f]{7}(?=  )")
DIGEST = re.compile(r"xxh3:1:[0-9a-f]{32}")


@dataclass(frozen=True)
class Result:
    """What a command gave: its exit status, and what it wrote, commits and digests masked."""

    status: int
    out: str
    err: str


class Shell:
    """Runs `linea` in this process, in a frozen world."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def __call__(self, *arguments: str) -> Result:
        self._capture.readouterr()
        status = main(arguments)
        found = self._capture.readouterr()
        return Result(status, self._masked(found.out), self._masked(found.err))

    def _masked(self, text: str) -> str:
        text = DIGEST.sub("DIGEST", text.replace(str(self.folder), "PROJECT"))
        return COMMIT.sub(lambda match: "COMMIT" if len(match[0]) == 40 else "ccccccc", text)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """`linea` in an empty folder; 80 columns, no terminal, 20 March 2026."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LINEA_NOW", "2026-03-20T12:00:00+00:00")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    monkeypatch.delenv("LINEA_DIR", raising=False)
    return Shell(folder, capsys)


@pytest.fixture
def store(shell: Shell) -> Iterator[Repository]:
    """An empty store in the shell's folder."""
    with Repository.create(shell.folder / ".linea", clock=clock) as repository:
        yield repository


LOAD = 'import pandas as pd\nraw = pd.read_csv("raw.csv")\n'
CODE = [
    LOAD + "df = raw.dropna()\n",
    LOAD + "df = raw.dropna()\ndf = df[df.price > 150]\n",
    LOAD + 'df = raw.dropna()\ndf = df[df.price > 150]\ndf["ratio"] = df.price / df.size_\n',
]


@pytest.fixture
def houses(shell: Shell, store: Repository) -> History:
    """Three versions of a table and two of a model, by two people; raw.csv beside them."""
    (shell.folder / "raw.csv").write_bytes(b"new")
    (shell.folder / "clean.py").write_text(CODE[2])
    history = History(store)
    table = pd.DataFrame({"id": [1, 2, 3], "size_": [50, 60, 70], "price": [100, 200, 350]})
    tables = [table, table[1:], table[1:].assign(ratio=lambda t: t.price / t.size_)]
    common: dict[str, Any] = {"name": "clean", "source": "clean.py", "packages": {"housing": "3.1"}}
    one = history.save(tables[0], code=CODE[0], inputs={"raw.csv": b"old"}, **common)
    two = history.save(
        tables[1], code=CODE[1], inputs={"raw.csv": b"old"}, author="Bo <bo@example.org>",
        message="cheap ones are mistakes", tags=["good"], **common,
    )  # fmt: skip
    model = {"name": "model", "source": "train.py", "code": "import linea\nm = fit()\n"}
    history.save({"a": 1, "b": [1, 2]}, parents=[two], **model)
    three = history.save(tables[2], code=CODE[2], inputs={"raw.csv": b"new"}, **common)
    history.save({"a": 2, "b": [1, 2]}, parents=[three], **model)
    store.set_verdict(one, Verdict("different", START, detail="price differs"))
    store.set_verdict(two, Verdict("identical", START, seconds=1.5))
    store.remember_exports(one, [InputFile("out.parquet", digest_bytes(b"as exported"), 11)])
    return history
