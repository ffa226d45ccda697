"""Densities on maps of S^2 and around the circle: fitted ones with their data, and several laws side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.sphere import DEEP, Density, globe_map, hammer, hammer_map, shades, turned
from geomlat.plot.style import COLOURS, GREY, INK, bare, canvas, dress, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES = (0.1, 100.0)
"""The densities shown as white and as the darkest blue, in multiples of the uniform density."""

RANGE = 1e-5
"""The least density of a profile, relative to the largest at a mode."""


def density_maps(
    panels: Mapping[str, tuple[Density, Any]], *, columns: int = 2, centre: float = 0.0, title: str = ""
) -> Figure:
    """A Hammer map for each named ``(density, points)``: shades of ``density(x)``, and the points ``(n, 3)`` on top.

    ``density`` takes unit vectors ``(n, 3)`` and is per unit area; the scale is logarithmic, from a tenth to a hundred
    times the uniform density, the same on every map. The maps are equal-area, with the longitude ``centre`` (degrees)
    in the middle.
    """
    from matplotlib.colors import LogNorm

    if not panels:
        msg = "density_maps needs at least one panel"
        raise ValueError(msg)
    columns = min(columns, len(panels))
    figure = canvas(6.2 * columns, 3.5 * math.ceil(len(panels) / columns) + 0.5)
    headline(figure, title)
    axes = figure.subplots(math.ceil(len(panels) / columns), columns, squeeze=False)
    scale = LogNorm(*DECADES)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, (density, points)) in zip(axes.flat, panels.items(), strict=False):
        hammer_map(ax, density=multiples(density), scale=scale, centre=centre)
        map_dots(ax, to_host(points), centre)
        bare(ax, title=name)
    density_bar(figure, axes, scale)
    return figure


def density_globes(laws: Mapping[str, Any], mode: Any, *, title: str = "") -> Figure:
    """Each named law on S^2 on a globe, one scale for all, above the densities by the angle to their ``mode``.

    A law has ``log_prob(x)`` of unit vectors ``(n, 3)``, per unit area, and is symmetric about ``mode`` ``(3,)``, which
    the globes show near their middle if it is near longitude -35 and latitude 25 degrees.
    """
    from matplotlib.colors import PowerNorm

    if not laws:
        msg = "density_globes needs at least one law"
        raise ValueError(msg)
    mode = to_host(mode)
    side = np.cross(mode, np.eye(3)[np.abs(mode).argmin()])
    # A wrapped normal's density has a pole opposite its mode.
    angle = np.radians(np.linspace(0.0, 179.5, 360))[:, None]
    path = np.cos(angle) * mode + np.sin(angle) * side / np.linalg.norm(side)
    profiles = [np.exp(to_host(law.log_prob(path))) for law in laws.values()]
    figure = canvas(3.0 * len(laws), 5.8)
    headline(figure, title)
    grid = figure.add_gridspec(2, len(laws), height_ratios=(3, 2.6))
    top = max(float(profile[0]) for profile in profiles)
    scale = PowerNorm(0.5, 0.0, top)
    below = figure.add_subplot(grid[1, :])
    for i, (name, law) in enumerate(laws.items()):
        ax = figure.add_subplot(grid[0, i])
        globe_map(ax, density=lambda x, q=law: np.exp(to_host(q.log_prob(x))), scale=scale)  # type: ignore[misc]
        bare(ax, title=name)
        below.plot(np.degrees(angle[:, 0]), profiles[i], color=COLOURS[i % len(COLOURS)], linewidth=1.6, label=name)
    below.set(yscale="log", xlim=(0, 180), xticks=range(0, 181, 30), ylim=(RANGE * top, 2 * top))
    below.legend(frameon=False, fontsize=8, labelcolor=INK)
    dress(below, x="angle to the mode (degrees)", y="density per unit area")
    return figure


def density_rose(density: Density, points: Any, *, bins: int = 36, title: str = "") -> Figure:
    """A density on the circle as a curve around a rose of the points ``(n, 2)``, (1, 0) up and (0, 1) to the right.

    ``density`` takes unit vectors ``(n, 2)`` and is per radian. Areas are right: a bar's radius is the square root of
    its density, and so is the curve's; the dashed circle is the uniform density.
    """
    points = to_host(points)
    figure = canvas(4.6, 4.9)
    ax: Any = figure.add_subplot(projection="polar", theta_offset=np.pi / 2, theta_direction=-1)
    edges = np.linspace(0.0, 2 * np.pi, bins + 1) - np.pi / bins
    angle = np.arctan2(points[:, 1], points[:, 0])
    counts, _ = np.histogram((angle - edges[0]) % (2 * np.pi) + edges[0], edges)
    height = np.sqrt(counts / max(len(points), 1) * bins / (2 * np.pi))
    ax.bar(edges[:-1], height, 2 * np.pi / bins, align="edge", color=COLOURS[0], alpha=0.45, linewidth=0)
    around = np.linspace(0.0, 2 * np.pi, 721)
    curve = np.sqrt(to_host(density(np.stack([np.cos(around), np.sin(around)], axis=-1))))
    ax.plot(around, curve, color=COLOURS[2], linewidth=1.6)
    ax.plot(around, np.full(721, (2 * np.pi) ** -0.5), color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set(ylim=(0.0, 1.08 * max(height.max(), curve.max())), yticks=[], xticks=np.radians(range(0, 360, 45)))
    ax.grid(False)
    ax.tick_params(labelsize=8, colors=GREY)
    ax.spines["polar"].set_visible(False)
    ax.set_title(title, fontsize=10, color=INK)
    return figure


def multiples(density: Density) -> Density:
    """A density in multiples of the uniform one."""
    return lambda x: 4.0 * np.pi * np.asarray(density(x))


def map_dots(ax: Axes, points: np.ndarray, centre: float = 0.0) -> None:
    """Points ``(n, 3)`` on a Hammer map around a longitude, the smaller the more there are."""
    size = float(np.clip(3000 / max(len(points), 1), 0.6, 8.0))
    x, y = hammer(turned(points, -centre)).T
    ax.scatter(x, y, s=size, color=COLOURS[2], alpha=0.5, linewidths=0, zorder=2)


def density_bar(figure: Figure, axes: Any, scale: Any) -> None:
    """The colour bar of densities in multiples of the uniform one, below all of the axes."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(
        ScalarMappable(scale, shades(DEEP)), ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.02, extend="both"
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=GREY, width=0.6, length=3)
    bar.set_label("density, in multiples of the uniform one", fontsize=9, color=INK)
