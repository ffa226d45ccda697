"""Density and pullbacks of the von Mises-Fisher law over rows: array functions for NumPy or CuPy, and their kernels.

log_prob: l = -kappa t - (phi - kappa) - log area, t = |x - mu|^2 / 2, which keeps all digits at large kappa and moves
only in second order when x and mu are rounded off the sphere. Its ambient derivative:

    dx = -kappa (x - mu) dl      dmu = kappa (x - mu) dl      dkappa = ((1 - A) - t) dl

rsample: z = p - 2 u <u, p> / <u, u>, p = (-sign w, r xi), xi = g/|g|, u = mu + sign e_1. With c = <u, dz>, e = <u, p>:

    dmu = -2 (c p + e dz) / <u, u> + 4 e c u / <u, u>^2      dp = dz - 2 c u / <u, u>      <dz, dz/dkappa> as below

The pathwise term has dw/dkappa = (1 - w^2) y. `implicit`: y is the Stein kernel. `rejection`: at a frozen proposal
y = 1/R, R = sqrt(4 kappa^2 + (m-1)^2), and the advantage multiplies d/dkappa log(target / proposal) at that proposal,
(w - A) + (kappa (1 - w^2) - (m-1) w) / R (Naesseth et al. 2017, eq. 9; Davidson et al. 2018, section 3.4). `score`: no
pathwise term, the advantage multiplies d/dkappa log q = w - A.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, kernel, namespace, rows, scalar
from geomlat.distributions._rows import row
from geomlat.distributions._vmf_sampling import radial_t
from geomlat.distributions._vmf_stein import stein_scalar
from geomlat.grad import sum_to

ESTIMATORS = {"implicit": 0, "rejection": 1, "score": 2}


def log_prob(x: Array, mu: Array, kappa: Array, constant: Array) -> Array:
    """``-kappa t - constant`` for each row, evaluated in float64 and rounded once."""
    xp = namespace(x)
    shape = np.broadcast_shapes(x.shape[:-1], mu.shape[:-1], kappa.shape)
    out = xp.empty((math.prod(shape),), dtype=x.dtype)
    parts = [cycled(x, shape, 1), cycled(mu, shape, 1), cycled(kappa, shape, 0), cycled(constant, shape, 0)]
    _log_prob(out.size, *parts, out)
    return out.reshape(shape)


def log_prob_pull(x: Array, mu: Array, kappa: Array, one_minus_ratio: Array, dl: Array) -> tuple[Array, Array, Array]:
    """The cotangents ``(dx, dmu, dkappa)`` of `log_prob`."""
    xp, shape, m = namespace(x), dl.shape, x.shape[-1]
    n = math.prod(shape)
    dx, dkappa = xp.empty((n, m), dtype=x.dtype), xp.empty((n,), dtype=x.dtype)
    parts = [cycled(x, shape, 1), cycled(mu, shape, 1), cycled(kappa, shape, 0), cycled(one_minus_ratio, shape, 0)]
    _log_prob_pull(n, *parts, rows(dl, shape, 0), dx, dkappa)
    dx = dx.reshape((*shape, m))
    return sum_to(dx, x.shape), sum_to(-dx, mu.shape), sum_to(dkappa.reshape(shape), kappa.shape)


def rsample_pull(
    mu: Array,
    kappa: Array,
    one_minus_ratio: Array,
    radial: Array,
    tangent: Array,
    dz: Array,
    advantage: Array,
    *,
    closed: bool,
    estimator: str,
) -> tuple[Array, Array]:
    """The cotangents ``(dmu, dkappa)`` of the points of frozen noise, by one of the three estimators."""
    xp, shape, m = namespace(mu), radial.shape, mu.shape[-1]
    n = math.prod(shape)
    dmu, dkappa = xp.empty((n, m), dtype=mu.dtype), xp.empty((n,), dtype=mu.dtype)
    _rsample_pull(
        n,
        cycled(mu, shape, 1),
        cycled(kappa, shape, 0),
        cycled(one_minus_ratio, shape, 0),
        rows(radial, shape, 0),
        rows(tangent, shape, 1),
        rows(dz, shape, 1),
        cycled(advantage, shape, 0),
        int(closed),
        ESTIMATORS[estimator],
        dmu,
        dkappa,
    )
    return sum_to(dmu.reshape((*shape, m)), mu.shape), sum_to(dkappa.reshape(shape), kappa.shape)


@scalar
def half_chord(x: Any, i: int, mu: Any, k: int) -> float:
    """t = |x_i - mu_k|^2 / 2 in float64."""
    total = 0.0
    for j in range(mu.shape[1]):
        d = np.float64(x[i, j]) - np.float64(mu[k, j])
        total += d * d
    return 0.5 * total


@scalar
def slope_and_score(estimator: int, m: int, kappa: float, t: float, rest: float, tail: float) -> tuple[float, float]:
    """y of the pathwise term, and what the advantage multiplies; ``tail`` is 1 - A."""
    if estimator == 0:
        return stein_scalar(float(m), kappa, t, rest, tail), 0.0
    if estimator == 2:
        return 0.0, tail - t
    n = m - 1.0
    x = 2.0 * kappa / n
    root = n * math.sqrt(1.0 + x * x)
    return 1.0 / root, tail - t + (kappa * t * rest - n * (1.0 - t)) / root


@kernel(cost=3.0)
def _log_prob(i: int, x: Any, mu: Any, kappa: Any, constant: Any, out: Any) -> None:
    t = half_chord(x, row(i, x.shape[0]), mu, row(i, mu.shape[0]))
    out[i] = -np.float64(kappa[row(i, kappa.size)]) * t - constant[row(i, constant.size)]


@kernel(cost=3.0)
def _log_prob_pull(i: int, x: Any, mu: Any, kappa: Any, tail: Any, dl: Any, dx: Any, dkappa: Any) -> None:
    a, b = row(i, x.shape[0]), row(i, mu.shape[0])
    scale = -np.float64(kappa[row(i, kappa.size)]) * np.float64(dl[i])
    for j in range(mu.shape[1]):
        dx[i, j] = scale * (np.float64(x[a, j]) - np.float64(mu[b, j]))
    dkappa[i] = (tail[row(i, tail.size)] - half_chord(x, a, mu, b)) * np.float64(dl[i])


@kernel(cost=100.0)
def _rsample_pull(
    i: int,
    mu: Any,
    kappa: Any,
    tail: Any,
    radial: Any,
    normals: Any,
    dz: Any,
    advantage: Any,
    closed: int,
    estimator: int,
    dmu: Any,
    dkappa: Any,
) -> None:
    m, k, conc = mu.shape[1], row(i, mu.shape[0]), np.float64(kappa[row(i, kappa.size)])
    t, rest = radial_t(m, conc, closed, radial[i])
    w, r = 1.0 - t, math.sqrt(t * rest)
    y, score = slope_and_score(estimator, m, conc, t, rest, tail[row(i, tail.size)])
    sign = 1.0 if mu[k, 0] >= 0.0 else -1.0
    u0 = np.float64(mu[k, 0]) + sign
    uu, up, udz, xidz, xiu, xixi = u0 * u0, -sign * w * u0, u0 * np.float64(dz[i, 0]), 0.0, 0.0, 0.0
    for j in range(1, m):
        u, x, d = np.float64(mu[k, j]), np.float64(normals[i, j - 1]), np.float64(dz[i, j])
        uu += u * u
        udz += u * d
        xiu += x * u
        xidz += x * d
        xixi += x * x
    scale = 1.0 / math.sqrt(xixi)
    xiu, xidz = scale * xiu, scale * xidz
    up += r * xiu
    c, e = 2.0 * udz / uu, 2.0 * up / uu
    dmu[i, 0] = c * sign * w - e * np.float64(dz[i, 0]) + e * c * u0
    for j in range(1, m):
        dmu[i, j] = (
            -c * r * scale * np.float64(normals[i, j - 1]) - e * np.float64(dz[i, j]) + e * c * np.float64(mu[k, j])
        )
    # dp/dkappa = y r (-sign r, -w xi): <dz, mu - w z> without the cancellation of mu against w z.
    path = -sign * r * (np.float64(dz[i, 0]) - c * u0) - w * (xidz - c * xiu)
    dkappa[i] = y * r * path + np.float64(advantage[row(i, advantage.size)]) * score
