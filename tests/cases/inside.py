"""Random programs that do everything in a function: slices of what it leaves give the same values.

`python tests/cases/inside.py FIRST COUNT` prints each wrong one; its seed makes it again.
"""

from __future__ import annotations

import ast
import random
import re
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import blocks
import fuzz
import nasty
import programs

ENDS = ["main()", 'if __name__ == "__main__":\n    main()', "code = main()", "sys.exit(main())"]


def wrapped(rng: random.Random, body: str, names: list[str]) -> str:
    """`body` as the body of a function that is called once, or of a guard; it leaves `names` as globals."""
    if rng.random() < 0.25:
        lines = [body, *(f"kept_{name} = {name}" for name in names)]
        inner = textwrap.indent("\n".join(lines), "    ")
        return f"import sys\nif __name__ == \"__main__\":\n{inner}\n"
    left = {name: f"kept_{name}" for name in names}
    lines = [f"global {', '.join(left.values())}"] if left else []
    lines += [body, *(f"{kept} = {name}" for name, kept in left.items())]
    if rng.random() < 0.5:
        lines.append("return 0")
    inner = textwrap.indent("\n".join(lines), "    ")
    return f"import sys\ndef main():\n{inner}\n{rng.choice(ENDS[:3])}\n"


def surely_bound(body: str, pattern: str) -> list[str]:
    """Names that a text binds as it runs to its end."""
    bound: set[str] = set()
    for node in ast.parse(body).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            bound |= {t.id for t in targets if isinstance(t, ast.Name)}
        if isinstance(node, ast.Delete):
            bound -= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return sorted(n for n in bound if re.fullmatch(pattern, n))


def compiles(text: str) -> bool:
    try:
        compile(text, "x", "exec")
    except SyntaxError:
        return False
    return True


def of_statements(seed: int) -> list[str] | None:
    """Cells of a program of `programs`, in a function."""
    rng = random.Random(seed)
    header, *cells = programs.program(rng, rng.choice([6, 10, 14]))
    body = "\n".join(cells)
    if not compiles(body):
        return None
    text = wrapped(rng, body, surely_bound(body, r"v\d+"))
    return [header, text] if compiles(text) else None


def of_blocks(seed: int) -> str | None:
    """A program of `blocks`, in a function."""
    rng = random.Random(seed)
    body = blocks.program(rng)
    if not compiles(body):
        return None
    text = wrapped(rng, body, surely_bound(body, r"[a-z]\w?"))
    return text if compiles(text) else None


def left(namespace: dict[str, object]) -> list[str]:
    names = sorted(n for n in namespace if n.startswith("kept_"))[:6]
    values = {n: namespace[n] for n in names}
    return [
        n for n, v in values.items()
        if not hasattr(type(v), "__next__") and type(v).__module__ not in fuzz.SKIPPED
    ]  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    fuzz.preload()
    first, count = int(sys.argv[1]), int(sys.argv[2])
    shown = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    ran = slices = kept = steps = endless = 0
    wrong: list[str] = []
    for seed in range(first, first + count):
        if seed % 3 == 0:
            text = of_blocks(seed)
            if text is None:
                continue
            found = blocks.check(text, [f"kept_{n}" for n in blocks.NAMES])
            ran, slices, kept = ran + 1, slices + found.slices, kept + found.kept
            steps += found.whole * found.slices
            wrong += [f"seed {seed}: {w}\n--- program\n{text}" for w in found.wrong]
            continue
        cells = of_statements(seed)
        if cells is None:
            continue
        verdict = nasty.check(nasty.Program(str(seed), "random", cells), left)
        ran, slices, kept = ran + 1, slices + verdict.checked, kept + verdict.kept
        steps, endless = steps + verdict.steps, endless + verdict.endless
        wrong += [f"seed {seed}: {w}\n--- program\n{cells[1]}" for w in verdict.wrong]
    for text in wrong[:shown]:
        print(text, "\n=========")
    print(
        f"{ran} programs, {slices} slices, {len(wrong)} wrong, kept {kept} of {steps} statements, "
        f"{endless} programs endless"
    )
