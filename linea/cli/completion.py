"""Completion of the command in a shell: its script, printed or put where the shell reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from click.shell_completion import get_completion_class

from linea.errors import LineaError

OPTIONS = ("--show-completion", "--install-completion")
VARIABLE = "_LINEA_COMPLETE"
STARTED_BY = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/linea.fish",
}
"""The file that each shell reads when it starts."""


def setup(arguments: Sequence[str]) -> int:
    """Print or install the script for the shell that is named, or that is in use."""
    option, *names = arguments
    shell = names[0] if names else Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell)
    if kind is None or shell not in STARTED_BY:
        known = ", ".join(STARTED_BY)
        raise LineaError(
            f"there is no completion for {shell or 'this shell'}", hint=f"linea {option} {known}"
        )
    script = kind(None, {}, "linea", VARIABLE).source()  # type: ignore[arg-type]
    if option == "--show-completion":
        sys.stdout.write(script + "\n")
        return 0
    return _install(shell, script)


def _install(shell: str, script: str) -> int:
    path = Path(STARTED_BY[shell]).expanduser()
    line = script if shell == "fish" else f'eval "$({VARIABLE}={shell}_source linea)"'
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if line not in text:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + line + "\n")
    sys.stdout.write(f"Completion is set up in {path}; it works in the next shell.\n")
    return 0
