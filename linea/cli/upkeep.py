"""Commands that keep a store small and whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from linea.cli import render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import Project, complete_revisions, now, project, revision
from linea.errors import LineaError
from linea.history.revision import parse_time, resolve, shortlist
from linea.store.fsck import Problem
from linea.store.fsck import Report as Checked
from linea.store.repair import Repaired
from linea.store.upkeep import GRACE, Policy, Report

Json = Annotated[bool, Option("--json", help="Print JSON.")]


def gc(
    dry_run: Annotated[
        bool, Option("--dry-run", "-n", help="Only say what would be taken away.")
    ] = False,
    drop_values: Annotated[
        bool, Option("--drop-values", help="Let values go that the options below don't keep.")
    ] = False,
    keep_last: Annotated[
        int,
        Option(
            "--keep-last",
            metavar="N",
            min=0,
            help="Of each artifact, the newest N keep their value.",
        ),
    ] = 1,
    keep_tagged: Annotated[
        bool, Option("--keep-tagged/--drop-tagged", help="Tagged versions keep their value.")
    ] = True,
    unproven: Annotated[
        bool, Option("--unproven", help="Also values that linea verify didn't find identical.")
    ] = False,
    grace: Annotated[
        str | None,
        Option("--grace", metavar="TIME", help="How long things can be undone: '14 days', or now."),
    ] = None,
    alone: Annotated[
        bool,
        Option("--alone", help="Nobody else writes now: for file systems that can't tell."),
    ] = False,
    json: Json = False,
) -> None:
    """Take away what nothing needs; drop old values.

    Objects that nothing rests on, and values of versions that were removed, go once they are
    older than the grace period. With --drop-values the values of older versions go as well, by
    default those alone that a re-run made again, byte by byte: they can be had back by linea undo
    within the grace period, and by running their code at any time. Versions, code, and all that
    is known of values are always kept.

    \b
    Example:
      linea gc
      linea gc --drop-values --keep-last 3 --dry-run
      linea gc --grace now
    """
    policy = Policy(keep_last, keep_tagged, not unproven) if drop_values else None
    if not drop_values and (keep_last != 1 or not keep_tagged or unproven):
        raise LineaError(
            "these options say what --drop-values keeps", hint="linea gc --drop-values"
        )
    with project() as here:
        report = here.repository.gc(
            grace=_grace(grace), policy=policy, dry_run=dry_run, alone=alone
        )
    if json:
        render.print_json(_record(report, dry_run))
        return
    screen = render.screen()
    screen.lines(
        f"{render.clean(revision)}  {render.size(size)}" for revision, size in report.dropped
    )
    for line in _summary(report, dry_run):
        render.say(line)


def _grace(text: str | None) -> timedelta:
    """Read how long ago something must be."""
    if text is None:
        return GRACE
    if text.strip() in ("now", "0"):
        return timedelta(0)
    moment = now()
    try:
        return moment - parse_time(f"{text.strip().removesuffix(' ago')} ago", moment)
    except LineaError:
        raise LineaError(f"{text!r} is no time", hint="write '3 days', '1 hour' or now") from None


def _summary(report: Report, dry_run: bool) -> list[str]:
    would = "Would free" if dry_run else "Freed"
    lines = [f"{would} {render.size(report.freed)}."]
    if report.dropped:
        count = render.plural(len(report.dropped), "value")
        lines.insert(0, f"{'Would drop' if dry_run else 'Dropped'} {count}.")
    if report.held and report.until is not None:
        until = f"{report.until:%Y-%m-%d %H:%M}"
        lines.append(
            f"{render.size(report.held)} more {'would be' if dry_run else 'are'} held until {until}."
            + ("" if dry_run else " Undo: linea undo. Free them at once: linea gc --grace now")
        )
    return lines


def _record(report: Report, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "freed": report.freed,
        "held": report.held,
        "until": report.until,
        "dropped": [{"revision": revision, "bytes": size} for revision, size in report.dropped],
        "unreachable": report.unreachable,
        "packs": {"before": report.packs[0], "after": report.packs[1]},
    }


def fsck(
    repair: Annotated[
        bool, Option("--repair", help="Get what is damaged from elsewhere, as far as that has it.")
    ] = False,
    source: Annotated[
        list[Path] | None,
        Option("--from", metavar="DIR", help="Another store of the same artifacts, for --repair."),
    ] = None,
    strict: Annotated[
        bool,
        Option("--strict", help="Load values too, and hold them against what is said of them."),
    ] = False,
    trust: Annotated[
        bool, Option("--trust", help="With --strict: load pickled values, which runs their code.")
    ] = False,
    json: Json = False,
) -> int:
    """Check that every stored byte is what was stored.

    Reads every file and object of the store and every version of every artifact, those that were
    removed included, and holds them against their ids, manifests and digests. Exits with 2 when
    something is damaged. --repair gets whole copies from other stores, from the remotes that git
    knows the store by (git -C .linea remote add) and from elsewhere in this one; for values that a
    re-run made again before, it runs their code once more.

    \b
    Example:
      linea fsck
      linea fsck --strict
      linea fsck --repair --from /backup/houses
    """
    from functools import partial

    from linea import values

    if source and not repair:
        raise LineaError(
            "--from is where --repair gets things", hint="linea fsck --repair --from …"
        )
    if trust and not strict:
        raise LineaError(
            "--trust is for values that are loaded", hint="linea fsck --strict --trust"
        )
    recheck = partial(values.recheck, trusted=trust) if strict else None
    with project() as here:
        report = here.repository.fsck(values.digest_bytes, recheck)
        repaired = None
        if repair and report.problems:
            before, repaired = report.problems, _repaired(here, report, source or [])
            report = here.repository.fsck(values.digest_bytes, recheck)
            if report.problems and report.problems != before:
                # What lies below a ref that was damaged is seen only now.
                more = _repaired(here, report, source or [])
                repaired = Repaired(repaired.objects + more.objects, more.missing)
                report = here.repository.fsck(values.digest_bytes, recheck)
            if _made_again(here, report):
                report = here.repository.fsck(values.digest_bytes, recheck)
    if json:
        render.print_json(
            {
                "versions": report.versions,
                "problems": [_problem(each) for each in report.problems],
                "unchecked": [{"revision": rev, "why": why} for rev, why in report.unchecked],
                "repaired": None if repaired is None else repaired.objects,
            }
        )
        return 2 if report.problems else 0
    screen = render.screen()
    if repaired is not None:
        render.say(f"Repaired {render.plural(repaired.objects, 'object')}.")
    count = render.plural(report.versions, "version")
    if not report.problems:
        screen.line(f"{count}, all as stored")
        _tell_unchecked(report)
        return 0
    screen.line(f"{count}, {render.plural(len(report.problems), 'problem')}")
    for each in report.problems:
        hits = shortlist(each.hits)
        screen.line(f"  {render.clean(f'{hits}: ' if hits else '')}{render.clean(each.what)}")
    _tell_unchecked(report)
    if not repair:
        render.suggest("linea fsck --repair --from DIR", "get it from another store")
    return 2


def _repaired(here: Project, report: Checked, sources: list[Path]) -> Repaired:
    """Get what is damaged from the stores that were named, and from the store's git remotes."""
    from linea.store.remotes import fetched, remotes

    store = here.repository.path
    known = remotes(store) if store is not None else []
    if store is None or not known:
        return here.repository.repair(report, sources)
    render.say(f"Looking in {', '.join(render.clean(each.name) for each in known)}.")
    with fetched(store, known) as (folders, unreached):
        for each in unreached:
            render.say(f"{render.clean(each.remote.name)} can't be read: {render.clean(each.why)}")
        return here.repository.repair(report, [*sources, *folders])


def _tell_unchecked(report: Checked) -> None:
    """Say which values weren't loaded, by the reason."""
    for why in dict.fromkeys(why for _, why in report.unchecked):
        which = shortlist([revision for revision, each in report.unchecked if each == why])
        render.say(f"Not loaded: {render.clean(which)}: {render.clean(why)}")


def _made_again(here: Project, report: Checked) -> int:
    """Run the code of the versions that are hit and that it made again before; give how many."""
    from linea.replay.rebuild import rebuild as run

    count = 0
    for each in dict.fromkeys(hit for problem in report.problems for hit in problem.hits):
        try:
            version = resolve(here.repository, each)
            verdict = here.repository.verdict(version)
            if verdict is not None and verdict.outcome == "identical":
                run(here.repository, version, here.root)
                count += 1
                render.say(f"Made {render.clean(each)} again by its code.")
        except LineaError:
            continue  # it stays among the problems
    return count


def rebuild(
    revs: Annotated[
        list[str],
        Argument(metavar="REV", help="Revisions.", autocompletion=complete_revisions),
    ],
    json: Json = False,
) -> None:
    """Make values again that were dropped or damaged.

    Runs the code of each version, as linea verify does, and stores what it gives if its digest
    is the one that was recorded.

    \b
    Example:
      linea rebuild feature_table@v1
    """
    from linea.replay.rebuild import rebuild as run

    made = []
    with project() as here:
        for rev in revs:
            version = revision(here.repository, rev)
            run(here.repository, version, here.root)
            made.append(version.revision)
            if not json:
                render.say(f"Made {render.clean(version.revision)} again. Undo: linea undo")
    if json:
        render.print_json({"rebuilt": made})


def _problem(found: Problem) -> dict[str, object]:
    return {
        "problem": found.what,
        "revisions": list(found.hits),
        "objects": list(found.objects),
        "pack": found.pack,
    }
