"""What gamma functions leave over their leading terms, and the divergence that log Gamma makes of two shapes.

With f(x) = log Gamma(x) - x log x + x, convex and slowly varying::

    log_minus_digamma  = log x - psi(x) = -f'(x)                 ~ 1/(2 x)
    trigamma_excess    = x psi'(x) - 1 = x f''(x)                ~ 1/(2 x)
    lgamma_bregman     = f(p) - f(q) - (p - q) f'(q) >= 0        of two shapes q and p
    log1p_gap          = e - log(1 + e) >= 0

Nothing cancels where x is large or q and p are near each other. Tested to 1e-13 relative for x = 1e-6 .. 1e12.
Reference: DLMF 5.11.1 and 5.11.2.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special.gamma import (
    DIGAMMA_TAIL,
    FAR,
    HALF_LOG_TAU,
    TRIGAMMA_TAIL,
    digamma_scalar,
    polynomial_pair,
    stirling_scalar,
    trigamma_scalar,
)
from geomlat.special.quadrature import NODES, WEIGHTS


@scalar
def log_minus_digamma_scalar(x: float) -> float:
    """log x - psi(x), positive."""
    if x < FAR:
        return math.log(x) - digamma_scalar(x)
    y = 1.0 / (x * x)
    return 0.5 / x + y * polynomial_pair(DIGAMMA_TAIL, y, y)[0]


@scalar
def trigamma_excess_scalar(x: float) -> float:
    """x psi'(x) - 1, positive."""
    if x < FAR:
        return x * trigamma_scalar(x) - 1.0
    y = 1.0 / (x * x)
    return 0.5 / x + y * polynomial_pair(TRIGAMMA_TAIL, y, y)[0]


@scalar
def lgamma_excess_scalar(x: float) -> float:
    """f(x) = log Gamma(x) - x log x + x."""
    if x < 10.0:
        return math.lgamma(x) - x * math.log(x) + x
    return HALF_LOG_TAU - 0.5 * math.log(x) + stirling_scalar(x)


@scalar
def lgamma_bregman_scalar(q: float, p: float) -> float:
    """f(p) - f(q) - (p - q) f'(q); within a factor of two the integral of (p - u) f''(u) from q to p."""
    if abs(p - q) <= 0.5 * max(p, q):
        total = 0.0
        for j in range(24):
            u = q + (p - q) * NODES[j]
            total += WEIGHTS[j] * (1.0 - NODES[j]) * trigamma_excess_scalar(u) / u
        return (p - q) * (p - q) * total
    return lgamma_excess_scalar(p) - lgamma_excess_scalar(q) + (p - q) * log_minus_digamma_scalar(q)


@scalar
def log1p_gap_scalar(e: float) -> float:
    """e - log(1 + e)."""
    if abs(e) > 0.1:
        return e - math.log1p(e)
    total, power = 0.0, e
    for k in range(2, 19):
        power *= -e
        total -= power / k
    return total


@scalar
def ratio_gap_scalar(e: float, ratio: float) -> float:
    """The same, given ``ratio`` = 1 + e for the digits of a small one."""
    return log1p_gap_scalar(e) if e > -0.5 else e - math.log(ratio)


log_minus_digamma = elementwise(log_minus_digamma_scalar, cost=40.0)
trigamma_excess = elementwise(trigamma_excess_scalar, cost=40.0)
lgamma_excess = elementwise(lgamma_excess_scalar, cost=40.0)
lgamma_bregman = elementwise(lgamma_bregman_scalar, cost=800.0)
log1p_gap = elementwise(log1p_gap_scalar, cost=20.0)
ratio_gap = elementwise(ratio_gap_scalar, cost=20.0)
