"""Hooks beside git: put into a repository without disturbing what is there, and taken out again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from linea.errors import LineaError

HOOKS = ("post-commit", "post-checkout", "post-merge", "pre-push")
BLOCK = re.compile(r"# >>> linea >>>.*?# <<< linea <<<\n", re.DOTALL)
SHELL = re.compile(rb"#!\s*\S*(/|env\s+)(ba|da|z|k)?sh\b")
ASIDE = ".before-linea"
ATTRIBUTE = "*.ipynb filter=linea\n"
INSIDE = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
STARTUP = "50-linea.py"


def own_files() -> Path:
    """The folder of hooks: in the installed package, or in the source tree that it is run from."""
    import linea

    package = Path(linea.__file__).parent
    return package / "_hooks" if (package / "_hooks").is_dir() else package.parent / "hooks"


def git(*arguments: str, folder: Path | None = None, check: bool = True) -> str:
    """What a git command prints; LineaError where there is no repository."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env=surroundings(),
    )  # fmt: skip
    if check and done.returncode != 0:
        raise LineaError(
            f"git {arguments[0]}: {done.stderr.strip() or 'failed'}",
            hint="hooks are put into a git repository: git init",
        )
    return done.stdout.strip()


def surroundings() -> dict[str, str]:
    """The environment without what git tells its hooks: paths in it hold for one folder only."""
    return {k: v for k, v in os.environ.items() if k not in INSIDE}


def hooks_folder() -> Path:
    """Where this repository has its hooks."""
    top = git("rev-parse", "--show-toplevel")
    return (Path(top) / git("rev-parse", "--git-path", "hooks", folder=Path(top))).resolve()


def command() -> str:
    """The `linea` that belongs to this Python, which needn't be on git's path."""
    beside = Path(sys.executable).parent / "linea"
    return str(beside) if beside.exists() else shutil.which("linea") or "linea"


def install(store: Path) -> list[str]:
    """Put the hooks in; say what was done."""
    folder = hooks_folder()
    folder.mkdir(parents=True, exist_ok=True)
    git("config", "--local", "linea.command", command())
    git("config", "--local", "linea.store", str(store))
    return [f"{name}: {put(folder / name, own_files() / name)}" for name in HOOKS]


def put(target: Path, own: Path) -> str:
    """Put one hook in; a shell script that is there gets our lines, another kind of program is called."""
    text = own.read_text(encoding="utf-8")
    if not target.exists():
        write(target, text)
        return "installed"
    there = target.read_bytes()
    if b"# >>> linea >>>" in there:
        updated = BLOCK.sub(lambda _: block_of(text), there.decode("utf-8", "surrogateescape"))
        write(target, updated)
        return "was there"
    if SHELL.match(there):
        first, _, rest = there.decode("utf-8", "surrogateescape").partition("\n")
        # Before the rest: a hook may end by exit or exec.
        write(target, f"{first}\n{block_of(text)}{rest}", mode=target.stat().st_mode)
        return "added to the hook that was there"
    aside = target.with_name(target.name + ASIDE)
    target.rename(aside)
    write(target, f'{text}exec "$(dirname "$0")/{aside.name}" "$@"\n')
    return f"installed; it calls what was there, now {aside.name}"


def block_of(text: str) -> str:
    """Our lines of a hook."""
    found = BLOCK.search(text)
    assert found is not None
    return found[0]


def write(path: Path, text: str, *, mode: int = 0o755) -> None:
    unfinished = path.with_name(f"{path.name}.linea-{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    unfinished.chmod(mode | 0o100)
    unfinished.replace(path)


def uninstall() -> list[str]:
    """Take the hooks out; what was there before is as it was."""
    folder = hooks_folder()
    said = [f"{name}: {done}" for name in HOOKS if (done := take_out(folder / name))]
    for key in ("linea.command", "linea.store"):
        git("config", "--local", "--unset-all", key, check=False)
    return [*said, *uninstall_filter()]


def take_out(target: Path) -> str:
    if not target.exists():
        return ""
    text = target.read_bytes().decode("utf-8", "surrogateescape")
    if not BLOCK.search(text):
        return ""
    aside = target.with_name(target.name + ASIDE)
    rest = BLOCK.sub("", text)
    if aside.exists():
        aside.replace(target)
        return "what was there is back"
    if rest.strip() == "#!/bin/sh":
        target.unlink()
        return "removed"
    write(target, rest, mode=target.stat().st_mode)
    return "our lines removed"


# --------------------------------------------------------------------------- notebooks, IPython


def install_filter() -> list[str]:
    """Have git see notebooks without their outputs, by settings of this clone alone."""
    script = own_files() / "notebook-clean"
    git("config", "--local", "filter.linea.clean", f"sh '{script}' %f")
    git("config", "--local", "filter.linea.smudge", "cat")
    attributes = attributes_file()
    attributes.parent.mkdir(parents=True, exist_ok=True)
    there = attributes.read_text(encoding="utf-8") if attributes.exists() else ""
    if ATTRIBUTE not in there:
        attributes.write_text(
            there + ("" if there.endswith("\n") or not there else "\n") + ATTRIBUTE
        )
    return ["notebooks: outputs stay out of git, links to artifacts go in"]


def uninstall_filter() -> list[str]:
    attributes = attributes_file()
    there = attributes.read_text(encoding="utf-8") if attributes.exists() else ""
    if ATTRIBUTE not in there:
        return []
    attributes.write_text(there.replace(ATTRIBUTE, ""))
    git("config", "--local", "--remove-section", "filter.linea", check=False)
    return ["notebooks: as git has them"]


def attributes_file() -> Path:
    return (Path(git("rev-parse", "--absolute-git-dir")) / "info" / "attributes").resolve()


def startup_file() -> Path:
    folder = os.environ.get("IPYTHONDIR") or "~/.ipython"
    return Path(folder).expanduser() / "profile_default" / "startup" / STARTUP


def install_startup() -> list[str]:
    """Have IPython load linea in every session."""
    target = startup_file()
    own = (own_files() / STARTUP).read_text(encoding="utf-8")
    if target.exists() and target.read_text(encoding="utf-8") != own:
        raise LineaError(f"{target} is there and isn't ours", hint="move it away first")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(own, encoding="utf-8")
    return [f"IPython: {target}"]


def uninstall_startup() -> list[str]:
    target = startup_file()
    own = (own_files() / STARTUP).read_text(encoding="utf-8")
    if not target.exists() or target.read_text(encoding="utf-8") != own:
        return []
    target.unlink()
    return [f"IPython: {target} removed"]
