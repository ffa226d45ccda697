"""The von Mises law on angles: density, sampler, implicit gradient, divergences, fit."""

import math

import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import cdf_of_t, panels

from geomlat.distributions import SphericalUniform, VonMises, VonMisesFisher, kl_divergence
from geomlat.special import vmf_dratio

LEVEL = 1e-3
SHAPES = [((4, 3), (4, 3)), ((3,), (4, 3)), ((4, 1), (3,)), ((2, 1, 3), (4, 3)), ((3,), ())]
KAPPA = [0.0, 1e-6, 0.5, 3.0, 40.0, 1e4, 1e8]


@pytest.mark.parametrize("kappa", [0.0, 0.3, 5.0, 1e4])
def test_density_and_entropy_by_quadrature(kappa):
    q = VonMises(np.array([0.7]), kappa)
    width = min(math.pi, 14 / math.sqrt(max(kappa, 1e-9)))
    x, weight = panels(0.7 - width, 0.7 + width, 200, 16)
    log_q = q.log_prob(x[:, None])
    mass = weight * np.exp(log_q)
    assert mass.sum() == pytest.approx(1, rel=1e-12, abs=0.0)
    assert float(q.entropy()) == pytest.approx(-(mass * log_q).sum(), rel=1e-11, abs=1e-12)
    on_sphere = VonMisesFisher(np.array([math.cos(0.7), math.sin(0.7)]), kappa)
    np.testing.assert_allclose(log_q, on_sphere.log_prob(np.stack([np.cos(x), np.sin(x)], -1)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", range(len(KAPPA)))
def test_sampler(cell):
    """The law of 1 - cos, the balance of the sides, their independence: each p-value above LEVEL / all checks."""
    kappa, loc = KAPPA[cell], 2.9
    x = VonMises(np.array([loc]), kappa).sample(100_000, rng=300 + cell)[:, 0]
    assert np.abs(x).max() <= math.pi
    d = x - loc
    d = d - 2 * math.pi * np.round(d / (2 * math.pi))
    # Where kappa is large the rounding of x near 3 shows in d; those draws are checked around 0.
    if kappa > 1e6:
        d = VonMises(np.zeros(1), kappa).sample(100_000, rng=300 + cell)[:, 0]
    t = 2 * np.sin(d / 2) ** 2
    sign = np.sign(d)
    p_values = [
        stats.kstest(cdf_of_t(2, kappa, t), "uniform").pvalue,
        2 * stats.norm.sf(abs(sign.mean()) * math.sqrt(len(d))),
        2 * stats.norm.sf(abs((sign * (t - t.mean())).mean()) / (t.std() / math.sqrt(len(d)))),
    ]
    assert min(p_values) > LEVEL / (3 * len(KAPPA)), p_values


# ---- pullbacks ----


@pytest.mark.parametrize("kappa", [0.3, 2.0, 50.0])
def test_unbiased(kappa):
    """d/dkappa of E cos(x - c) is A' cos(c)."""
    q = VonMises(np.zeros((50_000, 1)), np.full((50_000, 1), kappa))
    z, pull = q.rsample_vjp(q.draw(rng=5))
    g = pull(-np.sin(z - 0.8))[1]
    exact = float(vmf_dratio(2.0, kappa)) * math.cos(0.8)
    assert abs(g.mean() - exact) < stats.norm.isf(LEVEL / 6) * g.std() / math.sqrt(len(g))


def test_edges():
    q = VonMises(np.zeros((2, 3), np.float32), np.array([0.0, 2.0, 1e6], np.float32))
    z, pull = q.rsample_vjp(q.draw(rng=0))
    value, pull_density = q.log_prob_vjp(z)
    for a in (z, value, q.entropy(), *pull(z), *pull_density(value), q.entropy_vjp()[1](q.entropy())[1]):
        assert a.dtype == np.float32
        assert np.all(np.isfinite(a))
    one = VonMises(np.zeros(1), np.array([[0.0], [1e-300], [1e12]]))
    z, pull = one.rsample_vjp(one.draw(50, rng=1))
    assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(z)))


# ---- divergences, fit ----


def test_divergence_from_uniform():
    one, uniform = VonMises(np.array([[0.3], [1.0]]), np.array([2.0])), SphericalUniform(1)
    np.testing.assert_allclose(kl_divergence(one, uniform), uniform.entropy() - one.entropy(), rtol=1e-13)
    np.testing.assert_allclose(kl_divergence(one, VonMises(np.zeros(1), 0.0)), kl_divergence(one, uniform), rtol=1e-13)
    for bad in ((VonMises(np.zeros(3), 1.0), uniform), (one, SphericalUniform(2))):
        with pytest.raises(ValueError, match=r"SphericalUniform\(1\)"):
            kl_divergence(*bad)


@pytest.mark.parametrize("kappa", [0.3, 4.0, 1e3, 1e7])
def test_fit_recovers(kappa):
    n = 20_000
    x = VonMises(np.array([3.0]), kappa).sample(n, rng=2)
    fit = VonMises.fit(x)
    assert abs(float(fit.kappa[0]) - kappa) < 4.5 / math.sqrt(n * float(vmf_dratio(2.0, kappa)))
    _, dloc, dkappa = fit.log_prob_vjp(x)[1](np.full(n, 1 / n))
    assert abs(float(dloc[0])) < 1e-11 * max(1, kappa)
    assert abs(float(dkappa[0])) < 1e-11
