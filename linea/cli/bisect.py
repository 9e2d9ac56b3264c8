"""`linea bisect`: the version where an answer turned."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from linea.cli import records, render, words
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import Project, complete_names, now, project, revision
from linea.errors import LineaError
from linea.history.bisect import Answer, Asked, Test, Turn, question
from linea.history.bisect import bisect as search
from linea.history.changes import changes
from linea.history.revision import completed
from linea.history.wording import KIND_WORDS
from linea.model import Version

if TYPE_CHECKING:
    from linea.cli.render import Screen

Json = Annotated[bool, Option("--json", help="Print JSON.")]

WORDS = {True: ("good", "green"), False: ("bad", "red"), None: ("skipped", "yellow")}
SKIP = 125
"""Exit status of a command that can't tell, as for `git bisect run`."""


def bisect(
    name: Annotated[
        str, Argument(metavar="NAME", help="An artifact.", autocompletion=complete_names)
    ],
    good: Annotated[
        str | None,
        Option("--good", metavar="REV", help="A version that was good; the first by default."),
    ] = None,
    bad: Annotated[
        str | None,
        Option("--bad", metavar="REV", help="A version that is bad; the latest by default."),
    ] = None,
    expression: Annotated[
        str | None, Option("--expr", metavar="EXPR", help="What holds of a good `value`.")
    ] = None,
    command: Annotated[
        str | None,
        Option("--run", metavar="CMD", help="A command that exits with 0 for a good one."),
    ] = None,
    trust: Annotated[
        bool, Option("--trust", help="Read pickled values too, which runs their code.")
    ] = False,
    json: Json = False,
) -> None:
    """Find the version where a result turned bad.

    Stored values are asked, nothing is run again; half of the versions drop out at each step.
    `--expr` is Python about `value` (`pd`, `np`, `pl` and `math` are there). `--run` is a command of
    the shell that gets the value as a file in the place of {}; it exits with 0 for a good version,
    125 where it can't tell, 1 to 127 for a bad one. Where the bad version is the older one, the
    version that made it good is found.

    \b
    Example:
      linea bisect metrics --expr "value['accuracy'] > 0.85"
      linea bisect feature_table --good @v3 --bad @v9 --expr "value.price.notna().all()"
      linea bisect model --run "python check.py {}"
    """
    if (expression is None) == (command is None):
        raise LineaError("say what a good version is", hint='--expr "value > 0.85", or --run CMD')
    screen = render.screen()
    with project() as here, tempfile.TemporaryDirectory() as folder:
        tip = revision(here.repository, name)
        first = revision(here.repository, completed(good, tip.name)) if good else _first(here, tip)
        last = revision(here.repository, completed(bad, tip.name)) if bad else tip
        test = (
            question(expression, lambda version: _value(here, version, trust))
            if expression is not None
            else _command(here, command or "", Path(folder))
        )
        found = search(
            here.repository, first, last, test, told=lambda each: _say(screen, each, json)
        )
        if json:
            render.print_json(records.of_turn(found))
            return
        screen.lines(_lines(here, screen, found))
    pair = f"{found.last_good.revision} @v{found.first_bad.number}"
    render.suggest(f"linea diff {words.quoted(found.last_good.revision)} {pair.split()[-1]}")


def _first(here: Project, tip: Version) -> Version:
    return list(here.repository.versions(tip.name))[-1]


def _value(here: Project, version: Version, trust: bool) -> Any:
    from linea import values

    return values.decode(version.value, here.repository.read_part(version), trusted=trust)


def _command(here: Project, command: str, folder: Path) -> Test:
    """Return the test that a command makes of the value as a file."""
    from linea import values

    def test(version: Version) -> Answer:
        own = folder / f"v{version.number}"
        files = values.export(version.value, here.repository.read_part(version), "value")
        for path, data in files.items():
            target = own / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        value = own / next(iter(files)) if len(files) == 1 else own
        line = command.replace("{}", shlex.quote(str(value)))
        told = {"LINEA_REVISION": version.revision, "LINEA_VALUE": str(value)}
        status = subprocess.run(
            line, shell=True, cwd=here.root, env={**os.environ, **told}, check=False,
            stdout=subprocess.DEVNULL,
        ).returncode  # fmt: skip
        if status < 0 or status > 127 or status in (126, 127):
            raise LineaError(f"{line!r} ended with {status} for {version.revision}")
        return Answer(None if status == SKIP else status == 0)

    return test


def _say(screen: Screen, tested: Asked, quiet: bool) -> None:
    """Tell of a step as it is done."""
    if quiet:
        return
    word, color = WORDS[tested.answer.good]
    left = f"{render.plural(tested.left, 'version')} left" if tested.left > 1 else ""
    steps = f", about {render.plural(tested.steps, 'step')}" if tested.steps else ""
    name = screen.style(render.clean(tested.version.revision), "yellow")
    note = (
        f"  {screen.style(render.clean(tested.answer.note), 'dim')}" if tested.answer.note else ""
    )
    screen.line(f"{name}  {screen.style(word, color)}{note}  {left}{steps}".rstrip())


def _lines(here: Project, screen: Screen, found: Turn) -> Iterator[str]:
    """Say where it turned, then what differs there."""
    older = found.last_good.number < found.first_bad.number
    turned = found.first_bad if older else found.last_good
    before = found.last_good if older else found.first_bad
    what = "bad" if older else "good"
    head = screen.style(render.clean(turned.revision), "bold", "yellow")
    if found.unsure:
        names = ", ".join(version.revision for version in found.unsure)
        yield f"{head} or one of {names} is the first {what} one; these gave no answer"
    else:
        yield f"{head} is the first {what} one"
    author = render.person(turned.author)
    yield f"  {turned.commit[:7]}  {render.age(turned.created, now())} by {author}"
    if turned.message:
        yield f"  {screen.style(render.clean(turned.message), 'cyan')}"
    for change in changes(here.repository, before, turned):
        kind = KIND_WORDS.get(change.kind, change.kind)
        place = f"{change.what} " if change.kind == "code" and change.what else ""
        yield f"  {screen.style(f'{kind:<6}', 'dim')} {render.clean(place + change.text)}"
