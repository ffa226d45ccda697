"""The rotations of the plane and of space as matrices, accurate from angles of 1e-300 up to half a turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import Kernel, namespace, rows
from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Manifold, Pull, SpaceForm, constant, draw
from geomlat.manifolds.radial import dlog_sinc, log_sinc, sinc
from geomlat.manifolds.rotation_rows import angle_row, angles_row, carry_row, nearest_row, rotate_row, velocity_row
from geomlat.manifolds.rotations import (
    across,
    angle,
    beyond,
    eye,
    flat,
    half,
    half_pull,
    hat,
    nearest,
    radial_pull,
    relative,
    relative_pull,
    spin,
    turned,
    turned_pull,
    vee,
)
from geomlat.manifolds.vectors import batch_shape, by_rows, check_out, compiled, direction, dot, length, spread, store


@dataclass(frozen=True)
class SpecialOrthogonal(Manifold):
    """The group SO(n) of rotation matrices, n = 2 or 3, with the bi-invariant metric whose distance is the angle.

    Points have shape ``(..., n, n)``; tangents at R are the ambient matrices ``R Omega``, Omega antisymmetric, with
    ``<U, V> = tr(U^T V) / 2``. Coordinates at R are the entries of the rotation vector of Omega. The cut locus of R are
    the rotations by half a turn from it, at distance pi: there `log` takes either sign of the axis, the opposite one if
    its arguments are exchanged, and all pullbacks are finite.

    >>> so = SpecialOrthogonal(3)
    >>> so.dist(np.eye(3), np.diag([-1.0, -1.0, 1.0]))
    np.float64(3.141592653589793)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n not in (2, 3):
            msg = f"SpecialOrthogonal(n) has n = 2 or n = 3, got {self.n}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """``n (n - 1) / 2``."""
        return self.n * (self.n - 1) // 2

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n, n)``."""
        return (self.n, self.n)

    injectivity_radius = math.pi

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x + x (sin(t) / t K + (1 - cos(t)) / t^2 K^2)``: K the antisymmetric part of ``x^T u``, t its angle."""
        if self.n == 3 and compiled(x, u):
            return self._rows(rotate_row, x, u, out=out)
        xp, x, u = self._points(x, u)
        c = vee(xp, across(xp, x, u))
        r, k = length(xp, c)[..., None, None], hat(xp, c)
        return store(x + xp.matmul(x, sinc(r) * k + 0.5 * sinc(r / 2) ** 2 * xp.matmul(k, k)), out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            c = vee(xp, across(xp, x, u))
            r, k = length(xp, c), hat(xp, c)
            a, b, e = sinc(r), 0.5 * sinc(r / 2) ** 2, direction(xp, c, r)
            unit = hat(xp, e)
            n = a[..., None, None] * k + b[..., None, None] * xp.matmul(k, k)
            dn = across(xp, x, dy)
            straight, bent = vee(xp, dn), vee(xp, xp.matmul(dn, k) + xp.matmul(k, dn))
            along = 2 * (xp.cos(r) - a) * dot(xp, straight, e)
            along = along + (xp.sin(r) - 2 * r * b) * xp.sum(dn * xp.matmul(unit, unit), axis=(-2, -1))
            dk = hat(xp, a[..., None] * straight - b[..., None] * bent + 0.5 * along[..., None] * e)
            dx = dy + beyond(xp, dy, n) + beyond(xp, u, dk)
            return sum_to(dx, x.shape), sum_to(xp.matmul(x, dk), u.shape)

        return self.exp(x, u), pull

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``x hat(t a)``, t the angle of ``x^T y`` and a its axis: from its symmetric part where t exceeds 2 pi / 3."""
        if self.n == 3 and compiled(x, y):
            return self._rows(velocity_row, x, y, out=out)
        xp, x, y = self._points(x, y)
        t, _, e = angle(xp, relative(xp, x, y))
        return store(xp.matmul(x, hat(xp, 2 * t[..., None] * e)), out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``; smooth at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            turn = relative(xp, x, y)
            t, s, e = angle(xp, turn)
            dc = 2 * vee(xp, across(xp, x, du))
            along, at_zero = dot(xp, dc, e), s == 0
            ratio = xp.where(at_zero, xp.ones_like(s), t / xp.where(at_zero, xp.ones_like(s), s))
            dp = 2 * (ratio[..., None] * dc + ((turn.w - ratio) * along)[..., None] * e)
            dx, dy = relative_pull(xp, turn, x, y, -2 * s * along, dp)
            dx = dx + beyond(xp, du, hat(xp, 2 * t[..., None] * e))
            return sum_to(dx, x.shape), sum_to(dy, y.shape)

        return self.log(x, y), pull

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """The angle of ``x^T y``: ``2 atan2(|p|, w)`` of its quaternion, where an arc cosine loses half the digits."""
        if self.n == 3 and compiled(x, y):
            return self._rows(angle_row, x, y, out=out, event=0)
        xp, x, y = self._points(x, y)
        return store(2 * angle(xp, relative(xp, x, y))[0], out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``; zero at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None
            turn = relative(xp, x, y)
            _, s, e = angle(xp, turn)
            dx, dy = relative_pull(xp, turn, x, y, -2 * dd * s, (2 * dd * turn.w)[..., None] * e)
            return sum_to(dx, x.shape), sum_to(dy, y.shape)

        return self.dist(x, y), pull

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if not (self.n == 3 and compiled(x, y) and x.ndim == y.ndim == 3):
            return super().pairwise_dist(x, y, out=out)
        self._check_shape(x)
        self._check_shape(y)
        if out is None:
            out = namespace(x).empty((x.shape[0], y.shape[0]), dtype=x.dtype)
        check_out(out, (x.shape[0], y.shape[0]), x.dtype)
        angles_row(x.shape[0], rows(x, x.shape[:1], 2), rows(y, y.shape[:1], 2), out)
        return out

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """``sum(u v) / 2``."""
        xp, x, u, v = self._points(x, u, v)
        return spread(xp, xp.sum(u * v, axis=(-2, -1)) / 2, batch_shape(x, u, v, events=2))

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(None, du, dv)``."""
        _, x, u, v = self._points(x, u, v)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None, None
            dy = dy[..., None, None] / 2
            return None, sum_to(dy * v, u.shape), sum_to(dy * u, v.shape)

        return self.inner(x, u, v), pull

    def norm(self, x: Array, u: Array, /) -> Array:
        """``|u| / sqrt(2)``: an angular velocity."""
        xp, x, u = self._points(x, u)
        return spread(xp, length(xp, flat(xp, u)) / math.sqrt(2), batch_shape(x, u, events=2))

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(None, du)``; zero at ``u = 0``."""
        xp, x, u = self._points(x, u)

        def pull(dr: Any) -> tuple[Any, ...]:
            return None, None if dr is None else sum_to(radial_pull(xp, u, dr / math.sqrt(2)), u.shape)

        return self.norm(x, u), pull

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x H x^T u H``, H half the rotation from x to y."""
        if self.n == 3 and compiled(x, y, u):
            return self._rows(carry_row, x, y, u, out=out)
        xp, x, y, u = self._points(x, y, u)
        n = turned(xp, *half(xp, relative(xp, x, y))[:2])
        g = across(xp, x, u)
        g = g + xp.matmul(n, g)
        return store(xp.matmul(x, g + xp.matmul(g, n)), out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du)``."""
        xp, x, y, u = self._points(x, y, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None, None
            turn = relative(xp, x, y)
            h = half(xp, turn)
            n, g = turned(xp, *h[:2]), across(xp, x, u)
            first = g + xp.matmul(n, g)
            last, d = g + xp.matmul(g, n), across(xp, x, dv)
            dn = beyond(xp, d, last) + across(xp, first, d)
            dx, dy = relative_pull(xp, turn, x, y, *half_pull(xp, h, *turned_pull(xp, *h[:2], dn)))
            d = d + across(xp, n, d)
            dg = d + beyond(xp, d, n)
            dx = dx + beyond(xp, dv, first + xp.matmul(first, n)) + beyond(xp, u, dg)
            return sum_to(dx, x.shape), sum_to(dy, y.shape), sum_to(xp.matmul(x, dg), u.shape)

        return self.transport(x, y, u), pull

    def project(self, x: Array, /) -> Array:
        """The rotation R with the largest ``tr(R^T x)``, the nearest to x, by its quaternion (Davenport 1968).

        One of them where there are several: the two smaller singular values cancel, det x < 0; the origin for zero.
        """
        if self.n == 3 and compiled(x):
            return self._rows(nearest_row, x, out=None)
        xp, x = self._points(x)
        y = eye(xp, self.n, x) + turned(xp, *nearest(xp, x))
        return xp.where(xp.all(x == 0, axis=(-2, -1), keepdims=True), self.origin(like=x), y)

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx,)``; zero where there are several.

        From ``R^T dx - dx^T R = P W + W P`` with ``P = R^T x`` and ``dR = R W``: ``(tr P - P) w`` in vectors.
        """
        xp, x = self._points(x)
        y = self.project(x)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return (None,)
            p, h = across(xp, y, x), 2 * vee(xp, across(xp, y, dy))
            return (xp.matmul(y, hat(xp, spin(xp, p, h))),)

        return y, pull

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """``x (x^T u - u^T x) / 2``."""
        xp, x, u = self._points(x, u)
        return xp.matmul(x, hat(xp, vee(xp, across(xp, x, u))))

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None
            s, ds = (hat(xp, vee(xp, across(xp, x, a))) for a in (u, dv))
            dx = beyond(xp, dv, s) + beyond(xp, u, ds)
            return sum_to(dx, x.shape), sum_to(xp.matmul(x, ds), u.shape)

        return self.to_tangent(x, u), pull

    def retract(self, x: Array, u: Array, /) -> Array:
        """``x`` times the rotation with quaternion ``(1, c / 2)`` normalised, c the coordinates of u (Cayley)."""
        xp, x, u = self._points(x, u)
        h = self._cayley(xp, vee(xp, across(xp, x, u)))
        return x + xp.matmul(x, turned(xp, *h[:2]))

    def retract_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`retract` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            w, p, size = self._cayley(xp, vee(xp, across(xp, x, u)))
            dw, dp = turned_pull(xp, w, p, across(xp, x, dy))
            dc = (dp - (w * dw + dot(xp, p, dp))[..., None] * p) / (2 * size[..., None])
            dk = hat(xp, dc / 2)
            dx = dy + beyond(xp, dy, turned(xp, w, p)) + beyond(xp, u, dk)
            return sum_to(dx, x.shape), sum_to(xp.matmul(x, dk), u.shape)

        return self.retract(x, u), pull

    def egrad_to_rgrad(self, x: Array, g: Array, /) -> Array:
        """Twice `to_tangent`: the metric is half the ambient one."""
        return 2 * self.to_tangent(x, g)

    def egrad_to_rgrad_vjp(self, x: Array, g: Array, /) -> tuple[Array, Pull]:
        """`egrad_to_rgrad` and the pull to ``(dx, dg)``."""
        v, pull_tangent = self.to_tangent_vjp(x, g)

        def pull(dv: Any) -> tuple[Any, ...]:
            return pull_tangent(None if dv is None else 2 * dv)

        return 2 * v, pull

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """``log((2 - 2 cos t) / t^2)`` for n = 3, t the length of u; zero for n = 2."""
        xp, x, u = self._points(x, u)
        r = length(xp, flat(xp, u)) / math.sqrt(2)
        return spread(xp, (self.dim - 1) * log_sinc(r / 2), batch_shape(x, u, events=2))

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(None, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dl: Any) -> tuple[Any, ...]:
            if dl is None:
                return None, None
            r = length(xp, flat(xp, u)) / math.sqrt(2)
            dr = (self.dim - 1) * dlog_sinc(r / 2) * dl / (2 * math.sqrt(2))
            return None, sum_to(radial_pull(xp, u, dr), u.shape)

        return self.logdet_exp(x, u), pull

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """The vector of the antisymmetric part of ``x^T u``: the angular velocity in the rotated frame."""
        xp, x, u = self._points(x, u)
        return vee(xp, across(xp, x, u))

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dc: Any) -> tuple[Any, ...]:
            if dc is None:
                return None, None
            dk = hat(xp, dc / 2)
            return sum_to(beyond(xp, u, dk), x.shape), sum_to(xp.matmul(x, dk), u.shape)

        return self.to_coordinates(x, u), pull

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """``x hat(c)``."""
        xp, x, c = self._point_and_coordinates(x, c)
        return xp.matmul(x, hat(xp, c))

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc)``."""
        xp, x, c = self._point_and_coordinates(x, c)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            dc = 2 * vee(xp, across(xp, x, du))
            return sum_to(beyond(xp, du, hat(xp, c)), x.shape), sum_to(dc, c.shape)

        return self.from_coordinates(x, c), pull

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether every entry is within ``atol`` of that of the nearest rotation."""
        xp, x = self._points(x)
        gap = xp.max(xp.abs(flat(xp, self.project(x) - x)), axis=-1)
        return gap <= (100 * float(xp.finfo(x.dtype).eps) if atol is None else atol)

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """The unit matrix."""
        return constant(np.eye(self.n), (*shape, self.n, self.n), like)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Uniform rotations (Haar measure), from uniform quaternions."""
        q = draw((*shape, self.dim + 1), rng=rng, like=like)
        xp = namespace(q)
        q = direction(xp, q, length(xp, q))
        return eye(xp, self.n, q) + turned(xp, q[..., 0], q[..., 1:])

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """A circle for n = 2; for n = 3 curvature 1/4, half of a sphere of radius 2 with opposite points identified."""
        return (SpaceForm(1, self.dim, 0.25 * (self.n - 2), 2 * math.pi),), super().space_forms_vjp()[1]

    def _curving(self, r: Array) -> Array:
        return namespace(r).cos(r / 2) / sinc(r / 2)

    def _rows(self, loop: Kernel, *arrays: Array, out: Array | None, event: int = 1) -> Array:
        # A row kernel over matrices.
        for a in arrays:
            self._check_shape(a)
        shape = batch_shape(*arrays, events=2)
        if out is not None:
            check_out(out, shape + self.ambient_shape * event, arrays[0].dtype)
            out = out.reshape((*shape, 9)) if event else out
        y = by_rows(loop, *(a.reshape((*a.shape[:-2], 9)) for a in arrays), out=out, event=event)
        return y.reshape(shape + self.ambient_shape) if event else y

    def _cayley(self, xp: Any, c: Array) -> tuple[Array, Array, Array]:
        # The unit quaternion of (1, c / 2), and what it was divided by.
        s = length(xp, c / 2)
        size = xp.hypot(xp.ones_like(s), s)
        return 1 / size, c / (2 * size[..., None]), size
