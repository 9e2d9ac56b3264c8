"""Commands that run code again to find something out, or to bring results up to date."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import (
    Progress,
    Project,
    complete_names,
    complete_revisions,
    now,
    project,
    revision,
)
from linea.errors import LineaError

if TYPE_CHECKING:
    from linea.history.status import Stale
    from linea.replay.update import Author, Outcome
    from linea.replay.why import Why

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Timeout = Annotated[
    float | None, Option("--timeout", metavar="SECONDS", help="Stop a run after this.")
]


# ------------------------------------------------------------------------------------ update


def update(
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="NAME",
            help="These and what they are made from; all without one.",
            autocompletion=complete_names,
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", "-n", help="Only say what would run, and how long.")
    ] = False,
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Make what is stale again.

    What status calls stale is run again on the files and parents as they are now, an artifact
    after the ones it is made from, and saved as a new version. Only what is needed runs: when a
    parent comes out the same, what rests on it stays. Slices run in a copy of the project; where
    the code itself has changed, its script or notebook is run, as by linea run. Exits with 1 when
    something couldn't be made.

    \b
    Example:
      linea update --dry-run
      linea update model
    """
    from linea.replay.update import plan
    from linea.replay.update import update as run_again

    with project() as here:
        wanted = [revision(here.repository, name).name for name in names or ()] or None
        if dry_run:
            return _planned(plan(here.repository, here.root, wanted), json)
        total = len(plan(here.repository, here.root, wanted))
        progress = Progress(total, quiet=json)
        done: list[Outcome] = []
        for outcome in run_again(
            here.repository, here.root, _author(here), wanted,
            run_source=lambda source: _run_source(here, source, quiet=json), timeout=timeout,
            starting=lambda stale: progress.starting(stale.version.revision),
        ):  # fmt: skip
            progress.clear()
            done.append(outcome)
            if not json:
                _show(outcome)
    if json:
        render.print_json([_of_outcome(outcome) for outcome in done])
    elif not done:
        render.screen().line("nothing is stale")
    elif any(outcome.made for outcome in done):
        render.suggest("linea log", "what changed")
    return int(any(outcome.made is None for outcome in done))


def _planned(stale: list[Stale], json: bool) -> int:
    if json:
        render.print_json(
            [
                each | {"seconds": s.version.seconds}
                for each, s in zip(records.of_stale(stale), stale, strict=True)
            ]
        )
        return 0
    screen = render.screen()
    if not stale:
        screen.line("nothing is stale")
        return 0
    total = sum(each.version.seconds for each in stale)
    screen.line(
        f"{render.plural(len(stale), 'artifact')} to make again, about {render.duration(total)} by past timings"
    )
    rows = [
        [
            render.Cell(render.clean(each.version.revision), ("bold",)),
            render.Cell(render.duration(each.version.seconds), right=True),
            render.Cell(render.clean("; ".join(reason.text for reason in each.reasons)), ("dim",)),
        ]
        for each in stale
    ]
    screen.lines(render.table(screen, rows))
    render.suggest("linea update", "make them")
    return 0


def _author(here: Project) -> Author:
    from linea import origins, recording
    from linea.replay.update import Author

    return Author(
        recording.author(),
        now,
        origins.git_state(here.root),
        origins.keeping_limit(here.repository.setting("keepinputs")),
    )


def _run_source(here: Project, source: str, *, quiet: bool) -> int:
    """Run a script or notebook in the project, as `linea run` does in the folder it ran in."""
    path = here.root / source
    if not path.is_file():
        raise LineaError(f"{source} isn't there any more", hint="make the artifact another way")
    if not quiet:
        render.say(f"running {source}: its code has changed")
    done = subprocess.run(
        [sys.executable, "-m", "linea", "run", str(path)],
        cwd=here.root, check=False, stdout=sys.stderr, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode


def _show(outcome: Outcome) -> None:
    screen = render.screen()
    version = outcome.stale.version
    name = screen.style(render.clean(version.name), "bold")
    if outcome.made is None:
        screen.line(f"{name}  {screen.style('not made', 'red')}")
        screen.lines(f"    {render.clean(line)}" for line in outcome.problem.splitlines())
        return
    value = (
        "same value"
        if outcome.same
        else str(outcome.made.value.summary.get("text", "another value"))
    )
    screen.line(
        f"{name}  v{version.number} → v{outcome.made.number}  {render.clean(value)}  "
        f"({render.duration(outcome.seconds)})"
    )
    screen.lines(f"    {render.clean(reason.text)}" for reason in outcome.stale.reasons)


def _of_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.stale.version.name,
        "before": outcome.stale.version.revision,
        "after": outcome.made.revision if outcome.made else None,
        "same": outcome.same,
        "seconds": outcome.seconds,
        "problem": outcome.problem,
        "reasons": render.plain(outcome.stale.reasons),
    }


# ---------------------------------------------------------------------------------- minimise


def minimise(
    rev: Annotated[
        str, Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions)
    ],
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Find a smaller slice that gives the same value.

    Statements are dropped one at a time, the slice is run again without each, and what isn't
    needed stays away. The smaller slice is kept beside the recorded one, and printed.

    \b
    Example:
      linea minimise model@v2
    """
    from linea.replay.minimise import minimise as smaller

    with project() as here:
        version = revision(here.repository, rev)
        code = here.repository.code(version)
        progress = Progress(0, quiet=json)
        found = smaller(
            here.repository, version, here.root, clock=now, timeout=timeout,
            trying=lambda runs, left: progress.say(f"{version.revision}: {runs} runs, {left} lines …"),
        )  # fmt: skip
        progress.clear()
    before, after = len(code.splitlines()), len(found.code.splitlines())
    if json:
        render.print_json(
            {"revision": version.revision, "before": before, "after": after, "code": found.code}
        )
        return 0
    less = (
        f"{before} lines, {after} are enough"
        if after < before
        else f"all {before} lines are needed"
    )
    render.say(f"{version.revision}: {less}")
    render.screen().lines(found.code.splitlines())
    return 0


# --------------------------------------------------------------------------------------- why


def why(
    a: Annotated[str, Argument(metavar="A", help="A revision.", autocompletion=complete_revisions)],
    b: Annotated[
        str | None,
        Argument(
            metavar="B",
            help="Another one; without it the latest, against the one before.",
            autocompletion=complete_revisions,
        ),
    ] = None,
    expression: Annotated[
        str | None,
        Option("--expr", metavar="EXPR", help="Look at this number, made of `value`."),
    ] = None,
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Show which change moved a result, by running it again.

    What differs between two versions (code, files, parents, environment variables) is swapped
    alone and in combination, the slice is run, and the change of the value is attributed. Runs
    are remembered. Packages aren't swapped; they are named.

    \b
    Example:
      linea why model@v2 model@v3
      linea why features --expr 'value.price.mean()'
    """
    from linea.history.log import previous_of
    from linea.history.revision import completed
    from linea.replay.why import plan
    from linea.replay.why import why as attribute

    with project() as here:
        before = revision(here.repository, a)
        after = (
            revision(here.repository, completed(b, before.name))
            if b
            else here.repository.tip(before.name)
        )
        if b is None and after.commit == before.commit:
            previous = previous_of(here.repository, after)
            if previous is None:
                raise LineaError(
                    f"{after.revision} is the first version", hint="linea why A B compares two"
                )
            before = previous
        planned = plan(here.repository, before, after)
        if not json:
            render.say(
                f"{render.plural(len(planned.factors), 'difference')}, at most "
                f"{render.plural(len(planned.sets), 'run')}, about {render.duration(planned.seconds)}"
            )
        progress = Progress(len(planned.sets), quiet=json)
        found = attribute(
            here.repository, planned, here.root, expression=expression, timeout=timeout,
            running=lambda number, total: progress.say(f"run {number} of {total} …"),
        )  # fmt: skip
        progress.clear()
    if json:
        render.print_json(_of_why(found))
    else:
        _show_why(found)
    return 0


def _show_why(found: Why) -> None:
    screen = render.screen()
    numbers = found.first.number is not None and found.last.number is not None
    head = f"{found.before.revision} → {found.after.revision}"
    if numbers:
        first, last = found.first.number or 0.0, found.last.number or 0.0
        head += f"  {first:.6g} → {last:.6g}  ({last - first:+.6g})"
    screen.line(screen.style(render.clean(head), "bold"))
    rows = []
    order = sorted(found.shares, key=lambda share: -abs(share.share or 0.0))
    for share in order:
        first_cell = f"{share.share:+.6g}" if numbers and share.share is not None else ""
        rows.append(
            [
                render.Cell(first_cell, ("bold",), right=True),
                render.Cell(share.factor.kind, ("yellow",)),
                render.Cell(render.clean(share.factor.text)),
                render.Cell(_said(share, found), ("dim",)),
            ]
        )
    screen.lines(render.table(screen, rows, flexible=2))
    screen.lines(render.clean(note) for note in found.notes)


def _said(share: Any, found: Why) -> str:
    """What the value does with this factor alone."""
    alone = share.alone
    if alone.problem:
        return f"alone: {render.clean(alone.problem)}"
    if alone.digest == found.first.digest:
        return "changes nothing" if share.needed is False else "changes nothing alone"
    if alone.digest == found.last.digest:
        return "the whole change"
    return f"part: {render.clean(alone.told)}"


def _of_why(found: Why) -> dict[str, Any]:
    return {
        "before": records.of_version(found.before),
        "after": records.of_version(found.after),
        "first": render.plain(found.first),
        "last": render.plain(found.last),
        "shares": [render.plain(share) | {"says": _said(share, found)} for share in found.shares],
        "runs": found.runs,
        "notes": list(found.notes),
    }
