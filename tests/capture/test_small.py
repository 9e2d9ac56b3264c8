"""What stays out of a slice: calls and imports that the value doesn't rest on; and what must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FRESH = """
import json, sys
from pathlib import Path
from linea.capture.criterion import slice_of_name
from linea.capture.script import run_statements
from linea.capture.session import Session
source, names, folder = json.load(sys.stdin)
space = {"__name__": "__main__"}
session = Session(space, root=Path(folder))
run_statements(session, source, folder + "/x.py", "x.py", space)
assert not session.notes, session.notes
print(json.dumps([slice_of_name(session, name).code for name in names]), file=sys.__stdout__)
"""


def slices(source: str, names: list[str], folder: Path) -> list[list[str]]:
    """The lines of slices, in an interpreter that has loaded nothing yet."""
    # Libraries that other tests loaded have left their settings in this process.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("KMP_", "_RJEM"))}
    done = subprocess.run(
        [sys.executable, "-c", FRESH], input=json.dumps([source, names, str(folder)]),
        capture_output=True, text=True, timeout=100, check=True, cwd=folder, env=clean,
    )  # fmt: skip
    return [code.splitlines() for code in json.loads(done.stdout.splitlines()[-1])]


@dataclass(frozen=True)
class Case:
    """A program, and by variable the lines that its slice has."""

    title: str
    source: str
    expected: dict[str, str]


CASES = [
    Case(
        "an import whose only traces are ways to pickle its own classes and settings of threads",
        """\
import sklearn
import numpy as np
import matplotlib.pyplot as plt
import pandas as pd
a = np.arange(3)
t = pd.Series(a)
""",
        {"a": "import numpy as np\na = np.arange(3)",
         "t": "import numpy as np\nimport pandas as pd\na = np.arange(3)\nt = pd.Series(a)"},
    ),
    Case(
        "an import that made a module visible which the package gives by itself",
        """\
import pandas as pd
import numpy as np
np.random.seed(3)
x = np.random.rand()
""",
        {"x": "import numpy as np\nnp.random.seed(3)\nx = np.random.rand()"},
    ),
    Case(
        "settings of threads count where the environment is asked for",
        """\
import os
import sklearn
env = sorted(k for k in os.environ if k.startswith("KMP_"))
""",
        {"env": "import os\nimport sklearn\n"
                'env = sorted(k for k in os.environ if k.startswith("KMP_"))'},
    ),
    Case(
        "calls of a library whose values are printed, loaded or bound",
        """\
import numpy as np
import pandas as pd
import scipy.stats as st
from sklearn.datasets import load_iris
t = pd.DataFrame({"k": [2, 1], "v": [3, 4]})
iris = load_iris()
print(t.set_index("k"))
t.reset_index()
print(st.norm.cdf(0.5), np.cumsum(t.v))
print(pd.concat([t, t]).head())
n = pd.Series([1, 2]).sum()
p = st.norm.pdf(0)
""",
        {"n": "import pandas as pd\nn = pd.Series([1, 2]).sum()",
         "p": "import scipy.stats as st\np = st.norm.pdf(0)"},
    ),
    Case(
        "a plot of an array that compiled code gave",
        """\
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
import matplotlib.pyplot as plt
X, y = load_iris(return_X_y=True)
path = DecisionTreeClassifier(random_state=0).cost_complexity_pruning_path(X, y)
alphas = path.ccp_alphas
fig, ax = plt.subplots()
ax.plot(alphas[:-1], alphas[1:])
top = alphas.max()
""",
        {"top": """\
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
X, y = load_iris(return_X_y=True)
path = DecisionTreeClassifier(random_state=0).cost_complexity_pruning_path(X, y)
alphas = path.ccp_alphas
top = alphas.max()"""},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.title)
def test_slices_leave_out(case: Case, tmp_path: Path) -> None:
    """The slice of each variable holds the lines expected, and no others."""
    found = slices(case.source, list(case.expected), tmp_path)
    assert ["\n".join(x) for x in found] == list(case.expected.values())


KEPT = [
    (
        "a way to pickle a class of another library",
        """\
import copyreg, copy, decimal
def way(c):
    return decimal.Context, (7,)
copyreg.pickle(decimal.Context, way)
c = copy.copy(decimal.Context(prec=3)).prec
d = copy.deepcopy(decimal.Context(prec=3)).prec
""",
        "d",
        "copyreg.pickle(decimal.Context, way)",
    ),
    (
        "a setter below a call",
        """\
import sys, types
lib = types.ModuleType("lib")
exec('''
state = {"k": 1}
class Option:
    def set_value(self, v): state["k"] = v
def option(): return Option()
def value(): return state["k"]
''', vars(lib))
sys.modules["lib"] = lib
import lib
lib.option().set_value(5)
v = lib.value()
""",
        "v",
        "lib.option().set_value(5)",
    ),
    (
        "an array changed through the view that compiled code gave",
        """\
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
X, y = load_iris(return_X_y=True)
path = DecisionTreeClassifier(random_state=0).cost_complexity_pruning_path(X, y)
alphas = path.ccp_alphas
view = alphas.base
rest = alphas[1:]
rest[0] = 40.0
top = alphas.max()
""",
        "top",
        "rest[0] = 40.0",
    ),
]


@pytest.mark.parametrize(("title", "source", "name", "line"), KEPT, ids=[k[0] for k in KEPT])
def test_slices_keep(title: str, source: str, name: str, line: str, tmp_path: Path) -> None:
    """What may have changed the value stays."""
    [found] = slices(source, [name], tmp_path)
    assert line in found, title
