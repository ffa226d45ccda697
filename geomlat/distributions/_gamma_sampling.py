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
    """A draw of Gamma(shape, 1) for row ``i``: d (1 + e)^3, e = n / sqrt(9 d), d = shape - 1/3 and n normal.

    It is accepted if log U < 3 d (log1p(e) - e + e^2/2 - e^3/3). A shape below 1 is drawn one higher, then multiplied
    by U^(1/shape).
    """
    index = words[2] + np.uint64(i)
    low, high = index & LOW, index >> S32
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    draw = d
    for attempt in range(ATTEMPTS):
        a0, a1, a2, a3 = philox(np.uint64(attempt), low, high, purpose, words[0], words[1])
        u1, u2, u3 = three_uniforms(a0, a1, a2, a3)
        e = box_muller(u1, u2)[0] / math.sqrt(9.0 * d)
        if e <= -1.0:
            continue
        draw = d * (1.0 + e) * (1.0 + e) * (1.0 + e)
        if math.log(u3) < 3.0 * d * log1p_remainder(e):
            break
    if shape < 1.0:
        a0, a1, _, _ = philox(BOOST, low, high, purpose, words[0], words[1])
        draw *= math.exp(math.log(unit(a0, a1)) / shape)
    return draw


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
