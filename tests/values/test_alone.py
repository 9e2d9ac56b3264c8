"""A store is read by a program that has git, zstandard and pyarrow, and not linea."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linea import values
from linea.model import ArtifactName, Draft
from linea.store.repository import Repository

READER = r'''
"""Reads a version's columns as `docs/format.md` and `docs/values-format.md` say."""
import json, struct, subprocess, sys
import numpy as np, pyarrow as pa, zstandard, xxhash

STORE, REVISION, OUT = sys.argv[1:]

def git(*arguments):
    return subprocess.run(["git", "--git-dir", STORE, *arguments], check=True, capture_output=True).stdout

def blob(path):
    return git("cat-file", "blob", f"{REVISION}:{path}")

def kind(path):
    return git("cat-file", "-t", f"{REVISION}:{path}").decode().strip()

def segments(path):
    """The segments of a part; one that lies in a blob is given whole."""
    if kind(path) == "blob":
        return [blob(path)]
    head, *lines = blob(f"{path}/index").decode("ascii").split("\n")
    assert head.startswith("linea-segments 1 ")
    empty = lines.index("")
    rows = [(f"{n:06d}", row) for n, row in enumerate(lines[:empty])]
    bases = [(f"b{n:05d}", row) for n, row in enumerate(lines[empty + 1:-1])]
    entries = [(name, *row.split(" ")) for name, row in rows + bases]
    known = {entry[1]: entry for entry in entries}

    def frame(entry, prefix=b""):
        """What is in the frame of a blob, with the bytes of a dictionary."""
        data = blob(f"{path}/{entry[0]}")
        if entry[4] == "raw":
            return data
        options = {}
        if prefix:
            kind = zstandard.DICT_TYPE_RAWCONTENT
            options["dict_data"] = zstandard.ZstdCompressionDict(prefix, dict_type=kind)
        return zstandard.ZstdDecompressor(**options).decompress(data)

    def planes(data, width):
        return np.frombuffer(data, "u1").reshape(width, -1).T.tobytes()

    def restored(content, form, size):
        kind = form.rstrip("0123456789")
        number = int(form[len(kind):] or 0)
        if kind == "shuffle":
            whole = size // number * number
            return planes(content[:whole], number) + content[whole:]
        if kind in ("raw", "zstd"):
            return content
        many, others, other = struct.unpack_from("<IIQ", content)
        at = 16
        if kind != "decimal":
            base, = struct.unpack_from("<q", content, at)
            at += 8
        places = np.frombuffer(content, "<u4", many, at)
        numbers = np.frombuffer(content, "<u8", many, at + 4 * many)
        at, count = at + 12 * many, size // 8
        k = np.frombuffer(planes(content[at:at + 4 * count], 4), "<i4")
        if kind == "steps":
            k = k.cumsum(dtype="<i4")
        assert (k == -2**31).sum() == others
        if kind == "decimal":
            found = (k / 10.0**number).view("<u8")
        else:
            found = (np.int64(base) + k.astype("<i8") * number).view("<u8")
        found[k == -2**31] = other
        found[places] = numbers
        return found.tobytes() + content[at + 4 * count:]

    def raw(entry):
        name, hash, count, size, form, tail, base = entry
        FORMS.add(form.rstrip("0123456789"))
        if form == "patch":
            data = frame(entry, raw(known[base]))
        elif form == "delta":
            data = restored(frame(entry, frame(known[base])), known[base][4], int(size))
        else:
            data = restored(frame(entry), form, int(size))
        assert len(data) == int(size) and xxhash.xxh3_128_hexdigest(data) == hash
        return data

    return [raw(entry) for entry in entries[:len(rows)]]

def array(type, rows, buffers):
    t = pa.types
    valid = next(buffers)
    valid = pa.py_buffer(valid) if len(valid) else None
    if t.is_struct(type):
        kids = [array(type.field(i).type, rows, buffers) for i in range(type.num_fields)]
        return pa.Array.from_buffers(type, rows, [valid], children=kids)
    if t.is_list(type) or t.is_string(type) or t.is_large_string(type):
        wide = t.is_large_string(type)
        offsets = np.zeros(rows + 1, "i8" if wide else "i4")
        offsets[1:] = np.cumsum(np.frombuffer(next(buffers), "<u4"))
        if t.is_list(type):
            kid = array(type.value_type, int(offsets[-1]), buffers)
            return pa.Array.from_buffers(type, rows, [valid, pa.py_buffer(offsets)], children=[kid])
        return pa.Array.from_buffers(type, rows, [valid, pa.py_buffer(offsets), pa.py_buffer(next(buffers))])
    return pa.Array.from_buffers(type, rows, [valid, pa.py_buffer(next(buffers))])

def column(number):
    path = f"value/columns/{number}"
    data = b"".join(segments(path))
    at = 8 + int.from_bytes(data[4:8], "little")
    schema = pa.ipc.read_schema(pa.py_buffer(data[:at]))
    assert schema.metadata == {b"linea.form": b"segments"}
    type, chunks = schema.field(0).type, []
    while at < len(data):
        rows, count = struct.unpack_from("<II", data, at)
        sizes = struct.unpack_from(f"<{count}Q", data, at + 8)
        at += 8 + 8 * count
        buffers = []
        for size in sizes:
            buffers.append(data[at:at + size])
            at += size + -size % 8
        chunks.append(array(type, rows, iter(buffers)))
    return pa.chunked_array(chunks, type=type)

FORMS = set()
manifest = json.loads(blob("artifact.json"))
assert manifest["format"] == 3
names = [column["name"] for column in manifest["value"]["columns"]]
table = pa.table({name: column(number) for number, name in enumerate(names)})
with pa.ipc.new_file(OUT, table.schema) as file:
    file.write_table(table)
assert "linea" not in sys.modules
print(" ".join(sorted(FORMS)))
'''


def save(store: Repository, value: Any) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    store.commit(
        [Draft(ArtifactName("t"), "", "", values.encode(value), "A <a@b.org>", moment)]
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> pa.Table:
    """Two versions of a table are saved; the second is what was returned."""
    rng = np.random.default_rng(0)
    rows = 200_000
    table = pa.table(
        {
            "id": np.arange(rows),
            "noise": rng.normal(size=rows),
            "price": pa.array(np.round(rng.gamma(2, 9, rows), 2), mask=rng.random(rows) < 0.1),
            "code": rng.integers(0, 100, rows),
            "day": pa.array(rng.integers(0, 9000, rows) * 86_400_000, pa.timestamp("ms")),
            "second": pa.array(np.cumsum(rng.integers(0, 9, rows)) * 10**9, pa.timestamp("ns")),
            "isbn": [f"{n:013d}" for n in rng.integers(0, 10**13, rows)],
            "flag": pa.array(rng.random(rows) < 0.5),
            "word": pa.array([f"w{i % 977}" if i % 11 else None for i in range(rows)]),
            "list": pa.array([[i, 2 * i] if i % 7 else None for i in range(rows)]),
            "pair": pa.array([{"a": i % 13, "b": str(i)} if i % 5 else None for i in range(rows)]),
        }
    )
    with Repository.create(tmp_path / "store") as store:
        save(store, table)
        noise = table["noise"].to_numpy().copy()
        noise[rng.integers(0, rows, 60)] = 0.5
        table = table.set_column(1, "noise", pa.array(noise))
        price = table["price"].combine_chunks()
        price = pa.concat_arrays([price[:300], price[301:], pa.array([None], pa.float64())])
        table = table.set_column(2, "price", price)
        save(store, table)
    return table


def test_a_store_can_be_read_without_linea(written: pa.Table, tmp_path: Path) -> None:
    """The pages on the format say enough to read a table with git, zstandard and Arrow."""
    program, out = tmp_path / "reader.py", tmp_path / "out.arrow"
    program.write_text(READER)
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            str(program),
            str(tmp_path / "store"),
            "refs/linea/artifacts/t",
            str(out),
        ],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert pa.ipc.open_file(out).read_all().equals(written)
    kinds = ["decimal", "delta", "patch", "raw", "scaled", "shuffle", "steps", "zstd"]
    assert done.stdout.split() == kinds


def test_a_checkout_is_a_file_that_others_read(written: pa.Table, tmp_path: Path) -> None:
    """What linea writes out of a table in segments is a Parquet file with the same rows."""
    with Repository.open(tmp_path / "store") as store:
        version = store.tip("t")
        files = values.export(version.value, store.read_part(version), "t")
    (tmp_path / "t.parquet").write_bytes(files["t.parquet"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), written.to_pandas())
