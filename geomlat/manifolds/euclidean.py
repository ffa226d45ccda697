"""Flat space R^n, the simplest manifold: every formula is exact and every pullback a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Pull, constant, draw
from geomlat.manifolds.embedded import Embedded
from geomlat.manifolds.mean import MeanStatus, normalised
from geomlat.manifolds.vectors import batch_shape, direction, dot, length, spread, store


@dataclass(frozen=True)
class Euclidean(Embedded):
    """The space R^n with the dot product; points and tangents are arrays of shape ``(..., n)``.

    >>> Euclidean(2).dist(np.array([0.0, 0.0]), np.array([3.0, 4.0]))
    np.float64(5.0)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"Euclidean(n) needs n >= 1, got {self.n}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension n."""
        return self.n

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n,)``."""
        return (self.n,)

    injectivity_radius = math.inf

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x + u``."""
        _, x, u = self._points(x, u)
        return store(x + u, out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        _, x, u = self._points(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            return (None, None) if dy is None else (sum_to(dy, x.shape), sum_to(dy, u.shape))

        return self.exp(x, u), pull

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``y - x``."""
        _, x, y = self._points(x, y)
        return store(y - x, out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``."""
        _, x, y = self._points(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            return (None, None) if du is None else (sum_to(-du, x.shape), sum_to(du, y.shape))

        return self.log(x, y), pull

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``|x - y|``, by a scaled sum: right for differences from 1e-300 to 1e300."""
        xp, x, y = self._points(x, y)
        return store(length(xp, x - y), out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``; zero at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None
            g = dd[..., None] * direction(xp, x - y, length(xp, x - y))
            return sum_to(g, x.shape), sum_to(-g, y.shape)

        return self.dist(x, y), pull

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``u`` itself."""
        xp, x, y, u = self._points(x, y, u)
        return store(spread(xp, u, (*batch_shape(x, y, u), self.n)), out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(None, None, du)``."""
        _, x, y, u = self._points(x, y, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            return None, None, None if dv is None else sum_to(dv, u.shape)

        return self.transport(x, y, u), pull

    def project(self, x: Array, /) -> Array:
        """``x`` itself, in a fresh array."""
        xp, x = self._points(x)
        return xp.asarray(x, copy=True)

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx,)``."""

        def pull(dy: Any) -> tuple[Any, ...]:
            return (dy,)

        return self.project(x), pull

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """``u`` itself."""
        xp, x, u = self._points(x, u)
        return spread(xp, u, (*batch_shape(x, u), self.n))

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(None, du)``."""
        _, x, u = self._points(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            return None, None if dv is None else sum_to(dv, u.shape)

        return self.to_tangent(x, u), pull

    retract, retract_vjp = exp, exp_vjp
    egrad_to_rgrad, egrad_to_rgrad_vjp = to_tangent, to_tangent_vjp
    to_coordinates, to_coordinates_vjp = to_tangent, to_tangent_vjp
    from_coordinates, from_coordinates_vjp = to_tangent, to_tangent_vjp

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """Zero: the differential of a translation."""
        xp, x, u = self._points(x, u)
        return spread(xp, 0 * u[..., 0], batch_shape(x, u))

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(None, None)``."""

        def pull(dy: Any) -> tuple[Any, ...]:
            return None, None

        return self.logdet_exp(x, u), pull

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether every coordinate is finite."""
        xp, x = self._points(x)
        return xp.all(xp.isfinite(x), axis=-1)

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """Zero."""
        return constant(np.zeros(self.n), (*shape, self.n), like)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Standard normal points."""
        return draw((*shape, self.n), rng=rng, like=like)

    def mean(self, points: Array, weights: Array | None = None, /) -> tuple[Array, MeanStatus]:
        """The weighted arithmetic mean over the axis before the last; always converged."""
        return self.mean_vjp(points, weights)[0]

    def mean_vjp(self, points: Array, weights: Array | None = None, /) -> tuple[tuple[Array, Any], Pull]:
        """`mean` and the pull to ``(dpoints, dweights)``."""
        xp, points, *given = self._points(points, scalars=() if weights is None else (weights,))
        w = normalised(xp, points, given[0] if given else None, 1)
        y = xp.sum(w[..., None] * points, axis=-2)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            dpoints = sum_to(w[..., None] * dy[..., None, :], points.shape)
            if not given:
                return dpoints, None
            dw = dot(xp, points - y[..., None, :], dy[..., None, :])
            total = xp.sum(xp.broadcast_to(given[0], w.shape), axis=-1, keepdims=True)
            return dpoints, sum_to(dw / total, given[0].shape)

        residual = 0 * y[..., 0]
        return (y, MeanStatus(residual == 0, residual, 0)), pull
