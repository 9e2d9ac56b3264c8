"""A manifest that lies: each thing that it says is held against what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linea import values
from linea.model import InputFile, Origin, Parent
from linea.store import layout
from linea.store.repository import MemoryRepository

from .drafts import draft

OTHER = "xxh3:1:" + "0" * 32


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def lie(manifest: dict[str, Any]) -> None:
        place = manifest
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != to
        place[path[-1]] = to

    return lie


def _drop_column(manifest: dict[str, Any]) -> None:
    del manifest["value"]["columns"][0]


LIES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "author": (_set("author", to="Eve <eve@example.org>"), "saved it"),
    "created": (_set("created", to="2026-01-01T00:00:00+00:00"), "wasn't made at"),
    "number": (_set("number", to=7), "contradicts"),
    "name": (_set("name", to="b"), "contradicts"),
    "digest": (_set("value", "digest", to=OTHER), "contradicts"),
    "previous": (_set("previous", to="1" * 40), "contradicts"),
    "parent's number": (_set("parents", 0, "number", to=9), "with another value or name"),
    "parent's digest": (_set("parents", 0, "digest", to=OTHER), "with another value or name"),
    "parent's name": (_set("parents", 0, "name", to="else"), "with another value or name"),
    "no parents": (_set("parents", to=[]), "rests on other versions"),
    "lines": (_set("lines", to=[["a.py", None, 1, 40]]), "where 40 lines come from"),
    "input's digest": (_set("inputs", 0, "digest", to=OTHER), ""),
    "input's size": (_set("inputs", 0, "size", to=3), "had 2 bytes, not 3"),
    "part's digest": (_set("value", "parts", 0, "digest", to=OTHER), "is not what was stored"),
    "part's size": (_set("value", "parts", 0, "size", to=1), "bytes, not 1"),
    "part's path": (_set("value", "parts", 0, "path", to="columns/zzz"), "no part"),
    "kind": (_set("value", "kind", to="array"), "kind"),
    "type": (_set("value", "type", to="polars.Series"), "type"),
    "codec": (_set("value", "codec", to="array"), "value can't be read"),
    "rows": (_set("value", "summary", "rows", to=99), "rows are 3, not 99"),
    "column's digest": (_set("value", "columns", 0, "digest", to=OTHER), "digest of its column"),
    "column's type": (_set("value", "columns", 0, "type", to="string"), "not string"),
    "column's name": (_set("value", "columns", 0, "name", to="b"), "columns are others"),
    "column's nulls": (_set("value", "columns", 1, "nulls", to=5), "nulls, not 5"),
    "a column less": (_drop_column, "columns are others"),
    "pickled": (_set("value", "pickled", to=True), "pickled"),
}
FREE = {"input's digest"}
"""Lies that nothing contradicts: the bytes of an input with that digest just aren't kept."""


def _store(lie: Callable[[dict[str, Any]], None], patch: pytest.MonkeyPatch) -> MemoryRepository:
    repository = MemoryRepository()
    [parent] = repository.commit([draft("parent", b"p")])
    frame = pd.DataFrame({"a": [1, 2, 3], "t": ["x", None, "z"]})
    kept = b"in"
    honest = draft(
        "a", code="x = 1\ny = 2\n", lines=(Origin("a.py", 1), Origin("a.py", 2)), value=values.encode(frame),
        parents=(Parent(parent.name, parent.number, parent.commit, parent.digest),),
        inputs=(InputFile("in.csv", values.digest_bytes(kept), 2),), kept={values.digest_bytes(kept): kept},
    )  # fmt: skip
    real = layout.manifest

    def manifest(*given: Any) -> bytes:
        said = layout.loads(real(*given), "it")
        lie(said)
        return layout.dumps(said)

    patch.setattr(layout, "manifest", manifest)
    with patch.context():
        try:
            repository.commit([honest])
        except Exception as error:  # what can't even be listed
            assert "contradicts" in str(error)
    patch.undo()
    return repository


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_told_of(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsck names the version and what of its manifest isn't so."""
    lie, told = LIES[what]
    repository = _store(lie, monkeypatch)

    def recheck(record: Any, read: Any) -> Any:
        return values.recheck(record, read, trusted=True) if record.codec != "table" else ()

    found = repository.fsck(values.digest_bytes, recheck)
    problems = [p.what for p in found.problems if p.hits != ("parent@v1",)]
    if what in FREE:
        return
    assert problems and any(told in each for each in problems), problems


def test_what_cannot_be_loaded_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value whose codec isn't installed, or that is pickled, is told of, not taken for damage."""
    repository = _store(_set("value", "codec", to="none.Such"), monkeypatch)
    repository.commit([draft("b", value=values.encode(np.random.default_rng(3)))])
    found = repository.fsck(
        values.digest_bytes, lambda r, p: values.recheck(r, p) if r.codec != "table" else ()
    )
    assert [p for p in found.problems if p.hits != ("parent@v1",)] == []
    told = dict(found.unchecked)
    assert "no codec named 'none.Such'" in told["a@v1"] and "--trust" in told["b@v1"]


VALUES: dict[str, Callable[[], Any]] = {
    "frame": lambda: pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]}).set_index("b"),
    "series": lambda: pd.Series([1, 2], name="s"),
    "array": lambda: np.arange(6).reshape(2, 3),
    "plain": lambda: {"a": [1, (2, 3)], "b": {4}},
    "text": lambda: "words",
    "bytes": lambda: b"\0\1",
    "object": lambda: np.random.default_rng(3),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_truth_is_no_problem(name: str) -> None:
    """A value that is as the manifest says is whole, be it looked at closely."""
    made = values.settled(values.encode(VALUES[name]()))
    assert list(values.recheck(made.record, made.parts.__getitem__, trusted=True)) == []
