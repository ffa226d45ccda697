"""What latent families have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from geomlat.grad import Params
from geomlat.manifolds import Manifold
from geomlat.nn import Layer

Array = Any
PullQ = Callable[[Any, Params], Array]


class Latent(Layer):
    """What a latent family has: the width of a point, its manifold, the prior that goes with it, and ``vjp``."""

    n_in: int
    dim: int

    @property
    @abstractmethod
    def manifold(self) -> Manifold:
        """Where the latent lives."""

    def manifold_at(self, p: Params) -> Manifold:
        """The manifold at the parameters ``p``."""
        return self.manifold

    @property
    @abstractmethod
    def standard_prior(self) -> Layer:
        """The prior of ``prior="standard"``."""

    @property
    def width(self) -> int:
        """Coordinates of a latent point, the decoder's input width."""
        return math.prod(self.manifold.ambient_shape)

    @abstractmethod
    def vjp(self, p: Params, h: Array) -> tuple[Any, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
