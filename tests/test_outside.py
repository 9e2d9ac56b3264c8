"""`linea.file_system` and `linea.db` as artifacts: the statements that wrote, and what they wrote."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

import linea
from linea import outside, watching
from linea.capture.script import run_statements
from linea.capture.session import Session
from linea.errors import UnstorableError

SCRIPT = """\
import sqlite3
unused = 1
rows = [1, 2]
with open("out.txt", "w") as file:
    file.write(str(rows))
base = sqlite3.connect("t.db")
base.execute("create table t (a int)")
base.executemany("insert into t values (?)", [(r,) for r in rows])
found = base.execute("select a from t").fetchall()
base.commit()
base.close()
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    session = Session(namespace, root=tmp_path, source="work.py")
    run_statements(session, SCRIPT, str(tmp_path / "work.py"), "work.py", namespace)
    session.close()
    return session


def run(code: str, folder: Path) -> dict[str, object]:
    namespace: dict[str, object] = {}
    os.chdir(folder)
    exec(code, namespace)
    return namespace


def test_the_file_system_is_the_files_written_and_what_wrote_them(
    session: Session, tmp_path: Path
) -> None:
    """The slice, run elsewhere, writes the same files, and ends in their digests."""
    stored = outside.value_of(linea.file_system, session)
    made, _ = outside.slice_of(linea.file_system, session, "files")
    (tmp_path / "again").mkdir()
    got = run(made.code, tmp_path / "again")["files"]
    assert isinstance(stored, dict) and isinstance(got, dict)
    assert set(stored) == {"out.txt", "t.db"}
    assert got["out.txt"] == stored["out.txt"]
    assert "unused" not in made.code


def test_a_database_is_the_statements_that_may_have_written_to_it(
    session: Session, tmp_path: Path
) -> None:
    """Queries that only read aren't among them; what the statements need is in the slice."""
    made, _ = outside.slice_of(linea.db, session, "written")
    (tmp_path / "again").mkdir()
    run(made.code, tmp_path / "again")
    with sqlite3.connect(tmp_path / "again" / "t.db") as base:
        assert base.execute("select a from t").fetchall() == [(1,), (2,)]
    stored = outside.value_of(linea.db, session)
    assert isinstance(stored, list) and len(stored) == 3
    assert "out.txt" not in made.code


def test_what_nobody_watched_cannot_be_saved() -> None:
    assert watching.current() is None
    with pytest.raises(UnstorableError, match="nothing was watched"):
        outside.value_of(linea.file_system, None)
