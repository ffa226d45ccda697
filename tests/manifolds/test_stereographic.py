"""Stereographic coordinates against 60-digit gyrovector formulas, from K = -10 through 0 to 10."""

from __future__ import annotations

from functools import partial

import mpmath
import numpy as np
import pytest

from geomlat.distributions import WrappedNormal
from geomlat.grad import gradcheck
from geomlat.manifolds import PoincareBall, Stereographic
from geomlat.manifolds.curved import arc_rest

mpmath.mp.dps = 60
CURVATURES = [-10.0, -1.0, -1e-3, -1e-8, -1e-12, 0.0, 1e-12, 1e-8, 1e-3, 1.0, 10.0]


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


KINDS = pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])


def precise(x):
    return mpmath.matrix([mpmath.mpf(float(t)) for t in np.atleast_1d(x)])


def inner(a, b):
    return mpmath.fsum(p * q for p, q in zip(a, b, strict=True))


def moebius(k, x, y):
    """Ungar (2008), in the sign convention of curvature."""
    xy, xx, yy = inner(x, y), inner(x, x), inner(y, y)
    top = x * (1 - 2 * k * xy - k * yy) + y * (1 + k * xx)
    return top / (1 - 2 * k * xy + k * k * xx * yy)


def tan_k(k, r):
    root = mpmath.sqrt(abs(k))
    return r if k == 0 else (mpmath.tan(root * r) if k > 0 else mpmath.tanh(root * r)) / root


def arctan_k(k, r):
    root = mpmath.sqrt(abs(k))
    return r if k == 0 else (mpmath.atan(root * r) if k > 0 else mpmath.atanh(root * r)) / root


def exact_exp(k, x, u):
    r = mpmath.norm(u)
    return moebius(k, x, u * (tan_k(k, r / (1 + k * inner(x, x))) / r)) if r else x


def exact_log(k, x, y):
    v = moebius(k, -x, y)
    r = mpmath.norm(v)
    return v * ((1 + k * inner(x, x)) * arctan_k(k, r) / r) if r else v


def exact_dist(k, x, y):
    return 2 * arctan_k(k, mpmath.norm(moebius(k, -x, y)))


def exact_transport(k, x, y, u):
    def gyr(a, b, c):
        return moebius(k, -moebius(k, a, b), moebius(k, a, moebius(k, b, c)))

    small = u / (mpmath.norm(u) * 1000)
    return gyr(y, -x, small) * (1000 * mpmath.norm(u) * (1 + k * inner(y, y)) / (1 + k * inner(x, x)))


def error(got, expected):
    return float(mpmath.norm(precise(got) - expected) / max(mpmath.norm(expected), mpmath.mpf("1e-400")))


def pair(m, reach, distance, seed):
    """A point at a distance from the origin and a tangent of a given length, in units of the curvature radius."""
    gen = np.random.default_rng(seed)
    unit = 1 / np.sqrt(abs(float(m.curvature)) + 1e-2)
    v, w = gen.standard_normal((2, m.n))
    x = m.exp(np.zeros(m.n), 0.5 * unit * reach * v / np.linalg.norm(v))
    c = unit * distance * w / np.linalg.norm(w)
    return x, m.from_coordinates(x, c)


@KINDS
@pytest.mark.parametrize("k", CURVATURES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_formulas_against_mpmath(n, k, kind):
    m = Stereographic(n, k)
    for seed, (reach, distance) in enumerate(
        [(0.0, 0.3), (0.5, 1e-12), (0.5, 1.0), (1.0, 1e-6), (1.5, 2.0), (2.0, 2.5)]
    ):
        x, u = pair(m, reach, distance, seed)
        a, v, kk = precise(x), precise(u), mpmath.mpf(k)
        y = np.asarray(m.exp(kind(x), kind(u)))
        assert error(y - x, exact_exp(kk, a, v) - a) < 2e-15 + 4e-16 * np.linalg.norm(x) / np.linalg.norm(y - x)
        b = precise(y)
        assert error(m.log(kind(x), kind(y)), exact_log(kk, a, b)) < 4e-15
        assert error(m.dist(kind(x), kind(y)), precise([exact_dist(kk, a, b)])) < 2e-15
        assert error(m.transport(kind(x), kind(y), kind(u)), exact_transport(kk, a, b, v)) < 1e-14


@KINDS
@pytest.mark.parametrize("reach", [0.0, 2.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("distance", [1e-12, 1e-4, 1.0, 10.0, 30.0])
def test_near_the_border_the_error_is_that_of_a_rounded_point(reach, distance, kind):
    m = PoincareBall(3)
    for seed in range(3):
        x, u = pair(m, reach, distance, seed)
        y = np.asarray(m.exp(kind(x), kind(u)))
        true = exact_dist(mpmath.mpf(-1), precise(x), precise(y))
        grain = 1 / min(1 - x @ x, 1 - y @ y)
        assert error(m.dist(kind(x), kind(y)), precise([true])) < 4e-16 * (2 + grain / max(1, float(true)))
        if true > 0 and reach + distance < 32:
            a, b, v, k = precise(x), precise(y), precise(u), mpmath.mpf(-1)
            end = exact_exp(k, a, v)
            assert float(mpmath.norm(b - end)) < 4e-16 * (1 + grain * float(1 - inner(end, end)))
            assert error(m.log(kind(x), kind(y)), exact_log(k, a, b)) < 4e-16 * (2 + grain)
            assert error(m.transport(kind(x), kind(y), kind(u)), exact_transport(k, a, b, v)) < 4e-16 * (2 + grain)


@KINDS
@pytest.mark.parametrize("n", [2, 3])
def test_rows_of_which_squares_vanish_or_overflow(n, kind):
    zero, rest = np.zeros(n), [0.0] * (n - 2)
    a, b = np.array([3e-200, -1e-200, *rest]), np.array([1e-200, 2e-200, *rest])
    far = 2.0**500 * np.array([3.0, -4.0, *rest])
    for k in (-1.3, 0.0, 0.9):
        m = Stereographic(n, k)
        assert m.dist(kind(a), kind(b)) == pytest.approx(2e-200 * np.sqrt(13), rel=4e-15, abs=0.0)
        np.testing.assert_allclose(m.log(kind(a), kind(b)), b - a, rtol=4e-15)
        np.testing.assert_allclose(m.exp(kind(a), kind(b - a)), b, rtol=4e-15)
        c, d = np.array([0.3, *rest, 0.0]), np.array([0.3, *rest, 1e-200])
        assert m.dist(kind(c), kind(d)) == pytest.approx(2e-200 / (1 + 0.09 * k), rel=4e-15, abs=0.0)
        y = np.asarray(m.exp(kind(zero), kind(far)))
        size = {-1.3: (1 - 16 * 2.0**-52) / np.sqrt(1.3), 0.0: 5 * 2.0**500}.get(k) or np.nan
        if k <= 0:
            np.testing.assert_allclose(y, size * far / (5 * 2.0**500), rtol=1e-15)
        y = np.asarray(m.exp(kind(c), kind(far)))
        if k <= 0:
            np.testing.assert_allclose(
                y, [float(t) for t in exact_exp(mpmath.mpf(k), precise(c), precise(far))], rtol=1e-14
            )
        else:
            back = m.log(c, y)
            np.testing.assert_allclose(back[0] * -4.0 - back[1] * 3.0, 0, atol=1e-14)
    y = np.asarray(Stereographic(n, 1.0).exp(kind(zero), kind(far)))
    np.testing.assert_allclose(y, np.tan(5 * 2.0**500) * np.array([0.6, -0.8, *rest]), rtol=4e-15)


def test_the_border_moves_with_the_curvature():
    """``exp(0, u) = u / (|u| sqrt(-K))`` for the longest tangents."""
    m, dy = Stereographic(2, np.asarray(-1.3)), np.array([2.0, -0.5])
    y, pull = m.exp_vjp(np.zeros(2), np.array([300.0, -400.0]))
    np.testing.assert_allclose(y, np.array([0.6, -0.8]) / np.sqrt(1.3), rtol=1e-14)
    np.testing.assert_allclose(pull(dy)[2], dy @ y / 2.6, rtol=1e-13)


@pytest.mark.parametrize("k", [-0.8, 0.9])
def test_the_distance_of_close_points_is_differentiated_by_the_curvature(k):
    """``2 |y - x| / A``: of a distance of 1e-12 too the derivative has all its digits."""
    m = Stereographic(2, np.asarray(k))
    x = np.array([0.3, -0.6])
    y = x + np.array([1e-12, 2e-12])
    a = 1 + k * (x @ x)
    dk = m.dist_vjp(x, y)[1](np.asarray(1.0))[2]
    assert float(dk) == pytest.approx(-2 * np.linalg.norm(y - x) * (x @ x) / a**2, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("k", [-3.0, -0.02, 0.02, 3.0])
def test_the_distance_is_differentiated_by_the_curvature_from_close_points_to_the_cut_locus(k):
    m, unit = Stereographic(2, np.asarray(k)), 1 / np.sqrt(abs(k))
    for size in (1e-5, 0.3):
        x = size * unit * np.array([0.6, 0.8])
        for length in (1e-9, 1e-3, 0.5, 2.0, *([np.pi - 1e-3, np.pi - 1e-7] if k > 0 else [])):
            u = length * unit * np.array([1.0, -0.2])
            y = m.exp(x, u * (length * unit / m.norm(x, u)))
            dk = m.dist_vjp(x, y)[1](np.asarray(1.0))[2]
            exact = mpmath.diff(partial(exact_dist, x=precise(x), y=precise(y)), k)
            assert float(dk) == pytest.approx(float(exact), rel=4e-15 + 2e-16 / abs(np.pi - length), abs=0.0)


def test_the_rest_of_an_arc_against_mpmath():
    for k in (-1.0, 1.0):
        for t in (1e-3, *np.linspace(0.02, 0.74, 37)):
            arc = (mpmath.atan if k > 0 else mpmath.atanh)(mpmath.mpf(t)) / mpmath.mpf(t)
            got = arc_rest(np.asarray(k), np.asarray(t), np.asarray(float(arc)))
            assert float(got) == pytest.approx(float((1 - arc) / (2 * k * mpmath.mpf(t) ** 2)), rel=2e-15, abs=0.0)


@KINDS
@pytest.mark.parametrize("k", [0.7, 1e-4, 1e4])
@pytest.mark.parametrize("gap", [1e-1, 1e-4, 1e-8, 1e-12, 1e-15])
def test_close_to_the_cut_locus_only_the_direction_is_lost(gap, k, kind):
    m = Stereographic(3, k)
    for seed in range(4):
        x, u = pair(m, 1.0, 1.0, seed)
        y = np.asarray(m.exp(x, u * (((np.pi - gap) / np.sqrt(k)) / m.norm(x, u))))
        a, b, kk = precise(x), precise(y), mpmath.mpf(k)
        assert error(m.dist(kind(x), kind(y)), precise([exact_dist(kk, a, b)])) < 1e-15
        assert error(m.log(kind(x), kind(y)), exact_log(kk, a, b)) < 1e-15 / min(gap, 1)
        # What is a length is not lost, whichever of the points is the shorter.
        for p, q in ((x, y), (y, x)):
            v = m.log(kind(p), kind(q))
            assert m.norm(p, np.asarray(v)) == pytest.approx(m.dist(p, q), rel=1e-15, abs=0.0)
            back = m.transport(kind(q), kind(p), m.transport(kind(p), kind(q), kind(v)))
            np.testing.assert_allclose(back, v, rtol=1e-14, atol=1e-15 * np.max(np.abs(v)))


@KINDS
@pytest.mark.parametrize("k", [0.7, 10.0])
@pytest.mark.parametrize("gap", [1e-3, 1e-12, 1e-15])
def test_transport_carries_the_smallest_tangents(gap, k, kind):
    """Close to the cut locus, where the product of a tangent with what is left of a point is subnormal."""
    m = Stereographic(3, k)
    x = m.random_point((50,), rng=0)
    u, v = m.random_tangent(x, rng=1), m.random_tangent(x, rng=2)
    y = m.exp(x, u * ((m.injectivity_radius - gap) / m.norm(x, u))[:, None])
    small, plain = (np.asarray(m.transport(kind(x), kind(y), kind(v * s))) for s in (2.0**-990, 1.0))
    np.testing.assert_allclose(small * 2.0**990, plain, rtol=0, atol=1e-14 * np.max(np.abs(plain)))


@KINDS
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_cut_locus_has_the_geodesic_through_the_origin(n, kind):
    m = Stereographic(n, 1.0)
    x = np.eye(n)[0] * 2.0
    y = -x / 4
    u = np.asarray(m.log(kind(x), kind(y)))
    assert m.dist(kind(x), kind(y)) == np.pi
    np.testing.assert_allclose(m.norm(x, u), np.pi, rtol=1e-15)
    np.testing.assert_allclose(u / np.linalg.norm(u), -x / 2, atol=1e-15)
    np.testing.assert_allclose(m.exp(kind(x), kind(u)), y, atol=1e-15)
    moved = np.asarray(m.transport(kind(x), kind(y), kind(u)))
    np.testing.assert_allclose(moved, -np.asarray(m.log(kind(y), kind(x))), atol=2e-15)
    for name, args in {"log": (x, y), "dist": (x, y), "transport": (x, y, u)}.items():
        value, pull = getattr(m, f"{name}_vjp")(*args)
        assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(value)))


def test_pulls_at_equal_points_and_zero_tangents():
    for k in (-1.0, 0.0, 1.0):
        m = Stereographic(2, k)
        x, g = np.array([0.1, -0.3]), np.array([0.3, -1.0])
        np.testing.assert_array_equal(m.dist_vjp(x, x)[1](np.asarray(1.0))[:2], 0)
        dx, dy, dk = m.log_vjp(x, x)[1](g)
        np.testing.assert_allclose(dx, -g, rtol=1e-15)
        np.testing.assert_allclose(dy, g, rtol=1e-15)
        assert dk == 0
        dx, du, dk = m.exp_vjp(x, 0 * x)[1](g)
        np.testing.assert_allclose([dx, du], [g, g], rtol=1e-15)
        assert dk == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_points_end_inside_the_border_and_before_the_pole(dtype):
    for k in (-3.0, 2.0):
        m = Stereographic(3, k)
        x = m.random_point((50,), rng=0).astype(dtype)
        u = m.random_tangent(x, rng=1)
        for far in (1e2, 1e6, 1e18):
            for y in (m.exp(x, far * u), m.exp((x).view(Plain), (far * u).view(Plain)), m.retract(x, far * u)):
                assert np.all(m.contains(y))
                assert np.all(np.isfinite(m.dist(x, np.asarray(y))))
            value, pull = m.exp_vjp(x, far * u)
            assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(value)))
    ball = PoincareBall(2)
    assert not ball.contains(np.array([1.0, 0.0]))
    assert ball.contains(np.array([1.0, 0.0]), atol=1e-12)
    assert not ball.contains(np.array([np.nan, 0.0]))
    np.testing.assert_allclose(ball.dist([0.0, 0.0], ball.project([5.0, 0.0])), np.log(2 / (16 * 2.0**-52)), rtol=1e-3)


@KINDS
def test_tangents_from_border_to_border_end_inside(kind):
    m, gen = Stereographic(3, -3.0), np.random.default_rng(0)
    x = gen.standard_normal((60, 3))
    x *= (1 - 10.0 ** gen.uniform(-15, -12, (60, 1))) / np.sqrt(3) / np.linalg.norm(x, axis=-1, keepdims=True)
    x = m.project(x)
    u = (-1 + 1e-9 * gen.standard_normal(x.shape)) * x
    u *= (10.0 ** gen.uniform(1.3, 2.0, 60) / m.norm(x, u))[:, None]
    y = np.asarray(m.exp(kind(x), kind(u)))
    assert np.all(m.contains(y))


@KINDS
def test_the_pole_is_approached_to_a_rounding(kind):
    """``exp(0, u) = tan(|u|) u / |u|``, of which the rounding of u alone is lost."""
    m, e = Stereographic(2, 1.0), np.array([0.6, -0.8])
    for gap in (1e-2, 1e-4, 1e-7, 1e-8, 1e-10, 1e-12):
        y = np.asarray(m.exp(kind(np.zeros(2)), kind((np.pi / 2 - gap) * e)))
        np.testing.assert_allclose(y, e / np.tan(gap), rtol=1e-15 / gap)
    y = np.asarray(m.exp(kind(np.zeros(2)), kind(np.array([0.0, np.pi / 2]))))
    assert y[0] == 0
    assert 2.0**49 < y[1] <= 2.0**52


@KINDS
@pytest.mark.parametrize("k", [0.25, 1.0, 50.0, 64.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_geodesics_end_at_the_pole_from_everywhere(k, dtype, kind):
    """Also where nothing is left of D and of the step: in front of, behind and beside the origin."""
    eps, root = np.finfo(dtype).eps, np.sqrt(k)
    m, e = Stereographic(2, k), np.stack([np.cos(np.arange(40.0)), np.sin(np.arange(40.0))], axis=-1)
    e[0] = [1.0, 0.0]
    for phi in np.linspace(-1.4, 1.4, 29):
        x = (np.tan(phi) / root * e).astype(dtype)
        u = ((np.pi / 2 - phi) / (root * np.cos(phi) ** 2) * e).astype(dtype)
        for y in (m.exp(kind(x), kind(u)), m.exp(kind(x[0]), kind(u[0]))):
            size = root * np.linalg.norm(np.asarray(y, np.float64), axis=-1)
            assert np.all(size <= (1 + 4 * eps) / eps)
            assert np.all(2 / size < 25 * eps)
        value, pull = m.exp_vjp(kind(x), kind(u))
        assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(value)))


def test_a_tangent_of_float32_that_points_to_the_pole_is_not_rounded_before():
    """Of length pi / 2 less 2e-14, so that the end is nearer to the pole than a rounding of float32."""
    u = np.array([1.2372138500213623, 0.9678341746330261], np.float32)
    far = np.linalg.norm(Stereographic(2, 1.0).exp(np.zeros(2, np.float32), u))
    assert far == pytest.approx(2.0**23, rel=1e-6)


@pytest.mark.parametrize("k", [-1.0, 0.0, 1.0])
def test_a_wrapped_normal_law_is_differentiated_by_the_curvature(k):
    """At K = 1 the scale reaches around the sphere, so that the period of its geodesics counts."""
    z = 0.3 * np.random.default_rng(0).standard_normal((4, 2))

    def vjp(k):
        q = WrappedNormal(Stereographic(2, k), np.array([0.1, 0.2]), np.array([1.5, 2.0]))
        y, pull = q.log_prob_vjp(z)
        return y, lambda dy: pull(dy)[1]

    gradcheck(vjp, np.asarray(k))


def test_the_space_form_of_the_ball_is_known():
    (form,), pull = PoincareBall(3, -2.0).space_forms_vjp()
    assert form == (1, 3, -2.0, np.inf)
    assert pull([(1.0, None)]) is None
    (form,), pull = Stereographic(3, -2.0).space_forms_vjp()
    assert form == (1, 3, -2.0, np.inf)
    assert pull([(3.0, None)]) == (3.0,)
    assert pull([(None, 5.0)]) == (0.0,)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [-2.0, -1e-12, 0.0, 1e-12, 2.0])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_kernels_equal_the_array_expressions(n, k, dtype):
    m, gen = Stereographic(n, k), np.random.default_rng(n)
    x, y = (gen.uniform(-0.6, 0.6, (2, 200, n)) / np.sqrt(n)).astype(dtype)
    u = (0.3 * gen.standard_normal((200, n))).astype(dtype)
    y[:5], u[:3], x[5:8], u[8:10] = x[:5], 0, 0, (1e18 if k <= 0 else 1) * u[8:10]
    for name, args in {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u)}.items():
        fast, plain = getattr(m, name)(*args), getattr(m, name)(*(a.view(Plain) for a in args))
        assert fast.dtype == plain.dtype == dtype
        grain = 1 / np.minimum(1 + k * np.sum(x * x, -1), 1 + k * np.sum(y * y, -1)).clip(1e-2, 1)
        gap = np.abs(fast - plain).reshape(200, -1).max(-1) / grain
        size = 1 + np.abs(np.asarray(plain)).reshape(200, -1).max(-1)
        assert np.max(gap / size) <= 16 * np.finfo(dtype).eps
        # A single row, and a row against many.
        np.testing.assert_array_equal(getattr(m, name)(*(a[7] for a in args)), fast[7])
        np.testing.assert_array_equal(getattr(m, name)(args[0][7], *args[1:])[7], fast[7])
    table = m.pairwise_dist(x[:20], y)
    np.testing.assert_array_equal(table, m.dist(x[:20, None], y))
    np.testing.assert_array_equal(m.pairwise_dist(x[None, :20], y[None])[0], table)


def test_out_takes_the_result():
    m = Stereographic(2, -0.5)
    x, y = m.random_point((4,), rng=0), m.random_point((4,), rng=1)
    u = m.log(x, y)
    calls = {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u), "pairwise_dist": (x, y)}
    for name, args in calls.items():
        f = getattr(m, name)
        out = np.full_like(f(*args), np.nan)
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(out, f(*args))
        plain = np.full_like(out, np.nan)
        assert f(*(a.view(Plain) for a in args), out=plain) is plain
        np.testing.assert_allclose(plain, out, rtol=1e-14)
        with pytest.raises(ValueError, match="out must be"):
            f(*args, out=np.empty((9, 9)))


def test_wrong_parameters_are_named():
    for family in (Stereographic, PoincareBall):
        with pytest.raises(ValueError, match=rf"{family.__name__}\(n\) needs n >= 1, got 0"):
            family(0, -1.0)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="needs a finite curvature"):
            Stereographic(2, bad)
    for bad in (0.0, 1.0, -np.inf, np.nan):
        with pytest.raises(ValueError, match="needs a finite curvature < 0"):
            PoincareBall(2, bad)
    with pytest.raises(ValueError, match=r"needs one number, got an array of shape \(3,\)"):
        Stereographic(2, np.ones(3))
    with pytest.raises(ValueError, match=r"takes arrays of shape \(..., 2\), got \(3,\)"):
        PoincareBall(2).exp(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match=r"coordinates of shape \(..., 2\), got \(3,\)"):
        PoincareBall(2).from_coordinates(np.ones(2), np.ones(3))
