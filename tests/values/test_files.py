"""Files and folders by path, exports, and finding a value by a file's content."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linea import values
from linea.errors import UnstorableError
from tests.values.cases import CASES, frame


def exported(value: Any, stem: str = "out", format: str | None = None) -> dict[str, bytes]:
    encoded = values.settled(values.encode(value))
    return values.export(encoded.record, encoded.parts.__getitem__, stem, format)


def test_a_file_is_stored_byte_for_byte(tmp_path: Path) -> None:
    """A file's bytes, name and executable bit are kept; its digest is that of its bytes."""
    path = tmp_path / "run me.sh"
    path.write_bytes(b"#!/bin/sh\r\n\x00")
    path.chmod(0o755)
    encoded = values.settled(values.encode_path(path))
    assert encoded.record.kind == "file"
    assert encoded.record.details["executable"] is True
    assert encoded.record.digest == values.digest_file(path)
    assert values.decode(encoded.record, encoded.parts.__getitem__) == path.read_bytes()
    assert values.export(encoded.record, encoded.parts.__getitem__, "x") == {
        "run me.sh": path.read_bytes()
    }


def test_a_folder_is_stored_with_its_files(tmp_path: Path) -> None:
    """A folder comes with every file below it, links followed, by name."""
    root = tmp_path / "data"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "ż.bin").write_bytes(b"\xff")
    (root / "link").symlink_to(root / "a.txt")
    encoded = values.settled(values.encode_path(root))
    assert encoded.record.kind == "folder"
    assert encoded.record.details["empty"] == ["sub/empty"]
    assert encoded.record.digest == values.digest_file(root)
    assert values.decode(encoded.record, encoded.parts.__getitem__) == {
        "a.txt": b"a",
        "link": b"a",
        "sub/ż.bin": b"\xff",
    }
    files = values.export(encoded.record, encoded.parts.__getitem__, "x")
    assert set(files) == {"data/a.txt", "data/link", "data/sub/ż.bin"}


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    """A missing path, a pipe and a folder that links to itself get clear errors."""
    with pytest.raises(UnstorableError, match="there is no file"):
        values.settled(values.encode_path(tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UnstorableError, match="neither a file nor a folder"):
            values.settled(values.encode_path(path))
    loop = tmp_path / "loop"
    loop.mkdir()
    (loop / "again").symlink_to(loop)
    with pytest.raises(UnstorableError, match="contains itself"):
        values.settled(values.encode_path(loop))


@pytest.mark.parametrize("bad", ["../x", "/etc/passwd", "a/../../b", "", "a\\b", "nul\0"])
def test_stored_names_cannot_lead_out(tmp_path: Path, bad: str) -> None:
    """A manifest with a name that leaves its folder isn't exported."""
    from dataclasses import replace

    (tmp_path / "f").write_text("x")
    encoded = values.settled(values.encode_path(tmp_path / "f"))
    lying = replace(encoded.record, details={"name": bad, "executable": False})
    with pytest.raises(UnstorableError, match="leads out"):
        values.export(lying, encoded.parts.__getitem__, "x")


FORMS = [
    ("frame", None, "out.parquet"),
    ("frame", "csv", "out.csv"),
    ("frame", "feather", "out.feather"),
    ("frame", "json", "out.json"),
    ("polars", None, "out.parquet"),
    ("arrow table", "csv", "out.csv"),
    ("array", None, "out.npy"),
    ("array", "csv", "out.csv"),
    ("csr", None, "out.npz"),
    ("nested", None, "out.json"),
    ("text", None, "out.txt"),
    ("text", "md", "out.md"),
    ("bytes", None, "out.bin"),
    ("dataclass", None, "out.pkl"),
    ("arrow union", None, "out.arrow"),
]


@pytest.mark.parametrize(("name", "format", "file"), FORMS)
def test_values_are_exported_in_their_natural_form(
    name: str, format: str | None, file: str
) -> None:
    """A value becomes a file of the form that other programs expect, or the one asked for."""
    assert list(exported(CASES[name](), format=format)) == [file]


def test_an_unknown_format_names_those_there_are() -> None:
    """A format that isn't known gets an error with those that are."""
    with pytest.raises(UnstorableError, match="use one of parquet"):
        exported(frame(), format="xlsx")


def test_an_exported_table_reads_back_in_pandas() -> None:
    """The exported Parquet gives the frame again, index included."""
    value = frame().set_index("text")
    back = pd.read_parquet(io.BytesIO(exported(value)["out.parquet"]))
    pd.testing.assert_frame_equal(back, value)


IDENTIFIED = ["frame", "frame with index", "frame with dates", "polars", "arrow table", "array", "nested", "text",
              "array structured", "series", "floats"]  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(IDENTIFIED) - {"series"}))
def test_an_exported_file_is_identified(tmp_path: Path, name: str) -> None:
    """The file that a value was exported to leads back to the value's digest."""
    value = CASES[name]()
    ((file, data),) = exported(value).items()
    (tmp_path / file).write_bytes(data)
    assert values.digest(value) in values.identify(tmp_path / file)


def test_files_that_others_wrote_are_identified(tmp_path: Path) -> None:
    """A table written by pandas, polars or pyarrow leads to the digest of the table."""
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    table.to_parquet(tmp_path / "a.parquet", index=False)
    pl.from_pandas(table).write_parquet(tmp_path / "b.parquet")
    pq.write_table(pa.table(table), tmp_path / "c.parquet", compression="gzip")
    table.to_csv(tmp_path / "d.csv", index=False)
    np.save(tmp_path / "e.npy", table["a"].to_numpy())
    for file in ("a.parquet", "b.parquet", "c.parquet", "d.csv"):
        assert values.digest(table) in values.identify(tmp_path / file), file
    assert values.digest(np.array([1, 2])) in values.identify(tmp_path / "e.npy")


def test_a_file_is_known_by_its_bytes_first(tmp_path: Path) -> None:
    """The first candidate is the digest of the bytes; a file that isn't what it says has only it."""
    for name in ("x.parquet", "x.npy", "x.json", "x.csv", "x.pkl", "x"):
        path = tmp_path / name
        path.write_bytes(b"\x80\x04not really")
        assert values.identify(path)[0] == values.digest_file(path)


def test_identifying_never_unpickles(tmp_path: Path) -> None:
    """An npy file of pickled objects and a pickle are known by their bytes only."""
    np.save(tmp_path / "o.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
    assert values.identify(tmp_path / "o.npy") == [values.digest_file(tmp_path / "o.npy")]


def test_a_table_of_lists_and_the_like_has_a_csv() -> None:
    """What CSV has no form for is JSON in it."""
    table = pa.table({"a": [1, 2], "b": [[1, None], None], "c": [{"x": "é"}, {"x": None}]})
    lines = exported(table, format="csv")["out.csv"].decode().splitlines()
    assert lines == ['"a","b","c"', '1,"[1, null]","{""x"": ""é""}"', '2,,"{""x"": null}"']


def test_columns_that_only_polars_has_are_told_in_a_csv() -> None:
    """Objects and wide integers are written as texts beside what Arrow has."""
    frame = pl.DataFrame(
        {
            "o": pl.Series([{1}, None], dtype=pl.Object),
            "i": pl.Series([2**100, None], dtype=pl.Int128),
            "d": pl.Series([[1], None]),
        }
    )
    lines = exported(frame, format="csv")["out.csv"].decode().splitlines()
    assert lines == ['"o","i","d"', f'"{{1}}","{2**100}","[1]"', ",,"]


def test_frames_that_arrow_or_pandas_stumble_over_are_exported() -> None:
    """Integers of any size and views of texts end up in a file of some form."""
    assert set(exported(pd.Series([2**70, 1], dtype=object))) == {"out.csv"}
    views = pd.DataFrame({"v": pd.array(["a", None], dtype=pd.ArrowDtype(pa.string_view()))})
    assert exported(views, format="csv")["out.csv"].decode().splitlines() == ['"v"', '"a"', ""]


def test_an_array_of_three_dimensions_has_no_csv() -> None:
    """The error says what it can be written as."""
    with pytest.raises(UnstorableError, match="an array of 3 dimensions can't be written as csv"):
        exported(np.zeros((2, 2, 2)), format="csv")
