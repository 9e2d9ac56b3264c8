"""Live objects → what each global name can reach, and fingerprints that show what changed.

Every mutable object gets a *print*: a fingerprint of its own, shallow content in which other
mutable objects stand by address. A name's *reach* is the set of mutable objects (and shared
buffers) below it. An object whose print differs after a statement was changed by it, and with it
every name whose reach holds the object (Kishu, VLDB 2025, calls such names co-variables).

Nothing here runs code of the user's classes: objects are taken apart by exact type, through the
base types' own methods. Addresses are kept, never references, so that nothing lives longer
because it is watched. An address that is used again by a new object is no danger: prints hold
the type and the content, so either they differ, or the two can't be told apart by the program.
"""

from __future__ import annotations

import array
import collections
import ctypes
import datetime
import decimal
import enum
import fractions
import functools
import gc
import io
import itertools
import marshal
import pathlib
import re
import sys
import time
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from xxhash import xxh3_64, xxh3_64_intdigest

from linea.capture.source import CODE_IN_TEXT, CodeNames, identifiers

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
    weakref.ref, types.GetSetDescriptorType, types.MemberDescriptorType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GenericAlias, types.UnionType, type(ctypes.CDLL(None)) if sys.platform != "win32" else int,
})  # fmt: skip

PATHS = frozenset({
    pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath, pathlib.WindowsPath,
})  # fmt: skip

MAX_KEYS = 50_000
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached from one name."""

    keys: frozenset[int] = frozenset()
    """Addresses of the mutable objects and buffers below it."""
    opaque: frozenset[int] = frozenset()
    """Those of `keys` whose content can't be seen."""
    names: frozenset[str] = frozenset()
    """Global names that functions below it read when they are called."""
    mentions: frozenset[str] = frozenset()
    """Attribute names in the code of those functions."""
    packages: frozenset[str] = frozenset()
    """Top-level packages that types of the objects below it come from."""
    modules: frozenset[str] = frozenset()
    """Dotted names of modules below it."""
    files: frozenset[str] = frozenset()
    """Paths that open handles below it stand for."""
    reads_all: bool = False
    """A function below it can read any global name (`eval`, `globals` …)."""
    pyplot: bool = False
    """A matplotlib artist is below it."""
    cut: bool = False
    """Too large to be walked whole: unknown objects may be below it."""


NOTHING = Reach()


class _Walk:
    """State of one walk."""

    __slots__ = (
        "cut", "deadline", "files", "keep", "keys", "mentions", "modules", "names", "opaque",
        "packages", "prints", "pyplot", "reads_all", "seen", "shares", "stack",
    )  # fmt: skip

    def __init__(self, deadline: float) -> None:
        self.seen: set[int] = set()
        self.stack: list[object] = []
        self.keep: list[object] = []
        self.prints: dict[int, object] = {}
        self.shares: dict[int, list[int]] = {}
        self.keys: set[int] = set()
        self.opaque: set[int] = set()
        self.names: set[str] = set()
        self.mentions: set[str] = set()
        self.packages: set[str] = set()
        self.modules: set[str] = set()
        self.files: set[str] = set()
        self.reads_all = False
        self.pyplot = False
        self.cut = False
        self.deadline = deadline

    def blind(self, obj: object) -> None:
        """Take `obj` as something whose content can't be seen."""
        key = address(obj)
        self.keys.add(key)
        self.opaque.add(key)


Handler = Callable[[Any, _Walk], object]


class Graph:
    """Prints of the objects that global names reach."""

    def __init__(self, namespace: dict[str, Any], is_user_module: Callable[[str], bool]) -> None:
        self.namespace = namespace
        self.is_user_module = is_user_module
        self.reach: dict[str, Reach] = {}
        self.prints: dict[int, object] = {}
        self.owners: dict[int, set[str]] = {}
        self.links: dict[str, set[int]] = {}
        self._types: dict[type, _TypeInfo] = {}
        self._codes: dict[types.CodeType, CodeNames] = {}

    def walk(self, values: Iterable[object], deadline: float) -> _Walk:
        """Walk everything below `values`."""
        walk = _Walk(deadline)
        stack = walk.stack
        stack.extend(values)
        seen = walk.seen
        infos = self._types
        count = 0
        while stack:
            obj = stack.pop()
            kind = type(obj)
            if kind in ATOMS:
                continue
            key = address(obj)
            if key in seen:
                continue
            seen.add(key)
            info = infos.get(kind)
            if info is None:
                info = infos[kind] = self._classify(kind)
            if info.package:
                walk.packages.add(info.package)
            count += 1
            if info.handler is not None:
                try:
                    shape = info.handler(obj, walk)
                except Exception:
                    shape = None
                    walk.blind(obj)
                if shape is not None:
                    walk.keys.add(key)
                    walk.prints[key] = (info.name, shape)
            if info.user:
                stack.append(kind)
            if not count & 255 and (
                len(walk.keys) > MAX_KEYS or time.thread_time() > walk.deadline
            ):
                walk.cut = True
                break
        return walk

    # -------------------------------------------------------------------------------- names

    def look(self, name: str, deadline: float) -> tuple[set[int], _Walk | None]:
        """Walk the value of `name` anew; give the keys whose prints differ from those known."""
        value = self.namespace.get(name, None)
        kind = type(value)
        if kind in ATOMS or kind in IMMUTABLE:
            self.forget(name)
            return set(), None
        walk = self.walk([value], deadline)
        return self.adopt(name, walk), walk

    def adopt(self, name: str, walk: _Walk) -> set[int]:
        """Take the result of a walk over the value of `name`; give the keys that changed."""
        changed: set[int] = set()
        prints = self.prints
        for key, shape in walk.prints.items():
            known = prints.get(key)
            if known is None:
                prints[key] = shape
            elif known != shape:
                changed.add(key)
                # Whoever sees the same memory through another object may see the change.
                changed.update(walk.shares.get(key, ()))
                prints[key] = shape
        keys = frozenset(walk.keys) | frozenset(self.links.get(name, ()))
        before = self.reach.get(name, NOTHING).keys
        owners = self.owners
        for key in keys - before:
            holders = owners.get(key)
            if holders is None:
                owners[key] = {name}
            else:
                holders.add(name)
        self._drop(name, before - keys)
        self.reach[name] = Reach(
            keys,
            frozenset(walk.opaque),
            frozenset(walk.names),
            frozenset(walk.mentions),
            frozenset(walk.packages),
            frozenset(walk.modules),
            frozenset(walk.files),
            walk.reads_all,
            walk.pyplot,
            walk.cut,
        )
        return changed

    def forget(self, name: str) -> None:
        """`name` is unbound, or bound to something immutable."""
        reach = self.reach.pop(name, None)
        self.links.pop(name, None)
        if reach is not None:
            self._drop(name, reach.keys)

    def _drop(self, name: str, keys: Iterable[int]) -> None:
        owners = self.owners
        for key in keys:
            holders = owners.get(key)
            if holders is not None:
                holders.discard(name)
                if not holders:
                    del owners[key]
                    self.prints.pop(key, None)

    def link(self, name: str, keys: Iterable[int]) -> None:
        """Objects under `keys` may be below `name` though no walk showed it."""
        extra = set(keys)
        if not extra:
            return
        self.links.setdefault(name, set()).update(extra)
        reach = self.reach.get(name, NOTHING)
        for key in extra - reach.keys:
            self.owners.setdefault(key, set()).add(name)
        self.reach[name] = Reach(
            reach.keys | extra, reach.opaque, reach.names, reach.mentions, reach.packages,
            reach.modules, reach.files, reach.reads_all, reach.pyplot, reach.cut,
        )  # fmt: skip

    def tie(self, bound: Iterable[str], read: Iterable[str]) -> None:
        """Names bound to something unseen may share it with what can't be seen below `read`."""
        hazy: set[int] = set()
        for name in read:
            reach = self.reach.get(name, NOTHING)
            hazy |= reach.keys if reach.cut else reach.opaque
        if not hazy:
            return
        for name in bound:
            reach = self.reach.get(name, NOTHING)
            if reach.opaque or reach.cut:
                self.link(name, hazy)

    def mix(self, names: Iterable[str], step: int) -> None:
        """Nothing is known of what `names` share after `step`: take them to share something."""
        known = [n for n in names if n in self.reach]
        keys = {key for n in known for key in self.reach[n].keys}
        if keys:
            token = min(keys | {0}) - 1 - step  # no object's address
            for name in known:
                self.link(name, {token})

    def holders(self, keys: Iterable[int]) -> set[str]:
        """The names whose reach holds any of `keys`."""
        found: set[str] = set()
        for key in keys:
            found |= self.owners.get(key, set())
        return found

    # -------------------------------------------------------------------------------- types

    def _classify(self, kind: type) -> _TypeInfo:
        module = _module_of(kind)
        package = module.partition(".")[0]
        user = package == "__main__" or self.is_user_module(module)
        name = f"{module}.{_qualname(kind)}"
        library = "" if user or package in ("builtins", "linea") else package
        if package == "linea" or module.startswith(("IPython.", "ipykernel.", "zmq.")):
            return _TypeInfo(name, None, "", False)
        handler = self._handler(kind, package, user)
        return _TypeInfo(name, handler, library, user)

    def _handler(self, kind: type, package: str, user: bool) -> Handler | None:
        if kind in IMMUTABLE:
            return None
        special: dict[type, Handler] = {
            types.FunctionType: self._function,
            types.ModuleType: self._module,
            types.GeneratorType: self._generator,
            types.CoroutineType: self._generator,
            types.AsyncGeneratorType: self._generator,
        }
        if kind in special:
            return special[kind]
        exact = EXACT.get(kind)
        if exact is not None:
            return exact
        if issubclass(kind, type):
            return self._class
        if issubclass(kind, types.ModuleType):
            return self._module
        for base in kind.__mro__:
            named = NAMED.get((_module_of(base).partition(".")[0], _qualname(base)))
            if named is not None:
                return named if base is kind or named in WHOLE else _instance(kind, named)
        if _immutable_library_type(kind, package):
            return None
        if issubclass(kind, enum.Enum):
            return None if not user else _instance(kind, None)
        root = _solid_base(kind)
        if root is object:
            return _instance(kind, None)
        if root in IMMUTABLE or root in ATOMS:
            return _instance(kind, _atom_content(root))
        content = EXACT.get(root)
        if content is not None:
            return _instance(kind, content)
        if issubclass(root, BaseException):
            return _instance(kind, _exception)
        if kind.__module__.partition(".")[0] in ("ctypes", "_ctypes"):
            return _opaque
        if root is kind and _has_own_reduce(kind):
            return _reduced
        return _opaque

    # Handlers that need the namespace ------------------------------------------------------

    def code_names(self, code: types.CodeType) -> CodeNames:
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = CodeNames(code)
        return found

    def _function(self, function: types.FunctionType, walk: _Walk) -> object:
        cells = function.__closure__ or ()
        stack = walk.stack
        for cell in cells:
            stack.append(cell)
        defaults = function.__defaults__
        if defaults:
            stack.extend(defaults)
        keyword_defaults = function.__kwdefaults__
        if keyword_defaults:
            stack.extend(keyword_defaults.values())
        attributes = function.__dict__
        if attributes:
            stack.extend(attributes.values())
        scope = function.__globals__
        if scope is self.namespace:
            self.called(function.__code__, walk)
        else:
            name = scope.get("__name__", "")
            if isinstance(name, str):
                if self.is_user_module(name):
                    module = sys.modules.get(name)
                    if module is not None and vars(module) is scope:
                        stack.append(module)
                    else:
                        names = self.code_names(function.__code__)
                        stack.extend(scope[n] for n in names.names if n in scope)
                else:
                    walk.packages.add(name.partition(".")[0])
        return (
            address(function.__code__),
            [address(cell) for cell in cells],
            _shallow(defaults) if defaults else None,
            _shallow(list(attributes.items())) if attributes else None,
        )

    def called(self, code: types.CodeType, walk: _Walk) -> None:
        """`code` may run with the user's globals: what it reads counts as reached."""
        names = self.code_names(code)
        walk.names |= names.names
        walk.mentions |= names.attributes
        for module in names.imports:
            walk.modules.add(module)
            walk.packages.add(module.partition(".")[0])
        if names.attributes & CODE_IN_TEXT:
            walk.names |= {w for w in identifiers(names.strings) if w in self.namespace}
            if names.attributes & {"eval", "exec", "globals", "locals", "vars"}:
                walk.reads_all = True

    def _generator(self, obj: Any, walk: _Walk) -> object:
        frame = next(
            (f for f in (getattr(obj, n, None) for n in ("gi_frame", "cr_frame", "ag_frame")) if f),
            None,
        )
        if frame is None:
            return "finished"
        # `f_locals` would keep the locals alive; the collector's view of the frame doesn't.
        skip = (types.FrameType, types.CodeType, types.ModuleType)
        scope = frame.f_globals
        inner = [
            o
            for o in (*gc.get_referents(obj), *gc.get_referents(frame))
            if not is_a(o, skip) and o is not scope and o is not obj
        ]
        inner = [o for o in inner if o is not vars(sys.modules["builtins"])]
        walk.stack.extend(inner)
        if scope is self.namespace:
            self.called(frame.f_code, walk)
        if not isinstance(obj, types.GeneratorType):
            walk.blind(obj)
        return (frame.f_lasti, _shallow(inner))

    def _module(self, module: types.ModuleType, walk: _Walk) -> object:
        name = module.__dict__.get("__name__", "")
        if not isinstance(name, str):
            return None
        if name == "__main__" and module.__dict__ is self.namespace:
            walk.reads_all = True
            return None
        walk.modules.add(name)
        if not self.is_user_module(name):
            walk.packages.add(name.partition(".")[0])
            return "module"
        content = {
            k: v
            for k, v in module.__dict__.copy().items()
            if k not in ("__builtins__", "__loader__", "__spec__", "__cached__")
        }
        walk.stack.extend(content.values())
        return _shallow(list(content.items()))

    def _class(self, kind: type, walk: _Walk) -> object:
        module = _module_of(kind)
        user = module == "__main__" or self.is_user_module(module)
        if not user:
            walk.packages.add(module.partition(".")[0])
            return "class"
        content = {
            k: v
            for k, v in type.__dict__["__dict__"].__get__(kind).items()
            if k not in _CLASS_NOISE
        }
        walk.stack.extend(content.values())
        bases = type.__dict__["__bases__"].__get__(kind)
        walk.stack.extend(bases)
        if type(kind) is not type:
            walk.stack.append(type(kind))
        return _shallow([*content.items(), *bases])


_CLASS_NOISE = frozenset({
    "__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl", "__annotations__",
    "__static_attributes__", "__firstlineno__",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _TypeInfo:
    name: str
    handler: Handler | None
    package: str
    user: bool


def _module_of(kind: type) -> str:
    module = type.__getattribute__(kind, "__module__")
    return module if isinstance(module, str) else ""


def _qualname(kind: type) -> str:
    name: str = type.__getattribute__(kind, "__qualname__")
    return name


# --------------------------------------------------------------------------- prints of contents


def _shallow(items: Iterable[object]) -> object:
    """A print of `items`: atoms by value, everything else by type and address."""
    values: list[object] = []
    refs: list[object] = []
    for item in items:
        kind = type(item)
        if kind in ATOMS:
            values.append(item)
        elif kind is tuple:
            values.append(...)
            refs.append(_shallow(item))  # type: ignore[arg-type]
        elif kind in IMMUTABLE:
            values.append(...)
            refs.append(_immutable_print(item))
        else:
            values.append(...)
            refs.append((kind.__name__, address(item)))
    return (xxh3_64_intdigest(marshal.dumps(values, 2)), tuple(refs) if refs else None)


def _immutable_print(item: object) -> object:
    if isinstance(
        item, (types.CodeType, types.FrameType, types.TracebackType, re.Match, weakref.ref)
    ):
        return address(item)
    return (type(item).__name__, repr(item))


def _sequence(items: Any, length: int, walk: _Walk) -> object:
    """The print of a sequence of any length; pushes what is mutable below it."""
    if length <= CHUNK:
        return _piece(list(items), walk)
    digest = xxh3_64()
    refs: list[object] = []
    iterator = iter(items)
    while piece := list(itertools.islice(iterator, CHUNK)):
        shape = _piece(piece, walk)
        if isinstance(shape, int):
            digest.update(shape.to_bytes(8, "little"))
        else:
            refs.append(shape)
        if time.thread_time() > walk.deadline or len(walk.stack) > 4 * MAX_KEYS:
            walk.cut = True
            break
    return (length, digest.intdigest(), tuple(refs))


def _piece(items: list[object], walk: _Walk) -> object:
    kinds = set(map(type, items))
    if kinds <= ATOMS:
        return xxh3_64_intdigest(marshal.dumps(items, 2))
    if kinds <= _FLAT and all(
        set(map(type, item)) <= ATOMS for item in items if type(item) is tuple
    ):
        return xxh3_64_intdigest(marshal.dumps(items, 2))
    walk.stack.extend(items)
    return _shallow(items)


_FLAT = ATOMS | {tuple}


def _list(obj: list[object], walk: _Walk) -> object:
    return _sequence(list.__iter__(obj), list.__len__(obj), walk)


def _tuple(obj: tuple[object, ...], walk: _Walk) -> object:
    return _sequence(tuple.__iter__(obj), tuple.__len__(obj), walk)


def _dict(obj: dict[object, object], walk: _Walk) -> object:
    length = dict.__len__(obj)
    return (
        _sequence(dict.keys(obj), length, walk),
        _sequence(dict.values(obj), length, walk),
    )


def _set(obj: set[object], walk: _Walk) -> object:
    return _sequence(set.__iter__(obj), set.__len__(obj), walk)


def _frozenset(obj: frozenset[object], walk: _Walk) -> object:
    return _sequence(frozenset.__iter__(obj), frozenset.__len__(obj), walk)


def _deque(obj: collections.deque[object], walk: _Walk) -> object:
    length = collections.deque.__len__(obj)
    return (obj.maxlen, _sequence(collections.deque.__iter__(obj), length, walk))


def _defaultdict(obj: collections.defaultdict[object, object], walk: _Walk) -> object:
    walk.stack.append(obj.default_factory)
    return _dict(obj, walk)


def _buffer(obj: Any, walk: _Walk) -> object:
    walk.keys.add(address(obj))
    with memoryview(obj) as view:
        return (len(view), _bytes_print(view, walk))


def _bytes_print(view: memoryview, walk: _Walk) -> int:
    return xxh3_64_intdigest(view.cast("B") if view.contiguous else view.tobytes())


def _memoryview(obj: memoryview, walk: _Walk) -> object:
    try:
        owner = obj.obj
    except ValueError:
        return "released"
    walk.stack.append(owner)
    walk.keys.add(address(owner))
    walk.shares[address(obj)] = [address(owner)]
    return (obj.format, obj.shape, _bytes_print(obj, walk))


def _array(obj: array.array[Any], walk: _Walk) -> object:
    return (obj.typecode, _buffer(obj, walk))


def _builtin_method(obj: types.BuiltinMethodType, walk: _Walk) -> object:
    owner = obj.__self__
    if owner is not None and not is_a(owner, types.ModuleType):
        walk.stack.append(owner)
    elif is_a(owner, types.ModuleType):
        walk.packages.add(owner.__name__.partition(".")[0])
    return None


def _method(obj: types.MethodType, walk: _Walk) -> object:
    walk.stack.extend((obj.__func__, obj.__self__))
    return None


def _method_wrapper(obj: types.MethodWrapperType, walk: _Walk) -> object:
    walk.stack.append(obj.__self__)
    return None


def _partial(obj: functools.partial[Any], walk: _Walk) -> object:
    parts = [obj.func, *obj.args, *obj.keywords.values()]
    walk.stack.extend(parts)
    return _shallow(parts)


def _property(obj: property, walk: _Walk) -> object:
    walk.stack.extend((obj.fget, obj.fset, obj.fdel))
    return None


def _wrapper(obj: Any, walk: _Walk) -> object:
    walk.stack.append(obj.__func__)
    return None


def _cell(obj: types.CellType, walk: _Walk) -> object:
    try:
        value = obj.cell_contents
    except ValueError:
        return "empty"
    walk.stack.append(value)
    return _shallow([value])


def _proxy(obj: Any, walk: _Walk) -> object:
    walk.stack.extend(gc.get_referents(obj))
    return "proxy"


def _cache(obj: Any, walk: _Walk) -> object:
    info = obj.cache_info()
    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    return (info.misses, info.currsize)


def _context_variable(obj: Any, walk: _Walk) -> object:
    value = obj.get(None)
    walk.stack.append(value)
    return _shallow([value])


def _iterator(obj: Any, walk: _Walk) -> object:
    parts = obj.__reduce__()[1:]
    walk.keep.append(parts)
    flat: list[object] = []
    for part in parts:
        flat.extend(part if isinstance(part, tuple) else (part,))
    walk.stack.extend(flat)
    return _shallow(flat)


def _map(obj: Any, walk: _Walk) -> object:
    inner = gc.get_referents(obj)
    walk.stack.extend(inner)
    return _shallow(inner)


def _printed(obj: Any, walk: _Walk) -> object:
    return repr(obj)


def _itertools(obj: Any, walk: _Walk) -> object:
    walk.stack.extend(gc.get_referents(obj))
    walk.blind(obj)
    return None


def _text_buffer(obj: Any, walk: _Walk) -> object:
    if obj.closed:
        return "closed"
    return (obj.tell(), xxh3_64_intdigest(marshal.dumps(obj.getvalue(), 2)))


def _handle(obj: Any, walk: _Walk) -> object:
    walk.blind(obj)
    name = getattr(obj, "name", None)
    if isinstance(name, (str, bytes)) and not (isinstance(name, str) and name.startswith("<")):
        walk.files.add(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    return None


def _lock(obj: Any, walk: _Walk) -> object:
    return obj.locked()


def _exception(obj: BaseException, walk: _Walk) -> object:
    arguments = BaseException.__dict__["args"].__get__(obj)
    walk.stack.extend(arguments)
    return _shallow(arguments)


def _opaque(obj: Any, walk: _Walk) -> object:
    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    walk.blind(obj)
    return None


def _reduced(obj: Any, walk: _Walk) -> object:
    """C objects of libraries that can be pickled: their state is what they pickle."""
    import pickle

    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    return xxh3_64_intdigest(pickle.dumps(obj, 5))


def _mmap(obj: Any, walk: _Walk) -> object:
    return "closed" if obj.closed else (len(obj), xxh3_64_intdigest(memoryview(obj)))


def _nothing(obj: Any, walk: _Walk) -> object:
    return None


# ------------------------------------------------------------------------------ instances


def _slots(kind: type) -> list[Any]:
    found = []
    for base in kind.__mro__:
        for value in type.__dict__["__dict__"].__get__(base).values():
            if type(value) is types.MemberDescriptorType and base is not object:
                found.append(value)
    return found


def _attributes(obj: object) -> dict[str, object] | None:
    try:
        found = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _instance(kind: type, content: Handler | None) -> Handler:
    slots = _slots(kind)

    def handle(obj: object, walk: _Walk) -> object:
        shape: list[object] = [content(obj, walk)] if content is not None else []
        attributes = _attributes(obj)
        if attributes:
            values = list(attributes.values())
            walk.stack.extend(values)
            shape.append(_shallow(attributes))
            shape.append(_shallow(values))
        for slot in slots:
            try:
                value = slot.__get__(obj)
            except AttributeError:
                shape.append("unset")
                continue
            walk.stack.append(value)
            shape.append(_shallow([value]))
        return tuple(shape)

    return handle


def _atom_content(root: Any) -> Handler:
    def content(obj: Any, walk: _Walk) -> object:
        if root in (str, bytes, int, float, complex):
            return _shallow([root.__new__(root, obj)]) if root is not int else int.__repr__(obj)
        return "value"

    return content


_PYTHON_MADE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _solid_base(kind: type) -> type:
    """The first base that wasn't made by a `class` statement: where C state may lie."""
    while kind is not object:
        own = type.__dict__["__dict__"].__get__(kind)
        made = kind.__flags__ & _PYTHON_MADE and "__module__" in own
        base = kind.__base__ or object
        extra = kind.__basicsize__ - base.__basicsize__
        slots = sum(type(v) is types.MemberDescriptorType for v in own.values())
        shown = slots + ("__dict__" in own) + ("__weakref__" in own)
        if not made or extra > 8 * shown or (slots and "__slots__" not in own):
            return kind
        kind = base
    return object


def _has_own_reduce(kind: type) -> bool:
    for base in kind.__mro__[:-1]:
        own = type.__dict__["__dict__"].__get__(base)
        if (
            "__reduce__" in own
            or "__reduce_ex__" in own
            or "__getstate__" in own
            or "__reduce_cython__" in own
        ):
            return True
    return False


def _immutable_library_type(kind: type, package: str) -> bool:
    name = _qualname(kind)
    if package == "numpy":
        return name in ("ufunc", "_ArrayFunctionDispatcher") or any(
            _qualname(b) in ("generic", "dtype") for b in kind.__mro__
        )
    if package == "pandas":
        return any(
            _qualname(b)
            in (
                "Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType", "BaseOffset",
                "ExtensionDtype", "PeriodDtypeBase", "Flags", "BlockPlacement",
            )
            for b in kind.__mro__
        )  # fmt: skip
    if package == "pyarrow":
        return not any(
            w in name for w in ("Writer", "Stream", "File", "Reader", "Builder", "Buffer")
        )
    if package == "polars":
        return "type" in name.lower() or name in ("Expr", "LazyFrame", "PyExpr", "PyLazyFrame")
    if package == "torch":
        return name in ("dtype", "device", "Size", "layout", "memory_format", "finfo", "iinfo")
    if package in ("typing", "zoneinfo", "_contextvars"):
        return True
    return package == "_thread" and name == "_localdummy"


# ------------------------------------------------------------------------------ numpy, pandas …


def _ndarray(obj: Any, walk: _Walk) -> object:
    base = obj
    shared: list[int] = []
    while True:
        owner = base.base
        if owner is None:
            # The memory itself, by its address, so that whoever shares it without a chain of
            # bases (torch, pandas, Arrow) meets here.
            shared.append(~_data_address(base))
            break
        shared.append(address(owner))
        if not hasattr(owner, "__array_interface__") or not hasattr(owner, "strides"):
            walk.stack.append(owner)
            shared.append(~_data_address(base))
            break
        base = owner
    walk.keys.update(shared)
    walk.shares[address(obj)] = shared
    if obj.dtype.hasobject:
        if obj.dtype.names is None:
            return (
                obj.dtype.str,
                obj.shape,
                obj.strides,
                _sequence(obj.ravel().tolist(), obj.size, walk),
            )
        walk.blind(obj)
        return None
    return (obj.dtype.str, obj.shape, obj.strides, _array_print(obj))


def _data_address(obj: Any) -> int:
    return int(obj.__array_interface__["data"][0])


def _array_print(obj: Any) -> int:
    """xxh3 of an array's content in memory order."""
    numpy = sys.modules["numpy"]
    flat = numpy.asarray(obj)
    if flat.size == 0:
        return 0
    if flat.flags.c_contiguous:
        raw = flat
    elif flat.flags.f_contiguous:
        raw = flat.T
    else:
        raw = numpy.ascontiguousarray(flat)
    return xxh3_64_intdigest(raw.reshape(-1).view("u1"))


def _memmap(obj: Any, walk: _Walk) -> object:
    if obj.filename is not None:
        walk.files.add(str(obj.filename))
    return _ndarray(obj, walk)


def _masked_array(obj: Any, walk: _Walk) -> object:
    numpy = sys.modules["numpy"]
    mask = obj._mask
    walk.stack.append(mask)
    return (
        _ndarray(numpy.asarray(obj), walk),
        obj._sharedmask,
        obj.fill_value if obj.dtype.names is None else None,
    )


def _random_generator(obj: Any, walk: _Walk) -> object:
    source = getattr(obj, "bit_generator", None) or getattr(obj, "_bit_generator", obj)
    walk.keys.add(address(source))
    state = source.state
    return repr(state) if "key" not in str(state.get("state"))[:8] else _deep(state)


def _deep(state: object) -> object:
    if isinstance(state, dict):
        return tuple((k, _deep(v)) for k, v in state.items())
    if hasattr(state, "dtype") and hasattr(state, "tobytes"):
        return xxh3_64_intdigest(state.tobytes())
    return repr(state)


def _legacy_generator(obj: Any, walk: _Walk) -> object:
    mtrand = sys.modules.get("numpy.random.mtrand")
    if obj is getattr(mtrand, "_rand", None):
        return None  # the global generator is hidden state, see `hidden.py`
    walk.keys.add(address(obj._bit_generator))
    kind, key, position, has_gauss, cached = obj.get_state(legacy=True)
    return (kind, xxh3_64_intdigest(key.tobytes()), position, has_gauss, cached)


def _py_random(obj: Any, walk: _Walk) -> object:
    if obj is getattr(sys.modules["random"], "_inst", None):
        return None  # the global generator is hidden state, see `hidden.py`
    return hash(random_state(obj))


def random_state(obj: Any) -> Any:
    """The state of a `random.Random`, by the base type's own method."""
    return sys.modules["random"].Random.getstate(obj)


def _frame(obj: Any, walk: _Walk) -> object:
    """pandas DataFrame and Series: their blocks, axes and attributes."""
    attributes = _attributes(obj) or {}
    manager: Any = attributes.get("_mgr")
    if manager is None:
        raise ValueError("no block manager")
    shape: list[object] = []
    for axis in manager.axes:
        walk.stack.append(axis)
        shape.append(address(axis))
    for block in manager.blocks:
        values = block.values
        walk.stack.append(values)
        shape.append((type(values).__name__, address(values)))
        shape.append(_array_print(block.mgr_locs.as_array))
    accessors = getattr(type(obj), "_accessors", ())
    for key, value in attributes.items():
        if (
            key in ("_mgr", "_item_cache", "_flags", "_cacher", "_is_copy", "_cache")
            or key in accessors
        ):
            continue
        walk.stack.append(value)
        shape.append(_shallow([key, value]))
    return tuple(shape)


def _index(obj: Any, walk: _Walk) -> object:
    attributes = _attributes(obj) or {}
    shape: list[object] = []
    for key, value in attributes.items():
        if key in ("_cache", "_id", "_references", "_no_setting_name", "_levels", "_codes"):
            continue
        walk.stack.append(value)
        shape.append(_shallow([key, value]))
    for key in ("_levels", "_codes"):
        for part in attributes.get(key, ()):  # type: ignore[attr-defined]
            walk.stack.append(part)
            shape.append(address(part))
    return tuple(shape)


def _backed_array(obj: Any, walk: _Walk) -> object:
    """pandas arrays over one numpy array: categoricals, dates, durations."""
    parts = (obj._ndarray, obj._dtype)
    walk.stack.extend(parts)
    return _shallow(parts)


def _arrow_array(obj: Any, walk: _Walk) -> object:
    """pandas arrays held by Arrow: immutable chunks, replaced on every write."""
    data = obj._pa_array
    return (str(data.type), len(data), _arrow_print(data, walk))


def _arrow_print(data: Any, walk: _Walk) -> int:
    digest = xxh3_64()
    for chunk in getattr(data, "chunks", [data]):
        for buffer in chunk.buffers():
            if buffer is not None:
                digest.update(memoryview(buffer))
        digest.update(f"{chunk.offset}:{len(chunk)};".encode())
    return digest.intdigest()


def _arrow_buffer(obj: Any, walk: _Walk) -> object:
    walk.keys.add(~int(obj.address))
    if getattr(obj, "parent", None) is not None:
        walk.stack.append(obj.parent)
    return (obj.size, xxh3_64_intdigest(memoryview(obj)))


def _polars_frame(obj: Any, walk: _Walk) -> object:
    return tuple((s.name, str(s.dtype), _polars_print(s, walk)) for s in obj.get_columns())


def _polars_series(obj: Any, walk: _Walk) -> object:
    return (obj.name, str(obj.dtype), _polars_print(obj, walk))


def _polars_print(series: Any, walk: _Walk) -> object:
    if str(series.dtype) == "Object":
        return _sequence(series.to_list(), len(series), walk)
    return _arrow_print(series.to_arrow(), walk)


def _tensor(obj: Any, walk: _Walk) -> object:
    shared = [~int(obj.untyped_storage().data_ptr())]
    walk.keys.update(shared)
    walk.shares[address(obj)] = shared
    if obj.grad is not None:
        walk.stack.append(obj.grad)
    shape: list[object] = [str(obj.dtype), tuple(obj.shape), obj.requires_grad, obj._version]
    attributes = _attributes(obj)
    if attributes:
        walk.stack.extend(attributes.values())
        shape.append(_shallow(list(attributes.items())))
    if obj.device.type == "cpu" and obj.layout == sys.modules["torch"].strided:
        flat = (
            obj.detach().contiguous().view(-1).view(sys.modules["torch"].uint8)
            if obj.numel()
            else None
        )
        shape.append(0 if flat is None else xxh3_64_intdigest(memoryview(flat.numpy())))
    return tuple(shape)


def _artist(obj: Any, walk: _Walk) -> object:
    """matplotlib: a figure and all that is drawn in it are one thing that can't be seen into."""
    walk.pyplot = True
    attributes = _attributes(obj) or {}
    root = obj
    for _ in range(8):
        inner = _attributes(root) or {}
        parent = inner.get("_parent_figure") or inner.get("figure") or inner.get("_figure")
        if parent is None or parent is root:
            break
        root = parent
    if "axes" in attributes and root is obj and attributes["axes"] is not None:
        inner = _attributes(attributes["axes"]) or {}
        root = inner.get("_parent_figure") or inner.get("figure") or obj
    key = address(root)
    walk.keys |= {key, address(obj)}
    walk.opaque.add(key)
    return None


EXACT: dict[type, Handler] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    collections.deque: _deque,
    collections.defaultdict: _defaultdict,
    collections.OrderedDict: _dict,
    bytearray: _buffer,
    memoryview: _memoryview,
    array.array: _array,
    types.BuiltinFunctionType: _builtin_method,
    types.MethodType: _method,
    types.MethodWrapperType: _method_wrapper,
    functools.partial: _partial,
    property: _property,
    staticmethod: _wrapper,
    classmethod: _wrapper,
    types.CellType: _cell,
    types.MappingProxyType: _proxy,
    type({}.keys()): _proxy,
    type({}.values()): _proxy,
    type({}.items()): _proxy,
    map: _map,
    filter: _map,
    zip: _map,
    enumerate: _iterator,
    reversed: _iterator,
    type(iter([])): _iterator,
    type(iter(())): _iterator,
    type(iter("")): _iterator,
    type(iter("é€")): _iterator,
    type(iter(b"")): _iterator,
    type(iter({})): _iterator,
    type(iter({}.values())): _iterator,
    type(iter({}.items())): _iterator,
    type(iter(set())): _iterator,
    type(iter(range(0))): _iterator,
    type(reversed([])): _iterator,
    itertools.count: _printed,
    itertools.repeat: _printed,
    io.StringIO: _text_buffer,
    io.BytesIO: _text_buffer,
    io.TextIOWrapper: _handle,
    io.BufferedReader: _handle,
    io.BufferedWriter: _handle,
    io.BufferedRandom: _handle,
    io.FileIO: _handle,
}
EXACT.update({
    kind: _itertools
    for kind in vars(itertools).values()
    if isinstance(kind, type) and kind not in EXACT
})  # fmt: skip
EXACT[functools._lru_cache_wrapper] = _cache


def _add_named_types() -> None:
    import _thread
    import contextvars
    import mmap
    import random

    EXACT[mmap.mmap] = _mmap

    EXACT[contextvars.ContextVar] = _context_variable
    EXACT[_thread.LockType] = _lock
    EXACT[random.Random] = _py_random


_add_named_types()

NAMED: dict[tuple[str, str], Handler] = {
    ("numpy", "memmap"): _memmap,
    ("numpy", "MaskedArray"): _masked_array,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "Generator"): _random_generator,
    ("numpy", "BitGenerator"): _random_generator,
    ("numpy", "RandomState"): _legacy_generator,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _frame,
    ("pandas", "Index"): _index,
    ("pandas", "ArrowExtensionArray"): _arrow_array,
    ("pandas", "NDArrayBacked"): _backed_array,
    ("pyarrow", "Buffer"): _arrow_buffer,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("torch", "Tensor"): _tensor,
    ("matplotlib", "Artist"): _artist,
    ("matplotlib", "FigureCanvasBase"): _artist,
    ("xgboost", "Booster"): _opaque,
    ("lightgbm", "Booster"): _opaque,
    ("pathlib", "PurePath"): _nothing,
}

WHOLE = frozenset({_frame, _index, _artist, _opaque, _nothing, _polars_frame, _polars_series})
"""Handlers that say all there is to say of subclasses too."""
