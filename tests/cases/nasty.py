"""Whole programs → every final variable sliced, each slice run alone, values compared.

The programs stand in `nasty/*.txt`: `=== title` begins one, `--- cell` divides the cells of a
notebook (`--- cell 2` runs cell 2 again), `--- file NAME` gives a file that is there before,
`--- needs NAME` a package without which it is left out.
`python tests/cases/nasty.py [WORDS]` runs those whose title or file has one of the words.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import os
import re
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from harness import in_child, preload  # noqa: E402

WORDS = re.compile(r"^(===|---) ?(.*)$")
SECONDS = 90
KEPT: list[object] = []
DEEP: set[str] = set()
"""Packages whose objects are compared by their attributes, not by what they print."""


@dataclass
class Program:
    """One program: cells in the order they run, and files that are there before."""

    title: str
    group: str
    cells: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    """Packages that it can't do without."""

    @property
    def missing(self) -> list[str]:
        """Those that aren't installed."""
        return [n for n in self.needs if importlib.util.find_spec(n) is None]

    @property
    def shell(self) -> bool:
        """Its cells are IPython's."""
        return self.group.startswith("notebook")

    @property
    def lines(self) -> str:
        return "\n# cell\n".join(self.cells)


@dataclass
class Verdict:
    """What one program gave."""

    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    kept: int = 0
    steps: int = 0
    endless: bool = False


def load(group: str, text: str) -> Iterator[Program]:
    """The programs of one file."""
    program: Program | None = None
    here: list[str] = []
    numbered: list[list[str]] = []
    order: list[int] = []
    parts: dict[str, list[str]] = {}

    def done() -> Program | None:
        if program is None:
            return None
        program.cells = ["".join(numbered[i]) for i in order]
        program.files = {name: "".join(lines) for name, lines in parts.items()}
        return program

    for line in text.splitlines(keepends=True):
        found = WORDS.match(line.rstrip("\n"))
        if found and found[1] == "===":
            if (finished := done()) is not None:
                yield finished
            program = Program(found[2], group)
            here = []
            numbered, order, parts = [here], [0], {}
        elif found:
            what, _, rest = found[2].partition(" ")
            here = []
            if what == "file":
                parts[rest] = here
            elif what == "needs" and program is not None:
                program.needs.append(rest)
                here = numbered[-1]
            elif rest:
                order.append(int(rest) - 1)
            else:
                if numbered == [[]]:
                    numbered, order = [], []
                numbered.append(here)
                order.append(len(numbered) - 1)
        else:
            here.append(line)
    if (finished := done()) is not None:
        yield finished


def programs() -> list[Program]:
    return [
        p
        for path in sorted((HERE / "nasty").glob("*.txt"))
        for p in load(path.stem, path.read_text())
    ]


# ------------------------------------------------------------------------------------- values


def plain(value: Any, seen: dict[int, int] | None = None, depth: int = 0) -> Any:
    """A text that is equal for equal values, across processes, into objects of user classes."""
    seen = {} if seen is None else seen
    kind = type(value)
    if kind in (int, str, bytes, bool, type(None), float, complex):
        return re.sub(r"/tmp/tmp\w+(/\d+/work)?", "", repr(value)) if kind is str else repr(value)
    if depth > 12:
        return "deep"
    if kind not in (tuple, frozenset):
        if id(value) in seen:
            return f"<{seen[id(value)]}>"
        seen[id(value)] = len(seen)
        KEPT.append(value)  # an address means something only while the object lives
    name = f"{kind.__module__}.{kind.__qualname__}"

    def sub(inner: Any) -> Any:
        return plain(inner, seen, depth + 1)

    if kind in (list, tuple):
        return f"{kind.__name__}({', '.join(map(sub, value))})"
    if kind in (set, frozenset):
        return f"{kind.__name__}({', '.join(sorted(map(sub, value)))})"
    if isinstance(value, dict):
        inner = [
            f"{sub(k)}: {sub(v)}" for k, v in dict.items(value) if not str(k).endswith("_time")
        ]
        return f"{name}({', '.join(inner)}){_attributes(value, sub)}"
    package = kind.__module__.partition(".")[0]
    if package == "pandas" and hasattr(value, "to_csv"):
        frame = value.to_frame() if kind.__name__ == "Series" else value
        index = [frame.index.names, getattr(value, "name", None), str(frame.index.dtype)]
        return f"{name} {frame.to_dict('split')!r} {frame.dtypes.to_dict()} {index} {value.attrs}"
    if kind.__name__ == "LazyFrame":
        return f"{name} {value.collect()!r}"
    if package in ("pandas", "polars"):
        return re.sub(r"0[xX][0-9a-fA-F]+", "", f"{name} {value!r}")
    if package == "numpy" and kind.__name__ in ("ndarray", "memmap", "matrix", "recarray"):
        return f"{name} {value.dtype} {value.shape} {sub(value.tolist())}"
    if package == "numpy" and kind.__name__ in ("Generator", "RandomState"):
        bits = value.bit_generator if kind.__name__ == "Generator" else value._bit_generator
        spawned = getattr(
            bits.seed_seq, "n_children_spawned", None
        )  # a legacy seed has no sequence
        return f"{name} {sub(bits.state)} {spawned}"
    if package in LIBRARIES and (shown := LIBRARIES[package](value, kind.__name__)) is not None:
        return f"{name} {sub(shown)}"
    if package == "matplotlib" and kind.__name__ == "Figure":
        with io.BytesIO() as out:
            value.savefig(out, format="png", metadata={"Software": None})
            return f"figure {hashlib.md5(out.getvalue()).hexdigest()}"
    if package == "matplotlib":
        return f"{name} {sub(value.figure) if getattr(value, 'figure', None) is not None else ''}"
    if isinstance(value, types.FunctionType):
        cells = [c.cell_contents for c in value.__closure__ or ()]
        state = [value.__defaults__, cells, value.__kwdefaults__, value.__dict__]
        return f"function {value.__name__} {value.__code__.co_names} {value.__code__.co_varnames} {[sub(s) for s in state]}"
    if isinstance(value, types.MethodType):
        return f"method {value.__func__.__name__} of {sub(value.__self__)}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        inner = (
            [f"{k}: {sub(v)}" for k, v in vars(value).items() if not k.startswith("__")]
            if kind.__module__ in ("__main__", "builtins") and value.__module__ == "__main__"
            else []
        )
        return f"class {value.__name__} {inner}"
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return f"generator {(frame.f_lineno - value.gi_code.co_firstlineno, sub(frame.f_locals)) if frame else 'done'}"
    if hasattr(kind, "__next__") and package in ("builtins", "itertools"):
        # What is left in it, without using it up: another variable may hold it too.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f"{kind.__name__} {sub(list(value.__reduce__()[1:]))}"
    if kind.__name__ == "deque":
        return f"deque({[sub(v) for v in value]}, {value.maxlen})"
    if hasattr(kind, "get_params") and package != "__main__":
        return f"{name} {_attributes(value, sub)}"
    if kind.__name__ in ("StringIO", "BytesIO"):
        return f"{name} {value.closed or (value.getvalue(), value.tell())}"
    if kind.__name__ == "Connection" and package == "sqlite3":
        try:
            return f"{name} {list(value.iterdump())}"
        except Exception as error:
            return f"{name} {error}"
    if kind.__module__ == "__main__":
        text = f"{name}{_attributes(value, sub)}"
        if isinstance(value, (list, tuple)):
            text += f"[{', '.join(map(sub, value))}]"
        return text
    if kind.__name__ in ("Thread", "ForkProcess", "SpawnProcess"):
        return f"{name} {value.is_alive()}"
    if package in DEEP and getattr(value, "__dict__", None):
        return f"{name}{_attributes(value, sub)}"
    return re.sub(
        r" at 0x[0-9a-fA-F]+|/tmp/tmp\w+(/\d+/work)?|name=\d+|fd=\d+|0x[0-9a-fA-F]+",
        "",
        f"{name} {value!r}",
    )


def _torch(value: Any, kind: str) -> object:
    if hasattr(value, "detach"):
        return [value.detach().tolist(), value.requires_grad]
    if kind == "Generator":
        return value.get_state().tolist()
    if not hasattr(value, "state_dict"):
        return None
    return [value.state_dict(), repr(value) if hasattr(value, "named_parameters") else ""]


def _booster(value: Any, kind: str) -> object:
    if kind == "Booster" and hasattr(value, "save_raw"):
        return bytes(value.save_raw("json"))
    if hasattr(value, "model_to_string"):
        return value.model_to_string()
    if kind == "DMatrix":
        return [value.get_label().tolist(), value.get_weight().tolist(), value.feature_names]
    found = vars(value).get("_Booster")
    return [value.get_params(), found] if hasattr(value, "get_params") else None


def _scipy(value: Any, kind: str) -> object:
    return [value.toarray(), value.nnz] if hasattr(value, "toarray") else None


def _networkx(value: Any, kind: str) -> object:
    return (
        [dict(value.nodes(data=True)), list(value.edges(data=True)), value.graph]
        if hasattr(value, "nodes")
        else None
    )


def _statsmodels(value: Any, kind: str) -> object:
    return (
        [value.params.tolist()]
        if hasattr(value, "params")
        else [getattr(value, "exog", None), getattr(value, "endog", None)]
    )


LIBRARIES: dict[str, Callable[[Any, str], object]] = {
    "torch": _torch,
    "xgboost": _booster,
    "lightgbm": _booster,
    "scipy": _scipy,
    "networkx": _networkx,
    "statsmodels": _statsmodels,
    "duckdb": lambda v, k: (
        v.execute("select table_name, estimated_size from duckdb_tables()").fetchall()
        if k == "DuckDBPyConnection"
        else None
    ),
    "PIL": lambda v, k: [v.mode, v.size, v.tobytes(), v.info] if hasattr(v, "tobytes") else None,
    "plotly": lambda v, k: v.to_plotly_json() if hasattr(v, "to_plotly_json") else None,
    "altair": lambda v, k: v.to_dict() if hasattr(v, "to_dict") else None,
    "pyarrow": lambda v, k: (
        [str(v.schema), v.to_pydict()]
        if hasattr(v, "to_pydict")
        else v.to_pylist()
        if hasattr(v, "to_pylist")
        else v.to_pybytes()
        if k == "Buffer"
        else None
    ),
    "numba": lambda v, k: list(v.items()) if k == "Dict" else list(v) if k == "List" else None,
    "dask": lambda v, k: (
        sorted(map(str, v.__dask_graph__())) and k if hasattr(v, "__dask_graph__") else None
    ),
}
"""By package, what tells two of its objects apart."""


def _attributes(value: Any, sub: Any) -> str:
    found: dict[str, Any] = dict(getattr(value, "__dict__", {}) or {})
    found = {k: v for k, v in found.items() if not k.endswith("_time_")}  # of a search
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            with contextlib.suppress(AttributeError):
                found[slot] = object.__getattribute__(value, slot)
    return "{" + ", ".join(f"{k}: {sub(v)}" for k, v in sorted(found.items())) + "}"


def text_of(value: object) -> str:
    try:
        return plain(value)
    except Exception as error:
        return f"{type(value).__name__} can't be shown: {type(error).__name__}: {error}"


# -------------------------------------------------------------------------------------- running


def lay(program: Program, folder: Path) -> None:
    folder.mkdir()
    for name, content in program.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def names_of(namespace: dict[str, Any]) -> list[str]:
    found = [
        n
        for n, v in namespace.items()
        if not n.startswith("_")
        and not isinstance(v, types.ModuleType)
        and n not in ("In", "Out", "exit", "quit", "open", "get_ipython", "display")
    ]
    return sorted(found, key=lambda n: (hasattr(type(namespace[n]), "__next__"), n))


Names = Callable[[dict[str, Any]], list[str]]


def whole(program: Program, folder: Path, choose: Names = names_of) -> dict[str, Any]:
    """Run the program under capture; the values of its variables, and their slices."""
    from linea.capture.criterion import slice_of_name

    session, namespace = (_in_shell if program.shell else _as_script)(program, folder)
    os.chdir(folder)
    pieces, values = {}, {}
    kept = 0
    loose: list[str] = []
    for name in choose(namespace):
        piece = slice_of_name(session, name)
        if not any(u.startswith("the unseeded") for u in piece.unreproducible):
            pieces[name] = piece.code
            kept += len(piece.steps)
            if piece.unreproducible:
                loose.append(name)
    steps = len(session.steps) * len(pieces)
    del session
    for name in pieces:
        values[name] = text_of(namespace[name])
    return {"slices": pieces, "values": values, "kept": kept, "steps": steps, "loose": loose}


class Saver:
    """Stands for `linea.save` in the programs of `saves.txt`: what it is given, and its slices."""

    def __init__(self) -> None:
        self.session: Any = None
        self.values: dict[str, str] = {}
        self.slices: dict[str, str] = {}
        self.results: dict[str, str | None] = {}

    def __call__(self, value: object, name: str) -> None:
        from linea import recording

        self.values[name] = text_of(value)
        if self.session is None:
            return
        frame = sys._getframe(1)
        made, _, _ = recording.slice_of_save(self.session, frame, value, name)
        self.slices[name], self.results[name] = made.code, made.result
        if (argument := recording.saved_alone(self.session, frame)) is not None:
            self.session.only_saves(argument)


def saved(program: Program, folder: Path) -> dict[str, Any]:
    """Run a program that saves; the values that it saved, and their slices."""
    saver = Saver()
    _as_script(program, folder, saver)
    return {"values": saver.values, "slices": saver.slices, "results": saver.results}


def check_saves(program: Program) -> Verdict:
    """Run each slice that a program saved alone; compare with what it saved."""
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as base:
        root = Path(base).resolve()
        (root / "0").mkdir()
        lay(program, root / "0" / "work")
        status, found = in_child(lambda: saved(program, root / "0" / "work"), timeout=SECONDS)
        if status != "ok":
            verdict.wrong.append("the program itself: " + found[-1500:])
            return verdict
        for number, (name, code) in enumerate(found["slices"].items(), 1):
            place = root / str(number)
            place.mkdir()
            lay(program, place / "work")
            result = found["results"][name]
            status, got = in_child(
                lambda: alone(code, [result or name], place / "work"), timeout=SECONDS
            )  # noqa: B023
            have = got[result or name] if status == "ok" else "raised " + got[-600:]
            verdict.checked += 1
            if have != found["values"][name]:
                verdict.wrong.append(
                    f"{name}: {_differing(found['values'][name], have)}\n--- slice of {name}\n{code}"
                )
    return verdict


def _as_script(
    program: Program, folder: Path, saver: Saver | None = None
) -> tuple[Any, dict[str, Any]]:
    from linea.capture.script import main_module, run_statements
    from linea.capture.session import Session

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    path = folder / "program.py"
    module = main_module(path)
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    session = Session(module.__dict__, root=folder, source="program.py")
    if saver is not None:
        saver.session = session
        module.__dict__["save"] = saver
        session.tools.modules._known[Saver.__module__] = False  # `save` stands for a library's
        session.tools.bindings.take("save", saver)
    for code in program.cells:
        path.write_text(code)
        try:
            run_statements(session, code, str(path), "program.py", module.__dict__)
        except BaseException:
            if len(program.cells) == 1:
                raise
    if session.notes:
        raise RuntimeError("; ".join(session.notes))
    session.files.pause()
    return session, module.__dict__


def _in_shell(program: Program, folder: Path) -> tuple[Any, dict[str, Any]]:
    from IPython.core.interactiveshell import InteractiveShell

    from linea import watching

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["IPYTHONDIR"] = str(folder.parent / "ipython")
    shell = InteractiveShell.instance()
    session = watching.watch_ipython(shell)
    for cell in program.cells:
        shell.run_cell(cell, store_history=True)
    if session.notes:
        raise RuntimeError("; ".join(session.notes))
    session.files.pause()
    return session, shell.user_ns


def alone(code: str, names: list[str], folder: Path) -> dict[str, str]:
    """Run a slice; the values of variables after it."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = ["program.py"]
    module = types.ModuleType("__main__")
    module.__dict__["__file__"] = str(folder / "program.py")
    sys.modules["__main__"] = module
    (folder / "program.py").write_text(code)
    if "get_ipython" in code or "display(" in code:
        from IPython.core.interactiveshell import InteractiveShell

        os.environ["IPYTHONDIR"] = str(folder.parent / "ipython")
        shell = InteractiveShell.instance(user_module=module, user_ns=module.__dict__)
        module.__dict__["get_ipython"] = lambda: shell
    module.__dict__["save"] = saver = Saver()
    exec(compile(code, str(folder / "program.py"), "exec", dont_inherit=True), module.__dict__)
    os.chdir(folder)
    space = module.__dict__
    if set(names) <= saver.values.keys():
        return {n: saver.values[n] for n in names}
    return {n: text_of(space[n]) if n in space else "unbound" for n in names}


def check(program: Program, choose: Names = names_of) -> Verdict:
    """Slice final variables of `program`, all of them by default; run each slice alone, compare."""
    if program.group == "saves":
        return check_saves(program)
    verdict = Verdict()
    for name in program.needs:
        importlib.import_module(name)  # once, and not in every fork
    with tempfile.TemporaryDirectory() as base:
        root = Path(base).resolve()
        (root / "0").mkdir()
        lay(program, root / "0" / "work")
        status, found = in_child(
            lambda: whole(program, root / "0" / "work", choose), timeout=SECONDS
        )
        if status != "ok":
            verdict.endless = "took too long" in found or "MemoryError" in found
            verdict.wrong.append("the program itself: " + found[-1500:])
            return verdict
        verdict.kept, verdict.steps = found["kept"], found["steps"]
        by_code: dict[str, list[str]] = {}
        for name, code in found["slices"].items():
            by_code.setdefault(code, []).append(name)
        for number, (code, names) in enumerate(by_code.items(), 1):
            place = root / str(number)
            place.mkdir()
            lay(program, place / "work")
            status, got = in_child(lambda: alone(code, names, place / "work"), timeout=SECONDS)  # noqa: B023
            for name in names:
                verdict.checked += 1
                want = found["values"][name].replace(str(root / "0"), str(place))
                have = got[name] if status == "ok" else "raised " + got[-600:]
                if have != want and name not in found["loose"]:
                    verdict.wrong.append(
                        f"{name}: {_differing(want, have)}\n--- slice of {name}\n{code}"
                    )
    return verdict


def _differing(want: str, have: str) -> str:
    start = max(len(os.path.commonprefix([want, have])) - 60, 0)
    return f"{want[start:][:250]}\n  alone: {have[-500:] if have.startswith('raised') else have[start:][:250]}"


def preload_all() -> None:
    preload()
    import unittest.mock  # noqa: F401

    import matplotlib.pyplot
    import scipy.stats  # noqa: F401
    import sklearn.pipeline  # noqa: F401

    import linea.capture.criterion
    import linea.capture.script  # noqa: F401

    matplotlib.pyplot.close("all")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent.parent))
    preload_all()
    words = [w for w in sys.argv[1:] if not w.startswith("-")]
    loud = "-q" not in sys.argv
    totals = [0, 0, 0]
    for program in programs():
        if program.missing or (
            words and not any(w in program.title or w in program.group for w in words)
        ):
            continue
        verdict = check(program)
        totals[0] += 1
        totals[1] += verdict.checked
        totals[2] += len(verdict.wrong)
        if verdict.wrong:
            print(f"WRONG {program.group}: {program.title}")
            for text in verdict.wrong if loud else []:
                print("   ", text.replace("\n", "\n    "))
    print(f"{totals[0]} programs, {totals[1]} values, {totals[2]} wrong")
