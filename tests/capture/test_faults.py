"""Whatever fails inside capture, the user's program goes on as if it weren't there."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import linea.capture

PROGRAM = """\
import sys, random
import collections
random.seed(1)
xs = [3, 1]
ys = xs
ys.append(random.randint(0, 9))
class A:
    def __init__(self): self.v = xs
    def f(self): return len(self.v)
a = A()
def g(n):
    global total
    total = n + a.f()
    return total
print(g(2), [i for i in xs if i > 1])
with open("t.txt", "w") as h:
    h.write("hello")
print(open("t.txt").read())
d = collections.defaultdict(list)
for i in range(3):
    d[i % 2].append(i)
del ys
try:
    1 / 0
except ZeroDivisionError as e:
    print(e)
it = iter(xs)
next(it)
print(dict(d), list(it), sys.argv)
def load(n):
    rows = [n]
    rows.append(2)
    return rows
def main():
    rows = load(3)
    k = 2
    f = lambda: k
    print(rows, f())
    return 4
if __name__ == "__main__":
    more = [1]
    print(more)
    raise SystemExit(main())
"""

DRIVER = """\
import importlib, os, sys
from pathlib import Path
module_name, qualified = sys.argv[1:3]
from linea import watching
owner = importlib.import_module(module_name)
*path, last = qualified.split(".")
for step in path:
    owner = getattr(owner, step)
def broken(*args, **kwargs):
    raise RuntimeError("injected")
setattr(owner, last, broken)
for name, module in list(sys.modules.items()):
    if name.startswith("linea.") and not path and getattr(module, last, None) is not None:
        if getattr(getattr(module, last), "__module__", "") == module_name:
            setattr(module, last, broken)
status = watching.run_script(Path("program.py"), ["x"])
sys.stdout.flush()
os._exit(status)
"""

RUNNER = "linea.capture.script"
"""Runs the program itself: without it nothing runs, watched or not."""


def functions() -> list[tuple[str, str]]:
    """Every function and method of capture but the runner's."""
    found = []
    for info in pkgutil.iter_modules(linea.capture.__path__, "linea.capture."):
        if info.name in (RUNNER, "linea.capture.notebook", "linea.capture.magics"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == info.name:
                found.append((info.name, name))
            elif inspect.isclass(value) and value.__module__ == info.name:
                for attribute, member in vars(value).items():
                    if inspect.isfunction(member) and not attribute.startswith("__"):
                        found.append((info.name, f"{name}.{attribute}"))
    return found


SHELL = {"Session.fault", "_hook", "Probe.step"}
"""What everything else is caught by, the audit hook, where an error is the interpreter's, and what
functions that are stepped through call."""


def test_an_error_in_any_function_of_capture_is_never_seen(tmp_path: Path) -> None:
    """Output and exit status stay the same with each function of capture made to raise in turn."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    plain = subprocess.run(
        [sys.executable, "program.py", "x"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )  # fmt: skip
    wrong = []
    cases = [c for c in functions() if c[1] not in SHELL]
    assert len(cases) > 60
    running: list[tuple[tuple[str, str], subprocess.Popen[str]]] = []

    def settle() -> None:
        case, process = running.pop(0)
        out, err = process.communicate()
        if (out, process.returncode) != (plain.stdout, plain.returncode) or err != plain.stderr:
            wrong.append((case, process.returncode, out[-200:], err[-600:]))

    for n, case in enumerate(cases):
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "program.py").write_text(PROGRAM)
        running.append(
            (
                case,
                subprocess.Popen(
                    [sys.executable, "-c", DRIVER, *case],
                    cwd=folder,
                    text=True,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                ),
            )
        )
        if len(running) > 3:
            settle()
    while running:
        settle()
    assert not wrong, "\n".join(map(str, wrong))


def test_what_failed_inside_is_in_the_log_of_faults(tmp_path: Path) -> None:
    """`linea log --debug` shows where, what and the traceback."""

    def call(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.stdout

    call("-m", "linea", "init")
    (tmp_path / "program.py").write_text("x = [1]\nx.append(2)\n")
    call("-c", DRIVER, "linea.capture.session", "begin")
    shown = call("-m", "linea", "log", "--debug")
    assert "before a statement (program.py)" in shown
    assert "RuntimeError: injected" in shown
