"""Every law and every derivative at one fixed case of each manifold: what `test_laws` draws many of, in no time.

The case has two rows, the first of a short tangent and the second of a long one, no two scales alike, weights that do
not sum to one, and curvatures that are arrays, so that their cotangents count.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import (
    Euclidean,
    Hyperboloid,
    PoincareBall,
    Product,
    SpecialOrthogonal,
    Sphere,
    Stereographic,
    Torus,
)
from geomlat.manifolds.base import OPERATIONS
from geomlat.testing import LAWS, check_law
from geomlat.testing.calculus import logdet_exp_is_volume
from geomlat.testing.fields import array_fields, leaves, with_fields

SPACES = [
    Euclidean(3),
    Hyperboloid(1, -2.0),
    Hyperboloid(3, -0.6),
    PoincareBall(3, -0.7),
    Product(
        SpecialOrthogonal(3), Stereographic(2, np.asarray(0.4)), Euclidean(1), Hyperboloid(2), scales=(0.5, 3, 2, 1)
    ),
    Product(Torus(1), Sphere(2), scales=(0.25, 2.0)),
    SpecialOrthogonal(2),
    SpecialOrthogonal(3),
    Sphere(1),
    Sphere(3),
    *(Stereographic(3, np.asarray(k)) for k in (-1.3, -1e-3, 0.0, 0.9)),
    Torus(2),
]
EACH = pytest.mark.parametrize("m", SPACES, ids=repr)
SOLID = [law for law in LAWS if law.__name__ != "batch_is_loop"]


def case(m):
    """All arguments of the operations and of the laws."""
    gen = np.random.default_rng(11)
    unit = min(m.injectivity_radius / math.pi, 1.0)

    def tangent(x, *sizes):
        c = gen.standard_normal((2, m.dim))
        return m.from_coordinates(x, c * unit * np.array(sizes)[:, None] / np.linalg.norm(c, axis=-1, keepdims=True))

    x = m.random_point((2,), rng=3)
    x = m.exp(m.origin((2,)), 0.3 * m.log(m.origin((2,)), x))
    u, v = tangent(x, 0.4, 2.2), tangent(x, 1.3, 0.7)
    cloud = np.broadcast_to(x[:, None], (2, 4, *x.shape[1:]))
    points = m.exp(cloud, 0.4 * unit / math.sqrt(m.dim) * m.random_tangent(cloud, rng=4))
    y = m.exp(x, u)
    return {
        "x": x,
        "y": y,
        "z": m.exp(x, v),
        "u": u,
        "v": v,
        "w": tangent(y, 0.9, 1.7),
        "a": x + 0.5 * gen.standard_normal(x.shape),
        "c": gen.standard_normal((2, m.dim)),
        "d": gen.standard_normal((2, m.dim)),
        "t": np.array([0.3, 0.8]),
        "points": points,
        "others": m.exp(points[:, 1:], 0.3 * unit * m.random_tangent(points[:, 1:], rng=5)),
        "weights": gen.uniform(0.2, 1.0, (2, 4)),
    }


@pytest.mark.parametrize("name", OPERATIONS)
@EACH
def test_the_pull_is_the_derivative(m, name):
    arrays, fields = case(m), array_fields(m)
    args = [arrays[kind] for kind in OPERATIONS[name]]

    def rule(*args):
        space = with_fields(m, list(args[len(OPERATIONS[name]) :]))
        y, pull = getattr(space, f"{name}_vjp")(*args[: len(OPERATIONS[name])])
        return (y[0] if name == "mean" else y), lambda dy: tuple(leaves(pull(dy)))

    value = getattr(m, name)(*args)
    np.testing.assert_array_equal(rule(*args, *fields)[0], value[0] if name == "mean" else value)
    gradcheck(rule, *args, *fields, directions=2)


@pytest.mark.parametrize("law", [*SOLID, logdet_exp_is_volume], ids=lambda law: law.__name__)
@EACH
def test_the_law_holds(m, law):
    check_law(law, m, case(m))
