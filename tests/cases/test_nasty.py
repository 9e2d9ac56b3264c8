"""Every variable of the programs in `nasty/` can be made again from its slice alone."""

from __future__ import annotations

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
    verdict = nasty.check(program)
    assert not verdict.wrong, "\n".join(verdict.wrong)
    assert verdict.checked > 0
