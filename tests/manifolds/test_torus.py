"""The torus against 60-digit values, across the seam, and its compiled rows against the array expressions."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from geomlat.manifolds import Torus
from geomlat.random import uniform

mpmath.mp.dps = 60
SUMS = [1e-300, 1e-9, 1.0, np.pi, 3.2, 7.0, 2 * np.pi, 22 * np.pi, 355.0, 1e4, 123456.789, 3.9e8]


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


KINDS = pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])


def wrapped(*terms):
    """The exact sum of floats, less the nearest multiple of 2 pi."""
    s = mpmath.fsum(mpmath.mpf(float(t)) for t in terms)
    return s - 2 * mpmath.pi * mpmath.nint(s / (2 * mpmath.pi))


def relative(got, expected):
    # At a half turn either sign is right.
    gap = min(abs(abs(mpmath.mpf(float(got))) - abs(expected)), abs(mpmath.mpf(float(got)) - expected))
    return float(gap / abs(expected)) if expected else float(gap)


@KINDS
def test_sums_are_wrapped_by_the_number_two_pi(kind):
    t = Torus(1)
    for s in SUMS:
        for sign in (1.0, -1.0):
            for x in (0.0, 0.1, 3.1415926, -np.pi, -3.0000000001):
                a, u = np.array([x]), np.array([sign * s])
                assert relative(t.exp(kind(a), kind(u))[0], wrapped(x, sign * s)) < 4.5e-16
                if not x:
                    assert relative(t.project(kind(u))[0], wrapped(sign * s)) < 4.5e-16


@KINDS
def test_sums_next_to_half_a_turn_stay_in_range(kind):
    s = np.pi * np.arange(-401.0, 402.0, 2.0)
    s = np.concatenate([s, np.nextafter(s, np.inf), np.nextafter(s, -np.inf)])[:, None]
    y = Torus(1).exp(kind(s), kind(0 * s))
    assert np.all(Torus(1).contains(y))
    assert max(relative(a, wrapped(b)) for a, b in zip(y[:, 0], s[:, 0], strict=True)) < 4.5e-16


@KINDS
def test_float32_sums_next_to_half_a_turn(kind):
    s = (np.pi * np.arange(-401.0, 402.0, 2.0)).astype(np.float32)
    s = np.concatenate([s, np.nextafter(s, np.float32(1e9)), np.nextafter(s, np.float32(-1e9))])[:, None]
    y = Torus(1).exp(kind(s), kind(0 * s))
    assert np.all(Torus(1).contains(y))
    assert max(relative(a, wrapped(b)) for a, b in zip(y[:, 0], s[:, 0], strict=True)) < np.finfo(np.float32).eps


@KINDS
def test_what_a_sum_next_to_whole_turns_has_lost_is_given_back(kind):
    t = Torus(1)
    for big in (6.28, 6.2, 18.8, 100.5):
        left = 2 * np.pi * round(big / (2 * np.pi)) - big
        for small in (left * (1 + 1e-13), left + 1.1e-16, left + 7e-17):
            for sign in (1.0, -1.0):
                a, b = (kind(np.array([sign * v])) for v in (big, small))
                for first, last in ((a, b), (b, a)):
                    assert relative(t.exp(first, last)[0], wrapped(a[0], b[0])) < 4.5e-16
                    assert relative(t.log(-first, last)[0], wrapped(a[0], b[0])) < 4.5e-16


@KINDS
def test_log_and_dist_are_exact_across_the_seam(kind):
    t = Torus(1)
    for gap in (1e-15, 1e-12, 1e-8, 1e-4, 0.1, 1.0, 3.0):
        for x, y in ((np.pi - gap, -np.pi + gap / 3), (-np.pi + gap, np.pi - gap), (0.3, 0.3 + gap), (-gap, gap / 7)):
            a, b = kind(np.array([x])), kind(np.array([y]))
            assert relative(t.log(a, b)[0], wrapped(y, -x)) < 4.5e-16
            assert relative(t.dist(a, b), wrapped(y, -x)) < 4.5e-16


@KINDS
def test_float32_is_wrapped_as_exactly(kind):
    t = Torus(1)
    for x, y in ((3.14, -3.14), (3.1415925, -3.1415925), (0.1, 0.2)):
        a, b = (kind(np.array([v], dtype=np.float32)) for v in (x, y))
        assert relative(t.log(a, b)[0], wrapped(b[0], -a[0])) < 2e-7
    for s in (7.0, 355.0, 1e4, -1.9e4):
        u = np.array([s], dtype=np.float32)
        assert relative(t.exp(kind(0 * u), kind(u))[0], wrapped(u[0])) < 2e-7


@KINDS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_angles_are_half_open_and_huge_sums_stay_finite(kind, dtype):
    t, half = Torus(4), dtype(np.pi)
    below = np.nextafter(half, dtype(0))
    x = kind(np.array([half, -half, below, -below], dtype=dtype))
    y = t.project(x)
    np.testing.assert_array_equal(y[1:], np.array([-half, below, -below]))
    # float32 has its pi above the number: beyond half a turn.
    assert relative(y[0], wrapped(half)) < np.finfo(dtype).eps
    assert y[0] < 0
    np.testing.assert_array_equal(t.contains(np.array([[half] * 4, [-half] * 4, [below] * 4], dtype)), [0, 1, 1])
    assert not t.contains(np.array([0, 0, 0, np.nan]))
    assert t.contains(np.array([3.15, -3.15, 0, 0]), atol=0.01)
    huge = kind(np.array([1e9, -1e20, np.finfo(dtype).max, -1e30], dtype=dtype))
    for y in (t.exp(0 * huge, huge), t.project(huge)):
        assert np.all(t.contains(y))
        np.testing.assert_allclose(y[0], float(wrapped(1e9)), atol=1e9 * np.finfo(dtype).eps)


@KINDS
def test_half_a_turn_keeps_the_sign_of_the_difference(kind):
    t = Torus(2)
    x, y = kind(np.array([0.0, 0.0])), kind(np.array([-np.pi, 1.0]))
    np.testing.assert_array_equal(t.log(x, y), [-np.pi, 1.0])
    np.testing.assert_array_equal(t.log(y, x), [np.pi, -1.0])
    np.testing.assert_allclose(t.exp(x, t.log(x, y)), y)
    assert all(np.all(np.isfinite(g)) for g in t.dist_vjp(x, y)[1](np.ones(())))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kernels_equal_the_array_expressions(dtype):
    t = Torus(3)
    x, y = (t.random_point((200,), rng=k).astype(dtype) for k in (0, 1))
    y[:5] = x[:5]
    u = 5 * t.random_tangent(x, rng=2).astype(dtype)
    eps = np.finfo(dtype).eps
    for name, args in {"exp": (x, u), "log": (x, y), "dist": (x, y)}.items():
        fast, plain = getattr(t, name)(*args), getattr(t, name)(*(a.view(Plain) for a in args))
        assert fast.dtype == plain.dtype == dtype
        np.testing.assert_allclose(fast, plain, rtol=8 * eps, atol=8 * eps)
    np.testing.assert_array_equal(t.pairwise_dist(x, y), t.dist(x[:, None], y))
    tiny = np.array([3e-200, -1e-200, 2e-200])
    np.testing.assert_allclose(t.dist(0 * tiny, tiny), 1e-200 * np.sqrt(14), rtol=4e-16)
    with pytest.raises(ValueError, match="out must be"):
        t.pairwise_dist(x, y, out=np.empty((3, 3)))
    with pytest.raises(ValueError, match="n >= 1, got 0"):
        Torus(0)


def test_uniform_points_fill_the_angles_evenly():
    x = Torus(2).random_point((50000,), rng=0)
    # The real and imaginary parts of exp(i k x) have mean 0 and variance 1/2: four standard errors.
    waves = np.exp(1j * x[:, None, :] * np.arange(1, 4)[:, None]).mean(axis=0)
    assert np.max(np.abs([waves.real, waves.imag])) < 4 * np.sqrt(0.5 / 50000)
    assert np.all(Torus(2).contains(Torus(2).random_point((1000,), rng=1, like=np.float32(0))))
    # Not wrapped, which would round them.
    np.testing.assert_array_equal(x, 2 * np.pi * (uniform((50000, 2), rng=0) - 0.5))


def test_the_mean_is_the_global_one():
    t, gen = Torus(1), np.random.default_rng(0)
    for k in (1, 2, 3, 8, 50):
        points, w = t.random_point((20, k), rng=gen), gen.random((20, k)) + 0.05
        m, status = t.mean(points, w)
        assert np.all(status.converged)

        def spread(c, points=points, w=w):
            return np.sum(w * t.dist(c, points) ** 2, axis=-1)

        grid = np.linspace(-np.pi, np.pi, 2000)[:, None, None, None]
        least = np.min(spread(np.broadcast_to(grid, (2000, 20, k, 1))), axis=0)
        assert np.all(spread(m[:, None, :]) <= least + 1e-12)
    near = np.array([[3.0], [-3.0], [3.1]])
    np.testing.assert_allclose(t.mean(near)[0], [(3.0 + 3.1 + 2 * np.pi - 3.0) / 3 - 2 * np.pi + 2 * np.pi], atol=1e-15)
