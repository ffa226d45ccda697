"""Densities of two angles as square maps, such as a Ramachandran plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.density import DECADES, density_bar
from geomlat.plot.sphere import DEEP, NEARLY_NONE, shades
from geomlat.plot.style import COLOURS, INK, canvas, dress, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 360


def torus_maps(
    panels: Mapping[str, tuple[Callable[[np.ndarray], Any] | None, Any]],
    *,
    names: tuple[str, str] = ("first angle", "second angle"),
    title: str = "",
) -> Figure:
    """A square of both angles in degrees for each named ``(density, points)``, of which either may be None.

    ``density`` takes angles ``(n, 2)`` in radians and is per square radian; shades are logarithmic, from a tenth to a
    hundred times the uniform density on every map. The points ``(n, 2)`` are drawn on top. Opposite sides are the same
    angles.
    """
    from matplotlib.colors import LogNorm

    if not panels:
        msg = "torus_maps needs at least one panel"
        raise ValueError(msg)
    scale = LogNorm(*DECADES)
    figure = canvas(3.7 * len(panels) + 0.4, 4.8)
    headline(figure, title)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    centres = math.pi * ((2.0 * np.arange(SIDE) + 1.0) / SIDE - 1.0)
    grid = np.stack(np.meshgrid(centres, centres), axis=-1)
    for ax, (name, (density, points)) in zip(axes.flat, panels.items(), strict=True):
        if density is not None:
            values = 4.0 * math.pi**2 * to_host(density(grid.reshape(-1, 2))).reshape(SIDE, SIDE)
            values = np.maximum(values, NEARLY_NONE)
            ax.imshow(values, extent=(-180, 180, -180, 180), origin="lower", cmap=shades(DEEP), norm=scale)
        if points is not None:
            x = np.degrees(to_host(points))
            size = float(np.clip(3000 / max(len(x), 1), 0.3, 8.0))
            ax.scatter(*x.T, s=size, color=COLOURS[2], alpha=0.5, linewidths=0, zorder=2)
        ticks = range(-180, 181, 90)
        ax.set(xlim=(-180, 180), ylim=(-180, 180), xticks=ticks, yticks=ticks, aspect="equal")
        dress(ax, x=f"{names[0]} (degrees)", y=f"{names[1]} (degrees)" if ax is axes.flat[0] else "")
        ax.set_title(name, fontsize=10, color=INK)
    density_bar(figure, axes, scale)
    return figure
