from __future__ import annotations

import json
from pathlib import Path

import pytest

from linea import values
from linea.errors import NoSuchArtifactError
from linea.history.status import Stale, Surroundings, status, survey
from linea.model import ArtifactName, InputFile, Origin, Variable, Verdict

from .histories import History


def stale(history: History, root: Path, *names: str) -> dict[str, list[str]]:
    wanted = [ArtifactName(name) for name in names] or None
    found = status(history.repository, root, values.digest_file, wanted)
    return {each.version.name: [reason.text for reason in each.reasons] for each in found}


def test_nothing_is_stale(history: History, tmp_path: Path) -> None:
    """What still is as it was read is fine, also where other files changed."""
    (tmp_path / "x.csv").write_bytes(b"1")
    (tmp_path / "a.py").write_text("result = 0\n")
    history.save(inputs={"x.csv": b"1"})
    assert stale(history, tmp_path) == {}


def test_input_changed_or_gone(history: History, tmp_path: Path) -> None:
    """An input is told from what was read by its content."""
    (tmp_path / "x.csv").write_bytes(b"2")
    history.save(name="a", inputs={"x.csv": b"1"})
    history.save(name="b", inputs={"y.csv": b"1"})
    assert stale(history, tmp_path) == {"a": ["x.csv changed"], "b": ["y.csv is gone"]}


def test_each_input_is_read_once(history: History, tmp_path: Path) -> None:
    """A file that many artifacts were made from is digested once."""
    (tmp_path / "x.csv").write_bytes(b"1")
    for name in "abc":
        history.save(name=name, inputs={"x.csv": b"1"})
    read: list[Path] = []

    def digest_file(path: Path) -> values.codec.Digest:
        read.append(path)
        return values.digest_file(path)

    status(history.repository, tmp_path, digest_file)
    assert read == [tmp_path / "x.csv"]


def test_newer_parent_and_what_rests_on_it(history: History, tmp_path: Path) -> None:
    """A newer parent makes stale, and all that was made from that in turn."""
    raw = history.save(1, "raw")
    clean = history.save(2, "clean", parents=[raw])
    history.save(3, "model", parents=[clean])
    history.save(4, "raw")
    assert stale(history, tmp_path) == {
        "clean": ["raw is at v2, made from v1"],
        "model": ["clean is stale"],
    }
    assert list(stale(history, tmp_path, "model")) == ["model"]


def test_newer_parent_of_the_same_value(history: History, tmp_path: Path) -> None:
    """A newer version of the same value changes nothing."""
    raw = history.save(1, "raw")
    history.save(2, "clean", parents=[raw])
    history.save(1, "raw")
    assert stale(history, tmp_path) == {}


def test_stale_input_spreads(history: History, tmp_path: Path) -> None:
    """A changed file makes stale what was made from what was made from it."""
    raw = history.save(1, "raw", inputs={"x.csv": b"1"})
    history.save(2, "clean", parents=[raw])
    assert stale(history, tmp_path) == {"raw": ["x.csv is gone"], "clean": ["raw is stale"]}


@pytest.mark.parametrize(
    ("source", "fresh"),
    [
        ("a = 1\nresult = a\n", True),
        ("import os\na   =   1\nprint(a)\n\nresult = a  # here\nmore = 3\n", True),
        ("if True:\n    a = 1\nresult = a\n", True),
        ("a = 2\nresult = a\n", False),
        ("result = a\n", False),
        ("", False),
    ],
)
def test_code_moved_on(history: History, tmp_path: Path, source: str, fresh: bool) -> None:
    """Code is stale when its file no longer has the statements of the slice."""
    (tmp_path / "a.py").write_text(source)
    history.save(code="a = 1\nresult = a\n")
    assert (stale(history, tmp_path) == {}) is fresh


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("a = 1\nresult = a\n", "a = 1; b = 2; result = a\n"),
        ("from m import a\nresult = a\n", "from m import (\n    b,\n    a,\n)\nresult = a\n"),
        ("import a\nresult = a\n", "import b, a\nresult = a\n"),
        ("__import__('os').chdir('..')\nresult = 1\n", "result = 1\n"),
    ],
)
def test_code_that_a_slice_has_apart(
    history: History, tmp_path: Path, code: str, source: str
) -> None:
    """Statements that shared a line, some names of an import, and magics are no other code."""
    (tmp_path / "a.py").write_text(source)
    history.save(code=code)
    assert stale(history, tmp_path) == {}


def test_code_of_a_notebook(history: History, tmp_path: Path) -> None:
    """A notebook's statements are those of its cells; magics are left out."""
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "a = 1"]},
        {"cell_type": "markdown", "source": ["# result"]},
        {"cell_type": "code", "source": "result = a"},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    lines = [Origin("n.ipynb", 2, 1), Origin("n.ipynb", 1, 2)]
    history.save(code="a = 1\nresult = a\n", lines=lines)
    assert stale(history, tmp_path) == {}
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells[:1]}))
    assert stale(history, tmp_path) == {"result": ["n.ipynb no longer has: result = a"]}


def test_code_without_a_file(history: History, tmp_path: Path) -> None:
    """Code from a shell, or from a file that is gone, says nothing; nor do linea's own lines."""
    history.save(code="a = 1\n", source="<stdin>")
    history.save(name="b", code="import x\nb = 1\n", lines=[None, Origin("b.py", 1)])
    (tmp_path / "b.py").write_text("b = 1")
    assert stale(history, tmp_path) == {}


def test_removed_parent(history: History, tmp_path: Path) -> None:
    """A parent that was removed makes nothing stale."""
    raw = history.save(1, "raw")
    history.save(2, "clean", parents=[raw])
    history.repository.delete("raw")
    assert stale(history, tmp_path) == {}


def test_unknown_name(history: History, tmp_path: Path) -> None:
    """A name that isn't there is an error."""
    with pytest.raises(NoSuchArtifactError):
        stale(history, tmp_path, "nope")


def test_reasons_are_data(history: History, tmp_path: Path) -> None:
    """A reason has what moved, from what to what."""
    (tmp_path / "x.csv").write_bytes(b"2")
    history.save(inputs={"x.csv": b"1"})
    (found,) = status(history.repository, tmp_path, values.digest_file)
    assert isinstance(found, Stale)
    (reason,) = found.reasons
    assert (reason.kind, reason.what) == ("input", "x.csv")
    assert reason.before == values.digest_bytes(b"1")
    assert reason.after == values.digest_file(tmp_path / "x.csv")


def test_environment(history: History, tmp_path: Path) -> None:
    """Another Python, package or variable makes stale; what isn't installed here isn't compared."""
    history.save(packages={"pandas": "2.1", "gone": "1", "same": "1"})
    installed = {"pandas": "2.2", "same": "1"}
    here = Surroundings("3.12.1", installed.get, {})
    (found,) = status(history.repository, tmp_path, values.digest_file, None, here)
    assert [(reason.kind, reason.text) for reason in found.reasons] == [
        ("environment", "Python is 3.12.1, was 3.11.7"),
        ("environment", "pandas is 2.2, was 2.1"),
    ]
    same = Surroundings("3.11.9", {"pandas": "2.1"}.get, {})
    assert status(history.repository, tmp_path, values.digest_file, None, same) == []


def test_variables(history: History, tmp_path: Path) -> None:
    """A variable that was read is compared unless it wasn't kept."""
    history.save(variables=[Variable("MODE", "fast"), Variable("TOKEN", None, kept=False)])
    here = Surroundings("3.11.7", lambda name: None, {"TOKEN": "x"})
    (found,) = status(history.repository, tmp_path, values.digest_file, None, here)
    assert [reason.text for reason in found.reasons] == ["$MODE is not set, was 'fast'"]


def test_altered_files(history: History, tmp_path: Path) -> None:
    """Files that a version wrote are held against what stands there now; gone ones are no matter."""
    for name, data in {"kept": b"1", "longer": b"22", "other": b"2"}.items():
        (tmp_path / name).write_bytes(data)
    files = [
        InputFile(name, values.digest_bytes(b"1"), 1)
        for name in ("kept", "longer", "other", "gone")
    ]
    tip = history.save(written=files[:2])
    history.repository.note_written(tip, files[2:])
    found = survey(history.repository, tmp_path, values.digest_file)
    assert [each.path for each in found.altered] == ["longer", "other"]
    assert (len(found.versions), bool(found), found.unverified) == (1, False, (tip,))
    history.repository.set_verdict(tip, Verdict("identical", tip.created))
    assert survey(history.repository, tmp_path, values.digest_file).unverified == ()
