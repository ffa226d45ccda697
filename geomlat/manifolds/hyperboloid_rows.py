"""The row kernels of the hyperboloid: one source for Numba loops over NumPy arrays and for CUDA over CuPy arrays.

They follow `geomlat.manifolds.lorentz`, in float64, and round once. Squares outside TINY .. HUGE have lost digits, have
vanished or overflow: such a row is done again, scaled by its largest entries. Only space parts are read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, kernel, scalar, summation
from geomlat.backends.libm import fast_exp_expm1, fast_log1p

TINY = 1e-290
HUGE = 1e200
SMALL, LARGE = 1e-140, 1e140
FAR = 30.0


@summation
def squares(x: Any, a: int, scale: float) -> float:
    """``|a|^2`` of the space part of row a, in units of ``scale``."""
    total = 0.0
    for j in range(1, x.shape[1]):
        v = np.float64(x[a, j]) * scale
        total += v * v
    return total


@scalar
def largest(x: Any, a: int) -> float:
    """The largest absolute entry of the space part of row a."""
    most = 0.0
    for j in range(1, x.shape[1]):
        most = max(most, abs(np.float64(x[a, j])))
    return most


@scalar
def hypotenuse(p: float, q: float) -> float:
    """``sqrt(p^2 + q^2)`` of non-negative numbers, without overflow."""
    high, low = max(p, q), min(p, q)
    return high * math.sqrt(1.0 + (low / high) * (low / high)) if high > 0.0 else 0.0


@scalar
def scaled_size(x: Any, a: int) -> float:
    """``|a|``, right where its square is not."""
    most = largest(x, a)
    return most * math.sqrt(squares(x, a, 1.0 / most)) if most > 0.0 else 0.0


@scalar
def height(x: Any, a: int, radius: float) -> float:
    """The time entry of row a."""
    total = squares(x, a, 1.0)
    return math.sqrt(radius * radius + total) if total < HUGE else hypotenuse(scaled_size(x, a), radius)


@summation
def products(x: Any, a: int, u: Any, b: int) -> tuple[float, float]:
    """``|a|^2`` and ``a . u``."""
    aa, au = 0.0, 0.0
    for j in range(1, x.shape[1]):
        p = np.float64(x[a, j])
        aa += p * p
        au += p * np.float64(u[b, j])
    return aa, au


@summation
def rest(x: Any, a: int, u: Any, b: int, k: float, scale: float) -> float:
    """``|u - k a|^2``, in units of ``scale``."""
    total = 0.0
    for j in range(1, x.shape[1]):
        v = (np.float64(u[b, j]) - k * np.float64(x[a, j])) * scale
        total += v * v
    return total


@scalar
def tangent_size(x: Any, a: int, u: Any, b: int, radius: float) -> float:
    """The length of the tangent in row b of u at row a of x."""
    aa, au = products(x, a, u, b)
    k = au / aa if aa > TINY else 0.0
    total = rest(x, a, u, b, k, 1.0) + au * k * (radius * radius / (radius * radius + aa))
    if TINY < total < HUGE and aa < HUGE:
        return math.sqrt(total)
    size, most = scaled_size(x, a), largest(u, b)
    if most == 0.0:
        return 0.0
    along = 0.0
    for j in range(1, x.shape[1]):
        along += (np.float64(x[a, j]) / max(size, TINY)) * (np.float64(u[b, j]) / most)
    k = along * (most / max(size, TINY))
    across = math.sqrt(rest(x, a, u, b, k if size > TINY else 0.0, 1.0 / most))
    return most * hypotenuse(across, abs(along) * (radius / hypotenuse(size, radius)))


@kernel(cost=10.0)
def exp_row(i: int, x: Any, u: Any, radius: float, most: float, out: Any) -> None:
    """``cosh(r) x + (sinh(r) / r) u`` for r up to ``most`` less the logarithm of x_0."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    r, cut, total = tangent_size(x, a, u, b, radius) / radius, 1.0, 0.0
    if r > FAR:
        cut = min(1.0, (most - max(math.log(height(x, a, radius)), 0.0)) / r)
        r *= cut
    e, less_one = fast_exp_expm1(0.5 * r)
    half = 0.5 * (less_one + less_one / e)
    c = 1.0 + 2.0 * half * half
    s = cut * (half * (e + 1.0 / e) / r if r > 0.0 else 1.0)
    for j in range(1, x.shape[1]):
        v = c * np.float64(x[a, j]) + s * np.float64(u[b, j])
        total += v * v
        out[i, j] = v
    out[i, 0] = math.sqrt(radius * radius + total) if total < HUGE else hypotenuse(scaled_size(out, i), radius)


@summation
def differences(x: Any, a: int, y: Any, b: int) -> tuple[float, float, float]:
    """``|a|^2``, ``|b|^2`` and ``(a - b) . (a + b)``."""
    aa, bb, drop = 0.0, 0.0, 0.0
    for j in range(1, x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        aa += p * p
        bb += q * q
        drop += (p - q) * (p + q)
    return aa, bb, drop


@inlined
def turned(p: float, q: float, k: float, low: float) -> float:
    """``(p - q) - (k p + low q)``, in this order, which a summation would be free to change."""
    return (p - q) - (k * p + low * q)


@summation
def turning(x: Any, a: int, y: Any, b: int, k: float, low: float) -> float:
    """``|a - b - k a - low b|^2``."""
    total = 0.0
    for j in range(1, x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        w = turned(p, q, k, low)
        total += w * w
    return total


@inlined
def half_square(x: Any, a: int, y: Any, b: int, radius: float) -> float:
    """``sinh(d / 2R)^2`` of two rows: 0 where squares have lost digits or overflow.

    ``sinh^2`` of half the gap of the radii is ``drop^2 / (2 (|a| + |b|)^2 (x_0 y_0 + R^2 + |a| |b|))``.
    """
    aa, bb, drop = differences(x, a, y, b)
    both, rr = math.sqrt(aa * bb), radius * radius
    near = drop / (both + min(aa, bb)) if min(aa, bb) > SMALL else 0.0
    k, low = (0.0, near) if aa >= bb else (near, 0.0)
    turn = turning(x, a, y, b, k, low) * min(aa, bb) / both
    high = math.sqrt((rr + aa) * (rr + bb))
    total = (drop / (aa + bb + 2.0 * both)) * (drop / (2.0 * (high + rr + both))) + turn / (4.0 * rr)
    return total if total > TINY and max(aa, bb) < LARGE and min(aa, bb) > SMALL else 0.0


@scalar
def half_chord(x: Any, a: int, y: Any, b: int, radius: float) -> float:
    """``sinh(d / 2R)`` of two rows."""
    square = half_square(x, a, y, b, radius)
    return math.sqrt(square) if square > 0.0 else scaled_half_chord(x, a, y, b, radius)


@scalar
def scaled_half_chord(x: Any, a: int, y: Any, b: int, radius: float) -> float:
    """`half_chord` of rows that coincide nearly, or lie at or beside the origin, or too far out for squares."""
    p, q, gap, drop = scaled_size(x, a), scaled_size(y, b), 0.0, 0.0
    for j in range(1, x.shape[1]):
        gap = max(gap, abs(np.float64(x[a, j]) - np.float64(y[b, j])))
    if gap == 0.0:
        return 0.0
    for j in range(1, x.shape[1]):
        s, t = np.float64(x[a, j]), np.float64(y[b, j])
        drop += ((s - t) / gap) * ((s + t) / (p + q))
    rise = gap * abs(drop / ((p / (p + q)) * hypotenuse(q, radius) + (q / (p + q)) * hypotenuse(p, radius)))
    fall = rise / math.sqrt(2.0 + 2.0 * hypotenuse(rise, 1.0))
    if min(p, q) == 0.0:
        return fall
    turn = 0.0
    for j in range(1, x.shape[1]):
        s, t = np.float64(x[a, j]), np.float64(y[b, j])
        w = (s - t) / gap - drop * (t / q if p >= q else s / p)
        turn += w * w
    return hypotenuse(fall, math.sqrt(p) * (math.sqrt(q) / (2.0 * radius)) * (gap / max(p, q)) * math.sqrt(turn))


@scalar
def arc(half: float) -> float:
    """``asinh(half)`` of a non-negative number."""
    if half < 1e100:
        return 0.5 * fast_log1p(2.0 * half * (half + math.sqrt(1.0 + half * half)))
    return math.log(half) + math.log(2.0)


@scalar
def row_dist(x: Any, a: int, y: Any, b: int, radius: float) -> float:
    """The distance of two rows, ``R log(1 + 2 s + 2 sqrt(s (1 + s)))`` with ``s = sinh(d / 2R)^2``."""
    s = half_square(x, a, y, b, radius)
    if s > 0.0:
        return radius * fast_log1p(2.0 * (s + math.sqrt(s * (1.0 + s))))
    return 2.0 * radius * arc(scaled_half_chord(x, a, y, b, radius))


@kernel(cost=15.0)
def dist_row(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """The distance of two rows."""
    out[i] = row_dist(x, min(i, x.shape[0] - 1), y, min(i, y.shape[0] - 1), radius)


@kernel(cost=10.0)
def square_row(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """``sinh(d / 2R)^2`` of two rows, or 0 where `half_square` has no digits: `arc_row` goes on from there."""
    out[i] = half_square(x, i, y, i, radius)


@kernel(cost=3.0)
def arc_row(i: int, radius: float, out: Any) -> None:
    """The distance in the place of ``sinh(d / 2R)^2``, and NaN in the place of 0."""
    s = out[i]
    d = radius * fast_log1p(2.0 * (s + math.sqrt(s * (1.0 + s))))
    out[i] = d if s > 0.0 else math.nan


@kernel(cost=40.0)
def pairwise_row(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """The distances of a row of x and all rows of y."""
    for j in range(y.shape[0]):
        out[i, j] = row_dist(x, i, y, j, radius)


@kernel(cost=20.0)
def log_row(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """``f (y - x) - g x`` with ``f = d / sinh d`` and ``g = d tanh(d / 2)``."""
    a, b, lean = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), 0.0
    half, high = half_chord(x, a, y, b, radius), height(x, a, radius)
    d, cosh = arc(half), hypotenuse(half, 1.0)
    f = d / half / cosh if half > 0.0 else 1.0
    g = 2.0 * d * (half / cosh)
    for j in range(1, x.shape[1]):
        p = np.float64(x[a, j])
        v = f * (np.float64(y[b, j]) - p) - g * p
        lean += (p / high) * v
        out[i, j] = v
    out[i, 0] = lean


@summation
def triple(x: Any, a: int, y: Any, b: int, u: Any, d: int) -> tuple[float, float, float, float]:
    """``|a|^2``, ``a . b``, ``a . (b - a)`` and ``a . u``."""
    aa, ab, drop, au = 0.0, 0.0, 0.0, 0.0
    for j in range(1, x.shape[1]):
        p, q = np.float64(x[a, j]), np.float64(y[b, j])
        aa += p * p
        ab += p * q
        drop += p * (q - p)
        au += p * np.float64(u[d, j])
    return aa, ab, drop, au


@inlined
def aside(q: float, p: float, keep: float, k: float) -> float:
    """``(q - keep p) - k p``, in this order, which a summation would be free to change."""
    return (q - keep * p) - k * p


@summation
def sides(x: Any, a: int, y: Any, b: int, u: Any, d: int, keep: float, k: float, t: float) -> float:
    """``(b - (keep + k) a) . (u - t a)``."""
    total = 0.0
    for j in range(1, x.shape[1]):
        p = np.float64(x[a, j])
        total += aside(np.float64(y[b, j]), p, keep, k) * aside(np.float64(u[d, j]), p, 0.0, t)
    return total


@kernel(cost=20.0)
def transport_row(i: int, x: Any, y: Any, u: Any, radius: float, out: Any) -> None:
    """``u + k (x + y)``, ``k = <y, u> / (R^2 - <x, y>)``; 0 for x past HUGE, where no direction has a digit left."""
    a, b, d = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), min(i, u.shape[0] - 1)
    half, high, rr = half_chord(x, a, y, b, radius), height(y, b, radius), radius * radius
    aa, ab, drop, au = triple(x, a, y, b, u, d)
    away = 1.0 / (1.0 + half * half)
    near = half * half * away if half < 1.0 else 1.0 - away
    short = high * high - rr < 0.25 * aa
    keep, along = (0.0, ab) if short else (1.0, drop)
    k, t = (along / aa, au / aa) if aa > TINY else (0.0, 0.0)
    k = sides(x, a, y, b, u, d, keep, k, t) * away
    k += (rr / (rr + aa)) * (drop * away - 2.0 * near * aa) * t
    k = k / (2.0 * rr) if abs(k) < HUGE and aa < HUGE else 0.0
    lean = 0.0
    for j in range(1, x.shape[1]):
        q = np.float64(y[b, j])
        v = np.float64(u[d, j]) + k * (np.float64(x[a, j]) + q)
        lean += (q / high) * v
        out[i, j] = v
    out[i, 0] = lean
