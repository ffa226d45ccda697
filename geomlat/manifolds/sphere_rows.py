"""The row kernels of the sphere: one source for Numba loops over NumPy arrays and for CUDA over CuPy arrays.

Rows are read as float64 and rounded once. Sums of squares below TINY have lost digits or vanished: then the row is
scaled by its largest entry.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, kernel, scalar, summation
from geomlat.backends.libm import fast_angle

TINY = 1e-290
HUGE = 1e290
FAR = 0.8
CLOSE = 0.01


@scalar
def _axis(first: float, width: int) -> int:
    """The axis that `log` takes at the cut locus; -1 where there is no tangent."""
    if width < 2:
        return -1
    return 0 if abs(first) <= FAR else 1


@summation
def dot_of(x: Any, a: int, y: Any, b: int) -> float:
    """The dot product of row a of x and row b of y."""
    total = 0.0
    for j in range(x.shape[1]):
        total += np.float64(x[a, j]) * np.float64(y[b, j])
    return total


@summation
def _along(x: Any, a: int, y: Any, b: int, sign: float) -> float:
    """``<x, y - sign x>`` of two rows."""
    total = 0.0
    for j in range(x.shape[1]):
        total += np.float64(x[a, j]) * (np.float64(y[b, j]) - sign * np.float64(x[a, j]))
    return total


@inlined
def _offset(x: float, y: float, sign: float, k: float) -> float:
    """``(y - sign x) - k x``; apart from the sum, which must not put its terms together."""
    return y - sign * x - k * x


@summation
def _aside(x: Any, a: int, y: Any, b: int, sign: float, k: float) -> float:
    """``|y - sign x - k x|^2`` of two rows."""
    total = 0.0
    for j in range(x.shape[1]):
        v = _offset(np.float64(x[a, j]), np.float64(y[b, j]), sign, k)
        total += v * v
    return total


@kernel(cost=6.0)
def exp_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``cos(r) x + (sin(r) / r) u``."""
    a, b, m = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1), x.shape[1]
    total, scale = dot_of(u, b, u, b), 1.0
    if total > HUGE:
        scale = 0.0
        for j in range(m):
            scale = max(scale, abs(np.float64(u[b, j])))
        total = 0.0
        for j in range(m):
            total += (np.float64(u[b, j]) / scale) * (np.float64(u[b, j]) / scale)
    r = scale * math.sqrt(total)
    c = math.cos(r)
    s = math.sin(r) / r if r > 0.0 else 1.0
    for j in range(m):
        out[i, j] = c * np.float64(x[a, j]) + s * np.float64(u[b, j])


@kernel(cost=12.0)
def log_row(i: int, x: Any, y: Any, out: Any) -> None:
    """``theta v / |v|``, v the projection of y - x or of y + x."""
    a, b, m = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), x.shape[1]
    c, xx, scale = dot_of(x, a, y, b), dot_of(x, a, x, a), 1.0
    sign = 1.0 if c > 0.0 else -1.0
    k = _along(x, a, y, b, sign) / xx
    total = _aside(x, a, y, b, sign, k)
    if total < TINY:
        scale, total = 0.0, 0.0
        for j in range(m):
            v = np.float64(y[b, j]) - sign * np.float64(x[a, j]) - k * np.float64(x[a, j])
            scale = max(scale, abs(v))
        if scale > 0.0:
            for j in range(m):
                v = (np.float64(y[b, j]) - sign * np.float64(x[a, j]) - k * np.float64(x[a, j])) / scale
                total += v * v
    s = math.sqrt(total)
    if s > 0.0:
        factor = (fast_angle(scale * s, c) if c > 0.0 else math.pi - fast_angle(scale * s, -c)) / s
        for j in range(m):
            v = np.float64(y[b, j]) - sign * np.float64(x[a, j]) - k * np.float64(x[a, j])
            out[i, j] = factor * (v / scale)
    elif c > 0.0:
        for j in range(m):
            out[i, j] = 0.0
    else:
        axis = _axis(x[a, 0], m)
        head = np.float64(x[a, max(axis, 0)])
        factor = math.pi / math.sqrt(max(xx * head * head - 2.0 * head * head + 1.0, TINY))
        for j in range(m):
            unit = 1.0 if j == axis else 0.0
            out[i, j] = factor * (unit - head * np.float64(x[a, j])) if axis >= 0 else 0.0


@summation
def _chords(x: Any, a: int, y: Any, b: int) -> tuple[float, float, float]:
    """``|x - y|^2``, ``|x + y|^2`` and ``<x - y, x + y>`` of row a of x and row b of y."""
    near, far, skew = 0.0, 0.0, 0.0
    for j in range(x.shape[1]):
        d, s = np.float64(x[a, j]) - np.float64(y[b, j]), np.float64(x[a, j]) + np.float64(y[b, j])
        near += d * d
        far += s * s
        skew += d * s
    return near, far, skew


@scalar
def row_angle(x: Any, a: int, y: Any, b: int) -> float:
    """``2 atan2(|x - y|, |x + y|)`` of row a of x and row b of y, both freed of the difference of their lengths."""
    low, high = 1.0, 1.0
    near, far, skew = _chords(x, a, y, b)
    if near < TINY or far < TINY:
        low, high, near, far, skew = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(x.shape[1]):
            low = max(low, abs(np.float64(x[a, j]) - np.float64(y[b, j])))
            high = max(high, abs(np.float64(x[a, j]) + np.float64(y[b, j])))
        for j in range(x.shape[1]):
            d = (np.float64(x[a, j]) - np.float64(y[b, j])) / (low if low > 0.0 else 1.0)
            s = (np.float64(x[a, j]) + np.float64(y[b, j])) / (high if high > 0.0 else 1.0)
            near += d * d
            far += s * s
            skew += d * s
    near = max(near - (0.5 * high * skew) * (0.5 * high * skew), 0.0)
    far = max(far - (0.5 * low * skew) * (0.5 * low * skew), 0.0)
    return 2.0 * fast_angle(low * math.sqrt(near), high * math.sqrt(far))


@kernel(cost=12.0)
def dist_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angle of two rows."""
    out[i] = row_angle(x, min(i, x.shape[0] - 1), y, min(i, y.shape[0] - 1))


@kernel(cost=25.0)
def pairwise_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angles of a row of x and all rows of y."""
    for j in range(y.shape[0]):
        out[i, j] = row_angle(x, i, y, j)


@kernel(cost=8.0)
def transport_row(i: int, x: Any, y: Any, u: Any, out: Any) -> None:
    """The reflection of u in the direction of x + y."""
    a, b, d, m = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), min(i, u.shape[0] - 1), x.shape[1]
    total, along, scale = 0.0, 0.0, 1.0
    for j in range(m):
        w = np.float64(x[a, j]) + np.float64(y[b, j])
        total += w * w
        along += w * np.float64(u[d, j])
    if total < CLOSE:  # next to the cut locus w u may be subnormal where neither is
        total, along, scale = 0.0, 0.0, 0.0
        for j in range(m):
            scale = max(scale, abs(np.float64(x[a, j]) + np.float64(y[b, j])))
        if scale > 0.0:
            for j in range(m):
                w = (np.float64(x[a, j]) + np.float64(y[b, j])) / scale
                total += w * w
                along += w * np.float64(u[d, j])
    if scale > 0.0:
        k = 2.0 * along / total
        for j in range(m):
            w = (np.float64(x[a, j]) + np.float64(y[b, j])) / scale
            out[i, j] = np.float64(u[d, j]) - k * w
    else:
        axis = _axis(x[a, 0], m)
        head = np.float64(x[a, max(axis, 0)])
        for j in range(m):
            f = (1.0 if j == axis else 0.0) - head * np.float64(x[a, j])
            total += f * f
            along += f * np.float64(u[d, j])
        k = 2.0 * along / total if axis >= 0 else 0.0
        for j in range(m):
            f = (1.0 if j == axis else 0.0) - head * np.float64(x[a, j])
            out[i, j] = np.float64(u[d, j]) - k * f


@kernel(cost=4.0)
def tangent_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``u - <x, u> x``."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    c = dot_of(x, a, u, b)
    for j in range(x.shape[1]):
        out[i, j] = np.float64(u[b, j]) - c * np.float64(x[a, j])
