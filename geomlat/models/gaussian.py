"""Gaussian likelihoods whose decoder also gives the spread; the convention of that head is in the name."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.models.likelihood import Array, Likelihood, Pull
from geomlat.nn.activations import softplus
from geomlat.random import normal

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
# A log-variance above it counts as this: its exponential and the squares made of it stay within float32.
HIGHEST = 60.0


@dataclass(frozen=True)
class LearnedGaussian(Likelihood):
    """Real values with mean and standard deviation from the decoder: ``out`` holds n means, then n raw spreads.

    ``floor`` is the least standard deviation, in the units of the data. Without one the likelihood has no maximum: it
    grows without bound where the model is right about a feature that does not vary.

    Raises
    ------
    ValueError
        For a floor that is not positive.
    """

    floor: float = 1e-3

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < math.inf:
            msg = f"{type(self).__name__} needs a floor > 0, got {self.floor}"
            raise ValueError(msg)

    @abstractmethod
    def spread(self, xp: Any, raw: Array) -> tuple[Array, Array]:
        """The standard deviation of a raw head, and its slope."""

    @property
    def unit(self) -> float:
        """Real values are taken as they are."""
        return 1.0

    def width(self, n_features: int) -> int:
        """A mean and a raw spread for each feature."""
        return 2 * n_features

    def check(self, x: Array) -> None:
        """Every real number is within the support."""

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``sum_j (x_j - m_j)^2 / (2 s_j^2) + log s_j + log(2 pi)/2`` and its pull."""
        xp, n = namespace(out, x), x.shape[-1]
        s, slope = self.spread(xp, out[..., n:])
        r = (out[..., :n] - x) / s
        nll = xp.sum(0.5 * r * r + xp.log(s) + HALF_LOG_TAU, axis=-1)

        def pull(dnll: Array) -> Array:
            d = dnll[..., None] / s
            return sum_to(xp.concat([d * r, d * (1.0 - r * r) * slope], axis=-1), out.shape)

        return nll, pull

    def mean(self, out: Array) -> Array:
        """The means."""
        return out[..., : out.shape[-1] // 2]

    def sample(self, out: Array, *, rng: Any) -> Array:
        """The means plus normal noise of the spreads."""
        n = out.shape[-1] // 2
        s, _ = self.spread(namespace(out), out[..., n:])
        return out[..., :n] + s * normal(s.shape, rng=rng, dtype=out.dtype, xp=namespace(out))


@dataclass(frozen=True)
class GaussianSoftplusSD(LearnedGaussian):
    """Mean linear, **standard deviation** ``floor + softplus(head)``."""

    def spread(self, xp: Any, raw: Array) -> tuple[Array, Array]:
        """``floor + softplus``."""
        value, slope = softplus(raw)
        return self.floor + value, slope


@dataclass(frozen=True)
class GaussianLogVariance(LearnedGaussian):
    """Mean linear, the head a **log-variance**: ``s = sqrt(floor^2 + e^head)``, without the published clip."""

    def spread(self, xp: Any, raw: Array) -> tuple[Array, Array]:
        """``sqrt(floor^2 + exp)``."""
        variance = xp.exp(xp.minimum(raw, HIGHEST))
        s = xp.sqrt(self.floor**2 + variance)
        return s, xp.where(raw < HIGHEST, 0.5 * variance / s, 0.0)
