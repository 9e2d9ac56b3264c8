"""Drafts as `linea.save` makes them, with fixed clocks and digests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import xxhash

from linea.model import (
    ArtifactName,
    Column,
    Digest,
    Draft,
    Encoded,
    Environment,
    InputFile,
    Origin,
    Package,
    Part,
    Preview,
    ValueRecord,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))


def clock() -> datetime:
    """The time at which all tests happen."""
    return NOON.astimezone(UTC)


def digest(data: bytes) -> Digest:
    """A digest of the right form."""
    return Digest("xxh3:1:" + xxhash.xxh3_128_hexdigest(data))


def encoded(*parts: tuple[str, bytes], **record: Any) -> Encoded:
    """A value of these parts."""
    files = dict(parts)
    facts: dict[str, Any] = {
        "kind": "table",
        "type": "pandas.DataFrame",
        "digest": digest(b"".join(files.values())),
        "codec": "table",
        "parts": tuple(Part(path, len(data), digest(data)) for path, data in files.items()),
        "columns": (Column("a", "int64", digest(b"a"), 1), Column("ø", "string", digest(b"o"))),
        "summary": {"rows": 3, "text": "3 rows × 2 columns"},
        "details": {"index": None, "nested": {"x": [1, 2.5, "three"]}},
    }
    return Encoded(ValueRecord(**{**facts, **record}), files, Preview("text/plain", b"a b\n1 2\n"))


def draft(name: str = "features", data: bytes = b"1,2\n", **changes: Any) -> Draft:
    """A draft of `name` whose value is one part that holds `data`."""
    fields: dict[str, Any] = {
        "name": ArtifactName(name),
        "code": "import pandas as pd\ndf = pd.read_csv('in.csv')\n",
        "session": "import pandas as pd\nprint('hello')\ndf = pd.read_csv('in.csv')\n",
        "value": encoded(("data.parquet", data)),
        "author": "Ada Lovelace <ada@example.org>",
        "created": NOON,
        "inputs": (InputFile("in.csv", digest(b"in"), 2),),
        "environment": Environment("3.11.7", "linux", (Package("pandas", "3.1.1"),)),
        "result": "df",
        "lines": (Origin("a.py", 1), Origin("a.py", 3)),
        "source": "a.py",
        "seconds": 0.25,
    }
    return Draft(**{**fields, **changes})
