"""The negative log-likelihood of counts at their log-odds and its derivative, compiled: one pass over each row."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import Array, cycled, inlined, is_host, kernel, namespace, rows, summation
from geomlat.backends.buffers import scratch
from geomlat.backends.libm import ONE_SINGLE, fast_exp_expm1, fast_log, single_exp

LEAST = -700.0
# Numbers 1 + exp(-|v|), at most 2, that are multiplied before one logarithm is taken of them all.
TOGETHER = 512
# In float32 fewer: their product stays below 2^127, and their sum is short.
LEAST_SINGLE = np.float32(-87.0)
ZERO_SINGLE = np.float32(0.0)
FEWER = 96


def has_rows(out: Array, x: Array) -> bool:
    """Whether two arrays are NumPy's or CuPy's, of one dtype float32 or float64, with samples in ``out`` alone."""
    known = is_host(out) or array_api_compat.is_cupy_array(out)
    same = known and type(x) is type(out) and x.dtype == out.dtype and out.dtype.char in "fd" and x.ndim > 0
    return bool(same and out.shape[out.ndim - x.ndim :] == x.shape)


def counts_nll(out: Array, x: Array, trials: int, *, share: float = 1.0) -> tuple[Array, Array]:
    """``N sum_j softplus(out_j) - x_j out_j`` as float64, and its derivative times ``share``, ``N sigmoid(out) - x``.

    In float64 the value has an absolute error of 1e-16 for each number too, where all are certain and it is nearly 0;
    of float32 numbers, taken in float32 and their sums in float64, it is right to 2 ulp of a float32, the derivative to
    2e-7 N.

    ``out`` is ``(..., n)`` and ``x`` the same or without leading sample axes.
    """
    xp, batch = namespace(out), out.shape[:-1]
    nll, residual = xp.empty(batch, dtype=xp.float64), _room(xp, out)
    if residual.size:
        numbers, n = xp.asarray([trials, share], dtype=xp.float64), out.shape[-1]
        _counts(nll.size, rows(out, batch), cycled(x, batch), numbers, nll.reshape(-1), residual.reshape(-1, n))
    else:
        nll[...] = 0
    return nll[()], residual


def _room(xp: Any, out: Array) -> Array:
    return scratch(out.size, out.dtype).reshape(out.shape) if type(out) is np.ndarray else xp.empty_like(out)


@summation
def counts_part(out: Any, x: Any, trials: float, share: float, residual: Any) -> tuple[float, float]:
    """Of a part of a row: the sum without its logarithms, and the product that they are of."""
    total, product = 0.0, 1.0
    for j in range(residual.size):
        v, count = np.float64(out[j]), np.float64(x[j])
        e = fast_exp_expm1(max(-abs(v), LEAST))[0]
        far = 1.0 + e
        total += trials * max(v, 0.0) - count * v
        product *= far
        residual[j] = share * (trials * ((1.0 if v >= 0.0 else e) / far) - count)
    return total, product


@inlined
def single_far(e: Any) -> tuple[Any, Any]:
    """``1 + e`` and what its rounding lost, which a summation would be free to call nothing."""
    far = ONE_SINGLE + e
    return far, e - (far - ONE_SINGLE)


@summation
def single_counts_part(out: Any, x: Any, trials: Any, share: Any, residual: Any) -> tuple[Any, Any]:
    """The same in float32, whose vectors hold twice as many; nothing is subtracted that does not have to be."""
    total, product = ZERO_SINGLE, ONE_SINGLE
    for j in range(residual.size):
        v, count = np.float32(out[j]), np.float32(x[j])
        e = single_exp(max(-abs(v), LEAST_SINGLE))
        (far, lost), rest = single_far(e), trials - count
        odds = trials / far
        total += rest * max(v, ZERO_SINGLE) + count * max(-v, ZERO_SINGLE) + lost * odds
        product *= far
        residual[j] = share * (rest - e * odds if v >= ZERO_SINGLE else e * odds - count)
    return total, product


@kernel(cost=2.0)
def _counts(i: int, out: Any, x: Any, numbers: Any, nll: Any, residual: Any) -> None:
    total, k, single = 0.0, i % x.shape[0], residual.itemsize == 4
    step = FEWER if single else TOGETHER
    for low in range(0, out.shape[1], step):
        # Slices, whose indices LLVM knows not to be negative: else it gathers and scatters.
        a, b, r = out[i, low : low + step], x[k, low : low + step], residual[i, low : low + step]
        if single:
            part, product = single_counts_part(a, b, np.float32(numbers[0]), np.float32(numbers[1]), r)
        else:
            part, product = counts_part(a, b, numbers[0], numbers[1], r)
        total += np.float64(part) + numbers[0] * fast_log(np.float64(product))
    nll[i] = total
