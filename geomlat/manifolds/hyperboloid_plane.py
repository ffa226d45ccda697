"""Row kernels of the hyperbolic plane: no inner loop and no branch, so that LLVM makes vectors over the rows.

In the plane the parts across a are cross products, ``a x (b - a)`` and ``a x u``. The first number of a row out of the
range of squares is NaN; `in_plane` does it again by the kernels of `geomlat.manifolds.hyperboloid_rows`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import Kernel, inlined, kernel, rows
from geomlat.backends.libm import fast_exp_expm1, fast_log1p
from geomlat.manifolds.hyperboloid_rows import FAR, TINY, arc, arc_row, dist_row, half_chord, pairwise_row, square_row
from geomlat.manifolds.vectors import all_pairs, by_rows, check_out

Array = Any

# Unsigned indices of flat arrays: with those of rows of unknown width LLVM makes no vectors.
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)
NAN = math.nan
LARGE = 1e140
WIDE = 1e290
MANY = 256
"""Rows from which a second pass pays."""


def in_plane(fast: Kernel, slow: Kernel, *arrays: Array, out: Array | None, event: int, numbers: Any) -> Array:
    """`by_rows` of ``slow``; many rows of width 3 in step by ``fast``, with the first of the numbers."""
    shape = arrays[0].shape
    steady = shape[-1] == 3 and arrays[0].size >= 3 * MANY and type(arrays[0]) is ndarray
    if not steady or any(a.shape != shape for a in arrays) or (out is not None and _overlap(out, *arrays)):
        return by_rows(slow, *arrays, out=out, event=event, numbers=numbers)
    result = shape if event else shape[:-1]
    y = np.empty(result, dtype=arrays[0].dtype) if out is None else out
    check_out(y, result, arrays[0].dtype)
    flat = [rows(a, shape[:-1]) for a in arrays]
    fast(len(flat[0]), *(a.reshape(-1) for a in flat), numbers[0], y.reshape(-1))
    _again(slow, flat, y.reshape(-1, 3) if event else y.reshape(-1), event, numbers)
    return y


def distances(x: Array, y: Array, *, out: Array | None, radius: float) -> Array:
    """The distances of rows. Beyond the plane the sums of all rows come first, then their arcs, in vectors."""
    steady = x.shape == y.shape and x.shape[-1] > 3 and x.size >= x.shape[-1] * MANY and type(x) is ndarray
    if not steady or x.dtype.char != "d" or (out is not None and _overlap(out, x, y)):
        return in_plane(dist_plane, dist_row, x, y, out=out, event=0, numbers=(radius,))
    result = np.empty(x.shape[:-1]) if out is None else out
    check_out(result, x.shape[:-1], x.dtype)
    flat = [rows(a, x.shape[:-1]) for a in (x, y)]
    table = result.reshape(-1)
    square_row(table.size, *flat, radius, table)
    arc_row(table.size, radius, table)
    _again(dist_row, flat, table, 0, (radius,))
    return result


def _again(slow: Kernel, arrays: list[Array], table: Array, event: int, numbers: Any) -> None:
    lost = np.flatnonzero(np.isnan(table[:, 0] if event else table))
    if lost.size:
        table[lost] = by_rows(slow, *(a[lost] for a in arrays), out=None, event=event, numbers=numbers)


def pairs_in_plane(x: Array, y: Array, *, out: Array | None, radius: float) -> Array:
    """`all_pairs` of the distance, in vectors over the rows of y where these have width 3."""
    if type(x) is not ndarray or x.shape[-1] != 3:
        return all_pairs(pairwise_row, x, y, out=out, numbers=(radius,))
    out = np.empty((len(x), len(y)), dtype=x.dtype) if out is None else out
    check_out(out, (len(x), len(y)), x.dtype)
    others = rows(y, y.shape[:1])
    pairs_plane(len(x), rows(x, x.shape[:1]), others, others.reshape(-1), radius, out)
    return out


def _overlap(out: Array, *arrays: Array) -> bool:
    return any(np.may_share_memory(out, a) for a in arrays)


@inlined
def plane_half(a1: float, a2: float, b1: float, b2: float, rr: float) -> float:
    """``sinh(d / 2R)^2`` of two space parts: 0 where it underflows, NaN where a product might be out of range.

    ``((x_0 + y_0)^2 |g|^2 - (g . (a + b))^2) / (4 R^2 (x_0 + y_0)^2)`` with ``g = a - b``. Above the line that is
    ``4 (a x g)^2 + 2 |g|^2 (R^2 + x_0 y_0 - a . b)``, and where a . b is positive the last difference is
    ``(R^2 (R^2 + |a|^2 + |b|^2) + (a x g)^2) / (x_0 y_0 + a . b)``: nothing cancels.
    """
    aa, bb, ab = a1 * a1 + a2 * a2, b1 * b1 + b2 * b2, a1 * b1 + a2 * b2
    g1, g2 = a1 - b1, a2 - b2
    cross, wide = a1 * g2 - a2 * g1, rr + aa + bb
    side, high = cross * cross, math.sqrt((rr + aa) * (rr + bb))
    less, per = (rr * wide + side, high + ab) if ab > 0.0 else (high - ab, 1.0)
    over = 2.0 * side * per + (g1 * g1 + g2 * g2) * (rr * per + less)
    under = 2.0 * rr * per * (rr + wide + 2.0 * high)
    total = over / under if over > TINY else 0.0
    return total if TINY < under < WIDE else NAN


@inlined
def plane_arc(square: float) -> float:
    """``2 asinh`` of the root of a number."""
    return fast_log1p(2.0 * (square + math.sqrt(square * (1.0 + square))))


@kernel(cost=8.0)
def exp_plane(i: int, x: Any, u: Any, radius: float, out: Any) -> None:
    """``cosh(r) x + (sinh(r) / r) u`` for r up to FAR."""
    k = THREE * np.uint64(i)
    a1, a2, u1, u2 = np.float64(x[k + ONE]), np.float64(x[k + TWO]), np.float64(u[k + ONE]), np.float64(u[k + TWO])
    rr, aa, au, cross = radius * radius, a1 * a1 + a2 * a2, a1 * u1 + a2 * u2, a1 * u2 - a2 * u1
    parts = (cross * cross + au * au * (rr / (rr + aa))) / max(aa, TINY)
    r = math.sqrt(parts if aa > TINY else u1 * u1 + u2 * u2) / radius
    e, less_one = fast_exp_expm1(0.5 * min(r, FAR))
    half = 0.5 * (less_one + less_one / e)
    s = half * (e + 1.0 / e) / r if r > 0.0 else 1.0
    c = 1.0 + 2.0 * half * half
    y1, y2 = c * a1 + s * u1, c * a2 + s * u2
    out[k] = math.sqrt(rr + (y1 * y1 + y2 * y2)) if r <= FAR and aa < LARGE else NAN
    out[k + ONE] = y1
    out[k + TWO] = y2


@kernel(cost=10.0)
def dist_plane(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """The distance of two rows, unless `plane_half` has no digits of it.

    The time entries add nothing but NaN to NaN: of rows that are read whole LLVM makes vectors by shuffles, of parts of
    rows by gathers, which take 1.7 times as long.
    """
    k = THREE * np.uint64(i)
    square = plane_half(
        np.float64(x[k + ONE]), np.float64(x[k + TWO]), np.float64(y[k + ONE]), np.float64(y[k + TWO]), radius * radius
    )
    square += 0.0 * (np.float64(x[k]) + np.float64(y[k]))
    out[i] = radius * plane_arc(square) if square > 0.0 else NAN


@kernel(cost=8.0)
def pairs_plane(i: int, x: Any, y: Any, flat: Any, radius: float, out: Any) -> None:
    """The distances of a row of x and all rows of y, which is given twice: by rows and flat."""
    a1, a2 = np.float64(x[i, 1]), np.float64(x[i, 2])
    for j in range(out.shape[1]):
        k = THREE * np.uint64(j)
        square = plane_half(a1, a2, np.float64(flat[k + ONE]), np.float64(flat[k + TWO]), radius * radius)
        out[i, j] = radius * plane_arc(square) if square > 0.0 else NAN
    for j in range(out.shape[1]):
        if math.isnan(out[i, j]):
            out[i, j] = 2.0 * radius * arc(half_chord(x, i, y, j, radius))


@kernel(cost=10.0)
def log_plane(i: int, x: Any, y: Any, radius: float, out: Any) -> None:
    """``f (y - x) - g x`` with ``f = d / sinh d`` and ``g = d tanh(d / 2)``."""
    k = THREE * np.uint64(i)
    a1, a2, b1, b2 = np.float64(x[k + ONE]), np.float64(x[k + TWO]), np.float64(y[k + ONE]), np.float64(y[k + TWO])
    rr = radius * radius
    square = plane_half(a1, a2, b1, b2, rr)
    half, cosh = math.sqrt(square), math.sqrt(1.0 + square)
    ratio = 0.5 * plane_arc(square) / max(half, TINY) if half > TINY else 1.0
    f, g = ratio / cosh, 2.0 * ratio * (square / cosh)
    u1, u2 = f * (b1 - a1) - g * a1, f * (b2 - a2) - g * a2
    high = math.sqrt(rr + (a1 * a1 + a2 * a2))
    out[k] = (a1 / high) * u1 + (a2 / high) * u2 if square < LARGE else NAN
    out[k + ONE] = u1
    out[k + TWO] = u2


@kernel(cost=10.0)
def transport_plane(i: int, x: Any, y: Any, u: Any, radius: float, out: Any) -> None:
    """``u + k (x + y)`` with ``k = <y, u> / (R^2 - <x, y>)``."""
    k = THREE * np.uint64(i)
    a1, a2, b1, b2 = np.float64(x[k + ONE]), np.float64(x[k + TWO]), np.float64(y[k + ONE]), np.float64(y[k + TWO])
    u1, u2, rr = np.float64(u[k + ONE]), np.float64(u[k + TWO]), radius * radius
    square = plane_half(a1, a2, b1, b2, rr)
    away = 1.0 / (1.0 + square)
    aa, bb, g1, g2 = a1 * a1 + a2 * a2, b1 * b1 + b2 * b2, b1 - a1, b2 - a2
    cross = a1 * g2 - a2 * g1
    along = (rr / (rr + aa)) * ((a1 * g1 + a2 * g2) * away - 2.0 * (square * away) * aa) * (a1 * u1 + a2 * u2)
    parts = (cross * (a1 * u2 - a2 * u1) * away + along) / max(aa, TINY)
    lean = (parts if aa > TINY else (b1 * u1 + b2 * u2) * away) / (2.0 * rr)
    v1, v2, high = u1 + lean * (a1 + b1), u2 + lean * (a2 + b2), math.sqrt(rr + bb)
    out[k] = (b1 / high) * v1 + (b2 / high) * v2 if square < LARGE else NAN
    out[k + ONE] = v1
    out[k + TWO] = v2
