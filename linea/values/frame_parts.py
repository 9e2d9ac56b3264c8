"""pandas' columns and indexes ⇄ parts, and forms that say how to put them together again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from linea import jsons
from linea.model import Payload, ValueRecord
from linea.values import plain
from linea.values.arrays import from_npy, npy
from linea.values.columns import bits
from linea.values.digest import Walk, class_name, finish
from linea.values.frame_hash import (
    CONVERTED,
    Hashed,
    array_source,
    bare,
    converted,
    plain_objects,
)
from linea.values.ipc import from_ipc, pack, unpack
from linea.values.objects import pickle, unpickle
from linea.values.packing import Source, printed, source
from linea.values.parts import Parts


def _all(data: Any) -> Iterator[Any]:
    """All lists, objects and leaves of JSON data."""
    yield data
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    for each in inner:
        yield from _all(each)


class Pack:
    """The parts and the form of a pandas value in the making."""

    def __init__(self) -> None:
        self.parts: dict[str, Payload] = {}
        self.pickled = False

    def value(self, value: object, path: str) -> Any:
        """Return the form of a small value: itself where plain, else a pickled part."""
        try:
            data = plain.to_json(value)
        except plain.NotPlain:
            return self._pickle(value, path)
        if any(isinstance(each, dict) for each in _all(data)):
            # As a text: manifests don't keep the order of keys.
            return {"text": plain.dump_json(data).decode()}
        return {"json": data}

    def index(self, index: Any, path: str) -> Any:
        """Return the form of an index of rows or columns."""
        import pandas as pd

        names = self.value(list(index.names), f"{path}-names")
        if isinstance(index, pd.RangeIndex):
            return {"range": [index.start, index.stop, index.step], "names": names}
        if isinstance(index, pd.MultiIndex):
            levels = [
                self.index(level.rename(None), f"{path}-level{i}")
                for i, level in enumerate(index.levels)
            ]
            codes = [source(pa.array(np.asarray(code))) for code in index.codes]
            self.parts |= pack(codes, f"{path}-codes", [f"{path}:{n}" for n in range(len(codes))])
            return {"levels": levels, "names": names, "print": print_of(index)}
        mark = print_of(index)
        column = self.columns([bare(index.array)], path, hashes=[(mark.encode(), None)])
        form: dict[str, Any] = {"names": names, "column": column, "print": mark}
        if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) and index.freq is not None:
            form["freq"] = self._freq(index.freq, f"{path}-freq")
        return form

    def _freq(self, freq: Any, path: str) -> Any:
        """Return the form of a frequency: its text where that says all of it."""
        from pandas.tseries.frequencies import to_offset

        try:
            told = to_offset(freq.freqstr) == freq
        except ValueError:
            told = False
        return freq.freqstr if told else self.value(freq, path)

    def columns(
        self,
        arrays: list[Any],
        path: str = "columns",
        labels: list[str] | None = None,
        hashes: list[Hashed] | None = None,
    ) -> Any:
        """Return the forms of columns, their Arrow data put into parts."""
        forms: list[Any] = []
        stored: list[Source] = []
        names: list[str] = []
        for position, array in enumerate(arrays):
            hash, nulls = hashes[position] if hashes else (b"", None)
            form, column = self._column(array, f"{path}/{position}", arrow=nulls is not None)
            forms.append(form)
            if column is not None:
                if hashes is not None:
                    column = printed(column, hash, jsons.dumps(form, sort_keys=True))
                stored.append(column)
                names.append(labels[position] if labels else f"{path}:{position}")
        self.parts |= pack(stored, path, names)
        return forms

    def _column(self, array: Any, path: str, *, arrow: bool) -> tuple[Any, Any]:
        """Return a column's form, and its Arrow data unless it has parts of its own.

        With `arrow`, its objects are known to be Arrow data, from the hash.
        """
        import pandas as pd

        dtype = array.dtype
        if isinstance(dtype, np.dtype):
            return self._numpy(np.asarray(array), path, arrow=arrow)
        if isinstance(dtype, pd.CategoricalDtype):
            categories = self.index(array.categories, f"{path}-categories")
            ordered = bool(dtype.ordered)
            codes = source(pa.array(np.asarray(array.codes)))
            return {"categories": categories, "ordered": ordered}, codes
        if isinstance(dtype, pd.IntervalDtype):
            sides = {side: self.index(getattr(array, side), f"{path}-{side}") for side in SIDES}
            return {"interval": array.closed, **sides}, None
        if isinstance(dtype, pd.SparseDtype):
            return self._sparse(array, path), None
        form = _extension_form(dtype)
        column = None if form is None else _extension(array, form)
        if column is None:
            return self._pickle(array, path), None
        return form, column

    def _numpy(self, values: np.ndarray[Any, Any], path: str, *, arrow: bool) -> tuple[Any, Any]:
        if values.dtype.hasobject:
            return self._objects(values, path, known=arrow)
        column = array_source(values)
        if column is not None:
            return {"numpy": values.dtype.str}, column
        self.parts[f"{path}.npy"] = npy(values)
        return {"npy": f"{path}.npy"}, None

    def _objects(self, values: np.ndarray[Any, Any], path: str, *, known: bool) -> tuple[Any, Any]:
        arrow, null = plain_objects(values, known=known)
        if arrow is not None and null is not None:
            return {"objects": null}, arrow
        items = values.tolist()
        exact = {"print": finish(Walk().of(items)).hex()} if arrow is not None else {}
        try:
            self.parts[f"{path}.json"] = plain.dumped(items, path)
        except plain.NotPlain:
            return {**self._pickle(items, path), "items": True, **exact}, None
        return {"json": f"{path}.json", **exact}, None

    def _sparse(self, array: Any, path: str) -> Any:
        points = array.sp_index.to_int_index().indices
        return {
            "sparse": array.kind,
            "length": len(array),
            "fill": self.value(array.fill_value, f"{path}-fill"),
            "subtype": array.dtype.subtype.str,
            "values": self.columns([np.asarray(array.sp_values)], f"{path}-values"),
            "points": self.columns([np.asarray(points)], f"{path}-points"),
        }

    def _pickle(self, value: object, path: str) -> dict[str, Any]:
        self.parts[f"{path}.pkl"] = pickle(value)
        self.pickled = True
        return {"pickle": f"{path}.pkl"}


def print_of(index: Any) -> str:
    """Return a print of what an index holds and how, as digests of tables leave some of it out."""
    return finish(Walk().of(index)).hex() + f"-{index.dtype}"


def _extension(array: Any, form: Any) -> Source | None:
    if form["extension"] == "period":
        return source(pa.array(array.asi8))
    if form["extension"] == "datetime":
        type = pa.timestamp(array.unit, "UTC")
        return converted(
            array, type, lambda rows: pa.array(rows.asi8, mask=rows.isna()).cast(type), array.nbytes
        )
    return array_source(array)


def _extension_form(dtype: Any) -> dict[str, Any] | None:
    """Return what says a pandas extension dtype, where linea knows it."""
    import pandas as pd

    own = type(dtype).__name__
    if isinstance(dtype, pd.DatetimeTZDtype):
        zone = _zone_form(dtype.tz)
        return None if zone is None else {"extension": "datetime", "unit": dtype.unit, "zone": zone}
    if isinstance(dtype, pd.StringDtype):
        return {"extension": "string", "storage": dtype.storage, "nan": dtype.na_value is not pd.NA}
    if isinstance(dtype, pd.PeriodDtype):
        return {"extension": "period", "dtype": str(dtype)}
    if isinstance(dtype, pd.ArrowDtype):
        return {"extension": "arrow"}
    if own in _MASKED:
        return {"extension": "masked", "dtype": str(dtype)}
    return None


_WIDTHS = [f"{sign}Int{width}Dtype" for sign in ("", "U") for width in (8, 16, 32, 64)]
_MASKED = {"BooleanDtype", "Float32Dtype", "Float64Dtype", *_WIDTHS}


def _zone_form(zone: Any) -> Any:
    """Return what says a time zone, its library included, or None."""
    own = class_name(type(zone))
    if own == "zoneinfo.ZoneInfo" or type(zone) is datetime.timezone:
        try:
            return plain.to_json(zone)
        except plain.NotPlain:
            return None
    if own.startswith("pytz."):
        return {"pytz": str(zone)} if getattr(zone, "zone", None) else None
    return None


def _read_zone(form: Any) -> Any:
    if "pytz" in form:
        import pytz

        return pytz.timezone(form["pytz"])
    return plain.from_json(form)


class Unpack:
    """A pandas value, or rows of it, from its parts and form."""

    def __init__(
        self, read: Parts, record: ValueRecord, rows: tuple[int, int] | None = None
    ) -> None:
        self.read = read
        self.record = record
        self.rows = rows
        self.whole = self if rows is None else Unpack(read, record)

    def value(self, form: Any) -> Any:
        """Return a small value."""
        if "pickle" in form:
            return self._unpickle(form["pickle"])
        return plain.from_json(jsons.loads(form["text"]) if "text" in form else form["json"])

    def _unpickle(self, path: str) -> Any:
        return unpickle(self.read(path), self.record)

    def _cut(self, value: Any) -> Any:
        """Return the rows that are wanted of what was read as a whole."""
        return value if self.rows is None else value[slice(*self.rows)]

    def index(self, form: Any, path: str) -> Any:
        """Return an index."""
        import pandas as pd

        names = self.value(form["names"])
        if "range" in form:
            return self._cut(pd.RangeIndex(*form["range"], name=names[0]))
        if "levels" in form:
            levels = [
                self.whole.index(level, f"{path}-level{i}")
                for i, level in enumerate(form["levels"])
            ]
            codes = [c.to_numpy() for c in self._codes(f"{path}-codes", len(levels))]
            return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
        array = self.columns(form["column"], path)[0]
        index = pd.Index(array, dtype=array.dtype, name=names[0], copy=False)
        if form.get("freq"):
            freq = form["freq"]
            index.freq = freq if isinstance(freq, str) else self.value(freq)
        return index

    def _codes(self, path: str, total: int) -> list[pa.ChunkedArray]:
        if f"{path}.arrow" in self.read:  # written before columns had segments
            columns: list[pa.ChunkedArray] = from_ipc(self.read(f"{path}.arrow")).columns
            return [self._cut(column) for column in columns]
        return list(unpack(self.read, path, total, range(total), self.rows))

    def columns(
        self, forms: list[Any], path: str = "columns", which: Sequence[int] | None = None
    ) -> list[Any]:
        """Return the columns' arrays, or those at some positions."""
        places: list[int] = []
        total = 0
        for form in forms:
            places.append(total)
            total += self._is_arrow(form)
        wanted = list(range(len(forms)) if which is None else which)
        stored = [places[at] for at in wanted if self._is_arrow(forms[at])]
        arrows = unpack(self.read, path, total, stored, self.rows)
        return [
            self._column(
                forms[at], next(arrows) if self._is_arrow(forms[at]) else None, f"{path}/{at}"
            )
            for at in wanted
        ]

    def _is_arrow(self, form: Any) -> bool:
        return not OWN_PARTS & form.keys()

    def _column(self, form: Any, arrow: Any, path: str) -> Any:
        import pandas as pd

        if "numpy" in form:
            dtype = np.dtype(form["numpy"])
            values = _numpy(arrow, dtype)
            return pd.array(values, dtype=dtype, copy=False) if dtype.kind in "mM" else values
        if "categories" in form:
            categories = self.whole.index(form["categories"], f"{path}-categories")
            dtype = pd.CategoricalDtype(categories, form["ordered"])
            codes = _numpy(arrow, np.dtype(arrow.type.to_pandas_dtype()))
            return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)
        if "interval" in form:
            left, right = (self.index(form[side], f"{path}-{side}") for side in SIDES)
            return pd.arrays.IntervalArray.from_arrays(left, right, closed=form["interval"])
        if "sparse" in form:
            return self._cut(self.whole._sparse(form, path))
        if "npy" in form:
            return self._cut(from_npy(self.read(form["npy"])))
        if "json" in form:
            return self._cut(_object_array(plain.from_json(jsons.loads(self.read(form["json"])))))
        if "objects" in form:
            return _object_array(arrow.to_pylist(), _null(form["objects"]))
        if "pickle" in form:
            value = self._cut(self._unpickle(form["pickle"]))
            return _object_array(value) if form.get("items") else value
        return _read_extension(form, arrow)

    def _sparse(self, form: Any, path: str) -> Any:
        import pandas as pd
        from pandas._libs.sparse import IntIndex

        points = IntIndex(form["length"], self.columns(form["points"], f"{path}-points")[0])
        fill = self.value(form["fill"])
        return pd.arrays.SparseArray(
            np.asarray(self.columns(form["values"], f"{path}-values")[0]),
            sparse_index=points if form["sparse"] == "integer" else points.to_block_index(),
            fill_value=fill,
            dtype=pd.SparseDtype(np.dtype(form["subtype"]), fill),
        )


SIDES = ("left", "right")
OWN_PARTS = frozenset({"npy", "json", "pickle", "interval", "sparse"})
"""Forms of columns whose data isn't among the table's Arrow columns."""


def _null(mark: str) -> Any:
    import pandas as pd

    return {"": None, "None": None, "nan": np.nan, "NA": pd.NA}[mark]


def _read_extension(form: Any, arrow: pa.ChunkedArray) -> Any:
    import pandas as pd

    kind = form["extension"]
    if kind == "arrow":
        return pd.arrays.ArrowExtensionArray(arrow)
    if kind == "string":
        dtype = pd.StringDtype(form["storage"], na_value=np.nan if form["nan"] else pd.NA)
        return dtype.__from_arrow__(arrow)
    if kind == "period":
        return pd.arrays.PeriodArray(
            _numpy(arrow, np.dtype("int64")), dtype=pd.api.types.pandas_dtype(form["dtype"])
        )
    if kind == "datetime":
        utc = _numpy(arrow.cast(pa.timestamp(form["unit"])), np.dtype(f"M8[{form['unit']}]"))
        return pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(_read_zone(form["zone"])).array
    dtype = pd.api.types.pandas_dtype(form["dtype"])
    numbers = getattr(dtype, "numpy_dtype", None)
    if isinstance(numbers, np.dtype) and numbers.kind in "iuf":
        # From the buffer that was read: `__from_arrow__` would copy it.
        return dtype.construct_array_type()(_own_numbers(arrow, numbers), _missing(arrow))
    return dtype.__from_arrow__(arrow)


def _missing(arrow: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return which rows of a column are null."""
    found = np.zeros(len(arrow), bool)
    at = 0
    for chunk in arrow.chunks:
        if chunk.null_count:
            valid = bits(chunk.buffers()[0], chunk.offset, len(chunk))
            np.equal(valid, 0, out=found[at : at + len(chunk)])
        at += len(chunk)
    return found


def _numpy(arrow: pa.ChunkedArray, dtype: np.dtype[Any]) -> Any:
    """Return a column as a numpy array that may be written to."""
    if dtype.kind in "mM":
        ticks = _own_numbers(arrow, np.dtype(np.int64))
        if arrow.null_count:
            at = 0
            for chunk in arrow.chunks:
                valid = (
                    bits(chunk.buffers()[0], chunk.offset, len(chunk)) if chunk.null_count else None
                )
                if valid is not None:
                    ticks[at : at + len(chunk)][valid == 0] = np.iinfo(np.int64).min  # NaT
                at += len(chunk)
        return ticks.view(dtype.newbyteorder("=")).astype(dtype, copy=False)
    if dtype.kind == "b" and not arrow.null_count:
        return _bools(arrow)
    if arrow.null_count or dtype.kind not in "iuf":
        return arrow.to_numpy().astype(dtype, copy=True)
    return _own_numbers(arrow, dtype.newbyteorder("=")).astype(dtype, copy=False)


def _bools(arrow: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return a column of bits as a numpy array, made some rows at a time."""
    found = np.empty(len(arrow), bool)
    at = 0
    for chunk in arrow.chunks:
        for start in range(0, len(chunk), CONVERTED):
            count = min(CONVERTED, len(chunk) - start)
            found[at : at + count] = bits(chunk.buffers()[1], chunk.offset + start, count)
            at += count
    return found


def _own_numbers(arrow: pa.ChunkedArray, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a column's values buffer: the one it has where nobody else has it, else a copy."""
    found = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in arrow.chunks
        if len(chunk)
    ]
    if len(found) == 1 and found[0].flags.writeable:
        return found[0]
    return np.concatenate(found) if found else np.empty(0, dtype)


def _object_array(items: list[Any], null: Any = None) -> np.ndarray[Any, Any]:
    values = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        values[position] = null if item is None else item
    return values
