"""The one place where pictures get their look, and the one way they reach a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Petroff (2021), "Accessible color sequences for data visualization": ten colours kept apart in the common forms of
# colour blindness and in lightness.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
INK = "#20252b"
GREY = "#7a828c"
LINE = "#c9ced4"
SEQUENTIAL = "Blues"
CONTINUOUS = "viridis"
DPI = 150
_NO_CLASSES = (np.empty(0), np.empty((0, 4)), np.empty(0, dtype=np.intp))


def canvas(width: float, height: float) -> Figure:
    """An empty figure of the given size in inches; no pyplot, no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")


def headline(figure: Figure, title: str) -> None:
    """The title of a figure of several axes."""
    figure.suptitle(title, fontsize=11, color=INK, wrap=True)


def dress(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Title, axis labels and a light frame."""
    ax.set_title(title, fontsize=10, color=INK)
    ax.set_xlabel(x, fontsize=9, color=INK)
    ax.set_ylabel(y, fontsize=9, color=INK)
    ax.tick_params(labelsize=8, colors=GREY, width=0.6, length=3)
    for spine in ax.spines.values():
        spine.set(color=LINE, linewidth=0.8)
    for side in ("top", "right"):
        if side in ax.spines:
            ax.spines[side].set_visible(False)


def bare(ax: Axes, *, title: str = "") -> None:
    """A picture without axes: equal aspect and a title."""
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, fontsize=10, color=INK)


def floor_line(ax: Axes, floor: float) -> None:
    """The least loss there is: a dashed line with its name at the right end."""
    ax.axhline(floor, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("entropy of the truth", (1.0, floor), (0, 3), ha="right", fontsize=8, color=INK, **place)


@dataclass(frozen=True)
class Paint:
    """The colour of each point, and what the colours mean.

    Either ``classes`` with their colours ``keys`` and each point's class ``index``, or numbers over a ``span``.
    """

    points: np.ndarray
    classes: np.ndarray
    keys: np.ndarray
    index: np.ndarray
    span: tuple[float, float] | None = None

    def scatter(self, ax: Axes, xy: np.ndarray, kept: Any = slice(None)) -> None:
        """The ``kept`` ones of the points ``(n, 2)`` as one collection.

        They are drawn in a fixed shuffled order, so that no class covers the others merely by its number.
        """
        order = np.random.default_rng(0).permutation(len(xy))
        order = order[np.isin(order, np.arange(len(xy))[kept])]
        size = np.clip(6000 / max(len(xy), 1), 2.5, 18)
        ax.scatter(xy[order, 0], xy[order, 1], size, self.points[order], linewidths=0, alpha=0.8)

    def legend(self, ax: Axes) -> None:
        """What the colours mean, beside the axes: the classes, or a colour bar; nothing for a single colour."""
        if self.span is not None:
            _colour_bar(ax, self.span)
        elif len(self.classes):
            from matplotlib.lines import Line2D

            dots = [Line2D([], [], marker="o", linestyle="", markersize=5, color=c) for c in self.keys]
            names = [str(c) for c in self.classes]
            place = {"loc": "center left", "bbox_to_anchor": (1.04, 0.5)}
            ax.legend(dots, names, frameon=False, fontsize=8, handletextpad=0.1, labelcolor=INK, **place)


def paint(labels: Any, n: int) -> Paint:
    """Colours of ``n`` points: one for all where ``labels`` is None, a gradient for floats, else one for each class.

    The ten colours repeat after ten classes.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba_array

    if labels is None:
        return Paint(np.tile(to_rgba_array(COLOURS[0]), (n, 1)), *_NO_CLASSES)
    labels = to_host(labels)
    if labels.shape != (n,):
        msg = f"labels must have one entry per point ({n}), got shape {labels.shape}"
        raise ValueError(msg)
    if labels.dtype.kind == "f":
        low, high = float(labels.min()), float(labels.max())
        share = (labels - low) / ((high - low) or 1.0)
        return Paint(colormaps[CONTINUOUS](share), *_NO_CLASSES, (low, high))
    classes, index = np.unique(labels, return_inverse=True)
    keys = to_rgba_array([COLOURS[i % len(COLOURS)] for i in range(len(classes))])
    return Paint(keys[index], classes, keys, index)


def _colour_bar(ax: Axes, span: tuple[float, float]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = ax.figure.colorbar(ScalarMappable(Normalize(*span), CONTINUOUS), ax=ax, shrink=0.7, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=GREY, width=0.6, length=3)


def name_class(ax: Axes, at: Any, text: str) -> None:
    """A class's name written on the picture, for readers who cannot tell its colour."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]
    ax.text(at[0], at[1], text, color=INK, fontsize=10, fontweight="bold", ha="center", va="center", path_effects=halo)


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure at 150 dpi, in the format of the suffix (PNG, SVG or PDF); the file appears whole or not at all.

    Raises
    ------
    ValueError
        If the suffix names no format that matplotlib writes.
    OSError
        If the folder does not exist or cannot be written.
    """
    path = Path(path)
    formats = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    if kind not in formats:
        msg = f"cannot write a picture as {path.name!r}; end the name in .png, .svg or .pdf"
        raise ValueError(msg)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        figure.savefig(partial, format=kind, dpi=DPI)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
