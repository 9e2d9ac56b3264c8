from __future__ import annotations

import pandas as pd

from linea import values
from linea.history.files import contents, last_known_as, made_from, nearest, resolve_file
from linea.model import InputFile
from tests.history.histories import History


def test_file(history: History) -> None:
    """A file is found by its content, as saved or as checked out."""
    old = history.save("hello", "greeting")
    history.save("bye", "greeting")
    bytes_on_disk = values.digest_bytes(b"exported form of hello")
    history.repository.remember_exports(old, [InputFile("g.txt", bytes_on_disk, 5)])
    assert resolve_file(history.repository, [bytes_on_disk]) == [old]
    assert resolve_file(history.repository, [values.digest("hello")]) == [old]
    assert resolve_file(history.repository, [values.digest("else")]) == []


def test_last_known_as(history: History) -> None:
    """A file that was changed since is known by its name."""
    history.save(1, "plain")
    tip = history.save(2, "report", written=(InputFile("out/r.csv", values.digest(1), 1),))
    assert last_known_as(history.repository, "elsewhere/r.csv") == [tip]


def test_the_path_decides_before_the_name(history: History) -> None:
    """Of two versions that wrote files of one name, the one that wrote to this path is meant."""
    history.save(1, "other", written=(InputFile("b/r.csv", values.digest(1), 1),))
    meant = history.save(2, "meant", written=(InputFile("a/r.csv", values.digest(1), 1),))
    assert last_known_as(history.repository, "a/r.csv") == [meant]


def test_files_noted_after_the_save_count(history: History) -> None:
    """A file that the session wrote after the save is known as well."""
    tip = history.save(1)
    history.repository.note_written(tip, [InputFile("late.csv", values.digest(1), 1)])
    assert last_known_as(history.repository, "late.csv") == [tip]


def test_nearest_by_columns(history: History) -> None:
    """A table of no version is nearest to the one that shares most columns with it."""
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
    history.save(table, "table")
    history.save(table[["a"]].assign(z=1), "other")
    columns = {c.name: c.digest for c in values.encode(table.assign(b=0)).record.columns}
    (first, second) = nearest(history.repository, "x.parquet", columns)
    assert (first.version.name, first.why) == ("table", "2 of 3 columns are equal")
    assert second.version.name == "other"
    assert nearest(history.repository, "x.parquet", {"q": values.digest(1)}) == []


def test_made_from(history: History) -> None:
    """All that read a file is found, and what rests on it; a moved file by its content."""
    one = history.save(1, "clean", inputs={"raw.csv": b"old"})
    two = history.save(2, "model", parents=[one])
    history.save(3, "unrelated", inputs={"raw2.csv": b"else"})
    three = history.save(4, "clean", inputs={"raw.csv": b"new"})
    found = made_from(history.repository, "raw.csv")
    assert [each.commit for each in found] == [each.commit for each in (three, two, one)]
    assert [each.via for each in found] == [None, "clean@v1", None]
    assert len(contents(found)) == 2
    moved = made_from(history.repository, "archive/raw.csv", values.digest_bytes(b"old"))
    assert [each.revision for each in moved] == ["model@v1", "clean@v1"]
