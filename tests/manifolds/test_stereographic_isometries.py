"""The stereographic space and its twins of fixed sign: one distance, inverse maps, cotangents of the curvature."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import (
    Hyperboloid,
    Product,
    Sphere,
    Stereographic,
    ball_to_hyperboloid,
    hyperboloid_to_ball,
    hyperboloid_to_stereographic,
    hyperboloid_to_stereographic_vjp,
    sphere_to_stereographic,
    sphere_to_stereographic_vjp,
    stereographic_to_hyperboloid,
    stereographic_to_hyperboloid_vjp,
    stereographic_to_sphere,
    stereographic_to_sphere_vjp,
)
from geomlat.testing.measure import host

POSITIVE = [1e-3, 0.5, 1.0, 10.0]


def twins(k, n):
    """The maps to and from the twin of curvature k, with a measure of distance there."""
    if k < 0:
        return stereographic_to_hyperboloid, hyperboloid_to_stereographic, Hyperboloid(n, k).dist
    m, radius = Product(Sphere(n), scales=(1 / np.sqrt(k),)), 1 / np.sqrt(k)
    return stereographic_to_sphere, sphere_to_stereographic, lambda x, y: m.dist(x / radius, y / radius)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [*POSITIVE, *(-a for a in POSITIVE)])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_distances_are_those_of_the_twin(n, k, dtype):
    m, eps = Stereographic(n, k), np.finfo(dtype).eps
    there, back, dist = twins(k, n)
    gen = np.random.default_rng(n)
    for reach in (1e-6, 1.0, 2.5):
        c = gen.standard_normal((2, 50, n))
        c *= 0.5 * reach / np.sqrt(abs(k)) / np.linalg.norm(c, axis=-1, keepdims=True)
        p, q = m.exp(0 * c, c).astype(dtype)
        x, y = there(p, curvature=k), there(q, curvature=k)
        assert x.dtype == dtype
        square = -(x[:, 0] ** 2) + np.sum(x[:, 1:] ** 2, -1) if k < 0 else np.sum(x * x, -1)
        np.testing.assert_allclose(square, 1 / k, rtol=16 * eps * np.exp(2 * reach))
        size = m.dist(0 * p, p) + m.dist(0 * q, q)
        assert np.all(np.abs(dist(x, y) - m.dist(p, q)) <= 16 * eps * np.exp(reach) * size)
        np.testing.assert_allclose(back(x, curvature=k), p, atol=8 * eps * np.exp(reach) * np.max(np.abs(p)))


def test_the_lower_half_of_the_sphere_does_not_cancel():
    k = 0.7
    for length in (1e2, 1e6, 1e12):
        p = np.array([[0.6 * length, -0.8 * length]])
        x = stereographic_to_sphere(p, curvature=k)
        np.testing.assert_allclose(sphere_to_stereographic(x, curvature=k), p, rtol=1e-14)
    pole = -np.array([1.0, 0.0, 0.0]) / np.sqrt(k)
    p, pull = sphere_to_stereographic_vjp(pole, curvature=k)
    assert np.all(np.isfinite(p))
    assert all(np.all(np.isfinite(g)) for g in pull(np.ones(2)))


def test_the_hyperboloid_is_reached_as_from_the_ball():
    m = Hyperboloid(3, -2.0)
    x = m.random_point((5,), rng=0)
    p = hyperboloid_to_ball(x, curvature=-2.0)
    np.testing.assert_allclose(hyperboloid_to_stereographic(x, curvature=-2.0), p, rtol=1e-15)
    # Far out both are off by what the rounding of p near the border does.
    far = np.max(x[:, 0])
    np.testing.assert_allclose(
        stereographic_to_hyperboloid(p, curvature=-2.0), ball_to_hyperboloid(p, curvature=-2.0), rtol=1e-15 * far
    )


MAPS = [
    (stereographic_to_sphere_vjp, 0.7, 0),
    (sphere_to_stereographic_vjp, 0.7, 1),
    (stereographic_to_hyperboloid_vjp, -0.7, 0),
    (hyperboloid_to_stereographic_vjp, -0.7, 1),
]


@pytest.mark.parametrize(("rule", "k", "more"), MAPS)
@pytest.mark.parametrize("n", [1, 3])
def test_pullbacks(rule, k, more, n):
    gen = np.random.default_rng(n)
    # Both halves of the sphere, beside it.
    x = gen.uniform(0.2, 0.6, (4, n + more)) * np.array([[1.0], [-1.0], [0.3], [-0.2]])
    gradcheck(lambda x, k: rule(x, curvature=k), x, np.asarray(k))
    y, pull = rule(x.astype(np.float32), curvature=k)
    assert y.dtype == np.float32
    assert [g.dtype for g in pull(np.ones_like(y))] == [np.float32, np.float32]
    assert pull(None) == (None, None)


@pytest.mark.parametrize(("rule", "k", "more"), MAPS)
@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries(library, rule, k, more):
    xp = pytest.importorskip(library)
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3 + more))
    y, pull = rule(xp.asarray(x), curvature=xp.asarray(k, dtype=xp.float64))
    expected, expected_pull = rule(x, curvature=k)
    assert type(y) is type(xp.asarray(x))
    np.testing.assert_allclose(host(y), expected, rtol=1e-14)
    for got, want in zip(pull(y), expected_pull(expected), strict=True):
        assert type(got) is type(y)
        np.testing.assert_allclose(host(got), want, rtol=1e-12, atol=1e-15)
    module = importlib.import_module("geomlat.manifolds.isometries")
    plain = getattr(module, rule.__name__.removesuffix("_vjp"))
    np.testing.assert_array_equal(plain(x, curvature=k), expected)


def test_the_wrong_sign_is_refused():
    for f, bad in ((stereographic_to_sphere, -1.0), (sphere_to_stereographic, 0.0)):
        with pytest.raises(ValueError, match="the sphere needs a curvature > 0, got"):
            f(np.ones(3), curvature=bad)
    for f, bad in ((stereographic_to_hyperboloid, 1.0), (hyperboloid_to_stereographic, 0.0)):
        with pytest.raises(ValueError, match="the hyperboloid needs a curvature < 0, got"):
            f(np.ones(3), curvature=bad)
