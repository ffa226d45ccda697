"""The spherical Cauchy law: a uniform point moved by a Moebius map, so that its gradients are fully pathwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, kernel, namespace, native, rows
from geomlat.distributions._directional import Directional, finite_estimate, resultant
from geomlat.distributions._rows import row
from geomlat.distributions._vmf_kl import Cotangents, same_sphere
from geomlat.distributions.kl import register_kl
from geomlat.distributions.spherical_uniform import SphericalUniform, log_area
from geomlat.grad import sum_to
from geomlat.random import stream
from geomlat.special.cauchy import sc_dkl, sc_kl, sc_mean

STEPS = 500


@dataclass(frozen=True, eq=False)
class SphericalCauchy(Directional):
    """The spherical Cauchy law on the unit sphere of R^m, m >= 2, with density for the surface measure

        q(z) = ((1 - rho^2) / |z - rho mu|^2)^(m-1) / area

    ``mu`` is ``(..., m)`` of unit length, ``0 <= rho < 1`` is ``(...)``; they broadcast. rho = 0 is the uniform law; at
    m = 2 it is the wrapped Cauchy law. With u uniform, z = rho mu + (1 - rho^2) (u + rho mu) / |u + rho mu|^2 has this
    law, exactly and smoothly in mu and rho. Tested for m = 2 .. 200, 1 - rho down to 1e-12, float32 and float64; the
    arithmetic is float64. Reference: Kato and McCullagh (2020), "Some properties of a Cauchy family on the sphere
    derived from the Moebius transformations", eqs. 1 and 2.

    >>> import numpy as np
    >>> q = SphericalCauchy(np.array([0.0, 1.0]), 0.5)
    >>> q.mean()
    array([0. , 0.5])

    Raises
    ------
    ValueError
        For shapes that do not broadcast, m < 2, and (host arrays only) rho outside 0 <= rho < 1, or mu whose squared
        length is off 1 by more than 0.1.
    TypeError
        For a dtype other than float32 and float64.
    """

    mu: Array
    rho: Array

    _to_uniform = sc_kl, sc_dkl

    def __post_init__(self) -> None:
        self._accept("rho", ">= 0 and < 1")

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Uniform points ``shape + batch_shape + (m,)``, the noise; row i depends on its global index."""
        full, first = self._full(shape), stream(rng)

        def fill(mu: Array) -> Array:
            uniform = SphericalUniform(mu.shape[-1] - 1)
            return uniform.draw(full, rng=first, dtype=mu.dtype, xp=namespace(mu))

        return native(fill, self.mu)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + (m,)``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """The Moebius image of uniform points, smooth in mu and rho, divided by its norm."""
        self._check_points(noise)
        return native(_placed, self.mu, self.rho, noise)

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dmu, drho)``, exact; ``advantage`` is not needed and ignored."""
        xp = namespace(noise)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            mu, rho, u = self._wide(noise)
            dz = xp.astype(dz, xp.float64, copy=False)
            dmu, drho = _moebius_pull(xp, mu, rho[..., None], u, dz)
            return self._narrow(xp, dmu, drho)

        return self.rsample(noise), pull

    def log_prob(self, x: Array) -> Array:
        """(m-1) (log((1+rho)/(1-rho)) - log1p(rho |x-mu|^2 / (1-rho)^2)) - log area, at ``x`` on the sphere."""
        m, xp = self.event_shape[0], namespace(x, self.mu)
        points = self._points(x, xp)
        mu, rho, wide = self._wide(points)
        chord = xp.sum((wide - mu) ** 2, axis=-1)
        gap = 1.0 - rho
        logs = xp.log1p(rho) - xp.log1p(-rho) - xp.log1p(rho * chord / (gap * gap))
        return xp.astype((m - 1.0) * logs - log_area(m), points.dtype, copy=False)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dmu, drho)``, the ambient derivatives of the formula there."""
        value, xp = self.log_prob(x), namespace(x, self.mu)

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            points = self._points(x, xp)
            mu, rho, wide = self._wide(points)
            apart, gap = wide - mu, 1.0 - rho
            chord = xp.sum(apart * apart, axis=-1)
            distance = gap * gap + rho * chord
            dl = (self.event_shape[0] - 1.0) * xp.astype(dl, xp.float64, copy=False)
            dx = (-2.0 * dl * rho / distance)[..., None] * apart
            drho = -dl * (2.0 * rho / (gap * (1.0 + rho)) + (chord - 2.0 * gap) / distance)
            return xp.astype(sum_to(dx, x.shape), points.dtype, copy=False), *self._narrow(xp, -dx, drho)

        return value, pull

    def mean(self) -> Array:
        """The mean in R^m, along mu and shorter than 1; rho mu at m = 2."""
        return sc_mean(float(self.event_shape[0]), self.rho)[..., None] * self.mu

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> SphericalCauchy:
        """Weighted maximum likelihood from points ``(..., n, m)`` and weights ``(..., n)``.

        The likelihood of rho mu is strictly concave along the geodesics of the hyperbolic ball; at its maximum the
        points, moved back by the Moebius map, have mean zero. Newton's steps with the curvature of uniform points.

        Raises
        ------
        ValueError
            If there is no point, or half of the weight or more lies on one point: there is then no maximum.
        """
        xp = namespace(x, weights)
        points, w, mu, _ = resultant(cls.__name__, x, weights)
        pole = mu
        centre, rho = xp.zeros_like(mu), xp.zeros_like(mu[..., :1])
        m = x.shape[-1]
        for _ in range(STEPS):
            back = _moebius(-mu[..., None, :], rho[..., None, :], points)[0]
            step = (0.5 * m / (m - 1.0)) * xp.sum(w[..., None] * back, axis=-2)
            along, size = xp.sum(centre * step, axis=-1, keepdims=True), xp.sum(step * step, axis=-1, keepdims=True)
            new = (1.0 + 2.0 * along + size) * centre + (1.0 - rho) * (1.0 + rho) * step
            centre = new / (1.0 + 2.0 * along + rho * rho * size)
            rho = xp.sqrt(xp.sum(centre * centre, axis=-1, keepdims=True))
            mu = xp.where(rho > 0.0, centre / xp.where(rho > 0.0, rho, xp.ones_like(rho)), pole)
            if not bool(xp.any(size > 1e-30)) or not bool(xp.all(rho < 1.0 - 1e-14)):
                break
        rho = xp.astype(xp.where(rho < 1.0 - 1e-14, rho, xp.ones_like(rho))[..., 0], x.dtype, copy=False)
        finite_estimate(cls.__name__, "1 / (1 - rho)", xp.where(rho < 1.0, rho, xp.full_like(rho, math.inf)), x.dtype)
        return cls(xp.astype(mu, x.dtype, copy=False), rho)

    def _wide(self, x: Array) -> tuple[Array, Array, Array]:
        """mu, rho and an array of points in float64."""
        self._check_points(x)
        xp = namespace(x, self.mu)
        mu, rho, points = (xp.astype(a, xp.float64, copy=False) for a in (self.mu, self.rho, x))
        return mu, rho, points

    def _narrow(self, xp: Any, dmu: Array, drho: Array) -> tuple[Array, Array]:
        """Cotangents of mu and rho in their shapes and dtype."""
        dtype = self.mu.dtype
        return (
            xp.astype(sum_to(dmu, self.mu.shape), dtype, copy=False),
            xp.astype(sum_to(drho, self.rho.shape), dtype, copy=False),
        )


@register_kl(SphericalCauchy, SphericalUniform)
def cauchy_uniform(q: SphericalCauchy, p: SphericalUniform) -> tuple[Array, Callable[[Array | None], Cotangents]]:
    """KL, a function of m and rho alone; -log(1 - rho^2) at m = 2."""
    same_sphere(q, p)
    m = float(q.event_shape[0])

    def pull(dk: Array | None) -> Cotangents:
        return (None, None if dk is None else sum_to(dk * sc_dkl(m, q.rho), q.rho.shape)), ()

    return namespace(q.rho).broadcast_to(sc_kl(m, q.rho), q.batch_shape), pull


def _placed(mu: Array, rho: Array, noise: Array) -> Array:
    """The image of uniform points for each row, evaluated in float64 and rounded once."""
    xp, m = namespace(mu), mu.shape[-1]
    shape = np.broadcast_shapes(noise.shape[:-1], mu.shape[:-1], rho.shape)
    z = xp.empty((math.prod(shape), m), dtype=mu.dtype)
    _place(len(z), cycled(mu, shape, 1), cycled(rho, shape, 0), rows(noise, shape, 1), z)
    return z.reshape((*shape, m))


def _moebius(mu: Array, rho: Array, u: Array) -> tuple[Array, Array, Array, Array]:
    """The image of ``u``, and the parts a, v, D of it; rho is ``(..., 1)``.

    z = rho mu + (1 - rho^2) v / D, a = u + mu, v = a - (1 - rho) mu, D = (1 - rho)^2 + rho |a|^2 = |u + rho mu|^2, of
    which nothing cancels where u is near -mu and rho near 1.
    """
    xp, gap = namespace(u), 1.0 - rho
    a = u + mu
    v = a - gap * mu
    d = gap * gap + rho * xp.sum(a * a, axis=-1, keepdims=True)
    return rho * mu + gap * (1.0 + rho) / d * v, a, v, d


def _moebius_pull(xp: Any, mu: Array, rho: Array, u: Array, dz: Array) -> tuple[Array, Array]:
    """The cotangents of mu ``(..., m)`` and of rho ``(...)``, with g = (1 - rho^2) / D and p = <dz, v>, dz tangent.

    dmu = rho (1 + g) dz - 2 rho g p / D a      drho = (1 + g) <dz, mu> - p (2 rho + g (|a|^2 - 2 (1 - rho))) / D
    """
    y, a, v, d = _moebius(mu, rho, u)
    square = xp.sum(y * y, axis=-1, keepdims=True)
    dz = (dz - xp.sum(dz * y, axis=-1, keepdims=True) / square * y) / xp.sqrt(square)
    g = (1.0 - rho) * (1.0 + rho) / d
    p = xp.sum(dz * v, axis=-1, keepdims=True)
    spread = xp.sum(a * a, axis=-1, keepdims=True) - 2.0 * (1.0 - rho)
    drho = (1.0 + g) * xp.sum(dz * mu, axis=-1, keepdims=True) - p * (2.0 * rho + g * spread) / d
    return rho * (1.0 + g) * dz - 2.0 * rho * g * p / d * a, drho[..., 0]


@kernel(cost=3.0)
def _place(i: int, mu: Any, rho: Any, u: Any, z: Any) -> None:
    """`_moebius`, divided by its norm."""
    k, r = row(i, mu.shape[0]), np.float64(rho[row(i, rho.size)])
    gap, square, total = 1.0 - r, 0.0, 0.0
    for j in range(z.shape[1]):
        a = np.float64(u[i, j]) + np.float64(mu[k, j])
        square += a * a
    # rho mu + stretch v = axial mu + stretch a
    stretch = gap * (1.0 + r) / (gap * gap + r * square)
    axial = r - gap * stretch
    for j in range(z.shape[1]):
        y = axial * np.float64(mu[k, j]) + stretch * (np.float64(u[i, j]) + np.float64(mu[k, j]))
        total += y * y
    total = math.sqrt(total)
    for j in range(z.shape[1]):
        z[i, j] = (axial * np.float64(mu[k, j]) + stretch * (np.float64(u[i, j]) + np.float64(mu[k, j]))) / total
