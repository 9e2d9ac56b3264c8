"""A folder of scripts and notebooks → how right, and how small, the slices of their variables are.

`python tests/benchmarks/real_code.py FOLDER [--targets N] [--minimal M]` runs each program under
capture, slices up to N of its final variables, runs each slice alone and compares the values.
For M of them it also finds a 1-minimal slice, by leaving out statements as long as the rest still
gives the value, and counts how many statements the slice holds beyond it. A variable whose value
differs between two plain runs of its program is left out. The programs stay where they are:
examples of packages belong to their authors.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "cases"), str(HERE.parent.parent)]
os.environ.setdefault("MPLBACKEND", "Agg")

import nasty  # noqa: E402
from harness import in_child, preload, statement_count  # noqa: E402

TRIES = 120
"""Re-runs that the search for one minimal slice may take."""

BASICS = (bool, int, float, complex, str, bytes, type(None), list, tuple, dict, set, frozenset)


@dataclass
class Row:
    """What one program gave."""

    name: str
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    close: int = 0
    executed: int = 0
    kept: int = 0
    minimal: list[tuple[str, int, int]] = field(default_factory=list)
    error: str = ""


def cells_of(path: Path) -> list[str]:
    """The code of a script, or of each cell of a notebook that is plain Python."""
    if path.suffix != ".ipynb":
        return [path.read_text()]
    found = [
        "".join(c["source"])
        for c in json.loads(path.read_text())["cells"]
        if c["cell_type"] == "code"
    ]
    return [
        "\n".join(x for x in cell.split("\n") if not x.lstrip().startswith(("%", "!")))
        for cell in found
    ]


def program_of(path: Path) -> nasty.Program:
    """A program with the small files that stand beside it."""
    beside = {
        other.name: other.read_text()
        for other in path.parent.iterdir()
        if other.suffix in (".csv", ".txt", ".json", ".tsv", ".dat", ".edgelist")
        and other.stat().st_size < 2_000_000
    }
    return nasty.Program(path.stem, "real", cells_of(path), beside)


def chosen(count: int) -> nasty.Names:
    """Up to `count` variables, values before functions, the same ones each time."""

    def choose(namespace: dict[str, Any]) -> list[str]:
        names = [n for n in nasty.names_of(namespace) if _comparable(namespace[n])]
        return sorted(random.Random(7).sample(names, min(count, len(names))))

    return choose


def _comparable(value: Any) -> bool:
    kind = type(value)
    return not hasattr(kind, "__next__") and (
        isinstance(value, BASICS)
        or kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars", "sklearn", "matplotlib", "scipy", "__main__")
    ) and not isinstance(value, type)  # fmt: skip


def plainly(program: nasty.Program, names: list[str], folder: Path) -> dict[str, str]:
    """The values of a run without capture."""
    return nasty.alone("\n".join(program.cells), names, folder)


def laid(
    program: nasty.Program, work: Callable[[Path], Any], seconds: int = nasty.SECONDS
) -> tuple[str, Any]:
    """What `work` gives in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base).resolve() / "work"
        nasty.lay(program, folder)
        return in_child(lambda: work(folder), timeout=seconds)  # type: ignore[no-any-return]


def measure(path: Path, targets: int, minimal: int) -> Row:
    """Run a program, slice its variables, and run the slices."""
    row = Row(path.name)
    program = program_of(path)
    status, found = laid(program, lambda f: nasty.whole(program, f, chosen(targets)))
    if status != "ok":
        row.error = found.strip().split("\n")[-1][:100]
        return row
    names = list(found["slices"])
    again = [laid(program, lambda f: plainly(program, names, f)) for _ in range(2)]
    if any(s != "ok" for s, _ in again):
        row.error = "plain run: " + str(again[0][1]).strip().split("\n")[-1][:80]
        return row
    stable = [n for n in names if again[0][1][n] == again[1][1][n] and n not in found["loose"]]
    row.executed = sum(statement_count(c) for c in program.cells) * len(stable)
    exact: list[str] = []
    for name in stable:
        code = found["slices"][name]
        status, got = laid(program, lambda f: nasty.alone(code, [name], f))  # noqa: B023
        row.kept += statement_count(code)
        if status == "ok" and got[name] == again[0][1][name]:
            row.right += 1
            exact.append(name)
        else:
            have = got[name] if status == "ok" else "raised " + got[-400:]
            row.wrong.append(f"{name}: {nasty._differing(again[0][1][name], have)}\n{code}")
    for name in random.Random(3).sample(exact, min(minimal, len(exact))):
        code, want = found["slices"][name], again[0][1][name]
        smallest = minimise(code, lambda c: gives(program, c, name, want))  # noqa: B023
        row.minimal.append((name, statement_count(code), statement_count(smallest)))
        if smallest != code and SHOW:
            print(f"--- {path.name} {name}\n{code}\n--- minimal\n{smallest}", file=SHOW, flush=True)
    return row


SHOW: Any = None


def gives(program: nasty.Program, code: str, name: str, want: str) -> bool:
    """Whether code alone gives a variable this value."""
    status, got = laid(program, lambda f: nasty.alone(code, [name], f), 20)
    return status == "ok" and got[name] == want


def minimise(code: str, holds: Callable[[str], bool]) -> str:
    """Leave out statements, largest first from the end, as long as `holds`; at most `TRIES` runs."""
    tree = ast.parse(code)
    if not holds(ast.unparse(tree)):
        return code
    left = TRIES
    changed = True
    while changed and left > 0:
        changed = False
        for body, at in places(tree):
            if left <= 0:
                break
            if at >= len(body) or (isinstance(body[at], ast.Pass) and len(body) == 1):
                continue
            node = body.pop(at)
            padded = not body
            if padded:
                body.append(ast.Pass())
            left -= 1
            try:
                kept = not holds(ast.unparse(ast.fix_missing_locations(tree)))
            except (SyntaxError, ValueError):
                kept = True
            if kept:
                if padded:
                    body.clear()
                body.insert(at, node)
            else:
                changed = True
    return ast.unparse(tree)


def places(tree: ast.Module) -> list[tuple[list[ast.stmt], int]]:
    """Every statement as (its block, its position), outer before inner, last before first."""
    found: list[tuple[list[ast.stmt], int]] = []
    todo: list[list[ast.stmt]] = [tree.body]
    while todo:
        body = todo.pop(0)
        found += [(body, i) for i in range(len(body) - 1, -1, -1)]
        for node in body:
            for part in ("body", "orelse", "finalbody"):
                inner = getattr(node, part, None)
                if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                    todo.append(inner)
            todo += [h.body for h in getattr(node, "handlers", [])]
    return found


def table(rows: Sequence[Row]) -> str:
    """What the programs gave, one line each, and all together."""
    lines = [f"{'program':42} {'right':>7} {'kept/executed':>14} {'excess':>7}"]
    excesses: list[float] = []
    for row in rows:
        if row.error:
            lines.append(f"{row.name:42} not run: {row.error}")
            continue
        each = [(a - b) / b for _, a, b in row.minimal]
        excesses += each
        excess = f"{sum(each) / len(each):6.0%}" if each else ""
        share = f"{row.kept}/{row.executed}"
        lines.append(
            f"{row.name:42} {row.right:>3}/{row.right + len(row.wrong):<3} {share:>14} {excess:>7}"
        )
    ran = [r for r in rows if not r.error]
    right, wrong = sum(r.right for r in ran), sum(len(r.wrong) for r in ran)
    mean = (
        f"{sum(excesses) / len(excesses):.1%} over {len(excesses)}" if excesses else "not measured"
    )
    lines.append(
        f"{len(ran)} programs, {right} slices right, {wrong} wrong; mean excess over 1-minimal {mean}"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--targets", type=int, default=6)
    parser.add_argument("--minimal", type=int, default=2)
    parser.add_argument(
        "--show", type=argparse.FileType("w"), help="write slices and their minimal ones here"
    )
    given = parser.parse_args()
    global SHOW
    SHOW = given.show
    preload()
    import matplotlib.pyplot  # noqa: F401
    import scipy.stats  # noqa: F401

    rows: list[Row] = []
    for path in sorted(given.folder.rglob("*")):
        if path.suffix not in (".py", ".ipynb"):
            continue
        row = measure(path, given.targets, given.minimal)
        rows.append(row)
        print(
            path.name,
            row.right,
            len(row.wrong),
            row.minimal,
            row.error,
            flush=True,
            file=sys.stderr,
        )
        for text in row.wrong:
            print("WRONG", text, flush=True, file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
