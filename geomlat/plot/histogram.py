"""Histograms of the log-likelihoods of a test set's rows, and their left tails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.backends import to_host
from geomlat.evaluate import tails
from geomlat.plot.style import COLOURS, canvas, dress, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def likelihood_histogram(log_p: Mapping[str, Any], *, bins: int = 60, title: str = "") -> Figure:
    """The log-likelihoods ``(n,)`` of named models: histograms, and the share of rows below each value.

    The mean of each model is a dashed line. The second panel is logarithmic, so that the few rows that a model explains
    badly are seen; its dots are at the mean less two standard deviations.

    Raises
    ------
    ValueError
        For no model, or values that are not all finite.
    """
    values = {name: np.sort(to_host(v).astype(np.float64)) for name, v in log_p.items()}
    if not values or not all(v.ndim == 1 and v.size > 1 and np.isfinite(v).all() for v in values.values()):
        msg = "likelihood_histogram needs, for each name, a vector of at least two finite log-likelihoods"
        raise ValueError(msg)
    figure = canvas(11.6, 3.8)
    headline(figure, title)
    rows, below = figure.subplots(1, 2)
    edges = np.linspace(min(v[0] for v in values.values()), max(v[-1] for v in values.values()) + 1e-9, bins + 1)
    for colour, (name, v) in zip(COLOURS * len(values), values.items(), strict=False):
        found = tails(v)
        rows.hist(v, edges, histtype="stepfilled", color=colour, alpha=0.3, linewidth=0, density=True)
        rows.hist(v, edges, histtype="step", color=colour, density=True, label=name)
        rows.axvline(found.mean, color=colour, linestyle="--", linewidth=0.9)
        below.step(v, np.arange(1, len(v) + 1) / len(v), color=colour, where="post")
        at = found.mean - 2.0 * found.sd
        label = f"{name}: {100 * found.share_below:.1f} % below\nmean - 2 s.d., skewness {found.skewness:.2f}"
        below.plot([at], [max(found.share_below, 0.5 / len(v))], "o", markersize=5, color=colour, label=label)
    below.set_yscale("log")
    dress(rows, title="Rows of the test set", x="log p(x), nats", y="density")
    dress(below, title="Left tail", x="log p(x), nats", y="share of rows below")
    for ax in (rows, below):
        ax.locator_params(axis="x", nbins=6)
    rows.legend(frameon=False, fontsize=8)
    below.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
