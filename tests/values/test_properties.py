"""Properties that hold for any table: clothes don't count, every cell does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from linea import values
from tests.values import reference

SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

floats = st.floats(width=64) | st.sampled_from([0.0, -0.0, float("nan")])
texts = st.text(st.characters(codec="utf-8"), max_size=5)

LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 255)),
    (pa.float64(), floats),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), texts),
    (pa.binary(), st.binary(max_size=4)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.integers(-(2**40), 2**40)),
    (pa.duration("ms"), st.integers(-(2**40), 2**40)),
    (pa.decimal128(10, 2), st.decimals(-1000, 1000, places=2)),
    (pa.decimal256(50, 3), st.decimals(-1000, 1000, places=3)),
    (pa.timestamp("ns", "Europe/Berlin"), st.integers(-(2**40), 2**40)),
    (pa.time64("ns"), st.integers(0, 10**13).map(lambda n: n // 1000 * 1000)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.string_view(), texts),
    (pa.large_binary(), st.binary(max_size=4)),
    (pa.dictionary(pa.int8(), pa.string()), texts),
    (pa.null(), st.none()),
]


LISTS = {
    "list": pa.list_,
    "large list": pa.large_list,
    "view": pa.list_view,
    "large view": pa.large_list_view,
}


@st.composite
def types(draw: Any, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """An Arrow type and what its values are made from."""
    kind = draw(st.sampled_from(["leaf", "leaf", *LISTS, "struct", "map", "fixed"]))
    if depth == 0 or kind == "leaf":
        return draw(st.sampled_from(LEAVES))
    type, items = draw(types(depth=depth - 1))
    inner = st.none() | items
    if kind in LISTS:
        return LISTS[kind](type), st.lists(inner, max_size=3)
    if kind == "fixed":
        return pa.list_(type, 2), st.lists(inner, min_size=2, max_size=2)
    if kind == "map":
        return pa.map_(pa.string(), type), st.lists(st.tuples(texts, inner), max_size=2)
    fields = [("x", type), ("y", pa.string())]
    return pa.struct(fields), st.fixed_dictionaries({"x": inner, "y": st.none() | texts})


@st.composite
def columns(draw: Any, min_size: int = 0) -> tuple[pa.DataType, list[Any]]:
    """A type and a list of its values, some of them null."""
    type, items = draw(types())
    nulls = draw(st.booleans())
    return type, draw(
        st.lists((st.none() | items) if nulls else items, min_size=min_size, max_size=12)
    )


def cut(array: pa.Array, places: list[int]) -> pa.ChunkedArray:
    bounds = [0, *sorted(p % (len(array) + 1) for p in places), len(array)]
    return pa.chunked_array(
        [array.slice(a, b - a) for a, b in itertools.pairwise(bounds)], array.type
    )


@SETTINGS
@given(columns(), st.lists(st.integers(0, 20), max_size=4))
def test_chunks_do_not_count(column: tuple[pa.DataType, list[Any]], places: list[int]) -> None:
    """A column cut anywhere has the digest of the whole column."""
    array = pa.array(column[1], column[0])
    assert values.digest(cut(array, places)) == values.digest(array)


@SETTINGS
@given(columns())
def test_columns_have_the_digest_that_the_page_says(column: tuple[pa.DataType, list[Any]]) -> None:
    """A program that is written from the page alone gives any column the same digest."""
    array = pa.array(column[1], column[0])
    assert values.digest(array) == reference.digest(array)


@SETTINGS
@given(columns(), st.integers(0, 9), st.integers(0, 9))
def test_slices_do_not_count(
    column: tuple[pa.DataType, list[Any]], before: int, after: int
) -> None:
    """A slice has the digest of a column made from its rows."""
    type, items = column
    start, stop = min(before, len(items)), max(len(items) - after, min(before, len(items)))
    piece = pa.array(items, type).slice(start, stop - start)
    assert values.digest(piece) == values.digest(pa.array(items[start:stop], type))


@SETTINGS
@given(columns(min_size=1), st.data())
def test_every_cell_counts(column: tuple[pa.DataType, list[Any]], data: st.DataObject) -> None:
    """A column with one other cell has another digest."""
    type, items = column
    array = pa.array(items, type)
    place = data.draw(st.integers(0, len(items) - 1))
    other = [*items]
    other[place] = None if items[place] is not None else data.draw(st.sampled_from(items))
    assume(other[place] is not None or items[place] is not None)
    assert values.digest(pa.array(other, type)) != values.digest(array)


@SETTINGS
@given(st.sampled_from(LEAVES), st.data())
def test_every_bit_of_a_cell_counts(
    leaf: tuple[pa.DataType, st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    """Two columns have one digest exactly when their cells are the same, NaNs alike."""
    type, items = leaf
    a, b = (data.draw(st.lists(items, min_size=1, max_size=4)) for _ in range(2))
    same = [repr(x) for x in pa.array(a, type).to_pylist()] == [
        repr(x) for x in pa.array(b, type).to_pylist()
    ]
    assert (values.digest(pa.array(a, type)) == values.digest(pa.array(b, type))) == same


@SETTINGS
@given(st.lists(st.none() | texts, max_size=12))
def test_texts_in_any_encoding(items: list[str | None]) -> None:
    """Text has one digest, however Arrow, pandas or polars hold it."""
    plain = pa.array(items, pa.string())
    expected = values.digest(plain)
    assert values.digest(pa.array(items, pa.large_string())) == expected
    assert values.digest(pa.array(items, pa.string_view())) == expected
    assert values.digest(plain.dictionary_encode()) == expected
    assert values.digest(pl.Series(items, dtype=pl.String)) == expected
    assert values.digest(pd.Series(items, dtype="string")) == expected
    assert values.digest(pd.Series(items, dtype="category")) == expected or not any(items)
    if any(item is not None for item in items):
        assert values.digest(pd.Series(items, dtype=object)) == expected


@SETTINGS
@given(
    st.lists(
        st.tuples(st.integers(-100, 100), floats, texts, st.booleans()), min_size=1, max_size=9
    )
)
def test_pandas_polars_and_arrow_agree(rows: list[tuple[int, float, str, bool]]) -> None:
    """A table has one digest in pandas, polars and pyarrow."""
    a, b, c, d = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"a": a, "b": b, "c": c, "d": d})
    expected = values.digest(table)
    assert values.digest(pl.DataFrame({"a": a, "b": b, "c": c, "d": d})) == expected
    frame = pd.DataFrame({"a": a, "b": b, "c": c, "d": d})
    assert values.digest(frame) == expected
    assert values.digest(frame.convert_dtypes(dtype_backend="pyarrow")) == expected or any(
        x != x or float(x).is_integer() for x in b
    )
    assert values.digest(frame.iloc[::-1].iloc[::-1]) == expected


def valid(array: pa.Array) -> bool:
    """Say whether Arrow made a sound array: dictionaries of null structs hold none of their codes."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


@SETTINGS
@given(columns())
def test_arrow_columns_come_back(column: tuple[pa.DataType, list[Any]]) -> None:
    """Any Arrow column comes back with its type and its digest."""
    array = pa.array(column[1], column[0])
    encoded = values.settled(values.encode(array))
    back = values.decode(encoded.record, encoded.parts.__getitem__)
    assert isinstance(back, pa.Array)
    back.validate(full=valid(array))
    assert back.type == array.type
    assert values.digest(back) == encoded.record.digest


series = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda x: pd.Series(x, dtype="int64")),
    st.lists(floats).map(lambda x: pd.Series(x, dtype="float64")),
    st.lists(st.booleans()).map(lambda x: pd.Series(x, dtype="bool")),
    st.lists(st.none() | st.integers(0, 200)).map(lambda x: pd.Series(x, dtype="UInt8")),
    st.lists(st.none() | texts).map(lambda x: pd.Series(x, dtype="str")),
    st.lists(st.none() | texts).map(lambda x: pd.Series(x, dtype="string")),
    st.lists(st.none() | texts | st.integers() | floats).map(lambda x: pd.Series(x, dtype=object)),
    st.lists(st.none() | texts).map(lambda x: pd.Series(x, dtype="category")),
    st.lists(st.none() | st.integers(0, 10**9)).map(
        lambda x: pd.Series(pd.to_datetime(x, unit="s"))
    ),
)


@SETTINGS
@given(st.lists(series, max_size=4), st.booleans())
def test_frames_come_back(made: list[pd.Series], indexed: bool) -> None:
    """Any data frame comes back with its dtypes, index, labels and digest."""
    rows = min((len(s) for s in made), default=0)
    frame = pd.DataFrame(
        {f"c{i}": s.iloc[:rows].reset_index(drop=True) for i, s in enumerate(made)}
    )
    if indexed and made:
        frame = frame.set_index("c0")
    encoded = values.settled(values.encode(frame))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type=True)
    assert values.digest(back) == encoded.record.digest == values.digest(frame)
    assert reference.digest(frame) == encoded.record.digest
    assert values.settled(values.encode(back)).parts == encoded.parts


@SETTINGS
@given(
    st.sampled_from(["f8", "i4", "u1", "c8", "?", "M8[us]"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_arrays_in_any_layout(dtype: str, shape: list[int], seed: int) -> None:
    """An array has one digest in any memory order, with any strides and byte order."""
    raw = np.random.default_rng(seed).integers(0, 50, shape)
    array = raw.astype(dtype)
    expected = values.digest(array)
    padded = np.zeros([2 * n for n in shape], dtype)
    view = padded[tuple(slice(None, None, 2) for _ in shape)]
    view[...] = array
    assert values.digest(view) == expected
    assert values.digest(np.asfortranarray(array)) == expected
    assert values.digest(array.astype(array.dtype.newbyteorder(">"))) == expected
    assert values.digest(array[::-1][::-1]) == expected
    if array.size:
        other = array.copy()
        other.flat[seed % array.size] = np.array(51).astype(dtype)
        assert (values.digest(other) == expected) == bool((other == array).all())


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | floats
    | st.text(max_size=4)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@SETTINGS
@given(plain, plain)
def test_plain_data_comes_back_and_is_told_apart(a: Any, b: Any) -> None:
    """Plain data comes back with the same repr; two have one digest exactly if their reprs agree."""
    encoded = values.settled(values.encode(a))
    back = values.decode(encoded.record, encoded.parts.__getitem__, trusted=False)
    assert repr(back) == repr(a)
    assert (values.digest(a) == values.digest(b)) == (repr(a) == repr(b))


@pytest.mark.parametrize("rows", [(1 << 15) - 1, 1 << 15, (1 << 15) + 1, (1 << 17) + 5])
def test_blocks_do_not_count(rows: int) -> None:
    """Columns longer than a block have one digest, wherever they are cut and nulls begin."""
    numbers = np.arange(rows, dtype="f8")
    texts = [str(i % 7) for i in range(rows)]
    valid = np.ones(rows, bool)
    valid[-1] = False
    table = pa.table(
        {"a": pa.array(numbers, mask=~valid), "b": texts, "c": [[i] for i in range(rows)]}
    )
    odd = pa.concat_tables(
        [table.slice(0, 3), table.slice(3, rows // 2), table.slice(3 + rows // 2)]
    )
    assert values.digest(odd) == values.digest(table)
    masked = pd.Series(pd.arrays.FloatingArray(numbers, ~valid))
    assert values.digest(masked) == values.digest(table["a"])
    assert values.digest(pd.Series(numbers)) == values.digest(pa.array(numbers))
    assert values.digest(pd.Series(texts, dtype="category")) == values.digest(table["b"])
