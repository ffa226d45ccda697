"""Sampling of the von Mises-Fisher law: the frozen noise of each row and the map from noise to the sphere.

With m the ambient dimension, n = m - 1, w = <mu, z> and t = 1 - w, everything is written in t, never in a rounded w:

    b = n / (2 kappa + sqrt(4 kappa^2 + n^2))      Z ~ Beta(n/2, n/2)      s = Z / (1 - Z)
    t = 2 b s / (1 + b s)      2 - t = 2 / (1 + b s)
    zeta = (1 - b)/2 (s - 1)/(1 + b s)             accept if n (log1p(zeta) - zeta) >= log U

for every kappa >= 0 (Ulrich 1984; Wood 1994, algorithm VM*, whose constants cancel because kappa = n (1 - b^2)/(4 b)).
At m = 3 the distribution function inverts: t = -log1p(U expm1(-2 kappa)) / kappa, and a direction is an angle.

With g a row of n normals, or at m = 3 a unit vector, and xi = g/|g|, the point (w, r xi), r = sqrt(t (2 - t)), goes to
the sphere by one reflection H = I - 2 u u'/<u, u>, u = mu + sign(mu_1) e_1, so that <u, u> >= 2 and
H e_1 = -sign(mu_1) mu for every unit mu.

The rows go in blocks: their first proposals are made without branches, which LLVM turns into vector instructions, then
in the same way those of the rows rejected, until none is left. A worker takes one block after another and keeps its
scratch in the cache; on a GPU every row is a worker. Attempt k of row i has the Philox counter (k, i, RADIAL), whatever
its block.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, cycled, inlined, is_host, kernel, namespace, rows, scalar, summation
from geomlat.backends.libm import cos_sin_turns, fast_exp_expm1, fast_log, fast_log1p
from geomlat.backends.threads import PARTS_PER_THREAD, thread_count
from geomlat.distributions._rows import repeat, row
from geomlat.distributions._vmf_levels import PURPOSE_RADIAL, draw_levels, place_levels, reflected, t_of_level
from geomlat.random import BITS_1, LOW, PURPOSE_NORMAL, S32, Stream, fill_normals, fill_single_normals, philox


def draw_noise(
    mu: Array, kappa: Array, shape: tuple[int, ...], batch: tuple[int, ...], first: Stream, closed: bool
) -> tuple[Array, Array]:
    """The radial noise ``shape`` (float64) and the normals ``shape + (m - 1,)`` of one draw."""
    xp, n, m = namespace(mu), math.prod(shape), mu.shape[-1]
    radial, tangent = xp.empty(n, dtype=xp.float64), xp.empty((n, m - 1), dtype=mu.dtype)
    _draw(*_workers(mu, n, closed), xp.asarray(first.words), rows(kappa, batch, 0), int(closed), radial, tangent)
    return radial.reshape(shape), tangent.reshape((*shape, m - 1))


def place_noise(mu: Array, kappa: Array, radial: Array, tangent: Array, closed: bool) -> Array:
    """The points on the sphere of frozen noise, a deterministic function of ``mu`` and ``kappa``."""
    xp, shape, m = namespace(mu), radial.shape, mu.shape[-1]
    z = xp.empty((math.prod(shape), m), dtype=mu.dtype)
    axes, kappa = cycled(mu, shape, 1), cycled(kappa, shape, 0)
    _place(*_workers(mu, len(z), closed), axes, kappa, int(closed), rows(radial, shape, 0), rows(tangent, shape, 1), z)
    return z.reshape((*shape, m))


def sample(
    mu: Array, kappa: Array, shape: tuple[int, ...], first: Stream, closed: bool, out: Array | None = None
) -> Array:
    """``place_noise`` of ``draw_noise``, bit for bit, in bounded memory, into ``out`` if it is given."""
    xp, n, m = namespace(mu), math.prod(shape), mu.shape[-1]
    z = xp.empty((n, m), dtype=mu.dtype) if out is None else out.reshape((n, m))
    axes, kappa = cycled(mu, shape, 1), cycled(kappa, shape, 0)
    workers, *scratch = _workers(mu, n, closed)
    radial = xp.empty((workers, scratch[0].shape[1]), dtype=xp.float64)
    tangent = xp.empty((*radial.shape, m - 1), dtype=mu.dtype)
    _sample(workers, *scratch, xp.asarray(first.words), axes, kappa, int(closed), radial, tangent, z)
    return z.reshape((*shape, m))


def _workers(mu: Array, n: int, closed: bool) -> tuple[int, Array, Array]:
    """The number of workers for ``n`` rows, and their scratch: five numbers and one index for each row of a block."""
    xp, per, workers = namespace(mu), 1, n
    if is_host(mu):
        per = max(1, min(n, LEVEL_ROWS if closed else ROWS, BLOCK // mu.shape[-1]))
        workers = min(-(-n // per), PARTS_PER_THREAD * thread_count())
    return workers, xp.empty((workers, per), dtype=xp.uint64), xp.empty((workers, 5, per), dtype=xp.float64)


ATTEMPTS = 128  # acceptance is at least 0.658, so that more are needed with probability below 1e-59
BLOCK, ROWS, LEVEL_ROWS = 1 << 16, 512, 1024
S9 = np.uint64(9)
S10 = np.uint64(10)
S11 = np.uint64(11)
S21 = np.uint64(21)
LOW_10 = np.uint64(1023)
LOW_11 = np.uint64(2047)
SINGLE_0 = np.float32(0.0)
CHUNK, SHORT = 512, 32


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
def beta_radius(m: int, log_u: float) -> tuple[float, float]:
    """1 - r and r of r^2 = 1 - u^(2/(m-2)), the first without cancellation, from the log of a uniform; m = 2: 0, 1."""
    p, less_one = fast_exp_expm1((2.0 / max(m - 2, 1)) * log_u)
    p, r = (0.0, 1.0) if m == 2 else (p, math.sqrt(-less_one))
    return p / (1.0 + r), r


@inlined
def beta_odds(gap: float, r: float, u: float) -> float:
    """Z/(1 - Z) for Z ~ Beta((m-1)/2, (m-1)/2), accurate at both ends, from `beta_radius` and a uniform (Ulrich 1984).

    Z = (1 - x)/2 with x = r cos(2 pi u), one coordinate of a uniform point of the sphere; gap = 1 - r.
    """
    c, s = cos_sin_turns(0.5 * u)
    return (gap + 2.0 * r * s * s) / (gap + 2.0 * r * c * c)


@scalar
def proposals(m: int, words: Any, attempt: int, left: Any, work: Any, count: int) -> None:
    """One attempt of ``count`` rows: the odds Z/(1 - Z), or -1 if they are rejected, in ``work[4]``; b is ``work[0]``.

    Short loops over the scratch: in one long chain the processor waits for the result of each step.
    """
    b, x, y, z, r = work[0], work[1], work[2], work[3], work[4]
    for k in range(count):
        index = words[2] + left[k]
        a0, a1, a2, a3 = philox(np.uint64(attempt), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])
        x[k], y[k], z[k] = three_uniforms(a0, a1, a2, a3)
    for k in range(count):
        x[k] = fast_log(x[k])
    for k in range(count):
        x[k], r[k] = beta_radius(m, x[k])
    for k in range(count):
        x[k] = beta_odds(x[k], r[k], y[k])
    for k in range(count):
        zeta = 0.5 * (1.0 - b[k]) * (x[k] - 1.0) / (1.0 + b[k] * x[k])
        y[k] = (m - 1.0) * (fast_log1p(zeta) - zeta)
    for k in range(count):
        r[k] = x[k] if y[k] >= fast_log(z[k]) else -1.0


@inlined
def envelope(m: int, kappa: float) -> float:
    """b = n / (2 kappa + sqrt(4 kappa^2 + n^2)), n = m - 1."""
    x = 2.0 * kappa / (m - 1.0)
    return 1.0 / (x + math.sqrt(1.0 + x * x))


@scalar
def radial_t(m: int, kappa: float, closed: int, noise: float) -> tuple[float, float]:
    """``(t, 2 - t)`` of frozen radial noise."""
    if closed:
        return t_of_level(kappa, noise)
    q = envelope(m, kappa) * noise
    return 2.0 * q / (1.0 + q), 2.0 / (1.0 + q)


@scalar
def draw_rows(low: int, words: Any, kappa: Any, closed: int, left: Any, work: Any, radial: Any, tangent: Any) -> None:
    """The noise of the rows ``low``, ``low + 1``, ...."""
    count, width = radial.size, tangent.shape[1]
    b, trial = work[0], work[4]
    if closed:
        draw_levels(words, np.uint64(low), radial, tangent)
        return
    first, flat = (words[2] + np.uint64(low)) * np.uint64(width), tangent.reshape(count * width)
    if tangent.itemsize == 4:
        fill_single_normals(words, first, flat)
    else:
        fill_normals(words, first, PURPOSE_NORMAL, flat)
    repeat(kappa, low, b[:count])
    for r in range(count):
        left[r] = np.uint64(low) + np.uint64(r)
        b[r] = envelope(width + 1, b[r])
    for attempt in range(ATTEMPTS):
        proposals(width + 1, words, attempt, left, work, count)
        rejected = 0
        for r in range(count):
            index = left[r]
            radial[int(index) - low] = trial[r]
            left[rejected], b[rejected] = index, b[r]
            rejected += 1 if trial[r] < 0.0 else 0
        count = rejected
        if count == 0:
            return
    for r in range(count):
        radial[int(left[r]) - low] = 1.0


@summation
def reflection_sums(mu: Any, k: int, tangent: Any, i: int) -> tuple[float, float, float]:
    """``<mu, mu>, <mu, g>, <g, g>`` over the entries after the first, g row i of the tangent noise."""
    uu, along, square = 0.0, 0.0, 0.0
    for j in range(tangent.shape[1]):
        u, g = np.float64(mu[k, j + 1]), np.float64(tangent[i, j])
        uu += u * u
        along += u * g
        square += g * g
    return uu, along, square


@summation
def single_sums(axis: Any, noise: Any) -> tuple[Any, Any, Any]:
    """``<u, u>, <u, g>, <g, g>`` of two vectors in float32."""
    uu, along, square = SINGLE_0, SINGLE_0, SINGLE_0
    for j in range(axis.size):
        u, g = np.float32(axis[j]), np.float32(noise[j])
        uu += u * u
        along += u * g
        square += g * g
    return uu, along, square


@scalar
def place_rows(low: int, mu: Any, kappa: Any, closed: int, work: Any, radial: Any, tangent: Any, z: Any) -> None:
    """The points ``low``, ``low + 1``, ... of their noise."""
    count, m = z.shape
    if closed:
        place_levels(low, mu, kappa, work, radial, tangent, z)
        return
    heights, concentration = work[1], work[2]
    repeat(kappa, low, concentration[:count])
    for r in range(count):
        heights[r] = envelope(m, concentration[r]) * radial[r]
    if z.itemsize == 4 and m > SHORT:
        place_single(low, mu, heights, tangent, z)
    else:
        place_double(low, mu, heights, tangent, z)


@scalar
def place_double(low: int, mu: Any, heights: Any, tangent: Any, z: Any) -> None:
    """The points of a block of rows with t / (2 - t) in ``heights``, in float64."""
    for r in range(z.shape[0]):
        k = row(low + r, mu.shape[0])
        uu, along, square = reflection_sums(mu, k, tangent, r)
        q = heights[r]
        w, scale = (1.0 - q) / (1.0 + q), 2.0 * math.sqrt(q / square) / (1.0 + q)
        z[r, 0], g = reflected(w, np.float64(mu[k, 0]), scale, along, uu)
        for j in range(tangent.shape[1]):
            z[r, j + 1] = g * np.float64(mu[k, j + 1]) + scale * np.float64(tangent[r, j])


@scalar
def place_single(low: int, mu: Any, heights: Any, tangent: Any, z: Any) -> None:
    """The same: sums of up to `CHUNK` terms and the last line in float32, each row's own numbers in float64."""
    for r in range(z.shape[0]):
        k = row(low + r, mu.shape[0])
        axis, noise, point = mu[k, 1:], tangent[r], z[r, 1:]
        uu, along, square = 0.0, 0.0, 0.0
        for start in range(0, noise.size, CHUNK):
            a, b, c = single_sums(axis[start : start + CHUNK], noise[start : start + CHUNK])
            uu, along, square = uu + np.float64(a), along + np.float64(b), square + np.float64(c)
        q = heights[r]
        w, scale = (1.0 - q) / (1.0 + q), 2.0 * math.sqrt(q / square) / (1.0 + q)
        z[r, 0], g = reflected(w, np.float64(mu[k, 0]), scale, along, uu)
        factor, spread = np.float32(g), np.float32(scale)
        for j in range(noise.size):
            point[j] = factor * np.float32(axis[j]) + spread * np.float32(noise[j])


@kernel(cost=4.0)
def _draw(i: int, left: Any, work: Any, words: Any, kappa: Any, closed: int, radial: Any, tangent: Any) -> None:
    workers, per = left.shape
    for low in range(i * per, radial.size, workers * per):
        high = min(low + per, radial.size)
        draw_rows(low, words, kappa, closed, left[i], work[i], radial[low:high], tangent[low:high])


@kernel(cost=2.0)
def _place(i: int, left: Any, work: Any, mu: Any, kappa: Any, closed: int, radial: Any, tangent: Any, z: Any) -> None:
    workers, per = left.shape
    for low in range(i * per, radial.size, workers * per):
        high = min(low + per, radial.size)
        place_rows(low, mu, kappa, closed, work[i], radial[low:high], tangent[low:high], z[low:high])


@kernel(cost=5.0)
def _sample(
    i: int, left: Any, work: Any, words: Any, mu: Any, kappa: Any, closed: int, radial: Any, tangent: Any, z: Any
) -> None:
    workers, per = left.shape
    for low in range(i * per, z.shape[0], workers * per):
        count = min(per, z.shape[0] - low)
        draw_rows(low, words, kappa, closed, left[i], work[i], radial[i, :count], tangent[i, :count])
        place_rows(low, mu, kappa, closed, work[i], radial[i, :count], tangent[i, :count], z[low : low + count])
