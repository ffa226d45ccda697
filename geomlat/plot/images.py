"""Pictures made of pictures: samples, reconstructions, and what a decoder makes of every place of its latent space.

Images are rows ``(n, pixels)`` with a ``shape`` of (height, width). ``ink=True`` draws 0 as white paper and the largest
value as black ink (digits); ``ink=False`` draws 0 as black (photographs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.latent_space import known
from geomlat.plot.sphere import HALF_HEIGHT, HALF_WIDTH, hammer_inverse
from geomlat.plot.style import GREY, LINE, bare, canvas, dress, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Decode = Callable[[np.ndarray], Any]
Shape = tuple[int, int]

# How near to the rim of the map images are decoded.
RIM = 0.999


def images_of(x: Any, shape: Shape) -> np.ndarray:
    """Rows ``(n, height * width)`` as images ``(n, height, width)`` in float64 on the host."""
    rows = to_host(x).astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != shape[0] * shape[1]:
        msg = f"images of shape {shape} need rows of shape (n, {shape[0] * shape[1]}), got {rows.shape}"
        raise ValueError(msg)
    return rows.reshape(-1, *shape)


def tiled(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images ``(n, h, w)`` side by side in rows of ``columns``, as one array with NaN in the gaps and empty places."""
    n, h, w = images.shape
    lines = -(-n // columns)
    board = np.full((lines * (h + gap) - gap, columns * (w + gap) - gap), np.nan)
    for i, image in enumerate(images):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        board[top : top + h, left : left + w] = image
    return board


def sample_grid(x: Any, shape: Shape, *, columns: int = 10, ink: bool = True, title: str = "") -> Figure:
    """Images ``(n, pixels)`` in rows of ``columns``."""
    images = images_of(x, shape)
    if not len(images):
        msg = f"a sample grid needs at least one image, got rows of shape {to_host(x).shape}"
        raise ValueError(msg)
    board = tiled(images, columns)
    figure = canvas(7.0, 7.0 * board.shape[0] / board.shape[1] + 0.4)
    ax = figure.add_subplot()
    _show(ax, board, ink)
    bare(ax, title=title)
    return figure


def reconstructions(
    original: Any, reconstruction: Any, shape: Shape, *, columns: int = 12, ink: bool = True, title: str = ""
) -> Figure:
    """Originals ``(n, pixels)`` above their reconstructions, ``columns`` pairs in a line."""
    upper, lower = images_of(original, shape), images_of(reconstruction, shape)
    if len(upper) != len(lower) or not len(upper):
        msg = f"every original needs its reconstruction, got {len(upper)} and {len(lower)} images"
        raise ValueError(msg)
    lines = range(0, len(upper), columns)
    columns = min(columns, len(upper))
    figure = canvas(8.0, len(lines) * (2 * 7.0 * shape[0] / shape[1] / columns + 0.1) + 0.4)
    headline(figure, title)
    top = max(upper.max(), lower.max())
    for i, start in enumerate(lines):
        pair = np.concatenate([_padded(part[start : start + columns], columns) for part in (upper, lower)])
        ax = figure.add_subplot(len(lines), 1, i + 1)
        _show(ax, tiled(pair, columns), ink, top=top)
        bare(ax)
        for share, name in ((0.75, "original"), (0.25, "decoded")):
            ax.text(-0.01, share, name, transform=ax.transAxes, ha="right", va="center", fontsize=8, color=GREY)
    return figure


def interpolations(steps: Any, shape: Shape, *, ink: bool = True, title: str = "") -> Figure:
    """Decoded ways from one row to another, ``(steps, n, pixels)`` as ``VAE.interpolate`` gives them, a line each."""
    ways = to_host(steps)
    if ways.ndim != 3:
        msg = f"interpolations need rows of shape (steps, n, pixels), got {ways.shape}"
        raise ValueError(msg)
    rows = ways.swapaxes(0, 1).reshape(-1, ways.shape[-1])
    return sample_grid(rows, shape, columns=len(ways), ink=ink, title=title)


def decoded(
    decode: Decode, shape: Shape, *, space: str = "s2", across: int | None = None, ink: bool = True, title: str = ""
) -> Figure:
    """What ``decode(z) -> (n, pixels)`` makes of every place of a latent space, each image at its place.

    ``space`` is ``"s2"`` (a mosaic of the Hammer map: every image covers the same area of the sphere), ``"s1"`` (a
    ring of angles), ``"e2"`` (a square of quantiles of the standard normal: every image has the same prior
    probability), ``"disc"`` (the Poincare disc of radius 1) or ``"t2"`` (a square of two angles). ``across`` is the
    number of images from side to side, or around the ring.
    """
    size = {"s2": (9.0, 4.8), "s1": (6.0, 6.2), "e2": (6.4, 6.6), "disc": (6.4, 6.6), "t2": (6.4, 6.6)}
    figure = canvas(*size[known(space)])
    draw_decoded(figure.add_subplot(), decode, shape, space=space, across=across, ink=ink, title=title)
    return figure


def draw_decoded(
    ax: Axes,
    decode: Decode,
    shape: Shape,
    *,
    space: str = "s2",
    across: int | None = None,
    ink: bool = True,
    title: str = "",
) -> None:
    """What `decoded` draws, on given axes."""
    draw, usual = _DRAW[known(space)]
    draw(ax, decode, shape, across or usual, ink, title)


def _mosaic(ax: Axes, decode: Decode, shape: Shape, across: int, ink: bool, title: str) -> None:
    _oval(ax, decode, shape, across, ink, title, (HALF_WIDTH, HALF_HEIGHT), hammer_inverse)


def _disc(ax: Axes, decode: Decode, shape: Shape, across: int, ink: bool, title: str) -> None:
    _oval(ax, decode, shape, across, ink, title, (1.0, 1.0), np.asarray)


def _oval(
    ax: Axes,
    decode: Decode,
    shape: Shape,
    across: int,
    ink: bool,
    title: str,
    half: tuple[float, float],
    place: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Images that tile an ellipse; ``place`` is the latent point of a point of it."""
    from matplotlib.patches import Ellipse

    width = 2 * half[0] / across
    height = width * (shape[0] + 1) / (shape[1] + 1)
    down = math.ceil(2 * half[1] / height)
    a = width * (np.arange(across) - 0.5 * (across - 1))
    b = height * (0.5 * (down - 1) - np.arange(down))
    centre = np.stack(np.meshgrid(a, b), axis=-1)
    half_axes = np.array(half)
    corner = np.maximum(np.abs(centre) - 0.5 * np.array([width, height]), 0.0)
    used = np.linalg.norm(corner / half_axes, axis=-1) < 1.0
    # A cell cut by the rim, with its centre outside, shows the nearest place on the rim.
    excess = np.linalg.norm(centre / half_axes, axis=-1, keepdims=True)
    images = np.full((down, across, *shape), np.nan)
    images[used] = images_of(decode(place(centre / np.maximum(excess / RIM, 1.0))[used]), shape)
    board = np.pad(tiled(images.reshape(-1, *shape), across), ((0, 1), (0, 1)), constant_values=np.nan)
    rim = ax.add_patch(Ellipse((0, 0), 2 * half[0], 2 * half[1], fill=False, edgecolor=GREY, linewidth=0.8))
    shown = _show(ax, board, ink, box=(-half[0], half[0], -0.5 * down * height, 0.5 * down * height))
    shown.set_clip_path(rim)
    ax.set(xlim=(-1.01 * half[0], 1.01 * half[0]), ylim=(-1.02 * half[1], 1.02 * half[1]))
    bare(ax, title=title)


def _quantiles(ax: Axes, decode: Decode, shape: Shape, across: int, ink: bool, title: str) -> None:
    from scipy.special import ndtr, ndtri

    q = ndtri((np.arange(across) + 0.5) / across)
    z = np.stack(np.meshgrid(q, q[::-1]), axis=-1).reshape(-1, 2)
    _show(ax, tiled(images_of(decode(z), shape), across), ink, box=(0, 1, 0, 1))
    ticks = np.array([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
    ax.set_xticks(ndtr(ticks), [f"{t:g}" for t in ticks])
    ax.set_yticks(ndtr(ticks), [f"{t:g}" for t in ticks])
    ax.set_aspect(shape[0] / shape[1])
    dress(ax, title=title, x="$z_1$ at equal steps of prior probability", y="$z_2$")


def _angles(ax: Axes, decode: Decode, shape: Shape, across: int, ink: bool, title: str) -> None:
    q = 2 * np.pi * ((np.arange(across) + 0.5) / across - 0.5)
    z = np.stack(np.meshgrid(q, q[::-1]), axis=-1).reshape(-1, 2)
    _show(ax, tiled(images_of(decode(z), shape), across), ink, box=(-180, 180, -180, 180))
    ax.set(xticks=(-180, 0, 180), yticks=(-180, 0, 180), aspect=shape[0] / shape[1])
    dress(ax, title=title, x="first angle (degrees)", y="second angle")


def _around(ax: Axes, decode: Decode, shape: Shape, across: int, ink: bool, title: str) -> None:
    angle = 2 * np.pi * np.arange(across) / across
    z = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    images = images_of(decode(z), shape)
    width = 2 * np.pi / across * 0.8
    height = width * shape[0] / shape[1]
    for (a, b), image in zip(z, images, strict=True):
        box = (a - 0.5 * width, a + 0.5 * width, b - 0.5 * height, b + 0.5 * height)
        _show(ax, image, ink, box=box, top=images.max())
    for degrees in range(0, 360, 45):
        a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        r = 1 - 0.85 * max(width, height)
        ax.plot([0.93 * r * a, r * a], [0.93 * r * b, r * b], color=LINE, linewidth=0.8)
        ax.text(0.82 * r * a, 0.82 * r * b, f"{degrees}°", ha="center", va="center", fontsize=8, color=GREY)
    reach = 1.02 + 0.5 * max(width, height)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    bare(ax, title=title)


def _padded(images: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([images, np.full((n - len(images), *images.shape[1:]), np.nan)])


def _show(ax: Axes, board: np.ndarray, ink: bool, *, top: float | None = None, box: Any = None) -> Any:
    top = float(np.nanmax(board)) if top is None else top
    return ax.imshow(board, cmap="gray_r" if ink else "gray", vmin=0.0, vmax=top, extent=box, interpolation="nearest")


_DRAW = {
    "s2": (_mosaic, 27),
    "s1": (_around, 24),
    "e2": (_quantiles, 16),
    "disc": (_disc, 21),
    "t2": (_angles, 16),
}
