"""Entropies of wrapped normal laws: quadrature of the density, draws, high precision, pullbacks and limits."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from wrapped_quadrature import farthest, gauss, polar_rule, scales

from geomlat.distributions import SphericalUniform, WrappedNormal, kl_divergence, kl_divergence_vjp, kl_method
from geomlat.distributions._wrapped_entropy import closed_entropy, mean_log_sinhc, unit_entropy
from geomlat.distributions.spherical_uniform import log_area
from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Product, Sphere, Stereographic, Torus
from geomlat.manifolds.base import Manifold

OPEN = [Euclidean(2), Hyperboloid(1, -10.0), Hyperboloid(2), PoincareBall(3, -0.5)]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("manifold", OPEN, ids=repr)
def test_open_spaces_by_the_density(manifold, full):
    diagonal, factor = scales(np.random.default_rng(3), manifold.dim, 0.6)
    scale = factor if full else diagonal
    q = WrappedNormal(manifold, manifold.random_point(rng=0), scale, full=full)
    x, weight = polar_rule(manifold, q.loc, farthest(manifold, scale, full), 6 if manifold.dim < 3 else 3)
    log_q = q.log_prob(x)
    assert float(q.entropy()) == pytest.approx(-np.sum(weight * np.exp(log_q) * log_q), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("n", "k"), [(2, 1.0), (2, 1e-3), (3, 100.0), (50, 0.3), (5, 10.0), (1, 2.0)])
def test_mean_log_volume_against_high_precision(n, k):
    with mp.workdps(25):
        marks = [0, 1, 3, 6, 12, 20 + n]

        def mass(r):
            return mp.mpf(r) ** (n - 1) * mp.exp(-r * r / 2)

        kk = mp.mpf(k)
        top = mp.quad(lambda r: mass(r) * mp.log(mp.sinh(kk * r) / (kk * r)), marks)
        expected = float(top / mp.quad(mass, marks))
    value, slopes = mean_log_sinhc(np.full(n, k * k))
    assert float(value) == pytest.approx(expected, rel=1e-13, abs=0.0)
    uneven = k * k * np.random.default_rng(n).uniform(0.2, 2.0, (3, n))

    def vjp(v):
        value, slopes = mean_log_sinhc(v)
        return value, lambda d: d[:, None] * slopes

    gradcheck(vjp, uneven, method="complex", rtol=1e-11)
    assert slopes.shape == (n,)


@pytest.mark.parametrize(
    ("n", "scale"),
    [(1, 0.1), (1, 1.0), (2, 0.2), (2, 1.0), (2, 4.0), (3, 2.0), (10, 0.5), (50, 0.2), (100, 0.1), (100, 2.0)],
)
def test_spheres_by_the_density(n, scale):
    """Panels graded towards both poles, which the density has for n >= 2."""
    edges = np.concatenate([math.pi * 2.0 ** -np.arange(50, 0, -1), math.pi - math.pi * 2.0 ** -np.arange(1, 40)])
    parts = [gauss(a, b, 12 if b - a > 0.02 else 1) for a, b in itertools.pairwise(edges)]
    r, weight = (np.concatenate(v) for v in zip(*parts, strict=True))
    axes = np.eye(n + 1)
    q = WrappedNormal(Sphere(n), axes[0], np.array(scale))
    log_q = q.log_prob(np.cos(r)[:, None] * axes[0] + np.sin(r)[:, None] * axes[1])
    area = math.exp(log_area(n)) if n > 1 else 2.0
    mass = weight * area * np.exp(log_q + (n - 1) * np.log(np.sin(r)))
    expected = -np.sum(mass * log_q)
    missing = abs(1 - mass.sum()) * np.max(np.abs(log_q))
    assert float(q.entropy()) == pytest.approx(expected, rel=1e-11, abs=2 * missing + 1e-11)
    rest = log_area(n + 1) - float(q.entropy())
    assert float(kl_divergence(q, SphericalUniform(n))) == pytest.approx(rest, rel=1e-14, abs=0.0)
    # Wound without end the distance is uniform, not the point.
    wide = WrappedNormal(Sphere(n), axes[0], np.array(1e4))
    limit = math.log(area * math.pi) - (n - 1) * math.log(2)
    assert float(wide.entropy()) == pytest.approx(limit, rel=1e-6, abs=0.0)


def test_slopes_on_spheres():
    for n in (1, 2, 7):

        def vjp(s, period, n=n):
            value, by_scale, by_period = closed_entropy(float(n), s, period)
            return value, lambda d: (np.sum(d * by_scale, -1, keepdims=True), np.sum(d * by_period))

        for s in (0.5, 1.0, 3.0):
            gradcheck(vjp, np.array([s]), np.array(5.0), step=1e-2)


MIXED = Product(Sphere(2), Hyperboloid(2), Torus(2), Euclidean(1), scales=(2.0, 1.0, 0.5, 3.0))


@pytest.mark.parametrize("manifold", [*OPEN, Sphere(1), Sphere(3), Torus(2), Stereographic(2, 0.5), MIXED], ids=repr)
def test_against_draws_and_pullback(manifold):
    gen, n = np.random.default_rng(1), manifold.dim
    round_ = any(f.dim > 1 and f.period < math.inf for f in manifold.space_forms_vjp()[0])
    shape = (3, 1) if round_ else (3, n)
    loc, scale = manifold.random_point((3,), rng=2), gen.uniform(0.3, 1.2, shape)
    q = WrappedNormal(manifold, loc, scale)
    log_q = q.log_prob(q.sample(40_000, rng=3))
    assert np.all(np.abs(-log_q.mean(0) - q.entropy()) < 4.5 * log_q.std(0) / 200)

    def vjp(scale):
        value, pull = WrappedNormal(manifold, loc, scale).entropy_vjp()
        return value, lambda dh: pull(dh)[-1]

    gradcheck(vjp, scale, step=1e-3)
    gradcheck(vjp, scale[0], step=1e-3)
    assert q.entropy_vjp()[1](None)[-2:] == (None, None)
    assert np.array_equal(q.entropy(), q.entropy_vjp()[0])
    narrow = WrappedNormal(manifold, loc.astype(np.float32), scale.astype(np.float32))
    value, pull = narrow.entropy_vjp()
    assert value.dtype == pull(np.ones(3, np.float32))[-1].dtype == np.float32
    np.testing.assert_allclose(value, q.entropy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("manifold", [Hyperboloid(3, -2.0), Product(Hyperboloid(2), Euclidean(2))], ids=repr)
def test_pullback_of_full_scales(manifold):
    gen, n = np.random.default_rng(1), manifold.dim
    loc = manifold.random_point((3,), rng=2)
    factor = np.tril(0.4 * gen.standard_normal((3, n, n)), -1) + np.eye(n) * gen.uniform(0.3, 1.2, (3, 1, n))

    def vjp(factor):
        value, pull = WrappedNormal(manifold, loc, factor, full=True).entropy_vjp()
        return value, lambda dh: pull(dh)[-1]

    gradcheck(vjp, factor, step=1e-3)
    q = WrappedNormal(manifold, loc, factor, full=True)
    log_q = q.log_prob(q.sample(40_000, rng=3))
    assert np.all(np.abs(-log_q.mean(0) - q.entropy()) < 4.5 * log_q.std(0) / 200)


@pytest.mark.parametrize(("curvature", "n"), [(-1.5, 3), (0.4, 2), (0.4, 1), (-1e-3, 4)])
def test_pullback_of_the_curvature(curvature, n):
    loc, scale = np.zeros(n), np.array([2.0])

    def vjp(k, scale):
        value, pull = WrappedNormal(Stereographic(n, k), loc, scale).entropy_vjp()
        return value, lambda dh: (pull(dh)[0][0], pull(dh)[-1])

    gradcheck(vjp, np.array(curvature), scale, step=1e-3)
    assert WrappedNormal(Stereographic(n, curvature), loc, scale).entropy_vjp()[1](None) == ((None,), None, None)


def test_through_zero_curvature():
    for n in (2, 6):
        at = [WrappedNormal(Stereographic(n, k), np.zeros(n), np.full(n, 0.7)).entropy() for k in (-1e-7, 0.0)]
        _, pull = WrappedNormal(Stereographic(n, 0.0), np.zeros(n), np.full(n, 0.7)).entropy_vjp()
        # To first order E log sinhc = -K E r^2 / 6.
        slope = -(n - 1) * n * 0.49 / 6
        assert float(pull(np.ones(()))[0][0]) == pytest.approx(slope, rel=1e-12, abs=0.0)
        assert float(at[0] - at[1]) == pytest.approx(-1e-7 * slope, rel=1e-5, abs=0.0)


def test_uniform_divergence_and_what_is_not_known():
    sphere, loc = Sphere(2), np.eye(3)[:2]
    q = WrappedNormal(sphere, loc, np.array([[0.4], [2.0]]))
    value, pull = kl_divergence_vjp(q, SphericalUniform(2))
    assert np.all(value > 0)
    (dloc, dscale), rest = pull(np.ones(2))
    assert dloc is None
    assert rest == ()
    assert dscale.shape == (2, 1)
    assert kl_method(q, SphericalUniform(3)) is None
    uneven = WrappedNormal(sphere, loc, np.array([0.4, 2.0]))
    assert kl_method(uneven, SphericalUniform(2)) is None
    with pytest.raises(NotImplementedError, match="one number"):
        uneven.entropy()
    with pytest.raises(NotImplementedError, match="mixes factors"):
        WrappedNormal(Torus(2), np.zeros(2), np.eye(2), full=True).entropy()

    class Unknown(Euclidean):
        space_forms_vjp = Manifold.space_forms_vjp

    with pytest.raises(NotImplementedError, match="not known"):
        WrappedNormal(Unknown(2), np.zeros(2), np.ones(2)).entropy()


def test_the_scales_of_a_product_are_counted_on_from_several_circles():
    torus, space = Torus(3), Hyperboloid(2)
    m, scale = Product(torus, space), np.array([0.3, 0.5, 2.0, 0.7, 1.1])
    parts = (WrappedNormal(torus, torus.origin(), scale[:3]), WrappedNormal(space, space.origin(), scale[3:]))
    total = WrappedNormal(m, m.origin(), scale).entropy()
    assert total == pytest.approx(sum(float(q.entropy()) for q in parts), rel=1e-14, abs=0.0)


@pytest.mark.parametrize(("n", "s"), [(100, 1e-5), (100, 0.18), (30, 0.2)])
def test_narrow_laws_on_spheres_of_many_dimensions(n, s):
    """Not wound, the entropy is the normal law's and the mean of (n - 1) log(sin(r) / r), r / s being chi."""
    r, weight = gauss(1e-3 * s, min(s * (math.sqrt(n) + 12), math.pi - 1e-3), 400)
    log_w = (n - 1) * np.log(r / s) - 0.5 * (r / s) ** 2
    mass = weight * np.exp(log_w - log_w.max())
    flat = n * (math.log(s) + 0.5 * math.log(2 * math.pi) + 0.5)
    expected = flat + (n - 1) * (mass @ np.log(np.sin(r) / r)) / mass.sum()
    value, by_scale = unit_entropy(float(n), s)
    assert value == pytest.approx(expected, rel=1e-12, abs=0.0)
    ends = [unit_entropy(float(n), s * (1 + j * 1e-3))[0] for j in (-2, -1, 1, 2)]
    assert s * by_scale == pytest.approx((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / 12e-3, rel=1e-7, abs=0.0)
