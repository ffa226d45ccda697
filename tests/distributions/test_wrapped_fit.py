"""Maximum likelihood of wrapped normal laws: the score vanishes, the truth is near, weights are repetitions."""

import math

import numpy as np
import pytest
from scipy import special
from wrapped_quadrature import scales

from geomlat.distributions import WrappedNormal, _wrapped_fit, fit_wrapped_normal
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Product, Sphere, Torus

SPACES = [
    (Euclidean(2), 1.0),
    (Hyperboloid(2), 0.8),
    (Hyperboloid(4, -2.0), 0.5),
    (PoincareBall(3, -0.5), 0.7),
    (Sphere(1), 1.3),
    (Sphere(3), 0.3),
    (Torus(2), 0.9),
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("manifold", "size"), SPACES, ids=lambda v: repr(v))
def test_fit_is_a_maximum_near_the_truth(manifold, size, full):
    gen = np.random.default_rng(3)
    diagonal, factor = scales(gen, manifold.dim, size)
    q = WrappedNormal(manifold, manifold.random_point(rng=gen), factor if full else diagonal, full=full)
    x = q.sample(500, rng=4)
    fit = fit_wrapped_normal(manifold, x, full=full)
    assert fit.full == full
    _, pull = fit.log_prob_vjp(x)
    *_, dloc, dscale = pull(np.full(500, 1 / 500))
    score = manifold.to_coordinates(fit.loc, manifold.egrad_to_rgrad(fit.loc, dloc))
    np.testing.assert_allclose(score * size, 0, atol=1e-8)
    np.testing.assert_allclose(dscale * size, 0, atol=1e-8)
    gain = 2 * float(np.sum(fit.log_prob(x) - q.log_prob(x)))
    free = manifold.dim + (manifold.dim * (manifold.dim + 1) // 2 if full else manifold.dim)
    assert gain > 0
    assert special.chdtrc(free, gain) > 1e-4


def test_flat_space_is_the_mean_and_the_covariance():
    gen = np.random.default_rng(0)
    x, w = gen.standard_normal((3, 40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.3]]), gen.integers(1, 4, (3, 40))
    fit = fit_wrapped_normal(Euclidean(2), x, w.astype(float), full=True)
    for i in range(3):
        repeated = np.repeat(x[i], w[i], axis=0)
        np.testing.assert_allclose(fit.loc[i], repeated.mean(0), rtol=1e-12)
        np.testing.assert_allclose(fit.scale[i] @ fit.scale[i].T, np.cov(repeated.T, bias=True), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fit_wrapped_normal(Euclidean(2), x).scale, x.std(1), rtol=1e-12)


@pytest.mark.parametrize("manifold", [Hyperboloid(2), Product(Sphere(2), Euclidean(1))], ids=repr)
def test_weights_batches_and_float32(manifold):
    gen = np.random.default_rng(1)
    loc = manifold.random_point((2, 1), rng=gen)
    x = WrappedNormal(manifold, np.broadcast_to(loc, (2, 60, *loc.shape[2:])), np.array(0.3)).sample(rng=2)
    w = gen.integers(1, 4, (2, 60))
    fit = fit_wrapped_normal(manifold, x, w.astype(float))
    assert fit.batch_shape == (2,)
    for i in range(2):
        alone = fit_wrapped_normal(manifold, np.repeat(x[i], w[i], axis=0))
        np.testing.assert_allclose(fit.loc[i], alone.loc, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(fit.scale[i], alone.scale, rtol=1e-8)
    narrow = fit_wrapped_normal(manifold, x.astype(np.float32))
    assert narrow.loc.dtype == narrow.scale.dtype == np.float32


@pytest.mark.parametrize("full", [False, True])
def test_two_axes_of_laws_are_fitted_each_alone(full):
    x = np.random.default_rng(2).normal(0.0, 0.2, (2, 3, 12, 2))
    fit = fit_wrapped_normal(PoincareBall(2), x, full=full)
    assert fit.batch_shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        alone = fit_wrapped_normal(PoincareBall(2), x[i, j], full=full)
        np.testing.assert_allclose(fit.loc[i, j], alone.loc, rtol=1e-8, atol=1e-9, strict=True)
        np.testing.assert_allclose(fit.scale[i, j], alone.scale, rtol=1e-8, atol=1e-9, strict=True)


def test_wound_data_on_the_circle():
    """A scale that one winding could not tell: by the resultant, exp(-scale^2 / 2) in the mean."""
    x = WrappedNormal(Torus(1), np.array([3.0]), np.array([1.6])).sample(4000, rng=1)
    fit = fit_wrapped_normal(Torus(1), x)
    assert float(fit.scale[0]) == pytest.approx(1.6, abs=0.12)
    resultant = abs(np.mean(np.exp(1j * x[:, 0])))
    assert float(fit.scale[0]) == pytest.approx(math.sqrt(-2 * math.log(resultant)), rel=0.05, abs=0.0)


def test_bad_input():
    sphere = Sphere(2)
    with pytest.raises(ValueError, match="k > 0"):
        fit_wrapped_normal(sphere, np.empty((0, 3)))
    with pytest.raises(ValueError, match="do not vary"):
        fit_wrapped_normal(sphere, np.tile(np.eye(3)[0], (5, 1)))
    with pytest.raises(ValueError, match="needs weights"):
        fit_wrapped_normal(sphere, np.eye(3), -np.ones(3))


@pytest.mark.parametrize("full", [False, True])
def test_one_step_in_flat_space_has_the_moments(monkeypatch, full):
    # Whatever law it starts at: the mean, and the second moments about the centre before.
    gen = np.random.default_rng(5)
    x, w = gen.standard_normal((2, 30, 3)) @ gen.standard_normal((3, 3)), gen.dirichlet(np.ones(30), 2)
    mean = np.einsum("bi,bij->bj", w, x)
    diagonal, factor = scales(gen, 3, 2.5)
    scale, seen = np.stack(2 * [factor if full else diagonal]), []
    widened = _wrapped_fit._widened
    monkeypatch.setattr(_wrapped_fit, "_widened", lambda *a: seen.append(a[3]) or widened(*a))
    new_loc, new_scale, towards, size = _wrapped_fit._climb(np, Euclidean(3), x, w, mean, scale, full, np.ones(2))
    moments = np.einsum("bi,bij,bik->bjk", w, x - mean[:, None], x - mean[:, None])
    np.testing.assert_allclose(new_loc, mean, atol=1e-13)
    np.testing.assert_allclose(towards, 0, atol=1e-13)
    if full:
        np.testing.assert_allclose(new_scale @ np.swapaxes(new_scale, -1, -2), moments, rtol=1e-11)
        inverse = np.linalg.inv(factor)
        excess = inverse @ moments @ inverse.T - np.eye(3)  # symmetric, as a Cholesky decomposition asks
        np.testing.assert_allclose(size, np.abs(excess).max(axis=(1, 2)), rtol=1e-10)
    else:
        variances = np.einsum("bjj->bj", moments)
        np.testing.assert_allclose(new_scale, np.sqrt(variances), rtol=1e-12)
        excess = variances / scale**2 - 1
        np.testing.assert_allclose(size, np.abs(excess).max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(seen[0], excess, rtol=1e-10, atol=1e-12)


def test_a_part_of_a_step_has_that_part_of_the_moments():
    gen = np.random.default_rng(6)
    diagonal, factor = scales(gen, 3, 0.7)
    t = np.array([0.25, 0.6])
    excess = gen.uniform(-0.9, 2.0, (2, 3))
    found = _wrapped_fit._widened(np, np.stack(2 * [diagonal]), t, excess, False)
    np.testing.assert_allclose(found**2, diagonal**2 * (1 + t[:, None] * excess), rtol=1e-13)
    excess = np.cov(gen.standard_normal((3, 9))) - 0.5 * np.eye(3)
    found = _wrapped_fit._widened(np, np.stack(2 * [factor]), t, np.stack(2 * [excess]), True)
    for k in range(2):
        np.testing.assert_allclose(found[k] @ found[k].T, factor @ (np.eye(3) + t[k] * excess) @ factor.T, rtol=1e-12)


def test_a_fit_ends_long_before_its_limit(monkeypatch):
    # Near the end steps gain less than a rounding, and are taken; the pace grows again after a turn. 36 steps here, in
    # any unit of length: in a large one the log-likelihood is -40, in another about 0.
    steps, climb = [], _wrapped_fit._climb
    monkeypatch.setattr(_wrapped_fit, "_climb", lambda *a: steps.append(1) or climb(*a))
    gen = np.random.default_rng(3)
    factor = scales(gen, 2, 0.8)[1]
    q = WrappedNormal(Hyperboloid(2), Hyperboloid(2).random_point(rng=gen), factor, full=True)
    x = q.sample(100, rng=4)
    level = fit_wrapped_normal(Hyperboloid(2), x, full=True).log_prob(x).mean()
    for unit in (1.0, 1e9, math.exp(0.5 * level)):
        steps.clear()
        fit_wrapped_normal(Hyperboloid(2, -1.0 / unit**2), x * unit, full=True)
        assert len(steps) <= 50


def test_a_step_too_far_is_halved_until_it_gains():
    gen = np.random.default_rng(7)
    x, w = gen.standard_normal((1, 40, 2)), np.full((1, 40), 1 / 40)
    loc, scale = np.array([[4.0, -3.0]]), np.array([[5.0, 4.0]])
    new_loc, new_scale, _, _ = _wrapped_fit._climb(np, Euclidean(2), x, w, loc, scale, False, np.full(1, 9.0))
    share = ((new_loc - loc) / (9.0 * (x.mean(axis=1) - loc))).ravel()
    assert np.log2(share) == pytest.approx(np.round(np.log2(share)), abs=1e-10)
    assert share[0] < 1
    before, after = (
        float(WrappedNormal(Euclidean(2), a[0], b[0]).log_prob(x).sum())
        for a, b in ((loc, scale), (new_loc, new_scale))
    )
    assert after > before
