"""Riemannian manifolds: one file each, with its formulas, their pullbacks and its compiled kernels.

`MANIFOLDS` is the table that the laws, the documentation and the benchmarks read: the instances to examine of each.
"""

from __future__ import annotations

from geomlat.manifolds.base import Manifold
from geomlat.manifolds.euclidean import Euclidean
from geomlat.manifolds.hyperboloid import Hyperboloid
from geomlat.manifolds.isometries import (
    ball_to_hyperboloid,
    ball_to_hyperboloid_vjp,
    hyperboloid_to_ball,
    hyperboloid_to_ball_vjp,
    hyperboloid_to_stereographic,
    hyperboloid_to_stereographic_vjp,
    sphere_to_stereographic,
    sphere_to_stereographic_vjp,
    stereographic_to_hyperboloid,
    stereographic_to_hyperboloid_vjp,
    stereographic_to_sphere,
    stereographic_to_sphere_vjp,
)
from geomlat.manifolds.mean import MeanStatus
from geomlat.manifolds.poincare_ball import PoincareBall
from geomlat.manifolds.product import Product
from geomlat.manifolds.special_orthogonal import SpecialOrthogonal
from geomlat.manifolds.sphere import Sphere
from geomlat.manifolds.stereographic import Stereographic
from geomlat.manifolds.torus import Torus

MANIFOLDS: dict[str, tuple[Manifold, ...]] = {
    "Euclidean": (Euclidean(1), Euclidean(3)),
    "Hyperboloid": (Hyperboloid(1, -10.0), Hyperboloid(5, -1e-3), Hyperboloid(2)),
    "PoincareBall": (PoincareBall(1, -0.5), PoincareBall(2)),
    "Product": (
        Product(Euclidean(1), Hyperboloid(2), scales=(3.0, 2.0)),
        Product(SpecialOrthogonal(3), Euclidean(3), scales=(1.0, 0.25)),
        Product(Stereographic(2, 0.4), Sphere(1), Stereographic(1, -1.5), PoincareBall(2), scales=(1.0, 1.0, 0.5, 2.0)),
        Product(Sphere(2), Euclidean(2), Torus(1), scales=(0.5, 1.0, 2.0)),
    ),
    "SpecialOrthogonal": (SpecialOrthogonal(2), SpecialOrthogonal(3)),
    "Sphere": (Sphere(0), Sphere(1), Sphere(2), Sphere(6)),
    "Stereographic": (Stereographic(1, -3.0), Stereographic(3, 0.0), Stereographic(2, 0.7)),
    "Torus": (Torus(1), Torus(3)),
}

__all__ = [
    "MANIFOLDS",
    "Euclidean",
    "Hyperboloid",
    "Manifold",
    "MeanStatus",
    "PoincareBall",
    "Product",
    "SpecialOrthogonal",
    "Sphere",
    "Stereographic",
    "Torus",
    "ball_to_hyperboloid",
    "ball_to_hyperboloid_vjp",
    "hyperboloid_to_ball",
    "hyperboloid_to_ball_vjp",
    "hyperboloid_to_stereographic",
    "hyperboloid_to_stereographic_vjp",
    "sphere_to_stereographic",
    "sphere_to_stereographic_vjp",
    "stereographic_to_hyperboloid",
    "stereographic_to_hyperboloid_vjp",
    "stereographic_to_sphere",
    "stereographic_to_sphere_vjp",
]
