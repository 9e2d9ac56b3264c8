"""Programs that save `x`, with the verdict that running their slice again has to give."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """A script as a user writes it; `linea.save(x, NAME)` is put at its end."""

    name: str
    code: str
    outcome: str = "identical"
    detail: str = ""
    """A text that the verdict's detail has."""
    before: dict[str, str] = field(default_factory=dict)
    """Files when it is run."""
    after: dict[str, str | None] = field(default_factory=dict)
    """Files that changed, or are gone, when it is verified."""
    tolerance: float | None = None
    variables: dict[str, str] = field(default_factory=dict)
    quick: bool = False


PD, NP = "import pandas as pd\n", "import numpy as np\n"
CSV = {"d.csv": "a,b\n1,2.5\n3,4.5\n"}
READS = PD + "df = pd.read_csv('d.csv')\n"

PROGRAMS = [
    # ------------------------------------------------------------- the same value each time
    Program("plain", "x = {'n': [1, 2], 's': 'é', 't': (1, None)}\n", quick=True),
    Program("loop", "x = []\nfor i in range(4):\n    x.append(i * i)\ny = len(x)\n"),
    Program("function", "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nx = f(12)\n"),
    Program("klass", "class P:\n    def __init__(self, a): self.a = a\n    def up(self): self.a += 1\np = P(1)\np.up()\nx = p.a\n"),
    Program("main", "def main():\n    global x\n    x = [3, 1, 2]\n    x.sort()\nif __name__ == '__main__':\n    main()\n"),
    Program("table", READS + "x = df.assign(c=df.a + df.b).groupby('a').c.sum().reset_index()\n", before=CSV),
    Program("series", READS + "x = df.b.rolling(2).mean()\n", before=CSV),
    Program("array", NP + "x = np.linalg.inv(np.arange(9.0).reshape(3, 3) + np.eye(3))\n"),
    Program("nan", NP + "x = np.array([np.nan, np.inf, -0.0, 1e-320])\n"),
    Program("dates", PD + "x = pd.DataFrame({'d': pd.date_range('2026-01-01', periods=3, tz='Europe/Berlin')})\n"),
    Program("categories", PD + "x = pd.DataFrame({'c': pd.Categorical(['b', 'a', None])}, index=pd.Index([3, 1, 2], name='i'))\n"),
    Program("decimal", "from decimal import Decimal, getcontext\ngetcontext().prec = 40\nx = [Decimal(1) / 7, 2 ** 200, 1 + 2j]\n"),
    Program("seeded", "import random\nrandom.seed(7)\nx = [random.random() for _ in range(3)]\n", quick=True),
    Program("seeded_np", NP + "np.random.seed(3)\nx = np.random.normal(size=4)\n"),
    Program("generator", NP + "rng = np.random.default_rng(5)\na = rng.random(2)\nx = rng.integers(0, 9, 4)\n"),
    Program("model", NP + "from sklearn.linear_model import LinearRegression\nX = np.arange(8.0).reshape(4, 2)\nm = LinearRegression().fit(X, X[:, 0])\nx = m.predict(X)\n"),
    Program("forest", NP + "from sklearn.ensemble import RandomForestClassifier\nX = np.arange(40.0).reshape(20, 2)\ny = [0, 1] * 10\nx = RandomForestClassifier(5, random_state=0).fit(X, y)\n"),
    Program("json_file", "import json\nwith open('c.json') as f:\n    x = json.load(f)['k']\n", before={"c.json": '{"k": [1, 2]}'}),
    Program("writes", "with open('t.txt', 'w') as f:\n    f.write('hello')\nx = open('t.txt').read().upper()\n"),
    Program("folders", "import os\nos.makedirs('out/deep', exist_ok=True)\nopen('out/deep/a.txt', 'w').write('5')\nx = int(open('out/deep/a.txt').read())\n"),
    Program("temporary", "import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    open(os.path.join(d, 'a'), 'w').write('7')\n    x = open(os.path.join(d, 'a')).read()\n"),
    Program("chdir", "import os\nos.makedirs('sub', exist_ok=True)\nos.chdir('sub')\nopen('b.txt', 'w').write('9')\nx = open('b.txt').read()\nos.chdir('..')\n"),
    Program("own_module", "from helper import twice\nx = twice(4)\n", before={"helper.py": "def twice(n):\n    return 2 * n\n"}),
    Program("module_changed", "from helper2 import twice\nx = twice(4)\n", before={"helper2.py": "def twice(n):\n    return 2 * n\n"}, after={"helper2.py": "def twice(n):\n    return 3 * n\n"}),
    Program("input_changed", "x = open('in1.txt').read()\n", before={"in1.txt": "one"}, after={"in1.txt": "two"}, quick=True),
    Program("input_gone", "x = open('in2.txt').read()\n", before={"in2.txt": "one"}, after={"in2.txt": None}),
    Program("by_file", "from pathlib import Path\nx = (Path(__file__).parent / 'in3.txt').read_text()\n", before={"in3.txt": "3"}, after={"in3.txt": "4"}),
    Program("glob", "from pathlib import Path\nx = sorted(p.read_text() for p in Path('many').glob('*.txt'))\n", before={"many/a.txt": "1", "many/b.txt": "2"}),
    Program("variable", "import os\nx = os.environ['MODE'] * 2\n", variables={"MODE": "ab"}),
    Program("sqlite", "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t(a)')\nc.executemany('insert into t values (?)', [(1,), (2,)])\nx = c.execute('select sum(a) from t').fetchone()[0]\n"),
    Program("regex", "import re\nx = [m.groupdict() for m in re.finditer(r'(?P<k>\\w)=(?P<v>\\d)', 'a=1 b=2')]\n"),
    Program("threads", "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n    x = list(pool.map(str, range(5)))\n"),
    Program("child", "import subprocess, sys\nx = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout\n"),
    Program("caught", "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = str(e)\n"),
    Program("exits", "import sys\nx = 5\nif x > 9:\n    sys.exit(1)\n"),
    Program("text", "x = 'line\\n' * 3\n"),
    Program("sparse", "import scipy.sparse as sp\nx = sp.csr_matrix([[0, 1], [2, 0]])\n"),
    Program("polars", "import polars as pl\nx = pl.DataFrame({'a': [1, 2], 'b': ['u', None]}).filter(pl.col('a') > 1)\n"),
    Program("patched", "import json\njson.dumps = lambda *a, **k: 'patched'\nx = json.dumps({})\n"),
    Program("sorted_set", "x = sorted({'b', 'a', 'cc'})\n"),
    # ------------------------------------------------------------------ another value each time
    Program("unseeded", "import random\nx = random.random()\n", "different", "random at p_unseeded.py:2", quick=True),
    Program("taken", "import random\ns = random.getstate()\nrandom.random()\nrandom.setstate(s)\nx = random.random()\n", "different", "random at p_taken.py:2", quick=True),
    Program("unseeded_np", NP + "y = 1\nnoise = np.random.rand(3)\nx = noise + y\n", "different", "re-runs part at p_unseeded_np.py:3"),
    Program("unseeded_table", READS + NP + "x = df.assign(r=np.random.rand(len(df)))\n", "different", "columns that differ: r", before=CSV),
    Program("fresh_generator", NP + "rng = np.random.default_rng()\nx = rng.random(2)\n", "different", "no re-run gives again"),
    Program("clock", "import time\nx = time.time()\n", "different", "clock"),
    Program("today", "from datetime import datetime\nx = {'made': datetime.now().isoformat()}\n", "different", "re-runs part at p_today.py:2"),
    Program("uuid", "import uuid\nx = str(uuid.uuid4())\n", "different", "re-runs part at p_uuid.py"),
    Program("secrets", "import secrets\nx = secrets.token_hex(4)\n", "different", "re-runs part at p_secrets.py"),
    Program("process", "import os\nx = os.getpid()\n", "different", "re-runs part at p_process.py:2"),
    Program("set_order", "x = list({'b', 'a', 'ccc', 'dd', 'e', 'ff'})\n", "different", "PYTHONHASHSEED"),
    Program("shuffled", PD + "import random\nl = list(range(200))\nrandom.shuffle(l)\nx = pd.DataFrame({'l': l})\n", "different", "re-runs part at p_shuffled.py:4"),
    # -------------------------------------------------------------------------- within a tolerance
    Program("nearly", "import random\nx = [1.0 + random.random() * 1e-9]\n", "equal", "within 1e-06", tolerance=1e-6),
    Program("not_nearly", "import random\nx = [1.0 + random.random()]\n", "different", "", tolerance=1e-9),
    # --------------------------------------------------------------------------------- failures
    Program("marked_once", "x = open('/tmp/linea-mark-once', 'x').write('1')\n", "failed", "FileExistsError"),
    Program("secret", "import os\nx = len(os.environ['MY_TOKEN'])\n", "failed", "MY_TOKEN was set", variables={"MY_TOKEN": "t0p"}),
    Program("large_changed", "x = len(open('large.txt').read())\n", "impossible", "large.txt has changed", before={"large.txt": "x" * 5000}, after={"large.txt": "y"}, variables={"LINEA_KEEP_INPUTS": "1k"}),
    Program("large_gone", "x = len(open('large2.txt').read())\n", "impossible", "large2.txt isn't there", before={"large2.txt": "x" * 5000}, after={"large2.txt": None}, variables={"LINEA_KEEP_INPUTS": "1k"}),
]  # fmt: skip
