"""Which entries of the flat vector are points of which manifold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Layout

Array = Any


@dataclass(frozen=True)
class Placed:
    """Entries ``start`` to ``stop`` of the flat vector: points of ``manifold``, one after the other."""

    start: int
    stop: int
    manifold: Any

    def of(self, vector: Array) -> Array:
        """The points ``(k, *ambient)`` as a view of the vector."""
        return vector[self.start : self.stop].reshape((-1, *self.manifold.ambient_shape))


def placed(layout: Layout, manifolds: Mapping[str, Any]) -> tuple[Placed, ...]:
    """The named parameters of a layout as points of manifolds; all others stay Euclidean.

    A parameter of shape ``(..., *ambient)`` is a batch of points.

    Raises
    ------
    ValueError
        If there is no parameter of that name, or its shape does not end in the manifold's ambient shape.

    Examples
    --------
    >>> from geomlat.manifolds import Sphere
    >>> layout = Layout([("codes", "codes", (10, 3)), ("bias", "bias", (4,))])
    >>> placed(layout, {"codes": Sphere(2)})
    (Placed(start=0, stop=30, manifold=Sphere(n=2)),)
    """
    parts = []
    for name, manifold in manifolds.items():
        if name not in layout.slices:
            msg = f"there is no parameter {name!r} to place on {manifold!r}; there are {', '.join(layout.slices)}"
            raise ValueError(msg)
        where, shape = layout.slices[name]
        if shape[len(shape) - len(manifold.ambient_shape) :] != tuple(manifold.ambient_shape):
            msg = f"parameter {name!r} has shape {shape}; points of {manifold!r} have (..., *{manifold.ambient_shape})"
            raise ValueError(msg)
        parts.append(Placed(where.start, where.stop, manifold))
    return tuple(parts)


def require_points(theta: Array, parts: tuple[Placed, ...]) -> None:
    """Whether the placed entries of ``theta`` are there and on their manifolds.

    Raises
    ------
    ValueError
        Naming the first part that is not.
    """
    reached = 0
    for part in sorted(parts, key=lambda p: p.start):
        where = f"entries {part.start} to {part.stop} of theta"
        if part.start < reached or part.stop > theta.shape[0]:
            msg = f"{where} are placed twice or do not exist; theta has {theta.shape[0]} entries"
            raise ValueError(msg)
        reached = part.stop
        if (part.stop - part.start) % math.prod(part.manifold.ambient_shape):
            msg = f"{where} do not make whole points of {part.manifold!r}, of {part.manifold.ambient_shape} entries"
            raise ValueError(msg)
        if not bool(namespace(theta).all(part.manifold.contains(part.of(theta)))):
            msg = f"{where} are not points of {part.manifold!r}; start from its random_point, origin or project"
            raise ValueError(msg)
