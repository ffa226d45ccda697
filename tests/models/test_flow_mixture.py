"""The variational mixture of flows: objectives, labels, clustering, component removal."""

import numpy as np
import pytest

from geomlat.grad import gradcheck_vector
from geomlat.models import FlowMixture
from geomlat.optim import Adam

SMALL = {"n_components": 3, "features": 2, "blocks": 2, "hidden": (4,), "posterior_hidden": (5,), "activation": "tanh"}


def three_blobs(n=600, seed=0):
    gen = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    angle = 2.0 * np.pi * labels / 3.0
    return 3.0 * np.stack((np.cos(angle), np.sin(angle)), -1) + 0.4 * gen.standard_normal((n, 2)), labels


@pytest.mark.parametrize("objective", ["elbo", "marginal"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("learn_weights", [False, True])
def test_objectives_are_gradchecked(objective, shared, learn_weights):
    model = FlowMixture(**SMALL, objective=objective, shared=shared, learn_weights=learn_weights, supervision=0.7)
    gen = np.random.default_rng(0)
    theta = 0.5 * gen.standard_normal(model.layout.size)
    rows = np.concatenate((gen.standard_normal((6, 2)), np.array([-1.0, 0, -1, 2, 1, -1])[:, None]), axis=-1)
    where = model.layout.slices["logits"][0]
    frozen = theta[where].copy()

    def objective_vjp(t):
        t = t.copy()
        if not learn_weights:
            t[where] = frozen
        loss, pull = model.loss_vjp(t, rows, None, beta=0.8)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective_vjp, theta)


def test_the_bound_is_below_and_tight_at_the_exact_posterior():
    model = FlowMixture(**SMALL)
    x = np.random.default_rng(1).standard_normal((50, 2))
    model.fitted(np.random.default_rng(0).standard_normal(model.layout.size))
    gap = model.log_prob(x) - model.elbo(x)
    q, exact = model.amortised_proba(x), model.predict_proba(x)
    assert (gap >= -1e-12).all()
    np.testing.assert_allclose(gap, (q * np.log(q / exact)).sum(-1), atol=1e-10)
    np.testing.assert_allclose(exact.sum(-1), 1.0, rtol=1e-12)


def test_labels_name_the_components():
    x, labels = three_blobs()
    few = np.where(np.arange(len(x)) < 30, labels, -1)
    model = FlowMixture(n_components=3, features=2, blocks=2, hidden=(8,))
    model.fit(x[:30], labels[:30], epochs=100, rng=0, optimizer=Adam(1e-2))
    model.fit(x, few, epochs=20, rng=0, optimizer=Adam(1e-2), theta=model.theta)
    assert (model.predict(x) == labels).mean() > 0.98
    assert (model.amortised_proba(x).argmax(-1) == labels).mean() > 0.98
    np.testing.assert_allclose(model.weights(), 1.0 / 3.0, atol=0.05)
    y = model.sample(3000, rng=1)
    assert np.bincount(model.predict(y), minlength=3).min() > 850
    assert (model.predict(model.sample(200, rng=2, component=1)) == 1).mean() > 0.95


def test_components_are_removed():
    x, labels = three_blobs()
    model = FlowMixture(n_components=3, features=2, blocks=2, hidden=(8,))
    model.fit(x, labels, epochs=20, rng=0, optimizer=Adam(1e-2))
    rest = model.without(1)
    kept = model.predict_proba(x[labels != 1])[:, [0, 2]]
    np.testing.assert_allclose(
        rest.predict_proba(x[labels != 1]), kept / kept.sum(-1, keepdims=True), rtol=1e-3, atol=1e-6
    )
    weights = model.weights()[[0, 2]]
    np.testing.assert_allclose(rest.weights(), weights / weights.sum(), rtol=1e-5)
    with pytest.raises(ValueError, match="keeps two or more"):
        model.without(0, 1)


def test_mistakes():
    with pytest.raises(ValueError, match="n_components >= 2"):
        FlowMixture(n_components=1, features=2)
    with pytest.raises(ValueError, match="objective of elbo, marginal"):
        FlowMixture(n_components=2, features=2, objective="vi")
    model = FlowMixture(n_components=2, features=2)
    for bad in ([0, 2], [0.5, 1], [0]):
        with pytest.raises(ValueError, match=r"one integer of -1 \.\. 1"):
            model.fit(np.zeros((2, 2)), np.array(bad))
