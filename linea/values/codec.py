"""The registry of codecs, and the way of a value through it: encode, decode, export, identify.

A codec is found by the qualified name of the value's class, so no library is imported to be
recognised. Third parties add one through an entry point of the group `linea.codecs` whose name is
the class's qualified name and whose object is a `Codec`.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakKeyDictionary

from linea.errors import (
    LineaError,
    NewerStoreError,
    UnstorableError,
    UntrustedError,
)
from linea.model import Digest, Encoded, Payload, Preview, ReadPart, ValueRecord
from linea.values import lazy
from linea.values.choice import chosen
from linea.values.digest import (
    Of,
    class_name,
    digest_file,
    finish,
    name,
    of_value,
    refusal,
)
from linea.values.parts import Parts, payload

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "linea.codecs"

Digester = Callable[[Any, Of], bytes]


class Codec(Protocol):
    """How values of one family become bytes, and come back."""

    def digest(self, value: Any, of: Of) -> bytes:
        """Return the value's 16 hash bytes; `of` gives the codes of what it holds."""

    def encode(self, value: Any) -> Encoded:
        """Return the value's bytes and what the manifest says of it."""

    def decode(self, record: ValueRecord, read: Parts) -> object:
        """Return the value again."""

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        """Return the value as the files that other programs read."""


CODECS: dict[str, str] = {
    "pandas": "linea.values.frames:PANDAS",
    "polars": "linea.values.tables:POLARS",
    "arrow": "linea.values.tables:ARROW",
    "arrow-stream": "linea.values.streams:STREAM",
    "polars-lazy": "linea.values.streams:LAZY",
    "array": "linea.values.arrays:ARRAY",
    "sparse": "linea.values.arrays:SPARSE",
    "json": "linea.values.plain:JSON",
    "text": "linea.values.plain:TEXT",
    "bytes": "linea.values.plain:BYTES",
    "image": "linea.values.figures:IMAGE",
    "matplotlib": "linea.values.figures:MATPLOTLIB",
    "chart": "linea.values.figures:CHART",
    "model": "linea.values.models:MODEL",
    "pickle": "linea.values.objects:PICKLE",
    "file": "linea.values.files:FILE",
    "folder": "linea.values.files:FOLDER",
}
"""Every codec of linea by the name that manifests carry."""

_INDEXES = (
    "base.Index",
    "range.RangeIndex",
    "multi.MultiIndex",
    "datetimes.DatetimeIndex",
    "timedeltas.TimedeltaIndex",
    "period.PeriodIndex",
    "category.CategoricalIndex",
    "interval.IntervalIndex",
)
_PANDAS = (
    # Since pandas 3 its classes say that they live in `pandas`; before, they said where.
    *(f"pandas.{kind}" for kind in ("DataFrame", "Series", "Categorical")),
    *(f"pandas.{path.partition('.')[2]}" for path in _INDEXES),
    "pandas.core.frame.DataFrame",
    "pandas.core.series.Series",
    "pandas.core.arrays.categorical.Categorical",
    *(f"pandas.core.indexes.{path}" for path in _INDEXES),
)
EXACT: dict[str, str] = {
    **dict.fromkeys(_PANDAS, "pandas"),
    "polars.dataframe.frame.DataFrame": "polars",
    "polars.series.series.Series": "polars",
    "polars.lazyframe.frame.LazyFrame": "polars-lazy",
    "pyarrow.lib.Table": "arrow",
    "pyarrow.lib.RecordBatch": "arrow",
    "pyarrow.lib.ChunkedArray": "arrow",
    "pyarrow.lib.RecordBatchReader": "arrow-stream",
    "numpy.ndarray": "array",
    "numpy.memmap": "array",
    "numpy.ma.MaskedArray": "array",
    "numpy.ma.core.MaskedArray": "array",
    "numpy.ma.core.MaskedConstant": "pickle",
    "builtins.str": "text",
    "builtins.bytes": "bytes",
    "builtins.bytearray": "bytes",
}
"""Codecs of exactly these classes: a subclass may hold more than the codec keeps."""

FAMILIES: dict[str, str] = {
    "pyarrow.lib.Array": "arrow",
    "pyarrow._dataset.Dataset": "arrow-stream",
    "pyarrow.lib.Scalar": "arrow",
    # pandas' name of it since 3, and before.
    "pandas.api.extensions.ExtensionArray": "pandas",
    "pandas.core.arrays.base.ExtensionArray": "pandas",
    "scipy.sparse._base._spbase": "sparse",
    "matplotlib.figure.Figure": "matplotlib",
    "matplotlib.axes._base._AxesBase": "matplotlib",
    "PIL.Image.Image": "image",
    "plotly.basedatatypes.BaseFigure": "chart",
    "altair.vegalite.v5.api.TopLevelMixin": "chart",
    "altair.vegalite.v6.api.TopLevelMixin": "chart",
    "sklearn.base.BaseEstimator": "model",
    "lightgbm.basic.Booster": "model",
    "xgboost.core.Booster": "model",
    "catboost.core.CatBoost": "model",
    "statsmodels.base.wrapper.ResultsWrapper": "model",
    "statsmodels.base.model.Results": "model",
}
"""Codecs of these classes and all that inherit from them."""

HINTS: dict[str, tuple[str, str]] = {
    "builtins.module": ("a module", "save what it holds"),
    "builtins.memoryview": ("a view of memory", "save bytes(it), or the array that it looks at"),
    "_ctypes.Array": ("an array of ctypes", "save list(it), or bytes(it)"),
    "_io.StringIO": ("a text that is written to like a file", "save it.getvalue()"),
    "_io.BytesIO": ("bytes that are written to like a file", "save it.getvalue()"),
    "pyarrow.parquet.core.ParquetFile": (
        "an open Parquet file",
        "save its path, or the data set pyarrow.dataset.dataset(path), which isn't loaded whole",
    ),
    "pyarrow._dataset.Scanner": (
        "a scanner of a data set",
        "save it.to_reader(), which isn't loaded whole",
    ),
    "pandas.io.parsers.readers.TextFileReader": (
        "a stream that can be read once",
        "save pandas.concat(it)",
    ),
}
"""What is refused as a whole, and what to do instead."""


# ----------------------------------------------------------------------------------- the way


def encode(value: object) -> Encoded:
    """Return a value's bytes and record; raise UnstorableError where it can't be stored."""
    _refuse(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind: type = type(value)
        try:
            return _encode(value)
        except LineaError:
            raise
        except RecursionError:
            raise UnstorableError(f"the {class_name(kind)} is nested too deeply") from None
        except Exception as error:
            if isinstance(error, MemoryError) or codec_name(kind) == "arrow-stream":
                raise  # a stream's own error is the user's
            # A library of the value's can't do what its codec asks of it.
            raise UnstorableError(
                f"the {class_name(kind)} can't be stored: {type(error).__name__}: {error}",
                hint="save it as something plainer: an array, a table of plain columns, a dict",
            ) from error


def encode_path(path: str | Path) -> Encoded:
    """Return the bytes and record of a file or folder on disk."""
    from linea.values.files import encode_path

    return encode_path(Path(path))


def digest(value: object) -> Digest:
    """Return the logical digest of a value, the one that `encode` would record."""
    _refuse(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return name(_hash(value))


def _hash(value: object) -> bytes:
    try:
        return of_value(value)
    except UnstorableError:
        from linea.values.objects import hash_or_pickle

        return hash_or_pickle(value)[0]


def decode(
    record: ValueRecord,
    read: ReadPart,
    *,
    trusted: bool = True,
    columns: Sequence[object] | None = None,
    rows: slice | None = None,
) -> object:
    """Return a stored value; raise UntrustedError where that would run an untrusted's code.

    With `columns` or `rows`, only these of a table, or rows of an array, and what isn't needed for
    them isn't read.
    """
    if record.pickled and not trusted:
        raise UntrustedError(
            f"reading this {record.type} would run code that came with it",
            hint="trust its author with `linea trust`, or re-run its code instead",
        )
    codec, parts = load(record.codec), Parts(record, read)
    if columns is None and rows is None:
        return codec.decode(record, parts)
    return codec.decode(record, parts, chosen(record, codec, columns, rows, parts))  # type: ignore[call-arg]


def export(
    record: ValueRecord,
    read: ReadPart,
    stem: str,
    format: str | None = None,
    trusted: bool = True,
    *,
    columns: Sequence[object] | None = None,
    rows: slice | None = None,
) -> dict[str, bytes]:
    """Return the value as files: relative name → bytes, in the form other programs read.

    Bytes are copied out; only a table, or an array in another `format`, is decoded for it.
    `columns` and `rows` are as in `decode`.
    """
    if format and record.pickled and not trusted:
        raise UntrustedError(
            f"turning this {record.type} into {format} would run code that came with it"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codec, parts = load(record.codec), Parts(record, read)
        if columns is None and rows is None:
            return codec.export(record, parts, stem, format)
        choice = chosen(record, codec, columns, rows, parts)
        return codec.export(record, parts, stem, format, choice)  # type: ignore[call-arg]


def identify(path: str | Path) -> list[Digest]:
    """Return the digests that a file on disk may be known under; nothing is unpickled."""
    from linea.values.files import logical

    return list(dict.fromkeys([digest_file(path), *logical(Path(path))]))


def columns_of(path: str | Path) -> dict[str, Digest]:
    """Return the digests of the columns of the table that a file on disk holds, by name."""
    from linea.values import files

    return files.columns_of(Path(path))


def _refuse(value: object) -> None:
    for known in map(class_name, type(value).__mro__):
        if known in HINTS:
            what, hint = HINTS[known]
            raise UnstorableError(f"{what} can't be stored", hint=hint)
    waiting = lazy.query(type(value))
    if waiting is not None and not lazy.is_collected(type(value)):
        what, hint = waiting
        raise UnstorableError(f"{what} can't be stored: it isn't computed yet", hint=hint)
    if codec_name(type(value)) == "arrow-stream":
        return  # an iterator that is known
    iterator = isinstance(value, Iterator)
    kind = refusal(type(value)) or ("an iterator" if iterator else None)
    if kind is not None:
        hint = (
            "save what it gives, such as list(it); batches of a table that is too large for that"
            " go as pyarrow.RecordBatchReader.from_batches(schema, it)"
            if iterator
            else "save what it was made from, or gives, instead"
        )
        raise UnstorableError(f"{kind} can't be stored ({class_name(type(value))})", hint=hint)


# --------------------------------------------------------------------------------- the registry


def _encode(value: object) -> Encoded:
    """Encode by the codec that knows the class, else as plain data, else as a pickle."""
    known = codec_name(type(value))
    if known is not None:
        return load(known).encode(value)
    from linea.values import plain

    try:
        return plain.JSON.encode(value)
    except plain.NotPlain:
        return load("pickle").encode(value)


def codec_name(kind: type) -> str | None:
    """Return the name of the codec that knows a class."""
    own = class_name(kind)
    names = [class_name(base) for base in kind.__mro__]
    if own in _entry_points():
        return own
    if own in EXACT:
        return EXACT[own]
    return next((FAMILIES[n] for n in names if n in FAMILIES), None)


def digester(kind: type) -> Digester | None:
    """Return what gives the hash of a class's values, where a codec knows better than pickling."""
    if kind not in _digesters:
        _digesters[kind] = _find_digester(kind)
    return _digesters[kind]


def _find_digester(kind: type) -> Digester | None:
    known = codec_name(kind)
    if known is not None and known not in ("model", "pickle"):
        return load(known).digest
    bases = [class_name(base) for base in kind.__mro__]
    for base, (module, function) in DIGESTERS.items():
        if base in bases:
            return cast(Digester, getattr(importlib.import_module(module), function))
    inherited = next((EXACT[base] for base in bases if base in EXACT), None)
    if inherited in ("pandas", "array"):
        from linea.values.objects import subclass_digest

        return subclass_digest
    return None


DIGESTERS = {
    "numpy.generic": ("linea.values.arrays", "scalar_digest"),
    "numpy.dtype": ("linea.values.arrays", "dtype_digest"),
    "matplotlib.container.Container": ("linea.values.figures", "container_digest"),
    "matplotlib.artist.Artist": ("linea.values.figures", "artist_digest"),
    "torch.Tensor": ("linea.values.models", "tensor_digest"),
}
"""What gives the hash of values that are pickled when they're stored."""
_digesters: WeakKeyDictionary[type, Digester | None] = WeakKeyDictionary()


@cache
def load(codec: str) -> Codec:
    """Return the codec of this name, imported now."""
    if codec in CODECS:
        module, _, attribute = CODECS[codec].partition(":")
        return cast(Codec, getattr(importlib.import_module(module), attribute))
    if codec in _entry_points():
        return cast(Codec, _entry_points()[codec].load())
    raise NewerStoreError(
        f"no codec named {codec!r} is installed",
        hint="update linea, or install the package that brings it",
    )


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


# -------------------------------------------------------------------------- building a record


def build(
    value: object,
    *,
    kind: str,
    codec: str,
    parts: Mapping[str, Payload],
    text: str,
    summary: Mapping[str, Any] | None = None,
    digest: bytes | None = None,
    preview: Preview | Callable[[], Preview] | None = None,
    **fields: Any,
) -> Encoded:
    """Return the Encoded of a value from its parts and what is to be said of it."""
    raw = of_value(value) if digest is None else digest
    size = sum(len(part) if isinstance(part, bytes) else part.size for part in parts.values())
    record = ValueRecord(
        kind=kind,
        type=public_name(type(value)),
        digest=name(raw),
        codec=codec,
        summary={**(summary or {}), "size": size, "text": text},
        **fields,
    )
    return Encoded(record, {path: payload(part) for path, part in parts.items()}, preview)


def public_name(kind: type) -> str:
    """Return the name that a person knows a class by: `pandas.DataFrame` in any pandas."""
    own = class_name(kind)
    if own.startswith("builtins."):
        return kind.__qualname__
    root = own.partition(".")[0]
    if root in ("pandas", "polars", "pyarrow", "numpy"):
        return f"{root}.{kind.__qualname__}"
    return own


__all__ = [
    "CODECS",
    "Codec",
    "build",
    "codec_name",
    "decode",
    "digest",
    "encode",
    "encode_path",
    "export",
    "finish",
    "identify",
    "load",
]
