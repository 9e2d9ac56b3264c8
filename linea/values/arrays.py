"""numpy arrays and scipy sparse matrices ⇄ npy parts."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import xxhash

from linea import jsons
from linea.errors import DamagedStoreError, UnstorableError
from linea.model import Encoded, Payload, ValueRecord
from linea.values import codec, plain
from linea.values.choice import ALL, Choice
from linea.values.digest import Of, join, number, text_bytes
from linea.values.parts import WHOLE, Parts, Pieces, byte_stream
from linea.values.preview import drawn

BLOCK = 1 << 18
"""Bytes copied at a time."""
FLOATS = 1 << 18
"""Bytes of floats looked at, then hashed: they stay in the processor's cache meanwhile."""


# ------------------------------------------------------------------------------------- digests


def data_hash(array: np.ndarray[Any, Any]) -> bytes:
    """Return the hash of an array's elements in C order, little-endian, NaNs alike."""
    state = xxhash.xxh3_128()
    update(state, array)
    return state.digest()


def update(state: xxhash.xxh3_128, array: np.ndarray[Any, Any]) -> bool:
    """Feed an array's elements to a hash in C order; say whether there may be a NaN among them."""
    if not array.size:
        return False
    if array.flags.c_contiguous:
        return feed(state, array.reshape(-1))
    step = max(1, BLOCK // max(1, array.dtype.itemsize))
    nans = False
    if array.ndim > 1 and array[0].size >= step:
        for row in array:
            nans |= update(state, row)
        return nans
    rows = max(1, step // max(1, array[0].size if array.ndim > 1 else 1))
    for start in range(0, len(array), rows):
        block = np.ascontiguousarray(array[start : start + rows])
        nans |= feed(state, block.reshape(-1))
    return nans


def feed(state: xxhash.xxh3_128, flat: np.ndarray[Any, Any]) -> bool:
    """Feed a flat, contiguous array to a hash as bytes that equal elements share.

    Say whether there may be a NaN among them.
    """
    dtype = flat.dtype
    if dtype.byteorder == ">" or (dtype.byteorder == "=" and not np.little_endian):
        flat = flat.astype(dtype.newbyteorder("<"))
    if dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    if flat.dtype.kind == "f":
        return _feed_floats(state, flat)
    state.update(flat.view(np.uint8).data)
    return False


def _feed_floats(state: xxhash.xxh3_128, flat: np.ndarray[Any, Any]) -> bool:
    """Feed floats in blocks that stay in the processor's cache, every NaN made the same."""
    width = flat.dtype.itemsize
    step = FLOATS // width
    nans = some = False
    with np.errstate(invalid="ignore"):
        for start in range(0, flat.size, step):
            block = flat[start : start + step]
            if not nans:
                nans = _has_nan(block)
            some = some or nans
            if nans or width > 8:
                block, nans = _canonical_floats(block)
            state.update(block.data)
    return some or width > 8


def _has_nan(block: np.ndarray[Any, Any]) -> bool:
    """Say whether there is a NaN among some floats."""
    if block.dtype.itemsize == 2:
        # numpy computes with halves one by one.
        return bool((block.view(np.uint16) & 0x7FFF).max() > 0x7C00)
    # maximum propagates NaN and is the fastest probe numpy has.
    top = np.maximum.reduce(block)
    return bool(top != top)


def _canonical_floats(block: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], bool]:
    """Return a copy with NaNs of one payload and padding of zeros, and whether it had NaNs."""
    block = block.copy()
    found = np.isnan(block)
    nans = bool(found.any())
    block[found] = np.nan
    if block.dtype.itemsize <= 8:
        return block, nans
    # A long double has 10 bytes of value on x86, and what was in memory after them.
    padded = block.view(np.uint8).reshape(-1, block.dtype.itemsize)
    padded[:, 10:] = 0
    return padded.reshape(-1), nans


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return the canonical name of a plain dtype: byte order and spelling don't count."""
    if dtype.kind in "SUV":
        return f"{dtype.kind}{dtype.itemsize // (4 if dtype.kind == 'U' else 1)}"
    return dtype.name


def ndarray_hash(array: np.ndarray[Any, Any], of: Of) -> bytes:
    """Return the hash of a plain ndarray."""
    shape = b"".join(map(number, array.shape))
    dtype = array.dtype
    if dtype.names is not None:
        parts: list[bytes] = []
        for field in dtype.names:
            parts += [text_bytes(field), ndarray_hash(array[field], of)]
        return join("record-array", shape, *parts)
    if dtype.hasobject or dtype.kind == "T":
        return join("object-array", dtype_text(dtype).encode(), shape, of(array.ravel().tolist()))
    return join("array", dtype_text(dtype).encode(), shape, data_hash(array))


def masked_hash(array: Any, of: Of) -> bytes:
    """Return the hash of a masked array: what lies under the mask doesn't count."""
    mask = np.ma.getmaskarray(array)
    return join(
        "masked",
        _bare_hash(np.asarray(array.data), mask, of),
        ndarray_hash(mask, of),
        ndarray_hash(np.asarray(array.fill_value), of),
    )


def _bare_hash(data: np.ndarray[Any, Any], mask: np.ndarray[Any, Any], of: Of) -> bytes:
    """Return the hash of an array with zeros under a mask."""
    if data.dtype.names is not None:
        data = data.copy()
        _zero(data, mask)
        return ndarray_hash(data, of)
    if not mask.any():
        return ndarray_hash(data, of)
    if data.dtype.hasobject or data.dtype.kind == "T" or not data.flags.c_contiguous:
        data = data.copy()
        data[mask] = np.zeros((), data.dtype)
        return ndarray_hash(data, of)
    state = xxhash.xxh3_128()
    flat, hidden = data.reshape(-1), np.ascontiguousarray(mask).reshape(-1)
    step = max(1, BLOCK // data.dtype.itemsize)
    for at in range(0, len(flat), step):
        block = flat[at : at + step].copy()
        block[hidden[at : at + step]] = np.zeros((), data.dtype)
        feed(state, block)
    shape = b"".join(map(number, data.shape))
    return join("array", dtype_text(data.dtype).encode(), shape, state.digest())


def _zero(data: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> None:
    """Put zeros under a mask that has a field for each of a record's."""
    if data.dtype.names is None:
        data[mask] = np.zeros((), data.dtype)
    for field in data.dtype.names or ():
        _zero(data[field], mask[field])


def wide_hash(indices: np.ndarray[Any, Any]) -> bytes:
    """Return the hash that an array of integers has as int64."""
    state = xxhash.xxh3_128()
    for at in range(0, len(indices), BLOCK):
        feed(state, indices[at : at + BLOCK].astype(np.int64))
    return join("array", b"int64", number(len(indices)), state.digest())


def scalar_digest(value: Any, of: Of) -> bytes:
    """Return the hash of a numpy scalar: its type counts, so np.float64(1) isn't 1.0."""
    return join("scalar", ndarray_hash(np.asarray(value), of))


def dtype_digest(value: Any, of: Of) -> bytes:
    """Return the hash of a dtype."""
    return join("dtype", text_bytes(repr(value.newbyteorder("<"))))


# -------------------------------------------------------------------------------------- codecs


def to_npy(array: np.ndarray[Any, Any]) -> bytes:
    """Return the npy bytes of an array that holds no objects."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def npy(array: np.ndarray[Any, Any]) -> Payload:
    """Return an array that holds no objects as an npy part, in segments where it is large."""
    if array.nbytes <= WHOLE:
        return to_npy(array)
    head = io.BytesIO()
    described = np.lib.format.header_data_from_array_1_0(array)
    try:
        np.lib.format.write_array_header_1_0(head, described)
    except ValueError:
        return to_npy(array)  # a description that is long or not plain
    flat = array.T if described["fortran_order"] else array
    width = array.dtype.itemsize if array.dtype.kind != "c" else array.dtype.itemsize // 2
    return byte_stream(
        lambda: _blocks(flat), array.nbytes, width=width, label="npy", head=head.getvalue()
    )


def _blocks(array: np.ndarray[Any, Any]) -> Iterator[Any]:
    """Yield an array's bytes in C order, a copy of some rows at a time where it isn't in order."""
    if array.flags.c_contiguous:
        yield array.reshape(-1).view(np.uint8).data
        return
    if array.ndim > 1 and array[0].nbytes > COPIED:
        for row in array:
            yield from _blocks(row)
        return
    rows = max(1, COPIED // max(1, array[0].nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows]).reshape(-1).view(np.uint8).data


COPIED = 4 << 20


def from_pieces(pieces: Pieces) -> Any:
    """Return the array of an npy part that comes in pieces, in memory of its own."""
    flat = np.empty(0, np.uint8)
    at = 0
    given: memoryview | None = None

    def room(count: int, size: int) -> memoryview | None:
        nonlocal given
        given = flat[at : at + size].data if at + size <= len(flat) else None
        return given

    found = pieces(room)
    first = next(found)
    head = io.BytesIO(first)
    version = np.lib.format.read_magic(head)
    if version != (1, 0):
        return from_npy(b"".join([first, *found]))
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    if dtype.hasobject:
        raise DamagedStoreError("an array of plain values says that it holds objects")
    data = np.empty(shape[::-1] if fortran else shape, dtype)
    if data.size and dtype.itemsize:
        flat = data.reshape(-1).view(np.uint8)
    for piece in chain([memoryview(first)[head.tell() :]], found):
        if at + len(piece) > len(flat):
            raise DamagedStoreError("an array has more bytes than its shape")
        if piece is not given and piece:
            flat[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    if at != len(flat):
        raise DamagedStoreError("an array has fewer bytes than its shape")
    return data.T if fortran else data


def rows_of(read: Parts, path: str, start: int, stop: int) -> Any:
    """Return some rows of the array of an npy part, of which only those that hold them are read."""
    heads = [bytes(piece) for _, piece in read.between(path, 0, 0)]
    head = io.BytesIO(heads[0])
    if np.lib.format.read_magic(head) != (1, 0):
        return from_npy(read(path))[start:stop]
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    if fortran or dtype.hasobject or len(heads[0]) > head.tell():
        return from_pieces(read.filling(path))[start:stop]
    row = dtype.itemsize * math.prod(shape[1:])
    data = np.empty((stop - start) * row, np.uint8)
    for at, piece in read.between(path, start * row, stop * row):
        if piece == heads[0] and not at:
            continue
        first, end = max(at, start * row), min(at + len(piece), stop * row)
        data[first - start * row : end - start * row] = np.frombuffer(piece, np.uint8)[
            first - at : end - at
        ]
    return data.view(dtype).reshape(stop - start, *shape[1:])


def from_npy(data: bytes) -> Any:
    """Return the array of npy bytes; nothing is unpickled."""
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def describe(array: Any) -> str:
    """Return `float64 array 3 × 4`."""
    shape = " × ".join(map(str, array.shape)) or "0-d"
    return f"{array.dtype if array.dtype.names is None else 'structured'} array {shape}"


def picture(array: Any) -> str:
    """Return the array's own short text."""
    return np.array2string(
        np.asarray(array) if not np.ma.isMaskedArray(array) else array,
        threshold=200,
        max_line_width=118,
    )


class ArrayCodec:
    """numpy arrays: npy, or JSON of the elements where they are Python objects."""

    parts = ("rows",)

    def digest(self, value: Any, of: Of) -> bytes:
        if np.ma.isMaskedArray(value):
            return masked_hash(value, of)
        return ndarray_hash(np.asarray(value), of)

    def encode(self, value: Any) -> Encoded:
        masked = np.ma.isMaskedArray(value)
        details: dict[str, Any] = (
            {
                "masked": True,
                "hard": bool(value.hardmask),
                "bare": np.ma.getmask(value) is np.ma.nomask,
            }
            if masked
            else {}
        )
        data = value.data if masked else np.asarray(value)
        pickled = False
        if data.dtype.hasobject or data.dtype.kind == "T" or not _npy_exact(data.dtype):
            parts, pickled = _object_parts(data, details)
        else:
            parts = {"value.npy": npy(data)}
            details["layout"] = [data.dtype.str, "F" if data.flags.fnc else "C"]
        if masked:
            if "objects" in details:
                from linea.values.objects import PICKLE

                return PICKLE.encode(value)
            parts["mask.npy"] = (
                npy(np.ma.getmask(value)) if np.ma.getmask(value) is not np.ma.nomask else b""
            )
            if value._fill_value is not None:  # else it is the default of the dtype
                parts["fill.npy"] = to_npy(np.asarray(value._fill_value))
        return codec.build(
            value,
            kind="array",
            codec="array",
            parts=parts,
            text=("masked " if masked else "") + describe(data),
            summary={"shape": list(data.shape), "dtype": str(data.dtype)},
            details=details,
            pickled=pickled,
            preview=drawn(lambda: picture(value), "array"),
        )

    def decode(self, record: ValueRecord, read: Parts, choice: Choice = ALL) -> object:
        details = record.details
        if choice.rows is not None:
            if not details.get("masked") and "objects" not in details:
                return rows_of(read, "value.npy", *choice.rows)
            whole: Any = self.decode(record, read)
            return whole[slice(*choice.rows)]
        if "objects" in details:
            data = _object_array(record, read)
        else:
            data = from_pieces(read.filling("value.npy"))
        if not details.get("masked"):
            return data
        mask = read("mask.npy")
        fill = from_npy(read("fill.npy")) if "fill.npy" in read else None
        return np.ma.MaskedArray(
            data,
            mask=from_npy(mask) if mask else np.ma.nomask,
            fill_value=None if fill is None else fill[()],
            hard_mask=details["hard"],
        )

    def export(
        self,
        record: ValueRecord,
        read: Parts,
        stem: str,
        format: str | None,
        choice: Choice = ALL,
    ) -> dict[str, bytes]:
        if format == "json":
            whole: Any = self.decode(record, read, choice)
            return {f"{stem}.json": jsons.dumps(whole.tolist(), default=str).encode()}
        if format == "csv":
            out = io.StringIO()
            array = np.atleast_1d(np.asarray(self.decode(record, read, choice)))
            if array.ndim > 2:
                raise UnstorableError(
                    f"an array of {array.ndim} dimensions can't be written as csv",
                    hint="use npy or json",
                )
            np.savetxt(out, array, delimiter=",", fmt="%s")
            return {f"{stem}.csv": out.getvalue().encode()}
        if choice.rows is not None:
            return {f"{stem}.npy": to_npy(np.asarray(self.decode(record, read, choice)))}
        names = {
            "value.npy": f"{stem}.npy",
            "value.json": f"{stem}.json",
            "value.pkl": f"{stem}.pkl",
        }
        return {names.get(p.path, f"{stem}.{p.path}"): read(p.path) for p in record.parts}


def _npy_exact(dtype: np.dtype[Any]) -> bool:
    try:
        spelled = np.lib.format.dtype_to_descr(dtype)
    except ValueError:
        return False  # fields that overlap
    return np.lib.format.descr_to_dtype(spelled) == dtype and not dtype.metadata


def _object_parts(data: Any, details: dict[str, Any]) -> tuple[dict[str, Payload], bool]:
    items = data.ravel().tolist() if data.dtype.names is None else None
    if items is not None and data.dtype == object:
        details |= {"objects": "json", "shape": list(data.shape), "fortran": bool(data.flags.fnc)}
        try:
            return {"value.json": plain.dump(items)}, False
        except plain.NotPlain:
            pass
    if items is not None and data.dtype.kind == "T" and repr(data.dtype) == "StringDType()":
        details |= {"objects": "texts", "shape": list(data.shape), "fortran": bool(data.flags.fnc)}
        return {"value.json": plain.dump(items)}, False
    from linea.values.objects import pickle

    details["objects"] = "pickle"
    return {
        "value.pkl": pickle(
            np.array(data, copy=True, order="K") if type(data) is not np.ndarray else data
        )
    }, True


def _object_array(record: ValueRecord, read: Parts) -> Any:
    details = record.details
    if details["objects"] == "pickle":
        from linea.values.objects import unpickle

        return unpickle(read("value.pkl"), record)
    items = plain.from_json(jsons.loads(read("value.json")))
    dtype: Any = np.dtypes.StringDType() if details["objects"] == "texts" else object  # type: ignore[attr-defined,unused-ignore]
    flat = np.empty(len(items), dtype=dtype)
    for index, item in enumerate(items):
        flat[index] = item
    return np.array(flat.reshape(details["shape"]), order="F" if details["fortran"] else "C")


MEMBERS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
}
"""The arrays that make up a sparse matrix, by format; any other goes by coordinates."""


class SparseCodec:
    """scipy sparse matrices and arrays: their own arrays as npy parts."""

    def members(self, value: Any) -> dict[str, Any]:
        """Return the arrays that make up a sparse matrix."""
        if value.format in MEMBERS:
            return {m: getattr(value, m) for m in MEMBERS[value.format]}
        plain_form = value if value.format == "coo" else value.tocoo()
        if value.format == "dok":  # in the order of its dict
            places = np.array(list(value.keys()), np.int64).reshape(-1, len(value.shape))
            data = np.fromiter(value.values(), value.dtype, len(value))
            return {"data": data, **{f"coord{i}": c for i, c in enumerate(places.T)}}
        coords = getattr(plain_form, "coords", None) or (plain_form.row, plain_form.col)
        return {"data": plain_form.data, **{f"coord{i}": c for i, c in enumerate(coords)}}

    def digest(self, value: Any, of: Of) -> bytes:
        parts: list[bytes] = []
        members = self.members(value)
        if value.format == "dok":  # a dict whose order doesn't count
            order = np.lexsort([members[m] for m in members if m != "data"])
            members = {member: array[order] for member, array in members.items()}
        for member, array in members.items():
            # scipy picks the width of the indices by itself.
            found = ndarray_hash(array, of) if member == "data" else wide_hash(array)
            parts += [member.encode(), found]
        shape = b"".join(map(number, value.shape))
        return join("sparse", _family(value).encode(), value.format.encode(), shape, *parts)

    def encode(self, value: Any) -> Encoded:
        members = self.members(value)
        if (
            any(a.dtype.hasobject for a in members.values())
            or type(value).__module__.partition(".")[0] != "scipy"
        ):
            from linea.values.objects import PICKLE

            return PICKLE.encode(value)
        shape = " × ".join(f"{n:,}" for n in value.shape)
        of_coordinates = value.format == "coo"
        return codec.build(
            value,
            kind="array",
            codec="sparse",
            parts={f"{member}.npy": npy(array) for member, array in members.items()},
            text=f"sparse {value.dtype} {value.format} {shape}, {value.nnz:,} stored",
            summary={
                "shape": list(value.shape),
                "dtype": str(value.dtype),
                "format": value.format,
                "stored": int(value.nnz),
            },
            details={
                "class": type(value).__name__,
                "shape": list(value.shape),
                "members": list(members),
                "format": value.format,
                "dtypes": [array.dtype.str for array in members.values()],
                **({"canonical": bool(value.has_canonical_format)} if of_coordinates else {}),
            },
            preview=drawn(lambda: _sparse_picture(value), "sparse array"),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        import scipy.sparse

        details = record.details
        if details["class"] not in scipy.sparse.__all__:
            raise UnstorableError(f"scipy has no sparse class {details['class']!r}")
        kind = getattr(scipy.sparse, details["class"])
        shape = tuple(details["shape"])
        arrays = {
            member: from_pieces(read.filling(f"{member}.npy")) for member in details["members"]
        }
        if details["format"] in MEMBERS:
            value = kind(tuple(arrays.values()), shape=shape)
            for member, array in arrays.items():
                setattr(value, member, array)
            return value
        coords = tuple(arrays[m] for m in details["members"] if m != "data")
        if details["format"] == "dok":
            return _dok(kind(shape, dtype=arrays["data"].dtype), coords, arrays["data"])
        coo = (
            scipy.sparse.coo_array
            if details["class"].endswith("_array")
            else scipy.sparse.coo_matrix
        )
        value = coo((arrays["data"], coords), shape=shape)
        if details["format"] != "coo":
            return kind(value)
        value.has_canonical_format = details.get("canonical", False)
        return value

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        import scipy.sparse

        value: Any = self.decode(record, read)
        out = io.BytesIO()
        scipy.sparse.save_npz(
            out, value if value.format in ("csr", "csc", "bsr", "dia", "coo") else value.tocoo()
        )
        return {f"{stem}.npz": out.getvalue()}


def _dok(value: Any, coords: tuple[Any, ...], data: Any) -> Any:
    """Put elements into an empty matrix that is a dict of them, zeros too."""
    keys = (
        coords[0].tolist() if len(coords) == 1 else zip(*(c.tolist() for c in coords), strict=True)
    )
    dict.update(getattr(value, "_dict", value), zip(keys, data, strict=True))
    return value


def _sparse_picture(value: Any) -> str:
    """Return a sparse matrix's own text; where that would copy much of it, that of its beginning."""
    if value.nnz <= SHOWN:
        return str(value)[:4000]
    if value.format != "csr":
        return repr(value)
    lines = str(value[: _rows_of(value.indptr)]).splitlines()
    return "\n".join([repr(value), *lines[1:]])[:4000]


SHOWN = 10_000
"""Elements of a sparse matrix that is shown as a whole."""


def _rows_of(starts: np.ndarray[Any, Any]) -> int:
    """Return how many rows have what a preview shows."""
    return min(len(starts) - 1, int(np.searchsorted(starts, starts.dtype.type(20))) + 1)


def _family(value: Any) -> str:
    return "array" if type(value).__name__.endswith("_array") else "matrix"


ARRAY, SPARSE = ArrayCodec(), SparseCodec()
