"""Large buffers of pickled objects, and large files: stored beside, not copied, put together again."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linea import values
from linea.errors import DamagedStoreError, UnstorableError
from linea.model import Stream
from linea.values.objects import read_buffers

RNG = np.random.default_rng(0)
N = 20_000


def still(array: Any) -> Any:
    array.setflags(write=False)
    return array


TWICE = RNG.normal(size=N)
OBJECTS: dict[str, Callable[[], Any]] = {
    "an array": lambda: SimpleNamespace(a=RNG.normal(size=N)),
    "arrays of all orders": lambda: SimpleNamespace(
        f=np.asfortranarray(RNG.normal(size=(N // 8, 8))),
        part=RNG.normal(size=4 * N)[::2],
        still=still(RNG.integers(0, 9, N)),
        odd=RNG.integers(0, 99, 70_001).astype("i1"),
        small=np.arange(3),
    ),
    "one array twice": lambda: SimpleNamespace(a=TWICE, b=TWICE, c=[TWICE[:50]]),
    "records": lambda: SimpleNamespace(a=np.zeros(N, [("x", "f4"), ("y", "i8")])),
    "a table": lambda: SimpleNamespace(
        t=pd.DataFrame({"a": RNG.normal(size=N), "b": np.arange(N), "c": ["word"] * N})
    ),
    "an Arrow table": lambda: SimpleNamespace(t=pa.table({"a": np.arange(N), "b": ["word"] * N})),
    "bytes": lambda: SimpleNamespace(a=bytes(N * 8), b=bytearray(b"x" * N * 8)),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_comes_back_with_its_buffers(name: str) -> None:
    """Whatever arrays an object holds, the same object comes back, as a file that pickle reads too."""
    value = OBJECTS[name]()
    encoded = values.settled(values.encode(value))
    back = values.decode(encoded.record, encoded.parts.__getitem__)
    assert values.digest(back) == encoded.record.digest == values.digest(value)
    (exported,) = values.export(encoded.record, encoded.parts.__getitem__, "x").values()
    again = pickle.loads(exported)
    assert values.digest(again) == encoded.record.digest
    for found in (back, again):
        for key, item in vars(value).items():
            if isinstance(item, np.ndarray):
                assert getattr(found, key).flags.writeable == item.flags.writeable


def test_what_was_shared_stays_shared() -> None:
    """An array that an object holds twice is one array afterwards."""
    encoded = values.settled(values.encode(OBJECTS["one array twice"]()))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert back.a is back.b


@pytest.mark.parametrize("change", [lambda data: data[:-64], lambda data: data + bytes(64)])
def test_buffers_of_another_size_are_damage(change: Callable[[bytes], bytes]) -> None:
    """Buffers that are too short or too long are refused, whatever the record's digest says."""
    data = bytes(values.encode(OBJECTS["an array"]()).parts["buffers"])
    assert read_buffers([data], [8 * N])
    with pytest.raises(DamagedStoreError, match="bytes than its buffers"):
        read_buffers([change(data)], [8 * N])


def test_an_object_is_not_copied() -> None:
    """Encoding an object that is all arrays takes little memory beside it."""
    value = SimpleNamespace(a=np.ones(1_000_000), b=np.zeros(1_000_000))
    values.encode(SimpleNamespace(a=np.ones(N)))
    tracemalloc.start()
    try:
        encoded = values.encode(value)
        for part in encoded.parts.values():
            if isinstance(part, Stream):
                for _ in part:
                    pass
        assert tracemalloc.get_traced_memory()[1] < 0.15 * 16_000_000
    finally:
        tracemalloc.stop()


def test_a_large_file_is_not_read_at_once(tmp_path: Path) -> None:
    """A file is read block by block; its digest is that of its bytes, and they come back."""
    path = tmp_path / "big.bin"
    path.write_bytes(RNG.bytes(40_000_000))
    tracemalloc.start()
    try:
        encoded = values.encode_path(path)
        part = encoded.parts["content"]
        assert isinstance(part, Stream)
        total = sum(len(segment.data) for segment in part)
        assert tracemalloc.get_traced_memory()[1] < 0.15 * total
    finally:
        tracemalloc.stop()
    assert total == path.stat().st_size
    assert encoded.record.digest == values.digest_file(path)
    assert bytes(part) == path.read_bytes()


@pytest.mark.parametrize(
    "change", [lambda path: path.write_bytes(b"new"), lambda path: path.unlink()]
)
def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    """A file that is other bytes when they are stored than when they were hashed isn't saved."""
    path = tmp_path / "big.bin"
    path.write_bytes(RNG.bytes(3_000_000))
    made = values.encode_path(path)
    change(path)
    with pytest.raises(UnstorableError, match=r"big\.bin"):
        values.settled(made)


@pytest.mark.parametrize("make", [pd.Series, pd.Index, lambda cells: pd.DataFrame({"a": cells})])
def test_a_long_text_is_shown_in_short(make: Callable[[list[str]], Any]) -> None:
    """The preview of a table with one text of many megabytes takes no multiple of it."""
    value = make(["a", "long " * 2_000_000])
    tracemalloc.start()
    try:
        preview = values.encode(value).preview
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert preview is not None
    assert b"long" in preview.data
    assert len(preview.data) < 10_000
