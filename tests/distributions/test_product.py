"""The product of laws: the sums of its parts, its draws, its divergences factor by factor, and its pullbacks."""

import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import unit_rows

from geomlat.distributions import (
    Normal,
    ProductDistribution,
    SphericalUniform,
    VonMisesFisher,
    WrappedNormal,
    factor_kl,
    factor_kl_vjp,
    kl_divergence,
    kl_divergence_vjp,
    kl_estimate,
    kl_estimate_vjp,
    kl_method,
)
from geomlat.grad import add, gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, Product, Sphere
from geomlat.models import rate_vjp
from geomlat.random import stream

GEN = np.random.default_rng(0)
PARAMETERS = (
    unit_rows(GEN, 3, 4),
    GEN.uniform(1, 9, 3),
    GEN.standard_normal((3, 2)),
    GEN.uniform(0.5, 2, (3, 2)),
    Hyperboloid(2).random_point((3,), rng=GEN),
    GEN.uniform(0.3, 1, (3, 1)),
)
OTHERS = (unit_rows(GEN, 4), np.array(2.0), np.zeros(2), np.ones(2), Hyperboloid(2).origin(), np.array([1.0]))


def product(*p):
    return ProductDistribution(
        VonMisesFisher(p[0], p[1]), Normal(p[2], p[3]), WrappedNormal(Hyperboloid(2), p[4], p[5])
    )


def flat(tree):
    return tuple(leaf for part in tree for leaf in part)


Q, P = product(*PARAMETERS), product(*OTHERS)


def test_sums_of_the_parts():
    x = Q.sample((5,), rng=1)
    assert Q.batch_shape == (3,)
    assert P.batch_shape == ()
    assert x.shape == (5, 3, 9)
    parts = Q.split(x)
    each = np.stack([f.log_prob(a) for f, a in zip(Q.factors, parts, strict=True)], -1)
    assert np.array_equal(Q.factor_log_prob(x), each)
    assert np.array_equal(Q.log_prob(x), each.sum(-1))
    assert np.array_equal(Q.join(parts), x)
    assert np.array_equal(Q.mean(), np.concatenate([f.mean() for f in Q.factors], -1))
    assert np.array_equal(Q.mode(), np.concatenate([f.mode() for f in Q.factors], -1))
    flat_parts = ProductDistribution(*Q.factors[:2])
    assert np.array_equal(flat_parts.entropy(), Q.factors[0].entropy() + Q.factors[1].entropy())
    manifold = Product(Sphere(3), Euclidean(2), Hyperboloid(2))
    assert manifold.ambient_shape == Q.event_shape
    assert np.all(manifold.contains(x, atol=1e-9))
    wrapped = WrappedNormal(manifold, manifold.random_point(rng=2), np.full(7, 0.4))
    split = [
        WrappedNormal(f, a, np.array(0.4)) for f, a in zip(manifold.factors, manifold.split(wrapped.loc), strict=True)
    ]
    np.testing.assert_allclose(ProductDistribution(*split).log_prob(x), wrapped.log_prob(x), rtol=1e-12)


def test_draws():
    """Independent parts, independent rows also where a factor has no batch, and the same draws for any split."""
    q = ProductDistribution(Q.factors[0], P.factors[1])
    x = q.sample(4000, rng=3)
    assert x.shape == (4000, 3, 6)
    r = np.corrcoef(x.reshape(4000, -1).T)
    assert np.max(np.abs(r[4:6, 10:12])) < 5 / np.sqrt(4000)
    assert np.max(np.abs(r[:4, 4:6])) < 5 / np.sqrt(4000)
    assert stats.kstest(x[:, 2, 5], "norm").pvalue > 1e-4
    assert np.array_equal(Q.sample((2, 3), rng=7)[1], Q.sample(3, rng=stream(7).at(9)))
    assert np.array_equal(Q.rsample_vjp(Q.draw(4, rng=1))[0], Q.sample(4, rng=1))
    same = ProductDistribution(P.factors[1], P.factors[1]).sample(9, rng=0)
    assert not np.any(same[:, :2] == same[:, 2:])


def test_pullbacks():
    x, noise = Q.sample(2, rng=4), Q.draw(2, rng=5)

    def density(x, *p):
        value, pull = product(*p).log_prob_vjp(x)
        return value, lambda dl: (pull(dl)[0], *flat(pull(dl)[1:]))

    gradcheck(density, x, *PARAMETERS, step=1e-3, directions=1)
    assert np.array_equal(Q.log_prob(x), Q.log_prob_vjp(x)[0])
    assert Q.log_prob_vjp(x)[1](None) == (None, (None, None), (None, None), (None, None))
    z, pull = Q.rsample_vjp(noise)
    dz = GEN.standard_normal(z.shape)
    for got, f, e, d in zip(pull(dz), Q.factors, noise, Q.split(dz), strict=True):
        for a, b in zip(got, f.rsample_vjp(e)[1](d), strict=True):
            assert np.array_equal(a, b)
    assert pull(None) == ((None, None),) * 3
    score = ProductDistribution(VonMisesFisher(PARAMETERS[0], PARAMETERS[1], "score"), Q.factors[1])
    _, pull = score.rsample_vjp(score.draw(rng=0))
    with pytest.raises(ValueError, match="advantage"):
        pull(np.ones((3, 6)))
    assert np.all(np.isfinite(pull(np.ones((3, 6)), advantage=np.ones(3))[0][1]))

    def entropy(kappa, scale):
        value, pull = ProductDistribution(
            VonMisesFisher(PARAMETERS[0], kappa), Normal(PARAMETERS[2], scale), SphericalUniform(2)
        ).entropy_vjp()
        return value, lambda dh: (pull(dh)[0][1], pull(dh)[1][1])

    gradcheck(entropy, PARAMETERS[1], PARAMETERS[3], step=1e-3)
    assert ProductDistribution(Q.factors[1], SphericalUniform(2)).entropy_vjp()[1](None) == ((None, None), ())


def test_divergence_of_each_factor():
    each = factor_kl(Q, P)
    assert each.shape == (3, 3)
    for i, (a, b) in enumerate(zip(Q.factors, P.factors, strict=True)):
        assert np.array_equal(each[:, i], kl_divergence(a, b))
    assert np.array_equal(kl_divergence(Q, P), each.sum(-1))
    assert kl_method(Q, P) == "quadrature"
    assert kl_method(*(ProductDistribution(*d.factors[:2]) for d in (Q, P))) == "closed form"
    assert kl_method(ProductDistribution(Q.factors[0]), ProductDistribution(Q.factors[1])) is None
    assert kl_method(Q, ProductDistribution(*P.factors[:2])) is None

    def rule(*p):
        value, pull = kl_divergence_vjp(product(*p[:6]), product(*p[6:]))

        def back(dk):
            dq, dp = pull(dk)
            return *flat(dq), *flat(dp)

        return value, back

    gradcheck(rule, *PARAMETERS, *OTHERS, step=1e-3, directions=1)

    def columns(*p):
        value, pull = factor_kl_vjp(product(*p[:6]), product(*p[6:]))

        def back(dk):
            dq, dp = pull(dk)
            return *flat(dq), *flat(dp)

        return value, back

    gradcheck(columns, *PARAMETERS, *OTHERS, step=1e-3, directions=1)
    zeros = ((None, None),) * 3
    assert factor_kl_vjp(Q, P)[1](None) == (zeros, zeros)
    uniform = ProductDistribution(SphericalUniform(3), *P.factors[1:])
    assert factor_kl_vjp(Q, uniform)[1](np.ones((3, 3)))[1][0] == ()
    estimate = kl_estimate(Q, ProductDistribution(*P.factors[:2], Normal(np.zeros(3), np.ones(3))), draws=50, rng=0)
    assert estimate.method == "Monte Carlo"
    narrow = product(*(a.astype(np.float32) for a in PARAMETERS))
    assert narrow.log_prob(narrow.sample(rng=0)).dtype == kl_divergence(narrow, narrow).dtype == np.float32
    with pytest.raises(ValueError, match="as many factors"):
        factor_kl(Q, ProductDistribution(*P.factors[:2]))


def test_estimate_pulls_through_every_factor():
    noise = Q.draw(4, rng=2)
    other = ProductDistribution(*P.factors[:2], WrappedNormal(Hyperboloid(2), OTHERS[4], np.array([0.8, 1.2])))

    def rule(*p):
        value, pull = kl_estimate_vjp(product(PARAMETERS[0], PARAMETERS[1], *p), other, noise)
        return value.value, lambda dk: flat(pull(dk)[0][1:])

    gradcheck(rule, *PARAMETERS[2:], step=1e-3, directions=1)


def test_rate_of_a_product():
    """One column for each factor; closed forms leave z alone, the others pull on their part of it."""
    noise = Q.draw(rng=1)

    def rule(*p):
        q = product(PARAMETERS[0], PARAMETERS[1], *p)
        z, pull_draw = q.rsample_vjp(noise)
        rate, pull_rate = rate_vjp(q, P, z)

        def pull(drate):
            dq, _, dz = pull_rate(drate)
            return flat(add(dq, pull_draw(dz))[1:])

        return rate, pull

    gradcheck(rule, *PARAMETERS[2:], step=1e-3, directions=1)
    z = Q.rsample(noise)
    rate, pull = rate_vjp(Q, P, z)
    assert np.array_equal(rate[:, :2], factor_kl(Q, P)[:, :2])
    assert np.array_equal(rate[:, 2], Q.factors[2].log_prob(z[:, 6:]) - P.factors[2].log_prob(z[:, 6:]))
    dz = pull(np.ones((3, 3)))[2]
    assert not dz[:, :6].any()
    closed = [ProductDistribution(*d.factors[:2]) for d in (Q, P)]
    assert rate_vjp(*closed, z[:, :6])[1](np.ones((3, 2)))[2] is None


def test_bad_input():
    with pytest.raises(ValueError, match="one batch shape"):
        ProductDistribution(Q.factors[0], Normal(np.zeros((2, 2)), np.ones(2)))
    with pytest.raises(ValueError, match="one batch shape"):
        ProductDistribution()
    with pytest.raises(ValueError, match=r"\(\.\.\., 9\)"):
        Q.log_prob(np.zeros(8))
