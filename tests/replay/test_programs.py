"""Verdicts on programs of many kinds, captured and run again through the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .conftest import tree
from .programs import PROGRAMS, Program

LINEA = [sys.executable, "-m", "linea"]


def put(folder: Path, files: dict[str, Any]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def environment(program: Program | None = None) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LINEA_", "PYTHONHASHSEED"))}
    return {**plain, "MPLBACKEND": "Agg", **(program.variables if program else {})}


def call(folder: Path, *arguments: str, program: Program | None = None) -> Any:
    return subprocess.run(
        [*LINEA, *arguments], cwd=folder, env=environment(program), text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip


def run(folder: Path, program: Program) -> None:
    code = f"{program.code}import linea\nlinea.save(x, {program.name!r})\n"
    put(folder, {**program.before, f"p_{program.name}.py": code})
    ran = call(folder, "run", f"p_{program.name}.py", program=program)
    assert ran.returncode == 0, ran.stderr


def verdicts(folder: Path, programs: list[Program], *options: str) -> dict[str, Any]:
    """Verify what the programs saved; nothing of the folder may change by that."""
    there = tree(folder)
    names = [program.name for program in programs]
    done = call(folder, "verify", "--json", "--jobs", "2", *options, *names)
    assert done.stdout, done.stderr
    assert tree(folder) == there
    return {each["revision"].removesuffix("@v1"): each for each in json.loads(done.stdout)}


def check(folder: Path, programs: list[Program]) -> None:
    """Run the programs in a folder, change what changes, verify."""
    Path("/tmp/linea-mark-once").unlink(missing_ok=True)
    call(folder, "init")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda program: run(folder, program), programs))
    for program in programs:
        put(folder, program.after)
    found = verdicts(folder, [program for program in programs if program.tolerance is None])
    for program in programs:
        if program.tolerance is not None:
            found |= verdicts(folder, [program], "--tol", str(program.tolerance))
    wrong = [
        (
            program.name,
            program.outcome,
            found[program.name]["outcome"],
            found[program.name]["detail"],
        )
        for program in programs
        if found[program.name]["outcome"] != program.outcome
        or program.detail not in found[program.name]["detail"]
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_verdicts(tmp_path: Path) -> None:
    """A few kinds of program get the right verdict."""
    check(tmp_path, [program for program in PROGRAMS if program.quick])


@pytest.mark.slow
def test_verdicts_of_many(tmp_path: Path) -> None:
    """Every kind of program gets the right verdict, with the reason."""
    assert len(PROGRAMS) >= 40
    check(tmp_path, [program for program in PROGRAMS if not program.quick])
