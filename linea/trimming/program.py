"""The kept statements together, and who still mentions which name → the lines to keep of each."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass, field, replace

from linea.names import bound_by, bound_in, bound_within
from linea.trimming.block import Block
from linea.trimming.known import HANDLED, STOP, WARNED
from linea.trimming.lines import Line, cut, narrowed, whole
from linea.trimming.risk import catches, gentle_managers, risky_functions
from linea.trimming.saved import CUT, Removed, Saved, over, without
from linea.trimming.scope import Effect
from linea.trimming.words import is_lazy, mentions_in, names_in, own_nodes, parameters_of


@dataclass(frozen=True, slots=True)
class Piece:
    """One kept statement."""

    source: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What names held when it began to run: `atom`, `atoms`, `container`, `library`, `manager`, `module:x`."""
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
    left_in: frozenset[int] | None = None
    """Of a function whose body was seen running: the statements of it that stay; None: all."""


def trim(
    pieces: Sequence[Piece],
    results: Iterable[str],
    *,
    user_classes: bool,
    saved: Saved | None = None,
) -> list[list[Line] | None]:
    """The lines to keep of each piece; None where nothing of it is needed any more.

    `saved` is what the last piece, which is running, saves.
    """
    everything: list[list[Line] | None] = [narrowed_body(p.source, p.left_in) for p in pieces]
    if any(STOP.search(p.source) for p in pieces):
        return everything
    program = Program(pieces, frozenset(results), user_classes, saved)
    if not program.ok:
        return everything
    cuts = any(p.left_in is not None for p in pieces)
    if not cuts and (saved is None or not saved.calls):
        return program.run()
    reached = program.until_saved()
    left = Program(reached.pieces, frozenset(results), user_classes, saved)
    return [
        None if kept is None else [_moved(line, before) for line in kept]
        for kept, before in zip(left.run(), reached.lines, strict=True)
    ]


def narrowed_body(source: str, left_in: frozenset[int] | None) -> list[Line]:
    """The lines of a statement; of a function, with no more of its body than the statements `left_in`."""
    lines = whole(source)
    if left_in is None:
        return lines
    tree = ast.parse(source).body[0]
    return cut(lines, without(tree, left_in, []), tree) if isinstance(tree, CUT) else lines


def _moved(line: Line, before: list[Line]) -> Line:
    """A line of a shortened statement, with its number in the whole one."""
    return line if line.number is None else Line(line.text, before[line.number].number)


@dataclass(frozen=True, slots=True)
class _Reached:
    """The pieces up to where the program is."""

    pieces: list[Piece]
    lines: list[list[Line]]


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


class Program:
    """The kept statements together: who still mentions which name."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        results: frozenset[str],
        user_classes: bool,
        saved: Saved | None = None,
    ) -> None:
        self.pieces = pieces
        self.saved = saved
        self.under_way = {c.function for c in saved.calls if c.function} if saved else set()
        """Functions that are running."""
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
        functions = {n: t for n, t in self.functions.items() if t is not None}
        trees = [t for t in self.trees if t is not None]
        raised = any(p.raised for p in pieces)
        self.catches = raised or any(map(catches, trees))
        """Somewhere an exception may be caught."""
        self.gentle = gentle_managers(trees)
        """Managers of the program that let exceptions pass."""
        self.risky = set(functions) if raised else risky_functions(trees, functions, self.gentle)
        """Functions in which an exception may have been raised that something then caught."""
        self.modules = self._modules()
        self.imported = self._imported()
        self.read_in_functions = {
            n
            for t in trees
            for d in ast.walk(t)
            if isinstance(d, _DEFINITIONS)
            for n in names_in(d)
        }
        self.only_saves = self._only_saves()
        self.logs_quietly = not any(HANDLED.search(p.source) for p in pieces)
        """What is logged goes to the terminal, if anywhere."""
        self.warned = any(WARNED.search(p.source) for p in pieces)
        """A warning may be caught, or be an error."""
        self.loggers = self._loggers()
        self.filled_by_reading = any(
            w in p.source for p in pieces for w in ("defaultdict", "__missing__")
        )
        """A dictionary may get entries by being read."""
        self._blocks: dict[str, Block] = {}
        self._trees: dict[tuple[int, str], ast.stmt | None] = {}
        self._top: dict[tuple[int, str], Block] = {}
        self._whole: set[tuple[int, str]] = set()
        self._learned = False
        self._returns: dict[str, str] = {}
        self._effects: dict[str, Effect | None] = {}
        self._given: dict[str, dict[str, str]] = {}
        self.words = [mentions_in(p.source) for p in pieces]
        self.deferred = [self._deferred(i) for i in range(len(pieces))]
        late: set[str] = set()
        for i, tree in enumerate(self.trees):
            if self.deferred[i]:
                own = bound_in([tree])[0] if isinstance(tree, ast.Assign) else set()
                late |= self.words[i] - own
        self.hidden = [p.reads - words - late for p, words in zip(pieces, self.words, strict=True)]
        """By piece, names that it read though neither its text nor that of a function mentions them."""

    def _stored(self) -> set[str]:
        found: set[str] = set()
        defined: set[str] = set()
        for tree in self.trees:
            if tree is None:
                continue
            if isinstance(tree, ast.FunctionDef):
                # Two functions of one name: which of them a call means isn't clear.
                (found if tree.name in defined else defined).add(tree.name)
                found |= bound_within(ast.iter_child_nodes(tree))
            else:
                found |= bound_within([tree])
        return found

    def _modules(self) -> dict[str, str]:
        """Names that the program binds to modules, and to nothing else."""
        found: dict[str, str] = {}
        others: set[str] = set()
        for tree in self.trees:
            if isinstance(tree, ast.Import):
                for alias in tree.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found[name] = f"module:{alias.name if alias.asname else name}"
            elif tree is not None:
                bound, declared = bound_in([tree])
                others |= bound | declared | _declared(tree)
        return {n: m for n, m in found.items() if n not in others}

    def _imported(self) -> dict[str, tuple[str, str]]:
        """Names that the program imports from modules, and binds to nothing else."""
        found: dict[str, tuple[str, str]] = {}
        others: set[str] = set()
        for tree in self.trees:
            if isinstance(tree, ast.ImportFrom) and tree.level == 0:
                for alias in tree.names:
                    found[alias.asname or alias.name] = (tree.module or "", alias.name)
            elif tree is not None:
                bound, declared = bound_in([tree])
                others |= bound | declared | _declared(tree)
        return {n: m for n, m in found.items() if n not in others}

    def block_of(self, name: str) -> Block | None:
        """The body of a function of the program as it stands; None where it may be replaced."""
        self._learn()
        return self._blocks.get(name)

    def returns(self, name: str) -> str:
        """What a call of a function of the program gives, see `Scope.kind`."""
        self._learn()
        return self._returns.get(name, "?")

    def given(self, name: str) -> dict[str, str]:
        """What the parameters of a function of the program are given, where all calls are known."""
        self._learn()
        return self._given.get(name, {})

    def function_effect(self, name: str) -> Effect | None:
        """What a call of a function of the program can do; None when that isn't clear."""
        self._learn()
        return self._effects.get(name)

    def _learn(self) -> None:
        """Find out what the functions of the program get, give and do, each by what others do.

        What is known is right at any moment, and becomes more: so it may end at any moment, too.
        """
        if self._learned:
            return
        self._learned = True
        trees = {n: t for n, t in self.functions.items() if t is not None and not t.decorator_list}
        stale = set(trees)
        for turn in range(ROUNDS):
            for name in stale:
                self._blocks[name] = Block(
                    self, trees[name].body, {}, parameters=parameters_of(trees[name]), function=True, name=name
                )  # fmt: skip
            changed: set[str] = set()
            for name in stale:
                gives, does = self._find_returned(name), self._find_effect(name)
                if (gives, does) != (self._returns.get(name, "?"), self._effects.get(name)):
                    changed.add(name)
                self._returns[name], self._effects[name] = gives, does
            touched = {c for n in stale for c in set(names_in(trees[n])) & trees.keys()}
            stale = {n for n, t in trees.items() if changed & set(names_in(t))}
            for name in touched | trees.keys() if turn == 0 else touched:
                if (gets := self._find_given(name)) != self._given.get(name, {}):
                    self._given[name] = gets
                    stale.add(name)
            if not stale:
                break

    def _find_returned(self, name: str) -> str:
        block, tree = self.block_of(name), self.functions.get(name)
        if block is None or tree is None or is_lazy(tree):
            return "?"
        found = [n.value for n in own_nodes(tree.body) if isinstance(n, ast.Return)]
        kinds = {block.kind(v, block.kinds) if v else "atom" for v in found}
        ends = isinstance(tree.body[-1], (ast.Return, ast.Raise))
        return _joined(kinds if ends else kinds | {"atom"})

    def _find_given(self, name: str) -> dict[str, str]:
        tree = self.functions.get(name)
        if tree is None or tree.decorator_list or not parameters_of(tree):
            return {}
        arguments = tree.args
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        kinds: dict[str, set[str]] = {n: set() for n in names}
        nothing: dict[str, str] = {}
        calls = self._calls_of(name)
        if calls is None or arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            return nothing
        for default, parameter in zip(arguments.defaults[::-1], names[::-1], strict=False):
            kinds[parameter].add("atom" if isinstance(default, ast.Constant) else "?")
        for call, caller in calls:
            block = self.block_of(caller) if caller is not None else None
            if any(isinstance(a, ast.Starred) for a in call.args) or len(call.args) > len(names):
                return nothing
            pairs = [
                *zip(names, call.args, strict=False),
                *((k.arg, k.value) for k in call.keywords),
            ]
            for given_to, value in pairs:
                if given_to is None or given_to not in kinds:
                    return nothing
                constant = "atom" if isinstance(value, ast.Constant) else "?"
                kinds[given_to].add(block.kind(value, block.kinds) if block else constant)
        return {n: _joined(k) for n, k in kinds.items()}

    def _calls_of(self, name: str) -> list[tuple[ast.Call, str | None]] | None:
        """The calls of a function, each with the function that it stands in; None if not all are known."""
        found: list[tuple[ast.Call, str | None]] = []
        mentions = sum(len(re.findall(rf"\b{name}\b", p.source)) for p in self.pieces)
        for tree in self.trees:
            if tree is None:
                return None
            caller = tree.name if isinstance(tree, ast.FunctionDef) else None
            nodes = own_nodes(tree.body if isinstance(tree, ast.FunctionDef) else [tree])
            found += [
                (n, caller)
                for n in nodes
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name
            ]
        # Each is a call as it stands, but for the definition itself.
        return found if mentions == len(found) + 1 else None

    def _loggers(self) -> dict[str, str]:
        """Names that the program binds to loggers, and to nothing else."""
        found: dict[str, int] = {}
        bound = [n for t in self.trees if t is not None for x in ast.walk(t) for n in bound_by(x)]
        for tree in self.trees:
            match tree:
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="getLogger")),
                ) if self.modules.get(module) == "module:logging":
                    found[name] = bound.count(name)
        return {name: "logger" for name, times in found.items() if times == 1}

    def globals_of(self, name: str) -> set[str]:
        """Names that a function of the program, and those that it calls, read from outside."""
        found: set[str] = set()
        done: set[str] = set()
        todo = [name]
        while todo:
            tree = self.functions.get(one := todo.pop())
            if tree is None or one in done:
                continue
            done.add(one)
            own = bound_in(tree.body)
            local = (own[0] | set(parameters_of(tree))) - own[1]
            read = set(names_in(tree)) - local
            found |= read
            todo += read
        return found

    def saves_another(self, call: ast.Call) -> bool:
        """Whether a call only saves a value as another artifact than the one that is asked for."""
        match call.func:
            case ast.Name(id=name):
                found = self.imported.get(name) == ("linea", "save")
            case ast.Attribute(value=ast.Name(id=name), attr="save"):
                found = self.modules.get(name) == "module:linea"
            case _:
                found = False
        if not found or not self.only_saves:
            return False
        names = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "name")]
        own = self.saved.name if self.saved is not None else None
        return (
            len(names) == 1
            and isinstance(names[0], ast.Constant)
            and names[0].value != own
            and all(isinstance(k.value, ast.Constant) for k in call.keywords)
        )

    def _only_saves(self) -> bool:
        """Whether the program asks nothing of linea but to save."""
        for tree in self.trees:
            for node in ast.walk(tree) if tree is not None else ():
                match node:
                    case ast.Attribute(value=ast.Name(id=name), attr=attr):
                        if self.modules.get(name) == "module:linea" and attr != "save":
                            return False
                    case ast.ImportFrom(module="linea", names=names):
                        if any(a.name != "save" for a in names):
                            return False
                    case ast.Import(names=names):
                        if any(a.name.startswith("linea.") for a in names):
                            return False
        return True

    def until_saved(self) -> _Reached:
        """The program without what comes after the save, or was seen to do nothing for it."""
        removed: list[Removed] = [[] for _ in self.pieces]
        if self.saved is not None and self.saved.calls:
            removed = over(self.saved, self.trees, [p.source for p in self.pieces])
        for i, piece in enumerate(self.pieces):
            tree = self.trees[i]
            if piece.left_in is not None and isinstance(tree, CUT):
                removed[i] = without(tree, piece.left_in, removed[i])
        lines: list[list[Line]] = []
        pieces: list[Piece] = []
        for i, piece in enumerate(self.pieces):
            kept = narrowed_body(piece.source, piece.left_in)
            tree = self.trees[i]
            if removed[i] and tree is not None and not piece.fixed:
                shorter = cut(whole(piece.source), removed[i], tree)
                kept = shorter if len(shorter) < len(kept) else kept
            lines.append(kept)
            source = "\n".join(line.text for line in kept)
            pieces.append(replace(piece, source=source, reads=frozenset(self.hidden[i])))
        return _Reached(pieces, lines)

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
                    mentions[i] = mentions_in("\n".join(x.text for x in new)) | self.hidden[i]
                read.add(mentions[i])
            if before == [None if k is None else len(k) for k in kept]:
                break
        return kept

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
        tree = self._parsed(i, text)
        if tree is None:
            return lines
        if self._unneeded(tree, later, piece):
            return None
        if isinstance(tree, (ast.Import, ast.ImportFrom)) and piece.bare:
            return narrowed(lines, tree, _unused_aliases(tree, later, piece))
        if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if tree.name in self.results:
                return lines  # the function itself is the result
            if (i, text) not in self._whole and not tree.decorator_list:
                block = Block(
                    self,
                    tree.body,
                    {},
                    parameters=parameters_of(tree),
                    function=True,
                    name=tree.name,
                )
                risk = tree.name in self.risky or tree.name not in self.functions
                shorter = cut(lines, block.removed(set(), risk=risk), tree)
                if len(shorter) == len(lines):
                    # What can go from a function rests on nothing but its text.
                    self._whole.add((i, text))
                return shorter
            return lines
        if isinstance(tree, BLOCKS):
            if (i, text) not in self._top:
                self._top[i, text] = Block(self, [tree], piece.kinds, shares=piece.shares)
            block = self._top[i, text]
            return cut(lines, block.removed({*later, *self.hidden[i]}), tree)
        return lines

    def _parsed(self, i: int, text: str) -> ast.stmt | None:
        if (i, text) not in self._trees:
            try:
                self._trees[i, text] = ast.parse(text).body[0]
            except (SyntaxError, IndexError):
                self._trees[i, text] = None
        return self._trees[i, text]

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

    def _find_effect(self, name: str) -> Effect | None:
        tree = self.functions.get(name)
        if tree is None or tree.decorator_list or is_lazy(tree):
            return None
        block = self.block_of(name)
        total = block.total() if block is not None else None
        if block is None or total is None:
            return None
        if total.touches and (tree.args.vararg or tree.args.kwarg):
            return None
        # What is reached from a parameter is the caller's.
        positions = frozenset(
            n
            for n, p in enumerate(parameters_of(tree))
            if any(block.same(p, t) for t in total.touches)
        )
        return Effect(touches=frozenset(f"#{n}" for n in positions))


ROUNDS = 6
"""How often what is known of functions is gone over."""


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.TryStar, ast.Match)


def _joined(kinds: set[str]) -> str:
    """One kind for several; a container may be filled by whoever else holds it."""
    found = {"container" if k == "atoms" else k for k in kinds}
    return found.pop() if len(found) == 1 and "" not in found else "?"


def _declared(tree: ast.stmt) -> set[str]:
    """Names that a statement, and functions in it, declare global."""
    return {n for g in ast.walk(tree) if isinstance(g, ast.Global) for n in g.names}


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
