"""Statements shared by several artifacts → those that can't be run in a process of their own.

In one process, functions that run one after the other share more than the values that are
handed on: options, the current figure, files in the working folder, memory under two names.
Between processes only values go, so where a statement rests on more, each artifact that needs it
repeats it. The state of random generators is handed on as a value (see `Segment.random`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from linea.codegen import chunks
from linea.codegen.chunks import HIDDEN, Chunk

if TYPE_CHECKING:
    from linea.codegen.plan import Class, Flow

SEEDING = re.compile(
    r"\b(seed|manual_seed|manual_seed_all|set_seed|seed_everything|set_random_seed|set_state"
    r"|setstate|set_rng_state)\s*\("
)
"""What sets the state of a generator that has no name."""

# fmt: off
SETTINGS = frozenset([
    "set_option", "filterwarnings", "simplefilter", "set_printoptions", "seterr", "setlocale",
    "set_theme", "set_style", "set_context", "set_palette", "set", "use", "basicConfig", "set_config",
    "disable", "set_loglevel", "set_verbosity", "set_num_threads", "use_deterministic_algorithms",
    "set_default_dtype", "enable_string_cache", "setrecursionlimit", "setLevel", "load_dotenv",
])
# fmt: on
"""Calls that set an option of a library."""

OPTIONS = re.compile(r"\b(options|rcParams|environ|sys\.path|display)\b")
"""Places that options are kept in."""

# fmt: off
UNSTORABLE = frozenset([
    "open", "connect", "create_engine", "iter", "zip", "map", "filter", "enumerate", "reversed",
    "reader", "DictReader", "writer", "DictWriter", "Session", "session", "finditer", "islice",
    "chain", "cycle", "count", "cursor", "socket", "Lock", "RLock", "Thread", "ThreadPoolExecutor",
    "ProcessPoolExecutor", "Pool", "ZipFile", "TarFile", "urlopen", "scandir", "iterdir", "glob",
    "rglob", "iglob", "iterrows", "itertuples", "SparkSession", "getLogger", "memoryview",
    "Connection", "Parallel", "read_sql_query_chunks", "Popen", "ExcelFile", "ExcelWriter", "File",
    "HDFStore", "Dataset", "DataLoader", "kfold", "split",
])
# fmt: on
"""Calls whose result may be a handle or an iterator: nothing that a file could hold."""

PYPLOT = frozenset(["matplotlib.pyplot", "pylab", "matplotlib.pylab", "seaborn"])

RECEIVER_ONLY = chunks.MUTATORS - {"shuffle", "put", "step", "backward"}
"""Methods that change the object that they are called on and leave their arguments alone."""


def unsplittable(number: int, flow: Flow, classes: Sequence[Class]) -> Iterator[int]:
    """Yield the positions of shared statements that this part has to repeat for itself."""
    shared = {at for at in steps(flow) if len(classes[at]) > 1}
    if not shared:
        return
    yield from handles(flow, classes, shared)
    yield from hidden(flow, classes, shared)
    yield from plots(flow, classes, shared)
    yield from aliased(number, flow, classes, shared)


def steps(flow: Flow) -> list[int]:
    return [at for at, item in enumerate(flow.items) if item.kind == "step"]


def handles(flow: Flow, classes: Sequence[Class], shared: set[int]) -> Iterator[int]:
    """What binds a handle or an iterator that a statement elsewhere goes on to use."""
    for at in shared:
        chunk = flow.items[at].chunk
        if not chunk.may_bind or not (chunk.definition or gives_handle(chunk)):
            continue
        for later in steps(flow):
            if later > at and classes[later] != classes[at]:
                used = flow.items[later].chunk.uses & chunk.may_bind
                if used or flow.prepared.result in chunk.may_bind:
                    yield at
                    break


def gives_handle(chunk: Chunk) -> bool:
    """Whether a statement may bind a value that no file can hold."""
    for node in chunk.tree:
        value = getattr(node, "value", None)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return any(item.optional_vars is not None for item in node.items)
        if isinstance(value, (ast.GeneratorExp, ast.Lambda)):
            return True
        while isinstance(value, (ast.Attribute, ast.Subscript, ast.Await)):
            value = value.value
        if isinstance(value, ast.Call) and chunks.called(value) in UNSTORABLE:
            return True
    return False


# ----------------------------------------------------------------------------- hidden state


def sets_hidden(chunk: Chunk) -> bool:
    """Whether a statement stands for what it does to something without a name."""
    if HIDDEN not in chunk.changes:
        return False
    return not all(map(only_reads, chunk.tree))


def only_reads(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Assert, ast.Pass)):
        return True
    if not isinstance(node, ast.Expr):
        return False
    if not isinstance(node.value, ast.Call):
        return True
    name = chunks.called(node.value)
    return name in chunks.READING and name not in ("plot", "savefig", "write_text", "write_bytes")


def is_seeding(chunk: Chunk) -> bool:
    return not chunk.definition and bool(SEEDING.search(chunk.text))


def is_setting(chunk: Chunk, variables: frozenset[str]) -> bool:
    """Whether a statement sets an option and needs no variable for it: it can stand anywhere."""
    if not sets_hidden(chunk) or is_seeding(chunk) or chunk.uses & variables:
        return False
    return all(map(sets_option, chunk.tree))


def sets_option(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return True  # of an attribute of a module, or below: to the same value in each task
    if isinstance(node, ast.AugAssign):
        return bool(OPTIONS.search(ast.unparse(node.target)))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = chunks.called(node.value)
        receiver = ast.unparse(node.value.func)
        return name in SETTINGS or (bool(OPTIONS.search(receiver)) and name != "display")
    return False


def hidden(flow: Flow, classes: Sequence[Class], shared: set[int]) -> Iterator[int]:
    """What changes hidden state that a statement elsewhere may rest on."""
    for at in shared:
        chunk = flow.items[at].chunk
        if not sets_hidden(chunk) or is_seeding(chunk) or flow.is_setting(at):
            continue
        resting = [
            later
            for later in steps(flow)
            if later > at
            and HIDDEN in flow.items[later].chunk.uses | flow.items[later].chunk.changes
        ]
        if any(classes[later] != classes[at] for later in resting):
            yield at
            yield from (later for later in resting if later in shared)


def plots(flow: Flow, classes: Sequence[Class], shared: set[int]) -> Iterator[int]:
    """What draws, where drawing goes on elsewhere: figures are known by being the current one."""
    aliases = {
        alias.asname or alias.name.partition(".")[0]
        for item in flow.prepared.imports
        for node in item.tree
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if alias.name in PYPLOT or f"{getattr(node, 'module', '')}.{alias.name}" in PYPLOT
    }
    drawing = [
        at for at in steps(flow) if flow.items[at].chunk.uses & aliases and not flow.is_setting(at)
    ]
    if len({classes[at] for at in drawing}) > 1:
        yield from (at for at in drawing if at in shared)


# ---------------------------------------------------------------------------- shared memory


def aliased(number: int, flow: Flow, classes: Sequence[Class], shared: set[int]) -> Iterator[int]:
    """What makes two names of one object, where a statement elsewhere changes it under one."""
    by_class: dict[Class, list[int]] = {}
    for at in steps(flow):
        by_class.setdefault(classes[at], []).append(at)
    for parts, mine in by_class.items():
        taken = {
            name
            for at in mine
            for name in flow.needs(at)
            if any(name in flow.items[other].chunk.may_bind and classes[other] != parts for other in range(at))
        }  # fmt: skip
        changed = {n for at in mine for n in changed_for_sure(flow, at)}
        for name in taken:
            group = flow.groups.get(name, {name})
            others = taken & group
            if len(others) > 1 and group & changed:
                yield from (
                    at
                    for at in shared
                    if classes[at] != parts
                    and (flow.items[at].chunk.may_bind | flow.changes[at]) & group
                )


def changed_for_sure(flow: Flow, at: int) -> Iterator[str]:
    """The names that a statement changes in place, but for what only reads its arguments."""
    chunk = flow.items[at].chunk
    for node in chunk.tree:
        value = node.value if isinstance(node, ast.Expr) else None
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and chunks.called(value) in RECEIVER_ONLY
            and chunks.called(value) not in flow.methods
        ):
            yield from chunks.root(value.func.value)
        else:
            yield from chunk.changes - {HIDDEN}
