"""How a mean is found: where it starts, how far it steps, and what it says of its end."""

from __future__ import annotations

import numpy as np
import pytest

from geomlat.manifolds import Hyperboloid, SpecialOrthogonal, Sphere, Stereographic, Torus


def test_it_starts_at_the_projected_arithmetic_mean():
    """A point that has nearly all the weight is the start: one step, and another that finds nothing left to do."""
    for m in (Sphere(2), SpecialOrthogonal(3), Hyperboloid(2)):
        points = m.random_point((6,), rng=1)
        assert m.mean(points, np.array([1, *[1e-9] * 5]))[1].steps == 2
        assert 3 <= m.mean(points)[1].steps <= 30


def test_a_step_is_at_most_half_the_injectivity_radius(monkeypatch):
    monkeypatch.setattr("geomlat.manifolds.mean.STEPS", 1)
    s = Sphere(2)
    points = s.random_point((4000, 4), rng=0)
    x, status = s.mean(points)
    made = s.dist(s.project(np.sum(points, axis=1)), x)
    assert np.max(made) == pytest.approx(np.pi / 2, rel=1e-12, abs=0.0)
    assert status.steps == 1
    m = Stereographic(2, 0.25)
    flat = 2 * points[..., 1:] / (1 + points[..., :1])
    start = m.project(np.mean(flat, axis=1))
    assert np.max(m.dist(start, m.mean(flat)[0])) == pytest.approx(np.pi, rel=1e-12, abs=0.0)
    assert not np.any(status.converged)


def test_a_step_in_hyperbolic_space_is_at_most_two_radii(monkeypatch):
    monkeypatch.setattr("geomlat.manifolds.mean.STEPS", 1)
    m = Hyperboloid(2, -0.25)
    o = m.origin((400, 3))
    points = m.exp(o, 12 * m.random_tangent(o, rng=0))
    made = m.dist(m.project(np.mean(points, axis=1)), m.mean(points)[0])
    assert np.max(made) == pytest.approx(4.0, rel=1e-8, abs=0.0)


def test_far_out_the_gradient_is_compared_with_the_rounding_of_the_point():
    m = Hyperboloid(2)
    x = m.exp(m.origin((5,)), np.array([0.0, 9.0, 7.0]))
    status = m.mean(m.exp(x, 0.5 * m.random_tangent(x, rng=0)))[1]
    assert status.converged
    assert status.residual > 1e3 * np.finfo(float).eps


def test_the_gradient_of_many_rounded_angles_is_not_called_none():
    t, weights = Torus(1), np.random.default_rng(0).random(50000).astype(np.float32)
    status = t.mean(t.random_point((50000,), rng=0).astype(np.float32), weights)[1]
    assert status.residual > 64 * np.finfo(np.float32).eps
    assert not status.converged
