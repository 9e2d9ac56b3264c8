"""Statements of one scope, and the names needed after them → the statements to leave out.

Backward over the statements, once over a branch and to a fixed point over a loop. Nothing ends a
need: an assignment may be one that didn't run. So whatever way control takes, by `break`, `return`
or an exception, it comes to where at most as much is needed as at the place that it left.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from linea.names import bound_in, bound_within
from linea.trimming.effects import Effects, is_simple_class, is_simple_function
from linea.trimming.scope import Effect
from linea.trimming.words import names_in, names_inside, parameters_of

Removed = list[tuple[ast.stmt, list[ast.stmt]]]
"""Statements to leave out, each with the block that it stands in."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How a block is gone over."""

    out: Removed | None
    """Where to note what is left out; None to find out what is needed alone."""
    risk: bool = False
    """An exception may be caught by something that goes on: what is left out mustn't raise one."""
    jumps: bool = True
    """Jumps count as kept; not those of a loop that may be left out as a whole."""


class Block(Effects):
    """Statements of one scope, and which of them can go."""

    idle: Callable[[ast.stmt], bool] = staticmethod(lambda node: False)
    """Whether a statement was seen never to run."""

    def removed(self, need: set[str], *, risk: bool = False) -> Removed:
        """Statements to leave out."""
        if self.inside_function:
            need = need | self.globals
        # Functions and generators inside read names later than they stand.
        need = need | names_inside(self.body)
        out: Removed = []
        self._walk(self.body, need, _Way(out, risk))
        return out if not self.inside_function or self._keeps_scopes(out) else []

    def _keeps_scopes(self, out: Removed) -> bool:
        """Whether each name left is still bound in the function, if it was."""
        gone = {id(node) for node, _ in out}
        left = _without(self.body, gone)
        bound, _ = bound_in(left)
        lost = bound_in(self.body)[0] - bound
        words = {n.id for n in left if isinstance(n, ast.Name)}
        words |= {n for g in left if isinstance(g, (ast.Global, ast.Nonlocal)) for n in g.names}
        return not lost & words

    def _walk(self, body: list[ast.stmt], need: set[str], way: _Way) -> tuple[set[str], bool]:
        """Go backward over a block; give what it needs before it, and whether anything of it is kept."""
        any_kept = False
        for node in reversed(body):
            kept, before = self._one(node, need, way)
            if kept:
                any_kept, need = True, need | before
            elif way.out is not None:
                way.out.append((node, body))
        return need, any_kept

    def _one(self, node: ast.stmt, need: set[str], way: _Way) -> tuple[bool, set[str]]:
        """Whether a statement is kept, and if so what it needs."""
        if self.idle(node):
            return False, need
        match node:
            case ast.For() | ast.While():
                return self._loop(node, need, way)
            case ast.If():
                return self._branch(node, need, way)
            case ast.With() | ast.AsyncWith():
                return self._with(node, need, way)
            case ast.Try() | ast.TryStar():
                return self._try(node, need, way)
            case ast.Match():
                return self._match(node, need, way)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name not in need and is_simple_function(node):
                    return False, need
                if way.out is not None and not node.decorator_list:
                    self._inner(node, way.out)
                return True, need | {node.name, *names_in(node)}
            case ast.ClassDef():
                if node.name not in need and is_simple_class(node) and not way.risk:
                    return False, need
                return True, need | {node.name, *names_in(node)}
            case ast.Raise() if not way.risk and self.program.under_way.isdisjoint(names_in(node)):
                return False, need  # it never ran: what it is in ran to its end
            case ast.Break() | ast.Continue():
                return way.jumps, need
        effect = self.effect(node)
        unwanted = effect is not None and not self._wanted(effect, need)
        if unwanted and (not way.risk or self.cannot_raise(node)):
            return False, need
        return True, need | set(names_in(node))

    def _inner(self, node: ast.FunctionDef | ast.AsyncFunctionDef, out: Removed) -> None:
        """Cut inside a function of the scope: whatever it changes outside itself counts."""
        risk = self.program.catches or node.name in self.program.risky
        block = Block(self.program, node.body, {}, parameters=parameters_of(node), function=True)
        block.idle = self.idle
        out += block.removed(set(), risk=risk)

    def _wanted(self, effect: Effect, need: set[str]) -> bool:
        """Whether an effect matters: to a needed name, to an object one reaches, or outside."""
        if effect.binds & need or self._outside(effect):
            return True
        wanted = {self.root(n) for n in need if not self._valueless(n)}
        return any(
            self.root(t) in wanted or self.is_outside(t)
            for t in effect.touches
            if not self._valueless(t)
        )

    def _outside(self, effect: Effect) -> bool:
        """Whether the effect shows outside the block: globals of a function, objects of its caller."""
        if not self.inside_function:
            return False
        if effect.binds & self.globals:
            return True
        return any(
            self.root(t) in self._outer or t not in self.bound
            for t in effect.touches
            if not self._valueless(t)
        )

    @cached_property
    def _outer(self) -> set[str]:
        """What names of the caller's, and of the program, lead to."""
        outer = {n for s in self.body for n in names_in(s) if n not in self.bound}
        return {self.root(p) for p in self.parameters} | {
            self.root(n) for n in outer if not self._valueless(n)
        }

    def _head(self, nodes: list[ast.expr], need: set[str], way: _Way, more: Effect) -> bool:
        """Whether evaluating what decides over a block shows nowhere, so that it can go."""
        effects = [more]
        for node in nodes:
            effect = self.evaluated(node)
            if effect is None or (way.risk and not self.surely(node)):
                return False
            effects.append(effect)
        return not any(self._wanted(effect, need) for effect in effects)

    def _branch(self, node: ast.If, need: set[str], way: _Way) -> tuple[bool, set[str]]:
        probe = replace(way, out=None)
        then, kept = self._walk(node.body, need, probe)
        other, kept_other = self._walk(node.orelse, need, probe)
        if not kept and not kept_other and self._head([node.test], need, way, Effect()):
            return False, need
        self._again(way, (node.body, need), (node.orelse, need))
        return True, then | other | set(names_in(node.test))

    def _again(self, way: _Way, *parts: tuple[list[ast.stmt], set[str]]) -> None:
        """Note what is left out of the parts of a statement that is kept."""
        if way.out is not None:
            for body, need in parts:
                self._walk(body, need, way)

    def _with(
        self, node: ast.With | ast.AsyncWith, need: set[str], way: _Way
    ) -> tuple[bool, set[str]]:
        heads = [i.context_expr for i in node.items]
        inner = way if self.never_swallows(node) else replace(way, risk=True)
        if isinstance(node, ast.With) and all(map(self.reads_file, heads)):
            _, kept = self._walk(node.body, need, replace(inner, out=None))
            bound = bound_within(i.optional_vars for i in node.items if i.optional_vars)
            if not kept and self._head(heads, need, way, Effect(frozenset(bound))):
                return False, need
        before, _ = self._walk(node.body, need, inner)
        return True, before | {n for i in node.items for n in names_in(i)}

    def _try(self, node: ast.Try | ast.TryStar, need: set[str], way: _Way) -> tuple[bool, set[str]]:
        caught = [h for h in node.handlers if not (h.body and self.idle(h.body[0]))]
        swallows = bool(caught) or any(
            isinstance(n, (ast.Return, ast.Break, ast.Continue))
            for s in node.finalbody
            for n in ast.walk(s)
        )
        heads = [h.type for h in node.handlers if h.type is not None]
        parts = [node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody]
        probe = replace(way, out=None)
        if not any(self._walk(part, need, probe)[1] for part in parts):
            names = frozenset(h.name for h in node.handlers if h.name)
            if self._head(heads, need, way, Effect(names)):
                return False, need
        need = need | {n for h in heads for n in names_in(h)}
        after, _ = self._walk(node.finalbody, need, way)
        before, _ = self._walk(node.orelse, after, way)
        for handler in node.handlers:
            before = before | self._walk(handler.body, after, way)[0]
        before, _ = self._walk(node.body, before, replace(way, risk=True) if swallows else way)
        return True, before

    def _match(self, node: ast.Match, need: set[str], way: _Way) -> tuple[bool, set[str]]:
        heads = [node.subject, *(c.guard for c in node.cases if c.guard)]
        patterns = [c.pattern for c in node.cases]
        heads += [n.value for p in patterns for n in ast.walk(p) if isinstance(n, ast.MatchValue)]
        probe = replace(way, out=None)
        walked = [self._walk(c.body, need, probe) for c in node.cases]
        classes = any(isinstance(n, ast.MatchClass) for p in patterns for n in ast.walk(p))
        if not any(kept for _, kept in walked) and not classes and not way.risk:
            bound = Effect(
                frozenset(bound_within(patterns)), frozenset(self.consumed(node.subject))
            )
            if self._head(heads, need, way, bound):
                return False, need
        self._again(way, *((c.body, need) for c in node.cases))
        before = need.union(*(w for w, _ in walked))
        return True, before | {n for h in [*heads, *patterns] for n in names_in(h)}

    def _loop(self, node: ast.For | ast.While, need: set[str], way: _Way) -> tuple[bool, set[str]]:
        head = node.iter if isinstance(node, ast.For) else node.test
        if not way.risk:
            touches: set[str] = set()
            targets: set[str] = set()
            quiet = True
            if isinstance(node, ast.For):
                touches |= self.consumed(node.iter)
                quiet = self.stored_to(node.target, targets, touches)
            # If nothing in it adds to what is needed after it, neither do its turns together.
            _, kept = self._walk(node.body, need, replace(way, out=None, jumps=False))
            # What jumps in its `else` belongs to a loop around it.
            kept = kept or self._walk(node.orelse, need, replace(way, out=None))[1]
            effect = Effect(frozenset(targets), frozenset(touches))
            if quiet and not kept and self._head([head], need, way, effect):
                return False, need
        inside = need | set(names_in(head))
        probe = replace(way, out=None, jumps=True)
        parts = [*node.body, *node.orelse]
        while (more := self._walk(parts, inside, probe)[0] | inside) != inside:
            inside = more
        self._again(way, (node.body, inside), (node.orelse, inside))
        targets = set(names_in(node.target)) if isinstance(node, ast.For) else set()
        return True, inside | targets


def _without(body: list[ast.stmt], gone: set[int]) -> list[ast.AST]:
    """All nodes of a body but those of the statements in `gone`."""
    found: list[ast.AST] = []
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if id(node) not in gone:
            found.append(node)
            todo += ast.iter_child_nodes(node)
    return found
