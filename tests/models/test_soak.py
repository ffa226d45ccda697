"""Long float32 runs: every parameter and every loss stays finite."""

import numpy as np
import pytest

from geomlat.data import load
from geomlat.models import vae
from geomlat.optim import Adam
from geomlat.random import stream

STEPS = 20_000


@pytest.mark.slow
@pytest.mark.parametrize("start", [None, -12.0])
@pytest.mark.parametrize("dim", [2, 20, 128])
def test_twenty_thousand_steps(dim, start):
    """On the digits, kappa free to reach 0, and (start = -12) beginning within 1e-5 of it."""
    digits = load("digits")
    x = digits.prepare(digits.train)
    model = vae(64, latent=f"s{dim}", hidden=(32,), likelihood=digits.likelihood, kappa_start=start)
    theta = model.init(rng=0, dtype=np.float32)
    grad, optimizer, noise = np.zeros_like(theta), Adam(1e-3), stream(1)
    state, g = optimizer.init(theta), model.view(grad)
    order = np.random.default_rng(0).integers(0, len(x), (STEPS, 64))
    for step, rows in enumerate(order):
        grad[...] = 0
        loss, pull = model.loss_vjp(theta, x[rows], noise.child(step), beta=min(1.0, step / 2000))
        pull(g)
        assert np.isfinite(loss)
        norm = optimizer.update(theta, grad, state)
        assert np.isfinite(norm)
    assert np.isfinite(theta).all()
    kappa = model.encode(theta, x).kappa
    assert kappa.dtype == np.float32
    assert np.isfinite(kappa).all()
    assert (kappa >= 0).all()
