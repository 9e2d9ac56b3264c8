"""The written format: its vectors, and a second reading of it that shares no code with linea."""

from __future__ import annotations

import copyreg
import datetime as dt
import decimal
import io
import json
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xxhash

from linea import values
from tests.values.cases import CASES, frame

PAGE = Path(__file__).parents[2] / "docs" / "values-format.md"
VECTORS = re.findall(r"^\| `(.+)` \| `(xxh3:1:[0-9a-f]{32})` \|$", PAGE.read_text(), re.M)
NAMES = {"dt": dt, "decimal": decimal, "np": np, "pd": pd, "pa": pa}


@pytest.mark.parametrize(("source", "digest"), VECTORS)
def test_the_vectors_hold(source: str, digest: str) -> None:
    """Each value on the page has the digest that is written beside it."""
    assert values.digest(eval(source, dict(NAMES))) == digest


# What the page says, written down again from the page alone.


def u64(n: int) -> bytes:
    return struct.pack("<Q", n)


def sized(b: bytes) -> bytes:
    return u64(len(b)) + b


def join(tag: str, *parts: bytes) -> bytes:
    head = (
        sized(b"linea:1:" + tag.encode()) + u64(len(parts)) + b"".join(u64(len(p)) for p in parts)
    )
    return xxhash.xxh3_128(head + b"".join(parts)).digest()


def code(value: Any) -> bytes:
    if value is None or value is True or value is False:
        return {None: b"n", True: b"t", False: b"f"}[value]
    if type(value) is int:
        return b"i" + value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if type(value) is float:
        return b"d" + double(value)
    if type(value) is str:
        raw = value.encode()
        return b"s" + raw if len(raw) <= 64 else b"#" + join("str", raw)
    if type(value) is bytes:
        return b"b" + value
    if type(value) in (list, tuple):
        return b"#" + join(type(value).__name__, *items(list(value)))
    if type(value) is dict:
        inner = b"".join(sized(code(v)) for v in value.values())
        return b"#" + join("dict", *items(list(value)), inner)
    if type(value) is set:
        return b"#" + join("set", *sorted(map(code, value)))
    if type(value) is dt.date:
        return b"#" + join("date", value.isoformat().encode())
    if type(value) is decimal.Decimal:
        return b"#" + join("decimal", str(value).encode())
    if isinstance(value, np.generic):
        return b"#" + join("scalar", array(np.asarray(value)))
    if isinstance(value, np.ndarray):
        return b"#" + array(value)
    if isinstance(value, pa.Array):
        return b"#" + join("series", b"n", column(value), b"")
    if isinstance(value, pd.Series):
        return b"#" + join("series", b"s" + value.name.encode(), numbers(value.to_numpy()), b"")
    if isinstance(value, pd.Index):
        return b"#" + join("index", b"s" + value.name.encode(), numbers(value.to_numpy()))
    assert isinstance(value, pd.DataFrame)
    return b"#" + table(value)


def digest(value: Any) -> str:
    found = code(value)
    return "xxh3:1:" + (found[1:] if found[:1] == b"#" else join("atom", found)).hex()


def double(x: float) -> bytes:
    return struct.pack("<d", x) if x == x else bytes.fromhex("000000000000f87f")


def items(found: list[Any]) -> tuple[bytes, bytes, bytes]:
    kinds = {type(x) for x in found}
    if kinds == {float}:
        return b"float", u64(len(found)), b"".join(map(double, found))
    if kinds == {int}:
        return b"int", u64(len(found)), b"".join(struct.pack("<q", x) for x in found)
    if kinds == {str}:
        lengths = b"".join(u64(len(x)) for x in found)
        return b"str", u64(len(found)), lengths + "".join(found).encode()
    return b"any", u64(len(found)), b"".join(sized(code(x)) for x in found)


def array(value: np.ndarray[Any, Any]) -> bytes:
    name = f"U{value.dtype.itemsize // 4}" if value.dtype.kind == "U" else value.dtype.name
    data = value.astype(value.dtype.newbyteorder("<")).tobytes("C")
    shape = b"".join(map(u64, value.shape))
    return join("array", name.encode(), shape, xxhash.xxh3_128(data).digest())


def raw(data: bytes = b"") -> bytes:
    return xxhash.xxh3_128(data).digest()


def numbers(value: np.ndarray[Any, Any]) -> bytes:
    data = b"".join(map(double, value)) if value.dtype.kind == "f" else value.tobytes()
    return join(
        "column",
        value.dtype.name.encode(),
        u64(len(value)),
        u64(0),
        u64(0),
        raw(),
        raw(),
        raw(data),
    )


def column(value: pa.Array) -> bytes:
    rows = value.to_pylist()
    nulls = sum(x is None for x in rows)
    valid = raw(bytes(x is not None for x in rows)) if nulls else raw()
    lengths, data, size, kids = b"", b"", 0, []
    if pa.types.is_string(value.type):
        kind = b"utf8"
        texts = [(x or "").encode() for x in rows]
        lengths, data = b"".join(struct.pack("<I", len(x)) for x in texts), b"".join(texts)
        size = len(data)
    elif pa.types.is_list(value.type):
        kind = b"list"
        lengths = b"".join(struct.pack("<I", len(x or ())) for x in rows)
        inner = pa.array([y for x in rows for y in x or ()], value.type.value_type)
        kids = [b"", column(inner)]
    elif pa.types.is_struct(value.type):
        kind = b"struct"
        for field in value.type:
            inner = pa.array([x and x[field.name] for x in rows], field.type)
            kids += [field.name.encode(), column(inner)]
    elif pa.types.is_boolean(value.type):
        kind, data = b"bool", bytes(map(bool, rows))
    elif pa.types.is_floating(value.type):
        kind, data = b"float64", b"".join(double(x or 0.0) for x in rows)
    else:
        kind, data = b"int64", b"".join(struct.pack("<q", x or 0) for x in rows)
    return join(
        "column", kind, u64(len(rows)), u64(nulls), u64(size), valid, raw(lengths), raw(data), *kids
    )


def table(value: pd.DataFrame) -> bytes:
    columns = []
    for label in value:
        held = value[label]
        made = (
            numbers(held.to_numpy())
            if held.dtype.kind in "if"
            else column(pa.array(held, pa.string()))
        )
        columns += [b"s" + label.encode(), made]
    extras = b""
    if not isinstance(value.index, pd.RangeIndex):
        extras = join(
            "extras", join("index", b"n", column(pa.array(value.index, pa.string()))), b"", b""
        )
    return join("table", u64(len(value)), u64(value.shape[1]), *columns, extras)


@pytest.mark.parametrize(("source", "expected"), VECTORS)
def test_the_page_says_enough_to_compute_a_digest(source: str, expected: str) -> None:
    """A program written from the page gives the digests that linea gives."""
    assert digest(eval(source, dict(NAMES))) == expected


def test_arrays_and_data_can_be_read_with_numpy_and_json_alone() -> None:
    """A stored array is an npy file, stored data is JSON."""
    stored = values.settled(values.encode(CASES["array"]())).parts["value.npy"]
    np.testing.assert_array_equal(np.load(io.BytesIO(stored), allow_pickle=False), CASES["array"]())
    assert json.loads(values.settled(values.encode({"a": [1, None]})).parts["value.json"]) == {
        "a": [1, None]
    }


PLUGIN = """
class Celsius:
    def __init__(self, degrees): self.degrees = degrees

class CelsiusCodec:
    def digest(self, value, of):
        from linea.values.digest import join
        return join("celsius", of(value.degrees))
    def encode(self, value):
        from linea.values.codec import build
        return build(value, kind="data", codec="thermo.Celsius",
                     parts={"degrees": str(value.degrees).encode()}, text=f"{value.degrees} °C")
    def decode(self, record, read):
        return Celsius(int(read("degrees")))
    def export(self, record, read, stem, format):
        return {f"{stem}.txt": read("degrees")}

codec = CelsiusCodec()
"""


def test_a_third_party_adds_a_codec_by_an_entry_point(tmp_path: Path) -> None:
    """A package brings a codec for its own class, found by the class's name."""
    (tmp_path / "thermo.py").write_text(PLUGIN)
    info = tmp_path / "thermo-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thermo\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[linea.codecs]\nthermo.Celsius = thermo:codec\n")
    program = (
        "from linea import values; from thermo import Celsius; e = values.settled(values.encode(Celsius(21)));"
        "b = values.decode(e.record, e.parts.__getitem__, trusted=False);"
        "print(e.record.codec, b.degrees, values.digest(b) == e.record.digest,"
        " values.digest([b]) == values.digest([Celsius(21)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{PAGE.parents[1]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["thermo.Celsius", "21", "True", "True"]


def test_what_can_be_pickled_but_not_hashed_is_marked() -> None:
    """Where a library teaches pickle what linea refuses, the record says that nothing is decided."""
    lock = threading.Lock()
    copyreg.pickle(type(lock), lambda _: (threading.Lock, ()))
    try:
        encoded = values.settled(values.encode({"lock": lock}))
        assert not encoded.record.stable
        assert encoded.record.digest == values.digest({"lock": lock})
    finally:
        copyreg.dispatch_table.pop(type(lock))
    assert values.settled(values.encode(frame())).record.stable
