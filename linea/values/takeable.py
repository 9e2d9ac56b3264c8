"""Arrow arrays → arrays of the same values whose rows Arrow can take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa


def logical(type: pa.DataType) -> pa.DataType:
    """Return the type that differs from `type` in no value: encodings and widths removed."""
    kinds = pa.types
    if kinds.is_dictionary(type) or kinds.is_run_end_encoded(type):
        return logical(type.value_type)
    if kinds.is_string(type) or kinds.is_string_view(type):
        return pa.large_string()
    if kinds.is_binary(type) or kinds.is_binary_view(type):
        return pa.large_binary()
    if kinds.is_decimal(type):
        return (
            pa.decimal128(type.precision, type.scale)
            if type.precision <= 38
            else pa.decimal256(type.precision, type.scale)
        )
    return type


def takeable(type: pa.DataType) -> bool:
    """Say whether Arrow can take rows of a type: it can't of run ends and views, also inside."""
    if _is_runs_or_view(type):
        return False
    if isinstance(type, pa.BaseExtensionType):
        return takeable(type.storage_type)
    if pa.types.is_dictionary(type):
        return takeable(type.value_type)
    return all(takeable(type.field(at).type) for at in range(type.num_fields))


def made_takeable(array: pa.Array) -> pa.Array:
    """Return an array of the same values, extensions as what they are stored as."""
    type, kinds = array.type, pa.types
    if takeable(type):
        return array
    if kinds.is_run_end_encoded(type):
        return run_rows(array)
    if _is_runs_or_view(type):
        return array.cast(logical(type))
    if isinstance(type, pa.BaseExtensionType):
        return made_takeable(array.storage)
    if kinds.is_dictionary(type):
        return pa.DictionaryArray.from_arrays(array.indices, made_takeable(array.dictionary))
    if kinds.is_struct(type):
        fields = [made_takeable(array.field(at)) for at in range(type.num_fields)]
        named = [type.field(at).with_type(kid.type) for at, kid in enumerate(fields)]
        return pa.StructArray.from_arrays(fields, fields=named, mask=array.is_null())
    if kinds.is_union(type):
        return _union(array)
    return _lists(array)


def _is_runs_or_view(type: pa.DataType) -> bool:
    kinds = pa.types
    return bool(
        kinds.is_run_end_encoded(type) or kinds.is_string_view(type) or kinds.is_binary_view(type)
    )


LISTS: list[tuple[Callable[[Any], bool], int, Callable[[Any, Any], Any]]] = [
    (pa.types.is_map, 2, lambda _, pairs: pa.map_(pairs.field(0), pairs.field(1))),
    (pa.types.is_fixed_size_list, 1, lambda type, item: pa.list_(item, type.list_size)),
    (pa.types.is_list_view, 3, lambda _, item: pa.list_view(item)),
    (pa.types.is_large_list_view, 3, lambda _, item: pa.large_list_view(item)),
    (pa.types.is_large_list, 2, lambda _, item: pa.large_list(item)),
    (pa.types.is_list, 2, lambda _, item: pa.list_(item)),
]
"""Types that hold lists: what they are, how many buffers are their own, the same of other items."""


def _lists(array: pa.Array) -> pa.Array:
    items = made_takeable(array.values)
    own, made = next((own, made) for is_it, own, made in LISTS if is_it(array.type))
    type, buffers = made(array.type, items.type), array.buffers()[:own]
    return pa.Array.from_buffers(type, len(array), buffers, offset=array.offset, children=[items])


def empty(type: pa.DataType) -> pa.Array:
    """Return an array without rows of any type; `pa.array` makes none of some types."""
    made = pa.nulls(0, type)
    if pa.types.is_struct(type):
        fields = [type.field(at) for at in range(type.num_fields)]
        return pa.StructArray.from_arrays([empty(f.type) for f in fields], fields=fields)
    own = next((own for is_it, own, _ in LISTS if is_it(type)), None)
    if own is None:
        return made
    # `nulls` gives run ends inside of lists a validity, which they mustn't have.
    kids = [empty(made.values.type)]
    return pa.Array.from_buffers(type, 0, made.buffers()[:own], children=kids)


def union_rows(
    array: pa.UnionArray,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Return the code of each row and, of a dense union, the place in its child."""
    # By hand: `type_codes` and `offsets` of pyarrow 26 ignore the offset of a slice.
    _, codes, places = [*array.buffers()[:3], None][:3]
    window = slice(array.offset, array.offset + len(array))
    kinds = np.frombuffer(codes or b"", np.int8)[window]
    if array.type.mode == "sparse":
        return kinds, None
    return kinds, np.frombuffer(places or b"", np.int32)[window]


def run_rows(array: pa.RunEndEncodedArray) -> pa.Array:
    """Return the rows that runs stand for."""
    # By hand: Arrow decodes no runs of views, lists or structs.
    start, stop = array.offset, array.offset + len(array)
    ends = np.clip(array.run_ends.to_numpy(), start, stop)
    counts = np.diff(ends, prepend=np.array(start, ends.dtype))
    return made_takeable(array.values).take(pa.array(np.repeat(np.arange(len(ends)), counts)))


def _union(array: pa.UnionArray) -> pa.Array:
    type = array.type
    kids = [made_takeable(array.field(at)) for at in range(type.num_fields)]
    named = [type.field(at).name for at in range(type.num_fields)], type.type_codes
    kinds, places = union_rows(array)
    if places is None:
        return pa.UnionArray.from_sparse(pa.array(kinds), kids, *named)
    return pa.UnionArray.from_dense(pa.array(kinds), pa.array(places), kids, *named)
