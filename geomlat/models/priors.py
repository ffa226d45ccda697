"""Priors of the latent: ``prior.vjp(p) -> (r, pull)`` with ``pull(dr, g)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import namespace
from geomlat.distributions import Normal, ProductDistribution, SphericalUniform
from geomlat.grad import Params
from geomlat.nn import Layer


@dataclass(frozen=True, eq=False)
class Fixed(Layer):
    """A prior without parameters: ``"normal"`` is N(0, I) on R^dim, ``"uniform"`` the uniform law on S^dim."""

    family: str
    dim: int

    def vjp(self, p: Params) -> tuple[Normal | SphericalUniform, Callable[[Any, Params], None]]:
        """The prior, in the dtype and on the device of the parameters; its pull has nothing to add to."""

        def pull(dr: Any, g: Params) -> None:
            return None

        if self.family == "uniform":
            return SphericalUniform(self.dim), pull
        if type(p.buffer) is ndarray:
            return _standard_normal(self.dim, p.buffer.dtype), pull
        xp = namespace(p.vector)
        zeros = xp.zeros(self.dim, dtype=p.vector.dtype)
        return Normal(zeros, xp.ones_like(zeros)), pull


@cache
def _standard_normal(dim: int, dtype: np.dtype[Any]) -> Normal:
    # Made once: its checks take as long as a step's loop over a hundred rows.
    zeros, ones = np.zeros(dim, dtype), np.ones(dim, dtype)
    zeros.flags.writeable = ones.flags.writeable = False
    return Normal(zeros, ones)


@dataclass(frozen=True, eq=False)
class ProductPrior(Layer):
    """Independent priors side by side."""

    factors: tuple[Layer, ...]

    def vjp(self, p: Params) -> tuple[ProductDistribution, Callable[[Any, Params], None]]:
        """The product of the factors' laws, and ``pull(dr, g)``."""
        laws, pulls = zip(*(f.vjp(p) for f in self.factors), strict=True)  # type: ignore[attr-defined]

        def pull(dr: Any, g: Params) -> None:
            for back, d in zip(pulls, dr if dr is not None else [None] * len(pulls), strict=True):
                back(d, g)

        return ProductDistribution(*laws), pull
