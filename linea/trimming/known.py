"""What is known of builtins and libraries by name → which calls change nothing."""

from __future__ import annotations

import builtins
import re

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


BUILTINS = frozenset(dir(builtins))

SPLITTING = frozenset({"split", "rsplit", "splitlines", "partition", "rpartition"})
"""Methods of text that give containers of text."""

READ_MODES = ("r", "rb", "rt", "br")

FRESH = frozenset({
    "numpy", "pandas", "polars", "json", "csv", "copy", "math", "cmath", "statistics", "itertools",
    "collections", "re", "string", "datetime", "time", "pathlib", "io", "pickle", "scipy", "sklearn",
    "statsmodels", "functools", "operator", "fractions", "decimal", "zipfile", "gzip", "textwrap",
    "hashlib", "base64", "uuid", "glob", "random", "tempfile", "builtins", "typing", "dataclasses",
})  # fmt: skip
"""Modules whose functions give objects that they don't keep."""

MANAGERS = frozenset({
    ("io", "open"), ("io", "StringIO"), ("io", "BytesIO"), ("gzip", "open"), ("bz2", "open"),
    ("lzma", "open"), ("zipfile", "ZipFile"), ("tarfile", "open"), ("contextlib", "nullcontext"),
    ("contextlib", "closing"), ("tempfile", "TemporaryDirectory"),
    ("tempfile", "NamedTemporaryFile"), ("pandas", "option_context"), ("pandas", "ExcelWriter"),
    ("numpy", "errstate"), ("numpy", "printoptions"), ("torch", "no_grad"),
    ("decimal", "localcontext"), ("sqlite3", "connect"),
})  # fmt: skip
"""What `with` may be given that swallows no exception and doesn't care what its body does."""

QUIET_IMPORTS = frozenset({
    "abc", "argparse", "ast", "base64", "bisect", "calendar", "cmath", "collections", "contextlib",
    "copy", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "glob",
    "gzip", "hashlib", "heapq", "inspect", "io", "itertools", "json", "math", "numbers", "operator",
    "os", "pathlib", "pickle", "pprint", "random", "re", "shutil", "statistics", "string", "struct",
    "sys", "tempfile", "textwrap", "time", "timeit", "traceback", "types", "typing", "uuid",
    "warnings", "zipfile", "zlib",
})  # fmt: skip
"""Modules whose import does nothing that shows."""


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


TOUCHING = frozenset(
    {("json", "load"), ("csv", "reader"), ("csv", "DictReader"), ("tomllib", "load")}
)
"""Functions of libraries that change nothing but the handle that they read."""

LIBRARY_MODULES = frozenset(
    {"math", "cmath", "statistics", "string", "posixpath", "operator", "textwrap"}
)


STOP = re.compile(
    r"\b(eval|exec|globals|locals|vars|redirect_stdout|redirect_stderr|settrace|setprofile|stdout|__import__"
    r"|getsource|getsourcelines|__code__|currentframe|_getframe|f_locals|getdoc|tracemalloc)\b"
    r"|\.__doc__\b"
)
"""Code in which names or output can be read in ways that no name shows."""
