"""Every kind of value comes back exactly as it was stored."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linea import values
from linea.errors import DamagedStoreError, NewerStoreError, UntrustedError
from linea.model import Encoded
from tests.values.cases import ARRAYS, ARROW, CASES, OBJECTS, PANDAS, PLAIN, POLARS, frame

NOT_PICKLED = {**PLAIN, **ARRAYS, **PANDAS, **ARROW, **POLARS}
PICKLED = {"array objects pickled", "objects pickled", "objects arrays", "polars objects"}


def again(encoded: Encoded, **how: Any) -> Any:
    return values.decode(encoded.record, encoded.parts.__getitem__, **how)


def same(a: Any, b: Any) -> bool:
    """Say whether two values are the same in type, dtype and content."""
    if type(a) is not type(b):
        return False
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(
            a, b, check_freq=True, check_exact=True, check_index_type="equiv"
        )
        assert a.attrs == b.attrs
        assert type(a.index) is type(b.index) and type(a.columns) is type(b.columns)
        return True
    if isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b, check_freq=True, check_exact=True)
        return all(map(same, a, b)) if a.dtype == object else True
    if isinstance(a, pd.Index):
        pd.testing.assert_index_equal(a, b, exact=True)
        return getattr(a, "freq", None) == getattr(b, "freq", None)
    if isinstance(a, pd.Categorical):
        return a.equals(b) and a.dtype == b.dtype
    if isinstance(a, np.ma.MaskedArray):
        return (
            same(a.filled(), b.filled())
            and same(np.ma.getmask(a), np.ma.getmask(b))
            and same(a.fill_value, b.fill_value)
        )
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape or a.flags.fnc != b.flags.fnc:
            return False
        if a.dtype.hasobject:
            return all(map(same, a.ravel().tolist(), b.ravel().tolist()))
        np.testing.assert_array_equal(a, b)
        return True
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and (a.tobytes() == b.tobytes() or bool(a != a and b != b))
    if hasattr(a, "tocoo"):
        return a.dtype == b.dtype and a.shape == b.shape and (a != b).nnz == 0
    if isinstance(a, pl.DataFrame):
        return a.schema == b.schema and (a.equals(b) or pl.Object in a.dtypes)
    if isinstance(a, pl.Series):
        return a.dtype == b.dtype and a.name == b.name and a.equals(b)
    if isinstance(a, pa.Table | pa.RecordBatch):
        return a.schema.equals(b.schema, check_metadata=True) and same(a.to_pylist(), b.to_pylist())
    if isinstance(a, pa.Array | pa.ChunkedArray):
        b.validate(full=True)
        return a.type == b.type and same(a.to_pylist(), b.to_pylist())
    if isinstance(a, float):
        return math.copysign(1, a) == math.copysign(1, b) and (a == b or (a != a and b != b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple) and len(a) == len(b):
        return all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return bool(a == b)


@pytest.mark.parametrize("name", sorted(NOT_PICKLED))
def test_data_comes_back_the_same(name: str) -> None:
    """What is decoded has the type, dtype, index, order and content of what was encoded."""
    value = NOT_PICKLED[name]()
    assert same(value, again(values.settled(values.encode(value))))


@pytest.mark.parametrize("name", sorted(NOT_PICKLED))
def test_data_is_never_pickled(name: str) -> None:
    """Data goes in open forms, so that it can be read without trusting its author."""
    encoded = values.settled(values.encode(NOT_PICKLED[name]()))
    assert encoded.record.pickled == (name in PICKLED)
    assert encoded.record.pickled or not any(part.endswith(".pkl") for part in encoded.parts)


@pytest.mark.parametrize("name", CASES)
def test_what_comes_back_has_the_digest_of_what_was_stored(name: str) -> None:
    """The digest of a decoded value is the one in its record, and the one `digest` gives."""
    value = CASES[name]()
    encoded = values.settled(values.encode(value))
    assert values.digest(value) == encoded.record.digest
    assert values.digest(again(encoded)) == encoded.record.digest


@pytest.mark.parametrize(
    "name", sorted(set(OBJECTS) - {"cycle", "random state", "function", "dict of tables"})
)
def test_objects_come_back_equal(name: str) -> None:
    """Other objects come back equal, of the same class."""
    value = OBJECTS[name]()
    back = again(values.settled(values.encode(value)))
    if name in ("partial", "getter"):
        assert type(back) is type(value)
    else:
        assert same(value, back)


@pytest.mark.parametrize("name", CASES)
def test_encoding_twice_gives_the_same_bytes(name: str) -> None:
    """Equal content has equal bytes in every part that isn't a pickle, so that they are shared."""
    first, second = (values.settled(values.encode(CASES[name]())) for _ in range(2))
    for path, data in first.parts.items():
        if not path.endswith(".pkl"):
            assert second.parts[path] == data


@pytest.mark.parametrize("name", CASES)
def test_every_record_says_what_it_is(name: str) -> None:
    """A record has a one-line text and a size, and can be written as JSON."""
    import json

    record = values.settled(values.encode(CASES[name]())).record
    json.dumps([dict(record.summary), dict(record.details)], allow_nan=False)
    assert record.summary["text"]
    assert "\n" not in record.summary["text"] and len(record.summary["text"]) <= 120
    assert record.summary["size"] >= 0
    assert all(part.size >= 0 for part in record.parts)


@pytest.mark.parametrize("name", CASES)
def test_previews_fit_on_a_screen(name: str) -> None:
    """A text preview has at most 20 lines of 120 characters."""
    preview = values.settled(values.encode(CASES[name]())).preview
    assert preview is not None and preview.mime == "text/plain"
    lines = preview.data.decode().splitlines()
    assert len(lines) <= 20 and all(len(line) <= 120 for line in lines)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"random state"}))
def test_every_value_can_be_exported(name: str) -> None:
    """Every stored value has files for other programs, with plain relative names."""
    encoded = values.settled(values.encode(CASES[name]()))
    files = values.export(encoded.record, encoded.parts.__getitem__, "out")
    assert files
    assert all(path.startswith(("out.", "out/")) for path in files)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_pickles_are_refused_without_trust(name: str) -> None:
    """An untrusted pickle isn't read."""
    encoded = values.settled(values.encode(OBJECTS[name]()))
    if not encoded.record.pickled:
        pytest.skip("stored in an open form")
    with pytest.raises(UntrustedError):
        again(encoded, trusted=False)


@pytest.mark.parametrize(
    "name", ["frame", "objects pickled", "array objects pickled", "named tuple"]
)
def test_a_record_that_hides_its_pickle_is_refused(name: str) -> None:
    """A manifest that says `pickled: false` of a pickle doesn't get it read."""

    encoded = values.settled(values.encode(CASES[name]()))
    lying = dataclasses.replace(encoded, record=dataclasses.replace(encoded.record, pickled=False))
    if name == "frame":
        assert same(again(lying, trusted=False), frame())
    else:
        with pytest.raises(UntrustedError):
            again(lying, trusted=False)


def test_a_changed_part_is_noticed() -> None:
    """A part whose bytes aren't what was recorded is never decoded."""
    encoded = values.settled(values.encode(frame()))
    path = next(iter(encoded.parts))
    bad = {**encoded.parts, path: encoded.parts[path][:-1] + b"!"}
    with pytest.raises(DamagedStoreError, match="isn't what was stored"):
        values.decode(encoded.record, bad.__getitem__)


def test_an_unknown_codec_says_what_to_do() -> None:
    """A value of a codec that isn't installed names it."""
    encoded = values.settled(values.encode(1))
    with pytest.raises(NewerStoreError, match=r"no codec named 'x\.Y'"):
        values.decode(dataclasses.replace(encoded.record, codec="x.Y"), encoded.parts.__getitem__)


def test_tables_inside_plain_data_are_not_pickled() -> None:
    """A dict or list of tables and arrays is stored openly, each with parts of its own."""
    value = {
        "train": frame(),
        "test": [pl.DataFrame({"a": [1]}), np.arange(3)],
        "score": (0.5, None),
    }
    encoded = values.settled(values.encode(value))
    assert not encoded.record.pickled
    back = again(encoded, trusted=False)
    assert same(value, back)
    files = values.export(encoded.record, encoded.parts.__getitem__, "out")
    assert set(files) == {"out/value.json", "out/0.parquet", "out/1.parquet", "out/2.npy"}


def test_what_comes_back_can_be_changed() -> None:
    """A decoded frame, series or array can be written to in place."""
    table = again(values.settled(values.encode(frame())))
    table.loc[0, ["int", "float", "text", "flag"]] = [9, 9.5, "new", False]
    table.loc[1, "day"] = pd.Timestamp(0)
    assert table["int"].to_list() == [9, 1, 2] and table["text"][0] == "new"
    column = again(values.settled(values.encode(pd.Series([1.5, 2.5]))))
    column.iloc[0] = 0
    array = again(values.settled(values.encode(np.arange(3))))
    array[0] = 7
    assert (column[0], array[0]) == (0, 7)


def test_lists_that_are_one_stay_one() -> None:
    """A list that stands in two places of a value is one list again in what comes back."""
    row = [1]
    back = again(values.settled(values.encode({"a": row, "b": row})))
    assert back["a"] is back["b"]
    assert again(values.settled(values.encode(CASES["cycle"]())))[1]["back"][0] == 1


def test_one_changed_column_changes_one_part() -> None:
    """Columns have parts of their own: what didn't change is shared between versions."""
    before = values.settled(values.encode(frame())).parts
    after = values.settled(values.encode(frame().assign(float=[0.0, 1.0, 2.0]))).parts
    assert sum(before[path] != after[path] for path in before) == 1


def test_equal_tables_in_other_chunks_have_equal_parts() -> None:
    """How an Arrow table was cut doesn't show in its bytes."""
    table = pa.table({"a": list(range(100)), "b": [str(i) for i in range(100)]})
    cut = pa.concat_tables([table.slice(0, 33), table.slice(33)])
    assert values.settled(values.encode(table)).parts == values.settled(values.encode(cut)).parts


def test_a_very_wide_table_has_a_bounded_number_of_parts() -> None:
    """A table of thousands of columns doesn't become thousands of files."""
    wide = pd.DataFrame(np.zeros((2, 3000)))
    encoded = values.settled(values.encode(wide))
    assert len(encoded.parts) < 600
    assert same(again(encoded), wide)


def test_encoding_leaves_the_value_and_the_world_alone(recwarn: pytest.WarningsRecorder) -> None:
    """Encoding changes neither the value, nor random states, nor options, and warns of nothing."""
    import random

    table = frame()
    before = pickle.dumps(table), random.getstate(), np.random.get_state()[1].tobytes()
    values.settled(values.encode(table))
    assert (pickle.dumps(table), random.getstate(), np.random.get_state()[1].tobytes()) == before
    assert not recwarn.list


class Hostile:
    """An object whose every courtesy fails."""

    def __repr__(self) -> str:
        raise ValueError("no")

    def __eq__(self, other: object) -> bool:
        raise ValueError("no")

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise ValueError("no")


def test_objects_with_failing_methods_are_stored() -> None:
    """An object whose __repr__, __eq__ and __bool__ raise is stored all the same."""
    encoded = values.settled(values.encode([Hostile()]))
    assert type(again(encoded)[0]) is Hostile
    assert values.settled(values.encode(Hostile())).preview is not None
    assert (
        values.settled(values.encode(pd.Series([Hostile()], dtype=object))).record.summary["rows"]
        == 1
    )
    assert values.settled(values.encode(np.array([Hostile()], dtype=object))).record.kind == "array"


def test_a_huge_repr_is_cut() -> None:
    """The preview of a huge value is small."""
    preview = values.settled(
        values.encode({"a": "x" * 1_000_000, "b": list(range(100_000))})
    ).preview
    assert preview is not None and len(preview.data) < 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (frame(), "3 rows × 6 columns"),
        (pd.DataFrame(np.zeros((1234, 1))), "1,234 rows × 1 column"),
        (np.zeros((3, 4)), "float64 array 3 × 4"),
        ({"a": 1, "b": 2, "c": 3}, "dict of 3"),
        (0.5, "0.5"),
        ([1, 2], "list of 2"),
        ("abc", "text, 3 characters"),
        (b"abc", "3 bytes"),
        (Config := frame, "function frame"),
    ],
)
def test_summaries_are_short_lines(value: object, text: str) -> None:
    """The summary's text says in a few words what the value is."""
    assert values.settled(values.encode(value)).record.summary["text"] == text


def test_attrs_keep_their_order() -> None:
    """A frame's attrs come back as they were, the order that makes part of the digest included."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"unit": "m", "about": (1, 2), "b": {"z": 1, "a": 2}}
    made = values.settled(values.encode(frame))
    # As a manifest has it: keys sorted.
    record = dataclasses.replace(
        made.record, details=json.loads(json.dumps(made.record.details, sort_keys=True))
    )
    back = values.decode(record, made.parts.__getitem__)
    assert isinstance(back, pd.DataFrame)
    assert repr(back.attrs) == repr(frame.attrs)
    assert values.digest(back) == made.record.digest
