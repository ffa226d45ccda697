"""Gamma variates from the counter-based streams, by the method of Marsaglia and Tsang (2000)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import scalar
from geomlat.distributions._vmf_sampling import three_uniforms
from geomlat.random import LOW, S32, box_muller, philox, unit

ATTEMPTS = 40  # acceptance is at least 0.95, so that more are needed with probability below 1e-52
BOOST = np.uint64(ATTEMPTS)
PURPOSE_GAMMA = np.uint64(5)
PURPOSE_OTHER_GAMMA = np.uint64(6)


@scalar
def gamma_scalar(shape: float, words: Any, i: int, purpose: Any) -> float:
    """A draw of Gamma(shape, 1) for row ``i``."""
    e, boost = gamma_parts(shape, words, i, purpose)
    draw = gamma_centre(shape) * (1.0 + e) * (1.0 + e) * (1.0 + e)
    return draw if shape >= 1.0 else draw * math.exp(boost)


@scalar
def log_gamma_scalar(shape: float, words: Any, i: int, purpose: Any) -> float:
    """log(draw / d) of the same draw: no shape is too large for its spread, none so small that it underflows."""
    e, boost = gamma_parts(shape, words, i, purpose)
    return 3.0 * math.log1p(e) + boost


@scalar
def gamma_centre(shape: float) -> float:
    """d, the shape (of a shape below 1: one more) less 1/3."""
    return (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0


@scalar
def gamma_parts(shape: float, words: Any, i: int, purpose: Any) -> tuple[float, float]:
    """``(e, boost)`` of the draw d (1 + e)^3 exp(boost) for row ``i``: e = n / sqrt(9 d), d = shape - 1/3, n normal.

    It is accepted if log U < 3 d (log1p(e) - e + e^2/2 - e^3/3). A shape below 1 is drawn one higher, and the boost is
    then log U / shape, else 0.
    """
    index = words[2] + np.uint64(i)
    low, high = index & LOW, index >> S32
    d, e = gamma_centre(shape), 0.0
    for attempt in range(ATTEMPTS):
        a0, a1, a2, a3 = philox(np.uint64(attempt), low, high, purpose, words[0], words[1])
        u1, u2, u3 = three_uniforms(a0, a1, a2, a3)
        trial = box_muller(u1, u2)[0] / math.sqrt(9.0 * d)
        if trial <= -1.0:
            continue
        e = trial
        if math.log(u3) < 3.0 * d * log1p_remainder(e):
            break
    if shape >= 1.0:
        return e, 0.0
    a0, a1, _, _ = philox(BOOST, low, high, purpose, words[0], words[1])
    return e, math.log(unit(a0, a1)) / shape


@scalar
def log1p_remainder(e: float) -> float:
    """log(1 + e) - e + e^2/2 - e^3/3, which a large d multiplies, without cancellation."""
    if abs(e) > 0.05:
        return math.log1p(e) - e * (1.0 - e * (0.5 - e / 3.0))
    total, power = 0.0, -e * e * e * e
    for k in range(4, 16):
        total += power / k
        power *= -e
    return total
