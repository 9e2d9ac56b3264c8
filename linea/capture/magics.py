"""IPython's own syntax → plain Python that does the same, where there is such."""

from __future__ import annotations

import ast
import re
from typing import Any, Protocol

_TRANSPARENT = frozenset({"time", "prun", "memit", "snakeviz", "pyinstrument"})
"""Magics that run their text as it stands."""

_IDLE = frozenset({
    "linea", "matplotlib", "config", "autoreload", "aimport", "who", "whos",
    "pinfo", "pinfo2", "psearch", "pdoc", "pfile", "psource", "history", "hist", "lsmagic", "magic",
    "quickref", "colors", "xmode", "pdb", "debug", "doctest_mode", "page", "pprint", "notebook", "load",
    "loadpy", "recall", "rep", "tb", "pip", "conda", "mamba", "micromamba", "uv", "logstart", "logstop", "logon",
    "logoff", "logstate", "connect_info", "qtconsole", "autosave", "killbgscripts", "pycat", "code_wrap",
    "subshell", "autocall", "automagic", "autoindent", "autoawait", "gui",
})  # fmt: skip
"""Magics that change no value."""

_OWN_EXTENSIONS = frozenset({"linea", "autoreload", "memory_profiler", "line_profiler"})
"""Extensions whose magics change no value."""

_INSTALLS = re.compile(
    r"\s*(sudo\s+)?(\S*python[\d.]*\s+-m\s+)?(pip[\d.]*|uv|conda|mamba|apt|apt-get)\s"
)
"""Commands that make packages available: what they install is the environment's."""

_RANGES = re.compile(r"[\d\s-]*")

_OPTIONS = re.compile(r"^(?:-{1,2}\w+(?:=\S+)?\s+)*")


_PYLAB = """\
import numpy
import matplotlib
from matplotlib import pylab, mlab, pyplot
np = numpy
plt = pyplot
from IPython.core.pylabtools import figsize, getfigs
from IPython.display import display"""
_PYLAB_ALL = """
from matplotlib.pylab import *
from numpy import *"""
"""What `%pylab` does to the names of the session."""


class Shell(Protocol):
    """What a magic may ask of the shell before it runs."""

    def code_of_cells(self, which: str) -> str:
        """The cells that ran under the numbers `which`, as plain Python; the last where it is empty."""

    def folder_before(self) -> str | None:
        """The working folder before the last `%cd`, from the present one."""


def portable(text: str) -> str:
    """`text` without the call of a magic it consists of; unchanged where there is no plain form."""
    if "get_ipython()" not in text:
        return text
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    if len(tree.body) != 1:
        return text
    node = tree.body[0]
    value = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
    found = _call(value)
    if found is None:
        return text
    method, arguments = found
    target = ""
    if isinstance(node, ast.Assign):
        target = " = ".join(ast.unparse(t) for t in node.targets) + " = "
    plain = _plain(method, arguments, bool(target))
    if plain is None:
        return text
    return target + plain if target else plain


def is_idle(text: str) -> bool:
    """Whether `text` is a magic or a help request that changes no value."""
    try:
        node = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return False
    found = _call(node.value) if isinstance(node, ast.Expr) else None
    if found is not None and found[0] == "system":
        return bool(_INSTALLS.match(found[1][0]))
    if found is None or found[0] != "run_line_magic":
        return False
    name, line = [*found[1], ""][:2]
    if name in ("load_ext", "reload_ext"):
        return line.strip() in _OWN_EXTENSIONS
    return name in _IDLE


def users_callbacks(shell: Any) -> list[Any]:
    """Functions of the user's that the shell runs before and after cells."""
    known = [each for calls in shell.events.callbacks.values() for each in calls]
    return [each for each in known if is_users(each)]


def is_users(function: Any) -> bool:
    """Whether a function that the shell was given is none of its own or of a library's for it."""
    module = getattr(function, "__module__", None)
    own = (
        "IPython.",
        "ipykernel.",
        "matplotlib",
        "linea.",
        "debugpy",
        "google.colab",
        "ipywidgets",
    )
    return isinstance(module, str) and not module.startswith(own)


def reloading(module: str, before: str) -> str:
    """Code that loads a module anew as `%autoreload` does: objects made before follow.

    `before` is the source that it was last loaded from, where `%autoreload` goes by what differs.
    """
    loader = "__import__('IPython.extensions.autoreload').extensions.autoreload"
    loaded = f"__import__('sys').modules[{module!r}]"
    if not before:
        return f"{loader}.superreload({loaded})"
    return (
        f"(lambda loader, patcher: patcher.source_by_modname.update({{{module!r}: {before!r}}})"
        f" or patcher.maybe_reload_module({loaded}) or loader.superreload({loaded}))"
        f"({loader}, {loader}.DeduperReloader())"
    )


def script_run_here(node: ast.stmt) -> str | None:
    """The path of a script that a `%run -i` runs on the names of the session."""
    found = _call(node.value) if isinstance(node, ast.Expr) else None
    if found is None or found[0] != "run_line_magic" or found[1][:1] != ["run"]:
        return None
    words = "".join(found[1][1:]).split(".py", 1)[0].split()
    *options, stem = words or [""]
    here = any(re.fullmatch("-[a-z]*i[a-z]*", option) for option in options)
    return _unquoted(f"{stem}.py") if here else None


def _call(node: ast.expr | None) -> tuple[str, list[str]] | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method),
            args=arguments,
        ):
            texts = [a.value for a in arguments if isinstance(a, ast.Constant)]
            if len(texts) == len(arguments) and all(isinstance(t, str) for t in texts):
                return method, [str(t) for t in texts]
    return None


def _plain(method: str, arguments: list[str], assigned: bool) -> str | None:
    match method, arguments:
        case "run_line_magic", [name, text] if name in _TRANSPARENT and not assigned:
            return _parsed(_OPTIONS.sub("", text.strip(), count=1))
        case "run_line_magic", ["cd", line] if not assigned:
            return _changed_folder(line)
        case "run_line_magic", ["env" | "set_env", text] if "=" in text or " " in text.strip():
            name, _, value = (
                text.strip().partition("=") if "=" in text else text.strip().partition(" ")
            )
            if re.search(r"[${]", value):
                return None
            return f"__import__('os').environ[{name.strip()!r}] = {value.strip()!r}"
        case "run_line_magic", ["pylab", line] if not assigned:
            return _PYLAB + ("" if "--no-import-all" in line else _PYLAB_ALL)
        case "system" | "getoutput", [command]:
            return _shell(command, captured=assigned or method == "getoutput")
        case "run_cell_magic", [name, _, body] if name in _TRANSPARENT:
            return _parsed(body)
        case "run_cell_magic", ["capture", "", body]:
            return _parsed(body)
        case "run_cell_magic", ["bash" | "sh" as shell, "", body]:
            return f"__import__('subprocess').run([{shell!r}, '-c', {body!r}], check=False)"
        case "run_cell_magic", ["writefile", line, body]:
            append = line.startswith("-a ")
            path = _unquoted(line.removeprefix("-a "))
            return f"open({path!r}, {'a' if append else 'w'!r}).write({body!r})"
    return None


def going_back(text: str, shell: Shell) -> str | None:
    """What a magic that goes back to earlier cells and folders does, as these stand now."""
    try:
        node = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return None
    found = _call(node.value) if isinstance(node, ast.Expr) else None
    if found is None or found[0] != "run_line_magic":
        return None
    match found[1]:
        case ["rerun", which] if _RANGES.fullmatch(which):
            return _parsed(shell.code_of_cells(which))
        case ["macro", line] if given := re.fullmatch(r"(?:-q +)?(\w+) ([\d\s-]+)", line.strip()):
            code = shell.code_of_cells(given[2])
            return f"{given[1]} = __import__('IPython').core.macro.Macro({code + chr(10)!r})"
        case ["save", line] if given := re.fullmatch(r"(?:-f +)?(\S+) ([\d\s-]+)", line.strip()):
            name = given[1] if given[1].endswith((".py", ".ipy")) else f"{given[1]}.py"
            code = f"# coding: utf-8\n{shell.code_of_cells(given[2])}\n"
            return f"open({name!r}, 'w', encoding='utf-8').write({code!r})"
        case ["cd", "-"] if (folder := shell.folder_before()) is not None:
            return f"__import__('os').chdir({folder!r})"
    return None


def _parsed(text: str) -> str | None:
    """`text` if it is Python that needs nothing of IPython."""
    text = text.strip("\n")
    try:
        ast.parse(text)
    except SyntaxError:
        return None
    return text


def _changed_folder(line: str) -> str | None:
    """`%cd LINE` as Python; None for bookmarks and the folder before."""
    folder = _unquoted(re.sub(r"^-q(\s+|$)", "", line.strip()))
    if folder.startswith("-"):
        return None
    if folder.startswith("~") or not folder:
        return f"__import__('os').chdir(__import__('os').path.expanduser({folder or '~'!r}))"
    return f"__import__('os').chdir({folder!r})"


def _shell(command: str, *, captured: bool) -> str | None:
    # IPython expands `$name` and `{expression}` itself; `$$` is a dollar for the shell.
    if re.search(r"\{[^}]*\}|(?<!\$)\$[A-Za-z_]", command):
        return None
    command = command.replace("$$", "$")
    if captured:
        # IPython's list has attributes of its own (`.s`, `.grep`), which later code may use.
        return (
            f"__import__('IPython').utils.text.SList(__import__('subprocess').run({command!r}, "
            "shell=True, stdout=-1, stderr=-2, text=True).stdout.splitlines())"
        )
    return f"_exit_code = __import__('subprocess').run({command!r}, shell=True).returncode"


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
