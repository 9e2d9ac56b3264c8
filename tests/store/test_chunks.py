"""Parts in segments: what versions share, how differences are kept, what damage does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linea.errors import DamagedStoreError
from linea.model import (
    ArtifactName,
    Digest,
    Draft,
    Encoded,
    Preview,
    Segment,
    Stream,
    ValueRecord,
    Version,
)
from linea.store import chunks
from linea.store.repository import MemoryRepository, Repository

RNG = np.random.default_rng(3)


def stream(segments: Sequence[bytes], width: int = 1, label: str = "") -> Stream:
    def made() -> Iterator[Segment]:
        return (Segment(len(each), each) for each in segments)

    return Stream(made, sum(map(len, segments)), width, label)


def draft(digest: str, **parts: Any) -> Draft:
    record = ValueRecord("table", "t", Digest(f"xxh3:1:{digest}"), "x")
    return Draft(
        ArtifactName("a"), "", "", Encoded(record, parts), "A <a@b>", datetime(2026, 1, 1, tzinfo=UTC)
    )  # fmt: skip


def save(store: Repository, digest: str, **parts: Any) -> Version:
    (version,) = store.commit([draft(digest, **parts)])
    return version


def noise(size: int = 60_000) -> bytes:
    return RNG.integers(0, 256, size, dtype=np.uint8).tobytes()


def numbers(size: int = 8000) -> bytes:
    return np.cumsum(RNG.integers(0, 9, size)).astype("<i8").tobytes()


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    made = MemoryRepository() if request.param == "memory" else Repository.create(tmp_path / "s")
    with made:
        yield made


def form_of(store: Repository, version: Version, path: str = "p") -> list[str]:
    found = store._value_tree(version).found(path)
    assert isinstance(found, chunks.Stored)
    return [line.form for line in found.lines]


CONTENTS: dict[str, Callable[[], tuple[list[bytes], int]]] = {
    "noise": lambda: ([noise() for _ in range(3)], 1),
    "numbers": lambda: ([numbers() for _ in range(3)], 8),
    "text": lambda: ([b"some words and more " * 4000, b"others " * 9000], 1),
    "odd sizes": lambda: ([numbers()[:-3], b"x", noise(50_001)], 4),
    "many alike": lambda: ([b"a" * 20_000] * 7, 2),
    "empty segments": lambda: ([b"", noise(), b""], 1),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_part_comes_back(store: Repository, name: str) -> None:
    """Whatever form its segments are kept in, a part has the bytes that it had."""
    segments, width = CONTENTS[name]()
    version = save(store, "1", p=stream(segments, width))
    part = store.read_part(version)("p")
    assert bytes(part) == b"".join(segments)
    assert version.value.parts[0].size == len(bytes(part))


def test_the_form_suits_the_content(store: Repository) -> None:
    """What doesn't compress is kept as it is; numbers go as byte planes where that is shorter."""
    version = save(store, "1", p=stream([noise(), noise()]), q=stream([numbers(), numbers()], 8))
    assert form_of(store, version) == ["raw", "raw"]
    assert form_of(store, version, "q") == ["steps1", "steps1"]


def test_a_small_part_is_one_blob(store: Repository) -> None:
    """Segments that are short together are kept as one plain blob."""
    version = save(store, "1", p=stream([b"ab", b"cd"]))
    assert store.read_part(version)("p") == b"abcd"


def test_unchanged_segments_are_shared(store: Repository) -> None:
    """Segments that the version before has aren't stored again, wherever they stand."""
    a, b, c = noise(), noise(), noise()
    first = save(store, "1", p=stream([a, b]), q=stream([c]))
    second = save(store, "2", q=stream([b, a]), p=stream([c]))
    trees = [store._value_tree(v) for v in (first, second)]
    ids = [
        {line.id for path in "pq" for line in tree.found(path).lines}  # type: ignore[union-attr]
        for tree in trees
    ]
    assert ids[0] == ids[1]
    assert bytes(store.read_part(second)("q")) == b + a


def test_a_changed_segment_is_kept_as_a_difference(store: Repository) -> None:
    """A segment that changed a little is a small difference to what it was, whole or not."""
    old = [noise() for _ in range(3)]
    new = [old[0], old[1][:20_000] + b"new" + old[1][20_100:], old[2]]
    newer = [old[0], new[1][:50_000] + b"newer" + new[1][50_000:], old[2]]
    save(store, "1", p=stream(old))
    second, third = save(store, "2", p=stream(new)), save(store, "3", p=stream(newer))
    assert form_of(store, second) == form_of(store, third) == ["raw", "patch", "raw"]
    assert bytes(store.read_part(second)("p")) == b"".join(new)
    assert bytes(store.read_part(third)("p")) == b"".join(newer)
    found = store._value_tree(third).found("p")
    assert isinstance(found, chunks.Stored)
    assert all(base.form not in chunks.PATCHES for base in found.bases.values())


def test_numbers_that_were_taken_out_are_a_small_difference(store: Repository) -> None:
    """Numbers in a narrow form are compared in it, where plain bytes have too much in common."""
    old = np.random.default_rng(0).integers(0, 1000, 12_000)
    new = np.delete(old, [500, 3_000, 9_000])
    new = np.append(new, -1)
    for number, values in enumerate((old, new), 1):
        version = save(store, str(number), p=stream([values.tobytes()], 8))
    assert form_of(store, version) == ["delta"]
    assert bytes(store.read_part(version)("p")) == new.tobytes()
    found = store._value_tree(version).found("p")
    assert isinstance(found, chunks.Stored)
    assert len(store._backend.read(found.lines[0].id).data) < 300


def test_what_has_nothing_in_common_is_no_difference(store: Repository) -> None:
    """New content is stored in full."""
    save(store, "1", p=stream([noise(), noise()]))
    assert form_of(store, save(store, "2", p=stream([noise(), noise()]))) == ["raw", "raw"]


def test_a_part_is_followed_by_its_label(store: Repository) -> None:
    """A part that moved to another path is still a difference to what it was."""
    a, b = noise(), noise()
    save(store, "1", p=stream([a], label="a"), q=stream([b], label="b"))
    version = save(store, "2", p=stream([b"0" + b], label="b"), q=stream([b"0" + a], label="a"))
    assert form_of(store, version, "p") == form_of(store, version, "q") == ["patch"]


def test_an_unchanged_value_is_not_even_asked_for(store: Repository) -> None:
    """A version whose record says what the one before says shares its value's tree."""

    def fail() -> Iterator[Segment]:
        raise AssertionError("the value was encoded")

    data = noise()
    first = save(store, "1", p=stream([data]))
    second = save(store, "1", p=Stream(fail))
    assert second.number == 2
    assert second.value == first.value
    assert bytes(store.read_part(second)("p")) == data


def test_an_unchanged_value_is_not_drawn_again(store: Repository) -> None:
    """The picture of a value is drawn once; later versions of the same value show that one."""

    def fail() -> Preview:
        raise AssertionError("the value was drawn")

    def saved(picture: Preview | Callable[[], Preview] | None) -> Version:
        made = draft("1", p=b"data")
        (version,) = store.commit([replace(made, value=replace(made.value, picture=picture))])
        return version

    saved(None)
    saved(lambda: Preview("text/plain", b"as it was"))
    assert store.preview(saved(fail)) == Preview("text/plain", b"as it was")


def test_a_value_of_the_same_digest_and_another_form_is_stored(store: Repository) -> None:
    """Equal content in other clothes, which the details tell, is encoded anew."""
    save(store, "1", p=stream([noise()]))
    other = draft("1", p=stream([b"x" * 30_000]))
    record = replace(other.value.record, details={"form": "other"})
    (version,) = store.commit([replace(other, value=replace(other.value, record=record))])
    assert bytes(store.read_part(version)("p")) == b"x" * 30_000


def test_some_of_a_part_is_read_by_reading_some_of_its_segments(store: Repository) -> None:
    """Between two counts, only the segments that hold something of it are read."""
    segments = [noise() for _ in range(9)]
    version = save(store, "1", p=stream(segments))
    part = store.read_part(version)("p")
    assert isinstance(part, Stream)
    seen = []
    read = store._backend.read
    store._backend.read = lambda id, **how: seen.append(id) or read(id, **how)  # type: ignore[method-assign,assignment,func-returns-value]
    found = list(part.between(130_000, 190_000))
    assert [(at, bytes(s.data)) for at, s in found] == [
        (120_000, segments[2]),
        (180_000, segments[3]),
    ]
    assert len(seen) == 2


@pytest.mark.parametrize("form", ["raw", "zstd", "patch"])
def test_a_damaged_segment_is_noticed(form: str) -> None:
    """A segment whose blob, or whose base, has other bytes is never given out."""
    store = MemoryRepository()
    old = {
        "raw": noise(),
        "zstd": b" ".join(b"%d" % n for n in RNG.integers(0, 5000, 9000)),
        "patch": noise(),
    }[form]
    version = save(store, "1", p=stream([old, noise()]))
    if form == "patch":
        version = save(store, "2", p=stream([old[:9] + noise(900) + old[9:], noise()]))
    found = store._value_tree(version).found("p")
    assert isinstance(found, chunks.Stored)
    line = found.lines[0]
    assert line.form == form
    victims = [line.id, *(base.id for base in found.bases.values())]
    for victim in victims:
        item = store._backend._objects[victim]
        for broken in (item.data[:-1], item.data[:70] + b"?~" + item.data[72:], b""):
            store._backend._objects[victim] = replace(item, data=broken)
            with pytest.raises(DamagedStoreError):
                bytes(store.read_part(version)("p"))
        store._backend._objects[victim] = item
    bytes(store.read_part(version)("p"))


def test_an_index_of_any_bytes_is_refused_or_read() -> None:
    """A damaged index never gives anything but an error of the store's."""
    store = MemoryRepository()
    version = save(store, "1", p=stream([noise(), numbers()]))
    tree = store._value_tree(version)
    index = tree._folder(("value", "p"))[chunks.INDEX].id
    item = store._backend._objects[index]
    drawn = np.random.default_rng(9)
    for _ in range(300):
        broken = bytearray(item.data)
        for place in drawn.integers(0, len(broken), 3):
            broken[place] = drawn.integers(0, 256)
        store._backend._objects[index] = replace(item, data=bytes(broken))
        try:
            bytes(store.read_part(version)("p"))
        except DamagedStoreError:
            continue


def test_a_damaged_version_before_does_not_stop_a_save(store: Repository) -> None:
    """What can't be shared because it is damaged is stored anew."""
    if not isinstance(store, MemoryRepository):
        pytest.skip("objects are taken away in memory")
    old = [noise() for _ in range(3)]
    version = save(store, "1", p=stream(old))
    tree = store._value_tree(version)
    found = tree.found("p")
    assert isinstance(found, chunks.Stored)
    del store._backend._objects[found.lines[1].id]
    new = [old[0], old[1][:9] + b"!" + old[1][9:], old[2]]
    second = save(store, "2", p=stream(new))
    assert bytes(store.read_part(second)("p")) == b"".join(new)


def test_a_part_with_a_known_print_is_not_made(store: Repository) -> None:
    """A part whose print the version before has isn't asked for its segments."""

    def fail() -> Iterator[Segment]:
        raise AssertionError("the part was made")

    data, more = noise(), noise()
    save(store, "1", p=replace(stream([data], label="p"), print="aa"))
    version = save(store, "2", q=Stream(fail, label="q", print="aa"), p=stream([more]))
    assert bytes(store.read_part(version)("q")) == data
    third = save(store, "3", z=Stream(fail, label="z", print="aa"))
    assert bytes(store.read_part(third)("z")) == data
    assert third.value.parts[0].size == len(data)
