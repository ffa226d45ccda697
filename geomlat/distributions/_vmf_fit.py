"""The concentration whose mean resultant length is given: the maximum-likelihood kappa of a von Mises-Fisher law."""

from __future__ import annotations

import math

from geomlat.backends import elementwise, scalar
from geomlat.special.vmf import vmf_dratio_scalar, vmf_one_minus_ratio_scalar, vmf_ratio_scalar


@scalar
def inverse_ratio_scalar(m: float, resultant: float, deficit: float) -> float:
    """kappa with A(kappa) = ``resultant`` and 1 - A(kappa) = ``deficit`` = 1 - resultant, both given for their digits.

    Newton's steps on A (on 1 - A above 1/2) from the bound (m-1) R / (1-R^2) <= kappa (Amos 1974): A is concave, so
    that they rise to the root without a safeguard.
    """
    if resultant <= 0.0:
        return 0.0
    if deficit <= 0.0:
        return math.inf
    x = (m - 1.0) * resultant / (deficit * (1.0 + resultant))
    for _ in range(60):
        if resultant < 0.5:
            miss = resultant - vmf_ratio_scalar(m, x)
        else:
            miss = vmf_one_minus_ratio_scalar(m, x) - deficit
        step = miss / vmf_dratio_scalar(m, x)
        x += step
        # The steps square the error: after this one it is below the last digit.
        if abs(step) <= 1e-9 * x:
            break
    return x


inverse_ratio = elementwise(inverse_ratio_scalar, cost=2000.0)
