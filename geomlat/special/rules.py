"""The table of scalar functions and their derivatives, from which the tests of `geomlat.special` are generated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.special import bessel, cauchy, curved, gamma, power, radial, stirling, vmf


@dataclass(frozen=True)
class Derivative:
    """A function, its derivative by the last argument, where both are tested, and the source of the formula."""

    name: str
    f: Callable[..., Any]
    df: Callable[..., Any]
    #: The log-uniform range of each argument, in order.
    domain: tuple[tuple[float, float], ...]
    reference: str

    def sample(self, gen: np.random.Generator) -> tuple[float, ...]:
        """A random point of the domain."""
        return tuple(low * (high / low) ** gen.random() for low, high in self.domain)


def _minus_dratio(m: Any, kappa: Any) -> Any:
    return -vmf.vmf_dratio(m, kappa)


def _digamma_of_sum(x: Any, b: Any) -> Any:
    return gamma.digamma(x + b)


def _trigamma_of_sum(x: Any, b: Any) -> Any:
    return gamma.trigamma(x + b)


def _minus_excess_over(x: Any) -> Any:
    return -stirling.trigamma_excess(x) / x


def _minus_log_minus_digamma(x: Any) -> Any:
    return -stirling.log_minus_digamma(x)


_MK = ((2.0, 1e6), (1e-3, 1e9))
# Differences of the ratio lose its digits where it saturates, those of 1 - ratio where it is nearly 1.
_SMALL = ((2.0, 1e6), (1e-3, 1e3))
_LARGE = ((2.0, 1e2), (1e2, 1e9))
_ORDER = ((0.1, 1e3), (1e-3, 1e3))
_CIRCLE = ((0.1, 3.1),)
_LINE = ((0.1, 600.0),)
_SQUARE = ((0.01, 2.0),)
_SHAPE = ((0.1, 1e3),)
_SHAPES = ((0.1, 1e3), (1e-3, 1e3))

DERIVATIVES = (
    Derivative("vmf_phi", vmf.vmf_phi, vmf.vmf_ratio, _MK, "Mardia and Jupp (2000), 9.3.8"),
    Derivative("vmf_ratio", vmf.vmf_ratio, vmf.vmf_dratio, _SMALL, "Amos (1974), eq. 9"),
    Derivative("vmf_one_minus_ratio", vmf.vmf_one_minus_ratio, _minus_dratio, _LARGE, "Amos (1974), eq. 9"),
    Derivative("vmf_kl", vmf.vmf_kl, vmf.vmf_dkl, _MK, "kappa times Var w"),
    Derivative("log_iv", bessel.log_iv, bessel.log_iv_derivative, _ORDER, "DLMF 10.29.2"),
    Derivative("bessel_ratio", bessel.bessel_ratio, bessel.bessel_ratio_derivative, _ORDER, "Amos (1974), eq. 9"),
    Derivative("digamma", gamma.digamma, gamma.trigamma, _SHAPE, "DLMF 5.15.1"),
    Derivative("lgamma_diff", gamma.lgamma_diff, _digamma_of_sum, _SHAPES, "DLMF 5.2.2"),
    Derivative("digamma_diff", gamma.digamma_diff, _trigamma_of_sum, _SHAPES, "DLMF 5.15.1"),
    Derivative("log_minus_digamma", stirling.log_minus_digamma, _minus_excess_over, _SHAPE, "DLMF 5.15.1"),
    Derivative("lgamma_excess", stirling.lgamma_excess, _minus_log_minus_digamma, _SHAPE, "DLMF 5.2.2"),
    Derivative("ps_log_peak", power.ps_log_peak, power.ps_dlog_peak, _MK, "De Cao and Aziz (2020), eq. 6"),
    Derivative("ps_kl", power.ps_kl, power.ps_dkl, _MK, "kappa times Var log(1 + w)"),
    Derivative("sc_kl", cauchy.sc_kl, cauchy.sc_dkl, ((2.0, 1e4), (1e-3, 0.9)), "derivative of DLMF 15.2.1"),
    Derivative("sinc", radial.sinc, radial.dsinc, _CIRCLE, "(r cos r - sin r) / r^2"),
    Derivative("cosc", radial.cosc, radial.dcosc, _CIRCLE, "half-angle form"),
    Derivative("log_sinc", radial.log_sinc, radial.dlog_sinc, _CIRCLE, "DLMF 4.19.7"),
    Derivative("sinhc", radial.sinhc, radial.dsinhc, _LINE, "(r cosh r - sinh r) / r^2"),
    Derivative("coshc", radial.coshc, radial.dcoshc, _LINE, "half-angle form"),
    Derivative("log_sinhc", radial.log_sinhc, radial.dlog_sinhc, _LINE, "coth r - 1/r"),
    Derivative("curved_sinc", curved.curved_sinc, curved.dcurved_sinc, _SQUARE, "DLMF 4.19.1"),
    Derivative("curved_tanc", curved.curved_tanc, curved.dcurved_tanc, _SQUARE, "DLMF 4.19.3"),
    Derivative("curved_arctanc", curved.curved_arctanc, curved.dcurved_arctanc, _LINE, "DLMF 4.24.3"),
    Derivative("curved_arcsinc", curved.curved_arcsinc, curved.dcurved_arcsinc, ((0.01, 0.9),), "DLMF 4.24.1"),
    Derivative("curved_log_sinc", curved.curved_log_sinc, curved.dcurved_log_sinc, _SQUARE, "DLMF 4.19.7"),
    Derivative("curved_cotc", curved.curved_cotc, curved.dcurved_cotc, _SQUARE, "DLMF 4.19.6"),
)
