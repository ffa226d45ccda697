"""Hyperparameters as plain functions of the step: a learning rate, a KL weight, a temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

Schedule = Callable[[int], float]
Hyperparameter = float | Schedule


def value_at(hyperparameter: Hyperparameter, step: int) -> float:
    """The value of a number or of a schedule at a step (0 is the first)."""
    return hyperparameter(step) if callable(hyperparameter) else hyperparameter


def constant(value: float) -> Schedule:
    """Always ``value``."""
    return partial(_constant, value=value)


def warmup(steps: int) -> Schedule:
    """``min(1, step / steps)``: the weight of the KL term, 0 at first. Bowman et al. (2016), section 3.1."""
    return partial(_warmup, steps=_counted("steps", steps))


def linear_warmup(peak: float, steps: int) -> Schedule:
    """``peak * min(1, (step + 1) / steps)``: a learning rate that is never 0."""
    return partial(_linear_warmup, peak=peak, steps=_counted("steps", steps))


def cosine(peak: float, steps: int, *, floor: float = 0.0, warmup: int = 0) -> Schedule:
    """`linear_warmup` for ``warmup`` steps, then half a cosine from ``peak`` to ``floor`` at ``steps``, then ``floor``.

    Loshchilov and Hutter (2017), eq. 5, without restarts.
    """
    if not 0 <= warmup < _counted("steps", steps):
        msg = f"warmup must lie between 0 and steps={steps}, got {warmup}"
        raise ValueError(msg)
    return partial(_cosine, peak=peak, steps=steps, floor=floor, warmup=warmup)


def step_decay(value: float, every: int, *, factor: float = 0.1) -> Schedule:
    """``value * factor ** (step // every)``."""
    return partial(_step_decay, value=value, every=_counted("every", every), factor=factor)


def growth(value: float, rate: float, *, ceiling: float = 1.0) -> Schedule:
    """``min(ceiling, value * exp(rate * step))``: the inverse of a temperature that decays, down to ``1 / ceiling``."""
    if not (0.0 < value <= ceiling and rate > 0.0):
        msg = f"growth needs 0 < value <= ceiling and rate > 0, got {value}, {ceiling} and {rate}"
        raise ValueError(msg)
    return partial(_growth, value=value, rate=rate, ceiling=ceiling)


def _counted(name: str, steps: int) -> int:
    if steps < 1:
        msg = f"{name} must be at least 1, got {steps}"
        raise ValueError(msg)
    return steps


def _constant(step: int, *, value: float) -> float:
    return value


def _warmup(step: int, *, steps: int) -> float:
    return min(1.0, step / steps)


def _linear_warmup(step: int, *, peak: float, steps: int) -> float:
    return peak * min(1.0, (step + 1) / steps)


def _cosine(step: int, *, peak: float, steps: int, floor: float, warmup: int) -> float:
    if step < warmup:
        return _linear_warmup(step, peak=peak, steps=warmup)
    done = min(1.0, (step - warmup) / (steps - warmup))
    return floor + 0.5 * (peak - floor) * (1.0 + math.cos(math.pi * done))


def _step_decay(step: int, *, value: float, every: int, factor: float) -> float:
    return float(value * factor ** (step // every))


def _growth(step: int, *, value: float, rate: float, ceiling: float) -> float:
    return ceiling if math.log(value / ceiling) + rate * step >= 0.0 else value * math.exp(rate * step)
