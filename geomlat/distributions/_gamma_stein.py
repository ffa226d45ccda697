"""The exact derivative of the logarithm of a gamma variate with respect to its shape, at a fixed level.

For X ~ Gamma(a, 1) and y = log X the implicit derivative (Figurnov, Mohamed, Mnih 2018) is

    dy/da = 1/p(y) int_y^inf (s - psi(a)) p(s) ds,   p(s) = exp(a s - e^s) / Gamma(a)

The integral is taken over the tail in which s - psi(a) keeps one sign. At a distance t into it

    log(p(y +- t) / p(y)) = +-(a - x) t - x R(+-t),   R(t) = e^t - 1 - t

up to where that has fallen to -38: 24 Gauss-Legendre nodes, on three panels if a < 8. Small x has the power series of
the distribution function. A draw is given by w = log(x / d), d its centre in `_gamma_sampling`, so that a - x and
y - psi(a) keep their digits at large a. Tested for a = 1e-3 .. 1e10 to 1e-12 relative.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.distributions._gamma_sampling import gamma_centre
from geomlat.special.gamma import digamma_scalar
from geomlat.special.quadrature import NODES, WEIGHTS
from geomlat.special.stirling import log_minus_digamma_scalar

FLOOR = -38.0
PANELS = (0.0, 0.07, 0.28, 1.0)


@scalar
def gamma_stein_scalar(a: float, w: float) -> float:
    """d log x / da at x = d exp(w)."""
    d = gamma_centre(a)
    x = d * math.exp(w)
    if x < 0.2 and a < 2.0:
        return gamma_series(a, x, w + math.log(d) - digamma_scalar(a + 1.0))
    excess = w + (math.log1p(-1.0 / (3.0 * a)) if a >= 1.0 else math.log(d / a)) + log_minus_digamma_scalar(a)
    gap = (1.0 if a >= 1.0 else -2.0) / 3.0 - d * math.expm1(w)
    side = 1.0 if excess >= 0.0 else -1.0
    span = gamma_span(side * gap, x, side, (x - FLOOR) / a)
    first = 2 if a >= 8.0 else 0
    total = 0.0
    for k in range(first, 3):
        left = 0.0 if k == first else span * PANELS[k]
        width = span * PANELS[k + 1] - left
        part = 0.0
        for j in range(24):
            t = left + width * NODES[j]
            part += WEIGHTS[j] * (side * excess + t) * math.exp(side * gap * t - x * exp_gap(side * t))
        total += width * part
    return total


@scalar
def gamma_series(a: float, x: float, less: float) -> float:
    """e^x sum_k (-x)^k / k! (1/(a+k)^2 - (y - psi(a))/(a+k)); ``less`` is y - psi(a+1), negative."""
    total, term = -less / a, 1.0
    for k in range(1, 14):
        term *= -x / k
        total += term * (1.0 / (a + k) - (less + 1.0 / a)) / (a + k)
    return math.exp(x) * total


@scalar
def gamma_span(slope: float, x: float, side: float, end: float) -> float:
    """The distance at which slope t - x R(side t), concave, has fallen to the floor.

    Newton's steps from the root of its parabola at 0; to the left never beyond the root of its asymptote, ``end``.
    """
    divisor = math.sqrt(slope * slope - 2.0 * FLOOR * x) - slope
    t = -2.0 * FLOOR / divisor
    if side < 0.0:
        t = min(t, end)
    else:
        # Beyond it the exponential alone has fallen to the floor, whatever the slope, which is below x + 1.
        t = min(t, 6.0 + math.log1p(1.0 / x))
    for _ in range(20):
        miss = slope * t - x * exp_gap(side * t) - FLOOR
        if abs(miss) < 1.0:
            break
        rate = slope - x * side * math.expm1(side * t)
        t = min(t - miss / rate, end) if side < 0.0 and rate < 0.0 else t - miss / rate
    return t


@scalar
def exp_gap(t: float) -> float:
    """e^t - 1 - t."""
    if abs(t) > 0.1:
        return math.expm1(t) - t
    total, power = 0.0, t
    for k in range(2, 14):
        power *= t / k
        total += power
    return total


gamma_stein = elementwise(gamma_stein_scalar, cost=2000.0)
