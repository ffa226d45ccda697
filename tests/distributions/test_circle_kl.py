"""Divergences of wrapped normal laws on circles and tori: quadrature, limits and pullbacks."""

import math

import mpmath as mp
import numpy as np
import pytest
from wrapped_quadrature import gauss

from geomlat.distributions import WrappedNormal, kl_divergence, kl_divergence_vjp, kl_method
from geomlat.distributions._circle_kl import circle_kl, log_wrapped
from geomlat.grad import gradcheck
from geomlat.manifolds import Sphere, Stereographic, Torus

CASES = [(0.5, 0.3, 1.0), (0.02, 3.1, 0.1), (2.0, -2.0, 0.3), (5.0, 1.0, 4.0), (0.3, 3.14159, 0.2), (100.0, 1.0, 1.0)]


@pytest.mark.parametrize("case", CASES)
def test_by_the_densities(case):
    s, d, o = case
    q, p = WrappedNormal(Torus(1), np.array([d]), np.array([s])), WrappedNormal(Torus(1), np.zeros(1), np.array([o]))
    top = min(9.5 * s, math.pi)
    x, weight = gauss(-top, top, 1500)
    z = (d + x)[:, None]
    log_q = q.log_prob(z)
    expected = np.sum(weight * np.exp(log_q) * (log_q - p.log_prob(z)))
    assert kl_method(q, p) == "quadrature"
    assert float(kl_divergence(q, p)) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    mirrored = circle_kl(s, -d, o, 2 * math.pi)[0]
    assert float(mirrored) == pytest.approx(float(kl_divergence(q, p)), rel=1e-11, abs=1e-14)
    stretched = circle_kl(3 * s, 3 * d, 3 * o, 6 * math.pi)[0]
    assert float(stretched) == pytest.approx(float(mirrored), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("scale", [0.05, 0.7, 3.0, 20.0])
def test_the_density_of_a_turn_integrates_to_one_and_its_slopes_are_derivatives(scale):
    nodes, weights = np.polynomial.legendre.leggauss(120)
    half = 0.5 * min(10.0 * scale, math.pi)
    logs = [log_wrapped(half * (1.0 + t), scale)[0] for t in nodes]
    assert 2.0 * half * weights @ np.exp(logs) == pytest.approx(1.0, rel=1e-11, abs=0.0)
    for x in (-2.5, -0.3, 0.1, 1.7, 4.0):
        _, by_x, by_scale = log_wrapped(x, scale)
        h, k = 1e-4 * min(1.0, scale), 1e-4 * scale
        rise = (log_wrapped(x + h, scale)[0] - log_wrapped(x - h, scale)[0]) / (2.0 * h)
        grow = (log_wrapped(x, scale + k)[0] - log_wrapped(x, scale - k)[0]) / (2.0 * k)
        assert by_x == pytest.approx(rise, rel=1e-6, abs=1e-7 / scale)
        assert by_scale == pytest.approx(grow, rel=1e-6, abs=1e-7 / scale)


@pytest.mark.parametrize("x", [-6.2, -0.1, 0.001, 2.0, 6.28])
def test_a_slim_density_keeps_its_digits_wherever_the_angle_is_counted_from(x):
    def exact(x, s):
        return mp.log(mp.fsum(mp.npdf(x + 2 * mp.pi * k, 0, s) for k in range(-3, 4)))

    with mp.workdps(40):
        at = mp.mpf(x), mp.mpf(0.01)
        expected = [exact(*at), mp.diff(exact, at, (1, 0)), mp.diff(exact, at, (0, 1))]
        assert log_wrapped(x, 0.01) == pytest.approx([float(e) for e in expected], rel=1e-12, abs=1e-12)


def test_limits():
    gen = np.random.default_rng(0)
    loc, scale = gen.uniform(-3, 3, (6, 2)), 10 ** gen.uniform(-2, 1.5, (6, 2))
    q = WrappedNormal(Torus(2), loc, scale)
    np.testing.assert_allclose(kl_divergence(q, q), 0, atol=1e-13)
    p = WrappedNormal(Torus(2), loc[::-1].copy(), scale[::-1].copy())
    assert np.all(kl_divergence(q, p) >= 0)
    near = kl_divergence(
        WrappedNormal(Torus(2), np.full(2, 0.1), np.full(2, 0.05)), WrappedNormal(Torus(2), np.zeros(2), np.array(0.1))
    )
    assert float(near) == pytest.approx(2 * (0.5 * (0.25 - 1 + 1.0) + math.log(2)), rel=1e-12, abs=0.0)
    flat = WrappedNormal(Torus(2), np.zeros(2), np.array(40.0))
    np.testing.assert_allclose(kl_divergence(q, flat), 2 * math.log(2 * math.pi) - q.entropy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("manifold", [Torus(1), Torus(3), Sphere(1)], ids=repr)
def test_pullbacks(manifold):
    gen, n = np.random.default_rng(1), manifold.dim
    a, b = manifold.random_point((3,), rng=2), manifold.random_point((2, 1), rng=3)

    def rule(loc_q, scale_q, loc_p, scale_p):
        q, p = (
            WrappedNormal(manifold, loc, scale, full=scale.ndim > 2)
            for loc, scale in ((loc_q, scale_q), (loc_p, scale_p))
        )
        value, pull = kl_divergence_vjp(q, p)
        return value, lambda dk: tuple(g for d in pull(dk) for g in d)

    for width in (0.4, 2.0):
        gradcheck(rule, a, width * gen.uniform(0.5, 1.5, (3, n)), b, np.array(0.9), step=1e-3, directions=1)
    if n == 1:
        gradcheck(rule, a, gen.uniform(0.5, 1.5, (3, 1, 1)), b, np.array([0.9]), step=1e-3, directions=1)
    q, p = WrappedNormal(manifold, a, np.array(0.5)), WrappedNormal(manifold, b, np.array(0.5))
    assert kl_divergence_vjp(q, p)[1](None) == ((None, None), (None, None))
    full = WrappedNormal(manifold, a, 0.5 * np.eye(n), full=True)
    assert kl_method(full, p) == ("quadrature" if n == 1 else None)


def test_pullback_of_the_curvature():
    start = Stereographic(1, 0.7)
    loc, other = start.random_point((2,), rng=1), start.random_point(rng=2)

    def divergence(k, loc, scale, other, width):
        space = Stereographic(1, k)
        value, pull = kl_divergence_vjp(WrappedNormal(space, loc, scale), WrappedNormal(space, other, width))
        return value, lambda dk: (pull(dk)[0][0][0], *pull(dk)[0][1:], *pull(dk)[1][1:])

    gradcheck(divergence, np.array(0.7), loc, np.array(1.1), other, np.array(1.6), step=1e-3)
    q, p = WrappedNormal(start, loc, np.array(0.5)), WrappedNormal(start, other, np.array(0.5))
    assert kl_divergence_vjp(q, p)[1](None) == (((None,), None, None), ((None,), None, None))
