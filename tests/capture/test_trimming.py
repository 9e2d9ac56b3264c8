"""Cutting inside functions and blocks: what the text leaves open stays."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from linea.capture.criterion import slice_of_name
from linea.capture.script import run_statements
from linea.capture.session import Session


def slice_of(source: str, name: str, folder: Path) -> str:
    """The slice of `name` after `source` has run; errors end it as a cell's do."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    session = Session(namespace, root=folder)
    with contextlib.suppress(Exception):
        run_statements(session, source, str(folder / "x.py"), "x.py", namespace)
    try:
        return slice_of_name(session, name).code
    finally:
        session.close()


def test_a_function_that_raised_stays_whole(tmp_path: Path) -> None:
    """The statement that raised decides what ran after it, though nothing reads what it binds."""
    source = (
        "d = {}\ndef f(x):\n    d[1] = x\n    n = x + 'text'\n    d[2] = x\n    return x\nf(3)\n"
    )
    assert "n = x + 'text'" in slice_of(source, "d", tmp_path)


def test_a_function_that_ran_to_its_end_is_cut(tmp_path: Path) -> None:
    """Locals that nothing reads go, with what only they rest on."""
    source = "def f(x):\n    n = x + 1\n    m = n * 2\n    print(m)\n    return x\nr = f(3)\n"
    assert slice_of(source, "r", tmp_path) == "def f(x):\n    return x\nr = f(3)\n"


def test_a_loop_is_not_kept_for_its_stopwatch(tmp_path: Path) -> None:
    """Asking any of Python's clocks changes nothing; what is done with the time is gone as well."""
    source = (
        "import time\ntotal = 0\nfor i in range(9):\n    began = time.process_time()\n"
        "    at = time.perf_counter_ns()\n    total += i\n    if i % 3 == 2:\n"
        "        took = time.process_time() - began\n        print(took, time.thread_time(), at)\n"
    )
    kept = "total = 0\nfor i in range(9):\n    total += i\n"
    assert slice_of(source, "total", tmp_path) == kept


def test_an_alias_from_outside_the_block_counts(tmp_path: Path) -> None:
    """A block that changes an object under another name than the needed one stays."""
    source = "box = {'log': []}\nlog = box['log']\nfor i in range(2):\n    log.append(i)\nn = 1\n"
    assert "log.append(i)" in slice_of(source, "box", tmp_path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from math import pi, e\nr = e\n", "from math import e\nr = e\n"),
        ("import math, string as s, cmath\nr = s.digits\n", "import string as s\nr = s.digits\n"),
        (
            "from math import (  # some\n    pi,  # one\n    e as é,\n    tau,\n)\nr = é\n",
            "from math import (  # some\n    e as é,\n)\nr = é\n",
        ),
        (
            "from math import (pi, tau,\n  e)\nr = tau\n",
            "from math import (pi, tau,\n  e)\nr = tau\n",
        ),
        (
            "from collections import OrderedDict as O, Counter, deque  # both\nr = [Counter('a')]\n",
            "from collections import Counter  # both\nr = [Counter('a')]\n",
        ),
        ("from math import pi, e\nr = eval('e')\n", "from math import pi, e\nr = eval('e')\n"),
        ("from os import path, getcwd, sep\nr = sep\n", "from os import path, sep\nr = sep\n"),
    ],
)
def test_an_import_keeps_the_names_that_are_used(
    tmp_path: Path, source: str, expected: str
) -> None:
    """The others go, and what is left stands as it was written; a submodule may do something."""
    assert slice_of(source, "r", tmp_path) == expected


def test_what_only_a_cut_statement_read_goes(tmp_path: Path) -> None:
    """A binding that was read in the part of a loop that went isn't needed either."""
    source = "x = [3, 1]\nb = sorted(x)\nn = 0\nfor v in x:\n    n += v\n    print(b)\n"
    assert slice_of(source, "n", tmp_path) == "x = [3, 1]\nn = 0\nfor v in x:\n    n += v\n"


def test_what_changed_something_stays_when_its_reader_was_cut(tmp_path: Path) -> None:
    """A binding that took from an iterator on the way is needed for what is left in it."""
    source = "x = iter([3, 1, 2])\nb = next(x)\nn = 0\nfor v in x:\n    n += v\n    print(b)\n"
    assert "b = next(x)" in slice_of(source, "n", tmp_path)


def test_every_name_that_a_statement_binds_counts(tmp_path: Path) -> None:
    """An assignment may bind more than its targets: in a comprehension, or in a function."""
    walrus = "evens = [last := v for v in [3, 5, 8] if v > 3]\nr = last\n"
    assert slice_of(walrus, "r", tmp_path) == walrus
    function = "def f():\n    global last\n    last = 4\n    return 1\nn = f()\nr = last\n"
    needed = function.replace("    return 1\n", "")  # `n` is another's concern
    assert slice_of(function, "r", tmp_path) == needed


def test_a_name_that_is_bound_anew_at_the_address_of_the_one_before(tmp_path: Path) -> None:
    """A loop may leave a name with an object that lies where the object before it lay."""
    turns = "".join(f"for i in range({n}):\n    t = {{6: i}}\n" for n in range(2, 9))
    code = slice_of(f"t = {{1: 2}}\n{turns}", "t", tmp_path)
    assert "for i in range(8):" in code


LOOPS = [
    (
        "targets over what was there before need no body",
        "d = {'a': [1], 'b': [2]}\nlog = []\nfor i, (k, v) in enumerate(d.items()):\n"
        "    log.append(k)\n    for j in range(2):\n        print(i, j)\nr = k\n",
        "r",
        "d = {'a': [1], 'b': [2]}\nfor i, (k, v) in enumerate(d.items()):\n    pass\nr = k\n",
    ),
    (
        "of nested loops the inner one stays for its own target",
        "log = []\nfor i in range(3):\n    log.append(i)\n    for j in ('x', 'y'):\n        log.append(j)\nr = j\n",
        "r",
        "for i in range(3):\n    for j in ('x', 'y'):\n        pass\nr = j\n",
    ),
    (
        "what the body changes of what is gone over stays",
        "rows = [[1], [2]]\nlog = []\nfor row in rows:\n    row.append(3)\n    log.append(row[0])\nr = row\n",
        "r",
        "rows = [[1], [2]]\nlog = []\nfor row in rows:\n    row.append(3)\n    log.append(row[0])\nr = row\n",
    ),
    (
        "a loop that may end early stays",
        "log = []\nfor i in range(9):\n    log.append(i)\n    if len(log) > 2:\n        break\nr = i\n",
        "r",
        "log = []\nfor i in range(9):\n    log.append(i)\n    if len(log) > 2:\n        break\nr = i\n",
    ),
    (
        "a target that a function binds too stays as it is",
        "def f():\n    global i\n    i = 7\nfor i in range(3):\n    f()\nr = i\n",
        "r",
        "def f():\n    global i\n    i = 7\nfor i in range(3):\n    f()\nr = i\n",
    ),
    (
        "objects that the loop makes may be changed by it",
        "def make():\n    return [[1], [2]]\nlog = []\nfor row in make():\n    log.append(row)\n    log[-1].append(5)\nr = row\n",
        "r",
        "def make():\n    return [[1], [2]]\nlog = []\nfor row in make():\n    log.append(row)\n    log[-1].append(5)\nr = row\n",
    ),
    (
        "an iterator that the body uses up stays with it",
        "it = iter([1, 2, 3, 4])\nlog = []\nfor x in it:\n    log.append(next(it))\nr = x\n",
        "r",
        "it = iter([1, 2, 3, 4])\nlog = []\nfor x in it:\n    log.append(next(it))\nr = x\n",
    ),
]


@pytest.mark.parametrize(("title", "source", "name", "expected"), LOOPS, ids=[x[0] for x in LOOPS])
def test_of_a_loop_stays_what_its_targets_need(
    title: str, source: str, name: str, expected: str, tmp_path: Path
) -> None:
    """A body whose observed changes nobody needs goes; the slice gives the same value."""
    code = slice_of(source, name, tmp_path)
    assert code == expected, title
    whole: dict[str, object] = {}
    alone: dict[str, object] = {}
    exec(source, whole)
    exec(code, alone)
    assert whole[name] == alone[name]


INSIDE = [
    (
        "import io\nb = io.StringIO('1')\nwith b as f:\n    k = 0\n    r = f.read()\n",
        "import io\nb = io.StringIO('1')\nwith b as f:\n    r = f.read()\n",
    ),
    (
        "def f(p):\n    with open(p) as h:\n        n = h.read()\n    try:\n        m = int(p)\n"
        "    except ValueError:\n        m = 0\n    return 3\nr = f(__file__)\n",
        "def f(p):\n    return 3\nr = f(__file__)\n",
    ),
    (
        "r = 0\nfor v in [1, 2]:\n    if v > 5:\n        raise ValueError(v)\n    else:\n"
        "        print(v)\n    r += v\n",
        "r = 0\nfor v in [1, 2]:\n    r += v\n",
    ),
    (
        "def f(v):\n    if v < 0:\n        raise ValueError(v)\n    match v:\n        case 3:\n"
        "            k = 2\n        case _:\n            k = 1\n    return v\nr = f(4)\n",
        "def f(v):\n    return v\nr = f(4)\n",
    ),
    (
        "def f(v):\n    s = 0\n    def g(x):\n        t = x + 1\n        return x\n"
        "    def h():\n        return 2\n    return g(v)\nr = f(4)\n",
        "def f(v):\n    def g(x):\n        return x\n    return g(v)\nr = f(4)\n",
    ),
    (
        "import logging\nlog = logging.getLogger('x')\ndef f(v):\n    log.info('got %d', v)\n"
        "    xs = sorted([v], key=lambda x: -x)\n    return v\nr = f(4)\n",
        "def f(v):\n    return v\nr = f(4)\n",
    ),
    (
        "from contextlib import contextmanager\n@contextmanager\ndef timed():\n    yield\n    print(1)\n"
        "def f(v):\n    with timed():\n        n = v / 2\n        m = v\n    return m\nr = f(4)\n",
        "from contextlib import contextmanager\n@contextmanager\ndef timed():\n    yield\n    print(1)\n"
        "def f(v):\n    with timed():\n        m = v\n    return m\nr = f(4)\n",
    ),
    (
        "import pandas as pd\ndef load():\n    df = pd.DataFrame({'a': [1, 2]})\n    print(df.describe())\n"
        "    n = df['a'].mean()\n    df['b'] = df['a'] * 2\n    return df\n"
        "def show(d):\n    print(d.head().to_string())\ndef main():\n    df = load()\n    show(df)\n"
        "    return df\nr = main()\n",
        "import pandas as pd\ndef load():\n    df = pd.DataFrame({'a': [1, 2]})\n"
        "    df['b'] = df['a'] * 2\n    return df\ndef main():\n    df = load()\n    return df\nr = main()\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), INSIDE)
def test_what_is_left_inside(tmp_path: Path, source: str, expected: str) -> None:
    """Blocks, guards that let pass, functions inside, logs and looks at tables."""
    assert slice_of(source.replace("__file__", repr(__file__)), "r", tmp_path) == expected.replace(
        "__file__", repr(__file__)
    )


def test_a_log_that_something_keeps_stays(tmp_path: Path) -> None:
    """Where the slice has a handler, what is logged may be what it is about."""
    source = (
        "import logging\nkept = []\nclass Keep(logging.Handler):\n    def emit(self, record):\n"
        "        kept.append(record.getMessage())\nlog = logging.getLogger('y')\n"
        "log.setLevel(10)\nlog.addHandler(Keep())\ndef f(v):\n    log.info('got %d', v)\n    return v\nr = f(4)\n"
    )
    assert "log.info" in slice_of(source, "kept", tmp_path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):\n    a = x; b = 2; return a\nr = f(1)\n", "def f(x):\n    a = x; return a\nr = f(1)\n"),
        ("def f(x):\n    b = 2; a = x; return a\nr = f(1)\n", "def f(x):\n    a = x; return a\nr = f(1)\n"),
        ("def f(x):\n    a = x; b = ';'; c = b  # why\n    return a\nr = f(1)\n", "def f(x):\n    a = x  # why\n    return a\nr = f(1)\n"),
        ("def f(x):\n    b = 2; c = b\n    return x\nr = f(1)\n", "def f(x):\n    return x\nr = f(1)\n"),
        ("def f(x):\n    b = [\n        2]; c = [b,\n        3]; a = 'é'; b = a\n    return x\nr = f(1)\n", "def f(x):\n    return x\nr = f(1)\n"),
        ("r = []\nfor i in [1]: r.append(i); n = i; m = n\n", "r = []\nfor i in [1]: r.append(i)\n"),
    ],
)  # fmt: skip
def test_statements_go_from_lines_that_they_share(
    tmp_path: Path, source: str, expected: str
) -> None:
    """What isn't needed goes, whatever stands beside it; the rest of the line stays as it was."""
    assert slice_of(source, "r", tmp_path) == expected
