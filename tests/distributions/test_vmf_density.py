"""Density, entropy, divergences and fit of the von Mises-Fisher law against quadrature and mpmath."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import angle_range, mp_phi, mp_ratio, panels, unit_rows

from geomlat.distributions import Normal, SphericalUniform, VonMisesFisher, kl_divergence, kl_divergence_vjp
from geomlat.distributions._vmf_fit import inverse_ratio
from geomlat.distributions._vmf_kl import bregman
from geomlat.distributions.spherical_uniform import log_area
from geomlat.special.vmf import vmf_dratio, vmf_one_minus_ratio, vmf_ratio

DENSITY = [(2, 0.0), (2, 3.0), (3, 0.4), (3, 1e4), (4, 12.0), (7, 40.0), (50, 7.0), (128, 1e6)]


def meridian(m, kappa, seed=0):
    """Points at angles theta from mu, the log weights of the surface measure there, and mu."""
    mu, e = unit_rows(np.random.default_rng(seed), 2, m)
    e = (e - (e @ mu) * mu) / np.linalg.norm(e - (e @ mu) * mu)
    theta, weight = panels(0.0, angle_range(m, kappa), 400, 16)
    rim = log_area(m - 1) if m > 2 else math.log(2.0)
    x = np.cos(theta)[:, None] * mu + np.sin(theta)[:, None] * e
    return x, rim + (m - 2) * np.log(np.sin(theta)) + np.log(weight), mu


@pytest.mark.parametrize(("m", "kappa"), DENSITY)
def test_density_entropy_and_mean_by_quadrature(m, kappa):
    x, log_weight, mu = meridian(m, kappa)
    q = VonMisesFisher(mu, kappa)
    log_q = q.log_prob(x)
    mass = np.exp(log_weight + log_q)
    tolerance = 1e-12 if kappa < 1e3 else 1e-9
    assert mass.sum() == pytest.approx(1.0, rel=tolerance, abs=0)
    assert float(q.entropy()) == pytest.approx(-(mass * log_q).sum(), rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(q.mean(), (mass * (x @ mu)).sum() * mu, rtol=tolerance, atol=1e-15)
    assert np.array_equal(q.mode(), mu)


@pytest.mark.parametrize("m", [3, 5])
def test_agrees_with_scipy(m):
    mu = unit_rows(np.random.default_rng(0), m)
    x = unit_rows(np.random.default_rng(1), 20, m)
    for kappa in (0.5, 20.0):
        theirs = stats.vonmises_fisher(mu, kappa)
        q = VonMisesFisher(mu, kappa)
        np.testing.assert_allclose(q.log_prob(x), theirs.logpdf(x), rtol=1e-12, atol=1e-12)
        assert float(q.entropy()) == pytest.approx(theirs.entropy(), rel=1e-12, abs=0)


def test_density_keeps_its_digits_at_large_kappa():
    m, kappa = 5, 1e10
    q = VonMisesFisher(np.eye(m)[0], kappa)
    angle = 3e-5
    x = math.cos(angle) * np.eye(m)[0] + math.sin(angle) * np.eye(m)[1]
    with mp.workdps(40):
        t = ((1 - mp.mpf(float(x[0]))) ** 2 + mp.mpf(float(x[1])) ** 2) / 2
        exact = -kappa * t - mp_phi_minus_x(m, kappa) - log_area(m)
    assert float(q.log_prob(x)) == pytest.approx(float(exact), rel=1e-13, abs=0)


def mp_phi_minus_x(m, kappa):
    v = mp.mpf(m) / 2 - 1
    log_iv = mp.log(mp.besseli(v, mp.mpf(kappa)))
    return log_iv + mp.loggamma(v + 1) - v * mp.log(mp.mpf(kappa) / 2) - kappa


def test_float32_density():
    gen = np.random.default_rng(0)
    mu = unit_rows(gen, 6, 9).astype(np.float32)
    kappa = np.array([0, 1e-3, 1, 50, 1e3, 1e4], dtype=np.float32)
    q = VonMisesFisher(mu, kappa)
    x = q.sample(20, rng=1)
    wide = VonMisesFisher(mu.astype(float), kappa.astype(float))
    assert q.log_prob(x).dtype == np.float32
    np.testing.assert_allclose(q.log_prob(x), wide.log_prob(x.astype(float)), rtol=2e-7, atol=2e-7)
    assert q.entropy().dtype == q.mean().dtype == kl_divergence(q, SphericalUniform(8)).dtype == np.float32
    assert kl_divergence(q, q).dtype == np.float32
    assert [g.dtype for g in q.log_prob_vjp(x)[1](np.ones((20, 6)))] == [np.float32] * 3


# ---- pullbacks ----


def test_log_prob_vjp_at_zero_concentration():
    q = VonMisesFisher(np.eye(3), np.zeros(3))
    x = unit_rows(np.random.default_rng(0), 3, 3)
    dx, dmu, dkappa = q.log_prob_vjp(x)[1](np.ones(3))
    assert not np.any(dx)
    assert not np.any(dmu)
    np.testing.assert_allclose(dkappa, np.diag(x), atol=1e-15)


# ---- divergences ----

REFERENCE = [
    (3, 1.0, 0.1515959239281357, 0.2759383390336895),
    (3, 10.0, 1.995732316838217, 0.09999991755385476),
    (6, 5.0, 1.227723006703351, 0.3077331787344444),
    (11, 30.0, 6.529288704941768, 0.1435415412407844),
    (41, 50.0, 12.33476231174837, 0.2546569535654769),
    (3, 500.0, 5.907755278982137, 0.002),
]


@pytest.mark.parametrize(("m", "kappa", "kl", "slope"), REFERENCE)
def test_uniform_reference_values(m, kappa, kl, slope):
    q = VonMisesFisher(np.eye(m)[:2], kappa)
    value, pull = kl_divergence_vjp(q, SphericalUniform(m - 1))
    np.testing.assert_allclose(value, kl, rtol=1e-12)
    (dmu, dkappa), dp = pull(np.array([1.0, 0.0]))
    assert dmu is None
    assert dp == ()
    assert float(dkappa) == pytest.approx(slope, rel=1e-12, abs=0)


@pytest.mark.parametrize(("m", "kappa"), DENSITY)
def test_uniform_divergence_is_area_less_entropy(m, kappa):
    q = VonMisesFisher(np.eye(m)[1], kappa)
    u = SphericalUniform(m - 1)
    assert float(kl_divergence(q, u)) == pytest.approx(u.entropy() - float(q.entropy()), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("m", [2, 3, 10, 1000])
def test_radial_part_of_the_pair_against_mpmath(m):
    gen = np.random.default_rng(m)
    with mp.workdps(60):
        for _ in range(12):
            kq = 10 ** gen.uniform(-4, 4)
            for kp in (kq * (1 + 1e-9), kq * 1.01, kq * 1.9, kq * 2.1, kq * 0.55, kq * 0.4, kq * 30, kq / 30, 0.0):
                exact = mp_phi(m, kp) - mp_phi(m, kq) - mp_ratio(m, kq) * (mp.mpf(kp) - mp.mpf(kq))
                got = float(bregman(float(m), kq, float(kp)))
                assert got == pytest.approx(float(exact), rel=1e-11, abs=0), (kq, kp)


@pytest.mark.parametrize("m", [2, 50])
@pytest.mark.parametrize(("kq", "kp"), [(1e8, 3e8), (1e10, 1e7), (1e9, 1.2e9), (1e7, 1e12)])
def test_radial_part_of_concentrated_pairs(m, kq, kp):
    with mp.workdps(40):
        tail = 1 - mp_ratio(m, mp.mpf(kq))
        exact = mp_phi_minus_x(m, kp) - mp_phi_minus_x(m, kq) + tail * (mp.mpf(kp) - mp.mpf(kq))
    assert float(bregman(float(m), kq, kp)) == pytest.approx(float(exact), rel=1e-12, abs=0)


@pytest.mark.parametrize("m", [2, 3, 20])
def test_divergences_are_non_negative_and_zero_on_the_diagonal(m):
    gen = np.random.default_rng(m)
    q = VonMisesFisher(unit_rows(gen, 30, m), 10 ** gen.uniform(-6, 9, 30))
    p = VonMisesFisher(unit_rows(gen, 30, m), 10 ** gen.uniform(-6, 9, 30))
    assert np.all(kl_divergence(q, p) >= 0)
    assert np.array_equal(kl_divergence(q, q), np.zeros(30))
    assert np.all(kl_divergence(q, SphericalUniform(m - 1)) >= 0)
    flat = VonMisesFisher(q.mu, 0.0)
    np.testing.assert_allclose(kl_divergence(q, flat), kl_divergence(q, SphericalUniform(m - 1)), rtol=1e-13)
    assert kl_divergence_vjp(q, p)[1](None) == ((None, None), (None, None))
    assert kl_divergence_vjp(q, SphericalUniform(m - 1))[1](None) == ((None, None), ())


def test_unregistered_and_mismatched_pairs():
    q = VonMisesFisher(np.eye(3), 1.0)
    with pytest.raises(NotImplementedError, match=r"KL\(VonMisesFisher \|\| Normal\)"):
        kl_divergence(q, Normal(np.zeros(3), 1.0))
    with pytest.raises(ValueError, match="one sphere"):
        kl_divergence(q, SphericalUniform(3))
    with pytest.raises(ValueError, match="one sphere"):
        kl_divergence(q, VonMisesFisher(np.eye(4)[0], 1.0))


# ---- fit ----


@pytest.mark.parametrize("m", [2, 3, 50, 4096, 100_000])
@pytest.mark.parametrize("kappa", [1e-6, 0.3, 4.0, 90.0, 3e3, 1e7, 1e11])
def test_concentration_of_a_resultant(m, kappa):
    r, tail = vmf_ratio(float(m), kappa), vmf_one_minus_ratio(float(m), kappa)
    assert float(inverse_ratio(float(m), r, tail)) == pytest.approx(kappa, rel=1e-12, abs=0)


@pytest.mark.parametrize(("m", "kappa"), [(2, 3.0), (3, 0.5), (3, 1e5), (20, 40.0), (300, 500.0)])
def test_fit_recovers(m, kappa):
    mu = unit_rows(np.random.default_rng(m), m)
    n = 20_000 if m < 100 else 3_000
    x = VonMisesFisher(mu, kappa).sample(n, rng=m)
    fit = VonMisesFisher.fit(x)
    information = float(vmf_dratio(float(m), kappa))
    assert abs(float(fit.kappa) - kappa) < 4.5 / math.sqrt(n * information)
    assert fit.log_prob(x).mean() >= VonMisesFisher(mu, kappa).log_prob(x).mean()
    # At the maximum the score vanishes along every direction.
    _, dmu, dkappa = fit.log_prob_vjp(x)[1](np.full(n, 1 / n))
    assert abs(float(dkappa)) < 1e-11
    np.testing.assert_allclose(dmu - (dmu @ fit.mu) * fit.mu, 0, atol=1e-11 * max(1, kappa))


def test_fit_edges():
    balanced = np.concatenate([np.eye(3), -np.eye(3)])
    fit = VonMisesFisher.fit(balanced)
    assert float(fit.kappa) == 0.0
    assert np.array_equal(fit.mu, [1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="coincide"):
        VonMisesFisher.fit(np.tile(np.eye(3)[0], (5, 1)))
    with pytest.raises(ValueError, match="n > 0"):
        VonMisesFisher.fit(np.empty((0, 3)))
