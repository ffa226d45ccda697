"""The metric that a submanifold of R^m takes from the dot product."""

from __future__ import annotations

from typing import Any

from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Manifold, Pull
from geomlat.manifolds.vectors import batch_shape, direction, dot, length, spread


class Embedded(Manifold):
    """A manifold whose points are vectors and whose metric is the dot product."""

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """``sum(u v)``."""
        xp, x, u, v = self._points(x, u, v)
        return spread(xp, dot(xp, u, v), batch_shape(x, u, v))

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(None, du, dv)``."""
        _, x, u, v = self._points(x, u, v)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None, None
            return None, sum_to(dy[..., None] * v, u.shape), sum_to(dy[..., None] * u, v.shape)

        return self.inner(x, u, v), pull

    def norm(self, x: Array, u: Array, /) -> Array:
        """``|u|``."""
        xp, x, u = self._points(x, u)
        return spread(xp, length(xp, u), batch_shape(x, u))

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(None, du)``; zero at ``u = 0``."""
        xp, x, u = self._points(x, u)

        def pull(dr: Any) -> tuple[Any, ...]:
            if dr is None:
                return None, None
            return None, sum_to(dr[..., None] * direction(xp, u, length(xp, u)), u.shape)

        return self.norm(x, u), pull
