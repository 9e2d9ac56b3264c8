"""Commands that turn artifacts into pipelines: code that runs elsewhere, and runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from linea.cli import render
from linea.cli.parameters import Argument, Option
from linea.cli.surroundings import complete_names, project
from linea.errors import PipelineError

Json = Annotated[bool, Option("--json", help="Print JSON.")]
Names = Annotated[
    list[str],
    Argument(metavar="NAME", help="Artifacts, or one pipeline.", autocompletion=complete_names),
]
Params = Annotated[
    list[str] | None,
    Option("--param", "-p", metavar="NAME", help="Make a constant of the code a parameter."),
]
Reuse = Annotated[
    list[str] | None,
    Option("--reuse", metavar="REVISION", help="Load this artifact, don't compute it."),
]
Pins = Annotated[
    list[str] | None,
    Option("--pin", metavar="REVISION", help="Where code gets this artifact, load this version."),
]
After = Annotated[
    list[str] | None, Option("--after", metavar="B:A", help="Make B only when A is there.")
]
Called = Annotated[str | None, Option("--name", metavar="NAME", help="Name of the pipeline.")]


def export(
    names: Names,
    to: Annotated[str | None, Option("--to", metavar="ENGINE", help="Files for it.")] = None,
    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="PATH", help="Write here: a folder with --to."),
    ] = None,
    param: Params = None,
    reuse: Reuse = None,
    pin: Pins = None,
    after: After = None,
    name: Called = None,
    schedule: Annotated[
        str | None, Option("--schedule", metavar="CRON", help="'0 6 * * 1' or @daily.")
    ] = None,
    retries: Annotated[
        int | None, Option("--retries", metavar="N", min=0, help="Tries after a failure.")
    ] = None,
    timeout: Annotated[
        int | None, Option("--timeout", metavar="SECONDS", min=1, help="Limit for a task.")
    ] = None,
    tag: Annotated[
        list[str] | None, Option("--tag", metavar="TAG", help="Tag in the engine.")
    ] = None,
    image: Annotated[
        str | None, Option("--image", metavar="IMAGE", help="Container image of the code.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A setting of the engine's own."),
    ] = None,
    test: Annotated[
        bool, Option("--test", help="Write tests that compare with the stored values.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Overwrite files.")] = False,
    json: Json = False,
) -> None:
    """Write code that makes artifacts: one module, or the files for an engine.

    Engines: script, make, cron, dvc, airflow, prefect, dagster, ray, dask, kubeflow, argo, github.

    \b
    Example:
      linea pipeline export feature_table model > pipeline.py
      linea pipeline export features model --to dvc -p n_estimators -o pipelines
      linea pipeline export churn --to cron --schedule "0 6 * * 1" -o jobs
    """
    given = _pipeline_of(names, name, param, reuse, pin, after, keep=to is not None)
    plan = given.plan()
    _say_notes(plan)
    if to is None:
        _print_module(given, plan, output, force=force, json=json)
        return
    config = {
        "schedule": schedule,
        "retries": retries,
        "timeout": timeout,
        "tags": tuple(tag or ()),
        "image": image,
        **_pairs(set_, literal=True),
    }
    written = given.export(
        to, output or Path(), generate_test=test, pipeline_dag_config=config, force=force
    )
    if json:
        render.print_json({"pipeline": given.revision, "files": written})
        return
    for path in written:
        render.say(f"Wrote {path}.")


def run(
    names: Names,
    param: Annotated[
        list[str] | None, Option("--param", "-p", metavar="NAME=VALUE", help="Set a parameter.")
    ] = None,
    start: Annotated[
        str | None, Option("--from", metavar="TASK", help="Run this task and all that rest on it.")
    ] = None,
    jobs: Annotated[int, Option("--jobs", "-j", metavar="N", min=1, help="Tasks at a time.")] = 1,
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would run.")] = False,
    on: Annotated[
        str, Option("--on", metavar="WHERE", help="local, ray://HOST:PORT, dask://HOST:PORT.")
    ] = "local",
    json: Json = False,
) -> int:
    """Run a pipeline: what has changed is computed, the rest is taken from the store.

    Each task is a fresh process. New values are saved as new versions; what a failed or stopped
    run has saved, the next one goes on from. Exits with 1 when a task failed.

    \b
    Example:
      linea pipeline run churn
      linea pipeline run churn --param n_estimators=200 --jobs 2
      linea pipeline run churn --from make_model
    """
    given_values = _pairs(param)
    asked = list(given_values)
    given = _pipeline_of(names, None, None, None, None, None, keep=True, parameters=asked)
    _say_notes(given.plan())
    result = given.run(
        start=start, jobs=jobs, on=on, dry=dry_run, report=render.say, parameters=given_values
    )
    failed = [each for each in result.outcomes if each.state in ("failed", "skipped")]
    if json:
        render.print_json({"pipeline": given.revision, "ok": result.ok, "tasks": result.outcomes})
        return 1 if failed else 0
    screen = render.screen()
    width = max(len(each.task) for each in result.outcomes)
    for each in result.outcomes:
        took = f"{each.seconds:6.1f} s" if each.state == "ran" else " " * 8
        what = ", ".join(each.versions) or each.detail
        screen.stream.write(
            f"{each.task:<{width}}  {each.state:<9}  {took}  {what}".rstrip() + "\n"
        )
    for each in failed:
        if each.log:
            render.say(f"What {each.task} said: {each.log}")
    return 1 if failed else 0


def show(
    name: Annotated[str, Argument(metavar="NAME", help="A pipeline.")], json: Json = False
) -> None:
    """Show a pipeline: its tasks, what goes between them, its parameters.

    \b
    Example:
      linea pipeline show churn
    """
    given = _pipeline_of([name], None, None, None, None, None, keep=False)
    plan = given.plan()
    if json:
        render.print_json(
            {"pipeline": given.revision, "artifacts": given.artifacts, "tasks": plan.tasks,
             "parameters": plan.parameters, "notes": plan.notes}
        )  # fmt: skip
        return
    write = render.screen().stream.write
    write(f"{given.revision or given.name}: {', '.join(given.artifacts)}\n")
    for parameter in plan.parameters:
        write(f"  parameter {parameter.name} = {parameter.text}\n")
    for task in plan.tasks:
        made = ", ".join(task.artifacts.values()) or ", ".join(task.outputs)
        after = f"  after {', '.join(task.upstream)}" if task.upstream else ""
        reads = f"  reads {', '.join(task.reads)}" if task.reads else ""
        write(f"  {task.name}  gives {made}{after}{reads}\n")
    _say_notes(plan)


def ls(json: Json = False) -> None:
    """List the stored pipelines.

    \b
    Example:
      linea pipeline ls
    """
    from linea import production

    with project() as here:
        found = production.pipelines(here.repository)
    if json:
        render.print_json(
            [{"name": d.name, "artifacts": [m.name for m in d.members]} for d in found]
        )
        return
    for each in found:
        members = ", ".join(f"{m.name}@v{m.number}" for m in each.members)
        render.screen().stream.write(f"{each.name}  {members}\n")


def pipeline() -> None:
    """Turn artifacts into code that runs elsewhere.

    \b
    Example:
      linea pipeline export model > model.py
      linea pipeline export features model --to airflow --schedule @daily -o dags
      linea pipeline run model
    """


pipeline.subcommands = [export, run, show, ls]  # type: ignore[attr-defined]


def _say_notes(plan: Any) -> None:
    for note in plan.notes:
        render.say(f"Note: {note}.")


def _print_module(given: Any, plan: Any, output: Path | None, *, force: bool, json: bool) -> None:
    from linea.pipeline.export import write

    if output is not None:
        write({output.name: plan.module.encode()}, output.parent, force=force)
        render.say(f"Wrote {output}.")
    if json:
        render.print_json({"revisions": given.artifacts, "module": plan.module, "file": output})
    elif output is None:
        render.screen().stream.write(plan.module)


def _pipeline_of(
    names: list[str],
    name: str | None,
    param: list[str] | None,
    reuse: list[str] | None,
    pin: list[str] | None,
    after: list[str] | None,
    *,
    keep: bool,
    parameters: list[str] | None = None,
) -> Any:
    """The stored pipeline that is named, or one that is made of artifacts.

    `parameters` are those of one that is made; a stored one has its own.
    """
    from linea import production
    from linea.pipeline.definition import PREFIX

    with project() as here:
        known = set(here.repository.names())
    asked = [
        *(param or ()),
        *(reuse or ()),
        *(pin or ()),
        *(after or ()),
        *([name] if name else ()),
    ]
    if len(names) == 1 and not asked and PREFIX + names[0].partition("@")[0] in known:
        first, _, number = names[0].partition("@v")
        return production.get_pipeline(first, int(number) if number.isdigit() else None)
    order: dict[str, list[str]] = {}
    for pair in after or ():
        later, colon, first = pair.partition(":")
        if not colon:
            raise PipelineError(f"--after {pair}: B:A is wanted", hint="B is made after A")
        order.setdefault(later, []).append(first)
    return production.create_pipeline(
        names,
        name,
        dependencies=order,
        input_parameters=[*(param or ()), *(parameters or ())],
        reuse_pre_computed_artifacts=reuse or (),
        pins=pin or (),
        persist=keep,
    )


def _pairs(given: list[str] | None, *, literal: bool = False) -> dict[str, Any]:
    """`KEY=VALUE` options as a dictionary; values that are literals as such."""
    import ast

    found: dict[str, Any] = {}
    for pair in given or ():
        key, equals, text = pair.partition("=")
        if not equals:
            raise PipelineError(f"{pair!r} is not NAME=VALUE")
        found[key] = text
        if literal:
            try:
                found[key] = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                continue
    return found
