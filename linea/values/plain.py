"""Plain Python data ⇄ JSON: as it is where JSON is exact, else with tagged objects.

A tagged object has the key `~`, which names the type, and `v`, its content.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

from linea import jsons
from linea.errors import DamagedStoreError, NewerStoreError
from linea.model import Encoded, Payload, ValueRecord
from linea.values import codec
from linea.values.digest import Of, finish, of_value, text_bytes
from linea.values.parts import Parts, byte_stream
from linea.values.preview import count, drawn, show, text_preview

TAG = "~"
SAFE_INT = 1 << 63
DEPTH = 200
NODES = 50_000_000
BLOCK = 1 << 16
"""Items of a long list that are written at a time."""
LEAF = "value"
"""The tag of what another codec has written."""
CONTAINERS = frozenset({list, dict, tuple, set, frozenset, bytearray})
UNCHANGEABLE = frozenset({tuple, frozenset})


class NotPlain(Exception):
    """The value holds something that JSON can't say exactly."""


Leaf = Callable[[Any], Any]


class Writer:
    """Values → what `json.dumps` writes exactly; `leaf` is asked about what isn't plain.

    A list or dict that stands in two places isn't plain, be it empty: JSON would make two of it.
    """

    def __init__(self, leaf: Leaf | None = None) -> None:
        self._leaf = leaf
        self._depth = 0
        self._nodes = 0
        self._seen: dict[int, object] = {}

    def __call__(self, value: Any) -> Any:
        """Return the JSON form of a value; raise NotPlain where there is none."""
        kind = type(value)
        if kind is str:
            return _text(value)
        if kind is bool or value is None:
            return value
        writer = WRITERS.get(kind)
        if writer is None:
            if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
                with contextlib.suppress(NotPlain):
                    return _numpy(value)
            if self._leaf is None:
                raise NotPlain
            return self._leaf(value)
        if kind not in CONTAINERS:
            return writer(value, self)
        self._enter(value, kind)
        written = writer(value, self)
        self._depth -= 1
        return written

    def _enter(self, value: Any, kind: type) -> None:
        self._depth += 1
        self._nodes += len(value)
        if self._depth > DEPTH or self._nodes > NODES:
            raise NotPlain
        if kind not in UNCHANGEABLE:
            if id(value) in self._seen:
                raise NotPlain
            self._seen[id(value)] = value


def to_json(value: object) -> Any:
    """Return a value as what `json.dumps` writes exactly; raise NotPlain where there is none."""
    return Writer()(value)


def from_json(data: Any, leaf: Leaf | None = None) -> Any:
    """Return the value that `to_json` was given; `leaf` reads what its own leaf wrote."""
    if type(data) is list:
        return [from_json(item, leaf) for item in data]
    if type(data) is not dict:
        return data
    tag = data.get(TAG)
    if tag is None:
        return {key: from_json(item, leaf) for key, item in data.items()}
    if tag == LEAF and leaf is not None:
        return leaf(data["v"])
    if tag not in READERS:
        raise NewerStoreError(f"plain data of the unknown kind {tag!r}", hint="update linea")
    return READERS[tag](data, lambda inner: from_json(inner, leaf))


def dump(value: object) -> bytes:
    """Return the JSON bytes of a value that is plain."""
    return dump_json(to_json(value))


def dumped(items: list[Any], label: str) -> Payload:
    """Return the JSON bytes of a list that is plain; those of a long one are made bit by bit."""
    kinds = set(map(type, items))
    if len(items) <= BLOCK or not kinds <= {str, int, float, bool, type(None)}:
        return dump(items)  # what stands in it twice shows in the whole only

    def blocks() -> Iterator[bytes]:
        for at in range(0, len(items), BLOCK):
            yield (b"," if at else b"[") + dump(items[at : at + BLOCK])[1:-1]
        yield b"]"

    return byte_stream(blocks, 8 * len(items), label=label)


def dump_json(data: Any) -> bytes:
    """Return JSON bytes: UTF-8, one line, keys in their order."""
    return jsons.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------- writing


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        raw = value.encode("utf-16-le", "surrogatepass")
        if raw.decode("utf-16-le", "surrogatepass") == value:
            return _tagged("str", _base64(raw))
        # Two halves of a character are that character in UTF-16.
        return _tagged("text", _base64(text_bytes(value)))
    return value


def _tagged(tag: str, content: Any, **more: Any) -> dict[str, Any]:
    return {TAG: tag, "v": content, **more}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _int(value: int, _: Leaf) -> Any:
    # Beyond 64 bits other programs lose digits, and Python refuses to parse very long ones.
    return value if -SAFE_INT <= value < SAFE_INT else _tagged("int", hex(value))


def _float(value: float) -> Any:
    return value if abs(value) < float("inf") else _tagged("float", repr(value))


def _dict(value: dict[Any, Any], write: Leaf) -> Any:
    if TAG not in value and all(type(key) is str and isinstance(_text(key), str) for key in value):
        return {key: write(item) for key, item in value.items()}
    return _tagged("dict", [[write(key), write(item)] for key, item in value.items()])


def _sequence(tag: str) -> Callable[[Any, Leaf], Any]:
    return lambda value, write: _tagged(tag, [write(item) for item in value])


def _set(tag: str) -> Callable[[Any, Leaf], Any]:
    return lambda value, write: _tagged(tag, [write(item) for item in sorted(value, key=of_value)])


def _time(tag: str) -> Callable[[Any, Leaf], Any]:
    def write_time(value: Any, write: Leaf) -> Any:
        more: dict[str, Any] = {"fold": 1} if value.fold else {}
        if value.tzinfo is not None:
            more["tz"] = write(value.tzinfo)
        return _tagged(tag, value.replace(tzinfo=None, fold=0).isoformat(), **more)

    return write_time


def _timezone(value: datetime.timezone, _: Leaf) -> Any:
    micro = value.utcoffset(None) // datetime.timedelta(microseconds=1)
    label = value.__getinitargs__()[1:]  # type: ignore[attr-defined]
    return _tagged("offset", micro, **({"name": label[0]} if label else {}))


def _zone(value: ZoneInfo, _: Leaf) -> Any:
    if not value.key:
        raise NotPlain
    return _tagged("zone", value.key)


def _uuid(value: uuid.UUID, _: Leaf) -> Any:
    if value.is_safe is not uuid.SafeUUID.unknown:
        raise NotPlain
    return _tagged("uuid", str(value))


def _numpy(value: Any) -> Any:
    import numpy as np

    if (
        not isinstance(value, np.generic)
        or value.dtype.hasobject
        or type(value) is not value.dtype.type
    ):
        raise NotPlain
    if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return _tagged("numpy", to_json(value.item()), dtype=value.dtype.str)
    if value.dtype.kind in "mMcSU":
        little = value.dtype.newbyteorder("<")
        return _tagged(
            "numpy", _base64(np.asarray(value).astype(little).tobytes()), dtype=little.str, raw=True
        )
    raise NotPlain


WRITERS: Mapping[type, Callable[[Any, Leaf], Any]] = {
    int: _int,
    float: lambda value, _: _float(value),
    list: lambda value, write: [write(item) for item in value],
    dict: _dict,
    tuple: _sequence("tuple"),
    set: _set("set"),
    frozenset: _set("frozenset"),
    bytes: lambda value, _: _tagged("bytes", _base64(value)),
    bytearray: lambda value, _: _tagged("bytearray", _base64(value)),
    complex: lambda value, _: _tagged("complex", [_float(value.real), _float(value.imag)]),
    datetime.date: lambda value, _: _tagged("date", value.isoformat()),
    datetime.datetime: _time("datetime"),
    datetime.time: _time("time"),
    datetime.timedelta: lambda v, _: _tagged("timedelta", [v.days, v.seconds, v.microseconds]),
    datetime.timezone: _timezone,
    ZoneInfo: _zone,
    decimal.Decimal: lambda value, _: _tagged("decimal", str(value)),
    uuid.UUID: _uuid,
    range: lambda v, _: _tagged("range", [v.start, v.stop, v.step]),
    slice: lambda v, write: _tagged("slice", [write(x) for x in (v.start, v.stop, v.step)]),
    PosixPath: lambda value, _: _tagged("path", _text(str(value))),
    PurePosixPath: lambda value, _: _tagged("posix-path", _text(str(value))),
    PureWindowsPath: lambda value, _: _tagged("windows-path", _text(str(value))),
    type(...): lambda *_: _tagged("ellipsis", None),
}
"""The plain types beyond None, bool and str, each with how it is written."""


# ------------------------------------------------------------------------------------- reading


def _bytes_of(data: Any) -> bytes:
    return base64.b64decode(data["v"])


def _read_time(kind: Any) -> Callable[[Any, Leaf], Any]:
    def read_time(data: Any, read: Leaf) -> Any:
        zone = read(data["tz"]) if "tz" in data else None
        return kind.fromisoformat(data["v"]).replace(tzinfo=zone, fold=data.get("fold", 0))

    return read_time


def _read_timezone(data: Any, _: Leaf) -> datetime.timezone:
    offset = datetime.timedelta(microseconds=data["v"])
    if "name" in data:
        return datetime.timezone(offset, data["name"])
    return datetime.timezone(offset) if offset else datetime.UTC


def _read_numpy(data: Any, read: Leaf) -> Any:
    import numpy as np

    dtype = np.dtype(data["dtype"])
    if data.get("raw"):
        return np.frombuffer(_bytes_of(data), dtype=dtype)[0] if dtype.itemsize else dtype.type()
    return dtype.type(read(data["v"]))


READERS: Mapping[str, Callable[[Any, Leaf], Any]] = {
    "str": lambda data, _: _bytes_of(data).decode("utf-16-le", "surrogatepass"),
    "text": lambda data, _: _bytes_of(data).decode("utf-8", "surrogatepass"),
    "int": lambda data, _: int(data["v"], 16),
    "float": lambda data, _: float(data["v"]),
    "dict": lambda data, read: {read(key): read(item) for key, item in data["v"]},
    "tuple": lambda data, read: tuple(map(read, data["v"])),
    "set": lambda data, read: set(map(read, data["v"])),
    "frozenset": lambda data, read: frozenset(map(read, data["v"])),
    "bytes": lambda data, _: _bytes_of(data),
    "bytearray": lambda data, _: bytearray(_bytes_of(data)),
    "complex": lambda data, read: complex(*map(read, data["v"])),
    "date": lambda data, _: datetime.date.fromisoformat(data["v"]),
    "datetime": _read_time(datetime.datetime),
    "time": _read_time(datetime.time),
    "timedelta": lambda data, _: datetime.timedelta(*data["v"]),
    "offset": _read_timezone,
    "zone": lambda data, _: ZoneInfo(data["v"]),
    "decimal": lambda data, _: decimal.Decimal(data["v"]),
    "uuid": lambda data, _: uuid.UUID(data["v"]),
    "range": lambda data, _: range(*data["v"]),
    "slice": lambda data, read: slice(*map(read, data["v"])),
    "path": lambda data, read: PosixPath(read(data["v"])),
    "posix-path": lambda data, read: PurePosixPath(read(data["v"])),
    "windows-path": lambda data, read: PureWindowsPath(read(data["v"])),
    "ellipsis": lambda *_: ...,
    "numpy": _read_numpy,
}


# -------------------------------------------------------------------------------------- codecs


def one_line(value: Any) -> str:
    """Return the one line that says what a plain value is."""
    if isinstance(value, list | tuple | set | frozenset | dict | range):
        return f"{type(value).__name__} of {len(value):,}"
    text = " ".join(show(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


class JsonCodec:
    """Plain data as one JSON part; tables and arrays in it have parts of their own."""

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: Any) -> Encoded:
        members: list[ValueRecord] = []
        parts: dict[str, Payload] = {}
        known: dict[int, int] = {}

        def member(inner: Any) -> Any:
            if id(inner) in known:  # it is the same in both places, and will be
                return _tagged(LEAF, known[id(inner)])
            encoded = _encode_member(inner)
            known[id(inner)] = len(members)
            at = f"members/{len(members)}/"
            parts.update({at + path: data for path, data in encoded.parts.items()})
            members.append(encoded.record)
            return _tagged(LEAF, len(members) - 1)

        data = dump_json(Writer(member)(value))
        length = len(value) if hasattr(value, "__len__") else None
        return codec.build(
            value,
            kind="data",
            codec="json",
            parts={"value.json": data, **parts},
            text=one_line(value),
            summary={} if length is None else {"length": length},
            details={"members": [_member_form(record) for record in members]} if members else {},
            preview=drawn(lambda: show(value), "value"),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        known: dict[int, object] = {}

        def member(index: int) -> Any:
            if index not in known:
                inner, read_inner = _member(record, read, index)
                known[index] = codec.load(inner.codec).decode(inner, read_inner)
            return known[index]

        return from_json(jsons.loads(read("value.json")), member)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        data = read("value.json")
        members = record.details.get("members", ())
        if not members:
            return {f"{stem}.json": data}
        files = {f"{stem}/value.json": data}
        for index in range(len(members)):
            inner, read_inner = _member(record, read, index)
            files |= codec.load(inner.codec).export(inner, read_inner, f"{stem}/{index}", format)
        return files


MEMBER_CODECS = frozenset({"pandas", "polars", "arrow", "array", "sparse", "image"})
"""Codecs of values that plain data may hold without being pickled as a whole."""


def _encode_member(value: Any) -> Encoded:
    known = codec.codec_name(type(value))
    if known not in MEMBER_CODECS or hasattr(value, "as_py"):
        raise NotPlain  # a list may have very many scalars of Arrow, each a part then
    encoded = codec.load(known).encode(value)
    if encoded.record.pickled:
        raise NotPlain
    return encoded


def _member(record: ValueRecord, read: Parts, index: int) -> tuple[ValueRecord, Parts]:
    """Return the record and the parts of a value that plain data holds."""
    at = f"members/{index}/"
    parts = [part for part in record.parts if part.path.startswith(at)]
    own = tuple(replace(part, path=part.path.removeprefix(at)) for part in parts)
    form = record.details["members"][index]
    if form["codec"] not in MEMBER_CODECS:
        raise DamagedStoreError(f"plain data can't hold a value of the codec {form['codec']!r}")
    inner = ValueRecord(digest=record.digest, parts=own, **form)
    return inner, read.under(at, inner)


def _member_form(record: ValueRecord) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "type": record.type,
        "codec": record.codec,
        "summary": dict(record.summary),
        "details": dict(record.details),
    }


class TextCodec:
    """A text as UTF-8."""

    def digest(self, value: str, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: str) -> Encoded:
        lines = value.count("\n") + (not value.endswith("\n"))
        return codec.build(
            value,
            kind="text",
            codec="text",
            parts={"value.txt": value.encode("utf-8", "surrogatepass")},
            text=f"text, {count(len(value), 'character')}"
            + (f", {count(lines, 'line')}" if lines > 1 else ""),
            summary={"length": len(value)},
            preview=text_preview(value),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return read("value.txt").decode("utf-8", "surrogatepass")

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.{format or 'txt'}": read("value.txt")}


class BytesCodec:
    """Bytes as they are."""

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: bytes | bytearray) -> Encoded:
        return codec.build(
            value,
            kind="bytes",
            codec="bytes",
            parts={"value.bin": bytes(value)},
            text=count(len(value), "byte"),
            summary={"length": len(value)},
            preview=text_preview(repr(bytes(value[:256]))),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        data = read("value.bin")
        return bytearray(data) if record.type == "bytearray" else data

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.{format or 'bin'}": read("value.bin")}


JSON, TEXT, BYTES = JsonCodec(), TextCodec(), BytesCodec()
