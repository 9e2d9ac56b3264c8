"""Run the tasks of a pipeline one by one, with values handed on in files.

    python NAME_tasks.py all --run-dir DIR [--param NAME=VALUE]...
    python NAME_tasks.py TASK --run-dir DIR [--param NAME=VALUE]...

A task reads what it takes from the folders of the tasks before it (DIR/<task>) and writes what it
gives into its own, which appears only when it is complete: so a task that failed can be run again
alone, and two runs with two folders never meet.
"""

# >>> imports
from __future__ import annotations

import argparse
import ast
import contextlib
import datetime
import decimal
import importlib
import importlib.util
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

# <<< imports

MODULE = ""
PROJECT = "."
TASKS: dict = {}
PARAMETERS: dict = {}
# <<< tables

HERE = Path(__file__).resolve().parent


def run_task(
    name, run_dir=None, parameters=None, *, inputs=None, output=None, project=None
):
    """Run one task; return the folder of what it gives.

    `inputs` (task name to folder) and `output` stand for the folders below `run_dir`.
    `parameters` may hold more than the task takes, as values or as texts. `project` is the folder
    that the code's relative paths start from: by default $PIPELINE_PROJECT, or where it lay.
    """
    task = TASKS[name]
    folders = {each: Path(run_dir or ".", each).resolve() for each in TASKS}
    folders.update(
        {each: Path(folder).resolve() for each, folder in (inputs or {}).items()}
    )
    target = Path(output).resolve() if output else folders[name]
    project = Path(
        project or os.environ.get("PIPELINE_PROJECT") or HERE / PROJECT
    ).resolve()
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    unfinished.mkdir(parents=True)
    try:
        with stage(task, project, folders, unfinished):
            function = getattr(load_module(), name)
            arguments = {
                argument: read_value(folders[source], given)
                for argument, source, given in task["inputs"]
            }
            arguments.update(chosen(task["parameters"], parameters or {}))
            if task["random"]:
                state = (folders[task["random"]] / "random.state").read_bytes()
                set_random(pickle.loads(state))
            given = function(**arguments)
            if task["keeps_random"]:
                state = pickle.dumps(random_state())
                (unfinished / "random.state").write_bytes(state)
            given = (given,) if len(task["outputs"]) == 1 else given
            for key, value in zip(task["outputs"], given or ()):
                write_value(unfinished, key, value, key in task["files"])
        (unfinished / "done").touch()
        put(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def start(name, run_dir=None, parameters=None, *, inputs=None, output=None):
    """Run one task as `run_task` does, in a process of its own; what it prints goes to ours.

    The process is $PIPELINE_PYTHON, or the interpreter that this runs in.
    """
    python = os.environ.get("PIPELINE_PYTHON") or sys.executable
    command = [
        python,
        str(Path(__file__).resolve()),
        name,
        "--run-dir",
        str(run_dir or "."),
    ]
    for task, folder in (inputs or {}).items():
        command += ["--input", f"{task}={folder}"]
    if output:
        command += ["--output", str(output)]
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "parameters.json")
        given.write_text(
            json.dumps(dict(parameters or {}), default=str), encoding="utf-8"
        )
        done = subprocess.run(
            [*command, "--params", str(given)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise RuntimeError(f"the task {name} failed:\n{done.stdout[-4000:]}")
    return name


def run_all(run_dir, parameters=None, *, project=None, fresh=False):
    """Run the tasks that have no result in `run_dir` yet, in order; all of them with `fresh`."""
    for name in TASKS:
        if fresh or not (Path(run_dir) / name).exists():
            run_task(name, run_dir, parameters, project=project)


def load_module():
    """Import the module with the functions: the one beside this file, whatever else has its name."""
    if MODULE not in sys.modules:
        spec = importlib.util.spec_from_file_location(MODULE, HERE / f"{MODULE}.py")
        module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[MODULE]
            raise
    return sys.modules[MODULE]


def load(run_dir, artifact):
    """Return the value of an artifact from the folder of a run."""
    for name, task in TASKS.items():
        for key, made in task["artifacts"].items():
            if made == artifact:
                return read_value(Path(run_dir) / name, key)
    raise KeyError(artifact)


def put(unfinished, target):
    """Give a complete folder its name, in place of what an earlier run left."""
    if target.exists() or target.is_symlink():
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex}.old")
        target.rename(old)
        unfinished.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        unfinished.rename(target)


# ------------------------------------------------------------------------------- parameters


def chosen(names, parameters):
    """Return those of `parameters` that a task takes, as values of their kinds."""
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if unknown:
        known = ", ".join(PARAMETERS) or "none"
        raise SystemExit(f"no parameter {', '.join(unknown)}; there are: {known}")
    return {
        name: parse(name, parameters[name], PARAMETERS[name][0])
        for name in names
        if name in parameters
    }


def parse(name, given, kind):
    """Turn the text of a parameter into a value of its kind; other values stay as they are."""
    if not isinstance(given, str):
        return float(given) if kind == "float" and isinstance(given, int) else given
    try:
        return READERS[kind](given)
    except (ValueError, SyntaxError, decimal.InvalidOperation):
        raise SystemExit(f"parameter {name}: {given!r} is no {kind}") from None


def boolean(text):
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0"):
        return False
    raise ValueError(text)


def anything(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def timestamp(text):
    import pandas

    return pandas.Timestamp(text)


READERS = {
    "int": int,
    "float": float,
    "bool": boolean,
    "str": str,
    "none": anything,
    "literal": ast.literal_eval,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "timestamp": timestamp,
    "path": Path,
    "decimal": decimal.Decimal,
}


# ------------------------------------------------------------------------- where a task runs


@contextlib.contextmanager
def stage(task, project, folders, unfinished):
    """Work in the project's folder; where the code writes files there, in a copy made of links."""
    before = Path.cwd(), list(sys.path)
    start = project
    if task["writes"] or task["placed"]:
        start = unfinished / ".work"
        new = [*task["writes"], *(path for path, _, _ in task["placed"])]
        overlay(
            project, start, [Path(path) for path in new if not Path(path).is_absolute()]
        )
        for path, source, key in task["placed"]:
            copy(file_of(folders[source], key), start / path)
    code = [HERE, start / task["folder"], project, project / task["folder"]]
    sys.path[:0] = [str(folder) for folder in code if str(folder) not in sys.path]
    os.environ.setdefault("MPLBACKEND", "Agg")
    (start / task["folder"]).mkdir(parents=True, exist_ok=True)
    os.chdir(start / task["folder"])
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.path[:] = before[1]
        shutil.rmtree(unfinished / ".work", ignore_errors=True)


def overlay(project, place, written):
    """Make a folder with links to all of the project but for the paths in `written`."""
    place.mkdir(parents=True)
    firsts = {path.parts[0] for path in written if path.parts}
    for entry in project.iterdir() if project.is_dir() else ():
        below = [
            Path(*path.parts[1:]) for path in written if path.parts[:1] == (entry.name,)
        ]
        if entry.name not in firsts:
            (place / entry.name).symlink_to(entry)
        elif entry.is_dir():
            overlay(entry, place / entry.name, [path for path in below if path.parts])
        else:
            copy(entry, place / entry.name)
    for path in written:
        (place / path).parent.mkdir(parents=True, exist_ok=True)


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        if target.is_symlink() or target.exists():
            target.unlink()
        shutil.copyfile(source, target)


# ------------------------------------------------------------------------- values and files


def write_value(folder, key, value, is_file=False):
    """Write a value in the most open form that keeps all of it: Parquet, npy, JSON, else pickle."""
    if is_file:
        source = Path(value)
        copy(source, folder / f"{key}.file" / source.name)
        (folder / f"{key}.path.json").write_text(
            json.dumps(str(value)), encoding="utf-8"
        )
    elif is_plain_table(value):
        value.to_parquet(folder / f"{key}.parquet")
    elif (
        type(value).__module__ == "numpy"
        and type(value).__name__ == "ndarray"
        and value.dtype.kind in "biufcSUmM"
    ):
        import numpy

        numpy.save(folder / f"{key}.npy", value, allow_pickle=False)
    elif is_json(value):
        (folder / f"{key}.json").write_text(
            json.dumps(value, ensure_ascii=False), encoding="utf-8"
        )
    else:
        with (folder / f"{key}.pickle").open("wb") as file:
            dump(value, file)


def dump(value, file):
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    pickler.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)


def read_value(folder, key):
    """Read what `write_value` wrote."""
    folder = Path(folder)
    if (folder / f"{key}.parquet").exists():
        import pandas

        return pandas.read_parquet(folder / f"{key}.parquet")
    if (folder / f"{key}.npy").exists():
        import numpy

        return numpy.load(folder / f"{key}.npy", allow_pickle=False)
    if (folder / f"{key}.json").exists():
        return json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
    if (folder / f"{key}.path.json").exists():
        return json.loads((folder / f"{key}.path.json").read_text(encoding="utf-8"))
    with (folder / f"{key}.pickle").open("rb") as file:
        return pickle.load(file)


def file_of(folder, key):
    """The file or folder that stands for an artifact that is one."""
    (found,) = (Path(folder) / f"{key}.file").iterdir()
    return found


def is_plain_table(value):
    """Whether Parquet keeps a table as it is: plain columns, a plain index, nothing attached."""
    if (
        type(value).__name__ != "DataFrame"
        or type(value).__module__.partition(".")[0] != "pandas"
    ):
        return False
    import pandas

    if value.attrs or value.columns.nlevels > 1 or value.index.nlevels > 1:
        return False
    if (
        not value.columns.is_unique
        or value.columns.name is not None
        or len(value.columns) == 0
    ):
        return False
    if not all(type(name) is str for name in value.columns):
        return False
    if value.columns.dtype != pandas.Index(["a"]).dtype:
        return False
    if type(value.index) is not pandas.RangeIndex or value.index.name is not None:
        return False
    return (
        all(str(kind) in PLAIN for kind in value.dtypes)
        and value.flags.allows_duplicate_labels
    )


PLAIN = {
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float32",
    "float64",
    "bool",
    "str",
    "datetime64[ns]",
    "datetime64[us]",
}


def is_json(value):
    """Whether JSON keeps a value as it is."""
    if type(value) is dict:
        return all(type(key) is str and is_json(inner) for key, inner in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    if type(value) is float:
        return value == value and abs(value) != float("inf")
    if type(value) is str:
        return value.isprintable() or value.encode("utf-8", "ignore").decode() == value
    return value is None or type(value) in (int, bool)


def random_state():
    """Return the state of the generators that have no name."""
    state = {"random": random.getstate()}
    if "numpy" in sys.modules:
        state["numpy"] = sys.modules["numpy"].random.get_state()
    if "torch" in sys.modules:
        state["torch"] = sys.modules["torch"].get_rng_state()
    return state


def set_random(state):
    """Go on with the state that another task left."""
    random.setstate(state["random"])
    if "numpy" in state:
        importlib.import_module("numpy").random.set_state(state["numpy"])
    if "torch" in state:
        importlib.import_module("torch").set_rng_state(state["torch"])


# ------------------------------------------------------------------------------ command line


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["all", *TASKS])
    parser.add_argument(
        "--run-dir", required=True, help="where the values of this run go"
    )
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--params", metavar="FILE", help="a JSON file with parameters")
    parser.add_argument("--input", action="append", default=[], metavar="TASK=DIR")
    parser.add_argument("--output", metavar="DIR", help="instead of RUN_DIR/TASK")
    parser.add_argument("--project", help="where relative paths of the code start")
    arguments = parser.parse_args(argv)
    parameters = {}
    if arguments.params:
        parameters = json.loads(Path(arguments.params).read_text(encoding="utf-8"))
    for given in arguments.param:
        name, equals, text = given.partition("=")
        if not equals:
            parser.error(f"--param {given}: NAME=VALUE is wanted")
        parameters[name] = text
    chosen((), parameters)
    if arguments.task == "all":
        run_all(arguments.run_dir, parameters, project=arguments.project)
    else:
        inputs = dict(given.split("=", 1) for given in arguments.input)
        run_task(
            arguments.task,
            arguments.run_dir,
            parameters,
            inputs=inputs,
            output=arguments.output,
            project=arguments.project,
        )


if __name__ == "__main__":
    main()
