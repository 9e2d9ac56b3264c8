"""A version → the verdict of running its slice again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from linea import values
from linea.errors import LineaError
from linea.model import ValueRecord, Verdict, Version
from linea.replay.compare import close
from linea.replay.run import Run, rerun

if TYPE_CHECKING:
    from linea.store.repository import Repository

SHOWN = 8
"""How many columns are named before the rest is counted."""


def now() -> datetime:
    return datetime.now().astimezone()


def verify(
    repository: Repository,
    version: Version,
    root: Path,
    *,
    timeout: float | None = None,
    tolerance: float | None = None,
    clock: Callable[[], datetime] = now,
) -> Verdict:
    """Run the slice of `version` in a fresh process, compare, and record the verdict."""
    missing = why_impossible(repository, version, root)
    if missing:
        verdict = Verdict("impossible", clock(), detail=missing)
    else:
        ran = rerun(
            repository,
            version,
            root,
            timeout=timeout,
            keep_parts=tolerance is not None or not version.value.stable,
        )
        verdict = judge(repository, version, ran, tolerance, clock())
    repository.set_verdict(version, verdict)
    return verdict


def why_impossible(repository: Repository, version: Version, root: Path) -> str:
    """Say which recorded input or parent is no longer there as it was; empty when all are."""
    problems = []
    for file in version.inputs:
        path = root / file.path
        if not path.exists():
            problems.append(f"the input {file.path} isn't there any more")
        elif values.digest_file(path) != file.digest:
            problems.append(f"the input {file.path} has changed since ({file.digest} was read)")
    for parent in version.parents:
        try:
            repository.by_commit(parent.commit)
        except LineaError:
            problems.append(f"its parent {parent.name}@v{parent.number} isn't in the store")
    return "\n".join(problems)


def judge(
    repository: Repository, version: Version, ran: Run, tolerance: float | None, when: datetime
) -> Verdict:
    """Hold what the re-run gave against what was stored."""
    if ran.record is None:
        return Verdict("failed", when, seconds=ran.seconds, detail=failure(version, ran))
    if any(record.digest == version.digest for record in ran.saved):
        return Verdict("identical", when, version.digest, ran.seconds)
    if within(repository, version, ran, tolerance):
        detail = f"equal within {tolerance:g}" if tolerance else "equal part by part"
        return Verdict("equal", when, ran.digest, ran.seconds, detail)
    detail = "\n".join(
        [difference(version.value, ran.record), *map(blame_line, version.unreproducible)]
    )
    return Verdict("different", when, ran.digest, ran.seconds, detail)


def failure(version: Version, ran: Run) -> str:
    origin = version.lines[ran.line - 1] if ran.line and ran.line <= len(version.lines) else None
    return f"{ran.traceback}\nat {origin}" if origin else ran.traceback


def blame_line(reason: str) -> str:
    return f"the slice reads what no re-run gives again: {reason}"


def within(repository: Repository, version: Version, ran: Run, tolerance: float | None) -> bool:
    """Say whether a re-run's value equals the stored one though its digest differs."""
    if tolerance is None and version.value.stable:
        return False
    stored = values.decode(version.value, repository.read_part(version))
    return any(
        close(stored, values.decode(record, reader(parts)), tolerance or 0.0)
        for record, parts in zip(ran.saved, ran.parts, strict=True)
    )


def reader(parts: Mapping[str, bytes]) -> Callable[[str], bytes]:
    return parts.__getitem__


def difference(stored: ValueRecord, rerun: ValueRecord) -> str:
    """Say in a line what the re-run gave instead: which columns, which type, how many rows."""
    if stored.type != rerun.type:
        return f"the re-run gives a {rerun.type}, a {stored.type} was stored"
    if not stored.columns or not rerun.columns:
        then, again = stored.summary.get("text"), rerun.summary.get("text")
        return f"stored: {then}; re-run: {again}" if then != again else "the content differs"
    before = {column.name: column.digest for column in stored.columns}
    after = {column.name: column.digest for column in rerun.columns}
    said = []
    if stored.summary.get("rows") != rerun.summary.get("rows"):
        said.append(f"{rerun.summary.get('rows')} rows instead of {stored.summary.get('rows')}")
    said += [
        f"{what}: {some(names)}"
        for what, names in (
            ("columns that differ", [n for n in before if after.get(n, before[n]) != before[n]]),
            ("columns missing", [n for n in before if n not in after]),
            ("columns new", [n for n in after if n not in before]),
        )
        if names
    ]
    return "; ".join(said) or "the columns are the same, their order or the index differs"


def some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
