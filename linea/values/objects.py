"""Any picklable object ⇄ a cloudpickle stream, marked as pickled."""

from __future__ import annotations

import copyreg
import datetime
import functools
import io
import operator
import pickle as stdlib
import pickletools
import struct
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from linea.errors import DamagedStoreError, UnstorableError, UntrustedError
from linea.model import Buffer, Encoded, Payload, ValueRecord
from linea.values import codec
from linea.values.digest import (
    WEEK,
    Of,
    RefusedError,
    class_name,
    finish,
    importable,
    is_shared_generator,
    join,
    made_by_new,
    made_without_new,
    of_value,
)
from linea.values.parts import Parts, byte_stream
from linea.values.preview import drawn, show

PROTOCOL = 5
FIGURE = "matplotlib.figure.Figure"


LARGE = 64 << 10
"""Bytes of a buffer, such as that of an array, that is kept beside the pickle."""
ALIGNED = 64
"""Buffers begin at multiples of so many bytes of their part."""


def pickle(value: object, buffers: list[memoryview] | None = None) -> bytes:
    """Return the pickle of a value; functions and classes of the user's own go by content.

    Large buffers are put into `buffers`, if given, and not copied.
    """
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if any(class_name(kind) == FIGURE for kind in type(obj).__mro__):
                state = obj.__getstate__()
                # Else a window would open wherever the figure is read.
                state.pop("_restore_to_pylab", None)
                return copyreg.__newobj__, (type(obj),), state  # type: ignore[attr-defined]
            if typing.is_typeddict(obj) and not importable(obj):
                form: Any = typing.TypedDict
                made = functools.partial(form, total=obj.__total__)
                return made, (obj.__name__, dict(obj.__annotations__))
            if type(obj) is functools.cached_property:  # it holds a lock before Python 3.12
                return functools.cached_property, (obj.func,), {"attrname": obj.attrname}
            if is_shared_generator(obj):
                return getattr, (sys.modules["numpy.random.mtrand"], "_rand")
            if class_name(type(obj)) == "torch.Tensor" and _is_tiny(obj.dtype):
                # torch doesn't read its own pickles of these.
                import torch

                return torch.Tensor.view, (obj.detach().view(torch.uint8), obj.dtype)
            mended = _mended(obj)
            if mended is not None:
                return mended
            attributes = _forgotten(obj)
            if attributes:
                made, arguments, state = obj.__reduce__()
                return made, arguments, (state, attributes), None, None, _restored
            return super().reducer_override(obj)

    def beside(buffer: stdlib.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True  # it isn't contiguous
        if buffers is None or raw.nbytes < LARGE:
            return True
        buffers.append(raw)
        return False

    out = io.BytesIO()
    try:
        Pickler(out, protocol=PROTOCOL, buffer_callback=beside).dump(value)
    except Exception as error:
        raise UnstorableError(
            f"the {class_name(type(value))} can't be pickled: {error}",
            hint="save what it was made from, or what it gives, instead",
        ) from error
    return out.getvalue()


def _mended(value: Any) -> Any:
    """Return a reduction of what its own pickling would make another class of, else None."""
    kind: type = type(value)
    if class_name(kind) == WEEK:
        return operator.methodcaller("isocalendar"), (datetime.date.fromisocalendar(*value),)
    if isinstance(value, type) or not isinstance(kind.__new__, types.FunctionType):
        return None
    if hasattr(kind, "__getnewargs__") or hasattr(kind, "__getnewargs_ex__"):
        return None
    if made_by_new(kind) is kind or not made_without_new(kind):
        return None
    reduced = value.__reduce_ex__(PROTOCOL)
    if reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
        return None
    return object.__new__, (kind,), *reduced[2:]


def _is_tiny(dtype: Any) -> bool:
    return str(dtype).startswith("torch.float8")


def _forgotten(value: Any) -> dict[str, Any]:
    """Return the attributes of an array of a class of somebody's own, which numpy doesn't pickle."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "numpy" or "numpy" not in sys.modules:
        return {}
    array = sys.modules["numpy"].ndarray
    if not issubclass(kind, array) or kind.__reduce__ is not array.__reduce__:
        return {}
    return own_attributes(value) if kind.__setstate__ is array.__setstate__ else {}


def own_attributes(value: Any) -> dict[str, Any]:
    """Return what an instance holds beside its content, private things left out."""
    return {k: v for k, v in getattr(value, "__dict__", {}).items() if not k.startswith("_")}


def _restored(array: Any, state: Any) -> None:
    array.__setstate__(state[0])
    array.__dict__.update(state[1])


_restored.__module__ = "__main__"  # it goes by content, so that a pickle is read without linea


def hash_or_pickle(value: object) -> tuple[bytes, bytes | None]:
    """Return a value's hash, and None; or, where it has none, that of its pickle, and the pickle.

    Two equal values may have different pickles: equality of such values can't be decided.
    """
    try:
        return of_value(value), None
    except RefusedError:
        raise
    except UnstorableError as unhashable:
        try:
            data = pickle(value)
        except UnstorableError:
            raise unhashable from None
        return join("pickle", data), data


def unpickle(data: bytes, record: ValueRecord, buffers: Iterable[Any] = ()) -> Any:
    """Return the value of a pickled part. This runs what the pickle says.

    The record must have said that it holds pickles: that is what trust was asked for.
    """
    if not record.pickled:
        raise UntrustedError("the record of this value hides that it holds a pickle")
    try:
        return stdlib.loads(data, buffers=buffers)
    except Exception as error:
        made = record.details.get("library")
        error.add_note(
            f"linea: this {record.type} was pickled{f' with {made}' if made else ''};"
            " its pickle can't be read with what is installed here"
        )
        raise


def buffers_part(buffers: list[memoryview]) -> Payload:
    """Return buffers as one part: one after the other, each from a multiple of 64 on."""

    def blocks() -> Iterator[Any]:
        for buffer in buffers:
            yield buffer
            yield bytes(-buffer.nbytes % ALIGNED)

    size = sum(each.nbytes + -each.nbytes % ALIGNED for each in buffers)
    return byte_stream(blocks, size, width=8, label="buffers")


def read_buffers(pieces: Iterable[Buffer], sizes: list[int]) -> list[bytearray]:
    """Return the buffers of a part, each in memory of its own."""
    found = [bytearray(size) for size in sizes]
    wanted = iter([view for each in found for view in (memoryview(each), -len(each) % ALIGNED)])
    place: Any = b""
    for piece in pieces:
        at = 0
        while at < len(piece):
            while not place:
                place = next(wanted, None)
                if place is None:
                    raise DamagedStoreError("a value has more bytes than its buffers")
            if isinstance(place, int):
                taken = min(place, len(piece) - at)
                place -= taken
            else:
                taken = min(len(place), len(piece) - at)
                place[:taken] = piece[at : at + taken]
                place = place[taken:]
            at += taken
    if place or any(wanted):
        raise DamagedStoreError("a value has fewer bytes than its buffers")
    return found


def whole_pickle(data: bytes, buffers: Iterable[bytearray]) -> bytes:
    """Return a pickle with the buffers that are beside it in it; nothing is unpickled."""
    left = iter(buffers)
    pieces: list[bytes | bytearray] = []
    start = 0
    for opcode, _, position in pickletools.genops(data):
        if opcode.name not in ("FRAME", "NEXT_BUFFER"):
            continue
        assert position is not None
        pieces.append(data[start:position])
        if opcode.name == "FRAME":  # frames, which needn't be there, have other lengths now
            start = position + 9
        else:
            buffer = next(left)
            pieces += [stdlib.BYTEARRAY8 + struct.pack("<Q", len(buffer)), buffer]
            start = position + 1
    return b"".join([*pieces, data[start:]])


def subclass_digest(value: Any, of: Of) -> bytes:
    """Return the hash of a subclass of a table or an array: its class, base content and extras."""
    for base in type(value).__mro__:
        known = codec.EXACT.get(class_name(base))
        if known is not None:
            break
    if known == "array":
        extras = own_attributes(value)
    else:
        extras = {k: getattr(value, k, None) for k in getattr(value, "_metadata", ())}
    return join("subclass", of(type(value)), codec.load(known).digest(value, of), of(extras))


def made_by(value: Any) -> dict[str, Any]:
    """Return which version of its library an object came from, as its pickle depends on that."""
    root = type(value).__module__.partition(".")[0]
    version = getattr(sys.modules.get(root), "__version__", None)
    return {"library": f"{root} {version}"} if isinstance(version, str) else {}


class PickleCodec:
    """What no other codec knows."""

    kind = "object"
    name = "pickle"

    def digest(self, value: Any, of: Of) -> bytes:
        return finish(of(value))

    def text(self, value: Any) -> str:
        """Return the one line that says what the object is."""
        if isinstance(value, type | types.FunctionType):
            return f"{'class' if isinstance(value, type) else 'function'} {value.__qualname__}"[
                :100
            ]
        own = " ".join(show(value).split())
        if not own.startswith("<") and len(own) <= 80:
            return own
        sized = isinstance(value, list | dict | tuple | set)
        return type(value).__qualname__[:80] + (f" of {len(value):,}" if sized else "")

    def summary(self, value: Any) -> dict[str, Any]:
        """Return the facts worth keeping of the object."""
        return {}

    def encode(self, value: Any) -> Encoded:
        raw, unstable = hash_or_pickle(value)
        buffers: list[memoryview] = []
        parts: dict[str, Payload] = {"value.pkl": unstable or pickle(value, buffers)}
        details = made_by(value)
        if buffers:
            parts["buffers"] = buffers_part(buffers)
            details["buffers"] = [each.nbytes for each in buffers]
        return codec.build(
            value,
            kind=self.kind,
            codec=self.name,
            parts=parts,
            text=self.text(value),
            summary=self.summary(value),
            digest=raw,
            details=details,
            pickled=True,
            stable=unstable is None,
            preview=drawn(lambda: show(value), "object"),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return unpickle(read("value.pkl"), record, self._buffers(record, read))

    def _buffers(self, record: ValueRecord, read: Parts) -> list[bytearray]:
        sizes = record.details.get("buffers")
        return read_buffers(read.pieces("buffers"), sizes) if sizes else []

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        data = read("value.pkl")
        buffers = self._buffers(record, read)
        return {f"{stem}.pkl": whole_pickle(data, buffers) if buffers else data}


PICKLE = PickleCodec()
