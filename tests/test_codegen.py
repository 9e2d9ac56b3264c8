"""Generated functions and modules: what they compute, and how they read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from linea import codegen
from linea.codegen import Part
from linea.errors import PipelineError
from linea.model import Origin


def load(text: str) -> dict[str, Any]:
    """The names of a generated module."""
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "<generated>", "exec"), names)
    return names


def alone(part: Part) -> Any:
    """What a slice gives when it runs by itself."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(part.code, names)
    return names[part.result]


def parts(session: str, **slices: tuple[str, Sequence[int]]) -> list[Part]:
    """Parts of one session: artifact → (result, the lines of its slice, 1-based)."""
    lines = session.strip("\n").split("\n")
    return [
        Part(name, "\n".join(lines[at - 1] for at in kept) + "\n", result, source="s.py")
        for name, (result, kept) in slices.items()
    ]


@dataclass(frozen=True)
class Case:
    behaviour: str
    parts: list[Part]
    calls: dict[str, int]
    """Function that the session counts the calls of → how often `run_all` may call it."""


COUNT = "import collections; calls = globals()['calls']\n"

SHARED = [
    Case(
        "a common beginning runs once",
        parts(
            "x = load()\ny = x + 1\nz = x + 2",
            y=("y", [1, 2]),
            z=("z", [1, 3]),
        ),
        {"load": 1},
    ),
    Case(
        "an artifact in the slice of another is passed on",
        parts("x = load()\ny = x + 1", x=("x", [1]), y=("y", [1, 2])),
        {"load": 1},
    ),
    Case(
        "common steps are found behind steps of one's own",
        parts(
            "x = load()\nk = 3\ny = x + 1\na = y * k\nb = y * 2",
            a=("a", [1, 2, 3, 4]),
            b=("b", [1, 3, 5]),
        ),
        {"load": 1},
    ),
    Case(
        "three artifacts with steps shared by two and by all",
        parts(
            "x = load()\ny = x + load()\na = y + 1\nb = y + 2\nc = x + 3",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
            c=("c", [1, 5]),
        ),
        {"load": 2},
    ),
    Case(
        "two artifacts of the very same steps",
        parts("x = load()\ny = x + 1", x=("x", [1, 2]), y=("y", [1, 2])),
        {"load": 1},
    ),
    Case(
        "a value changed in place later stays as it was saved",
        parts(
            "x = [load()]\nx.append(2)\ny = sum(x)",
            before=("x", [1]),
            after=("y", [1, 2, 3]),
        ),
        {"load": 1},
    ),
    Case(
        "a value changed through another name stays as it was saved",
        parts(
            "x = [load()]\nw = x\nw.append(2)\ny = list(x)",
            before=("x", [1]),
            after=("y", [1, 2, 3, 4]),
        ),
        {"load": 1},
    ),
    Case(
        "a value changed by a helper stays as it was saved",
        parts(
            "x = {'n': load()}\ndef grow(d): d['n'] += 1; return d['n']\ny = grow(x)",
            before=("x", [1]),
            after=("y", [1, 2, 3]),
        ),
        {"load": 1},
    ),
    Case(
        "a name bound again between two uses",
        parts(
            "x = load()\na = x + 1\nx = x * 10\nb = x + 1",
            a=("a", [1, 2]),
            b=("b", [1, 3, 4]),
        ),
        {"load": 1},
    ),
    Case(
        "a shared step doesn't overtake the use of what it binds",
        parts(
            "x = load()\na = x + 1\nx = x * 10\nb = x + a\nc = x + 2",
            a=("a", [1, 2]),
            b=("b", [1, 2, 3, 4]),
            c=("c", [1, 3, 5]),
        ),
        {},
    ),
    Case(
        "the same text twice is two steps",
        parts(
            "x = load()\nx = x * 2\nx = x * 2\ny = x + 1",
            x=("x", [1, 2]),
            y=("y", [1, 2, 3, 4]),
        ),
        {"load": 1},
    ),
    Case(
        "a binding in a branch keeps the earlier one",
        parts(
            "x = load()\nif x > 100: x = 0\na = x + 1\nb = x + 2",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
        ),
        {"load": 1},
    ),
    Case(
        "random numbers keep their order",
        parts(
            "import random\nrandom.seed(1)\na = random.random()\nb = random.random() + load()",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 3, 4]),
        ),
        {"load": 1},
    ),
    Case(
        "a helper that uses a variable of the session",
        parts(
            "k = load()\ndef f(v): return v * k\na = f(2)\nb = f(3)",
            a=("a", [1, 2, 3]),
            b=("b", [1, 2, 4]),
        ),
        {},
    ),
    Case(
        "a function as the value",
        parts("def f(v): return v\nx = load()", x=("x", [2])),
        {"load": 1},
    ),
    Case(
        "a loop with an accumulator",
        parts(
            "out = []\nfor i in range(3): out.append(i + load())\ntotal = sum(out)",
            out=("out", [1, 2]),
            total=("total", [1, 2, 3]),
        ),
        {"load": 3},
    ),
]


@pytest.mark.parametrize("case", SHARED, ids=lambda case: case.behaviour)
def test_run_all_gives_what_each_slice_gives(case: Case, monkeypatch) -> None:
    """`run_all()` gives what each slice gives alone, and computes shared steps once."""
    calls = {"load": 0}

    def loads() -> int:
        calls["load"] += 1
        return 5

    monkeypatch.setattr("builtins.load", loads, raising=False)
    expected = {part.name: alone(part) for part in case.parts}
    text = codegen.module(case.parts)
    calls["load"] = 0
    assert load(text)["run_all"]() == expected, text
    for name, times in case.calls.items():
        assert calls[name] == times, text


def test_slices_of_two_sessions_share_nothing() -> None:
    """Equal lines of different files are different steps."""
    made = [Part("a", "x = [1]\n", "x", source="1.py"), Part("b", "x = [1]\n", "x", source="2.py")]
    assert load(codegen.module(made))["run_all"]() == {"a": [1], "b": [1]}


# --------------------------------------------------------------------------------- the text

EXAMPLE = '''\
import os
import numpy as np

# What is read.
path = "data/wine.csv"
table = np.arange(6.0).reshape(3, 2) + len(path)


def scale(values, by):
    """Scale.

    Twice indented.
    """
    return values / by


table = scale(table, 2)  # halves
note = """
left
  alone"""
'''


def test_module_text() -> None:
    """The user's statements, comments and strings stand in the functions as they were written."""
    text = codegen.module(
        [
            Part("table", EXAMPLE, "table", number=2, source="s.py"),
            Part("top", EXAMPLE + "\ntop = table.max()  # the best\n", "top", source="s.py"),
        ],
        input_parameters=["path"],
    )
    assert (
        text
        == '''\
"""Make table and top.

Generated by linea from table@v2.
"""

import argparse
import os

import numpy as np


def scale(values, by):
    """Scale.

    Twice indented.
    """
    return values / by


def make_table(path: str = "data/wine.csv"):
    """Make table@v2."""
    table = np.arange(6.0).reshape(3, 2) + len(path)

    table = scale(table, 2)  # halves
    note = """
left
  alone"""
    return table


def make_top(table):
    """Make top."""
    top = table.max()  # the best
    return top


def run_all(path: str = "data/wine.csv"):
    """Make table and top; return them by name."""
    table = make_table(path)
    top = make_top(table)
    return {"table": table, "top": top}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", default="data/wine.csv")
    arguments = parser.parse_args()
    results = run_all(path=arguments.path)
    for name, value in results.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
'''
    )


def test_module_is_formatted(tmp_path: Path) -> None:
    """What is generated from formatted code passes a formatter and a linter."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff isn't installed")
    names = [f"a_rather_long_parameter_name_{number}" for number in range(6)]
    code = "import numpy as np\nfrom math import sqrt, floor\n\n"
    code += "".join(f"{name} = {number}\n" for number, name in enumerate(names))
    code += f"flag = False\nx = [sqrt({names[0]}), floor(1.5), np.pi, flag]\n"
    code += "".join(f"y = [{name}]\n" for name in names)
    made = [
        Part("the first of the results", code, "x", source="s.py"),
        Part("the second of the results", code, "y", source="s.py"),
        Part("a third", code + "\n\ndef f():\n    return x\n\n\nz = f()\n", "z", source="s.py"),
    ]
    file = tmp_path / "generated.py"
    file.write_text(codegen.module(made, input_parameters=[*names, "flag"]))
    for command in (["format", "--diff"], ["check", "--select", "E,F,W,I"]):
        done = subprocess.run(
            [ruff, *command, "--isolated", "--line-length", "88", "--no-cache", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr + file.read_text()


NAMES = {
    "model": "make_model",
    "fancy iris": "make_fancy_iris",
    "model.pkl": "make_model_pkl",
    "データ": "make_データ",
    "2024": "make__2024",
    "class": "make_class_",
    "!!!": "make_artifact",
}


@pytest.mark.parametrize("name", NAMES)
def test_function_names(name: str) -> None:
    """Any artifact name gives a function name."""
    assert codegen.function_name(name) == NAMES[name]
    text = codegen.module([Part(name, "x = 1\n", "x")])
    assert load(text)["run_all"]() == {name: 1}
    assert NAMES[name] in load(text)


def test_names_that_clash_are_told_apart() -> None:
    """Artifact names, user's names and generated names never shadow each other."""
    made = [
        Part("a b", "def run_all(): return 1\nx = run_all()\n", "x", source="1.py"),
        Part("a_b", "def make_a_b(): return 2\nmain = make_a_b()\n", "main", source="2.py"),
        Part("a.b", "argparse = 3\n", "argparse", source="3.py"),
        Part("d", "from json import dumps as main\nx = main({})\n", "x", source="4.py"),
    ]
    text = codegen.module(made)
    assert load(text)["run_all"]() == {"a b": 1, "a_b": 2, "a.b": 3, "d": "{}"}, text


# ------------------------------------------------------------------------------- parameters

LITERALS = [
    "-3", "2.5", "-1e-9", "True", "None", "'a=b'", "'it''s'", "'say \"hi\"'", "['a', 'b']", "[]",
    "{'a': 1}", "{1: [None, -2]}", "(1, 'x')", "{1, 2}", "b'raw'", "'back\\\\slash'", "1_000_000",
    "'two\\nlines'", "'%d'", "'{braces}'",
]  # fmt: skip


@pytest.mark.parametrize("literal", LITERALS)
def test_literals_become_parameters(literal: str) -> None:
    """A literal of any kind becomes a parameter with the recorded value as its default."""
    text = codegen.module([Part("x", f"n = {literal}\nx = [n]\n", "x")], input_parameters=["n"])
    module = load(text)
    assert module["run_all"]() == {"x": [eval(literal)]}, text
    assert module["run_all"](n="other") == {"x": ["other"]}, text


OPTIONS = [
    ("-3", ["--n", "-4"], "-4"),
    ("False", ["--n", "False"], "False"),
    ("False", ["--n", "true"], "True"),
    ("True", [], "True"),
    ("'a=b'", ["--n", "c=d=e"], "'c=d=e'"),
    ("[1]", ["--n", "[2, 3]"], "[2, 3]"),
    ("[1]", [], "[1]"),
    ("None", ["--n", "5"], "5"),
    ("None", ["--n", "some text"], "'some text'"),
    ("None", [], "None"),
    ("1.5", ["--n=-2"], "-2.0"),
]


@pytest.mark.parametrize(("literal", "arguments", "expect"), OPTIONS)
def test_command_line(literal: str, arguments: list[str], expect: str, tmp_path: Path) -> None:
    """The generated program reads its parameters from options, with their types."""
    file = tmp_path / "generated.py"
    code = f"n = {literal}\nx = repr(n)\n"
    file.write_text(codegen.module([Part("x", code, "x")], input_parameters=["n"]))
    done = subprocess.run(
        [sys.executable, file, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"x: {expect}\n", "")


def test_a_wrong_option_is_refused(tmp_path: Path) -> None:
    """A truth value that is none ends with a usage message, not with a wrong result."""
    file = tmp_path / "generated.py"
    file.write_text(codegen.module([Part("x", "n = True\nx = n\n", "x")], input_parameters=["n"]))
    done = subprocess.run(
        [sys.executable, file, "--n", "maybe"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "invalid boolean value: 'maybe'" in done.stderr) == (2, True)


def test_list_defaults_are_fresh() -> None:
    """A list as a default isn't shared between calls."""
    code = "rows = [1]\nrows.append(2)\nx = list(rows)\n"
    module = load(codegen.module([Part("x", code, "x")], input_parameters=["rows"]))
    mine = [7]
    assert [module["run_all"]()["x"], module["run_all"]()["x"]] == [[1, 2], [1, 2]]
    assert (module["run_all"](mine)["x"], mine) == ([7, 2], [7])


def test_unknown_parameter_shows_the_candidates() -> None:
    """A parameter that no slice assigns names those that could be, with their places."""
    part = Part("m", "n = 3\nx = n\n", "x", lines=(Origin("train.py", 12), Origin("train.py", 20)))
    with pytest.raises(PipelineError) as caught:
        codegen.module([part], input_parameters=["k"])
    assert str(caught.value) == (
        "no literal assignment to 'k' in 'm' (those that can be parameters: n = 3 (train.py:12))"
    )


@pytest.mark.parametrize(
    "code", ["n = 1\na = n\nn = 2\nx = a + n\n", "n = len('a')\na = n\nn = 2\nx = n\n"]
)
def test_ambiguous_parameter_shows_the_lines(code: str) -> None:
    """A name that is assigned twice can't be a parameter, and the error shows where."""
    with pytest.raises(PipelineError, match=r"'n' is assigned more than once.*m, line 3: n = 2"):
        codegen.module([Part("m", code, "x")], input_parameters=["n"])


def test_two_values_of_one_parameter_are_ambiguous() -> None:
    """A name with different values in two artifacts is ambiguous, with the same value it isn't."""

    def made(value: int) -> list[Part]:
        return [
            Part("a", "n = 1\nx = n\n", "x", source="1.py"),
            Part("b", f"n = {value}\nx = -n\n", "x", source="2.py"),
        ]

    module = load(codegen.module(made(1), input_parameters=["n"]))
    assert module["run_all"](n=5) == {"a": 5, "b": -5}
    with pytest.raises(PipelineError, match="a, line 1: n = 1; b, line 1: n = 2"):
        codegen.module(made(2), input_parameters=["n"])


# ------------------------------------------------------------------------- what linea is asked

EDGES = {
    "value of a get": "import linea\nt = linea.get('t').get_value()\nx = t + 1\n",
    "get under another name": "import linea as lineapy\nx = lineapy.get('t').get_value() + 1\n",
    "get imported by name": "from linea import get\nx = get('t').get_value() + 1\n",
    "handle first": "import linea\nart = linea.get('t')\nx = art.get_value() + 1\n",
    "own version": "import linea\nx = linea.get('t@v3').get_value() + 1\n",
    "own version by number": "import linea\nx = linea.get('t', 3).get_value() + 1\n",
    "in a helper": "import linea\ndef f():\n    return linea.get('t').get_value() + 1\nx = f()\n",
}


@pytest.mark.parametrize("behaviour", EDGES)
def test_get_of_a_requested_artifact_is_an_edge(behaviour: str) -> None:
    """`linea.get` of a requested artifact takes what has just been computed, without a store."""
    made = [Part("x", EDGES[behaviour], "x", source="2.py"), Part("t", "t = 41\n", "t", number=3)]
    text = codegen.module(made)
    assert load(text)["run_all"]() == {"x": 42, "t": 41}, text
    assert "import linea" not in text


def test_a_pinned_get_reads_the_store() -> None:
    """A version other than the requested one stays a read of the store."""
    code = "import linea\nx = linea.get('t@v1').get_value()\n"
    text = codegen.module([Part("x", code, "x"), Part("t", "t = 41\n", "t", number=3)])
    assert "    x = linea.get('t@v1').get_value()\n" in text
    assert "import linea\n" in text


def test_an_edge_changed_in_place_is_copied() -> None:
    """A task that changes what it got leaves the other artifact as it was."""
    code = "import linea\nt = linea.get('t').get_value()\nt.append(2)\nx = sum(t)\n"
    text = codegen.module([Part("x", code, "x", source="2.py"), Part("t", "t = [1]\n", "t")])
    assert load(text)["run_all"]() == {"x": 3, "t": [1]}


def test_artifacts_that_rest_on_each_other_are_refused() -> None:
    """A cycle is an error that shows it."""

    def get(name: str) -> str:
        return f"import linea\nx = linea.get('{name}').get_value()\n"

    made = [Part("a", get("b"), "x"), Part("b", get("c"), "x"), Part("c", get("a"), "x")]
    with pytest.raises(PipelineError, match="a → b → c → a"):
        codegen.module(made)


SAVES = {
    "at the top": "import linea\nv = 41\nlinea.save(v + 1, 'x')\n",
    "in main": """\
import linea


def main():
    v = 41
    linea.save(v + 1, 'x')
    linea.save(0, 'other')


if __name__ == '__main__':
    main()
""",
    "in a guard": """\
import linea

if __name__ == '__main__':
    v = 41
    # saved
    linea.save(v + 1, name='x')
""",
    "guard in a line": """\
import linea
def main(): linea.save(42, 'x')
if __name__ == '__main__': main()
""",
    "in a with": """\
import linea, contextlib
with contextlib.suppress(Exception):
    linea.save(42, 'x')
""",
}


@pytest.mark.parametrize("behaviour", SAVES)
def test_what_the_code_saves_is_returned(behaviour: str) -> None:
    """Where the code itself calls `linea.save`, the function returns the value instead."""
    text = codegen.module([Part("x", SAVES[behaviour], None)])
    assert load(text)["run_all"]() == {"x": 42}, text


REFUSED = {
    "get_ipython().system('ls')\nx = 1\n": "needs IPython: line 1",
    "x = await f()\n": "awaits at the top level",
    "import linea\nart = linea.get('t')\nx = art.name\n": "more than its value",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused_with_a_reason(code: str) -> None:
    """What can't be put into a function is refused with the reason."""
    with pytest.raises(PipelineError, match=REFUSED[code]):
        codegen.module([Part("x", code, "x"), Part("t", "t = 1\n", "t", source="2.py")])


def test_helpers_reach_the_variables_of_their_function() -> None:
    """A helper with `global` keeps working inside of a function."""
    code = "n = 1\ndef f():\n    global n\n    n += 1\nf()\nx = n\n"
    assert load(codegen.module([Part("x", code, "x")]))["run_all"]() == {"x": 2}


def test_imports_below_a_change_of_the_path_stay() -> None:
    """An import that depends on `sys.path` isn't moved above the line that sets it."""
    code = "import sys\nsys.path.append('src')\nimport helpers\nx = helpers.f()\n"
    text = codegen.module([Part("x", code, "x")])
    assert text.index("sys.path.append('src')") < text.index("import helpers")


# --------------------------------------------------------------------------- single functions


def test_function() -> None:
    """A slice becomes one function, its imports and helpers inside, with parameters."""
    code = "import math\nn = -2\ndef f(v): return abs(v)\nx = math.sqrt(f(n) * 2)\n"
    text = codegen.function(code, "root", result="x", parameters=["n"])
    assert load(text)["root"]() == 2
    assert load(text)["root"](n=8) == 4


def test_indentation_leaves_strings_alone() -> None:
    """Strings that span lines, f-strings too, keep every character."""
    code = 'v = 1\nx = f"""\n{v}\n  two\n"""\ny = \'a\\\n  b\'\nx = x + y\n'
    part = Part("x", code, "x")
    assert load(codegen.module([part]))["run_all"]() == {"x": alone(part)}
