"""An artifact's slice → statements that can stand in a function, without linea's own calls."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from linea.codegen import chunks
from linea.codegen.chunks import Chunk
from linea.errors import PipelineError
from linea.model import Origin, Parent


@dataclass(frozen=True, slots=True)
class Part:
    """What code is generated from: an artifact's name and slice."""

    name: str
    code: str
    result: str | None
    """The variable that holds the value; None when the code itself calls `linea.save`."""
    number: int | None = None
    source: str = ""
    """The session's file: only slices of one session share steps."""
    lines: tuple[Origin | None, ...] = ()
    parents: tuple[Parent, ...] = ()
    inputs: tuple[str, ...] = ()
    """Paths of the files that the slice read."""
    reused: bool = False
    """Its value is loaded from the store as it is, and not computed."""
    replaced: str = ""
    """The slice that a reused artifact would be computed by."""
    variable: str | None = None
    """The variable that held a reused artifact in its session."""

    @property
    def revision(self) -> str:
        return f"{self.name}@v{self.number}" if self.number else self.name


ADDED = 0
"""The line of a statement that stands in no slice: no other part shares it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A statement of a part, or what stands in its place."""

    chunk: Chunk
    kind: str = "step"
    """`step`, `setting` (an option, set wherever it matters), `parameter` or `edge` (the value
    of another artifact)."""
    target: str = ""
    """The parameter's name, or the artifact's."""


@dataclass(slots=True)
class Prepared:
    """A part whose calls of `linea` are resolved."""

    part: Part
    items: list[Item]
    result: str
    imports: list[Chunk] = field(default_factory=list)
    """Its imports, wherever they end up."""

    def place(self, chunk: Chunk) -> str:
        """Where a statement came from, for people."""
        origins = self.part.lines
        origin = origins[chunk.line - 1] if 0 < chunk.line <= len(origins) else None
        return str(origin) if origin else f"{self.part.name}, line {chunk.line}"


def identifier(name: str) -> str:
    """Turn any artifact name into an identifier: `fancy iris` → `fancy_iris`."""
    text = re.sub(r"\W+", "_", name).strip("_") or "artifact"
    text = f"_{text}" if text[0].isdigit() else text
    return f"{text}_" if keyword.iskeyword(text) or keyword.issoftkeyword(text) else text


def prepare(part: Part, requested: Mapping[str, Part]) -> Prepared:
    """Resolve what a slice asks of linea: saves become variables, gets become edges.

    What a slice gets of its own artifact is an earlier version of it, and stays in the store.
    """
    requested = {name: other for name, other in requested.items() if name != part.name}
    pieces = list(unwrapped(chunks.cut(part.code)))
    refuse(part, pieces)
    api = Api.of(tree for _, _, tree in pieces)
    taken = set().union(*(set().union(*chunks.names(text)) for text, _, _ in pieces))
    result = part.result or spare(identifier(part.name), taken)
    edges: dict[str, str] = {}
    handles = edge_handles(pieces, api, requested)
    edited: list[tuple[str, int, str]] = []
    collected = False
    for text, line, tree in pieces:
        bound = edge_statement(tree, api, requested)
        if bound:
            name, artifact = bound
            edited.append((f"{name} = None", line, artifact))
            continue
        text, keeps = without_saves(part, text, api, result)
        collected = collected or keeps
        text, found = without_gets(text, api, requested, handles, taken, edges)
        edges.update(found)
        if text.strip():
            edited.append((text, line, ""))
    if collected:
        edited = [
            ("saved = {}", ADDED, ""),
            *edited,
            (f"{result} = saved[{quote(part.name)}]", ADDED, ""),
        ]
    edited = [(f"{name} = None", 1, artifact) for artifact, name in edges.items()] + edited
    built = chunks.build(
        (piece, line, tree)
        for text, line, _ in edited
        for piece, line, tree in [(text, line, tuple(ast.parse(text).body))]
    )
    items = [
        Item(chunk, "edge", artifact) if artifact else Item(chunk)
        for chunk, (_, _, artifact) in zip(built, edited, strict=True)
        if chunk.tree
    ]
    return Prepared(part, without_linea(items, api), result)


def spare(name: str, taken: Collection[str]) -> str:
    """Return `name`, or `name_2` and so on when it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def quote(text: str) -> str:
    """A string literal in the style of black."""
    shown = repr(text)
    if shown[0] == "'" and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


Piece = tuple[str, int, tuple[ast.stmt, ...]]


def refuse(part: Part, pieces: Sequence[Piece]) -> None:
    for _, line, tree in pieces:
        for node in chunks.executed(tree):
            if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
                raise PipelineError(
                    f"{part.revision} awaits at the top level (line {line} of its slice)",
                    hint="wrap it in asyncio.run(...) and save again",
                )
        for node in (inner for top in tree for inner in ast.walk(top)):
            if isinstance(node, ast.Name) and node.id == "get_ipython":
                raise PipelineError(
                    f"{part.revision} needs IPython: line {line} of its slice is a magic "
                    "or a shell command",
                    hint="write it in plain Python and save again",
                )


def unwrapped(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Put the body of `if __name__ == "__main__":` in its place: a function is no program."""
    for text, line, tree in pieces:
        first = tree[0]
        if not (len(tree) == 1 and isinstance(first, ast.If) and is_main_guard(first.test)):
            yield text, line, tree
            continue
        local = ast.parse(text).body[0]
        assert isinstance(local, ast.If)
        end = local.body[-1].end_lineno
        head = local.test.end_lineno or local.lineno
        if local.body[0].lineno == head:
            body = "\n".join(ast.unparse(node) for node in local.body)
        else:
            body = chunks.dedent("\n".join(text.split("\n")[head:end]), local.body[0].col_offset)
        for inner, at, nodes in chunks.cut(body):
            yield inner, line - local.lineno + head + at, nodes


def is_main_guard(test: ast.expr) -> bool:
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")


# --------------------------------------------------------------------- what is asked of linea


@dataclass(frozen=True, slots=True)
class Api:
    """The names under which a slice knows linea, `save` and `get`."""

    modules: frozenset[str]
    save: frozenset[str]
    get: frozenset[str]
    saving: frozenset[str]

    @classmethod
    def of(cls, trees: Iterator[tuple[ast.stmt, ...]]) -> Api:
        modules: set[str] = set()
        functions: dict[str, set[str]] = {"save": set(), "get": set(), "saving": set()}
        for node in (inner for tree in trees for top in tree for inner in ast.walk(top)):
            if isinstance(node, ast.Import):
                modules |= {a.asname or a.name for a in node.names if a.name == "linea"}
            elif isinstance(node, ast.ImportFrom) and node.module == "linea":
                for alias in node.names:
                    functions.setdefault(alias.name, set()).add(alias.asname or alias.name)
        asked = (frozenset(functions[name]) for name in ("save", "get", "saving"))
        return cls(frozenset(modules), *asked)

    def calls(self, node: ast.AST, function: str) -> bool:
        if not isinstance(node, ast.Call):
            return False
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            return called.value.id in self.modules and called.attr == function
        return isinstance(called, ast.Name) and called.id in getattr(self, function)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def without_blocks(text: str, api: Api) -> str:
    """Put what stands in `with linea.saving():` in the place of the block."""
    while True:
        found = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.With)
            and all(api.calls(item.context_expr, "saving") for item in node.items)
        ]
        if not found:
            return text
        block, lines = found[-1], text.split("\n")
        if any(item.optional_vars is not None for item in block.items):
            raise PipelineError(
                f"a block of linea.saving() is given a name: {lines[block.lineno - 1].strip()}",
                hint="write `with linea.saving():` and save again",
            )
        inner = block.body[0]
        start, end = chunks.first_line(inner), block.end_lineno or block.lineno
        if start > block.lineno:
            start = max(item.context_expr.end_lineno or 0 for item in block.items) + 1
            body = chunks.dedent(
                "\n".join(lines[start - 1 : end]), inner.col_offset - block.col_offset
            )
        else:
            lead = " " * block.col_offset
            body = "\n".join(lead + ast.unparse(each) for each in block.body)
        lines[block.lineno - 1 : end] = body.split("\n")
        text = "\n".join(lines)


def without_saves(part: Part, text: str, api: Api, result: str) -> tuple[str, bool]:
    """Take `linea.save` out of a statement; say whether the value is collected in `saved`."""
    text = without_blocks(text, api)
    tree = ast.parse(text)
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    collected = False
    calls = {node for node in ast.walk(tree) if api.calls(node, "save")}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Expr) and node.value in calls):
            continue
        call = node.value
        assert isinstance(call, ast.Call)
        calls.remove(call)
        name, value = argument(call, 1, "name"), argument(call, 0, "obj")
        wanted = (
            part.result is None
            and value is not None
            and not (isinstance(name, ast.Constant) and name.value != part.name)
        )
        top = any(node is inner for inner in tree.body)
        if not wanted or value is None:
            edits.append((node, "" if top and len(tree.body) == 1 else "pass"))
        elif top:
            edits.append((node, f"{result} = {ast.get_source_segment(text, value)}"))
        else:
            collected = True
            edits.append(
                (node, f"saved[{quote(part.name)}] = {ast.get_source_segment(text, value)}")
            )
    if calls:
        raise PipelineError(
            f"{part.revision} uses what linea.save gives back, in: {text.strip()}",
            hint="call linea.save as a statement of its own",
        )
    return chunks.replaced(text, edits), collected


def artifact_of(call: ast.expr, requested: Mapping[str, Part]) -> str | None:
    """The requested artifact that `linea.get(…)` reads; None when it reads the store."""
    assert isinstance(call, ast.Call)
    revision, version = argument(call, 0, "revision"), argument(call, 1, "version")
    if not (isinstance(revision, ast.Constant) and isinstance(revision.value, str)):
        return None
    name, at, pinned = revision.value.partition("@v")
    number: object = int(pinned) if at and pinned.isdigit() else None
    if isinstance(version, ast.Constant):
        number = version.value
    if name not in requested or (number is not None and number != requested[name].number):
        return None
    return name


def is_value_of(node: ast.AST) -> ast.expr | None:
    """The object of `….get_value()`."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get_value"
        and not node.args
        and not node.keywords
    ):
        return node.func.value
    return None


def edge_statement(
    tree: tuple[ast.stmt, ...], api: Api, requested: Mapping[str, Part]
) -> tuple[str, str] | None:
    """(variable, artifact) of `x = linea.get("a").get_value()`."""
    node = tree[0]
    if (
        len(tree) == 1
        and isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
    ):
        handle = is_value_of(node.value)
        if handle is not None and api.calls(handle, "get"):
            artifact = artifact_of(handle, requested)
            return (node.targets[0].id, artifact) if artifact else None
    return None


def edge_handles(
    pieces: Sequence[Piece], api: Api, requested: Mapping[str, Part]
) -> dict[str, str]:
    """Variables that hold an `Artifact` and are used for nothing but `.get_value()`."""
    found: dict[str, str] = {}
    for _, _, tree in pieces:
        node = tree[0]
        if (
            len(tree) == 1
            and isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and api.calls(node.value, "get")
        ):
            artifact = artifact_of(node.value, requested)
            if artifact:
                found[node.targets[0].id] = artifact
    every = [node for _, _, tree in pieces for top in tree for node in ast.walk(top)]
    for name in list(found):
        uses = sum(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in every
        )
        values = sum(
            isinstance(handle, ast.Name) and handle.id == name for handle in map(is_value_of, every)
        )
        if uses != values:
            raise PipelineError(
                f"the artifact {found[name]!r} is used for more than its value (as {name})",
                hint=f"use {name}.get_value() only, or leave {found[name]!r} out of the request",
            )
    return found


def without_gets(
    text: str,
    api: Api,
    requested: Mapping[str, Part],
    handles: Mapping[str, str],
    taken: set[str],
    edges: Mapping[str, str],
) -> tuple[str, dict[str, str]]:
    """Put a variable in place of `linea.get("a").get_value()`; return artifact → variable."""
    tree = ast.parse(text)
    first = tree.body[0] if tree.body else None
    if (
        isinstance(first, ast.Assign)
        and isinstance(first.targets[0], ast.Name)
        and first.targets[0].id in handles
        and api.calls(first.value, "get")
    ):
        return "", {}
    found: dict[str, str] = {}
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    for node in ast.walk(tree):
        handle = is_value_of(node)
        if handle is None:
            continue
        assert isinstance(node, ast.Call)
        if api.calls(handle, "get"):
            artifact = artifact_of(handle, requested)
        else:
            artifact = handles.get(handle.id) if isinstance(handle, ast.Name) else None
        if artifact:
            name = edges.get(artifact) or found.get(artifact)
            name = name or spare(identifier(artifact), taken)
            found[artifact] = name
            taken.add(name)
            edits.append((node, name))
    return chunks.replaced(text, edits), found


def without_linea(items: list[Item], api: Api) -> list[Item]:
    """Drop the import of linea when nothing of it is left."""
    known = api.modules | api.save | api.get | api.saving
    used = set().union(*(item.chunk.uses for item in items if not item.chunk.is_import))
    if used & known:
        return items
    return [item for item in items if not is_linea_import(item.chunk)]


def is_linea_import(chunk: Chunk) -> bool:
    return chunk.is_import and all(
        (isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["linea"])
        or (isinstance(node, ast.ImportFrom) and node.module == "linea")
        for node in chunk.tree
    )
