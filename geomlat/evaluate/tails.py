"""The histogram of log-likelihoods over the rows of a test set, in numbers; bits per dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Tails:
    """How the log-likelihoods of rows spread: a mean alone hides a few rows that a model cannot explain.

    Parameters
    ----------
    mean, sd
        Over the rows, in nats.
    skewness
        ``E[(l - mean)^3] / sd^3``: 0 for a symmetric histogram, negative for a long tail of badly explained rows.
    quantiles
        The values at the shares ``LEVELS``: 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99.
    share_below
        The share of rows below ``mean - 2 sd``; 0.0228 for a normal histogram.
    """

    mean: float
    sd: float
    skewness: float
    quantiles: tuple[float, ...]
    share_below: float


def tails(log_p: Any) -> Tails:
    """The tail measures of log-likelihoods ``(n,)``, n >= 2.

    >>> tails([-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -9.0]).share_below
    0.14285714285714285

    Raises
    ------
    ValueError
        For another shape, or fewer than two numbers.
    """
    values = to_host(np.asarray(log_p) if isinstance(log_p, list | tuple) else log_p).astype(np.float64)
    if values.ndim != 1 or values.size < 2:
        msg = f"tails needs a vector of two numbers at least, one for each row, got shape {values.shape}"
        raise ValueError(msg)
    mean, sd = values.mean(), values.std()
    skewness = ((values - mean) ** 3).mean() / sd**3 if sd > 0.0 else 0.0
    quantiles = tuple(float(q) for q in np.quantile(values, LEVELS))
    return Tails(float(mean), float(sd), float(skewness), quantiles, float((values < mean - 2.0 * sd).mean()))


def bits_per_dimension(log_p: Any, n_features: int) -> Any:
    """``-log_p / (n_features log 2)``, of numbers or arrays in nats.

    It is the length of a lossless code for levels, 0 .. 255 say, under a law of those levels: at most 8 for 256 levels
    of the same chance. Of a density of real values, or a cross-entropy, it is not.
    """
    return -log_p / (n_features * math.log(2.0))
