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

_OF_ONE_REPOSITORY = frozenset(
    [
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    ]
)
"""What git tells its hooks, and others set, of the repository that they are in: not of a store."""


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
            # How to get there (certificates, proxies, ssh) may be in the store's own settings.
            theirs = ("-c", f"include.path={(store / 'config').resolve()}")
            done = _git(
                copy, *theirs, "fetch", "--quiet", "--no-tags", remote.url, "+refs/*:refs/*"
            )
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
    own = {key: value for key, value in os.environ.items() if key not in _OF_ONE_REPOSITORY}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**own, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
