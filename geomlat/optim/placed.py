"""Which entries of the flat vector are points of which manifold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Layout

Array = Any


@dataclass(frozen=True)
class Placed:
    """Entries ``start`` to ``stop`` of the flat vector: points of ``manifold``, one after the other.

    A manifold that is trained itself is a function of the flat vector that makes it.
    """

    start: int
    stop: int
    manifold: Any

    @property
    def trained(self) -> bool:
        """Whether the manifold changes with the vector."""
        return callable(self.manifold)

    def at(self, vector: Array) -> Placed:
        """The same entries on the manifold that the vector makes."""
        return replace(self, manifold=self.manifold(vector)) if self.trained else self

    def of(self, vector: Array) -> Array:
        """The points ``(k, *ambient)`` as a view of the vector."""
        return vector[self.start : self.stop].reshape((-1, *self.manifold.ambient_shape))


def placed(layout: Layout, manifolds: Mapping[str, Any]) -> tuple[Placed, ...]:
    """The named parameters of a layout as points of manifolds; all others stay Euclidean.

    A parameter of shape ``(..., *ambient)`` is a batch of points. A manifold whose curvature is a parameter too is
    given as a function of the named parameters.

    Raises
    ------
    ValueError
        If there is no parameter of that name, or its shape does not end in the manifold's ambient shape.

    Examples
    --------
    >>> import numpy as np
    >>> from geomlat.manifolds import Sphere, Stereographic
    >>> layout = Layout([("codes", "codes", (10, 3)), ("bias", "bias", (4,))])
    >>> placed(layout, {"codes": Sphere(2)})
    (Placed(start=0, stop=30, manifold=Sphere(n=2)),)
    >>> layout = Layout([("codes", "codes", (10, 2)), ("bend", "bend", ())])
    >>> (part,) = placed(layout, {"codes": lambda p: Stereographic(2, p["bend"])})
    >>> part.at(np.full(21, -0.5)).manifold
    Stereographic(n=2, curvature=-0.5)
    """
    parts = []
    for name, manifold in manifolds.items():
        if name not in layout.slices:
            msg = f"there is no parameter {name!r} to place on {manifold!r}; there are {', '.join(layout.slices)}"
            raise ValueError(msg)
        where, shape = layout.slices[name]
        if callable(manifold):
            manifold = _Made(layout, name, manifold)
        else:
            _check(name, shape, manifold)
        parts.append(Placed(where.start, where.stop, manifold))
    return tuple(parts)


@dataclass(frozen=True)
class _Made:
    """The manifold that a flat vector makes of its named parameters, for one of them."""

    layout: Layout
    name: str
    make: Callable[[Any], Any]

    def __call__(self, vector: Array) -> Any:
        manifold = self.make(self.layout.view(vector))
        _check(self.name, self.layout.slices[self.name][1], manifold)
        return manifold


def _check(name: str, shape: tuple[int, ...], manifold: Any) -> None:
    if shape[len(shape) - len(manifold.ambient_shape) :] != tuple(manifold.ambient_shape):
        msg = f"parameter {name!r} has shape {shape}; points of {manifold!r} have (..., *{manifold.ambient_shape})"
        raise ValueError(msg)


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
