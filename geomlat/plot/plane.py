"""Mixtures in the plane: which component claims which place, draws beside the truth, and a film of the learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geomlat.backends import to_host
from geomlat.plot.sphere import DEEP, shades
from geomlat.plot.style import COLOURS, GREY, INK, bare, canvas, dress, floor_line, headline
from geomlat.plot.video import Film

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELLS = 150
"""Rows and columns of a map."""

FADE = 6.0
"""A component map is white where the density lies this many nats below its highest values."""


class Snapshot(NamedTuple):
    """A state of the training: the ``step``, the ``loss`` in nats, and the model's functions of points.

    ``proba``, the shares of the components of a mixture, is None for a single flow.
    """

    step: int
    loss: float
    log_prob: Callable[[Any], Any]
    proba: Callable[[Any], Any] | None = None


def snapshots(model: Any, states: Sequence[Any], points: Any) -> list[Snapshot]:
    """A `Snapshot` of a flow or a mixture of flows for each state that `geomlat.train.Snapshots` kept.

    The loss is the mean of -log p over ``points`` (n, 2), best ones that were not trained on.
    """
    models = [(state.step, replace(model).fitted(state.theta)) for state in states]
    return [
        Snapshot(step, -float(m.log_prob(points).mean()), m.log_prob, getattr(m, "predict_proba", None))
        for step, m in models
    ]


def density_picture(
    snapshots: Sequence[Snapshot],
    truth: Callable[[Any], Any],
    points: Any,
    samples: Any,
    *,
    floor: float | None = None,
    title: str = "",
) -> Figure:
    """Four panels: the true density, the model's on the same scale, draws over the data, the loss above its floor.

    Parameters
    ----------
    snapshots
        In order; the density is that of the last.
    truth
        The true ``log p`` of points ``(n, 2)``.
    points, samples, floor
        As in `mixture_picture`.
    """
    last, points, samples = _last(snapshots), to_host(points), to_host(samples)
    figure = canvas(8.4, 8.6)
    headline(figure, title)
    (exact, modelled), (drawn, curve) = figure.subplots(2, 2)
    grid, edges = _grid(points)
    top = float(np.exp(np.max(truth(grid))))
    for ax, log_prob, name in ((exact, truth, "true density"), (modelled, last.log_prob, "density of the flow")):
        image = np.exp(to_host(log_prob(grid)).astype(np.float64)).reshape(CELLS, CELLS)
        look: dict[str, Any] = {"cmap": shades(DEEP), "vmin": 0.0, "vmax": top, "interpolation": "bilinear"}
        ax.imshow(image, origin="lower", extent=edges, **look)
        bare(ax, title=name)
    _draws(drawn, points, samples)
    _curve(curve, snapshots, len(snapshots), floor)
    return figure


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
    component = _shares(last, points).argmax(axis=1)
    found.scatter(*points.T, 3, [COLOURS[c % len(COLOURS)] for c in component], linewidths=0)
    _component_map(claimed, last, points)
    for ax, name in ((found, "data, by component found"), (claimed, "component map")):
        _same_place(ax, points)
        bare(ax, title=name)
    _draws(drawn, points, samples)
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


def _shares(state: Snapshot, x: np.ndarray) -> np.ndarray:
    if state.proba is None:
        msg = "a component map needs the snapshots of a mixture, whose proba is not None"
        raise ValueError(msg)
    return to_host(state.proba(x))


def _frame(points: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    return 0.5 * (low + high), 0.55 * float((high - low).max())


def _same_place(ax: Axes, points: np.ndarray) -> None:
    centre, half = _frame(points)
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))


def _draws(ax: Axes, points: np.ndarray, samples: np.ndarray) -> None:
    for x, colour in ((points, GREY), (samples, COLOURS[0])):
        ax.scatter(x[:, 0], x[:, 1], 3, colour, linewidths=0, alpha=0.6)
    _same_place(ax, points)
    bare(ax, title="draws (blue) over data (grey)")


def _grid(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The centres of the cells, row by row from below, and the edges of the picture."""
    centre, half = _frame(points)
    side = half * ((2.0 * np.arange(CELLS) + 1.0) / CELLS - 1.0)
    edges = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
    return centre + np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), edges


def _component_map(ax: Axes, state: Snapshot, points: np.ndarray) -> None:
    from matplotlib.colors import to_rgb

    grid, edges = _grid(points)
    log_density = to_host(state.log_prob(grid)).astype(np.float64)
    shares = _shares(state, grid)
    colours = np.array([to_rgb(COLOURS[c % len(COLOURS)]) for c in range(shares.shape[1])])
    ink = np.clip(1.0 + (log_density - np.quantile(log_density, 0.98)) / FADE, 0.0, 1.0)[:, None]
    rgb = (1.0 - ink) + ink * (shares @ colours)
    ax.imshow(np.clip(rgb, 0.0, 1.0).reshape(CELLS, CELLS, 3), origin="lower", extent=edges, interpolation="bilinear")


def _curve(ax: Axes, snapshots: Sequence[Snapshot], shown: int, floor: float | None) -> None:
    steps, losses = [s.step for s in snapshots], [s.loss for s in snapshots]
    ax.plot(steps, losses, color=GREY, linewidth=0.6)
    ax.plot(steps[:shown], losses[:shown], color=COLOURS[0], linewidth=1.6)
    if floor is not None:
        floor_line(ax, floor)
    dress(ax, x="step", y="-log p(x) (nats)")
