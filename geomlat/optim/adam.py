"""Adam, and AdamW with its decoupled weight decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from geomlat.backends import kernel, namespace
from geomlat.optim.optimizer import Optimizer, State, has_kernels
from geomlat.optim.schedules import Hyperparameter

Array = Any


@dataclass(frozen=True)
class Adam(Optimizer):
    """``theta <- theta - lr * mhat / (sqrt(vhat) + eps)`` with bias-corrected means of the gradient and its square.

    Kingma and Ba (2015), algorithm 1. One pass over theta, gradient and both moments.
    """

    lr: Hyperparameter = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    moments: ClassVar[tuple[str, ...]] = ("mean", "square")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("beta1", 0.0 <= self.beta1 < 1.0, "in [0, 1)")
        self._require("beta2", 0.0 <= self.beta2 < 1.0, "in [0, 1)")
        self._require("eps", self.eps > 0.0, "positive")

    def apply(self, theta: Array, grad: Array, scale: Array, lr: float, state: State) -> None:
        """See `Optimizer.apply`."""
        t = state["step"] + 1
        step = lr / (1.0 - self.beta1**t)
        correction = 1.0 / math.sqrt(1.0 - self.beta2**t)
        rates = [self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2, self.keep(lr), step, correction, self.eps]
        arrays = theta, grad, state["mean"], state["square"]
        if all(has_kernels(a) for a in arrays):
            xp = namespace(theta)
            _adam(theta.size, *arrays, xp.reshape(scale, (1,)), xp.asarray(rates, dtype=theta.dtype))
        else:
            adam_arrays(*arrays, scale, rates)

    def keep(self, lr: float) -> float:
        """The factor by which every parameter shrinks before the step."""
        return 1.0


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam after ``theta <- (1 - lr * weight_decay) * theta``. Loshchilov and Hutter (2019), algorithm 2."""

    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("weight_decay", self.weight_decay >= 0.0, "at least 0")

    def keep(self, lr: float) -> float:
        """See `Adam.keep`."""
        return 1.0 - lr * self.weight_decay


def adam_arrays(theta: Array, grad: Array, mean: Array, square: Array, scale: Array, rates: list[float]) -> None:
    """The update as array expressions, for any library whose arrays can be changed."""
    b1, c1, b2, c2, keep, step, correction, eps = rates
    g = grad * scale
    mean *= b1
    mean += c1 * g
    square *= b2
    square += c2 * g * g
    theta *= keep
    theta -= step * mean / (namespace(theta).sqrt(square) * correction + eps)


# Bound by memory. After passes on two cores each has half of the gradient in its cache, and one alone takes longer.
@kernel(cost=0.4)
def _adam(i: int, theta: Any, grad: Any, mean: Any, square: Any, scale: Any, rates: Any) -> None:
    g = scale[0] * grad[i]
    m = rates[0] * mean[i] + rates[1] * g
    v = rates[2] * square[i] + rates[3] * g * g
    mean[i] = m
    square[i] = v
    theta[i] = rates[4] * theta[i] - rates[5] * m / (math.sqrt(v) * rates[6] + rates[7])
