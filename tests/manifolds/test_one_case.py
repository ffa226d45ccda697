"""Every law and every derivative at one fixed case of each manifold: what `test_laws` draws many of, in no time.

The case has two rows, the first of a short tangent and the second of a long one, no two scales alike, weights that do
not sum to one, and curvatures that are arrays, so that their cotangents count.
"""

from __future__ import annotations

import math
import sys

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
        Stereographic(2, np.asarray(0.4)), SpecialOrthogonal(3), Euclidean(1), Hyperboloid(2), scales=(0.5, 3, 2, 1)
    ),
    Product(Torus(1), Sphere(2), scales=(0.25, 2.0)),
    SpecialOrthogonal(2),
    SpecialOrthogonal(3),
    Sphere(1),
    Sphere(3),
    *(Stereographic(3, np.asarray(k)) for k in (-1.3, -1e-3, 0.0, 0.9)),
    Torus(2),
]
FORMS = [
    [(1, 3, 0.0, math.inf)],
    [(1, 1, -2.0, math.inf)],
    [(1, 3, -0.6, math.inf)],
    [(1, 3, -0.7, math.inf)],
    [(1, 2, 1.6, math.pi / math.sqrt(0.4)), (1, 3, 1 / 36, 6 * math.pi), (1, 1, 0, math.inf), (1, 2, -1, math.inf)],
    [(1, 1, 0.0, 0.5 * math.pi), (1, 2, 0.25, 4 * math.pi)],
    [(1, 1, 0.0, 2 * math.pi)],
    [(1, 3, 0.25, 2 * math.pi)],
    [(1, 1, 1.0, 2 * math.pi)],
    [(1, 3, 1.0, 2 * math.pi)],
    *([(1, 3, k, math.inf)] for k in (-1.3, -1e-3, 0.0)),
    [(1, 3, 0.9, 2 * math.pi / math.sqrt(0.9))],
    [(2, 1, 0.0, 2 * math.pi)],
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

    x = m.exp(m.origin((2,)), tangent(m.origin((2,)), 0.5, 2.0))
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


def rule(m, name):
    """The operation and its pull as a function of its arguments and of the array fields of the manifold."""
    count = len(OPERATIONS[name])

    def vjp(*args):
        y, pull = getattr(with_fields(m, list(args[count:])), f"{name}_vjp")(*args[:count])
        return (y[0] if name == "mean" else y), lambda dy: tuple(leaves(pull(dy)))

    return vjp


@pytest.mark.parametrize("name", OPERATIONS)
@EACH
def test_the_pull_is_the_derivative(m, name):
    arrays, fields = case(m), array_fields(m)
    args = [arrays[kind] for kind in OPERATIONS[name]]
    value = getattr(m, name)(*args)
    np.testing.assert_array_equal(rule(m, name)(*args, *fields)[0], value[0] if name == "mean" else value)
    gradcheck(rule(m, name), *args, *fields, directions=2)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "mean"])
@pytest.mark.parametrize("m", [Hyperboloid(3, -0.6), SpecialOrthogonal(2), SpecialOrthogonal(3), Sphere(3)], ids=repr)
def test_off_the_manifold_it_is_the_derivative_of_the_formula_as_written(m, name):
    arrays, gen = case(m), np.random.default_rng(2)
    args = [arrays[kind] for kind in OPERATIONS[name]]
    gradcheck(rule(m, name), *(a * (1 + 0.01 * gen.uniform(0.5, 1, a.shape)) for a in args), directions=2)


@pytest.fixture
def expressions(monkeypatch):
    """A call after which no array goes to a row kernel."""
    users = [m for name, m in sys.modules.items() if name.startswith("geomlat.manifolds.") and hasattr(m, "compiled")]
    return lambda: [monkeypatch.setattr(module, "compiled", lambda *_: False) for module in users]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "mean"])
@EACH
def test_the_rows_are_those_of_the_array_expressions(m, name, expressions):
    """Values and cotangents."""
    arrays, fields = case(m), array_fields(m)
    args = [arrays[kind] for kind in OPERATIONS[name]]

    def both():
        y, pull = rule(m, name)(*args, *fields)
        return [y, *pull(np.cos(np.arange(1.0, 1.0 + y.size)).reshape(y.shape))]

    rows = both()
    expressions()
    for got, wanted in zip(rows, both(), strict=True):
        assert (got is None) == (wanted is None)
        if got is not None:
            np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13 * max(1.0, np.max(np.abs(wanted))))


@pytest.mark.parametrize(("m", "forms"), list(zip(SPACES, FORMS, strict=True)), ids=repr)
def test_space_forms(m, forms):
    for form, expected in zip(m.space_forms_vjp()[0], forms, strict=True):
        np.testing.assert_allclose([float(number) for number in form], expected, rtol=1e-15)


def test_space_forms_of_scaled_factors_are_differentiated_by_their_curvatures():
    def rule(a, b):
        p = Product(Stereographic(2, a), Sphere(2), Stereographic(1, b), scales=(0.5, 2.0, 3.0))
        (one, _, two), pull = p.space_forms_vjp()

        def back(d):
            return tuple(leaves(pull([(d[0], d[1]), (None, None), (d[2], d[3])])))

        return np.stack([one.curvature, one.period, two.curvature, two.period]), back

    gradcheck(rule, np.asarray(0.4), np.asarray(0.9))


@pytest.mark.parametrize("law", [*SOLID, logdet_exp_is_volume], ids=lambda law: law.__name__)
@EACH
def test_the_law_holds(m, law):
    check_law(law, m, case(m))


@pytest.mark.parametrize("name", OPERATIONS)
@EACH
def test_single_precision_stays_and_is_near(m, name):
    """Values and cotangents of float32 arguments, and of a single row of them, are those of float64 to five digits."""
    arrays = case(m)
    args = [arrays[kind] for kind in OPERATIONS[name]]
    y, pull = getattr(m, f"{name}_vjp")(*args)
    value, back = getattr(m, f"{name}_vjp")(*(a[1].astype(np.float32) for a in args))
    y, value = (y[0], value[0]) if name == "mean" else (y, value)
    dy = np.cos(np.arange(1.0, 1.0 + y.size)).reshape(y.shape)
    wanted = [y, *leaves(pull(dy * np.array([0.0, 1.0]).reshape(-1, *[1] * (y.ndim - 1))))]
    got = [value, *leaves(back(dy[1].astype(np.float32)))]
    assert not any(np.shares_memory(value, a) for a in args)
    for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == np.float32
            b = b[1] if k <= len(args) else b
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * max(1.0, np.max(np.abs(b))))


@EACH
def test_results_are_arrays_of_their_own(m):
    arrays = case(m)
    for name, kinds in OPERATIONS.items():
        args = [arrays[kind] for kind in kinds]
        y = getattr(m, name)(*args)
        y = y[0] if name == "mean" else y
        y += 1.0
        assert not any(np.shares_memory(y, a) for a in args)
