"""Films of densities on S^2: globes that turn, and a density while it is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.density import DECADES, density_bar, map_dots, multiples
from geomlat.plot.sphere import Density, from_degrees, globe_map, hammer_map, orthographic
from geomlat.plot.style import COLOURS, GREY, bare, canvas, dress, floor_line, headline
from geomlat.plot.video import Film

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEP = 1.5
"""Degrees between the places of a table."""

Panels = Mapping[str, tuple[Density | None, Any]]


def rotating_globes(panels: Panels, *, latitude: float = 30.0, seconds: float = 8.0, title: str = "") -> Film:
    """A globe for each named ``(density, points)``, turning once, seen from ``latitude`` degrees.

    Either may be None. ``density(x)`` takes unit vectors ``(n, 3)`` and is per unit area; shades are logarithmic, from
    a tenth to a hundred times the uniform density on every globe. Of the points ``(n, 3)`` only those on the near side
    are seen.
    """
    from matplotlib.colors import LogNorm

    if not panels:
        msg = "rotating_globes needs at least one panel"
        raise ValueError(msg)
    scale = LogNorm(*DECADES)
    shown = {
        name: (None if density is None else tabulated(density), None if points is None else to_host(points))
        for name, (density, points) in panels.items()
    }

    def draw(share: float) -> Figure:
        figure = canvas(3.6 * len(shown), 4.6)
        headline(figure, title)
        axes = figure.subplots(1, len(shown), squeeze=False)
        for ax, (name, (density, points)) in zip(axes.flat, shown.items(), strict=True):
            _globe(ax, density, points, (360.0 * share, latitude), scale)
            bare(ax, title=name)
        if any(density is not None for density, _ in shown.values()):
            density_bar(figure, axes, scale)
        return figure

    return Film(draw, seconds, pause=0.0)


def learning_film(
    snapshots: Sequence[tuple[int, float, Density]],
    target: tuple[Density, Any],
    *,
    floor: float | None = None,
    centre: float = 0.0,
    seconds: float = 8.0,
    title: str = "",
) -> Film:
    """A model's density on a Hammer map while it learns, beside the target, above its loss.

    Parameters
    ----------
    snapshots
        ``(step, loss, density)``, in order; the loss in nats.
    target
        The density and the points, which are drawn on both maps; on one scale with the model.
    floor
        The least loss there is, the entropy of the target.
    centre
        The longitude in the middle of the maps, in degrees.

    Raises
    ------
    ValueError
        If there is no snapshot.
    """
    from matplotlib.colors import LogNorm

    if not snapshots:
        msg = "learning_film needs at least one snapshot"
        raise ValueError(msg)
    scale, points = LogNorm(*DECADES), to_host(target[1])
    steps, losses = [s for s, _, _ in snapshots], [loss for _, loss, _ in snapshots]
    truth, tables = tabulated(target[0]), [tabulated(density) for _, _, density in snapshots]

    def draw(share: float) -> Figure:
        k = round(share * (len(tables) - 1))
        figure = canvas(10.0, 5.6)
        headline(figure, title)
        grid = figure.add_gridspec(2, 2, height_ratios=(3, 2))
        maps = [figure.add_subplot(grid[0, j]) for j in range(2)]
        for ax, density, name in zip(maps, (tables[k], truth), (f"step {steps[k]}", "target"), strict=True):
            hammer_map(ax, density=multiples(density), scale=scale, centre=centre)
            map_dots(ax, points, centre)
            bare(ax, title=name)
        below = figure.add_subplot(grid[1, :])
        below.plot(steps, losses, color=GREY, linewidth=0.6)
        below.plot(steps[: k + 1], losses[: k + 1], color=COLOURS[0], linewidth=1.6)
        if floor is not None:
            floor_line(below, floor)
        dress(below, x="step", y="loss (nats)")
        return figure

    return Film(draw, seconds)


def tabulated(density: Density, step: float | None = None) -> Density:
    """A density interpolated from a table every ``step`` degrees (1.5 by default), for those slow to compute."""
    from scipy.ndimage import map_coordinates

    step = STEP if step is None else step
    lat, lon = (np.linspace(-a, a, round(2 * a / step) + 1) for a in (90.0, 180.0))
    places = from_degrees(lon[None, :], lat[:, None])
    table = to_host(density(places.reshape(-1, 3))).reshape(places.shape[:2]).astype(np.float64)

    def look(x: np.ndarray) -> np.ndarray:
        at = np.stack(
            [
                np.degrees(np.arctan2(x[..., 2], np.hypot(x[..., 0], x[..., 1]))) + 90.0,
                np.degrees(np.arctan2(x[..., 1], x[..., 0])) + 180.0,
            ]
        )
        return np.asarray(map_coordinates(table, at / step, order=1, mode="nearest"))

    return look


def _globe(ax: Axes, density: Density | None, points: np.ndarray | None, view: tuple[float, float], scale: Any) -> None:
    globe_map(ax, view=view, density=None if density is None else multiples(density), scale=scale)
    if points is not None:
        p, height = orthographic(points, view)
        size = float(np.clip(3000 / max(len(points), 1), 0.8, 8.0))
        a, b = p[height >= 0.0].T
        ax.scatter(a, b, size, color=COLOURS[2], alpha=0.6, linewidths=0, zorder=2)
