"""The process of one task: a request in a file → its values, encoded, in a folder.

Started by `linea.pipeline.run` as `python -P -m linea.pipeline.worker REQUEST`. What it prints goes
to the task's log.
"""

from __future__ import annotations

import builtins
import dataclasses
import json
import os
import pickle
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linea.pipeline import runtime

PROGRAM: Any = runtime
MARK = 'if __name__ == "__main__":'


def launch(request: str, python: str = sys.executable) -> int:
    """Start the process of a request and wait for it; give its exit status."""
    log = Path(request).with_suffix(".log")
    environment = {**os.environ, "LINEA_WATCH": "0", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [python, "-P", "-m", "linea.pipeline.worker", request],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            return process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()


def main(argv: list[str]) -> int:
    request = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    out = Path(request["out"])
    out.mkdir(parents=True, exist_ok=True)
    folders = {name: Path(folder) for name, folder in request["folders"].items()}
    values_of_inputs = {name: stored_value(request, at) for name, at in request["inputs"].items()}
    random = stored_value(request, request["random"]) if request["random"] else None
    started = time.perf_counter()
    with PROGRAM.stage(request["task"], Path(request["project"]), folders, out):
        try:
            module = load(Path(request["module"]))
            arguments = {**values_of_inputs, **evaluated(request["parameters"], module)}
            if random is not None:
                PROGRAM.set_random(pickle.loads(random))
            given = vars(module)[request["function"]](**arguments)
        except BaseException:
            print_user_traceback(Path(request["module"]))
            return 1
        answer = encoded(request, given, out)
    answer["seconds"] = time.perf_counter() - started
    unfinished = out / "answer.json.part"
    unfinished.write_text(json.dumps(answer, default=str), encoding="utf-8")
    unfinished.replace(out / "answer.json")
    return 0


def load(path: Path) -> types.ModuleType:
    """Run the pipeline's module as `__main__`: classes are then what they were in the notebook."""
    text = path.read_text(encoding="utf-8").rpartition(MARK)[0]
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __file__=str(path))
    sys.modules["__main__"] = module
    sys.path.insert(0, str(Path.cwd()))
    exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def evaluated(parameters: Mapping[str, str], module: types.ModuleType) -> dict[str, Any]:
    """The arguments from their source texts, with what the module imports at hand."""
    return {name: eval(text, module.__dict__) for name, text in parameters.items()}


def stored_value(request: Mapping[str, Any], at: str) -> Any:
    """A value from the store, by its commit."""
    from linea import values
    from linea.store.repository import Repository

    with Repository.open(Path(request["store"])) as repository:
        version = repository.by_commit(at)
        return values.decode(version.value, repository.read_part(version))


def encoded(request: Mapping[str, Any], given: Any, out: Path) -> dict[str, Any]:
    """Write the parts of each value that the task gives; return what is known of them."""
    from linea import values

    state = PROGRAM.random_state() if request["task"]["keeps_random"] else None
    outputs = request["task"]["outputs"]
    found = dict(zip(outputs, (given,) if len(outputs) == 1 else given or (), strict=True))
    made = {}
    for name, value in found.items():
        is_file = name in request["task"]["files"]
        one = values.encode_path(Path(value)) if is_file else values.encode(value)
        made[name] = written(one, out, name)
    if state is not None:
        made[""] = written(values.encode(pickle.dumps(state)), out, "random state")
    return {"outputs": made}


def written(one: Any, out: Path, name: str) -> dict[str, Any]:
    files = {}
    for at, (part, data) in enumerate(one.parts.items()):
        files[part] = f"{name}-{at}"
        (out / files[part]).write_bytes(bytes(data))
    preview = None
    if one.preview is not None:
        preview = [one.preview.mime, f"{name}-preview"]
        (out / preview[1]).write_bytes(one.preview.data)
    return {"record": dataclasses.asdict(one.record), "parts": files, "preview": preview}


def print_user_traceback(module: Path) -> None:
    """The traceback from the first frame that is the pipeline's own."""
    kind, error, trace = sys.exc_info()
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename != str(module):
        first = first.tb_next
    traceback.print_exception(kind, error, first or trace)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
