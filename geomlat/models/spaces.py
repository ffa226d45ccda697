"""The space a latent lives in: a manifold of fixed curvature, or one whose curvature is a parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import WrappedNormal
from geomlat.grad import Params
from geomlat.manifolds import Euclidean, Hyperboloid, Manifold, PoincareBall, Sphere, Stereographic, Torus
from geomlat.nn import Layer
from geomlat.nn.layer import Initialiser
from geomlat.random import Stream

Array = Any
FLAT = {"euclidean": Euclidean, "torus": Torus, "sphere": Sphere}
CURVED = {"hyperboloid": Hyperboloid, "ball": PoincareBall}
MODELS = (*FLAT, *CURVED, "stereographic")


@dataclass(frozen=True, eq=False)
class Space(Layer):
    """A manifold by one of the names ``MODELS``: hyperboloid, ball, stereographic, torus, sphere, euclidean.

    Parameters
    ----------
    model, dim
        Which, and its intrinsic dimension.
    curvature
        Of the first three: negative for the hyperboloid and the ball, any for the stereographic model.
    learned
        Whether the curvature is a parameter that starts there and may cross zero; stereographic only.

    Raises
    ------
    ValueError
        For an unknown name, or a curvature that the model cannot have or cannot learn.
    """

    model: str
    dim: int
    curvature: float = -1.0
    learned: bool = False

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            msg = f"unknown space {self.model!r}; choose {', '.join(MODELS)}"
            raise ValueError(msg)
        if self.learned and self.model != "stereographic":
            msg = f"the curvature is learned in the stereographic model, which crosses zero; got {self.model!r}"
            raise ValueError(msg)
        if self.dim < 1:
            msg = f"a latent space has a dimension of at least 1, got {self.dim}"
            raise ValueError(msg)
        self.at(np.zeros((), np.float64) + self.curvature)

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``curvature``, a 0-d array, if it is learned."""

        def start(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, self.curvature)

        return {"curvature": ((), start)} if self.learned else {}

    @property
    def manifold(self) -> Manifold:
        """The manifold at the curvature it starts with."""
        return self.at(np.zeros((), np.float64) + self.curvature)

    def at(self, curvature: Array) -> Manifold:
        """The manifold of this name and of some curvature."""
        if self.model in FLAT:
            return FLAT[self.model](self.dim)
        if self.model in CURVED:
            return CURVED[self.model](self.dim, float(curvature))
        return Stereographic(self.dim, curvature)

    def vjp(self, p: Params) -> tuple[Manifold, Callable[[Any, Params], None]]:
        """The manifold, and ``pull(dmanifold, g)`` of the cotangents of its array fields."""
        if not self.learned:
            constant = namespace(p.vector).zeros((), dtype=p.vector.dtype) + self.curvature

            def pull_nothing(dmanifold: Any, g: Params) -> None:
                return None

            return self.at(constant), pull_nothing

        def pull(dmanifold: Any, g: Params) -> None:
            if dmanifold and dmanifold[0] is not None:
                g.of(self)[0][...] += dmanifold[0]

        return self.at(p.of(self)[0]), pull


@dataclass(frozen=True, eq=False)
class StandardWrapped(Layer):
    """The wrapped normal prior about the origin of a space, with scale ``scale`` in every direction."""

    space: Space
    scale: float = 1.0

    def vjp(self, p: Params) -> tuple[WrappedNormal, Callable[[Any, Params], None]]:
        """The prior, in the dtype of the parameters, and ``pull(dr, g)``, which reaches a learned curvature."""
        manifold, pull_space = self.space.vjp(p)
        xp = namespace(p.vector)
        r = WrappedNormal(manifold, manifold.origin(like=p.vector), xp.full((1,), self.scale, dtype=p.vector.dtype))

        def pull(dr: Any, g: Params) -> None:
            if dr is not None:
                pull_space(dr[0], g)

        return r, pull
