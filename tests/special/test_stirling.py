"""What gamma functions leave over their leading terms, against mpmath."""

import mpmath as mp
import pytest

from geomlat.special.stirling import (
    lgamma_bregman_scalar,
    lgamma_excess_scalar,
    log1p_gap_scalar,
    log_minus_digamma_scalar,
    trigamma_excess_scalar,
)

SHAPES = [1e-6, 0.01, 0.3, 1.0, 2.5, 9.99, 10.0, 15.9, 16.0, 70.0, 1e4, 1e12]


def f(x):
    return mp.loggamma(x) - x * mp.log(x) + x


@pytest.mark.parametrize("x", SHAPES)
def test_excesses(x):
    with mp.workdps(60):
        y = mp.mpf(x)
        psi, slope, value = mp.log(y) - mp.psi(0, y), y * mp.psi(1, y) - 1, f(y)
    assert log_minus_digamma_scalar(x) == pytest.approx(float(psi), rel=1e-13, abs=0)
    assert trigamma_excess_scalar(x) == pytest.approx(float(slope), rel=1e-13, abs=0)
    assert lgamma_excess_scalar(x) == pytest.approx(float(value), rel=3e-15, abs=3e-15)


@pytest.mark.parametrize("q", SHAPES)
def test_bregman(q):
    for factor in (1e-6, 0.3, 0.49, 0.51, 0.99, 1 + 1e-9, 1.7, 1.99, 2.01, 40.0, 1e5):
        p = q * factor
        with mp.workdps(80):
            x, y = mp.mpf(q), mp.mpf(p)
            exact = f(y) - f(x) - (y - x) * (mp.psi(0, x) - mp.log(x))
        assert lgamma_bregman_scalar(q, p) == pytest.approx(float(exact), rel=1e-13, abs=0), p
    assert lgamma_bregman_scalar(q, q) == 0.0


@pytest.mark.parametrize("e", [-0.999, -0.3, -0.1001, -0.0999, -1e-9, 1e-12, 0.0999, 0.1001, 3.0, 1e9])
def test_log1p_gap(e):
    with mp.workdps(60):
        exact = mp.mpf(e) - mp.log1p(mp.mpf(e))
    assert log1p_gap_scalar(e) == pytest.approx(float(exact), rel=5e-15, abs=0)
