"""The von Mises-Fisher law in the dimensions of embeddings, where SciPy returns infinity, against mpmath."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import unit_rows

from geomlat.distributions import SphericalUniform, VonMisesFisher, kl_divergence, kl_divergence_vjp
from geomlat.distributions._vmf_fit import inverse_ratio
from geomlat.special.vmf import vmf_dratio

M = (768, 1536, 4096)
KAPPA = (0.0, 1e-6, 1e-2, 1.0, 30.0, 300.0, 1000.0, 3000.0, 1e4, 1e5, 1e6)


def exact(m, kappa):
    """phi = log E_U exp(kappa w), the ratio A and its derivative, as mpmath numbers."""
    v, x = mp.mpf(m) / 2 - 1, mp.mpf(kappa)
    if kappa == 0:
        return mp.mpf(0), mp.mpf(0), 1 / mp.mpf(m)
    bessel = mp.besseli(v, x)
    ratio = mp.besseli(v + 1, x) / bessel
    phi = mp.log(bessel) + mp.loggamma(v + 1) - v * mp.log(x / 2)
    return phi, ratio, 1 - ratio**2 - (m - 1) * ratio / x


@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("kappa", KAPPA)
def test_density_entropy_and_divergences(m, kappa):
    gen = np.random.default_rng(m)
    mu, nu = unit_rows(gen, 2, m)
    q, p, u = VonMisesFisher(mu, kappa), VonMisesFisher(nu, 700.0), SphericalUniform(m - 1)
    x = np.stack([mu, -mu, nu, q.sample(rng=1)])
    with mp.workdps(60):
        phi, ratio, slope = exact(m, kappa)
        area = mp.log(2) + mp.mpf(m) / 2 * mp.log(mp.pi) - mp.loggamma(mp.mpf(m) / 2)
        kl = kappa * ratio - phi
        other = exact(m, 700.0)[0]
        for y, got in zip(x, q.log_prob(x), strict=True):
            chord = mp.fsum((mp.mpf(a) - mp.mpf(b)) ** 2 for a, b in zip(y, mu, strict=True)) / 2
            assert float(got) == pytest.approx(float(kappa * (1 - chord) - phi - area), rel=1e-12, abs=0)
        assert float(q.entropy()) == pytest.approx(float(area - kl), rel=1e-12, abs=0)
        dkl = float(kappa * slope)
        apart = mp.fsum((mp.mpf(a) - mp.mpf(b)) ** 2 for a, b in zip(mu, nu, strict=True)) / 2
        pair = kl + other - 700 * ratio * (1 - apart)
    value, pull = kl_divergence_vjp(q, u)
    assert float(value) == pytest.approx(float(kl), rel=1e-12, abs=0)
    assert float(pull(np.ones(()))[0][1]) == pytest.approx(dkl, rel=1e-11, abs=0)
    assert float(kl_divergence(q, p)) == pytest.approx(float(pair), rel=1e-11, abs=0)
    with mp.workdps(60):
        found = float(inverse_ratio(float(m), float(ratio), float(1 - ratio)))
    assert found == pytest.approx(kappa, rel=1e-11, abs=0)
    narrow = VonMisesFisher(mu.astype(np.float32), np.float32(kappa))
    assert np.all(np.isfinite(narrow.log_prob(x.astype(np.float32))))
    assert float(narrow.entropy()) == pytest.approx(float(q.entropy()), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("kappa", [0.0, 300.0, 1e4, 1e6])
def test_fit(m, kappa):
    mu = unit_rows(np.random.default_rng(m), m)
    x = VonMisesFisher(mu, kappa).sample(400, rng=2)
    fit = VonMisesFisher.fit(x)
    # At the maximum the mean score vanishes; the estimate itself is pulled away from 0 by the dimension.
    dkappa = fit.log_prob_vjp(x)[1](np.full(400, 1 / 400))[2]
    assert abs(float(dkappa)) < 1e-12
    assert fit.log_prob(x).mean() >= VonMisesFisher(mu, kappa).log_prob(x).mean()
    if kappa > m:
        # The resultant of n draws gains (1 - A^2) / n on average, at most a few standard deviations with it.
        bias = float(vmf_dratio(float(m), kappa)) ** -0.5 / math.sqrt(400)
        assert abs(float(fit.kappa) - kappa) < 6 * bias + 2 * m * kappa / (400 * m)


@pytest.mark.parametrize("m", M)
def test_where_scipy_is_infinite(m):
    mu = unit_rows(np.random.default_rng(m), m)
    with np.errstate(all="ignore"):
        theirs = stats.vonmises_fisher(mu, 10.0).logpdf(mu[None])
    assert np.isinf(theirs[0])
    assert np.isfinite(VonMisesFisher(mu, 10.0).log_prob(mu))
