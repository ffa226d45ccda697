"""The whole objectives, gradient-checked end to end at frozen noise or at a frozen level of the radial law."""

import json
from dataclasses import replace

import numpy as np
import pytest

from geomlat.distributions import leave_one_out
from geomlat.grad import gradcheck_vector
from geomlat.models import VAE, autoencoder, build, vae
from geomlat.random import stream

LIKELIHOODS = {
    "bernoulli": 1,
    "binomial:16": 16,
    "gaussian:0.7": None,
    "logistic": 255,
    "gaussian-sd": None,
    "gaussian-log-variance": None,
}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)


def data(likelihood, n=6, d=5, dtype=np.float64):
    gen, top = np.random.default_rng(5), LIKELIHOODS[likelihood]
    x = gen.standard_normal((n, d)) if top is None else gen.integers(0, top + 1, (n, d))
    return x.astype(dtype)


def check(model, x, noise_at, *, beta=0.7, rtol=1e-8):
    theta = model.init(rng=3)
    theta += 0.3 * np.random.default_rng(4).standard_normal(theta.size)
    freeze = noise_at(theta)

    def objective(t):
        loss, pull = model.loss_vjp(t, x, freeze(t), beta=beta)
        return loss, lambda grad: pull(model.view(grad))

    return gradcheck_vector(objective, theta, rtol=rtol)


def at_frozen_noise(model, x):
    def freeze(theta):
        noise = model.draw(theta, x, rng=7)
        return lambda t: noise

    return freeze


def at_frozen_level(model, x):
    """The noise whose radial part is solved again at each theta, so that the level of its law stays where it was."""

    def freeze(theta):
        q, noise = model.encode(theta, x), model.draw(theta, x, rng=7)
        m = q.event_shape[0]
        angle = np.arccos(1 - t_of(noise.radial, q.kappa, m))
        level = [cdf(a, k, m) for a, k in zip(angle, q.kappa, strict=True)]

        def at(t):
            kappa = model.encode(t, x).kappa
            t_new = [1 - np.cos(solve(lv, k, m, a)) for lv, k, a in zip(level, kappa, angle, strict=True)]
            return replace(noise, radial=odds_of(np.array(t_new), kappa, m))

        return at

    return freeze


def envelope(kappa, m):
    return (m - 1) / (2 * kappa + np.sqrt(4 * kappa**2 + (m - 1) ** 2))


def t_of(odds, kappa, m):
    b = envelope(kappa, m)
    return 2 * b * odds / (1 + b * odds)


def odds_of(t, kappa, m):
    return t / (envelope(kappa, m) * (2 - t))


def mass(a, b, kappa, m):
    theta = (a + b) / 2 + (b - a) / 2 * NODES
    return (b - a) / 2 * WEIGHTS @ (np.sin(theta) ** (m - 2) * np.exp(kappa * (np.cos(theta) - 1)))


def cdf(angle, kappa, m):
    return mass(0, angle, kappa, m) / mass(0, np.pi, kappa, m)


def solve(level, kappa, m, angle):
    total = mass(0, np.pi, kappa, m)
    for _ in range(20):
        slope = np.sin(angle) ** (m - 2) * np.exp(kappa * (np.cos(angle) - 1))
        angle = angle - (mass(0, angle, kappa, m) - level * total) / slope
    return angle


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("latent", ["e1", "e3", "s2"])
def test_gradient_at_frozen_noise(latent, likelihood):
    model = vae(5, latent=latent, hidden=(4, 3), likelihood=likelihood, activation="tanh")
    x = data(likelihood)
    check(model, x, at_frozen_noise(model, x))


@pytest.mark.parametrize("prior", ["standard", "vamp:3:weights"])
@pytest.mark.parametrize("latent", ["s1", "s3", "s9"])
def test_gradient_at_frozen_level(latent, prior):
    model = vae(5, latent=latent, hidden=(4, 3), activation="tanh", prior=prior)
    x = data("bernoulli")
    check(model, x, at_frozen_level(model, x), rtol=1e-7)


def test_gradient_with_kappa_shift():
    model = vae(5, latent="s2", hidden=(4, 3), activation="tanh", kappa_shift=1.0)
    x = data("bernoulli")
    assert (model.encode(model.init(rng=0), x).kappa > 1).all()
    check(model, x, at_frozen_noise(model, x))


def test_kappa_starts_where_it_is_told():
    x = np.zeros((1, 5))
    for option, start in (({}, 30.0), ({"kappa_start": 4.0}, np.log1p(np.exp(4.0)))):
        model = vae(5, latent="s3", hidden=(4,), **option)
        np.testing.assert_allclose(model.encode(model.init(rng=0), x).kappa, start, rtol=1e-12)


def test_free_bits_stop_the_rate_and_its_gradient():
    x = data("bernoulli")
    free = vae(5, latent="s2", hidden=(4, 3), activation="tanh", free_bits=100.0)
    plain = vae(5, latent="s2", hidden=(4, 3), activation="tanh")
    check(free, x, at_frozen_noise(free, x))
    theta, noise = free.init(rng=0), stream(1)
    rebuilt = plain.loss_vjp(theta, x, noise, beta=0.0)[0]
    np.testing.assert_allclose(free.loss_vjp(theta, x, noise, beta=0.5)[0], rebuilt + 50.0, rtol=1e-12)
    low = vae(5, latent="s2", hidden=(4, 3), activation="tanh", free_bits=1e-9)
    check(low, x, at_frozen_noise(low, x))


def test_autoencoder_gradient():
    model = autoencoder(5, latent="e2", hidden=(4,), activation="tanh")
    x = data("bernoulli")
    check(model, x, at_frozen_noise(model, x))


@pytest.mark.parametrize("estimator", ["rejection", "score"])
def test_other_estimators_agree_on_average(estimator):
    """The mean of many gradients of the kappa head, against the implicit estimator's; both are unbiased."""
    x = data("bernoulli", n=2)
    means, errors = [], []
    for name in ("implicit", estimator):
        model = vae(5, latent="s4", hidden=(4,), activation="tanh", estimator=name)
        theta, big = model.init(rng=3), np.repeat(x, 500, axis=0)
        where = model.layout.slices["posterior.latent.mu_kappa.bias"][0].stop - 1
        grads = []
        for k in range(40):
            grad = np.zeros_like(theta)
            model.loss_vjp(theta, big, stream(100).child(name, k))[1](model.view(grad))
            grads.append(grad[where])
        means.append(np.mean(grads))
        errors.append(np.std(grads) / np.sqrt(40))
    assert abs(means[0] - means[1]) < 4 * np.hypot(*errors)


def test_noise_may_be_a_stream():
    model, x = vae(5, latent="s2", hidden=(4,)), data("bernoulli")
    theta = model.init(rng=0)
    drawn = model.draw(theta, x, rng=stream(9))
    assert model.loss_vjp(theta, x, drawn)[0] == model.loss_vjp(theta, x, stream(9))[0]
    assert model.report(theta, x, drawn) == model.report(theta, x, stream(9))


def test_report_adds_up_to_the_loss():
    model, x = vae(5, latent="s3", hidden=(4,)), data("bernoulli")
    theta = model.init(rng=0)
    report = model.report(theta, x, stream(2))
    np.testing.assert_allclose(report["loss"], model.loss_vjp(theta, x, stream(2))[0], rtol=1e-12)
    np.testing.assert_allclose(report["loss"], report["reconstruction"] + report["kl"], rtol=1e-12)


@pytest.mark.parametrize("latent", ["e2", "s1", "s2", "s6"])
def test_importance_weights_bound_the_elbo(latent):
    """E log w is the evidence lower bound, whose rate has a closed form; log E w is at least as large."""
    model, x = vae(5, latent=latent, hidden=(4,)), data("bernoulli")
    theta = model.init(rng=0)
    weights = model.log_weights(theta, x, samples=4000, rng=1)
    report = model.report(theta, np.repeat(x, 4000, axis=0), stream(8))
    error = weights.mean(1).std() / np.sqrt(4000)
    assert weights.shape == (4000, 6)
    assert abs(weights.mean() + report["loss"]) < 7 * error
    assert (np.log(np.exp(weights).mean(0)) >= weights.mean(0)).all()


@pytest.mark.parametrize("latent", ["e2", "s2", "s5"])
def test_float32_throughout(latent):
    model, x = vae(5, latent=latent, hidden=(4,)), data("bernoulli", dtype=np.float32)
    theta = model.init(rng=0, dtype=np.float32)
    grad = np.zeros_like(theta)
    loss, pull = model.loss_vjp(theta, x, stream(1))
    pull(model.view(grad))
    assert loss.dtype == np.float32
    assert model.log_weights(theta, x, samples=3, rng=0).dtype == np.float32
    assert all(np.asarray(v).dtype == np.float32 for v in model.report(theta, x, stream(1)).values())


def test_every_parameter_moves():
    for latent in ("e2", "s2", "s5"):
        model, x = vae(5, latent=latent, hidden=(4, 3), activation="tanh"), data("bernoulli")
        theta = model.init(rng=0)
        grad = np.zeros_like(theta)
        model.loss_vjp(theta, x, stream(1))[1](model.view(grad))
        assert all(np.abs(v).max() > 0 for v in model.view(grad).values())


def test_description_round_trip():
    for model in (
        vae(5, latent="s3", hidden=(4, 3), likelihood="binomial:16", kappa_shift=1.0, estimator="rejection"),
        vae(5, latent="e2", hidden=(4,), likelihood="gaussian:0.5", free_bits=0.1, activation="tanh"),
        autoencoder(5, hidden=(4,)),
    ):
        text = json.dumps(model.config())
        again = build(json.loads(text))
        assert json.dumps(again.config()) == text
        assert type(again) is type(model)
        assert np.array_equal(again.init(rng=1), model.init(rng=1))
        x = data("bernoulli") if not isinstance(model, VAE) or model.free_bits == 0 else data("gaussian:0.7")
        theta = model.init(rng=1)
        noise = model.draw(theta, x, rng=2)
        assert again.loss_vjp(theta, x, noise)[0] == model.loss_vjp(theta, x, noise)[0]


def test_bad_descriptions():
    for config in ({"type": "os.system"}, {"no": "type"}, {"type": "VAE"}, {"type": "Dense", "n_in": 1, "n_out": 1}, 3):
        with pytest.raises(ValueError, match="not the description of a geomlat model"):
            build(config)


def test_bad_models():
    for bad in (
        {"latent": "q2"},
        {"latent": "s0"},
        {"hidden": ()},
        {"hidden": (0,)},
        {"prior": "x"},
        {"likelihood": "x"},
    ):
        with pytest.raises(ValueError):
            vae(5, **bad)
    with pytest.raises(ValueError, match="n_features"):
        vae(0)
    with pytest.raises(ValueError, match="Euclidean"):
        autoencoder(5, latent="s2")


def test_leave_one_out_is_used():
    """Adding a constant to the loss must not change the rejection gradient: its baseline is leave-one-out."""
    cost = np.array([1.0, 5.0, 2.0])
    np.testing.assert_allclose(leave_one_out(cost), leave_one_out(cost + 100))


def test_networks_see_counts_in_their_unit():
    x, g = data("bernoulli"), np.random.default_rng(2)
    plain, counts = (vae(5, latent="s2", hidden=(4,), likelihood=name) for name in ("bernoulli", "binomial:16"))
    theta, dmu = plain.init(rng=1), g.standard_normal((6, 3))
    q, pull = plain.posterior.vjp(plain.view(theta), x)
    r, pull_counts = counts.posterior.vjp(counts.view(theta), 16 * x)
    np.testing.assert_allclose(r.mu, q.mu, rtol=1e-14)
    dx = pull((dmu, None), plain.view(np.zeros_like(theta)))
    np.testing.assert_allclose(16 * pull_counts((dmu, None), counts.view(np.zeros_like(theta))), dx, rtol=1e-12)
    plain, counts = (autoencoder(5, hidden=(4,), likelihood=name) for name in ("bernoulli", "binomial:16"))
    theta = plain.init(rng=1)
    np.testing.assert_allclose(counts.encode(theta, 16 * x).point, plain.encode(theta, x).point, rtol=1e-14)


@pytest.mark.parametrize("layers", ["dense", "gated"])
@pytest.mark.parametrize("text", ["e3", "s2", "h2", "t2", "u2:full", "s2,e2"])
def test_a_posterior_is_its_network_then_its_latent(text, layers):
    """Whether the head of the latent goes through with the network or on its own."""
    posterior = vae(7, latent=text, hidden=(9, 5), layers=layers).posterior
    theta, x = posterior.init(rng=0), np.random.default_rng(1).standard_normal((4, 7))
    p, found, wanted = posterior.view(theta), np.zeros_like(theta), np.zeros_like(theta)
    q, pull = posterior.vjp(p, x)
    h, pull_network = posterior.network.vjp(p, x)
    r, pull_latent = posterior.latent.vjp(p, h)
    z = r.sample(rng=2)
    (_, *dq), (_, *dr) = (law.log_prob_vjp(z)[1](np.arange(4.0)) for law in (q, r))
    dx = pull(tuple(dq), posterior.view(found))
    np.testing.assert_allclose(dx, pull_network(pull_latent(tuple(dr), posterior.view(wanted)), posterior.view(wanted)))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)
    assert np.any(found)
