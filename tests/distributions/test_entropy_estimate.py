"""The labelled estimate of an entropy: the rule where there is one, quadrature and its own derivative elsewhere."""

import numpy as np
import pytest
from wrapped_quadrature import farthest, polar_rule

from geomlat.distributions import Mixture, Normal, VonMisesFisher, WrappedNormal, entropy_estimate, entropy_estimate_vjp
from geomlat.manifolds import Hyperboloid, Sphere, Torus

FACTOR = np.array([[0.5, 0.0], [0.3, 0.4]])


def test_a_rule_is_taken_where_there_is_one():
    q = WrappedNormal(Hyperboloid(2), Hyperboloid(2).origin(), np.array([0.3, 0.5]))
    found, pull = entropy_estimate_vjp(q, None)
    assert (found.method, found.draws, float(found.standard_error)) == ("exact", 0, 0.0)
    assert float(found.value) == float(entropy_estimate(q, rng=0).value) == float(q.entropy())
    assert np.array_equal(pull(np.ones(()))[-1], q.entropy_vjp()[1](np.ones(()))[-1])


def laws():
    sphere = Sphere(2)
    anisotropic = WrappedNormal(sphere, np.array([0.0, 0.6, 0.8]), np.array([0.2, 0.35]))
    x, weight = polar_rule(sphere, anisotropic.loc, farthest(sphere, anisotropic.scale, False), 6)
    torus = WrappedNormal(Torus(2), np.array([0.5, -1.0]), FACTOR, full=True)
    line = (np.arange(200) + 0.5) * np.pi / 100
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    mixture = Mixture(np.array([0.3, -0.4]), Normal(np.array([[-1.0], [1.0]]), np.array([[0.5], [0.8]])))
    real = np.linspace(-9, 9, 4001)[:, None]
    yield "sphere", anisotropic, x, weight
    yield "torus", torus, grid, (np.pi / 100) ** 2
    yield "mixture", mixture, real, 18 / 4000


@pytest.mark.parametrize(("q", "x", "weight"), [pytest.param(*law, id=name) for name, *law in laws()])
def test_estimate_against_quadrature(q, x, weight):
    log_q = q.log_prob(x)
    assert np.sum(weight * np.exp(log_q)) == pytest.approx(1.0, rel=1e-8, abs=0.0)
    exact = -np.sum(weight * np.exp(log_q) * log_q)
    found = entropy_estimate(q, draws=40_000, rng=5)
    assert found.method == "Monte Carlo"
    assert found.draws == 40_000
    assert abs(found.value - exact) < 4.0 * found.standard_error < 0.05
    noise = q.draw(7, rng=6)
    found, each = entropy_estimate_vjp(q, noise)[0], -q.log_prob(q.rsample(noise))
    assert float(found.value) == pytest.approx(each.mean(), rel=1e-12, abs=0.0)
    assert float(found.standard_error) == pytest.approx(each.std(ddof=1) / np.sqrt(7), rel=1e-12, abs=0.0)


def test_the_pull_is_the_derivative_at_frozen_noise():
    torus = Torus(2)
    noise = WrappedNormal(torus, np.zeros(2), FACTOR, full=True).draw(30, rng=1)

    def value(factor):
        return float(entropy_estimate_vjp(WrappedNormal(torus, np.zeros(2), factor, full=True), noise)[0].value)

    pull = entropy_estimate_vjp(WrappedNormal(torus, np.zeros(2), FACTOR, full=True), noise)[1]
    *_, dloc, dscale = pull(2.0 * np.ones(()))
    np.testing.assert_allclose(dloc, 0.0, atol=1e-12)
    for i, j in ((0, 0), (1, 0), (1, 1)):
        h = np.zeros((2, 2))
        h[i, j] = 1e-5
        slope = (value(FACTOR + h) - value(FACTOR - h)) / 2e-5
        assert dscale[i, j] == pytest.approx(2.0 * slope, rel=1e-7, abs=1e-7)
    assert pull(None)[-1] is None


def test_estimators_with_an_advantage():
    mu = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    law = VonMisesFisher(mu, np.array([3.0, 8.0]), "rejection")
    found, pull = entropy_estimate_vjp(Mixture(np.zeros(2), law), Mixture(np.zeros(2), law).draw(50, rng=2))
    assert found.method == "Monte Carlo"
    dlogits, dlaw = pull(np.ones(()))
    assert dlogits.shape == (2,)
    assert [g.shape for g in dlaw] == [(2, 4), (2,)]
    # Two equal components are one law, whose entropy has a rule.
    mu, kappa = np.eye(4)[[0, 0]], np.full(2, 5.0)
    wanted = VonMisesFisher(mu[0], 5.0).entropy_vjp()[1](np.ones(()))[1]
    for estimator in ("score", "rejection"):
        q = Mixture(np.zeros(2), VonMisesFisher(mu, kappa, estimator))
        dkappa = entropy_estimate_vjp(q, q.draw(20_000, rng=4))[1](np.ones(()))[1][1]
        assert dkappa.sum() == pytest.approx(float(wanted), rel=0.15, abs=0.0)


def test_too_few_draws():
    with pytest.raises(ValueError, match="at least 2 draws"):
        entropy_estimate(Normal(np.zeros(1), 1.0), draws=1, rng=0)
