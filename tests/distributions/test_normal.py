"""The diagonal normal: density, sampler, divergence, fit and pullbacks."""

import math

import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import Normal, kl_divergence, kl_divergence_vjp
from geomlat.grad import gradcheck
from geomlat.random import stream

SHAPES = [((4, 3), (4, 3)), ((3,), (4, 3)), ((4, 1), (3,)), ((2, 1, 3), (4, 3)), ((3,), ())]


def parameters(shapes, seed=0):
    gen = np.random.default_rng(seed)
    return gen.standard_normal(shapes[0]), gen.uniform(0.3, 2.0, shapes[1])


@pytest.mark.parametrize("shapes", SHAPES)
def test_density_entropy_and_moments(shapes):
    loc, scale = parameters(shapes)
    q = Normal(loc, scale)
    full = np.broadcast_shapes(*shapes)
    assert q.batch_shape + q.event_shape == full
    x = np.random.default_rng(1).standard_normal((5, *full))
    np.testing.assert_allclose(q.log_prob(x), stats.norm(loc, scale).logpdf(x).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(q.entropy(), np.broadcast_to(stats.norm(loc, scale).entropy(), full).sum(-1), rtol=1e-12)
    assert np.array_equal(q.mean(), np.broadcast_to(loc, full))
    assert np.array_equal(q.mode(), q.mean())


def test_sampler():
    q = Normal(np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    z = q.sample(50_000, rng=3)
    for j in range(2):
        assert stats.kstest(z[:, j], stats.norm(q.loc[j], q.scale[j]).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / math.sqrt(50_000)
    assert np.array_equal(q.rsample(q.draw(7, rng=1)), q.sample((7,), rng=1))


def test_stream_offsets_count_vectors():
    loc = np.arange(30.0).reshape(10, 3)
    whole = Normal(loc, 1.0).sample(rng=9)
    rest = Normal(loc[4:], 1.0).sample(rng=stream(9).at(4))
    assert np.array_equal(whole[4:], rest)


@pytest.mark.parametrize("shapes", SHAPES)
def test_pullbacks(shapes):
    loc, scale = parameters(shapes)
    noise = Normal(loc, scale).draw((2,), rng=1)
    x = np.random.default_rng(2).standard_normal(np.broadcast_shapes(*shapes))
    gradcheck(lambda a, b: Normal(a, b).rsample_vjp(noise), loc, scale, method="complex")
    gradcheck(lambda x, a, b: Normal(a, b).log_prob_vjp(x), x, loc, scale, method="complex")
    gradcheck(lambda b: entropy_rule(loc, b), scale, method="complex")


def entropy_rule(loc, scale):
    value, pull = Normal(loc, scale).entropy_vjp()
    return value, lambda dh: pull(dh)[1]


def test_divergence():
    (a, b), (c, d) = parameters(((4, 3), (3,))), parameters(((3,), (2, 1, 3)), 7)
    q, p = Normal(a, b), Normal(c, d)
    expected = np.log(d / b) + (b**2 + (a - c) ** 2) / (2 * d**2) - 0.5
    np.testing.assert_allclose(kl_divergence(q, p), expected.sum(-1), rtol=1e-13)
    assert np.array_equal(kl_divergence(q, q), np.zeros(4))

    def rule(*args):
        value, pull = kl_divergence_vjp(Normal(*args[:2]), Normal(*args[2:]))

        def flat(dk):
            dq, dp = pull(dk)
            return *dq, *dp

        return value, flat

    gradcheck(rule, a, b, c, d, method="complex")


def test_structural_zeros_and_float32():
    q = Normal(np.zeros((2, 3), np.float32), np.float32(2.0))
    z, pull = q.rsample_vjp(q.draw(rng=0))
    assert z.dtype == q.entropy().dtype == q.log_prob(z).dtype == np.float32
    assert [g.dtype for g in pull(z)] == [np.float32] * 2
    assert [g.dtype for g in q.log_prob_vjp(z)[1](q.log_prob(z))] == [np.float32] * 3
    assert pull(None) == (None, None)
    assert q.log_prob_vjp(z)[1](None) == (None, None, None)
    assert q.entropy_vjp()[1](None) == (None, None)
    assert kl_divergence_vjp(q, q)[1](None) == ((None, None), (None, None))


def test_fit():
    gen = np.random.default_rng(0)
    x, w = gen.standard_normal((2, 30, 3)), gen.integers(1, 4, (2, 30))
    fit = Normal.fit(x)
    np.testing.assert_allclose(fit.loc, x.mean(1))
    np.testing.assert_allclose(fit.scale, x.std(1))
    weighted = Normal.fit(x, w.astype(float))
    np.testing.assert_allclose(weighted.scale[1], np.repeat(x[1], w[1], axis=0).std(0), rtol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="positive finite scale"):
        Normal(np.zeros(3), np.array([1.0, 0.0, 2.0]))
    with pytest.raises(ValueError, match="positive finite scale"):
        Normal(np.zeros(3), math.nan)
    with pytest.raises(ValueError, match="broadcast"):
        Normal(np.zeros(3), np.ones(2))
    with pytest.raises(ValueError, match="broadcast"):
        Normal(0.0, 1.0)
    with pytest.raises(ValueError, match="k > 0"):
        Normal.fit(np.empty((0, 2)))


def test_bad_weights_and_dimensions_are_named():
    from geomlat.distributions import VonMisesFisher, kl_divergence

    x = np.eye(3)
    for family in (Normal, VonMisesFisher):
        for weights in (np.zeros(3), -np.ones(3), np.full(3, np.nan)):
            with pytest.raises(ValueError, match="needs weights"):
                family.fit(x, weights)
    with pytest.raises(ValueError, match="event shapes"):
        kl_divergence(Normal(np.zeros(3), np.ones(3)), Normal(np.zeros(2), np.ones(2)))
