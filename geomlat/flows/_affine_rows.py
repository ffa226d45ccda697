"""The affine coupling of whole rows in one kernel each way: small nets spend more time between array operations than in
them. The formulas are those of `geomlat.flows.elementwise.Affine`, whose array expressions serve every other library.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, kernel, rows

Columns = np.ndarray


def moved_rows(columns: Columns, bound: float, inverse: bool, h: Array, x: Array) -> tuple[Array, Array, Array]:
    """``x`` with the ``columns`` moved by the raw ``h`` (..., 2 columns), log-determinants, and what the pull needs."""
    n = math.prod(x.shape[:-1])
    y, logdet, kept = np.empty_like(x, order="C"), np.empty(x.shape[:-1], x.dtype), np.empty(h.shape, h.dtype)
    flat = [a.reshape(n, a.shape[-1]) for a in (y, kept)]
    data = [rows(a, a.shape[:-1]) for a in (h, x)]
    _forward(n, columns, bound, int(inverse), *data, flat[0], logdet.reshape(n), flat[1])
    return y, logdet, kept


def pulled_rows(
    columns: Columns, inverse: bool, kept: Array, x: Array, y: Array, dy: Array, dlogdet: Array
) -> tuple[Array, Array]:
    """``(dh, dx)`` of `moved_rows`, without what reaches x through the network."""
    n = math.prod(x.shape[:-1])
    dh, dx = np.empty_like(kept), np.empty_like(y)
    data = [rows(a, a.shape[:-1]) for a in (kept, y if inverse else x, dy)]
    flat = [a.reshape(n, a.shape[-1]) for a in (dh, dx)]
    _pull(n, columns, int(inverse), *data, rows(dlogdet, dlogdet.shape, 0), *flat)
    return dh, dx


@kernel(cost=20.0)
def _forward(i: int, columns: Any, bound: float, inverse: int, h: Any, x: Any, y: Any, logdet: Any, kept: Any) -> None:
    total = 0.0
    for j in range(x.shape[1]):
        y[i, j] = x[i, j]
    for k in range(columns.shape[0]):
        j = columns[k]
        t = math.tanh(np.float64(h[i, 2 * k]) / bound)
        m = np.float64(h[i, 2 * k + 1])
        if inverse != 0:
            e = math.exp(-bound * t)
            y[i, j] = (np.float64(x[i, j]) - m) * e
            total -= bound * t
        else:
            e = math.exp(bound * t)
            y[i, j] = np.float64(x[i, j]) * e + m
            total += bound * t
        kept[i, 2 * k] = e
        kept[i, 2 * k + 1] = 1.0 - t * t
    logdet[i] = total


@kernel(cost=5.0)
def _pull(i: int, columns: Any, inverse: int, kept: Any, base: Any, dy: Any, dlogdet: Any, dh: Any, dx: Any) -> None:
    for j in range(dy.shape[1]):
        dx[i, j] = dy[i, j]
    for k in range(columns.shape[0]):
        j = columns[k]
        e, g, at = np.float64(kept[i, 2 * k]), np.float64(dy[i, j]), np.float64(base[i, j])
        if inverse != 0:
            ds, dm = -(g * at + np.float64(dlogdet[i])), -g * e
        else:
            ds, dm = g * at * e + np.float64(dlogdet[i]), g
        dh[i, 2 * k] = ds * np.float64(kept[i, 2 * k + 1])
        dh[i, 2 * k + 1] = dm
        dx[i, j] = g * e
