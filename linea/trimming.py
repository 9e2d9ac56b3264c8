"""A slice's statements → the same, cut inside: blocks and functions without what nothing rests on.

Observation shows which statements ran and what they changed, not what happened inside them. Here
the text decides: a program dependence graph over the names of one block (Ferrante, Ottenstein
and Warren, TOPLAS 1987), with names that may share an object taken together. A statement is left
out only when its text shows that all it does is bind or change names that nothing kept reads;
whatever the text leaves open is kept.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

PURE = frozenset({
    "abs", "bool", "chr", "complex", "divmod", "enumerate", "float", "format", "hash", "hex", "id",
    "int", "isinstance", "issubclass", "len", "ord", "print", "range", "repr", "round", "str", "type",
    "zip", "callable", "bin", "oct", "ascii", "hasattr",
})  # fmt: skip
"""Builtins that change nothing, whatever they are given (iterators given to them aside)."""

CONSUMING = frozenset({
    "all", "any", "dict", "frozenset", "list", "max", "min", "set", "sorted", "sum", "tuple", "reversed",
})  # fmt: skip
"""Builtins that change nothing but iterators."""

ATOMIC = frozenset(
    {
        "bool",
        "float",
        "int",
        "len",
        "str",
        "abs",
        "round",
        "repr",
        "ord",
        "chr",
        "hash",
        "format",
        "hex",
        "isinstance",
    }
)

READERS = frozenset(
    {
        "get",
        "keys",
        "values",
        "items",
        "count",
        "index",
        "copy",
        "most_common",
        "union",
        "intersection",
        "difference",
        "issubset",
    }
)
WRITERS = frozenset({
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "remove", "discard", "clear",
    "sort", "reverse", "appendleft", "popleft", "extendleft", "popitem", "rotate",
})  # fmt: skip

LIBRARY = frozenset({
    ("json", "dumps"), ("time", "time"), ("time", "perf_counter"), ("time", "sleep"), ("time", "monotonic"),
    ("pprint", "pprint"), ("textwrap", "dedent"), ("os", "getcwd"), ("datetime", "now"), ("gc", "collect"),
})  # fmt: skip
LIBRARY_MODULES = frozenset(
    {"math", "cmath", "statistics", "string", "posixpath", "operator", "textwrap"}
)

STOP = re.compile(
    r"\b(eval|exec|globals|locals|vars|redirect_stdout|redirect_stderr|settrace|stdout|__import__|suppress)\b"
)
"""Code in which names or output can be read in ways that no name shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of code and its number in the statement it came from (0-based), None if made here."""

    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One kept statement."""

    source: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What names held when it began to run: `atom`, `atoms`, `container`, `library`, `module:x`."""
    shares: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Per name in it, the names that shared an object with it."""
    bare: bool = True
    """Running it did nothing that shows but bind its names."""
    bound: frozenset[str] | None = None
    """All names that it bound, if it was seen to do nothing else; hidden state and modules included."""
    submodules: frozenset[str] = frozenset()
    """Modules that it imported, by their full names."""
    reads: frozenset[str] = frozenset()
    """Names that it read, whether its text mentions them or not."""
    raised: bool = False
    """It raised: where in the functions that it called isn't known, so they stay whole."""
    fixed: bool = False
    """Not to be touched: it raised, or its text isn't what ran."""


def trim(
    pieces: Sequence[Piece], results: Iterable[str], *, user_classes: bool
) -> list[list[Line] | None]:
    """The lines to keep of each piece; None where nothing of it is needed any more."""
    everything: list[list[Line] | None] = [whole(p.source) for p in pieces]
    if any(STOP.search(p.source) for p in pieces):
        return everything
    program = _Program(pieces, frozenset(results), user_classes)
    return program.run() if program.ok else everything


def whole(source: str) -> list[Line]:
    """All lines of a statement."""
    return [Line(text, n) for n, text in enumerate(source.split("\n"))]


class _Read:
    """Names that the statements considered so far read, each with how many do."""

    def __init__(self, names: Iterable[str]) -> None:
        self._counts = Counter(names)
        self.names = self._counts.keys()

    def add(self, names: Iterable[str]) -> None:
        self._counts.update(names)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]


class _Program:
    """The kept statements together: who still mentions which name."""

    def __init__(
        self, pieces: Sequence[Piece], results: frozenset[str], user_classes: bool
    ) -> None:
        self.pieces = pieces
        self.results = results
        self.user_classes = user_classes
        self.ok = True
        self.trees: list[ast.stmt | None] = []
        for piece in pieces:
            try:
                body = ast.parse(piece.source).body
            except SyntaxError:
                self.ok = False
                return
            self.trees.append(body[0] if len(body) == 1 else None)
        self.stored = self._stored()
        """Names that are bound other than by a single `def`."""
        self.functions: dict[str, ast.FunctionDef | None] = {
            t.name: t if t.name not in self.stored else None
            for t in self.trees
            if isinstance(t, ast.FunctionDef)
        }
        self.guarded = any(p.raised for p in pieces) or any(
            isinstance(n, (ast.Try, ast.TryStar, ast.With, ast.AsyncWith))
            and any(self._calls_function(c) for c in ast.walk(n))
            for t in self.trees
            if t is not None
            for n in ast.walk(t)
        )
        self.confined: dict[str, _Effect | None] = {}
        self.modules = self._modules()
        self.words = [_mentions(p.source) for p in pieces]
        self.deferred = [self._deferred(i) for i in range(len(pieces))]
        late = {w for i, words in enumerate(self.words) if self.deferred[i] for w in words}
        self.hidden = [p.reads - words - late for p, words in zip(pieces, self.words, strict=True)]
        """By piece, names that it read though neither its text nor that of a function mentions them."""

    def _stored(self) -> set[str]:
        found: set[str] = set()
        defined: set[str] = set()
        for tree in self.trees:
            if isinstance(tree, ast.FunctionDef):
                # Two functions of one name: which of them a call means isn't clear.
                (found if tree.name in defined else defined).add(tree.name)
            for node in ast.walk(tree) if tree is not None else ():
                if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                    found.add(node.id)
                elif isinstance(node, ast.arg):
                    found.add(node.arg)
                elif isinstance(node, (ast.Import, ast.ImportFrom)):
                    found |= {a.asname or a.name.split(".")[0] for a in node.names}
                elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    if node is not tree or not isinstance(node, ast.FunctionDef):
                        found.add(node.name)
                elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
                    found |= {node.name} - {None}  # type: ignore[arg-type]
        return found

    def _modules(self) -> dict[str, str]:
        """Names that the program binds to modules, and to nothing else."""
        found: dict[str, str] = {}
        bound = [n for t in self.trees if t is not None for n in _stored_names(t)]
        for tree in self.trees:
            if isinstance(tree, ast.Import):
                for alias in tree.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found[name] = f"module:{alias.name if alias.asname else name}"
        return {n: m for n, m in found.items() if n not in bound}

    def run(self) -> list[list[Line] | None]:
        kept: list[list[Line] | None] = [whole(p.source) for p in self.pieces]
        mentions = [m | h for m, h in zip(self.words, self.hidden, strict=True)]
        for _ in range(len(self.pieces) + 4):
            before = [None if k is None else len(k) for k in kept]
            # A name counts as read when a later statement mentions it; functions and classes
            # run later than they stand, so theirs count wherever they are.
            read = _Read(self.results)
            for i, lines in enumerate(kept):
                if lines is not None and self.deferred[i]:
                    read.add(mentions[i])
            for i in range(len(self.pieces) - 1, -1, -1):
                lines = kept[i]
                if lines is None:
                    continue
                if self.deferred[i]:
                    read.remove(mentions[i])
                new = kept[i] = self._piece(i, lines, read.names)
                if new is None:
                    continue
                if new is not lines:
                    mentions[i] = _mentions("\n".join(x.text for x in new)) | self.hidden[i]
                read.add(mentions[i])
            if before == [None if k is None else len(k) for k in kept]:
                break
        return kept

    def _calls_function(self, node: ast.AST) -> bool:
        """Whether `node` calls a function of the program."""
        match node:
            case ast.Call(func=ast.Name(id=name)):
                return name in self.functions
        return False

    def _deferred(self, i: int) -> bool:
        return self.trees[i] is None or any(
            isinstance(
                n,
                (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp),
            )
            for n in ast.walk(self.trees[i])  # type: ignore[arg-type]
        )

    def _piece(self, i: int, lines: list[Line], later: KeysView[str]) -> list[Line] | None:
        piece, tree = self.pieces[i], self.trees[i]
        if piece.fixed or tree is None:
            return lines
        text = "\n".join(x.text for x in lines)
        try:
            tree = ast.parse(text).body[0]
        except (SyntaxError, IndexError):
            return lines
        if self._unneeded(tree, later, piece):
            return None
        if isinstance(tree, (ast.Import, ast.ImportFrom)) and piece.bare:
            return _narrowed(lines, tree, _unused_aliases(tree, later, piece))
        if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if tree.name in self.results:
                return lines  # the function itself is the result
            if self.guarded or tree.decorator_list or _stateful(tree):
                return lines
            block = _Block(self, tree.body, {}, parameters=_parameters(tree), function=True)
            return _cut(lines, block.removed(set()))
        if isinstance(tree, (ast.For, ast.While, ast.If, ast.With)):
            block = _Block(self, [tree], piece.kinds, shares=piece.shares)
            return _cut(lines, block.removed({*later, *self.hidden[i]}))
        return lines

    def _unneeded(self, tree: ast.stmt, later: KeysView[str], piece: Piece) -> bool:
        """Whether a statement only binds names that nothing mentions any more."""
        match tree:
            case ast.Import() | ast.ImportFrom():
                if isinstance(tree, ast.ImportFrom) and tree.module == "__future__":
                    return False
                names = {a.asname or a.name.split(".")[0] for a in tree.names}
                return (
                    piece.bare
                    and "*" not in names
                    and not names & later
                    and not (
                        isinstance(tree, ast.Import) and any("." in a.name for a in tree.names)
                    )
                )
            case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
                defaults = [*tree.args.defaults, *(d for d in tree.args.kw_defaults if d)]
                return tree.name not in later and all(
                    isinstance(d, (ast.Constant, ast.Name)) for d in defaults
                )
            case ast.Assign(targets=targets, value=value) if all(
                isinstance(t, ast.Name) for t in targets
            ):
                names = {t.id for t in targets if isinstance(t, ast.Name)}
                if piece.bound is not None:
                    return not (names | piece.bound) & later
                return piece.bare and not names & later and _literal(value)
        return False

    def function_effect(self, name: str) -> _Effect | None:
        """What a call of a function of the program can do; None when that isn't clear."""
        if name in self.confined:
            return self.confined[name]
        self.confined[name] = None  # recursive
        tree = self.functions.get(name)
        if tree is None or tree.decorator_list or _stateful(tree):
            return None
        block = _Block(self, tree.body, {}, parameters=_parameters(tree), function=True)
        total = block.total()
        if total is None:
            return None
        # What is reached from a parameter is the caller's.
        positions = frozenset(
            n
            for n, p in enumerate(_parameters(tree))
            if any(block.same(p, t) for t in total.touches)
        )
        result = _Effect(touches=frozenset(f"#{n}" for n in positions))
        self.confined[name] = result
        return result


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a statement does besides reading."""

    binds: frozenset[str] = frozenset()
    touches: frozenset[str] = frozenset()
    """Names whose objects may be changed."""


class _Block:
    """Statements of one scope, and what they do to its names."""

    def __init__(
        self,
        program: _Program,
        body: list[ast.stmt],
        kinds: Mapping[str, str],
        *,
        parameters: Sequence[str] = (),
        shares: Mapping[str, frozenset[str]] | None = None,
        function: bool = False,
    ) -> None:
        self.program = program
        self.body = body
        self.parameters = parameters
        self.before = {**program.modules, **kinds}
        self.inside_function = function
        self.globals: set[str] = {
            n
            for s in body
            for g in ast.walk(s)
            if isinstance(g, (ast.Global, ast.Nonlocal))
            for n in g.names
        }
        self.kinds = self._infer()
        self.groups: dict[str, str] = {}
        for name, others in (shares or {}).items():
            self._merge([name, *others])
        self._merge_aliases()

    # -------------------------------------------------------------------------- kinds of values

    def _infer(self) -> dict[str, str]:
        """What each name can hold here; names whose sites disagree are unknown."""
        sites: dict[str, list[Callable[[dict[str, str]], str]]] = {}

        def site(name: str, kind: Callable[[dict[str, str]], str]) -> None:
            sites.setdefault(name, []).append(kind)

        def target(node: ast.expr, kind: Callable[[dict[str, str]], str]) -> None:
            if isinstance(node, ast.Name):
                site(node.id, kind)
            elif isinstance(node, (ast.Tuple, ast.List)):
                for part in node.elts:
                    target(
                        part.value if isinstance(part, ast.Starred) else part,
                        lambda e: _element(kind(e)),
                    )

        for top in self.body:
            for node in ast.walk(top):
                match node:
                    case ast.Assign():
                        for t in node.targets:
                            target(t, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                            if isinstance(t, ast.Subscript) and isinstance(t.value, ast.Name):
                                site(
                                    t.value.id,
                                    lambda e, v=node.value, n=t.value.id: _stored(  # type: ignore[misc]
                                        e.get(n, ""), self.kind(v, e)
                                    ),
                                )
                    case ast.AnnAssign() if node.value is not None:
                        target(node.target, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                    case ast.AugAssign():
                        if isinstance(node.target, ast.Name):
                            site(
                                node.target.id,
                                lambda e, n=node: self.kind(
                                    ast.BinOp(ast.Name(n.target.id, ast.Load()), n.op, n.value), e
                                ),  # type: ignore[misc]
                            )
                    case ast.NamedExpr():
                        target(node.target, lambda e, v=node.value: self.kind(v, e))  # type: ignore[misc]
                    case ast.For() | ast.comprehension():
                        target(node.target, lambda e, v=node.iter: _element(self.kind(v, e)))  # type: ignore[misc]
                    case ast.With():
                        for item in node.items:
                            if item.optional_vars is not None:
                                target(item.optional_vars, lambda e: "?")
                    case ast.ExceptHandler() if node.name:
                        site(node.name, lambda e: "?")
                    case ast.FunctionDef() | ast.ClassDef():
                        site(node.name, lambda e: "?")
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if (
                        attr in WRITERS
                    ):
                        for argument in node.args:
                            site(
                                name,
                                lambda e, a=argument, n=name: _stored(  # type: ignore[misc]
                                    e.get(n, ""), self.kind(a, e)
                                ),
                            )
        known: dict[str, str] = {**self.before, **dict.fromkeys(self.parameters, "?")}
        env: dict[str, str] = dict(known)
        for _ in range(20):
            new = dict(known)
            for name, makers in sites.items():
                found = {k for k in (m(env) for m in makers) if k}
                if name in known:
                    found.add(known[name])
                if found == {"atoms", "container"}:
                    found = {"container"}
                new[name] = found.pop() if len(found) == 1 else ("?" if found else "")
            if new == env:
                break
            env = new
        return {n: k for n, k in env.items() if k}

    def kind(self, node: ast.expr, env: Mapping[str, str]) -> str:
        """`atom`, `atoms` (a container of atoms), `pairs`, `container`, `module:…`, `?`; empty: not known yet."""
        match node:
            case ast.Constant() | ast.JoinedStr():
                return "atom"
            case ast.Name():
                if node.id in env:
                    return env[node.id]
                return "" if self.inside(node.id) else self.before.get(node.id, "?")
            case ast.UnaryOp():
                return (
                    "atom"
                    if isinstance(node.op, ast.Not) or self.kind(node.operand, env) == "atom"
                    else "?"
                )
            case ast.BinOp():
                sides = {self.kind(node.left, env), self.kind(node.right, env)}
                if "" in sides:
                    return "" if sides <= {"", "atom"} else "?"
                if sides == {"atom"}:
                    return "atom"
                return "atoms" if sides <= {"atoms", "atom"} else "?"
            case ast.Compare():
                parts = {self.kind(p, env) for p in (node.left, *node.comparators)}
                return "atom" if parts <= {"atom", "atoms", "", "container"} else "?"
            case ast.BoolOp():
                parts = {self.kind(p, env) for p in node.values} - {""}
                return parts.pop() if len(parts) == 1 else ("?" if parts else "")
            case ast.IfExp():
                parts = {self.kind(node.body, env), self.kind(node.orelse, env)} - {""}
                return parts.pop() if len(parts) == 1 else ("?" if parts else "")
            case ast.List() | ast.Tuple() | ast.Set():
                return (
                    "atoms"
                    if all(self.kind(e, env) in ("atom", "") for e in node.elts)
                    else "container"
                )
            case ast.Dict():
                inner = [*(k for k in node.keys if k), *node.values]
                return (
                    "atoms"
                    if all(k is not None for k in node.keys)
                    and all(self.kind(e, env) in ("atom", "") for e in inner)
                    else "container"
                )
            case ast.ListComp() | ast.SetComp():
                return "atoms" if self.kind(node.elt, env) in ("atom", "") else "container"
            case ast.DictComp():
                return (
                    "atoms"
                    if {self.kind(node.key, env), self.kind(node.value, env)} <= {"atom", ""}
                    else "container"
                )
            case ast.Subscript():
                inside = self.kind(node.value, env)
                if inside == "atoms":
                    return "atoms" if isinstance(node.slice, ast.Slice) else "atom"
                return inside if inside in ("", "atom") else "?"
            case ast.Call(func=ast.Name(id=name)) if not self._rebound(name):
                arguments = [self.kind(a, env) for a in node.args]
                if name in ATOMIC:
                    return "atom"
                if name == "range":
                    return "atoms"
                if (
                    name in ("sum", "min", "max")
                    and arguments
                    and set(arguments) <= {"atom", "atoms", ""}
                ):
                    return "atom"
                if name in ("list", "tuple", "set", "sorted", "dict", "frozenset", "reversed"):
                    return "atoms" if set(arguments) <= {"atoms", "atom", ""} else "container"
                if name in ("enumerate", "zip"):
                    return "pairs" if set(arguments) <= {"atoms", "atom", ""} else "?"
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)):
                inside = self.kind(owner, env)
                if inside == "atom":
                    return (
                        "atoms"
                        if attr in ("split", "rsplit", "splitlines", "partition", "rpartition")
                        else "atom"
                    )
                if inside == "atoms":
                    if attr == "items":
                        return "pairs"
                    if attr in ("keys", "values", "copy"):
                        return "atoms"
                    if attr in ("count", "index"):
                        return "atom"
                    if attr in ("get", "pop"):
                        return (
                            "atom"
                            if all(self.kind(a, env) in ("atom", "") for a in node.args)
                            else "?"
                        )
                if inside == "":
                    return ""
        return "?"

    def inside(self, name: str) -> bool:
        """Whether the name is bound by this block."""
        if not hasattr(self, "_bound"):
            self._bound = {
                n.id
                for s in self.body
                for n in ast.walk(s)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
        return name in self._bound

    def _rebound(self, name: str) -> bool:
        return (
            name in self.program.stored
            or name in self.program.functions
            or name in self.parameters
            or name in self.before
        )

    # -------------------------------------------------------------------------------- aliases

    def root(self, name: str) -> str:
        while name in self.groups:
            name = self.groups[name]
        return name

    def same(self, a: str, b: str) -> bool:
        """Whether two names may reach one object."""
        return self.root(a) == self.root(b)

    def _merge(self, names: Iterable[str]) -> None:
        names = [n for n in names if not self._valueless(n)]
        for a, b in pairwise(names):
            one, other = self.root(a), self.root(b)
            if one != other:
                self.groups[one] = other

    def _valueless(self, name: str) -> bool:
        kind = self.kinds.get(name, "")
        if kind == "atom" or kind.startswith("module:"):
            return True
        if self.program.functions.get(name) is not None:
            return True
        return name in PURE | CONSUMING and not self._rebound(name)

    def _merge_aliases(self) -> None:
        for top in self.body:
            for node in ast.walk(top):
                match node:
                    case ast.Assign():
                        for t in node.targets:
                            self._merge_into(t, node.value)
                    case ast.AnnAssign() if node.value is not None:
                        self._merge_into(node.target, node.value)
                    case ast.AugAssign():
                        self._merge_into(node.target, node.value)
                    case ast.NamedExpr():
                        self._merge_into(node.target, node.value)
                    case ast.For() | ast.comprehension():
                        self._merge([*_names(node.target), *_names(node.iter)])
                    case ast.With():
                        for item in node.items:
                            self._merge(
                                [
                                    *_names(item.context_expr),
                                    *(_names(item.optional_vars) if item.optional_vars else []),
                                ]
                            )
                    case ast.Call():
                        self._merge_call(node)
                    case ast.FunctionDef() | ast.Lambda():
                        self._merge(_names(node))

    def _merge_into(self, target: ast.expr, value: ast.expr) -> None:
        kind = self.kind(value, self.kinds)
        if kind == "atom" or (kind in ("atoms", "pairs") and self._fresh(value)):
            return
        self._merge([*_names(target), *_names(value)])

    def _fresh(self, value: ast.expr) -> bool:
        """Whether an expression makes a new container."""
        if isinstance(
            value, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
        ):
            return True
        return (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id in CONSUMING | {"range"}
            and not self._rebound(value.func.id)
        )

    def _merge_call(self, node: ast.Call) -> None:
        """Arguments may end up inside one another, unless the call is known not to do that."""
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in PURE | ATOMIC
            and not self._rebound(node.func.id)
        ):
            return
        if self._library(node.func):
            return
        if (
            isinstance(node.func, ast.Name)
            and self.program.function_effect(node.func.id) == _Effect()
        ):
            return
        arguments = [*node.args, *(k.value for k in node.keywords)]
        names = [n for a in arguments for n in _names(a)]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in READERS:
                return
            if all(self.kind(a, self.kinds) == "atom" for a in arguments):
                return
            names += _names(node.func.value)
        self._merge(names)

    # -------------------------------------------------------------------------------- effects

    def _library(self, function: ast.expr) -> bool:
        """Whether it is a function of a library that is known to change nothing."""
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
            return False
        kind = self.kinds.get(function.value.id, "")
        if not kind.startswith("module:"):
            return False
        module = kind.removeprefix("module:")
        return module in LIBRARY_MODULES or (module, function.attr) in LIBRARY

    def effect(self, node: ast.stmt) -> _Effect | None:
        """What a simple statement does; None when its text leaves that open."""
        binds: set[str] = set()
        touches: set[str] = set()
        match node:
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if not self._stored_to(target, binds, touches):
                        return None
                if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                    touches.add(node.target.id)
            case ast.Expr() | ast.Pass():
                pass
            case ast.Assert():
                pass  # it held: the statement it is in ran to its end
            case _:
                return None
        if not self._quiet(node, touches, binds):
            return None
        return _Effect(frozenset(binds), frozenset(touches))

    def _stored_to(self, target: ast.expr, binds: set[str], touches: set[str]) -> bool:
        match target:
            case ast.Name():
                binds.add(target.id)
                return True
            case ast.Tuple() | ast.List():
                return all(self._stored_to(t, binds, touches) for t in target.elts)
            case ast.Starred():
                return self._stored_to(target.value, binds, touches)
            case ast.Subscript(value=ast.Name(id=name)):
                touches.add(name)
                return self._known(name) or not self.program.user_classes
        return False

    def _known(self, name: str) -> bool:
        return self.kinds.get(name) in ("atom", "atoms", "container", "library")

    def _quiet(self, node: ast.AST, touches: set[str], binds: set[str]) -> bool:
        """Whether everything evaluated in `node` is known to change nothing but `touches`."""
        todo: list[ast.AST] = [node]
        while todo:
            part = todo.pop()
            match part:
                case ast.Lambda():
                    continue
                case ast.Await() | ast.Yield() | ast.YieldFrom():
                    return False
                case ast.NamedExpr():
                    binds.add(part.target.id)
                case ast.Call():
                    if not self._call(part, touches):
                        return False
                case ast.comprehension():
                    if part.is_async:
                        return False
                    touches |= self._consumed(part.iter)
                    if not all(map(self._plain_truth, part.ifs)):
                        return False
                case ast.BoolOp(values=values) if not all(map(self._plain_truth, values)):
                    return False
                case ast.IfExp(test=test) | ast.Assert(test=test) if not self._plain_truth(test):
                    return False
                case (
                    ast.Attribute()
                    | ast.BinOp()
                    | ast.Compare()
                    | ast.Subscript()
                    | ast.UnaryOp()
                    | ast.JoinedStr()
                ):
                    # Of user classes these can run anything.
                    if self.program.user_classes and not all(
                        self._known(n) or self._valueless(n) for n in _names(part)
                    ):
                        return False
            todo += ast.iter_child_nodes(part)
        return True

    def _plain_truth(self, test: ast.expr) -> bool:
        """Whether asking if `test` is true can run no code of user classes."""
        if not self.program.user_classes:
            return True
        return all(self._known(n) or self._valueless(n) for n in _names(test))

    def _consumed(self, node: ast.expr) -> set[str]:
        """Names that may hold an iterator that going over `node` uses up."""
        if self.kind(node, self.kinds) in ("atom", "atoms", "container", "pairs"):
            return set()
        return {
            n
            for n in _names(node)
            if self.kinds.get(n) not in ("atom", "atoms", "container", "library")
            and not self._valueless(n)
        }

    def _call(self, call: ast.Call, touches: set[str]) -> bool:
        function = call.func
        arguments = [*call.args, *(k.value for k in call.keywords)]
        if any(isinstance(a, (ast.Lambda, ast.Starred)) for a in arguments):
            return False
        if isinstance(function, ast.Name):
            name = function.id
            if self.program.functions.get(name) is not None and name not in self.parameters:
                known = self.program.function_effect(name)
                if known is None or call.keywords:
                    return False
                for mark in known.touches:
                    n = int(mark[1:])
                    if n < len(call.args):
                        touches |= set(_names(call.args[n]))
                return True
            if self._rebound(name):
                return False
            if name == "print" and any(k.arg == "file" for k in call.keywords):
                return False
            if name in ("sorted", "max", "min") and call.keywords:
                return False
            if name in PURE | CONSUMING:
                if self.program.user_classes and not all(
                    self._known(n) or self._valueless(n) for a in arguments for n in _names(a)
                ):
                    return False
                for argument in arguments:
                    touches |= (
                        self._consumed(argument)
                        if name in CONSUMING | {"enumerate", "zip"}
                        else set()
                    )
                return True
            return False
        if isinstance(function, ast.Attribute):
            if self._library(function):
                return True
            owner = self.kind(function.value, self.kinds)
            if owner == "atom":
                return True
            if owner in ("atoms", "container"):
                if function.attr in READERS:
                    return True
                if function.attr in WRITERS and not call.keywords:
                    touches |= set(_names(function.value))
                    return True
        return False

    def total(self) -> _Effect | None:
        """What all of a function's body can do to the world outside; None when that isn't clear."""
        if self.globals:
            return None
        touches: set[str] = set()
        for top in self.body:
            for node in ast.walk(top):
                if isinstance(
                    node,
                    (
                        ast.Try,
                        ast.TryStar,
                        ast.With,
                        ast.Raise,
                        ast.Import,
                        ast.ImportFrom,
                        ast.ClassDef,
                        ast.FunctionDef,
                        ast.Delete,
                    ),
                ):
                    return None
                if isinstance(node, (ast.For, ast.While, ast.If)):
                    head = node.iter if isinstance(node, ast.For) else node.test
                    if not self._plain_truth(head) or not self._quiet(head, touches, set()):
                        return None
                    if isinstance(node, ast.For):
                        touches |= self._consumed(node.iter)
                        if not self._stored_to(node.target, set(), touches):
                            return None
                elif isinstance(node, ast.Return):
                    if node.value is not None and not self._quiet(node.value, touches, set()):
                        return None
                elif isinstance(node, (ast.Break, ast.Continue)):
                    continue
                elif isinstance(node, ast.stmt):
                    effect = self.effect(node)
                    if effect is None:
                        return None
                    touches |= effect.touches
        local = set(self.parameters)
        bound = {n for s in self.body for n in _stored_names(s)}
        # Changing an object that only a global name reaches is not confined.
        if any(t not in local and t not in bound for t in touches):
            return None
        shared = {
            self.root(n)
            for s in self.body
            for n in _names(s)
            if n not in bound and n not in local and not self._valueless(n)
        }
        if any(
            self.root(t) in shared
            for t in touches
            if self.root(t) not in {self.root(p) for p in local}
        ):
            return None
        return _Effect(touches=frozenset(touches))

    # ------------------------------------------------------------------------------- the cut

    def removed(self, need: set[str]) -> list[tuple[ast.stmt, list[ast.stmt]]]:
        """Statements to leave out, each with the block that it stands in."""
        if self.inside_function:
            need = need | self.globals
        self._out: list[tuple[ast.stmt, list[ast.stmt]]] = []
        self._walk(self.body, set(need))
        return self._out

    def _walk(
        self, body: list[ast.stmt], need: set[str], *, record: bool = True
    ) -> tuple[set[str], bool]:
        """Go backward over a block; give what it needs before it, and whether anything of it is kept."""
        any_kept = False
        for node in reversed(body):
            kept, need = self._one(node, need, body, record)
            any_kept = any_kept or kept
        return need, any_kept

    def _one(
        self, node: ast.stmt, need: set[str], body: list[ast.stmt], record: bool
    ) -> tuple[bool, set[str]]:
        match node:
            case ast.For() | ast.While():
                return self._loop(node, need, body, record)
            case ast.If():
                then, kept_then = self._walk(node.body, set(need), record=False)
                other, kept_other = self._walk(node.orelse, set(need), record=False)
                touched: set[str] = set()
                bound: set[str] = set()
                quiet = (
                    self._plain_truth(node.test)
                    and self._quiet(node.test, touched, bound)
                    and not self._wanted(_Effect(frozenset(bound), frozenset(touched)), need)
                )
                if not kept_then and not kept_other and quiet:
                    if record:
                        self._out.append((node, body))
                    return False, need
                if record:
                    self._walk(node.body, set(need))
                    self._walk(node.orelse, set(need))
                return True, (then | other | set(_names(node.test)))
            case ast.With() if all(_opens(i.context_expr) for i in node.items):
                inner, _ = self._walk(node.body, set(need), record=record)
                return True, (inner | {n for i in node.items for n in _names(i.context_expr)})
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.decorator_list:
                plain = all(isinstance(d, (ast.Constant, ast.Name)) for d in node.args.defaults)
                unread = node.name not in need and not self._mentioned_later(node, node.name)
                if unread and record and plain:
                    self._out.append((node, body))
                    return False, need
                return True, (need | set(_names(node)))
            case ast.Import() | ast.ImportFrom():
                return True, need
        effect = self.effect(node)
        if effect is not None:
            if not self._wanted(effect, need):
                if record:
                    self._out.append((node, body))
                return False, need
            if (
                not effect.touches
                and isinstance(node, ast.Assign)
                and all(isinstance(t, ast.Name) for t in node.targets)
            ):
                need = need - effect.binds
        return True, (need | set(_names(node)))

    def _wanted(self, effect: _Effect, need: set[str]) -> bool:
        """Whether an effect matters: to a needed name, to an object one reaches, or outside."""
        if effect.binds & need or self._outside(effect):
            return True
        wanted = {self.root(n) for n in need if not self._valueless(n)}
        return any(self.root(t) in wanted for t in effect.touches if not self._valueless(t))

    def _outside(self, effect: _Effect) -> bool:
        """Whether the effect shows outside the block: globals of a function, objects of its caller."""
        if not self.inside_function:
            return False
        if effect.binds & self.globals:
            return True
        bound = {n for s in self.body for n in _stored_names(s)} - self.globals
        outer = {self.root(p) for p in self.parameters} | {
            self.root(n)
            for s in self.body
            for n in _names(s)
            if n not in bound and not self._valueless(n)
        }
        return any(
            self.root(t) in outer or t not in bound
            for t in effect.touches
            if not self._valueless(t)
        )

    def _loop(
        self, node: ast.For | ast.While, need: set[str], body: list[ast.stmt], record: bool
    ) -> tuple[bool, set[str]]:
        head = node.iter if isinstance(node, ast.For) else node.test
        touches: set[str] = set()
        targets: set[str] = set()
        quiet = self._plain_truth(head) and self._quiet(head, touches, targets)
        if isinstance(node, ast.For):
            touches |= self._consumed(node.iter)
            quiet = quiet and self._stored_to(node.target, targets, touches)
        inside = set(need)
        if isinstance(node, ast.While):
            inside |= set(_names(node.test))
        while True:
            more, _ = self._walk([*node.body, *node.orelse], set(inside), record=False)
            more = inside | more
            if more == inside:
                break
            inside = more
        jumps = any(isinstance(n, (ast.Return, ast.Raise)) for s in node.body for n in ast.walk(s))
        real = self._worth(node, need)
        if (
            quiet
            and not real
            and not jumps
            and not self._wanted(_Effect(frozenset(targets), frozenset(touches)), need)
        ):
            if record:
                self._out.append((node, body))
            return False, need
        if record:
            self._walk(node.body, set(inside))
            self._walk(node.orelse, set(inside))
        return True, (inside | set(_names(head)))

    def _worth(self, loop: ast.For | ast.While, need: set[str]) -> bool:
        """Whether anything in a loop matters to what is needed after it, jumps aside."""
        for part in [*loop.body, *loop.orelse]:
            for node in ast.walk(part):
                if isinstance(node, (ast.Break, ast.Continue, ast.Pass)) or not isinstance(
                    node, ast.stmt
                ):
                    continue
                if isinstance(node, (ast.For, ast.While, ast.If)):
                    touches: set[str] = set()
                    head = node.iter if isinstance(node, ast.For) else node.test
                    binds: set[str] = set()
                    if not self._plain_truth(head) or not self._quiet(head, touches, binds):
                        return True
                    if isinstance(node, ast.For):
                        touches |= self._consumed(node.iter)
                        if not self._stored_to(node.target, binds, touches):
                            return True
                    effect: _Effect | None = _Effect(frozenset(binds), frozenset(touches))
                else:
                    effect = self.effect(node)
                if effect is None or self._wanted(effect, need):
                    return True
        return False

    def _mentioned_later(self, node: ast.stmt, name: str) -> bool:
        return any(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
            for s in self.body for n in ast.walk(s)
        )  # fmt: skip


# ------------------------------------------------------------------------------------ helpers


def _unused_aliases(
    tree: ast.Import | ast.ImportFrom, later: KeysView[str], piece: Piece
) -> list[ast.alias]:
    """Names that an import needn't bind; a submodule stays, for what its import may do."""
    if isinstance(tree, ast.Import):
        return [a for a in tree.names if "." not in a.name and (a.asname or a.name) not in later]
    if tree.module == "__future__":
        return []
    return [
        a
        for a in tree.names
        if a.name != "*"
        and (a.asname or a.name) not in later
        and not any(m.endswith(f".{a.name}") for m in piece.submodules)
    ]


def _narrowed(
    lines: list[Line], tree: ast.Import | ast.ImportFrom, unused: list[ast.alias]
) -> list[Line]:
    """An import without some of its names; those left stand as they were written."""
    left = [a for a in tree.names if a not in unused]
    if not unused or not left:
        return lines
    own_lines = len({a.lineno for a in tree.names}) == len(tree.names) and all(
        lines[a.lineno - 1].text.encode()[: a.col_offset].strip() == b"" for a in tree.names
    )
    if own_lines:
        gone = {a.lineno - 1 for a in unused}
        kept = [line for n, line in enumerate(lines) if n not in gone]
    elif tree.lineno == tree.end_lineno:
        n = tree.lineno - 1
        raw = lines[n].text.encode()
        names = b", ".join(raw[a.col_offset : a.end_col_offset] for a in left)
        head, tail = raw[: tree.names[0].col_offset], raw[tree.names[-1].end_col_offset :]
        kept = [*lines[:n], Line((head + names + tail).decode(), lines[n].number), *lines[n + 1 :]]
    else:
        return lines
    try:
        body = ast.parse("\n".join(x.text for x in kept)).body
    except SyntaxError:
        return lines
    same = len(body) == 1 and isinstance(body[0], type(tree))
    wanted = [(a.name, a.asname) for a in left]
    ok = same and [(a.name, a.asname) for a in body[0].names] == wanted  # type: ignore[attr-defined]
    return kept if ok else lines


def _element(kind: str) -> str:
    return {"atoms": "atom", "pairs": "atoms", "": ""}.get(kind, "?")


def _stored(container: str, value: str) -> str:
    """What a container is after `value` was put in."""
    if not value or not container:
        return container
    if container == "atoms" and value != "atom":
        return "container"
    return container


def _names(node: ast.AST) -> list[str]:
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def _stored_names(node: ast.AST) -> list[str]:
    return [
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


def _mentions(source: str) -> set[str]:
    """Every word of a source, texts included: whoever might mean a name."""
    return set(re.findall(r"[^\W\d]\w*", re.sub(r"(?m)^\s*#.*$", "", source)))


def _parameters(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    a = tree.args
    return [
        x.arg
        for x in [
            *a.posonlyargs,
            *a.args,
            *filter(None, [a.vararg]),
            *a.kwonlyargs,
            *filter(None, [a.kwarg]),
        ]
    ]


def _stateful(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Generators, coroutines and functions with functions inside keep state that text doesn't show."""
    return isinstance(tree, ast.AsyncFunctionDef) or any(
        isinstance(n, _STATEFUL) for s in tree.body for n in ast.walk(s)
    )


_STATEFUL = (
    ast.Yield, ast.YieldFrom, ast.Await, ast.Nonlocal, ast.FunctionDef, ast.ClassDef, ast.Lambda,
    ast.Try, ast.TryStar,
)  # fmt: skip


def _literal(node: ast.expr) -> bool:
    return all(
        isinstance(
            n,
            (
                ast.Constant,
                ast.List,
                ast.Tuple,
                ast.Dict,
                ast.Set,
                ast.UnaryOp,
                ast.USub,
                ast.Load,
                ast.Name,
            ),
        )
        for n in ast.walk(node)
    )


def _opens(node: ast.expr) -> bool:
    """A manager that doesn't swallow exceptions and doesn't care what its body does: a file."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"


def _cut(lines: list[Line], removed: list[tuple[ast.stmt, list[ast.stmt]]]) -> list[Line]:
    """`lines` without the statements of `removed`; a block left empty gets `pass`."""
    gone: set[int] = set()
    passes: dict[int, str] = {}
    out = {id(n) for n, _ in removed}
    for node, _ in removed:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        last = node.end_lineno or node.lineno
        head = lines[first - 1].text.encode()
        tail = lines[last - 1].text.encode()[node.end_col_offset or 0 :].decode().strip()
        if head[: node.col_offset].strip() or (tail and not tail.startswith("#")):
            out.discard(id(node))
            continue  # shares its line with something else
        gone |= set(range(first - 1, last))
    for _, body in removed:
        if body and all(id(n) in out for n in body):
            first = body[0]
            at = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))]) - 1
            passes[at] = (
                lines[at].text[: len(lines[at].text) - len(lines[at].text.lstrip())] + "pass"
            )
    kept: list[Line] = []
    for i, line in enumerate(lines):
        if i in passes:
            kept.append(Line(passes[i], None))
        elif i not in gone:
            kept.append(line)
    try:
        ast.parse("\n".join(x.text for x in kept))
    except SyntaxError:
        return lines
    return kept
