"""The negative log-likelihood of counts at their log-odds and its derivative, compiled: one pass over each row."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import Array, cycled, is_host, kernel, namespace, rows, summation
from geomlat.backends.libm import exp_of_single, fast_exp_expm1, fast_log

LEAST = -700.0
# Numbers 1 + exp(-|v|), at most 2, that are multiplied before one logarithm is taken of them all.
TOGETHER = 512


def has_rows(out: Array, x: Array) -> bool:
    """Whether two arrays are NumPy's or CuPy's, of one dtype float32 or float64, with samples in ``out`` alone."""
    known = is_host(out) or array_api_compat.is_cupy_array(out)
    same = known and type(x) is type(out) and x.dtype == out.dtype and out.dtype.char in "fd" and x.ndim > 0
    return bool(same and out.shape[out.ndim - x.ndim :] == x.shape)


def counts_nll(out: Array, x: Array, trials: int) -> tuple[Array, Array]:
    """``N sum_j softplus(out_j) - x_j out_j`` as float64, and its derivative ``N sigmoid(out) - x``.

    In float64 the value has an absolute error of 1e-16 for each number too, where all are certain and it is nearly 0;
    of float32 numbers it is right to 1e-9.

    ``out`` is ``(..., n)`` and ``x`` the same or without leading sample axes.
    """
    xp, batch = namespace(out), out.shape[:-1]
    nll, residual = xp.empty(batch, dtype=xp.float64), xp.empty(out.shape, dtype=out.dtype)
    if residual.size:
        count, n = xp.asarray([trials], dtype=xp.float64), out.shape[-1]
        _counts(nll.size, rows(out, batch), cycled(x, batch), count, nll.reshape(-1), residual.reshape(-1, n))
    else:
        nll[...] = 0
    return nll[()], residual


@summation
def counts_part(
    i: int, k: int, out: Any, x: Any, trials: float, residual: Any, low: int, high: int
) -> tuple[float, float]:
    """Of some columns of row ``i`` at row ``k`` of x: the sum without its logarithms, and what they are of."""
    total, product, short = 0.0, 1.0, residual.itemsize == 4
    for j in range(low, high):
        v, count = np.float64(out[i, j]), np.float64(x[k, j])
        e = exp_of_single(max(-abs(v), LEAST)) if short else fast_exp_expm1(max(-abs(v), LEAST))[0]
        far = 1.0 + e
        total += trials * max(v, 0.0) - count * v
        product *= far
        residual[i, j] = trials * ((1.0 if v >= 0.0 else e) / far) - count
    return total, product


@kernel(cost=3.5)
def _counts(i: int, out: Any, x: Any, trials: Any, nll: Any, residual: Any) -> None:
    total, k = 0.0, i % x.shape[0]
    for low in range(0, out.shape[1], TOGETHER):
        part, product = counts_part(i, k, out, x, trials[0], residual, low, min(low + TOGETHER, out.shape[1]))
        total += part + trials[0] * fast_log(product)
    nll[i] = total
