"""Any variable of a file that ran can be saved or sliced, without a change to the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import random
random.seed(3)
xs = [random.random() for _ in range(5)]
print("out")
unused = 1
model = {"mean": sum(xs) / len(xs)}
name = "model"
"""
MODEL = PROGRAM.replace('print("out")\nunused = 1\n', "").replace('name = "model"\n', "")
READING = PROGRAM + "import sys\nprint(sys.argv[1:])\n"


def linea(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linea", *words],
        cwd=folder, capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("LINEA")},
    )  # fmt: skip


SAVES = [
    ("before FILE", PROGRAM, ["--save", "model", "--save", "xs", "p.py"], ["model", "xs"], "out\n"),
    ("behind FILE", PROGRAM, ["p.py", "--save", "model", "--save=xs"], ["model", "xs"], "out\n"),
    ("for the program", READING, ["p.py", "--save", "model"], [], "out\n['--save', 'model']\n"),
    ("both", READING, ["--save", "xs", "p.py", "--save", "b"], ["xs"], "out\n['--save', 'b']\n"),
    ("after exit", PROGRAM + "raise SystemExit(0)\n", ["--save", "xs", "p.py"], ["xs"], "out\n"),
]


@pytest.mark.parametrize(
    ("source", "words", "saved", "printed"), [case[1:] for case in SAVES], ids=[c[0] for c in SAVES]
)
def test_run_saves_variables_by_name(
    tmp_path: Path, source: str, words: list[str], saved: list[str], printed: str
) -> None:
    """Options before FILE are linea's; behind it `--save` is where the program reads no arguments."""
    (tmp_path / "p.py").write_text(source)
    linea(tmp_path, "init")
    done = linea(tmp_path, "run", *words)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
    listed = json.loads(linea(tmp_path, "ls", "--json").stdout)
    assert sorted(each["name"] for each in listed) == sorted(saved)


def test_a_variable_that_was_not_left_is_named(tmp_path: Path) -> None:
    """The others are saved, and the status tells."""
    (tmp_path / "p.py").write_text(PROGRAM)
    done = linea(tmp_path, "run", "--save", "nope", "--save", "xs", "p.py")
    assert done.returncode == 2
    assert "nope isn't saved: there is no variable 'nope'" in done.stderr
    assert len(json.loads(linea(tmp_path, "ls", "--json").stdout)) == 1


def test_slice_answers_from_the_record_of_the_last_run(tmp_path: Path) -> None:
    """Nothing is run again; a file that has changed since is said to have."""
    (tmp_path / "p.py").write_text(PROGRAM)
    linea(tmp_path, "init")
    linea(tmp_path, "run", "p.py")
    done = linea(tmp_path, "slice", "p.py", "model")
    assert (done.stdout, done.stderr, done.returncode) == (MODEL, "", 0)
    assert linea(tmp_path, "slice", "p.py").stdout.split() == ["model", "name", "random", "unused", "xs"]  # fmt: skip
    (tmp_path / "p.py").write_text("model = 2\n")
    done = linea(tmp_path, "slice", "p.py", "model")
    assert done.stdout == MODEL
    assert "p.py has changed since" in done.stderr
    assert linea(tmp_path, "slice", "--run", "p.py", "model").stdout == "model = 2\n"


def test_slice_runs_what_never_ran_and_says_so(tmp_path: Path) -> None:
    """The program's own output isn't mixed with the slice."""
    (tmp_path / "p.py").write_text(PROGRAM)
    done = linea(tmp_path, "slice", "p.py", "model")
    assert done.stdout == MODEL
    assert done.stderr.splitlines() == ["no run of p.py is recorded: running it", "out"]
    done = linea(tmp_path, "slice", "p.py", "nope")
    assert done.returncode == 2
    assert "no variable 'nope' was left by p.py" in done.stderr


def test_a_running_program_asks_for_slices_itself(tmp_path: Path) -> None:
    """By variable, by expression, by the name as a text, and from inside a function."""
    asked = PROGRAM + (
        "import linea\nprint(repr(linea.slice(model)), end='')\nprint(linea.slice('model'), end='')\n"
        "print(linea.slice(name), end='')\nprint(linea.slice(len(xs) + 1), end='')\n"
        "def f(): return linea.slice(model)\nprint(f(), end='')\n"
    )
    (tmp_path / "p.py").write_text(asked)
    done = linea(tmp_path, "run", "p.py")
    length = "\n".join(MODEL.splitlines()[:3]) + "\nvalue = len(xs) + 1\n"
    assert done.stdout == "out\n" + MODEL * 2 + 'name = "model"\n' + length + MODEL, done.stderr


def test_records_of_many_files_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest stay, in number and size; what a killed session left half written goes."""
    from linea import watching

    monkeypatch.setattr(watching, "MOST_RUNS", 3)
    monkeypatch.setattr(watching, "MOST_RUN_BYTES", 100)
    sizes = {"a": 10, "b": 90, "c": 20, "d": 60, "newest": 500}
    for moment, (name, size) in enumerate(sizes.items()):
        path = tmp_path / f"{name}.json"
        path.write_text("x" * size)
        os.utime(path, (moment, moment))
    (tmp_path / "e.7.part").write_text("x")
    os.utime(tmp_path / "e.7.part", (5, 5))
    (tmp_path / "f.8.part").write_text("x")
    watching._prune_records(tmp_path / "newest.json")
    assert {p.name for p in tmp_path.iterdir()} == {"newest.json", "d.json", "c.json", "f.8.part"}
