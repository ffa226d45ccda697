"""Remainders of Stirling's series."""

from __future__ import annotations

import math

from geomlat.backends import scalar

HALF_LOG_TAU = 0.9189385332046727


@scalar
def stirling_scalar(v: float) -> float:
    """The remainder log Gamma(v+1) - (v + 1/2) log v + v - log(2 pi)/2, for v >= 10.

    Eight terms B_2k / (2k (2k-1) v^(2k-1)): DLMF 5.11.1. Relative error below 1e-15.
    """
    r = 1.0 / v
    y = r * r
    tail = 691.0 / 360360.0 - y * (1.0 / 156.0 - y * (3617.0 / 122400.0))
    tail = 1.0 / 1680.0 - y * (1.0 / 1188.0 - y * tail)
    return r * (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * tail)))


@scalar
def lgamma1p_scalar(v: float) -> float:
    """log Gamma(v+1) for v > -1, by `stirling_scalar` from v = 10 on."""
    if v < 10.0:
        return math.lgamma(v + 1.0)
    return (v + 0.5) * math.log(v) - v + HALF_LOG_TAU + stirling_scalar(v)
