"""What is known of builtins and libraries by name → which calls change nothing."""

from __future__ import annotations

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
