"""Random programs over arrays and frames that share memory → slices run alone, values compared.

`python tests/cases/arrays.py FIRST COUNT` takes every array for a large one, so that hashing waits
wherever it may (`linea/capture/contents.py`).
"""

from __future__ import annotations

import contextlib
import io
import random
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fuzz
import nasty

from linea.capture import library_types

HEAD = """\
import numpy as np, pandas as pd
def zero(x): x[0] = 0; return x
def same(x): return x
def bump(d): d.loc[d.index[0], d.columns[0]] = -7
def bumpnp(d):
    v = d.to_numpy(); v = v if v.flags.writeable else None
    if v is not None: v[0] = 99
class Box:
    def __init__(self, v): self.v = v
    def touch(self): self.v[0] += 1
v0 = np.arange(12.0); v1 = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0)[::-1].copy(), "k": [0,1]*6}); v2 = v0[2:]; v3 = pd.Series(np.arange(12.0)); v4 = [v0, v3]; v5 = {"x": v2}; v6 = Box(v0)
rng = np.random.default_rng(3)
"""
ARRAYS = ["v0", "v2", "v7", "v8"]
FRAMES = ["v1", "v9", "v10"]
COLUMNS = ["v3", "v11"]


def statement(rng: random.Random) -> str:
    """One statement that reads, binds or writes."""
    a, b = rng.choice(ARRAYS), rng.choice(ARRAYS)
    f, g = rng.choice(FRAMES), rng.choice(FRAMES)
    s, i, c = rng.choice(COLUMNS), rng.randrange(8), rng.choice(["a", "b", "z"])
    w, w2 = (rng.choice(ARRAYS + FRAMES + COLUMNS) for _ in range(2))
    return rng.choice([
        f"{w} = {w2}", f"{a} = {b} + {i}", f"{a} = {b} * 0", f"{a}[{i}] = {rng.randrange(5)}", f"{a} += 1", f"{a} = {b}[{i%3}:]", f"{a} = {b}[::-1]",
        f"{a} = np.sqrt(np.abs({b}))", f"{a} = np.cumsum({b})", f"{a} = {b}.reshape(-1)", f"{a} = np.asarray({s})", f"{a} = {f}['a'].to_numpy().copy()", f"{a} = {f}['a'].values",
        f"{a} = np.concatenate([{a}, {b}])[:12]", f"{a} = zero({b})", f"zero({a})", f"{a} = same({b})", f"np.add({a}, 1, out={a})", f"np.multiply({a}, 2, {a})", f"{a}.sort()", f"{a}.fill({i})", f"rng.shuffle({a})", f"{a} = rng.normal(size=12)", f"{a} = rng.permutation({b})",
        f"{f} = {g}.copy()", f"{f}['z'] = {g}['a'] * 2", f"{f}['{c}'] = {s}", f"{f}['{c}'] = np.arange(float(len({f})))", f"{f}['a'] += {i}", f"{f}.loc[{i}, 'a'] = 5", f"{f}.iloc[0, 0] = {i}", f"{f} = {g}.sort_values('a')", f"{f} = {g}[{g}['k'] == {i%2}]", f"{f} = {g}.reset_index(drop=True)", f"{f} = {g}.merge({f}[['k']].drop_duplicates(), on='k')", f"{f} = {g}.fillna(0)", f"{f} = {g}[['a', 'b', 'k']]", f"{f} = pd.concat([{f}, {g}]).head(12)",
        f"bump({f})", f"bumpnp({f}[['a','b']])", f"{f}.fillna(1, inplace=True)", f"{f}.drop(columns=['z'], inplace=True, errors='ignore')", f"{f}['k'].replace(0, 3, inplace=True)", f"{f} = pd.DataFrame({{'a': {a}[:5], 'b': {b}[:5], 'k': 1}})",
        f"{s} = {f}['a']", f"{s} = {s}.shift(1).fillna(0)", f"{s} = {f}['b'].rolling(2).mean()", f"{s} = pd.Series({a})", f"{s}.iloc[{i}] = 3", f"{s}[0] = 4", f"{s} = {s}.map({{1.0: 2.0}}).fillna(1)",
        f"v4.append({w})", f"v5['y'] = {w}", f"v5['x'][0] = {i}", f"v4[0][1] = 2", f"v6.touch()", f"v6.v = {a}", f"v6 = Box({a})",
        f"for q in ['a', 'b']:\n    {f}[q] = {f}[q] + 1", f"for q in range(3):\n    {a}[q] = q", f"if {a}.sum() > 10:\n    {f} = {g}.head(3)", f"v12 = {f}.groupby('k').mean()", f"v13 = float({a}.sum()) + {f}['a'].mean()", f"v14 = [x.sum() for x in v4]", f"v15 = {f}.describe()", f"print({f}.head())",
        f"v16 = {a}; v16[0] = 8", f"with np.errstate(all='ignore'):\n    {a}[1] = 1", f"v17 = {a}.view(); v17[2] = 7", f"v18 = memoryview({a})", f"np.copyto({a}[:2], 5)", f"{f}.update({g} + 1)", f"{f}.insert(0, 'i{i}', 1)", f"v19 = {f}.to_numpy(); {f}.iloc[1, 0] = 0",
        f"del {f}['b']", f"{f}.columns = [str(x) for x in {f}.columns]", f"v3.name = 's{i}'",f"{f}[{f} < 2] = 0", f"{f}.index = {f}.index + 1", f"{f}.eval('z = a + 1', inplace=True)",
    ])  # fmt: skip


def program(rng: random.Random) -> list[str]:
    """A program whose statements all run."""
    cells, namespace = [HEAD], dict[str, Any]()
    exec(HEAD, namespace)
    for _ in range(rng.choice([8, 14, 22, 30])):
        code = statement(rng)
        if rng.random() < 0.15:
            inner = code.replace("\n", "\n    ")
            code = f"try:\n    {inner}\nexcept Exception:\n    pass"
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            exec(code, namespace)
            cells.append(code)
    return cells


def main(first: int, count: int) -> int:
    """Give how many programs have a wrong slice, each shown."""
    warnings.simplefilter("ignore")
    library_types.LARGE = library_types.MANY = 1
    fuzz.preload()
    checked = wrong = 0
    for number in range(first, first + count):
        cells = program(random.Random(number))
        verdict = nasty.check(
            nasty.Program(str(number), "arrays", cells), fuzz.chosen(random.Random(number))
        )
        checked += verdict.checked
        if verdict.wrong:
            wrong += 1
            print(f"seed {number}", *verdict.wrong, *cells[1:], sep="\n")
    print(f"{count} programs, {checked} slices, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]))))
