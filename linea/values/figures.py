"""Figures, images and charts ⇄ a picture beside what it was drawn from."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Set
from typing import Any

import numpy as np

from linea.errors import UnstorableError
from linea.model import Encoded, Preview, ValueRecord
from linea.values import codec, objects, plain
from linea.values.arrays import ndarray_hash
from linea.values.digest import Of, class_name, finish, join, text_bytes
from linea.values.objects import unpickle
from linea.values.parts import Parts
from linea.values.preview import count, text_preview

DPI = 100


# ------------------------------------------------------------------------------------ matplotlib


def figure_pickle(value: Any) -> bytes:
    """Return the pickle of a figure, or of its axes."""
    try:
        return objects.pickle(value)
    except UnstorableError as error:
        hint = "save it as a picture: figure.savefig(path)"
        raise UnstorableError(f"the figure can't be stored: {error.message}", hint=hint) from error


def _is(value: Any, base: str) -> bool:
    return any(class_name(kind) == base for kind in type(value).__mro__)


def figure_of(value: Any) -> Any:
    """Return the figure that a figure or an axes belongs to."""
    return (
        value
        if _is(value, "matplotlib.figure.Figure")
        else value.get_figure(root=True)
        if _takes_root(value)
        else value.figure
    )


def _takes_root(value: Any) -> bool:
    code = getattr(value.get_figure, "__code__", None)
    return code is not None and "root" in code.co_varnames


def _drawn(figure: Any) -> Any:
    """Return the figure after a drawing, which settles its limits and ticks."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    try:
        FigureCanvasAgg(figure).draw()
    except Exception as error:
        raise UnstorableError(f"the figure can't be drawn: {error}") from error
    return figure


def render(figure: Any) -> bytes:
    """Return a figure as PNG without a trace of when and with what it was drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    out = io.BytesIO()
    figure.set_dpi(DPI)
    canvas.print_png(out, metadata={"Software": None})
    return out.getvalue()


LINE = (
    "color",
    "linestyle",
    "linewidth",
    "drawstyle",
    "marker",
    "markersize",
    "markerfacecolor",
    "markeredgecolor",
)
PATCH = ("facecolor", "edgecolor", "linewidth", "linestyle", "hatch", "fill")
COLLECTION = ("facecolor", "edgecolor", "linewidth", "offsets", "array", "hatch")
TEXT = ("text", "color", "fontsize", "rotation")
PIXELS = ("array", "extent", "clim")

SHOWN: dict[str, tuple[str, ...]] = {
    "matplotlib.lines.Line2D": LINE,
    "matplotlib.patches.Patch": PATCH,
    "matplotlib.collections.Collection": COLLECTION,
    "matplotlib.text.Text": TEXT,
    "matplotlib.image._ImageBase": PIXELS,
    "matplotlib.axes._base._AxesBase": (
        "xlim",
        "ylim",
        "zlim",
        "xscale",
        "yscale",
        "zscale",
        "aspect",
        "facecolor",
        "axisbelow",
    ),
    "matplotlib.axis.Axis": (),
    "matplotlib.figure.FigureBase": ("size_inches", "facecolor"),
    "matplotlib.table.Table": (),
    "matplotlib.table.Cell": PATCH,
    "matplotlib.legend.Legend": (),
    "matplotlib.spines.Spine": PATCH,
    "matplotlib.container.Container": (),
}
"""What of an artist is its content: what is drawn, not where the layout put it."""

LAYOUT = frozenset(
    {"matplotlib.axis.Tick", "matplotlib.offsetbox.OffsetBox", "matplotlib.spines.Spine"}
)
"""Artists that the library makes by itself when it draws."""


def figure_hash(figure: Any, of: Of) -> bytes:
    """Return the hash of what a figure shows: its artists' data, texts and colours, in order."""
    placed = set(map(id, _placed_texts(figure)))
    return join("figure", *(_artist_hash(each, of, placed) for each in _artists(figure)))


def artist_digest(value: Any, of: Of) -> bytes:
    """Return the hash of an artist on its own, such as a line that `plot` gives."""
    return join("artists", *(_artist_hash(each, of, frozenset()) for each in _artists(value)))


def container_digest(value: Any, of: Of) -> bytes:
    """Return the hash of artists that belong together, such as the bars of a histogram."""
    return join("container", text_bytes(class_name(type(value))), of(list(value)))


def _artist_hash(artist: Any, of: Of, placed: Set[int]) -> bytes:
    own = class_name(type(artist))
    facts = [text_bytes(own), text_bytes(_label(artist)), *_facts(artist, of)]
    if _is(artist, "matplotlib.text.Text") and id(artist) not in placed:
        facts.append(_fact(artist.get_position(), of))
    return join("artist", *facts)


def _placed_texts(figure: Any) -> Iterator[Any]:
    """Yield the titles and axis labels: the layout places them, by the size of the fonts."""
    for name in ("_suptitle", "_supxlabel", "_supylabel"):
        yield getattr(figure, name, None)
    for axes in figure.axes:
        for name in ("title", "_left_title", "_right_title"):
            yield getattr(axes, name, None)
        for axis in ("xaxis", "yaxis", "zaxis"):
            yield getattr(getattr(axes, axis, None), "label", None)


def _artists(artist: Any) -> Iterator[Any]:
    yield artist
    if _is(artist, "matplotlib.axis.Axis"):
        yield artist.label
        return
    for child in artist.get_children():
        if not any(_is(child, layout) for layout in LAYOUT) or _is(
            child, "matplotlib.legend.Legend"
        ):
            yield from _artists(child)


def _label(artist: Any) -> str:
    label = artist.get_label()  # of an axis, the text itself
    return label if isinstance(label, str) and not label.startswith("_") else ""


def _facts(artist: Any, of: Of) -> Iterator[bytes]:
    yield b"1" if artist.get_visible() else b"0"
    yield of(
        artist.get_alpha()
        if not isinstance(artist.get_alpha(), np.ndarray)
        else artist.get_alpha().tolist()
    )
    for base in map(class_name, type(artist).__mro__):
        for fact in SHOWN.get(base, ()):
            getter = getattr(artist, f"get_{fact}", None)
            if getter is not None:
                yield text_bytes(fact)
                yield _fact(getter(), of)
        if base in SHOWN:
            break
    if _is(artist, "matplotlib.lines.Line2D"):
        yield _fact(artist.get_xydata(), of)
    elif _is(artist, "matplotlib.patches.Patch"):
        yield from _path(artist.get_path(), of)
        yield _fact(artist.get_patch_transform().get_matrix(), of)
    elif _is(artist, "matplotlib.collections.Collection"):
        for path in artist.get_paths():
            yield from _path(path, of)
    elif _is(artist, "matplotlib.axis.Axis"):
        yield from _ticks(artist, of)
    if hasattr(artist, "cmap") and getattr(artist, "cmap", None) is not None:
        yield text_bytes(str(artist.cmap.name))


def _ticks(axis: Any, of: Of) -> Iterator[bytes]:
    """Yield the ticks that the user set; those that the library chose follow from the limits."""
    formatter = axis.get_major_formatter()
    yield text_bytes(f"{type(formatter).__name__} {getattr(formatter, 'fmt', '')}")
    if type(axis.get_major_locator()).__name__ in ("FixedLocator", "StrCategoryLocator"):
        yield _fact(np.asarray(axis.get_majorticklocs(), dtype=float), of)
        yield of([label.get_text() for label in axis.get_majorticklabels()])


def _path(path: Any, of: Of) -> Iterator[bytes]:
    yield _fact(path.vertices, of)
    yield _fact(path.codes, of) if path.codes is not None else b""


def _fact(value: Any, of: Of) -> bytes:
    if np.ma.isMaskedArray(value):
        value = value.filled(np.nan) if value.dtype.kind == "f" else value.filled()
    if isinstance(value, np.ndarray):
        return ndarray_hash(np.asarray(value), of)
    if isinstance(value, tuple | list):
        return join("facts", *(_fact(v, of) for v in value))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | int | float | bool | None):
        return of(value)
    # A default repr holds an address.
    named = "__repr__" in vars(type(value)) or "__str__" in vars(type(value))
    return text_bytes(str(value) if named else type(value).__name__)


def data_of(figure: Any) -> dict[str, Any]:
    """Return the plotted lines, points and texts of a figure as plain data."""
    axes = []
    for ax in figure.axes:
        lines = [
            {
                "label": _label(line),
                "x": _numbers(line.get_xdata(orig=False)),
                "y": _numbers(line.get_ydata(orig=False)),
            }
            for line in ax.lines
        ]
        points = [
            {"label": _label(c), "xy": np.ma.filled(c.get_offsets(), np.nan).tolist()}
            for c in ax.collections
            if len(c.get_offsets()) > 1
        ]
        axes.append(
            {
                "title": ax.get_title(),
                "x": ax.get_xlabel(),
                "y": ax.get_ylabel(),
                "lines": lines,
                "points": points,
            }
        )
    return {"axes": axes}


def _numbers(values: Any) -> list[float]:
    found: list[float] = np.asarray(np.ma.filled(values, np.nan), dtype=float).tolist()
    return found


class FigureCodec:
    """matplotlib's figures and axes: a PNG, the plotted data, and the figure itself as a pickle."""

    def digest(self, value: Any, of: Of) -> bytes:
        return self._hash(value, pickle.loads(figure_pickle(value)), of)

    def _hash(self, value: Any, copy: Any, of: Of) -> bytes:
        figure = figure_of(copy)
        raw = figure_hash(_drawn(figure), of)
        if copy is figure:
            return raw
        return join(
            "axes", raw, str(figure.axes.index(copy) if copy in figure.axes else -1).encode()
        )

    def encode(self, value: Any) -> Encoded:
        from linea.values.digest import Walk

        source = figure_pickle(value)
        # Drawing changes a figure (layout, limits, ticks): a copy is drawn.
        copy = pickle.loads(source)
        raw = self._hash(value, copy, Walk().of)
        figure = figure_of(copy)
        titles = [t for t in (ax.get_title() for ax in figure.axes) if t]
        width, height = (float(x) for x in figure.get_size_inches())
        try:
            data = plain.dump(data_of(figure))
        except (plain.NotPlain, ValueError, TypeError):
            data = b"{}"
        png = render(figure)
        axes = len(figure.axes)
        return codec.build(
            value,
            kind="figure",
            codec="matplotlib",
            parts={"figure.png": png, "data.json": data, "figure.pkl": source},
            text=f"figure with {axes} axes" + (f": {', '.join(titles)}"[:80] if titles else ""),
            summary={"axes": axes, "titles": titles, "inches": [width, height]},
            digest=raw,
            pickled=True,
            preview=Preview("image/png", png),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        return unpickle(read("figure.pkl"), record)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        if format == "pkl":
            return {f"{stem}.pkl": read("figure.pkl")}
        if format in (None, "png"):
            return {f"{stem}.png": read("figure.png")}
        out = io.BytesIO()
        figure_of(unpickle(read("figure.pkl"), record)).savefig(out, format=format)
        return {f"{stem}.{format}": out.getvalue()}


# ---------------------------------------------------------------------------------------- images

PNG_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA"})


class ImageCodec:
    """PIL images: PNG where that is exact, else their raw pixels; decoding gives a plain Image."""

    def digest(self, value: Any, of: Of) -> bytes:
        palette = value.getpalette("RGBA") if value.mode in ("P", "PA") else None
        return join(
            "image", value.mode.encode(), str(value.size).encode(), value.tobytes(), of(palette)
        )

    def encode(self, value: Any) -> Encoded:
        from linea.values.digest import Walk

        png = _png(value) if value.mode in PNG_MODES and all(value.size) else None
        details: dict[str, Any] = {"mode": value.mode, "size": list(value.size)}
        if png is None:
            import zstandard

            if value.mode in ("P", "PA"):
                details["palette"] = [value.palette.mode, list(value.palette.palette)]
        try:
            details["info"] = plain.to_json(dict(value.info))
        except plain.NotPlain:
            details["info"] = {}
        return codec.build(
            value,
            kind="image",
            codec="image",
            parts={"image.png": png}
            if png is not None
            else {"pixels.zst": zstandard.compress(value.tobytes(), 1)},
            text=f"{value.mode} image {value.size[0]} × {value.size[1]}",
            summary={"shape": list(value.size), "mode": value.mode},
            details=details,
            digest=self.digest(value, Walk().of),
            preview=_thumbnail(value),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        from PIL import Image

        details = record.details
        if any(part.path == "image.png" for part in record.parts):
            with Image.open(io.BytesIO(read("image.png"))) as opened:
                image = opened.copy()
            # A plain image, whatever file it once came from.
            image = (
                Image.frombytes(image.mode, image.size, image.tobytes())
                if image.mode == details["mode"]
                else image.convert(details["mode"])
            )
        else:
            import zstandard

            image = Image.frombytes(
                details["mode"], tuple(details["size"]), zstandard.decompress(read("pixels.zst"))
            )
            if "palette" in details:
                mode, colours = details["palette"]
                image.putpalette(bytes(colours), mode)
        image.info.update(plain.from_json(details["info"]))
        return image

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        from PIL import Image

        if format in (None, "png") and record.parts[0].path == "image.png":
            return {f"{stem}.png": read("image.png")}
        image: Any = self.decode(record, read)
        assert isinstance(image, Image.Image)
        if format in (None, "png"):
            return {
                f"{stem}.png": _png(
                    image if image.mode in (*PNG_MODES, "P", "I;16") else image.convert("RGB")
                )
            }
        out = io.BytesIO()
        image.save(out, format={"jpg": "jpeg", "tif": "tiff"}.get(str(format), format))
        return {f"{stem}.{format}": out.getvalue()}


def _thumbnail(image: Any) -> Preview:
    """Return a small picture of an image; a text of one that has nothing to see."""
    if not all(image.size):
        return text_preview(f"{image.mode} image {image.size[0]} × {image.size[1]}")
    small = image.copy()
    small.thumbnail((800, 800))
    # With the colours multiplied by it, transparency has one way back only.
    small = small.convert(small.mode.upper()) if small.mode in ("La", "RGBa") else small
    return Preview("image/png", _png(small if small.mode in PNG_MODES else small.convert("RGB")))


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format="png")
    return out.getvalue()


# ---------------------------------------------------------------------------------------- charts


def _in_order(spec: Any) -> Any:
    """Return JSON data with the keys of its objects in order: plotly has another after reading."""
    if isinstance(spec, dict):
        return {key: _in_order(spec[key]) for key in sorted(spec)}
    return list(map(_in_order, spec)) if isinstance(spec, list) else spec


class ChartCodec:
    """plotly's and altair's charts: their JSON specification, which holds the data."""

    def _spec(self, value: Any) -> Any:
        return json.loads(value.to_json())

    def digest(self, value: Any, of: Of) -> bytes:
        return join("chart", finish(of(_in_order(self._spec(value)))))

    def encode(self, value: Any) -> Encoded:
        from linea.values.digest import Walk

        spec = self._spec(value)
        traces = len(spec.get("data", ())) if isinstance(spec.get("data"), list) else 1
        return codec.build(
            value,
            kind="figure",
            codec="chart",
            parts={"chart.json": plain.dump_json(spec)},
            text=f"{type(value).__name__} with {count(traces, 'trace')}",
            digest=self.digest(value, Walk().of),
            details={"library": type(value).__module__.partition(".")[0]},
            preview=text_preview(json.dumps(spec, indent=1)[:4000]),
        )

    def decode(self, record: ValueRecord, read: Parts) -> object:
        text = read("chart.json").decode()
        if record.details["library"] == "plotly":
            import plotly.io

            return plotly.io.from_json(text)
        import altair

        return altair.Chart.from_json(text)

    def export(
        self, record: ValueRecord, read: Parts, stem: str, format: str | None
    ) -> dict[str, bytes]:
        return {f"{stem}.json": read("chart.json")}


MATPLOTLIB, IMAGE, CHART = FigureCodec(), ImageCodec(), ChartCodec()
