"""Programs whose workers are processes of their own: they run as ever, and so do slices of theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

FACTOR = 3
noted = []

def work(x):
    return x * FACTOR

class Add:
    def __init__(self, n):
        self.n = n
    def __call__(self, x):
        return x + self.n

def main(method):
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        products = pool.map(work, range(3))
        sums = pool.map(Add(10), products)
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        noted.append(executor.submit(work, 5).result())
    return products, sums

if __name__ == "__main__":
    products, sums = main("METHOD")
    unrelated = [n for n in noted]
    total = sum(sums) + noted[0]
    print(products, total)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_find_what_they_need_in_the_slice(method: str, tmp_path: Path) -> None:
    """Workers started by any method import the main file again, and its slice as well."""
    program = tmp_path / "work.py"
    program.write_text(PROGRAM.replace("METHOD", method))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    plain = run("work.py")
    assert plain.stdout == "[0, 3, 6] 54\n"
    watched = run("-m", "linea", "run", "work.py")
    assert (watched.stdout, watched.stderr, watched.returncode) == (
        plain.stdout, plain.stderr, plain.returncode,
    )  # fmt: skip
    code = run("-m", "linea", "slice", "work.py", "total").stdout
    assert "unrelated" not in code
    (tmp_path / "alone.py").write_text(
        code + "\nif __name__ == '__main__':\n    print('alone', total)\n"
    )
    assert run("alone.py").stdout.splitlines()[-1:] == ["alone 54"], code
