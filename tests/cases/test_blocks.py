"""Programs of nested blocks: what is left of them when they are cut inside gives the same values."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

import blocks


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(choices=st.randoms(use_true_random=False))
def test_every_slice_of_a_program_of_blocks_gives_the_same_value(choices: blocks.Choices) -> None:
    """Loops, branches, handlers, managers, matches, functions and classes, in one another."""
    program = blocks.program(choices)
    assert not (wrong := blocks.check(program).wrong), f"{wrong[0]}\n--- program\n{program}"


@pytest.mark.slow
def test_many_programs_of_blocks() -> None:
    """A hundred of them, with choices that are spread evenly."""
    import random

    for seed in range(100):
        program = blocks.program(random.Random(seed))
        assert not (wrong := blocks.check(program).wrong), f"{seed}: {wrong[0]}\n{program}"
