"""The sphere against 60-digit values, at its limits, and its compiled rows against the array expressions."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, Sphere

mpmath.mp.dps = 60
DISTANCES = [1e-300, 1e-150, 1e-16, 1e-12, 1e-8, 1e-4, 0.01, 0.5, 1.5, 2.5, 3.0]
FAR_GAPS = [1e-1, 1e-4, 1e-8, 1e-12, 1e-15]


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


def pair(distance, n, seed):
    """Two rounded points of S^n about a distance apart, the first on an axis if the distance is below rounding."""
    gen = np.random.default_rng(seed)
    x, v = gen.standard_normal((2, n + 1))
    if distance < 1e-15:
        x, v = np.eye(n + 1)[0], np.eye(n + 1)[1]
    x /= np.linalg.norm(x)
    v -= x * (x @ v)
    v /= np.linalg.norm(v)
    y = np.cos(distance) * x + np.sin(distance) * v
    return x, y


def precise(x):
    return mpmath.matrix([mpmath.mpf(float(t)) for t in x])


def inner(a, b):
    return mpmath.fsum(p * q for p, q in zip(a, b, strict=True))


def angle(a, b):
    a, b = a / mpmath.norm(a), b / mpmath.norm(b)
    return 2 * mpmath.atan2(mpmath.norm(a - b), mpmath.norm(a + b))


def log_of(a, b):
    v = b - a * (inner(a, b) / inner(a, a))
    return v * (angle(a, b) / mpmath.norm(v))


def error(got, expected):
    return float(mpmath.norm(precise(np.atleast_1d(got)) - expected) / max(mpmath.norm(expected), mpmath.mpf("1e-400")))


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
def test_distance_and_log_are_exact_from_1e_300_to_the_cut_locus(n, kind):
    s = Sphere(n)
    for seed, distance in enumerate(DISTANCES + [np.pi - g for g in FAR_GAPS]):
        x, y = pair(distance, n, seed)
        a, b = precise(x), precise(y)
        true = angle(a, b)
        assert error(s.dist(kind(x), kind(y)), mpmath.matrix([true])) <= 1e-15
        assert error(s.log(kind(x), kind(y)), log_of(a, b)) <= 1e-15


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
def test_rows_of_which_all_squares_vanish_or_overflow(n, kind):
    """Chords of 1e-200 to and from the antipode, between points whose lengths differ by a rounding."""
    s, x = Sphere(n), np.zeros(n + 1)
    tiny = np.arange(1.0, n + 2) * np.where(np.arange(n + 1) % 2, -1e-200, 1e-200)
    x[0], tiny[0] = 1.0, 0.0
    size, u = np.linalg.norm(tiny * 1e200), np.cos(np.arange(n + 1.0))
    for sign in (1.0, -1.0):
        y = sign * x + tiny
        d = 1e-200 * size if sign > 0 else np.pi
        assert s.dist(kind(x), kind(y)) == pytest.approx(d, rel=1e-15, abs=0.0)
        for length in (1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-53):
            v = s.log(kind(x), kind(sign * length * x + tiny))
            np.testing.assert_allclose(v, d * (tiny * 1e200 / size), rtol=1e-15)
        m = x if sign > 0 else tiny * 1e200 / size
        np.testing.assert_allclose(s.transport(kind(x), kind(y), kind(u)), u - 2 * (m @ u) * m, rtol=1e-14)
    if n > 2:
        far = 2.0**500 * np.array([0.0, 3.0, -4.0, *[0.0] * (n - 2)])
        r = 5 * 2.0**500
        end = math.cos(r) * x + math.sin(r) * (far / r)
        np.testing.assert_allclose(s.exp(kind(x), kind(far)), end, rtol=1e-15)


@pytest.mark.parametrize("n", [3, 6])
@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
def test_off_the_sphere_the_formulas_are_those_that_are_written(n, kind):
    gen, s = np.random.default_rng(5), Sphere(n)
    x, y = 1.05 * s.random_point((6,), rng=gen), 0.98 * s.random_point((6,), rng=gen)
    y[3:] = 0.2 * y[3:] - 0.9 * x[3:]
    square = (np.sum((x - y) * (x + y), axis=-1) / 2) ** 2
    near, far = (np.sqrt(np.sum(a * a, axis=-1) - square) for a in (x - y, x + y))
    np.testing.assert_allclose(s.dist(kind(x), kind(y)), 2 * np.arctan2(near, far), rtol=1e-13)
    v = s.log(kind(x), kind(-x))
    np.testing.assert_allclose(np.linalg.norm(v, axis=-1), np.pi, rtol=1e-14)
    np.testing.assert_allclose(v, s.log(x.view(Plain), -x.view(Plain)), rtol=1e-13)


def test_far_off_the_sphere_the_pull_is_the_derivative_of_the_distance_as_written():
    s = Sphere(2)
    x, y = (
        np.array([[1.4], [0.7]]) * s.random_point((2,), rng=1),
        np.array([[0.8], [1.2]]) * s.random_point((2,), rng=2),
    )
    gradcheck(s.dist_vjp, x, y)


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
def test_the_smallest_chords_between_points_of_several_entries(kind):
    s, x = Sphere(3), np.array([0.6, -0.8, 0.0, 0.0])
    y = x + np.array([0.0, 0.0, 3e-200, -4e-200])
    assert s.dist(kind(x), kind(y)) == pytest.approx(5e-200, rel=1e-15, abs=0.0)
    assert s.dist(kind(x), kind(-y)) == np.pi
    np.testing.assert_allclose(s.log(kind(x), kind(y)), y - x, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "k", "l"), [(2, 4, 5), (3, 4, 5), (8, 4, 5), (9, 66, 3), (4, 2, 130), (20, 66, 5)])
def test_tables_of_few_points_in_one_block_and_in_two(n, k, l, dtype):
    """Points off the sphere where a table takes the formula of the distance, with pairs next to 0 and to pi."""
    s, eps = Sphere(n), float(np.finfo(dtype).eps)
    x, y = s.random_point((k,), rng=0), s.random_point((l,), rng=1)
    y[0], y[1], y[2] = x[0], x[1] + 1e-3 * y[1], -x[0] + 1e-3 * y[2]
    y[1:3] /= np.linalg.norm(y[1:3], axis=-1, keepdims=True)
    if n <= 16:
        x[1], y[-1] = 1.02 * x[1], 0.97 * y[-1]
    x, y = x.astype(dtype), y.astype(dtype)
    a, b = x[:, None].astype(np.longdouble), y.astype(np.longdouble)
    square = (np.sum((a - b) * (a + b), axis=-1) / 2) ** 2
    near, far = (np.sqrt(np.maximum(np.sum(c * c, axis=-1) - square, 0)) for c in (a - b, a + b))
    np.testing.assert_allclose(s.pairwise_dist(x, y), 2 * np.arctan2(near, far), rtol=16 * eps, atol=1e-30)
    tiny = 2.0**-40 if dtype is np.float32 else 2.0**-600
    y = np.eye(n + 1, dtype=dtype)[:2]
    x = y + dtype(tiny) * np.roll(y, 1, axis=1)
    np.testing.assert_allclose(np.diag(s.pairwise_dist(x, y)), tiny, rtol=8 * eps)


def test_a_point_is_within_a_hundred_roundings_of_length_one():
    x = np.array([0.6, 0.0, 0.8])
    np.testing.assert_array_equal(Sphere(2).contains(np.array([1 - 2e-14, 1 + 2e-14])[:, None] * x), True)
    np.testing.assert_array_equal(Sphere(2).contains(np.array([1 - 3e-14, 1 + 3e-14])[:, None] * x), False)
    assert Sphere(2).contains(1.05 * x, atol=0.06)


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
def test_exp_and_transport_against_mpmath(kind):
    s = Sphere(3)
    for seed, r in enumerate([1e-300, 1e-160, 1e-8, 0.1, 1.0, 3.0, 30.0, 1e4]):
        x, y = pair(1.0, 3, seed)
        u = s.to_tangent(x, np.random.default_rng(seed + 100).standard_normal(4))
        u *= r / np.linalg.norm(u)
        a, v = precise(x), precise(u)
        size = mpmath.norm(v)
        assert error(s.exp(kind(x), kind(u)), a * mpmath.cos(size) + v * (mpmath.sin(size) / size)) < 4e-16 * (2 + r)
        m = precise(x) + precise(y)
        moved = v - m * (2 * inner(m, v) / inner(m, m))
        assert error(s.transport(kind(x), kind(y), kind(u)), moved) < 2e-15


def test_tiny_tangents_are_transported_past_the_antipode():
    # Found by 100 examples of transport_has_adjoint: w u was subnormal where neither is, 2e3 roundings were lost.
    x, w = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1e-300, 0.0])
    y = Sphere(2).exp(x, np.array([3.0, 4.0, 0.0]) * (math.pi - 1e-11) / 5)
    m = (x + y) / np.linalg.norm(x + y)
    np.testing.assert_allclose(Sphere(2).transport(x, y, w), w - 2 * (m @ w) * m, rtol=1e-13)


def test_tiny_tangents_are_not_lost():
    s, x = Sphere(2), np.array([1.0, 0.0, 0.0])
    u = np.array([0.0, 3e-300, 4e-300])
    assert s.norm(x, u) == 5e-300
    np.testing.assert_array_equal(s.exp(x, u), x + u)
    np.testing.assert_allclose(s.log(x, s.exp(x, u)), u, rtol=4e-16)
    assert s.dist(x, s.exp(x, u)) == pytest.approx(5e-300, rel=4e-16, abs=0.0)
    assert Euclidean(3).dist(0 * x, u) == 5e-300
    huge = np.array([0.0, 3e200, 4e200])
    assert np.all(np.isfinite(s.exp(x, huge)))
    assert s.norm(x, huge) == pytest.approx(5e200, rel=4e-16, abs=0.0)


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_cut_locus_has_a_documented_geodesic(n, kind):
    s = Sphere(n)
    for x in (np.eye(n + 1)[0], np.eye(n + 1)[1], s.random_point(rng=n)):
        u = s.log(kind(x), kind(-x))
        assert s.dist(x, -x) == np.pi
        np.testing.assert_allclose(s.norm(x, u), np.pi, rtol=1e-15)
        np.testing.assert_allclose(x @ u, 0, atol=1e-15)
        np.testing.assert_allclose(s.exp(x, np.asarray(u)), -x, atol=1e-15)
        np.testing.assert_allclose(s.transport(kind(x), kind(-x), u), -np.asarray(s.log(kind(-x), kind(x))), atol=2e-15)
        for name, args in {"log": (x, -x), "dist": (x, -x), "transport": (x, -x, np.asarray(u))}.items():
            y, pull = getattr(s, f"{name}_vjp")(*args)
            assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(y)))
    assert np.isfinite(s.logdet_exp(x, np.asarray(u)))


def test_pulls_at_equal_points():
    s = Sphere(2)
    x = s.random_point(rng=0)
    g = np.array([0.3, -1.0, 2.0])
    dx, dy = s.dist_vjp(x, x)[1](np.asarray(1.0))
    np.testing.assert_array_equal([dx, dy], 0)
    dx, dy = s.log_vjp(x, x)[1](g)
    np.testing.assert_allclose(dy, s.to_tangent(x, g), atol=1e-15)
    np.testing.assert_allclose(s.to_tangent(x, dx), -s.to_tangent(x, g), atol=1e-15)
    dx, _ = s.exp_vjp(x, 0 * x)[1](g)
    np.testing.assert_allclose(dx, g, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_kernels_equal_the_array_expressions(n, dtype):
    s = Sphere(n)
    x, y = (s.random_point((200,), rng=k).astype(dtype) for k in (0, 1))
    u = s.random_tangent(x, rng=2).astype(dtype)
    y[:5], y[5:10], u[:3] = x[:5], -x[5:10], 0
    eps = np.finfo(dtype).eps
    for name, args in {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u)}.items():
        fast, plain = getattr(s, name)(*args), getattr(s, name)(*(a.view(Plain) for a in args))
        assert fast.dtype == plain.dtype == dtype
        # Away from the antipodes, where a direction is lost to the rounding of the points.
        far = np.pi - s.dist(x, y)
        near_cut = np.where(far > 0, far, 1) if name in ("log", "transport") else np.ones(200)
        gap = np.abs(fast - plain).reshape(200, -1).max(-1) * np.minimum(near_cut, 1)
        size = 1 + np.abs(np.asarray(plain)).reshape(200, -1).max(-1)
        assert np.max(gap / size) <= 8 * eps


def test_out_takes_the_result():
    s = Sphere(2)
    x, y = s.random_point((4,), rng=0), s.random_point((4,), rng=1)
    u = s.log(x, y)
    calls = {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u), "pairwise_dist": (x, y)}
    for name, args in calls.items():
        f = getattr(s, name)
        out = np.full_like(f(*args), np.nan)
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(out, f(*args))
        with pytest.raises(ValueError, match="out must be"):
            f(*args, out=np.empty((9, 9)))
        with pytest.raises(ValueError, match="out must be"):
            f(*args, out=np.empty(out.shape, dtype=np.float32))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"Sphere\(n=2\) takes arrays of shape \(..., 3\), got \(2,\)"):
        Sphere(2).exp(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"coordinates of shape \(..., 2\), got \(3,\)"):
        Sphere(2).from_coordinates(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="n >= 0, got -1"):
        Sphere(-1)
    with pytest.raises(ValueError, match="n >= 1, got 0"):
        Euclidean(0)
    with pytest.raises(ValueError, match="k > 0"):
        Sphere(2).mean(np.empty((0, 3)))


def test_lists_and_numbers_are_points_too():
    assert Sphere(1).dist([1, 0], [0, 1]) == np.pi / 2
    assert Euclidean(2).dist([0, 0], [3, 4]) == 5.0


def test_pairwise_distances_come_in_blocks(monkeypatch):
    s = Sphere(2)
    x, y = s.random_point((2, 7), rng=0), s.random_point((2, 5), rng=1)
    whole, pull = s.pairwise_dist_vjp(x, y)
    g = np.random.default_rng(0).standard_normal(whole.shape)
    dx, dy = pull(g)
    monkeypatch.setattr("geomlat.manifolds.base.BLOCK", 60)
    np.testing.assert_array_equal(s.pairwise_dist(x, y), whole)
    np.testing.assert_array_equal(s.pairwise_dist(x[0], y[0].copy()), whole[0])
    np.testing.assert_allclose(pull(g)[0], dx, rtol=1e-14)
    np.testing.assert_allclose(pull(g)[1], dy, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 8, 15, 16, 63])
def test_tables_of_distances_are_distances(n, dtype):
    # Random pairs have dot products near 0; near, antipodal and equal ones must not be taken from theirs.
    s, gen = Sphere(n), np.random.default_rng(0)
    x = s.random_point((70,), rng=0)
    steps = 10.0 ** gen.uniform(-30, 0.4, (70, 1)) * s.random_tangent(x, rng=1) / max(n, 1) ** 0.5
    y = np.concatenate([s.exp(x, steps), -s.exp(x, steps), x, -x, s.random_point((9,), rng=2)]).astype(dtype)
    x, eps = x.astype(dtype), np.finfo(dtype).eps
    exact = s.dist(x[:, None].astype(float), y.astype(float))
    np.testing.assert_allclose(s.pairwise_dist(x, y), exact, rtol=8 * eps, atol=0)
    unequal = s.pairwise_dist(x * dtype(1 + 1e-3), y)  # lengths that are off tell in the angle to second order only
    np.testing.assert_allclose(unequal, exact, rtol=1e-5, atol=1e-4)


def test_mean_of_a_wide_cloud_and_of_two_points():
    s = Sphere(2)
    x, y = s.random_point((2,), rng=5)
    middle, status = s.mean(np.stack([x, y]))
    np.testing.assert_allclose(middle, s.exp(x, 0.5 * s.log(x, y)), atol=1e-15)
    assert status.converged
    third, _ = s.mean(np.stack([x, y]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(third, s.exp(x, 2 / 3 * s.log(x, y)), atol=1e-15)
    cloud = s.exp(np.tile(x, (200, 1)), s.random_tangent(np.tile(x, (200, 1)), rng=3))
    _, status = s.mean(cloud)
    assert status.converged
    assert status.steps < 20
