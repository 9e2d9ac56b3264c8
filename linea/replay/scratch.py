"""A project folder → a scratch copy that holds what a re-run needs and nothing else."""

from __future__ import annotations

import ast
import os
import posixpath
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from linea.errors import ReplayError
from linea.model import InputFile

MODULE_SUFFIXES = (".py", ".pyi")
MODULE_LIMIT = 20_000
"""How many local modules are copied at most: a home folder taken for a project stays cheap."""
MAKING = re.compile(r"\b(mkdir|makedirs|copytree|move|rename|extractall|unpack_archive)\b")
"""Calls that make folders."""

LISTING = re.compile(
    r"\b(listdir|scandir|iterdir|r?glob|iglob|walk|system|popen|subprocess|getoutput)\b"
)
"""Calls that may ask which files there are."""

NOTHING_GIVEN: Mapping[str, bytes] = MappingProxyType({})
NO_VARIABLES: Mapping[str, str | None] = MappingProxyType({})
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def prepare(
    root: Path,
    base: Path,
    inputs: Iterable[InputFile],
    code: str = "",
    given: Mapping[str, bytes] = NOTHING_GIVEN,
) -> Path:
    """Copy the local modules and `inputs` of `root` below `base`; return the copy of `root`.

    The inputs in `given` have these bytes, whatever is on disk.

    The copy lies under its own absolute path (`base/home/ann/project`), so that a relative
    path that leaves the project (`../raw.csv`) finds its input as well. Inputs from outside
    the project are linked, since they may be large; the runner refuses to write to them.
    """
    root = root.resolve()
    scratch = base / root.relative_to(root.anchor)
    scratch.mkdir(parents=True)
    copy_modules(root, scratch, made_by(code))
    for file in inputs:
        source = root / file.path
        if file.path in given:
            target = base / source.relative_to(source.anchor)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(given[file.path])
        elif not source.exists():
            raise ReplayError(f"the input {file.path} isn't there any more")
        elif PurePosixPath(file.path).is_absolute():
            link(source, base)
        else:
            copy(source, scratch / file.path)
    return scratch


def copy_modules(root: Path, scratch: Path, made: Collection[str] = ()) -> None:
    """Copy every local module, and the folders as empty places to write to; not those in `made`."""
    copied = 0
    for folder, names in walk(root):
        inside = folder.relative_to(root)
        place = scratch / inside
        modules = [name for name in names if name.endswith(MODULE_SUFFIXES)]
        if modules or not any(step.as_posix() in made for step in (inside, *inside.parents)):
            place.mkdir(parents=True, exist_ok=True)
        for name in modules[: MODULE_LIMIT - copied]:
            shutil.copyfile(folder / name, place / name)
            copied += 1


def stand_ins(root: Path, scratch: Path, code: str) -> None:
    """Where `code` lists folders, give every other file of the project an empty namesake.

    Files and folders that the code names and that are no inputs are its own to make.
    """
    if not LISTING.search(code):
        return
    folders_made = made_by(code)
    files_made = {posixpath.basename(text) for text in literals(code) if len(text) < 1024}
    made = 0
    for folder, names in walk(root):
        place = scratch / folder.relative_to(root)
        if not place.is_dir():
            continue  # the code makes it
        for name in names[: MODULE_LIMIT - made]:
            if name not in files_made and not (place / name).exists():
                (place / name).touch()
                made += 1
        for entry in folder.iterdir():
            # Hidden folders, caches and environments are listed as well; what is in them isn't.
            if not entry.is_dir() or entry.relative_to(root).as_posix() in folders_made:
                continue
            (place / entry.name).mkdir(exist_ok=True)


def made_by(code: str) -> set[str]:
    """Give the folders that `code` names and may make itself: they weren't there when it ran."""
    if not MAKING.search(code):
        return set()
    return {posixpath.normpath(text) for text in literals(code) if len(text) < 1024}


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders of a project with their files; no hidden ones, no environments."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED
            and not Path(folder, name, "pyvenv.cfg").exists()
            and not Path(folder, name).is_symlink()
        )
        yield Path(folder), [name for name in files if Path(folder, name).is_file()]


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def link(source: Path, base: Path) -> None:
    target = base / source.relative_to(source.anchor)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(source, target_is_directory=source.is_dir())


def working_folder(code: str, inputs: Iterable[InputFile], source: str) -> str:
    """Infer the folder, relative to the project, in which `code` ran.

    It is the one from which the paths written in the code lead to the recorded inputs. Where
    that doesn't decide, a notebook runs in its own folder and a script in the project's.
    """
    own = [] if PurePosixPath(source).is_absolute() else list(PurePosixPath(source).parents)
    folders = [str(folder) for folder in own] or ["."]
    if not source.endswith(".ipynb"):
        folders.reverse()
    known = {posixpath.normpath(file.path) for file in inputs}
    texts = {text for text in literals(code) if not text.startswith("/")}

    def found(folder: str) -> int:
        return len(known & {posixpath.normpath(posixpath.join(folder, text)) for text in texts})

    return max(folders, key=found)


def literals(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value
