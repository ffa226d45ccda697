"""Latent points on the space they live on: S^2 as a map or a globe, S^1 as a ring, R^2 as a plane, H^2 as a disc.

A latent is named as in `geomlat.models.vae`: ``"s2"``, ``"s1"``, ``"e2"`` or ``"t2"``; ``"disc"`` is the Poincare disc
of radius 1, whatever the model of the hyperbolic plane and its curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.sphere import VIEW, behind, globe_map, hammer, hammer_map, orthographic
from geomlat.plot.style import GREY, INK, LINE, Paint, bare, canvas, dress, headline, name_class, paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Radii of the ring picture: the points' band, then the histogram outside it.
BAND, FLOOR, TOP = 0.12, 1.25, 1.9
BINS = 48


def latent(z: Any, labels: Any = None, *, space: str = "s2", title: str = "") -> Figure:
    """Latent points ``(n, width)`` on the picture of their space, coloured by ``labels`` ``(n,)``.

    ``space`` is ``"s2"`` (Hammer map), ``"s1"`` (ring and histogram), ``"e2"`` (plane, with the standard normal's
    circles of 1, 2 and 3 standard deviations), ``"disc"`` (with the circles at distances 1, 2 and 3, in units of the
    radius of curvature) or ``"t2"`` (square of two angles). Float labels give a colour bar, others a legend and a name
    on each class.
    """
    figure = canvas(*((8.0, 3.9) if known(space) == "s2" else (5.6, 5.0)))
    draw_latent(latent_axes(figure, (1, 1, 1), space), z, labels, space=space, title=title).legend(figure.axes[0])
    return figure


def latent_globe(z: Any, labels: Any = None, *, view: tuple[float, float] = VIEW, title: str = "") -> Figure:
    """Points ``(n, 3)`` of S^2 on two globes, from ``view`` (longitude, latitude in degrees) and from behind."""
    z = points_of(z, 3)
    colours = paint(labels, len(z))
    figure = canvas(8.4, 4.4)
    headline(figure, title)
    for i, (side, at) in enumerate((("Front", view), ("Back", behind(view)))):
        ax = figure.add_subplot(1, 2, i + 1)
        globe_map(ax, view=at)
        p, height = orthographic(z, at)
        colours.scatter(ax, p, height >= 0)
        bare(ax, title=f"{side}: from longitude {(at[0] + 180) % 360 - 180:.0f}°, latitude {at[1]:.0f}°")
    colours.legend(ax)
    return figure


def latent_axes(figure: Figure, place: Any, space: str) -> Axes:
    """Axes of the projection that `draw_latent` needs; ``place`` is a grid cell or ``(rows, columns, index)``."""
    options = {"projection": "polar"} if known(space) == "s1" else {}
    return figure.add_subplot(*place, **options) if isinstance(place, tuple) else figure.add_subplot(place, **options)


def draw_latent(ax: Axes, z: Any, labels: Any = None, *, space: str = "s2", title: str = "") -> Paint:
    """What `latent` draws, on given axes from `latent_axes`; returns the paint, whose ``legend`` is still to place."""
    z = points_of(z, 3 if known(space) == "s2" else 2)
    colours = paint(labels, len(z))
    _DRAW[space](ax, z, colours, title)
    return colours


def points_of(z: Any, width: int) -> np.ndarray:
    """Latent points on the host in float64, ``(n, width)``."""
    points = to_host(z).astype(np.float64)
    if points.ndim != 2 or points.shape[1] != width:
        msg = f"this picture shows points of shape (n, {width}), got {points.shape}"
        raise ValueError(msg)
    return points


def known(space: str) -> str:
    """The name of a space, if it can be drawn."""
    if space not in _DRAW:
        msg = (
            "a latent space is drawn as 's2' (sphere), 's1' (circle), 'e2' (plane), 'disc' (hyperbolic plane) or "
            f"'t2' (torus), got {space!r}"
        )
        raise ValueError(msg)
    return space


def _draw_map(ax: Axes, z: np.ndarray, colours: Paint, title: str) -> None:
    hammer_map(ax)
    colours.scatter(ax, hammer(z))
    for c, members in _classes(colours):
        name_class(ax, hammer(_middle(z[members])), str(c))
    bare(ax, title=title)


def _draw_plane(ax: Axes, z: np.ndarray, colours: Paint, title: str) -> None:
    from matplotlib.patches import Circle

    for sd in (1, 2, 3):
        ax.add_patch(Circle((0, 0), sd, fill=False, edgecolor=LINE, linewidth=0.8, linestyle=(0, (4, 3))))
    colours.scatter(ax, z)
    for c, members in _classes(colours):
        name_class(ax, _middle(z[members]), str(c))
    reach = max(3.2, 1.05 * np.abs(z).max(initial=0.0))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    dress(ax, title=title, x="$z_1$ (prior standard deviations)", y="$z_2$")


def _draw_disc(ax: Axes, z: np.ndarray, colours: Paint, title: str) -> None:
    from matplotlib.patches import Circle

    for distance in (1.0, 2.0, 3.0):
        style = {"fill": False, "edgecolor": LINE, "linewidth": 0.8, "linestyle": (0, (4, 3))}
        ax.add_patch(Circle((0, 0), np.tanh(0.5 * distance), **style))
        at = np.tanh(0.5 * distance) * np.array([0.0, -1.0])
        ax.annotate(f"{distance:g}", at, fontsize=7, color=GREY, ha="center", va="bottom", annotation_clip=False)
    ax.add_patch(Circle((0, 0), 1.0, fill=False, edgecolor=GREY, linewidth=0.8))
    colours.scatter(ax, z)
    for c, members in _classes(colours):
        name_class(ax, _middle(z[members]), str(c))
    ax.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03))
    bare(ax, title=title)


def _draw_square(ax: Axes, z: np.ndarray, colours: Paint, title: str) -> None:
    colours.scatter(ax, z)
    for c, members in _classes(colours):
        name_class(ax, _middle(z[members]), str(c))
    ticks, names = [-np.pi, 0.0, np.pi], ["-180\N{DEGREE SIGN}", "0\N{DEGREE SIGN}", "180\N{DEGREE SIGN}"]
    ax.set(xlim=(-np.pi, np.pi), ylim=(-np.pi, np.pi), aspect="equal")
    ax.set_xticks(ticks, names)
    ax.set_yticks(ticks, names)
    dress(ax, title=title, x="first angle", y="second angle")


def _draw_ring(ax: Axes, z: np.ndarray, colours: Paint, title: str) -> None:
    angle = np.arctan2(z[:, 1], z[:, 0])
    radius = 1.0 + BAND * np.random.default_rng(0).uniform(-1, 1, len(z))
    colours.scatter(ax, np.stack([angle, radius], axis=-1))
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    groups: list[tuple[Any, Any]] = [(colours.keys[i], m) for i, (_, m) in enumerate(_classes(colours))] or [
        (LINE, slice(None))
    ]
    counts = np.array([np.histogram(angle[m], edges)[0] for _, m in groups])
    unit = (TOP - FLOOR) / max(counts.sum(axis=0).max(), 1)
    floor = FLOOR + unit * (np.cumsum(counts, axis=0) - counts)
    for (colour, _), count, base in zip(groups, counts, floor, strict=True):
        ax.bar(edges[:-1], unit * count, 2 * np.pi / BINS, base, align="edge", color=colour, linewidth=0)
    ax.plot(np.linspace(-np.pi, np.pi, 361), np.full(361, FLOOR), color=GREY, linewidth=0.6)
    ax.set(ylim=(0, TOP), yticks=[], xticks=np.radians(np.arange(0, 360, 45)))
    ax.grid(False)
    ax.tick_params(labelsize=8, colors=GREY)
    ax.spines["polar"].set_visible(False)
    ax.set_title(title, fontsize=10, color=INK)


def _classes(colours: Paint) -> list[tuple[Any, np.ndarray]]:
    """Each class with the mask of its points."""
    return [(c, (colours.index == i)) for i, c in enumerate(colours.classes)]


def _middle(points: np.ndarray) -> np.ndarray:
    """The one of (at most 500 of) the points that is nearest to all others: unlike a mean, it is where points are."""
    from scipy.spatial.distance import cdist

    some = points[:: -(-len(points) // 500)]
    middle: np.ndarray = some[cdist(some, some).sum(axis=1).argmin()]
    return middle


_DRAW: dict[str, Callable[[Axes, np.ndarray, Paint, str], None]] = {
    "s2": _draw_map,
    "s1": _draw_ring,
    "e2": _draw_plane,
    "disc": _draw_disc,
    "t2": _draw_square,
}
