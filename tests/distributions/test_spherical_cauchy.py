"""The spherical Cauchy law: density, sampler, pathwise gradients, divergence, fit."""

import math

import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import panels, unit_rows

from geomlat.distributions import SphericalCauchy, SphericalUniform, VonMisesFisher, kl_divergence
from geomlat.distributions.spherical_uniform import log_area
from geomlat.grad import gradcheck

DENSITY = [(2, 0.0), (2, 0.3), (2, 0.95), (3, 0.4), (3, 0.9), (4, 0.6), (7, 0.8), (50, 0.3)]
SHAPES = [((4, 5), (4, 5), (4,)), ((2, 4, 5), (5,), (4,)), ((5,), (3, 5), ()), ((5,), (5,), ())]
LEVEL = 1e-3
CELLS = [(m, r) for m in (2, 3, 5, 20, 128) for r in (0.0, 0.1, 0.5, 0.9, 0.999)]


def z_test(x):
    return 2 * stats.norm.sf(abs(x.mean()) / (x.std() / math.sqrt(len(x))))


def radial_law(m, rho):
    """Angles from the mode, quadrature weights, and the mass of the law there."""
    theta, weight = panels(0.0, math.pi, 4000, 8)
    rim = log_area(m - 1) if m > 2 else math.log(2.0)
    distance = (1 - rho) ** 2 + 4 * rho * np.sin(theta / 2) ** 2
    log_q = (m - 1) * np.log((1 - rho * rho) / distance) - log_area(m)
    return theta, np.exp(log_q + rim + (m - 2) * np.log(np.sin(theta))) * weight


@pytest.mark.parametrize(("m", "rho"), DENSITY)
def test_density_entropy_and_mean_by_quadrature(m, rho):
    mu, e = unit_rows(np.random.default_rng(m), 2, m)
    e = (e - (e @ mu) * mu) / np.linalg.norm(e - (e @ mu) * mu)
    theta, mass = radial_law(m, rho)
    x = np.cos(theta)[:, None] * mu + np.sin(theta)[:, None] * e
    q = SphericalCauchy(mu, rho)
    log_q = q.log_prob(x)
    direct = (m - 1) * np.log((1 - rho**2) / np.sum((x - rho * mu) ** 2, -1)) - log_area(m)
    np.testing.assert_allclose(log_q, direct, rtol=1e-11, atol=1e-11)
    assert mass.sum() == pytest.approx(1.0, rel=1e-12, abs=0.0)
    assert float(q.entropy()) == pytest.approx(-(mass * log_q).sum(), rel=1e-11, abs=1e-12)
    np.testing.assert_allclose(q.mean(), (mass * np.cos(theta)).sum() * mu, rtol=1e-11, atol=1e-14)
    assert np.array_equal(q.mode(), mu)


def test_the_circle_is_the_wrapped_cauchy_law():
    x = np.linspace(0.1, 6.0, 30)
    q = SphericalCauchy(np.array([1.0, 0.0]), 0.7)
    theirs = stats.wrapcauchy(0.7).logpdf(x)
    np.testing.assert_allclose(q.log_prob(np.stack([np.cos(x), np.sin(x)], -1)), theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cell", range(len(CELLS)))
def test_sampler(cell):
    """The angle's distribution and the uniform directions around mu: each p-value above LEVEL / all checks."""
    m, rho = CELLS[cell]
    gen = np.random.default_rng(500 + cell)
    mu, count = unit_rows(gen, m), 40_000 if m < 100 else 10_000
    z = SphericalCauchy(mu, rho).sample(count, rng=700 + cell)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-15)
    u = z - mu
    angle = 2 * np.arcsin(np.minimum(0.5 * np.linalg.norm(u, axis=1), 1.0))
    if rho < 0.99:
        cells = radial_law(m, rho)[1].reshape(-1, 8).sum(1)
        cdf = np.concatenate([[0.0], np.cumsum(cells)]) / cells.sum()
        level = np.interp(angle, np.linspace(0, math.pi, len(cdf)), cdf)
    else:
        # The map multiplies tan(angle/2) by (1 - rho)/(1 + rho).
        before = np.arctan((1 + rho) / (1 - rho) * np.tan(0.5 * angle))
        level = stats.beta(0.5 * (m - 1), 0.5 * (m - 1)).cdf(np.sin(before) ** 2)
    side = u - (u @ mu)[:, None] * mu
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    total = side.sum(0)
    p_values = [
        stats.kstest(level, "uniform").pvalue,
        stats.chi2.sf((m - 1) * (total @ total) / count, m - 1),
        z_test(z @ mu - mu @ SphericalCauchy(mu, rho).mean()),
    ]
    assert min(p_values) > LEVEL / (3 * len(CELLS)), p_values


def test_moebius_map_near_the_antipode():
    """Where u is within 1 - rho of -mu the image stays on the sphere."""
    mu, angle = np.eye(3)[0], np.array([1e-13, 1e-12, 1e-11, 1e-6])
    u = np.stack([-np.cos(angle), np.sin(angle), 0 * angle], -1)
    z = SphericalCauchy(mu, 1 - 1e-12).rsample(u)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-15)
    # tan(angle'/2) = (1-rho)/(1+rho) tan(angle/2), measured from mu.
    expected = 2 * np.arctan(1e-12 / (2 - 1e-12) / np.tan(angle / 2))
    np.testing.assert_allclose(np.arctan2(z[:, 1], z[:, 0]), expected, rtol=2e-4)


def test_the_pull_of_a_draw_whose_mode_is_of_unit_length_to_a_few_digits():
    """The image is not of unit length then and is divided by its norm, which the pull is to know."""
    gen = np.random.default_rng(0)
    mu, u = 1.02 * unit_rows(gen, 4, 5), unit_rows(gen, 4, 5)

    def rule(mu, rho):
        return SphericalCauchy(mu, rho).rsample_vjp(u)

    gradcheck(rule, mu, np.array([0.1, 0.5, 0.8, 0.9]), step=1e-3)


def test_float32():
    gen = np.random.default_rng(0)
    mu = unit_rows(gen, 5, 9).astype(np.float32)
    rho = np.array([0, 1e-3, 0.5, 0.99, 0.9999], dtype=np.float32)
    q = SphericalCauchy(mu, rho)
    z, pull = q.rsample_vjp(q.draw(20, rng=1))
    wide = SphericalCauchy(mu.astype(float), rho.astype(float))
    np.testing.assert_allclose(q.log_prob(z), wide.log_prob(z.astype(float)), rtol=2e-7, atol=2e-7)
    value, pull_density = q.log_prob_vjp(z)
    grown = (*pull(np.ones_like(z)), *pull_density(np.ones_like(value)), q.entropy_vjp()[1](np.ones(5, np.float32))[1])
    for a in (z, value, q.entropy(), q.mean(), kl_divergence(q, SphericalUniform(8)), *grown):
        assert a.dtype == np.float32
        assert np.all(np.isfinite(a))


# ---- divergence, fit, errors ----


@pytest.mark.parametrize(("m", "rho"), DENSITY)
def test_uniform_divergence(m, rho):
    q, u = SphericalCauchy(np.eye(m)[1], rho), SphericalUniform(m - 1)
    assert float(kl_divergence(q, u)) == pytest.approx(u.entropy() - float(q.entropy()), rel=1e-12, abs=1e-13)
    with pytest.raises(ValueError, match="one sphere"):
        kl_divergence(q, SphericalUniform(m))
    with pytest.raises(NotImplementedError, match="SphericalCauchy"):
        kl_divergence(q, VonMisesFisher(np.eye(m)[0], 1.0))


@pytest.mark.parametrize(("m", "rho"), [(2, 0.3), (2, 0.999), (3, 0.7), (3, 1 - 1e-6), (20, 0.5), (200, 0.2)])
def test_fit_recovers(m, rho):
    mu = unit_rows(np.random.default_rng(m), m)
    n = 5_000 if m < 100 else 1_000
    x = SphericalCauchy(mu, rho).sample(n, rng=m)
    fit = SphericalCauchy.fit(x)
    truth = SphericalCauchy(mu, rho)
    gain = float((fit.log_prob(x) - truth.log_prob(x)).sum())
    assert 0 <= gain < 0.5 * stats.chi2.isf(1e-4, m)
    scale = (1 - rho) / (m - 1)
    _, dmu, drho = fit.log_prob_vjp(x)[1](np.full(n, scale / n))
    assert abs(float(drho)) < 1e-8
    np.testing.assert_allclose(dmu - (dmu @ fit.mu) * fit.mu, 0, atol=1e-8)


def test_fit_edges():
    balanced = np.concatenate([np.eye(3), -np.eye(3)])
    assert float(SphericalCauchy.fit(balanced).rho) == 0.0
    for bad, why in ((np.tile(np.eye(3)[0], (5, 1)), "coincide"), (np.full((5, 3), np.nan), "finite points")):
        with pytest.raises(ValueError, match=why):
            SphericalCauchy.fit(bad)
    with pytest.raises(ValueError, match="n > 0"):
        SphericalCauchy.fit(np.empty((0, 3)))


def test_bad_input():
    mu = np.array([0.0, 1.0, 0.0])
    for bad in (-0.1, 1.0, math.nan, np.array([0.5, 2.0])):
        with pytest.raises(ValueError, match="rho must be >= 0 and < 1"):
            SphericalCauchy(mu, bad)
    with pytest.raises(ValueError, match="unit length"):
        SphericalCauchy(2 * mu, 0.5)
    with pytest.raises(ValueError, match="do not broadcast"):
        SphericalCauchy(np.stack([mu, mu]), np.full(3, 0.5))
    with pytest.raises(TypeError, match="SphericalCauchy needs float32 or float64"):
        SphericalCauchy(mu.astype(np.float16), np.float16(0.5))
    for method in ("log_prob", "rsample"):
        with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
            getattr(SphericalCauchy(mu, 0.5), method)(np.ones(4))
