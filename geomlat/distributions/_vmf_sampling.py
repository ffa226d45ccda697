"""Sampling of the von Mises-Fisher law: the frozen noise of each row and the map from noise to the sphere.

With m the ambient dimension, n = m - 1, w = <mu, z> and t = 1 - w, everything is written in t, never in a rounded w:

    b = n / (2 kappa + sqrt(4 kappa^2 + n^2))      Z ~ Beta(n/2, n/2)      s = Z / (1 - Z)
    t = 2 b s / (1 + b s)      2 - t = 2 / (1 + b s)
    zeta = (1 - b)/2 (s - 1)/(1 + b s)             accept if n (log1p(zeta) - zeta) >= log U

for every kappa >= 0 (Ulrich 1984; Wood 1994, algorithm VM*, whose constants cancel because kappa = n (1 - b^2)/(4 b)).
At m = 3 the distribution function inverts: t = -log1p(U expm1(-2 kappa)) / kappa.

With g a row of n normals and xi = g/|g|, the point (w, r xi), r = sqrt(t (2 - t)), goes to the sphere by one reflection
H = I - 2 u u'/<u, u>, u = mu + sign(mu_1) e_1, so that <u, u> >= 2 and H e_1 = -sign(mu_1) mu for every unit mu.

The first proposals of all rows are made in one loop without branches, which LLVM turns into vector instructions, those
of the rejected rows in shorter ones, and the last few one by one. Attempt k of row i has the Philox counter
(k, i, RADIAL), whatever the loop that makes it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, inlined, is_host, kernel, namespace, rows, scalar, summation
from geomlat.backends.libm import cos_sin_turns, fast_exp_expm1, fast_log, fast_log1p
from geomlat.random import BITS_1, LOW, S32, Stream, normal, philox, unit


def draw_noise(
    mu: Array, kappa: Array, shape: tuple[int, ...], batch: tuple[int, ...], first: Stream, closed: bool
) -> tuple[Array, Array]:
    """The radial noise ``shape`` (float64) and the normals ``shape + (m - 1,)`` of one draw."""
    n, m = math.prod(shape), mu.shape[-1]
    radial, tangent = _noise(mu, _repeated(rows(kappa, batch, 0), 0, n), 0, first, closed)
    return radial.reshape(shape), tangent.reshape((*shape, m - 1))


def place_noise(mu: Array, kappa: Array, radial: Array, tangent: Array, closed: bool) -> Array:
    """The points on the sphere of frozen noise, a deterministic function of ``mu`` and ``kappa``."""
    xp, shape, m = namespace(mu), radial.shape, mu.shape[-1]
    z = xp.empty((math.prod(shape), m), dtype=mu.dtype)
    concentration = _repeated(cycled(kappa, shape, 0), 0, len(z))
    height = _heights(m, concentration, rows(radial, shape, 0), closed)
    _place(len(z), 0, cycled(mu, shape, 1), height, rows(tangent, shape, 1), z)
    return z.reshape((*shape, m))


def sample(
    mu: Array, kappa: Array, shape: tuple[int, ...], first: Stream, closed: bool, out: Array | None = None
) -> Array:
    """``place_noise`` of ``draw_noise``, bit for bit, in blocks of bounded memory, into ``out`` if it is given."""
    xp, n, m = namespace(mu), math.prod(shape), mu.shape[-1]
    z = xp.empty((n, m), dtype=mu.dtype) if out is None else out.reshape((n, m))
    axes, kappa = cycled(mu, shape, 1), cycled(kappa, shape, 0)
    block = max(1, min(BLOCK // m, ROWS)) if is_host(mu) else max(1, n)
    for start in range(0, n, block):
        part = z[start : start + block]
        concentration = _repeated(kappa, start, len(part))
        radial, tangent = _noise(mu, concentration, start, first, closed)
        _place(len(part), start, axes, _heights(m, concentration, radial, closed), tangent, part)
    return z.reshape((*shape, m))


def _repeated(kappa: Array, start: int, n: int) -> Array:
    """Rows ``start .. start + n - 1`` of kappa in float64, its rows repeating."""
    xp, count = namespace(kappa), kappa.shape[0]
    if start + n <= count:
        kappa = kappa[start : start + n]
    elif count == 1:
        kappa = xp.broadcast_to(kappa, (n,))
    else:
        kappa = xp.take(kappa, (start + xp.arange(n)) % count)
    return xp.astype(kappa, xp.float64)


def _noise(mu: Array, kappa: Array, start: int, first: Stream, closed: bool) -> tuple[Array, Array]:
    """Noise of the rows from ``start`` on, each with its kappa."""
    xp, n, m, here = namespace(mu), kappa.shape[0], mu.shape[-1], first.at(start)
    words, radial = xp.asarray(here.words), xp.empty((n,), dtype=xp.float64)
    if closed:
        _levels(n, words, radial)
    else:
        b, attempt = xp.empty((n,), dtype=xp.float64), 1
        _envelopes(n, m, kappa, b)
        _odds(n, xp.arange(n, dtype=xp.uint64), words, m, b, 0, radial)
        # Counting the rejected rows would make a GPU wait.
        while is_host(radial) and attempt < 8 and len(left := np.flatnonzero(radial < 0.0)) > 128:
            again = np.empty(len(left))
            _odds(len(left), left.view(np.uint64), words, m, b[left], attempt, again)
            radial[left] = again
            attempt += 1
        _last_odds(n, words, m, b, attempt, radial)
    flat = Stream(first.key0, first.key1, here.offset * (m - 1))
    return radial, normal((n, m - 1), rng=flat, dtype=mu.dtype, xp=xp)


def _heights(m: int, kappa: Array, radial: Array, closed: bool) -> Array:
    """q = t / (2 - t) of each row."""
    q = namespace(kappa).empty(kappa.shape, dtype=kappa.dtype)
    if closed:
        _heights_of_levels(q.shape[0], kappa, radial, q)
    else:
        _heights_of_odds(q.shape[0], m, kappa, radial, q)
    return q


ATTEMPTS = 128  # acceptance is at least 0.658, so that more are needed with probability below 1e-59
BLOCK, ROWS = 1 << 19, 1 << 16
S9 = np.uint64(9)
S10 = np.uint64(10)
S11 = np.uint64(11)
S21 = np.uint64(21)
LOW_10 = np.uint64(1023)
LOW_11 = np.uint64(2047)
PURPOSE_RADIAL = np.uint64(3)


@scalar
def row(i: int, count: int) -> int:
    """The row of a parameter with ``count`` rows that sample ``i`` uses: the batch repeats."""
    return i if i < count else i % count


@inlined
def unit_43(bits: Any) -> float:
    """A uniform on (0, 1) from 43 random bits."""
    return np.uint64((bits << S9) | BITS_1).view(np.float64) - (1.0 - 2.0**-44)


@inlined
def three_uniforms(a: Any, b: Any, c: Any, d: Any) -> tuple[float, float, float]:
    """Three uniforms on (0, 1) from one block of four 32-bit words; the last has only 42 bits of its own."""
    return (
        unit_43((a << S11) | (d >> S21)),
        unit_43((b << S11) | ((d >> S10) & LOW_11)),
        unit_43((c << S11) | (d & LOW_10)),
    )


@inlined
def beta_odds(m: int, u1: float, u2: float) -> float:
    """Z/(1 - Z) for Z ~ Beta((m-1)/2, (m-1)/2), accurate at both ends, from two uniforms (Ulrich 1984).

    Z = (1 - x)/2 with x = r cos(2 pi u2), r^2 = 1 - u1^(2/(m-2)): one coordinate of a uniform point of the sphere.
    """
    c, s = cos_sin_turns(0.5 * u2)
    p, less_one = fast_exp_expm1(2.0 * fast_log(u1) / max(m - 2, 1))
    p, r = (0.0, 1.0) if m == 2 else (p, math.sqrt(-less_one))
    gap = p / (1.0 + r)
    return (gap + 2.0 * r * s * s) / (gap + 2.0 * r * c * c)


@inlined
def proposal(m: int, b: float, words: Any, i: int, attempt: int) -> tuple[float, bool]:
    """The odds Z/(1 - Z) of one attempt of row ``i`` and whether they are accepted."""
    index = words[2] + np.uint64(i)
    a0, a1, a2, a3 = philox(np.uint64(attempt), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])
    u1, u2, u3 = three_uniforms(a0, a1, a2, a3)
    odds = beta_odds(m, u1, u2)
    zeta = 0.5 * (1.0 - b) * (odds - 1.0) / (1.0 + b * odds)
    return odds, (m - 1.0) * (fast_log1p(zeta) - zeta) >= fast_log(u3)


@inlined
def envelope(m: int, kappa: float) -> float:
    """b = n / (2 kappa + sqrt(4 kappa^2 + n^2)), n = m - 1."""
    x = 2.0 * kappa / (m - 1.0)
    return 1.0 / (x + math.sqrt(1.0 + x * x))


@inlined
def height_of_level(kappa: float, level: float) -> float:
    """q = t / (2 - t) at a level of the distribution function, m = 3; t = 2 level to the last digit at tiny kappa."""
    k = max(kappa, 1e-290)
    t = -fast_log1p(level * fast_exp_expm1(max(-2.0 * k, -690.0))[1]) / k
    return t / max(2.0 - t, 2.0**-53)


@scalar
def radial_t(m: int, kappa: float, closed: int, noise: float) -> tuple[float, float]:
    """``(t, 2 - t)`` of frozen radial noise."""
    q = envelope(m, kappa) * noise if closed == 0 else height_of_level(kappa, noise)
    return 2.0 * q / (1.0 + q), 2.0 / (1.0 + q)


@kernel(cost=2.0)
def _levels(i: int, words: Any, radial: Any) -> None:
    index = words[2] + np.uint64(i)
    a, b, _, _ = philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])
    radial[i] = unit(a, b)


@kernel(cost=1.0)
def _envelopes(i: int, m: int, kappa: Any, b: Any) -> None:
    b[i] = envelope(m, kappa[i])


@kernel(cost=15.0)
def _odds(i: int, index: Any, words: Any, m: int, b: Any, attempt: int, radial: Any) -> None:
    odds, accepted = proposal(m, b[i], words, index[i], attempt)
    radial[i] = odds if accepted else -1.0


@kernel(cost=2.0)
def _last_odds(i: int, words: Any, m: int, b: Any, start: int, radial: Any) -> None:
    if radial[i] < 0.0:
        for attempt in range(start, ATTEMPTS):
            odds, accepted = proposal(m, b[i], words, i, attempt)
            radial[i] = odds
            if accepted:
                break


@kernel(cost=4.0)
def _heights_of_levels(i: int, kappa: Any, radial: Any, q: Any) -> None:
    q[i] = height_of_level(kappa[i], radial[i])


@kernel(cost=1.0)
def _heights_of_odds(i: int, m: int, kappa: Any, radial: Any, q: Any) -> None:
    q[i] = envelope(m, kappa[i]) * radial[i]


@summation
def reflection_sums(mu: Any, k: int, tangent: Any, i: int) -> tuple[float, float, float]:
    """``<mu, mu>, <mu, g>, <g, g>`` over the entries after the first, g row i of the tangent noise."""
    uu, along, square = 0.0, 0.0, 0.0
    for j in range(tangent.shape[1]):
        u, g = float(mu[k, j + 1]), float(tangent[i, j])
        uu += u * u
        along += u * g
        square += g * g
    return uu, along, square


@kernel(cost=2.0)
def _place(i: int, start: int, mu: Any, q: Any, tangent: Any, z: Any) -> None:
    k = row(start + i, mu.shape[0])
    uu, along, square = reflection_sums(mu, k, tangent, i)
    head = float(mu[k, 0])
    sign = 1.0 if head >= 0.0 else -1.0
    w, r = (1.0 - q[i]) / (1.0 + q[i]), 2.0 * math.sqrt(q[i] / square) / (1.0 + q[i])
    g = 2.0 * (w * (1.0 + abs(head)) - r * along) / (uu + (head + sign) * (head + sign))
    z[i, 0] = g * (head + sign) - sign * w
    for j in range(tangent.shape[1]):
        z[i, j + 1] = g * float(mu[k, j + 1]) + r * float(tangent[i, j])
