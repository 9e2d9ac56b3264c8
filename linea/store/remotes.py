"""The git remotes of a store → folders of objects that a repair can take whole copies from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SKIPPED = "dropped"
"""No place: it tells git that values were dropped on purpose."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A place that stock git knows the store by, as `git remote add` wrote it down."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """A remote that gave nothing, and why."""

    remote: Remote
    why: str


def remotes(store: Path) -> list[Remote]:
    """The remotes in the store's config, in its order; none where git isn't installed."""
    try:
        found = _git(store, "config", "--local", "--get-regexp", r"^remote\..*\.url$")
    except OSError:
        return []
    known = [
        Remote(key.removeprefix("remote.").removesuffix(".url"), url)
        for key, _, url in (line.partition(" ") for line in found.stdout.splitlines())
    ]
    return [each for each in known if each.name != SKIPPED]


@contextmanager
def fetched(store: Path, known: Sequence[Remote]) -> Iterator[tuple[list[Path], list[Unreached]]]:
    """Folders with the objects of these remotes, and which of them couldn't be reached.

    Each is fetched whole into a repository of its own: git wouldn't send what it takes the damaged
    store to have. A remote that is a folder on this machine is read where it is.
    """
    with ExitStack() as stack:
        folders: list[Path] = []
        unreached: list[Unreached] = []
        for remote in known:
            here = _folder(store, remote.url)
            if here is not None:
                folders.append(here)
                continue
            copy = Path(stack.enter_context(TemporaryDirectory(prefix="linea-")))
            _git(copy, "init", "--quiet", "--bare", ".")
            done = _git(copy, "fetch", "--quiet", "--no-tags", remote.url, "+refs/*:refs/*")
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["git says nothing"]
                unreached.append(Unreached(remote, lines[0].removeprefix("fatal: ")))
            else:
                folders.append(copy)
        yield folders, unreached


def _folder(store: Path, url: str) -> Path | None:
    """The folder that a remote is, if it is one that is there."""
    path = Path(url.removeprefix("file://")).expanduser()
    path = store / path  # git reads relative ones from the repository
    places = (path, path / ".git", path / ".linea")
    return path if any((place / "objects").is_dir() for place in places) else None


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Nobody may be there to type a password.
    settings = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_DIR")}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**own, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
