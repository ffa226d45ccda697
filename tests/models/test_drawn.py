"""Codes and rates by one pass over the rows of the head, against the laws they are of."""

import numpy as np
import pytest

from geomlat.models import VAE, vae
from geomlat.models.posterior import Posterior
from geomlat.random import stream

LATENTS = {
    "e3": {},
    "h2": {},
    "h5": {},
    "h3:-0.3": {},
    "s1": {},
    "s2": {"kappa_shift": 1.0},
    "s4": {"kappa_start": 0.5},  # where the slope of kappa is not 1
}


def model_of(latent: str, dtype: type, **options: object) -> tuple[VAE, np.ndarray, np.ndarray]:
    gen, name = np.random.default_rng(0), latent.partition(":")
    curved = {"curvature": float(name[2])} if name[2] else {}
    model = vae(7, latent=name[0], hidden=(6, 5), **curved, **options)
    theta = model.init(rng=1, dtype=dtype)
    return model, theta + gen.normal(0.0, 0.5, theta.size).astype(dtype), gen.integers(0, 2, (9, 7)).astype(dtype)


def step(model: VAE, theta: np.ndarray, x: np.ndarray, noise: object) -> tuple[float, np.ndarray]:
    grad = np.zeros_like(theta)
    g = model.view(grad)
    loss, pull = model.loss_vjp(theta, x, noise, beta=0.7)
    pull(g)
    return loss, g.vector


@pytest.mark.parametrize("latent", LATENTS)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-11), (np.float32, 3e-6)])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian:0.7"])
def test_one_pass_gives_what_the_laws_give(monkeypatch, latent, dtype, rtol, likelihood):
    model, theta, x = model_of(latent, dtype, likelihood=likelihood, **LATENTS[latent])
    for noise in (stream(3).at(5), model.draw(theta, x, rng=4)):
        assert model.posterior.drawn_vjp(model.prior, model.view(theta), x, noise) is not None
        loss, grad = step(model, theta, x, noise)
        with monkeypatch.context() as m:
            m.setattr(Posterior, "drawn_vjp", lambda *_: None)
            expected, there = step(model, theta, x, noise)
        assert loss.dtype == grad.dtype == dtype
        np.testing.assert_allclose(loss, expected, rtol=rtol)
        np.testing.assert_allclose(grad, there, rtol=rtol, atol=rtol * np.abs(there).max())


def test_what_no_rule_knows_goes_by_the_laws():
    model, theta, x = model_of("h2", np.float64)
    p, noise = model.view(theta), model.draw(theta, x, rng=0)

    def known(model: VAE, noise: object = noise, x: np.ndarray = x) -> bool:
        return model.posterior.drawn_vjp(model.prior, p, x, noise) is not None

    assert known(model)
    assert not known(model, noise[:4])
    assert not known(model, x=x.astype(np.float32))
    for latent, options in {
        "h1": {},
        "p2": {},
        "s2": {"estimator": "score"},
        "e2,s2": {},
        "e2": {"prior": "vamp:3"},
    }.items():
        other = vae(7, latent=latent, hidden=(6,), **options)
        start = other.init(rng=0)
        assert other.posterior.drawn_vjp(other.prior, other.view(start), x, stream(0)) is None
        assert np.isfinite(other.loss_vjp(start, x, stream(0))[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_the_head_far_out_and_at_nothing_stay_finite(dtype):
    """Tangents are cut where their ends would overflow; a direction that is none counts as the first axis."""
    for latent in ("h3", "s3", "e3"):
        for value in (0.0, -80.0, 1e4):
            model, theta, x = model_of(latent, dtype)
            p = model.view(theta)
            for view in p.of(model.posterior.latent.head):
                view[...] = 0
            p.of(model.posterior.latent.head)[1][...] = value
            z, rate, pull = model.posterior.drawn_vjp(model.prior, p, x, stream(0))
            assert np.isfinite(z).all()
            assert np.isfinite(rate).all()
            g = model.view(np.zeros_like(theta))
            pull(np.ones_like(z) * dtype(1e-9), np.ones_like(rate), g)
            assert np.isfinite(g.vector).all() or value == 1e4
