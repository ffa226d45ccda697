"""The distributions on other array libraries."""

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import (
    Normal,
    SphericalUniform,
    VonMisesFisher,
    WrappedNormal,
    kl_divergence,
    kl_divergence_vjp,
)
from geomlat.manifolds import Sphere


@pytest.fixture(params=["torch", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def same(a, b):
    assert type(a) is not np.ndarray
    np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("estimator", ["implicit", "rejection", "score"])
def test_von_mises_fisher(xp, m, estimator):
    gen = np.random.default_rng(0)
    mu, kappa, dz, cost = unit_rows(gen, 4, m), gen.uniform(0, 9, 4), gen.standard_normal((2, 4, m)), np.ones((2, 4))
    ours = VonMisesFisher(mu, kappa, estimator)
    q = VonMisesFisher(xp.asarray(mu), xp.asarray(kappa), estimator)
    same(q.sample((2,), rng=1), ours.sample((2,), rng=1))
    z, pull = q.rsample_vjp(q.draw((2,), rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw((2,), rng=1))
    same(z, expected)
    for got, want in zip(
        pull(xp.asarray(dz), advantage=xp.asarray(cost)), expected_pull(dz, advantage=cost), strict=True
    ):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    same(log_q, ours.log_prob(expected))
    for got, want in zip(pull(xp.asarray(cost)), ours.log_prob_vjp(expected)[1](cost), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(q.mean(), ours.mean())
    same(kl_divergence(q, SphericalUniform(m - 1)), kl_divergence(ours, SphericalUniform(m - 1)))
    value, pull = kl_divergence_vjp(q, q)
    same(value, np.zeros(4))
    same(pull(xp.asarray(cost[0]))[0][1], np.zeros(4))
    same(SphericalUniform(m - 1).log_prob(z), SphericalUniform(m - 1).log_prob(expected))
    fit = VonMisesFisher.fit(z)
    same(fit.kappa, VonMisesFisher.fit(expected).kappa)


def test_normal(xp):
    gen = np.random.default_rng(0)
    loc, scale = gen.standard_normal((4, 3)), gen.uniform(0.5, 2, 3)
    ours, q = Normal(loc, scale), Normal(xp.asarray(loc), xp.asarray(scale))
    same(q.sample(2, rng=1), ours.sample(2, rng=1))
    z, pull = q.rsample_vjp(q.draw(rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw(rng=1))
    for got, want in zip(pull(z), expected_pull(expected), strict=True):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    for got, want in zip(pull(log_q), ours.log_prob_vjp(expected)[1](ours.log_prob(expected)), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(kl_divergence(q, q), np.zeros(4))
    same(Normal.fit(z).scale, Normal.fit(expected).scale)


@pytest.mark.parametrize("full", [False, True])
def test_wrapped_normal(xp, full):
    gen = np.random.default_rng(0)
    loc, scale = unit_rows(gen, 4, 3), gen.uniform(0.5, 2, (4, 2))
    scale = np.linalg.cholesky(np.eye(2) + 0.3 * scale[:, :, None] * scale[:, None, :]) if full else scale
    ours = WrappedNormal(Sphere(2), loc, scale, full=full)
    q = WrappedNormal(Sphere(2), xp.asarray(loc), xp.asarray(scale), full=full)
    z, pull = q.rsample_vjp(q.draw(2, rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw(2, rng=1))
    same(z, expected)
    for got, want in zip(pull(z)[1:], expected_pull(expected)[1:], strict=True):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    log_ours, pull_ours = ours.log_prob_vjp(expected)
    same(log_q, log_ours)
    for got, want in zip(pull(log_q)[::2], pull_ours(log_ours)[::2], strict=True):
        same(got, want)
    same(q.mean(), loc)
