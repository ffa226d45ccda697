"""The von Mises law on angles: density, sampler, implicit gradient, divergences, fit."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import cdf_of_t, mp_cdf, panels

from geomlat.distributions import SphericalUniform, VonMises, VonMisesFisher, kl_divergence, kl_divergence_vjp
from geomlat.grad import gradcheck
from geomlat.random import stream
from geomlat.special import vmf_dratio

LEVEL = 1e-3
SHAPES = [((4, 3), (4, 3)), ((3,), (4, 3)), ((4, 1), (3,)), ((2, 1, 3), (4, 3)), ((3,), ())]
KAPPA = [0.0, 1e-6, 0.5, 3.0, 40.0, 1e4, 1e8]


def parameters(shapes, seed=0):
    gen = np.random.default_rng(seed)
    return gen.uniform(-3, 3, shapes[0]), gen.uniform(0.2, 8, shapes[1])


@pytest.mark.parametrize("shapes", SHAPES)
def test_agrees_with_scipy(shapes):
    loc, kappa = parameters(shapes)
    q, full = VonMises(loc, kappa), np.broadcast_shapes(*shapes)
    assert q.batch_shape + q.event_shape == full
    x = np.random.default_rng(1).uniform(-9, 9, (5, *full))
    np.testing.assert_allclose(q.log_prob(x), stats.vonmises(kappa, loc=loc).logpdf(x).sum(-1), rtol=1e-12, atol=1e-12)
    theirs = np.broadcast_to(stats.vonmises(kappa).entropy(), full).sum(-1)
    np.testing.assert_allclose(q.entropy(), theirs, rtol=1e-12, atol=1e-12)
    assert np.array_equal(q.mean(), np.broadcast_to(loc, full))
    assert np.array_equal(q.mode(), q.mean())


@pytest.mark.parametrize("kappa", [0.0, 0.3, 5.0, 1e4])
def test_density_and_entropy_by_quadrature(kappa):
    q = VonMises(np.array([0.7]), kappa)
    width = min(math.pi, 14 / math.sqrt(max(kappa, 1e-9)))
    x, weight = panels(0.7 - width, 0.7 + width, 200, 16)
    log_q = q.log_prob(x[:, None])
    mass = weight * np.exp(log_q)
    assert mass.sum() == pytest.approx(1, rel=1e-12)
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


def test_draws():
    loc, kappa = parameters(((10, 3), (10, 1)))
    q = VonMises(loc, kappa)
    z = q.sample((4,), rng=1)
    assert z.shape == (4, 10, 3)
    assert np.array_equal(q.rsample(q.draw(4, rng=1)), z)
    rest = VonMises(loc[4:], kappa[4:]).sample(rng=stream(9).at(4))
    assert np.array_equal(q.sample(rng=9)[4:], rest)
    full = VonMises(loc, np.broadcast_to(kappa, (10, 3)).copy()).sample((4,), rng=1)
    assert np.array_equal(full, z)
    assert VonMises(np.empty((0, 2)), 1.0).sample(3, rng=0).shape == (3, 0, 2)
    coordinates = VonMises(np.zeros(2), 2.0).sample(20_000, rng=3)
    assert abs(np.corrcoef(coordinates.T)[0, 1]) < 4 / math.sqrt(20_000)


# ---- pullbacks ----


@pytest.mark.parametrize("shapes", SHAPES)
def test_pullbacks(shapes):
    loc, kappa = parameters(shapes)
    full = np.broadcast_shapes(*shapes)
    x = np.random.default_rng(2).uniform(-4, 4, full)
    gradcheck(lambda x, a, b: VonMises(a, b).log_prob_vjp(x), x, loc, kappa, step=1e-3)
    noise = VonMises(loc, kappa).draw((2,), rng=1)

    def place(loc):
        z, pull = VonMises(loc, kappa).rsample_vjp(noise)
        return (np.cos(z), np.sin(z)), lambda d: pull(-d[0] * np.sin(z) + d[1] * np.cos(z))[0]

    gradcheck(place, loc, step=1e-3)

    def entropy(kappa):
        value, pull = VonMises(loc, kappa).entropy_vjp()
        return value, lambda dh: pull(dh)[1]

    gradcheck(entropy, kappa, step=1e-3)


@pytest.mark.parametrize("kappa", [0.4, 2.0, 30.0])
def test_implicit_kappa_at_a_frozen_level(kappa):
    """Re-solve F(angle; kappa) = const at kappa +- h with mpmath, and difference the angles."""
    q = VonMises(np.zeros(3), kappa)
    z, pull = q.rsample_vjp(q.draw(rng=7))
    for j in range(3):
        with mp.workdps(40):
            theta, h = mp.mpf(abs(float(z[j]))), mp.mpf(10) ** -8
            level = mp_cdf(2, kappa, theta)[0]

            def solved(k, start=theta, level=level):
                for _ in range(3):
                    value, slope = mp_cdf(2, k, start)
                    start -= (value - level) / slope
                return start

            slope = float((solved(mp.mpf(kappa) + h) - solved(mp.mpf(kappa) - h)) / (2 * h))
        got = pull(np.eye(3)[j])[1]
        assert float(got) == pytest.approx(slope * math.copysign(1, z[j]), rel=1e-9)


@pytest.mark.parametrize("kappa", [0.3, 2.0, 50.0])
def test_unbiased(kappa):
    """d/dkappa of E cos(x - c) is A' cos(c)."""
    q = VonMises(np.zeros((50_000, 1)), np.full((50_000, 1), kappa))
    z, pull = q.rsample_vjp(q.draw(rng=5))
    g = pull(-np.sin(z - 0.8))[1]
    exact = float(vmf_dratio(2.0, kappa)) * math.cos(0.8)
    assert abs(g.mean() - exact) < stats.norm.isf(LEVEL / 6) * g.std() / math.sqrt(len(g))


def test_edges_structural_zeros_and_float32():
    q = VonMises(np.zeros((2, 3), np.float32), np.array([0.0, 2.0, 1e6], np.float32))
    z, pull = q.rsample_vjp(q.draw(rng=0))
    value, pull_density = q.log_prob_vjp(z)
    grown = (*pull(z), *pull_density(value), q.entropy_vjp()[1](q.entropy())[1])
    for a in (z, value, q.entropy(), q.mean(), kl_divergence(q, q), *grown):
        assert a.dtype == np.float32
        assert np.all(np.isfinite(a))
    assert pull(None) == q.entropy_vjp()[1](None) == (None, None)
    assert pull_density(None) == (None, None, None)
    assert kl_divergence_vjp(q, q)[1](None) == ((None, None), (None, None))
    one = VonMises(np.zeros(1), np.array([[0.0], [1e-300], [1e12]]))
    z, pull = one.rsample_vjp(one.draw(50, rng=1))
    assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(z)))


# ---- divergences, fit, errors ----


def test_divergences():
    (a, b), (c, d) = parameters(((4, 3), (3,))), parameters(((3,), (2, 1, 3)), 7)
    q, p = VonMises(a, b), VonMises(c, d)
    x = 2 * math.pi * np.arange(400) / 400
    total = 0.0
    for j in range(3):
        one, other = VonMises(a[:, j : j + 1], b[j : j + 1]), VonMises(c[j : j + 1], d[..., j : j + 1])
        grid = x[:, None, None, None]
        log_q = one.log_prob(grid)
        total = total + (np.exp(log_q) * (log_q - other.log_prob(grid))).sum(0) * (2 * math.pi / 400)
    np.testing.assert_allclose(kl_divergence(q, p), total, rtol=1e-12)
    assert np.array_equal(kl_divergence(q, q), np.zeros(4))
    one = VonMises(np.array([[0.3], [1.0]]), np.array([2.0]))
    uniform = SphericalUniform(1)
    np.testing.assert_allclose(kl_divergence(one, uniform), uniform.entropy() - one.entropy(), rtol=1e-13)
    np.testing.assert_allclose(kl_divergence(one, VonMises(np.zeros(1), 0.0)), kl_divergence(one, uniform), rtol=1e-13)
    for bad in ((q, uniform), (one, SphericalUniform(2))):
        with pytest.raises(ValueError, match=r"SphericalUniform\(1\)"):
            kl_divergence(*bad)

    def rule(*args):
        value, pull = kl_divergence_vjp(VonMises(*args[:2]), VonMises(*args[2:]))

        def flat(dk):
            dq, dp = pull(dk)
            return *dq, *dp

        return value, flat

    gradcheck(rule, a, b, c, d, step=1e-3)

    def to_uniform(kappa):
        value, pull = kl_divergence_vjp(VonMises(one.loc, kappa), uniform)
        return value, lambda dk: pull(dk)[0][1]

    gradcheck(to_uniform, np.array([2.0]), step=1e-3)
    assert kl_divergence_vjp(one, uniform)[1](None) == ((None, None), ())


@pytest.mark.parametrize("kappa", [0.3, 4.0, 1e3, 1e7])
def test_fit_recovers(kappa):
    n = 20_000
    x = VonMises(np.array([3.0]), kappa).sample(n, rng=2)
    fit = VonMises.fit(x)
    assert abs(float(fit.kappa[0]) - kappa) < 4.5 / math.sqrt(n * float(vmf_dratio(2.0, kappa)))
    _, dloc, dkappa = fit.log_prob_vjp(x)[1](np.full(n, 1 / n))
    assert abs(float(dloc[0])) < 1e-11 * max(1, kappa)
    assert abs(float(dkappa[0])) < 1e-11


def test_fit_weights_batches_and_errors():
    gen = np.random.default_rng(0)
    x, w = gen.normal(0, 1, (2, 30, 3)), gen.integers(1, 4, (2, 30))
    fit = VonMises.fit(x, w.astype(float))
    assert fit.loc.shape == (2, 3)
    repeated = VonMises.fit(np.repeat(x[1], w[1], axis=0))
    np.testing.assert_allclose(fit.loc[1], repeated.loc, rtol=1e-12)
    np.testing.assert_allclose(fit.kappa[1], repeated.kappa, rtol=1e-12)
    assert VonMises.fit(x.astype(np.float32)).kappa.dtype == np.float32
    with pytest.raises(ValueError, match="coincide"):
        VonMises.fit(np.full((4, 1), 0.5))
    with pytest.raises(ValueError, match="k > 0"):
        VonMises.fit(np.empty((0, 1)))
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="kappa must be finite and >= 0"):
            VonMises(np.zeros(3), bad)
    for shapes in (((3,), (2,)), ((), ())):
        with pytest.raises(ValueError, match="broadcast"):
            VonMises(np.zeros(shapes[0]), np.ones(shapes[1]))
    with pytest.raises(TypeError, match="float32 or float64"):
        VonMises(np.zeros(3, np.float16), np.float16(1.0))


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)

    def same(a, b):
        assert type(a) is not np.ndarray
        np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-12, atol=1e-14)

    loc, kappa = parameters(((4, 1), (4, 1)))
    ours, q = VonMises(loc, kappa), VonMises(xp.asarray(loc), xp.asarray(kappa))
    z, pull = q.rsample_vjp(q.draw((2,), rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw((2,), rng=1))
    for got, want in zip((z, *pull(z)), (expected, *expected_pull(expected)), strict=True):
        same(got, want)
    value, pull = q.log_prob_vjp(z)
    for got, want in zip(pull(value), ours.log_prob_vjp(expected)[1](ours.log_prob(expected)), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(kl_divergence(q, q), np.zeros(4))
    same(kl_divergence(q, SphericalUniform(1)), kl_divergence(ours, SphericalUniform(1)))
    same(VonMises.fit(z).kappa, VonMises.fit(expected).kappa)
