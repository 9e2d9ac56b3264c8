"""A recorded environment → a virtual environment with the same Python and packages, where they can be had."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from linea.errors import ReplayError
from linea.model import Environment, Package
from linea.replay.divergence import installed

SUPPORT = ("xxhash", "zstandard", "pyarrow", "numpy", "cloudpickle", "pygit2")
"""What linea needs to look at values in another environment."""


@dataclass(frozen=True, slots=True)
class Built:
    """A virtual environment, and what of the recorded one it hasn't got."""

    folder: Path
    python: Path
    problems: tuple[str, ...]


def build(
    environment: Environment,
    folder: Path,
    *,
    support: bool = False,
    saying: Callable[[str], None] = lambda text: None,
) -> Built:
    """Make a virtual environment in `folder` with the exact versions that were recorded.

    A version that can't be had is left out and named. With `support` it can run linea's own
    part of a re-run too. ReplayError where there is something at `folder`, or none can be made.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ReplayError(f"{folder} is there already", hint="move it away, or use --to")
    uv = shutil.which("uv")
    problems = []
    wanted = environment.python or platform.python_version()
    interpreter = find_python(wanted)
    saying(f"making {folder} with Python {wanted}")
    if uv is not None:
        done = call([uv, "venv", "--quiet", "--python", interpreter or wanted, str(folder)])
        if done.returncode != 0:
            interpreter = sys.executable
            done = call([uv, "venv", "--quiet", "--python", interpreter, str(folder)])
    else:
        interpreter = interpreter or sys.executable
        done = call([interpreter, "-m", "venv", str(folder)])
    if done.returncode != 0:
        raise ReplayError(f"no virtual environment can be made: {tail(done.stderr)}")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    got = call(
        [str(python), "-c", "import platform; print(platform.python_version())"]
    ).stdout.strip()
    if got != wanted:
        problems.append(f"Python {wanted} can't be had here; it is {got}")
    installer = (
        [uv, "pip", "install", "--quiet", "--python", str(python)]
        if uv
        else [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    pins = [f"{package.name}=={package.version}" for package in environment.packages]
    problems += install(installer, pins, environment.packages, saying)
    if support:
        have = {canonical(package.name) for package in environment.packages}
        rest = [
            f"{name}=={v}"
            for name in SUPPORT
            if canonical(name) not in have and (v := installed(name))
        ]
        problems += install(installer, rest, [Package(*pin.split("==")) for pin in rest], saying)
    return Built(folder, python, tuple(problems))


def install(
    installer: Sequence[str],
    pins: Sequence[str],
    packages: Sequence[Package],
    saying: Callable[[str], None],
) -> Iterator[str]:
    """Install exact versions: together, or where that fails one by one; yield what can't be had."""
    if not pins:
        return
    saying(f"installing {', '.join(pins)}")
    # What they need in turn was recorded with them: nothing else may choose a version.
    if call([*installer, "--no-deps", *pins]).returncode == 0:
        return
    for pin, package in zip(pins, packages, strict=True):
        done = call([*installer, "--no-deps", pin])
        if done.returncode != 0:
            yield f"{package.name} {package.version} can't be had: {tail(done.stderr)}"


def find_python(version: str) -> str | None:
    """An interpreter of exactly this version, else of this minor version, on this machine."""
    minor = ".".join(version.split(".")[:2])
    if version == platform.python_version():
        return getattr(sys, "_base_executable", None) or sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for found in (pyenv / version / "bin" / "python", *sorted(pyenv.glob(f"{minor}.*/bin/python"))):
        if found.exists():
            return str(found)
    return shutil.which(f"python{minor}")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL, env=plain,
    )  # fmt: skip


def tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "no solution" in line.lower()]
    return (telling or lines or ["it says nothing"])[-1].strip()
