"""IPython's own syntax → plain Python that does the same, where there is such."""

from __future__ import annotations

import ast
import re

_TRANSPARENT = frozenset({"time", "prun", "memit", "snakeviz", "pyinstrument"})
"""Magics that run their text as it stands."""

_IDLE = frozenset({
    "linea", "matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision", "who", "whos",
    "pinfo", "pinfo2", "psearch", "pdoc", "pfile", "psource", "history", "hist", "lsmagic", "magic",
    "quickref", "colors", "xmode", "pdb", "debug", "doctest_mode", "page", "pprint", "notebook", "pylab",
})  # fmt: skip
"""Magics that change no value."""

_OPTIONS = re.compile(r"^(?:-{1,2}\w+(?:=\S+)?\s+)*")


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
    return found is not None and found[0] == "run_line_magic" and found[1][0] in _IDLE


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
        case "system" | "getoutput", [command]:
            return _shell(command, captured=assigned)
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
    return f"__import__('subprocess').run({command!r}, shell=True)"


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
