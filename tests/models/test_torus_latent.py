"""Latents on the torus: no seam at half a turn, neither for the decoder nor for the encoder."""

import numpy as np
import pytest

from geomlat.evaluate import circle_recovery
from geomlat.grad import gradcheck
from geomlat.manifolds import Torus
from geomlat.manifolds.angles import angles_from_pairs, angles_from_pairs_vjp, pairs_from_angles_vjp
from geomlat.models import Space, WrappedLatent, vae
from geomlat.optim import Adam

RNG = np.random.default_rng(0)


def test_the_rules_of_pairs():
    angles = RNG.uniform(-np.pi, np.pi, (5, 3))
    gradcheck(lambda a: pairs_from_angles_vjp(a), angles)
    pairs = RNG.standard_normal((5, 6)) * np.exp(RNG.uniform(-3, 3, (5, 1)))
    gradcheck(lambda x: angles_from_pairs_vjp(x), pairs)
    np.testing.assert_array_equal(angles_from_pairs_vjp(pairs)[0], angles_from_pairs(pairs)[0])
    small, pull = angles_from_pairs_vjp(np.array([[0.0, 0.0, 3e-30, -4e-30]], np.float32))
    np.testing.assert_allclose(small, [[0.0, np.arctan2(-4, 3)]], rtol=1e-6)
    dx = pull(np.array([[1.0, 1e-20]], np.float32))
    assert dx.dtype == np.float32
    np.testing.assert_allclose(dx[0], [0.0, 0.0, 0.8 * 2e9, 0.6 * 2e9], rtol=1e-6)


@pytest.mark.parametrize("latent", ["t2", "t2:full", "t1,e1,t1", "s1,t2"])
def test_decoders_have_no_seam(latent):
    model = vae(6, latent=latent, hidden=(5,), activation="tanh")
    model.fitted(model.init(rng=0) + 0.3 * RNG.standard_normal(model.layout.size))
    z = model.posterior.vjp(model.view(model.theta), np.ones((4, 6)))[0].sample(rng=1)
    assert z.shape[-1] == model.code_width < model.decoder.n_in
    round_once = (
        2 * np.pi * np.array([period == 2 * np.pi for period in np.broadcast_to(model.manifold.period, z.shape[-1:])])
    )
    np.testing.assert_allclose(model.inverse_transform(z + round_once), model.inverse_transform(z), rtol=1e-13)


def test_all_other_spaces_are_decoded_as_they_are():
    for latent in ("e2", "s2", "h2", "p2", "u2", "s2,h2,e1"):
        model = vae(6, latent=latent, hidden=(5,))
        z = RNG.standard_normal((3, model.code_width))
        assert model.posterior.latent.embed_vjp(z)[0] is z
        assert model.decoder.n_in == model.code_width


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_locations_go_round(dtype):
    """The angles of a pair of heads, all of them reached, each a point of the torus in its own dtype."""
    latent = WrappedLatent(2, Space("torus", 1))
    theta = latent.init(rng=0, dtype=dtype)
    latent.view(theta)["loc_sd.weight"][...] = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    latent.view(theta)["loc_sd.bias"][...] = 0.0
    angles = np.linspace(-np.pi, np.pi, 41, dtype=dtype)[:, None]
    h = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    h[-1] = [-1.0, 0.0]
    q, _ = latent.vjp(latent.view(theta), h)
    assert Torus(1).contains(q.loc).all()
    np.testing.assert_allclose(np.cos(q.loc - angles), 1.0, rtol=1e-6)


def test_a_circle_is_found():
    angles = RNG.uniform(-np.pi, np.pi, 200)
    x = np.stack([np.cos(angles), np.sin(angles), np.cos(angles + 1)], -1) + 0.05 * RNG.standard_normal((200, 3))
    model = vae(3, latent="t1", hidden=(16,), likelihood="gaussian:0.1")
    model.fit(x.astype(np.float32), epochs=60, batch_size=20, rng=0, optimizer=Adam(5e-3))
    z = model.transform(x.astype(np.float32))
    assert circle_recovery(np.concatenate([np.cos(z), np.sin(z)], axis=-1), angles).recovered
