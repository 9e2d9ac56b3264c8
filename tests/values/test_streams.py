"""Values larger than memory: tables that are read as they are saved, and what a save takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import pytest

from linea import values
from linea.errors import UnstorableError
from linea.model import ArtifactName, Draft
from linea.store.repository import MemoryRepository

RNG = np.random.default_rng(0)
ROWS = 200_000
TABLE = pa.table(
    {
        "id": np.arange(ROWS),
        "x": pa.array(RNG.normal(size=ROWS), mask=RNG.random(ROWS) < 0.1),
        "word": pa.array([f"w{i % 91}" for i in range(ROWS)]).dictionary_encode(),
        "list": pa.array([[i, i] if i % 3 else None for i in range(ROWS)]),
    }
)


def saved(value: Any) -> Any:
    """What is read of a value that was saved."""
    store = MemoryRepository()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    draft = Draft(ArtifactName("t"), "", "", values.encode(value), "A <a@b>", moment)
    (version,) = store.commit([draft])
    assert version.digest == values.digest(TABLE)
    return values.decode(version.value, store.read_part(version))


def plain(table: pa.Table) -> pa.Table:
    """A table without dictionaries, which a file needn't keep."""
    at = table.schema.get_field_index("word")
    return table.set_column(at, "word", table["word"].cast(pa.string()))


def test_a_parquet_file_is_saved_as_the_table_in_it(tmp_path: Path) -> None:
    """A data set has the digest of its table, and comes back as that table."""
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(TABLE, path, row_group_size=30_000)
    data = pa.dataset.dataset(path)
    assert plain(saved(data)).equals(plain(TABLE))
    assert values.digest(data) == values.digest(TABLE)


def test_files_of_a_folder_are_one_table(tmp_path: Path) -> None:
    """Several files are saved as the table that they make up."""
    for n in range(4):
        part = TABLE.slice(n * ROWS // 4, ROWS // 4)
        pa.parquet.write_table(part, tmp_path / f"{n}.parquet")
    assert plain(saved(pa.dataset.dataset(tmp_path))).equals(plain(TABLE))


def data_sets(folder: Path) -> Iterator[tuple[str, Any]]:
    """Data sets of Parquet files that are more, less or other than the rows of the files."""
    dataset = pa.dataset.dataset
    small = TABLE.select(["id", "x"]).slice(0, 5_000)
    for n in range(2):
        pa.parquet.write_table(
            small.slice(n * 100, 900), folder / f"{n}.parquet", row_group_size=99
        )
    yield "plain", dataset(folder)
    yield "filtered", dataset(folder).filter(pa.dataset.field("id") > 300)
    yield "of other types", dataset(folder, schema=pa.schema([("id", "int32"), ("x", "float64")]))
    yield "of fewer columns", dataset(folder, schema=pa.schema([("x", "float64")]))
    yield "of more columns", dataset(folder, schema=small.schema.append(pa.field("y", "string")))
    yield "of several", dataset([dataset(folder), dataset(folder / "0.parquet")])
    some = next(iter(dataset(folder).get_fragments())).subset(row_group_ids=[1, 3])
    yield (
        "of some row groups",
        pa.dataset.FileSystemDataset([some], small.schema, pa.dataset.ParquetFileFormat()),
    )
    (folder / "none").mkdir()
    pa.parquet.write_table(small.slice(0, 0), folder / "none" / "0.parquet")
    yield "of no rows", dataset(folder / "none")
    dotted = small.rename_columns(["a", "a.b"])
    (folder / "dotted").mkdir()
    pa.parquet.write_table(dotted, folder / "dotted" / "0.parquet")
    yield "with dots in names", dataset(folder / "dotted")
    pa.dataset.write_dataset(
        small.append_column("k", pa.array(np.arange(len(small)) % 3)),
        folder / "by k", format="parquet", partitioning=["k"], partitioning_flavor="hive",
    )  # fmt: skip
    yield "in folders", dataset(folder / "by k", partitioning="hive")


def test_data_sets_are_what_they_give(tmp_path: Path) -> None:
    """Whatever a data set makes of its files, it is saved as the table that it gives."""
    for what, data in data_sets(tmp_path):
        whole = data.to_table()
        made = values.settled(values.encode(data))
        back: Any = values.decode(made.record, made.parts.__getitem__)
        assert made.record.digest == values.digest(whole), what
        assert back.equals(whole.combine_chunks()), what


def test_a_reader_of_batches_is_saved() -> None:
    """A stream that can be read once is saved whole, however it is cut."""
    assert saved(TABLE.to_reader(max_chunksize=777)).equals(TABLE.combine_chunks())
    batches = (batch for batch in TABLE.to_batches(max_chunksize=5000))
    assert saved(pa.RecordBatchReader.from_batches(TABLE.schema, batches)).equals(TABLE)


def test_a_stream_of_nothing_is_a_table_of_no_rows() -> None:
    """A reader without batches and one with empty ones give an empty table."""
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    for batches in ([], [schema.empty_table().to_batches(), *[]][0]):
        reader = pa.RecordBatchReader.from_batches(schema, iter(batches))
        made = values.settled(values.encode(reader))
        back: Any = values.decode(made.record, made.parts.__getitem__)
        assert back.equals(schema.empty_table())


def test_an_error_of_the_stream_is_the_stream_s_own() -> None:
    """What goes wrong in the user's generator is seen as it was raised."""

    def broken() -> Iterator[pa.RecordBatch]:
        yield TABLE.to_batches(max_chunksize=10)[0]
        raise RuntimeError("the sensor is off")

    with pytest.raises(RuntimeError, match="the sensor is off"):
        values.encode(pa.RecordBatchReader.from_batches(TABLE.schema, broken()))


def test_data_that_changes_while_it_is_saved_is_refused(tmp_path: Path) -> None:
    """The bytes that are stored are those that the digest is of, or nothing is."""
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(TABLE, path)
    made = values.encode(pa.dataset.dataset(path))
    pa.parquet.write_table(TABLE.slice(1), path)
    with pytest.raises((UnstorableError, OSError)):
        values.settled(made)


def test_a_lazy_query_is_run() -> None:
    """A query of polars is saved as its result."""
    query = pl.LazyFrame({"a": [1, 2, 3]}).filter(pl.col("a") > 1)
    made = values.settled(values.encode(query))
    back: Any = values.decode(made.record, made.parts.__getitem__)
    assert back.equals(query.collect())
    assert made.record.digest == values.digest(query) == values.digest(query.collect())


MEMORY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.dataset as ds
from linea import values
from linea.model import ArtifactName, Draft
from linea.store.repository import Repository

def kilobytes(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

def save(store, value):
    made = values.encode_path(value) if isinstance(value, Path) else values.encode(value)
    draft = Draft(ArtifactName("a"), "", "", made, "A <a@b>", datetime.now(UTC))
    store.commit([draft])

def file(size):
    path = Path(sys.argv[1] + ".bin")
    with path.open("wb") as out:
        for _ in range(0, size, 1_000_000):
            out.write(rng.bytes(1_000_000))
    return path

rng = np.random.default_rng(0)
n = 8_000_000
with Repository.create(sys.argv[1]) as store:
    for warm in (np.zeros(50000), pd.DataFrame({"a": ["x"] * 9000}), pa.table({"a": [1.5]}), pa.table({"a": [1.5]}).to_reader(), SimpleNamespace(a=np.ones(50000)), file(10_000_000)):
        save(store, warm)
    value, size = eval(sys.argv[2])
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    save(store, value)
    print((kilobytes("VmHWM") - before) * 1024 / size)
"""

LARGE = {
    "an array": "rng.normal(size=n), 8 * n",
    "an array that compresses": "rng.integers(0, 99, n), 8 * n",
    "an array in another order": "np.asfortranarray(rng.normal(size=(n // 8, 8))), 8 * n",
    "a frame of columns": "pd.DataFrame({c: rng.normal(size=n // 2) for c in 'ab'}), 8 * n",
    "a frame of rows": "pd.DataFrame(rng.normal(size=(n // 8, 8))), 8 * n",
    "a frame of texts": "pd.DataFrame({'a': pa.array(np.char.add('text ', rng.integers(0, 10**7, n // 3).astype(str))).to_pandas()}), 6 * n",
    "a frame of bools": "pd.DataFrame({'a': rng.random(8 * n) < 0.5}), 8 * n",
    "an Arrow table in chunks": "pa.concat_tables([pa.table({'a': rng.normal(size=n // 9)}) for _ in range(9)]), 8 * n",
    "an Arrow column of lists": "pa.table({'a': pa.ListArray.from_arrays(pa.array(np.arange(0, 3 * n + 1, 3), pa.int32()), pa.array(rng.normal(size=3 * n)))}), 28 * n",
    "an index of levels": "pd.DataFrame({'a': rng.normal(size=n)}, index=pd.MultiIndex.from_arrays([np.arange(n), np.arange(n) % 7])), 21 * n",
    "a frame of objects": "pd.DataFrame({'a': pd.Series(rng.integers(0, 10**9, n // 2).astype(str).tolist(), dtype=object)}), 33 * n",
    "a sparse matrix of many rows": "__import__('scipy.sparse').sparse.random(n, 25, density=0.02, random_state=0, format='csr'), 10 * n",
    "an object with arrays": "SimpleNamespace(a=rng.normal(size=n // 2), b=rng.normal(size=n // 2)), 8 * n",
    "a file": "file(8 * n), 8 * n",
    # Reading it back from its temporary file has a cost of its own, some 10 MB whatever its size.
    "a reader of batches": "pa.RecordBatchReader.from_batches(pa.schema({'a': pa.float64()}), (pa.record_batch({'a': rng.normal(size=50000)}) for _ in range(3 * n // 50000))), 24 * n",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak")
@pytest.mark.parametrize("name", LARGE)
def test_a_save_takes_a_quarter_of_the_value_s_memory_at_most(name: str, tmp_path: Path) -> None:
    """However large a table or an array is, saving it needs little memory beside it."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "store"), LARGE[name]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 0.25
