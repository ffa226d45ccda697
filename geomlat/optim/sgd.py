"""Stochastic gradient descent, with momentum and Nesterov's variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from geomlat.optim.optimizer import Optimizer, State

Array = Any


@dataclass(frozen=True)
class SGD(Optimizer):
    """``m <- momentum * m + g``, ``theta <- theta - lr * m``; with ``nesterov`` the step is ``g + momentum * m``.

    Sutskever, Martens, Dahl and Hinton (2013), eqs. 1-4, in the form where the learning rate stays outside ``m``.
    """

    momentum: float = 0.0
    nesterov: bool = False

    moments: ClassVar[tuple[str, ...]] = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("momentum", 0.0 <= self.momentum < 1.0, "in [0, 1)")
        self._require("nesterov", not self.nesterov or self.momentum > 0.0, "used with a positive momentum")

    def apply(self, theta: Array, grad: Array, scale: Array, lr: float, state: State) -> None:
        """See `Optimizer.apply`."""
        g = grad * scale
        m = state["momentum"]
        m *= self.momentum
        m += g
        theta -= lr * (g + self.momentum * m if self.nesterov else m)
