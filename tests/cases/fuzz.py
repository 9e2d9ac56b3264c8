"""Runs random programs, slices variables of theirs, runs the slices, and compares.

`python tests/cases/fuzz.py FIRST COUNT` prints each wrong one; its seed makes it again.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import nasty
import programs


@dataclass
class Findings:
    """What a batch of programs gave."""

    programs: int = 0
    slices: int = 0
    steps: int = 0
    kept: int = 0
    endless: int = 0
    """Programs that don't end, or need too much memory."""
    wrong: list[str] = field(default_factory=list)


SKIPPED = ("itertools", "_io", "numpy.random._generator", "random", "socket", "multiprocessing.connection")
"""Modules of types whose objects can't be compared without being used up."""


def chosen(rng: random.Random) -> nasty.Names:
    """At most six of the variables that a program made."""

    def choose(namespace: dict[str, Any]) -> list[str]:
        names = sorted(n for n in namespace if n[0] == "v" and n[1:].isdigit())
        found = rng.sample(names, min(len(names), 6))
        values = {n: namespace[n] for n in found}
        return [n for n, v in values.items() if not hasattr(type(v), "__next__") and type(v).__module__ not in SKIPPED]

    return choose


def preload() -> None:
    """Load what the programs import once; each runs in a fork."""
    exec(compile(programs.program(random.Random(0))[0], "header", "exec"), {})
    import linea.capture.criterion
    import linea.capture.script  # noqa: F401

    nasty.SECONDS = 15
    limit = 6 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    gc.collect()
    gc.freeze()  # forks then copy fewer pages


def batch(first: int, count: int, *, loud: bool = False) -> Findings:
    """Programs with seeds `first` to `first + count - 1`."""
    found = Findings()
    for number in range(first, first + count):
        rng = random.Random(number)
        cells = programs.program(rng, rng.choice([6, 10, 14, 22]))
        verdict = nasty.check(nasty.Program(str(number), "random", cells), chosen(rng))
        found.programs += 1
        found.slices += verdict.checked
        found.steps += verdict.steps
        found.kept += verdict.kept
        if verdict.endless:
            found.endless += 1
            continue
        for text in verdict.wrong:
            found.wrong.append(f"seed {number}: {text}\n--- program\n" + "\n# ----\n".join(cells[1:]))
        if loud and (verdict.wrong or number % 500 == 0):
            print(f"{number}: {found.programs} programs, {found.slices} slices, {len(found.wrong)} wrong", flush=True)
            print(*found.wrong[-len(verdict.wrong) :][:1] if verdict.wrong else [], flush=True)
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    preload()
    first, count = int(sys.argv[1]), int(sys.argv[2])
    shown = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    result = batch(first, count, loud="-v" in sys.argv)
    for text in result.wrong[:shown]:
        print(text, "\n=========")
    print(
        f"{result.programs} programs, {result.slices} slices, {len(result.wrong)} wrong, "
        f"kept {result.kept} of {result.steps} statements, {result.endless} programs endless"
    )
