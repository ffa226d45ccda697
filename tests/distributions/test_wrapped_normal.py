"""The wrapped normal law: density, windings, sampler and pullbacks, on every manifold that has what it needs."""

import contextlib
import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from wrapped_quadrature import farthest, gauss, polar_rule, radial_rule, scales

from geomlat.distributions import WrappedNormal, _lattice
from geomlat.distributions._lattice import lattice_vjp
from geomlat.distributions._windings import windings, windings_scalar
from geomlat.distributions.spherical_uniform import log_area
from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Product, Sphere, Stereographic, Torus
from geomlat.manifolds.base import SpaceForm
from geomlat.random import stream
from geomlat.special import log_sinhc

HYPERBOLIC = [Hyperboloid(2), Hyperboloid(2, -0.3), Hyperboloid(3, -2.0)]
CURVED = [Stereographic(1, 2.0), Stereographic(2, 0.7), Stereographic(3, -0.4)]
LOW = [
    Euclidean(1),
    Euclidean(3),
    Sphere(1),
    Sphere(2),
    Sphere(3),
    Hyperboloid(1, -10.0),
    *HYPERBOLIC,
    PoincareBall(2, -0.5),
    *CURVED,
]
ALL = [*LOW, Sphere(6), Hyperboloid(6), Torus(2), Product(Sphere(2), Hyperboloid(2), Torus(1), scales=(2.0, 1.0, 0.5))]
SHAPES = [((5,), "n"), ((), "n"), ((5,), "1"), ((4, 5), "0"), ((5,), "full"), ((), "full")]


def law(manifold, size, seed, full=False):
    gen = np.random.default_rng(seed)
    diagonal, factor = scales(gen, manifold.dim, size)
    return WrappedNormal(manifold, manifold.random_point(rng=gen), factor if full else diagonal, full=full)


# ---- density ----


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [0.15, 0.7, 3.0])
@pytest.mark.parametrize("manifold", LOW, ids=repr)
def test_density_integrates_to_one(manifold, size, full):
    q = law(manifold, size, 3, full)
    x, weight = polar_rule(manifold, q.loc, farthest(manifold, q.scale, full), 6 if manifold.dim < 3 else 3)
    assert float(np.sum(weight * np.exp(q.log_prob(x)))) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [0.15, 0.6])
@pytest.mark.parametrize("manifold", HYPERBOLIC, ids=repr)
def test_hyperbolic_density_integrates_to_one_about_another_point(manifold, size, full):
    """With the measure ``(sinh(r / R) R)^(n-1)`` about a point that is not loc, so that the volume is tested too."""
    q = law(manifold, size, 3, full)
    u = manifold.from_coordinates(q.loc, size * np.array([0.4, -0.2, 0.3])[: manifold.dim])
    top = farthest(manifold, q.scale, full) + size
    x, weight = polar_rule(manifold, manifold.exp(q.loc, u), top, 5)
    r = gauss(0.0, top, 5)[0]
    volume = (np.sinh(r / manifold.radius) * manifold.radius / r) ** (manifold.dim - 1)
    flat = weight.reshape(len(r), -1) / np.exp((manifold.dim - 1) * log_sinhc(r / manifold.radius))[:, None]
    mass = (flat * volume[:, None]).ravel() * np.exp(q.log_prob(x))
    assert float(np.sum(mass)) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(("n", "size"), [(4, 0.5), (5, 2.0), (10, 1.0), (50, 0.3), (50, 1.5)])
def test_isotropic_density_integrates_to_one_in_high_dimension(n, size):
    manifold, loc = Sphere(n), np.eye(n + 1)[0]
    r, weight = radial_rule(n, math.pi)
    x = np.cos(r)[:, None] * loc + np.sin(r)[:, None] * np.eye(n + 1)[1]
    q = WrappedNormal(manifold, loc, np.array(size))
    assert float(np.sum(weight * np.exp(q.log_prob(x)))) == pytest.approx(1.0, abs=1e-9)


def test_torus_and_product_laws_are_products():
    gen = np.random.default_rng(2)
    factors, widths = (Sphere(2), Hyperboloid(2), Torus(2)), (2.0, 1.0, 0.5)
    manifold = Product(*factors, scales=widths)
    scale = gen.uniform(0.5, 2.0, 6)
    loc, x = manifold.random_point(rng=1), manifold.random_point((20,), rng=2)
    parts = zip(factors, widths, manifold.split(loc), np.split(scale, 3), manifold.split(x), strict=True)
    # In units of a factor stretched by w the law has the scale s / w and the density 1 / w^n of its own.
    expected = sum(WrappedNormal(f, a, s / w).log_prob(y) - 2 * math.log(w) for f, w, a, s, y in parts)
    np.testing.assert_allclose(WrappedNormal(manifold, loc, scale).log_prob(x), expected, rtol=1e-12, atol=1e-12)
    torus = WrappedNormal(Torus(2), manifold.split(loc)[2], scale[:2])
    circles = [WrappedNormal(Torus(1), torus.loc[k : k + 1], scale[k : k + 1]) for k in range(2)]
    y = manifold.split(x)[2]
    each = sum(c.log_prob(y[:, k : k + 1]) for k, c in enumerate(circles))
    np.testing.assert_allclose(torus.log_prob(y), each, rtol=1e-13)
    # The coordinates of what follows are counted on from all the circles.
    pair = Product(Torus(3), Sphere(2))
    at, scale = pair.random_point((6,), rng=3), np.array([0.5, 2.0, 4.0, 1.3, 1.3])
    (one, other), spread = pair.split(at), np.split(scale, [3])
    each = [
        WrappedNormal(m, m.origin(), s).log_prob(x) for m, s, x in zip(pair.factors, spread, (one, other), strict=True)
    ]
    np.testing.assert_allclose(WrappedNormal(pair, pair.origin(), scale).log_prob(at), sum(each), rtol=1e-13)
    angle = 2 * math.pi * np.arange(400)[:, None] / 400
    assert float(np.sum(np.exp(circles[0].log_prob(angle)))) * 2 * math.pi / 400 == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(NotImplementedError, match="mixes a sphere"):
        WrappedNormal(manifold, loc, np.eye(6), full=True).log_prob(x)


@pytest.mark.parametrize("size", [0.02, 0.5, 2.5])
def test_full_scales_on_the_torus(size):
    """By the Fourier series of the density, by quadrature, and where the law is a product."""
    gen, manifold = np.random.default_rng(3), Torus(2)
    factor = size * np.array([[1.0, 0.0], [0.9, 0.4]])
    q = WrappedNormal(manifold, np.array([1.0, -2.0]), factor, full=True)
    angle = 2 * math.pi * np.arange(64) / 64
    grid = np.stack(np.meshgrid(angle, angle, indexing="ij"), -1)
    log_q = q.log_prob(grid)
    if size > 0.1:
        assert float(np.sum(np.exp(log_q))) * (2 * math.pi / 64) ** 2 == pytest.approx(1.0, abs=1e-10)
        k = np.stack(np.meshgrid(np.arange(-40, 41), np.arange(-40, 41), indexing="ij"), -1).reshape(-1, 2)
        damping = np.exp(-0.5 * np.einsum("ki,ij,kj->k", k, factor @ factor.T, k))
        density = np.cos((grid - q.loc) @ k.T) @ damping / (2 * math.pi) ** 2
        np.testing.assert_allclose(np.exp(log_q), density, rtol=1e-9, atol=1e-13)
    diagonal = WrappedNormal(manifold, q.loc, np.diag(factor))
    straight = WrappedNormal(manifold, q.loc, np.diag(np.diag(factor)), full=True)
    np.testing.assert_allclose(straight.log_prob(grid), diagonal.log_prob(grid), rtol=1e-11, atol=1e-11)
    x, loc = q.loc + size * gen.standard_normal((3, 4, 2)), q.loc + 0.1 * gen.standard_normal((4, 2))

    def density(x, loc, scale):
        value, pull = WrappedNormal(manifold, loc, scale, full=True).log_prob_vjp(x)
        return value, own(pull)

    gradcheck(density, x, loc, factor * gen.uniform(0.8, 1.2, (4, 1, 1)), step=1e-3)
    mixed = Product(Torus(1), Euclidean(1), Stereographic(1, 0.7))
    scale = np.tril(size * gen.uniform(0.3, 1.0, (3, 3)))
    loc, x = mixed.random_point(rng=1), mixed.random_point((5,), rng=2)

    def curved(k, scale):
        space = Product(Torus(1), Euclidean(1), Stereographic(1, k))
        value, pull = WrappedNormal(space, loc, scale, full=True).log_prob_vjp(x)
        return value, lambda dl: (pull(dl)[1][0][0], pull(dl)[-1])

    gradcheck(curved, np.array(0.7), scale, step=1e-3)
    with pytest.raises(NotImplementedError, match="too many"):
        WrappedNormal(Torus(8), np.zeros(8), 3.0 * np.eye(8), full=True).log_prob(np.zeros(8))


def test_the_lattice_of_leaning_scales(monkeypatch):
    """Circles of two lengths around flat coordinates, against the sum over every winding near and far."""
    gen = np.random.default_rng(5)
    factor = np.tril(gen.uniform(-0.3, 0.3, (3, 5, 5)), -1) + 0.25 * np.eye(5)
    # The first winding that is near this one takes the last coordinate many turns on.
    factor[0, 0, 0], factor[0, 4] = 0.01, (1.5, 0.1, -0.2, 0.4, 0.5)
    c = gen.uniform(-0.25, 0.25, (3, 5))
    c[0, 0] = 0.25

    def forms(first, last):
        return [SpaceForm(2, 1, 0.0, first), SpaceForm(1, 2, 0.0, math.inf), SpaceForm(1, 1, 0.0, last)]

    def rule(first, last, w, factor):
        spread = np.diagonal(factor, axis1=-2, axis2=-1)
        value, pull = lattice_vjp(forms(first, last), lambda d: d, np.linalg.inv(factor), w, spread)

        def own(dl):
            none, dw, also_none, dfactor, dforms = pull(dl)
            assert (none, also_none, [f[0] for f in dforms]) == (None, None, [None] * 3)
            return dforms[0][1], dforms[2][1], dw, dfactor

        return value, own

    w = np.linalg.solve(factor, c[..., None])[..., 0]
    turns = np.array(list(itertools.product(range(-8, 9), range(-9, 10), [0], [0], range(-40, 41))))
    logs = [
        -0.5 * np.sum((v + (turns * [0.5, 0.5, 0, 0, 1.5]) @ np.linalg.inv(f).T) ** 2, axis=-1) + 0.5 * v @ v
        for v, f in zip(w, factor, strict=True)
    ]
    expected = np.logaddexp.reduce(logs, axis=1)
    at = np.array(0.5), np.array(1.5)
    np.testing.assert_allclose(rule(*at, w, factor)[0], expected, rtol=1e-12)
    gradcheck(rule, *at, w[1:], factor[1:], step=1e-3, directions=1)
    assert rule(*at, w[:0], factor[:0])[0].shape == (0,)
    # The limit is that of the windings that would be summed.
    few = forms(0.5, math.inf), lambda d: d, np.linalg.inv(factor[1]), w[1], np.full(5, 0.06)
    sides = np.ceil(np.sqrt(0.5 * (0.5 / 0.06) ** 2 + 80) * np.linalg.norm(factor[1], axis=-1) / 0.5 + 0.5)[:2]
    for limit, match in ((np.prod(2 * sides + 1), None), (np.prod(2 * sides + 1) - 1, "too many to sum: ")):
        monkeypatch.setattr(_lattice, "LIMIT", limit)
        with contextlib.nullcontext() if match is None else pytest.raises(NotImplementedError, match=match):
            assert np.isfinite(lattice_vjp(*few)[0])


def test_flat_space_is_the_normal_law():
    gen = np.random.default_rng(0)
    loc, factor, x = gen.standard_normal(4), scales(gen, 4, 1.0)[1], gen.standard_normal((7, 4))
    q = WrappedNormal(Euclidean(4), loc, factor, full=True)
    np.testing.assert_allclose(q.log_prob(x), stats.multivariate_normal(loc, factor @ factor.T).logpdf(x), rtol=1e-12)
    q = WrappedNormal(Euclidean(4), loc, np.diag(factor))
    np.testing.assert_allclose(q.log_prob(x), stats.norm(loc, q.scale).logpdf(x).sum(-1), rtol=1e-12)


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.0, 2.0, 6.0, 50.0])
def test_circle_is_the_wrapped_normal_law(scale):
    """The other representation, by Fourier series: 1 + 2 sum exp(-k^2 scale^2 / 2) cos(k angle) over 2 pi."""
    angle = np.linspace(-math.pi, math.pi, 9)
    q = WrappedNormal(Sphere(1), np.array([math.cos(1.0), math.sin(1.0)]), np.array([scale]))
    got = q.log_prob(np.stack([np.cos(1.0 + angle), np.sin(1.0 + angle)], -1))
    k = np.arange(1, 400)
    series = 1 + 2 * np.sum(np.exp(-0.5 * (k * scale) ** 2) * np.cos(k * angle[:, None]), -1)
    near = stats.norm(0, scale).logpdf(angle)
    want = near if scale < 0.1 else np.log(series / (2 * math.pi))
    want = np.where(np.abs(angle) > 3.1, want + math.log(2) * (scale < 0.1), want)
    np.testing.assert_allclose(got, want, rtol=1e-9 if scale == 0.5 else 1e-12)


WINDINGS = [(1, 1e-9, 1.0), (1, 3.0, 0.2), (2, 0.3, 1.0), (3, 2.0, 0.05), (7, 1e-3, 3.0), (50, 1.0, 0.3), (2, 3.1, 9.0)]


@pytest.mark.parametrize(("n", "r", "a"), WINDINGS)
def test_windings_against_high_precision(n, r, a):
    def exact(n, r, a, period):
        terms = [
            abs(1 + k * period / r) ** (n - 1) * mp.exp(-a * a * ((r + k * period) ** 2 - r * r) / 2)
            for k in range(-400, 401)
        ]
        return mp.log(mp.fsum(terms))

    with mp.workdps(60):
        args = n, mp.mpf(r), mp.mpf(a), 2 * mp.pi
        orders = (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
        expected = [exact(*args), *(mp.diff(exact, args, order) for order in orders)]
        got = windings_scalar(float(n), r, a, 2 * math.pi)
        for have, want in zip(got, expected, strict=True):
            assert have == pytest.approx(float(want), rel=2e-13, abs=1e-14)


def test_windings_far_out_and_where_there_are_none():
    for n in (1.0, 2.0, 5.0):
        near, far = (np.array(windings(n, 1.3, a, 7.0)) for a in (1.0001e-6 / 7.0, 0.9999e-6 / 7.0))
        np.testing.assert_allclose(near[[0, 1, 3]], far[[0, 1, 3]], rtol=5e-4)
        assert near[2] * 1.0001 == pytest.approx(far[2] * 0.9999, rel=1e-9, abs=0.0)
    assert windings_scalar(3.0, 0.0, 1.0, 6.0) == windings_scalar(3.0, 1.0, 1.0, math.inf) == (0.0,) * 4
    assert windings(1.0, np.zeros(2), 0.5, 6.0)[0] == pytest.approx(windings_scalar(1.0, 0.0, 0.5, 6.0)[0])


@pytest.mark.parametrize("manifold", ALL, ids=repr)
def test_the_smallest_and_the_largest_scales(manifold):
    q = WrappedNormal(manifold, manifold.random_point(rng=1), np.array(1e-3))
    c = 1e-3 * np.random.default_rng(0).standard_normal((9, manifold.dim))
    x = manifold.exp(q.loc, manifold.from_coordinates(q.loc, c))
    np.testing.assert_allclose(q.log_prob(x), stats.norm(0, 1e-3).logpdf(c).sum(-1), rtol=1e-5)
    wide = WrappedNormal(manifold, q.loc, np.array(1e3))
    assert np.all(np.isfinite(wide.log_prob(x)))
    if isinstance(manifold, Torus) or manifold == Sphere(1):
        np.testing.assert_allclose(wide.log_prob(x), -manifold.dim * math.log(2 * math.pi), rtol=1e-12)


# ---- sampler ----


@pytest.mark.parametrize("manifold", ALL, ids=repr)
def test_small_laws_are_normal_in_their_frame(manifold):
    q = law(manifold, 0.1, 5, full=True)
    assert manifold.dim == q.spread.shape[-1]
    z = q.sample(20_000, rng=2)
    c = manifold.to_coordinates(q.loc, manifold.log(q.loc, z))
    w = np.linalg.solve(q.scale, c.T)
    for row in w:
        assert stats.kstest(row, "norm").pvalue > 1e-4
    np.testing.assert_allclose(np.cov(w).reshape(manifold.dim, -1), np.eye(manifold.dim), atol=5 / math.sqrt(20_000))
    assert np.all(manifold.contains(z, atol=1e-12))


@pytest.mark.parametrize(("n", "size"), [(1, 1.5), (2, 1.0), (3, 2.5), (6, 0.9)])
def test_wound_laws_have_their_density(n, size):
    """The distance to loc of isotropic draws, by the distribution function of the density."""
    manifold = Sphere(n)
    q = WrappedNormal(manifold, manifold.random_point(rng=4), np.array(size))
    r = manifold.dist(q.loc, q.sample(50_000, rng=9))
    grid = np.linspace(0, math.pi, 401)
    center, e = np.eye(n + 1)[0], np.eye(n + 1)[1]
    nodes, weight = gauss(0.0, math.pi, 400, 4)
    area = math.exp(log_area(n)) if n > 1 else 2.0
    at = WrappedNormal(manifold, center, np.array(size))
    x = np.cos(nodes)[:, None] * center + np.sin(nodes)[:, None] * e
    mass = np.exp(at.log_prob(x)) * weight * area * np.sin(nodes) ** (n - 1)
    cdf = np.concatenate([[0.0], np.cumsum(mass.reshape(400, 4).sum(1))])
    assert stats.kstest(r, lambda t: np.interp(t, grid, cdf)).pvalue > 1e-3


def test_draws_do_not_depend_on_the_batch():
    manifold = Sphere(2)
    loc = manifold.random_point((10,), rng=0)
    whole = WrappedNormal(manifold, loc, np.array([0.3, 0.6])).sample(rng=9)
    rest = WrappedNormal(manifold, loc[4:], np.array([0.3, 0.6])).sample(rng=stream(9).at(4))
    assert np.array_equal(whole[4:], rest)
    q = WrappedNormal(manifold, loc, np.array(0.2))
    assert np.array_equal(q.sample((3,), rng=1), q.rsample_vjp(q.draw(3, rng=1))[0])
    assert q.sample(3, rng=1).shape == (3, 10, 3)
    assert np.array_equal(q.mean(), loc)
    assert np.array_equal(q.mode(), loc)


# ---- pullbacks ----


def shaped(manifold, batch, kind, size):
    gen = np.random.default_rng(1)
    n = manifold.dim
    if kind == "full":
        factor = np.tril(0.3 * size * gen.standard_normal((*batch, n, n)), -1)
        return factor + size * np.eye(n) * gen.uniform(0.5, 1.5, (*batch, 1, n))
    shape = {"n": (*batch, n), "1": (*batch, 1), "0": ()}[kind]
    return size * gen.uniform(0.5, 1.5, shape)


def own(pull):
    """The cotangents without those of the manifold's fields, which are a tuple."""
    return lambda d: tuple(g for g in pull(d) if not isinstance(g, tuple))


def _scale_part(result):
    return result[0], lambda dl: result[1](dl)[-1]


def _point_part(result):
    return result[0], lambda dl: result[1](dl)[0]


@pytest.mark.parametrize("size", [0.3, 2.0])
@pytest.mark.parametrize("manifold", ALL, ids=repr)
def test_pullbacks(manifold, size):
    x = manifold.random_point((4, 5), rng=2)
    joint = isinstance(manifold, Product)
    for batch, kind in [s for s in SHAPES if not (joint and s[1] == "full")]:
        full, scale = kind == "full", shaped(manifold, batch, kind, size)
        loc = manifold.random_point((5,) if len(batch) == 1 else (), rng=1)
        q = WrappedNormal(manifold, loc, scale, full=full)
        noise = q.draw(2, rng=0)

        def density(x, loc, scale, full=full):
            value, pull = WrappedNormal(manifold, loc, scale, full=full).log_prob_vjp(x)
            return value, own(pull)

        def draws(loc, scale, full=full, noise=noise):
            z, pull = WrappedNormal(manifold, loc, scale, full=full).rsample_vjp(noise)
            return z, own(pull)

        gradcheck(density, x, loc, scale, step=1e-3, directions=1)
        gradcheck(draws, loc, scale, step=1e-3, directions=1)
        assert np.array_equal(q.log_prob(x), q.log_prob_vjp(x)[0])
    # Only the scale has a batch.
    loc, scale = manifold.random_point(rng=3), shaped(manifold, (2, 3), "n", size)
    gradcheck(lambda s: _scale_part(WrappedNormal(manifold, loc, s).log_prob_vjp(x[0, 0])), scale, step=1e-3)
    gradcheck(lambda a: _point_part(WrappedNormal(manifold, loc, scale).log_prob_vjp(a)), x[0, 0], step=1e-3)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("curvature", [-1.5, -0.1, 0.3, 2.0])
def test_pullbacks_of_the_curvature(curvature, n):
    """Through the exponential map, its volume, the frame and the period of the windings."""
    gen, start = np.random.default_rng(0), Stereographic(n, curvature)
    loc, x, scale = start.random_point((3,), rng=1), start.random_point((3,), rng=2), gen.uniform(0.3, 1.5, (3, n))
    noise = WrappedNormal(start, loc, scale).draw(2, rng=0)

    def density(k, x, loc, scale):
        value, pull = WrappedNormal(Stereographic(n, k), loc, scale).log_prob_vjp(x)
        return value, lambda dl: (pull(dl)[1][0], pull(dl)[0], *pull(dl)[2:])

    def draws(k, loc, scale):
        z, pull = WrappedNormal(Stereographic(n, k), loc, scale).rsample_vjp(noise)
        return z, lambda dz: (pull(dz)[0][0], *pull(dz)[1:])

    gradcheck(density, np.array(curvature), x, loc, scale, step=1e-3)
    gradcheck(draws, np.array(curvature), loc, scale, step=1e-3)
    q = WrappedNormal(start, loc.astype(np.float32), scale.astype(np.float32))
    z, pull = q.rsample_vjp(q.draw(rng=0))
    assert pull(None) == ((None,), None, None)
    (dk,), *_ = pull(np.ones_like(z))
    _, (dk_density,), *_ = q.log_prob_vjp(z)[1](np.ones(3, np.float32))
    assert z.dtype == dk.dtype == dk_density.dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 5])
def test_models_of_one_space_agree(n):
    """The same law on the hyperboloid, in the ball and in stereographic coordinates; and through zero curvature."""
    for k in (-0.5, -2.0):
        ball, sheet = PoincareBall(n, k), Hyperboloid(n, k)
        origins = [WrappedNormal(m, m.origin(), np.array(0.7)) for m in (ball, sheet, Stereographic(n, k))]
        for size in (0.3, 2.0):
            e = np.eye(n)[0] * size
            points = [m.exp(m.origin(), m.from_coordinates(m.origin(), e)) for m in (ball, sheet)]
            got = [float(q.log_prob(x)) for q, x in zip(origins, (*points, points[0]), strict=True)]
            np.testing.assert_allclose(got, got[0], rtol=1e-13)
    flat, x = Stereographic(n, 0.0), np.full(n, 0.2)
    at = [float(WrappedNormal(Stereographic(n, k), np.zeros(n), np.array(0.7)).log_prob(x)) for k in (-1e-9, 1e-9)]
    middle = float(WrappedNormal(flat, np.zeros(n), np.array(0.7)).log_prob(x))
    assert middle == pytest.approx(stats.norm(0, 0.7).logpdf(2 * x).sum(), rel=1e-13, abs=0.0)
    np.testing.assert_allclose(at, middle, rtol=1e-8)


@pytest.mark.parametrize("manifold", [Euclidean(2), Sphere(1), Sphere(3), Hyperboloid(3)], ids=repr)
def test_zeros_dtypes_and_fields(manifold):
    for full in (False, True):
        loc = manifold.random_point((4,), rng=0).astype(np.float32)
        scale = shaped(manifold, (4,), "full" if full else "n", 0.5).astype(np.float32)
        q = WrappedNormal(manifold, loc, scale, full=full)
        z, pull = q.rsample_vjp(q.draw(rng=0))
        log_q, pull_density = q.log_prob_vjp(z)
        assert z.dtype == log_q.dtype == np.float32
        dz, dl = np.ones(z.shape), np.ones(log_q.shape)
        assert pull(None) == (None, None)
        assert pull_density(None) == (None, None, None)
        rest = pull(dz)
        dx, *others = pull_density(dl)
        assert [g.dtype for g in (*rest, dx, *others)] == [np.float32] * 5
        assert [g.shape for g in (*rest, *others)] == 2 * [loc.shape, scale.shape]
        wide = WrappedNormal(manifold, loc.astype(float), scale.astype(float), full=full)
        np.testing.assert_allclose(log_q, wide.log_prob(z.astype(float)), rtol=2e-5, atol=2e-5)


def test_at_loc_and_at_the_cut_point():
    """Finite values and cotangents; on the circle the exact ones."""
    for manifold in (Sphere(1), Sphere(2), Euclidean(2)):
        loc = manifold.origin()
        q = WrappedNormal(manifold, loc, np.full(manifold.dim, 0.8))
        for x in (loc, -loc):
            value, pull = q.log_prob_vjp(x)
            assert np.isfinite(value)
            assert all(np.all(np.isfinite(g)) for g in pull(np.ones(())))
    q = WrappedNormal(Sphere(2), np.eye(3)[0], np.array(0.8))
    assert float(q.log_prob(q.loc)) == pytest.approx(-math.log(2 * math.pi * 0.64))
    assert WrappedNormal(Sphere(2), np.eye(3)[:0], np.array(0.8)).sample(rng=0).shape == (0, 3)


def test_bad_input():
    loc = np.eye(3)[0]
    for bad in (0.0, -1.0, math.nan, math.inf, np.eye(2)):
        with pytest.raises(ValueError, match="positive finite scale"):
            WrappedNormal(Sphere(2), loc, np.asarray(bad))
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite loc"):
            WrappedNormal(Sphere(2), np.array([0.0, 0.6, bad]), np.ones(2))
    with pytest.raises(ValueError, match=r"scale of shape \(\.\.\., 2\)"):
        WrappedNormal(Sphere(2), loc, np.ones(3))
    with pytest.raises(ValueError, match=r"scale of shape \(\.\.\., 2, 2\)"):
        WrappedNormal(Sphere(2), loc, np.ones(2), full=True)
    with pytest.raises(ValueError, match=r"loc of shape \(\.\.\., 3\)"):
        WrappedNormal(Sphere(2), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="do not broadcast"):
        WrappedNormal(Sphere(2), np.eye(3), np.ones((2, 2)))
    with pytest.raises(ValueError, match="dimension at least 1"):
        WrappedNormal(Sphere(0), np.ones(1), np.ones(1))
