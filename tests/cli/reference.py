"""The help of every command as one page: `python -m tests.cli.reference > docs/reference.md`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from linea.cli.app import SECTIONS, overview
from linea.cli.group import group

HEAD = """\
# Command reference

Written from the program's own help by `python -m tests.cli.reference > docs/reference.md`; a test
fails where this page and the program differ.

"""


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Yield each command and sub-command: how it is typed, itself, its context."""
    root = group()
    context = root.make_context("linea", ["--version"], resilient_parsing=True)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        yield from _below(f"linea {name}", name, command, context)


def _below(path: str, name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield path, command, context
    for each in getattr(command, "commands", {}):
        yield from _below(f"{path} {each}", each, command.commands[each], context)


def helps() -> dict[str, str]:
    """Return the help of each command, 80 columns wide."""
    os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = "80"
    return {path: _help(command, context) for path, command, context in commands()}


def _help(command: Any, context: Any) -> str:
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def page() -> str:
    """Return the whole page."""
    found = helps()
    parts = [HEAD, f"```text\n{overview()}```\n"]
    for title, names in SECTIONS.items():
        parts.append(f"\n## {title}\n")
        for path, text in found.items():
            if path.split()[1] in names:
                parts.append(f"\n### {path}\n\n```text\n{text}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    print(page(), end="")
