"""Trigonometric functions of a space of curvature K, analytic through K = 0, each beside its derivative by ``K r^2``.

====================  ===========================  =====================================
function of z         z = t^2 > 0                  z = -t^2 < 0
====================  ===========================  =====================================
``curved_sinc``       sin(t) / t                   sinh(t) / t
``curved_tanc``       tan(t) / t                   tanh(t) / t
``curved_arctanc``    arctan(t) / t                artanh(t) / t
``curved_arcsinc``    arcsin(t) / t                arsinh(t) / t
``curved_log_sinc``   log |sin(t) / t|             log(sinh(t) / t)
``curved_cotc``       t cot(t)                     t coth(t)
====================  ===========================  =====================================

So ``sin_K(r) = r curved_sinc(K r^2)``, ``tan_K(r) = r curved_tanc(K r^2)`` and so on; by K the derivative of
``curved_tanc(K r^2)`` is ``r^2 dcurved_tanc(K r^2)``. ``dcurved_sinc`` and the rest are the derivatives. At 0 the
functions are 1 (``curved_log_sinc``: 0), with no jump in any derivative. Relative errors stay below 4e-15 for z from
-1e4 (the inverse functions: from -1 and from -1e8) to 2.2 (the inverse: 1e8 and 1), for ``curved_log_sinc`` and
``curved_cotc`` to 9, where ``curved_cotc`` keeps that error in units of one: it crosses zero. Arrays of any library;
float32 is evaluated in float64 and rounded. Reference: DLMF 4.19, 4.24, 4.33, 4.38.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special.radial import (
    dlog_sinc_scalar,
    dlog_sinhc_scalar,
    exp_over_2r,
    log_sinc_scalar,
    log_sinhc_scalar,
    sinc_scalar,
    sinhc_scalar,
    slope_series,
)

INF = math.inf
NEAR = 0.25
# The coefficients of z^k in dcurved_arctanc and in dcurved_arcsinc; the terms from the last on are below 1e-18.
ARCTAN_SLOPE = tuple(-(k + 1) * (-1.0) ** k / (2 * k + 3) for k in range(30))
ARCSIN_SLOPE = tuple((k + 1) * math.comb(2 * k + 2, k + 1) / (4.0 ** (k + 1) * (2 * k + 3)) for k in range(30))
TERMS = 30


@scalar
def curved_sinc_scalar(z: float) -> float:
    """sin(t) / t."""
    return sinc_scalar(math.sqrt(z)) if z >= 0.0 else sinhc_scalar(math.sqrt(-z))


@scalar
def dcurved_sinc_scalar(z: float) -> float:
    """(cos t - sin(t) / t) / (2 z)."""
    if abs(z) < 1.0:
        return -0.5 * slope_series(-z)
    if z > 0.0:
        t = math.sqrt(z)
        return (math.cos(t) - math.sin(t) / t) / (2.0 * z)
    t = math.sqrt(-z)
    grown = t * exp_over_2r(t) if t > 700.0 else math.cosh(t)
    return grown * (1.0 - math.tanh(t) / t) / (2.0 * z)


@scalar
def curved_tanc_scalar(z: float) -> float:
    """tan(t) / t."""
    if z == 0.0:
        return 1.0
    t = math.sqrt(abs(z))
    return math.tan(t) / t if z > 0.0 else math.tanh(t) / t


@scalar
def dcurved_tanc_scalar(z: float) -> float:
    """(sec^2 t - tan(t) / t) / (2 z) = (1 / cos^2 t) (1 - sin(2t) / (2t)) / (2 z), the last factor by its series."""
    t = math.sqrt(abs(z))
    if z < -100.0:
        return (4.0 * math.exp(-2.0 * t) / (1.0 + math.exp(-2.0 * t)) ** 2 - math.tanh(t) / t) / (2.0 * z)
    c = math.cos(t) if z >= 0.0 else math.cosh(t)
    return one_less_sinc(4.0 * z) / (2.0 * c * c)


@scalar
def one_less_sinc(z: float) -> float:
    """4 (1 - sin(t) / t) / z."""
    if abs(z) < 1.0:
        total = 0.0
        for k in range(10):
            j = 9 - k
            total = 1.0 - total * z / ((2.0 * j + 4.0) * (2.0 * j + 5.0))
        return total * (2.0 / 3.0)
    return 4.0 * (1.0 - curved_sinc_scalar(z)) / z


@scalar
def curved_arctanc_scalar(z: float) -> float:
    """arctan(t) / t, for z >= -1; close to -1 the square of t is 1 - (1 + z), which is exact."""
    if z == 0.0:
        return 1.0
    t = math.sqrt(abs(z))
    if z < -0.5:
        return (math.log1p(t) - 0.5 * math.log1p(z)) / t if z > -1.0 else INF
    return math.atan(t) / t if z > 0.0 else math.atanh(t) / t


@scalar
def dcurved_arctanc_scalar(z: float) -> float:
    """(1 / (1 + z) - arctan(t) / t) / (2 z)."""
    if z <= -1.0:
        return -INF
    if abs(z) >= NEAR:
        return (1.0 / (1.0 + z) - curved_arctanc_scalar(z)) / (2.0 * z)
    total = 0.0
    for k in range(TERMS):
        total = total * z + ARCTAN_SLOPE[TERMS - 1 - k]
    return total


@scalar
def curved_arcsinc_scalar(z: float) -> float:
    """arcsin(t) / t, for z <= 1."""
    if z == 0.0:
        return 1.0
    t = math.sqrt(abs(z))
    return math.asin(t) / t if z > 0.0 else math.asinh(t) / t


@scalar
def dcurved_arcsinc_scalar(z: float) -> float:
    """(1 / sqrt(1 - z) - arcsin(t) / t) / (2 z)."""
    if abs(z) >= NEAR:
        return (1.0 / math.sqrt(1.0 - z) - curved_arcsinc_scalar(z)) / (2.0 * z)
    total = 0.0
    for k in range(TERMS):
        total = total * z + ARCSIN_SLOPE[TERMS - 1 - k]
    return total


@scalar
def curved_log_sinc_scalar(z: float) -> float:
    """log |sin(t) / t|."""
    return log_sinc_scalar(math.sqrt(z)) if z >= 0.0 else log_sinhc_scalar(math.sqrt(-z))


@scalar
def dcurved_log_sinc_scalar(z: float) -> float:
    """(cot t - 1/t) / (2 t)."""
    if abs(z) < 1e-300:
        return -1.0 / 6.0
    t = math.sqrt(abs(z))
    return dlog_sinc_scalar(t) / (2.0 * t) if z > 0.0 else -dlog_sinhc_scalar(t) / (2.0 * t)


@scalar
def curved_cotc_scalar(z: float) -> float:
    """t cot(t) = 1 + 2 z d log(sin(t) / t) / dz."""
    return 1.0 + 2.0 * z * dcurved_log_sinc_scalar(z)


@scalar
def dcurved_cotc_scalar(z: float) -> float:
    """(cot(t) / t - 1 / sin^2 t) / 2 = -curved_sinc(t)^-2 (1 - sin(2t) / (2t)) / (2 z)."""
    if z < -100.0:
        t = math.sqrt(-z)
        e = math.exp(-2.0 * t)
        return (4.0 * e / (1.0 - e) ** 2 - 1.0 / (t * math.tanh(t))) / 2.0
    s = curved_sinc_scalar(z)
    return -one_less_sinc(4.0 * z) / (2.0 * s * s)


curved_sinc = elementwise(curved_sinc_scalar, cost=20.0)
dcurved_sinc = elementwise(dcurved_sinc_scalar, cost=30.0)
curved_tanc = elementwise(curved_tanc_scalar, cost=20.0)
dcurved_tanc = elementwise(dcurved_tanc_scalar, cost=40.0)
curved_arctanc = elementwise(curved_arctanc_scalar, cost=20.0)
dcurved_arctanc = elementwise(dcurved_arctanc_scalar, cost=40.0)
curved_arcsinc = elementwise(curved_arcsinc_scalar, cost=20.0)
dcurved_arcsinc = elementwise(dcurved_arcsinc_scalar, cost=40.0)
curved_log_sinc = elementwise(curved_log_sinc_scalar, cost=30.0)
dcurved_log_sinc = elementwise(dcurved_log_sinc_scalar, cost=30.0)
curved_cotc = elementwise(curved_cotc_scalar, cost=30.0)
dcurved_cotc = elementwise(dcurved_cotc_scalar, cost=40.0)
