"""Flows as distributions: densities by quadrature, sampling, training, pullbacks."""

import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import Normal
from geomlat.flows import (
    ActNorm,
    AffineCoupling,
    Autoregressive,
    Chain,
    CircularSpline,
    Flow,
    Inverse,
    Moebius,
    Permutation,
    SplineCoupling,
    coupling_flow,
)
from geomlat.grad import gradcheck, gradcheck_vector
from geomlat.models import FlowMixture
from geomlat.optim import Adam

WIDE = Normal(np.array([0.5, -0.5]), np.array([1.5, 0.7]))
FLOWS = {
    "affine": coupling_flow(2, 4, (6,), activation="tanh"),
    "additive": coupling_flow(2, 4, (6,), kind="additive", activation="tanh"),
    "spline": coupling_flow(2, 3, (6,), kind="spline", bins=5, activation="tanh"),
    "autoregressive": Flow((Autoregressive(dim=2, hidden=(6,), activation="tanh"),) * 1, WIDE),
    "odd": coupling_flow(3, 3, (5,), activation="tanh"),
}
every = pytest.mark.parametrize("name", FLOWS)


def parameters(flow, seed=0, scale=0.5):
    return scale * np.random.default_rng(seed).standard_normal(flow.layout.size)


@pytest.mark.parametrize("name", sorted(set(FLOWS) - {"odd"}))
def test_the_density_integrates_to_one(name):
    flow = FLOWS[name]
    flow.fitted(parameters(flow, scale=0.3))
    axis = np.linspace(-12.0, 12.0, 801)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(flow.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", [CircularSpline, Moebius])
def test_a_density_on_the_torus_integrates_to_one(kind):
    couplings = tuple(kind(dim=2, hidden=(6,), flip=flip, activation="tanh") for flip in (False, True, False))

    class Uniform:
        def log_prob_vjp(self, z):
            return np.full(z.shape[:-1], -2.0 * np.log(2.0 * np.pi)), lambda dl: (np.zeros_like(z),)

    flow = Flow(couplings, Uniform())
    flow.fitted(parameters(flow, scale=0.3))
    axis = -np.pi + (np.arange(200) + 0.5) * 2.0 * np.pi / 200
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert np.exp(flow.log_prob(grid)).mean() * 4.0 * np.pi**2 == pytest.approx(1.0, abs=1e-3)


@every
def test_samples_follow_the_density(name):
    flow = FLOWS[name]
    theta = parameters(flow)
    p = flow.view(theta)
    x = flow.fitted(theta).sample(4000, rng=1)
    z, _ = flow.chain.inverse(p, x)
    base = flow.base_like(x)
    u = (z - base.loc) / base.scale
    assert min(stats.kstest(u[:, j], "norm").pvalue for j in range(flow.dim)) > 1e-3
    (again, density), _ = flow.rsample_vjp(p, z)
    np.testing.assert_allclose(again, x, atol=1e-9)
    np.testing.assert_allclose(density, flow.log_prob(x), atol=1e-9)


@every
def test_objectives_are_gradchecked(name):
    flow = FLOWS[name]
    theta, x = parameters(flow), np.random.default_rng(1).standard_normal((7, flow.dim))
    gradcheck_vector(
        lambda t: (lambda loss, pull: (loss, lambda g: pull(flow.view(g))))(*flow.loss_vjp(t, x, None)), theta
    )

    def sampled(theta, noise):
        y, pull = flow.rsample_vjp(flow.view(theta), noise)

        def pull_all(cotangent):
            g = np.zeros_like(theta)
            return g, pull(cotangent, flow.view(g))[0]

        return y, pull_all

    gradcheck(sampled, theta, x, step=1e-3)


def test_fit_learns_a_bent_law():
    gen = np.random.default_rng(0)
    x = gen.standard_normal((2000, 2))
    x[:, 1] = 0.3 * x[:, 1] + x[:, 0] ** 2 - 1.0
    exact = np.log(2.0 * np.pi) + 1.0 + np.log(0.3)
    flow = coupling_flow(2, 2, (16,)).fit(x, epochs=40, rng=0, optimizer=Adam(5e-3))
    assert -flow.log_prob(x).mean() < exact + 0.06
    assert flow.log_prob(x).dtype == np.float32


def test_a_conditional_flow_uses_its_context():
    gen = np.random.default_rng(0)
    c = gen.choice([-1.0, 1.0], size=(1000, 1))
    x = 2.0 * c + 0.3 * gen.standard_normal((1000, 2))
    flow = coupling_flow(2, 2, (8,), context=1).fit(x, context=c, epochs=30, rng=0)
    assert flow.log_prob(x, c).mean() > flow.log_prob(x, -c).mean() + 5.0
    y = flow.sample(500, rng=1, context=np.ones((500, 1), np.float32))
    assert y.mean() == pytest.approx(2.0, abs=0.1)
    one = flow.sample((20, 25), rng=1, context=[[1.0]])
    assert one.shape == (20, 25, 2)
    np.testing.assert_array_equal(one.reshape(500, 2), flow.sample(500, rng=1, context=np.ones((500, 1))))
    np.testing.assert_array_equal(flow.log_prob(y, [[1.0]]), flow.log_prob(y, np.ones((500, 1))))
    for method in (flow.log_prob, lambda x, context=None: flow.sample(len(x), rng=0, context=context)):
        with pytest.raises(ValueError, match="1 context features"):
            method(x)
        with pytest.raises(ValueError, match="7 rows for 1000 points"):
            method(x, context=c[:7])
        with pytest.raises(ValueError, match=r"\(1000, 2\); this model takes \(n, 1\)"):
            method(x, context=x)
        with pytest.raises(ValueError, match="context holds NaN"):
            method(x, context=np.full((1, 1), np.nan))
    other = AffineCoupling(dim=2, context=1)
    for bad in ((other, AffineCoupling(dim=2)), (Chain((AffineCoupling(dim=2),)),), (Inverse(AffineCoupling(dim=2)),)):
        with pytest.raises(ValueError, match="its 1 context features, got some that take 0"):
            Flow(bad, context=1)
    assert Flow((Inverse(Chain((other, Permutation((1, 0))))), ActNorm(2)), context=1).n_features == 3


class Logistic:
    """A law of the plane with a sampler and a density only."""

    def sample(self, shape, *, rng):
        return np.random.default_rng(rng).logistic(size=(*shape, 2))

    def log_prob(self, z):
        return (-z - 2.0 * np.log1p(np.exp(-z))).sum(-1)


class LogisticVjp(Logistic):
    def log_prob_vjp(self, z):
        return self.log_prob(z), lambda dl: (dl[..., None] * -np.tanh(0.5 * z),)


def test_a_base_needs_a_sampler_and_a_density_only():
    plain, exact = (coupling_flow(2, 2, (5,), base=base) for base in (Logistic(), LogisticVjp()))
    theta, x = parameters(exact), 2.0 * np.random.default_rng(0).standard_normal((40, 2))
    grads = []
    for flow in (plain, exact):
        g = np.zeros_like(theta)
        flow.loss_vjp(theta, x, None)[1](flow.view(g))
        grads.append(g)
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-8, atol=1e-10)
    fitted = coupling_flow(2, 2, (5,), base=Logistic()).fit(x.astype(np.float32), epochs=2, rng=0)
    assert fitted.sample(5, rng=0).shape == (5, 2)
    assert fitted.log_prob(x).dtype == fitted.theta.dtype == np.float32
    assert fitted.config()["base"]["type"].endswith("Logistic")


def test_a_base_of_constant_density_has_no_cotangent():
    class Uniform:
        def __init__(self, zeros):
            self.zeros = zeros

        def log_prob_vjp(self, z):
            return np.full(z.shape[:-1], -3.0), lambda dl: (np.zeros_like(z) if self.zeros else None,)

    x, found = np.random.default_rng(0).uniform(-3.0, 3.0, (6, 2)), []
    for zeros in (True, False):
        flow = Flow((CircularSpline(dim=2, hidden=(4,), bins=4),), Uniform(zeros))
        theta = parameters(flow)
        g = np.zeros_like(theta)
        flow.loss_vjp(theta, x, None)[1](flow.view(g))
        (_, dl), pull = flow.rsample_vjp(flow.view(theta), x)
        found.append((g, pull((None, dl), flow.view(g.copy()))[0]))
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)
    assert found[0][0].any()


def test_differences_of_a_base_are_relative_to_far_points():
    class Cauchy:
        def log_prob(self, z):
            return -np.log1p(z * z).sum(-1)

    z, dl = np.array([[3e5, -0.2], [-1e6, 40.0], [0.7, 2e-9]]), np.array([1.5, -2.0, 0.4])
    _, pull = Flow((ActNorm(2),), Cauchy())._base_vjp(z)
    expected = dl[:, None] * -2.0 * z / (1.0 + z * z)
    np.testing.assert_allclose(pull(dl), expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(pull(dl)[:2, 0], expected[:2, 0], rtol=1e-10)


def test_a_flow_is_a_law_and_may_be_a_base():
    inner = FLOWS["affine"]
    inner.fitted(parameters(inner))
    x = inner.sample((3, 4), rng=0)
    assert x.shape == (3, 4, 2)
    np.testing.assert_array_equal(inner.log_prob(x)[2], inner.log_prob(x[2]))
    assert inner.log_prob(x[0, 0]).shape == ()
    gradcheck(inner.log_prob_vjp, x[0], step=1e-3)
    outer = coupling_flow(2, 2, (5,), base=inner)
    whole = Flow((*inner.transforms, *outer.transforms))
    theta = parameters(outer)
    whole.fitted(np.concatenate([inner.theta, theta]))
    np.testing.assert_allclose(outer.fitted(theta).log_prob(x), whole.log_prob(x), rtol=1e-12)
    np.testing.assert_allclose(outer.sample(6, rng=1), whole.sample(6, rng=1), rtol=1e-12)


def test_many_rows_are_evaluated_by_blocks(monkeypatch):
    from geomlat.flows import flow as module

    flow = coupling_flow(2, 2, (5,), context=1)
    mixture, seen, gen = FlowMixture(n_components=2, features=2), [], np.random.default_rng(0)
    for model in (flow, mixture):
        model.fitted(0.3 * gen.standard_normal(model.layout.size))
    x, context = gen.standard_normal((250, 2)), gen.standard_normal((250, 1))

    def values():
        return flow.log_prob(x, context), flow.sample(250, rng=0, context=context), mixture.predict_proba(x)

    whole, rule = values(), Chain.inverse_vjp
    monkeypatch.setattr(Chain, "inverse_vjp", lambda c, p, y, *a: seen.append(y.shape[-2]) or rule(c, p, y, *a))
    monkeypatch.setattr(module, "ROWS", 100)
    for a, b in zip(values(), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert seen == [100, 100, 50] * 2


def test_a_start_hands_white_rows_to_every_act_norm():
    gen = np.random.default_rng(0)
    y = gen.standard_normal((500, 2)) * [3.0, 0.1] + [10.0, -4.0]
    inside = AffineCoupling(dim=2, hidden=(5,), activation="tanh", context=1)
    context = gen.standard_normal((500, 1))
    for transforms in ((ActNorm(2), Permutation((1, 0)), inside), (ActNorm(2), inside, ActNorm(2))):
        flow, rows = Flow(transforms, context=1), y
        theta = flow.start(y, context=context, rng=3)
        for transform in reversed(transforms):  # as log_prob walks
            rows, _ = transform.inverse(flow.view(theta), rows, context)
            if isinstance(transform, ActNorm):
                np.testing.assert_allclose([rows.mean(0), rows.std(0)], [[0.0, 0.0], [1.0, 1.0]], atol=1e-12)
    before = flow.fitted(flow.init(rng=3)).log_prob(y, context).mean()
    assert flow.fit(y, context=context, theta=theta, epochs=1, rng=0).log_prob(y, context).mean() > before + 10.0
    with pytest.raises(ValueError, match="constant"):
        flow.start(np.ones((5, 2)), context=context[:5], rng=0)
    with pytest.raises(ValueError, match="1 context features"):
        flow.start(y, rng=0)


def test_runs_resume_and_describe(tmp_path):
    x = np.random.default_rng(0).standard_normal((100, 2))
    flow = coupling_flow(2, 2, (4,), base=WIDE)
    whole = flow.fit(x, epochs=4, rng=0).theta
    flow.fit(x, epochs=2, rng=0, directory=tmp_path)
    assert np.array_equal(flow.fit(x, epochs=4, rng=0, directory=tmp_path, resume=True).theta, whole)
    assert flow.config()["base"]["scale"]["values"] == [1.5, 0.7]


def test_mistakes():
    with pytest.raises(AttributeError, match="not fitted yet"):
        coupling_flow(2).log_prob(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="of kind affine"):
        coupling_flow(2, kind="spiral")
    with pytest.raises(ValueError, match=r"takes \(n, 2\)"):
        coupling_flow(2).fit(np.zeros((3, 3)))


@pytest.mark.parametrize("coupling", [AffineCoupling, SplineCoupling])
def test_float32_extremes_stay_finite(coupling):
    flow = Flow(tuple(coupling(dim=2, hidden=(8,), flip=bool(k % 2)) for k in range(8)))
    theta = (2.0 * np.random.default_rng(0).standard_normal(flow.layout.size)).astype(np.float32)
    x = np.array([[0.0, 0.0], [1e-30, -1e-30], [30.0, -30.0]], np.float32)
    l, pull = flow.log_density_vjp(flow.view(theta), x)
    g = np.zeros_like(theta)
    dx, _ = pull(np.ones_like(l), flow.view(g))
    assert np.isfinite(l).all()
    assert np.isfinite(dx).all()
