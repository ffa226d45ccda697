"""The concentration whose mean resultant length is given: the maximum-likelihood kappa of a von Mises-Fisher law."""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special.vmf import vmf_dratio_scalar, vmf_one_minus_ratio_scalar, vmf_ratio_scalar


@scalar
def inverse_ratio_scalar(m: float, resultant: float, deficit: float) -> float:
    """kappa with A(kappa) = ``resultant`` and 1 - A(kappa) = ``deficit`` = 1 - resultant, both given for their digits.

    Newton's steps on A (on 1 - A above 1/2), kept inside the bounds of Amos (1974) on A solved for kappa: with
    a = (m-1)/2, 2 a R / (1-R^2) <= kappa <= R (a + sqrt(a^2 + (2a+1)(1-R^2))) / (1-R^2).
    """
    if resultant <= 0.0:
        return 0.0
    if deficit <= 0.0:
        return math.inf
    a, gap = 0.5 * (m - 1.0), deficit * (1.0 + resultant)
    low = 2.0 * a * resultant / gap
    high = resultant * (a + math.sqrt(a * a + (2.0 * a + 1.0) * gap)) / gap
    x = low
    for _ in range(60):
        if resultant < 0.5:
            miss = vmf_ratio_scalar(m, x) - resultant
        else:
            miss = deficit - vmf_one_minus_ratio_scalar(m, x)
        if miss < 0.0:
            low = max(low, x)
        else:
            high = min(high, x)
        new = x - miss / vmf_dratio_scalar(m, x)
        if not low <= new <= high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 4e-16 * x:
            return new
        x = new
    return x


inverse_ratio = elementwise(inverse_ratio_scalar, cost=2000.0)
