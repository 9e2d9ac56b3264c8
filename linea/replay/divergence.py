"""A version whose re-run gives another value → the statement at which runs part, and why."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from linea.history.align import statements
from linea.model import Version
from linea.replay.run import Run, rerun

if TYPE_CHECKING:
    from linea.store.repository import Repository

HASH_ORDER = "the order of a set of texts, another one in each process unless PYTHONHASHSEED is set"


def find(
    repository: Repository,
    version: Version,
    root: Path,
    given: Mapping[str, bytes],
    *,
    timeout: float | None = None,
) -> list[str]:
    """Say at which statement two re-runs part, and what was read there that no run gives again.

    Where they don't part, the slice gives the same value each time, if not the recorded one: then
    what it ran on differs, and that is said.
    """

    def traced(seed: str) -> Run:
        return rerun(
            repository, version, root, timeout=timeout, trace=True, given=given,
            variables={"PYTHONHASHSEED": seed},
        )  # fmt: skip

    first, second = traced("1"), traced("2")
    if "done" not in (first.outcome, second.outcome):
        return reasons(version, None)
    line = parting(first, second)
    if line is None:
        if first.digest != second.digest:
            return ["two more re-runs gave two other values", *reasons(version, None)]
        return ["two more re-runs agree with each other", *reasons(version, None), *moved(version)]
    place = describe(repository.code(version), version, line)
    if parting(second, traced("2")) is None:
        return [f"re-runs part at {place}", f"it reads {HASH_ORDER}"]
    return [f"re-runs part at {place}", *reasons(version, line)]


def parting(a: Run, b: Run) -> int | None:
    """The first line of the first statement after which the two runs hold different values."""
    for (line, before), (_, after) in zip(a.trace, b.trace, strict=False):
        if before != after:
            return line
    return None


def describe(code: str, version: Version, line: int) -> str:
    """A statement of the slice with the place that it came from."""
    lines = code.splitlines()
    unit = next((u for u in statements(code) if u.start < line <= u.stop), None)
    text = lines[unit.start if unit and unit.start < len(lines) else line - 1].strip()
    origin = version.lines[line - 1] if line <= len(version.lines) else None
    return f"{origin}: {text}" if origin else f"line {line}: {text}"


def reasons(version: Version, line: int | None) -> list[str]:
    """What the slice reads that no re-run gives again, at `line` alone if that is known."""
    origin = version.lines[line - 1] if line and line <= len(version.lines) else None
    here = [each for each in version.unreproducible if origin and each.endswith(f"at {origin}")]
    return [
        f"the slice reads what no re-run gives again: {each}"
        for each in here or version.unreproducible
    ]


def moved(version: Version) -> list[str]:
    """What the value ran on when it was saved and doesn't any more."""
    then = {"python": version.environment.python}
    then |= {package.name: package.version for package in version.environment.packages}
    now = {
        name: platform.python_version() if name == "python" else installed(name) for name in then
    }
    return [
        f"{name} was {then[name]}, is {now[name] or 'not installed'}"
        for name in then
        if then[name] and then[name] != now[name]
    ]


def installed(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
