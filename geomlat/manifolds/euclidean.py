"""Flat space R^n, the simplest manifold: every formula is exact and every pullback a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.manifolds.base import Array, SpaceForm, draw
from geomlat.manifolds.flat import Flat
from geomlat.manifolds.flat_rows import chords_row
from geomlat.manifolds.mean import MeanStatus
from geomlat.manifolds.vectors import all_pairs, compiled, length, store


@dataclass(frozen=True)
class Euclidean(Flat):
    """The space R^n with the dot product; points and tangents are arrays of shape ``(..., n)``.

    >>> Euclidean(2).dist(np.array([0.0, 0.0]), np.array([3.0, 4.0]))
    np.float64(5.0)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"Euclidean(n) needs n >= 1, got {self.n}"
            raise ValueError(msg)

    injectivity_radius = math.inf

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x + u``."""
        _, x, u = self._points(x, u)
        return store(x + u, out)

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``y - x``."""
        _, x, y = self._points(x, y)
        return store(y - x, out)

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``|x - y|``, by a scaled sum: right for differences from 1e-300 to 1e300."""
        xp, x, y = self._points(x, y)
        return store(length(xp, x - y), out)

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if not (compiled(x, y) and x.ndim == y.ndim == 2):
            return super().pairwise_dist(x, y, out=out)
        self._check_shape(x)
        self._check_shape(y)
        return all_pairs(chords_row, x, y, out=out)

    def project(self, x: Array, /) -> Array:
        """``x`` itself, in a fresh array."""
        xp, x = self._points(x)
        return xp.asarray(x, copy=True)

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """One, flat and open."""
        return (SpaceForm(1, self.n, 0.0, math.inf),), super().space_forms_vjp()[1]

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether every coordinate is finite."""
        xp, x = self._points(x)
        return xp.all(xp.isfinite(x), axis=-1)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Standard normal points."""
        return draw((*shape, self.n), rng=rng, like=like)

    def mean(self, points: Array, weights: Array | None = None, /) -> tuple[Array, MeanStatus]:
        """The weighted arithmetic mean over the axis before the last; always converged."""
        return self.mean_vjp(points, weights)[0]

    def _mean(self, xp: Any, points: Array, w: Array) -> tuple[Array, MeanStatus]:
        y = xp.sum(w[..., None] * points, axis=-2)
        residual = 0 * y[..., 0]
        return y, MeanStatus(residual == 0, residual, 0)
