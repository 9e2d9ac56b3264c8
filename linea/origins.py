"""What the kept steps read: input files and their bytes, the user's modules, packages, variables, git."""

from __future__ import annotations

import ast
import contextlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from linea import values, watching
from linea.capture.imports import UserModules
from linea.model import Digest, Environment, GitState, InputFile, Package, Variable

KEEP = 10_000_000
"""Bytes up to which an input file is kept in the store."""

MODULE_LIMIT = 2_000_000
"""Bytes up to which a module of the user's is kept, whatever the limit for data is."""

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SECRET = re.compile(r"(?i)key|token|secret|pass|pwd|credential|auth|cookie|dsn|conn|_uri|_url|sas")
_WITH_LOGIN = re.compile(r"//[^/\s]*@")


def bytes_of(text: str) -> int:
    """The number of bytes that a text such as `50 MB` or `0` says; ValueError for another text."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?\s*", text.lower())
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * _UNITS[found[2]])


def keeping_limit(setting: str | None) -> int:
    """How large an input may be to be kept: `LINEA_KEEP_INPUTS`, the store's setting, 10 MB."""
    for text in (os.environ.get("LINEA_KEEP_INPUTS"), setting):
        if text:
            with contextlib.suppress(ValueError):
                return bytes_of(text)
    return KEEP


# ------------------------------------------------------------------------------------- files


def digest_inputs(
    root: Path, read: Iterable[Any], limit: int
) -> tuple[list[InputFile], dict[Digest, bytes], list[str]]:
    """Input files with their digests, the bytes of the small ones, what is wrong with any."""
    found: dict[str, InputFile] = {}
    kept: dict[Digest, bytes] = {}
    problems: list[str] = []
    for file in read:
        path = Path(file.path)
        name = watching.shown(path, root)
        if name in found:
            continue
        try:
            stat = path.stat()
            if stat.st_size <= (max(limit, MODULE_LIMIT) if path.suffix == ".py" else limit):
                data = path.read_bytes()
                digest = values.digest_bytes(data)
                kept[digest] = data
            else:
                digest = values.digest_file(path)
        except OSError:
            problems.append(f"the input {name} is gone")
            continue
        if (stat.st_mtime_ns, stat.st_size) != (file.mtime_ns, file.size):
            problems.append(f"the input {name} changed after it was read")
        found[name] = InputFile(name, digest, stat.st_size)
    return list(found.values()), kept, problems


# ----------------------------------------------------------------------------------- modules


def module_files(imported: Iterable[str], code: str) -> list[Path]:
    """The files of the user's own modules that `imported` and `code` lead to, through each other.

    A module that an earlier statement had loaded already is imported without its file being
    opened, so the files that were seen opened don't tell all.
    """
    own = UserModules()
    waiting = [*imported, *_imports(code, "")]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        for each in _with_packages(name):
            if each in found or not own.own(each):
                continue
            module = sys.modules[each]
            path = Path(str(module.__file__))
            found[each] = path
            with contextlib.suppress(OSError, SyntaxError, ValueError):
                package = each if hasattr(module, "__path__") else each.rpartition(".")[0]
                waiting += _imports(path.read_text(encoding="utf-8"), package)
    return [path for path in dict.fromkeys(found.values()) if path.suffix == ".py"]


def _with_packages(name: str) -> list[str]:
    """`a.b.c` with the packages that importing it loads."""
    steps = name.split(".")
    return [".".join(steps[:n]) for n in range(1, len(steps) + 1)]


def _imports(code: str, package: str) -> Iterator[str]:
    """The modules that a text may import, relative names taken from `package`."""
    if "import" not in code:
        return
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


# ------------------------------------------------------------------------------- environment


_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "PIL": "pillow", "cv2": "opencv-python", "yaml": "PyYAML",
    "bs4": "beautifulsoup4", "skimage": "scikit-image", "dateutil": "python-dateutil", "umap": "umap-learn",
    "mpl_toolkits": "matplotlib", "pylab": "matplotlib", "git": "GitPython",
}  # fmt: skip


def environment(packages: Iterable[str], texts: Iterable[str] = ()) -> Environment:
    """Python, platform, the versions of the distributions that `packages` came from, and the
    environment variables that the source `texts` read.
    """
    direct = {p for p in map(_package, sorted(set(packages))) if p is not None}
    found = _with_requirements(direct)
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}",
        packages=tuple(sorted(found, key=lambda p: p.name.lower())),
        variables=tuple(variables(texts, os.environ)),
    )


def _package(name: str) -> Package | None:
    if (
        name in sys.stdlib_module_names
        or name.startswith("_")
        or name in ("", "linea", "__main__", "IPython")
    ):
        return None
    from importlib import metadata

    try:
        distribution = _DISTRIBUTIONS.get(name, name)
        return Package(distribution, metadata.version(distribution))
    except (metadata.PackageNotFoundError, ValueError):  # a name that no distribution can have
        module = sys.modules.get(name)
        version = getattr(module, "__version__", None)
        return Package(name, version) if isinstance(version, str) else None


def _with_requirements(direct: Iterable[Package]) -> set[Package]:
    """Packages with all that they need to run, as installed: numpy's version may move a mean."""
    found: dict[str, Package] = {}
    waiting = list(direct)
    while waiting:
        package = waiting.pop()
        if package.name.lower() not in found:
            found[package.name.lower()] = package
            waiting += _required(package.name)
    return set(found.values())


@lru_cache(maxsize=512)
def _required(name: str) -> tuple[Package, ...]:
    from importlib import metadata

    try:
        texts = metadata.requires(name) or []
    except (metadata.PackageNotFoundError, ValueError):
        return ()
    found = []
    for text in texts:
        needed = re.match(r"[\w.-]+", text)
        if needed is None or "extra ==" in text:
            continue
        with contextlib.suppress(metadata.PackageNotFoundError, ValueError):
            found.append(Package(needed[0], metadata.version(needed[0])))
    return tuple(found)


def loaded_packages() -> set[str]:
    return {n for n in list(sys.modules) if "." not in n and not n.startswith("_")}


def variables(texts: Iterable[str], environ: Mapping[str, str]) -> list[Variable]:
    """The environment variables that source texts name in a read; what may be a secret without
    its value.
    """
    read: set[str] = set()
    written: set[str] = set()
    for text in texts:
        if "environ" not in text and "getenv" not in text:
            continue
        with contextlib.suppress(SyntaxError, ValueError):
            for node in ast.walk(ast.parse(text)):
                name, writes = _variable(node)
                (written if writes else read).update([name] if name else [])
    return [_kept(name, environ.get(name)) for name in sorted(read - written)]


def _variable(node: ast.AST) -> tuple[str | None, bool]:
    """The variable that a node reads or writes, and whether it writes it."""
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        return _text(node.slice), not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        on_environ = isinstance(function, ast.Attribute) and _is_environ(function.value)
        if name == "getenv" or (on_environ and name in ("get", "pop")):
            return _text(node.args[0]), False
        if name == "putenv" or (on_environ and name == "setdefault"):
            return _text(node.args[0]), name == "putenv"
    if isinstance(node, ast.Compare) and any(map(_is_environ, node.comparators)):
        return _text(node.left), False
    return None, False


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _kept(name: str, value: str | None) -> Variable:
    secret = _SECRET.search(name) or (value and (_WITH_LOGIN.search(value) or len(value) > 1000))
    return Variable(name, None, kept=False) if secret and value else Variable(name, value)


# --------------------------------------------------------------------------------------- git


def git_state(root: Path) -> GitState | None:
    """The commit of the git repository around `root`, and whether its tracked files differ."""
    folders = (root, *root.parents)
    # Not by pathlib, to which a folder that may not be looked into is an error.
    if not any(os.path.exists(folder / ".git") for folder in folders):  # noqa: PTH110
        return None
    lines = _git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    return GitState(commit, any(not line.startswith("#") for line in lines))


_INSIDE_GIT = frozenset(
    f"GIT_{each}"
    for each in (
        "DIR",
        "INDEX_FILE",
        "WORK_TREE",
        "COMMON_DIR",
        "OBJECT_DIRECTORY",
        "PREFIX",
        "NAMESPACE",
    )
)


def _git(root: Path, *arguments: str) -> Sequence[str]:
    # Inside a hook of git these hold for one folder only.
    plain = {k: v for k, v in os.environ.items() if k not in _INSIDE_GIT}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, errors="replace",
            timeout=3, check=False, stdin=subprocess.DEVNULL,
            env={**plain, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
