"""Every variable of the programs in `nasty/` can be made again from its slice alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import nasty

PROGRAMS = nasty.programs()


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    nasty.preload_all()


@pytest.mark.parametrize("program", PROGRAMS, ids=[f"{p.group}: {p.title}" for p in PROGRAMS])
def test_each_slice_gives_the_value_of_the_whole_program(program: nasty.Program) -> None:
    if program.missing:
        pytest.skip(f"needs {', '.join(program.missing)}")
    if any("polars" in code for code in program.cells):
        checked_in_a_process(program)
        return
    verdict = nasty.check(program)
    assert not verdict.wrong, "\n".join(verdict.wrong)
    assert verdict.checked > 0


def checked_in_a_process(program: nasty.Program) -> None:
    """Check what can't run in a fork of this process: one of a library with threads of its own.

    Another test may have started them here, and a fork has none.
    """
    done = subprocess.run(
        [sys.executable, nasty.__file__, program.title],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ", 0 wrong" in done.stdout, done.stdout
    assert not done.stdout.startswith("0 programs"), done.stdout
