"""Predicted against true angles: on the unit circle, as a scatter, and the error over the circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.evaluate import AngularScores, angular_scores
from geomlat.evaluate.angles import angle_between
from geomlat.manifolds.angles import angles_from_pairs
from geomlat.plot.style import COLOURS, CONTINUOUS, GREY, INK, LINE, bare, canvas, dress, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Radii of the true and of the predicted angles on the circle, and how many are drawn.
TRUE, PREDICTED, DRAWN = 1.0, 0.72, 250
TICKS = (-180, -90, 0, 90, 180)


def angles(predicted: Mapping[str, Any], true: Any, *, title: str = "") -> Figure:
    """A column for each named prediction ``(n, 2 A)`` of the true pairs (cos, sin), of which (0, 0) are absent.

    Above, 250 true angles on the unit circle, joined to their predictions on a smaller one and coloured by the error;
    no line is as long as it would be between -180 and 180 degrees on a square. Below, all of them as a scatter.

    Raises
    ------
    ValueError
        For no prediction, shapes that differ or no angle at all.
    """
    if not predicted:
        msg = "angles needs at least one prediction"
        raise ValueError(msg)
    scores = {name: angular_scores(p, true) for name, p in predicted.items()}
    t, there = angles_from_pairs(to_host(true).astype(np.float64))
    figure = canvas(3.1 * len(predicted) + 1.4, 6.4)
    headline(figure, title)
    grid = figure.subplots(2, len(predicted), squeeze=False)
    for (ring, square), (name, p) in zip(grid.T, predicted.items(), strict=True):
        guess = angles_from_pairs(to_host(p).astype(np.float64))[0][there]
        error = np.degrees(np.abs(angle_between(guess, t[there])))
        _ring(ring, t[there], guess, error)
        bare(ring, title=f"{name}\nmean error {scores[name].mean_error:.1f}\N{DEGREE SIGN}")
        _scatter(square, np.degrees(t[there]), np.degrees(guess), error)
        dress(square, title=f"correlation {scores[name].correlation:.3f}", x="true, degrees", y="predicted, degrees")
    _bar(figure, grid[0].tolist())
    return figure


def angle_errors(scores: Mapping[str, AngularScores], *, title: str = "") -> Figure:
    """The mean error of named predictions by the true angle, above the number of angles in each bin."""
    if not scores:
        msg = "angle_errors needs at least one set of scores"
        raise ValueError(msg)
    figure = canvas(9.2, 4.8)
    headline(figure, title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for colour, (name, found) in zip(COLOURS * len(scores), scores.items(), strict=False):
        label = f"{name}: mean {found.mean_error:.1f}\N{DEGREE SIGN} \N{PLUS-MINUS SIGN} {found.standard_error:.1f}"
        above.stairs(found.bin_errors, found.edges, color=colour, linewidth=1.4, label=label)
    below.stairs(found.bin_counts, found.edges, color=LINE, fill=True)
    below.set_xticks(TICKS)
    dress(above, y="mean error, degrees")
    dress(below, x="true angle, degrees", y="angles")
    # Beside the axes, where no line can run through it.
    above.legend(frameon=False, fontsize=8, labelcolor=INK, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _ring(ax: Axes, true: np.ndarray, guess: np.ndarray, error: np.ndarray) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    some = np.random.default_rng(0).permutation(len(true))[:DRAWN]
    rings = ((TRUE, true[some]), (PREDICTED, guess[some]))
    ends = [radius * np.stack([np.cos(a), np.sin(a)], axis=-1) for radius, a in rings]
    for radius in (TRUE, PREDICTED):
        ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor=GREY, linewidth=0.6))
    lines = LineCollection(np.stack(ends, axis=1).tolist(), cmap=CONTINUOUS, linewidths=0.7, alpha=0.8)
    lines.set(array=error[some], clim=(0, 180))
    ax.add_collection(lines)
    ax.scatter(ends[0][:, 0], ends[0][:, 1], 5, INK, linewidths=0, zorder=3)
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))


def _scatter(ax: Axes, true: np.ndarray, guess: np.ndarray, error: np.ndarray) -> None:
    ax.plot((-180, 180), (-180, 180), color=LINE, linewidth=0.8, zorder=0)
    ax.scatter(
        true, guess, np.clip(4000 / len(true), 1.0, 12.0), error, cmap=CONTINUOUS, vmin=0, vmax=180, linewidths=0
    )
    ax.set(xlim=(-180, 180), ylim=(-180, 180), aspect="equal", xticks=TICKS, yticks=TICKS)


def _bar(figure: Figure, axes: list[Axes]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(0, 180), CONTINUOUS), ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("error, degrees", fontsize=8, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=GREY, width=0.6, length=3)
