"""Tables of distances on the sphere: angles from a matrix product where it is exact enough, from chords elsewhere.

The dot product c of two unit vectors has an error of a few eps, the angle one of eps / sin(angle): for |c| <= 1/2 two
roundings of c are 2.2 of the angle. All other pairs get their chords: see `sphere_rows.row_angle`. Up to MOST
coordinates, where many pairs would, all do, by loops over pairs that LLVM makes vectors of. Tables of float32 are
computed in float32: twice as many pairs at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import inlined, kernel, rows, scalar
from geomlat.backends.libm import fast_angle
from geomlat.manifolds.sphere_rows import pairwise_row, row_angle
from geomlat.manifolds.sphere_triples import UP, chord_angle
from geomlat.manifolds.vectors import Array, check_out, length

LOW = 1.0
HIGH = math.pi - 1.0
BLOCK = 64
MOST = 16
TILE = 128
"""Pairs whose sums are kept in the first level of the cache while coordinates are added, four at a time."""

UP_32 = np.float32(2.0**62)
HALF_DOWN, HALF_DOWN_32 = 0.5 / UP, np.float32(0.5) / UP_32
HALF_32, ONE_32, TWO_32, ZERO_32 = np.float32(0.5), np.float32(1.0), np.float32(2.0), np.float32(0.0)
TAN_EIGHTH_32 = np.float32(0.41421357)
QUARTER_PI_32 = np.float32(0.25 * math.pi)
HALF_PI_32 = np.float32(0.5 * math.pi)
HALF_PI_LOW_32 = np.float32(0.5 * math.pi - float(HALF_PI_32))
# atan(t) = t + t^3 (A0 + ...) on |t| <= tan(pi/8), the Chebyshev fit of degree 4 in t^2.
A0, A1, A2 = np.float32(-0.3333333175572402), np.float32(0.19999539232716604), np.float32(-0.1426391227285186)
A3, A4 = np.float32(0.10743263384329244), np.float32(-0.06450377352341542)


@inlined
def angle_32(p: Any, q: Any) -> Any:
    """`geomlat.backends.libm.fast_angle` in float32, within 3 ulp."""
    low, high = min(p, q), max(p, q)
    steep = low > TAN_EIGHTH_32 * high
    t = (low - high if steep else low) / (low + high if steep else high)
    z = t * t
    s = t + t * z * (A0 + z * (A1 + z * (A2 + z * (A3 + z * A4))))
    a = QUARTER_PI_32 + s if steep else s
    return (HALF_PI_LOW_32 - a) + HALF_PI_32 if p > q else a


@inlined
def chord_angle_32(x0: Any, x1: Any, x2: Any, y0: Any, y1: Any, y2: Any) -> Any:
    """`chord_angle` in float32: right for chords from 1e-36."""
    d0, d1, d2 = UP_32 * (x0 - y0), UP_32 * (x1 - y1), UP_32 * (x2 - y2)
    s0, s1, s2 = x0 + y0, x1 + y1, x2 + y2
    skew = HALF_32 * (d0 * s0 + d1 * s1 + d2 * s2)
    near = max((d0 * d0 + d1 * d1 + d2 * d2) - skew * skew, ZERO_32)
    s0, s1, s2 = UP_32 * s0, UP_32 * s1, UP_32 * s2
    far = max((s0 * s0 + s1 * s1 + s2 * s2) - skew * skew, ZERO_32)
    return TWO_32 * angle_32(math.sqrt(near), math.sqrt(far))


@kernel(cost=4.0)
def triples_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angles of a row of x and all columns of y, which is transposed."""
    x0, x1, x2 = np.float64(x[i, 0]), np.float64(x[i, 1]), np.float64(x[i, 2])
    for j in range(y.shape[1]):
        out[i, j] = chord_angle(x0, x1, x2, np.float64(y[0, j]), np.float64(y[1, j]), np.float64(y[2, j]))


@kernel(cost=2.0)
def triples_row_32(i: int, x: Any, y: Any, out: Any) -> None:
    """`triples_row` in float32."""
    x0, x1, x2 = x[i, 0], x[i, 1], x[i, 2]
    for j in range(y.shape[1]):
        out[i, j] = chord_angle_32(x0, x1, x2, y[0, j], y[1, j], y[2, j])


@inlined
def four_terms(x0: Any, x1: Any, x2: Any, x3: Any, y: Any, t: int, k: int, j: int) -> tuple[Any, Any, Any]:
    """Four coordinates' part of ``|x - y|^2``, ``|x + y|^2`` and ``<x - y, x + y>``."""
    y0, y1, y2, y3 = y[t, k, j], y[t, k + 1, j], y[t, k + 2, j], y[t, k + 3, j]
    d0, d1, d2, d3, s0, s1, s2, s3 = x0 - y0, x1 - y1, x2 - y2, x3 - y3, x0 + y0, x1 + y1, x2 + y2, x3 + y3
    near, far = d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3, s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3
    return near, far, d0 * s0 + d1 * s1 + d2 * s2 + d3 * s3


@scalar
def tile_sums(x: Any, i: int, y: Any, t: int, sums: Any) -> None:
    """``|x - y|^2``, ``|x + y|^2`` and ``<x - y, x + y>`` of row i of x and the columns of tile t of y."""
    x0, x1, x2, x3 = x[i, 0], x[i, 1], x[i, 2], x[i, 3]
    for j in range(TILE):
        sums[i, 0, j], sums[i, 1, j], sums[i, 2, j] = four_terms(x0, x1, x2, x3, y, t, 0, j)
    for k in range(4, x.shape[1], 4):
        x0, x1, x2, x3 = x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3]
        for j in range(TILE):
            near, far, skew = four_terms(x0, x1, x2, x3, y, t, k, j)
            sums[i, 0, j] += near
            sums[i, 1, j] += far
            sums[i, 2, j] += skew


@kernel(cost=3.0)
def tiles_row(i: int, x: Any, y: Any, sums: Any, out: Any) -> None:
    """The angles of a row of x and all columns of y, in tiles; x and y are scaled by UP."""
    for t in range(y.shape[0]):
        tile_sums(x, i, y, t, sums)
        for j in range(min(TILE, out.shape[1] - t * TILE)):
            skew = HALF_DOWN * sums[i, 2, j]
            near, far = max(sums[i, 0, j] - skew * skew, 0.0), max(sums[i, 1, j] - skew * skew, 0.0)
            out[i, t * TILE + j] = 2.0 * fast_angle(math.sqrt(near), math.sqrt(far))


@kernel(cost=1.5)
def tiles_row_32(i: int, x: Any, y: Any, sums: Any, out: Any) -> None:
    """`tiles_row` in float32."""
    for t in range(y.shape[0]):
        tile_sums(x, i, y, t, sums)
        for j in range(min(TILE, out.shape[1] - t * TILE)):
            skew = HALF_DOWN_32 * sums[i, 2, j]
            near, far = max(sums[i, 0, j] - skew * skew, ZERO_32), max(sums[i, 1, j] - skew * skew, ZERO_32)
            out[i, t * TILE + j] = TWO_32 * angle_32(math.sqrt(near), math.sqrt(far))


@kernel(cost=4.0)
def angles_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angles of a row of x and all rows of y, from their dot products in ``out`` where these are good enough."""
    for j in range(y.shape[0]):
        out[i, j] = 2.0 * fast_angle(math.sqrt(max(1.0 - out[i, j], 0.0)), math.sqrt(max(1.0 + out[i, j], 0.0)))
    for j in range(y.shape[0]):
        if not LOW < out[i, j] < HIGH:
            out[i, j] = row_angle(x, i, y, j)


@kernel(cost=2.0)
def angles_row_32(i: int, x: Any, y: Any, out: Any) -> None:
    """`angles_row` in float32."""
    for j in range(y.shape[0]):
        near, far = max(ONE_32 - out[i, j], ZERO_32), max(ONE_32 + out[i, j], ZERO_32)
        out[i, j] = TWO_32 * angle_32(math.sqrt(near), math.sqrt(far))
    for j in range(y.shape[0]):
        if not LOW < out[i, j] < HIGH:
            out[i, j] = row_angle(x, i, y, j)


def table(xp: Any, x: Array, y: Array, out: Array | None) -> Array:
    """All angles of the rows of two arrays, in blocks of rows whose dot products lie in the result."""
    if out is None:
        out = xp.empty((x.shape[0], y.shape[0]), dtype=x.dtype)
    check_out(out, (x.shape[0], y.shape[0]), x.dtype)
    left, right, single = rows(x, x.shape[:1]), rows(y, y.shape[:1]), x.dtype.itemsize == 4
    if x.shape[1] == 3:
        (triples_row_32 if single else triples_row)(len(left), left, rows(xp.matrix_transpose(y), (3,)), out)
    elif type(x) is ndarray and 3 < x.shape[1] <= MOST:
        _in_tiles(left, right, out)
    elif type(x) is ndarray and x.shape[1] > MOST:
        units = [a / length(xp, a)[:, None] for a in (left, right)]
        for i in range(0, len(left), BLOCK):
            part = slice(i, i + BLOCK)
            np.matmul(units[0][part], units[1].T, out=out[part])
            (angles_row_32 if single else angles_row)(len(left[part]), left[part], right, out[part])
    else:
        pairwise_row(len(left), left, right, out)
    return out


def _in_tiles(x: Array, y: Array, out: Array) -> None:
    up, loop = (UP, tiles_row) if x.dtype.itemsize == 8 else (UP_32, tiles_row_32)
    width, count = -(-x.shape[1] // 4) * 4, -(-len(y) // TILE)
    left, right = (np.zeros((n, width), x.dtype) for n in (len(x), count * TILE))
    left[:, : x.shape[1]], right[: len(y), : y.shape[1]] = up * x, up * y
    tiles = np.ascontiguousarray(right.reshape(count, TILE, width).transpose(0, 2, 1))
    sums = np.empty((BLOCK, 3, TILE), x.dtype)
    for i in range(0, len(x), BLOCK):
        part = slice(i, i + BLOCK)
        loop(len(left[part]), left[part], tiles, sums, out[part])
