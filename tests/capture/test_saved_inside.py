"""Values that `main` saves: each with what made it, and without what comes after."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from linea.trimming.saved import Call, Saved, over

SCRIPT = """\
import argparse
import sys
import linea

def parse():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=3)
    p.add_argument("-v", action="store_true")
    return p.parse_args()

def load(n):
    return list(range(n))

def report(rows):
    for row in rows:
        print(row)

def keep(rows, name):
    linea.save(rows, name)
    print("kept", name)

def main():
    args = parse()
    rows = load(args.n)
    if args.v:
        print("rows", rows)
    linea.save(rows, "rows")
    report(rows)
    total = sum(rows)
    linea.save(total, name="total")
    for power in (2, 3):
        linea.save([r ** power for r in rows], "powers")
        last = power
    try:
        half = total / 2
        linea.save(half, "half")
        print("half", half)
    except ZeroDivisionError:
        half = None
    finally:
        print("tried")
    keep([half], "kept")
    keep([last], "last")
    return 0

if __name__ == "__main__":
    sys.exit(main())
"""

BODIES = {
    "rows": ["args = parse()", "rows = load(args.n)", "linea.save(rows, 'rows')"],
    "total": [
        "args = parse()", "rows = load(args.n)", "total = sum(rows)", "linea.save(total, name='total')",
    ],
    "half": [
        "args = parse()", "rows = load(args.n)", "total = sum(rows)",
        "try:\n    half = total / 2\n    linea.save(half, 'half')\nexcept ZeroDivisionError:\n    pass",
    ],
    "powers": [
        "args = parse()", "rows = load(args.n)",
        "for power in (2, 3):\n    linea.save([r ** power for r in rows], 'powers')",
    ],
}  # fmt: skip


def linea(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "linea", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inside")
    (folder / "train.py").write_text(SCRIPT)
    linea(folder, "run", "train.py")
    return folder


@pytest.mark.parametrize("name", list(BODIES))
def test_main_holds_what_one_value_rests_on(project: Path, name: str) -> None:
    """Prints, other saves and what comes after the save aren't in its slice."""
    code = linea(project, "show", name, "--code")
    main = next(
        n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef) and n.name == "main"
    )
    assert [ast.unparse(s) for s in main.body] == BODIES[name]
    assert "def report" not in code


def test_of_a_function_that_saves_twice_the_other_call_goes(project: Path) -> None:
    """It was seen to do nothing but save another value."""
    code = linea(project, "show", "last", "--code")
    assert code.count("keep(") == 2 and "for power in (2, 3)" in code


def test_all_of_them_are_made_again(project: Path) -> None:
    """Every slice gives the value that was saved."""
    assert linea(project, "verify", "--all").count(" identical ") == 6


@pytest.mark.parametrize(("name", "gone"), [("a", 1), ("b", 0)])
def test_nothing_goes_when_the_place_is_that_of_another_save(name: str, gone: int) -> None:
    """What is told of the calls under way has to fit the text."""
    source = "if True:\n    linea.save(x, 'a')\n    linea.save(y, 'b')\n"
    saved = Saved(name, (Call(None, 1, 1, 4, 22),))
    assert len(over(saved, [ast.parse(source).body[0]], [source])[0]) == gone
