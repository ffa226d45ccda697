"""Radial functions against mpmath, from 1e-300 to their overflow."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from geomlat import special
from geomlat.special import radial


def sinc(r):
    return mp.sin(r) / r


def sinhc(r):
    return mp.sinh(r) / r


EXACT = {
    "sinc": sinc,
    "dsinc": lambda r: (r * mp.cos(r) - mp.sin(r)) / r**2,
    "cosc": lambda r: (1 - mp.cos(r)) / r**2,
    "dcosc": lambda r: (r * mp.sin(r) - 2 * (1 - mp.cos(r))) / r**3,
    "log_sinc": lambda r: mp.log(sinc(r)),
    "dlog_sinc": lambda r: mp.cot(r) - 1 / r,
    "sinhc": sinhc,
    "dsinhc": lambda r: (r * mp.cosh(r) - mp.sinh(r)) / r**2,
    "coshc": lambda r: (mp.cosh(r) - 1) / r**2,
    "dcoshc": lambda r: (r * mp.sinh(r) - 2 * (mp.cosh(r) - 1)) / r**3,
    "log_sinhc": lambda r: mp.log(sinhc(r)),
    "dlog_sinhc": lambda r: mp.coth(r) - 1 / r,
}
AT_ZERO = {"sinc": 1, "sinhc": 1, "cosc": 0.5, "coshc": 0.5}
SMALL = [1e-150, 1e-20, 1e-9, 1e-5, 1e-3, 0.05, 0.3, 0.7, 0.97, 1 - 1e-12, 1.0, 1.1, 1.6, 1.99, 2.01, 2.5, 3.0, 3.1]


def radii(name):
    return SMALL if "h" not in name else [*SMALL, 5.0, 12.0, 40.0, 300.0, 699.0, 701.0, 709.0, 712.0, 715.0]


@pytest.mark.parametrize("name", EXACT)
def test_against_mpmath(name):
    r = np.array(radii(name))
    digits = [700 if x < 1e-19 else 80 for x in r]
    expected = []
    for x, dps in zip(r, digits, strict=True):
        with mp.workdps(dps):
            expected.append(float(EXACT[name](mp.mpf(x))))
    got = getattr(special, name)(r)
    # Below 1e-154 log_sinc and log_sinhc are subnormal or zero.
    np.testing.assert_allclose(got, expected, rtol=2e-15, atol=1e-307)
    plain = [getattr(radial, f"{name}_scalar")(float(x)) for x in r]
    np.testing.assert_allclose(plain, expected, rtol=2e-15, atol=1e-307)
    np.testing.assert_array_equal(getattr(special, name)(-r), -got if name.startswith("d") else got)
    assert getattr(special, name)(0.0) == AT_ZERO.get(name, 0)


@pytest.mark.parametrize("name", EXACT)
def test_dtypes(name):
    f, r = getattr(special, name), np.float32(radii(name))
    r = r[r < 80]
    assert f(r).dtype == np.float32
    np.testing.assert_array_equal(f(r), f(r.astype(float)).astype(np.float32))
    assert np.isnan(f(np.nan))


def test_beyond_the_overflow():
    r = np.array([717.0, 718.0, 730.0, 1e4, 1e308])
    assert (special.sinhc(r)[1:] == np.inf).all()
    assert (special.dsinhc(-r)[1:] == -np.inf).all()
    assert np.isfinite(special.sinhc(r)[0])
    assert radial.sinhc_scalar(1e4) == math.inf
    np.testing.assert_allclose(special.log_sinhc(r), r - np.log(2) - np.log(r), rtol=1e-15)
    np.testing.assert_array_equal(special.dlog_sinhc(r[3:]), 1 - 1 / r[3:])


def test_near_pi():
    r = math.pi * (1 - np.logspace(-15, -3, 13))
    with mp.workdps(40):
        expected = [float(mp.log(mp.sin(mp.mpf(x)) / x)) for x in r]
    np.testing.assert_allclose(special.log_sinc(r), expected, rtol=1e-15)


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)
    r = np.array([[0.0, 1e-3], [0.5, 2.0]])
    for name in EXACT:
        np.testing.assert_array_equal(np.from_dlpack(getattr(special, name)(xp.asarray(r))), getattr(special, name)(r))
