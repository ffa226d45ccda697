"""Likelihoods of angles: densities on the circle, rules, masks, and whole objectives on padded rows."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from geomlat.grad import gradcheck, gradcheck_vector
from geomlat.manifolds.angles import angles_from_pairs, pairs_from_angles
from geomlat.models import CosineLoss, VonMisesSoftplusKappa, autoencoder, build, vae
from geomlat.models.likelihoods import likelihood

RNG = np.random.default_rng(0)
ANGLES = RNG.uniform(-np.pi, np.pi, (5, 4))
THERE = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1], [0, 1, 0, 0]], bool)
X = pairs_from_angles(ANGLES, THERE)
TEXTS = ("von-mises", "von-mises:per-row", "cosine")


def outputs(text, n=5, rng=RNG):
    return 2.0 * rng.standard_normal((n, likelihood(text).width(8)))


def test_pairs_are_side_by_side_and_zero_where_there_is_no_angle():
    np.testing.assert_array_equal(X.reshape(5, 4, 2)[~THERE], 0.0)
    angles, there = angles_from_pairs(3.0 * X)
    np.testing.assert_array_equal(there, THERE)
    np.testing.assert_allclose(angles, np.where(THERE, ANGLES, 0.0), rtol=1e-14)


@pytest.mark.parametrize("text", TEXTS[:2])
def test_the_density_is_that_of_scipy(text):
    density, out = likelihood(text), outputs(text)
    mu, kappa = np.arctan2(out[:, 1:8:2], out[:, :8:2]), np.logaddexp(0.0, out[:, 8:])
    each = scipy.stats.vonmises.logpdf(ANGLES, np.broadcast_to(kappa, (5, 4)), loc=mu)
    np.testing.assert_allclose(density.nll_vjp(out, X)[0], -(each * THERE).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(density.law(out).log_prob(ANGLES), each.sum(-1), rtol=1e-12)


@pytest.mark.parametrize("text", TEXTS[:2])
def test_the_density_of_one_angle_integrates_to_one(text):
    density = likelihood(text)
    angle = np.linspace(-np.pi, np.pi, 4000, endpoint=False)[:, None]
    for seed in range(5):
        out = outputs(text, 1, np.random.default_rng(seed))[:, : density.width(2)]
        nll, _ = density.nll_vjp(out, pairs_from_angles(angle))
        np.testing.assert_allclose(np.exp(-nll).mean() * 2 * np.pi, 1.0, rtol=1e-12)


def test_the_cosine_loss_is_one_minus_the_cosine():
    out = outputs("cosine")
    d = np.arctan2(out[:, 1::2], out[:, ::2]) - ANGLES
    loss = CosineLoss().nll_vjp(out, X)[0]
    np.testing.assert_allclose(loss, ((1 - np.cos(d)) * THERE).sum(-1), rtol=1e-12)
    at_one = np.full((5, 4), np.log(np.expm1(1.0)))
    nll = VonMisesSoftplusKappa().nll_vjp(np.concatenate([out, at_one], -1), X)[0]
    constant = np.log(2 * np.pi * np.i0(1.0)) - 1.0
    np.testing.assert_allclose(nll, loss + constant * THERE.sum(-1), rtol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_the_pull_is_the_derivative(text):
    gradcheck(lambda out: likelihood(text).nll_vjp(out, X), outputs(text))


@pytest.mark.parametrize("text", TEXTS)
def test_the_pull_sums_over_broadcast_rows(text):
    gradcheck(lambda out: likelihood(text).nll_vjp(out, X), outputs(text, 1))
    out = RNG.standard_normal((3, 5, likelihood(text).width(8)))
    nll, pull = likelihood(text).nll_vjp(out, X)
    alone = [likelihood(text).nll_vjp(o, X) for o in out]
    np.testing.assert_allclose(nll, [a[0] for a in alone], rtol=1e-13)
    np.testing.assert_allclose(pull(np.ones((3, 5))), [a[1](np.ones(5)) for a in alone], rtol=1e-13)


def test_the_concentration_alone_has_the_right_derivative():
    pairs = RNG.standard_normal((5, 8))
    for text, n in (("von-mises", 4), ("von-mises:per-row", 1)):

        def rule(raw, text=text):
            nll, pull = likelihood(text).nll_vjp(np.concatenate([pairs, raw], -1), X)
            return nll, lambda dnll: pull(dnll)[:, 8:]

        gradcheck(rule, 3.0 * RNG.standard_normal((5, n)))


@pytest.mark.parametrize("text", TEXTS)
def test_absent_angles_add_exactly_nothing(text):
    density, out = likelihood(text), outputs(text)
    nll, pull = density.nll_vjp(out, X)
    dout = pull(np.ones(5))
    assert nll[2] == 0.0
    assert (dout[2] == 0.0).all()
    assert (dout[:, :8].reshape(5, 4, 2)[~THERE] == 0.0).all()
    assert (dout[:, :8].reshape(5, 4, 2)[THERE] != 0.0).all()
    other = out.copy()
    other[:, :8].reshape(5, 4, 2)[~THERE] = 100.0
    if text == "von-mises":
        assert (dout[:, 8:][~THERE] == 0.0).all()
        other[:, 8:][~THERE] = -50.0
    np.testing.assert_array_equal(density.nll_vjp(other, X)[0], nll)
    np.testing.assert_array_equal(density.nll_vjp(other, X)[1](np.ones(5)), dout)


@pytest.mark.parametrize("text", TEXTS)
def test_float32_and_extreme_outputs(text):
    density, x = likelihood(text), X.astype(np.float32)
    out = outputs(text)
    nll, pull = density.nll_vjp(out.astype(np.float32), x)
    assert nll.dtype == np.float32
    assert pull(np.ones(5, np.float32)).dtype == np.float32
    np.testing.assert_allclose(nll, density.nll_vjp(out, X)[0], rtol=3e-6)
    for fill in (0.0, 1e6, -1e6):
        nll, pull = density.nll_vjp(np.full(out.shape, fill, np.float32), x)
        assert np.isfinite(nll).all()
        assert np.isfinite(pull(np.ones(5, np.float32))).all()


@pytest.mark.parametrize("text", TEXTS[:2])
def test_samples_have_the_mean_direction(text):
    density, out = likelihood(text), outputs(text)
    draws = density.sample(np.broadcast_to(out, (4000, *out.shape)).copy(), rng=3)
    density.check(draws)
    assert draws.shape == (4000, 5, 8)
    drawn, mean = draws.mean(0).reshape(5, 4, 2), density.mean(out).reshape(5, 4, 2)
    across = drawn[..., 0] * mean[..., 1] - drawn[..., 1] * mean[..., 0]
    assert np.abs(across).max() < 5 / np.sqrt(4000)
    along = (drawn * mean).sum(-1)
    kappa = np.broadcast_to(np.logaddexp(0.0, out[:, 8:]), (5, 4))
    ratio = scipy.special.ive(1, kappa) / scipy.special.ive(0, kappa)
    assert np.abs(along - ratio).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize("text", TEXTS)
def test_only_pairs_are_taken(text):
    likelihood(text).check(X)
    for bad in (X + 0.1, 0.5 * X):
        with pytest.raises(ValueError, match=r"pairs \(cos, sin\)"):
            likelihood(text).check(bad)
    with pytest.raises(ValueError, match="even"):
        likelihood(text).width(7)


def test_texts_of_angles():
    assert likelihood("von-mises:per-row") == VonMisesSoftplusKappa("per-row")
    assert [likelihood(t).width(8) for t in TEXTS] == [12, 9, 8]
    with pytest.raises(ValueError, match="per-angle"):
        likelihood("von-mises:shared")
    with pytest.raises(ValueError, match="cosine"):
        likelihood("cosine:2")


def test_the_cosine_loss_is_labelled_as_no_likelihood():
    model = vae(8, latent="s1", hidden=(3,), likelihood="cosine")
    model.fitted(model.init(rng=0))
    with pytest.raises(ValueError, match="no likelihood"):
        model.score_samples(X)
    with pytest.raises(ValueError, match="no likelihood"):
        model.sample(2, rng=0)
    assert model.sample(2, rng=0, mean=True).shape == (2, 8)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("latent", ["e2", "t2", "h2"])
def test_the_whole_objective_on_padded_rows(text, latent):
    model = vae(8, latent=latent, hidden=(4, 3), likelihood=text, activation="tanh")
    theta = model.init(rng=3)
    theta += 0.3 * np.random.default_rng(4).standard_normal(theta.size)
    noise = model.draw(theta, X, rng=7)

    def objective(t):
        loss, pull = model.loss_vjp(t, X, noise, beta=0.7)
        return loss, lambda grad: pull(model.view(grad))

    gradcheck_vector(objective, theta)


def test_models_of_angles_come_back_from_their_description():
    for model in (vae(8, likelihood="von-mises:per-row"), autoencoder(8, likelihood="cosine")):
        again = build(model.config())
        assert again.likelihood == model.likelihood
    model = vae(8, latent="e2", hidden=(3,), likelihood="von-mises").fit(X, epochs=1, rng=0)
    assert model.inverse_transform(model.transform(X)).shape == (5, 8)
    assert model.sample(3, rng=0).shape == (3, 8)
