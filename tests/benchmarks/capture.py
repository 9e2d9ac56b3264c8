"""What watching costs: whole processes under `linea run` against plain Python, in pairs.

    python tests/benchmarks/capture.py [PAIRS]

Prints, per program, the ratio of CPU seconds and of peak memory (median of the pairs), and what
is added per statement. An empty program shows what starting linea costs; it is taken off where a
line says so.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
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


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    resource.getrusage(resource.RUSAGE_SELF)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
