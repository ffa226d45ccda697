"""The row kernels of stereographic coordinates: one source for Numba loops over NumPy and for CUDA over CuPy arrays.

They follow `geomlat.manifolds.gyro` in float64 and round once. Vectors are taken times ``sqrt(|K|)``. Squares below
TINY have lost digits or vanished: such a difference is scaled by its largest entry; so is a tangent beyond HUGE.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, kernel, scalar, summation
from geomlat.backends.libm import fast_angle, fast_cos_sin, fast_exp_expm1, fast_log1p

TINY = 1e-290
HUGE = 1e290
NEAR = 1.5e-8
FLOOR = 2.3e-16
LEAST = 1e-307


@inlined
def less(p: float, q: float) -> float:
    """``p - q`` before anything else, which a summation would be free to change."""
    return p - q


@inlined
def less_parts(p: float, k: float, rest: float, q: float) -> float:
    """``(p - k q) - rest q``, in this order."""
    return (p - k * q) - rest * q


@inlined
def times(g: float, v: float) -> float:
    """``g v`` before anything else."""
    return g * v


@summation
def sums(x: Any, a: int, y: Any, b: int, root: float) -> tuple[float, float, float, float]:
    """``|y - x|^2``, and ``K |x|^2``, ``K |y|^2``, ``K <x, y>`` but for the sign."""
    dd, xx, yy, xy = 0.0, 0.0, 0.0, 0.0
    for j in range(x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        d, p, q = less(q, p), root * p, root * q
        dd += d * d
        xx += p * p
        yy += q * q
        xy += p * q
    return dd, xx, yy, xy


@scalar
def gap(x: Any, a: int, y: Any, b: int) -> float:
    """``|y - x|``, where its square has lost digits or vanished."""
    most, total = 0.0, 0.0
    for j in range(x.shape[1]):
        most = max(most, abs(np.float64(y[b, j]) - np.float64(x[a, j])))
    if most > 0.0:
        for j in range(x.shape[1]):
            d = (np.float64(y[b, j]) - np.float64(x[a, j])) / most
            total += d * d
    return most * math.sqrt(total)


@summation
def along(w: Any, c: int, x: Any, a: int, y: Any, b: int, inverse: float, k: float) -> float:
    """``<w - k e, e>`` for ``e = (y - x) inverse``."""
    total = 0.0
    for j in range(x.shape[1]):
        e = less(np.float64(y[b, j]), np.float64(x[a, j])) * inverse
        total += less_parts(np.float64(w[c, j]), k, 0.0, e) * e
    return total


@summation
def across(
    w: Any, c: int, x: Any, a: int, y: Any, b: int, inverse: float, k: float, rest: float, u: Any, d: int, g: float
) -> tuple[float, float]:
    """``|v|^2`` and ``<g v, u>`` for the part v of w across e: near the cut locus v u alone may be subnormal."""
    total, other = 0.0, 0.0
    for j in range(x.shape[1]):
        e = less(np.float64(y[b, j]), np.float64(x[a, j])) * inverse
        v = less_parts(np.float64(w[c, j]), k, rest, e)
        total += v * v
        other += times(g, v) * np.float64(u[d, j])
    return total, other


@inlined
def border(k: float, square: float) -> float:
    """``A = 1 + K |x|^2`` from the modulus of the second term, at least a rounding."""
    return max(1.0 - square if k < 0.0 else 1.0 + square, FLOOR)


@inlined
def half_angle(k: float, root: float, delta: float, chord: float, root_q: float) -> float:
    """Half the distance; ``chord`` is not read for K < 0, ``root_q`` only there."""
    t = root * delta
    if k < 0.0:
        if t < NEAR * root_q:
            return delta / root_q
        t /= root_q
        return fast_log1p(t + t * t / (1.0 + math.sqrt(1.0 + t * t))) / root
    # C is >= 0, and zero at the cut locus.
    return delta / chord if t < NEAR * chord else fast_angle(t, chord) / root


@inlined
def plane(
    x: Any, a: int, y: Any, b: int, k: float
) -> tuple[float, float, float, float, float, tuple[float, float, float, int]]:
    """``|d|``, A_x, A_y, B, C; and for w: ``1 / |d|``, its part along d in two parts, and which of the points it is.

    The second part is what the rounding of the first leaves, near the cut locus more than w across d itself.
    """
    root = math.sqrt(abs(k))
    dd, xx, yy, xy = sums(x, a, y, b, root)
    delta = gap(x, a, y, b) if dd < TINY else math.sqrt(dd)
    inverse = 1.0 / delta if delta > LEAST else 0.0
    if xx < yy:
        part = along(x, a, x, a, y, b, inverse, 0.0)
        rest = along(x, a, x, a, y, b, inverse, part)
        square, _ = across(x, a, x, a, y, b, inverse, part, rest, x, a, 1.0)
    else:
        part = along(y, b, x, a, y, b, inverse, 0.0)
        rest = along(y, b, x, a, y, b, inverse, part)
        square, _ = across(y, b, x, a, y, b, inverse, part, rest, x, a, 1.0)
    c = 1.0 - xy if k < 0.0 else 1.0 + xy
    bend = abs(k) * delta * math.sqrt(square)
    chord = math.sqrt(c * c + bend * bend)
    return delta, border(k, xx), border(k, yy), c, chord, (inverse, part, rest, 0 if xx < yy else 1)


@inlined
def combined(c: float, p: float, f: float, q: float) -> float:
    """``c p + f q``, before anything else."""
    return c * p + f * q


@summation
def with_tangent(x: Any, a: int, u: Any, b: int, root: float, inverse: float) -> tuple[float, float, float]:
    """``|x|^2``, ``|u|^2`` and ``<x, u>``, x times ``root``, u times ``inverse``."""
    xx, uu, xu = 0.0, 0.0, 0.0
    for j in range(x.shape[1]):
        p, q = root * np.float64(x[a, j]), np.float64(u[b, j]) * inverse
        xx += p * p
        uu += q * q
        xu += p * q
    return xx, uu, xu


@inlined
def stepped(ahead: float, aside: float, lean: float, rest: float, p: float, x: float) -> float:
    """``ahead p + aside w - rest x`` with ``w = p - lean x``."""
    return ahead * p + aside * (p - lean * x) - rest * x


@summation
def combination(x: Any, a: int, u: Any, b: int, c: float, f: float) -> float:
    """``|c x + f u|^2``."""
    total = 0.0
    for j in range(x.shape[1]):
        n = combined(c, np.float64(x[a, j]), f, np.float64(u[b, j]))
        total += n * n
    return total


@scalar
def largest(u: Any, b: int) -> float:
    """The largest absolute entry of row b."""
    most = 0.0
    for j in range(u.shape[1]):
        most = max(most, abs(np.float64(u[b, j])))
    return most


@inlined
def quotient(k: float, t: float) -> tuple[float, float, float]:
    """``s / r``, ``c`` and ``c^2 + K s^2`` for ``s / c = tan_K(r)``, ``t = sqrt(|K|) r``."""
    if t == 0.0:
        return 1.0, 1.0, 1.0
    if k > 0.0:
        c, s = fast_cos_sin(t) if t < 1e5 else (math.cos(t), math.sin(t))
        return s / t, c, 1.0
    e, less_one = fast_exp_expm1(-2.0 * min(t, 300.0))
    return -less_one / ((1.0 + e) * t), 1.0, 4.0 * e / ((1.0 + e) * (1.0 + e))


@kernel(cost=20.0)
def exp_row(i: int, x: Any, u: Any, k: float, eps: float, out: Any) -> None:
    """``x + (A / D) (c p - K |p|^2 x)``, shortened to stay off the border; at the pole, D = 0, along ``c x + p``.

    For K > 0 the step is ``(c - K <x, p>) p + K <x, p> w - K |w|^2 x``, w the part of p across x: it goes with sqrt(D),
    where ``c p - K |p|^2 x`` cancels.
    """
    a, b, m, root = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1), x.shape[1], math.sqrt(abs(k))
    scale, limit = 1.0, 1.0 - 16.0 * eps if k < 0.0 else 1.0 / eps
    xx, uu, xu = with_tangent(x, a, u, b, root, 1.0)
    if uu > HUGE:
        scale = largest(u, b)
        xx, uu, xu = with_tangent(x, a, u, b, root, 1.0 / scale)
    ax = border(k, xx)
    g, c, h = quotient(k, root * (scale * (math.sqrt(uu) / ax)))
    g /= ax
    p, part = root * g * scale, root * g * scale * xu
    if k < 0.0:
        det, rest = ax * h + combination(x, a, u, b, root, root * g), -p * p * uu
        ahead, lean, aside = 1.0, 0.0, 0.0
    else:
        ahead, lean, aside = c - part, part / xx if xx > 0.0 else 0.0, part
        rest = combination(x, a, u, b, -lean * root, root * g)
        det = ahead * ahead + xx * rest
    if det < ax * FLOOR * FLOOR:
        size = math.sqrt(combination(x, a, u, b, c * root, root * g))
        for j in range(m):
            out[i, j] = (limit / size) * combined(c, np.float64(x[a, j]), g, np.float64(u[b, j]))
        return
    total, ahead, aside, rest = 0.0, ax / det * ahead, ax / det * aside, ax / det * rest
    for j in range(m):
        v = np.float64(x[a, j])
        v += stepped(ahead, aside, lean, rest, g * np.float64(u[b, j]), v)
        total += (root * v) * (root * v)
        out[i, j] = v
    size = math.sqrt(total)
    if size > limit:
        for j in range(m):
            v = np.float64(x[a, j])
            out[i, j] = (limit / size) * (v + stepped(ahead, aside, lean, rest, g * np.float64(u[b, j]), v))


@kernel(cost=40.0)
def log_row(i: int, x: Any, y: Any, k: float, out: Any) -> None:
    """``A theta (B e + K |d| w) / C``."""
    a, b = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1)
    delta, ax, ay, c, chord, (inverse, part, rest, which) = plane(x, a, y, b, k)
    theta = ax * half_angle(k, math.sqrt(abs(k)), delta, chord, math.sqrt(ax) * math.sqrt(ay))
    f, g = (c / chord, k * delta / chord) if chord > 0.0 else (1.0, 0.0)
    for j in range(x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        e = (q - p) * inverse
        out[i, j] = theta * (f * e + g * less_parts(p if which == 0 else q, part, rest, e))


@inlined
def row_distance(x: Any, a: int, y: Any, b: int, k: float) -> float:
    """The distance of two rows: C is found from ``A_x A_y - K |d|^2`` where that does not cancel."""
    root = math.sqrt(abs(k))
    dd, xx, yy, _ = sums(x, a, y, b, root)
    delta = gap(x, a, y, b) if dd < TINY else math.sqrt(dd)
    ax, ay = border(k, xx), border(k, yy)
    root_q = math.sqrt(ax) * math.sqrt(ay)
    chord, t = 1.0, root * delta / root_q
    if k > 0.0:
        chord = root_q * math.sqrt(1.0 - t * t) if t * t < 0.5 else plane(x, a, y, b, k)[4]
    return 2.0 * half_angle(k, root, delta, chord, root_q)


@kernel(cost=20.0)
def dist_row(i: int, x: Any, y: Any, k: float, out: Any) -> None:
    """The distance of two rows."""
    out[i] = row_distance(x, min(i, x.shape[0] - 1), y, min(i, y.shape[0] - 1), k)


@kernel(cost=30.0)
def pairwise_row(i: int, x: Any, y: Any, k: float, out: Any) -> None:
    """The distances of a row of x and all rows of y."""
    for j in range(y.shape[0]):
        out[i, j] = row_distance(x, i, y, j, k)


@kernel(cost=50.0)
def transport_row(i: int, x: Any, y: Any, u: Any, k: float, out: Any) -> None:
    """``(A_y / A_x)`` times the reflections of u in ``f = (B e + K |d| w) / C`` and in e."""
    a, b, d = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), min(i, u.shape[0] - 1)
    delta, ax, ay, c, chord, (inverse, part, rest, which) = plane(x, a, y, b, k)
    f, g = (c / chord, k * delta / chord) if chord > 0.0 else (1.0, 0.0)
    ue = along(u, d, x, a, y, b, inverse, 0.0)
    if which == 0:
        _, uw = across(x, a, x, a, y, b, inverse, part, rest, u, d, g)
    else:
        _, uw = across(y, b, x, a, y, b, inverse, part, rest, u, d, g)
    uf = 2.0 * (f * ue + uw)
    ratio, back = ay / ax, uf * f + 2.0 * (ue - uf * f)
    for j in range(x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        e = (q - p) * inverse
        v = less_parts(p if which == 0 else q, part, rest, e)
        out[i, j] = ratio * (np.float64(u[d, j]) - back * e - uf * g * v)
