"""Scalars of the beta law: density and score of one number, entropy, and the shapes of given mean logarithms.

With s = a + b, p = a / s, f the excess of log Gamma over its leading terms and D the divergence of `lgamma_bregman`
(`geomlat.special.stirling`), log B(a, b) = a log p + b log(1-p) + f(a) + f(b) - f(s), so that next to the mean p

    log q = -a g((x-p)/p) - b g((p-x)/(1-p)) - log x - log(1-x) - f(a) - f(b) + f(s),   g(e) = e - log(1 + e)

of which nothing cancels at large shapes. The divergence of two laws, q of shapes a, b and p of shapes c, d, is

    c g(e) + d g(e') + D(a, c) + D(b, d) - D(a + b, c + d),   e and e' from the two means.
"""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special.gamma import digamma_diff_scalar, lgamma_diff_scalar, trigamma_diff_scalar, trigamma_scalar
from geomlat.special.stirling import (
    lgamma_bregman_scalar,
    lgamma_excess_scalar,
    log1p_gap_scalar,
    log_minus_digamma_scalar,
    ratio_gap_scalar,
    trigamma_excess_scalar,
)


@scalar
def beta_log_prob_scalar(a: float, b: float, x: float) -> float:
    """The log-density of one number."""
    rest = 1.0 - x
    if x < 0.0 or rest < 0.0:
        return -math.inf
    if x == 0.0 or rest == 0.0:
        power, other = (a, b) if x == 0.0 else (b, a)
        return math.log(other) if power == 1.0 else math.copysign(math.inf, 1.0 - power)
    low, high = math.log(x), (math.log1p(-x) if x < 0.5 else math.log(rest))
    if min(a, b) < 10.0:
        small, large = min(a, b), max(a, b)
        return (a - 1.0) * low + (b - 1.0) * high - math.lgamma(small) + lgamma_diff_scalar(large, small)
    miss = x * b - rest * a
    excess = lgamma_excess_scalar(a) + lgamma_excess_scalar(b) - lgamma_excess_scalar(a + b)
    one, two = ratio_gap_scalar(miss / a, x * (a + b) / a), ratio_gap_scalar(-miss / b, rest * (a + b) / b)
    return -a * one - b * two - low - high - excess


@scalar
def beta_score_scalar(a: float, b: float, x: float) -> tuple[float, float]:
    """Its derivatives by the two shapes."""
    rest = 1.0 - x
    low = math.log(x) if x < 0.5 else math.log1p(-rest)
    high = math.log1p(-x) if x < 0.5 else math.log(rest)
    return low + digamma_diff_scalar(a, b), high + digamma_diff_scalar(b, a)


@scalar
def beta_entropy_scalar(a: float, b: float) -> float:
    """log B(a, b) + (a-1) (psi(a+b) - psi(a)) + (b-1) (psi(a+b) - psi(b))."""
    s = a + b
    excess = lgamma_excess_scalar(a) + lgamma_excess_scalar(b) - lgamma_excess_scalar(s)
    tail = log_minus_digamma_scalar(s)
    first = (a - 1.0) * (log_minus_digamma_scalar(a) - tail)
    return excess + first + (b - 1.0) * (log_minus_digamma_scalar(b) - tail) - math.log1p(b / a) - math.log1p(a / b)


@scalar
def beta_entropy_slope_scalar(a: float, b: float) -> tuple[float, float]:
    """The derivatives of the entropy by the two shapes."""
    s = a + b
    shared = trigamma_excess_scalar(s) - 2.0 * trigamma_scalar(s)
    first = shared - trigamma_excess_scalar(a) + trigamma_scalar(a)
    return first, shared - trigamma_excess_scalar(b) + trigamma_scalar(b)


@scalar
def beta_divergence_scalar(a: float, b: float, c: float, d: float) -> float:
    """KL of Beta(a, b) from Beta(c, d)."""
    miss, s = a * d - c * b, a + b
    angular = c * log1p_gap_scalar(miss / (c * s)) + d * log1p_gap_scalar(-miss / (d * s))
    shapes = lgamma_bregman_scalar(a, c) + lgamma_bregman_scalar(b, d) - lgamma_bregman_scalar(s, c + d)
    return angular + shapes


@scalar
def beta_shapes_scalar(mean: float, less: float, other: float) -> tuple[float, float]:
    """The shapes with E log x = log(mean) - ``less`` and E log(1-x) = log(1-mean) - ``other``; infinite if both are 0.

    Newton's steps in the logs of the shapes, each at most 1, on the two equations
    psi(a+b) - psi(a) = less - log(mean) and psi(a+b) - psi(b) = other - log(1-mean).
    """
    if not (less > 0.0 and other > 0.0):
        return math.inf, math.inf
    rest = 1.0 - mean
    s = 0.25 * (rest / (mean * less) + mean / (rest * other))
    a, b = mean * s, rest * s
    for _ in range(100):
        s = a + b
        miss = (mean * b - rest * a) / a
        tail, slope = log_minus_digamma_scalar(s), trigamma_scalar(s)
        one = math.log1p(miss) + log_minus_digamma_scalar(a) - tail - less
        two = math.log1p(-miss * a / b) + log_minus_digamma_scalar(b) - tail - other
        # The matrix of the derivatives is [[p, -slope], [-slope, q]]; a b times its determinant without cancellation:
        p, q = trigamma_diff_scalar(a, b), trigamma_diff_scalar(b, a)
        more, other_more, both = trigamma_excess_scalar(a), trigamma_excess_scalar(b), trigamma_excess_scalar(s)
        det = (a * more + b * other_more) / s + more * other_more - both * (1.0 + (b * more + a * other_more) / s)
        da, db = (q * one + slope * two) * b / det, (slope * one + p * two) * a / det
        a *= math.exp(min(max(da, -1.0), 1.0))
        b *= math.exp(min(max(db, -1.0), 1.0))
        if abs(da) + abs(db) < 1e-14:
            break
    return a, b


beta_log_prob = elementwise(beta_log_prob_scalar, cost=120.0)
beta_score = elementwise(beta_score_scalar, cost=120.0, outputs=2)
beta_entropy = elementwise(beta_entropy_scalar, cost=200.0)
beta_entropy_slope = elementwise(beta_entropy_slope_scalar, cost=200.0, outputs=2)
beta_divergence = elementwise(beta_divergence_scalar, cost=2500.0)
beta_shapes = elementwise(beta_shapes_scalar, cost=3000.0, outputs=2)
