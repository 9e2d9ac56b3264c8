"""A version whose value was dropped or damaged → its value, made again by its code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from linea.errors import ReplayError
from linea.model import Encoded, Version
from linea.replay import inputs
from linea.replay.run import rerun
from linea.replay.verify import failure

if TYPE_CHECKING:
    from linea.store.repository import Repository


def rebuild(
    repository: Repository, version: Version, root: Path, *, timeout: float | None = None
) -> None:
    """Run the slice of `version` and store what it gives in place of the value.

    ReplayError where it can't be run or gives another value: then nothing is stored.
    """
    found = inputs.find(repository, version, root)
    if found.problems:
        raise ReplayError(
            f"{version.revision} can't be made again: {'; '.join(found.problems)}",
            hint="bring the inputs back to what they were",
        )
    ran = rerun(repository, version, root, timeout=timeout, keep_parts=True, given=found.given)
    if ran.record is None:
        raise ReplayError(f"the code of {version.revision} failed: {failure(version, ran)}")
    for record, parts in zip(ran.saved, ran.parts, strict=True):
        if record.digest == version.digest:
            repository.put_back(version, Encoded(record, parts))
            return
    raise ReplayError(
        f"the code of {version.revision} gives another value now",
        hint=f"see what differs: linea verify {version.revision}",
    )
