"""Logical digests: any value into 128 bits that equal values share.

The algorithm is written down in `docs/values-format.md`, with test vectors.
"""

from __future__ import annotations

import bisect
import copyreg
import datetime
import decimal
import dis
import enum
import functools
import inspect
import io
import struct
import sys
import types
import typing
import uuid
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path, PurePath
from typing import Any

import xxhash

from linea.errors import UnstorableError
from linea.model import Digest

DOMAIN = b"linea:1:"
PREFIX = "xxh3:1:"
NAN = struct.pack("<d", float("nan"))
SHORT = 64
STEPS = 8
"""Steps that are told at either end of a long way to a part."""
BLOCK = 1 << 20

Of = Callable[[object], bytes]
"""Gives the code of a value: equal values have equal codes."""


def join(tag: str, *parts: bytes) -> bytes:
    """Return the 16-byte hash of `parts`, their count and lengths first, in the domain `tag`."""
    counts = struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts))
    return xxhash.xxh3_128_digest(b"".join((_domain(tag), counts, *parts)))


@cache
def _domain(tag: str) -> bytes:
    return _sized(DOMAIN + tag.encode())


def number(value: int) -> bytes:
    """Return a count as 8 bytes."""
    return value.to_bytes(8, "little")


def name(raw: bytes) -> Digest:
    """Return 16 hash bytes as a versioned digest."""
    return Digest(PREFIX + raw.hex())


def digest_bytes(data: bytes) -> Digest:
    """Return the digest of raw bytes, such as a part's or a file's."""
    return name(xxhash.xxh3_128_digest(data))


def digest_file(path: str | Path) -> Digest:
    """Return the digest of a file's bytes, or of a folder's names and files' bytes."""
    path = Path(path)
    if not path.is_dir():
        return name(_file_hash(path))
    from linea.values.files import walk

    return folder_digest((entry.name, _file_hash(entry.path)) for entry in walk(path).files)


def folder_digest(files: Iterable[tuple[str, bytes]]) -> Digest:
    """Return the digest of a folder from its files' relative names and hashes."""
    parts: list[bytes] = []
    for relative, raw in sorted(files):
        parts += [text_bytes(relative), raw]
    return name(join("folder", *parts))


def _file_hash(path: Path) -> bytes:
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.digest()


def of_value(value: object) -> bytes:
    """Return the 16 hash bytes of any value; raise UnstorableError where it has none."""
    return finish(Walk().of(value))


def finish(code: bytes) -> bytes:
    """Return the hash that a code stands for: its own if it holds one."""
    return code[1:] if code[:1] == b"#" else join("atom", code)


def text_bytes(text: str) -> bytes:
    """Return UTF-8 bytes, lone surrogates kept."""
    return text.encode("utf-8", "surrogatepass")


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(8, "little") + part


# ------------------------------------------------------------------------------------- atoms


def _int(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"i" + raw if len(raw) <= SHORT else b"#" + join("int", raw)


def _float(value: float) -> bytes:
    return b"d" + (struct.pack("<d", value) if value == value else NAN)


def _str(value: str) -> bytes:
    raw = text_bytes(value)
    return b"s" + raw if len(raw) <= SHORT else b"#" + join("str", raw)


def _bytes(value: bytes) -> bytes:
    return b"b" + value if len(value) <= SHORT else b"#" + join("bytes", value)


ATOMS: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"t" if value else b"f",
    type(...): lambda _: b"e",
    type(NotImplemented): lambda _: b"N",
    int: _int,
    float: _float,
    complex: lambda value: b"c" + _float(value.real)[1:] + _float(value.imag)[1:],
    str: _str,
    bytes: _bytes,
    bytearray: lambda value: b"#" + join("bytearray", bytes(value)),
}


# -------------------------------------------------------------------------------- containers

REFUSED: Mapping[str, str] = {
    "builtins.generator": "a generator",
    "builtins.coroutine": "a coroutine",
    "builtins.async_generator": "an async generator",
    "_thread.lock": "a lock",
    "_thread.RLock": "a lock",
    "_thread._local": "thread-local data",
    "threading.Thread": "a thread",
    "socket.socket": "a socket",
    "_io._IOBase": "an open file",
    "builtins.frame": "a stack frame",
    "builtins.traceback": "a traceback",
    "subprocess.Popen": "a running process",
    "concurrent.futures._base.Executor": "a pool of workers",
    "concurrent.futures._base.Future": "a result that is still being computed",
    "sqlite3.Connection": "a database connection",
    "sqlite3.Cursor": "a database cursor",
    "weakref.ReferenceType": "a weak reference",
    "builtins.memoryview": "a view of memory, whose bytes(it) can be",
    "_ctypes.Array": "an array of ctypes, whose bytes(it) or list(it) can be",
    "_ctypes._Pointer": "a pointer",
    "_ctypes.CFuncPtr": "a function of a loaded library",
}

NOT_EVEN_PICKLED = frozenset(
    {"_io._IOBase", "builtins.memoryview", "_ctypes.Array", "_ctypes._Pointer", "_ctypes.CFuncPtr"}
)
"""Of these, what cloudpickle makes a pickle of, which gives something else or nothing back."""

# What a library notes about itself in a fitted estimator isn't part of the model, nor is room for
# what it will compute.
NOTES = frozenset({"_sklearn_version", "_n_threads", "_stop_words_id", "_tmp_like_exog"})

# What is left of a state when addresses in memory, and what a copy doesn't get, are left out.
STEADY: Mapping[str, Callable[[Any], Any]] = {
    "scipy.spatial._ckdtree.cKDTree": lambda state: state[1:],
    "sklearn.utils._bunch.Bunch": lambda state: None,
    "statsmodels.tools.tools.Bunch": lambda state: None,
    "functools.partial": lambda state: (*state[:3], state[3] or None),
}

# What Python adds to every class, and what can't be told from its source.
CLASS_NOISE = frozenset(
    {
        "__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__",
        "_abc_impl", "__slotnames__", "__annotations__", "__annotate__", "__annotate_func__",
        "__annotations_cache__", "__abstractmethods__",
        # What pydantic works out from the fields, with addresses and caches in it.
        "__pydantic_core_schema__", "__pydantic_decorators__", "__pydantic_parent_namespace__",
        "__pydantic_serializer__", "__pydantic_setattr_handlers__", "__pydantic_validator__",
        "__signature__",
    }
)  # fmt: skip


def class_name(kind: type) -> str:
    """Return a class's qualified name, `pandas.DataFrame`."""
    return f"{kind.__module__}.{kind.__qualname__}"


def refusal(kind: type) -> str | None:
    """Say what values of a class are, if of a kind that is never stored."""
    if issubclass(kind, io.BytesIO | io.StringIO):
        return None
    return next((REFUSED[n] for n in map(class_name, kind.__mro__) if n in REFUSED), None)


def is_shared_generator(value: object) -> bool:
    """Say whether a value is the generator behind numpy's functions of random numbers.

    An object that was given no seed of its own holds it: not a state, but whatever state there is.
    """
    module = sys.modules.get("numpy.random.mtrand")
    return module is not None and value is module._rand


class RefusedError(UnstorableError):
    """A value that is never stored, though it may pickle."""


def takes(function: Any, arguments: tuple[Any, ...]) -> bool:
    """Say whether a pickle's call can have these arguments, as far as a signature tells."""
    if function is copyreg.__newobj__ and arguments:  # type: ignore[attr-defined]
        makers = [getattr(arguments[0], "__new__", None)]
    elif isinstance(function, type) and type(function).__call__ is type.__call__:
        arguments = (function, *arguments)
        makers = [function.__new__, getattr(function, "__init__")]  # noqa: B009
    else:
        return True
    return all(
        _fits(maker, len(arguments))
        for maker in makers
        if isinstance(maker, types.FunctionType) and not hasattr(maker, "__wrapped__")
    )


WEEK = "datetime.IsoCalendarDate"
"""What `date.isocalendar` gives: a tuple once it is pickled, if its pickle isn't made otherwise."""


@lru_cache(maxsize=1024)
def made_by_new(kind: type) -> type:
    """Return the class of what a class makes of no arguments, as unpickling does.

    There are classes that make another one's instance then. The user's own code isn't run for that.
    """
    if not isinstance(kind.__new__, types.FunctionType) or not importable(kind):
        return kind
    try:
        return type(kind.__new__(kind))
    except Exception:
        return kind


@lru_cache(maxsize=1024)
def made_without_new(kind: type) -> bool:
    """Say whether `object.__new__` makes instances of a class."""
    try:
        return type(object.__new__(kind)) is kind
    except TypeError:
        return False


@lru_cache(maxsize=1024)
def _fits(function: types.FunctionType, count: int) -> bool:
    code = function.__code__
    needed = code.co_argcount - len(function.__defaults__ or ())
    if count < needed or (count > code.co_argcount and not code.co_flags & inspect.CO_VARARGS):
        return False
    names = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    return all(each in (function.__kwdefaults__ or {}) for each in names)


class Walk:
    """One computation of a code: a Merkle tree over the value's parts.

    What is shared and what is a copy makes no difference, except inside a cycle.
    """

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, bytes]] = {}
        self._stack: dict[int, int] = {}
        self._entangled: dict[int, tuple[object, int]] = {}
        self._lowest = sys.maxsize
        self._count = 0
        self._trail: list[tuple[str, object]] = []
        self._ways: dict[type, Callable[[Any], bytes]] = {}

    def of(self, value: object) -> bytes:
        """Return the code of `value`."""
        atom = ATOMS.get(type(value))
        if atom is not None:
            return atom(value)
        key = id(value)
        done = self._done.get(key)
        if done is not None:
            return done[1]
        depth = self._stack.get(key)
        if depth is not None:
            self._lowest = min(self._lowest, depth)
            return b"^" + number(len(self._stack) - depth)
        entangled = self._entangled.get(key)
        if entangled is not None:
            # In a cycle that is still open: without this, its paths would be walked one by one.
            self._lowest = 0
            return b"@" + number(self._count - entangled[1])
        return self._visit(value, key)

    def _visit(self, value: object, key: int) -> bytes:
        depth = len(self._stack)
        self._stack[key] = depth
        self._count += 1
        count = self._count
        outer, self._lowest = self._lowest, sys.maxsize
        try:
            code = b"#" + self._compute(value)
        except RecursionError:
            raise UnstorableError(
                f"{self._place(value)} is nested too deeply",
                hint="save the data it is made of instead, as a table or a flat list",
            ) from None
        finally:
            del self._stack[key]
        if self._lowest >= depth:
            self._done[key] = (value, code)
        else:
            self._entangled[key] = (value, count)
            outer = min(outer, self._lowest)
        self._lowest = outer
        return code

    def _compute(self, value: object) -> bytes:
        kind: type = type(value)
        way = self._ways.get(kind)
        if way is None:
            way = self._ways[kind] = self._way(kind)
        return way(value)

    def _way(self, kind: type) -> Callable[[Any], bytes]:
        """Return how values of a class are taken."""
        from linea.values import codec, lazy

        handler = HANDLERS.get(kind)
        if handler is not None:
            return partial(handler, self)
        waiting = lazy.query(kind)
        # One that is saved itself is computed; inside of something else it would go unseen.
        if waiting is not None and not (lazy.is_collected(kind) and len(self._stack) == 1):
            return partial(self._never, *waiting)
        found = codec.digester(kind)
        if found is not None:
            return lambda value: found(value, self.of)
        if issubclass(kind, enum.Enum):
            return self._member
        if issubclass(kind, PurePath):
            return lambda value: join("path", text_bytes(kind.__name__), text_bytes(str(value)))
        if issubclass(kind, type):
            return self._class
        what = refusal(kind)
        if what is not None:
            if any(name in NOT_EVEN_PICKLED for name in map(class_name, kind.__mro__)):
                hint = "leave it out, or save what it was made from or gives"
                return partial(self._never, what, hint)
            return partial(self._refused, what)
        return self._reduced

    def _member(self, value: Any) -> bytes:
        return join("enum", self.of(type(value)), text_bytes(value.name or repr(value.value)))

    def _refused(self, what: str, value: object) -> bytes:
        raise self._unstorable(value, f"it is {what}")

    def _never(self, what: str, hint: str, value: object) -> bytes:
        raise RefusedError(f"{self._place(value)} can't be stored: it is {what}", hint=hint)

    def under(self, kind: str, step: object, value: object) -> bytes:
        """Return the code of a part, remembering the way to it for error messages."""
        atom = ATOMS.get(type(value))
        if atom is not None:
            return atom(value)
        self._trail.append((kind, step))
        code = self.of(value)
        self._trail.pop()
        return code

    def items(self, values: list[Any] | tuple[Any, ...]) -> tuple[bytes, bytes, bytes]:
        """Return a sequence's form, length and content; plain ones are taken in one piece."""
        kinds = set(map(type, values))
        count = number(len(values))
        if len(kinds) == 1:
            packed = PACKED.get(kinds.pop())
            raw = packed(values) if packed else None
            if raw is not None:
                return raw[0], count, raw[1]
        codes = bytearray()
        for index, value in enumerate(values):
            codes += _sized(self.under("[", index, value))
        return b"any", count, bytes(codes)

    def mapping(self, pairs: Mapping[Any, Any]) -> tuple[bytes, ...]:
        """Return the keys and values of a mapping in its order."""
        codes = [_sized(self.under("[", key, value)) for key, value in pairs.items()]
        if set(map(type, pairs)) == {str}:
            return (*_packed_keys(tuple(pairs)), b"".join(codes))
        return (*self.items(list(pairs)), b"".join(codes))

    def state(self, state: object) -> bytes:
        """Return the code of an instance's state: the order of attributes doesn't count."""
        if type(state) is tuple and len(state) == 2 and all(type(s) is dict for s in state):
            return join("states", self.state(state[0]), self.state(state[1]))
        if type(state) is not dict or not all(type(key) is str for key in state):
            return finish(self.of(state))
        parts = []
        for key in sorted(state):
            if key not in NOTES:
                parts += [text_bytes(key), self.under(".", key, state[key])]
        return join("state", *parts)

    def _reduced(self, value: object) -> bytes:
        kind = type(value)
        if kind.__name__ == "NaTType":  # pandas 2 and 3 have it in other modules
            return join("global", b"pandas", b"NaT")
        if is_shared_generator(value):
            return join("global", b"numpy.random.mtrand", b"_rand")
        reduced = self._reduce(value)
        if isinstance(reduced, str):
            return join("global", text_bytes(_home(value, reduced)), text_bytes(reduced))
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
            raise self._unstorable(value, "it can't be pickled")
        missing = (None,) * (6 - len(reduced))
        function, arguments, state, listed, pairs, setter = reduced + missing
        if isinstance(arguments, tuple):
            self._made_again(value, function, arguments)
            if setter is None:
                self._kept_class(value, function, arguments)
        for steady in (STEADY[n] for n in map(class_name, kind.__mro__) if n in STEADY):
            state = steady(state)
        return join(
            "object",
            self.of(function),
            self.of(tuple(arguments)),
            # An object whose `__dict__` was looked at has an empty one, where it had none.
            b"" if state is None or (type(state) is dict and not state) else self.state(state),
            b"" if listed is None else self.of(list(listed)),
            b"" if pairs is None else self.of(dict(pairs)),
            b"" if setter is None else self.of(setter),
        )

    def _made_again(self, value: object, function: Any, arguments: tuple[Any, ...]) -> None:
        """Refuse what a pickle is made of, but not the other way round."""
        if not takes(function, arguments):
            raise RefusedError(
                f"{self._place(value)} can't be stored: its class keeps other arguments than it"
                " takes, so its pickle couldn't be read",
                hint="give the class a __reduce__ that says how it is made again",
            )

    def _kept_class(self, value: object, function: Any, arguments: tuple[Any, ...]) -> None:
        """Refuse what would come back as another class without a word."""
        kind: type = type(value)
        if function is copyreg.__newobj__:  # type: ignore[attr-defined]
            other = made_by_new(kind) if len(arguments) == 1 else kind
            lost = other is not kind and not made_without_new(kind)
        else:
            other = function
            lost = (
                isinstance(other, type)
                and other is not kind
                and issubclass(kind, other)
                and not isinstance(other.__new__, types.FunctionType)
                and class_name(kind) != WEEK
            )
        if lost:
            raise RefusedError(
                f"{self._place(value)} can't be stored: its own pickling makes a"
                f" {class_name(other)} of it",
                hint=f"save {other.__name__}(it), or what it was made from, instead",
            )

    def _reduce(self, value: object) -> Any:
        reducer = copyreg.dispatch_table.get(type(value))
        try:
            return reducer(value) if reducer else value.__reduce_ex__(4)
        except (UnstorableError, RecursionError):
            raise
        except Exception as error:
            raise self._unstorable(value, str(error) or type(error).__name__) from error

    def _unstorable(self, value: object, why: str) -> UnstorableError:
        hint = "save what it was made from, or what it gives, instead"
        return UnstorableError(f"{self._place(value)} can't be stored: {why}", hint=hint)

    def _place(self, value: object) -> str:
        steps = [f".{step}" if kind == "." else _key_step(step) for kind, step in self._trail]
        if len(steps) > 2 * STEPS:
            steps[STEPS:-STEPS] = [f" … {len(steps) - 2 * STEPS:,} more … "]
        trail = "".join(steps)
        of = f"the value's {trail.lstrip('.')}" if trail else "the value"
        return f"{of} ({class_name(type(value))})"

    # ------------------------------------------------------------------------ code objects

    def _class(self, kind: type) -> bytes:
        if importable(kind):
            return join("global", text_bytes(_home(kind)), text_bytes(kind.__qualname__))
        if kind in (types.NoneType, types.EllipsisType, types.NotImplementedType):
            return join("global", b"types", text_bytes(kind.__qualname__))
        if typing.is_typeddict(kind):
            keys = [getattr(kind, f"__{which}_keys__") for which in ("required", "optional")]
            return join("typed-dict", text_bytes(kind.__qualname__), *map(self.of, keys))
        members = {
            key: member
            for key, member in vars(kind).items()
            if key not in CLASS_NOISE
            # attrs puts a number of this process into the code of a hash.
            and not (key == "__hash__" and _made_by_attrs(kind, member))
            and not isinstance(member, types.MemberDescriptorType | types.GetSetDescriptorType)
        }
        return join(
            "class",
            text_bytes(kind.__qualname__),
            self.of(type(kind)),
            self.of(kind.__bases__),
            self.state(members),
        )

    def type_variable(self, value: typing.TypeVar) -> bytes:
        """Return a type variable's hash: where it was made doesn't count."""
        ways = bytes([value.__covariant__, value.__contravariant__])
        limits = self.of((value.__bound__, value.__constraints__))
        return join("type-variable", text_bytes(value.__name__), ways, limits)

    def function(self, value: types.FunctionType) -> bytes:
        """Return a function's code: its name where it can be imported, else what it does."""
        if importable(value):
            return join("global", text_bytes(_home(value)), text_bytes(value.__qualname__))
        names = sorted(_global_names(value.__code__) & value.__globals__.keys())
        return join(
            "function",
            text_bytes(value.__name__),
            self.of(value.__code__),
            self.of(value.__defaults__),
            self.of(value.__kwdefaults__),
            self.of(tuple(map(_cell, value.__closure__ or ()))),
            self.state({key: value.__globals__[key] for key in names}),
            self.state(vars(value)),
        )

    def code(self, value: types.CodeType) -> bytes:
        """Return a code object's code: where it was written doesn't count.

        The compiler calls `np.zeros(2)` one way where it has seen `import numpy as np` in the same
        piece of source and another way where it hasn't, so instructions are taken without what
        those ways differ in, and jumps by the number of the instruction they lead to.
        """
        return join(
            "code",
            self.of(tuple(self._instructions(value))),
            number(value.co_flags),
            number(value.co_argcount),
            number(value.co_posonlyargcount),
            number(value.co_kwonlyargcount),
            self.of(value.co_varnames),
            self.of(value.co_freevars),
            self.of(value.co_cellvars),
        )

    def _instructions(self, value: types.CodeType) -> Iterator[object]:
        kept = [i for i in dis.get_instructions(value) if i.opname not in _FORMAL]
        places = [i.offset for i in kept]
        for instruction in kept:
            name = "LOAD_ATTR" if instruction.opname == "LOAD_METHOD" else instruction.opname
            yield name
            if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
                yield bisect.bisect_left(places, instruction.argval)
            elif instruction.arg is not None:
                yield instruction.argval


_FORMAL = frozenset({"CACHE", "NOP", "PRECALL", "PUSH_NULL", "RESUME"})
"""Instructions that say how a call is prepared, not what is done."""


def _home(value: Any, name: str | None = None) -> str:
    """The module of something global; pandas' public names are of pandas, wherever it has them."""
    module = str(getattr(value, "__module__", None) or type(value).__module__)
    if module.startswith("pandas.") and "pandas" in sys.modules:
        public = getattr(sys.modules["pandas"], name or value.__qualname__, None)
        return "pandas" if public is value else module
    return module


def importable(value: Any) -> bool:
    """Say whether another process gets the same object by importing it."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module in ("__main__", "__mp_main__"):
        return False
    found: Any = sys.modules.get(module)
    for step in value.__qualname__.split("."):
        found = getattr(found, step, None)
    return found is value


def _made_by_attrs(kind: type, member: object) -> bool:
    code = getattr(member, "__code__", None)
    if code is None or "__attrs_attrs__" not in vars(kind):
        return False
    # cloudpickle calls it dynamic.
    return str(code.co_filename).startswith(("<attrs generated", "<dynamic-code>"))


def _global_names(code: types.CodeType) -> set[str]:
    """Give the names that `code` looks up as globals; attributes aren't among them."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in _GLOBAL_LOADS}
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return found.union(*map(_global_names, inner))


_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})


def _cell(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return ...


def _key_step(key: object) -> str:
    return f"[{key!r}]" if type(key) in ATOMS else f"[{type(key).__name__}]"


# --------------------------------------------------------------------------- packed sequences


def _pack_floats(values: Any) -> tuple[bytes, bytes]:
    import numpy as np

    raw = np.array(values, dtype="<f8")
    raw[np.isnan(raw)] = np.nan
    return b"float", raw.tobytes()


def _pack_ints(values: Any) -> tuple[bytes, bytes] | None:
    try:
        raw = array("q", values)
    except OverflowError:
        return None
    if sys.byteorder == "big":
        raw.byteswap()
    return b"int", raw.tobytes()


def _pack_texts(values: Any) -> tuple[bytes, bytes]:
    lengths = array("Q", map(len, values))
    if sys.byteorder == "big":
        lengths.byteswap()
    return b"str", lengths.tobytes() + text_bytes("".join(values))


@lru_cache(maxsize=1024)
def _packed_keys(keys: tuple[str, ...]) -> tuple[bytes, bytes, bytes]:
    form, raw = _pack_texts(keys)
    return form, number(len(keys)), raw


PACKED: Mapping[type, Callable[[Any], tuple[bytes, bytes] | None]] = {
    float: _pack_floats,
    int: _pack_ints,
    str: _pack_texts,
}
"""How a sequence of one plain type is taken in one piece."""


# -------------------------------------------------------------------------------- known types


def _set(tag: str) -> Callable[[Walk, Any], bytes]:
    def digest(walk: Walk, value: Any) -> bytes:
        return join(tag, *sorted(map(walk.of, value)))

    return digest


def _time(tag: str) -> Callable[[Walk, Any], bytes]:
    def digest(walk: Walk, value: Any) -> bytes:
        zone = walk.of(value.tzinfo)
        plain = value.replace(tzinfo=None, fold=0).isoformat()
        return join(tag, plain.encode(), number(value.fold), zone)

    return digest


def _zoneinfo(walk: Walk, value: Any) -> bytes:
    if value.key:
        return join("zone", text_bytes(value.key))
    return walk._reduced(value)


def _timezone(_: Walk, value: datetime.timezone) -> bytes:
    offset = value.utcoffset(None)
    return join(
        "offset",
        str(offset // datetime.timedelta(microseconds=1)).encode(),
        text_bytes(value.tzname(None)),
    )


def _plain(tag: str, show: Callable[[Any], str]) -> Callable[[Walk, Any], bytes]:
    def digest(_: Walk, value: Any) -> bytes:
        return join(tag, text_bytes(show(value)))

    return digest


def _bound(walk: Walk, value: Any) -> bytes:
    return join("method", walk.of(value.__self__), text_bytes(value.__name__))


def _builtin(walk: Walk, value: Any) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return join("global", text_bytes(value.__module__ or ""), text_bytes(value.__qualname__))
    return _bound(walk, value)


HANDLERS: dict[type, Callable[[Walk, Any], bytes]] = {
    list: lambda walk, value: join("list", *walk.items(value)),
    tuple: lambda walk, value: join("tuple", *walk.items(value)),
    dict: lambda walk, value: join("dict", *walk.mapping(value)),
    set: _set("set"),
    frozenset: _set("frozenset"),
    range: _plain("range", lambda r: f"{r.start},{r.stop},{r.step}"),
    slice: lambda walk, value: join("slice", *map(walk.of, (value.start, value.stop, value.step))),
    datetime.date: _plain("date", lambda d: d.isoformat()),
    datetime.datetime: _time("datetime"),
    datetime.time: _time("time"),
    datetime.timedelta: _plain("timedelta", lambda d: f"{d.days},{d.seconds},{d.microseconds}"),
    datetime.timezone: _timezone,
    decimal.Decimal: _plain("decimal", str),
    uuid.UUID: _plain("uuid", str),
    types.FunctionType: Walk.function,
    types.CodeType: Walk.code,
    types.MethodType: _bound,
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: _bound,
    types.ModuleType: _plain("module", lambda module: module.__name__),
    types.MappingProxyType: lambda walk, value: join("mappingproxy", *walk.mapping(value)),
    types.WrapperDescriptorType: lambda walk, value: join(
        "slot", walk.of(value.__objclass__), text_bytes(value.__name__)
    ),
    types.MethodDescriptorType: lambda walk, value: join(
        "slot", walk.of(value.__objclass__), text_bytes(value.__name__)
    ),
    types.ClassMethodDescriptorType: lambda walk, value: join(
        "slot", walk.of(value.__objclass__), text_bytes(value.__name__)
    ),
    staticmethod: lambda walk, value: join("staticmethod", walk.of(value.__func__)),
    classmethod: lambda walk, value: join("classmethod", walk.of(value.__func__)),
    property: lambda walk, value: join(
        "property", *map(walk.of, (value.fget, value.fset, value.fdel))
    ),
    # Before Python 3.12 it holds a lock.
    functools.cached_property: lambda walk, value: join(
        "cached_property", walk.of(value.func), walk.of(value.attrname)
    ),
    typing.TypeVar: Walk.type_variable,
    type({}.keys()): lambda walk, value: join("dict_keys", *walk.items(list(value))),
    type({}.values()): lambda walk, value: join("dict_values", *walk.items(list(value))),
    type({}.items()): lambda walk, value: join("dict_items", *walk.items(list(value))),
}
"""How values of these exact types are taken; any other type goes by codec or by its reduction."""


def _register_zoneinfo() -> None:
    from zoneinfo import ZoneInfo

    HANDLERS[ZoneInfo] = _zoneinfo


_register_zoneinfo()
