"""A store's folder: made in one step, and checked before it is used."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from linea.errors import DamagedStoreError, NewerStoreError, NoStoreError, StoreError
from linea.store.backend import CorruptObjectError, MissingObjectError
from linea.store.files import sync_folder
from linea.store.objects import Batch, Commit, commit_bytes, loose_bytes, parse_commit, parse_tree
from linea.store.packs import ObjectFolder
from linea.store.ref_files import RefFolder

FORMAT = 1

_SECTION = re.compile(r'\[([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\]\Z')
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_MEND = "`linea init` writes anew what makes the folder a store; what is stored stays as it is"
_OTHER = "move it away, or set LINEA_DIR to another folder"

_CONFIG = """\
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	logAllRefUpdates = always
	compression = 1
[gc]
	auto = 0
[pack]
	window = 0
[receive]
	fsckObjects = true
	denyNonFastForwards = true
	denyDeletes = true
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[notes]
	displayRef = refs/notes/linea
[linea]
	format = 1
"""

_FILES = {
    "HEAD": "ref: refs/heads/main\n",
    "config": _CONFIG,
    "description": "A linea store: versions of results.\n",
    "info/attributes": "value/** -delta\n",
    # A store inside a project's repository is none of that repository's business.
    ".gitignore": "*\n",
}
"""What makes the folder of a store one, beside its objects and refs."""

_README = """\
This is a linea store: versions of results, each a commit.

    git for-each-ref refs/linea/artifacts    the artifacts
    git log refs/linea/artifacts/<name>      the versions of one

`docs/format.md` of linea describes it in full.
"""


def looks_like_store(path: Path) -> bool:
    return (path / "objects").is_dir() and (path / "HEAD").is_file()


def initialise(path: Path) -> None:
    """Make an empty store in the folder at `path`."""
    for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info", "cache"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    path.chmod(0o777 & ~_umask())
    for name, text in _FILES.items():
        _place(path / name, text.encode())
    batch = Batch()
    tree = batch.add_tree(
        {
            "README.md": batch.add("blob", _README.encode()),
            "format": batch.add("blob", b"%d\n" % FORMAT),
        }
    )
    commit = Commit(tree, (), "linea <linea@localhost>", 0, 0, "A linea store\n")
    root = batch.add("commit", commit_bytes(commit))
    for id, item in batch.objects.items():
        (path / "objects" / id[:2]).mkdir(exist_ok=True)
        _place(path / "objects" / id[:2] / id[2:], loose_bytes(item))
    _place(path / "refs/heads/main", f"{root}\n".encode())
    for made in (path, *(each for each in path.rglob("*") if each.is_dir())):
        sync_folder(made)


def _place(path: Path, data: bytes) -> None:
    """Write a file of a store that is being made, safe on disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def mend(path: Path) -> None:
    """Write anew what makes the folder of a store one, where that is lost; nothing else changes.

    Settings that can't be read are put aside, into `damaged/`.
    """
    ours = (path / "linea.lock").is_file() or (path / "refs/linea").is_dir()
    if not ours or not (path / "objects").is_dir():
        return
    told = _format_of_mirror(path)
    if told is not None and told.isdigit() and int(told) > FORMAT:
        return
    try:
        read_settings(path)
    except (OSError, ValueError):
        with contextlib.suppress(FileNotFoundError):
            (path / "damaged").mkdir(exist_ok=True)
            (path / "config").rename(path / "damaged/config")
    for name, text in _FILES.items():
        if not (path / name).exists():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text(text, encoding="utf-8")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def check(path: Path) -> None:
    """Check that a store of a format known here lies at `path`."""
    try:
        _check(path)
    except PermissionError as error:
        raise StoreError(
            f"the store at {path} may not be looked into: {error.strerror}",
            hint="ask its owner for permission to read it, or set LINEA_DIR to another store",
        ) from error


def _check(path: Path) -> None:
    if not path.is_dir():
        taken = path.exists() or path.is_symlink()
        hint = f"what is there is no folder: {_OTHER}" if taken else "make one with `linea init`"
        raise NoStoreError(f"there is no store at {path}", hint=hint)
    if not looks_like_store(path):
        if (path / "config").is_file() or (path / "linea.lock").is_file():
            raise DamagedStoreError(
                f"the store at {path} is damaged: HEAD or objects/ is missing", hint=_MEND
            )
        hint = _OTHER if any(path.iterdir()) else "`linea init` makes one of it"
        raise NoStoreError(f"{path} is not a linea store", hint=hint)
    try:
        settings = read_settings(path)
    except (OSError, ValueError) as error:
        raise DamagedStoreError(
            f"the store at {path} can't be opened: config: {_why(error)}", hint=_MEND
        ) from error
    if settings.get("extensions.objectformat", "sha1") != "sha1":
        raise DamagedStoreError(
            f"the store at {path} can't be opened: its ids aren't SHA-1",
            hint="linea reads repositories with SHA-1 ids only",
        )
    number = settings.get("linea.format")
    if number is None:
        number = _format_of_mirror(path)
    if number is None:
        raise NoStoreError(f"{path} is a git repository, but not a linea store", hint=_OTHER)
    if not number.isdigit():
        raise DamagedStoreError(
            f"the store at {path} has the format {number!r}, which is no number",
            hint=f"set it to {FORMAT}: git -C {path} config linea.format {FORMAT}",
        )
    if int(number) > FORMAT:
        raise NewerStoreError(
            f"the store at {path} has format {number}; this linea knows formats up to {FORMAT}",
            hint="install a newer linea: pip install --upgrade linea-store",
        )


def read_settings(path: Path) -> dict[str, str]:
    """The repository's own settings, `section.key` in lower case; ValueError for other text.

    Only what git writes by itself: no quoting, no file included. A store of somebody else can so
    be read without anything that its settings name being looked at.
    """
    found: dict[str, str] = {}
    section = ""
    for line in (path / "config").read_text("utf-8").splitlines():
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        head = _SECTION.match(text)
        if head:
            section = ".".join(filter(None, (head[1].lower(), head[2])))
            continue
        key, _, value = text.partition("=")
        if not section or not _KEY.match(key.strip()):
            raise ValueError(f"{text[:60]!r} is no setting")
        found[f"{section}.{key.strip().lower()}"] = value.strip()
    return found


def _format_of_mirror(path: Path) -> str | None:
    """The format that the commit which explains a store tells; a mirror has no setting for it."""
    objects = ObjectFolder(path / "objects")
    try:
        tip = RefFolder(path).read("refs/heads/main")
        if tip is None:
            return None
        tree = parse_tree(objects.read(parse_commit(objects.read(tip).data).tree).data)
        return objects.read(tree["format"].id).data.decode().strip()
    except (MissingObjectError, CorruptObjectError, ValueError, KeyError):
        return None
    finally:
        objects.close()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
