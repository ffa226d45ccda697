"""The row kernels of the sphere: one source for Numba loops over NumPy arrays and for CUDA over CuPy arrays.

Rows are read as float64 and rounded once. Sums of squares below TINY have lost digits or vanished: then the row is
scaled by its largest entry.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar

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


@kernel(cost=6.0)
def exp_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``cos(r) x + (sin(r) / r) u``."""
    a, b, m = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1), x.shape[1]
    total, scale = 0.0, 1.0
    for j in range(m):
        total += np.float64(u[b, j]) * np.float64(u[b, j])
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
    c, xx, xw, total, scale = 0.0, 0.0, 0.0, 0.0, 1.0
    for j in range(m):
        c += np.float64(x[a, j]) * np.float64(y[b, j])
        xx += np.float64(x[a, j]) * np.float64(x[a, j])
    sign = 1.0 if c > 0.0 else -1.0
    for j in range(m):
        xw += np.float64(x[a, j]) * (np.float64(y[b, j]) - sign * np.float64(x[a, j]))
    k = xw / xx
    for j in range(m):
        v = np.float64(y[b, j]) - sign * np.float64(x[a, j]) - k * np.float64(x[a, j])
        total += v * v
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
        factor = math.atan2(scale * s, c) / s
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


@scalar
def row_angle(x: Any, a: int, y: Any, b: int) -> float:
    """``2 atan2(|x - y|, |x + y|)`` of row a of x and row b of y, both freed of the difference of their lengths."""
    near, far, skew, low, high = 0.0, 0.0, 0.0, 1.0, 1.0
    for j in range(x.shape[1]):
        d, s = np.float64(x[a, j]) - np.float64(y[b, j]), np.float64(x[a, j]) + np.float64(y[b, j])
        near += d * d
        far += s * s
        skew += d * s
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
    return 2.0 * math.atan2(low * math.sqrt(near), high * math.sqrt(far))


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
