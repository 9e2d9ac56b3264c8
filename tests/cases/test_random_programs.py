"""Random programs: every slice of every variable, run alone, gives the same value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(first: int, count: int, file: str = "fuzz.py") -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / file), str(first), str(count), "3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_slices_of_random_programs_are_right() -> None:
    """Two hundred programs: aliases, files, functions, seeds, errors, cells that are run again."""
    assert ", 0 wrong," in (out := run(0, 200)), out


def test_slices_of_random_programs_over_shared_arrays_are_right() -> None:
    """Thirty programs of views, frames and writes in place, every array taken for a large one."""
    assert ", 0 wrong" in (out := run(0, 30, "arrays.py")), out


def test_slices_of_random_programs_inside_a_function_are_right() -> None:
    """Sixty programs that do everything in `main()`, or under `if __name__ == "__main__":`."""
    assert ", 0 wrong" in (out := run(0, 60, "inside.py")), out


@pytest.mark.slow
def test_slices_of_many_random_programs_are_right() -> None:
    """As many more as LINEA_FUZZ asks for, a thousand without it."""
    count = int(os.environ.get("LINEA_FUZZ", "1000"))
    assert ", 0 wrong," in (out := run(100_000, count)), out
