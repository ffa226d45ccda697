"""Adam on the normalised gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Layout
from geomlat.optim.adam import Adam
from geomlat.optim.schedules import Hyperparameter

Array = Any


@dataclass(frozen=True)
class NormalisedAdam(Adam):
    """Adam after each tensor's gradient is divided by its own Euclidean norm; a gradient of zeros stays zero.

    The recipe of the VampPrior's program (Tomczak, Welling 2018), there with ``lr=5e-4``. The norm that `update`
    returns is that of the gradient as it came.

    Parameters
    ----------
    tensors
        ``(start, stop)`` of each tensor in the flat vector, as `normalised` finds them; none are divided together by
        the norm of the whole vector.

    Raises
    ------
    ValueError
        For ``clip``, which would be one number for every gradient.

    >>> import numpy as np
    >>> theta, opt = np.zeros(3), NormalisedAdam(0.1, tensors=((0, 2), (2, 3)))
    >>> opt.gradient(theta, np.array([3.0, 4.0, -7.0]))[0]
    array([ 0.6,  0.8, -1. ])
    """

    tensors: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("clip", self.clip is None, "None: the gradient is normalised")

    def gradient(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        """See `Optimizer.gradient`."""
        xp = namespace(theta, grad)
        scaled, whole = xp.asarray(grad, copy=True), xp.vecdot(grad, grad)
        for start, stop in self.tensors or ((0, grad.shape[0]),):
            part = scaled[start:stop]
            norm = xp.sqrt(xp.vecdot(part, part))
            part /= xp.where(norm > 0, norm, xp.ones_like(norm))
        return scaled, whole


def normalised(layout: Layout, lr: Hyperparameter = 5e-4, **settings: Any) -> NormalisedAdam:
    """`NormalisedAdam` for the named parameters of a layout, each a tensor of its own."""
    tensors = tuple((where.start, where.stop) for where, _ in layout.slices.values())
    return NormalisedAdam(lr, tensors=tensors, **settings)
