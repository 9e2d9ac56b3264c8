"""The text of a statement → what running it does to the names of its scope, where that is clear."""

from __future__ import annotations

import ast
from functools import cached_property

from linea.names import bound_by, bound_within
from linea.trimming.known import (
    CONSUMING,
    LOGGING,
    MANAGERS,
    PURE,
    QUIET_IMPORTS,
    READERS,
    TOUCHING,
    WRITERS,
)
from linea.trimming.scope import OUTSIDE, Effect, Scope
from linea.trimming.words import names_in, nodes_of, own_nodes

_UNKNOWN = object()
_ORDERING = ("sorted", "max", "min")


class Effects(Scope):
    """What the statements of one scope do."""

    def effect(self, node: ast.stmt) -> Effect | None:
        """What a simple statement does; None when its text leaves that open."""
        known = self._known_effects.get(id(node), _UNKNOWN)
        if known is _UNKNOWN:
            known = self._known_effects[id(node)] = self._effect(node)
        return known  # type: ignore[return-value]

    @cached_property
    def _known_effects(self) -> dict[int, object]:
        return {}

    def evaluated(self, node: ast.expr) -> Effect | None:
        """What evaluating an expression that decides over a block does; None when that isn't clear."""
        known = self._known_effects.get(id(node), _UNKNOWN)
        if known is _UNKNOWN:
            touches: set[str] = set()
            binds: set[str] = set()
            clear = self.is_plain(node) and self.quiet(node, touches, binds)
            known = Effect(frozenset(binds), frozenset(touches)) if clear else None
            self._known_effects[id(node)] = known
        return known  # type: ignore[return-value]

    def _effect(self, node: ast.stmt) -> Effect | None:
        binds: set[str] = set()
        touches: set[str] = set()
        match node:
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if not self.stored_to(target, binds, touches):
                        return None
                    if isinstance(target, (ast.Tuple, ast.List)) and node.value is not None:
                        touches |= self.consumed(node.value)
                if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                    touches.add(node.target.id)
                    touches |= self.consumed(node.value)
            case ast.Expr(value=ast.Call() as call) if self.program.saves_another(call):
                if all(self.quiet(a, touches, binds) for a in call.args):
                    return Effect(frozenset(binds), frozenset(touches))
                return None
            case ast.Expr() | ast.Pass():
                pass
            case ast.Assert():
                pass  # it held: the statement it is in ran to its end
            case ast.Delete(targets=targets):
                names = [t.id for t in targets if isinstance(t, ast.Name)]
                # Of anything else, its end may show.
                plain = len(names) == len(targets) and all(map(self.is_known, names))
                return Effect(frozenset(names)) if plain else None
            case ast.Import() | ast.ImportFrom():
                return Effect(frozenset(bound_by(node))) if _imports_quietly(node) else None
            case _:
                return None
        if not self.quiet(node, touches, binds):
            return None
        return Effect(frozenset(binds), frozenset(touches))

    def stored_to(self, target: ast.expr, binds: set[str], touches: set[str]) -> bool:
        """Collect what storing to `target` binds and touches; whether it does no more."""
        match target:
            case ast.Name():
                binds.add(target.id)
                return True
            case ast.Tuple() | ast.List():
                return all(self.stored_to(t, binds, touches) for t in target.elts)
            case ast.Starred():
                return self.stored_to(target.value, binds, touches)
            case ast.Subscript(value=ast.Name(id=name)):
                touches.add(name)
                if self.kinds.get(name, "").startswith("module:"):
                    return False
                return self.is_known(name) or not self.program.user_classes
        return False

    def is_known(self, name: str) -> bool:
        return self.kinds.get(name) in ("atom", "atoms", "container", "library", "logger")

    def is_plain(self, node: ast.AST) -> bool:
        """Whether what is done with the names in `node` can run no code of user classes."""
        if not self.program.user_classes:
            return True
        return all(self.is_known(n) or self._valueless(n) for n in names_in(node))

    def quiet(self, node: ast.AST, touches: set[str], binds: set[str]) -> bool:
        """Whether everything evaluated in `node` is known to change nothing but `touches`."""
        todo: list[ast.AST] = [node]
        while todo:
            part = todo.pop()
            match part:
                case ast.Lambda():
                    todo += [*part.args.defaults, *filter(None, part.args.kw_defaults)]
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
                    touches |= self.consumed(part.iter)
                    if not all(map(self.is_plain, part.ifs)):
                        return False
                case ast.Starred(ctx=ast.Load()):
                    touches |= self.consumed(part.value)
                case ast.BoolOp(values=values) if not all(map(self.is_plain, values)):
                    return False
                case ast.IfExp(test=test) | ast.Assert(test=test) if not self.is_plain(test):
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
                    if not self.is_plain(part):
                        return False
                    if isinstance(part, ast.Compare):
                        for how, with_ in zip(part.ops, part.comparators, strict=True):
                            if isinstance(how, (ast.In, ast.NotIn)):
                                touches |= self.consumed(with_)
                    elif isinstance(part, ast.Subscript) and self.program.filled_by_reading:
                        unknown = isinstance(part.ctx, ast.Load) and not self._is_data(part.value)
                        touches |= set(names_in(part.value)) if unknown else set()
            todo += ast.iter_child_nodes(part)
        return True

    def _is_data(self, node: ast.expr) -> bool:
        return self.kind(node, self.kinds) in ("atom", "atoms", "container", "library")

    def consumed(self, node: ast.expr) -> set[str]:
        """Names that may hold an iterator that going over `node` uses up."""
        if self.kind(node, self.kinds) in ("atom", "atoms", "container", "pairs"):
            return set()
        return {n for n in names_in(node) if not self.is_known(n) and not self._valueless(n)}

    def _call(self, call: ast.Call, touches: set[str]) -> bool:
        function = call.func
        arguments = [*call.args, *(k.value for k in call.keywords)]
        if any(isinstance(a, ast.Starred) for a in arguments):
            return False
        if any(isinstance(a, ast.Lambda) for a in arguments):
            return self._ordered_by(call, touches)
        if isinstance(function, ast.Name):
            return self._named_call(function.id, call, arguments, touches)
        if isinstance(function, ast.Attribute):
            if self._library(function):
                return True
            return self._method(function, call, touches)
        return False

    def _named_call(
        self, name: str, call: ast.Call, arguments: list[ast.expr], touches: set[str]
    ) -> bool:
        if name in self.bound:
            return False
        if self.program.functions.get(name) is not None and name not in self.parameters:
            known = self.program.function_effect(name)
            if known is None or call.keywords:
                return False
            for mark in known.touches:
                n = int(mark[1:])
                if n >= len(call.args):
                    return False  # the default, which all calls share
                touches |= set(names_in(call.args[n]))
            return True
        if self._library(call.func):
            return True
        if self._rebound(name):
            return False
        if name == "print" and any(k.arg == "file" for k in call.keywords):
            return False
        if name in _ORDERING and any(k.arg == "key" for k in call.keywords):
            return False
        if name == "open":
            return self.reads_file(call)
        if name in PURE | CONSUMING:
            if not all(map(self.is_plain, arguments)):
                return False
            if name in CONSUMING | {"enumerate", "zip"}:
                for argument in arguments:
                    touches |= self.consumed(argument)
            return True
        return False

    def _ordered_by(self, call: ast.Call, touches: set[str]) -> bool:
        """Whether it sorts by a key that changes nothing."""
        if not (isinstance(call.func, ast.Name) and call.func.id in _ORDERING):
            return False
        if self._rebound(call.func.id) or call.func.id in self.bound:
            return False
        if not all(map(self.is_plain, call.args)) or self.program.user_classes:
            return False
        for argument in call.args:
            touches |= self.consumed(argument)
        for keyword in call.keywords:
            body = keyword.value.body if isinstance(keyword.value, ast.Lambda) else keyword.value
            if keyword.arg == "key" and not isinstance(keyword.value, ast.Lambda):
                return False
            if not self.quiet(body, touches, set()):
                return False
        return True

    def _method(self, function: ast.Attribute, call: ast.Call, touches: set[str]) -> bool:
        owner = self.kind(function.value, self.kinds)
        attr = function.attr
        arguments = [*call.args, *(k.value for k in call.keywords)]
        if owner == "logger" and attr in LOGGING:
            return self.program.logs_quietly and all(map(self.is_plain, arguments))
        table = owner == "library" and self.reads_table(call, attr)
        if table or self.kind(call, self.kinds) == "library":
            for argument in arguments:
                touches |= self.consumed(argument)
            return all(map(self.is_plain, arguments))
        if owner == "atom":
            if attr in ("join", "format", "format_map"):
                for argument in arguments:
                    touches |= self.consumed(argument)
                return all(map(self.is_plain, arguments))
            return True
        if owner in ("atoms", "container"):
            if attr in READERS:
                for argument in call.args:
                    touches |= self.consumed(argument)
                return all(map(self.is_plain, call.args))
            if attr in WRITERS and not call.keywords:
                touches |= set(names_in(function.value))
                for argument in call.args:
                    touches |= self.consumed(argument)
                return all(map(self.is_plain, call.args)) and not (
                    attr == "sort" and self.program.user_classes
                )
        if owner == "reader" and attr in ("read", "readline", "readlines", "seek", "tell", "close"):
            touches |= set(names_in(function.value))
            return True
        kind = self.kinds.get(getattr(function.value, "id", ""), "")
        if (kind.removeprefix("module:"), attr) in TOUCHING:
            touches |= {n for a in call.args for n in names_in(a)}
            return True
        return False

    def never_swallows(self, node: ast.With | ast.AsyncWith) -> bool:
        """Whether its managers let exceptions pass, and don't care what the body does."""
        return isinstance(node, ast.With) and all(
            self._is_manager(i.context_expr) for i in node.items
        )

    def _is_manager(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                return self.kinds.get(name) == "manager"
            case ast.Call(func=ast.Name(id=name)):
                if name in self.bound or name in self.parameters:
                    return False
                if name == "open":
                    return not self._rebound(name)
                return name in self.program.gentle or self.program.imported.get(name) in MANAGERS
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                kind = self.kinds.get(name, "")
                if (kind.removeprefix("module:"), attr) in MANAGERS:
                    return True
                return attr == "open" and not self.program.user_classes and kind != ""
        return False

    def total(self) -> Effect | None:
        """What all of a function's body can do to the world outside; None when that isn't clear."""
        if self.globals:
            return None
        touches: set[str] = set()
        for node in own_nodes(self.body):
            if isinstance(node, ast.stmt) and not self._part_of_total(node, touches):
                return None
        local = set(self.parameters)
        bound = self.bound
        # Changing an object that only a global name reaches is not confined.
        if any(t not in local and t not in bound for t in touches):
            return None
        shared = {
            self.root(n)
            for s in self.body
            for n in names_in(s)
            if n not in bound and n not in local and not self._valueless(n)
        }
        own = {self.root(p) for p in local}
        if any(self.is_outside(t) or self.root(t) in shared - own for t in touches):
            return None
        return Effect(touches=frozenset(touches))

    def _part_of_total(self, node: ast.stmt, touches: set[str]) -> bool:
        """Collect what a statement touches, the statements inside it aside; whether that is clear."""
        match node:
            case ast.For(iter=head) | ast.While(test=head) | ast.If(test=head):
                if not self.is_plain(head) or not self.quiet(head, touches, set()):
                    return False
                if isinstance(node, ast.For):
                    touches |= self.consumed(head)
                    return self.stored_to(node.target, set(), touches)
                return True
            case ast.Return(value=value):
                return value is None or self.quiet(value, touches, set())
            case ast.Break() | ast.Continue() | ast.Raise():
                return True  # a call that raised isn't one that is left out
            case ast.Try(handlers=handlers):
                return all(h.type is None or self.quiet(h.type, touches, set()) for h in handlers)
            case ast.With(items=items):
                for item in items:
                    if not (
                        self.reads_file(item.context_expr)
                        and self.quiet(item.context_expr, touches, set())
                    ):
                        return False
                    if item.optional_vars and not self.stored_to(
                        item.optional_vars, set(), touches
                    ):
                        return False
                return True
        effect = self.effect(node)
        if effect is None or isinstance(node, ast.Delete):
            return False
        touches |= effect.touches
        return True

    def is_outside(self, name: str) -> bool:
        return self.root(name) == self.root(OUTSIDE)

    def surely(self, node: ast.AST) -> bool:
        """Whether evaluating it can't raise."""
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self.certain
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.JoinedStr(values=parts):
                return all(map(self.surely, parts))
            case ast.FormattedValue(value=value, format_spec=None):
                return self.surely(value) and self.kind(value, self.kinds) == "atom"
            case ast.Dict(keys=keys, values=values):
                return all(isinstance(k, ast.Constant) for k in keys) and all(
                    map(self.surely, values)
                )
            case ast.Lambda(args=arguments):
                return not arguments.defaults and not any(arguments.kw_defaults)
            case ast.Compare(ops=ops) if all(isinstance(o, (ast.Is, ast.IsNot)) for o in ops):
                return all(map(self.surely, [node.left, *node.comparators]))
            case ast.BoolOp(values=values):
                return all(self.surely(v) and self._is_data(v) for v in values)
            case ast.Call(func=ast.Name(id="print"), args=parts, keywords=[]):
                return not self._rebound("print") and all(
                    self.surely(p) and self.kind(p, self.kinds) == "atom" for p in parts
                )
        return False

    def cannot_raise(self, node: ast.stmt) -> bool:
        """Whether running a simple statement can't raise."""
        match node:
            case ast.Pass():
                return True
            case ast.Assign(targets=targets, value=value):
                return all(isinstance(t, ast.Name) for t in targets) and self.surely(value)
            case ast.Expr(value=value):
                return self.surely(value)
        return False

    @cached_property
    def certain(self) -> set[str]:
        """Names that are bound all along."""
        nodes = [n for s in self.body for n in nodes_of(s)]
        gone = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
        gone |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
        return set(self.parameters if self.inside_function else self.there) - gone


def _imports_quietly(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import inside a block or function does nothing that shows but bind its names."""
    if isinstance(node, ast.Import):
        return all(a.name in QUIET_IMPORTS for a in node.names)
    return (
        node.level == 0 and node.module in QUIET_IMPORTS and "*" not in (a.name for a in node.names)
    )


def is_simple_class(node: ast.ClassDef) -> bool:
    """Whether making the class does nothing that shows."""
    if node.bases or node.keywords or node.decorator_list:
        return False
    for part in node.body:
        match part:
            case ast.FunctionDef(decorator_list=[]) if is_simple_function(part):
                continue
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                continue
            case ast.Assign(value=ast.Constant()) if not bound_within([part]) & {"__slots__"}:
                continue
        return False
    return True


def is_simple_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether defining it does nothing that shows."""
    defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    return not node.decorator_list and all(
        isinstance(d, (ast.Constant, ast.Name)) for d in defaults
    )
