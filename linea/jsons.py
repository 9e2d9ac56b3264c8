"""Plain data ⇄ JSON text, whatever the user's program has done to the `json` module meanwhile."""

from __future__ import annotations

from json import JSONDecoder, JSONEncoder, detect_encoding
from typing import Any

_ENCODE, _DECODE = JSONEncoder().encode, JSONDecoder().decode


def dumps(value: Any, **options: Any) -> str:
    """As `json.dumps` is when nobody has replaced it."""
    return JSONEncoder(**options).encode(value) if options else _ENCODE(value)


def loads(text: str | bytes | bytearray) -> Any:
    """As `json.loads` is when nobody has replaced it."""
    if not isinstance(text, str):
        text = text.decode(detect_encoding(text), "surrogatepass")
    return _DECODE(text)
