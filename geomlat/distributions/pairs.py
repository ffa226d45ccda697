"""Log-densities of many points under each of many laws, without an array of points x laws x coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geomlat.backends import Array, namespace
from geomlat.distributions.normal import HALF_LOG_TAU, Normal
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.grad import add, sum_to

Pull = Callable[[Array], tuple[Any, ...]]
LIMIT = 1 << 20  # numbers in the largest temporary of the blocked form


def log_prob_pairs(q: Any, x: Array) -> Array:
    """``log q_k(x_i)``, ``(n, K)``, of points ``(n, *event)`` under laws of batch shape ``(K,)``.

    Normal and von Mises-Fisher laws take one matrix product; any other family goes in blocks of rows.
    """
    return log_prob_pairs_vjp(q, x)[0]


def log_prob_pairs_vjp(q: Any, x: Array) -> tuple[Array, Pull]:
    """`log_prob_pairs` and its pullback to ``(dx, *dq)``; the blocked form evaluates each block again in it."""
    if isinstance(q, Normal):
        return _normal(q, x)
    if isinstance(q, VonMisesFisher):
        return _von_mises_fisher(q, x)
    return _blocked(q, x)


def _normal(q: Normal, x: Array) -> tuple[Array, Pull]:
    # About a common centre, where the squares that cancel are small.
    xp = namespace(x, q.loc)
    centre = xp.mean(xp.reshape(q.loc, (-1, q.loc.shape[-1])), axis=0)
    shape = (*q.batch_shape, *q.event_shape)
    loc, scale = xp.broadcast_to(q.loc - centre, shape), xp.broadcast_to(q.scale, shape)
    u, precision = x - centre, 1.0 / (scale * scale)
    constant = xp.sum(0.5 * loc * loc * precision + xp.log(scale) + HALF_LOG_TAU, axis=-1)
    value = xp.matmul(u, (loc * precision).T) - 0.5 * xp.matmul(u * u, precision.T) - constant

    def pull(dl: Array) -> tuple[Any, ...]:
        first, second, total = xp.matmul(dl.T, u), xp.matmul(dl.T, u * u), xp.sum(dl, axis=0)[:, None]
        dx = xp.matmul(dl, loc * precision) - u * xp.matmul(dl, precision)
        dscale = ((second - 2.0 * loc * first + total * loc * loc) * precision - total) / scale
        return dx, sum_to(precision * (first - total * loc), q.loc.shape), sum_to(dscale, q.scale.shape)

    return value, pull


def _von_mises_fisher(q: VonMisesFisher, x: Array) -> tuple[Array, Pull]:
    xp = namespace(x, q.mu)
    mu, kappa = xp.broadcast_to(q.mu, (*q.batch_shape, *q.event_shape)), xp.broadcast_to(q.kappa, q.batch_shape)
    peak, pull_peak = q.log_prob_vjp(mu)
    below = xp.matmul(x, mu.T) - 1.0

    def pull(dl: Array) -> tuple[Any, ...]:
        _, _, dpeak = pull_peak(xp.sum(dl, axis=0))
        dmu = kappa[:, None] * xp.matmul(dl.T, x)
        dkappa = sum_to(xp.sum(dl * below, axis=0), q.kappa.shape)
        return xp.matmul(dl * kappa, mu), sum_to(dmu, q.mu.shape), add(dkappa, dpeak)

    return peak + kappa * below, pull


def _blocked(q: Any, x: Array) -> tuple[Array, Pull]:
    xp, n = namespace(x), x.shape[0]
    size = max(1, x[:1].size * q.batch_shape[0])
    step = max(1, LIMIT // size)
    parts = [x[start : start + step, None] for start in range(0, n, step)]
    value = xp.concat([q.log_prob(part) for part in parts], axis=0) if parts else xp.empty((0, *q.batch_shape))

    def pull(dl: Array) -> tuple[Any, ...]:
        dx, dq = [], None
        for k, part in enumerate(parts):
            dpart, *fields = q.log_prob_vjp(part)[1](dl[k * step : (k + 1) * step])
            dx.append(dpart[:, 0])
            dq = add(dq, tuple(fields))
        return xp.concat(dx, axis=0), *(dq or ())

    return value, pull
