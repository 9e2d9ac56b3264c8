"""Runs the programs of `slice_cases.yaml`: whole, and their slices alone, each in a process of its own."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
TIMEOUT = 60


@dataclass
class Outcome:
    """What one case gave."""

    kept: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)
    code: str = ""
    whole: str = ""
    alone: str = ""
    error: str = ""
    expected_code: str = ""

    @property
    def sound(self) -> bool:
        return not self.error and self.whole == self.alone

    @property
    def exact(self) -> bool:
        if self.expected_code:
            return self.sound and statement_count(self.code) <= statement_count(self.expected_code)
        return self.sound and set(self.kept) <= set(self.expected) | set(self.extra)


def load() -> list[dict[str, Any]]:
    return yaml.safe_load((HERE / "slice_cases.yaml").read_text())["cases"]


def canonical(value: object) -> str:
    """A text that is equal for equal values, across processes."""
    name = type(value).__name__
    if name in ("DataFrame", "Series"):
        return f"{name} {value!s} {getattr(value, 'dtypes', '')} {value.index.name} {value.attrs}"  # type: ignore[attr-defined]
    if name == "ndarray":
        return f"{value.dtype} {value.tolist()}"  # type: ignore[attr-defined]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def in_child(work: Any, *, timeout: int = TIMEOUT) -> Any:
    """The result of `work()` in a forked process; an exception becomes a text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.alarm(timeout)
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                result = ("ok", work())
        except BaseException:
            result = ("error", traceback.format_exc())
        with os.fdopen(write, "wb") as out:
            pickle.dump(result, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as source:
        data = source.read()
    os.waitpid(pid, 0)
    return pickle.loads(data) if data else ("error", "the process died or took too long")


def prepare(case: dict[str, Any], folder: Path) -> None:
    for name, content in (case.get("files") or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def run_whole(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Execute the program under capture; the target's value and the slice."""
    from linea.capture.script import main_module, run_statements
    from linea.capture.session import Session

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    path = folder / "program.py"
    module = main_module(path)
    sys.modules["__main__"] = module
    session = Session(module.__dict__, root=folder, source="program.py")
    cells = (
        [(None, case["code"])]
        if "cells" not in case
        else [(c["id"], c["code"]) for i in case["order"] for c in case["cells"] if c["id"] == i]
    )
    stop = case.get("save_after")
    value = None
    for number, (_, code) in enumerate(cells):
        path.write_text(code)
        try:
            run_statements(session, code, str(path), "program.py", module.__dict__)
        except Exception:
            if "cells" not in case:
                raise
        if stop is not None and len(session.steps) == stop + 1 and value is None:
            value = canonical(module.__dict__[case["target"]])
            piece = cut(session, case["target"])
        del number
    if stop is None:
        value = canonical(module.__dict__.get(case["target"], "unbound"))
        piece = cut(session, case["target"])
    return {
        "value": value, "kept": list(piece.steps), "code": piece.code, "notes": session.notes,
        "conservative": piece.conservative,
        "effects": [(s.statement.source, sorted(s.effects.reads), sorted(s.effects.binds), sorted(s.effects.mutates)) for s in session.steps],
    }  # fmt: skip


def run_shell(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Execute raw cells in an IPython shell under capture; the target's value and the slice."""
    from IPython.core.interactiveshell import InteractiveShell

    from linea import watching

    os.chdir(folder)
    os.environ["IPYTHONDIR"] = str(folder.parent / "ipython")
    shell = InteractiveShell.instance()
    session = watching.watch_ipython(shell)
    sources = {c["id"]: c["code"] for c in case["cells"]}
    for cell in case["order"]:
        shell.run_cell(sources[cell], store_history=True)
    piece = cut(session, case["target"])
    return {
        "value": canonical(shell.user_ns.get(case["target"], "unbound")), "kept": list(piece.steps),
        "code": piece.code, "notes": session.notes, "conservative": piece.conservative,
        "effects": [(s.statement.source, sorted(s.effects.reads), sorted(s.effects.binds), sorted(s.effects.mutates)) for s in session.steps],
    }  # fmt: skip


def cut(session: Any, target: str) -> Any:
    from linea.capture.criterion import slice_of_name

    return slice_of_name(session, target)


class Saver:
    """Stands for linea's `save` in the cases that save inside functions."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def __call__(self, value: object, name: str = "") -> None:
        self.values.append(canonical(value))


def run_inner(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Execute a program under capture; its target may be what it passes to `save`."""
    import linea
    from linea import recording
    from linea.capture.script import main_module, run_statements
    from linea.capture.session import Session

    os.chdir(folder)
    path = folder / "program.py"
    path.write_text(case["code"])
    module = main_module(path)
    sys.modules["__main__"] = module
    session = Session(module.__dict__, root=folder, source="program.py")
    session.tools.modules._known.update({__name__: False})  # `save` stands for a library's
    pieces: list[Any] = []
    values: list[str] = []

    def save(value: object, name: str = "") -> None:
        values.append(canonical(value))
        pieces.append(recording.slice_of_save(session, sys._getframe(1), value, "x")[0])

    module.__dict__["save"] = save
    del linea
    run_statements(session, case["code"], str(path), "program.py", module.__dict__)
    if case["target"] != "@save":
        values, pieces = (
            [canonical(module.__dict__[case["target"]])],
            [cut(session, case["target"])],
        )
    return {
        "value": values[-1],
        "code": pieces[-1].code,
        "kept": list(pieces[-1].steps),
        "notes": session.notes,
        "effects": [],
    }


def run_alone_saving(code: str, folder: Path) -> str:
    import types

    os.chdir(folder)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    saver = Saver()
    module.__dict__["save"] = saver
    exec(compile(code, str(folder / "program.py"), "exec", dont_inherit=True), module.__dict__)
    return saver.values[-1]


def statement_count(code: str) -> int:
    return sum(isinstance(n, ast.stmt) for n in ast.walk(ast.parse(code)))


def run_alone(code: str, target: str, folder: Path) -> str:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    import types

    module = types.ModuleType("__main__")
    module.__dict__["__file__"] = str(folder / "program.py")
    sys.modules["__main__"] = module
    (folder / "program.py").write_text(code)
    if "get_ipython" in code or "display(" in code:
        from IPython.core.interactiveshell import InteractiveShell

        os.environ["IPYTHONDIR"] = str(folder.parent / "ipython")
        shell = InteractiveShell.instance(user_module=module, user_ns=module.__dict__)
        module.__dict__["get_ipython"] = lambda: shell
    exec(compile(code, str(folder / "program.py"), "exec", dont_inherit=True), module.__dict__)
    return canonical(module.__dict__.get(target, "unbound"))


def fresh(function: str, *arguments: Any) -> Any:
    """Run one of this module's functions in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c",
         "import pickle, sys; sys.path.insert(0, sys.argv[1]); import harness;"
         "f, a = pickle.loads(sys.stdin.buffer.read());"
         "r = harness.in_child(lambda: getattr(harness, f)(*a)); sys.stdout.buffer.write(pickle.dumps(r))",
         str(HERE)],
        input=pickle.dumps((function, arguments)), capture_output=True, timeout=TIMEOUT * 2, check=False,
    )  # fmt: skip
    return pickle.loads(done.stdout) if done.stdout else ("error", done.stderr.decode())


RUNNERS = {"ipython": "run_shell", "inner": "run_inner"}


def run(case: dict[str, Any], *, verbose: bool = False) -> Outcome:
    """Run a case's program and its slice."""
    outcome = Outcome(
        expected=case.get("expected_steps", []), extra=case.get("allowed_extra_steps", [])
    )
    outcome.expected_code = case.get("expected_code", "")
    apart = case.get("fresh")
    call = fresh if apart else lambda f, *a: in_child(lambda: globals()[f](*a))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        a, b = Path(first).resolve() / "work", Path(second).resolve() / "work"
        for folder in (a, b):
            folder.mkdir()
            prepare(case, folder)
        status, whole = call(RUNNERS.get(case["kind"], "run_whole"), case, a)
        if status == "error":
            outcome.error = "whole: " + whole
            return outcome
        if verbose:
            for i, (text, reads, binds, mutates) in enumerate(whole["effects"]):
                print(i, repr(text)[:100])
                print("     reads  ", [r for r in reads if not r.startswith("module:")])
                print("     binds  ", [r for r in binds if not r.startswith("module:")])
                print("     mutates", [r for r in mutates if not r.startswith("module:")][:12])
        if whole["notes"]:
            outcome.error = "notes: " + "; ".join(whole["notes"])
            return outcome
        outcome.kept, outcome.code, outcome.whole = whole["kept"], whole["code"], whole["value"]
        if case["target"] == "@save":
            status, alone = call("run_alone_saving", outcome.code, b)
        else:
            status, alone = call("run_alone", outcome.code, case["target"], b)
        if status == "error":
            outcome.error = "alone: " + alone
            return outcome
        outcome.alone = alone
    return outcome


def importable(case: dict[str, Any]) -> bool:
    import importlib.util

    return all(importlib.util.find_spec(r.split(">")[0]) for r in case.get("requires") or [])


def preload() -> None:
    """Libraries that the cases use, loaded once and forked."""
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import sklearn.linear_model
    import sklearn.model_selection
    import sklearn.preprocessing  # noqa: F401

    ast.parse("")
    os.environ.setdefault("MPLBACKEND", "Agg")


def report(wanted: set[str]) -> None:
    """Run the cases `wanted`, or all, and print those that aren't exact."""
    preload()
    rows = [c for c in load() if (c["id"] in wanted if wanted else True) and importable(c)]
    counts = [0, 0, 0]
    for case in rows:
        done = run(case, verbose=bool(wanted))
        counts[0] += 1
        counts[1] += done.sound
        counts[2] += done.exact
        if not done.exact or wanted:
            label = "EXACT" if done.exact else "LARGE" if done.sound else "WRONG"
            print(
                f"{label} {case['id']} [{case['level']}] kept={done.kept} expected={done.expected} extra={done.extra}"
            )
            if not done.sound:
                print("   ", done.error[-900:] or f"{done.whole[:200]} != {done.alone[:200]}")
            if wanted:
                print(done.code)
    print(f"{counts[0]} cases, {counts[1]} sound, {counts[2]} exact")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent.parent))
    # What `__main__` defines counts as the user's own, and this isn't.
    import harness

    harness.report(set(sys.argv[1:]))
