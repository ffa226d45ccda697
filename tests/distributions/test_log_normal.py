"""The log-normal law: density, sampler, divergence, fit and pullbacks."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from geomlat.distributions import LogNormal, Normal, kl_divergence, kl_divergence_vjp
from geomlat.grad import gradcheck
from geomlat.random import stream

SHAPES = [((4, 3), (4, 3)), ((3,), (4, 3)), ((4, 1), (3,)), ((2, 1, 3), (4, 3)), ((3,), ())]


def parameters(shapes, seed=0):
    gen = np.random.default_rng(seed)
    return gen.standard_normal(shapes[0]), gen.uniform(0.3, 1.2, shapes[1])


@pytest.mark.parametrize("shapes", SHAPES)
def test_density_entropy_and_moments(shapes):
    loc, scale = parameters(shapes)
    q, theirs, full = LogNormal(loc, scale), stats.lognorm(s=scale, scale=np.exp(loc)), np.broadcast_shapes(*shapes)
    assert q.batch_shape + q.event_shape == full
    x = np.random.default_rng(1).uniform(0.1, 5, (5, *full))
    np.testing.assert_allclose(q.log_prob(x), theirs.logpdf(x).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(q.entropy(), np.broadcast_to(theirs.entropy(), full).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(q.mean(), theirs.mean(), rtol=1e-13)
    # The mode of one coordinate is where its density does not change.
    one = LogNormal(q.log.mean()[..., :1], np.broadcast_to(scale, full)[..., :1])
    slope = one.log_prob_vjp(one.mode())[1](np.ones(one.batch_shape))[0]
    np.testing.assert_allclose(slope * one.mode(), 0, atol=1e-13)


def test_density_integrates_to_one():
    q = LogNormal(np.array([0.4]), 0.7)
    assert integrate.quad(lambda x: math.exp(q.log_prob(np.array([x]))), 0, np.inf)[0] == pytest.approx(1, rel=1e-8)


def test_outside_the_support():
    q = LogNormal(np.zeros(2), 1.0)
    x = np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 2.0]])
    value, pull = q.log_prob_vjp(x)
    assert np.array_equal(np.isneginf(value), [True, True, False])
    dx, dloc, dscale = pull(np.ones(3))
    inside = q.log_prob_vjp(x[2:])[1](np.ones(1))
    assert np.array_equal(dx, np.concatenate([np.zeros((2, 2)), inside[0]]))
    assert np.array_equal(dloc, inside[1])
    np.testing.assert_allclose(dscale, inside[2], rtol=1e-15)


def test_sampler():
    q = LogNormal(np.array([1.0, -2.0]), np.array([0.5, 1.3]))
    z = q.sample(50_000, rng=3)
    for j in range(2):
        assert stats.kstest(z[:, j], stats.lognorm(s=q.scale[j], scale=np.exp(q.loc[j])).cdf).pvalue > 1e-4
    assert np.array_equal(q.rsample(q.draw(7, rng=1)), q.sample((7,), rng=1))
    assert np.array_equal(q.sample(rng=4), np.exp(q.log.sample(rng=4)))
    loc = np.arange(30.0).reshape(10, 3)
    assert np.array_equal(LogNormal(loc, 1.0).sample(rng=9)[4:], LogNormal(loc[4:], 1.0).sample(rng=stream(9).at(4)))


@pytest.mark.parametrize("shapes", SHAPES)
def test_pullbacks(shapes):
    loc, scale = parameters(shapes)
    full = np.broadcast_shapes(*shapes)
    noise = LogNormal(loc, scale).draw((2,), rng=1)
    x = np.random.default_rng(2).uniform(0.2, 4, full)
    gradcheck(lambda a, b: LogNormal(a, b).rsample_vjp(noise), loc, scale, method="complex")
    for points in (x, x[..., :1, :] if len(full) > 1 else x):
        gradcheck(lambda x, a, b: LogNormal(a, b).log_prob_vjp(x), points, loc, scale, step=1e-3)
    gradcheck(lambda a, b: LogNormal(a, b).entropy_vjp(), loc, scale, method="complex")


def test_divergence():
    (a, b), (c, d) = parameters(((4, 3), (3,))), parameters(((3,), (2, 1, 3)), 7)
    q, p = LogNormal(a, b), LogNormal(c, d)
    np.testing.assert_allclose(kl_divergence(q, p), kl_divergence(Normal(a, b), Normal(c, d)), rtol=1e-15)
    assert np.array_equal(kl_divergence(q, q), np.zeros(4))
    one, other = LogNormal(np.array([0.4]), 0.7), LogNormal(np.array([-0.1]), 0.9)

    def integrand(x):
        at = np.array([x])
        return math.exp(one.log_prob(at)) * float(one.log_prob(at) - other.log_prob(at))

    assert float(kl_divergence(one, other)) == pytest.approx(integrate.quad(integrand, 0, np.inf)[0], rel=1e-7)

    def rule(*args):
        value, pull = kl_divergence_vjp(LogNormal(*args[:2]), LogNormal(*args[2:]))

        def flat(dk):
            dq, dp = pull(dk)
            return *dq, *dp

        return value, flat

    gradcheck(rule, a, b, c, d, method="complex")


def test_structural_zeros_and_float32():
    q = LogNormal(np.zeros((2, 3), np.float32), np.float32(2.0))
    z, pull = q.rsample_vjp(q.draw(rng=0))
    assert z.dtype == q.entropy().dtype == q.log_prob(z).dtype == q.mean().dtype == q.mode().dtype == np.float32
    assert [g.dtype for g in pull(z)] == [np.float32] * 2
    assert [g.dtype for g in q.log_prob_vjp(z)[1](q.log_prob(z))] == [np.float32] * 3
    assert [g.dtype for g in q.entropy_vjp()[1](q.entropy())] == [np.float32] * 2
    assert pull(None) == q.entropy_vjp()[1](None) == (None, None)
    assert q.log_prob_vjp(z)[1](None) == (None, None, None)
    assert kl_divergence_vjp(q, q)[1](None) == ((None, None), (None, None))


def test_fit():
    gen = np.random.default_rng(0)
    x, w = np.exp(gen.standard_normal((2, 30, 3))), gen.integers(1, 4, (2, 30))
    fit = LogNormal.fit(x)
    np.testing.assert_allclose(fit.loc, np.log(x).mean(1))
    np.testing.assert_allclose(fit.scale, np.log(x).std(1))
    weighted = LogNormal.fit(x, w.astype(float))
    np.testing.assert_allclose(weighted.scale[1], np.log(np.repeat(x[1], w[1], axis=0)).std(0), rtol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="LogNormal needs a positive finite scale"):
        LogNormal(np.zeros(3), np.array([1.0, 0.0, 2.0]))
    with pytest.raises(ValueError, match=r"LogNormal needs loc and scale .* broadcast"):
        LogNormal(np.zeros(3), np.ones(2))
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive points"):
            LogNormal.fit(np.array([[1.0], [bad]]))


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)

    def same(a, b):
        assert type(a) is not np.ndarray
        np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-13, atol=1e-15)

    loc, scale = parameters(((4, 3), (3,)))
    ours, q = LogNormal(loc, scale), LogNormal(xp.asarray(loc), xp.asarray(scale))
    z, pull = q.rsample_vjp(q.draw(rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw(rng=1))
    for got, want in zip((z, *pull(z)), (expected, *expected_pull(expected)), strict=True):
        same(got, want)
    value, pull = q.log_prob_vjp(z)
    for got, want in zip(pull(value), ours.log_prob_vjp(expected)[1](ours.log_prob(expected)), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(q.mean(), ours.mean())
    same(q.mode(), ours.mode())
    same(kl_divergence(q, q), np.zeros(4))
    same(LogNormal.fit(z).scale, LogNormal.fit(expected).scale)
