"""Pictures of latent points on their manifold: its chart, products side by side, one panel for each class."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Sphere, Stereographic, Torus
from geomlat.manifolds.isometries import ball_to_hyperboloid, hyperboloid_to_ball
from geomlat.plot.latent_space import draw_latent, known, latent_axes
from geomlat.plot.style import canvas, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Map = Callable[[Any], Any]
_LETTERS = {Sphere: "S", Euclidean: "R", Torus: "T", Hyperboloid: "H", PoincareBall: "B", Stereographic: "M"}
_COLUMNS = 4
_FLAT = {(Sphere, 1): "s1", (Sphere, 2): "s2", (Euclidean, 2): "e2", (Torus, 2): "t2"}


def unchanged(z: Any) -> np.ndarray:
    """The points themselves, as a NumPy array."""
    return np.asarray(z)


@dataclass(frozen=True)
class Chart:
    """How points of a manifold are drawn: the picture's name for its space, and the way there and back."""

    space: str
    there: Map = unchanged
    back: Map = unchanged


def chart(manifold: Any) -> Chart | None:
    """The chart of a circle, or of a surface of constant curvature; None for any other manifold.

    Hyperbolic planes of any model and curvature are drawn as the Poincare disc of radius 1; a stereographic plane of
    curvature 0 and above by its logarithm at the origin, so that the circles of the picture are distances: standard
    deviations of the wrapped normal prior.

    >>> chart(Hyperboloid(2, -4.0)).there(np.array([0.5, 0.0, 0.0]))
    array([0., 0.])
    """
    if (type(manifold), manifold.dim) in _FLAT:
        return Chart(_FLAT[type(manifold), manifold.dim])
    if manifold.dim != 2 or not isinstance(manifold, Hyperboloid | Stereographic):
        return None
    curvature = float(manifold.curvature)
    if curvature >= 0.0:
        return _normal_coordinates(Stereographic(2, curvature))
    unit = math.sqrt(-curvature)
    if isinstance(manifold, Stereographic):
        return Chart("disc", lambda z: unit * z, lambda z: z / unit)

    def to_disc(z: Any) -> Any:
        return unit * hyperboloid_to_ball(to_host(z).astype(np.float64), curvature=curvature)

    def from_disc(z: Any) -> Any:
        return ball_to_hyperboloid(z / unit, curvature=curvature)

    return Chart("disc", to_disc, from_disc)


def _normal_coordinates(manifold: Stereographic) -> Chart:
    origin = manifold.origin()

    def to_plane(z: Any) -> Any:
        return manifold.to_coordinates(origin, manifold.log(origin, to_host(z).astype(np.float64)))

    def from_plane(z: Any) -> Any:
        return manifold.exp(origin, manifold.from_coordinates(origin, z))

    return Chart("e2", to_plane, from_plane)


def _caption(manifold: Any) -> str:
    name = f"{_LETTERS[type(manifold)]}^{manifold.dim}" if type(manifold) in _LETTERS else type(manifold).__name__
    return f"{name}, curvature {float(manifold.curvature):.3g}" if hasattr(manifold, "curvature") else name


def latent_product(z: Any, manifold: Any, labels: Any = None, *, title: str = "") -> Figure:
    """Points ``(n, width)`` of a product of manifolds, its factors side by side, coloured by ``labels`` ``(n,)``.

    Factors without a picture (`chart`) are left out; more than four make further lines.

    Raises
    ------
    ValueError
        If no factor has one.
    """
    parts = [(f, chart(f), part) for f, part in zip(manifold.factors, manifold.split(z), strict=True)]
    drawn = [(f, c, part) for f, c, part in parts if c is not None]
    if not drawn:
        msg = f"none of the factors of {manifold!r} can be drawn; circles and surfaces can"
        raise ValueError(msg)
    columns = min(len(drawn), _COLUMNS)
    lines = -(-len(drawn) // columns)
    wide = [max(6.4 if c.space == "s2" else 4.0 for _, c, _ in drawn[i::columns]) for i in range(columns)]
    figure = canvas(sum(wide) + 0.6, (5.0 if lines == 1 else 4.2) * lines)
    headline(figure, title)
    grid = figure.add_gridspec(lines, columns, width_ratios=wide)
    for i, (factor, c, part) in enumerate(drawn):
        ax = latent_axes(figure, grid[divmod(i, columns)], c.space)
        paint = draw_latent(ax, c.there(part), labels, space=c.space, title=_caption(factor))
    paint.legend(ax)
    return figure


def latent_classes(z: Any, labels: Any, *, space: str = "s2", title: str = "") -> Figure:
    """A panel for each class of ``labels`` ``(n,)`` with its latent points alone, on the picture of their space."""
    labels = to_host(labels)
    classes = np.unique(labels)
    if not len(classes):
        msg = "latent_classes needs at least one labelled point"
        raise ValueError(msg)
    columns = min(len(classes), 5)
    wide, high = (3.6, 2.0) if known(space) == "s2" else (2.6, 2.7)
    lines = -(-len(classes) // columns)
    figure = canvas(wide * columns, high * lines + 0.4)
    headline(figure, title)
    for i, c in enumerate(classes):
        ax = latent_axes(figure, (lines, columns, i + 1), space)
        draw_latent(ax, to_host(z)[labels == c], space=space, title=str(c))
    return figure
