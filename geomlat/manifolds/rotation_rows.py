"""The row kernels of the rotations of space: one source for Numba loops over NumPy arrays and for CUDA.

A row holds the nine entries of a matrix, read as float64 and rounded once. The formulas are those of
`geomlat.manifolds.rotations`, row by row of each matrix: ``v^T hat(c) = (v x c)^T``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar

TINY = 1e-290
SQUARINGS = 32
ENOUGH = 1.0 - 8.0 * 2.0**-52


@scalar
def column_dot(x: Any, a: int, i: int, y: Any, b: int, j: int) -> float:
    """Column i of matrix a of x times column j of matrix b of y."""
    total = 0.0
    for k in range(3):
        total += np.float64(x[a, 3 * k + i]) * np.float64(y[b, 3 * k + j])
    return total


@scalar
def column_gap(x: Any, a: int, i: int, y: Any, b: int, j: int) -> float:
    """Column i of x + y times column j of y - x."""
    total = 0.0
    for k in range(3):
        s = np.float64(x[a, 3 * k + i]) + np.float64(y[b, 3 * k + i])
        total += s * (np.float64(y[b, 3 * k + j]) - np.float64(x[a, 3 * k + j]))
    return total


@scalar
def length_of(p: float, q: float, r: float) -> float:
    """The norm of three numbers, scaled where its square has lost digits or overflows."""
    total = p * p + q * q + r * r
    if TINY < total < 1.0 / TINY:
        return math.sqrt(total)
    scale = max(abs(p), abs(q), abs(r))
    if scale == 0.0:
        return 0.0
    return scale * math.sqrt((p / scale) * (p / scale) + (q / scale) * (q / scale) + (r / scale) * (r / scale))


@scalar
def orientation(x: Any, a: int, y: Any, b: int) -> float:
    """The sign of the largest entry of y - x."""
    largest = 0.0
    for j in range(9):
        d = np.float64(y[b, j]) - np.float64(x[a, j])
        if abs(d) > abs(largest):
            largest = d
    return -1.0 if largest < 0.0 else 1.0


@scalar
def turn_of(x: Any, a: int, y: Any, b: int) -> tuple[float, float, float, float]:
    """The quaternion of ``x^T y``."""
    p = 0.5 * (column_gap(x, a, 2, y, b, 1) - column_gap(x, a, 1, y, b, 2))
    q = 0.5 * (column_gap(x, a, 0, y, b, 2) - column_gap(x, a, 2, y, b, 0))
    r = 0.5 * (column_gap(x, a, 1, y, b, 0) - column_gap(x, a, 0, y, b, 1))
    d0, d1, d2 = column_dot(x, a, 0, y, b, 0), column_dot(x, a, 1, y, b, 1), column_dot(x, a, 2, y, b, 2)
    w = 1.0 + (d0 + d1 + d2)
    if d0 + d1 + d2 < 0.0:
        i = 0 if d0 >= d1 and d0 >= d2 else (1 if d1 >= d2 else 2)
        w = p if i == 0 else (q if i == 1 else r)
        p = column_dot(x, a, 0, y, b, i) + column_dot(x, a, i, y, b, 0) + (1.0 - d0 - d1 - d2 if i == 0 else 0.0)
        q = column_dot(x, a, 1, y, b, i) + column_dot(x, a, i, y, b, 1) + (1.0 - d0 - d1 - d2 if i == 1 else 0.0)
        r = column_dot(x, a, 2, y, b, i) + column_dot(x, a, i, y, b, 2) + (1.0 - d0 - d1 - d2 if i == 2 else 0.0)
    size = math.hypot(w, length_of(p, q, r))
    if w < 0.0 or (w == 0.0 and orientation(x, a, y, b) < 0.0):
        size = -size
    return w / size, p / size, q / size, r / size


@scalar
def bent(
    v0: float, v1: float, v2: float, p: float, q: float, r: float, a: float, b: float
) -> tuple[float, float, float]:
    """``v + a v x c + b (v x c) x c`` with ``c = (p, q, r)``."""
    e0, e1, e2 = v1 * r - v2 * q, v2 * p - v0 * r, v0 * q - v1 * p
    f0, f1, f2 = e1 * r - e2 * q, e2 * p - e0 * r, e0 * q - e1 * p
    return v0 + (a * e0 + b * f0), v1 + (a * e1 + b * f1), v2 + (a * e2 + b * f2)


@kernel(cost=8.0)
def rotate_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``x (1 + sin(t) / t K + (1 - cos(t)) / t^2 K^2)``."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    p = 0.5 * (column_dot(x, a, 2, u, b, 1) - column_dot(x, a, 1, u, b, 2))
    q = 0.5 * (column_dot(x, a, 0, u, b, 2) - column_dot(x, a, 2, u, b, 0))
    r = 0.5 * (column_dot(x, a, 1, u, b, 0) - column_dot(x, a, 0, u, b, 1))
    t = length_of(p, q, r)
    s = math.sin(t) / t if t > 0.0 else 1.0
    h = math.sin(0.5 * t) / (0.5 * t) if t > 0.0 else 1.0
    for k in range(3):
        v0, v1, v2 = np.float64(x[a, 3 * k]), np.float64(x[a, 3 * k + 1]), np.float64(x[a, 3 * k + 2])
        out[i, 3 * k], out[i, 3 * k + 1], out[i, 3 * k + 2] = bent(v0, v1, v2, p, q, r, s, 0.5 * h * h)


@kernel(cost=12.0)
def velocity_row(i: int, x: Any, y: Any, out: Any) -> None:
    """``x hat(t a)``, t the angle and a the axis of ``x^T y``."""
    a = min(i, x.shape[0] - 1)
    w, p, q, r = turn_of(x, a, y, min(i, y.shape[0] - 1))
    s = length_of(p, q, r)
    factor = 2.0 * math.atan2(s, w) / s if s > 0.0 else 0.0
    p, q, r = factor * p, factor * q, factor * r
    for k in range(3):
        v0, v1, v2 = np.float64(x[a, 3 * k]), np.float64(x[a, 3 * k + 1]), np.float64(x[a, 3 * k + 2])
        out[i, 3 * k], out[i, 3 * k + 1], out[i, 3 * k + 2] = v1 * r - v2 * q, v2 * p - v0 * r, v0 * q - v1 * p


@scalar
def angle_of(x: Any, a: int, y: Any, b: int) -> float:
    """The angle of ``x^T y``."""
    w, p, q, r = turn_of(x, a, y, b)
    return 2.0 * math.atan2(length_of(p, q, r), w)


@kernel(cost=10.0)
def angle_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angle between two rotations."""
    out[i] = angle_of(x, min(i, x.shape[0] - 1), y, min(i, y.shape[0] - 1))


@kernel(cost=60.0)
def angles_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angles between a rotation of x and all of y."""
    for j in range(y.shape[0]):
        out[i, j] = angle_of(x, i, y, j)


@kernel(cost=12.0)
def carry_row(i: int, x: Any, y: Any, u: Any, out: Any) -> None:
    """``x H x^T u H``, H half the rotation from x to y: row after row of the product from the left."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    w, p, q, r = turn_of(x, a, y, min(i, y.shape[0] - 1))
    size = math.sqrt(2.0 + 2.0 * w)
    w, p, q, r = (1.0 + w) / size, p / size, q / size, r / size
    for k in range(3):
        v0, v1, v2 = np.float64(x[a, 3 * k]), np.float64(x[a, 3 * k + 1]), np.float64(x[a, 3 * k + 2])
        f0, f1, f2 = bent(v0, v1, v2, p, q, r, 2.0 * w, 2.0)
        e0, e1, e2 = 0.0, 0.0, 0.0
        for j in range(3):
            along = f0 * np.float64(x[a, 3 * j]) + f1 * np.float64(x[a, 3 * j + 1]) + f2 * np.float64(x[a, 3 * j + 2])
            e0 += along * np.float64(u[b, 3 * j])
            e1 += along * np.float64(u[b, 3 * j + 1])
            e2 += along * np.float64(u[b, 3 * j + 2])
        out[i, 3 * k], out[i, 3 * k + 1], out[i, 3 * k + 2] = bent(e0, e1, e2, p, q, r, 2.0 * w, 2.0)


@scalar
def squared(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, k: float, m: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """The square of a symmetric matrix with rows (a b c d), (. e f g), (. . h k), (. . . m), divided by its trace."""
    t = a * a + e * e + h * h + m * m + 2.0 * (b * b + c * c + d * d + f * f + g * g + k * k)
    return (
        (a * a + b * b + c * c + d * d) / t,
        (a * b + b * e + c * f + d * g) / t,
        (a * c + b * f + c * h + d * k) / t,
        (a * d + b * g + c * k + d * m) / t,
        (b * b + e * e + f * f + g * g) / t,
        (b * c + e * f + f * h + g * k) / t,
        (b * d + e * g + f * k + g * m) / t,
        (c * c + f * f + h * h + k * k) / t,
        (c * d + f * g + h * k + k * m) / t,
        (d * d + g * g + k * k + m * m) / t,
    )


@scalar
def entry(x: Any, i: int, j: int, scale: float) -> float:
    """Entry j of matrix i, divided by a scale."""
    return np.float64(x[i, j]) / scale


@kernel(cost=40.0)
def nearest_row(i: int, x: Any, out: Any) -> None:
    """The rotation nearest to a matrix, by the largest eigenvector of Davenport's matrix."""
    scale, total = 0.0, 0.0
    for j in range(9):
        scale = max(scale, abs(np.float64(x[i, j])))
    if scale == 0.0:
        for j in range(9):
            out[i, j] = 1.0 if j % 4 == 0 else 0.0
        return
    for j in range(9):
        total += entry(x, i, j, scale) * entry(x, i, j, scale)
    x0, x4, x8 = entry(x, i, 0, scale), entry(x, i, 4, scale), entry(x, i, 8, scale)
    s = math.sqrt(total)
    a, e, h, m = x0 + x4 + x8 + s, x0 - x4 - x8 + s, x4 - x0 - x8 + s, x8 - x0 - x4 + s
    b, k = entry(x, i, 7, scale) - entry(x, i, 5, scale), entry(x, i, 7, scale) + entry(x, i, 5, scale)
    c, g = entry(x, i, 2, scale) - entry(x, i, 6, scale), entry(x, i, 2, scale) + entry(x, i, 6, scale)
    d, f = entry(x, i, 3, scale) - entry(x, i, 1, scale), entry(x, i, 3, scale) + entry(x, i, 1, scale)
    for _ in range(SQUARINGS):
        a, b, c, d, e, f, g, h, k, m = squared(a, b, c, d, e, f, g, h, k, m)
        if a * a + e * e + h * h + m * m + 2.0 * (b * b + c * c + d * d + f * f + g * g + k * k) >= ENOUGH:
            break
    w, p, q, r = a, b, c, d
    if e > max(a, h, m):
        w, p, q, r = b, e, f, g
    elif h > max(a, m):
        w, p, q, r = c, f, h, k
    elif m > a:
        w, p, q, r = d, g, k, m
    size = math.sqrt(w * w + p * p + q * q + r * r)
    w, p, q, r = w / size, p / size, q / size, r / size
    out[i, 0], out[i, 1], out[i, 2] = bent(1.0, 0.0, 0.0, p, q, r, 2.0 * w, 2.0)
    out[i, 3], out[i, 4], out[i, 5] = bent(0.0, 1.0, 0.0, p, q, r, 2.0 * w, 2.0)
    out[i, 6], out[i, 7], out[i, 8] = bent(0.0, 0.0, 1.0, p, q, r, 2.0 * w, 2.0)
