"""KL divergences from a power spherical law, and their pullbacks."""

from __future__ import annotations

from collections.abc import Callable

from geomlat.backends import Array, elementwise, namespace, scalar
from geomlat.distributions._vmf_kl import Cotangents, same_sphere
from geomlat.distributions.kl import register_kl
from geomlat.distributions.power_spherical import PowerSpherical
from geomlat.distributions.spherical_uniform import SphericalUniform
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.grad import sum_to
from geomlat.special.power import ps_dkl, ps_kl, ps_kl_scalar
from geomlat.special.vmf import vmf_one_minus_ratio, vmf_phi_minus_x_scalar, vmf_phi_scalar


@register_kl(PowerSpherical, SphericalUniform)
def power_uniform(q: PowerSpherical, p: SphericalUniform) -> tuple[Array, Callable[[Array | None], Cotangents]]:
    """KL = log_peak - kappa dlog_peak, a function of m and kappa alone (De Cao and Aziz 2020, eq. 8)."""
    same_sphere(q, p)
    m = float(q.event_shape[0])

    def pull(dk: Array | None) -> Cotangents:
        return (None, None if dk is None else sum_to(dk * ps_dkl(m, q.kappa), q.kappa.shape)), ()

    xp = namespace(q.kappa)
    return xp.broadcast_to(ps_kl(m, q.kappa), q.batch_shape), pull


@register_kl(PowerSpherical, VonMisesFisher)
def power_vmf(q: PowerSpherical, p: VonMisesFisher) -> tuple[Array, Callable[[Array | None], Cotangents]]:
    """KL = KL(q || uniform) + phi(kappa_p) - kappa_p <mu_p, E z>, with E z = kappa_q / (kappa_q + m - 1) mu_q."""
    same_sphere(q, p)
    xp, m = namespace(q.mu, p.mu), float(q.event_shape[0])
    between = q.mu - p.mu
    chord = 0.5 * xp.sum(between * between, axis=-1)
    tail = (m - 1.0) / (q.kappa + (m - 1.0))
    ratio = q.kappa / (q.kappa + (m - 1.0))
    kl = power_vmf_radial(m, q.kappa, p.kappa) + p.kappa * ratio * chord

    def pull(dk: Array | None) -> Cotangents:
        if dk is None:
            return (None, None), (None, None)
        dmu = (dk * p.kappa * ratio)[..., None] * between
        dratio = tail / (q.kappa + (m - 1.0))
        dq = dk * (ps_dkl(m, q.kappa) - p.kappa * dratio * (1.0 - chord))
        dp = dk * ((tail - vmf_one_minus_ratio(m, p.kappa)) + ratio * chord)
        return (sum_to(dmu, q.mu.shape), sum_to(dq, q.kappa.shape)), (
            sum_to(-dmu, p.mu.shape),
            sum_to(dp, p.kappa.shape),
        )

    return kl, pull


@scalar
def power_vmf_radial_scalar(m: float, kq: float, kp: float) -> float:
    """The divergence for one mean direction: KL(q || U) + phi(kp) - kp E w."""
    if kp < m:
        return ps_kl_scalar(m, kq) + (vmf_phi_scalar(m, kp) - kp * kq / (kq + m - 1.0))
    return ps_kl_scalar(m, kq) + (vmf_phi_minus_x_scalar(m, kp) + kp * (m - 1.0) / (kq + m - 1.0))


power_vmf_radial = elementwise(power_vmf_radial_scalar, cost=1000.0)
