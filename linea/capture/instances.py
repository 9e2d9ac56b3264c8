"""Instances of classes → prints of their attributes, slots and of what lies in C below them."""

from __future__ import annotations

import functools
import gc
import marshal
import sys
import types
from typing import Any

from xxhash import xxh3_64_intdigest

from linea.capture.prints import shallow
from linea.capture.walk import Handler, Walk, address, is_a, module_of

CACHES_IN_STEP = frozenset({"networkx"})
"""Packages whose classes drop what a `cached_property` holds as soon as it is out of date."""


def _slots(kind: type) -> list[Any]:
    found = []
    for base in kind.__mro__:
        for value in type.__dict__["__dict__"].__get__(base).values():
            if type(value) is types.MemberDescriptorType and base is not object:
                found.append(value)
    return found


def attributes_of(obj: object) -> dict[str, object] | None:
    try:
        found = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _caches(kind: type) -> frozenset[str]:
    """Attributes that hold nothing but what can be computed again at any time."""
    return frozenset(
        name
        for base in kind.__mro__
        if module_of(base).partition(".")[0] in CACHES_IN_STEP
        for name, value in type.__dict__["__dict__"].__get__(base).items()
        if type(value) is functools.cached_property
    )


def instance(kind: type, content: Handler | None) -> Handler:
    slots = _slots(kind)
    caches = _caches(kind)
    finalized = hasattr(kind, "__del__") and has_user_finalizer(kind)

    def handle(obj: object, walk: Walk) -> object:
        shape: list[object] = [content(obj, walk)] if content is not None else []
        attributes = attributes_of(obj)
        if finalized:
            walk.weak.add(address(obj))
        if attributes is not None and sys.getrefcount(attributes) > _ONE_HOLDER:
            # Somebody else has it too, and can write to it.
            walk.keys.add(address(attributes))
            walk.shares.setdefault(address(obj), []).append(address(attributes))
        if attributes:
            values = list(attributes.values())
            walk.stack += values
            if caches and not caches.isdisjoint(attributes):
                attributes = {k: v for k, v in attributes.items() if k not in caches}
                values = list(attributes.values())
            shape += (shallow(attributes), shallow(values))
        for slot in slots:
            try:
                value = slot.__get__(obj)
            except AttributeError:
                shape.append("unset")
                continue
            walk.stack.append(value)
            shape.append(shallow([value]))
        return shape[0] if len(shape) == 1 else _joined(shape)

    return handle


def _joined(shape: list[object]) -> object:
    try:
        return xxh3_64_intdigest(marshal.dumps(shape, 2))
    except ValueError:
        return tuple(shape)


_ONE_HOLDER = 3
"""References to an instance's `__dict__` that only the instance and who counts them hold."""


def has_user_finalizer(kind: type) -> bool:
    """Whether `__del__` is a Python function: something that may be seen to have run."""
    found = next((vars(b)["__del__"] for b in kind.__mro__ if "__del__" in vars(b)), None)
    return is_a(found, types.FunctionType)


def atom_content(root: Any) -> Handler:
    def content(obj: Any, walk: Walk) -> object:
        if root in (str, bytes, int, float, complex):
            return shallow([root.__new__(root, obj)]) if root is not int else int.__repr__(obj)
        return "value"

    return content


_PYTHON_MADE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def solid_base(kind: type) -> type:
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


def has_own_reduce(kind: type) -> bool:
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


def exception(obj: BaseException, walk: Walk) -> object:
    arguments = BaseException.__dict__["args"].__get__(obj)
    walk.stack.extend(arguments)
    return shallow(arguments)


_CALLBACKS = frozenset({"ctypes", "_ctypes"})
"""Packages whose objects may call back functions of the user's."""


def opaque(obj: Any, walk: Walk) -> object:
    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    walk.blind(obj)
    if (package := module_of(type(obj)).partition(".")[0]) in _CALLBACKS:
        walk.hides.add(package)
    return None


def reduced(obj: Any, walk: Walk) -> object:
    """C objects of libraries that can be pickled: their state is what they pickle."""
    import pickle

    walk.stack.extend(o for o in gc.get_referents(obj) if not is_a(o, type))
    return xxh3_64_intdigest(pickle.dumps(obj, 5))


def nothing(obj: Any, walk: Walk) -> object:
    return None
