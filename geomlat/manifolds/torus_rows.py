"""The row kernels of the torus and the exact reduction of an angle: one source for Numba loops and for CUDA.

2 pi is the sum of `TURN`, whose first two parts have 27 significant bits: an integer of 26 bits times either is exact
(Cody and Waite 1980). Rows are read as float64 and rounded once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar

PI = math.pi
TAU = 2.0 * math.pi
TURN = (6.283185303211212, 3.968374295837407e-09, 2.2884754904439327e-17)
LARGEST = 4e8
TINY = 1e-290


@scalar
def reduced(s: float, rest: float) -> float:
    """``s + rest`` less the nearest multiple of 2 pi, |rest| a rounding of s; at half turns the sign of s is kept."""
    if abs(s) > LARGEST:
        s, rest = s % TAU, 0.0
    k = math.copysign(float(math.ceil(abs(s) / TAU - 0.5)), s)
    r = ((s - k * TURN[0]) - k * TURN[1]) - (k * TURN[2] - rest)
    # The quotient is rounded: a little past half a turn it may have given the wrong multiple.
    if abs(r) > PI:
        k = math.copysign(1.0, r)
        r = ((r - k * TURN[0]) - k * TURN[1]) - k * TURN[2]
    return r


@scalar
def lost(a: float, b: float, s: float) -> float:
    """What ``s = a + b`` lost to rounding (Knuth 1969)."""
    t = s - a
    return (a - (s - t)) + (b - t)


@scalar
def turned(x: float, y: float) -> float:
    """The smallest angle that turns x to y."""
    d = y - x
    return reduced(d, lost(y, -x, d))


@kernel(cost=6.0)
def turn_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``x + u`` in [-pi, pi) of the dtype of ``out``."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    for j in range(x.shape[1]):
        s = np.float64(x[a, j]) + np.float64(u[b, j])
        out[i, j] = reduced(s, lost(np.float64(x[a, j]), np.float64(u[b, j]), s))
        # Judged after rounding: float32 has its pi above the number.
        if np.float64(out[i, j]) >= PI:
            out[i, j] = -out[i, j]


@kernel(cost=6.0)
def turned_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The smallest angles from a row to another."""
    a, b = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1)
    for j in range(x.shape[1]):
        out[i, j] = turned(np.float64(x[a, j]), np.float64(y[b, j]))


@scalar
def row_gap(x: Any, a: int, y: Any, b: int) -> float:
    """The length of the smallest angles from row a of x to row b of y."""
    total = 0.0
    for j in range(x.shape[1]):
        t = turned(np.float64(x[a, j]), np.float64(y[b, j]))
        total += t * t
    if total >= TINY:
        return math.sqrt(total)
    scale, total = 0.0, 0.0
    for j in range(x.shape[1]):
        scale = max(scale, abs(turned(np.float64(x[a, j]), np.float64(y[b, j]))))
    for j in range(x.shape[1]):
        t = turned(np.float64(x[a, j]), np.float64(y[b, j])) / (scale if scale > 0.0 else 1.0)
        total += t * t
    return scale * math.sqrt(total)


@kernel(cost=6.0)
def gap_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The distance of two rows."""
    out[i] = row_gap(x, min(i, x.shape[0] - 1), y, min(i, y.shape[0] - 1))


@kernel(cost=12.0)
def gaps_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The distances of a row of x and all rows of y."""
    for j in range(y.shape[0]):
        out[i, j] = row_gap(x, i, y, j)
