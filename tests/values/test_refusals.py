"""What can't be stored is refused, and the error says what and where."""

from __future__ import annotations

import asyncio
import concurrent.futures
import csv
import ctypes
import io
import socket
import sqlite3
import sys
import threading
import types
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from linea import values
from linea.errors import UnstorableError
from tests.values.cases import Config


async def _coroutine() -> None: ...


def _closed(coroutine: Any) -> Any:
    coroutine.close()
    return coroutine


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "generator": (lambda: (i for i in [1]), "generator"),
    "iterator": (lambda: iter([1]), "iterator"),
    "map": (lambda: map(str, [1]), "iterator"),
    "csv reader": (lambda: csv.reader([]), "iterator"),
    "coroutine": (lambda: _closed(_coroutine()), "coroutine"),
    "file": (lambda: open(__file__), "open file"),  # noqa: SIM115 - that is what is refused
    "binary file": (lambda: open(__file__, "rb"), "open file"),  # noqa: SIM115
    "socket": (socket.socket, "socket"),
    "thread": (threading.Thread, "thread"),
    "lock": (threading.Lock, "lock"),
    "re-entrant lock": (threading.RLock, "lock"),
    "thread data": (threading.local, "thread-local"),
    "pool": (concurrent.futures.ThreadPoolExecutor, "workers"),
    "future": (concurrent.futures.Future, "computed"),
    "event loop's future": (lambda: asyncio.Future(loop=asyncio.new_event_loop()), "can't be stored"),
    "module": (lambda: sys, "module"),
    "frame": (sys._getframe, "stack frame"),
    "database": (lambda: sqlite3.connect(":memory:"), "database"),
    "weak reference": (lambda: weakref.ref(Config), "weak reference"),
    "csv in pieces": (lambda: pd.read_csv(io.StringIO("a\n1"), chunksize=1), "concat"),
    "lock in a list": (lambda: [1, [threading.Lock()]], r"\[1\]\[0\].*lock"),
    "lock in a dict": (lambda: {"a": {"b": threading.Lock()}}, r"\['a'\]\['b'\].*lock"),
    "lock in an attribute": (lambda: SimpleNamespace(model=Config(threading.Lock())), r"model\.rate.*lock"),
    "file in a dict": (lambda: {"log": open(__file__)}, r"\['log'\].*open file"),  # noqa: SIM115
    "memory": (lambda: memoryview(b"a"), "view of memory"),
    "memory in a list": (lambda: [memoryview(b"a")], "view of memory"),
    "array of ctypes": (lambda: (ctypes.c_int * 2)(1, 2), "ctypes"),
    "pointer": (lambda: [ctypes.pointer(ctypes.c_int(1))], "pointer"),
    "Parquet file": (lambda: pq.ParquetFile(parquet()), "pyarrow.dataset.dataset"),
    "scanner": (lambda: ds.dataset(pa.table({"a": [1]})).scanner(), "to_reader"),
    "text buffer": (lambda: io.StringIO("a"), "written to like a file"),
    "generator in a tuple": (lambda: (1, (i for i in [])), r"\[1\].*generator"),
    "lock in objects": (lambda: np.array([threading.Lock()], dtype=object), "lock"),
    "lock in a frame": (lambda: pd.Series([threading.Lock()], dtype=object), "lock"),
    "lock in a closure": (lambda: _closure(threading.Lock()), "lock"),
}  # fmt: skip


def parquet() -> io.BytesIO:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), out)
    return out


def _closure(lock: Any) -> types.FunctionType:
    def function() -> Any:
        return lock

    return function


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_cannot_be_stored_is_refused(name: str) -> None:
    """The error names what it is and where in the value it lies, and hints at what to do."""
    make, message = REFUSED[name]
    for ask in (values.encode, values.digest):
        value = make()
        with pytest.raises(UnstorableError, match=message) as caught:
            ask(value)
        assert caught.value.hint
        if hasattr(value, "close"):
            value.close()


def test_an_iterator_isnt_consumed_by_being_refused() -> None:
    """What is refused is left as it was."""
    numbers = iter([1, 2, 3])
    with pytest.raises(UnstorableError):
        values.encode(numbers)
    assert list(numbers) == [1, 2, 3]


def test_a_value_nested_too_deeply_is_refused() -> None:
    """A list nested ten thousand deep gets an error, not a crash."""
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(UnstorableError, match="nested too deeply"):
        values.encode(deep)
    with pytest.raises(UnstorableError, match="nested too deeply"):
        values.digest(deep)


class Broken:
    def __reduce__(self) -> Any:
        raise RuntimeError("out of ink")


def test_the_objects_own_words_are_passed_on() -> None:
    """When an object refuses to be pickled, its reason is in the error."""
    with pytest.raises(UnstorableError, match=r"\['pen'\].*out of ink"):
        values.encode({"pen": Broken()})


def test_importing_the_package_imports_no_data_library() -> None:
    """`import linea.values` stays light, and so does storing a number or a text."""
    import subprocess

    program = (
        "import sys; import linea.values as v; v.encode({'a': [1, 'x']}); v.encode('text');"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'polars', 'matplotlib', 'cloudpickle', 'scipy'};"
        "sys.exit(str(heavy & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
