"""Recorded packages → every package that they need, at exact versions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from importlib import metadata

from linea.model import Package

PLAIN = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[([^\]]*)\])?")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


RUNTIME = {"pandas": "pyarrow"}
"""What the files between tasks need beside what the code imports."""


def direct(packages: Sequence[Package], modules: Iterable[str]) -> str:
    """One line for each package that one of `modules` came from."""
    recorded = {normal(package.name): package for package in packages}
    owners = metadata.packages_distributions()
    wanted = {normal(name) for module in modules for name in (module, *owners.get(module, ()))}
    wanted |= {RUNTIME[name] for name in wanted & RUNTIME.keys()}
    lines = [f"{p.name}=={p.version}" for name, p in recorded.items() if name in wanted]
    for name in sorted(wanted & set(RUNTIME.values()) - recorded.keys()):
        with contextlib.suppress(metadata.PackageNotFoundError):
            lines.append(f"{name}=={metadata.version(name)}")
    return "".join(f"{line}\n" for line in sorted(lines, key=str.lower))


def lock(packages: Sequence[Package]) -> str:
    """One line a package, what they rest on included, as it is installed here.

    A package that isn't installed here, or at another version, is listed as recorded, and what it
    rests on is left to the installer.
    """
    found: dict[str, str] = {}
    recorded = {normal(package.name): package for package in packages}
    todo = [(package.name, "") for package in packages]
    todo += [(RUNTIME[name], "") for name in recorded.keys() & RUNTIME.keys()]
    seen: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        if (normal(name), extra) in seen:
            continue
        seen.add((normal(name), extra))
        given = recorded.get(normal(name))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if given:
                found[normal(name)] = f"{given.name}=={given.version}"
            continue
        if given and given.version != distribution.version:
            found[normal(name)] = f"{given.name}=={given.version}"
            continue
        found[normal(name)] = f"{distribution.metadata['Name']}=={distribution.version}"
        for requirement in distribution.requires or ():
            todo += needed(requirement, extra)
    return "".join(f"{found[name]}\n" for name in sorted(found))


def needed(requirement: str, extra: str) -> list[tuple[str, str]]:
    """The (package, extra) pairs that a requirement stands for on this platform."""
    match = PLAIN.match(requirement)
    if match is None:
        return []
    marker = requirement.partition(";")[2].strip()
    if marker and not holds(marker, extra):
        return []
    extras = [each.strip() for each in (match[2] or "").split(",") if each.strip()]
    return [(match[1], ""), *((match[1], each) for each in extras)]


def holds(marker: str, extra: str) -> bool:
    try:
        from packaging.markers import Marker
    except ImportError:
        # Without the library that reads markers: what has any is left to the installer.
        return False
    return bool(Marker(marker).evaluate({"extra": extra}))
