"""A version → the verdict of running its slice again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea import values
from linea.errors import LineaError, StoreError
from linea.model import Digest, ValueRecord, Verdict, Version
from linea.replay import divergence, inputs
from linea.replay.compare import close, farthest
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
    """Run the slice of `version` in a fresh process, compare, and record the verdict.

    Where another value comes out the slice runs up to four times more, to find the statement at
    which runs part.
    """
    try:
        found = inputs.find(repository, version, root)
        if found.problems:
            verdict = Verdict("impossible", clock(), detail="\n".join(found.problems))
        else:
            ran = rerun(
                repository, version, root, timeout=timeout, keep_parts=True, given=found.given
            )
            verdict = judge(repository, version, ran, tolerance, clock())
            if verdict.outcome == "different":
                cause = divergence.find(repository, version, root, found.given, timeout=timeout)
                detail = "\n".join([verdict.detail, *cause])
                verdict = Verdict("different", verdict.when, verdict.digest, ran.seconds, detail)
    except (LineaError, OSError) as error:
        verdict = Verdict("impossible", clock(), detail=str(error))
    try:
        repository.set_verdict(version, verdict)
    except StoreError as error:
        # What was found out is worth telling where it can't be written down.
        detail = "\n".join(filter(None, [verdict.detail, f"not noted: {error.message}"]))
        return replace(verdict, detail=detail)
    return verdict


def verify_all(
    store: Path,
    versions: Sequence[Version],
    root: Path,
    *,
    jobs: int = 1,
    timeout: float | None = None,
    tolerance: float | None = None,
    clock: Callable[[], datetime] = now,
    starting: Callable[[Version], None] = lambda version: None,
) -> Iterator[tuple[Version, Verdict]]:
    """Verify several versions, `jobs` at a time; yield each with its verdict as it is there."""
    from linea.store.repository import Repository

    def one(version: Version) -> tuple[Version, Verdict]:
        starting(version)
        with Repository.open(store) as repository:
            return version, verify(
                repository, version, root, timeout=timeout, tolerance=tolerance, clock=clock
            )

    pool = ThreadPoolExecutor(max(1, jobs))
    waiting: list[Future[tuple[Version, Verdict]]] = [pool.submit(one, each) for each in versions]
    try:
        for done in as_completed(waiting):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def judge(
    repository: Repository, version: Version, ran: Run, tolerance: float | None, when: datetime
) -> Verdict:
    """Hold what the re-run gave against what was stored."""
    if ran.record is None:
        detail = "\n".join([failure(version, ran), *not_set(version), *typed(version)])
        return Verdict("failed", when, seconds=ran.seconds, detail=detail)
    if any(record.digest == version.digest for record in ran.saved):
        return Verdict("identical", when, version.digest, ran.seconds)
    if within(repository, version, ran, tolerance):
        detail = f"equal within {tolerance:g}" if tolerance else "equal part by part"
        return Verdict("equal", when, ran.digest, ran.seconds, detail)
    detail = difference(version.value, ran.record)
    how_much = distance(repository, version, ran)
    detail = "\n".join([detail, how_much] if how_much else [detail])
    return Verdict("different", when, ran.digest, ran.seconds, detail)


def failure(version: Version, ran: Run) -> str:
    origin = version.lines[ran.line - 1] if ran.line and ran.line <= len(version.lines) else None
    return f"{ran.traceback}\nat {origin}" if origin else ran.traceback


def not_set(version: Version) -> list[str]:
    """Environment variables that the recorded run had and this one can't have."""
    return [
        f"{each.name} was set when it was saved; its value isn't kept: set it, and verify again"
        for each in version.environment.variables
        if not each.kept and each.name not in os.environ
    ]


def typed(version: Version) -> list[str]:
    """What a person typed as it was recorded, and nobody types now."""
    return [f"the slice asks for {each}" for each in version.unreproducible if "typed" in each]


def within(repository: Repository, version: Version, ran: Run, tolerance: float | None) -> bool:
    """Say whether a re-run's value equals the stored one though digests don't tell."""
    if tolerance is None and version.value.stable:
        return False
    stored = values.decode(version.value, repository.read_part(version))
    return any(
        close(stored, values.decode(record, reader(parts)), tolerance or 0.0)
        for record, parts in zip(ran.saved, ran.parts, strict=True)
    )


def distance(repository: Repository, version: Version, ran: Run) -> str:
    """Say how far the re-run's value is from the stored one; empty where that can't be said."""
    if version.value.pickled or ran.record is None or ran.record.pickled:
        return ""
    try:
        stored: Any = values.decode(version.value, repository.read_part(version))
        return farthest(stored, values.decode(ran.record, reader(ran.parts[-1])))
    except Exception:  # values of any kind are compared here; the verdict stands without
        return ""


def reader(parts: Mapping[str, bytes]) -> Callable[[str], bytes]:
    return parts.__getitem__


def difference(stored: ValueRecord, rerun: ValueRecord) -> str:
    """Say in a line what the re-run gave instead: which columns, which type, how many rows."""
    if stored.type != rerun.type:
        return f"the re-run gives a {rerun.type}, a {stored.type} was stored"
    if not stored.columns or not rerun.columns:
        then, again = stored.summary.get("text"), rerun.summary.get("text")
        return f"stored: {then}; re-run: {again}" if then != again else "the content differs"
    before: dict[str, Digest] = {column.name: column.digest for column in stored.columns}
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
