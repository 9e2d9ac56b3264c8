"""The written format: its vectors, and a second reading of it that shares no code with linea."""

from __future__ import annotations

import copyreg
import datetime as dt
import decimal
import io
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linea import values
from tests.values import reference
from tests.values.cases import CASES, frame

PAGE = Path(__file__).parents[2] / "docs" / "values-format.md"
VECTORS = re.findall(r"^\| `(.+)` \| `(xxh3:1:[0-9a-f]{32})` \|$", PAGE.read_text(), re.M)
NAMES = {"dt": dt, "decimal": decimal, "np": np, "pd": pd, "pa": pa}


@pytest.mark.parametrize(("source", "digest"), VECTORS)
def test_the_vectors_hold(source: str, digest: str) -> None:
    """Each value on the page has the digest that is written beside it."""
    assert values.digest(eval(source, dict(NAMES))) == digest


@pytest.mark.parametrize(("source", "expected"), VECTORS)
def test_the_page_says_enough_to_compute_a_digest(source: str, expected: str) -> None:
    """A program written from the page gives the digests that linea gives."""
    assert reference.digest(eval(source, dict(NAMES))) == expected


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
