"""Annotated functions as click commands: an argument or option for each of their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import click
from click.shell_completion import CompletionItem

Completion = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Argument:
    """How a parameter is shown that stands by its place."""

    metavar: str
    help: str
    autocompletion: Completion | None = None


@dataclass(frozen=True, slots=True, init=False)
class Option:
    """How a parameter is shown that stands behind its name."""

    names: tuple[str, ...]
    help: str
    metavar: str | None
    min: int | None
    autocompletion: Completion | None

    def __init__(
        self,
        *names: str,
        help: str,
        metavar: str | None = None,
        min: int | None = None,
        autocompletion: Completion | None = None,
    ) -> None:
        for name, value in {
            "names": names,
            "help": help,
            "metavar": metavar,
            "min": min,
            "autocompletion": autocompletion,
        }.items():
            object.__setattr__(self, name, value)


class Command(click.Command):
    """A command whose help tells of its arguments, too."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Written out, as only some versions of click have a section for arguments.
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        write_arguments(self, formatter)
        self.format_options(ctx, formatter)


class ClickArgument(click.Argument):
    """An argument with a help text."""

    def __init__(self, *names: Any, help: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.help: str = help


def write_arguments(command: click.Command, formatter: click.HelpFormatter) -> None:
    """Write the arguments' part of a help."""
    rows = [
        (each.metavar or "", each.help + ("  [required]" if each.required else ""))
        for each in command.params
        if isinstance(each, ClickArgument)
    ]
    if rows:
        with formatter.section("Arguments"):
            formatter.write_dl(rows)


def command(name: str, function: Callable[..., Any]) -> click.Command:
    """Make a command of a function whose parameters are annotated by Argument and Option."""
    cls: type[click.Command] = getattr(function, "command_class", Command)
    settings = {"help_option_names": ["-h", "--help"], **getattr(function, "settings", {})}
    return cls(
        name,
        params=parameters(function),
        callback=function,
        help=inspect.getdoc(function),
        context_settings=settings,
    )


def parameters(function: Callable[..., Any]) -> list[click.Parameter]:
    """Make a click parameter of each parameter of a function."""
    hints = get_type_hints(function, include_extras=True)
    return [
        _parameter(name, hints[name], each.default)
        for name, each in inspect.signature(function).parameters.items()
    ]


def _parameter(name: str, hint: Any, default: Any) -> click.Parameter:
    """Make the parameter `name: Annotated[hint, Argument or Option] = default`."""
    assert get_origin(hint) is Annotated, f"{name} is neither an Argument nor an Option"
    type_, shown = get_args(hint)
    types = [each for each in get_args(type_) if each is not type(None)] or [type_]
    several = get_origin(types[0]) is list or get_origin(type_) is list
    of = get_args(types[0])[0] if get_origin(types[0]) is list else types[0]
    required = default is inspect.Parameter.empty
    settings: dict[str, Any] = {"required": required, "callback": _listed if several else None}
    if not required and default is not None:
        settings["default"] = default
    if shown.autocompletion is not None:
        settings["shell_complete"] = _completing(shown.autocompletion)
    if isinstance(shown, Argument):
        nargs = -1 if several else 1
        return ClickArgument(
            [name], help=shown.help, metavar=_shown(shown.metavar, required, several), nargs=nargs,
            type=_type(of, None), **settings,
        )  # fmt: skip
    names = [*shown.names, name]
    if of is bool:
        return click.Option(names, help=shown.help, is_flag=True, **settings)
    return click.Option(
        names, help=shown.help, metavar=shown.metavar, multiple=several,
        type=_type(of, shown.min), show_default=bool(default), **settings,
    )  # fmt: skip


def _shown(metavar: str, required: bool, several: bool) -> str:
    dots = "..." if several and not metavar.endswith("...") else ""
    return f"{metavar}{dots}" if required else f"[{metavar}]{dots}"


def _type(of: type, least: int | None) -> click.ParamType[Any]:
    if of is int and least is not None:
        return click.IntRange(min=least)
    if of is Path:
        return click.Path(path_type=Path)
    return click.types.convert_type(of)


def _listed(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Give several values as a list; none of them as None, as the function's default says."""
    return list(value) if value else None


def _completing(complete: Completion) -> Callable[..., list[CompletionItem]]:
    def offered(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(each) for each in complete(incomplete)]

    return offered
