"""The power spherical law: density, divergences, fit and pullbacks."""

import math

import numpy as np
import pytest
from vmf_quadrature import angle_range, panels, unit_rows

from geomlat.distributions import (
    Normal,
    PowerSpherical,
    SphericalUniform,
    VonMisesFisher,
    _power_fit,
    kl_divergence,
    kl_divergence_vjp,
)
from geomlat.distributions._power_fit import best_direction, mean_miss
from geomlat.distributions.spherical_uniform import log_area
from geomlat.special import vmf_phi

DENSITY = [(2, 0.0), (2, 3.0), (3, 0.4), (3, 1e4), (4, 12.0), (7, 40.0), (50, 7.0), (128, 1e6)]
SHAPES = [((4, 5), (4, 5), (4,)), ((2, 4, 5), (5,), (4,)), ((5,), (3, 5), ()), ((5,), (5,), ())]


def meridian(m, kappa, mu, e):
    """Points at angles from mu in the plane of mu and e, and the log weights of the surface measure there."""
    e = (e - (e @ mu) * mu) / np.linalg.norm(e - (e @ mu) * mu)
    theta, weight = panels(0.0, angle_range(m, 0.5 * kappa), 400, 16)
    rim = log_area(m - 1) if m > 2 else math.log(2.0)
    x = np.cos(theta)[:, None] * mu + np.sin(theta)[:, None] * e
    return x, rim + (m - 2) * np.log(np.sin(theta)) + np.log(weight)


@pytest.mark.parametrize(("m", "kappa"), DENSITY)
def test_density_entropy_and_mean_by_quadrature(m, kappa):
    mu, e = unit_rows(np.random.default_rng(m), 2, m)
    x, log_weight = meridian(m, kappa, mu, e)
    q = PowerSpherical(mu, kappa)
    log_q = q.log_prob(x)
    mass = np.exp(log_weight + log_q)
    tolerance = 1e-12 if kappa < 1e3 else 1e-9
    assert mass.sum() == pytest.approx(1.0, rel=tolerance, abs=0.0)
    assert float(q.entropy()) == pytest.approx(-(mass * log_q).sum(), rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(q.mean(), (mass * (x @ mu)).sum() * mu, rtol=tolerance, atol=1e-15)
    assert np.array_equal(q.mode(), mu)
    assert np.all(q.log_prob(x) <= q.log_prob(mu))


def test_density_keeps_its_digits():
    """Near the mode at kappa = 1e10, and near the antipode, where the density tends to 0."""
    q = PowerSpherical(np.eye(5)[0], 1e10)
    angle = 3e-5
    x = math.cos(angle) * np.eye(5)[0] + math.sin(angle) * np.eye(5)[1]
    expected = 2e10 * math.log1p(-2 * math.sin(angle / 4) ** 2)
    assert float(q.log_prob(x) - q.log_prob(q.mu)) == pytest.approx(expected, rel=1e-12, abs=0.0)
    q = PowerSpherical(np.eye(3)[0], 2.0)
    far = np.array([-math.cos(1e-9), math.sin(1e-9), 0.0])
    assert float(q.log_prob(far) - q.log_prob(q.mu)) == pytest.approx(4 * math.log(5e-10), rel=1e-12, abs=0.0)
    assert float(q.log_prob(-q.mu)) == -math.inf
    assert all(not g.any() for g in q.log_prob_vjp(-q.mu)[1](np.ones(())))
    assert float(PowerSpherical(q.mu, 0.0).log_prob(-q.mu)) == pytest.approx(-math.log(4 * math.pi))


def test_float32():
    gen = np.random.default_rng(0)
    mu = unit_rows(gen, 6, 9).astype(np.float32)
    kappa = np.array([0, 1e-3, 1, 50, 1e3, 1e4], dtype=np.float32)
    q = PowerSpherical(mu, kappa)
    x = q.sample(20, rng=1)
    wide = PowerSpherical(mu.astype(float), kappa.astype(float))
    # Rounded once: Numba's float() of a float32 is a float32.
    np.testing.assert_allclose(q.log_prob(x), wide.log_prob(x.astype(float)), rtol=6e-8, atol=1e-12)
    p, u = VonMisesFisher(mu, kappa), SphericalUniform(8)
    for value in (x, q.log_prob(x), q.entropy(), q.mean(), kl_divergence(q, u), kl_divergence(q, p)):
        assert value.dtype == np.float32
    z, pull = q.rsample_vjp(q.draw(rng=0))
    for g in (
        *q.log_prob_vjp(x)[1](np.ones((20, 6))),
        *pull(np.ones(z.shape)),
        q.entropy_vjp()[1](np.ones(6, np.float32))[1],
    ):
        assert g.dtype == np.float32


# ---- divergences ----


@pytest.mark.parametrize(("m", "kappa"), DENSITY)
def test_uniform_divergence_is_area_less_entropy(m, kappa):
    q, u = PowerSpherical(np.eye(m)[1], kappa), SphericalUniform(m - 1)
    assert float(kl_divergence(q, u)) == pytest.approx(u.entropy() - float(q.entropy()), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("m", [2, 3, 20, 1000])
def test_divergences_at_the_ends(m):
    gen = np.random.default_rng(m)
    q = PowerSpherical(unit_rows(gen, 30, m), 10 ** gen.uniform(-6, 9, 30))
    p = VonMisesFisher(unit_rows(gen, 30, m), 10 ** gen.uniform(-6, 9, 30))
    u = SphericalUniform(m - 1)
    assert np.all(kl_divergence(q, p) >= -1e-14)
    assert np.all(kl_divergence(q, u) >= 0)
    np.testing.assert_allclose(kl_divergence(q, VonMisesFisher(q.mu, 0.0)), kl_divergence(q, u), rtol=1e-13)
    flat = kl_divergence(PowerSpherical(p.mu, 0.0), p)
    np.testing.assert_allclose(flat, vmf_phi(float(m), p.kappa), rtol=1e-13)
    assert kl_divergence_vjp(q, p)[1](None) == ((None, None), (None, None))
    assert kl_divergence_vjp(q, u)[1](None) == ((None, None), ())


def test_unregistered_and_mismatched_pairs():
    q = PowerSpherical(np.eye(3), 1.0)
    with pytest.raises(NotImplementedError, match=r"KL\(PowerSpherical \|\| Normal\)"):
        kl_divergence(q, Normal(np.zeros(3), 1.0))
    for other in (SphericalUniform(3), VonMisesFisher(np.eye(4)[0], 1.0)):
        with pytest.raises(ValueError, match="one sphere"):
            kl_divergence(q, other)


# ---- fit ----


@pytest.mark.parametrize(("m", "kappa"), [(2, 3.0), (3, 0.5), (3, 1e5), (5, 1e10), (20, 40.0), (300, 500.0)])
def test_fit_recovers(m, kappa):
    mu = unit_rows(np.random.default_rng(m), m)
    n = 5_000 if m < 100 else 1_000
    x = PowerSpherical(mu, kappa).sample(n, rng=m)
    fit = PowerSpherical.fit(x)
    _, slope = PowerSpherical(mu, kappa).entropy_vjp()
    information = -float(slope(np.ones(()))[1]) / kappa
    assert abs(float(fit.kappa) - kappa) < 4.5 / math.sqrt(n * information)
    assert fit.log_prob(x).mean() >= PowerSpherical(mu, kappa).log_prob(x).mean()
    # At the maximum the score vanishes along every direction.
    _, dmu, dkappa = fit.log_prob_vjp(x)[1](np.full(n, 1 / n))
    assert abs(float(dkappa) * kappa) < 1e-9 * m
    np.testing.assert_allclose(dmu - (dmu @ fit.mu) * fit.mu, 0, atol=1e-9 * max(1, kappa))


def test_fit_weights_batches_and_edges():
    gen = np.random.default_rng(0)
    x, w = PowerSpherical(unit_rows(gen, 3, 1, 4), 6.0).sample(rng=0), gen.integers(1, 4, (3, 40))
    x = PowerSpherical(x, np.full((3, 40), 6.0)).sample(rng=1)
    fit = PowerSpherical.fit(x, w.astype(float))
    assert fit.batch_shape == (3,)
    for i in range(3):
        repeated = PowerSpherical.fit(np.repeat(x[i], w[i], axis=0))
        np.testing.assert_allclose(fit.mu[i], repeated.mu, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(fit.kappa[i], repeated.kappa, rtol=1e-10)
    assert PowerSpherical.fit(x.astype(np.float32)).kappa.dtype == np.float32
    # The eight corners of a cube are too even to prefer a direction: no concentration above the uniform law's.
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) / math.sqrt(3)
    assert float(PowerSpherical.fit(np.concatenate([corners, np.eye(3), -np.eye(3)])).kappa) < 0.2
    with pytest.raises(ValueError, match="coincide"):
        PowerSpherical.fit(np.tile(np.eye(3)[0], (5, 1)))
    with pytest.raises(ValueError, match="n > 0"):
        PowerSpherical.fit(np.empty((0, 3)))


TRIALS = [(2, 0.5, 8), (2, 5.0, 6), (3, 0.5, 24), (6, 2.0, 20), (4, 30.0, 16)]


@pytest.mark.parametrize(("m", "kappa", "trials"), TRIALS)
def test_the_best_direction_is_reached_in_few_steps(monkeypatch, m, kappa, trials):
    """In the plane the step is Newton's; the slope along the sphere ends at the rounding of its terms."""
    gen, found = np.random.default_rng(0), []
    points, w = PowerSpherical(np.eye(m)[0], kappa).sample(50, rng=0), gen.dirichlet(np.ones(50))
    monkeypatch.setattr(_power_fit, "mean_miss", lambda *a: found.append(mean_miss(*a)) or found[-1])
    start = w @ points if kappa < 30.0 else 0.3 * np.eye(m)[1] - w @ points
    mu = best_direction(np, points, w, start / np.linalg.norm(start))
    slope = (w / (1 + points @ mu)) @ points
    np.testing.assert_allclose(slope - (slope @ mu) * mu, 0, atol=1e-13)
    assert len(found) <= trials
    assert min(found) == pytest.approx(-w @ np.log((1 + points @ mu) / 2), rel=1e-13, abs=0.0)


def test_the_best_direction_from_an_antipode_and_along_a_great_circle():
    """A point at -mu has no slope that could be followed; where the data are flat the full step is too long."""
    x = unit_rows(np.random.default_rng(0), 6, 3)
    x[0], x[1] = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)
    w, arc = np.full(6, 1 / 6), np.array([-1.4, 1.3])
    circle = np.stack([np.cos(arc), np.sin(arc), *np.zeros((4, 2))], 1)
    for points, weights, start, atol in ((x, w, x[1], 1e-13), (circle, np.array([0.3, 0.7]), np.eye(6)[0], 1e-6)):
        mu = best_direction(np, points, weights, start)
        slope = (weights / (1 + points @ mu)) @ points
        np.testing.assert_allclose(slope - (slope @ mu) * mu, 0, atol=atol)


def test_the_concentration_is_found_in_few_steps(monkeypatch):
    calls, body = [], _power_fit.digamma_diff_scalar
    monkeypatch.setattr(_power_fit, "digamma_diff_scalar", lambda *a: calls.append(a) or body(*a))
    for m in (2, 3, 5, 50, 1000):
        for kappa in (0.1, 1.0, 10.0, 1e3, 1e6, 1e9):
            a = 0.5 * (m - 1)
            found = _power_fit.concentration_scalar(float(m), body(a + kappa, a))
            assert found == pytest.approx(kappa, rel=1e-12 * (1 + a / kappa), abs=0.0)
    assert len(calls) <= 165
    a = 0.5 * 6.0
    assert _power_fit.concentration_scalar(7.0, 0.0) == math.inf
    assert _power_fit.concentration_scalar(7.0, 1.01 * body(a, a)) == 0.0
    assert 0 < _power_fit.concentration_scalar(7.0, 0.99 * body(a, a)) < 1


def test_bad_input():
    mu = np.array([0.0, 1.0, 0.0])
    for bad in (-1.0, math.nan, math.inf, np.array([1.0, -2.0])):
        with pytest.raises(ValueError, match="kappa must be finite and >= 0"):
            PowerSpherical(mu, bad)
    with pytest.raises(ValueError, match="unit length"):
        PowerSpherical(2 * mu, 1.0)
    with pytest.raises(ValueError, match="m >= 2"):
        PowerSpherical(np.ones(1), 1.0)
    with pytest.raises(ValueError, match="do not broadcast"):
        PowerSpherical(np.stack([mu, mu]), np.ones(3))
    with pytest.raises(TypeError, match="PowerSpherical needs float32 or float64"):
        PowerSpherical(mu.astype(np.float16), np.float16(1.0))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        PowerSpherical(mu, 1.0).log_prob(np.ones(4))
    with pytest.raises(ValueError, match=r"sphere of R\^4"):
        PowerSpherical(mu, 1.0).rsample(PowerSpherical(np.eye(4)[0], 1.0).draw(rng=0))
