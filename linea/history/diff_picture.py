"""Two pictures to the pixels that differ, and to a third picture that shows them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from linea.history.diff_plain import PathChange

_TOLERANCE = 8
"""Steps of 255 by which a channel may differ unseen: anti-aliasing isn't a difference."""
_FADED = 0.25
"""How strongly what both have shows in the third picture."""
_GONE, _COME = (214, 39, 40), (31, 119, 180)


@dataclass(frozen=True, slots=True)
class PictureDiff:
    """What differs between two pictures."""

    size: tuple[tuple[int, int], tuple[int, int]]
    """Width and height, before and after."""
    differing: int = 0
    """Pixels that differ, those that only one of the two has included."""
    compared: int = 0
    box: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of what differs."""
    drawn: tuple[PathChange, ...] = ()
    """What differs in the plotted data, the first few."""
    third: bytes = field(default=b"", repr=False)
    """A PNG: both pictures faded, red where something went, blue where something came."""
    kind: str = "picture"


def diff_pictures(before: Any, after: Any, drawn: tuple[PathChange, ...] = ()) -> PictureDiff:
    """Compare two PIL images, laid upon each other at the top left."""
    import numpy as np

    sizes = (before.size, after.size)
    width, height = (max(size) for size in zip(*sizes, strict=True))
    one, other = (_on_canvas(image, width, height) for image in (before, after))
    far = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2) > _TOLERANCE
    for size in sizes:
        far[size[1] :, :] = True
        far[:, size[0] :] = True
    box = None
    if far.any():
        rows, columns = np.flatnonzero(far.any(axis=1)), np.flatnonzero(far.any(axis=0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return PictureDiff(
        size=sizes,
        differing=int(far.sum()),
        compared=width * height,
        box=box,
        drawn=drawn,
        third=_third(one, other, far) if far.any() else b"",
    )


def opened(png: bytes) -> Any:
    """Return the image that a PNG holds."""
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def _on_canvas(image: Any, width: int, height: int) -> Any:
    """Return an image's pixels as RGB on white."""
    import numpy as np
    from PIL import Image

    canvas = Image.new("RGBA", (width, height), "white")
    canvas.alpha_composite(image.convert("RGBA"))
    return np.asarray(canvas.convert("RGB"))


def _third(one: Any, other: Any, far: Any) -> bytes:
    """Draw what both have in pale grey, what went in red and what came in blue."""
    import numpy as np
    from PIL import Image

    grey = one.mean(axis=2), other.mean(axis=2)
    base = 255 - (255 - np.minimum(*grey)) * _FADED
    third = np.repeat(base[:, :, None], 3, axis=2)
    # The darker of the two is what is drawn there; the lighter is the paper.
    gone, come = far & (grey[0] < grey[1]), far & (grey[0] >= grey[1])
    third[gone], third[come] = _GONE, _COME
    out = io.BytesIO()
    Image.fromarray(third.astype(np.uint8)).save(out, format="png")
    return out.getvalue()
