"""The commands as one click group; a command's module is imported when the command is used."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import click
from click.exceptions import NoArgsIsHelpError

from linea.cli import completion
from linea.cli.app import COMMANDS, overview
from linea.cli.parameters import Option, command, parameters
from linea.errors import LineaError


class Lazy(click.Group):
    """A group that knows its commands by name only."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module = importlib.import_module(f"linea.cli.{found.module}")
        return built(cmd_name, getattr(module, found.function))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(overview())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not ctx.resilient_parsing:
            near = get_close_matches(name, COMMANDS, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else "all commands: linea --help"
            raise LineaError(f"there is no command {name!r}", hint=hint)
        return super().resolve_command(ctx, args)


def built(name: str, function: Callable[..., Any]) -> click.Command:
    """Turn a command's function, or one with sub-commands, into what the group runs."""
    below = getattr(function, "subcommands", None)
    if below is None:
        return command(name, function)
    made = click.Group(
        name,
        callback=function,
        params=parameters(function),
        help=inspect.getdoc(function),
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for each in below:
        made.add_command(command(each.__name__.replace("_", "-"), each))
    return made


def group() -> click.Group:
    """Return the whole command."""
    return Lazy(
        "linea",
        callback=_globals,
        params=parameters(_globals),
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _globals(
    directory: Annotated[
        Path | None, Option("-C", metavar="DIR", help="Run as if started in DIR.")
    ] = None,
    version: Annotated[bool, Option("--version", help="Show the version.")] = False,
) -> None:
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise LineaError(f"can't go to {directory}: {error.strerror}") from None


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line; errors become `Error:` and `Hint:` on stderr."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the process began
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    try:
        if arguments and arguments[0] in completion.OPTIONS:
            return completion.setup(list(arguments))
        status = group().main(list(arguments), prog_name="linea", standalone_mode=False)
        sys.stdout.flush()
    except LineaError as error:
        return _failed(error.message, error.hint)
    except click.ClickException as error:
        if isinstance(error, NoArgsIsHelpError):
            print(error.format_message(), file=sys.stderr)  # noqa: T201
            return 2
        return _failed(*_wrong_use(error))
    except click.Abort:
        return _failed("stopped", None)
    except BrokenPipeError:
        _close_quietly()
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _failed(_of_system(error), _SYSTEM.get(error.errno or 0))
    return status if isinstance(status, int) else 0


def _failed(message: str, hint: str | None) -> int:
    from linea.cli.render import Screen

    screen = Screen.of(sys.stderr)
    _flush()
    print(screen.style("Error:", "red"), message, file=sys.stderr)  # noqa: T201
    if hint:
        print(screen.style("Hint:", "cyan"), hint, file=sys.stderr)  # noqa: T201
    return 2


def _wrong_use(error: Any) -> tuple[str, str | None]:
    """Return what a wrong command line is told."""
    message = str(error.format_message()).strip()
    if not message:
        return "wrong use", None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "linea"
    text = message[0].lower() + message[1:].rstrip(".")
    return text, f"see: {path} --help"


def _of_system(error: OSError) -> str:
    name = str(error.filename or "")
    where = f"{name if len(name) <= 200 else name[:200] + '…'}: " if name else ""
    return f"{where}{error.strerror or error}"


_SYSTEM = {
    errno.EACCES: "get permission for it, or work in another folder",
    errno.EROFS: "the disk can't be written to: work in another folder",
    errno.ENOSPC: "make room, then do it again",
    errno.ENOENT: "see that it is there, and the folder that you are in",
    errno.ENAMETOOLONG: "use a shorter name",
}
"""What to do about errors of the system."""


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _close_quietly()


def _close_quietly() -> None:
    """Keep the interpreter from complaining about a pipe that nobody reads."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None
