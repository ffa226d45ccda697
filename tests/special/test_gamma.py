"""Stirling's remainder, log Gamma(v+1), digamma, trigamma and their differences against mpmath."""

from __future__ import annotations

import mpmath as mp
import pytest

from geomlat.special.gamma import (
    digamma_diff_scalar,
    digamma_scalar,
    lgamma1p_scalar,
    lgamma_diff_scalar,
    stirling_scalar,
    trigamma_diff_scalar,
    trigamma_scalar,
)


@pytest.mark.parametrize("v", [10.0, 10.5, 13.0, 20.0, 77.7, 1e3, 1e7, 1e100])
def test_stirling_remainder(v):
    with mp.workdps(250):
        x = mp.mpf(v)
        expected = mp.loggamma(x + 1) - (x + 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2
    assert stirling_scalar(v) == pytest.approx(float(expected), rel=1e-15, abs=0)


@pytest.mark.parametrize("v", [-0.5, -0.1, 0.0, 0.5, 3.0, 9.99, 10.0, 50.5, 1e6])
def test_log_gamma(v):
    with mp.workdps(40):
        expected = float(mp.loggamma(mp.mpf(v) + 1))
    assert lgamma1p_scalar(v) == pytest.approx(expected, rel=1e-15, abs=1e-15)


# Where psi and the difference of log Gamma cross zero their error is absolute.
SHAPES = [1e-3, 0.3, 0.5, 1.0, 1.4616321449683623, 2.5, 15.9, 16.0, 70.0, 1e4, 1e12]
STEPS = [1e-12, 1e-6, 0.1, 0.5, 1.0, 7.0, 400.0, 1e7, 1e12]


@pytest.mark.parametrize("x", SHAPES)
def test_digamma_and_trigamma(x):
    with mp.workdps(40):
        psi, slope = float(mp.psi(0, mp.mpf(x))), float(mp.psi(1, mp.mpf(x)))
    assert digamma_scalar(x) == pytest.approx(psi, rel=2e-15, abs=2e-15)
    assert trigamma_scalar(x) == pytest.approx(slope, rel=2e-15, abs=0)


@pytest.mark.parametrize("x", SHAPES)
@pytest.mark.parametrize("b", STEPS)
def test_differences_keep_their_digits(x, b):
    with mp.workdps(60):
        low, high = mp.mpf(x), mp.mpf(x) + mp.mpf(b)
        log_gamma = float(mp.loggamma(high) - mp.loggamma(low))
        psi = float(mp.psi(0, high) - mp.psi(0, low))
        slope = float(mp.psi(1, low) - mp.psi(1, high))
    assert lgamma_diff_scalar(x, b) == pytest.approx(log_gamma, rel=2e-14, abs=4e-15 * min(b, 1.0))
    assert digamma_diff_scalar(x, b) == pytest.approx(psi, rel=2e-15, abs=0)
    assert trigamma_diff_scalar(x, b) == pytest.approx(slope, rel=2e-15, abs=0)
    assert digamma_diff_scalar(x, 0.0) == lgamma_diff_scalar(x, 0.0) == trigamma_diff_scalar(x, 0.0) == 0.0
