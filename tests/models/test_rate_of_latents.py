"""The rate: closed forms as they are, else the log-ratio at the draw, both with their pullbacks."""

import numpy as np
import pytest

from geomlat.distributions import Normal, WrappedNormal, kl_divergence
from geomlat.grad import add, gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Stereographic, Torus
from geomlat.models import rate_vjp


def test_closed_form():
    gen = np.random.default_rng(0)
    q, r = Normal(gen.standard_normal((4, 2)), gen.uniform(0.5, 2, (4, 2))), Normal(np.zeros(2), np.ones(2))
    rate, pull = rate_vjp(q, r, q.sample(rng=0))
    assert np.array_equal(rate, kl_divergence(q, r)[:, None])
    dq, dr, dz = pull(np.ones((4, 1)))
    assert dz is None
    assert [d.shape for d in (*dq, *dr)] == [(4, 2), (4, 2), (2,), (2,)]


def test_at_the_draw():
    """The whole rule through the draw, at frozen noise; its mean is the divergence."""
    manifold, gen = Hyperboloid(2), np.random.default_rng(1)
    loc, scale = manifold.random_point((3,), rng=2), gen.uniform(0.2, 0.6, (3, 2))
    noise = WrappedNormal(manifold, loc, scale).draw(rng=0)
    prior = WrappedNormal(manifold, manifold.origin(), np.array([1.0, 1.1]))

    def rule(loc, scale):
        q = WrappedNormal(manifold, loc, scale)
        z, pull_draw = q.rsample_vjp(noise)
        rate, pull_rate = rate_vjp(q, prior, z)

        def pull(drate):
            dq, _, dz = pull_rate(drate)
            return add(dq, pull_draw(dz))

        return rate, pull

    gradcheck(rule, loc, scale, step=1e-3)
    q = WrappedNormal(manifold, loc, np.array(0.5))
    p = WrappedNormal(manifold, manifold.origin(), np.array(1.0))
    rate = rate_vjp(q, p, q.sample(20_000, rng=3))[0]
    assert rate.shape == (20_000, 3, 1)
    error = rate.std(0) / np.sqrt(20_000)
    assert np.all(np.abs(rate.mean(0) - kl_divergence(q, p)[:, None]) < 4.5 * error)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("manifold", [Hyperboloid(2, -0.7), PoincareBall(3), Euclidean(2)], ids=repr)
def test_the_density_at_the_own_draw(manifold, full):
    """The density of the draw, and its derivative through the draw, without a logarithm of the point."""
    gen, n = np.random.default_rng(1), manifold.dim
    loc = manifold.random_point((3,), rng=2)
    scale = np.tril(gen.uniform(0.3, 0.9, (3, n, n))) if full else gen.uniform(0.3, 0.9, (3, n))
    q = WrappedNormal(manifold, loc, scale, full=full)
    noise = q.draw(4, rng=0)
    value, pull = q.log_prob_at_draw_vjp(noise)
    z, pull_draw = q.rsample_vjp(noise)
    log_q, pull_density = q.log_prob_vjp(z)
    assert q.injective
    np.testing.assert_allclose(value, log_q, rtol=1e-9)
    dl = gen.standard_normal(value.shape)
    dz, *direct = pull_density(dl)
    expected = add(tuple(direct), tuple(pull_draw(dz)))
    *_, dscale = pull(dl)
    np.testing.assert_allclose(dscale, expected[-1], rtol=1e-6, atol=1e-8)

    def rule(scale):
        law = WrappedNormal(manifold, loc, scale, full=full)
        value, pull = law.log_prob_at_draw_vjp(noise)
        return value, lambda dl: pull(dl)[-1:]

    gradcheck(rule, scale, step=1e-3)
    assert pull(None)[-2:] == (None, None)


def test_a_closed_space_has_no_such_density():
    for manifold in (Torus(2), Stereographic(2, np.array(0.3))):
        assert not WrappedNormal(manifold, manifold.origin(), np.array(0.3)).injective
    assert WrappedNormal(Stereographic(2, np.array(-0.3)), np.zeros(2), np.array(0.3)).injective


def test_narrow_laws_in_float32_have_their_rate():
    """A scale of 1e-6 four units from the origin: from the point the density would be off by hundreds of nats."""
    manifold = Hyperboloid(2)
    origin = manifold.origin(like=np.zeros(1, np.float32))
    loc = manifold.exp(origin, np.array([[0.0, 3.0, 2.6]], np.float32))
    noise = np.random.default_rng(0).standard_normal((50, 1, 2)).astype(np.float32)
    rates = []
    for dtype in (np.float32, np.float64):
        q = WrappedNormal(manifold, manifold.project(loc.astype(dtype)), np.full((1, 2), 1e-6, dtype))
        r = WrappedNormal(manifold, origin.astype(dtype), np.ones(1, dtype))
        rates.append(rate_vjp(q, r, q.rsample(noise.astype(dtype)), noise=noise.astype(dtype))[0])
    assert rates[0].dtype == np.float32
    np.testing.assert_allclose(*rates, atol=1e-3)
