"""The sum over windings of a wrapped normal law, run by Python, against mpmath, and the scalars it is made of."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from wrapped_quadrature import gauss

from geomlat.distributions import _windings
from geomlat.distributions._wrapped_entropy import _rule, closed_entropy_scalar, unit_entropy


def exact(dim, r, a, period):
    """The log of the sum by mpmath: 160 windings."""

    def term(k):
        x = r + k * period
        return (abs(x / r) ** (dim - 1) if dim > 1 else 1) * mp.exp(-(a**2) * (x**2 - r**2) / 2)

    return mp.log(mp.fsum(term(k) for k in range(-80, 81)))


CASES = [
    (1, 0.4, 0.7, 3.0),
    (1, 0.0, 0.5, 2.0),
    (2, 0.9, 1.1, 2.5),
    (3, 0.2, 0.4, 4.0),
    (7, 1.3, 1.7, 5.0),
    (7, 1.3, 0.8, 3.0),
    (20, 0.6, 2.0, 2.0),
    (100, 0.5, 0.1, 3.0),
]


@pytest.mark.parametrize(("dim", "r", "a", "period"), CASES)
def test_windings_and_their_slopes(dim, r, a, period):
    found = _windings.windings_scalar(float(dim), r, a, period)
    with mp.workdps(40):
        at = tuple(mp.mpf(x) for x in (r, a, period))
        wanted = [exact(dim, *at)]
        for i in range(3):

            def along(x, i=i):
                return exact(dim, *(x if j == i else y for j, y in enumerate(at)))

            wanted.append(mp.diff(along, at[i]))
    np.testing.assert_allclose(found, [float(x) for x in wanted], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize(("dim", "r", "a", "period"), CASES)
def test_windings_in_another_unit(dim, r, a, period, unit):
    value, *slopes = _windings.windings_scalar(float(dim), r, a, period)
    scaled, by_r, by_a, by_period = _windings.windings_scalar(float(dim), r * unit, a / unit, period * unit)
    found = (scaled, by_r * unit, by_a / unit, by_period * unit)
    assert found == pytest.approx((value, *slopes), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_far_windings_are_an_integral(dim):
    r, a, period = 0.7, 1e-7, 3.0
    with mp.workdps(30):

        def value(r, a, period):
            total = 2 ** (mp.mpf(dim) / 2) * mp.gamma(mp.mpf(dim) / 2) / (a**dim * period)
            return mp.log(total / (r ** (dim - 1) * mp.exp(-(a**2) * r**2 / 2)))

        # Where a r is not small, too: each term of the derivatives is seen.
        for at in ((r, a, period), (0.7, 1.3, 3.0), (2.5, 0.4, 1.7)):
            at = tuple(mp.mpf(x) for x in at)
            wanted = [value(*at)]
            for i in range(3):

                def along(x, i=i, at=at):
                    return value(*(x if j == i else y for j, y in enumerate(at)))

                wanted.append(mp.diff(along, at[i]))
            found = _windings.far_windings(float(dim), *(float(x) for x in at))
            np.testing.assert_allclose(found, [float(x) for x in wanted], rtol=1e-13, atol=1e-15)
    found = _windings.windings_scalar(float(dim), r, a, period)
    assert found == _windings.far_windings(float(dim), r, a, period)


@pytest.mark.parametrize("power", [0.0, 1.0, 6.0, 40.0])
def test_the_largest_of_the_log_ratios(power):
    gen = np.random.default_rng(int(power))
    for _ in range(20):
        r, a, period = gen.uniform(0.05, 1.2), gen.uniform(0.1, 2.0), gen.uniform(2.4, 5.0)
        peak = math.sqrt(power) / a
        each = []
        for k in range(-40, 41):
            x = r + k * period
            each.append(power * math.log(abs(x / r)) - 0.5 * a * a * (x * x - r * r))
            assert _windings.log_ratio(power, r, a, period, float(k)) == pytest.approx(each[-1], rel=1e-12, abs=1e-12)
        assert _windings.highest(power, r, a, period, peak) == pytest.approx(max(each), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("dim", [1.0, 2.0, 5.0, 30.0, 100.0])
def test_radii_hold_the_mass(dim):
    # In u = r / s the log density (n - 1) log u - u^2/2 has fallen by TAIL at the outer one.
    for s in (1e-3, 0.01, 0.1):
        start, stop = _windings.radii(dim, s)
        mode = math.sqrt(dim - 1)
        assert start == pytest.approx(max(0.0, s * (mode - math.sqrt(_windings.TAIL))), rel=1e-14, abs=0.0)
        if stop < math.pi:
            u = stop / s
            fallen = 0.5 * (u * u - mode * mode) - ((dim - 1) * math.log(u / mode) if mode else 0.0)
            assert fallen == pytest.approx(_windings.TAIL, rel=1e-9, abs=0.0)
        else:
            assert (start, stop) == (0.0, math.pi)
    assert _windings.radii(dim, 3.0) == (0.0, math.pi)


def test_the_rule_of_the_open_spaces():
    # theta(t) = sum_j exp(-(pi j)^2 t) by mpmath, times dt / t = (1 + exp(-s)) ds at t = exp(s - exp(-s)).
    times, theta = _rule()
    s = -4.6 + np.arange(len(times)) / 20
    np.testing.assert_allclose(times, np.exp(s - np.exp(-s)), rtol=1e-11)
    for i in (0, 5, 40, 70, 85, len(times) - 1):
        with mp.workdps(60):
            t = mp.mpf(times[i])
            whole = mp.fsum(mp.exp(-(j**2) / t) for j in range(-40, 41)) / mp.sqrt(mp.pi * t) / 2 - 0.5
        assert theta[i] == pytest.approx(float(whole) * (1 + math.exp(-s[i])) / 20, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize(("dim", "s"), [(1, 0.2), (1, 1.5), (2, 0.15), (2, 1.3), (5, 0.2), (5, 2.5)])
def test_the_entropy_on_the_unit_sphere(dim, s):
    # The density of the point is c sum_k |r_k / sin r|^(n-1) exp(-r_k^2 / (2 s^2)), integrated by graded panels.
    edges = np.concatenate([math.pi * 2.0 ** -np.arange(34, 0, -1), math.pi - math.pi * 2.0 ** -np.arange(2, 34)])
    parts = [gauss(a, b, 1, 12) for a, b in itertools.pairwise(edges)]
    r, width = (np.concatenate(v) for v in zip(*parts, strict=True))
    k = np.arange(-12, 13)
    wound = np.abs(r[:, None] + 2 * math.pi * k) ** (dim - 1) * np.exp(
        -((r[:, None] + 2 * math.pi * k) ** 2) / (2 * s * s)
    )
    log_q = np.log(wound.sum(axis=1)) - (dim - 1) * np.log(np.sin(r)) - dim * math.log(s * math.sqrt(2 * math.pi))
    mass = width * np.exp(log_q) * np.sin(r) ** (dim - 1)
    value, slope = unit_entropy(float(dim), s)
    assert value == pytest.approx(-(mass @ log_q) / mass.sum(), rel=1e-8, abs=0.0)
    h = 1e-4 * s
    ends = [unit_entropy(float(dim), s + j * h)[0] for j in (-2, -1, 1, 2)]
    assert slope == pytest.approx((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h), rel=1e-7, abs=0.0)
    scaled = closed_entropy_scalar(float(dim), 0.7 * s, 1.4 * math.pi)
    by_period = (dim - slope * s) / (1.4 * math.pi)
    assert scaled == pytest.approx((value + dim * math.log(0.7), slope / 0.7, by_period), rel=1e-12, abs=1e-12)
