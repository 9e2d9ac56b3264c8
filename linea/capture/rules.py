"""Exceptions to observation: calls known to change nothing, and calls known to change what can't be seen.

None of these is needed to be right; they keep slices small and capture fast.
"""

from __future__ import annotations

import re

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
    r"option_context|simplefilter|filterwarnings)"
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
    "token_urlsafe", "SystemRandom", "getpid", "gethostname", "randbelow", "asctime",
})  # fmt: skip
"""Calls that give something else at every run."""

SEEDS = frozenset({
    "seed", "setstate", "set_state", "manual_seed", "set_rng_state", "seed_everything", "set_seed",
})  # fmt: skip
"""Calls that replace the state of a random generator."""

GENERATORS = frozenset({"default_rng", "RandomState", "Random", "Generator", "SeedSequence"})
"""Random generators that are unseeded when made without an argument."""

PLOTTERS = frozenset({
    "plot", "hist", "boxplot", "scatter", "bar", "barh", "pie", "kde", "imshow", "gca", "gcf",
    "heatmap", "pairplot", "lineplot", "scatterplot", "histplot", "barplot", "violinplot",
})  # fmt: skip

DRAWING = frozenset({"matplotlib", "seaborn"})

STANDARD = frozenset(__import__("sys").stdlib_module_names)
