"""What one walk over live objects has seen so far, and the words that all walks share.

Nothing here or in the handlers runs code of the user's classes: objects are taken apart by exact
type, through the base types' own methods.
"""

from __future__ import annotations

import ctypes
import datetime
import decimal
import fractions
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

if TYPE_CHECKING:
    from linea.capture.contents import Contents

# `id` raises an audit event for every call; this gives the same identity without one.
address: Callable[[object], int] = object.__hash__

T = TypeVar("T")


def is_a(value: object, kinds: type[T] | tuple[type[T], ...]) -> TypeGuard[T]:
    """`isinstance` that asks the type only: `__class__` may be the user's own code."""
    return issubclass(type(value), kinds)


ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})

IMMUTABLE = frozenset({
    range, decimal.Decimal, fractions.Fraction, datetime.datetime, datetime.date, datetime.time,
    datetime.timedelta, datetime.timezone, uuid.UUID, re.Pattern, re.Match, type(...),
    type(NotImplemented), types.CodeType, pathlib.PurePosixPath, pathlib.PosixPath,
    pathlib.PureWindowsPath, pathlib.WindowsPath, types.FrameType, types.TracebackType,
    types.GetSetDescriptorType, types.MemberDescriptorType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GenericAlias, types.UnionType, type(ctypes.CDLL(None)) if sys.platform != "win32" else int,
})  # fmt: skip

PATHS = frozenset({
    pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath, pathlib.WindowsPath,
})  # fmt: skip

MAX_KEYS = 50_000
CHUNK = 65_536


class Walk:
    """State of one walk."""

    __slots__ = (
        "blurred", "buffers", "code", "contents", "cut", "deadline", "files", "hides", "hits", "keep", "keys",
        "known", "lazy", "mentions", "modules", "names", "opaque", "packages", "prints", "pyplot", "reads_all",
        "seen", "shares", "spared", "stack", "trees", "weak",
    )  # fmt: skip

    def __init__(
        self,
        deadline: float,
        known: Mapping[int, object],
        buffers: dict[int, int],
        contents: Contents,
        *,
        spared: bool,
    ) -> None:
        self.known = known
        self.buffers = buffers
        self.contents = contents
        self.spared = spared
        """No large buffer known before can have been written to since."""
        self.seen: set[int] = set()
        self.stack: list[object] = []
        self.keep: list[object] = []
        self.prints: dict[int, object] = {}
        self.shares: dict[int, list[int]] = {}
        self.trees: dict[int, list[int]] = {}
        self.keys: set[int] = set()
        self.opaque: set[int] = set()
        self.names: set[str] = set()
        self.mentions: set[str] = set()
        self.packages: set[str] = set()
        self.modules: set[str] = set()
        self.files: set[str] = set()
        self.weak: set[int] = set()
        self.hides: set[str] = set()
        self.hits: dict[int, int] = {}
        self.reads_all = False
        self.pyplot = False
        self.lazy = False
        self.code = False
        """Something was met that can be called, or of a class of the user's own."""
        self.cut = False
        self.blurred = False
        """Something wasn't compared, and counts as changed."""
        self.deadline = deadline

    def blind(self, obj: object) -> None:
        """Take `obj` as something whose content can't be seen."""
        key = address(obj)
        self.keys.add(key)
        self.opaque.add(key)


Handler = Callable[[Any, Walk], object]


def module_of(kind: type) -> str:
    module = type.__getattribute__(kind, "__module__")
    return module if isinstance(module, str) else ""


def qualname(kind: type) -> str:
    name: str = type.__getattribute__(kind, "__qualname__")
    return name
