"""What latent families have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

from geomlat.grad import Params
from geomlat.manifolds import Manifold
from geomlat.nn import Dense, Layer

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

    @cached_property
    def width(self) -> int:
        """Coordinates of a latent point."""
        return math.prod(self.manifold.ambient_shape)

    @property
    def features(self) -> int:
        """What `embed_vjp` makes of a latent point, the decoder's input width."""
        return self.width

    def embed_vjp(self, z: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Latent points ``(..., width)`` as the decoder sees them, ``(..., features)``, and ``pull(dfeatures) -> dz``.

        Points come as they are wherever the coordinates are continuous on the manifold.
        """

        def pull(dfeatures: Array) -> Array:
            return dfeatures

        return z, pull

    @abstractmethod
    def vjp(self, p: Params, h: Array) -> tuple[Any, PullQ]:
        """The posterior of each row of ``h``, and its pull."""


class HeadLatent(Latent):
    """A latent that reads ``h`` by one dense layer, whose name says what the halves of its output stand for.

    ``loc_sd`` and ``mu_kappa`` are a location and a standard deviation, a direction and a concentration.
    """

    @property
    @abstractmethod
    def head(self) -> Dense:
        """That layer."""

    @property
    def only_head(self) -> bool:
        """Whether nothing else reads ``h``, so that a network before it may take the head as one more layer."""
        return True

    @abstractmethod
    def law_vjp(self, p: Params, out: Array) -> tuple[Any, PullQ]:
        """The posterior at each row of the head's output, and ``pull(dq, g) -> dout``."""

    def vjp(self, p: Params, h: Array) -> tuple[Any, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)
        q, pull_law = self.law_vjp(p, out)

        def pull(dq: Any, g: Params) -> Array:
            return pull_head(pull_law(dq, g), g)

        return q, pull
