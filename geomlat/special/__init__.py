"""Special functions with value and derivative side by side; nothing is compiled before the first call."""

from __future__ import annotations

from geomlat.special.bessel import bessel_ratio, bessel_ratio_derivative, log_iv, log_iv_derivative
from geomlat.special.cauchy import sc_dkl, sc_kl, sc_mean
from geomlat.special.gamma import digamma, digamma_diff, lgamma_diff, trigamma, trigamma_diff
from geomlat.special.power import ps_dkl, ps_dlog_peak, ps_kl, ps_log_peak
from geomlat.special.radial import (
    cosc,
    coshc,
    dcosc,
    dcoshc,
    dlog_sinc,
    dlog_sinhc,
    dsinc,
    dsinhc,
    log_sinc,
    log_sinhc,
    sinc,
    sinhc,
)
from geomlat.special.rules import DERIVATIVES, Derivative
from geomlat.special.vmf import (
    vmf_dkl,
    vmf_dratio,
    vmf_kl,
    vmf_kl_pair,
    vmf_one_minus_ratio,
    vmf_phi,
    vmf_phi_minus_x,
    vmf_phi_pair,
    vmf_ratio,
    vmf_tail_pair,
)

__all__ = [
    "DERIVATIVES",
    "Derivative",
    "bessel_ratio",
    "bessel_ratio_derivative",
    "cosc",
    "coshc",
    "dcosc",
    "dcoshc",
    "digamma",
    "digamma_diff",
    "dlog_sinc",
    "dlog_sinhc",
    "dsinc",
    "dsinhc",
    "lgamma_diff",
    "log_iv",
    "log_iv_derivative",
    "log_sinc",
    "log_sinhc",
    "ps_dkl",
    "ps_dlog_peak",
    "ps_kl",
    "ps_log_peak",
    "sc_dkl",
    "sc_kl",
    "sc_mean",
    "sinc",
    "sinhc",
    "trigamma",
    "trigamma_diff",
    "vmf_dkl",
    "vmf_dratio",
    "vmf_kl",
    "vmf_kl_pair",
    "vmf_one_minus_ratio",
    "vmf_phi",
    "vmf_phi_minus_x",
    "vmf_phi_pair",
    "vmf_ratio",
    "vmf_tail_pair",
]
