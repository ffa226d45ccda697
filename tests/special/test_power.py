"""The power spherical functions against mpmath over dimensions and concentrations."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from geomlat import special

NAMES = ("ps_log_peak", "ps_dlog_peak", "ps_kl", "ps_dkl")


def exact(m, kappa):
    with mp.workdps(60):
        a, k = mp.mpf(m - 1) / 2, mp.mpf(kappa)
        peak = mp.loggamma(2 * a + k) - mp.loggamma(a + k) - mp.loggamma(2 * a) + mp.loggamma(a)
        slope = mp.psi(0, 2 * a + k) - mp.psi(0, a + k)
        dkl = k * (mp.psi(1, a + k) - mp.psi(1, 2 * a + k))
        return dict(zip(NAMES, map(float, (peak, slope, peak - k * slope, dkl)), strict=True))


@pytest.mark.parametrize("m", [2, 3, 4, 6, 30, 1000, 30_001, 1_000_000])
def test_against_mpmath(m):
    border = 1.5 * (m - 1) + 1
    for kappa in (1e-8, 1e-4, 0.1, 1.0, border, border * 1.0001, 17.0, 1e3, 1e5, 1e7, 1e9, 1e12):
        for name, value in exact(m, kappa).items():
            got = getattr(special, name)(float(m), kappa)
            assert got == pytest.approx(value, rel=2e-14, abs=0), (name, kappa)


def test_uniform_limit_and_dtypes():
    m = np.array([2.0, 3.0, 50.0], np.float32)
    assert not special.ps_kl(m, 0.0).any()
    assert not special.ps_dkl(m, 0.0).any()
    assert not special.ps_log_peak(m, 0.0).any()
    assert special.ps_kl(m, 2.0).dtype == np.float32
    # On S^2, a = 1: log_peak = log(1 + kappa) and KL = log(1 + kappa) - kappa / (1 + kappa).
    kappa = np.array([0.3, 4.0, 1e5])
    np.testing.assert_allclose(special.ps_log_peak(3.0, kappa), np.log1p(kappa), rtol=1e-14)
    np.testing.assert_allclose(special.ps_kl(3.0, kappa), np.log1p(kappa) - kappa / (1 + kappa), rtol=1e-14)
