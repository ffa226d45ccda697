"""The rate of a latent code: one Kullback-Leibler divergence for each factor of the latent space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geomlat.distributions import kl_divergence_vjp
from geomlat.distributions.kl import has_closed_form
from geomlat.grad import add

Array = Any


def rate_vjp(q: Any, r: Any, z: Array) -> tuple[Array, Callable[[Array], tuple[Any, Any, Any]]]:
    """``KL(q || r)`` of shape ``(..., factors)`` and ``pull(drate) -> (dq, dr, dz)``.

    In closed form where there is one; ``z`` then has a structural zero for cotangent. Else ``log q(z) - log r(z)`` at
    the draw z of q, which is unbiased; the quadratures of `geomlat.kl_divergence` cost about a millisecond a row.
    """
    if has_closed_form(q, r):
        kl, pull_kl = kl_divergence_vjp(q, r)

        def pull_closed(drate: Array) -> tuple[Any, Any, Any]:
            return *pull_kl(drate[..., 0]), None

        return kl[..., None], pull_closed
    log_q, pull_q = q.log_prob_vjp(z)
    log_r, pull_r = r.log_prob_vjp(z)

    def pull(drate: Array) -> tuple[Any, Any, Any]:
        dz, *dq = pull_q(drate[..., 0])
        dz_r, *dr = pull_r(-drate[..., 0])
        return tuple(dq), tuple(dr), add(dz, dz_r)

    return (log_q - log_r)[..., None], pull
