"""Sampling of the von Mises-Fisher law: the frozen noise of each row and the map from noise to the sphere.

With m the ambient dimension, n = m - 1, w = <mu, z> and t = 1 - w, everything is written in t, never in a rounded w:

    b = n / (2 kappa + sqrt(4 kappa^2 + n^2))      Z ~ Beta(n/2, n/2)      s = Z / (1 - Z)
    t = 2 b s / (1 + b s)      2 - t = 2 / (1 + b s)
    zeta = (1 - b)/2 (s - 1)/(1 + b s)             accept if n (log1p(zeta) - zeta) >= log U

for every kappa >= 0 (Ulrich 1984; Wood 1994, algorithm VM*, whose constants cancel because kappa = n (1 - b^2)/(4 b)).
At m = 3 the distribution function inverts: t = -log1p(U expm1(-2 kappa)) / kappa.

The point (w, r xi), r = sqrt(t (2 - t)), goes to the sphere by one reflection H = I - 2 u u'/<u, u> with
u = mu + sign(mu_1) e_1, so that <u, u> >= 2 and H e_1 = -sign(mu_1) mu for every unit mu.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, kernel, namespace, rows, scalar
from geomlat.random import LOW, S32, Stream, box_muller, philox, unit


def draw_noise(
    mu: Array, kappa: Array, shape: tuple[int, ...], batch: tuple[int, ...], first: Stream, closed: bool
) -> tuple[Array, Array]:
    """The radial noise ``shape`` (float64) and the unit tangent directions ``shape + (m - 1,)`` of one draw."""
    xp, m = namespace(mu), mu.shape[-1]
    n = math.prod(shape)
    radial = xp.empty((n,), dtype=xp.float64)
    tangent = xp.empty((n, m - 1), dtype=mu.dtype)
    _draw(n, xp.asarray(first.words), rows(kappa, batch, 0), int(closed), radial, tangent)
    return radial.reshape(shape), tangent.reshape((*shape, m - 1))


def place_noise(mu: Array, kappa: Array, radial: Array, tangent: Array, closed: bool) -> Array:
    """The points on the sphere of frozen noise, a deterministic function of ``mu`` and ``kappa``."""
    xp, shape, m = namespace(mu), radial.shape, mu.shape[-1]
    z = xp.empty((math.prod(shape), m), dtype=mu.dtype)
    _place(
        len(z),
        cycled(mu, shape, 1),
        cycled(kappa, shape, 0),
        rows(radial, shape, 0),
        rows(tangent, shape, 1),
        int(closed),
        z,
    )
    return z.reshape((*shape, m))


def sample(mu: Array, kappa: Array, shape: tuple[int, ...], first: Stream, closed: bool) -> Array:
    """``place_noise`` of ``draw_noise`` in one pass, bit for bit, without storing the noise."""
    xp, m = namespace(mu), mu.shape[-1]
    z = xp.empty((math.prod(shape), m), dtype=mu.dtype)
    words = xp.asarray(first.words)
    _sample(len(z), words, cycled(mu, shape, 1), cycled(kappa, shape, 0), int(closed), z)
    return z.reshape((*shape, m))


ATTEMPTS = 128  # acceptance is at least 0.658, so that more are needed with probability below 1e-59
S10 = np.uint64(10)
S11 = np.uint64(11)
S21 = np.uint64(21)
LOW_10 = np.uint64(1023)
LOW_11 = np.uint64(2047)
TWO_43 = 2.0**-43
TWO_42 = 2.0**-42
PURPOSE_RADIAL = np.uint64(3)
PURPOSE_TANGENT = np.uint64(4)


@scalar
def row(i: int, count: int) -> int:
    """The row of a parameter with ``count`` rows that sample ``i`` uses: the batch repeats."""
    return i if i < count else i % count


@scalar
def three_uniforms(a: Any, b: Any, c: Any, d: Any) -> tuple[float, float, float]:
    """Three uniforms on (0, 1) of 43, 43 and 42 bits from one block of four 32-bit words."""
    return (
        (float((a << S11) | (d >> S21)) + 0.5) * TWO_43,
        (float((b << S11) | ((d >> S10) & LOW_11)) + 0.5) * TWO_43,
        (float((c << S10) | (d & LOW_10)) + 0.5) * TWO_42,
    )


@scalar
def beta_odds(m: int, u1: float, u2: float) -> float:
    """Z/(1 - Z) for Z ~ Beta((m-1)/2, (m-1)/2), accurate at both ends, from two uniforms (Ulrich 1984).

    Z = (1 - x)/2 with x = r cos(2 pi u2), r^2 = 1 - u1^(2/(m-2)): one coordinate of a uniform point of the sphere.
    """
    s, c = math.sin(math.pi * u2), math.cos(math.pi * u2)
    if m == 2:
        return (s / c) * (s / c)
    log_p = 2.0 * math.log(u1) / (m - 2)
    r = math.sqrt(-math.expm1(log_p))
    gap = math.exp(log_p) / (1.0 + r)
    return (gap + 2.0 * r * s * s) / (gap + 2.0 * r * c * c)


@scalar
def wood_odds(m: int, kappa: float, words: Any, i: int) -> float:
    """The odds Z/(1 - Z) of the first accepted proposal of row ``i``."""
    index = words[2] + np.uint64(i)
    n = m - 1.0
    b = n / (2.0 * kappa + math.hypot(2.0 * kappa, n))
    odds = 1.0
    for attempt in range(ATTEMPTS):
        a0, a1, a2, a3 = philox(np.uint64(attempt), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])
        u1, u2, u3 = three_uniforms(a0, a1, a2, a3)
        odds = beta_odds(m, u1, u2)
        zeta = 0.5 * (1.0 - b) * (odds - 1.0) / (1.0 + b * odds)
        if n * (math.log1p(zeta) - zeta) >= math.log(u3):
            break
    return odds


@scalar
def radial_noise(m: int, kappa: float, closed: int, words: Any, i: int) -> float:
    """The frozen radial number of row ``i``: a uniform level for the closed form, else the accepted odds."""
    if closed == 0:
        return wood_odds(m, kappa, words, i)
    index = words[2] + np.uint64(i)
    a, b, _, _ = philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])
    return unit(a, b)


@scalar
def radial_t(m: int, kappa: float, closed: int, noise: float) -> tuple[float, float]:
    """``(t, 2 - t)`` of frozen radial noise."""
    if closed == 0:
        n = m - 1.0
        bs = n / (2.0 * kappa + math.hypot(2.0 * kappa, n)) * noise
        return 2.0 * bs / (1.0 + bs), 2.0 / (1.0 + bs)
    if kappa < 1e-9:
        t = 2.0 * noise * (1.0 - kappa * (1.0 - noise))
    else:
        t = -math.log1p(noise * math.expm1(-2.0 * kappa)) / kappa
    return t, 2.0 - t


@scalar
def fill_direction(i: int, words: Any, out: Any, first: int) -> None:
    """A uniform unit vector into ``out[i, first:]``: a sign, a point of the circle, or normalised normals."""
    index = words[2] + np.uint64(i)
    low, high, k0, k1 = index & LOW, index >> S32, words[0], words[1]
    dim = out.shape[1] - first
    if dim <= 2:
        a, b, _, _ = philox(np.uint64(0), low, high, PURPOSE_TANGENT, k0, k1)
        u = unit(a, b)
        if dim == 1:
            out[i, first] = 1.0 if u < 0.5 else -1.0
        else:
            out[i, first] = math.cos(2.0 * math.pi * u)
            out[i, first + 1] = math.sin(2.0 * math.pi * u)
        return
    total = 0.0
    for j in range(0, dim, 2):
        a, b, c, d = philox(np.uint64(j // 2), low, high, PURPOSE_TANGENT, k0, k1)
        x, y = box_muller(unit(a, b), unit(c, d))
        out[i, first + j] = x
        total += x * x
        if j + 1 < dim:
            out[i, first + j + 1] = y
            total += y * y
    scale = 1.0 / math.sqrt(total)
    for j in range(first, first + dim):
        out[i, j] = out[i, j] * scale


@scalar
def reflect(i: int, mu: Any, k: int, w: float, r: float, xi: Any, first: int, z: Any) -> None:
    """The point with <mu, z> = w in the direction ``xi[i, first:]``, into ``z[i]`` (which may be ``xi`` itself)."""
    m = mu.shape[1]
    head = float(mu[k, 0])
    sign = 1.0 if head >= 0.0 else -1.0
    uu, along = (head + sign) * (head + sign), 0.0
    for j in range(1, m):
        uu += float(mu[k, j]) * float(mu[k, j])
        along += float(mu[k, j]) * float(xi[i, first + j - 1])
    g = 2.0 * (w * (1.0 + abs(head)) - r * along) / uu
    for j in range(1, m):
        z[i, j] = g * float(mu[k, j]) + r * float(xi[i, first + j - 1])
    z[i, 0] = g * (head + sign) - sign * w


@kernel(cost=30.0)
def _draw(i: int, words: Any, kappa: Any, closed: int, radial: Any, tangent: Any) -> None:
    m = tangent.shape[1] + 1
    radial[i] = radial_noise(m, float(kappa[row(i, kappa.size)]), closed, words, i)
    fill_direction(i, words, tangent, 0)


@kernel(cost=5.0)
def _place(i: int, mu: Any, kappa: Any, radial: Any, tangent: Any, closed: int, z: Any) -> None:
    t, rest = radial_t(mu.shape[1], float(kappa[row(i, kappa.size)]), closed, radial[i])
    reflect(i, mu, row(i, mu.shape[0]), 1.0 - t, math.sqrt(t * rest), tangent, 0, z)


@kernel(cost=35.0)
def _sample(i: int, words: Any, mu: Any, kappa: Any, closed: int, z: Any) -> None:
    m, k = mu.shape[1], float(kappa[row(i, kappa.size)])
    t, rest = radial_t(m, k, closed, radial_noise(m, k, closed, words, i))
    fill_direction(i, words, z, 1)
    reflect(i, mu, row(i, mu.shape[0]), 1.0 - t, math.sqrt(t * rest), z, 1, z)


@kernel(cost=30.0)
def uniform_directions(i: int, words: Any, z: Any) -> None:
    """Row ``i`` of ``z`` uniform on the unit sphere."""
    fill_direction(i, words, z, 0)
