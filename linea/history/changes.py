"""Two versions to the reasons why one differs from the other, and how."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from linea.history.align import Unit, align, statements
from linea.history.diff_plain import PathChange, diff_data
from linea.history.reading import Reader
from linea.model import Environment, Origin, ValueRecord, Variable, Version


@dataclass(frozen=True, slots=True)
class Change:
    """One reason why a version differs from the one before, or how it differs."""

    kind: str
    """`first`, `code`, `data`, `upstream`, `environment`, `chance`, `value` or `same`."""
    text: str
    """For people, without the kind."""
    what: str = ""
    """The input file, parent, package or column; for code the place, `train.py:12`."""
    before: str | None = None
    after: str | None = None


def changes(repository: Reader, old: Version | None, new: Version) -> tuple[Change, ...]:
    """Say why `new` differs from `old`, then how."""
    if old is None:
        return (Change("first", _made_from(new)),)
    modules = list(module_changes(repository, old, new))
    causes = [
        *code_changes(repository.code(old), repository.code(new), new.lines),
        *(change for _, found in modules for change in found),
        *data_changes(old, new, besides=[path for path, _ in modules]),
        *upstream_changes(old, new),
        *environment_changes(old.environment, new.environment),
    ]
    effects = value_changes(old, new, repository)
    if effects and not causes:
        causes = [_chance(new)]
    if not causes and not effects:
        return (Change("same", "nothing changed"),)
    return (*causes, *(effects or [Change("same", "same value")]))


def code_changes(old: str, new: str, lines: tuple[Origin | None, ...] = ()) -> Iterator[Change]:
    """Yield the statements that changed, came or went; moves and formatting don't count."""
    if old == new:
        return
    alignment = align(old, new)
    before, after = old.splitlines(), new.splitlines()
    come = [
        unit
        for unit in statements(new)
        if any(alignment.origin[line] is None for line in range(unit.start, unit.stop))
    ]
    removed = set(alignment.removed)
    gone = [
        unit for unit in statements(old) if not removed.isdisjoint(range(unit.start, unit.stop))
    ]
    partners = _partners(gone, come)
    for number, unit in enumerate(come):
        line = next(n for n in range(unit.start, unit.stop) if alignment.origin[n] is None)
        place = lines[line] if line < len(lines) else None
        match = partners.get(number)
        yield Change(
            "code",
            text=after[line].strip(),
            what=str(place or ""),
            before=None if match is None else gone[match].text,
            after=unit.text,
        )
    for number, unit in enumerate(gone):
        if number not in partners.values():
            line = next(n for n in range(unit.start, unit.stop) if n in removed)
            yield Change("code", text=f"without {before[line].strip()}", before=unit.text)


def module_changes(
    repository: Reader, old: Version, new: Version
) -> Iterator[tuple[str, list[Change]]]:
    """Yield the user's own modules that changed, with the statements that did."""
    for path, before, after in changed_modules(repository, old, new):
        lines = tuple(Origin(path, number) for number in range(1, len(after.splitlines()) + 1))
        yield path, list(code_changes(before, after, lines))


def changed_modules(
    repository: Reader, old: Version, new: Version
) -> Iterator[tuple[str, str, str]]:
    """Yield path and both sources of the modules that changed, where both were kept."""
    before = {file.path: file for file in old.inputs if file.path.endswith(".py")}
    for now in new.inputs:
        was = before.get(now.path)
        if was is None or was.digest == now.digest:
            continue
        sources = repository.input(old, was), repository.input(new, now)
        if sources[0] is not None and sources[1] is not None:
            texts = [source.decode("utf-8", "replace") for source in sources if source is not None]
            yield now.path, texts[0], texts[1]


def data_changes(old: Version, new: Version, besides: Sequence[str] = ()) -> Iterator[Change]:
    """Yield the input files that changed, came or went, but for those `besides`."""
    before = {file.path: file for file in old.inputs if file.path not in besides}
    after = {file.path: file for file in new.inputs if file.path not in besides}
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was is None and now is not None:
            yield Change("data", f"now reads {path}", path, None, now.digest)
        elif now is None and was is not None:
            yield Change("data", f"no longer reads {path}", path, was.digest, None)
        elif was is not None and now is not None and was.digest != now.digest:
            yield Change("data", f"{path} changed", path, was.digest, now.digest)


def upstream_changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield the parents that were taken in another version."""
    before = {parent.name: parent for parent in old.parents}
    after = {parent.name: parent for parent in new.parents}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None and now is not None:
            text = f"{name}@v{now.number} as well"
            yield Change("upstream", text, name, None, f"v{now.number}")
        elif now is None and was is not None:
            yield Change("upstream", f"{name} no longer", name, f"v{was.number}", None)
        elif was is not None and now is not None and was.commit != now.commit:
            text = f"{name} v{was.number} → v{now.number}"
            yield Change("upstream", text, name, f"v{was.number}", f"v{now.number}")


def environment_changes(old: Environment, new: Environment) -> Iterator[Change]:
    """Yield what of Python, the platform and the packages changed."""
    before = {"python": old.python, "platform": old.platform}
    after = {"python": new.python, "platform": new.platform}
    before |= {package.name: package.version for package in old.packages}
    after |= {package.name: package.version for package in new.packages}
    before |= {f"${each.name}": _setting(each) for each in old.variables}
    after |= {f"${each.name}": _setting(each) for each in new.variables}
    for name in sorted(before.keys() | after.keys(), key=lambda each: (each == "platform", each)):
        was, now = before.get(name), after.get(name)
        if not was and now:
            yield Change("environment", f"now with {name} {now}", name, None, now)
        elif was and not now:
            yield Change("environment", f"no longer with {name}", name, was, None)
        elif was != now:
            yield Change("environment", f"{name} {was} → {now}", name, was, now)


_SMALL = 4_096
"""Bytes of plain data up to which a log reads it to say what changed in it."""


def _setting(variable: Variable) -> str:
    """Return a variable's value as it can be told; secrets were never kept."""
    if not variable.kept:
        return "(not kept)"
    return "(not set)" if variable.value is None else repr(variable.value)


def value_changes(old: Version, new: Version, repository: Reader | None = None) -> list[Change]:
    """Say how the value changed, from what was recorded of both; small plain data is read."""
    if old.digest == new.digest and old.value.stable:
        return []
    was, now = old.value, new.value
    if was.kind != now.kind:
        return [Change("value", f"{was.kind} → {now.kind}", "kind", was.kind, now.kind)]
    special = _BY_KIND.get(now.kind)
    found = special(old, new, repository) if special else []
    if not found and now.kind not in _OPAQUE:
        found = _recorded_changes(was, now)
    texts = [str(value.summary.get("text", "")) for value in (was, now)]
    if not found and texts[0] != texts[1]:
        found = [Change("value", f"{texts[0]} → {texts[1]}", "text", *texts)]
    other = {"figure": "another picture", "model": "fitted anew"}.get(now.kind, "another value")
    return found or [Change("value", other, "digest", was.digest, now.digest)]


_OPAQUE = ("figure", "model", "data", "object")
"""Kinds whose size in bytes tells a person nothing."""


def _recorded_changes(was: ValueRecord, now: ValueRecord) -> list[Change]:
    facts = [
        fact
        for fact in ("rows", "shape", "dtype", "length", "size")
        if _fact(was.summary, fact) != _fact(now.summary, fact)
    ]
    if len(facts) > 1:
        facts = [fact for fact in facts if fact != "size"]
    found = [_fact_change(fact, was.summary, now.summary) for fact in facts]
    if not found and was.type != now.type:
        found = [Change("value", f"{was.type} → {now.type}", "type", was.type, now.type)]
    return found


def _table_changes(old: Version, new: Version, _: Reader | None) -> list[Change]:
    columns = list(_column_changes(old, new))
    facts = [c for c in _recorded_changes(old.value, new.value) if c.what != "size" or not columns]
    if columns:
        facts = [change for change in facts if change.what == "rows"]
    return [*facts, *columns]


def _model_changes(old: Version, new: Version, _: Reader | None) -> list[Change]:
    """Say which parameters changed, nested ones by their own name."""
    was, now = old.value, new.value
    if was.type != now.type:
        return [Change("value", f"{was.type} → {now.type}", "type", was.type, now.type)]
    params = diff_data(was.summary.get("params") or {}, now.summary.get("params") or {})
    return [_path_change(change) for change in params]


def _data_changes(old: Version, new: Version, repository: Reader | None) -> list[Change]:
    """Say what changed in small plain data; of another package's, what that says of it."""
    if any(each.value.codec != "json" for each in (old, new)):
        was, now = (str(each.value.summary.get("text", "")) for each in (old, new))
        return [Change("value", f"{was} → {now}", "value", was, now)] if was != now else []
    small = all(
        sum(part.size for part in each.value.parts) <= _SMALL and not each.value.pickled
        for each in (old, new)
    )
    if repository is None or not small:
        return []
    from linea import values

    before, after = (
        values.decode(each.value, repository.read_part(each), trusted=False) for each in (old, new)
    )
    return [_path_change(change) for change in islice(diff_data(before, after), 50)]


def _path_change(change: PathChange) -> Change:
    before, after = change.before, change.after
    if before is None:
        text = f"+{change.path} {after}"
    elif after is None:
        text = f"−{change.path}"
    else:
        name = "" if change.path == "value" else f"{change.path} "
        text = f"{name}{before} → {after}"
    return Change("value", text, change.path, before, after)


def _column_changes(old: Version, new: Version) -> Iterator[Change]:
    before = {column.name: column for column in old.value.columns}
    after = {column.name: column for column in new.value.columns}
    for name in [n for n in after if n not in before]:
        yield Change("value", f"+{name}", name, None, after[name].type)
    for name in [n for n in before if n not in after]:
        yield Change("value", f"−{name}", name, before[name].type, None)
    both = [name for name in after if name in before]
    retyped = [name for name in both if before[name].type != after[name].type]
    for name in retyped:
        was, now = before[name].type, after[name].type
        yield Change("value", f"{name}: {was} → {now}", name, was, now)
    if old.value.summary.get("rows") != new.value.summary.get("rows"):
        return  # another number of rows changes every column
    changed = [n for n in both if before[n].digest != after[n].digest and n not in retyped]
    for name in changed:
        yield Change("value", name, name, before[name].digest, after[name].digest)


def _fact(summary: Any, fact: str) -> Any:
    value = summary.get(fact)
    return tuple(value) if isinstance(value, list) else value


def _fact_change(fact: str, was: Any, now: Any) -> Change:
    before, after = was.get(fact), now.get(fact)
    if fact == "rows" and isinstance(before, int) and isinstance(after, int):
        text = f"{after - before:+,} rows".replace("-", "−")
    elif fact == "shape":
        text = f"shape {_shape(before)} → {_shape(after)}"
    else:
        text = f"{fact} {before} → {after}"
    return Change("value", text, fact, str(before), str(after))


def _shape(shape: Any) -> str:
    return " × ".join(f"{each:,}" for each in shape) if isinstance(shape, list | tuple) else "?"


def _chance(new: Version) -> Change:
    """Return the reason where nothing that was recorded explains another value."""
    if new.unreproducible:
        what = ", ".join(new.unreproducible)
        return Change("chance", f"re-run: {what}", what)
    return Change("chance", "re-run gave another value")


def _made_from(version: Version) -> str:
    """Say what a first version was made from."""
    rests = [parent.name + f"@v{parent.number}" for parent in version.parents]
    rests += [file.path for file in version.inputs]
    more = f" and {len(rests) - 3} more" if len(rests) > 3 else ""
    return "from " + ", ".join(rests[:3]) + more if rests else "first version"


def _partners(gone: list[Unit], come: list[Unit]) -> dict[int, int]:
    """Pair new statements with the old ones that they took the place of."""
    partners: dict[int, int] = {}
    for number, unit in enumerate(come):
        target = _target(unit)
        free = (n for n in range(len(gone)) if n not in partners.values())
        same = (n for n in free if (gone[n].scope, _target(gone[n])) == (unit.scope, target))
        match = next(same, None)
        if match is not None:
            partners[number] = match
    return partners


def _target(unit: Unit) -> str:
    """Return what a statement is about: the names it assigns, defines or calls."""
    node = unit.nodes[0] if unit.nodes else None
    if isinstance(node, ast.Assign):
        return "=" + ",".join(ast.dump(target) for target in node.targets)
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return "=" + ast.dump(node.target)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "def " + node.name
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return "call " + ast.dump(node.value.func)
    return type(node).__name__ if node else unit.text


_BY_KIND: Mapping[str, Callable[[Version, Version, Reader | None], list[Change]]] = {
    "table": _table_changes,
    "model": _model_changes,
    "data": _data_changes,
}
