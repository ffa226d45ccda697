"""What a VAE minimises, from the negative log-likelihood and the rates of its draws.

Each returns the loss, the cotangents of ``nll`` and of ``rate``, and the draws' advantage: the loss downstream of each
draw, scaled like a cotangent, minus what does not depend on that draw (`geomlat.distributions.leave_one_out`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from array_api_compat import device
from numpy import ndarray

from geomlat.backends import namespace
from geomlat.distributions import leave_one_out

Array = Any
Parts = tuple[Array, Array, Array, Array]


def evidence_bound(nll: Array, rate: Array, beta: float, free_bits: float) -> Parts:
    """The batch mean of ``nll + beta sum_f max(mean rate_f, free_bits)``, ``nll`` ``(n,)``, ``rate`` ``(n, factors)``.

    Without free bits the negative evidence lower bound of Kingma and Welling (2014); with them eq. 15 of Kingma,
    Salimans, Jozefowicz, Chen, Sutskever, Welling (2016), one group for each latent factor.
    """
    xp, n = namespace(nll, rate), nll.shape[0]
    mean_rate = xp.sum(rate, axis=0) / n
    counted = xp.astype(mean_rate > free_bits, rate.dtype)
    loss = xp.sum(nll) / n + beta * xp.sum(counted * mean_rate + (1 - counted) * free_bits)
    weight = beta * counted
    cost = nll + xp.sum(weight * rate, axis=-1)
    return loss, xp.full_like(nll, 1 / n), xp.zeros_like(rate) + weight / n, leave_one_out(cost) / n


def one_factor_bound(nll: ndarray, rate: ndarray, beta: float) -> tuple[Array, ndarray]:
    """The loss of `evidence_bound` without free bits and the cotangent of ``rate``, of NumPy arrays ``(n,)``."""
    n, dtype = len(nll), nll.dtype
    loss = dtype.type((nll.sum(dtype=np.float64) + float(beta) * rate.sum(dtype=np.float64)) / n)
    return loss, np.full(n, float(beta) / n, dtype)


def importance_bound(nll: Array, rate: Array, beta: float) -> Parts:
    """The batch mean of ``-log (1/k sum_s w_s)`` with ``log w = -nll - beta rate``, at k draws of each row.

    ``nll`` is ``(k, n)`` and ``rate``, which is ``log q(z) - log p(z)`` at the draws, ``(k, n, factors)``. At beta = 1
    a lower bound of the likelihood that rises with k; k = 1 is the evidence bound with its rate at the draw. The
    baseline of a draw puts the geometric mean of the row's other weights in its place; a single draw has the batch's.
    Burda, Grosse, Salakhutdinov (2016), eq. 8; the baseline: Mnih, Rezende (2016), eq. 10.
    """
    xp, (k, n) = namespace(nll, rate), nll.shape
    log_w = -nll - beta * xp.sum(rate, axis=-1)
    bound, share = _log_mean(log_w, 0)
    if k == 1:
        advantage = leave_one_out(-log_w[0])[None]
    else:
        others = (xp.sum(log_w, axis=0) - log_w) / (k - 1)
        own = xp.eye(k, dtype=log_w.dtype, device=device(log_w))[..., None] > 0
        replaced = xp.where(own, others[:, None], log_w[None])
        advantage = _log_mean(replaced, 1)[0] - bound
    drate = xp.broadcast_to((beta / n * share)[..., None], rate.shape)
    return -xp.mean(bound), share / n, drate, advantage / n


def _log_mean(log_w: Array, axis: int) -> tuple[Array, Array]:
    """``log (1/k sum exp)`` along an axis of length k, and each term's share of the sum."""
    xp = namespace(log_w)
    top = xp.max(log_w, axis=axis, keepdims=True)
    share = xp.exp(log_w - top)
    total = xp.sum(share, axis=axis, keepdims=True)
    log_mean = xp.squeeze(top + xp.log(total), axis=axis) - math.log(log_w.shape[axis])
    return log_mean, share / total
