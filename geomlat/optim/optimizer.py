"""What all optimisers share: an immutable description, a state of flat vectors, and global-norm clipping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import array_api_compat
import numpy as np

from geomlat.backends import is_host, kernel, namespace, summation
from geomlat.optim.schedules import Hyperparameter, value_at

Array = Any
State = dict[str, Any]
LARGE = 1 << 15
"""Entries from which the squared length is added up by all threads."""
STRIP = 4096
"""Entries that one of them adds up at a time."""


@dataclass(frozen=True)
class Optimizer:
    """A description of an update rule for one flat parameter vector.

    ``state = opt.init(theta)`` makes the state: the number of updates done, ``state["step"]``, and one vector of
    theta's length for each name in ``moments``. ``norm = opt.update(theta, grad, state)`` changes theta and the state
    in place and returns the norm of the gradient before clipping (a scalar of theta's library; nothing is copied to the
    host).

    Parameters
    ----------
    lr
        The learning rate: a number or a schedule of the step.
    clip
        Gradients of Euclidean norm above ``clip`` are scaled to it. Pascanu, Mikolov and Bengio (2013), algorithm 1.

    Raises
    ------
    ValueError
        For a setting out of its range.
    """

    lr: Hyperparameter
    clip: float | None = field(default=None, kw_only=True)

    moments: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not callable(self.lr):
            self._require("lr", 0.0 < self.lr < float("inf"), "positive")
        self._require("clip", self.clip is None or self.clip > 0.0, "positive or None")

    def init(self, theta: Array) -> State:
        """The state before the first update."""
        xp = namespace(theta)
        if theta.ndim != 1 or not xp.isdtype(theta.dtype, "real floating"):
            msg = f"theta must be one flat vector of floats, got shape {tuple(theta.shape)} and dtype {theta.dtype}"
            raise ValueError(msg)
        return {"step": 0, **{name: xp.zeros_like(theta) for name in self.moments}}

    def update(self, theta: Array, grad: Array, state: State) -> Array:
        """One step, in place on ``theta`` and ``state``; ``grad`` is left as it is. Returns its norm."""
        xp = namespace(theta, grad)
        grad, square = self.gradient(theta, grad)
        norm = xp.sqrt(square)
        scale = xp.ones_like(norm) if self.clip is None else self.clip / xp.maximum(norm, self.clip)
        self.apply(theta, grad, scale, value_at(self.lr, state["step"]), state)
        state["step"] += 1
        return norm

    def gradient(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        """The gradient that is followed, and its squared length."""
        return grad, squared(grad)

    def apply(self, theta: Array, grad: Array, scale: Array, lr: float, state: State) -> None:
        """The update rule for the gradient ``scale * grad``, in place on ``theta`` and the moments of ``state``."""
        raise NotImplementedError

    def _require(self, name: str, good: bool, wanted: str) -> None:
        if not good:
            msg = f"{type(self).__name__}: {name} must be {wanted}, got {getattr(self, name)}"
            raise ValueError(msg)


def squared(grad: Array) -> Array:
    """The squared length of a flat vector."""
    if type(grad) is not np.ndarray:
        return namespace(grad).vecdot(grad, grad)
    if grad.size < LARGE or grad.dtype.char not in "fd" or not grad.flags.c_contiguous:
        return np.dot(grad, grad)
    count = grad.size // STRIP
    strips, sums = grad[: count * STRIP].reshape(count, STRIP), np.empty(count)
    _squares(count, strips, sums)
    rest = grad[count * STRIP :]
    with np.errstate(over="ignore"):
        return grad.dtype.type(sums.sum() + np.dot(rest, rest))


# BLAS wakes threads of its own and leaves the gradient on one core, when the update that follows is on all of them.
@kernel(cost=0.1)
def _squares(i: int, strips: Any, sums: Any) -> None:
    sums[i] = squares(strips, i)


@summation
def squares(strips: Any, i: int) -> float:
    """The sum of squares of a row, in its dtype."""
    total: float = strips[i, 0] * strips[i, 0]
    for k in range(1, strips.shape[1]):
        total += strips[i, k] * strips[i, k]
    return total


def has_kernels(x: Array) -> bool:
    """Whether ``x`` is a contiguous NumPy or CuPy array, which the compiled updates change in place."""
    return (is_host(x) or array_api_compat.is_cupy_array(x)) and bool(x.flags.c_contiguous)
