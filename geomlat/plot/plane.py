"""Mixtures in the plane: which component claims which place, draws beside the truth, and a film of the learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.style import COLOURS, GREY, INK, bare, canvas, dress, headline
from geomlat.plot.video import Film

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS = 150
"""Rows and columns of a component map."""

FADE = 6.0
"""A component map is white where the density lies this many nats below its highest values."""


class Snapshot(NamedTuple):
    """A state of the training: the ``step``, the ``loss`` in nats, and the mixture's two functions of points."""

    step: int
    loss: float
    log_prob: Callable[[Any], Any]
    proba: Callable[[Any], Any]


def mixture_picture(
    snapshots: Sequence[Snapshot], points: Any, samples: Any, *, floor: float | None = None, title: str = ""
) -> Figure:
    """Four panels: the data by the component found, the component map, draws over the data, the loss above its floor.

    Parameters
    ----------
    snapshots
        In order; the maps are those of the last.
    points, samples
        The data and draws of the mixture, ``(n, 2)``.
    floor
        The least loss there is, the entropy of the truth.
    """
    last, points, samples = _last(snapshots), to_host(points), to_host(samples)
    figure = canvas(8.4, 8.6)
    headline(figure, title)
    (found, claimed), (drawn, curve) = figure.subplots(2, 2)
    component = to_host(last.proba(points)).argmax(axis=1)
    found.scatter(*points.T, 3, [COLOURS[c % len(COLOURS)] for c in component], linewidths=0)
    _component_map(claimed, last, points)
    drawn.scatter(*points.T, 3, GREY, linewidths=0, alpha=0.6)
    drawn.scatter(*samples.T, 3, COLOURS[0], linewidths=0, alpha=0.6)
    names = ("data, by component found", "component map", "draws (blue) over data (grey)")
    for ax, name in zip((found, claimed, drawn), names, strict=True):
        _same_place(ax, points)
        bare(ax, title=name)
    _curve(curve, snapshots, len(snapshots), floor)
    return figure


def mixture_film(
    snapshots: Sequence[Snapshot], points: Any, *, floor: float | None = None, seconds: float = 8.0, title: str = ""
) -> Film:
    """The component map while a mixture learns, with the data ``points`` (n, 2), beside its loss above the floor."""
    _last(snapshots)
    points = to_host(points)

    def draw(share: float) -> Figure:
        k = round(share * (len(snapshots) - 1))
        figure = canvas(9.0, 4.8)
        headline(figure, title)
        left, right = figure.subplots(1, 2)
        _component_map(left, snapshots[k], points)
        left.scatter(*points[:1500].T, 1.5, INK, linewidths=0, alpha=0.5)
        _same_place(left, points)
        bare(left, title=f"step {snapshots[k].step}")
        _curve(right, snapshots, k + 1, floor)
        return figure

    return Film(draw, seconds)


def _last(snapshots: Sequence[Snapshot]) -> Snapshot:
    if not snapshots:
        msg = "a picture of a mixture needs at least one snapshot"
        raise ValueError(msg)
    return snapshots[-1]


def _frame(points: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    return 0.5 * (low + high), 0.55 * float((high - low).max())


def _same_place(ax: Axes, points: np.ndarray) -> None:
    centre, half = _frame(points)
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))


def _component_map(ax: Axes, state: Snapshot, points: np.ndarray) -> None:
    from matplotlib.colors import to_rgb

    centre, half = _frame(points)
    side = np.linspace(-half, half, CELLS)
    grid = centre + np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_density = to_host(state.log_prob(grid)).astype(np.float64)
    shares = to_host(state.proba(grid))
    colours = np.array([to_rgb(COLOURS[c % len(COLOURS)]) for c in range(shares.shape[1])])
    ink = np.clip(1.0 + (log_density - np.quantile(log_density, 0.98)) / FADE, 0.0, 1.0)[:, None]
    rgb = (1.0 - ink) + ink * (shares @ colours)
    edges = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
    ax.imshow(np.clip(rgb, 0.0, 1.0).reshape(CELLS, CELLS, 3), origin="lower", extent=edges)


def _curve(ax: Axes, snapshots: Sequence[Snapshot], shown: int, floor: float | None) -> None:
    steps, losses = [s.step for s in snapshots], [s.loss for s in snapshots]
    ax.plot(steps, losses, color=GREY, linewidth=0.6)
    ax.plot(steps[:shown], losses[:shown], color=COLOURS[0], linewidth=1.6)
    if floor is not None:
        ax.axhline(floor, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        ax.annotate("entropy of the truth", (1.0, floor), (0, 3), ha="right", fontsize=8, color=INK, **place)
    dress(ax, x="step", y="-log p(x) (nats)")
