"""What versions cost, in CPU and bytes, here and in the tools that people use instead.

    python tests/benchmarks/store.py [ROWS]

CPU time of this process and its children, best of two for what can be repeated, all in one run: compare the
rows, not runs. DVC and MLflow are measured where they are installed (`pip install linea-store[bench]`);
both are given a pickle, whose cost is in their rows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import pickle
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from linea import values
from linea.model import ArtifactName, Draft, Version
from linea.store.repository import Repository

# ------------------------------------------------------------------------------ data


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """A table of 16 columns as people have them: ids, times, measures, prices, categories, texts."""
    rng = np.random.default_rng(seed)
    names = np.array([f"customer-{i:05d}" for i in range(20_000)])
    cities = ["Berlin", "London", "Madrid", "Oslo", "Paris", "Roma", "Wien"]
    seconds = pd.to_timedelta(np.cumsum(rng.integers(0, 9, rows)), unit="s")
    scores = np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 1000, rows))
    notes = np.char.add(np.char.add("order ", rng.integers(0, 10**7, rows).astype(str)), " ok")
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 10_000_000,
            "when": pd.Timestamp("2024-01-01") + seconds,
            **{f"measure{i}": rng.normal(size=rows) for i in range(4)},
            **{f"price{i}": np.round(rng.gamma(2, 50, rows), 2) for i in range(3)},
            "quantity": rng.integers(0, 100, rows).astype("i4"),
            "code": rng.integers(0, 5000, rows),
            "flag": rng.random(rows) < 0.2,
            "score": pd.array(scores, dtype="Float64"),
            "customer": names[rng.integers(0, len(names), rows)],
            "city": pd.Categorical.from_codes(rng.integers(0, len(cities), rows), cities),
            "note": notes,
        }
    )


def series(rows: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Ten versions of a table: what was done, and the table then."""
    rng = np.random.default_rng(1)
    now = table(rows)
    yield "first", now
    now = pd.concat([now, table(rows // 100, 2)], ignore_index=True)
    yield "append 1 %", now
    now = now.copy()
    now.loc[rng.integers(0, len(now), len(now) // 1000), "price0"] += 1
    yield "update 0.1 %, scattered", now
    now = now.copy()
    start, count = len(now) // 3, len(now) // 1000
    for column in ("measure0", "quantity", "note"):
        now.loc[start : start + count - 1, column] = now[column].to_numpy()[:count]
    yield "update 0.1 %, in a row", now
    half = len(now) // 2
    pieces = [now.iloc[:half], table(rows // 100, 3), now.iloc[half:]]
    now = pd.concat(pieces, ignore_index=True)
    yield "insert 1 %", now
    now = now.assign(new=rng.normal(size=len(now)))
    yield "add a column", now
    now = now.drop(columns="measure3")
    yield "drop a column", now
    gone = rng.choice(len(now), len(now) // 1000, replace=False)
    now = now.drop(index=gone).reset_index(drop=True)
    yield "delete 0.1 %, scattered", now
    more = table(rows // 100, 4).assign(new=0.5).drop(columns="measure3")
    now = pd.concat([now, more], ignore_index=True)
    yield "append 1 %", now
    now = now.rename(columns={"measure1": "renamed"})
    now = now[["id", "city", *(c for c in now.columns if c not in ("id", "city"))]]
    yield "rename and reorder", now


def changed_table(now: pd.DataFrame) -> pd.DataFrame:
    """A table of which one row in a hundred, in a row, has another price and measure."""
    now = now.copy()
    start, count = len(now) // 3, len(now) // 100
    now.loc[start : start + count - 1, ["price0", "measure0"]] *= 1.5
    return now


def changed_array(now: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    now = now.copy()
    now[len(now) // 3 : len(now) // 3 + len(now) // 100] *= 1.5
    return now


# ------------------------------------------------------------------------------ tools


class Tool(Protocol):
    """Keeps versions of a value in a folder."""

    def save(self, value: Any) -> None:
        """Keep a version."""

    def load(self) -> Any:
        """Give the newest version."""


class Linea:
    """This project."""

    def __init__(self, folder: Path) -> None:
        self._store = Repository.create(folder / "store")
        self._version: Version | None = None

    def save(self, value: Any) -> None:
        now = datetime.now(UTC)
        draft = Draft(ArtifactName("it"), "", "", values.encode(value), "A <a@b.org>", now)
        (self._version,) = self._store.commit([draft])

    def load(self) -> Any:
        assert self._version is not None
        return values.decode(self._version.value, self._store.read_part(self._version))


class Files:
    """A file for each version."""

    def __init__(
        self, folder: Path, dump: Callable[[Any, Path], Any], load: Callable[[Path], Any]
    ) -> None:
        self._folder, self._dump, self._load = folder, dump, load
        self._count = 0

    def save(self, value: Any) -> None:
        self._count += 1
        self._dump(value, self._folder / str(self._count))

    def load(self) -> Any:
        return self._load(self._folder / str(self._count))


def dump_pickle(value: Any, path: Path, protocol: int | None = 5) -> None:
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=protocol)


def load_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def pickled(folder: Path) -> Tool:
    return Files(folder, dump_pickle, load_pickle)


def joblibbed(folder: Path) -> Tool:
    import joblib

    return Files(folder, joblib.dump, joblib.load)


def parquet(folder: Path) -> Tool:
    def dump(value: Any, path: Path) -> None:
        pq.write_table(pa.Table.from_pandas(value), path, compression="zstd")

    return Files(folder, dump, lambda path: pq.read_table(path).to_pandas())


class Dvc:
    """A pickle added to DVC's cache."""

    def __init__(self, folder: Path) -> None:
        from dvc.repo import Repo

        self._file = folder / "value.pkl"
        self._repo = Repo.init(str(folder), no_scm=True)

    def save(self, value: Any) -> None:
        dump_pickle(value, self._file)
        with contextlib.chdir(self._file.parent):
            self._repo.add(str(self._file))

    def load(self) -> Any:
        return load_pickle(self._file)


class MLflow:
    """A pickle logged as an artifact of a run."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        import mlflow

        mlflow.set_tracking_uri((folder / "runs").as_uri())
        self._mlflow = mlflow
        self._folder = folder
        place = (folder / "artifacts").as_uri()
        self._experiment = mlflow.create_experiment("it", artifact_location=place)
        self._run = ""

    def save(self, value: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "value.pkl")
            dump_pickle(value, file)
            with self._mlflow.start_run(experiment_id=self._experiment) as run:
                self._mlflow.log_artifact(str(file))
            self._run = run.info.run_id

    def load(self) -> Any:
        path = self._mlflow.artifacts.download_artifacts(f"runs:/{self._run}/value.pkl")
        return load_pickle(Path(path))


TOOLS: dict[str, tuple[Callable[[Path], Tool], str]] = {
    "linea": (Linea, "linea"),
    "pickle": (pickled, "pickle"),
    "joblib": (joblibbed, "joblib"),
    "Parquet zstd": (parquet, "pyarrow"),
    "DVC": (Dvc, "dvc"),
    "MLflow": (MLflow, "mlflow"),
}


# --------------------------------------------------------------------------- measuring


def cpu() -> float:
    """CPU seconds of this process and its children."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(act: Callable[[], Any]) -> float:
    before = cpu()
    act()
    return cpu() - before


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rounds(name: str, first: Any, other: Any) -> list[tuple[str, list[float]]]:
    """For each tool: seconds and bytes of a first save, a load, an unchanged and a changed save."""
    found = []
    for label, (make, package) in TOOLS.items():
        if importlib.util.find_spec(package) is None:
            continue
        if label == "Parquet zstd" and not isinstance(first, pd.DataFrame):
            continue
        best: list[float] = []
        for _ in range(2):
            folder = Path(tempfile.mkdtemp(prefix="linea-bench-"))
            tool = make(folder)
            row: list[float] = []
            for value in (first, None, first, other):
                before = size(folder)
                row.append(timed(tool.load if value is None else partial(tool.save, value)))
                row.append(size(folder) - before)
            best = row if not best else [min(pair) for pair in zip(best, row, strict=True)]
            shutil.rmtree(folder)
        found.append((label, best))
    return found


def show_rounds(name: str, found: list[tuple[str, list[float]]]) -> None:
    print(f"\n{name}: CPU ms and MB stored")
    print(f"{'':14}{'first save':>18}{'load':>9}{'unchanged':>18}{'1 % changed':>18}")
    for label, row in found:
        cells = [
            f"{row[at] * 1e3:8.0f} {row[at + 1] / 1e6:+8.1f}" if at != 2 else f"{row[2] * 1e3:8.0f}"
            for at in (0, 2, 4, 6)
        ]
        print(f"{label:14}" + " ".join(f"{cell:>17}" if len(cell) > 9 else cell for cell in cells))


def show_ratios(rows: dict[str, list[float]], digest: float) -> None:
    ours, parquet_row = rows["linea"], rows["Parquet zstd"]
    lines = [
        ("first save / Parquet zstd's", ours[0] / parquet_row[0], 1.0),
        ("bytes of a first save / Parquet's", ours[1] / parquet_row[1], 1.1),
        ("unchanged save / digest", ours[4] / digest, 1.5),
        ("bytes of 1 % changed / first", ours[7] / ours[1], 0.01),
    ]
    print("\nratios of the table, and what they should be at most")
    for label, ratio, wanted in lines:
        print(f"  {label:36} {ratio:6.2f}  {wanted:5.2f} {'' if ratio <= wanted else 'ABOVE'}")


def show_load(first: pd.DataFrame) -> None:
    """Print what a load takes beside Parquet's reader, of which no data frame has come yet."""
    folder = Path(tempfile.mkdtemp(prefix="linea-bench-"))
    ours, other = Linea(folder), parquet(folder)
    ours.save(first)
    other.save(first)
    path = folder / "1"
    others = {"read_table alone": lambda: pq.read_table(path), "with to_pandas": other.load}
    show_pairs("a load / Parquet's", [(ours.load, others) for _ in range(12)], 0.7)
    shutil.rmtree(folder)


def show_change(now: pd.DataFrame) -> None:
    """Print what a changed version takes beside a pickle of it, in a file of its own, that is kept."""
    folder = Path(tempfile.mkdtemp(prefix="linea-bench-"))
    ours = Linea(folder)
    ours.save(now)
    count = len(now) // 100

    def versions() -> Iterator[Pair]:
        for number in range(12):
            frame = now.copy()
            start = count * 7 * number
            frame.loc[start : start + count - 1, ["price0", "measure0"]] *= 1.5
            others = {
                text: partial(dump_pickle, frame, folder / f"{number}-{protocol}", protocol)
                for text, protocol in (("pickle.dump", None), ("pickle.dump, protocol 5", 5))
            }
            yield partial(ours.save, frame), others

    show_pairs("1 % changed / a pickle that is kept", versions(), 0.5)
    shutil.rmtree(folder)


Pair = tuple[Callable[[], Any], dict[str, Callable[[], Any]]]
"""What is done here, and what is done elsewhere instead."""


def show_pairs(title: str, pairs: Iterable[Pair], wanted: float) -> None:
    """Print the medians of what something takes beside others; the first two pairs don't count."""
    found: dict[str, list[list[float]]] = {}
    for ours, others in pairs:
        own = both(ours)
        for label, act in others.items():
            found.setdefault(label, []).append([a / b for a, b in zip(own, both(act), strict=True)])
    print(f"\n{title}, medians of pairs: CPU, wall; {wanted:.2f} at most")
    for label, ratios in found.items():
        cpu_ratio, wall_ratio = np.median(np.array(ratios[2:]), axis=0)
        print(
            f"  {label:36} {cpu_ratio:6.2f} {wall_ratio:6.2f} {'' if cpu_ratio <= wanted else 'ABOVE'}"
        )


def both(act: Callable[[], Any]) -> tuple[float, float]:
    """The CPU and the wall seconds of something."""
    wall = time.perf_counter()
    taken = timed(act)
    return taken, time.perf_counter() - wall


def show_series(rows: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="linea-bench-"))
    tool = Linea(folder)
    first = whole = 0
    parquets = pickles = first_parquet = first_pickle = 0
    spent = 0.0
    print(f"\nten versions of the table of {rows:,} rows: MB stored so far, and CPU ms of the save")
    for what, version in series(rows):
        took = timed(partial(tool.save, version))
        spent += took
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(version), out, compression="zstd")
        parquets += out.tell()
        pickles += len(pickle.dumps(version, 5))
        before, whole = whole, size(folder)
        first = first or whole
        first_parquet, first_pickle = first_parquet or parquets, first_pickle or pickles
        print(f"  {what:26} {whole / 1e6:7.1f} {(whole - before) / 1e6:+7.2f} {took * 1e3:6.0f}")
        pd.testing.assert_frame_equal(tool.load(), version)
    mark = "" if whole / first <= 1.3 else " ABOVE 1.30"
    print(f"  ten versions / one: linea {whole / first:.2f}{mark},", end=" ")
    print(f"Parquet files {parquets / first_parquet:.2f}, pickles {pickles / first_pickle:.2f}")
    shutil.rmtree(folder)


def main(rows: int) -> None:
    """Print the tables."""
    missing = [
        label for label, (_, name) in TOOLS.items() if importlib.util.find_spec(name) is None
    ]
    if missing:
        print(f"not installed, not measured: {', '.join(missing)} (pip install linea-store[bench])")
    import logging

    logging.disable(logging.WARNING)
    first = table(rows)
    values.digest(first)
    digest = min(timed(lambda: values.digest(first)) for _ in range(3))
    began = time.time()
    found = rounds("table", first, changed_table(first))
    show_rounds(
        f"table of {rows:,} rows × 16 columns, {first.memory_usage().sum() / 1e6:.0f} MB", found
    )
    show_ratios(dict(found), digest)
    show_load(first)
    show_change(first)
    array = np.random.default_rng(0).normal(size=rows * 10)
    show_rounds(
        f"array of {array.nbytes / 1e6:.0f} MB of random floats",
        rounds("array", array, changed_array(array)),
    )
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.ensemble import RandomForestRegressor

        data = np.random.default_rng(0).normal(size=(4000, 10))
        forest = [
            RandomForestRegressor(n, random_state=0, n_jobs=1).fit(data, data[:, 0])
            for n in (100, 101)
        ]
        show_rounds("forest of 100 trees; changed: one tree more", rounds("forest", *forest))
    show_series(rows)
    print(f"\n{time.time() - began:.0f} s in all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600_000)
