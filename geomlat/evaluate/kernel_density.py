"""The kernel density estimate on a sphere, the simplest rival of a trained density.

    log p(x) = log mean over i of vMF(x; x_i, kappa)

Hall, Watson, Cabrera (1987), "Kernel density estimation with spherical data", eq. 1.1.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from geomlat.distributions import VonMisesFisher

Array = Any
_PAIRS = 1 << 22


class SphericalKernelDensity:
    """A von Mises-Fisher law at every training point, of one concentration that held-out points choose.

    Parameters
    ----------
    kappa
        The concentration; None chooses it in `fit`.
    """

    def __init__(self, kappa: float | None = None) -> None:
        self.kappa = kappa

    def fit(self, X: Array, validation: Array | None = None) -> Self:
        """Keep the unit vectors ``X`` ``(n, m)``, and the concentration, ``kappa_``, that is best for ``validation``.

        Between 1 and 1e6, by Brent's bounded search in its logarithm, for one maximum.

        Raises
        ------
        ValueError
            If there is neither a concentration nor a validation point.
        """
        if self.kappa is None and (validation is None or len(validation) == 0):
            msg = "SphericalKernelDensity needs kappa=, or validation points to choose it by"
            raise ValueError(msg)
        self.points_ = np.asarray(X, dtype=np.float64)
        self.kappa_ = self._best(validation) if self.kappa is None else self.kappa
        return self

    def score_samples(self, X: Array) -> Array:
        """The log-density of each row of ``X``, with respect to the surface measure."""
        return self._log_prob(np.asarray(X, dtype=np.float64), self.kappa_)

    def score(self, X: Array) -> float:
        """The mean log-density of the rows."""
        return float(self.score_samples(X).mean())

    def _best(self, validation: Array) -> float:
        from scipy.optimize import minimize_scalar

        x = np.asarray(validation, dtype=np.float64)
        found = minimize_scalar(
            lambda log_kappa: -float(self._log_prob(x, math.exp(log_kappa)).mean()),
            bounds=(0.0, math.log(1e6)),
            method="bounded",
            options={"xatol": 0.02},
        )
        return math.exp(found.x)

    def _log_prob(self, x: Array, kappa: float) -> Array:
        rows = max(1, _PAIRS // len(self.points_))
        law = VonMisesFisher(np.array([1.0] + [0.0] * (x.shape[1] - 1)), kappa)
        top = float(law.log_prob(law.mu))
        found = []
        for start in range(0, len(x), rows):
            gap = kappa * (x[start : start + rows] @ self.points_.T - 1.0)
            best = gap.max(axis=1)
            found.append(best + np.log(np.exp(gap - best[:, None]).mean(axis=1)))
        return np.concatenate(found) + top
