"""A folder → the store that belongs to it; and the time, which tests hold still."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

STORE = ".linea"


def find_store(start: Path) -> Path | None:
    """The store that `LINEA_DIR` names, or the nearest `.linea` folder from `start` upward."""
    named = os.environ.get("LINEA_DIR")
    if named:
        return Path(named).expanduser().resolve()
    start = start.resolve()
    return next((p / STORE for p in (start, *start.parents) if (p / STORE).is_dir()), None)


def working_folder() -> Path:
    """The folder that the process is in; where it was, if it was removed meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.environ.get("PWD") or "/")


def is_made(store: Path | None) -> bool:
    """Say whether there is a store, and not a folder of somebody's own in its place."""
    return store is not None and (store / "objects").is_dir()


def now() -> datetime:
    """The time; `LINEA_NOW` holds it still for tests and documentation."""
    frozen = os.environ.get("LINEA_NOW")
    return datetime.fromisoformat(frozen) if frozen else datetime.now().astimezone()
