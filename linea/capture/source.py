"""Text → top-level statements, and what each statement's text says about the names it uses."""

from __future__ import annotations

import ast
import builtins
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

from linea.names import bound_in

IDENTIFIER = re.compile(r"[^\W\d]\w*")

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

CODE_IN_TEXT = frozenset({
    "eval", "exec", "compile", "query", "format_map", "format", "sql", "execute", "read_sql",
    "read_sql_query", "substitute", "safe_substitute", "run_line_magic", "run_cell_magic",
    "run_cell", "system", "getoutput", "getoutput_lines", "ex", "ev", "ols", "wls", "gls", "glm",
    "logit", "probit", "poisson", "mnlogit", "rlm", "quantreg", "mixedlm", "gee", "from_formula",
    "dmatrix", "dmatrices", "globals", "locals", "vars",
})  # fmt: skip
"""Calls whose text arguments may name variables."""

TEXT_IS_CODE = frozenset({"eval", "exec"})


@dataclass(frozen=True, slots=True)
class Uses:
    """What the text of one statement says."""

    loads: frozenset[str]
    """Global names read when the statement runs."""
    deferred: frozenset[str]
    """Global names read only when a function, class or generator of the statement runs later."""
    stores: frozenset[str]
    """Names bound whenever the statement completes."""
    maybe: frozenset[str]
    """Names that may be bound, unbound or not: inside a branch, a loop, a handler."""
    deletes: frozenset[str]
    modules: frozenset[str] = frozenset()
    """Dotted modules named by import statements, packages of theirs included."""
    inert: bool = False
    """Only names, constants, displays and definitions: it can run no code of any object."""
    calls: frozenset[str] = frozenset()
    """Last part of the name of everything called."""
    chains: frozenset[tuple[str, ...]] = frozenset()
    """Attribute chains that start at a global name, `("pd", "options", "mode")`."""
    attribute_stores: frozenset[tuple[str, ...]] = frozenset()
    """Chains whose last attribute is assigned or deleted."""
    strings: tuple[str, ...] = ()
    """Text constants of the statement."""
    code_in_text: bool = False
    """Its text constants, or those it holds in variables, may name variables."""
    outputs: frozenset[str] = frozenset()
    """Constant subscripts of `Out` and `In`: `_3`, `_i3`."""
    raises: bool = False
    keywords: frozenset[str] = frozenset()
    """Names of keyword arguments."""
    writes_items: frozenset[str] = frozenset()
    """Names whose item or attribute is assigned, deleted or augmented."""
    effects: frozenset[str] = field(default_factory=frozenset)
    """Kinds of syntax in it: `call`, `operator`, `subscript`, `attribute`, `iterate`, `with`."""


NO_USES = Uses(*(frozenset(),) * 5)
"""Of a statement whose text couldn't be read."""


def statements(source: str, filename: str = "<text>") -> list[tuple[ast.stmt, str, int, int]]:
    """Split `source` into its top-level statements.

    Gives, per statement, its tree, its exact text with a trailing comment, and its first and last
    line (1-based, decorators included). Raises SyntaxError as the compiler does.
    """
    tree = ast.parse(source, filename)
    return [(node, *span(node, source)) for node in tree.body]


def span(node: ast.stmt, source: str) -> tuple[str, int, int]:
    """The exact text of `node` in `source`, a trailing comment included, with first and last line."""
    lines = _lines(source)
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    last = node.end_lineno or node.lineno
    head = lines[first - 1]
    start = 0 if first < node.lineno else len(head.encode()[: node.col_offset].decode())
    # `a = 1; b = 2`: take the part of the line that is this statement's.
    end_line = lines[last - 1]
    end = len(end_line.encode()[: node.end_col_offset or 0].decode())
    rest = end_line[end:]
    tail = rest.rstrip("\r\n") if re.match(r"\s*#", rest) else ""
    if first == last:
        text = head[start:end] + tail
    else:
        text = "".join([head[start:], *lines[first : last - 1], end_line[:end] + tail])
    return text.rstrip(), first, last


@lru_cache(maxsize=8)
def _lines(source: str) -> list[str]:
    return (
        io.StringIO(source, newline="").readlines() if "\r" in source else source.splitlines(True)
    )


def uses(node: ast.stmt) -> Uses:
    """What the text of `node` reads, binds and could do."""
    reader = _Reader()
    reader.read(node)
    return reader.result(node)


class _Reader:
    """Collects names over one statement, scope by scope."""

    def __init__(self) -> None:
        self.loads: set[str] = set()
        self.deferred: set[str] = set()
        self.stores: set[str] = set()
        self.maybe: set[str] = set()
        self.deletes: set[str] = set()
        self.modules: set[str] = set()
        self.calls: set[str] = set()
        self.chains: set[tuple[str, ...]] = set()
        self.attribute_stores: set[tuple[str, ...]] = set()
        self.strings: list[str] = []
        self.outputs: set[str] = set()
        self.writes_items: set[str] = set()
        self.effects: set[str] = set()
        self.keywords: set[str] = set()
        self.assigned: set[str] = set()
        """Names surely bound by the statement itself before this point: reading one reads nothing older."""
        self.raises = False
        self.straight = 0
        """How many operators around this point may skip it."""

    # Scopes: `local` holds names that are not global here; `late` is true inside bodies that do
    # not run with the statement; `certain` is false inside branches.

    def read(self, node: ast.stmt) -> None:
        self.statement(node, frozenset(), late=False, certain=True, top=True)

    def result(self, node: ast.stmt) -> Uses:
        calls = frozenset(self.calls)
        return Uses(
            loads=frozenset(self.loads),
            deferred=frozenset(self.deferred),
            stores=frozenset(self.stores),
            maybe=frozenset(self.maybe),
            deletes=frozenset(self.deletes),
            modules=frozenset(self.modules),
            inert=not self.effects
            and not isinstance(node, (ast.Import, ast.ImportFrom))
            and not self.raises,
            calls=calls,
            chains=frozenset(self.chains),
            attribute_stores=frozenset(self.attribute_stores),
            strings=tuple(self.strings),
            code_in_text=bool(calls & CODE_IN_TEXT),
            outputs=frozenset(self.outputs),
            raises=self.raises,
            keywords=frozenset(self.keywords),
            writes_items=frozenset(self.writes_items),
            effects=frozenset(self.effects),
        )

    def load(self, name: str, local: frozenset[str], late: bool) -> None:
        if name in local:
            return
        if late:
            self.deferred.add(name)
        elif name not in self.assigned:
            self.loads.add(name)

    def store(
        self, name: str, local: frozenset[str], late: bool, certain: bool, *, surely: bool = True
    ) -> None:
        """`surely`: reading the name from here on, on this path, gives what is stored now."""
        if name not in local and not late:
            (self.stores if certain else self.maybe).add(name)
            if surely:
                self.assigned.add(name)

    def branch(self, nodes: Iterable[ast.stmt], local: frozenset[str], late: bool) -> set[str]:
        """Read one of several paths; give what it surely binds."""
        before = set(self.assigned)
        self.body(nodes, local, late, certain=False)
        after, self.assigned = self.assigned, before
        return after

    def body(
        self, nodes: Iterable[ast.stmt], local: frozenset[str], late: bool, certain: bool
    ) -> None:
        for node in nodes:
            self.statement(node, local, late=late, certain=certain)

    def statement(
        self, node: ast.stmt, local: frozenset[str], *, late: bool, certain: bool, top: bool = False
    ) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.decorator_list:
                    self.effect("call", late)
                for decorator in node.decorator_list:
                    self.expression(decorator, local, late, certain)
                    self.calls.add(_last(decorator))
                self.function(node, local, late, certain)
                self.store(node.name, local, late, certain)
                if node.decorator_list and not late:
                    # A decorator may call what it decorates.
                    self.loads |= self.deferred - {node.name}
            case ast.ClassDef():
                self.class_body(node, local, late, certain)
                self.store(node.name, local, late, certain)
            case ast.Import():
                for alias in node.names:
                    parts = alias.name.split(".")
                    self.modules |= {".".join(parts[: i + 1]) for i in range(len(parts))}
                    self.store(alias.asname or parts[0], local, late, certain)
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                if module and module != "__future__":
                    parts = module.split(".")
                    self.modules |= {".".join(parts[: i + 1]) for i in range(len(parts))} - {""}
                for alias in node.names:
                    if alias.name == "*":
                        self.effects.add("star")
                        continue
                    self.modules.add(f"{module}.{alias.name}")
                    if module == "__main__":
                        self.load(alias.name, local, late)
                    self.store(alias.asname or alias.name, local, late, certain)
            case ast.Global() | ast.Nonlocal() | ast.Pass() | ast.Break() | ast.Continue():
                pass
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        if target.id not in local and not late:
                            (self.deletes if certain else self.maybe).add(target.id)
                            self.load(target.id, local, late)
                            self.assigned.discard(target.id)
                        self.effect("delete", late)
                    else:
                        self.target(target, local, late, certain)
            case ast.Assign():
                self.expression(node.value, local, late, certain)
                for target in node.targets:
                    self.target(target, local, late, certain)
            case ast.AugAssign():
                # What is augmented is read before the value is worked out, which may rebind it.
                self.effect("operator", late)
                if isinstance(node.target, ast.Name):
                    self.load(node.target.id, local, late)
                    self.expression(node.value, local, late, certain)
                    self.target(node.target, local, late, certain)
                else:
                    self.target(node.target, local, late, certain)
                    self.expression(node.value, local, late, certain)
            case ast.AnnAssign():
                self.expression(node.annotation, local, late, certain)
                if node.value is not None:
                    self.expression(node.value, local, late, certain)
                    self.target(node.target, local, late, certain)
                elif not isinstance(node.target, ast.Name):
                    self.target(node.target, local, late, certain)
            case ast.For() | ast.AsyncFor():
                self.effect("iterate", late)
                self.expression(node.iter, local, late, certain)
                before = set(self.assigned)
                self.target(node.target, local, late, certain=False)
                self.body(node.body, local, late, certain=False)
                self.assigned = before
                self.branch(node.orelse, local, late)
            case ast.While():
                self.effect("operator", late)
                self.expression(node.test, local, late, certain)
                self.branch(node.body, local, late)
                self.branch(node.orelse, local, late)
            case ast.If():
                self.effect("operator", late)
                self.expression(node.test, local, late, certain)
                then = self.branch(node.body, local, late)
                self.assigned = then & self.branch(node.orelse, local, late)
            case ast.With() | ast.AsyncWith():
                self.effect("with", late)
                for item in node.items:
                    self.expression(item.context_expr, local, late, certain)
                    if item.optional_vars is not None:
                        self.target(item.optional_vars, local, late, certain)
                # A manager may swallow an exception of its body, so nothing in it is certain.
                self.branch(node.body, local, late)
            case ast.Try() | ast.TryStar():
                self.effect("operator", late)
                self.branch([*node.body, *node.orelse], local, late)
                for handler in node.handlers:
                    before = set(self.assigned)
                    if handler.type is not None:
                        self.expression(handler.type, local, late, certain)
                    if handler.name:
                        self.store(handler.name, local, late, certain=False)
                    self.body(handler.body, local, late, certain=False)
                    self.assigned = before
                self.body(node.finalbody, local, late, certain)
            case ast.Match():
                self.effect("operator", late)
                self.expression(node.subject, local, late, certain)
                for branch in node.cases:
                    before = set(self.assigned)
                    self.pattern(branch.pattern, local, late)
                    if branch.guard is not None:
                        self.expression(branch.guard, local, late, certain)
                    self.body(branch.body, local, late, certain=False)
                    self.assigned = before
            case ast.Expr():
                self.expression(node.value, local, late, certain)
            case _:
                if isinstance(node, (ast.Raise, ast.Assert)) and not late:
                    self.raises = True
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.expression(child, local, late, certain)
                    elif isinstance(child, ast.stmt):
                        self.statement(child, local, late=late, certain=False)

    def effect(self, kind: str, late: bool) -> None:
        if not late:
            self.effects.add(kind)

    def pattern(self, node: ast.pattern, local: frozenset[str], late: bool) -> None:
        for child in ast.walk(node):
            match child:
                case ast.MatchAs() | ast.MatchStar():
                    if child.name:
                        self.store(child.name, local, late, certain=False)
                case ast.MatchMapping():
                    if child.rest:
                        self.store(child.rest, local, late, certain=False)
                case ast.Name():
                    self.load(child.id, local, late)

    def target(self, node: ast.expr, local: frozenset[str], late: bool, certain: bool) -> None:
        match node:
            case ast.Name():
                self.store(node.id, local, late, certain)
            case ast.Tuple() | ast.List():
                self.effect("iterate", late)
                for element in node.elts:
                    self.target(element, local, late, certain)
            case ast.Starred():
                self.target(node.value, local, late, certain)
            case ast.Attribute():
                self.effect("attribute store", late)
                chain = chain_of(node)
                if chain and chain[0] not in local:
                    self.attribute_stores.add(chain)
                    self.writes_items.add(chain[0])
                self.expression(node.value, local, late, certain)
            case ast.Subscript():
                self.effect("subscript store", late)
                root = node.value
                while isinstance(root, (ast.Attribute, ast.Subscript)):
                    root = root.value
                if isinstance(root, ast.Name) and root.id not in local:
                    self.writes_items.add(root.id)
                self.expression(node.value, local, late, certain)
                self.expression(node.slice, local, late, certain)
            case _:
                self.expression(node, local, late, certain)

    def expression(self, node: ast.expr, local: frozenset[str], late: bool, certain: bool) -> None:
        match node:
            case ast.Name():
                self.load(node.id, local, late)
            case ast.Constant():
                if isinstance(node.value, str):
                    self.strings.append(node.value)
            case ast.NamedExpr():
                self.expression(node.value, local, late, certain)
                # It may stand where it isn't evaluated: `a and (b := c)`, in a comprehension.
                self.store(node.target.id, local, late, certain=False, surely=self.straight == 0)
            case ast.Lambda():
                self.function(node, local, late, certain)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.comprehension(node, local, late, certain)
            case ast.Call():
                self.effect("call", late)
                self.calls.add(_last(node.func))
                self.chain(node.func, local)
                self.children(node, local, late, certain)
                if not late:
                    # What is passed to a call may be called by it.
                    before = set(self.deferred)
                    self.loads |= {n for n in before if n not in local}
            case ast.Attribute():
                self.effect("attribute", late)
                self.chain(node, local)
                self.expression(node.value, local, late, certain)
            case ast.Subscript():
                self.effect("subscript", late)
                if (
                    isinstance(node.value, ast.Name)
                    and node.value.id in ("Out", "_oh", "In", "_ih")
                    and node.value.id not in local
                    and isinstance(node.slice, ast.Constant)
                    and isinstance(node.slice.value, int)
                ):
                    prefix = "_" if node.value.id in ("Out", "_oh") else "_i"
                    self.outputs.add(f"{prefix}{node.slice.value}")
                    return
                self.children(node, local, late, certain)
            case ast.BoolOp() | ast.IfExp():
                self.effect("operator", late)
                self.straight += 1
                self.children(node, local, late, certain)
                self.straight -= 1
            case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.JoinedStr():
                if not (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)):
                    self.effect("operator", late)
                self.children(node, local, late, certain)
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Starred():
                self.effect("iterate", late)
                self.children(node, local, late, certain)
            case _:
                self.children(node, local, late, certain)

    def children(self, node: ast.AST, local: frozenset[str], late: bool, certain: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.expression(child, local, late, certain)
            elif isinstance(child, ast.keyword):
                if child.arg and not late:
                    self.keywords.add(child.arg)
                self.expression(child.value, local, late, certain)
            elif isinstance(child, ast.comprehension):
                raise AssertionError("comprehensions are read by their own rule")

    def chain(self, node: ast.expr, local: frozenset[str]) -> None:
        chain = chain_of(node)
        if chain and len(chain) > 1 and chain[0] not in local:
            self.chains.add(chain)

    def comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        local: frozenset[str],
        late: bool,
        certain: bool,
    ) -> None:
        # The first iterable is evaluated at once, in the scope around; the rest of a generator
        # expression only when it is consumed.
        self.expression(node.generators[0].iter, local, late, certain)
        bound = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
        inner = local | frozenset(bound)
        later = late or isinstance(node, ast.GeneratorExp)
        self.straight += 1
        if not isinstance(node, ast.GeneratorExp):
            self.effect("iterate", late)
        for i, generator in enumerate(node.generators):
            if i:
                self.expression(generator.iter, inner, later, certain)
            for part in ast.walk(generator.target):
                if isinstance(part, (ast.Attribute, ast.Subscript)):
                    self.target(part, local, later, certain=False)
            for condition in generator.ifs:
                self.expression(condition, inner, later, certain)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for result in results:
            self.expression(result, inner, later, certain)
        self.straight -= 1

    def function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        local: frozenset[str],
        late: bool,
        certain: bool,
    ) -> None:
        arguments = node.args
        for default in [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]:
            self.expression(default, local, late, certain)
        everything = [
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
            *filter(None, [arguments.vararg, arguments.kwarg]),
        ]  # fmt: skip
        if not isinstance(node, ast.Lambda):
            for annotation in [*(a.annotation for a in everything), node.returns]:
                if annotation is not None:
                    self.annotation(annotation, local, late, certain)
            body: list[ast.AST] = list(node.body)
        else:
            body = [node.body]
        bound, declared = bound_in(body)
        inner = (local | {a.arg for a in everything} | bound) - declared
        for part in body:
            if isinstance(part, ast.stmt):
                self.statement(part, inner, late=True, certain=False)
            elif isinstance(part, ast.expr):
                self.expression(part, inner, True, False)

    def annotation(self, node: ast.expr, local: frozenset[str], late: bool, certain: bool) -> None:
        self.expression(node, local, late, certain)

    def class_body(
        self, node: ast.ClassDef, local: frozenset[str], late: bool, certain: bool
    ) -> None:
        for part in [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]:
            self.expression(part, local, late, certain)
        if node.decorator_list or node.bases or node.keywords:
            self.effect("call", late)
        for decorator in node.decorator_list:
            self.calls.add(_last(decorator))
        # A class body runs at once in a scope of its own: names it binds shadow globals from then
        # on, and functions in it don't see them.
        known: set[str] = set()
        for line in node.body:
            inner = _Reader()
            inner.statement(line, local, late=late, certain=True)
            self.loads |= inner.loads - known
            self.deferred |= inner.deferred
            self.calls |= inner.calls
            self.chains |= {c for c in inner.chains if c[0] not in known}
            self.attribute_stores |= {c for c in inner.attribute_stores if c[0] not in known}
            self.strings += inner.strings
            self.modules |= inner.modules
            self.writes_items |= inner.writes_items - known
            self.effects |= inner.effects
            self.keywords |= inner.keywords
            known |= inner.stores
            declared = bound_in([line])[1]
            for name in declared & (inner.stores | inner.maybe):
                self.store(name, local, late, certain=False)


def _last(node: ast.expr) -> str:
    """`fit` of `m.fit`, `f` of `f`, the decorator's own name of `f(1)`."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return _last(node.func)
    return ""


def chain_of(node: ast.expr) -> tuple[str, ...]:
    """`("a", "b", "c")` of `a.b.c`, empty when it does not start at a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return (node.id, *reversed(parts))
    return ()


_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})


class CodeNames:
    """The global names that a code object reads and writes, nested functions included."""

    __slots__ = ("attributes", "imports", "names", "stores", "strings")

    def __init__(self, code: CodeType) -> None:
        import dis

        names: set[str] = set()
        stores: set[str] = set()
        attributes: set[str] = set()
        strings: list[str] = []
        imports: set[str] = set()
        for part in code_parts(code):
            strings += [c for c in part.co_consts if isinstance(c, str)]
            attributes |= set(part.co_names)
            for instruction in dis.get_instructions(part):
                if instruction.opname in _LOADS:
                    names.add(instruction.argval)
                elif instruction.opname in _STORES:
                    stores.add(instruction.argval)
                    names.add(instruction.argval)
                elif instruction.opname == "IMPORT_NAME":
                    imports.add(instruction.argval)
        self.names = frozenset(names)
        self.stores = frozenset(stores)
        self.attributes = frozenset(attributes)
        self.strings = tuple(strings)
        self.imports = frozenset(imports)


def code_parts(code: CodeType) -> Iterator[CodeType]:
    """`code` and every code object nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_parts(constant)


BUILTINS = frozenset(dir(builtins))


def identifiers(texts: Iterable[str]) -> set[str]:
    """Every word in `texts` that could be a name."""
    found: set[str] = set()
    for text in texts:
        if len(text) <= 100_000:
            found.update(IDENTIFIER.findall(text))
    return found


def lines(source: str, first: int, last: int) -> str:
    """The text from line `first` up to, not including, line `last` (1-based)."""
    return "".join(_lines(source)[first - 1 : last - 1])


def leading_comments(source: str, first: int, floor: int) -> int:
    """The line from which comments directly above line `first` start, not above line `floor`."""
    text = _lines(source)
    line = first
    while line - 1 > floor and text[line - 2].lstrip().startswith("#"):
        line -= 1
    return line
