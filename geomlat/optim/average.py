"""Averaged weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace

Array = Any


@dataclass(frozen=True)
class EMA:
    """The exponential moving average of theta: ``average <- d * average + (1 - d) * theta``.

    After ``step`` updates ``d = min(decay, (1 + step) / (10 + step))``, so that a short run does not average its
    starting point. Polyak and Juditsky (1992) for the idea.

    Raises
    ------
    ValueError
        If ``decay`` is not in [0, 1).
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            msg = f"EMA: decay must be in [0, 1), got {self.decay}"
            raise ValueError(msg)

    def init(self, theta: Array) -> Array:
        """The average before the first update: a copy of theta."""
        return namespace(theta).asarray(theta, copy=True)

    def update(self, average: Array, theta: Array, step: int) -> None:
        """Move ``average`` towards ``theta``, in place; ``step`` counts the updates before this one."""
        d = min(self.decay, (1 + step) / (10 + step))
        average *= d
        average += (1.0 - d) * theta
