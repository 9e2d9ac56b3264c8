"""A slice → the value it gives in a fresh process, in a scratch copy of the working folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea import jsons, values
from linea.errors import ReplayError
from linea.model import Column, Digest, InputFile, Parent, Part, Preview, ValueRecord, Version
from linea.replay import inputs as recorded
from linea.replay import scratch

if TYPE_CHECKING:
    from linea.store.repository import Repository

OUTPUT_LIMIT = 1 << 20
"""How much of what the code prints is kept, in bytes from the end."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a slice gave."""

    outcome: str
    """`done`, `failed` or `timeout`."""
    record: ValueRecord | None = None
    saved: tuple[ValueRecord, ...] = ()
    """Every value that the code handed to `linea.save` under the artifact's name, in order; just
    the result where the slice has a result variable."""
    seconds: float = 0.0
    stdout: str = ""
    stderr: str = ""
    traceback: str = ""
    """The user's traceback, without linea's frames."""
    line: int | None = None
    """The line of the slice at which it failed."""
    parts: tuple[Mapping[str, bytes], ...] = field(default=(), repr=False)
    """The bytes of each of `saved`, where they were asked for."""
    preview: Preview | None = None
    loaded: tuple[str, ...] = ()
    """Commits of the versions that the code got from the store."""
    modules: tuple[str, ...] = ()
    """The project's modules that it imported, relative to the project."""
    trace: tuple[tuple[int, Mapping[str, str]], ...] = ()
    """First line of each statement and the digests of the names in it, where they were asked for."""

    @property
    def digest(self) -> Digest | None:
        return self.record.digest if self.record else None


def run(
    code: str,
    result: str | None,
    *,
    root: Path,
    inputs: Sequence[InputFile] = (),
    source: str = "",
    name: str | None = None,
    kind: str | None = None,
    store: Path | None = None,
    parents: Sequence[Parent] = (),
    timeout: float | None = None,
    python: str = sys.executable,
    keep_parts: bool = False,
    given: Mapping[str, bytes] = scratch.NOTHING_GIVEN,
    variables: Mapping[str, str | None] = scratch.NO_VARIABLES,
    trace: bool = False,
    isolate: bool = True,
    folder: str | None = None,
) -> Run:
    """Run `code` as `__main__` and encode `result`, or what it saves under `name`.

    Nothing below `root` is changed: the code works in a copy of its modules and `inputs`, and
    `linea.get` reads `store` at the versions that `parents` pin. `given` are the bytes of inputs
    that aren't on disk as they shall be, `folder` is where the code ran, inferred where it is
    None, `variables` are environment variables to set (None: to take away). `isolate` gives the
    process, where the system can, a view in which the copy lies in the project's own place. With
    `trace` the digests of what each statement touched are taken after it.
    """
    with scratch_folder() as base:
        for name_of_folder in ("out", "tmp", "code", "root"):
            (base / name_of_folder).mkdir()
        root = root.resolve()
        project = scratch.prepare(root, base / "root", inputs, code, given)
        scratch.stand_ins(root, project, code)
        request = {
            "code": code,
            "result": result,
            "name": name,
            "kind": kind,
            "store": str(store.resolve()) if store else None,
            "parents": {parent.name: str(parent.commit) for parent in parents},
            "source": source,
            "project": str(project),
            "root": str(root),
            "outside": {
                file.path: str(base / "root" / Path(file.path).relative_to(Path(file.path).anchor))
                for file in inputs
                if Path(file.path).is_absolute() and file.path in given
            },
            "variables": dict(variables),
            "trace": trace,
            "isolate": isolate,
            "folder": scratch.working_folder(code, inputs, source) if folder is None else folder,
            "base": str(base),
            "protected": [
                str(root),
                *(str(Path(file.path)) for file in inputs if Path(file.path).is_absolute()),
            ],
            "keep_parts": keep_parts,
        }
        (base / "request.json").write_text(jsons.dumps(request), encoding="utf-8")
        command = [python, "-P", "-m", "linea.replay.child", str(base / "request.json")]
        finished = call(command, base, project, timeout, variables)
        return read_answer(base, finished, timeout)


def rerun(
    repository: Repository,
    version: Version,
    root: Path,
    *,
    timeout: float | None = None,
    keep_parts: bool = False,
    trace: bool = False,
    code: str | None = None,
    given: Mapping[str, bytes] | None = None,
    variables: Mapping[str, str | None] = scratch.NO_VARIABLES,
    python: str = sys.executable,
) -> Run:
    """Run the slice of a stored version, or `code` instead of it, on its recorded inputs and parents.

    ReplayError where an input is gone; `given` are the bytes of those that aren't on disk as they
    were, where the caller has looked already.
    """
    if given is None:
        found = recorded.find(repository, version, root)
        if found.problems:
            raise ReplayError(f"{version.revision} can't be run again: {'; '.join(found.problems)}")
        given = found.given
    return run(
        repository.code(version) if code is None else code,
        version.result,
        root=root,
        given=given,
        variables={
            **{each.name: each.value for each in version.environment.variables if each.kept},
            **variables,
        },
        trace=trace,
        python=python,
        folder=version.folder,
        inputs=version.inputs,
        source=version.source,
        name=version.name,
        kind=version.value.kind,
        store=repository.path,
        parents=version.parents,
        timeout=timeout,
        keep_parts=keep_parts,
    )


def run_version(
    repository: Repository, version: Version, root: Path, *, timeout: float | None = None
) -> object:
    """Run the slice of a stored version and give the value that comes out."""
    ran = rerun(repository, version, root, timeout=timeout, keep_parts=True)
    if ran.record is None:
        raise ReplayError(f"{version.revision} can't be run again: {ran.traceback}")
    return values.decode(ran.record, ran.parts[-1].__getitem__)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="linea-replay-")).resolve()
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def call(
    command: list[str],
    base: Path,
    folder: Path,
    timeout: float | None,
    variables: Mapping[str, str | None] = scratch.NO_VARIABLES,
) -> int | None:
    """Run `command` with its output in files; return its exit status, None past the time limit.

    Files and not pipes: a process that the code left behind would hold a pipe open.
    """
    with (base / "stdout").open("wb") as stdout, (base / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            env=surroundings(
                variables, own_package(base) if command[0] != sys.executable else None
            ),
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.returncode is None:
                kill_group(process)


def own_package(base: Path) -> Path:
    """A folder that holds linea alone, for an interpreter that hasn't got it."""
    folder = base / "lib"
    folder.mkdir(exist_ok=True)
    (folder / "linea").symlink_to(Path(__file__).resolve().parents[1], target_is_directory=True)
    return folder


def surroundings(
    variables: Mapping[str, str | None], path: Path | None = None
) -> dict[str, str] | None:
    """The environment of the process: this one's, changed by `variables`; None for no change."""
    if path is not None:
        variables = {**variables, "PYTHONPATH": str(path)}
    if not variables:
        return None
    wanted = {**os.environ, **{name: text for name, text in variables.items() if text is not None}}
    return {name: text for name, text in wanted.items() if variables.get(name, "") is not None}


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill `process` with every process that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError):
        process.kill()  # no process groups here, or the leader has just gone
    process.wait()


def read_answer(base: Path, status: int | None, timeout: float | None) -> Run:
    stdout, stderr = tail(base / "stdout"), tail(base / "stderr")
    answer = base / "out" / "answer.json"
    if status is None:
        return Run(
            "timeout",
            seconds=timeout or 0.0,
            stdout=stdout,
            stderr=stderr,
            traceback=f"stopped after {timeout:g} s",
        )
    if not answer.exists():
        said = stderr.strip()[-2000:]
        return Run(
            "failed",
            stdout=stdout,
            stderr=stderr,
            traceback=f"the process ended with status {status} and left no value\n{said}".strip(),
        )
    try:
        facts = jsons.loads(answer.read_text(encoding="utf-8"))
        saved = tuple(record_from_json(entry) for entry in facts["saved"])
    except (ValueError, KeyError, TypeError):
        said = "the process left an answer that can't be read: the code changes what Python itself does"
        return Run("failed", stdout=stdout, stderr=stderr, traceback=said)
    return Run(
        "failed" if facts["traceback"] else "done",
        record=saved[-1] if saved else None,
        saved=saved,
        seconds=facts["seconds"],
        stdout=stdout,
        stderr=stderr,
        traceback=facts["traceback"],
        line=facts["line"],
        trace=tuple((line, dict(seen)) for line, seen in facts["trace"]),
        loaded=tuple(facts["loaded"]),
        modules=tuple(facts["modules"]),
        preview=Preview(facts["preview"], (base / "out" / "preview").read_bytes())
        if facts["preview"]
        else None,
        parts=tuple(
            {part: (base / "out" / file).read_bytes() for part, file in files.items()}
            for files in facts["parts"]
        ),
    )


def tail(path: Path) -> str:
    """The end of a file as text."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OUTPUT_LIMIT))
        return file.read().decode(errors="replace")


def record_from_json(facts: Mapping[str, Any]) -> ValueRecord:
    return ValueRecord(
        **{
            **facts,
            "parts": tuple(Part(**part) for part in facts["parts"]),
            "columns": tuple(Column(**column) for column in facts["columns"]),
        }
    )
