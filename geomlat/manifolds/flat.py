"""What flat space and the flat torus share: transport is the identity and the exponential map a translation."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Pull, constant
from geomlat.manifolds.embedded import Embedded
from geomlat.manifolds.mean import MeanStatus, normalised
from geomlat.manifolds.vectors import batch_shape, direction, dot, length, spread, store


class Flat(Embedded):
    """A manifold of dimension n whose points are n coordinates and whose metric is the dot product everywhere."""

    n: int

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension n."""
        return self.n

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n,)``."""
        return (self.n,)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        _, x, u = self._points(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            return (None, None) if dy is None else (sum_to(dy, x.shape), sum_to(dy, u.shape))

        return self.exp(x, u), pull

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``."""
        _, x, y = self._points(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            return (None, None) if du is None else (sum_to(-du, x.shape), sum_to(du, y.shape))

        return self.log(x, y), pull

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``; zero at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None
            u = self.log(x, y)
            g = dd[..., None] * direction(xp, u, length(xp, u))
            return sum_to(-g, x.shape), sum_to(g, y.shape)

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

    egrad_to_rgrad, egrad_to_rgrad_vjp = to_tangent, to_tangent_vjp
    to_coordinates, to_coordinates_vjp = to_tangent, to_tangent_vjp
    from_coordinates, from_coordinates_vjp = to_tangent, to_tangent_vjp

    def retract(self, x: Array, u: Array, /) -> Array:
        """`exp` itself."""
        return self.exp(x, u)

    def retract_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp_vjp` itself."""
        return self.exp_vjp(x, u)

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """Zero: the differential of a translation."""
        xp, x, u = self._points(x, u)
        return spread(xp, 0 * u[..., 0], batch_shape(x, u))

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(None, None)``."""

        def pull(dy: Any) -> tuple[Any, ...]:
            return None, None

        return self.logdet_exp(x, u), pull

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """Zero."""
        return constant(np.zeros(self.n), (*shape, self.n), like)

    def mean_vjp(self, points: Array, weights: Array | None = None, /) -> tuple[tuple[Array, Any], Pull]:
        """`mean` and the pull to ``(dpoints, dweights)``."""
        xp, points, *given = self._points(points, scalars=() if weights is None else (weights,))
        w = normalised(xp, points, given[0] if given else None, 1)
        y, status = self._mean(xp, points, w)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            dpoints = sum_to(w[..., None] * dy[..., None, :], points.shape)
            if not given:
                return dpoints, None
            dw = dot(xp, self.log(y[..., None, :], points), dy[..., None, :])
            total = xp.sum(xp.broadcast_to(given[0], w.shape), axis=-1, keepdims=True)
            return dpoints, sum_to(dw / total, given[0].shape)

        return (y, status), pull

    def _mean(self, xp: Any, points: Array, w: Array) -> tuple[Array, MeanStatus]:
        # The mean under normalised weights of shape (..., k).
        raise NotImplementedError
