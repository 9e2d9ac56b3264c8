"""Objects of Python's own types → their prints, one handler a type."""

from __future__ import annotations

import array
import collections
import functools
import gc
import io
import itertools
import marshal
import sys
import types
import weakref
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from xxhash import xxh3_64_intdigest

from linea.capture.prints import joined, sequence, shallow
from linea.capture.trees import CONTAINERS, tree_print
from linea.capture.walk import Handler, Walk, address, is_a, module_of


def _list(obj: list[object], walk: Walk) -> object:
    return _whole(obj, obj, walk) or sequence(list.__iter__(obj), list.__len__(obj), walk)


def _tuple(obj: tuple[object, ...], walk: Walk) -> object:
    return _whole(obj, obj, walk) or sequence(tuple.__iter__(obj), tuple.__len__(obj), walk)


def _dict(obj: dict[object, object], walk: Walk) -> object:
    length = dict.__len__(obj)
    return _whole(obj, dict.values(obj), walk) or joined(
        sequence(dict.keys(obj), length, walk), sequence(dict.values(obj), length, walk)
    )


def _ordered_dict(obj: collections.OrderedDict[object, object], walk: Walk) -> object:
    keys = sequence(collections.OrderedDict.__iter__(obj), dict.__len__(obj), walk)
    return (keys, _dict(obj, walk))


def _set(obj: set[object], walk: Walk) -> object:
    return sequence(set.__iter__(obj), set.__len__(obj), walk)


def _frozenset(obj: frozenset[object], walk: Walk) -> object:
    return sequence(frozenset.__iter__(obj), frozenset.__len__(obj), walk)


def _whole(obj: object, items: Collection[object], walk: Walk) -> int | None:
    """The print of a container with all that is below it, where that is plain data."""
    if type(obj) not in CONTAINERS or not any(type(o) in CONTAINERS for o in islice(items, 16)):
        return None
    return tree_print(obj, walk)


def _deque(obj: collections.deque[object], walk: Walk) -> object:
    length = collections.deque.__len__(obj)
    return (obj.maxlen, sequence(collections.deque.__iter__(obj), length, walk))


def _defaultdict(obj: collections.defaultdict[object, object], walk: Walk) -> object:
    walk.stack.append(obj.default_factory)
    return _dict(obj, walk)


def _buffer(obj: Any, walk: Walk) -> object:
    walk.keys.add(address(obj))
    with memoryview(obj) as view:
        return (len(view), _bytes_print(view, walk))


def _bytes_print(view: memoryview, walk: Walk) -> int:
    return xxh3_64_intdigest(view.cast("B") if view.contiguous else view.tobytes())


def _memoryview(obj: memoryview, walk: Walk) -> object:
    try:
        owner = obj.obj
    except ValueError:
        return "released"  # lets its owner be resized
    walk.stack.append(owner)
    walk.keys.add(address(owner))
    walk.shares[address(obj)] = [address(owner)]
    return (obj.format, obj.shape, _bytes_print(obj, walk))


def _array(obj: array.array[Any], walk: Walk) -> object:
    return (obj.typecode, _buffer(obj, walk))


def _builtin_method(obj: types.BuiltinMethodType, walk: Walk) -> object:
    owner = obj.__self__
    if owner is not None and not is_a(owner, types.ModuleType):
        _owner(owner, walk)
    elif is_a(owner, types.ModuleType):
        walk.packages.add(owner.__name__.partition(".")[0])
    return None


def _owner(obj: object, walk: Walk) -> None:
    """Go on to what a method belongs to; that it draws from a global generator shows as it does."""
    if any(obj is generator for _, generator in global_generators()):
        walk.packages.add(module_of(type(obj)).partition(".")[0])
    else:
        walk.stack.append(obj)


def global_generators() -> Iterator[tuple[str, object]]:
    """The objects behind the hidden states that are drawn from without naming a generator."""
    for key, module, name in _GENERATORS:
        if module in sys.modules:
            yield key, getattr(sys.modules[module], name, None)


_GENERATORS = (("random", "random", "_inst"), ("numpy.random", "numpy.random.mtrand", "_rand"))


def _method(obj: types.MethodType, walk: Walk) -> object:
    walk.stack.append(obj.__func__)
    _owner(obj.__self__, walk)
    return None


def _method_wrapper(obj: types.MethodWrapperType, walk: Walk) -> object:
    walk.stack.append(obj.__self__)
    return None


def _partial(obj: functools.partial[Any], walk: Walk) -> object:
    parts = [obj.func, *obj.args, *obj.keywords.values()]
    walk.stack.extend(parts)
    return shallow(parts)


def _property(obj: property, walk: Walk) -> object:
    walk.stack.extend((obj.fget, obj.fset, obj.fdel))
    return None


def _wrapper(obj: Any, walk: Walk) -> object:
    walk.stack.append(obj.__func__)
    return None


def _cell(obj: types.CellType, walk: Walk) -> object:
    try:
        value = obj.cell_contents
    except ValueError:
        return "empty"
    walk.stack.append(value)
    return shallow([value])


def _proxy(obj: Any, walk: Walk) -> object:
    walk.stack.extend(gc.get_referents(obj))
    return "proxy"


def _cache(obj: Any, walk: Walk) -> object:
    info = obj.cache_info()
    walk.hits[address(obj)] = info.hits  # matters only to who asks for it
    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    return (info.misses, info.currsize)


def _context_variable(obj: Any, walk: Walk) -> object:
    try:
        value = obj.get()
    except LookupError:
        return "unset"
    walk.stack.append(value)
    return shallow([value])


def _iterator(obj: Any, walk: Walk) -> object:
    parts = obj.__reduce__()[1:]
    walk.keep.append(parts)
    flat: list[object] = []
    for part in parts:
        flat.extend(part if isinstance(part, tuple) else (part,))
    walk.stack.extend(flat)
    return shallow(flat)


def _view_iterator(obj: Any, walk: Walk) -> object:
    # Taken apart it gives a copy of what is left; a change of what it goes over still ends it.
    walk.stack.extend(gc.get_referents(obj))
    return _iterator(obj, walk)


def _map(obj: Any, walk: Walk) -> object:
    inner = gc.get_referents(obj)
    walk.stack.extend(inner)
    return shallow(inner)


def _printed(obj: Any, walk: Walk) -> object:
    return repr(obj)


def _itertools(obj: Any, walk: Walk) -> object:
    walk.stack.extend(gc.get_referents(obj))
    walk.blind(obj)
    return None


def _text_buffer(obj: Any, walk: Walk) -> object:
    if obj.closed:
        return "closed"
    return (obj.tell(), xxh3_64_intdigest(marshal.dumps(obj.getvalue(), 2)))


def _handle(obj: Any, walk: Walk) -> object:
    walk.blind(obj)
    if not obj.closed and obj.writable():
        walk.weak.add(address(obj))  # as it dies, what it still holds is written
    name = getattr(obj, "name", None)
    if isinstance(name, (str, bytes)) and not (isinstance(name, str) and name.startswith("<")):
        walk.files.add(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    return None


def _weak_reference(obj: Any, walk: Walk) -> object:
    target = weakref.ref.__call__(obj)
    if target is None:
        return "dead"
    key = address(target)
    walk.weak.add(key)
    walk.stack.append(obj.__callback__)
    return key


def _finalizer(obj: Any, walk: Walk) -> object:
    info = weakref.finalize._registry.get(obj)  # type: ignore[attr-defined]  # `peek` would be as private
    target = info.weakref() if info is not None else None
    if target is None:
        return "dead"
    walk.weak.add(address(target))
    walk.stack += [info.func, *info.args, *(info.kwargs or {}).values()]
    return "alive"


def _lock(obj: Any, walk: Walk) -> object:
    return obj.locked()


def _mmap(obj: Any, walk: Walk) -> object:
    return "closed" if obj.closed else (len(obj), xxh3_64_intdigest(memoryview(obj)))


def _py_random(obj: Any, walk: Walk) -> object:
    if obj is getattr(sys.modules["random"], "_inst", None):
        walk.keys.add(address(obj))
        return None  # the global generator is hidden state, see `hidden.py`
    return hash(random_state(obj))


def random_state(obj: Any) -> Any:
    """The state of a `random.Random`, by the base type's own method."""
    return sys.modules["random"].Random.getstate(obj)


EXACT: dict[type, Handler] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    collections.deque: _deque,
    collections.defaultdict: _defaultdict,
    collections.OrderedDict: _ordered_dict,
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
    type(iter({})): _view_iterator,
    type(iter({}.values())): _view_iterator,
    type(iter({}.items())): _view_iterator,
    type(iter(set())): _view_iterator,
    type(iter(range(0))): _iterator,
    type(reversed([])): _iterator,
    type(reversed({})): _view_iterator,
    type(reversed({}.values())): _view_iterator,
    type(reversed({}.items())): _view_iterator,
    itertools.count: _printed,
    itertools.repeat: _printed,
    weakref.ref: _weak_reference,
    weakref.finalize: _finalizer,
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

    EXACT[contextvars.Token] = _printed
    EXACT[mmap.mmap] = _mmap

    EXACT[contextvars.ContextVar] = _context_variable
    EXACT[_thread.LockType] = _lock
    EXACT[random.Random] = _py_random


_add_named_types()
