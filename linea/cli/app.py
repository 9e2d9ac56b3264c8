"""The command line to one command's module: nothing else is imported to answer `linea --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """Where a command is written, and the line that the overview has for it."""

    module: str
    function: str
    summary: str


SECTIONS = {
    "Record": {
        "init": Command("start", "init", "Make a store in this folder."),
        "run": Command("start", "run", "Run a script, notebook or module with linea watching."),
        "slice": Command("slice", "slice", "Print the code that made a variable of a file."),
        "demo": Command("start", "demo", "Try everything on a small project made for it."),
    },
    "Ask": {
        "ls": Command("ls", "ls", "List the artifacts."),
        "log": Command("log", "log", "Show what happened to a result, and why."),
        "show": Command("show", "show", "Show one version: value, code, where it came from."),
        "blame": Command("blame", "blame", "Show which version brought each line, column or row."),
        "diff": Command("diff", "diff", "Show what differs between two versions."),
        "bisect": Command("bisect", "bisect", "Find the version where a result turned bad."),
        "graph": Command("graph", "graph", "Draw what was made from what."),
        "status": Command("status", "status", "Show what is stale, and why."),
    },
    "Get back": {
        "cat": Command("cat", "cat", "Print a version's value, or some columns and rows."),
        "checkout": Command("change", "checkout", "Write a version's value and code as files."),
        "verify": Command("check", "verify", "Run a version's code again and compare the result."),
        "update": Command("again", "update", "Make what is stale again."),
        "why": Command("again", "why", "Show which change moved a result, by running it again."),
        "minimise": Command("again", "minimise", "Find a smaller slice that gives the same value."),
        "pipeline": Command("export", "pipeline", "Turn artifacts into code that runs elsewhere."),
    },
    "Keep in order": {
        "tag": Command("change", "tag", "List, put or take away tags of versions."),
        "rm": Command("change", "rm", "Remove an artifact or one of its versions."),
        "undo": Command("change", "undo", "Take back the last operation."),
        "hooks": Command("hooks", "hooks", "Let git and linea know of each other."),
        "gc": Command("upkeep", "gc", "Take away what nothing needs; drop old values."),
        "rebuild": Command("upkeep", "rebuild", "Make values again that were dropped or damaged."),
        "fsck": Command("upkeep", "fsck", "Check that every stored byte is what was stored."),
    },
}
COMMANDS = {name: each for section in SECTIONS.values() for name, each in section.items()}

USAGE = "Usage: linea [-C DIR] COMMAND [ARGS]..."
OPTIONS = {
    "-C DIR": "Run as if started in DIR.",
    "--version": "Show the version of linea.",
    "--install-completion": "Set up completion for this shell.",
    "--show-completion": "Show the completion script of this shell.",
    "-h, --help": "Show this help.",
}
REVISIONS = """\
A revision is name (the latest), name@v2, name@tag, name~1, name@{2026-03-01}, a commit,
hash:DIGEST, or a file on disk, which is found by its content."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 fine, 1 differs or stale, 2 wrong use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in ([], ["-h"], ["--help"], ["help"]) and not _is_completing():
        return _printed(overview())
    if arguments == ["--version"]:
        from linea import __version__

        return _printed(f"linea {__version__}\n")
    if arguments[:1] == ["run"] and arguments[1:2] and arguments[1].endswith(".py"):
        return _ran(arguments[1], arguments[2:])
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        from linea.cli.group import invoke
    except KeyboardInterrupt:
        return 130

    return invoke(arguments)


def _ran(script: str, arguments: list[str]) -> int:
    """Run a script without loading anything that only other commands need."""
    from pathlib import Path

    if not Path(script).is_file() or any(a.startswith(("--save", "--output")) for a in arguments):
        from linea.cli.group import invoke

        return invoke(["run", script, *arguments])
    from linea import watching

    return watching.run_script(Path(script), arguments)


def overview() -> str:
    """Return the help of `linea` itself."""
    lines = [USAGE, "", "Version control for the results of notebooks and scripts.", ""]
    for title, commands in SECTIONS.items():
        lines.append(f"{title}:")
        lines += [f"  {name:<10} {command.summary}" for name, command in commands.items()]
        lines.append("")
    lines.append("Options:")
    lines += [f"  {option:<22} {text}" for option, text in OPTIONS.items()]
    lines += ["", REVISIONS, "", "Help on a command: linea log --help. To try it all: linea demo"]
    return "\n".join(lines) + "\n"


def _is_completing() -> bool:
    import os

    return "_LINEA_COMPLETE" in os.environ


def _printed(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    return 0


def _silence() -> None:
    """Let nothing more be said into a pipe that nobody reads."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
