"""The polynomial log, log1p, exp, cos and sin against mpmath, in ulps; Python and compiled values agree."""

import math

import mpmath
import numpy as np
import pytest

from geomlat.backends import elementwise, kernel
from geomlat.backends.fused import multiply_add
from geomlat.backends.libm import (
    cos_sin_turns,
    fast_angle,
    fast_cos_sin,
    fast_exp_expm1,
    fast_log,
    fast_log1p,
    single_exp,
    single_exp_expm1,
    single_minus_2_log,
)
from geomlat.random import box_muller, unit


@kernel()
def singles(i: int, x: np.ndarray, out: np.ndarray) -> None:
    out[i] = single_exp(x[i])


log1p, exponential = elementwise(fast_log1p), elementwise(fast_exp_expm1, outputs=2)
logarithm, turns = elementwise(fast_log), elementwise(cos_sin_turns, outputs=2)
normals = elementwise(box_muller, outputs=2)
circle, angle = elementwise(fast_cos_sin, outputs=2), elementwise(fast_angle)
RNG = np.random.default_rng(5)
LOG_POINTS = np.concatenate(
    [
        RNG.random(1500),
        10.0 ** RNG.uniform(-300, 0, 500),
        1.0 - 10.0 ** RNG.uniform(-15.9, 0, 700),
        math.sqrt(0.5) * (1.0 + RNG.uniform(-1e-12, 1e-12, 300)),
        10.0 ** RNG.uniform(0, 300, 300),
        [2.0**-53, 2.0**-1022, 0.5, 0.25, 1.0 - 2.0**-53, math.sqrt(0.5)],
    ]
)
SHIFT_POINTS = np.concatenate(
    [
        -1.0 + 10.0 ** RNG.uniform(-15.5, 0, 500),
        RNG.choice([-1, 1], 1500) * 10.0 ** RNG.uniform(-300, -1, 1500),
        RNG.uniform(-0.9, 3, 1500),
        10.0 ** RNG.uniform(0, 300, 300),
        [0.0, 2.0**-53 - 1.0],
    ]
)
POWER_POINTS = np.concatenate(
    [
        RNG.uniform(-699, 699, 1000),
        RNG.uniform(-3, 3, 2000),
        (np.arange(-3, 4)[:, None] * math.log(2.0) / 2 + RNG.uniform(-1e-9, 1e-9, 100)).ravel(),
        RNG.choice([-1, 1], 500) * 10.0 ** RNG.uniform(-300, 0, 500),
        [0.0],
    ]
)
TURN_POINTS = np.concatenate(
    [
        RNG.random(1500),
        10.0 ** RNG.uniform(-300, 0, 300),
        (np.arange(5)[:, None] / 4 + RNG.choice([-1, 1], 100) * 10.0 ** RNG.uniform(-16, -1, 100)).ravel(),
        np.arange(9) / 8,
        -RNG.random(200),
    ]
)
RADIANS = np.concatenate(
    [
        RNG.uniform(0, 7, 2000),
        10.0 ** RNG.uniform(-300, 5, 1000),
        np.abs(
            np.arange(41)[:, None] * math.pi / 4 + RNG.choice([-1, 1], 50) * 10.0 ** RNG.uniform(-16, -1, 50)
        ).ravel(),
        np.arange(41) * math.pi / 4,
    ]
)
LEGS = np.concatenate(
    [
        RNG.random((2000, 2)),
        10.0 ** RNG.uniform(-150, 150, (1000, 2)),
        np.array([1.0, 1.0]) * (1.0 + RNG.uniform(-1e-12, 1e-12, (200, 2))),
        np.array([math.tan(math.pi / 8), 1.0]) * (1.0 + RNG.uniform(-1e-12, 1e-12, (200, 2))),
        [[0.0, 1.0], [1.0, 0.0], [1e-300, 1e300], [1e300, 1e-5]],
    ]
)


def ulps(found: np.ndarray, exact: list) -> float:
    with mpmath.workprec(200):
        pairs = zip(found.tolist(), exact, strict=True)
        return max(float(abs(mpmath.mpf(y) - t) / mpmath.mpf(math.ulp(float(t)))) for y, t in pairs)


@kernel()
def exponential_of_singles(i, x, power, less_one):
    power[i], less_one[i] = single_exp_expm1(x[i])


@kernel()
def logarithm_of_singles(i, x, out):
    out[i] = single_minus_2_log(x[i])


@kernel()
def products_and_sums(i, x, y, z, out):
    out[i] = multiply_add(x[i], y[i], z[i])


def test_log_within_two_ulps():
    with mpmath.workprec(200):
        exact = [mpmath.log(mpmath.mpf(u)) for u in LOG_POINTS.tolist()]
    assert ulps(logarithm(LOG_POINTS), exact) < 2.0


def test_log1p_within_three_ulps():
    with mpmath.workprec(1200):
        exact = [mpmath.log(1 + mpmath.mpf(x)) for x in SHIFT_POINTS.tolist()]
    assert ulps(log1p(SHIFT_POINTS), exact) < 3.0


def test_exp_within_two_ulps_and_expm1_within_three():
    power, less_one = exponential(POWER_POINTS)
    with mpmath.workprec(1200):
        assert ulps(power, [mpmath.exp(mpmath.mpf(x)) for x in POWER_POINTS.tolist()]) < 2.0
        assert ulps(less_one, [mpmath.expm1(mpmath.mpf(x)) for x in POWER_POINTS.tolist()]) < 3.0


def test_the_exponential_of_singles_is_within_two_ulps():
    near = (np.arange(-3, 4)[:, None] * math.log(2.0) / 2 + RNG.uniform(-1e-5, 1e-5, 100)).ravel()
    points = np.concatenate([RNG.uniform(-87, 87, 3000), RNG.uniform(-1, 1, 1000), near, [0.0]]).astype(np.float32)
    found = np.empty_like(points)
    singles(points.size, points, found)
    exact = np.exp(points.astype(float))
    assert np.max(np.abs(found - exact) / np.spacing(exact.astype(np.float32))) < 2.0
    assert found[-1] == 1.0


def single_ulps(found: np.ndarray, exact: list) -> float:
    assert found.dtype == np.float32
    exact = np.array([float(x) for x in exact])
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(float)))


def test_exp_of_singles_within_two_ulps_and_expm1_within_three():
    x = np.concatenate([POWER_POINTS[np.abs(POWER_POINTS) > 1e-30], RNG.uniform(-80, 3, 2000)])
    x = np.clip(x, -80.0, 80.0).astype(np.float32)
    power, less_one = np.empty_like(x), np.empty_like(x)
    exponential_of_singles(x.size, x, power, less_one)
    assert single_ulps(power, [mpmath.exp(mpmath.mpf(v)) for v in x.tolist()]) < 2.0
    assert single_ulps(less_one, [mpmath.expm1(mpmath.mpf(v)) for v in x.tolist()]) < 3.0


def test_log_of_singles_within_three_ulps():
    x = np.concatenate([RNG.random(3000), 1.0 + RNG.uniform(-1e-3, 1e-3, 1000), 10.0 ** RNG.uniform(-37, 38, 1000)])
    x = x[x != 1.0].astype(np.float32)
    found = np.empty_like(x)
    logarithm_of_singles(x.size, x, found)
    assert single_ulps(found, [-2 * mpmath.log(mpmath.mpf(v)) if v != 1 else mpmath.mpf(0) for v in x.tolist()]) < 3.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_and_sum_is_rounded_alike_in_every_lane(dtype):
    # Nearly cancelling, where one rounding and two are far apart: one of them throughout, and in any length of loop.
    x, y = (RNG.standard_normal(67).astype(dtype) for _ in range(2))
    z = -(x * y)
    found = np.empty_like(x)
    products_and_sums(x.size, x, y, z, found)
    with mpmath.workprec(200):
        once = [
            dtype(mpmath.mpf(float(a)) * mpmath.mpf(float(b)) + mpmath.mpf(float(c)))
            for a, b, c in zip(x, y, z, strict=True)
        ]
    assert np.array_equal(found, np.array(once)) or not found.any()
    assert not multiply_add(x, y, z).any()
    for n in range(1, 67, 5):
        part = np.empty(n, dtype)
        products_and_sums(n, x[:n], y[:n], z[:n], part)
        assert np.array_equal(part, found[:n])


def test_cos_and_sin_within_two_ulps():
    with mpmath.workprec(200):
        points = [2 * mpmath.mpf(u) for u in TURN_POINTS.tolist()]
        exact = [mpmath.cospi(x) for x in points], [mpmath.sinpi(x) for x in points]
    cosine, sine = turns(TURN_POINTS)
    assert ulps(cosine, exact[0]) < 2.0
    assert ulps(sine, exact[1]) < 2.0


def test_cos_and_sin_of_radians_within_two_ulps():
    with mpmath.workprec(1200):
        points = [mpmath.mpf(x) for x in RADIANS.tolist()]
        cosine, sine = circle(RADIANS)
        assert ulps(cosine, [mpmath.cos(x) for x in points]) < 2.0
        assert ulps(sine, [mpmath.sin(x) for x in points]) < 2.0


@pytest.mark.parametrize("x", [1e6, 1e10, 1e16, 1e300, np.finfo(float).max])
def test_cos_and_sin_of_long_arcs_stay_on_the_circle(x):
    cosine, sine = circle(np.asarray(x))
    assert abs(math.hypot(cosine, sine) - 1.0) < 0.1
    if x <= 1e10:
        np.testing.assert_allclose([cosine, sine], [math.cos(x), math.sin(x)], atol=x * 2.0**-52)


def test_angles_within_two_and_a_half_ulps():
    with mpmath.workprec(300):
        exact = [mpmath.atan2(*map(mpmath.mpf, legs)) for legs in LEGS.tolist()]
    assert ulps(angle(*LEGS.T), exact) < 2.5
    assert angle(0.0, 0.5) == 0.0


def test_python_and_compiled_values_are_the_same_bits():
    assert np.array_equal(np.transpose(circle(RADIANS)), [fast_cos_sin(x) for x in RADIANS.tolist()])
    assert angle(*LEGS.T).tolist() == [float(fast_angle(*legs)) for legs in LEGS.tolist()]
    assert [float(fast_log(u)) for u in LOG_POINTS.tolist()] == logarithm(LOG_POINTS).tolist()
    assert [float(fast_log1p(x)) for x in SHIFT_POINTS.tolist()] == log1p(SHIFT_POINTS).tolist()
    pairs = [fast_exp_expm1(x) for x in POWER_POINTS.tolist()]
    assert np.array_equal(np.transpose(exponential(POWER_POINTS)), pairs)
    cosine, sine = turns(TURN_POINTS)
    pairs = [cos_sin_turns(u) for u in TURN_POINTS.tolist()]
    assert np.array_equal(np.transpose([cosine, sine]), pairs)


def test_box_muller_against_the_library_functions():
    u1, u2 = LOG_POINTS[:1500], TURN_POINTS[:1500]
    r = np.sqrt(-2.0 * np.log(u1))
    x, y = normals(u1, u2)
    np.testing.assert_allclose(x, r * np.cos(2 * np.pi * u2), rtol=1e-14, atol=2e-15)
    np.testing.assert_allclose(y, r * np.sin(2 * np.pi * u2), rtol=1e-14, atol=2e-15)


def test_the_largest_normal_is_finite():
    smallest = unit(np.uint64(0), np.uint64(0))
    assert box_muller(float(smallest), 0.5)[0] == pytest.approx(-math.sqrt(2 * 53 * math.log(2)), rel=1e-15, abs=0.0)
