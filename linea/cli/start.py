"""Commands that begin: a store, a watched run, the demonstration."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from linea.cli import render
from linea.cli.parameters import Argument, Command, Option
from linea.cli.surroundings import STORE
from linea.errors import LineaError

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def init(
    folder: Annotated[
        Path,
        Argument(metavar="FOLDER", help="The project's folder; made where it is missing."),
    ] = Path(),
    keep_inputs: Annotated[
        str | None,
        Option("--keep-inputs", metavar="SIZE", help="Keep input files up to this size."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a store in this folder.

    A store is a folder, .linea, beside your code. It is made by itself on the first save; init
    says where it shall be. A store that is there already stays as it is.

    With a version goes a copy of each input file of up to 10 MB, so that it can be made again
    when the file has changed; of larger ones only the digest. --keep-inputs sets another limit
    for this store, 0 keeps none but your own modules.

    \b
    Example:
      linea init
      linea init ~/projects/houses --keep-inputs 200MB
    """
    from linea.store.repository import Repository

    limit = _size(keep_inputs) if keep_inputs is not None else None

    path = folder.resolve() / STORE
    there = path.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with Repository.create(path) as repository:
        if limit is not None:
            repository.set("keepinputs", str(limit))
    if json:
        render.print_json({"store": path, "created": not there})
        return
    render.say(f"{'There is a store already in' if there else 'Made a store in'} {path}")
    render.suggest("linea run FILE.py")


def _size(text: str) -> int:
    from linea.origins import bytes_of

    try:
        return bytes_of(text)
    except ValueError as error:
        raise LineaError(str(error), hint="write 500kB, 20MB, 1GB or 0") from None


class _Run(Command):
    """Everything behind FILE, or behind `-m MODULE`, belongs to what is run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _own_options(args))


def _own_options(args: list[str]) -> list[str]:
    """Put a `--` where linea's own options end, as `python -m` does."""
    for number, arg in enumerate(args):
        if arg == "-m":
            return [*args[: number + 2], "--", *args[number + 2 :]]
        if arg.startswith("-m") and not arg.startswith("--"):
            return [*args[: number + 1], "--", *args[number + 1 :]]
        if arg == "--":
            return args
        if not (arg.startswith("-") or args[number - 1 : number] in _WITH_VALUE):
            own, rest = _behind(Path(arg), args[number + 1 :])
            return [*args[:number], *own, "--", arg, *rest]
    return args


_WITH_VALUE = (["--save"], ["--output"], ["-o"])


def _behind(file: Path, args: list[str]) -> tuple[list[str], list[str]]:
    """Split what stands behind FILE into options for linea, and what is the program's.

    A program that reads no arguments can't mean `--save` for itself, nor can a notebook.
    """
    own: list[str] = []
    rest: list[str] = []
    if args and _reads_arguments(file):
        return own, args
    words = iter(args)
    for word in words:
        if word == "--":
            return own, [*rest, *words]
        if [word] in _WITH_VALUE:
            own += [word, *islice(words, 1)]
        elif word.startswith(("--save=", "--output=")):
            own.append(word)
        else:
            rest.append(word)
    return own, rest


def _reads_arguments(file: Path) -> bool:
    from linea.slicing import ARGUMENTS

    if file.suffix == ".ipynb":
        return False
    try:
        return bool(ARGUMENTS.search(file.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def run(
    arguments: Annotated[
        list[str] | None,
        Argument(metavar="FILE [ARGS]...", help="A .py or .ipynb file, and what is passed to it."),
    ] = None,
    module: Annotated[
        str | None, Option("-m", metavar="MODULE", help="Run a module, as python -m does.")
    ] = None,
    save: Annotated[
        list[str] | None,
        Option("--save", metavar="NAME", help="Save this variable at the end; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FILE", help="Write the executed notebook here."),
    ] = None,
) -> int:
    """Run a script, notebook or module with linea watching.

    The program runs as it does without linea: same output, same arguments, same exit status.
    What it saves with linea.save(value, "name") is recorded with the code that made it.

    Options before FILE are linea's, all behind it is the program's; --save behind FILE is linea's
    where the program reads no arguments.

    \b
    Example:
      linea run train.py --epochs 3
      linea run --save model --save scores train.py --epochs 3
      linea run train.py --save model
      linea run analysis.ipynb
      linea run -m houses.train
    """
    from linea import api

    given = list(arguments or [])
    extra: dict[str, Any] = {"save": tuple(save)} if save else {}
    if module is not None:
        return int(api.run_module(module, given, **extra))
    if not given:
        raise LineaError("nothing to run", hint="linea run FILE.py, FILE.ipynb or -m MODULE")
    path = Path(given[0])
    if not path.exists():
        raise LineaError(f"there is no file {path}", hint=_nearest(path))
    if path.suffix == ".ipynb":
        if given[1:]:
            raise LineaError("a notebook takes no arguments", hint=f"linea run {path}")
        return int(api.run_notebook(path, output=output, **extra) or 0)
    if output is not None:
        raise LineaError("--output is for notebooks", hint=f"linea run {path}")
    return int(api.run_script(path, given[1:], **extra))


run.command_class = _Run  # type: ignore[attr-defined]
run.settings = {"allow_interspersed_args": False}  # type: ignore[attr-defined]


def _nearest(path: Path) -> str | None:
    from linea.history.revision import suggest

    folder = path.parent
    beside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    near = suggest(path.name, beside)
    return f"did you mean {near}?" if near else f"look in {folder.resolve()}"


def demo(
    folder: Annotated[
        Path | None,
        Argument(metavar="FOLDER", help="A new folder for it; a temporary one by default."),
    ] = None,
) -> int:
    """Try everything on a small project made for it.

    Makes a project with a messy script and notebook in a new folder, runs them, and shows log,
    blame, diff, checkout, verify and status with the commands that you would type.

    \b
    Example:
      linea demo
      linea demo houses
    """
    from linea.cli import demo as demonstration

    return int(demonstration.run(folder) or 0)
