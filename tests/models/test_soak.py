"""Long float32 runs: every parameter and every loss stays finite."""

import math

import numpy as np
import pytest

from geomlat.data import load
from geomlat.models import vae
from geomlat.optim import Adam
from geomlat.random import stream

STEPS = 20_000
GEOMETRIES = {
    "gaussian": {"latent": "e5"},
    "hyperboloid": {"latent": "h2"},
    "hyperboloid-10": {"latent": "h10", "curvature": -2.0},
    "ball": {"latent": "p5", "curvature": -0.7},
    "learned": {"latent": "u2", "curvature": 0.1},
    "through zero": {"latent": "u3", "curvature": -0.1},
    "torus": {"latent": "t2"},
    "power": {"latent": "s5", "family": "power"},
    "cauchy": {"latent": "s5", "family": "cauchy"},
    "product": {"latent": "s2,h2,e2,u2,t1"},
    "vamp": {"latent": "e5", "prior": "vamp:20", "layers": "gated"},
    "vamp-vmf": {"latent": "s4", "prior": "vamp:20"},
    "vamp-hyperboloid": {"latent": "h2", "prior": "vamp:5"},
}


def soaked(options, *, steps, set_curvature=None):
    """A model after ``steps`` updates on the digits, every loss and gradient norm of which was finite."""
    digits = load("digits")
    x = digits.prepare(digits.train)
    model = vae(64, hidden=(32,), likelihood=digits.likelihood, **options)
    theta = model.init(rng=0, dtype=np.float32)
    optimizer, noise = Adam(1e-3), stream(1)
    state, g = optimizer.init(theta), model.view(np.zeros_like(theta))
    order = np.random.default_rng(0).integers(0, len(x), (steps, 64))
    for step, rows in enumerate(order):
        if set_curvature is not None:
            model.view(theta)["posterior.latent.space.curvature"][...] = set_curvature(step)
        g.clear()
        loss, pull = model.loss_vjp(theta, x[rows], noise.child(step), beta=min(1.0, step / 2000))
        pull(g)
        assert np.isfinite(loss), step
        assert np.isfinite(optimizer.update(theta, g.vector, state)), step
    assert np.isfinite(theta).all()
    return model, theta, x


def through_zero(step):
    """A curvature that goes from -0.5 to 0.5 and back in 1000 steps, through 0 itself."""
    return 0.5 * math.sin(2.0 * math.pi * step / 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_for_twenty_thousand_steps(name):
    sweep = through_zero if name == "through zero" else None
    model, theta, x = soaked(GEOMETRIES[name], steps=STEPS, set_curvature=sweep)
    q = model.encode(theta, x)
    z = q.sample(rng=3)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert np.isfinite(q.log_prob(z)).all()
    report = model.report(theta, x, stream(4))
    assert report["loss"] < 0.9 * model.report(model.init(rng=0, dtype=np.float32), x, stream(4))["loss"]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_for_a_few_steps(name):
    soaked(GEOMETRIES[name], steps=20, set_curvature=through_zero if name == "through zero" else None)


@pytest.mark.slow
@pytest.mark.parametrize("start", [None, -12.0])
@pytest.mark.parametrize("dim", [2, 20, 128])
def test_twenty_thousand_steps(dim, start):
    """The von Mises-Fisher latent, kappa free to reach 0, and (start = -12) beginning within 1e-5 of it."""
    model, theta, x = soaked({"latent": f"s{dim}", "kappa_start": start}, steps=STEPS)
    kappa = model.encode(theta, x).kappa
    assert kappa.dtype == np.float32
    assert np.isfinite(kappa).all()
    assert (kappa >= 0).all()
