"""The command that puts hooks beside git, and what the hooks call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from linea.cli import hook_files, render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import Project, open_project, store_here
from linea.errors import LineaError
from linea.model import Version

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Notebooks = Annotated[
    bool, Option("--notebooks", help="Also the filter that keeps outputs of notebooks out of git.")
]
IPython = Annotated[bool, Option("--ipython", help="Also load linea in every IPython session.")]

SHOWN = 5
"""How many artifacts are named in a line."""


def hooks() -> None:
    """Let git and linea know of each other.

    Hooks in a git repository note which artifacts a commit's code made, say after a checkout or a
    merge which artifacts fit the code, and before a push which lineage isn't shared yet. Hooks that
    are there go on working. Without linea installed they do nothing.

    \b
    Example:
      linea hooks install
      linea hooks install --notebooks --ipython
      linea hooks uninstall
    """


def install(notebooks: Notebooks = False, ipython: IPython = False, json: Json = False) -> None:
    """Put the hooks into this git repository.

    \b
    Example:
      linea hooks install
    """
    try:
        store = store_here()
    except LineaError:
        store = Path.cwd() / ".linea"
    said = hook_files.install(store)
    said += hook_files.install_filter() if notebooks else []
    said += hook_files.install_startup() if ipython else []
    _tell(said, json)
    if not json:
        render.say("Undo: linea hooks uninstall" + (" --ipython" if ipython else ""))


def uninstall(ipython: IPython = False, json: Json = False) -> None:
    """Take the hooks out of this git repository again.

    \b
    Example:
      linea hooks uninstall
    """
    said = hook_files.uninstall()
    said += hook_files.uninstall_startup() if ipython else []
    _tell(said or ["no hooks of linea were here"], json)


def _tell(said: list[str], json: bool) -> None:
    if json:
        render.print_json(said)
    else:
        render.screen().lines(said)


def run(
    hook: Annotated[str, Argument(metavar="HOOK", help="Which hook calls.")],
    arguments: Annotated[
        list[str] | None, Argument(metavar="ARG", help="What git gave the hook.")
    ] = None,
) -> int:
    """What the hooks call.

    \b
    Example:
      linea hooks run post-commit
    """
    call = RUNS.get(hook)
    if call is None:
        raise LineaError(f"there is no hook {hook!r}", hint=f"there are {', '.join(RUNS)}")
    return call(arguments or [])


# -------------------------------------------------------------------------------- what they do


@contextmanager
def _project() -> Iterator[Project | None]:
    """The store that the hooks were installed for, or that is found from here; None without one."""
    named = hook_files.git("config", "--get", "linea.store", check=False)
    try:
        path = Path(named) if named and Path(named).is_dir() else store_here()
    except LineaError:
        yield None
        return
    with open_project(path) as here:
        yield here


def _head(root: Path) -> str | None:
    return hook_files.git("rev-parse", "--verify", "-q", "HEAD", folder=root, check=False) or None


def matching_commit(here: Project, commit: str = "HEAD") -> list[Version]:
    """The newest version of each artifact that a git commit's code makes."""
    from linea.replay.matching import Code, matching

    id = hook_files.git("rev-parse", "--verify", f"{commit}^{{commit}}", folder=here.root)
    return list(matching(here.repository, Code(_committed(here.root, id)), id))


def _committed(root: Path, commit: str = "HEAD") -> Callable[[str], bytes | None]:
    """Reads files as a commit has them."""
    import subprocess

    def read(path: str) -> bytes | None:
        done = subprocess.run(
            ["git", "show", f"{commit}:./{path}"], cwd=root, env=hook_files.surroundings(),
            capture_output=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else None

    return read


def _post_commit(arguments: list[str]) -> int:
    from linea.replay.matching import Code, fits

    with _project() as here:
        if here is None or (head := _head(here.root)) is None:
            return 0
        code = Code(_committed(here.root))
        made = []
        for name in here.repository.names():
            tip = here.repository.tip(name)
            if fits(here.repository, tip, code):
                new = not here.repository.commits(tip)
                here.repository.note_commit(tip, head)
                made += [tip] if new else []
        if made:
            render.say(f"linea: this commit has the code of {_named(made)}")
    return 0


def _post_checkout(arguments: list[str]) -> int:
    # git gives the old commit, the new one, and 1 for a whole tree.
    if len(arguments) == 3 and (arguments[2] != "1" or arguments[0] == arguments[1]):
        return 0
    with _project() as here:
        if here is None:
            return 0
        found = matching_commit(here) if _head(here.root) else []
        older = [v for v in found if v.number < here.repository.tip(v.name).number]
        if older:
            render.say(f"linea: this code made {_named(older)}, not the latest")
            render.say("linea: to get them: linea checkout --match HEAD")
        elif found:
            render.say(f"linea: {_named(found)} fit{'s' * (len(found) == 1)} this code")
    return 0


def _pre_push(arguments: list[str]) -> int:
    from linea.cli.app import COMMANDS

    with _project() as here:
        if here is None or "push" not in COMMANDS:
            return 0
        names = here.repository.names()
        if names:
            remote = arguments[0] if arguments else ""
            count = render.plural(len(names), "artifact")
            render.say(f"linea: {count} here; to share lineage too: linea push {remote}".rstrip())
    return 0


def _pre_commit(arguments: list[str]) -> int:
    from linea import values
    from linea.history.status import status

    with _project() as here:
        if here is None:
            return 0
        stale = status(here.repository, here.root, values.digest_file)
    for each in stale:
        render.say(f"{each.version.revision} is stale: {'; '.join(r.text for r in each.reasons)}")
    if stale:
        render.say("make them again: linea update")
    return int(bool(stale))


def _notebook_clean(arguments: list[str]) -> int:
    from linea.cli.notebook_filter import clean

    data = sys.stdin.buffer.read()
    try:
        cleaned = clean(data.decode("utf-8")).encode("utf-8")
    except ValueError:
        cleaned = data
    sys.stdout.buffer.write(cleaned)
    sys.stdout.buffer.flush()
    return 0


def _named(versions: list[Version]) -> str:
    names = [render.clean(version.revision) for version in versions]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


RUNS: dict[str, Callable[[list[str]], int]] = {
    "post-commit": _post_commit,
    "post-checkout": _post_checkout,
    "post-merge": lambda arguments: _post_checkout([]),
    "pre-push": _pre_push,
    "pre-commit": _pre_commit,
    "notebook-clean": _notebook_clean,
}

hooks.subcommands = [install, uninstall, run]  # type: ignore[attr-defined]
