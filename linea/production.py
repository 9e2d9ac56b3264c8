"""Artifacts → code, pipelines, runs: the public functions, and where the project is looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea import api
from linea.errors import NoSuchArtifactError, PipelineError
from linea.model import Version
from linea.pipeline.plan import imported
from linea.places import now

if TYPE_CHECKING:
    from types import ModuleType

    from linea.codegen import Part
    from linea.pipeline.definition import Definition
    from linea.pipeline.plan import Plan
    from linea.pipeline.run import Result
    from linea.pipeline.targets import Options
    from linea.store.repository import Repository


# ------------------------------------------------------------------------------------- modules


def get_module_definition(
    artifacts: Sequence[Any],
    *,
    input_parameters: Sequence[str] = (),
    reuse_pre_computed_artifacts: Sequence[Any] = (),
) -> str:
    """Source of a module with a function for each artifact; see `get_module`."""
    from linea import codegen

    with api._opened(api._store(sys._getframe(1))) as repository:
        parts = module_parts(repository, artifacts, reuse_pre_computed_artifacts, input_parameters)
        return codegen.module(parts, input_parameters=input_parameters)


def get_module(
    artifacts: Sequence[Any],
    *,
    input_parameters: Sequence[str] = (),
    reuse_pre_computed_artifacts: Sequence[Any] = (),
) -> ModuleType:
    """A module made from artifacts: a function each, and `run_all(**parameters)` for all of them."""
    from types import ModuleType

    source = get_module_definition(
        artifacts,
        input_parameters=input_parameters,
        reuse_pre_computed_artifacts=reuse_pre_computed_artifacts,
    )
    module = ModuleType("linea_pipeline")
    exec(compile(source, "<linea module>", "exec", dont_inherit=True), module.__dict__)
    return module


def get_function(
    artifacts: Sequence[Any],
    *,
    input_parameters: Sequence[str] = (),
    reuse_pre_computed_artifacts: Sequence[Any] = (),
) -> Callable[..., dict[str, Any]]:
    """A function that rebuilds artifacts and gives them in a dictionary by name."""
    module = get_module(
        artifacts,
        input_parameters=input_parameters,
        reuse_pre_computed_artifacts=reuse_pre_computed_artifacts,
    )
    function: Callable[..., dict[str, Any]] = module.run_all
    return function


def module_parts(
    repository: Repository,
    artifacts: Iterable[Any],
    reuse: Iterable[Any],
    parameters: Sequence[str],
) -> list[Part]:
    from linea.pipeline.plan import Source, part_of, with_branches

    wanted = versions(repository, artifacts)
    reused = {version.name: version for version in versions(repository, reuse)}
    wanted += [version for name, version in reused.items() if name not in {v.name for v in wanted}]
    sources = [
        Source(
            version,
            repository.code(version),
            reused=version.name in reused,
            session=repository.session(version),
        )
        for version in (reused.get(each.name, each) for each in wanted)
    ]
    return [part_of(with_branches(source, parameters), {}, None) for source in sources]


def versions(repository: Repository, artifacts: Any) -> list[Version]:
    """The versions that names, (name, number) pairs, revisions or artifacts stand for."""
    from linea.history.revision import resolve

    if isinstance(artifacts, (str, api.Artifact)):
        artifacts = [artifacts]
    elif isinstance(artifacts, Mapping):
        artifacts = list(artifacts.items())
    found = []
    for item in artifacts:
        if isinstance(item, tuple):
            found.append(resolve(repository, item[0], item[1], now=now()))
        elif isinstance(item, api.Artifact):
            found.append(item._version)
        else:
            found.append(resolve(repository, str(item), now=now()))
    return found


# ----------------------------------------------------------------------------------- pipelines


class Pipeline:
    """A pipeline as it is stored: artifacts, parameters, order."""

    def __init__(self, definition: Definition, store: Path, revision: str) -> None:
        self._definition = definition
        self._store = store
        self.revision = revision

    @property
    def name(self) -> str:
        return self._definition.name

    @property
    def artifacts(self) -> list[str]:
        """The revisions whose code it runs, those that were included for others too."""
        return [f"{m.name}@v{m.number}" for m in self._definition.members]

    @property
    def input_parameters(self) -> list[str]:
        return list(self._definition.input_parameters)

    @property
    def definition(self) -> Definition:
        return self._definition

    def plan(self) -> Plan:
        """What runs: tasks, what goes between them, the module."""
        from linea.pipeline.definition import planned

        with api._opened(self._store) as repository:
            return planned(repository, self._definition)

    def export(
        self,
        framework: str = "SCRIPT",
        output_dir: str | Path = ".",
        *,
        generate_test: bool = False,
        pipeline_dag_config: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> list[Path]:
        """Write the files for an engine; give their paths.

        `pipeline_dag_config` may have `schedule`, `retries`, `timeout` (seconds), `tags`, `image`;
        everything else in it is passed on to the engine by name.
        """
        from linea.pipeline import export, lock, testing

        plan = self.plan()
        root = self._store.parent
        folder = Path(output_dir)
        options = options_of(pipeline_dag_config or {}, folder, root)
        made = export.files(plan, framework, options, lock.lock(plan.environment.packages), root)
        if generate_test:
            if f"{plan.identifier}_tasks.py" not in made:
                from linea.pipeline.targets.common import tasks_file

                made[f"{plan.identifier}_tasks.py"] = tasks_file(plan, options).encode()
            text = testing.test_file(plan, options.project, root)
            made[f"test_{plan.identifier}.py"] = text.encode()
        written = export.write(made, folder, force=force)
        if generate_test:
            self._write_expected(plan, folder, root)
        return written

    def _write_expected(self, plan: Plan, folder: Path, root: Path) -> None:
        from linea.pipeline import testing

        stored = {}
        with api._opened(self._store) as repository:
            for source in plan.sources:
                stored[source.name] = value_of(repository, source.version, folder)
        testing.expected(plan, stored, folder.resolve() / "expected", root)

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        start: str | None = None,
        jobs: int = 1,
        on: str = "local",
        dry: bool = False,
        report: Callable[[str], None] | None = None,
    ) -> Result:
        """Run what has changed, save what comes out; `start` names a task that is run in any case.

        `on` is `local`, `ray://HOST:PORT` or `dask://HOST:PORT`; `dry` only tells what would run.
        """
        from linea import origins, recording
        from linea.pipeline import run

        with api._opened(self._store) as repository:
            plan = self.plan()
            names = {package.name for package in plan.environment.packages}
            return run.run(
                repository,
                plan,
                run.Surroundings(
                    self._store.parent,
                    recording.author(),
                    now,
                    origins.environment(names | imported(plan.module), [plan.module]),
                ),
                parameters=parameters,
                start=start,
                jobs=jobs,
                on=on,
                dry=dry,
                report=report or (lambda text: None),
            )

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {', '.join(self.artifacts)}>"


def value_of(repository: Repository, version: Version, folder: Path) -> Any:
    """A stored value; of a file or folder, the path of a copy that is named as it was."""
    from linea import values

    if version.value.kind not in ("file", "folder"):
        return values.decode(version.value, repository.read_part(version))
    from linea.replay.checkout import file_stem, target_path, write

    place = folder.resolve() / "expected" / "files" / file_stem(version.name)
    made = values.export(version.value, repository.read_part(version), version.name)
    for name, data in made.items():
        write(target_path(place, name), data)
    return place / Path(next(iter(made))).parts[0]


def options_of(config: Mapping[str, Any], folder: Path, root: Path) -> Options:
    from linea.pipeline import export
    from linea.pipeline.targets import Options

    config = dict(config)
    tags = config.pop("tags", ())
    place, project = export.place(folder, root)
    known: dict[str, Any] = {}
    for name, kind in (("schedule", str), ("image", str), ("retries", int), ("timeout", int)):
        value = config.pop(name, None)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise PipelineError(f"{name} is {value!r}, not {kind.__name__}")
        known[name] = value
    return Options(
        **known,
        tags=(tags,) if isinstance(tags, str) else tuple(tags),
        settings=config,
        place=place,
        project=project,
        folder=str(folder.resolve()),
        python=sys.executable,
    )


def create_pipeline(
    artifacts: Sequence[Any],
    pipeline_name: str | None = None,
    *,
    dependencies: Mapping[str, Iterable[str]] | None = None,
    input_parameters: Sequence[str] = (),
    reuse_pre_computed_artifacts: Sequence[Any] = (),
    pins: Sequence[Any] = (),
    persist: bool = True,
) -> Pipeline:
    """Define a pipeline and store it as the next version of its name.

    What an artifact loads with `linea.get` is made too, unless it is pinned (`"features@v3"`) or
    reused: then it is loaded from the store at that version.
    """
    from linea.pipeline import definition

    path = api._store(sys._getframe(1))
    with api._opened(path) as repository:
        named = versions(repository, artifacts)
        if not named:
            raise PipelineError("no artifact was named", hint="name at least one")
        defined = definition.define(
            repository,
            pipeline_name or named[-1].name,
            named,
            input_parameters=[input_parameters] if isinstance(input_parameters, str) else input_parameters,
            dependencies=dependencies,
            reuse=versions(repository, reuse_pre_computed_artifacts),
            pins=versions(repository, pins),
        )  # fmt: skip
        definition.planned(repository, defined)  # what can't be made isn't stored
        revision = stored(repository, defined) if persist else ""
    return Pipeline(defined, path, revision)


def stored(repository: Repository, defined: Definition) -> str:
    """The revision that holds a definition: a new one where it differs from the last."""
    from linea import values
    from linea.pipeline import definition
    from linea.recording import author
    from linea.store.refs import artifact_name

    name = artifact_name(definition.PREFIX + defined.name)
    encoded = values.encode(definition.as_data(defined))
    known = definition.find(repository, defined.name, now())
    if known is not None and known.digest == encoded.record.digest:
        return known.revision
    draft = definition.draft(repository, defined, encoded, name=name, author=author(), now=now())
    (version,) = repository.commit([draft])
    return version.revision


def to_pipeline(
    artifacts: Sequence[Any],
    framework: str = "SCRIPT",
    pipeline_name: str | None = None,
    dependencies: Mapping[str, Iterable[str]] | None = None,
    output_dir: str | Path = ".",
    input_parameters: Sequence[str] = (),
    reuse_pre_computed_artifacts: Sequence[Any] = (),
    generate_test: bool = False,
    pipeline_dag_config: Mapping[str, Any] | None = None,
    *,
    pins: Sequence[Any] = (),
    force: bool = False,
) -> list[Path]:
    """Define a pipeline, store it, write the files for an engine; give their paths."""
    made = create_pipeline(
        artifacts,
        pipeline_name,
        dependencies=dependencies,
        input_parameters=input_parameters,
        reuse_pre_computed_artifacts=reuse_pre_computed_artifacts,
        pins=pins,
    )
    return made.export(
        str(framework),
        output_dir,
        generate_test=generate_test,
        pipeline_dag_config=pipeline_dag_config,
        force=force,
    )


def get_pipeline(name: str, version: int | None = None) -> Pipeline:
    """The stored pipeline of this name, at its newest version or another."""
    from linea import values
    from linea.history.revision import resolve
    from linea.pipeline import definition

    path = api._store(sys._getframe(1))
    with api._opened(path) as repository:
        try:
            found = resolve(repository, definition.PREFIX + name, version, now=now())
        except NoSuchArtifactError:
            known = [each.name for each in pipelines(repository)]
            raise PipelineError(
                f"there is no pipeline {name!r}",
                hint=f"there are: {', '.join(known)}"
                if known
                else "linea.create_pipeline makes one",
            ) from None
        data = values.decode(found.value, repository.read_part(found))
    if not isinstance(data, Mapping):
        raise PipelineError(f"{found.revision} is no pipeline")
    return Pipeline(definition.from_data(data), path, found.revision)


def pipelines(repository: Repository) -> list[Definition]:
    """All stored pipelines, by name."""
    from linea import values
    from linea.pipeline import definition

    found = []
    for name in repository.names():
        if name.startswith(definition.PREFIX) and name.count("/") == 1:
            version = repository.tip(name)
            data = values.decode(version.value, repository.read_part(version))
            if isinstance(data, Mapping):
                found.append(definition.from_data(data))
    return found
