"""Parameters bring in what their other values make count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from linea import codegen
from linea.codegen.parts import Part
from linea.codegen.widen import widen
from linea.model import Origin


@dataclass(frozen=True)
class Case:
    behaviour: str
    session: str
    kept: list[int]
    """The lines of the slice."""
    parameters: dict[str, Any]
    """What is set to something else."""
    added: list[int]
    """The lines that are taken in."""


SAVED = """\
import linea
p = 1
x = [p]
if p > 5:
    x = x * 2
linea.save(x, "a")
x.append(p)"""

CASES = [
    Case("a branch that wasn't taken", "p = 1\nx = [p]\nif p > 5:\n    x = x * 2\nx = x + [0]", [1, 2, 5], {"p": 9}, [3, 4]),
    Case("a flag that wasn't set", "flag = False\nx = 3\nif flag:\n    x = -x", [2], {"flag": True}, [1, 3, 4]),
    Case("a value derived from a parameter", "p = 1\nq = p * 2\nx = 3\nif q > 5:\n    x = 4", [3], {"p": 9}, [1, 2, 4, 5]),
    Case("an in-place change that changed nothing", "p = 0\nx = [1, 2]\ndel x[:p]\ny = len(x)", [2, 4], {"p": 1}, [1, 3]),
    Case("a loop that ran no times", "p = 0\nx = [1]\nfor i in range(p):\n    x.append(i)", [2], {"p": 3}, [1, 3, 4]),
    Case("a branch cut out of a block", "p = 1\nif p < 5:\n    x = 1\nelse:\n    x = 2", [1, 2, 3], {"p": 9}, [4, 5]),
    Case("a branch below the slice counts up to the save", SAVED, [2, 3], {"p": 9}, [4, 5]),
    Case("what only prints stays out", "p = 1\nx = [p]\nif p:\n    print(p)\ny = x * 2", [1, 2, 5], {"p": 9}, []),
    Case("another variable stays out", "p = 1\nx = [p]\nz = 5\nif p > 5:\n    z = 6\ny = x * 2", [1, 2, 6], {"p": 9}, []),
    Case("a save stays out", "import linea\np = 1\nx = [p]\nlinea.save(x, 'x')\ny = x * 2", [2, 3, 5], {"p": 9}, []),
    Case("what is bound anew stays out", "p = 1\nx = p\nif p > 5:\n    x = 6\nx = 7\ny = x + p", [1, 5, 6], {"p": 9}, []),
]  # fmt: skip


def with_save(case: Case) -> str:
    """The session, with the save where the case doesn't have it."""
    if 'linea.save(x, "a")' in case.session:
        return case.session
    return (
        f"{case.session}\nimport linea; linea.save({'y' if 'y = ' in case.session else 'x'}, 'a')"
    )


def sliced(case: Case) -> Part:
    lines = case.session.split("\n")
    result = "y" if "y = " in case.session else "x"
    return Part(
        "a", "".join(lines[n - 1] + "\n" for n in case.kept), result, source="s.py",
        lines=tuple(Origin("s.py", n) for n in case.kept),
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.behaviour)
def test_widen(case: Case) -> None:
    """The widened slice has the lines it needs, and gives what the session gives for both values."""
    part = sliced(case)
    wide = widen(part, with_save(case), list(case.parameters))
    assert [origin.line for origin in wide.lines if origin] == sorted([*case.kept, *case.added])
    module: dict[str, Any] = {"__name__": "generated"}
    exec(codegen.module([wide], input_parameters=list(case.parameters)), module)
    assert module["run_all"]() == {"a": run(case.session, part.result)}
    changed = case.session
    for name, value in case.parameters.items():
        first, _, rest = changed.partition(f"{name} = ")
        changed = f"{first}{name} = {value!r}\n{rest.partition(chr(10))[2]}"
    assert module["run_all"](**case.parameters) == {"a": run(changed, part.result)}


def run(session: str, result: str | None) -> Any:
    names: dict[str, Any] = {}
    session = session.partition('linea.save(x, "a")')[0]
    exec(session.replace("import linea", "").replace("linea.save(x, 'x')", ""), names)
    return names[result]


def test_cells_and_magics() -> None:
    """In a notebook's session, cells are told apart and magics are no statements."""
    session = "\n# In[1]\nimport linea\n%time p = 1\n\n# In[2]\np = 1\nx = [p]\n\n# In[3]\n!ls\nif p > 5:\n    x = 2\nlinea.save(x, 'a')\nx = 5 * p\n"
    part = Part("a", "p = 1\nx = [p]\n", "x", lines=(Origin("n", 1, 2), Origin("n", 2, 2)))
    wide = widen(part, session, ["p"])
    assert wide.code == "p = 1\nx = [p]\nif p > 5:\n    x = 2\n"
    assert [str(line) for line in wide.lines] == ["n [2]:1", "n [2]:2", "n [3]:2", "n [3]:3"]


@dataclass(frozen=True)
class Data:
    behaviour: str
    session: str
    kept: list[int]
    added: list[int]


OF_DATA = [
    Data("a check", "x = [1]\nassert x\ny = len(x)", [1, 3], [2]),
    Data("a guard that raises", "x = [1]\nif not x:\n    raise ValueError\ny = len(x)", [1, 4], [2, 3]),
    Data("a guard that ends the program", "import sys\nx = [1]\nif not x:\n    print(0)\n    sys.exit(3)\ny = len(x)", [2, 6], [1, 3, 4, 5]),
    Data("what a guard counts", "x = [1]\nn = len(x)\nassert n\ny = x + x", [1, 4], [2, 3]),
    Data("a check of all in turn", "x = [1]\nfor i in x:\n    assert i\ny = len(x)", [1, 4], [2, 3]),
    Data("a call of a function that checks", "def ok(v):\n    n = len(v)\n    if not n:\n        raise ValueError\nx = [1]\nok(x)\ny = len(x)", [5, 7], [1, 2, 3, 4, 6]),
    Data("a guard within a function", "def f(v):\n    if not v:\n        raise ValueError\n    return v[0]\nx = [1]\ny = f(x)", [1, 4, 5, 6], [2, 3]),
    Data("a guard within a function that another calls", "def g(v):\n    assert v\n    return v[0]\ndef f(v):\n    return g(v)\ny = f([1])", [1, 3, 4, 5, 6], [2]),
    Data("a branch that wasn't taken", "x = [1]\nif len(x) > 50:\n    x = x[:50]\ny = len(x)", [1, 4], [2, 3]),
    Data("an in-place change that changed nothing", "x = [1]\ndel x[5:]\ny = len(x)", [1, 3], [2]),
    Data("a check of what isn't in the slice stays out", "x = [1]\nz = [2]\nassert z\ny = len(x)", [1, 4], []),
    Data("a check of what costs much stays out", "x = [1]\nm = train(x)\nassert m.good\ny = len(x)", [1, 4], []),
    Data("what only shows stays out", "def show(v):\n    print(v)\nx = [1]\nshow(x)\nprint(x)\ny = len(x)", [3, 6], []),
    Data("functions that aren't called stay out", "def f(v):\n    assert v\nx = [1]\ny = len(x)", [3, 4], []),
]  # fmt: skip


@pytest.mark.parametrize("case", OF_DATA, ids=lambda case: case.behaviour)
def test_what_other_data_makes_count(case: Data) -> None:
    """Without parameters a slice takes in what holds for other data: checks, fixes, branches."""
    lines = case.session.split("\n")
    part = Part(
        "a", "".join(lines[n - 1] + "\n" for n in case.kept), "y", source="s.py",
        lines=tuple(Origin("s.py", n) for n in case.kept),
    )  # fmt: skip
    wide = widen(part, f"import linea\n{case.session}\nlinea.save(y, 'a')".partition("\n")[2])
    assert [origin.line for origin in wide.lines if origin] == sorted([*case.kept, *case.added])


def test_what_stands_in_a_cell_that_may_have_failed_stays_out() -> None:
    """Only what a later statement of its cell shows to have run is taken in."""
    session = (
        "\n# In[1]\nimport linea\nx = [1]\n\n# In[2]\nassert x\nx.remove(5)\n\n# In[3]\nassert x[0]\ny = x[0]\n"
        "\n# In[4]\nlinea.save(y, 'a')\n"
    )
    part = Part("a", "x = [1]\ny = x[0]\n", "y", lines=(Origin("n", 2, 1), Origin("n", 2, 3)))
    assert widen(part, session).code == "x = [1]\nassert x[0]\ny = x[0]\n"


def test_what_a_function_does_after_its_save_stays_out() -> None:
    """A function that saves is taken back up to the save."""
    session = "import linea\ndef main():\n    x = [1]\n    assert x\n    linea.save(x, 'a')\n    print(x)\nmain()"
    kept = [1, 2, 3, 5, 7]
    text = "".join(session.split("\n")[n - 1] + "\n" for n in kept)
    part = Part("a", text, None, lines=tuple(Origin("s.py", n) for n in kept))
    assert [o.line for o in widen(part, session).lines if o] == [1, 2, 3, 4, 5, 7]
