"""One surface with geometry on it: geodesics, balls, tangent vectors, points, any function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.plot.stage import View
from geomlat.plot.stages import stage
from geomlat.plot.style import COLOURS, GREY, INK, LINE, SEQUENTIAL, bare

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours of the surface from its darkest to its lightest side.
DARK, LIGHT = np.array([0.80, 0.845, 0.89]), np.array([0.985, 0.99, 1.0])
# How much of its opacity a line keeps where the surface hides it.
HIDDEN = 0.28
STEPS = 121


class Picture:
    """Axes that show one two-dimensional manifold and what is drawn on it, in the order of the calls.

    ``Picture(ax, Sphere(2))`` shows the surface and its grid. Colours are any of matplotlib's; everything returns the
    picture, so that calls can be chained.
    """

    def __init__(self, ax: Axes, manifold: Any, *, view: View | None = None, title: str = "") -> None:
        self.ax, self.stage = ax, stage(manifold, view)
        self.manifold: Any = self.stage.manifold
        self.places = self.stage.pixels()
        self._surface()
        for line in self.stage.grid():
            self._line(self.stage.embed(line), LINE, 0.6, zorder=1.5)
        w, h = self.stage.half_width, self.stage.half_height
        ax.set(xlim=(-w, w), ylim=(-h, h))
        bare(ax, title=title)

    def path(self, x: Any, *, colour: str = COLOURS[0], width: float = 1.8) -> Picture:
        """Curves through points ``(..., k, *ambient)``; fainter where the surface hides them."""
        self._line(self.stage.embed(np.asarray(x)), colour, width, zorder=3.0)
        return self

    def geodesic(self, x: Any, y: Any, *, colour: str = COLOURS[0], width: float = 1.8) -> Picture:
        """The shortest geodesics from ``x`` to ``y``, both ``(..., *ambient)``."""
        return self.ray(x, self.manifold.log(x, y), colour=colour, width=width)

    def ray(self, x: Any, u: Any, *, colour: str = COLOURS[0], width: float = 1.8) -> Picture:
        """The geodesics from ``x`` with velocity ``u``, both ``(..., *ambient)``, for unit time."""
        x, u = np.asarray(x)[..., None, :], np.asarray(u)[..., None, :]
        return self.path(self.manifold.geodesic(x, u, np.linspace(0.0, 1.0, STEPS)), colour=colour, width=width)

    def ball(self, centre: Any, radius: float, *, colour: str = COLOURS[0], width: float = 1.2) -> Picture:
        """All points within ``radius`` of ``centre``, and their rim."""
        return self.paint(lambda x: self.manifold.dist(centre, x) <= radius, colour=colour).circle(
            centre, radius, colour=colour, width=width
        )

    def circle(self, centre: Any, radius: float, *, colour: str = COLOURS[0], width: float = 1.2) -> Picture:
        """The ends of all geodesics of length ``radius`` from ``centre``, also beyond the cut locus."""
        return self.path(front(self.manifold, centre, radius), colour=colour, width=width)

    def tangents(self, x: Any, u: Any, *, colour: str = COLOURS[2], scale: float = 1.0, width: float = 1.6) -> Picture:
        """Tangent vectors ``u`` at points ``x``, both ``(..., *ambient)``, as arrows ``scale`` times as long."""
        x, u = np.broadcast_arrays(np.atleast_2d(x), np.atleast_2d(u))
        foot, seen = self.stage.points(x)
        tip = foot + scale * self.stage.arrows(x, u)[0]
        for a, b, shown in zip(foot, tip, seen, strict=True):
            self._arrow(a, b, colour, width, 1.0 if shown else HIDDEN)
        return self

    def dots(self, x: Any, *, colour: str = INK, size: float = 18.0, alpha: float = 1.0) -> Picture:
        """Points ``(..., *ambient)``; fainter where the surface hides them."""
        place, seen = self.stage.points(np.atleast_2d(x))
        for kept, opacity in ((seen, alpha), (~seen, HIDDEN * alpha)):
            if kept.any():
                a, b = place[kept].T
                self.ax.scatter(a, b, size, color=colour, alpha=opacity, linewidths=0, zorder=5)
        return self

    def paint(self, inside: Callable[[np.ndarray], Any], *, colour: str = COLOURS[0], alpha: float = 0.25) -> Picture:
        """The part of the surface where ``inside(x)`` holds, tinted."""
        from matplotlib.colors import to_rgb

        rgba = np.zeros((*self.places.shape[:2], 4))
        rgba[..., :3] = to_rgb(colour)
        rgba[..., 3] = alpha * self._values(inside, 0.0)
        self._image(rgba, zorder=1.2)
        return self

    def density(self, f: Callable[[np.ndarray], Any]) -> Picture:
        """Shade the surface by a function on it, from its least value (nothing) to its largest."""
        from matplotlib import colormaps

        values = self._values(f, np.nan)
        low, high = np.nanmin(values), np.nanmax(values)
        share = np.nan_to_num((values - low) / ((high - low) or 1.0))
        rgba = colormaps[SEQUENTIAL](0.7 * share)
        rgba[..., 3] = np.where(np.isnan(values), 0.0, 0.8 * np.sqrt(share))
        self._image(rgba, zorder=1.1)
        return self

    def label(self, x: Any, text: str, *, shift: tuple[float, float] = (6.0, 6.0), colour: str = INK) -> Picture:
        """A word beside a point, ``shift`` printer's points away."""
        from matplotlib.patheffects import withStroke

        place, _ = self.stage.points(np.asarray(x))
        halo = [withStroke(linewidth=2.5, foreground="white")]
        style: dict[str, Any] = {"color": colour, "fontsize": 9, "path_effects": halo, "zorder": 6}
        self.ax.annotate(text, (place[0], place[1]), shift, textcoords="offset points", **style)
        return self

    def _surface(self) -> None:
        shade = self.stage.shades(self.places)[..., None]
        on = ~np.isnan(self.places[..., :1])
        rgb = DARK + np.nan_to_num(shade) * (LIGHT - DARK)
        self._image(np.concatenate([rgb, on], axis=-1), zorder=1.0)
        for line in self.stage.rim():
            self._line(line, GREY, 0.9, zorder=1.6)

    def _values(self, f: Callable[[np.ndarray], Any], beside: float) -> np.ndarray:
        on = ~np.isnan(self.places).any(axis=-1)
        values = np.full(on.shape, beside)
        values[on] = np.asarray(f(self.stage.lift(self.places[on])), dtype=np.float64)
        return values

    def _image(self, rgba: np.ndarray, zorder: float) -> None:
        w, h = self.stage.half_width, self.stage.half_height
        self.ax.imshow(np.clip(rgba, 0, 1), extent=(-w, w, -h, h), interpolation="bilinear", zorder=zorder)

    def _line(self, p: np.ndarray, colour: str, width: float, zorder: float) -> None:
        place, seen = self.stage.seen(p)
        # A segment is drawn once: as hidden only if both of its ends are.
        near = seen.copy()
        near[..., 1:] |= seen[..., :-1]
        near[..., :-1] |= seen[..., 1:]
        for kept, opacity in ((near, 1.0), (~seen, HIDDEN)):
            broken = np.where(kept[..., None], place, np.nan)
            ends = np.full((*broken.shape[:-2], 1, 2), np.nan)
            flat = np.concatenate([broken, ends], axis=-2).reshape(-1, 2)
            style: dict[str, Any] = {"linewidth": width, "alpha": opacity, "zorder": zorder, "solid_capstyle": "round"}
            if kept.any():
                self.ax.plot(*flat.T, color=colour, **style)

    def _arrow(self, foot: np.ndarray, tip: np.ndarray, colour: str, width: float, alpha: float) -> None:
        from matplotlib.patches import FancyArrowPatch

        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 6 + 3 * width, "shrinkA": 0, "shrinkB": 0}
        look: dict[str, Any] = {"color": colour, "linewidth": width, "alpha": alpha, "zorder": 4.0}
        self.ax.add_patch(FancyArrowPatch(tuple(foot), tuple(tip), **style, joinstyle="miter", **look))


def front(manifold: Any, centre: Any, radius: float, points: int = 181) -> np.ndarray:
    """The ends ``(points, *ambient)`` of geodesics of length ``radius`` from ``centre`` in all directions, closed."""
    t = np.linspace(0.0, 2 * np.pi, points)
    x = np.broadcast_to(centre, (points, *np.shape(centre)))
    u = manifold.from_coordinates(x, radius * np.stack([np.cos(t), np.sin(t)], axis=-1))
    return np.asarray(manifold.exp(x, u))
