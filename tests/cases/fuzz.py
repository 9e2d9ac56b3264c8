"""Runs random programs, slices variables of theirs, runs the slices, and compares.

`python tests/cases/fuzz.py FIRST COUNT` prints each wrong one; its seed makes it again.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import programs
from harness import canonical


@dataclass
class Findings:
    """What a batch of programs gave."""

    programs: int = 0
    slices: int = 0
    steps: int = 0
    kept: int = 0
    endless: int = 0
    wrong: list[str] = field(default_factory=list)


class Endless(BaseException):
    """A program that doesn't end."""


def stop(*_: object) -> None:
    raise Endless


def fresh_state() -> None:
    import numpy

    random.seed(12345)
    numpy.random.seed(12345)
    os.environ.pop("LX_FUZZ", None)


def whole(cells: list[str], folder: Path, rng: random.Random) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Run all cells under capture; the values of variables, and their slices."""
    from linea.capture.criterion import slice_of_name
    from linea.capture.script import main_module, run_statements
    from linea.capture.session import Session

    os.chdir(folder)
    module = main_module(folder / "p.py")
    sys.modules["__main__"] = module
    session = Session(module.__dict__, root=folder, source="p.py")
    for cell in cells:
        with contextlib.suppress(Exception):
            run_statements(session, cell, str(folder / "p.py"), "p.py", module.__dict__)
    names = sorted(n for n in module.__dict__ if n[0] == "v" and n[1:].isdigit())
    chosen = rng.sample(names, min(len(names), 6))
    values: dict[str, str] = {}
    slices: dict[str, str] = {}
    kept = 0
    for name in chosen:
        value = module.__dict__[name]
        if callable(value) or type(value).__module__ in ("itertools", "numpy.random._generator", "random"):
            continue
        if hasattr(value, "__next__"):
            continue
        piece = slice_of_name(session, name)
        if piece.unreproducible:
            continue  # drawn from a generator that was never seeded
        values[name] = canonical(value)
        slices[name] = piece.code
        kept += len(piece.steps)
    notes = list(session.notes)
    steps = len(session.steps)
    session.close()
    return (steps, kept, notes), values, slices


def alone(code: str, name: str, folder: Path) -> str:
    os.chdir(folder)
    fresh_state()
    import types

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        exec(compile(code, str(folder / "q.py"), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return canonical(module.__dict__.get(name, "unbound"))


def batch(first: int, count: int) -> Findings:
    """Programs with seeds `first` to `first + count - 1`."""
    found = Findings()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, stop)
    limit = 6 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    here = os.getcwd()
    for number in range(first, first + count):
        rng = random.Random(number)
        cells = programs.program(rng, rng.choice([6, 10, 14, 22]))
        base = Path(tempfile.mkdtemp(prefix="fuzz")).resolve()
        signal.alarm(20)
        try:
            (base / "a").mkdir()
            fresh_state()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                (steps, kept, notes), values, slices = whole(cells, base / "a", rng)
                found.programs += 1
                found.steps += steps * len(slices)
                found.kept += kept
                if notes:
                    found.wrong.append(f"seed {number}: {notes[:2]}")
                for i, (name, code) in enumerate(slices.items()):
                    folder = base / f"b{i}"
                    folder.mkdir()
                    got = alone(code, name, folder)
                    found.slices += 1
                    if got != values[name]:
                        found.wrong.append(
                            f"seed {number}: {name} = {values[name][:150]}, alone {got[:150]}\n--- slice\n{code}\n--- program\n"
                            + "\n# ----\n".join(cells[1:])
                        )
        except Endless:
            found.endless += 1
        finally:
            signal.alarm(0)
            os.chdir(here)
            shutil.rmtree(base, ignore_errors=True)
    return found


if __name__ == "__main__":
    import numpy  # noqa: F401
    import pandas  # noqa: F401

    first, count = int(sys.argv[1]), int(sys.argv[2])
    result = batch(first, count)
    for text in result.wrong[: int(sys.argv[3]) if len(sys.argv) > 3 else 5]:
        print(text, "\n=========")
    print(
        f"{result.programs} programs, {result.slices} slices, {len(result.wrong)} wrong, "
        f"kept {result.kept} of {result.steps} statements"
    )
