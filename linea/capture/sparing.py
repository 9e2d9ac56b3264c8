"""A statement's text and the types of what it reads → proof that it writes to no array there is.

It may bind names, fill lists, put columns into frames and draw random numbers: all that is looked
at. But the memory of arrays needn't be compared after it, which is what costs time. The proof
covers statements made of names of library data, of the operations in `read_only.py`, of operators
and of loops over such; where any other code could run there is none.
"""

from __future__ import annotations

import ast
import builtins
import types

from linea.capture import read_only
from linea.capture.objects import NOTHING
from linea.capture.rules import PURE_BUILTINS
from linea.capture.running import Running
from linea.capture.scope import Scope
from linea.capture.walk import ATOMS, IMMUTABLE, is_a

_CONTAINERS = frozenset({list, dict, tuple, set})
_BUILTINS = (PURE_BUILTINS - {"vars", "dir", "display", "memoryview"}) | {
    "list", "dict", "tuple", "set", "enumerate", "zip", "reversed",
}  # fmt: skip
_TARGETS = (ast.Name, ast.Tuple, ast.List, ast.Subscript, ast.Attribute)


def spares_arrays(running: Running, scope: Scope) -> bool:
    """Whether the statement leaves the memory of every array as it is."""
    if running.indirect or running.uses.deferred or running.uses.code_in_text:
        return False
    if scope.graph.watched or scope.graph.lingering:
        return False  # what dies may run code of the user's
    stores = running.uses.stores | running.uses.maybe
    return _Proof(scope, running.node, stores).statement(running.node)


class _Proof:
    """Goes through one statement; each method tells whether a part of it is covered."""

    def __init__(self, scope: Scope, node: ast.stmt, stores: frozenset[str]) -> None:
        self.scope = scope
        augmented = [n.target for n in ast.walk(node) if isinstance(n, ast.AugAssign)]
        self.rebound = {
            n.id
            for n in ast.walk(node)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n not in augmented
        }
        """Names bound by anything but operators such as `+=`."""
        self.stores = stores
        """Names that the statement binds: what these hold is made of what it reads."""
        self.inner: list[set[str]] = []
        """Names of the comprehensions around."""

    # ---------------------------------------------------------------------------- statements

    def statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value) | ast.Assert(value, None):
                return self.value(value)
            case ast.Assign(targets, value):
                return self.value(value) and all(map(self.target, targets))
            case ast.AnnAssign(target, ast.Name() | ast.Constant(), value):
                return self.value(value) and self.target(target)
            case ast.AugAssign(ast.Name(name), _, value):
                return self._is_fresh(name) and self.value(value)
            case ast.AugAssign(ast.Subscript(ast.Name(name)) as target, _, value):
                covered = self._is_frame(name) and read_only.replaces_columns()
                return covered and self.target(target) and self.value(value)
            case ast.For(target, items, body, orelse):
                inside = self.target(target) and self.body([*body, *orelse])
                return inside and self.value(items)
            case ast.If(test, body, orelse) | ast.While(test, body, orelse):
                return self.value(test) and self.body([*body, *orelse])
            case ast.Delete(targets):
                return all(map(self.target, targets))
            case ast.Pass() | ast.Break() | ast.Continue():
                return True
        return False

    def body(self, nodes: list[ast.stmt]) -> bool:
        return all(map(self.statement, nodes))

    def target(self, node: ast.expr) -> bool:
        """Whether binding `node` writes to no array."""
        match node:
            case ast.Name():
                return True
            case ast.Tuple(items) | ast.List(items):
                return all(map(self.target, items))
            case ast.Subscript(ast.Name(name), key):
                kind = self._kind(name)
                if kind in (list, dict):
                    return self._is_data(name) and self.value(key)
                return self._is_frame(name) and self._is_text(key)
            case ast.Attribute(ast.Name(name), "columns" | "index"):
                return self._is_frame(name)
        return False

    def _is_fresh(self, name: str) -> bool:
        """Whether an operator such as `+=` gives `name` another value in place of changing it."""
        return name not in self.rebound and self._kind(name, bound=True) in ATOMS

    def _is_text(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant(str()):
                return True
            case ast.JoinedStr():
                return self.value(node)
            case ast.Name(name):
                return self._kind(name) is str
        return False

    # --------------------------------------------------------------------------- expressions

    def value(self, node: ast.expr | None) -> bool:
        """Whether working out `node` writes to no array, and gives no code of the user's."""
        match node:
            case None | ast.Constant():
                return True
            case ast.Name(name):
                return self._is_value(name)
            case ast.Attribute():
                return self._constant(node) or self.receiver(node)
            case ast.Call():
                return self.call(node)
            case ast.BinOp(left, _, right):
                return self.value(left) and self.value(right)
            case ast.UnaryOp(_, value):
                return self.value(value)
            case ast.FormattedValue(value, _, form):
                return self.value(value) and self.value(form)
            case ast.BoolOp(_, values) | ast.JoinedStr(values):
                return all(map(self.value, values))
            case ast.Compare(left, _, others):
                return self.value(left) and all(map(self.value, others))
            case ast.IfExp(test, then, other):
                return self.value(test) and self.value(then) and self.value(other)
            case ast.Subscript(owner, key):
                return self.receiver(owner) and self.value(key)
            case ast.Slice(first, last, step):
                return self.value(first) and self.value(last) and self.value(step)
            case ast.List(items) | ast.Tuple(items) | ast.Set(items):
                return all(map(self.value, items))
            case ast.Dict(keys, values):
                return all(map(self.value, keys)) and all(map(self.value, values))
            case ast.ListComp(item, loops) | ast.SetComp(item, loops):
                return self.comprehension([item], loops)
            case ast.DictComp(key, item, loops):
                return self.comprehension([key, item], loops)
        return False

    def comprehension(self, items: list[ast.expr], loops: list[ast.comprehension]) -> bool:
        targets = {n.id for g in loops for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        if not self.value(loops[0].iter):
            return False
        self.inner.append(targets)
        covered = all(
            self.target(loop.target) and self.value(loop.iter) and all(map(self.value, loop.ifs))
            for loop in loops[1:]
        )
        covered = covered and all(map(self.value, [*loops[0].ifs, *items]))
        self.inner.pop()
        return covered

    def receiver(self, node: ast.expr) -> bool:
        """Whether `node`, of which a part is taken next, is library data, worked out safely."""
        if isinstance(node, ast.Attribute):
            owner, name = node.value, node.attr
            if isinstance(owner, ast.Name) and self._has_column(owner.id, name):
                return True
            return name in read_only.ATTRIBUTES and _is_original(name) and self.receiver(owner)
        return self.value(node)

    def call(self, node: ast.Call) -> bool:
        """Whether a call is one of those known to write to no array."""
        count = len(node.args)
        given = [*node.args, *(k.value for k in node.keywords)]
        if any(k.arg is None or k.arg in read_only.WRITING_KEYWORDS for k in node.keywords):
            return False
        function = node.func
        if isinstance(function, ast.Name):
            covered = self._is_builtin(function.id) or self._takes(function, count)
        elif isinstance(function, ast.Attribute):
            covered = self._takes(function, count) or self._calls_method(function, count)
        else:
            covered = False
        return covered and all(map(self.argument, given))

    def argument(self, node: ast.expr) -> bool:
        """Whether a call may be given `node`: data, or one of the functions that write nothing."""
        if isinstance(node, ast.Name | ast.Attribute) and self._takes(node, 1):
            return True
        return self.value(node)

    def _calls_method(self, function: ast.Attribute, count: int) -> bool:
        name, owner = function.attr, function.value
        if isinstance(owner, ast.Name) and self._kind(owner.id) in (*_CONTAINERS, str):
            return self._is_data(owner.id)
        if isinstance(owner, ast.Constant | ast.JoinedStr):
            return self.value(owner)
        most = read_only.METHODS.get(name, -1)
        if name in read_only.POLARS and self._is_of_polars(owner):
            most = read_only.POLARS[name]
        return count <= most and _is_original(name) and self.receiver(owner)

    def _is_of_polars(self, node: ast.expr) -> bool:
        """Whether `node` is worked out from a frame, a column or the module of polars."""
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        if not isinstance(node, ast.Name) or (kind := self._kind(node.id)) is None:
            return False
        module = self.scope.namespace[node.id] if kind is types.ModuleType else kind
        name = getattr(module, "__module__" if module is kind else "__name__", "")
        return isinstance(name, str) and name.partition(".")[0] == "polars"

    def _takes(self, node: ast.expr, count: int) -> bool:
        """Whether `node` is a library's function that writes nothing of `count` arguments."""
        chain = _chain(node)
        if not chain or self._is_local(node) or chain[0] not in self.scope.namespace:
            return False
        return 0 <= count <= read_only.most_arguments(chain[-1], self.scope.resolve(chain))

    def _constant(self, node: ast.expr) -> bool:
        """Whether `node` is a number or type in a library: `np.pi`, `np.float64`."""
        if self._is_local(node) or not _chain(node):
            return False
        value = self.scope.resolve(_chain(node))
        return type(value) in ATOMS - {type(None)} or read_only.is_data_type(value)

    # --------------------------------------------------------------------------------- names

    def _is_local(self, node: ast.expr) -> bool:
        chain = _chain(node)
        return bool(chain) and (chain[0] in self.stores or self._is_inner(chain[0]))

    def _is_inner(self, name: str) -> bool:
        return any(name in names for names in self.inner)

    def _kind(self, name: str, *, bound: bool = False) -> type | None:
        """The type of what `name` is bound to all through the statement."""
        if self._is_inner(name) or name not in self.scope.namespace:
            return None
        if name in self.stores and not bound:
            return None
        return type(self.scope.namespace[name])

    def _is_frame(self, name: str) -> bool:
        return read_only.is_frame(self._kind(name)) and self._is_data(name)

    def _has_column(self, owner: str, name: str) -> bool:
        """Whether `owner.name` is nothing that its class defines."""
        if not self._is_frame(owner):
            return False
        return not any(name in vars(k) for k in type(self.scope.namespace[owner]).__mro__)

    def _is_builtin(self, name: str) -> bool:
        if self._is_inner(name) or name in self.stores or name in self.scope.namespace:
            return False
        value = vars(builtins).get(name)
        known = is_a(value, (types.BuiltinFunctionType, type)) and value.__module__ == "builtins"
        return name in _BUILTINS and known

    def _is_value(self, name: str) -> bool:
        if self._is_inner(name):
            return True
        if name not in self.scope.namespace:
            return name in self.stores or (name in read_only.TYPES and self._is_builtin(name))
        return self._is_data(name)

    def _is_data(self, name: str) -> bool:
        """Whether `name` holds plain or library data, with no code of anybody else's below."""
        value = self.scope.namespace[name]
        kind = type(value)
        if kind in ATOMS or kind in IMMUTABLE:
            return True
        reach = self.scope.graph.reach.get(name, NOTHING)
        if reach.code or reach.cut or reach.opaque or reach.names or reach.modules or reach.weak:
            return False
        if not (kind in _CONTAINERS or read_only.is_data(kind)):
            return False
        return reach.packages <= read_only.PACKAGES


def _chain(node: ast.expr) -> tuple[str, ...]:
    """`pd.options.mode` as its parts; nothing of other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ()
    return (node.id, *reversed(parts))


def _is_original(name: str) -> bool:
    """Whether the attribute `name` is the libraries' own wherever their classes have one."""
    return all(
        read_only.is_original(vars(base)[name])
        for kind in read_only.classes()
        for base in kind.__mro__
        if name in vars(base)
    )
