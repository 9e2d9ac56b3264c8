"""Plain data → YAML that people read."""

from __future__ import annotations

import json
import re
from typing import Any

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*( [\w./-]+)*$")
RESERVED = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"])


def dump(value: Any, columns: int = 0) -> str:
    """Write dictionaries, lists and scalars as YAML blocks."""
    pad = " " * columns
    lines = []
    if isinstance(value, dict):
        for key, inner in value.items():
            lines.append(pair(f"{pad}{scalar(key)}:", inner, columns + 2))
    else:
        for inner in value:
            if isinstance(inner, (dict, list)) and inner:
                lines.append(f"{pad}- {dump(inner, columns + 2).lstrip()}")
            else:
                lines.append(f"{pad}- {scalar(inner)}")
    return "\n".join(lines)


def pair(head: str, value: Any, columns: int) -> str:
    if isinstance(value, (dict, list)) and value:
        return f"{head}\n{dump(value, columns)}"
    if isinstance(value, str) and "\n" in value.strip("\n") and printable(value):
        body = value.rstrip("\n").split("\n")
        return "\n".join([f"{head} |", *(" " * columns + line if line else "" for line in body)])
    return f"{head} {scalar(value)}"


def printable(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n")) and not text.startswith((" ", "\n"))


def scalar(value: Any) -> str:
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and value.lower() not in RESERVED:
            return value
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
