"""Two versions → which of code, inputs, parents and environment variables moved the value, and how far.

Each difference is a factor. The slice is run with some factors as they were before and the others
as they were after; what the value does then tells what each of them brings.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linea import jsons, values
from linea.errors import ReplayError
from linea.history.align import Unit, statements
from linea.history.changes import environment_changes
from linea.model import InputFile, Parent, Version
from linea.replay import inputs as recorded
from linea.replay.divergence import moved
from linea.replay.run import Run, run
from linea.replay.verify import difference

if TYPE_CHECKING:
    from linea.store.repository import Repository

ALL_UP_TO = 4
"""With so many factors every combination is run; with more, each alone and each left out."""

HUNKS = 3
"""So many places at which code differs are factors of their own; more are one."""

OVERHEAD = 0.6
"""Seconds that a run takes beside its code."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that differs between the two versions."""

    kind: str
    """`code`, `data`, `parent` or `variable`."""
    text: str
    hunk: tuple[int, int, int, int] | None = None
    """Of code: the statements of the one and of the other."""
    path: str = ""
    """Of data: the input; else the name of the parent or variable."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run gave."""

    digest: str | None
    problem: str = ""
    number: float | None = None
    """What the expression gives, or the value itself where it is a number."""
    told: str = ""
    """How the value differs from the one before."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one factor brings."""

    factor: Factor
    alone: Result
    """The value with this factor alone as it is after."""
    needed: bool | None
    """Whether the value comes out another one without it; None where that can't be said."""
    share: float | None = None
    """Its part of the change of the number: the mean of what it adds over all orders."""


@dataclass(frozen=True, slots=True)
class Why:
    """The answer."""

    before: Version
    after: Version
    shares: tuple[Share, ...]
    first: Result
    last: Result
    runs: int
    """How many runs it took; those known from before aren't counted."""
    notes: tuple[str, ...] = ()
    """What can't be swapped or doesn't come out as it was stored."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be run."""

    before: Version
    after: Version
    factors: tuple[Factor, ...]
    sets: tuple[frozenset[int], ...]
    """Each set of factors that are as they are after, in one run."""
    seconds: float
    """How long that takes, by past timings."""
    notes: tuple[str, ...] = field(default=())


def plan(repository: Repository, before: Version, after: Version) -> Plan:
    """Find the factors, and the runs that tell them apart."""
    if before.digest == after.digest and before.value.stable:
        raise ReplayError(f"{before.revision} and {after.revision} have the same value")
    found = tuple(factors(repository, before, after))
    every = frozenset(range(len(found)))
    if len(found) <= ALL_UP_TO:
        sets = [
            frozenset(each)
            for size in range(len(found) + 1)
            for each in itertools.combinations(range(len(found)), size)
        ]
    else:
        singles = [frozenset({n}) for n in every]
        sets = list(
            dict.fromkeys([frozenset[int](), *singles, *(every - one for one in singles), every])
        )
    longest = max(before.seconds, after.seconds)
    swapped = {f"${factor.path}" for factor in found if factor.kind == "variable"}
    changes = environment_changes(before.environment, after.environment)
    notes = [each.text for each in changes if each.what not in swapped]
    return Plan(before, after, found, tuple(sets), len(sets) * (longest + OVERHEAD), tuple(notes))


def factors(repository: Repository, before: Version, after: Version) -> list[Factor]:
    old, new = repository.code(before), repository.code(after)
    found = code_factors(old, new)
    if before.result != after.result and len(found) > 1:
        found = [Factor("code", "the code")]
    was = {file.path: file for file in before.inputs}
    now = {file.path: file for file in after.inputs}
    for path in sorted(was.keys() | now.keys()):
        if path in was and path in now and was[path].digest != now[path].digest:
            kind = "code" if path.endswith(".py") else "data"
            found.append(Factor(kind, f"{path} changed", path=path))
    parents = {parent.name: parent for parent in before.parents}
    for parent in after.parents:
        one = parents.get(parent.name)
        if one is not None and one.digest != parent.digest:
            text = f"{parent.name} v{one.number} → v{parent.number}"
            found.append(Factor("parent", text, path=parent.name))
    variables = {each.name: each for each in before.environment.variables}
    for each in after.environment.variables:
        then = variables.get(each.name)
        if then is not None and then.value != each.value and then.kept and each.kept:
            text = f"${each.name} {then.value} → {each.value}"
            found.append(Factor("variable", text, path=each.name))
    return found


def code_factors(old: str, new: str) -> list[Factor]:
    """The places at which two slices differ; one factor for all where there are many."""
    a, b = statements(old), statements(new)
    one, two = [text_of(unit, old) for unit in a], [text_of(unit, new) for unit in b]
    blocks = difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes()
    hunks = [block[1:] for block in blocks if block[0] != "equal"]
    if not hunks:
        return []
    if len(hunks) > HUNKS:
        return [Factor("code", f"the code ({len(hunks)} places)")]
    return [Factor("code", described(one, two, hunk), hunk=hunk) for hunk in hunks]


def text_of(unit: Unit, code: str) -> str:
    return "\n".join(code.splitlines()[unit.start : unit.stop])


def described(one: Sequence[str], two: Sequence[str], hunk: tuple[int, int, int, int]) -> str:
    was, now = (
        " ".join(" ".join(texts).split())
        for texts in (one[hunk[0] : hunk[1]], two[hunk[2] : hunk[3]])
    )
    if not was:
        return f"+ {now}"
    return f"{was} → {now}" if now else f"− {was}"


def mixed_code(old: str, new: str, hunks: Sequence[tuple[Factor, bool]]) -> str:
    """The old code with the hunks that are taken as they are in the new one."""
    if any(factor.hunk is None for factor, _ in hunks):
        return new if all(taken for _, taken in hunks) else old
    a, b = statements(old), statements(new)
    pieces: list[str] = []
    at = 0
    for factor, taken in hunks:
        assert factor.hunk is not None
        start, stop, begin, end = factor.hunk
        pieces += [text_of(unit, old) for unit in a[at:start]]
        pieces += (
            [text_of(u, new) for u in b[begin:end]]
            if taken
            else [text_of(u, old) for u in a[start:stop]]
        )
        at = stop
    pieces += [text_of(unit, old) for unit in a[at:]]
    return "\n".join(pieces) + "\n"


# -------------------------------------------------------------------------------------- runs


def why(
    repository: Repository,
    planned: Plan,
    root: Path,
    *,
    expression: str | None = None,
    timeout: float | None = None,
    running: Callable[[int, int], None] = lambda number, total: None,
) -> Why:
    """Run the combinations and attribute the change of the value, or of an expression on it."""
    results: dict[frozenset[int], Result] = {}
    fresh = 0
    stored = values.decode(planned.before.value, repository.read_part(planned.before))
    reference = measured(stored, expression)
    for number, taken in enumerate(planned.sets, 1):
        key = cache_key(repository, planned, taken, expression)
        known = remembered(repository, key)
        if known is None:
            running(number, len(planned.sets))
            fresh += 1
            ran = run_mixed(repository, planned, taken, root, timeout)
            known = read(planned, ran, expression)
            if not known.problem or ran.outcome == "failed":
                remember(repository, key, known)
        results[taken] = known
    shares = attributed(planned, results)
    every = frozenset(range(len(planned.factors)))
    first, last = results[frozenset()], results[every]
    notes = [*unswapped(planned, first, last, reference), *joint(results, every, shares)]
    return Why(planned.before, planned.after, shares, first, last, fresh, tuple(notes))


def run_mixed(
    repository: Repository, planned: Plan, taken: frozenset[int], root: Path, timeout: float | None
) -> Run:
    """Run with the factors in `taken` as they are after, the others as they were before."""
    before, after = planned.before, planned.after
    code, result = code_and_result(repository, planned, taken)
    files, given, missing = mixed_inputs(repository, planned, taken, root)
    if missing:
        raise ReplayError(f"the input {missing[0]} isn't to be had any more as it was")
    return run(
        code, result,
        root=root, inputs=files, given=given, source=before.source, folder=before.folder, name=after.name,
        kind=after.value.kind, store=repository.path,
        parents=list(mixed_parents(planned, taken).values()),
        variables=mixed_variables(planned, taken),
        timeout=timeout, keep_parts=True,
    )  # fmt: skip


def code_and_result(
    repository: Repository, planned: Plan, taken: frozenset[int]
) -> tuple[str, str | None]:
    old, new = repository.code(planned.before), repository.code(planned.after)
    hunks = [
        (factor, n in taken)
        for n, factor in enumerate(planned.factors)
        if factor.kind == "code" and not factor.path
    ]
    code = mixed_code(old, new, hunks) if hunks else new
    whole = hunks and all(chosen for _, chosen in hunks)
    return code, planned.after.result if whole or not hunks else planned.before.result


def mixed_inputs(
    repository: Repository, planned: Plan, taken: frozenset[int], root: Path
) -> tuple[list[InputFile], dict[str, bytes], list[str]]:
    later = {factor.path for n, factor in enumerate(planned.factors) if n in taken and factor.path}
    was = {file.path: (planned.before, file) for file in planned.before.inputs}
    now = {file.path: (planned.after, file) for file in planned.after.inputs}
    files, given, missing = [], {}, []
    for path in dict.fromkeys([*was, *now]):
        version, file = (
            now[path] if path in now and (path in later or path not in was) else was[path]
        )
        files.append(file)
        if recorded.same(root / path, file):
            continue
        data = recorded.kept(repository, version, file)
        if data is None:
            missing.append(path)
        else:
            given[path] = data
    return files, given, missing


def mixed_parents(planned: Plan, taken: frozenset[int]) -> dict[str, Parent]:
    later = {f.path for n, f in enumerate(planned.factors) if n in taken and f.kind == "parent"}
    was = {parent.name: parent for parent in planned.before.parents}
    now = {parent.name: parent for parent in planned.after.parents}
    return {
        name: now[name] if name in now and (name in later or name not in was) else was[name]
        for name in [*was, *(n for n in now if n not in was)]
    }


def mixed_variables(planned: Plan, taken: frozenset[int]) -> dict[str, str | None]:
    later = {f.path for n, f in enumerate(planned.factors) if n in taken and f.kind == "variable"}
    was = {each.name: each.value for each in planned.before.environment.variables if each.kept}
    now = {each.name: each.value for each in planned.after.environment.variables if each.kept}
    return {**now, **was, **{name: now[name] for name in later}}


def read(planned: Plan, ran: Run, expression: str | None) -> Result:
    if ran.record is None or ran.outcome != "done":
        return Result(None, (ran.traceback or ran.outcome).strip().splitlines()[-1])
    value = values.decode(ran.record, ran.parts[-1].__getitem__)
    told = (
        "" if ran.digest == planned.before.digest else difference(planned.before.value, ran.record)
    )
    return Result(str(ran.digest), "", measured(value, expression), told)


def measured(value: object, expression: str | None) -> float | None:
    """The number that is looked at: what the expression gives, else the value if it is one."""
    if expression is not None:
        try:
            value = eval(expression, {"value": value})
        except Exception as error:
            raise ReplayError(
                f"--expr fails: {type(error).__name__}: {error}", hint="`value` is the value"
            ) from error
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or hasattr(value, "item")):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


# ------------------------------------------------------------------------------- attribution


def attributed(planned: Plan, results: Mapping[frozenset[int], Result]) -> tuple[Share, ...]:
    every = frozenset(range(len(planned.factors)))
    last = results[every]
    shares = []
    for n, factor in enumerate(planned.factors):
        without = results.get(every - {n})
        needed = None
        if without is not None and last.digest is not None:
            needed = without.digest != last.digest
        shares.append(Share(factor, results[frozenset({n})], needed, share_of(n, every, results)))
    return tuple(shares)


def share_of(
    n: int, every: frozenset[int], results: Mapping[frozenset[int], Result]
) -> float | None:
    """The mean of what a factor adds over all orders in which factors may be swapped.

    Where not all combinations were run: the mean of what it adds first and what it adds last.
    """
    others = sorted(every - {n})
    total, weights = 0.0, Fraction(0)
    for size in range(len(others) + 1):
        weight = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(every)))
        for chosen in itertools.combinations(others, size):
            low, high = results.get(frozenset(chosen)), results.get(frozenset({*chosen, n}))
            if low is None or high is None or low.number is None or high.number is None:
                continue
            total += float(weight) * (high.number - low.number)
            weights += weight
    return total / float(weights) if weights else None


def joint(
    results: Mapping[frozenset[int], Result], every: frozenset[int], shares: Sequence[Share]
) -> list[str]:
    """Say so where no factor does anything alone and all together do."""
    first, last = results[frozenset()], results[every]
    if len(shares) < 2 or last.digest in (None, first.digest):
        return []
    quiet = all(share.alone.problem or share.alone.digest == first.digest for share in shares)
    return ["none of these changes the value alone: it takes them together"] if quiet else []


def unswapped(planned: Plan, first: Result, last: Result, reference: float | None) -> list[str]:
    """What the runs can't tell: what isn't swapped, and values that don't come out as stored."""
    notes = []
    for version, result in ((planned.before, first), (planned.after, last)):
        if result.problem:
            notes.append(f"the code of {version.revision} fails today: {result.problem}")
        elif result.digest != version.digest:
            reasons = [*version.unreproducible, *moved(version)]
            because = f" ({'; '.join(reasons)})" if reasons else ""
            notes.append(f"{version.revision} comes out otherwise than it was stored{because}")
    if planned.notes:
        notes.append(f"not swapped: {', '.join(planned.notes)}")
    elif not planned.factors:
        notes.append("nothing that was recorded differs: the code may rest on chance or the clock")
    return notes


# ------------------------------------------------------------------------------------- cache


def cache_key(
    repository: Repository, planned: Plan, taken: frozenset[int], expression: str | None
) -> str:
    """What a run rests on, as a name."""
    import platform

    code, result = code_and_result(repository, planned, taken)
    later = {f.path for n, f in enumerate(planned.factors) if n in taken and f.path}
    was = {file.path: file.digest for file in planned.before.inputs}
    now = {file.path: file.digest for file in planned.after.inputs}
    files = {
        path: now[path] if path in now and (path in later or path not in was) else was[path]
        for path in was | now
    }
    parents = {name: str(each.commit) for name, each in mixed_parents(planned, taken).items()}
    facts = [
        code, result, files, parents, mixed_variables(planned, taken), expression,
        str(planned.before.digest), platform.python_version(), sorted(moved(planned.after)),
    ]  # fmt: skip
    return hashlib.sha256(jsons.dumps(facts, sort_keys=True).encode()).hexdigest()


def remembered(repository: Repository, key: str) -> Result | None:
    data = repository.cached(f"why-{key}")
    if data is None:
        return None
    try:
        found: dict[str, Any] = jsons.loads(data)
        return Result(found["digest"], found["problem"], found["number"], found["told"])
    except (ValueError, KeyError, TypeError):
        return None


def remember(repository: Repository, key: str, result: Result) -> None:
    facts = {
        "digest": result.digest, "problem": result.problem, "number": result.number,
        "told": result.told,
    }  # fmt: skip
    repository.cache(f"why-{key}", jsons.dumps(facts).encode())
