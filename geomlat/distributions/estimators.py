"""Baselines for the score terms of gradient estimators."""

from __future__ import annotations

from geomlat.backends import Array, namespace


def leave_one_out(cost: Array) -> Array:
    """Each draw's cost minus the mean cost of the other draws along the first axis, ``(n, ...)``.

    The baseline of draw i is a function of the others, so that the score term it multiplies stays unbiased (Kool, van
    Hoof, Welling 2019). A single draw has no baseline: its cost is returned as it is.

    >>> import numpy as np
    >>> leave_one_out(np.array([1.0, 2.0, 6.0]))
    array([-3. , -1.5,  4.5])
    """
    xp, n = namespace(cost), cost.shape[0]
    if n < 2:
        return cost
    return (cost - xp.mean(cost, axis=0)) * (n / (n - 1))
