"""Hyperbolic space as a sheet of a hyperboloid, with errors that grow like e^r, not e^2r, away from the origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.manifolds import hyperboloid_plane as plane
from geomlat.manifolds import hyperboloid_pulls as rows
from geomlat.manifolds import lorentz
from geomlat.manifolds.base import Array, Manifold, Pull, SpaceForm, constant, draw
from geomlat.manifolds.hyperboloid_rows import exp_row, log_row, transport_row
from geomlat.manifolds.lorentz import along, base, between, point, tangent, vector, widened
from geomlat.manifolds.radial import dlog_sinhc, log_sinhc, sinhc
from geomlat.manifolds.vectors import compiled, direction, store


@dataclass(frozen=True)
class Hyperboloid(Manifold):
    """The sheet ``<x, x> = 1 / curvature``, x_0 > 0, of R^(n+1) with ``<x, y> = -x_0 y_0 + x_1 y_1 + ... + x_n y_n``.

    Points and tangents have shape ``(..., n + 1)``, time first; ``R = 1 / sqrt(-curvature)``, and a point at distance r
    from the origin ``(R, 0)`` has a space part of length ``R sinh(r / R)``. What the rounding of the space part does
    to a direction, ``eps e^(r / R)``, bounds all errors: float64 is of use up to ``r = 30 R``, float32 up to ``10 R``.
    Only `contains` and the two projections to a tangent space read time entries; elsewhere they follow from the space
    parts, and their cotangents are zero.

    >>> h = Hyperboloid(2, curvature=-1.0)
    >>> h.dist(np.array([1.0, 0.0, 0.0]), np.array([np.cosh(2.0), 0.0, np.sinh(2.0)]))
    np.float64(2.0)
    """

    n: int
    curvature: float = -1.0

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"Hyperboloid(n) needs n >= 1, got {self.n}"
            raise ValueError(msg)
        if not -math.inf < self.curvature < 0:
            msg = f"Hyperboloid(n, curvature) needs a finite curvature < 0, got {self.curvature}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension n."""
        return self.n

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(n + 1,)``."""
        return (self.n + 1,)

    @property
    def radius(self) -> float:
        """``R = 1 / sqrt(-curvature)``."""
        return 1.0 / math.sqrt(-self.curvature)

    injectivity_radius = math.inf

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``cosh(r) x + (sinh(r) / r) u`` with ``r = |u| / R``, cut short where its end would overflow."""
        if compiled(x, u):
            return self._by_rows(plane.exp_plane, exp_row, x, u, out=out, more=(rows.longest(x),))
        xp, x, u = self._points(x, u)
        p = base(xp, x, self.radius)
        us, norm = lorentz.reach(xp, p, u[..., 1:], self.radius)
        r = norm / self.radius
        return store(point(xp, xp.cosh(r) * p.a + sinhc(r) * us, self.radius), out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)
        y = self.exp(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None
            if compiled(x, u, dy):
                return rows.pulled(rows.exp_pull_row, x, u, y, dy, numbers=(self.radius, rows.longest(x)))
            p, g = base(xp, x, self.radius), lorentz.from_point(xp, y, dy)
            us, norm = lorentz.reach(xp, p, u[..., 1:], self.radius)
            c, s = xp.cosh(norm / self.radius), sinhc(norm / self.radius)
            dnorm = (c - s) * along(xp, g, direction(xp, us, norm[..., 0]))
            dnorm = dnorm + s * norm / self.radius**2 * along(xp, g, p.a)
            da, du = lorentz.from_size(xp, p, us, norm[..., 0], dnorm, self.radius)
            return widened(xp, c * g + da, x), widened(xp, s * g + du, u)

        return y, pull

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``(d / sinh d) (y - cosh(d) x)``, d the distance over R, as a part of y - x less a part of x."""
        if compiled(x, y):
            return self._by_rows(plane.log_plane, log_row, x, y, out=out)
        xp, x, y = self._points(x, y)
        p, q = base(xp, x, self.radius), base(xp, y, self.radius)
        f, g = lorentz.shares(xp, between(xp, p, q, self.radius).half)
        return store(tangent(xp, p, f * (q.a - p.a) - g * p.a), out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``; smooth at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            if compiled(x, y, du):
                return rows.pulled(rows.log_pull_row, x, y, du, numbers=(self.radius,))
            p, q = base(xp, x, self.radius), base(xp, y, self.radius)
            way = between(xp, p, q, self.radius)
            f, g = lorentz.shares(xp, way.half)
            us = f * (q.a - p.a) - g * p.a
            k, da = lorentz.from_tangent(xp, p, us, du, self.radius)
            # u = f (b - C a), C = cosh d, f = d / sinh d; by C the derivative of f is (1 - f C) / sinh^2 d, and
            # R^2 dC = -m . da - n . db.
            sinh = lorentz.sinh_of(xp, way, self.radius)
            e = direction(xp, us, 2 * self.radius * xp.asinh(way.half[..., 0]))
            turned = (1 - (f + g)) * along(xp, k, e)
            m, n = lorentz.slopes(xp, p, q, way, self.radius)
            straight = f * along(xp, k, p.a) / self.radius**2
            da = da - (f + g) * k - turned * direction(xp, m, sinh) + straight * m
            db = f * k - turned * direction(xp, n, sinh) + straight * n
            return widened(xp, da, x), widened(xp, db, y)

        return self.log(x, y), pull

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``2 R asinh(sqrt(sinh((r - s) / 2R)^2 + sinh(r / R) sinh(s / R) |turn|^2 / 4))`` from radii r, s.

        ``turn`` is the difference of the unit space parts; see `geomlat.manifolds.lorentz.between`.
        """
        if compiled(x, y):
            self._check_shape(x, y)
            return plane.distances(x, y, out=out, radius=self.radius)
        xp, x, y = self._points(x, y)
        way = between(xp, base(xp, x, self.radius), base(xp, y, self.radius), self.radius)
        return store(2 * self.radius * xp.asinh(way.half[..., 0]), out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``; zero at ``x = y``."""
        xp, x, y = self._points(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None
            p, q = base(xp, x, self.radius), base(xp, y, self.radius)
            way = between(xp, p, q, self.radius)
            sinh = lorentz.sinh_of(xp, way, self.radius)
            m, n = (direction(xp, v, sinh) for v in lorentz.slopes(xp, p, q, way, self.radius))
            return widened(xp, -dd[..., None] * m, x), widened(xp, -dd[..., None] * n, y)

        return self.dist(x, y), pull

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if not (compiled(x, y) and x.ndim == y.ndim == 2):
            return super().pairwise_dist(x, y, out=out)
        self._check_shape(x, y)
        return plane.pairs_in_plane(x, y, out=out, radius=self.radius)

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """``<u, v>``, from the parts of u and v along and across the space part of x."""
        xp, x, u, v = self._points(x, u, v)
        return lorentz.metric(xp, base(xp, x, self.radius), u[..., 1:], v[..., 1:], self.radius)

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(dx, du, dv)``."""
        xp, x, u, v = self._points(x, u, v)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None, None
            p, us, vs, g = base(xp, x, self.radius), u[..., 1:], v[..., 1:], dy[..., None]
            low, high = (g * lorentz.lower(xp, p, w, self.radius) for w in (us, vs))
            da = -(along(xp, p.slope, us) * high + along(xp, p.slope, vs) * low) / p.height
            return widened(xp, da, x), widened(xp, high, u), widened(xp, low, v)

        return self.inner(x, u, v), pull

    def norm(self, x: Array, u: Array, /) -> Array:
        """``sqrt(<u, u>)``."""
        xp, x, u = self._points(x, u)
        if compiled(x, u):
            return rows.rows_of(rows.norm_row, x, u, numbers=(self.radius,), width=0)
        return lorentz.size(xp, base(xp, x, self.radius), u[..., 1:], self.radius)

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(dx, du)``; zero at ``u = 0``."""
        xp, x, u = self._points(x, u)

        def pull(dr: Any) -> tuple[Any, ...]:
            if dr is None:
                return None, None
            if compiled(x, u, dr):
                return rows.pulled(rows.norm_pull_row, x, u, dr[..., None], numbers=(self.radius,))
            p, us = base(xp, x, self.radius), u[..., 1:]
            da, du = lorentz.from_size(xp, p, us, lorentz.size(xp, p, us, self.radius), dr[..., None], self.radius)
            return widened(xp, da, x), widened(xp, du, u)

        return self.norm(x, u), pull

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``u + <y, u> (x + y) / (R^2 - <x, y>)``, with ``<y, u>`` from the part of y - x tangent at x."""
        if compiled(x, y, u):
            return self._by_rows(plane.transport_plane, transport_row, x, y, u, out=out)
        xp, x, y, u = self._points(x, y, u)
        p, q = base(xp, x, self.radius), base(xp, y, self.radius)
        k = lorentz.lean(xp, p, q, between(xp, p, q, self.radius), u[..., 1:], self.radius)
        return store(tangent(xp, q, u[..., 1:] + k * (p.a + q.a)), out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du)``."""
        xp, x, y, u = self._points(x, y, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None, None
            p, q, us = base(xp, x, self.radius), base(xp, y, self.radius), u[..., 1:]
            way = between(xp, p, q, self.radius)
            k = lorentz.lean(xp, p, q, way, us, self.radius)
            g, db = lorentz.from_tangent(xp, q, us + k * (p.a + q.a), dv, self.radius)
            cosh = xp.hypot(way.half, xp.ones_like(way.half))
            dk = along(xp, g, p.a + q.a) / (2 * self.radius**2) / cosh / cosh
            m, n = lorentz.slopes(xp, p, q, way, self.radius)
            low = (q.height / p.height) * lorentz.lower(xp, p, us, self.radius)
            # u - (u_0 / y_0) b, whose part along b is us . (b^ - a^) + us . a^ (1 - |a| |b| / (x_0 y_0)).
            rise = xp.hypot(way.rise, xp.ones_like(way.rise)) * (self.radius / p.height) * (self.radius / q.height)
            steep = along(xp, p.unit, us) * rise - along(xp, way.turn, us)
            away = lorentz.across(xp, q, us) + steep * q.unit
            da, db = k * g + dk * (k * m - low), db + k * g + dk * (away + k * n)
            return widened(xp, da, x), widened(xp, db, y), widened(xp, g + dk * m, u)

        return self.transport(x, y, u), pull

    def project(self, x: Array, /) -> Array:
        """The point with the space part of x."""
        xp, x = self._points(x)
        return point(xp, x[..., 1:], self.radius)

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx,)``."""
        xp, x = self._points(x)
        y = self.project(x)

        def pull(dy: Any) -> tuple[Any, ...]:
            return (None,) if dy is None else (widened(xp, lorentz.from_point(xp, y, dy), x),)

        return y, pull

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """``u + <x, u> x / R^2``."""
        xp, x, u = self._points(x, u)
        p = base(xp, x, self.radius)
        lift = p.height * (along(xp, p.slope, u[..., 1:]) - u[..., :1]) / self.radius**2
        return tangent(xp, p, u[..., 1:] + lift * p.a)

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)
        v = self.to_tangent(x, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None
            p, us = base(xp, x, self.radius), u[..., 1:]
            lift = p.height * (along(xp, p.slope, us) - u[..., :1]) / self.radius**2
            g, da = lorentz.from_tangent(xp, p, v[..., 1:], dv, self.radius)
            dlift = along(xp, g, p.a) / self.radius**2
            da = da + lift * g + dlift * (us - u[..., :1] * p.slope)
            du = vector(xp, -dlift * p.height, g + dlift * p.a)
            return widened(xp, da, x), sum_to(du, u.shape)

        return v, pull

    def egrad_to_rgrad(self, x: Array, g: Array, /) -> Array:
        """`to_tangent` of g with its time entry negated."""
        xp, x, g = self._points(x, g)
        return self.to_tangent(x, lorentz.mirror(xp, g))

    def egrad_to_rgrad_vjp(self, x: Array, g: Array, /) -> tuple[Array, Pull]:
        """`egrad_to_rgrad` and the pull to ``(dx, dg)``."""
        xp, x, g = self._points(x, g)
        v, pull_tangent = self.to_tangent_vjp(x, lorentz.mirror(xp, g))

        def pull(dv: Any) -> tuple[Any, ...]:
            dx, dg = pull_tangent(dv)
            return dx, None if dg is None else lorentz.mirror(xp, dg)

        return v, pull

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """``(n - 1) log(sinh(r) / r)`` with ``r = |u| / R``."""
        if compiled(x, u):
            return rows.rows_of(rows.volume_row, *self._points(x, u)[1:], numbers=(self.radius, self.n - 1.0), width=0)
        return (self.n - 1) * log_sinhc(self.norm(x, u) / self.radius)

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(dx, du)``."""
        _, x, u = self._points(x, u)

        def pull(dl: Any) -> tuple[Any, ...]:
            if dl is not None and compiled(x, u, dl):
                return rows.pulled(rows.volume_pull_row, x, u, dl[..., None], numbers=(self.radius, self.n - 1.0))
            r, pull_norm = self.norm_vjp(x, u)
            return pull_norm(None if dl is None else (self.n - 1) / self.radius * dlog_sinhc(r / self.radius) * dl)

        return self.logdet_exp(x, u), pull

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """The space part of u taken to the origin along the geodesic: ``u - (u_0 / (x_0 + R)) a``."""
        xp, x, u = self._points(x, u)
        if compiled(x, u):
            return rows.rows_of(rows.to_coordinates_row, x, u, numbers=(self.radius,), width=self.n)
        p = base(xp, x, self.radius)
        return u[..., 1:] - along(xp, p.slope, u[..., 1:]) * (p.a / (p.height + self.radius))

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du)``."""
        xp, x, u = self._points(x, u)

        def pull(dc: Any) -> tuple[Any, ...]:
            if dc is None:
                return None, None
            if compiled(x, u, dc):
                return rows.pulled(rows.to_coordinates_pull_row, x, u, dc, numbers=(self.radius,))
            p, us = base(xp, x, self.radius), u[..., 1:]
            ball = p.a / (p.height + self.radius)
            t = along(xp, dc, ball)
            da = lorentz.from_ball(xp, p, -along(xp, p.slope, us) * dc, self.radius)
            da = da - t * lorentz.lower(xp, p, us, self.radius) / p.height
            return widened(xp, da, x), widened(xp, dc - t * p.slope, u)

        return self.to_coordinates(x, u), pull

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """``c`` taken from the origin to x: the tangent with space part ``c + (a . c) a / (R (x_0 + R))``."""
        xp, x, c = self._point_and_coordinates(x, c)
        if compiled(x, c):
            return rows.rows_of(rows.from_coordinates_row, x, c, numbers=(self.radius,), width=self.n + 1)
        p = base(xp, x, self.radius)
        t = along(xp, p.a, c) / self.radius
        return vector(xp, t, c + t * (p.a / (p.height + self.radius)))

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc)``."""
        xp, x, c = self._point_and_coordinates(x, c)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None
            if compiled(x, c, du):
                return rows.pulled(rows.from_coordinates_pull_row, x, c, du, numbers=(self.radius,))
            p, g = base(xp, x, self.radius), du[..., 1:]
            dt = (along(xp, g, p.a / (p.height + self.radius)) + du[..., :1]) / self.radius
            da = dt * c + lorentz.from_ball(xp, p, along(xp, p.a, c) / self.radius * g, self.radius)
            return widened(xp, da, x), sum_to(g + dt * p.a, c.shape)

        return self.from_coordinates(x, c), pull

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """One of this curvature."""
        return (SpaceForm(1, self.n, self.curvature, math.inf),), super().space_forms_vjp()[1]

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether the time entry is ``sqrt(R^2 + |a|^2)`` and finite, to ``atol`` relative to itself."""
        xp, x = self._points(x)
        height = base(xp, x, self.radius).height[..., 0]
        limit = 100 * float(xp.finfo(x.dtype).eps) if atol is None else atol
        return xp.isfinite(height) & (xp.abs(x[..., 0] - height) <= limit * height)

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """``(R, 0)``."""
        return constant(self.radius * np.eye(1, self.n + 1)[0], (*shape, self.n + 1), like)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """``exp`` of a standard normal tangent at the origin."""
        o = self.origin(like=like)
        return self.exp(o, self.from_coordinates(o, draw((*shape, self.n), rng=rng, like=like)))

    def _curving(self, r: Array) -> Array:
        xp, s = namespace(r), r / self.radius
        positive = s > 0
        safe = xp.where(positive, s, xp.ones_like(s))
        return xp.where(positive, safe / xp.tanh(safe), xp.ones_like(s))

    @property
    def _stride(self) -> float:
        # Two points far off pull like r tanh(h / R) at height h above their geodesic; Newton steps from h > 1.1 R lead
        # further away, but not those of 2 R at most.
        return 2 * self.radius

    def _by_rows(self, fast: Any, slow: Any, *arrays: Array, out: Any, event: int = 1, more: Any = ()) -> Array:
        self._check_shape(*arrays)
        return plane.in_plane(fast, slow, *arrays, out=out, event=event, numbers=(self.radius, *more))
