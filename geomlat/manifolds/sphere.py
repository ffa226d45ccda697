"""The unit sphere S^n in R^(n+1), accurate from distances of 1e-300 up to the antipode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.manifolds import sphere_pairs
from geomlat.manifolds.base import Array, Pull, SpaceForm, constant, draw
from geomlat.manifolds.embedded import Embedded
from geomlat.manifolds.radial import dlog_sinc, log_sinc, sinc
from geomlat.manifolds.sphere_rows import FAR, dist_row, exp_row, log_row, tangent_row, transport_row
from geomlat.manifolds.sphere_triples import dist3_row, exp3_row, log3_row
from geomlat.manifolds.vectors import batch_shape, by_rows, compiled, direction, dot, length, spread, store


@dataclass(frozen=True)
class Sphere(Embedded):
    """The unit sphere of dimension n with the metric of R^(n+1); points and tangents have shape ``(..., n + 1)``.

    The cut locus of x is -x. There `log` has length pi in a fixed direction (the first axis, or the second where the
    first is within 37 degrees of x, made tangent), `transport` follows the same geodesic, and the pullbacks are finite:
    they keep only what does not diverge. ``Sphere(0)`` is the pair of points -1 and 1, at distance pi.

    >>> s = Sphere(2)
    >>> s.dist(np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])) * 2
    np.float64(3.141592653589793)
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            msg = f"Sphere(n) needs n >= 0, got {self.n}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension n."""
        return self.n

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n + 1,)``."""
        return (self.n + 1,)

    injectivity_radius = math.pi

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``cos(r) x + (sin(r) / r) u`` with ``r = |u|``."""
        if compiled(x, u):
            self._check_shape(x)
            self._check_shape(u)
            return by_rows(exp_row, x, u, out=out, triples=exp3_row)
        xp, x, u = self._points(x, u)
        r = length(xp, u)[..., None]
        return store(xp.cos(r) * x + sinc(r) * u, out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            r = length(xp, u)
            c, s, e = xp.cos(r)[..., None], sinc(r)[..., None], direction(xp, u, r)
            along = (c - s) * dot(xp, dy, e)[..., None] * e
            du = s * dy + along - s * dot(xp, dy, x)[..., None] * u
            return sum_to(c * dy, x.shape), sum_to(du, u.shape)

        return self.exp(x, u), pull

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``theta v / |v|`` with ``v = y - (<x, y> / <x, x>) x`` and ``theta = atan2(|v|, <x, y>)``.

        v is the projection of y - x, or of y + x in the far half, so that nothing cancels near x and near -x.
        """
        if compiled(x, y):
            self._check_shape(x)
            self._check_shape(y)
            return by_rows(log_row, x, y, out=out, triples=log3_row)
        xp, x, y = self._points(x, y)
        c, _, v, s = _opposite(xp, x, y)
        e = direction(xp, v, s)
        e = xp.where(((s == 0) & (c < 0))[..., None], _fallback(xp, x), e)
        return store(xp.atan2(s, c)[..., None] * e, out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``; smooth at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            c, xx, v, s = _opposite(xp, x, y)
            e, cut = direction(xp, v, s), s < xp.finfo(s.dtype).smallest_normal
            e = xp.where((cut & (c < 0))[..., None], _fallback(xp, x), e)
            across = xp.where(cut, xp.where(c > 0, xp.ones_like(c), xp.zeros_like(c)), xp.atan2(s, c))
            across = across / xp.where(cut, xp.where(c > 0, c, xp.ones_like(c)), s)
            rest, along = s * s + c * c, dot(xp, du, e)
            dv = across[..., None] * du + ((c / rest - across) * along)[..., None] * e
            xdv = dot(xp, x, dv)
            dc = -(along * s / rest + xdv / xx)[..., None]
            dx = dc * y - (c / xx)[..., None] * dv + (2 * xdv * c / (xx * xx))[..., None] * x
            return sum_to(dx, x.shape), sum_to(dv + dc * x, y.shape)

        return self.log(x, y), pull

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``2 atan2(|x - y|, |x + y|)`` (Kahan 2006), where an arc cosine loses half the digits near 0 and near pi.

        From both squares ``d^2`` is taken, ``d = <x - y, x + y> / 2``: what the rounding of the points' lengths adds.
        """
        if compiled(x, y):
            self._check_shape(x)
            self._check_shape(y)
            return by_rows(dist_row, x, y, out=out, event=0, triples=dist3_row)
        xp, x, y = self._points(x, y)
        near, far = _chords(xp, x, y)[:2]
        return store(2 * xp.atan2(near, far), out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``; the diverging part is zero at ``x = y`` and at ``x = -y``."""
        xp, x, y = self._points(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None
            near, far, minus, plus, low, high = _chords(xp, x, y)
            g = 2 * dd / (near * near + far * far)
            p, q = (g * far)[..., None], (g * near)[..., None]
            dx = p * (minus - low * x) - q * (plus - high * x)
            return sum_to(dx, x.shape), sum_to(-p * (minus - low * y) - q * (plus + high * y), y.shape)

        return self.dist(x, y), pull

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if not (compiled(x, y) and x.ndim == y.ndim == 2):
            return super().pairwise_dist(x, y, out=out)
        self._check_shape(x)
        self._check_shape(y)
        return sphere_pairs.table(namespace(x, y), x, y, out)

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``u - 2 <m, u> m`` with ``m = (x + y) / |x + y|``: the reflection that takes x to -y, an exact isometry."""
        if compiled(x, y, u):
            for a in (x, y, u):
                self._check_shape(a)
            return by_rows(transport_row, x, y, u, out=out)
        xp, x, y, u = self._points(x, y, u)
        m, _ = _middle(xp, x, y)
        return store(u - 2 * dot(xp, m, u)[..., None] * m, out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du)``."""
        xp, x, y, u = self._points(x, y, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None, None
            m, w = _middle(xp, x, y)
            mu, mg = dot(xp, m, u)[..., None], dot(xp, m, dv)[..., None]
            cut = w < xp.finfo(w.dtype).smallest_normal
            scale = xp.where(cut, xp.zeros_like(w), 2 / xp.where(cut, xp.ones_like(w), w))[..., None]
            dw = scale * (2 * mu * mg * m - mu * dv - mg * u)
            return sum_to(dw, x.shape), sum_to(dw, y.shape), sum_to(dv - 2 * mg * m, u.shape)

        return self.transport(x, y, u), pull

    def project(self, x: Array, /) -> Array:
        """``x / |x|``, and the origin where x is zero."""
        xp, x = self._points(x)
        r = length(xp, x)
        return xp.where((r > 0)[..., None], direction(xp, x, r), self.origin(x.shape[:-1], like=x))

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx,)``; zero where x is."""
        xp, x = self._points(x)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return (None,)
            r = length(xp, x)
            e = direction(xp, x, r)
            across = direction(xp, dy - dot(xp, dy, e)[..., None] * e, r)
            return (xp.where((r > 0)[..., None], across, xp.zeros_like(across)),)

        return self.project(x), pull

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """``u - <x, u> x``."""
        if compiled(x, u):
            self._check_shape(x)
            self._check_shape(u)
            return by_rows(tangent_row, x, u, out=None)
        xp, x, u = self._points(x, u)
        return u - dot(xp, x, u)[..., None] * x

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None
            xu, xg = dot(xp, x, u)[..., None], dot(xp, x, dv)[..., None]
            return sum_to(-xg * u - xu * dv, x.shape), sum_to(dv - xg * x, u.shape)

        return self.to_tangent(x, u), pull

    egrad_to_rgrad, egrad_to_rgrad_vjp = to_tangent, to_tangent_vjp

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """``(n - 1) log |sin(r) / r|``: finite up to the float next to pi, and the log of |det| beyond."""
        xp, x, u = self._points(x, u)
        return spread(xp, max(self.n - 1, 0) * log_sinc(length(xp, u)), batch_shape(x, u))

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(None, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dl: Any) -> tuple[Any, ...]:
            if dl is None:
                return None, None
            r = length(xp, u)
            return None, sum_to((max(self.n - 1, 0) * dlog_sinc(r) * dl)[..., None] * direction(xp, u, r), u.shape)

        return self.logdet_exp(x, u), pull

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """The last n entries of ``u - <w, u> w / (1 + |x_0|)``, ``w = x + sign(x_0) e_0``: a Householder frame."""
        xp, x, u = self._points(x, u)
        sign, scale, tail = _frame(xp, x)
        return u[..., 1:] - (sign * u[..., :1] + scale * dot(xp, tail, u[..., 1:])[..., None]) * tail

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du)``, within one sign of the first coordinate of x."""
        xp, x, u = self._points(x, u)

        def pull(dc: Any) -> tuple[Any, ...]:
            if dc is None:
                return None, None
            sign, scale, tail = _frame(xp, x)
            tu, tg = dot(xp, tail, u[..., 1:])[..., None], dot(xp, tail, dc)[..., None]
            dtail = -(sign * u[..., :1] + scale * tu) * dc - scale * tg * u[..., 1:]
            dx = xp.concat([sign * scale * scale * tu * tg, dtail], axis=-1)
            du = xp.concat([xp.broadcast_to(-sign * tg, tg.shape), dc - scale * tg * tail], axis=-1)
            return sum_to(dx, x.shape), sum_to(du, u.shape)

        return self.to_coordinates(x, u), pull

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """The same reflection of ``(0, c)``."""
        xp, x, c = self._point_and_coordinates(x, c)
        sign, scale, tail = _frame(xp, x)
        along = dot(xp, tail, c)[..., None]
        return xp.concat([-sign * along, c - scale * along * tail], axis=-1)

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc)``, within one sign of the first coordinate of x."""
        xp, x, c = self._point_and_coordinates(x, c)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            sign, scale, tail = _frame(xp, x)
            tc, tg = dot(xp, tail, c)[..., None], dot(xp, tail, du[..., 1:])[..., None]
            dalong = -sign * du[..., :1] - scale * tg
            dx = xp.concat([sign * scale * scale * tc * tg, dalong * c - scale * tc * du[..., 1:]], axis=-1)
            return sum_to(dx, x.shape), sum_to(du[..., 1:] + dalong * tail, c.shape)

        return self.from_coordinates(x, c), pull

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether ``| |x| - 1 | <= atol``."""
        xp, x = self._points(x)
        return xp.abs(length(xp, x) - 1) <= (100 * float(xp.finfo(x.dtype).eps) if atol is None else atol)

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """The first axis."""
        return constant(np.eye(1, self.n + 1)[0], (*shape, self.n + 1), like)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Uniform points."""
        return self.project(draw((*shape, self.n + 1), rng=rng, like=like))

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """One of curvature 1 and period 2 pi."""
        return (SpaceForm(1, self.n, 1.0, 2 * math.pi),), super().space_forms_vjp()[1]

    def _curving(self, r: Array) -> Array:
        return namespace(r).cos(r) / sinc(r)


def _chords(xp: Any, x: Array, y: Array) -> tuple[Array, ...]:
    # near = sqrt(|x - y|^2 - d^2), far = sqrt(|x + y|^2 - d^2), (x - y) / near, (x + y) / far, d / near and d / far;
    # the quotients are zero where they have no limit.
    a, b = length(xp, x - y), length(xp, x + y)
    p, q = direction(xp, x - y, a), direction(xp, x + y, b)
    k = dot(xp, p, q) / 2
    near = a * xp.sqrt(xp.clip(1 - (b * k) ** 2, min=0))
    far = b * xp.sqrt(xp.clip(1 - (a * k) ** 2, min=0))
    low, high = (
        xp.where(s > 0, r / xp.where(s > 0, s, xp.ones_like(s)), s)[..., None] for r, s in ((a, near), (b, far))
    )
    return near, far, low * p, high * q, low * (b * k)[..., None], high * (a * k)[..., None]


def _opposite(xp: Any, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    # <x, y>, <x, x>, the part of y orthogonal to x, and its length.
    c, xx = dot(xp, x, y), dot(xp, x, x)
    w = y - xp.where(c > 0, xp.ones_like(c), -xp.ones_like(c))[..., None] * x
    v = w - (dot(xp, x, w) / xx)[..., None] * x
    return c, xx, v, length(xp, v)


def _middle(xp: Any, x: Array, y: Array) -> tuple[Array, Array]:
    # The direction of x + y, at the cut locus the fallback, and the length of x + y.
    w = x + y
    r = length(xp, w)
    return xp.where((r == 0)[..., None], _fallback(xp, x), direction(xp, w, r)), r


def _fallback(xp: Any, x: Array) -> Array:
    # A unit tangent at x, the same at -x: the first axis made tangent, or the second where x is close to the first.
    first = xp.abs(x[..., :1]) <= FAR
    index = xp.arange(x.shape[-1], device=array_api_compat.device(x))
    axis = xp.astype(xp.where(first, index == 0, index == 1), x.dtype)
    f = axis - dot(xp, x, axis)[..., None] * x
    return direction(xp, f, length(xp, f)) if x.shape[-1] > 1 else xp.zeros_like(x)


def _frame(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    # The sign of x_0 and 1 / (1 + |x_0|), with an axis, and the other entries of x.
    head = x[..., :1]
    return xp.where(head < 0, -xp.ones_like(head), xp.ones_like(head)), 1 / (1 + xp.abs(head)), x[..., 1:]
