"""Laws with independent coordinates beside SciPy's, their edges, and what they refuse."""

import math

import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import (
    Gamma,
    LogNormal,
    Normal,
    ProductDistribution,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
    kl_divergence,
    pairs,
)

SHAPES = [((4, 3), (4, 3)), ((3,), (4, 3)), ((4, 1), (3,)), ((2, 1, 3), (4, 3)), ((3,), ())]
# The family, SciPy's law, where each parameter and the points are drawn.
FAMILIES = {
    "Normal": (Normal, stats.norm, (-3, 3), (0.3, 2.0), (-4, 4)),
    "LogNormal": (LogNormal, lambda loc, s: stats.lognorm(s=s, scale=np.exp(loc)), (-1, 1), (0.3, 1.2), (0.1, 5)),
    "VonMises": (VonMises, lambda loc, kappa: stats.vonmises(kappa, loc=loc), (-3, 3), (0.2, 8), (-9, 9)),
}


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", FAMILIES)
def test_agrees_with_scipy(name, shapes):
    family, scipy_law, first, second, points = FAMILIES[name]
    gen = np.random.default_rng(0)
    a, b = gen.uniform(*first, shapes[0]), gen.uniform(*second, shapes[1])
    q, theirs, full = family(a, b), scipy_law(a, b), np.broadcast_shapes(*shapes)
    assert q.batch_shape + q.event_shape == full
    x = gen.uniform(*points, (5, *full))
    np.testing.assert_allclose(q.log_prob(x), theirs.logpdf(x).sum(-1), rtol=1e-12, atol=1e-12)
    entropy = np.broadcast_to(stats.vonmises(b).entropy() if name == "VonMises" else theirs.entropy(), full).sum(-1)
    np.testing.assert_allclose(q.entropy(), entropy, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(q.mean(), np.broadcast_to(a if name == "VonMises" else theirs.mean(), full), rtol=1e-13)
    assert q.mean().shape == q.mode().shape == full


def test_normal_fit_is_mean_and_deviation():
    x = np.random.default_rng(0).standard_normal((2, 30, 3))
    np.testing.assert_allclose(Normal.fit(x).loc, x.mean(1))
    np.testing.assert_allclose(Normal.fit(x).scale, x.std(1))
    np.testing.assert_allclose(LogNormal.fit(np.exp(x)).scale, x.std(1))


def test_the_uniform_law_names_a_point_of_its_sphere():
    q = SphericalUniform(2)
    assert np.array_equal(q.mode(), [1.0, 0.0, 0.0])
    assert np.array_equal(q.mean(), np.zeros(3))
    assert q.sample((2, 4), rng=0).shape == (2, 4, 3)
    assert SphericalUniform.fit(q.sample(5, rng=1)) == q


def test_pairs_go_in_blocks_of_bounded_memory(monkeypatch):
    """Points times laws times coordinates, where fields of two shapes make the laws."""
    gen, sizes, body = np.random.default_rng(0), [], Gamma.log_prob
    q, x = Gamma(gen.uniform(1, 3, (3, 1)), gen.uniform(1, 3, 2)), gen.uniform(0.1, 2, (25, 2))
    whole, pull_whole = pairs.log_prob_pairs_vjp(q, x)
    monkeypatch.setattr(pairs, "LIMIT", 60)
    monkeypatch.setattr(Gamma, "log_prob", lambda q, x: sizes.append(x.shape[0]) or body(q, x))
    value, pull = pairs.log_prob_pairs_vjp(q, x)
    assert sizes == [10, 10, 5]
    np.testing.assert_allclose(value, q.log_prob(x[:, None]), rtol=1e-14)
    np.testing.assert_allclose(value, whole, rtol=1e-14)
    dl = gen.standard_normal((25, 3))
    for found, expected in zip(pull(dl), pull_whole(dl), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "shared", [SphericalUniform(2), VonMisesFisher(np.eye(3)[0], 2.0), Normal(np.zeros(3), np.ones(3))]
)
def test_pairs_of_products_that_share_a_factor(shared):
    gen = np.random.default_rng(0)
    q = ProductDistribution(Gamma(gen.uniform(1, 3, (4, 2)), 1.0), shared)
    x, dl = q.sample(5, rng=1)[:, 0], gen.standard_normal((5, 4))
    value, pull = pairs.log_prob_pairs_vjp(q, x)
    expected, pull_expected = q.log_prob_vjp(x[:, None])
    np.testing.assert_allclose(value, expected, rtol=1e-12, strict=True)
    (dx, *dq), (dx_expected, *dq_expected) = pull(dl), pull_expected(dl)
    np.testing.assert_allclose(dx, dx_expected[:, 0], rtol=1e-10, strict=True)
    for found, wanted in zip(dq, dq_expected, strict=True):
        for g, h in zip(found, wanted, strict=True):
            np.testing.assert_allclose(g, h, rtol=1e-10, atol=1e-13, strict=True)


def test_log_normal_outside_its_support():
    q = LogNormal(np.zeros(2), 1.0)
    x = np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 2.0]])
    value, pull = q.log_prob_vjp(x)
    assert np.array_equal(np.isneginf(value), [True, True, False])
    dx, dloc, dscale = pull(np.ones(3))
    inside = q.log_prob_vjp(x[2:])[1](np.ones(1))
    assert np.array_equal(dx, np.concatenate([np.zeros((2, 2)), inside[0]]))
    assert np.array_equal(dloc, inside[1])
    np.testing.assert_allclose(dscale, inside[2], rtol=1e-15)


BAD = [
    (Normal, "scale", "finite and > 0", (0.0, -1.0, math.nan, math.inf)),
    (LogNormal, "scale", "finite and > 0", (0.0, -1.0, math.nan, math.inf)),
    (VonMises, "kappa", "finite and >= 0", (-1.0, math.nan, math.inf)),
]


@pytest.mark.parametrize(("family", "field", "bound", "values"), BAD)
def test_bad_parameters(family, field, bound, values):
    for bad in values:
        with pytest.raises(ValueError, match=f"{family.__name__}: {field} must be {bound}, got"):
            family(np.zeros(3), np.array([1.0, bad, 2.0]))
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=f"{family.__name__}: loc must be finite"):
            family(np.array([0.0, bad]), 1.0)
    for shapes in (((3,), (2,)), ((), ())):
        with pytest.raises(ValueError, match=rf"{family.__name__} needs loc and {field} .* broadcast"):
            family(np.zeros(shapes[0]), np.ones(shapes[1]))


def test_bad_points_weights_and_dimensions():
    for family in (Normal, LogNormal, VonMises):
        with pytest.raises(ValueError, match="k > 0"):
            family.fit(np.empty((0, 2)))
    for family in (Normal, LogNormal, VonMises, VonMisesFisher):
        for weights in (np.zeros(3), -np.ones(3), np.full(3, np.nan)):
            with pytest.raises(ValueError, match="needs weights"):
                family.fit(np.eye(3) + (family is LogNormal), weights)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive points"):
            LogNormal.fit(np.array([[1.0], [bad]]))
    with pytest.raises(ValueError, match="coincide"):
        VonMises.fit(np.full((4, 1), 0.5))
    with pytest.raises(ValueError, match="event shapes"):
        kl_divergence(Normal(np.zeros(3), np.ones(3)), Normal(np.zeros(2), np.ones(2)))
    with pytest.raises(TypeError, match="float32 or float64"):
        VonMises(np.zeros(3, np.float16), np.float16(1.0))
