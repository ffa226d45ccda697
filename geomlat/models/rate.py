"""The rate of a latent code: one Kullback-Leibler divergence for each factor of the latent space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geomlat.distributions import kl_divergence_vjp

Array = Any


def rate_vjp(q: Any, r: Any, z: Array) -> tuple[Array, Callable[[Array], tuple[Any, Any, Any]]]:
    """``KL(q || r)`` of shape ``(..., factors)`` in closed form, and ``pull(drate) -> (dq, dr, dz)``.

    ``z`` is the draw of q, for pairs that need one; the closed forms do not, and give it a structural zero.
    """
    kl, pull_kl = kl_divergence_vjp(q, r)

    def pull(drate: Array) -> tuple[Any, Any, Any]:
        dq, dr = pull_kl(drate[..., 0])
        return dq, dr, None

    return kl[..., None], pull
