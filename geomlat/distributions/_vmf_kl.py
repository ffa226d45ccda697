"""KL divergences from a von Mises-Fisher law, and their pullbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geomlat.backends import Array, elementwise, namespace, scalar
from geomlat.distributions.kl import register_kl
from geomlat.distributions.spherical_uniform import SphericalUniform
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.grad import sum_to
from geomlat.special.quadrature import NODES, WEIGHTS
from geomlat.special.vmf import (
    vmf_dkl,
    vmf_dratio,
    vmf_dratio_scalar,
    vmf_kl,
    vmf_kl_scalar,
    vmf_one_minus_ratio,
    vmf_one_minus_ratio_scalar,
    vmf_phi_minus_x_scalar,
    vmf_phi_scalar,
    vmf_ratio,
    vmf_ratio_scalar,
)

Cotangents = tuple[tuple[Array | None, Array | None], Any]


def same_sphere(q: Any, p: Any) -> None:
    """Raise ValueError unless both laws live on one sphere."""
    if q.event_shape != p.event_shape:
        msg = f"KL needs two laws on one sphere, got event shapes {q.event_shape} and {p.event_shape}"
        raise ValueError(msg)


@register_kl(VonMisesFisher, SphericalUniform)
def vmf_uniform(q: VonMisesFisher, p: SphericalUniform) -> tuple[Array, Callable[[Array | None], Cotangents]]:
    """KL = kappa A - phi, a function of m and kappa alone."""
    same_sphere(q, p)
    m = float(q.event_shape[0])

    def pull(dk: Array | None) -> Cotangents:
        return (None, None if dk is None else sum_to(dk * vmf_dkl(m, q.kappa), q.kappa.shape)), ()

    xp = namespace(q.kappa)
    return xp.broadcast_to(vmf_kl(m, q.kappa), q.batch_shape), pull


@register_kl(VonMisesFisher, VonMisesFisher)
def vmf_vmf(q: VonMisesFisher, p: VonMisesFisher) -> tuple[Array, Callable[[Array | None], Cotangents]]:
    """KL = [phi_p - phi_q - A_q (kappa_p - kappa_q)] + kappa_p A_q |mu_q - mu_p|^2 / 2: radial and angular parts."""
    same_sphere(q, p)
    xp, m = namespace(q.mu, p.mu), float(q.event_shape[0])
    between = q.mu - p.mu
    chord = 0.5 * xp.sum(between * between, axis=-1)
    pull_strength = p.kappa * vmf_ratio(m, q.kappa)
    kl = bregman(m, q.kappa, p.kappa) + pull_strength * chord

    def pull(dk: Array | None) -> Cotangents:
        if dk is None:
            return (None, None), (None, None)
        dmu = (dk * pull_strength)[..., None] * between
        dq = dk * vmf_dratio(m, q.kappa) * ((q.kappa - p.kappa) + p.kappa * chord)
        tails = vmf_one_minus_ratio(m, q.kappa) - vmf_one_minus_ratio(m, p.kappa)
        dp = dk * (tails + vmf_ratio(m, q.kappa) * chord)
        return (sum_to(dmu, q.mu.shape), sum_to(dq, q.kappa.shape)), (
            sum_to(-dmu, p.mu.shape),
            sum_to(dp, p.kappa.shape),
        )

    return kl, pull


@scalar
def bregman_scalar(m: float, kq: float, kp: float) -> float:
    """phi(kp) - phi(kq) - A(kq) (kp - kq) >= 0.

    Within a factor of two it is the integral of (kp - u) A'(u) from kq to kp, which does not cancel.
    """
    if abs(kp - kq) <= 0.5 * max(kp, kq):
        total = 0.0
        for j in range(24):
            total += WEIGHTS[j] * (1.0 - NODES[j]) * vmf_dratio_scalar(m, kq + (kp - kq) * NODES[j])
        return (kp - kq) * (kp - kq) * total
    if kp < m:
        return vmf_kl_scalar(m, kq) + vmf_phi_scalar(m, kp) - kp * vmf_ratio_scalar(m, kq)
    return vmf_kl_scalar(m, kq) + vmf_phi_minus_x_scalar(m, kp) + kp * vmf_one_minus_ratio_scalar(m, kq)


bregman = elementwise(bregman_scalar, cost=4000.0)
