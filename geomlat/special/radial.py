"""Radial functions of constant-curvature geometry, each beside its derivative, with series where they cancel.

=============  =======================  ==========================================
function       formula                  used in
=============  =======================  ==========================================
``sinc``       sin(r) / r               exponential map and logarithm of the sphere
``cosc``       (1 - cos(r)) / r^2       parallel transport on the sphere
``log_sinc``   log |sin(r) / r|         volume of the exponential map of the sphere
``sinhc``      sinh(r) / r              the same three on the hyperboloid
``coshc``      (cosh(r) - 1) / r^2
``log_sinhc``  log(sinh(r) / r)
=============  =======================  ==========================================

``dsinc`` and so on are the derivatives by r. The functions are even in r, the derivatives odd; at 0 they take their
limits (1, 1/2, 0; derivatives 0). Relative errors stay below 2e-15 for |r| in 0..3.1 (circular) and for every |r| at
which the value does not overflow (hyperbolic: about 717 for ``sinhc``, 724 for ``coshc``; ``log_sinhc`` never does).
Arrays of any library; float32 is evaluated in float64 and rounded. Near pi ``log_sinc`` is as exact as r itself.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar

INF = math.inf
LOG_2 = math.log(2.0)


@scalar
def sinc_scalar(r: float) -> float:
    """sin(r) / r."""
    return 1.0 if r == 0.0 else math.sin(r) / r


@scalar
def dsinc_scalar(r: float) -> float:
    """(r cos r - sin r) / r^2."""
    if abs(r) < 1.0:
        return -r * slope_series(-r * r)
    return (math.cos(r) - math.sin(r) / r) / r


@scalar
def sinhc_scalar(r: float) -> float:
    """sinh(r) / r."""
    a = abs(r)
    if a > 700.0:
        return exp_over_2r(a)
    return 1.0 if r == 0.0 else math.sinh(r) / r


@scalar
def dsinhc_scalar(r: float) -> float:
    """(r cosh r - sinh r) / r^2."""
    a = abs(r)
    if a < 1.0:
        return r * slope_series(r * r)
    if a > 700.0:
        return math.copysign((1.0 - 1.0 / a) * exp_over_2r(a), r)
    return (math.cosh(r) - math.sinh(r) / r) / r


@scalar
def cosc_scalar(r: float) -> float:
    """(1 - cos r) / r^2 = sinc(r/2)^2 / 2."""
    half = sinc_scalar(0.5 * r)
    return 0.5 * half * half


@scalar
def dcosc_scalar(r: float) -> float:
    """The derivative of `cosc_scalar`, sinc(r/2) sinc'(r/2) / 2."""
    return 0.5 * sinc_scalar(0.5 * r) * dsinc_scalar(0.5 * r)


@scalar
def coshc_scalar(r: float) -> float:
    """(cosh r - 1) / r^2 = sinhc(r/2)^2 / 2."""
    half = sinhc_scalar(0.5 * r)
    return 0.5 * half * half


@scalar
def dcoshc_scalar(r: float) -> float:
    """The derivative of `coshc_scalar`, sinhc(r/2) sinhc'(r/2) / 2."""
    return 0.5 * sinhc_scalar(0.5 * r) * dsinhc_scalar(0.5 * r)


@scalar
def log_sinc_scalar(r: float) -> float:
    """log |sin(r) / r|."""
    if abs(r) < 1.0:
        return math.log1p(value_series(-r * r))
    s = abs(math.sin(r) / r)
    return math.log(s) if s != 0.0 else -INF


@scalar
def dlog_sinc_scalar(r: float) -> float:
    """cot r - 1/r."""
    if abs(r) < 1.0:
        return -r * slope_series(-r * r) / (1.0 + value_series(-r * r))
    return math.cos(r) / math.sin(r) - 1.0 / r


@scalar
def log_sinhc_scalar(r: float) -> float:
    """log(sinh(r) / r) = r - log(2r) + log(1 - e^(-2r))."""
    a = abs(r)
    if a < 1.0:
        return math.log1p(value_series(r * r))
    return a - (math.log(a) + LOG_2) + math.log1p(-math.exp(-2.0 * a))


@scalar
def dlog_sinhc_scalar(r: float) -> float:
    """coth r - 1/r."""
    if abs(r) < 1.0:
        return r * slope_series(r * r) / (1.0 + value_series(r * r))
    return 1.0 / math.tanh(r) - 1.0 / r


@scalar
def value_series(z: float) -> float:
    """sinh(r)/r - 1 at z = r^2, sin(r)/r - 1 at z = -r^2: sum_{k>=1} z^k / (2k+1)!, |z| <= 1."""
    tail = 7.647163731819816e-13 + z * (2.8114572543455206e-15 + z * 8.22063524662433e-18)
    tail = 2.505210838544172e-08 + z * (1.6059043836821613e-10 + z * tail)
    tail = 0.0001984126984126984 + z * (2.7557319223985893e-06 + z * tail)
    return z * (0.16666666666666666 + z * (0.008333333333333333 + z * tail))


@scalar
def slope_series(z: float) -> float:
    """sinhc'(r)/r at z = r^2, -sinc'(r)/r at z = -r^2: sum_{k>=0} 2(k+1) z^k / (2k+3)!, |z| <= 1."""
    tail = 1.0706029224547743e-11 + z * (4.498331606952833e-14 + z * 1.4797143443923793e-16)
    tail = 2.505210838544172e-07 + z * (1.9270852604185937e-09 + z * tail)
    tail = 0.0011904761904761906 + z * (2.2045855379188714e-05 + z * tail)
    return 0.3333333333333333 + z * (0.03333333333333333 + z * tail)


@scalar
def exp_over_2r(a: float) -> float:
    """e^a / (2a), past the overflow of e^a itself; inf where it overflows (e^(a/2) must not)."""
    if a > 720.0:
        return INF
    e = math.exp(0.5 * a)
    return e / (2.0 * a) * e


sinc = elementwise(sinc_scalar, cost=20.0)
dsinc = elementwise(dsinc_scalar, cost=30.0)
cosc = elementwise(cosc_scalar, cost=20.0)
dcosc = elementwise(dcosc_scalar, cost=40.0)
log_sinc = elementwise(log_sinc_scalar, cost=30.0)
dlog_sinc = elementwise(dlog_sinc_scalar, cost=30.0)
sinhc = elementwise(sinhc_scalar, cost=20.0)
dsinhc = elementwise(dsinhc_scalar, cost=30.0)
coshc = elementwise(coshc_scalar, cost=20.0)
dcoshc = elementwise(dcoshc_scalar, cost=40.0)
log_sinhc = elementwise(log_sinhc_scalar, cost=40.0)
dlog_sinhc = elementwise(dlog_sinhc_scalar, cost=30.0)
