"""Random programs of the kind users write: bindings, aliases, in-place change, files, functions, seeds.

`program(random)` gives the cells of one; every statement is plausible and most of them run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

HEADER = """\
class Box:
    shared = []
    count = 0
    def __init__(self, v):
        self.v = v
        Box.count += 1
    def put(self, x):
        self.v = x
        return self
    def grow(self):
        self.shared.append(len(self.shared))
    def __repr__(self):
        return f"Box({self.v!r}, {self.shared!r}, {self.count})"
"""


@dataclass
class State:
    """Names by the kind of value they hold."""

    rng: random.Random
    names: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0
    files: list[str] = field(default_factory=list)

    def new(self, kind: str) -> str:
        if self.rng.random() < 0.25 and any(self.names.values()):
            # Rebind a name that is there, of whatever kind.
            name = self.rng.choice([n for ns in self.names.values() for n in ns] or ["v0"])
            for names in self.names.values():
                if name in names:
                    names.remove(name)
        else:
            name = f"v{self.count}"
            self.count += 1
        self.names.setdefault(kind, []).append(name)
        return name

    def any(self, *kinds: str) -> str | None:
        found = [n for k in kinds for n in self.names.get(k, [])]
        return self.rng.choice(found) if found else None

    def number(self) -> str:
        n = self.any("int")
        return n if n and self.rng.random() < 0.5 else str(self.rng.randint(-9, 99))


Maker = Callable[[State], str | None]
MAKERS: list[tuple[int, Maker]] = []


def maker(weight: int) -> Callable[[Maker], Maker]:
    def add(function: Maker) -> Maker:
        MAKERS.append((weight, function))
        return function

    return add


def pick(s: State, *texts: str) -> str:
    return s.rng.choice(texts)


@maker(4)
def integer(s: State) -> str | None:
    value = pick(s, s.number(), f"{s.number()} + {s.number()}", f"({s.number()} * 3) % 7")
    return f"{s.new('int')} = {value}"


@maker(4)
def new_list(s: State) -> str | None:
    inner = s.any("list", "dict", "box")
    value = pick(s, f"[{s.number()}, {s.number()}]", "[]", f"[{inner}, 1]" if inner else "[0]", "list(range(4))")
    return f"{s.new('list')} = {value}"


@maker(3)
def new_dict(s: State) -> str | None:
    inner = s.any("list", "int", "dict")
    return f"{s.new('dict')} = {pick(s, '{}', '{1: 2}', '{0: ' + (inner or '5') + '}')}"


@maker(4)
def alias(s: State) -> str | None:
    for kind in s.rng.sample(["list", "dict", "box", "array", "frame", "iter", "func"], 7):
        other = s.any(kind)
        if other:
            return f"{s.new(kind)} = {other}"
    return None


@maker(7)
def change_list(s: State) -> str | None:
    name = s.any("list")
    if not name:
        return None
    item = s.any("int", "list", "dict", "box") or "1"
    return pick(
        s, f"{name}.append({item})", f"{name} += [{item}]", f"{name}[:1] = [{s.number()}]", f"{name}.insert(0, {s.number()})",
        f"{name}.reverse()", f"{name}.extend([{s.number()}, {s.number()}])", f"del {name}[-1:]", f"{name}.clear()",
        f"for i{s.count} in range(2):\n    {name}.append(i{s.count})", f"{name}.append({name}[:2])", f"{name}.sort(key=str)",
        f"if len({name}) < 5:\n    {name}.append({item})\nelse:\n    {name}.pop()",
    )  # fmt: skip


@maker(5)
def change_dict(s: State) -> str | None:
    name = s.any("dict")
    if not name:
        return None
    item = s.any("int", "list") or "1"
    return pick(
        s, f"{name}[{s.number()}] = {item}", f"{name}.update(k={s.number()})", f"{name}.setdefault('z', []).append({s.number()})",
        f"{name}.pop(0, None)", f"{name} |= {{'q': {item}}}", f"{name}['n'] = {name}.get('n', 0) + 1",
    )  # fmt: skip


@maker(3)
def read(s: State) -> str | None:
    name = s.any("list", "dict")
    if not name:
        return None
    return f"{s.new('int')} = {pick(s, f'len({name})', f'len(str({name}))', f'sum(1 for _ in {name})')}"


@maker(3)
def element(s: State) -> str | None:
    name = s.any("list")
    if not name:
        return None
    kind = s.rng.choice(["list", "dict", "box"])
    default = {"list": "[]", "dict": "{}", "box": "Box(0)"}[kind]
    type_name = {"list": "list", "dict": "dict", "box": "Box"}[kind]
    return f"{s.new(kind)} = next((e for e in {name} if isinstance(e, {type_name})), {default})"


@maker(2)
def copies(s: State) -> str | None:
    name = s.any("list")
    if not name:
        return None
    return f"{s.new('list')} = {pick(s, f'{name}[:]', f'list({name})', f'copy.copy({name})', f'copy.deepcopy({name})', f'sorted({name}, key=str)')}"


@maker(2)
def box(s: State) -> str | None:
    inner = s.any("list", "int", "dict") or "0"
    return f"{s.new('box')} = Box({inner})"


@maker(3)
def change_box(s: State) -> str | None:
    name = s.any("box")
    if not name:
        return None
    item = s.any("int", "list") or "3"
    return pick(
        s, f"{name}.v = {item}", f"{name}.put({item})", f"{name}.grow()", f"{name}.extra = {item}", f"Box.count = {s.number()}",
        f"setattr({name}, 'v', {item})", f"Box.shared = Box.shared + [{s.number()}]",
        f"{s.new('box')} = {name}.put({item})", f"{s.new('int')} = len(str({name}.v))", f"{s.new('int')} = {name}.count",
    )  # fmt: skip


@maker(4)
def function(s: State) -> str | None:
    target = s.any("list", "dict")
    number = s.any("int")
    name = s.new("func")
    bodies = [
        f"def {name}(x=0):\n    return x + {number or 2}",
        f"def {name}(x=[]):\n    x.append(1)\n    return len(x)",
        f"{name} = lambda x=1: x + {number or 1}",
        f"def {name}(x=1):\n    def inner():\n        nonlocal x\n        x += {number or 1}\n        return x\n    return inner() + inner()",
        f"@functools.lru_cache\ndef {name}(x=1):\n    return x + {number or 3}",
    ]
    if target:
        bodies += [
            f"def {name}(x=1):\n    {target}.{'append(x)' if target in s.names.get('list', []) else 'update(q=x)'}\n    return x",
            f"def {name}(x=1):\n    return len({target}) + x",
        ]
    if number:
        bodies.append(f"def {name}(x=1):\n    global {number}\n    {number} = {number} + x\n    return {number}")
    other = s.any("func")
    if other and other != name:
        bodies.append(f"def {name}(x=2):\n    return {other}(x) + 1")
    return s.rng.choice(bodies)


@maker(5)
def call(s: State) -> str | None:
    name = s.any("func")
    if not name:
        return None
    return pick(s, f"{name}()", f"{s.new('int')} = {name}({s.number()})", f"{s.new('list')} = [{name}() for _ in range(2)]")


@maker(2)
def counter(s: State) -> str | None:
    name = s.new("func")
    return (
        f"def make_{name}():\n    n = {s.number()}\n    def step(x=1):\n        nonlocal n\n        n += x\n        return n\n"
        f"    return step\n{name} = make_{name}()"
    )


@maker(2)
def iterator(s: State) -> str | None:
    source = s.any("list") or "[1, 2, 3, 4]"
    name = s.new("iter")
    return f"{name} = {pick(s, f'iter({source})', f'(e for e in {source})', f'map(str, {source})', 'itertools.count(3)', f'enumerate({source})', f'zip({source}, {source})')}"


@maker(3)
def consume(s: State) -> str | None:
    name = s.any("iter")
    if not name:
        return None
    return pick(s, f"next({name}, None)", f"{s.new('list')} = [e for e, _ in zip({name}, range(2))]", f"{s.new('list')} = [str(e) for e in itertools.islice({name}, 3)]")


@maker(2)
def seed(s: State) -> str | None:
    return pick(s, f"random.seed({s.rng.randint(0, 9)})", f"np.random.seed({s.rng.randint(0, 9)})")


@maker(3)
def draw(s: State) -> str | None:
    return pick(
        s, f"{s.new('int')} = random.randint(0, 99)", f"{s.new('int')} = int(np.random.randint(0, 99))", "random.random()",
        "np.random.rand(3)", f"{s.new('array')} = np.random.rand(4)",
        f"random.shuffle({s.any('list') or '[1, 2]'})", f"{s.new('list')} = np.random.permutation(4).tolist()",
    )  # fmt: skip


@maker(1)
def generator(s: State) -> str | None:
    return f"{s.new('rng')} = {pick(s, 'np.random.default_rng(3)', 'random.Random(5)')}"


@maker(2)
def draw_own(s: State) -> str | None:
    name = s.any("rng")
    if not name:
        return None
    return pick(s, f"{s.new('int')} = float({name}.random())", f"{name}.random()", f"{s.new('rng')} = {name}")


@maker(3)
def array(s: State) -> str | None:
    return f"{s.new('array')} = np.arange({s.rng.randint(3, 8)}) * 1.0"


@maker(3)
def view(s: State) -> str | None:
    name = s.any("array")
    if not name:
        return None
    return f"{s.new('array')} = {pick(s, f'{name}[1:]', f'{name}[::-1]', f'{name}.reshape(-1)', f'{name}.copy()', f'{name} + 1', f'{name}[[0, 1]]')}"


@maker(4)
def change_array(s: State) -> str | None:
    name = s.any("array")
    if not name:
        return None
    return pick(s, f"{name}[0] = {s.number()}", f"{name} += 1", f"{name}.sort()", f"np.multiply({name}, 2, out={name})", f"{name}[{name} > 3] = 0", f"{name}.fill({s.number()})")


@maker(2)
def frame(s: State) -> str | None:
    values = s.any("list")
    source = f"{{'a': [1, 2, 3], 'b': [4.0, {s.rng.randint(0, 9)}, 6]}}"
    del values
    return f"{s.new('frame')} = pd.DataFrame({source})"


@maker(4)
def change_frame(s: State) -> str | None:
    name = s.any("frame")
    if not name:
        return None
    n = s.number()
    return pick(
        s, f"{name}['c{s.rng.randint(0, 3)}'] = {name}['a'] + {n}", f"{name}.loc[0, 'a'] = {n}", f"{name}.drop(columns=['b'], errors='ignore', inplace=True)",
        f"{s.new('frame')} = {name}[['a']]", f"{s.new('frame')} = {name}.copy()", f"{s.new('frame')} = {name}.assign(z={n})",
        f"{name}.insert(0, 'i{s.count}', {n})", f"{name}.columns = [str(c) for c in {name}.columns]", f"{name}.index.name = 'idx{n}'",
        f"{s.new('frame')} = {name}.sort_values('a')", f"{name}.iloc[1, 0] = 77", f"{s.new('int')} = float({name}['a'].sum())",
        f"{name}.describe()", f"{name}.attrs['k'] = {n}", f"{s.new('frame')} = {name}.set_index('a')", f"{name}['a'].sum()",
    )  # fmt: skip


@maker(3)
def write(s: State) -> str | None:
    path = f"f{s.rng.randint(0, 3)}.txt"
    if path not in s.files:
        s.files.append(path)
    value = s.any("int", "list", "dict") or "1"
    mode = s.rng.choice(["w", "w", "a"])
    return pick(
        s, f"with open('{path}', '{mode}') as h:\n    h.write(str({value}))", f"open('{path}', '{mode}').write(str({value}) + '\\n')",
        f"json.dump([{s.number()}], open('{path}', 'w'))",
    )  # fmt: skip


@maker(3)
def read_file(s: State) -> str | None:
    if not s.files:
        return None
    path = s.rng.choice(s.files)
    return pick(
        s, f"{s.new('int')} = len(open('{path}').read())", f"{s.new('list')} = open('{path}').read().split()",
        f"os.remove('{path}')", f"{s.new('int')} = int(os.path.exists('{path}'))", f"os.rename('{path}', '{s.rng.choice(s.files)}')",
        f"{s.new('list')} = sorted(os.listdir('.'))",
    )  # fmt: skip


@maker(1)
def frame_file(s: State) -> str | None:
    name = s.any("frame")
    if not name:
        return None
    s.files.append("d.csv") if "d.csv" not in s.files else None
    return pick(s, f"{name}.to_csv('d.csv', index=False)", f"{s.new('frame')} = pd.read_csv('d.csv')")


@maker(1)
def delete(s: State) -> str | None:
    for kind in s.rng.sample(list(s.names) or ["int"], len(s.names) or 1):
        name = s.any(kind)
        if name:
            s.names[kind].remove(name)
            return f"del {name}"
    return None


@maker(2)
def caught(s: State) -> str | None:
    name = s.any("list")
    if not name:
        return None
    return pick(
        s, f"try:\n    {name}.append(1)\n    1 / 0\nexcept ZeroDivisionError:\n    {name}.append('caught')",
        f"try:\n    {s.new('int')} = {name}[0] + 1\nexcept Exception:\n    pass", f"{name}.append(7); 1 / 0",
    )  # fmt: skip


@maker(1)
def environment(s: State) -> str | None:
    return pick(s, f"os.environ['LX_FUZZ'] = '{s.rng.randint(0, 5)}'", f"{s.new('int')} = len(os.environ.get('LX_FUZZ', ''))", f"{s.new('list')} = [os.environ.get('LX_FUZZ')]")


@maker(2)
def loop(s: State) -> str | None:
    name = s.any("list")
    total = s.any("int")
    if not name or not total:
        return None
    return pick(
        s, f"for e in list({name}):\n    if isinstance(e, int):\n        {total} += e",
        f"n = 0\nwhile n < 3:\n    n += 1\n    {name}.append(n)",
        f"{s.new('list')} = [w for w in (str(e) for e in {name}) if len(w) < 4]",
        f"for e in {name}:\n    if isinstance(e, list):\n        e.append(0)\n        break",
    )  # fmt: skip


@maker(1)
def unpack(s: State) -> str | None:
    a, b = s.any("int"), s.any("int")
    if not a or not b or a == b:
        return None
    return pick(s, f"{a}, {b} = {b}, {a}", f"{a}, *rest = [1, 2, 3]", f"({a} := {s.number()})", f"{a} = {b} = {s.number()}")


@maker(1)
def executed(s: State) -> str | None:
    a = s.any("int")
    name = s.any("list")
    if not a:
        return None
    return pick(s, f"exec('{a} = 5')", f"{s.new('int')} = eval('{a} + 1')", f"globals()['{a}'] = 8", f"eval('{name or 'Box.shared'}.append(4)')")


@maker(4)
def block(s: State) -> str | None:
    """A loop, branch or function with things in it that may not matter."""
    a, b = s.any("int") or "0", s.any("int") or "1"
    xs, ys = s.any("list") or "[1, 2]", s.any("list")
    d = s.any("dict")
    out = s.new("list")
    lines = [f"{out}_n = 0", f"{out}_log = []", f"{out}_last = None"]
    body = s.rng.sample(
        [
            f"{out}.append(e)", f"{out}_n += 1", f"{out}_log.append(str(e))", f"{out}_last = e", f"{out}_t = len({out}_log) + {a if a.isidentifier() else 1}",
            f"print(e, {out}_n)", f"if {out}_n > 2:\n    break", f"if isinstance(e, str):\n    continue", f"{out} += [{out}_n]",
            f"{out}_alias = {out}\n{out}_alias.append('x')", f"{out}_pair = ({out}, {out}_log)\n{out}_pair[1].append(0)",
            f"{d}[{out}_n] = e" if d else "pass", f"{ys}.append({out}_n)" if ys else "pass", f"{out}_sum = sum([{out}_n, 2])",
            f"{out}_box = Box({out})\n{out}_box.v.append(1)", f"random.random()", f"{out}_w = [w for w in {out}_log if w]",
            f"for q in range(2):\n    {out}_n += q\n    {out}_log.append(q)", f"{out}_last, {out}_n = {out}_n, {out}_n + 1", f"{out}_f = str({out}_n).upper()",
            f"if {out}_n % 2:\n    {out}_last = 'odd'\nelse:\n    {out}_log.append('even')", f"{out}_it = iter({out}_log)\nnext({out}_it, None)",
        ],
        s.rng.randint(2, 6),
    )  # fmt: skip
    inner = "\n".join(body).replace("\n", "\n    ")
    head = s.rng.choice([f"for e in range(4):", f"for e in list({xs})[:6]:", f"for e in [{a}, {b}, 'k']:"])
    result = s.rng.choice([out, f"{out}_n", f"[{out}_last, {out}_n]", f"{out}_log"])
    name = s.new("list")
    if s.rng.random() < 0.5:
        setup = "\n".join([f"{out} = []", *lines])
        return f"{setup}\n{head}\n    {inner}\n{name} = {result}"
    setup = "\n    ".join([f"{out} = []", *lines])
    inner = inner.replace("\n", "\n    ")
    tail = f"return {result}"
    return f"{out} = []\ndef main_{out}(data):\n    {setup}\n    {head}\n        {inner}\n    {tail}\n{name} = main_{out}({xs})"


def edited(rng: random.Random, cell: str) -> str:
    """A cell as it is after its user has changed a number or a name in it."""
    numbers = list(re.finditer(r"\b\d\b", cell))
    names = list(re.finditer(r"\bv\d+\b", cell))
    if numbers and rng.random() < 0.6:
        found, new = rng.choice(numbers), str(rng.randint(0, 9))
    elif names:
        found, new = rng.choice(names), rng.choice(names)[0]
    else:
        return cell
    return cell[: found.start()] + new + cell[found.end() :]


def program(rng: random.Random, length: int = 14) -> list[str]:
    """Cells of a random program; the first is the header."""
    import statements

    state = State(rng)
    weights = [w for w, _ in MAKERS]
    cells: list[str] = []
    while sum(c.count("\n") + 1 for c in cells) < length:
        made = rng.choices(MAKERS, weights)[0][1](state)
        if made:
            cells.append(made)
        if cells and rng.random() < 0.06:
            cells.append(rng.choice(cells))  # a cell that is run again
        if cells and rng.random() < 0.06:
            cells.append(edited(rng, rng.choice(cells)))
    joined: list[str] = []
    for cell in cells:
        if joined and rng.random() < 0.5:
            joined[-1] += "\n" + cell
        else:
            joined.append(cell)
    if joined and rng.random() < 0.3:
        joined.insert(rng.randrange(len(joined)), rng.choice(joined))  # out of order, or again
    return [statements.HEADER + HEADER, *joined]
