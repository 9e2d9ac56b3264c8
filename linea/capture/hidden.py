"""State that no name shows → prints of it, and who reads it.

Random generators, the environment, the working folder, options of libraries: each is a location
`hidden:<key>` like any name. A statement that changes it writes it; who reads it is told by
`readers`, on the safe side.
"""

from __future__ import annotations

import copyreg
import marshal
import os
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import is_
from typing import Any

from linea.capture.builtin_types import random_state
from linea.capture.library_types import plain_torch
from linea.capture.magics import is_users, users_callbacks
from linea.capture.rules import DRAWING, PLOTTERS, STANDARD
from linea.capture.walk import address

BUILTINS = "builtins"
"""The key of the names that every module sees."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a statement, to tell which hidden state it may read."""

    runs: bool
    """It runs code: it isn't made of names, constants and definitions alone."""
    mentions: frozenset[str]
    packages: frozenset[str]
    text: bool
    """Its results may hold text."""
    files: bool
    imports: bool
    pyplot: bool


Reader = Callable[[Facts], bool]


def _runs(facts: Facts) -> bool:
    return facts.runs


def _library(facts: Facts) -> bool:
    return facts.runs and bool(facts.packages - STANDARD)


def _mentions(*words: str) -> Reader:
    wanted = frozenset(words)
    return lambda facts: bool(facts.mentions & wanted)


def _working_folder(facts: Facts) -> bool:
    return facts.files or bool(
        facts.mentions
        & {"getcwd", "getcwdb", "cwd", "abspath", "resolve", "absolute", "realpath", "relpath", "chdir",
           "exists", "is_file", "isfile", "isdir", "is_dir", "glob", "listdir", "stat", "cd", "system", "getoutput",
           "run_line_magic", "run_cell_magic"}
    )  # fmt: skip


def _drawing(facts: Facts) -> bool:
    return facts.pyplot or bool(facts.packages & DRAWING) or bool(facts.mentions & PLOTTERS)


_OPTIONS = frozenset({
    "get_option", "options", "option_context", "describe_option", "get_printoptions", "display",
})  # fmt: skip


def _text(facts: Facts) -> bool:
    return facts.runs and (facts.text or facts.files or bool(facts.mentions & _OPTIONS))


def _random(module: Any) -> object:
    return hash(random_state(module._inst))


class _NumpyRandom:
    """Reads numpy's global generator; from its memory where that tells all."""

    def __init__(self) -> None:
        self.memory = 0
        self.gauss = True
        self.known: object = None
        self.seen = b""

    def __call__(self, module: Any) -> object:
        import ctypes

        source = module._rand._bit_generator
        if type(source).__name__ != "MT19937":
            return str(source.state)
        if not self.memory:
            self.memory = source.ctypes.state_address
        # 624 words and the position in them. A normal draw may instead use up the second half of
        # the pair that was drawn last, which only the state itself tells.
        raw = ctypes.string_at(self.memory, 625 * 4)
        if raw == self.seen and not self.gauss:
            return self.known
        kind, key, position, gauss, cached = module._rand.get_state(legacy=True)
        self.seen, self.gauss = raw, bool(gauss)
        self.known = (kind, key.tobytes(), position, gauss, cached)
        return self.known


class _Same(tuple[object, ...]):
    """Equal to another when it holds the very same objects."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and len(self) == len(other) and all(map(is_, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


def _decimal(module: Any) -> object:
    *parts, _, traps = _decimal_context(module)
    return (*parts, tuple(traps))


def _decimal_flags(module: Any) -> object:
    return tuple(_decimal_context(module)[-2])


def _decimal_context(module: Any) -> Any:
    """Precision, rounding, limits and form, then flags and traps: several times quicker than one by one."""
    return module.Context.__reduce__(module.getcontext())[1]


def _torch_random(module: Any) -> object:
    with plain_torch(module):
        return hash(module.get_rng_state().numpy().tobytes())


def _warnings(module: Any) -> object:
    return tuple(str(f) for f in module.filters if f[0] == "error")


def _locale(module: Any) -> object:
    return module.setlocale(module.LC_ALL)


def _options(display: bool) -> Callable[[Any], object]:
    def read(module: Any) -> object:
        tree = module._global_config
        part = [(k, v) for k, v in tree.items() if (k in ("display", "styler")) is display]
        try:
            return marshal.dumps(part, 2)
        except ValueError:
            return str(part)

    return read


def _rc(module: Any) -> object:
    return _Same(dict.values(module.rcParams))


_OF_THE_SHELL = frozenset({"_", "__IPYTHON__", "display", "exit", "get_ipython", "quit"})
"""Builtins that interactive interpreters set and take away as they please."""


def _builtins(module: Any) -> object:
    return {
        n: address(v)
        for n, v in vars(module).items()
        # Kernels put another `input` there for each cell.
        if n not in _OF_THE_SHELL and not (n == "input" and isinstance(v, types.MethodType))
    }


def _names_that_differ(before: object, now: object) -> frozenset[str]:
    assert isinstance(before, dict) and isinstance(now, dict)
    return frozenset(name for name, _ in before.items() ^ now.items())


def _magics(module: Any) -> object:
    """What the user gave a shell to run; IPython loads its own magics when it pleases."""
    shell = module.InteractiveShell._instance
    known = shell.magics_manager.magics
    given = [
        magic
        for magic in (*known["line"].values(), *known["cell"].values())
        if type(magic).__name__ in ("Alias", "MagicAlias") or is_users(magic)
    ]
    return _Same([*given, *users_callbacks(shell)])


def _runs_magics(facts: Facts) -> bool:
    return "get_ipython" in facts.mentions and not facts.mentions & {"system", "getoutput"}


def _pairs(table: dict[Any, Any]) -> frozenset[tuple[int, int]]:
    return frozenset((address(kind), address(way)) for kind, way in list(table.items()))


def _own_ways(before: object, now: object, loaded: Iterable[str]) -> bool:
    """Whether ways to pickle were only added, by modules as they were `loaded`, for own classes.

    Nobody can have an object of such a class unless the module is loaded, which adds the way again.
    """
    assert isinstance(before, frozenset)
    assert isinstance(now, frozenset)
    modules = set(loaded)
    added = now - before
    ways = [
        (k, w) for k, w in list(copyreg.dispatch_table.items()) if (address(k), address(w)) in added
    ]
    return before <= now and all(
        getattr(way, "__module__", None) in modules and _belongs(kind, way) for kind, way in ways
    )


def _belongs(kind: Any, way: Any) -> bool:
    """Whether a class is of the library that says how to pickle it, or of none that has a name."""
    package = str(kind.__module__).partition(".")[0]
    return package not in sys.modules or package == way.__module__.partition(".")[0]


STATES: tuple[tuple[str, str, Callable[[Any], object], Reader], ...] = (
    ("random", "random", _random, _mentions("getstate", "_inst")),
    ("numpy.random", "numpy.random.mtrand", _NumpyRandom(),
     _mentions("get_state", "mtrand", "_rand", "check_random_state", "get_bit_generator")),
    ("torch.random", "torch", _torch_random,
     _mentions("get_rng_state", "initial_seed", "default_generator")),
    ("torch.options", "torch", lambda m: (str(m.get_default_dtype()), m.is_grad_enabled(),
     m.are_deterministic_algorithms_enabled()), _library),
    ("cwd", "os", lambda m: m.getcwd(), _working_folder),
    ("sys.path", "sys", lambda m: tuple(map(str, m.path)), lambda facts: facts.imports),
    ("warnings", "warnings", _warnings, _runs),
    ("decimal", "decimal", _decimal, _runs),
    ("decimal.flags", "decimal", _decimal_flags,
     _mentions("flags", "clear_flags", "getcontext", "localcontext")),
    ("recursion limit", "sys", lambda m: m.getrecursionlimit(), _runs),
    ("locale", "locale", _locale, _runs),
    ("time zone", "time", lambda m: m.tzname, _runs),
    ("numpy.errors", "numpy", lambda m: str(m.geterr()), _library),
    ("numpy.print", "numpy", lambda m: str(m.get_printoptions()), _text),
    ("pandas.options", "pandas._config.config", _options(display=False), _library),
    ("pandas.display", "pandas._config.config", _options(display=True), _text),
    ("matplotlib.rc", "matplotlib", _rc, _drawing),
    ("sklearn.config", "sklearn", lambda m: str(m.get_config()), _library),
    ("ipython", "IPython.core.interactiveshell", _magics, _runs_magics),
    ("copyreg", "copyreg", lambda m: _pairs(m.dispatch_table), _runs),
    (BUILTINS, "builtins", _builtins, _runs),
)  # fmt: skip

_FOR_THREADS = (
    "env:KMP_",
    "env:_RJEM_MALLOC_CONF",
    "env:OMP_WAIT_POLICY",
    "env:TOKENIZERS_PARALLELISM",
)
"""What libraries set as they load for runtimes of threads and memory: no value rests on it."""

_ENVIRONMENT = frozenset({
    "environ", "environb", "getenv", "getenvb", "expandvars", "run", "Popen", "call", "check_call",
    "check_output", "getoutput", "getstatusoutput", "system", "popen", "Process", "spawn", "Pool",
    "ProcessPoolExecutor", "run_line_magic", "run_cell_magic", "Parallel",
})  # fmt: skip
"""Calls that give the environment, or pass it on to another process."""

_READERS: dict[str, Reader] = {key: reader for key, _, _, reader in STATES}


class Hidden:
    """Prints of the hidden state after the last statement."""

    def __init__(self) -> None:
        self._prints: dict[str, object] = {}
        self._environ: dict[Any, Any] = {}
        self._written: set[str] = set()
        self.builtins: frozenset[str] = frozenset()
        """Built-in names that were put, replaced or removed when that last happened."""
        self._asked_for: set[str] = set()
        """Those of `_written` that only who asks for them by name can tell."""
        self.observe()

    def observe(
        self,
        *,
        new_random: bool = False,
        new_options: bool = False,
        importing: bool = False,
        since: int | None = None,
    ) -> set[str]:
        """Look at all of it; give the keys that changed since the last look.

        State of a library that was loaded since is what importing makes of it, unless more than
        an import ran: then random generators (`new_random`) or all of it (`new_options`) count as
        changed. `importing`: nothing but an import ran; `since`: how many modules there were.
        """
        changed = set()
        prints = self._prints
        modules = sys.modules
        for key, module_name, read, _ in STATES:
            module = modules.get(module_name)
            if module is None:
                continue
            try:
                now = read(module)
            except Exception:
                now = None
            if key not in prints:
                prints[key] = now
                if new_options or (new_random and key.endswith("random")):
                    changed.add(key)
            elif (before := prints[key]) != now:
                if key == BUILTINS:
                    self.builtins = _names_that_differ(before, now)
                prints[key] = now
                if key != "copyreg" or not _own_ways(
                    before, now, list(modules)[since:] if since else ()
                ):
                    changed.add(key)
        environ = dict(getattr(os.environ, "_data", os.environ))
        if environ != self._environ:
            old = self._environ
            if old:
                for name in old.keys() | environ.keys():
                    if old.get(name) != environ.get(name):
                        changed.add(
                            "env:" + (os.fsdecode(name) if isinstance(name, bytes) else str(name))
                        )
            self._environ = environ
        asked_for = {k for k in changed if importing and k.startswith(_FOR_THREADS)}
        self._asked_for = (self._asked_for | (asked_for - self._written)) - (changed - asked_for)
        self._written |= changed
        return changed

    def differing(self) -> set[str]:
        """The keys that differ from the last look, which stays the last."""
        found = set()
        for key, module_name, read, _ in STATES:
            module = sys.modules.get(module_name)
            if module is not None and key in self._prints:
                try:
                    now = read(module)
                except Exception:
                    now = None
                if self._prints[key] != now:
                    found.add(key)
        return found

    def reads(self, facts: Facts) -> set[str]:
        """Which of the states that were ever written a statement may read."""
        found = set()
        for key in self._written:
            if key in self._asked_for:
                if facts.mentions & _ENVIRONMENT:
                    found.add(key)
            elif key.startswith("env:"):
                if facts.runs and (facts.packages or facts.imports):
                    found.add(key)
            elif _READERS[key](facts):
                found.add(key)
        return found
