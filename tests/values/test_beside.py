"""Work beside the main thread: in order, errors in their place, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from linea import values
from linea.errors import DamagedStoreError
from linea.model import ArtifactName, Draft, Payload, Segment, Stream
from linea.store.repository import Repository
from linea.values import beside, ipc
from linea.values.parts import complete


@pytest.fixture(params=[1, 2, 8])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_processors", lambda: request.param)
    monkeypatch.setattr(ipc, "BESIDE", 0)


def fail(number: int) -> int:
    raise ValueError(str(number))


@pytest.mark.usefixtures("processors")
def test_results_come_in_order() -> None:
    """Whichever task ends first, results come as tasks did, and few tasks are taken ahead."""
    taken: list[int] = []

    def tasks() -> Iterator[Callable[[], int]]:
        for number in range(50):
            taken.append(number)
            yield partial(pow, number, 2)

    found = []
    for result in beside.results(tasks()):
        found.append(result)
        assert len(taken) - len(found) <= beside.MOST + 1
    assert found == [number**2 for number in range(50)]


@pytest.mark.usefixtures("processors")
def test_an_error_is_raised_in_its_place() -> None:
    """What a task raises is raised after the results before it, and no thread stays."""
    before = threading.active_count()
    found = []
    with pytest.raises(ValueError, match="2"):
        for result in beside.results(iter([int, int, partial(fail, 2), int, int])):
            found.append(result)
    assert found == [0, 0]
    assert threading.active_count() == before


def table(rows: int = 30_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "price": np.round(rng.gamma(2, 50, rows), 2),
            "noise": rng.normal(size=rows),
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), unit="s"),
            "gaps": pd.array(np.where(rng.random(rows) < 0.1, np.nan, 7.0), dtype="Float64"),
            "word": np.array(["one", "three"])[rng.integers(0, 2, rows)],
            "kind": pd.Categorical.from_codes(rng.integers(-1, 3, rows), ["a", "b", "c"]),
        }
    )


@pytest.mark.usefixtures("processors")
def test_a_table_is_read_beside(tmp_path: Path) -> None:
    """A table whose columns are decoded in threads is the one that was saved, read by many at once."""
    first = table()
    draft = Draft(
        ArtifactName("t"), "", "", values.encode(first), "A <a@b>", datetime(2026, 1, 1, tzinfo=UTC)
    )
    with Repository.create(tmp_path / "store") as store:
        (version,) = store.commit([draft])

        def load() -> object:
            return values.decode(version.value, store.read_part(version))

        with ThreadPoolExecutor(3) as pool:
            for found in [task.result() for task in [pool.submit(load) for _ in range(4)]]:
                pd.testing.assert_frame_equal(found, first)
        found = load()
        assert isinstance(found, pd.DataFrame)
        found.iloc[0, 0] = 1.0  # what was read belongs to who read it


@pytest.mark.usefixtures("processors")
def test_damage_that_is_found_beside_is_told(tmp_path: Path) -> None:
    """A damaged column raises the store's error, whichever thread finds it."""
    encoded = values.encode(table())
    parts: dict[str, Payload] = {path: bytes(part) for path, part in encoded.parts.items()}
    record = complete(encoded)
    broken = bytearray(bytes(parts["columns/1"]))
    broken[len(broken) // 2] ^= 1

    def read(path: str) -> Payload:
        payload = bytes(broken) if path == "columns/1" else parts[path]
        assert isinstance(payload, bytes)
        return Stream(lambda: iter([Segment(len(payload), payload)]), size=len(payload))

    with pytest.raises(DamagedStoreError, match="columns/1"):
        values.decode(record, read)
