"""A slice → a smaller one that, run again, still gives the recorded value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from linea.errors import ReplayError
from linea.model import Minimal, Origin, Version
from linea.replay import inputs
from linea.replay.run import rerun

if TYPE_CHECKING:
    from linea.store.repository import Repository

Lines = list[tuple[str, Origin | None]]


def minimise(
    repository: Repository,
    version: Version,
    root: Path,
    *,
    clock: Callable[[], datetime],
    timeout: float | None = None,
    trying: Callable[[int, int], None] = lambda done, left: None,
) -> Minimal:
    """Drop statements one at a time while the value stays the same; keep what is left.

    What is left has been run twice, with two orders of sets, and gave the recorded digest.
    ReplayError where the recorded slice itself doesn't give it.
    """
    found = inputs.find(repository, version, root)
    if found.problems:
        raise ReplayError(f"{version.revision} can't be run again: {'; '.join(found.problems)}")
    runs = 0

    def same(lines: Lines, seed: str = "0") -> bool:
        nonlocal runs
        runs += 1
        ran = rerun(
            repository, version, root, code=joined(lines), given=found.given, timeout=timeout,
            variables={"PYTHONHASHSEED": seed},
        )  # fmt: skip
        return ran.outcome == "done" and ran.digest == version.digest

    lines = numbered(repository.code(version), version)
    if not (same(lines, "1") and same(lines, "2")):
        raise ReplayError(
            f"the slice of {version.revision} doesn't give its value again",
            hint=f"linea verify {version.revision} says where they part",
        )
    whole = lines
    done: set[str] = set()
    progress = True
    while progress:
        progress = False
        for smaller in candidates(lines):
            text = joined(smaller)
            if text in done:
                continue
            done.add(text)
            trying(runs, len(smaller))
            if same(smaller):
                lines, progress = smaller, True
                break
    if lines is not whole and not (same(lines, "1") and same(lines, "2")):
        lines = whole
    minimal = Minimal(joined(lines), tuple(origin for _, origin in lines), clock())
    repository.set_minimal(version, minimal)
    return minimal


def numbered(code: str, version: Version) -> Lines:
    texts = code.splitlines()
    origins = [*version.lines, *[None] * len(texts)]
    return list(zip(texts, origins, strict=False))


def joined(lines: Lines) -> str:
    return "".join(f"{text}\n" for text, _ in lines)


def candidates(lines: Lines) -> Iterator[Lines]:
    """The code without one of its statements, the last first: what it needs goes after it."""
    try:
        tree = ast.parse(joined(lines))
    except SyntaxError:
        return
    for start, stop, alone in sorted(spans(tree), reverse=True):
        if any(text.strip() for text, _ in lines[start:stop]):
            indent = lines[start][0][: len(lines[start][0]) - len(lines[start][0].lstrip())]
            filling: Lines = [(f"{indent}pass", None)] if alone else []
            if joined(lines[start:stop]).strip() != "pass":
                yield lines[:start] + filling + lines[stop:]


def spans(tree: ast.Module) -> Iterator[tuple[int, int, bool]]:
    """First line, line past the last, and whether it is the only one in its block, of each statement."""
    for node in ast.walk(tree):
        for body in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
            if not isinstance(body, list) or not all(isinstance(each, ast.stmt) for each in body):
                continue
            for each in body:
                decorated = min(
                    (d.lineno for d in getattr(each, "decorator_list", [])), default=10**9
                )
                start, stop = min(each.lineno, decorated), each.end_lineno or each.lineno
                # Statements that share a line with others stay as they are.
                shared = any(
                    other is not each and other.lineno <= stop and (other.end_lineno or 0) >= start
                    for other in body
                )
                header = isinstance(node, ast.stmt) and start == node.lineno
                if not shared and not header:
                    alone = len(body) == 1 and not isinstance(node, ast.Module)
                    yield start - 1, stop, alone
