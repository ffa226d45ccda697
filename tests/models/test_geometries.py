"""Latents on every geometry and the VampPrior: objectives, priors, configurations, short runs."""

import json

import numpy as np
import pytest

from geomlat.distributions import Normal, PowerSpherical, VonMisesFisher, WrappedNormal
from geomlat.distributions.pairs import log_prob_pairs, log_prob_pairs_vjp
from geomlat.grad import gradcheck, gradcheck_vector
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.models import (
    VAE,
    Bernoulli,
    Posterior,
    Space,
    StandardWrapped,
    VampPrior,
    WrappedLatent,
    build,
    rate_vjp,
    vae,
)
from geomlat.nn import MLP
from geomlat.optim import Adam

LATENTS = {
    "gaussian": {"latent": "e2"},
    "vmf": {"latent": "s2"},
    "power": {"latent": "s2", "family": "power"},
    "cauchy": {"latent": "s3", "family": "cauchy"},
    "hyperboloid": {"latent": "h2"},
    "hyperboloid-2": {"latent": "h3", "curvature": -2.0},
    "ball": {"latent": "p2", "curvature": -0.5},
    "learned-negative": {"latent": "u2", "curvature": -0.8},
    "learned-positive": {"latent": "u2", "curvature": 0.3},
    "torus": {"latent": "t2"},
    "mixed": {"latent": "s2,h2,e1,u2", "curvature": -0.6},
    "full": {"latent": "e3:full"},
    "full-hyperboloid": {"latent": "h2:full"},
    "full-learned": {"latent": "u2:full", "curvature": 0.3},
    "full-in-product": {"latent": "e2:full,s2"},
    "small spheres": {"latent": "3*s2", "family": "power"},
}
PRIORS = ("standard", "vamp:3")


def model_of(name, prior="standard", **options):
    return vae(6, hidden=(5, 4), activation="tanh", prior=prior, **LATENTS[name], **options)


def counts(n=8, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, 6)).astype(float)


def check_gradient(model, x, theta, **options):
    """The objective at frozen noise against differences, beta not 1."""
    noise = model.draw(theta, x, rng=7)

    def objective(t):
        loss, pull = model.loss_vjp(t, x, noise, beta=0.7)
        return loss, lambda grad: pull(model.view(grad))

    gradcheck_vector(objective, theta, **options)


def shaken(model):
    """Parameters all of which are away from their start: networks, heads, curvature and prior."""
    theta = model.init(rng=3)
    theta[theta > 5.0] = 0.5  # a concentration starts where the softplus is a straight line to rounding
    return theta + 0.3 * np.random.default_rng(4).standard_normal(theta.size)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("name", LATENTS)
def test_objectives_are_gradchecked(name, prior):
    model = model_of(name, prior)
    check_gradient(model, counts(), shaken(model), rtol=1e-7)


ANGLES = np.random.default_rng(2).uniform(-np.pi, np.pi, (4, 3))
REALS = np.random.default_rng(3).standard_normal((4, 6))
ROWS = {
    "bernoulli": (REALS > 0).astype(float),
    "binomial:16": np.rint(8 + 3 * REALS).clip(0, 16),
    "gaussian:0.7": REALS,
    "gaussian-sd": REALS,
    "gaussian-log-variance": REALS,
    "logistic": np.rint(128 + 60 * REALS).clip(0, 255),
    "logistic-shared": np.rint(128 + 60 * REALS).clip(0, 255),
    "von-mises": pairs_from_angles(ANGLES, REALS[:, :3] > -0.8),
    "von-mises:per-row": pairs_from_angles(ANGLES, REALS[:, :3] > -0.8),
    "cosine": pairs_from_angles(ANGLES, REALS[:, :3] > -0.8),
}


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("likelihood", ROWS)
@pytest.mark.parametrize("name", LATENTS)
def test_every_latent_with_every_likelihood_and_prior(name, likelihood, prior):
    """One derivative along a random direction of all parameters."""
    model = model_of(name, prior, likelihood=likelihood)
    check_gradient(model, ROWS[likelihood], shaken(model), rtol=1e-7, directions=1)


def test_gated_layers_are_gradchecked():
    model = vae(6, hidden=(5, 4), latent="e2", prior="vamp:3", layers="gated")
    check_gradient(model, counts(), model.init(rng=3))


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("name", LATENTS)
def test_descriptions_keep_what_is_shared(name, prior):
    model = model_of(name, prior)
    again = build(json.loads(json.dumps(model.config())))
    theta, x = model.init(rng=0), counts()
    assert again.layout.slices == model.layout.slices
    np.testing.assert_array_equal(again.init(rng=0), theta)
    noise = model.draw(theta, x, rng=1)
    assert again.loss_vjp(theta, x, noise)[0] == model.loss_vjp(theta, x, noise)[0]


@pytest.mark.parametrize("name", LATENTS)
def test_a_short_run_learns_and_stays_finite(name):
    gen = np.random.default_rng(0)
    x = (gen.uniform(size=(200, 6)) < np.where(np.arange(200)[:, None] % 2, 0.9, 0.1)).astype(np.float32)
    model = model_of(name, "vamp:4")
    model.fit(x, epochs=15, rng=0, optimizer=Adam(1e-2))
    first, last = (model.run.history[k]["loss"] for k in (0, -1))
    assert last < first - 0.05
    assert model.sample(5, rng=0).shape == (5, 6)
    assert np.isfinite(model.score_samples(x[:5], samples=10)).all()
    assert model.transform(x[:3]).dtype == np.float32


def families():
    gen = np.random.default_rng(0)
    mu = gen.standard_normal((7, 4))
    mu /= np.linalg.norm(mu, axis=-1, keepdims=True)
    points = gen.standard_normal((5, 4))
    sphere = points / np.linalg.norm(points, axis=-1, keepdims=True)
    kappa = gen.uniform(0.0, 50.0, 7)
    return {
        "normal": (Normal, (3.0 + mu, 0.1 + gen.uniform(size=(7, 4))), 3.0 + points),
        "normal-tied": (Normal, (mu, 0.1 + gen.uniform(size=(1, 4))), points),
        "vmf": (VonMisesFisher, (mu, kappa), sphere),
        "power": (PowerSpherical, (mu, kappa), sphere),
    }


@pytest.mark.parametrize("name", ["normal", "normal-tied", "vmf", "power"])
def test_all_pairs_are_the_densities_one_by_one(name, monkeypatch):
    monkeypatch.setattr("geomlat.distributions.pairs.LIMIT", 60)
    family, fields, x = families()[name]
    expected = np.stack([family(*fields).log_prob(point) for point in x])
    np.testing.assert_allclose(log_prob_pairs(family(*fields), x), expected, rtol=1e-12, atol=1e-12)
    if name == "power":
        gradcheck(lambda *f: log_prob_pairs_vjp(family(*f[1:]), f[0]), x, *fields, rtol=1e-6)
    if name.startswith("normal"):
        gradcheck(lambda *f: log_prob_pairs_vjp(family(*f[1:]), f[0]), x, *fields)
    if name == "vmf":
        tangent = np.random.default_rng(1).standard_normal(x.shape)
        gradcheck(
            lambda u, kappa: (lambda l, pull: (l, lambda dl: (lambda c: (along(x, tangent, u, c[0]), c[2]))(pull(dl))))(
                *log_prob_pairs_vjp(family(fields[0], kappa), turned(x, tangent, u))
            ),
            np.full(len(x), 0.3),
            fields[1],
        )


def turned(x, tangent, u):
    t = tangent - (tangent * x).sum(-1, keepdims=True) * x
    t /= np.linalg.norm(t, axis=-1, keepdims=True)
    return np.cos(u)[:, None] * x + np.sin(u)[:, None] * t


def along(x, tangent, u, dx):
    t = tangent - (tangent * x).sum(-1, keepdims=True) * x
    t /= np.linalg.norm(t, axis=-1, keepdims=True)
    return (dx * (np.cos(u)[:, None] * t - np.sin(u)[:, None] * x)).sum(-1)


def test_a_full_gaussian_has_any_covariance_and_its_exact_divergence():
    model = model_of("full")
    theta, x = model.init(rng=0), counts()
    q, r = model.encode(theta, x), model.prior.vjp(model.view(theta))[0]
    np.testing.assert_array_equal(q.factor, q.spread[..., None] * np.eye(3))
    model.view(theta)["posterior.latent.lower.0.bias"][...] = [0.4, -0.3, 0.2]
    q = model.encode(theta, x)
    np.testing.assert_allclose(np.tril(q.factor[0], -1)[[1, 2, 2], [0, 0, 1]], [0.4, -0.3, 0.2])
    covariance = q.factor @ q.factor.swapaxes(-1, -2)
    draws = q.rsample(q.draw(20000, rng=1))
    np.testing.assert_allclose(np.cov(draws[:, 0].T), covariance[0], atol=0.05)
    expected = 0.5 * (
        np.trace(covariance, axis1=-2, axis2=-1) + (q.loc**2).sum(-1) - 3 - np.linalg.slogdet(covariance)[1]
    )
    rate, pull = rate_vjp(q, r, draws[0])
    np.testing.assert_allclose(rate[:, 0], expected, rtol=1e-13)
    assert pull(np.ones((8, 1)))[2] is None
    with pytest.raises(ValueError, match="all but s with :full"):
        vae(6, latent="s2:full")


def test_pseudo_inputs_from_data():
    model, x = model_of("gaussian", "vamp:4"), counts(20)
    theta = model.init(rng=0)
    model.prior.initialise(model.view(theta), x, rng=1)
    pseudo = model.view(theta).of(model.prior)[0]
    assert all((row == x).all(-1).any() for row in pseudo)
    grey = vae(6, hidden=(5,), likelihood="logistic", prior="vamp:4")
    theta = grey.init(rng=0)
    grey.prior.initialise(grey.view(theta), 255.0 * x, rng=1)
    np.testing.assert_allclose(grey.prior.pseudo_inputs(grey.view(theta)), 255.0 * pseudo, rtol=1e-15)
    grey.view(theta).of(grey.prior)[0][...] = [[-1.0], [0.5], [2.0], [1.0]]
    np.testing.assert_array_equal(grey.prior.pseudo_inputs(grey.view(theta))[:, 0], [0.0, 127.5, 255.0, 255.0])


@pytest.mark.parametrize("likelihood", ["gaussian:0.7", "gaussian-sd", "gaussian-log-variance", "von-mises", "cosine"])
def test_pseudo_inputs_of_real_values_are_free(likelihood):
    model, x = vae(6, hidden=(5,), likelihood=likelihood, prior="vamp:4:data"), ROWS[likelihood]
    theta = model.init(rng=0)
    raw = model.view(theta).of(model.prior)[0]
    assert raw.min() < -0.5
    np.testing.assert_array_equal(model.prior.pseudo_inputs(model.view(theta)), raw)
    model.begin(theta, x, rng=1)
    np.testing.assert_array_equal(np.sort(raw, axis=0), np.sort(x, axis=0))


def test_learned_weights_are_gradchecked():
    base = model_of("gaussian")
    prior = VampPrior(base.posterior, 3, learn_weights=True, clipped=False)
    model = type(base)(base.posterior, base.decoder, base.likelihood, prior)
    check_gradient(model, counts(), shaken(model))


@pytest.mark.parametrize(
    ("latent", "family", "name"),
    [
        ("e2", None, "loc_sd"),
        ("h2", None, "loc_sd"),
        ("p2", None, "loc_sd"),
        ("t2", None, "loc_sd"),
        ("s2", "vmf", "mu_kappa"),
        ("s2", "power", "mu_kappa"),
        ("s2", "cauchy", "mu_rho"),
    ],
)
def test_heads_have_their_convention_in_their_name(latent, family, name):
    model = vae(3, latent=latent, hidden=(4,), **({} if family is None else {"family": family}))
    assert f"posterior.latent.{name}.weight" in model.layout.slices
    assert model.posterior.latent.head is getattr(model.posterior.latent, name)


@pytest.mark.parametrize(
    "space", [Space("sphere", 2), Space("hyperboloid", 2), Space("torus", 2)], ids=lambda s: s.model
)
def test_parts_put_together_by_hand(space):
    """A wrapped normal on the sphere has no letter, and a prior may have another scale than 1."""
    latent = WrappedLatent(4, space)
    posterior, decoder = Posterior(MLP((6, 4), activation="tanh"), latent), MLP((latent.features, 6))
    model = VAE(posterior, decoder, Bernoulli(), StandardWrapped(space, 0.6))
    theta, x = shaken(model), counts()
    check_gradient(model, x, theta, rtol=1e-7)
    p = model.view(theta)
    q, r = model.encode(theta, x), model.prior.vjp(p)[0]
    noise = model.draw(theta, x, rng=7)
    z = q.rsample(noise)
    wanted = WrappedNormal(space.manifold, space.manifold.origin(), np.array(0.6)).log_prob(z)
    np.testing.assert_allclose(r.log_prob(z), wanted, rtol=1e-13)
    np.testing.assert_allclose(model.report(theta, x, noise)["kl"], (q.log_prob(z) - wanted).mean(), rtol=1e-9)
    assert build(json.loads(json.dumps(model.config()))).prior.scale == 0.6


def test_each_factor_has_its_own_rate_and_free_bits():
    model = model_of("mixed", free_bits=0.3)
    theta, x = model.init(rng=0), counts()
    p = model.view(theta)
    q, r = model.posterior.vjp(p, x)[0], model.prior.vjp(p)[0]
    z = q.sample(rng=0)
    rate, _ = rate_vjp(q, r, z)
    assert rate.shape == (8, 4)
    whole = q.log_prob(z) - r.log_prob(z)
    estimated = rate_vjp(q.factors[1], r.factors[1], q.split(z)[1])[0][:, 0]
    np.testing.assert_array_equal(rate[:, 1], estimated)
    assert np.isfinite(whole).all()


@pytest.mark.parametrize("latent", ["u2,u2", "2*u2"])
def test_factors_learn_their_curvatures_apart(latent):
    model, x = (
        vae(5, latent=latent, hidden=(6,), likelihood="gaussian"),
        np.random.default_rng(0).standard_normal((40, 5)),
    )
    model.fit(x, epochs=2, rng=0, dtype=np.float64)
    p = model.view(model.theta)
    found = [float(p[f"posterior.latent.factors.{k}.space.curvature"]) for k in range(2)]
    assert found[0] != found[1]
    assert -1.0 not in found
    assert [float(f.curvature) for f in model.manifold.factors] == found


def test_a_learned_curvature_is_a_parameter():
    model = model_of("learned-negative")
    theta = model.init(rng=0)
    assert float(model.view(theta)["posterior.latent.space.curvature"]) == pytest.approx(-0.8)


def test_narrow_laws_in_float32_keep_their_digits():
    """Points at a few scales from one law each, the scale 1e-4 and kappa 1e7: what cancels is 1e8 times the result."""
    gen = np.random.default_rng(0)
    loc, scale = gen.standard_normal((5, 3)).astype(np.float32), np.full((5, 3), 1e-4, np.float32)
    x = loc + scale * gen.standard_normal((5, 3)).astype(np.float32)
    exact = log_prob_pairs(Normal(loc.astype(float), scale.astype(float)), x.astype(float))
    np.testing.assert_allclose(log_prob_pairs(Normal(loc, scale), x), exact, rtol=2.0**-23)
    mu = loc / np.linalg.norm(loc, axis=-1, keepdims=True)
    z = mu + np.float32(3e-4) * gen.standard_normal((5, 3)).astype(np.float32)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    unit = [a.astype(float) / np.linalg.norm(a.astype(float), axis=-1, keepdims=True) for a in (mu, z)]
    exact = log_prob_pairs(VonMisesFisher(unit[0], np.full(5, 1e7)), unit[1])
    found = log_prob_pairs(VonMisesFisher(mu, np.full(5, 1e7, np.float32)), z)
    np.testing.assert_allclose(np.diagonal(found), np.diagonal(exact), atol=2e-3)


STRANGERS = (
    ("s2,e2", {"curvature": -1.0}),
    ("e2", {"curvature": -1.0}),
    ("t2", {"curvature": -1.0}),
    ("e2:full", {"curvature": -1.0}),
    ("h2", {"learned": True}),
    ("h2,e2", {"family": "power"}),
    ("e2", {"estimator": "score"}),
    ("s2", {"kappa_shift": 1.0, "family": "cauchy"}),
)


def test_mistakes():
    for text, option in STRANGERS:
        with pytest.raises(ValueError, match=f"no factor of latent '{text}' knows {next(iter(option))}"):
            vae(6, latent=text, **option)
    with pytest.raises(ValueError, match="1 to 1000 times"):
        vae(6, latent="0*s2")
    with pytest.raises(ValueError, match="unknown space"):
        Space("klein", 2)
    with pytest.raises(ValueError, match="gate for an activation, got 'tanh'"):
        vae(6, layers="gated", activation="tanh")
    with pytest.raises(ValueError, match="kappa_start must be finite"):
        vae(6, latent="s2", kappa_start=np.nan)
    with pytest.raises(ValueError, match="rho_start must be finite"):
        vae(6, latent="s2", family="cauchy", rho_start=np.nan)
    with pytest.raises(ValueError, match="at least one width"):
        vae(6, hidden=8)
    with pytest.raises(ValueError, match="unknown likelihood None"):
        vae(6, likelihood=None)
    with pytest.raises(ValueError, match="learned in the stereographic model"):
        Space("hyperboloid", 2, learned=True)
    with pytest.raises(ValueError, match="vmf, power, cauchy"):
        vae(6, latent="s2", family="kent")
    for bad in ("vamp:", "vamp:-1", "mog"):
        if bad != "vamp:":
            with pytest.raises(ValueError, match="unknown prior"):
                vae(6, prior=bad)
    with pytest.raises(ValueError, match="n_components >= 1"):
        vae(6, prior="vamp:0")
    with pytest.raises(ValueError, match="'dense' or 'gated'"):
        vae(6, layers="conv")
