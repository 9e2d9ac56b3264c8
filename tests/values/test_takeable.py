"""Arrow types whose rows Arrow itself can't take, join or decode, each in any place of a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from linea import values
from linea.values.ipc import one


def unions(dense: bool) -> pa.UnionArray:
    """Numbers and texts by turns, 0, "1", 2, "3" …"""
    codes, numbers = pa.array(np.arange(8) % 2, pa.int8()), np.arange(8)
    if not dense:
        return pa.UnionArray.from_sparse(codes, [pa.array(numbers), pa.array(numbers.astype(str))])
    places = pa.array(np.arange(8) // 2, pa.int32())
    return pa.UnionArray.from_dense(
        codes, places, [pa.array(numbers[::2]), pa.array(numbers[1::2].astype(str))]
    )


def nulls_in_dictionary(rows: int = 8) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.arange(rows) % 3, pa.int32()), pa.array(["a", None, "c"])
    )


def other_dictionary(rows: int = 8) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.arange(rows) % 3, pa.int32()), pa.array([None, "b", "c"])
    )


TEXTS = pa.array(["", "b" * 20, None, "d", "d", "f", "g", "h"])
CLOTHES: dict[str, tuple[Callable[[], pa.Array], Callable[[], pa.Array]]] = {
    "views": (lambda: TEXTS, lambda: TEXTS.cast(pa.string_view())),
    "views of bytes": (
        lambda: TEXTS.cast(pa.binary()),
        lambda: TEXTS.cast(pa.binary()).cast(pa.binary_view()),
    ),
    "runs": (lambda: TEXTS, lambda: pc.run_end_encode(TEXTS)),
    "runs of views": (
        lambda: TEXTS,
        lambda: pa.RunEndEncodedArray.from_arrays(
            pa.array([*range(1, 9)], pa.int32()), TEXTS.cast(pa.string_view())
        ),
    ),
    "nulls in the dictionary": (
        lambda: pa.array(["a", None, "c", "a", None, "c", "a", None]),
        nulls_in_dictionary,
    ),
    "unions": (lambda: unions(dense=False), lambda: unions(dense=True)),
}
HOLDERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "itself": lambda items: items,
    "list": lambda items: pa.ListArray.from_arrays(
        pa.array([0, 2, 5, 8], pa.int32()), items, mask=pa.array([False, True, False])
    ),
    "list view": lambda items: pa.ListViewArray.from_arrays(
        pa.array([5, 0, 2], pa.int32()),
        pa.array([3, 2, 3], pa.int32()),
        items,
        mask=pa.array([False, True, False]),
    ),
    "fixed list": lambda items: pa.FixedSizeListArray.from_arrays(
        items, 2, mask=pa.array([False, True, False, False])
    ),
    "struct": lambda items: pa.StructArray.from_arrays(
        [items], ["x"], mask=pa.array([False, True] * 4)
    ),
    "map": lambda items: pa.MapArray.from_arrays(
        pa.array([0, 2, 5, 8], pa.int32()), pa.array([*"abcdefgh"]), items
    ),
    "list of structs": lambda items: pa.ListArray.from_arrays(
        pa.array([0, 2, 8], pa.int32()), pa.StructArray.from_arrays([items], ["x"])
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", CLOTHES)
def test_encodings_inside_of_columns_do_not_count(name: str, holder: str) -> None:
    """What Arrow can't take rows of has the digest of plain data wherever it stands, cut or not."""
    plain, dressed = (HOLDERS[holder](make()) for make in CLOTHES[name])
    expected = values.digest(plain)
    assert values.digest(dressed) == expected
    assert values.digest(pa.chunked_array([dressed.slice(0, 1), dressed.slice(1)])) == expected
    assert values.digest(dressed.slice(1)) == values.digest(plain.slice(1)) != expected


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", CLOTHES)
def test_encodings_inside_of_columns_come_back(name: str, holder: str) -> None:
    """They are stored and come back with their type and digest, cut or not."""
    array = HOLDERS[holder](CLOTHES[name][1]())
    for value in (array, pa.chunked_array([array.slice(0, 1), array.slice(1)])):
        assert_comes_back(value)


def assert_comes_back(value: Any) -> None:
    encoded = values.settled(values.encode(value))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert type(back) is type(value)
    assert getattr(back, "type", None) == getattr(value, "type", None)
    assert values.digest(back) == values.digest(value)


@pytest.mark.parametrize("rows", [8, 70_000])
def test_dictionaries_with_nulls_that_differ_by_chunk_come_back(rows: int) -> None:
    """Arrow can't make one dictionary of two that hold nulls; each chunk keeps its own."""
    both = pa.chunked_array([nulls_in_dictionary(rows), other_dictionary(rows)])
    assert_comes_back(pa.table({"x": both, "y": np.arange(2 * rows)}))
    assert_comes_back(pa.record_batch({"x": nulls_in_dictionary(rows)}))


@pytest.mark.parametrize(
    "type",
    [
        pa.dictionary(pa.int8(), pa.duration("us")),
        pa.map_(pa.string(), pa.dictionary(pa.int8(), pa.date32())),
        pa.struct({"a": pa.run_end_encoded(pa.int16(), pa.duration("s"))}),
    ],
    ids=str,
)
def test_empty_arrays_of_types_that_python_makes_none_of_come_back(type: pa.DataType) -> None:
    """An array without rows comes back, of any type."""
    assert_comes_back(one(pa.chunked_array([], type)))
    assert_comes_back(pa.record_batch({"x": one(pa.chunked_array([], type))}))


def test_each_row_of_a_union_counts_with_its_kind() -> None:
    """The same number held by another field of a union is another value."""
    fields = [pa.array([1, 2], pa.int8()), pa.array([1, 2], pa.int64())]
    kinds = [pa.array(codes, pa.int8()) for codes in ([0, 0], [0, 1], [1, 1])]
    made = {values.digest(pa.UnionArray.from_sparse(codes, fields)) for codes in kinds}
    assert len(made) == 3
