"""What watching costs: whole processes under `linea run` against plain Python, in pairs.

    python tests/benchmarks/capture.py [PAIRS]

Prints, per program, the ratio of CPU seconds and of peak memory (median of the pairs), and what
is added per statement. An empty program shows what starting linea costs; it is taken off where a
line says so. Then the same as cells of an IPython shell: plain, with linea, and with ipyflow where
it is installed (the extra `bench`, or an interpreter named by IPYFLOW_PYTHON). Then what a slice
costs after 100, 1,000 and 10,000 statements.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
df = pd.DataFrame({f"c{i}": rng.normal(size=1_000_000) for i in range(10)})
df["k"] = rng.integers(0, 100, len(df))
g = df.groupby("k").mean()
df["z"] = df["c0"] * df["c1"]
s = df.sort_values("c3")
m = df.merge(g, left_on="k", right_index=True)
q = df.describe()
df["w"] = df["z"].rolling(10).mean()
big = df.copy()
big["c1"] += 1
r = big.corr()
"""

LOOPS = """
total = 0
for i in range(5_000_000):
    total += i * 2
def f(x):
    return x + 1
for i in range(2_000_000):
    total = f(total)
"""

TINY = "lst = []\nd = {}\n" + "".join(
    f"x{i} = {i} + 1\nlst.append(x{i})\nd['k{i}'] = len(lst)\ny = sum(lst[:3])\n"
    for i in range(500)
)

HUGE = """
import numpy as np, pandas as pd
df = pd.DataFrame({f"c{i}": np.arange(6_250_000, dtype=float) for i in range(20)})
big = {i: i for i in range(10_000_000)}
objs = [[i] for i in range(1_000_000)]
""" + "".join(f"x{i} = df['c{i % 20}'].iloc[{i}]\ny{i} = len(df) + {i}\n" for i in range(100))

PICKLES = """
import copy, pickle
data = [{"a": [i, str(i)], "b": (i, [i])} for i in range(60_000)]
one = copy.deepcopy(data)
two = pickle.loads(pickle.dumps(data))
"""

PROGRAMS = {
    "nothing (start-up)": "pass\n",
    "data work (1M × 12)": DATA,
    "hot loops and calls": LOOPS,
    "2,000 tiny statements": TINY,
    "deepcopy and pickle": PICKLES,
    "1 GB frame, 10M dict": HUGE,
}


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a child process."""
    code = (
        "import json, resource, subprocess, sys;"
        "subprocess.run(json.loads(sys.argv[1]), check=True, stdout=subprocess.DEVNULL);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([u.ru_utime + u.ru_stime, u.ru_maxrss / 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(command)], cwd=folder, capture_output=True, text=True, check=True
    )  # fmt: skip
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def main(pairs: int) -> None:
    start = 0.0
    print(
        f"{'program':26} {'plain s':>9} {'linea s':>9} {'ratio':>7} {'less start':>11} {'memory':>7} {'ms/stmt':>8}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, text in PROGRAMS.items():
            (folder / "program.py").write_text(text)
            plain, watched = [], []
            for _ in range(pairs):
                plain.append(measure([sys.executable, "program.py"], folder))
                watched.append(
                    measure([sys.executable, "-m", "linea", "run", "program.py"], folder)
                )
            p = statistics.median(s for s, _ in plain)
            w = statistics.median(s for s, _ in watched)
            memory = statistics.median(m for _, m in watched) / statistics.median(
                m for _, m in plain
            )
            if title.startswith("nothing"):
                start = w - p
            count = text.count("\n")
            print(
                f"{title:26} {p:9.2f} {w:9.2f} {w / p:7.2f} {(w - start) / p:11.2f} {memory:7.2f} "
                f"{1000 * (w - p - start) / count:8.2f}"
            )


CELLS = {
    "data work": [c for c in DATA.split("\n") if c],
    "hot loops and calls": [
        "total = 0",
        "for i in range(300_000):\n    total += i * 2",
        "def f(x):\n    return x + 1",
        "for i in range(300_000):\n    total = f(total)",
    ],
    "400 tiny cells": ["lst = []"]
    + [c for i in range(133) for c in (f"x{i} = {i} + 1", f"lst.append(x{i})", "y = sum(lst[:3])")],
    "20 cells beside 1 GB": [
        "import numpy as np, pandas as pd",
        "df = pd.DataFrame({f'c{i}': np.arange(6_250_000, dtype=float) for i in range(20)})",
    ]
    + [f"x{i} = len(df) + {i}" for i in range(20)],
}

SHELL = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
if sys.argv[1]:
    shell.run_line_magic("load_ext", sys.argv[1])
cells = json.load(open("cells.json"))
began = time.process_time()
for cell in cells:
    result = shell.run_cell(cell, store_history=True)
    assert result.success, cell
sys.__stdout__.write(f"\\n{time.process_time() - began}\\n")
"""


def cells_seconds(python: str, extension: str, folder: Path) -> float:
    """CPU seconds that running the cells takes, the start of the shell aside."""
    done = subprocess.run(
        [python, "-c", SHELL, extension], cwd=folder, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def ipyflow_python() -> str | None:
    """An interpreter that has ipyflow."""
    for python in (os.environ.get("IPYFLOW_PYTHON"), sys.executable):
        if python and not subprocess.run(
            [python, "-c", "import ipyflow"], capture_output=True, check=False
        ).returncode:  # fmt: skip
            return python
    return None


def compare_cells(pairs: int) -> None:
    peer = ipyflow_python()
    if peer is None:
        print("\nipyflow isn't installed (pip install 'linea[bench]'): left out")
    print(
        f"\n{'as cells of IPython':26} {'plain s':>9} {'linea':>7} {'ms/cell':>8} {'ipyflow':>9} {'ms/cell':>8}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, cells in CELLS.items():
            (folder / "cells.json").write_text(json.dumps(cells))
            runs: dict[str, list[float]] = {"": [], "linea": [], "peer plain": [], "ipyflow": []}
            for _ in range(pairs):
                runs[""].append(cells_seconds(sys.executable, "", folder))
                runs["linea"].append(cells_seconds(sys.executable, "linea", folder))
                if peer is not None:
                    runs["peer plain"].append(cells_seconds(peer, "", folder))
                    runs["ipyflow"].append(cells_seconds(peer, "ipyflow", folder))
            p, w = statistics.median(runs[""]), statistics.median(runs["linea"])
            row = f"{title:26} {p:9.3f} {w / p:7.2f} {1000 * (w - p) / len(cells):8.2f}"
            if peer is not None:
                q, f = statistics.median(runs["peer plain"]), statistics.median(runs["ipyflow"])
                row += f" {f / q:9.2f} {1000 * (f - q) / len(cells):8.2f}"
            print(row, flush=True)


def time_slices() -> None:
    """CPU seconds of slices that keep few or all of the statements that ran."""
    from linea.capture.criterion import slice_of_name
    from linea.capture.script import main_module, run_statements
    from linea.capture.session import Session

    print(f"\n{'slices':26} {'statements':>11} {'kept':>7} {'run ms/stmt':>12} {'slice s':>9}")
    for count in (100, 1_000, 10_000):
        few = "".join(f"x{i} = {i}\nz{i % 7} = [x{i}]\n" for i in range(count // 2))
        every = "acc = []\n" + "".join(f"acc.append({i})\n" for i in range(count))
        for title, text in (("few kept", few + "r = z3\n"), ("all kept", every + "r = sum(acc)\n")):
            module = main_module(Path("program.py"))
            sys.modules["__main__"] = module
            session = Session(vars(module), root=Path(tempfile.gettempdir()), source="program.py")
            began = time.process_time()
            run_statements(session, text, "program.py", "program.py", vars(module))
            ran = time.process_time()
            made = slice_of_name(session, "r")
            ended = time.process_time()
            session.close()
            each = 1000 * (ran - began) / len(session.steps)
            print(
                f"{title:26} {len(session.steps):11} {len(made.steps):7} {each:12.3f} {ended - ran:9.4f}"
            )


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    resource.getrusage(resource.RUSAGE_SELF)
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    main(times)
    compare_cells(times)
    time_slices()
