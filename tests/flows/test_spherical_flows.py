"""Dequantised and tangent-space densities on the sphere: pullbacks, quadrature, the importance-sampling bias."""

import numpy as np
import pytest

from geomlat.distributions import PowerSpherical
from geomlat.flows import (
    AdditiveCoupling,
    AffineCoupling,
    CylindricalFlow,
    DequantizedDensity,
    Permutation,
    SplineCoupling,
    TangentFlow,
    WrappedDensity,
    dequantized,
)
from geomlat.grad import gradcheck_vector
from geomlat.manifolds import Euclidean, Hyperboloid, Product, Sphere, Torus
from geomlat.optim import Adam

SMALL = {"blocks": 2, "hidden": (4,)}
BASES = np.array([[0.0, 0.0, 1.0], [0.6, 0.0, -0.8]])


def sphere_grid(polar=60, turn=120):
    nodes, weights = np.polynomial.legendre.leggauss(polar)
    phi = 2.0 * np.pi * (np.arange(turn) + 0.5) / turn
    z, p = np.meshgrid(nodes, phi, indexing="ij")
    s = np.sqrt(1.0 - z * z)
    points = np.stack((s * np.cos(p), s * np.sin(p), z), axis=-1).reshape(-1, 3)
    return points, np.repeat(weights * 2.0 * np.pi / turn, turn)


def grids(dim):
    """Nodes and weights on S^1, S^2 or S^3, whose point at an angle t from the pole has a sphere of radius sin t."""
    if dim == 1:
        t = 2.0 * np.pi * np.arange(200) / 200
        return np.stack((np.cos(t), np.sin(t)), axis=-1), np.full(200, 2.0 * np.pi / 200)
    if dim == 2:
        return sphere_grid(40, 80)
    inner, area = sphere_grid(16, 32)
    c, weights = np.polynomial.legendre.leggauss(24)
    t = 0.5 * np.pi * (c + 1.0)
    x = np.concatenate((np.broadcast_to(np.cos(t)[:, None, None], (24, 512, 1)), np.sin(t)[:, None, None] * inner), -1)
    return x.reshape(-1, 4), np.outer(0.5 * np.pi * weights * np.sin(t) ** 2, area).reshape(-1)


def points(n=9, seed=0, dim=2):
    return Sphere(dim).random_point((n,), rng=seed)


def fitted(model, scale=0.3, seed=0):
    return model.fitted(scale * np.random.default_rng(seed).standard_normal(model.layout.size))


@pytest.mark.parametrize("location", ["free", "softplus"])
@pytest.mark.parametrize("draws", [1, 5])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_dequantised_objectives_are_gradchecked(location, draws, dim):
    model, y = DequantizedDensity(manifold=Sphere(dim), location=location, draws=draws, **SMALL), points(dim=dim)
    theta = fitted(model).theta
    noise = model.draw(theta, y, rng=1)

    def objective(t):
        loss, pull = model.loss_vjp(t, y, noise)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective, theta)


@pytest.mark.parametrize(("location", "t"), [("free", -3.0), ("softplus", np.log1p(np.exp(-3.0)))])
def test_the_bound_at_one_radius_is_that_of_the_formula(location, t):
    model, y = DequantizedDensity(manifold=Sphere(2), location=location, **SMALL), points(5)
    p = model.view(fitted(model).theta)
    p["network.layers.1.weight"][...] = 0.0
    p["network.layers.1.bias"][...] = [-3.0, 0.4]
    scale = np.log1p(np.exp(0.4))
    eps = np.array([[0.0, 0.5, -0.5, 1.0, 2.0]])
    at = t + scale * eps[0]
    log_q = -0.5 * eps[0] ** 2 - np.log(scale * np.sqrt(2.0 * np.pi))
    ambient = model.flow.log_density_vjp(p, np.exp(at)[:, None] * y)[0]
    assert -model.loss_vjp(model.theta, y, eps)[0] == pytest.approx((ambient + 3.0 * at - log_q).mean(), abs=1e-12)


def test_several_draws_make_the_importance_weighted_bound():
    one, several = (DequantizedDensity(manifold=Sphere(2), draws=draws, **SMALL) for draws in (1, 4))
    theta, y = fitted(one).theta, points(1)
    noise = np.random.default_rng(0).standard_normal((4, 1))
    weights = [-one.loss_vjp(theta, y, eps[None])[0] for eps in noise]
    assert -several.loss_vjp(theta, y, noise)[0] == pytest.approx(np.log(np.mean(np.exp(weights))), abs=1e-12)
    assert several.draw(theta, points(7), rng=0).shape == (4, 7)


@pytest.mark.parametrize("base", [BASES[0], BASES])
@pytest.mark.parametrize("windings", [0, 1])
def test_tangent_objectives_are_gradchecked(base, windings):
    model, y = TangentFlow(manifold=Sphere(2), base=base, windings=windings, **SMALL), points()
    theta = fitted(model).theta

    def objective(t):
        loss, pull = model.loss_vjp(t, y, None)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective, theta)


def test_cylindrical_objectives_are_gradchecked():
    model, y = CylindricalFlow(manifold=Sphere(2), blocks=4, hidden=(5,), bins=4), points(7)
    theta = fitted(model).theta

    def objective(t):
        loss, pull = model.loss_vjp(t, y, None)
        return loss, lambda g: pull(model.view(g))

    gradcheck_vector(objective, theta)


def test_the_cylindrical_density_integrates_to_one_and_its_samples_follow_it():
    model = CylindricalFlow(manifold=Sphere(2), blocks=4, hidden=(5,), bins=4)
    grid, weights = sphere_grid(120, 240)
    np.testing.assert_allclose(fitted(model, 0.0).log_prob(grid[:5]), -np.log(4.0 * np.pi), atol=1e-12)
    density = np.exp(fitted(model).log_prob(grid))
    assert weights @ density == pytest.approx(1.0, abs=1e-3)
    y = model.sample(20_000, rng=0)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1.0, atol=1e-12)
    spread = 4.0 / np.sqrt(20_000)
    np.testing.assert_allclose(y.mean(0), (weights * density) @ grid, atol=spread)
    np.testing.assert_allclose((y.T @ y) / 20_000, (grid.T * weights * density) @ grid, atol=spread)
    seam = np.array([[-0.6, 1e-9, 0.8], [-0.6, -1e-9, 0.8]])
    for blocks in (3, 4):
        model = fitted(CylindricalFlow(manifold=Sphere(2), blocks=blocks, hidden=(5,), bins=4))
        assert np.ptp(model.log_prob(seam)) < 1e-6


@pytest.mark.parametrize("location", ["free", "softplus"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_exact_dequantised_density_integrates_to_one(location, dim):
    model = fitted(DequantizedDensity(manifold=Sphere(dim), location=location, **SMALL), 0.2)
    grid, weights = grids(dim)
    assert weights.sum() == pytest.approx({1: 2.0, 2: 4.0, 3: 2.0 * np.pi}[dim] * np.pi, rel=1e-3, abs=0.0)
    assert weights @ np.exp(model.log_prob(grid)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("head", [(0.0, 0.0), (3.0, -3.0), (-3.0, -3.0), (0.0, -5.0), (5.0, 0.0), (0.0, 5.0)])
def test_the_exact_density_does_not_depend_on_the_dequantiser(head):
    model, y = fitted(DequantizedDensity(manifold=Sphere(2), **SMALL), 0.0), points(5)
    model.view(model.theta)["network.layers.1.bias"][...] = head
    np.testing.assert_allclose(model.log_prob(y), -np.log(4.0 * np.pi), atol=1e-12)
    rough = fitted(DequantizedDensity(manifold=Sphere(2), **SMALL), 1.0)
    expected = rough.log_prob(y, nodes=2000)
    rough.view(rough.theta)["network.layers.1.bias"][...] = head
    np.testing.assert_allclose(rough.log_prob(y), expected, atol=1e-6)


def test_a_thin_shell_is_found_by_the_quantiles_of_the_dequantiser():
    """A normal law about a point at 1e4, beyond the coarse grid of log-radii: its directions are normal, too."""
    model = fitted(DequantizedDensity(manifold=Sphere(2), **SMALL), 0.0)
    p = model.view(model.theta)
    p["flow.transforms.0.network.layers.1.bias"][...] = [0.0, 8e3, 0.0, -6e3]
    centre = model.flow.chain.forward(p, np.zeros((1, 3)))[0][0]
    assert np.linalg.norm(centre) == pytest.approx(1e4)
    p["network.layers.1.bias"][...] = np.log(1e4), np.log(np.expm1(1e-4))
    beside = np.cross(centre / 1e4, np.array([[0.0, 0.0, 0.0], [1.0, 0.2, 0.3], [-2.0, 0.5, 1.0]]))
    y = model.manifold.project(centre + beside)
    expected = np.log(1e8 / (2.0 * np.pi)) - 0.5 * np.sum(beside**2, axis=-1)
    np.testing.assert_allclose(model.log_prob(y), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.log_prob_estimate(y, samples=4, rng=0), expected, rtol=0, atol=2e-3)


def test_radii_times_points_go_in_blocks(monkeypatch):
    model, y, sizes = fitted(DequantizedDensity(manifold=Sphere(2), **SMALL)), points(9), []
    whole, body = [model.log_prob(y, nodes=nodes) for nodes in (5, 120)], DequantizedDensity._along_rays
    monkeypatch.setattr(dequantized, "_BLOCK", 240)
    monkeypatch.setattr(DequantizedDensity, "_along_rays", lambda *a: sizes.append(a[-1].shape) or body(*a))
    for nodes, rows, expected in ((5, 4, whole[0]), (120, 2, whole[1])):
        sizes.clear()
        np.testing.assert_allclose(model.log_prob(y, nodes=nodes), expected, rtol=1e-13)
        assert {n for _, n in sizes[:-2]} == {rows}
        assert max(k * n for k, n in sizes) == 240


def test_estimates_of_the_density_rise_to_the_exact_one():
    model, y = fitted(DequantizedDensity(manifold=Sphere(2), **SMALL)), points(400)
    exact = model.log_prob(y).mean()
    gaps = [exact - model.log_prob_estimate(y, samples=k, rng=0).mean() for k in (1, 10, 100, 1000)]
    assert gaps[0] > gaps[1] > gaps[2] > -1e-3
    assert abs(gaps[3]) < 2e-3
    np.testing.assert_allclose(model.log_prob(y, nodes=400), model.log_prob(y), atol=1e-6)


def test_windings_make_the_tangent_density_whole():
    grid, weights = sphere_grid(100, 100)
    mass = []
    for windings in (0, 1, 2):
        model = TangentFlow(manifold=Sphere(2), base=BASES, windings=windings, **SMALL)
        fitted(model, 0.0)
        model.view(model.theta)["flows.0.transforms.0.network.layers.1.bias"][...] = [0.0, 2.0]
        mass.append(weights @ np.exp(model.log_prob(grid)))
    assert mass[0] < 0.99
    assert abs(mass[2] - 1.0) < 4e-3  # the density has poles beside the grid's
    assert mass[0] < mass[1] <= mass[2] + 1e-9


@pytest.mark.parametrize("scale", [0.0, 0.2, 0.5])
def test_a_tangent_density_integrates_to_one(scale):
    # Around its base the poles of the density cancel against the radius of the circles.
    c, weights = np.polynomial.legendre.leggauss(60)
    t, phi = 0.5 * np.pi * (c + 1.0), 2.0 * np.pi * np.arange(120) / 120
    grid = np.stack(
        np.broadcast_arrays(np.sin(t)[:, None] * np.cos(phi), np.sin(t)[:, None] * np.sin(phi), np.cos(t)[:, None]), -1
    )
    area = np.repeat(0.5 * np.pi * weights * np.sin(t) * 2.0 * np.pi / 120, 120)
    model = fitted(TangentFlow(manifold=Sphere(2), base=BASES[0], windings=3, **SMALL), scale)
    assert area @ np.exp(model.log_prob(grid.reshape(-1, 3))) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("windings", [0, 1])
@pytest.mark.parametrize("dim", [2, 3])
def test_a_tangent_density_at_its_base_and_opposite(dtype, windings, dim):
    """That of a normal law: geodesics of the lengths L add ``N(L) (L / sin)^(n - 1)``, the sine no less than 1e-6."""
    base = np.eye(dim + 1)[-1]
    model = TangentFlow(manifold=Sphere(dim), base=base, windings=windings, **SMALL)
    model.fitted(model.init(rng=0, dtype=dtype))
    steps = np.array([0.0, 1e-30, 1e-12, 1e-7, 1e-4])  # a geodesic of length 2 pi ends at the base
    tilted = (np.cos(steps)[:, None] * base + np.sin(steps)[:, None] * np.eye(dim + 1)[0]).astype(dtype)
    held = np.maximum(steps, 1e-6)
    for x, first, tolerance in ((tilted, held, 1e-5), (-tilted, np.pi - steps, 1e-5 if dtype == np.float64 else 0.01)):
        lengths = np.abs(first + 2.0 * np.pi * np.arange(-windings, windings + 1)[:, None])
        each = np.exp(-0.5 * lengths**2) * (lengths / np.sin(held)) ** (dim - 1)
        expected = np.log(each.sum(0)) - 0.5 * dim * np.log(2.0 * np.pi)
        np.testing.assert_allclose(model.log_prob(x)[:4], expected[:4], rtol=1e-5)
        np.testing.assert_allclose(model.log_prob(x)[4], expected[4], atol=tolerance)


def test_weights_of_charts_are_relative():
    model = fitted(TangentFlow(manifold=Sphere(2), base=BASES, **SMALL))
    logits, found = model.view(model.theta)["logits"], []
    for shift in (0.0, 1e3, -1e3):
        logits[...] = np.array([0.3, -0.4]) + shift
        g = np.zeros_like(model.theta)
        loss, pull = model.loss_vjp(model.theta, points(), None)
        pull(model.view(g))
        found.append((model.log_prob(points()), model.sample(20, rng=0), loss, g))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_a_tangent_density_on_the_hyperboloid():
    model = fitted(TangentFlow(manifold=Hyperboloid(2), base=[1.0, 0.0, 0.0], **SMALL))
    axis = np.linspace(-8.0, 8.0, 401)
    c = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    base = np.array([1.0, 0.0, 0.0])
    u = model.manifold.from_coordinates(base, c)
    volume = np.exp(model.manifold.logdet_exp(base, u))
    inside = np.linalg.norm(c, axis=-1) < 8.0
    density = np.exp(model.log_prob(model.manifold.exp(base, u[inside])))
    assert (density * volume[inside]).sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["dequantised", "tangent", "atlas", "cylinder"])
def test_a_short_run_learns_one_mode(kind):
    x = PowerSpherical(np.array([0.0, 0.0, 1.0]), 20.0).sample(1000, rng=0)
    model = {
        "dequantised": lambda: DequantizedDensity(manifold=Sphere(2), blocks=3, hidden=(16,)),
        "tangent": lambda: TangentFlow(manifold=Sphere(2), base=[0.6, 0.0, 0.8], blocks=3, hidden=(16,)),
        "atlas": lambda: TangentFlow(manifold=Sphere(2), base=BASES, blocks=3, hidden=(16,)),
        "cylinder": lambda: CylindricalFlow(manifold=Sphere(2), blocks=4, hidden=(16,), bins=8),
    }[kind]()
    # The splines start far away, as the uniform law.
    model.fit(x, epochs=30, rng=0, optimizer=Adam(1e-2 if kind == "cylinder" else 1e-3))
    entropy = -PowerSpherical(np.array([0.0, 0.0, 1.0]), 20.0).log_prob(x).mean()
    assert -model.log_prob(x).mean() < entropy + 0.15
    y = model.sample(2000, rng=1)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1.0, atol=1e-5)
    assert y[:, 2].mean() == pytest.approx(x[:, 2].mean(), abs=0.05)


def test_no_points_have_no_densities_and_words_are_refused():
    for model in (
        DequantizedDensity(manifold=Sphere(2), blocks=2, hidden=(4,)),
        TangentFlow(manifold=Sphere(2), base=BASES, blocks=2, hidden=(4,)),
        CylindricalFlow(manifold=Sphere(2), blocks=2, hidden=(4,), bins=4),
    ):
        fitted(model)
        assert model.log_prob(np.zeros((0, 3))).shape == (0,)
        assert model.sample(0, rng=0).shape == (0, 3)
        with pytest.raises(ValueError, match="must hold real numbers"):
            model.fit(np.array([["a", "b", "c"]]), epochs=1)
        with pytest.raises(ValueError, match="must hold real numbers"):
            model.log_prob(np.array([[1j, 0.0, 0.0]]))
        with pytest.raises(ValueError, match="NaN or infinite values, the first in row 1"):
            model.fit(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, np.nan]]), epochs=1)
    model = fitted(DequantizedDensity(manifold=Sphere(2), blocks=2, hidden=(4,)))
    assert model.log_prob_estimate(np.zeros((0, 3)), samples=2, rng=0).shape == (0,)
    with pytest.raises(ValueError, match="at least 2 nodes"):
        model.log_prob(points(), nodes=1)
    with pytest.raises(ValueError, match="at least one sample"):
        model.log_prob_estimate(points(), samples=0, rng=0)


@pytest.mark.parametrize("kind", ["affine", "additive", "spline"])
def test_the_options_of_the_networks_are_heeded(kind):
    options = {"blocks": 3, "hidden": (7, 6), "kind": kind, "activation": "silu"}
    dequantised = DequantizedDensity(manifold=Sphere(2), dequantizer=(5, 4), **options)
    wrapped = WrappedDensity(manifold=Torus(2), dequantizer=(5, 4), **options)
    tangent = TangentFlow(manifold=Sphere(2), base=BASES, **options)
    cylinder = CylindricalFlow(manifold=Sphere(2), blocks=3, hidden=(7, 6), activation="silu", bins=5)
    expected = {"affine": AffineCoupling, "additive": AdditiveCoupling, "spline": SplineCoupling}[kind]
    chains = [dequantised.flow.chain, wrapped.flow.chain, *(flow.chain for flow in tangent.flows)]
    for chain in chains:
        assert {type(t) for t in chain.transforms} - {Permutation} == {expected}
    for chain in (*chains, cylinder.chain):
        networks = [t.network for t in chain.transforms if not isinstance(t, Permutation)]
        assert [(n.sizes[1:-1], n.activation) for n in networks] == 3 * [((7, 6), "silu")]
    for model in (dequantised, wrapped):
        assert (model.network.sizes[1:-1], model.network.activation) == ((5, 4), "silu")
    assert {t.bins for t in cylinder.chain.transforms} == {5}


def test_mistakes():
    with pytest.raises(TypeError, match="lives on a Sphere"):
        DequantizedDensity(manifold=Euclidean(2))
    with pytest.raises(TypeError, match=r"lives on Sphere\(2\)"):
        CylindricalFlow(manifold=Sphere(3))
    with pytest.raises(ValueError, match="at least one block"):
        CylindricalFlow(manifold=Sphere(2), blocks=0)
    with pytest.raises(ValueError, match="free, softplus"):
        DequantizedDensity(manifold=Sphere(2), location="exp")
    with pytest.raises(ValueError, match="base holds points"):
        TangentFlow(manifold=Sphere(2), base=[1.0, 1.0, 0.0])
    ball = Product(Sphere(2), Euclidean(1))
    with pytest.raises(ValueError, match="cut loci of spheres and tori alone, got Product"):
        TangentFlow(manifold=ball, base=ball.origin())
    with pytest.raises(ValueError, match="not unit vectors"):
        DequantizedDensity(manifold=Sphere(2)).fit(np.ones((4, 3)))
    with pytest.raises(ValueError, match="not on"):
        TangentFlow(manifold=Sphere(2), base=[1.0, 0.0, 0.0]).fit(np.ones((4, 3)))
