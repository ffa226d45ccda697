"""Families of distributions: samplers, densities, gradient estimators and divergences, one file for each family."""

from __future__ import annotations

from geomlat.distributions._power_kl import power_uniform, power_vmf
from geomlat.distributions._vmf_kl import vmf_uniform, vmf_vmf
from geomlat.distributions._vmf_power_kl import vmf_power
from geomlat.distributions._wrapped_fit import fit_wrapped_normal
from geomlat.distributions._wrapped_kl import euclidean_kl, euclidean_kl_vjp, wrapped_uniform, wrapped_wrapped
from geomlat.distributions.beta import Beta
from geomlat.distributions.entropy import entropy_estimate, entropy_estimate_vjp
from geomlat.distributions.estimators import leave_one_out
from geomlat.distributions.gamma import Gamma
from geomlat.distributions.kl import (
    Estimate,
    kl_divergence,
    kl_divergence_vjp,
    kl_estimate,
    kl_estimate_vjp,
    kl_method,
    register_kl,
)
from geomlat.distributions.log_normal import LogNormal
from geomlat.distributions.mixture import Mixture
from geomlat.distributions.normal import Normal
from geomlat.distributions.power_spherical import PowerSpherical
from geomlat.distributions.product import ProductDistribution, factor_kl, factor_kl_vjp
from geomlat.distributions.spherical_cauchy import SphericalCauchy, cauchy_uniform
from geomlat.distributions.spherical_uniform import SphericalUniform
from geomlat.distributions.vmf_mixture import VonMisesFisherMixture
from geomlat.distributions.von_mises import VonMises
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.distributions.wrapped_normal import WrappedNormal

__all__ = [
    "Beta",
    "Estimate",
    "Gamma",
    "LogNormal",
    "Mixture",
    "Normal",
    "PowerSpherical",
    "ProductDistribution",
    "SphericalCauchy",
    "SphericalUniform",
    "VonMises",
    "VonMisesFisher",
    "VonMisesFisherMixture",
    "WrappedNormal",
    "cauchy_uniform",
    "entropy_estimate",
    "entropy_estimate_vjp",
    "euclidean_kl",
    "euclidean_kl_vjp",
    "factor_kl",
    "factor_kl_vjp",
    "fit_wrapped_normal",
    "kl_divergence",
    "kl_divergence_vjp",
    "kl_estimate",
    "kl_estimate_vjp",
    "kl_method",
    "leave_one_out",
    "power_uniform",
    "power_vmf",
    "register_kl",
    "vmf_power",
    "vmf_uniform",
    "vmf_vmf",
    "wrapped_uniform",
    "wrapped_wrapped",
]
