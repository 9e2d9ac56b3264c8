"""Functions that a statement calls once: their statements are observed, and cut, like the top level's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linea.capture.criterion import slice_of_name
from linea.capture.script import run_statements
from linea.capture.session import Session


def watched(source: str, folder: Path) -> Session:
    """The session of a program that ran to its end."""
    space = {"__name__": "__main__"}
    session = Session(space, root=folder, source="p.py")
    try:
        run_statements(session, source, str(folder / "p.py"), "p.py", space)
    finally:
        session.close()
    assert session.notes == []
    return session


SLICES = {
    "a call that changed nothing goes": """
import pandas as pd
def describe(frame):
    return frame.describe().to_dict()
def main():
    global out
    frame = pd.DataFrame({"a": [3, 1, 2]})
    summary = describe(frame)
    print(len(summary))
    frame.sort_values("a", inplace=True)
    out = frame.a.tolist()
main()
# ----
import pandas as pd
def main():
    global out
    frame = pd.DataFrame({"a": [3, 1, 2]})
    frame.sort_values("a", inplace=True)
    out = frame.a.tolist()
main()
""",
    "what comes under the guard is as what comes without": """
import sys
def main():
    global out
    other = [1]
    rows = [3, 1]
    other.append(2)
    rows.sort()
    out = rows
    return len(other)
if __name__ == "__main__":
    main()
# ----
def main():
    global out
    rows = [3, 1]
    rows.sort()
    out = rows
if __name__ == "__main__":
    main()
""",
    "a change through an alias stays": """
def main():
    global out
    rows = [3, 1]
    same = {"rows": rows}
    copy = list(rows)
    same["rows"].append(7)
    copy.append(8)
    out = rows
main()
# ----
def main():
    global out
    rows = [3, 1]
    same = {"rows": rows}
    same["rows"].append(7)
    out = rows
main()
""",
    "a variable that an inner function shares is read by it": """
def main():
    global out
    power = 2
    unused = 9
    raised = lambda n: n ** power
    power = 3
    out = raised(2)
main()
# ----
def main():
    global out
    raised = lambda n: n ** power
    power = 3
    out = raised(2)
main()
""",
    "an inner function changes a variable": """
def main():
    global out
    n, other = 1, 5
    def more():
        nonlocal n
        n += 1
    more()
    other += 1
    out = n
main()
# ----
def main():
    global out
    n, other = 1, 5
    def more():
        nonlocal n
        n += 1
    more()
    out = n
main()
""",
    "functions called from there are stepped through as well": """
def load():
    rows = [3, 1, 2]
    sizes = [len(rows)]
    sizes.append(4)
    rows.sort()
    return rows
def main():
    global out
    rows = load()
    text = str(rows)
    out = rows
    print(text)
main()
# ----
def load():
    rows = [3, 1, 2]
    rows.sort()
    return rows
def main():
    global out
    rows = load()
    out = rows
main()
""",
    "a function that is called twice stays as it is": """
def step(rows):
    rows.append(1)
    rows.append(2)
    return None
kept = []
other = []
step(kept)
step(other)
out = kept, other
""",
    "a function that is called again by another name stays as it is": """
a, b = [], []
def more():
    if a:
        a.append(9)
    a.append(1)
    b.append(2)
kept = [more]
more()
kept[0]()
out = a
""",
    "what is bound anew was read before": """
def more():
    old = out
    new = [len(old)]
    return old + new
out = [7]
out = more()
""",
    "seeds inside count": """
import random
def main():
    global out
    name = "run"
    random.seed(4)
    noise = [random.random() for _ in range(3)]
    title = name.upper()
    out = random.random()
    print(title)
main()
# ----
import random
def main():
    global out
    random.seed(4)
    noise = [random.random() for _ in range(3)]
    out = random.random()
main()
""",
    "an early return ends what was seen": """
def main(quick=True):
    global out
    out = [1]
    seen = len(out)
    out.append(2)
    if quick:
        return seen
    out.append(3)
code = main()
# ----
def main(quick=True):
    global out
    out = [1]
    out.append(2)
code = main()
""",
}


@pytest.mark.parametrize("what", SLICES)
def test_a_function_is_cut_to_what_the_value_rests_on(what: str, tmp_path: Path) -> None:
    program, _, expected = SLICES[what].lstrip("\n").partition("# ----\n")
    expected = expected or program  # all of it is needed
    session = watched(program, tmp_path)
    code = slice_of_name(session, "out").code
    assert code == expected
    space: dict[str, object] = {"__name__": "__main__"}
    exec(compile(code, "slice", "exec"), space)
    assert space["out"] == session.namespace["out"]


LEFT_ALONE = {
    "variables seen as a dictionary": "def main():\n    a = 1\n    b = dict(locals())\n    return b\nout = main()\n",
    "a name that is global and local": """
rows = [1]
def count():
    return len(rows)
def main():
    before = count()
    rows = [1, 2, 3]
    return before, count(), len(rows)
out = main()
""",
    "two statements on a line": "def main():\n    a = 1; b = 2\n    return a + b\nout = main()\n",
    "a generator": "def main():\n    a = 1\n    yield a\nout = list(main())\n",
    "a decorator": """
import functools
def twice(f):
    @functools.wraps(f)
    def both():
        return f(), f()
    return both
@twice
def main():
    a = [1]
    return a
out = main()
""",
    "two statements on a line of the guard": "if __name__ == '__main__':\n    a = [1]; b = [2]\n    out = a\n",
    "code in texts under the guard": """
class Noted:
    def __del__(self):
        gone.append(1)
gone = []
if __name__ == "__main__":
    eval("gone.append(3)")
    other = [1]
    out = list(gone)
""",
    "a function of itself": "def f(x):\n    y = [x]\n    y.append(1)\n    return y\nout = f(f(2))\n",
    "a function that a decorator keeps": """
kept = {}
def keep(f):
    kept[f.__name__] = f
    return f
rows = []
@keep
def more():
    n = len(rows)
    if n:
        rows.append(n)
    rows.append(0)
more()
kept["more"]()
out = rows
""",
    "what raises": """
def main():
    a = [1]
    b = a[5]
    return b
try:
    main()
except IndexError as error:
    out = str(error)
""",
    "itself": "def main(n=3):\n    m = n - 1\n    return main(m) if m else [n]\nout = main()\n",
}


@pytest.mark.parametrize("what", LEFT_ALONE)
def test_where_its_names_could_be_mistaken_a_call_is_one_statement(
    what: str, tmp_path: Path
) -> None:
    program = LEFT_ALONE[what].lstrip("\n")
    session = watched(program, tmp_path)
    code = slice_of_name(session, "out").code
    space: dict[str, object] = {"__name__": "__main__"}
    exec(compile(code, "slice", "exec"), space)
    assert space["out"] == session.namespace["out"]
    assert all(not s.within for s in session.steps) or what in (
        "itself",
        "code in texts under the guard",
    )


def test_a_command_of_click_is_cut_as_well(tmp_path: Path) -> None:
    pytest.importorskip("click")
    program = (
        "import click\nrows = [3, 1]\n@click.command()\n@click.option('--n', default=4)\ndef main(n):\n"
        "    other = [n]\n    other.append(1)\n    rows.append(n)\nmain([], standalone_mode=False)\n"
    )
    session = watched(program, tmp_path)
    code = slice_of_name(session, "rows").code
    assert "other" not in code and "rows.append(n)" in code


@pytest.mark.parametrize("name", ["more", "held", "other"])
def test_a_function_that_is_part_of_the_value_stays_as_it_is(name: str, tmp_path: Path) -> None:
    program = (
        "def more(rows=[]):\n    rows.append(1)\n    return len(rows)\nmore()\n"
        "held = [more]\ndef other():\n    return more()\n"
    )
    session = watched(program, tmp_path)
    assert "return len(rows)" in slice_of_name(session, name).code


def test_functions_with_variables_of_the_same_name_are_stepped_through_one_at_a_time(
    tmp_path: Path,
) -> None:
    program = (
        "def more(rows):\n    rows = list(rows)\n    rows.append(3)\n    return rows\n"
        "def main():\n    global out\n    rows = [1]\n    unused = more([2])\n    rows = more(rows)\n    out = rows\nmain()\n"
    )
    session = watched(program, tmp_path)
    code = slice_of_name(session, "out").code
    assert code == program.replace("    unused = more([2])\n", "")


SAME = {
    "arrays can be resized, objects die when they would": """
import weakref
import numpy as np
class Noted:
    def __init__(self, n): self.n = n
    def __del__(self): print("gone", self.n)
def main():
    a = np.arange(5) * 2
    a.resize((10,))
    b = Noted(1)
    seen = weakref.ref(b)
    b = None
    print(a.sum(), seen())
    c = Noted(2)
    return [c]
main()
print("between")
left = main()
""",
    "tracebacks": """
def parts(d):
    return d["k"]
def main():
    a = 1

    c = (parts({"k": 1}) +
         parts({}))
    return c
main()
""",
    "warnings": """
import warnings
def old():
    warnings.warn("old", FutureWarning, stacklevel=2)
    warnings.warn("each once")
def main():
    old()
    old()
    n = 1
    return n is 1
main()
""",
    "exits": "import sys\ndef main():\n    n = 3\n    print(n)\n    return n\nsys.exit(main())\n",
    "its code": """
def main():
    names = main.__code__.co_names
    print(names, main.__code__.co_consts)
    return names
print(main() == main.__code__.co_names)
""",
    "formulas that look at the variables around": """
import pandas as pd
def main():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    least = 1.5
    found = frame.query("x > @least")
    least = 9
    print(found.x.tolist(), frame.eval("x + @least").tolist())
main()
""",
    "inner functions that stay": """
def main():
    n = 1
    def more():
        nonlocal n
        n += 1
        return n
    more()
    return more
f = main()
print(f(), f.__closure__[0].cell_contents)
""",
}


@pytest.mark.parametrize("what", SAME)
def test_a_program_cannot_tell(what: str, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(SAME[what].lstrip("\n"))
    plain, run = (
        subprocess.run(
            [sys.executable, *arguments, "p.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        )
        for arguments in ([], ["-m", "linea", "run"])
    )  # fmt: skip
    assert (run.stdout, run.stderr, run.returncode) == (
        plain.stdout,
        plain.stderr,
        plain.returncode,
    )


SCRIPT = """
import linea
def load(n):
    return list(range(n))
def main():
    rows = load(4)
    report = {"rows": len(rows)}
    linea.save(rows, "rows")
    squares = [r * r for r in rows]
    report["squares"] = len(squares)
    linea.save(sum(squares) + 1, "total")
    print(report)
    linea.save(report, "report")
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("call", ["main()", "raise SystemExit(main())", "code = main()"])
def test_values_saved_inside_hold_what_made_them(call: str, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(SCRIPT.replace("    main()\n", f"    {call}\n"))

    def linea(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "linea", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    linea("run", "p.py")
    assert linea("show", "--code", "total").split("def main():\n")[1] == (
        "    rows = load(4)\n"
        "    squares = [r * r for r in rows]\n"
        '    linea.save(sum(squares) + 1, "total")\n'
        'if __name__ == "__main__":\n'
        f"    {call}\n"
    )
    assert "squares" not in linea("show", "--code", "rows")
    assert 'report["squares"]' in linea("show", "--code", "report")
    assert linea("verify", "--all").count("identical") == 3
