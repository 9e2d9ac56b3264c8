"""What the stores of this folder hold, which older versions of linea wrote; by artifact and version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

ROWS = 4_000


def frame(number: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "price": np.round(rng.gamma(2, 9, ROWS), 2),
            "gaps": pd.array(np.where(rng.random(ROWS) < 0.1, np.nan, 7.0), dtype="Float64"),
            "time": pd.Timestamp("2024-01-01", tz="Europe/Rome")
            + pd.to_timedelta(np.arange(ROWS), unit="min"),
            "kind": pd.Categorical.from_codes(rng.integers(-1, 3, ROWS), ["a", "b", "c"]),
            "word": pd.Series([f"w{i % 97}" if i % 11 else None for i in range(ROWS)], dtype="str"),
            "mixed": pd.Series([i if i % 2 else str(i) for i in range(ROWS)], dtype=object),
        },
        index=pd.Index(np.arange(ROWS) * 2, name="k"),
    )
    return found if number == 1 else found.drop(index=[40, 4_000]).assign(new=1.5)


def table(number: int) -> pa.Table:
    lists = pa.array([[i, i + number] if i % 7 else None for i in range(ROWS)])
    return pa.table({"list": lists, "flag": pa.array([i % 3 == 0 for i in range(ROWS)])})


VALUES: Mapping[str, Callable[[int], Any]] = {
    "frame": frame,
    "table": table,
    "array": lambda number: np.arange(ROWS * 2.0).reshape(-1, 2) + number,
    "object": lambda number: {Fraction(number, 3): np.arange(ROWS)},
    "plain": lambda number: {"a": [1, 2.5, None], "b": "text " * 5_000, "n": number},
}
