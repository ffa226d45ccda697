"""The Riemannian step of points of a sphere as one row kernel, where array expressions make twenty passes.

Rows are read as float64 and rounded once. Every row carries its moment along its own geodesic, whatever its length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar


@scalar
def travel(i: int, x: Any, g: Any, moment: Any, a: float, b: float, keep: float) -> None:
    """Row i of x to the end of the geodesic along ``u = a g + b moment``; its moment too, if ``keep`` is positive.

    With ``r = |u|``: ``y = cos(r) x + sin(r) u / r``, ``m + <m, u / r> ((cos(r) - 1) u / r - sin(r) x)``. Both are then
    freed of their rounding: y of its length, the moment of its part along y.
    """
    square, along = 0.0, 0.0
    for j in range(x.shape[1]):
        m = np.float64(moment[i, j])
        u = a * np.float64(g[i, j]) + b * m
        square += u * u
        along += m * u
    r = math.sqrt(square)
    c, s = math.cos(r), math.sin(r) / r if r > 0.0 else 1.0
    turn = along * (c - 1.0) / square if square > 0.0 else 0.0
    size, lean = 0.0, 0.0
    for j in range(x.shape[1]):
        p, m = np.float64(x[i, j]), np.float64(moment[i, j])
        u = a * np.float64(g[i, j]) + b * m
        y, v = c * p + s * u, m + turn * u - along * s * p
        size += y * y
        lean += y * v
    f = 1.0 / math.sqrt(size)
    for j in range(x.shape[1]):
        p, m = np.float64(x[i, j]), np.float64(moment[i, j])
        u = a * np.float64(g[i, j]) + b * m
        y = c * p + s * u
        x[i, j] = f * y
        if keep > 0.0:
            moment[i, j] = m + turn * u - along * s * p - lean / size * y


@kernel(cost=8.0)
def sgd_row(i: int, x: Any, g: Any, moment: Any, scale: Any, rates: Any) -> None:
    """``m <- rate_0 m + g``, then x along ``rate_1 g + rate_2 m``; g is scaled."""
    for j in range(x.shape[1]):
        moment[i, j] = rates[0] * np.float64(moment[i, j]) + scale[0] * np.float64(g[i, j])
    travel(i, x, g, moment, scale[0] * rates[1], rates[2], rates[0])


@kernel(cost=8.0)
def adam_row(i: int, x: Any, g: Any, mean: Any, square: Any, scale: Any, rates: Any) -> None:
    """The means of g and of its squared length, then x along ``-rate_4 m / (sqrt(v) rate_5 + rate_6)``; g is scaled."""
    total = 0.0
    for j in range(x.shape[1]):
        t = scale[0] * np.float64(g[i, j])
        total += t * t
        mean[i, j] = rates[0] * np.float64(mean[i, j]) + rates[1] * t
    for j in range(x.shape[1]):
        square[i, j] = rates[2] * np.float64(square[i, j]) + rates[3] * total
    b = -rates[4] / (math.sqrt(np.float64(square[i, 0])) * rates[5] + rates[6])
    travel(i, x, g, mean, 0.0, b, rates[0])
