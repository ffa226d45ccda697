"""Training curves from the history of one or several runs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geomlat.plot.style import COLOURS, GREY, canvas, dress, floor_line, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
History = str | os.PathLike[str] | Sequence[Row]


class Line(NamedTuple):
    """A number of a history row: where it stands in the row, its word in the legend, its style."""

    path: tuple[str, ...]
    word: str
    style: Any = "-"


class Chart(NamedTuple):
    """One panel: its lines, title and unit."""

    lines: tuple[Line, ...]
    title: str
    unit: str


CHARTS = (
    Chart(
        (Line(("loss",), "training", (0, (2, 1.5))), Line(("validation", "loss"), "validation")), "Loss", "nats per row"
    ),
    Chart((Line(("validation", "reconstruction"), "validation"),), "Reconstruction", "nats per row"),
    Chart((Line(("validation", "kl"), "validation"),), "KL to the prior", "nats per row"),
    Chart((Line(("beta",), "weight"),), r"Weight of the KL, $\beta$", "weight"),
)


def training_curves(
    histories: History | Mapping[str, History], *, floor: float | None = None, title: str = ""
) -> Figure:
    """Loss, reconstruction, KL and the weight beta by epoch, one colour for each run.

    Parameters
    ----------
    histories
        A history, or several by name. A history is the folder of a run, which holds ``history.jsonl``, or its rows:
        ``{"epoch": 1, "loss": ..., "validation": {"loss": ..., "reconstruction": ..., "kl": ...}, "beta": ...}``;
        ``validation`` may be None, and a panel for which no run has values is left out.
    floor
        The least loss there is, such as the entropy of a toy law: a dashed line in the panel of the loss.
    """
    runs = {name: _rows(h) for name, h in (histories if isinstance(histories, Mapping) else {"": histories}).items()}
    present = [chart for chart in CHARTS if any(_has(rows, chart) for rows in runs.values())]
    if not present:
        msg = "the history holds no epochs yet; there is nothing to draw"
        raise ValueError(msg)
    figure = canvas(3.1 * len(present) + 0.4, 3.1)
    headline(figure, title)
    axes = figure.subplots(1, len(present), squeeze=False)[0]
    for ax, chart in zip(axes, present, strict=True):
        for colour, (name, rows) in zip(COLOURS * len(runs), runs.items(), strict=False):
            _lines(ax, rows, chart, name, colour)
        _whole_epochs(ax)
        ax.grid(axis="y", color="#e8eaed", linewidth=0.6)
        dress(ax, title=chart.title, x="epoch", y=chart.unit)
        if floor is not None and chart is CHARTS[0]:
            floor_line(ax, floor)
    axes[0].legend(frameon=False, fontsize=8, labelcolor=GREY)
    return figure


def _rows(history: History) -> Sequence[Row]:
    if not isinstance(history, str | os.PathLike):
        return history
    from geomlat.train import read_history

    return read_history(history)


def _value(row: Row, path: tuple[str, ...]) -> float:
    found: Any = row
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return math.nan if found is None else float(found)


def _has(rows: Sequence[Row], chart: Chart) -> bool:
    return any(not math.isnan(_value(row, line.path)) for line in chart.lines for row in rows)


def _lines(ax: Axes, rows: Sequence[Row], chart: Chart, name: str, colour: str) -> None:
    epochs = np.array([row["epoch"] for row in rows])
    for path, word, style in chart.lines:
        values = np.array([_value(row, path) for row in rows])
        kept = ~np.isnan(values)
        if kept.any():
            marker = "o" if kept.sum() == 1 else ""
            label = f"{name}, {word}" if name else word
            ax.plot(
                epochs[kept], values[kept], color=colour, linestyle=style, marker=marker, linewidth=1.4, label=label
            )


def _whole_epochs(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10], min_n_ticks=1))


def estimation_bias(
    samples: Sequence[int], gaps: Sequence[float], errors: Sequence[float], *, title: str = ""
) -> Figure:
    """How far an importance-sampled log-density is below the exact one on average, by the number of samples.

    ``gaps`` and their standard ``errors`` in nats; the dashed line falls from the first as one over the number of
    samples, as the bias does once it is small.
    """
    figure = canvas(4.8, 3.6)
    ax = figure.subplots()
    style: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "markersize": 4, "linewidth": 1.2, "capsize": 3}
    ax.errorbar(samples, gaps, yerr=errors, **style)
    k = np.geomspace(samples[0], samples[-1], 200)  # the axis is linear around 0, where the line bends
    ax.plot(k, gaps[0] * samples[0] / k, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), label="1 / samples")
    ax.legend(frameon=False, fontsize=8, labelcolor=GREY)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=max(errors))
    dress(ax, title=title, x="importance samples", y="exact less estimated log-density (nats)")
    return figure
