"""log I_v and the Bessel ratio against mpmath."""

from __future__ import annotations

import math
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from make_debye import debye

from geomlat import special
from geomlat.special import bessel

REFERENCE = np.load(Path(__file__).with_name("vmf_reference.npz"))
V, X = REFERENCE["m"] / 2 - 1, REFERENCE["kappa"]


def test_log_iv_with_a_floor_of_one():
    got, expected = special.log_iv(V, X), REFERENCE["log_iv"]
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(got[infinite], expected[infinite])
    np.testing.assert_allclose(got[~infinite], expected[~infinite], rtol=2e-14, atol=2e-14)
    plain = [bessel.log_iv_scalar(float(v), float(x)) for v, x in zip(V, X, strict=True)]
    np.testing.assert_allclose(plain, got, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("v", [40.0, 1234.5, 98765.0, 1e6, 1e7 / 3])
def test_log_iv_where_it_crosses_zero(v):
    """Around the zero, against the classical Debye expansion in 40 digits."""
    gen = np.random.default_rng(5)
    for f in 1 + gen.normal(size=10) * 10.0 ** gen.uniform(-8, -1.5, 10):
        x = 0.6627434193491816 * v * f
        with mp.workdps(40):
            z = mp.mpf(x) / mp.mpf(v)
            root = mp.sqrt(1 + z * z)
            leading = v * (root + mp.log(z / (1 + root))) - mp.log(2 * mp.pi * v * root) / 2
            expected = leading + mp.log(debye_sum(mp.mpf(v), 1 / root))
        assert abs(special.log_iv(v, x) - float(expected)) < 2e-14 * max(1, abs(float(expected)))


def debye_sum(v, p):
    """sum_{k <= 20} U_k(p) / v^k, DLMF 10.41.3: twenty terms reach 1e-20 for v >= 40."""
    total = mp.mpf(0)
    for k, u in enumerate(debye(20)):
        total += (p / v) ** k * mp.fsum(mp.mpf(c.numerator) / c.denominator * p ** (2 * j) for j, c in enumerate(u))
    return total


def test_against_mpmath_bessel():
    for v in (-0.5, -0.25, 0.0, 0.5, 3.3, 9.9, 10.1, 31.0, 57.5):
        for x in (1e-300, 1e-5, 0.3, 4.0, 31.0, 33.0, 70.0, 700.0):
            with mp.workdps(40):
                i0, i1, i2 = (mp.besseli(mp.mpf(v) + k, mp.mpf(x)) for k in range(3))
                a = i1 / i0
                # A' = A (A_{v+1} - A + 1/x) by the recurrences DLMF 10.29.2.
                da = a * (i2 / i1 - a + 1 / mp.mpf(x))
                log = float(mp.log(i0))
            assert special.log_iv(v, x) == pytest.approx(log, rel=2e-14, abs=2e-14)
            assert special.bessel_ratio(v, x) == pytest.approx(float(a), rel=1e-14, abs=0)
            if v > -0.5:
                assert special.bessel_ratio_derivative(v, x) == pytest.approx(float(da), rel=1e-13, abs=0)
            assert special.log_iv_derivative(v, x) == pytest.approx(float(a + v / mp.mpf(x)), rel=2e-14, abs=2e-14)


def test_closed_forms_at_half_orders():
    x = np.logspace(-8, 2.5, 200)
    np.testing.assert_allclose(special.bessel_ratio(-0.5, x), np.tanh(x), rtol=1e-14)
    expected = np.log(2 / (np.pi * x)) / 2 + x + np.log1p(np.exp(-2 * x)) - math.log(2)
    np.testing.assert_allclose(special.log_iv(-0.5, x), expected, rtol=1e-13, atol=1e-13)


def test_at_zero_and_outside():
    np.testing.assert_array_equal(special.log_iv(np.array([-0.5, 0.0, 2.0]), 0.0), [np.inf, 0.0, -np.inf])
    np.testing.assert_array_equal(special.log_iv_derivative(np.array([-0.5, 0.0, 2.0]), 0.0), [-np.inf, 0.0, np.inf])
    np.testing.assert_array_equal(special.bessel_ratio(np.array([-0.5, 0.0, 2.0]), 0.0), [0.0, 0.0, 0.0])
    for f in (special.log_iv, special.log_iv_derivative, special.bessel_ratio, special.bessel_ratio_derivative):
        assert np.isnan(f(np.array([-0.6, 1.0, np.nan, 1.0]), np.array([1.0, -1.0, 1.0, np.nan]))).all()
        assert np.isnan(f(-0.6, 0.0))
    assert special.log_iv(0.5, np.float32(2.0)).dtype == np.float32
