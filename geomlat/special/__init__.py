"""Special functions with value and derivative side by side; nothing is compiled before the first call."""

from __future__ import annotations

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
