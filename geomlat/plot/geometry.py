"""Ready-made pictures and videos of a manifold: geodesics, balls, parallel transport, the exponential map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.plot.picture import Picture, front
from geomlat.plot.stage import View
from geomlat.plot.stages import stage
from geomlat.plot.style import COLOURS, GREY, canvas, headline
from geomlat.plot.video import Video

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORANGE, RED = COLOURS[1:3]
RAYS = 24
GHOSTS = 10


def geometry(manifold: Any, *, view: View | None = None, title: str = "") -> Figure:
    """Three pictures of one manifold: geodesics and circles about a point, equal balls, and a vector carried around.

    ``manifold`` is ``Sphere(2)``, ``Hyperboloid(2)``, ``PoincareBall(2)`` or ``Torus(2)``.
    """
    shape = stage(manifold, view)
    figure = canvas(12.0, 4.0 * shape.half_height / shape.half_width + 0.7)
    headline(figure, title or repr(manifold))
    axes = figure.subplots(1, 3)
    _polar(Picture(axes[0], manifold, view=view, title="Geodesics from a point, circles about it"))
    _balls(Picture(axes[1], manifold, view=view, title="Balls of one radius"))
    journey = Picture(axes[2], manifold, view=view)
    journey.ax.set_title(_carry(journey, 1.0), fontsize=10)
    return figure


def parallel_transport(manifold: Any, *, view: View | None = None, seconds: float = 6.0) -> Video:
    """A tangent vector carried around a geodesic triangle: it comes back turned by the curvature it has gone around."""
    picture = Picture(canvas(4.6, 4.8).add_subplot(), manifold, view=view, title="Parallel transport")
    return Video(picture, _carry, seconds)


def exponential_map(manifold: Any, *, view: View | None = None, seconds: float = 6.0) -> Video:
    """Geodesics that leave a point in all directions at unit speed, and the circle of their ends.

    The circle's length follows from the volume of the map: ``2 pi r exp(logdet_exp)``.
    """
    picture = Picture(canvas(4.6, 4.8).add_subplot(), manifold, view=view, title="The exponential map")
    return Video(picture, _spread, seconds)


def _polar(picture: Picture) -> None:
    manifold, x, size = picture.manifold, picture.stage.home(), picture.stage.size
    picture.ray(x, 1.5 * size * _directions(manifold, x, 12), width=1.1)
    for r in (0.5, 1.0, 1.5):
        picture.circle(x, r * size, colour=ORANGE, width=1.4)
    picture.dots(x)


def _balls(picture: Picture) -> None:
    manifold, x, size = picture.manifold, picture.stage.home(), picture.stage.size
    picture.ball(x, 0.4 * size)
    for u, colour in zip(_directions(manifold, x, 5), COLOURS[1:6], strict=True):
        picture.ball(manifold.exp(x, 1.15 * size * u), 0.4 * size, colour=colour)


def _corners(picture: Picture) -> np.ndarray:
    """Three points around the middle, and the first again."""
    x = picture.stage.home()
    return np.asarray(picture.manifold.exp(x, picture.stage.size * _directions(picture.manifold, x, 3)))[[0, 1, 2, 0]]


def _carry(picture: Picture, share: float) -> str:
    """The vector after a share of the way around the triangle, what it left behind, and a line that says so."""
    manifold, corners = picture.manifold, _corners(picture)
    start = 0.55 * picture.stage.size * _directions(manifold, corners[0], 8)[1]
    vector, at = start, corners[0]
    for i in range(3):
        part = min(max(3.0 * share - i, 0.0), 1.0)
        log = manifold.log(corners[i], corners[i + 1])
        stops = manifold.geodesic(corners[i], log, np.arange(GHOSTS) / GHOSTS)[: int(GHOSTS * part) + 1]
        picture.ray(corners[i], part * log, width=1.6)
        picture.tangents(stops, manifold.transport(corners[i], stops, vector), colour=ORANGE, width=0.8)
        at = manifold.exp(corners[i], part * log)
        vector = manifold.transport(corners[i], at, vector)
        if part < 1.0:
            break
    picture.tangents(corners[0], start, colour=GREY).tangents(at, vector, colour=RED, width=2.0)
    picture.dots(corners[:3], size=12.0)
    if share < 1.0:
        return "The vector keeps its length, and its angle to each geodesic"
    turn = math.degrees(_angle(manifold, corners[0], start, vector))
    return f"Back, turned by {turn:.0f}°: the triangle's angles sum to {_angle_sum(manifold, corners):.0f}°"


def _spread(picture: Picture, share: float) -> str:
    manifold, x = picture.manifold, picture.stage.home()
    r = picture.stage.far * max(share, 1e-3)
    directions = _directions(manifold, x, RAYS)
    picture.ray(x, r * directions, width=0.9).path(front(manifold, x, r), colour=RED, width=2.0).dots(x)
    spreading = float(np.exp(np.mean(manifold.logdet_exp(x, r * directions))))
    return f"r = {r:.2f}: the circle has {spreading:.2f} times the length 2πr"


def _directions(manifold: Any, x: np.ndarray, n: int) -> np.ndarray:
    """``n`` unit tangents at ``x``, evenly spread."""
    t = 2 * np.pi * (np.arange(n) + 0.25) / n
    x = np.broadcast_to(x, (n, *x.shape))
    return np.asarray(manifold.from_coordinates(x, np.stack([np.cos(t), np.sin(t)], axis=-1)))


def _angle(manifold: Any, x: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
    """The angle between two tangents."""
    (a, b), (c, d) = manifold.to_coordinates(x, u), manifold.to_coordinates(x, v)
    return float(abs(np.arctan2(a * d - b * c, a * c + b * d)))


def _angle_sum(manifold: Any, corners: np.ndarray) -> float:
    """The sum of a triangle's angles in degrees."""
    ends = [(corners[i], corners[(i + 1) % 3], corners[(i + 2) % 3]) for i in range(3)]
    return sum(math.degrees(_angle(manifold, x, manifold.log(x, y), manifold.log(x, z))) for x, y, z in ends)
