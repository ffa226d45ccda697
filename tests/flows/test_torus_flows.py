"""Densities on the torus: wrapped, with a dequantiser of the turns; by couplings of angles; charts with windings."""

import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import Mixture, VonMises
from geomlat.flows import TangentFlow, WrappedDensity, circular_flow
from geomlat.grad import gradcheck_vector
from geomlat.manifolds import Sphere, Torus
from geomlat.optim import Adam

SMALL = {"blocks": 2, "hidden": (4,)}
MAKE = {
    "wrapped": lambda n=2: WrappedDensity(manifold=Torus(n), dequantizer=(5,), **SMALL),
    "chart": lambda n=2: TangentFlow(manifold=Torus(n), base=np.zeros(n), **SMALL),
    "atlas": lambda n=2: TangentFlow(manifold=Torus(n), base=np.stack([np.zeros(n), np.full(n, 2.5)]), **SMALL),
    "spline": lambda n=2: circular_flow(n, 3, (4,), bins=4, activation="tanh"),
    "moebius": lambda n=2: circular_flow(n, 3, (4,), kind="moebius", centres=2, activation="tanh"),
}
every = pytest.mark.parametrize("name", MAKE)


def torus_grid(side, dim=2):
    axis = -np.pi + (np.arange(side) + 0.5) * 2.0 * np.pi / side
    return np.stack(np.meshgrid(*[axis] * dim), axis=-1).reshape(-1, dim), (2.0 * np.pi / side) ** dim


def fitted(model, scale=0.3, seed=0):
    return model.fitted(scale * np.random.default_rng(seed).standard_normal(model.layout.size))


def wide(n=2):
    # Scales of 3 or so: mass on both sides of every seam.
    model = fitted(MAKE["wrapped"](n))
    for k in range(2):
        model.view(model.theta)[f"flow.transforms.{k}.network.layers.1.bias"][0] = 0.7
    return model


@every
def test_densities_integrate_to_one(name):
    grid, cell = torus_grid(150)
    assert np.exp(fitted(MAKE[name]()).log_prob(grid)).sum() * cell == pytest.approx(1.0, abs=1e-3)


def test_densities_of_three_angles_integrate_to_one():
    grid, cell = torus_grid(24, 3)
    for name in ("wrapped", "moebius"):
        assert np.exp(fitted(MAKE[name](3)).log_prob(grid)).sum() * cell == pytest.approx(1.0, abs=1e-3)


@every
def test_densities_have_no_seam(name):
    model, x = fitted(MAKE[name]()), np.random.default_rng(0).uniform(-np.pi, np.pi, (50, 2))
    for j in range(2):
        sides = [np.where(np.arange(2) == j, s * (np.pi - 1e-9), x) for s in (-1.0, 1.0)]
        np.testing.assert_allclose(model.log_prob(sides[0]), model.log_prob(sides[1]), atol=1e-5)


@every
@pytest.mark.parametrize("dim", [2, 3])
def test_objectives_are_gradchecked(name, dim):
    model, y = MAKE[name](dim), Torus(dim).random_point((7,), rng=0)
    theta = fitted(model).theta

    def objective(t):
        loss, pull = model.loss_vjp(t, y, None)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective, theta)


def test_the_bound_is_below_the_density_and_meets_it_at_the_best_dequantiser():
    model, y = wide(), Torus(2).random_point((40,), rng=1)
    exact = model.log_prob(y).mean()
    assert -model.loss_vjp(model.theta, y, None)[0] < exact - 1e-3
    # For one point the logits are a free vector: at the posterior of the turns the bound is the density.
    one, p = y[:1], model.view(model.theta)
    joint = model._joint_vjp(p, one)[0][0]
    for name, value in (("weight", 0.0), ("bias", joint)):
        p[f"network.layers.1.{name}"][...] = value
    assert -model.loss_vjp(model.theta, one, None)[0] == pytest.approx(float(model.log_prob(one)[0]), abs=1e-12)


def test_the_dequantiser_sees_cosines_and_sines():
    model = wide()
    weight = model.view(model.theta)["network.layers.0.weight"]
    assert weight.shape == (4, 5)
    for y, unseen in ((np.zeros((1, 2)), slice(2, 4)), (np.full((1, 2), 0.5 * np.pi), slice(0, 2))):
        before = model.loss_vjp(model.theta, y, None)[0]
        weight[unseen] += 1.0
        assert model.loss_vjp(model.theta, y, None)[0] == pytest.approx(before, abs=1e-12)
        weight[...] += 1.0
        assert abs(model.loss_vjp(model.theta, y, None)[0] - before) > 1e-3


def test_windings_make_the_density_whole():
    grid, cell = torus_grid(150)
    mass = []
    for windings in (1, 2):
        model = WrappedDensity(manifold=Torus(2), windings=windings, **SMALL)
        fitted(model, 0.0).view(model.theta)["flow.transforms.0.network.layers.1.bias"][...] = [1.5, 0.0]
        mass.append(np.exp(model.log_prob(grid)).sum() * cell)
    assert mass[0] < 0.99
    assert abs(mass[1] - 1.0) < 1e-3


@every
def test_samples_follow_the_density(name):
    model = fitted(MAKE[name]()) if name != "wrapped" else wide()
    y = model.sample(4000, rng=1)
    assert np.abs(y).max() <= np.pi
    edges = np.linspace(-np.pi, np.pi, 7)
    counts = np.histogram2d(*y.T, bins=(edges, edges))[0].T
    grid, cell = torus_grid(60)
    mass = np.exp(model.log_prob(grid)).reshape(6, 10, 6, 10).sum((1, 3)) * cell
    assert stats.chisquare(counts.ravel(), 4000 * (mass / mass.sum()).ravel()).pvalue > 1e-3


def test_the_centres_of_a_moebius_map_part():
    """From the identity they have nearly one gradient; were they at one place, they would stay there."""
    model, x = circular_flow(2, 3, (16,), kind="moebius"), VonMises(np.zeros(2), np.full(2, 3.0)).sample((300,), rng=0)
    model.fit(x, epochs=5, rng=0, optimizer=Adam(5e-3))
    raw = model.view(model.theta)["transforms.1.network.layers.1.bias"][4:12].reshape(4, 2)
    assert np.linalg.norm(raw - raw[0], axis=-1)[1:].min() > 1e-3


@pytest.mark.parametrize("name", ["wrapped", "chart", "spline", "moebius"])
def test_a_short_run_learns_a_mode_across_the_seam(name):
    law = VonMises(np.array([3.0, 0.5]), np.array([4.0, 4.0]))
    x, y = law.sample((2000,), rng=0), law.sample((3000,), rng=1)
    model = {
        "wrapped": lambda: WrappedDensity(manifold=Torus(2), blocks=4, hidden=(16,)),
        "chart": lambda: TangentFlow(manifold=Torus(2), base=np.zeros(2), blocks=4, hidden=(16,)),
        "spline": lambda: circular_flow(2, 3, (16,)),
        "moebius": lambda: circular_flow(2, 3, (16,), kind="moebius"),
    }[name]()
    model.fit(x, epochs=15, rng=0, optimizer=Adam(5e-3))
    # The uniform law is 2.09 nats away; the bound holds the wrapped flow back from what lies on both sides of a seam.
    assert (law.log_prob(y) - model.log_prob(y)).mean() < (0.5 if name == "wrapped" else 0.15)
    assert model.log_prob(y.astype(np.float32)).dtype == np.float32


def test_mixtures_of_von_mises_laws_are_fitted_by_em():
    loc, kappa = np.array([[3.0, -3.0], [0.0, 1.0]]), np.array([[4.0, 8.0], [2.0, 20.0]])
    law = Mixture(np.log(np.array([0.3, 0.7])), VonMises(loc, kappa))
    x = law.sample((20000,), rng=0)
    start = Mixture(np.zeros(2), VonMises(np.array([[2.0, -2.0], [1.0, 0.0]]), np.ones((2, 2))))
    found = start.em(x)
    np.testing.assert_allclose(np.exp(found.log_weights()), [0.3, 0.7], atol=0.015)
    np.testing.assert_allclose(found.components.kappa, kappa, rtol=0.1)
    assert found.log_prob(x).mean() > law.log_prob(x).mean()


@pytest.mark.parametrize("kind", ["spline", "moebius"])
def test_the_angles_decide_each_other_in_turn(kind):
    kept = [t.kept for t in circular_flow(3, 4, (4,), kind=kind).transforms]
    assert kept == [(), (0,), (1, 2), (0,)]
    assert [t.kept for t in circular_flow(1, 2, (4,), kind=kind).transforms] == [(), ()]
    assert all(t.map.map.centres == 5 for t in circular_flow(2, 2, kind="moebius", centres=5).transforms)


@pytest.mark.parametrize(("kind", "dim"), [("spline", 2), ("moebius", 1)])
def test_a_conditional_flow_of_angles_uses_its_context(kind, dim):
    gen = np.random.default_rng(0)
    c = gen.choice([-1.0, 1.0], size=(600, 1))
    x = Torus(dim).project(2.0 * c + 0.3 * gen.standard_normal((600, dim)))
    flow = circular_flow(dim, 2, (8,), kind=kind, context=1)
    flow.fit(x, context=c, epochs=20, rng=0, optimizer=Adam(1e-2))
    assert flow.log_prob(x, c).mean() > flow.log_prob(x, -c).mean() + 3.0
    y = flow.sample(500, rng=1, context=[[1.0]])
    assert np.cos(y - 2.0).mean() > 0.8
    with pytest.raises(ValueError, match="takes 1 context features"):
        flow.log_prob(x)


def test_mistakes():
    with pytest.raises(TypeError, match="lives on a Torus"):
        WrappedDensity(manifold=Sphere(2))
    with pytest.raises(ValueError, match=r"at most 1000, got 5"):
        WrappedDensity(manifold=Torus(3), windings=5)
    with pytest.raises(ValueError, match="outside"):
        WrappedDensity(manifold=Torus(2)).fit(np.full((3, 2), 4.0))
    with pytest.raises(ValueError, match="spline or moebius"):
        circular_flow(2, kind="affine")
