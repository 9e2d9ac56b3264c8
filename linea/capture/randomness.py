"""A statement's calls → what it seeds, and what it gives that no re-run gives again."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Container

from linea.capture.rules import CLOCKS, GENERATORS, SEEDS
from linea.capture.running import Running
from linea.capture.scope import Scope, called_name
from linea.capture.source import NO_USES, Uses, uses
from linea.trace import Location, Step

RANDOM = frozenset({"random", "numpy.random", "torch.random", "polars.random"})
"""Keys of the hidden states that random numbers are drawn from."""

_UNSEEN = {"polars": frozenset({"sample", "shuffle", "set_random_seed"})}
"""By package with a generator that can't be read, the calls that draw from it or seed it."""


def unseen(packages: set[str], mentions: set[str]) -> set[str]:
    """Random states that can't be read and that a statement may have drawn from."""
    return {f"{p}.random" for p, words in _UNSEEN.items() if p in packages and words & mentions}


_NOWHERE = object()


def seeded(running: Running, scope: Scope) -> set[str]:
    """Random states that the statement replaced, whatever they were before."""
    call = running.node.value if isinstance(running.node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not running.uses.calls & SEEDS:
        return set()
    if any(isinstance(argument, ast.Call) for argument in call.args):
        return set()  # the seed may itself be drawn
    return _states_of(scope.resolve(_chain(call.func)))


def _chain(node: ast.expr) -> list[str]:
    """The names of an attribute chain; empty when it doesn't start at a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _states_of(function: object) -> set[str]:
    """The random states that a seeding function belongs to."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    found: set[str] = set()
    if owner is getattr(sys.modules.get("random"), "_inst", _NOWHERE):
        found.add("random")
    if owner is getattr(sys.modules.get("numpy.random.mtrand"), "_rand", _NOWHERE):
        found.add("numpy.random")
    if module == "numpy.random" and getattr(function, "__name__", "") == "seed":
        found.add("numpy.random")
    if str(module).startswith("polars.") and getattr(function, "__name__", "") in SEEDS:
        found.add("polars.random")
    if module in ("torch.random", "torch") and "torch" in sys.modules:
        found.add("torch.random")
    return found


def unseeded(step: Step, bound: Container[Location]) -> list[str]:
    """Random states that `step` draws from, or takes, and that aren't among the locations `bound` before."""
    fresh = [key for key in sorted(RANDOM) if Location(f"hidden:{key}") not in bound]
    drawn = [key for key in fresh if Location(f"hidden:{key}") in step.effects.mutates]
    used = [k for k in fresh if Location(f"package:{k.partition('.')[0]}") in step.effects.reads]
    if not drawn and not used:
        return []
    found = _uses_of(step)
    if found.calls & SEEDS and not step.error:
        drawn = []
    if not any(chain[-1] in TAKES_STATE and chain[-2:-1] in _OWNERS for chain in found.chains):
        used = []
    keys = dict.fromkeys([*drawn, *used])
    return [f"the unseeded generator of {key.removesuffix('.random')}" for key in keys]


TAKES_STATE = frozenset({"getstate", "get_state", "get_rng_state"})
"""Calls that give the state of a generator: what is made of it is no more to be had again than what is drawn."""

_OWNERS = (("random",), ("torch",))
"""The modules whose own generators these are."""


def _uses_of(step: Step) -> Uses:
    try:
        return uses(ast.parse(step.statement.source).body[0])
    except (SyntaxError, IndexError):
        return NO_USES


def clocks(source: str) -> list[str]:
    """Calls in `source` that give something else at every run."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [reason for reason in map(_unrepeatable, calls) if reason]


def _unrepeatable(call: ast.Call) -> str:
    """Why a call gives something else at every run; empty when it doesn't."""
    name = called_name(call)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "time" and owner is not None and getattr(owner, "id", "") != "time":
        return ""
    if name in ("input", "getpass") and not _is_of_another(call):
        return f"what was typed ({name})"
    if name in CLOCKS:
        return f"the clock or the system ({name})"
    if name in ("run_line_magic", "run_cell_magic") and _measures(call):
        return "the clock or the system (timeit)"
    if name in GENERATORS and not call.args and not call.keywords:
        return f"an unseeded generator ({name})"
    return ""


def _is_of_another(call: ast.Call) -> bool:
    """Whether a function of that name belongs to something else: `session.input(...)`."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return owner is not None and getattr(owner, "id", "") not in ("builtins", "getpass")


def _measures(call: ast.Call) -> bool:
    """Whether a call runs `%timeit` where how long it takes, or how often it runs, shows."""
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    name, line = [*texts, "", ""][:2]
    return name == "timeit" and ("-o" in line.split() or not re.search(r"(^|\s)-n", line))
