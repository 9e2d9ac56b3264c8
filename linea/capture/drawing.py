"""pyplot's figures before and after a statement → the figures it made and drew in."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from linea.capture.objects import Reach
from linea.capture.rules import LOOKS, PLOTTERS, STANDARD
from linea.capture.running import Running
from linea.capture.scope import called_name
from linea.capture.walk import address
from linea.slicing import CLOSES

CURRENT = "hidden:current figure"

HELD = "hidden:figures"
"""Which figures pyplot holds, by number."""

_NUMBERED = frozenset({"number", "get_fignums", "fignum_exists", "get_figlabels"})

_MAKERS = frozenset({"figure", "subplots", "subplot_mosaic"})


def open_figures() -> tuple[int, ...]:
    """Addresses of the figures that pyplot holds, the current one last."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is None:
        return ()
    try:
        return tuple(address(m.canvas.figure) for m in helpers.Gcf.figs.values())
    except Exception:
        return ()


def draws(running: Running, below: Iterable[Reach]) -> bool:
    """Whether a statement has, or may have, to do with pyplot; `below` is what it can reach."""
    if "matplotlib.pyplot" not in sys.modules:
        return False
    if open_figures() != running.figures:
        return True
    modules: set[str] = set()
    packages: set[str] = set()
    for reach in below:
        modules |= reach.modules
        packages |= reach.packages
    if modules & {"matplotlib.pyplot", "matplotlib.pylab"} or "seaborn" in packages:
        return True
    return bool(running.mentions & PLOTTERS) and bool(packages - STANDARD)


_PASSING = frozenset(
    {"_stale", "stale_callback", "canvas", "_cachedRenderer", "_viewLim", "_original_dpi"}
)
"""Attributes of artists that drawing them changes, or looking at them."""

_ATOMS = frozenset({int, float, str, bool, type(None)})


def _figure_print(figure: Any) -> object:
    """What a figure holds, its axes with their titles, labels, limits and artists: not inside these."""
    parts: list[object] = [_artist_print(figure)]
    for axes in figure.axes:
        parts.append(_artist_print(axes))
        inner = vars(axes)
        labels = [inner.get(key) for key in ("title", "_left_title", "_right_title")]
        for axis in (axes.xaxis, axes.yaxis):
            parts += [_artist_print(axis), _artist_print(axis.major), _artist_print(axis.minor)]
            labels.append(axis.label)
        parts.append([_artist_print(label) for label in labels if label is not None])
        if not all(axis._autoscale_on for axis in (axes.xaxis, axes.yaxis)):
            parts.append(inner["_viewLim"]._points.tobytes())
    return parts


def _artist_print(artist: Any) -> object:
    found: list[object] = []
    for key, value in vars(artist).items():
        if key in _PASSING:
            continue
        kind = type(value)
        found.append(value if kind in _ATOMS else address(value))
        if kind is list:
            found += map(address, value)
    return found


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a drawing statement did; `keys` are the figures it drew in."""

    reads: set[str]
    binds: set[str]
    mutates: set[str]
    keys: set[int]


class Figures:
    """Numbers for figures, so that a new one at an old one's address isn't taken for it."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._made = 0
        self._left: tuple[int, ...] = ()
        self._prints: dict[int, object] = {}

    def leave(self) -> None:
        """A statement has ended."""
        self._left = open_figures()

    def closed_since(self) -> bool:
        """Whether all figures that the last statement left have been closed since."""
        return bool(self._left) and not open_figures()

    def changed(self) -> set[int]:
        """The key of the current figure, if it looks otherwise than when last asked.

        A library can draw in it without being given it, and without a name that says so.
        """
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        if helpers is None:
            return set()
        try:
            figure = next(reversed(helpers.Gcf.figs.values())).canvas.figure
            seen = _figure_print(figure)
        except Exception:  # none is open, or it isn't made as figures are
            return set()
        key = address(figure)
        before = self._prints.get(key, seen)
        self._prints = {key: seen}
        return {key} if before != seen else set()

    def location(self, key: int) -> str:
        """The location of the figure at address `key`."""
        if key not in self._numbers:
            return self._new(key)
        return f"figure:{self._numbers[key]}"

    def _new(self, key: int) -> str:
        self._made += 1
        self._numbers[key] = self._made
        return f"figure:{self._made}"

    def drawn(self, running: Running) -> Drawn:
        """Which figures a drawing statement made, and drew in."""
        now = open_figures()
        made = [key for key in now if key not in running.figures]
        current = now[-1] if now else None
        binds = {self._new(key) for key in made}
        creates = bool(running.uses.calls & _MAKERS and made)
        only_looks = bool(running.uses.calls) and running.uses.calls <= LOOKS

        before = None if creates else running.figure
        touched = {key for key in (current, before) if key is not None}
        reads = {self.location(key) for key in touched}
        keys = set() if only_looks else touched - set(made)
        if current != running.figure:
            binds.add(CURRENT)
        closes = bool(CLOSES.match(running.statement.source))
        if closes:
            reads.clear()
        elif not (creates and current in made):
            # A figure made by the way is made because there was none.
            reads.add(CURRENT)
        mutates = {self.location(key) for key in keys}
        if made or not set(running.figures) <= set(now):
            mutates.add(HELD)
        if not closes and _names_a_figure(running.node):
            reads.add(HELD)
        return Drawn(reads - (binds - {CURRENT}), binds, mutates, keys)

    def held(self, keys: Iterable[int]) -> set[str]:
        """Locations of those among `keys` that are figures pyplot holds."""
        figures = open_figures()
        return {self.location(key) for key in keys if key in figures}


def _names_a_figure(node: ast.stmt) -> bool:
    """Whether numbers or labels of figures play a part: `plt.figure(1)`."""
    parts = list(ast.walk(node))
    if any(isinstance(n, ast.Attribute) and n.attr in _NUMBERED for n in parts):
        return True
    for call in (n for n in parts if isinstance(n, ast.Call)):
        name = called_name(call)
        if name in ("figure", "close") and call.args:
            return True
        if name in _MAKERS and any(k.arg == "num" for k in call.keywords):
            return True
    return False
