"""The importance-weighted bound and free bits for each factor: values, gradients, estimators, limits."""

import numpy as np
import pytest

from geomlat.evaluate import log_likelihood
from geomlat.grad import gradcheck, gradcheck_vector
from geomlat.models import rate_vjp, vae
from geomlat.models.objectives import evidence_bound, importance_bound
from geomlat.models.rate import AT_DRAWS
from geomlat.random import stream

LATENTS = {
    "gaussian": {"latent": "e2"},
    "vmf": {"latent": "s2"},
    "power": {"latent": "s2", "family": "power"},
    "wrapped": {"latent": "h2"},
    "learned": {"latent": "u2", "curvature": -0.6},
    "torus": {"latent": "t2"},
    "mixed": {"latent": "s2,h2,e1,u2", "curvature": -0.6},
}


def bits(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, 6)).astype(float)


def model_of(name, **options):
    return vae(6, hidden=(5, 4), activation="tanh", **LATENTS[name], **options)


def checked(model, *, beta):
    theta, x = model.init(rng=3), bits()
    theta += 0.3 * np.random.default_rng(4).standard_normal(theta.size)
    noise = model.draw(theta, x, rng=7)

    def objective(t):
        loss, pull = model.loss_vjp(t, x, noise, beta=beta)
        return loss, lambda grad: pull(model.view(grad))

    gradcheck_vector(objective, theta, rtol=1e-7)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("name", LATENTS)
def test_the_bound_is_gradchecked(name, k):
    checked(model_of(name, iwae=k), beta=0.7)


@pytest.mark.parametrize("name", ["gaussian", "vmf", "wrapped"])
def test_the_bound_with_a_vamp_prior_is_gradchecked(name):
    checked(model_of(name, iwae=3, prior="vamp:3"), beta=0.7)


def test_the_bound_is_the_log_of_the_mean_weight():
    gen = np.random.default_rng(0)
    nll, rate = 3.0 * gen.standard_normal((4, 5)), gen.standard_normal((4, 5, 2))
    log_w = -nll - 0.7 * rate.sum(-1)
    expected = -np.mean(np.logaddexp.reduce(log_w, axis=0) - np.log(4))
    np.testing.assert_allclose(importance_bound(nll, rate, 0.7)[0], expected, rtol=1e-14)
    far = importance_bound(nll + 2000.0, rate, 0.7)[0]
    np.testing.assert_allclose(far - 2000.0, expected, rtol=1e-10)

    def rule(nll, rate):
        loss, dnll, drate, _ = importance_bound(nll, rate, 0.7)
        return loss, lambda d: (d * dnll, d * drate)

    gradcheck(rule, nll, rate)


def test_one_draw_is_the_evidence_bound_at_the_draw():
    model, x = model_of("mixed", iwae=1), bits()
    theta = model.init(rng=1)
    noise = model.draw(theta, x, rng=2)
    p = model.view(theta)
    q, r = model.posterior.vjp(p, x)[0], model.prior.vjp(p)[0]
    z = q.rsample(noise)[0]
    nll = model.likelihood.nll_vjp(model.decoder.vjp(p, z)[0], x)[0]
    rate = rate_vjp(q, r, z, rule=AT_DRAWS)[0]
    np.testing.assert_allclose(rate.sum(-1), q.log_prob(z) - r.log_prob(z), rtol=1e-12)
    expected = evidence_bound(nll, rate, 0.6, 0.0)
    got = importance_bound(nll[None], rate[None], 0.6)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a).reshape(np.shape(b)), b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.loss_vjp(theta, x, noise, beta=0.6)[0], expected[0], rtol=1e-12)


def test_the_advantage_leaves_out_what_the_draw_does_not_change():
    gen = np.random.default_rng(1)
    nll, rate = gen.standard_normal((3, 4)), gen.standard_normal((3, 4, 1))
    log_w = -nll - rate[..., 0]
    advantage = importance_bound(nll, rate, 1.0)[3]
    for s in range(3):
        others = np.delete(log_w, s, axis=0)
        replaced = np.concatenate([others, others.mean(0, keepdims=True)])
        baseline = np.logaddexp.reduce(replaced, axis=0) - np.log(3)
        bound = np.logaddexp.reduce(log_w, axis=0) - np.log(3)
        np.testing.assert_allclose(advantage[s], (baseline - bound) / 4, rtol=1e-12)


def test_more_draws_are_a_tighter_bound():
    x = bits()
    theta = model_of("gaussian").init(rng=0)
    means = [
        np.mean([float(model_of("gaussian", iwae=k).report(theta, x, stream(s))["loss"]) for s in range(100)])
        for k in (1, 5, 50)
    ]
    truth = -log_likelihood(model_of("gaussian"), theta, x, samples=20_000, rng=1).mean
    assert means[0] > means[1] > means[2] > truth - 0.01
    assert means[2] - truth < 0.5 * (means[0] - truth)
    report = model_of("gaussian", iwae=5).report(theta, x, stream(0))
    assert report["loss"] < report["reconstruction"] + report["kl"]


@pytest.mark.parametrize("estimator", ["rejection", "score"])
@pytest.mark.parametrize("k", [1, 4])
def test_estimators_of_the_bound_agree_on_average(estimator, k):
    """The mean of many gradients of the kappa head, against the implicit estimator's; all are unbiased."""
    x = bits(2)
    means, errors = [], []
    for name in ("implicit", estimator):
        model = vae(6, latent="s4", hidden=(4,), activation="tanh", estimator=name, iwae=k)
        theta, big = model.init(rng=3), np.repeat(x, 300, axis=0)
        where = model.layout.slices["posterior.latent.mu_kappa.bias"][0].stop - 1
        found = []
        for i in range(40):
            grad = np.zeros_like(theta)
            model.loss_vjp(theta, big, stream(100).child(name, i))[1](model.view(grad))
            found.append(grad[where])
        means.append(np.mean(found))
        errors.append(np.std(found) / np.sqrt(40))
    assert abs(means[0] - means[1]) < 4 * np.hypot(*errors)
    assert max(errors) < 0.5 * abs(means[0])


def test_training_on_the_bound_raises_the_likelihood():
    gen = np.random.default_rng(0)
    x = (gen.uniform(size=(300, 6)) < np.where(np.arange(300)[:, None] % 2, 0.9, 0.1)).astype(np.float32)
    model = model_of("gaussian", iwae=5)
    untrained = -model.report(model.init(rng=0, dtype=np.float32), x, stream(1))["loss"]
    model.fit(x, epochs=30, rng=0)
    assert model.theta.dtype == np.float32
    assert model.score(x) > untrained + 0.3


def test_free_bits_hold_for_each_factor_alone():
    """A threshold between the rates of two factors: one is free, the other pays; the gradient knows."""
    plain, x = model_of("mixed"), bits()
    theta = plain.init(rng=3) + 0.3 * np.random.default_rng(4).standard_normal(plain.layout.size)
    noise = plain.draw(theta, x, rng=7)
    p = plain.view(theta)
    q, r = plain.posterior.vjp(p, x)[0], plain.prior.vjp(p)[0]
    rates = np.sort(rate_vjp(q, r, q.rsample(noise))[0].mean(0))
    between = float(0.5 * (rates[1] + rates[2]))
    free = model_of("mixed", free_bits=between)
    excess = free.loss_vjp(theta, x, noise)[0] - plain.loss_vjp(theta, x, noise)[0]
    np.testing.assert_allclose(excess, np.maximum(rates, between).sum() - rates.sum(), rtol=1e-9)
    checked(free, beta=0.7)


def test_the_euclidean_formula_is_trained_only_if_asked_for():
    x = bits()
    plain, blog = model_of("wrapped"), model_of("wrapped", euclidean_kl=True)
    checked(blog, beta=0.7)
    theta = plain.init(rng=3) + 0.3 * np.random.default_rng(4).standard_normal(plain.layout.size)
    noise = plain.draw(theta, x, rng=7)
    q = plain.encode(theta, x)
    c = q.manifold.to_coordinates(q.manifold.origin(), q.manifold.log(q.manifold.origin(), q.loc))
    flat = 0.5 * (c**2 + q.scale**2 - 1).sum(-1) - np.log(q.scale).sum(-1)
    report = plain.report(theta, x, noise)
    np.testing.assert_allclose(report["euclidean_kl"], flat.mean(), rtol=1e-10)
    np.testing.assert_allclose(blog.report(theta, x, noise)["kl"], report["kl"], rtol=1e-14)
    loss = blog.loss_vjp(theta, x, noise)[0]
    np.testing.assert_allclose(loss, report["reconstruction"] + report["euclidean_kl"], rtol=1e-12)
    assert "euclidean_kl" not in model_of("torus").report(model_of("torus").init(rng=0), x, stream(0))


def test_mistakes():
    for options in ({"iwae": -1}, {"iwae": 2, "free_bits": 0.1}, {"iwae": 2, "euclidean_kl": True, "latent": "h2"}):
        with pytest.raises(ValueError, match="iwae"):
            vae(6, **options)
    for options in ({"latent": "e2"}, {"latent": "t2"}, {"latent": "h2,h2"}, {"latent": "h2", "prior": "vamp:3"}):
        with pytest.raises(ValueError, match="euclidean_kl is for one latent"):
            vae(6, euclidean_kl=True, **options)
