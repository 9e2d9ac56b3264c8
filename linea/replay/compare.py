"""Two values → whether they are the same within a tolerance."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence, Set
from typing import Any

DEPTH = 50
"""How deep nested values are followed; beyond it only equality counts."""


def close(a: object, b: object, tolerance: float, *, depth: int = 0) -> bool:
    """Say whether `a` and `b` differ nowhere by more than `tolerance`, relative or absolute."""
    if a is b:
        return True
    if isinstance(a, (bool, str, bytes)) or a is None:
        return type(a) is type(b) and a == b
    if isinstance(a, (int, float, complex)) and isinstance(b, (int, float, complex)):
        return close_numbers(complex(a), complex(b), tolerance)
    if type(a) is not type(b) or depth > DEPTH:
        return False
    columns = as_columns(a), as_columns(b)
    if columns[0] is not None and columns[1] is not None:
        a, b = columns
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(
            close(a[key], b[key], tolerance, depth=depth + 1) for key in a
        )
    if is_array(a):
        return close_arrays(a, b, tolerance, depth)
    if isinstance(a, Sequence) and isinstance(b, Sequence):
        return len(a) == len(b) and all(
            close(x, y, tolerance, depth=depth + 1) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, Set):
        return equal(a, b)
    return close_states(a, b, tolerance, depth)


def close_numbers(a: complex, b: complex, tolerance: float) -> bool:
    return all(
        (math.isnan(x) and math.isnan(y))
        or math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance)
        for x, y in ((a.real, b.real), (a.imag, b.imag))
    )


def is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def close_arrays(a: Any, b: Any, tolerance: float, depth: int) -> bool:
    import numpy

    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind in "fc":
        return bool(numpy.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))
    if a.dtype.kind == "O":
        return close(a.tolist(), b.tolist(), tolerance, depth=depth + 1)
    if a.dtype.kind in "iu":
        return bool(numpy.allclose(a, b, rtol=tolerance, atol=tolerance))
    return bool(numpy.array_equal(a, b))


def as_columns(value: object) -> dict[str, Any] | None:
    """The columns of a table as arrays, by position and name; None for what is no table."""
    kind = next(
        (
            f"{cls.__module__.partition('.')[0]}.{cls.__name__}"
            for cls in type(value).__mro__
            if cls.__module__.partition(".")[0] in ("pandas", "polars", "pyarrow")
        ),
        "",
    )
    table: Any = value
    if kind == "pandas.DataFrame":
        arrays = {
            f"{at} {name!r}": table.iloc[:, at].to_numpy() for at, name in enumerate(table.columns)
        }
        return {"index": table.index.to_numpy(), **arrays}
    if kind in ("pandas.Series", "pandas.Index"):
        index = {"index": table.index.to_numpy()} if kind == "pandas.Series" else {}
        return {**index, repr(table.name): table.to_numpy()}
    if kind == "polars.DataFrame":
        return {name: table[name].to_numpy() for name in table.columns}
    if kind == "polars.Series":
        return {table.name: table.to_numpy()}
    if kind == "pyarrow.Table":
        return {
            f"{at} {name!r}": table.column(at).to_numpy()
            for at, name in enumerate(table.column_names)
        }
    return None


def close_states(a: object, b: object, tolerance: float, depth: int) -> bool:
    """Compare two objects by what makes them up: a fitted model by its attributes."""
    states = getattr(a, "__dict__", None), getattr(b, "__dict__", None)
    if states[0] is None or states[1] is None or not states[0]:
        return equal(a, b)
    return close(states[0], states[1], tolerance, depth=depth + 1)


def equal(a: object, b: object) -> bool:
    try:
        return bool(a == b)
    except Exception:  # the user's __eq__ may do anything
        return False


# ---------------------------------------------------------------------------------- how far


def farthest(a: object, b: object) -> str:
    """Say how far two values are apart: the largest difference and how many numbers differ.

    Empty where they hold other things than numbers, or not the same number of them.
    """
    tables = as_columns(a), as_columns(b)
    if tables[0] is not None and tables[1] is not None:
        said = [
            f"{name}: {text}"
            for name in tables[0]
            if name in tables[1] and (text := apart(tables[0][name], tables[1][name]))
        ]
        return "; ".join(said[:COLUMNS])
    return apart(a, b)


COLUMNS = 5
"""How many columns are told apart in a line."""


def apart(a: Any, b: Any) -> str:
    import numpy

    try:
        x, y = numpy.asarray(a), numpy.asarray(b)
    except (TypeError, ValueError):
        return ""
    if x.dtype.kind not in "iufb" or y.dtype.kind not in "iufb" or x.shape != y.shape:
        return ""
    x, y = x.astype(float), y.astype(float)
    differ = ~((x == y) | (numpy.isnan(x) & numpy.isnan(y)))
    if not differ.any():
        return ""
    largest = numpy.abs(x - y)[differ].max()
    if x.ndim == 0:
        return f"{float(x):.10g} → {float(y):.10g}, {largest:.3g} apart"
    return f"{int(differ.sum()):,} of {x.size:,} differ, by {largest:.3g} at most"
