"""Mixtures: responsibilities, weights of zero, expectation-maximisation, Monte Carlo divergences, errors."""

import math

import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import unit_rows

from geomlat.distributions import (
    Beta,
    Gamma,
    Mixture,
    Normal,
    PowerSpherical,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
    entropy_estimate_vjp,
    kl_estimate,
    kl_estimate_vjp,
)

LOC = np.array([[-3.0], [0.0], [4.0]])
SCALE = np.array([[0.5], [1.0], [0.8]])
NEAR = np.eye(3) + 0.2 * unit_rows(np.random.default_rng(1), 3, 3)
NEAR /= np.linalg.norm(NEAR, axis=-1, keepdims=True)
LOGITS = np.log(np.array([0.2, 0.5, 0.3]))


def test_density_is_the_weighted_sum():
    q = Mixture(LOGITS + 7, Normal(LOC, SCALE))
    x = np.linspace(-5, 6, 30)[:, None]
    each = np.exp([Normal(LOC[k], SCALE[k]).log_prob(x) for k in range(3)]).T * np.exp(LOGITS)
    np.testing.assert_allclose(q.log_prob(x), np.log(each.sum(1)), rtol=1e-13)
    np.testing.assert_allclose(q.responsibilities(x), each / each.sum(1, keepdims=True), rtol=1e-12)
    far = q.responsibilities(np.array([[1e3], [-1e3]]))
    np.testing.assert_allclose(far, [[0, 1, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(np.exp(q.log_weights()), np.exp(LOGITS), rtol=1e-14)


def test_weight_zero_and_density_zero():
    q = Mixture(np.array([0.0, -math.inf]), Gamma(np.array([[2.0], [3.0]]), 1.0))
    x = np.array([[1.5], [-1.0]])
    value, pull = q.log_prob_vjp(x)
    np.testing.assert_allclose(value, [float(Gamma(np.array([2.0]), 1.0).log_prob(x[0])), -math.inf])
    dx, dlogits, (dshape, drate) = pull(np.ones(2))
    assert all(np.all(np.isfinite(g)) for g in (dx, dlogits, dshape, drate))
    assert not dx[1].any()
    assert not dlogits.any()
    assert dshape[1] == 0
    assert np.array_equal(q.responsibilities(x), [[1, 0], [0, 0]])
    assert np.all(q.draw(500, rng=0).choice == 0)


def test_batches_of_logits_and_components_fit_together():
    gen = np.random.default_rng(0)
    for logits, batch in (((3,), (3,)), ((4, 3), (3,)), ((3,), (4, 3)), ((1, 3), (4, 3)), ((2, 1, 3), (4, 3))):
        q = Mixture(gen.normal(size=logits), Normal(gen.normal(size=(*batch, 2)), 1.0))
        full = np.broadcast_shapes(logits[:-1], batch[:-1])
        assert q.batch_shape == full
        assert q.sample((5,), rng=1).shape == (5, *full, 2)
        assert q.log_prob(np.zeros(2)).shape == full


@pytest.mark.parametrize(
    ("components", "start"),
    [
        (Normal(LOC, SCALE), Normal(LOC + 0.7, 2.0 * SCALE)),
        (Gamma(np.array([[2.0], [30.0], [300.0]]), 2.0), Gamma(np.array([[3.0], [20.0], [200.0]]), 2.0)),
        (
            Beta(np.array([[2.0], [30.0], [300.0]]), np.array([[20.0], [30.0], [30.0]])),
            Beta(np.array([[3.0], [20.0], [200.0]]), 20.0),
        ),
        (VonMises(np.array([[-2.0], [0.0], [2.0]]), 20.0), VonMises(np.array([[-1.5], [0.3], [2.5]]), 5.0)),
        (VonMisesFisher(np.eye(3), np.array([20.0, 40.0, 60.0])), VonMisesFisher(NEAR, 10.0)),
        (PowerSpherical(np.eye(3), np.array([20.0, 40.0, 60.0])), PowerSpherical(NEAR, 10.0)),
    ],
)
def test_em_finds_the_components(components, start):
    """It climbs, and ends where the score of the logits and of the components vanishes, near the truth."""
    truth = Mixture(LOGITS, components)
    x = truth.sample(3000, rng=5)
    found = Mixture(np.zeros(3), start).em(x, steps=300, tolerance=1e-13)
    assert found.log_prob(x).mean() >= truth.log_prob(x).mean()
    np.testing.assert_allclose(np.exp(found.log_weights()), np.exp(LOGITS), atol=0.05)
    _, dlogits, _ = found.log_prob_vjp(x)[1](np.full(len(x), 1 / len(x)))
    np.testing.assert_allclose(dlogits, 0, atol=1e-6)
    weighted = Mixture(np.zeros(3), start).em(x[:400], np.arange(400.0) % 3, steps=20)
    repeated = Mixture(np.zeros(3), start).em(np.repeat(x[:400], np.arange(400) % 3, axis=0), steps=20)
    np.testing.assert_allclose(weighted.log_prob(x), repeated.log_prob(x), rtol=1e-6)


def test_em_ends_by_the_mean_whatever_the_weights_add_up_to():
    start = Mixture(np.zeros(3), Normal(LOC + 0.7, 2.0 * SCALE))
    x, w = Mixture(LOGITS, Normal(LOC, SCALE)).sample(300, rng=5), np.arange(300.0) % 4
    plain, heavy, light = (start.em(x, f * w, tolerance=1e-3) for f in (1.0, 1024.0, 2.0**-20))
    assert np.array_equal(plain.logits, heavy.logits)
    assert np.array_equal(plain.logits, light.logits)
    assert not np.array_equal(plain.logits, start.em(x, w, tolerance=1e-6).logits)


def test_divergence_by_monte_carlo():
    q, p = Mixture(LOGITS, Normal(LOC, SCALE)), Normal(np.array([0.5]), 3.0)
    estimate = kl_estimate(q, p, draws=20_000, rng=3)
    x = np.linspace(-12, 12, 20_001)[:, None]
    log_q = q.log_prob(x)
    exact = np.sum(np.exp(log_q) * (log_q - p.log_prob(x))) * (x[1, 0] - x[0, 0])
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.standard_error)


def test_the_error_of_a_divergence_by_few_draws():
    q, p = Mixture(LOGITS, Normal(LOC, SCALE)), Normal(np.array([[0.5], [-4.0]]), 3.0)
    for draws in (2, 3):
        z = q.sample(draws, rng=8)[:, None]
        each = q.log_prob(z) - p.log_prob(z)
        found = kl_estimate(q, p, draws=draws, rng=8)
        np.testing.assert_allclose(found.value, each.mean(axis=0), rtol=1e-12, strict=True)
        np.testing.assert_allclose(found.standard_error, stats.sem(each, axis=0), rtol=1e-12, strict=True)


@pytest.mark.parametrize("lead", [(), (1,), (1, 1)])
def test_laws_of_a_larger_batch_share_the_draws(lead):
    q, loc, scale = (
        Mixture(LOGITS.reshape(*lead, 3), Normal(LOC, SCALE)),
        np.array([[[0.5]], [[-4.0]]]),
        np.array([3.0]),
    )
    noise, weights = q.draw(2, rng=8), np.array([[0.3], [-1.2]])
    found, pull = kl_estimate_vjp(q, Normal(loc, scale), noise)
    (dlogits, dq), (dloc, dscale) = pull(weights)
    apart = [kl_estimate_vjp(q, Normal(one, scale), noise) for one in loc[:, 0]]
    each = [back(np.full(lead, w)) for (_, back), (w,) in zip(apart, weights, strict=True)]
    assert found.value.shape == found.standard_error.shape == (2, 1)
    np.testing.assert_allclose(found.value.ravel(), [e.value.item() for e, _ in apart], rtol=1e-14)
    np.testing.assert_allclose(dlogits, sum(g[0][0] for g in each), rtol=1e-12, strict=True)
    for k in range(2):
        np.testing.assert_allclose(dq[k], sum(g[0][1][k] for g in each), rtol=1e-12, strict=True)
    np.testing.assert_allclose(dloc[:, 0], [g[1][0] for g in each], rtol=1e-12, strict=True)
    np.testing.assert_allclose(dscale, sum(g[1][1] for g in each), rtol=1e-12, strict=True)


def test_the_weights_of_a_mixture_move_by_the_score_of_the_choice():
    """Each draw against the mean of the others, and the density itself at the draws."""
    q, p = Mixture(LOGITS, Normal(LOC, SCALE)), Normal(np.array([0.5]), 3.0)
    noise, weights = q.draw(7, rng=5), np.exp(LOGITS)
    z, chosen = q.rsample(noise), np.eye(3)[noise.choice]
    assert set(noise.choice.tolist()) == {0, 1, 2}
    excess = q.log_prob(z) - p.log_prob(z)
    advantage = excess - (np.sum(excess) - excess) / 6.0
    expected = np.mean(advantage[:, None] * (chosen - weights) + q.responsibilities(z) - weights, axis=0)
    (dlogits, _), _ = kl_estimate_vjp(q, p, noise)[1](np.array(-1.7))
    np.testing.assert_allclose(dlogits, -1.7 * expected, rtol=1e-12, strict=True)


def test_an_estimate_without_a_cotangent_or_without_parameters():
    class Flat(SphericalUniform):
        """A family for which no divergence is registered."""

    q = Mixture(LOGITS, Normal(LOC, SCALE))
    noise = q.draw(3, rng=8)
    assert kl_estimate_vjp(q, Normal(np.zeros(1), 3.0), noise)[1](None) == ((None, None), (None, None))
    assert entropy_estimate_vjp(q, noise)[1](None) == (None, None)
    flat = Flat(2)
    found, pull = kl_estimate_vjp(flat, flat, flat.draw(3, rng=8))
    assert (found.value, found.standard_error, found.method) == (0.0, 0.0, "Monte Carlo")
    assert pull(np.ones(())) == ((), ())


def test_errors():
    components = Normal(LOC, SCALE)
    for logits in (np.zeros(2), np.zeros((2, 4)), np.zeros(())):
        with pytest.raises(ValueError, match=r"Mixture needs logits \(\.\.\., K\)"):
            Mixture(logits, components)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="logits must be finite or -inf"):
            Mixture(np.array([0.0, bad, 0.0]), components)
    q = Mixture(LOGITS, components)
    z, pull = q.rsample_vjp(q.draw(4, rng=0))
    with pytest.raises(ValueError, match=r"advantage=\.\.\.\), the loss of each draw, of shape \(4,\)"):
        pull(z)
    with pytest.raises(ValueError, match="takes one mixture"):
        Mixture(np.zeros((2, 3)), components).em(z)
    dlogits, dcomponents = pull(None, advantage=np.ones(4))
    assert dlogits.shape == (3,)
    assert dcomponents == (None, None)
    assert q.log_prob_vjp(z)[1](None) == (None, None, None)
