"""How fast digests are, as a share of xxh3_128's own rate over the same bytes.

    python tests/benchmarks/values.py

CPU time, best of several rounds; the target is 0.6 for contiguous numbers and text.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xxhash

from linea import values

ROWS = 8_000_000
ROUNDS = 5
TARGET = 0.6


def seconds(work: Callable[[], object]) -> float:
    """Return the least CPU time of a few runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def buffers(value: Any) -> list[Any]:
    """Return the memory that holds a value's content."""
    if isinstance(value, np.ndarray):
        return [np.ascontiguousarray(value).reshape(-1)]
    if isinstance(value, pd.DataFrame):
        return [b for column in value for b in buffers(np.asarray(value[column]))]
    if isinstance(value, pa.ChunkedArray):
        return [b for chunk in value.chunks for b in buffers(chunk)]
    return [b for b in value.buffers() if b is not None]


def raw(parts: list[Any]) -> bytes:
    """Hash memory with nothing else done."""
    state = xxhash.xxh3_128()
    for part in parts:
        state.update(part)
    return state.digest()


def main() -> None:
    """Print rates and ratios."""
    rng = np.random.default_rng(0)
    floats, ints = rng.random(ROWS), rng.integers(0, 1 << 40, ROWS)
    holes = rng.random(ROWS) < 0.1
    words = np.array([f"word-{i:06d}" for i in range(1000)])[rng.integers(0, 1000, ROWS // 4)]
    texts = pa.array(words, pa.string())
    gaps = pa.array(words, pa.string(), mask=holes[: ROWS // 4])
    cases: dict[str, tuple[Any, bool]] = {
        "float64 array": (floats, True),
        "int64 array": (ints, True),
        "float32 array": (floats.astype("f4"), True),
        "float64 array with NaN": (np.where(holes, np.nan, floats), False),
        "float64 Fortran 2-d": (np.asfortranarray(floats.reshape(-1, 8)), False),
        "pandas frame of numbers": (pd.DataFrame({"a": floats, "b": ints}), True),
        "arrow float64": (pa.array(floats), True),
        "arrow float64, chunks": (pa.chunked_array(np.split(floats, 50)), True),
        "arrow int64, 10 % null": (pa.array(ints, mask=holes), False),
        "arrow float64, 10 % null": (pa.array(floats, mask=holes), False),
        "arrow text": (texts, True),
        "arrow text, 10 % null": (gaps, False),
        "arrow dictionary": (texts.dictionary_encode(), False),
    }
    print(f"{'':28} {'MB':>6} {'xxh3 GB/s':>10} {'digest GB/s':>12} {'ratio':>6}")
    for label, (value, targeted) in cases.items():
        parts = buffers(value)
        size = sum(memoryview(part).nbytes for part in parts)
        plain, ours = seconds(lambda p=parts: raw(p)), seconds(lambda v=value: values.digest(v))
        ratio = plain / ours
        mark = "" if not targeted else " ok" if ratio >= TARGET else " BELOW"
        print(
            f"{label:28} {size / 1e6:6.0f} {size / plain / 1e9:10.1f} {size / ours / 1e9:12.1f}"
            f" {ratio:6.2f}{mark}"
        )


if __name__ == "__main__":
    main()
