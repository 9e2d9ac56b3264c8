"""Tasks in processes of their own give what the session gave: nothing but values goes between."""

from __future__ import annotations

import ast
import pickle
import random
from dataclasses import dataclass
from typing import Any

import pytest

from linea import codegen
from linea.codegen import plan, text
from linea.codegen.parts import Part
from linea.errors import PipelineError
from tests.test_codegen import SHARED, alone, parts


def run_apart(given: list[Part]) -> tuple[dict[str, Any], list[str]]:
    """Run each function in a fresh namespace on pickled values; return results and functions."""
    planned = plan.plan(given, separate=True)
    module = compile(text.render(planned), "<generated>", "exec")
    kept: dict[tuple[object, str], bytes] = {}
    states: dict[object, Any] = {}
    for segment in planned.segments:
        names: dict[str, Any] = {"__name__": "generated"}
        exec(module, names)
        arguments = {}
        for value in segment.inputs:
            if value.kind == "segment":
                arguments[value.name] = pickle.loads(kept[value.supplier, value.name])
            elif value.kind == "edge":
                arguments[value.name] = pickle.loads(kept[planned.results[str(value.supplier)]])
        random.seed()
        if segment.random:
            random.setstate(states[segment.random])
        made = names[segment.name](**arguments)
        states[segment.key] = random.getstate()
        made = (made,) if len(segment.outputs) == 1 else made or ()
        for name, value in zip(segment.outputs, made, strict=True):
            kept[segment.key, name] = pickle.dumps(value)
    results = {name: pickle.loads(kept[place]) for name, place in planned.results.items()}
    return results, [segment.name for segment in planned.segments]


@pytest.mark.parametrize("case", SHARED, ids=lambda case: case.behaviour)
def test_apart_gives_what_together_gives(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run_all` gives in one process, the functions give each in its own."""
    monkeypatch.setattr("builtins.load", lambda: 5, raising=False)
    assert run_apart(case.parts)[0] == {part.name: alone(part) for part in case.parts}


@dataclass(frozen=True)
class Case:
    behaviour: str
    parts: list[Part]
    functions: list[str]


CASES = [
    Case(
        "a generator of random numbers goes on where the last task left it",
        parts(
            "import random\nrandom.seed(1)\nx = random.random()\na = x + random.random()\nb = x + 1",
            a=("a", [1, 2, 3, 4]),
            b=("b", [1, 2, 3, 5]),
        ),
        ["prepare_x", "make_a", "make_b"],
    ),
    Case(
        "a generator object is handed on as it was last used",
        parts(
            "import random\nr = random.Random(1)\nx = r.random()\na = x + r.random()\nb = a + r.random()",
            a=("a", [1, 2, 3, 4]),
            b=("b", [1, 2, 3, 4, 5]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "two names of one object that a task changes are made in that task",
        parts(
            "x = [1]\ny = x\na = len(y)\ny.append(2)\nb = sum(x)",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4, 5]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "two names of one object that nobody changes are handed on",
        parts(
            "x = [1]\ny = x\na = len(y) + x[0]\nb = sum(x) + len(y)",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
        ),
        ["prepare_y", "make_a", "make_b"],
    ),
    Case(
        "an iterator is made where it is used",
        parts(
            "n = 3\ng = (i for i in range(n))\na = next(g)\nb = list(g)",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 3, 4]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "a connection is opened where it is used",
        parts(
            "import sqlite3\nc = sqlite3.connect(':memory:')\na = c.execute('select 1').fetchone()\n"
            "b = c.execute('select 2').fetchone()",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "an option is set in each task",
        parts(
            "import decimal\ndecimal.getcontext().prec = 5\nx = [decimal.Decimal(1)]\n"
            "a = str(x[0] / 3)\nb = str(x[0] / 7)",
            a=("a", [1, 2, 3, 4]),
            b=("b", [1, 2, 3, 5]),
        ),
        ["prepare_x", "make_a", "make_b"],
    ),
    Case(
        "a function that rests on a variable is made where it is called",
        parts(
            "k = [3]\ndef f(v): return v * k[0]\na = f(2)\nb = f(3)",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "an object of the user's class is handed on as it was last used",
        parts(
            "class Counter:\n    n = 0\n    def next(self):\n        self.n += 1\n        return self.n\n"
            "c = Counter()\nx = c.next()\na = x + c.next()\nb = a + c.next()",
            a=("a", [1, 2, 3, 4, 5, 6, 7, 8]),
            b=("b", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ),
        ["make_a", "make_b"],
    ),
    Case(
        "an import that a setting comes before is repeated",
        parts(
            "import sys\nsys.path.append('here')\nimport json\nx = json.loads('[1]')\na = json.dumps(x)\n"
            "b = json.dumps([x])",
            a=("a", [1, 2, 3, 4, 5]),
            b=("b", [1, 2, 3, 4, 6]),
        ),
        ["prepare_x", "make_a", "make_b"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.behaviour)
def test_what_is_shared(case: Case) -> None:
    """What can go from process to process is made once, all else where it is needed."""
    picklable = "class " not in case.parts[0].code
    assert codegen.module(case.parts)
    if picklable:
        results, functions = run_apart(case.parts)
        assert results == {part.name: alone(part) for part in case.parts}
    else:
        planned = plan.plan(case.parts, separate=True)
        functions = [segment.name for segment in planned.segments]
    assert functions == case.functions


# -------------------------------------------------------------------------------- parameters

KINDS = {
    "datetime.date(2024, 1, 31)": ("date", "2024-01-31"),
    "datetime.datetime(2024, 1, 31, 12)": ("datetime", "2024-01-31T12:00:00"),
    "Path('a/b')": ("path", "a/b"),
    "Path('a') / 'b.csv'": ("path", "a/b.csv"),
    "Decimal('1.50')": ("decimal", "1.50"),
    "60 * 60": ("int", 3600),
    "-2 / 4": ("float", -0.5),
    "-1": ("int", -1),
}
IMPORTS = "import datetime\nfrom decimal import Decimal\nfrom pathlib import Path\n"


@pytest.mark.parametrize("source", KINDS)
def test_kinds_of_parameters(source: str) -> None:
    """Dates, paths and sums of constants become parameters of their kind, with readers for texts."""
    given = [Part("x", f"{IMPORTS}n = {source}\nx = [n]\n", "x")]
    (parameter,) = plan.plan(given, ["n"], separate=True).parameters
    assert (parameter.kind, parameter.value) == KINDS[source]
    names: dict[str, Any] = {"__name__": "generated"}
    exec(codegen.module(given, input_parameters=["n"]), names)
    assert names["run_all"]() == {"x": [eval(source, names)]}


KEYWORDS = "from m import f, seed\nseed(7)\na = f(x='p.csv', n_jobs=2)\nb = f(1, n_jobs=2, depth=3)\nx = [a, b]\n"


def test_keywords_seeds_and_files_become_parameters() -> None:
    """What is written in a call can be named: a keyword, a seed, the path of a file that was read."""
    given = [Part("x", KEYWORDS, "x", inputs=("data/p.csv",))]
    made = codegen.module(given, input_parameters=["n_jobs"])
    assert made.count("n_jobs=n_jobs") == 2 and "n_jobs: int = 2" in made
    for name in ("p.csv", "data/p.csv", "p_csv"):
        assert 'p_csv: str = "p.csv"' in codegen.module(given, input_parameters=[name])
    code = KEYWORDS.replace("from m import f, seed", "import m").replace("seed(7)", "m.seed(7)")
    code = code.replace(" f(", " m.f(")
    assert "m.seed(seed)" in codegen.module([Part("x", code, "x")], input_parameters=["seed"])


def test_two_values_of_a_keyword_are_ambiguous() -> None:
    """A keyword with two values is refused, and the error shows both places."""
    code = "from m import f\nx = [f(depth=3), 0]\nx[1] = f(depth=4)\n"
    with pytest.raises(PipelineError, match=r"(?s)depth=3.*depth=4"):
        codegen.module([Part("x", code, "x")], input_parameters=["depth"])


def test_boolean_options_have_a_negative(tmp_path: Any) -> None:
    """`--flag`, `--no-flag` and `--flag false` all say what they seem to."""
    import subprocess
    import sys

    file = tmp_path / "generated.py"
    file.write_text(codegen.module([Part("x", "n = True\nx = n\n", "x")], input_parameters=["n"]))
    given = [[], ["--n"], ["--no-n"], ["--n", "False"], ["--n=true"]]
    said = [subprocess.run([sys.executable, file, *g], capture_output=True, text=True, check=True).stdout
            for g in given]  # fmt: skip
    assert [line.split()[-1] for line in said] == ["True", "True", "False", "False", "True"]


# ------------------------------------------------------------------------------------- reuse

FEATURES = "import m\nraw = m.load()\nf = raw + 1\n"
LOAD = "import linea\nf = linea.get('f', 3).get_value()\n"


def reused(code: str = FEATURES, variable: str = "f") -> Part:
    return Part("f", LOAD, "f", 3, "s.py", reused=True, replaced=code, variable=variable)


def test_a_reused_artifact_is_loaded_for_others() -> None:
    """In the slice of another artifact of the session, loading takes the place of computing."""
    other = Part("model", FEATURES + "model = m.fit(f)\n", "model", 1, "s.py")
    made = codegen.module([reused(), other])
    assert "m.load" not in made
    assert "f = linea.get('f', 3).get_value()" in made
    assert "def make_model(f):" in made


def test_what_else_rests_on_the_steps_keeps_them() -> None:
    """A step that made the reused artifact and something else stays for the other."""
    other = Part("model", FEATURES + "model = m.fit(f, raw)\n", "model", 1, "s.py")
    made = codegen.module([reused(), other])
    assert "raw = m.load()" in made and "raw + 1" not in made


def test_reuse_among_random_numbers_is_refused() -> None:
    """Where numbers are drawn after those that the reused artifact drew, loading it is refused."""
    code = "import random\nrandom.seed(1)\nf = random.random()\n"
    other = Part("x", code + "x = f + random.random()\n", "x", 1, "s.py")
    with pytest.raises(PipelineError, match="goes on drawing random numbers after f was made"):
        codegen.module([reused(code), other])


# --------------------------------------------------------------------------------- rendering


def test_modules_are_python(tmp_path: Any) -> None:
    """Whatever is shared, the text parses and defines the functions that it names."""
    for case in CASES:
        planned = plan.plan(case.parts, separate=True)
        tree = ast.parse(text.render(planned))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {segment.name for segment in planned.segments} <= defined
