"""The logarithm of the modified Bessel function I_v and the ratio I_{v+1}/I_v, for real v >= -1/2 and x >= 0.

``log_iv`` is within 1e-12 of max(1, |log I_v(x)|), for v up to 1e7 and x up to 1e12, also where it crosses zero (there
v log x and x cancel to 1e-10 in plain double precision); ``bessel_ratio`` and its derivative are those of
`geomlat.special.vmf` at m = 2v + 2. NaN, v < -1/2 and x < 0 give NaN. References: DLMF 10.25.2, 10.41.3, 10.29.2.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special._debye import debye_d
from geomlat.special.gamma import HALF_LOG_TAU, lgamma1p_scalar
from geomlat.special.radial import INF, LOG_2
from geomlat.special.vmf import NAN, debye_variables, in_series, series, vmf_dratio_scalar, vmf_ratio_scalar

# The zero of eta(z) = sqrt(1 + z^2) + log(z / (1 + sqrt(1 + z^2))) as a sum of two doubles, the first also split in
# two halves of 26 bits, and sqrt(1 + z^2) there.
ETA_ZERO = 0.6627434193491816
ETA_ZERO_HIGH = 0.6627434194087982
ETA_ZERO_LOW = -5.961664495401919e-11
ETA_ZERO_REST = 8.155323790501267e-18
ETA_ROOT = 1.1996786402577337
SPLIT = 134217729.0


@scalar
def log_iv_scalar(v: float, x: float) -> float:
    """log I_v(x)."""
    if not (v >= -0.5 and x >= 0.0):
        return NAN
    if x == 0.0:
        return 0.0 if v == 0.0 else -math.copysign(INF, v)
    m = 2.0 * v + 2.0
    if in_series(m, x):
        first, total, _ = series(m, x)
        return math.log1p(first * total) + v * (math.log(x) - LOG_2) - lgamma1p_scalar(v)
    s, t, q = debye_variables(m, x)
    eta = eta_near_zero(v, x, s) if 0.3 * v < x < 1.2 * v else s + v * math.log(x / (s + v))
    return eta - 0.5 * math.log(s) - HALF_LOG_TAU + debye_d(t, q)


@scalar
def eta_near_zero(v: float, x: float, s: float) -> float:
    """v eta(x/v) from the zero z0 of eta, with x - v z0 formed in twice the precision (Dekker 1971)."""
    c = SPLIT * v
    high = c - (c - v)
    low = v - high
    product = v * ETA_ZERO
    lost = ((high * ETA_ZERO_HIGH - product) + high * ETA_ZERO_LOW + low * ETA_ZERO_HIGH) + low * ETA_ZERO_LOW
    step = ((x - product) - lost - v * ETA_ZERO_REST) / v
    rise = step * (2.0 * ETA_ZERO + step) / (s / v + ETA_ROOT)
    return v * (rise + math.log1p(step / ETA_ZERO) - math.log1p(rise / (1.0 + ETA_ROOT)))


@scalar
def log_iv_derivative_scalar(v: float, x: float) -> float:
    """The derivative of log I_v by x, I_{v+1}/I_v + v/x."""
    if x == 0.0 and v >= -0.5:
        return 0.0 if v == 0.0 else math.copysign(INF, v)
    a = bessel_ratio_scalar(v, x)
    return a + v / x if x > 0.0 else a


@scalar
def bessel_ratio_scalar(v: float, x: float) -> float:
    """I_{v+1}(x) / I_v(x), in [0, 1)."""
    return vmf_ratio_scalar(2.0 * v + 2.0, x)


@scalar
def bessel_ratio_derivative_scalar(v: float, x: float) -> float:
    """The derivative of I_{v+1}/I_v by x."""
    return vmf_dratio_scalar(2.0 * v + 2.0, x)


log_iv = elementwise(log_iv_scalar, cost=60.0)
log_iv_derivative = elementwise(log_iv_derivative_scalar, cost=60.0)
bessel_ratio = elementwise(bessel_ratio_scalar, cost=60.0)
bessel_ratio_derivative = elementwise(bessel_ratio_derivative_scalar, cost=80.0)
