"""Surfaces on which geometry is drawn: how their points, tangents and hidden parts appear in the picture's plane.

A stage stands for a two-dimensional manifold. It puts points into space, looks at them from far away along ``view``,
and knows for every place of the picture which point of the surface is seen there; so a curve knows where it is hidden,
and any function on the manifold can be painted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.plot.sphere import camera, raster

Lines = list[np.ndarray]
View = tuple[float, float]

# How far behind the surface a point may lie and still be seen, in units of the picture.
THICKNESS = 0.02
PIXELS = 420


class Stage:
    """A surface in space seen from ``view``: longitude and latitude in degrees."""

    half_width: float
    half_height: float
    # Where the ready-made pictures start, as shares of the half width and height, and the size of what they show.
    spot: tuple[float, float] = (0.0, 0.0)
    size: float = 1.0
    # How far the exponential map is followed.
    far: float = math.pi

    def __init__(self, manifold: Any, view: View) -> None:
        self.manifold, self.frame, self.centre = manifold, camera(view), np.zeros(3)

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Points ``(..., *ambient)`` in space, ``(..., 3)``."""
        raise NotImplementedError

    def push(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Tangents ``u`` at ``x`` as vectors in space, ``(..., 3)``."""
        raise NotImplementedError

    def lift(self, p: np.ndarray) -> np.ndarray:
        """Points of the manifold from places of the surface in space: the inverse of `embed`."""
        raise NotImplementedError

    def heights(self, a: np.ndarray) -> np.ndarray:
        """How near to the viewer the surface is at places ``a`` ``(..., 2)`` of the picture; NaN beside it."""
        raise NotImplementedError

    def normals(self, p: np.ndarray) -> np.ndarray:
        """Normals of the surface, of any length, at places ``p`` in space."""
        raise NotImplementedError

    def grid(self) -> Lines:
        """Lines ``(k, *ambient)`` that show the shape of the surface."""
        raise NotImplementedError

    def rim(self) -> Lines:
        """Curves ``(k, 3)`` in space that bound what is seen of the surface."""
        raise NotImplementedError

    def seen(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places ``(..., 2)`` in the picture of places ``p`` in space, and whether nothing hides them."""
        moved = (p - self.centre) @ self.frame
        a, height = moved[..., :2], moved[..., 2]
        surface = self.heights(a)
        return a, ~(height < surface - THICKNESS)

    def points(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places ``(..., 2)`` in the picture of points of the manifold, and whether they are seen."""
        return self.seen(self.embed(x))

    def home(self) -> np.ndarray:
        """A point in the middle of what is seen."""
        a = np.array(self.spot) * np.array([self.half_width, self.half_height])
        return self.lift(np.append(a, self.heights(a)) @ self.frame.T + self.centre)

    def arrows(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tangents as vectors ``(..., 2)`` in the picture, and whether their feet are seen."""
        return (self.push(x, u) @ self.frame)[..., :2], self.points(x)[1]

    def pixels(self) -> np.ndarray:
        """The place in space seen by each pixel ``(rows, columns, 3)``, the top row first; NaN beside the surface."""
        a = raster(self.half_width, self.half_height, PIXELS)
        return np.asarray(np.concatenate([a, self.heights(a)[..., None]], axis=-1) @ self.frame.T + self.centre)

    def shades(self, p: np.ndarray) -> np.ndarray:
        """How much light, 0 to 1, falls on the seen side of the surface at places ``p`` in space."""
        n = self.normals(p)
        with np.errstate(invalid="ignore"):
            n = n / np.linalg.norm(n, axis=-1, keepdims=True)
            facing = (n @ self.frame)[..., 2:]
        light = np.array([-0.45, 0.6, 0.66]) @ self.frame.T
        return np.asarray(np.clip(0.5 + 0.5 * (np.where(facing < 0, -n, n) @ light), 0.0, 1.0))
