"""The von Mises-Fisher law on S^2 at several concentrations: density, draws, and one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.distributions import VonMisesFisher
from geomlat.plot.sphere import VIEW, from_degrees, globe_map, orthographic
from geomlat.plot.style import COLOURS, GREY, INK, bare, canvas, dress
from geomlat.random import stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 24


def von_mises_fisher(kappas: Sequence[float] = (0.0, 1.0, 100.0), *, n: int = 2000, rng: Any = 0) -> Figure:
    """``n`` draws at each concentration on a shaded globe, and below the histogram of their angle to the mean.

    The curve is the exact density of the angle, ``2 pi sin(t) exp(log_prob)``; a wrong sampler or a wrong normaliser
    shows. The mean direction faces the reader, 25 degrees above the middle of the disc.
    """
    figure = canvas(3.0 * len(kappas), 5.2)
    mu = from_degrees(VIEW[0], VIEW[1] + 25.0)
    axes = figure.subplots(2, len(kappas), squeeze=False, gridspec_kw={"height_ratios": (3, 2)})
    for i, kappa in enumerate(kappas):
        q = VonMisesFisher(mu, np.asarray(kappa, dtype=np.float64))
        x = q.sample((n,), rng=stream(rng).child(i))
        _cloud(axes[0, i], q, x, kappa)
        _angles(axes[1, i], q, np.degrees(2 * np.arctan2(_norm(x - mu), _norm(x + mu))), mu)
    axes[1, 0].set_ylabel("density per degree", fontsize=9, color=INK)
    axes[1, -1].legend(frameon=False, fontsize=8, labelcolor=GREY)
    return figure


def _cloud(ax: Any, q: VonMisesFisher, x: np.ndarray, kappa: float) -> None:
    globe_map(ax, density=lambda points: np.exp(q.log_prob(points)))
    p, height = orthographic(x, VIEW)
    ax.scatter(*p[height >= 0].T, color=INK, s=2.0, alpha=0.35, linewidths=0)
    bare(ax, title=rf"$\kappa = {kappa:g}$")


def _angles(ax: Any, q: VonMisesFisher, angle: np.ndarray, mu: np.ndarray) -> None:
    reach = min(180.0, 1.1 * angle.max())
    ax.hist(angle, bins=BINS, range=(0.0, reach), density=True, color=COLOURS[0], alpha=0.45, label="draws")
    t = np.linspace(0.0, np.radians(reach), 400)[:, None]
    side = np.cross(mu, from_degrees(0.0, 0.0))
    x = np.cos(t) * mu + np.sin(t) * side / _norm(side)
    exact = 2 * np.pi * np.sin(t[:, 0]) * np.exp(q.log_prob(x)) * np.pi / 180
    ax.plot(np.degrees(t[:, 0]), exact, color=INK, linewidth=1.2, label="density")
    ax.set(xlim=(0, reach), ylim=(0, None))
    dress(ax, x="angle to the mean (degrees)")


def _norm(x: np.ndarray) -> Any:
    return np.linalg.norm(x, axis=-1)
