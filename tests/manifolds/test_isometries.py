"""Maps between models of one space preserve distance, volume and means, have inverses, and pull back."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import (
    Hyperboloid,
    PoincareBall,
    ball_to_hyperboloid,
    ball_to_hyperboloid_vjp,
    hyperboloid_to_ball,
    hyperboloid_to_ball_vjp,
    sphere_to_stereographic,
)

CURVATURES = [-1e-3, -0.5, -1.0, -10.0]


def points(n, curvature, radius, seed, dtype=np.float64):
    m, gen = Hyperboloid(n, curvature), np.random.default_rng(seed)
    o, c = m.origin(), gen.standard_normal((50, n))
    c *= m.radius * radius * gen.random((50, 1)) / np.linalg.norm(c, axis=-1, keepdims=True)
    return m.exp(o, m.from_coordinates(o, c)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_ball_and_hyperboloid_have_one_distance_and_one_mean(n, curvature, dtype):
    m, ball, eps = Hyperboloid(n, curvature), PoincareBall(n, curvature), np.finfo(dtype).eps
    for radius in (1e-6, 1.0, 5.0):
        x, y = (points(n, curvature, radius, seed, dtype) for seed in (0, 1))
        p, q = (hyperboloid_to_ball(a, curvature=curvature) for a in (x, y))
        assert p.dtype == dtype
        assert np.all(ball.contains(p))
        wide = np.maximum(x[:, 0], y[:, 0]) / m.radius
        gap = np.abs(ball.dist(p, q) - m.dist(x, y))
        size = m.dist(x, y) + m.dist(x, m.origin(like=x)) + m.dist(y, m.origin(like=x))
        assert np.all(gap <= 16 * eps * wide * size)
        back = ball_to_hyperboloid(p, curvature=curvature)
        assert np.all(m.contains(back))
        np.testing.assert_allclose(back[:, 1:], x[:, 1:], rtol=16 * eps * np.cosh(radius))
        mean = hyperboloid_to_ball(m.mean(x)[0], curvature=curvature)
        np.testing.assert_allclose(mean, ball.mean(p)[0], atol=100 * eps * np.cosh(radius) * m.radius)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_the_origin_and_small_points_are_met_exactly(curvature):
    m = Hyperboloid(2, curvature)
    np.testing.assert_array_equal(hyperboloid_to_ball(m.origin(), curvature=curvature), 0)
    np.testing.assert_array_equal(ball_to_hyperboloid(np.zeros(2), curvature=curvature), m.origin())
    tiny = m.project([0.0, 3e-300, -4e-300])
    half = hyperboloid_to_ball(tiny, curvature=curvature)
    np.testing.assert_allclose(half, [1.5e-300, -2e-300], rtol=1e-15)
    np.testing.assert_allclose(ball_to_hyperboloid(half, curvature=curvature), tiny, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_far_points_stay_inside_the_ball(dtype):
    m, ball = Hyperboloid(2, -2.0), PoincareBall(2, -2.0)
    x = m.project(np.asarray([[0.0, 1e20, -1e20], [0.0, 1e37, 0.0]], dtype=dtype))
    p, pull = hyperboloid_to_ball_vjp(x, curvature=-2.0)
    assert np.all(ball.contains(p))
    assert np.all(np.isfinite(pull(np.ones_like(p))[0]))
    assert np.all(np.isfinite(ball_to_hyperboloid(p, curvature=-2.0)))


@pytest.mark.parametrize("curvature", CURVATURES)
def test_pulls(curvature):
    x = points(3, curvature, 2.0, 3)[:4]
    gradcheck(lambda x: hyperboloid_to_ball_vjp(x, curvature=curvature), x)
    p, pull = hyperboloid_to_ball_vjp(x, curvature=curvature)
    gradcheck(lambda p: ball_to_hyperboloid_vjp(p, curvature=curvature), p)
    g = np.random.default_rng(0).standard_normal(p.shape)
    _, pull_back = ball_to_hyperboloid_vjp(p, curvature=curvature)
    np.testing.assert_allclose(pull_back(pull(g)[0])[0], g, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(pull(g)[0][:, 0], 0)
    assert pull(None) == pull_back(None) == (None,)
    single = x.astype(np.float32)
    assert hyperboloid_to_ball_vjp(single, curvature=curvature)[1](g.astype(np.float32))[0].dtype == np.float32


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library):
    xp = importlib.import_module(library) if pytest.importorskip(library) else None
    x = points(2, -1.0, 1.0, 0)
    p = hyperboloid_to_ball(xp.asarray(x))
    np.testing.assert_allclose(np.asarray(p), hyperboloid_to_ball(x), rtol=1e-14)
    np.testing.assert_allclose(np.asarray(ball_to_hyperboloid(p)), x, rtol=1e-13)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="curvature < 0, got 1"):
        hyperboloid_to_ball(np.ones(3), curvature=1.0)
    with pytest.raises(ValueError, match="curvature < 0, got 0"):
        ball_to_hyperboloid(np.zeros(2), curvature=0.0)
    with pytest.raises(ValueError, match=r"Hyperboloid\(n\) needs n >= 1, got 0"):
        hyperboloid_to_ball(np.ones(1))
    with pytest.raises(ValueError, match=r"Stereographic\(n\) needs n >= 1, got 0"):
        sphere_to_stereographic(np.ones(1), curvature=1.0)
    with pytest.raises(ValueError, match=r"Stereographic\(n\) needs n >= 1, got -1"):
        sphere_to_stereographic(1.0, curvature=1.0)


def test_the_pole_is_cut_off_at_a_rounding_of_any_radius():
    x = np.array([-1.0, 1e-20, -3e-20])
    far = sphere_to_stereographic(x, curvature=1.0)
    np.testing.assert_allclose(sphere_to_stereographic(4 * x, curvature=1 / 16), 4 * far, rtol=1e-14)
