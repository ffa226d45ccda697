"""Whether a latent space has found the shape that data were made from: a circle, or the distances in a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.evaluate.angles import circular_correlation, circular_rank_correlation
from geomlat.evaluate.neighbours import euclidean

RECOVERED = 0.95
GRID = 21


@dataclass(frozen=True)
class CircleRecovery:
    """Whether codes in the plane go round in the order of the true angles.

    Parameters
    ----------
    rank_correlation
        ``|circular_rank_correlation|`` of the true angles and of the directions of the codes.
    correlation
        ``|circular_correlation|`` of the same: it also asks that the codes are spread like the angles.
    """

    rank_correlation: float
    correlation: float

    @property
    def recovered(self) -> bool:
        """Whether the rank correlation is above 0.95."""
        return self.rank_correlation > RECOVERED

    def __str__(self) -> str:
        """One line for tables and logs."""
        word = "recovered" if self.recovered else "not recovered"
        return f"circle {word}: rank correlation {self.rank_correlation:.3f}, correlation {self.correlation:.3f}"


def circle_recovery(z: Any, angles: Any) -> CircleRecovery:
    """How well codes ``(n, 2)`` keep the circular order of the true ``angles`` ``(n,)``.

    A code has the direction in which it is seen from a centre: the mean of the codes, the origin, or a point of a
    21 x 21 grid over their bounding box, whichever is best for each of the two correlations. So a curve counts wherever
    it lies and however it is stretched, as long as there is a point from which it goes round without turning back; the
    search is in favour of the plane, since for codes on a circle about the origin every centre within gives one order.

    Raises
    ------
    ValueError
        If there are not as many codes in the plane as angles, or fewer than four.
    """
    z, angles = to_host(z).astype(np.float64), to_host(angles).astype(np.float64)
    if z.ndim != 2 or z.shape[1] != 2 or angles.shape != (len(z),) or len(z) < 4:
        msg = f"circle_recovery takes codes (n, 2) and angles (n,), n at least 4, got {z.shape} and {angles.shape}"
        raise ValueError(msg)
    low, high = z.min(axis=0), z.max(axis=0)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, GRID).T), axis=-1).reshape(-1, 2)
    centres = np.concatenate([z.mean(axis=0)[None], np.zeros((1, 2)), grid])
    seen = [np.arctan2(*(z - c).T[::-1]) for c in centres]
    ranks = [abs(circular_rank_correlation(s, angles)) for s in seen]
    correlations = [abs(circular_correlation(s, angles)) for s in seen]
    return CircleRecovery(max(ranks), max(correlations))


@dataclass(frozen=True)
class DistanceRecovery:
    """The correlation over all pairs of points between latent distances and true ones: Pearson's and Spearman's.

    Both are 0 where all distances of one kind are alike, as those of a collapsed latent space.
    """

    correlation: float
    rank_correlation: float

    def __str__(self) -> str:
        """One line for tables and logs."""
        return f"distances: correlation {self.correlation:.3f}, rank correlation {self.rank_correlation:.3f}"


def distance_recovery(
    z: Any, distances: Any, *, pairwise_dist: Callable[[Any, Any], Any] | None = None
) -> DistanceRecovery:
    """How well the latent distances of ``z`` ``(n, ...)`` follow the true ``distances`` ``(n, n)``, such as a tree's.

    ``pairwise_dist(x, y) -> (len(x), len(y))`` is the latent manifold's method; Euclidean distances where it is None.
    Every unordered pair counts once. Nagano, Yamaguchi, Fujita, Koyama (2019), section 5.1.

    Raises
    ------
    ValueError
        If the shapes do not match or there are fewer than three points.
    """
    from scipy.stats import rankdata

    true = to_host(distances).astype(np.float64)
    if true.shape != (len(z), len(z)) or len(z) < 3:
        msg = f"distances must be (n, n) for n >= 3 points, got {true.shape} for {len(z)}"
        raise ValueError(msg)
    pairs = np.triu_indices(len(z), 1)
    latent = to_host((euclidean if pairwise_dist is None else pairwise_dist)(z, z)).astype(np.float64)[pairs]
    return DistanceRecovery(_correlation(latent, true[pairs]), _correlation(rankdata(latent), rankdata(true[pairs])))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return 0.0 if np.ptp(a) == 0.0 or np.ptp(b) == 0.0 else float(np.corrcoef(a, b)[0, 1])
