"""Stirling's remainder and log Gamma(v+1) against mpmath."""

from __future__ import annotations

import mpmath as mp
import pytest

from geomlat.special.gamma import lgamma1p_scalar, stirling_scalar


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
