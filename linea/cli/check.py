"""Commands that check: what can be made again, what is damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from linea.cli import records, render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import (
    Progress,
    complete_revisions,
    now,
    project,
    revision,
)
from linea.errors import LineaError
from linea.model import Verdict, Version

Json = Annotated[bool, Option("--json", help="Print JSON.")]

STATUS_OF = {"identical": 0, "equal": 0, "different": 1, "failed": 2, "impossible": 2}
COLOR_OF = {"identical": "green", "equal": "green", "different": "yellow"}


def verify(
    revs: Annotated[
        list[str] | None,
        Argument(metavar="REV", help="Revisions.", autocompletion=complete_revisions),
    ] = None,
    everything: Annotated[
        bool, Option("--all", help="The latest version of every artifact.")
    ] = False,
    tolerance: Annotated[
        float | None,
        Option("--tol", metavar="X", help="Numbers may differ by X, relative or absolute."),
    ] = None,
    timeout: Annotated[
        float | None, Option("--timeout", metavar="SECONDS", help="Stop a run after this.")
    ] = None,
    jobs: Annotated[
        int, Option("--jobs", "-j", metavar="N", min=1, help="Runs at the same time.")
    ] = 1,
    json: Json = False,
) -> int:
    """Run a version's code again and compare the result.

    The slice runs in a fresh process, in a copy of the working folder that holds the inputs as
    they were recorded; nothing of yours is changed. What comes out is compared with what is
    stored, and the verdict is kept with the version:

    \b
      identical   the same value, to the bit
      equal       the same but for --tol
      different   another value; then it says where, how far, and at which statement runs part
      failed      the code raised, or took longer than --timeout
      impossible  an input isn't to be had any more

    Exits with 0 for identical and equal, 1 for different, 2 for the others.

    \b
    Example:
      linea verify model@v2
      linea verify --all --jobs 4 --timeout 600
      linea verify model --tol 1e-9
    """
    from linea.replay.verify import verify_all

    if not revs and not everything:
        raise LineaError("nothing to verify", hint="name revisions, or give --all")
    screen = render.screen()
    worst = 0
    found = []
    with project() as here:
        versions = [revision(here.repository, rev) for rev in revs or ()]
        if everything:
            versions += [here.repository.tip(name) for name in here.repository.names()]
        versions = list({version.commit: version for version in versions}.values())
        progress = Progress(len(versions), quiet=json)
        for version, verdict in verify_all(
            here.store, versions, here.root,
            jobs=jobs, timeout=timeout, tolerance=tolerance, clock=now,
            starting=lambda version: progress.starting(version.revision),
        ):  # fmt: skip
            progress.clear()
            worst = max(worst, STATUS_OF.get(verdict.outcome, 2))
            found.append((version, verdict))
            if not json:
                screen.lines(_verdict_lines(screen, version, verdict))
        progress.clear()
    if not json and len(found) > 1:
        counts = Counter(verdict.outcome for _, verdict in found)
        render.say(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    if json:
        render.print_json(
            [
                {"revision": version.revision, "commit": version.commit}
                | records.of_verdict(verdict)
                for version, verdict in found
            ]
        )
    return worst


def _verdict_lines(screen: render.Screen, version: Version, verdict: Verdict) -> Iterator[str]:
    outcome = screen.style(verdict.outcome, COLOR_OF.get(verdict.outcome, "red"))
    yield f"{render.clean(version.revision)}  {outcome}  ({render.duration(verdict.seconds)})"
    yield from (f"    {render.clean(line)}" for line in verdict.detail.splitlines())
