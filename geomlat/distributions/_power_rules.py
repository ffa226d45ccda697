"""The power spherical law over rows: sampling, density and pullbacks for NumPy or CuPy arrays, and their kernels.

With a = (m-1)/2 the radial part is h = (1 + w)/2 ~ Beta(a + kappa, a). The frozen radial number is the odds
(1 - h)/h, the ratio of a Gamma(a) and a Gamma(a + kappa) variate; at m = 3 it is the level U of h = U^(1/(1 + kappa)).
Points are placed by the reflection of `geomlat.distributions._vmf_sampling`, from the odds as at kappa = 0. With
A = |x - mu|^2 and B = |x + mu|^2

    log_prob = kappa log h - constant,   log h = -log1p(A/B)
    dx = -2 kappa/(A + B) ((x - mu) - A/B (x + mu)) dl      dmu = 2 kappa/(A + B) ((x - mu) + A/B (x + mu)) dl

and dkappa = (log h - E log h) dl; the law of h does not change when x and mu are rounded off the sphere but in second
order. Samples move with kappa by dz/dkappa = y (mu - w z), y = (1/2) d logit(h) / d(a + kappa).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, kernel, namespace, rows, scalar
from geomlat.distributions._beta_stein import beta_stein
from geomlat.distributions._gamma_sampling import log_odds_draws
from geomlat.distributions._rows import row
from geomlat.distributions._vmf_rules import rsample_pull as vmf_rsample_pull
from geomlat.distributions._vmf_sampling import place_noise as vmf_place_noise
from geomlat.grad import sum_to
from geomlat.random import LOW, S32, Stream, normal, philox, unit

PURPOSE_LEVEL = np.uint64(5)


def draw_noise(
    mu: Array, kappa: Array, shape: tuple[int, ...], batch: tuple[int, ...], first: Stream
) -> tuple[Array, Array]:
    """The radial noise ``shape`` (float64) and the normals ``shape + (m - 1,)`` of one draw."""
    xp, m, n = namespace(mu), mu.shape[-1], math.prod(shape)
    if m == 3:
        radial = xp.empty((n,), dtype=xp.float64)
        _level(n, xp.asarray(first.words), radial)
    else:
        a = xp.full_like(kappa, 0.5 * (m - 1), dtype=xp.float64)
        top = xp.astype(kappa, xp.float64) + a
        radial = xp.exp(log_odds_draws(a, top, shape, batch, first))
    flat = Stream(first.key0, first.key1, first.offset * (m - 1))
    normals = normal((n, m - 1), rng=flat, dtype=mu.dtype, xp=xp)
    return radial.reshape(shape), normals.reshape((*shape, m - 1))


def place_noise(mu: Array, kappa: Array, radial: Array, tangent: Array) -> Array:
    """The points on the sphere of frozen noise: those of a von Mises-Fisher law with kappa = 0 and the same odds."""
    flat = namespace(mu).zeros_like(mu[..., 0])
    return vmf_place_noise(mu, flat, odds_of(mu, kappa, radial), tangent, closed=False)


def rsample_pull(mu: Array, kappa: Array, radial: Array, tangent: Array, dz: Array) -> tuple[Array, Array]:
    """The cotangents ``(dmu, dkappa)`` of the points of frozen noise.

    At kappa = 0 the von Mises-Fisher rule has y = 1/(m-1), and so gives <dz, mu - w z>/(m-1) for each row.
    """
    xp, a = namespace(mu), 0.5 * (mu.shape[-1] - 1)
    odds = odds_of(mu, kappa, radial)
    flat = xp.zeros_like(odds)
    dmu, path = vmf_rsample_pull(mu, flat, flat, odds, tangent, dz, flat, closed=False, estimator="implicit")
    y = beta_stein(xp.astype(kappa, xp.float64, copy=False) + a, a, 1.0 / (1.0 + odds), odds / (1.0 + odds))
    return dmu, sum_to(xp.astype(a * y * path, mu.dtype, copy=False), kappa.shape)


def odds_of(mu: Array, kappa: Array, radial: Array) -> Array:
    """The odds (1 - h)/h of frozen radial numbers."""
    xp = namespace(mu)
    if mu.shape[-1] != 3:
        return radial
    return xp.expm1(-xp.log(radial) / (1.0 + xp.astype(kappa, xp.float64, copy=False)))


def log_prob(x: Array, mu: Array, kappa: Array, constant: Array) -> Array:
    """``kappa log h - constant`` for each row, evaluated in float64 and rounded once."""
    shape = np.broadcast_shapes(x.shape[:-1], mu.shape[:-1], kappa.shape)
    out = namespace(x).empty((math.prod(shape),), dtype=x.dtype)
    parts = [cycled(x, shape, 1), cycled(mu, shape, 1), cycled(kappa, shape, 0), cycled(constant, shape, 0)]
    _log_prob(out.size, *parts, out)
    return out.reshape(shape)


def log_prob_pull(x: Array, mu: Array, kappa: Array, slope: Array, dl: Array) -> tuple[Array, Array, Array]:
    """The cotangents ``(dx, dmu, dkappa)`` of `log_prob`; ``slope`` is -E log h."""
    xp, shape, m = namespace(x), dl.shape, x.shape[-1]
    n = math.prod(shape)
    dx, dmu, dkappa = (xp.empty((n, m), dtype=x.dtype), xp.empty((n, m), dtype=x.dtype), xp.empty((n,), dtype=x.dtype))
    parts = [cycled(x, shape, 1), cycled(mu, shape, 1), cycled(kappa, shape, 0), cycled(slope, shape, 0)]
    _log_prob_pull(n, *parts, rows(dl, shape, 0), dx, dmu, dkappa)
    dx, dmu = dx.reshape((*shape, m)), dmu.reshape((*shape, m))
    return sum_to(dx, x.shape), sum_to(dmu, mu.shape), sum_to(dkappa.reshape(shape), kappa.shape)


@scalar
def squared_chords(x: Any, i: int, mu: Any, k: int) -> tuple[float, float]:
    """``(|x_i - mu_k|^2, |x_i + mu_k|^2)`` in float64."""
    apart, across = 0.0, 0.0
    for j in range(mu.shape[1]):
        p, q = np.float64(x[i, j]), np.float64(mu[k, j])
        apart += (p - q) * (p - q)
        across += (p + q) * (p + q)
    return apart, across


@kernel(cost=10.0)
def _level(i: int, words: Any, radial: Any) -> None:
    index = words[2] + np.uint64(i)
    p, q, _, _ = philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_LEVEL, words[0], words[1])
    radial[i] = unit(p, q)


@kernel(cost=3.0)
def _log_prob(i: int, x: Any, mu: Any, kappa: Any, constant: Any, out: Any) -> None:
    apart, across = squared_chords(x, row(i, x.shape[0]), mu, row(i, mu.shape[0]))
    power = np.float64(kappa[row(i, kappa.size)])
    loss = power * math.log1p(apart / across) if across > 0.0 else (math.inf if power > 0.0 else 0.0)
    out[i] = -loss - constant[row(i, constant.size)]


@kernel(cost=3.0)
def _log_prob_pull(i: int, x: Any, mu: Any, kappa: Any, slope: Any, dl: Any, dx: Any, dmu: Any, dkappa: Any) -> None:
    a, b = row(i, x.shape[0]), row(i, mu.shape[0])
    apart, across = squared_chords(x, a, mu, b)
    odds, d = (apart / across, np.float64(dl[i])) if across > 0.0 else (0.0, 0.0)
    scale = 2.0 * np.float64(kappa[row(i, kappa.size)]) * d / (apart + across)
    for j in range(mu.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(mu[b, j])
        dx[i, j] = scale * (odds * (p + q) - (p - q))
        dmu[i, j] = scale * (odds * (p + q) + (p - q))
    dkappa[i] = (slope[row(i, slope.size)] - math.log1p(odds)) * d
