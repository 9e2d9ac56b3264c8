"""A version → files on disk: the value in its natural form, and the code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from linea import values
from linea.errors import ReplayError, StoreError, WouldOverwriteError
from linea.model import InputFile, Version
from linea.replay.inputs import current

if TYPE_CHECKING:
    from linea.store.repository import Repository

NAME_LIMIT = 150
"""Bytes of a file's stem; most file systems allow 255 for the whole name."""

RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")
FORBIDDEN = re.compile(r'[/\\<>:"|?*\x00-\x1f\x7f]|%(?=[0-9A-Fa-f]{2})')


def checkout(
    repository: Repository,
    version: Version,
    to: Path,
    *,
    value: bool = True,
    code: bool = True,
    force: bool = False,
    format: str | None = None,
    trusted: bool = True,
    inputs: bool = False,
) -> list[Path]:
    """Write `version` as files in the folder `to`; never over work that is in no version.

    With `inputs`, the files that it was made from go along, as they were, at their places in the
    project; those from outside of it into `inputs/`. ReplayError where one isn't to be had.
    """
    files: dict[str, bytes] = {}
    stem = file_stem(version.name)
    if value:
        exported = values.export(
            version.value, repository.read_part(version), stem, format=format, trusted=trusted
        )
        files.update({once(name, stem): data for name, data in exported.items()})
    if code:
        text = repository.code(version)
        name = f"{stem}.py" if f"{stem}.py" not in files else f"{stem}.code.py"
        files[name] = (text if text.endswith("\n") else text + "\n").encode()
    targets = {target_path(to, name): data for name, data in files.items()}
    own = set(targets)
    if inputs:
        targets |= input_files(repository, version, to)
    for path, data in targets.items():
        check_free(repository, path, data, force=force)
    for path, data in targets.items():
        write(path, data)
    # A store that may only be read gives its values all the same: that they lie there isn't noted.
    with contextlib.suppress(StoreError):
        repository.remember_exports(version, exports(repository, {p: targets[p] for p in own}))
    return list(targets)


def input_files(repository: Repository, version: Version, to: Path) -> dict[Path, bytes]:
    """The recorded bytes of each input, by where it goes below `to`."""
    root = Path(repository.path).resolve().parent if repository.path else Path()
    found = {}
    for file in version.inputs:
        data = current(repository, version, file, root)
        if data is None:
            raise ReplayError(
                f"the input {file.path} isn't to be had any more as it was ({file.digest})",
                hint=f"it was too large to be kept ({file.size:,} bytes): put it back there and try again",
            )
        path = PurePosixPath(file.path)
        found[target_path(to, f"inputs/{path.name}" if path.is_absolute() else file.path)] = data
    return found


def file_stem(name: str) -> str:
    """Turn an artifact's name into a file name that is safe on every system; no two clash.

    What a file name can't hold is written as `%2F`, as in a URL.
    """
    stem = FORBIDDEN.sub(lambda found: f"%{ord(found[0]):02X}", name)
    if stem.startswith(".") or RESERVED.match(stem):
        stem = f"%{ord(stem[0]):02X}{stem[1:]}"
    if stem.endswith((".", " ")):
        stem = f"{stem[:-1]}%{ord(stem[-1]):02X}"
    if len(stem.encode()) > NAME_LIMIT:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        stem = f"{stem.encode()[:NAME_LIMIT].decode(errors='ignore')}~{mark}"
    return stem


def once(name: str, stem: str) -> str:
    """Give `model.pkl` for an artifact that is itself named `model.pkl`, not `model.pkl.pkl`."""
    suffix = PurePosixPath(name).suffix
    return stem if suffix and name == stem + suffix and stem.endswith(suffix) else name


def target_path(to: Path, name: str) -> Path:
    """Place a stored relative file name below `to`; refuse one that would leave it."""
    steps = PurePosixPath(name).parts
    unsafe = (
        not steps
        or name.startswith("/")
        or any(step in ("..", ".") or re.search(r"[\\:\x00]", step) for step in steps)
        or any(step.lower() in (".git", ".linea") for step in steps)
    )
    path = to.joinpath(*steps)
    if unsafe or not path.parent.resolve().is_relative_to(to.resolve()):
        raise ReplayError(
            f"the stored file name {name!r} would lead out of {to}",
            hint="nothing was written; the store may have been tampered with",
        )
    return path


def check_free(repository: Repository, path: Path, data: bytes, *, force: bool) -> None:
    """Refuse to lose work: a file there has to be these very bytes, or a known version."""
    if path.is_dir():
        raise WouldOverwriteError(f"{path} is a folder", hint="move it away or use --to")
    if force or not path.exists():
        return
    if path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    if repository.known_file(values.digest_file(path)) is None:
        raise WouldOverwriteError(
            f"{path} holds something that is in no version",
            hint="use --force to overwrite it, or --to to write elsewhere",
        )


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".linea-{os.getpid()}-{hashlib.sha256(data).hexdigest()[:12]}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def exports(repository: Repository, targets: Mapping[Path, bytes]) -> list[InputFile]:
    project = Path(repository.path).resolve().parent if repository.path else None
    return [
        InputFile(relative(path, project), values.digest_bytes(data), len(data))
        for path, data in targets.items()
    ]


def relative(path: Path, project: Path | None) -> str:
    whole = path.resolve()
    inside = project is not None and whole.is_relative_to(project)
    return (whole.relative_to(project) if project and inside else whole).as_posix()
