"""A slice's text → its statements, each with the names it uses, binds and may change.

Nothing runs here, so what a statement changes in place is presumed from its form, on the safe
side: a value too many is copied in generated code rather than one too few.
"""

from __future__ import annotations

import ast
import io
import re
import symtable
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from linea.errors import PipelineError

HIDDEN = "<hidden state>"
"""The name that stands for random state, options and all else that has no name of its own."""

# fmt: off
MUTATORS = frozenset([
    "add", "append", "appendleft", "backward", "clear", "difference_update", "discard",
    "extend", "extendleft", "fill", "fit", "fit_predict", "fit_transform", "insert",
    "intersection_update", "itemset", "load_state_dict", "partial_fit", "pop", "popitem",
    "popleft", "put", "remove", "resize", "reverse", "rotate", "setdefault", "setfield",
    "setflags", "shuffle", "sort", "step", "train", "update", "zero_grad",
])
# fmt: on
"""Methods that change the object they are called on."""

# fmt: off
CHANGING_FUNCTIONS = frozenset([
    "copyto", "delattr", "fill_diagonal", "heapify", "heappop", "heappush", "heappushpop",
    "heapreplace", "insort", "insort_left", "insort_right", "next", "place", "put", "putmask",
    "setattr", "shuffle",
])
# fmt: on
"""Functions that change an argument."""

# fmt: off
READING = frozenset([
    "describe", "display", "head", "info", "plot", "print", "savefig", "show", "tail", "write",
    "write_bytes", "write_text",
])
# fmt: on
"""Calls that stand as statements and leave the objects that they use alone."""

# fmt: off
FRESH = frozenset([
    "abs", "agg", "aggregate", "apply", "assign", "astype", "bool", "complex", "concat", "copy",
    "corr", "cov", "deepcopy", "describe", "drop", "drop_duplicates", "dropna", "explode",
    "fillna", "filter", "float", "groupby", "head", "int", "join", "len", "map", "max", "mean",
    "median", "melt", "merge", "min", "nlargest", "nsmallest", "open", "pivot", "pivot_table",
    "predict", "predict_proba", "query", "range", "read", "read_csv", "read_excel",
    "read_feather", "read_json", "read_parquet", "read_table", "read_text", "rename", "replace",
    "reset_index", "round", "sample", "score", "select_dtypes", "set_index", "sort_index",
    "sort_values", "std", "str", "sum", "tail", "train_test_split", "transform", "value_counts",
    "with_columns",
])
# fmt: on
"""Calls whose result shares nothing with what it was made from."""


STATEFUL = frozenset(
    ["default_rng", "RandomState", "Random", "Generator", "SeedSequence", "PRNGKey", "QMCEngine"]
)
"""Calls that give an object which every use of it may change: generators of random numbers."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One top-level statement, or several that share a line, with the comments above."""

    text: str
    line: int
    """First line of the statement in the slice, 1-based."""
    tree: tuple[ast.stmt, ...] = field(compare=False)
    uses: frozenset[str]
    binds: frozenset[str]
    """Bound for sure."""
    may_bind: frozenset[str]
    """Bound in some branch; holds `binds`."""
    changes: frozenset[str]
    """Names whose objects may be changed in place."""

    @property
    def is_import(self) -> bool:
        return all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in self.tree)

    @property
    def definition(self) -> str | None:
        """The name of the function or class that this defines."""
        first = self.tree[0]
        if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return first.name
        return None


def split(code: str) -> list[Chunk]:
    """Cut a slice into its top-level statements, with their effects."""
    return build(cut(code))


def build(pieces: Iterable[tuple[str, int, tuple[ast.stmt, ...]]]) -> list[Chunk]:
    """Find the effects of statements that follow each other."""
    pieces = list(pieces)
    functions = {
        node.name: node
        for _, _, tree in pieces
        for node in tree
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    modules = {
        (alias.asname or alias.name.partition(".")[0])
        for _, _, tree in pieces
        for node in tree
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    made = [make(text, line, tree, functions, modules) for text, line, tree in pieces]
    return list(with_state(made, functions))


def with_state(
    made: Iterable[Chunk], functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> Iterator[Chunk]:
    """Count every use of a generator, or of an object of the user's with state, as a change."""
    made = list(made)
    classes = {
        node.name
        for chunk in made
        for node in chunk.tree
        if isinstance(node, ast.ClassDef) and has_state(node)
    }
    inside = {name: set(loaded(function)) for name, function in functions.items()}
    stateful: set[str] = set()
    for chunk in made:
        if chunk.is_import or chunk.definition:
            yield chunk
            continue
        reached = set(chunk.uses)
        while more := {n for f in reached & inside.keys() for n in inside[f]} - reached:
            reached |= more
        changed = frozenset(reached & stateful) | chunk.changes
        stateful -= chunk.binds
        if any(called(node) in STATEFUL | classes for node in calls(chunk.tree)):
            stateful |= chunk.may_bind
        yield replace(chunk, changes=changed) if changed != chunk.changes else chunk


def calls(tree: Iterable[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in executed(tree) if isinstance(node, ast.Call))


def has_state(node: ast.ClassDef) -> bool:
    """Whether a method other than the constructor may change the object."""
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or method.name == "__init__":
            continue
        first = [a.arg for a in (*method.args.posonlyargs, *method.args.args)][:1]
        if first and (first[0] in set(changes(method.body, {})) or method.name == "__next__"):
            return True
    return False


def make(
    text: str,
    line: int,
    tree: tuple[ast.stmt, ...],
    functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
    modules: set[str],
) -> Chunk:
    uses, bound = names(text)
    sure = frozenset(name for node in tree for name in bound_for_sure(node)) & bound
    changed = frozenset(changes(tree, functions)) - modules - functions.keys()
    effect_only = not bound and not (changed - {HIDDEN}) and not is_definition(tree)
    hidden = frozenset({HIDDEN})
    if uses & modules and not all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in tree):
        uses |= hidden
    if effect_only:
        changed |= hidden
    return Chunk(text, line, tree, uses, sure, bound, changed)


def is_definition(tree: Sequence[ast.stmt]) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return all(isinstance(node, kinds) for node in tree)


def cut(code: str) -> Iterator[tuple[str, int, tuple[ast.stmt, ...]]]:
    """Yield (text, line, nodes) of each statement; comments stay with the statement below."""
    try:
        body = ast.parse(code).body
    except SyntaxError as error:
        raise PipelineError(
            f"line {error.lineno} of the slice can't be put into a function: {error.msg}"
        ) from None
    lines = code.splitlines()
    groups: list[list[ast.stmt]] = []
    for node in body:
        if groups and first_line(node) <= (groups[-1][-1].end_lineno or 0):
            groups[-1].append(node)
        else:
            groups.append([node])
    above = 0
    for at, group in enumerate(groups):
        end = group[-1].end_lineno or 0
        end = len(lines) if at == len(groups) - 1 else end
        text = "\n".join(lines[above:end]).strip("\n")
        blank = "\n" if above and above < len(lines) and not lines[above].strip() else ""
        yield blank + text, first_line(group[0]), tuple(group)
        above = end


def first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(int(decorator.lineno) for decorator in decorators)])


def names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the global names that a statement uses (nested scopes included) and binds."""
    table = symtable.symtable(text, "<slice>", "exec")
    uses: set[str] = set()
    binds: set[str] = set()
    for symbol in table.get_symbols():
        if symbol.is_referenced():
            uses.add(symbol.get_name())
        if symbol.is_assigned() or symbol.is_imported():
            binds.add(symbol.get_name())
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        for symbol in scope.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                uses.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                binds.add(symbol.get_name())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            uses.add(node.target.id)
    return frozenset(uses), frozenset(binds)


def bound_for_sure(node: ast.stmt) -> Iterator[str]:
    """Yield the names that are bound whichever way `node` runs."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AugAssign)) or (
        isinstance(node, ast.AnnAssign) and node.value is not None
    ):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from stored(target)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars:
                yield from stored(item.optional_vars)
        for inner in node.body:
            yield from bound_for_sure(inner)
    elif isinstance(node, ast.If) and node.orelse:
        either = [
            {name for n in arm for name in bound_for_sure(n)} for arm in (node.body, node.orelse)
        ]
        yield from either[0] & either[1]


def stored(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


# ------------------------------------------------------------------------- change in place


def changes(
    tree: Iterable[ast.AST],
    functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
    seen: frozenset[str] = frozenset(),
    *,
    presumed: bool = True,
) -> Iterator[str]:
    """Yield the names whose objects `tree` may change in place.

    Without `presumed`, only what is known to change something counts, and not a call that stands
    there for an effect that isn't known.
    """
    for node in executed(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield from root(node)
        elif isinstance(node, ast.AugAssign):
            yield from root(node.target)
        elif isinstance(node, ast.Expr) and presumed:
            yield from changed_by_statement(node.value)
        elif isinstance(node, ast.Call):
            yield from changed_by_call(node, functions, seen)


def executed(tree: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Walk what runs when the statements run: not the bodies of functions."""
    todo = list(tree)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield node
        todo += ast.iter_child_nodes(node)


def changed_by_statement(value: ast.expr) -> Iterator[str]:
    """A kept statement whose value is thrown away is there for what it changes."""
    if isinstance(value, ast.Await):
        value = value.value
    if not isinstance(value, ast.Call):
        return
    name = called(value)
    if name in READING or name.startswith("to_"):
        return
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def changed_by_call(
    call: ast.Call,
    functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
    seen: frozenset[str],
) -> Iterator[str]:
    name = called(call)
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    inplace = any(
        keyword.arg == "inplace"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in call.keywords
    )
    if isinstance(call.func, ast.Attribute) and (inplace or name in MUTATORS):
        yield from root(call.func.value)
    if name in CHANGING_FUNCTIONS:
        for value in given:
            yield from root(value)
    for keyword in call.keywords:
        if keyword.arg == "out":
            yield from root(keyword.value)
    if isinstance(call.func, ast.Name) and name in functions and name not in seen:
        function = functions[name]
        inside = set(changes(function.body, functions, seen | {name}))
        inside |= {source for target, source in aliases(function.body) if target in inside}
        own = local_names(function)
        yield from inside - own
        if inside & own:
            for value in given:
                yield from loaded(value)


def called(call: ast.Call) -> str:
    """The last name of what is called: `fit` of `make_pipeline(…).fit(X)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    given += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    return {argument.arg for argument in given} | {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def root(node: ast.expr) -> Iterator[str]:
    """The names at the bottom of `df.loc[0].values[1]`."""
    while True:
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        else:
            break
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, (ast.Tuple, ast.List, ast.IfExp, ast.BoolOp)):
        yield from loaded(node)


def loaded(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id


def aliases(tree: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield (name, other): the object of `name` may share memory with that of `other`."""
    for node in executed(tree):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            pairs = [(node.target, node.value)]
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            pairs = [(node.target, node.iter)]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            pairs = [(i.optional_vars, i.context_expr) for i in node.items if i.optional_vars]
        for target, value in pairs:
            for name in stored(target):
                for other in shared(value):
                    yield name, other


def shared(value: ast.expr) -> Iterator[str]:
    """The names whose objects the value of an expression may share memory with."""
    if isinstance(value, ast.Call) and called(value) in FRESH:
        return
    if isinstance(value, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.JoinedStr)):
        return
    if isinstance(value, ast.Subscript) and isinstance(
        value.slice, (ast.List, ast.Compare, ast.BinOp, ast.UnaryOp)
    ):
        return  # picking by a list or a condition copies, in pandas and in numpy
    yield from loaded(value)


# ------------------------------------------------------------------------------------- text


def strings(text: str) -> set[int]:
    """The lines (1-based) that start inside a string: they can't be indented."""
    inside: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        elif kind.endswith("STRING_START"):
            opened.append(token.start[0])
        elif kind.endswith("STRING_END"):
            inside.update(range(opened.pop() + 1, token.end[0] + 1))
    return inside


def indent(text: str, columns: int = 4) -> str:
    """Indent code; what stands in strings that span lines stays as it is."""
    kept = strings(text)
    return "\n".join(
        line if at in kept or not line.strip() else " " * columns + line
        for at, line in enumerate(text.split("\n"), start=1)
    )


def dedent(text: str, columns: int) -> str:
    """Take `columns` of indentation off; what stands in strings stays as it is."""
    kept = strings("if True:\n" + text)
    lines = []
    for at, line in enumerate(text.split("\n"), start=2):
        lines.append(line if at in kept else re.sub(rf"^ {{0,{columns}}}|^\t", "", line))
    return "\n".join(lines)


def replaced(text: str, edits: Iterable[tuple[ast.expr | ast.stmt, str]]) -> str:
    """Put new source in place of some nodes of `text`."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)
    data = text.encode()
    spans = sorted(
        (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
            new,
        )
        for node, new in edits
    )
    for start, end, new in reversed(spans):
        data = data[:start] + new.encode() + data[end:]
    return data.decode()
