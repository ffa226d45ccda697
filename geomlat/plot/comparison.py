"""Two or more models side by side: where the data lie in each latent space, and what each decoder makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geomlat.plot.images import Decode, Shape, draw_decoded
from geomlat.plot.latent_space import draw_latent, known, latent_axes
from geomlat.plot.style import canvas, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """One model of a `comparison`: its latent points ``(n, width)``, its decoder, its space and a line of numbers."""

    z: Any
    decode: Decode
    space: str
    caption: str = ""


def comparison(panels: Mapping[str, Panel], labels: Any, shape: Shape, *, ink: bool = True, title: str = "") -> Figure:
    """A column for each named model: latent points coloured by ``labels`` ``(n,)`` above the decoded latent space."""
    if not panels:
        msg = "comparison needs at least one panel"
        raise ValueError(msg)
    wide = [7.2 if known(p.space) == "s2" else 4.2 for p in panels.values()]
    figure = canvas(sum(wide) + 0.6, 8.4)
    headline(figure, title)
    grid = figure.add_gridspec(2, len(panels), width_ratios=wide)
    for i, (name, panel) in enumerate(panels.items()):
        ax = latent_axes(figure, grid[0, i], panel.space)
        paint = draw_latent(ax, panel.z, labels, space=panel.space, title=f"{name}\n{panel.caption}".strip())
        draw_decoded(figure.add_subplot(grid[1, i]), panel.decode, shape, space=panel.space, ink=ink)
    paint.legend(ax)
    return figure
