"""The Poincare ball: stereographic coordinates of fixed negative curvature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.manifolds.base import Array, Manifold, SpaceForm
from geomlat.manifolds.stereographic import Stereographic


@dataclass(frozen=True)
class PoincareBall(Stereographic):
    """Hyperbolic space of dimension n as the open ball of radius ``1 / sqrt(-curvature)`` in R^n.

    Its operations are those of `Stereographic`, whose limits near the border hold here; the curvature is a number < 0
    and no parameter, so that pulls return the cotangents of their arguments alone.

    >>> PoincareBall(2).dist(np.array([0.0, 0.0]), np.array([0.0, np.tanh(0.5)]))
    np.float64(1.0)
    """

    curvature: float = -1.0

    def __post_init__(self) -> None:
        self._check_dimension()
        if not -math.inf < self.curvature < 0:
            msg = f"PoincareBall(n, curvature) needs a finite curvature < 0, got {self.curvature}"
            raise ValueError(msg)
        object.__setattr__(self, "curvature", float(self.curvature))

    injectivity_radius = math.inf

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """One of this curvature."""
        return (SpaceForm(1, self.n, self.curvature, math.inf),), Manifold.space_forms_vjp(self)[1]

    def _field(self, dk: Array | None) -> tuple[Any, ...]:
        return ()
