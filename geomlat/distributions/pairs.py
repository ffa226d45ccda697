"""Log-densities of many points under each of many laws, without an array of points x laws x coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from geomlat.backends import Array, kernel, namespace, native, rows, summation
from geomlat.distributions._vectors import narrow, wide
from geomlat.distributions.normal import HALF_LOG_TAU, Normal
from geomlat.distributions.product import ProductDistribution
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.grad import add, sum_to

Pull = Callable[[Array], tuple[Any, ...]]
LIMIT = 1 << 18  # numbers in the largest temporary of the blocked form


def log_prob_pairs(q: Any, x: Array) -> Array:
    """``log q_k(x_i)``, ``(n, K)``, of points ``(n, *event)`` under laws of batch shape ``(K,)``.

    Normal laws have a loop of their own, von Mises-Fisher laws take one matrix product, products the sum over their
    factors; any other family goes in blocks of rows.
    """
    return log_prob_pairs_vjp(q, x)[0]


def log_prob_pairs_vjp(q: Any, x: Array) -> tuple[Array, Pull]:
    """`log_prob_pairs` and its pullback to ``(dx, *dq)``; the blocked form evaluates each block again in it."""
    if isinstance(q, ProductDistribution):
        return _product(q, x)
    if isinstance(q, Normal):
        return _normal(q, x)
    if isinstance(q, VonMisesFisher):
        return _von_mises_fisher(q, x)
    return _blocked(q, x)


def _product(q: ProductDistribution, x: Array) -> tuple[Array, Pull]:
    parts = q.split(x)
    values, pulls = zip(*map(_factor, q.factors, parts), strict=True)

    def pull(dl: Array) -> tuple[Any, ...]:
        dx, dq = zip(*((first, tuple(rest)) for first, *rest in (back(dl) for back in pulls)), strict=True)
        zero = namespace(x).zeros_like
        return q.join(tuple(zero(a) if d is None else d for a, d in zip(parts, dx, strict=True))), *dq

    return sum(values[1:], values[0]), pull


def _factor(q: Any, x: Array) -> tuple[Array, Pull]:
    if q.batch_shape:
        return log_prob_pairs_vjp(q, x)
    value, pull = q.log_prob_vjp(x)  # one law, which every product has
    return value[:, None], lambda dl: pull(namespace(dl).sum(dl, axis=-1))


def _normal(q: Normal, x: Array) -> tuple[Array, Pull]:
    shape = (*q.batch_shape, *q.event_shape)
    value = native(_normal_forward, x, q.loc, q.scale)

    def pull(dl: Array) -> tuple[Any, ...]:
        # Matrix products of squares that cancel, so in float64 and about a common centre.
        xp = namespace(x, q.loc)
        wide = [xp.astype(a, xp.float64) for a in (x, xp.broadcast_to(q.loc, shape), xp.broadcast_to(q.scale, shape))]
        centre, d = xp.mean(wide[1], axis=0), xp.astype(dl, xp.float64)
        u, loc, scale = wide[0] - centre, wide[1] - centre, wide[2]
        precision = 1.0 / (scale * scale)
        first, second, total = xp.matmul(d.T, u), xp.matmul(d.T, u * u), xp.sum(d, axis=0)[:, None]
        dx = xp.matmul(d, loc * precision) - u * xp.matmul(d, precision)
        dscale = ((second - 2.0 * loc * first + total * loc * loc) * precision - total) / scale
        dloc = precision * (first - total * loc)
        parts = (dx, x), (dloc, q.loc), (dscale, q.scale)
        return tuple(xp.astype(sum_to(g, a.shape), a.dtype, copy=False) for g, a in parts)

    return value, pull


def _normal_forward(x: Array, loc: Array, scale: Array) -> Array:
    # One difference after the other: as matrix products the squares lose eps (loc / scale)^2, 2 nats in float32 for
    # forty coordinates of scale 0.003.
    xp = namespace(x, loc, scale)
    shape = np.broadcast_shapes(loc.shape, scale.shape)
    scale = xp.astype(xp.broadcast_to(scale, shape), xp.float64)
    peak = -xp.sum(xp.log(scale) + HALF_LOG_TAU, axis=-1)
    out = xp.empty(len(x) * shape[0], dtype=xp.result_type(x.dtype, loc.dtype))
    if out.size:
        _normal_pairs(
            out.size, *(rows(a, a.shape[:1]) for a in (x, xp.broadcast_to(loc, shape), 1.0 / scale)), peak, out
        )
    return xp.reshape(out, (len(x), shape[0]))


def _von_mises_fisher(q: VonMisesFisher, x: Array) -> tuple[Array, Pull]:
    # In float64: where kappa is large, what cancels is.
    xp = namespace(x, q.mu)
    mu, kappa = xp.broadcast_to(q.mu, (*q.batch_shape, *q.event_shape)), xp.broadcast_to(q.kappa, q.batch_shape)
    peak, pull_peak = q.log_prob_vjp(mu)
    mu, kappa, u = wide(mu), wide(kappa), wide(x)
    # <mu, x> - 1 of vectors that are of length 1 up to their rounding.
    below = xp.matmul(u, mu.T) - 0.5 * (xp.vecdot(u, u)[:, None] + xp.vecdot(mu, mu))

    def pull(dl: Array) -> tuple[Any, ...]:
        _, _, dpeak = pull_peak(xp.sum(dl, axis=0))
        dl = wide(dl)
        dmu, dkappa = kappa[:, None] * xp.matmul(dl.T, u), xp.sum(dl * below, axis=0)
        return narrow(xp.matmul(dl * kappa, mu), x), narrow(dmu, q.mu), add(narrow(dkappa, q.kappa), dpeak)

    return xp.astype(wide(peak) + kappa * below, x.dtype, copy=False), pull


def _blocked(q: Any, x: Array) -> tuple[Array, Pull]:
    xp, n = namespace(x), x.shape[0]
    law = max(math.prod(getattr(q, f.name).shape) for f in fields(q) if hasattr(getattr(q, f.name), "shape"))
    step = max(1, LIMIT // max(1, math.prod(x.shape[1:]) * q.batch_shape[0], law))
    parts = [x[start : start + step, None] for start in range(0, n, step)]
    value = xp.concat([q.log_prob(part) for part in parts], axis=0) if parts else xp.empty((0, *q.batch_shape))

    def pull(dl: Array) -> tuple[Any, ...]:
        dx, dq = [], None
        for k, part in enumerate(parts):
            dpart, *rest = q.log_prob_vjp(part)[1](dl[k * step : (k + 1) * step])
            dx.append(dpart[:, 0])
            dq = add(dq, tuple(rest))
        return xp.concat(dx, axis=0), *(dq or ())

    return value, pull


@summation
def squares(i: int, k: int, x: Any, loc: Any, precision: Any) -> float:
    """``|(x_i - loc_k) precision_k|^2``."""
    total = 0.0
    for j in range(x.shape[1]):
        u = (np.float64(x[i, j]) - np.float64(loc[k, j])) * precision[k, j]
        total += u * u
    return total


@kernel(cost=8.0)
def _normal_pairs(i: int, x: Any, loc: Any, precision: Any, peak: Any, out: Any) -> None:
    """The log-density of point ``i // K`` under law ``i % K``."""
    r = i // loc.shape[0]
    k = i - r * loc.shape[0]
    out[i] = peak[k] - 0.5 * squares(r, k, x, loc, precision)
