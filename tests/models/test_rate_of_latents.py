"""The rate: closed forms as they are, else the log-ratio at the draw, both with their pullbacks."""

import numpy as np

from geomlat.distributions import Normal, WrappedNormal, kl_divergence
from geomlat.grad import add, gradcheck
from geomlat.manifolds import Hyperboloid
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
