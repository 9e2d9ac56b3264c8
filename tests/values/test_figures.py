"""Figures, images: a picture, the data, and a digest that a re-run gives again."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linea import values
from linea.errors import UntrustedError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the backend is chosen
from PIL import Image  # noqa: E402

ROOT = Path(__file__).parents[2]


def drawn(y: float = 3.0, title: str = "T", colour: str = "C0") -> Any:
    """A figure of most of what people draw."""
    figure, axes = plt.subplots(2, 2, layout="constrained")
    (a, b), (c, d) = axes
    a.plot([1, 2, y], color=colour, label="line")
    a.legend()
    a.set_title(title)
    b.bar(["x", "y"], [1, y])
    b.set_xticks([0, 1], ["p", "q"])
    c.scatter([1, 2], [y, 2], c=[0.1, 0.9], cmap="viridis")
    c.annotate("here", (1, 2))
    d.imshow(np.arange(4.0).reshape(2, 2) * y)
    figure.suptitle("all")
    return figure


CHANGES: dict[str, Callable[[Any], object]] = {
    "a point": lambda f: f.axes[0].lines[0].set_ydata([1, 2, 4]),
    "a colour": lambda f: f.axes[0].lines[0].set_color("red"),
    "a title": lambda f: f.axes[0].set_title("U"),
    "a label": lambda f: f.axes[0].set_xlabel("x"),
    "a limit": lambda f: f.axes[0].set_xlim(0, 10),
    "a scale": lambda f: f.axes[0].set_yscale("log"),
    "a bar": lambda f: f.axes[1].patches[0].set_height(9),
    "a tick": lambda f: f.axes[1].set_xticks([0, 1], ["p", "z"]),
    "a dot": lambda f: f.axes[2].collections[0].set_offsets([[1, 2], [2, 5]]),
    "a dot's colour": lambda f: f.axes[2].collections[0].set_array([0.2, 0.9]),
    "a colour map": lambda f: f.axes[3].images[0].set_cmap("plasma"),
    "an image": lambda f: f.axes[3].images[0].set_data(np.zeros((2, 2))),
    "a note": lambda f: f.axes[2].texts[0].set_text("there"),
    "another line": lambda f: f.axes[0].plot([3, 2, 1]),
    "visibility": lambda f: f.axes[0].lines[0].set_visible(False),
    "the size": lambda f: f.set_size_inches(3, 3),
    "the legend": lambda f: f.axes[0].get_legend().remove(),
    "the heading": lambda f: f.suptitle("none"),
}


@pytest.fixture(autouse=True)
def close() -> Any:
    yield
    plt.close("all")


def test_the_same_drawing_has_the_same_digest() -> None:
    """A figure drawn again has its digest, whether or not it has been shown meanwhile."""
    figure = drawn()
    before = values.digest(figure)
    figure.canvas.draw()
    figure.savefig(io.BytesIO(), dpi=200)
    assert values.digest(figure) == before == values.digest(drawn())


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_drawn_counts(change: str) -> None:
    """Anything that the figure shows differently gives another digest."""
    figure = drawn()
    CHANGES[change](figure)
    assert values.digest(figure) != values.digest(drawn())


def test_encoding_a_figure_leaves_it_alone() -> None:
    """Encoding opens no figure, draws nothing on the user's and keeps its canvas and size."""
    figure = drawn()
    before = plt.get_fignums(), figure.canvas, figure.dpi, figure.stale
    values.settled(values.encode(figure))
    assert (plt.get_fignums(), figure.canvas, figure.dpi, figure.stale) == before


def test_a_figure_comes_back() -> None:
    """A figure comes back with its artists and its digest, and opens no window."""
    encoded = values.settled(values.encode(drawn()))
    plt.close("all")
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert values.digest(back) == encoded.record.digest
    assert plt.get_fignums() == []
    assert list(back.axes[0].lines[0].get_ydata()) == [1, 2, 3.0]
    assert encoded.preview is not None and encoded.preview.mime == "image/png"
    assert encoded.record.summary["titles"] == ["T"]


def test_a_figures_picture_needs_no_trust() -> None:
    """The PNG and the plotted data can be had without unpickling the figure."""
    encoded = values.settled(values.encode(drawn()))
    read = encoded.parts.__getitem__
    with pytest.raises(UntrustedError):
        values.decode(encoded.record, read, trusted=False)
    files = values.export(encoded.record, read, "plot", trusted=False)
    assert Image.open(io.BytesIO(files["plot.png"])).size == (640, 480)
    with pytest.raises(UntrustedError):
        values.export(encoded.record, read, "plot", "svg", trusted=False)
    assert b"<svg" in values.export(encoded.record, read, "plot", "svg")["plot.svg"]


def test_axes_are_stored_with_their_figure() -> None:
    """An axes comes back in its figure; two axes of one figure differ."""
    figure = drawn()
    encoded = values.settled(values.encode(figure.axes[1]))
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__)
    assert back.figure.axes[1] is back
    assert values.digest(figure.axes[0]) != encoded.record.digest == values.digest(back)


@pytest.mark.slow
def test_figures_have_the_same_digest_in_every_process() -> None:
    """A figure has one digest and one picture in processes with other hash seeds."""
    program = (
        "from linea import values; from tests.values.test_figures import drawn;"
        "e = values.settled(values.encode(drawn())); print(e.record.digest, values.digest_bytes(e.parts['figure.png']))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(seen) == 1
    assert values.digest(drawn()) in seen.pop()


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16", "HSV", "YCbCr", "LAB"]


@pytest.mark.parametrize("mode", MODES)
def test_images_come_back(mode: str) -> None:
    """An image of any mode comes back with its pixels, size, palette and notes."""
    base = Image.fromarray(np.random.default_rng(0).integers(0, 255, (7, 9, 3), dtype="u1"))
    image = Image.new("I;16", (9, 7), 300) if mode == "I;16" else _converted(base, mode)
    image.info["dpi"] = (72, 72)
    encoded = values.settled(values.encode(image))
    assert not encoded.record.pickled
    back: Any = values.decode(encoded.record, encoded.parts.__getitem__, trusted=False)
    assert (back.mode, back.size, back.tobytes()) == (image.mode, image.size, image.tobytes())
    assert back.getpalette() == image.getpalette() and back.info["dpi"] == (72, 72)
    assert values.digest(back) == encoded.record.digest == values.digest(image)
    Image.open(io.BytesIO(values.export(encoded.record, encoded.parts.__getitem__, "i")["i.png"]))
    changed = image.copy()
    changed.paste(0 if len(image.getbands()) == 1 else (0,) * len(image.getbands()), (0, 0, 4, 4))
    assert values.digest(changed) != encoded.record.digest


def _converted(image: Any, mode: str) -> Any:
    if mode == "LAB":
        return Image.new("LAB", image.size, (10, 20, 30))
    return image.convert(mode)


def test_a_figure_that_cannot_be_pickled_says_what_to_do() -> None:
    """A figure that holds a lambda of a lock is refused with a hint."""
    import threading

    from linea.errors import UnstorableError

    figure = drawn()
    figure.lock = threading.Lock()
    with pytest.raises(UnstorableError, match="savefig"):
        values.settled(values.encode(figure))
