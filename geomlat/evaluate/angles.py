"""How near predicted angles are to true ones, and what angles are worth that are predicted independently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.distributions import VonMises
from geomlat.manifolds.angles import angles_from_pairs


@dataclass(frozen=True)
class AngularScores:
    """Errors of predicted angles, in degrees; absent angles are left out.

    Parameters
    ----------
    mean_error, standard_error
        The mean of ``|predicted - true|`` the short way round, between 0 and 180, and its standard error over rows,
        whose angles hang together. Guessing at random is off by 90 degrees.
    median_error
        The median.
    correlation
        `circular_correlation` of all angles.
    edges, bin_errors, bin_counts
        Bins of the true angle from -180 to 180 degrees: their edges ``(bins + 1,)``, the mean error in each
        (NaN where there is no angle) and the number of angles.
    """

    mean_error: float
    standard_error: float
    median_error: float
    correlation: float
    edges: np.ndarray
    bin_errors: np.ndarray
    bin_counts: np.ndarray

    def __str__(self) -> str:
        """One line for tables and logs."""
        return (
            f"mean angular error {self.mean_error:.2f} +- {self.standard_error:.2f} degrees, median "
            f"{self.median_error:.2f}, circular correlation {self.correlation:.3f} ({self.bin_counts.sum()} angles)"
        )


def angular_scores(predicted: Any, true: Any, *, bins: int = 12) -> AngularScores:
    """The errors of predicted directions ``(n, 2 A)`` against true pairs (cos, sin), of which (0, 0) are absent.

    Raises
    ------
    ValueError
        For shapes that differ or no angle at all.
    """
    (p, _), (t, there) = (angles_from_pairs(to_host(x).astype(np.float64)) for x in (predicted, true))
    if p.shape != t.shape or p.ndim != 2 or not there.any():
        msg = f"predicted and true pairs must have one shape (n, 2 A) and some angles, got {p.shape} and {t.shape} of A"
        raise ValueError(msg)
    error = np.degrees(np.abs(angle_between(p, t)))
    mean = float(error[there].mean())
    # The ratio of two sums over rows: its error by the delta method.
    row = np.where(there, error - mean, 0.0).sum(axis=1)
    edges = np.linspace(-180.0, 180.0, bins + 1)
    place = np.clip(np.digitize(np.degrees(t[there]), edges) - 1, 0, bins - 1)
    counts, sums = (np.bincount(place, weights=w, minlength=bins) for w in (None, error[there]))
    return AngularScores(
        mean_error=mean,
        standard_error=float(np.sqrt((row * row).sum()) / there.sum()),
        median_error=float(np.median(error[there])),
        correlation=circular_correlation(p[there], t[there]),
        edges=edges,
        bin_errors=np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0),
        bin_counts=counts,
    )


def angle_between(a: Any, b: Any) -> Any:
    """``a - b`` the short way round, in [-pi, pi)."""
    return np.mod(a - b + math.pi, 2 * math.pi) - math.pi


def circular_correlation(a: Any, b: Any) -> float:
    """The correlation of two sets of angles ``(n,)``, between -1 and 1: 1 where b is a turned, -1 where it is mirrored.

    ``sum_{i<j} sin(a_i - a_j) sin(b_i - b_j) / sqrt(sum sin^2(a_i - a_j) sum sin^2(b_i - b_j))``; 0 where one set does
    not vary. It needs no mean direction. Fisher and Lee (1983), "A correlation coefficient for circular data", eq. 2.1.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n = len(a)
    ca, sa, cb, sb = np.cos(a), np.sin(a), np.cos(b), np.sin(b)
    top = 4.0 * ((ca @ cb) * (sa @ sb) - (ca @ sb) * (sa @ cb))
    spread = [n * n - np.cos(2 * x).sum() ** 2 - np.sin(2 * x).sum() ** 2 for x in (a, b)]
    if min(spread) <= 1e-12 * n * n:
        return 0.0
    return float(np.clip(top / math.sqrt(spread[0] * spread[1]), -1.0, 1.0))


def circular_rank_correlation(a: Any, b: Any) -> float:
    """`circular_correlation` of the ranks spread evenly over the circle: 1 where both have the same cyclic order.

    It does not change if either set is stretched without passing another point, turned, or cut elsewhere; -1 is the
    reversed order. Fisher and Lee (1982), "Nonparametric measures of angular-angular association", section 2.
    """
    scores = [2 * math.pi * np.argsort(np.argsort(x, kind="stable"), kind="stable") / len(x) for x in (a, b)]
    return circular_correlation(*scores)


def independent_angles(train: Any, test: Any) -> np.ndarray:
    """Log-likelihood ``(n_test,)`` in nats of a von Mises law for each place, fitted to the pairs of ``train``.

    Both are rows of pairs (cos, sin); absent angles, (0, 0), count neither in the fit nor in the sum. A place without
    any angle in ``train`` has the uniform law.
    """
    (angles, there), (x, wanted) = (angles_from_pairs(to_host(a).astype(np.float64)) for a in (train, test))
    log_p = np.zeros(len(x))
    for j in range(x.shape[1]):
        some = angles[there[:, j], j]
        law = VonMises.fit(some[:, None]) if len(some) else VonMises(np.zeros(1), np.zeros(1))
        log_p += np.where(wanted[:, j], law.log_prob(x[:, j, None]), 0.0)
    return log_p
