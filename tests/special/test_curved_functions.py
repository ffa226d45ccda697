"""Functions of z = K r^2 against mpmath on both sides of zero, and the array expressions against them."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from geomlat import special
from geomlat.manifolds.curved import arc_rest, dlog_sine, log_sine, tangent
from geomlat.special import curved

EXACT = {
    "curved_sinc": lambda t: mp.sin(t) / t,
    "curved_tanc": lambda t: mp.tan(t) / t,
    "curved_arctanc": lambda t: mp.atan(t) / t,
    "curved_arcsinc": lambda t: mp.asin(t) / t,
    "curved_log_sinc": lambda t: mp.log(mp.sin(t) / t),
    "curved_cotc": lambda t: t * mp.cot(t),
}
SLOPES = {"sinc": -1 / 6, "tanc": 1 / 3, "arctanc": -1 / 3, "arcsinc": 1 / 6, "log_sinc": -1 / 6, "cotc": -1 / 3}
SIZES = [1e-12, 1e-8, 1e-4, 0.01, 0.1, 0.19, 0.24, 0.25, 0.26, 0.5, 0.9, 0.99]
LARGE = [1.0, 1.01, 1.5, 2.0, 2.2]
FAR = [3.0, 6.0, 9.0]
OPEN = [-1.0, -1.1, -3.0, -24.0, -26.0, -99.0, -101.0, -400.0, -1e4]
DOMAIN = {
    "curved_sinc": [*LARGE, *OPEN],
    "curved_tanc": [*LARGE, *OPEN],
    "curved_arctanc": [*LARGE, 30.0, 1e4, 1e8, -0.999],
    "curved_arcsinc": [*OPEN, -1e8],
    "curved_log_sinc": [*LARGE, *FAR, *OPEN],
    "curved_cotc": [*LARGE, *FAR, *OPEN],
}


def exact(name, z):
    """The value and the derivative by z."""
    f = EXACT[name]

    def value(z):
        return mp.re(f(mp.sqrt(z)))

    with mp.workdps(60):
        z = mp.mpf(z)
        h = abs(z) * mp.mpf("1e-14")
        coarse, fine = ((value(z + t) - value(z - t)) / (2 * t) for t in (h, h / 4))
        return float(value(z)), float((16 * fine - coarse) / 15)


@pytest.mark.parametrize("name", EXACT)
def test_values_and_derivatives(name):
    z = np.array([*SIZES, *(-s for s in SIZES), *DOMAIN[name]])
    expected = np.array([exact(name, x) for x in z]).T
    floor = 1.0 if name == "curved_cotc" else 0.0
    for got, plain, want in (
        (getattr(special, name)(z), getattr(curved, f"{name}_scalar"), expected[0]),
        (getattr(special, f"d{name}")(z), getattr(curved, f"d{name}_scalar"), expected[1]),
    ):
        np.testing.assert_allclose(got, want, rtol=4e-15, atol=4e-15 * floor)
        np.testing.assert_allclose([plain(float(x)) for x in z], want, rtol=4e-15, atol=4e-15 * floor)
        floor = 0.0


@pytest.mark.parametrize("name", EXACT)
def test_zero_and_dtypes(name):
    f, df = getattr(special, name), getattr(special, f"d{name}")
    assert f(0.0) == (0.0 if name == "curved_log_sinc" else 1.0)
    slope = {"sinc": -1 / 6, "tanc": 1 / 3, "arctanc": -1 / 3, "arcsinc": 1 / 6, "log_sinc": -1 / 6, "cotc": -2 / 3}
    assert df(0.0) == pytest.approx(
        slope[name.removeprefix("curved_")] / (2 if name == "curved_cotc" else 1), rel=1e-15, abs=0.0
    )
    z = np.float32([-0.5, -1e-10, 0.0, 1e-10, 0.5])
    for g in (f, df):
        assert g(z).dtype == np.float32
        np.testing.assert_array_equal(g(z), g(z.astype(float)).astype(np.float32))


def test_the_array_expressions_are_these_functions():
    for k in (-1.0, 0.0, 1.0):
        r = np.array([0.0, 1e-9, 1e-3, 0.3, 0.99, 1.0, 1.4])
        z, kk = k * r * r, np.asarray(k)
        w = tangent(kk, r)
        np.testing.assert_allclose(w.g / w.c, special.curved_tanc(z), rtol=4e-15)
        slope = (w.dg - w.g * w.dc / w.c) / w.c
        np.testing.assert_allclose(slope, special.dcurved_tanc(z), rtol=2e-14)
        np.testing.assert_allclose(w.h, w.c**2 + z * w.g**2, rtol=4e-15)
        np.testing.assert_allclose(log_sine(kk, r), special.curved_log_sinc(z), rtol=4e-15)
        np.testing.assert_allclose(dlog_sine(kk, r), special.dcurved_log_sinc(z), rtol=4e-15)
        tau = 0.7 * r
        ratio = special.curved_arctanc(k * tau * tau)
        expected = (special.dcurved_arctanc(k * tau * tau) + 0.5 / (1 + k * tau * tau)) + 0 * tau
        np.testing.assert_allclose(arc_rest(kk, tau, ratio), expected, rtol=1e-14)


def test_at_the_ends():
    assert special.curved_arctanc(-1.0) == np.inf
    assert special.dcurved_arctanc(-1.0) == -np.inf
    assert special.curved_sinc(-1e6) == np.inf
    assert special.dcurved_sinc(-1e6) == -np.inf
    assert special.dcurved_sinc(-(705.0**2)) == pytest.approx(exact("curved_sinc", -(705.0**2))[1], rel=1e-14, abs=0.0)
    assert special.curved_tanc(-1e300) == 1e-150
