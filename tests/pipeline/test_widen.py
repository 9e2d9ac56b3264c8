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
