"""The VampPrior: its density, its memory, its draws, where its pseudo-inputs start."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats

from geomlat.distributions import Normal, PowerSpherical, ProductDistribution, VonMisesFisher, WrappedNormal
from geomlat.distributions.pairs import LIMIT, log_prob_pairs, log_prob_pairs_vjp
from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, Sphere
from geomlat.models import AggregatePosterior, vae
from geomlat.optim import Adam
from geomlat.random import stream


def mixture(scale, k=60, d=40, n=30, dtype=np.float64):
    """Components of some scale, points from them, and the log-density in float64, one pair after the other."""
    gen = np.random.default_rng(0)
    loc, s = gen.standard_normal((k, d)), scale * gen.uniform(0.5, 1.5, (k, d))
    logits = gen.standard_normal(k)
    log_weights = logits - np.log(np.exp(logits).sum())
    chosen = gen.integers(0, k, n)
    z = loc[chosen] + 1.2 * s[chosen] * gen.standard_normal((n, d))
    log_weights, loc, s, z = (a.astype(dtype).astype(float) for a in (log_weights, loc, s, z))
    joint = scipy.stats.norm.logpdf(z[:, None], loc, s).sum(-1) + log_weights
    r = AggregatePosterior(log_weights.astype(dtype), Normal(loc.astype(dtype), s.astype(dtype)))
    return r, z.astype(dtype), np.logaddexp.reduce(joint, axis=-1)


@pytest.mark.parametrize("scale", [3.0, 0.3, 0.01, 1e-4])
def test_the_density_is_the_log_sum_exp_for_any_scale(scale):
    r, z, expected = mixture(scale)
    np.testing.assert_allclose(r.log_prob(z), expected, rtol=1e-12)
    r, z, expected = mixture(scale, dtype=np.float32)
    found = r.log_prob(z)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_a_density_of_zero_is_no_nan():
    """Power spherical laws vanish at the opposite of their mean."""
    mu = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    z, kappa = -mu[:1], np.array([5.0, 9.0, 2.0])
    r = AggregatePosterior(np.log([0.5, 0.5]), PowerSpherical(mu[:2], kappa[:2]))
    value, pull = r.log_prob_vjp(z)
    dz, dlog, dq = pull(np.ones(1))
    np.testing.assert_array_equal(value, -np.inf)
    for d in (dz, dlog, *dq):
        np.testing.assert_array_equal(d, 0.0)
    r = AggregatePosterior(np.log([0.3, 0.3, 0.4]), PowerSpherical(mu, kappa))
    value, pull = r.log_prob_vjp(z)
    np.testing.assert_allclose(value, np.log(0.4) + PowerSpherical(mu[2:], kappa[2:]).log_prob(z), rtol=1e-15)
    np.testing.assert_array_equal(pull(np.ones(1))[1], [0.0, 0.0, 1.0])


def test_gradients_in_float32_are_close_at_small_scales():
    exact, z, _ = mixture(0.01)
    single, z32, _ = mixture(0.01, dtype=np.float32)
    dl = np.ones(len(z))
    (dx, _, dq), (dx32, _, dq32) = exact.log_prob_vjp(z)[1](dl), single.log_prob_vjp(z32)[1](dl.astype("f"))
    for a, b in zip((dx, *dq), (dx32, *dq32), strict=True):
        assert b.dtype == np.float32
        assert np.abs(a - b).max() < 2e-3 * np.abs(a).max()


def law(name, k, d):
    gen = np.random.default_rng(0)
    if name == "normal":
        return Normal(gen.standard_normal((k, d)), np.full((k, d), 0.5))
    if name == "vmf":
        return VonMisesFisher(Sphere(d - 1).random_point((k,), rng=0), np.full(k, 9.0))
    if name == "power":
        return PowerSpherical(Sphere(d - 1).random_point((k,), rng=0), np.full(k, 9.0))
    if name == "hyperboloid":
        space = Hyperboloid(d - 1)
        return WrappedNormal(space, space.random_point((k,), rng=0), np.full((k, d - 1), 0.5))
    factor = 0.3 * np.tril(gen.standard_normal((k, d, d)), -1) + np.eye(d)
    return WrappedNormal(Euclidean(d), gen.standard_normal((k, d)), factor, full=True)


@pytest.mark.parametrize(
    ("name", "k", "d"),
    [("normal", 100, 40), ("vmf", 100, 40), ("power", 100, 40), ("hyperboloid", 30, 21), ("full", 40, 12)],
)
def test_memory_is_that_of_the_pairs_and_a_block(name, k, d):
    q = law(name, k, d)
    r = AggregatePosterior(np.full(k, -np.log(k)), q)

    def peak(n):
        z = np.array(q.sample(-(-n // k), rng=1)).reshape(-1, *q.event_shape)[:n]
        tracemalloc.start()
        value, pull = r.log_prob_vjp(z)
        pull(value)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(1000), peak(3000)
    # An array of the pairs' coordinates would take 8 x 2000 x k x d bytes more: 64 MB for forty coordinates.
    assert large - small < 5 * 8 * 2000 * k + 10 * 8 * 2000 * d
    assert small < 5 * 8 * 1000 * k + 10 * 8 * 1000 * d + 20 * 8 * LIMIT


def test_pairs_of_products_are_sums_over_the_factors():
    gen = np.random.default_rng(0)
    q = ProductDistribution(
        Normal(gen.standard_normal((6, 2)), 0.1 + gen.uniform(size=(6, 2))),
        VonMisesFisher(Sphere(2).random_point((6,), rng=0), gen.uniform(0.0, 20.0, 6)),
        WrappedNormal(
            Euclidean(2), gen.standard_normal((6, 2)), np.eye(2) + 0.1 * gen.uniform(size=(6, 2, 2)), full=True
        ),
    )
    x = q.sample(4, rng=3)[:, 0]
    expected = np.stack([q.log_prob(point) for point in x])
    np.testing.assert_allclose(log_prob_pairs(q, x), expected, rtol=1e-12, atol=1e-12)
    _, pull = log_prob_pairs_vjp(q, x)
    dl = gen.standard_normal((4, 6))
    dx, *dq = pull(dl)
    value, back = q.log_prob_vjp(x[:, None])
    ex, *eq = back(dl)
    # Cotangents of unit vectors agree along the sphere; off it they depend on the formula.
    along, mu = Sphere(2).to_tangent, q.factors[1].mu
    for part in dx, ex[:, 0]:
        part[:, 2:5] = along(x[:, 2:5], part[:, 2:5])
    np.testing.assert_allclose(dx, ex[:, 0], rtol=1e-9, atol=1e-9)
    (gaussian, (dmu, dkappa), full), (egaussian, (emu, ekappa), efull) = dq, eq
    found, wanted = (*gaussian, along(mu, dmu), dkappa, *full), (*egaussian, along(mu, emu), ekappa, *efull)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert value.shape == (4, 6)


def test_normal_pairs_with_a_tied_scale_are_gradchecked_alone():
    gen = np.random.default_rng(0)
    x, loc, scale = gen.standard_normal((4, 3)), gen.standard_normal((5, 3)), 0.5 + gen.uniform(size=(5, 1))
    gradcheck(lambda x, loc, scale: log_prob_pairs_vjp(Normal(loc, scale), x), x, loc, scale)


@pytest.mark.parametrize("words", ["", ":weights"])
def test_draws_take_components_by_weight_and_then_the_decoder(words):
    model = vae(3, latent="e1", hidden=(3,), prior=f"vamp:4{words}")
    theta = model.init(rng=0)
    p = model.view(theta)
    # The encoder reads off the first pixel: locations 0, 1/3, 2/3, 1 with a standard deviation of 0.02.
    p["posterior.network.layers.0.weight"][...] = np.eye(3)
    p["posterior.latent.loc_sd.weight"][...] = [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    p["posterior.latent.loc_sd.bias"][...] = [0.0, np.log(np.expm1(0.02))]
    p["prior.pseudo_inputs"][...] = (np.arange(4) / 3)[:, None]
    weights = np.full(4, 0.25)
    if words:
        weights = np.array([0.5, 0.3, 0.15, 0.05])
        p["prior.logits"][...] = np.log(weights) + 3.0
    r = model.prior.vjp(p)[0]
    np.testing.assert_allclose(r.components.loc[:, 0], np.arange(4) / 3, rtol=1e-12)
    np.testing.assert_allclose(np.exp(r.log_weights), weights, rtol=1e-12)
    z = r.sample(20000, rng=0)[:, 0]
    counts = np.bincount(np.rint(3 * z).astype(int), minlength=4)
    assert scipy.stats.chisquare(counts, 20000 * weights).pvalue > 1e-3
    assert z[np.rint(3 * z) == 2].std() == pytest.approx(0.02, rel=0.05, abs=0.0)
    model.fitted(theta)
    latent = r.sample((50,), rng=stream(3).child("latent"))
    np.testing.assert_array_equal(model.sample(50, rng=3, mean=True), model.decode(theta, latent))


@pytest.mark.parametrize("latent", ["e20", "s20", "h20", "s2,u2,t2,e2:full"])
def test_draws_come_in_blocks(latent, monkeypatch):
    """A component with all the weight has all draws: at once there would be ten thousand of each of the hundred."""
    k, n = 100, 10_000
    model = vae(5, latent=latent, hidden=(4,), prior=f"vamp:{k}")
    components = model.prior.vjp(model.view(model.init(rng=0, dtype=np.float32)))[0].components
    weights = np.concatenate([[0.99], np.full(k - 1, 0.01 / (k - 1))])
    r = AggregatePosterior(np.log(weights).astype(np.float32), components)
    tracemalloc.start()
    z = r.sample(n, rng=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert z.shape == (n, model.code_width)
    assert peak < 10 * 8 * (LIMIT + z.size)
    small = r.sample((20, 3), rng=1)
    for limit in (1, 3 * k * model.code_width):
        monkeypatch.setattr("geomlat.models.vamp.LIMIT", limit)
        np.testing.assert_array_equal(r.sample((20, 3), rng=1), small)
    assert r.sample(0, rng=1).shape == (0, model.code_width)


def test_a_training_starts_pseudo_inputs_from_its_data():
    x = np.random.default_rng(0).integers(0, 256, (40, 6)).astype(np.uint8)
    settings = {"epochs": 1, "rng": 0, "optimizer": Adam(1e-30), "progress": False}

    def pseudo(prior, **more):
        model = vae(6, hidden=(5,), latent="e2", likelihood="logistic", prior=prior).fit(x, **settings, **more)
        return model.prior.pseudo_inputs(model.view(model.theta))

    rows = {row.tobytes() for row in x}
    start = pseudo("vamp:7:data")
    assert all(row.tobytes() in rows for row in np.rint(start).astype(np.uint8))
    assert len({row.tobytes() for row in start}) == 7
    np.testing.assert_allclose(start, np.rint(start), atol=1e-4)
    assert np.abs(pseudo("vamp:7") - np.rint(pseudo("vamp:7"))).max() > 0.1
    shifted = pseudo("vamp:7:data", prepare=lambda batch, rng: (batch // 2).astype(np.float32))
    np.testing.assert_allclose(np.rint(shifted), np.rint(start) // 2)
    assert pseudo("vamp:50:data").shape == (50, 6)
    model = vae(6, hidden=(5,), latent="e2", prior="vamp:3:data:weights", likelihood="logistic")
    assert (model.prior.from_data, model.prior.learn_weights) == (True, True)
    given = model.init(rng=5, dtype=np.float32)
    kept = model.fit(x, theta=given, **settings)
    np.testing.assert_allclose(kept.theta, given, atol=1e-20)


def test_words_of_a_prior_are_checked():
    for bad in ("vamp:5:rows", "vamp:data:5", "standard:data", "vamp:0"):
        with pytest.raises(ValueError, match=r"unknown prior|n_components"):
            vae(6, prior=bad)
