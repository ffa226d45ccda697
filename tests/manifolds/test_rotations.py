"""The rotations against 50-digit values from angles of 1e-300 to half a turn, and their compiled rows."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import WrappedNormal
from geomlat.manifolds import SpecialOrthogonal

mpmath.mp.dps = 50
SO2, SO3 = SpecialOrthogonal(2), SpecialOrthogonal(3)
SMALL = [1e-300, 1e-150, 1e-16, 1e-12, 1e-8, 1e-4]
ANGLES = [0.01, 0.5, 1.5, 2.0, 2.09439, 2.0944, 2.5, 3.0]
GAPS = [1e-1, 1e-4, 1e-6, 1e-9, 1e-12, 1e-15]
AXES = [
    (1, 0, 0),
    (0, -1, 0),
    (0, 0, 1),
    (1, 1, 0),
    (-1, 2, 0.5),
    (0.3, -0.2, -1),
    (1e-9, 1, 1e-7),
    (1, 1, 1),
    (0, 1, -1),
]


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


KINDS = pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])


def unit(axis):
    a = mpmath.matrix([mpmath.mpf(float(t)) for t in axis])
    return a / mpmath.norm(a)


def cross(a):
    return mpmath.matrix([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])


def rotation(t, a):
    k = cross(a)
    return mpmath.eye(3) + k * mpmath.sin(t) + k * k * (1 - mpmath.cos(t))


def precise(x):
    return mpmath.matrix([[mpmath.mpf(float(t)) for t in row] for row in x])


def rounded(m):
    return np.array([[float(m[i, j]) for j in range(m.cols)] for i in range(m.rows)])


def error(got, expected, scale=None):
    gap = mpmath.mnorm(precise(np.asarray(got)) - expected, "f") / mpmath.sqrt(2)
    return float(gap / (mpmath.mnorm(expected, "f") / mpmath.sqrt(2) if scale is None else scale))


@KINDS
def test_angle_and_log_at_the_identity_are_exact_to_the_smallest_angles(kind):
    x = kind(np.eye(3))
    for t in [*SMALL, *ANGLES, *(np.pi - g for g in GAPS)]:
        for axis in AXES:
            a, t = unit(axis), mpmath.mpf(float(t))
            y = kind(rounded(rotation(t, a)))
            assert abs(SO3.dist(x, y) - t) <= 1e-15 * t
            # Within a rounding of half a turn either sign of the axis is right.
            u, expected = SO3.log(x, y), cross(a) * t
            either = error(-u, expected) if mpmath.pi - t < 1e-14 else np.inf
            assert min(error(u, expected), either) <= 1e-15


@KINDS
def test_angle_and_log_between_rounded_rotations(kind):
    for seed, t in enumerate([*SMALL[2:], *ANGLES, *(np.pi - g for g in GAPS)]):
        x = SO3.random_point(rng=seed)
        base = precise(x)
        for axis in AXES:
            a, t = unit(axis), mpmath.mpf(float(t))
            y = rounded(base * rotation(t, a))
            relative = base.T * precise(y)
            v = [(relative[2, 1] - relative[1, 2]) / 2, (relative[0, 2] - relative[2, 0]) / 2]
            s = mpmath.norm(mpmath.matrix([*v, (relative[1, 0] - relative[0, 1]) / 2]))
            c = (relative[0, 0] + relative[1, 1] + relative[2, 2] - 1) / 2
            assert abs(SO3.dist(kind(x), kind(y)) - mpmath.atan2(s, c)) <= 2e-15 * t
            u, expected = SO3.log(kind(x), kind(y)), base * cross(a) * t
            either = error(-u, expected, 1) if mpmath.pi - t < 1e-14 else np.inf
            # The rounding of the entries of x and y, and that of the result.
            assert min(error(u, expected, 1), either) <= 1e-15 + 1e-15 * float(t)


@KINDS
def test_exp_and_transport_against_mpmath(kind):
    for seed, t in enumerate([1e-300, 1e-160, 1e-8, 0.1, 1.0, 3.0, 30.0, 1e4]):
        x = SO3.random_point(rng=seed)
        c = np.random.default_rng(seed).standard_normal(3)
        c *= t / np.linalg.norm(c)
        u = SO3.from_coordinates(x, c)
        a = mpmath.matrix([mpmath.mpf(v) for v in c])
        size = mpmath.norm(a)
        assert error(SO3.exp(kind(x), kind(u)), precise(x) * rotation(size, a / size)) < 4e-16 * (3 + t)
        y, t = rounded(precise(x) * rotation(2.5, unit(AXES[seed]))), mpmath.mpf(t)
        h = rotation(1.25, unit(AXES[seed]))
        moved = precise(x) * h * precise(x).T * precise(u) * h
        assert error(SO3.transport(kind(x), kind(y), kind(u)), moved) < 3e-15


def test_tiny_tangents_are_not_lost():
    o, c = SO3.origin(), np.array([0.0, 3e-300, 4e-300])
    u = SO3.from_coordinates(o, c)
    assert SO3.norm(o, u) == pytest.approx(5e-300, rel=4e-16, abs=0.0)
    np.testing.assert_array_equal(SO3.exp(o, u), o + u)
    np.testing.assert_allclose(SO3.log(o, SO3.exp(o, u)), u, rtol=4e-16)
    assert SO2.dist(np.eye(2), SO2.exp(np.eye(2), SO2.from_coordinates(np.eye(2), c[1:2]))) == 3e-300


@pytest.mark.parametrize("t", [1e-12, 1e-5, 0.5, 2.0, 3.0, np.pi, 6.0, 6.283])
def test_the_volume_of_exp(t):
    u = SO3.from_coordinates(np.eye(3), t * np.array([0.6, 0.0, 0.8]))
    true = mpmath.log(4 * mpmath.sin(mpmath.mpf(t) / 2) ** 2 / mpmath.mpf(t) ** 2)
    # The length of u is rounded: what that does to the value is 1e-16 times its slope and the length.
    slope = abs(t / np.tan(t / 2) - 2)
    assert abs(SO3.logdet_exp(np.eye(3), u) - true) <= 4e-15 * abs(true) + 4e-16 * slope
    assert SO2.logdet_exp(np.eye(2), SO2.from_coordinates(np.eye(2), np.array([t]))) == 0


@KINDS
@pytest.mark.parametrize("so", [SO2, SO3])
def test_the_cut_locus_has_a_documented_geodesic(so, kind):
    turns = [np.diag(d) for d in ([1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])] if so is SO3 else [-np.eye(2)]
    # Exchanging two axes and reversing the third is exactly half a turn too.
    turns += [np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])] if so is SO3 else []
    for y in turns:
        x = np.eye(so.n)
        u, back = so.log(kind(x), kind(y)), so.log(kind(y), kind(x))
        assert so.dist(kind(x), kind(y)) == np.pi
        np.testing.assert_allclose(so.norm(x, np.asarray(u)), np.pi, rtol=1e-15)
        np.testing.assert_allclose(so.exp(kind(x), kind(u)), y, atol=1e-15)
        np.testing.assert_allclose(so.transport(kind(x), kind(y), kind(u)), -back, atol=2e-15)
        for name, args in {"log": (x, y), "dist": (x, y), "transport": (x, y, np.asarray(u))}.items():
            z, pull = getattr(so, f"{name}_vjp")(*args)
            assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(z)))


@KINDS
def test_projection_is_the_nearest_rotation(kind):
    gen = np.random.default_rng(0)
    for a in (
        *gen.standard_normal((6, 3, 3)),
        np.diag([3.0, 2.0, -1.0]),
        1e200 * np.eye(3),
        1e-300 * gen.random((3, 3)),
    ):
        left, _, right = np.linalg.svd(a)
        nearest = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
        np.testing.assert_allclose(SO3.project(kind(a)), nearest, atol=1e-14)
    a = gen.standard_normal((2, 2))
    t = np.arctan2(a[1, 0] - a[0, 1], a[0, 0] + a[1, 1])
    np.testing.assert_allclose(SO2.project(a), [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]], atol=1e-15)
    for so in (SO2, SO3):
        zero = np.zeros((2, so.n, so.n))
        np.testing.assert_array_equal(so.project(kind(zero)), so.origin((2,)))
        np.testing.assert_array_equal(so.project_vjp(zero)[1](np.ones_like(zero))[0], 0)
    assert np.all(SO3.contains(SO3.project(kind(np.array([-np.eye(3), np.diag([1.0, 0, 0]), np.ones((3, 3))])))))
    assert not SO3.contains(-np.eye(3))
    assert not SO3.contains(1.001 * np.eye(3))
    assert SO3.contains(1.001 * np.eye(3), atol=0.01)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kernels_equal_the_array_expressions(dtype):
    x, y = (SO3.random_point((200,), rng=k).astype(dtype) for k in (0, 1))
    u = SO3.random_tangent(x, rng=2).astype(dtype)
    y[:5], u[:3] = x[:5], 0
    eps = np.finfo(dtype).eps
    for name, args in {
        "exp": (x, u),
        "log": (x, y),
        "dist": (x, y),
        "transport": (x, y, u),
        "project": (x + u,),
    }.items():
        fast, plain = getattr(SO3, name)(*args), getattr(SO3, name)(*(a.view(Plain) for a in args))
        assert fast.dtype == plain.dtype == dtype
        gap = np.abs(fast - plain).reshape(200, -1).max(-1)
        # Next to half a turn the sign of an axis is lost to the rounding of the entries.
        gap *= np.where(SO3.dist(x, y) > np.pi - 8 * eps, 0, 1) if name in ("log", "transport") else 1
        assert np.max(gap / (1 + np.abs(np.asarray(plain)).reshape(200, -1).max(-1))) <= 16 * eps
    np.testing.assert_array_equal(SO3.pairwise_dist(x, y), SO3.dist(x[:, None], y))


def test_float32_logs_near_half_a_turn():
    x = SO3.random_point((500,), rng=3)
    c = np.random.default_rng(0).standard_normal((500, 3))
    c *= (np.pi - 10.0 ** -np.linspace(0, 5, 500))[:, None] / np.linalg.norm(c, axis=-1, keepdims=True)
    y = SO3.exp(x, SO3.from_coordinates(x, c)).astype(np.float32)
    x = x.astype(np.float32)
    for kind in (np.asarray, lambda a: a.view(Plain)):
        got = SO3.to_coordinates(x, np.asarray(SO3.log(kind(x), kind(y))))
        assert np.max(np.abs(got - c)) < 16 * np.finfo(np.float32).eps


def test_out_takes_the_result():
    x, y = SO3.random_point((4,), rng=0), SO3.random_point((4,), rng=1)
    u = SO3.log(x, y)
    calls = {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u), "pairwise_dist": (x, y)}
    for name, args in calls.items():
        f = getattr(SO3, name)
        out = np.full_like(f(*args), np.nan)
        assert f(*args, out=out) is out or np.shares_memory(f(*args, out=out), out)
        np.testing.assert_array_equal(out, f(*args))
        with pytest.raises(ValueError, match="out must be"):
            f(*args, out=np.empty((9, 9)))


def test_pairwise_distances_come_in_blocks(monkeypatch):
    x, y = SO3.random_point((2, 7), rng=0), SO3.random_point((2, 5), rng=1)
    whole, pull = SO3.pairwise_dist_vjp(x, y)
    g = np.random.default_rng(0).standard_normal(whole.shape)
    dx, dy = pull(g)
    monkeypatch.setattr("geomlat.manifolds.base.BLOCK", 200)
    np.testing.assert_array_equal(SO3.pairwise_dist(x, y), whole)
    np.testing.assert_allclose(pull(g)[0], dx, rtol=1e-13)
    np.testing.assert_allclose(pull(g)[1], dy, rtol=1e-13, atol=1e-15)


def test_random_rotations_are_uniform():
    x = SO3.random_point((20000,), rng=0)
    angles = SO3.dist(np.eye(3), x)
    assert stats.kstest(angles, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-3
    # Each entry has mean 0 and variance 1/3: four standard errors.
    assert np.max(np.abs(x.mean(axis=0))) < 4 / np.sqrt(3 * 20000)
    turns = SO2.random_point((20000,), rng=1)
    assert stats.kstest(np.arctan2(turns[:, 1, 0], turns[:, 0, 0]) / np.pi, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_plane_rotations_are_angles():
    t, s = np.linspace(-3, 3, 7), np.linspace(-2, 2, 7)
    x, y = (np.stack([np.cos(a), -np.sin(a), np.sin(a), np.cos(a)], axis=-1).reshape(7, 2, 2) for a in (t, s))
    wrapped = np.remainder(s - t + np.pi, 2 * np.pi) - np.pi
    np.testing.assert_allclose(SO2.to_coordinates(x, SO2.log(x, y))[:, 0], wrapped, atol=1e-15)
    np.testing.assert_allclose(SO2.dist(x, y), np.abs(wrapped), atol=1e-15)


def test_the_mean_of_two_is_the_middle():
    x, y = SO3.random_point((2,), rng=5)
    middle, status = SO3.mean(np.stack([x, y]))
    np.testing.assert_allclose(middle, SO3.geodesic(x, SO3.log(x, y), 0.5), atol=1e-14)
    assert status.converged
    cloud = SO3.exp(x, 0.7 * SO3.random_tangent(np.broadcast_to(x, (200, 3, 3)), rng=3))
    _, status = SO3.mean(cloud)
    assert status.converged
    assert status.steps < 10


@pytest.mark.parametrize("scale", [0.3, 1.5, 5.0])
def test_the_wrapped_normal_law_integrates_to_one(scale):
    q = WrappedNormal(SO3, np.eye(3), np.array(scale))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = np.pi / 2 * (nodes + 1)
    y = SO3.exp(np.eye(3), SO3.from_coordinates(np.eye(3), t[:, None] * np.array([0.6, 0.0, 0.8])))
    # The rotations by t are a sphere of radius 2 sin(t / 2).
    mass = np.sum(np.pi / 2 * weights * np.exp(q.log_prob(y)) * 16 * np.pi * np.sin(t / 2) ** 2)
    np.testing.assert_allclose(mass, 1, rtol=1e-9)
    circle = WrappedNormal(SO2, np.eye(2), np.array(scale))
    y = SO2.exp(np.eye(2), SO2.from_coordinates(np.eye(2), t[:, None]))
    np.testing.assert_allclose(np.sum(np.pi * weights * np.exp(circle.log_prob(y))), 1, rtol=1e-9)


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="n = 2 or n = 3, got 4"):
        SpecialOrthogonal(4)
    with pytest.raises(ValueError, match=r"arrays of shape \(..., 3, 3\), got \(3,\)"):
        SO3.exp(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"coordinates of shape \(..., 3\), got \(2,\)"):
        SO3.from_coordinates(np.eye(3), np.ones(2))


@KINDS
def test_vectors_of_which_squares_vanish_or_overflow(kind):
    x, v = np.eye(3), np.array([1.0, -2.0, 2.0])
    u = SO3.from_coordinates(x, 2.0**-700 * v)
    y = np.asarray(SO3.exp(kind(x), kind(u)))
    np.testing.assert_array_equal(y, x + u)
    np.testing.assert_allclose(SO3.log(kind(x), kind(y)), u, rtol=1e-15)
    assert SO3.dist(kind(x), kind(y)) == pytest.approx(3 * 2.0**-700, rel=1e-15, abs=0.0)
    np.testing.assert_allclose(SO3.transport(kind(x), kind(y), kind(u)), u, rtol=1e-15)
    r, k = 3 * 2.0**495, SO3.from_coordinates(x, v / 3)
    wanted = x + np.sin(r) * k + 2 * np.sin(r / 2) ** 2 * (k @ k)
    np.testing.assert_allclose(SO3.exp(kind(x), kind(r * k)), wanted, rtol=1e-14, atol=1e-15)
