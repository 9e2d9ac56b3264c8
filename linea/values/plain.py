"""Plain Python data ⇄ JSON: as it is where JSON is exact, else with tagged objects.

A tagged object has the key `~`, which names the type, and `v`, its content.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

from linea.model import Encoded, ReadPart, ValueRecord
from linea.values import codec
from linea.values.digest import Of, finish, of_value
from linea.values.preview import count, show, text_preview

TAG = "~"
SAFE_INT = 1 << 63
DEPTH = 200


class NotPlain(Exception):
    """The value holds something that JSON can't say exactly."""


def is_plain(value: object) -> bool:
    """Say whether a value has an exact form in (tagged) JSON."""
    try:
        to_json(value)
    except NotPlain:
        return False
    return True


def to_json(value: object, depth: int = 0) -> Any:
    """Return a value as what `json.dumps` writes exactly; raise NotPlain where there is none."""
    kind = type(value)
    if kind is str:
        return _text(value)  # type: ignore[arg-type]
    if kind is bool or value is None:
        return value
    if depth > DEPTH:
        raise NotPlain
    writer = WRITERS.get(kind)
    if writer is not None:
        return writer(value, depth + 1)
    if kind.__module__ == "numpy":
        return _numpy(value)
    raise NotPlain


def from_json(data: Any) -> Any:
    """Return the value that `to_json` was given."""
    if type(data) is list:
        return [from_json(item) for item in data]
    if type(data) is not dict:
        return data
    tag = data.get(TAG)
    if tag is None:
        return {key: from_json(item) for key, item in data.items()}
    return READERS[tag](data)


def dump(value: object) -> bytes:
    """Return the JSON bytes of a value that is plain."""
    return dump_json(to_json(value))


def dump_json(data: Any) -> bytes:
    """Return JSON bytes: UTF-8, one line, keys in their order."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------- writing


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return _tagged("str", _base64(value.encode("utf-16-le", "surrogatepass")))
    return value


def _tagged(tag: str, content: Any, **more: Any) -> dict[str, Any]:
    return {TAG: tag, "v": content, **more}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _int(value: int, _: int) -> Any:
    # Beyond 64 bits other programs lose digits, and Python refuses to parse very long ones.
    return value if -SAFE_INT <= value < SAFE_INT else _tagged("int", hex(value))


def _float(value: float, _: int) -> Any:
    return value if abs(value) < float("inf") else _tagged("float", repr(value))


def _list(value: list[Any], depth: int) -> Any:
    return [to_json(item, depth) for item in value]


def _dict(value: dict[Any, Any], depth: int) -> Any:
    if TAG not in value and all(type(key) is str and isinstance(_text(key), str) for key in value):
        return {key: to_json(item, depth) for key, item in value.items()}
    return _tagged("dict", [[to_json(k, depth), to_json(v, depth)] for k, v in value.items()])


def _sequence(tag: str) -> Callable[[Any, int], Any]:
    return lambda value, depth: _tagged(tag, [to_json(item, depth) for item in value])


def _set(tag: str) -> Callable[[Any, int], Any]:
    return lambda value, depth: _tagged(
        tag, [to_json(item, depth) for item in sorted(value, key=of_value)]
    )


def _time(tag: str) -> Callable[[Any, int], Any]:
    def write(value: Any, depth: int) -> Any:
        more: dict[str, Any] = {"fold": 1} if value.fold else {}
        if value.tzinfo is not None:
            more["tz"] = to_json(value.tzinfo, depth)
        return _tagged(tag, value.replace(tzinfo=None, fold=0).isoformat(), **more)

    return write


def _timezone(value: datetime.timezone, _: int) -> Any:
    micro = value.utcoffset(None) // datetime.timedelta(microseconds=1)
    label = value.tzname(None)
    plain = datetime.timezone(datetime.timedelta(microseconds=micro)).tzname(None)
    return _tagged("offset", micro, **({} if label == plain else {"name": label}))


def _zone(value: ZoneInfo, _: int) -> Any:
    if not value.key:
        raise NotPlain
    return _tagged("zone", value.key)


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


WRITERS: Mapping[type, Callable[[Any, int], Any]] = {
    int: _int,
    float: _float,
    list: _list,
    dict: _dict,
    tuple: _sequence("tuple"),
    set: _set("set"),
    frozenset: _set("frozenset"),
    bytes: lambda value, _: _tagged("bytes", _base64(value)),
    bytearray: lambda value, _: _tagged("bytearray", _base64(value)),
    complex: lambda value, _: _tagged("complex", [_float(value.real, 0), _float(value.imag, 0)]),
    datetime.date: lambda value, _: _tagged("date", value.isoformat()),
    datetime.datetime: _time("datetime"),
    datetime.time: _time("time"),
    datetime.timedelta: lambda v, _: _tagged("timedelta", [v.days, v.seconds, v.microseconds]),
    datetime.timezone: _timezone,
    ZoneInfo: _zone,
    decimal.Decimal: lambda value, _: _tagged("decimal", str(value)),
    uuid.UUID: lambda value, _: _tagged("uuid", str(value)),
    range: lambda v, _: _tagged("range", [v.start, v.stop, v.step]),
    slice: lambda v, depth: _tagged(
        "slice", [to_json(x, depth) for x in (v.start, v.stop, v.step)]
    ),
    PosixPath: lambda value, _: _tagged("path", _text(str(value))),
    PurePosixPath: lambda value, _: _tagged("posix-path", _text(str(value))),
    PureWindowsPath: lambda value, _: _tagged("windows-path", _text(str(value))),
    type(...): lambda *_: _tagged("ellipsis", None),
}
"""The plain types beyond None, bool and str, each with how it is written."""


# ------------------------------------------------------------------------------------- reading


def _bytes_of(data: Any) -> bytes:
    return base64.b64decode(data["v"])


def _read_time(kind: Any) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        zone = from_json(data["tz"]) if "tz" in data else None
        return kind.fromisoformat(data["v"]).replace(tzinfo=zone, fold=data.get("fold", 0))

    return read


def _read_timezone(data: Any) -> datetime.timezone:
    offset = datetime.timedelta(microseconds=data["v"])
    if "name" in data:
        return datetime.timezone(offset, data["name"])
    return datetime.timezone(offset) if offset else datetime.UTC


def _read_numpy(data: Any) -> Any:
    import numpy as np

    dtype = np.dtype(data["dtype"])
    if data.get("raw"):
        return np.frombuffer(_bytes_of(data), dtype=dtype)[0] if dtype.itemsize else dtype.type()
    return dtype.type(from_json(data["v"]))


READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": lambda data: _bytes_of(data).decode("utf-16-le", "surrogatepass"),
    "int": lambda data: int(data["v"], 16),
    "float": lambda data: float(data["v"]),
    "dict": lambda data: {from_json(k): from_json(v) for k, v in data["v"]},
    "tuple": lambda data: tuple(map(from_json, data["v"])),
    "set": lambda data: set(map(from_json, data["v"])),
    "frozenset": lambda data: frozenset(map(from_json, data["v"])),
    "bytes": _bytes_of,
    "bytearray": lambda data: bytearray(_bytes_of(data)),
    "complex": lambda data: complex(*map(from_json, data["v"])),
    "date": lambda data: datetime.date.fromisoformat(data["v"]),
    "datetime": _read_time(datetime.datetime),
    "time": _read_time(datetime.time),
    "timedelta": lambda data: datetime.timedelta(*data["v"]),
    "offset": _read_timezone,
    "zone": lambda data: ZoneInfo(data["v"]),
    "decimal": lambda data: decimal.Decimal(data["v"]),
    "uuid": lambda data: uuid.UUID(data["v"]),
    "range": lambda data: range(*data["v"]),
    "slice": lambda data: slice(*map(from_json, data["v"])),
    "path": lambda data: PosixPath(from_json(data["v"])),
    "posix-path": lambda data: PurePosixPath(from_json(data["v"])),
    "windows-path": lambda data: PureWindowsPath(from_json(data["v"])),
    "ellipsis": lambda _: ...,
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
    """Plain data as one JSON part."""

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def encode(self, value: Any) -> Encoded:
        length = len(value) if hasattr(value, "__len__") else None
        return codec.build(
            value,
            kind="data",
            codec="json",
            parts={"value.json": dump(value)},
            text=one_line(value),
            summary={} if length is None else {"length": length},
            preview=text_preview(show(value)),
        )

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        return from_json(json.loads(read("value.json")))

    def export(
        self, record: ValueRecord, read: ReadPart, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.json": read("value.json")}


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

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        return read("value.txt").decode("utf-8", "surrogatepass")

    def export(
        self, record: ValueRecord, read: ReadPart, stem: str, format: str | None
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

    def decode(self, record: ValueRecord, read: ReadPart) -> object:
        data = read("value.bin")
        return bytearray(data) if record.type == "bytearray" else data

    def export(
        self, record: ValueRecord, read: ReadPart, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.{format or 'bin'}": read("value.bin")}


JSON, TEXT, BYTES = JsonCodec(), TextCodec(), BytesCodec()
