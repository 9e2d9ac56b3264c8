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
    ("json", "dumps"), ("pprint", "pprint"), ("textwrap", "dedent"), ("os", "getcwd"), ("datetime", "now"),
    ("gc", "collect"),
    *(("time", name) for name in (
        "time", "time_ns", "perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "monotonic",
        "monotonic_ns", "thread_time", "sleep", "ctime",
    )),
})  # fmt: skip


LOGGING = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})

HANDLED = re.compile(
    r"Handler|\b(dictConfig|fileConfig|filename|stream|addFilter|setLogRecordFactory|setLoggerClass|LogRecord)\b"
)
"""Code that may have what is logged go elsewhere than to the terminal."""

WARNED = re.compile(
    r"\b(catch_warnings|simplefilter|filterwarnings|seterr|seterrcall|showwarning)\b"
)
"""Code that may catch warnings, or turn them into errors."""

TABLES = frozenset({
    ("pandas", name) for name in (
        "DataFrame", "Series", "Index", "concat", "merge", "date_range", "to_datetime", "to_numeric",
        "to_timedelta", "get_dummies", "cut", "qcut", "crosstab", "melt", "pivot_table", "read_csv",
        "read_parquet", "read_json", "read_excel", "isna", "notna", "isnull", "notnull",
    )
} | {
    ("numpy", name) for name in (
        "array", "asarray", "zeros", "ones", "full", "empty", "arange", "linspace", "eye", "zeros_like",
        "ones_like", "full_like", "concatenate", "stack", "vstack", "hstack", "column_stack", "where",
        "unique", "sort", "argsort", "abs", "sqrt", "exp", "log", "log2", "log10", "log1p", "expm1",
        "mean", "std", "var", "median", "sum", "prod", "min", "max", "percentile", "quantile", "round",
        "dot", "matmul", "clip", "cumsum", "diff", "isnan", "isfinite", "isin", "corrcoef", "cov",
        "meshgrid", "outer", "tile", "repeat", "allclose", "isclose", "array_equal", "argmax", "argmin",
        "bincount", "histogram", "sin", "cos", "tan", "tanh", "square", "power", "maximum", "minimum",
    )
})  # fmt: skip
"""Functions that give tables and arrays, and change nothing but iterators."""

TABLE_METHODS = frozenset({
    "head", "tail", "describe", "info", "to_string", "mean", "sum", "std", "var", "min", "max", "median",
    "count", "nunique", "unique", "value_counts", "copy", "astype", "round", "isna", "notna", "isnull",
    "notnull", "corr", "cov", "sort_values", "sort_index", "reset_index", "set_index", "drop", "dropna",
    "fillna", "drop_duplicates", "duplicated", "groupby", "merge", "isin", "between", "abs", "cumsum",
    "diff", "shift", "pct_change", "quantile", "idxmax", "idxmin", "argmax", "argmin", "argsort", "any",
    "all", "tolist", "to_list", "to_dict", "to_numpy", "item", "items", "keys", "reshape", "ravel",
    "flatten", "dot", "clip", "nlargest", "nsmallest", "melt", "pivot", "pivot_table", "unstack",
    "stack", "transpose", "ffill", "bfill", "rank", "mode", "skew", "kurt", "squeeze", "lower", "upper",
    "strip", "contains", "startswith", "endswith", "memory_usage", "select_dtypes",
})  # fmt: skip
"""Methods of tables and arrays that change nothing, unless `inplace` or `out` says so."""

ELEMENTWISE = frozenset({
    "abs", "sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "isnan", "isfinite", "sin", "cos",
    "tan", "tanh", "square",
})  # fmt: skip
"""Functions of numpy whose second argument is where the result goes."""

TABLE_PARTS = frozenset({
    "T", "values", "index", "columns", "shape", "dtypes", "dtype", "loc", "iloc", "at", "iat", "str",
    "dt", "size", "ndim",
})  # fmt: skip

WRITING = frozenset(
    {"inplace", "out", "buf", "path_or_buf", "chunksize", "iterator", "key", "copy"}
)
"""Keywords with which these may change, or give, something else."""

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
