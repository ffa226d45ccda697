"""Flows in polar coordinates: densities, samples, the centre and the line where the angle jumps."""

import numpy as np
import pytest
from scipy import stats

from geomlat.flows import polar_flow
from geomlat.grad import gradcheck_vector
from geomlat.models import FlowMixture
from geomlat.optim import Adam

FLOW = polar_flow(3, (6,), activation="tanh")
THETA = 0.4 * np.random.default_rng(0).standard_normal(FLOW.layout.size)


def test_the_density_integrates_to_one():
    FLOW.fitted(THETA)
    t = -np.pi + (np.arange(400) + 0.5) * 2.0 * np.pi / 400
    s = np.linspace(-12.0, 12.0, 1201)
    angle, log_radius = np.meshgrid(t, s)
    x = np.exp(log_radius)[..., None] * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    density = np.exp(FLOW.log_prob(x.reshape(-1, 2)) + 2.0 * log_radius.reshape(-1))
    assert density.sum() * (t[1] - t[0]) * (s[1] - s[0]) == pytest.approx(1.0, abs=1e-4)


def test_samples_follow_the_density():
    x = FLOW.fitted(THETA).sample(4000, rng=1)
    z, _ = FLOW.chain.inverse(FLOW.view(THETA), x)
    assert stats.kstest(z[:, 0] / (2.0 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    assert stats.kstest(z[:, 1], "norm").pvalue > 1e-3


def test_the_base_and_the_spline_close():
    even = polar_flow(2, (6,), activation="tanh")
    even.fitted(np.where(np.arange(even.layout.size) < even.transforms[0].layout.size, 0.0, 0.7))
    edge = np.array([[-1.3, 1e-9], [-1.3, -1e-9]])
    l = even.log_prob(edge)
    assert l[0] == pytest.approx(l[1], abs=1e-6)


def test_the_objective_is_gradchecked_and_the_centre_is_finite():
    x = np.random.default_rng(1).standard_normal((7, 2))

    def objective(t):
        loss, pull = FLOW.loss_vjp(t, x, None)
        return loss, lambda g: pull(FLOW.view(g))

    gradcheck_vector(objective, THETA)
    for dtype in (np.float64, np.float32):
        at = np.zeros((1, 2), dtype)
        l, pull = FLOW.log_density_vjp(FLOW.view(THETA.astype(dtype)), at)
        g = np.zeros_like(THETA, dtype=dtype)
        dx, _ = pull(np.ones_like(l), FLOW.view(g))
        assert l.dtype == dx.dtype == dtype
        assert np.isfinite(np.concatenate((l, dx[0], g))).all()


def test_rings_may_be_thin_and_angles_cover_the_turn():
    bounds = [t.bound for t in polar_flow(4, (3,)).transforms[:-1]]
    assert bounds == [8.0, np.pi, 8.0, np.pi]
    thin = polar_flow(1, (3,))
    theta = thin.init(rng=0, dtype=np.float64)
    thin.view(theta)["transforms.0.network.layers.1.bias"][...] = [-1e3, 0.0]
    r = np.linalg.norm(thin.fitted(theta).sample(500, rng=0), axis=-1)
    assert np.log(r).std() == pytest.approx(np.exp(-8.0), rel=0.1, abs=0.0)


def test_a_conditional_ring_uses_its_context():
    gen = np.random.default_rng(0)
    c, t = gen.choice([-1.0, 1.0], size=(600, 1)), gen.uniform(0.0, 2.0 * np.pi, (600, 1))
    x = (1.0 + 0.5 * c) * (1.0 + 0.1 * gen.standard_normal((600, 1))) * np.concatenate((np.cos(t), np.sin(t)), axis=1)
    flow = polar_flow(2, (8,), context=1).fit(x, context=c, epochs=30, rng=0, optimizer=Adam(1e-2))
    assert flow.log_prob(x, c).mean() > flow.log_prob(x, -c).mean() + 3.0
    assert np.hypot(*flow.sample(400, rng=1, context=[[-1.0]]).T).mean() == pytest.approx(0.5, abs=0.05)


def test_a_mixture_of_rings_finds_two_circles():
    gen = np.random.default_rng(0)
    labels, t = np.arange(600) % 2, gen.uniform(0.0, 2.0 * np.pi, 600)
    r = np.where(labels == 0, 0.8, 0.4) + 0.03 * gen.standard_normal(600)
    x = r[:, None] * np.stack((np.cos(t), np.sin(t)), axis=-1)
    model = FlowMixture(n_components=2, features=2, kind="polar", blocks=1, activation="tanh", framed=True)
    model.fit(x, starts=2, trial_epochs=60, epochs=20, rng=0, optimizer=Adam(1e-2, clip=5.0))
    right = (model.predict(x) == labels).mean()
    assert max(right, 1.0 - right) > 0.98
    with pytest.raises(ValueError, match="of 2 features and not shared"):
        FlowMixture(n_components=2, features=3, kind="polar")
