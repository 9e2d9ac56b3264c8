"""Statements of one scope, and the names needed after them → the statements to leave out."""

from __future__ import annotations

import ast

from linea.trimming.known import CONSUMING, PURE, READERS, WRITERS
from linea.trimming.scope import Effect, Scope
from linea.trimming.words import names_in, stored_names


class Block(Scope):
    """Statements of one scope, and what they do to its names."""

    def effect(self, node: ast.stmt) -> Effect | None:
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
        return Effect(frozenset(binds), frozenset(touches))

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
                        self._known(n) or self._valueless(n) for n in names_in(part)
                    ):
                        return False
            todo += ast.iter_child_nodes(part)
        return True

    def _plain_truth(self, test: ast.expr) -> bool:
        """Whether asking if `test` is true can run no code of user classes."""
        if not self.program.user_classes:
            return True
        return all(self._known(n) or self._valueless(n) for n in names_in(test))

    def _consumed(self, node: ast.expr) -> set[str]:
        """Names that may hold an iterator that going over `node` uses up."""
        if self.kind(node, self.kinds) in ("atom", "atoms", "container", "pairs"):
            return set()
        return {
            n
            for n in names_in(node)
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
                        touches |= set(names_in(call.args[n]))
                return True
            if self._rebound(name):
                return False
            if name == "print" and any(k.arg == "file" for k in call.keywords):
                return False
            if name in ("sorted", "max", "min") and call.keywords:
                return False
            if name in PURE | CONSUMING:
                if self.program.user_classes and not all(
                    self._known(n) or self._valueless(n) for a in arguments for n in names_in(a)
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
                    touches |= set(names_in(function.value))
                    return True
        return False

    def total(self) -> Effect | None:
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
        bound = {n for s in self.body for n in stored_names(s)}
        # Changing an object that only a global name reaches is not confined.
        if any(t not in local and t not in bound for t in touches):
            return None
        shared = {
            self.root(n)
            for s in self.body
            for n in names_in(s)
            if n not in bound and n not in local and not self._valueless(n)
        }
        if any(
            self.root(t) in shared
            for t in touches
            if self.root(t) not in {self.root(p) for p in local}
        ):
            return None
        return Effect(touches=frozenset(touches))

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
                    and not self._wanted(Effect(frozenset(bound), frozenset(touched)), need)
                )
                if not kept_then and not kept_other and quiet:
                    if record:
                        self._out.append((node, body))
                    return False, need
                if record:
                    self._walk(node.body, set(need))
                    self._walk(node.orelse, set(need))
                return True, (then | other | set(names_in(node.test)))
            case ast.With() if all(_opens(i.context_expr) for i in node.items):
                inner, _ = self._walk(node.body, set(need), record=record)
                return True, (inner | {n for i in node.items for n in names_in(i.context_expr)})
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.decorator_list:
                plain = all(isinstance(d, (ast.Constant, ast.Name)) for d in node.args.defaults)
                unread = node.name not in need and not self._mentioned_later(node, node.name)
                if unread and record and plain:
                    self._out.append((node, body))
                    return False, need
                return True, (need | set(names_in(node)))
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
        return True, (need | set(names_in(node)))

    def _wanted(self, effect: Effect, need: set[str]) -> bool:
        """Whether an effect matters: to a needed name, to an object one reaches, or outside."""
        if effect.binds & need or self._outside(effect):
            return True
        wanted = {self.root(n) for n in need if not self._valueless(n)}
        return any(self.root(t) in wanted for t in effect.touches if not self._valueless(t))

    def _outside(self, effect: Effect) -> bool:
        """Whether the effect shows outside the block: globals of a function, objects of its caller."""
        if not self.inside_function:
            return False
        if effect.binds & self.globals:
            return True
        bound = {n for s in self.body for n in stored_names(s)} - self.globals
        outer = {self.root(p) for p in self.parameters} | {
            self.root(n)
            for s in self.body
            for n in names_in(s)
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
            inside |= set(names_in(node.test))
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
            and not self._wanted(Effect(frozenset(targets), frozenset(touches)), need)
        ):
            if record:
                self._out.append((node, body))
            return False, need
        if record:
            self._walk(node.body, set(inside))
            self._walk(node.orelse, set(inside))
        return True, (inside | set(names_in(head)))

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
                    effect: Effect | None = Effect(frozenset(binds), frozenset(touches))
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


def _opens(node: ast.expr) -> bool:
    """A manager that doesn't swallow exceptions and doesn't care what its body does: a file."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
