"""Changes that were planted, attributed by running again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .projects import Folder


@dataclass(frozen=True)
class Planted:
    """Two states of a project, and what the change of `x` has to be put down to."""

    name: str
    before: dict[str, str]
    after: dict[str, str]
    shares: dict[str, float]
    """Part of the name of each factor, and what it adds."""
    variables: tuple[dict[str, str], dict[str, str]] = ({}, {})
    options: tuple[str, ...] = ()
    quick: bool = False
    notes: tuple[str, ...] = field(default=())


def script(*lines: str) -> str:
    return "\n".join(["import linea", *lines, "linea.save(x, 'x')", ""])


SUM = script("d = [float(l) for l in open('in.csv')]", "x = sum(d)")
MEAN = script("d = [float(l) for l in open('in.csv')]", "x = sum(d) / len(d)")
PANDAS = ("import pandas as pd", "df = pd.read_csv('in.csv')")

CASES = [
    Planted("code", {"a_py": SUM, "in_csv": "1\n3\n"}, {"a_py": MEAN}, {"sum(d) / len(d)": -2}, quick=True),
    Planted("data", {"a_py": SUM, "in_csv": "1\n3\n"}, {"in_csv": "1\n5\n"}, {"in.csv": 2}),
    Planted("code and data", {"a_py": SUM, "in_csv": "1\n3\n"}, {"a_py": MEAN, "in_csv": "1\n3\n5\n"}, {"sum(d) / len(d)": -4, "in.csv": 3}),
    Planted("data that doesn't matter", {"a_py": script("d = [float(l) for l in open('in.csv')]", "k = open('k.txt').read()", "x = sum(d) + len(k) * 0"), "in_csv": "1\n", "k_txt": "a"}, {"in_csv": "4\n", "k_txt": "bb"}, {"in.csv": 3, "k.txt": 0}),
    Planted("an argument of a package", {"a_py": script(*PANDAS, "x = float(df.a.std(ddof=0))"), "in_csv": "a\n1\n3\n"}, {"a_py": script(*PANDAS, "x = float(df.a.var(ddof=0)) * 4")}, {"var(ddof=0)": 3}),
    Planted("an option of a package", {"a_py": script(*PANDAS, "pd.set_option('mode.sim_interactive', False)", "x = len(df) if pd.get_option('mode.sim_interactive') else 0"), "in_csv": "a\n1\n3\n"}, {"a_py": script(*PANDAS, "pd.set_option('mode.sim_interactive', True)", "x = len(df) if pd.get_option('mode.sim_interactive') else 0")}, {"True": 2}),
    Planted("a helper module", {"a_py": script("from helper import f", "x = f(float(open('in.csv').read()))"), "helper_py": "def f(n):\n    return n + 1\n", "in_csv": "2"}, {"helper_py": "def f(n):\n    return n * 10\n"}, {"helper.py": 17}),
    Planted("a parent", {"p_py": "import linea\nq = 2\nlinea.save(q, 'q')\n", "a_py": script("x = linea.get('q').get_value() * 3")}, {"p_py": "import linea\nq = 5\nlinea.save(q, 'q')\n"}, {"q v1": 9}),
    Planted("an environment variable", {"a_py": script("import os", "x = float(os.environ['RATE']) * 10")}, {}, {"RATE": 10}, ({"RATE": "1"}, {"RATE": "2"})),
    Planted("a number of a table", {"a_py": script(*PANDAS, "x = df[df.a > 0]"), "in_csv": "a,b\n1,10\n-2,20\n3,30\n"}, {"a_py": script(*PANDAS, "x = df[df.a > 1]"), "in_csv": "a,b\n1,10\n-2,20\n3,50\n"}, {"df.a > 1": -10, "in.csv": 20}, options=("--expr", "value.b.sum()")),
    Planted("two places of code", {"a_py": script("a = 2", "b = 10", "x = a * b")}, {"a_py": script("a = 3", "b = 10", "x = a * b + 1")}, {"a = 2": 10, "a * b + 1": 1}),
    Planted("only together", {"a_py": script("a = 0", "b = 0", "c = 1", "x = a * b + c - c")}, {"a_py": script("a = 2", "b = 3", "c = 1", "x = a * b + c - c")}, {"": 6}),
]  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=() if c.quick else pytest.mark.slow, id=c.name) for c in CASES],
)
def test_planted(tmp_path: Path, case: Planted) -> None:
    """The change of the number is put down to what was changed, and adds up to the whole."""
    folder = Folder(tmp_path)
    folder.ok("init")
    for files, variables in zip((case.before, case.after), case.variables, strict=True):
        folder.put(**files)
        if (tmp_path / "p.py").exists():
            folder.ok("run", "p.py")
        folder.ok("run", "a.py", **variables)
    found = folder.json("why", "x@v1", "x@v2", *case.options)
    got = {share["factor"]["text"]: share["share"] for share in found["shares"]}
    assert len(got) == len(case.shares), got
    for name, wanted in case.shares.items():
        (text,) = [each for each in got if name in each]
        assert got[text] == pytest.approx(wanted), got
    whole = found["last"]["number"] - found["first"]["number"]
    assert sum(got.values()) == pytest.approx(whole)
    assert found["notes"] == []
    again = folder.json("why", "x@v1", "x@v2", *case.options)
    assert (again["runs"], again["shares"]) == (0, found["shares"])


def test_what_is_said(tmp_path: Path) -> None:
    """The answer is a line for each difference, with what it does alone, and the runs told before."""
    folder = Folder(tmp_path)
    folder.put(a_py=SUM, in_csv="1\n3\n", b_py="")
    folder.ok("init")
    folder.ok("run", "a.py")
    folder.put(in_csv="1\n5\n")
    folder.ok("run", "a.py")
    done = folder.call("why", "x")
    assert done.stderr.startswith("1 difference, at most 2 runs, about ")
    assert done.stdout.splitlines()[0] == "x@v1 → x@v2  4 → 6  (+2)"
    assert "in.csv changed  the whole change" in done.stdout


def test_chance_is_named(tmp_path: Path) -> None:
    """Where nothing recorded differs the answer says what the code rests on instead."""
    folder = Folder(tmp_path)
    folder.put(a_py=script("import random", "x = random.random()"))
    folder.ok("init")
    folder.ok("run", "a.py")
    folder.ok("run", "a.py")
    notes = " ".join(folder.json("why", "x@v1", "x@v2")["notes"])
    assert "random" in notes
    assert "nothing that was recorded differs" in notes


def test_the_same_value_is_an_error(tmp_path: Path) -> None:
    """Two versions of one value have nothing to explain."""
    folder = Folder(tmp_path)
    folder.put(a_py=script("x = 1"))
    folder.ok("init")
    folder.ok("run", "a.py")
    folder.ok("run", "a.py")
    assert "have the same value" in folder.call("why", "x@v1", "x@v2").stderr


def test_from_python(tmp_path: Path) -> None:
    """`linea.why` gives the same answer as a record, `linea.verify` takes a tolerance."""
    folder = Folder(tmp_path)
    folder.put(a_py=SUM, in_csv="1\n3\n")
    folder.ok("init")
    folder.ok("run", "a.py")
    folder.put(in_csv="1\n5\n")
    folder.ok("run", "a.py")
    folder.put(
        ask_py="import linea\nprint(linea.why('x').shares[0].share, linea.verify('x', tolerance=1e-9).outcome)\n"
    )
    assert folder.ok("run", "ask.py") == "2.0 identical\n"
