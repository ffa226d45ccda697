"""Divergences of isotropic wrapped normal laws on spheres: another quadrature, draws, limits and pullbacks."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from wrapped_quadrature import gauss

from geomlat.distributions import WrappedNormal, kl_divergence, kl_divergence_vjp, kl_estimate, kl_method
from geomlat.distributions._sphere_kl import log_density, over_angles, sphere_kl
from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, SpecialOrthogonal, Sphere, Stereographic

TAU = 2 * math.pi
# n, the scale of q, the distance, the scale of p: narrow and wound laws, near, opposite and between.
CASES = [
    (2, 0.5, 0.7, 1.0),
    (2, 3.0, 2.0, 2.0),
    (2, 0.3, 1.5, 0.02),
    (2, 1e-3, 0.5, 1e-3),
    (2, 0.4, 2.9, 0.15),
    (3, 10.0, 1.0, 0.3),
    (3, 0.2, math.pi, 0.4),
    (4, 0.05, 3.1, 0.1),
    (5, 1.5, 1.0, 1.2),
    (10, 0.5, 1.0, 1.0),
    (30, 0.2, 0.0, 0.3),
    (50, 0.4, 2.0, 0.45),
    (100, 0.05, 1.0, 0.4),
    (100, 2.0, 1.0, 1.0),
]


def graded(ends, order, ratio, depth, wide):
    """Gauss-Legendre panels between consecutive ends, shrinking geometrically towards each."""
    x, w = np.polynomial.legendre.leggauss(order)
    nodes, weights = [], []
    for a, b in itertools.pairwise(ends):
        steps = 0.5 * (b - a) * np.concatenate([[0.0], ratio ** -np.arange(depth, -1.0, -1.0)])
        for left, right in itertools.pairwise(np.concatenate([a + steps, (b - steps)[-2::-1]])):
            count = 1 + int((right - left) / wide)
            h = 0.5 * (right - left) / count
            nodes.append((np.linspace(left, right, count + 1)[:-1, None] + h * (1 + x)).ravel())
            weights.append(np.tile(h * w, count))
    return np.concatenate(nodes), np.concatenate(weights)


def log_wound(n, r, s):
    """The log-density at distance r times sin(r)^(n - 1)."""
    last = int((math.sqrt(n - 1) + 12) * s / TAU) + 2
    x = r[..., None] + TAU * np.arange(-last, last + 1)
    logs = (n - 1) * np.log(np.abs(x)) - 0.5 * (x / s) ** 2
    top = logs.max(-1)
    return top + np.log(np.exp(logs - top[..., None]).sum(-1)) - n * (math.log(s) + 0.5 * math.log(TAU))


def brute_force(n, s, apart, o, order, ratio, depth, wide):
    """The two-dimensional integral by panels graded towards every pole, with no substitution."""
    mode = math.sqrt(n - 1)
    low, high = max((mode - 9.5) * s, 0.0), (mode + 9.5) * s
    low, high = (low, high) if high < math.pi else (0.0, math.pi)
    cuts = sorted({low, high, *(c for c in (apart, math.pi - apart) if low < c < high)})
    r, weight = graded(cuts, order, ratio, depth, min(3 * s, wide))
    f, turn = graded([0.0, math.pi], order, ratio, depth, wide)
    turn = turn * np.sin(f) ** (n - 2)
    log_q = log_wound(n, r, s)
    mass, total = weight * np.exp(log_q), 0.0
    for rows in np.array_split(np.arange(len(r)), 1 + len(r) // 100):
        at = r[rows, None]
        both = math.sin(apart) * np.sin(at)
        chord = np.sqrt(np.sin((apart - at) / 2) ** 2 + both * np.sin(f / 2) ** 2)
        rest = np.sqrt(np.cos((apart + at) / 2) ** 2 + both * np.cos(f / 2) ** 2)
        log_p = log_wound(n, 2 * np.arctan2(chord, rest), o) - (n - 1) * np.log(2 * chord * rest)
        total += np.sum(mass[rows] * (log_p @ turn)) / np.sum(turn)
    return (np.sum(mass * (log_q - (n - 1) * np.log(np.sin(r)))) - total) / np.sum(mass)


@pytest.mark.parametrize("case", CASES)
def test_by_another_quadrature(case):
    n, s, apart, o = case
    found = float(sphere_kl(float(n), TAU, apart, s, o)[0])
    assert found == pytest.approx(brute_force(*case, 16, 4.0, 12, 0.5), rel=3e-8, abs=0.0)
    larger = float(sphere_kl(float(n), 3 * TAU, 3 * apart, 3 * s, 3 * o)[0])
    assert larger == pytest.approx(found, rel=1e-12, abs=0.0)


@pytest.mark.parametrize(("n", "r", "s"), [(2, 0.7, 0.3), (2, 2.9, 1.4), (5, 1.6, 0.9), (9, 0.4, 2.5)])
def test_the_wound_density_and_its_slopes_against_mpmath(n, r, s):
    def exact(r, s):
        turns = [abs(r + 2 * mp.pi * k) ** (n - 1) * mp.npdf(r + 2 * mp.pi * k, 0, s) for k in range(-9, 10)]
        return mp.log(mp.fsum(turns)) - (n - 1) * mp.log(s * mp.sqrt(2 * mp.pi) * mp.sin(r))

    with mp.workdps(30):
        at = mp.mpf(r), mp.mpf(s)
        expected = [float(v) for v in (exact(*at), mp.diff(exact, at, (1, 0)), mp.diff(exact, at, (0, 1)))]
    assert log_density(float(n), r, math.sin(r), math.cos(r), s) == pytest.approx(expected, rel=1e-11, abs=0.0)


@pytest.mark.parametrize(("n", "d", "r", "o"), [(2, 1.2, 0.5, 0.4), (3, 0.6, 1.4, 0.7), (7, 2.2, 1.1, 0.9)])
def test_means_over_the_angle_and_their_slopes(n, d, r, o):
    f, weight = gauss(0.0, math.pi, 60)
    weight = weight * np.sin(f) ** (n - 2)
    there = np.arccos(math.cos(d) * math.cos(r) + math.sin(d) * math.sin(r) * np.cos(f))
    each = [log_density(float(n), t, math.sin(t), math.cos(t), o)[0] for t in there]
    value, by_d, by_o = over_angles(float(n), d, r, math.sin(r), o)
    assert value == pytest.approx(weight @ each / weight.sum(), rel=1e-11, abs=0.0)
    for slope, (a, b) in ((by_d, (1e-3, 0.0)), (by_o, (0.0, 1e-3))):
        one, two = (
            over_angles(float(n), d + t * a, r, math.sin(r), o + t * b)[0]
            - over_angles(float(n), d - t * a, r, math.sin(r), o - t * b)[0]
            for t in (1, 2)
        )
        assert slope == pytest.approx((8 * one - two) / 0.012, rel=1e-8, abs=0.0)


BESIDE = [
    *itertools.product([(2, 1.2, 2.0), (3, 1.7, 0.8), (30, 1.4, 1.5)], (0, 1), (1e-1, 1e-3, 1e-6)),
    ((3, 1e-7, 2.0), 0, 1e-8),
]


@pytest.mark.parametrize(("law", "side", "gap"), BESIDE)
def test_means_over_the_angle_beside_a_pole(law, side, gap):
    """Where r is about d, or pi - d, a wound law has its pole next to the angle 0, or pi."""
    n, d, o = law
    r = (d if side == 0 else math.pi - d) + gap
    f, weight = graded([0.0, math.pi], 16, 4.0, 24, 0.3)
    weight = weight * np.sin(f) ** (n - 2)
    both = math.sin(d) * math.sin(r)
    chord = np.sqrt(np.sin((d - r) / 2) ** 2 + both * np.sin(f / 2) ** 2)
    rest = np.sqrt(np.cos((d + r) / 2) ** 2 + both * np.cos(f / 2) ** 2)
    there = 2 * np.arctan2(chord, rest)
    each = log_wound(n, there, o) - (n - 1) * np.log(2 * chord * rest)
    expected = weight @ each / weight.sum()
    assert over_angles(float(n), d, r, math.sin(r), o)[0] == pytest.approx(expected, rel=1e-12, abs=0.0)


def test_the_slope_by_a_narrow_scale_keeps_its_digits_beside_a_large_divergence():
    """Between two laws of scale s, s d/ds tends to 1 - n + (n - 1) D cot(D) with an error of order s^2."""
    limit = -100.0 + 1.0 + 99.0 * 2.0 / math.tan(2.0)
    wide, narrow = (s * float(sphere_kl(100.0, 2.0 * math.pi, 2.0, s, s)[3]) for s in (0.01, 0.001))
    assert narrow == pytest.approx(limit + 0.01 * (wide - limit), rel=1e-6, abs=0.0)


@pytest.mark.parametrize(("n", "s"), [(5.0, 4.0), (20.0, 9.0), (100.0, 0.9)])
def test_the_slope_is_zero_at_opposite_centres_and_one_sided_beside_them(n, s):
    assert float(sphere_kl(n, TAU, math.pi, s, s)[2]) == 0.0
    assert float(sphere_kl(n, 3 * TAU, 3 * math.pi, 3 * s, 3 * s)[2]) == 0.0
    near = math.pi - 1e-2
    values = [float(sphere_kl(n, TAU, near + k * 1e-4, s, s)[0]) for k in (-2, -1, 1, 2)]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-4
    assert float(sphere_kl(n, TAU, near, s, s)[2]) == pytest.approx(slope, rel=1e-6, abs=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_to_the_stated_accuracy(case):
    n, s, apart, o = case
    expected = brute_force(*case, 24, 2.0, 36, 0.12)
    assert float(sphere_kl(float(n), TAU, apart, s, o)[0]) == pytest.approx(expected, rel=5e-12, abs=0.0)


@pytest.mark.parametrize("manifold", [Sphere(2), Sphere(6), Stereographic(3, 0.4)], ids=repr)
def test_by_draws_of_the_density(manifold):
    gen = np.random.default_rng(5)
    q = WrappedNormal(manifold, manifold.random_point((4,), rng=gen), gen.uniform(0.2, 1.5, (4, 1)))
    p = WrappedNormal(manifold, manifold.random_point(rng=gen), np.array(0.7))
    assert kl_method(q, p) == "quadrature"
    z = q.sample(40_000, rng=6)
    excess = q.log_prob(z) - p.log_prob(z)
    off = (excess.mean(0) - kl_divergence(q, p)) / (excess.std(0) / 200)
    assert stats.chi2(4).sf(np.sum(off**2)) > 1e-4
    # Its scale spelled out, so that its shape does not say that it is one number: the labelled estimate.
    spelled = WrappedNormal(manifold, q.loc, np.repeat(q.scale, manifold.dim, -1))
    found = kl_estimate(spelled, p, draws=4000, rng=7)
    assert found.method == "Monte Carlo"
    assert np.all(np.abs(found.value - kl_divergence(q, p)) < 4.5 * found.standard_error)


@pytest.mark.parametrize("case", [(2, 2.0, 2.0, 1.0), (2, 0.02, 0.5, 0.01), (3, 0.3, 2.8, 0.4), (7, 1.0, 1.0, 0.6)])
def test_slopes(case):
    def rule(*args):
        value, *slopes = sphere_kl(float(case[0]), *args)
        return value, lambda dk: tuple(dk * slope for slope in slopes)

    _, s, apart, o = case
    gradcheck(rule, *(np.array(v) for v in (6.0, apart, s, o)), step=1e-2)


def test_pullbacks():
    gen, manifold = np.random.default_rng(1), Sphere(2)
    a, b = manifold.random_point((2,), rng=2), manifold.random_point((2, 1), rng=3)

    def rule(loc_q, scale_q, loc_p, scale_p):
        value, pull = kl_divergence_vjp(
            WrappedNormal(manifold, loc_q, scale_q), WrappedNormal(manifold, loc_p, scale_p)
        )
        return value, lambda dk: tuple(g for d in pull(dk) for g in d)

    scale, width = gen.uniform(0.3, 1, (2, 1)), gen.uniform(0.5, 2, (2, 1, 1))
    gradcheck(rule, a, scale, b[0], np.array(0.8), step=1e-3, directions=1)
    gradcheck(rule, a[0], np.array(0.8), b, width, step=1e-3, directions=1)
    q, p = WrappedNormal(manifold, a, np.array(0.5)), WrappedNormal(manifold, b[0], np.array(1.0))
    value, pull = kl_divergence_vjp(q, p)
    assert np.array_equal(value, kl_divergence(q, p))
    assert pull(None) == ((None, None), (None, None))
    single = [WrappedNormal(manifold, d.loc.astype(np.float32), d.scale.astype(np.float32)) for d in (q, p)]
    narrow, pull = kl_divergence_vjp(*single)
    assert narrow.dtype == np.float32
    assert {g.dtype for d in pull(np.ones(2, np.float32)) for g in d} == {np.dtype(np.float32)}
    np.testing.assert_allclose(narrow, value, rtol=1e-5)
    assert kl_divergence(WrappedNormal(manifold, a[:0], np.array(0.5)), p).shape == (0,)


def test_pullback_of_the_curvature():
    start = Stereographic(3, 0.4)
    loc, other = start.random_point((2,), rng=1), start.random_point(rng=2)

    def divergence(k, loc, scale, other, width):
        space = Stereographic(3, k)
        value, pull = kl_divergence_vjp(WrappedNormal(space, loc, scale), WrappedNormal(space, other, width))
        return value, lambda dk: (pull(dk)[0][0][0], *pull(dk)[0][1:], *pull(dk)[1][1:])

    gradcheck(divergence, np.array(0.4), loc, np.array(0.9), other, np.array(1.3), step=1e-3, directions=1)
    q, p = WrappedNormal(start, loc, np.array(0.5)), WrappedNormal(start, other, np.array(0.5))
    assert kl_divergence_vjp(q, p)[1](None) == (((None,), None, None), ((None,), None, None))


def test_limits():
    """Zero on itself, finite with a flat pullback at the antipode, and flat where the laws are narrow."""
    gen = np.random.default_rng(0)
    for n in (2, 3, 12):
        manifold = Sphere(n)
        loc, scale = manifold.random_point((6,), rng=gen), 10.0 ** np.linspace(-3, 1.5, 6)[:, None]
        q = WrappedNormal(manifold, loc, scale)
        np.testing.assert_allclose(kl_divergence(q, q), 0, atol=1e-11)
        assert np.all(kl_divergence(q, WrappedNormal(manifold, loc[::-1].copy(), np.array(0.5))) > 0)
        far, pull = kl_divergence_vjp(q, WrappedNormal(manifold, -loc, np.array(0.5)))
        assert np.all(np.isfinite(far))
        assert all(np.all(np.isfinite(g)) for d in pull(np.ones(6)) for g in d)
    loc = 1e-3 * gen.standard_normal((2, 3))
    flat = [WrappedNormal(Euclidean(3), x, np.array(s)) for x, s in zip(loc, (2e-3, 1e-3), strict=True)]
    # The point of a stereographic chart at curvature 0 has distances twice those of its coordinates.
    bent = [WrappedNormal(Stereographic(3, 1e-3), d.loc / 2, d.scale) for d in flat]
    assert float(kl_divergence(*bent)) == pytest.approx(float(kl_divergence(*flat)), rel=1e-7, abs=0.0)


def test_pairs_without_a_rule():
    rotations = SpecialOrthogonal(3)
    q = WrappedNormal(rotations, rotations.origin(), np.array(0.5))
    assert kl_method(q, q) is None
    with pytest.raises(NotImplementedError, match="kl_estimate"):
        kl_divergence(q, q)
    sphere = Sphere(2)
    full = WrappedNormal(sphere, sphere.origin(), 0.3 * np.eye(2), full=True)
    assert kl_method(full, WrappedNormal(sphere, sphere.origin(), np.array(0.5))) is None
