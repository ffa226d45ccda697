"""The von Mises-Fisher normaliser relative to the uniform law, its derivatives and its divergence from uniform.

With U uniform on the unit sphere of R^m, w = <mu, z> and v = m/2 - 1::

    phi(m, kappa)    = log E_U exp(kappa w) = log 0F1(; m/2; kappa^2/4)      phi_minus_x = phi - kappa
    ratio            = d phi / d kappa = E w = I_{v+1}(kappa) / I_v(kappa)   one_minus_ratio = 1 - ratio
    dratio           = d ratio / d kappa = Var w
    kl               = KL(vMF || U) = kappa ratio - phi                      dkl = d kl / d kappa = kappa dratio

and the density with respect to U is exp(kappa w - phi). Two regions suffice (s = sqrt(v^2 + kappa^2)): series of
positive terms where s < 32 or kappa^2 <= 2 m, the logarithmic Debye expansion in 1/s elsewhere. Nothing large is ever
subtracted: relative errors stay below 5e-14 for m = 1 and m >= 2 up to 2e7, kappa from 0 to 1e12 (m just above 1
loses a factor 1/(m-1) in ``one_minus_ratio`` and ``dratio``).

m is any real number in 1..1e150 and kappa any finite number >= 0; NaN, kappa < 0 and m < 1 give NaN, silently: the
checks that raise belong to the callers. All functions broadcast, take arrays of any library and return the dtype they
were given; float32 is evaluated in float64 and rounded.

References: DLMF 10.25.2, 10.31.3, 10.41.3; Amos (1974); Mardia and Jupp (2000), section 9.3.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special._debye import debye_d, debye_e, debye_g, debye_h
from geomlat.special.gamma import HALF_LOG_TAU, stirling_scalar

NAN = math.nan


@scalar
def vmf_phi_scalar(m: float, kappa: float) -> float:
    """log E_U exp(kappa w), the log-normaliser relative to the uniform law."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if in_series(m, kappa):
        first, total, _ = series(m, kappa)
        return math.log1p(first * total)
    s, t, q = debye_variables(m, kappa)
    return phi_debye(m, kappa, s) + debye_d(t, q)


@scalar
def vmf_phi_minus_x_scalar(m: float, kappa: float) -> float:
    """phi - kappa, without cancellation at large kappa."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if in_series(m, kappa):
        first, total, _ = series(m, kappa)
        return math.log1p(first * total) - kappa
    s, t, q = debye_variables(m, kappa)
    return phi_minus_x_debye(m, kappa, s) + debye_d(t, q)


@scalar
def vmf_ratio_scalar(m: float, kappa: float) -> float:
    """The mean resultant length I_{m/2}(kappa) / I_{m/2-1}(kappa)."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if in_series(m, kappa):
        first, total, weighted = series(m, kappa)
        return kappa / m * weighted / (1.0 + first * total)
    s, t, q = debye_variables(m, kappa)
    return kappa / (s + 0.5 * m - 1.0) - kappa * t * t * (0.5 + debye_e(t, q))


@scalar
def vmf_one_minus_ratio_scalar(m: float, kappa: float) -> float:
    """1 - ratio, without cancellation at large kappa."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if m == 1.0:
        e = math.exp(-2.0 * kappa)
        return 2.0 * e / (1.0 + e)
    if in_series(m, kappa):
        first, total, weighted = series(m, kappa)
        return 1.0 - kappa / m * weighted / (1.0 + first * total)
    s, t, q = debye_variables(m, kappa)
    return one_minus_ratio_debye(m, kappa, s, t, debye_e(t, q))


@scalar
def vmf_dratio_scalar(m: float, kappa: float) -> float:
    """The derivative of the ratio by kappa, Var w: positive terms only, in both regions."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if m == 1.0:
        e = math.exp(-2.0 * kappa)
        return 4.0 * e / ((1.0 + e) * (1.0 + e))
    if in_series(m, kappa):
        first, total, _, variance = series_with_variance(m, kappa)
        f = 1.0 + first * total
        return variance / (m * f * f)
    s, t, q = debye_variables(m, kappa)
    return t * (t * variance_debye(m, s, t, q))


@scalar
def vmf_kl_scalar(m: float, kappa: float) -> float:
    """The divergence KL(vMF || U) = kappa ratio - phi."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN
    if in_series(m, kappa):
        first, total, weighted = series(m, kappa)
        return kl_series(first, total, weighted)
    s, t, q = debye_variables(m, kappa)
    return kl_debye(m, kappa, s) - debye_h(t, q)


@scalar
def vmf_dkl_scalar(m: float, kappa: float) -> float:
    """The derivative of `vmf_kl_scalar` by kappa, kappa Var w."""
    return vmf_kl_pair_scalar(m, kappa)[1]


@scalar
def vmf_kl_pair_scalar(m: float, kappa: float) -> tuple[float, float]:
    """``(kl, dkl)`` at the cost of little more than one of them."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN, NAN
    if in_series(m, kappa):
        first, total, weighted, variance = series_with_variance(m, kappa)
        f = 1.0 + first * total
        return kl_series(first, total, weighted), kappa / m * variance / (f * f)
    s, t, q = debye_variables(m, kappa)
    kl = kl_debye(m, kappa, s) - debye_h(t, q)
    if m == 1.0:
        return kl, kappa * (4.0 * math.exp(-2.0 * kappa))
    return kl, kappa * t * t * variance_debye(m, s, t, q)


@scalar
def vmf_phi_pair_scalar(m: float, kappa: float) -> tuple[float, float]:
    """``(phi, ratio)``: the log-normaliser and its derivative, sharing the series."""
    if not (m >= 1.0 and kappa >= 0.0):
        return NAN, NAN
    if in_series(m, kappa):
        first, total, weighted = series(m, kappa)
        return math.log1p(first * total), kappa / m * weighted / (1.0 + first * total)
    s, t, q = debye_variables(m, kappa)
    ratio = kappa / (s + 0.5 * m - 1.0) - kappa * t * t * (0.5 + debye_e(t, q))
    return phi_debye(m, kappa, s) + debye_d(t, q), ratio


@scalar
def vmf_tail_pair_scalar(m: float, kappa: float) -> tuple[float, float]:
    """``(phi_minus_x, one_minus_ratio)``, what a log-density in t = 1 - w and its derivative need."""
    return vmf_phi_minus_x_scalar(m, kappa), vmf_one_minus_ratio_scalar(m, kappa)


@scalar
def in_series(m: float, x: float) -> bool:
    """Whether the series serve: x^2 <= 4(v+1), or s < 32."""
    v = 0.5 * m - 1.0
    return x * x <= 2.0 * m or v * v + x * x < 1024.0


@scalar
def series(m: float, x: float) -> tuple[float, float, float]:
    """``(T_1, S, B)`` with sum_{k>=1} T_k = T_1 S and sum k T_k = T_1 B, T_k = (x^2/4)^k / (k! (m/2)_k)."""
    h, n = 0.25 * x * x, 0.5 * m
    term, total, weighted = 1.0, 1.0, 1.0
    for i in range(1, 120):
        k = float(i)
        term *= h / ((k + 1.0) * (n + k))
        total += term
        weighted += (k + 1.0) * term
        if (k + 1.0) * term < 1e-17 * weighted:
            break
    return h / n, total, weighted


@scalar
def series_with_variance(m: float, x: float) -> tuple[float, float, float, float]:
    """`series`, and m (1 + T_1 S)^2 Var w as a series of positive terms.

    From the product series DLMF 10.31.3 and A' = 1 - A^2 - (m-1) A/x; that equation itself cancels.
    """
    h, n = 0.25 * x * x, 0.5 * m
    term, total, weighted = 1.0, 1.0, 1.0
    c, variance = 2.0 * h * (m - 1.0) / (m * (n + 1.0)), 1.0
    for i in range(1, 120):
        k = float(i)
        variance += c
        term *= h / ((k + 1.0) * (n + k))
        c *= 2.0 * h * (m - 1.0 + 2.0 * k) / ((m + k) * ((k + 1.0) * (n + k + 1.0)))
        total += term
        weighted += (k + 1.0) * term
        if (k + 1.0) * term < 1e-17 * weighted and c < 1e-17 * variance:
            break
    return h / n, total, weighted, variance


@scalar
def kl_series(first: float, total: float, weighted: float) -> float:
    """x A - phi from `series`."""
    f = first * total
    return 2.0 * (first * weighted) / (1.0 + f) - math.log1p(f)


@scalar
def debye_variables(m: float, x: float) -> tuple[float, float, float]:
    """``(s, 1/s, (v/s)^2)``."""
    v = 0.5 * m - 1.0
    s = math.sqrt(v * v + x * x)
    if s > 1e150:
        s = math.hypot(v, x)
    p = v / s
    return s, 1.0 / s, p * p


@scalar
def phi_debye(m: float, x: float, s: float) -> float:
    """phi without its correction D; the branches use lgamma(v+1) and its Stirling remainder."""
    v = 0.5 * m - 1.0
    if v < 10.0:
        return s - v * math.log(0.5 * (s + v)) - 0.5 * math.log(s) + (math.lgamma(v + 1.0) - HALF_LOG_TAU)
    z = x * (x / (s + v))
    return z - v * math.log1p(0.5 * z / v) - 0.5 * math.log1p(z / v) + stirling_scalar(v)


@scalar
def phi_minus_x_debye(m: float, x: float, s: float) -> float:
    """phi - x without its correction D; s - x = v^2/(s + x)."""
    v = 0.5 * m - 1.0
    if x < v:
        return phi_debye(m, x, s) - x
    z = v * (v / (s + x))
    if v < 10.0:
        return z - v * math.log(0.5 * (s + v)) - 0.5 * math.log(s) + (math.lgamma(v + 1.0) - HALF_LOG_TAU)
    r = x / v * (x / (s + v))
    return z - v - v * math.log1p(0.5 * r) - 0.5 * math.log1p(r) + stirling_scalar(v)


@scalar
def one_minus_ratio_debye(m: float, x: float, s: float, t: float, correction: float) -> float:
    """1 - A from the correction E."""
    v = 0.5 * m - 1.0
    return (v + v * (v / (s + x))) / (s + v) + x * t * t * (0.5 + correction)


@scalar
def kl_debye(m: float, x: float, s: float) -> float:
    """x A - phi without its correction -(D + (1 - q) E)."""
    v, y = 0.5 * m - 1.0, x / s
    if v < 10.0:
        logs = v * math.log(0.5 * (s + v)) + 0.5 * math.log(s)
        return logs - 0.5 * y * y - (math.lgamma(v + 1.0) - HALF_LOG_TAU + v)
    z = x / v * (x / (s + v))
    return v * math.log1p(0.5 * z) + 0.5 * math.log1p(z) - 0.5 * y * y - stirling_scalar(v)


@scalar
def variance_debye(m: float, s: float, t: float, q: float) -> float:
    """s^2 Var w."""
    v = 0.5 * m - 1.0
    return v / (1.0 + v * t) + 0.5 * (1.0 - 2.0 * q) + debye_g(t, q)


vmf_phi = elementwise(vmf_phi_scalar, cost=60.0)
vmf_phi_minus_x = elementwise(vmf_phi_minus_x_scalar, cost=60.0)
vmf_ratio = elementwise(vmf_ratio_scalar, cost=60.0)
vmf_one_minus_ratio = elementwise(vmf_one_minus_ratio_scalar, cost=60.0)
vmf_dratio = elementwise(vmf_dratio_scalar, cost=80.0)
vmf_kl = elementwise(vmf_kl_scalar, cost=60.0)
vmf_dkl = elementwise(vmf_dkl_scalar, cost=80.0)
vmf_phi_pair = elementwise(vmf_phi_pair_scalar, cost=80.0, outputs=2)
vmf_kl_pair = elementwise(vmf_kl_pair_scalar, cost=100.0, outputs=2)
vmf_tail_pair = elementwise(vmf_tail_pair_scalar, cost=80.0, outputs=2)
