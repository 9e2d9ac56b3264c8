"""A source of random choices → programs of nested blocks, whose slices are cut inside and run again.

`python tests/cases/blocks.py FIRST COUNT` prints what goes wrong; its seed makes it again.
"""

from __future__ import annotations

import ast
import contextlib
import io
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

NUMBERS = ("a", "b", "c", "n")
LISTS = ("p", "q", "r")
TABLES = ("t", "u")
NAMES = (*NUMBERS, *LISTS, *TABLES)

HEAD = """\
import contextlib
import io
a, b, c, n = 1, 2, 3, 0
p = [3, 1, 2]
q = [4]
r = p
t = {1: 2}
u = {}
class Manager:
    def __init__(self, swallow=False):
        self.swallow = swallow
        self.seen = []
    def __enter__(self):
        return self.seen
    def __exit__(self, kind, error, trace):
        self.seen.append(kind is None)
        return self.swallow
"""
PLAIN_HEAD = HEAD.partition("class ")[0]


class Choices(Protocol):
    """What programs are made from: `random.Random`, or hypothesis's stand-in for it."""

    def choice(self, options: Any) -> Any: ...
    def randint(self, low: int, high: int) -> int: ...


@dataclass
class Place:
    """Where a statement stands."""

    loop: bool = False
    function: bool = False
    depth: int = 0
    nested: bool = False
    caught: bool = False


@dataclass
class Maker:
    """Makes one program."""

    rng: Choices
    classes: bool
    functions: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    count: int = 0

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def number(self) -> str:
        pick = self.rng.choice
        return pick([
            lambda: str(self.rng.randint(0, 4)),
            lambda: pick(NUMBERS),
            lambda: pick(NUMBERS),
            lambda: f"{pick(NUMBERS)} {pick('+-*')} {pick(NUMBERS)}",
            lambda: f"len({pick(LISTS)})",
            lambda: f"sum({pick(LISTS)})",
            lambda: f"{pick(TABLES)}.get({pick(NUMBERS)}, 0)",
            lambda: f"({pick(NUMBERS)} := {self.rng.randint(0, 9)})",
            lambda: f"sum({pick(LISTS)}[:1])",
            lambda: self.risky(),
            lambda: f"max({pick(LISTS)}, default=0)",
            lambda: f"sum(v for v in {pick(LISTS)} if v > {pick(NUMBERS)})",
            lambda: f"({pick(NUMBERS)} if {pick(NUMBERS)} > 1 else {pick(NUMBERS)})",
            lambda: f"{pick(self.functions)}({pick(NUMBERS)}, {pick(LISTS)})" if self.functions else "7",
            lambda: f"{pick(self.functions)}({pick(NUMBERS)}, {pick(LISTS)})" if self.functions else "8",
            lambda: f"{pick(self.objects)}.add({pick(NUMBERS)})" if self.objects else "5",
            lambda: f"{pick(self.objects)}.total" if self.objects else "6",
        ])()

    def risky(self) -> str:
        """A number that may fail to be one."""
        pick = self.rng.choice
        if self.rng.randint(0, 3):
            return pick(NUMBERS)
        return pick([f"{pick(LISTS)}[0]", f"{pick(LISTS)}.pop()", f"{pick(TABLES)}[1]", f"4 // {pick(NUMBERS)}"])

    def test(self) -> str:
        pick = self.rng.choice
        return pick([
            lambda: f"{pick(NUMBERS)} {pick(['<', '>', '==', '%'])} {self.rng.randint(1, 4)}",
            lambda: f"{pick(NUMBERS)} in {pick(LISTS)}",
            lambda: pick(LISTS),
            lambda: f"not {pick(TABLES)}",
            lambda: f"(m := {self.number()}) > 2",
            lambda: f"{pick(NUMBERS)} and {pick(NUMBERS)} > 1",
        ])()

    def listed(self) -> str:
        pick = self.rng.choice
        return pick([
            lambda: f"[{self.number()}, {self.number()}]",
            lambda: pick(LISTS),
            lambda: f"list({pick(LISTS)})",
            lambda: f"sorted({pick(LISTS)})",
            lambda: f"[v * 2 for v in {pick(LISTS)}][:5]",
            lambda: f"{pick(LISTS)}[:3] + [1]",
            lambda: f"list(range({self.rng.randint(0, 4)}))",
            lambda: f"[w for v in {pick(LISTS)} if (w := v % 3)]",
        ])()

    def simple(self, place: Place) -> list[str]:
        pick = self.rng.choice
        options = [
            lambda: [f"{pick(NUMBERS)} = {self.number()}"],
            lambda: [f"{pick(NUMBERS)} = {self.number()}"],
            lambda: [f"{pick(NUMBERS)} += {self.number()}"],
            lambda: [f"{pick(NUMBERS)}, {pick(NUMBERS)} = {self.number()}, {self.number()}"],
            lambda: [f"{pick(LISTS)} = {self.listed()}"],
            lambda: [f"{pick(LISTS)} += [{self.number()}]"],
            lambda: [f"{pick(LISTS)}.append({self.number()})"],
            lambda: [f"{pick(LISTS)}.sort()"],
            lambda: [f"{pick(LISTS)}[:1] = [{self.number()}]"],
            lambda: [f"{pick(LISTS)} = {pick(LISTS)}"],
            lambda: [f"{pick(TABLES)}[{self.number()}] = {self.number()}"],
            lambda: [f"{pick(TABLES)} = {{{self.number()}: {self.number()}}}"],
            lambda: [f"{pick(TABLES)} = {pick(TABLES)}"],
            lambda: [f"{pick(TABLES)}.pop({self.number()}, None)"],
            lambda: [f"print({self.number()}, {pick(LISTS)})"],
            lambda: [f"{self.number()}"],
            lambda: self.failing(place),
            lambda: [f"a, *{pick(LISTS)} = [1, *{self.listed()}]"],
            lambda: [f"k = lambda: {pick(NAMES)}", f"{pick(NUMBERS)} = len(str(k()))"],
            lambda: [f"g = ({self.number()} for x in {pick(LISTS)})", f"{pick(NUMBERS)} = next(g, 0)"],
            lambda: [f"e = iter({pick(LISTS)})", f"{pick(NUMBERS)} = next(e, 0)", f"{pick(NUMBERS)} = sum(e)"],
        ]
        if place.loop:
            options += [
                lambda: [f"if {self.test()}:", "    " + pick(["break", "continue"])],
                lambda: [pick(["break", "continue"])],
                lambda: [f"if {self.test()}:", "    " + pick(["break", "continue"])],
            ]
        if place.function:
            options += [
                lambda: [f"if {self.test()}:", f"    return {self.number()}"],
                lambda: [f"return {self.number()}"],
            ]
        if not place.function:
            options += [lambda: [f"z = {self.number()}", f"{pick(NUMBERS)} = z", "del z"]]
        return pick(options)()

    def failing(self, place: Place) -> list[str]:
        """What may raise: seldom where nothing would catch it."""
        pick = self.rng.choice
        if not place.caught and self.rng.randint(0, 4):
            return [f"{pick(NUMBERS)} = {self.number()}"]
        return pick([
            lambda: [f"assert {self.test()}"],
            lambda: [f"if {self.test()}:", f"    raise {pick(['ValueError', 'KeyError'])}({self.number()})"],
            lambda: [f"raise {pick(['ValueError', 'KeyError'])}({self.number()})"],
            lambda: [f"del {pick(TABLES)}[{self.number()}]"],
            lambda: [f"{pick(LISTS)}[0] = {self.number()}"],
        ])()  # fmt: skip

    def body(self, place: Place, most: int = 3) -> list[str]:
        found: list[str] = []
        inner = replace(place, depth=place.depth + 1)
        for _ in range(self.rng.randint(1, most)):
            found += self.statement(inner)
        return found

    def indented(self, place: Place) -> list[str]:
        return ["    " + line for line in self.body(place)]

    def statement(self, place: Place) -> list[str]:
        pick = self.rng.choice
        if place.depth >= 3 or self.rng.randint(0, 2) == 0:
            return self.simple(place)
        looping = replace(place, loop=True)
        options = [
            lambda: [f"if {self.test()}:", *self.indented(place)],
            lambda: [f"if {self.test()}:", *self.indented(place), "else:", *self.indented(place)],
            lambda: [f"if {self.test()}:", *self.indented(place), f"elif {self.test()}:", *self.indented(place)],
            lambda: [f"for {pick(['i', *NUMBERS])} in {pick(LISTS)}[:4]:", *self.indented(looping)],
            lambda: [f"for i, {pick(NUMBERS)} in enumerate({self.listed()}[:4]):", *self.indented(looping)],
            lambda: [f"for j in range({self.rng.randint(0, 3)}):", *self.indented(looping), "else:", *self.indented(place)],
            lambda: self.while_loop(looping),
            lambda: self.try_block(place),
            lambda: self.try_block(place),
            lambda: self.with_block(place),
            lambda: self.match_block(place),
        ]  # fmt: skip
        if not place.nested:
            options += [lambda: self.function(place), lambda: self.function(place)]
        if self.classes and not place.function and not place.loop and place.depth == 0:
            options += [lambda: self.class_block(), lambda: self.class_block()]
        return pick(options)()

    def while_loop(self, place: Place) -> list[str]:
        counter = self.fresh("k")
        return [
            f"{counter} = 0", f"while {counter} < {self.rng.randint(1, 4)}:", f"    {counter} += 1", *self.indented(place)
        ]  # fmt: skip

    def try_block(self, place: Place) -> list[str]:
        pick = self.rng.choice
        found = ["try:", *self.indented(replace(place, caught=True))]
        kind = self.rng.randint(0, 4)
        if kind < 4:
            found += [pick(["except Exception as error:", "except Exception:", "except (ValueError, IndexError):"])]
            found += self.indented(place)
        if kind == 1:
            found += ["else:", *self.indented(place)]
        if kind >= 3:
            inner = replace(place, loop=False, function=False)
            found += ["finally:", *self.indented(inner)]
        return found

    def with_block(self, place: Place) -> list[str]:
        pick = self.rng.choice
        heads = ["with io.StringIO('1\\n2\\n') as f:", "with contextlib.nullcontext(3) as x:"]
        if self.classes:
            heads += [
                f"with Manager({pick(['True', 'False'])}) as s:",
                f"with contextlib.nullcontext(1) as x, Manager({pick(['True', 'False'])}) as s:",
            ]
        return [pick(heads), *self.indented(place)]

    def match_block(self, place: Place) -> list[str]:
        pick = self.rng.choice
        return [
            f"match {self.listed()}:",
            f"    case [{pick(NUMBERS)}]:", *("    " + x for x in self.indented(place)),
            f"    case [x, *y] if {self.test()}:", *("    " + x for x in self.indented(place)),
            "    case _:", *("    " + x for x in self.indented(place)),
        ]  # fmt: skip

    def function(self, place: Place) -> list[str]:
        pick = self.rng.choice
        name = self.fresh("f")
        lines: list[str] = []
        body = ["    " + x for x in self.body(Place(function=True, depth=place.depth, nested=True, caught=place.caught), 4)]
        scope = []
        if self.rng.randint(0, 2):
            names = {pick(NAMES) for _ in range(self.rng.randint(1, 3))} - {"a", "p"}
            word = "global"
            if names:
                scope = [f"    {word} {', '.join(sorted(names))}"]
        locals_ = [
            f"    {n} = {v}"
            for n, v in [("b", "2"), ("c", "5"), ("n", "a"), ("q", "[a]"), ("r", pick(["p", "[1]"])), ("t", "{}"), ("u", "{1: 1}")]
            if not scope or n not in scope[0].replace(",", "").split()
        ]
        default = pick(["", "", "=q", "=[]"])
        lines += [f"def {name}(a, p{default}):", *scope, *locals_]
        if self.rng.randint(0, 3) == 0:
            lines += [
                "    def inner(v):", f"        nonlocal {'a'}", f"        a += {self.number()}", "        p.append(v)", "        return a",
                f"    a = inner({self.rng.randint(0, 3)})",
            ]  # fmt: skip
        if self.rng.randint(0, 7) == 0:
            lines += ["    yield a"]
            lines += [x.replace("return", "yield") for x in body]
            made = f"(lambda *x: sum(v or 0 for v in {name}(*x)))"
        else:
            lines += [*body, f"    return {self.number()}"]
            made = name
        if place.depth == 0 or self.rng.randint(0, 3) == 0:
            self.functions.append(made)
        elif self.rng.randint(0, 1):
            lines += [f"{pick(NUMBERS)} = {made}({pick(NUMBERS)}, {pick(LISTS)})"]
        return lines

    def class_block(self) -> list[str]:
        pick = self.rng.choice
        name = self.fresh("C")
        thing = self.fresh("o")
        lines = [
            f"class {name}:",
            f"    total = {self.number()}",
            "    def __init__(self, v):",
            "        self.v = v",
            f"        self.total = {pick(['v', 'a', 'self.v + 1'])}",
            "    def add(self, v):",
            f"        self.total {pick(['+=', '='])} v",
            f"        {pick(['self.log = v', 'print(v)', 'p.append(v)', 'x = v', 'self.other()'])}",
            "        return self.total",
            "    def other(self):",
            f"        return {pick(['self.total', 'self.add(1) if self.total < 0 else 0', 'len(self.__dict__)'])}",
            "    def unused(self):",
            f"        return self.{pick(['total', 'other()'])}",
        ]
        if self.rng.randint(0, 3) == 0:
            lines += ["    def __len__(self):", "        return abs(self.total)"]
        if self.rng.randint(0, 3) == 0:
            lines += ["    def __lt__(self, other):", "        self.total += 1", "        return False"]
        self.objects.append(thing)
        return [*lines, f"{thing} = {name}({pick(NUMBERS)})"]


def program(rng: Choices) -> str:
    """A program whose statements are mostly blocks."""
    classes = rng.randint(0, 2) == 0
    maker = Maker(rng, classes)
    lines: list[str] = []
    for _ in range(rng.randint(2, 6)):
        lines += maker.statement(Place())
    # A call of what was defined, so that something goes through it.
    for name in maker.functions[:3]:
        lines += [f"{rng.choice(NUMBERS)} = {name}({rng.choice(NUMBERS)}, {rng.choice(LISTS)})"]
    return (HEAD if classes else PLAIN_HEAD) + "\n".join(sharing(lines, rng)) + "\n"


def sharing(lines: list[str], rng: Choices) -> list[str]:
    """The same statements, of which some share a line with the one before or with their head."""
    made: list[str] = []
    for n, line in enumerate(lines):
        follows = lines[n + 1] if n + 1 < len(lines) else ""
        if not made or not is_simple(line) or made[-1].lstrip().startswith("@"):
            made.append(line)
        elif is_simple(lines[n - 1]) and depth(lines[n - 1]) == depth(line):
            shares = rng.randint(0, 3) == 0
            made[-1:] = [f"{made[-1]}; {line.strip()}"] if shares else [made[-1], line]
        elif lines[n - 1].endswith(":") and depth(follows) < depth(line) and made[-1] is lines[n - 1]:
            shares = rng.randint(0, 3) == 0
            made[-1:] = [f"{made[-1]} {line.strip()}"] if shares else [made[-1], line]
        else:
            made.append(line)
    return made


def is_simple(line: str) -> bool:
    return not line.endswith(":") and "#" not in line and not line.lstrip().startswith("@")


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


@dataclass
class Verdict:
    """What the slices of one program gave."""

    slices: int = 0
    kept: int = 0
    whole: int = 0
    wrong: list[str] = field(default_factory=list)


def run(source: str) -> tuple[dict[str, Any], str]:
    """The names that a program leaves, and what it raised."""
    space: dict[str, Any] = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, "x.py", "exec", dont_inherit=True), space)
    except Exception as error:
        return space, repr(error)
    return space, ""


def check(source: str, names: Sequence[str] = NAMES) -> Verdict:
    """Slice every variable of a program, run the slices, compare."""
    from linea.capture.criterion import slice_of_name
    from linea.capture.script import run_statements
    from linea.capture.session import Session

    found = Verdict()
    space: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder:
        session = Session(space, root=Path(folder))
        # Not by redirection: that is something that the session would see.
        try:
            with contextlib.suppress(Exception), quiet():
                run_statements(session, source, str(Path(folder) / "x.py"), "x.py", space)
            found.wrong += [f"note: {note}" for note in session.notes]
            found.whole = count(source)
            for name in dict.fromkeys(names):
                if name not in space:
                    continue
                code = slice_of_name(session, name).code
                again, error = run(code)
                found.slices += 1
                found.kept += count(code)
                if error or shown(again.get(name, "unbound")) != shown(space[name]):
                    found.wrong.append(
                        f"{name}: {space[name]!r}, from its slice {again.get(name, 'unbound')!r} {error}\n{code}"
                    )
        finally:
            session.close()
    return found


def shown(value: object) -> str:
    return repr(value)


def count(source: str) -> int:
    return sum(isinstance(n, ast.stmt) for n in ast.walk(ast.parse(source)))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let the programs print into nothing."""
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        yield
    finally:
        sys.stdout = before


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    first, programs = int(sys.argv[1]), int(sys.argv[2])
    slices = kept = whole = bad = 0
    for seed in range(first, first + programs):
        text = program(random.Random(seed))
        verdict = check(text)
        slices, kept = slices + verdict.slices, kept + verdict.kept
        whole += verdict.whole * verdict.slices
        if verdict.wrong:
            bad += 1
            print("WRONG", seed, flush=True)
            if bad <= 3:
                print(f"seed {seed}: {verdict.wrong[0]}\n--- program\n{text}")
    print(f"{programs} programs, {slices} slices, {bad} programs wrong, kept {kept} of {whole} statements")
