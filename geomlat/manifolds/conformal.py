"""The metric of stereographic coordinates: a multiple of the dot product at every point."""

from __future__ import annotations

from typing import Any

import array_api_compat

from geomlat.backends import is_host, is_scalar, namespace
from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Manifold, Pull
from geomlat.manifolds.gyro import conformal, conformal_pull
from geomlat.manifolds.vectors import batch_shape, direction, dot, length, spread


class Conformal(Manifold):
    """R^n or a ball of it with the metric ``(2 / A)^2 |dx|^2``, ``A = 1 + K |x|^2``: what needs no geodesic."""

    n: int
    curvature: Any

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension n."""
        return self.n

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n,)``."""
        return (self.n,)

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """``(2 / A)^2 sum(u v)``."""
        xp, x, u, v, k = self._operands(x, u, v)
        scale = (2 / conformal(xp, k, x))[..., None]
        return dot(xp, scale * u, scale * v)

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(dx, du, dv, dK)``."""
        xp, x, u, v, k = self._operands(x, u, v)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None, None, *self._field(None)
            a = conformal(xp, k, x)
            g = dy * 4 / (a * a)
            dx, dk = conformal_pull(xp, k, x, -2 * g * dot(xp, u, v) / a)
            du, dv = g[..., None] * v, g[..., None] * u
            return sum_to(dx, x.shape), sum_to(du, u.shape), sum_to(dv, v.shape), *self._field(xp.sum(dk))

        return self.inner(x, u, v), pull

    def norm(self, x: Array, u: Array, /) -> Array:
        """``2 |u| / A``."""
        xp, x, u, k = self._operands(x, u)
        return 2 * length(xp, u) / conformal(xp, k, x)

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(dx, du, dK)``; the part across u is zero at ``u = 0``."""
        xp, x, u, k = self._operands(x, u)

        def pull(dr: Any) -> tuple[Any, ...]:
            if dr is None:
                return None, None, *self._field(None)
            a, r = conformal(xp, k, x), length(xp, u)
            g = 2 * dr / a
            dx, dk = conformal_pull(xp, k, x, -g * r / a)
            return sum_to(dx, x.shape), sum_to(g[..., None] * direction(xp, u, r), u.shape), *self._field(xp.sum(dk))

        return self.norm(x, u), pull

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """``u`` itself."""
        xp, x, u = self._points(x, u)
        return spread(xp, u, (*batch_shape(x, u), self.n))

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(None, du, None)``."""
        _, x, u = self._points(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            return None, None if dv is None else sum_to(dv, u.shape), *self._field(None)

        return self.to_tangent(x, u), pull

    def egrad_to_rgrad(self, x: Array, g: Array, /) -> Array:
        """``(A / 2)^2 g``."""
        return self._scaled(x, g, 2)

    def egrad_to_rgrad_vjp(self, x: Array, g: Array, /) -> tuple[Array, Pull]:
        """`egrad_to_rgrad` and the pull to ``(dx, dg, dK)``."""
        return self._scaled_vjp(x, g, 2)

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """``(2 / A) u``: the axes themselves are an orthogonal frame."""
        return self._scaled(x, u, -1)

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du, dK)``."""
        return self._scaled_vjp(x, u, -1)

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """``(A / 2) c``."""
        self._point_and_coordinates(x, c)
        return self._scaled(x, c, 1)

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc, dK)``."""
        self._point_and_coordinates(x, c)
        return self._scaled_vjp(x, c, 1)

    def _scaled(self, x: Array, u: Array, power: int) -> Array:
        xp, x, u, k = self._operands(x, u)
        return ((conformal(xp, k, x) / 2) ** power)[..., None] * u

    def _scaled_vjp(self, x: Array, u: Array, power: int) -> tuple[Array, Pull]:
        xp, x, u, k = self._operands(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None, *self._field(None)
            a = conformal(xp, k, x)
            scale = (a / 2) ** power
            dx, dk = conformal_pull(xp, k, x, power * scale / a * dot(xp, u, dv))
            return sum_to(dx, x.shape), sum_to(scale[..., None] * dv, u.shape), *self._field(xp.sum(dk))

        return self._scaled(x, u, power), pull

    def _field(self, dk: Array | None) -> tuple[Any, ...]:
        # The cotangents of the array fields.
        return (dk,)

    def _operands(self, *points: Array) -> tuple[Any, ...]:
        # The namespace, the points and tangents in one dtype, and the curvature in it.
        xp, *arrays = self._points(*points)
        return (xp, *arrays, self.number(xp, arrays[0]))

    def number(self, xp: Any, like: Array) -> Array:
        """The curvature as a 0-d array of the dtype and on the device of ``like``."""
        k = self.curvature
        if is_scalar(k) or is_host(k):
            return xp.asarray(float(k), dtype=like.dtype, device=array_api_compat.device(like))
        namespace(like, k)
        return xp.astype(k, like.dtype, copy=False)
