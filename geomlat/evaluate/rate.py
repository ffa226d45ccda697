"""Averages with their errors, the two halves of the bound apart, and the latent coordinates in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.manifolds import Torus


def mean_and_error(values: Any) -> tuple[float, float]:
    """The mean of ``(n,)`` values and its standard error over rows, ``s / sqrt(n)``; the error of one value is inf."""
    values = to_host(values).astype(np.float64)
    if values.ndim != 1 or not values.size:
        msg = f"values must be a non-empty vector, one number per row, got shape {values.shape}"
        raise ValueError(msg)
    error = values.std(ddof=1) / math.sqrt(values.size) if values.size > 1 else math.inf
    return float(values.mean()), float(error)


@dataclass(frozen=True)
class RateDistortion:
    """The evidence bound taken apart, in nats per row, each with its standard error over rows.

    ``distortion`` is the mean of ``-log p(x|z)``, ``rate`` the mean KL from posterior to prior, ``factor_rates`` the
    rate of each latent factor, and ``elbo = -distortion - rate``.
    """

    distortion: float
    distortion_error: float
    rate: float
    rate_error: float
    factor_rates: np.ndarray
    elbo: float
    elbo_error: float


def rate_distortion(nll: Any, rate: Any) -> RateDistortion:
    """Reconstruction and KL apart, from ``nll`` ``(n,)`` and ``rate`` ``(n,)`` or ``(n, factors)``, in nats.

    The error of the bound is taken over the rows' own sums, since the two parts are correlated.
    Reference: Alemi et al. (2018), "Fixing a Broken ELBO", eq. 4-5.
    """
    nll, rate = to_host(nll).astype(np.float64), to_host(rate).astype(np.float64)
    factors = rate[:, None] if rate.ndim == 1 else rate
    if nll.ndim != 1 or factors.ndim != 2 or len(factors) != len(nll):
        msg = f"nll must have shape (n,) and rate (n,) or (n, factors), got {nll.shape} and {rate.shape}"
        raise ValueError(msg)
    total = factors.sum(axis=1)
    return RateDistortion(
        *mean_and_error(nll),
        *mean_and_error(total),
        factors.mean(axis=0),
        *mean_and_error(-nll - total),
    )


def active_units(means: Any, threshold: float = 0.01) -> np.ndarray:
    """Which latent coordinates are in use, from the posterior means ``(n, coordinates)`` of a data set.

    Coordinate j is active where ``Var_x[E_q[z_j | x]] > threshold``; ``active_units(means).sum()`` is the number
    usually quoted. On a sphere the coordinates are those of the ambient space, and ``means`` are the means of the
    posterior (inside the ball), not its modes.
    Reference: Burda, Grosse and Salakhutdinov (2016), section 5.2.
    """
    means = to_host(means)
    if means.ndim != 2 or len(means) < 2:
        msg = f"means must have shape (n, coordinates) with n >= 2, got {means.shape}"
        raise ValueError(msg)
    active: np.ndarray = means.astype(np.float64).var(axis=0, ddof=1) > threshold
    return active


def factor_active_units(means: Any, manifold: Any, threshold: float = 0.01) -> list[int]:
    """The number of `active_units` in each factor of a latent space, from posterior means ``(n, coordinates)``.

    A `geomlat.manifolds.Product` has a number for each of its factors, any other manifold has one. The angles of a
    torus are taken about their mean direction: near half a turn a code that does not vary has values of both signs.

    >>> from geomlat.manifolds import Euclidean, Product, Sphere
    >>> means = np.random.default_rng(0).standard_normal((100, 5)) * np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    >>> factor_active_units(means, Product(Sphere(2), Euclidean(2)))
    [2, 1]
    """
    factors = getattr(manifold, "factors", (manifold,))
    parts = manifold.split(means) if hasattr(manifold, "factors") else (means,)
    opened = (_from_mean(a) if isinstance(f, Torus) else a for f, a in zip(factors, map(to_host, parts), strict=True))
    return [int(active_units(part.reshape(len(part), -1), threshold).sum()) for part in opened]


def _from_mean(angles: np.ndarray) -> np.ndarray:
    # The shortest way from the mean direction of each column.
    turned = np.exp(1j * angles.astype(np.float64))
    found: np.ndarray = np.angle(turned * turned.mean(axis=0).conj())
    return found
