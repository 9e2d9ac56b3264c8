"""A plan and an engine → the files of a folder: code, requirements, the project's own modules, tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from linea.errors import PipelineError, WouldOverwriteError
from linea.pipeline import targets
from linea.pipeline.plan import Plan, imported
from linea.pipeline.targets import Options

Files = dict[str, bytes]
"""Path relative to the output folder → what is in it."""


def files(plan: Plan, target: str, options: Options, lock: str, root: Path) -> Files:
    """All files for an engine; `root` is the project, whose own modules go along."""
    modules = dict(local_modules(plan.module, root, plan))
    options = replace(options, modules=tuple(modules))
    made = targets.find(target)(plan, options)
    made["requirements.lock"] = lock
    if plan.needs_linea:
        made["requirements.txt"] += linea_line()
        made["requirements.lock"] += linea_line()
    found: Files = {path: text.encode() for path, text in made.items()}
    return {**modules, **found}


def linea_line() -> str:
    return f"linea-store=={version('linea-store')}\n"


def local_modules(text: str, root: Path, plan: Plan) -> Iterator[tuple[str, bytes]]:
    """The modules of the project that `text` imports, and those that these import."""
    folders = list(dict.fromkeys([root, *(root / task.folder for task in plan.tasks)]))
    folders += [(root / s.version.source).parent for s in plan.sources if s.version.source]
    todo = [text]
    seen: set[Path] = set()
    while todo:
        text = todo.pop()
        for name in imported_by(text):
            for folder in folders:
                found = module_files(folder, name)
                for path in found:
                    if path not in seen:
                        seen.add(path)
                        data = path.read_bytes()
                        if path.suffix == ".py":
                            todo.append(data.decode("utf-8", "replace"))
                        yield path.relative_to(folder).as_posix(), data
                if found:
                    break


def imported_by(text: str) -> set[str]:
    try:
        return imported(text)
    except SyntaxError:
        return set()


def module_files(folder: Path, name: str) -> list[Path]:
    if (folder / f"{name}.py").is_file():
        return [folder / f"{name}.py"]
    package = folder / name
    if (package / "__init__.py").is_file():
        return sorted(p for p in package.rglob("*.py") if "__pycache__" not in p.parts)
    return []


def place(folder: Path, root: Path) -> tuple[str, str]:
    """(the output folder from the project, the project from the output folder)."""
    folder, root = folder.resolve(), root.resolve()
    if folder == root or root in folder.parents:
        return (
            folder.relative_to(root).as_posix() or ".",
            Path(os.path.relpath(root, folder)).as_posix(),
        )
    return folder.as_posix(), root.as_posix()


def write(made: Mapping[str, bytes], folder: Path, *, force: bool = False) -> list[Path]:
    """Write files below `folder`; WouldOverwriteError where one of other content is there."""
    paths = {folder / path: data for path, data in made.items()}
    for path, data in paths.items():
        if path.exists() and not force and not is_generated(path, data):
            raise WouldOverwriteError(f"{path} exists", hint="another folder, or --force")
    for path, data in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
            raise PipelineError(f"{path} can't be written: {error.strerror}") from None
    return [Path(os.path.normpath(path)) for path in paths]


def is_generated(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
