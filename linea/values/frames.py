"""pandas' tables ⇄ Arrow IPC streams, a part per column.

What a column's part can't say (an index, categories, the class of a time zone) stands in the
record's details, so that exactly the same table comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from linea.errors import UnstorableError
from linea.model import Column, Encoded, ValueRecord
from linea.values import codec
from linea.values.choice import ALL, Choice
from linea.values.digest import Of, Walk, name, text_bytes
from linea.values.frame_hash import CONVERTED, Hashed, bare, columns_of, is_default, pandas_hash
from linea.values.frame_parts import Pack, Unpack
from linea.values.ipc import write
from linea.values.parts import Parts
from linea.values.preview import count, drawn
from linea.values.tables import SHOWN, size_text

MANY = 100
"""Columns of a frame that is worth joining into blocks when it is read."""


class PandasCodec:
    """pandas' data frames, series, indexes and arrays."""

    parts = ("columns", "rows")

    def digest(self, value: Any, of: Of) -> bytes:
        return pandas_hash(value, of)[0]

    def encode(self, value: Any) -> Encoded:
        labels, columns = columns_of(value)
        raw, hashed = pandas_hash(value, Walk().of, columns)
        pack = Pack()
        form = _form(value, pack, labels, columns, hashed)
        rows, own = len(value), type(value).__name__
        described = zip(labels, columns, hashed, strict=True)
        return codec.build(
            value,
            kind="table",
            codec="pandas",
            parts=pack.parts,
            digest=raw,
            columns=tuple(
                Column(_label(n), str(c.dtype), name(hash), _nulls(c) if nulls is None else nulls)
                for n, c, (hash, nulls) in described
            ),
            text=size_text(rows, len(columns))
            if own == "DataFrame"
            else f"{value.dtype} {own.lower()}, {count(rows, 'row')}",
            summary={"rows": rows, "columns": len(columns)},
            details=form,
            pickled=pack.pickled,
            preview=drawn(lambda: _picture(value), own),
        )

    def decode(self, record: ValueRecord, read: Parts, choice: Choice = ALL) -> object:
        import pandas as pd

        form = record.details
        whole, unpacked = Unpack(read, record), Unpack(read, record, choice.rows)
        if form["form"] == "Index":
            return unpacked.index(form["index"], "index")
        if form["form"] == "Array" and "index" in form:
            return unpacked.index(form["index"], "index").array
        which = choice.of(len(form["columns"]))
        arrays = unpacked.columns(form["columns"], which=which)
        if form["form"] in ("Categorical", "Array"):
            return pd.arrays.NumpyExtensionArray(arrays[0]) if form.get("bare") else arrays[0]
        index = unpacked.index(form["index"], "index")
        # Series, because pandas guesses anew the dtype of a bare array of objects.
        columns = [pd.Series(a, index=index, dtype=a.dtype, copy=False) for a in arrays]
        value: Any
        if form["form"] == "Series":
            value = columns[0].rename(whole.value(form["name"]))
        else:
            # A copy joins columns into blocks, which only pays where there are very many.
            copy = len(columns) > MANY
            value = pd.DataFrame(dict(enumerate(columns)), index=index, copy=copy)
            labels = whole.index(form["labels"], "labels")
            value.columns = labels if choice.columns is None else labels[list(which)]
        value.attrs.update(whole.value(form["attrs"]))
        if form.get("unique"):
            value.flags.allows_duplicate_labels = False
        return value

    def labels(self, record: ValueRecord, read: Parts) -> list[object]:
        """Return the labels of the columns, which the record has as texts."""
        if record.details["form"] != "DataFrame":
            return [column.name for column in record.columns]
        return list(Unpack(read, record).index(record.details["labels"], "labels").tolist())

    def export(
        self,
        record: ValueRecord,
        read: Parts,
        stem: str,
        format: str | None,
        choice: Choice = ALL,
    ) -> dict[str, bytes]:
        import pandas as pd

        value: Any = self.decode(record, read, choice)
        if isinstance(value, pd.Series):
            value = value.to_frame(name="values" if value.name is None else value.name)
        elif isinstance(value, pd.Index):
            value = value.to_frame(index=False)
        elif not isinstance(value, pd.DataFrame):
            value = pd.DataFrame({"values": value})
        default = is_default(value.index) or _only_numbers(record.details)
        if format == "csv":
            return _csv(value, stem, index=not default)
        try:
            table = pa.Table.from_pandas(value, preserve_index=None if default else True)
        except (pa.ArrowException, ValueError, TypeError, ArithmeticError) as error:
            if format is not None:
                raise UnstorableError(
                    f"this table can't be written as {format}: {error}", hint="use csv"
                ) from error
            return _csv(value, stem, index=not default)
        return write(table, stem, format)


def _csv(frame: Any, stem: str, *, index: bool) -> dict[str, bytes]:
    try:
        return {f"{stem}.csv": text_bytes(frame.to_csv(index=index))}
    except pa.ArrowException:  # pandas asks things of views of texts that Arrow can't do
        return write(pa.Table.from_pandas(frame, preserve_index=index), stem, "csv")


def _only_numbers(form: Mapping[str, Any]) -> bool:
    """Say whether the whole table's index only numbers its rows."""
    found = form.get("index") or {}
    return bool(found.get("range", [1])[0::2] == [0, 1] and found["names"] == {"json": [None]})


def _form(
    value: Any, pack: Pack, labels: list[Any], columns: list[Any], hashes: list[Hashed]
) -> dict[str, Any]:
    """Return how a pandas value is put together again, its data put into `pack`."""
    import pandas as pd

    if isinstance(value, pd.Index):
        return {"form": "Index", "index": pack.index(value, "index")}
    times = isinstance(value, pd.arrays.DatetimeArray | pd.arrays.TimedeltaArray)
    if times and getattr(value, "freq", None) is not None:  # since pandas 3 only an index has one
        return {"form": "Array", "index": pack.index(pd.Index(value), "index")}
    arrays = pack.columns(
        [bare(getattr(column, "array", column)) for column in columns],
        labels=[_label(label) for label in labels],
        hashes=hashes,
    )
    if isinstance(value, pd.Categorical):
        return {"form": "Categorical", "columns": arrays}
    if isinstance(value, pd.api.extensions.ExtensionArray):
        is_bare = {"bare": True} if bare(value) is not value else {}
        return {"form": "Array", "columns": arrays, **is_bare}
    form = {"columns": arrays, "index": pack.index(value.index, "index")}
    form["attrs"] = pack.value(dict(value.attrs), "attrs")
    if not value.flags.allows_duplicate_labels:
        form["unique"] = True
    if isinstance(value, pd.Series):
        return {"form": "Series", **form, "name": pack.value(value.name, "name")}
    return {"form": "DataFrame", **form, "labels": pack.index(value.columns, "labels")}


NAT = np.iinfo(np.int64).min


def _nulls(column: Any) -> int:
    import pandas as pd

    if type(column).__name__ == "MultiIndex" or getattr(column.dtype, "kind", "O") in "biuSU":
        return 0 if not hasattr(column.dtype, "na_value") else int(column.isna().sum())
    array = getattr(column, "array", column)
    values, mask, codes = (getattr(array, own, None) for own in ("_ndarray", "_mask", "_codes"))
    if isinstance(mask, np.ndarray):
        return int(np.count_nonzero(mask))
    if isinstance(codes, np.ndarray) and isinstance(array, pd.Categorical):
        blocks = (codes[at : at + CONVERTED] for at in range(0, len(codes), CONVERTED))
        return sum(int(np.count_nonzero(block < 0)) for block in blocks)
    if isinstance(column.dtype, pd.SparseDtype):
        filled = len(array) - len(array.sp_values) if pd.isna(array.fill_value) else 0
        return filled + int(pd.isna(array.sp_values).sum())
    stored = getattr(array, "_pa_array", None)
    if isinstance(stored, pa.ChunkedArray) and not pa.types.is_floating(stored.type):
        return int(stored.null_count)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fmM" and len(values):
        # These give what stands for nothing where there is one, at a tenth of what counting costs.
        times = values.dtype.kind != "f"
        top = values.view("i8").min() if times else np.maximum.reduce(values)
        if top != NAT if times else top == top:
            return 0
    # Some rows at a time: which are null takes a byte for each.
    return sum(
        int(column[at : at + CONVERTED].isna().sum()) for at in range(0, len(column), CONVERTED)
    )


def _label(label: object) -> str:
    try:
        return "" if label is None else str(label)
    except Exception:
        return f"<{type(label).__name__}>"


def _first(frame: Any) -> Any:
    """Return the rows that are shown of a frame."""
    import pandas as pd

    dtypes = frame.dtypes.tolist()
    if any(isinstance(dtype, pd.SparseDtype) for dtype in dtypes):
        # A slice of a sparse column takes memory for each of its rows.
        shown = frame.take(range(min(SHOWN, len(frame))))
    else:
        shown = frame.iloc[:SHOWN]
    places = range(shown.shape[1])
    for at in [*places[:COLUMNS], *places[COLUMNS:][-COLUMNS:]]:
        if dtypes[at].kind not in LONG_KINDS:
            continue
        column = shown.iloc[:, at]
        short = _shortened(column)
        if short is not column:
            shown = shown.copy()
            shown.isetitem(at, short)
    return shown


COLUMNS = 12
"""Columns of a frame that are shown."""
LONG_KINDS = "OSUT"
"""Kinds of dtypes whose values may be long."""
LONG = 500
"""Characters of a text that is formatted: to do it takes many times the memory of the text."""


def _shortened(rows: Any) -> Any:
    """Return a few rows with long texts cut."""
    import pandas as pd

    if rows.dtype.kind not in LONG_KINDS:
        return rows
    items = list(rows)
    cut = [
        item[:LONG] if isinstance(item, str | bytes) and len(item) > LONG else item
        for item in items
    ]
    if all(one is other for one, other in zip(items, cut, strict=True)):
        return rows
    return pd.Series(cut, index=getattr(rows, "index", None), dtype=object)


def _picture(value: Any) -> str:
    if type(value).__name__ == "DataFrame":
        shown = _first(value).to_string(max_rows=SHOWN, max_cols=COLUMNS, line_width=118)
    else:
        shown = repr(_shortened(value[:SHOWN]))
    more = f"\n… {len(value) - SHOWN:,} more rows" if len(value) > SHOWN else ""
    return f"{shown}{more}"


PANDAS = PandasCodec()
