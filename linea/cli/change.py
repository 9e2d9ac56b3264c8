"""Commands that change something: files on disk, tags, what is kept."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from linea.cli import records, render
from linea.cli.hooks import matching_commit
from linea.cli.parameters import Argument, Option
from linea.cli.render import Cell
from linea.cli.surroundings import (
    Project,
    complete_deleted,
    complete_revisions,
    now,
    project,
    revision,
)
from linea.errors import LineaError, NoSuchArtifactError, StoreError
from linea.history.revision import parse, shortlist, suggest

if TYPE_CHECKING:
    from linea.model import Version
    from linea.store.operations import Operation
    from linea.store.repository import Repository

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Revision = Annotated[
    str,
    Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions),
]


def checkout(
    rev: Annotated[
        str | None,
        Argument(metavar="REV", help="A revision.", autocompletion=complete_revisions),
    ] = None,
    to: Annotated[
        Path, Option("--to", metavar="DIR", help="Write here; made where it is missing.")
    ] = Path(),
    code: Annotated[bool, Option("--code", help="Only the code.")] = False,
    value: Annotated[bool, Option("--value", help="Only the value.")] = False,
    inputs: Annotated[
        bool, Option("--inputs", help="Also the files that it was made from, as they were.")
    ] = False,
    env: Annotated[
        bool, Option("--env", help="Also a virtual environment as it was, in DIR/env.")
    ] = False,
    run: Annotated[
        bool, Option("--run", help="Run the code on the inputs, and compare what comes out.")
    ] = False,
    match: Annotated[
        str | None,
        Option("--match", metavar="COMMIT", help="All that this git commit's code made."),
    ] = None,
    format: Annotated[
        str | None,
        Option("--format", metavar="FORMAT", help="Of the value: csv, parquet, json …"),
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite files that hold other work.")] = False,
    json: Json = False,
) -> int:
    """Write a version's value and code as files.

    The value takes its natural form: a table becomes .parquet, an array .npy, a text .txt. A
    file that is in no version is never overwritten unless forced.

    --env makes a virtual environment with the Python and the exact packages that were recorded, by
    uv where it is installed, else by venv and pip; what can't be had is said. --run runs the code
    on its inputs as they were, in that environment if one is made, and exits with 1 when another
    value comes out. --match HEAD brings the values that fit the code checked out in git.

    \b
    Example:
      linea checkout feature_table@v2
      linea checkout --format csv --value --to out feature_table
      linea checkout model@v3 --to old --inputs --env --run
      linea checkout --match HEAD
    """
    if (rev is None) == (match is None):
        raise LineaError("which version?", hint="linea checkout REV, or --match COMMIT")
    with project() as here:
        if match is not None:
            versions = matching_commit(here, match)
            if not versions:
                raise LineaError(f"no artifact fits the code of {match}")
            value = value or not code
        else:
            versions = [revision(here.repository, rev or "")]
        only = (value, code)
        done = [
            _written(here, version, to, only=only, inputs=inputs or run, force=force, format=format)
            for version in versions
        ]
        facts, status = _revived(here, versions, to, env=env, run=run, quiet=json)
    if json:
        found = [
            {"revision": version.revision, "files": files} | facts
            for version, files in zip(versions, done, strict=True)
        ]
        render.print_json(found if match is not None else found[0])
        return status
    for version, files in zip(versions, done, strict=True):
        render.say(f"Wrote {version.revision}:")
        render.screen().lines(render.clean(str(path)) for path in files)
    render.screen().lines(render.clean(line) for line in facts.get("problems", []))
    if "outcome" in facts:
        render.screen().line(f"run again: {facts['outcome']}")
        render.screen().lines(render.clean(line) for line in facts["detail"].splitlines())
    return status


def _written(
    here: Project, version: Version, to: Path, *, only: tuple[bool, bool], inputs: bool,
    force: bool, format: str | None,
) -> list[Path]:  # fmt: skip
    from linea.replay.checkout import checkout as write

    value, code = only
    return write(
        here.repository, version, to, value=value or not code, code=code or not value,
        inputs=inputs, force=force, format=format,
    )  # fmt: skip


def _revived(
    here: Project, versions: list[Version], to: Path, *, env: bool, run: bool, quiet: bool
) -> tuple[dict[str, Any], int]:
    """Make the environment, run the code in it; return what came of it, and the exit status."""
    facts: dict[str, Any] = {}
    if len(versions) != 1 or not (env or run):
        return facts, 0
    (version,) = versions
    python = None
    if env:
        from linea.replay.environment import build

        built = build(
            version.environment, to / "env", support=run,
            saying=lambda text: None if quiet else render.say(f"{text} …"),
        )  # fmt: skip
        python = built.python
        facts |= {"env": built.folder, "problems": list(built.problems)}
    if not run:
        return facts, 0
    from linea.replay.run import rerun
    from linea.replay.verify import judge

    interpreter = str(python.absolute()) if python else sys.executable
    ran = rerun(here.repository, version, here.root, keep_parts=True, python=interpreter)
    verdict = judge(here.repository, version, ran, None, now())
    facts |= {"outcome": verdict.outcome, "detail": verdict.detail}
    return facts, int(verdict.outcome != "identical")


def tag(
    rev: Annotated[
        str | None,
        Argument(
            metavar="REV",
            help="The version; all tags are listed without it.",
            autocompletion=complete_revisions,
        ),
    ] = None,
    name: Annotated[str | None, Argument(metavar="TAG", help="The tag to put on it.")] = None,
    delete: Annotated[
        str | None, Option("--delete", "-d", metavar="TAG", help="Take this tag away.")
    ] = None,
    json: Json = False,
) -> None:
    """List, put or take away tags of versions.

    A tag stands on one version of an artifact; put on another one it moves there.

    \b
    Example:
      linea tag
      linea tag model@v3 production
      linea tag model -d production
    """
    with project() as here:
        repository = here.repository
        if name is not None and delete is not None:
            raise LineaError("put a tag or take one away, not both")
        if rev is None:
            if delete is not None:
                raise LineaError("whose tag?", hint=f"linea tag NAME -d {delete}")
            found = repository.all_tags()
        else:
            version = revision(repository, rev)
            before = dict(repository.tags(version.name))
            if delete is not None:
                if delete not in before:
                    near = suggest(delete, before)
                    raise LineaError(
                        f"{version.name!r} has no tag {delete!r}",
                        hint=f"did you mean {near}?" if near else f"linea tag {version.name}",
                    )
                repository.untag(version.name, delete)
                back = f"linea tag {version.name}@v{before[delete]} {delete}"
                render.say(f"Took {delete} off {version.name}@v{before[delete]}. Undo: {back}")
            elif name is not None:
                repository.tag(version, name)
                moved = f", was on v{before[name]}" if name in before else ""
                render.say(
                    f"{version.revision} is now {version.name}@{name}{moved}. Undo: linea undo"
                )
            found = {version.name: repository.tags(version.name)}
    if json:
        render.print_json(found)
        return
    if name is not None or delete is not None:
        return
    rows = [
        [Cell(render.clean(artifact), ("bold",)), Cell(f"v{n}", ("yellow",)), Cell(render.clean(t))]
        for artifact, tags in found.items()
        for t, n in sorted(tags.items(), key=lambda item: (-item[1], item[0]))
    ]
    screen = render.screen()
    screen.lines(render.table(screen, rows))
    if not rows:
        render.say("No tags.")


def rm(
    revs: Annotated[
        list[str],
        Argument(
            metavar="REV",
            help="An artifact, or one version: name@v2.",
            autocompletion=complete_revisions,
        ),
    ],
    json: Json = False,
) -> None:
    """Remove an artifact or one of its versions.

    linea undo brings it back.

    \b
    Example:
      linea rm scratch
      linea rm model@v2
    """
    with project() as here:
        repository = here.repository
        targets = []
        for rev in revs:
            revised = parse(rev)
            version = revision(repository, rev)
            whole = revised.base == version.name and revised.at is None and not revised.back
            targets.append((version, whole))
        removed = []
        for version, whole in targets:
            repository.delete(version.name, None if whole else version.number)
            removed.append(version.name if whole else version.revision)
    if json:
        render.print_json({"removed": removed})
        return
    for each in removed:
        render.say(f"Removed {render.clean(each)}. Undo: linea undo {_quoted(each)}")


def undo(
    what: Annotated[
        str | None,
        Argument(
            metavar="WHAT",
            help="An operation of the list, or what was removed: name, or name@v2. The last"
            " operation by default.",
            autocompletion=complete_deleted,
        ),
    ] = None,
    list_: Annotated[bool, Option("--list", help="List what can be undone.")] = False,
    json: Json = False,
) -> None:
    """Take back the last operation.

    Whatever it was: a save, a tag, a removal, a verdict, or what gc took
    away. An undone save's version is removed as linea rm does it: no number is given twice.
    Undoing can be undone, too.

    \b
    Example:
      linea undo
      linea undo model@v2
      linea undo --list
    """
    with project() as here:
        if list_:
            _print_operations(here.repository, json)
            return
        done = _undone(here.repository, what)
        again = here.repository.last_undo()
    if json:
        render.print_json({"undone": records.of_operation(done), "by": again})
        return
    render.say(
        f"Undone: {render.clean(done.what)}." + (f" Redo: linea undo {again}" if again else "")
    )


def _undone(repository: Repository, what: str | None) -> Operation:
    """Undo an operation by its id, or the removal of what is named."""
    done = repository.operations()
    if what is None or repository.knows_operation(what):
        return repository.undo(what)
    name, number = _removed(repository, what)
    wanted = f"delete {name}" if number is None else f"delete {name}@v{number}"
    removal = next((each for each in done if each.what == wanted), None)
    if removal is not None:
        try:
            return repository.undo(removal.id)
        except StoreError:
            pass  # the artifact moved on since: what is hidden of it comes back one by one
    repository.restore(name, number)
    return repository.operations()[0]


def _print_operations(repository: Repository, json: bool) -> None:
    done = repository.operations()
    if json:
        render.print_json([records.of_operation(each) for each in done])
        return
    screen, moment = render.screen(), now()
    rows = [
        [
            Cell(each.id, ("yellow",)),
            Cell(render.age(each.when, moment), ("dim",)),
            Cell(render.clean(each.what)),
        ]
        for each in done
    ]
    screen.lines(render.table(screen, rows))
    render.say("The first is the last: linea undo" if rows else "Nothing was done yet.")


def _removed(repository: Repository, rev: str) -> tuple[str, int | None]:
    """Return the name, and the number if one is meant, of what was removed."""
    gone = repository.deleted()
    revised = parse(rev)
    number = (revised.at or "").removeprefix("v")
    if (revised.at and not number.isdigit()) or revised.back:
        raise LineaError(f"{rev} isn't a version", hint="write name, or name@v2")
    if not number and revised.base not in [*gone, *repository.names()]:
        near = suggest(revised.base, gone)
        hint = f"did you mean {near}?" if near else f"removed are {shortlist(gone) or 'none'}"
        raise NoSuchArtifactError(f"no artifact named {revised.base!r} was removed", hint=hint)
    return revised.base, int(number) if number else None


def _quoted(text: str) -> str:
    """Return a name as it is typed behind a command."""
    return ("-- " if text.startswith("-") else "") + shlex.quote(text)
