"""A store's folder as libgit2 has it: for changes of refs and settings, loaded when one is made."""

from __future__ import annotations

from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from linea.errors import DamagedStoreError, StoreError


def opened(path: Path) -> pygit2.Repository:
    """Open the repository at `path`, whoever owns it, with everything it writes made durable."""
    pygit2.settings.enable_fsync_gitdir(True)
    # libgit2 runs nothing that a repository's config names, so that a store of somebody else
    # can be written to safely.
    owner_validation = pygit2.settings.owner_validation
    pygit2.settings.owner_validation = False
    try:
        flags = RepositoryOpenFlag.BARE | RepositoryOpenFlag.NO_SEARCH
        git = pygit2.Repository(str(path), flags)
    except (pygit2.GitError, KeyError, ValueError) as error:
        if ".gitconfig" in str(error):
            raise StoreError(
                f"git's settings can't be read: {error}", hint="make the file readable, or set HOME"
            ) from error
        raise DamagedStoreError(
            f"the store at {path} can't be opened: {error}",
            hint="look at what is left with `linea fsck`",
        ) from error
    finally:
        pygit2.settings.owner_validation = owner_validation
    git.set_ident("linea", "linea@localhost")
    return git
