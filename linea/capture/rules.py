"""Exceptions to observation: calls that change nothing, and calls that change what can't be seen.

None of these is needed to be right; they keep slices small and capture fast.
"""

from __future__ import annotations

import re
import sys

PURE_BUILTINS = frozenset({
    "abs", "all", "any", "ascii", "bin", "bool", "bytes", "callable", "chr", "complex", "dir",
    "divmod", "float", "format", "frozenset", "hasattr", "hash", "hex", "id", "int", "isinstance",
    "issubclass", "len", "max", "min", "oct", "ord", "pow", "print", "range", "repr", "round",
    "slice", "sorted", "str", "sum", "type", "vars", "memoryview", "display",
})  # fmt: skip
"""Builtins that change no argument of a visible type (iterators are never visible)."""

SILENT_CALLS = frozenset({
    "print", "pprint", "display", "sleep", "info", "debug", "warning", "error", "critical", "log",
    "exception", "show", "collect", "help", "head", "tail", "describe", "memory_usage", "assert_equal",
    "assert_allclose", "assert_frame_equal", "assert_series_equal", "assert_array_equal", "flush",
    "close", "write", "breakpoint", "set_trace", "progress_bar", "update_description", "perf_counter",
    "time", "clear_output", "print_exc", "print_stack", "tight_layout", "savefig", "add_note",
})  # fmt: skip
"""Methods and functions that return None, print or draw, and leave no state behind."""

SETTER = re.compile(
    r"^(register|unregister|set|use|enable|disable|install|uninstall|config|configure|basicConfig|init|"
    r"seed|manual_seed|reset|patch|add_|push|pop_|load_|unload|switch_backend|apply_theme|tzset|umask|"
    r"option_context|simplefilter|filterwarnings|stack_size)"
)
"""Names of calls that tend to change state inside their package."""

EVERYWHERE = frozenset({
    "sys", "codecs", "copyreg", "locale", "_codecs", "encodings", "importlib", "threading", "gc",
    "builtins", "signal", "_locale", "faulthandler", "site", "resource",
})  # fmt: skip
"""Packages whose inner state can matter to any call."""

CLOCKS = frozenset({
    "now", "today", "utcnow", "time", "time_ns", "perf_counter", "monotonic", "process_time",
    "localtime", "gmtime", "ctime", "uuid1", "uuid4", "urandom", "token_hex", "token_bytes",
    "token_urlsafe", "SystemRandom", "getpid", "fork", "forkpty",
    "mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile", "gethostname", "randbelow", "asctime",
})  # fmt: skip
"""Calls that give something else at every run."""

SEEDS = frozenset({
    "seed", "setstate", "set_state", "manual_seed", "set_rng_state", "seed_everything", "set_seed",
    "set_random_seed",
})  # fmt: skip
"""Calls that replace the state of a random generator."""

GENERATORS = frozenset({"default_rng", "RandomState", "Random", "Generator", "SeedSequence"})
"""Random generators that are unseeded when made without an argument."""

PLOTTERS = frozenset({
    "plot", "hist", "boxplot", "scatter", "bar", "barh", "pie", "kde", "imshow", "gca", "gcf",
    "heatmap", "pairplot", "lineplot", "scatterplot", "histplot", "barplot", "violinplot",
})  # fmt: skip

DRAWING = frozenset({"matplotlib", "seaborn"})

STANDARD = frozenset(sys.stdlib_module_names)

NOISE = frozenset({
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__", "__builtin__",
    "__file__", "__cached__", "__annotations__", "In", "Out", "_ih", "_oh", "_dh", "_i", "_ii",
    "_iii", "exit", "quit", "get_ipython", "open",
})  # fmt: skip
"""Names that the interpreter and IPython put into the namespace."""

CONTAINERS = frozenset({list, dict, tuple, set})

QUIET_TYPES = frozenset({
    "pandas.DataFrame", "pandas.Series", "pandas.Index", "pandas.RangeIndex",
    "pandas.DatetimeIndex", "numpy.ndarray", "polars.DataFrame", "polars.Series", "pyarrow.Table",
})  # fmt: skip
"""Types of libraries that reading from changes nothing of."""

LOOKS = frozenset({
    "show", "savefig", "print", "display", "get_title", "get_xlabel", "get_ylabel", "get_lines",
    "get_legend_handles_labels", "len", "closed", "fileno", "isatty", "get_params",
})  # fmt: skip
"""Calls that leave figures, handles and models as they are."""

CONSUMING = frozenset({
    "all", "any", "bytes", "dict", "frozenset", "list", "max", "min", "set", "sorted", "sum",
    "tuple",
})  # fmt: skip
"""Builtins that use up the iterators they are given."""

DESCRIPTORS = frozenset({
    "open", "pipe", "pipe2", "read", "pread", "write", "pwrite", "close", "closerange", "dup", "dup2", "lseek",
    "ftruncate", "sendfile", "openpty", "set_blocking", "set_inheritable", "fdopen", "memfd_create", "eventfd",
    "posix_fallocate", "readv", "writev", "splice",
})  # fmt: skip
"""Functions of `os` on the system's own handles, which are plain numbers."""

OWN_DATABASE = frozenset({"duckdb"})
"""Modules whose functions work on a database that the module keeps."""

SHARING = frozenset({"frombuffer", "from_buffer", "from_dlpack", "from_address"})
"""Calls that make something of memory which they are given."""

ASKING = frozenset({
    "exists", "lexists", "is_file", "isfile", "is_dir", "isdir", "stat", "lstat", "getsize", "getmtime",
    "getctime", "access", "samefile", "readlink", "is_symlink", "islink", "which",
})  # fmt: skip
"""Calls that ask about a file without opening it."""

LISTING = frozenset({
    "listdir", "scandir", "glob", "iglob", "rglob", "walk", "iterdir", "system", "getoutput", "run",
    "ls", "check_output", "Popen", "exists", "rmtree", "copytree", "read_csv", "dataset",
    "scan_csv", "scan_parquet", "read_parquet", "run_line_magic", "run_cell_magic", "call",
    "check_call",
})  # fmt: skip
"""Calls whose result may rest on which files a folder holds."""
