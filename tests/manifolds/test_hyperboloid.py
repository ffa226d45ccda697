"""Hyperbolic space against 80-digit values, from the origin to radius 25, and at its limits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from geomlat.manifolds import Hyperboloid
from geomlat.manifolds.hyperboloid_plane import MANY

mpmath.mp.dps = 80
CURVATURES = [-1e-3, -1.0, -10.0]
RADII = [0.0, 1.0, 4.0, 8.0, 12.0, 18.0, 25.0]
DISTANCES = [1e-12, 1e-8, 1e-4, 1e-2, 1.0, 10.0, 30.0]


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


KINDS = pytest.mark.parametrize("kind", ["kernel", "generic"], indirect=True)


@pytest.fixture
def kind(request, monkeypatch):
    """What a test puts its arrays through: in its second run the kernels are left out."""
    if request.param == "generic":
        monkeypatch.setattr("geomlat.manifolds.hyperboloid.compiled", lambda *_: False)
        return lambda a: a.view(Plain)
    return np.asarray


class Exact:
    """The textbook formulas on space parts, in 80 digits."""

    def __init__(self, m):
        self.radius = mpmath.mpf(m.radius)

    def height(self, a):
        return mpmath.sqrt(self.radius**2 + dot(a, a))

    def norm(self, a, u):
        return mpmath.sqrt(dot(u, u) - dot(a, u) ** 2 / self.height(a) ** 2)

    def cosh(self, a, b):
        return (self.height(a) * self.height(b) - dot(a, b)) / self.radius**2

    def dist(self, a, b):
        return self.radius * mpmath.acosh(self.cosh(a, b))

    def log(self, a, b):
        d, c = self.dist(a, b) / self.radius, self.cosh(a, b)
        return [d / mpmath.sinh(d) * (q - c * p) for p, q in zip(a, b, strict=True)]

    def exp(self, a, u):
        r = self.norm(a, u) / self.radius
        return [mpmath.cosh(r) * p + mpmath.sinh(r) / r * q for p, q in zip(a, u, strict=True)]

    def transport(self, a, b, u):
        k = dot(b, u) - self.height(b) * dot(a, u) / self.height(a)
        k /= self.radius**2 * (1 + self.cosh(a, b))
        return [t + k * (p + q) for p, q, t in zip(a, b, u, strict=True)]


def dot(a, b):
    return mpmath.fsum(p * q for p, q in zip(a, b, strict=True))


def space(x):
    return [mpmath.mpf(float(t)) for t in np.asarray(x)[..., 1:]]


def minus(a, b):
    return [p - q for p, q in zip(a, b, strict=True)]


def pair(m, radius, distance, seed):
    """Two points ``distance`` apart, one of them at ``radius`` from the origin, both in units of R."""
    o, (c, d) = m.origin(), np.random.default_rng(seed).standard_normal((2, m.n))
    x = m.exp(o, m.from_coordinates(o, radius * m.radius * c / np.linalg.norm(c)))
    y = m.exp(x, m.from_coordinates(x, distance * m.radius * d / np.linalg.norm(d)))
    return (x, y) if seed % 2 else (y, x)


@KINDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_errors_are_those_of_rounded_directions(n, curvature, dtype, kind):
    m, eps, far = Hyperboloid(n, curvature), np.finfo(dtype).eps, 9 if dtype == np.float32 else 60
    exact = Exact(m)
    for seed, (radius, distance) in enumerate((r, d) for r in RADII for d in DISTANCES if r + d < far):
        x, y = (p.astype(dtype) for p in pair(m, radius, distance, seed))
        a, b = space(x), space(y)
        if a == b:
            continue
        size, high = exact.dist(a, b), exact.height(a) / exact.radius
        unit = eps * max(high, exact.height(b) / exact.radius)
        assert abs(float(m.dist(kind(x), kind(y))) - size) <= 4 * unit * size
        u = np.asarray(m.log(kind(x), kind(y)))
        us = space(u)
        assert exact.norm(a, minus(us, exact.log(a, b))) <= 4 * unit * size
        assert abs(float(m.norm(kind(x), kind(u))) - exact.norm(a, us)) <= 4 * unit * size
        moved = space(m.transport(kind(x), kind(y), kind(u)))
        assert exact.norm(b, minus(moved, exact.transport(a, b, us))) <= 8 * unit * size
        if unit < 1e-2:
            gap = minus(space(m.exp(kind(x), kind(u))), exact.exp(a, us))
            grown = exact.radius + high * size * mpmath.exp(size / exact.radius)
            assert mpmath.sqrt(dot(gap, gap)) <= 4 * unit * grown


@KINDS
@pytest.mark.parametrize("curvature", CURVATURES)
def test_small_tangents_at_the_origin_are_not_lost(curvature, kind):
    m = Hyperboloid(3, curvature)
    o = m.origin()
    for r in (1e-300, 1e-160, 1e-20, 1e-9):
        u = m.from_coordinates(o, r * np.array([3.0, 0.0, -4.0]))
        y = np.asarray(m.exp(kind(o), kind(u)))
        np.testing.assert_allclose(y[1:], u[1:], rtol=1e-15)
        np.testing.assert_allclose(m.dist(kind(o), kind(y)), 5 * r, rtol=1e-15)
        np.testing.assert_allclose(m.norm(kind(y), kind(u)), 5 * r, rtol=1e-15)
        np.testing.assert_allclose(m.log(kind(o), kind(y))[1:], u[1:], rtol=1e-15)
        np.testing.assert_allclose(m.log(kind(y), kind(o))[1:], -u[1:], rtol=1e-15)


@KINDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_no_tangent_is_too_long(curvature, dtype, kind):
    m = Hyperboloid(2, curvature)
    x = m.random_point((3,), rng=0).astype(dtype)
    for r in (30.0, 80.0, 100.0, 800.0, 1e30):
        u = m.from_coordinates(x, np.asarray(r * m.radius * np.eye(3, 2), dtype=dtype))
        y = m.exp(kind(x), kind(u))
        assert y.dtype == dtype
        assert np.all(m.contains(y))
        d, far = m.dist(kind(x), y), 0.9 * np.log(np.finfo(dtype).max)
        assert np.all(np.isfinite(d))
        assert np.all(d[:2] > min(0.99 * r, far) * m.radius)
        assert np.all(np.isfinite(m.log(kind(x), y)))
        assert np.all(np.isfinite(m.logdet_exp(kind(x), kind(u))))


@KINDS
@pytest.mark.parametrize("n", [2, 3])
def test_transport_from_the_origin_stretches_what_points_to_the_end(n, kind):
    """``u + (e . u) (y_0 / R - 1) e`` for the direction e of y, however far that is."""
    m, e, u = Hyperboloid(n, -4.0), np.array([0.6, -0.8, 0.0])[:n], np.array([0.3, 0.7, -2.0])[:n]
    for size in (1e-200, 1e-9, 3.0, 1e30, 1e99, 1e120, 1e160):
        y = m.project(np.concatenate([[0], size * e]))
        v = m.transport(kind(m.origin()), kind(y), kind(np.concatenate([[0], u])))
        wanted = u + (e @ u) * (2 * y[0] - 1) * e
        np.testing.assert_allclose(np.asarray(v), np.concatenate([[(y[1:] / y[0]) @ wanted], wanted]), rtol=1e-14)


@KINDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_longest_tangents_outwards_end_just_below_the_largest_float(dtype, kind):
    m, gen, top = Hyperboloid(3, -1e-3), np.random.default_rng(8), float(np.finfo(dtype).max)
    unit = m.project(gen.standard_normal((200, 4)))[:, 1:]
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    size = 10.0 ** gen.uniform(-3, 0.8 * np.log10(top), (200, 1))
    x = m.project(np.concatenate([0 * size, size * unit], axis=-1).astype(dtype))
    u = 1e3 * np.concatenate([size, x[:, :1] * unit], axis=-1).astype(dtype)
    y = np.asarray(m.exp(kind(x), kind(u)))
    assert np.all((y[:, 0] > 0.1 * top) & (y[:, 0] < 0.5 * top))


@KINDS
@pytest.mark.parametrize("n", [2, 3, 5])
def test_rows_of_which_squares_vanish_or_overflow(n, kind):
    """Beside each other, beside the origin, and so far out that only directions are left."""
    m, rest = Hyperboloid(n, -4.0), [0.0] * (n - 2)
    a, b, c = (m.project(np.array([0.0, p, q, *rest])) for p, q in ((3e-200, -1e-200), (1e-200, 2e-200), (-0.7, 0.2)))
    t = np.sqrt(13) * 1e-200
    assert m.dist(kind(a), kind(b)) == pytest.approx(t, rel=4e-15, abs=0.0)
    np.testing.assert_allclose(np.asarray(m.log(kind(a), kind(b)))[1:3], [-2e-200, 3e-200], rtol=4e-15)
    np.testing.assert_allclose(np.asarray(m.exp(kind(a), kind(b - a)))[1:3], [1e-200, 2e-200], rtol=4e-15)
    for p in (a, m.origin()):
        for first, last in ((p, c), (c, p)):
            assert m.dist(kind(first), kind(last)) == pytest.approx(
                0.5 * np.arcsinh(2 * np.hypot(0.7, 0.2)), rel=4e-15, abs=0.0
            )
    w = np.array([0.3, -0.4, 2.0, *rest])
    np.testing.assert_allclose(m.transport(kind(a), kind(b), kind(w))[1:], w[1:], rtol=4e-15)
    if n > 2:
        d = c + 1e-200 * np.array([0.0, 0.0, 0.0, 3.0, *[-4.0] * (n > 3), *[0.0] * (n - 4)])[: n + 1]
        size = 5e-200 if n > 3 else 3e-200
        assert m.dist(kind(c), kind(d)) == pytest.approx(size, rel=4e-15, abs=0.0)
        np.testing.assert_allclose(np.asarray(m.log(kind(c), kind(d)))[1:], (d - c)[1:], rtol=4e-15)
    p, q = (m.project(1e150 * np.array([0.0, *v, *rest])) for v in ((3.0, 4.0), (12.0, -5.0)))
    axis = m.project(2.0**500 * np.array([0.0, 0.0, -1.0, *rest]))  # other directions are lost to their rounding
    assert m.dist(kind(axis), kind(2 * axis)) == pytest.approx(0.5 * np.log(2), rel=4e-15, abs=0.0)
    far = 0.5 * (np.log(8 * (65 - 16)) + 300 * np.log(10))
    assert m.dist(kind(p), kind(q)) == pytest.approx(far, rel=4e-15, abs=0.0)
    np.testing.assert_allclose(m.pairwise_dist(kind(p[None]), kind(q[None])), far, rtol=4e-15)
    out = m.project(2.0**400 * np.array([0.0, 0.0, -1.0, *rest]))
    for w, r in (([0.6, 0.0], 0.6), ([0.0, 2.0**398], 0.125), ([0.0, 0.0], 0.0)):
        us = np.array([(w @ out[1:3]) / out[0], *w, *rest])
        wanted = np.cosh(2 * r) * out[1:3] + (np.sinh(2 * r) / (2 * r) if r else 1.0) * np.array(w)
        np.testing.assert_allclose(np.asarray(m.exp(kind(out), kind(us)))[1:3], wanted, rtol=4e-15)


def test_pulls_at_equal_points():
    m = Hyperboloid(2, -4.0)
    x, g = m.random_point(rng=0), np.array([0.3, -1.0, 2.0])
    dx, dy = m.dist_vjp(x, x)[1](np.asarray(1.0))
    np.testing.assert_array_equal([dx, dy], 0)
    dx, dy = m.log_vjp(x, x)[1](g)
    np.testing.assert_allclose(dx, -dy, atol=1e-15)
    np.testing.assert_allclose(dy, m.project_vjp(x)[1](g)[0], atol=1e-15)
    dx, du = m.exp_vjp(x, 0 * x)[1](g)
    np.testing.assert_allclose(dx, du, atol=1e-15)


def test_far_points_have_a_mean():
    m = Hyperboloid(3, -0.5)
    x, y = m.exp(m.origin((2,)), 6 * m.random_tangent(m.origin((2,)), rng=1))
    middle, status = m.mean(np.stack([x, y]))
    assert status.converged
    np.testing.assert_allclose(m.dist(middle, [x, y]), 0.5 * m.dist(x, y), rtol=1e-10)
    third, _ = m.mean(np.stack([x, y]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(m.dist(third, [x, y]), np.array([2, 1]) / 3 * m.dist(x, y), rtol=1e-10)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="n >= 1, got 0"):
        Hyperboloid(0)
    for curvature in (0.0, 1.0, -np.inf, np.nan):
        with pytest.raises(ValueError, match="curvature < 0, got"):
            Hyperboloid(2, curvature)
    with pytest.raises(ValueError, match=r"Hyperboloid\(n=2, curvature=-1.0\) takes arrays of shape \(..., 3\)"):
        Hyperboloid(2).exp(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"coordinates of shape \(..., 2\), got \(3,\)"):
        Hyperboloid(2).from_coordinates(np.ones(3), np.ones(3))


def test_contains_reads_the_time_entry():
    m = Hyperboloid(2, -2.0)
    x = m.random_point(rng=3)
    assert m.contains(x)
    assert not m.contains(x * np.array([-1.0, 1.0, 1.0]))
    assert not m.contains(x + np.array([1e-3, 0.0, 0.0]))
    assert m.contains(x + np.array([1e-3, 0.0, 0.0]), atol=1e-2)
    assert not m.contains(x + np.array([np.nan, 0.0, 0.0]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_kernels_equal_the_array_expressions(n, dtype):
    m, gen = Hyperboloid(n, -0.3), np.random.default_rng(n)
    scale = 10.0 ** gen.uniform(-6, 2, (3, 200, 1))
    scale[:, :20] = gen.choice([0.0, 1e-30, 1.0, 1e4], (3, 20, 1))
    x, y = (m.project(np.pad(s * gen.standard_normal((200, n)), ((0, 0), (1, 0))).astype(dtype)) for s in scale[:2])
    y[20:25] = x[20:25]
    u = m.from_coordinates(x, (np.minimum(scale[2], 1) * gen.standard_normal((200, n))).astype(dtype))
    eps = np.finfo(dtype).eps
    high, wide = (x[:, 0] / m.radius).astype(float), (y[:, 0] / m.radius + np.exp(m.norm(x, u) / m.radius))
    for name, args in {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u)}.items():
        fast, plain = getattr(m, name)(*args), np.asarray(getattr(m, name)(*(a.view(Plain) for a in args)))
        assert fast.dtype == plain.dtype == dtype
        gap = np.abs(fast.astype(float) - plain).reshape(200, -1).max(-1)
        size = np.abs(plain).reshape(200, -1).max(-1).astype(float)
        if name != "dist":
            size = size + np.abs(u).max(-1)
        assert np.all(gap <= 32 * eps * high * wide * size)
    table = m.pairwise_dist(x, y)
    np.testing.assert_allclose(table[range(200), range(200)], m.dist(x, y), rtol=4 * eps)


PULLS = {
    "exp": (2, 0),
    "log": (1, 0),
    "norm": (2, 1),
    "logdet_exp": (2, 1),
    "to_coordinates": (2, 2),
    "from_coordinates": (3, 0),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_pulls_by_kernels_equal_the_array_expressions(n, dtype, monkeypatch):
    m, gen = Hyperboloid(n, -0.3), np.random.default_rng(n)
    scale = 10.0 ** gen.uniform(-6, 0.5, (3, 300, 1))
    scale[:, :30] = gen.choice([0.0, 1e-30, 1.0, 3.0], (3, 30, 1))
    x, y = (m.project(np.pad(s * gen.standard_normal((300, n)), ((0, 0), (1, 0))).astype(dtype)) for s in scale[:2])
    y[30:35] = x[30:35]
    c = (np.minimum(scale[2], 1) * gen.standard_normal((300, n))).astype(dtype)
    given = (x, y, m.from_coordinates(x, c), c)
    d = gen.standard_normal((300, n + 1)).astype(dtype)
    cotangents = (d, d[:, 0], d[:, 1:])
    for name, (second, out) in PULLS.items():
        f, args = getattr(m, name + "_vjp"), (x, given[second])
        value, pull = f(*args)
        size = np.abs(cotangents[out]).reshape(300, -1).max(-1).astype(float)
        fast = pull(cotangents[out])
        with monkeypatch.context() as patch:
            patch.setattr("geomlat.manifolds.hyperboloid.compiled", lambda *_: False)
            plain, pull = f(*args)
            slow = pull(cotangents[out])
        for got, wanted in zip((value, *fast), (plain, *slow), strict=True):
            assert type(got) is np.ndarray
            assert got.dtype == dtype
            assert got.shape == wanted.shape
            gap, wanted = (a.reshape(300, -1).max(-1) for a in (np.abs(got.astype(float) - wanted), np.abs(wanted)))
            assert np.all(gap <= 16 * np.finfo(dtype).eps * (wanted + size))


@KINDS
@pytest.mark.parametrize("name", ["exp", "log", "norm", "logdet_exp"])
def test_cotangents_of_a_value_used_in_many_rows_are_summed(name, kind):
    m, gen = Hyperboloid(2, -0.3), np.random.default_rng(5)
    x, u = m.project(gen.standard_normal(3)), gen.standard_normal(2)
    second, _ = PULLS[name]
    u = m.from_coordinates(x, u)
    y, pull = getattr(m, name + "_vjp")(kind(x), kind((x, m.exp(x, u), u)[second]))
    dy = gen.standard_normal((4, *np.shape(y)))
    for many, one in zip(pull(kind(dy)), pull(kind(dy.sum(0))), strict=True):
        assert many.shape == one.shape
        np.testing.assert_allclose(np.asarray(many), np.asarray(one), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PULLS)
def test_one_cotangent_for_many_values_is_that_of_each(name):
    m, gen, (second, out) = Hyperboloid(2, -0.3), np.random.default_rng(6), PULLS[name]
    x, c = m.project(gen.standard_normal((4, 3))), gen.standard_normal((4, 2))
    u = m.from_coordinates(x, c)
    _, pull = getattr(m, name + "_vjp")(x, (x, m.exp(x, u), u, c)[second])
    dy = np.asarray((gen.standard_normal(3), gen.standard_normal(), gen.standard_normal(2))[out])
    for got, wanted in zip(pull(dy), pull(np.broadcast_to(dy, (4, *dy.shape)).copy()), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-14)


def test_pulls_by_kernels_stay_finite_where_squares_do_not():
    m, d = Hyperboloid(3), np.array([0.7, -1.0, 0.4, 2.0])
    for size in (0.0, 1e-300, 1e-170, 1e-20, 1e20, 1e120, 1e160):
        x, c = m.project(size * np.array([0.0, 3.0, 0.0, -4.0])), np.array([0.3, -1.0, 1e-200])
        u = m.from_coordinates(x, c)
        for name, arg, dy in (
            ("exp", u, d),
            ("norm", u, d[0]),
            ("logdet_exp", u, d[0]),
            ("to_coordinates", u, d[1:]),
            ("log", m.exp(x, u), d),
        ):
            kernels = getattr(m, name + "_vjp")(x, arg)[1](np.asarray(dy))
            assert all(np.all(np.isfinite(got)) for got in kernels)


def test_kernels_reach_from_the_smallest_to_the_largest_floats():
    m = Hyperboloid(3)
    sizes = [0.0, 1e-300, 1e-160, 1e-20, 1.0, 1e20, 1e120, 1e160, 1e300]
    for k, p in enumerate(sizes):
        for q in sizes[: k + 1]:
            x, y = (m.project(s * np.array([0.0, 3.0, 0.0, -4.0])) for s in (p, q))
            far = float(mpmath.asinh(5 * mpmath.mpf(p)) - mpmath.asinh(5 * mpmath.mpf(q)))
            for kind in (np.asarray, lambda a: a.view(Plain)):
                if q > 1 and p != q:  # the rounding of their directions decides the distance
                    assert np.isfinite(m.dist(kind(x), kind(y)))
                    continue
                np.testing.assert_allclose(m.dist(kind(x), kind(y)), far, rtol=1e-14)
                u = np.asarray(m.log(kind(y), kind(x)))
                np.testing.assert_allclose(m.norm(kind(y), kind(u)), far, rtol=1e-14)
                end = np.asarray(m.exp(kind(y), kind(u)))
                np.testing.assert_allclose(end[1:], x[1:], rtol=1e-12 * max(far, 1))
                assert np.all(np.isfinite(m.transport(kind(x), kind(y), kind(np.asarray(m.log(kind(x), kind(y)))))))


def test_out_takes_the_result():
    m = Hyperboloid(2)
    x, y = m.random_point((4,), rng=0), m.random_point((4,), rng=1)
    u = m.log(x, y)
    calls = {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u), "pairwise_dist": (x, y)}
    for name, args in calls.items():
        f = getattr(m, name)
        out = np.full_like(f(*args), np.nan)
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(out, f(*args))
        with pytest.raises(ValueError, match="out must be"):
            f(*args, out=np.empty((9, 9)))


@pytest.mark.parametrize("dim", [2, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_many_rows_equal_few(curvature, dtype, dim):
    m, eps, grid = Hyperboloid(dim, curvature), np.finfo(dtype).eps, [(r, d) for r in RADII for d in DISTANCES]
    far = 9 if dtype == np.float32 else 40
    both = [pair(m, r, d, seed) for seed in range(8) for r, d in grid if r + d < far] * 2
    x, y = (np.asarray(p, dtype=dtype) for p in zip(*both, strict=True))
    n = len(x)
    assert n > MANY
    c = m.radius * np.random.default_rng(0).standard_normal((n, dim))
    u = m.from_coordinates(x, c.astype(dtype))
    ends = (1e-30, 1e18) if dtype == np.float32 else (1e-160, 1e150)
    tiny, huge = (m.project(np.asarray([0.0, s, -s, 0.0, 0.0][: dim + 1], dtype=dtype)) for s in ends)
    x[0], y[1], x[2], y[3], y[4], u[5] = m.origin(), m.origin(), tiny, tiny, x[4], 0
    x[6], x[7], y[7] = huge, m.origin(), tiny
    u[8] = 100 * u[8] / m.norm(x[8], u[8]) * m.radius
    wide = eps * np.maximum(x[:, 0], y[:, 0]).astype(float) / m.radius
    few = [slice(k, k + MANY // 2) for k in range(0, n, MANY // 2)]
    for name, args in {"dist": (x, y), "log": (x, y), "transport": (x, y, u), "exp": (x, u)}.items():
        f = getattr(m, name)
        for a in args:
            a.flags.writeable = False
        got, expected = f(*args), np.concatenate([f(*(a[k] for a in args)) for k in few])
        assert got.dtype == dtype
        gap = np.abs(got.astype(float) - expected).reshape(n, -1).max(-1)
        size = np.abs(expected).reshape(n, -1).max(-1).astype(float)
        high = x[:, 0] if name == "log" else y[:, 0]
        with np.errstate(over="ignore"):
            limit = 8 * wide * size * (1 if name == "dist" else high / m.radius)
            if name == "exp":
                limit = np.where(np.arange(n) == 8, 1e-3, 64 * wide * (1 + m.norm(x, u) / m.radius)) * size
        good = gap <= limit
        assert np.all(good[np.arange(n) != 6]), (name, np.flatnonzero(~good))
        assert np.all(np.isfinite(got))
        for a in args:
            a.flags.writeable = True
        if name == "dist":
            out = np.full(n, np.nan, dtype=dtype)
            assert f(*args, out=out) is out
            np.testing.assert_array_equal(out, got)
        out = x.copy() if name != "dist" else None
        if out is not None:
            np.testing.assert_allclose(f(out, *args[1:], out=out), expected, rtol=0, atol=0)
    table = m.pairwise_dist(x, y[:50])
    single = m.dist(x[:, None, :], y[:50])
    assert np.all(np.abs(table - single) <= 8 * eps * np.maximum(x[:, :1], y[:50, 0]) / m.radius * single)
