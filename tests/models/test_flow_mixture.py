"""The variational mixture of flows: objectives, labels, clustering, component removal."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from geomlat.flows import AdditiveCoupling, AffineCoupling
from geomlat.grad import gradcheck_vector
from geomlat.models import FlowMixture, _flow_starts
from geomlat.models._flow_starts import gaussians
from geomlat.optim import Adam

SMALL = {"n_components": 3, "features": 2, "blocks": 2, "hidden": (4,), "posterior_hidden": (5,), "activation": "tanh"}


class Run(NamedTuple):
    theta: np.ndarray


def three_blobs(n=600, seed=0):
    gen = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    angle = 2.0 * np.pi * labels / 3.0
    return 3.0 * np.stack((np.cos(angle), np.sin(angle)), -1) + 0.4 * gen.standard_normal((n, 2)), labels


def rows_and_theta(model, seed=0):
    gen = np.random.default_rng(seed)
    theta = 0.5 * gen.standard_normal(model.layout.size)
    return np.concatenate((gen.standard_normal((6, 2)), np.array([-1.0, 0, -1, 2, 1, -1])[:, None]), axis=-1), theta


@pytest.mark.parametrize(("shared", "framed"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("learn_weights", [False, True])
def test_the_bound_is_gradchecked(shared, framed, learn_weights):
    model = FlowMixture(**SMALL, shared=shared, framed=framed, learn_weights=learn_weights, supervision=0.7)
    rows, theta = rows_and_theta(model)
    where = model.layout.slices["logits"][0]
    frozen = theta[where].copy()

    def objective_vjp(t):
        t = t.copy()
        if not learn_weights:
            t[where] = frozen
        loss, pull = model.loss_vjp(t, rows, None, beta=0.8)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective_vjp, theta)


@pytest.mark.parametrize(("shared", "framed"), [(False, False), (False, True), (True, False)])
def test_the_likelihood_moves_the_flows_and_the_network_follows(shared, framed):
    model = FlowMixture(**SMALL, objective="marginal", shared=shared, framed=framed, supervision=0.7)
    rows, theta = rows_and_theta(model)
    posterior = np.zeros(len(theta), dtype=bool)
    for name, (where, _) in model.layout.slices.items():
        posterior[where] = name.startswith("posterior.")
    exact = model.fitted(theta).predict_proba(rows[:, :2])
    known = rows[:, 2] >= 0.0
    weight = np.where(known[:, None], 0.7 * (rows[:, 2:] == np.arange(3)), exact)

    def flows_vjp(free):
        t = theta.copy()
        t[~posterior] = free
        loss, pull = model.loss_vjp(t, rows, None)

        def pull_free(g):
            whole = np.zeros_like(theta)
            pull(model.view(whole))
            g += whole[~posterior]

        return loss, pull_free

    def network_vjp(free):
        t = theta.copy()
        t[posterior] = free
        q = model.fitted(t).amortised_proba(rows[:, :2])

        def pull_free(g):
            whole = np.zeros_like(theta)
            model.loss_vjp(t, rows, None)[1](model.view(whole))
            g += whole[posterior]

        return -(weight * np.log(q)).sum() / len(rows), pull_free

    gradcheck_vector(flows_vjp, theta[~posterior])
    gradcheck_vector(network_vjp, theta[posterior])


@pytest.mark.parametrize("options", [{}, {"kind": "spline"}, {"shared": True}, {"framed": True}])
def test_the_density_integrates_to_one(options):
    model = FlowMixture(**SMALL | options)
    theta = 0.2 * np.random.default_rng(0).standard_normal(model.layout.size)
    axis = np.linspace(-10.0, 10.0, 301)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(model.fitted(theta).log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", ["affine", "spline"])
def test_the_bound_of_the_couplings(kind):
    model, free = (FlowMixture(**SMALL, kind=kind, **bound) for bound in ({"bound": 0.7}, {}))
    assert {t.bound for flow in model.flows for t in flow.transforms} == {0.7}
    assert 0.7 not in {t.bound for flow in free.flows for t in flow.transforms}
    assert model.config()["bound"] == 0.7


def test_components_evaluated_at_once_are_those_of_the_single_flows():
    for kind in ("affine", "spline"):
        model = FlowMixture(**SMALL, framed=True, kind=kind)
        rows, theta = rows_and_theta(model)
        p, x, dl = model.view(theta), rows[:, :2], np.arange(18.0).reshape(6, 3)
        l, pull = model.component_log_probs_vjp(p, x)
        at_once, singly = np.zeros_like(theta), np.zeros_like(theta)
        pull(dl, model.view(at_once))
        for c, flow in enumerate(model.flows):
            alone, pull_flow = flow.log_density_vjp(p, x)
            np.testing.assert_allclose(l[:, c], alone, rtol=1e-12)
            pull_flow(dl[:, c], model.view(singly))
        np.testing.assert_allclose(at_once, singly, rtol=1e-11, atol=1e-11)


def bent_blobs(n=900, seed=0):
    x, labels = three_blobs(n, seed)
    radius = np.hypot(x[:, 0], x[:, 1])
    c, s = np.cos(0.6 * radius), np.sin(0.6 * radius)
    return np.stack((c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]), -1), labels


def test_components_are_found_without_labels_from_the_best_start():
    x, labels = bent_blobs()
    model = FlowMixture(
        n_components=3, features=2, hidden=(8,), activation="tanh", framed=True, posterior_hidden=(32, 32)
    )
    model.fit(x, starts=3, trial_epochs=10, epochs=20, rng=1, optimizer=Adam(1e-2), batch_size=128)
    found = model.predict(x)
    names = [np.bincount(labels[found == c], minlength=3).argmax() for c in range(3)]
    assert sorted(names) == [0, 1, 2]
    assert (np.array(names)[found] == labels).mean() > 0.97
    assert -model.elbo(x).mean() < 2.3


def test_the_start_of_the_largest_objective_goes_on(monkeypatch):
    x, labels = three_blobs()
    model = FlowMixture(**SMALL, framed=True)
    good, bad = model.start(x, labels, rng=0), model.start(x - 1.0, labels, rng=0)
    offered, nested = iter([bad, good, bad]), []

    def start(self, x, y, *, nested, rng, seen=nested):
        seen.append(nested)
        return next(offered)

    monkeypatch.setattr(FlowMixture, "start", start)
    model.fit(x, starts=3, trial_epochs=0, epochs=0, rng=0, dtype=np.float64)
    assert nested == [False, False, True]
    np.testing.assert_array_equal(model.theta, good)


def test_a_start_is_a_mixture_of_gaussians():
    x, labels = three_blobs()
    model = FlowMixture(**SMALL, framed=True)
    model.fitted(model.start(x, rng=0))
    weights = model.weights()
    assert (np.bincount(model.predict(x[labels == 0]), minlength=3) > 195).sum() == 1
    expected = []
    for c in range(3):
        z = x[model.predict(x) == c]
        expected.append(stats.multivariate_normal(z.mean(0), np.cov(z.T)).logpdf(x) + np.log(weights[c]))
    np.testing.assert_allclose(model.log_prob(x).mean(), np.logaddexp.reduce(expected).mean(), atol=0.02)
    kept = model.start(x, np.where(np.arange(len(x)) < 30, labels, -1), rng=0)
    assert (model.fitted(kept).predict(x) == labels).mean() > 0.99


def test_labels_stay_as_given_while_gaussians_are_fitted():
    x, labels = three_blobs()
    wrong = (labels + (np.arange(600) % 2)) % 3  # half of each blob goes by another name
    found = gaussians(x, wrong, 3, nested=False, rng=np.random.default_rng(0))
    for c in range(3):
        np.testing.assert_allclose(found.means[c], x[wrong == c].mean(axis=0), atol=1e-9)
    assert gaussians(x, 0 * labels - 1, 3, nested=False, rng=np.random.default_rng(0)).means.shape == (3, 2)


def test_starts_are_tried_by_the_likelihood(monkeypatch):
    seen, x = [], three_blobs()[0]
    monkeypatch.setattr(
        _flow_starts, "fit", lambda model, rows, *, theta, **s: seen.append(model.objective) or Run(theta)
    )
    FlowMixture(**SMALL, framed=True).fit(x, starts=2, epochs=0, rng=0)
    assert seen == ["marginal", "marginal"]


@pytest.mark.parametrize(("kind", "coupling"), [("affine", AffineCoupling), ("additive", AdditiveCoupling)])
def test_the_options_of_the_flows_are_heeded(kind, coupling):
    model = FlowMixture(n_components=2, features=2, kind=kind, blocks=3, hidden=(7, 6), posterior_hidden=(5, 4))
    for flow in model.flows:
        assert [type(t) for t in flow.transforms] == 3 * [coupling]
        assert {t.network.sizes[1:-1] for t in flow.transforms} == {(7, 6)}
    assert model.posterior.sizes == (2, 5, 4, 2)


def test_the_activation_is_that_of_all_networks_and_the_report_is_of_the_density():
    model = FlowMixture(**SMALL | {"activation": "silu"})
    networks = [model.posterior, *(t.network for flow in model.flows for t in flow.transforms)]
    assert {n.activation for n in networks} == {"silu"}
    rows, theta = rows_and_theta(model)
    report = model.fitted(theta).report(theta, rows, None)
    assert report["nll"] == pytest.approx(-model.log_prob(rows[:, :2]).mean())
    assert report["loss"] == model.loss_vjp(theta, rows, None)[0]


def test_nested_starts_have_one_centre():
    gen = np.random.default_rng(0)
    labels = np.arange(900) % 3
    x = gen.standard_normal((900, 2)) * np.array([0.02, 0.3, 4.0])[labels, None] + 1.0
    model = FlowMixture(**SMALL, framed=True)
    model.fitted(model.start(x, nested=True, rng=0))
    assert (model.predict(x) == labels).mean() > 0.9
    for bad in ({"shared": True, "framed": True}, {}):
        with pytest.raises(ValueError, match="framed=True and shared=False"):
            FlowMixture(**SMALL, **bad).start(x, rng=0)


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


def test_a_training_may_begin_with_the_labelled_rows_alone():
    x, labels = three_blobs()
    few = np.where(np.arange(len(x)) % 20 == 0, labels, -1)
    model = FlowMixture(n_components=3, features=2, blocks=2, hidden=(8,))
    known = few >= 0
    first = model.fit(x[known], labels[known], epochs=50, batch_size=known.sum(), rng=0).theta
    expected = model.fit(x, few, epochs=2, rng=0, optimizer=Adam(1e-2), theta=first).theta
    found = model.fit(x, few, epochs=2, rng=0, optimizer=Adam(1e-2), labelled_epochs=50).theta
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="y holds none"):
        model.fit(x, epochs=1, labelled_epochs=5)
    with pytest.raises(ValueError, match="not from both"):
        model.fit(x, few, epochs=1, labelled_epochs=5, starts=1)
    with pytest.raises(ValueError, match="not from both"):
        model.fit(x, epochs=1, starts=1, theta=first)
    for name in ("starts", "trial_epochs", "labelled_epochs"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number, at least 0, got -1"):
            model.fit(x, epochs=1, **{name: -1})


def test_only_components_that_are_there_are_drawn_and_removed():
    model = FlowMixture(n_components=3, features=2, blocks=1)
    model.fitted(model.init(rng=0))
    with pytest.raises(ValueError, match=r"numbered 0 \.\. 2, got 3"):
        model.sample(5, rng=0, component=3)
    with pytest.raises(ValueError, match=r"numbered 0 \.\. 2, got 4"):
        model.without(0, 4)


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
    for kind in ("polar", "additive"):
        with pytest.raises(ValueError, match=f"got 1.0 for kind '{kind}'"):
            FlowMixture(n_components=2, features=2, kind=kind, bound=1.0)
    with pytest.raises(ValueError, match="n_components >= 2"):
        FlowMixture(n_components=1, features=2)
    with pytest.raises(ValueError, match="objective of elbo, marginal"):
        FlowMixture(n_components=2, features=2, objective="vi")
    model = FlowMixture(n_components=2, features=2)
    for bad in ([0, 2], [0.5, 1], [0]):
        with pytest.raises(ValueError, match=r"one integer of -1 \.\. 1"):
            model.fit(np.zeros((2, 2)), np.array(bad))
