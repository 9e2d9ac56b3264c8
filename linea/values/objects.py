"""Any picklable object ⇄ a cloudpickle stream, marked as pickled."""

from __future__ import annotations

import copyreg
import io
import pickle as stdlib
import sys
import types
from typing import Any

from linea.errors import UnstorableError, UntrustedError
from linea.model import Encoded, ValueRecord
from linea.values import codec
from linea.values.digest import Of, RefusedError, class_name, finish, join, of_value
from linea.values.parts import Parts
from linea.values.preview import show, text_preview

PROTOCOL = 5
FIGURE = "matplotlib.figure.Figure"


def pickle(value: object) -> bytes:
    """Return the pickle of a value; functions and classes of the user's own go by content."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if any(class_name(kind) == FIGURE for kind in type(obj).__mro__):
                state = obj.__getstate__()
                # Else a window would open wherever the figure is read.
                state.pop("_restore_to_pylab", None)
                return copyreg.__newobj__, (type(obj),), state  # type: ignore[attr-defined]
            return super().reducer_override(obj)

    out = io.BytesIO()
    try:
        Pickler(out, protocol=PROTOCOL).dump(value)
    except Exception as error:
        raise UnstorableError(
            f"the {class_name(type(value))} can't be pickled: {error}",
            hint="save what it was made from, or what it gives, instead",
        ) from error
    return out.getvalue()


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


def unpickle(data: bytes, record: ValueRecord) -> Any:
    """Return the value of a pickled part. This runs what the pickle says.

    The record must have said that it holds pickles: that is what trust was asked for.
    """
    if not record.pickled:
        raise UntrustedError("the record of this value hides that it holds a pickle")
    return stdlib.loads(data)


def subclass_digest(value: Any, of: Of) -> bytes:
    """Return the hash of a subclass of a table or an array: its class, base content and extras."""
    for base in type(value).__mro__:
        known = codec.EXACT.get(class_name(base))
        if known is not None:
            break
    if known == "array":
        extras = {k: v for k, v in getattr(value, "__dict__", {}).items() if not k.startswith("_")}
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
        return codec.build(
            value,
            kind=self.kind,
            codec=self.name,
            parts={"value.pkl": unstable or pickle(value)},
            text=self.text(value),
            summary=self.summary(value),
            digest=raw,
            details=made_by(value),
            pickled=True,
            stable=unstable is None,
            preview=text_preview(show(value)),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return unpickle(read("value.pkl"), record)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.pkl": read("value.pkl")}


PICKLE = PickleCodec()
