"""Digamma, trigamma, Stirling's remainder, and differences of gamma functions that do not cancel.

The differences over a distance b >= 0 are sums of positive terms: with r = 1/X and s = 1/(X + b) every term of the
asymptotic series has the factor r - s = b r s. X is x moved up to 16 by the recurrences. Tested to 2e-15 for x from
1e-3 to 1e12 and b from 1e-12 to 1e12 (the difference of log Gamma, which crosses zero, with an absolute floor).
References: DLMF 5.5.2, 5.11.1, 5.11.2.
"""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import elementwise, scalar

HALF_LOG_TAU = 0.9189385332046727
FAR = 16.0
# B_2k / (2k (2k-1)), B_2k / 2k and B_2k, k = 1 .. 7.
LGAMMA_TAIL = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
DIGAMMA_TAIL = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
TRIGAMMA_TAIL = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


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


@scalar
def digamma_scalar(x: float) -> float:
    """psi(x) = d log Gamma / dx for x > 0; absolute error 1e-15 where it crosses zero."""
    low = 0.0
    while x < FAR:
        low += 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    return math.log(x) - 0.5 / x - y * polynomial_pair(DIGAMMA_TAIL, y, y)[0] - low


@scalar
def trigamma_scalar(x: float) -> float:
    """psi'(x) for x > 0."""
    low = 0.0
    while x < FAR:
        low += 1.0 / (x * x)
        x += 1.0
    y = 1.0 / (x * x)
    return low + (1.0 + 0.5 / x + y * polynomial_pair(TRIGAMMA_TAIL, y, y)[0]) / x


@scalar
def lgamma_diff_scalar(x: float, b: float) -> float:
    """log Gamma(x + b) - log Gamma(x)."""
    low = 0.0
    while x < FAR:
        low += math.log1p(b / x)
        x += 1.0
    r, s = 1.0 / x, 1.0 / (x + b)
    p, slope = polynomial_pair(LGAMMA_TAIL, r * r, s * s)
    tail = b * r * s * (p + s * (r + s) * slope)
    return (x - 0.5) * math.log1p(b / x) + b * (math.log(x + b) - 1.0) - tail - low


@scalar
def digamma_diff_scalar(x: float, b: float) -> float:
    """psi(x + b) - psi(x)."""
    low = 0.0
    while x < FAR:
        low += b / (x * (x + b))
        x += 1.0
    r, s = 1.0 / x, 1.0 / (x + b)
    p, slope = polynomial_pair(DIGAMMA_TAIL, r * r, s * s)
    return low + math.log1p(b / x) + b * r * s * (0.5 + (r + s) * (p + s * s * slope))


@scalar
def trigamma_diff_scalar(x: float, b: float) -> float:
    """psi'(x) - psi'(x + b), positive."""
    low = 0.0
    while x < FAR:
        r, s = 1.0 / x, 1.0 / (x + b)
        low += b * r * s * (r + s)
        x += 1.0
    r, s = 1.0 / x, 1.0 / (x + b)
    p, slope = polynomial_pair(TRIGAMMA_TAIL, r * r, s * s)
    return low + b * r * s * (1.0 + 0.5 * (r + s) + (r * r + r * s + s * s) * p + s * s * s * (r + s) * slope)


@scalar
def polynomial_pair(c: Any, x: float, y: float) -> tuple[float, float]:
    """P(x) = sum_k c_k x^k and the divided difference (P(x) - P(y)) / (x - y), by Horner's scheme."""
    p, d = c[6], 0.0
    for k in range(5, -1, -1):
        d = d * y + p
        p = p * x + c[k]
    return p, d


digamma = elementwise(digamma_scalar, cost=30.0)
trigamma = elementwise(trigamma_scalar, cost=30.0)
lgamma_diff = elementwise(lgamma_diff_scalar, cost=80.0)
digamma_diff = elementwise(digamma_diff_scalar, cost=40.0)
trigamma_diff = elementwise(trigamma_diff_scalar, cost=40.0)
