"""Values ⇄ bytes and digests.

Importing this package loads no data library: each codec is imported when a value of its type
turns up.
"""

from __future__ import annotations

from linea.values.codec import (
    columns_of,
    decode,
    digest,
    encode,
    encode_path,
    export,
    identify,
)
from linea.values.digest import digest_bytes, digest_file
from linea.values.lazy import is_collected
from linea.values.parts import settled
from linea.values.recheck import recheck

__all__ = [
    "columns_of",
    "decode",
    "digest",
    "digest_bytes",
    "digest_file",
    "encode",
    "encode_path",
    "export",
    "identify",
    "is_collected",
    "recheck",
    "settled",
]
