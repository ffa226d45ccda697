"""The spherical Cauchy functions against mpmath over dimensions and rho."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from geomlat import special

RHO = (1e-8, 1e-3, 0.3, 0.79, 0.81, 0.99, 1 - 1e-4, 1 - 1e-8, 1 - 1e-12)


def exact(m, rho):
    """KL, its derivative and the mean by quadrature in the angle from the antipode, on panels that shrink to it."""
    with mp.workdps(40):
        r = mp.mpf(rho)
        edges = [mp.mpf(0)] + [mp.pi * mp.mpf(8) ** -k for k in range(int(mp.ceil(-mp.log(1 - r, 8))) + 2, -1, -1)]

        def mean(f):
            return mp.quad(lambda t: f(t) * mp.sin(t) ** (m - 2), edges) / mp.beta(mp.mpf(m - 1) / 2, mp.mpf(1) / 2)

        def distance(t):
            return (1 - r) ** 2 + 4 * r * mp.sin(t / 2) ** 2

        moment = mean(lambda t: mp.log(distance(t)))
        slope = mean(lambda t: 2 * (r - mp.cos(t)) / distance(t))
        gap = (1 - r) * (1 + r)
        kl = (m - 1) * (moment - mp.log(gap))
        return float(kl), float((m - 1) * (slope + 2 * r / gap)), float(r + gap * slope / 2)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 7, 10, 31])
def test_against_mpmath(m):
    for rho in RHO:
        kl, dkl, mean = exact(m, rho)
        assert special.sc_kl(float(m), rho) == pytest.approx(kl, rel=2e-13, abs=0), rho
        assert special.sc_dkl(float(m), rho) == pytest.approx(dkl, rel=2e-13, abs=0), rho
        assert special.sc_mean(float(m), rho) == pytest.approx(mean, rel=2e-13, abs=0), rho


@pytest.mark.parametrize("m", [1001, 1_000_000])
@pytest.mark.parametrize("rho", [0.3, 0.9, 0.999, 1 - 1e-8])
def test_large_dimensions_by_quadrature(m, rho):
    """c has the density (1 - c^2)^((m-3)/2), all of it within 12 standard deviations 1/sqrt(m)."""
    x, w = np.polynomial.legendre.leggauss(400)
    c = 12 / np.sqrt(m) * x
    mass = w * np.exp(0.5 * (m - 3) * np.log1p(-c * c))
    mass /= mass.sum()
    moment = (mass * np.log((1 - rho) ** 2 + 2 * rho * (1 + c))).sum()
    slope = (mass * 2 * (c + rho) / ((1 - rho) ** 2 + 2 * rho * (1 + c))).sum()
    gap = (1 - rho) * (1 + rho)
    assert special.sc_kl(float(m), rho) == pytest.approx((m - 1) * (moment - np.log(gap)), rel=1e-12, abs=0.0)
    assert special.sc_dkl(float(m), rho) == pytest.approx((m - 1) * (slope + 2 * rho / gap), rel=1e-12, abs=0.0)
    assert special.sc_mean(float(m), rho) == pytest.approx(rho + 0.5 * gap * slope, rel=1e-12, abs=0.0)


def test_uniform_limit_and_the_circle():
    m = np.array([2.0, 3.0, 50.0], np.float32)
    for f in (special.sc_kl, special.sc_dkl, special.sc_mean):
        assert not f(m, 0.0).any()
        assert f(m, 0.5).dtype == np.float32
    rho = np.array([0.1, 0.6, 0.99])
    np.testing.assert_allclose(special.sc_kl(2.0, rho), -np.log1p(-(rho**2)), rtol=1e-14)
    np.testing.assert_allclose(special.sc_mean(2.0, rho), rho, rtol=1e-15)
