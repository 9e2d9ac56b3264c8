"""Types → the handler that prints their objects; functions, modules and classes of the user too."""

from __future__ import annotations

import abc
import enum
import gc
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from linea.capture.builtin_types import EXACT
from linea.capture.instances import (
    atom_content,
    exception,
    has_own_reduce,
    instance,
    opaque,
    reduced,
    solid_base,
)
from linea.capture.library_types import NAMED, WHOLE, is_immutable_of_library
from linea.capture.prints import shallow
from linea.capture.source import CODE_IN_TEXT, CodeNames, identifiers
from linea.capture.walk import ATOMS, IMMUTABLE, Handler, Walk, address, is_a, module_of, qualname

_abc: Any = sys.modules.get("_abc")

_FRAMES = frozenset({
    types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.FrameType,
})  # fmt: skip
_POSITIVE = (1 << 62) - 1


_VALUES = ("IPython.utils.", "IPython.lib.", "IPython.core.display.", "IPython.core.macro")
"""Modules of IPython whose objects are the user's: lists of lines, displays, captured output."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a type."""

    name: str
    handler: Handler | None
    """Prints an object of it; None when there is nothing that can change."""
    package: str
    """The library it comes from, if any."""
    user: bool
    """It was made by the user's own code."""
    code: bool
    """Its objects can be called, or it was made by the user's own code."""
    salt: int
    """Makes the same content in objects of other types another print."""


class Kinds:
    """What is known of the types met so far, and of the code of the user's functions."""

    def __init__(self, namespace: dict[str, Any], is_user_module: Callable[[str], bool]) -> None:
        self.namespace = namespace
        self.cells: frozenset[str] = frozenset()
        """Variables of functions being stepped through that functions inside of them share."""
        self.is_user_module = is_user_module
        self.known: dict[type, Kind] = {}
        self.user_classes = False
        """Classes of the user's own code were met, or objects of such."""
        self._codes: dict[types.CodeType, CodeNames] = {}

    def classify(self, kind: type) -> Kind:
        """Find out what is to be known of `kind`."""
        module = module_of(kind)
        package = module.partition(".")[0]
        user = package == "__main__" or self.is_user_module(module)
        name = f"{module}.{qualname(kind)}"
        self.user_classes |= user
        library = "" if user or package in ("builtins", "linea") else package
        if package == "linea" or _is_shell(module):
            return Kind(name, None, "", False, True, 0)
        handler = self._handler(kind, package, user)
        code = user or kind in _FRAMES or any("__call__" in vars(base) for base in kind.__mro__)
        return Kind(name, handler, library, user, code, hash(name) >> 1 & _POSITIVE)

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
            named = NAMED.get((module_of(base).partition(".")[0], qualname(base)))
            if named is not None:
                return named if base is kind or named in WHOLE else instance(kind, named)
        if is_immutable_of_library(kind, package):
            return None
        if issubclass(kind, enum.Enum):
            return None if not user else instance(kind, None)
        root = solid_base(kind)
        if root is object:
            return instance(kind, None)
        if root in IMMUTABLE or root in ATOMS:
            return instance(kind, atom_content(root))
        content = EXACT.get(root)
        if content is not None:
            return instance(kind, content)
        if issubclass(root, BaseException):
            return instance(kind, exception)
        if kind.__module__.partition(".")[0] in ("ctypes", "_ctypes"):
            return opaque
        if root is kind and has_own_reduce(kind):
            return reduced
        return opaque

    # Handlers that need the namespace ------------------------------------------------------

    def code_names(self, code: types.CodeType) -> CodeNames:
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = CodeNames(code)
        return found

    def _function(self, function: types.FunctionType, walk: Walk) -> object:
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
            module = sys.modules.get(name) if isinstance(name, str) else None
            if module is None or vars(module) is not scope:
                stack.append(scope)  # made by `exec`, or of a module that was taken out
            elif self.is_user_module(name):
                stack.append(module)
            else:
                walk.packages.add(name.partition(".")[0])
        return (
            address(function.__code__),
            tuple(address(cell) for cell in cells),
            shallow(defaults) if defaults else None,
            shallow(list(attributes.items())) if attributes else None,
        )

    def called(self, code: types.CodeType, walk: Walk) -> None:
        """`code` may run with the user's globals: what it reads counts as reached."""
        names = self.code_names(code)
        walk.names |= names.names
        walk.mentions |= names.attributes
        if self.cells:
            walk.names |= self.cells.intersection(code.co_freevars)
        for module in names.imports:
            walk.modules.add(module)
            walk.packages.add(module.partition(".")[0])
        if names.attributes & CODE_IN_TEXT:
            walk.names |= {w for w in identifiers(names.strings) if w in self.namespace}
            if names.attributes & {"eval", "exec", "globals", "locals", "vars"}:
                walk.reads_all = True

    def _generator(self, obj: Any, walk: Walk) -> object:
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
        return (frame.f_lasti, shallow(inner))

    def _module(self, module: types.ModuleType, walk: Walk) -> object:
        name = module.__dict__.get("__name__", "")
        if not isinstance(name, str):
            return None
        if name == "__main__" and module.__dict__ is self.namespace:
            walk.reads_all = True
            return None
        walk.modules.add(name)
        if not self.is_user_module(name) and sys.modules.get(name) is module:
            walk.packages.add(name.partition(".")[0])
            return "module"
        content = {
            k: v
            for k, v in module.__dict__.copy().items()
            if k not in ("__builtins__", "__loader__", "__spec__", "__cached__")
        }
        walk.keys.add(address(module.__dict__))
        walk.shares[address(module)] = [address(module.__dict__)]
        walk.stack.extend(content.values())
        return shallow(list(content.items()))

    def _class(self, kind: type, walk: Walk) -> object:
        module = module_of(kind)
        user = module == "__main__" or self.is_user_module(module)
        if not user:
            walk.packages.add(module.partition(".")[0])
            return "class"
        self.user_classes = True
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
        return shallow([*content.items(), *bases, *_registered(kind)])


def _registered(kind: type) -> list[int]:
    """Addresses of the classes that an abstract base class was told to take for its own."""
    if not issubclass(type(kind), abc.ABCMeta):
        return []
    try:
        targets = [ref() for ref in _abc._get_dump(kind)[0]]
    except Exception:
        return []
    return sorted(address(target) for target in targets if target is not None)


_CLASS_NOISE = frozenset({
    "__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl", "__annotations__",
    "__static_attributes__", "__firstlineno__", "__slotnames__",
})  # fmt: skip


def _is_shell(module: str) -> bool:
    """Whether objects of a module are parts of the shell that runs the user's cells."""
    if not module.startswith(("IPython.", "ipykernel.", "zmq.")):
        return False
    return not f"{module}.".startswith(_VALUES)
