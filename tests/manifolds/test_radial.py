"""The radial functions as array expressions, in float64 and float32, against mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from geomlat.manifolds import radial

EXACT = {
    "sinc": lambda r: mp.sin(r) / r,
    "log_sinc": lambda r: mp.log(abs(mp.sin(r) / r)),
    "dlog_sinc": lambda r: mp.cot(r) - 1 / r,
    "sinhc": lambda r: mp.sinh(r) / r,
    "log_sinhc": lambda r: mp.log(mp.sinh(r) / r),
    "dlog_sinhc": lambda r: mp.coth(r) - 1 / r,
}
RADII = [1e-150, 1e-8, 0.03, 0.4, 0.8, 0.999, 1.0, 1.3, 2.0, 3.0]


@pytest.mark.parametrize("name", EXACT)
def test_against_mpmath(name):
    r = np.array(RADII if "h" not in name else [*RADII, 6.0, 20.0])
    with mp.workdps(400):
        expected = np.array([float(EXACT[name](mp.mpf(float(x)))) for x in r])
    f = getattr(radial, name)
    np.testing.assert_allclose(f(r), expected, rtol=3e-15)
    assert f(np.zeros(2, np.float32)).dtype == np.float32
    np.testing.assert_array_equal(f(np.zeros(2)), float(name in ("sinc", "sinhc")))
    np.testing.assert_allclose(f(r[1:].astype(np.float32)), expected[1:], rtol=4e-6, atol=1e-37)


def test_a_polynomial_has_the_shape_of_its_argument():
    z = np.array([0.5, -2.0])
    np.testing.assert_array_equal(radial._horner((2.0, 3.0, 5.0), z), 2 + 3 * z + 5 * z * z, strict=True)
    np.testing.assert_array_equal(radial._horner((7.0,), z), np.array([7.0, 7.0]), strict=True)
