"""Objectives, gradients and draws of models on a GPU: those of the CPU."""

import numpy as np
import pytest

from geomlat.data import load
from geomlat.models import vae

MODELS = {
    "full, binomial": {"latent": "e3:full", "likelihood": "binomial:255"},
    "gaussian, logistic, vamp": {"latent": "e2", "likelihood": "logistic", "prior": "vamp:4:weights"},
    "vmf, shared logistic, vamp": {"latent": "s2", "likelihood": "logistic-shared", "prior": "vamp:4"},
    "hyperboloid, learned spread, vamp": {"latent": "h2", "likelihood": "gaussian-sd", "prior": "vamp:4"},
    "product, log-variance": {"latent": "e2,s2", "likelihood": "gaussian-log-variance", "prior": "vamp:4"},
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_a_model_on_a_device_is_the_one_on_the_host(name):
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    model = vae(6, hidden=(5,), activation="tanh", **MODELS[name])
    x = np.random.default_rng(0).integers(0, 256, (8, 6)).astype(float)
    x = x / 255 if "gaussian-" in MODELS[name]["likelihood"] else x
    theta = model.init(rng=0)
    found = []
    for xp in (np, cupy):
        at, rows = xp.asarray(theta), xp.asarray(x)
        loss, pull = model.loss_vjp(at, rows, model.draw(at, rows, rng=1))
        g = xp.zeros_like(at)
        pull(model.view(g))
        model.begin(at, rows, rng=2)
        found.append([cupy.asnumpy(a) for a in (loss, g, model.fitted(at).sample(7, rng=3))])
        assert isinstance(model.sample(2, rng=0), xp.ndarray)
    for host, device in zip(*found, strict=True):
        np.testing.assert_allclose(device, host, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(host).max()))


@pytest.mark.gpu
def test_the_bits_of_the_tree_flip_on_a_device_as_on_the_host():
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    tree = load("tree")
    found = tree.prepare(cupy.asarray(tree.train), rng=3)
    np.testing.assert_array_equal(cupy.asnumpy(found), tree.prepare(tree.train, rng=3))
