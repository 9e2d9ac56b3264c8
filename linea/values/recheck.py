"""A stored value and what its manifest says of it → where the two differ."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from linea.errors import LineaError, NewerStoreError
from linea.model import Encoded, ReadPart, Unchecked, ValueRecord
from linea.values import codec

_TOLD = ("kind", "type", "digest", "columns", "pickled", "stable")
_DECODED_AS_OTHERS = frozenset({"arrow-stream", "file", "folder"})
"""Codecs whose values come back as something else than what was saved."""


def recheck(record: ValueRecord, read: ReadPart, *, trusted: bool = False) -> Iterator[str]:
    """Load a value, and say what the manifest tells of it that isn't so.

    A pickled one, whose code would run, only if it is `trusted`; its parts are what can be checked
    of it otherwise. Of that, and of a value whose codec or library isn't there, it says that it is
    Unchecked.
    """
    if record.codec in _DECODED_AS_OTHERS:
        return
    if record.pickled and not trusted:
        yield Unchecked("it is pickled, and loading it runs code: linea fsck --strict --trust")
        return
    try:
        again = _again(record, read, trusted)
    except ImportError as error:
        yield Unchecked(f"{error.name or error} isn't installed")
        return
    except NewerStoreError as error:
        yield Unchecked(error.message)
        return
    except LineaError as error:
        yield f"its value can't be read: {error.message}"
        return
    except Exception as error:
        # What libraries raise on parts that lie.
        yield f"its value can't be read: {type(error).__name__}: {error}"
        return
    yield from _differences(record, again.record)


def _again(record: ValueRecord, read: ReadPart, trusted: bool) -> Encoded:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return codec.encode(codec.decode(record, read, trusted=trusted))


def _differences(said: ValueRecord, real: ValueRecord) -> Iterator[str]:
    stable = said.stable and real.stable
    for name in _TOLD:
        a, b = getattr(said, name), getattr(real, name)
        if a == b or (name in ("digest", "columns") and not stable):
            continue
        if name == "type" and a.rpartition(".")[2] == b.rpartition(".")[2]:
            continue  # libraries move their classes
        if name == "columns":
            yield from _columns(said, real)
        else:
            yield f"its {name} is {b}, not {a} as the manifest says"
    for key in sorted({"rows", "columns", "shape", "dtype", "length"} & said.summary.keys()):
        a, b = said.summary[key], real.summary.get(key)
        if _plain(a) != _plain(b):
            yield f"its {key} are {b}, not {a} as the manifest says"


def _columns(said: ValueRecord, real: ValueRecord) -> Iterator[str]:
    names = [column.name for column in real.columns]
    if names != [column.name for column in said.columns]:
        yield "its columns are others than the manifest says"
        return
    for a, b in zip(said.columns, real.columns, strict=True):
        if a.digest != b.digest:
            yield f"the digest of its column {a.name!r} isn't the one in the manifest"
        if a.nulls != b.nulls:
            yield f"its column {a.name!r} has {b.nulls} nulls, not {a.nulls} as the manifest says"
        if a.type != b.type:
            yield f"its column {a.name!r} is {b.type}, not {a.type} as the manifest says"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
