"""A folder of scripts and notebooks → how right, and how small, the slices of their variables are.

`python tests/benchmarks/real_code.py FOLDER [--minimal N] [--json FILE]` runs each program under
capture in a new interpreter (notebooks in an IPython shell), slices every final variable, runs each
slice alone and compares values: equal, or `close` when only the last digits of numbers differ. A
variable whose value differs between two plain runs of its program is left out. For N variables of
each program, drawn with a fixed seed, it finds a 1-minimal slice: it leaves out statements, those
inside bodies too, as long as the rest still gives the value; these slices, and with `--fresh` all,
are also run in a new interpreter, the others in a fork that has the usual libraries loaded. The
programs stay where they are: examples of packages belong to their authors.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "cases"), str(HERE.parent.parent)]
os.environ.setdefault("MPLBACKEND", "Agg")
# More threads than one add numbers in another order at every run.
for _key in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_key, "1")

import nasty  # noqa: E402

nasty.DEEP |= {"statsmodels", "linearmodels", "networkx", "imblearn", "mapie", "lightgbm"}
from harness import in_child, statement_count  # noqa: E402

SECONDS = 120
"""What one run may take."""

USUAL = (
    "numpy", "pandas", "pyarrow.parquet", "scipy.stats", "matplotlib.pyplot", "sklearn.ensemble",
    "sklearn.datasets", "sklearn.pipeline", "sklearn.model_selection", "statsmodels.api",
    "statsmodels.formula.api", "seaborn", "networkx", "IPython.core.interactiveshell",
)  # fmt: skip
"""Libraries that forks have loaded."""

TRIES = 150
"""Re-runs that the search for one minimal slice may take."""

BESIDE = (".csv", ".txt", ".json", ".tsv", ".dat", ".edgelist")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass
class Target:
    """A variable whose slice was held against a 1-minimal one."""

    name: str
    slice: int
    minimal: int
    complete: bool
    code: str
    smallest: str

    @property
    def excess(self) -> float:
        return (self.slice - self.minimal) / self.minimal


@dataclass
class Row:
    """What one program gave."""

    name: str
    right: list[str] = field(default_factory=list)
    close: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    unstable: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Variables that running under capture gave another value than running plainly."""
    statements: int = 0
    kept: float = 0.0
    targets: list[Target] = field(default_factory=list)
    error: str = ""

    @property
    def checked(self) -> int:
        return len(self.right) + len(self.close) + len(self.wrong)


# ------------------------------------------------------------------------------------- programs


def program_of(path: Path) -> nasty.Program:
    """A program with the small files that stand beside it."""
    beside = {
        other.name: other.read_text(errors="replace")
        for other in path.parent.iterdir()
        if other.suffix in BESIDE and other != path and other.stat().st_size < 2_000_000
    }
    if path.suffix != ".ipynb":
        return nasty.Program(path.stem, "real", [path.read_text()], beside)
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    # Without a kernel there is nothing to draw in.
    code = [re.sub(r"(?m)^%(matplotlib|config) .*\n?", "", cell) for cell in code]
    return nasty.Program(path.stem, "notebook", [c for c in code if c.strip()], beside)


def names_of(namespace: dict[str, Any]) -> list[str]:
    """All variables with a value that can be compared."""
    return [n for n in nasty.names_of(namespace) if not hasattr(type(namespace[n]), "__next__")]


def plainly(program: nasty.Program, names: list[str], folder: Path) -> dict[str, str]:
    """The values of a run without capture."""
    if not program.shell:
        return nasty.alone("\n".join(program.cells), names, folder)
    from IPython.core.interactiveshell import InteractiveShell

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["IPYTHONDIR"] = str(folder.parent / "ipython")
    shell = InteractiveShell.instance()
    for cell in program.cells:
        shell.run_cell(cell, store_history=True)
    os.chdir(folder)
    return {n: nasty.text_of(shell.user_ns[n]) if n in shell.user_ns else "unbound" for n in names}


def captured(program: nasty.Program, folder: Path) -> dict[str, Any]:
    """The values and slices of a run under capture, and the names that hold functions."""
    definitions: list[str] = []

    def choose(namespace: dict[str, Any]) -> list[str]:
        definitions.extend(
            n for n, v in namespace.items() if isinstance(v, (types.FunctionType, type))
        )
        return names_of(namespace)

    return {**nasty.whole(program, folder, choose), "definitions": definitions}


# ----------------------------------------------------------------------------------------- runs


def answer(question: dict[str, Any]) -> Any:
    """What a run gives: under capture, plainly, or of a slice alone."""
    program = nasty.Program(**question["program"])
    folder = Path(question["folder"])
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # a fork has its parent's state
    if question["do"] == "capture":
        return captured(program, folder)
    if question["do"] == "plain":
        return plainly(program, question["names"], folder)
    return nasty.alone(question["code"], question["names"], folder)


def serve() -> None:
    """Answer the question on standard input, in this interpreter, into the file that it names."""
    question = json.loads(sys.stdin.read())
    Path(question["answer"]).write_text(json.dumps(answer(question)))
    sys.stdout.flush()
    os._exit(0)


def asked(program: nasty.Program, do: str, *, fresh: bool, **more: Any) -> tuple[str, Any]:
    """What a run in a folder of its own gives, in a new interpreter or in a fork of this one."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base).resolve() / "work"
        nasty.lay(program, folder)
        place = Path(base) / "answer.json"
        question = {
            "do": do,
            "program": asdict(program),
            "folder": str(folder),
            "answer": str(place),
        }
        question |= more
        if not fresh:
            return in_child(lambda: answer(question), timeout=SECONDS)  # type: ignore[no-any-return]
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--serve"], input=json.dumps(question),
                capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "error", "took too long"
        if not place.exists():
            return "error", done.stderr or "died"
        return "ok", json.loads(place.read_text())


def is_close(one: str, other: str) -> bool:
    """Whether two texts of values differ in no more than the last digits of their numbers."""
    if NUMBER.sub("", one) != NUMBER.sub("", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a == b or _near(float(a), float(b)) for a, b in pairs)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1e-3)


Known = Mapping[tuple[str, str], str]
"""Minimal slices found before, by program and variable."""


def measure(path: Path, minimal: int, seed: int, known: Known, *, fresh: bool) -> Row:
    """Run a program, slice its variables, run the slices, and find minimal ones."""
    row = Row(path.name)
    program = program_of(path)
    status, found = asked(program, "capture", fresh=True)
    if status != "ok":
        row.error = found.strip().split("\n")[-1][:100]
        return row
    names, seen = list(found["slices"]), found["values"]
    plain = [asked(program, "plain", fresh=fresh, names=names) for _ in range(2)]
    if any(s != "ok" for s, _ in plain):
        row.error = "plain run: " + str(plain[0][1]).strip().split("\n")[-1][:80]
        return row
    first, second = plain[0][1], plain[1][1]
    stable = [n for n in names if first[n] == second[n] and n not in found["loose"]]
    row.unstable = sorted(set(names) - set(stable))
    row.changed = [n for n in stable if first[n] != seen[n] and not is_close(first[n], seen[n])]
    row.statements = sum(map(statement_count, _plain_cells(program)))
    by_code: dict[str, list[str]] = {}
    for name in stable:
        by_code.setdefault(found["slices"][name], []).append(name)
    for code, held in by_code.items():
        _judge(row, program, code, held, first, fresh=fresh)
    if stable:
        total = sum(statement_count(found["slices"][n]) for n in stable)
        row.kept = total / len(stable)
    values = sorted({*row.right, *row.close} - set(found["definitions"]))
    for name in random.Random(f"{seed} {path.name}").sample(values, min(minimal, len(values))):
        code = found["slices"][name]
        if not fresh:
            row.right, row.close = ([n for n in ns if n != name] for ns in (row.right, row.close))
            _judge(row, program, code, [name], first, fresh=True)
        if name not in row.wrong:
            before = known.get((row.name, name))
            row.targets.append(_smallest(program, name, code, first[name], before))
    return row


def _plain_cells(program: nasty.Program) -> Iterator[str]:
    for cell in program.cells:
        lines = (x for x in cell.split("\n") if not x.lstrip().startswith(("%", "!")))
        text = "\n".join(lines)
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        yield text


def _judge(
    row: Row,
    program: nasty.Program,
    code: str,
    names: list[str],
    want: dict[str, str],
    *,
    fresh: bool,
) -> None:
    """Run a slice alone; note for each of `names` whether it has the value it should have."""
    status, got = asked(program, "alone", fresh=fresh, code=code, names=names)
    for name in names:
        have = got[name] if status == "ok" else "raised " + got[-600:]
        if have == want[name]:
            row.right.append(name)
        elif is_close(have, want[name]):
            row.close.append(name)
        else:
            row.wrong[name] = f"{nasty._differing(want[name], have)}\n{code}"


# -------------------------------------------------------------------------------------- minimal


def _smallest(
    program: nasty.Program, name: str, code: str, want: str, before: str | None
) -> Target:
    """A 1-minimal slice; the one found `before`, if it still gives the value."""

    def holds(text: str, *, fresh: bool = False) -> bool:
        status, have = asked(program, "alone", fresh=fresh, code=text, names=[name])
        return status == "ok" and (have[name] == want or is_close(have[name], want))

    if before is not None and holds(before):
        smallest, complete = before, True
    else:
        smallest, complete = minimise(code, holds)
    if before != smallest != code and not holds(smallest, fresh=True):
        # A library that the fork has loaded is missed: search in new interpreters.
        smallest, complete = minimise(code, lambda text: holds(text, fresh=True))
    return Target(name, statement_count(code), statement_count(smallest), complete, code, smallest)


def minimise(code: str, holds: Callable[[str], bool]) -> tuple[str, bool]:
    """`code` with statements left out as long as `holds`; whether the search came to its end."""
    tree = ast.parse(code)
    if not holds(ast.unparse(tree)):
        return code, False
    known: dict[str, bool] = {}
    changed = True
    while changed:
        changed = False
        for body, node in places(tree):
            if node not in body or (isinstance(node, ast.Pass) and len(body) == 1):
                continue
            at = body.index(node)
            body[at : at + 1] = [] if len(body) > 1 else [ast.Pass()]
            text = ast.unparse(tree)
            if text not in known:
                if len(known) >= TRIES:
                    body[at : at + (len(body) == 1 and isinstance(body[0], ast.Pass))] = [node]
                    return ast.unparse(tree), False
                known[text] = not _misses(tree, node, body) and holds(text)
            if known[text]:
                changed = True
            elif len(body) == 1 and isinstance(body[0], ast.Pass) and at == 0:
                body[:] = [node]
            else:
                body.insert(at, node)
    return ast.unparse(tree), True


def _misses(tree: ast.Module, node: ast.stmt, body: list[ast.stmt]) -> bool:
    """Whether a statement that surely runs reads a name that only `node` bound."""
    if body is not tree.body:
        return False
    bound = {a.asname or a.name.partition(".")[0] for a in getattr(node, "names", [])}
    if isinstance(node, ast.Assign):
        bound = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    simple = (ast.Assign, ast.Expr, ast.AugAssign, ast.AnnAssign)
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    other = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    other |= {
        x.asname or x.name
        for n in ast.walk(tree)
        for x in getattr(n, "names", [])
        if isinstance(x, ast.alias)
    }
    straight = [
        n
        for statement in body
        if isinstance(statement, simple)
        for n in ast.walk(statement)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    ]
    return bool(bound - other & {n.id for n in straight})


def places(tree: ast.Module) -> list[tuple[list[ast.stmt], ast.stmt]]:
    """Every statement with its block, outer before inner, last before first."""
    found: list[tuple[list[ast.stmt], ast.stmt]] = []
    todo: list[list[ast.stmt]] = [tree.body]
    while todo:
        body = todo.pop(0)
        found += [(body, node) for node in reversed(body)]
        for node in body:
            for part in ("body", "orelse", "finalbody"):
                inner = getattr(node, part, None)
                if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                    todo.append(inner)
            todo += [h.body for h in getattr(node, "handlers", [])]
            todo += [c.body for c in getattr(node, "cases", [])]
    return found


# --------------------------------------------------------------------------------------- report


def table(rows: Sequence[Row]) -> str:
    """What the programs gave, one line each, and all together."""
    lines = [f"{'program':46} {'right':>7} {'close':>5} {'kept of':>9}  slice → minimal"]
    for row in rows:
        if row.error:
            lines.append(f"{row.name:46} not run: {row.error}")
            continue
        right = f"{len(row.right) + len(row.close)}/{row.checked}"
        share = f"{row.kept:.0f}/{row.statements}"
        each = "  ".join(
            f"{t.name} {t.slice}→{t.minimal} ({t.excess:.0%}{'' if t.complete else ', search cut'})"
            for t in row.targets
        )
        lines.append(f"{row.name:46} {right:>7} {len(row.close):>5} {share:>9}  {each}")
    return "\n".join([*lines, "", summary(rows)])


def summary(rows: Sequence[Row]) -> str:
    """All programs in a few lines."""
    ran = [r for r in rows if not r.error]
    right = sum(len(r.right) for r in ran)
    close, wrong = sum(len(r.close) for r in ran), sum(len(r.wrong) for r in ran)
    clean = sum(not r.wrong for r in ran)
    targets = [t for r in ran for t in r.targets]
    per_program = [sum(t.excess for t in r.targets) / len(r.targets) for r in ran if r.targets]
    if targets:
        size = (
            f"excess over 1-minimal: mean {sum(t.excess for t in targets) / len(targets):.1%} of"
            f" {len(targets)} slices, {sum(per_program) / len(per_program):.1%} of {len(per_program)}"
            f" programs; {sum(t.slice == t.minimal for t in targets)} slices are minimal"
        )
    else:
        size = "excess over 1-minimal: not measured"
    notebooks = sum(r.name.endswith(".ipynb") for r in ran)
    unstable, changed = sum(len(r.unstable) for r in ran), sum(len(r.changed) for r in ran)
    return (
        f"{len(ran)} programs ran ({notebooks} notebooks), {clean} with all slices right;"
        f" {right} slices right, {close} close, {wrong} wrong; {unstable} variables differ between"
        f" plain runs, {changed} under capture\n{size}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[], help="words of the files to run")
    parser.add_argument("--minimal", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fresh", action="store_true", help="a new interpreter for every run")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="keep everything found here")
    parser.add_argument("--known", type=Path, help="take minimal slices from what --json kept")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    _load_usual()
    paths = [
        p
        for p in sorted(given.folder.rglob("*"))
        if p.suffix in (".py", ".ipynb") and any(w in p.name for w in given.only or [""])
    ]
    known: dict[tuple[str, str], str] = {}
    for old in json.loads(given.known.read_text()) if given.known else []:
        known |= {(old["name"], t["name"]): t["smallest"] for t in old["targets"] if t["complete"]}
    rows: list[Row] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for row in pool.map(
            lambda p: measure(p, given.minimal, given.seed, known, fresh=given.fresh), paths
        ):
            rows.append(row)
            print(table([row]).split("\n")[1], file=sys.stderr, flush=True)
            for name, text in row.wrong.items():
                print(f"WRONG {row.name} {name}: {text}", file=sys.stderr, flush=True)
            if given.json:
                given.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))
    print(table(rows))


def _load_usual() -> None:
    for name in USUAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    main()
