"""Forms of segments: bytes come back whatever they are, numbers get small, damage is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from linea.store import forms

RNG = np.random.default_rng(0)
N = 6_000
NOWHERE = np.iinfo("i8").min


def some(values: Any, mark: Any, share: float = 0.1) -> Any:
    """Put a mark in the place of some values."""
    return np.where(RNG.random(len(values)) < share, mark, values)


PRICES = np.round(RNG.gamma(2, 50, N), 2)
SECONDS = np.cumsum(RNG.integers(0, 9, N)) * 10**9 + 1_700_000_000 * 10**9


@dataclass(frozen=True)
class Case:
    name: str
    values: Any
    form: str
    """The form that is chosen."""
    most: float = 1.0
    """Of the bytes that zstd alone needs."""


CASES = [
    Case("prices", PRICES, "decimal2", 0.65),
    Case("prices, some missing", some(PRICES, np.nan), "decimal2", 0.7),
    Case("prices, many missing", some(PRICES, np.nan, 0.5), "decimal2", 0.9),
    Case("prices, zeros of both signs", some(some(PRICES, -0.0), 0.0), "decimal2", 0.8),
    Case("prices, some without end", some(PRICES, np.inf, 0.01), "decimal2", 0.7),
    Case("prices with a few sums", some(PRICES, 1e15, 0.01), "decimal2", 0.7),
    Case("degrees", np.round(RNG.random(N) * 360 - 180, 6), "decimal6", 0.6),
    Case("whole floats", RNG.integers(0, 10**6, N).astype(float), "decimal0", 0.9),
    Case("seconds in order", SECONDS, "steps1000000000", 0.3),
    Case("days", RNG.integers(0, 9000, N) * 86400 * 10**9, "scaled86400000000000", 0.6),
    Case("days, some missing", some(SECONDS // 10**9 // 9 * 86400 * 10**9, NOWHERE), "", 1.0),
    Case("ids in order", np.arange(N) + 10**12, "steps1", 0.1),
    Case("ids in pieces", np.tile(np.arange(N // 4), 4), "steps1", 0.1),
    Case("small numbers", RNG.integers(0, 100, N), "shuffle8"),
    Case("small numbers of both signs", RNG.integers(-50, 50, N), ""),
    Case("large numbers", RNG.integers(-(2**63), 2**63 - 1, N), "raw"),
    Case("noise", RNG.normal(size=N), "raw"),
    Case("floats of 32 bits", RNG.normal(size=2 * N).astype("f4") // 1, "shuffle4"),
    Case("one value", np.full(N, 0.1), ""),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(
    "around", [(b"", b""), (b"\x05\0\0\0" * 6, b"abc")], ids=["bare", "framed"]
)
def test_numbers_get_small_and_come_back(case: Case, around: tuple[bytes, bytes]) -> None:
    """Each kind of numbers gets the form made for it, and the bytes come back from all forms."""
    raw = around[0] + case.values.tobytes() + around[1]
    width = case.values.itemsize
    form, _, data = forms.best(raw, width)
    assert not case.form or form == case.form
    assert bytes(forms.decompress(data, form, len(raw))) == raw
    plain = forms.compress(raw, "zstd")
    assert plain is not None
    assert len(data) <= case.most * len(plain) / (forms.WORTH if form == "raw" else 1)
    for other in ("shuffle3", "decimal0", "decimal2", "scaled7", "steps1000", "zstd", "raw"):
        made = forms.compress(raw, other)
        assert made is None or bytes(forms.decompress(made, other, len(raw))) == raw


WORDS = st.one_of(
    st.floats(width=64).map(np.float64),
    st.integers(-(10**6), 10**6).map(lambda k: np.float64(k / 100)),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(-1000, 1000).map(lambda k: np.int64(k * 60)),
)
FORMS = st.one_of(
    st.integers(2, forms.WIDEST).map(lambda n: f"shuffle{n}"),
    st.integers(0, forms.DECIMALS).map(lambda n: f"decimal{n}"),
    st.sampled_from(["scaled1", "scaled60", "steps1", "steps60", f"steps{1 << 62}"]),
)


@given(st.lists(WORDS, max_size=60), st.binary(max_size=9), FORMS)
def test_any_bytes_come_back(words: list[Any], tail: bytes, form: str) -> None:
    """Whatever the bytes are, a form doesn't suit them or gives exactly them back."""
    raw = b"".join(word.tobytes() for word in words) + tail
    data = forms.compress(raw, form)
    assert data is None or bytes(forms.decompress(data, form, len(raw))) == raw


@given(st.sampled_from(["shuffle8", "decimal2", "scaled60", "steps60"]), st.data())
def test_damaged_content_is_told(form: str, data: st.DataObject) -> None:
    """A frame that holds something else is refused or read as so many bytes, nothing else."""
    values = PRICES[:64] if form == "decimal2" else np.arange(64) * 60
    content = bytearray(forms.content(values.tobytes(), form) or b"")
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(content), at]))
    frame = zstandard.compress(bytes(content[:cut]))
    try:
        found = forms.decompress(frame, form, 512)
    except (ValueError, zstandard.ZstdError):
        return
    assert len(found) == 512


@pytest.mark.parametrize(
    "form", ["shuffle1", "shuffle65", "decimal10", "scaled0", "lz4", "decimal-1"]
)
def test_unknown_forms_are_refused(form: str) -> None:
    """A form that isn't known, or a number that it can't have, is refused."""
    with pytest.raises(ValueError, match="form"):
        forms.decompress(zstandard.compress(b"x" * 64), form, 64)
